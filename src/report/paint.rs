//! Colours, or none.

use std::fmt;

use crate::outcome::Verdict;

/// Paints text for a terminal when colours are on; else hands it through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paint {
    /// Whether colours are on.
    pub on: bool,
}

impl Paint {
    /// A verdict's name in its colour.
    pub fn verdict(self, verdict: Verdict) -> impl fmt::Display {
        let code = match verdict {
            Verdict::Pass => "32",
            Verdict::Fail | Verdict::Error => "1;31",
            Verdict::Warn | Verdict::Inconclusive => "33",
            Verdict::Info => "36",
            Verdict::Skip => "2",
        };
        self.wrap(code, verdict.name().to_uppercase())
    }

    /// What the eye shall find first.
    pub fn strong(self, text: impl fmt::Display) -> impl fmt::Display {
        self.wrap("1", text)
    }

    /// What is there for completeness.
    pub fn dim(self, text: impl fmt::Display) -> impl fmt::Display {
        self.wrap("2", text)
    }

    /// A caret, an arrow, a heading of a block.
    pub fn mark(self, text: impl fmt::Display) -> impl fmt::Display {
        self.wrap("1;34", text)
    }

    /// What is wrong.
    pub fn wrong(self, text: impl fmt::Display) -> impl fmt::Display {
        self.wrap("31", text)
    }

    /// What is not as it should be, and no more than that.
    pub fn mild(self, text: impl fmt::Display) -> impl fmt::Display {
        self.wrap("33", text)
    }

    fn wrap<T: fmt::Display>(self, code: &'static str, text: T) -> Painted<T> {
        Painted {
            code: self.on.then_some(code),
            text,
        }
    }
}

struct Painted<T> {
    code: Option<&'static str>,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "\x1b[{code}m{}\x1b[0m", self.text),
            None => self.text.fmt(f),
        }
    }
}
