//! What every format says of a row in short, and whether somebody has to look at it.

use super::Context;
use super::text::line;
use crate::outcome::{CaseOutcome, RunOutcome, Verdict};

/// Whether the row turns a build red: something went wrong, and no expectation lists it.
pub(super) fn is_bad(case: &CaseOutcome, context: &Context) -> bool {
    is_serious(case, context) && case.known.is_none()
}

/// Whether something went wrong, listed or not.
pub(super) fn is_serious(case: &CaseOutcome, context: &Context) -> bool {
    match case.verdict {
        Verdict::Fail | Verdict::Error | Verdict::Inconclusive => true,
        Verdict::Warn => context.strict,
        Verdict::Pass | Verdict::Info | Verdict::Skip => false,
    }
}

/// `B6-RJ-01: nothing until the deadline`, on one line; nothing when there is nothing to say.
pub(super) fn gist(case: &CaseOutcome) -> Option<String> {
    let finding = case.decisive().filter(|_| case.verdict != Verdict::Pass);
    let said = finding
        .map(|finding| finding.actual.as_str())
        .or(case.reason.as_deref())?;
    let requirement = finding
        .and_then(|finding| finding.requirement.as_deref())
        .map_or_else(String::new, |id| format!("{}: ", line(id)));
    Some(format!("{requirement}{}", line(said)))
}

/// `2 rows are as listed in the expectations, and do not count against the run`, if any is.
pub(super) fn listed(run: &RunOutcome) -> Option<String> {
    let rows = run.cases.iter().filter(|case| case.known.is_some()).count();
    let rows = match rows {
        0 => return None,
        1 => "1 row is".to_owned(),
        _ => format!("{rows} rows are"),
    };
    Some(format!(
        "{rows} as listed in the expectations, and no reason for a red build"
    ))
}

/// The level that decided: that of the finding, else the row's own.
pub(super) fn level(case: &CaseOutcome) -> Option<&'static str> {
    let level = case.decisive().and_then(|finding| finding.level);
    level.or(case.level).map(|level| level.name())
}

/// `1 line`, `2 lines`.
pub(super) fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}
