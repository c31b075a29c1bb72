//! Cases that made the target react in a new way, kept for each state, in bounded number.

use std::collections::{BTreeMap, HashSet};

use super::case::Case;
use super::fingerprint::Feature;
use super::rng::Rng;
use super::state::StateId;

/// Cases worth changing further.
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    seen: HashSet<u64>,
    cases: Vec<Case>,
    by_state: BTreeMap<StateId, Vec<usize>>,
}

impl Corpus {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what a case did; keeps it if some of that is new, and says how much.
    pub fn learn(&mut self, case: &Case, features: &[Feature]) -> usize {
        let mut new = 0_usize;
        let mut states = Vec::new();
        for feature in features {
            if self.seen.len() < MOST_FEATURES && self.seen.insert(feature.number) {
                new = new.saturating_add(1);
                if !states.contains(&feature.state) {
                    states.push(feature.state);
                }
            }
        }
        if new > 0 && self.cases.len() < MOST_CASES {
            let place = self.cases.len();
            self.cases.push(case.clone());
            for state in states {
                self.by_state.entry(state).or_default().push(place);
            }
        }
        new
    }

    /// A kept case: a state by lot, then one of its cases, the later ones more often.
    pub fn pick(&self, rng: &mut Rng) -> Option<&Case> {
        let states: Vec<&Vec<usize>> = self.by_state.values().collect();
        let places = rng.pick(&states)?;
        let any = rng.index(places.len());
        let place = any.max(rng.index(places.len()));
        self.cases.get(*places.get(place)?)
    }

    /// Reactions seen so far.
    pub fn reactions(&self) -> usize {
        self.seen.len()
    }

    /// The cases.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Numbers of the reactions, in order, for a campaign that is resumed.
    pub fn seen(&self) -> Vec<u64> {
        let mut seen: Vec<u64> = self.seen.iter().copied().collect();
        seen.sort_unstable();
        seen
    }

    /// Cases of a campaign that goes on; their states are learnt anew.
    pub fn restore(cases: Vec<Case>, seen: impl IntoIterator<Item = u64>) -> Self {
        let places = (0..cases.len()).collect();
        Self {
            seen: seen.into_iter().take(MOST_FEATURES).collect(),
            by_state: BTreeMap::from([(StateId::default(), places)]),
            cases,
        }
    }
}

/// Kept cases: far more than any target has shown so far.
const MOST_CASES: usize = 20_000;
/// Reactions that are told apart.
const MOST_FEATURES: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::case::{End, Greeting};

    fn case(number: u64) -> Case {
        Case {
            number,
            greeting: Greeting::usual(),
            moves: Vec::new(),
            end: End::Fin,
        }
    }

    #[test]
    fn keeps_what_does_something_new() {
        let feature = |number| Feature {
            number,
            state: StateId::default(),
        };
        let mut corpus = Corpus::new();
        assert!(corpus.pick(&mut Rng::new(1)).is_none());
        assert_eq!(corpus.learn(&case(1), &[feature(1), feature(2)]), 2);
        assert_eq!(corpus.learn(&case(2), &[feature(2)]), 0);
        assert_eq!(corpus.learn(&case(3), &[feature(3)]), 1);
        assert_eq!(corpus.reactions(), 3);
        let numbers: Vec<u64> = corpus.cases().iter().map(|case| case.number).collect();
        assert_eq!(numbers, [1, 3]);
        let again = Corpus::restore(corpus.cases().to_vec(), corpus.seen());
        assert_eq!(again.reactions(), 3);
        assert!(again.pick(&mut Rng::new(1)).is_some());
    }
}
