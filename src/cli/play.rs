//! The run itself: against the reference peer in simulation, or over sockets.

use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use btspec::engine::driver::{OpenError, SocketStage};
use btspec::engine::run::{RunConfig, run_fleet, run_live, run_self};
use btspec::engine::self_mode::{self, SelfMode};
use btspec::engine::settings::Settings;
use btspec::engine::shared::SharedTarget;
use btspec::engine::sim::WorldConfig;
use btspec::engine::stage::Stage;
use btspec::outcome::date::Date;
use btspec::outcome::expectation::Expectations;
use btspec::outcome::{CaseOutcome, RunEvent, RunOutcome, Summary, TargetInfo, Verdict};
use btspec::scenario::ast::{Lane, Role};
use btspec::scenario::{Play, shuffle};
use btspec::target::{RoleError, Spec, spec};
use btspec::torrent::{Torrent, fixture};

use super::progress::Progress;
use super::reach::{self, Closed};
use super::run_args::{RoleArg, RunArgs};
use super::select::Selected;
use super::stop::Stop;
use super::{content, fault, interrupt, out};

/// Picks plays once the roles are known.
type Select<'a> = dyn Fn(&[Role]) -> Result<Selected, Stop> + 'a;

/// Hears what happens, beside the progress line.
type Tell<'a> = dyn FnMut(&RunEvent) + Send + 'a;

/// Plays what `select` picks. What is wrong with the arguments is found before anything is sent.
/// `expected` fails do not count for `--max-fail`; `tell` hears what happens.
pub(super) fn play(
    args: &RunArgs,
    select: &Select<'_>,
    expected: Option<(Expectations, Date)>,
    tell: &mut Tell<'_>,
) -> Result<(RunOutcome, Selected), Stop> {
    let only_self = [
        ("--latency", args.latency.is_some()),
        ("--fault", !args.fault.is_empty()),
        ("--twin", args.twin.is_some()),
        ("--shared-target", args.shared_target),
    ];
    if args.instances.is_some() && args.is_self() {
        return Err(Stop::usage("--instances is for --client and --exec"));
    }
    for (flag, given) in only_self {
        if given && !args.is_self() {
            return Err(Stop::usage(format!("{flag} is for the target `self`")));
        }
    }
    if args.is_self() {
        play_self(args, select, expected, tell)
    } else {
        play_live(args, select, expected, tell)
    }
}

fn config(args: &RunArgs, selected: &Selected) -> RunConfig {
    RunConfig {
        longest_first: !args.shuffle,
        settings: Settings {
            seed: args.seed.0,
            time_scale: args.time_scale,
            ..Settings::default()
        },
        rules: selected.rules.clone(),
        preflight: !args.no_preflight,
        jobs: args.jobs.map_or_else(|| default_jobs(args), usize::from),
        max_fail: args.max_fail.map(usize::from),
        // Who names a torrent means that one.
        others: match args.torrent {
            None => fixture::all().map(|it| it.torrent).to_vec(),
            Some(_) => Vec::new(),
        },
        ..RunConfig::new(args.target_name())
    }
}

/// Simulation is bound by processors, everything else by what the target bears.
fn default_jobs(args: &RunArgs) -> usize {
    match args.is_self() {
        true => available_parallelism().map_or(1, usize::from),
        false => usize::MAX,
    }
}

/// Against the reference peer.
fn play_self(
    args: &RunArgs,
    select: &Select<'_>,
    expected: Option<(Expectations, Date)>,
    tell: &mut Tell<'_>,
) -> Result<(RunOutcome, Selected), Stop> {
    let roles: &[Role] = match args.role {
        RoleArg::Auto => &[Role::Seed, Role::Leech],
        RoleArg::Seed => &[Role::Seed],
        RoleArg::Leech => &[Role::Leech],
    };
    let mut selected = select(roles)?;
    let config = RunConfig {
        expected,
        ..config(args, &selected)
    };
    if args.shuffle {
        shuffle(&mut selected.plays, config.settings.seed);
    }
    let faults = fault::set(&args.fault)?;
    let seed = config.settings.seed;
    let twin = args.twin.as_deref().map(fault::twin).transpose()?;
    let make = self_mode::reference(move |peer| {
        let peer = peer.with_seed(seed).with_faults(faults.clone());
        twin.map_or_else(|| peer.clone(), |twin| (twin.change)(peer.clone()))
    });
    let mut mode = SelfMode::new(&make);
    mode.halt = interrupt::halt();
    if args.torrent.is_some() {
        mode.torrents = vec![torrent(args)?];
    }
    mode.world = WorldConfig::with_latency(args.latency.unwrap_or_default());
    if args.shared_target {
        let &[role] = roles else {
            return Err(Stop::usage(
                "one target has one role: --shared-target needs --role seed or --role leech",
            ));
        };
        let torrent = torrent(args)?;
        let mut stage = SharedTarget::new(&make, role, torrent.clone(), mode.world);
        let mut progress = Progress::new();
        let run = run_live(
            &mut stage,
            &torrent,
            &selected.plays,
            &config,
            &mut |event| {
                progress.event(&event);
                tell(&event);
            },
        );
        return Ok((run, selected));
    }
    let told = Mutex::new((Progress::new(), tell));
    let run = run_self(&mut mode, &selected.plays, &config, &|event| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        let (progress, tell) = &mut *told;
        progress.event(&event);
        tell(&event);
    });
    Ok((run, selected))
}

/// Against a target on real sockets.
fn play_live(
    args: &RunArgs,
    select: &Select<'_>,
    expected: Option<(Expectations, Date)>,
    tell: &mut Tell<'_>,
) -> Result<(RunOutcome, Selected), Stop> {
    let torrent = torrent(args)?;
    let (mut stages, role) = match open(args, &torrent) {
        Ok(opened) => opened,
        Err(Closed::Stop(stop)) => return Err(stop),
        Err(Closed::Unreachable(reason)) => {
            // The reports say so too.
            let selected = select(&[])?;
            let info = TargetInfo {
                spec: args.target_name(),
                ..TargetInfo::default()
            };
            let mut run = RunOutcome::new(info, config(args, &selected).settings.seed, Vec::new());
            run.lost = Some(reason);
            return Ok((run, selected));
        }
    };
    let mut selected = select(&[role])?;
    let config = RunConfig {
        expected,
        ..config(args, &selected)
    };
    if args.shuffle {
        shuffle(&mut selected.plays, config.settings.seed);
    }
    let left_out = match stages.first() {
        Some(stage) => leave_out(args, stage, &mut selected.plays),
        None => Vec::new(),
    };
    let mut progress = Progress::new();
    let mut run = run_fleet(
        &mut stages,
        &torrent,
        &selected.plays,
        &config,
        &mut |event| {
            progress.event(&event);
            tell(&event);
        },
    );
    drop(progress);
    for stage in stages {
        stage.close();
    }
    if !left_out.is_empty() {
        run.cases.splice(0..0, left_out);
        run.summary = Summary::of(&run.cases);
    }
    Ok((run, selected))
}

fn torrent(args: &RunArgs) -> Result<Torrent, Stop> {
    content::torrent(args.torrent.as_deref(), args.data.as_deref())
}

/// Reaches the target or starts it, maybe several times, and finds out its role.
fn open(args: &RunArgs, torrent: &Torrent) -> Result<(Vec<SocketStage>, Role), Closed> {
    let usage = |error: &dyn std::fmt::Display| Closed::Stop(Stop::usage(error));
    let source = args.source.as_ref();
    if let Some(driver) = reach::driver(args.client.as_deref(), args.exec.as_deref(), source)? {
        let role = match args.role {
            RoleArg::Auto | RoleArg::Seed => Role::Seed,
            RoleArg::Leech => Role::Leech,
        };
        let launcher = reach::launcher()?;
        let instances = args
            .instances
            .map_or_else(|| driver.instances(), usize::from);
        let start = || -> Result<SocketStage, OpenError> {
            let driver = driver.clone();
            let halt = interrupt::halt();
            let role = peer_role(role);
            let mut stage =
                SocketStage::client(driver, role, torrent.clone(), launcher.clone(), &halt)?;
            stage.heed(&halt);
            Ok(stage)
        };
        // Whether it starts at all is found out with one.
        let mut stages = vec![start()?];
        let others = std::thread::scope(|scope| {
            #[expect(
                clippy::needless_collect,
                reason = "all of them start before the first is waited for"
            )]
            let others: Vec<_> = (1..instances).map(|_| scope.spawn(start)).collect();
            let joined = others.into_iter().map(|other| {
                let panicked = std::panic::resume_unwind;
                other.join().unwrap_or_else(|panic| panicked(panic))
            });
            joined.collect::<Vec<_>>()
        });
        for other in others {
            stages.push(other.map_err(|error| {
                let why = format!("{error}\none was started before: --instances 1 needs no more");
                if error.is_usage() {
                    Closed::Stop(Stop::usage(why))
                } else {
                    Closed::Unreachable(why)
                }
            })?);
        }
        return Ok((stages, role));
    }
    if args.instances.is_some() {
        return Err(usage(&"--instances is for --client and --exec"));
    }
    let Spec::Address(address) = &args.target.spec else {
        return Err(Closed::Stop(Stop::internal("no address to play at")));
    };
    let mut stage = SocketStage::at(address, source)?;
    stage.heed(&interrupt::halt());
    let role = match args.role {
        RoleArg::Seed => Role::Seed,
        RoleArg::Leech => Role::Leech,
        RoleArg::Auto => match stage.role_of(torrent) {
            Ok((btspec::peer::Role::Seed, _)) => Role::Seed,
            Ok((btspec::peer::Role::Leech, _)) => Role::Leech,
            Err(error @ RoleError::Unclear { .. }) => return Err(usage(&error)),
            Err(error) => {
                // The whole advice for the user, its first line for the reports.
                let advice = error.to_string();
                out::diagnose(format!("error: {advice}"));
                let reason = advice.lines().next().unwrap_or_default().to_owned();
                return Err(Closed::Unreachable(reason));
            }
        },
    };
    Ok((vec![stage], role))
}

fn peer_role(role: Role) -> btspec::peer::Role {
    match role {
        Role::Seed => btspec::peer::Role::Seed,
        Role::Leech => btspec::peer::Role::Leech,
    }
}

/// Takes plays out that this target or these addresses do not allow; each becomes a skip.
fn leave_out(args: &RunArgs, stage: &SocketStage, plays: &mut Vec<Play>) -> Vec<CaseOutcome> {
    let public = !args.i_run_this_target && !spec::is_private(stage.target().addr().ip());
    let single = stage.addresses() == Some(1);
    let tagged = |play: &Play, tag: &str| play.case.tags.iter().any(|found| found == tag);
    let mut rows = Vec::new();
    plays.retain(|play| {
        let heavy = tagged(play, "load") || play.case.lane == Lane::Alone;
        let reason = if public && heavy {
            "it may trouble the target, which has a public address: --i-run-this-target plays it"
        } else if single && !args.allow_ban && tagged(play, "ban") {
            "it may get our only source address banned: --allow-ban plays it"
        } else {
            return true;
        };
        let mut row = btspec::engine::player::empty_row(play);
        row.verdict = Verdict::Skip;
        row.reason = Some(reason.to_owned());
        rows.push(row);
        false
    });
    if single {
        // What may get us banned comes last; the order is otherwise that of the files.
        plays.sort_by_key(|play| tagged(play, "ban"));
    }
    rows
}
