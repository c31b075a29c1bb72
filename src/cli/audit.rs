//! `btspec audit`: proof that the suites see.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::Path;

use btspec::audit::Audit;
use btspec::outcome::Exit;
use btspec::peer::fault::{self, FaultSpec};
use btspec::scenario::glob;
use indicatif::{ProgressBar, ProgressDrawTarget};

use super::args::AuditArgs;
use super::out;
use super::stop::Stop;

pub(super) fn run(args: &AuditArgs) -> Result<Exit, Stop> {
    let faults = chosen(&args.fault)?;
    let mut stdout = out::stdout();
    if args.list {
        for fault in &faults {
            let breaks = fault.breaks.join(" ");
            writeln!(stdout, "{:<44} {}  [{breaks}]", fault.name, fault.doc)?;
        }
        stdout.flush()?;
        return Ok(Exit::Ok);
    }
    let mut audit = Audit::embedded().map_err(|errors| Stop::scenarios(&errors))?;
    if let Some(jobs) = args.jobs {
        audit = audit.with_jobs(usize::from(jobs));
    } else if let Ok(jobs) = std::thread::available_parallelism() {
        audit = audit.with_jobs(jobs.get());
    }
    let mut good = true;
    if args.null {
        let table = audit.nulls();
        write!(stdout, "{table}")?;
        good &= table.is_good();
    }
    if args.twins {
        let table = audit.twins();
        write!(stdout, "{table}")?;
        good &= table.is_good();
    }
    if let Some(repeats) = args.repeats {
        let table = audit.repeats(repeats);
        write!(stdout, "{table}")?;
        good &= table.is_good();
    }
    if !args.null && !args.twins && args.repeats.is_none() {
        let bar = ProgressBar::with_draw_target(
            u64::try_from(faults.len()).ok(),
            if std::io::stderr().is_terminal() {
                ProgressDrawTarget::stderr()
            } else {
                ProgressDrawTarget::hidden()
            },
        );
        let table = audit.faults(&faults, &|_| bar.inc(1));
        bar.finish_and_clear();
        write!(stdout, "{table}")?;
        if let Some(file) = &args.write_proved {
            write_proved(file, &table.proved())?;
        }
        if let Some(file) = &args.still_proved {
            good &= still_proved(file, &table.proved())?;
        }
        good &= table.is_good();
    }
    stdout.flush()?;
    Ok(if good { Exit::Ok } else { Exit::Found })
}

fn write_proved(file: &Path, proved: &BTreeSet<String>) -> Result<(), Stop> {
    let mut text = PROVED_HEAD.to_owned();
    for id in proved {
        text.push_str(id);
        text.push('\n');
    }
    std::fs::write(file, text)
        .map_err(|error| Stop::usage(format!("cannot write {}: {error}", file.display())))
}

/// Whether nothing of the list was lost.
fn still_proved(file: &Path, proved: &BTreeSet<String>) -> Result<bool, Stop> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Stop::usage(format!("cannot read {}: {error}", file.display())))?;
    let listed = text.lines().map(str::trim);
    let lost: Vec<&str> = listed
        .filter(|id| !id.is_empty() && !id.starts_with('#') && !proved.contains(*id))
        .collect();
    if !lost.is_empty() {
        out::diagnose(format!("no longer proved: {}", lost.join(" ")));
    }
    Ok(lost.is_empty())
}

/// First line of the list of proved requirements.
const PROVED_HEAD: &str =
    "# Requirements that were seen broken by what cites them: btspec audit --write-proved FILE.\n";

/// The faults of these names or globs; all without any.
fn chosen(wanted: &[String]) -> Result<Vec<&'static FaultSpec>, Stop> {
    if wanted.is_empty() {
        return Ok(fault::all().collect());
    }
    let mut chosen = Vec::new();
    for pattern in wanted {
        let before = chosen.len();
        chosen.extend(fault::all().filter(|fault| glob::matches(pattern, fault.name)));
        if chosen.len() == before {
            return Err(Stop::usage(format!(
                "no fault matches `{pattern}`; see `btspec audit --list`"
            )));
        }
    }
    Ok(chosen)
}
