//! What went over a connection: counts for each kind of message, and speeds over a window.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::wire::Kind;

/// Number and size of some messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How many.
    pub messages: u64,
    /// Their bytes on the wire, prefix included.
    pub bytes: u64,
}

impl Count {
    fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

/// One direction of a connection, or of all of them.
#[derive(Debug, Clone)]
pub struct Flow {
    kinds: BTreeMap<Kind, Count>,
    total: Count,
    payload: u64,
    recent: VecDeque<(Duration, u64)>,
    window: Duration,
}

impl Flow {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            kinds: BTreeMap::new(),
            total: Count::default(),
            payload: 0,
            recent: VecDeque::new(),
            window: window.max(Duration::from_millis(1)),
        }
    }

    /// Messages of one kind.
    pub fn of(&self, kind: Kind) -> Count {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }

    /// Every kind that was seen.
    pub fn kinds(&self) -> impl Iterator<Item = (Kind, Count)> + '_ {
        self.kinds.iter().map(|(kind, count)| (*kind, *count))
    }

    /// All bytes, handshakes and broken frames included.
    pub fn total(&self) -> Count {
        self.total
    }

    /// Bytes of the torrent's content.
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// All that is not content.
    pub fn protocol(&self) -> u64 {
        self.total.bytes.saturating_sub(self.payload)
    }

    /// Content bytes a second, over the window that ends at `now`.
    pub fn speed(&self, now: Duration) -> f64 {
        let since = now.saturating_sub(self.window);
        let bytes: u64 = self
            .recent
            .iter()
            .filter(|(at, _)| *at >= since)
            .map(|(_, bytes)| bytes)
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "a speed needs no 53 bits")]
        let bytes = bytes as f64;
        bytes / self.window.as_secs_f64()
    }

    pub(super) fn message(&mut self, kind: Kind, bytes: usize, payload: usize, now: Duration) {
        self.kinds.entry(kind).or_default().add(bytes);
        self.total.add(bytes);
        if payload > 0 {
            self.payload += payload as u64;
            self.note(payload as u64, now);
        }
    }

    pub(super) fn other(&mut self, bytes: usize) {
        self.total.bytes += bytes as u64;
    }

    /// The window is kept in a hundred steps, so that a fast connection does not fill the memory.
    fn note(&mut self, bytes: u64, now: Duration) {
        let step = self.window / STEPS;
        match self.recent.back_mut() {
            Some((at, sum)) if now.saturating_sub(*at) < step => *sum += bytes,
            _ => self.recent.push_back((now, bytes)),
        }
        let since = now.saturating_sub(self.window);
        while self.recent.front().is_some_and(|(at, _)| *at < since) {
            self.recent.pop_front();
        }
    }
}

const STEPS: u32 = 100;

/// Both directions.
#[derive(Debug, Clone)]
pub struct Stats {
    /// What we sent.
    pub sent: Flow,
    /// What we received.
    pub received: Flow,
}

impl Stats {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            sent: Flow::new(window),
            received: Flow::new(window),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_falls_to_zero_when_the_window_has_passed() {
        let mut flow = Flow::new(Duration::from_secs(5));
        flow.message(Kind::Piece, 1013, 1000, Duration::from_secs(1));
        assert_eq!(flow.speed(Duration::from_secs(1)), 200.0);
        assert_eq!(flow.speed(Duration::from_secs(6)), 200.0);
        assert_eq!(flow.speed(Duration::from_secs(7)), 0.0);
        assert_eq!(flow.of(Kind::Piece).messages, 1);
        assert_eq!((flow.payload(), flow.protocol()), (1000, 13));
    }

    #[test]
    fn window_is_kept_in_bounded_memory() {
        let mut flow = Flow::new(Duration::from_secs(1));
        for n in 0..100_000_u64 {
            flow.message(Kind::Piece, 10, 1, Duration::from_micros(n * 20));
        }
        assert!(flow.recent.len() <= 102, "{}", flow.recent.len());
        assert!((flow.speed(Duration::from_secs(2)) - 50_000.0).abs() < 1000.0);
    }
}
