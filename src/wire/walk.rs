//! The two walks: where field values come from ([`Source`]) and where they go ([`Sink`]).
//!
//! [`Message::read`](super::Message::read) and [`Message::write`](super::Message::write) name each
//! field once; what implements these traits decides whether that is bytes, a scenario's template, a
//! printer or a random generator. The implementations for plain bytes are here.

use bytes::{BufMut, Bytes, BytesMut};

use super::bencode::Dict;
use super::field::{Field, FieldValue};
use super::frame::{DecodeError, Frame};
use super::message::UnknownId;

/// Hands out field values in wire order.
pub trait Source {
    /// Why a value could not be had.
    type Error;

    /// One byte.
    fn u8(&mut self, field: &'static Field) -> Result<u8, Self::Error>;
    /// Two bytes, big-endian.
    fn u16(&mut self, field: &'static Field) -> Result<u16, Self::Error>;
    /// Four bytes, big-endian.
    fn u32(&mut self, field: &'static Field) -> Result<u32, Self::Error>;
    /// A 32-byte hash.
    fn hash(&mut self, field: &'static Field) -> Result<[u8; 32], Self::Error>;
    /// Everything that is left.
    fn bytes(&mut self, field: &'static Field) -> Result<Bytes, Self::Error>;
    /// A message id that no table row has.
    fn unknown_id(&mut self, field: &'static Field) -> Result<UnknownId, Self::Error>;
    /// A bencoded integer: the key of that name in an extension message's dictionary.
    fn int(&mut self, field: &'static Field) -> Result<i128, Self::Error>;
    /// As [`int`](Self::int), for a key that may be missing.
    fn optional_int(&mut self, field: &'static Field) -> Result<Option<i128>, Self::Error>;
    /// The whole dictionary of an extension message.
    fn dict(&mut self, field: &'static Field) -> Result<Dict, Self::Error>;
}

/// Takes field values in wire order.
pub trait Sink {
    /// One byte.
    fn u8(&mut self, field: &'static Field, value: u8);
    /// Two bytes, big-endian.
    fn u16(&mut self, field: &'static Field, value: u16);
    /// Four bytes, big-endian.
    fn u32(&mut self, field: &'static Field, value: u32);
    /// A 32-byte hash.
    fn hash(&mut self, field: &'static Field, value: &[u8; 32]);
    /// The rest of the message.
    fn bytes(&mut self, field: &'static Field, value: &Bytes);
    /// A bencoded integer under the field's name.
    fn int(&mut self, field: &'static Field, value: i128);
    /// A whole dictionary.
    fn dict(&mut self, field: &'static Field, value: &Dict);
}

/// [`Source`] over the bytes of one message body.
pub(super) struct ByteReader<'a> {
    message: &'static str,
    /// What no field has taken yet.
    left: &'a [u8],
    /// What `left` is the end of, where a payload may share its memory.
    shared: Option<&'a Bytes>,
}

impl<'a> ByteReader<'a> {
    /// Reads `body` from offset `at`; `message` is named in errors. A payload shares its memory.
    #[inline]
    pub(super) fn new(message: &'static str, body: &'a Bytes, at: usize) -> Self {
        Self {
            message,
            left: body.get(at..).unwrap_or_default(),
            shared: Some(body),
        }
    }

    /// As [`new`](Self::new), but a payload is copied.
    #[inline]
    pub(super) fn copying(message: &'static str, body: &'a [u8], at: usize) -> Self {
        Self {
            message,
            left: body.get(at..).unwrap_or_default(),
            shared: None,
        }
    }

    /// Refuses bytes that no field has taken.
    #[inline]
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        match self.left.len() {
            0 => Ok(()),
            extra => Err(DecodeError::TooLong {
                message: self.message,
                extra,
            }),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static Field) -> Result<[u8; N], DecodeError> {
        match self.left.split_first_chunk::<N>() {
            Some((chunk, left)) => {
                self.left = left;
                Ok(*chunk)
            }
            None => Err(DecodeError::TooShort {
                message: self.message,
                field: field.name,
                into: self.left.len(),
            }),
        }
    }
}

impl Source for ByteReader<'_> {
    type Error = DecodeError;

    #[inline]
    fn u8(&mut self, field: &'static Field) -> Result<u8, DecodeError> {
        self.array(field).map(u8::from_be_bytes)
    }

    #[inline]
    fn u16(&mut self, field: &'static Field) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    #[inline]
    fn u32(&mut self, field: &'static Field) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    #[inline]
    fn hash(&mut self, field: &'static Field) -> Result<[u8; 32], DecodeError> {
        self.array(field)
    }

    #[inline]
    fn bytes(&mut self, _: &'static Field) -> Result<Bytes, DecodeError> {
        let payload = std::mem::take(&mut self.left);
        Ok(match self.shared {
            Some(shared) => shared.slice(shared.len().saturating_sub(payload.len())..),
            None => Bytes::copy_from_slice(payload),
        })
    }

    fn unknown_id(&mut self, field: &'static Field) -> Result<UnknownId, DecodeError> {
        UnknownId::new(self.u8(field)?).ok_or_else(|| self.no_key(field))
    }

    fn int(&mut self, field: &'static Field) -> Result<i128, DecodeError> {
        Err(self.no_key(field))
    }

    fn optional_int(&mut self, _: &'static Field) -> Result<Option<i128>, DecodeError> {
        Ok(None)
    }

    fn dict(&mut self, field: &'static Field) -> Result<Dict, DecodeError> {
        Err(self.no_key(field))
    }
}

impl ByteReader<'_> {
    /// Binary messages have no dictionary, and `unknown` is read only where the id is unknown: no
    /// table row leads here.
    fn no_key(&self, field: &'static Field) -> DecodeError {
        DecodeError::MissingKey {
            message: self.message,
            key: field.name,
        }
    }
}

/// [`Sink`] that appends to a buffer. Keys of dictionaries have no place in it.
pub(super) struct ByteWriter<'a>(pub(super) &'a mut BytesMut);

impl Sink for ByteWriter<'_> {
    #[inline]
    fn u8(&mut self, _: &'static Field, value: u8) {
        self.0.put_u8(value);
    }

    #[inline]
    fn u16(&mut self, _: &'static Field, value: u16) {
        self.0.put_u16(value);
    }

    #[inline]
    fn u32(&mut self, _: &'static Field, value: u32) {
        self.0.put_u32(value);
    }

    #[inline]
    fn hash(&mut self, _: &'static Field, value: &[u8; 32]) {
        self.0.put_slice(value);
    }

    #[inline]
    fn bytes(&mut self, _: &'static Field, value: &Bytes) {
        self.0.put_slice(value);
    }

    fn int(&mut self, _: &'static Field, _: i128) {}

    fn dict(&mut self, _: &'static Field, _: &Dict) {}
}

/// [`Sink`] for a message in a frame: its fields up to the payload go where they are to lie.
pub(super) struct HeadWriter<'a> {
    prefix: &'a mut [u8; Frame::PREFIX_LEN],
    /// Places that are left.
    left: &'a mut [u8],
    /// The payload, which is a message's last field.
    payload: Option<Bytes>,
}

impl<'a> HeadWriter<'a> {
    /// Writes to the start of `head`, behind a place for the length; `None` if it is shorter than
    /// [`HEAD_LEN`].
    #[inline]
    pub(super) fn new(head: &'a mut [u8]) -> Option<Self> {
        let head = head.first_chunk_mut::<HEAD_LEN>()?;
        let (prefix, left) = head.split_first_chunk_mut()?;
        Some(Self {
            prefix,
            left,
            payload: None,
        })
    }

    /// Writes the length. Gives how much of the head is used, and the payload to put behind it.
    #[inline]
    pub(super) fn finish(self) -> (usize, Option<Bytes>) {
        let used = HEAD_LEN.saturating_sub(self.left.len());
        let payload = self.payload.as_ref().map_or(0, Bytes::len);
        let body = used
            .saturating_add(payload)
            .saturating_sub(self.prefix.len());
        *self.prefix = u32::try_from(body).unwrap_or(u32::MAX).to_be_bytes();
        (used, self.payload)
    }

    /// The next bytes.
    #[inline]
    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((place, left)) = std::mem::take(&mut self.left).split_first_chunk_mut() {
            *place = bytes;
            self.left = left;
        }
    }
}

impl Sink for HeadWriter<'_> {
    #[inline]
    fn u8(&mut self, _: &'static Field, value: u8) {
        self.put([value]);
    }

    #[inline]
    fn u16(&mut self, _: &'static Field, value: u16) {
        self.put(value.to_be_bytes());
    }

    #[inline]
    fn u32(&mut self, _: &'static Field, value: u32) {
        self.put(value.to_be_bytes());
    }

    #[inline]
    fn hash(&mut self, _: &'static Field, value: &[u8; 32]) {
        self.put(*value);
    }

    #[inline]
    fn bytes(&mut self, _: &'static Field, value: &Bytes) {
        self.payload = Some(value.clone());
    }

    fn int(&mut self, _: &'static Field, _: i128) {}

    fn dict(&mut self, _: &'static Field, _: &Dict) {}
}

/// Longest that a message is before its payload, with room to spare: a prefix, an id, and the range
/// of hashes of BEP 52 make 53 bytes.
pub(super) const HEAD_LEN: usize = 64;

/// [`Sink`] that keeps every field with its value: for patterns, reports and printing.
#[derive(Default)]
pub(super) struct FieldCollector(pub(super) Vec<(&'static Field, FieldValue)>);

impl Sink for FieldCollector {
    fn u8(&mut self, field: &'static Field, value: u8) {
        self.0.push((field, FieldValue::Int(value.into())));
    }

    fn u16(&mut self, field: &'static Field, value: u16) {
        self.0.push((field, FieldValue::Int(value.into())));
    }

    fn u32(&mut self, field: &'static Field, value: u32) {
        self.0.push((field, FieldValue::Int(value.into())));
    }

    fn hash(&mut self, field: &'static Field, value: &[u8; 32]) {
        let value = Bytes::copy_from_slice(value);
        self.0.push((field, FieldValue::Bytes(value)));
    }

    fn bytes(&mut self, field: &'static Field, value: &Bytes) {
        self.0.push((field, FieldValue::Bytes(value.clone())));
    }

    fn int(&mut self, field: &'static Field, value: i128) {
        self.0.push((field, FieldValue::Int(value)));
    }

    fn dict(&mut self, field: &'static Field, value: &Dict) {
        let value = super::bencode::Value::Dict(value.clone());
        self.0.push((field, FieldValue::Bencode(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::bencode::Value;
    use super::super::extension::ExtensionMessage;
    use super::super::field::FieldType;
    use super::super::message::Message;
    use super::super::registry::{EXTENSIONS, Kind, MESSAGES};
    use super::*;

    /// Notes every field that is asked for or handed over, with its shape.
    #[derive(Default)]
    struct Recorder(Vec<(&'static str, FieldType)>);

    impl Recorder {
        fn note(&mut self, field: &'static Field, ty: FieldType) {
            self.0.push((field.name, ty));
        }
    }

    impl Source for Recorder {
        type Error = std::convert::Infallible;

        fn u8(&mut self, field: &'static Field) -> Result<u8, Self::Error> {
            self.note(field, FieldType::U8);
            Ok(1)
        }
        fn u16(&mut self, field: &'static Field) -> Result<u16, Self::Error> {
            self.note(field, FieldType::U16);
            Ok(2)
        }
        fn u32(&mut self, field: &'static Field) -> Result<u32, Self::Error> {
            self.note(field, FieldType::U32);
            Ok(3)
        }
        fn hash(&mut self, field: &'static Field) -> Result<[u8; 32], Self::Error> {
            self.note(field, FieldType::Hash);
            Ok([4; 32])
        }
        fn bytes(&mut self, field: &'static Field) -> Result<Bytes, Self::Error> {
            self.note(field, FieldType::Bytes);
            Ok(Bytes::from_static(b"five"))
        }
        fn unknown_id(&mut self, field: &'static Field) -> Result<UnknownId, Self::Error> {
            self.note(field, FieldType::U8);
            Ok(UnknownId::new(66).unwrap())
        }
        fn int(&mut self, field: &'static Field) -> Result<i128, Self::Error> {
            self.note(field, FieldType::Int);
            Ok(7)
        }
        fn optional_int(&mut self, field: &'static Field) -> Result<Option<i128>, Self::Error> {
            self.note(field, FieldType::OptionalInt);
            Ok(Some(8))
        }
        fn dict(&mut self, field: &'static Field) -> Result<Dict, Self::Error> {
            self.note(field, FieldType::Dict);
            Ok(vec![(Bytes::from_static(b"key"), Value::Int(9))])
        }
    }

    impl Sink for Recorder {
        fn u8(&mut self, field: &'static Field, value: u8) {
            self.note(field, FieldType::U8);
            assert!(value == 1 || value == 66);
        }
        fn u16(&mut self, field: &'static Field, value: u16) {
            self.note(field, FieldType::U16);
            assert_eq!(value, 2);
        }
        fn u32(&mut self, field: &'static Field, value: u32) {
            self.note(field, FieldType::U32);
            assert_eq!(value, 3);
        }
        fn hash(&mut self, field: &'static Field, value: &[u8; 32]) {
            self.note(field, FieldType::Hash);
            assert_eq!(value, &[4; 32]);
        }
        fn bytes(&mut self, field: &'static Field, value: &Bytes) {
            self.note(field, FieldType::Bytes);
            assert_eq!(value, "five");
        }
        fn int(&mut self, field: &'static Field, value: i128) {
            // Where a key may be missing, what is written is the integer itself.
            self.note(field, field.ty);
            assert!(value == 7 || value == 8);
        }
        fn dict(&mut self, field: &'static Field, value: &Dict) {
            self.note(field, FieldType::Dict);
            assert_eq!(value.len(), 1);
        }
    }

    #[test]
    fn both_walks_visit_exactly_the_fields_of_each_row_in_order() {
        for row in &MESSAGES {
            let expected: Vec<_> = row
                .fields
                .iter()
                .map(|field| (field.name, field.ty))
                .collect();
            let mut read = Recorder::default();
            let mut written = Recorder::default();
            let kind = if row.kind.is_extension() {
                let Ok(message) = ExtensionMessage::read(row.kind, &mut read);
                let message = message.unwrap();
                message.write(&mut written);
                message.kind()
            } else {
                let Ok(message) = Message::read(row.kind, &mut read);
                message.write(&mut written);
                assert!(matches!(
                    ExtensionMessage::read(row.kind, &mut Recorder::default()),
                    Ok(None)
                ));
                message.kind()
            };
            assert_eq!(kind, row.kind);
            assert_eq!(read.0, expected, "reading {}", row.name);
            assert_eq!(written.0, expected, "writing {}", row.name);
        }
    }

    #[test]
    fn every_row_is_written_whole_behind_what_is_there() {
        for row in MESSAGES.iter().filter(|row| !row.kind.is_extension()) {
            let Ok(message) = Message::read(row.kind, &mut Recorder::default());
            let mut body = BytesMut::new();
            body.extend(row.id);
            message.write(&mut ByteWriter(&mut body));
            let mut out = BytesMut::from(&b"before"[..]);
            message.encode_to(&mut out);
            let expected = [b"before", Frame::from_body(&body).raw().as_ref()].concat();
            assert_eq!(out, expected, "{}", row.name);
        }
    }

    #[test]
    fn every_kind_is_found_by_name_and_by_id() {
        for kind in Kind::ALL {
            assert_eq!(Kind::by_name(kind.name()), Some(*kind));
            assert!(kind.id().is_none_or(|id| Kind::by_id(id) == Some(*kind)));
        }
        assert_eq!(Kind::by_name("no_such_message"), None);
        assert_eq!(Kind::by_id(10), None);
    }

    #[test]
    fn every_payload_belongs_to_the_extension_that_lists_it() {
        for kind in Kind::ALL {
            let Some(name @ ("ut_metadata" | "ut_pex" | "lt_donthave")) = kind.extension() else {
                assert!(matches!(kind.extension(), None | Some("")));
                continue;
            };
            let extension = EXTENSIONS.iter().find(|it| it.name == name).unwrap();
            assert!(extension.kinds.contains(kind));
        }
    }
}
