//! The files of `--report`: opened before anything is sent, some written while the run goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use btspec::outcome::stream::Header;
use btspec::outcome::{Exit, RunEvent, RunOutcome, TargetInfo};
use btspec::report::Context;
use btspec::report::jsonl::Stream;

use super::out;
use super::run_args::ReportTo;
use super::stop::Stop;

/// The report files of a run.
pub(super) struct Reports {
    at_the_end: Vec<ReportTo>,
    streams: Vec<(PathBuf, Option<Stream<File>>)>,
    header: Header,
    /// What was wrong with a stream. The run goes on: other reports may be right.
    broken: Option<String>,
}

impl Reports {
    /// Finds out now, not after ten minutes, whether the files can be written.
    pub(super) fn open(reports: &[ReportTo], header: Header) -> Result<Self, Stop> {
        let (streamed, at_the_end): (Vec<_>, Vec<_>) = reports
            .iter()
            .cloned()
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
            streams.push((to.path, Some(stream)));
        }
        Ok(Self {
            at_the_end,
            streams,
            header,
            broken: None,
        })
    }

    /// Writes what is judged. With the first event every other file says that it is not the result
    /// yet: of a run that is killed that is what remains, and not the result of the one before.
    pub(super) fn event(&mut self, event: &RunEvent) {
        if matches!(event, RunEvent::Started { .. }) {
            self.say_unfinished();
        }
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

    /// Whether anything is written before the end.
    pub(super) fn streams(&self) -> bool {
        self.streams.iter().any(|(_, stream)| stream.is_some())
    }

    fn say_unfinished(&self) {
        let target = TargetInfo {
            spec: self.header.target.clone(),
            ..TargetInfo::default()
        };
        let mut run = RunOutcome::new(target, self.header.seed, Vec::new());
        run.exit = Exit::Unreachable.code();
        run.lost = Some(UNFINISHED.to_owned());
        for to in self.at_the_end.iter().filter(|to| !to.is_stdout()) {
            // What reads a pipe or a device wants one report, not two.
            if !to.path.is_file() {
                continue;
            }
            // A full disk is told at the end.
            let _ = File::create(&to.path)
                .and_then(|mut file| (to.format.write)(&run, &Context::default(), &mut file));
        }
    }

    /// Writes what is left.
    pub(super) fn end(self, run: &RunOutcome, context: &Context) -> Result<(), Stop> {
        let mut broken = self.broken;
        for (path, stream) in self.streams {
            if let Some(Err(error)) = stream.map(|stream| stream.end(run)) {
                broken = Some(cannot(&path, &error));
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

/// Until the end is written.
const UNFINISHED: &str = "it has not come to its end: it goes on, or it was killed";

fn cannot(path: &std::path::Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}
