//! Length-prefixed frames, however the stream is cut, and what can be wrong with them.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::bencode::ReadError;
use super::message::Message;

/// A length prefix and that many bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    raw: Bytes,
}

impl Frame {
    /// Bytes of the length prefix.
    pub const PREFIX_LEN: usize = 4;

    /// Puts the right prefix before `body`.
    pub fn from_body(body: &[u8]) -> Self {
        let mut raw = BytesMut::with_capacity(body.len().saturating_add(Self::PREFIX_LEN));
        raw.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        raw.put_slice(body);
        Self { raw: raw.freeze() }
    }

    /// The first frame of `bytes`, if all of it is there. No limit: the bytes exist already.
    pub fn split_from(bytes: &mut Bytes) -> Option<Self> {
        let end = Self::end(bytes)?;
        Some(Self {
            raw: bytes.split_to(end),
        })
    }

    /// The message in the first frame of `bytes`, if all of it is there: as
    /// [`split_from`](Self::split_from) for those who have no use for the frame.
    #[inline]
    pub fn message_from(bytes: &mut Bytes) -> Option<Result<Message, DecodeError>> {
        let end = Self::end(bytes)?;
        if end > SHORT_LEN {
            let raw = bytes.split_to(end);
            return Some(Message::decode(&Self { raw }));
        }
        let message = Message::decode_copying(bytes.get(..end)?);
        bytes.advance(end);
        Some(message)
    }

    /// Where the first frame of `bytes` ends, if all of it is there.
    #[inline]
    fn end(bytes: &[u8]) -> Option<usize> {
        let end = frame_end(u32::from_be_bytes(*bytes.first_chunk()?));
        (bytes.len() >= end).then_some(end)
    }

    /// How many bytes are missing behind `bytes` until the first frame (or its prefix) is whole.
    pub fn missing(bytes: &[u8]) -> usize {
        let end = bytes.first_chunk().map_or(Self::PREFIX_LEN, |prefix| {
            frame_end(u32::from_be_bytes(*prefix))
        });
        end.saturating_sub(bytes.len())
    }

    /// All bytes, the prefix included.
    #[inline]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Everything behind the length prefix; empty for a keep-alive.
    pub fn body(&self) -> Bytes {
        self.raw.slice(Self::PREFIX_LEN.min(self.raw.len())..)
    }

    /// First byte of the body: the message id.
    #[inline]
    pub fn id(&self) -> Option<u8> {
        self.raw.get(Self::PREFIX_LEN).copied()
    }
}

/// Why framing of a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The prefix announces more than the limit; nothing was allocated for it.
    #[error("length prefix {length} is above the limit of {limit}")]
    TooLong {
        /// Announced length.
        length: u32,
        /// Limit in force.
        limit: u32,
    },
}

/// Why a frame or a payload is not the message that its id promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before a field is complete.
    #[error("`{message}` ends {} `{field}`", how_far(*into))]
    TooShort {
        /// Name of the message.
        message: &'static str,
        /// Field that is cut.
        field: &'static str,
        /// How many bytes of the field there are.
        into: usize,
    },
    /// There are bytes behind the last field.
    #[error("`{message}` goes on for {} behind its last field", byte_count(*extra))]
    TooLong {
        /// Name of the message.
        message: &'static str,
        /// How many bytes too many.
        extra: usize,
    },
    /// The payload of an extension message does not begin with readable bencoding.
    #[error("`{message}` is not bencoded: {error}")]
    Bencode {
        /// Name of the message.
        message: &'static str,
        /// What the reader stumbled over, with its offset in the payload.
        error: ReadError,
    },
    /// The payload of an extension message is bencoded, but no dictionary.
    #[error("`{message}` is not a dictionary but {actual}")]
    NotADict {
        /// Name of the message.
        message: &'static str,
        /// What it is.
        actual: &'static str,
    },
    /// A key that the message cannot do without is missing.
    #[error("`{message}` has no `{key}`")]
    MissingKey {
        /// Name of the message.
        message: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A key that the message cannot do without has a value of another type.
    #[error("`{key}` of `{message}` is not {expected} but {actual}")]
    WrongType {
        /// Name of the message.
        message: &'static str,
        /// The key.
        key: &'static str,
        /// Type by the BEP.
        expected: &'static str,
        /// Type on the wire.
        actual: &'static str,
    },
    /// No payload of this extension is described here.
    #[error("payloads of this extension are not decoded")]
    UnknownExtension,
}

/// Cuts a stream into frames. The same bytes give the same frames however they are cut.
#[derive(Debug, Clone)]
pub struct FrameDecoder {
    buffer: BytesMut,
    /// How many bytes of the buffer have been read where they lie, and wait to be let go of: that
    /// costs as much as reading a message.
    read: usize,
    /// With fewer bytes there is nothing new to see.
    wanted: usize,
    limit: u32,
    failed: Option<FrameError>,
}

impl FrameDecoder {
    /// Frames with a body of more than `limit` bytes end the decoding.
    pub fn new(limit: u32) -> Self {
        Self {
            buffer: BytesMut::new(),
            read: 0,
            wanted: Frame::PREFIX_LEN,
            limit,
            failed: None,
        }
    }

    /// Changes the limit for frames whose prefix has not been looked at yet.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Takes in what was read. After an error bytes are dropped: the stream has no frames any more.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        self.let_go();
        // Frames that live on share the buffer, so a new one is a fresh allocation: not too small.
        if self.buffer.capacity().saturating_sub(self.buffer.len()) < bytes.len() {
            self.buffer.reserve(bytes.len().max(CHUNK_LEN));
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete frame, sharing memory with the buffer. Once failed, failed for good.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(end) = self.end()? else {
            return Ok(None);
        };
        Ok(Some(self.split(end)))
    }

    /// The message in the next complete frame: as [`next_frame`](Self::next_frame) for those who
    /// have no use for the frame. Only messages that are worth it share memory with the buffer.
    #[inline]
    pub fn next_message(&mut self) -> Result<Option<Result<Message, DecodeError>>, FrameError> {
        let Some(end) = self.end()? else {
            return Ok(None);
        };
        if end > SHORT_LEN {
            return Ok(Some(Message::decode(&self.split(end))));
        }
        let message = Message::decode_copying(self.buffered().get(..end).unwrap_or_default());
        self.read = self.read.saturating_add(end);
        Ok(Some(message))
    }

    /// The frame that ends at `end`.
    #[inline]
    fn split(&mut self, end: usize) -> Frame {
        self.let_go();
        Frame {
            raw: self.buffer.split_to(end).freeze(),
        }
    }

    /// Lets go of what has been read.
    #[inline]
    fn let_go(&mut self) {
        if self.read > 0 {
            self.buffer.advance(self.read);
            self.read = 0;
        }
    }

    /// Where the next frame ends, if all of it is there.
    #[inline]
    fn end(&mut self) -> Result<Option<usize>, FrameError> {
        let buffered = self.buffered();
        if buffered.len() < self.wanted {
            return Ok(None);
        }
        let there = buffered.len();
        let prefix = buffered.first_chunk().copied();
        if let Some(error) = self.failed {
            return Err(error);
        }
        let Some(length) = prefix.map(u32::from_be_bytes) else {
            return Ok(None);
        };
        if length > self.limit {
            let error = FrameError::TooLong {
                length,
                limit: self.limit,
            };
            self.failed = Some(error);
            return Err(error);
        }
        let end = frame_end(length);
        let whole = there >= end;
        self.wanted = if whole { Frame::PREFIX_LEN } else { end };
        Ok(whole.then_some(end))
    }

    /// Bytes that belong to no frame yet.
    #[inline]
    pub fn buffered(&self) -> &[u8] {
        self.buffer.get(self.read..).unwrap_or_default()
    }

    /// How many more bytes complete the frame that has begun (or the next prefix).
    pub fn needed(&self) -> usize {
        Frame::missing(self.buffered())
    }
}

fn how_far(into: usize) -> String {
    match into {
        0 => "before".to_owned(),
        into => format!("{} into", byte_count(into)),
    }
}

fn byte_count(count: usize) -> String {
    match count {
        1 => "1 byte".to_owned(),
        count => format!("{count} bytes"),
    }
}

/// Where a frame ends that starts at 0.
#[inline]
fn frame_end(length: u32) -> usize {
    usize::try_from(length).map_or(usize::MAX, |length| {
        length.saturating_add(Frame::PREFIX_LEN)
    })
}

/// Bytes that are wrong on purpose. What fits a shape is a [`Message`]; everything
/// else that a peer may be sent is one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFrame {
    bytes: Bytes,
}

impl RawFrame {
    /// Exactly these bytes, prefix and all.
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// The right prefix before a body of the caller's choice.
    pub fn framed(body: &[u8]) -> Self {
        Self {
            bytes: Frame::from_body(body).raw,
        }
    }

    /// A prefix that tells `length`, whatever follows.
    pub fn with_length(length: u32, body: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(body.len().saturating_add(Frame::PREFIX_LEN));
        bytes.put_u32(length);
        bytes.put_slice(body);
        Self {
            bytes: bytes.freeze(),
        }
    }

    /// What goes on the wire.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Usual limit of a frame's body: twice the 2^19 bytes of a bitfield for four million pieces.
pub const DEFAULT_LIMIT: u32 = 1 << 20;

/// Bytes by which the buffer grows at least.
const CHUNK_LEN: usize = 4096;

/// Frames up to here are read where they lie: counting references costs more than copying what
/// payload they may have, and so little should not keep a buffer alive.
const SHORT_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_frame_longer_than_limit_for_good() {
        let mut decoder = FrameDecoder::new(8);
        decoder.push(&[0, 0, 0, 8]);
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!(decoder.needed(), 8);
        decoder.push(&[1; 8]);
        assert_eq!(decoder.next_frame().unwrap().unwrap().body(), [1; 8][..]);
        decoder.push(&[0, 0, 0, 9, 1]);
        let error = Err(FrameError::TooLong {
            length: 9,
            limit: 8,
        });
        assert_eq!(decoder.next_frame(), error);
        decoder.set_limit(100);
        decoder.push(&[1; 8]);
        assert_eq!(decoder.next_frame(), error);
        assert_eq!(decoder.buffered(), [0, 0, 0, 9, 1]);
    }

    #[test]
    fn length_is_unsigned_and_not_allocated() {
        for length in [0x8000_0000, u32::MAX] {
            let mut decoder = FrameDecoder::new(u32::MAX - 1);
            decoder.push(&length.to_be_bytes());
            match decoder.next_frame() {
                Ok(None) => assert_eq!(decoder.needed(), 0x8000_0000),
                other => assert!(other.is_err()),
            }
            assert!(decoder.buffer.capacity() <= 2 * CHUNK_LEN);
        }
    }

    #[test]
    fn raised_limit_holds_for_the_next_prefix() {
        let mut decoder = FrameDecoder::new(1);
        decoder.set_limit(2);
        decoder.push(&[0, 0, 0, 2, 7, 8]);
        assert_eq!(decoder.next_frame().unwrap().unwrap().id(), Some(7));
    }

    #[test]
    fn frame_shares_the_buffer() {
        let mut decoder = FrameDecoder::new(DEFAULT_LIMIT);
        decoder.push(&[0, 0, 0, 2, 5, 9]);
        let at = decoder.buffered().as_ptr();
        let frame = decoder.next_frame().unwrap().unwrap();
        assert_eq!(frame.raw().as_ptr(), at);
        assert_eq!(frame.raw(), &[0, 0, 0, 2, 5, 9][..]);
    }

    #[test]
    fn messages_are_those_of_the_frames_however_long() {
        let mut stream = BytesMut::new();
        for payload in [0, 1, SHORT_LEN - 7, SHORT_LEN - 6, SHORT_LEN - 5, 1000] {
            let body = [vec![20, 3], vec![9; payload]].concat();
            stream.put_slice(Frame::from_body(&body).raw());
            stream.put_slice(Frame::from_body(&[]).raw());
            stream.put_slice(Frame::from_body(b"\x04\0\0").raw());
        }
        let stream = stream.freeze();
        let mut frames = stream.clone();
        let frames = std::iter::from_fn(|| Frame::split_from(&mut frames));
        let expected: Vec<_> = frames.map(|frame| Message::decode(&frame)).collect();
        assert_eq!(expected.len(), 18);
        let mut rest = stream.clone();
        let messages = std::iter::from_fn(|| Frame::message_from(&mut rest));
        assert_eq!(messages.collect::<Vec<_>>(), expected);
        let mut decoder = FrameDecoder::new(DEFAULT_LIMIT);
        let mut messages = Vec::new();
        for part in stream.chunks(7) {
            decoder.push(part);
            while let Some(message) = decoder.next_message().unwrap() {
                messages.push(message);
            }
        }
        assert_eq!(messages, expected);
    }

    #[test]
    fn a_large_frame_byte_by_byte_moves_few_times() {
        let mut decoder = FrameDecoder::new(DEFAULT_LIMIT);
        let keep_alive = Frame::from_body(&[]);
        let large = Frame::from_body(&vec![9; 1 << 20]);
        let mut frames = Vec::new();
        let mut moves = 0;
        let mut place = std::ptr::null();
        for byte in keep_alive.raw().iter().chain(large.raw()) {
            decoder.push(&[*byte]);
            if decoder.buffered().as_ptr() != place {
                place = decoder.buffered().as_ptr();
                moves += 1;
            }
            frames.extend(decoder.next_frame().unwrap());
        }
        assert_eq!(frames, [keep_alive, large]);
        assert!(moves < 20, "{moves}");
    }

    #[test]
    fn raw_frames_are_wrong_as_asked() {
        assert_eq!(
            RawFrame::framed(b"\x04abc").bytes(),
            &b"\0\0\0\x04\x04abc"[..]
        );
        assert_eq!(
            RawFrame::with_length(9, b"\x04").bytes(),
            &b"\0\0\0\x09\x04"[..]
        );
        assert_eq!(RawFrame::new(Bytes::from_static(b"x")).bytes(), &b"x"[..]);
    }

    #[test]
    fn errors_name_the_field_and_the_place() {
        let decode = |body: &[u8]| Message::decode(&Frame::from_body(body));
        let texts = [
            (
                &b"\x06\0\0\0\0\0\0\0\0\0\0\x40"[..],
                "`request` ends 3 bytes into `length`",
            ),
            (b"\x04", "`have` ends before `index`"),
            (b"\x09\x1a", "`port` ends 1 byte into `port`"),
            (
                b"\x0e\0",
                "`have_all` goes on for 1 byte behind its last field",
            ),
        ];
        for (body, text) in texts {
            assert_eq!(decode(body).unwrap_err().to_string(), text);
        }
    }
}
