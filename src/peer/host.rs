//! The process: its connections, its timers, its turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::config::{PeerConfig, Role, Settings};
use super::connection::{Burst, Connection, HalfState, Phase, Slot};
use super::event::{CloseReason, ExtensionNote, PeerEvent, RequestOutcome};
use super::extension::{ExtensionFactory, Link, LinkAction};
use super::fault::{Defects, Quirk, What, Wire};
use super::metadata::Metadata;
use super::pex::{DontHave, Pex};
use super::process::{Health, Input, Output, Process};
use super::rng::Rng;
use super::stats::Stats;
use super::store::Store;
use crate::torrent::{PieceSet, Torrent};
use crate::wire::{BlockRef, FrameDecoder, Handshake, HandshakeDecoder, PeerId, Reserved};

/// The reference peer: one process that hosts many connections for one torrent.
///
/// Feed it through [`Process`]. A library user steers it with the commands, which take the time as
/// their last argument, and learns what happened from [`PeerEvent`]s.
pub struct Peer {
    /// What it was started from.
    config: Box<PeerConfig>,
    pub(super) torrent: Torrent,
    pub(super) settings: Settings,
    pub(super) role: Role,
    pub(super) listen: SocketAddr,
    pub(super) peer_id: PeerId,
    pub(super) reserved: Reserved,
    pub(super) defects: Defects,
    pub(super) rng: Rng,
    pub(super) now: Duration,
    pub(super) connections: BTreeMap<u32, Connection>,
    pub(super) store: Store,
    pub(super) factories: Vec<Factory>,
    pub(super) stats: Stats,
    pub(super) paused: bool,
    /// Whether the operator wants the content; a partial seed otherwise.
    pub(super) selected: bool,
    pub(super) rotating: bool,
    pub(super) next_request: u64,
    pub(super) state: State,
    pub(super) timers: BTreeMap<(Duration, u64), Timer>,
    pub(super) next_timer: u64,
    outputs: VecDeque<Output>,
    next_dial: u32,
    ordinal: u32,
    /// Inputs of connections that must wait (a defect).
    pub(super) stalled: VecDeque<(u32, Input)>,
    /// Connections that failed before their handshake (a defect looks).
    failures: u32,
    /// Extension ids of whoever spoke last (a defect).
    pub(super) shared_ids: BTreeMap<String, u8>,
    /// Metadata that somebody sent unasked (a defect).
    pub(super) planted: Option<Bytes>,
    /// The first ids of each peer, and the connection on which it gave them (a defect).
    pub(super) kept_ids: BTreeMap<PeerId, (u32, BTreeMap<String, u8>)>,
    /// Pieces of metadata about to be sent, and when (a defect).
    pub(super) answering: Vec<(i128, Duration)>,
    /// Connections whose other end has closed and may still read (a defect).
    half_closed: BTreeSet<u32>,
    /// Contacts that others have told of (a defect).
    pub(super) hearsay: BTreeSet<SocketAddr>,
    /// Whether anybody was ever unchoked (a defect).
    pub(super) ever_unchoked: bool,
    /// Whether a have named a piece that no torrent can have (a defect).
    pub(super) huge_have: bool,
}

/// An extension that new connections get.
pub(super) struct Factory {
    pub(super) name: &'static str,
    pub(super) id: u8,
    pub(super) make: ExtensionFactory,
}

/// Whether the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    /// Alive, and does nothing any more (a defect).
    Hung,
    Exited(i32),
}

/// Something that waits for its time.
#[derive(Debug, Clone)]
pub(super) enum Timer {
    Write(u32, Bytes),
    Fin(u32),
    Greet(u32),
    Extended(u32),
    FirstMessages(u32),
    Flush(u32),
    Unchoke(u32),
    Interest(u32),
    Reject(u32, BlockRef),
    Rotate,
    Say(u32, Vec<Wire>),
    /// No message may have come by now (a defect).
    FirstMessage(u32),
    /// The other end's extended handshake should be here (a defect).
    SpeakEarly(u32),
    /// The other end has closed and may still read (a defect).
    HalfClosed(u32),
    /// A connection hears of the others.
    Pex(u32),
    /// Our handshake on a dial is due (a defect).
    Hesitate(u32),
    /// Nothing but a turn.
    Turn,
}

impl Peer {
    /// A process that has just started.
    pub fn new(config: PeerConfig) -> Self {
        let kept = Box::new(config.clone());
        let PeerConfig {
            torrent,
            role,
            mut settings,
            reserved,
            peer_id,
            faults,
            seed,
            listen,
        } = config;
        let defects = Defects::new(faults);
        defects.settings(&mut settings);
        let mut rng = Rng::new(seed);
        let mut peer_id = peer_id.unwrap_or_else(|| rng.peer_id());
        if defects.has(Quirk::UnconventionalPeerId) {
            peer_id.0.iter_mut().for_each(|byte| *byte |= 0x80);
        }
        let store = Store::new(torrent.clone(), role == Role::Seed, settings.block_len);
        let mut peer = Self {
            config: kept,
            stats: Stats::new(settings.speed_window),
            torrent,
            settings,
            role,
            listen,
            peer_id,
            reserved,
            defects,
            rng,
            now: Duration::ZERO,
            connections: BTreeMap::new(),
            store,
            factories: Vec::new(),
            paused: false,
            selected: true,
            rotating: false,
            next_request: 0,
            state: State::Running,
            timers: BTreeMap::new(),
            next_timer: 0,
            outputs: VecDeque::new(),
            next_dial: 1,
            ordinal: 0,
            stalled: VecDeque::new(),
            failures: 0,
            shared_ids: BTreeMap::new(),
            planted: None,
            kept_ids: BTreeMap::new(),
            answering: Vec::new(),
            half_closed: BTreeSet::new(),
            hearsay: BTreeSet::new(),
            ever_unchoked: false,
            huge_have: false,
        };
        peer.add_own_extensions();
        peer
    }

    /// Ends and starts again: with what it was started from, but for what its choices come from.
    pub(super) fn start_anew(&mut self) {
        let mut config = PeerConfig::clone(&self.config);
        config.seed = config.seed.wrapping_add(1);
        let now = self.now;
        *self = Self::new(config);
        self.now = now;
        self.output(Output::Restarted);
    }

    fn add_own_extensions(&mut self) {
        let fetches = self.settings.fetch_metadata;
        let timeout = self.settings.request_timeout;
        let (delay, limit) = (self.settings.metadata_delay, self.settings.metadata_limit);
        let careless = self.defects.has(Quirk::DialsPrivateContacts);
        let own: [(&'static str, ExtensionFactory); 3] = [
            (
                "ut_metadata",
                Box::new(move || {
                    Box::new(Metadata::new(true, fetches, timeout).paced(delay, limit))
                }),
            ),
            ("ut_pex", Box::new(move || Box::new(Pex { careless }))),
            ("lt_donthave", Box::new(|| Box::new(DontHave))),
        ];
        for ((name, make), id) in own.into_iter().zip(1_u8..) {
            self.factories.push(Factory { name, id, make });
        }
    }

    /// What has come since the process started, and when.
    pub(super) fn take_in(&mut self, input: Input) {
        if let Some(conn) = conn_of(&input)
            && !self.defects.is_empty()
            && self.must_wait(conn, &input)
        {
            self.stalled.push_back((conn, input));
            return;
        }
        match input {
            Input::Accepted { conn, remote } => self.accepted(conn, remote),
            Input::Connected { conn } => self.connected(conn),
            Input::ConnectFailed { conn } => self.drop_connection(conn, CloseReason::ConnectFailed),
            Input::Bytes { conn, bytes } => self.received(conn, bytes),
            Input::Eof { conn } => self.ended(conn),
            Input::Reset { conn } => {
                if !self.react(conn, What::Reset) {
                    self.forget_reset(conn);
                    self.drop_connection(conn, CloseReason::RemoteRst);
                }
            }
            Input::Full { conn } => self.set_full(conn, true),
            Input::Drained { conn } => self.set_full(conn, false),
            Input::Timeout => {}
            Input::Dial { remote, expected } => {
                let conn = self.connect(remote);
                if let Some(c) = self.connections.get_mut(&conn) {
                    c.expected = expected;
                }
            }
            Input::Verb { argv } => {
                let code = self.verb(&argv);
                self.output(Output::VerbDone { code });
            }
        }
    }

    fn accepted(&mut self, conn: u32, remote: SocketAddr) {
        if self.is_full_up() {
            self.output(Output::Rst { conn });
            if self.defects.has(Quirk::DiesWhenFull) {
                self.exit(DEFECT_EXIT);
            }
            return;
        }
        let ignored = self.defects.most_connections();
        let ignored = ignored.is_some_and(|most| self.connections.len() >= most);
        self.add_connection(conn, remote, false);
        if let Some(c) = self.connections.get_mut(&conn).filter(|_| ignored) {
            c.deaf = true;
        }
        if self.react(conn, What::Accepted) {
            return;
        }
        if self.settings.reply_after == 0 {
            self.greet(conn);
        }
    }

    fn connected(&mut self, conn: u32) {
        let now = self.now;
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        c.phase = Phase::Handshaking;
        c.opened = now;
        c.last_received = now;
        c.last_sent = now;
        if self.defects.has(Quirk::DialsHesitating) {
            self.timer(now + HESITATION, Timer::Hesitate(conn));
        } else if !self.defects.has(Quirk::DialsWaiting) {
            self.greet(conn);
        }
    }

    /// Whether there is no room for another connection.
    fn is_full_up(&self) -> bool {
        self.connections.len() >= self.settings.max_connections
    }

    /// Dials. The number of the connection is odd.
    pub(super) fn connect(&mut self, remote: SocketAddr) -> u32 {
        let conn = self.next_dial;
        self.next_dial = self.next_dial.wrapping_add(2);
        self.add_connection(conn, remote, true);
        self.output(Output::Connect { conn, remote });
        conn
    }

    fn add_connection(&mut self, id: u32, remote: SocketAddr, initiator: bool) {
        self.ordinal += 1;
        let pieces = self.torrent.geometry().pieces();
        let cursor = self.rng.below(pieces.max(1));
        let extensions = self.factories.iter().map(|factory| Slot {
            name: factory.name,
            id: factory.id,
            extension: Some((factory.make)()),
        });
        let connection = Connection {
            id,
            ordinal: self.ordinal,
            remote,
            initiator,
            opened: self.now,
            phase: if initiator {
                Phase::Dialling
            } else {
                Phase::Handshaking
            },
            opening: HandshakeDecoder::new(),
            greeted: false,
            said: false,
            announced: false,
            expected: None,
            pex: Default::default(),
            theirs: None,
            frames: FrameDecoder::new(self.settings.frame_limit),
            skip: 0,
            deaf: false,
            eof: false,
            offset: 0,
            agreed: Default::default(),
            us: HalfState::default(),
            them: HalfState::default(),
            last_sent: self.now,
            last_received: self.now,
            out: BytesMut::new(),
            out_clock: self.now,
            their_pieces: PieceSet::none(pieces),
            flushing: false,
            availability_seen: false,
            wanted: 0,
            their_ids: BTreeMap::new(),
            their_extended: None,
            their_reqq: None,
            uploads: VecDeque::new(),
            interested_since: self.now,
            unchoked_since: self.now,
            barred_until: Duration::ZERO,
            allowed_to_them: Vec::new(),
            sent_allowed: false,
            offered: Vec::new(),
            pending: Vec::new(),
            lapsed: VecDeque::new(),
            allowed_to_us: Default::default(),
            suggested: VecDeque::new(),
            rejected: Vec::new(),
            rejects_in_a_row: 0,
            hold_until: Duration::ZERO,
            answered: Duration::ZERO,
            snubbed: false,
            corrupt: 0,
            chokes: 0,
            open_since: self.now,
            burst: Burst::default(),
            last_message: self.now,
            segments: 0,
            frame_segments: 0,
            frame_since: self.now,
            gone: BTreeSet::new(),
            forgotten: Vec::new(),
            made_up: Vec::new(),
            full: false,
            cursor,
            extensions: extensions.collect(),
            sent_extended: false,
            stats: Stats::new(self.settings.speed_window),
        };
        self.connections.insert(id, connection);
    }

    // Ends of connections.

    /// Closes in order: what was written is delivered.
    pub(super) fn close(&mut self, conn: u32, reason: CloseReason) {
        self.write(conn);
        let Some(c) = self.connections.get(&conn) else {
            return;
        };
        let (dialling, clock) = (c.phase == Phase::Dialling, c.out_clock);
        if !dialling {
            if self.settings.close_with_reset {
                self.output(Output::Rst { conn });
            } else if clock > self.now {
                self.timer(clock, Timer::Fin(conn));
            } else {
                self.output(Output::Fin { conn });
            }
        }
        self.drop_connection(conn, reason);
    }

    /// Resets: what was not delivered is lost.
    pub(super) fn reset_connection(&mut self, conn: u32, reason: CloseReason) {
        if self.connections.contains_key(&conn) {
            self.output(Output::Rst { conn });
            self.drop_connection(conn, reason);
        }
    }

    /// Forgets a connection that is no more, and settles what it owed.
    pub(super) fn drop_connection(&mut self, conn: u32, reason: CloseReason) {
        if self.defects.has(Quirk::DialsCutPortLater) {
            self.dial_cut_port(conn);
        }
        let Some(c) = self.connections.remove(&conn) else {
            return;
        };
        for pending in &c.pending {
            self.store.released(conn, &pending.block);
            if let Some(id) = pending.id {
                let outcome = RequestOutcome::Closed;
                self.event(PeerEvent::Request { conn, id, outcome });
            }
        }
        self.store.forget(conn);
        let at = self.now;
        self.event(PeerEvent::Closed { conn, reason, at });
        if c.phase == Phase::Handshaking && c.opening.needed() == Handshake::LEN {
            self.failures += 1;
            if self.failures >= 3 && self.defects.has(Quirk::StopsAfterFailures) {
                self.state = State::Hung;
            }
        }
    }

    /// The other end sends no more. What it asked for before is still served.
    fn ended(&mut self, conn: u32) {
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        c.eof = true;
        let rest = match c.phase {
            Phase::Open => Bytes::copy_from_slice(c.frames.buffered()),
            _ => c.opening.raw(),
        };
        if self.react(conn, What::Eof(&rest)) {
            return;
        }
        self.use_partial_frame(conn, &rest);
        let open = self.connections.get(&conn).is_some_and(Connection::is_open);
        if self.defects.has(Quirk::DiesOfHalfClose) && open && rest.is_empty() {
            // Writing shows whether the other end still reads: a reset comes back otherwise.
            self.half_closed.insert(conn);
            self.keep_alive(conn);
            self.timer(self.now + HALF_CLOSE_CHECK, Timer::HalfClosed(conn));
        }
    }

    /// Ends connections whose other end has ended and that have nothing left to say.
    fn close_ended(&mut self, conn: u32) {
        let done = self
            .connections
            .get(&conn)
            .is_some_and(|c| c.eof && c.uploads.is_empty());
        let waits = self.half_closed.contains(&conn);
        if done && !waits {
            self.close(conn, CloseReason::RemoteFin);
        }
    }

    /// Ends the process.
    pub(super) fn exit(&mut self, code: i32) {
        self.outputs.retain(|o| matches!(o, Output::Event(_)));
        self.timers.clear();
        self.connections.clear();
        self.stalled.clear();
        self.state = State::Exited(code);
        self.outputs.push_back(Output::Exit(code));
    }

    /// Connections so far.
    pub(super) fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// What follows from everything that came in: pieces, requests, slots, writes.
    fn settle(&mut self) {
        for conn in self.ids() {
            self.serve(conn);
            self.close_ended(conn);
        }
        self.fill_slots();
        for conn in self.ids() {
            self.pump(conn);
        }
        for conn in self.ids() {
            self.flush(conn);
        }
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        self.connections.keys().copied().collect()
    }

    /// A turn for a command of a library user: time goes on, and what follows is done.
    pub(super) fn turn<T>(&mut self, at: Duration, act: impl FnOnce(&mut Self) -> T) -> T {
        self.now = self.now.max(at);
        let result = act(self);
        self.settle();
        result
    }

    // Outputs.

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn event(&mut self, event: PeerEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    // Extensions.

    /// Runs one hook of one extension, then does what it asked for.
    pub(super) fn with_extension(
        &mut self,
        conn: u32,
        id: u8,
        hook: impl FnOnce(&mut dyn super::Extension, &mut Link<'_>),
    ) {
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let Some(slot) = c.slot(id) else {
            return;
        };
        let name = slot.name;
        let Some(mut extension) = slot.extension.take() else {
            return;
        };
        let mut link = Link {
            now: self.now,
            torrent: &self.torrent,
            remote: c.remote,
            initiator: c.initiator,
            agreed: c.agreed,
            their_id: c.their_id(name),
            done: Vec::new(),
        };
        hook(extension.as_mut(), &mut link);
        let done = std::mem::take(&mut link.done);
        if let Some(slot) = c.slot(id) {
            slot.extension = Some(extension);
        }
        for action in done {
            match action {
                LinkAction::Send(payload) => self.send_extension(conn, name, payload),
                LinkAction::Note(note) => {
                    if let ExtensionNote::Peers { added, .. } = &note {
                        self.dial_contacts(added);
                    }
                    self.event(PeerEvent::Extension { conn, name, note });
                }
                LinkAction::LostPiece(index) => self.lost_piece(conn, index),
                LinkAction::Close => self.close(conn, CloseReason::Local),
            }
        }
    }
}

impl Process for Peer {
    fn handle(&mut self, input: Input, at: Duration) {
        if self.state != State::Running {
            return;
        }
        self.now = self.now.max(at);
        self.run_due();
        if self.state == State::Running {
            self.take_in(input);
        }
        if self.state == State::Running && !self.stalled.is_empty() {
            self.release_stalled();
        }
        if self.state == State::Running {
            self.settle();
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_deadline(&self) -> Option<Duration> {
        if self.state != State::Running {
            return None;
        }
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        let connections = self.connections.values();
        connections
            .filter_map(|c| self.deadline_of(c))
            .chain(timer)
            .min()
    }

    fn health(&self) -> Health {
        let connections = self.connections.values();
        let exited = match self.state {
            State::Exited(code) => Some(code),
            State::Running | State::Hung => None,
        };
        Health {
            exited,
            resident: BASE_RESIDENT
                + self.leaked()
                + self.store.resident()
                + connections.map(Connection::resident).sum::<u64>(),
            connections: self.connections.len(),
        }
    }

    fn announced(&self) -> Option<PeerId> {
        if self.defects.has(Quirk::AnnouncesAnotherId) {
            let mut id = self.peer_id;
            id.0.reverse();
            return Some(id);
        }
        Some(self.peer_id)
    }
}

fn conn_of(input: &Input) -> Option<u32> {
    match input {
        Input::Accepted { conn, .. }
        | Input::Connected { conn }
        | Input::ConnectFailed { conn }
        | Input::Bytes { conn, .. }
        | Input::Eof { conn }
        | Input::Reset { conn }
        | Input::Full { conn }
        | Input::Drained { conn } => Some(*conn),
        Input::Timeout | Input::Dial { .. } | Input::Verb { .. } => None,
    }
}

/// An address for configurations that do not listen.
pub(super) const NOWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Exit code of a process that a defect ends.
pub(super) const DEFECT_EXIT: i32 = 101;

/// How long a defect waits before it speaks on a dial.
const HESITATION: Duration = Duration::from_secs(25);

/// How long a defect waits for the reset that an end which is gone sends.
const HALF_CLOSE_CHECK: Duration = Duration::from_secs(3);

/// A process that holds nothing still has some memory.
const BASE_RESIDENT: u64 = 8 * 1024 * 1024;
