//! The payloads as one type, with the two walks over their fields.

use bytes::{Bytes, BytesMut};

use super::super::bencode::{self, Dict, Flaw, Limits, Value};
use super::super::field::{Field, FieldValue};
use super::super::frame::DecodeError;
use super::super::message::{ExtId, Message, UnknownId};
use super::super::registry::{
    DATA, DICT, ExtensionSpec, INDEX, Kind, METADATA_PIECE, MSG_TYPE, TOTAL_SIZE,
    UNKNOWN_METADATA_PIECE,
};
use super::super::walk::{ByteReader, ByteWriter, FieldCollector, Sink, Source};
use super::{ExtendedHandshake, PexMessage};

/// A decoded extension payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionMessage {
    /// BEP 10 handshake (id 0).
    Handshake(ExtendedHandshake),
    /// BEP 9 request.
    MetadataRequest {
        /// Zero-based metadata piece.
        piece: i128,
    },
    /// BEP 9 data.
    MetadataData {
        /// Zero-based metadata piece.
        piece: i128,
        /// Size of the info dictionary as told in the message.
        total_size: Option<i128>,
        /// Bytes behind the dictionary.
        data: Bytes,
    },
    /// BEP 9 reject.
    MetadataReject {
        /// Zero-based metadata piece.
        piece: i128,
    },
    /// BEP 9 message of an unknown type.
    MetadataUnknown {
        /// The type; one of the known three would be read back as that message.
        msg_type: i128,
        /// Zero-based metadata piece, if told.
        piece: Option<i128>,
    },
    /// BEP 11.
    Pex(PexMessage),
    /// BEP 54.
    DontHave {
        /// The piece that went away.
        index: u32,
    },
}

impl ExtensionMessage {
    /// Builds a payload of `kind` from wherever field values come from; `None` for a kind that
    /// does not travel inside `extended`.
    pub fn read<S: Source>(kind: Kind, from: &mut S) -> Result<Option<Self>, S::Error> {
        Ok(Some(match kind {
            Kind::ExtendedHandshake => Self::Handshake(ExtendedHandshake {
                dict: from.dict(&DICT)?,
            }),
            Kind::UtMetadataRequest => Self::MetadataRequest {
                piece: from.int(&METADATA_PIECE)?,
            },
            Kind::UtMetadataData => Self::MetadataData {
                piece: from.int(&METADATA_PIECE)?,
                total_size: from.optional_int(&TOTAL_SIZE)?,
                data: from.bytes(&DATA)?,
            },
            Kind::UtMetadataReject => Self::MetadataReject {
                piece: from.int(&METADATA_PIECE)?,
            },
            Kind::UtMetadataUnknown => Self::MetadataUnknown {
                msg_type: from.int(&MSG_TYPE)?,
                piece: from.optional_int(&UNKNOWN_METADATA_PIECE)?,
            },
            Kind::UtPex => Self::Pex(PexMessage {
                dict: from.dict(&DICT)?,
            }),
            Kind::LtDonthave => Self::DontHave {
                index: from.u32(&INDEX)?,
            },
            Kind::KeepAlive
            | Kind::Choke
            | Kind::Unchoke
            | Kind::Interested
            | Kind::NotInterested
            | Kind::Have
            | Kind::Bitfield
            | Kind::Request
            | Kind::Piece
            | Kind::Cancel
            | Kind::Port
            | Kind::SuggestPiece
            | Kind::HaveAll
            | Kind::HaveNone
            | Kind::RejectRequest
            | Kind::AllowedFast
            | Kind::Extended
            | Kind::HashRequest
            | Kind::Hashes
            | Kind::HashReject
            | Kind::Unknown => return Ok(None),
        }))
    }

    /// Hands every field to `to`, in the order of the table's row.
    pub fn write<K: Sink>(&self, to: &mut K) {
        match self {
            Self::Handshake(ExtendedHandshake { dict }) | Self::Pex(PexMessage { dict }) => {
                to.dict(&DICT, dict);
            }
            Self::MetadataRequest { piece } | Self::MetadataReject { piece } => {
                to.int(&METADATA_PIECE, *piece);
            }
            Self::MetadataData {
                piece,
                total_size,
                data,
            } => {
                to.int(&METADATA_PIECE, *piece);
                if let Some(total_size) = total_size {
                    to.int(&TOTAL_SIZE, *total_size);
                }
                to.bytes(&DATA, data);
            }
            Self::MetadataUnknown { msg_type, piece } => {
                to.int(&MSG_TYPE, *msg_type);
                if let Some(piece) = piece {
                    to.int(&UNKNOWN_METADATA_PIECE, *piece);
                }
            }
            Self::DontHave { index } => to.u32(&INDEX, *index),
        }
    }

    /// Which row of the table this is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Handshake(_) => Kind::ExtendedHandshake,
            Self::MetadataRequest { .. } => Kind::UtMetadataRequest,
            Self::MetadataData { .. } => Kind::UtMetadataData,
            Self::MetadataReject { .. } => Kind::UtMetadataReject,
            Self::MetadataUnknown { .. } => Kind::UtMetadataUnknown,
            Self::Pex(_) => Kind::UtPex,
            Self::DontHave { .. } => Kind::LtDonthave,
        }
    }

    /// Name of the extension in `m`; empty for the handshake.
    pub fn extension(&self) -> &'static str {
        self.kind().extension().unwrap_or("")
    }

    /// Reads a payload (the bytes behind the extended id) of the extension that `m` calls `name`;
    /// an empty name means the handshake.
    pub fn decode(name: &str, payload: &Bytes) -> Result<Self, DecodeError> {
        let kind = match name {
            "" => Kind::ExtendedHandshake,
            "ut_metadata" => return decode_metadata(payload),
            _ => match ExtensionSpec::by_name(name) {
                Some(ExtensionSpec { kinds: [kind], .. }) => *kind,
                _ => return Err(DecodeError::UnknownExtension),
            },
        };
        let built = if kind == Kind::LtDonthave {
            let mut reader = ByteReader::new(kind.name(), payload, 0);
            let built = Self::read(kind, &mut reader)?;
            reader.finish()?;
            built
        } else {
            let mut reader = DictReader::new(kind.name(), payload)?;
            Self::read(kind, &mut reader)?
        };
        built.ok_or(DecodeError::UnknownExtension)
    }

    /// What of a payload is not canonical bencoding, with offsets; empty if it has no dictionary.
    pub fn form_flaws(name: &str, payload: &Bytes) -> Vec<Flaw> {
        let limits = Limits::PEER;
        let document = match name {
            // BEP 9, "data": the piece follows the dictionary.
            "ut_metadata" => bencode::read_prefix(payload, limits),
            "" | "ut_pex" => bencode::read(payload, limits),
            _ => return Vec::new(),
        };
        document.map_or_else(|_| Vec::new(), |document| document.flaws)
    }

    /// How many bytes stand behind the dictionary that a payload begins with; `None` without one.
    pub fn behind_dictionary(payload: &Bytes) -> Option<usize> {
        let document = bencode::read_prefix(payload, Limits::PEER).ok()?;
        document.value.as_dict()?;
        payload.len().checked_sub(document.end)
    }

    /// The bytes behind the extended id, dictionaries in canonical form.
    pub fn encode_payload(&self) -> Bytes {
        let mut binary = BytesMut::new();
        self.write(&mut ByteWriter(&mut binary));
        let mut keys = KeyCollector::default();
        self.write(&mut keys);
        let msg_type = match self {
            Self::MetadataRequest { .. } => Some(0),
            Self::MetadataData { .. } => Some(1),
            Self::MetadataReject { .. } => Some(2),
            Self::Handshake(_)
            | Self::MetadataUnknown { .. }
            | Self::Pex(_)
            | Self::DontHave { .. } => None,
        };
        if let Some(msg_type) = msg_type {
            keys.int(&MSG_TYPE, msg_type);
        }
        match keys.0 {
            None => binary.freeze(),
            Some(dict) => {
                let mut out = bencode::encode_canonical(&Value::Dict(dict));
                out.extend_from_slice(&binary);
                out.into()
            }
        }
    }

    /// Wraps the payload into `extended`, with the id that the receiver gave the extension.
    pub fn into_message(&self, ext_id: ExtId) -> Message {
        Message::Extended {
            ext_id,
            payload: self.encode_payload(),
        }
    }

    /// Every field with its value, in the order of the table's row.
    pub fn fields(&self) -> Vec<(&'static Field, FieldValue)> {
        let mut fields = FieldCollector::default();
        self.write(&mut fields);
        fields.0
    }

    /// One field by name; of a payload that is one dictionary, one of its keys.
    pub fn field(&self, name: &str) -> Option<FieldValue> {
        if let Self::Handshake(ExtendedHandshake { dict }) | Self::Pex(PexMessage { dict }) = self {
            return bencode::lookup(dict, name).cloned().map(FieldValue::from);
        }
        let mut fields = self.fields().into_iter();
        let (_, value) = fields.find(|(field, _)| field.name == name)?;
        Some(value)
    }
}

fn decode_metadata(payload: &Bytes) -> Result<ExtensionMessage, DecodeError> {
    let mut reader = DictReader::new("ut_metadata", payload)?;
    let kind = match reader.int(&MSG_TYPE)? {
        0 => Kind::UtMetadataRequest,
        1 => Kind::UtMetadataData,
        2 => Kind::UtMetadataReject,
        _ => Kind::UtMetadataUnknown,
    };
    reader.message = kind.name();
    ExtensionMessage::read(kind, &mut reader)?.ok_or(DecodeError::UnknownExtension)
}

/// [`Source`] over a dictionary and the bytes behind it. No table row asks it for a binary field.
struct DictReader {
    message: &'static str,
    dict: Dict,
    rest: Bytes,
}

impl DictReader {
    fn new(message: &'static str, payload: &Bytes) -> Result<Self, DecodeError> {
        let document = bencode::read_prefix(payload, Limits::PEER)
            .map_err(|error| DecodeError::Bencode { message, error })?;
        let rest = payload.slice(document.end..);
        match document.value {
            Value::Dict(dict) => Ok(Self {
                message,
                dict,
                rest,
            }),
            other => Err(DecodeError::NotADict {
                message,
                actual: other.type_name(),
            }),
        }
    }

    fn missing(&self, field: &'static Field) -> DecodeError {
        DecodeError::MissingKey {
            message: self.message,
            key: field.name,
        }
    }
}

impl Source for DictReader {
    type Error = DecodeError;

    fn u8(&mut self, field: &'static Field) -> Result<u8, DecodeError> {
        Err(self.missing(field))
    }

    fn u16(&mut self, field: &'static Field) -> Result<u16, DecodeError> {
        Err(self.missing(field))
    }

    fn u32(&mut self, field: &'static Field) -> Result<u32, DecodeError> {
        Err(self.missing(field))
    }

    fn hash(&mut self, field: &'static Field) -> Result<[u8; 32], DecodeError> {
        Err(self.missing(field))
    }

    fn bytes(&mut self, _: &'static Field) -> Result<Bytes, DecodeError> {
        Ok(std::mem::take(&mut self.rest))
    }

    fn unknown_id(&mut self, field: &'static Field) -> Result<UnknownId, DecodeError> {
        Err(self.missing(field))
    }

    fn int(&mut self, field: &'static Field) -> Result<i128, DecodeError> {
        let value = self.optional_int(field)?;
        value.ok_or_else(|| self.missing(field))
    }

    fn optional_int(&mut self, field: &'static Field) -> Result<Option<i128>, DecodeError> {
        match bencode::lookup(&self.dict, field.name) {
            None => Ok(None),
            Some(Value::Int(value)) => Ok(Some(*value)),
            Some(other) => Err(DecodeError::WrongType {
                message: self.message,
                key: field.name,
                expected: "an integer",
                actual: other.type_name(),
            }),
        }
    }

    fn dict(&mut self, _: &'static Field) -> Result<Dict, DecodeError> {
        Ok(std::mem::take(&mut self.dict))
    }
}

/// [`Sink`] that collects what goes into the dictionary; `None` if nothing does.
#[derive(Default)]
struct KeyCollector(Option<Dict>);

impl Sink for KeyCollector {
    fn u8(&mut self, _: &'static Field, _: u8) {}

    fn u16(&mut self, _: &'static Field, _: u16) {}

    fn u32(&mut self, _: &'static Field, _: u32) {}

    fn hash(&mut self, _: &'static Field, _: &[u8; 32]) {}

    fn bytes(&mut self, _: &'static Field, _: &Bytes) {}

    fn int(&mut self, field: &'static Field, value: i128) {
        let dict = self.0.get_or_insert_default();
        dict.push((Bytes::from_static(field.name.as_bytes()), Value::Int(value)));
    }

    fn dict(&mut self, _: &'static Field, value: &Dict) {
        self.0.get_or_insert_default().extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(name: &str, payload: &'static [u8]) -> Result<ExtensionMessage, DecodeError> {
        ExtensionMessage::decode(name, &Bytes::from_static(payload))
    }

    #[test]
    fn finds_the_metadata_behind_the_dictionary() {
        let message = decode(
            "ut_metadata",
            b"d8:msg_typei1e5:piecei4e10:total_sizei9eeee:",
        );
        let expected = ExtensionMessage::MetadataData {
            piece: 4,
            total_size: Some(9),
            data: Bytes::from_static(b"ee:"),
        };
        assert_eq!(message, Ok(expected));
    }

    #[test]
    fn counts_what_is_behind_a_dictionary() {
        let behind = |payload: &'static [u8]| {
            ExtensionMessage::behind_dictionary(&Bytes::from_static(payload))
        };
        assert_eq!(behind(b"de"), Some(0));
        assert_eq!(behind(b"d1:ai2eeee"), Some(2));
        assert_eq!(behind(b"i2ede"), None);
        assert_eq!(behind(b"d1:a"), None);
    }

    #[test]
    fn keeps_a_metadata_message_of_unknown_type() {
        let message = decode("ut_metadata", b"d8:msg_typei-7ee").unwrap();
        assert_eq!(message.kind(), Kind::UtMetadataUnknown);
        assert_eq!(message.to_string(), "ut_metadata_unknown msg_type=-7");
        assert_eq!(message.encode_payload(), b"d8:msg_typei-7ee"[..]);
    }

    #[test]
    fn names_the_key_that_is_missing_or_of_another_type() {
        let errors = [
            ("ut_metadata", &b"de"[..], "`ut_metadata` has no `msg_type`"),
            (
                "ut_metadata",
                b"d8:msg_typei2ee",
                "`ut_metadata_reject` has no `piece`",
            ),
            (
                "ut_metadata",
                b"d8:msg_type1:0e",
                "`msg_type` of `ut_metadata` is not an integer but a string",
            ),
            (
                "ut_pex",
                b"5:added",
                "`ut_pex` is not a dictionary but a string",
            ),
            (
                "lt_donthave",
                b"\0\0\x01",
                "`lt_donthave` ends 3 bytes into `index`",
            ),
            (
                "lt_donthave",
                b"\0\0\0\x01\x02",
                "`lt_donthave` goes on for 1 byte behind its last field",
            ),
        ];
        for (name, payload, text) in errors {
            assert_eq!(decode(name, payload).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn does_not_decode_what_is_known_by_name_only() {
        let error = Err(DecodeError::UnknownExtension);
        assert_eq!(decode("ut_holepunch", b"de"), error);
        assert_eq!(decode("no_such_thing", b"de"), error);
    }

    #[test]
    fn finds_fields_and_keys_by_name() {
        let reject = ExtensionMessage::MetadataReject { piece: 3 };
        assert_eq!(reject.field("piece"), Some(FieldValue::Int(3)));
        assert_eq!(reject.field("data"), None);
        let handshake = decode("", b"d4:reqqi5e5:thing1:xe").unwrap();
        assert_eq!(handshake.field("reqq"), Some(FieldValue::Int(5)));
        let thing = FieldValue::Bytes(Bytes::from_static(b"x"));
        assert_eq!(handshake.field("thing"), Some(thing));
    }

    #[test]
    fn bytes_behind_a_dictionary_are_a_flaw_only_without_data() {
        let payload = Bytes::from_static(b"d8:msg_typei0e5:piecei0eexyz");
        assert!(ExtensionMessage::form_flaws("ut_metadata", &payload).is_empty());
        assert_eq!(ExtensionMessage::form_flaws("ut_pex", &payload).len(), 1);
        assert!(ExtensionMessage::form_flaws("lt_donthave", &payload).is_empty());
    }
}
