//! librqbit-peer-protocol 9.1.0, used as its own client uses it: messages borrow from the buffer.

use std::hint::black_box;

use librqbit_peer_protocol::extended::ExtendedMessage;
use librqbit_peer_protocol::{Handshake, Message, MessageDeserializeError, Request};

/// Decodes every message of a stream that is in memory.
pub(crate) fn from_slice(stream: &[u8]) -> usize {
    let mut rest = stream;
    let mut count = 0;
    while let Ok((message, len)) = black_box(Message::deserialize(rest, &[])) {
        drop(message);
        let Some(behind) = rest.get(len..) else { break };
        rest = behind;
        count += 1;
    }
    count
}

/// Decodes a stream that comes byte by byte: a flat buffer, tried again with every byte.
pub(crate) fn byte_by_byte(stream: &[u8]) -> usize {
    let mut buffer = Vec::with_capacity(64 << 10);
    let mut count = 0;
    for &byte in stream {
        buffer.push(byte);
        match black_box(Message::deserialize(&buffer, &[])) {
            Ok((message, _)) => {
                drop(message);
                count += 1;
                buffer.clear();
            }
            Err(MessageDeserializeError::NotEnoughData(..)) => {}
            Err(_) => break,
        }
    }
    count
}

/// Reads handshakes that stand one behind the other.
pub(crate) fn handshakes(stream: &[u8]) -> usize {
    let mut rest = stream;
    let mut count = 0;
    while let Ok((handshake, len)) = black_box(Handshake::deserialize(rest)) {
        black_box(handshake);
        rest = &rest[len..];
        count += 1;
    }
    count
}

/// Reads an extended handshake out of its frame; keys that it does not know are dropped.
pub(crate) fn extended(frame: &[u8]) -> bool {
    match Message::deserialize(black_box(frame), &[]) {
        Ok((Message::Extended(ExtendedMessage::Handshake(handshake)), _)) => {
            black_box(handshake).p.is_some()
        }
        _ => false,
    }
}

/// Encodes a request again and again into a buffer that is there.
pub(crate) fn encode_request(index: u32, begin: u32, length: u32, times: usize) -> usize {
    let message = Message::Request(Request::new(index, begin, length));
    let mut out = vec![0; 64 << 10];
    let mut len = 0;
    for _ in 0..times {
        len += black_box(&message)
            .serialize(&mut out, &Default::default)
            .unwrap_or(0);
        black_box(&mut out);
    }
    len
}

/// Encodes a block again and again into a buffer that is there.
pub(crate) fn encode_piece(index: u32, block: &[u8], times: usize) -> usize {
    let piece = librqbit_peer_protocol::Piece::from_data(index, 0, block);
    let message = Message::Piece(piece);
    let mut out = vec![0; 64 << 10];
    let mut len = 0;
    for _ in 0..times {
        len += black_box(&message)
            .serialize(&mut out, &Default::default)
            .unwrap_or(0);
        black_box(&mut out);
    }
    len
}
