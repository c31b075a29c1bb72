//! YAML text into a tree of [`Node`]s with spans. The only file that names the YAML crate.
//!
//! What is refused here: duplicate keys, aliases, anchors, merge keys, tags, several documents, floats, more
//! depth or nodes than a scenario can need. Meaning comes later, in `parse`.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned};

use super::error::{Phase, ScenarioError};
use super::limits;
use super::span::{SourceFile, Span};

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where it stands.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`, not `yes`.
    Bool(bool),
    /// A whole number, and how it was written: `0013` may be meant as hex.
    Int(i128, String),
    /// Text, quoted or not.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order written.
    Map(Vec<(Key, Node)>),
}

/// Key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Where it stands.
    pub(crate) span: Span,
    /// Its text.
    pub(crate) text: String,
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(..) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads one document.
pub(crate) fn read(file: &Arc<SourceFile>) -> Result<Node, ScenarioError> {
    if let Some(at) = leading_tab(&file.text) {
        return Err(error(file, at, "tabs do not indent in YAML".into()).expected("use spaces"));
    }
    if let Some(at) = lone_return(&file.text) {
        let message = "a carriage return without a line feed".to_owned();
        return Err(error(file, at, message).expected("lines that end in a line feed"));
    }
    let raw: Spanned<Raw> = serde_yaml::from_str_with_options(&file.text, options())
        .map_err(|error| translate(file, &error))?;
    if matches!(raw.value, Raw::Null) {
        return Err(error(file, (1, 1), "the file is empty".into()).expected("`spec: 1`"));
    }
    Ok(place(file, &raw.referenced, raw.value))
}

/// A node as the YAML crate gives it; places are added by [`place`].
enum Raw {
    Null,
    Bool(bool),
    Int(i128),
    Float,
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Raw, D::Error> {
        Raw::deserialize(from)
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(v))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Int(v.into()))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Raw, E> {
        Ok(Raw::Int(v.into()))
    }

    fn visit_i128<E: de::Error>(self, v: i128) -> Result<Raw, E> {
        Ok(Raw::Int(v))
    }

    fn visit_u128<E: de::Error>(self, v: u128) -> Result<Raw, E> {
        i128::try_from(v).map_or_else(
            |_| Err(E::custom("number out of range")),
            |v| Ok(Raw::Int(v)),
        )
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Float)
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::Text(v.to_owned()))
    }

    fn visit_string<E: de::Error>(self, v: String) -> Result<Raw, E> {
        Ok(Raw::Text(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = seq.next_element()? {
            list.push(entry);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

fn options() -> serde_yaml::Options {
    let budget = serde_yaml::budget! {
        max_depth: limits::YAML_DEPTH,
        max_nodes: limits::YAML_NODES,
        max_aliases: 0,
        max_anchors: 0,
        max_documents: 1,
    };
    serde_yaml::options! {
        budget: budget,
        merge_keys: serde_yaml::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: serde_yaml::options::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

fn place(file: &Arc<SourceFile>, at: &Location, raw: Raw) -> Node {
    let written = written(file, at);
    let value = match raw {
        Raw::Null => Value::Null,
        Raw::Bool(b) => Value::Bool(b),
        Raw::Int(n) => Value::Int(n, written.unwrap_or_default().to_owned()),
        // Digits with an exponent are hex in our files more often than a number.
        Raw::Float => Value::Text(written.unwrap_or_default().to_owned()),
        Raw::Text(text) => Value::Text(text),
        Raw::List(list) => Value::List(
            list.into_iter()
                .map(|entry| place(file, &entry.referenced, entry.value))
                .collect(),
        ),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key = Key {
                        span: span(file, &key.referenced),
                        text: key.value,
                    };
                    (key, place(file, &value.referenced, value.value))
                })
                .collect(),
        ),
    };
    Node {
        span: span(file, at),
        value,
    }
}

/// The text of a scalar as written, without surrounding space.
fn written<'a>(file: &'a SourceFile, at: &Location) -> Option<&'a str> {
    let start = usize::try_from(at.span().byte_offset()?).ok()?;
    let len = usize::try_from(at.span().byte_len()?).ok()?;
    Some(file.text.get(start..start.checked_add(len)?)?.trim())
}

fn span(file: &Arc<SourceFile>, at: &Location) -> Span {
    let text = written(file, at).unwrap_or("");
    let first_line = text.lines().next().unwrap_or("");
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    let (line, col) = file.within(number(at.line()), number(at.column()));
    Span {
        file: Arc::clone(file),
        line,
        col,
        len: u32::try_from(first_line.chars().count())
            .unwrap_or(1)
            .max(1),
    }
}

/// Byte offset of a tab in an indentation, outside of block scalars as good as one can tell.
fn leading_tab(text: &str) -> Option<(u32, u32)> {
    for (index, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let at = line.get(..indent).and_then(|indent| indent.find('\t'));
        if let Some(at) = at
            && !line.trim().is_empty()
        {
            let line = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
            let col = u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1);
            return Some((line, col));
        }
    }
    None
}

/// YAML ends a line there, and nobody who shows or edits the file does.
fn lone_return(text: &str) -> Option<(u32, u32)> {
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(at) = line.find('\r') {
            let before = line.get(..at).unwrap_or_default().chars().count();
            let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
            return Some((number(index), number(before)));
        }
    }
    None
}

fn error(file: &Arc<SourceFile>, (line, col): (u32, u32), message: String) -> ScenarioError {
    let span = Span {
        file: Arc::clone(file),
        line,
        col,
        len: 1,
    };
    ScenarioError::new(Phase::Parse, &span, message)
}

/// The crate's error in our words.
fn translate(file: &Arc<SourceFile>, error: &serde_yaml::Error) -> ScenarioError {
    use serde_yaml::Error as E;
    use serde_yaml::budget::BudgetBreach as B;

    let inner = error.without_snippet();
    let (message, expected) = match inner {
        E::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("`{key}` stands twice in this map"), None)
        }
        E::MergeKeyNotAllowed { .. } => (
            "merge keys (`<<`) are not part of the format".into(),
            Some("write it out, or use a block"),
        ),
        E::MultipleDocuments { .. } => (
            "a second document begins".into(),
            Some("one document a file"),
        ),
        E::Eof { .. } => ("the file is empty".into(), None),
        E::UnsupportedTag { tag, .. } => {
            (format!("tags (`{tag}`) are not part of the format"), None)
        }
        E::Budget { breach, .. } => match breach {
            B::Aliases { .. } | B::Anchors { .. } | B::AliasAnchorRatio { .. } => (
                "anchors and aliases are not part of the format".into(),
                Some("write it out, or use a block"),
            ),
            B::Depth { .. } => (
                format!("nested deeper than {} levels", limits::YAML_DEPTH),
                None,
            ),
            B::Nodes { .. } => (
                format!("more than {} values in one file", limits::YAML_NODES),
                None,
            ),
            B::Documents { .. } => (
                "a second document begins".into(),
                Some("one document a file"),
            ),
            other => (format!("the file is too much: {other:?}"), None),
        },
        other => match plain(other) {
            text if text.contains("recursion limit") => (
                format!("nested deeper than {} levels", limits::YAML_DEPTH),
                None,
            ),
            text => (text, None),
        },
    };
    let mut result = match error.location().filter(|at| at.line() > 0) {
        Some(at) => ScenarioError::new(Phase::Parse, &span(file, &at), message),
        None => self::error(file, (1, 1), message),
    };
    result.expected = expected.map(str::to_owned);
    result
}

/// The crate's text without its position.
fn plain(error: &serde_yaml::Error) -> String {
    let options = serde_yaml::render_options! {
        snippets: serde_yaml::SnippetMode::Off,
    };
    let text = error.render_with_options(options);
    let text = text.lines().next().unwrap_or("not YAML");
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text.get(..end).unwrap_or(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile::new("a.yaml", text))
    }

    fn message(text: &str) -> String {
        read(&file(text)).unwrap_err().to_string()
    }

    #[test]
    fn keeps_places_and_spelling() {
        let node = read(&file("a: 0013\nb: [1, \"x y\", {c: 1e5}]\nd: true\n")).unwrap();
        let Value::Map(entries) = &node.value else {
            panic!()
        };
        assert_eq!(entries[0].1.value, Value::Text("0013".into()));
        let Value::List(list) = &entries[1].1.value else {
            panic!()
        };
        assert_eq!(list[0].value, Value::Int(1, "1".into()));
        assert_eq!(
            (list[1].span.line, list[1].span.col, list[1].span.len),
            (2, 8, 5)
        );
        let Value::Map(inner) = &list[2].value else {
            panic!()
        };
        assert_eq!(inner[0].1.value, Value::Text("1e5".into()));
        assert_eq!(inner[0].0.span.col, 16);
        assert_eq!(entries[2].1.value, Value::Bool(true));
    }

    #[test]
    fn yes_is_text() {
        let node = read(&file("a: yes")).unwrap();
        let Value::Map(entries) = &node.value else {
            panic!()
        };
        assert_eq!(entries[0].1.value, Value::Text("yes".into()));
    }

    #[test]
    fn refuses_what_is_not_part_of_the_format() {
        for (text, told) in [
            ("a: 1\na: 2", "2:1: `a` stands twice in this map"),
            (
                "a: &x 1\nb: *x",
                "1:7: anchors and aliases are not part of the format",
            ),
            (
                "a: {b: 1}\n<<: {c: 1}",
                "2:1: merge keys (`<<`) are not part of the format",
            ),
            ("a: 1\n---\nb: 1", "2:1: a second document begins"),
            ("", "1:1: the file is empty"),
            ("# only a comment\n", "1:1: the file is empty"),
            ("a: !foo 1", "1:9: tags (`!foo`) are not part of the format"),
            ("a:\n\tb: 1", "2:1: tabs do not indent in YAML"),
            (
                "a: 1\r\nbc\rd: 1\n",
                "2:3: a carriage return without a line feed",
            ),
            (
                "?\t\r",
                "1:4: cannot deserialize null into string; use Option<String>",
            ),
        ] {
            assert_eq!(message(text), format!("a.yaml:{told}"), "{text:?}");
        }
        for text in ["a: [1, 2", "a: \"x", "a: b: c", "{a: 1}}", "@b"] {
            let message = message(text);
            assert!(message.starts_with("a.yaml:1:"), "{text:?}: {message}");
        }
    }

    #[test]
    fn depth_is_bounded_in_every_style() {
        let flow = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        let many = "[".repeat(100_000);
        let block: String = (0..100).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
        for text in [flow, many, block] {
            assert!(message(&text).contains("nested deeper than 48 levels"));
        }
    }
}
