//! BEP 9: the info dictionary from peers.

use super::judge::Context;
use super::table::Ruling;
use crate::session::{Event, EventKind, ExtendedUse, Session, Stand};
use crate::trace::What;
use crate::wire::bencode::{self, Value};
use crate::wire::{DecodeError, ExtendedHandshake, ExtensionMessage, Message};

/// BEP 9, "extension header": the size stands beside `m`, and a peer that serves the info
/// dictionary has told it. The type of the value is `known-keys-typed`'s.
pub fn metadata_size_beside_m(event: &Event, session: &Session, _: &Context) -> Ruling {
    if let Some(handshake) = handshake(event) {
        let m = handshake.get("m").and_then(Value::as_dict);
        if m.is_some_and(|m| bencode::lookup(m, "metadata_size").is_some()) {
            return Ruling::Broken("metadata_size is inside m".to_owned());
        }
        return Ruling::NotApplicable;
    }
    match metadata(event) {
        Some((_, Ok(ExtensionMessage::MetadataData { .. }))) => {
            match session.theirs().metadata_size() {
                None => Ruling::Broken("serves metadata and never told metadata_size".to_owned()),
                Some(0) => Ruling::Broken("serves metadata and told metadata_size 0".to_owned()),
                Some(_) => Ruling::Held,
            }
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 9, "extension header": `metadata_size` is the length of the info dictionary. A peer that
/// does not have it yet leaves the key out or says 0.
pub fn metadata_size_is_true(event: &Event, session: &Session, _: &Context) -> Ruling {
    let size = handshake(event).and_then(ExtendedHandshake::metadata_size);
    match size {
        Some(size) if size > 0 => {
            let right = info_len(session);
            Ruling::check(size == right, || {
                format!("metadata_size {size}, and the info dictionary has {right} bytes")
            })
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 9, "extension message": one dictionary with the integers `msg_type` and `piece`. What
/// stands behind it and the type of `total_size` have rules of their own. A negative piece is right
/// in an answer that repeats ours.
pub fn metadata_well_formed(event: &Event, session: &Session, _: &Context) -> Ruling {
    let Some((used, payload)) = metadata(event) else {
        return Ruling::NotApplicable;
    };
    match payload {
        Err(error) if is_about_total_size(error) => Ruling::NotApplicable,
        Err(error) => Ruling::Broken(error.to_string()),
        Ok(ExtensionMessage::MetadataUnknown { msg_type, .. }) => Ruling::Broken(format!(
            "msg_type {msg_type} is none of request, data and reject"
        )),
        Ok(ExtensionMessage::MetadataRequest { piece }) if *piece < 0 => {
            Ruling::Broken(format!("request of piece {piece}"))
        }
        Ok(
            ExtensionMessage::MetadataData { piece, .. }
            | ExtensionMessage::MetadataReject { piece },
        ) if *piece < 0 && !used.answer && !session.metadata_odd() => {
            Ruling::Broken(format!("answer about piece {piece}"))
        }
        Ok(_) => Ruling::Held,
    }
}

/// BEP 9, "request": one answer to each request, and about the piece that was asked for. Where we
/// sent anything else but requests for pieces that there are, answers are left to the case.
pub fn metadata_answered_once(event: &Event, _: &Session, _: &Context) -> Ruling {
    let Some((used, Ok(message))) = metadata(event) else {
        return Ruling::NotApplicable;
    };
    let (what, piece) = match message {
        ExtensionMessage::MetadataData { piece, .. } => ("data", piece),
        ExtensionMessage::MetadataReject { piece } => ("reject", piece),
        _ => return Ruling::NotApplicable,
    };
    if used.unasked {
        return Ruling::Broken(format!(
            "{what} of piece {piece}, of which no request is open"
        ));
    }
    if used.answer {
        Ruling::Held
    } else {
        Ruling::NotApplicable
    }
}

/// BEP 9, "data": 16 KiB a piece, the last one ends with the dictionary. Pieces that there are not
/// are left to the case that asked for them.
pub fn metadata_block_length(event: &Event, session: &Session, _: &Context) -> Ruling {
    let Some(data) = served(event, session) else {
        return Ruling::NotApplicable;
    };
    let (actual, expected) = (data.bytes.len(), data.right.len());
    Ruling::check(actual == expected, || {
        format!(
            "metadata piece {} of {actual} bytes, and it has {expected}",
            data.piece
        )
    })
}

/// BEP 9, "request": what is sent passes the check against the info hash. A wrong length has a
/// rule of its own.
pub fn metadata_bytes(event: &Event, session: &Session, _: &Context) -> Ruling {
    let Some(data) = served(event, session).filter(|data| data.bytes.len() == data.right.len())
    else {
        return Ruling::NotApplicable;
    };
    let differs = data.bytes.iter().zip(&data.right).position(|(a, b)| a != b);
    match differs {
        None => Ruling::Held,
        Some(at) => Ruling::Broken(format!(
            "metadata piece {} differs from the info dictionary at its byte {at}",
            data.piece
        )),
    }
}

/// BEP 9, "data": `total_size` is an integer "with the same semantics as metadata_size".
pub fn metadata_total_size(event: &Event, session: &Session, _: &Context) -> Ruling {
    let right = info_len(session);
    match metadata(event) {
        Some((_, Err(error))) if is_about_total_size(error) => Ruling::Broken(error.to_string()),
        Some((_, Ok(ExtensionMessage::MetadataData { total_size, .. }))) => match total_size {
            None => Ruling::Broken("data without total_size".to_owned()),
            Some(size) => Ruling::check(*size == right, || {
                format!("total_size {size}, and the info dictionary has {right} bytes")
            }),
        },
        _ => Ruling::NotApplicable,
    }
}

/// BEP 9, "reject": nothing but the dictionary. More keys in it do no harm (libtorrent adds
/// `total_size`).
pub fn metadata_reject_is_bare(event: &Event, _: &Session, _: &Context) -> Ruling {
    match metadata(event) {
        Some((_, Ok(ExtensionMessage::MetadataReject { .. }))) => {
            let behind = bytes_behind(event);
            Ruling::check(behind == 0, || {
                format!("{behind} bytes behind the dictionary of a reject")
            })
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 9, "request": no additional keys, and nothing behind the dictionary.
pub fn metadata_request_is_bare(event: &Event, _: &Session, _: &Context) -> Ruling {
    let Some((_, Ok(ExtensionMessage::MetadataRequest { .. }))) = metadata(event) else {
        return Ruling::NotApplicable;
    };
    let behind = bytes_behind(event);
    if behind > 0 {
        return Ruling::Broken(format!("{behind} bytes behind the dictionary of a request"));
    }
    let keys = payload(event).map_or(0, |payload| {
        let document = bencode::read_prefix(payload, bencode::Limits::PEER).ok();
        let dict = document.as_ref().and_then(|d| d.value.as_dict());
        dict.map_or(0, Vec::len)
    });
    Ruling::check(keys == 2, || format!("a request of {keys} keys"))
}

fn handshake(event: &Event) -> Option<&ExtendedHandshake> {
    match (&event.kind, &event.payload) {
        (EventKind::ExtendedHandshake { .. }, Some(Ok(ExtensionMessage::Handshake(handshake)))) => {
            Some(handshake)
        }
        _ => None,
    }
}

/// A ut_metadata message under an id of ours.
fn metadata(event: &Event) -> Option<(&ExtendedUse, Result<&ExtensionMessage, &DecodeError>)> {
    let EventKind::Extended(used) = &event.kind else {
        return None;
    };
    let ours = used.name.as_deref() == Some("ut_metadata") && used.stand != Stand::Wrong;
    let payload = event.payload.as_ref().filter(|_| ours)?;
    Some((used, payload.as_ref()))
}

/// A piece of metadata that the target has sent, and what it should be.
struct Served<'a> {
    piece: i128,
    bytes: &'a [u8],
    right: bytes::Bytes,
}

/// The data of a piece that there is.
fn served<'a>(event: &'a Event, session: &Session) -> Option<Served<'a>> {
    let Some((_, Ok(ExtensionMessage::MetadataData { piece, data, .. }))) = metadata(event) else {
        return None;
    };
    let number = u32::try_from(*piece).ok()?;
    Some(Served {
        piece: *piece,
        bytes: data,
        right: session.torrent().metainfo().info_piece(number)?,
    })
}

fn info_len(session: &Session) -> i128 {
    let len = session.torrent().metainfo().info_bytes().len();
    i128::try_from(len).unwrap_or(i128::MAX)
}

fn is_about_total_size(error: &DecodeError) -> bool {
    matches!(
        error,
        DecodeError::WrongType {
            key: "total_size",
            ..
        }
    )
}

fn payload(event: &Event) -> Option<&bytes::Bytes> {
    match &event.observation.what {
        What::Message(Message::Extended { payload, .. }) => Some(payload),
        _ => None,
    }
}

fn bytes_behind(event: &Event) -> usize {
    payload(event)
        .and_then(ExtensionMessage::behind_dictionary)
        .unwrap_or(0)
}
