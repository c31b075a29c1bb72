//! The file of observations of a run.

use std::path::{Path, PathBuf};

use btspec::outcome::RunOutcome;
use btspec::outcome::observed::Observations;

use super::stop::Stop;
use super::{files, out};

/// The observations that a run is held against, if there are any.
pub(super) struct Observed(Option<Inner>);

struct Inner {
    path: PathBuf,
    observations: Observations,
    update: bool,
}

impl Observed {
    /// Reads the file; one that is not there yet is empty if it is about to be written.
    pub(super) fn load(path: Option<&Path>, update: bool) -> Result<Self, Stop> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        Ok(Self(Some(Inner {
            path: path.to_owned(),
            observations: read(path, update)?,
            update,
        })))
    }

    /// What `run` observed otherwise. Nothing, if the file is to follow it.
    pub(super) fn changed(&self, run: &RunOutcome) -> Vec<String> {
        match &self.0 {
            Some(inner) if !inner.update => {
                let changed = inner.observations.compare(run);
                changed.iter().map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Writes the file anew, if that is asked for and the run came to its end.
    pub(super) fn update(&self, run: &RunOutcome) -> Result<(), Stop> {
        let Some(inner) = self.0.as_ref().filter(|inner| inner.update) else {
            return Ok(());
        };
        if run.lost.is_some() {
            let path = inner.path.display();
            out::diagnose(format!(
                "btspec: the run ended early: {path} stays as it is"
            ));
            return Ok(());
        }
        // The other role may have come to its end meanwhile.
        let observations = read(&inner.path, true)?;
        files::replace(&inner.path, &observations.update(run))
    }
}

fn read(path: &Path, new: bool) -> Result<Observations, Stop> {
    let text = files::read(path, new, "; --update-observations writes it")?;
    Observations::load(&path.display().to_string(), &text)
        .map_err(|error| Stop::scenarios(&[error]))
}
