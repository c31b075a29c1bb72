//! Recordings of runs: joined, converted, compared, judged again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use btspec::outcome::{RunOutcome, Verdict};
use serde_json::Value;

mod command;

use command::{Ran, btspec, folder, output, run};

/// A must that a fault of the reference peer breaks.
const BROKEN: [&str; 2] = ["--fault", "seed-says-have-none"];

/// Plays, and writes the JSON report there.
fn record(path: &Path, args: &[&str]) -> RunOutcome {
    let report = format!("json={}", path.display());
    let ran = run(["run", "--report", &report].iter().chain(args));
    assert!([0, 1, 4].contains(&ran.code), "{ran:?}");
    read(path)
}

fn read(path: &Path) -> RunOutcome {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn on(command: &str, files: &[&PathBuf], args: &[&str]) -> Ran {
    let files = files.iter().map(|path| path.to_str().unwrap());
    let args = std::iter::once(command)
        .chain(files)
        .chain(args.iter().copied());
    output(btspec().args(args))
}

fn verdicts(run: &RunOutcome) -> BTreeMap<String, Verdict> {
    let cases = run.cases.iter();
    cases.map(|case| (case.id.clone(), case.verdict)).collect()
}

#[test]
fn shares_of_a_partition_join_to_the_whole_run() {
    let dir = folder("join");
    let whole = record(
        &dir.join("whole.json"),
        &["--filter", "suite(handshake) | rule()"],
    );
    let shares: Vec<PathBuf> = ["hash:1/3", "hash:2/3", "hash:3/3"]
        .iter()
        .enumerate()
        .map(|(index, share)| {
            let path = dir.join(format!("{index}.json"));
            let filter = "suite(handshake) | rule()";
            record(&path, &["--filter", filter, "--partition", share]);
            path
        })
        .collect();
    let joined = dir.join("joined.json");
    let files: Vec<&PathBuf> = shares.iter().collect();
    let report = format!("json={}", joined.display());
    let ran = on("report", &files, &["--report", &report]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let joined = read(&joined);
    assert_eq!(verdicts(&joined), verdicts(&whole));
    assert_eq!(joined.summary, whole.summary);
    assert_eq!(joined.duration_ms, whole.duration_ms);
    let counts = |run: &RunOutcome| -> Vec<_> {
        let rules = run.cases.iter().filter(|case| case.is_rule());
        rules
            .map(|rule| (rule.id.clone(), rule.observations.clone()))
            .collect()
    };
    assert_eq!(counts(&joined), counts(&whole));
    assert!(
        ran.out
            .ends_with(&format!("{}\n", whole.summary.line(&whole.cases)))
    );
}

#[test]
fn of_a_case_in_two_recordings_the_last_stands_with_a_warning() {
    let dir = folder("join-twice");
    let (bad, good) = (dir.join("bad.json"), dir.join("good.json"));
    let args = ["--filter", "id(fast_ext/seed-has-all:seed)"];
    record(&bad, &[&args[..], &BROKEN].concat());
    record(&good, &args);
    let ran = on("report", &[&bad, &good], &["--format", "json"]);
    let run: RunOutcome = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(verdicts(&run)["fast_ext/seed-has-all:seed"], Verdict::Pass);
    assert!(ran.err.contains("fail before, pass in"), "{}", ran.err);
    let ran = on("report", &[&good, &bad], &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    // Known failures are held against all of them together.
    let known = dir.join("known.yaml");
    fs::write(
        &known,
        "- case: fast_ext/seed-has-all:seed\n  verdict: fail\n  reason: known\n",
    )
    .unwrap();
    let known = known.to_str().unwrap();
    let ran = on("report", &[&good, &bad], &["--expectations", known]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(on("report", &[&good], &["--expectations", known]).code, 1);
}

#[test]
fn compare_tells_new_fails_fixed_lost_and_new() {
    let dir = folder("compare");
    let (bad, good, more) = (
        dir.join("bad.json"),
        dir.join("good.json"),
        dir.join("more.json"),
    );
    let args = ["--filter", "id(fast_ext/seed-has-all:seed)"];
    record(&bad, &[&args[..], &BROKEN].concat());
    record(&good, &args);
    record(
        &more,
        &[
            "--filter",
            "id(fast_ext/seed-has-all:seed) | suite(handshake)",
        ],
    );
    let same = on("compare", &[&good, &good], &[]);
    assert_eq!(same.code, 0, "{same:?}");
    assert!(same.out.starts_with("0 new fails, 0 lost"), "{}", same.out);
    let worse = on("compare", &[&good, &bad], &[]);
    assert_eq!(worse.code, 1);
    assert!(
        worse
            .out
            .starts_with("new fail    fast_ext/seed-has-all:seed: pass → fail")
    );
    let better = on("compare", &[&bad, &good], &[]);
    assert_eq!(better.code, 0, "{better:?}");
    assert!(
        better
            .out
            .contains("fixed       fast_ext/seed-has-all:seed: fail → pass")
    );
    assert_eq!(on("compare", &[&good, &more], &[]).code, 0);
    let lost = on("compare", &[&more, &good], &["--format", "json"]);
    assert_eq!(lost.code, 1);
    let lost: Value = serde_json::from_str(&lost.out).unwrap();
    assert_eq!(lost["schema"], "btspec.compare/1");
    let found = lost["lost"].as_array().unwrap();
    assert!(found.len() > 3 && found.iter().all(|it| it["after"].is_null()));
}

#[test]
fn what_is_no_report_is_usage_with_a_place() {
    let dir = folder("no-report");
    let good = dir.join("good.json");
    record(&good, &["--filter", "id(handshake/answered:seed)"]);
    let text = fs::read_to_string(&good).unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let twice = {
        let mut report: Value = serde_json::from_str(&text).unwrap();
        let case = report["cases"][0].clone();
        report["cases"].as_array_mut().unwrap().push(case);
        report.to_string()
    };
    for (path, words) in [
        (file("cut.json", &text[..text.len() / 2]), "line "),
        (file("empty.json", ""), "line 1 column 0"),
        (
            file(
                "version.json",
                &text.replacen("btspec.report/1", "x\\u001b[2J", 1),
            ),
            "schema",
        ),
        (file("twice.json", &twice), "is in it twice"),
        (
            file("verdict.json", &text.replacen("\"pass\"", "\"fine\"", 1)),
            "line ",
        ),
        (dir.join("missing.json"), "missing.json"),
    ] {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        for command in ["report", "replay"] {
            on(command, &[&path], &[]).stops(2, &[&name, words]);
        }
        let ran = on("compare", &[&good, &path], &[]);
        ran.stops(2, &[&name, words]);
        assert!(!ran.err.contains('\u{1b}'));
    }
}

/// The rules say of a recording what they said while it was made.
#[track_caller]
fn replays_to_the_same(path: &PathBuf, recorded: &RunOutcome) {
    let ran = on("replay", &[path], &["--format", "json"]);
    let again: RunOutcome = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    assert!(again.cases.len() > 60, "{}", again.cases.len());
    for row in &again.cases {
        let before = recorded
            .cases
            .iter()
            .find(|case| case.id == row.id)
            .unwrap();
        if ["rule/block-bytes", "rule/metadata-bytes"].contains(&row.id.as_str()) {
            assert_eq!(row.verdict, Verdict::Skip);
            assert!(row.reason.as_deref().unwrap().starts_with("not judged: "));
        } else {
            assert_eq!(
                row.verdict, before.verdict,
                "{row:#?}\n{before:#?}\n{}",
                ran.err
            );
        }
    }
}

#[test]
fn a_recording_is_judged_as_it_was_played() {
    let dir = folder("replay");
    let path = dir.join("run.json");
    let recorded = record(&path, &[]);
    replays_to_the_same(&path, &recorded);
    let ran = on("replay", &[&path], &[]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(
        ran.err.contains("connections judged to their end"),
        "{}",
        ran.err
    );
}

/// One defect of each kind that a rule sees: the replay sees it too.
#[test]
fn a_broken_rule_is_broken_in_the_recording() {
    let dir = folder("replay-broken");
    let mut seen = 0;
    for fault in [
        "answers-twice-with-fast",
        "suggests-out-of-range",
        "unsorted-extended-handshake",
        "seed-says-have-none",
    ] {
        let path = dir.join(format!("{fault}.json"));
        let report = format!("json={}", path.display());
        let ran = run(["run", "--fault", fault, "--report", &report]);
        assert!([0, 1].contains(&ran.code), "{fault}: {ran:?}");
        let recorded = read(&path);
        replays_to_the_same(&path, &recorded);
        let broken = |case: &&btspec::outcome::CaseOutcome| case.is_rule() && case.unfavourable();
        seen += recorded.cases.iter().filter(broken).count();
    }
    assert!(seen >= 3, "{seen} rules were broken");
}

#[test]
fn a_torrent_that_is_not_known_is_told() {
    let dir = folder("replay-torrent");
    let path = dir.join("run.json");
    record(&path, &["--filter", "id(handshake/answered:seed)"]);
    let other = fs::read_to_string(&path).unwrap();
    let hash = "3f4c2966377b19e14ccba448c7293207941ae651";
    assert!(
        other.contains(hash),
        "the fixture `main` has another info hash"
    );
    fs::write(&path, other.replace(hash, &"ab".repeat(20))).unwrap();
    let ran = on("replay", &[&path], &[]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("name it with --torrent"), "{}", ran.err);
}
