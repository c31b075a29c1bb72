//! What is played, against which peer, in which way.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{BREAKS_MUST, BREAKS_SHOULD, MUST, SHOULD, file, ids, json, verdict};
use crate::command::run;

#[test]
fn the_reference_peer_passes_what_is_embedded() {
    let ran = run(["run"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let last = ran.out.lines().last().unwrap();
    assert!(
        last.contains(" 0 fail, 0 warn") && last.contains("requirements judged"),
        "{last}"
    );
    assert!(ran.out.contains("not tested at all: uTP, encryption"));
}

#[test]
fn the_seed_changes_the_bytes_and_no_verdict() {
    let with = |seed: &str| json(&["--filter", MUST, "--seed", seed]).1;
    let (one, two) = (with("1"), with("2"));
    assert_eq!((&one["seed"], &two["seed"]), (&1.into(), &2.into()));
    assert_eq!(
        verdict(&one, "fast_ext/seed-has-all:seed"),
        verdict(&two, "fast_ext/seed-has-all:seed")
    );
    assert_ne!(one["cases"][0]["transcript"], two["cases"][0]["transcript"]);
    run(["run", "--seed", "lucky"]).stops(2, &["`random`"]);
    assert_eq!(json(&["--filter", MUST, "--seed", "random"]).0, 0);
}

#[test]
fn filter_level_and_role_select() {
    let (_, all) = json(&["--filter", "suite(fast_ext)"]);
    let (_, musts) = json(&["--filter", "suite(fast_ext)", "--level", "must"]);
    let (_, seeds) = json(&["--filter", "suite(fast_ext)", "--role", "seed"]);
    assert!(ids(&musts).len() < ids(&all).len());
    assert!(
        musts["cases"]
            .as_array()
            .unwrap()
            .iter()
            .all(|case| case["level"] == "must")
    );
    assert!(ids(&seeds).len() < ids(&all).len());
    assert!(
        seeds["cases"]
            .as_array()
            .unwrap()
            .iter()
            .all(|case| case["role"] == "seed")
    );
    assert_eq!(seeds["target"]["role"], "seed");
}

#[test]
fn nothing_selected_and_everything_skipped_are_4() {
    assert_eq!(run(["run", "--filter", "id(no/such)"]).code, 4);
    let suite = file(
        "skips.yaml",
        "spec: 1\nsuite: skips\ntitle: Skipped\ncases:\n  - case: one\n    title: One\n    \
         cites: [B6-RJ-01]\n    roles: [seed]\n    needs: [\"torrent.pieces > 100000000\"]\n    \
         given: [{connect: {reserved: [fast, extended]}}, {alive: {}}]\n    steps:\n      \
         - send: {request: {index: 0, begin: 0, length: 1}}\n      \
         - expect: {reject_request: {index: 0}}\n      - survives: {stay: pass, close: warn}\n",
    );
    let ran = run(["run", &suite, "--filter", "suite(skips)"]);
    assert_eq!(ran.code, 4, "{ran:#?}");
    assert!(ran.out.contains("SKIP 1 × "), "{ran:#?}");
}

#[test]
fn strict_makes_a_warn_fail() {
    let args = ["run", "--filter", SHOULD, "--fault", BREAKS_SHOULD];
    let lenient = run(args);
    assert_eq!(lenient.code, 0, "{lenient:#?}");
    assert!(lenient.out.starts_with("WARN "), "{lenient:#?}");
    let strict = run(args.iter().chain(&["--strict"]));
    assert_eq!(strict.code, 1, "{strict:#?}");
    assert!(strict.out.contains("last messages"), "{strict:#?}");
}

#[test]
fn a_twin_is_another_sound_peer() {
    let id = "handshake/forty-eight-bytes:seed";
    let args = ["--filter", "id(handshake/forty-eight-bytes)"];
    let (_, usual) = json(&args);
    let twin = [&args[..], &["--twin", "waits-for-the-whole-handshake"]].concat();
    let (_, twin) = json(&twin);
    assert_eq!((verdict(&usual, id), verdict(&twin, id)), ("pass", "info"));
    run(["run", "--twin", "evil"]).stops(2, &["no twin `evil`", "fast-off"]);
    run(["run", "--twin", "plain", "--target", "127.0.0.1:1"]).stops(2, &["--twin", "self"]);
}

#[test]
fn shuffle_changes_the_order_and_nothing_else() {
    let cases = |args: &[&str]| {
        let args = [&["--filter", "suite(fast_ext)", "--role", "seed"], args].concat();
        let report = json(&args).1;
        ids(&report)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (plain, one) = (cases(&[]), cases(&["--shuffle", "--seed", "1"]));
    assert_ne!(plain, one);
    assert_ne!(cases(&["--shuffle", "--seed", "2"]), one);
    assert_eq!(cases(&["--shuffle", "--seed", "1"]), one);
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(plain), sorted(one));
}

#[test]
fn latency_shows_in_virtual_time_only() {
    let (code, near) = json(&["--filter", MUST]);
    let (far_code, far) = json(&["--filter", MUST, "--latency", "400ms"]);
    assert_eq!((code, far_code), (0, 0));
    let spent = |report: &Value| report["duration_ms"].as_f64().unwrap();
    assert!(
        spent(&far) >= spent(&near) + 800.0,
        "{} {}",
        spent(&near),
        spent(&far)
    );
    run(["run", "--latency", "400"]).stops(2, &["50ms"]);
    run(["run", "--latency", "1ms", "--target", "127.0.0.1:1"]).stops(2, &["--latency", "self"]);
    run(["run", "--fault", BREAKS_MUST, "--target", "127.0.0.1:1"]).stops(2, &["--fault", "self"]);
}

#[test]
fn a_shared_target_remembers() {
    let two = "id(transfer/several-requests) | id(transfer/answers-in-reverse)";
    let args = ["--role", "leech", "--filter", two];
    let begins_with_pieces = |report: &Value| {
        let cases = report["cases"].as_array().unwrap();
        let of_leeches = cases.iter().filter(|case| case["suite"] != "rule");
        of_leeches
            .filter(|case| {
                let mut entries = case["transcript"].as_array().unwrap().iter();
                let shown = entries.find(|entry| {
                    entry["dir"] == "received"
                        && (entry["kind"] == "have_none" || entry["kind"] == "bitfield")
                });
                shown.is_some_and(|entry| entry["kind"] == "bitfield")
            })
            .count()
    };
    let (_, fresh) = json(&args);
    let (_, shared) = json(&[&args[..], &["--shared-target"]].concat());
    // What the first one gave it, it has when the second one comes.
    assert_eq!(
        (begins_with_pieces(&fresh), begins_with_pieces(&shared)),
        (0, 1)
    );
    run(["run", "--shared-target"]).stops(2, &["--role"]);
}

#[test]
fn variants_are_played_beside_the_plain_case() {
    let (_, report) = json(&[
        "--filter",
        "id(handshake/*:seed) | id(handshake/*:seed@*)",
        "--variant",
        "drip",
        "--role",
        "seed",
    ]);
    let ids = ids(&report);
    assert!(ids.iter().any(|id| id.ends_with("@drip")));
    assert!(ids.iter().any(|id| !id.contains('@')));
    run(["run", "--variant", "shaken"]).stops(2, &["drip, split-length, keepalives, unknown-ids"]);
}

#[test]
fn time_scale_stretches_deadlines() {
    let spent = |scale: &str| {
        let (code, report) = json(&[
            "--filter",
            MUST,
            "--fault",
            BREAKS_MUST,
            "--time-scale",
            scale,
        ]);
        assert_eq!(code, 1);
        report["cases"][0]["duration_ms"].as_f64().unwrap()
    };
    assert!(spent("3") > spent("1"));
    run(["run", "--time-scale", "0.5"]).stops(2, &["never shortened"]);
}

#[test]
fn partitions_are_disjoint_and_together_everything() {
    let args = ["--filter", "suite(handshake)"];
    let cases = |args: &[&str]| -> BTreeSet<String> {
        let report = json(args).1;
        let ids = ids(&report)
            .into_iter()
            .filter(|id| !id.starts_with("rule/"));
        ids.map(str::to_owned).collect()
    };
    let all = cases(&args);
    let mut together = BTreeSet::new();
    for share in ["hash:1/3", "hash:2/3", "hash:3/3"] {
        let part = cases(&[&args[..], &["--partition", share]].concat());
        assert!(!part.is_empty() && part.len() < all.len(), "{share}");
        assert!(together.is_disjoint(&part), "{share}");
        together.extend(part);
    }
    assert_eq!(together, all);
    run(["run", "--partition", "hash:4/3"]).stops(2, &["hash:M/N"]);
}
