//! From a suspicion to a find: which connections it takes, whether it repeats, how small it gets.

use std::collections::BTreeSet;
use std::time::Duration;

use super::campaign::{Campaign, Ending, Find, Left, News};
use super::case::{Await, Case, End, Move, Send, What};
use super::oracle::{Oracle, Suspicion, judge};
use super::shrink::shrink;

impl Find {
    /// Something that was noticed once, with nothing proved.
    pub(super) fn new(suspicion: Suspicion, cases: Vec<Case>, first: u64) -> Self {
        Self {
            suspicion,
            cases,
            confirmed: false,
            left: Left::Nothing,
            count: 1,
            first,
            also: BTreeSet::new(),
        }
    }
}

/// What making a find small came to.
struct Made {
    cases: Vec<Case>,
    confirmed: bool,
    left: Left,
}

impl Campaign<'_> {
    /// Looks into something that the last cases did, nobody knows which.
    pub(super) fn suspect_history(&mut self, suspicion: Suspicion) {
        let last = match suspicion.oracle {
            Oracle::Memory | Oracle::Files | Oracle::Cpu => LEAK_SUSPECTS,
            _ => SUSPECTS,
        };
        let skip = self.history.len().saturating_sub(last);
        let suspects = self.history.iter().skip(skip).cloned().collect();
        self.suspect(suspicion, suspects);
    }

    /// Looks into something that these connections did, or the last of them.
    pub(super) fn suspect(&mut self, suspicion: Suspicion, suspects: Vec<Case>) {
        let spent = suspicion.oracle.spends();
        let left = self.left.remove(&suspicion.bucket);
        if !left && let Some(known) = self.known(&suspicion) {
            known.count = known.count.saturating_add(1);
            if spent {
                self.replace();
            }
            return;
        }
        let dropped = self.tally.unrepeated.get(&suspicion.bucket);
        if dropped.is_some_and(|times| *times >= GIVE_UP) {
            if spent {
                self.replace();
            }
            return;
        }
        let first = suspects.last().map_or(0, |case| case.number);
        if spent && !self.bench.can_restart() {
            let find = Find::new(suspicion.clone(), suspects, first);
            self.keep(find);
            if matches!(suspicion.oracle, Oracle::Death | Oracle::Wedge) {
                self.end(Ending::Dead);
            }
            return;
        }
        if self.over() || !self.bounds.begin(self.bench.elapsed()) {
            self.postpone(suspicion, suspects, first);
            if spent {
                self.replace();
            }
        } else {
            self.tell(News::Note(format!(
                "looks into {}: {}",
                suspicion.bucket, suspicion.detail
            )));
            self.look_into(suspicion, suspects, first);
            self.bounds.finish(self.bench.elapsed());
            self.replace();
        }
    }

    /// Looks into what a campaign before this one had no time for.
    pub(super) fn finish_what_was_left(&mut self) {
        let left = self.finds.iter().filter(|find| !find.left.is_nothing());
        let left: Vec<Find> = left.cloned().collect();
        let fresh = self.bench.can_restart();
        for find in left {
            if find.suspicion.oracle.spends() && !fresh {
                // The target that showed it may be gone.
                continue;
            }
            let Find {
                suspicion,
                cases,
                count,
                ..
            } = find;
            self.suspect(suspicion.clone(), cases);
            if let Some(known) = self.known(&suspicion) {
                // It was not noticed once more.
                known.count = count;
            }
        }
    }

    /// Keeps what there is no time to look into.
    fn postpone(&mut self, suspicion: Suspicion, suspects: Vec<Case>, first: u64) {
        if suspicion.oracle == Oracle::Unanswered {
            self.wait_less();
        }
        if self.known(&suspicion).is_some() {
            // What is known of it is no less.
            return;
        }
        self.keep(Find {
            left: Left::Isolation,
            ..Find::new(suspicion, suspects, first)
        });
    }

    /// Repeats a suspicion, proves it and makes it small, as far as its time goes.
    fn look_into(&mut self, suspicion: Suspicion, suspects: Vec<Case>, first: u64) {
        let isolated = self.isolate(&suspicion, suspects.clone());
        let Some(cases) = isolated else {
            match self.late() {
                true => self.postpone(suspicion, suspects, first),
                false => self.not_repeated(suspicion, suspects, first),
            }
            return;
        };
        if suspicion.oracle == Oracle::Unanswered {
            self.wait_less();
        }
        let cases = self.spell_out(&suspicion, cases);
        let before = self.bench.elapsed();
        let proved = self.confirm(&suspicion, &cases);
        let takes = self.bench.elapsed().saturating_sub(before);
        if !proved && self.late() {
            self.keep(Find {
                left: Left::Proof,
                ..Find::new(suspicion, cases, first)
            });
            return;
        }
        let mut made = self.make_small(&suspicion, &cases, takes, false);
        if !made.confirmed && self.bench.can_restart() && !self.late() {
            // What one try leaves behind may have helped the next.
            made = self.make_small(&suspicion, &cases, takes, true);
        }
        if !made.confirmed && proved {
            made = Made {
                cases,
                confirmed: true,
                left: Left::Small,
            };
        }
        let mut find = Find {
            confirmed: made.confirmed,
            left: made.left,
            ..Find::new(suspicion, made.cases, first)
        };
        self.look_again(&mut find);
        self.keep(find);
    }

    /// What never came again, although there was time.
    fn not_repeated(&mut self, suspicion: Suspicion, suspects: Vec<Case>, first: u64) {
        if suspicion.oracle == Oracle::Unanswered {
            self.wait_less();
        }
        let bucket = suspicion.bucket.clone();
        self.tell(News::Note(format!("{bucket} did not repeat")));
        let count = self.tally.unrepeated.entry(bucket).or_default();
        *count = count.saturating_add(1);
        if let Some(known) = self.known(&suspicion) {
            known.left = Left::Nothing;
        } else if matches!(suspicion.oracle, Oracle::Death | Oracle::Report) {
            // Whatever led there, the target died.
            self.keep(Find::new(suspicion, suspects, first));
        }
    }

    /// Shrinks, as long as there is time for one more proof, which takes so long; then proves again.
    fn make_small(
        &mut self,
        suspicion: &Suspicion,
        cases: &[Case],
        takes: Duration,
        fresh: bool,
    ) -> Made {
        let budget = self.config.shrink;
        let ground = self.ground.clone();
        let cases = shrink(cases.to_vec(), &ground, budget, &mut |cases| {
            !self.late_in(takes) && self.repeats(suspicion, cases, fresh)
        });
        let left = match self.late_in(takes) {
            true => Left::Small,
            false => Left::Nothing,
        };
        let confirmed = self.confirm(suspicion, &cases);
        Made {
            cases,
            confirmed,
            left,
        }
    }

    /// The connections with the requests that they ended with as moves of theirs: a scenario makes
    /// none by itself.
    fn spell_out(&mut self, suspicion: &Suspicion, cases: Vec<Case>) -> Vec<Case> {
        if suspicion.oracle.spends() {
            return cases;
        }
        let mut spelt = cases.clone();
        for case in &mut spelt {
            let player = self.player(case.clone());
            let played = self.play(vec![player]);
            let probes = played.into_iter().filter_map(|(_, trace)| trace.probe);
            if case.end == End::Probe {
                case.end = End::Quiet;
            }
            for probe in probes {
                if matches!(probe, What::Message(_)) {
                    case.moves.push(Move::Await(Await::Unchoked));
                }
                case.moves.push(Move::Send(Send::once(probe)));
            }
        }
        match self.repeats(suspicion, &spelt, false) {
            true => spelt,
            false => cases,
        }
    }

    fn known(&mut self, suspicion: &Suspicion) -> Option<&mut Find> {
        let bucket = &suspicion.bucket;
        let mut finds = self.finds.iter_mut();
        finds.find(|find| find.suspicion.bucket == *bucket || find.also.contains(bucket))
    }

    /// A fresh target, where somebody can start one.
    fn replace(&mut self) {
        if !self.over() {
            self.start_anew();
        }
        self.history.clear();
    }

    /// The fewest connections, as far as that is cheap to find out: one, then all, then halves.
    fn isolate(&mut self, suspicion: &Suspicion, suspects: Vec<Case>) -> Option<Vec<Case>> {
        if matches!(suspicion.oracle, Oracle::Memory | Oracle::Files) {
            return self.isolate_leak(suspicion, suspects);
        }
        if suspicion.oracle == Oracle::Death {
            self.start_anew();
        }
        // What has just happened is likely the last one's doing.
        for case in suspects.iter().rev() {
            if self.over() || self.late() {
                return None;
            }
            let alone = std::slice::from_ref(case);
            let alone_shows = self.repeats(suspicion, alone, false);
            let fresh = self.bench.can_restart();
            if alone_shows && (!fresh || self.repeats(suspicion, alone, true)) {
                return Some(alone.to_vec());
            }
        }
        if suspicion.oracle == Oracle::Unanswered {
            // Each try takes as long as nobody answers.
            return None;
        }
        // No single one: all that this target has been through, on a fresh one.
        let last = suspects.last().map(|case| case.number);
        let mut all: Vec<Case> = self.history.iter().cloned().collect();
        if all.iter().all(|case| Some(case.number) != last) {
            all.extend(suspects);
        }
        if !self.repeats(suspicion, &all, true) {
            return None;
        }
        Some(self.halve(all, &mut |this, part| this.repeats(suspicion, part, true)))
    }

    /// Drops runs of connections that do not matter.
    fn halve(
        &mut self,
        mut all: Vec<Case>,
        holds: &mut dyn FnMut(&mut Self, &[Case]) -> bool,
    ) -> Vec<Case> {
        let mut run = all.len() / 2;
        while run > 0 && !self.over() && !self.late() {
            let mut from = 0;
            while from < all.len() && all.len() > 1 {
                let mut fewer = all.clone();
                fewer.drain(from..from.saturating_add(run).min(all.len()));
                if !fewer.is_empty() && holds(self, &fewer) {
                    all = fewer;
                } else {
                    from = from.saturating_add(run);
                }
            }
            run /= 2;
        }
        all
    }

    /// The connection that leaves most behind: halves are played again and again.
    fn isolate_leak(&mut self, suspicion: &Suspicion, suspects: Vec<Case>) -> Option<Vec<Case>> {
        let mut all = suspects;
        if !self.repeats(suspicion, &all, true) {
            return None;
        }
        while all.len() > 1 && !self.over() && !self.late() {
            let right = all.split_off(all.len() / 2);
            if self.repeats(suspicion, &right, true) {
                all = right;
            } else if !self.repeats(suspicion, &all, true) {
                // It takes both halves.
                all.extend(right);
                return Some(all);
            }
        }
        Some(all)
    }

    /// Whether the connections show the same again, on a fresh target if `fresh` or if the one at
    /// hand is spent.
    fn repeats(&mut self, suspicion: &Suspicion, cases: &[Case], fresh: bool) -> bool {
        let adds_up = suspicion.oracle.spends() && suspicion.oracle != Oracle::Death;
        if self.late() {
            return false;
        }
        if fresh || adds_up {
            self.start_anew();
        }
        if self.late() {
            return false;
        }
        match suspicion.oracle {
            Oracle::Memory | Oracle::Files => self.grows(suspicion.oracle, cases),
            Oracle::Death => {
                let died = self.shows(suspicion, cases);
                if died {
                    self.start_anew();
                }
                died
            }
            _ => self.shows(suspicion, cases),
        }
    }

    fn shows(&mut self, suspicion: &Suspicion, cases: &[Case]) -> bool {
        let memory = match suspicion.oracle {
            Oracle::SlowReader => self.bench.usage().memory,
            _ => None,
        };
        let mut seen = false;
        for case in cases {
            if self.late() {
                return false;
            }
            let player = self.player(case.clone());
            for (_, trace) in self.play(vec![player]) {
                let (found, _) = judge(&trace);
                seen |= found.iter().any(|it| it.bucket == suspicion.bucket);
            }
        }
        match suspicion.oracle {
            Oracle::Rule | Oracle::Unanswered | Oracle::Overread => seen,
            Oracle::Death => self.died(),
            Oracle::Report => !self.bench.vitals().alarm.is_empty(),
            Oracle::Wedge => !self.lives() && self.bench.vitals().alive != Some(false),
            Oracle::Cpu => self.spins(),
            Oracle::SlowReader => match (memory, self.bench.usage().memory) {
                (Some(before), Some(after)) => after > before.saturating_add(SLOW_GROWTH),
                _ => false,
            },
            Oracle::Memory | Oracle::Files => false,
        }
    }

    /// Whether the process has ended; a crash may take a moment to write its core.
    fn died(&mut self) -> bool {
        for wait in [0, 20, 100] {
            if wait > 0 && self.bench.is_virtual() {
                break;
            }
            self.bench.rest(Duration::from_millis(wait));
            if self.bench.vitals().alive == Some(false) {
                return true;
            }
            if wait == 0 && self.bench.usage().memory.is_some_and(|memory| memory > 0) {
                break;
            }
        }
        self.bench.vitals().alive == Some(false)
    }

    /// Whether playing the same again and again makes the target grow, each time by as much.
    fn grows(&mut self, oracle: Oracle, cases: &[Case]) -> bool {
        let level = |this: &mut Self| {
            let times = LEAK_PLAYS.div_ceil(cases.len().max(1));
            for _ in 0..times {
                let players = cases.iter().map(|case| this.player(case.clone())).collect();
                if this.late() {
                    return None;
                }
                this.play(players);
            }
            let usage = this.bench.usage();
            match oracle {
                Oracle::Files => usage.files,
                _ => usage.memory,
            }
        };
        let least = if oracle == Oracle::Files {
            LEAST_FILES
        } else {
            LEAST_LEAK
        };
        let levels = [level(self), level(self), level(self)];
        match levels {
            [Some(a), Some(b), Some(c)] => {
                b.saturating_sub(a) >= least && c.saturating_sub(b) >= least
            }
            _ => false,
        }
    }

    /// Three times on a fresh target; twice on the one there is where nobody can start another.
    fn confirm(&mut self, suspicion: &Suspicion, cases: &[Case]) -> bool {
        let fresh = self.bench.can_restart();
        let times = if fresh { 3 } else { 2 };
        (0..times).all(|_| self.repeats(suspicion, cases, fresh))
    }

    /// What the small form shows, with its own numbers; what else it raises is no find of its own.
    fn look_again(&mut self, find: &mut Find) {
        if find.suspicion.oracle.spends() {
            return;
        }
        for case in find.cases.clone() {
            let player = self.player(case);
            for (_, trace) in self.play(vec![player]) {
                let (found, _) = judge(&trace);
                for other in found {
                    if other.bucket == find.suspicion.bucket {
                        find.suspicion = other;
                    } else {
                        find.also.insert(other.bucket);
                    }
                }
            }
        }
    }
}

/// Connections before a death or a hang that are looked into.
const SUSPECTS: usize = 20;
/// Connections before growth was noticed.
const LEAK_SUSPECTS: usize = 100;
/// A suspicion that did not repeat so often is not looked into again.
const GIVE_UP: u64 = 3;
/// Plays between two looks at memory.
const LEAK_PLAYS: usize = 100;
/// Growth by so many plays that is a leak.
const LEAST_LEAK: u64 = 512 << 10;
const LEAST_FILES: u64 = 50;
/// Growth by one slow reader.
const SLOW_GROWTH: u64 = 64 << 20;
