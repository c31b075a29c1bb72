//! Assignments, measures, needs and segments: rulings 20 to 22 and 24.

use crate::prelude::*;

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
            let fake = crate::support::fake::Fake::new(torrent, seed_opening(), Box::new(react));
            Box::new(fake)
        };
        let run = crate::support::run_against(&text, &make);
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
