//! Plays that may have met the end of their target without knowing it.
//!
//! Where plays run beside each other, and where a target takes its time to die, the one that shows
//! that it is gone is not the only one that it went away from. Each of them is played again, alone.

use std::collections::BTreeMap;

use super::player::Played;
use crate::outcome::Verdict;

/// The plays on one target that ended badly since it was last seen well.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Beginnings and ends of plays so far.
    events: u32,
    ended: Vec<Ended>,
    /// How often a play was played again.
    again: BTreeMap<usize, u32>,
}

#[derive(Debug)]
struct Ended {
    /// Its place in the run.
    index: usize,
    /// The event that its end was.
    at: u32,
    unanswered: bool,
}

impl Suspects {
    /// A play begins: the event that this is.
    pub(super) fn begin(&mut self) -> u32 {
        self.events = self.events.saturating_add(1);
        self.events
    }

    /// A play that began at event `began` has ended, and the target was not gone. A good end
    /// clears all that ended before it began.
    pub(super) fn end(&mut self, index: usize, began: u32, played: &Played) {
        self.events = self.events.saturating_add(1);
        match played.outcome.verdict {
            Verdict::Pass | Verdict::Info => self.ended.retain(|ended| ended.at > began),
            // Most skips have sent nothing.
            Verdict::Skip => {}
            Verdict::Warn | Verdict::Fail | Verdict::Inconclusive | Verdict::Error => {
                self.ended.push(Ended {
                    index,
                    at: self.events,
                    unanswered: played.unanswered,
                });
            }
        }
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Whether the target should be looked at before anything else begins.
    pub(super) fn doubtful(&self) -> bool {
        self.ended.iter().any(|ended| ended.unanswered)
    }

    /// The target is well, or another has taken its place.
    pub(super) fn clear(&mut self) {
        self.ended.clear();
    }

    /// The target is gone: those that are to be played again.
    pub(super) fn take(&mut self) -> Vec<usize> {
        let ended = std::mem::take(&mut self.ended);
        let indices = ended.into_iter().map(|ended| ended.index);
        indices.filter(|index| self.may_again(*index)).collect()
    }

    /// Whether a play may be played once more; counts it.
    pub(super) fn may_again(&mut self, index: usize) -> bool {
        let times = self.again.entry(index).or_default();
        *times = times.saturating_add(1);
        *times <= AGAIN
    }
}

/// How often one play is played again: a target that dies of everything must not hold up the run.
const AGAIN: u32 = 2;
