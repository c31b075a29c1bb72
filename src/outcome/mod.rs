//! What came of a run: verdicts, findings, transcripts and progress events, as plain data.
//!
//! The engine fills these types, `report` renders them, and their serialised form is the JSON
//! report (`btspec.report/1`), which is a contract: `docs/report.schema.json` is generated from
//! here. Nothing here plays, judges or prints. Start at [`RunOutcome`].

pub mod case;
pub mod compare;
pub mod complaint;
pub mod date;
pub mod event;
pub mod exit;
pub mod expectation;
pub mod join;
pub mod lock;
pub mod matrix;
pub mod millis;
pub mod observed;
pub mod record;
pub mod recording;
pub mod run;
pub mod stream;
pub mod transcript;
pub mod verdict;

pub use case::{CaseOutcome, Closed, ClosedBy, Connection, Expected, Finding, How, Place};
pub use complaint::{About, FileComplaint};
pub use event::RunEvent;
pub use exit::Exit;
pub use millis::Millis;
pub use run::{RequirementCount, RunOutcome, Summary, TargetInfo, Tool};
pub use transcript::{EntryDir, Fields, TranscriptEntry};
pub use verdict::Verdict;
