//! Levels, first misses, limits, and values: rulings 15 to 19.

use crate::prelude::*;

// Ruling 15.

#[test]
fn level_bounds_the_verdict() {
    let body = |requirement: &str, step: &str| {
        file(&format!(
            "    cites: [{requirement}]
    given:
      - connect: {{}}
      - alive: {{}}
    steps:
      - send: choke
      - {step}
"
        ))
    };
    let mute = |_: u32, m: &Message, t: &btspec::torrent::Torrent| serve(m, t);
    for (requirement, verdict) in [
        ("B3-HS-03", Verdict::Fail),
        ("B4-ID-01", Verdict::Warn),
        ("B3-HS-13", Verdict::Warn),
        ("B3-HS-12", Verdict::Info),
    ] {
        let missed = faked(&body(requirement, "expect: piece"), seed_opening(), mute);
        assert_verdict(&missed, verdict);
        assert_eq!(missed.findings[0].requirement.as_deref(), Some(requirement));
        let branch = "any_of: [{expect: choke}, {silence: {for: 1s, of: [piece]}, verdict: fail}]";
        let decided = faked(&body(requirement, branch), seed_opening(), mute);
        assert_verdict(&decided, verdict);
    }
}

#[test]
fn step_with_cites_is_judged_under_those_only() {
    let text = file(
        "    cites: [B3-HS-03, B3-HS-13]
    given:
      - connect: {}
      - alive: {}
    steps:
      - alive: {}
        cites: [B3-HS-03]
      - expect: choke
        within: 1s
        cites: [B3-HS-13]
",
    );
    let outcome = faked(&text, seed_opening(), |_, m, t| serve(m, t));
    assert_verdict(&outcome, Verdict::Warn);
    assert_eq!(outcome.findings.len(), 1);
    assert_eq!(outcome.findings[0].requirement.as_deref(), Some("B3-HS-13"));
}

#[test]
fn rule_finding_changes_the_verdict_only_where_it_is_cited() {
    let rule = btspec::rule::RULES
        .iter()
        .find(|rule| rule.id == "have-in-range" || rule.requirement == "B3-HV-01")
        .or_else(|| btspec::rule::RULES.iter().find(|r| r.id.contains("range")));
    let rule = rule.expect("a rule on ranges");
    let body = |requirement: &str| {
        file(&format!(
            "    cites: [{requirement}]
    given:
      - connect: {{}}
      - alive: {{}}
    steps:
      - send: choke
      - alive: {{}}
"
        ))
    };
    let far = |_: u32, m: &Message, t: &btspec::torrent::Torrent| match m {
        Message::Choke => vec![
            Do::Say(Message::Have { index: 1_000_000 }),
            Do::Say(Message::Request(BlockRef {
                index: 1_000_000,
                ..PIECE
            })),
        ],
        _ => serve(m, t),
    };
    let elsewhere = faked(&body("B3-HS-03"), seed_opening(), far);
    assert_verdict(&elsewhere, Verdict::Pass);
    assert!(elsewhere.findings.iter().any(|f| f.rule.is_some()));
    let broken: Vec<String> = elsewhere
        .findings
        .iter()
        .filter_map(|f| f.requirement.clone())
        .collect();
    let cited = faked(&body(&broken[0]), seed_opening(), far);
    assert!(
        cited.verdict >= Verdict::Warn,
        "{} {}",
        rule.id,
        reason(&cited)
    );
}

// Ruling 16.

#[test]
fn first_miss_ends_the_case_and_after_still_runs() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - expect: choke
        within: 1s
      - send: interested
    after:
      - send: not_interested
",
    );
    let outcome = faked(&text, seed_opening(), |_, m, t| serve(m, t));
    assert_verdict(&outcome, Verdict::Fail);
    assert!(sent(&outcome, "interested").is_empty());
    assert_eq!(sent(&outcome, "not_interested").len(), 1);
}

#[test]
fn settle_waits_for_owed_answers() {
    let text = file(
        "    cites: [B6-RJ-01]
    settle: true
    given:
      - connect: {}
      - alive: {}
      - send: interested
      - until: {unchoked: true}
    steps:
      - send: {request: {index: 0, begin: 0, length: 16384}}
",
    );
    let slow = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Request(_) => vec![later(9.0, serve(m, t).remove(0))],
        _ => serve(m, t),
    });
    assert_verdict(&slow, Verdict::Pass);
    assert!(slow.duration_ms.0 > Duration::from_secs(9));
    let never = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Request(_) => vec![],
        _ => serve(m, t),
    });
    assert!(never.verdict >= Verdict::Warn, "{}", reason(&never));
}

#[test]
fn flood_ends_the_case() {
    let text = file(
        "    cites: [B3-HS-12]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: choke
      - wait: {for: 10s, because: the flood is to come}
",
    );
    let outcome = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Choke => {
            let junk = Message::Unknown {
                id: btspec::wire::UnknownId::new(200).unwrap(),
                payload: vec![0; 1 << 19].into(),
            };
            vec![Do::Say(junk); 200]
        }
        _ => serve(m, t),
    });
    assert_verdict(&outcome, Verdict::Fail);
    assert!(reason(&outcome).contains("64 MiB"), "{}", reason(&outcome));
}

#[test]
fn case_has_a_limit() {
    let text = file(
        "    cites: [B3-HS-03]
    timeouts: {case: 10s}
    given:
      - connect: {}
      - alive: {}
    steps:
      - expect: piece
",
    );
    let outcome = faked(&text, seed_opening(), |_, m, t| serve(m, t));
    assert_verdict(&outcome, Verdict::Inconclusive);
    assert!(
        reason(&outcome).contains("not over after 10 s"),
        "{}",
        reason(&outcome)
    );
}

// Ruling 17.

#[test]
fn matrix_gives_a_play_for_each_value_that_when_leaves() {
    let text = file(
        "    cites: [B3-HS-03]
    matrix:
      length: {one: 16384, two: 100}
      fast: [true, false]
    when: \"${!(matrix.length == 100 && matrix.fast)}\"
    given:
      - connect: {}
      - send: interested
      - until: {unchoked: true}
    steps:
      - send: {request: {index: 0, begin: 0, length: $matrix.length}}
      - expect: {piece: {block: {len: $matrix.length}}}
",
    );
    let run = crate::support::run_against(&text, &btspec::engine::self_mode::reference(|c| c));
    let ids: Vec<&str> = run
        .cases
        .iter()
        .filter(|c| !c.is_rule())
        .map(|c| c.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "t/c[length=one,fast=on]:seed",
            "t/c[length=one,fast=off]:seed",
            "t/c[length=two,fast=off]:seed",
        ]
    );
    assert!(run.cases.iter().take(3).all(|c| c.verdict == Verdict::Pass));
}

// Ruling 18.

#[test]
fn captures_last_for_the_case_and_a_repeat_leaves_lists() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - send: interested
      - until: {unchoked: true}
    steps:
      - repeat:
          each: {at: [0, 16384]}
          do:
            - send: {request: {index: 0, begin: $at, length: 16384}}
            - expect: {piece: {begin: $at, block: {append: blocks}}}
      - check: {len: [$blocks, 2]}
      - send: {request: {index: 1, begin: 0, length: 16384}}
      - expect: {piece: {index: {capture: got}}}
      - check: {eq: [$got, 1]}
",
    );
    assert_verdict(&case(&text), Verdict::Pass);
}

// Ruling 19.

#[test]
fn overflow_is_an_error_at_its_line() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - check: {that: \"${$torrent.pieces - 5000 > 0}\"}
",
    );
    let outcome = case(&text);
    assert_verdict(&outcome, Verdict::Error);
    assert!(
        reason(&outcome).contains("test.yaml:13:"),
        "{}",
        reason(&outcome)
    );
}

#[test]
fn a_never_is_worth_what_its_author_says() {
    let text = |verdict: &str| {
        file(&format!(
            "    cites: [B3-HS-03]
    given:
      - connect: {{}}
      - alive: {{}}
    steps:
      - never: {{of: [unchoke]}}
        verdict: {verdict}
        note: it comes
      - send: interested
      - wait: {{for: 1s, because: it is to come}}
"
        ))
    };
    for (stated, verdict) in [
        ("info", Verdict::Info),
        ("skip", Verdict::Skip),
        ("warn", Verdict::Warn),
        ("fail", Verdict::Fail),
    ] {
        let outcome = faked(&text(stated), seed_opening(), |_, m, t| serve(m, t));
        assert_verdict(&outcome, verdict);
    }
}
