//! Scenario files.

use super::{Reach, text};
use crate::scenario::ast::{Direction, Role, Suite};
use crate::scenario::error::Phase;
use crate::scenario::lint::lint;
use crate::scenario::print::essence;
use crate::scenario::{Choice, ScenarioError, actions, expand, modifiers, parse_text, print};
use crate::wire::Kind;

/// A scenario file: an error has a place in it; what parses is printed as a file that parses to the
/// same, and that is printed as it stands.
pub fn scenario(input: &[u8]) -> Reach {
    // Files that are not UTF-8 are refused where they are read, before they get here.
    let Ok(text) = std::str::from_utf8(input) else {
        return Reach::from(["not UTF-8"]);
    };
    match parse_text(FILE, text) {
        Ok(suite) => sound(&suite),
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            for error in &errors {
                has_a_place(error, FILE, text);
            }
            errors.iter().map(|error| phase(error.phase)).collect()
        }
    }
}

pub(super) fn reachable() -> Vec<&'static str> {
    let mut all = vec!["not UTF-8", "not YAML", "no scenario", "lint"];
    all.extend(actions());
    all.extend(modifiers());
    // What is inside `extended` is never named by that name alone.
    all.extend(Kind::names());
    all.sort_unstable();
    all.dedup();
    all
}

/// Asserts that an error tells where in the file it is, and can be shown.
pub(super) fn has_a_place(error: &ScenarioError, file: &str, text: &str) {
    let Some(span) = &error.span else {
        panic!("no place: {error}");
    };
    let lines = u32::try_from(text.split('\n').count()).unwrap_or(u32::MAX);
    assert!((1..=lines).contains(&span.line), "{error} of {lines} lines");
    let columns = span.source_line().chars().count() + 1;
    assert!(span.col >= 1 && span.len >= 1, "{error}");
    assert!(span.col as usize <= columns, "{error} behind its line");
    let place = format!("{file}:{}:{}", span.line, span.col);
    let shown = error.render();
    assert!(shown.contains(&place), "{shown}");
    text::is_plain(&shown);
    assert!(!error.message.is_empty());
}

const FILE: &str = "fuzz.yaml";

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Parse => "not YAML",
        Phase::Validate => "no scenario",
        Phase::Read | Phase::Run => "a phase that parsing does not know",
    }
}

fn sound(suite: &Suite) -> Reach {
    let text = printed(suite);
    let again = parse_text("printed.yaml", &text).unwrap_or_else(|errors| {
        let errors: Vec<_> = errors.iter().map(ScenarioError::render).collect();
        panic!("{}\nin what was printed:\n{text}", errors.join("\n"))
    });
    assert_eq!(essence(&again), essence(suite), "{text}");
    assert_eq!(print(&again), text, "printed otherwise the second time");
    let everything = Choice {
        roles: vec![Role::Seed, Role::Leech],
        directions: vec![Direction::Dialled, Direction::Dials],
        variants: Vec::new(),
    };
    if let Ok(plays) = expand(suite, &everything) {
        let ids: std::collections::BTreeSet<_> =
            plays.iter().map(|play| play.id.to_string()).collect();
        assert_eq!(ids.len(), plays.len(), "two plays with one id");
    }
    let mut reached = words(&text);
    for finding in lint(suite) {
        text::is_plain(&finding.render());
        reached.insert("lint");
    }
    reached
}

/// Names of the format in what was printed.
fn words(text: &str) -> Reach {
    let part = |c: char| !c.is_ascii_lowercase() && c != '_';
    let words: std::collections::BTreeSet<_> = text.split(part).collect();
    let names = reachable();
    names
        .into_iter()
        .filter(|name| words.contains(name))
        .collect()
}

fn printed(suite: &Suite) -> String {
    let text = print(suite);
    #[cfg(fuzz_selftest)]
    if suite.title.contains("  ") {
        return text.replace("  ", " ");
    }
    text
}
