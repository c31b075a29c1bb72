//! Alternating rounds: every contestant of a group has its turn in each.

use std::time::Instant;

use crate::args::Args;

/// Nanoseconds per item, or why there are none.
pub(crate) type Sample = Result<f64, String>;

/// Somebody who does a piece of work.
pub(crate) struct Contestant {
    /// As it stands in the table.
    pub(crate) name: &'static str,
    run: Box<dyn FnMut() -> Sample>,
    /// One sample a round.
    pub(crate) samples: Vec<Sample>,
}

/// Who we are measured beside, and how fast we mean to be.
pub(crate) struct Rival {
    /// The other one.
    pub(crate) contestant: Contestant,
    /// Our speed divided by theirs that is good enough, if anything was promised.
    pub(crate) reach: Option<f64>,
    /// The same, that would be good.
    pub(crate) want: Option<f64>,
}

/// One piece of work, ours first.
pub(crate) struct Group {
    /// As it stands in the table.
    pub(crate) what: &'static str,
    /// What a time is for: `message`, `handshake`.
    pub(crate) item: &'static str,
    /// We.
    pub(crate) ours: Contestant,
    /// The others.
    pub(crate) rivals: Vec<Rival>,
}

impl Contestant {
    /// Measured by itself: `run` gives nanoseconds per item.
    pub(crate) fn measured(name: &'static str, run: impl FnMut() -> Sample + 'static) -> Self {
        Self {
            name,
            run: Box::new(run),
            samples: Vec::new(),
        }
    }

    /// Does `items` items in one call, which returns how many it has done.
    pub(crate) fn new(
        name: &'static str,
        items: usize,
        mut pass: impl FnMut() -> usize + 'static,
    ) -> Self {
        Self::measured(name, move || {
            let mut least = f64::INFINITY;
            for _ in 0..PASSES {
                let start = Instant::now();
                let done = pass();
                let took = start.elapsed();
                if done != items {
                    return Err(format!("did {done} of {items}"));
                }
                least = least.min(took.as_nanos() as f64 / items as f64);
            }
            Ok(least)
        })
    }

    /// Median over the rounds, or why there is none.
    pub(crate) fn figure(&self) -> Sample {
        let times: Result<Vec<f64>, String> = self.samples.iter().cloned().collect();
        Ok(median(&times?))
    }
}

impl Group {
    /// Our side of a piece of work.
    pub(crate) fn new(what: &'static str, item: &'static str, ours: Contestant) -> Self {
        Self {
            what,
            item,
            ours,
            rivals: Vec::new(),
        }
    }

    /// Somebody to compare with.
    #[must_use]
    pub(crate) fn beside(mut self, contestant: Contestant) -> Self {
        self.rivals.push(Rival {
            contestant,
            reach: None,
            want: None,
        });
        self
    }

    /// Somebody to compare with, and how fast we mean to be beside them.
    #[must_use]
    pub(crate) fn against(
        mut self,
        contestant: Contestant,
        reach: f64,
        want: impl Into<Option<f64>>,
    ) -> Self {
        self.rivals.push(Rival {
            contestant,
            reach: Some(reach),
            want: want.into(),
        });
        self
    }
}

/// Measures everything `rounds` times, in turn, so that a busy moment hits all of a group alike.
pub(crate) fn rounds(groups: &mut [Group], args: &Args) {
    for round in 0..args.rounds {
        eprintln!("round {} of {}", round + 1, args.rounds);
        for group in &mut *groups {
            let rivals = group.rivals.iter_mut().map(|rival| &mut rival.contestant);
            for contestant in std::iter::once(&mut group.ours).chain(rivals) {
                // Who cannot run will not the next time either.
                if contestant.samples.iter().all(Result::is_ok) {
                    let sample = (contestant.run)();
                    contestant.samples.push(sample);
                }
            }
        }
    }
}

/// The middle one; of an even number the mean of both.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => f64::NAN,
        0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// Passes of one sample. The least counts: what comes on top is the machine's other work.
const PASSES: usize = 5;
