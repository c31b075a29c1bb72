//! Our decoder beside another one on the same bytes.

use bytes::Bytes;

use super::{Decoder, Reach, text};
use crate::wire::bencode::{self, Limits};
use crate::wire::{DecodeError, ExtensionMessage, Frame, Kind, Message};

/// What the other decoder makes of the first message of some bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Foreign {
    /// A message and its length on the wire. Of `extended` only the payload is compared: `message`
    /// is then `None`.
    Message {
        /// The message in our terms.
        message: Option<Message>,
        /// What is in an `extended` message.
        extension: Option<ForeignExtension>,
        /// Bytes taken.
        used: usize,
    },
    /// It wants more bytes.
    Incomplete,
    /// It does not know the message id.
    UnknownId,
    /// The length does not fit the message.
    WrongLength,
    /// The payload is not what it wants.
    Payload(String),
    /// It panicked, which was caught.
    Panicked,
}

/// The payload of an `extended` message as the other decoder sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum ForeignExtension {
    /// The extension handshake, as far as it has keys that we type, too.
    Handshake {
        /// Id of ut_metadata.
        ut_metadata: Option<u8>,
        /// Id of ut_pex.
        ut_pex: Option<u8>,
        /// Size of the info dictionary.
        metadata_size: Option<u32>,
        /// Requests that it bears.
        reqq: Option<u32>,
    },
    /// A ut_metadata message, written by it and read by us.
    Metadata(Result<ExtensionMessage, DecodeError>),
    /// A ut_pex message: addresses in `added` and `dropped`.
    Pex {
        /// How many to add.
        added: usize,
        /// How many to drop.
        dropped: usize,
    },
    /// Anything else, as long as it is bencoded.
    Other,
}

/// Where librqbit-peer-protocol 9.1.0 differs from us, and why that is no mistake of ours.
pub static DIFFERENCES: &[(&str, &str)] = &[
    (
        "unknown id",
        "it knows BEPs 3 and 10 alone; ids of BEPs 5, 6 and 52 and all others are errors",
    ),
    (
        "empty bitfield",
        "a bitfield of no bytes is an error; to us it is one of a wrong length, which the session says",
    ),
    (
        "empty block",
        "a piece without bytes is an error; to us it answers a request of length 0",
    ),
    (
        "no extended id",
        "`extended` without the id byte waits for more bytes, though the frame is whole; to us it is cut off",
    ),
    (
        "payload",
        "its payloads are read into typed structures: a key of an unexpected type, a value out of its range or a missing key refuses the whole message. We read the dictionary, keep what we do not know, and tell of each key",
    ),
    (
        "bytes behind",
        "bytes behind a dictionary refuse the whole message; to us they are a flaw of the form",
    ),
    (
        "metadata",
        "ut_metadata data of another length than its place and `total_size` demand is refused; to us that is for a rule to say",
    ),
    (
        "panic",
        "a number that does not fit the type it is read into (a string length above 64 bits, an id above 255) overflows in its reader: a panic where overflow is checked, another number where it is not",
    ),
    (
        "odd keys",
        "in a value that it skips, a key may be anything; to us a dictionary with a key that is no string is none",
    ),
    (
        "no digits",
        "an integer may be a sign alone; to us it has no digits",
    ),
    (
        "limits",
        "it has no limit for nesting and for the number of values; ours bound what a peer can make us hold",
    ),
];

/// A stream of frames: what both decoders read is the same, and where they differ is known.
pub fn decode_diff(input: &[u8], foreign: Decoder) -> Reach {
    let mut left = Bytes::copy_from_slice(input);
    let mut reached = Reach::new();
    loop {
        let theirs = foreign(&left);
        let before = left.len();
        let Some(frame) = Frame::split_from(&mut left) else {
            // Both wait, whatever has come of the frame.
            assert_eq!(theirs, Foreign::Incomplete, "of {left:02x?}");
            reached.insert("incomplete");
            return reached;
        };
        let ours = decoded(&frame);
        reached.insert(compare(&frame, &ours, theirs, before - left.len()));
    }
}

pub(super) fn reachable() -> Vec<&'static str> {
    let agreed = ["incomplete", "same message", "both refuse", "same payload"];
    DIFFERENCES
        .iter()
        .map(|(name, _)| *name)
        .chain(agreed)
        .collect()
}

fn decoded(frame: &Frame) -> Result<Message, DecodeError> {
    let message = Message::decode(frame)?;
    #[cfg(fuzz_selftest)]
    if let Message::Cancel(mut block) = message
        && block.begin > 0xff_ffff
    {
        block.begin = 0;
        return Ok(Message::Cancel(block));
    }
    Ok(message)
}

/// What the comparison came to: agreement, or the name of a known difference.
fn compare(
    frame: &Frame,
    ours: &Result<Message, DecodeError>,
    theirs: Foreign,
    len: usize,
) -> &'static str {
    let shown = || format!("{ours:?} and {theirs:?} of {:02x?}", frame.raw());
    match (ours, &theirs) {
        (
            Ok(message),
            Foreign::Message {
                message: Some(other),
                used,
                ..
            },
        ) => {
            assert_eq!((message, len), (other, *used), "{}", shown());
            "same message"
        }
        (Ok(Message::Extended { ext_id, payload }), other) => {
            payloads(*ext_id, payload, other, len).unwrap_or_else(|| panic!("{}", shown()))
        }
        (Err(error), Foreign::WrongLength) => {
            text::is_one_line(&error.to_string());
            "both refuse"
        }
        (Err(_), Foreign::Incomplete) if frame.id() == Kind::Extended.id() => "no extended id",
        (Ok(Message::Bitfield { bits }), Foreign::WrongLength) if bits.is_empty() => {
            "empty bitfield"
        }
        (Ok(Message::Piece { block, .. }), Foreign::WrongLength) if block.is_empty() => {
            "empty block"
        }
        // Of an id that it does not know, it does not look at the length either.
        (_, Foreign::UnknownId) if !known_to_both(frame.id()) => "unknown id",
        _ => panic!("{}", shown()),
    }
}

fn known_to_both(id: Option<u8>) -> bool {
    matches!(id, None | Some(0..=8 | 20))
}

/// The same for a payload; `None` where they differ and no difference is known.
fn payloads(ext_id: u8, payload: &Bytes, theirs: &Foreign, len: usize) -> Option<&'static str> {
    let (extension, used) = match theirs {
        Foreign::Message {
            extension: Some(extension),
            used,
            ..
        } => (extension, *used),
        Foreign::Payload(why) => {
            text::is_one_line(why);
            let metadata = ExtensionMessage::decode("ut_metadata", payload);
            let data = matches!(metadata, Ok(ExtensionMessage::MetadataData { .. }));
            return Some(match bencode::read_prefix(payload, Limits::PEER) {
                Err(_) => "both refuse",
                Ok(_) if ext_id == METADATA && data => "metadata",
                Ok(document) if document.end < payload.len() => "bytes behind",
                Ok(_) => "payload",
            });
        }
        Foreign::Panicked => return may_overflow(payload).then_some("panic"),
        _ => return None,
    };
    assert_eq!(used, len, "another length of extended {ext_id}");
    let name = match ext_id {
        0 => "",
        METADATA => "ut_metadata",
        PEX => "ut_pex",
        _ => {
            // Whatever is bencoded to it must be so to us; it has no limits.
            return match bencode::read_prefix(payload, UNLIMITED) {
                Ok(_) => Some("same payload"),
                Err(error) => is_odd(&error),
            };
        }
    };
    let read = match ExtensionMessage::decode(name, payload) {
        Ok(message) => message,
        Err(DecodeError::Bencode { error, .. }) if is_limit(&error) => return Some("limits"),
        Err(DecodeError::Bencode { error, .. }) if is_odd(&error).is_some() => {
            return is_odd(&error);
        }
        Err(error) => panic!("refused what the other takes for {extension:?}: {error}"),
    };
    let same = match (&read, extension) {
        (
            ExtensionMessage::Handshake(handshake),
            ForeignExtension::Handshake {
                ut_metadata,
                ut_pex,
                metadata_size,
                reqq,
            },
        ) => {
            let id = |name: &str| handshake.ext_id(name).filter(|id| *id != 0);
            // Id 0 switches an extension off.
            let some = |id: &Option<u8>| id.filter(|id| *id != 0);
            id("ut_metadata") == some(ut_metadata)
                && id("ut_pex") == some(ut_pex)
                && handshake.metadata_size() == metadata_size.map(i128::from)
                && handshake.reqq() == reqq.map(i128::from)
        }
        (ours, ForeignExtension::Metadata(theirs)) => Ok(ours) == theirs.as_ref(),
        (ExtensionMessage::Pex(pex), ForeignExtension::Pex { added, dropped }) => {
            pex.added().len() == *added && pex.dropped().len() == *dropped
        }
        _ => false,
    };
    // Where overflow is not checked, what panics elsewhere is another number.
    if !same && !cfg!(debug_assertions) && may_overflow(payload) {
        return Some("panic");
    }
    assert!(same, "{read} to us, to the other {extension:?}");
    Some("same payload")
}

/// What it lets pass that is no bencoding.
fn is_odd(error: &bencode::ReadError) -> Option<&'static str> {
    use bencode::ReadErrorKind::{EmptyInteger, KeyNotString, MissingValue};
    match error.kind {
        KeyNotString | MissingValue => Some("odd keys"),
        EmptyInteger => Some("no digits"),
        _ => None,
    }
}

fn is_limit(error: &bencode::ReadError) -> bool {
    use bencode::ReadErrorKind::{TooDeep, TooManyItems};
    matches!(error.kind, TooDeep { .. } | TooManyItems { .. })
}

/// There is a number that the smallest of its types cannot hold.
fn may_overflow(payload: &[u8]) -> bool {
    payload
        .split(|byte| !byte.is_ascii_digit())
        .any(|digits| digits.len() > 3 || digits > b"255".as_slice() && digits.len() == 3)
}

/// Ids that the other decoder gives.
const METADATA: u8 = 3;
const PEX: u8 = 1;

const UNLIMITED: Limits = Limits {
    depth: 1 << 20,
    items: 1 << 20,
};
