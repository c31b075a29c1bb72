//! The wire of a run as a capture: each connection of each case is a TCP stream.
//!
//! The bytes are those of the transcripts. Where a transcript holds the beginning of a message only,
//! zeros stand for the rest and a comment says so: what a torrent has there need not be what went
//! over the wire. Where it holds nothing, sequence numbers jump.
//! Cases follow each other in time, since 1970 began: a report has no date.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::Context;
use super::text::safe;
use crate::capture::{CaptureWriter, TcpConn};
use crate::outcome::{CaseOutcome, EntryDir, Finding, RunOutcome, TranscriptEntry};
use crate::trace::{CloseHow, Dir};
use crate::wire::hex;

/// Writes the run as pcapng.
pub fn write(run: &RunOutcome, context: &Context, out: &mut dyn io::Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let target = safe(&run.target.spec).into_owned();
    let command = context.repeat.iter().map(|word| safe(word).into_owned());
    let about = format!(
        "target {target}; {}; btspec {}",
        run.summary.line(&run.cases),
        command.collect::<Vec<_>>().join(" ")
    );
    let mut capture = Capture {
        file: CaptureWriter::new(&mut out, &about)?,
        numbers: 0,
        zeros: MAX_ZEROS,
    };
    let mut base = Duration::ZERO;
    for case in run.cases.iter().filter(|case| !case.is_rule()) {
        CaseCapture::new(case, base).write(&mut capture)?;
        let last = case.transcript.iter().map(|entry| entry.at_ms.0).max();
        let span = case.duration_ms.0.max(last.unwrap_or_default());
        base = base.saturating_add(span).min(MAX_TIME);
    }
    capture.file.flush()?;
    io::Write::flush(&mut out)
}

struct Capture<W: io::Write> {
    file: CaptureWriter<W>,
    /// Connections so far.
    numbers: u32,
    /// Zeros that may still stand for bytes that were not recorded.
    zeros: usize,
}

/// A case on its way into a file.
struct CaseCapture<'a> {
    case: &'a CaseOutcome,
    base: Duration,
    conns: BTreeMap<u32, TcpConn>,
    /// Comments that wait for the next packet, of a connection or of any.
    waiting: Vec<(Option<u32>, String)>,
    findings: Vec<&'a Finding>,
}

impl<'a> CaseCapture<'a> {
    fn new(case: &'a CaseOutcome, base: Duration) -> Self {
        let mut about = format!("{}: {}", safe(&case.id), safe(&case.title));
        about.push_str(&format!("\nverdict: {}", case.verdict));
        if let Some(reason) = &case.reason {
            about.push_str(&format!(": {}", safe(reason)));
        }
        let mut findings: Vec<&Finding> = case.findings.iter().collect();
        findings.sort_by_key(|finding| finding.at_ms);
        Self {
            case,
            base,
            conns: BTreeMap::new(),
            waiting: vec![(None, about)],
            findings,
        }
    }

    fn write<W: io::Write>(mut self, capture: &mut Capture<W>) -> io::Result<()> {
        let mut latest = Duration::ZERO;
        for entry in &self.case.transcript {
            latest = latest.max(entry.at_ms.0);
            self.find_until(entry.at_ms.0, false);
            let Some(number) = entry.conn else {
                self.waiting
                    .extend(event_comment(entry).map(|text| (None, text)));
                continue;
            };
            self.open(number, entry.at_ms.0, capture)?;
            self.entry(number, entry, capture)?;
        }
        self.find_until(latest, true);
        self.last_words(latest, capture)
    }

    /// Comments on what was found by then.
    fn find_until(&mut self, at: Duration, all: bool) {
        let due = self.findings.iter();
        let due = due
            .take_while(|finding| all || finding.at_ms.0 < at)
            .count();
        for finding in self.findings.drain(..due) {
            self.waiting.push((finding.conn, finding_comment(finding)));
        }
    }

    fn entry<W: io::Write>(
        &mut self,
        number: u32,
        entry: &TranscriptEntry,
        capture: &mut Capture<W>,
    ) -> io::Result<()> {
        let at = self.at(entry.at_ms.0);
        let dir = match entry.dir {
            EntryDir::Sent => Dir::Sent,
            EntryDir::Received => Dir::Received,
            EntryDir::Event => return self.event(number, entry, capture),
        };
        let mut comments = self.take(number);
        if let Some(note) = &entry.note {
            comments.push(safe(note).into_owned());
        }
        if entry.auto {
            comments.push("sent by the tester on its own".to_owned());
        }
        let mut bytes = entry
            .hex
            .as_deref()
            .and_then(|hex| hex::decode(hex).ok())
            .unwrap_or_default()
            .to_vec();
        let missing = entry.len.saturating_sub(bytes.len() as u64);
        let zeros = usize::try_from(missing)
            .ok()
            .filter(|zeros| *zeros <= MAX_ZEROS_OF_MESSAGE && *zeros <= capture.zeros)
            .unwrap_or(0);
        if zeros > 0 {
            capture.zeros = capture.zeros.saturating_sub(zeros);
            comments.push(format!(
                "{zeros} of these {} bytes were not recorded: zeros stand for them",
                entry.len
            ));
            bytes.resize(bytes.len().saturating_add(zeros), 0);
        } else if missing > 0 {
            comments.push(format!(
                "{missing} of these {} bytes were not recorded: they are missing here",
                entry.len
            ));
        }
        let Some(conn) = self.conns.get_mut(&number) else {
            return Ok(());
        };
        if bytes.is_empty() && !comments.is_empty() {
            capture.file.ack(conn, dir, at, &comments)?;
        }
        capture.file.data(conn, dir, &bytes, at, &comments)?;
        if zeros == 0 {
            conn.skip(dir, missing);
        }
        Ok(())
    }

    fn event<W: io::Write>(
        &mut self,
        number: u32,
        entry: &TranscriptEntry,
        capture: &mut Capture<W>,
    ) -> io::Result<()> {
        let closed = (entry.kind == "closed")
            .then(|| closed(entry.note.as_deref().unwrap_or_default()))
            .flatten();
        if let Some((dir, how)) = closed {
            let (at, comments) = (self.at(entry.at_ms.0), self.take(number));
            if let Some(conn) = self.conns.get_mut(&number) {
                capture.file.close(conn, dir, how, at, &comments)?;
            }
            return Ok(());
        }
        if let Some(conn) = self.conns.get_mut(&number)
            && entry.kind == "gap"
        {
            let bytes = |name| entry.fields.get(name).and_then(serde_json::Value::as_u64);
            conn.skip(Dir::Sent, bytes("sent_bytes").unwrap_or(0));
            conn.skip(Dir::Received, bytes("received_bytes").unwrap_or(0));
        }
        self.waiting
            .extend(event_comment(entry).map(|text| (Some(number), text)));
        Ok(())
    }

    /// Opens a connection when the first thing is told of it.
    fn open<W: io::Write>(
        &mut self,
        number: u32,
        at: Duration,
        capture: &mut Capture<W>,
    ) -> io::Result<()> {
        if self.conns.contains_key(&number) {
            return Ok(());
        }
        let known = self.case.connections.iter().find(|it| it.conn == number);
        let (source, target) = addresses(known, capture.numbers);
        let dialler = match self.case.direction.as_deref() {
            Some("dials") => Dir::Received,
            _ => Dir::Sent,
        };
        let opened = known.map_or(at, |it| it.opened_ms.0.min(at));
        let mut comments = self.take(number);
        let peer = known.map_or("", |it| it.peer.as_str());
        comments.push(format!(
            "{}, connection {number} ({}), the tester is {source}",
            safe(&self.case.id),
            safe(peer)
        ));
        let mut conn = TcpConn::new(source, target, dialler, capture.numbers);
        capture.numbers = capture.numbers.wrapping_add(1);
        capture.file.open(&mut conn, self.at(opened), &comments)?;
        self.conns.insert(number, conn);
        Ok(())
    }

    /// What is still to be said at the end of the case, on a packet that carries nothing else.
    fn last_words<W: io::Write>(
        &mut self,
        at: Duration,
        capture: &mut Capture<W>,
    ) -> io::Result<()> {
        let at = self.at(at);
        let any = self.conns.keys().next_back().copied();
        let words = std::mem::take(&mut self.waiting);
        let mut by_conn: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (number, text) in words {
            let number = number.filter(|number| self.conns.contains_key(number));
            if let Some(number) = number.or(any) {
                by_conn.entry(number).or_default().push(text);
            }
        }
        for (number, comments) in by_conn {
            if let Some(conn) = self.conns.get_mut(&number) {
                capture.file.ack(conn, Dir::Sent, at, &comments)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, number: u32) -> Vec<String> {
        let waiting = std::mem::take(&mut self.waiting);
        let (now, later) = waiting
            .into_iter()
            .partition(|(conn, _)| conn.is_none_or(|conn| conn == number));
        self.waiting = later;
        let now: Vec<(Option<u32>, String)> = now;
        now.into_iter().map(|(_, text)| text).collect()
    }

    fn at(&self, at: Duration) -> Duration {
        self.base.saturating_add(at).min(MAX_TIME)
    }
}

/// The addresses recorded; where there are none, or none that can be read, some of the networks
/// that are kept for documentation.
fn addresses(
    known: Option<&crate::outcome::case::Connection>,
    number: u32,
) -> (SocketAddr, SocketAddr) {
    let port = u16::try_from(number % 20_000).unwrap_or(0);
    let invented =
        |last: u8, port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port);
    let source = known.and_then(|it| it.source.parse().ok());
    let target = known.and_then(|it| it.target.parse().ok());
    (
        source.unwrap_or_else(|| invented(1, port.saturating_add(40_000))),
        target.unwrap_or_else(|| invented(2, 6881)),
    )
}

/// `fin by target`: who ended its stream, and how.
fn closed(note: &str) -> Option<(Dir, CloseHow)> {
    let (how, who) = note.split_once(" by ")?;
    let dir = match who {
        "tester" => Dir::Sent,
        "target" => Dir::Received,
        _ => return None,
    };
    let all = [CloseHow::Fin, CloseHow::Rst, CloseHow::WriteError];
    let how = all.into_iter().find(|it| it.name() == how)?;
    Some((dir, how))
}

fn event_comment(entry: &TranscriptEntry) -> Option<String> {
    let kind = safe(&entry.kind);
    match &entry.note {
        Some(note) => Some(format!("{kind}: {}", safe(note))),
        // The packets that open it say so.
        None if entry.kind == "connected" => None,
        None => Some(kind.into_owned()),
    }
}

fn finding_comment(finding: &Finding) -> String {
    let by = match (&finding.rule, &finding.step) {
        (Some(rule), _) => format!("rule {}", safe(rule)),
        (None, Some(step)) => format!("step {}", safe(step)),
        (None, None) => "case".to_owned(),
    };
    let requirement = finding.requirement.as_deref().unwrap_or_default();
    let mut text = format!(
        "{} {}: {by}: {}",
        finding.verdict,
        safe(requirement),
        safe(&finding.actual)
    );
    for expected in &finding.expected {
        text.push_str(&format!(
            "\nexpected {}: {}",
            safe(&expected.what),
            safe(&expected.missed)
        ));
    }
    text
}

/// Zeros that stand for the rest of one message: a message is a MiB at most.
const MAX_ZEROS_OF_MESSAGE: usize = 1 << 20;
/// Zeros of a file, so that a small report does not become a large capture.
const MAX_ZEROS: usize = 256 << 20;
/// The end of what nanoseconds in 64 bits can say, less a day.
const MAX_TIME: Duration = Duration::from_secs(18_446_657_673);
