//! A run as lines, written while it goes on: what is judged stays judged if the run is killed.
//!
//! The first line is the header; then one for each row as it is judged, and one for the target once
//! it has shown what it is; the last is the summary. The file of a killed run ends early, perhaps
//! within a line; [`read`] says so and gives what is there. [`crate::report::jsonl`] writes it.

use std::io::BufRead;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CaseOutcome, Finding, Millis, RunOutcome, Summary, TargetInfo, Tool, TranscriptEntry, Verdict,
};

/// Version of the form of the lines. It changes only when a reader would have to.
pub const SCHEMA: &str = "btspec.run/1";

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Header(Header),
    /// What the target is, once it has shown it; a later one replaces it.
    Target(TargetInfo),
    /// A row, as in the JSON report. A later one with the same `id` replaces it.
    Case(Box<CaseOutcome>),
    /// One more line of the wire log of a row that was told and is not over; a proxy writes it. The
    /// row, once it is over, has its own log and replaces all of this.
    Entry(Box<Logged>),
    /// Something that was found in such a row.
    Finding(Box<Found>),
    /// The last; absent when the run was killed.
    Summary(Box<End>),
}

/// A line of the wire log of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logged {
    /// Id of the row.
    pub id: String,
    /// The line.
    pub entry: TranscriptEntry,
}

/// Something that was found in a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Id of the row.
    pub id: String,
    /// What was found.
    pub finding: Finding,
}

/// What is known before anything is played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always `btspec.run/1`.
    pub schema: String,
    /// What writes it.
    pub tool: Tool,
    /// The target as the user named it.
    pub target: String,
    /// Seed of everything random in the run.
    pub seed: u64,
}

impl Header {
    /// The header of a run of this program.
    pub fn new(target: impl Into<String>, seed: u64) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            tool: Tool::this(),
            target: target.into(),
            seed,
        }
    }
}

/// What is known once everything is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Length of the run; in self mode the virtual time of all plays together.
    pub duration_ms: Millis,
    /// Exit code of the process.
    pub exit: u8,
    /// Why the run ended before the last case, or could not begin.
    pub lost: Option<String>,
    /// Counts.
    pub summary: Summary,
}

impl End {
    /// What `run` came to.
    pub fn of(run: &RunOutcome) -> Self {
        Self {
            duration_ms: run.duration_ms,
            exit: run.exit,
            lost: run.lost.clone(),
            summary: run.summary.clone(),
        }
    }
}

/// A run as far as its lines tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The rows in the order of their lines, counted anew; exit code and duration are those of the
    /// summary, and 0 without.
    pub run: RunOutcome,
    /// Whether the summary is there: nothing is missing.
    pub complete: bool,
}

/// Why lines are no run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Reading failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A line is none of ours.
    #[error("line {line}: {why}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// There is no header.
    #[error("no line with the header `{SCHEMA}`: not written by `run --report jsonl=FILE`")]
    NoHeader,
}

/// Reads what was written, up to a line that was cut off.
pub fn read(mut lines: impl BufRead) -> Result<Recorded, ReadError> {
    let mut header: Option<Header> = None;
    let mut target: Option<TargetInfo> = None;
    let mut cases: Vec<CaseOutcome> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    let mut end: Option<Box<End>> = None;
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        lines.read_until(b'\n', &mut text)?;
        if !text.ends_with(b"\n") {
            // The end, or a line that somebody was killed over.
            break;
        }
        let wrong = |why: String| ReadError::Line { line: number, why };
        let line = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        match line {
            Line::Header(first) if header.is_none() && number == 1 => {
                if first.schema != SCHEMA {
                    return Err(wrong(format!("`{}` is not `{SCHEMA}`", first.schema)));
                }
                header = Some(first);
            }
            Line::Header(_) => return Err(wrong("a second header".to_owned())),
            _ if header.is_none() => return Err(ReadError::NoHeader),
            Line::Target(info) => target = Some(info),
            Line::Case(case) => match places.get(&case.id).and_then(|at| cases.get_mut(*at)) {
                Some(before) => *before = *case,
                None => {
                    places.insert(case.id.clone(), cases.len());
                    cases.push(*case);
                }
            },
            Line::Entry(logged) => {
                let place = places.get(&logged.id).and_then(|at| cases.get_mut(*at));
                let case = place.ok_or_else(|| wrong(format!("no row `{}` yet", logged.id)))?;
                case.transcript.push(logged.entry);
            }
            Line::Finding(found) => {
                let place = places.get(&found.id).and_then(|at| cases.get_mut(*at));
                let case = place.ok_or_else(|| wrong(format!("no row `{}` yet", found.id)))?;
                case.findings.push(found.finding);
                let verdicts = case.findings.iter().map(|finding| finding.verdict);
                case.verdict = verdicts.fold(Verdict::Pass, Verdict::worst);
            }
            Line::Summary(last) => end = Some(last),
        }
    }
    let header = header.ok_or(ReadError::NoHeader)?;
    let target = target.unwrap_or_else(|| TargetInfo {
        spec: header.target,
        ..TargetInfo::default()
    });
    let mut run = RunOutcome::new(target, header.seed, cases);
    run.tool = header.tool;
    let complete = end.is_some();
    if let Some(end) = end {
        run.duration_ms = end.duration_ms;
        run.exit = end.exit;
        run.lost = end.lost;
    }
    Ok(Recorded { run, complete })
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn text(lines: &[Line]) -> String {
        let lines = lines
            .iter()
            .map(|line| serde_json::to_string(line).unwrap());
        lines.map(|line| line + "\n").collect()
    }

    fn case(id: &str, verdict: Verdict) -> Line {
        let mut case = CaseOutcome::new(id, "s", "s/c");
        case.verdict = verdict;
        Line::Case(Box::new(case))
    }

    #[test]
    fn a_row_that_is_told_twice_counts_once() {
        let text = text(&[
            Line::Header(Header::new("self", 7)),
            case("a", Verdict::Fail),
            case("b", Verdict::Pass),
            case("a", Verdict::Pass),
        ]);
        let read = read(text.as_bytes()).unwrap();
        assert!(!read.complete);
        assert_eq!((read.run.summary.pass, read.run.summary.fail), (2, 0));
        assert_eq!(read.run.cases[0].id, "a");
        assert_eq!(read.run.seed, 7);
    }

    #[test]
    fn a_row_that_was_not_over_has_what_was_told_of_it() {
        let entry = |kind: &str| {
            let entry = TranscriptEntry::event(Millis::default(), Some(1), kind, None);
            let id = "a".to_owned();
            Line::Entry(Box::new(Logged { id, entry }))
        };
        let mut lines = vec![
            Line::Header(Header::new("self", 7)),
            case("a", Verdict::Inconclusive),
            entry("choke"),
            entry("unchoke"),
        ];
        let open = read(text(&lines).as_bytes()).unwrap();
        assert_eq!(open.run.cases[0].transcript.len(), 2);
        lines.push(case("a", Verdict::Pass));
        let over = read(text(&lines).as_bytes()).unwrap();
        assert_eq!(over.run.cases[0].transcript.len(), 0);
        assert_eq!(over.run.summary.pass, 1);
        let orphan = text(&[lines[0].clone(), entry("choke")]);
        assert!(read(orphan.as_bytes()).is_err());
    }

    #[test]
    fn a_line_that_was_cut_off_is_dropped_and_one_that_is_wrong_is_not() {
        let whole = text(&[
            Line::Header(Header::new("self", 7)),
            case("a", Verdict::Pass),
        ]);
        let header = whole.find('\n').unwrap() + 1;
        for end in header..whole.len() {
            let read = read(&whole.as_bytes()[..end]).unwrap();
            assert!(read.run.cases.is_empty() && !read.complete);
        }
        let error = read(format!("{whole}{{}}\n").as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("line 3: "), "{error}");
        let error = read("{\"schema\": \"btspec.report/1\"}\n".as_bytes()).unwrap_err();
        assert!(error.to_string().contains("line"), "{error}");
        assert!(matches!(read("".as_bytes()), Err(ReadError::NoHeader)));
    }
}
