//! A stream cut anywhere gives what it gives in one piece.

use std::time::Duration;

use bytes::Bytes;

use super::extended::decode_error;
use super::{Reach, handshake};
use crate::trace::{CloseHow, ConnId, Dir, Observation, StreamDecoder, What};
use crate::wire::frame::DEFAULT_LIMIT;
use crate::wire::{FrameDecoder, HandshakeDecoder, Kind};

/// How the input begins: the low four bits say how many bytes behind it are lengths to cut by, in
/// turn, until the end. Bit 4 leaves the handshake out, bit 5 takes a small limit for frames.
const CUTS: u8 = 0x0f;
const NO_HANDSHAKE: u8 = 0x10;
const SMALL_LIMIT: u8 = 0x20;

/// What was seen, without when: its time is that of its last byte, which cuts move.
type Seen = (u64, Bytes, What);

/// Cuts and a stream: the same observations, the same rest, whatever the cuts.
pub fn decode_split(input: &[u8]) -> Reach {
    let Some((&head, rest)) = input.split_first() else {
        return Reach::new();
    };
    let (cuts, stream) = rest.split_at(usize::from(head & CUTS).min(rest.len()));
    let whole = observed(head, &[], stream);
    assert_eq!(whole, observed(head, cuts, stream), "cut by {cuts:?}");
    assert_eq!(whole, observed(head, &[1], stream), "cut into bytes");
    fed_what_it_needs(head, stream);
    handshakes_do_not_depend_on_cuts(stream, cuts);
    whole.0.iter().map(|(_, _, what)| label(what)).collect()
}

pub(super) fn reachable() -> Vec<&'static str> {
    let mut all: Vec<_> = Kind::ALL
        .iter()
        .filter(|kind| !kind.is_extension())
        .map(|kind| kind.name())
        .collect();
    all.extend(handshake::ERRORS);
    all.extend(["message too short", "message too long"]);
    all.extend(["handshake", "frame too long", "trailing", "end"]);
    all
}

fn label(what: &What) -> &'static str {
    match what {
        What::Handshake(_) => "handshake",
        What::BadHandshake(error) => handshake::error(error),
        What::Message(message) => message.name(),
        What::Undecodable(error) => decode_error(error),
        What::OverLimit { .. } => "frame too long",
        What::Trailing => "trailing",
        What::Closed(_) => "end",
        What::Opaque | What::Quiet => "what no stream decoder sees",
    }
}

fn limit(head: u8) -> u32 {
    if head & SMALL_LIMIT == 0 {
        DEFAULT_LIMIT
    } else {
        64
    }
}

/// Everything seen to the end, and the bytes that lay there unfinished just before it.
fn observed(head: u8, cuts: &[u8], stream: &[u8]) -> (Vec<Seen>, u64) {
    let make = if head & NO_HANDSHAKE == 0 {
        StreamDecoder::new
    } else {
        StreamDecoder::without_handshake
    };
    let mut decoder = make(ConnId(1), Dir::Received, limit(head));
    let mut seen = Vec::new();
    let mut at = Duration::ZERO;
    for part in Parts::new(stream, cuts) {
        at += Duration::from_millis(1);
        decoder.push(part, at);
        drain(&mut decoder, part.len(), &mut seen);
    }
    let pending = decoder.pending().map_or(0, |pending| pending.have);
    decoder.finish(CloseHow::Fin, at);
    drain(&mut decoder, 0, &mut seen);
    (seen, pending)
}

#[cfg_attr(
    not(fuzz_selftest),
    expect(unused_variables, reason = "the planted bug")
)]
fn drain(decoder: &mut StreamDecoder, part: usize, seen: &mut Vec<Seen>) {
    while let Some(Observation {
        offset, raw, what, ..
    }) = decoder.poll()
    {
        #[cfg(fuzz_selftest)]
        if part == 7 && matches!(what, What::Undecodable(_)) {
            continue;
        }
        seen.push(match what {
            // Of a refused handshake everything is kept that came with it.
            What::BadHandshake(_) => (offset, Bytes::new(), what),
            What::Closed(_) if refused(seen) => (0, raw, what),
            _ => (offset, raw, what),
        });
    }
}

fn refused(seen: &[Seen]) -> bool {
    matches!(seen.last(), Some((_, _, What::BadHandshake(_))))
}

/// A decoder that is given no more than it asks for never holds bytes of the next frame.
fn fed_what_it_needs(head: u8, stream: &[u8]) {
    let mut decoder = FrameDecoder::new(limit(head));
    let mut rest = stream;
    let mut frames = 0_usize;
    while !rest.is_empty() {
        let needed = decoder.needed();
        assert!(needed > 0, "needs nothing and has no frame");
        let (part, behind) = rest.split_at(needed.min(rest.len()));
        rest = behind;
        decoder.push(part);
        match decoder.next_frame() {
            Ok(Some(frame)) => {
                frames += frame.raw().len();
                assert!(decoder.buffered().is_empty(), "bytes of the next frame");
            }
            Ok(None) => {}
            Err(_) => return,
        }
    }
    assert_eq!(frames + decoder.buffered().len(), stream.len());
}

fn handshakes_do_not_depend_on_cuts(stream: &[u8], cuts: &[u8]) {
    let mut whole = HandshakeDecoder::new();
    let taken = whole.push(stream);
    assert_eq!(whole.raw(), stream[..taken]);
    let mut parts = HandshakeDecoder::new();
    let taken_in_parts: usize = Parts::new(stream, cuts).map(|part| parts.push(part)).sum();
    assert_eq!(taken, taken_in_parts);
    assert_eq!(whole.handshake(), parts.handshake());
    assert_eq!(whole.raw(), parts.raw());
}

/// The stream in parts of these lengths, over and over; in one if there are none.
struct Parts<'a> {
    rest: &'a [u8],
    cuts: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    ends: bool,
}

impl<'a> Parts<'a> {
    fn new(rest: &'a [u8], cuts: &'a [u8]) -> Self {
        Self {
            rest,
            cuts: cuts.iter().cycle(),
            ends: cuts.iter().all(|&cut| cut == 0),
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let len = match self.cuts.next() {
            // A write of nothing is one, too.
            Some(&cut) if !self.ends => usize::from(cut).min(self.rest.len()),
            _ => self.rest.len(),
        };
        let (part, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some(part)
    }
}
