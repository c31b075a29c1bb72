//! Progress of a run, as it happens.

use super::{CaseOutcome, Finding, TargetInfo, TranscriptEntry};

/// What the engine tells while it plays. Results are complete in [`CaseOutcome`]; the rest is for
/// a person who waits.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RunEvent {
    /// The run begins.
    Started {
        /// Plays ahead.
        plays: usize,
        /// The target as the user named it.
        target: String,
    },
    /// The preflight, or the first connection, showed what the target is.
    Profile(TargetInfo),
    /// Something a person should know, in one line: a restart, a calibrated deadline, single-address mode.
    Note(String),
    /// A play begins.
    CaseStarted {
        /// Its id.
        id: String,
        /// Its title.
        title: String,
    },
    /// A play ended.
    CaseFinished(Box<CaseOutcome>),
    /// A row begins that may be long in coming; until it is finished, what happens in it is told
    /// by itself.
    Opened(Box<CaseOutcome>),
    /// A line more of its wire log.
    Logged {
        /// Its id.
        id: String,
        /// The line.
        entry: Box<TranscriptEntry>,
    },
    /// Something was found in it.
    Found {
        /// Its id.
        id: String,
        /// What.
        finding: Box<Finding>,
    },
    /// The target was started again.
    Restarted {
        /// Why.
        reason: String,
    },
    /// The run ends before its last case.
    Lost {
        /// Why.
        reason: String,
    },
    /// All plays are done; rule rows and the outcome follow.
    Finished,
}
