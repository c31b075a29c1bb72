//! One direction of one connection: bytes in, observations out.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::observation::{CloseHow, ConnId, Dir, Observation, What};
use crate::wire::{FrameDecoder, FrameError, HandshakeDecoder, Message};

/// Cuts one direction of a connection into a handshake and frames, and decodes them.
///
/// ```text
/// Handshake ─68 bytes─▶ Frames ─prefix above the limit─▶ Ended
///     └──wrong protocol string──────────────────────────▶ Ended
/// ```
///
/// Bytes behind the end of decoding are counted and not kept.
#[derive(Debug)]
pub struct StreamDecoder {
    conn: ConnId,
    dir: Dir,
    phase: Phase,
    limit: u32,
    /// Bytes pushed.
    bytes: u64,
    /// Stream offset behind the last whole handshake or frame.
    offset: u64,
    /// Since when bytes of an unfinished frame lie here.
    begun: Option<Duration>,
    ready: VecDeque<Observation>,
}

#[derive(Debug)]
enum Phase {
    Handshake(HandshakeDecoder),
    Frames(FrameDecoder),
    Ended,
}

/// A handshake or frame whose first bytes have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Stream offset of its first byte.
    pub offset: u64,
    /// Bytes of it that are here.
    pub have: u64,
    /// The length that its prefix announces, once the prefix is here.
    pub announced: Option<u32>,
    /// When its first byte came.
    pub since: Duration,
}

impl StreamDecoder {
    /// The stream of one direction, from its first byte. `frame_limit` bounds the body of a frame.
    pub fn new(conn: ConnId, dir: Dir, frame_limit: u32) -> Self {
        Self {
            conn,
            dir,
            phase: Phase::Handshake(HandshakeDecoder::new()),
            limit: frame_limit,
            bytes: 0,
            offset: 0,
            begun: None,
            ready: VecDeque::new(),
        }
    }

    /// A stream whose handshake is missing on purpose: frames from the first byte.
    pub fn without_handshake(conn: ConnId, dir: Dir, frame_limit: u32) -> Self {
        Self {
            phase: Phase::Frames(FrameDecoder::new(frame_limit)),
            ..Self::new(conn, dir, frame_limit)
        }
    }

    /// Changes the limit for the frames to come.
    pub fn set_limit(&mut self, frame_limit: u32) {
        self.limit = frame_limit;
        if let Phase::Frames(frames) = &mut self.phase {
            frames.set_limit(frame_limit);
        }
    }

    /// Takes in bytes of the stream that came at `at`.
    pub fn push(&mut self, bytes: &[u8], at: Duration) {
        self.bytes = self.bytes.saturating_add(len(bytes));
        let mut rest = bytes;
        if let Phase::Handshake(handshake) = &mut self.phase {
            if !rest.is_empty() {
                self.begun.get_or_insert(at);
            }
            let taken = handshake.push(rest);
            rest = rest.get(taken..).unwrap_or_default();
            match handshake.handshake() {
                Ok(None) => return,
                Ok(Some(found)) => {
                    let raw = handshake.raw();
                    self.phase = Phase::Frames(FrameDecoder::new(self.limit));
                    self.see(raw, What::Handshake(found), at);
                }
                Err(error) => {
                    let raw = handshake.raw();
                    self.phase = Phase::Ended;
                    self.see(raw, What::BadHandshake(error), at);
                }
            }
        }
        if let Phase::Frames(frames) = &mut self.phase {
            frames.push(rest);
            self.frames(at);
        }
    }

    /// The stream has ended. What is left of it becomes [`What::Trailing`].
    pub fn finish(&mut self, how: CloseHow, at: Duration) {
        let rest = match &self.phase {
            Phase::Handshake(handshake) => handshake.raw(),
            Phase::Frames(frames) => Bytes::copy_from_slice(frames.buffered()),
            Phase::Ended => Bytes::new(),
        };
        self.phase = Phase::Ended;
        if !rest.is_empty() {
            self.see(rest, What::Trailing, at);
        }
        self.see(Bytes::new(), What::Closed(how), at);
    }

    /// The next observation; call until `None`. Its `seq` is 0 until a `Recorder` stamps it.
    pub fn poll(&mut self) -> Option<Observation> {
        self.ready.pop_front()
    }

    /// The frame or handshake that has begun and is not complete.
    pub fn pending(&self) -> Option<Pending> {
        let (have, announced) = match &self.phase {
            Phase::Handshake(handshake) => (len(&handshake.raw()), None),
            Phase::Frames(frames) => {
                let prefix = frames.buffered().first_chunk();
                let announced = prefix.map(|prefix| u32::from_be_bytes(*prefix));
                (len(frames.buffered()), announced)
            }
            Phase::Ended => (0, None),
        };
        Some(Pending {
            offset: self.offset,
            have,
            announced,
            since: self.begun.filter(|_| have > 0)?,
        })
    }

    /// Whether the stream stands between two frames, behind its handshake.
    pub fn on_boundary(&self) -> bool {
        matches!(&self.phase, Phase::Frames(frames) if frames.buffered().is_empty())
    }

    /// Bytes taken in, decoded or not.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Decoding has ended: no handshake, a frame above the limit, or the end of the stream.
    pub fn ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    fn frames(&mut self, at: Duration) {
        let mut any = false;
        loop {
            let Phase::Frames(frames) = &mut self.phase else {
                return;
            };
            match frames.next_frame() {
                Ok(Some(frame)) => {
                    any = true;
                    let what = match Message::decode(&frame) {
                        Ok(message) => What::Message(message),
                        Err(error) => What::Undecodable(error),
                    };
                    self.see(frame.raw().clone(), what, at);
                }
                Ok(None) => {
                    let partial = !frames.buffered().is_empty();
                    self.begun = match (partial, any) {
                        (false, _) => None,
                        (true, true) => Some(at),
                        (true, false) => self.begun.or(Some(at)),
                    };
                    return;
                }
                Err(FrameError::TooLong { length, .. }) => {
                    let raw = Bytes::copy_from_slice(&length.to_be_bytes());
                    self.phase = Phase::Ended;
                    self.see(raw, What::OverLimit { length }, at);
                    return;
                }
            }
        }
    }

    fn see(&mut self, raw: Bytes, what: What, at: Duration) {
        let offset = self.offset;
        self.offset = offset.saturating_add(len(&raw));
        self.begun = None;
        self.ready.push_back(Observation {
            offset,
            raw,
            ..Observation::new(self.conn, self.dir, at, what)
        });
    }
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Handshake, InfoHash, PeerId, Reserved};

    const LIMIT: u32 = 1 << 20;
    const S: Duration = Duration::from_secs(1);

    fn handshake() -> Vec<u8> {
        let handshake = Handshake {
            reserved: Reserved::default(),
            info_hash: InfoHash([1; 20]),
            peer_id: PeerId([2; 20]),
        };
        handshake.encode().to_vec()
    }

    fn stream() -> Vec<u8> {
        let mut bytes = handshake();
        bytes.extend_from_slice(&[0, 0, 0, 0]);
        bytes.extend_from_slice(&[0, 0, 0, 5, 4, 0, 0, 0, 7]);
        bytes.extend_from_slice(&[0, 0, 0, 3, 4, 0, 0]);
        bytes.extend_from_slice(&[0, 0, 0, 2, 99, 1]);
        bytes.extend_from_slice(&[0, 0]);
        bytes
    }

    fn decode(parts: &[&[u8]]) -> Vec<Observation> {
        let mut decoder = StreamDecoder::new(ConnId(3), Dir::Received, LIMIT);
        for part in parts {
            decoder.push(part, S);
        }
        decoder.finish(CloseHow::Fin, S);
        std::iter::from_fn(|| decoder.poll()).collect()
    }

    #[test]
    fn every_byte_ends_up_in_an_observation() {
        let stream = stream();
        let seen = decode(&[&stream]);
        let bytes: Vec<u8> = seen.iter().flat_map(|o| o.raw.to_vec()).collect();
        assert_eq!(bytes, stream);
        let mut offset = 0;
        for observation in &seen {
            assert_eq!(observation.offset, offset);
            offset += observation.raw.len() as u64;
        }
        let whats: Vec<&What> = seen.iter().map(|o| &o.what).collect();
        assert!(
            matches!(
                whats.as_slice(),
                [
                    What::Handshake(_),
                    What::Message(Message::KeepAlive),
                    What::Message(Message::Have { index: 7 }),
                    What::Undecodable(_),
                    What::Message(Message::Unknown { .. }),
                    What::Trailing,
                    What::Closed(CloseHow::Fin),
                ]
            ),
            "{whats:?}"
        );
    }

    #[test]
    fn cuts_make_no_difference() {
        let stream = stream();
        let whole = decode(&[&stream]);
        for at in 0..stream.len() {
            let (head, tail) = stream.split_at(at);
            assert_eq!(decode(&[head, tail]), whole, "cut at {at}");
        }
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(decode(&single), whole);
    }

    #[test]
    fn bytes_behind_a_bad_opening_are_counted_only() {
        let mut decoder = StreamDecoder::new(ConnId(1), Dir::Received, LIMIT);
        decoder.push(&[0x55; 1000], S);
        decoder.push(&[0x55; 1000], S);
        let seen = decoder.poll().unwrap();
        assert!(matches!(seen.what, What::BadHandshake(_)));
        assert!(decoder.poll().is_none() && decoder.ended());
        assert_eq!(decoder.bytes(), 2000);
    }

    #[test]
    fn prefix_above_the_limit_ends_decoding_and_counting_goes_on() {
        let mut decoder = StreamDecoder::new(ConnId(1), Dir::Received, LIMIT);
        decoder.push(&handshake(), S);
        decoder.push(&[0xff, 0xff, 0xff, 0xff, 1, 2, 3], S);
        decoder.push(&[0; 4], S);
        let seen: Vec<Observation> = std::iter::from_fn(|| decoder.poll()).collect();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1].what, What::OverLimit { length: u32::MAX });
        assert_eq!((seen[1].offset, decoder.bytes()), (68, 68 + 11));
        assert!(decoder.pending().is_none());
    }

    #[test]
    fn pending_tells_since_when_a_frame_has_begun() {
        let mut decoder = StreamDecoder::new(ConnId(1), Dir::Received, LIMIT);
        assert_eq!(decoder.pending(), None);
        decoder.push(&handshake()[..10], S);
        decoder.push(&handshake()[10..], 2 * S);
        assert!(decoder.on_boundary() && decoder.pending().is_none());
        decoder.push(&[0, 0], 3 * S);
        decoder.push(&[0, 1], 4 * S);
        let pending = Pending {
            offset: 68,
            have: 4,
            announced: Some(1),
            since: 3 * S,
        };
        assert_eq!(decoder.pending(), Some(pending));
        decoder.push(&[2, 0, 0], 5 * S);
        let pending = decoder.pending().unwrap();
        assert_eq!((pending.offset, pending.since), (73, 5 * S));
    }
}
