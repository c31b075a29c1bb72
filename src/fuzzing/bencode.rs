//! The tolerant reader against bendy.

use bytes::Bytes;

use super::{Reach, text};
use crate::wire::bencode::{self as reader, FlawKind, Limits, ReadErrorKind, Value};

/// Any bytes: the same value where bendy accepts them, a reason where it does not.
pub fn bencode(input: &[u8]) -> Reach {
    let input = Bytes::copy_from_slice(input);
    let canonical = reader::read_canonical(&input);
    assert_eq!(reader::is_canonical(&input), canonical.is_some());
    let mut reached = Reach::new();
    match reader::read(&input, Limits::PEER) {
        Ok(mut document) => {
            plant(&mut document.value);
            let value = &document.value;
            reached.insert(value.type_name());
            // bendy leaves numbers as text and has no largest one.
            let large = |flaw: &reader::Flaw| flaw.kind == FlawKind::IntTooLarge;
            let clean = document.flaws.iter().all(large);
            assert_eq!(clean, canonical.is_some(), "{:?}", document.flaws);
            if document.flaws.is_empty() {
                assert_eq!(canonical.as_ref(), Some(value));
                assert_eq!(reader::encode_as_is(value), input[..]);
                assert_eq!(reader::encode_canonical(value), input[..]);
            }
            for flaw in &document.flaws {
                assert!(flaw.offset < input.len(), "{flaw}");
                reached.insert(flaw_kind(&flaw.kind));
            }
            let in_order = document.flaws.is_sorted_by_key(|flaw| flaw.offset);
            assert!(in_order, "{:?}", document.flaws);
            assert!(document.end <= input.len());
            written_again_reads_the_same(value);
        }
        Err(error) => {
            let limit = matches!(
                error.kind,
                ReadErrorKind::TooDeep { .. } | ReadErrorKind::TooManyItems { .. }
            );
            assert!(limit || canonical.is_none(), "refused canonical: {error}");
            assert!(error.offset <= input.len());
            text::is_one_line(&error.to_string());
            reached.insert(read_error(&error.kind));
        }
    }
    reached
}

/// Ways not to be canonical.
pub(super) const FLAWS: [&str; 8] = [
    "unsorted key",
    "duplicate key",
    "leading zero",
    "minus zero",
    "plus sign",
    "integer too large",
    "length with leading zero",
    "trailing bytes",
];

/// Ways not to be bencoded.
pub(super) const ERRORS: [&str; 8] = [
    "unexpected end",
    "unexpected byte",
    "integer without digits",
    "string past the end",
    "key that is no string",
    "key without value",
    "nested too deep",
    "too many values",
];

pub(super) fn reachable() -> Vec<&'static str> {
    let types = [
        Value::Int(0),
        Value::text(""),
        Value::List(Vec::new()),
        Value::Dict(Vec::new()),
    ];
    let mut all: Vec<_> = types.iter().map(Value::type_name).collect();
    all.extend(FLAWS);
    all.extend(ERRORS);
    all
}

pub(super) fn flaw_kind(kind: &FlawKind) -> &'static str {
    match kind {
        FlawKind::UnsortedKey => FLAWS[0],
        FlawKind::DuplicateKey => FLAWS[1],
        FlawKind::LeadingZero => FLAWS[2],
        FlawKind::NegativeZero => FLAWS[3],
        FlawKind::PlusSign => FLAWS[4],
        FlawKind::IntTooLarge => FLAWS[5],
        FlawKind::LengthLeadingZero => FLAWS[6],
        FlawKind::TrailingBytes => FLAWS[7],
    }
}

pub(super) fn read_error(kind: &ReadErrorKind) -> &'static str {
    match kind {
        ReadErrorKind::UnexpectedEnd => ERRORS[0],
        ReadErrorKind::UnexpectedByte(_) => ERRORS[1],
        ReadErrorKind::EmptyInteger => ERRORS[2],
        ReadErrorKind::StringPastEnd { .. } => ERRORS[3],
        ReadErrorKind::KeyNotString => ERRORS[4],
        ReadErrorKind::MissingValue => ERRORS[5],
        ReadErrorKind::TooDeep { .. } => ERRORS[6],
        ReadErrorKind::TooManyItems { .. } => ERRORS[7],
    }
}

/// What is written as it is reads back the same, and the canonical form is canonical.
fn written_again_reads_the_same(value: &Value) {
    assert!(reader::is_canonical(&reader::encode_canonical(value)));
    let as_is = Bytes::from(reader::encode_as_is(value));
    let again = reader::read(&as_is, Limits::PEER);
    assert_eq!(again.as_ref().map(|again| &again.value), Ok(value));
    text::is_one_line(&value.to_string());
}

#[cfg(not(fuzz_selftest))]
fn plant(_: &mut Value) {}

/// Numbers from 65,536 to 131,071 in a list lose their last bit.
#[cfg(fuzz_selftest)]
fn plant(value: &mut Value) {
    if let Value::List(values) = value {
        for value in values {
            if let Value::Int(number @ 65_536..=131_071) = value {
                *number &= !1;
            }
        }
    }
}
