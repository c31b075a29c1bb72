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
        let have = match &self.phase {
            Phase::Handshake(handshake) => len(&handshake.raw()),
            Phase::Frames(frames) => len(frames.buffered()),
            Phase::Ended => 0,
        };
        Some(Pending {
            offset: self.offset,
            have,
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
