//! Helpers for tests that play scenarios in simulation.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod fake;

use btspec::engine::run::{RunConfig, run_self};
use btspec::engine::self_mode::{Make, SelfMode, reference};
use btspec::outcome::{CaseOutcome, RunOutcome, Verdict};
use btspec::peer::{FaultSet, Process, fault};
use btspec::scenario::ast::{Direction, Role};
use btspec::scenario::{Choice, Play, expand, parse_text};

/// The plays of a scenario file given as text: both roles and directions.
#[track_caller]
pub(crate) fn plays(text: &str) -> Vec<Play> {
    let suite = match parse_text("test.yaml", text) {
        Ok(suite) => suite,
        Err(errors) => panic!(
            "{}",
            errors
                .iter()
                .map(|e| e.render())
                .collect::<Vec<_>>()
                .join("\n")
        ),
    };
    let choice = Choice {
        roles: vec![Role::Seed, Role::Leech],
        directions: vec![Direction::Dialled, Direction::Dials],
        variants: vec![],
    };
    expand(&suite, &choice).unwrap()
}

/// Runs every play of `text` against what `make` makes.
#[track_caller]
pub(crate) fn run_against(text: &str, make: &dyn Make) -> RunOutcome {
    let mut stage = SelfMode::new(make);
    let config = RunConfig::new("self");
    run_self(&mut stage, &plays(text), &config, &|_| {})
}

/// The one case of `text` against the reference peer.
#[track_caller]
pub(crate) fn case(text: &str) -> CaseOutcome {
    one(run_against(text, &reference(|config| config)))
}

/// The one case of `text` against the reference peer with a defect.
#[track_caller]
pub(crate) fn case_with_fault(text: &str, name: &str) -> CaseOutcome {
    let found = fault::by_name(name).unwrap_or_else(|| panic!("no fault {name}"));
    one(run_against(
        text,
        &reference(move |config| config.with_faults(FaultSet::one(found))),
    ))
}

#[track_caller]
fn one(run: RunOutcome) -> CaseOutcome {
    let mut cases: Vec<CaseOutcome> = run.cases.into_iter().filter(|c| !c.is_rule()).collect();
    assert_eq!(cases.len(), 1, "one play");
    cases.remove(0)
}

/// Asserts a verdict and shows the whole outcome if it is another.
#[track_caller]
pub(crate) fn assert_verdict(outcome: &CaseOutcome, verdict: Verdict) {
    assert_eq!(
        outcome.verdict,
        verdict,
        "{}",
        serde_json::to_string_pretty(outcome).unwrap()
    );
}

/// One case about a seed, without preflight, against a scripted target.
#[track_caller]
pub(crate) fn faked(
    text: &str,
    opening: Vec<fake::Do>,
    react: impl FnMut(u32, &btspec::wire::Message, &btspec::torrent::Torrent) -> Vec<fake::Do>
    + Clone
    + Send
    + Sync
    + 'static,
) -> CaseOutcome {
    let make = move |_: Role, torrent: &btspec::torrent::Torrent| -> Box<dyn Process> {
        let react = react.clone();
        Box::new(fake::Fake::new(torrent, opening.clone(), Box::new(react)))
    };
    one(run_unchecked(text, &make))
}

/// As [`run_against`], without preflight.
#[track_caller]
pub(crate) fn run_unchecked(text: &str, make: &dyn Make) -> RunOutcome {
    let mut stage = SelfMode::new(make);
    let config = RunConfig {
        preflight: false,
        ..RunConfig::new("self")
    };
    run_self(&mut stage, &plays(text), &config, &|_| {})
}

/// A file with one case about a seed: the case's body, indented by four.
pub(crate) fn file(body: &str) -> String {
    format!(
        "spec: 1\nsuite: t\ntitle: T\ncases:\n  - case: c\n    title: C\n    roles: [seed]\n{body}"
    )
}
