//! What is written from tables and committed is current.

use std::path::{Path, PathBuf};

use btspec::audit::{self, Audit};
use btspec::requirement::{catalogue, coverage};
use btspec::scenario::{embedded, keys, schema};
use serde_json::Value;

mod checker;

use checker::Checker;

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref()).unwrap_or_default()
}

/// Compares a committed file with what it should be; `UPDATE_GENERATED=1` writes it.
#[track_caller]
fn current(path: &str, text: &str) {
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(path, text).unwrap();
    }
    assert!(
        read(path) == text,
        "{path} is stale: run `UPDATE_GENERATED=1 cargo test --test generated`"
    );
}

#[test]
fn the_schema_of_scenarios_is_current() {
    current("docs/scenario.schema.json", &schema());
}

/// Every key of the schema is on the page of reference, and those of mappings say what they are for.
#[test]
fn the_page_of_keys_is_current() {
    let page = keys::page();
    current("docs/scenario-keys.md", &page);
    let mut all = Vec::new();
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    properties(&schema, &mut all);
    assert!(all.len() > 100, "{}", all.len());
    for key in all {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
    let without: Vec<&str> = page.lines().filter(|line| line.ends_with("|  |")).collect();
    assert!(without.is_empty(), "no word on {without:#?}");
}

/// Names of all properties in a schema.
fn properties(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(rules) => {
            for (keyword, rule) in rules {
                match (keyword.as_str(), rule) {
                    ("dependentSchemas", _) => {}
                    ("properties", Value::Object(keys)) => {
                        found.extend(keys.keys().cloned());
                        keys.values().for_each(|value| properties(value, found));
                    }
                    _ => properties(rule, found),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|rule| properties(rule, found)),
        _ => {}
    }
}

#[test]
fn the_table_of_messages_is_current() {
    let path = "docs/scenarios.md";
    let text = read(path);
    let (start, end) = ("<!-- messages -->\n", "<!-- end of messages -->\n");
    let (before, rest) = text.split_once(start).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let table = schema::message_table();
    current(path, &format!("{before}{start}{table}{end}{after}"));
}

#[test]
fn the_coverage_table_of_the_readme_is_current() {
    let text = read("README.md");
    let (start, end) = ("<!-- coverage: begin -->\n", "<!-- coverage: end -->\n");
    let (before, rest) = text.split_once(start).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let cited = audit::cited(&Audit::embedded().unwrap());
    let rows = coverage::coverage(catalogue(), &cited, &audit::proved());
    let table = coverage::markdown(&rows);
    current("README.md", &format!("{before}{start}{table}{end}{after}"));
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    files
}

fn yaml(path: &Path) -> Result<Value, String> {
    serde_yaml::from_str(&read(path)).map_err(|error| error.to_string())
}

#[test]
fn scenarios_fit_their_schema() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    embedded().unwrap();
    for folder in ["scenarios", "tests/data/scenarios", "tests/data/lint"] {
        for path in files(folder) {
            let value = yaml(&path).unwrap();
            let checked = Checker { root: &schema }.check(&schema, &value, "");
            assert!(
                checked.is_ok(),
                "{}: {}",
                path.display(),
                checked.unwrap_err()
            );
        }
    }
}

/// An editor sees the mistakes that need no knowledge of names.
#[test]
fn the_schema_refuses_mistakes_of_form() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    for name in [
        "case_key",
        "field_type",
        "field_width",
        "file_key",
        "missing_cites",
        "missing_field",
        "misspelt_field",
        "modifier_in_message",
        "modifier_without_meaning",
        "no_action",
        "spec_2",
        "timeout_unit",
        "two_actions",
        "two_messages",
        "unknown_action",
        "unknown_lane",
        "unknown_matcher",
        "unknown_message",
        "unknown_modifier",
        "unknown_role",
        "unknown_verdict",
        "wait_because",
    ] {
        let path = PathBuf::from(format!("tests/data/invalid/{name}.yaml"));
        let value = yaml(&path).unwrap();
        let checked = Checker { root: &schema }.check(&schema, &value, "");
        assert!(checked.is_err(), "{name} fits the schema");
    }
}
