//! `btspec matrix`: recordings side by side.

use std::fs;
use std::path::{Path, PathBuf};

mod checker;
mod command;

use checker::Checker;
use command::{Ran, btspec, folder, output, run};
use serde_json::Value;

/// A recording as if the target were a client of that name.
fn record(dir: &Path, name: &str, args: &[&str]) -> PathBuf {
    let path = dir.join(format!("{name}.json"));
    let report = format!("json={}", path.display());
    let filter = ["--filter", "suite(fast_ext) & !tag(slow)"];
    let ran = run(["run", "--report", &report]
        .iter()
        .chain(&filter)
        .chain(args));
    assert!([0, 1].contains(&ran.code), "{ran:?}");
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    value["target"]["spec"] = format!("client:{name}").into();
    fs::write(&path, value.to_string()).unwrap();
    path
}

fn matrix(files: &[&PathBuf], args: &[&str]) -> Ran {
    let files = files.iter().map(|path| path.to_str().unwrap());
    let words = std::iter::once("matrix")
        .chain(files)
        .chain(args.iter().copied());
    output(btspec().args(words))
}

const BROKEN: [&str; 2] = ["--fault", "ignores-choked-request"];

#[test]
fn what_differs_is_shown_and_everything_is_in_the_json() {
    let dir = folder("matrix");
    let sound = record(&dir, "sound", &[]);
    let broken = record(&dir, "broken", &BROKEN);
    let json = dir.join("matrix.json");
    let to = format!("json={}", json.display());
    let ran = matrix(&[&sound, &broken], &["--report", &to]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let differing = ran
        .out
        .lines()
        .find(|line| line.contains("fast_ext/reject-while-choked"));
    let words: Vec<&str> = differing.unwrap().split_whitespace().take(2).collect();
    assert_eq!(words, ["pass", "warn"]);
    assert!(!ran.out.contains("fast_ext/seed-has-all"), "{}", ran.out);

    let value: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(value["schema"], "btspec.matrix/1");
    let schema: Value = serde_json::from_str(&run(["schema", "matrix"]).out).unwrap();
    let checker = Checker { root: &schema };
    assert_eq!(checker.check(&schema, &value, ""), Ok(()));
    let mut other = value.clone();
    other["rows"][0]["cells"][0]["verdict"] = "perhaps".into();
    assert!(checker.check(&schema, &other, "").is_err());
    other["rows"][0]["cells"][0] = serde_json::json!({"verdict": "pass", "known": false});
    other["more"] = 1.into();
    assert!(checker.check(&schema, &other, "").is_err());
    assert_eq!(value["columns"][1]["name"], "broken");
    let rows = value["rows"].as_array().unwrap();
    let row = |id: &str| rows.iter().find(|row| row["id"] == id).unwrap();
    let cells = &row("fast_ext/reject-while-choked:seed")["cells"];
    assert_eq!(cells[0]["verdict"], "pass");
    assert_eq!(cells[1]["verdict"], "warn");
    assert_eq!(
        row("fast_ext/seed-has-all:seed")["cells"][1]["verdict"],
        "pass"
    );
}

#[test]
fn roles_of_one_target_share_a_column() {
    let dir = folder("matrix-roles");
    let seed = record(&dir, "one", &["--role", "seed"]);
    let seed = {
        let kept = dir.join("seed.json");
        fs::rename(seed, &kept).unwrap();
        kept
    };
    let leech = record(&dir, "one", &["--role", "leech"]);
    let ran = matrix(&[&seed, &leech], &["--format", "json"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["columns"].as_array().unwrap().len(), 1);
    let rows = value["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| !row["cells"][0].is_null()));
}

#[test]
fn what_is_held_back_is_not_told() {
    let dir = folder("matrix-held-back");
    let broken = record(&dir, "broken", &BROKEN);
    let known = dir.join("known.yaml");
    let entry =
        "- {case: fast_ext/reject-while-choked, verdict: warn, reason: \"B6-RJ-01, held back\"}\n";
    fs::write(&known, entry).unwrap();
    let expectations = format!("broken={}", known.display());
    let ran = matrix(
        &[&broken],
        &["--format", "json", "--expectations", &expectations],
    );
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    let rows = value["rows"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["id"] == "fast_ext/reject-while-choked:seed");
    let cell = &row.unwrap()["cells"][0];
    assert_eq!(cell["known"], true);
    assert!(
        cell["verdict"].is_null() && cell["reason"].is_null(),
        "{cell}"
    );
}

#[test]
fn what_is_wrong_is_usage() {
    run(["matrix"]).stops(2, &["nothing to compare"]);
    run(["matrix", "Cargo.toml"]).stops(2, &["Cargo.toml"]);
    run(["matrix", "--client", "no-such-client"]).stops(2, &["no-such-client"]);
    let dir = folder("matrix-usage");
    let one = record(&dir, "one", &[]);
    matrix(&[&one], &["--expectations", "two=Cargo.toml"]).stops(2, &["two", "one"]);
    matrix(&[&one], &["--report", "pdf=x"]).stops(2, &["unknown format", "text, json, html"]);
}
