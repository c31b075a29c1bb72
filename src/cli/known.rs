//! The expectations file of a run.

use std::path::Path;

use btspec::outcome::RunOutcome;
use btspec::outcome::date::Date;
use btspec::outcome::expectation::{Complaint, Expectations, Surroundings};
use btspec::scenario::ast::Suite;

use super::run::now;
use super::run_args::RunArgs;
use super::stop::Stop;
use super::{out, select};

/// The expectations file of a run, if there is one.
pub(super) struct Known {
    text: String,
    expectations: Option<Expectations>,
    today: Date,
}

impl Known {
    /// Reads the file; one that is not there yet is empty if it is about to be updated.
    pub(super) fn load(path: Option<&Path>, update: bool) -> Result<Self, Stop> {
        let today = Date::since_epoch(now());
        let Some(path) = path else {
            return Ok(Self {
                text: String::new(),
                expectations: None,
                today,
            });
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            // The first update makes the file.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && update => String::new(),
            Err(error) => {
                return Err(Stop::usage(format!(
                    "cannot read {}: {error}",
                    path.display()
                )));
            }
        };
        let expectations = Expectations::load(&path.display().to_string(), &text)
            .map_err(|error| Stop::scenarios(&[error]))?;
        Ok(Self {
            text,
            expectations: Some(expectations),
            today,
        })
    }

    /// The entries, and the day on which they are read.
    pub(super) fn expected(&self) -> Option<(Expectations, Date)> {
        Some((self.expectations.clone()?, self.today))
    }

    /// Marks what is known of `run`, which played some of `suites`; returns what is wrong with the
    /// file.
    pub(super) fn apply(
        &self,
        run: &mut RunOutcome,
        suites: &[Suite],
    ) -> Result<Vec<Complaint>, Stop> {
        let Some(expectations) = &self.expectations else {
            return Ok(Vec::new());
        };
        // `Transmission 3.00`, `aria2/1.36.0`: the first word that begins like a number.
        let client = run.target.client.clone();
        let version = client.as_deref().and_then(|client| {
            client
                .split(|c: char| c.is_whitespace() || c == '/')
                .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        });
        let around = Surroundings {
            today: self.today,
            version,
            exist: &select::ids(suites)?,
        };
        Ok(expectations.apply(run, &around))
    }

    pub(super) fn update(
        &self,
        args: &RunArgs,
        run: &RunOutcome,
        complaints: &[Complaint],
    ) -> Result<(), Stop> {
        let (Some(expectations), Some(path), true) = (
            &self.expectations,
            &args.expectations,
            args.update_expectations,
        ) else {
            return Ok(());
        };
        // What was not played would be listed as a failure.
        if run.lost.is_some() {
            out::diagnose(format!(
                "btspec: {} stays as it is: the run ended early",
                path.display()
            ));
            return Ok(());
        }
        let edited = expectations.update(&self.text, run, complaints, args.strict, self.today);
        if edited != self.text {
            std::fs::write(path, edited).map_err(|error| {
                Stop::usage(format!("cannot write {}: {error}", path.display()))
            })?;
        }
        Ok(())
    }
}
