//! The wire log of a case or of a proxied connection, kept while it goes on and written out at its
//! end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{EntryDir, Fields, TranscriptEntry};
use crate::trace::transcript::Entry;
use crate::trace::{ConnId, Dir, Observation, Recorder, Transcript, What};
use crate::wire::{ExtensionMessage, hex};

/// Observations in bounded number, and what happened beside them.
#[derive(Debug, Default)]
pub struct Record {
    on: bool,
    transcript: Transcript,
    payloads: BTreeMap<u64, ExtensionMessage>,
    events: Vec<(u64, TranscriptEntry)>,
}

impl Record {
    /// Keeps nothing unless `on`.
    pub fn new(on: bool) -> Self {
        Self {
            on,
            transcript: Transcript::new(),
            payloads: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// Notes a message or a close, either way.
    pub fn seen(&mut self, observation: &Observation, payload: Option<&ExtensionMessage>) {
        if !self.on {
            return;
        }
        if let Some(payload) = payload
            && self.payloads.len() < MAX_PAYLOADS
        {
            self.payloads.insert(observation.seq, payload.clone());
        }
        self.transcript.push(observation.clone());
    }

    /// Notes something that is no message.
    pub fn event(
        &mut self,
        recorder: &Recorder,
        at: Duration,
        conn: Option<ConnId>,
        kind: &str,
        note: Option<String>,
    ) {
        if self.on && self.events.len() < MAX_EVENTS {
            let entry = TranscriptEntry::event(at, conn.map(|c| c.0), kind, note);
            self.events.push((recorder.latest(), entry));
        }
    }

    /// Everything in order.
    pub fn write(&self) -> Vec<TranscriptEntry> {
        let mut events = self.events.iter().peekable();
        let mut lines = Vec::new();
        let mut latest = Duration::ZERO;
        for entry in self.transcript.entries() {
            match entry {
                Entry::Seen(observation) => {
                    while let Some((_, event)) =
                        events.next_if(|(before, _)| *before < observation.seq)
                    {
                        lines.push(event.clone());
                    }
                    latest = observation.at;
                    lines.push(self.line(observation));
                }
                Entry::Gap(conn, dropped) => {
                    let note = format!(
                        "{} messages and {} bytes not kept",
                        dropped.observations, dropped.bytes
                    );
                    let mut gap = TranscriptEntry::event(latest, Some(conn.0), "gap", Some(note));
                    let received = dropped.bytes.saturating_sub(dropped.sent);
                    gap.fields.push("sent_bytes", dropped.sent);
                    gap.fields.push("received_bytes", received);
                    lines.push(gap);
                }
            }
        }
        lines.extend(events.map(|(_, event)| event.clone()));
        lines
    }

    /// What was [`seen`](Self::seen), as a line.
    pub fn line(&self, observation: &Observation) -> TranscriptEntry {
        let dir = match observation.dir {
            Dir::Sent => EntryDir::Sent,
            Dir::Received => EntryDir::Received,
        };
        let (at, conn, raw) = (observation.at, observation.conn.0, &observation.raw);
        let message = |kind: &str, fields: Fields, note: Option<String>| {
            let mut entry = TranscriptEntry::message(at, conn, dir, kind, fields, raw);
            entry.auto = observation.auto;
            entry.note = note;
            entry
        };
        match &observation.what {
            What::Handshake(handshake) => {
                let mut fields = Fields::default();
                fields.push("reserved", hex::encode(&handshake.reserved.0));
                fields.push("info_hash", handshake.info_hash.to_string());
                fields.push("peer_id", handshake.peer_id.to_string());
                message("handshake", fields, handshake.peer_id.client())
            }
            What::BadHandshake(error) => {
                message("bad_handshake", Fields::default(), Some(error.to_string()))
            }
            What::Message(found) => match self.payloads.get(&observation.seq) {
                Some(payload) => message(payload.kind().name(), payload.fields().into(), None),
                None => message(found.name(), found.fields().into(), None),
            },
            What::Undecodable(error) => {
                message("undecodable", Fields::default(), Some(error.to_string()))
            }
            What::OverLimit { length } => message(
                "undecodable",
                Fields::default(),
                Some(format!("length prefix {length} is above the limit")),
            ),
            What::Trailing => message("raw", Fields::default(), Some(UNFINISHED.to_owned())),
            What::Opaque => message("raw", Fields::default(), None),
            What::Closed(how) => {
                let who = match observation.dir {
                    Dir::Sent => "tester",
                    Dir::Received => "target",
                };
                let note = format!("{} by {who}", how.name());
                TranscriptEntry::event(at, Some(conn), "closed", Some(note))
            }
            What::Quiet => TranscriptEntry::event(at, Some(conn), "quiet", None),
        }
    }
}

/// Kind of the event that the frame which begins next is left unfinished on purpose.
pub const OPEN_FRAME: &str = "open_frame";
/// Note of bytes that were no whole message when their stream ended.
pub const UNFINISHED: &str = "not finished when the stream ended";
/// Decoded payloads kept of a case.
const MAX_PAYLOADS: usize = 8192;
/// Events kept of a case.
const MAX_EVENTS: usize = 8192;
