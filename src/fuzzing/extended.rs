//! Dictionaries of BEP 10 and the payloads of BEPs 9, 11 and 54.

use bytes::Bytes;

use super::bencode::{flaw_kind, read_error};
use super::{Reach, bencode, text};
use crate::wire::bencode::{self as reader, Limits};
use crate::wire::extension::{ExtendedHandshake, KeyProblem};
use crate::wire::registry::EXTENSIONS;
use crate::wire::{DecodeError, ExtensionMessage, Kind, describe};

/// The payload of an `extended` message, taken for each extension in turn: what decodes is written
/// back to something that decodes to the same, and is canonical.
pub fn extended(input: &[u8]) -> Reach {
    let payload = Bytes::copy_from_slice(input);
    for name in names() {
        payload_comes_back(name, &payload);
    }
    let unknown = ExtensionMessage::decode("btspec_unknown", &payload);
    assert_eq!(unknown, Err(DecodeError::UnknownExtension));
    let mut reached: Reach = payload_reach(0, &payload).into_iter().collect();
    reached.extend(payload_reach(1, &payload));
    reached
}

/// The handshake and every extension that there is a row for.
fn names() -> impl Iterator<Item = &'static str> {
    [""].into_iter()
        .chain(EXTENSIONS.iter().map(|extension| extension.name))
}

/// Problems of payloads.
pub(super) const ERRORS: [&str; 23] = [
    "payload not bencoded",
    "payload not a dictionary",
    "payload without key",
    "payload with a wrong type",
    "unknown extension",
    "key of wrong type",
    "key out of range",
    "key of wrong length",
    "key that is no text",
    bencode::FLAWS[0],
    bencode::FLAWS[1],
    bencode::FLAWS[2],
    bencode::FLAWS[3],
    bencode::FLAWS[4],
    bencode::FLAWS[5],
    bencode::FLAWS[6],
    bencode::FLAWS[7],
    bencode::ERRORS[0],
    bencode::ERRORS[1],
    bencode::ERRORS[2],
    bencode::ERRORS[3],
    bencode::ERRORS[4],
    bencode::ERRORS[5],
];

pub(super) fn reachable() -> Vec<&'static str> {
    let kinds = Kind::ALL.iter().filter(|kind| kind.is_extension());
    let mut all: Vec<_> = kinds.map(|kind| kind.name()).collect();
    all.extend(ERRORS);
    all.extend(["message too short", "message too long"]);
    all.extend(&bencode::ERRORS[6..]);
    all
}

/// What a payload is to a receiver that gave it this extended id: 0 is the handshake, any other may
/// be any extension.
pub(super) fn payload_reach(ext_id: u8, payload: &Bytes) -> Vec<&'static str> {
    let mut labels = Vec::new();
    for name in names().filter(|name| name.is_empty() == (ext_id == 0)) {
        match ExtensionMessage::decode(name, payload) {
            Ok(message) => {
                labels.push(message.kind().name());
                if let ExtensionMessage::Handshake(handshake) = message {
                    let flaws = handshake.flaws();
                    labels.extend(flaws.iter().map(|flaw| key_problem(&flaw.problem)));
                }
            }
            Err(error) => labels.push(decode_error(&error)),
        }
        let flaws = ExtensionMessage::form_flaws(name, payload);
        labels.extend(flaws.iter().map(|flaw| flaw_kind(&flaw.kind)));
        if let Err(error) = reader::read(payload, Limits::PEER) {
            labels.push(read_error(&error.kind));
        }
    }
    labels
}

pub(super) fn decode_error(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::TooShort { .. } => "message too short",
        DecodeError::TooLong { .. } => "message too long",
        DecodeError::Bencode { .. } => "payload not bencoded",
        DecodeError::NotADict { .. } => "payload not a dictionary",
        DecodeError::MissingKey { .. } => "payload without key",
        DecodeError::WrongType { .. } => "payload with a wrong type",
        DecodeError::UnknownExtension => "unknown extension",
    }
}

fn key_problem(problem: &KeyProblem) -> &'static str {
    match problem {
        KeyProblem::WrongType { .. } => "key of wrong type",
        KeyProblem::OutOfRange { .. } => "key out of range",
        KeyProblem::WrongLength { .. } => "key of wrong length",
        KeyProblem::NotText => "key that is no text",
    }
}

fn payload_comes_back(name: &str, payload: &Bytes) {
    let message = match ExtensionMessage::decode(name, payload) {
        Ok(message) => message,
        Err(error) => return text::is_one_line(&error.to_string()),
    };
    assert_eq!(message.extension(), name);
    let encoded = encoded(&message);
    let again = ExtensionMessage::decode(name, &encoded).expect("we wrote it ourselves");
    assert_eq!(again.kind(), message.kind());
    assert_eq!(again.encode_payload(), encoded, "{message}");
    assert!(ExtensionMessage::form_flaws(name, &encoded).is_empty());
    let fields = message.fields();
    text::is_one_line(&describe::line(message.kind().name(), &fields));
    match &message {
        ExtensionMessage::Handshake(handshake) => handshake_reads(handshake),
        ExtensionMessage::MetadataData { data, .. } => {
            let behind = ExtensionMessage::behind_dictionary(payload);
            assert_eq!(behind, Some(data.len()), "data is what follows");
            assert!(payload.ends_with(data));
        }
        ExtensionMessage::Pex(pex) => {
            let bytes = ["added", "added6"].map(|key| pex.string(key).len());
            assert!(pex.added().len() <= bytes[0] / 6 + bytes[1] / 18);
            let bytes = ["dropped", "dropped6"].map(|key| pex.string(key).len());
            assert!(pex.dropped().len() <= bytes[0] / 6 + bytes[1] / 18);
        }
        _ => {}
    }
}

fn handshake_reads(handshake: &ExtendedHandshake) {
    for (key, value) in &handshake.dict {
        text::is_one_line(&value.to_string());
        assert!(handshake.dict.iter().any(|(other, _)| other == key));
    }
    for (name, id) in handshake.m() {
        if let Some(given) = handshake.ext_id(&name) {
            let ids = handshake.m();
            let mut same = ids.iter().filter(|(other, _)| *other == name);
            assert!(same.any(|(_, id)| *id == i128::from(given)), "{name}: {id}");
        }
    }
    for flaw in handshake.flaws() {
        text::is_one_line(&flaw.to_string());
    }
}

fn encoded(message: &ExtensionMessage) -> Bytes {
    #[cfg(fuzz_selftest)]
    if let ExtensionMessage::MetadataReject { piece } = message
        && *piece > 0
    {
        return ExtensionMessage::MetadataRequest { piece: *piece }.encode_payload();
    }
    message.encode_payload()
}
