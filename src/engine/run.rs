//! A run: preflight, order, repeats after trouble, rule rows, the outcome (DESIGN 4, 6 and 7).
//!
//! Nothing here knows how a play is driven. [`run_self`] plays in simulation with a fresh target
//! for each play; [`run_live`] plays on a [`Stage`], whose one target can be used up and lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::io::{Action, Input, Tester};
use super::player::{Played, Player, meets};
use super::rows::rule_rows;
use super::self_mode::SelfMode;
use super::settings::{Calibration, FreshPool, Profile, Settings};
use super::stage::{Cast, Stage};
use super::tables;
use crate::outcome::{CaseOutcome, Exit, RunEvent, RunOutcome, TargetInfo, Verdict};
use crate::rule::Rule;
use crate::scenario::ast::{Direction, Lane, Role};
use crate::scenario::{Choice, Play, PlayId, expand, parse_text};
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
    /// Stop after so many fails.
    pub max_fail: Option<usize>,
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
            max_fail: None,
            others: Vec::new(),
        }
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
    let played = mode.play_all(plays, &|played| {
        tell(RunEvent::CaseFinished(Box::new(played.outcome.clone())));
    });
    let profile = mode.profiles.values().next().map(Arc::as_ref);
    let info = tables::target_info(&config.target, roles, profile);
    let cases = played.iter().map(|played| played.outcome.clone()).collect();
    tell(RunEvent::Finished);
    sum_up(info, config, cases, &played, None)
}

/// Plays everything against the one target of a stage, and sums up.
pub fn run_live(
    stage: &mut dyn Stage,
    torrent: &Torrent,
    plays: &[Play],
    config: &RunConfig,
    tell: &mut dyn FnMut(RunEvent),
) -> RunOutcome {
    let mut run = Live {
        torrent: torrent.clone(),
        config,
        profiles: BTreeMap::new(),
        calibration: config.settings.calibration,
        fresh: config.settings.fresh.clone(),
        results: vec![None; plays.len()],
        lost: None,
        trouble: Trouble::default(),
        fails: 0,
        filled: BTreeSet::new(),
        stage,
        tell,
    };
    (run.tell)(RunEvent::Started {
        plays: plays.len(),
        target: config.target.clone(),
    });
    let roles: BTreeSet<Role> = plays.iter().map(|play| play.role).collect();
    run.begin(&roles);
    if run.lost.is_none() {
        run.by_torrent(plays, &roles);
    }
    run.finish(plays, &roles)
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

/// A run against one target.
struct Live<'a> {
    stage: &'a mut dyn Stage,
    torrent: Torrent,
    config: &'a RunConfig,
    tell: &'a mut dyn FnMut(RunEvent),
    profiles: BTreeMap<Role, Arc<Profile>>,
    calibration: Calibration,
    fresh: FreshPool,
    results: Vec<Option<Played>>,
    /// Why no more plays can be played.
    lost: Option<String>,
    trouble: Trouble,
    fails: usize,
    /// Pieces that a leech may have got since it was started.
    filled: BTreeSet<u32>,
}

/// Inconclusive plays in a row with one reason.
#[derive(Default)]
struct Trouble {
    reason: Option<String>,
    times: u32,
}

impl Live<'_> {
    fn begin(&mut self, roles: &BTreeSet<Role>) {
        for role in roles {
            if !self.config.preflight {
                continue;
            }
            match self.preflight(*role) {
                Ok(profile) => {
                    let info = tables::target_info(&self.config.target, [*role], Some(&profile));
                    (self.tell)(RunEvent::Profile(info));
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
            let mut player = self.player(&play);
            self.stage.play(&mut player)?;
            let played = player.outcome();
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
            let over = spent >= PREFLIGHT || refused >= REFUSALS;
            if over {
                return Err(reason);
            }
            // A tester that only waits lets time pass on the stage's own clock.
            self.stage.play(&mut Pause::new(RETRY))?;
        }
    }

    /// Plays with the run's own torrent first, then with others what that does not suit.
    fn by_torrent(&mut self, plays: &[Play], roles: &BTreeSet<Role>) {
        let others = match self.stage.can_restart() {
            true => self.config.others.clone(),
            false => Vec::new(),
        };
        let own = self.torrent.clone();
        let fits = |play: &Play| {
            let other = others.iter().position(|torrent| meets(play, torrent));
            other.filter(|_| !meets(play, &own))
        };
        self.in_lanes(plays, &|play| fits(play).is_none());
        for (at, torrent) in others.iter().enumerate() {
            let wanted = |play: &Play| fits(play) == Some(at);
            if self.lost.is_some() || self.enough() || !plays.iter().any(wanted) {
                continue;
            }
            if let Err(why) = self.stage.load(torrent) {
                self.lose(format!("not started with another torrent: {why}"));
                return;
            }
            self.torrent = torrent.clone();
            self.profiles.clear();
            self.fresh = FreshPool::new();
            self.filled.clear();
            (self.tell)(RunEvent::Restarted {
                reason: format!("for the torrent {}", torrent.metainfo().name()),
            });
            self.begin(roles);
            if self.lost.is_none() {
                self.in_lanes(plays, &wanted);
            }
        }
    }

    /// Shared plays side by side, then the serial ones, then those that need to be alone.
    fn in_lanes(&mut self, plays: &[Play], wanted: &dyn Fn(&Play) -> bool) {
        let of = |lane: Lane, last: bool| -> Vec<usize> {
            let chosen = plays.iter().enumerate().filter(|(_, play)| {
                let is_last = play.case.tags.iter().any(|tag| tag == LAST);
                wanted(play) && play.case.lane == lane && is_last == last
            });
            chosen.map(|(index, _)| index).collect()
        };
        let shared = of(Lane::Shared, false);
        self.one_by_one(plays, &shared);
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
        } else if role == Role::Leech && self.is_full() && self.stage.can_restart() {
            self.revive(role, &format!("the leech is nearly complete after {name}"));
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
        if !self.stage.can_restart() {
            if let Err(why) = self.preflight(role) {
                self.lose(format!("{reason}: {why}"));
            }
            return;
        }
        if let Err(why) = self.stage.restart() {
            self.lose(format!("{reason}; not started again: {why}"));
            return;
        }
        self.fresh = FreshPool::new();
        self.filled.clear();
        (self.tell)(RunEvent::Restarted {
            reason: reason.to_owned(),
        });
        if self.config.preflight
            && let Err(why) = self.preflight(role)
        {
            self.lose(format!("{reason}; started again, it does not serve: {why}"));
        }
    }

    /// Plays a batch, side by side as far as jobs and target bear it, and keeps its results. True
    /// if the target was gone at its end.
    fn batch(&mut self, plays: &[Play], batch: &[usize]) -> bool {
        let players = batch
            .iter()
            .filter_map(|index| Some((*index, self.player(plays.get(*index)?))))
            .collect();
        let mut cast = Batch {
            plays,
            waiting: players,
            begun: BTreeMap::new(),
            ended: Vec::new(),
            tell: &mut *self.tell,
        };
        let lanes = self.config.jobs.clamp(1, self.stage.bears().max(1));
        let result = self.stage.play_cast(lanes, &mut cast);
        let ended = cast.ended;
        if let Err(reason) = result {
            self.lose(reason);
        }
        let mut gone = false;
        for (index, played) in ended {
            gone |= played.lost || played.unreachable;
            self.keep(index, played);
        }
        gone
    }

    fn keep(&mut self, index: usize, mut played: Played) {
        self.calibration = self.calibration.merge(played.slowest);
        let outcome = &mut played.outcome;
        if outcome.verdict == Verdict::Fail {
            self.fails += 1;
        }
        if outcome.verdict != Verdict::Pass {
            outcome.log = self.stage.log();
        }
        self.trouble.note(outcome);
        self.filled.extend(&played.may_have);
        if let Some(slot) = self.results.get_mut(index) {
            *slot = Some(played);
        }
    }

    fn player(&self, play: &Play) -> Player {
        let settings = Settings {
            profile: self.profiles.get(&play.role).cloned(),
            calibration: self.calibration,
            fresh: self.fresh.clone(),
            addresses: self.stage.addresses(),
            verbs: self.stage.verbs(),
            without: self.stage.without(),
            no_dials: self.stage.dials().err(),
            no_tracker: self.stage.announces().err(),
            ..self.config.settings.clone()
        };
        Player::new(play.clone(), self.torrent.clone(), settings)
    }

    /// Whether little is left that a leech could want. Cases need some pieces each.
    fn is_full(&self) -> bool {
        let pieces = self.torrent.geometry().pieces() as usize;
        self.filled.len() + (pieces / 4).min(SPARE_PIECES) >= pieces
    }

    fn enough(&self) -> bool {
        self.config.max_fail.is_some_and(|most| self.fails >= most)
    }

    fn lose(&mut self, reason: String) {
        (self.tell)(RunEvent::Lost {
            reason: reason.clone(),
        });
        self.lost = Some(reason);
    }

    fn finish(self, plays: &[Play], roles: &BTreeSet<Role>) -> RunOutcome {
        let enough = self.enough();
        let rows = plays.iter().zip(&self.results).map(|(play, result)| {
            let played = result.as_ref().map(|played| played.outcome.clone());
            played.unwrap_or_else(|| tables::not_played(play, self.lost.as_deref(), enough))
        });
        let cases = rows.collect();
        let played: Vec<Played> = self.results.iter().flatten().cloned().collect();
        let profile = self.profiles.values().next().map(Arc::as_ref);
        let info = tables::target_info(&self.config.target, roles.iter().copied(), profile);
        (self.tell)(RunEvent::Finished);
        sum_up(info, self.config, cases, &played, self.lost)
    }
}

/// Plays side by side, known by their place in the run.
struct Batch<'a> {
    plays: &'a [Play],
    waiting: VecDeque<(usize, Player)>,
    begun: BTreeMap<PlayId, usize>,
    ended: Vec<(usize, Played)>,
    tell: &'a mut dyn FnMut(RunEvent),
}

impl Cast for Batch<'_> {
    fn next(&mut self) -> Option<Player> {
        let (index, player) = self.waiting.pop_front()?;
        if let Some(play) = self.plays.get(index) {
            (self.tell)(RunEvent::CaseStarted {
                id: play.id.to_string(),
                title: play.case.title.clone(),
            });
        }
        self.begun.insert(player.id(), index);
        Some(player)
    }

    fn ended(&mut self, player: Player) {
        if let Some(index) = self.begun.remove(&player.id()) {
            let played = player.outcome();
            (self.tell)(RunEvent::CaseFinished(Box::new(played.outcome.clone())));
            self.ended.push((index, played));
        }
    }
}

/// Waits, and does nothing.
struct Pause {
    until: Duration,
    over: bool,
}

impl Pause {
    fn new(span: Duration) -> Self {
        Self {
            until: span,
            over: false,
        }
    }
}

impl Tester for Pause {
    fn handle(&mut self, _: Input, at: Duration) {
        self.over = at >= self.until;
    }

    fn poll_action(&mut self) -> Option<Action> {
        None
    }

    fn poll_deadline(&self) -> Option<Duration> {
        (!self.over).then_some(self.until)
    }

    fn done(&self) -> bool {
        self.over
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
/// Missing pieces that a leech should still have when a case begins.
const SPARE_PIECES: usize = 200;
/// Tag of cases that leave the target without anything to do.
const LAST: &str = "last";
