//! What scripts do again and again.

use super::*;

pub(in crate::peer::tests) const BOTH: &[Capability] = &[Capability::Fast, Capability::Extended];
pub(in crate::peer::tests) const PLAIN: &[Capability] = &[Capability::Extended];

/// Messages of a connection so far that are requests.
pub(in crate::peer::tests) fn requests(talk: &mut Talk, conn: u32) -> Vec<BlockRef> {
    let messages = talk.lenient_messages(conn);
    messages
        .into_iter()
        .filter_map(|message| match message {
            Message::Request(block) => Some(block),
            _ => None,
        })
        .collect()
}

pub(in crate::peer::tests) fn allowed_fast(talk: &Talk, conn: u32) -> Vec<u32> {
    let connection = talk.peer.connection(conn);
    connection.map_or_else(Vec::new, |c| c.allowed_fast().to_vec())
}

/// The right answer to a request, if there is one.
pub(in crate::peer::tests) fn answer(block: &BlockRef) -> Message {
    let bytes = torrent().block(block).unwrap_or_default();
    Message::Piece {
        index: block.index,
        begin: block.begin,
        block: bytes,
    }
}

pub(in crate::peer::tests) fn hello(m: &[(&str, u8)]) -> Message {
    let payload = ExtendedHandshake::new().with_m(m).encode();
    Message::Extended { ext_id: 0, payload }
}

pub(in crate::peer::tests) fn raw_hello(payload: &[u8]) -> Message {
    let payload = Bytes::copy_from_slice(payload);
    Message::Extended { ext_id: 0, payload }
}

pub(in crate::peer::tests) fn bitfield(indices: impl IntoIterator<Item = u32>) -> Message {
    let pieces = torrent().geometry().pieces();
    let bits = PieceSet::of(pieces, indices).to_bitfield();
    Message::Bitfield { bits }
}

pub(in crate::peer::tests) fn unknown(id: u8, length: usize) -> Message {
    let id = crate::wire::message::UnknownId::new(id).unwrap();
    let payload = vec![0; length].into();
    Message::Unknown { id, payload }
}

pub(in crate::peer::tests) fn metadata_request() -> Message {
    metadata(0)
}

pub(in crate::peer::tests) fn metadata(piece: i128) -> Message {
    ExtensionMessage::MetadataRequest { piece }.into_message(1)
}

/// A DontHave, under the id that the peer gives it.
pub(in crate::peer::tests) fn gone(index: u32) -> Message {
    ExtensionMessage::DontHave { index }.into_message(3)
}

pub(in crate::peer::tests) fn ours(ext_id: u8, payload: &[u8]) -> Message {
    let payload = Bytes::copy_from_slice(payload);
    Message::Extended { ext_id, payload }
}

/// Opens, gets unchoked (seed) or gives pieces and unchokes (leech).
pub(in crate::peer::tests) fn set_up(talk: &mut Talk, bits: &[Capability]) -> u32 {
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
pub(in crate::peer::tests) fn alive(talk: &mut Talk, conn: u32) {
    talk.send(conn, &[metadata_request()]);
    talk.send(conn, &[hello(&[("ut_metadata", 20)]), metadata_request()]);
    talk.wait(secs(40));
}

pub(in crate::peer::tests) fn after(talk: &mut Talk, bits: &[Capability], messages: &[Message]) {
    let conn = set_up(talk, bits);
    talk.send(conn, messages);
    alive(talk, conn);
}

pub(in crate::peer::tests) fn raw_after(talk: &mut Talk, bytes: &[u8]) {
    let conn = set_up(talk, BOTH);
    talk.raw(conn, bytes);
    alive(talk, conn);
}

pub(in crate::peer::tests) fn first(talk: &mut Talk, bits: &[Capability], messages: &[Message]) {
    let conn = talk.open(bits);
    talk.send(conn, messages);
    alive(talk, conn);
}

pub(in crate::peer::tests) fn opening(talk: &mut Talk, bytes: &[u8]) -> u32 {
    let conn = talk.connect();
    talk.raw(conn, bytes);
    conn
}

pub(in crate::peer::tests) fn with_handshake(talk: &mut Talk, change: fn(&mut Handshake)) {
    let mut handshake = Talk::handshake_with(BOTH);
    change(&mut handshake);
    let conn = opening(talk, &handshake.encode());
    talk.send(conn, &[Message::Interested]);
    talk.wait(secs(40));
}

pub(in crate::peer::tests) fn ext(talk: &mut Talk, payload: &[u8]) {
    first(talk, BOTH, &[raw_hello(payload)]);
}
