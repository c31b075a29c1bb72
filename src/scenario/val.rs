//! Values of expressions, captures and variables.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::wire::{FieldValue, bencode};

/// A value at play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Val {
    /// A number. Operators give 0 to 2^64 - 1 or an error; what was captured may be negative.
    Int(i128),
    /// True or false.
    Bool(bool),
    /// Raw bytes.
    Bytes(Bytes),
    /// A list.
    List(Vec<Self>),
    /// A word, only to compare with and to name things.
    Text(Arc<str>),
}

impl Val {
    /// Text.
    pub fn text(text: &str) -> Self {
        Self::Text(Arc::from(text))
    }

    /// A list of numbers.
    pub fn ints<N: Into<i128>>(list: impl IntoIterator<Item = N>) -> Self {
        Self::List(list.into_iter().map(|n| Self::Int(n.into())).collect())
    }

    /// What a field of a message holds.
    pub fn of_field(value: &FieldValue) -> Self {
        match value {
            FieldValue::Int(n) => Self::Int(*n),
            FieldValue::Bytes(bytes) => Self::Bytes(bytes.clone()),
            FieldValue::Bencode(value) => Self::of_bencode(value),
        }
    }

    /// A bencoded value; a dictionary becomes its canonical bytes.
    pub fn of_bencode(value: &bencode::Value) -> Self {
        match value {
            bencode::Value::Int(n) => Self::Int(*n),
            bencode::Value::Bytes(bytes) => Self::Bytes(bytes.clone()),
            bencode::Value::List(list) => Self::List(list.iter().map(Self::of_bencode).collect()),
            bencode::Value::Dict(_) => Self::Bytes(bencode::encode_as_is(value).into()),
        }
    }

    /// Equality as `==` and patterns see it: text equals its bytes.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(text), Self::Bytes(bytes)) | (Self::Bytes(bytes), Self::Text(text)) => {
                text.as_bytes() == bytes.as_ref()
            }
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            _ => self == other,
        }
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Text(_) => "text",
        }
    }
}

impl From<u64> for Val {
    fn from(n: u64) -> Self {
        Self::Int(n.into())
    }
}

impl From<bool> for Val {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl fmt::Display for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Bytes(bytes) if bytes.len() <= 20 => write!(f, "{}", hex(bytes)),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::List(list) => {
                f.write_str("[")?;
                for (index, entry) in list.iter().enumerate().take(SHOWN_ENTRIES) {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{entry}")?;
                }
                if list.len() > SHOWN_ENTRIES {
                    write!(f, ", … {} in all", list.len())?;
                }
                f.write_str("]")
            }
            Self::Text(text) => write!(f, "{}", text.escape_debug()),
        }
    }
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Entries of a list that are printed.
const SHOWN_ENTRIES: usize = 12;
