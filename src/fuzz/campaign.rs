//! A campaign: case after case, every oracle, and what becomes of what they notice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::bench::Bench;
use super::bounds::{Bounds, Limit};
use super::case::Case;
use super::corpus::Corpus;
use super::fingerprint::{Fingerprint, Reactions};
use super::generate::generate;
use super::ground::{Ground, Role};
use super::mutate::mutate;
use super::oracle::{Oracle, Suspicion, judge};
use super::player::{CasePlayer, Pace};
use super::rng::Rng;
use super::state::StateId;
use super::trace::Trace;
use super::valid::{Life, valid};
use crate::wire::Kind;

/// What bounds a campaign, and what it is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What everything random comes from.
    pub seed: u64,
    /// This part of so many: case numbers of other parts are left to other campaigns.
    pub part: (u64, u64),
    /// Ends after so many cases.
    pub cases: Option<u64>,
    /// Ends after this time, and what is under way then at most
    /// [`OVERTIME`](super::bounds::OVERTIME) later. Half of it at most is for looking into suspicions.
    pub duration: Option<Duration>,
    /// Ends after so many finds.
    pub finds: Option<usize>,
    /// Questions that shrinking a find may ask.
    pub shrink: usize,
    /// How long to look into one suspicion at most, and to make what was found small.
    pub patience: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            part: (1, 1),
            cases: None,
            duration: None,
            finds: None,
            shrink: 400,
            patience: Duration::from_secs(180),
        }
    }
}

/// Something that was found.
#[derive(Debug, Clone)]
pub struct Find {
    /// What was noticed.
    pub suspicion: Suspicion,
    /// Connections that show it, one after another.
    pub cases: Vec<Case>,
    /// It was seen again on fresh targets, three times of three.
    pub confirmed: bool,
    /// What there was no time for.
    pub left: Left,
    /// How often it was noticed.
    pub count: u64,
    /// Number of the case at which it was noticed first.
    pub first: u64,
    /// Other suspicions that the same connections raise.
    pub also: BTreeSet<String>,
}

/// What is left to do about a find: the time was up, or somebody wanted an end.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// Nothing.
    #[default]
    Nothing,
    /// To tell which of its connections it takes, to prove it and to make it small.
    Isolation,
    /// To prove it and to make it small.
    Proof,
    /// To make it small.
    Small,
}

impl Left {
    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    /// What does it.
    pub fn by(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            // A scenario ends at the first connection on which the target does not go along.
            Self::Isolation => "btspec fuzz --resume",
            Self::Proof | Self::Small => "btspec shrink",
        }
    }
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing left",
            Self::Isolation => "no time to tell which connections it takes, and to prove it",
            Self::Proof => "no time to prove it and to make it small",
            Self::Small => "no time to make it small",
        })
    }
}

/// How a campaign ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It reached a bound, or was interrupted.
    Over,
    /// The target cannot be reached, never served, or could not be started again.
    Unreachable(String),
    /// The target died and nobody can start it again.
    Dead,
}

/// Counts, for progress and report.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Cases played.
    pub cases: u64,
    /// Times that the target was started again.
    pub restarts: u64,
    /// States that were reached, with the kinds of messages seen in each.
    pub states: BTreeMap<StateId, BTreeSet<Kind>>,
    /// Connections that were refused or not answered.
    pub refused: u64,
    /// Deviations from what is custom, by rule.
    pub notes: BTreeMap<&'static str, u64>,
    /// Suspicions that did not repeat, by bucket.
    pub unrepeated: BTreeMap<String, u64>,
}

/// Told while a campaign goes on.
#[derive(Debug)]
pub enum News<'a> {
    /// So it stands.
    Progress(&'a Tally, &'a Corpus, usize, Duration),
    /// Something was found.
    Found(&'a Find),
    /// Something else that a log should have.
    Note(String),
}

/// One campaign against one target.
pub struct Campaign<'a> {
    pub(super) bench: &'a mut dyn Bench,
    pub(super) ground: Ground,
    pub(super) config: Config,
    pub(super) corpus: Corpus,
    fingerprint: Box<dyn Fingerprint>,
    pub(super) pace: Pace,
    pub(super) life: Life,
    pub(super) next: u64,
    /// The last cases of this target, oldest first.
    pub(super) history: VecDeque<Case>,
    /// The very last cases, whatever became of the target.
    last: VecDeque<Case>,
    pub(super) finds: Vec<Find>,
    pub(super) tally: Tally,
    pub(super) baseline: Baseline,
    /// Nobody has spoken to the target since it was started.
    pub(super) untouched: bool,
    /// Number of cases since the target was started.
    pub(super) age: u64,
    ended: Option<Ending>,
    /// Its time.
    pub(super) bounds: Bounds,
    /// Buckets of finds that a campaign before this one had no time for.
    pub(super) left: BTreeSet<String>,
    news: &'a mut dyn FnMut(News<'_>),
    stop: &'a dyn Fn() -> bool,
    /// How long the slowest answer to valid traffic took; `None` before that is known.
    pub(super) slow: Option<Duration>,
}

impl<'a> Campaign<'a> {
    /// Prepares a campaign that begins with case number 0, or goes on where another ended.
    pub fn new(
        bench: &'a mut dyn Bench,
        ground: Ground,
        config: Config,
        news: &'a mut dyn FnMut(News<'_>),
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        Self {
            stop,
            slow: None,
            bench,
            ground,
            config,
            corpus: Corpus::new(),
            fingerprint: Box::new(Reactions),
            pace: Pace::default(),
            life: Life::None,
            next: 0,
            history: VecDeque::new(),
            last: VecDeque::new(),
            finds: Vec::new(),
            tally: Tally::default(),
            baseline: Baseline::default(),
            untouched: false,
            age: 0,
            ended: None,
            bounds: Bounds::default(),
            left: BTreeSet::new(),
            news,
        }
    }

    /// Tells reactions apart by something else.
    #[must_use]
    pub fn with_fingerprint(mut self, fingerprint: Box<dyn Fingerprint>) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// Goes on behind what another campaign has done.
    #[must_use]
    pub fn resume(mut self, next: u64, corpus: Corpus, known: Vec<Find>) -> Self {
        self.next = next;
        self.corpus = corpus;
        let left = known.iter().filter(|find| find.left != Left::Nothing);
        self.left = left.map(|find| find.suspicion.bucket.clone()).collect();
        self.finds = known;
        self
    }

    /// Runs until a bound is reached or `stop` says so.
    pub fn run(mut self) -> Campaigned {
        let known = self.finds.len();
        let first = self.next;
        let ending = self.go(known, first);
        Campaigned {
            ending: self.ended.unwrap_or(ending),
            duration: self.bench.elapsed(),
            looked: self.bounds.looked(),
            next: self.next,
            last: self.last.into(),
            tally: self.tally,
            corpus: self.corpus,
            finds: self.finds,
            life: self.life,
        }
    }

    fn go(&mut self, known: usize, first: u64) -> Ending {
        let began = self.bench.elapsed();
        self.bounds = Bounds::new(&self.config, began, self.bench.is_virtual());
        if let Err(why) = self.learn_baseline() {
            return match self.over() {
                true => Ending::Over,
                false => Ending::Unreachable(why),
            };
        }
        self.finish_what_was_left();
        let mut batch = 0_u64;
        let mut slow_at = self.bench.elapsed();
        while !self.over() {
            let config = &self.config;
            let done = self.next.saturating_sub(first);
            let left = config
                .cases
                .map_or(BATCH, |cases| cases.saturating_sub(done).min(BATCH));
            let spent = self.bench.elapsed().saturating_sub(began);
            if left == 0
                || config.duration.is_some_and(|most| spent >= most)
                || config
                    .finds
                    .is_some_and(|most| self.finds.len() >= most.saturating_add(known))
            {
                break;
            }
            self.play_batch(left);
            if self.over() {
                break;
            }
            batch = batch.saturating_add(1);
            if batch.is_multiple_of(USAGE_EVERY) {
                self.check_usage();
            }
            let now = self.bench.elapsed();
            let due = match self.bench.is_virtual() {
                true => batch.is_multiple_of(SLOW_EVERY),
                false => now.saturating_sub(slow_at) > SLOW_TIME,
            };
            if batch == 4 || due {
                self.check_slow_reader();
                slow_at = self.bench.elapsed();
            }
            if batch.is_multiple_of(NEWS_EVERY) {
                let finds = self.finds.len();
                let spent = self.bench.elapsed();
                (self.news)(News::Progress(&self.tally, &self.corpus, finds, spent));
            }
        }
        if !self.over() && !self.lives() {
            self.suspect_wedge();
        }
        Ending::Over
    }

    fn play_batch(&mut self, count: u64) {
        let cases: Vec<Case> = (0..count).map(|_| self.next_case()).collect();
        // The first connection shows how the cases before left the target.
        let look = self.player(valid(self.next.wrapping_mul(3), &self.ground));
        let players = cases.iter().map(|case| self.player(case.clone()));
        let players = std::iter::once(look).chain(players).collect();
        let mut played = self.play(players).into_iter();
        // Who was cut off has not shown what it would have; and the first may not be there.
        let cut = self.over();
        let look = played.next().filter(|_| !cut);
        let missed = !cut && look.is_none_or(|(_, trace)| Life::of(&trace) < self.life);
        let mut suspicions: Vec<(Suspicion, Case)> = Vec::new();
        let mut has = 0;
        let mut failed = None;
        for (case, trace) in played {
            has = has.max(trace.has);
            suspicions.extend(self.take_in(&case, &trace));
            failed = failed.or(trace.failed);
            self.last.push_back(case.clone());
            if self.last.len() > LAST {
                self.last.pop_front();
            }
            self.history.push_back(case);
            if self.history.len() > HISTORY {
                self.history.pop_front();
            }
        }
        self.tally.cases = self.tally.cases.saturating_add(count);
        self.age = self.age.saturating_add(count);
        if let Some(why) = failed {
            self.ended = Some(Ending::Unreachable(why));
            return;
        }
        if self.look_at_vitals() {
            return;
        }
        if missed && !self.lives() {
            // Its end may have been told meanwhile.
            if self.look_at_vitals() {
                return;
            }
            let before = self.history.len().saturating_sub(cases.len());
            if before > 0 {
                self.history.truncate(before);
            }
            self.suspect_wedge();
            return;
        }
        for (suspicion, case) in suspicions {
            if self.ended.is_none() {
                self.suspect(suspicion, vec![case]);
            }
        }
        let pieces = self.ground.torrent().geometry().pieces();
        let full = has > pieces / 2;
        if self.ground.role() == Role::Leech && full && self.ended.is_none() {
            // A leech that has everything is one no more.
            self.start_anew();
            self.history.clear();
        }
    }

    /// The next case that is this part's: a new one, or a kept one with changes.
    fn next_case(&mut self) -> Case {
        let (part, parts) = self.config.part;
        let number = self
            .next
            .saturating_mul(parts.max(1))
            .saturating_add(part.saturating_sub(1));
        self.next = self.next.saturating_add(1);
        let mut rng = Rng::of_case(self.config.seed, number);
        if rng.percent(FRESH) {
            return generate(number, &mut rng, &self.ground);
        }
        let Some(base) = self.corpus.pick(&mut rng) else {
            return generate(number, &mut rng, &self.ground);
        };
        let other = self.corpus.pick(&mut rng);
        mutate(number, base, other, &mut rng, &self.ground)
    }

    pub(super) fn player(&self, case: Case) -> CasePlayer {
        CasePlayer::new(case, self.ground.clone(), self.pace)
    }

    /// Learns from a trace; gives what is suspicious about it.
    fn take_in(&mut self, case: &Case, trace: &Trace) -> Vec<(Suspicion, Case)> {
        let features = self.fingerprint.features(case, trace);
        self.corpus.learn(case, &features);
        for state in &trace.states {
            self.tally.states.entry(*state).or_default();
        }
        for reaction in &trace.seen {
            if let Some(kind) = reaction.kind {
                self.tally
                    .states
                    .entry(reaction.state)
                    .or_default()
                    .insert(kind);
            }
        }
        self.tally.refused = self
            .tally
            .refused
            .saturating_add(u64::from(trace.refused.is_some()));
        let (found, notes) = judge(trace);
        for note in notes {
            let count = self.tally.notes.entry(note).or_default();
            *count = count.saturating_add(1);
        }
        found
            .into_iter()
            .map(|suspicion| (suspicion, case.clone()))
            .collect()
    }

    fn suspect_wedge(&mut self) {
        let detail = "no answer on a fresh connection of valid traffic, three times";
        self.suspect_history(Suspicion::new(Oracle::Wedge, "wedge", detail));
    }

    /// Whether something was wrong with the process, and has been seen to.
    pub(super) fn look_at_vitals(&mut self) -> bool {
        let vitals = self.bench.vitals();
        if vitals.alive == Some(false) {
            self.suspect_history(Suspicion::death(&vitals));
            return true;
        }
        if !vitals.alarm.is_empty() {
            self.suspect_history(Suspicion::report(&vitals.alarm));
            return true;
        }
        false
    }

    /// Whether it serves on a fresh connection, as it did at the beginning; asked three times. Nobody
    /// can say that it does not once everything is cut off.
    pub(super) fn lives(&mut self) -> bool {
        (0..3).any(|attempt| {
            if attempt > 0 {
                self.bench.rest(Duration::from_millis(300));
            }
            let number = self.next.wrapping_add(attempt).wrapping_mul(3);
            let patient = Pace {
                state: self.pace.state.max(Pace::default().state),
                answer: Pace::default().answer,
                ..self.pace
            };
            let pace = if attempt == 0 { self.pace } else { patient };
            let case = valid(number, &self.ground);
            let player = CasePlayer::new(case, self.ground.clone(), pace);
            let played = self.play(vec![player]);
            let lives = played.into_iter().map(|(_, trace)| Life::of(&trace));
            lives.max().is_some_and(|life| life >= self.life) || self.over()
        })
    }

    /// Starts the target again, if somebody can; else the campaign ends.
    pub(super) fn start_anew(&mut self) {
        let untouched = self.untouched && self.bench.vitals().alive != Some(false);
        if untouched || !self.bench.can_restart() {
            return;
        }
        self.tally.restarts = self.tally.restarts.saturating_add(1);
        self.age = 0;
        let limit = self.limit();
        if let Err(why) = self.bench.restart(&limit) {
            self.ended = Some(Ending::Unreachable(format!(
                "it does not start again: {why}"
            )));
            return;
        }
        self.untouched = true;
        // The first connections to a process cost more than those behind them.
        self.baseline.last_cpu = self.bench.usage().cpu.unwrap_or_default();
        self.baseline.last_age = 0;
    }

    /// Ends the campaign because nobody can start the target again.
    pub(super) fn end(&mut self, ending: Ending) {
        self.ended.get_or_insert(ending);
    }

    pub(super) fn tell(&mut self, news: News<'_>) {
        (self.news)(news);
    }

    /// Puts a find on the list, in place of what was known of it.
    pub(super) fn keep(&mut self, mut find: Find) {
        let bucket = &find.suspicion.bucket;
        let mut known = self.finds.iter_mut();
        match known.find(|known| known.suspicion.bucket == *bucket) {
            Some(known) => {
                find.count = find.count.saturating_add(known.count);
                (self.news)(News::Found(&find));
                *known = find;
            }
            None => {
                (self.news)(News::Found(&find));
                self.finds.push(find);
            }
        }
    }

    /// Plays connections, as far as there is time.
    pub(super) fn play(&mut self, players: Vec<CasePlayer>) -> Vec<(Case, Trace)> {
        self.untouched = false;
        let limit = self.limit();
        let played = self.bench.play(players, &limit);
        played.into_iter().map(CasePlayer::finish).collect()
    }

    /// When everything under way is cut off.
    fn limit(&self) -> Limit<'a> {
        Limit::new(self.bounds.cut(), self.stop)
    }

    /// Whether nothing is done any more: the target is gone, somebody wants an end, or everything
    /// was cut off.
    pub(super) fn over(&self) -> bool {
        self.ended.is_some() || self.limit().reached(self.bench.elapsed())
    }

    /// Whether there is no time left to look into what is looked into.
    pub(super) fn late(&self) -> bool {
        self.late_in(Duration::ZERO)
    }

    /// Whether there will be none in a while.
    pub(super) fn late_in(&self, span: Duration) -> bool {
        self.over() || self.bounds.ends_within(span, self.bench.elapsed())
    }

    /// Answers do not come, which is known by now: nobody waits so long for the next.
    pub(super) fn wait_less(&mut self) {
        if let Some(slow) = self.slow {
            let least = Duration::from_millis(500);
            self.pace.answer = (slow * 20).max(least).min(self.pace.answer);
        }
    }
}

/// What a campaign came to.
#[derive(Debug, Clone)]
pub struct Campaigned {
    /// How it ended.
    pub ending: Ending,
    /// How long it took; virtual in simulation.
    pub duration: Duration,
    /// How much of this went into looking into suspicions.
    pub looked: Duration,
    /// Where another would go on.
    pub next: u64,
    /// The last cases.
    pub last: Vec<Case>,
    /// Counts.
    pub tally: Tally,
    /// Kept cases.
    pub corpus: Corpus,
    /// What was found.
    pub finds: Vec<Find>,
    /// What life the target showed at the beginning.
    pub life: Life,
}

/// Cases between two looks whether a fresh connection is served.
pub(super) const BATCH: u64 = 16;
/// Batches between two looks at memory, files and processor time: about 100 cases.
const USAGE_EVERY: u64 = 6;
/// Batches between two slow readers in virtual time.
const SLOW_EVERY: u64 = 600;
/// Time between two over sockets, where one takes most of a second.
const SLOW_TIME: Duration = Duration::from_secs(30);
/// Batches between two lines of progress.
const NEWS_EVERY: u64 = 8;
/// Cases that a campaign shows at its end.
const LAST: usize = 32;
/// Cases that are remembered: what it takes to wedge a target may lie that far back.
const HISTORY: usize = 512;
/// In a hundred cases, so many are made out of nothing.
const FRESH: u64 = 40;
