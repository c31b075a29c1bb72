//! The file of observations: a list of flat mappings, unknown keys refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Entry, Key, Noted, Observations, Saw};
use crate::requirement::nearest;
use crate::scenario::error::{Phase, ScenarioError};
use crate::scenario::span::{SourceFile, Span};
use crate::scenario::yaml::{self, Node, Value};

/// Keys of an entry.
const KEYS: &[&str] = &["case", "role", "requirement", "saw", "varies"];

/// Roles of a target.
const ROLES: &[&str] = &["seed", "leech", "both"];

impl Observations {
    /// Reads `text`, the contents of `file`. The first thing wrong is the error.
    ///
    /// # Errors
    /// With its place.
    pub fn load(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let mut entries = BTreeMap::new();
        let blank = |line: &str| line.trim().is_empty() || line.trim().starts_with('#');
        let nodes = match text.lines().all(blank) {
            true => Vec::new(),
            false => {
                let root = yaml::read(&Arc::new(SourceFile::new(file, text)))?;
                match root.value {
                    Value::List(nodes) => nodes,
                    _ => return Err(wrong(&root.span, "observations are a list", "`- case: …`")),
                }
            }
        };
        for node in nodes {
            let span = node.span.clone();
            let (key, entry) = entry(node)?;
            let Key { id, role } = &key;
            let twice = format!("`{id}` as {role} stands here a second time");
            if entries.insert(key, entry).is_some() {
                return Err(wrong(&span, twice, "one entry for each case and role"));
            }
        }
        Ok(Self {
            file: file.to_owned(),
            entries,
        })
    }
}

fn entry(node: Node) -> Result<(Key, Entry), ScenarioError> {
    let at = node.span;
    let Value::Map(pairs) = node.value else {
        return Err(wrong(&at, "an entry is a mapping", "`case: …`"));
    };
    let [mut id, mut role, mut requirement, mut saw, mut varies] = [const { None }; 5];
    for (key, value) in pairs {
        let span = value.span.clone();
        let Value::Text(text) = value.value else {
            let message = format!("{} where text belongs", value.value.describe());
            return Err(wrong(&span, message, "text"));
        };
        let slot = match key.text.as_str() {
            "case" => &mut id,
            "role" if ROLES.contains(&text.as_str()) => &mut role,
            "role" => return Err(wrong(&span, "no such role", ROLES.join(", "))),
            "requirement" => &mut requirement,
            "saw" => &mut saw,
            "varies" if text.trim().is_empty() => {
                return Err(wrong(&span, "no reason", "why it is not always the same"));
            }
            "varies" => &mut varies,
            other => {
                let meant = nearest(other, KEYS.iter().copied())
                    .map_or_else(|| KEYS.join(", "), |key| format!("did you mean `{key}`?"));
                return Err(wrong(&key.span, format!("unknown key `{other}`"), meant));
            }
        };
        *slot = Some(text);
    }
    let missing = |key: &str| wrong(&at, format!("no `{key}` in this entry"), "");
    let what = match (saw, varies) {
        (Some(text), None) => Noted::Saw(Saw { requirement, text }),
        (None, Some(why)) => Noted::Varies(why),
        (None, None) => return Err(missing("saw")),
        (Some(_), Some(_)) => {
            return Err(wrong(&at, "it saw something, or varies", "one of the two"));
        }
    };
    let key = Key {
        id: id.ok_or_else(|| missing("case"))?,
        role: role.ok_or_else(|| missing("role"))?,
    };
    let line = at.line;
    Ok((key, Entry { line, what }))
}

fn wrong(span: &Span, message: impl Into<String>, expected: impl Into<String>) -> ScenarioError {
    let expected = expected.into();
    let mut error = ScenarioError::new(Phase::Validate, span, message);
    error.expected = (!expected.is_empty()).then_some(expected);
    error
}
