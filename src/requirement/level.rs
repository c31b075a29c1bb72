//! How binding a requirement is.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How binding a requirement is; the greatest is the strictest (`--level should` selects should
/// and must).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The BEP allows it.
    May,
    /// No sentence supports it; custom does, and the entry names where it was seen.
    Practice,
    /// The BEP recommends it.
    Should,
    /// The BEP demands it, in its own words.
    Must,
}

impl Level {
    /// All levels, the strictest first.
    pub const ALL: [Self; 4] = [Self::Must, Self::Should, Self::Practice, Self::May];

    /// Its name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Practice => "practice",
            Self::May => "may",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        Self::ALL
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

/// A word that is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown level `{0}`; one of must, should, practice, may")]
pub struct UnknownLevel(pub String);
