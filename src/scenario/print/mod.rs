//! Suites back into text that reads as the same suite: for finds of the fuzzer and for shrinking.
//!
//! `vars` stand where they were used and each use of a block becomes a block of its own; nothing
//! else is lost but comments. `emit` writes YAML, `step` says what, `expr` prints expressions.

mod bytes;
mod emit;
#[cfg(any(test, feature = "arbitrary"))]
mod essence;
mod expr;
mod names;
mod step;

use std::time::Duration;

#[cfg(any(test, feature = "arbitrary"))]
pub use self::essence::essence;

use self::emit::Yaml;
use self::names::Names;
use self::step::Printer;
use super::ast::{Case, Direction, Lane, Proof, Role, Suite, Timeouts};
use super::parse::LANES;
use super::play::name_in;

/// The suite as a scenario file.
pub fn print(suite: &Suite) -> String {
    let mut blocks = Vec::new();
    let cases: Vec<Yaml> = suite.cases.iter().map(|it| case(it, &mut blocks)).collect();
    let mut file = vec![
        ("spec".to_owned(), Yaml::raw("1")),
        ("suite".to_owned(), Yaml::text(&suite.id)),
        ("title".to_owned(), Yaml::text(&suite.title)),
    ];
    if !blocks.is_empty() {
        file.push(("blocks".to_owned(), Yaml::Map(blocks)));
    }
    file.push(("cases".to_owned(), Yaml::Steps(cases)));
    emit::document(&file)
}

fn case(case: &Case, blocks: &mut Vec<(String, Yaml)>) -> Yaml {
    let names = Names::default();
    let mut map = Entries::default();
    map.add("case", Yaml::text(&case.id));
    map.add("title", Yaml::text(&case.title));
    map.add(
        "cites",
        Yaml::texts(case.cites.iter().map(|cite| cite.id.as_str())),
    );
    let roles: Vec<String> = case.roles.iter().map(Role::to_string).collect();
    map.add("roles", Yaml::texts(roles.iter().map(String::as_str)));
    let directions: Vec<String> = case.directions.iter().map(Direction::to_string).collect();
    map.add(
        "direction",
        Yaml::texts(directions.iter().map(String::as_str)),
    );
    map.list("needs", case.needs.iter().map(|need| need.text.as_str()));
    map.list("tags", case.tags.iter().map(String::as_str));
    if case.lane != Lane::default() {
        map.add("lane", Yaml::text(name_in(&LANES, &case.lane)));
    }
    if !case.matrix.is_empty() {
        let axes = case.matrix.iter().map(|axis| {
            let values = axis
                .values
                .iter()
                .map(|value| (value.label.clone(), expr::scalar(&value.value, &names)));
            (axis.name.clone(), Yaml::Map(values.collect()))
        });
        map.add("matrix", Yaml::Map(axes.collect()));
    }
    if let Some(when) = &case.when {
        map.add("when", expr::scalar(when, &names));
    }
    let mut printer = Printer::new(blocks, names);
    if !case.given.is_empty() {
        let given = printer.steps(&case.given);
        map.add("given", given);
    }
    let steps = printer.steps(&case.steps);
    map.add("steps", steps);
    if !case.after.is_empty() {
        let after = printer.steps(&case.after);
        map.add("after", after);
    }
    map.timeouts(&case.timeouts);
    if case.settle {
        map.add("settle", Yaml::raw("true"));
    }
    if let Proof::None { because } = &case.proof {
        map.add("proof", Yaml::map([("none", Yaml::text(because))]));
    }
    if let Some(first) = case.rules_off.first() {
        let off = Yaml::texts(case.rules_off.iter().map(|off| off.rule.as_str()));
        let because = Yaml::text(&first.because);
        map.add("rules", Yaml::map([("off", off), ("because", because)]));
    }
    if !case.variants_skip.is_empty() {
        let skipped = case
            .variants_skip
            .iter()
            .map(|(variant, because)| (variant.to_string(), Yaml::text(because)));
        let skipped = Yaml::Map(skipped.collect());
        map.add("variants", Yaml::map([("skip", skipped)]));
    }
    map.list("aliases", case.aliases.iter().map(String::as_str));
    Yaml::Map(map.0)
}

/// Entries of a map in the making.
#[derive(Default)]
struct Entries(Vec<(String, Yaml)>);

impl Entries {
    fn add(&mut self, key: &str, value: Yaml) {
        self.0.push((key.to_owned(), value));
    }

    fn list<'a>(&mut self, key: &str, words: impl Iterator<Item = &'a str>) {
        let words: Vec<&str> = words.collect();
        if !words.is_empty() {
            self.add(key, Yaml::texts(words));
        }
    }

    fn timeouts(&mut self, timeouts: &Timeouts) {
        let Timeouts {
            answer,
            close,
            grant,
            case,
        } = timeouts;
        let all = [
            ("answer", answer),
            ("close", close),
            ("grant", grant),
            ("case", case),
        ];
        let given: Vec<(String, Yaml)> = all
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), duration((*value)?))))
            .collect();
        if !given.is_empty() {
            self.add("timeouts", Yaml::Map(given));
        }
    }
}

/// A length of time in the largest unit that fits.
fn duration(duration: Duration) -> Yaml {
    let millis = duration.as_millis();
    Yaml::Raw(if millis.is_multiple_of(1_000) {
        format!("{}s", duration.as_secs())
    } else {
        format!("{millis}ms")
    })
}
