//! Every defect shows: at least one of these scripts goes otherwise than with a sound peer.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::support::*;
use crate::peer::fault::{self, FaultRole, FaultSpec};
use crate::peer::{FaultSet, Input, PeerConfig, Role};
use crate::requirement::catalogue;
use crate::torrent::{PieceSet, Torrent, fixture};
use crate::wire::bencode::Value;
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{
    BlockRef, Capability, ExtensionMessage, Handshake, Kind, Message, PeerId, Reserved,
};

const BOTH: &[Capability] = &[Capability::Fast, Capability::Extended];
const PLAIN: &[Capability] = &[Capability::Extended];

type Script = fn(&mut Talk);

/// Messages of a connection so far that are requests.
fn requests(talk: &mut Talk, conn: u32) -> Vec<BlockRef> {
    let messages = talk.lenient_messages(conn);
    messages
        .into_iter()
        .filter_map(|message| match message {
            Message::Request(block) => Some(block),
            _ => None,
        })
        .collect()
}

fn allowed_fast(talk: &Talk, conn: u32) -> Vec<u32> {
    let connection = talk.peer.connection(conn);
    connection.map_or_else(Vec::new, |c| c.allowed_fast().to_vec())
}

/// The right answer to a request, if there is one.
fn answer(block: &BlockRef) -> Message {
    let bytes = torrent().block(block).unwrap_or_default();
    Message::Piece {
        index: block.index,
        begin: block.begin,
        block: bytes,
    }
}

fn hello(m: &[(&str, u8)]) -> Message {
    let payload = ExtendedHandshake::new().with_m(m).encode();
    Message::Extended { ext_id: 0, payload }
}

fn raw_hello(payload: &[u8]) -> Message {
    let payload = Bytes::copy_from_slice(payload);
    Message::Extended { ext_id: 0, payload }
}

fn bitfield(indices: impl IntoIterator<Item = u32>) -> Message {
    let pieces = torrent().geometry().pieces();
    let bits = PieceSet::of(pieces, indices).to_bitfield();
    Message::Bitfield { bits }
}

fn unknown(id: u8, length: usize) -> Message {
    let id = crate::wire::message::UnknownId::new(id).unwrap();
    let payload = vec![0; length].into();
    Message::Unknown { id, payload }
}

fn metadata_request() -> Message {
    metadata(0)
}

fn metadata(piece: i128) -> Message {
    ExtensionMessage::MetadataRequest { piece }.into_message(1)
}

/// A DontHave, under the id that the peer gives it.
fn gone(index: u32) -> Message {
    ExtensionMessage::DontHave { index }.into_message(3)
}

fn ours(ext_id: u8, payload: &[u8]) -> Message {
    let payload = Bytes::copy_from_slice(payload);
    Message::Extended { ext_id, payload }
}

/// Opens, gets unchoked (seed) or gives pieces and unchokes (leech).
fn set_up(talk: &mut Talk, bits: &[Capability]) -> u32 {
    let conn = talk.open(bits);
    talk.send(conn, &[hello(&[("ut_metadata", 20), ("ut_pex", 21)])]);
    if talk.is_seed() {
        let first = if bits.contains(&Capability::Fast) {
            Message::HaveNone
        } else {
            bitfield([])
        };
        talk.send(conn, &[first, Message::Interested]);
    } else {
        talk.send(conn, &[bitfield([4, 5, 6, 9]), Message::Unchoke]);
    }
    conn
}

/// Proof of life at the end of a script.
fn alive(talk: &mut Talk, conn: u32) {
    talk.send(conn, &[metadata_request()]);
    talk.send(conn, &[hello(&[("ut_metadata", 20)]), metadata_request()]);
    talk.wait(secs(40));
}

fn after(talk: &mut Talk, bits: &[Capability], messages: &[Message]) {
    let conn = set_up(talk, bits);
    talk.send(conn, messages);
    alive(talk, conn);
}

fn raw_after(talk: &mut Talk, bytes: &[u8]) {
    let conn = set_up(talk, BOTH);
    talk.raw(conn, bytes);
    alive(talk, conn);
}

fn first(talk: &mut Talk, bits: &[Capability], messages: &[Message]) {
    let conn = talk.open(bits);
    talk.send(conn, messages);
    alive(talk, conn);
}

fn opening(talk: &mut Talk, bytes: &[u8]) -> u32 {
    let conn = talk.connect();
    talk.raw(conn, bytes);
    conn
}

fn with_handshake(talk: &mut Talk, change: fn(&mut Handshake)) {
    let mut handshake = Talk::handshake_with(BOTH);
    change(&mut handshake);
    let conn = opening(talk, &handshake.encode());
    talk.send(conn, &[Message::Interested]);
    talk.wait(secs(40));
}

fn ext(talk: &mut Talk, payload: &[u8]) {
    first(talk, BOTH, &[raw_hello(payload)]);
}

const SCRIPTS: &[(&str, Script)] = &[
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
    ("have_all without fast", |talk| {
        after(talk, PLAIN, &[Message::HaveAll])
    }),
    ("have_none without fast", |talk| {
        after(talk, PLAIN, &[Message::HaveNone])
    }),
    ("suggest without fast", |talk| {
        after(talk, PLAIN, &[Message::SuggestPiece { index: 0 }]);
    }),
    ("reject without fast", |talk| {
        after(talk, PLAIN, &[reject(0, 0)])
    }),
    ("allowed_fast without fast", |talk| {
        after(talk, PLAIN, &[Message::AllowedFast { index: 0 }]);
    }),
    ("availability twice", |talk| {
        first(
            talk,
            BOTH,
            &[Message::HaveNone, Message::HaveNone, Message::HaveNone],
        );
    }),
    ("have_all", |talk| {
        first(talk, BOTH, &[Message::HaveAll, Message::Unchoke])
    }),
    ("have_none then have", |talk| {
        let messages = [
            Message::HaveNone,
            Message::Unchoke,
            Message::Have { index: 3 },
        ];
        first(talk, BOTH, &messages);
    }),
    ("late have_all", |talk| {
        let messages = [Message::HaveNone, Message::Interested, Message::HaveAll];
        first(talk, BOTH, &messages);
    }),
    ("interest alone", |talk| {
        first(talk, BOTH, &[Message::Interested])
    }),
    ("interest alone, plain", |talk| {
        first(talk, PLAIN, &[Message::Interested])
    }),
    ("bitfield with fast", |talk| {
        first(talk, BOTH, &[bitfield([1]), Message::Interested])
    }),
    ("suggest", |talk| {
        after(talk, BOTH, &[Message::SuggestPiece { index: 5 }])
    }),
    ("suggest unannounced", |talk| {
        after(talk, BOTH, &[Message::SuggestPiece { index: 50 }])
    }),
    ("suggest out of range", |talk| {
        after(talk, BOTH, &[Message::SuggestPiece { index: 67 }])
    }),
    ("many suggestions", |talk| {
        after(
            talk,
            BOTH,
            &[const { Message::SuggestPiece { index: 5 } }; 1200],
        );
    }),
    ("allowed_fast out of range", |talk| {
        after(talk, BOTH, &[Message::AllowedFast { index: 67 }]);
    }),
    ("allowed_fast unannounced", |talk| {
        let allowed = Message::AllowedFast { index: 50 };
        first(talk, BOTH, &[Message::HaveNone, allowed]);
    }),
    ("allowed_fast late", |talk| {
        let conn = talk.open(BOTH);
        talk.send(conn, &[Message::HaveAll]);
        talk.wait(secs(5));
        talk.send(conn, &[Message::AllowedFast { index: 5 }]);
        alive(talk, conn);
    }),
    ("choked requests", |talk| {
        let conn = talk.open(BOTH);
        talk.send(conn, &[Message::HaveNone, request(4, 0)]);
        alive(talk, conn);
    }),
    ("choked requests, plain", |talk| {
        let conn = talk.open(PLAIN);
        talk.send(conn, &[request(4, 0)]);
        alive(talk, conn);
    }),
    ("choked requests after another was unchoked", |talk| {
        set_up(talk, PLAIN);
        let conn = talk.open(PLAIN);
        talk.send(conn, &[request(4, 0)]);
    }),
    ("choked flood", |talk| {
        let conn = talk.open(BOTH);
        let requests: Vec<Message> = (0..600).map(|n| request(n % 60, 0)).collect();
        talk.send(conn, &requests);
    }),
    ("requests after choke", |talk| {
        after(talk, BOTH, &[Message::NotInterested, request(4, 0)]);
    }),
    ("choke with requests pending", |talk| {
        let conn = set_up(talk, BOTH);
        let allowed = allowed_fast(talk, conn);
        let mut messages: Vec<Message> = (4..20).map(|index| request(index, 0)).collect();
        messages.extend(allowed.first().map(|index| request(*index, 0)));
        messages.push(Message::NotInterested);
        talk.send(conn, &messages);
        alive(talk, conn);
    }),
    ("allowed-fast request", |talk| {
        let conn = talk.open(BOTH);
        talk.send(
            conn,
            &[
                Message::HaveNone,
                Message::Interested,
                Message::NotInterested,
            ],
        );
        let allowed = allowed_fast(talk, conn);
        for index in allowed {
            talk.send(conn, &[request(index, 0)]);
        }
    }),
    ("two starting peers", |talk| {
        talk.peer.change_settings(|s| s.allowed_fast = 5);
        set_up(talk, BOTH);
        let conn = talk.open(BOTH);
        talk.send(conn, &[Message::HaveNone, Message::Interested]);
    }),
    ("requests that are not valid", |talk| {
        let messages = [
            (67, 0, 1),
            (u32::MAX, 0, BLOCK),
            (4, BLOCK * 2, 1),
            (4, 1, u32::MAX),
        ];
        let conn = set_up(talk, BOTH);
        for (index, begin, length) in messages {
            let block = BlockRef::new(index, begin, length);
            talk.send(conn, &[Message::Request(block)]);
        }
        alive(talk, conn);
    }),
    ("requests of 16 KiB and more", |talk| {
        let block = BlockRef::new(4, 0, 20_000);
        after(talk, BOTH, &[Message::Request(block)]);
    }),
    ("unrequested reject", |talk| {
        after(talk, BOTH, &[reject(60, 0)])
    }),
    ("unrequested piece", |talk| {
        after(talk, BOTH, &[piece(60, 0)])
    }),
    ("cancels", |talk| {
        for bits in [BOTH, PLAIN] {
            let conn = set_up(talk, bits);
            let block = BlockRef::new(7, 0, BLOCK);
            let messages = [
                request(6, 0),
                Message::Request(block),
                request(8, 0),
                Message::Cancel(block),
                Message::Request(block),
            ];
            talk.send(conn, &messages);
            alive(talk, conn);
        }
    }),
    ("needless cancel", |talk| {
        let block = BlockRef::new(7, 0, BLOCK);
        after(talk, BOTH, &[Message::Cancel(block)]);
    }),
    ("same request twice", |talk| {
        talk.peer
            .change_settings(|s| s.serve_delay = Duration::from_millis(10));
        after(talk, BOTH, &[request(7, 0), request(7, 0)]);
    }),
    ("same block again", |talk| {
        let conn = set_up(talk, BOTH);
        talk.send(conn, &[request(7, 0)]);
        talk.send(conn, &[request(7, 0)]);
    }),
    ("too many requests", |talk| {
        let conn = set_up(talk, BOTH);
        let requests: Vec<Message> = (0..2100).map(|n| request(n % 60, 0)).collect();
        talk.send(conn, &requests);
    }),
    ("short last block", |talk| {
        let geometry = torrent().geometry();
        let block = geometry.blocks(geometry.last()).last().unwrap();
        after(talk, BOTH, &[Message::Request(block)]);
    }),
    ("rejects", |talk| {
        let conn = set_up(talk, BOTH);
        for block in requests(talk, conn) {
            talk.send(conn, &[Message::RejectRequest(block)]);
        }
        talk.wait(secs(40));
    }),
    ("reject of another length", |talk| {
        let conn = set_up(talk, BOTH);
        if let Some(block) = requests(talk, conn).first() {
            let other = BlockRef {
                length: 1,
                ..*block
            };
            talk.send(conn, &[Message::RejectRequest(other)]);
        }
    }),
    ("answer to a cancelled request", |talk| {
        let seeds = [set_up(talk, BOTH), set_up(talk, BOTH)];
        let asked = requests(talk, seeds[0]);
        for block in &asked {
            talk.send(seeds[0], &[answer(block)]);
        }
        for block in &asked {
            talk.send(seeds[1], &[answer(block)]);
        }
    }),
    ("their choke, then an unchoke", |talk| {
        for bits in [BOTH, PLAIN] {
            let conn = set_up(talk, bits);
            talk.send(conn, &[Message::Choke]);
            talk.wait(secs(1));
            talk.send(conn, &[Message::Unchoke]);
            talk.wait(secs(5));
        }
    }),
    ("piece behind a choke", |talk| {
        let conn = set_up(talk, PLAIN);
        if let Some(block) = requests(talk, conn).first() {
            talk.send(conn, &[Message::Choke, answer(block)]);
        }
    }),
    ("chokes, then one unchoke", |talk| {
        let conn = talk.open(BOTH);
        let choke = Message::Choke;
        let have = bitfield([1]);
        talk.send(
            conn,
            &[have, choke.clone(), choke.clone(), choke, Message::Unchoke],
        );
    }),
    ("unchoke twice", |talk| {
        after(talk, BOTH, &[Message::Unchoke, Message::Unchoke])
    }),
    ("never unchoked", |talk| {
        let conn = talk.open(BOTH);
        talk.send(conn, &[Message::HaveAll]);
        talk.wait(secs(20));
    }),
    ("choked again", |talk| {
        let conn = set_up(talk, BOTH);
        talk.send(conn, &[Message::Choke]);
        for block in requests(talk, conn) {
            talk.send(conn, &[Message::RejectRequest(block)]);
        }
        talk.wait(secs(20));
    }),
    ("interest again and again", |talk| {
        after(talk, BOTH, &[const { Message::Interested }; 4]);
    }),
    ("spare bits", |talk| {
        let mut bits = vec![0; torrent().geometry().bitfield_len()];
        *bits.last_mut().unwrap() = 0xff;
        let bits = bits.into();
        first(talk, BOTH, &[Message::Bitfield { bits }, Message::Unchoke]);
    }),
    ("late bitfield", |talk| {
        first(talk, BOTH, &[Message::Interested, bitfield([1])])
    }),
    ("two bitfields", |talk| {
        first(talk, BOTH, &[bitfield([1]), bitfield([])])
    }),
    ("empty bitfield", |talk| {
        first(talk, BOTH, &[Message::Bitfield { bits: Bytes::new() }]);
    }),
    ("zero bitfield", |talk| {
        first(talk, PLAIN, &[bitfield([]), Message::Interested])
    }),
    ("bitfield, then have", |talk| {
        let have = Message::Have { index: 3 };
        first(talk, BOTH, &[bitfield([1]), have, Message::Unchoke]);
    }),
    ("bitfield, then extended handshake", |talk| {
        first(talk, BOTH, &[bitfield([1]), hello(&[("ut_metadata", 20)])]);
    }),
    ("have out of range", |talk| {
        after(talk, BOTH, &[Message::Have { index: 67 }])
    }),
    ("have twice", |talk| {
        let have = Message::Have { index: 3 };
        after(talk, BOTH, &[have.clone(), have]);
    }),
    ("serves everything", |talk| {
        let other = talk.open(BOTH);
        talk.send(other, &[Message::HaveNone]);
        let conn = talk.open(BOTH);
        talk.send(conn, &[Message::HaveAll, Message::Unchoke]);
        for _ in 0..40 {
            for block in requests(talk, conn) {
                talk.send(conn, &[answer(&block)]);
            }
        }
        alive(talk, conn);
    }),
    ("serves zeros", |talk| {
        let conn = set_up(talk, BOTH);
        for block in requests(talk, conn) {
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
        talk.wait(secs(20));
    }),
    ("serves backwards", |talk| {
        let conn = set_up(talk, BOTH);
        for block in requests(talk, conn).iter().rev() {
            talk.send(conn, &[answer(block)]);
        }
    }),
    ("serves short blocks", |talk| {
        let conn = set_up(talk, PLAIN);
        for block in requests(talk, conn) {
            let (index, begin) = (block.index, block.begin);
            let block = vec![0; 100].into();
            talk.send(
                conn,
                &[Message::Piece {
                    index,
                    begin,
                    block,
                }],
            );
        }
    }),
    ("serves drops", |talk| {
        let conn = set_up(talk, BOTH);
        if let Some(block) = requests(talk, conn).first() {
            for part in answer(block).encode().chunks(128) {
                talk.raw(conn, part);
            }
        }
    }),
    ("block twice", |talk| {
        let conn = set_up(talk, PLAIN);
        if let Some(block) = requests(talk, conn).first() {
            let block = answer(block);
            talk.send(conn, &[block.clone(), block]);
        }
    }),
    ("unasked blocks, plain", |talk| {
        after(talk, PLAIN, &[piece(5, 0), piece(60, 0), piece(60, BLOCK)]);
    }),
    ("block out of range", |talk| {
        let block = Bytes::from_static(&[0; 16]);
        let (index, begin) = (67, 0);
        after(
            talk,
            PLAIN,
            &[Message::Piece {
                index,
                begin,
                block,
            }],
        );
    }),
    ("huge block", |talk| {
        let block = vec![0; 100_000].into();
        let (index, begin) = (4, 0);
        after(
            talk,
            PLAIN,
            &[Message::Piece {
                index,
                begin,
                block,
            }],
        );
    }),
    ("empty dictionary", |talk| ext(talk, b"de")),
    ("unknown key", |talk| {
        ext(talk, b"d1:md11:ut_metadatai5ee4:zz_ti1ee")
    }),
    ("unknown name", |talk| {
        ext(talk, b"d1:md11:ut_metadatai5e4:zz_ti1eee")
    }),
    ("capital m", |talk| ext(talk, b"d1:Md11:ut_metadatai5eee")),
    ("m a list", |talk| ext(talk, b"d1:mli1eee")),
    ("cut dictionary", |talk| ext(talk, b"d1:m")),
    ("list", |talk| ext(talk, b"le")),
    ("no payload", |talk| ext(talk, b"")),
    ("unsorted", |talk| {
        ext(talk, b"d1:v3:abc1:md11:ut_metadatai5eee")
    }),
    ("repeated", |talk| ext(talk, b"d1:mde1:mdee")),
    ("trailing", |talk| ext(talk, b"degarbage")),
    ("large", |talk| {
        let v = Value::bytes(&[b'v'; 60_000]);
        ext(talk, &ExtendedHandshake::new().with("v", v).encode());
    }),
    ("nested", |talk| {
        let payload = ["d1:z", &"l".repeat(5000), &"e".repeat(5000), "e"].concat();
        ext(talk, payload.as_bytes());
    }),
    ("minus zero", |talk| ext(talk, b"d4:reqqi-0ee")),
    ("id 261", |talk| ext(talk, b"d1:md11:ut_metadatai261eee")),
    ("binary name", |talk| ext(talk, b"d1:v2:\xff\xfee")),
    ("odd address", |talk| ext(talk, b"d6:yourip3:abce")),
    ("odd port", |talk| ext(talk, b"d1:pi70000ee")),
    ("odd upload_only", |talk| ext(talk, b"d11:upload_onlyi7ee")),
    ("upload_only", |talk| {
        let conn = talk.open(BOTH);
        let only = raw_hello(b"d11:upload_onlyi1ee");
        talk.send(conn, &[only, Message::HaveAll, Message::Unchoke]);
    }),
    ("reqq of 3", |talk| {
        let conn = talk.open(BOTH);
        let reqq = raw_hello(b"d4:reqqi3ee");
        talk.send(conn, &[reqq, Message::HaveAll, Message::Unchoke]);
    }),
    ("reqq below zero", |talk| {
        let conn = talk.open(BOTH);
        let reqq = raw_hello(b"d4:reqqi-1ee");
        talk.send(conn, &[reqq, Message::HaveAll, Message::Unchoke]);
    }),
    ("handshake again", |talk| {
        let again = hello(&[("ut_metadata", 20), ("ut_pex", 21)]);
        after(talk, BOTH, &[again.clone(), again]);
    }),
    ("handshake adds", |talk| {
        after(talk, BOTH, &[hello(&[("ut_pex", 22)])])
    }),
    ("metadata off", |talk| {
        after(talk, BOTH, &[hello(&[("ut_metadata", 0)])])
    }),
    ("pex off", |talk| {
        after(talk, BOTH, &[hello(&[("ut_pex", 0)])]);
        talk.wait(secs(70));
    }),
    ("two with ids of their own", |talk| {
        let first = talk.open(BOTH);
        talk.send(first, &[hello(&[("ut_metadata", 20)])]);
        let second = talk.open(BOTH);
        talk.send(second, &[hello(&[("ut_metadata", 30)])]);
        talk.send(first, &[metadata_request()]);
    }),
    ("extended without the bit", |talk| {
        first(
            talk,
            &[Capability::Fast],
            &[hello(&[]), Message::Interested, Message::HaveNone],
        );
    }),
    ("unknown extended id", |talk| {
        let payload = Bytes::from_static(b"de");
        after(
            talk,
            BOTH,
            &[Message::Extended {
                ext_id: 250,
                payload,
            }],
        );
    }),
    ("garbage for an extension", |talk| {
        let payload = Bytes::from_static(b"garbage");
        after(talk, BOTH, &[Message::Extended { ext_id: 1, payload }]);
    }),
    ("port", |talk| {
        after(talk, BOTH, &[Message::Port { port: 1 }])
    }),
    ("port zero", |talk| {
        after(talk, BOTH, &[Message::Port { port: 0 }])
    }),
    ("long mixed segment", |talk| {
        let conn = talk.open(BOTH);
        let have = Message::Have { index: 2 };
        let interested = Message::Interested;
        talk.send(
            conn,
            &[Message::KeepAlive, have, interested, Message::Unchoke],
        );
    }),
    ("idle behind the extended handshake", |talk| {
        let conn = talk.open(PLAIN);
        talk.send(conn, &[hello(&[("ut_metadata", 20)])]);
        talk.wait(secs(8));
        talk.send(conn, &[metadata_request()]);
    }),
    ("metadata again and again", |talk| {
        let conn = set_up(talk, BOTH);
        for _ in 0..8 {
            talk.send(conn, &[metadata(0)]);
        }
        talk.send(conn, &[metadata(0), metadata(0)]);
        alive(talk, conn);
    }),
    ("metadata that there is not", |talk| {
        for piece in [1, 7, -1, 1 << 31, 1 << 32, 1 << 18, 1 << 50] {
            after(talk, BOTH, &[metadata(piece)]);
        }
    }),
    ("metadata under the highest id", |talk| {
        first(talk, BOTH, &[hello(&[("ut_metadata", 255)]), metadata(0)]);
    }),
    ("metadata under a low id", |talk| {
        first(talk, BOTH, &[hello(&[("ut_metadata", 5)]), metadata(0)]);
    }),
    ("metadata without an id", |talk| {
        first(talk, BOTH, &[metadata(0)]);
    }),
    ("metadata between blocks", |talk| {
        after(talk, BOTH, &[request(4, 0), metadata(0), request(4, BLOCK)]);
    }),
    ("metadata for two", |talk| {
        let one = set_up(talk, BOTH);
        let other = set_up(talk, BOTH);
        talk.send(one, &[metadata(0)]);
        talk.send(other, &[metadata(0)]);
    }),
    ("metadata flood", |talk| {
        let conn = set_up(talk, BOTH);
        talk.send(conn, &vec![metadata(0); 100]);
        alive(talk, conn);
    }),
    ("metadata of unknown types", |talk| {
        for payload in [
            &b"d8:msg_typei9e5:piecei0ee"[..],
            b"d8:msg_typei256e5:piecei0ee",
            b"d8:msg_typei9e5:piecei0eexx",
        ] {
            after(talk, BOTH, &[ours(1, payload)]);
        }
    }),
    ("odd metadata requests", |talk| {
        for payload in [
            &b"d2:aa4:xeey8:msg_typei0e5:piecei0ee"[..],
            b"d8:msg_typei0e5:piecei0e10:total_sizei7ee",
            b"d8:msg_typei0ee",
            b"d8:msg_typei0e5:piece1:0e",
            b"d8:msg_typei0e5:piecei0eegarbage",
        ] {
            after(talk, BOTH, &[ours(1, payload)]);
        }
        let nested = [&b"d2:aa"[..], &[b'l'; 600], &[b'e'; 600], b"e"].concat();
        after(talk, BOTH, &[ours(1, &nested)]);
    }),
    ("metadata that nobody asked for", |talk| {
        let data = |piece| ExtensionMessage::MetadataData {
            piece,
            total_size: Some(4),
            data: Bytes::from_static(b"d1:e"),
        };
        after(talk, BOTH, &[data(0).into_message(1)]);
        after(talk, BOTH, &[data(1 << 40).into_message(1)]);
        let reject = ExtensionMessage::MetadataReject { piece: 0 };
        after(talk, BOTH, &[reject.into_message(1)]);
    }),
    ("metadata offered", |talk| {
        let payload = ExtendedHandshake::new()
            .with_m(&[("ut_metadata", 20)])
            .with("metadata_size", Value::Int(9))
            .encode();
        first(talk, BOTH, &[raw_hello(&payload)]);
    }),
    ("pieces taken back", |talk| {
        for names in [
            &[("lt_donthave", 22), ("ut_metadata", 20)][..],
            &[("ut_metadata", 20)],
        ] {
            let conn = talk.open(BOTH);
            talk.send(conn, &[hello(names), bitfield([3, 4, 5])]);
            talk.send(conn, &[gone(4), gone(4), gone(9), Message::Unchoke]);
            talk.send(conn, &[have(4)]);
            alive(talk, conn);
        }
    }),
    ("taken back twice", |talk| {
        let messages = [bitfield([3, 4]), gone(4), gone(4), Message::Unchoke];
        first(talk, BOTH, &messages);
    }),
    ("everything taken back", |talk| {
        first(
            talk,
            BOTH,
            &[bitfield([4]), gone(4), have(4), Message::Unchoke],
        );
    }),
    ("requested piece taken back", |talk| {
        for bits in [BOTH, PLAIN] {
            let conn = talk.open(bits);
            talk.send(conn, &[bitfield([4]), Message::Unchoke]);
            talk.send(conn, &[gone(4), have(4)]);
            talk.send(conn, &[piece(4, 0)]);
            alive(talk, conn);
        }
    }),
    ("taken back by one of two", |talk| {
        let loser = talk.open(BOTH);
        let keeper = talk.open(BOTH);
        talk.send(loser, &[bitfield([4])]);
        talk.send(keeper, &[bitfield([4])]);
        talk.send(loser, &[gone(4)]);
        talk.send(keeper, &[Message::Unchoke]);
        alive(talk, keeper);
    }),
    ("odd pieces taken back", |talk| {
        let pieces = torrent().geometry().pieces();
        after(talk, BOTH, &[gone(pieces)]);
        after(talk, BOTH, &[gone(u32::MAX)]);
        after(talk, BOTH, &[ours(3, b"\0\0\0")]);
    }),
    ("drops a piece", |talk| {
        let conns = [
            (BOTH, &[("lt_donthave", 22)][..]),
            (PLAIN, &[("lt_donthave", 22)]),
            (BOTH, &[("ut_metadata", 20)]),
        ]
        .map(|(bits, names)| {
            let conn = talk.open(bits);
            talk.send(conn, &[hello(names), Message::Interested]);
            conn
        });
        for conn in conns {
            talk.send(conn, &[request(4, 0)]);
        }
        let argv = ["discard", "4"].map(str::to_owned).to_vec();
        talk.give(Input::Verb { argv });
        for conn in conns {
            talk.send(conn, &[request(4, BLOCK)]);
        }
        talk.wait(secs(5));
    }),
    ("id above 127", |talk| {
        let conn = talk.open(BOTH);
        talk.send(conn, &[hello(&[("ut_metadata", 201)]), metadata_request()]);
    }),
    ("port that is none", |talk| ext(talk, b"d1:pi0ee")),
    ("block of a piece that ends before", |talk| {
        let block = BlockRef::new(4, BLOCK, BLOCK + 1);
        after(talk, BOTH, &[Message::Request(block)]);
    }),
    ("plain seed", |talk| {
        let pieces = torrent().geometry().pieces();
        first(talk, PLAIN, &[bitfield(0..pieces), Message::Unchoke]);
    }),
    ("dialled", |talk| {
        let conn = talk.dial();
        talk.wait(secs(1));
        talk.raw(conn, &Talk::handshake_with(BOTH).encode());
        talk.send(conn, &[Message::HaveNone, Message::Interested]);
        alive(talk, conn);
    }),
    ("dialled, split and coalesced", |talk| {
        let conn = talk.dial();
        let mut bytes = Talk::handshake_with(BOTH).encode().to_vec();
        bytes.extend_from_slice(&Message::HaveAll.encode());
        bytes.extend_from_slice(&Message::Interested.encode());
        talk.raw(conn, &bytes[..48]);
        talk.raw(conn, &bytes[48..]);
        alive(talk, conn);
    }),
    ("dialled, another hash", |talk| {
        let conn = talk.dial();
        let mut handshake = Talk::handshake_with(BOTH);
        handshake.info_hash = unknown_hash();
        talk.raw(conn, &handshake.encode());
        talk.wait(secs(1));
    }),
];

/// What a peer does in a script.
fn play(config: PeerConfig, script: Script) -> String {
    let mut talk = Talk::to(config);
    script(&mut talk);
    talk.log
}

fn config(role: Role) -> PeerConfig {
    let mut config = PeerConfig::new(torrent(), role).with_seed(5);
    config.listen = ([127, 0, 0, 1], 6881).into();
    config
}

fn roles(fault: &FaultSpec) -> &'static [Role] {
    match fault.role {
        FaultRole::Seed => &[Role::Seed],
        FaultRole::Leech => &[Role::Leech],
        FaultRole::Any => &[Role::Seed, Role::Leech],
    }
}

#[test]
fn every_fault_shows_in_its_roles_and_seldom() {
    let mut sound = BTreeMap::new();
    for role in [Role::Seed, Role::Leech] {
        for (name, script) in SCRIPTS {
            sound.insert((role == Role::Seed, *name), play(config(role), *script));
        }
    }
    let mut hidden = Vec::new();
    for fault in fault::all() {
        for role in roles(fault) {
            let shows = SCRIPTS.iter().any(|(name, script)| {
                let config = config(*role).with_faults(FaultSet::one(fault));
                play(config, *script) != sound[&(*role == Role::Seed, *name)]
            });
            let loads = super::superseed::LOADS
                .iter()
                .any(|load| load.0 == fault.name);
            let elsewhere = loads
                || fault.name.starts_with("super-seed")
                || ELSEWHERE.contains(&fault.name)
                || SCENARIOS.contains(&fault.name);
            if !shows && !elsewhere {
                hidden.push((fault.name, *role));
            }
        }
    }
    assert!(hidden.is_empty(), "{hidden:#?}");
}

#[test]
fn no_exception_is_about_a_fault_that_does_not_exist() {
    for name in ELSEWHERE.iter().chain(SCENARIOS) {
        assert!(fault::by_name(name).is_some(), "{name}");
    }
}

/// Faults that none of these short scripts brings out: it takes a case. The audit plays the suites
/// against each, and fails if one is not seen.
const SCENARIOS: &[&str] = &[
    "aligns-begin",
    "announces-another-peer-id",
    "asks-a-choking-peer-for-news",
    "asks-corrupt-source-for-ever",
    "asks-no-private-strangers",
    "begin-is-signed",
    "cancel-reaches-other-connections",
    "cancel-takes-another-block-of-piece",
    "checks-a-piece-once",
    "choke-counts-for-everybody",
    "chokes-idle-peers",
    "closes-dialled-without-bitfield",
    "closes-on-cancelled-block",
    "closes-on-one-unknown-reserved-bit",
    "closes-on-second-pex",
    "closes-on-second-port",
    "counts-a-have-twice",
    "crosses-no-block",
    "deaf-after-garbage-for-extension",
    "deaf-after-huge-have",
    "deaf-after-late-cancel",
    "deaf-after-repeated-unchoke",
    "deaf-after-short-bitfield",
    "deaf-after-third-pex",
    "deaf-after-upload-only-is-taken-back",
    "dials-compares-half-the-hash",
    "dials-every-port-of-pex",
    "dials-private-contacts",
    "dies-of-a-new-seed",
    "dies-of-cancel-out-of-range",
    "dies-of-empty-block",
    "dies-of-have-in-the-padding",
    "dies-of-long-bitfield",
    "dies-of-long-block",
    "dies-of-many-contacts",
    "dies-of-many-rejects",
    "dies-of-number-for-list",
    "dies-of-odd-private-metadata-request",
    "dies-of-pex-flood",
    "dies-of-ragged-pex",
    "dies-of-tls",
    "dies-of-unexpected-block",
    "dies-of-unexpected-peer-id",
    "dies-of-zero-peer-id",
    "dies-when-interest-is-lost",
    "early-request-spoils-block",
    "exchanges-private-peers",
    "extended-handshake-clears-bitfield",
    "full-bitfield-is-nothing-with-fast",
    "hangs-at-overflowing-block",
    "hangs-at-short-block",
    "hangs-behind-late-bitfield",
    "hangs-on-excess-flags",
    "hangs-on-largest-port",
    "hangs-on-pex-flood",
    "hangs-on-zero-length",
    "have-only-with-fast",
    "have-raises-no-interest",
    "haves-behind-two-bitfields-are-lost",
    "hides-that-it-is-a-partial-seed",
    "holds-150-answers",
    "ignores-haves-without-bitfield",
    "ignores-short-last-block",
    "impatient-in-block",
    "index-in-two-bytes",
    "index-in-wrong-byte-order",
    "interest-is-a-switch",
    "interested-in-what-it-has",
    "keeps-peers-of-old-tracker",
    "lacks-one-piece-that-it-announced",
    "last-block-a-byte-short",
    "leaves-last-block-unchecked",
    "loses-one-answer",
    "loses-one-answer-with-fast",
    "loses-the-last-of-a-long-segment",
    "lost-interest-counts-for-everybody",
    "never-unchokes-again",
    "never-unchokes-private-strangers",
    "offset-in-32-bits",
    "one-have-behind-bitfield-counts",
    "overlooks-one-byte-more",
    "overlooks-short-bitfield",
    "pads-last-block",
    "pads-past-end",
    "partial-seed-says-zero",
    "pex-adds-fifty-one",
    "pex-adds-twice",
    "pex-adds-what-it-drops",
    "pex-drops-another-port",
    "pex-drops-somebody-else",
    "pex-empty",
    "pex-every-fifty-seconds",
    "pex-every-half-minute",
    "pex-ignored-without-flags",
    "pex-is-a-list",
    "pex-never-drops",
    "pex-passes-on-hearsay",
    "pex-repeated-later",
    "pex-second-message-early",
    "pex-to-who-offers-none",
    "pex-with-bytes-behind",
    "pex-with-flags-short",
    "pex-with-one-flag-byte",
    "pex-with-ragged-list",
    "pex-with-reserved-flag",
    "pex-with-swapped-port",
    "pex-with-text-addresses",
    "refuses-service-after-lost-interest",
    "rejects-all-but-one-at-choke",
    "rejects-all-but-one-of-the-cancelled",
    "requests-nothing-of-whom-it-dialled",
    "requests-phantom-piece",
    "rounds-length-up",
    "serves-across-pieces",
    "serves-behind-second-choke",
    "serves-into-next-piece",
    "serves-last-block-once",
    "serves-long-in-parts",
    "serves-no-cancelled-block-later",
    "serves-nobody-it-dialled",
    "serves-nothing-after-second-unchoke",
    "serves-one-block-to-whom-it-dialled",
    "serves-one-byte-past-the-end",
    "serves-unchecked-blocks",
    "serves-wrong-bytes-while-downloading",
    "shifts-one-block",
    "shows-a-piece-too-many",
    "shows-bitfield-by-words",
    "shows-mirrored-bitfield",
    "shows-nothing-of-what-it-got",
    "shows-shifted-bitfield",
    "stops-requesting",
    "takes-empty-block-for-piece",
    "talks-to-switched-off-extension",
    "talks-to-switched-off-extension-late",
    "tells-no-port",
    "tells-port-late",
    "tells-port-once",
    "tells-port-zero",
    "tells-progress-by-bitfield",
    "unchoke-counts-for-everybody",
    "zero-length-is-whole-piece",
];

/// Faults that show on other torrents or with other settings only; each has a test of its own.
const ELSEWHERE: &[&str] = &[
    "allowed-fast-never-ends",
    "oldest-connection-gives-way",
    "pex-on-private-torrent",
    "metadata-answers-next-piece",
    "metadata-piece-served-once",
    "metadata-last-piece-padded",
    "metadata-last-piece-short",
    "metadata-blocks-of-fifteen-kib",
    "metadata-total-size-of-piece",
    "metadata-last-byte-wrong",
    "metadata-length-without-piece",
    "metadata-to-another-connection",
];

#[test]
fn faults_of_later_metadata_pieces_show_where_there_are_some() {
    let torrent = fixture::main().torrent;
    let run = |faults: FaultSet| {
        let config = PeerConfig::new(torrent.clone(), Role::Seed).with_faults(faults);
        let mut talk = Talk::to(config);
        let mut handshake = Talk::handshake_with(BOTH);
        handshake.info_hash = torrent.info_hash();
        let [_, conn] = [44, 33].map(|id| {
            let conn = talk.connect();
            talk.raw(conn, &handshake.encode());
            talk.greeting(conn);
            talk.send(conn, &[hello(&[("ut_metadata", id)])]);
            conn
        });
        for piece in [0, 1, 2, 2, 1, 0, 2] {
            talk.send(conn, &[metadata(piece)]);
        }
        talk.log
    };
    let sound = run(FaultSet::none());
    for name in ELSEWHERE.iter().filter(|name| name.starts_with("metadata")) {
        let fault = fault::by_name(name).unwrap();
        assert_ne!(run(FaultSet::one(fault)), sound, "{name}");
    }
}

#[test]
fn small_torrent_never_ends_the_allowed_fast_set() {
    let torrent = fixture::one_piece().torrent;
    let run = |faults: FaultSet| {
        let config = PeerConfig::new(torrent.clone(), Role::Seed).with_faults(faults);
        let mut talk = Talk::to(config);
        let conn = talk.connect();
        let mut handshake = Talk::handshake_with(BOTH);
        handshake.info_hash = torrent.info_hash();
        talk.raw(conn, &handshake.encode());
        talk.greeting(conn);
        talk.send(conn, &[Message::HaveNone, Message::Interested]);
        let messages = talk.messages(conn);
        messages
            .iter()
            .filter(|m| m.kind() == Kind::Unchoke)
            .count()
    };
    assert_eq!(run(FaultSet::none()), 1);
    let fault = fault::by_name("allowed-fast-never-ends").unwrap();
    assert_eq!(run(FaultSet::one(fault)), 0);
}

#[test]
fn private_torrent_gets_pex_by_a_fault_only() {
    let content = fixture::one_piece().torrent.content().unwrap().clone();
    let builder = crate::torrent::Builder::new("private").private();
    let torrent = Torrent::build(&builder, content).unwrap();
    let run = |faults: FaultSet| {
        let config = PeerConfig::new(torrent.clone(), Role::Seed).with_faults(faults);
        let mut talk = Talk::to(config);
        let conn = talk.connect();
        let mut handshake = Talk::handshake_with(BOTH);
        handshake.info_hash = torrent.info_hash();
        talk.raw(conn, &handshake.encode());
        talk.greeting(conn);
        talk.send(conn, &[hello(&[("ut_pex", 33)])]);
        talk.wait(secs(2));
        let messages = talk.messages(conn);
        messages
            .iter()
            .any(|m| matches!(m, Message::Extended { ext_id: 33, .. }))
    };
    assert!(!run(FaultSet::none()));
    let fault = fault::by_name("pex-on-private-torrent").unwrap();
    assert!(run(FaultSet::one(fault)));
}

#[test]
fn catalogue_is_sound() {
    let mut names = std::collections::BTreeSet::new();
    for fault in fault::all() {
        assert!(names.insert(fault.name), "{} twice", fault.name);
        assert!((1..=3).contains(&fault.breaks.len()), "{}", fault.name);
        assert!(fault.doc.ends_with('.'), "{}", fault.name);
        for id in fault.breaks.iter().chain(fault.also) {
            assert!(catalogue().get(id).is_some(), "{}: no {id}", fault.name);
        }
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(fault.name.chars().all(fits), "{}", fault.name);
        assert!(
            fault.breaks.iter().all(|id| !fault.also.contains(id)),
            "{}",
            fault.name
        );
    }
    let listing = fault::all().filter(|fault| !fault.also.is_empty()).count();
    assert!(fault::all().count() >= 150);
    assert!(listing * 10 <= fault::all().count(), "{listing}");
}

#[test]
fn peer_ids_come_from_the_seed() {
    let id = |seed| crate::peer::Peer::new(config(Role::Seed).with_seed(seed)).peer_id();
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
    assert_ne!(id(1), PeerId([0; 20]));
    assert_eq!(Reserved::with(BOTH).0[5] & 0x10, 0x10);
}
