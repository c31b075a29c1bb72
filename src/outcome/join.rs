//! Several recordings as one run: shares of a partition, roles, runs that were repeated in part.

use std::collections::BTreeMap;

use super::case::{BROKEN, EVALUATED, OCCURRENCES};
use super::recording::Recording;
use super::{CaseOutcome, Exit, RunOutcome, Verdict};
use crate::wire::escape::peer_text;

/// Recordings as one run.
#[derive(Debug)]
pub struct Joined {
    /// Cases in the order in which they were first seen, then rules.
    pub run: RunOutcome,
    /// What a reader should know, one line each.
    pub warnings: Vec<String>,
}

/// Recordings that do not belong together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{first} is of the target `{one}`, {second} of `{other}`: only runs of one target are joined"
)]
pub struct DifferentTargets {
    first: String,
    one: String,
    second: String,
    other: String,
}

/// Joins recordings in their order; `None` without any.
///
/// - A case that is in several: the last one stands, as after a repeated run, and a warning says
///   which. One that was not played never replaces one that was.
/// - Rules are counted together, over all of them.
/// - The exit code is the gravest of theirs; 4 only if all have it.
pub fn join(recordings: Vec<Recording>) -> Result<Option<Joined>, DifferentTargets> {
    let passed = |case: &CaseOutcome| !case.is_rule() && case.verdict == Verdict::Pass;
    let some_passed = recordings.iter().flat_map(|it| &it.run.cases).any(passed);
    let mut recordings = recordings.into_iter();
    let Some(first) = recordings.next() else {
        return Ok(None);
    };
    let name = first.name.clone();
    let mut warnings = Vec::new();
    let mut exits = vec![first.run.exit];
    early(&first, &mut warnings, &mut exits);
    let mut run = first.run;
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (place, case) in run.cases.iter().enumerate() {
        places.insert(case.id.clone(), place);
    }
    for next in recordings {
        let (one, other) = (&run.target.spec, &next.run.target.spec);
        if one != other {
            return Err(DifferentTargets {
                first: name,
                one: peer_text(one.as_bytes()),
                second: next.name,
                other: peer_text(other.as_bytes()),
            });
        }
        if run.seed != next.run.seed {
            warnings.push(format!(
                "{} was played with seed {}, {name} with {}",
                next.name, next.run.seed, run.seed
            ));
        }
        early(&next, &mut warnings, &mut exits);
        exits.push(next.run.exit);
        target(&mut run, &next.run);
        run.duration_ms = run
            .duration_ms
            .0
            .saturating_add(next.run.duration_ms.0)
            .into();
        run.lost = run.lost.take().or(next.run.lost);
        // Shares of a partition say the same of the files that they share.
        for complaint in next.run.complaints {
            if !run.complaints.contains(&complaint) {
                run.complaints.push(complaint);
            }
        }
        for case in next.run.cases {
            let known = places.get(&case.id).and_then(|at| run.cases.get_mut(*at));
            match known {
                None => {
                    places.insert(case.id.clone(), run.cases.len());
                    run.cases.push(case);
                }
                Some(known) if case.is_rule() => add(known, case, some_passed),
                Some(known) => replace(known, case, &next.name, &mut warnings),
            }
        }
    }
    // Rules last, as in any run.
    run.cases.sort_by_key(CaseOutcome::is_rule);
    run.summary = super::Summary::of(&run.cases);
    run.exit = gravest(&exits).code();
    Ok(Some(Joined { run, warnings }))
}

fn early(recording: &Recording, warnings: &mut Vec<String>, exits: &mut Vec<u8>) {
    if !recording.complete {
        warnings.push(format!(
            "{} ends before its summary: that run was killed, and its last cases are missing",
            recording.name
        ));
        exits.push(Exit::Unreachable.code());
    }
}

fn target(run: &mut RunOutcome, next: &RunOutcome) {
    let known = &mut run.target;
    if known.role != next.target.role {
        known.role = match (known.role.take(), next.target.role.clone()) {
            (Some(_), Some(_)) => Some("both".to_owned()),
            (one, other) => one.or(other),
        };
    }
    if known.client.is_none() {
        known.client.clone_from(&next.target.client);
        known.reserved.clone_from(&next.target.reserved);
        known.extensions.clone_from(&next.target.extensions);
    }
}

fn replace(known: &mut CaseOutcome, case: CaseOutcome, name: &str, warnings: &mut Vec<String>) {
    let id = peer_text(case.id.as_bytes());
    if case.verdict == Verdict::Skip && known.verdict != Verdict::Skip {
        warnings.push(format!(
            "{id}: {} before, not played in {name}: the former stands",
            known.verdict
        ));
        return;
    }
    if known.verdict != Verdict::Skip {
        warnings.push(format!(
            "{id}: {} before, {} in {name}: the latter stands",
            known.verdict, case.verdict
        ));
    }
    *known = case;
}

/// Adds what another run counted of a rule.
fn add(known: &mut CaseOutcome, other: CaseOutcome, some_passed: bool) {
    let total = |name: &str| {
        let of = |case: &CaseOutcome| case.observations.get(name).and_then(|it| it.as_u64());
        let (one, other) = (of(known), of(&other));
        one.unwrap_or(0).saturating_add(other.unwrap_or(0))
    };
    let (evaluated, broken) = (total(EVALUATED), total(BROKEN));
    known.findings.extend(other.findings);
    known.findings.truncate(OCCURRENCES);
    known.count(evaluated, broken, some_passed);
}

/// The first that applies, as for one run.
fn gravest(exits: &[u8]) -> Exit {
    let order = [
        Exit::Usage,
        Exit::Internal,
        Exit::Unreachable,
        Exit::Found,
        Exit::Ok,
        Exit::Nothing,
    ];
    let found = order.into_iter().find(|exit| exits.contains(&exit.code()));
    found.unwrap_or(Exit::Internal)
}

#[cfg(test)]
mod tests {
    use super::super::TargetInfo;
    use super::*;
    use crate::rule::RULES;

    fn case(id: &str, verdict: Verdict) -> CaseOutcome {
        let mut case = CaseOutcome::new(id, "s", id);
        case.verdict = verdict;
        case
    }

    fn recording(name: &str, cases: Vec<CaseOutcome>) -> Recording {
        let target = TargetInfo {
            spec: "self".to_owned(),
            ..TargetInfo::default()
        };
        let mut run = RunOutcome::new(target, 1, cases);
        run.exit = Exit::of_run(&run, false).code();
        Recording {
            name: name.to_owned(),
            run,
            complete: true,
        }
    }

    #[test]
    fn shares_become_one_run_and_rules_are_counted_together() {
        let rule = |evaluated, broken| CaseOutcome::of_rule(&RULES[0], evaluated, broken, true);
        let one = recording("a.json", vec![case("s/a:seed", Verdict::Pass), rule(3, 0)]);
        let other = recording("b.json", vec![case("s/b:seed", Verdict::Skip), rule(2, 1)]);
        let joined = join(vec![one, other]).unwrap().unwrap();
        let ids: Vec<&str> = joined
            .run
            .cases
            .iter()
            .map(|case| case.id.as_str())
            .collect();
        let id = format!("rule/{}", RULES[0].id);
        assert_eq!(ids, ["s/a:seed", "s/b:seed", &id]);
        let rule = &joined.run.cases[2];
        assert_eq!(rule.reason.as_deref(), Some("broken 1 times of 5"));
        assert_eq!(joined.run.exit, 1);
        assert_eq!(joined.warnings, Vec::<String>::new());
    }

    #[test]
    fn the_last_result_of_a_case_stands_unless_it_was_not_played() {
        let one = recording(
            "a.json",
            vec![case("x", Verdict::Fail), case("y", Verdict::Pass)],
        );
        let other = recording(
            "b.json",
            vec![case("x", Verdict::Pass), case("y", Verdict::Skip)],
        );
        let joined = join(vec![one, other]).unwrap().unwrap();
        let verdicts: Vec<Verdict> = joined.run.cases.iter().map(|case| case.verdict).collect();
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Pass]);
        assert_eq!(
            joined.warnings,
            [
                "x: fail before, pass in b.json: the latter stands",
                "y: pass before, not played in b.json: the former stands"
            ]
        );
    }

    #[test]
    fn runs_of_two_targets_are_not_joined_and_a_killed_one_is_told() {
        let mut other = recording("b.json", vec![case("x", Verdict::Pass)]);
        let mut one = other.clone();
        other.run.target.spec = "client:x".to_owned();
        assert!(join(vec![one.clone(), other]).is_err());
        one.complete = false;
        let joined = join(vec![one]).unwrap().unwrap();
        assert_eq!(joined.run.exit, 3);
        assert_eq!(joined.warnings.len(), 1);
    }
}
