//! Reports read back: what a run wrote, to be joined, compared, converted or judged again.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::run::SCHEMA;
use super::stream::{self, Line, Recorded};
use super::{RunOutcome, Summary};

/// A report that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Where it came from, for messages.
    pub name: String,
    /// What it says, counted anew.
    pub run: RunOutcome,
    /// Nothing is missing: the run was not ended before it had written everything.
    pub complete: bool,
}

/// A file is no report that can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// Reading failed.
    #[error("cannot read {name}: {source}")]
    Read {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file is longer than is read.
    #[error("{name} is longer than {MAX_LEN} bytes")]
    TooLong {
        /// The file.
        name: String,
    },
    /// It is something else, or of another version.
    #[error("{name}: {why}")]
    NoReport {
        /// The file.
        name: String,
        /// What is wrong, with line and column.
        why: String,
    },
}

/// Reads a report of `run --report json=FILE` or `jsonl=FILE`.
pub fn read(path: &Path) -> Result<Recording, RecordingError> {
    let name = path.display().to_string();
    let unread = |source| RecordingError::Read {
        name: name.clone(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unread)?;
    file.take(MAX_LEN.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unread)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_LEN {
        return Err(RecordingError::TooLong { name });
    }
    parse(name, &bytes)
}

/// Reads the bytes of a report.
pub fn parse(name: String, bytes: &[u8]) -> Result<Recording, RecordingError> {
    let wrong = |why: String| RecordingError::NoReport {
        name: name.clone(),
        why,
    };
    // The two forms differ in their first key, whatever stands around it.
    let first = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if serde_json::from_slice(first).is_ok_and(|line| matches!(line, Line::Header(_))) {
        return lines(name, bytes);
    }
    let mut run: RunOutcome = serde_json::from_slice(bytes)
        .map_err(|error| wrong(format!("not a report of btspec: {error}")))?;
    if run.schema != SCHEMA {
        return Err(wrong(format!(
            "its schema is `{}`, and only `{SCHEMA}` is read",
            crate::wire::escape::peer_text(run.schema.as_bytes())
        )));
    }
    let mut ids = std::collections::BTreeSet::new();
    if let Some(twice) = run.cases.iter().find(|case| !ids.insert(&case.id)) {
        let id = crate::wire::escape::peer_text(twice.id.as_bytes());
        return Err(wrong(format!("`{id}` is in it twice")));
    }
    run.summary = Summary::of(&run.cases);
    Ok(Recording {
        name,
        run,
        complete: true,
    })
}

/// Reads the lines of `run --report jsonl=FILE`.
fn lines(name: String, bytes: &[u8]) -> Result<Recording, RecordingError> {
    match stream::read(bytes) {
        Ok(Recorded { run, complete }) => Ok(Recording {
            name,
            run,
            complete,
        }),
        Err(error) => Err(RecordingError::NoReport {
            name,
            why: error.to_string(),
        }),
    }
}

/// Longest file that is read: ten times what every suite against a client makes.
const MAX_LEN: u64 = 1 << 30;
