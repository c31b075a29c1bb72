//! Through all steps of a case.

use std::time::Duration;

use super::ast::{Action, Case, Delay, Step};

/// Every step with everything in it; `true` for what stands in a branch.
pub(super) fn walk<'a>(steps: &'a [Step], in_branch: bool, see: &mut dyn FnMut(&'a Step, bool)) {
    for step in steps {
        see(step, in_branch);
        match &step.action {
            Action::AnyOf {
                branches,
                otherwise,
            } => {
                walk(branches, true, see);
                walk(otherwise.as_deref().unwrap_or_default(), in_branch, see);
            }
            Action::Use(block) => walk(&block.body, in_branch, see),
            Action::Repeat(repeat) => walk(&repeat.body, in_branch, see),
            Action::Measure(measure) => {
                walk(std::slice::from_ref(&measure.until), true, see);
            }
            _ => {}
        }
        walk(&step.then, in_branch, see);
    }
}

/// How long the author lets time pass: waits and silences of fixed length, at least one of each that
/// is repeated. Whoever plays several cases side by side begins with the longest.
pub fn patience(case: &Case) -> Duration {
    let mut sum = Duration::ZERO;
    for steps in [&case.given, &case.steps] {
        walk(steps, false, &mut |step, _| {
            if let Action::Wait { span, .. } | Action::Silence { span, .. } = &step.action
                && let Delay::Fixed(span) = span
            {
                sum = sum.saturating_add(*span);
            }
        });
    }
    sum
}
