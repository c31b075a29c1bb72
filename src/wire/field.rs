//! Named, typed fields of messages and their values.

use bytes::Bytes;

use super::bencode;

/// One field of a message. Constants of this type are the only place a field's name is written.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// One byte.
    U8,
    /// Two bytes, big-endian.
    U16,
    /// Four bytes, big-endian.
    U32,
    /// The rest of the body.
    Bytes,
    /// A bencoded integer (a key of an extension message).
    Int,
    /// A bencoded string (a key of an extension message).
    Text,
    /// A whole bencoded dictionary with keys of the author's choice.
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
