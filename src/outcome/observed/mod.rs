//! What `info` rows observed of a client, in a file that is committed: a change is noticed.
//!
//! Where a BEP leaves the choice, a row is `info` and nobody looks at it again. [`Observations`]
//! holds what each of them saw, for a role of the target and the row's id; [`Observations::compare`]
//! names what a run saw otherwise, and [`Observations::update`] makes the file of a run. Only rows
//! that the run judged are compared. Of a rule it is noted that it was broken, and nobody misses
//! one that no longer is: whether a rule is put to the test is for the cases to bring about.

mod load;
mod stable;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use self::stable::stable;
use super::{CaseOutcome, RunOutcome, Verdict};

/// What `info` rows observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observations {
    file: String,
    entries: BTreeMap<Key, Entry>,
}

/// Whose observation it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    id: String,
    /// Of the target: `seed`, `leech`, or `both` for rules over a run in both.
    role: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    line: u32,
    what: Noted,
}

/// What is noted of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Noted {
    /// It is `info`, and saw this.
    Saw(Saw),
    /// It comes to this and that, for a reason: nothing is compared.
    Varies(String),
}

/// What a row saw.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Saw {
    requirement: Option<String>,
    /// Without numbers.
    text: String,
}

/// A row that observed something else than the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    file: String,
    /// Line of the entry, if there is one.
    line: Option<u32>,
    id: String,
    role: String,
    before: Option<Saw>,
    now: Now,
}

/// What a row with an entry, or without one, came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Now {
    Saw(Saw),
    Is(Verdict),
}

impl fmt::Display for Saw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.requirement {
            Some(requirement) => write!(f, "{requirement}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": `{}`", self.id)?;
        if !self.id.contains(&format!(":{}", self.role)) {
            write!(f, " as {}", self.role)?;
        }
        match (&self.before, &self.now) {
            (Some(before), Now::Saw(now)) => write!(f, " saw `{now}`, and `{before}` before"),
            (Some(before), Now::Is(verdict)) => {
                write!(f, " is {verdict} now, and saw `{before}` before")
            }
            (None, Now::Saw(now)) => write!(f, " saw `{now}`, which is not in the file"),
            (None, Now::Is(verdict)) => write!(f, " is {verdict}"),
        }
    }
}

impl Observations {
    /// What `run` observed otherwise, in the order of its rows.
    pub fn compare(&self, run: &RunOutcome) -> Vec<Changed> {
        let rows = run.cases.iter().filter(|case| case.verdict.judged());
        rows.filter_map(|case| self.changed(run, case)).collect()
    }

    fn changed(&self, run: &RunOutcome, case: &CaseOutcome) -> Option<Changed> {
        let key = Key::of(run, case);
        let entry = self.entries.get(&key);
        let before = match entry.map(|entry| &entry.what) {
            Some(Noted::Varies(_)) => return None,
            Some(Noted::Saw(before)) => Some(before),
            None => None,
        };
        let now = match (case.verdict, before) {
            (Verdict::Info, before) => {
                let now = Saw::of(case);
                if before == Some(&now) {
                    return None;
                }
                Now::Saw(now)
            }
            (_, None) => return None,
            (_, Some(_)) if case.is_rule() => return None,
            (verdict, Some(_)) => Now::Is(verdict),
        };
        Some(Changed {
            file: self.file.clone(),
            line: entry.map(|entry| entry.line),
            id: key.id,
            role: key.role,
            before: before.cloned(),
            now,
        })
    }

    /// The text of the file after `run`: what it observed, in the place of what its rows observed
    /// before. What it did not judge stays, and so do entries that vary, and rules.
    pub fn update(&self, run: &RunOutcome) -> String {
        let mut entries: BTreeMap<&Key, &Noted> = self
            .entries
            .iter()
            .map(|(key, entry)| (key, &entry.what))
            .collect();
        let judged = run.cases.iter().filter(|case| case.verdict.judged());
        let rows: Vec<(Key, Option<Noted>)> = judged
            .map(|case| {
                let info = case.verdict == Verdict::Info;
                let saw = info.then(|| Noted::Saw(Saw::of(case)));
                (Key::of(run, case), saw)
            })
            .filter(|(key, saw)| saw.is_some() || !key.id.starts_with("rule/"))
            .collect();
        for (key, saw) in &rows {
            if matches!(entries.get(key), Some(Noted::Varies(_))) {
                continue;
            }
            match saw {
                Some(saw) => entries.insert(key, saw),
                None => entries.remove(key),
            };
        }
        written(entries)
    }
}

fn written(entries: BTreeMap<&Key, &Noted>) -> String {
    let mut text = HEAD.to_owned();
    for (Key { id, role }, noted) in entries {
        // A JSON string is a YAML string.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let _ = writeln!(text, "- case: {}\n  role: {role}", quoted(id));
        match noted {
            Noted::Saw(saw) => {
                if let Some(requirement) = &saw.requirement {
                    let _ = writeln!(text, "  requirement: {requirement}");
                }
                let _ = writeln!(text, "  saw: {}", quoted(&saw.text));
            }
            Noted::Varies(why) => {
                let _ = writeln!(text, "  varies: {}", quoted(why));
            }
        }
    }
    text
}

impl Key {
    fn of(run: &RunOutcome, case: &CaseOutcome) -> Self {
        let role = case.role.as_ref().or(run.target.role.as_ref());
        Self {
            id: case.id.clone(),
            role: role.map_or("both", String::as_str).to_owned(),
        }
    }
}

impl Saw {
    /// What an `info` row saw, as far as it is the same in every run. Which occurrence of a broken
    /// rule comes first depends on the order of cases.
    fn of(case: &CaseOutcome) -> Self {
        let finding = case.decisive();
        let requirement = finding.and_then(|finding| finding.requirement.clone());
        let text = match case.is_rule() {
            true => BROKEN.to_owned(),
            false => {
                let actual = finding.map(|finding| finding.actual.as_str());
                stable(case.reason.as_deref().or(actual).unwrap_or_default())
            }
        };
        Self {
            requirement: requirement.or_else(|| case.requirements.first().cloned()),
            text,
        }
    }
}

/// What is noted of a rule.
const BROKEN: &str = "broken";

const HEAD: &str = "# What `info` rows observed. Written by `btspec run --observations FILE --update-observations`;\n\
                    # `varies: WHY` in the place of requirement and saw: nothing is compared.\n";

#[cfg(test)]
mod tests;
