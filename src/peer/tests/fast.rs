//! The fast extension (BEP 6).

use super::support::*;
use crate::peer::config::Tolerance;
use crate::peer::{CloseReason, Input, Process};
use crate::torrent::{Torrent, allowed_fast};
use crate::wire::{BlockRef, Capability, Kind, Message};

#[test]
fn rejects_a_request_while_choking() {
    let mut talk = Talk::to(seed().with_settings(quiet));
    let conn = talk.open_fast();
    talk.send(conn, &[request(3, 0)]);
    assert_eq!(talk.messages(conn), [reject(3, 0)]);
}

#[test]
fn choke_comes_before_its_rejects_in_request_order() {
    let mut talk = Talk::to(seed().with_settings(|s| s.serve_delay = secs(1)));
    let conn = talk.open_fast();
    talk.send(conn, &[Message::Interested]);
    let allowed = talk.peer.connection(conn).unwrap().allowed_fast()[0];
    talk.messages(conn);
    let other = |n: u32| {
        (0..)
            .filter(|i| !is_allowed(&talk, conn, *i))
            .nth(n as usize)
            .unwrap()
    };
    let (a, b) = (other(3), other(1));
    talk.send(
        conn,
        &[
            request(a, 0),
            request(allowed, 0),
            request(b, 0),
            Message::NotInterested,
        ],
    );
    assert_eq!(
        talk.messages(conn),
        [Message::Choke, reject(a, 0), reject(b, 0)]
    );
    talk.wait(secs(2));
    assert_eq!(talk.messages(conn), [piece(allowed, 0)]);
}

#[test]
fn paused_peer_rejects_what_it_would_serve_under_choke() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.give(verb("pause"));
    talk.send(conn, &[Message::Interested]);
    let allowed = talk.peer.connection(conn).unwrap().allowed_fast()[0];
    talk.messages(conn);
    talk.send(conn, &[request(allowed, 0)]);
    assert!(talk.peer.poll_deadline().unwrap() > secs(1));
    assert_eq!(talk.messages(conn), [reject(allowed, 0)]);
    talk.give(verb("resume"));
    talk.send(conn, &[request(allowed, 0)]);
    talk.wait(secs(1));
    assert!(talk.messages(conn).contains(&piece(allowed, 0)));
}

#[test]
fn pausing_rejects_what_is_queued() {
    let mut talk = Talk::to(seed().with_settings(|s| s.serve_delay = secs(5)));
    let conn = talk.open_fast();
    talk.send(conn, &[Message::Interested]);
    let allowed = talk.peer.connection(conn).unwrap().allowed_fast()[0];
    talk.messages(conn);
    talk.send(conn, &[request(allowed, 0)]);
    talk.give(verb("pause"));
    assert_eq!(talk.messages(conn), [Message::Choke, reject(allowed, 0)]);
}

fn verb(name: &str) -> Input {
    Input::Verb {
        argv: vec![name.to_owned()],
    }
}

fn is_allowed(talk: &Talk, conn: u32, index: u32) -> bool {
    let connection = talk.peer.connection(conn).unwrap();
    connection.allowed_fast().contains(&index)
}

#[test]
fn fast_messages_without_fast_close() {
    for message in [
        Message::HaveAll,
        Message::HaveNone,
        Message::SuggestPiece { index: 0 },
        reject(0, 0),
        Message::AllowedFast { index: 0 },
    ] {
        let mut talk = Talk::to(seed());
        let conn = talk.open(&[Capability::Extended]);
        talk.send(conn, &[message]);
        assert_eq!(talk.closed(conn), Some(CloseReason::NotNegotiated));
    }
}

#[test]
fn reject_never_asked_for_closes_unless_tolerated() {
    for tolerance in [Tolerance::Close, Tolerance::Ignore] {
        let mut talk = Talk::to(seed().with_settings(|s| s.unrequested_reject = tolerance));
        let conn = talk.open_fast();
        talk.send(conn, &[reject(0, 0)]);
        let reason = (tolerance == Tolerance::Close).then_some(CloseReason::UnrequestedReject);
        assert_eq!(talk.closed(conn), reason);
    }
}

#[test]
fn allowed_fast_set_is_canonical_offered_once_and_honoured() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.send(conn, &[Message::Interested, Message::NotInterested]);
    let offered: Vec<u32> = talk
        .messages(conn)
        .into_iter()
        .filter_map(|message| match message {
            Message::AllowedFast { index } => Some(index),
            _ => None,
        })
        .collect();
    let ip = [127, 9, 7, 2].into();
    let pieces = torrent().geometry().pieces();
    let canonical = allowed_fast::set(ip, 24, &torrent().info_hash(), pieces, 10);
    assert_eq!(offered, canonical);
    talk.send(conn, &[request(offered[4], 0)]);
    assert_eq!(talk.messages(conn), [piece(offered[4], 0)]);
    talk.send(conn, &[Message::Interested]);
    assert_eq!(talk.messages(conn), [Message::Unchoke]);
}

#[test]
fn peers_with_much_or_over_ipv6_are_offered_nothing() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.send(conn, &[Message::HaveAll, Message::Interested]);
    assert_eq!(talk.messages(conn), [Message::Unchoke]);
    let conn = 100;
    let remote = "[::1]:9".parse().unwrap();
    talk.give(Input::Accepted { conn, remote });
    talk.raw(conn, &Talk::handshake_with(&[Capability::Fast]).encode());
    talk.greeting(conn);
    talk.send(conn, &[Message::HaveNone, Message::Interested]);
    assert_eq!(talk.messages(conn), [Message::HaveAll, Message::Unchoke]);
}

#[test]
fn leech_asks_for_allowed_pieces_while_choked_if_they_are_there() {
    let mut talk = Talk::to(leech());
    let conn = talk.open_fast();
    let allow = |index| Message::AllowedFast { index };
    talk.send(conn, &[have(4), allow(4), allow(9), allow(u32::MAX)]);
    let asked = talk.messages(conn);
    let blocks: Vec<Message> = torrent()
        .geometry()
        .blocks(4)
        .map(Message::Request)
        .collect();
    assert_eq!(asked[0], Message::Interested);
    assert_eq!(asked[1..], blocks);
    let theirs: Vec<u32> = talk
        .peer
        .connection(conn)
        .unwrap()
        .their_allowed_fast()
        .collect();
    assert_eq!(theirs, [4, 9]);
}

#[test]
fn suggestion_comes_first_and_is_no_availability() {
    let mut talk = Talk::to(leech());
    let conn = talk.open_fast();
    let suggest = |index| Message::SuggestPiece { index };
    talk.send(
        conn,
        &[have(4), have(50), suggest(50), suggest(9), Message::Unchoke],
    );
    let first = talk
        .messages(conn)
        .into_iter()
        .find(|m| m.kind() == Kind::Request);
    assert_eq!(first, Some(request(50, 0)));
    assert_eq!(talk.peer.connection(conn).unwrap().requests().len(), 4);
}

#[test]
fn cancelled_request_gets_exactly_one_answer() {
    let mut talk = Talk::to(seed().with_settings(quiet));
    let conn = talk.open_fast();
    talk.send(conn, &[Message::Interested]);
    talk.messages(conn);
    let cancel = |index| Message::Cancel(BlockRef::new(index, 0, BLOCK));
    talk.send(conn, &[request(1, 0), request(2, 0), cancel(2), cancel(3)]);
    assert_eq!(talk.messages(conn), [reject(2, 0), piece(1, 0)]);
    talk.send(conn, &[cancel(1)]);
    assert_eq!(talk.messages(conn), []);
}

#[test]
fn every_request_gets_one_answer_whatever_happens() {
    let mut talk = Talk::to(seed().with_settings(|s| {
        quiet(s);
        s.reqq = 40;
        s.serve_delay = secs(1);
    }));
    let conn = talk.open_fast();
    let mut asked = 0;
    for round in 0..20_u32 {
        let interest = if round % 3 == 0 {
            Message::NotInterested
        } else {
            Message::Interested
        };
        let requests: Vec<Message> = (0..30)
            .map(|n| request((round * 7 + n * 5) % 80, BLOCK * (n % 3)))
            .collect();
        asked += requests.len();
        talk.send(conn, &[interest]);
        talk.send(conn, &requests);
        let cancel = Message::Cancel(BlockRef::new((round * 7) % 80, 0, BLOCK));
        talk.send(conn, &[cancel]);
        talk.wait(std::time::Duration::from_millis(400));
    }
    talk.wait(secs(5));
    let answers = talk.messages(conn).into_iter();
    let kinds = answers.map(|m| m.kind());
    let answers = kinds.filter(|kind| matches!(kind, Kind::Piece | Kind::RejectRequest));
    assert_eq!(answers.count(), asked);
}

#[test]
fn leech_rejects_what_it_lacks() {
    let mut talk = Talk::to(leech().with_settings(quiet));
    let conn = talk.open_fast();
    talk.send(conn, &[Message::Interested, request(3, 0)]);
    assert_eq!(talk.messages(conn), [reject(3, 0), Message::Unchoke]);
    talk.send(conn, &[request(3, 0)]);
    assert_eq!(talk.messages(conn), [reject(3, 0)]);
}

#[test]
fn seed_without_content_rejects_everything() {
    let metainfo = torrent().metainfo().clone();
    let config = crate::peer::PeerConfig {
        torrent: Torrent::without_content(metainfo),
        ..seed().with_settings(quiet)
    };
    let mut talk = Talk::to(config);
    let conn = talk.open_fast();
    talk.send(conn, &[Message::Interested]);
    talk.messages(conn);
    talk.send(conn, &[request(3, 0)]);
    assert_eq!(talk.messages(conn), [reject(3, 0)]);
}
