//! One connection as the reference peer sees it: both handshakes, both halves, what is owed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;

use super::event::RequestId;
use super::exchange::Told;
use super::extension::Extension;
use super::stats::Stats;
use crate::torrent::PieceSet;
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{BlockRef, FrameDecoder, Handshake, HandshakeDecoder, PeerId};

/// How far a connection is.
///
/// ```text
/// Dialling ──connected──▶ Handshaking ──68 bytes──▶ Open ──▶ (removed)
///    └──────────── failed, timed out, closed ────────────────▲
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// We dialled and wait.
    Dialling,
    /// Their handshake is not complete.
    Handshaking,
    /// Messages flow.
    Open,
}

/// Choke and interest of one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfState {
    /// This end answers no requests.
    pub choking: bool,
    /// This end wants pieces.
    pub interested: bool,
}

impl Default for HalfState {
    /// BEP 3: "Connections start out choked and not interested."
    fn default() -> Self {
        Self {
            choking: true,
            interested: false,
        }
    }
}

/// What both handshakes have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Agreed {
    /// BEP 6.
    pub fast: bool,
    /// BEP 10.
    pub extended: bool,
    /// BEP 5.
    pub dht: bool,
}

/// A request of the other end that waits for its piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// What it asked for.
    pub block: BlockRef,
    /// When it came.
    pub asked: Duration,
    /// Not served before.
    pub ready: Duration,
}

/// A request of ours that waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// What we asked for.
    pub block: BlockRef,
    /// When.
    pub asked: Duration,
    /// Set when a library user asked.
    pub id: Option<RequestId>,
    /// We cancelled it or gave it up; with the fast extension an answer is still owed.
    pub cancelled: bool,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u32,
    /// Counts connections from 1, in the order in which they came.
    pub(super) ordinal: u32,
    pub(super) remote: SocketAddr,
    /// Whether we dialled.
    pub(super) initiator: bool,
    pub(super) opened: Duration,
    pub(super) phase: Phase,
    /// Their handshake as far as it has come.
    pub(super) opening: HandshakeDecoder,
    /// Whether ours is on its way.
    pub(super) greeted: bool,
    /// Whether ours was sent.
    pub(super) said: bool,
    /// What we have was told behind our handshake, before theirs.
    pub(super) announced: bool,
    /// What they were told of other peers.
    pub(super) pex: Told,
    /// The peer id that they should have, if anybody told.
    pub(super) expected: Option<PeerId>,
    pub(super) theirs: Option<Handshake>,
    pub(super) frames: FrameDecoder,
    /// Bytes of the stream still to be thrown away (a defect).
    pub(super) skip: usize,
    /// What arrives is not looked at any more (a defect).
    pub(super) deaf: bool,
    pub(super) eof: bool,
    pub(super) offset: u64,
    pub(super) agreed: Agreed,
    pub(super) us: HalfState,
    pub(super) them: HalfState,
    pub(super) last_sent: Duration,
    pub(super) last_received: Duration,
    /// Written at the end of the turn.
    pub(super) out: BytesMut,
    /// No write before that one: keeps paced writes in order.
    pub(super) out_clock: Duration,
    /// Whether what is put together is about to be written.
    pub(super) flushing: bool,
    // What they have and said.
    pub(super) their_pieces: PieceSet,
    pub(super) availability_seen: bool,
    /// How many of their pieces we lack.
    pub(super) wanted: u32,
    pub(super) their_ids: BTreeMap<String, u8>,
    pub(super) their_extended: Option<ExtendedHandshake>,
    pub(super) their_reqq: Option<usize>,
    // Uploading.
    /// What we send is not read: nothing more is served for now.
    pub(super) full: bool,
    pub(super) uploads: VecDeque<Upload>,
    pub(super) interested_since: Duration,
    pub(super) unchoked_since: Duration,
    /// Not unchoked before.
    pub(super) barred_until: Duration,
    pub(super) allowed_to_them: Vec<u32>,
    pub(super) sent_allowed: bool,
    /// Pieces that a super-seed has offered, oldest first.
    pub(super) offered: Vec<u32>,
    // Downloading.
    pub(super) pending: Vec<Pending>,
    /// Requests that a late piece may still answer.
    pub(super) lapsed: VecDeque<(BlockRef, Duration)>,
    pub(super) allowed_to_us: BTreeSet<u32>,
    pub(super) suggested: VecDeque<u32>,
    /// Blocks that were rejected, and until when we do not ask again.
    pub(super) rejected: Vec<(BlockRef, Duration)>,
    pub(super) rejects_in_a_row: u32,
    pub(super) hold_until: Duration,
    pub(super) answered: Duration,
    pub(super) snubbed: bool,
    pub(super) corrupt: u32,
    /// Chokes less unchokes of theirs; only a defect looks at it.
    pub(super) chokes: u32,
    pub(super) cursor: u32,
    pub(super) extensions: Vec<Slot>,
    pub(super) sent_extended: bool,
    pub(super) open_since: Duration,
    /// When the last message came that is no keep-alive.
    pub(super) last_message: Duration,
    // What only defects look at.
    pub(super) burst: Burst,
    /// Segments since the last frame was complete.
    pub(super) segments: u32,
    /// Segments in which the frame came that is being looked at.
    pub(super) frame_segments: u32,
    /// When the frame under way began.
    pub(super) frame_since: Duration,
    /// Pieces that were taken back.
    pub(super) gone: BTreeSet<u32>,
    /// Blocks not served any more.
    pub(super) forgotten: Vec<BlockRef>,
    /// Requests that a defect made up: whatever answers them is welcome.
    pub(super) made_up: Vec<BlockRef>,
    pub(super) stats: Stats,
}

/// Messages that came in one segment, and keep-alives that came at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Burst {
    pub(super) at: Duration,
    pub(super) keep_alives_at_once: u32,
    pub(super) keep_alives: u32,
    pub(super) haves: u32,
    pub(super) metadata: u32,
}

/// An extension at work on one connection.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: &'static str,
    /// Our id for it in `m`.
    pub(super) id: u8,
    /// Taken out while it runs.
    pub(super) extension: Option<Box<dyn Extension>>,
}

impl Connection {
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// The bytes of buffers that this connection holds.
    pub(super) fn resident(&self) -> u64 {
        let buffered = self.frames.buffered().len() + self.out.len();
        let queues = self.uploads.len() * size_of::<Upload>()
            + self.pending.len() * size_of::<Pending>()
            + self.lapsed.len() * size_of::<(BlockRef, Duration)>()
            + self.suggested.len() * size_of::<u32>()
            + self.allowed_to_us.len() * size_of::<u32>();
        (size_of::<Self>() + buffered + queues) as u64
    }

    /// Requests that count against pipeline and `reqq`.
    pub(super) fn in_flight(&self) -> usize {
        self.pending.iter().filter(|p| !p.cancelled).count()
    }

    /// Whether we asked for `block` and an answer is still owed.
    pub(super) fn has_pending(&self, block: &BlockRef) -> bool {
        self.pending.iter().any(|p| p.block == *block)
    }

    /// Whether a request that a defect made up has this answer.
    pub(super) fn answers_made_up(&mut self, fits: impl Fn(&BlockRef) -> bool) -> bool {
        let at = self.made_up.iter().position(fits);
        at.map(|at| self.made_up.swap_remove(at)).is_some()
    }

    /// Their id for an extension; `None` if not offered or switched off.
    pub(super) fn their_id(&self, name: &str) -> Option<u8> {
        self.their_ids.get(name).copied().filter(|id| *id != 0)
    }

    /// The extension with our id `id`.
    pub(super) fn slot(&mut self, id: u8) -> Option<&mut Slot> {
        self.extensions.iter_mut().find(|slot| slot.id == id)
    }

    /// When our oldest request counts as unanswered.
    pub(super) fn request_deadline(&self, timeout: Duration) -> Option<Duration> {
        let oldest = self.pending.iter().find(|p| !p.cancelled)?;
        Some(oldest.asked.max(self.answered) + timeout)
    }
}
