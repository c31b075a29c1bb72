//! Random values for `fuzz/` and `tests/properties.rs`: a random generator is one more [`Source`].

use arbitrary::{Arbitrary, Error, Result, Unstructured};
use bytes::Bytes;

use super::bencode::{self, Dict, Limits, Value};
use super::extension::ExtensionMessage;
use super::field::Field;
use super::message::{Message, UnknownId};
use super::registry::{Kind, MSG_TYPE};
use super::walk::Source;

impl Source for Unstructured<'_> {
    type Error = Error;

    fn u8(&mut self, _: &'static Field) -> Result<u8> {
        self.arbitrary()
    }

    fn u16(&mut self, _: &'static Field) -> Result<u16> {
        self.arbitrary()
    }

    fn u32(&mut self, _: &'static Field) -> Result<u32> {
        self.arbitrary()
    }

    fn hash(&mut self, _: &'static Field) -> Result<[u8; 32]> {
        self.arbitrary()
    }

    fn bytes(&mut self, _: &'static Field) -> Result<Bytes> {
        some_bytes(self)
    }

    fn unknown_id(&mut self, _: &'static Field) -> Result<UnknownId> {
        let ids: Vec<_> = (0..=u8::MAX).filter_map(UnknownId::new).collect();
        self.choose(&ids).copied()
    }

    fn int(&mut self, field: &'static Field) -> Result<i128> {
        let value = integer(self)?;
        // The three types that are known have kinds of their own.
        let known = field == &MSG_TYPE && (0..=2).contains(&value);
        Ok(if known { !value } else { value })
    }

    fn optional_int(&mut self, field: &'static Field) -> Result<Option<i128>> {
        if self.arbitrary()? {
            self.int(field).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Keys sorted, none twice: what can be encoded and comes back the same.
    fn dict(&mut self, _: &'static Field) -> Result<Dict> {
        let wild = Value::Dict(dict(self, MAX_DEPTH)?);
        let canonical = Bytes::from(bencode::encode_canonical(&wild));
        match bencode::read(&canonical, Limits::PEER) {
            Ok(document) => Ok(document.value.as_dict().cloned().unwrap_or_default()),
            Err(_) => Err(Error::IncorrectFormat),
        }
    }
}

impl<'a> Arbitrary<'a> for Message {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let kind = *u.choose(Kind::ALL)?;
        Self::read(kind, u)
    }
}

impl<'a> Arbitrary<'a> for ExtensionMessage {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let kinds: Vec<_> = Kind::ALL
            .iter()
            .filter(|kind| kind.is_extension())
            .collect();
        let kind = **u.choose(&kinds)?;
        Self::read(kind, u)?.ok_or(Error::IncorrectFormat)
    }
}

impl<'a> Arbitrary<'a> for Value {
    /// Keys in any order and repeated.
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        value(u, MAX_DEPTH)
    }
}

fn value(u: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let Some(inner) = depth.checked_sub(1) else {
        return Ok(Value::Int(integer(u)?));
    };
    Ok(match u.int_in_range(0..=3)? {
        0 => Value::Int(integer(u)?),
        1 => Value::Bytes(some_bytes(u)?),
        2 => {
            let mut values = Vec::new();
            while u.arbitrary()? && values.len() < MAX_ENTRIES {
                values.push(value(u, inner)?);
            }
            Value::List(values)
        }
        _ => Value::Dict(dict(u, inner)?),
    })
}

fn dict(u: &mut Unstructured<'_>, depth: usize) -> Result<Dict> {
    let mut entries = Dict::new();
    while u.arbitrary()? && entries.len() < MAX_ENTRIES {
        // Short keys, so that some repeat.
        let len = u.int_in_range(0..=2)?;
        let key = Bytes::copy_from_slice(u.bytes(len)?);
        entries.push((key, value(u, depth)?));
    }
    Ok(entries)
}

/// Often short, at times longer than a SHA-1, never so long that nothing is left for the rest.
fn some_bytes(u: &mut Unstructured<'_>) -> Result<Bytes> {
    let len = u.int_in_range(0..=MAX_BYTES)?.min(u.len());
    u.bytes(len).map(Bytes::copy_from_slice)
}

/// Small numbers more often than huge ones.
fn integer(u: &mut Unstructured<'_>) -> Result<i128> {
    match u.int_in_range(0..=2)? {
        0 => Ok(i128::from(u.arbitrary::<u8>()?)),
        1 => Ok(i128::from(u.arbitrary::<i64>()?)),
        _ => u.arbitrary(),
    }
}

const MAX_DEPTH: usize = 4;
const MAX_ENTRIES: usize = 8;
const MAX_BYTES: usize = 80;
