//! The tolerant reader: one pass, no recursion, strings shared with the input.

use std::cmp::Ordering;

use bytes::Bytes;

use super::{Dict, Value};

/// What a reader takes before it gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Levels of nesting.
    pub depth: usize,
    /// Integers, strings, lists and dictionaries in all, keys included.
    pub items: usize,
}

impl Limits {
    /// For payloads of extension messages: a hundred times what they need.
    pub const PEER: Self = Self {
        depth: 32,
        items: 4096,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::PEER
    }
}

/// A value and what is not canonical about its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The value.
    pub value: Value,
    /// In the order of their offsets.
    pub flaws: Vec<Flaw>,
    /// Offset of the first byte behind the value.
    pub end: usize,
}

/// Something readable that is not canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flaw {
    /// Offset of the key, number or length concerned.
    pub offset: usize,
    /// What it is.
    pub kind: FlawKind,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.kind, self.offset)
    }
}

/// Ways not to be canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum FlawKind {
    /// A key that sorts before its predecessor.
    #[error("key out of order")]
    UnsortedKey,
    /// A key that its dictionary has already.
    #[error("key repeated")]
    DuplicateKey,
    /// `i03e`.
    #[error("integer with a leading zero")]
    LeadingZero,
    /// `i-0e`.
    #[error("minus zero")]
    NegativeZero,
    /// `i+5e`.
    #[error("integer with a plus sign")]
    PlusSign,
    /// Beyond 127 bits.
    #[error("integer too large")]
    IntTooLarge,
    /// `03:abc`.
    #[error("string length with a leading zero")]
    LengthLeadingZero,
    /// Bytes behind the value.
    #[error("bytes behind the value")]
    TrailingBytes,
}

/// Why bytes are not bencoded at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct ReadError {
    /// Where it went wrong.
    pub offset: usize,
    /// How.
    pub kind: ReadErrorKind,
}

/// Ways not to be bencoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// The bytes end inside a value.
    #[error("unexpected end")]
    UnexpectedEnd,
    /// A byte that cannot stand there.
    #[error("unexpected byte {0:#04x}")]
    UnexpectedByte(u8),
    /// `ie` or `i-e`.
    #[error("integer without digits")]
    EmptyInteger,
    /// A string that is longer than what is left.
    #[error("string of {length} bytes, of which {left} are there,")]
    StringPastEnd {
        /// Length as told; the largest u64 stands for anything larger.
        length: u64,
        /// Bytes behind the colon.
        left: usize,
    },
    /// A dictionary's key is no string.
    #[error("key that is no string")]
    KeyNotString,
    /// A dictionary ends behind a key.
    #[error("key without value")]
    MissingValue,
    /// Nested too deep.
    #[error("more than {limit} levels of nesting")]
    TooDeep {
        /// The limit in force.
        limit: usize,
    },
    /// Too many values.
    #[error("more than {limit} values")]
    TooManyItems {
        /// The limit in force.
        limit: usize,
    },
}

/// Reads one value that should fill `input`; bytes behind it are a flaw.
pub fn read(input: &Bytes, limits: Limits) -> Result<Document, ReadError> {
    let mut document = read_prefix(input, limits)?;
    if document.end < input.len() {
        document.flaws.push(Flaw {
            offset: document.end,
            kind: FlawKind::TrailingBytes,
        });
    }
    Ok(document)
}

/// Reads the value at the start of `input`, where more may follow (as in ut_metadata).
pub fn read_prefix(input: &Bytes, limits: Limits) -> Result<Document, ReadError> {
    let mut reader = Reader {
        input,
        at: 0,
        limits,
        items: 0,
        flaws: Vec::new(),
        open: Vec::with_capacity(OPEN),
        key_offsets: Vec::with_capacity(KEYS),
    };
    let value = reader.value()?;
    reader.flaws.sort_unstable();
    Ok(Document {
        value,
        flaws: reader.flaws,
        end: reader.at,
    })
}

struct Reader<'a> {
    input: &'a Bytes,
    at: usize,
    limits: Limits,
    items: usize,
    flaws: Vec<Flaw>,
    /// Containers that have begun, outermost first.
    open: Vec<Open>,
    /// Offsets of the keys of all open dictionaries, outermost first.
    key_offsets: Vec<usize>,
}

enum Open {
    List(Vec<Value>),
    Dict(OpenDict),
}

struct OpenDict {
    entries: Dict,
    key: Option<Bytes>,
    /// Each key so far sorts behind its predecessor, so that none can be repeated.
    ascending: bool,
    unsorted: bool,
}

impl OpenDict {
    const fn new() -> Self {
        Self {
            entries: Vec::new(),
            key: None,
            ascending: true,
            unsorted: false,
        }
    }
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Value, ReadError> {
        loop {
            let start = self.at;
            let byte = self.peek()?;
            if self.awaits_key() && byte != b'e' {
                self.key(byte)?;
                continue;
            }
            let complete = match byte {
                b'i' => Some(Value::Int(self.integer()?)),
                b'0'..=b'9' => Some(Value::Bytes(self.string()?)),
                b'l' => self.begin(Open::List(Vec::new()))?,
                b'd' => self.begin(Open::Dict(OpenDict::new()))?,
                b'e' => Some(self.end(start)?),
                other => return Err(error(start, ReadErrorKind::UnexpectedByte(other))),
            };
            let Some(value) = complete else { continue };
            self.count(start)?;
            match self.open.last_mut() {
                None => return Ok(value),
                Some(Open::List(values)) => values.push(value),
                Some(Open::Dict(dict)) => {
                    if let Some(key) = dict.key.take() {
                        if dict.entries.is_empty() {
                            dict.entries = Vec::with_capacity(ENTRIES);
                        }
                        dict.entries.push((key, value));
                    }
                }
            }
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Dict(dict)) if dict.key.is_none())
    }

    fn key(&mut self, first: u8) -> Result<(), ReadError> {
        let offset = self.at;
        if !first.is_ascii_digit() {
            let kind = match first {
                b'i' | b'l' | b'd' => ReadErrorKind::KeyNotString,
                other => ReadErrorKind::UnexpectedByte(other),
            };
            return Err(error(offset, kind));
        }
        let key = self.string()?;
        self.count(offset)?;
        let Some(Open::Dict(dict)) = self.open.last_mut() else {
            return Ok(());
        };
        if let Some((previous, _)) = dict.entries.last() {
            match key.cmp(previous) {
                Ordering::Less => {
                    dict.ascending = false;
                    dict.unsorted = true;
                    self.flaws.push(Flaw {
                        offset,
                        kind: FlawKind::UnsortedKey,
                    });
                }
                Ordering::Equal => dict.ascending = false,
                Ordering::Greater => {}
            }
        }
        self.key_offsets.push(offset);
        dict.key = Some(key);
        Ok(())
    }

    fn begin(&mut self, container: Open) -> Result<Option<Value>, ReadError> {
        if self.open.len() >= self.limits.depth {
            let limit = self.limits.depth;
            return Err(error(self.at, ReadErrorKind::TooDeep { limit }));
        }
        self.open.push(container);
        self.step(1);
        Ok(None)
    }

    fn end(&mut self, offset: usize) -> Result<Value, ReadError> {
        let value = match self.open.pop() {
            None => return Err(error(offset, ReadErrorKind::UnexpectedByte(b'e'))),
            Some(Open::List(values)) => Value::List(values),
            Some(Open::Dict(OpenDict { key: Some(_), .. })) => {
                return Err(error(offset, ReadErrorKind::MissingValue));
            }
            Some(Open::Dict(dict)) => {
                let own = self.key_offsets.len().saturating_sub(dict.entries.len());
                if !dict.ascending {
                    self.find_duplicates(&dict, own);
                }
                self.key_offsets.truncate(own);
                Value::Dict(dict.entries)
            }
        };
        self.step(1);
        Ok(value)
    }

    /// The offsets of the dictionary's keys begin at `own`.
    fn find_duplicates(&mut self, dict: &OpenDict, own: usize) {
        let offsets = self.key_offsets.iter().skip(own).copied();
        let keys = dict.entries.iter().map(|(key, _)| key);
        let mut keys: Vec<_> = keys.zip(offsets).collect();
        if dict.unsorted {
            keys.sort_unstable();
        }
        let pairs = keys.iter().zip(keys.iter().skip(1));
        let repeats = pairs.filter(|(one, two)| one.0 == two.0);
        self.flaws.extend(repeats.map(|(_, (_, offset))| Flaw {
            offset: *offset,
            kind: FlawKind::DuplicateKey,
        }));
    }

    fn integer(&mut self) -> Result<i128, ReadError> {
        self.step(1);
        let start = self.at;
        let sign = self.peek()?;
        if matches!(sign, b'-' | b'+') {
            self.step(1);
        }
        let negative = sign == b'-';
        if sign == b'+' {
            self.flaw(start, FlawKind::PlusSign);
        }
        let digits = self.digits();
        match self.peek()? {
            b'e' => {}
            other => return Err(error(self.at, ReadErrorKind::UnexpectedByte(other))),
        }
        if digits.is_empty() {
            return Err(error(start, ReadErrorKind::EmptyInteger));
        }
        let value = number(digits, negative);
        if digits.len() > 1 && digits.first() == Some(&b'0') {
            self.flaw(start, FlawKind::LeadingZero);
        }
        if negative && value == Some(0) {
            self.flaw(start, FlawKind::NegativeZero);
        }
        self.step(1);
        Ok(value.unwrap_or_else(|| {
            self.flaw(start, FlawKind::IntTooLarge);
            if negative { i128::MIN } else { i128::MAX }
        }))
    }

    fn string(&mut self) -> Result<Bytes, ReadError> {
        let start = self.at;
        let digits = self.digits();
        match self.peek()? {
            b':' => {}
            other => return Err(error(self.at, ReadErrorKind::UnexpectedByte(other))),
        }
        if digits.len() > 1 && digits.first() == Some(&b'0') {
            self.flaw(start, FlawKind::LengthLeadingZero);
        }
        let length = digits.iter().fold(0_u64, |length, byte| {
            length.saturating_mul(10).saturating_add(digit(*byte))
        });
        self.step(1);
        let left = self.input.len().saturating_sub(self.at);
        match usize::try_from(length) {
            Ok(wanted) if wanted <= left => {
                let from = self.at;
                self.step(wanted);
                Ok(self.input.slice(from..self.at))
            }
            _ => Err(error(start, ReadErrorKind::StringPastEnd { length, left })),
        }
    }

    /// Steps over the digits that come next.
    fn digits(&mut self) -> &'a [u8] {
        let left = self.input.get(self.at..).unwrap_or_default();
        let count = left.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.step(count);
        left.get(..count).unwrap_or_default()
    }

    fn count(&mut self, offset: usize) -> Result<(), ReadError> {
        self.items = self.items.saturating_add(1);
        if self.items > self.limits.items {
            let limit = self.limits.items;
            return Err(error(offset, ReadErrorKind::TooManyItems { limit }));
        }
        Ok(())
    }

    fn flaw(&mut self, offset: usize, kind: FlawKind) {
        self.flaws.push(Flaw { offset, kind });
    }

    fn peek(&self) -> Result<u8, ReadError> {
        let byte = self.input.get(self.at).copied();
        byte.ok_or_else(|| error(self.at, ReadErrorKind::UnexpectedEnd))
    }

    fn step(&mut self, by: usize) {
        self.at = self.at.saturating_add(by);
    }
}

/// The number; `None` beyond its type.
fn number(digits: &[u8], negative: bool) -> Option<i128> {
    // Nearly all fit, and 128 bits cost several times as much.
    if digits.len() <= DIGITS_OF_U64 {
        let value = digits.iter().fold(0_u64, |value, byte| {
            value.saturating_mul(10).saturating_add(digit(*byte))
        });
        let value = i128::from(value);
        return if negative {
            value.checked_neg()
        } else {
            Some(value)
        };
    }
    digits.iter().try_fold(0_i128, |value, byte| {
        let tens = value.checked_mul(10)?;
        let digit = i128::from(digit(*byte));
        if negative {
            tens.checked_sub(digit)
        } else {
            tens.checked_add(digit)
        }
    })
}

/// Value of an ASCII digit.
fn digit(byte: u8) -> u64 {
    u64::from(byte & 0x0f)
}

const fn error(offset: usize, kind: ReadErrorKind) -> ReadError {
    ReadError { offset, kind }
}

/// As many digits always fit into 64 bits.
const DIGITS_OF_U64: usize = 19;

/// What a dictionary has room for at first. This and the two below are more than an extended
/// handshake needs, so that nothing is moved while it is read.
const ENTRIES: usize = 8;

/// Containers that there is room for at first.
const OPEN: usize = 4;

/// Keys that there is room for at first.
const KEYS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn flaws(text: &'static [u8]) -> Vec<String> {
        let document = read(&Bytes::from_static(text), Limits::PEER).unwrap();
        document.flaws.iter().map(ToString::to_string).collect()
    }

    fn refusal(text: &'static [u8]) -> String {
        let error = read(&Bytes::from_static(text), Limits::PEER).unwrap_err();
        error.to_string()
    }

    #[test]
    fn reads_every_type_without_copying() {
        let input = Bytes::from_static(b"d1:al1:xi-5ee1:bdee");
        let document = read(&input, Limits::PEER).unwrap();
        let list = Value::List(vec![Value::text("x"), Value::Int(-5)]);
        let expected = Value::dict([("a", list), ("b", Value::dict([]))]);
        assert_eq!(document.value, expected);
        assert_eq!(document.flaws, []);
        assert_eq!(document.end, input.len());
        let x = document.value.get("a").unwrap().as_list().unwrap()[0].as_bytes();
        assert_eq!(x.unwrap().as_ptr(), input[7..].as_ptr());
    }

    #[test]
    fn reports_what_is_not_canonical_with_its_offset() {
        assert_eq!(flaws(b"d1:bi1e1:ai2ee"), ["key out of order at byte 7"]);
        assert_eq!(flaws(b"d1:ai1e1:ai2ee"), ["key repeated at byte 7"]);
        assert_eq!(
            flaws(b"d1:bi1e1:ai2e1:bi3ee"),
            ["key out of order at byte 7", "key repeated at byte 13"],
        );
        assert_eq!(flaws(b"i03e"), ["integer with a leading zero at byte 1"]);
        assert_eq!(flaws(b"i-0e"), ["minus zero at byte 1"]);
        assert_eq!(
            flaws(b"i-00e"),
            [
                "integer with a leading zero at byte 1",
                "minus zero at byte 1"
            ],
        );
        assert_eq!(flaws(b"i+5e"), ["integer with a plus sign at byte 1"]);
        assert_eq!(
            flaws(b"03:abc"),
            ["string length with a leading zero at byte 0"]
        );
        assert_eq!(flaws(b"i1ei2e"), ["bytes behind the value at byte 3"]);
    }

    #[test]
    fn refuses_what_cannot_be_read_with_its_offset() {
        assert_eq!(refusal(b""), "unexpected end at byte 0");
        assert_eq!(refusal(b"d1:a"), "unexpected end at byte 4");
        assert_eq!(refusal(b"i12"), "unexpected end at byte 3");
        assert_eq!(refusal(b"12"), "unexpected end at byte 2");
        assert_eq!(refusal(b"x"), "unexpected byte 0x78 at byte 0");
        assert_eq!(refusal(b"e"), "unexpected byte 0x65 at byte 0");
        assert_eq!(refusal(b"1x:a"), "unexpected byte 0x78 at byte 1");
        assert_eq!(refusal(b"i1-e"), "unexpected byte 0x2d at byte 2");
        assert_eq!(refusal(b"ie"), "integer without digits at byte 1");
        assert_eq!(refusal(b"i-e"), "integer without digits at byte 1");
        assert_eq!(refusal(b"di1ei2ee"), "key that is no string at byte 1");
        assert_eq!(refusal(b"d1:ae"), "key without value at byte 4");
        assert_eq!(
            refusal(b"l5:abc"),
            "string of 5 bytes, of which 3 are there, at byte 1",
        );
        assert_eq!(
            refusal(b"99999999999999999999999:a"),
            "string of 18446744073709551615 bytes, of which 1 are there, at byte 0",
        );
    }

    #[test]
    fn integer_beyond_its_type_is_the_nearest_bound() {
        let digits = "9".repeat(50);
        for (sign, bound) in [("", i128::MAX), ("-", i128::MIN)] {
            let input = Bytes::from(format!("i{sign}{digits}e"));
            let document = read(&input, Limits::PEER).unwrap();
            assert_eq!(document.value, Value::Int(bound));
            assert_eq!(document.flaws[0].kind, FlawKind::IntTooLarge);
        }
        let least = Bytes::from(format!("i{}e", i128::MIN));
        let document = read(&least, Limits::PEER).unwrap();
        assert_eq!(
            (document.value, document.flaws),
            (Value::Int(i128::MIN), vec![])
        );
    }

    #[test]
    fn stops_at_its_limits() {
        let limits = Limits { depth: 2, items: 3 };
        let error = |text: &'static [u8]| {
            let result = read(&Bytes::from_static(text), limits);
            result.unwrap_err().kind
        };
        assert_eq!(error(b"llleee"), ReadErrorKind::TooDeep { limit: 2 });
        assert_eq!(error(b"l0:0:0:e"), ReadErrorKind::TooManyItems { limit: 3 });
        assert!(read(&Bytes::from_static(b"ll0:ee"), limits).is_ok());
    }

    #[test]
    fn says_where_the_value_ends_when_more_may_follow() {
        let document = read_prefix(&Bytes::from_static(b"d1:ai1eeabcd"), Limits::PEER).unwrap();
        assert_eq!((document.end, document.flaws), (8, vec![]));
    }
}
