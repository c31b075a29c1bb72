//! `btspec matrix`: several clients, or recordings of them, side by side.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use btspec::outcome::join::join;
use btspec::outcome::matrix::Matrix;
use btspec::outcome::recording::{self, Recording};
use btspec::outcome::{Exit, RunOutcome};
use btspec::report::{Context, Sources, html, text};
use clap::Parser;

use super::args::{Cli, Command, MatrixArgs, MatrixFormat, MatrixRole, Named};
use super::known::Known;
use super::run_args::RunArgs;
use super::stop::Stop;
use super::{interrupt, out, play, select};

pub(super) fn run(args: &MatrixArgs) -> Result<Exit, Stop> {
    if args.files.is_empty() && args.client.is_empty() {
        return Err(Stop::usage(
            "nothing to compare: name recordings (run --report json=FILE), or clients with --client",
        ));
    }
    let mut recordings = Vec::new();
    for path in &args.files {
        recordings.push(recording::read(path).map_err(Stop::usage)?);
    }
    let halt = interrupt::halt();
    for client in &args.client {
        if halt.why().is_some() {
            break;
        }
        recordings.extend(played(args, client)?);
    }
    let mut runs = joined(recordings)?;
    for run in &mut runs {
        know(run, &args.expectations)?;
    }
    for Named { name, .. } in &args.expectations {
        if !runs.iter().any(|run| column(run) == name) {
            let names: Vec<&str> = runs.iter().map(column).collect();
            let message = format!(
                "--expectations names `{name}`; there are {}",
                names.join(", ")
            );
            return Err(Stop::usage(message));
        }
    }
    let matrix = Matrix::of(&runs);
    let context = context()?;
    for to in &args.report {
        let written = std::fs::File::create(&to.path)
            .map(std::io::BufWriter::new)
            .and_then(|mut file| {
                write(&matrix, &runs, &context, to.format, &mut file)?;
                file.flush()
            });
        written
            .map_err(|error| Stop::usage(format!("cannot write {}: {error}", to.path.display())))?;
    }
    let mut stdout = out::stdout();
    write(&matrix, &runs, &context, args.format, &mut stdout)?;
    stdout.flush()?;
    match halt.why() {
        None => Ok(Exit::Ok),
        Some(why) => Err(Stop {
            exit: Exit::Unreachable,
            message: format!("error: {why}: what is missing was not played"),
        }),
    }
}

fn write(
    matrix: &Matrix,
    runs: &[RunOutcome],
    context: &Context,
    format: MatrixFormat,
    to: &mut dyn Write,
) -> std::io::Result<()> {
    match format {
        MatrixFormat::Text => btspec::report::matrix::text(matrix, to),
        MatrixFormat::Html => html::matrix::write(matrix, runs, context, to),
        MatrixFormat::Json => {
            serde_json::to_writer_pretty(&mut *to, matrix).map_err(std::io::Error::from)?;
            writeln!(to)
        }
    }
}

/// The cases as they are written.
fn context() -> Result<Context, Stop> {
    Ok(Context {
        sources: Sources::of(&select::load(&[])?),
        ..Context::default()
    })
}

/// The name of a run's column.
fn column(run: &RunOutcome) -> &str {
    let spec = run.target.spec.as_str();
    spec.strip_prefix("client:").unwrap_or(spec)
}

/// Plays against a client, in each role that is asked for.
fn played(args: &MatrixArgs, client: &str) -> Result<Vec<Recording>, Stop> {
    let roles: &[&str] = match args.role {
        MatrixRole::Seed => &["seed"],
        MatrixRole::Leech => &["leech"],
        MatrixRole::Both => &["seed", "leech"],
    };
    let suites = select::load(&[])?;
    let mut recordings = Vec::new();
    for role in roles {
        if interrupt::halt().why().is_some() {
            break;
        }
        out::diagnose(format!("btspec: {} as {role}", text::safe(client)));
        let run_args = run_args(args, client, role)?;
        let choose = |roles: &[_]| {
            let choice = btspec::scenario::Choice {
                roles: roles.to_vec(),
                ..select::everything(Vec::new())
            };
            select::select(&suites, &run_args.selection, &choice)
        };
        let (mut run, _) = play::play(&run_args, &choose, None, &mut |_| {})?;
        run.exit = Exit::of_run(&run, 0, false).code();
        recordings.push(Recording {
            name: format!("{client} as {role}"),
            run,
            complete: true,
        });
    }
    Ok(recordings)
}

/// What `btspec run` would be told.
fn run_args(args: &MatrixArgs, client: &str, role: &str) -> Result<Box<RunArgs>, Stop> {
    let mut words = vec!["btspec", "run", "--client", client, "--role", role];
    if let Some(filter) = &args.filter {
        words.extend(["--filter", filter]);
    }
    let cli = Cli::try_parse_from(words).map_err(|error| Stop::usage(error.to_string()))?;
    match cli.command {
        Command::Run(run) => Ok(run),
        _ => Err(Stop::usage("`run` is no command")),
    }
}

/// One run for each target: roles and partitions joined.
fn joined(recordings: Vec<Recording>) -> Result<Vec<RunOutcome>, Stop> {
    let mut order = Vec::new();
    let mut targets: BTreeMap<String, Vec<Recording>> = BTreeMap::new();
    for recording in recordings {
        let spec = recording.run.target.spec.clone();
        if !targets.contains_key(&spec) {
            order.push(spec.clone());
        }
        targets.entry(spec).or_default().push(recording);
    }
    let mut runs = Vec::new();
    for spec in order {
        let of_target = targets.remove(&spec).unwrap_or_default();
        let Some(joined) = join(of_target).map_err(Stop::usage)? else {
            continue;
        };
        for warning in joined.warnings {
            out::diagnose(format!("btspec: {}", text::safe(&warning)));
        }
        runs.push(joined.run);
    }
    Ok(runs)
}

/// Marks what is known.
fn know(run: &mut RunOutcome, expectations: &[Named]) -> Result<(), Stop> {
    let of_run = expectations.iter().filter(|it| it.name == column(run));
    let files: Vec<&Path> = of_run.map(|it| it.path.as_path()).collect();
    for file in files {
        let known = Known::load(Some(file), false)?;
        // What is stale is for `run` and `report` to say.
        let _ = known.apply(run, &select::load(&[])?)?;
    }
    Ok(())
}
