//! `btspec run`: everything that can be wrong before the first byte is sent, the run, its reports.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Mutex;
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use btspec::engine::player::Played;
use btspec::engine::rows::rule_rows;
use btspec::engine::self_mode::{self, SelfMode};
use btspec::engine::sim::WorldConfig;
use btspec::outcome::date::Date;
use btspec::outcome::expectation::{Complaint, Expectations, Surroundings};
use btspec::outcome::{Exit, Millis, RunEvent, RunOutcome, TargetInfo};
use btspec::report::Context;
use btspec::scenario::Choice;
use btspec::scenario::ast::Role;
use btspec::target::Spec;

use super::progress::Progress;
use super::run_args::{RoleArg, RunArgs, Seed};
use super::select::{self, Selected};
use super::stop::Stop;
use super::{content, fault, out};

pub(super) fn run(args: &RunArgs) -> Result<Exit, Stop> {
    let known = Known::load(args)?;
    let suites = select::load(&args.selection.paths)?;
    let choice = Choice {
        roles: roles(args),
        ..select::everything(args.variant.clone())
    };
    let selected = select::select(&suites, &args.selection, &choice)?;
    for report in &args.report {
        // Found out now, not after ten minutes.
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&report.path)
            .map_err(|error| {
                Stop::usage(format!("cannot write {}: {error}", report.path.display()))
            })?;
    }
    let seed = match args.seed {
        Seed::Number(number) => number,
        Seed::Random => now().subsec_nanos().into(),
    };
    let mut run = match &args.target.spec {
        Spec::Own => play_self(args, &selected, seed)?,
        Spec::Address(_) => return Err(Stop::usage("only `self` so far")),
    };
    let complaints = known.apply(&mut run, &selected);
    run.exit = Exit::of_run(&run, complaints.len(), args.strict).code();
    report(args, &run, &complaints)?;
    known.update(args, &run, &complaints)?;
    Ok(Exit::of_run(&run, complaints.len(), args.strict))
}

fn roles(args: &RunArgs) -> Vec<Role> {
    match args.role {
        RoleArg::Auto => vec![Role::Seed, Role::Leech],
        RoleArg::Seed => vec![Role::Seed],
        RoleArg::Leech => vec![Role::Leech],
    }
}

/// Since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where the clock is read: today's date, a random seed"
)]
fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Plays against the reference peer, in simulation.
fn play_self(args: &RunArgs, selected: &Selected, seed: u64) -> Result<RunOutcome, Stop> {
    let faults = fault::set(&args.fault)?;
    let make =
        self_mode::reference(move |config| config.with_seed(seed).with_faults(faults.clone()));
    let mut mode = SelfMode::new(&make);
    if args.torrent.is_some() {
        mode.torrents = vec![content::torrent(
            args.torrent.as_deref(),
            args.data.as_deref(),
        )?];
    }
    mode.world = WorldConfig::with_latency(args.latency.unwrap_or_default());
    mode.settings.seed = seed;
    mode.settings.time_scale = args.time_scale;
    mode.jobs = args.jobs.map_or_else(
        || available_parallelism().map_or(1, usize::from),
        usize::from,
    );
    let progress = Mutex::new(Progress::new());
    let tell = |event: &RunEvent| {
        progress
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .event(event);
    };
    tell(&RunEvent::Started {
        plays: selected.plays.len(),
        target: args.target.text.clone(),
    });
    let played = mode.play_all(&selected.plays, &|played: &Played| {
        tell(&RunEvent::CaseFinished(Box::new(played.outcome.clone())));
    });
    tell(&RunEvent::Finished);
    let mut target = TargetInfo {
        spec: args.target.text.clone(),
        role: Some(
            match args.role {
                RoleArg::Auto => "both",
                RoleArg::Seed => "seed",
                RoleArg::Leech => "leech",
            }
            .to_owned(),
        ),
        ..TargetInfo::default()
    };
    if let Some(profile) = played.iter().find_map(|played| played.profile.as_ref()) {
        target.client.clone_from(&profile.client);
        target.reserved = profile
            .reserved
            .known()
            .map(|bit| bit.name.to_owned())
            .collect();
        target.extensions = profile
            .extensions
            .iter()
            .map(|(name, id)| (name.clone(), u64::from(*id)))
            .collect();
    }
    let mut rows = played
        .iter()
        .map(|played| played.outcome.clone())
        .collect::<Vec<_>>();
    rows.extend(rule_rows(&played, &selected.rules));
    let mut run = RunOutcome::new(target, seed, rows);
    run.duration_ms = Millis(
        run.cases
            .iter()
            .map(|case| case.duration_ms.0)
            .fold(Duration::ZERO, Duration::saturating_add),
    );
    Ok(run)
}

/// The expectations file of a run, if there is one.
struct Known {
    text: String,
    expectations: Option<Expectations>,
    today: Date,
}

impl Known {
    fn load(args: &RunArgs) -> Result<Self, Stop> {
        let today = Date::since_epoch(now());
        let Some(path) = &args.expectations else {
            return Ok(Self {
                text: String::new(),
                expectations: None,
                today,
            });
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            // The first update makes the file.
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && args.update_expectations =>
            {
                String::new()
            }
            Err(error) => {
                return Err(Stop::usage(format!(
                    "cannot read {}: {error}",
                    path.display()
                )));
            }
        };
        let expectations = Expectations::load(&path.display().to_string(), &text)
            .map_err(|error| Stop::scenarios(&[error]))?;
        Ok(Self {
            text,
            expectations: Some(expectations),
            today,
        })
    }

    fn apply(&self, run: &mut RunOutcome, selected: &Selected) -> Vec<Complaint> {
        let Some(expectations) = &self.expectations else {
            return Vec::new();
        };
        // `Transmission 3.00`: the first word that begins like a number.
        let client = run.target.client.clone();
        let version = client.as_deref().and_then(|client| {
            client
                .split_whitespace()
                .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        });
        let around = Surroundings {
            today: self.today,
            version,
            unselected: &selected.unselected,
        };
        expectations.apply(run, &around)
    }

    fn update(
        &self,
        args: &RunArgs,
        run: &RunOutcome,
        complaints: &[Complaint],
    ) -> Result<(), Stop> {
        let (Some(expectations), Some(path), true) = (
            &self.expectations,
            &args.expectations,
            args.update_expectations,
        ) else {
            return Ok(());
        };
        let edited = expectations.update(&self.text, run, complaints, args.strict, self.today);
        if edited != self.text {
            std::fs::write(path, edited).map_err(|error| {
                Stop::usage(format!("cannot write {}: {error}", path.display()))
            })?;
        }
        Ok(())
    }
}

fn report(args: &RunArgs, run: &RunOutcome, complaints: &[Complaint]) -> Result<(), Stop> {
    let context = Context {
        colour: false,
        verbose: args.verbose,
        strict: args.strict,
        repeat: repeat(args),
        complaints: complaints.iter().map(Complaint::to_string).collect(),
    };
    for to in &args.report {
        let written = std::fs::File::create(&to.path)
            .and_then(|mut file| (to.format.write)(run, &context, &mut file));
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

/// The words that play on the same target in the same way.
fn repeat(args: &RunArgs) -> Vec<String> {
    let mut words = vec!["run".to_owned()];
    let mut flag = |name: &str, value: String| words.extend([format!("--{name}"), value]);
    if args.target.spec != Spec::Own {
        flag("target", args.target.text.clone());
    }
    if let Some(torrent) = &args.torrent {
        flag("torrent", torrent.display().to_string());
    }
    if let Some(data) = &args.data {
        flag("data", data.display().to_string());
    }
    if let Some(latency) = args.latency {
        flag("latency", format!("{}ms", latency.as_secs_f64() * 1000.0));
    }
    for fault in &args.fault {
        flag("fault", fault.clone());
    }
    for variant in &args.variant {
        flag("variant", variant.to_string());
    }
    if args.time_scale > 1.0 {
        flag("time-scale", args.time_scale.to_string());
    }
    let paths = args.selection.paths.iter();
    words.extend(paths.map(|path| path.display().to_string()));
    words
}
