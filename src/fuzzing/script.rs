//! Scripts: what several parties do on connections, as bytes that libFuzzer can cut, join and
//! change.
//!
//! Every input is a script. A turn begins with a byte: the low four bits say what is done, the
//! others by whom. Fields of messages take one byte each where they can, which stands for a small
//! number or for one at a boundary of the torrent; what a script needs is always there, as behind
//! its end everything is 0. [`seeds`](super::seeds) writes scripts.

use std::convert::Infallible;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;

use crate::torrent::{Builder, Content, Geometry, Torrent};
use crate::trace::CloseHow;
use crate::wire::bencode::{self, Dict, Limits};
use crate::wire::registry::MSG_TYPE;
use crate::wire::{
    Capability, ExtensionMessage, Field, Handshake, InfoHash, Kind, Message, PeerId, Reserved,
    Source, UnknownId,
};

/// One thing done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turn {
    /// By whom, 0 to 15.
    pub(super) who: u8,
    /// What.
    pub(super) act: Act,
}

/// What can be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    /// Sends any bytes.
    Bytes(Bytes),
    /// Sends a message.
    Message(Message),
    /// Sends a message of an extension, under the id that the other side gave it, or this one if it
    /// gave none.
    Extension(u8, ExtensionMessage),
    /// Sends a handshake.
    Handshake(Handshake),
    /// Sends the usual extension handshake.
    Hello,
    /// Answers the oldest open request of the other side.
    Answer(Answer),
    /// Lets time pass.
    Wait(Duration),
    /// Ends its side.
    Close(CloseHow),
    /// Says what it has in the usual way: everything or nothing.
    Availability(bool),
    /// Requests a whole block.
    Request(u32, u32),
    /// Stops or resumes reading.
    Read(bool),
    /// Does the same again, so many times.
    Again(u16),
    /// A command of the operator.
    Verb(u8),
    /// Opens another connection.
    Open,
}

/// Ways to answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The block.
    Block,
    /// The block with a wrong byte.
    Corrupt,
    /// A block of another length.
    Short,
    /// A reject.
    Reject,
}

/// What the low four bits of a turn's first byte say.
pub(super) mod code {
    pub(crate) const BYTES: u8 = 0;
    pub(crate) const MESSAGE: u8 = 1;
    pub(crate) const EXTENSION: u8 = 2;
    pub(crate) const HANDSHAKE: u8 = 3;
    pub(crate) const HELLO: u8 = 4;
    pub(crate) const ANSWER: u8 = 5;
    pub(crate) const WAIT: u8 = 6;
    pub(crate) const CLOSE: u8 = 7;
    pub(crate) const AVAILABILITY: u8 = 8;
    pub(crate) const REQUEST: u8 = 9;
    pub(crate) const READ: u8 = 10;
    pub(crate) const AGAIN: u8 = 11;
    pub(crate) const VERB: u8 = 12;
    pub(crate) const OPEN: u8 = 13;
}

/// How long the waits are that a byte can ask for, in milliseconds.
pub(super) const WAITS: [u32; 16] = [
    1, 0, 10, 50, 100, 400, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 61_000, 70_000, 120_000,
    200_000,
];

/// Turns of one script; the rest is not read.
pub(super) const MOST_TURNS: usize = 512;

/// Five pieces of a KiB, the last one short, three spare bits, and an info dictionary in one piece:
/// everything that a big torrent has, in few bytes.
pub(super) fn torrent() -> &'static Torrent {
    static TORRENT: OnceLock<Torrent> = OnceLock::new();
    TORRENT.get_or_init(|| {
        let geometry = Geometry::new(4 * 1024 + 300, 1024).expect("lengths of a torrent");
        let content = Content::from_seed(0x6675_7a7a, geometry);
        Torrent::build(&Builder::new("fuzz"), content).expect("a torrent")
    })
}

/// Reads a script.
#[derive(Debug, Clone)]
pub(super) struct Script<'a> {
    rest: &'a [u8],
    turns: usize,
}

impl<'a> Script<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self {
            rest: input,
            turns: 0,
        }
    }

    /// A byte of the head, before the turns.
    pub(super) fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((&byte, rest)) => {
                self.rest = rest;
                byte
            }
            None => 0,
        }
    }

    fn take(&mut self, len: usize) -> Bytes {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        Bytes::copy_from_slice(taken)
    }

    fn kind(&mut self, extension: bool) -> Kind {
        let kinds: Vec<_> = Kind::ALL
            .iter()
            .filter(|kind| kind.is_extension() == extension)
            .collect();
        *kinds[usize::from(self.byte()) % kinds.len()]
    }

    fn message(&mut self) -> Message {
        let kind = self.kind(false);
        let Ok(message) = Message::read(kind, self);
        message
    }

    fn extension(&mut self) -> ExtensionMessage {
        let kind = self.kind(true);
        let Ok(message) = ExtensionMessage::read(kind, self);
        message.expect("a kind of extension")
    }

    fn handshake(&mut self) -> Handshake {
        let bits = self.byte();
        let offers: Vec<_> = (0..)
            .zip(Capability::ALL)
            .filter(|(n, _)| bits >> n & 1 == 1)
            .map(|(_, capability)| *capability)
            .collect();
        let mut id = *b"-BS0100-............";
        id[19] = bits;
        Handshake {
            reserved: Reserved::with(&offers),
            info_hash: match bits & 0x10 {
                0 => torrent().info_hash(),
                _ => InfoHash([7; 20]),
            },
            peer_id: PeerId(id),
        }
    }

    fn act(&mut self, code: u8) -> Act {
        match code {
            code::MESSAGE => Act::Message(self.message()),
            code::EXTENSION => Act::Extension(self.byte(), self.extension()),
            code::HANDSHAKE => Act::Handshake(self.handshake()),
            code::HELLO => Act::Hello,
            code::ANSWER => Act::Answer(match self.byte() % 4 {
                0 => Answer::Block,
                1 => Answer::Reject,
                2 => Answer::Corrupt,
                _ => Answer::Short,
            }),
            code::WAIT => {
                let wait = WAITS[usize::from(self.byte()) % WAITS.len()];
                Act::Wait(Duration::from_millis(wait.into()))
            }
            code::CLOSE => Act::Close(match self.byte() % 2 {
                0 => CloseHow::Fin,
                _ => CloseHow::Rst,
            }),
            code::AVAILABILITY => Act::Availability(self.byte().is_multiple_of(2)),
            code::REQUEST => {
                let pieces = torrent().geometry().pieces();
                let byte = u32::from(self.byte());
                Act::Request(byte % pieces, 0)
            }
            code::READ => Act::Read(self.byte() % 2 == 1),
            code::AGAIN => Act::Again(1 << (self.byte() % 13)),
            code::VERB => Act::Verb(self.byte()),
            code::OPEN => Act::Open,
            _ => {
                let len = self.byte();
                Act::Bytes(self.take(len.into()))
            }
        }
    }
}

impl Iterator for Script<'_> {
    type Item = Turn;

    fn next(&mut self) -> Option<Turn> {
        if self.rest.is_empty() || self.turns >= MOST_TURNS {
            return None;
        }
        self.turns += 1;
        let first = self.byte();
        Some(Turn {
            who: first >> 4,
            act: self.act(first & 0x0f),
        })
    }
}

/// What a byte stands for where a `u32` is due: itself, or a boundary.
fn number(field: &Field, byte: u8) -> u32 {
    let geometry = torrent().geometry();
    let boundaries = match field.name {
        "begin" => [
            0,
            1,
            geometry.last_len(),
            512,
            1024,
            1023,
            16_384,
            1 << 31,
            u32::MAX,
        ],
        "length" => [
            1024,
            geometry.last_len(),
            512,
            0,
            1,
            1025,
            16_384,
            16_385,
            u32::MAX,
        ],
        _ => [
            geometry.pieces(),
            geometry.pieces() - 1,
            geometry.pieces() + 1,
            1 << 16,
            i32::MAX.unsigned_abs(),
            1 << 31,
            u32::MAX - 1,
            u32::MAX,
            0x1342_6974,
        ],
    };
    let own = matches!(field.name, "begin" | "length");
    match usize::from(byte) {
        small @ 0..0xf0 if !own => u32::try_from(small).unwrap_or(0),
        other => boundaries[other % boundaries.len()],
    }
}

impl Source for Script<'_> {
    type Error = Infallible;

    fn u8(&mut self, _: &'static Field) -> Result<u8, Infallible> {
        Ok(self.byte())
    }

    fn u16(&mut self, _: &'static Field) -> Result<u16, Infallible> {
        Ok(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    fn u32(&mut self, field: &'static Field) -> Result<u32, Infallible> {
        Ok(number(field, self.byte()))
    }

    fn hash(&mut self, _: &'static Field) -> Result<[u8; 32], Infallible> {
        Ok([self.byte(); 32])
    }

    fn bytes(&mut self, _: &'static Field) -> Result<Bytes, Infallible> {
        let len = self.byte();
        Ok(self.take(len.into()))
    }

    fn unknown_id(&mut self, _: &'static Field) -> Result<UnknownId, Infallible> {
        let byte = self.byte();
        let ids = (0..=u8::MAX).map(|n| byte.wrapping_add(n));
        Ok(ids
            .filter_map(UnknownId::new)
            .next()
            .expect("there are unknown ids"))
    }

    fn int(&mut self, field: &'static Field) -> Result<i128, Infallible> {
        let value = match self.byte() {
            byte @ 0..0xf0 => i128::from(byte),
            0xf0 => -1,
            0xf1 => i128::from(u32::MAX),
            0xf2 => i128::from(i64::MAX),
            0xf3 => i128::MIN,
            byte => i128::from(byte) << 40,
        };
        // The three types that are known have kinds of their own.
        let known = field == &MSG_TYPE && (0..=2).contains(&value);
        Ok(if known { !value } else { value })
    }

    fn optional_int(&mut self, field: &'static Field) -> Result<Option<i128>, Infallible> {
        match self.byte() {
            0 => Ok(None),
            _ => self.int(field).map(Some),
        }
    }

    /// The bytes are bencoding; what is none is an empty dictionary.
    fn dict(&mut self, field: &'static Field) -> Result<Dict, Infallible> {
        let bytes = self.bytes(field)?;
        let read = bencode::read_prefix(&bytes, Limits::PEER).ok();
        let dict = read.and_then(|document| document.value.as_dict().cloned());
        Ok(dict.unwrap_or_default())
    }
}
