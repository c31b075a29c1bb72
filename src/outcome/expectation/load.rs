//! The expectations file: a list of flat mappings, unknown keys refused.

use std::sync::Arc;

use super::{Condition, Entry, Expectations, Operator, VersionCondition};
use crate::outcome::Verdict;
use crate::outcome::date::Date;
use crate::requirement::nearest;
use crate::scenario::error::{Phase, ScenarioError};
use crate::scenario::span::{SourceFile, Span};
use crate::scenario::yaml::{self, Node, Value};

/// Keys of an entry.
const KEYS: &[&str] = &[
    "case",
    "verdict",
    "reason",
    "source",
    "text",
    "if",
    "sometimes",
    "until",
    "issue",
];

impl Expectations {
    /// Reads `text`, the contents of `file`. The first thing wrong is the error.
    pub fn load(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let source = Arc::new(SourceFile::new(file, text));
        // A file whose last entry was commented out holds nothing, and is fine.
        let blank = |line: &str| {
            let bare = line.trim_matches([' ', '\t', '\r']);
            bare.is_empty() || bare.starts_with('#')
        };
        let entries = if text.lines().all(blank) {
            // What may stand there is what the reader lets stand before an entry.
            match yaml::read(&with_one_more(file, text, "")) {
                Ok(_) => Vec::new(),
                Err(error) if is_within(&error, text) => return Err(error),
                Err(_) => {
                    let first = Span {
                        file: source,
                        line: 1,
                        col: 1,
                        len: 1,
                    };
                    return Err(wrong(&first, NOT_LONGER, ""));
                }
            }
        } else {
            let root = yaml::read(&source)?;
            match root.value {
                Value::Null => Vec::new(),
                // `--update-expectations` edits by line and appends.
                Value::List(_) if !starts_with_dash(&root.span) => {
                    return Err(wrong(
                        &root.span,
                        "expectations are a list with a dash for each entry",
                        "`- case: …`",
                    ));
                }
                Value::List(nodes) => {
                    let indent = " ".repeat(before(&root.span));
                    let longer = yaml::read(&with_one_more(file, text, &indent));
                    let grows = |node: Node| match node.value {
                        Value::List(longer) => longer.len() == nodes.len() + 1,
                        _ => false,
                    };
                    if !longer.is_ok_and(grows) {
                        return Err(wrong(&root.span, NOT_LONGER, "no line `...`, no open end"));
                    }
                    nodes.into_iter().map(entry).collect::<Result<_, _>>()?
                }
                _ => return Err(wrong(&root.span, "expectations are a list", "`- case: …`")),
            }
        };
        Ok(Self {
            file: file.to_owned(),
            entries,
        })
    }
}

fn entry(node: Node) -> Result<Entry, ScenarioError> {
    let Value::Map(pairs) = node.value else {
        return Err(wrong(&node.span, "an entry is a mapping", "`case: …`"));
    };
    let mut case = None;
    let mut verdict = None;
    let mut reason = None;
    let mut entry = Entry {
        line: node.span.line,
        case: String::new(),
        verdict: Verdict::Fail,
        reason: String::new(),
        source: None,
        text: None,
        condition: None,
        sometimes: false,
        until: None,
        issue: None,
    };
    for (key, value) in pairs {
        let span = value.span.clone();
        if key.text == "sometimes" {
            let Value::Bool(sometimes) = value.value else {
                return Err(wrong(&span, "`sometimes` is true or false", ""));
            };
            entry.sometimes = sometimes;
            continue;
        }
        let text = text(value)?;
        match key.text.as_str() {
            "case" => case = Some(text),
            "verdict" => verdict = Some(listable(&text, &span)?),
            "reason" => reason = Some(filled(text, &span)?),
            "source" => entry.source = Some(text),
            "text" => entry.text = Some(text),
            "if" => entry.condition = Some(condition(&text, &span)?),
            "until" => {
                let until = text
                    .parse::<Date>()
                    .map_err(|error| wrong(&span, error.to_string(), "YYYY-MM-DD"))?;
                entry.until = Some(until);
            }
            "issue" => entry.issue = Some(text),
            other => {
                let meant = nearest(other, KEYS.iter().copied())
                    .map_or_else(|| KEYS.join(", "), |key| format!("did you mean `{key}`?"));
                return Err(wrong(&key.span, format!("unknown key `{other}`"), meant));
            }
        }
    }
    let missing = |key: &str| wrong(&node.span, format!("no `{key}` in this entry"), "");
    entry.case = case.ok_or_else(|| missing("case"))?;
    entry.verdict = verdict.ok_or_else(|| missing("verdict"))?;
    entry.reason = reason.ok_or_else(|| missing("reason"))?;
    Ok(entry)
}

/// The file as it would be with another entry, as `--update-expectations` makes it.
fn with_one_more(file: &str, text: &str, indent: &str) -> Arc<SourceFile> {
    let mut longer = String::with_capacity(text.len() + indent.len() + 16);
    for line in text.lines() {
        longer.push_str(line);
        longer.push('\n');
    }
    longer.push_str(&format!("{indent}- case: another\n"));
    Arc::new(SourceFile::new(file, &longer))
}

/// Whether an error's place is in `text`, and not in what was put behind it.
fn is_within(error: &ScenarioError, text: &str) -> bool {
    let lines = text.lines().count();
    let line = error.span.as_ref().map_or(0, |span| span.line);
    usize::try_from(line).is_ok_and(|line| line <= lines)
}

const NOT_LONGER: &str = "nothing could be appended to this file";

/// Characters of the line before what begins there.
fn before(span: &Span) -> usize {
    usize::try_from(span.col.saturating_sub(1)).unwrap_or(usize::MAX)
}

fn starts_with_dash(span: &Span) -> bool {
    span.source_line().chars().nth(before(span)) == Some('-')
}

fn text(node: Node) -> Result<String, ScenarioError> {
    match node.value {
        Value::Text(text) => Ok(text),
        Value::Int(_, written) => Ok(written),
        other => Err(wrong(
            &node.span,
            format!("{} where text belongs", other.describe()),
            "text",
        )),
    }
}

fn listable(text: &str, span: &Span) -> Result<Verdict, ScenarioError> {
    text.parse()
        .ok()
        .filter(|verdict| {
            matches!(
                verdict,
                Verdict::Fail | Verdict::Warn | Verdict::Inconclusive
            )
        })
        .ok_or_else(|| {
            wrong(
                span,
                format!("`{text}` cannot be expected"),
                "fail, warn or inconclusive",
            )
        })
}

/// A reason that somebody has thought about.
fn filled(text: String, span: &Span) -> Result<String, ScenarioError> {
    let bare = text.trim();
    if bare.is_empty() || bare.eq_ignore_ascii_case("todo") {
        return Err(wrong(
            span,
            "the reason is still to be written",
            "why this result is accepted",
        ));
    }
    Ok(text)
}

fn condition(text: &str, span: &Span) -> Result<Condition, ScenarioError> {
    let wanted = "`version < \"4.0\"`, operators < <= == != >= >, or `role == seed`";
    if let Some(rest) = text.strip_prefix("role") {
        let role = rest.trim_start().strip_prefix("==").map(str::trim);
        let role = role.filter(|role| ["seed", "leech"].contains(role));
        let role = role.ok_or_else(|| wrong(span, "no such role", wanted))?;
        return Ok(Condition::Role(role.to_owned()));
    }
    let rest = text
        .strip_prefix("version")
        .ok_or_else(|| wrong(span, "a condition is about `version` or `role`", wanted))?
        .trim_start();
    let (operator, rest) = [
        ("<=", Operator::Le),
        (">=", Operator::Ge),
        ("==", Operator::Eq),
        ("!=", Operator::Ne),
        ("<", Operator::Lt),
        (">", Operator::Gt),
    ]
    .into_iter()
    .find_map(|(sign, operator)| Some((operator, rest.strip_prefix(sign)?)))
    .ok_or_else(|| wrong(span, "no comparison in this condition", wanted))?;
    let version = rest.trim().trim_matches('"');
    if version.is_empty() || !version.chars().any(|c| c.is_ascii_digit()) {
        return Err(wrong(span, "no version to compare with", wanted));
    }
    Ok(Condition::Version(VersionCondition {
        operator,
        version: version.to_owned(),
    }))
}

fn wrong(span: &Span, message: impl Into<String>, expected: impl Into<String>) -> ScenarioError {
    let expected = expected.into();
    let mut error = ScenarioError::new(Phase::Validate, span, message);
    error.expected = (!expected.is_empty()).then_some(expected);
    error
}
