//! Our side of each measurement, as a user of the library would write it.

use std::collections::VecDeque;
use std::hint::black_box;

use btspec::wire::frame::DEFAULT_LIMIT;
use btspec::wire::{ExtensionMessage, Frame, FrameDecoder, Handshake, Message};
use bytes::{Bytes, BytesMut};

/// Decodes every message of a stream that is in memory.
pub(crate) fn from_slice(stream: &Bytes) -> usize {
    let mut rest = stream.clone();
    let mut count = 0;
    while let Some(message) = Frame::message_from(&mut rest) {
        count += usize::from(black_box(message).is_ok());
    }
    count
}

/// Decodes a stream that comes in reads of `read_len` bytes; each owned message is dropped at once.
pub(crate) fn fed(stream: &[u8], read_len: usize) -> usize {
    let mut decoder = FrameDecoder::new(DEFAULT_LIMIT);
    let mut count = 0;
    for read in stream.chunks(read_len) {
        decoder.push(read);
        while let Ok(Some(message)) = decoder.next_message() {
            count += usize::from(black_box(message).is_ok());
        }
    }
    count
}

/// As [`fed`], by a consumer that holds the last `held` messages.
pub(crate) fn fed_holding(stream: &[u8], read_len: usize, held: usize) -> usize {
    let mut decoder = FrameDecoder::new(DEFAULT_LIMIT);
    let mut kept = VecDeque::with_capacity(held + 1);
    let mut count = 0;
    for read in stream.chunks(read_len) {
        decoder.push(read);
        while let Ok(Some(message)) = decoder.next_message() {
            count += usize::from(message.is_ok());
            kept.push_back(message);
            if kept.len() > held {
                black_box(kept.pop_front());
            }
        }
    }
    count
}

/// Reads handshakes that stand one behind the other.
pub(crate) fn handshakes(stream: &[u8]) -> usize {
    let (handshakes, _) = stream.as_chunks::<{ Handshake::LEN }>();
    let read = handshakes.iter().filter(|bytes| {
        let handshake = black_box(Handshake::decode(bytes));
        handshake.is_ok()
    });
    read.count()
}

/// Reads an extended handshake out of its frame, and what a client wants to know of it.
pub(crate) fn extended(frame: &Bytes) -> bool {
    let message = Frame::message_from(&mut frame.clone());
    let Some(Ok(Message::Extended { ext_id: 0, payload })) = message else {
        return false;
    };
    let Ok(ExtensionMessage::Handshake(handshake)) = ExtensionMessage::decode("", &payload) else {
        return false;
    };
    black_box((
        handshake.ext_id("ut_metadata"),
        handshake.ext_id("ut_pex"),
        handshake.p(),
        handshake.v().is_some(),
        handshake.yourip(),
        handshake.metadata_size(),
        handshake.reqq(),
    ));
    black_box(handshake).p().is_some()
}

/// Encodes a message again and again into a buffer that is there.
pub(crate) fn encode(message: &Message, times: usize) -> usize {
    let mut out = BytesMut::with_capacity(64 << 10);
    let mut len = 0;
    for _ in 0..times {
        out.clear();
        black_box(message).encode_to(&mut out);
        len += black_box(&out).len();
    }
    len
}
