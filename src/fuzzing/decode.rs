//! Bytes → frames → messages → the same bytes.

use bytes::Bytes;

use super::extended::{decode_error, payload_reach};
use super::{Reach, handshake, text};
use crate::wire::dissect::{self, SectionKind};
use crate::wire::{Frame, FrameError, Kind, Message, escape};

/// Bytes of one direction of a connection: each is accounted for, messages are written back as
/// they came, and whatever is shown of them is printable.
pub fn decode(input: &[u8]) -> Reach {
    let stream = Bytes::copy_from_slice(input);
    let reached = every_byte_is_accounted_for(&stream);
    text::is_one_line(&escape::peer_text(input));
    assert!(escape::peer_text(input).chars().count() <= escape::MAX_CHARS + 1);
    frames(&stream).iter().for_each(message_comes_back);
    // Any outcome will do: the file may be hex, broken hex or raw bytes.
    let _ = dissect::input(input);
    reached
}

pub(super) fn reachable() -> Vec<&'static str> {
    let own = ["unfinished handshake", "frame too long", "unfinished frame"];
    let mut all: Vec<_> = Kind::names().chain(own).collect();
    all.extend(["message too short", "message too long"]);
    all.extend(handshake::ERRORS);
    all.extend(super::extended::ERRORS);
    all.extend(&super::bencode::ERRORS[6..]);
    all.push("handshake");
    all
}

fn every_byte_is_accounted_for(stream: &Bytes) -> Reach {
    let mut reached = Reach::new();
    let mut at = 0;
    for section in dissect::dissect(stream) {
        assert_eq!(section.offset, at, "a gap before {section}");
        assert!(!section.raw.is_empty(), "an empty section: {section}");
        assert_eq!(section.raw, stream[at..at + section.raw.len()]);
        at += section.raw.len();
        for line in section.notes().into_iter().chain([section.to_string()]) {
            text::is_one_line(&line);
            assert!(line.len() < 100_000, "a line of {} bytes", line.len());
        }
        reached.extend(reach(&section.what));
    }
    assert_eq!(at, stream.len(), "bytes without section");
    reached
}

fn reach(what: &SectionKind) -> Vec<&'static str> {
    match what {
        SectionKind::Handshake(_) => vec!["handshake"],
        SectionKind::BadHandshake(error) => vec![handshake::error(error)],
        SectionKind::UnfinishedHandshake { .. } => vec!["unfinished handshake"],
        SectionKind::Message(Message::Extended { ext_id, payload }, _) => {
            let mut labels = payload_reach(*ext_id, payload);
            labels.push(Kind::Extended.name());
            labels
        }
        SectionKind::Message(message, _) => vec![message.name()],
        SectionKind::Undecodable(error) => vec![decode_error(error)],
        SectionKind::OverLimit(FrameError::TooLong { .. }) => vec!["frame too long"],
        SectionKind::Unfinished { .. } => vec!["unfinished frame"],
    }
}

/// Whole frames at the start of the stream.
fn frames(stream: &Bytes) -> Vec<Frame> {
    let mut left = stream.clone();
    std::iter::from_fn(|| Frame::split_from(&mut left)).collect()
}

fn message_comes_back(frame: &Frame) {
    let Ok(message) = Message::decode(frame) else {
        return;
    };
    assert_eq!(encoded(&message), frame.raw(), "{message}");
    let names = message.fields().into_iter().map(|(field, _)| field.name);
    let row = message.kind().spec().fields.iter().map(|field| field.name);
    assert!(names.eq(row), "{message} has other fields than its row");
}

fn encoded(message: &Message) -> Bytes {
    let bytes = message.encode();
    #[cfg(fuzz_selftest)]
    if let Message::RejectRequest(block) = message
        && block.length == 0
    {
        return bytes.slice(1..);
    }
    bytes
}
