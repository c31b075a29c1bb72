//! `btspec fuzz`: campaigns against a target, their finds as files, a report.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use btspec::engine::driver::SocketStage;
use btspec::engine::self_mode::{Make, reference};
use btspec::engine::stage::Stage;
use btspec::fuzz::bench::Bench;
use btspec::fuzz::campaign::{Campaign, Campaigned, Config, Ending, Find, News};
use btspec::fuzz::ground::{Ground, Role};
use btspec::fuzz::report::{FuzzReport, RoleReport, Saved, name};
use btspec::fuzz::sim::SimBench;
use btspec::fuzz::sockets::{LANES, MOST_LANES, SocketBench};
use btspec::fuzz::write::{About, file_name, scenario};
use btspec::outcome::Exit;
use btspec::scenario::ast;
use btspec::target::{Halt, RoleError, Spec, spec};
use btspec::torrent::Torrent;

use super::fuzz_args::{FuzzArgs, TargetArgs};
use super::fuzz_progress::FuzzProgress;
use super::reach::{self, Closed};
use super::run_args::RoleArg;
use super::stop::Stop;
use super::{content, interrupt, out};

pub(super) fn run(args: &FuzzArgs) -> Result<Exit, Stop> {
    let torrent = content::torrent(args.target.torrent.as_deref(), args.target.data.as_deref())?;
    fs::create_dir_all(&args.out)
        .map_err(|error| Stop::usage(format!("cannot write to {}: {error}", args.out.display())))?;
    if let Some(path) = &args.report {
        fs::write(path, "")
            .map_err(|error| Stop::usage(format!("cannot write {}: {error}", path.display())))?;
    }
    let job = Job {
        args,
        config: config(args),
        halt: interrupt::halt(),
    };
    let report = if args.target.is_self() {
        job.against_self(&torrent)?
    } else {
        job.live(&torrent)?
    };
    if let Some(path) = &args.report {
        let written = fs::File::create(path).and_then(|mut file| report.write(&mut file));
        written.map_err(|error| Stop {
            exit: Exit::Internal,
            message: format!("error: cannot write {}: {error}", path.display()),
        })?;
    }
    summary(&report)?;
    Ok(report.exit())
}

fn config(args: &FuzzArgs) -> Config {
    Config {
        seed: args.seed.0,
        part: args.seeds,
        cases: args.cases,
        duration: args.duration,
        finds: args.finds,
        ..Config::default()
    }
}

struct Job<'a> {
    args: &'a FuzzArgs,
    config: Config,
    /// The campaign ends behind the find or batch that it is at.
    halt: Halt,
}

impl Job<'_> {
    fn against_self(&self, torrent: &Torrent) -> Result<FuzzReport, Stop> {
        let roles: &[Role] = match self.args.target.role {
            RoleArg::Auto => &[Role::Seed, Role::Leech],
            RoleArg::Seed => &[Role::Seed],
            RoleArg::Leech => &[Role::Leech],
        };
        let mut config = self.config.clone();
        let parts = u64::try_from(roles.len()).unwrap_or(1).max(1);
        let bounded = config.cases.is_some() || config.duration.is_some() || config.finds.is_some();
        let cases = config.cases.or_else(|| (!bounded).then_some(SELF_CASES));
        config.cases = cases.map(|cases| cases.div_ceil(parts));
        let start = |ground: &Ground| {
            let role = match ground.role() {
                Role::Seed => ast::Role::Seed,
                Role::Leech => ast::Role::Leech,
            };
            reference(|config| config).make(role, ground.torrent())
        };
        let (mut rows, mut endings) = (Vec::new(), Vec::new());
        for role in roles {
            let ground = Ground::new(torrent.clone(), *role);
            let mut bench = SimBench::new(&start, ground.clone());
            let (row, ending) = self.campaign(&mut bench, &ground, config.clone())?;
            rows.push(row);
            endings.push(ending);
        }
        Ok(FuzzReport::new(
            &self.args.target.name(),
            &self.config,
            rows,
            &endings,
        ))
    }

    fn live(&self, torrent: &Torrent) -> Result<FuzzReport, Stop> {
        let target = &self.args.target;
        let unreachable = |why: String| {
            let ending = Ending::Unreachable(why);
            FuzzReport::new(&target.name(), &self.config, Vec::new(), &[ending])
        };
        let (stage, role) = match open(target, torrent) {
            Ok(opened) => opened,
            Err(Closed::Stop(stop)) => return Err(stop),
            Err(Closed::Unreachable(why)) => {
                out::diagnose(format!("error: {why}"));
                return Ok(unreachable(why));
            }
        };
        let addr = stage.target().addr();
        if !target.i_run_this_target && !spec::is_private(addr.ip()) {
            return Err(Stop::usage(format!(
                "{addr} is not a private address, and fuzzing may break what listens there: \
                 --i-run-this-target says that it is yours"
            )));
        }
        let (lanes, wide) = match self.args.jobs.map(usize::from) {
            Some(jobs) => (jobs, jobs),
            None => (LANES.min(stage.bears()), MOST_LANES),
        };
        let ground = Ground::new(torrent.clone(), role);
        let mut bench =
            SocketBench::new(stage, lanes, wide, target.source.as_ref()).map_err(Stop::usage)?;
        let (row, ending) = self.campaign(&mut bench, &ground, self.config.clone())?;
        bench.close();
        Ok(FuzzReport::new(
            &target.name(),
            &self.config,
            vec![row],
            &[ending],
        ))
    }

    fn campaign(
        &self,
        bench: &mut dyn Bench,
        ground: &Ground,
        config: Config,
    ) -> Result<(RoleReport, Ending), Stop> {
        let role = ground.role();
        let saved = self.args.out.join(format!("{}.state.json", name(role)));
        let folder = self.args.out.join(name(role));
        fs::create_dir_all(&folder).map_err(|error| {
            Stop::usage(format!("cannot write to {}: {error}", folder.display()))
        })?;
        let virtual_time = bench.is_virtual();
        let seed = config.seed;
        let target = self.args.target.name();
        let about = About {
            target: &target,
            seed,
        };
        let mut progress = FuzzProgress::new(name(role), virtual_time);
        let mut news = |news: News<'_>| {
            if let News::Found(find) = &news {
                write_find(find, ground, &about, &folder);
            }
            progress.tell(&news);
        };
        let stop = || self.halt.why().is_some();
        let mut campaign = Campaign::new(bench, ground.clone(), config, &mut news, &stop);
        if self.args.resume {
            let (next, corpus, finds) = restore(&saved, seed)?;
            campaign = campaign.resume(next, corpus, finds);
        }
        let run = campaign.run();
        drop(progress);
        save(&saved, &Saved::of(seed, role, &run));
        if run.ending == Ending::Dead {
            write_last(&run, &folder);
        }
        let row = RoleReport::new(role, &run, virtual_time, |find| {
            Some(folder.join(file_name(find)).display().to_string())
        });
        Ok((row, run.ending))
    }
}

/// A find on disk at once: what comes after may go wrong.
fn write_find(find: &Find, ground: &Ground, about: &About<'_>, folder: &Path) {
    let path = folder.join(file_name(find));
    if let Err(error) = fs::write(&path, scenario(find, ground, about)) {
        out::diagnose(format!("btspec: cannot write {}: {error}", path.display()));
    }
}

/// The last cases before a death that nobody can repeat.
fn write_last(run: &Campaigned, folder: &Path) {
    let skip = run.last.len().saturating_sub(LAST);
    let last: Vec<_> = run.last.iter().skip(skip).collect();
    let path = folder.join("last-cases.json");
    let written = serde_json::to_string_pretty(&last)
        .map_err(std::io::Error::from)
        .and_then(|text| fs::write(&path, text));
    if let Err(error) = written {
        out::diagnose(format!("btspec: cannot write {}: {error}", path.display()));
    }
}

fn save(path: &Path, saved: &Saved) {
    let written = serde_json::to_string(saved)
        .map_err(std::io::Error::from)
        .and_then(|text| fs::write(path, text));
    if let Err(error) = written {
        out::diagnose(format!("btspec: cannot write {}: {error}", path.display()));
    }
}

type Restored = (u64, btspec::fuzz::corpus::Corpus, Vec<Find>);

fn restore(path: &PathBuf, seed: u64) -> Result<Restored, Stop> {
    let text = fs::read_to_string(path).map_err(|error| {
        Stop::usage(format!(
            "nothing to resume: cannot read {}: {error}",
            path.display()
        ))
    })?;
    let saved: Saved = serde_json::from_str(&text)
        .map_err(|error| Stop::usage(format!("cannot use {}: {error}", path.display())))?;
    if saved.seed != seed {
        return Err(Stop::usage(format!(
            "{} is of --seed {}, not {seed}",
            path.display(),
            saved.seed
        )));
    }
    Ok(saved.restore())
}

/// Reaches the target or starts it, and finds out its role.
pub(super) fn open(args: &TargetArgs, torrent: &Torrent) -> Result<(SocketStage, Role), Closed> {
    let usage = |error: &dyn std::fmt::Display| Closed::Stop(Stop::usage(error));
    let source = args.source.as_ref();
    if let Some(driver) = reach::driver(args.client.as_deref(), args.exec.as_deref(), source)? {
        let role = match args.role {
            RoleArg::Auto | RoleArg::Seed => Role::Seed,
            RoleArg::Leech => Role::Leech,
        };
        let launcher = reach::launcher()?;
        let stage =
            SocketStage::client(driver, role, torrent.clone(), launcher, &interrupt::halt())?;
        return Ok((stage, role));
    }
    let Spec::Address(address) = &args.target.spec else {
        return Err(Closed::Stop(Stop::internal("no address to play at")));
    };
    let mut stage = SocketStage::at(address, source)?;
    let addr = stage.target().addr();
    if !args.i_run_this_target && !spec::is_private(addr.ip()) {
        return Err(usage(&format!(
            "{addr} is not a private address: --i-run-this-target says that what listens there is \
             yours"
        )));
    }
    let role = match args.role {
        RoleArg::Seed => Role::Seed,
        RoleArg::Leech => Role::Leech,
        RoleArg::Auto => match stage.role_of(torrent) {
            Ok((role, _)) => role,
            Err(error @ RoleError::Unclear { .. }) => return Err(usage(&error)),
            Err(error) => return Err(Closed::Unreachable(error.to_string())),
        },
    };
    Ok((stage, role))
}

fn summary(report: &FuzzReport) -> Result<(), Stop> {
    let mut stdout = out::stdout();
    for role in &report.roles {
        for finding in &role.findings {
            let sure = if finding.confirmed {
                "confirmed"
            } else {
                "unconfirmed"
            };
            let observed = finding.observed.lines().next().unwrap_or_default();
            writeln!(
                stdout,
                "{} {} ({sure}, {} steps, noticed {} times): {observed}",
                role.role, finding.bucket, finding.steps, finding.count
            )?;
            if !finding.left.is_nothing() {
                writeln!(
                    stdout,
                    "    {}: {} goes on",
                    finding.left,
                    finding.left.by()
                )?;
            }
            if let Some(file) = &finding.file {
                writeln!(stdout, "    {file}")?;
            }
        }
        for (rule, count) in &role.notes {
            writeln!(
                stdout,
                "{} note: {count} times against custom: {rule}",
                role.role
            )?;
        }
        for (bucket, count) in &role.unrepeated {
            writeln!(
                stdout,
                "{} note: {count} times, and never again: {bucket}",
                role.role
            )?;
        }
        let seconds = Duration::from(role.duration_ms).as_secs();
        let rate = role
            .rate
            .map(|rate| format!(" ({rate} a second)"))
            .unwrap_or_default();
        writeln!(
            stdout,
            "{}: {} cases in {seconds} s{rate}; {} states, {} reactions, {} kept; {} finds, {} restarts",
            role.role,
            role.cases,
            role.states.len(),
            role.reactions,
            role.corpus,
            role.findings.len(),
            role.restarts
        )?;
    }
    if let Some(reason) = &report.reason {
        writeln!(stdout, "ended early: {reason}")?;
    }
    stdout.flush()?;
    Ok(())
}

/// Cases against the reference peer when nobody says how many.
const SELF_CASES: u64 = 100_000;
/// Cases that are written after a death.
const LAST: usize = 20;
