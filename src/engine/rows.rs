//! Rules as rows of their own: one deviation of a client is one row, not forty.

use crate::engine::player::Played;
use crate::outcome::case::RULE_SUITE;
use crate::outcome::{CaseOutcome, Verdict};
use crate::requirement::catalogue;
use crate::rule::Rule;

/// Occurrences that a row shows.
const SHOWN: usize = 3;

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
    let id = format!("{RULE_SUITE}/{}", rule.id);
    let mut row = CaseOutcome::new(id.clone(), RULE_SUITE, id);
    row.title = rule.title.to_owned();
    row.requirements = vec![rule.requirement.to_owned()];
    row.level = catalogue().get(rule.requirement).map(|entry| entry.level);
    let tallies = played
        .iter()
        .flat_map(|play| &play.rules)
        .filter(|tally| tally.rule == rule.id);
    let (mut evaluated, mut broken) = (0_u64, 0_u64);
    for tally in tallies {
        evaluated = evaluated.saturating_add(tally.evaluated);
        broken = broken.saturating_add(tally.broken);
    }
    row.observations
        .insert("evaluated".to_owned(), evaluated.into());
    row.observations.insert("broken".to_owned(), broken.into());
    row.findings = occurrences(rule, played);
    (row.verdict, row.reason) = if broken > 0 {
        let verdict = row.level.map_or(Verdict::Fail, Verdict::ceiling);
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
        .take(SHOWN)
        .collect()
}
