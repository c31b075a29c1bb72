//! What ran, in a file that is committed: lost coverage is noticed.
//!
//! A run that no longer plays a case, or only skips it, looks as green as one that passes it. A
//! [`Lock`] holds the ids that were judged, one a line; [`Lock::lost`] names those that no longer
//! are, and [`Lock::update`] makes the lock of a run. Rules have no line: whether one is applicable
//! is for the cases to bring about. One file serves both roles: a run as seed leaves ids of a leech
//! in peace.

use std::collections::BTreeMap;
use std::fmt;

use super::case::ENOUGH;
use super::{CaseOutcome, RunOutcome, Verdict};

/// Ids that were judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    file: String,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    line: u32,
    class: Class,
}

/// What a verdict comes to, so that the file's history tells when a case changed sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Good,
    Bad,
}

/// A file that is no lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: `ID good` or `ID bad` expected, as --update-lock writes it")]
pub struct LockError {
    file: String,
    line: u32,
}

/// An id of the lock that a run did not judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    file: String,
    line: u32,
    id: String,
    /// Why the run skipped it; `None` if it did not play it at all.
    skipped: Option<String>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, id, .. } = self;
        match &self.skipped {
            None => write!(
                f,
                "{file}:{line}: `{id}` was judged once and is not played any more"
            ),
            Some(why) => write!(
                f,
                "{file}:{line}: `{id}` was judged once and is skipped now: {why}"
            ),
        }
    }
}

impl Lock {
    /// Reads `text`, the contents of `file`.
    ///
    /// # Errors
    /// At the first line that is neither an id with its class, nor a comment, nor blank.
    pub fn load(file: &str, text: &str) -> Result<Self, LockError> {
        let mut entries = BTreeMap::new();
        for (line, text) in (1_u32..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let class = match text.rsplit_once(' ') {
                Some((id, "good")) => Some((id, Class::Good)),
                Some((id, "bad")) => Some((id, Class::Bad)),
                _ => None,
            };
            let (id, class) = class.ok_or_else(|| LockError {
                file: file.to_owned(),
                line,
            })?;
            entries.insert(id.trim().to_owned(), Entry { line, class });
        }
        Ok(Self {
            file: file.to_owned(),
            entries,
        })
    }

    /// Ids of the lock that `run` did not judge, of those that `concerns` it: a share of a
    /// partition owes only its own. An `inconclusive` was played; expectations judge it. A run that
    /// ended early owes nothing: its exit code says so.
    pub fn lost(&self, run: &RunOutcome, concerns: &dyn Fn(&str) -> bool) -> Vec<Lost> {
        let enough = |case: &CaseOutcome| case.reason.as_deref() == Some(ENOUGH);
        if run.lost.is_some() || run.cases.iter().any(enough) {
            return Vec::new();
        }
        let rows: BTreeMap<&str, &CaseOutcome> = run
            .cases
            .iter()
            .map(|case| (case.id.as_str(), case))
            .collect();
        let owed = self
            .entries
            .iter()
            .filter(|(id, _)| plays_role(run, id) && concerns(id));
        let lost = owed.filter_map(|(id, entry)| {
            let skipped = match rows.get(id.as_str()) {
                None => None,
                Some(case) if case.verdict == Verdict::Skip => {
                    Some(case.reason.clone().unwrap_or_default())
                }
                Some(_) => return None,
            };
            Some(Lost {
                file: self.file.clone(),
                line: entry.line,
                id: id.clone(),
                skipped,
            })
        });
        lost.collect()
    }

    /// The text of the lock after `run`: what it judged; what does not concern it stays.
    pub fn update(&self, run: &RunOutcome, concerns: &dyn Fn(&str) -> bool) -> String {
        let kept = self
            .entries
            .iter()
            .filter(|(id, _)| !(plays_role(run, id) && concerns(id)));
        let mut classes: BTreeMap<&str, Class> =
            kept.map(|(id, entry)| (id.as_str(), entry.class)).collect();
        for case in run.cases.iter().filter(|case| !case.is_rule()) {
            let class = match case.verdict {
                Verdict::Pass | Verdict::Info => Class::Good,
                Verdict::Warn | Verdict::Fail => Class::Bad,
                _ => continue,
            };
            classes.insert(&case.id, class);
        }
        let mut text = HEAD.to_owned();
        for (id, class) in classes {
            let class = match class {
                Class::Good => "good",
                Class::Bad => "bad",
            };
            text.push_str(&format!("{id} {class}\n"));
        }
        text
    }
}

/// Whether an id is of a role that `run` plays. `SUITE/CASE[MATRIX]:ROLE…`: labels of a matrix have
/// no colon before the role.
fn plays_role(run: &RunOutcome, id: &str) -> bool {
    let other = match run.target.role.as_deref() {
        Some("seed") => "leech",
        Some("leech") => "seed",
        _ => return true,
    };
    let id = id.split('@').next().unwrap_or(id);
    !id.split(':').skip(1).any(|part| part == other)
}

const HEAD: &str = "# What was judged. Written by `btspec run --lock FILE --update-lock`; good: pass or info, bad: warn or fail.\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::TargetInfo;

    fn run(role: &str, rows: &[(&str, Verdict)]) -> RunOutcome {
        let rows = rows.iter().map(|(id, verdict)| {
            let mut case = CaseOutcome::new(*id, "s", "s/c");
            case.verdict = *verdict;
            case.reason = Some("not offered".to_owned());
            case
        });
        let target = TargetInfo {
            role: Some(role.to_owned()),
            ..TargetInfo::default()
        };
        RunOutcome::new(target, 1, rows.collect())
    }

    fn all(_: &str) -> bool {
        true
    }

    fn shown(lock: &Lock, run: &RunOutcome) -> Vec<String> {
        lock.lost(run, &all).iter().map(Lost::to_string).collect()
    }

    #[test]
    fn what_is_not_judged_any_more_is_lost() {
        let empty = Lock::load("x.lock", "").unwrap();
        let before = run(
            "both",
            &[
                ("s/a:seed", Verdict::Pass),
                ("s/b[x=1]:leech", Verdict::Fail),
                ("s/c:seed", Verdict::Skip),
            ],
        );
        assert_eq!(shown(&empty, &before), [""; 0]);
        let text = empty.update(&before, &all);
        assert!(
            text.ends_with("\ns/a:seed good\ns/b[x=1]:leech bad\n"),
            "{text}"
        );
        let lock = Lock::load("x.lock", &text).unwrap();
        assert_eq!(shown(&lock, &before), [""; 0]);
        let after = run("both", &[("s/a:seed", Verdict::Skip)]);
        assert_eq!(
            shown(&lock, &after),
            [
                "x.lock:2: `s/a:seed` was judged once and is skipped now: not offered",
                "x.lock:3: `s/b[x=1]:leech` was judged once and is not played any more",
            ]
        );
        // A run in one role owes nothing of the other, and keeps it.
        let seed = run("seed", &[("s/a:seed", Verdict::Inconclusive)]);
        assert_eq!(shown(&lock, &seed), [""; 0]);
        let kept = lock.update(&seed, &all);
        assert!(
            kept.contains(":leech bad") && !kept.contains("s/a"),
            "{kept}"
        );
    }

    #[test]
    fn a_run_that_ended_early_owes_nothing() {
        let lock = Lock::load("x.lock", "s/a:seed good\n").unwrap();
        let mut lost = run("seed", &[]);
        assert_eq!(shown(&lock, &lost).len(), 1);
        assert!(lock.lost(&lost, &|_| false).is_empty());
        lost.lost = Some("gone".to_owned());
        assert_eq!(shown(&lock, &lost), [""; 0]);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let error = Lock::load("x.lock", "# x\n\ns/a:seed fine\n").unwrap_err();
        assert!(error.to_string().starts_with("x.lock:3: "), "{error}");
    }
}
