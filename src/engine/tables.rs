//! Rows that no player makes: rules over a run, plays that were not played; the target.

use crate::outcome::case::RULE_SUITE;
use crate::outcome::{CaseOutcome, Finding, TargetInfo, Verdict};
use crate::requirement::catalogue;
use crate::rule::{Rule, Tally};
use crate::scenario::Play;
use crate::scenario::ast::Role;

use super::settings::Profile;

/// What the rules have seen over a run.
#[derive(Debug, Default)]
pub(super) struct RuleRows {
    counts: std::collections::BTreeMap<&'static str, Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    evaluated: u64,
    broken: u64,
    cases: u64,
    first: Vec<Finding>,
}

impl RuleRows {
    /// Adds what a play's rules have counted and found.
    pub(super) fn add(&mut self, outcome: &CaseOutcome, tallies: &[Tally]) {
        for tally in tallies {
            let counts = self.counts.entry(tally.rule).or_default();
            counts.evaluated += tally.evaluated;
            counts.broken += tally.broken;
            counts.cases += u64::from(tally.broken > 0);
            let room = OCCURRENCES.saturating_sub(counts.first.len());
            let found = outcome
                .findings
                .iter()
                .filter(|finding| finding.rule.as_deref() == Some(tally.rule));
            counts.first.extend(found.take(room).map(|finding| {
                let mut finding = finding.clone();
                finding.seen_in = Some(outcome.id.clone());
                finding
            }));
        }
    }

    /// A row for each of `rules`.
    pub(super) fn rows(&self, rules: &[&'static Rule], some_pass: bool) -> Vec<CaseOutcome> {
        rules
            .iter()
            .map(|rule| {
                let none = Counts::default();
                let counts = self.counts.get(rule.id).unwrap_or(&none);
                row(rule, counts, some_pass)
            })
            .collect()
    }
}

fn row(rule: &Rule, counts: &Counts, some_pass: bool) -> CaseOutcome {
    let name = format!("{RULE_SUITE}/{}", rule.id);
    let mut row = CaseOutcome::new(name.clone(), RULE_SUITE, name);
    row.title = rule.title.to_owned();
    row.requirements = vec![rule.requirement.to_owned()];
    row.level = catalogue().get(rule.requirement).map(|r| r.level);
    row.observations
        .insert("evaluated".to_owned(), counts.evaluated.into());
    row.observations
        .insert("broken".to_owned(), counts.broken.into());
    if counts.broken > 0 {
        row.verdict = row.level.map_or(Verdict::Fail, Verdict::ceiling);
        row.findings.clone_from(&counts.first);
        let first = counts.first.first().map(|f| f.actual.as_str());
        row.reason = Some(format!(
            "{} times in {} cases, first: {}",
            counts.broken,
            counts.cases,
            first.unwrap_or("see the cases")
        ));
    } else if counts.evaluated == 0 {
        row.verdict = Verdict::Skip;
        row.reason = Some("never applicable".to_owned());
    } else if !some_pass {
        row.verdict = Verdict::Skip;
        row.reason = Some("no case passed, so nothing is known of the target".to_owned());
    } else {
        row.verdict = Verdict::Pass;
    }
    row
}

/// The row of a play that the run did not come to.
pub(super) fn not_played(play: &Play, lost: Option<&str>, enough: bool) -> CaseOutcome {
    let mut row = super::player::empty_row(play);
    (row.verdict, row.reason) = match lost {
        Some(reason) => (Verdict::Inconclusive, Some(reason.to_owned())),
        None if enough => (
            Verdict::Skip,
            Some("not played: enough fails before".to_owned()),
        ),
        None => (
            Verdict::Error,
            Some("not played; please report it".to_owned()),
        ),
    };
    row
}

/// The target as reports show it.
pub(super) fn target_info(
    spec: &str,
    roles: impl IntoIterator<Item = Role>,
    profile: Option<&Profile>,
) -> TargetInfo {
    let roles: Vec<Role> = roles.into_iter().collect();
    let role = match roles.as_slice() {
        [] => None,
        [one] => Some(one.to_string()),
        _ => Some("both".to_owned()),
    };
    let mut info = TargetInfo {
        spec: spec.to_owned(),
        role,
        ..TargetInfo::default()
    };
    if let Some(profile) = profile {
        info.client.clone_from(&profile.client);
        let known = profile.reserved.known().map(|bit| bit.name.to_owned());
        let unknown = profile
            .reserved
            .unknown()
            .into_iter()
            .map(|(byte, bit)| format!("byte {byte} bit 0x{bit:02x}"));
        info.reserved = known.chain(unknown).collect();
        info.extensions = profile
            .extensions
            .iter()
            .map(|(name, id)| (name.clone(), u64::from(*id)))
            .collect();
    }
    info
}

/// Occurrences of a broken rule that its row shows.
const OCCURRENCES: usize = 3;
