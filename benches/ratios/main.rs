//! How fast we are beside others, on the same bytes in the same run: `cargo bench --bench ratios`.
//!
//! Prints a Markdown table; `docs/performance.md` says what it means and holds one. Times move with
//! the machine, ratios of one run hardly do, so everything is measured in alternating rounds.

#![allow(clippy::disallowed_methods, reason = "a bench is what reads the clock")]

mod args;
mod curves;
mod live;
mod machine;
mod measure;
#[path = "../peers/mod.rs"]
mod peers;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod wire;

use std::process::ExitCode;

use args::Args;
use machine::Machine;
use peers::node;
use table::Report;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    if args.install_node {
        return match node::install() {
            Ok(folder) => {
                println!("installed in {}", folder.display());
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let before = Machine::look();
    let mut report = Report::new(args.rounds, before);
    report.add(decoders(&args));
    report.curves = curves::all(&args);
    if args.live {
        report.live = live::all(&args);
    }
    report.end(&Machine::look());
    println!("{}", report.markdown());
    if let Some(path) = &args.json
        && let Err(error) = std::fs::write(path, report.json())
    {
        eprintln!("cannot write {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Measures what is about bytes; the inputs are gone before anything else is measured.
fn decoders(args: &Args) -> Vec<measure::Group> {
    let mut groups = wire::groups(args);
    groups.retain(|group| args.wants(group.what));
    measure::rounds(&mut groups, args);
    groups
}
