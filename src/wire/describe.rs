//! One line of text for anything decoded: `request index=3 begin=0 length=16384`.
//!
//! Terminal reports, transcripts and `btspec decode` print messages through these `Display`s.
//! Whatever a peer put in, the line stays short, printable and a single line.

use std::fmt::{self, Write as _};

use super::bencode::Value;
use super::escape::peer_text;
use super::extension::ExtensionMessage;
use super::field::{Field, FieldValue};
use super::handshake::{Handshake, Reserved};
use super::hex;
use super::message::Message;

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&line(self.name(), &self.fields()))
    }
}

impl fmt::Display for ExtensionMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&line(self.kind().name(), &self.fields()))
    }
}

impl fmt::Display for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "handshake reserved={} info_hash={} peer_id={}",
            reserved(&self.reserved),
            self.info_hash,
            quoted_or_hex(&self.peer_id.0),
        )?;
        match self.peer_id.client() {
            Some(client) => write!(f, " ({client})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Bytes(bytes) => f.write_str(&short_hex(bytes)),
            Self::Bencode(value) => write!(f, "{value}"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        put_value(&mut out, self, MAX_NESTING);
        f.write_str(&out)
    }
}

/// Name and fields on one line. The keys of a whole dictionary stand beside the other fields.
pub fn line(name: &str, fields: &[(&'static Field, FieldValue)]) -> String {
    let mut out = name.to_owned();
    for (field, value) in fields {
        match value {
            FieldValue::Bencode(Value::Dict(entries)) => {
                for (key, value) in entries.iter().take(MAX_ENTRIES) {
                    if out.len() > MAX_LINE_LEN {
                        break;
                    }
                    let _ = write!(out, " {}={value}", peer_text(key));
                }
                if entries.len() > MAX_ENTRIES || out.len() > MAX_LINE_LEN {
                    let _ = write!(out, " \u{2026} ({} keys)", entries.len());
                }
            }
            value => {
                let _ = write!(out, " {}={value}", field.name);
            }
        }
    }
    out
}

/// Reserved bytes as hex, with the names of the bits that have one.
pub fn reserved(reserved: &Reserved) -> String {
    let known = reserved.known().map(|bit| bit.name.to_owned());
    let unknown = reserved.unknown().into_iter();
    let unknown = unknown.map(|(byte, mask)| format!("byte {byte} bit {mask:#04x}"));
    let all: Vec<_> = known.chain(unknown).collect();
    if all.is_empty() {
        reserved.to_string()
    } else {
        format!("{reserved} ({})", all.join(", "))
    }
}

/// Length and the first bytes.
pub fn short_hex(bytes: &[u8]) -> String {
    let shown = bytes.get(..MAX_HEX_BYTES).unwrap_or(bytes);
    let dots = if shown.len() < bytes.len() {
        "\u{2026}"
    } else {
        ""
    };
    let space = if bytes.is_empty() { "" } else { " " };
    let unit = if bytes.len() == 1 { "byte" } else { "bytes" };
    let len = bytes.len();
    format!("<{len} {unit}{space}{}{dots}>", hex::encode(shown))
}

/// Text in quotes, if it is text; else as [`short_hex`].
pub fn quoted_or_hex(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control()) => {
            format!("\"{}\"", peer_text(bytes).replace('"', "\\\""))
        }
        _ => short_hex(bytes),
    }
}

fn put_value(out: &mut String, value: &Value, nesting: usize) {
    match value {
        Value::Int(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Bytes(bytes) => out.push_str(&quoted_or_hex(bytes)),
        Value::List(values) => {
            put_entries(out, ['[', ']'], values, nesting, |out, value, left| {
                put_value(out, value, left);
            });
        }
        Value::Dict(entries) => {
            put_entries(
                out,
                ['{', '}'],
                entries,
                nesting,
                |out, (key, value), left| {
                    let _ = write!(out, "{}: ", peer_text(key));
                    put_value(out, value, left);
                },
            );
        }
    }
}

fn put_entries<T>(
    out: &mut String,
    [open, close]: [char; 2],
    entries: &[T],
    nesting: usize,
    put: impl Fn(&mut String, &T, usize),
) {
    out.push(open);
    let inner = nesting.checked_sub(1);
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        match inner {
            Some(left) if at < MAX_ENTRIES && out.len() < MAX_LINE_LEN => put(out, entry, left),
            _ => {
                out.push('\u{2026}');
                break;
            }
        }
    }
    out.push(close);
}

/// Bytes of a field that are shown.
const MAX_HEX_BYTES: usize = 16;
/// Entries of a list or dictionary that are shown.
const MAX_ENTRIES: usize = 32;
/// Levels of a value that are shown.
const MAX_NESTING: usize = 8;
/// Length behind which nothing more is begun.
const MAX_LINE_LEN: usize = 600;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::extension::ExtendedHandshake;
    use super::super::message::BlockRef;
    use super::*;

    #[test]
    fn names_fields_with_their_values() {
        let request = Message::Request(BlockRef::new(3, 0, 16384));
        assert_eq!(request.to_string(), "request index=3 begin=0 length=16384");
        let piece = Message::Piece {
            index: 3,
            begin: 0,
            block: Bytes::from(vec![0xab; 16384]),
        };
        let dots = format!("<16384 bytes {}\u{2026}>", "ab".repeat(16));
        assert_eq!(
            piece.to_string(),
            format!("piece index=3 begin=0 block={dots}")
        );
        assert_eq!(Message::KeepAlive.to_string(), "keep_alive");
    }

    #[test]
    fn handshake_shows_bits_and_client() {
        let handshake = Handshake {
            reserved: Reserved([0, 0, 0, 0, 0, 0x10, 0, 0x45]),
            info_hash: super::super::InfoHash([0xaa; 20]),
            peer_id: super::super::PeerId(*b"-TR3000-\x01\x02efghijklmn"),
        };
        let hash = "aa".repeat(20);
        let expected = format!(
            "handshake reserved=0000000000100045 (extended, dht, fast, byte 7 bit 0x40) \
             info_hash={hash} peer_id=<20 bytes 2d5452333030302d0102656667686\
             96a\u{2026}> (Transmission 3.00)"
        );
        assert_eq!(handshake.to_string(), expected);
    }

    #[test]
    fn hostile_dictionary_stays_one_short_printable_line() {
        let nested = (0..30).fold(Value::Int(1), |value, _| Value::List(vec![value]));
        let mut handshake = ExtendedHandshake::new()
            .with("v", Value::text("a\"b\u{202e}\n"))
            .with("deep", nested);
        for key in 0..1000 {
            handshake = handshake.with(&format!("key{key}\x1b"), Value::bytes(&[b'x'; 300]));
        }
        let text = ExtensionMessage::Handshake(handshake).to_string();
        assert!(text.len() < 4000, "{}", text.len());
        assert!(!text.chars().any(char::is_control));
        assert!(text.contains(" deep=[[[[[[[[[\u{2026}]]]]]]]]] "), "{text}");
        assert!(text.ends_with("(1002 keys)"), "{text}");
    }

    #[test]
    fn strings_in_values_are_quoted_or_hex() {
        let value = Value::List(vec![
            Value::text("a\"b"),
            Value::bytes(&[0xff]),
            Value::bytes(&[]),
            Value::dict([("k", (-1).into())]),
        ]);
        assert_eq!(
            value.to_string(),
            "[\"a\\\"b\", <1 byte ff>, \"\", {k: -1}]"
        );
    }
}
