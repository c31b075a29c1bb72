//! Plays everything against one peer after the other, several at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::engine::run::{RunConfig, run_self};
use crate::engine::self_mode::{Make, SelfMode};
use crate::engine::settings::Settings;
use crate::outcome::RunOutcome;
use crate::scenario::ast::{Direction, Role, Suite};
use crate::scenario::{Choice, Play, ScenarioError, embedded, expand};
use crate::torrent::fixture;

/// The plays of an audit and how they are played.
#[derive(Debug, Clone)]
pub struct Audit {
    pub(super) plays: Vec<Play>,
    jobs: usize,
    seed: u64,
}

impl Audit {
    /// With every play of the embedded suites, both roles and directions.
    ///
    /// # Errors
    /// What is wrong with the suites, which would be a bug.
    pub fn embedded() -> Result<Self, Vec<ScenarioError>> {
        Self::of(&embedded()?)
    }

    /// With every play of `suites`.
    ///
    /// # Errors
    /// A `when` of a case that cannot be evaluated.
    pub fn of(suites: &[Suite]) -> Result<Self, Vec<ScenarioError>> {
        let choice = Choice {
            roles: vec![Role::Seed, Role::Leech],
            directions: vec![Direction::Dialled, Direction::Dials],
            variants: Vec::new(),
        };
        // Some ten thousand plays read the same blocks.
        if let Some(content) = fixture::main().torrent.content() {
            content.hold();
        }
        let mut plays = Vec::new();
        for suite in suites {
            plays.extend(expand(suite, &choice).map_err(|error| vec![error])?);
        }
        Ok(Self {
            plays,
            jobs: 1,
            seed: 0,
        })
    }

    /// So many peers at a time; what it comes to does not depend on it.
    #[must_use]
    pub fn with_jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Only the plays that `wanted` picks.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&Play) -> bool) -> Self {
        self.plays.retain(|play| wanted(play));
        self
    }

    /// How many plays there are.
    pub fn len(&self) -> usize {
        self.plays.len()
    }

    /// Whether there is nothing to play.
    pub fn is_empty(&self) -> bool {
        self.plays.is_empty()
    }

    /// Plays those that `wanted` picks against what `make` makes. Without a preflight nothing is
    /// known of the target when a case begins.
    pub(super) fn run(
        &self,
        make: &dyn Make,
        preflight: bool,
        wanted: impl Fn(&Play) -> bool,
    ) -> RunOutcome {
        let plays: Vec<Play> = self.plays.iter().filter(|p| wanted(p)).cloned().collect();
        let config = RunConfig {
            settings: Settings {
                seed: self.seed,
                transcript: false,
                ..Settings::default()
            },
            preflight,
            ..RunConfig::new("self")
        };
        run_self(&mut SelfMode::new(make), &plays, &config, &|_| {})
    }

    /// `work` on each of `items`, on as many threads as there are jobs; results in their order.
    pub(super) fn each<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> R + Sync,
    ) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
        let thread = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else { return };
                let result = work(item);
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.push((index, result));
            }
        };
        let threads = self.jobs.min(items.len());
        if threads <= 1 {
            thread();
        } else {
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(thread);
                }
            });
        }
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}
