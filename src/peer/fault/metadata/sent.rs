//! What the peer sends of ut_metadata, and how it is spoilt.

use bytes::Bytes;

use super::super::{Sent, View, Wire};
use super::*;

/// Our extended handshake.
pub(super) fn hello(sent: &Sent<'_>) -> bool {
    sent.is(Kind::ExtendedHandshake)
}

/// Our extended handshake with other keys.
pub(super) fn changed(
    sent: &Sent<'_>,
    change: impl Fn(ExtendedHandshake) -> ExtendedHandshake,
) -> Vec<Wire> {
    let Message::Extended { ext_id, payload } = sent.message else {
        return Vec::new();
    };
    let Ok(ExtensionMessage::Handshake(handshake)) = ExtensionMessage::decode("", payload) else {
        return Vec::new();
    };
    vec![Wire::Message(Message::Extended {
        ext_id: *ext_id,
        payload: change(handshake).encode(),
    })]
}

pub(super) fn sized(sent: &Sent<'_>, size: i128) -> Vec<Wire> {
    changed(sent, |hello| hello.with("metadata_size", Value::Int(size)))
}

pub(super) fn info_len(peer: &View<'_>) -> i128 {
    peer.torrent.metainfo().info_bytes().len() as i128
}

pub(super) fn info_pieces(peer: &View<'_>) -> i128 {
    peer.torrent.metainfo().info_pieces().into()
}

/// The info dictionary has no short piece.
pub(super) fn whole(peer: &View<'_>) -> bool {
    info_len(peer) % METADATA_PIECE_LEN as i128 == 0
}

/// Our data and rejects.
pub(super) fn answer(sent: &Sent<'_>) -> bool {
    sent.is(Kind::UtMetadataData) || sent.is(Kind::UtMetadataReject)
}

pub(super) fn data(sent: &Sent<'_>) -> bool {
    sent.is(Kind::UtMetadataData)
}

/// Our data of the last piece of several.
pub(super) fn last(sent: &Sent<'_>) -> bool {
    let pieces = info_pieces(&sent.peer);
    data(sent) && pieces > 1 && number(sent) == Some(pieces - 1)
}

/// The other end's id for ut_metadata.
pub(super) fn their_id(sent: &Sent<'_>) -> u8 {
    sent.peer.conn.their_id("ut_metadata").unwrap_or(0)
}

pub(super) fn number(sent: &Sent<'_>) -> Option<i128> {
    let Message::Extended { payload, .. } = sent.message else {
        return None;
    };
    match ExtensionMessage::decode("ut_metadata", payload).ok()? {
        ExtensionMessage::MetadataData { piece, .. }
        | ExtensionMessage::MetadataReject { piece } => Some(piece),
        _ => None,
    }
}

/// The bytes behind the dictionary of what we send.
pub(super) fn body(sent: &Sent<'_>) -> Bytes {
    let Message::Extended { payload, .. } = sent.message else {
        return Bytes::new();
    };
    let behind = ExtensionMessage::behind_dictionary(payload).unwrap_or(0);
    payload.slice(payload.len() - behind..)
}

/// Our message with another dictionary.
pub(super) fn reworded(sent: &Sent<'_>, change: impl Fn(&mut bencode::Dict)) -> Vec<Wire> {
    let Message::Extended { ext_id, payload } = sent.message else {
        return Vec::new();
    };
    let Ok(document) = bencode::read_prefix(payload, bencode::Limits::PEER) else {
        return Vec::new();
    };
    let mut dict = document.value.as_dict().cloned().unwrap_or_default();
    change(&mut dict);
    let mut bytes = bencode::encode_canonical(&Value::Dict(dict));
    bytes.extend_from_slice(&body(sent));
    vec![Wire::Message(Message::Extended {
        ext_id: *ext_id,
        payload: bytes.into(),
    })]
}

pub(super) fn renumbered(sent: &Sent<'_>, change: impl Fn(i128) -> i128) -> Vec<Wire> {
    let piece = number(sent).unwrap_or(0);
    reworded(sent, |dict| set(dict, "piece", Value::Int(change(piece))))
}

pub(super) fn set(dict: &mut bencode::Dict, key: &'static str, value: Value) {
    dict.retain(|(name, _)| name.as_ref() != key.as_bytes());
    dict.push((Bytes::from_static(key.as_bytes()), value));
}

/// Our message with other bytes behind the dictionary.
pub(super) fn rebodied(sent: &Sent<'_>, change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Wire> {
    let Message::Extended { ext_id, payload } = sent.message else {
        return Vec::new();
    };
    let old = body(sent);
    let mut bytes = payload.slice(..payload.len() - old.len()).to_vec();
    bytes.extend(change(&old));
    vec![Wire::Message(Message::Extended {
        ext_id: *ext_id,
        payload: bytes.into(),
    })]
}

/// Our message under another id.
pub(super) fn under(sent: &Sent<'_>, ext_id: u8) -> Vec<Wire> {
    let Message::Extended { payload, .. } = sent.message else {
        return Vec::new();
    };
    let payload = payload.clone();
    vec![Wire::Message(Message::Extended { ext_id, payload })]
}
