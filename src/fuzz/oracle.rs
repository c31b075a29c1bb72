//! What tells that something is wrong with the target.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::trace::Trace;
use crate::requirement::{Level, catalogue};
pub use crate::target::client::Usage;
use crate::target::client::is_alarm;
use crate::trace::Dir;
use crate::wire::BlockRef;

/// Who noticed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Oracle {
    /// Its process ended.
    Death,
    /// It wrote of a panic or a sanitizer's report.
    Report,
    /// It takes no connections any more, or serves none.
    Wedge,
    /// It holds more and more memory.
    Memory,
    /// It holds more and more open files.
    Files,
    /// It is busy with nothing.
    Cpu,
    /// It buffers whatever it is asked for, for somebody who does not read.
    SlowReader,
    /// It broke a rule.
    Rule,
    /// It never answered a valid request.
    Unanswered,
    /// It served bytes from beyond the end of a piece.
    Overread,
}

impl Oracle {
    /// Whether the target is of no use any more once this has happened.
    pub fn spends(self) -> bool {
        matches!(
            self,
            Self::Death | Self::Wedge | Self::Memory | Self::Files | Self::Cpu | Self::SlowReader
        )
    }

    /// Name in file names and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Death => "death",
            Self::Report => "report",
            Self::Wedge => "wedge",
            Self::Memory => "memory",
            Self::Files => "files",
            Self::Cpu => "cpu",
            Self::SlowReader => "slow-reader",
            Self::Rule => "rule",
            Self::Unanswered => "unanswered",
            Self::Overread => "overread",
        }
    }
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that may be a find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// Who noticed.
    pub oracle: Oracle,
    /// Equal buckets are one find.
    pub bucket: String,
    /// The requirement that was broken, where one was.
    pub requirement: Option<&'static str>,
    /// What was seen.
    pub detail: String,
    /// The block that it is about.
    pub block: Option<BlockRef>,
}

impl Suspicion {
    /// Without a requirement.
    pub fn new(oracle: Oracle, bucket: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            oracle,
            bucket: bucket.into(),
            requirement: None,
            detail: detail.into(),
            block: None,
        }
    }

    /// A process that ended: how, and the uppermost frames of what it wrote.
    pub fn death(vitals: &Vitals) -> Self {
        let how = match (vitals.exit, vitals.how.is_empty()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, false) => vitals.how.clone(),
            (None, true) => "no exit code".to_owned(),
        };
        let frames = frames(&vitals.alarm);
        let bucket = match frames.is_empty() {
            true => format!("death: {how}"),
            false => format!("death: {how}: {frames}"),
        };
        let mut detail = format!("the process ended: {how}");
        for line in vitals.alarm.iter().take(SHOWN) {
            detail.push('\n');
            detail.push_str(line);
        }
        Self::new(Oracle::Death, bucket, detail)
    }

    /// A panic or a sanitizer's report that the process survived.
    pub fn report(alarm: &[String]) -> Self {
        let shown: Vec<&str> = alarm.iter().take(SHOWN).map(String::as_str).collect();
        Self::new(
            Oracle::Report,
            format!("report: {}", frames(alarm)),
            shown.join("\n"),
        )
    }
}

/// How the target is, without a look at its memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Whether its process runs; `None` when nobody can tell.
    pub alive: Option<bool>,
    /// Exit code of an ended process.
    pub exit: Option<i32>,
    /// How it ended, in words.
    pub how: String,
    /// Lines of a panic or a sanitizer that it wrote since the last look, and what followed them.
    pub alarm: Vec<String>,
}

/// What a trace shows: suspicions that a campaign looks into, and deviations that it only counts.
pub fn judge(trace: &Trace) -> (Vec<Suspicion>, Vec<&'static str>) {
    let mut found = Vec::new();
    let mut notes = Vec::new();
    for violation in &trace.violations {
        let level = catalogue().get(violation.requirement).map(|it| it.level);
        if !matches!(level, Some(Level::Must | Level::Should)) {
            notes.push(violation.rule);
            continue;
        }
        found.push(Suspicion {
            requirement: Some(violation.requirement),
            ..Suspicion::new(
                Oracle::Rule,
                format!("rule/{}", violation.rule),
                violation.detail.clone(),
            )
        });
    }
    if let Some(block) = trace.overread {
        found.push(Suspicion {
            requirement: Some("B3-FR-24"),
            block: Some(block),
            ..Suspicion::new(
                Oracle::Overread,
                "overread",
                format!(
                    "a piece message with {} bytes at {} of piece {}, which reach beyond the piece",
                    block.length, block.begin, block.index
                ),
            )
        });
    }
    let left = matches!(trace.closed, Some((Dir::Received, _, _)));
    if let Some(block) = trace.unanswered.filter(|_| !left) {
        found.push(Suspicion {
            requirement: Some("B6-RJ-03"),
            block: Some(block),
            ..Suspicion::new(
                Oracle::Unanswered,
                "unanswered",
                format!(
                    "no answer to a valid request for {} bytes at {} of piece {}",
                    block.length, block.begin, block.index
                ),
            )
        });
    }
    (found, notes)
}

/// The uppermost frames of a report, without addresses and numbers that differ from run to run.
fn frames(alarm: &[String]) -> String {
    let mut frames = Vec::new();
    for line in alarm {
        let line = line.trim_start();
        let frame = line.strip_prefix('#').and_then(|rest| {
            let (number, frame) = rest.split_once(' ')?;
            number.parse::<u32>().ok()?;
            Some(frame.split_once(" in ").map_or(frame, |(_, name)| name))
        });
        if let Some(frame) = frame {
            frames.push(steady(frame));
        }
        if frames.len() == FRAMES {
            break;
        }
    }
    if frames.is_empty()
        && let Some(first) = alarm.iter().find(|line| is_alarm(line))
    {
        frames.push(steady(first));
    }
    frames.join(" < ")
}

/// A line without numbers of four digits and more, and not too long.
fn steady(line: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in line.chars().take(160).chain(['\0']) {
        if c.is_ascii_hexdigit() && (c.is_ascii_digit() || !digits.is_empty()) {
            digits.push(c);
            continue;
        }
        if digits.len() < 4 {
            out.push_str(&digits);
        } else {
            out.push('N');
        }
        digits.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// Lines of a report that a find shows.
const SHOWN: usize = 12;
/// Frames that make a bucket.
const FRAMES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_make_buckets() {
        let alarm: Vec<String> = [
            "==4711==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000011",
            "    #0 0x55d0c0de in read_piece(char*) piece.cpp:120:5",
            "    #1 0x55d0c0ff in on_message peer.cpp:7",
            "    #2 0x55d0c111 in main",
            "    #3 0x55d0c222 in start",
        ]
        .map(str::to_owned)
        .into();
        assert_eq!(
            Suspicion::report(&alarm).bucket,
            "report: read_piece(char*) piece.cpp:120:5 < on_message peer.cpp:7 < main"
        );
        let panic = ["thread 'main' (71234) panicked at src/peer.rs:12:3:".to_owned()];
        assert_eq!(
            Suspicion::report(&panic).bucket,
            "report: thread 'main' (N) panicked at src/peer.rs:12:3:"
        );
    }

    #[test]
    fn a_death_is_told_apart_by_how() {
        let vitals = |exit, how: &str| Vitals {
            exit,
            how: how.to_owned(),
            ..Vitals::default()
        };
        let bucket = |vitals| Suspicion::death(&vitals).bucket;
        assert_eq!(bucket(vitals(Some(3), "")), "death: exit code 3");
        assert_eq!(bucket(vitals(None, "signal 11")), "death: signal 11");
    }

    #[test]
    fn blocks_beyond_a_piece_and_silence_are_suspicious() {
        let trace = Trace {
            overread: Some(BlockRef::new(1, 2, 3)),
            unanswered: Some(BlockRef::new(1, 2, 3)),
            ..Trace::default()
        };
        let (found, _) = judge(&trace);
        let oracles: Vec<Oracle> = found.iter().map(|it| it.oracle).collect();
        assert_eq!(oracles, [Oracle::Overread, Oracle::Unanswered]);
    }

    #[test]
    fn requirements_of_oracles_exist() {
        for id in ["B3-FR-24", "B6-RJ-03"] {
            assert!(catalogue().get(id).is_some(), "{id}");
        }
    }
}
