//! Errors of scenario files, and the one way in which a place in a file is shown.

use std::fmt;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, Title};

use super::span::Span;
use crate::requirement;
use crate::wire::escape;

/// What is wrong with a scenario file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    /// When it was found.
    pub phase: Phase,
    /// Where; `None` for a file that cannot be read.
    pub span: Option<Box<Span>>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What was expected there; stands beside the caret.
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
    /// An error at a place.
    pub fn new(phase: Phase, span: &Span, message: impl Into<String>) -> Self {
        Self {
            phase,
            span: Some(Box::new(span.clone().on_its_line())),
            message: message.into(),
            expected: None,
            help: None,
        }
    }

    /// An error while a case is played.
    pub fn runtime(span: &Span, message: impl Into<String>) -> Self {
        Self::new(Phase::Run, span, message)
    }

    /// An error about a file as a whole.
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self {
            phase: Phase::Read,
            span: None,
            message: message.into(),
            expected: None,
            help: None,
        }
    }

    /// An error found while a file is checked.
    pub(super) fn invalid(span: &Span, message: impl Into<String>) -> Self {
        Self::new(Phase::Validate, span, message)
    }

    /// Adds what was expected.
    pub(super) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Adds how to put it right.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the nearest of `names`, if one is near.
    pub(super) fn nearest<'a>(self, wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(wrong, names) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// file:line:col, the line, a caret and what was expected, without colour.
    pub fn render(&self) -> String {
        match &self.span {
            Some(span) => Excerpt {
                span,
                title: &self.message,
                label: self.expected.as_deref(),
                help: self.help.as_deref(),
            }
            .render(),
            None => format!("error: {}", self.message),
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.span {
            Some(span) => write!(f, "{span}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ScenarioError {}

/// A place in a file, shown as `file:line:col`, the line and a caret with `label` beside it: for a
/// failing step in a report. Without colour, without a title.
pub fn snippet(span: &Span, label: &str) -> String {
    let text = Excerpt {
        span,
        title: "",
        label: (!label.is_empty()).then_some(label),
        help: None,
    }
    .render();
    let without_title = text.split_once('\n').map_or("", |(_, rest)| rest);
    without_title.to_owned()
}

/// A place in a file with what there is to say about it.
pub(super) struct Excerpt<'a> {
    pub(super) span: &'a Span,
    pub(super) title: &'a str,
    pub(super) label: Option<&'a str>,
    pub(super) help: Option<&'a str>,
}

impl Excerpt<'_> {
    /// As an error.
    fn render(&self) -> String {
        self.render_as(Level::ERROR.primary_title(self.title))
    }

    /// As a warning of this name.
    pub(super) fn render_warning(&self, name: &str) -> String {
        self.render_as(Level::WARNING.primary_title(self.title).id(name))
    }

    fn render_as<'b>(&'b self, title: Title<'b>) -> String {
        let line = self.span.source_line();
        let start = byte_of(line, self.span.col.saturating_sub(1));
        let end = byte_of(
            line,
            self.span
                .col
                .saturating_sub(1)
                .saturating_add(self.span.len),
        );
        let mut caret = AnnotationKind::Primary.span(start..end.max(start));
        if let Some(label) = self.label {
            caret = caret.label(label);
        }
        let source = Snippet::source(line)
            .line_start(usize::try_from(self.span.line).unwrap_or(1))
            .path(self.span.file.name.as_str())
            .annotation(caret);
        let mut group = title.element(source);
        if let Some(help) = self.help {
            group = group.element(Level::HELP.message(help));
        }
        Renderer::plain()
            .decor_style(DecorStyle::Ascii)
            .term_width(WIDTH)
            .render(&[group])
            .chars()
            .map(|c| {
                if is_unseen(c) {
                    char::REPLACEMENT_CHARACTER
                } else {
                    c
                }
            })
            .collect()
    }
}

/// What the renderer lets pass: controls behind ASCII's, which some terminals obey, and characters
/// that hide or reorder what stands beside them.
fn is_unseen(c: char) -> bool {
    c.is_control() && !c.is_ascii() || escape::is_invisible(c)
}

/// Byte offset of the character number `chars` of a line, or its end.
fn byte_of(line: &str, chars: u32) -> usize {
    let chars = usize::try_from(chars).unwrap_or(usize::MAX);
    line.char_indices()
        .nth(chars)
        .map_or(line.len(), |(at, _)| at)
}

/// The name that was probably meant: one that begins with or has the wrong one as a part, or
/// else the closest.
fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let names: Vec<&str> = names.into_iter().collect();
    let whole = |name: &&&str| {
        wrong.len() >= 4
            && (name.starts_with(wrong) || name.split(['_', '-', '.']).any(|part| part == wrong))
    };
    match names.iter().find(whole) {
        Some(name) => Some(name),
        None => requirement::nearest(wrong, names),
    }
}

/// Columns of a rendered excerpt; longer lines are cut around the caret.
const WIDTH: usize = 140;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::span::SourceFile;
    use super::*;

    fn span() -> Span {
        Span {
            file: Arc::new(SourceFile::new(
                "scenarios/a.yaml",
                "spec: 1\n      - expect: {reject: {index: 0}}\n",
            )),
            line: 2,
            col: 18,
            len: 6,
        }
    }

    #[test]
    fn shows_line_caret_expectation_and_help() {
        let error = ScenarioError::invalid(&span(), "unknown message `reject`")
            .expected("a message")
            .nearest("reject", ["request", "reject_request"]);
        insta::assert_snapshot!(error.render(), @r"
        error: unknown message `reject`
         --> scenarios/a.yaml:2:18
          |
        2 |       - expect: {reject: {index: 0}}
          |                  ^^^^^^ a message
          |
          = help: did you mean `reject_request`?
        ");
    }

    #[test]
    fn shows_a_step_without_title() {
        insta::assert_snapshot!(snippet(&span(), "nothing within 15 s"), @r"
         --> scenarios/a.yaml:2:18
          |
        2 |       - expect: {reject: {index: 0}}
          |                  ^^^^^^ nothing within 15 s
        ");
    }

    #[test]
    fn finds_the_nearest_name() {
        let names = ["request", "reject_request", "piece", "have_all", "have"];
        assert_eq!(nearest("reqeust", names), Some("request"));
        assert_eq!(nearest("reject", names), Some("reject_request"));
        assert_eq!(nearest("haveall", names), Some("have_all"));
        assert_eq!(nearest("zzz", names), None);
    }

    #[test]
    fn shows_no_control_behind_ascii() {
        let file = SourceFile::new("a.yaml", "key: \u{9b}31m \u{0}\u{200e}\n");
        let place = Span {
            file: Arc::new(file),
            line: 1,
            col: 1,
            len: 3,
        };
        let shown = snippet(&place, "a \u{85} label");
        assert!(
            !shown
                .lines()
                .any(|line| line.contains(char::is_control) || line.contains('\u{200e}')),
            "{shown:?}"
        );
    }
}
