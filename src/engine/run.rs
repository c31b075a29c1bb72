//! A run: preflight, order, repeats after trouble, rule rows, the outcome (DESIGN 4, 6 and 7).
//!
//! Nothing here knows how a play is driven: a [`Stage`] does. Self mode is one (a fresh target for
//! every play, all at once), sockets are another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::player::Played;
use super::settings::{Calibration, FreshPool, Profile, Settings};
use super::tables::{self, RuleRows};
use crate::outcome::{CaseOutcome, Exit, RunEvent, RunOutcome, TargetInfo, Verdict};
use crate::rule::Rule;
use crate::scenario::ast::{Direction, Lane, Role};
use crate::scenario::{Choice, Play, expand, parse_text};

/// One play with everything its player is told.
#[derive(Debug, Clone)]
pub struct Job {
    /// What is played.
    pub play: Play,
    /// What the player is told.
    pub settings: Settings,
}

/// Where plays are driven.
pub trait Stage {
    /// Whether every play gets a target of its own: then nothing can be lost or used up.
    fn fresh_targets(&self) -> bool;

    /// Plays all of `batch`, side by side as far as it can; results in the order of the batch.
    fn play(&mut self, batch: &[Job], events: &mut dyn FnMut(RunEvent)) -> Vec<Played>;

    /// Starts the target again, if that is in its power. `Ok(false)` if it is not.
    ///
    /// # Errors
    /// When it should have worked and did not.
    fn restart(&mut self) -> Result<bool, String>;

    /// Lets time pass between attempts.
    fn pause(&mut self, span: Duration);

    /// Last lines of the client's own log.
    fn log(&mut self) -> Vec<String> {
        Vec::new()
    }
}

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
    /// Stop after so many fails.
    pub max_fail: Option<usize>,
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
            max_fail: None,
        }
    }
}

/// Plays everything and sums up.
pub fn run(
    stage: &mut dyn Stage,
    plays: &[Play],
    config: &RunConfig,
    events: &mut dyn FnMut(RunEvent),
) -> RunOutcome {
    let mut run = Run {
        stage,
        config,
        events,
        profiles: BTreeMap::new(),
        calibration: config.settings.calibration,
        fresh: config.settings.fresh.clone(),
        results: vec![None; plays.len()],
        rules: RuleRows::default(),
        duration: Duration::ZERO,
        lost: None,
        trouble: Trouble::default(),
        fails: 0,
    };
    (run.events)(RunEvent::Started {
        plays: plays.len(),
        target: config.target.clone(),
    });
    let roles: BTreeSet<Role> = plays.iter().map(|play| play.role).collect();
    run.begin(&roles);
    if run.stage.fresh_targets() && run.lost.is_none() {
        let all: Vec<usize> = (0..plays.len()).collect();
        run.batch(plays, &all);
    } else if run.lost.is_none() {
        run.in_lanes(plays);
    }
    run.finish(plays, &roles)
}

struct Run<'a> {
    stage: &'a mut dyn Stage,
    config: &'a RunConfig,
    events: &'a mut dyn FnMut(RunEvent),
    profiles: BTreeMap<Role, Arc<Profile>>,
    calibration: Calibration,
    fresh: FreshPool,
    results: Vec<Option<CaseOutcome>>,
    rules: RuleRows,
    duration: Duration,
    /// Why no more plays can be played.
    lost: Option<String>,
    trouble: Trouble,
    fails: usize,
}

/// Inconclusive plays in a row with one reason.
#[derive(Default)]
struct Trouble {
    reason: Option<String>,
    times: u32,
}

impl Run<'_> {
    fn begin(&mut self, roles: &BTreeSet<Role>) {
        for role in roles {
            if !self.config.preflight {
                continue;
            }
            match self.preflight(*role) {
                Ok(profile) => {
                    let info = tables::target_info(&self.config.target, [*role], Some(&profile));
                    (self.events)(RunEvent::Profile(info));
                    self.profiles.insert(*role, Arc::new(profile));
                }
                Err(reason) => {
                    self.lose(format!("target never served: {reason}"));
                    return;
                }
            }
        }
    }

    /// Connects until the target has served, for as long as a slow one may take.
    fn preflight(&mut self, role: Role) -> Result<Profile, String> {
        let play = preflight_play(role).ok_or("the preflight does not parse; please report it")?;
        let mut spent = Duration::ZERO;
        let mut refused = 0;
        loop {
            let job = Job {
                play: play.clone(),
                settings: self.settings(role),
            };
            let played = self.stage.play(&[job], &mut |_| {}).pop();
            let Some(played) = played else {
                return Err("the preflight was not played; please report it".to_owned());
            };
            self.calibration = self.calibration.merge(played.slowest);
            let outcome = played.outcome;
            if outcome.verdict == Verdict::Pass
                && let Some(profile) = played.profile
            {
                return Ok(profile);
            }
            let reason = outcome.reason.unwrap_or_else(|| "no handshake".to_owned());
            spent += Duration::from(outcome.duration_ms) + RETRY;
            refused += u32::from(played.unreachable);
            let over = spent >= PREFLIGHT || refused >= REFUSALS || self.stage.fresh_targets();
            if over {
                return Err(reason);
            }
            self.stage.pause(RETRY);
        }
    }

    /// Shared plays side by side, then the serial ones, then those that need to be alone.
    fn in_lanes(&mut self, plays: &[Play]) {
        let of = |lane: Lane, last: bool| -> Vec<usize> {
            let chosen = plays.iter().enumerate().filter(|(_, play)| {
                let is_last = play.case.tags.iter().any(|tag| tag == LAST);
                play.case.lane == lane && is_last == last
            });
            chosen.map(|(index, _)| index).collect()
        };
        let jobs = self.config.jobs.max(1);
        for part in of(Lane::Shared, false).chunks(jobs) {
            self.one_by_one(plays, part);
        }
        let rest = [
            of(Lane::Serial, false),
            of(Lane::Alone, false),
            of(Lane::Shared, true),
            of(Lane::Serial, true),
            of(Lane::Alone, true),
        ];
        for index in rest.iter().flatten() {
            self.one_by_one(plays, &[*index]);
        }
    }

    /// Plays a small batch against the one target, and looks after the target.
    fn one_by_one(&mut self, plays: &[Play], batch: &[usize]) {
        if self.lost.is_some() || self.enough() {
            return;
        }
        let gone = self.batch(plays, batch);
        let name = batch
            .last()
            .and_then(|index| plays.get(*index))
            .map(|play| play.id.to_string())
            .unwrap_or_default();
        let role = batch
            .first()
            .and_then(|index| plays.get(*index))
            .map(|play| play.role);
        let Some(role) = role else { return };
        if gone {
            self.revive(role, &format!("target lost after {name}"));
        } else if self.trouble.times >= TROUBLE {
            self.trouble = Trouble::default();
            if self.config.preflight
                && let Err(reason) = self.preflight(role)
            {
                self.revive(role, &format!("target unwell since {name}: {reason}"));
            }
        }
    }

    /// Starts the target again, or sees whether somebody else has.
    fn revive(&mut self, role: Role, reason: &str) {
        match self.stage.restart() {
            Ok(true) => {
                self.fresh = FreshPool::new();
                (self.events)(RunEvent::Restarted {
                    reason: reason.to_owned(),
                });
                if self.config.preflight
                    && let Err(why) = self.preflight(role)
                {
                    self.lose(format!("{reason}; started again, it does not serve: {why}"));
                }
            }
            Ok(false) => {
                if let Err(why) = self.preflight(role) {
                    self.lose(format!("{reason}: {why}"));
                }
            }
            Err(why) => self.lose(format!("{reason}; not started again: {why}")),
        }
    }

    /// Plays a batch and keeps its results. True if the target was gone at its end.
    fn batch(&mut self, plays: &[Play], batch: &[usize]) -> bool {
        let jobs: Vec<Job> = batch
            .iter()
            .filter_map(|index| plays.get(*index))
            .map(|play| Job {
                play: play.clone(),
                settings: self.settings(play.role),
            })
            .collect();
        let played = self.stage.play(&jobs, self.events);
        let mut gone = false;
        for (index, played) in batch.iter().zip(played) {
            gone |= played.lost || played.unreachable;
            self.keep(*index, played);
        }
        gone && !self.stage.fresh_targets()
    }

    fn keep(&mut self, index: usize, played: Played) {
        let mut outcome = played.outcome;
        self.duration += Duration::from(outcome.duration_ms);
        if !self.stage.fresh_targets() {
            self.calibration = self.calibration.merge(played.slowest);
        }
        self.rules.add(&outcome, &played.rules);
        if outcome.verdict == Verdict::Fail {
            self.fails += 1;
        }
        if outcome.verdict != Verdict::Pass && !self.stage.fresh_targets() {
            outcome.log = self.stage.log();
        }
        self.trouble.note(&outcome);
        (self.events)(RunEvent::CaseFinished(Box::new(outcome.clone())));
        if let Some(slot) = self.results.get_mut(index) {
            *slot = Some(outcome);
        }
    }

    fn settings(&self, role: Role) -> Settings {
        Settings {
            profile: self.profiles.get(&role).cloned(),
            calibration: self.calibration,
            fresh: self.fresh.clone(),
            ..self.config.settings.clone()
        }
    }

    fn enough(&self) -> bool {
        self.config.max_fail.is_some_and(|most| self.fails >= most)
    }

    fn lose(&mut self, reason: String) {
        (self.events)(RunEvent::Lost {
            reason: reason.clone(),
        });
        self.lost = Some(reason);
    }

    fn finish(mut self, plays: &[Play], roles: &BTreeSet<Role>) -> RunOutcome {
        let enough = self.enough();
        let mut cases = Vec::new();
        for (play, result) in plays.iter().zip(std::mem::take(&mut self.results)) {
            cases.push(match result {
                Some(outcome) => outcome,
                None => tables::not_played(play, self.lost.as_deref(), enough),
            });
        }
        let some_pass = cases.iter().any(|case| case.verdict == Verdict::Pass);
        cases.extend(self.rules.rows(&self.config.rules, some_pass));
        let profile = self.profiles.values().next().map(Arc::as_ref);
        let info = tables::target_info(&self.config.target, roles.iter().copied(), profile);
        let mut outcome = RunOutcome::new(info, self.config.settings.seed, cases);
        outcome.duration_ms = self.duration.into();
        outcome.lost = self.lost;
        outcome.exit = Exit::of_run(&outcome, 0, false).code();
        (self.events)(RunEvent::Finished);
        outcome
    }
}

impl Trouble {
    fn note(&mut self, outcome: &CaseOutcome) {
        if outcome.verdict != Verdict::Inconclusive {
            *self = Self::default();
            return;
        }
        if self.reason == outcome.reason {
            self.times += 1;
        } else {
            self.reason.clone_from(&outcome.reason);
            self.times = 1;
        }
    }
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

/// How long a target may take to serve for the first time.
const PREFLIGHT: Duration = Duration::from_secs(75);
/// Pause between two attempts.
const RETRY: Duration = Duration::from_secs(1);
/// Attempts on a target that refuses every connection.
const REFUSALS: u32 = 3;
/// Inconclusive plays in a row with the same reason before the preflight is repeated.
const TROUBLE: u32 = 3;
/// Tag of cases that leave the target without anything to do.
const LAST: &str = "last";
