//! Bencoding: values, a tolerant zero-copy reader, and bendy as encoder and judge.
//!
//! A peer's dictionary may be unsorted or repeat keys: that is something to report, and still to
//! be read. So [`read`] keeps going where [`bendy`] (strict) stops, and lists each [`Flaw`] with its
//! byte offset. [`is_canonical`] and [`encode_canonical`] are bendy's; nothing else names it.

mod read;

use std::collections::BTreeMap;

use bendy::decoding::Decoder;
use bendy::encoding::{Encoder, Error, SingleItemEncoder};
use bendy::state_tracker::Token;
use bytes::Bytes;

pub use read::{Document, Flaw, FlawKind, Limits, ReadError, ReadErrorKind, read, read_prefix};

/// Entries of a dictionary in wire order, repeats kept.
pub type Dict = Vec<(Bytes, Value)>;

/// A bencoded value as it stood on the wire: dictionary order and repeated keys are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An integer. Beyond 127 bits it is the nearest bound, with a flaw.
    Int(i128),
    /// A byte string.
    Bytes(Bytes),
    /// A list.
    List(Vec<Self>),
    /// A dictionary: keys in wire order, repeats kept.
    Dict(Dict),
}

impl Value {
    /// A byte string from text.
    pub fn text(text: &str) -> Self {
        Self::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// A byte string.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::Bytes(Bytes::copy_from_slice(bytes))
    }

    /// A dictionary from text keys, in the order given.
    pub fn dict<const N: usize>(entries: [(&str, Self); N]) -> Self {
        let entries = entries.into_iter();
        Self::Dict(
            entries
                .map(|(key, value)| (Bytes::copy_from_slice(key.as_bytes()), value))
                .collect(),
        )
    }

    /// The number, if it is one.
    pub const fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bytes(_) | Self::List(_) | Self::Dict(_) => None,
        }
    }

    /// The byte string, if it is one.
    pub const fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(value) => Some(value),
            Self::Int(_) | Self::List(_) | Self::Dict(_) => None,
        }
    }

    /// The elements, if it is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(values) => Some(values),
            Self::Int(_) | Self::Bytes(_) | Self::Dict(_) => None,
        }
    }

    /// The entries, if it is a dictionary.
    pub const fn as_dict(&self) -> Option<&Dict> {
        match self {
            Self::Dict(entries) => Some(entries),
            Self::Int(_) | Self::Bytes(_) | Self::List(_) => None,
        }
    }

    /// The value of a key, if this is a dictionary; see [`lookup`].
    pub fn get(&self, key: &str) -> Option<&Self> {
        lookup(self.as_dict()?, key)
    }

    /// What it is, for messages.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Int(_) => "an integer",
            Self::Bytes(_) => "a string",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
        }
    }
}

impl From<i128> for Value {
    fn from(value: i128) -> Self {
        Self::Int(value)
    }
}

/// The value of a key. Of a repeated key the first counts, as in libtorrent.
pub fn lookup<'a>(dict: &'a Dict, key: &str) -> Option<&'a Value> {
    let entry = dict.iter().find(|(name, _)| name == key.as_bytes())?;
    Some(&entry.1)
}

/// Whether `bytes` are exactly one value in canonical form.
pub fn is_canonical(bytes: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut values = 0_usize;
    for token in Decoder::new(bytes).with_max_depth(MAX_DEPTH).tokens() {
        match token {
            Ok(Token::List | Token::Dict) => depth = depth.saturating_add(1),
            Ok(Token::End) => depth = depth.saturating_sub(1),
            Ok(Token::String(_) | Token::Num(_)) => {}
            Err(_) => return false,
        }
        if depth == 0 {
            values = values.saturating_add(1);
        }
    }
    values == 1
}

/// The value of exactly one canonical encoding, read by bendy alone: what [`read`] is held against.
/// Numbers beyond 127 bits become 0, as nobody compares them.
#[cfg(feature = "arbitrary")]
pub fn read_canonical(bytes: &[u8]) -> Option<Value> {
    enum Open {
        List(Vec<Value>),
        Dict(Dict, Option<Bytes>),
    }
    let mut open = Vec::new();
    let mut whole = None;
    for token in Decoder::new(bytes).with_max_depth(MAX_DEPTH).tokens() {
        let value = match token.ok()? {
            Token::List => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Token::Dict => {
                open.push(Open::Dict(Dict::new(), None));
                continue;
            }
            Token::End => match open.pop()? {
                Open::List(values) => Value::List(values),
                Open::Dict(entries, _) => Value::Dict(entries),
            },
            Token::String(string) => Value::bytes(string),
            Token::Num(number) => Value::Int(number.parse().unwrap_or(0)),
        };
        match (open.last_mut(), value) {
            (None, value) if whole.is_none() => whole = Some(value),
            (None, _) => return None,
            (Some(Open::List(values)), value) => values.push(value),
            (Some(Open::Dict(entries, key)), value) => match (key.take(), value) {
                (Some(key), value) => entries.push((key, value)),
                (None, Value::Bytes(name)) => *key = Some(name),
                (None, _) => return None,
            },
        }
    }
    whole.filter(|_| open.is_empty())
}

/// Canonical form: keys sorted, of repeated ones the first kept. What is nested deeper than a
/// thousand levels is written as it is.
pub fn encode_canonical(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new().with_max_depth(MAX_DEPTH);
    let written = encoder.emit_with(|slot| emit(value, slot));
    let output = written.and_then(|()| encoder.get_output());
    output.unwrap_or_else(|_| encode_as_is(value))
}

fn emit(value: &Value, slot: SingleItemEncoder<'_>) -> Result<(), Error> {
    match value {
        Value::Int(number) => slot.emit_int(*number),
        Value::Bytes(bytes) => slot.emit_bytes(bytes),
        Value::List(values) => slot.emit_list(|list| {
            let mut values = values.iter();
            values.try_for_each(|value| list.emit_with(|slot| emit(value, slot)))
        }),
        Value::Dict(entries) => slot.emit_dict(|mut dict| {
            let mut sorted = BTreeMap::new();
            for (key, value) in entries {
                sorted.entry(key).or_insert(value);
            }
            let mut sorted = sorted.into_iter();
            sorted.try_for_each(|(key, value)| dict.emit_pair_with(key, |slot| emit(value, slot)))
        }),
    }
}

/// The value with its keys in the order given, repeats and all: wrong bytes on purpose.
pub fn encode_as_is(value: &Value) -> Vec<u8> {
    enum Todo<'a> {
        Value(&'a Value),
        Key(&'a Bytes),
        End,
    }
    let mut out = Vec::new();
    let mut todo = vec![Todo::Value(value)];
    let string = |out: &mut Vec<u8>, bytes: &[u8]| {
        out.extend_from_slice(bytes.len().to_string().as_bytes());
        out.push(b':');
        out.extend_from_slice(bytes);
    };
    while let Some(next) = todo.pop() {
        match next {
            Todo::End => out.push(b'e'),
            Todo::Key(key) => string(&mut out, key),
            Todo::Value(Value::Int(number)) => {
                out.extend_from_slice(format!("i{number}e").as_bytes());
            }
            Todo::Value(Value::Bytes(bytes)) => string(&mut out, bytes),
            Todo::Value(Value::List(values)) => {
                out.push(b'l');
                todo.push(Todo::End);
                todo.extend(values.iter().rev().map(Todo::Value));
            }
            Todo::Value(Value::Dict(entries)) => {
                out.push(b'd');
                todo.push(Todo::End);
                for (key, value) in entries.iter().rev() {
                    todo.push(Todo::Value(value));
                    todo.push(Todo::Key(key));
                }
            }
        }
    }
    out
}

/// Far beyond any limit of the reader, far below what the stack bears.
const MAX_DEPTH: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn wild() -> Value {
        Value::dict([
            ("b", Value::List(vec![1.into(), Value::text("x")])),
            ("a", Value::dict([("z", 1.into()), ("y", (-2).into())])),
            ("b", 7.into()),
        ])
    }

    #[test]
    fn canonical_form_sorts_and_keeps_the_first_of_a_repeated_key() {
        let bytes = encode_canonical(&wild());
        assert_eq!(bytes, b"d1:ad1:yi-2e1:zi1ee1:bli1e1:xee");
        assert!(is_canonical(&bytes));
    }

    #[test]
    fn form_as_it_is_keeps_order_and_repeats() {
        let bytes = encode_as_is(&wild());
        assert_eq!(bytes, b"d1:bli1e1:xe1:ad1:zi1e1:yi-2ee1:bi7ee");
        assert!(!is_canonical(&bytes));
        let document = read(&Bytes::from(bytes), Limits::PEER).unwrap();
        assert_eq!(document.value, wild());
    }

    #[test]
    fn first_of_a_repeated_key_counts() {
        assert!(wild().get("b").unwrap().as_list().is_some());
        assert_eq!(wild().get("c"), None);
    }

    #[test]
    fn only_one_whole_value_is_canonical() {
        for text in [
            "",
            "i1ei2e",
            "de1",
            "d1:a",
            "le0",
            "i03e",
            "d1:b0:1:a0:e",
            "d1:a0:1:a0:e",
        ] {
            assert!(!is_canonical(text.as_bytes()), "{text}");
        }
        for text in ["i1e", "0:", "le", "de", "d1:ad1:bleee"] {
            assert!(is_canonical(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn deep_value_is_written_without_recursing_for_ever() {
        let deep = |levels| (0..levels).fold(Value::Int(1), |value, _| Value::List(vec![value]));
        assert_eq!(encode_canonical(&deep(900)).len(), 1803);
        assert_eq!(encode_canonical(&deep(1500)).len(), 3003);
    }
}
