//! Both streams of a case's connection, read as a sound end would, judged by every rule.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::ground::{Ground, Role};
use super::state::StateId;
use super::trace::{Latency, Reaction, Trace};
use crate::requirement;
use crate::rule::Judge;
use crate::session::{Event, Session, SessionConfig, frame_limit};
use crate::trace::{CloseHow, ConnId, Dir, Observation, Recorder, StreamDecoder, What};
use crate::wire::{BlockRef, Message};

/// What is said and heard on one connection.
pub(super) struct Hearing {
    pub(super) session: Session,
    pub(super) sent: StreamDecoder,
    received: StreamDecoder,
    recorder: Recorder,
    judge: Judge,
    ground: Ground,
    now: Duration,
    conn: ConnId,
    pub(super) trace: Trace,
    pub(super) dialled: bool,
    open: bool,
    opened_at: Duration,
    /// The target has ended its side.
    pub(super) gone: bool,
    reading: bool,
    said_at: Duration,
    broken: BTreeSet<&'static str>,
}

impl Hearing {
    pub(super) fn new(conn: ConnId, ground: Ground, now: Duration) -> Self {
        let torrent = ground.torrent().clone();
        let metadata = torrent.metainfo().info_bytes().len() as u64;
        let limit = frame_limit(&torrent.geometry(), metadata);
        let role = match ground.role() {
            Role::Seed => requirement::Role::Seed,
            Role::Leech => requirement::Role::Leech,
        };
        Self {
            session: Session::new(SessionConfig {
                conn,
                torrent,
                initiator: true,
            }),
            sent: StreamDecoder::new(conn, Dir::Sent, u32::MAX),
            received: StreamDecoder::new(conn, Dir::Received, limit),
            recorder: Recorder::new(),
            judge: Judge::new().with_role(role),
            ground,
            now,
            conn,
            trace: Trace::default(),
            dialled: false,
            open: false,
            opened_at: Duration::ZERO,
            gone: false,
            reading: true,
            said_at: Duration::ZERO,
            broken: BTreeSet::new(),
        }
    }

    pub(super) fn unopened(&self) -> bool {
        !self.open
    }

    pub(super) fn opened(&mut self, at: Duration) {
        self.open = true;
        self.opened_at = at;
    }

    pub(super) fn paused(&self) -> bool {
        !self.reading
    }

    /// We stop or go on reading.
    pub(super) fn read(&mut self, on: bool, at: Duration) {
        self.reading = on;
        self.session.handle_reading(on, at);
    }

    /// What the target says is not understood any more.
    pub(super) fn deaf(&self) -> bool {
        self.received.ended()
    }

    /// The name of what we say next.
    pub(super) fn said(&mut self, name: &'static str) {
        self.trace.last_said = Some(name);
    }

    /// Takes in bytes of ours.
    pub(super) fn sending(&mut self, bytes: &Bytes, at: Duration) {
        self.said_at = at;
        if self.sent.ended() {
            let mut opaque = Observation::new(self.conn, Dir::Sent, at, What::Opaque);
            opaque.raw = bytes.clone();
            self.observe(opaque);
            return;
        }
        self.sent.push(bytes, at);
        while let Some(observation) = self.sent.poll() {
            self.observe(observation);
        }
        if let Some(pending) = self.sent.pending() {
            self.session.handle_pending(&pending);
        }
    }

    /// Takes in bytes of the target.
    pub(super) fn heard(&mut self, bytes: &Bytes, at: Duration) {
        self.received.push(bytes, at);
        while let Some(observation) = self.received.poll() {
            self.observe(observation);
        }
    }

    /// The target has ended its side.
    pub(super) fn ended(&mut self, how: CloseHow, at: Duration) {
        if std::mem::replace(&mut self.gone, true) {
            return;
        }
        self.received.finish(how, at);
        while let Some(observation) = self.received.poll() {
            self.observe(observation);
        }
    }

    /// We end ours.
    pub(super) fn own_close(&mut self, how: CloseHow, at: Duration) {
        self.sent.finish(how, at);
        while let Some(observation) = self.sent.poll() {
            self.observe(observation);
        }
    }

    /// Lets time pass for the session.
    pub(super) fn tick(&mut self, at: Duration) {
        if self.session.poll_deadline().is_some_and(|due| due <= at) {
            self.session.handle_timeout(at);
            self.judge();
        }
    }

    /// The oldest request of the target without an answer.
    pub(super) fn oldest_request(&self) -> Option<BlockRef> {
        let mut open = self.session.ledger_theirs().live();
        open.next().map(|entry| entry.block)
    }

    /// A valid request of ours without an answer.
    pub(super) fn owed(&self) -> Option<BlockRef> {
        self.session.owed().next().map(|entry| entry.block)
    }

    pub(super) fn finish(mut self) -> Trace {
        self.trace.has = self.session.target_has().count();
        let theirs = self.session.theirs();
        self.trace.greeted = theirs.handshake().is_some();
        let came = theirs.handshake_at().unwrap_or_default();
        self.trace.greeted_after = came.saturating_sub(self.opened_at);
        self.trace.states.insert(StateId::of(&self.session));
        self.trace
    }

    fn observe(&mut self, mut observation: Observation) {
        self.recorder.stamp(&mut observation);
        let state = StateId::of(&self.session);
        self.trace.states.insert(state);
        match &observation.what {
            What::Closed(how) if self.trace.closed.is_none() => {
                self.trace.closed = Some((observation.dir, *how, state));
            }
            What::Message(Message::Piece {
                index,
                begin,
                block,
            }) if observation.received() => self.look_at_block(*index, *begin, block),
            _ => {}
        }
        self.session.handle(&observation);
        self.reacted(state);
    }

    /// Takes the session's events, lets every rule judge them, and keeps what the target said.
    fn reacted(&mut self, state: StateId) {
        while let Some(event) = self.session.poll_event() {
            if event.received() && self.trace.seen.len() < MOST_SEEN {
                let span = event.observation.at.saturating_sub(self.said_at);
                let message = !matches!(event.observation.what, What::Closed(_));
                if message {
                    self.trace.seen.push(Reaction {
                        state,
                        kind: event.message_kind(),
                        latency: Latency::of(span, self.now),
                    });
                }
                if let crate::session::EventKind::Answer(answer) = &event.kind {
                    let took = event.observation.at.saturating_sub(answer.entry.at);
                    self.trace.slowest = self.trace.slowest.max(took);
                }
            }
            self.put_to_rules(&event);
        }
    }

    fn judge(&mut self) {
        let state = StateId::of(&self.session);
        self.reacted(state);
    }

    fn put_to_rules(&mut self, event: &Event) {
        for violation in self.judge.handle(event, &self.session) {
            if self.broken.insert(violation.rule) {
                self.trace.violations.push(violation);
            }
        }
    }

    /// Bytes beyond the end of a piece are none that anybody may have.
    fn look_at_block(&mut self, index: u32, begin: u32, block: &Bytes) {
        let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
        let named = BlockRef::new(index, begin, length);
        let beyond = length > 0 && !self.ground.torrent().geometry().contains(&named);
        if beyond {
            self.trace.overread.get_or_insert(named);
        }
    }
}

/// Messages of the target that are looked at: who floods us reacts no further.
const MOST_SEEN: usize = 512;
