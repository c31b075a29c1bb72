//! One test for each numbered ruling of SCENARIOS 3, and some more where one is not enough.

#[path = "../support/mod.rs"]
mod support;

mod branches;
mod lanes;
mod sets;
mod steps;
mod time;
mod verdicts;

/// What most of these tests use.
mod prelude {
    pub(crate) use std::time::Duration;

    pub(crate) use btspec::outcome::{CaseOutcome, EntryDir, Verdict};
    pub(crate) use btspec::wire::{BlockRef, Message};

    pub(crate) use crate::support::fake::{Do, extended, seed_opening, serve};
    pub(crate) use crate::support::{assert_verdict, case, faked, file};

    pub(crate) fn later(seconds: f64, what: Do) -> Do {
        Do::Later(Duration::from_secs_f64(seconds), Box::new(what))
    }

    pub(crate) fn reason(outcome: &CaseOutcome) -> &str {
        outcome.reason.as_deref().unwrap_or("")
    }

    /// When the tester sent its nth message of a kind, in milliseconds.
    pub(crate) fn sent(outcome: &CaseOutcome, kind: &str) -> Vec<u128> {
        let lines = outcome.transcript.iter();
        lines
            .filter(|line| line.dir == EntryDir::Sent && line.kind == kind)
            .map(|line| line.at_ms.0.as_millis())
            .collect()
    }

    pub(crate) const PIECE: BlockRef = BlockRef {
        index: 0,
        begin: 0,
        length: 16384,
    };
}
