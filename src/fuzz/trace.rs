//! What a case came to.

use std::collections::BTreeSet;
use std::time::Duration;

use super::case::What;
use super::state::StateId;
use crate::engine::io::ConnectError;
use crate::rule::Violation;
use crate::trace::{CloseHow, Dir};
use crate::wire::{BlockRef, Kind};

/// What was seen on the connection of a case.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Why there was no connection.
    pub refused: Option<ConnectError>,
    /// Messages of the target, bounded.
    pub seen: Vec<Reaction>,
    /// Who ended the connection first, how, and in which state.
    pub closed: Option<(Dir, CloseHow, StateId)>,
    /// What the target's close came behind: our last move.
    pub last_said: Option<&'static str>,
    /// Rules that were broken, each once.
    pub violations: Vec<Violation>,
    /// A block that reaches beyond its piece.
    pub overread: Option<BlockRef>,
    /// A valid request that was never answered.
    pub unanswered: Option<BlockRef>,
    /// The request at the end was answered: the target serves.
    pub served: bool,
    /// The request that the case ended with by itself.
    pub probe: Option<What>,
    /// The target's handshake came.
    pub greeted: bool,
    /// How long after the connection its handshake came.
    pub greeted_after: Duration,
    /// The target's process ended meanwhile: exit code and last words.
    pub died: Option<(Option<i32>, String)>,
    /// States that were reached.
    pub states: BTreeSet<StateId>,
    /// Pieces that the target has said to have.
    pub has: u32,
    /// Longest time from a request of ours to its answer.
    pub slowest: Duration,
    /// Longest time until an awaited state came.
    pub awaited: Duration,
    /// How long the target took to end its side once we had ended ours; `None` if it did not.
    pub left_after: Option<Duration>,
    /// There was no time for all of it.
    pub cut: bool,
    /// The loop that played it could not go on: a defect of ours.
    pub failed: Option<String>,
}

/// One message of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reaction {
    /// The state that it met.
    pub state: StateId,
    /// What it was; `None` if it is no message.
    pub kind: Option<Kind>,
    /// How long after our last write.
    pub latency: Latency,
}

/// How long the target took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Latency {
    /// As soon as it had read what we said.
    Now,
    /// At the next round of a timer.
    Tick,
    /// Later than that.
    Late,
}

impl Latency {
    /// The class of a time; `now` is how long a busy target may take for what it does at once.
    pub fn of(span: Duration, now: Duration) -> Self {
        if span <= now {
            Self::Now
        } else if span <= TICK.max(now * 2) {
            Self::Tick
        } else {
            Self::Late
        }
    }
}

/// Slower timers than this are not what a round of a client's main loop is.
const TICK: Duration = Duration::from_millis(2500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_has_three_classes() {
        let of = |ms| Latency::of(Duration::from_millis(ms), Duration::from_millis(50));
        assert_eq!(
            [of(0), of(50), of(51), of(2500), of(2501)],
            [
                Latency::Now,
                Latency::Now,
                Latency::Tick,
                Latency::Tick,
                Latency::Late
            ]
        );
    }
}
