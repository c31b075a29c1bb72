//! `btspec run`: everything that can be wrong before the first byte is sent, the run, its reports.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use btspec::outcome::expectation::Complaint;
use btspec::outcome::{Exit, RunOutcome};
use btspec::report::{Context, Sources};

use super::known::Known;
use super::play;
use super::reports::Reports;
use super::run_args::RunArgs;
use super::stop::Stop;
use super::{out, select};

pub(super) fn run(args: &RunArgs) -> Result<Exit, Stop> {
    let known = Known::load(args)?;
    let suites = select::load(&args.selection.paths)?;
    let mut reports;
    let (mut run, _) = {
        let select = |roles: &[_]| {
            let choice = btspec::scenario::Choice {
                roles: roles.to_vec(),
                ..select::everything(args.variant.clone())
            };
            select::select(&suites, &args.selection, &choice)
        };
        reports = Reports::open(args)?;
        play::play(args, &select, &mut |event| reports.event(event))?
    };
    let complaints = known.apply(&mut run, &suites)?;
    let exit = Exit::of_run(&run, complaints.len(), args.strict);
    run.exit = exit.code();
    let sources = Sources::of(&suites);
    report(args, reports, &run, &complaints, sources)?;
    known.update(args, &run, &complaints)?;
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

fn report(
    args: &RunArgs,
    reports: Reports<'_>,
    run: &RunOutcome,
    complaints: &[Complaint],
    sources: Sources,
) -> Result<(), Stop> {
    let context = Context {
        colour: false,
        verbose: args.verbose,
        strict: args.strict,
        repeat: args.repeat(),
        complaints: complaints.iter().map(Complaint::to_string).collect(),
        sources,
    };
    // The result is told first, whatever becomes of the files.
    let mut stdout = out::stdout();
    let coloured = Context {
        colour: out::colour(),
        ..context.clone()
    };
    (args.format.write)(run, &coloured, &mut stdout)?;
    stdout.flush()?;
    drop(stdout);
    reports.end(run, &context)
}
