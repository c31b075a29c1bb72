//! A run: preflight, order, repeats after trouble, rule rows, the outcome (DESIGN 4, 6 and 7).
//!
//! Nothing here knows how a play is driven. [`run_self`] plays in simulation with a fresh target
//! for each play; [`run_live`] plays on a [`Stage`], whose one target can be used up and lost, and
//! [`run_fleet`] on several.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::live::{Board, Worked, work};
use super::player::Played;
use super::rows::rule_rows;
use super::self_mode::SelfMode;
use super::settings::{Profile, Settings};
use super::stage::Stage;
use super::tables;
use crate::outcome::date::Date;
use crate::outcome::expectation::Expectations;
use crate::outcome::{CaseOutcome, Exit, RunEvent, RunOutcome, TargetInfo, Verdict};
use crate::rule::Rule;
use crate::scenario::ast::{Direction, Role};
use crate::scenario::{Choice, Play, expand, parse_text};
use crate::torrent::Torrent;

/// What a run is told beside its plays.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// The target as the user named it.
    pub target: String,
    /// What every player is told.
    pub settings: Settings,
    /// Rules that get a row.
    pub rules: Vec<&'static Rule>,
    /// Whether the target must prove that it serves before anything else is played.
    pub preflight: bool,
    /// Plays side by side.
    pub jobs: usize,
    /// Whether a live run begins with the plays that let most time pass; else in the order given.
    pub longest_first: bool,
    /// Stop after so many fails that are not expected.
    pub max_fail: Option<usize>,
    /// Known failures, and the day on which they are read: none of them counts for `max_fail`.
    pub expected: Option<(Expectations, Date)>,
    /// Torrents for plays that the run's own does not suit, where the target can be started with
    /// another.
    pub others: Vec<Torrent>,
}

impl RunConfig {
    /// A run against `target` with every rule and a preflight, one play at a time.
    pub fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            settings: Settings::default(),
            rules: crate::rule::RULES.iter().collect(),
            preflight: true,
            jobs: 1,
            longest_first: true,
            max_fail: None,
            expected: None,
            others: Vec::new(),
        }
    }

    /// Whether a result counts for `max_fail`.
    pub(super) fn counts(&self, outcome: &CaseOutcome) -> bool {
        let expected = || {
            let known = self.expected.as_ref();
            known.is_some_and(|(known, today)| known.covers(outcome, *today))
        };
        outcome.verdict == Verdict::Fail && !expected()
    }
}

/// Plays everything in simulation, a fresh target for each play, and sums up.
pub fn run_self(
    mode: &mut SelfMode<'_>,
    plays: &[Play],
    config: &RunConfig,
    tell: &(dyn Fn(RunEvent) + Sync),
) -> RunOutcome {
    tell(RunEvent::Started {
        plays: plays.len(),
        target: config.target.clone(),
    });
    mode.settings.clone_from(&config.settings);
    mode.jobs = config.jobs;
    let roles: BTreeSet<Role> = plays.iter().map(|play| play.role).collect();
    if config.preflight {
        mode.learn(roles.iter().copied());
    }
    let most = config.max_fail.unwrap_or(usize::MAX);
    let counts = |played: &Played| config.counts(&played.outcome);
    let results = mode.play_until(plays, most, &counts, &|played| {
        tell(RunEvent::CaseFinished(Box::new(played.outcome.clone())));
    });
    let halted = mode.halt.why();
    let lost = halted.filter(|_| results.iter().any(Option::is_none));
    let profile = mode.profiles.values().next().map(Arc::as_ref);
    let info = tables::target_info(&config.target, roles, profile);
    let rows = plays.iter().zip(&results).map(|(play, result)| {
        let played = result.as_ref().map(|played| played.outcome.clone());
        played.unwrap_or_else(|| tables::not_played(play, lost.as_deref(), true))
    });
    let cases = rows.collect();
    let played: Vec<Played> = results.into_iter().flatten().collect();
    tell(RunEvent::Finished);
    sum_up(info, config, cases, &played, lost)
}

/// Plays everything against the one target of a stage, and sums up.
pub fn run_live(
    stage: &mut dyn Stage,
    torrent: &Torrent,
    plays: &[Play],
    config: &RunConfig,
    tell: &mut (dyn FnMut(RunEvent) + Send),
) -> RunOutcome {
    let can_change = stage.can_restart();
    live(torrent, plays, config, can_change, tell, |board| {
        let worked = work(stage, board);
        (vec![worked], stage.halted())
    })
}

/// As [`run_live`], against several targets of one kind side by side: each plays what it comes
/// to next. The run goes on as long as one of them is left.
pub fn run_fleet<S: Stage + Send>(
    stages: &mut [S],
    torrent: &Torrent,
    plays: &[Play],
    config: &RunConfig,
    tell: &mut (dyn FnMut(RunEvent) + Send),
) -> RunOutcome {
    let can_change = stages.iter().all(Stage::can_restart);
    live(torrent, plays, config, can_change, tell, |board| {
        let worked = std::thread::scope(|scope| {
            let workers: Vec<_> = stages
                .iter_mut()
                .map(|stage| scope.spawn(move || work(stage, board)))
                .collect();
            let ended = workers.into_iter().map(|worker| {
                // A worker that panicked is our defect: it must not look like a short run.
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            ended.collect()
        });
        (worked, stages.iter().find_map(Stage::halted))
    })
}

fn live<'a>(
    torrent: &'a Torrent,
    plays: &'a [Play],
    config: &'a RunConfig,
    can_change: bool,
    tell: &'a mut (dyn FnMut(RunEvent) + Send),
    work: impl FnOnce(&Board<'_>) -> (Vec<Worked>, Option<String>),
) -> RunOutcome {
    let board = Board::new(torrent, plays, config, can_change, tell);
    board.tell(RunEvent::Started {
        plays: plays.len(),
        target: config.target.clone(),
    });
    let (workers, halted) = work(&board);
    board.tell(RunEvent::Finished);
    let enough = board.enough();
    let roles = board.roles().clone();
    let results = board.into_results();
    let all_lost = workers.iter().all(|worker| worker.lost.is_some());
    let lost = workers.iter().find_map(|worker| worker.lost.clone());
    // One target may have played all that was left when the others were told to end.
    let cut = halted.filter(|_| results.iter().any(Option::is_none));
    let lost = cut.or_else(|| lost.filter(|_| all_lost));
    let rows = plays.iter().zip(&results).map(|(play, result)| {
        let played = result.as_ref().map(|played| played.outcome.clone());
        played.unwrap_or_else(|| tables::not_played(play, lost.as_deref(), enough))
    });
    let cases = rows.collect();
    let played: Vec<Played> = results.iter().flatten().cloned().collect();
    let mut profiles = workers.iter().flat_map(|worker| worker.profiles.values());
    let profile = profiles.next().map(Arc::as_ref);
    let info = tables::target_info(&config.target, roles, profile);
    sum_up(info, config, cases, &played, lost)
}

fn sum_up(
    info: TargetInfo,
    config: &RunConfig,
    mut cases: Vec<CaseOutcome>,
    played: &[Played],
    lost: Option<String>,
) -> RunOutcome {
    let duration = cases
        .iter()
        .map(|case| case.duration_ms.0)
        .sum::<Duration>();
    cases.extend(rule_rows(played, &config.rules));
    let mut outcome = RunOutcome::new(info, config.settings.seed, cases);
    outcome.duration_ms = duration.into();
    outcome.lost = lost;
    outcome.exit = Exit::of_run(&outcome, 0, false).code();
    outcome
}

/// The play that a run begins with.
pub fn preflight_play(role: Role) -> Option<Play> {
    let suite = parse_text("preflight.yaml", include_str!("preflight.yaml")).ok()?;
    let choice = Choice {
        roles: vec![role],
        directions: vec![Direction::Dialled],
        variants: Vec::new(),
    };
    expand(&suite, &choice).ok()?.pop()
}

/// What is known about a target before a run: for reports.
pub fn target_info(spec: &str, role: Role, profile: Option<&Profile>) -> TargetInfo {
    tables::target_info(spec, [role], profile)
}
