//! What a [`Tester`] wants done and what it is told: the seam between the pure player and the two
//! loops that drive it, `sim` and `driver`.
//!
//! A loop calls [`Tester::poll_action`] until `None`, carries the actions out, waits for bytes,
//! closes or the time of [`Tester::poll_deadline`], hands them to [`Tester::handle`], and starts
//! again, until [`Tester::done`]. Nothing here reads a clock: `at` is the time since the case began
//! and never goes back.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

pub use crate::trace::ConnId;
use crate::wire::PeerId;

/// Our end of a test: what a loop drives. The player is one.
pub trait Tester {
    /// Takes in what happened at `at`.
    fn handle(&mut self, input: Input, at: Duration);
    /// The next thing to do; call until `None` after every `handle`.
    fn poll_action(&mut self) -> Option<Action>;
    /// When to call `handle` with [`Input::Timeout`] if nothing else happens before.
    fn poll_deadline(&self) -> Option<Duration>;
    /// Whether the test has ended; the loop then drops every connection that is still open.
    fn done(&self) -> bool;
}

/// What the loop shall do for the tester. Actions on one connection are carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a connection to the target. Answered by `Connected` or `ConnectFailed`.
    Dial {
        /// Number of the new connection, chosen by the tester.
        conn: ConnId,
        /// Which source address to use.
        from: Source,
    },
    /// Hand us the next connection that the target opens to a certain place of ours. Answered by
    /// `Accepted`, at a new place by `Listening` before. Places stand until the end of the test;
    /// connections that nobody waits for are closed.
    Accept {
        /// Number of the connection to come.
        conn: ConnId,
        /// Where we wait for it.
        place: Place,
    },
    /// Give up waiting for an inbound connection.
    StopAccept {
        /// The number given to `Accept`.
        conn: ConnId,
    },
    /// Write these segments in order, each in a write of its own. Answered by `Written`, perhaps
    /// in several parts, or by `WriteFailed`.
    Write {
        /// The connection.
        conn: ConnId,
        /// One write each; never empty.
        segments: Vec<Bytes>,
    },
    /// End the connection. The tester hears nothing more of it after `Rst`; after `Fin` it still
    /// hears what comes until the target's own end.
    Close {
        /// The connection.
        conn: ConnId,
        /// In which manner.
        how: CloseKind,
    },
    /// Stop or resume reading from the socket (slow readers).
    Reading {
        /// The connection.
        conn: ConnId,
        /// Whether to read.
        on: bool,
    },
    /// Ask the driver for a verb. Answered by `VerbDone`.
    Verb {
        /// Number of the question, chosen by the tester.
        id: u32,
        /// Name and arguments, as in `slots 1`.
        command: String,
    },
    /// Ask how the target is. Answered by `Health`, at once.
    Health,
}

/// How to end a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseKind {
    /// End our sending direction; what the target still sends is delivered.
    Fin,
    /// Reset: what is not delivered yet is thrown away, both ways.
    Rst,
}

/// Where a connection comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An address that no connection of this run has used, as far as there are any.
    Fresh,
    /// The same address as an earlier connection of this case.
    SameAs(ConnId),
    /// The named one of this case: equal names share an address, different names never do.
    Named(String),
}

/// Where we wait for the target to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A new one, and the loop lets the target know of it (tracker, `add-peer` verb).
    Invited {
        /// The peer id that the tracker is to name for us.
        told: Option<PeerId>,
    },
    /// A new one at an address of this kind, and nobody is told.
    Quiet(Source),
    /// The one where this connection came in: the target is expected to come back.
    Again(ConnId),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The target took our connection.
    Connected {
        /// The connection.
        conn: ConnId,
        /// Our address.
        local: SocketAddr,
        /// The target's address.
        remote: SocketAddr,
    },
    /// It did not.
    ConnectFailed {
        /// The connection.
        conn: ConnId,
        /// Why.
        why: ConnectError,
    },
    /// We listen at a new place.
    Listening {
        /// The number given to `Accept`.
        conn: ConnId,
        /// Where.
        at: SocketAddr,
    },
    /// The target has announced itself to our tracker. Told before the `Accepted` that follows
    /// from it.
    Announced {
        /// The peer id that it gave.
        peer_id: PeerId,
    },
    /// The target opened a connection to us.
    Accepted {
        /// The number given to `Accept`.
        conn: ConnId,
        /// Our address.
        local: SocketAddr,
        /// The target's address.
        remote: SocketAddr,
    },
    /// Bytes from the target, in order.
    Bytes {
        /// The connection.
        conn: ConnId,
        /// At least one byte.
        bytes: Bytes,
    },
    /// All our bytes up to this stream offset have been handed to the network.
    Written {
        /// The connection.
        conn: ConnId,
        /// Stream offset from the first byte of the connection.
        upto: u64,
    },
    /// The target ended its sending direction.
    Eof {
        /// The connection.
        conn: ConnId,
    },
    /// The connection was reset by the target.
    Reset {
        /// The connection.
        conn: ConnId,
    },
    /// A write failed. The loop goes on reading until the end and then reports `Eof` or `Reset`.
    WriteFailed {
        /// The connection.
        conn: ConnId,
    },
    /// Answer to `Verb`.
    VerbDone {
        /// The number of the question.
        id: u32,
        /// What became of it.
        result: VerbResult,
    },
    /// Answer to `Health`.
    Health(Health),
    /// The target's process has ended, seen without asking.
    Died {
        /// Exit code, if it had one.
        code: Option<i32>,
        /// What is known beyond that: a signal, the last lines of its log.
        note: String,
    },
    /// The time of `poll_deadline` has come.
    Timeout,
}

/// Why a connection could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectError {
    /// The target refused.
    Refused,
    /// No answer in the loop's own limit (the tester's deadline is usually shorter).
    Unanswered,
    /// We could not do our part: no such source address, no listener, out of ports.
    Local(String),
}

/// What became of a driver's verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerbResult {
    /// Done; standard output.
    Done(String),
    /// The driver does not know it.
    Unknown,
    /// It cannot be done with this target; why.
    Cannot(String),
    /// It failed; why.
    Failed(String),
}

/// State of the target as far as the loop can see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// `Some(false)` when the process is known to have ended; `None` when nobody can tell.
    pub alive: Option<bool>,
    /// Exit code of an ended process.
    pub exit: Option<i32>,
    /// Resident bytes.
    pub memory: Option<u64>,
    /// Open files and sockets.
    pub files: Option<u64>,
}
