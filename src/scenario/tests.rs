//! From files to plays, templates and matches.

use std::path::PathBuf;

use super::*;

fn data(name: &str) -> PathBuf {
    let root = env!("CARGO_MANIFEST_DIR");
    PathBuf::from(format!("{root}/tests/data/scenarios/{name}"))
}

#[track_caller]
fn load_one(name: &str) -> ast::Suite {
    match load(&[data(name)]) {
        Ok(mut suites) => suites.pop().unwrap(),
        Err(errors) => panic!(
            "{}",
            errors
                .iter()
                .map(ScenarioError::render)
                .collect::<Vec<_>>()
                .join("\n")
        ),
    }
}

#[test]
fn examples_are_read() {
    let suite = load_one("examples.yaml");
    assert_eq!(suite.cases.len(), 5);
}
