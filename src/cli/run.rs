//! `btspec run`: everything that can be wrong before the first byte is sent, the run, its reports.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use btspec::outcome::expectation::Complaint;
use btspec::outcome::{Exit, RunOutcome};
use btspec::report::Context;

use super::known::Known;
use super::play;
use super::run_args::RunArgs;
use super::stop::Stop;
use super::{out, select};

pub(super) fn run(args: &RunArgs) -> Result<Exit, Stop> {
    let known = Known::load(args)?;
    let suites = select::load(&args.selection.paths)?;
    let (mut run, _) = {
        let select = |roles: &[_]| {
            let choice = btspec::scenario::Choice {
                roles: roles.to_vec(),
                ..select::everything(args.variant.clone())
            };
            select::select(&suites, &args.selection, &choice)
        };
        writable(args)?;
        play::play(args, &select)?
    };
    let complaints = known.apply(&mut run, &suites)?;
    let exit = Exit::of_run(&run, complaints.len(), args.strict);
    run.exit = exit.code();
    report(args, &run, &complaints)?;
    known.update(args, &run, &complaints)?;
    Ok(exit)
}

/// Whether the reports can be written: found out now, not after ten minutes.
fn writable(args: &RunArgs) -> Result<(), Stop> {
    for to in &args.report {
        let opened = OpenOptions::new().create(true).append(true).open(&to.path);
        opened
            .map_err(|error| Stop::usage(format!("cannot write {}: {error}", to.path.display())))?;
    }
    Ok(())
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

fn report(args: &RunArgs, run: &RunOutcome, complaints: &[Complaint]) -> Result<(), Stop> {
    let context = Context {
        colour: false,
        verbose: args.verbose,
        strict: args.strict,
        repeat: args.repeat(),
        complaints: complaints.iter().map(Complaint::to_string).collect(),
    };
    for to in &args.report {
        let written =
            File::create(&to.path).and_then(|mut file| (to.format.write)(run, &context, &mut file));
        written.map_err(|error| Stop {
            exit: Exit::Internal,
            message: format!("error: cannot write {}: {error}", to.path.display()),
        })?;
    }
    let mut stdout = out::stdout();
    let context = Context {
        colour: out::colour(),
        ..context
    };
    (args.format.write)(run, &context, &mut stdout)?;
    stdout.flush()?;
    Ok(())
}
