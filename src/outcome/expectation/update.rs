//! Editing an expectations file without losing a comment.

use std::collections::BTreeSet;

use super::{Complaint, Expectations};
use crate::outcome::date::Date;
use crate::outcome::{RunOutcome, Verdict};

impl Expectations {
    /// The text of the file with the entries of `complaints` commented out, and an entry for each
    /// unlisted fail and inconclusive (with `strict` each warn too) whose reason is still to be
    /// written.
    ///
    /// `text` is what this was loaded from, and `run` what [`Expectations::apply`] has marked.
    pub fn update(
        &self,
        text: &str,
        run: &RunOutcome,
        complaints: &[Complaint],
        strict: bool,
        today: Date,
    ) -> String {
        let stale = complaints
            .iter()
            .map(|complaint| dash_line(text, complaint.line))
            .collect::<BTreeSet<_>>();
        let starts = self
            .entries
            .iter()
            .map(|entry| dash_line(text, entry.line))
            .collect::<BTreeSet<_>>();
        let mut edited = String::with_capacity(text.len());
        let mut commenting = false;
        for (number, line) in (1_u32..).zip(text.lines()) {
            if starts.contains(&number) {
                commenting = stale.contains(&number);
                if commenting {
                    edited.push_str(&format!("# {today}: no longer holds\n"));
                }
            }
            // Comments and blank lines between entries belong to whatever comes next.
            let bare = line.trim_start();
            if commenting && !bare.is_empty() && !bare.starts_with('#') {
                edited.push_str("# ");
            }
            edited.push_str(line);
            edited.push('\n');
        }
        let indent = starts
            .first()
            .and_then(|first| line_of(text, *first))
            .map_or("", |line| line.split('-').next().unwrap_or(""));
        for case in &run.cases {
            let wanted = match case.verdict {
                Verdict::Fail | Verdict::Inconclusive => true,
                Verdict::Warn => strict,
                _ => false,
            };
            if wanted && case.known.is_none() {
                edited.push_str(&format!(
                    "{indent}- case: \"{}\"\n{indent}  verdict: {}\n{indent}  reason: TODO\n",
                    case.id, case.verdict
                ));
            }
        }
        edited
    }
}

/// The line with the dash of the entry whose first key is on `line`: that one, as a rule.
fn dash_line(text: &str, line: u32) -> u32 {
    let dash = |number: &u32| {
        line_of(text, *number).is_some_and(|line| line.trim_start().starts_with('-'))
    };
    (1..=line).rev().find(dash).unwrap_or(line)
}

/// A line, from 1.
fn line_of(text: &str, number: u32) -> Option<&str> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    text.lines().nth(index)
}
