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
        let index = usize::try_from(self.line).unwrap_or(1).saturating_sub(1);
        self.file.text.lines().nth(index).unwrap_or("")
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
