//! Handshakes, frames and their ends.

use super::acts::*;
use super::*;

pub(super) const SCRIPTS: &[(&str, Script)] = &[
    ("nothing", |talk| {
        talk.connect();
        talk.wait(secs(200));
    }),
    ("plain session", |talk| {
        after(talk, PLAIN, &[request(4, 0), request(4, 0), request(66, 0)]);
        talk.wait(secs(200));
    }),
    ("fast session", |talk| {
        after(
            talk,
            BOTH,
            &[request(4, 0), request(0, 0), request(4, BLOCK)],
        );
        talk.wait(secs(200));
    }),
    ("many requests, plain", |talk| {
        let requests: Vec<Message> = (20..50).map(|index| request(index, 0)).collect();
        after(talk, PLAIN, &requests);
    }),
    ("silence, then interest", |talk| {
        let conn = talk.open(PLAIN);
        talk.wait(secs(8));
        talk.send(conn, &[Message::Interested]);
    }),
    ("handshake first", |talk| {
        let conn = talk.connect();
        talk.raw(conn, &Talk::handshake_with(BOTH).encode());
        talk.wait(secs(1));
        talk.send(conn, &[hello(&[("ut_metadata", 20)])]);
        talk.wait(secs(20));
    }),
    ("unknown hash", |talk| {
        with_handshake(talk, |h| h.info_hash = unknown_hash())
    }),
    ("zero hash", |talk| {
        with_handshake(talk, |h| h.info_hash.0 = [0; 20])
    }),
    ("unknown bits", |talk| {
        with_handshake(talk, |h| h.reserved.0[3] |= 0x20)
    }),
    ("no bits", |talk| {
        with_handshake(talk, |h| h.reserved.0 = [0; 8])
    }),
    ("all bits", |talk| {
        with_handshake(talk, |h| h.reserved.0 = [0xff; 8])
    }),
    ("binary id", |talk| {
        with_handshake(talk, |h| h.peer_id.0 = [0x80; 20])
    }),
    ("own id", |talk| {
        let mut handshake = Talk::handshake_with(BOTH);
        handshake.peer_id = talk.peer.peer_id();
        opening(talk, &handshake.encode());
    }),
    ("same id twice", |talk| {
        talk.open(BOTH);
        talk.open(BOTH);
    }),
    ("wrong length byte", |talk| {
        let mut bytes = Talk::handshake_with(BOTH).encode().to_vec();
        bytes[0] = 18;
        bytes.remove(19);
        opening(talk, &bytes);
    }),
    ("wrong string", |talk| {
        let mut bytes = Talk::handshake_with(BOTH).encode();
        bytes[4] = b't';
        opening(talk, &bytes);
    }),
    ("http", |talk| {
        opening(talk, b"GET / HTTP/1.1\r\n");
    }),
    ("dripped handshake", |talk| {
        let conn = talk.connect();
        for byte in Talk::handshake_with(BOTH).encode() {
            talk.raw(conn, &[byte]);
        }
        talk.send(conn, &[Message::Interested]);
    }),
    ("split handshake", |talk| {
        let conn = talk.connect();
        let bytes = Talk::handshake_with(BOTH).encode();
        talk.raw(conn, &bytes[..28]);
        talk.raw(conn, &bytes[28..]);
    }),
    ("coalesced", |talk| {
        let mut bytes = Talk::handshake_with(BOTH).encode().to_vec();
        bytes.extend_from_slice(&Message::Interested.encode());
        bytes.extend_from_slice(&bitfield([1]).encode());
        opening(talk, &bytes);
    }),
    ("half-open beside another", |talk| {
        talk.connect();
        let conn = set_up(talk, BOTH);
        alive(talk, conn);
    }),
    ("three silent ones", |talk| {
        let conns: Vec<u32> = (0..3).map(|_| talk.connect()).collect();
        conns
            .into_iter()
            .for_each(|conn| talk.give(Input::Eof { conn }));
        let conn = set_up(talk, BOTH);
        alive(talk, conn);
    }),
    ("end in handshake", |talk| {
        let conn = opening(talk, &Talk::handshake_with(BOTH).encode()[..20]);
        talk.give(Input::Eof { conn });
    }),
    ("reset in handshake", |talk| {
        let conn = opening(talk, &Talk::handshake_with(BOTH).encode()[..20]);
        talk.give(Input::Reset { conn });
        talk.open(BOTH);
    }),
    ("half close", |talk| {
        let conn = set_up(talk, BOTH);
        talk.give(Input::Eof { conn });
        talk.wait(secs(10));
    }),
    ("second handshake", |talk| {
        raw_after(talk, &Talk::handshake_with(BOTH).encode());
    }),
    ("second start", |talk| {
        let conn = talk.open(BOTH);
        talk.log += &format!("{:?}\n", talk.handshake(conn));
    }),
    ("dripped interest", |talk| {
        let conn = talk.open(BOTH);
        for byte in Message::Interested.encode() {
            talk.raw(conn, &[byte]);
        }
        for byte in bitfield([1]).encode() {
            talk.raw(conn, &[byte]);
        }
        alive(talk, conn);
    }),
    ("interest split in prefix", |talk| {
        let conn = talk.open(BOTH);
        for message in [Message::Interested, bitfield([1])] {
            let bytes = message.encode();
            talk.raw(conn, &bytes[..2]);
            talk.raw(conn, &bytes[2..]);
        }
        alive(talk, conn);
    }),
    ("many haves", |talk| {
        let conn = talk.open(BOTH);
        let haves = (0..66).map(|index| Message::Have { index });
        let all: Vec<Message> = haves.chain([Message::Interested]).collect();
        talk.send(conn, &all);
    }),
    ("keep-alives", |talk| {
        after(talk, BOTH, &[const { Message::KeepAlive }; 10])
    }),
    ("early keep-alive", |talk| {
        first(
            talk,
            BOTH,
            &[Message::KeepAlive, bitfield([1]), Message::Interested],
        );
    }),
    ("idle with keep-alives", |talk| {
        let conn = talk.open(BOTH);
        for _ in 0..30 {
            talk.send(conn, &[Message::KeepAlive]);
            talk.wait(secs(8));
        }
    }),
    ("unknown id", |talk| after(talk, BOTH, &[unknown(99, 4)])),
    ("unassigned id", |talk| after(talk, BOTH, &[unknown(10, 8)])),
    ("unknown id, long", |talk| {
        let mut payload = Vec::new();
        payload.extend_from_slice(&metadata_request().encode());
        payload.resize(16_384, 0);
        let id = crate::wire::message::UnknownId::new(127).unwrap();
        let payload = payload.into();
        after(talk, BOTH, &[Message::Unknown { id, payload }]);
    }),
    ("long prefix", |talk| raw_after(talk, &[0, 0x10, 0, 1, 7])),
    ("negative prefix", |talk| {
        let mut bytes = vec![0x80, 0, 0, 0];
        bytes.extend_from_slice(&metadata_request().encode());
        raw_after(talk, &bytes);
    }),
    ("misfit choke", |talk| raw_after(talk, &[0, 0, 0, 2, 0, 0])),
    ("misfit have", |talk| raw_after(talk, &[0, 0, 0, 1, 4])),
    ("short request", |talk| {
        raw_after(talk, &[0, 0, 0, 9, 6, 0, 0, 0, 4, 0, 0, 0, 0])
    }),
    ("long request", |talk| {
        let mut bytes = vec![0, 0, 0, 14];
        bytes.extend_from_slice(&request(4, 0).encode()[4..]);
        bytes.push(0);
        raw_after(talk, &bytes);
    }),
    ("misfit cancel", |talk| raw_after(talk, &[0, 0, 0, 2, 8, 0])),
    ("misfit piece", |talk| raw_after(talk, &[0, 0, 0, 1, 7])),
    ("misfit port", |talk| raw_after(talk, &[0, 0, 0, 2, 9, 0])),
    ("misfit fast", |talk| raw_after(talk, &[0, 0, 0, 2, 14, 0])),
    ("misfit extended", |talk| raw_after(talk, &[0, 0, 0, 1, 20])),
    ("frame begun beside another", |talk| {
        let conn = set_up(talk, BOTH);
        talk.raw(conn, &[0, 0, 0, 13, 6, 0]);
        let conn = set_up(talk, BOTH);
        alive(talk, conn);
    }),
    ("request cut by the end", |talk| {
        let conn = set_up(talk, BOTH);
        talk.raw(conn, &request(4, 0).encode()[..16]);
        talk.give(Input::Eof { conn });
    }),
    ("block cut by the end", |talk| {
        let other = talk.open(BOTH);
        talk.send(other, &[Message::HaveNone]);
        let conn = set_up(talk, BOTH);
        talk.raw(conn, &piece(4, 0).encode()[..1000]);
        talk.give(Input::Eof { conn });
    }),
    ("reset while serving", |talk| {
        let conn = set_up(talk, BOTH);
        let requests: Vec<Message> = (4..30).map(|index| request(index, 0)).collect();
        talk.send(conn, &requests);
        talk.give(Input::Reset { conn });
    }),
    ("reset with requests pending", |talk| {
        talk.peer.change_settings(|s| s.serve_delay = secs(1));
        let conn = set_up(talk, BOTH);
        talk.send(conn, &[request(4, 0)]);
        talk.give(Input::Reset { conn });
    }),
    ("whole torrent", |talk| {
        let conn = set_up(talk, BOTH);
        let blocks: Vec<Message> = (0..66)
            .flat_map(|index| [request(index, 0), request(index, BLOCK)])
            .collect();
        talk.send(conn, &blocks);
    }),
];
