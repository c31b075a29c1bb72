//! The bounded record of a case (what reports show).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::observation::{ConnId, Dir, Observation};

/// Raw bytes kept from the beginning of a connection, and again from its end.
pub const KEPT_BYTES: u64 = 1 << 20;
/// Observations kept of a connection: half from its beginning, half from its end.
pub const KEPT_OBSERVATIONS: usize = 4096;

/// Keeps the first and last MiB of raw bytes and 4,096 observations of every connection, and
/// counts the rest.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    conns: BTreeMap<ConnId, Kept>,
}

/// A line of a transcript: something seen, or a gap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Entry<'a> {
    /// Something seen. Its `raw` is empty where only the bytes were dropped.
    Seen(&'a Observation),
    /// What was left out here of one connection.
    Gap(ConnId, Dropped),
}

/// What was seen and not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Observations that are gone altogether.
    pub observations: u64,
    /// Raw bytes that are gone, those of kept observations included.
    pub bytes: u64,
    /// Of these bytes, how many the tester sent.
    pub sent: u64,
}

#[derive(Debug, Clone, Default)]
struct Kept {
    head: Vec<Observation>,
    head_bytes: u64,
    /// Nothing goes to the head any more.
    head_full: bool,
    tail: VecDeque<Observation>,
    tail_bytes: u64,
    dropped: Dropped,
    total_observations: u64,
    total_bytes: u64,
}

impl Transcript {
    /// An empty transcript.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what was seen, already stamped.
    pub fn push(&mut self, observation: Observation) {
        self.conns
            .entry(observation.conn)
            .or_default()
            .push(observation);
    }

    /// Everything kept, in arrival order, with one gap per connection where something was dropped.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let mut lines: Vec<(u64, Entry<'_>)> = Vec::new();
        for (conn, kept) in &self.conns {
            lines.extend(kept.head.iter().map(|o| (o.seq, Entry::Seen(o))));
            if kept.dropped != Dropped::default() {
                let before = kept.head.last().map_or(0, |o| o.seq);
                lines.push((before, Entry::Gap(*conn, kept.dropped)));
            }
            lines.extend(kept.tail.iter().map(|o| (o.seq, Entry::Seen(o))));
        }
        // The sort is stable, so a gap stays behind the last observation before it.
        lines.sort_by_key(|(seq, _)| *seq);
        lines.into_iter().map(|(_, entry)| entry).collect()
    }

    /// What was kept of one connection, in arrival order.
    pub fn of(&self, conn: ConnId) -> impl Iterator<Item = &Observation> {
        self.conns
            .get(&conn)
            .into_iter()
            .flat_map(|kept| kept.head.iter().chain(kept.tail.iter()))
    }

    /// The last `n` observations over all connections, in arrival order.
    pub fn last(&self, n: usize) -> Vec<&Observation> {
        let mut all: Vec<&Observation> = self
            .conns
            .values()
            .flat_map(|kept| kept.head.iter().chain(kept.tail.iter()))
            .collect();
        all.sort_by_key(|o| o.seq);
        let skip = all.len().saturating_sub(n);
        all.split_off(skip)
    }

    /// What was left out of one connection.
    pub fn dropped(&self, conn: ConnId) -> Dropped {
        self.conns
            .get(&conn)
            .map_or_else(Dropped::default, |k| k.dropped)
    }

    /// Observations and raw bytes of one connection, kept or not.
    pub fn totals(&self, conn: ConnId) -> (u64, u64) {
        self.conns
            .get(&conn)
            .map_or((0, 0), |k| (k.total_observations, k.total_bytes))
    }

    /// The connections seen, in order of their numbers.
    pub fn conns(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.conns.keys().copied()
    }
}

impl Kept {
    fn push(&mut self, mut observation: Observation) {
        let len = raw_len(&observation);
        self.total_observations = self.total_observations.saturating_add(1);
        self.total_bytes = self.total_bytes.saturating_add(len);
        let fits = self.head.len() < KEPT_OBSERVATIONS / 2
            && self.head_bytes.saturating_add(len) <= KEPT_BYTES;
        if fits && !self.head_full {
            self.head_bytes = self.head_bytes.saturating_add(len);
            // A frame may be a slice of a large read buffer: hold only its own bytes.
            observation.raw = Bytes::copy_from_slice(&observation.raw);
            self.head.push(observation);
            return;
        }
        self.head_full = true;
        self.tail_bytes = self.tail_bytes.saturating_add(len);
        self.tail.push_back(observation);
        while self.tail.len() > KEPT_OBSERVATIONS / 2 || self.tail_bytes > KEPT_BYTES {
            let Some(gone) = self.tail.pop_front() else {
                break;
            };
            let len = raw_len(&gone);
            self.tail_bytes = self.tail_bytes.saturating_sub(len);
            self.dropped.observations = self.dropped.observations.saturating_add(1);
            self.dropped.bytes = self.dropped.bytes.saturating_add(len);
            if gone.dir == Dir::Sent {
                self.dropped.sent = self.dropped.sent.saturating_add(len);
            }
        }
    }
}

fn raw_len(observation: &Observation) -> u64 {
    u64::try_from(observation.raw.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::observation::{Recorder, What};
    use super::*;

    fn transcript(sizes: impl IntoIterator<Item = (u32, usize)>) -> Transcript {
        let mut transcript = Transcript::new();
        let mut recorder = Recorder::new();
        for (conn, len) in sizes {
            let mut observation =
                Observation::new(ConnId(conn), Dir::Received, Duration::ZERO, What::Opaque);
            observation.raw = vec![0; len].into();
            recorder.stamp(&mut observation);
            transcript.push(observation);
        }
        transcript
    }

    #[test]
    fn little_is_kept_whole_in_arrival_order() {
        let transcript = transcript([(1, 5), (2, 6), (1, 7)]);
        let seqs: Vec<u64> = transcript
            .entries()
            .iter()
            .map(|entry| match entry {
                Entry::Seen(observation) => observation.seq,
                Entry::Gap(..) => panic!("nothing was dropped"),
            })
            .collect();
        assert_eq!(seqs, [1, 2, 3]);
        assert_eq!(transcript.totals(ConnId(1)), (2, 12));
    }

    #[test]
    fn first_and_last_mebibyte_are_kept() {
        let len = 64 * 1024;
        let transcript = transcript((0..100).map(|_| (1, len)));
        let kept: Vec<u64> = transcript.of(ConnId(1)).map(|o| o.seq).collect();
        assert_eq!(kept.len(), 32);
        assert_eq!((kept[0], kept[15], kept[16], kept[31]), (1, 16, 85, 100));
        let dropped = transcript.dropped(ConnId(1));
        assert_eq!(dropped.observations, 68);
        assert_eq!(dropped.bytes, 68 * 65536);
        let gap = transcript.entries().into_iter().nth(16);
        assert_eq!(gap, Some(Entry::Gap(ConnId(1), dropped)));
        assert_eq!(transcript.last(3).len(), 3);
    }

    #[test]
    fn at_most_4096_observations_are_kept() {
        let transcript = transcript((0..10_000).map(|_| (1, 4)));
        assert_eq!(transcript.of(ConnId(1)).count(), KEPT_OBSERVATIONS);
        assert_eq!(transcript.dropped(ConnId(1)).observations, 10_000 - 4096);
        assert_eq!(transcript.totals(ConnId(1)), (10_000, 40_000));
    }

    #[test]
    fn a_frame_larger_than_the_bound_is_counted_not_kept() {
        let transcript = transcript([(1, 2 << 20), (1, 4)]);
        assert_eq!(transcript.of(ConnId(1)).count(), 1);
        assert_eq!(transcript.dropped(ConnId(1)).bytes, 2 << 20);
    }
}
