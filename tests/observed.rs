//! `btspec run --observations`: what `info` rows saw otherwise is a warn.

use std::fs;

mod command;

use command::{folder, run};
use serde_json::Value;

const ONE: &str = "id(handshake/same-peer-id-twice:*)";
const BOTH: &str =
    "id(handshake/same-peer-id-twice:*) | id(superseed/when-all-connections-are-taken:*)";
/// Closes the second connection: the case passes, and is `info` of the reference peer.
const OTHER: [&str; 2] = ["--twin", "closes-on-anything-odd"];

#[test]
fn what_is_observed_otherwise_is_a_warn() {
    let dir = folder("observed");
    let file = dir.join("x.observed.yaml");
    let path = file.to_str().unwrap();
    let play = |rest: &[&str]| {
        let args = ["run", "--observations", path, "--filter"];
        run(args.iter().chain(rest))
    };
    play(&[BOTH]).stops(2, &["x.observed.yaml", "--update-observations writes it"]);
    let written = play(&[BOTH, "--update-observations"]);
    assert_eq!(written.code, 0, "{written:#?}");
    assert!(!written.out.contains("observations:"), "{written:#?}");
    let text = fs::read_to_string(&file).unwrap();
    let entry = "- case: \"handshake/same-peer-id-twice:leech\"\n  role: leech\n  \
                 requirement: B3-HS-18\n  saw: \"nothing of it came (the second was kept)\"\n";
    assert!(text.contains(entry), "{text}");
    let left: Vec<_> = fs::read_dir(&dir).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");

    // The same, and its parts: one role, fewer cases, each share.
    for rest in [
        &[BOTH][..],
        &[BOTH, "--role", "leech"],
        &[ONE],
        &[BOTH, "--partition", "hash:1/2"],
        &[BOTH, "--partition", "hash:2/2"],
    ] {
        let ran = play(&[rest, &["--strict"]].concat());
        assert!([0, 4].contains(&ran.code), "{ran:#?}");
    }

    // Gone: a warn, in every format.
    let json = dir.join("run.json");
    let junit = dir.join("run.xml");
    let reports = [("json", &json), ("junit", &junit)];
    let reports = reports.map(|(format, path)| format!("{format}={}", path.display()));
    let mut args = vec![BOTH, "--report", &reports[0], "--report", &reports[1]];
    args.extend(OTHER);
    let gone = play(&args);
    assert_eq!(gone.code, 0, "{gone:#?}");
    let line = format!(
        "observations: {path}:7: `handshake/same-peer-id-twice:seed` is pass now, and saw \
         `B3-HS-18: nothing of it came (the second was kept)` before"
    );
    assert!(gone.out.contains(&line), "{gone:#?}");
    let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let complaint = &report["complaints"][0];
    assert_eq!(complaint["about"], "observations");
    assert_eq!(complaint["verdict"], "warn");
    let xml = fs::read_to_string(&junit).unwrap();
    assert!(
        xml.contains("name=\"observations: ") && !xml.contains("<failure"),
        "{xml}"
    );
    args.push("--strict");
    assert_eq!(play(&args).code, 1);

    // A recording keeps it.
    let strict = ["report", json.to_str().unwrap(), "--strict"];
    let report = run(strict);
    assert!(
        report.code == 1 && report.out.contains(&line),
        "{report:#?}"
    );

    // Changed, and new.
    let first = "B3-HS-18\n  saw: \"nothing";
    fs::write(&file, text.replacen(first, "B3-HS-18\n  saw: \"a piece", 1)).unwrap();
    let changed = play(&[ONE]).out;
    let saw = "saw `B3-HS-18: nothing of it came (the second was kept)`, and `B3-HS-18: a piece of";
    assert!(changed.contains(saw), "{changed}");
    fs::write(&file, "").unwrap();
    let new = play(&[ONE]).out;
    assert!(new.contains("which is not in the file"), "{new}");

    // What only one of two runs saw is said to vary.
    let varies = "- {case: \"handshake/same-peer-id-twice:seed\", role: seed, varies: a race}\n";
    fs::write(&file, varies).unwrap();
    let seed = [ONE, "--role", "seed", "--strict"];
    assert_eq!(play(&seed).code, 0);
    assert_eq!(play(&[&seed[..], &OTHER].concat()).code, 0);
    assert_eq!(play(&[BOTH, "--update-observations"]).code, 0);
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("varies: \"a race\"")
    );
    assert_eq!(play(&[BOTH, "--strict"]).code, 0);
}

/// What is committed of clients is about cases and rules that there are, in a role that they have.
#[test]
fn what_is_committed_is_of_cases_that_there_are() {
    let listed = run(["list"]).out;
    let ids: Vec<&str> = listed.split_whitespace().collect();
    for client in ["aria2", "libtorrent", "transmission"] {
        let path = format!("clients/{client}.observed.yaml");
        let file: Vec<Value> = serde_yaml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(!file.is_empty(), "{path}");
        for entry in file {
            let id = entry["case"].as_str().unwrap();
            let case = id.split(['[', ':']).next().unwrap();
            assert!(ids.contains(&case), "{path}: there is no {id}");
            let role = entry["role"].as_str().unwrap();
            assert!(["seed", "leech"].contains(&role), "{path}: {id}");
            let told = id.starts_with("rule/") || id.contains(&format!(":{role}"));
            assert!(told, "{path}: {id} as {role}");
        }
        let ran = run([
            "run",
            "--observations",
            &path,
            "--filter",
            "id(handshake/answered:seed)",
        ]);
        assert_eq!(ran.code, 0, "{ran:#?}");
    }
}

#[test]
fn a_file_that_is_none_is_usage_with_a_place() {
    let file = folder("no-observed").join("x.observed.yaml");
    let path = file.to_str().unwrap();
    fs::write(&file, "- case: handshake/answered:seed\n  rol: seed\n").unwrap();
    run(["run", "--observations", path]).stops(2, &["x.observed.yaml:2:", "did you mean `role`?"]);
    fs::write(&file, "#".repeat(5 << 20)).unwrap();
    run(["run", "--observations", path]).stops(2, &["x.observed.yaml is longer than"]);
    run(["run", "--update-observations"]).stops(2, &["--observations"]);
}

/// A target that is gone observes nothing: the file stays as it is.
#[test]
fn a_run_that_ended_early_writes_nothing() {
    let file = folder("early-observed").join("x.observed.yaml");
    let path = file.to_str().unwrap();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let text = "- {case: \"handshake/same-peer-id-twice:seed\", role: seed, saw: x}\n";
    fs::write(&file, text).unwrap();
    let args = ["run", "--target", &port, "--role", "seed", "--filter", ONE];
    let ran = run(args
        .iter()
        .chain(&["--observations", path, "--update-observations"]));
    ran.stops(3, &["stays as it is"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_recording_is_compared_and_written_from() {
    let dir = folder("observed-recording");
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (file, usual, other) = (path("x.observed.yaml"), path("a.json"), path("b.json"));
    let record = |to: &str, rest: &[&str]| {
        let report = format!("json={to}");
        let args = ["run", "--filter", BOTH, "--report", &report];
        assert_eq!(run(args.iter().chain(rest)).code, 0);
    };
    record(&usual, &[]);
    record(&other, &OTHER);
    let compare =
        |of: &str, rest: &[&str]| run(["report", of, "--observations", &file].iter().chain(rest));
    compare(&usual, &[]).stops(2, &["x.observed.yaml", "--update-observations writes it"]);
    assert_eq!(compare(&usual, &["--update-observations"]).code, 0);
    let same = compare(&usual, &["--strict"]);
    assert!(!same.out.contains("observations:"), "{same:#?}");
    let changed = compare(&other, &[]);
    assert_eq!(changed.code, 0, "{changed:#?}");
    assert!(changed.out.contains("observations:"), "{changed:#?}");
    assert_eq!(compare(&other, &["--strict"]).code, 1);
}
