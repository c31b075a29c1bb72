//! Plays one case on one connection: says what the case says, hears what comes, and ends as soon
//! as nothing more is owed. Pure: the simulation and the socket loop drive it alike.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::case::{AnswerWith, Await, Case, End, Framing, Move, What};
use super::ground::{Ground, Role};
use super::hearing::Hearing;
use super::trace::Trace;
use crate::engine::io::{Action, CloseKind, Input, Source, Tester};
use crate::trace::{CloseHow, ConnId};
use crate::wire::{BlockRef, Capability, ExtensionMessage, Message};

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// For a connection.
    pub connect: Duration,
    /// Whether moves are made before the target's handshake is there.
    pub early: bool,
    /// For a state that the target need not ever reach.
    pub state: Duration,
    /// For an answer that is owed.
    pub answer: Duration,
    /// For the target's end once we have ended our side.
    pub leave: Duration,
    /// For reactions to what nobody has to answer, before we end our side: nothing for a target that
    /// reads what comes before the end as it comes.
    pub linger: Duration,
    /// Up to which time an answer counts as given at once.
    pub now: Duration,
}

impl Default for Pace {
    /// For a target of which nothing is known.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            early: true,
            state: Duration::from_secs(3),
            answer: Duration::from_secs(10),
            leave: Duration::from_secs(1),
            linger: Duration::ZERO,
            now: Duration::from_millis(50),
        }
    }
}

/// The tester of one case.
pub struct CasePlayer {
    case: Case,
    ground: Ground,
    pace: Pace,
    hearing: Hearing,
    actions: VecDeque<Action>,
    phase: Phase,
    /// The next move.
    next: usize,
    /// Since when the move before it waits.
    waiting: Option<Duration>,
    /// Said and not written yet.
    pending: BytesMut,
    /// The last request of ours.
    probe: Option<Probe>,
    own_end: bool,
    /// When it is cut off.
    limit: Option<Duration>,
    /// When all was said, and when we ended our side.
    settled_at: Duration,
    ended_at: Duration,
}

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Asked for, until then.
    Opening { until: Duration },
    /// Our handshake is said; moves wait for the target's, until then.
    Greeting { until: Duration },
    /// Moves are made.
    Moving,
    /// All is said; answers are waited for.
    Settling { until: Duration },
    /// We have ended our side.
    Leaving { until: Duration },
    /// Over.
    Done,
}

/// The valid request at the end of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Block(BlockRef),
    Metadata,
}

/// The one connection of a case.
const CONN: ConnId = ConnId(1);

impl CasePlayer {
    /// Prepares a case.
    pub fn new(case: Case, ground: Ground, pace: Pace) -> Self {
        let hearing = Hearing::new(CONN, ground.clone(), pace.now);
        Self {
            case,
            ground,
            pace,
            hearing,
            actions: VecDeque::new(),
            phase: Phase::Opening {
                until: pace.connect,
            },
            next: 0,
            waiting: None,
            pending: BytesMut::new(),
            probe: None,
            own_end: false,
            limit: None,
            settled_at: Duration::ZERO,
            ended_at: Duration::ZERO,
        }
    }

    /// The case.
    pub fn case(&self) -> &Case {
        &self.case
    }

    /// What it came to.
    pub fn finish(self) -> (Case, Trace) {
        (self.case, self.hearing.finish())
    }

    /// Cuts the case off at this time of its own.
    pub fn end_at(&mut self, limit: Duration) {
        self.limit = Some(limit);
    }

    /// There is no time for the rest of the case: nothing is owed, and silence means nothing.
    pub fn cut(&mut self) {
        if self.phase != Phase::Done {
            self.hearing.trace.cut = true;
            self.phase = Phase::Done;
        }
    }

    /// The loop could not go on.
    pub fn fail(&mut self, why: String) {
        self.hearing.trace.failed = Some(why);
        self.phase = Phase::Done;
    }

    fn begin(&mut self, at: Duration) {
        let info_hash = self.ground.torrent().info_hash();
        let bytes = self.case.greeting.encode(info_hash, self.case.peer_id());
        self.hearing.said("handshake");
        if self.case.greeting.cut.is_empty() {
            self.say(&bytes, at);
        } else {
            let cut = self.case.greeting.cut.clone();
            self.say_cut(&bytes, &cut, at);
        }
        if self.case.greeting.spoilt.is_some() {
            self.hearing.session.handle_open_frame();
        }
        if self.pace.early || self.case.greeting.spoilt.is_some() {
            self.phase = Phase::Moving;
            self.go_on(at);
        } else {
            self.flush();
            let until = at.saturating_add(self.pace.connect);
            self.phase = Phase::Greeting { until };
        }
    }

    /// Makes moves until one has to wait, or all are made.
    fn go_on(&mut self, at: Duration) {
        while self.phase == Phase::Moving {
            if self.hearing.gone {
                self.done(at);
                return;
            }
            let Some(it) = self.case.moves.get(self.next).cloned() else {
                self.flush();
                self.settle(at);
                return;
            };
            if !self.make(&it, at) {
                self.flush();
                return;
            }
            self.waiting = None;
            self.next = self.next.saturating_add(1);
        }
    }

    /// Makes a move; false while it waits.
    fn make(&mut self, it: &Move, at: Duration) -> bool {
        match it {
            Move::Send(send) => {
                if self.lacks_id(&send.what) && !self.waited_for_state(at) {
                    return false;
                }
                let session = &self.hearing.session;
                let bytes = send.encode(|name| session.ext_id_theirs(name));
                self.hearing.said(send.what.name());
                if send.cut.is_empty() {
                    self.say(&bytes, at);
                } else {
                    self.say_cut(&bytes, &send.cut, at);
                }
                if send.framing != Framing::Honest {
                    self.hearing.session.handle_open_frame();
                }
                true
            }
            Move::Raw(bytes) => {
                self.hearing.said("raw");
                self.say(bytes, at);
                if !self.hearing.sent.on_boundary() {
                    self.hearing.session.handle_open_frame();
                }
                true
            }
            Move::Await(state) => {
                if self.holds(*state) {
                    let since = self.waiting.unwrap_or(at);
                    let trace = &mut self.hearing.trace;
                    trace.awaited = trace.awaited.max(at.saturating_sub(since));
                    return true;
                }
                let never = *state == Await::Extended && !self.may_extend();
                never || self.waited_for_state(at)
            }
            Move::Answer(with) => match self.hearing.oldest_request() {
                Some(block) => {
                    self.answer(block, *with, at);
                    true
                }
                None => self.waited_for_state(at),
            },
            Move::Pause(millis) => self.waited(Duration::from_millis(u64::from(*millis)), at),
            Move::Reading(on) => {
                self.flush();
                self.hearing.read(*on, at);
                self.actions.push_back(Action::Reading {
                    conn: CONN,
                    on: *on,
                });
                true
            }
        }
    }

    /// Whether the target may have an extended handshake for us, or more.
    fn may_extend(&self) -> bool {
        let session = &self.hearing.session;
        let offered = self.case.greeting.reserved.has(Capability::Extended);
        offered && (session.established_at().is_none() || session.extended())
    }

    /// Whether the id that a message goes under may come yet: it is in the target's extended handshake.
    fn lacks_id(&self, what: &What) -> bool {
        let named = matches!(what, What::Extension { name, .. } if !name.is_empty());
        named && self.hearing.session.their_extended().is_none() && self.may_extend()
    }

    /// Whether a state that the target need not reach has been waited for long enough.
    fn waited_for_state(&mut self, at: Duration) -> bool {
        // Behind a wrong handshake, or inside a frame of ours, nothing will come of it.
        let lost = self.case.greeting.spoilt.is_some()
            || self.hearing.deaf()
            || !self.hearing.sent.on_boundary();
        lost || self.waited(self.pace.state, at)
    }

    /// Whether a move has waited that long; begins to wait.
    fn waited(&mut self, span: Duration, at: Duration) -> bool {
        let since = *self.waiting.get_or_insert(at);
        at.saturating_sub(since) >= span
    }

    fn holds(&self, state: Await) -> bool {
        let session = &self.hearing.session;
        match state {
            Await::Handshake => session.established_at().is_some(),
            Await::Extended => session.their_extended().is_some(),
            Await::Unchoked => !session.target_choking(),
            Await::Interested => session.target_interested(),
        }
    }

    fn answer(&mut self, block: BlockRef, with: AnswerWith, at: Duration) {
        let BlockRef { index, begin, .. } = block;
        let data = self.ground.torrent().block(&block);
        let data = data.unwrap_or_else(|| vec![0; block.length.min(1 << 14) as usize].into());
        let piece = |begin: u32, block: Bytes| Message::Piece {
            index,
            begin,
            block,
        };
        let message = match with {
            AnswerWith::Block | AnswerWith::Twice => piece(begin, data),
            AnswerWith::Corrupt => piece(begin, flipped(&data)),
            AnswerWith::Short => piece(begin, data.slice(..data.len().saturating_sub(1))),
            AnswerWith::Long => piece(begin, [data.as_ref(), &[0]].concat().into()),
            AnswerWith::Shifted => piece(begin.wrapping_add(1), data),
            AnswerWith::Reject => Message::RejectRequest(block),
        };
        self.hearing.said(message.name());
        let bytes = message.encode();
        self.say(&bytes, at);
        if with == AnswerWith::Twice {
            self.say(&bytes, at);
        }
    }

    /// Everything is said: what is owed comes, or it does not.
    fn settle(&mut self, at: Duration) {
        match self.case.end {
            End::Fin => self.leave(at),
            End::Rst => {
                self.actions.push_back(Action::Close {
                    conn: CONN,
                    how: CloseKind::Rst,
                });
                self.hearing.own_close(CloseHow::Rst, at);
                self.done(at);
            }
            End::Probe | End::Quiet => {
                self.read_on(at);
                self.settled_at = at;
                self.phase = Phase::Settling {
                    until: at.saturating_add(self.pace.answer),
                };
                self.still_settling(at);
            }
        }
    }

    /// Looks whether everything owed has come.
    fn still_settling(&mut self, at: Duration) {
        let Phase::Settling { until } = self.phase else {
            return;
        };
        if self.hearing.gone {
            self.done(at);
            return;
        }
        // Behind a wrong handshake nobody owes anything, not even a prompt end.
        let spoilt = self.case.greeting.spoilt.is_some();
        if spoilt || self.hearing.session.tainted() {
            // Nobody can say what is owed.
            let linger = self.settled_at.saturating_add(self.pace.linger);
            if at >= linger || !self.hearing.sent.on_boundary() {
                self.leave(at);
            } else {
                self.phase = Phase::Settling { until: linger };
            }
            return;
        }
        if self.hearing.session.established_at().is_none() {
            if at >= until {
                self.leave(at);
            }
            return;
        }
        if self.probe.is_none() && self.case.end == End::Probe {
            self.ask(at);
        }
        let owed = self.hearing.owed();
        let probed = match self.probe {
            Some(Probe::Metadata) => !self.hearing.session.metadata_owed(),
            Some(Probe::Block(_)) | None => true,
        };
        if owed.is_none() && probed {
            self.hearing.trace.served = self.probe.is_some();
            self.leave(at);
        } else if at >= until {
            self.hearing.trace.unanswered = owed;
            self.leave(at);
        }
    }

    /// A valid request, where one can be made.
    fn ask(&mut self, at: Duration) {
        let session = &self.hearing.session;
        if !self.hearing.sent.on_boundary() {
            return;
        }
        let block = self.ground.block(self.case.number.wrapping_mul(7));
        let open = session
            .ledger_ours()
            .live()
            .any(|entry| entry.block == block);
        let seed = self.ground.role() == Role::Seed;
        if seed && !session.target_choking() && session.target_has().get(block.index) && !open {
            self.probe = Some(Probe::Block(block));
            self.hearing.said("request");
            let message = Message::Request(block);
            self.say(&message.encode(), at);
            self.hearing.trace.probe = Some(What::Message(message));
        } else if let Some(id) = session.ext_id_theirs("ut_metadata")
            && session
                .their_extended()
                .is_some_and(|it| it.metadata_size().is_some())
            && session
                .ext_id_ours("ut_metadata")
                .is_some_and(|id| !session.our_ids().contested(id))
            && !session.metadata_owed()
            && !session.metadata_odd()
        {
            self.probe = Some(Probe::Metadata);
            let message = ExtensionMessage::MetadataRequest { piece: 0 };
            self.hearing.said("ut_metadata_request");
            self.hearing.trace.probe = Some(What::extension(&message));
            self.say(&message.into_message(id).encode(), at);
        }
        self.flush();
    }

    fn leave(&mut self, at: Duration) {
        if self.own_end {
            return;
        }
        self.own_end = true;
        self.ended_at = at;
        self.actions.push_back(Action::Close {
            conn: CONN,
            how: CloseKind::Fin,
        });
        self.read_on(at);
        self.hearing.own_close(CloseHow::Fin, at);
        self.phase = Phase::Leaving {
            until: at.saturating_add(self.pace.leave),
        };
    }

    /// Who does not read sees neither answers nor the end.
    fn read_on(&mut self, at: Duration) {
        if self.hearing.paused() {
            self.hearing.read(true, at);
            self.actions.push_back(Action::Reading {
                conn: CONN,
                on: true,
            });
        }
    }

    fn done(&mut self, at: Duration) {
        if self.own_end && self.hearing.gone {
            self.hearing.trace.left_after = Some(at.saturating_sub(self.ended_at));
        }
        self.phase = Phase::Done;
    }

    fn say(&mut self, bytes: &Bytes, at: Duration) {
        self.hearing.sending(bytes, at);
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > WRITE_LEN {
            self.flush();
        }
    }

    fn say_cut(&mut self, bytes: &Bytes, cut: &[u16], at: Duration) {
        self.flush();
        self.hearing.sending(bytes, at);
        let mut rest = bytes.clone();
        let mut segments = Vec::new();
        for size in cut {
            let size = usize::from(*size)
                .clamp(1, rest.len().max(1))
                .min(rest.len());
            if size > 0 {
                segments.push(rest.split_to(size));
            }
        }
        if !rest.is_empty() {
            segments.push(rest);
        }
        if !segments.is_empty() {
            self.actions.push_back(Action::Write {
                conn: CONN,
                segments,
            });
        }
    }

    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let bytes = self.pending.split().freeze();
            self.actions.push_back(Action::Write {
                conn: CONN,
                segments: vec![bytes],
            });
        }
    }
}

impl Tester for CasePlayer {
    fn handle(&mut self, input: Input, at: Duration) {
        if self.limit.is_some_and(|limit| at >= limit) {
            self.cut();
            return;
        }
        match input {
            Input::Timeout if self.hearing.unopened() => {
                let Phase::Opening { until } = self.phase else {
                    return;
                };
                if at >= until {
                    self.hearing.trace.refused = Some(crate::engine::io::ConnectError::Unanswered);
                    self.phase = Phase::Done;
                } else if !self.hearing.dialled {
                    self.hearing.dialled = true;
                    self.actions.push_back(Action::Dial {
                        conn: CONN,
                        from: Source::Fresh,
                    });
                }
                return;
            }
            Input::Timeout => {}
            Input::Connected { .. } => {
                self.hearing.opened(at);
                self.begin(at);
            }
            Input::ConnectFailed { why, .. } => {
                self.hearing.trace.refused = Some(why);
                self.phase = Phase::Done;
            }
            Input::Bytes { bytes, .. } => self.hearing.heard(&bytes, at),
            Input::Eof { .. } => self.hearing.ended(CloseHow::Fin, at),
            Input::Reset { .. } => self.hearing.ended(CloseHow::Rst, at),
            Input::Died { code, note } => {
                self.hearing.trace.died = Some((code, note));
                self.phase = Phase::Done;
            }
            Input::WriteFailed { .. }
            | Input::Written { .. }
            | Input::Listening { .. }
            | Input::Announced { .. }
            | Input::Accepted { .. }
            | Input::VerbDone { .. }
            | Input::Health(_) => return,
        }
        self.hearing.tick(at);
        match self.phase {
            Phase::Opening { .. } | Phase::Done => {}
            Phase::Greeting { until } => {
                let greeted = self.hearing.session.established_at().is_some();
                if greeted || self.hearing.gone || at >= until {
                    self.phase = Phase::Moving;
                    self.go_on(at);
                }
            }
            Phase::Moving => self.go_on(at),
            Phase::Settling { .. } => self.still_settling(at),
            Phase::Leaving { until } => {
                if self.hearing.gone || at >= until {
                    self.done(at);
                }
            }
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn poll_deadline(&self) -> Option<Duration> {
        let due = match self.phase {
            Phase::Opening { until }
            | Phase::Greeting { until }
            | Phase::Settling { until }
            | Phase::Leaving { until } => Some(until),
            Phase::Moving => {
                let since = self.waiting?;
                let span = match self.case.moves.get(self.next)? {
                    Move::Pause(millis) => Duration::from_millis(u64::from(*millis)),
                    _ => self.pace.state,
                };
                Some(since.saturating_add(span))
            }
            Phase::Done => None,
        };
        due.map(|due| self.limit.map_or(due, |limit| limit.min(due)))
    }

    fn done(&self) -> bool {
        self.phase == Phase::Done
    }
}

fn flipped(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes.into()
}

/// More than this is written before the rest is put together.
const WRITE_LEN: usize = 1 << 20;
