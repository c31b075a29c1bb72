//! What valid traffic takes and costs, and the oracles that compare with it: memory, files, processor
//! time, and somebody who does not read.

use std::time::Duration;

use super::campaign::{BATCH, Campaign};
use super::ground::Role;
use super::oracle::{Oracle, Suspicion, Usage};
use super::player::{CasePlayer, Pace};
use super::valid::{Life, slow_reader, valid};

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
    pub(super) last_cpu: Duration,
    pub(super) last_age: u64,
}

impl Campaign<'_> {
    /// Plays valid traffic: that the target serves, how fast, and what it costs.
    pub(super) fn learn_baseline(&mut self) -> Result<(), String> {
        let mut pace = Pace::default();
        let (mut slowest, mut awaited, mut left) = (Vec::new(), Vec::new(), Vec::new());
        let mut greeted = Vec::new();
        // With moves right behind our handshake, and with moves behind the target's.
        let (mut early, mut life) = (Life::None, Life::None);
        let mut why = "it does not answer".to_owned();
        for number in 0..BASELINE_FIRST {
            pace.early = number.is_multiple_of(2);
            let player = CasePlayer::new(valid(number, &self.ground), self.ground.clone(), pace);
            for (_, trace) in self.play(vec![player]) {
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
            self.play(players);
            played = played.saturating_add(BATCH);
            let spent = self.bench.elapsed().saturating_sub(began);
            if self.over() || !self.bench.is_virtual() && spent > BASELINE_TIME {
                break;
            }
        }
        played.max(1)
    }

    /// Memory, files and processor time against the baseline.
    pub(super) fn check_usage(&mut self) {
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
    pub(super) fn check_slow_reader(&mut self) {
        if self.ground.role() == Role::Leech || self.over() {
            return;
        }
        let case = slow_reader(self.next, &self.ground);
        let before = self.bench.usage().memory;
        let player = self.player(case.clone());
        self.play(vec![player]);
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

/// Shorter waits than this are up to the machine, not to the target.
const LEAST_WAIT: Duration = Duration::from_millis(6);
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
