//! Alternatives, what must never come, and signs of life: rulings 6 to 9.

use crate::prelude::*;

// Ruling 6.

#[test]
fn first_arrival_decides_between_branches() {
    let body = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: {request: {index: 0, begin: 0, length: 16384}}
      - any_of:
          - expect: piece
          - expect: reject_request
            verdict: warn
            note: rejected first
",
    );
    let piece_first = faked(&body, seed_opening(), |_, m, t| match m {
        Message::Request(b) => {
            let mut all = serve(m, t);
            all.push(Do::Say(Message::RejectRequest(*b)));
            all
        }
        _ => serve(m, t),
    });
    assert_verdict(&piece_first, Verdict::Pass);
    let reject_first = faked(&body, seed_opening(), |_, m, t| match m {
        Message::Request(b) => {
            let mut all = vec![Do::Say(Message::RejectRequest(*b))];
            all.extend(serve(m, t));
            all
        }
        _ => serve(m, t),
    });
    assert_verdict(&reject_first, Verdict::Warn);
    assert!(reason(&reject_first).contains("rejected first"));
}

#[test]
fn branches_that_all_excuse_are_waited_for_like_any_other() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: {request: {index: 0, begin: 0, length: 16384}}
      - any_of:
          - expect: piece
            verdict: skip
            note: served after all
          - expect: reject_request
            verdict: skip
",
    );
    let late = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Request(_) => vec![later(9.0, serve(m, t).remove(0))],
        _ => serve(m, t),
    });
    assert_verdict(&late, Verdict::Skip);
    let never = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Request(_) => vec![],
        _ => serve(m, t),
    });
    assert_verdict(&never, Verdict::Fail);
}

#[test]
fn upper_branch_wins_a_tie() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: {request: {index: 0, begin: 0, length: 16384}}
      - any_of:
          - expect: {piece: {index: 0}}
          - expect: piece
            verdict: fail
",
    );
    assert_verdict(
        &faked(&text, seed_opening(), |_, m, t| serve(m, t)),
        Verdict::Pass,
    );
}

#[test]
fn silence_of_a_branch_decides_at_its_end() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: {request: {index: 0, begin: 0, length: 16384}}
      - any_of:
          - expect: piece
            verdict: fail
          - silence: {for: 3s, of: [piece]}
",
    );
    let silent = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Request(_) => vec![later(3.5, serve(m, t).remove(0))],
        _ => serve(m, t),
    });
    // It passes at 3 s, and the piece of 3.5 s comes in the drain.
    assert_verdict(&silent, Verdict::Pass);
    let loud = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Request(_) => vec![later(2.5, serve(m, t).remove(0))],
        _ => serve(m, t),
    });
    assert_verdict(&loud, Verdict::Fail);
}

#[test]
fn otherwise_runs_when_nothing_decided() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - any_of:
          - expect: choke
          - expect: unchoke
        otherwise:
          - send: {request: {index: 0, begin: 0, length: 16384}}
          - expect: piece
        within: 2s
",
    );
    let outcome = faked(&text, seed_opening(), |_, m, t| serve(m, t));
    assert_verdict(&outcome, Verdict::Pass);
    assert_eq!(sent(&outcome, "request"), [2000]);
}

// Ruling 7.

#[test]
fn never_listens_through_waits_and_is_not_retroactive() {
    let body = |wait: &str| {
        file(&format!(
            "    cites: [B3-HS-03]
    given:
      - connect: {{}}
      - alive: {{}}
    steps:
      - never: {{of: [choke]}}
      - send: interested
      - wait: {{for: {wait}, because: it is to be long}}
"
        ))
    };
    let late = |_: u32, m: &Message, t: &btspec::torrent::Torrent| match m {
        Message::Interested => vec![later(3.0, Do::Say(Message::Choke))],
        _ => serve(m, t),
    };
    let broken = faked(&body("20s"), seed_opening(), late);
    assert_verdict(&broken, Verdict::Fail);
    assert_eq!(broken.findings[0].at_ms.0, Duration::from_secs(3));
    let mut early = seed_opening();
    early.push(Do::Say(Message::Choke));
    let outcome = faked(&body("1s"), early, |_, m, t| serve(m, t));
    assert_verdict(&outcome, Verdict::Pass);
}

#[test]
fn never_ends_with_its_label_and_listens_on_one_peer_if_named() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {peer: a}
      - connect: {peer: b}
      - alive: {}
    steps:
      - never: {of: [have]}
        peer: b
      - never: {of: [have], until: over}
      - send: {request: {index: 0, begin: 0, length: 16384}}
        peer: a
      - expect: piece
        label: over
      - send: interested
      - expect: have
",
    );
    let have = |_: u32, m: &Message, t: &btspec::torrent::Torrent| match m {
        Message::Interested => vec![Do::Say(Message::Have { index: 1 })],
        _ => serve(m, t),
    };
    assert_verdict(&faked(&text, seed_opening(), have), Verdict::Pass);
    // A labelled step that is left out is passed as well.
    let left_out = text.replace("label: over", "label: over\n        when: $peer.fast");
    let plain = |_: u32, m: &Message, t: &btspec::torrent::Torrent| match m {
        Message::Interested => vec![Do::Say(Message::Have { index: 1 })],
        _ => serve(m, t),
    };
    let connect = "connect: {peer: a, reserved: [extended]}";
    let left_out = left_out.replace("connect: {peer: a}", connect);
    assert_verdict(&faked(&left_out, seed_opening(), plain), Verdict::Pass);
}

// Ruling 8.

const SURVIVES: &str = "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: choke
      - survives: {stay: pass, close: warn}
";

#[test]
fn survives_by_an_answer_or_a_close_or_fails() {
    let stay = faked(&file(SURVIVES), seed_opening(), |_, m, t| serve(m, t));
    assert_verdict(&stay, Verdict::Pass);
    let close = faked(&file(SURVIVES), seed_opening(), |_, m, t| match m {
        Message::Choke => vec![Do::Fin],
        _ => serve(m, t),
    });
    assert_verdict(&close, Verdict::Warn);
    let fresh = close.connections.iter().filter(|c| c.peer == "liveness");
    assert_eq!(fresh.count(), 1, "liveness on a fresh connection follows");
}

#[test]
fn survives_with_neither_is_stream_lost_at_any_level() {
    let text = file(&SURVIVES.replace("B3-HS-03", "B3-HS-12"));
    let mut lost = false;
    let outcome = faked(&text, seed_opening(), move |_, m, t| {
        lost |= *m == Message::Choke;
        if lost { vec![] } else { serve(m, t) }
    });
    assert_verdict(&outcome, Verdict::Fail);
    assert!(
        reason(&outcome).contains("stream lost"),
        "{}",
        reason(&outcome)
    );
}

#[test]
fn close_behind_which_nobody_accepts_is_a_death() {
    let outcome = faked(&file(SURVIVES), seed_opening(), |_, m, t| match m {
        Message::Choke => vec![Do::Refuse, Do::Rst],
        _ => serve(m, t),
    });
    assert_verdict(&outcome, Verdict::Fail);
    assert!(reason(&outcome).contains("died"), "{}", reason(&outcome));
}

// Ruling 9.

#[test]
fn reject_and_open_connection_are_no_proof_of_life() {
    let text = file(
        "    cites: [B3-HS-03]
    given: [{connect: {}}]
    proof: {none: the case asks}
    steps:
      - alive: {}
",
    );
    let rejecter = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Request(b) => vec![Do::Say(Message::RejectRequest(*b))],
        Message::Extended { .. } => vec![],
        _ => serve(m, t),
    });
    assert!(rejecter.verdict > Verdict::Warn, "{}", reason(&rejecter));
    let without_metadata = vec![Do::Say(Message::HaveAll)];
    let server = faked(&text, without_metadata.clone(), |_, m, t| serve(m, t));
    // The handshake promises an extended handshake that never comes: asked for a block instead.
    assert_verdict(&server, Verdict::Pass);
    assert_eq!(sent(&server, "request").len(), 1);
    let liar = faked(&text, without_metadata, |_, m, t| match m {
        Message::Request(b) => vec![Do::Say(Message::Piece {
            index: b.index,
            begin: b.begin,
            block: vec![0; b.length as usize].into(),
        })],
        _ => serve(m, t),
    });
    assert_verdict(&liar, Verdict::Fail);
    assert!(reason(&liar).contains("differs"), "{}", reason(&liar));
}
