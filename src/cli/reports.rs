//! The files of `--report`: opened before anything is sent, some written while the run goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use btspec::outcome::stream::Header;
use btspec::outcome::{Exit, RunEvent, RunOutcome};
use btspec::report::Context;
use btspec::report::jsonl::Stream;

use super::out;
use super::run_args::ReportTo;
use super::stop::Stop;

/// The report files of a run.
pub(super) struct Reports<'a> {
    at_the_end: Vec<&'a ReportTo>,
    streams: Vec<(&'a PathBuf, Option<Stream<File>>)>,
    /// What was wrong with a stream. The run goes on: other reports may be right.
    broken: Option<String>,
}

impl<'a> Reports<'a> {
    /// Finds out now, not after ten minutes, whether the files can be written.
    pub(super) fn open(reports: &'a [ReportTo], header: Header) -> Result<Self, Stop> {
        let (streamed, at_the_end): (Vec<_>, Vec<_>) = reports
            .iter()
            .partition(|to| to.format.streamed && !to.is_stdout());
        for to in at_the_end.iter().filter(|to| !to.is_stdout()) {
            let opened = OpenOptions::new().create(true).append(true).open(&to.path);
            opened.map_err(|error| Stop::usage(cannot(&to.path, &error)))?;
        }
        let mut streams = Vec::new();
        for to in streamed {
            let stream = File::create(&to.path)
                .and_then(|file| Stream::begin(file, header.clone()))
                .map_err(|error| Stop::usage(cannot(&to.path, &error)))?;
            streams.push((&to.path, Some(stream)));
        }
        Ok(Self {
            at_the_end,
            streams,
            broken: None,
        })
    }

    /// Writes what is judged.
    pub(super) fn event(&mut self, event: &RunEvent) {
        for (path, stream) in &mut self.streams {
            let Some(open) = stream else { continue };
            if let Err(error) = open.event(event) {
                let what = cannot(path, &error);
                out::diagnose(format!("btspec: {what}; the run goes on without that file"));
                self.broken = Some(what);
                *stream = None;
            }
        }
    }

    /// Writes what is left.
    pub(super) fn end(self, run: &RunOutcome, context: &Context) -> Result<(), Stop> {
        let mut broken = self.broken;
        for (path, stream) in self.streams {
            if let Some(Err(error)) = stream.map(|stream| stream.end(run)) {
                broken = Some(cannot(path, &error));
            }
        }
        for to in self.at_the_end {
            if to.is_stdout() {
                let mut stdout = out::stdout();
                (to.format.write)(run, context, &mut stdout)?;
                stdout.flush()?;
                continue;
            }
            let written = File::create(&to.path)
                .and_then(|mut file| (to.format.write)(run, context, &mut file));
            if let Err(error) = written {
                broken = Some(cannot(&to.path, &error));
            }
        }
        match broken {
            None => Ok(()),
            Some(what) => Err(Stop {
                exit: Exit::Internal,
                message: format!("error: {what}"),
            }),
        }
    }
}

fn cannot(path: &std::path::Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}
