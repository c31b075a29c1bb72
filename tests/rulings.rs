//! One test for each numbered ruling of SCENARIOS 3, and some more where one is not enough.

mod support;

use std::time::Duration;

use btspec::outcome::{CaseOutcome, EntryDir, Verdict};
use btspec::wire::{BlockRef, Message};
use support::fake::{Do, extended, seed_opening, serve};
use support::{assert_verdict, case, faked, file};

fn later(seconds: f64, what: Do) -> Do {
    Do::Later(Duration::from_secs_f64(seconds), Box::new(what))
}

fn reason(outcome: &CaseOutcome) -> &str {
    outcome.reason.as_deref().unwrap_or("")
}

/// When the tester sent its nth message of a kind, in milliseconds.
fn sent(outcome: &CaseOutcome, kind: &str) -> Vec<u128> {
    let lines = outcome.transcript.iter();
    lines
        .filter(|line| line.dir == EntryDir::Sent && line.kind == kind)
        .map(|line| line.at_ms.0.as_millis())
        .collect()
}

const PIECE: BlockRef = BlockRef {
    index: 0,
    begin: 0,
    length: 16384,
};

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

// Ruling 10.

#[test]
fn block_proves_life_where_metadata_is_nobodys_business() {
    let text = file(
        "    cites: [B3-HS-03]
    needs: [\"torrent.private\"]
    given:
      - connect: {}
    steps:
      - alive: {}
",
    );
    let discreet = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Extended { ext_id: 1, .. } => vec![],
        _ => serve(m, t),
    });
    assert_verdict(&discreet, Verdict::Pass);
}

#[test]
fn closed_knows_how_and_ends_any_wait_at_once() {
    let body = |step: &str| {
        file(&format!(
            "    cites: [B3-HS-03]
    given:
      - connect: {{}}
      - alive: {{}}
    steps:
      - send: choke
      - {step}
"
        ))
    };
    let fin = |_: u32, m: &Message, t: &btspec::torrent::Torrent| match m {
        Message::Choke => vec![later(2.0, Do::Fin)],
        _ => serve(m, t),
    };
    let rst = |_: u32, m: &Message, t: &btspec::torrent::Torrent| match m {
        Message::Choke => vec![Do::Rst],
        _ => serve(m, t),
    };
    for (step, react_fin, verdict) in [
        ("closed: any", true, Verdict::Pass),
        ("closed: any", false, Verdict::Pass),
        ("closed: fin", true, Verdict::Pass),
        ("closed: fin", false, Verdict::Fail),
        ("closed: rst", false, Verdict::Pass),
        ("closed: rst", true, Verdict::Fail),
    ] {
        let outcome = if react_fin {
            faked(&body(step), seed_opening(), fin)
        } else {
            faked(&body(step), seed_opening(), rst)
        };
        assert_verdict(&outcome, verdict);
    }
    let waiting = faked(&body("expect: unchoke"), seed_opening(), fin);
    assert!(waiting.findings[0].at_ms.0 == Duration::from_secs(2));
    assert!(
        reason(&waiting).contains("closed with FIN"),
        "{}",
        reason(&waiting)
    );
}

#[test]
fn own_close_never_matches() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - close: rst
      - closed: any
        within: 2s
",
    );
    let outcome = faked(&text, seed_opening(), |_, m, t| serve(m, t));
    assert_verdict(&outcome, Verdict::Fail);
}

#[test]
fn close_before_the_provocation_is_written_is_inconclusive() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: choke
      - wait: {for: 2s, because: the target is to close meanwhile}
      - send: interested
      - closed: any
",
    );
    let outcome = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Choke => vec![Do::Fin],
        _ => serve(m, t),
    });
    assert_verdict(&outcome, Verdict::Inconclusive);
    let slow = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: [choke, interested]
        fragment: {sizes: [5], gap: 3s}
      - closed: any
",
    );
    let outcome = faked(&slow, seed_opening(), |_, m, t| match m {
        Message::Choke => vec![Do::Fin],
        _ => serve(m, t),
    });
    assert_verdict(&outcome, Verdict::Inconclusive);
}

// Ruling 11.

#[test]
fn silence_of_all_leaves_keep_alives_out() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: choke
      - silence: {for: 3s, of: all}
",
    );
    let with = |what: Message| {
        faked(&text, seed_opening(), move |_, m, t| match m {
            Message::Choke => vec![later(1.0, Do::Say(what.clone()))],
            _ => serve(m, t),
        })
    };
    assert_verdict(&with(Message::KeepAlive), Verdict::Pass);
    assert_verdict(&with(Message::Unchoke), Verdict::Fail);
}

#[test]
fn silence_stays_armed_but_excuses_answers_to_what_came_later() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: {request: {index: 5, begin: 0, length: 16384}}
      - silence: {for: 2s, of: [piece]}
      - send: {request: {index: 0, begin: 0, length: 16384}}
      - expect: piece
      - wait: {for: 5s, because: a late answer is to be seen}
",
    );
    let only_later = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Request(b) if b.index == 5 => vec![],
        _ => serve(m, t),
    });
    assert_verdict(&only_later, Verdict::Pass);
    let both = faked(&text, seed_opening(), |_, m, t| match m {
        Message::Request(b) if b.index == 5 => vec![later(4.0, serve(m, t).remove(0))],
        _ => serve(m, t),
    });
    assert_verdict(&both, Verdict::Fail);
}

// Ruling 12.

#[test]
fn wait_sends_keep_alives_and_idle_sends_nothing() {
    let body = |step: &str| {
        file(&format!(
            "    cites: [B3-HS-03]
    given:
      - connect: {{}}
      - alive: {{}}
    steps:
      - {step}
"
        ))
    };
    let waited = case(&body("wait: {for: 30s, because: the test says so}"));
    assert_eq!(sent(&waited, "keep_alive"), [8000, 16000, 24000]);
    assert!(
        waited
            .transcript
            .iter()
            .filter(|l| l.kind == "keep_alive" && l.dir == EntryDir::Sent)
            .all(|l| l.auto)
    );
    let idled = case(&body("idle: {for: 30s, because: the test says so}"));
    assert!(sent(&idled, "keep_alive").is_empty());
}

#[test]
fn nothing_automatic_goes_out_inside_a_frame() {
    let body = |boundary: &str| {
        file(&format!(
            "    cites: [B3-HS-03]
    given:
      - connect: {{}}
      - alive: {{}}
    steps:
      - background: {{send: interested, every: 3s}}
      - send_raw: {{hex: 0000, boundary: {boundary}}}
      - wait: {{for: 10s, because: the test says so}}
"
        ))
    };
    for boundary in ["open", "unknown"] {
        let outcome = case(&body(boundary));
        assert!(sent(&outcome, "keep_alive").is_empty(), "{boundary}");
        assert!(sent(&outcome, "interested").is_empty(), "{boundary}");
    }
    let whole = case(&body("whole").replace("hex: 0000", "hex: 00000001ff"));
    assert_eq!(sent(&whole, "interested"), [3000, 6000, 9000]);
}

// Ruling 13.

#[test]
fn answers_have_15_seconds_and_grants_65_that_say_nothing() {
    let body = |step: &str| {
        file(&format!(
            "    cites: [B3-HS-03]
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
    let answer = faked(&body("expect: piece"), seed_opening(), mute);
    assert_verdict(&answer, Verdict::Fail);
    assert_eq!(answer.findings[0].at_ms.0, Duration::from_secs(15));
    let grant = faked(&body("until: {unchoked: true}"), seed_opening(), mute);
    assert_verdict(&grant, Verdict::Inconclusive);
    assert_eq!(grant.findings[0].at_ms.0, Duration::from_secs(65));
    let close = faked(&body("closed: any"), seed_opening(), mute);
    assert_eq!(close.findings[0].at_ms.0, Duration::from_secs(15));
    let within = faked(&body("{expect: piece, within: 2s}"), seed_opening(), mute);
    assert_eq!(within.findings[0].at_ms.0, Duration::from_secs(2));
}

#[test]
fn message_that_has_begun_extends_its_deadline_once() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: {request: {index: 0, begin: 0, length: 16384}}
      - expect: piece
",
    );
    let at = |seconds: f64| {
        faked(&text, seed_opening(), move |_, m, t| match m {
            Message::Request(b) => {
                let piece = Message::Piece {
                    index: b.index,
                    begin: b.begin,
                    block: t.block(b).unwrap(),
                };
                let mut head = piece.encode();
                let tail = head.split_off(100);
                vec![later(14.0, Do::Raw(head)), later(seconds, Do::Raw(tail))]
            }
            _ => serve(m, t),
        })
    };
    assert_verdict(&at(29.0), Verdict::Pass);
    assert_verdict(&at(31.0), Verdict::Fail);
}

#[test]
fn not_before_makes_an_early_match_a_miss() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: {request: {index: 0, begin: 0, length: 16384}}
      - expect: piece
        not_before: 2s
",
    );
    let at = |seconds: f64| {
        faked(&text, seed_opening(), move |_, m, t| match m {
            Message::Request(_) => vec![later(seconds, serve(m, t).remove(0))],
            _ => serve(m, t),
        })
    };
    assert_verdict(&at(1.0), Verdict::Fail);
    assert_verdict(&at(3.0), Verdict::Pass);
}

// Ruling 14.

#[test]
fn connect_sends_what_the_author_says_or_what_suits() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
    steps:
      - alive: {}
",
    );
    let usual = case(&text);
    assert_eq!(sent(&usual, "extended_handshake").len(), 1);
    assert_eq!(sent(&usual, "have_none").len(), 1);
    let plain = case(&text.replace("connect: {}", "connect: {reserved: []}"));
    assert!(sent(&plain, "extended_handshake").is_empty());
    assert!(sent(&plain, "have_none").is_empty());
    let own = case(&text.replace("connect: {}", "connect: {hello: [have_none, keep_alive]}"));
    assert!(sent(&own, "extended_handshake").is_empty());
    assert_eq!(sent(&own, "keep_alive").len(), 1);
}

#[test]
fn reference_core_serves_a_leech_where_told() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {serves: SERVES, unchoke: true}
    steps:
      - expect: request
      - wait: {for: 3s, because: more requests are to come}
",
    )
    .replace("[seed]", "[leech]");
    let fresh = case(&text.replace("SERVES", "fresh"));
    assert_verdict(&fresh, Verdict::Pass);
    let pieces = sent(&fresh, "piece").len();
    assert_eq!(pieces, 2, "both blocks of the one piece");
    let all = case(&text.replace("SERVES", "all"));
    // The transcript keeps the first and the last MiB.
    assert!(sent(&all, "piece").len() > 100);
    let none = case(&text.replace(
        "serves: SERVES",
        "serves: none, hello: [extended_handshake, have_all]",
    ));
    assert_verdict(&none, Verdict::Pass);
    assert!(sent(&none, "piece").is_empty());
    assert!(sent(&none, "reject_request").is_empty());
    let rejects = case(&text.replace(
        "serves: SERVES",
        "rejects: true, hello: [extended_handshake, have_all]",
    ));
    assert_verdict(&rejects, Verdict::Pass);
    assert!(sent(&rejects, "piece").is_empty());
    assert!(sent(&rejects, "reject_request").len() > 1);
}

#[test]
fn accepting_closes_and_counts_encrypted_openings() {
    use btspec::scenario::ast::Role;
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {mode: accept}
    steps:
      - alive: {}
",
    );
    let make = |_: Role, torrent: &btspec::torrent::Torrent| -> Box<dyn btspec::peer::Process> {
        let react = |_: u32, m: &Message, t: &btspec::torrent::Torrent| serve(m, t);
        let mut fake = support::fake::Fake::new(torrent, seed_opening(), Box::new(react));
        fake.dial_opening = vec![vec![0x5a; 96].into()];
        Box::new(fake)
    };
    let run = support::run_unchecked(&text, &make);
    let outcome = &run.cases[0];
    assert_verdict(outcome, Verdict::Pass);
    let openings = outcome.transcript.iter().filter(|l| l.kind == "encrypted");
    assert_eq!(openings.count(), 1);
    assert_eq!(outcome.connections.len(), 2);
}

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
    let run = support::run_against(&text, &btspec::engine::self_mode::reference(|c| c));
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

// Ruling 20.

#[test]
fn all_of_finds_a_complete_assignment_if_there_is_one() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: interested
      - all_of:
          - have
          - {have: {index: 1}}
",
    );
    let saying = |indices: Vec<u32>| {
        faked(&text, seed_opening(), move |_, m, t| match m {
            Message::Interested => indices
                .iter()
                .map(|index| Do::Say(Message::Have { index: *index }))
                .collect(),
            _ => serve(m, t),
        })
    };
    assert_verdict(&saying(vec![1, 2]), Verdict::Pass);
    assert_verdict(&saying(vec![2, 1]), Verdict::Pass);
    assert_verdict(&saying(vec![1]), Verdict::Fail);
    assert_verdict(&saying(vec![2, 3]), Verdict::Fail);
}

#[test]
fn unordered_repeat_wants_all_in_any_order() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {}
      - alive: {}
    steps:
      - send: interested
      - repeat:
          each: {piece: [4, 5, 6]}
          unordered: true
          do:
            - expect: {have: {index: $piece}}
",
    );
    let saying = |indices: Vec<u32>| {
        faked(&text, seed_opening(), move |_, m, t| match m {
            Message::Interested => indices
                .iter()
                .map(|index| Do::Say(Message::Have { index: *index }))
                .collect(),
            _ => serve(m, t),
        })
    };
    assert_verdict(&saying(vec![6, 4, 5]), Verdict::Pass);
    assert_verdict(&saying(vec![6, 4, 4]), Verdict::Fail);
}

// Ruling 21.

#[test]
fn measure_observes_and_fails_only_where_told() {
    let body = |more: &str| {
        file(&format!(
            "    cites: [B3-HS-03]
    given:
      - connect: {{}}
      - alive: {{}}
    steps:
      - send: {{request: {{index: 0, begin: 0, length: 16384}}}}
      - measure: {{until: {{expect: piece}}, max: 5s, as: took}}
{more}"
        ))
    };
    let after = |text: &str, seconds: f64| {
        faked(text, seed_opening(), move |_, m, t| match m {
            Message::Request(_) => vec![later(seconds, serve(m, t).remove(0))],
            _ => serve(m, t),
        })
    };
    let plain = after(&body(""), 2.0);
    assert_verdict(&plain, Verdict::Pass);
    assert_eq!(plain.observations["took"], 2000);
    let never = after(&body(""), 50.0);
    assert_verdict(&never, Verdict::Info);
    let strict = body("        fail_if: \"${$took > 1000}\"\n        cites: [B3-HS-03]\n");
    assert_verdict(&after(&strict, 2.0), Verdict::Fail);
    assert_verdict(&after(&strict, 0.5), Verdict::Pass);
}

// Ruling 22.

#[test]
fn missing_need_is_a_skip_with_evidence_before_anything_is_sent() {
    for (need, word) in [
        ("dht", "reserved bytes"),
        ("driver(content-dir)", "content-dir"),
        ("torrent.pieces > 100000", "torrent.pieces"),
    ] {
        let text = file(&format!(
            "    cites: [B3-HS-03]
    needs: ['{need}']
    given:
      - connect: {{}}
    steps:
      - alive: {{}}
"
        ));
        // A target without the DHT bit, and without a verb.
        let make = |_, torrent: &btspec::torrent::Torrent| -> Box<dyn btspec::peer::Process> {
            let react = |_: u32, m: &Message, t: &btspec::torrent::Torrent| serve(m, t);
            let fake = support::fake::Fake::new(torrent, seed_opening(), Box::new(react));
            Box::new(fake)
        };
        let run = support::run_against(&text, &make);
        let outcome = &run.cases[0];
        assert_verdict(outcome, Verdict::Skip);
        assert!(reason(outcome).contains(word), "{}", reason(outcome));
        assert!(outcome.transcript.is_empty());
    }
}

// Ruling 24.

#[test]
fn one_send_is_one_write_and_fragments_are_segments() {
    let body = |fragment: &str| {
        file(&format!(
            "    cites: [B3-HS-03]
    given:
      - connect: {{}}
      - alive: {{}}
    steps:
      - send: [interested, not_interested]
{fragment}      - alive: {{}}
"
        ))
    };
    assert_verdict(&case(&body("")), Verdict::Pass);
    let slow = case(&body("        fragment: {sizes: 3, gap: 1s}\n"));
    assert_verdict(&slow, Verdict::Pass);
    // Ten bytes in segments of three: 0 s, 1 s, 2 s, 3 s.
    assert_eq!(sent(&slow, "interested"), [1000]);
    assert_eq!(sent(&slow, "not_interested"), [3000]);
}

// Ruling 23, and what a run does about a target that is lost.

mod lanes {
    use btspec::engine::run::{RunConfig, run_live};
    use btspec::engine::self_mode::{Make, reference};
    use btspec::engine::shared::SharedTarget;
    use btspec::engine::sim::WorldConfig;
    use btspec::outcome::{RunEvent, RunOutcome, Verdict};
    use btspec::peer::Process;
    use btspec::scenario::ast::Role;
    use btspec::torrent::{Torrent, fixture};
    use btspec::wire::Message;

    use super::support::fake::{Do, Fake, seed_opening, serve};
    use super::support::plays;

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
        let mut stage =
            SharedTarget::new(&make, Role::Leech, torrent.clone(), WorldConfig::default());
        let config = RunConfig::new("shared");
        let mut restarts = 0;
        let outcome = run_live(&mut stage, &torrent, &plays(&text), &config, &mut |event| {
            restarts += u32::from(matches!(event, RunEvent::Restarted { .. }));
            assert!(restarts < 10, "it goes on and on");
        });
        assert_eq!((restarts, outcome.exit), (0, 0));
    }
}
