//! What a run is given: torrents, data, scenario files.

use std::fs;

use super::{MUST, file, json, text};
use crate::command::{folder, run};

#[test]
fn torrent_and_data_replace_the_fixture() {
    let dir = folder("own-torrent");
    assert_eq!(run(["fixture", "--out", &text(&dir)]).code, 0);
    let torrent = text(&dir.join("one-piece.torrent"));
    let data = text(&dir.join("data/btspec-one-piece.bin"));
    let hash = |args: &[&str]| {
        let (code, report) = json(args);
        assert_eq!(code, 0);
        let log = report["cases"][0]["transcript"].as_array().unwrap().clone();
        let shake = log
            .iter()
            .find(|entry| entry["kind"] == "handshake")
            .unwrap();
        shake["fields"]["info_hash"].as_str().unwrap().to_owned()
    };
    let usual = hash(&["--filter", MUST]);
    let own = hash(&["--filter", MUST, "--torrent", &torrent, "--data", &data]);
    assert_ne!(usual, own);
    let wrong = text(&dir.join("main.torrent"));
    run(["run", "--torrent", &wrong, "--data", &data]).stops(2, &["does not fit"]);
    run(["run", "--torrent", &wrong, "--data", "no/such"]).stops(2, &["no/such"]);
    run(["run", "--torrent", "no/such.torrent"]).stops(2, &["no/such.torrent"]);
    run(["run", "--data", &data]).stops(2, &["--torrent"]);
}

#[test]
fn what_cannot_be_read_is_usage_with_a_place() {
    let bad = |name: &str, text_of_it: &str| run(["run".to_owned(), file(name, text_of_it)]);
    run(["run", "no/such/file.yaml"]).stops(2, &["no/such/file.yaml"]);
    let empty = folder("no-scenarios");
    run(["run", &text(&empty)]).stops(2, &["no-scenarios"]);
    let good = "spec: 1\nsuite: s\ntitle: T\ncases:\n  - case: a\n    title: A\n    cites: [B6-RJ-01]\n    roles: [seed]\n    \
        steps:\n      - connect: {reserved: [fast]}\n      - send: STEP\n      - alive: {}\n";
    let step = |step: &str| good.replace("STEP", step);
    for (name, text_of_it, line, words) in [
        (
            "wrong-key.yaml",
            step("choke").replace("title: T", "titel: T"),
            3,
            "did you mean `title`?",
        ),
        (
            "wrong-type.yaml",
            step("choke").replace("roles: [seed]", "roles: 7"),
            8,
            "",
        ),
        (
            "two-actions.yaml",
            step("choke, expect: unchoke").replace("- send: choke, ", "- send: choke\n        "),
            12,
            "expect",
        ),
        (
            "message.yaml",
            step("rejct_request"),
            11,
            "did you mean `reject_request`?",
        ),
        (
            "field.yaml",
            step("{have: {indx: 0}}"),
            11,
            "did you mean `index`?",
        ),
        (
            "requirement.yaml",
            good.replace("B6-RJ-01", "B6-RJ-99")
                .replace("STEP", "choke"),
            7,
            "B6-RJ-99",
        ),
        (
            "variable.yaml",
            step("{have: {index: $nothing}}"),
            11,
            "nothing",
        ),
        (
            "duplicate.yaml",
            step("choke") + &step("choke")[step("choke").find("  - case").unwrap()..],
            13,
            "",
        ),
        (
            "tabs.yaml",
            step("choke").replace("    title: A", "\ttitle: A"),
            6,
            "tabs",
        ),
        ("truncated.yaml", step("{have: {index"), 0, ""),
        ("binary.yaml", "\u{0}\u{1}".to_owned(), 1, ""),
        ("empty.yaml", String::new(), 1, ""),
        (
            "deep.yaml",
            step(&("[".repeat(100) + &"]".repeat(100))),
            11,
            "",
        ),
        (
            "bomb.yaml",
            format!(
                "a: &a [x,x]\nb: &b [{0}]\nc: &c [{0}]\n",
                ["*a"; 9].join(",")
            ),
            1,
            "",
        ),
    ] {
        let ran = bad(name, &text_of_it);
        let place = if line == 0 {
            format!("{name}:")
        } else {
            format!("{name}:{line}:")
        };
        ran.stops(2, &[&place, words, "|"]);
    }
}

#[test]
fn a_huge_file_is_refused_at_once() {
    let path = folder("huge").join("huge.yaml");
    let huge = fs::File::create(&path).unwrap();
    huge.set_len(100 * 1024 * 1024).unwrap();
    run(["run", &text(&path)]).stops(2, &["huge.yaml"]);
}
