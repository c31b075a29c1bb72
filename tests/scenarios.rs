//! The suites against the reference peer.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use btspec::engine::run::{RunConfig, run_self};
use btspec::engine::self_mode::{SelfMode, reference};
use btspec::engine::sim::WorldConfig;
use btspec::outcome::{RunOutcome, Verdict};
use btspec::scenario::ast::{Direction, Role, Variant};
use btspec::scenario::{Choice, Play, embedded, expand};

fn all_plays() -> Vec<Play> {
    let suites = embedded().unwrap_or_else(|errors| {
        let texts: Vec<String> = errors.iter().map(|e| e.render()).collect();
        panic!("{}", texts.join("\n"))
    });
    let choice = Choice {
        roles: vec![Role::Seed, Role::Leech],
        directions: vec![Direction::Dialled, Direction::Dials],
        variants: Vec::new(),
    };
    let plays = suites.iter().map(|suite| expand(suite, &choice).unwrap());
    plays.flatten().collect()
}

fn run_at(latency: Duration, jobs: usize) -> RunOutcome {
    let make = reference(|config| config);
    let mut mode = SelfMode::new(&make);
    mode.world = WorldConfig::with_latency(latency);
    let config = RunConfig {
        jobs,
        ..RunConfig::new("self")
    };
    run_self(&mut mode, &all_plays(), &config, &|_| {})
}

fn complaints(run: &RunOutcome) -> String {
    let odd = run
        .cases
        .iter()
        .filter(|case| !matches!(case.verdict, Verdict::Pass | Verdict::Info | Verdict::Skip));
    let lines = odd.map(|case| {
        let place = case.findings.first().map(|f| {
            let expected: Vec<String> = f
                .expected
                .iter()
                .map(|e| format!("{} ({})", e.what, e.missed))
                .collect();
            format!(
                "{}:{} {}",
                f.file.as_deref().unwrap_or(""),
                f.line.unwrap_or(0),
                expected.join(" | ")
            )
        });
        format!(
            "{} {}: {} [{}]\n",
            case.verdict,
            case.id,
            case.reason.as_deref().unwrap_or(""),
            place.unwrap_or_default(),
        )
    });
    lines.collect()
}

#[test]
fn every_case_passes_on_the_reference_peer() {
    let run = run_at(Duration::ZERO, 2);
    let complaints = complaints(&run);
    assert!(complaints.is_empty(), "{complaints}");
    assert_eq!(run.exit, 0);
}

#[test]
fn latency_changes_no_verdict() {
    let verdicts = |run: &RunOutcome| -> Vec<String> {
        let lines = run.cases.iter().map(|case| {
            let met: Vec<&str> = case
                .findings
                .iter()
                .filter_map(|finding| finding.requirement.as_deref())
                .collect();
            format!("{} {} {}", case.id, case.verdict, met.join(","))
        });
        lines.collect()
    };
    let near = verdicts(&run_at(Duration::ZERO, 2));
    for millis in [1, 50, 400] {
        let far = run_at(Duration::from_millis(millis), 2);
        let complaints = complaints(&far);
        let different: Vec<_> = near
            .iter()
            .zip(verdicts(&far))
            .filter(|(near, far)| *near != far)
            .collect();
        assert!(
            different.is_empty(),
            "at {millis} ms: {different:#?}\n{complaints}"
        );
    }
}

#[test]
fn variants_change_no_verdict() {
    let choice = Choice {
        roles: vec![Role::Seed, Role::Leech],
        directions: vec![Direction::Dialled, Direction::Dials],
        variants: Variant::ALL.to_vec(),
    };
    let plays = embedded().unwrap();
    let plays = plays.iter().map(|suite| expand(suite, &choice).unwrap());
    let make = reference(|config| config);
    let config = RunConfig {
        jobs: 2,
        ..RunConfig::new("self")
    };
    let plays: Vec<Play> = plays.flatten().collect();
    let run = run_self(&mut SelfMode::new(&make), &plays, &config, &|_| {});
    let verdict: BTreeMap<&str, Verdict> = run
        .cases
        .iter()
        .map(|case| (case.id.as_str(), case.verdict))
        .collect();
    let plain = |id: &str| verdict[id.split('@').next().unwrap_or(id)];
    let different: Vec<_> = verdict
        .iter()
        .filter(|(id, verdict)| plain(id) != **verdict)
        .collect();
    assert!(different.is_empty(), "{different:#?}\n{}", complaints(&run));
}

#[test]
fn few_cases_do_without_a_variant() {
    let suites = embedded().unwrap();
    let cases: Vec<_> = suites.iter().flat_map(|suite| &suite.cases).collect();
    let without = cases.iter().filter(|case| !case.variants_skip.is_empty());
    assert!(without.count() * 20 <= cases.len());
}

#[test]
fn number_of_threads_changes_nothing() {
    let json = |jobs| serde_json::to_string(&run_at(Duration::from_millis(1), jobs)).unwrap();
    let one = json(1);
    assert!(one == json(4), "reports differ");
}
