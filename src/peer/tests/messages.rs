//! Every message, against a script.

use super::support::*;
use crate::wire::{BlockRef, Capability, Message};

#[test]
fn serves_a_request_once_unchoked() {
    let mut talk = Talk::to(seed().with_settings(quiet));
    let conn = talk.open_fast();
    talk.send(conn, &[Message::Interested]);
    assert_eq!(talk.messages(conn), [Message::Unchoke]);
    talk.send(conn, &[request(3, 0)]);
    assert_eq!(talk.messages(conn), [piece(3, 0)]);
}

#[test]
fn rejects_a_request_while_choking() {
    let mut talk = Talk::to(seed().with_settings(quiet));
    let conn = talk.open_fast();
    talk.send(conn, &[request(3, 0)]);
    assert_eq!(talk.messages(conn), [reject(3, 0)]);
}

#[test]
fn drops_a_request_while_choking_without_fast() {
    let mut talk = Talk::to(seed());
    let conn = talk.open(&[Capability::Extended]);
    talk.messages(conn);
    talk.send(conn, &[request(3, 0)]);
    assert_eq!(talk.messages(conn), []);
    talk.send(
        conn,
        &[
            Message::Interested,
            Message::Request(BlockRef::new(0, 0, 16)),
        ],
    );
    assert_eq!(talk.messages(conn), [Message::Unchoke]);
}
