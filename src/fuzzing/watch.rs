//! One end of a connection as a tester watches it: session, rules, record, and the invariants that
//! hold whatever happens.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::Reach;
use super::script::{Act, Answer, torrent};
use crate::rule::{Judge, Violation};
use crate::session::ledger::MAX_ENTRIES;
use crate::session::{
    AnswerHow, Duty, Event, EventKind, Ledger, Session, SessionConfig, frame_limit,
};
use crate::torrent::PieceSet;
use crate::trace::{
    CloseHow, ConnId, Dir, Entry as Line, Observation, Recorder, StreamDecoder, Transcript,
};
use crate::wire::{BlockRef, ExtendedHandshake, ExtensionMessage, Message};

/// One end.
pub(super) struct Watch {
    pub(super) session: Session,
    pub(super) violations: Vec<Violation>,
    judge: Judge,
    recorder: Recorder,
    sent: StreamDecoder,
    received: StreamDecoder,
    transcript: Transcript,
    events: Vec<Event>,
    /// Answered entries, by direction of the answer.
    answered: [BTreeSet<u64>; 2],
    reached: Reach,
}

/// Events kept for the comparison of two runs; of the others only their number.
const KEPT: usize = 4096;

/// The ids that every party here gives in its usual extension handshake.
const IDS: [(&str, u8); 3] = [("ut_metadata", 3), ("ut_pex", 1), ("lt_donthave", 7)];

impl Watch {
    pub(super) fn new(conn: ConnId, initiator: bool) -> Self {
        let torrent = torrent();
        let limit = frame_limit(&torrent.geometry(), 1 << 16);
        Self {
            session: Session::new(SessionConfig {
                conn,
                torrent: torrent.clone(),
                initiator,
            }),
            violations: Vec::new(),
            judge: Judge::new(),
            recorder: Recorder::new(),
            sent: StreamDecoder::new(conn, Dir::Sent, limit),
            received: StreamDecoder::new(conn, Dir::Received, limit),
            transcript: Transcript::new(),
            events: Vec::new(),
            answered: [BTreeSet::new(), BTreeSet::new()],
            reached: Reach::new(),
        }
    }

    pub(super) fn bytes(&mut self, dir: Dir, bytes: &[u8], at: Duration) {
        self.stream(dir).push(bytes, at);
        self.drain(dir);
        if dir == Dir::Sent
            && let Some(pending) = self.sent.pending()
        {
            self.session.handle_pending(&pending);
        }
    }

    pub(super) fn ends(&mut self, dir: Dir, how: CloseHow, at: Duration) {
        self.stream(dir).finish(how, at);
        self.drain(dir);
    }

    /// Hands in that the session's deadline has passed; it has to have another one then.
    pub(super) fn time_out(&mut self, at: Duration) {
        self.session.handle_timeout(at);
        let next = self.session.poll_deadline();
        assert!(next.is_none_or(|next| next > at), "due again at {next:?}");
        self.judge();
    }

    /// Whether the last bytes sent end a frame.
    pub(super) fn on_boundary(&self) -> bool {
        self.sent.on_boundary()
    }

    /// What was seen and meant, to compare runs by.
    pub(super) fn record(&self) -> (Vec<Observation>, &[Event], &[Violation]) {
        let seen = self.transcript.entries().into_iter();
        let seen = seen.filter_map(|line| match line {
            Line::Seen(observation) => Some(observation.clone()),
            Line::Gap(..) => None,
        });
        (seen.collect(), &self.events, &self.violations)
    }

    pub(super) fn reached(&self) -> &Reach {
        &self.reached
    }

    fn stream(&mut self, dir: Dir) -> &mut StreamDecoder {
        match dir {
            Dir::Sent => &mut self.sent,
            Dir::Received => &mut self.received,
        }
    }

    fn drain(&mut self, dir: Dir) {
        while let Some(mut observation) = self.stream(dir).poll() {
            self.recorder.stamp(&mut observation);
            let proven = self.session.proven();
            let tainted = self.session.tainted();
            self.session.handle(&observation);
            self.transcript.push(observation);
            assert!(self.session.proven() >= proven, "proof was forgotten");
            assert!(self.session.tainted() >= tainted, "a taint was washed off");
            self.judge();
        }
    }

    fn judge(&mut self) {
        while let Some(event) = self.session.poll_event() {
            let found = self.judge.handle(&event, &self.session);
            if self.violations.len() < KEPT {
                self.violations.extend(found);
            }
            self.answered_once(&event);
            self.reached.insert(label(&event.kind));
            if let Some(kind) = event.message_kind() {
                self.reached.insert(kind.name());
            }
            if self.events.len() < KEPT {
                self.events.push(event);
            }
        }
    }

    /// No request is settled twice.
    fn answered_once(&mut self, event: &Event) {
        let EventKind::Answer(answer) = &event.kind else {
            return;
        };
        let way = usize::from(event.received());
        let new = self.answered[way].insert(answer.entry.id);
        assert!(new, "entry {} is answered twice", answer.entry.id);
    }

    /// What holds at any time.
    pub(super) fn check(&self) {
        for half in [self.session.ours(), self.session.theirs()] {
            check_ledger(half.requests());
            let pieces = torrent().geometry().pieces();
            assert!(half.has().iter().all(|index| index < pieces));
            assert!(half.allowed_fast().len() <= 4096, "allowed without end");
        }
        let owed = self.session.owed().count();
        assert!(owed <= self.session.ledger_ours().live_count());
        for (conn, kept) in self
            .transcript
            .conns()
            .map(|conn| (conn, self.transcript.of(conn)))
        {
            let (count, bytes) = kept.fold((0_usize, 0_usize), |(count, bytes), line| {
                (count + 1, bytes + line.raw.len())
            });
            assert!(
                count <= crate::trace::transcript::KEPT_OBSERVATIONS + 1,
                "{conn}"
            );
            assert!(bytes <= 4 << 20, "{bytes} bytes kept of {conn}");
        }
    }

    /// The bytes of what this end does, as far as it can do it now.
    pub(super) fn say(&self, act: &Act) -> Option<Bytes> {
        let session = &self.session;
        let theirs = session.ledger_theirs();
        Some(match act {
            Act::Bytes(bytes) => bytes.clone(),
            Act::Message(message) => message.encode(),
            Act::Extension(id, message) => {
                let given = session.ext_id_theirs(message.extension());
                let id = match message {
                    ExtensionMessage::Handshake(_) => 0,
                    _ => given.unwrap_or(*id),
                };
                message.into_message(id).encode()
            }
            Act::Handshake(handshake) => Bytes::copy_from_slice(&handshake.encode()),
            Act::Hello => {
                let size = torrent().metainfo().info_bytes().len();
                let hello = ExtendedHandshake::new()
                    .with_m(&IDS)
                    .with("metadata_size", i128::try_from(size).unwrap_or(0))
                    .with("reqq", 250);
                ExtensionMessage::Handshake(hello).into_message(0).encode()
            }
            Act::Answer(how) => answer(*how, theirs.open().next()?.block)?.encode(),
            Act::Availability(all) => {
                let pieces = torrent().geometry().pieces();
                match (session.fast(), all) {
                    (true, true) => Message::HaveAll,
                    (true, false) => Message::HaveNone,
                    (false, true) => Message::Bitfield {
                        bits: PieceSet::all(pieces).to_bitfield(),
                    },
                    (false, false) => return None,
                }
                .encode()
            }
            Act::Request(index, n) => {
                Message::Request(torrent().geometry().block(*index, *n)?).encode()
            }
            Act::Wait(_)
            | Act::Close(_)
            | Act::Read(_)
            | Act::Again(_)
            | Act::Verb(_)
            | Act::Open => return None,
        })
    }
}

fn answer(how: Answer, block: BlockRef) -> Option<Message> {
    if how == Answer::Reject {
        return Some(Message::RejectRequest(block));
    }
    let mut bytes = torrent().block(&block)?.to_vec();
    match how {
        Answer::Corrupt => *bytes.first_mut()? ^= 0xff,
        Answer::Short => bytes.truncate(bytes.len() / 2),
        Answer::Block | Answer::Reject => {}
    }
    Some(Message::Piece {
        index: block.index,
        begin: block.begin,
        block: bytes.into(),
    })
}

/// A ledger holds together and is bounded.
fn check_ledger(ledger: &Ledger) {
    let entries: Vec<_> = ledger.entries().collect();
    assert!(entries.len() <= MAX_ENTRIES, "{} entries", entries.len());
    assert!(entries.is_sorted_by_key(|entry| entry.id), "out of order");
    let live: Vec<_> = ledger.live().map(|entry| entry.id).collect();
    let alive = entries.iter().filter(|entry| entry.live());
    assert!(
        alive.map(|entry| &entry.id).eq(&live),
        "live is another set"
    );
    assert_eq!(live.len(), ledger.live_count());
    assert!(ledger.open().all(|entry| entry.live()));
    assert!(ledger.most_live() >= live.len());
    let kept = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    assert!(ledger.asked() >= kept + ledger.overflowed());
    assert!(
        ledger.forgetful() || ledger.asked() == kept,
        "lost without a word"
    );
    let marked = ledger.live().any(|entry| entry.marks.any());
    assert_eq!(ledger.has_marked_live(), marked);
    let unmarked = ledger.open().find(|entry| !entry.marks.any());
    assert_eq!(ledger.oldest_unmarked(), unmarked);
    for entry in entries.iter().take(8) {
        assert!(ledger.same(&entry.block).any(|other| other.id == entry.id));
    }
}

/// Every kind of event.
pub(super) const EVENTS: [&str; 28] = [
    "handshake seen",
    "bad handshake",
    "keep-alive",
    "choked",
    "unchoked",
    "interest",
    "availability",
    "have seen",
    "requested",
    "cancelled",
    "answered by a piece",
    "answered by a wrong length",
    "answered by a reject",
    "stray",
    "suggested",
    "allowed",
    "port seen",
    "extension handshake",
    "extension message",
    "hashes seen",
    "unknown message",
    "undecodable",
    "over limit",
    "trailing",
    "closed",
    "availability overdue",
    "keep-alive overdue",
    "answer overdue",
];

/// Only the session's caller can make it: no input gets there.
const OPAQUE: &str = "opaque";

fn label(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Handshake => EVENTS[0],
        EventKind::BadHandshake => EVENTS[1],
        EventKind::KeepAlive => EVENTS[2],
        EventKind::Choking { choking: true, .. } => EVENTS[3],
        EventKind::Choking { choking: false, .. } => EVENTS[4],
        EventKind::Interest { .. } => EVENTS[5],
        EventKind::Availability(_) => EVENTS[6],
        EventKind::Have { .. } => EVENTS[7],
        EventKind::Request(_) => EVENTS[8],
        EventKind::Cancel { .. } => EVENTS[9],
        EventKind::Answer(answer) => match answer.how {
            AnswerHow::Piece => EVENTS[10],
            AnswerHow::WrongLength { .. } => EVENTS[11],
            AnswerHow::Reject => EVENTS[12],
        },
        EventKind::Stray(_) => EVENTS[13],
        EventKind::Suggest { .. } => EVENTS[14],
        EventKind::AllowedFast { .. } => EVENTS[15],
        EventKind::Port => EVENTS[16],
        EventKind::ExtendedHandshake { .. } => EVENTS[17],
        EventKind::Extended(_) => EVENTS[18],
        EventKind::Hashes => EVENTS[19],
        EventKind::Unknown => EVENTS[20],
        EventKind::Undecodable => EVENTS[21],
        EventKind::OverLimit => EVENTS[22],
        EventKind::Trailing => EVENTS[23],
        EventKind::Closed(_) => EVENTS[24],
        EventKind::Overdue(Duty::Availability | Duty::ExtendedHandshake) => EVENTS[25],
        EventKind::Overdue(Duty::KeepAlive) => EVENTS[26],
        EventKind::Overdue(Duty::Answer(_)) => EVENTS[27],
        EventKind::Opaque => OPAQUE,
    }
}
