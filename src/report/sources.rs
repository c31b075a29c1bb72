//! The text of the cases of a run, for reports that show it.

use std::collections::BTreeMap;

use crate::scenario::ast::Suite;

/// The lines of each case, by `SUITE/CASE`.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    cases: BTreeMap<String, Source>,
}

/// A case as it is written.
#[derive(Debug, Clone)]
pub struct Source {
    /// File as given by the user or embedded.
    pub file: String,
    /// Line of the first of `lines`, from 1.
    pub first: u32,
    /// Its lines, as they are in the file.
    pub lines: Vec<String>,
}

impl Sources {
    /// Cuts the cases of `suites` out of their files.
    pub fn of(suites: &[Suite]) -> Self {
        let mut cases = BTreeMap::new();
        for suite in suites {
            for case in &suite.cases {
                let first = case.span.line;
                let text = &case.span.file.text;
                let skip = usize::try_from(first)
                    .unwrap_or(usize::MAX)
                    .saturating_sub(1);
                let lines = text.lines().skip(skip);
                let lines = whole_item(lines).map(str::to_owned).collect();
                let source = Source {
                    file: case.span.file.name.clone(),
                    first,
                    lines,
                };
                cases.insert(format!("{}/{}", case.suite, case.id), source);
            }
        }
        Self { cases }
    }

    /// The text of a case, by its id without role and variant.
    pub fn get(&self, case: &str) -> Option<&Source> {
        self.cases.get(case)
    }
}

/// The lines of the list item that the first of `lines` begins: up to the next one, or to what is
/// indented less.
fn whole_item<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let mut kept: Vec<&str> = Vec::new();
    for line in lines {
        let goes_on = match kept.first() {
            None => true,
            Some(first) => line.trim().is_empty() || indent(line) > indent(first),
        };
        if !goes_on {
            break;
        }
        kept.push(line);
    }
    // A comment at the end is about what follows.
    while kept.last().is_some_and(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#')
    }) {
        kept.pop();
    }
    kept.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_is_cut_out_whole() {
        let suites = crate::scenario::embedded().unwrap();
        let sources = Sources::of(&suites);
        for case in suites.iter().flat_map(|suite| &suite.cases) {
            let source = sources.get(&format!("{}/{}", case.suite, case.id)).unwrap();
            assert!(
                source.lines[0].trim_start().starts_with("- case:"),
                "{source:?}"
            );
            let again = source.lines[1..].iter();
            assert!(
                !again
                    .clone()
                    .any(|line| line.trim_start().starts_with("- case:"))
            );
            // Every step that can be missed is in it, or in a shared block.
            assert!(source.lines.len() > 3, "{source:?}");
        }
    }
}
