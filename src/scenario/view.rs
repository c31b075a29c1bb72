//! A message as patterns see it.

use bytes::Bytes;

use super::pattern::PatternKind;
use crate::wire::bencode::{Dict, lookup};
use crate::wire::registry::{DICT, EXT_ID, ID, PAYLOAD, RESERVED_BITS};
use crate::wire::{ExtensionMessage, FieldValue, Frame, Handshake, Kind, Message};

/// A message as patterns see it: it may be several things at once, such as `extended` and
/// `ut_metadata_data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    faces: Vec<Face>,
}

/// One thing that a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Face {
    pub(super) what: PatternKind,
    fields: Vec<(&'static str, FieldValue)>,
    dict: Dict,
}

impl MessageView {
    /// Of a message, or of an extended message whose payload cannot be told.
    pub fn message(message: &Message) -> Self {
        let fields = message
            .fields()
            .into_iter()
            .map(|(field, value)| (field.name, value))
            .collect();
        Self {
            faces: vec![Face {
                what: PatternKind::Kind(message.kind()),
                fields,
                dict: Dict::new(),
            }],
        }
    }

    /// Of an extended message with its payload.
    pub fn extended(message: &Message, payload: &ExtensionMessage) -> Self {
        let mut view = Self::message(message);
        let mut face = Face {
            what: PatternKind::Kind(payload.kind()),
            fields: Vec::new(),
            dict: Dict::new(),
        };
        if let Message::Extended { ext_id, .. } = message {
            face.fields
                .push((EXT_ID.name, FieldValue::Int((*ext_id).into())));
        }
        match payload {
            ExtensionMessage::Handshake(handshake) => face.dict = handshake.dict.clone(),
            ExtensionMessage::Pex(pex) => face.dict = pex.dict.clone(),
            other => face.fields.extend(
                other
                    .fields()
                    .into_iter()
                    .filter(|(field, _)| **field != DICT)
                    .map(|(field, value)| (field.name, value)),
            ),
        }
        view.faces.push(face);
        view
    }

    /// Of a handshake.
    pub fn handshake(handshake: &Handshake) -> Self {
        let bytes = |bytes: &[u8]| FieldValue::Bytes(Bytes::copy_from_slice(bytes));
        let mut fields = vec![
            ("reserved", bytes(&handshake.reserved.0)),
            ("info_hash", bytes(&handshake.info_hash.0)),
            ("peer_id", bytes(&handshake.peer_id.0)),
        ];
        for bit in RESERVED_BITS {
            let set = handshake.reserved.has_bit(bit);
            fields.push((bit.name, FieldValue::Int(set.into())));
        }
        Self {
            faces: vec![Face {
                what: PatternKind::Handshake,
                fields,
                dict: Dict::new(),
            }],
        }
    }

    /// Of a frame that does not decode.
    pub fn malformed(frame: &Frame) -> Self {
        let body = frame.body();
        let mut fields = Vec::new();
        if let Some(id) = frame.id() {
            fields.push((ID.name, FieldValue::Int(id.into())));
            fields.push((PAYLOAD.name, FieldValue::Bytes(body.slice(1..))));
        }
        Self {
            faces: vec![Face {
                what: PatternKind::Malformed,
                fields,
                dict: Dict::new(),
            }],
        }
    }

    /// Of a frame whose length prefix is above the limit: nothing more is known of it.
    pub fn over_limit() -> Self {
        Self {
            faces: vec![Face {
                what: PatternKind::Malformed,
                fields: Vec::new(),
                dict: Dict::new(),
            }],
        }
    }

    /// Whether it is a keep-alive, which `next` and `silence: {of: all}` leave out.
    pub fn is_keep_alive(&self) -> bool {
        self.is(PatternKind::Kind(Kind::KeepAlive))
    }

    /// Whether it is a handshake.
    pub fn is_handshake(&self) -> bool {
        self.is(PatternKind::Handshake)
    }

    fn is(&self, what: PatternKind) -> bool {
        self.faces.iter().any(|face| face.what == what)
    }

    /// What the message is, seen as `what`.
    pub(super) fn face(&self, what: PatternKind) -> Option<&Face> {
        self.faces.iter().find(|face| face.what == what)
    }
}

impl Face {
    /// The value of a field or of a key of the dictionary.
    pub(super) fn get(&self, name: &str) -> Option<FieldValue> {
        let field = self.fields.iter().find(|(field, _)| *field == name);
        match field {
            Some((_, value)) => Some(value.clone()),
            None => lookup(&self.dict, name).cloned().map(FieldValue::from),
        }
    }
}

/// Fields of a handshake that a pattern may name beside the reserved bits.
pub(super) const HANDSHAKE_FIELDS: [&str; 3] = ["reserved", "info_hash", "peer_id"];

/// Fields of a frame that does not decode.
pub(super) const MALFORMED_FIELDS: [&str; 2] = ["id", "payload"];
