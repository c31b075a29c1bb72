//! Ruling 23, and what a run does about a target that is lost.

use btspec::engine::run::{RunConfig, run_live};
use btspec::engine::self_mode::{Make, reference};
use btspec::engine::shared::SharedTarget;
use btspec::engine::sim::WorldConfig;
use btspec::outcome::{RunEvent, RunOutcome, Verdict};
use btspec::peer::Process;
use btspec::scenario::ast::Role;
use btspec::torrent::{Torrent, fixture};
use btspec::wire::Message;

use crate::support::fake::{Do, Fake, seed_opening, serve};
use crate::support::plays;

const THREE: &str = "
spec: 1
suite: t
title: T
defaults:
  roles: [seed]
  given: [{connect: {}}, {alive: {}}]
cases:
  - case: alone
    title: A
    cites: [B3-HS-03]
    lane: alone
    steps: [{send: choke}, {survives: {stay: pass, close: pass}}]
  - case: serial
    title: S
    cites: [B3-HS-03]
    steps: [{alive: {}}]
  - case: shared
    title: W
    cites: [B3-HS-03]
    lane: shared
    steps: [{wait: {for: 20s, because: it only waits}}]
";

fn run(make: &dyn Make, preflight: bool) -> (RunOutcome, Vec<String>) {
    run_text(THREE, make, preflight)
}

fn run_text(text: &str, make: &dyn Make, preflight: bool) -> (RunOutcome, Vec<String>) {
    let torrent = fixture::main().torrent;
    let world = WorldConfig::default();
    let mut stage = SharedTarget::new(make, Role::Seed, torrent.clone(), world);
    let config = RunConfig {
        preflight,
        ..RunConfig::new("shared")
    };
    let mut order = Vec::new();
    let outcome = run_live(
        &mut stage,
        &torrent,
        &plays(text),
        &config,
        &mut |event| match event {
            RunEvent::CaseFinished(case) => order.push(case.case.clone()),
            RunEvent::Restarted { .. } => order.push("restarted".to_owned()),
            RunEvent::Lost { .. } => order.push("lost".to_owned()),
            _ => {}
        },
    );
    (outcome, order)
}

#[test]
fn waiting_cases_come_first_and_those_that_want_to_be_alone_last() {
    let (outcome, order) = run(&reference(|c| c), true);
    assert_eq!(order, ["t/shared", "t/serial", "t/alone"]);
    let rows: Vec<&str> = outcome
        .cases
        .iter()
        .take(3)
        .map(|c| c.case.as_str())
        .collect();
    assert_eq!(rows, ["t/alone", "t/serial", "t/shared"], "as in the file");
    assert_eq!(outcome.exit, 0);
}

/// A target that serves so many connections and then dies.
fn mortal(lives: u32) -> impl Fn(Role, &Torrent) -> Box<dyn Process> + Sync {
    move |_, torrent| {
        let react = move |n: u32, m: &Message, t: &Torrent| {
            if n > lives {
                vec![Do::Exit]
            } else {
                serve(m, t)
            }
        };
        Box::new(Fake::new(torrent, seed_opening(), Box::new(react)))
    }
}

#[test]
fn target_that_dies_is_a_fail_and_is_started_again() {
    let (outcome, order) = run(&mortal(2), true);
    assert_eq!(
        order,
        ["t/shared", "t/serial", "restarted", "t/alone"],
        "{:?}",
        outcome.lost
    );
    assert_eq!(outcome.cases[1].verdict, Verdict::Fail);
    assert_eq!(outcome.cases[0].verdict, Verdict::Pass);
    assert_eq!(outcome.exit, 1);
}

/// A target that takes no connection any more once one was choked, and keeps those it has.
fn deaf_after_choke(_: Role, torrent: &Torrent) -> Box<dyn Process> {
    let react = |_: u32, m: &Message, t: &Torrent| match m {
        Message::Choke => vec![Do::Refuse],
        _ => serve(m, t),
    };
    Box::new(Fake::new(torrent, seed_opening(), Box::new(react)))
}

#[test]
fn play_that_met_the_end_of_its_target_is_played_again() {
    const TWO: &str = "
spec: 1
suite: t
title: T
defaults:
  roles: [seed]
  given: [{connect: {}}, {alive: {}}]
cases:
  - case: ends-it
    title: E
    cites: [B3-HS-03]
    lane: shared
    steps: [{send: choke}, {survives: {stay: pass, close: pass}}]
  - case: meets-it
    title: M
    cites: [B3-HS-03]
    steps: [{alive: {}}]
";
    for preflight in [true, false] {
        let (outcome, order) = run_text(TWO, &deaf_after_choke, preflight);
        assert_eq!(order, ["t/ends-it", "restarted", "t/meets-it"]);
        assert_eq!(outcome.cases[1].verdict, Verdict::Pass);
        assert_eq!(outcome.exit, 0);
    }
}

#[test]
fn old_connection_that_answers_does_not_stand_for_a_new_one() {
    const ONE: &str = "
spec: 1
suite: t
title: T
cases:
  - case: a
    title: A
    cites: [B3-HV-03]
    roles: [seed]
    given: [{connect: {}}, {alive: {}}]
    steps: [{send: choke}, {survives: {stay: pass, close: pass}}, {connect: {peer: fresh}}]
";
    let (outcome, _) = run_text(ONE, &deaf_after_choke, true);
    assert_eq!(outcome.cases[0].verdict, Verdict::Fail);
    let reason = outcome.cases[0].reason.as_deref().unwrap();
    assert!(reason.contains("target died"), "{reason}");
}

#[test]
fn target_that_never_serves_ends_the_run() {
    let mute = |_: Role, torrent: &Torrent| -> Box<dyn Process> {
        Box::new(Fake::new(torrent, vec![], Box::new(|_, _, _| vec![])))
    };
    let (outcome, order) = run(&mute, true);
    assert_eq!(order, ["lost"]);
    assert_eq!(outcome.exit, 3);
    let cases = outcome.cases.iter().filter(|c| !c.is_rule());
    for case in cases {
        assert_eq!(case.verdict, Verdict::Inconclusive);
        assert!(case.reason.as_deref().unwrap().contains("never served"));
    }
}

#[test]
fn pieces_that_one_target_used_up_are_fresh_for_another() {
    const FRESH: &str = "
spec: 1
suite: t
title: T
defaults:
  roles: [leech]
  given: [{connect: {reserved: [fast, extended], hello: [extended_handshake, have_none]}}, {alive: {}}]
cases:
  - case: takes
    title: T
    cites: [B3-HS-03]
    steps: [{send: {have: {index: $fresh}}}, {alive: {}}]
";
    let torrent = fixture::main().torrent;
    let make = reference(|c| c);
    let world = WorldConfig::default();
    let mut stage = SharedTarget::new(&make, Role::Leech, torrent.clone(), world);
    let config = RunConfig::new("shared");
    config.settings.fresh.spend(0..torrent.geometry().pieces());
    let outcome = run_live(&mut stage, &torrent, &plays(FRESH), &config, &mut |_| {});
    assert_eq!(
        outcome.cases[0].verdict,
        Verdict::Pass,
        "{:?}",
        outcome.cases[0].reason
    );
}

#[test]
fn leech_of_one_piece_is_not_started_again_for_what_the_preflight_took() {
    let text = THREE.replace("[seed]", "[leech]");
    let torrent = fixture::one_piece().torrent;
    let make = reference(|c| c);
    let mut stage = SharedTarget::new(&make, Role::Leech, torrent.clone(), WorldConfig::default());
    let config = RunConfig::new("shared");
    let mut restarts = 0;
    let outcome = run_live(&mut stage, &torrent, &plays(&text), &config, &mut |event| {
        restarts += u32::from(matches!(event, RunEvent::Restarted { .. }));
        assert!(restarts < 10, "it goes on and on");
    });
    assert_eq!((restarts, outcome.exit), (0, 0));
}
