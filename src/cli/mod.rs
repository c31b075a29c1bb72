//! Arguments, exit codes and wiring. Anything worth testing without a terminal is in the library.

mod args;
mod audit;
mod compare;
mod completions;
mod content;
mod coverage;
mod decode;
mod doctor;
mod explain;
mod fault;
mod fixture;
mod fuzz;
mod fuzz_args;
mod fuzz_progress;
mod interrupt;
mod known;
mod lint;
mod list;
mod locked;
mod matrix;
mod out;
mod play;
mod progress;
mod proxy;
mod reach;
mod replay;
mod report;
mod reports;
mod run;
mod run_args;
mod schema;
mod select;
mod serve;
mod shrink;
mod stop;

use std::process::ExitCode;

use btspec::outcome::Exit;
use clap::Parser;

use args::{Cli, Command};
use stop::Stop;

/// Runs the command line. A panic is a bug of ours, and has the exit code of one.
pub(crate) fn main() -> ExitCode {
    std::panic::catch_unwind(parse_and_run).unwrap_or_else(|_| {
        out::diagnose("internal error: btspec panicked; please report it");
        Exit::Internal.into()
    })
}

fn parse_and_run() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return usage(&error).into(),
    };
    // The guard's code is its own affair.
    #[cfg(unix)]
    if let Command::Guard(args) = command {
        return btspec::target::guard::main(args.args).into();
    }
    match dispatch(command) {
        Ok(exit) => exit.into(),
        Err(stop) => {
            if !stop.message.is_empty() {
                out::diagnose(&stop.message);
            }
            stop.exit.into()
        }
    }
}

/// `--help` and `--version` are results; the rest of clap's messages are diagnostics.
fn usage(error: &clap::Error) -> Exit {
    // clap knows whether its own stream takes colours. Nobody is there to hear of a failure.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Ok
    }
}

fn dispatch(command: Command) -> Result<Exit, Stop> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Shrink(args) => shrink::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man => completions::man(),
        Command::Coverage => coverage::run(),
        Command::List(args) => list::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Fixture(args) => fixture::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Matrix(args) => matrix::run(&args),
        Command::Proxy(args) => proxy::run(&args),
        // Windows has no drivers that start clients.
        Command::Guard(_) => Err(Stop::usage("no guard on this system")),
    }
}
