//! What is cited, and what is proved.

use std::collections::BTreeSet;

use super::bench::Audit;
use crate::rule::RULES;
use crate::scenario::Play;

/// Requirements that a judged step of an embedded suite or a rule cites.
pub fn cited(audit: &Audit) -> BTreeSet<String> {
    cited_by(&audit.plays)
}

/// Requirements that a fault breaks and that were seen broken by what cites them, as of the last
/// audit that was written down; a test compares.
pub fn proved() -> BTreeSet<String> {
    let lines = PROVED.lines().map(str::trim);
    let ids = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    ids.map(str::to_owned).collect()
}

/// What the cases of `plays` and the rules cite.
pub(super) fn cited_by(plays: &[Play]) -> BTreeSet<String> {
    let cases = plays.iter().flat_map(|play| play.case.cites.iter());
    let cases = cases.map(|cite| cite.id.clone());
    let rules = RULES.iter().map(|rule| rule.requirement.to_owned());
    cases.chain(rules).collect()
}

const PROVED: &str = include_str!("../../requirements/proved.txt");
