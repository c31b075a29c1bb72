//! What an observation means.

use std::time::Duration;

use super::ledger::{AnswerHow, Entry};
use crate::trace::{CloseHow, Observation};
use crate::wire::{BlockRef, DecodeError, ExtensionMessage, Kind};

/// An observation with what it means on its connection. Where a field speaks of "before", it is
/// the state that the observation met; the [`Session`](super::Session) has taken it in already.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What was seen. For [`EventKind::Overdue`]: nothing, at the time of the deadline.
    pub observation: Observation,
    /// Payload of an `extended` message, decoded by the ids in force; `None` for everything else
    /// and for ids that nobody gave.
    pub payload: Option<Result<ExtensionMessage, DecodeError>>,
    /// What it means.
    pub kind: EventKind,
    /// Place of the observation among everything its side has sent on the connection, from 1.
    pub order: u64,
    /// Place among the side's messages with ids 0–8 and 13–17, from 1; 0 for everything else.
    pub typed: u64,
    /// Time since the side's message before it, or since the handshakes.
    pub gap: Duration,
    /// The tester had sent something whose parse by the target is open.
    pub tainted: bool,
}

impl Event {
    /// The target sent it.
    pub fn received(&self) -> bool {
        self.observation.received()
    }

    /// Kind of the message: of the payload where it is known, else of the frame.
    pub fn message_kind(&self) -> Option<Kind> {
        match &self.payload {
            Some(Ok(payload)) => Some(payload.kind()),
            _ => self.observation.kind(),
        }
    }
}

/// What an observation means. Both directions have the same kinds.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// A handshake.
    Handshake,
    /// Something else where the handshake belongs.
    BadHandshake,
    /// A keep-alive.
    KeepAlive,
    /// Choke or unchoke.
    Choking {
        /// Choke.
        choking: bool,
        /// It says what was so already.
        redundant: bool,
        /// How often the side has said one of the two in haste, this time included: a choke within
        /// [`HASTE`] of its unchoke while the other side stayed interested, or a repeat within
        /// [`REPEAT`] of what it repeats. 0 if this one was not in haste.
        haste: u32,
    },
    /// Interested or not interested.
    Interest {
        /// Interested.
        interested: bool,
        /// It says what was so already.
        redundant: bool,
        /// The sender had announced every piece.
        complete: bool,
    },
    /// Bitfield, have_all or have_none.
    Availability(Availability),
    /// A have.
    Have {
        /// The piece.
        index: u32,
        /// The torrent has such a piece.
        in_range: bool,
        /// The sender had announced it before.
        repeated: bool,
    },
    /// A request.
    Request(Asked),
    /// A cancel.
    Cancel {
        /// What it takes back.
        block: BlockRef,
        /// The newest request with this triple, as it was before, if there ever was one.
        entry: Option<Entry>,
        /// Requests are missing in the ledger, so that `entry` may be among them.
        forgotten: bool,
    },
    /// A piece or reject that answers a request.
    Answer(Answer),
    /// A piece or reject that answers nothing.
    Stray(Stray),
    /// A suggest_piece.
    Suggest {
        /// The piece.
        index: u32,
        /// The torrent has such a piece.
        in_range: bool,
    },
    /// An allowed_fast.
    AllowedFast {
        /// The piece.
        index: u32,
        /// The torrent has such a piece.
        in_range: bool,
        /// Sent before.
        repeated: bool,
    },
    /// A port.
    Port,
    /// An extension handshake, readable or not.
    ExtendedHandshake {
        /// From 1.
        nth: u32,
    },
    /// Another `extended` message.
    Extended(ExtendedUse),
    /// A message of BEP 52.
    Hashes,
    /// A message id that nobody knows.
    Unknown,
    /// A frame that is not what its id says.
    Undecodable,
    /// A length prefix above the limit; decoding of this direction has ended.
    OverLimit,
    /// Bytes of an unfinished frame, at the end of the stream.
    Trailing,
    /// Bytes that the tester does not take for messages.
    Opaque,
    /// The stream ended.
    Closed(CloseHow),
    /// A time has passed without what was due.
    Overdue(Duty),
}

/// A bitfield, have_all or have_none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// Which.
    pub kind: AvailabilityKind,
    /// How many of the three the side has sent, this one included.
    pub nth: u32,
    /// How many bitfields the side has sent, this one included.
    pub bitfields: u32,
    /// The side's first message with an id of 0–8 or 13–17, if it was not this one.
    pub behind: Option<Kind>,
}

/// The three messages that say what a peer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AvailabilityKind {
    /// A bitfield.
    Bitfield {
        /// Its bytes.
        len: usize,
        /// Bytes that the torrent asks for.
        expected: usize,
        /// The first bit set behind the last piece.
        spare: Option<u32>,
    },
    /// Every piece.
    All,
    /// No piece.
    None,
}

/// A request, as it was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its entry in the ledger; not kept there when the ledger is full.
    pub entry: Entry,
    /// Whether the other side's choke stood against it.
    pub choke: Stand,
    /// Whether the other side had announced the piece.
    pub announced: Stand,
    /// The other side had allowed the piece by allowed_fast.
    pub allowed_fast: bool,
    /// The same triple was open, asked for this long ago, with no choke since.
    pub open_since: Option<Duration>,
    /// The asking side had announced this piece as its own.
    pub own: bool,
    /// The asking side had announced every piece.
    pub complete: bool,
}

/// How a message stands to a state that the other side changes while messages cross.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stand {
    /// In order by the latest state.
    Right,
    /// Against the latest state, but the sender may not have known it.
    Crossing,
    /// Against every state that the sender may go by.
    Wrong,
}

/// An answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The request as it was before.
    pub entry: Entry,
    /// With what it was answered.
    pub how: AnswerHow,
    /// Another entry could have been meant as well.
    pub ambiguous: bool,
    /// For pieces: the first byte that differs from the torrent's, as an offset in the block.
    pub corrupt: Option<u32>,
    /// For pieces: the torrent's bytes are known, so that `corrupt` says something.
    pub compared: bool,
}

/// A piece or reject that answers nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Which of the two.
    pub kind: StrayKind,
    /// What it names.
    pub block: BlockRef,
    /// The request that comes closest, as it is.
    pub near: Option<Entry>,
    /// `near` has the same triple and was answered: this is a second answer.
    pub second: bool,
    /// The other side had sent something that may have led to it: requests against the rules, a
    /// cancel of what it never asked for; or requests are missing in the ledger. Rules leave it to
    /// the case.
    pub excused: bool,
}

/// Piece or reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrayKind {
    /// A piece.
    Piece,
    /// A reject_request.
    Reject,
}

/// An `extended` message that is no handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedUse {
    /// The id on the wire.
    pub ext_id: u8,
    /// The name that the receiver gave this id, now or before.
    pub name: Option<String>,
    /// Whether the id stands in the receiver's `m`: `Crossing` if in an earlier one, which the
    /// sender may go by for ever.
    pub stand: Stand,
    /// The receiver has set this name to 0 and never gave it an id.
    pub switched_off: bool,
    /// The receiver had sent an extension handshake.
    pub after_handshake: bool,
    /// The name that the *sender's* own `m` gives this id.
    pub senders_own: Option<String>,
    /// The message answers a ut_metadata request of the receiver, or may be meant to.
    pub answer: bool,
    /// It is ut_metadata data or a reject of the target, and answers nothing that the tester sent.
    pub unasked: bool,
}

/// What was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duty {
    /// One of bitfield, have_all and have_none, with the fast extension.
    Availability,
    /// The extension handshake.
    ExtendedHandshake,
    /// Anything at all, on a connection that is idle.
    KeepAlive,
    /// The answer to a request, with the fast extension, while nothing else was answered either.
    Answer(Entry),
}

/// A choke so soon behind the unchoke gives a peer no chance to fill a pipeline; the algorithm of
/// BEP 3 changes its mind once in ten seconds.
pub const HASTE: Duration = Duration::from_secs(5);
/// Who repeats a state so soon does not do it by a timer of choking rounds.
pub const REPEAT: Duration = Duration::from_secs(1);
