//! Everything that a play knows at a moment. Steps read it and change it; inputs land here first.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::conn::{Closed, Conn, Index, Phase, id_of};
use super::monitor::{Background, Monitor};
use super::seen::Seen;
use super::tally::Tally;
use crate::engine::io::{Action, CloseKind, ConnectError, Health, Input, VerbResult};
use crate::engine::settings::{Calibration, Settings};
use crate::outcome::record::Record;
use crate::outcome::{ClosedBy, How};
use crate::requirement::Role as RuleRole;
use crate::rule::Judge;
use crate::scenario::ast::{Corrupt, Role};
use crate::scenario::{Play, Val};
use crate::session::{AnswerHow, EntryState, Event, EventKind};
use crate::torrent::Torrent;
use crate::trace::{CloseHow, ConnId, Dir, Observation, Recorder, What};
use crate::wire::{BlockRef, ExtensionMessage, Handshake, Kind, Message, PeerId};

/// Variables of a case.
pub(super) type Vars = BTreeMap<String, Val>;

/// The state of a play.
pub(super) struct State {
    pub(super) play: Play,
    pub(super) torrent: Torrent,
    pub(super) settings: Settings,
    pub(super) now: Duration,
    pub(super) stage: Stage,
    pub(super) conns: Vec<Conn>,
    /// What the target sent and did, in order of arrival.
    pub(super) log: Vec<Rc<Seen>>,
    /// Received and not yet in the log: steps look after each entry.
    inbox: VecDeque<Observation>,
    actions: VecDeque<Action>,
    recorder: Recorder,
    pub(super) record: Record,
    pub(super) judge: Judge,
    pub(super) tally: Tally,
    pub(super) monitors: Vec<Monitor>,
    pub(super) backgrounds: Vec<Background>,
    pub(super) vars: Rc<Vars>,
    /// Lists that `append` has filled: they outlive a repeat.
    pub(super) appended: BTreeSet<String>,
    pub(super) labels: BTreeSet<String>,
    /// Pieces that `$fresh` stands for, in the order in which they were asked for.
    pub(super) fresh: RefCell<Vec<u32>>,
    /// Whether the torrent has too few pieces for those that the case asked for.
    pub(super) too_few: Cell<bool>,
    pub(super) interrupt: Option<Interrupt>,
    /// When the script wants to look again at the latest.
    pub(super) wake: Option<Duration>,
    /// The same, set by whoever checks a condition that time alone can fulfil.
    pub(super) nudge: Option<Duration>,
    /// When the case has lasted too long; `None` while nobody counts.
    pub(super) limit: Option<Duration>,
    /// Nothing automatic goes out.
    pub(super) idle: bool,
    pub(super) slowest: Calibration,
    /// What came without being an answer: bytes, messages.
    unasked: (u64, u64),
    /// Bytes that steps have sent.
    pub(super) sent: u64,
    pub(super) verbs: BTreeMap<u32, VerbResult>,
    next_verb: u32,
    pub(super) died: Option<String>,
    /// The latest answer to a question about the target's process.
    pub(super) health: Option<Health>,
    /// Openings of the target that were no BitTorrent handshake.
    pub(super) encrypted: u32,
    /// The peer id that the target gave our tracker.
    pub(super) announced: Option<PeerId>,
    /// The target takes no connection any more.
    pub(super) lost: bool,
    /// A verb has changed the target for good.
    pub(super) altered: bool,
    /// Pieces of which we have sent something: a leech may keep them.
    pub(super) handed_out: BTreeSet<u32>,
    /// What was measured.
    pub(super) observations: BTreeMap<String, serde_json::Value>,
}

/// Parts of a play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Set-up: misses are inconclusive.
    Given,
    /// What judges.
    Steps,
    /// Best effort.
    After,
    /// Liveness, drain, close.
    End,
}

/// What ends the steps from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupt {
    /// The target's process has ended.
    Died,
    /// More came unasked than anybody may send.
    Flood,
    /// The case has lasted too long.
    Limit,
    /// A prohibition was broken; the finding is noted.
    Broken,
}

impl State {
    pub(super) fn new(play: Play, torrent: Torrent, settings: Settings) -> Self {
        let off = play.case.rules_off.iter().map(|off| off.rule.as_str());
        let role = match play.role {
            Role::Seed => RuleRole::Seed,
            Role::Leech => RuleRole::Leech,
        };
        Self {
            judge: Judge::new().with_role(role).without(off),
            tally: Tally::new(&play.case),
            record: Record::new(settings.transcript),
            play,
            torrent,
            settings,
            now: Duration::ZERO,
            stage: Stage::Given,
            conns: Vec::new(),
            log: Vec::new(),
            inbox: VecDeque::new(),
            actions: VecDeque::new(),
            recorder: Recorder::new(),
            monitors: Vec::new(),
            backgrounds: Vec::new(),
            vars: Rc::new(Vars::new()),
            appended: BTreeSet::new(),
            labels: BTreeSet::new(),
            fresh: RefCell::new(Vec::new()),
            too_few: Cell::new(false),
            interrupt: None,
            wake: None,
            nudge: None,
            limit: None,
            idle: false,
            slowest: Calibration::default(),
            unasked: (0, 0),
            sent: 0,
            verbs: BTreeMap::new(),
            next_verb: 1,
            died: None,
            health: None,
            encrypted: 0,
            announced: None,
            lost: false,
            altered: false,
            handed_out: BTreeSet::new(),
            observations: BTreeMap::new(),
        }
    }

    /// Takes in what the loop says. What arrived on connections waits in the inbox.
    pub(super) fn take(&mut self, input: Input, at: Duration) {
        self.now = self.now.max(at);
        match input {
            Input::Connected {
                conn,
                local,
                remote,
            }
            | Input::Accepted {
                conn,
                local,
                remote,
            } => {
                let now = self.now;
                if let Some(known) = self.by_id(conn) {
                    known.phase = Phase::Open;
                    known.local = Some(local);
                    known.remote = Some(remote);
                    known.opened_at = now;
                    known.provocation_at = Some(now);
                    known.last_given_at = now;
                }
                self.record
                    .event(&self.recorder, now, Some(conn), "connected", None);
            }
            Input::Listening { conn, at } => {
                if let Some(known) = self.by_id(conn) {
                    known.local = Some(at);
                }
            }
            Input::Announced { peer_id } => self.announced = Some(peer_id),
            Input::ConnectFailed { conn, why } => {
                let note = describe_failure(&why);
                if let Some(known) = self.by_id(conn) {
                    known.phase = Phase::Failed(why);
                }
                let now = self.now;
                self.record
                    .event(&self.recorder, now, Some(conn), "refused", Some(note));
            }
            Input::Bytes { conn, bytes } => self.arrived(conn, &bytes),
            Input::Written { conn, upto } => {
                let now = self.now;
                if let Some(known) = self.by_id(conn) {
                    known.written = upto;
                    if known.written >= known.provocation {
                        known.provocation_at.get_or_insert(now);
                    }
                }
            }
            Input::Eof { conn } => self.ended(conn, CloseHow::Fin),
            Input::Reset { conn } => {
                let failed = self.by_id(conn).is_some_and(|c| c.write_failed);
                let how = if failed {
                    CloseHow::WriteError
                } else {
                    CloseHow::Rst
                };
                self.ended(conn, how);
            }
            Input::WriteFailed { conn } => {
                if let Some(known) = self.by_id(conn) {
                    known.write_failed = true;
                }
            }
            Input::VerbDone { id, result } => {
                self.verbs.insert(id, result);
            }
            Input::Died { code, note } => {
                let code = code.map_or_else(|| "no exit code".to_owned(), |c| format!("exit {c}"));
                let text = if note.is_empty() {
                    code
                } else {
                    format!("{code}: {note}")
                };
                self.event(None, "died", Some(text.clone()));
                self.died = Some(text);
                self.interrupt = Some(Interrupt::Died);
            }
            Input::Health(health) => self.health = Some(health),
            Input::Timeout => {}
        }
    }

    /// Moves the next received thing into the log. False if there is none.
    pub(super) fn advance(&mut self) -> bool {
        let Some(mut observation) = self.inbox.pop_front() else {
            return false;
        };
        let index = observation.conn.0 as usize - 1;
        self.recorder.stamp(&mut observation);
        let seq = observation.seq;
        let Some(conn) = self.conns.get_mut(index) else {
            return true;
        };
        conn.session.handle(&observation);
        let mut own = None;
        for event in self.judge_events(index) {
            if event.observation.seq == seq {
                own = Some(event);
            }
        }
        let Some(event) = own else { return true };
        let payload = event.payload.as_ref().and_then(|it| it.as_ref().ok());
        self.record.seen(&event.observation, payload);
        self.weigh(index, &event);
        self.respond(index, &event);
        if let EventKind::Closed(how) = event.kind {
            self.note_close(index, how);
        }
        let seen = Rc::new(Seen::new(index, event));
        self.log.push(Rc::clone(&seen));
        super::monitor::check(self, &seen);
        self.flush(index);
        true
    }

    /// What happens by itself when time goes on: deadlines of sessions, keep-alives, background
    /// messages, the limit of the case.
    pub(super) fn tick(&mut self) {
        let now = self.now;
        for index in 0..self.conns.len() {
            let Some(conn) = self.conns.get_mut(index) else {
                continue;
            };
            if conn.session.poll_deadline().is_some_and(|at| at <= now) {
                conn.session.handle_timeout(now);
                self.judge_events(index);
            }
            if self.keep_alive_at(index).is_some_and(|at| at <= now) {
                self.send_auto(index, &Message::KeepAlive);
            }
            self.flush(index);
        }
        super::monitor::tick(self);
        if self.limit.is_some_and(|at| at <= now) && self.interrupt.is_none() {
            self.interrupt = Some(Interrupt::Limit);
        }
    }

    pub(super) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The earliest time at which something is to happen.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let sessions = self.conns.iter().filter_map(|c| c.session.poll_deadline());
        let keep_alives = (0..self.conns.len()).filter_map(|index| self.keep_alive_at(index));
        let backgrounds = self.backgrounds.iter().filter_map(|b| b.due(self));
        let limit = self.limit.filter(|_| self.interrupt.is_none());
        let answers = (0..self.conns.len()).filter_map(|index| self.answer_at(index));
        sessions
            .chain(answers)
            .chain(keep_alives)
            .chain(backgrounds)
            .chain(self.wake)
            .chain(limit)
            .min()
    }

    /// Whether a message of this kind has arrived on a connection and is not in the log yet.
    pub(super) fn waits(&self, index: Index, kind: Kind) -> bool {
        let id = id_of(index);
        let mut inbox = self.inbox.iter();
        inbox.any(|observation| observation.conn == id && observation.kind() == Some(kind))
    }

    /// Number of log entries once everything received so far is in it.
    pub(super) fn received(&self) -> usize {
        self.log.len() + self.inbox.len()
    }

    /// Adds a connection that is asked for with `action`.
    pub(super) fn open(
        &mut self,
        peer: &str,
        initiator: bool,
        action: impl FnOnce(ConnId) -> Action,
    ) -> Index {
        let index = self.conns.len();
        let id = id_of(index);
        let mut conn = Conn::new(id, peer, &self.torrent, initiator, self.now);
        conn.cursor = self.received();
        self.conns.push(conn);
        self.actions.push_back(action(id));
        index
    }

    /// The latest connection of that name.
    pub(super) fn find(&self, peer: &str) -> Option<Index> {
        self.conns.iter().rposition(|conn| conn.peer == peer)
    }

    /// Sends whole messages, as the reference core or a keep-alive would.
    pub(super) fn send_auto(&mut self, index: Index, message: &Message) {
        let bytes = message.encode();
        self.write(index, &bytes, vec![bytes.clone()], true);
    }

    /// Sends bytes: `segments` are `bytes`, cut. The session reads them as the target would.
    pub(super) fn write(&mut self, index: Index, bytes: &Bytes, segments: Vec<Bytes>, auto: bool) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(index) else {
            return;
        };
        if !conn.writable() || bytes.is_empty() {
            return;
        }
        if conn.opaque || conn.sent.ended() {
            self.opaque(index, bytes.clone());
        } else {
            conn.sent.push(bytes, now);
            self.drain_sent(index, auto);
            self.pending_sent(index);
        }
        self.hand_over(index, segments, auto);
    }

    /// Sends bytes that are not to be read as messages.
    pub(super) fn write_opaque(&mut self, index: Index, bytes: &Bytes, segments: Vec<Bytes>) {
        if self.conns.get(index).is_none_or(|c| !c.writable()) || bytes.is_empty() {
            return;
        }
        self.opaque(index, bytes.clone());
        self.hand_over(index, segments, false);
    }

    fn hand_over(&mut self, index: Index, segments: Vec<Bytes>, auto: bool) {
        let now = self.now;
        let latest = self.recorder.latest();
        let Some(conn) = self.conns.get_mut(index) else {
            return;
        };
        let len: u64 = segments.iter().map(|s| s.len() as u64).sum();
        conn.given += len;
        conn.last_given_at = now;
        if !auto {
            conn.provoked = latest;
            conn.provocation = conn.given;
            conn.provocation_at = None;
            self.sent += len;
        }
        self.actions.push_back(Action::Write {
            conn: conn.id,
            segments,
        });
    }

    /// Tells the session about bytes of ours that are no messages.
    fn opaque(&mut self, index: Index, bytes: Bytes) {
        let Some(conn) = self.conns.get(index) else {
            return;
        };
        let mut observation = Observation::new(conn.id, Dir::Sent, self.now, What::Opaque);
        observation.offset = conn.given;
        observation.raw = bytes;
        self.sent_one(index, observation, false);
    }

    /// Tells the session of a frame of ours that has begun.
    fn pending_sent(&mut self, index: Index) {
        if let Some(conn) = self.conns.get_mut(index)
            && let Some(pending) = conn.sent.pending()
        {
            conn.session.handle_pending(&pending);
        }
    }

    fn drain_sent(&mut self, index: Index, auto: bool) {
        while let Some(observation) = self.conns.get_mut(index).and_then(|c| c.sent.poll()) {
            self.sent_one(index, observation, auto);
        }
    }

    fn sent_one(&mut self, index: Index, mut observation: Observation, auto: bool) {
        observation.auto = auto;
        self.recorder.stamp(&mut observation);
        if let What::Message(Message::Piece { index, .. }) = &observation.what
            && self.torrent.geometry().piece_size(*index).is_some()
        {
            self.handed_out.insert(*index);
            self.settings.fresh.spend([*index]);
        }
        let seq = observation.seq;
        let Some(conn) = self.conns.get_mut(index) else {
            return;
        };
        let unchokes = matches!(observation.what, What::Message(Message::Unchoke));
        if unchokes && conn.session.choking_sent() {
            conn.thrown_out = conn.session.ledger_theirs().asked();
        }
        conn.session.handle(&observation);
        for event in self.judge_events(index) {
            if event.observation.seq != seq {
                continue;
            }
            let payload = event.payload.as_ref().and_then(|it| it.as_ref().ok());
            self.record.seen(&event.observation, payload);
            let Some(conn) = self.conns.get_mut(index) else {
                return;
            };
            conn.order = conn.order.max(event.order);
            if let Some(Ok(ExtensionMessage::MetadataRequest { piece })) = &event.payload
                && conn.metadata_asked.len() < MAX_METADATA_ASKED
            {
                conn.metadata_asked.push((*piece, event.order));
            }
        }
    }

    /// Number of the last thing in the transcript.
    pub(super) fn latest(&self) -> u64 {
        self.recorder.latest()
    }

    /// Closes our side.
    pub(super) fn close(&mut self, index: Index, how: CloseKind) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(index) else {
            return;
        };
        if conn.own_closed || conn.phase != Phase::Open {
            return;
        }
        conn.own_closed = true;
        if how == CloseKind::Rst {
            // Nothing more will be heard of it.
            conn.gone = true;
            conn.target_closed = true;
        }
        let (manner, kept) = match how {
            CloseKind::Fin => (CloseHow::Fin, How::Fin),
            CloseKind::Rst => (CloseHow::Rst, How::Rst),
        };
        if conn.closed.is_none() {
            conn.closed = Some(Closed {
                by: ClosedBy::Tester,
                how: kept,
                at: now,
                after_sent: conn.written,
                complete: true,
            });
        }
        conn.sent.finish(manner, now);
        let id = conn.id;
        self.actions.push_back(Action::Close { conn: id, how });
        self.drain_sent(index, false);
    }

    /// Asks the driver for something; the answer comes under the number returned.
    pub(super) fn verb(&mut self, command: String) -> u32 {
        let id = self.next_verb;
        self.next_verb += 1;
        self.actions.push_back(Action::Verb { id, command });
        id
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Notes something in the transcript.
    pub(super) fn event(&mut self, conn: Option<ConnId>, kind: &str, note: Option<String>) {
        let now = self.now;
        self.record.event(&self.recorder, now, conn, kind, note);
    }

    fn arrived(&mut self, id: ConnId, bytes: &Bytes) {
        let now = self.now;
        let Some(conn) = self.by_id(id) else { return };
        let cut_off = conn.raw && conn.received.bytes() >= Handshake::LEN as u64;
        let before = conn.received.ended() || cut_off;
        if !cut_off {
            conn.received.push(bytes, now);
        }
        let mut found = Vec::new();
        while let Some(observation) = conn.received.poll() {
            found.push(observation);
        }
        if before {
            // Nothing of it is decoded any more; it is still counted.
            self.count_unasked(bytes.len() as u64);
        }
        self.inbox.extend(found);
    }

    /// Bytes of all connections.
    pub(super) fn bytes_received(&self) -> u64 {
        self.conns.iter().map(|conn| conn.received.bytes()).sum()
    }

    fn ended(&mut self, id: ConnId, how: CloseHow) {
        let now = self.now;
        let Some(conn) = self.by_id(id) else { return };
        if std::mem::replace(&mut conn.gone, true) {
            return;
        }
        conn.received.finish(how, now);
        let mut found = Vec::new();
        while let Some(observation) = conn.received.poll() {
            found.push(observation);
        }
        self.inbox.extend(found);
    }

    fn note_close(&mut self, index: Index, how: CloseHow) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(index) else {
            return;
        };
        conn.target_closed = true;
        if conn.closed.is_some() {
            return;
        }
        conn.closed = Some(Closed {
            by: ClosedBy::Target,
            how: match how {
                CloseHow::Fin => How::Fin,
                CloseHow::Rst => How::Rst,
                CloseHow::WriteError => How::WriteError,
            },
            at: now,
            after_sent: conn.written,
            complete: conn.written >= conn.provocation && !conn.cut_short,
        });
    }

    /// Takes what the session has to say, lets the rules judge it, and returns it.
    fn judge_events(&mut self, index: Index) -> Vec<Event> {
        let mut events = Vec::new();
        let Some(conn) = self.conns.get_mut(index) else {
            return events;
        };
        while let Some(event) = conn.session.poll_event() {
            let violations = self.judge.handle(&event, &conn.session);
            for violation in violations {
                self.tally.rule(&violation);
            }
            events.push(event);
        }
        events
    }

    /// Counts what was not asked for, notes proofs of life and how long answers took.
    fn weigh(&mut self, index: Index, event: &Event) {
        let seq = event.observation.seq;
        let (proof, asked) = match &event.kind {
            EventKind::Answer(answer) => {
                let took = event.observation.at.saturating_sub(answer.entry.at);
                if answer.entry.state == EntryState::Open && !answer.entry.marks.any() {
                    self.slowest.answer = self.slowest.answer.max(took);
                }
                let served = answer.how == AnswerHow::Piece && answer.corrupt.is_none();
                (served, true)
            }
            EventKind::Request(asked) => {
                let conn = self.conns.get(index);
                (conn.is_some_and(|conn| conn.shows_life(asked)), false)
            }
            EventKind::Extended(used) if used.answer => {
                let data = matches!(
                    event.payload,
                    Some(Ok(ExtensionMessage::MetadataData { .. }))
                );
                (data, true)
            }
            _ => (false, false),
        };
        if proof && let Some(conn) = self.conns.get_mut(index) {
            conn.life = Some(seq);
        }
        if !asked {
            self.count_unasked(event.observation.raw.len() as u64);
        }
    }

    fn count_unasked(&mut self, len: u64) {
        self.unasked.0 += len;
        self.unasked.1 += 1;
        let flood = self.unasked.0 > FLOOD_LEN || self.unasked.1 > FLOOD_MESSAGES;
        if flood && self.interrupt.is_none() && self.stage <= Stage::After {
            self.interrupt = Some(Interrupt::Flood);
        }
    }

    /// What the reference core answers on a connection that serves.
    fn respond(&mut self, index: Index, event: &Event) {
        let Some(conn) = self.conns.get_mut(index) else {
            return;
        };
        match &event.kind {
            EventKind::Interest {
                interested: true, ..
            } if conn.unchoke && conn.session.choking_sent() => {
                conn.queue.push_back(Message::Unchoke);
            }
            EventKind::Request(asked) if !conn.session.choking_sent() => {
                let block = asked.entry.block;
                if conn.serves.get(block.index) {
                    self.hand_out(index, block);
                } else if conn.rejects && conn.session.fast() {
                    conn.queue.push_back(Message::RejectRequest(block));
                }
            }
            EventKind::Extended(_) if !conn.serves.is_empty() => {
                let Some(Ok(ExtensionMessage::MetadataRequest { piece })) = &event.payload else {
                    return;
                };
                let data = u32::try_from(*piece)
                    .ok()
                    .and_then(|n| self.torrent.metainfo().info_piece(n));
                let Some(id) = conn.session.ext_id_theirs("ut_metadata") else {
                    return;
                };
                let answer = match data {
                    Some(data) => ExtensionMessage::MetadataData {
                        piece: *piece,
                        total_size: Some(self.torrent.metainfo().info_bytes().len() as i128),
                        data,
                    },
                    None => ExtensionMessage::MetadataReject { piece: *piece },
                };
                conn.queue.push_back(answer.into_message(id));
            }
            _ => {}
        }
    }

    /// Queues a block as the answer of the reference core.
    pub(super) fn hand_out(&mut self, index: Index, block: BlockRef) {
        let size = self.torrent.geometry().piece_size(block.index);
        let (Some(bytes), Some(conn)) = (self.torrent.block(&block), self.conns.get_mut(index))
        else {
            return;
        };
        let spoilt = match conn.corrupt {
            Corrupt::None => false,
            Corrupt::First => block.begin == 0,
            Corrupt::Last => block.begin.checked_add(block.length) == size,
            Corrupt::All => true,
        };
        let bytes = if spoilt { flipped(&bytes) } else { bytes };
        conn.queue.push_back(Message::Piece {
            index: block.index,
            begin: block.begin,
            block: bytes,
        });
    }

    /// Sends what the reference core has ready, where the stream and its pace allow it.
    pub(super) fn flush(&mut self, index: Index) {
        let now = self.now;
        while let Some(conn) = self.conns.get_mut(index)
            && conn.between_frames()
            && conn.next_answer <= now
        {
            let Some(message) = conn.queue.pop_front() else {
                return;
            };
            conn.next_answer = now + conn.pace;
            self.send_auto(index, &message);
        }
    }

    /// When the reference core goes on.
    fn answer_at(&self, index: Index) -> Option<Duration> {
        let conn = self.conns.get(index)?;
        (!conn.queue.is_empty() && conn.between_frames()).then_some(conn.next_answer)
    }

    fn keep_alive_at(&self, index: Index) -> Option<Duration> {
        let conn = self.conns.get(index)?;
        (!self.idle && conn.between_frames()).then(|| conn.last_given_at + KEEP_ALIVE)
    }

    fn by_id(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut((id.0 as usize).checked_sub(1)?)
    }
}

/// The bytes with one bit changed.
fn flipped(bytes: &Bytes) -> Bytes {
    let mut changed = bytes.to_vec();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    changed.into()
}

fn describe_failure(why: &ConnectError) -> String {
    match why {
        ConnectError::Refused => "connection refused".to_owned(),
        ConnectError::Unanswered => "no answer to the connect".to_owned(),
        ConnectError::Local(what) => format!("not connected: {what}"),
    }
}

/// Metadata requests of ours that are remembered.
const MAX_METADATA_ASKED: usize = 4096;
/// Some peers close after ten seconds without bytes.
const KEEP_ALIVE: Duration = Duration::from_secs(8);
/// Bytes that may come unasked (SCENARIOS 3.16).
const FLOOD_LEN: u64 = 64 << 20;
/// Messages that may come unasked: the same amount in memory.
const FLOOD_MESSAGES: u64 = 1 << 18;
