//! Structured messages out of the message table, there and back.

use arbitrary::Unstructured;
use bytes::{Bytes, BytesMut};

use super::{Reach, text};
use crate::wire::bencode::{self, Limits, Value};
use crate::wire::{
    DecodeError, ExtensionMessage, Frame, FrameDecoder, Handshake, InfoHash, Kind, Message, PeerId,
    Reserved, describe, hex,
};

/// Bytes are choices of the generators: first a number of things as `Thing`, then their fields.
/// Whatever is written is read as what it was, one by one and as one stream.
pub fn roundtrip(input: &[u8]) -> Reach {
    let mut choices = Unstructured::new(input);
    let mut reached = Reach::new();
    let mut stream = BytesMut::new();
    let mut messages = Vec::new();
    while messages.len() < MOST && !choices.is_empty() {
        let Ok(thing) = choices.arbitrary::<u8>() else {
            break;
        };
        let done = match Kind::ALL.get(usize::from(thing)) {
            Some(kind) if kind.is_extension() => extension(*kind, &mut choices, &mut messages),
            Some(kind) => Message::read(*kind, &mut choices).map(|message| {
                messages.push(message);
                kind.name()
            }),
            None if thing == HANDSHAKE => handshake(&mut choices),
            None => value(&mut choices),
        };
        match done {
            Ok(label) => reached.insert(label),
            Err(_) => break,
        };
    }
    for message in &messages {
        message_comes_back(message);
        message.encode_to(&mut stream);
    }
    stream_comes_back(&stream, &messages);
    reached
}

pub(super) fn reachable() -> Vec<&'static str> {
    let own = ["handshake", "bencoded value"];
    Kind::names().chain(own).collect()
}

/// Things of one input.
const MOST: usize = 64;
/// The first byte that is no kind.
pub(super) const HANDSHAKE: u8 = 0x40;

fn extension(
    kind: Kind,
    choices: &mut Unstructured<'_>,
    messages: &mut Vec<Message>,
) -> arbitrary::Result<&'static str> {
    let read = ExtensionMessage::read(kind, choices)?;
    let message = read.ok_or(arbitrary::Error::IncorrectFormat)?;
    let payload = written(&message);
    let again = ExtensionMessage::decode(message.extension(), &payload);
    assert_eq!(again.as_ref(), Ok(&message));
    assert!(ExtensionMessage::form_flaws(message.extension(), &payload).is_empty());
    text::is_one_line(&message.to_string());
    // Some keys may be missing; the others are those of the row, in its order.
    let mut row = kind.spec().fields.iter().map(|field| field.name);
    for (field, _) in message.fields() {
        assert!(row.any(|name| name == field.name), "{}", field.name);
    }
    messages.push(message.into_message(choices.arbitrary()?));
    Ok(kind.name())
}

fn message_comes_back(message: &Message) {
    let encoded = message.encode();
    let mut rest = encoded.clone();
    let frame = Frame::split_from(&mut rest).expect("a whole frame");
    assert!(rest.is_empty(), "bytes behind {message}");
    assert_eq!(Message::decode(&frame).as_ref(), Ok(message));
    let fields = message.fields();
    let names = fields.iter().map(|(field, _)| field.name);
    assert!(names.eq(message.kind().spec().fields.iter().map(|field| field.name)));
    text::is_one_line(&message.to_string());
    text::is_one_line(&describe::line(message.name(), &fields));
    assert_eq!(hex::decode(&hex::encode(&encoded)), Ok(encoded.clone()));
    a_byte_less_or_more_is_no_such_message(message, &frame.body());
}

/// Only messages that end in bytes can be of another length.
fn a_byte_less_or_more_is_no_such_message(message: &Message, body: &Bytes) {
    let Some(shorter) = body.len().checked_sub(1).map(|len| body.slice(..len)) else {
        return;
    };
    let longer = Bytes::from([body.as_ref(), b"x"].concat());
    for other in [shorter, longer] {
        match Message::decode(&Frame::from_body(&other)) {
            Ok(read) => assert_ne!(&read, message),
            Err(DecodeError::TooShort { .. }) => assert!(other.len() < body.len()),
            Err(DecodeError::TooLong { .. }) => assert!(other.len() > body.len()),
            Err(error) => panic!("{error}: what a frame cannot be"),
        }
    }
}

fn stream_comes_back(stream: &[u8], messages: &[Message]) {
    let mut decoder = FrameDecoder::new(1 << 20);
    decoder.push(stream);
    for message in messages {
        let frame = decoder.next_frame().expect("short frames");
        let read = frame.map(|frame| Message::decode(&frame));
        assert_eq!(read.as_ref(), Some(&Ok(message.clone())));
    }
    assert!(decoder.buffered().is_empty());
}

fn handshake(choices: &mut Unstructured<'_>) -> arbitrary::Result<&'static str> {
    let handshake = Handshake {
        reserved: Reserved(choices.arbitrary()?),
        info_hash: InfoHash(choices.arbitrary()?),
        peer_id: PeerId(choices.arbitrary()?),
    };
    assert_eq!(Handshake::decode(&handshake.encode()), Ok(handshake));
    assert_eq!(
        handshake.info_hash.to_string().parse(),
        Ok(handshake.info_hash)
    );
    text::is_one_line(&handshake.to_string());
    Ok("handshake")
}

fn value(choices: &mut Unstructured<'_>) -> arbitrary::Result<&'static str> {
    let value = choices.arbitrary::<Value>()?;
    let bytes = Bytes::from(bencode::encode_as_is(&value));
    if let Ok(document) = bencode::read(&bytes, Limits::PEER) {
        assert_eq!(document.value, value);
        assert_eq!(document.flaws.is_empty(), bencode::is_canonical(&bytes));
    }
    assert!(bencode::is_canonical(&bencode::encode_canonical(&value)));
    text::is_one_line(&value.to_string());
    Ok("bencoded value")
}

fn written(message: &ExtensionMessage) -> Bytes {
    let payload = message.encode_payload();
    #[cfg(fuzz_selftest)]
    if let ExtensionMessage::MetadataData { data, .. } = message
        && data.first() == Some(&b'e')
    {
        return payload.slice(..payload.len() - 1);
    }
    payload
}
