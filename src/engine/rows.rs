//! Rules as rows of their own: one deviation of a client is one row, not forty.

use crate::engine::player::Played;
use crate::outcome::case::OCCURRENCES;
use crate::outcome::{CaseOutcome, Verdict};
use crate::rule::Rule;

/// The row of each of `rules` over the plays of a run, in the order of `rules`.
pub fn rule_rows(played: &[Played], rules: &[&Rule]) -> Vec<CaseOutcome> {
    let some_passed = played
        .iter()
        .any(|play| play.outcome.verdict == Verdict::Pass);
    rules
        .iter()
        .map(|rule| row(rule, played, some_passed))
        .collect()
}

fn row(rule: &Rule, played: &[Played], some_passed: bool) -> CaseOutcome {
    let tallies = played
        .iter()
        .flat_map(|play| &play.rules)
        .filter(|tally| tally.rule == rule.id);
    let (mut evaluated, mut broken) = (0_u64, 0_u64);
    for tally in tallies {
        evaluated = evaluated.saturating_add(tally.evaluated);
        broken = broken.saturating_add(tally.broken);
    }
    let mut row = CaseOutcome::of_rule(rule, evaluated, broken, some_passed);
    row.findings = occurrences(rule, played);
    row
}

/// The first places where it was broken, each with its case.
fn occurrences(rule: &Rule, played: &[Played]) -> Vec<crate::outcome::Finding> {
    played
        .iter()
        .flat_map(|play| {
            let case = &play.outcome.id;
            play.outcome
                .findings
                .iter()
                .filter(|finding| finding.rule.as_deref() == Some(rule.id))
                .map(move |finding| {
                    let mut finding = finding.clone();
                    finding.seen_in = Some(case.clone());
                    finding
                })
        })
        .take(OCCURRENCES)
        .collect()
}
