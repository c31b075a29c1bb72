//! YAML out: lists of steps in block style, all else in flow style.

/// A value to write.
#[derive(Debug, Clone)]
pub(super) enum Yaml {
    /// A scalar as it stands in the file.
    Raw(String),
    /// A list on one line.
    List(Vec<Self>),
    /// A map; on one line unless there are steps in it.
    Map(Vec<(String, Self)>),
    /// A list with an entry a line.
    Steps(Vec<Self>),
}

impl Yaml {
    /// A scalar that needs no quotes.
    pub(super) fn raw(text: &str) -> Self {
        Self::Raw(text.to_owned())
    }

    /// Text, quoted where it must be.
    pub(super) fn text(text: &str) -> Self {
        Self::Raw(scalar(text))
    }

    /// A list of texts.
    pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    /// A map with these keys.
    pub(super) fn map<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }

    fn has_steps(&self) -> bool {
        match self {
            Self::Raw(_) => false,
            Self::List(list) => list.iter().any(Self::has_steps),
            Self::Map(entries) => entries.iter().any(|(_, value)| value.has_steps()),
            Self::Steps(steps) => !steps.is_empty(),
        }
    }

    fn flow(&self) -> String {
        let joined = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::Raw(text) => text.clone(),
            Self::List(list) | Self::Steps(list) => {
                format!("[{}]", joined(list.iter().map(Self::flow).collect()))
            }
            Self::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", scalar(key), value.flow()));
                format!("{{{}}}", joined(entries.collect()))
            }
        }
    }
}

/// A file of these keys.
pub(super) fn document(entries: &[(String, Yaml)]) -> String {
    let mut out = String::new();
    map(entries, 0, &mut out);
    out
}

fn map(entries: &[(String, Yaml)], indent: usize, out: &mut String) {
    for (index, (key, value)) in entries.iter().enumerate() {
        // The first key of an entry of a list stands behind its dash.
        if index > 0 || indent == 0 || out.ends_with('\n') {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&scalar(key));
        out.push(':');
        if !value.has_steps() {
            out.push(' ');
            out.push_str(&value.flow());
            out.push('\n');
            continue;
        }
        out.push('\n');
        let inner = indent.saturating_add(2);
        match value {
            Yaml::Map(entries) => map(entries, inner, out),
            Yaml::Steps(list) | Yaml::List(list) => steps(list, inner, out),
            Yaml::Raw(_) => {}
        }
    }
}

fn steps(list: &[Yaml], indent: usize, out: &mut String) {
    for entry in list {
        out.push_str(&" ".repeat(indent));
        out.push_str("- ");
        match entry {
            Yaml::Map(entries) => map(entries, indent.saturating_add(2), out),
            other => {
                out.push_str(&other.flow());
                out.push('\n');
            }
        }
    }
}

/// Text as a scalar of any style.
fn scalar(text: &str) -> String {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    let rest = |c: char| c.is_ascii_alphanumeric() || "_-./+$".contains(c);
    let special = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(first)
        && text.chars().all(rest)
        && !special.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || c == '\u{feff}' || c == '\u{2028}' || c == '\u{2029}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
