//! One thing seen on one connection.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::wire::{DecodeError, Handshake, HandshakeError, Kind, Message};

/// A connection, in the tester's numbering: 1 is the first of the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u32);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn {}", self.0)
    }
}

/// Which way, seen from the tester.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dir {
    /// The tester wrote it.
    Sent,
    /// The target wrote it.
    Received,
}

impl Dir {
    /// The opposite direction.
    pub fn flip(self) -> Self {
        match self {
            Self::Sent => Self::Received,
            Self::Received => Self::Sent,
        }
    }

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseHow {
    /// An orderly end of the stream.
    Fin,
    /// A reset.
    Rst,
    /// A write failed, and reading on found neither FIN nor RST.
    WriteError,
}

impl CloseHow {
    /// Name in scenarios and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::WriteError => "write_error",
        }
    }
}

/// One thing seen on one connection: a whole frame or handshake with its bytes, or how the stream
/// ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The connection.
    pub conn: ConnId,
    /// Arrival order over all connections of the case; given by [`Recorder::stamp`].
    pub seq: u64,
    /// Time since the case began, of the last byte.
    pub at: Duration,
    /// Which way.
    pub dir: Dir,
    /// Offset of the first byte in its stream.
    pub offset: u64,
    /// The bytes as they were on the wire: a frame with its length prefix, or a handshake.
    pub raw: Bytes,
    /// What they are.
    pub what: What,
    /// Sent by the tester on its own (keep-alives, background), not by a step.
    pub auto: bool,
}

impl Observation {
    /// An observation without number, offset or bytes; for ends of streams and for tests.
    pub fn new(conn: ConnId, dir: Dir, at: Duration, what: What) -> Self {
        Self {
            conn,
            seq: 0,
            at,
            dir,
            offset: 0,
            raw: Bytes::new(),
            what,
            auto: false,
        }
    }

    /// A whole message, with the bytes it is encoded as.
    pub fn message(conn: ConnId, dir: Dir, at: Duration, message: Message) -> Self {
        Self {
            raw: message.encode(),
            ..Self::new(conn, dir, at, What::Message(message))
        }
    }

    /// The message, if it is one.
    pub fn as_message(&self) -> Option<&Message> {
        match &self.what {
            What::Message(message) => Some(message),
            _ => None,
        }
    }

    /// Kind of the message, if it is one. `extended` is not looked into.
    pub fn kind(&self) -> Option<Kind> {
        self.as_message().map(Message::kind)
    }

    /// The target sent it.
    pub fn received(&self) -> bool {
        self.dir == Dir::Received
    }
}

/// What was seen.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A handshake with the right protocol string.
    Handshake(Handshake),
    /// The stream does not begin with a handshake. Nothing behind it is decoded.
    BadHandshake(HandshakeError),
    /// A frame that is a message.
    Message(Message),
    /// A frame that does not fit the message its id names.
    Undecodable(DecodeError),
    /// A length prefix above the limit. Nothing behind it is decoded.
    OverLimit {
        /// The announced length.
        length: u32,
    },
    /// The bytes of a frame or handshake that was not finished when the stream ended.
    Trailing,
    /// Bytes that the tester sent and does not take for messages.
    Opaque,
    /// The stream ended: with [`Dir::Received`] by the target, with [`Dir::Sent`] by the tester.
    Closed(CloseHow),
    /// Nothing came. Only in events that a `Session` makes when a time has passed.
    Quiet,
}

/// Numbers observations in arrival order over all connections of a case.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    next: u64,
}

impl Recorder {
    /// Begins at 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the observation its number.
    pub fn stamp(&mut self, observation: &mut Observation) {
        self.next = self.next.saturating_add(1);
        observation.seq = self.next;
    }

    /// Number of the latest observation; 0 before the first.
    pub fn latest(&self) -> u64 {
        self.next
    }
}
