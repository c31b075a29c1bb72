//! Reading maps and scalars of a file strictly: unknown keys, wrong types, closed lists of words.

use std::time::Duration;

use super::super::error::ScenarioError;
use super::super::span::Span;
use super::super::yaml::{Key, Node, Value};

type Result<T> = std::result::Result<T, ScenarioError>;

/// A map whose keys are all known.
pub(super) struct Fields<'a> {
    span: &'a Span,
    what: &'static str,
    entries: &'a [(Key, Node)],
}

impl<'a> Fields<'a> {
    /// `node` as a map with no other keys than `names`.
    pub(super) fn of(node: &'a Node, what: &'static str, names: &[&str]) -> Result<Self> {
        let entries = entries(node, what)?;
        for (key, _) in entries {
            if !names.contains(&key.text.as_str()) {
                return Err(unknown(&key.text, &key.span, "key", names)
                    .expected(format!("a key of {what}: {}", names.join(", "))));
            }
        }
        Ok(Self {
            span: &node.span,
            what,
            entries,
        })
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&'a Node> {
        self.entries
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, node)| node)
    }

    /// The value of a key that must be there.
    pub(super) fn require(&self, name: &str) -> Result<&'a Node> {
        self.get(name).ok_or_else(|| {
            ScenarioError::invalid(self.span, format!("{} without `{name}`", self.what))
                .expected(format!("`{name}: …`"))
        })
    }

    /// The place of a key.
    pub(super) fn key_span(&self, name: &str) -> &'a Span {
        self.entries
            .iter()
            .find(|(key, _)| key.text == name)
            .map_or(self.span, |(key, _)| &key.span)
    }

    /// Where the map stands.
    pub(super) fn span(&self) -> &'a Span {
        self.span
    }
}

/// The entries of a map.
pub(super) fn entries<'a>(node: &'a Node, what: &str) -> Result<&'a [(Key, Node)]> {
    match &node.value {
        Value::Map(entries) => Ok(entries),
        other => Err(wrong(node, "a map", other).help(format!("{what} is a map"))),
    }
}

/// The entries of a list.
pub(super) fn list<'a>(node: &'a Node, what: &str) -> Result<&'a [Node]> {
    match &node.value {
        Value::List(list) => Ok(list),
        other => Err(wrong(node, "a list", other).help(format!("{what} is a list"))),
    }
}

/// A list, or one entry as a list of one.
pub(super) fn one_or_more(node: &Node) -> Result<&[Node]> {
    match &node.value {
        Value::List(list) if list.is_empty() => {
            Err(ScenarioError::invalid(&node.span, "an empty list").expected("at least one entry"))
        }
        Value::List(list) => Ok(list),
        _ => Ok(std::slice::from_ref(node)),
    }
}

/// Text that is not empty. Numbers count as text where text is wanted.
pub(super) fn text(node: &Node) -> Result<&str> {
    match &node.value {
        Value::Text(text) if text.trim().is_empty() => {
            Err(ScenarioError::invalid(&node.span, "empty text").expected("text"))
        }
        Value::Text(text) => Ok(text),
        Value::Int(_, written) => Ok(written),
        other => Err(wrong(node, "text", other)),
    }
}

/// A list of words.
pub(super) fn words(node: &Node) -> Result<Vec<(&str, &Span)>> {
    one_or_more(node)?
        .iter()
        .map(|entry| Ok((text(entry)?, &entry.span)))
        .collect()
}

/// True or false.
pub(super) fn boolean(node: &Node) -> Result<bool> {
    match &node.value {
        Value::Bool(b) => Ok(*b),
        other => Err(wrong(node, "true or false", other)),
    }
}

/// One word of a closed list.
pub(super) fn word<T: Copy>(node: &Node, what: &str, words: &[(&'static str, T)]) -> Result<T> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let given = match &node.value {
        Value::Text(text) => text.as_str(),
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        other => {
            return Err(wrong(node, &format!("one of {}", names.join(", ")), other));
        }
    };
    words
        .iter()
        .find(|(name, _)| *name == given)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            unknown(given, &node.span, what, &names)
                .expected(format!("one of {}", names.join(", ")))
        })
}

/// An id: `[a-z0-9_-]`, not empty.
pub(super) fn id(node: &Node, what: &str) -> Result<String> {
    let text = text(node)?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if text.chars().all(fits) && text.len() <= ID_LEN {
        return Ok(text.to_owned());
    }
    Err(
        ScenarioError::invalid(&node.span, format!("`{text}` is no {what}")).expected(format!(
            "lower-case letters, digits, `_` and `-`, at most {ID_LEN}"
        )),
    )
}

/// The name of a variable.
pub(super) fn name(text: &str, span: &Span) -> Result<String> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(first) && text.chars().all(fits) && text.len() <= ID_LEN {
        return Ok(text.to_owned());
    }
    Err(
        ScenarioError::invalid(span, format!("`{text}` is no name of a variable"))
            .expected("letters, digits and `_`"),
    )
}

/// `500ms`, `3s`, `2m`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(at)?;
    let count: u64 = digits.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let longest = u64::try_from(super::super::limits::DELAY.as_millis()).ok()?;
    let millis = count.checked_mul(millis).filter(|all| *all <= longest)?;
    Some(Duration::from_millis(millis))
}

/// A length of time.
pub(super) fn fixed_duration(node: &Node) -> Result<Duration> {
    text(node)
        .ok()
        .and_then(duration)
        .ok_or_else(|| no_duration(node))
}

/// The error for a value that is no length of time.
pub(super) fn no_duration(node: &Node) -> ScenarioError {
    ScenarioError::invalid(&node.span, "no length of time")
        .expected("a number with its unit: 500ms, 3s, 2m; at most a day")
}

/// The error for a name that is not in a list.
pub(super) fn unknown(wrong: &str, span: &Span, what: &str, names: &[&str]) -> ScenarioError {
    ScenarioError::invalid(span, format!("unknown {what} `{}`", shown(wrong)))
        .nearest(wrong, names.iter().copied())
}

/// The error for a value of the wrong type.
pub(super) fn wrong(node: &Node, wanted: &str, got: &Value) -> ScenarioError {
    ScenarioError::invalid(
        &node.span,
        format!("expected {wanted}, got {}", got.describe()),
    )
}

/// The author's text in a message: short, without control characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

/// Longest id or name.
const ID_LEN: usize = 64;
