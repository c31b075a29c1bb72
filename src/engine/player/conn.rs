//! One connection of a case: its streams, its session, where its cursor stands.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::engine::io::ConnectError;
use crate::outcome::{ClosedBy, How};
use crate::scenario::ast::Corrupt;
use crate::session::{Asked, Session, SessionConfig, frame_limit};
use crate::torrent::{PieceSet, Torrent};
use crate::trace::{ConnId, Dir, StreamDecoder};
use crate::wire::Message;

/// Index into the player's list of connections; the tester's number is one more.
pub(super) type Index = usize;

/// The tester's number of a connection.
pub(super) fn id_of(index: Index) -> ConnId {
    ConnId(u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1))
}

/// A connection of the case, from the moment it was asked for.
pub(super) struct Conn {
    pub(super) id: ConnId,
    /// Name in the scenario.
    pub(super) peer: String,
    /// Opened by no step.
    pub(super) internal: bool,
    /// We listen for it, and no step waits for it yet.
    pub(super) listens: bool,
    pub(super) phase: Phase,
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) opened_at: Duration,
    pub(super) session: Session,
    pub(super) received: StreamDecoder,
    pub(super) sent: StreamDecoder,
    /// Nothing can be said about where the target's parser stands: nothing automatic goes out.
    pub(super) opaque: bool,
    /// What the target sends behind its handshake is only counted.
    pub(super) raw: bool,
    /// Bytes given to the loop, and bytes that it has handed to the network.
    pub(super) given: u64,
    pub(super) written: u64,
    /// When the last bytes were given to the loop.
    pub(super) last_given_at: Duration,
    /// Behind the last byte that a step sent, and when that byte was handed to the network.
    pub(super) provocation: u64,
    pub(super) provocation_at: Option<Duration>,
    /// Sends go on without a look at what came.
    pub(super) in_burst: bool,
    /// How we stood when that began.
    before: Before,
    /// First entry of the log that an expectation may look at.
    pub(super) cursor: usize,
    pub(super) closed: Option<Closed>,
    /// The target has ended its side, whoever was first, and the log has it.
    pub(super) target_closed: bool,
    /// The same as soon as it is known: nothing can be sent any more.
    pub(super) gone: bool,
    /// Part of what a step had to send could not be sent.
    pub(super) cut_short: bool,
    /// We have ended ours.
    pub(super) own_closed: bool,
    pub(super) write_failed: bool,
    /// Number of the last log entry that proves life.
    pub(super) life: Option<u64>,
    /// Number of the last thing that a step sent, for the same count.
    pub(super) provoked: u64,
    /// Place of our last message in our stream.
    pub(super) order: u64,
    /// Metadata pieces that we asked for, and where.
    pub(super) metadata_asked: Vec<(i128, u64)>,
    pub(super) serves: PieceSet,
    pub(super) rejects: bool,
    pub(super) unchoke: bool,
    /// Answers of the reference core that wait for a frame boundary, or for their turn.
    pub(super) queue: VecDeque<Message>,
    /// Requests of the target, by number, that came before our latest unchoke.
    pub(super) thrown_out: u64,
    /// Blocks that the reference core spoils.
    pub(super) corrupt: Corrupt,
    /// Time between two answers of the reference core, and when the next may go out.
    pub(super) pace: Duration,
    pub(super) next_answer: Duration,
}

/// What a leech knew of us.
#[derive(Debug)]
struct Before {
    has: PieceSet,
    choking: bool,
}

/// How far a connection has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Asked for.
    Opening,
    /// It never came about.
    Failed(ConnectError),
    /// Bytes flow, or did.
    Open,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) by: ClosedBy,
    pub(super) how: How,
    pub(super) at: Duration,
    /// Bytes that had been handed to the network.
    pub(super) after_sent: u64,
    /// The provocation was written as a whole before.
    pub(super) complete: bool,
}

impl Conn {
    pub(super) fn new(
        id: ConnId,
        peer: &str,
        torrent: &Torrent,
        initiator: bool,
        at: Duration,
    ) -> Self {
        let geometry = torrent.geometry();
        let metadata = torrent.metainfo().info_bytes().len() as u64;
        Self {
            id,
            peer: peer.to_owned(),
            internal: false,
            listens: false,
            phase: Phase::Opening,
            local: None,
            remote: None,
            opened_at: at,
            session: Session::new(SessionConfig {
                conn: id,
                torrent: torrent.clone(),
                initiator,
            }),
            received: StreamDecoder::new(id, Dir::Received, frame_limit(&geometry, metadata)),
            // What we send is ours to choose: no limit.
            sent: StreamDecoder::new(id, Dir::Sent, u32::MAX),
            opaque: false,
            raw: false,
            given: 0,
            written: 0,
            last_given_at: at,
            provocation: 0,
            provocation_at: Some(at),
            in_burst: false,
            before: Before {
                has: PieceSet::none(geometry.pieces()),
                choking: true,
            },
            cursor: 0,
            closed: None,
            target_closed: false,
            gone: false,
            cut_short: false,
            own_closed: false,
            write_failed: false,
            life: None,
            provoked: 0,
            order: 0,
            metadata_asked: Vec::new(),
            serves: PieceSet::none(geometry.pieces()),
            rejects: false,
            unchoke: false,
            queue: VecDeque::new(),
            thrown_out: 0,
            corrupt: Corrupt::None,
            pace: Duration::ZERO,
            next_answer: Duration::ZERO,
        }
    }

    /// Steps send without a look at what comes from now on, until they look.
    pub(super) fn begin_burst(&mut self) {
        self.in_burst = true;
        self.before = Before {
            has: self.session.ours().has().clone(),
            choking: self.session.choking_sent(),
        };
    }

    /// Whether a request of the target shows that it has read what we sent in the latest burst or
    /// behind it. A request may have crossed that, and one that comes again may follow from nothing
    /// but the target's patience.
    pub(super) fn follows_news(&self, asked: &Asked) -> bool {
        let index = asked.entry.block.index;
        let unchoked = self.before.choking && !self.session.choking_sent();
        let told = self.session.ours().has().get(index) && !self.before.has.get(index);
        unchoked || told && !self.repeats(asked)
    }

    /// Whether a request of the target was sent by somebody who still ran when the last bytes of a
    /// step had arrived.
    pub(super) fn shows_life(&self, asked: &Asked) -> bool {
        let provoked = self.provoked_at();
        let crossed = provoked.is_none_or(|at| asked.entry.at < at + CROSSING);
        self.follows_news(asked) || !crossed
    }

    /// Whether the target has asked for the same block before.
    fn repeats(&self, asked: &Asked) -> bool {
        let Asked { entry, .. } = asked;
        let mut entries = self.session.ledger_theirs().entries();
        entries.any(|other| other.block == entry.block && other.id < entry.id)
    }

    /// Bytes can be sent.
    pub(super) fn writable(&self) -> bool {
        self.phase == Phase::Open && !self.own_closed && !self.gone && !self.write_failed
    }

    /// Something automatic may be sent: both handshakes are through and our stream stands between
    /// two frames.
    pub(super) fn between_frames(&self) -> bool {
        self.writable()
            && !self.opaque
            && self.sent.on_boundary()
            && self.session.established_at().is_some()
    }

    /// A probe or an automatic message would be read as such by the target.
    pub(super) fn open(&self) -> bool {
        self.phase == Phase::Open && !self.own_closed && !self.target_closed
    }

    /// When the last byte of the provocation was handed to the network; `None` as long as some of
    /// it was not.
    pub(super) fn provoked_at(&self) -> Option<Duration> {
        let closed = self.target_closed.then_some(self.last_given_at);
        self.provocation_at.or(closed)
    }
}

/// What comes later than this behind a provocation has not crossed it.
const CROSSING: Duration = Duration::from_secs(2);

/// Cuts `bytes` into segments of these sizes, the last one again and again if `repeat`.
pub(super) fn cut(bytes: &Bytes, sizes: &[usize], repeat: bool) -> Vec<Bytes> {
    let mut rest = bytes.clone();
    let mut segments = Vec::new();
    let mut sizes = sizes.iter().copied();
    let mut last = usize::MAX;
    while !rest.is_empty() {
        let size = match sizes.next() {
            Some(size) => {
                last = size;
                size
            }
            None if repeat => last,
            None => usize::MAX,
        };
        segments.push(rest.split_to(size.clamp(1, rest.len())));
    }
    segments
}
