//! Handshakes, timeouts, ends.

use std::time::Duration;

use bytes::Bytes;

use super::support::*;
use crate::peer::config::{ExtendedWhen, Tolerance};
use crate::peer::{CloseReason, Input, PeerEvent, Process};
use crate::wire::{Capability, Handshake, Kind, Message, PeerId, Reserved};

const BOTH: &[Capability] = &[Capability::Fast, Capability::Extended];

#[test]
fn roles_of_both_ends_are_told() {
    let mut net = Net::of([seed(), leech()]);
    let conn = net.dial(1, 0);
    net.run_for(secs(1));
    assert!(net.peers[1].connection(conn).unwrap().initiator());
    let accepted = net.peers[0].connections().next().unwrap();
    assert!(!accepted.initiator());
    assert_eq!(
        accepted.handshake().unwrap().peer_id,
        net.peers[1].peer_id()
    );
}

#[test]
fn unknown_reserved_bits_are_seen_and_tolerated() {
    let mut talk = Talk::to(seed());
    let conn = talk.connect();
    let mut handshake = Talk::handshake_with(BOTH);
    handshake.reserved.0[2] = 0x40;
    talk.raw(conn, &handshake.encode());
    let seen = talk.peer.connection(conn).unwrap().handshake().unwrap();
    assert_eq!(seen.reserved.unknown(), [(2, 0x40)]);
    assert!(talk.closed(conn).is_none());
}

#[test]
fn agreed_bits_are_those_of_both() {
    let ours = Reserved::with(&[Capability::Fast, Capability::Dht]);
    let mut talk = Talk::to(seed().with_reserved(ours));
    let conn = talk.open(&[Capability::Extended, Capability::Dht]);
    let agreed = talk.peer.connection(conn).unwrap().agreed();
    assert!((agreed.fast, agreed.extended, agreed.dht) == (false, false, true));
}

#[test]
fn handshake_event_has_everything() {
    let mut talk = Talk::to(seed());
    talk.now = secs(3);
    let conn = talk.open(BOTH);
    let expected = PeerEvent::Handshake {
        conn,
        handshake: Talk::handshake_with(BOTH),
        at: secs(3),
    };
    assert!(talk.events.contains(&expected));
}

#[test]
fn reply_goes_out_after_as_many_bytes_as_configured() {
    for after in [0, 48, 68] {
        let mut talk = Talk::to(seed().with_settings(|s| s.reply_after = after));
        let conn = talk.connect();
        let bytes = Talk::handshake_with(BOTH).encode();
        for (n, byte) in bytes.iter().enumerate() {
            let replied = talk.try_greeting(conn).is_some();
            assert_eq!(replied, n == after && n < 68, "after {n} of {after}");
            talk.raw(conn, &[*byte]);
        }
        if after == 68 {
            talk.greeting(conn);
        }
        assert!(talk.peer.connection(conn).unwrap().is_open());
    }
}

#[test]
fn wrong_protocol_ends_with_one_event() {
    for (at, value) in [(0, 18), (7, b'x')] {
        let mut talk = Talk::to(seed());
        let conn = talk.connect();
        let mut bytes = Talk::handshake_with(BOTH).encode();
        bytes[at] = value;
        talk.raw(conn, &bytes);
        talk.raw(conn, &bytes);
        assert_eq!(talk.closed(conn), Some(CloseReason::NotBitTorrent));
        assert_eq!(talk.events.len(), 1);
        assert!(talk.bytes(conn).is_empty());
    }
}

#[test]
fn messages_before_the_handshake_are_no_handshake() {
    let mut talk = Talk::to(seed());
    let conn = talk.connect();
    talk.send(conn, &[Message::Interested]);
    assert_eq!(talk.closed(conn), Some(CloseReason::NotBitTorrent));
}

#[test]
fn handshake_is_read_at_every_split() {
    for at in 1..68 {
        let mut talk = Talk::to(seed());
        let conn = talk.connect();
        let mut bytes = Talk::handshake_with(BOTH).encode().to_vec();
        bytes.extend_from_slice(&Message::Interested.encode());
        talk.raw(conn, &bytes[..at]);
        talk.raw(conn, &bytes[at..]);
        talk.greeting(conn);
        let unchoked = talk.messages(conn).contains(&Message::Unchoke);
        assert!(unchoked, "split at {at}");
    }
}

#[test]
fn second_handshake_is_named() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.raw(conn, &Talk::handshake_with(BOTH).encode());
    assert_eq!(talk.closed(conn), Some(CloseReason::SecondHandshake));
}

#[test]
fn own_id_unknown_hash_and_duplicate_id_are_refused() {
    let mut talk = Talk::to(seed().with_settings(|s| s.duplicate_peer_id = Tolerance::Close));
    let conn = talk.connect();
    let mut own = Talk::handshake_with(BOTH);
    own.peer_id = talk.peer.peer_id();
    talk.raw(conn, &own.encode());
    assert_eq!(talk.closed(conn), Some(CloseReason::OwnPeerId));
    let conn = talk.connect();
    let mut other = Talk::handshake_with(BOTH);
    other.info_hash = unknown_hash();
    talk.raw(conn, &other.encode());
    assert_eq!(talk.closed(conn), Some(CloseReason::UnknownInfoHash));
    assert!(talk.bytes(conn).is_empty());
    talk.open(BOTH);
    let conn = talk.open(BOTH);
    assert_eq!(talk.closed(conn), Some(CloseReason::DuplicatePeerId));
}

#[test]
fn dialler_compares_the_info_hash() {
    let mut talk = Talk::to(seed());
    let conn = talk.dial();
    talk.greeting(conn);
    let mut other = Talk::handshake_with(BOTH);
    other.info_hash = unknown_hash();
    talk.raw(conn, &other.encode());
    assert_eq!(talk.closed(conn), Some(CloseReason::UnknownInfoHash));
}

#[test]
fn handshake_times_out() {
    let mut talk = Talk::to(seed());
    let conn = talk.connect();
    talk.raw(conn, b"\x13BitTorrent");
    talk.wait(secs(29));
    assert_eq!(talk.closed(conn), None);
    talk.wait(secs(2));
    assert_eq!(talk.closed(conn), Some(CloseReason::HandshakeTimeout));
}

#[test]
fn opening_can_be_anything() {
    let bytes = Bytes::from_static(b"\x12not a handshake at all");
    let odd = seed().with_settings(|s| {
        s.reply_after = 0;
        s.opening.bytes = Some(bytes.clone());
        s.opening.delay = secs(2);
        s.opening.cuts = vec![3, 9];
        s.opening.gap = secs(1);
    });
    let mut talk = Talk::to(odd);
    let conn = talk.connect();
    assert!(talk.bytes(conn).is_empty());
    for part in [&bytes[..3], &bytes[3..9], &bytes[9..]] {
        talk.wait(secs(1));
        talk.wait(secs(1));
        if part.len() == 3 {
            assert_eq!(talk.bytes(conn), part);
        } else if part.len() == 6 {
            assert_eq!(talk.bytes(conn), bytes[3..], "both later parts by now");
        }
    }
}

#[test]
fn extended_handshake_is_withheld_late_or_early() {
    let with = |when| seed().with_settings(|s| s.extended_handshake = when);
    let count = |talk: &mut Talk, conn| {
        let messages = talk.messages(conn);
        messages
            .iter()
            .filter(|m| m.kind() == Kind::Extended)
            .count()
    };
    let mut talk = Talk::to(with(ExtendedWhen::Never));
    let conn = talk.open(BOTH);
    talk.wait(secs(60));
    assert_eq!(count(&mut talk, conn), 0);
    let mut talk = Talk::to(with(ExtendedWhen::After(secs(5))));
    let conn = talk.open(BOTH);
    assert_eq!(count(&mut talk, conn), 0);
    talk.wait(secs(5));
    assert_eq!(count(&mut talk, conn), 1);
    let mut talk = Talk::to(with(ExtendedWhen::BeforeHandshake));
    let conn = talk.connect();
    talk.raw(conn, &Talk::handshake_with(BOTH).encode());
    assert_eq!(talk.bytes(conn)[4..6], [20, 0]);
}

#[test]
fn keep_alives_come_when_there_is_nothing_to_say() {
    let mut talk = Talk::to(seed().with_settings(|s| s.keep_alive = secs(50)));
    let conn = talk.open_fast();
    talk.wait(secs(110));
    assert_eq!(
        talk.messages(conn),
        [Message::KeepAlive, Message::KeepAlive]
    );
}

#[test]
fn idle_connection_is_closed() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.wait(secs(170));
    talk.send(conn, &[Message::KeepAlive]);
    talk.wait(secs(170));
    assert_eq!(talk.closed(conn), None);
    talk.wait(secs(20));
    assert_eq!(talk.closed(conn), Some(CloseReason::IdleTimeout));
}

#[test]
fn ends_have_reasons() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.give(Input::Eof { conn });
    assert_eq!(talk.closed(conn), Some(CloseReason::RemoteFin));
    let conn = talk.open_fast();
    talk.give(Input::Reset { conn });
    assert_eq!(talk.closed(conn), Some(CloseReason::RemoteRst));
    let conn = talk.open_fast();
    talk.peer.close_connection(conn, secs(1));
    talk.take();
    assert_eq!(talk.closed(conn), Some(CloseReason::Local));
    assert!(talk.ended.contains(&conn));
    let conn = talk.dial();
    talk.give(Input::ConnectFailed { conn });
    assert_eq!(talk.closed(conn), Some(CloseReason::ConnectFailed));
}

#[test]
fn half_closed_connection_is_served_to_its_end() {
    let mut talk = Talk::to(seed().with_settings(|s| {
        quiet(s);
        s.serve_delay = secs(2);
    }));
    let conn = talk.open_fast();
    talk.send(conn, &[Message::Interested]);
    talk.send(conn, &[request(1, 0), request(1, BLOCK)]);
    talk.give(Input::Eof { conn });
    assert_eq!(talk.closed(conn), None);
    talk.wait(secs(3));
    let messages = talk.messages(conn);
    assert_eq!(messages, [Message::Unchoke, piece(1, 0), piece(1, BLOCK)]);
    assert_eq!(talk.closed(conn), Some(CloseReason::RemoteFin));
}

#[test]
fn nothing_happens_after_the_end() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.peer.close_connection(conn, secs(1));
    talk.take();
    let events = talk.events.len();
    talk.send(conn, &[Message::Interested]);
    assert_eq!(talk.peer.request(conn, block(0), secs(1)), None);
    assert_eq!(talk.events.len(), events);
    assert!(talk.bytes(conn).is_empty());
    assert_eq!(talk.peer.health().connections, 0);
}

#[test]
fn frame_above_the_limit_is_refused_before_it_is_buffered() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.raw(conn, &[0x80, 0, 0, 0]);
    assert_eq!(talk.closed(conn), Some(CloseReason::FrameTooLong));
}

#[test]
fn misfit_frame_is_told_with_offset_and_skipped_if_configured() {
    for (malformed, closed) in [
        (Tolerance::Ignore, None),
        (Tolerance::Close, Some(CloseReason::Malformed)),
    ] {
        let mut talk = Talk::to(seed().with_settings(|s| s.malformed = malformed));
        let conn = talk.open_fast();
        talk.raw(conn, &[0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 1, 2]);
        let told = talk.events.iter().find_map(|event| match event {
            PeerEvent::Malformed { frame, offset, .. } => Some((frame.clone(), *offset)),
            _ => None,
        });
        assert_eq!(told, Some((Bytes::from_static(&[0, 0, 0, 3, 4, 0, 0]), 68)));
        assert_eq!(talk.closed(conn), closed);
        let unchoked = talk.messages(conn).contains(&Message::Unchoke);
        assert_eq!(unchoked, closed.is_none());
    }
}

#[test]
fn buffered_bytes_are_counted_and_bounded() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    let before = talk.peer.health().resident;
    talk.raw(conn, &[0, 0x0f, 0xff, 0xff, 99]);
    talk.raw(conn, &[0; 500_000]);
    let after = talk.peer.health().resident;
    assert!(
        (500_000..600_000).contains(&(after - before)),
        "{}",
        after - before
    );
}

#[test]
fn pacing_delays_writes_in_order() {
    let paced = seed().with_settings(|s| {
        quiet(s);
        s.pacing = Duration::from_millis(100);
    });
    let mut talk = Talk::to(paced);
    let conn = talk.connect();
    talk.raw(conn, &Talk::handshake_with(BOTH).encode());
    assert!(talk.bytes(conn).is_empty());
    talk.wait(Duration::from_millis(100));
    talk.greeting(conn);
    talk.messages(conn);
    talk.send(conn, &[Message::Interested]);
    talk.send(conn, &[request(1, 0)]);
    talk.wait(Duration::from_millis(100));
    assert_eq!(talk.messages(conn), [Message::Unchoke]);
    talk.wait(Duration::from_millis(100));
    assert_eq!(talk.messages(conn), [piece(1, 0)]);
}

#[test]
fn peer_ids_are_bytes_hex_and_names() {
    let id = PeerId(*b"-BS0100-abcdefghijkl");
    assert_eq!(id.to_string().len(), 40);
    assert!(
        crate::peer::Peer::new(seed())
            .peer_id()
            .0
            .starts_with(b"-BS0100-")
    );
    assert_eq!(Handshake::LEN, 68);
}
