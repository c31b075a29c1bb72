//! The streams, sized like real traffic and the same in every run.
//!
//! A: control messages. B: blocks. C: a connection with both. D is A or B one byte at a time.
//! E: handshakes. F: one extended handshake.

use btspec::wire::bencode::Value;
use btspec::wire::{
    BlockRef, ExtendedHandshake, ExtensionMessage, Handshake, InfoHash, Message, PeerId, Reserved,
};
use bytes::{Bytes, BytesMut};

/// BEP 3 names 2^14 as the usual request size.
pub(crate) const BLOCK_LEN: u32 = 1 << 14;

/// Bytes of a read from a socket.
pub(crate) const READ_LEN: usize = 64 << 10;

/// A stream and how many messages it has.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    /// Without handshake.
    pub(crate) bytes: Bytes,
    /// Messages in it.
    pub(crate) messages: usize,
}

impl Stream {
    fn of(messages: impl IntoIterator<Item = Message>) -> Self {
        let mut out = BytesMut::new();
        let mut count = 0;
        for message in messages {
            message.encode_to(&mut out);
            count += 1;
        }
        Self {
            bytes: out.freeze(),
            messages: count,
        }
    }
}

/// A: what peers say between blocks, in no order that a branch predictor could learn.
pub(crate) fn control(messages: usize) -> Stream {
    let mut state = 1_u64;
    let mut next = move || {
        // The upper half of a 64-bit congruential generator; the factor is Knuth's for MMIX.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 33).unwrap()
    };
    Stream::of((0..messages).map(move |_| {
        let block = BlockRef::new(next() % 1027, 0, BLOCK_LEN);
        match next() % 8 {
            0..=2 => Message::Have { index: block.index },
            3..=5 => Message::Request(block),
            6 => Message::Cancel(block),
            _ if block.index.is_multiple_of(2) => Message::KeepAlive,
            _ => Message::Unchoke,
        }
    }))
}

/// B: blocks of 16 KiB.
pub(crate) fn blocks(count: u32) -> Stream {
    Stream::of((0..count).map(piece))
}

/// C: greetings, then for each block a request and three announcements.
pub(crate) fn session(rounds: u32) -> Stream {
    let bits = Bytes::from(vec![0xff; 129]);
    let greetings = [extended(), Message::Bitfield { bits }, Message::Unchoke];
    let rounds = (0..rounds).flat_map(|index| {
        let have = |index| Message::Have { index };
        let request = Message::Request(BlockRef::new(index, 0, BLOCK_LEN));
        let haves = [have(index), have(index + 1), have(index + 2)];
        [piece(index), request].into_iter().chain(haves)
    });
    Stream::of(greetings.into_iter().chain(rounds))
}

/// E: handshakes of different peers, one behind the other.
pub(crate) fn handshakes(count: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for n in 0..count {
        let mut handshake = handshake();
        handshake.peer_id.0[16..].copy_from_slice(&n.to_be_bytes());
        out.extend_from_slice(&handshake.encode());
    }
    out
}

/// A handshake as libtorrent sends it.
pub(crate) fn handshake() -> Handshake {
    Handshake {
        reserved: Reserved([0, 0, 0, 0, 0, 0x10, 0, 5]),
        info_hash: InfoHash([7; 20]),
        peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
    }
}

/// F: the keys of libtorrent's extended handshake; three of them are in no BEP.
pub(crate) fn extended_handshake() -> ExtendedHandshake {
    ExtendedHandshake::new()
        .with_m(&[
            ("lt_donthave", 7),
            ("share_mode", 8),
            ("upload_only", 3),
            ("ut_holepunch", 4),
            ("ut_metadata", 2),
            ("ut_pex", 1),
        ])
        .with("complete_ago", 1)
        .with("metadata_size", 40_504)
        .with("p", 6881)
        .with("reqq", 2000)
        .with("v", Value::text("libtorrent/2.1.1.0"))
        .with("yourip", Value::bytes(&[127, 0, 0, 1]))
}

/// F in its frame.
pub(crate) fn extended() -> Message {
    ExtensionMessage::Handshake(extended_handshake()).into_message(0)
}

/// A block of 16 KiB.
pub(crate) fn piece(index: u32) -> Message {
    Message::Piece {
        index,
        begin: 0,
        block: Bytes::from_static(&[0xa5; BLOCK_LEN as usize]),
    }
}
