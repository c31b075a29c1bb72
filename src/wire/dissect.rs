//! A recorded stream taken apart: every byte belongs to exactly one section.
//!
//! `btspec decode` prints what this module returns. It needs no session, so of extension payloads
//! only the handshake (id 0) is certain; of others the bencoding is shown.

use std::fmt;

use bytes::Bytes;

use super::bencode::{self, Limits};
use super::extension::ExtensionMessage;
use super::frame::{DEFAULT_LIMIT, DecodeError, Frame, FrameError};
use super::handshake::{Handshake, HandshakeError, PROTOCOL};
use super::hex::{self, HexError};
use super::message::Message;

/// Some bytes of the stream and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Offset in the stream.
    pub offset: usize,
    /// The bytes.
    pub raw: Bytes,
    /// What they are.
    pub what: SectionKind,
}

/// What a section can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionKind {
    /// A whole handshake.
    Handshake(Handshake),
    /// Something that begins like a handshake and is none.
    BadHandshake(HandshakeError),
    /// The beginning of a handshake, at the end of the stream.
    UnfinishedHandshake {
        /// How many bytes are missing.
        missing: usize,
    },
    /// A frame that is a message; of the extended handshake, its payload.
    Message(Message, Option<Result<ExtensionMessage, DecodeError>>),
    /// A whole frame that is no message.
    Undecodable(DecodeError),
    /// A prefix beyond the usual limit, and everything behind it.
    OverLimit(FrameError),
    /// The beginning of a frame, at the end of the stream.
    Unfinished {
        /// How many bytes are missing, of the prefix if that is not whole.
        missing: usize,
    },
}

/// Takes a stream apart. Handshakes are found wherever a frame could begin.
pub fn dissect(stream: &Bytes) -> Vec<Section> {
    sections(stream).collect()
}

/// As [`dissect`], one section at a time.
pub fn sections(stream: &Bytes) -> Sections {
    Sections {
        left: stream.clone(),
        len: stream.len(),
    }
}

/// What [`sections`] gives.
#[derive(Debug, Clone)]
pub struct Sections {
    left: Bytes,
    len: usize,
}

impl Iterator for Sections {
    type Item = Section;

    fn next(&mut self) -> Option<Section> {
        if self.left.is_empty() {
            return None;
        }
        let offset = self.len.saturating_sub(self.left.len());
        let (len, what) = first_section(&self.left);
        let raw = self.left.split_to(len.clamp(1, self.left.len()));
        Some(Section { offset, raw, what })
    }
}

/// Whether a stream begins as a handshake in plain does, as far as there are bytes.
pub fn begins_handshake(stream: &[u8]) -> bool {
    !stream.is_empty() && looks_like_handshake(stream)
}

fn first_section(left: &Bytes) -> (usize, SectionKind) {
    if looks_like_handshake(left) {
        return first_handshake(left);
    }
    if let Some(prefix) = left.first_chunk() {
        let length = u32::from_be_bytes(*prefix);
        if length > DEFAULT_LIMIT {
            let limit = DEFAULT_LIMIT;
            let error = FrameError::TooLong { length, limit };
            return (left.len(), SectionKind::OverLimit(error));
        }
    }
    match Frame::split_from(&mut left.clone()) {
        None => {
            let missing = Frame::missing(left);
            (left.len(), SectionKind::Unfinished { missing })
        }
        Some(frame) => (frame.raw().len(), message(&frame)),
    }
}

fn message(frame: &Frame) -> SectionKind {
    match Message::decode(frame) {
        Err(error) => SectionKind::Undecodable(error),
        Ok(message) => {
            let payload = match &message {
                Message::Extended { ext_id: 0, payload } => {
                    Some(ExtensionMessage::decode("", payload))
                }
                _ => None,
            };
            SectionKind::Message(message, payload)
        }
    }
}

/// Whether the protocol string, in any case, stands behind the first byte as far as there are
/// bytes. A frame with that prefix would be hundreds of megabytes long.
fn looks_like_handshake(left: &[u8]) -> bool {
    let name = PROTOCOL.iter().take(NAME_LEN);
    let mut pairs = left.iter().skip(1).zip(name);
    left.len() > 4 && pairs.all(|(one, two)| one.eq_ignore_ascii_case(two))
        || left.len() <= 4
            && left.first() == Some(&19)
            && PROTOCOL.starts_with(left.get(1..).unwrap_or_default())
}

fn first_handshake(left: &Bytes) -> (usize, SectionKind) {
    if let Some(bytes) = left.first_chunk()
        && let Ok(handshake) = Handshake::decode(bytes)
    {
        return (Handshake::LEN, SectionKind::Handshake(handshake));
    }
    let string_len = left.first().copied().map_or(0, usize::from);
    let len = string_len.saturating_add(Handshake::LEN.saturating_sub(PROTOCOL.len()));
    match Handshake::check(left) {
        Err(error) => (len, SectionKind::BadHandshake(error)),
        Ok(()) => {
            let missing = Handshake::LEN.saturating_sub(left.len());
            (left.len(), SectionKind::UnfinishedHandshake { missing })
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            SectionKind::Handshake(handshake) => write!(f, "{handshake}"),
            SectionKind::BadHandshake(error) => write!(f, "bad handshake: {error}"),
            SectionKind::UnfinishedHandshake { missing } => {
                write!(f, "handshake cut off, {missing} bytes missing")
            }
            SectionKind::Message(_, Some(Ok(payload))) => write!(f, "{payload}"),
            SectionKind::Message(message, Some(Err(error))) => write!(f, "{message}: {error}"),
            SectionKind::Message(message @ Message::Extended { payload, .. }, None) => {
                write!(f, "{message}")?;
                match bencode::read_prefix(payload, Limits::PEER) {
                    Ok(document) => write!(f, ": {}", document.value),
                    Err(_) => Ok(()),
                }
            }
            SectionKind::Message(message, None) => write!(f, "{message}"),
            SectionKind::Undecodable(error) => write!(f, "undecodable: {error}"),
            SectionKind::OverLimit(error) => write!(f, "over the limit: {error}"),
            SectionKind::Unfinished { missing } => {
                write!(f, "frame cut off, {missing} bytes missing")
            }
        }
    }
}

impl Section {
    /// What else is worth knowing, a line each: bencoding that is not canonical (offsets are those
    /// of the stream), known keys of the wrong type.
    pub fn notes(&self) -> Vec<String> {
        let SectionKind::Message(Message::Extended { payload, .. }, handshake) = &self.what else {
            return Vec::new();
        };
        let before = self.raw.len().saturating_sub(payload.len());
        let payload_at = self.offset.saturating_add(before);
        let document = match handshake {
            Some(_) => bencode::read(payload, Limits::PEER),
            None => bencode::read_prefix(payload, Limits::PEER),
        };
        let flaws = document.map_or_else(|_| Vec::new(), |document| document.flaws);
        let form = flaws.into_iter().map(|flaw| {
            let at = payload_at.saturating_add(flaw.offset);
            format!("{} at byte {at}", flaw.kind)
        });
        let keys = match handshake {
            Some(Ok(ExtensionMessage::Handshake(handshake))) => handshake.flaws(),
            _ => Vec::new(),
        };
        form.chain(keys.iter().map(ToString::to_string)).collect()
    }
}

/// The stream in a file: hexadecimal digits (white space and `#` comments do not count) or the
/// bytes themselves.
pub fn input(file: &[u8]) -> Result<Bytes, HexError> {
    let Some(text) = hex_text(file) else {
        return Ok(Bytes::copy_from_slice(file));
    };
    hex::decode(&text)
}

/// The digits, if the file holds nothing but digits, white space and comments.
fn hex_text(file: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(file).ok()?;
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""));
    let digits = lines.collect::<Vec<_>>().join("\n");
    let mut chars = digits.chars().filter(|c| !c.is_whitespace()).peekable();
    chars.peek()?;
    chars.all(|c| c.is_ascii_hexdigit()).then_some(digits)
}

/// `BitTorrent`: enough of the protocol string to know that a handshake was meant.
const NAME_LEN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(hex: &str) -> Vec<String> {
        let sections = dissect(&hex::decode(hex).unwrap());
        let lines = sections.iter();
        lines
            .map(|section| format!("{} {section}", section.offset))
            .collect()
    }

    #[test]
    fn accounts_for_every_byte_of_a_recording() {
        let handshake = format!("13{}{}", hex::encode(PROTOCOL), "00".repeat(48));
        let text = lines(&format!(
            "{handshake}0000000000000001020000000204ff0000000d06"
        ));
        let rest = text.get(1..).unwrap();
        assert!(
            text[0].starts_with("0 handshake reserved=0000000000000000 "),
            "{}",
            text[0]
        );
        let expected = [
            "68 keep_alive",
            "72 interested",
            "77 undecodable: `have` ends 1 byte into `index`",
            "83 frame cut off, 12 bytes missing",
        ];
        assert_eq!(rest, expected);
    }

    #[test]
    fn knows_a_handshake_by_its_beginning_wherever_it_stands() {
        assert_eq!(lines("13426974"), ["0 handshake cut off, 64 bytes missing"]);
        let cut = format!("0000000013{}", hex::encode(b"BitTorrent prot"));
        assert_eq!(
            lines(&cut),
            ["0 keep_alive", "4 handshake cut off, 52 bytes missing"]
        );
    }

    #[test]
    fn reads_hex_with_comments_and_raw_bytes() {
        let text = b"# interested\n00 00 00 01 # length\n02\n";
        assert_eq!(input(text).unwrap(), [0, 0, 0, 1, 2][..]);
        assert_eq!(input(&[0, 0, 0, 1, 2]).unwrap(), [0, 0, 0, 1, 2][..]);
        assert_eq!(input(b"000"), Err(HexError::Odd));
        assert_eq!(input(b"").unwrap(), [][..]);
        assert_eq!(input(b"# nothing").unwrap(), b"# nothing"[..]);
    }

    #[test]
    fn notes_point_into_the_stream() {
        let mut stream = vec![0, 0, 0, 0];
        stream.extend(Frame::from_body(b"\x14\0d1:b0:1:ai1ee").raw());
        let sections = dissect(&stream.into());
        assert_eq!(sections[1].notes(), ["key out of order at byte 16"]);
    }
}
