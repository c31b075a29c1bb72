//! How steps begin, meet messages and take turns: rulings 1 to 5.

use crate::prelude::*;

// Ruling 1.

#[test]
fn given_that_is_missed_is_inconclusive() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - until: {has: all}
        within: 5s
    steps:
      - alive: {}
",
    );
    let outcome = faked(
        &text,
        vec![Do::Say(extended()), Do::Say(Message::HaveNone)],
        |_, m, t| serve(m, t),
    );
    assert_verdict(&outcome, Verdict::Inconclusive);
    assert!(
        reason(&outcome).contains("has: all"),
        "{}",
        reason(&outcome)
    );
    assert_eq!(outcome.findings[0].line, Some(11));
}

#[test]
fn given_ends_with_proof_of_life() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
    steps:
      - silence: {for: 1s, of: [choke]}
",
    );
    let mute = faked(&text, seed_opening(), |_, _, _| vec![]);
    assert_verdict(&mute, Verdict::Inconclusive);
    let alive = faked(&text, seed_opening(), |_, m, t| serve(m, t));
    assert_verdict(&alive, Verdict::Pass);
}

#[test]
fn given_without_proof_asks_for_none() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
    proof: {none: the test says so}
    steps:
      - silence: {for: 1s, of: [choke]}
",
    );
    let mute = faked(&text, seed_opening(), |_, _, _| vec![]);
    assert_verdict(&mute, Verdict::Pass);
}

#[test]
fn death_in_given_is_a_fail() {
    let text = file(
        "    cites: [B3-HS-13]
    given:
      - connect: {}
      - send: interested
      - until: {unchoked: true}
    steps:
      - alive: {}
",
    );
    let outcome = faked(&text, seed_opening(), |_, m, _| match m {
        Message::Interested => vec![Do::Exit],
        _ => vec![],
    });
    assert_verdict(&outcome, Verdict::Fail);
    assert!(reason(&outcome).contains("died"));
}

// Ruling 2.

#[test]
fn expect_passes_over_what_does_not_match_and_next_does_not() {
    let chatty = |_: u32, m: &Message, t: &btspec::torrent::Torrent| match m {
        Message::Request(_) => {
            let mut all = vec![
                Do::Say(Message::KeepAlive),
                Do::Say(Message::Have { index: 3 }),
            ];
            all.extend(serve(m, t));
            all
        }
        _ => serve(m, t),
    };
    let body = |step: &str| {
        file(&format!(
            "    cites: [B3-HS-03]
    given:
      - connect: {{}}
      - alive: {{}}
    steps:
      - send: {{request: {{index: 0, begin: 0, length: 16384}}}}
      - {step}
"
        ))
    };
    assert_verdict(
        &faked(&body("expect: piece"), seed_opening(), chatty),
        Verdict::Pass,
    );
    let next = faked(&body("next: piece"), seed_opening(), chatty);
    assert_verdict(&next, Verdict::Fail);
    assert!(reason(&next).contains("have came"), "{}", reason(&next));
    assert_verdict(
        &faked(&body("next: have"), seed_opening(), chatty),
        Verdict::Pass,
    );
}

// Ruling 3.

#[test]
fn cursor_stands_where_the_burst_began_and_moves_behind_the_match() {
    let haves = |_: u32, m: &Message, t: &btspec::torrent::Torrent| match m {
        Message::Interested => vec![
            Do::Say(Message::Have { index: 1 }),
            Do::Say(Message::Have { index: 2 }),
        ],
        Message::NotInterested => vec![Do::Say(Message::Have { index: 3 })],
        _ => serve(m, t),
    };
    let body = |steps: &str| {
        file(&format!(
            "    cites: [B3-HS-03]
    given:
      - connect: {{}}
      - alive: {{}}
    steps:
{steps}"
        ))
    };
    let in_order = body(
        "      - send: interested
      - expect: {have: {index: 1}}
      - expect: {have: {index: 2}}
",
    );
    assert_verdict(&faked(&in_order, seed_opening(), haves), Verdict::Pass);
    let passed_over = body(
        "      - send: interested
      - expect: {have: {index: 2}}
      - expect: {have: {index: 1}}
",
    );
    assert_verdict(&faked(&passed_over, seed_opening(), haves), Verdict::Fail);
    let one_burst = body(
        "      - send: interested
      - send: not_interested
      - expect: {have: {index: 1}}
      - expect: {have: {index: 3}}
",
    );
    assert_verdict(&faked(&one_burst, seed_opening(), haves), Verdict::Pass);
    let new_burst = body(
        "      - send: interested
      - wait: {for: 1s, because: the answers are to come before the next burst}
      - send: not_interested
      - expect: {have: {index: 1}}
        within: 2s
",
    );
    assert_verdict(&faked(&new_burst, seed_opening(), haves), Verdict::Fail);
}

#[test]
fn cursor_of_a_connection_begins_at_its_first_byte() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - until: {has: all}
      - alive: {}
    steps:
      - expect: handshake
      - expect: extended_handshake
      - expect: have_all
",
    );
    assert_verdict(&case(&text), Verdict::Pass);
}

// Ruling 4.

#[test]
fn until_is_true_at_once_if_the_state_holds() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - send: interested
      - until: {unchoked: true}
      - alive: {}
    steps:
      - until: {unchoked: true, has: all, fast: true, extended: true}
",
    );
    let outcome = case(&text);
    assert_verdict(&outcome, Verdict::Pass);
    assert!(outcome.duration_ms.0 < Duration::from_secs(1));
}

// Ruling 5.

#[test]
fn step_without_peer_goes_on_with_the_one_before() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {peer: a}
      - connect: {peer: b}
      - alive: {}
    steps:
      - send: {request: {index: 1, begin: 0, length: 16384}}
        peer: a
      - send: {request: {index: 2, begin: 0, length: 16384}}
      - expect: {reject_request: {index: 2}}
        peer: a
      - send: {request: {index: 3, begin: 0, length: 16384}}
        peer: b
      - expect: {reject_request: {index: 3}}
",
    );
    let outcome = case(&text);
    assert_verdict(&outcome, Verdict::Pass);
    let asked = outcome.transcript.iter().filter(|l| l.kind == "request");
    let conns: Vec<Option<u32>> = asked.map(|l| l.conn).collect();
    assert_eq!(conns, [Some(1), Some(1), Some(2)]);
}
