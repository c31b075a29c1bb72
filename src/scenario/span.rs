//! Where something stands in a scenario file.

use std::fmt;
use std::sync::Arc;

/// One scenario file as it was read.
#[derive(PartialEq, Eq)]
pub struct SourceFile {
    /// Path as it is shown to the user.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Byte offsets at which lines begin.
    lines: Vec<usize>,
}

impl SourceFile {
    /// A file of this name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let after_ends = text.match_indices('\n').map(|(at, _)| at.saturating_add(1));
        let lines = std::iter::once(0).chain(after_ends).collect();
        Self {
            name: name.into(),
            text,
            lines,
        }
    }

    /// A line, from 1, without its end; empty beyond the last.
    pub fn line(&self, number: u32) -> &str {
        let index = usize::try_from(number)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        let start = self.lines.get(index).copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or("");
        rest.lines().next().unwrap_or("")
    }

    /// A place of the YAML reader's as one of this file's: for it a carriage return at the very end
    /// ends a line, and what it misses is on the next one, which there is not.
    pub(super) fn within(&self, line: u32, col: u32) -> (u32, u32) {
        let last = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        if line <= last {
            return (line, col);
        }
        let behind = self.line(last).chars().count().saturating_add(1);
        (last, u32::try_from(behind).unwrap_or(u32::MAX))
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A place in a scenario file. Cheap to clone, and enough on its own to print the line.
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub col: u32,
    /// Characters to underline on that line; at least 1.
    pub len: u32,
}

impl Span {
    /// The whole line, without its end.
    pub fn source_line(&self) -> &str {
        self.file.line(self.line)
    }
}

impl Span {
    /// The same place, at most just behind the end of its line: what is written over several lines
    /// or with escapes has other columns than what it says.
    #[must_use]
    pub(super) fn on_its_line(mut self) -> Self {
        let end = self.source_line().chars().count().saturating_add(1);
        self.col = self.col.min(u32::try_from(end).unwrap_or(u32::MAX));
        self
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.name, self.line, self.col)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
