//! Why a subcommand ends early.

use std::fmt;
use std::io;

use btspec::outcome::Exit;
use btspec::scenario::ScenarioError;

/// What went wrong, for standard error, and the exit code.
#[derive(Debug)]
pub(crate) struct Stop {
    /// The code.
    pub(crate) exit: Exit,
    /// The message; empty when everything is said already.
    pub(crate) message: String,
}

impl Stop {
    /// Something that the user gave is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Usage,
            message: format!("error: {message}"),
        }
    }

    /// We could not do our part.
    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Internal,
            message: format!("internal error: {message}; please report it"),
        }
    }

    /// Scenario files, or what they were asked for, are wrong: each with its place.
    pub(crate) fn scenarios(errors: &[ScenarioError]) -> Self {
        let shown = errors
            .iter()
            .map(ScenarioError::render)
            .collect::<Vec<_>>()
            .join("\n");
        Self {
            exit: Exit::Usage,
            message: shown,
        }
    }
}

/// Writing results failed, other than by a closed pipe.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self {
            exit: Exit::Internal,
            message: format!("error: cannot write results: {error}"),
        }
    }
}
