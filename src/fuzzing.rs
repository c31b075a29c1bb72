//! Entry points for `fuzz/` and `tests/corpus.rs`.
//!
//! Each takes any bytes and panics when a promise of the library is broken; "no panic" alone is
//! never all that is asked. [`reach`] tells what a seed gets to, so that a target cannot go vacuous
//! unnoticed. Not part of the library's API.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::wire::bencode::{self, FlawKind, Limits, ReadErrorKind};
use crate::wire::dissect::{self, SectionKind};
use crate::wire::extension::{ExtendedHandshake, KeyProblem};
use crate::wire::frame::DEFAULT_LIMIT;
use crate::wire::registry::EXTENSIONS;
use crate::wire::{
    DecodeError, ExtensionMessage, Frame, FrameDecoder, FrameError, HandshakeDecoder,
    HandshakeError, Kind, Message, escape,
};

/// Bytes of one direction of a connection.
pub fn decode(input: &[u8]) {
    let stream = Bytes::copy_from_slice(input);
    every_byte_is_accounted_for(&stream);
    frames_do_not_depend_on_cuts(input);
    handshakes_do_not_depend_on_cuts(input);
    bencoding_agrees_with_bendy(&stream);
    text_is_printable(input);
    for frame in frames(&stream) {
        message_comes_back(&frame);
    }
    #[cfg(feature = "arbitrary")]
    generated_messages_come_back(input);
    // Any outcome will do: the file may be hex, broken hex or raw bytes.
    let _ = dissect::input(input);
}

/// What [`decode`] gets to with this input: names out of [`REACHABLE`] and of every [`Kind`].
pub fn reach(input: &[u8]) -> BTreeSet<&'static str> {
    let stream = Bytes::copy_from_slice(input);
    let mut reached = BTreeSet::new();
    for section in dissect::dissect(&stream) {
        let labels = match &section.what {
            SectionKind::Handshake(_) => vec!["handshake"],
            SectionKind::BadHandshake(error) => vec![handshake_error(error)],
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
        };
        reached.extend(labels);
    }
    reached
}

fn payload_reach(ext_id: u8, payload: &Bytes) -> Vec<&'static str> {
    let mut labels = Vec::new();
    for name in extension_names(ext_id) {
        match ExtensionMessage::decode(name, payload) {
            Ok(message) => {
                labels.push(message.kind().name());
                if let ExtensionMessage::Handshake(handshake) = message {
                    labels.extend(
                        handshake
                            .flaws()
                            .iter()
                            .map(|flaw| key_problem(&flaw.problem)),
                    );
                }
            }
            Err(error) => labels.push(decode_error(&error)),
        }
        let flaws = ExtensionMessage::form_flaws(name, payload);
        labels.extend(flaws.iter().map(|flaw| flaw_kind(&flaw.kind)));
        if let Err(error) = bencode::read(payload, Limits::PEER) {
            labels.push(read_error(&error.kind));
        }
    }
    labels
}

/// Extended id 0 is the handshake; any other may be any extension.
fn extension_names(ext_id: u8) -> Vec<&'static str> {
    match ext_id {
        0 => vec![""],
        _ => EXTENSIONS.iter().map(|extension| extension.name).collect(),
    }
}

/// Everything [`reach`] can say beside the names of the kinds.
pub static REACHABLE: &[&str] = &[
    "handshake",
    "unfinished handshake",
    "handshake with a wrong length",
    "handshake with a wrong protocol",
    "frame too long",
    "unfinished frame",
    "message too short",
    "message too long",
    "payload not bencoded",
    "payload not a dictionary",
    "payload without key",
    "payload with a wrong type",
    "unknown extension",
    "key of wrong type",
    "key out of range",
    "key of wrong length",
    "unsorted key",
    "duplicate key",
    "leading zero",
    "minus zero",
    "plus sign",
    "integer too large",
    "length with leading zero",
    "trailing bytes",
    "unexpected end",
    "unexpected byte",
    "integer without digits",
    "string past the end",
    "key that is no string",
    "key without value",
    "nested too deep",
    "too many values",
];

fn handshake_error(error: &HandshakeError) -> &'static str {
    match error {
        HandshakeError::WrongLength { .. } => "handshake with a wrong length",
        HandshakeError::WrongProtocol { .. } => "handshake with a wrong protocol",
    }
}

fn decode_error(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::TooShort { .. } => "message too short",
        DecodeError::TooLong { .. } => "message too long",
        DecodeError::Bencode { .. } => "payload not bencoded",
        DecodeError::NotADict { .. } => "payload not a dictionary",
        DecodeError::MissingKey { .. } => "payload without key",
        DecodeError::WrongType { .. } => "payload with a wrong type",
        DecodeError::UnknownExtension => "unknown extension",
    }
}

fn key_problem(problem: &KeyProblem) -> &'static str {
    match problem {
        KeyProblem::WrongType { .. } => "key of wrong type",
        KeyProblem::OutOfRange { .. } => "key out of range",
        KeyProblem::WrongLength { .. } => "key of wrong length",
    }
}

fn flaw_kind(kind: &FlawKind) -> &'static str {
    match kind {
        FlawKind::UnsortedKey => "unsorted key",
        FlawKind::DuplicateKey => "duplicate key",
        FlawKind::LeadingZero => "leading zero",
        FlawKind::NegativeZero => "minus zero",
        FlawKind::PlusSign => "plus sign",
        FlawKind::IntTooLarge => "integer too large",
        FlawKind::LengthLeadingZero => "length with leading zero",
        FlawKind::TrailingBytes => "trailing bytes",
    }
}

fn read_error(kind: &ReadErrorKind) -> &'static str {
    match kind {
        ReadErrorKind::UnexpectedEnd => "unexpected end",
        ReadErrorKind::UnexpectedByte(_) => "unexpected byte",
        ReadErrorKind::EmptyInteger => "integer without digits",
        ReadErrorKind::StringPastEnd { .. } => "string past the end",
        ReadErrorKind::KeyNotString => "key that is no string",
        ReadErrorKind::MissingValue => "key without value",
        ReadErrorKind::TooDeep { .. } => "nested too deep",
        ReadErrorKind::TooManyItems { .. } => "too many values",
    }
}

fn every_byte_is_accounted_for(stream: &Bytes) {
    let mut at = 0;
    for section in dissect::dissect(stream) {
        assert_eq!(section.offset, at, "a gap before {section}");
        assert!(!section.raw.is_empty(), "an empty section: {section}");
        assert_eq!(section.raw, stream[at..at + section.raw.len()]);
        at += section.raw.len();
        for line in section.notes().into_iter().chain([section.to_string()]) {
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(line.len() < 100_000, "a line of {} bytes", line.len());
        }
    }
    assert_eq!(at, stream.len(), "bytes without section");
}

/// Whole frames at the start of the stream.
fn frames(stream: &Bytes) -> Vec<Frame> {
    let mut left = stream.clone();
    std::iter::from_fn(|| Frame::split_from(&mut left)).collect()
}

fn frames_do_not_depend_on_cuts(input: &[u8]) {
    let whole = decode_in_cuts(input, input.len());
    let odd = 2 + input.iter().map(|&byte| usize::from(byte)).sum::<usize>() % 61;
    for cut in [1, odd] {
        assert_eq!(whole, decode_in_cuts(input, cut), "cut every {cut} bytes");
    }
}

fn decode_in_cuts(input: &[u8], cut: usize) -> (Vec<Frame>, Option<FrameError>, usize) {
    let mut decoder = FrameDecoder::new(DEFAULT_LIMIT);
    let mut frames = Vec::new();
    for chunk in input.chunks(cut.max(1)) {
        decoder.push(chunk);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error), 0),
            }
        }
    }
    let left = decoder.buffered().len();
    let taken: usize = frames.iter().map(|frame| frame.raw().len()).sum();
    assert_eq!(
        taken + left,
        input.len(),
        "frames and rest are not the input"
    );
    (frames, None, left)
}

fn handshakes_do_not_depend_on_cuts(input: &[u8]) {
    let mut whole = HandshakeDecoder::new();
    let taken = whole.push(input);
    assert_eq!(whole.raw(), input[..taken]);
    let mut bytewise = HandshakeDecoder::new();
    for byte in input {
        bytewise.push(&[*byte]);
    }
    assert_eq!(whole.handshake(), bytewise.handshake());
    if let Ok(Some(handshake)) = whole.handshake() {
        assert_eq!(handshake.encode()[..], input[..taken]);
        assert_eq!(whole.info_hash(), Some(handshake.info_hash));
    }
}

fn message_comes_back(frame: &Frame) {
    let Ok(message) = Message::decode(frame) else {
        return;
    };
    assert_eq!(message.encode(), frame.raw(), "{message}");
    let names = message.fields().into_iter().map(|(field, _)| field.name);
    let row = message.kind().spec().fields.iter().map(|field| field.name);
    assert!(names.eq(row), "{message} has other fields than its row");
    if let Message::Extended { ext_id, payload } = &message {
        bencoding_agrees_with_bendy(payload);
        for name in extension_names(*ext_id) {
            payload_comes_back(name, payload);
        }
    }
}

fn payload_comes_back(name: &str, payload: &Bytes) {
    let Ok(message) = ExtensionMessage::decode(name, payload) else {
        return;
    };
    assert_eq!(message.extension(), name);
    let encoded = message.encode_payload();
    let again = ExtensionMessage::decode(name, &encoded).expect("we wrote it ourselves");
    assert_eq!(again.kind(), message.kind());
    assert_eq!(again.encode_payload(), encoded, "{message}");
    assert!(ExtensionMessage::form_flaws(name, &encoded).is_empty());
    if let ExtensionMessage::Handshake(ExtendedHandshake { dict }) = &message {
        for (key, value) in dict {
            assert!(!format!("{value}").chars().any(char::is_control), "{key:?}");
        }
    }
}

fn bencoding_agrees_with_bendy(input: &Bytes) {
    let canonical = bencode::is_canonical(input);
    match bencode::read(input, Limits::PEER) {
        Ok(document) => {
            let value = &document.value;
            let mut flaws = document.flaws.iter();
            // bendy leaves numbers as text and has no largest one.
            let clean = flaws.all(|flaw| flaw.kind == FlawKind::IntTooLarge);
            assert_eq!(clean, canonical, "{:?}", document.flaws);
            if document.flaws.is_empty() {
                assert_eq!(bencode::encode_as_is(value), input[..]);
                assert_eq!(bencode::encode_canonical(value), input[..]);
            }
            let sorted = bencode::encode_canonical(value);
            assert!(bencode::is_canonical(&sorted));
            let as_is = Bytes::from(bencode::encode_as_is(value));
            let again = bencode::read(&as_is, Limits::PEER);
            assert_eq!(again.as_ref().map(|again| &again.value), Ok(value));
        }
        Err(error) => {
            let limit = matches!(
                error.kind,
                ReadErrorKind::TooDeep { .. } | ReadErrorKind::TooManyItems { .. }
            );
            assert!(limit || !canonical, "refused canonical bytes: {error}");
            assert!(error.offset <= input.len());
        }
    }
}

fn text_is_printable(input: &[u8]) {
    let text = escape::peer_text(input);
    assert!(!text.chars().any(char::is_control));
    assert!(text.chars().count() <= escape::MAX_CHARS + 1);
}

#[cfg(feature = "arbitrary")]
fn generated_messages_come_back(input: &[u8]) {
    let mut choices = arbitrary::Unstructured::new(input);
    if let Ok(message) = choices.arbitrary::<Message>() {
        let encoded = message.encode();
        let frame = Frame::split_from(&mut encoded.clone()).expect("a whole frame");
        assert_eq!(Message::decode(&frame), Ok(message));
    }
    if let Ok(message) = choices.arbitrary::<ExtensionMessage>() {
        let payload = message.encode_payload();
        let again = ExtensionMessage::decode(message.extension(), &payload);
        assert_eq!(again, Ok(message));
    }
}
