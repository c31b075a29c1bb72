//! One target of a live run: plays what it takes from the run's board, judges the target's state
//! between plays, and starts it anew when it is used up or lost (DESIGN 7).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::io::{Action, Input, Tester};
use super::player::{Played, Player, meets};
use super::run::{RunConfig, preflight_play};
use super::settings::{Calibration, FreshPool, Profile, Settings};
use super::stage::{Cast, Stage};
use super::suspects::Suspects;
use super::tables;
use crate::outcome::{CaseOutcome, RunEvent, Verdict};
use crate::scenario::ast::{Lane, Role};
use crate::scenario::walk::patience;
use crate::scenario::{Play, PlayId};
use crate::torrent::Torrent;

/// Who is told what happens.
pub(super) type Tell<'a> = dyn FnMut(RunEvent) + Send + 'a;

/// What the workers of one run share: what is left to play, and what it came to.
pub(super) struct Board<'a> {
    torrent: &'a Torrent,
    /// For plays that the run's own does not suit.
    others: Vec<&'a Torrent>,
    plays: &'a [Play],
    config: &'a RunConfig,
    roles: BTreeSet<Role>,
    left: Mutex<BTreeMap<Turn, VecDeque<usize>>>,
    results: Mutex<Vec<Option<Played>>>,
    fails: AtomicUsize,
    tell: Mutex<&'a mut Tell<'a>>,
}

/// When a play has its turn: with the run's own torrent first; what wants the target as it was
/// started at the beginning, what leaves it without anything to do at the end; and within that shared plays, serial ones, and those that need to be alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    torrent: usize,
    part: Part,
    lane: u8,
}

/// The part of a run that a play belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    First,
    Middle,
    Last,
}

impl Part {
    fn of(play: &Play) -> Self {
        let tagged = |tag: &str| play.case.tags.iter().any(|own| own == tag);
        match (tagged(FIRST), tagged(LAST)) {
            (true, _) => Self::First,
            (false, false) => Self::Middle,
            (false, true) => Self::Last,
        }
    }
}

impl Turn {
    fn of(play: &Play, own: &Torrent, others: &[&Torrent]) -> Self {
        let other = others.iter().position(|torrent| meets(play, torrent));
        let other = other.filter(|_| !meets(play, own));
        Self {
            torrent: other.map_or(0, |at| at + 1),
            part: Part::of(play),
            lane: match play.case.lane {
                Lane::Shared => SHARED,
                Lane::Serial => SHARED + 1,
                Lane::Alone => SHARED + 2,
            },
        }
    }
}

impl<'a> Board<'a> {
    /// `can_change`: whether targets can be started with another torrent.
    pub(super) fn new(
        torrent: &'a Torrent,
        plays: &'a [Play],
        config: &'a RunConfig,
        can_change: bool,
        tell: &'a mut Tell<'a>,
    ) -> Self {
        let others: Vec<&Torrent> = config.others.iter().filter(|_| can_change).collect();
        let mut left: BTreeMap<Turn, VecDeque<usize>> = BTreeMap::new();
        for (index, play) in plays.iter().enumerate() {
            left.entry(Turn::of(play, torrent, &others))
                .or_default()
                .push_back(index);
        }
        if config.longest_first {
            // One that waits for half a minute would otherwise be waited for at the end.
            let patience = |index: &usize| plays.get(*index).map(|play| patience(&play.case));
            for plays in left.values_mut() {
                plays
                    .make_contiguous()
                    .sort_by_key(|index| Reverse(patience(index)));
            }
        }
        Self {
            torrent,
            others,
            plays,
            config,
            roles: plays.iter().map(|play| play.role).collect(),
            left: Mutex::new(left),
            results: Mutex::new(vec![None; plays.len()]),
            fails: AtomicUsize::new(0),
            tell: Mutex::new(tell),
        }
    }

    pub(super) fn roles(&self) -> &BTreeSet<Role> {
        &self.roles
    }

    pub(super) fn tell(&self, event: RunEvent) {
        (self.tell.lock().unwrap_or_else(PoisonError::into_inner))(event);
    }

    /// Whether so many have failed that nothing more is played.
    pub(super) fn enough(&self) -> bool {
        let most = self.config.max_fail;
        most.is_some_and(|most| self.fails.load(Ordering::Relaxed) >= most)
    }

    pub(super) fn into_results(self) -> Vec<Option<Played>> {
        self.results
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn that comes next; `None` when everything was taken.
    fn turn(&self) -> Option<Turn> {
        let left = self.left();
        let mut turns = left.iter().filter(|(_, plays)| !plays.is_empty());
        turns.next().map(|(turn, _)| *turn)
    }

    fn take(&self, turn: Turn) -> Option<usize> {
        self.left().get_mut(&turn)?.pop_front()
    }

    /// What was taken and cannot be played here is for the others.
    fn put_back(&self, turn: Turn, index: usize) {
        self.left().entry(turn).or_default().push_front(index);
    }

    fn left(&self) -> MutexGuard<'_, BTreeMap<Turn, VecDeque<usize>>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, index: usize, played: Played) {
        let failed = |played: &Played| self.config.counts(&played.outcome);
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = results.get_mut(index) else {
            return;
        };
        if failed(&played) {
            self.fails.fetch_add(1, Ordering::Relaxed);
        }
        // A play that is played again counts once.
        if slot.as_ref().is_some_and(failed) {
            self.fails.fetch_sub(1, Ordering::Relaxed);
        }
        *slot = Some(played);
    }
}

/// What came of a target.
pub(super) struct Worked {
    /// What the preflight of each role saw.
    pub(super) profiles: BTreeMap<Role, Arc<Profile>>,
    /// Why it could not go on, if it could not.
    pub(super) lost: Option<String>,
}

/// Plays what is on the board against the target of `stage` until nothing is left or the target is
/// lost for good.
pub(super) fn work(stage: &mut dyn Stage, board: &Board<'_>) -> Worked {
    let mut worker = Worker {
        stage,
        board,
        state: State {
            calibration: board.config.settings.calibration,
            ..State::default()
        },
        torrent: 0,
        lost: None,
    };
    worker.begin();
    while worker.goes_on() {
        if !worker.state.again.is_empty() {
            worker.batch(Supply::Again);
        } else if let Some(turn) = board.turn() {
            worker.batch(Supply::Board(turn));
        } else {
            break;
        }
    }
    Worked {
        profiles: worker.state.profiles,
        lost: worker.lost,
    }
}

struct Worker<'a, 'b> {
    stage: &'a mut dyn Stage,
    board: &'a Board<'b>,
    state: State,
    /// Which torrent the target has: 0 is the run's own, 1 the first of the others.
    torrent: usize,
    lost: Option<String>,
}

/// What is known of the one target.
#[derive(Default)]
struct State {
    profiles: BTreeMap<Role, Arc<Profile>>,
    calibration: Calibration,
    /// Pieces of this target: no other target's cases use them up.
    fresh: FreshPool,
    /// How many of them were taken when the first play began: a restart brings no more.
    taken_at_first: usize,
    trouble: Trouble,
    /// The target was gone at the end of a play.
    gone: bool,
    /// Plays that are this target's own: they may have met its end, and alone each shows whether it
    /// was the one; or it was started with another torrent for them.
    again: VecDeque<usize>,
    suspects: Suspects,
    /// The latest play that has ended, and its target's role.
    latest: Option<(String, Role)>,
    /// A play has met the target since it was started.
    met: bool,
    /// A play has changed the target for good.
    altered: bool,
}

/// Inconclusive plays in a row with one reason.
#[derive(Default)]
struct Trouble {
    reason: Option<String>,
    times: u32,
}

impl Worker<'_, '_> {
    /// Whether more is to be played, and can be.
    fn goes_on(&mut self) -> bool {
        if self.lost.is_none()
            && let Some(why) = self.stage.halted()
        {
            self.lose(why);
        }
        self.lost.is_none() && !self.board.enough()
    }

    fn begin(&mut self) {
        if !self.board.config.preflight {
            return;
        }
        for role in &self.board.roles {
            match self.preflight(*role) {
                Ok(profile) => {
                    let target = &self.board.config.target;
                    let info = tables::target_info(target, [*role], Some(&profile));
                    self.board.tell(RunEvent::Profile(info));
                    self.state.profiles.insert(*role, Arc::new(profile));
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
            let mut player = self.means().player(&play, &self.state);
            self.stage.play(&mut player)?;
            let played = player.outcome();
            self.state.calibration = self.state.calibration.merge(played.slowest);
            let outcome = played.outcome;
            if outcome.verdict == Verdict::Pass
                && let Some(profile) = played.profile
            {
                self.state.taken_at_first = self.state.fresh.taken();
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

    /// Plays what has its turn now until something is to be done about the target, and does it.
    fn batch(&mut self, supply: Supply) {
        if let Supply::Board(turn) = supply
            && turn.torrent != self.torrent
        {
            self.change(turn);
            return;
        }
        let isolates = self.stage.isolates();
        if isolates
            && self.state.met
            && let Some((name, role)) = self.state.latest.clone()
        {
            let reason = format!("started anew after {name}");
            if self.start_anew(&reason) {
                self.greet(role, &reason);
            }
            if self.lost.is_some() {
                return;
            }
        }
        let one_by_one = isolates || !matches!(supply, Supply::Board(Turn { lane: SHARED, .. }));
        let lanes = match one_by_one {
            true => 1,
            false => self.board.config.jobs.clamp(1, self.stage.bears().max(1)),
        };
        let mut cast = Batch {
            board: self.board,
            means: self.means(),
            supply,
            most: one_by_one.then_some(1),
            can_restart: self.stage.can_restart(),
            begun: BTreeMap::new(),
            state: &mut self.state,
        };
        if let Err(reason) = self.stage.play_cast(lanes, &mut cast) {
            self.lose(reason);
            return;
        }
        self.look_after();
    }

    /// Starts the target with the torrent of a turn, if that still has a play that nobody took: one
    /// play is worth one start, not one of every target.
    fn change(&mut self, turn: Turn) {
        let Some(index) = self.board.take(turn) else {
            return;
        };
        self.torrent = turn.torrent;
        let torrent = self.torrent();
        if let Err(why) = self.stage.load(&torrent) {
            self.board.put_back(turn, index);
            self.lose(format!("not started with another torrent: {why}"));
            return;
        }
        self.state.profiles.clear();
        self.state.fresh = FreshPool::new();
        self.state.suspects.clear();
        self.state.met = false;
        self.state.altered = false;
        self.board.tell(RunEvent::Restarted {
            reason: format!("for the torrent {}", torrent.metainfo().name()),
        });
        self.begin();
        if self.lost.is_some() {
            self.board.put_back(turn, index);
        } else {
            self.state.again.push_back(index);
        }
    }

    fn torrent(&self) -> Torrent {
        let others = self.torrent.checked_sub(1);
        let other = others.and_then(|at| self.board.others.get(at).copied());
        other.unwrap_or(self.board.torrent).clone()
    }

    /// Starts a target again that is gone or used up, looks closer at one that is unwell.
    fn look_after(&mut self) {
        let Some((name, role)) = self.state.latest.clone() else {
            return;
        };
        // What is played again must not meet what the one before it has left.
        let again = !self.state.again.is_empty() && self.state.suspects.any();
        let doubtful = again || self.state.suspects.doubtful();
        if self.state.gone {
            self.state.gone = false;
            self.revive(role, &format!("target lost after {name}"));
        } else if self.state.altered && self.stage.can_restart() {
            self.revive(role, &format!("{name} has changed it for good"));
        } else if self.stage.can_restart() && self.state.is_full(role, &self.torrent()) {
            self.revive(role, &format!("few pieces are fresh after {name}"));
        } else if doubtful && self.stage.can_restart() && self.board.config.preflight {
            match self.preflight(role) {
                Ok(_) => self.state.suspects.clear(),
                Err(reason) => {
                    let met = self.state.suspects.take();
                    self.state.again.extend(met);
                    self.revive(
                        role,
                        &format!("target lost before the end of {name}: {reason}"),
                    );
                }
            }
        } else if self.state.trouble.times >= TROUBLE {
            self.state.trouble = Trouble::default();
            if self.board.config.preflight
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
        if self.start_anew(reason) {
            self.board.tell(RunEvent::Restarted {
                reason: reason.to_owned(),
            });
            self.greet(role, reason);
        }
    }

    /// Whether it could be started.
    fn start_anew(&mut self, reason: &str) -> bool {
        if let Err(why) = self.stage.restart() {
            self.lose(format!("{reason}; not started again: {why}"));
            return false;
        }
        self.state.fresh = FreshPool::new();
        self.state.suspects.clear();
        self.state.met = false;
        self.state.altered = false;
        true
    }

    /// The preflight of a target that was started again.
    fn greet(&mut self, role: Role, reason: &str) {
        if self.board.config.preflight
            && let Err(why) = self.preflight(role)
        {
            self.lose(format!("{reason}; started again, it does not serve: {why}"));
        }
    }

    fn lose(&mut self, reason: String) {
        // What does not work any more while we are told to end is nobody's fault.
        let reason = self.stage.halted().unwrap_or(reason);
        self.board.tell(RunEvent::Lost {
            reason: reason.clone(),
        });
        self.lost = Some(reason);
    }

    fn means(&self) -> Means {
        let config = self.board.config;
        Means {
            torrent: self.torrent(),
            settings: Settings {
                addresses: self.stage.addresses(),
                verbs: self.stage.verbs(),
                without: self.stage.without(),
                no_dials: self.stage.dials().err(),
                no_tracker: self.stage.announces().err(),
                ..config.settings.clone()
            },
        }
    }
}

impl State {
    /// Whether little is left that a leech could want and no case has named. Cases need some pieces
    /// each.
    fn is_full(&self, role: Role, torrent: &Torrent) -> bool {
        let pieces = torrent.geometry().pieces() as usize;
        let taken = self.fresh.taken();
        let few = taken + (pieces / 4).min(SPARE_PIECES) >= pieces;
        role == Role::Leech && few && taken > self.taken_at_first
    }

    fn note(&mut self, played: &Played, role: Role) {
        self.calibration = self.calibration.merge(played.slowest);
        self.gone |= played.lost || played.unreachable;
        self.trouble.note(&played.outcome);
        self.latest = Some((played.outcome.id.clone(), role));
        self.met = true;
        self.altered |= played.altered;
    }
}

/// What a player gets beside its play.
struct Means {
    torrent: Torrent,
    settings: Settings,
}

impl Means {
    fn player(&self, play: &Play, state: &State) -> Player {
        let settings = Settings {
            profile: state.profiles.get(&play.role).cloned(),
            calibration: state.calibration,
            fresh: state.fresh.clone(),
            ..self.settings.clone()
        };
        Player::new(play.clone(), self.torrent.clone(), settings)
    }
}

/// Where the next play comes from.
#[derive(Debug, Clone, Copy)]
enum Supply {
    Board(Turn),
    Again,
}

/// Plays side by side, known by their place in the run.
struct Batch<'a, 'b> {
    board: &'a Board<'b>,
    means: Means,
    supply: Supply,
    /// How many more may begin; `None` is any number.
    most: Option<usize>,
    can_restart: bool,
    /// Place in the run, and the event at which it began.
    begun: BTreeMap<PlayId, (usize, u32)>,
    state: &'a mut State,
}

impl Batch<'_, '_> {
    /// Whether the target must be looked after before anything else begins.
    fn pauses(&self) -> bool {
        let role = self.state.latest.as_ref().map(|(_, role)| *role);
        let full = || role.is_some_and(|role| self.state.is_full(role, &self.means.torrent));
        let restartable = || self.state.suspects.doubtful() || full();
        self.state.gone
            || self.state.trouble.times >= TROUBLE
            || (self.can_restart && restartable())
    }
}

impl Cast for Batch<'_, '_> {
    fn next(&mut self) -> Option<Player> {
        if self.most == Some(0) || self.board.enough() || self.pauses() {
            return None;
        }
        let index = match self.supply {
            Supply::Board(turn) => self.board.take(turn),
            Supply::Again => self.state.again.pop_front(),
        }?;
        self.most = self.most.map(|most| most.saturating_sub(1));
        let play = self.board.plays.get(index)?;
        self.board.tell(RunEvent::CaseStarted {
            id: play.id.to_string(),
            title: play.case.title.clone(),
        });
        let player = self.means.player(play, self.state);
        let began = self.state.suspects.begin();
        self.begun.insert(player.id(), (index, began));
        Some(player)
    }

    fn ended(&mut self, player: Player, log: &dyn Fn() -> Vec<String>) {
        let Some((index, began)) = self.begun.remove(&player.id()) else {
            return;
        };
        let Some(play) = self.board.plays.get(index) else {
            return;
        };
        let mut played = player.outcome();
        if played.outcome.verdict != Verdict::Pass {
            played.outcome.log = log();
        }
        let was_gone = self.state.gone;
        self.state.note(&played, play.role);
        if !self.state.gone {
            self.state.suspects.end(index, began, &played);
        } else if self.can_restart {
            let others = self.state.suspects.take();
            let alone = !was_gone && self.begun.is_empty() && others.is_empty();
            self.state.again.extend(others);
            let told = alone && !played.unreachable;
            if !told && self.state.suspects.may_again(index) {
                self.state.again.push_back(index);
                return;
            }
        }
        self.board
            .tell(RunEvent::CaseFinished(Box::new(played.outcome.clone())));
        self.board.keep(index, played);
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

/// The lane that comes first.
const SHARED: u8 = 0;
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
/// Tag of cases about a target that has nothing yet.
const FIRST: &str = "first";
/// Tag of cases that leave the target without anything to do.
const LAST: &str = "last";
