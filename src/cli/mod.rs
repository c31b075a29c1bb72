//! Arguments, exit codes and wiring. Anything worth testing without a terminal is in the library.

mod args;
mod decode;
mod explain;
mod fixture;
mod list;
mod out;
mod schema;
mod select;
mod stop;

use std::process::ExitCode;

use btspec::outcome::Exit;
use clap::Parser;

use args::{Cli, Command};
use stop::Stop;

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    if let Some(exit) = guard() {
        return exit;
    }
    // A panic is a bug of ours, and has the exit code of one.
    let exit = std::panic::catch_unwind(|| match Cli::try_parse() {
        Ok(cli) => dispatch(cli.command),
        Err(error) => Ok(usage(&error)),
    });
    match exit {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(stop)) => {
            if !stop.message.is_empty() {
                out::diagnose(&stop.message);
            }
            stop.exit.into()
        }
        Err(_) => {
            out::diagnose("internal error: btspec panicked; please report it");
            Exit::Internal.into()
        }
    }
}

/// `btspec __guard …`, which a run starts beside each client. No user types it, so it has no place
/// in the help.
fn guard() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != btspec::target::guard::SUBCOMMAND {
        return None;
    }
    #[cfg(unix)]
    let code = btspec::target::guard::main(args);
    #[cfg(not(unix))]
    let code = Exit::Usage.code();
    Some(code.into())
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
        Command::List(args) => list::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Fixture(args) => fixture::run(&args),
        Command::Decode(args) => decode::run(&args),
    }
}
