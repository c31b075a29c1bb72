//! The lock file of a run.

use std::path::{Path, PathBuf};

use btspec::outcome::RunOutcome;
use btspec::outcome::lock::Lock;
use btspec::scenario::Partition;

use super::files;
use super::stop::Stop;

/// The lock of a run, if there is one.
pub(super) struct Locked(Option<Inner>);

struct Inner {
    path: PathBuf,
    lock: Lock,
    update: bool,
}

impl Locked {
    /// Reads the file; one that is not there yet is empty if it is about to be written.
    pub(super) fn load(path: Option<&Path>, update: bool) -> Result<Self, Stop> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let shown = path.display().to_string();
        let text = files::read(path, update, "; --update-lock writes it")?;
        Ok(Self(Some(Inner {
            path: path.to_owned(),
            lock: Lock::load(&shown, &text).map_err(Stop::usage)?,
            update,
        })))
    }

    /// What `run`, of a share maybe, has lost. Nothing, if the lock is to follow it.
    pub(super) fn lost(&self, run: &RunOutcome, share: Option<Partition>) -> Vec<String> {
        match &self.0 {
            Some(inner) if !inner.update => {
                let lost = inner.lock.lost(run, &|id| holds(share, id));
                lost.iter().map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Writes the lock anew, if that is asked for and the run came to its end.
    pub(super) fn update(&self, run: &RunOutcome, share: Option<Partition>) -> Result<(), Stop> {
        let Some(inner) = self.0.as_ref().filter(|inner| inner.update) else {
            return Ok(());
        };
        if run.lost.is_some() {
            return Ok(());
        }
        let text = inner.lock.update(run, &|id| holds(share, id));
        files::replace(&inner.path, &text)
    }
}

fn holds(share: Option<Partition>, id: &str) -> bool {
    share.is_none_or(|share| share.holds(id))
}
