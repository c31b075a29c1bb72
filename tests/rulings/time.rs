//! Closes, silences, waits, deadlines and connections: rulings 10 to 14.

use crate::prelude::*;

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
fn wait_behind_a_close_is_as_long_as_it_says() {
    let closes = case(&file(
        "    cites: [B3-FR-04]
    given: [{connect: {}}]
    proof: {none: the test says so}
    steps:
      - send_raw: {hex: 00000002 00 00}
      - closed: any
      - wait: {for: 30s, because: the test says so}
      - connect: {peer: fresh}
",
    ));
    assert_eq!(
        sent(&closes, "handshake"),
        [0, 30_000, 30_000],
        "{closes:#?}"
    );
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
        let mut fake = crate::support::fake::Fake::new(torrent, seed_opening(), Box::new(react));
        fake.dial_opening = vec![vec![0x5a; 96].into()];
        Box::new(fake)
    };
    let run = crate::support::run_unchecked(&text, &make);
    let outcome = &run.cases[0];
    assert_verdict(outcome, Verdict::Pass);
    let openings = outcome.transcript.iter().filter(|l| l.kind == "encrypted");
    assert_eq!(openings.count(), 1);
    assert_eq!(outcome.connections.len(), 2);
}

#[test]
fn a_request_that_comes_again_or_crosses_proves_no_life() {
    let text = file(
        "    cites: [B3-HS-03]
    given:
      - connect: {reserved: [fast], hello: [have_none]}
      - alive: {}
    steps:
      - send: choke
      - survives: {stay: pass, close: fail}
",
    )
    .replace("[seed]", "[leech]");
    // Asks for both blocks of a piece that it hears of. The deaf one says the second request behind
    // a choke, as if they had crossed, and both again when its patience ends; it reads no more.
    let leech = |deaf: bool| {
        let mut told = None;
        let mut hears = true;
        move |_: u32, message: &Message, _: &btspec::torrent::Torrent| {
            let asked = |index, begin| {
                let length = 16384;
                Do::Say(Message::Request(BlockRef {
                    index,
                    begin,
                    length,
                }))
            };
            match (message, told) {
                (Message::Have { index }, _) if hears => {
                    told = Some(*index);
                    let mut says = vec![Do::Say(Message::Interested), asked(*index, 0)];
                    says.extend((!deaf).then(|| asked(*index, 16384)));
                    says
                }
                (Message::Choke, Some(index)) if deaf => {
                    hears = false;
                    let again = |begin| later(20.0, asked(index, begin));
                    vec![asked(index, 16384), again(0), again(16384)]
                }
                _ => vec![],
            }
        }
    };
    let opening = || vec![Do::Say(Message::HaveNone)];
    assert_verdict(&faked(&text, opening(), leech(false)), Verdict::Pass);
    let deaf = faked(&text, opening(), leech(true));
    assert_verdict(&deaf, Verdict::Inconclusive);
}
