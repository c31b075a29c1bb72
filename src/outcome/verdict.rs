//! The seven verdicts and how they fold.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::requirement::Level;

/// What a case, a rule row or a finding came to.
///
/// The order is severity for folding: the verdict of a case is the worst of its judged steps.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not played, or a rule that never applied; the reason says why, with evidence.
    Skip,
    /// What was asked for was seen.
    Pass,
    /// The BEP leaves it open; what was seen is noted.
    Info,
    /// A should or a practice is broken, or the right outcome came in an untidy manner.
    Warn,
    /// The set-up did not come about, so nothing was learnt about the target.
    Inconclusive,
    /// A must is broken, or the target died, hung, misread the stream or served corrupt data.
    Fail,
    /// The tester could not do its part.
    Error,
}

impl Verdict {
    /// All verdicts, in the order of the summary line.
    pub const ALL: [Self; 7] = [
        Self::Pass,
        Self::Fail,
        Self::Warn,
        Self::Info,
        Self::Skip,
        Self::Inconclusive,
        Self::Error,
    ];

    /// Its name in reports and scenario files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Skip => "skip",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
        }
    }

    /// The more severe of two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }

    /// The most that a broken requirement of `level` can cost: must `fail`, should and practice
    /// `warn`, may `info`.
    pub fn ceiling(level: Level) -> Self {
        match level {
            Level::Must => Self::Fail,
            Level::Should | Level::Practice => Self::Warn,
            Level::May => Self::Info,
        }
    }

    /// This verdict, but no worse than `level` allows. Skip, inconclusive and error say nothing
    /// about the target and stay what they are.
    #[must_use]
    pub fn capped(self, level: Level) -> Self {
        match self {
            Self::Fail | Self::Warn | Self::Info => self.min(Self::ceiling(level)),
            Self::Pass | Self::Skip | Self::Inconclusive | Self::Error => self,
        }
    }

    /// Whether the requirement was judged at all: neither skip, inconclusive nor error is.
    pub fn judged(self) -> bool {
        matches!(self, Self::Pass | Self::Info | Self::Warn | Self::Fail)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Verdict {
    type Err = UnknownVerdict;

    fn from_str(text: &str) -> Result<Self, UnknownVerdict> {
        Self::ALL
            .into_iter()
            .find(|verdict| verdict.name() == text)
            .ok_or_else(|| UnknownVerdict(text.to_owned()))
    }
}

/// A word that is no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown verdict `{0}`")]
pub struct UnknownVerdict(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_caps_what_it_costs() {
        assert_eq!(Verdict::Fail.capped(Level::Must), Verdict::Fail);
        assert_eq!(Verdict::Fail.capped(Level::Should), Verdict::Warn);
        assert_eq!(Verdict::Fail.capped(Level::Practice), Verdict::Warn);
        assert_eq!(Verdict::Fail.capped(Level::May), Verdict::Info);
        assert_eq!(Verdict::Warn.capped(Level::Must), Verdict::Warn);
        assert_eq!(
            Verdict::Inconclusive.capped(Level::May),
            Verdict::Inconclusive
        );
    }

    #[test]
    fn folding_keeps_the_worst() {
        let worst = [Verdict::Pass, Verdict::Warn, Verdict::Fail, Verdict::Info]
            .into_iter()
            .fold(Verdict::Skip, Verdict::worst);
        assert_eq!(worst, Verdict::Fail);
    }

    #[test]
    fn names_parse_back() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.name().parse(), Ok(verdict));
        }
        assert!("passed".parse::<Verdict>().is_err());
    }
}
