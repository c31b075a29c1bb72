//! What a host does with a process under test: inputs, outputs, deadlines, health.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::event::PeerEvent;
use crate::wire::PeerId;

/// A process that speaks over connections: the reference peer and the null peers.
///
/// Times are since the process started and never go back. After each [`handle`](Self::handle) the
/// host takes outputs until there are none, then asks for the deadline. When a deadline passes it
/// hands in [`Input::Timeout`].
pub trait Process {
    /// Takes one thing in.
    fn handle(&mut self, input: Input, at: Duration);
    /// Gives the next thing to do.
    fn poll_output(&mut self) -> Option<Output>;
    /// When to be called with [`Input::Timeout`] if nothing else happens before.
    fn poll_deadline(&self) -> Option<Duration>;
    /// How the process is, as its operating system would tell.
    fn health(&self) -> Health;
    /// The peer id that it tells trackers; `None` if it tells them nothing.
    fn announced(&self) -> Option<PeerId> {
        None
    }
}

/// What happens to a process. Connection numbers of accepted connections are chosen by the host
/// and even; those of dialled ones by the process (in [`Output::Connect`]) and odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Somebody connected to us.
    Accepted {
        /// Number of the connection.
        conn: u32,
        /// Address of the other end.
        remote: SocketAddr,
    },
    /// A connection that we dialled stands.
    Connected {
        /// Number of the connection.
        conn: u32,
    },
    /// A connection that we dialled was refused or not answered.
    ConnectFailed {
        /// Number of the connection.
        conn: u32,
    },
    /// Bytes arrived, cut as the network pleased.
    Bytes {
        /// Number of the connection.
        conn: u32,
        /// The bytes.
        bytes: Bytes,
    },
    /// The other end sends no more (FIN).
    Eof {
        /// Number of the connection.
        conn: u32,
    },
    /// The other end reset the connection (RST), or writing to it failed.
    Reset {
        /// Number of the connection.
        conn: u32,
    },
    /// The other end does not read what we send: buffers are full.
    Full {
        /// Number of the connection.
        conn: u32,
    },
    /// It reads again.
    Drained {
        /// Number of the connection.
        conn: u32,
    },
    /// A deadline passed.
    Timeout,
    /// The operator asks to connect to somebody (`add-peer`).
    Dial {
        /// Whom.
        remote: SocketAddr,
        /// The peer id that a tracker says they have.
        expected: Option<PeerId>,
    },
    /// Any other verb of the operator: `slots N`, `pause`, `resume`, `recheck`, `restart`,
    /// `super-seed`.
    Verb {
        /// Name and arguments.
        argv: Vec<String>,
    },
}

/// What a process does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Writes to a connection.
    Bytes {
        /// Number of the connection.
        conn: u32,
        /// The bytes, in one write.
        bytes: Bytes,
    },
    /// Closes a connection in order: what was written before is delivered.
    Fin {
        /// Number of the connection.
        conn: u32,
    },
    /// Resets a connection: what was not delivered is lost.
    Rst {
        /// Number of the connection.
        conn: u32,
    },
    /// Dials; answered by [`Input::Connected`] or [`Input::ConnectFailed`].
    Connect {
        /// Number that the connection will have, odd.
        conn: u32,
        /// Whom.
        remote: SocketAddr,
    },
    /// Stops listening: later connects are refused.
    StopAccepting,
    /// Says whether the last [`Input::Verb`] was understood.
    VerbDone {
        /// 0 done, 64 unknown, else failed.
        code: i32,
    },
    /// The process was ended and started again: all its connections are reset, and it listens.
    Restarted,
    /// Ends the process; all its connections are reset.
    Exit(i32),
    /// Something a library user may want to know.
    Event(PeerEvent),
}

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Exit code, once it has ended.
    pub exited: Option<i32>,
    /// Bytes it holds for buffers and pieces, as it counts itself.
    pub resident: u64,
    /// Open connections.
    pub connections: usize,
}

impl Health {
    /// Whether the process still runs.
    pub fn alive(&self) -> bool {
        self.exited.is_none()
    }
}
