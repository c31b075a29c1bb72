//! Messages of BEP 3 and 5, against a script.

use bytes::Bytes;

use super::support::*;
use crate::peer::config::{RequestPolicy, Tolerance};
use crate::peer::event::RefusalCause;
use crate::peer::{CloseReason, PeerEvent};
use crate::torrent::PieceSet;
use crate::wire::{BlockRef, Capability, Kind, Message, Reserved};

const PLAIN: &[Capability] = &[Capability::Extended];

fn plain(talk: &mut Talk) -> u32 {
    let conn = talk.open(PLAIN);
    talk.messages(conn);
    conn
}

#[test]
fn choke_and_interest_keep_their_state() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    let at = talk.now;
    talk.peer.unchoke(conn, at);
    talk.peer.unchoke(conn, at);
    talk.peer.interested(conn, true, at);
    talk.peer.interested(conn, true, at);
    talk.peer.interested(conn, false, at);
    talk.peer.choke(conn, at);
    talk.peer.choke(conn, at);
    talk.take();
    let expected = [
        Message::Unchoke,
        Message::Interested,
        Message::NotInterested,
        Message::Choke,
    ];
    assert_eq!(talk.messages(conn), expected);
    talk.send(conn, &[Message::Interested, Message::Unchoke]);
    let connection = talk.peer.connection(conn).unwrap();
    assert!(connection.them().interested && !connection.them().choking);
    assert!(!connection.us().choking, "a slot was free");
}

#[test]
fn raw_messages_go_past_the_state() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    let at = talk.now;
    talk.peer.send_message(conn, Message::Choke, at);
    talk.peer.send_message(conn, request(9, 0), at);
    talk.peer.send_raw(conn, &[0, 0, 0, 1, 99], at);
    talk.take();
    assert_eq!(talk.messages(conn).len(), 3);
    assert!(talk.peer.connection(conn).unwrap().requests().is_empty());
}

#[test]
fn unchoke_goes_to_those_who_wait_longest() {
    let mut talk = Talk::to(seed().with_settings(|s| {
        quiet(s);
        s.slots = 1;
    }));
    let conns = [talk.open_fast(), talk.open_fast()];
    for conn in conns {
        talk.send(conn, &[Message::Interested]);
    }
    assert_eq!(talk.messages(conns[0]), [Message::Unchoke]);
    assert_eq!(talk.messages(conns[1]), []);
    talk.wait(secs(30));
    assert_eq!(talk.messages(conns[0]), [Message::Choke]);
    assert_eq!(talk.messages(conns[1]), [Message::Unchoke]);
    talk.send(conns[1], &[Message::NotInterested]);
    assert_eq!(talk.messages(conns[1]), [Message::Choke]);
    assert_eq!(talk.messages(conns[0]), [Message::Unchoke]);
}

#[test]
fn choke_without_fast_drops_what_is_pending() {
    let mut talk = Talk::to(seed().with_settings(|s| s.serve_delay = secs(1)));
    let conn = plain(&mut talk);
    talk.send(conn, &[Message::Interested]);
    talk.send(
        conn,
        &[request(1, 0), request(2, 0), Message::NotInterested],
    );
    talk.wait(secs(5));
    assert_eq!(talk.messages(conn), [Message::Unchoke, Message::Choke]);
}

#[test]
fn repeated_choke_and_unchoke_are_counted() {
    let mut talk = Talk::to(leech());
    let conn = talk.open_fast();
    let twice = [
        Message::Choke,
        Message::Choke,
        Message::Unchoke,
        Message::Unchoke,
    ];
    talk.send(conn, &twice);
    assert_eq!(talk.closed(conn), None);
    let received = &talk.peer.connection(conn).unwrap().stats().received;
    assert_eq!(received.of(Kind::Choke).messages, 2);
    assert_eq!(received.of(Kind::Unchoke).messages, 2);
}

#[test]
fn bitfield_must_fit_the_torrent() {
    let length = torrent().geometry().bitfield_len();
    let with_spare = vec![0xff; length];
    for (bits, tolerance, closed) in [
        (vec![0; length], Tolerance::Close, false),
        (vec![0; length - 1], Tolerance::Close, true),
        (vec![0; length + 1], Tolerance::Close, true),
        (with_spare.clone(), Tolerance::Close, true),
        (with_spare, Tolerance::Ignore, false),
    ] {
        let mut talk = Talk::to(leech().with_settings(|s| s.spare_bits = tolerance));
        let conn = plain(&mut talk);
        talk.send(conn, &[Message::Bitfield { bits: bits.into() }]);
        let reason = closed.then_some(CloseReason::BadAvailability);
        assert_eq!(talk.closed(conn), reason);
    }
}

#[test]
fn second_availability_replaces_or_closes() {
    let pieces = torrent().geometry().pieces();
    let bitfield = |index| Message::Bitfield {
        bits: PieceSet::of(pieces, [index]).to_bitfield(),
    };
    for tolerance in [Tolerance::Ignore, Tolerance::Close] {
        let mut talk = Talk::to(leech().with_settings(|s| s.late_availability = tolerance));
        let conn = plain(&mut talk);
        talk.send(conn, &[bitfield(1), bitfield(2)]);
        match tolerance {
            Tolerance::Close => assert!(talk.closed(conn).is_some()),
            Tolerance::Ignore => {
                let theirs = talk.peer.connection(conn).unwrap().their_pieces();
                assert_eq!(theirs.iter().collect::<Vec<_>>(), [2]);
            }
        }
    }
}

#[test]
fn have_is_checked_and_counted() {
    let mut talk = Talk::to(leech());
    let conn = plain(&mut talk);
    talk.send(
        conn,
        &[Message::Have { index: 5 }, Message::Have { index: 5 }],
    );
    let connection = talk.peer.connection(conn).unwrap();
    assert_eq!(connection.their_pieces().count(), 1);
    assert_eq!(connection.stats().received.of(Kind::Have).messages, 2);
    assert_eq!(talk.messages(conn), [Message::Interested]);
    talk.send(conn, &[Message::Have { index: u32::MAX }]);
    assert_eq!(talk.closed(conn), Some(CloseReason::BadAvailability));
}

#[test]
fn have_goes_to_everybody() {
    let mut talk = Talk::to(leech());
    let conns = [talk.open_fast(), talk.open_fast()];
    talk.peer.have(3, talk.now);
    talk.peer.have(3, talk.now);
    talk.take();
    for conn in conns {
        assert_eq!(talk.messages(conn), [Message::Have { index: 3 }]);
    }
}

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
fn drops_a_request_while_choking_without_fast() {
    let mut talk = Talk::to(seed());
    let conn = plain(&mut talk);
    talk.send(conn, &[request(3, 0)]);
    assert_eq!(talk.messages(conn), []);
    assert_eq!(talk.closed(conn), None);
}

#[test]
fn cancel_without_fast_drops_the_request() {
    let mut talk = Talk::to(seed());
    let conn = plain(&mut talk);
    talk.send(conn, &[Message::Interested]);
    talk.messages(conn);
    let cancel = Message::Cancel(BlockRef::new(1, 0, BLOCK));
    talk.send(conn, &[request(1, 0), request(2, 0), cancel]);
    assert_eq!(talk.messages(conn), [piece(2, 0)]);
}

#[test]
fn each_bad_request_has_its_cause_and_policy() {
    let last = torrent().geometry().last();
    let cases = [
        (BlockRef::new(last + 1, 0, 1), RefusalCause::PieceOutOfRange),
        (BlockRef::new(0, 2 * BLOCK, 1), RefusalCause::PastEnd),
        (BlockRef::new(0, 1, u32::MAX), RefusalCause::PastEnd),
        (BlockRef::new(last, 0, 2 * BLOCK), RefusalCause::PastEnd),
        (BlockRef::new(0, 0, 0), RefusalCause::ZeroLength),
        (BlockRef::new(0, 0, BLOCK + 1), RefusalCause::TooLong),
    ];
    for (block, cause) in cases {
        for policy in [RequestPolicy::Reject, RequestPolicy::Close] {
            let mut talk = Talk::to(seed().with_settings(|s| {
                quiet(s);
                s.on_request.piece_out_of_range = policy;
                s.on_request.past_end = policy;
                s.on_request.zero_length = policy;
                s.on_request.too_long = policy;
            }));
            let conn = talk.open_fast();
            talk.send(conn, &[Message::Interested]);
            talk.messages(conn);
            talk.send(conn, &[Message::Request(block)]);
            assert!(
                talk.events
                    .contains(&PeerEvent::Refused { conn, block, cause })
            );
            if policy == RequestPolicy::Reject {
                assert_eq!(talk.messages(conn), [Message::RejectRequest(block)]);
            } else {
                let reason = CloseReason::BadRequest(cause);
                assert_eq!(talk.closed(conn), Some(reason));
            }
        }
    }
    let mut talk = Talk::to(seed().with_settings(|s| {
        quiet(s);
        s.on_request.too_long = RequestPolicy::Accept;
    }));
    let conn = talk.open_fast();
    talk.send(conn, &[Message::Interested]);
    talk.messages(conn);
    let long = BlockRef::new(0, 0, 2 * BLOCK);
    talk.send(conn, &[Message::Request(long)]);
    let block = torrent().block(&long).unwrap();
    let served = Message::Piece {
        index: 0,
        begin: 0,
        block,
    };
    assert_eq!(talk.messages(conn), [served]);
}

#[test]
fn queue_is_as_long_as_reqq() {
    let mut talk = Talk::to(seed().with_settings(|s| {
        quiet(s);
        s.reqq = 3;
    }));
    let conn = talk.open(&[Capability::Fast, Capability::Extended]);
    let told = talk.peer.connection(conn).unwrap();
    assert_eq!(told.their_requests().count(), 0);
    talk.send(conn, &[Message::Interested]);
    talk.messages(conn);
    let requests: Vec<Message> = (0..5).map(|index| request(index, 0)).collect();
    talk.send(conn, &requests);
    let expected = [
        reject(3, 0),
        reject(4, 0),
        piece(0, 0),
        piece(1, 0),
        piece(2, 0),
    ];
    assert_eq!(talk.messages(conn), expected);
}

#[test]
fn port_is_sent_where_both_set_the_bit_and_taken_always() {
    let dht = [Capability::Dht, Capability::Extended];
    let config = seed()
        .with_reserved(Reserved::with(&dht))
        .with_settings(|s| {
            s.dht_port = Some(6882);
            s.events = true;
        });
    let mut talk = Talk::to(config);
    let conn = talk.open(&dht);
    assert!(talk.messages(conn).contains(&Message::Port { port: 6882 }));
    talk.send(conn, &[Message::Port { port: 1 }]);
    let message = Message::Port { port: 1 };
    assert!(talk.events.contains(&PeerEvent::Message { conn, message }));
    let conn = talk.open(&[]);
    let messages = talk.messages(conn);
    assert!(messages.iter().all(|m| m.kind() != Kind::Port));
    talk.send(conn, &[Message::Port { port: 0 }]);
    assert_eq!(talk.closed(conn), None);
}

#[test]
fn unknown_messages_are_told_and_tolerated_or_not() {
    for tolerance in [Tolerance::Ignore, Tolerance::Close] {
        let mut talk = Talk::to(seed().with_settings(|s| s.unknown_id = tolerance));
        let conn = talk.open_fast();
        talk.raw(conn, &[0, 0, 0, 3, 99, 1, 2]);
        let (id, payload) = (99, Bytes::from_static(&[1, 2]));
        assert!(
            talk.events
                .contains(&PeerEvent::UnknownMessage { conn, id, payload })
        );
        let reason = (tolerance == Tolerance::Close).then_some(CloseReason::UnknownMessage);
        assert_eq!(talk.closed(conn), reason);
    }
}

#[test]
fn statistics_count_each_kind_and_content_apart() {
    let mut net = Net::of([seed(), leech()]);
    let conn = net.dial(1, 0);
    net.run_until(secs(60), |net| net.peers[1].pieces().is_full());
    let total = torrent().geometry().total_len();
    let received = &net.peers[1].connection(conn).unwrap().stats().received;
    assert_eq!(received.payload(), total);
    assert_eq!(
        received.of(Kind::Piece).messages,
        torrent().geometry().total_blocks()
    );
    assert!(received.protocol() > 0);
    assert!(received.speed(net.now) > 0.0);
    assert_eq!(received.speed(net.now + secs(60)), 0.0);
    assert_eq!(net.peers[0].stats().sent.payload(), total);
    assert_eq!(
        received.total().bytes,
        received.payload() + received.protocol()
    );
}
