//! The result of a run: the root of the JSON report.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::case::ENOUGH;
use super::{CaseOutcome, Exit, Millis, Verdict};
use crate::requirement::Level;

/// Version of the JSON report's form. It changes only when a reader would have to.
pub const SCHEMA: &str = "btspec.report/1";

/// Everything a run came to; serialised, the JSON report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunOutcome {
    /// Always `btspec.report/1`.
    pub schema: String,
    /// What wrote it.
    pub tool: Tool,
    /// The peer under test.
    pub target: TargetInfo,
    /// Seed of everything random in the run.
    pub seed: u64,
    /// Length of the run; in self mode the virtual time of all plays together.
    pub duration_ms: Millis,
    /// Exit code of the process.
    pub exit: u8,
    /// Rows, cases first in the order of their files, then rules.
    pub cases: Vec<CaseOutcome>,
    /// Counts.
    pub summary: Summary,
    /// Why the run ended before the last case, or could not begin; absent if it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

impl RunOutcome {
    /// An outcome of `cases`, counted, with exit code 0 until somebody decides otherwise.
    pub fn new(target: TargetInfo, seed: u64, cases: Vec<CaseOutcome>) -> Self {
        let summary = Summary::of(&cases);
        Self {
            schema: SCHEMA.to_owned(),
            tool: Tool::this(),
            target,
            seed,
            duration_ms: Millis::default(),
            exit: Exit::Ok.code(),
            cases,
            summary,
            lost: None,
        }
    }
}

/// The program that wrote a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// What is known about the peer under test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct TargetInfo {
    /// As the user named it: `self`, `127.0.0.1:6881`, `client:transmission`.
    pub spec: String,
    /// `seed`, `leech`, or `both` when a run plays the two.
    pub role: Option<String>,
    /// What it calls itself: `v` of its extended handshake, else read off its peer id.
    pub client: Option<String>,
    /// Names of the reserved bits it set; unknown ones as `byte N bit 0xNN`.
    pub reserved: Vec<String>,
    /// Extension names and ids of its extended handshake.
    pub extensions: BTreeMap<String, u64>,
}

/// Counts of a run. Their text form is the last line of the terminal report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Rows that passed.
    pub pass: u32,
    /// Rows that failed.
    pub fail: u32,
    /// Rows with a warning.
    pub warn: u32,
    /// Rows that only note what was seen.
    pub info: u32,
    /// Rows that were not played.
    pub skip: u32,
    /// Rows whose set-up failed.
    pub inconclusive: u32,
    /// Rows in which the tester failed.
    pub error: u32,
    /// Requirements cited by the selected rows.
    pub requirements: RequirementCount,
}

/// How many of the cited requirements were judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct RequirementCount {
    /// Cited by a row that was judged.
    pub judged: u32,
    /// Cited by any selected row.
    pub total: u32,
}

impl Summary {
    /// Counts `cases`.
    pub fn of(cases: &[CaseOutcome]) -> Self {
        let mut summary = Self::default();
        let mut judged = BTreeSet::new();
        let mut total = BTreeSet::new();
        for case in cases {
            let count = summary.slot(case.verdict);
            *count = count.saturating_add(1);
            for requirement in &case.requirements {
                total.insert(requirement.as_str());
                if case.verdict.judged() {
                    judged.insert(requirement.as_str());
                }
            }
        }
        summary.requirements = RequirementCount {
            judged: u32::try_from(judged.len()).unwrap_or(u32::MAX),
            total: u32::try_from(total.len()).unwrap_or(u32::MAX),
        };
        summary
    }

    /// Rows with `verdict`.
    pub fn count(&self, verdict: Verdict) -> u32 {
        *self.clone().slot(verdict)
    }

    /// All rows.
    pub fn rows(&self) -> u32 {
        Verdict::ALL
            .into_iter()
            .map(|verdict| self.count(verdict))
            .fold(0, u32::saturating_add)
    }

    fn slot(&mut self, verdict: Verdict) -> &mut u32 {
        match verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::Fail => &mut self.fail,
            Verdict::Warn => &mut self.warn,
            Verdict::Info => &mut self.info,
            Verdict::Skip => &mut self.skip,
            Verdict::Inconclusive => &mut self.inconclusive,
            Verdict::Error => &mut self.error,
        }
    }

    /// The last line of the terminal report; `cases` tell at which levels the fails are.
    pub fn line<'a>(&'a self, cases: &'a [CaseOutcome]) -> impl fmt::Display + 'a {
        SummaryLine {
            summary: self,
            cases,
        }
    }
}

struct SummaryLine<'a> {
    summary: &'a Summary,
    cases: &'a [CaseOutcome],
}

impl fmt::Display for SummaryLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary {
            pass,
            fail,
            warn,
            info,
            skip,
            inconclusive,
            error,
            requirements,
        } = self.summary;
        write!(f, "{pass} pass, {fail} fail")?;
        if *fail > 0 {
            let by_level = [Level::Must, Level::Should, Level::Practice, Level::May]
                .into_iter()
                .filter_map(|level| {
                    let count = self
                        .cases
                        .iter()
                        .filter(|case| {
                            case.verdict == Verdict::Fail && case.fail_level() == Some(level)
                        })
                        .count();
                    (count > 0).then(|| format!("{count} {level}"))
                })
                .collect::<Vec<_>>();
            if !by_level.is_empty() {
                write!(f, " ({})", by_level.join(", "))?;
            }
        }
        write!(f, ", {warn} warn, {info} info, {skip} skip")?;
        let enough = self.cases.iter();
        let enough = enough.filter(|case| case.reason.as_deref() == Some(ENOUGH));
        let enough = enough.count();
        if enough > 0 {
            write!(f, " ({enough} not played, --max-fail)")?;
        }
        write!(f, ", {inconclusive} inconclusive")?;
        if *error > 0 {
            write!(f, ", {error} error")?;
        }
        write!(
            f,
            "; {} of {} requirements judged",
            requirements.judged, requirements.total
        )
    }
}

impl CaseOutcome {
    /// Level of what failed: that of the decisive finding, else the row's own.
    fn fail_level(&self) -> Option<Level> {
        self.decisive()
            .and_then(|finding| finding.level)
            .or(self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, verdict: Verdict, requirement: &str, level: Level) -> CaseOutcome {
        let mut case = CaseOutcome::new(id, "s", id);
        case.verdict = verdict;
        case.level = Some(level);
        case.requirements = vec![requirement.to_owned()];
        case
    }

    #[test]
    fn the_last_line_counts_levels_and_requirements() {
        let cases = [
            row("a", Verdict::Pass, "B3-A-01", Level::Must),
            row("b", Verdict::Fail, "B3-A-01", Level::Must),
            row("c", Verdict::Fail, "B3-A-02", Level::Should),
            row("d", Verdict::Skip, "B3-A-03", Level::Must),
        ];
        let summary = Summary::of(&cases);
        assert_eq!(
            summary.line(&cases).to_string(),
            "1 pass, 2 fail (1 must, 1 should), 0 warn, 0 info, 1 skip, 0 inconclusive; \
             2 of 3 requirements judged"
        );
    }

    #[test]
    fn errors_show_only_when_there_are_any() {
        let cases = [row("a", Verdict::Error, "B3-A-01", Level::Must)];
        let line = Summary::of(&cases).line(&cases).to_string();
        assert!(line.contains("0 inconclusive, 1 error; 0 of 1"), "{line}");
    }
}
