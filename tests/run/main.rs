//! `btspec run` from outside: what each flag changes, and every exit code.

#[path = "../command/mod.rs"]
mod command;

mod choice;
mod inputs;
mod known;
mod live;
mod output;

use std::fs;
use std::path::Path;

use command::{folder, run};
use serde_json::Value;

/// A must that a fault of the reference peer breaks.
pub(crate) const MUST: &str = "id(fast_ext/seed-has-all:seed)";

pub(crate) const BREAKS_MUST: &str = "seed-says-have-none";

/// A should, and a fault that breaks it in an untidy manner.
pub(crate) const SHOULD: &str = "id(fast_ext/reject-while-choked:seed)";

pub(crate) const BREAKS_SHOULD: &str = "closes-on-choked-request";

/// Runs with the report as JSON on standard output.
pub(crate) fn json(args: &[&str]) -> (i32, Value) {
    let ran = run(["run", "--format", "json"].iter().chain(args));
    let value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
    (ran.code, value)
}

pub(crate) fn ids(report: &Value) -> Vec<&str> {
    let cases = report["cases"].as_array().unwrap();
    cases
        .iter()
        .map(|case| case["id"].as_str().unwrap())
        .collect()
}

#[track_caller]
pub(crate) fn verdict<'a>(report: &'a Value, id: &str) -> &'a str {
    let cases = report["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["id"] == id);
    case.unwrap_or_else(|| panic!("no {id}"))["verdict"]
        .as_str()
        .unwrap()
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A file with this text in a folder of its own.
pub(crate) fn file(name: &str, text_of_it: &str) -> String {
    let path = folder(name).join(name);
    fs::write(&path, text_of_it).unwrap();
    text(&path)
}

/// A flag without a test that shows its effect does not go in.
#[test]
fn every_flag_of_run_is_in_a_test() {
    let help = run(["run", "--help"]).out;
    let tests = concat!(
        include_str!("choice.rs"),
        include_str!("inputs.rs"),
        include_str!("known.rs"),
        include_str!("live.rs"),
        include_str!("output.rs"),
        include_str!("../lock.rs")
    );
    let untested = help
        .split_whitespace()
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(|word| word.trim_end_matches(|c: char| !c.is_ascii_lowercase()))
        .filter(|flag| !["--help"].contains(flag))
        .filter(|flag| !tests.contains(&format!("\"{flag}\"")))
        .collect::<Vec<_>>();
    assert!(untested.is_empty(), "{untested:?}");
}
