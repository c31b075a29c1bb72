//! What the other end sends of ut_metadata, and wrong answers to it.

use bytes::Bytes;

use super::super::{Seen, View, Wire};
use super::*;

/// The payload of a message under our id for ut_metadata.
pub(super) fn metadata(seen: &Seen<'_>) -> Option<Bytes> {
    let Message::Extended { ext_id, payload } = seen.message()? else {
        return None;
    };
    let slot = seen.peer.conn.extensions.iter().find(|s| s.id == *ext_id)?;
    (slot.name == "ut_metadata").then(|| payload.clone())
}

pub(super) fn message(seen: &Seen<'_>) -> Option<ExtensionMessage> {
    ExtensionMessage::decode("ut_metadata", &metadata(seen)?).ok()
}

/// The piece that is asked for.
pub(in crate::peer::fault) fn asked(seen: &Seen<'_>) -> Option<i128> {
    match message(seen)? {
        ExtensionMessage::MetadataRequest { piece } => Some(piece),
        _ => None,
    }
}

pub(super) fn past_end(seen: &Seen<'_>) -> bool {
    let pieces = info_pieces(&seen.peer);
    asked(seen).is_some_and(|piece| !(0..pieces).contains(&piece))
}

pub(super) fn unknown_type(seen: &Seen<'_>) -> Option<(i128, Option<i128>)> {
    match message(seen)? {
        ExtensionMessage::MetadataUnknown { msg_type, piece } => Some((msg_type, piece)),
        _ => None,
    }
}

/// The other end has given ut_metadata no id.
pub(super) fn unoffered(seen: &Seen<'_>) -> bool {
    seen.peer.conn.their_id("ut_metadata").is_none()
}

pub(super) fn dict(seen: &Seen<'_>) -> Option<bencode::Dict> {
    let document = bencode::read_prefix(&metadata(seen)?, bencode::Limits::PEER).ok()?;
    document.value.as_dict().cloned()
}

pub(super) fn keys(seen: &Seen<'_>) -> usize {
    dict(seen).map_or(0, |dict| dict.len())
}

pub(super) fn has_key(seen: &Seen<'_>, key: &str) -> bool {
    dict(seen).is_some_and(|dict| bencode::lookup(&dict, key).is_some())
}

pub(super) fn int(seen: &Seen<'_>, key: &str) -> Option<i128> {
    bencode::lookup(&dict(seen)?, key)?.as_int()
}

/// Data as a sound peer would send it, with these bytes.
pub(super) fn made(peer: &View<'_>, piece: i128, data: Bytes) -> ExtensionMessage {
    ExtensionMessage::MetadataData {
        piece,
        total_size: Some(info_len(peer)),
        data,
    }
}

/// The lowest 32 bits of a number.
pub(super) fn low_word(number: i128) -> u32 {
    u32::try_from(number & i128::from(u32::MAX)).unwrap_or(0)
}

/// A message under the id that the other end gave; nothing without one.
pub(super) fn said(seen: &Seen<'_>, message: &ExtensionMessage) -> Vec<Wire> {
    let id = seen.peer.conn.their_id("ut_metadata");
    id.map(|id| Wire::Message(message.into_message(id)))
        .into_iter()
        .collect()
}

pub(super) fn reject(seen: &Seen<'_>, piece: i128) -> Vec<Wire> {
    said(seen, &ExtensionMessage::MetadataReject { piece })
}

/// The bytes of one piece under the number of another; a reject if there are none.
pub(super) fn data_or_reject(seen: &Seen<'_>, piece: i128, told: i128) -> Vec<Wire> {
    let number = u32::try_from(piece).ok();
    let bytes = number.and_then(|n| seen.peer.torrent.metainfo().info_piece(n));
    match bytes {
        Some(bytes) => said(seen, &made(&seen.peer, told, bytes)),
        None => reject(seen, told),
    }
}

/// What was asked for, under an id that nobody gave.
pub(in crate::peer::fault) fn data_under(seen: &Seen<'_>, ext_id: u8) -> Vec<Wire> {
    let piece = asked(seen).unwrap_or(0);
    let number = u32::try_from(piece).unwrap_or(0);
    let bytes = seen.peer.torrent.metainfo().info_piece(number);
    let message = made(&seen.peer, piece, bytes.unwrap_or_default());
    vec![Wire::Message(message.into_message(ext_id))]
}

/// The other end's extended handshake offers metadata.
pub(super) fn introduced(seen: &Seen<'_>) -> bool {
    let hello = seen.extended_handshake();
    let id = hello.as_ref().and_then(|hello| hello.ext_id("ut_metadata"));
    id.is_some_and(|id| id != 0) && hello.is_some_and(|h| h.metadata_size().is_some())
}

/// A request of ours.
pub(super) fn own_request(seen: &Seen<'_>, payload: &'static [u8]) -> Vec<Wire> {
    let hello = seen.extended_handshake();
    let id = hello.and_then(|hello| hello.ext_id("ut_metadata"));
    let message = id.map(|ext_id| Message::Extended {
        ext_id,
        payload: Bytes::from_static(payload),
    });
    message.map(Wire::Message).into_iter().collect()
}
