//! Text with `{name}` in it, as commands and files of a client driver have.

use std::collections::BTreeMap;

/// Values for the names.
pub(super) type Vars = BTreeMap<String, String>;

/// Text with places to fill. `{` opens a place only when a lower-case name and `}` follow at once,
/// so that JSON and shell text can be written as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

impl Template {
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, place) = rest.split_at(at);
            plain.push_str(before);
            let inner = place.get(1..).unwrap_or_default();
            match inner.split_once('}').filter(|(name, _)| is_name(name)) {
                Some((name, after)) => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Name(name.to_owned()));
                    rest = after;
                }
                None => {
                    plain.push('{');
                    rest = inner;
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self(parts)
    }

    /// The names that must have a value.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Name(name) => Some(name.as_str()),
        })
    }

    /// Fills every place; the loader has seen to it that each name has a value.
    pub(super) fn fill(&self, vars: &Vars) -> String {
        self.fill_with(vars, |value| value.to_owned())
    }

    /// Fills every place with text that a shell reads as one word.
    pub(super) fn fill_quoted(&self, vars: &Vars) -> String {
        self.fill_with(vars, |value| format!("'{}'", value.replace('\'', r"'\''")))
    }

    fn fill_with(&self, vars: &Vars, form: impl Fn(&str) -> String) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Name(name) => form(vars.get(name).map_or("", String::as_str)),
        });
        parts.collect()
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> String {
        let vars = Vars::from([
            ("port".to_owned(), "6881".to_owned()),
            ("data".to_owned(), "/tmp/it's".to_owned()),
        ]);
        Template::parse(text).fill(&vars)
    }

    #[test]
    fn fills_names_and_leaves_other_braces_alone() {
        assert_eq!(fill("a {port}-{port} b"), "a 6881-6881 b");
        assert_eq!(
            fill("{ \"peer-port\": {port}, \"x\": {} }"),
            "{ \"peer-port\": 6881, \"x\": {} }"
        );
        assert_eq!(fill("${PORT} {Port} {"), "${PORT} {Port} {");
        assert_eq!(fill("{{port}}"), "{6881}");
        assert_eq!(fill(""), "");
    }

    #[test]
    fn quotes_for_a_shell() {
        let vars = Vars::from([("data".to_owned(), "/tmp/it's".to_owned())]);
        let text = Template::parse("x -d {data}").fill_quoted(&vars);
        assert_eq!(text, r"x -d '/tmp/it'\''s'");
    }

    #[test]
    fn tells_its_names() {
        let template = Template::parse("{a}{b_c} {D} {a}");
        assert_eq!(template.names().collect::<Vec<_>>(), ["a", "b_c", "a"]);
    }
}
