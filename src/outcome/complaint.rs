//! What files beside a run have to say of it: known failures, coverage, observations.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Verdict;

/// Something about a run that none of its rows says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileComplaint {
    /// The file that it comes from.
    pub about: About,
    /// What it counts as: `fail`, or `warn`, which counts with `--strict` only.
    pub verdict: Verdict,
    /// What, in a line that begins with the place in the file.
    pub what: String,
}

impl FileComplaint {
    /// One that turns the run red.
    pub fn fail(about: About, what: impl ToString) -> Self {
        Self {
            about,
            verdict: Verdict::Fail,
            what: what.to_string(),
        }
    }

    /// One that does so with `--strict` only.
    pub fn warn(about: About, what: impl ToString) -> Self {
        Self {
            verdict: Verdict::Warn,
            ..Self::fail(about, what)
        }
    }

    /// Whether it turns the run red.
    pub fn is_bad(&self, strict: bool) -> bool {
        strict || self.verdict != Verdict::Warn
    }
}

/// A kind of file that a run is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Known failures: `--expectations`.
    Expectations,
    /// Ids that were judged once: `--lock`.
    Lock,
    /// What `info` rows observed: `--observations`.
    Observations,
}

impl About {
    /// As the flag of `run` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expectations => "expectations",
            Self::Lock => "lock",
            Self::Observations => "observations",
        }
    }

    /// As a heading has it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Expectations => "Expectations",
            Self::Lock => "Lock",
            Self::Observations => "Observations",
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
