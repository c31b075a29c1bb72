//! A campaign: case after case, every oracle, and what becomes of what they notice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::bench::Bench;
use super::case::Case;
use super::corpus::Corpus;
use super::fingerprint::{Fingerprint, Reactions};
use super::generate::generate;
use super::ground::{Ground, Role};
use super::mutate::mutate;
use super::oracle::{Oracle, Suspicion, Usage, judge};
use super::player::{CasePlayer, Pace};
use super::rng::Rng;
use super::state::StateId;
use super::trace::Trace;
use super::valid::{Life, slow_reader, valid};
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
    /// Ends after this time.
    pub duration: Option<Duration>,
    /// Ends after so many finds.
    pub finds: Option<usize>,
    /// Questions that shrinking a find may ask.
    pub shrink: usize,
    /// How long to look into one suspicion, and to make what was found small.
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
    /// How often it was noticed.
    pub count: u64,
    /// Number of the case at which it was noticed first.
    pub first: u64,
    /// Other suspicions that the same connections raise.
    pub also: BTreeSet<String>,
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
    next: u64,
    /// The last cases of this target, oldest first.
    pub(super) history: VecDeque<Case>,
    /// The very last cases, whatever became of the target.
    last: VecDeque<Case>,
    pub(super) finds: Vec<Find>,
    pub(super) tally: Tally,
    pub(super) baseline: Baseline,
    /// Number of cases since the target was started.
    age: u64,
    ended: Option<Ending>,
    /// When what is looked into now has taken long enough.
    pub(super) until: Option<Duration>,
    news: &'a mut dyn FnMut(News<'_>),
    stop: &'a dyn Fn() -> bool,
    /// How long the slowest answer to valid traffic took; `None` before that is known.
    slow: Option<Duration>,
}

/// What valid traffic costs the target.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Baseline {
    pub(super) usage: Usage,
    /// Growth by one connection.
    pub(super) memory_slope: u64,
    /// Processor time by one connection.
    pub(super) cpu_slope: Duration,
    /// What memory may reach before it is looked into.
    pub(super) memory_limit: u64,
    pub(super) files_limit: u64,
    last_cpu: Duration,
    last_age: u64,
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
            age: 0,
            ended: None,
            until: None,
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
        if let Err(why) = self.learn_baseline() {
            return Ending::Unreachable(why);
        }
        let mut batch = 0_u64;
        let mut slow_at = self.bench.elapsed();
        while self.ended.is_none() && !(self.stop)() {
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
        if self.ended.is_none() && !self.lives() {
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
        let mut played = self.bench.play(players).into_iter();
        let look = played.next().map(|it| Life::of(&it.finish().1));
        let missed = look.is_none_or(|life| life < self.life);
        let mut suspicions: Vec<(Suspicion, Case)> = Vec::new();
        let mut has = 0;
        let mut failed = None;
        for player in played {
            let (case, trace) = player.finish();
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
    fn look_at_vitals(&mut self) -> bool {
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

    /// Whether it serves on a fresh connection, as it did at the beginning; asked three times.
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
            let played = self.bench.play(vec![player]);
            let lives = played.into_iter().map(|it| Life::of(&it.finish().1));
            lives.max().is_some_and(|life| life >= self.life)
        })
    }

    /// Plays valid traffic: that the target serves, how fast, and what it costs.
    fn learn_baseline(&mut self) -> Result<(), String> {
        let mut pace = Pace::default();
        let (mut slowest, mut awaited, mut left) = (Vec::new(), Vec::new(), Vec::new());
        let mut greeted = Vec::new();
        // With moves right behind our handshake, and with moves behind the target's.
        let (mut early, mut life) = (Life::None, Life::None);
        let mut why = "it does not answer".to_owned();
        for number in 0..BASELINE_FIRST {
            pace.early = number.is_multiple_of(2);
            let player = CasePlayer::new(valid(number, &self.ground), self.ground.clone(), pace);
            for player in self.bench.play(vec![player]) {
                let (_, trace) = player.finish();
                if let Some(refused) = &trace.refused {
                    why = format!("{refused:?}").to_lowercase();
                }
                if pace.early {
                    early = early.max(Life::of(&trace));
                }
                life = life.max(Life::of(&trace));
                slowest.push(trace.slowest);
                awaited.push(trace.awaited);
                greeted.push(trace.greeted_after);
                left.extend(trace.left_after);
            }
            if number == 0 && life == Life::None {
                pace.connect *= 3;
            }
        }
        if life < Life::Greets {
            return Err(why);
        }
        self.life = life;
        if !self.bench.is_virtual() {
            let slowest = middle(slowest);
            let by_timer = middle(greeted.clone()) >= AT_ONCE;
            if by_timer {
                self.bench.widen();
            }
            self.pace = Pace {
                // aria2 drops who says more than a handshake at first.
                early: early >= life,
                // Awaited states cannot come before the handshake.
                state: ample(middle(awaited).max(middle(greeted.clone()))).min(pace.state),
                leave: ample(middle(left)).min(pace.leave),
                linger: match by_timer {
                    true => ample(middle(greeted)).min(pace.state),
                    false => Duration::ZERO,
                },
                now: (slowest * 5).max(pace.now),
                ..pace
            };
            self.slow = Some(slowest);
        }
        self.measure_baseline();
        Ok(())
    }

    /// What the target uses after valid traffic, and what a connection adds.
    fn measure_baseline(&mut self) {
        self.play_valid(BASELINE_HALF);
        let before = self.bench.usage();
        let count = self.play_valid(BASELINE_HALF);
        let after = self.bench.usage();
        let span = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => b.saturating_sub(a),
            _ => 0,
        };
        let cpu = match (before.cpu, after.cpu) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => Duration::ZERO,
        };
        let slope = span(before.memory, after.memory) / count;
        let memory = after.memory.unwrap_or(0);
        self.baseline = Baseline {
            usage: after,
            memory_slope: slope,
            cpu_slope: cpu / u32::try_from(count).unwrap_or(1),
            memory_limit: memory.saturating_add(MEMORY_GROWTH),
            files_limit: after.files.unwrap_or(0).saturating_add(FILES_GROWTH),
            last_cpu: after.cpu.unwrap_or_default(),
            last_age: 0,
        };
        self.age = 0;
    }

    /// Plays so many valid connections, fewer of a slow target; says how many.
    fn play_valid(&mut self, count: u64) -> u64 {
        let began = self.bench.elapsed();
        let mut played = 0_u64;
        while played < count {
            let players = (0..BATCH).map(|number| {
                let number = played.saturating_add(number);
                self.player(valid(number, &self.ground))
            });
            let players = players.collect();
            self.bench.play(players);
            played = played.saturating_add(BATCH);
            let spent = self.bench.elapsed().saturating_sub(began);
            if !self.bench.is_virtual() && spent > BASELINE_TIME {
                break;
            }
        }
        played.max(1)
    }

    /// Memory, files and processor time against the baseline.
    fn check_usage(&mut self) {
        let usage = self.bench.usage();
        let allowed = self
            .baseline
            .memory_slope
            .saturating_mul(2)
            .saturating_mul(self.age);
        if let Some(memory) = usage.memory
            && memory > self.baseline.memory_limit.saturating_add(allowed)
        {
            let from = self.baseline.usage.memory.unwrap_or(0);
            let detail = format!(
                "{} MiB after {} cases, {} MiB after valid traffic",
                memory >> 20,
                self.age,
                from >> 20
            );
            self.suspect_history(Suspicion::new(Oracle::Memory, "memory", detail));
            // What is explained, or cannot be, is not looked into again at once.
            let again = self.baseline.memory_limit;
            self.baseline.memory_limit = again.saturating_add(MEMORY_GROWTH);
            return;
        }
        if let Some(files) = usage.files
            && files > self.baseline.files_limit
        {
            self.bench.rest(Duration::from_secs(2));
            let still = self.bench.usage().files.unwrap_or(0);
            if still > self.baseline.files_limit {
                let detail = format!("{still} open files and sockets without a connection of ours");
                self.suspect_history(Suspicion::new(Oracle::Files, "files", detail));
                self.baseline.files_limit = still.saturating_add(FILES_GROWTH);
            }
        }
        self.check_cpu(usage);
    }

    fn check_cpu(&mut self, usage: Usage) {
        let Some(cpu) = usage.cpu else { return };
        let count = u32::try_from(self.age.saturating_sub(self.baseline.last_age)).unwrap_or(1);
        let used = cpu.saturating_sub(self.baseline.last_cpu);
        self.baseline.last_cpu = cpu;
        self.baseline.last_age = self.age;
        let usual = (self.baseline.cpu_slope * count * 20).max(Duration::from_millis(500));
        if used > usual && self.spins() {
            let detail = "more than half a processor, for a second without a connection";
            self.suspect_history(Suspicion::new(Oracle::Cpu, "cpu", detail));
        }
    }

    /// Whether the target is busy although nobody is connected.
    pub(super) fn spins(&mut self) -> bool {
        self.bench.rest(Duration::from_millis(500));
        let before = self.bench.usage().cpu;
        self.bench.rest(Duration::from_secs(1));
        let after = self.bench.usage().cpu;
        match (before, after) {
            (Some(before), Some(after)) => {
                after.saturating_sub(before) > Duration::from_millis(500)
            }
            _ => false,
        }
    }

    /// Somebody asks for much and reads nothing: memory stays bounded.
    fn check_slow_reader(&mut self) {
        if self.ground.role() == Role::Leech || self.ended.is_some() {
            return;
        }
        let case = slow_reader(self.next, &self.ground);
        let before = self.bench.usage().memory;
        let player = self.player(case.clone());
        self.bench.play(vec![player]);
        let after = self.bench.usage().memory;
        if let (Some(before), Some(after)) = (before, after)
            && after > before.saturating_add(MEMORY_GROWTH)
        {
            let grown = after.saturating_sub(before) >> 20;
            let detail =
                format!("{grown} MiB more for 2,000 requests of somebody who reads nothing");
            let suspicion = Suspicion::new(Oracle::SlowReader, "slow-reader", detail);
            self.suspect(suspicion, vec![case]);
        }
        self.look_at_vitals();
    }

    /// Starts the target again, if somebody can; else the campaign ends.
    pub(super) fn start_anew(&mut self) {
        if !self.bench.can_restart() {
            return;
        }
        self.tally.restarts = self.tally.restarts.saturating_add(1);
        self.age = 0;
        if let Err(why) = self.bench.restart() {
            self.ended = Some(Ending::Unreachable(format!(
                "it does not start again: {why}"
            )));
            return;
        }
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

    /// Puts a find on the list.
    pub(super) fn keep(&mut self, find: Find) {
        (self.news)(News::Found(&find));
        self.finds.push(find);
    }

    pub(super) fn over(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether there is no time left for what would only be nice to have.
    pub(super) fn late(&self) -> bool {
        let most = self.config.duration.map(|most| most.saturating_add(GRACE));
        let now = self.bench.elapsed();
        let over = |until: Option<Duration>| until.is_some_and(|until| now > until);
        (self.stop)() || over(most) || over(self.until)
    }

    /// Answers do not come, which is known by now: nobody waits so long for the next.
    pub(super) fn wait_less(&mut self) {
        if let Some(slow) = self.slow {
            let least = Duration::from_millis(500);
            self.pace.answer = (slow * 20).max(least).min(self.pace.answer);
        }
    }
}

/// Long enough for what usually takes this time, on a machine that has more to do.
fn ample(usual: Duration) -> Duration {
    let longer = usual.saturating_add(Duration::from_millis(500));
    (usual * 8).min(longer).max(LEAST_WAIT)
}

/// The middle of some times: one that was held up by a busy machine says nothing.
fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What a campaign came to.
#[derive(Debug, Clone)]
pub struct Campaigned {
    /// How it ended.
    pub ending: Ending,
    /// How long it took; virtual in simulation.
    pub duration: Duration,
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

/// Shorter waits than this are up to the machine, not to the target.
const LEAST_WAIT: Duration = Duration::from_millis(6);
/// What a find may take beyond the end of a campaign.
const GRACE: Duration = Duration::from_secs(45);
/// Cases between two looks whether a fresh connection is served.
const BATCH: u64 = 16;
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
/// Growth that is looked into: what the load suite allows, too.
const MEMORY_GROWTH: u64 = 64 << 20;
const FILES_GROWTH: u64 = 64;
/// Valid connections before anything else, one at a time.
const BASELINE_FIRST: u64 = 6;
/// Who takes longer for a handshake reads at ticks of a timer, and overlooks what an end follows.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Time for those, which a slow target does not get through.
const BASELINE_TIME: Duration = Duration::from_secs(5);
/// Valid connections between two looks at usage.
const BASELINE_HALF: u64 = 100;
