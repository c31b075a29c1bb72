//! The result of one play of a case, or of one rule over a run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Millis, TranscriptEntry, Verdict};
use crate::requirement::{Level, catalogue};
use crate::rule::{Rule, Violation};

/// The suite name of rule rows.
pub const RULE_SUITE: &str = "rule";
/// The observation of a rule row: events that concerned it.
pub const EVALUATED: &str = "evaluated";
/// The observation of a rule row: of these, how many broke it.
pub const BROKEN: &str = "broken";
/// Occurrences that a rule row shows.
pub const OCCURRENCES: usize = 3;

/// The reason of rows that were not played because of `--max-fail`.
pub const ENOUGH: &str = "not played: enough fails before";

/// One row of the report: a play of a case, or a rule over the whole run (`suite` is `rule`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseOutcome {
    /// Unique: `SUITE/CASE[MATRIX]:ROLE`, then `:dials`, then `@VARIANT`; `rule/NAME` for a rule.
    pub id: String,
    /// `SUITE/CASE` without matrix, role and variant.
    pub case: String,
    /// Id of the suite; `rule` for rule rows.
    pub suite: String,
    /// One line of prose.
    pub title: String,
    /// Role of the target in this play: `seed` or `leech`; absent for rule rows.
    pub role: Option<String>,
    /// `dialled` when the tester connected, `dials` when the target did; absent for rule rows.
    pub direction: Option<String>,
    /// Labels of the matrix values, by name.
    pub matrix: BTreeMap<String, String>,
    /// Segmentation this play was replayed with.
    pub variant: Option<String>,
    /// From 1; more when the play was repeated.
    pub attempt: u32,
    /// Strictest level among the cited requirements.
    pub level: Option<Level>,
    /// Requirements cited.
    pub requirements: Vec<String>,
    /// What it came to.
    pub verdict: Verdict,
    /// One sentence on why it is not a pass; always there for skip, inconclusive and error.
    pub reason: Option<String>,
    /// Length of the play.
    pub duration_ms: Millis,
    /// What `measure` steps and `info` branches saw; counters of a rule.
    pub observations: BTreeMap<String, Value>,
    /// What was found against the target, the decisive one first.
    pub findings: Vec<Finding>,
    /// Connections of the play.
    pub connections: Vec<Connection>,
    /// What went over the wire, and when.
    pub transcript: Vec<TranscriptEntry>,
    /// Last lines of the client's own log, when a driver knows where it is. Terminal only.
    #[serde(skip)]
    pub log: Vec<String>,
    /// The reason from the expectations file that lists this result. Terminal only.
    #[serde(skip)]
    pub known: Option<String>,
}

impl CaseOutcome {
    /// A row with its names, without a result: `skip` until the engine says otherwise.
    pub fn new(id: impl Into<String>, suite: impl Into<String>, case: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            case: case.into(),
            suite: suite.into(),
            title: String::new(),
            role: None,
            direction: None,
            matrix: BTreeMap::new(),
            variant: None,
            attempt: 1,
            level: None,
            requirements: Vec::new(),
            verdict: Verdict::Skip,
            reason: None,
            duration_ms: Millis::default(),
            observations: BTreeMap::new(),
            findings: Vec::new(),
            connections: Vec::new(),
            transcript: Vec::new(),
            log: Vec::new(),
            known: None,
        }
    }

    /// Whether this row is a rule over the run.
    pub fn is_rule(&self) -> bool {
        self.suite == RULE_SUITE
    }

    /// The row of a rule over a run: what was counted, and what that comes to. A rule that held
    /// passes only if some case did: a target that does nothing breaks nothing.
    pub fn of_rule(rule: &Rule, evaluated: u64, broken: u64, some_passed: bool) -> Self {
        let id = format!("{RULE_SUITE}/{}", rule.id);
        let mut row = Self::new(id.clone(), RULE_SUITE, id);
        row.title = rule.title.to_owned();
        row.requirements = vec![rule.requirement.to_owned()];
        row.level = catalogue().get(rule.requirement).map(|entry| entry.level);
        row.count(evaluated, broken, some_passed);
        row
    }

    /// Sets counts, verdict and reason of a rule's row.
    pub(super) fn count(&mut self, evaluated: u64, broken: u64, some_passed: bool) {
        let mut note = |name: &str, count: u64| {
            self.observations.insert(name.to_owned(), count.into());
        };
        note(EVALUATED, evaluated);
        note(BROKEN, broken);
        (self.verdict, self.reason) = if broken > 0 {
            let verdict = self.level.map_or(Verdict::Fail, Verdict::ceiling);
            (
                verdict,
                Some(format!("broken {broken} times of {evaluated}")),
            )
        } else if evaluated == 0 {
            (Verdict::Skip, Some("never applicable".to_owned()))
        } else if !some_passed {
            let reason = format!("held {evaluated} times, but no case passed");
            (Verdict::Skip, Some(reason))
        } else {
            (Verdict::Pass, None)
        };
    }

    /// The finding that decided the verdict: a missed step before a broken rule, either before
    /// what weighs less.
    pub fn decisive(&self) -> Option<&Finding> {
        let decided = |finding: &&Finding| finding.verdict == self.verdict;
        let mut deciding = self.findings.iter().filter(decided);
        let first = deciding.next().or_else(|| self.findings.first())?;
        Some(match first.step {
            Some(_) => first,
            None => deciding
                .find(|finding| finding.step.is_some())
                .unwrap_or(first),
        })
    }

    /// The verdict as expectations see it.
    pub fn unfavourable(&self) -> bool {
        matches!(
            self.verdict,
            Verdict::Fail | Verdict::Warn | Verdict::Inconclusive
        )
    }
}

/// One thing found against the target, by a judged step or by a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The requirement that is broken; absent for death, hang and the like under no citation.
    pub requirement: Option<String>,
    /// Its level.
    pub level: Option<Level>,
    /// What it counts as.
    pub verdict: Verdict,
    /// Name of the rule that found it. Either this or `step` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The step that was missed, in the words of the file. Either this or `rule` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Scenario file of the step; of the case in which a rule was broken.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column, from 1.
    pub col: Option<u32>,
    /// The sentence of the BEP.
    pub quote: Option<String>,
    /// What would have been right, one entry for each alternative.
    pub expected: Vec<Expected>,
    /// What came instead.
    pub actual: String,
    /// The connection on which it was seen.
    pub conn: Option<u32>,
    /// When, since the case began.
    pub at_ms: Millis,
    /// The line of the scenario file that `line` means. Terminal only.
    #[serde(skip)]
    pub source_line: Option<String>,
    /// Case in which a rule was broken; for rule rows. Terminal only.
    #[serde(skip)]
    pub seen_in: Option<String>,
}

impl Finding {
    /// A finding of `verdict` that says what came; fill in the rest.
    pub fn new(verdict: Verdict, actual: impl Into<String>, at: impl Into<Millis>) -> Self {
        Self {
            requirement: None,
            level: None,
            verdict,
            rule: None,
            step: None,
            file: None,
            line: None,
            col: None,
            quote: None,
            expected: Vec::new(),
            actual: actual.into(),
            conn: None,
            at_ms: at.into(),
            source_line: None,
            seen_in: None,
        }
    }

    /// What a broken rule counts as, with its sentence.
    pub fn of_rule(violation: &Violation) -> Self {
        let requirement = catalogue().get(violation.requirement);
        let level = requirement.map(|requirement| requirement.level);
        let verdict = level.map_or(Verdict::Fail, Verdict::ceiling);
        Self {
            rule: Some(violation.rule.to_owned()),
            conn: Some(violation.conn.0),
            requirement: Some(violation.requirement.to_owned()),
            level,
            quote: requirement.and_then(|requirement| requirement.quote.clone()),
            ..Self::new(verdict, violation.detail.clone(), violation.at)
        }
    }

    /// Places it in a scenario file.
    pub fn place(&mut self, place: Place) {
        self.file = Some(place.file);
        self.line = Some(place.line);
        self.col = Some(place.col);
        self.source_line = place.text;
    }
}

/// A place in a scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File as given by the user or embedded.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub col: u32,
    /// The line itself, when it is at hand.
    pub text: Option<String>,
}

/// One alternative that would have been right, and why it was not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The alternative in words: ``reject_request{index: 1026, begin: 0, length: 16384}``.
    pub what: String,
    /// Why it did not happen: `not within 15 s`, `index was 3`.
    pub missed: String,
}

impl Expected {
    /// An alternative and why it was not met.
    pub fn new(what: impl Into<String>, missed: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            missed: missed.into(),
        }
    }
}

/// One connection of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The tester's number of the connection, from 1.
    pub conn: u32,
    /// Name of the peer in the scenario that played our end.
    pub peer: String,
    /// Our address.
    pub source: String,
    /// The target's address.
    pub target: String,
    /// When it was opened, since the case began.
    pub opened_ms: Millis,
    /// How it ended, if it did before the case was over.
    pub closed: Option<Closed>,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// By whom.
    pub by: ClosedBy,
    /// In which manner.
    pub how: How,
    /// When, since the case began.
    pub at_ms: Millis,
    /// Bytes that the tester had sent on it by then.
    pub after_sent: u64,
}

/// Who closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBy {
    /// Our end.
    Tester,
    /// The peer under test.
    Target,
}

/// Manner in which a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// An orderly end of stream.
    Fin,
    /// A reset.
    Rst,
    /// Found out by a failed write.
    WriteError,
}
