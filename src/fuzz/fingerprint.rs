//! When a reaction is a new one.

use super::case::Case;
use super::state::StateId;
use super::trace::{Latency, Trace};
use crate::trace::Dir;
use crate::wire::Kind;

/// Something that a case made the target do; equal numbers are equal reactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Feature {
    /// The number.
    pub number: u64,
    /// The state that it belongs to: cases are kept for each state.
    pub state: StateId,
}

/// Tells reactions apart. A black box is told apart by what it says; an instrumented target could
/// give the edges of its code that were walked.
pub trait Fingerprint: Send {
    /// Everything that the case made the target do.
    fn features(&mut self, case: &Case, trace: &Trace) -> Vec<Feature>;
}

/// What can be seen from outside: kinds of messages by state, what follows what, who closes how and
/// behind what, each with its latency class.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reactions;

impl Fingerprint for Reactions {
    fn features(&mut self, _: &Case, trace: &Trace) -> Vec<Feature> {
        let mut features = Vec::new();
        let mut before = 0;
        for reaction in &trace.seen {
            let kind = number(reaction.kind);
            let latency = class(reaction.latency);
            let state = reaction.state;
            features.push(feature(
                &[1, u64::from(state.number()), kind, latency],
                state,
            ));
            features.push(feature(&[2, before, kind], state));
            before = kind;
        }
        if let Some((Dir::Received, how, state)) = trace.closed {
            let said = trace.last_said.unwrap_or_default();
            let said = said.bytes().fold(0, |sum: u64, byte| {
                sum.wrapping_mul(31).wrapping_add(u64::from(byte))
            });
            let how = how.name().len() as u64;
            features.push(feature(&[3, u64::from(state.number()), how, said], state));
        }
        features.sort_unstable();
        features.dedup();
        features
    }
}

fn number(kind: Option<Kind>) -> u64 {
    kind.map_or(99, |kind| kind as u64)
}

fn class(latency: Latency) -> u64 {
    latency as u64
}

fn feature(parts: &[u64], state: StateId) -> Feature {
    // FNV-1a over words: stable from run to run.
    let number = parts.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, part| {
        (hash ^ part).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
    });
    Feature { number, state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::case::{End, Greeting};
    use crate::fuzz::trace::Reaction;

    #[test]
    fn another_kind_state_or_latency_is_another_reaction() {
        let case = Case {
            number: 0,
            greeting: Greeting::usual(),
            moves: Vec::new(),
            end: End::Fin,
        };
        let of = |kind, latency| {
            let seen = vec![Reaction {
                state: StateId::default(),
                kind: Some(kind),
                latency,
            }];
            Reactions.features(
                &case,
                &Trace {
                    seen,
                    ..Trace::default()
                },
            )
        };
        let plain = of(Kind::Choke, Latency::Now);
        assert_eq!(plain, of(Kind::Choke, Latency::Now));
        assert_ne!(plain, of(Kind::Unchoke, Latency::Now));
        assert_ne!(plain, of(Kind::Choke, Latency::Late));
    }
}
