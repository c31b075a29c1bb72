//! The tolerant reader: one pass, no recursion, strings shared with the input.

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

impl Default for Limits {
    /// Ten times what BEPs 9 to 55 need, and small enough for a hostile peer.
    fn default() -> Self {
        Self {
            depth: 64,
            items: 65_536,
        }
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
    #[error("string of {length} bytes with {left} left")]
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
        open: Vec::new(),
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
}

enum Open {
    List(Vec<Value>),
    Dict(OpenDict),
}

#[derive(Default)]
struct OpenDict {
    entries: Dict,
    /// Offsets of the entries' keys.
    offsets: Vec<usize>,
    key: Option<Bytes>,
    unsorted: bool,
}

impl Reader<'_> {
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
                b'd' => self.begin(Open::Dict(OpenDict::default()))?,
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
        if let Some((previous, _)) = dict.entries.last()
            && key < *previous
        {
            dict.unsorted = true;
            self.flaws.push(Flaw {
                offset,
                kind: FlawKind::UnsortedKey,
            });
        }
        dict.offsets.push(offset);
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
                self.find_duplicates(&dict);
                Value::Dict(dict.entries)
            }
        };
        self.step(1);
        Ok(value)
    }

    fn find_duplicates(&mut self, dict: &OpenDict) {
        let keys = dict.entries.iter().map(|(key, _)| key);
        let mut keys: Vec<_> = keys.zip(dict.offsets.iter().copied()).collect();
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
        let digits_at = self.at;
        let mut value: Option<i128> = Some(0);
        loop {
            let byte = self.peek()?;
            match byte {
                b'0'..=b'9' => {
                    let digit = i128::from(byte & 0x0f);
                    value = value.and_then(|value| {
                        let tens = value.checked_mul(10)?;
                        if negative {
                            tens.checked_sub(digit)
                        } else {
                            tens.checked_add(digit)
                        }
                    });
                    self.step(1);
                }
                b'e' => break,
                other => return Err(error(self.at, ReadErrorKind::UnexpectedByte(other))),
            }
        }
        let digits = self.at.saturating_sub(digits_at);
        if digits == 0 {
            return Err(error(start, ReadErrorKind::EmptyInteger));
        }
        if digits > 1 && self.input.get(digits_at) == Some(&b'0') {
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
        let mut length = 0_u64;
        loop {
            let byte = self.peek()?;
            match byte {
                b'0'..=b'9' => {
                    length = length.saturating_mul(10);
                    length = length.saturating_add(u64::from(byte & 0x0f));
                    self.step(1);
                }
                b':' => break,
                other => return Err(error(self.at, ReadErrorKind::UnexpectedByte(other))),
            }
        }
        if self.at.saturating_sub(start) > 1 && self.input.get(start) == Some(&b'0') {
            self.flaw(start, FlawKind::LengthLeadingZero);
        }
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

const fn error(offset: usize, kind: ReadErrorKind) -> ReadError {
    ReadError { offset, kind }
}
