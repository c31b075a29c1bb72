//! Known failures, in a file that cannot go stale.
//!
//! An entry says which results are known to be unfavourable, and why. What it lists does not
//! turn the run red; an entry that no longer holds does. [`Expectations::load`] reads the file,
//! [`Expectations::apply`] marks a run's results and returns what is wrong with the file, and
//! [`Expectations::update`] edits the text line by line, so that comments and order stay.

mod load;
mod update;

use std::cmp::Ordering;
use std::fmt;

use super::{CaseOutcome, RunOutcome, Verdict, date::Date};
use crate::scenario::glob;

/// A file of known failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectations {
    /// Its path as shown to the user.
    pub file: String,
    /// Its entries in order.
    pub entries: Vec<Entry>,
}

/// Whether the reason of an entry says that its finding is not told yet: it lets a stranger stop or
/// damage the client, and its authors come first (SECURITY.md).
pub fn is_held_back(reason: &str) -> bool {
    reason.ends_with(", held back")
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Line on which it begins, from 1.
    pub line: u32,
    /// Pattern of result ids.
    pub case: String,
    /// What they are expected to be: fail, warn or inconclusive.
    pub verdict: Verdict,
    /// Why that is accepted.
    pub reason: String,
    /// Where in the client's source the cause is: `file:line@revision`.
    pub source: Option<String>,
    /// Part of the finding, so that another failure of the same case is not covered.
    pub text: Option<String>,
    /// Holds only for these versions of the client, or in this role.
    pub condition: Option<Condition>,
    /// The client's own timing decides: a good result does not show that the entry is outdated.
    pub sometimes: bool,
    /// Last day on which it holds.
    pub until: Option<Date>,
    /// Where the defect is tracked.
    pub issue: Option<String>,
}

/// `version < "4.0"` or `role == leech`; the latter for rules, whose ids tell no role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// On the client's version.
    Version(VersionCondition),
    /// On the target's role: `seed` or `leech`.
    Role(String),
}

/// `version < "4.0"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionCondition {
    operator: Operator,
    version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Lt,
    Le,
    Eq,
    Ne,
    Ge,
    Gt,
}

impl Condition {
    /// Whether it holds; `None` if that cannot be told.
    fn holds(&self, run: &RunOutcome, version: Option<&str>) -> Option<bool> {
        match self {
            Self::Version(wanted) => version.map(|version| wanted.holds(version)),
            Self::Role(wanted) => match run.target.role.as_deref() {
                Some("seed" | "leech") => Some(run.target.role.as_deref() == Some(wanted)),
                _ => None,
            },
        }
    }
}

impl VersionCondition {
    /// Whether it holds for `version`.
    fn holds(&self, version: &str) -> bool {
        let order = compare_versions(version, &self.version);
        match self.operator {
            Operator::Lt => order == Ordering::Less,
            Operator::Le => order != Ordering::Greater,
            Operator::Eq => order == Ordering::Equal,
            Operator::Ne => order != Ordering::Equal,
            Operator::Ge => order != Ordering::Less,
            Operator::Gt => order == Ordering::Greater,
        }
    }
}

/// What is wrong with an expectations file, seen against a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The file.
    pub file: String,
    /// Line of the entry.
    pub line: u32,
    /// What about it.
    pub what: Trouble,
}

/// Why an entry no longer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A result that it lists is good now.
    Better {
        /// The result.
        id: String,
        /// What it is listed as.
        listed: Verdict,
        /// What it is.
        now: Verdict,
    },
    /// No case, rule or role has such an id, in this run or any other.
    MatchesNothing {
        /// Its pattern.
        case: String,
    },
    /// Its last day is over.
    Expired {
        /// Its pattern.
        case: String,
        /// That day.
        until: Date,
    },
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        match &self.what {
            Trouble::Better { id, listed, now } => {
                write!(f, "`{id}` is listed as {listed} and now is {now}")
            }
            Trouble::MatchesNothing { case } => {
                write!(f, "`{case}` matches no case or rule that there is")
            }
            Trouble::Expired { case, until } => write!(f, "`{case}` expired on {until}"),
        }
    }
}

/// What an expectations file is held against.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Today.
    pub today: Date,
    /// Version of the client, as far as known.
    pub version: Option<&'a str>,
    /// Ids of everything that some run could have results of, whatever this one selected: other
    /// roles, directions, variants, cases. Entries for them are left in peace.
    pub exist: &'a [String],
}

impl Expectations {
    /// Marks the results of `run` that are listed, and tells what no longer holds.
    pub fn apply(&self, run: &mut RunOutcome, around: &Surroundings<'_>) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        for entry in &self.entries {
            let mut complain = |what| {
                complaints.push(Complaint {
                    file: self.file.clone(),
                    line: entry.line,
                    what,
                });
            };
            if let Some(until) = entry.until
                && until < around.today
            {
                complain(Trouble::Expired {
                    case: entry.case.clone(),
                    until,
                });
                continue;
            }
            // What is not known decides nothing: the entry is believed, and not blamed.
            let holds = match &entry.condition {
                None => Some(true),
                Some(condition) => condition.holds(run, around.version),
            };
            let matching = run
                .cases
                .iter_mut()
                .filter(|case| glob::id_matches(&entry.case, &case.id))
                .collect::<Vec<_>>();
            if matching.is_empty() {
                let elsewhere = around
                    .exist
                    .iter()
                    .any(|id| glob::id_matches(&entry.case, id));
                if !elsewhere {
                    complain(Trouble::MatchesNothing {
                        case: entry.case.clone(),
                    });
                }
                continue;
            }
            if holds == Some(false) {
                continue;
            }
            for case in matching {
                if entry.lists(case) {
                    case.known = Some(entry.reason.clone());
                } else if holds == Some(true) && entry.outdated_by(case.verdict) {
                    complain(Trouble::Better {
                        id: case.id.clone(),
                        listed: entry.verdict,
                        now: case.verdict,
                    });
                }
            }
        }
        complaints
    }
}

impl Expectations {
    /// Whether an entry lists this result, as far as that can be told before the end of the run:
    /// the client's version is not known yet, and conditions on it are believed.
    pub fn covers(&self, case: &CaseOutcome, today: Date) -> bool {
        self.entries.iter().any(|entry| {
            let holds = match &entry.condition {
                Some(Condition::Role(role)) => case.role.as_ref() == Some(role),
                Some(Condition::Version(_)) | None => true,
            };
            holds
                && entry.until.is_none_or(|until| until >= today)
                && glob::id_matches(&entry.case, &case.id)
                && entry.lists(case)
        })
    }
}

impl Entry {
    /// Whether `case` has the verdict and the text of this entry.
    fn lists(&self, case: &CaseOutcome) -> bool {
        let says = |text: &str| {
            let in_findings = case
                .findings
                .iter()
                .any(|finding| finding.actual.contains(text));
            let in_reason = case
                .reason
                .as_deref()
                .is_some_and(|reason| reason.contains(text));
            in_findings || in_reason
        };
        case.verdict == self.verdict && self.text.as_deref().is_none_or(says)
    }

    /// Whether a result of `verdict` shows that the entry is no longer true. An `inconclusive`
    /// may come and go.
    fn outdated_by(&self, verdict: Verdict) -> bool {
        match self.verdict {
            _ if self.sometimes => false,
            Verdict::Fail => matches!(verdict, Verdict::Pass | Verdict::Info | Verdict::Warn),
            Verdict::Warn => matches!(verdict, Verdict::Pass | Verdict::Info),
            _ => false,
        }
    }
}

/// Compares versions part by part: digits as numbers, the rest as text; `4.0` equals `4`.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let (a, b) = (version_parts(a), version_parts(b));
    let len = a.len().max(b.len());
    let nothing = Part::Number(0);
    for i in 0..len {
        let order = a
            .get(i)
            .unwrap_or(&nothing)
            .cmp(b.get(i).unwrap_or(&nothing));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Text sorts before numbers: `4.0-beta` is older than `4.0.1`, and than `4.0`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Text(String),
    Number(u64),
}

fn version_parts(version: &str) -> Vec<Part> {
    version
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .map(|part| match part.parse() {
            Ok(number) => Part::Number(number),
            Err(_) => Part::Text(part.to_ascii_lowercase()),
        })
        .collect()
}

#[cfg(test)]
mod tests;
