//! Named, typed fields of messages and their values.

use bytes::Bytes;

use super::bencode;

/// One field of a message. Statics of this type are the only place a field's name is written.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Name in scenarios, reports and the schema.
    pub name: &'static str,
    /// Shape on the wire.
    pub ty: FieldType,
    /// One line for the docs and the schema.
    pub doc: &'static str,
}

/// Shape of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// One byte.
    U8,
    /// Two bytes, big-endian.
    U16,
    /// Four bytes, big-endian.
    U32,
    /// Exactly 32 bytes.
    Hash,
    /// The rest of the body.
    Bytes,
    /// A bencoded integer (a key of an extension message).
    Int,
    /// A bencoded integer that may be missing.
    OptionalInt,
    /// A bencoded string (a key of an extension message).
    Text,
    /// A bencoded dictionary. As a message's own field: all its keys, of the author's choice.
    Dict,
}

/// Value of a field: what patterns match, captures keep and reports print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// Any number; bencoded ones may be negative.
    Int(i128),
    /// Raw bytes.
    Bytes(Bytes),
    /// A bencoded value (dictionaries and lists).
    Bencode(bencode::Value),
}

impl FieldValue {
    /// The number, if it is one.
    pub const fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bytes(_) | Self::Bencode(_) => None,
        }
    }

    /// The bytes, if they are.
    pub const fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(value) => Some(value),
            Self::Int(_) | Self::Bencode(_) => None,
        }
    }
}

impl From<bencode::Value> for FieldValue {
    /// Integers and strings lose their wrapping, so that one pattern fits both kinds of message.
    fn from(value: bencode::Value) -> Self {
        match value {
            bencode::Value::Int(value) => Self::Int(value),
            bencode::Value::Bytes(value) => Self::Bytes(value),
            value @ (bencode::Value::List(_) | bencode::Value::Dict(_)) => Self::Bencode(value),
        }
    }
}
