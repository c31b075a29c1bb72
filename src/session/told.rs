//! What the tester has said, and what the target must have heard of it.

use std::collections::VecDeque;

/// Place of a message in the stream of everything one side has sent, from 1.
pub type Order = u64;

/// Changes that may be pending at once; beyond it everything is held possible.
const PENDING: usize = 1024;

/// A state that the tester changes by sending, with the values that the target may go by.
///
/// Messages cross: between our sending a change and the first sign that the target has read it,
/// both values are right. `sent` is the latest value; `known` is the value as of the last message
/// that the target has provably read; every value from there on is possible.
#[derive(Debug, Clone)]
pub struct Told<T> {
    known: T,
    pending: VecDeque<(Order, T)>,
    /// Changes were dropped: whatever is asked about is possible until all of it is known.
    blurred: bool,
}

impl<T: Clone + PartialEq> Told<T> {
    /// A state that both sides know, such as "choking" at the start of a connection.
    pub fn new(known: T) -> Self {
        Self {
            known,
            pending: VecDeque::new(),
            blurred: false,
        }
    }

    /// The message at `order` says `value`.
    pub fn tell(&mut self, order: Order, value: T) {
        if self.pending.len() >= PENDING {
            self.pending.pop_front();
            self.blurred = true;
        }
        self.pending.push_back((order, value));
    }

    /// The target has read everything up to `order`.
    pub fn prove(&mut self, order: Order) {
        while self.pending.front().is_some_and(|(at, _)| *at <= order) {
            if let Some((_, value)) = self.pending.pop_front() {
                self.known = value;
            }
        }
        if self.pending.is_empty() {
            self.blurred = false;
        }
    }

    /// The value that we sent last.
    pub fn sent(&self) -> &T {
        self.pending.back().map_or(&self.known, |(_, value)| value)
    }

    /// The value as of the last message that the target has provably read.
    pub fn known(&self) -> &T {
        &self.known
    }

    /// What we sent last is known.
    pub fn settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether the target may go by a value for which `is` holds.
    pub fn possible(&self, is: impl Fn(&T) -> bool) -> bool {
        self.blurred || is(&self.known) || self.pending.iter().any(|(_, value)| is(value))
    }

    /// Whether the target may still have to read a value for which `is` holds.
    pub fn underway(&self, is: impl Fn(&T) -> bool) -> bool {
        self.blurred || self.pending.iter().any(|(_, value)| is(value))
    }

    /// Every value that the target may go by, the latest first.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.pending
            .iter()
            .rev()
            .map(|(_, value)| value)
            .chain(std::iter::once(&self.known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_are_possible_until_proved() {
        let mut choking = Told::new(true);
        choking.tell(3, false);
        choking.tell(5, true);
        assert!(choking.possible(|c| !c) && choking.possible(|c| *c));
        assert!(choking.underway(|c| *c), "choke at 5 is not read");
        choking.prove(3);
        assert!(!choking.known(), "unchoke at 3 is read");
        assert!(choking.possible(|c| *c), "choke at 5 may be read");
        choking.prove(4);
        assert!(choking.possible(|c| !c), "4 says nothing about 5");
        choking.prove(5);
        assert!(!choking.possible(|c| !c));
        assert!(choking.settled() && !choking.underway(|c| *c));
    }

    #[test]
    fn too_many_changes_make_everything_possible_until_all_are_read() {
        let mut state = Told::new(0u64);
        for order in 1..=2000 {
            state.tell(order, order);
        }
        assert!(
            state.possible(|v| *v == 7),
            "7 was dropped and may be in force"
        );
        state.prove(2000);
        assert!(!state.possible(|v| *v == 7));
        assert_eq!(*state.known(), 2000);
    }
}
