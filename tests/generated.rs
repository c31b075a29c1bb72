//! What is written from tables and committed is current.

use std::path::{Path, PathBuf};

use btspec::audit::{self, Audit};
use btspec::requirement::{catalogue, coverage};
use btspec::scenario::{embedded, schema};
use serde_json::Value;

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

/// Checks values against the part of JSON Schema that ours uses.
struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let rules = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => return Err(format!("{at}: not allowed here")),
            Value::Object(rules) => rules,
            other => panic!("no schema: {other}"),
        };
        for (keyword, rule) in rules {
            self.keyword(keyword, rule, rules, value, at)?;
        }
        Ok(())
    }

    fn keyword(
        &self,
        keyword: &str,
        rule: &Value,
        rules: &serde_json::Map<String, Value>,
        value: &Value,
        at: &str,
    ) -> Result<(), String> {
        let fail = |what: &str| Err(format!("{at}: {what}: {value}"));
        let list = || rule.as_array().unwrap();
        match keyword {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                let target = self.root.pointer(pointer).expect("a definition");
                self.check(target, value, at)?;
            }
            "const" if rule != value => return fail("another constant"),
            "enum" if !list().contains(value) => return fail("not in the list"),
            "const" | "enum" => {}
            "type" => {
                let is = |name: &Value| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => panic!("type {other}"),
                };
                let fits = rule
                    .as_array()
                    .map_or_else(|| is(rule), |all| all.iter().any(is));
                if !fits {
                    return fail(&format!("not {rule}"));
                }
            }
            "pattern" => {
                if let Some(text) = value.as_str()
                    && !pattern(rule.as_str().unwrap(), text)
                {
                    return fail("does not fit");
                }
            }
            "minimum" => {
                if value.as_i64().is_some_and(|n| n < rule.as_i64().unwrap()) {
                    return fail("too small");
                }
            }
            "maximum" => {
                if value.as_u64().is_some_and(|n| n > rule.as_u64().unwrap()) {
                    return fail("too large");
                }
            }
            "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
                let len = match value {
                    Value::Array(list) => list.len(),
                    Value::Object(map) => map.len(),
                    _ => return Ok(()),
                } as u64;
                let bound = rule.as_u64().unwrap();
                let wrong = if keyword.starts_with("min") {
                    len < bound
                } else {
                    len > bound
                };
                if wrong {
                    return fail(keyword);
                }
            }
            "items" => {
                for (index, entry) in value.as_array().into_iter().flatten().enumerate() {
                    self.check(rule, entry, &format!("{at}[{index}]"))?;
                }
            }
            "properties" => {
                for (key, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        self.check(rule, value, &format!("{at}.{key}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = rules.get("properties").and_then(Value::as_object);
                for (key, value) in value.as_object().into_iter().flatten() {
                    if !known.is_some_and(|known| known.contains_key(key)) {
                        self.check(rule, value, &format!("{at}.{key}"))?;
                    }
                }
            }
            "propertyNames" => {
                for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                    self.check(rule, &Value::from(key.as_str()), &format!("{at}.{key}"))?;
                }
            }
            "required" => {
                for key in list() {
                    if value.is_object() && value.get(key.as_str().unwrap()).is_none() {
                        return fail(&format!("without {key}"));
                    }
                }
            }
            "dependentSchemas" => {
                for (key, rule) in rule.as_object().unwrap() {
                    if value.get(key).is_some() {
                        self.check(rule, value, at)?;
                    }
                }
            }
            "allOf" => {
                for rule in list() {
                    self.check(rule, value, at)?;
                }
            }
            "anyOf" => {
                let errors: Vec<String> = list()
                    .iter()
                    .map_while(|rule| self.check(rule, value, at).err())
                    .collect();
                if errors.len() == list().len() {
                    return Err(errors.join("; "));
                }
            }
            "oneOf" => {
                let fitting = list()
                    .iter()
                    .filter(|rule| self.check(rule, value, at).is_ok());
                if fitting.count() != 1 {
                    return fail("not exactly one of the alternatives");
                }
            }
            other => panic!("keyword {other}"),
        }
        Ok(())
    }
}

/// The patterns that the schema uses.
fn pattern(pattern: &str, text: &str) -> bool {
    match pattern {
        "^\\$" => text.starts_with('$'),
        "^[a-z0-9_-]+$" => {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
        }
        "^[0-9]+(ms|s|m)$" => {
            let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
            unit.len() < text.len() && ["ms", "s", "m"].contains(&unit)
        }
        verbs => {
            let verbs = verbs.trim_start_matches("^(").trim_end_matches(")( |$)");
            let word = text.split(' ').next().unwrap_or("");
            verbs.split('|').any(|verb| verb == word)
        }
    }
}
