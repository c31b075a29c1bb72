//! Two runs side by side: what is worse, better, lost and new.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::case::RULE_SUITE;
use super::{CaseOutcome, RunOutcome, Verdict};
use crate::wire::escape::peer_text;

/// Version of the form of a comparison.
pub const SCHEMA: &str = "btspec.compare/1";

/// What differs between two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Always `btspec.compare/1`.
    pub schema: &'static str,
    /// Rows that fail or end in error now and did not before, new ones included.
    pub new_fails: Vec<Change>,
    /// Rows that failed and do not any more.
    pub fixed: Vec<Change>,
    /// Rows of the first run that the second does not have.
    pub lost: Vec<Change>,
    /// Rows that only the second run has.
    pub new: Vec<Change>,
    /// Other rows with another verdict; `worse` says which way.
    pub verdicts: Vec<Change>,
    /// Rows of equal verdict that observed something else. Counters of rules are left out.
    pub observations: Vec<Observed>,
}

/// A row with another verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The row.
    pub id: String,
    /// Its verdict in the first run.
    pub before: Option<Verdict>,
    /// Its verdict in the second run.
    pub after: Option<Verdict>,
    /// The second is worse, or says less.
    pub worse: bool,
    /// Why, in the words of the run that has the row last.
    pub reason: Option<String>,
}

/// A row that observed something else.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// The row.
    pub id: String,
    /// Name of the observation.
    pub name: String,
    /// Its value in the first run.
    pub before: Option<Value>,
    /// Its value in the second run.
    pub after: Option<Value>,
}

impl Comparison {
    /// What is different in `after`.
    pub fn of(before: &RunOutcome, after: &RunOutcome) -> Self {
        let index = |run: &'_ RunOutcome| -> BTreeMap<String, CaseOutcome> {
            let cases = run.cases.iter();
            cases.map(|case| (case.id.clone(), case.clone())).collect()
        };
        let olds = index(before);
        let mut news = index(after);
        let mut found = Self {
            schema: SCHEMA,
            new_fails: Vec::new(),
            fixed: Vec::new(),
            lost: Vec::new(),
            new: Vec::new(),
            verdicts: Vec::new(),
            observations: Vec::new(),
        };
        for (id, old) in olds {
            match news.remove(&id) {
                None => found.lost.push(Change::of(Some(&old), None)),
                Some(new) => found.row(&old, &new),
            }
        }
        for new in news.values() {
            let change = Change::of(None, Some(new));
            match failed(new.verdict) {
                true => found.new_fails.push(change),
                false => found.new.push(change),
            }
        }
        found
    }

    /// Whether nothing is worse: no new fail, nothing lost, no verdict that says less.
    pub fn is_fine(&self) -> bool {
        self.new_fails.is_empty()
            && self.lost.is_empty()
            && !self.verdicts.iter().any(|change| change.worse)
    }

    fn row(&mut self, old: &CaseOutcome, new: &CaseOutcome) {
        let change = || Change::of(Some(old), Some(new));
        match (failed(old.verdict), failed(new.verdict)) {
            (false, true) => self.new_fails.push(change()),
            (true, false) if new.verdict.judged() => self.fixed.push(change()),
            _ if old.verdict != new.verdict => self.verdicts.push(change()),
            _ if new.suite != RULE_SUITE => self.observed(old, new),
            _ => {}
        }
    }

    fn observed(&mut self, old: &CaseOutcome, new: &CaseOutcome) {
        let mut names: Vec<&String> = old.observations.keys().collect();
        let more = new.observations.keys();
        names.extend(more.filter(|name| !old.observations.contains_key(*name)));
        for name in names {
            let (before, after) = (old.observations.get(name), new.observations.get(name));
            if before != after {
                self.observations.push(Observed {
                    id: new.id.clone(),
                    name: name.clone(),
                    before: before.cloned(),
                    after: after.cloned(),
                });
            }
        }
    }
}

impl Change {
    fn of(before: Option<&CaseOutcome>, after: Option<&CaseOutcome>) -> Self {
        let last = after.or(before);
        let verdict = |case: Option<&CaseOutcome>| case.map(|case| case.verdict);
        let (before, after) = (verdict(before), verdict(after));
        Self {
            id: last.map(|case| case.id.clone()).unwrap_or_default(),
            before,
            after,
            worse: match (before, after) {
                (Some(before), Some(after)) => rank(after) > rank(before),
                (Some(_), None) => true,
                (None, after) => after.is_some_and(failed),
            },
            reason: last.and_then(|case| case.reason.clone()),
        }
    }
}

fn failed(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Fail | Verdict::Error)
}

/// How bad a verdict is for who wants to know whether a client became worse.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass | Verdict::Info => 0,
        Verdict::Warn => 1,
        // Less is known than before.
        Verdict::Skip | Verdict::Inconclusive => 2,
        Verdict::Fail | Verdict::Error => 3,
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ("new fail", &self.new_fails),
            ("lost", &self.lost),
            ("verdict", &self.verdicts),
            ("fixed", &self.fixed),
            ("new", &self.new),
        ];
        for (what, changes) in lists {
            for change in changes {
                writeln!(f, "{what:<11} {change}")?;
            }
        }
        for observed in &self.observations {
            writeln!(f, "observation {observed}")?;
        }
        let worse = self.verdicts.iter().filter(|change| change.worse).count();
        write!(
            f,
            "{} new fails, {} lost, {} other verdicts ({worse} worse), {} fixed, {} new, {} observations changed",
            self.new_fails.len(),
            self.lost.len(),
            self.verdicts.len(),
            self.fixed.len(),
            self.new.len(),
            self.observations.len()
        )
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |verdict: Option<Verdict>| verdict.map_or("not there", Verdict::name);
        write!(
            f,
            "{}: {} → {}",
            peer_text(self.id.as_bytes()),
            name(self.before),
            name(self.after)
        )?;
        match &self.reason {
            Some(reason) => write!(f, ": {}", peer_text(reason.as_bytes())),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<Value>| match value {
            Some(value) => peer_text(value.to_string().as_bytes()),
            None => "nothing".to_owned(),
        };
        write!(
            f,
            "{}: {}: {} → {}",
            peer_text(self.id.as_bytes()),
            peer_text(self.name.as_bytes()),
            value(&self.before),
            value(&self.after)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::TargetInfo;
    use super::*;

    fn run(rows: &[(&str, Verdict, u64)]) -> RunOutcome {
        let cases = rows.iter().map(|(id, verdict, seen)| {
            let mut case = CaseOutcome::new(*id, "s", *id);
            case.verdict = *verdict;
            case.observations.insert("seen".to_owned(), (*seen).into());
            case
        });
        RunOutcome::new(TargetInfo::default(), 0, cases.collect())
    }

    #[test]
    fn each_change_is_in_one_list() {
        use Verdict::{Fail, Inconclusive, Pass, Skip, Warn};
        let before = run(&[
            ("breaks", Pass, 0),
            ("fixed", Fail, 0),
            ("gone", Pass, 0),
            ("same", Pass, 7),
            ("sees", Pass, 7),
            ("skips", Pass, 0),
            ("unsure", Fail, 0),
            ("warns", Warn, 0),
        ]);
        let after = run(&[
            ("breaks", Fail, 0),
            ("fixed", Warn, 0),
            ("more", Pass, 0),
            ("same", Pass, 7),
            ("sees", Pass, 8),
            ("skips", Skip, 0),
            ("unsure", Inconclusive, 0),
            ("warns", Pass, 0),
        ]);
        let found = Comparison::of(&before, &after);
        let ids = |changes: &[Change]| -> Vec<String> {
            changes.iter().map(|change| change.id.clone()).collect()
        };
        assert_eq!(ids(&found.new_fails), ["breaks"]);
        assert_eq!(ids(&found.fixed), ["fixed"]);
        assert_eq!(ids(&found.lost), ["gone"]);
        assert_eq!(ids(&found.new), ["more"]);
        assert_eq!(ids(&found.verdicts), ["skips", "unsure", "warns"]);
        let worse = found.verdicts.iter().map(|change| change.worse);
        assert_eq!(worse.collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(found.observations.len(), 1);
        assert!(!found.is_fine());
        assert!(Comparison::of(&before, &before).is_fine());
    }

    #[test]
    fn a_new_case_that_fails_is_a_new_fail() {
        let found = Comparison::of(&run(&[]), &run(&[("x", Verdict::Fail, 0)]));
        assert_eq!(found.new_fails.len(), 1);
        assert!(!found.is_fine());
        assert!(Comparison::of(&run(&[]), &run(&[("x", Verdict::Pass, 0)])).is_fine());
    }
}
