//! `btspec run`: everything that can be wrong before the first byte is sent, the run, its reports.

use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use btspec::outcome::stream::Header;
use btspec::outcome::{Exit, RunOutcome};
use btspec::report::{Context, Format, Sources};

use super::known::Known;
use super::locked::Locked;
use super::play;
use super::reports::Reports;
use super::run_args::RunArgs;
use super::stop::Stop;
use super::{out, select};

pub(super) fn run(args: &RunArgs) -> Result<Exit, Stop> {
    let known = Known::load(args.expectations.as_deref(), args.update_expectations)?;
    let locked = Locked::load(args.lock.as_deref(), args.update_lock)?;
    let suites = select::load(&args.selection.paths)?;
    let mut reports;
    let (mut run, _) = {
        let select = |roles: &[_]| {
            let choice = btspec::scenario::Choice {
                roles: roles.to_vec(),
                ..select::everything(args.variant.clone())
            };
            let mut selected = select::select(&suites, &args.selection, &choice)?;
            if let Some(partition) = args.partition {
                selected.plays.retain(|play| partition.holds(&play.id.0));
            }
            Ok(selected)
        };
        reports = Reports::open(&args.report, Header::new(args.target_name(), args.seed.0))?;
        play::play(args, &select, known.expected(), &mut |event| {
            reports.event(event);
        })?
    };
    let complaints = known.apply(&mut run, &suites)?;
    let mut said: Vec<String> = complaints.iter().map(|it| it.to_string()).collect();
    said.extend(locked.lost(&run, args.partition));
    let exit = Exit::of_run(&run, said.len(), args.strict);
    run.exit = exit.code();
    let written = Written {
        reports,
        format: args.format,
        verbose: args.verbose,
        strict: args.strict,
        repeat: args.repeat(),
        sources: Sources::of(&suites),
    };
    report(written, &run, &said)?;
    known.update(args, &run, &complaints)?;
    locked.update(&run, args.partition)?;
    Ok(exit)
}

/// Since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where the clock is read: today's date, a random seed"
)]
pub(super) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Of what is judged without files of the user.
pub(super) const NO_COMPLAINTS: &[String] = &[];

/// Where a run is written to, and how.
pub(super) struct Written {
    pub(super) reports: Reports,
    pub(super) format: &'static Format,
    pub(super) verbose: u8,
    pub(super) strict: bool,
    pub(super) repeat: Vec<String>,
    /// The cases as they are written, as far as they are at hand.
    pub(super) sources: Sources,
}

/// Writes the files and standard output.
pub(super) fn report(
    args: Written,
    run: &RunOutcome,
    complaints: &[impl Display],
) -> Result<(), Stop> {
    let context = Context {
        colour: false,
        verbose: args.verbose,
        strict: args.strict,
        repeat: args.repeat,
        complaints: complaints.iter().map(ToString::to_string).collect(),
        sources: args.sources,
    };
    // The result is told first, whatever becomes of the files.
    let mut stdout = out::stdout();
    let coloured = Context {
        colour: out::colour(),
        ..context.clone()
    };
    let told = (args.format.write)(run, &coloured, &mut stdout).and_then(|()| stdout.flush());
    drop(stdout);
    args.reports.end(run, &context)?;
    Ok(told?)
}
