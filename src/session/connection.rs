//! The session: one connection, as the tester can know it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::event::{Event, Stand};
use super::ext_ids::ExtIds;
use super::half::Half;
use super::ledger::{Entry, EntryState, Ledger};
use super::pex::PexHeard;
use super::told::{Order, Told};
use crate::torrent::{Geometry, PieceSet, Torrent};
use crate::trace::{CloseHow, ConnId, Dir, Observation, Pending};
use crate::wire::{BlockRef, Capability, ExtendedHandshake, Kind};

/// What a session is told of its connection beforehand.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The connection.
    pub conn: ConnId,
    /// The torrent it is about.
    pub torrent: Torrent,
    /// The tester dialled.
    pub initiator: bool,
}

/// One connection: what each side has said, what is owed, what the target must have read.
///
/// Takes [`Observation`]s of both directions in arrival order and gives an [`Event`] for each,
/// and for deadlines that pass ([`Duty`](super::Duty)).
///
/// **Sent and known.** Whatever the tester changes by a message counts as *sent* at once and as
/// *known* when the target sends something that can only follow from that message or a later one:
///
/// - a piece or reject that answers a request of ours;
/// - ut_metadata data or reject that answers a request of ours;
/// - an extension message with an id from an `m` of ours.
///
/// Each proves that everything up to our message in question was read, because a stream is read in
/// order. Where several of our messages could have caused it, it proves the oldest. Time alone
/// proves nothing.
///
/// **Tainted.** Once the tester has sent bytes whose parse is open (no message, malformed, a wrong
/// length, an id that the target does not know, a message that was not negotiated, another info
/// hash, an end inside a frame), the target may have lost its way or taken it otherwise than we would; events say so.
/// Whether something was negotiated that we sent before the target's handshake, that handshake tells.
#[derive(Debug, Clone)]
pub struct Session {
    pub(super) conn: ConnId,
    pub(super) torrent: Torrent,
    pub(super) geometry: Geometry,
    pub(super) initiator: bool,
    pub(super) ours: Half,
    pub(super) theirs: Half,
    pub(super) our_choke: Told<bool>,
    pub(super) our_interest: Told<bool>,
    pub(super) our_ids: ExtIds,
    pub(super) their_ids: ExtIds,
    /// Pieces that we took back by lt_donthave, and where.
    pub(super) withdrawn: BTreeMap<u32, Order>,
    /// Cancels of ours for what we never requested.
    pub(super) stray_cancels: BTreeSet<BlockRef>,
    /// Our ut_metadata requests that are not answered.
    pub(super) metadata_asked: VecDeque<(i128, Order)>,
    /// We sent a ut_metadata message that is no request for a piece there is, or more requests than
    /// are remembered: what comes back may be the answer to that.
    pub(super) metadata_odd: bool,
    /// What became of our requests since the target's choke, while it lasts.
    pub(super) since_choke: Option<SinceChoke>,
    /// What the target has told of other peers.
    pub(super) pex: PexHeard,
    pub(super) proven: Order,
    pub(super) tainted: bool,
    /// Kinds of messages that the target sent before our handshake.
    pub(super) early: BTreeSet<Kind>,
    /// What messages need that we sent before the target's handshake.
    pub(super) assumed: BTreeSet<Capability>,
    pub(super) closed: Option<(Dir, CloseHow)>,
    pub(super) established_at: Option<Duration>,
    pub(super) timers: Timers,
    pub(super) events: VecDeque<Event>,
    pub(super) now: Duration,
}

/// Answers, behind a choke of the target, to requests that were open and in order when it came;
/// pieces that the target has allowed do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SinceChoke {
    /// Blocks.
    pub served: u32,
    /// Rejects.
    pub rejected: u32,
}

/// Deadlines of the target.
#[derive(Debug, Clone, Default)]
pub(super) struct Timers {
    /// The tester has stopped reading, so that nothing can be late.
    pub(super) paused: bool,
    pub(super) availability: Option<Duration>,
    pub(super) extended: Option<Duration>,
    /// The last time the target was heard, or could be heard again.
    pub(super) heard: Option<Duration>,
    /// The gap since `heard` has been reported.
    pub(super) gap_reported: bool,
    /// The last time a request of ours was answered, or could be again.
    pub(super) answered: Duration,
    /// The oldest entries whose lateness has been reported.
    pub(super) late: BTreeSet<u64>,
}

impl Session {
    /// A connection that has just been opened.
    pub fn new(config: SessionConfig) -> Self {
        let geometry = config.torrent.geometry();
        Self {
            conn: config.conn,
            geometry,
            torrent: config.torrent,
            initiator: config.initiator,
            ours: Half::new(geometry.pieces()),
            theirs: Half::new(geometry.pieces()),
            our_choke: Told::new(true),
            our_interest: Told::new(false),
            our_ids: ExtIds::default(),
            their_ids: ExtIds::default(),
            withdrawn: BTreeMap::new(),
            stray_cancels: BTreeSet::new(),
            metadata_asked: VecDeque::new(),
            metadata_odd: false,
            since_choke: None,
            pex: PexHeard::default(),
            proven: 0,
            tainted: false,
            early: BTreeSet::new(),
            assumed: BTreeSet::new(),
            closed: None,
            established_at: None,
            timers: Timers::default(),
            events: VecDeque::new(),
            now: Duration::ZERO,
        }
    }

    /// Takes in what was seen on the connection, in either direction.
    pub fn handle(&mut self, observation: &Observation) {
        self.now = self.now.max(observation.at);
        self.overdue(observation.at, false);
        self.observe(observation);
    }

    /// Takes in that it is `at` now.
    pub fn handle_timeout(&mut self, at: Duration) {
        self.now = self.now.max(at);
        self.overdue(at, true);
    }

    /// Takes in that the tester stops or resumes reading the connection. While it does not read,
    /// the target cannot be late; afterwards it gets its full time again.
    pub fn handle_reading(&mut self, reading: bool, at: Duration) {
        self.now = self.now.max(at);
        self.pause(!reading, at);
    }

    /// Takes in that a frame of the tester has begun and is not complete. One that announces more
    /// than any message has taints the connection: who takes the prefix otherwise reads on.
    pub fn handle_pending(&mut self, pending: &Pending) {
        let metadata = self.torrent.metainfo().info_bytes().len();
        let limit = frame_limit(&self.geometry, u64::try_from(metadata).unwrap_or(u64::MAX));
        if pending.announced.is_some_and(|announced| announced > limit) {
            self.tainted = true;
        }
    }

    /// Takes in that the tester leaves a frame unfinished on purpose: from here on only absolute
    /// rules judge, as behind any bytes whose reading is open.
    pub fn handle_open_frame(&mut self) {
        self.tainted |= self.established_at.is_some();
    }

    /// What the observations meant; call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) if nothing is seen before.
    pub fn poll_deadline(&self) -> Option<Duration> {
        self.next_deadline()
    }

    /// The connection.
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// The torrent it is about.
    pub fn torrent(&self) -> &Torrent {
        &self.torrent
    }

    /// How the torrent falls into pieces.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The tester dialled.
    pub fn initiator(&self) -> bool {
        self.initiator
    }

    /// What the tester has said of itself.
    pub fn ours(&self) -> &Half {
        &self.ours
    }

    /// What the target has said of itself.
    pub fn theirs(&self) -> &Half {
        &self.theirs
    }

    /// Both handshakes offer the capability.
    pub fn negotiated(&self, capability: Capability) -> bool {
        match (&self.ours.handshake, &self.theirs.handshake) {
            (Some(ours), Some(theirs)) => ours.reserved.and(&theirs.reserved).has(capability),
            _ => false,
        }
    }

    /// The fast extension is negotiated (BEP 6).
    pub fn fast(&self) -> bool {
        self.negotiated(Capability::Fast)
    }

    /// The extension protocol is negotiated (BEP 10).
    pub fn extended(&self) -> bool {
        self.negotiated(Capability::Extended)
    }

    /// Both sides offer a DHT node (BEP 5).
    pub fn dht(&self) -> bool {
        self.negotiated(Capability::Dht)
    }

    /// When both handshakes were complete.
    pub fn established_at(&self) -> Option<Duration> {
        self.established_at
    }

    /// The target has sent a message of this kind before the tester's handshake was there.
    pub fn was_early(&self, kind: Kind) -> bool {
        self.early.contains(&kind)
    }

    /// The target is choking the tester.
    pub fn target_choking(&self) -> bool {
        self.theirs.choking
    }

    /// The target is interested.
    pub fn target_interested(&self) -> bool {
        self.theirs.interested
    }

    /// The tester's last word to the target is choke.
    pub fn choking_sent(&self) -> bool {
        *self.our_choke.sent()
    }

    /// Choke by the last word of the tester that the target has provably read.
    pub fn choking_known(&self) -> bool {
        *self.our_choke.known()
    }

    /// The tester's choke towards the target, sent and known.
    pub fn our_choke(&self) -> &Told<bool> {
        &self.our_choke
    }

    /// The tester's interest, sent and known.
    pub fn our_interest(&self) -> &Told<bool> {
        &self.our_interest
    }

    /// The pieces that the target has, by its own words.
    pub fn target_has(&self) -> &PieceSet {
        &self.theirs.has
    }

    /// The target has sent a bitfield, have_all or have_none.
    pub fn availability_seen(&self) -> bool {
        self.theirs.availabilities > 0
    }

    /// The ids that the tester has given.
    pub fn our_ids(&self) -> &ExtIds {
        &self.our_ids
    }

    /// The ids that the target has given.
    pub fn their_ids(&self) -> &ExtIds {
        &self.their_ids
    }

    /// The id with which to send messages of this extension to the target.
    pub fn ext_id_theirs(&self, name: &str) -> Option<u8> {
        self.their_ids.id(name)
    }

    /// The id with which the target is to send messages of this extension.
    pub fn ext_id_ours(&self, name: &str) -> Option<u8> {
        self.our_ids.id(name)
    }

    /// The target's last extension handshake that could be read.
    pub fn their_extended(&self) -> Option<&ExtendedHandshake> {
        self.theirs.extended.as_ref()
    }

    /// What the target has told of other peers (BEP 11).
    pub fn their_pex(&self) -> &PexHeard {
        &self.pex
    }

    /// The tester's requests.
    pub fn ledger_ours(&self) -> &Ledger {
        &self.ours.requests
    }

    /// The target's requests.
    pub fn ledger_theirs(&self) -> &Ledger {
        &self.theirs.requests
    }

    /// The tester's requests that the target has to answer still: with the fast extension every
    /// one, without it those that were neither cancelled nor met by a choke. Requests against the
    /// rules are left out.
    pub fn owed(&self) -> impl Iterator<Item = &Entry> {
        let fast = self.fast();
        let choking = self.theirs.choking;
        self.ours
            .requests
            .live()
            .filter(move |e| !e.marks.any() && (fast || (!choking && e.state == EntryState::Open)))
    }

    /// The pieces that the target has allowed by allowed_fast.
    pub fn allowed_fast(&self) -> &[u32] {
        &self.theirs.allowed_fast
    }

    /// What became of our requests since the target's choke; `None` while it does not choke us.
    pub fn since_choke(&self) -> Option<SinceChoke> {
        self.since_choke
    }

    /// The tester has sent something whose parse by the target is open.
    pub fn tainted(&self) -> bool {
        self.tainted
    }

    /// How the connection ended first, and by whom.
    pub fn closed(&self) -> Option<(Dir, CloseHow)> {
        self.closed
    }

    /// The target has read everything that the tester sent up to this place in its stream.
    pub fn proven(&self) -> Order {
        self.proven
    }

    /// The tester has a ut_metadata request open.
    pub fn metadata_owed(&self) -> bool {
        !self.metadata_asked.is_empty()
    }

    /// The tester has sent a ut_metadata message that is no request for a piece there is.
    pub fn metadata_odd(&self) -> bool {
        self.metadata_odd
    }

    /// Piece `index` can be requested from the tester as far as the target may know: announced, and
    /// not taken back for sure.
    pub(super) fn announced_by_us(&self, index: u32) -> Stand {
        if !self.ours.announced.get(index) {
            return Stand::Wrong;
        }
        match self.withdrawn.get(&index) {
            None => Stand::Right,
            Some(order) if *order > self.proven => Stand::Crossing,
            Some(_) => Stand::Wrong,
        }
    }

    pub(super) fn half(&self, dir: Dir) -> &Half {
        match dir {
            Dir::Sent => &self.ours,
            Dir::Received => &self.theirs,
        }
    }

    pub(super) fn half_mut(&mut self, dir: Dir) -> &mut Half {
        match dir {
            Dir::Sent => &mut self.ours,
            Dir::Received => &mut self.theirs,
        }
    }

    pub(super) fn ids(&self, dir: Dir) -> &ExtIds {
        match dir {
            Dir::Sent => &self.our_ids,
            Dir::Received => &self.their_ids,
        }
    }

    /// The target has read everything that the tester sent up to `order`.
    pub(super) fn prove(&mut self, order: Order) {
        if order <= self.proven {
            return;
        }
        self.proven = order;
        self.our_choke.prove(order);
        self.our_interest.prove(order);
        self.our_ids.prove(order);
    }
}

/// Largest body of a frame that is decoded (DESIGN 11): a MiB, or what a bitfield or the
/// offered metadata needs.
pub fn frame_limit(geometry: &Geometry, metadata_len: u64) -> u32 {
    let bitfield = u32::try_from(geometry.bitfield_len()).unwrap_or(u32::MAX);
    let metadata = u32::try_from(metadata_len).unwrap_or(u32::MAX);
    FRAME_LIMIT
        .max(bitfield.saturating_add(1))
        .max(metadata.saturating_add(METADATA_OVERHEAD))
}

/// A frame of a MiB is 64 times what any client asks for.
const FRAME_LIMIT: u32 = 1 << 20;
/// Ids and dictionary before the bytes of a metadata message, generously.
const METADATA_OVERHEAD: u32 = 1024;
