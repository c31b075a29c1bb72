//! Errors of scenario files, and the one way in which they are shown.

use super::span::Span;

/// What is wrong with a scenario file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    /// When it was found.
    pub phase: Phase,
    /// Where; `None` for a file that cannot be read.
    pub span: Option<Span>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What was expected there, beside the caret.
    pub expected: Option<String>,
    /// How to put it right.
    pub help: Option<String>,
}

/// When an error was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The file cannot be read at all.
    Read,
    /// It is not the YAML that we accept.
    Parse,
    /// It is no scenario.
    Validate,
    /// An expression or a template failed while the case was played.
    Run,
}

impl ScenarioError {
    /// An error while a case is played.
    pub fn runtime(span: &Span, message: impl Into<String>) -> Self {
        Self {
            phase: Phase::Run,
            span: Some(span.clone()),
            message: message.into(),
            expected: None,
            help: None,
        }
    }

    /// file:line:col, the line, a caret and what was expected, without colour.
    pub fn render(&self) -> String {
        match &self.span {
            Some(span) => snippet(span, &self.message, self.expected.as_deref()),
            None => self.message.clone(),
        }
    }
}

impl std::fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.span {
            Some(span) => write!(f, "{span}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ScenarioError {}

/// A place in a file as rustc would show it, without colour: for errors and for failing steps.
pub fn snippet(span: &Span, title: &str, label: Option<&str>) -> String {
    format!("{span}: {title} {}", label.unwrap_or(""))
}
