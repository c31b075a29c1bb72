//! A recorded run judged again by the rules of today, without the target.
//!
//! A report holds what went over each connection, and when. Fed through the same sessions and rules,
//! it comes to the same rows, as far as it holds the bytes: of blocks and metadata it has the first
//! bytes only, so rules about their content are not judged, and a connection is judged up to the first
//! message whose beginning is not enough.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::player::Played;
use super::settings::Calibration;
use crate::outcome::record::{OPEN_FRAME, UNFINISHED};
use crate::outcome::{CaseOutcome, EntryDir, Finding, RunOutcome, TranscriptEntry};
use crate::requirement::Role;
use crate::rule::Judge;
use crate::session::{Session, SessionConfig};
use crate::torrent::Torrent;
use crate::trace::{CloseHow, ConnId, Dir, Observation, Pending, Recorder, What};
use crate::wire::bencode::{self, Limits};
use crate::wire::{Frame, Handshake, InfoHash, Message, hex};

/// What a recording came to.
#[derive(Debug)]
pub struct Replayed {
    /// The cases, each with its findings and tallies.
    pub played: Vec<Played>,
    /// Connections that were judged to their end.
    pub whole: u64,
    /// Connections that were judged up to a place, or not at all, by the reason.
    pub partly: BTreeMap<String, u64>,
    /// Blocks and metadata of which the recording holds the beginning only.
    pub cut: u64,
}

/// Rules about bytes that a recording does not hold.
pub const NOT_HELD: [&str; 2] = ["block-bytes", "metadata-bytes"];

/// Judges every case of a run. `torrents` are those that its connections may be about;
/// `off` are the rules that a case switches off, by `SUITE/CASE`.
pub fn replay(
    run: &RunOutcome,
    torrents: &[Torrent],
    off: &BTreeMap<String, Vec<String>>,
) -> Replayed {
    let mut replayed = Replayed {
        played: Vec::new(),
        whole: 0,
        partly: BTreeMap::new(),
        cut: 0,
    };
    for case in run.cases.iter().filter(|case| !case.is_rule()) {
        let off = off.get(&case.case).map(Vec::as_slice).unwrap_or_default();
        CaseReplay::new(case, torrents, off).run(&mut replayed);
    }
    replayed
}

struct CaseReplay<'a> {
    case: &'a CaseOutcome,
    torrents: &'a [Torrent],
    judge: Judge,
    recorder: Recorder,
    sessions: BTreeMap<u32, Session>,
    /// Connections that are not judged any more.
    stopped: BTreeSet<u32>,
    findings: Vec<Finding>,
}

impl<'a> CaseReplay<'a> {
    fn new(case: &'a CaseOutcome, torrents: &'a [Torrent], off: &[String]) -> Self {
        let role = match case.role.as_deref() {
            Some("seed") => Role::Seed,
            Some("leech") => Role::Leech,
            _ => Role::Any,
        };
        let off = off.iter().map(String::as_str).chain(NOT_HELD);
        Self {
            case,
            torrents,
            judge: Judge::new().with_role(role).without(off),
            recorder: Recorder::new(),
            sessions: BTreeMap::new(),
            stopped: BTreeSet::new(),
            findings: Vec::new(),
        }
    }

    fn run(mut self, replayed: &mut Replayed) {
        for entry in &self.case.transcript {
            self.let_time_pass(entry.at_ms.0);
            if entry.kind == "verb" && entry.note.as_deref() == Some("restart") {
                self.judge.handle_restart();
            }
            let Some(number) = entry.conn else { continue };
            if self.stopped.contains(&number) {
                continue;
            }
            if let Err(why) = self.entry(number, entry, &mut replayed.cut) {
                self.stopped.insert(number);
                self.sessions.remove(&number);
                let count = replayed.partly.entry(why).or_insert(0);
                *count = count.saturating_add(1);
            }
        }
        self.let_time_pass(self.case.duration_ms.0);
        let whole = u64::try_from(self.sessions.len()).unwrap_or(u64::MAX);
        replayed.whole = replayed.whole.saturating_add(whole);
        let mut outcome = self.case.clone();
        outcome.transcript = Vec::new();
        outcome.findings = self.findings;
        replayed.played.push(Played {
            rules: self.judge.finish(),
            slowest: Calibration::default(),
            profile: None,
            lost: false,
            unreachable: false,
            unanswered: false,
            altered: false,
            encrypted: 0,
            may_have: BTreeSet::new(),
            outcome,
        });
    }

    /// Lets the deadlines before `at` pass, on every connection.
    fn let_time_pass(&mut self, at: Duration) {
        for session in self.sessions.values_mut() {
            for _ in 0..MAX_DEADLINES {
                let Some(due) = session.poll_deadline().filter(|due| *due < at) else {
                    break;
                };
                session.handle_timeout(due);
                judge(&mut self.judge, session, &mut self.findings);
            }
        }
    }

    fn entry(&mut self, number: u32, entry: &TranscriptEntry, cut: &mut u64) -> Result<(), String> {
        if entry.kind == "gap" {
            return Err("part of its messages is not in the recording".to_owned());
        }
        if entry.kind == OPEN_FRAME {
            if let Some(session) = self.sessions.get_mut(&number) {
                session.handle_open_frame();
            }
            return Ok(());
        }
        let Some(mut observation) = observation(number, entry, cut)? else {
            return Ok(());
        };
        self.recorder.stamp(&mut observation);
        if !self.sessions.contains_key(&number) {
            let session = self.session(number, &observation)?;
            self.sessions.insert(number, session);
        }
        let Some(session) = self.sessions.get_mut(&number) else {
            return Ok(());
        };
        if let Some(pending) = pending(&observation) {
            session.handle_pending(&pending);
        }
        session.handle(&observation);
        judge(&mut self.judge, session, &mut self.findings);
        Ok(())
    }

    /// A session about the torrent that the case's handshakes name.
    fn session(&self, number: u32, first: &Observation) -> Result<Session, String> {
        let named = info_hashes(self.case, number);
        let known = named.iter().find_map(|named| {
            let mut torrents = self.torrents.iter();
            torrents.find(|torrent| torrent.info_hash() == *named)
        });
        let torrent = match (known, named.first()) {
            (Some(known), _) => known,
            // Nobody said anything that could be read: any torrent will do.
            (None, None) => self.torrents.first().ok_or("no torrent is known")?,
            (None, Some(named)) => {
                return Err(format!(
                    "its torrent {named} is not known: name it with --torrent"
                ));
            }
        };
        Ok(Session::new(SessionConfig {
            conn: first.conn,
            // Without its content: of that the recording has not enough to compare.
            torrent: Torrent::without_content(torrent.metainfo().clone()),
            initiator: self.case.direction.as_deref() != Some("dials"),
        }))
    }
}

fn judge(judge: &mut Judge, session: &mut Session, findings: &mut Vec<Finding>) {
    while let Some(event) = session.poll_event() {
        for violation in judge.handle(&event, session) {
            if findings.len() < MAX_FINDINGS {
                findings.push(Finding::of_rule(&violation));
            }
        }
    }
}

/// The info hashes that a connection's handshakes name, then those of the case's others.
fn info_hashes(case: &CaseOutcome, number: u32) -> Vec<InfoHash> {
    let handshakes = case.transcript.iter();
    let handshakes = handshakes.filter(|entry| entry.kind == "handshake");
    let (own, others): (Vec<_>, Vec<_>) = handshakes.partition(|entry| entry.conn == Some(number));
    let all = own.into_iter().chain(others);
    all.filter_map(|entry| {
        let bytes = hex::decode(entry.hex.as_deref()?).ok()?;
        let handshake = Handshake::decode(bytes.first_chunk()?).ok()?;
        Some(handshake.info_hash)
    })
    .collect()
}

/// What a line of a transcript shows; `None` for what is no part of a stream.
fn observation(
    number: u32,
    entry: &TranscriptEntry,
    cut: &mut u64,
) -> Result<Option<Observation>, String> {
    let dir = match entry.dir {
        EntryDir::Sent => Dir::Sent,
        EntryDir::Received => Dir::Received,
        EntryDir::Event => {
            let closed = entry.note.as_deref().filter(|_| entry.kind == "closed");
            let closed = closed.and_then(closed_by);
            return Ok(closed.map(|(dir, how)| {
                Observation::new(ConnId(number), dir, entry.at_ms.0, What::Closed(how))
            }));
        }
    };
    let bytes = hex::decode(entry.hex.as_deref().unwrap_or_default())
        .map_err(|error| format!("its bytes cannot be read: {error}"))?;
    let missing = entry.missing_bytes();
    let (raw, what) = match entry.kind.as_str() {
        "handshake" | "bad_handshake" => handshake(bytes, missing)?,
        "raw" if entry.note.as_deref() == Some(UNFINISHED) => (bytes, What::Trailing),
        "raw" => (bytes, What::Opaque),
        kind => frame(kind, bytes, missing, cut)?,
    };
    let mut observation = Observation::new(ConnId(number), dir, entry.at_ms.0, what);
    observation.raw = raw;
    observation.auto = entry.auto;
    Ok(Some(observation))
}

fn handshake(bytes: Bytes, missing: u64) -> Result<(Bytes, What), String> {
    if missing > 0 {
        return Err(NOT_WHOLE.to_owned());
    }
    let what = match bytes.first_chunk().map(Handshake::decode) {
        Some(Ok(handshake)) => What::Handshake(handshake),
        Some(Err(error)) => What::BadHandshake(error),
        None => Handshake::check(&bytes).map_or_else(What::BadHandshake, |()| What::Trailing),
    };
    Ok((bytes, what))
}

fn frame(kind: &str, bytes: Bytes, missing: u64, cut: &mut u64) -> Result<(Bytes, What), String> {
    let prefix = bytes.first_chunk().ok_or(NOT_WHOLE)?;
    let length = u32::from_be_bytes(*prefix);
    let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let whole = here.saturating_add(missing);
    if whole != u64::from(length).saturating_add(PREFIX) {
        return match whole {
            // Decoding ended at a prefix above the limit; nothing behind it was kept.
            PREFIX => Ok((bytes, What::OverLimit { length })),
            _ => Err(NOT_WHOLE.to_owned()),
        };
    }
    let mut raw = bytes;
    if missing > 0 {
        let head = match kind {
            "piece" => true,
            // Its dictionary says everything but the bytes.
            "ut_metadata_data" if raw.len() > EXTENDED_HEAD => {
                let payload = raw.slice(EXTENDED_HEAD..);
                bencode::read_prefix(&payload, Limits::PEER).is_ok()
            }
            _ => false,
        };
        if !head || length > MAX_FRAME {
            return Err(NOT_WHOLE.to_owned());
        }
        *cut = cut.saturating_add(1);
        let mut filled = raw.to_vec();
        filled.resize(usize::try_from(whole).unwrap_or(filled.len()), 0);
        raw = filled.into();
    }
    let frame = Frame::split_from(&mut raw.clone()).ok_or(NOT_WHOLE)?;
    let what = match Message::decode(&frame) {
        Ok(message) => What::Message(message),
        Err(error) => What::Undecodable(error),
    };
    Ok((raw, what))
}

/// A frame of the tester's as it stood when only its prefix was written.
fn pending(observation: &Observation) -> Option<Pending> {
    let framed = matches!(
        observation.what,
        What::Message(_) | What::Undecodable(_) | What::Trailing | What::OverLimit { .. }
    );
    let prefix = observation.raw.first_chunk().filter(|_| framed)?;
    (observation.dir == Dir::Sent).then(|| Pending {
        offset: observation.offset,
        have: PREFIX,
        announced: Some(u32::from_be_bytes(*prefix)),
        since: observation.at,
    })
}

/// `fin by target`: whose stream ended, and how.
fn closed_by(note: &str) -> Option<(Dir, CloseHow)> {
    let (how, who) = note.split_once(" by ")?;
    let dir = match who {
        "tester" => Dir::Sent,
        "target" => Dir::Received,
        _ => return None,
    };
    let all = [CloseHow::Fin, CloseHow::Rst, CloseHow::WriteError];
    Some((dir, all.into_iter().find(|it| it.name() == how)?))
}

/// Why a connection is not judged any further.
const NOT_WHOLE: &str = "a message is not whole in the recording";
/// Length prefix of a frame.
const PREFIX: u64 = 4;
/// Prefix, id and extension id of an extended message.
const EXTENDED_HEAD: usize = 6;
/// Longest message that is filled up: longer ones are not decoded in any run.
const MAX_FRAME: u32 = 64 << 20;
/// Findings kept of one case.
const MAX_FINDINGS: usize = 64;
/// Deadlines of one connection between two things that happened.
const MAX_DEADLINES: usize = 1024;
