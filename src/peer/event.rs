//! What the reference peer tells its owner.

use std::time::Duration;

use bytes::Bytes;

use crate::wire::extension::ExtendedHandshake;
use crate::wire::{BlockRef, DecodeError, Handshake, Message};

/// Number of a request made through the command API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Something that happened on a connection or in the process.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerEvent {
    /// The other end's handshake is complete.
    Handshake {
        /// Number of the connection.
        conn: u32,
        /// What it said.
        handshake: Handshake,
        /// When, since the process started.
        at: Duration,
    },
    /// An extended handshake arrived; [`ExtendedHandshake::flaws`] says what is odd about it.
    ExtendedHandshake {
        /// Number of the connection.
        conn: u32,
        /// What it said, this time.
        handshake: ExtendedHandshake,
    },
    /// An extended message that does not decode.
    MalformedExtension {
        /// Number of the connection.
        conn: u32,
        /// Bytes behind the id.
        payload: Bytes,
        /// What is wrong.
        error: DecodeError,
    },
    /// An extended message under an id that we have not given.
    UnknownExtension {
        /// Number of the connection.
        conn: u32,
        /// The id.
        ext_id: u8,
        /// Bytes behind the id.
        payload: Bytes,
    },
    /// A message arrived; told only with [`events`](super::Settings::events) switched on.
    Message {
        /// Number of the connection.
        conn: u32,
        /// The message.
        message: Message,
    },
    /// A message of an id that no table row has.
    UnknownMessage {
        /// Number of the connection.
        conn: u32,
        /// Its id.
        id: u8,
        /// Bytes behind the id.
        payload: Bytes,
    },
    /// A frame that is not the message which its id promises.
    Malformed {
        /// Number of the connection.
        conn: u32,
        /// The whole frame, prefix included.
        frame: Bytes,
        /// Where it began in the stream.
        offset: u64,
        /// What is wrong.
        error: DecodeError,
    },
    /// A request of the other end was not served.
    Refused {
        /// Number of the connection.
        conn: u32,
        /// What it asked for.
        block: BlockRef,
        /// Why.
        cause: RefusalCause,
    },
    /// A request made through the command API ended.
    Request {
        /// Number of the connection.
        conn: u32,
        /// Which request.
        id: RequestId,
        /// How.
        outcome: RequestOutcome,
    },
    /// A piece was downloaded and its hash is right.
    PieceVerified {
        /// Zero-based piece index.
        index: u32,
    },
    /// A piece was downloaded and its hash is wrong.
    PieceFailed {
        /// Zero-based piece index.
        index: u32,
    },
    /// All pieces are here.
    Completed,
    /// An extension has something to tell.
    Extension {
        /// Number of the connection.
        conn: u32,
        /// Name of the extension.
        name: &'static str,
        /// What.
        note: ExtensionNote,
    },
    /// A connection ended.
    Closed {
        /// Number of the connection.
        conn: u32,
        /// Why.
        reason: CloseReason,
        /// When, since the process started.
        at: Duration,
    },
}

/// What an extension tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtensionNote {
    /// The info dictionary is complete and its hash is right.
    Metadata(Bytes),
    /// The other end refused a piece of the info dictionary.
    MetadataRefused {
        /// Zero-based 16 KiB piece.
        piece: u32,
    },
    /// The pieces put together do not have the info hash.
    MetadataCorrupt,
    /// Peers that the other end told of: added, dropped.
    Peers {
        /// Addresses to add.
        added: Vec<std::net::SocketAddr>,
        /// Addresses to drop.
        dropped: Vec<std::net::SocketAddr>,
    },
    /// The other end no longer has a piece.
    LostPiece {
        /// Zero-based piece index.
        index: u32,
    },
    /// Anything an extension of a library user says.
    Text(String),
}

/// Why a request of the other end was not served; each cause has its own policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefusalCause {
    /// No such piece.
    PieceOutOfRange,
    /// The block reaches past the end of its piece, or begin and length overflow.
    PastEnd,
    /// Length zero.
    ZeroLength,
    /// Longer than we serve.
    TooLong,
    /// We do not have the piece.
    Missing,
    /// We are choking and the piece is not in the allowed-fast set.
    Choked,
    /// More requests than our `reqq` were waiting.
    QueueFull,
}

/// How a request made through the command API ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The block came.
    Piece(Bytes),
    /// It was rejected (fast extension).
    Rejected,
    /// A choke threw it away (without the fast extension).
    Choked,
    /// We cancelled it, and nothing is owed any more.
    Cancelled,
    /// Nothing came in time.
    TimedOut,
    /// The connection ended.
    Closed,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// We were asked to.
    Local,
    /// The other end closed in order.
    RemoteFin,
    /// The other end reset it, or writing failed.
    RemoteRst,
    /// Our dial was refused or not answered.
    ConnectFailed,
    /// The first 20 bytes are not BitTorrent's.
    NotBitTorrent,
    /// Another info hash.
    UnknownInfoHash,
    /// The other end is ourselves.
    OwnPeerId,
    /// A tracker had told us another peer id.
    UnexpectedPeerId,
    /// We use another tracker now, and the torrent is private (BEP 27).
    OtherTracker,
    /// Another connection has that peer id, and the settings refuse it.
    DuplicatePeerId,
    /// Another connection comes from the same address.
    DuplicateAddress,
    /// The handshake took too long.
    HandshakeTimeout,
    /// Nothing came for too long.
    IdleTimeout,
    /// Requests stayed without an answer for too long.
    RequestTimeout,
    /// A length prefix above the limit.
    FrameTooLong,
    /// The same, and the bytes are those of a second handshake.
    SecondHandshake,
    /// A message of the wrong length, or a payload that does not decode.
    Malformed,
    /// A message of unknown id, where the policy says so.
    UnknownMessage,
    /// A message of an extension that was not negotiated.
    NotNegotiated,
    /// A piece that we never asked for (BEP 6).
    UnrequestedPiece,
    /// A reject for a request that we never sent (BEP 6).
    UnrequestedReject,
    /// A request that the policy answers by closing.
    BadRequest(RefusalCause),
    /// A bitfield of the wrong length or with spare bits, an index out of range, a second
    /// availability message where the policy says so.
    BadAvailability,
    /// Too many pieces with a wrong hash.
    CorruptData,
    /// Both ends have everything.
    Redundant,
    /// The process ended.
    ProcessEnded,
    /// A fault closed it.
    Fault,
}
