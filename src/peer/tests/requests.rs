//! Requests of ours: how each of them ends, and what a download makes of it.

use bytes::Bytes;

use super::support::*;
use crate::peer::config::Tolerance;
use crate::peer::event::{RequestId, RequestOutcome};
use crate::peer::{CloseReason, PeerConfig, PeerEvent};
use crate::wire::{BlockRef, Capability, Kind, Message};

/// A leech that asks for nothing by itself.
fn by_hand() -> PeerConfig {
    leech().with_settings(|s| s.auto_download = false)
}

fn outcomes(talk: &Talk) -> Vec<(RequestId, RequestOutcome)> {
    let events = talk.events.iter();
    events
        .filter_map(|event| match event {
            PeerEvent::Request { id, outcome, .. } => Some((*id, outcome.clone())),
            _ => None,
        })
        .collect()
}

fn asked(talk: &mut Talk, conn: u32) -> Vec<BlockRef> {
    let messages = talk.messages(conn);
    messages
        .iter()
        .filter_map(|message| match message {
            Message::Request(block) => Some(*block),
            _ => None,
        })
        .collect()
}

fn answer(block: &BlockRef) -> Message {
    piece(block.index, block.begin)
}

/// A connection of a leech to somebody who has two pieces and unchokes.
fn source(talk: &mut Talk, bits: &[Capability]) -> u32 {
    let conn = talk.open(bits);
    talk.messages(conn);
    talk.send(conn, &[have(4), have(5), Message::Unchoke]);
    conn
}

const FAST: &[Capability] = &[Capability::Fast];

#[test]
fn request_handle_tells_each_outcome() {
    let mut talk = Talk::to(by_hand());
    let conn = talk.open_fast();
    let ids: Vec<RequestId> = (0..4)
        .map(|index| talk.peer.request(conn, block(index), secs(0)).unwrap())
        .collect();
    talk.take();
    assert_eq!(talk.messages(conn).len(), 4);
    talk.send(conn, &[piece(0, 0), reject(1, 0)]);
    assert!(talk.peer.cancel(conn, ids[2], secs(0)));
    assert!(!talk.peer.cancel(conn, ids[2], secs(0)));
    talk.take();
    assert_eq!(talk.messages(conn), [Message::Cancel(block(2))]);
    talk.send(conn, &[reject(2, 0)]);
    talk.peer.close_connection(conn, secs(1));
    talk.take();
    let bytes = torrent().block(&block(0)).unwrap();
    let expected = [
        (ids[0], RequestOutcome::Piece(bytes)),
        (ids[1], RequestOutcome::Rejected),
        (ids[2], RequestOutcome::Cancelled),
        (ids[3], RequestOutcome::Closed),
    ];
    assert_eq!(outcomes(&talk), expected);
}

#[test]
fn request_handle_tells_choke_and_timeout() {
    let mut talk = Talk::to(by_hand());
    let conn = talk.open(&[]);
    let id = talk.peer.request(conn, block(0), secs(0)).unwrap();
    talk.send(conn, &[Message::Choke]);
    assert_eq!(outcomes(&talk), [(id, RequestOutcome::Choked)]);
    let id = talk.peer.request(conn, block(1), talk.now).unwrap();
    talk.wait(secs(61));
    assert_eq!(outcomes(&talk)[1..], [(id, RequestOutcome::TimedOut)]);
}

#[test]
fn timeout_of_requests_starts_again_with_each_answer() {
    let mut talk = Talk::to(by_hand());
    let conn = talk.open(&[]);
    talk.messages(conn);
    for index in 0..3 {
        talk.peer.request(conn, block(index), secs(0)).unwrap();
    }
    for index in 0..2 {
        talk.wait(secs(50));
        talk.send(conn, &[piece(index, 0)]);
    }
    talk.wait(secs(50));
    assert_eq!(outcomes(&talk).len(), 2);
    talk.wait(secs(11));
    assert_eq!(outcomes(&talk)[2].1, RequestOutcome::TimedOut);
}

#[test]
fn pending_requests_are_listed_in_order_with_times() {
    let mut talk = Talk::to(by_hand());
    let conn = talk.open_fast();
    for index in [7, 3, 9] {
        talk.peer
            .request(conn, block(index), secs(u64::from(index)))
            .unwrap();
    }
    talk.send(conn, &[piece(3, 0)]);
    let requests = talk.peer.connection(conn).unwrap().requests().to_vec();
    let listed: Vec<_> = requests.iter().map(|p| (p.block.index, p.asked)).collect();
    assert_eq!(listed, [(7, secs(7)), (9, secs(9))]);
}

#[test]
fn their_requests_are_listed_in_order() {
    let mut talk = Talk::to(seed().with_settings(|s| s.serve_delay = secs(1)));
    let conn = talk.open_fast();
    talk.send(conn, &[Message::Interested]);
    talk.send(conn, &[request(7, 0), request(3, 0)]);
    let connection = talk.peer.connection(conn).unwrap();
    let indices: Vec<u32> = connection.their_requests().map(|u| u.block.index).collect();
    assert_eq!(indices, [7, 3]);
}

#[test]
fn choke_with_fast_leaves_our_requests_pending() {
    let mut talk = Talk::to(leech());
    let conn = source(&mut talk, FAST);
    let blocks = asked(&mut talk, conn);
    assert_eq!(blocks.len(), 4);
    talk.send(conn, &[Message::Choke]);
    assert_eq!(talk.peer.connection(conn).unwrap().requests().len(), 4);
    talk.send(conn, &[answer(&blocks[0]), answer(&blocks[1])]);
    talk.send(
        conn,
        &blocks[2..]
            .iter()
            .map(|b| Message::RejectRequest(*b))
            .collect::<Vec<_>>(),
    );
    talk.wait(secs(3));
    assert_eq!(asked(&mut talk, conn), []);
    talk.send(conn, &[Message::Unchoke]);
    assert_eq!(asked(&mut talk, conn), blocks[2..]);
    assert_eq!(talk.closed(conn), None);
}

#[test]
fn choke_without_fast_gives_requests_back_and_takes_late_blocks() {
    let mut talk = Talk::to(leech());
    let conn = source(&mut talk, &[]);
    let blocks = asked(&mut talk, conn);
    talk.send(conn, &[Message::Choke, answer(&blocks[0])]);
    assert!(talk.peer.connection(conn).unwrap().requests().is_empty());
    talk.send(conn, &[Message::Unchoke]);
    assert_eq!(asked(&mut talk, conn), blocks[1..]);
}

#[test]
fn rejected_block_is_asked_again_after_a_while_or_elsewhere() {
    let mut talk = Talk::to(leech());
    let first = source(&mut talk, FAST);
    let blocks = asked(&mut talk, first);
    talk.send(first, &[Message::RejectRequest(blocks[0])]);
    assert_eq!(asked(&mut talk, first), []);
    talk.wait(secs(2));
    assert_eq!(asked(&mut talk, first), blocks[..1]);
    talk.send(first, &[Message::RejectRequest(blocks[0])]);
    let second = source(&mut talk, FAST);
    assert_eq!(asked(&mut talk, second)[0], blocks[0]);
}

#[test]
fn rejecter_is_not_stormed() {
    let mut talk = Talk::to(leech());
    let conn = talk.open_fast();
    talk.send(conn, &[Message::HaveAll, Message::Unchoke]);
    for _ in 0..100 {
        for block in asked(&mut talk, conn) {
            talk.send(conn, &[Message::RejectRequest(block)]);
        }
        talk.wait(std::time::Duration::from_millis(100));
    }
    let sent = &talk.peer.connection(conn).unwrap().stats().sent;
    assert!(sent.of(Kind::Request).messages < 200);
    assert_eq!(talk.closed(conn), None);
}

#[test]
fn silent_source_is_given_up_for_another() {
    let mut talk = Talk::to(leech().with_settings(|s| s.end_game = false));
    let silent = source(&mut talk, FAST);
    let blocks = asked(&mut talk, silent);
    let other = source(&mut talk, FAST);
    assert_eq!(asked(&mut talk, other), []);
    talk.wait(secs(59));
    for conn in [silent, other] {
        talk.send(conn, &[Message::KeepAlive]);
    }
    talk.wait(secs(2));
    assert_eq!(asked(&mut talk, other), blocks);
    talk.send(silent, &[answer(&blocks[0])]);
    assert_eq!(
        talk.closed(silent),
        None,
        "a late answer is still an answer"
    );
}

#[test]
fn corrupt_piece_is_fetched_again_and_from_somebody_else() {
    let mut talk = Talk::to(leech());
    let bad = source(&mut talk, FAST);
    let blocks = asked(&mut talk, bad);
    let zeros = |block: &BlockRef| Message::Piece {
        index: block.index,
        begin: block.begin,
        block: Bytes::from(vec![0; BLOCK as usize]),
    };
    let corrupt: Vec<Message> = blocks.iter().map(zeros).collect();
    talk.send(bad, &corrupt);
    let index = blocks[0].index;
    assert!(talk.events.contains(&PeerEvent::PieceFailed { index }));
    let again = talk.messages(bad);
    assert!(again.iter().all(|m| m.kind() == Kind::Request));
    assert_eq!(again.len(), 4, "nobody else has it");
    let good = source(&mut talk, FAST);
    let blocks = asked(&mut talk, good);
    assert_eq!(blocks.len(), 4);
    talk.send(bad, &blocks.iter().map(zeros).collect::<Vec<_>>());
    let right: Vec<Message> = blocks.iter().map(answer).collect();
    talk.send(good, &right);
    assert_eq!(talk.peer.pieces().count(), 2);
    assert!(talk.events.contains(&PeerEvent::PieceVerified { index }));
    assert_eq!(talk.closed(good), None);
}

#[test]
fn source_of_nothing_but_corrupt_data_is_closed() {
    let mut talk = Talk::to(leech());
    let conn = talk.open_fast();
    talk.send(conn, &[Message::HaveAll, Message::Unchoke]);
    for _ in 0..10 {
        for block in asked(&mut talk, conn) {
            let (index, begin) = (block.index, block.begin);
            let block = vec![0; block.length as usize].into();
            talk.send(
                conn,
                &[Message::Piece {
                    index,
                    begin,
                    block,
                }],
            );
        }
    }
    assert_eq!(talk.closed(conn), Some(CloseReason::CorruptData));
}

#[test]
fn end_game_asks_twice_and_cancels() {
    let mut talk = Talk::to(leech());
    let first = source(&mut talk, FAST);
    let blocks = asked(&mut talk, first);
    let second = source(&mut talk, FAST);
    assert_eq!(asked(&mut talk, second), blocks);
    talk.send(second, &[answer(&blocks[0])]);
    let cancel = Message::Cancel(blocks[0]);
    assert_eq!(talk.messages(first), [cancel]);
    talk.send(first, &[answer(&blocks[0])]);
    talk.send(first, &[answer(&blocks[1])]);
    talk.send(second, &[Message::RejectRequest(blocks[1])]);
    assert_eq!(talk.closed(first), None);
    assert_eq!(talk.closed(second), None);
}

#[test]
fn interest_ends_when_nothing_is_wanted() {
    let mut talk = Talk::to(leech());
    let conn = source(&mut talk, FAST);
    for block in asked(&mut talk, conn) {
        talk.send(conn, &[answer(&block)]);
    }
    let messages = talk.messages(conn);
    let haves: Vec<&Message> = messages.iter().filter(|m| m.kind() == Kind::Have).collect();
    assert_eq!(haves.len(), 2);
    assert_eq!(messages.last(), Some(&Message::NotInterested));
    talk.send(conn, &[have(6)]);
    let messages = talk.messages(conn);
    assert_eq!(messages[0], Message::Interested);
}

#[test]
fn their_reqq_and_our_pipeline_bound_what_is_outstanding() {
    for (payload, expected) in [
        ("d4:reqqi3ee", 3),
        ("d4:reqqi0ee", 16),
        ("d4:reqqi99ee", 16),
    ] {
        let mut talk = Talk::to(leech());
        let conn = talk.open_fast();
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let hello = Message::Extended { ext_id: 0, payload };
        talk.send(conn, &[hello, Message::HaveAll, Message::Unchoke]);
        assert_eq!(asked(&mut talk, conn).len(), expected);
    }
}

#[test]
fn unrequested_piece_closes_with_fast_unless_tolerated() {
    for (tolerance, bits, closed) in [
        (Tolerance::Close, FAST, true),
        (Tolerance::Ignore, FAST, false),
        (Tolerance::Close, &[] as &[Capability], false),
    ] {
        let mut talk = Talk::to(leech().with_settings(|s| s.unrequested_piece = tolerance));
        let conn = talk.open(bits);
        talk.send(conn, &[piece(3, 0)]);
        let reason = closed.then_some(CloseReason::UnrequestedPiece);
        assert_eq!(talk.closed(conn), reason);
        assert_eq!(talk.peer.pieces().count(), 0);
    }
}

#[test]
fn block_of_the_wrong_length_answers_nothing() {
    let mut talk = Talk::to(leech());
    let conn = source(&mut talk, &[]);
    let blocks = asked(&mut talk, conn);
    let (index, begin) = (blocks[0].index, blocks[0].begin);
    for length in [0, 100, 20_000] {
        let block = Bytes::from(vec![0; length]);
        talk.send(
            conn,
            &[Message::Piece {
                index,
                begin,
                block,
            }],
        );
        talk.wait(secs(3));
        assert_eq!(asked(&mut talk, conn), blocks[..1], "asked again");
    }
    assert_eq!(talk.closed(conn), None);
}

#[test]
fn everybody_is_told_of_a_verified_piece() {
    let mut talk = Talk::to(leech());
    let watcher = talk.open_fast();
    let conn = source(&mut talk, FAST);
    for block in asked(&mut talk, conn).iter().take(2) {
        talk.send(conn, &[answer(block)]);
    }
    let index = talk.peer.pieces().iter().next().unwrap();
    assert_eq!(talk.messages(watcher), [have(index)]);
    let block = BlockRef::new(index, 0, BLOCK);
    assert_eq!(talk.peer.block(&block), torrent().block(&block));
}
