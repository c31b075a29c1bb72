//! One direction of a TCP connection, put together from its segments.
//!
//! Segments may come twice, overlapping, in another order, or not at all. What comes early waits, in
//! bounded number; when no more may wait, or at the end, what is still missing becomes a gap. The
//! bytes of a gap are zeros, as long as there is room for them; behind a gap that is too long bytes
//! are counted, and not kept.

use std::collections::BTreeMap;
use std::time::Duration;

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Stream {
    bytes: Vec<u8>,
    /// Up to which offset the bytes were there when a packet had come: its time and number.
    arrivals: Vec<Arrival>,
    gaps: Vec<Gap>,
    /// Sequence number of the byte behind `bytes`, once one is known.
    next: Option<u32>,
    /// Segments ahead of their turn, by offset.
    early: BTreeMap<u64, Early>,
    early_bytes: usize,
    /// Bytes behind a gap that is too long.
    uncounted: u64,
    broken: bool,
    /// How the stream ended, if that was captured.
    end: Option<End>,
}

/// Bytes that were not captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Offset of the first one.
    pub offset: u64,
    /// How many.
    pub len: u64,
}

/// When the bytes before an offset were all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) end: u64,
    pub(super) at: Duration,
    pub(super) packet: u64,
}

#[derive(Debug)]
struct Early {
    bytes: Vec<u8>,
    at: Duration,
    packet: u64,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// By a reset; else by an orderly end of stream.
    pub reset: bool,
    /// When.
    pub at: Duration,
    /// Number of the packet.
    pub(super) packet: u64,
}

impl Stream {
    /// The bytes, zeros where they were not captured.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What of them was not captured. The last gap may stand behind the bytes.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Bytes that were captured behind a gap too long to be filled.
    pub fn behind_gap(&self) -> u64 {
        self.uncounted
    }

    /// How it ended, if that was captured.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// The packet that completed the bytes up to `end`: its time and number.
    pub fn arrival(&self, end: u64) -> (Duration, u64) {
        let index = self.arrivals.partition_point(|it| it.end < end);
        let arrival = self.arrivals.get(index).or_else(|| self.arrivals.last());
        arrival.map_or((Duration::ZERO, 0), |it| (it.at, it.packet))
    }

    pub(super) fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    pub(super) fn started(&self) -> bool {
        self.next.is_some()
    }

    /// The sequence number with which it began, as far as it has not moved on.
    pub(super) fn begins_at(&self, seq: u32) -> bool {
        let len = u32::try_from(self.len() & u64::from(u32::MAX)).unwrap_or(0);
        self.next.is_some_and(|next| next.wrapping_sub(len) == seq)
    }

    /// The first byte has this number.
    pub(super) fn begin(&mut self, seq: u32) {
        self.next.get_or_insert(seq);
    }

    pub(super) fn ended(&mut self, reset: bool, at: Duration, packet: u64) {
        self.end.get_or_insert(End { reset, at, packet });
    }

    /// Takes in a segment. `room` is for the zeros of gaps.
    pub(super) fn push(
        &mut self,
        seq: u32,
        payload: &[u8],
        at: Duration,
        packet: u64,
        room: &mut usize,
    ) {
        let next = *self.next.get_or_insert(seq);
        if payload.is_empty() {
            return;
        }
        if self.broken {
            self.uncounted = self.uncounted.saturating_add(len(payload));
            return;
        }
        let ahead = seq.wrapping_sub(next);
        if ahead == 0 {
            self.append(payload, at, packet);
        } else if ahead < WINDOW {
            self.wait(self.len().saturating_add(ahead.into()), payload, at, packet);
        } else {
            // It begins with bytes that are here already.
            let behind = usize::try_from(next.wrapping_sub(seq)).unwrap_or(usize::MAX);
            if let Some(rest) = payload.get(behind..).filter(|rest| !rest.is_empty()) {
                self.append(rest, at, packet);
            }
        }
        self.catch_up(at, packet);
        if self.early_bytes > MAX_EARLY_BYTES || self.early.len() > MAX_EARLY {
            self.give_up(room);
        }
    }

    /// No more comes: what still waits stands behind gaps.
    pub(super) fn finish(&mut self, room: &mut usize) {
        while !self.early.is_empty() {
            self.give_up(room);
        }
        self.bytes.shrink_to_fit();
    }

    fn len(&self) -> u64 {
        len(&self.bytes)
    }

    fn append(&mut self, bytes: &[u8], at: Duration, packet: u64) {
        self.bytes.extend_from_slice(bytes);
        self.advance(len(bytes));
        let end = self.len();
        self.arrivals.push(Arrival { end, at, packet });
    }

    fn advance(&mut self, by: u64) {
        let by = u32::try_from(by & u64::from(u32::MAX)).unwrap_or(0);
        self.next = self.next.map(|next| next.wrapping_add(by));
    }

    fn wait(&mut self, offset: u64, bytes: &[u8], at: Duration, packet: u64) {
        let known = self.early.get(&offset).map_or(0, |it| it.bytes.len());
        if known >= bytes.len() {
            return;
        }
        let bytes = bytes.to_vec();
        self.early_bytes = self
            .early_bytes
            .saturating_add(bytes.len())
            .saturating_sub(known);
        self.early.insert(offset, Early { bytes, at, packet });
    }

    /// Takes in what waited for the bytes that are here now.
    fn catch_up(&mut self, at: Duration, packet: u64) {
        while let Some(first) = self.early.first_entry() {
            let offset = *first.key();
            let Some(known) = len(&self.bytes).checked_sub(offset) else {
                return;
            };
            let early = first.remove();
            self.early_bytes = self.early_bytes.saturating_sub(early.bytes.len());
            let known = usize::try_from(known).unwrap_or(usize::MAX);
            if let Some(rest) = early.bytes.get(known..).filter(|rest| !rest.is_empty()) {
                // It was complete only with the packet that filled the hole.
                self.append(rest, early.at.max(at), early.packet.max(packet));
            }
        }
    }

    /// What is missing before the first segment that waits will not come.
    fn give_up(&mut self, room: &mut usize) {
        let Some((&offset, first)) = self.early.first_key_value() else {
            return;
        };
        let (at, packet) = (first.at, first.packet);
        let missing = offset.saturating_sub(self.len());
        self.gaps.push(Gap {
            offset: self.len(),
            len: missing,
        });
        let zeros = usize::try_from(missing)
            .ok()
            .filter(|zeros| *zeros <= MAX_ZEROS && *zeros <= *room);
        match zeros {
            Some(zeros) if self.gaps.len() <= MAX_GAPS => {
                *room = room.saturating_sub(zeros);
                self.bytes.resize(self.bytes.len().saturating_add(zeros), 0);
                self.advance(missing);
                let end = self.len();
                self.arrivals.push(Arrival { end, at, packet });
                self.catch_up(at, packet);
            }
            _ => {
                self.broken = true;
                let waiting = std::mem::take(&mut self.early);
                let bytes = waiting.values().map(|early| len(&early.bytes));
                self.uncounted = bytes.fold(self.uncounted, u64::saturating_add);
                self.early_bytes = 0;
            }
        }
    }
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A segment further ahead than this is behind: sequence numbers go round.
const WINDOW: u32 = 1 << 31;
/// Bytes of one stream that wait for others.
const MAX_EARLY_BYTES: usize = 4 << 20;
/// Segments of one stream that wait for others.
const MAX_EARLY: usize = 4096;
/// Zeros of one gap.
const MAX_ZEROS: usize = 1 << 20;
/// Gaps of one stream behind which bytes are still kept.
const MAX_GAPS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(1);

    fn stream(segments: &[(u32, &[u8])]) -> Stream {
        let mut stream = Stream::default();
        let mut room = 1 << 20;
        stream.begin(u32::MAX - 1);
        for (number, (offset, bytes)) in (1..).zip(segments) {
            let seq = (u32::MAX - 1).wrapping_add(*offset);
            stream.push(seq, bytes, T, number, &mut room);
        }
        stream.finish(&mut room);
        stream
    }

    #[test]
    fn order_repeats_and_overlaps_make_no_difference() {
        for segments in [
            &[(0, &b"abc"[..]), (3, b"def"), (6, b"gh")][..],
            &[(6, b"gh"), (3, b"def"), (0, b"abc")],
            &[
                (0, b"abc"),
                (0, b"abc"),
                (2, b"cdef"),
                (1, b"b"),
                (5, b"fgh"),
            ],
            &[(3, b"de"), (3, b"def"), (6, b"gh"), (3, b"d"), (0, b"abcd")],
        ] {
            let stream = stream(segments);
            assert_eq!(stream.bytes(), b"abcdefgh", "{segments:?}");
            assert_eq!(stream.gaps(), []);
        }
    }

    #[test]
    fn what_never_comes_is_a_gap_of_zeros() {
        let stream = stream(&[(0, b"abc"), (5, b"fg")]);
        assert_eq!(stream.bytes(), b"abc\0\0fg");
        assert_eq!(stream.gaps(), [Gap { offset: 3, len: 2 }]);
    }

    #[test]
    fn behind_a_gap_that_is_too_long_bytes_are_counted() {
        let stream = stream(&[(0, b"abc"), (5 << 20, b"fg"), (6 << 20, b"x")]);
        assert_eq!(stream.bytes(), b"abc");
        assert_eq!(stream.behind_gap(), 3);
        assert_eq!(stream.gaps()[0].len, (5 << 20) - 3);
    }

    #[test]
    fn bytes_have_the_time_of_the_packet_that_made_them_whole() {
        let stream = stream(&[(0, b"abc"), (6, b"gh"), (3, b"def")]);
        assert_eq!(stream.arrival(3).1, 1);
        assert_eq!(stream.arrival(4).1, 3);
        assert_eq!(stream.arrival(8).1, 3);
    }

    #[test]
    fn memory_for_what_waits_is_bounded() {
        let mut stream = Stream::default();
        let mut room = 64 << 20;
        stream.begin(0);
        let block = vec![7; 16 * 1024];
        for number in 0..1000_u32 {
            // Every other block never comes.
            stream.push(number * 32768 + 16384, &block, T, number.into(), &mut room);
            assert!(stream.early_bytes <= MAX_EARLY_BYTES + block.len());
        }
        stream.finish(&mut room);
        assert_eq!(stream.gaps().len(), 1000);
    }
}
