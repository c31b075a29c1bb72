//! Decode and encode throughput, against `memcpy` of the same bytes as the baseline.
//!
//! Streams are built outside the loops and sized like real traffic; they are fed in reads of 64 KiB,
//! as a socket would. Compare ratios, not times: `cargo bench --bench decode`.

use std::hint::black_box;

use btspec::wire::frame::DEFAULT_LIMIT;
use btspec::wire::{
    BlockRef, ExtendedHandshake, ExtensionMessage, FrameDecoder, Handshake, InfoHash, Message,
    PeerId, Reserved,
};
use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// BEP 3 names 2^14 as the usual request size.
const BLOCK_LEN: u32 = 1 << 14;
const READ_LEN: usize = 64 << 10;

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for (name, messages) in [("control", control()), ("bulk", bulk()), ("mixed", mixed())] {
        let stream = stream(&messages);
        group.throughput(Throughput::Elements(messages.len() as u64));
        group.bench_with_input(BenchmarkId::new("messages", name), &stream, |b, stream| {
            b.iter(|| decode_in_reads(stream, READ_LEN));
        });
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_with_input(BenchmarkId::new("bytes", name), &stream, |b, stream| {
            b.iter(|| decode_in_reads(stream, READ_LEN));
        });
        group.bench_with_input(BenchmarkId::new("memcpy", name), &stream, |b, stream| {
            let mut buffer = vec![0; READ_LEN];
            b.iter(|| {
                for read in stream.chunks(READ_LEN) {
                    buffer[..read.len()].copy_from_slice(read);
                    black_box(&mut buffer);
                }
            });
        });
    }
    let few = stream(&control()[..10_000]);
    group.throughput(Throughput::Bytes(few.len() as u64));
    group.bench_function("one byte a read", |b| b.iter(|| decode_in_reads(&few, 1)));
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    for (name, message) in [
        ("request", Message::Request(BlockRef::new(7, 0, BLOCK_LEN))),
        ("piece", piece(7)),
    ] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || BytesMut::with_capacity(1 << 15),
                |out| black_box(&message).encode_to(out),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn handshakes(c: &mut Criterion) {
    let mut group = c.benchmark_group("handshake");
    let handshake = Handshake {
        reserved: Reserved([0, 0, 0, 0, 0, 0x10, 0, 5]),
        info_hash: InfoHash([7; 20]),
        peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
    };
    let bytes = handshake.encode();
    group.bench_function("decode", |b| {
        b.iter(|| Handshake::decode(black_box(&bytes)))
    });
    let extended = ExtensionMessage::Handshake(extended_handshake());
    let payload = extended.encode_payload();
    group.throughput(Throughput::Bytes(payload.len() as u64));
    group.bench_function("decode extended", |b| {
        b.iter(|| ExtensionMessage::decode("", black_box(&payload)));
    });
    group.bench_function("encode extended", |b| {
        b.iter(|| black_box(&extended).encode_payload());
    });
    group.finish();
}

fn decode_in_reads(stream: &[u8], read_len: usize) -> usize {
    let mut decoder = FrameDecoder::new(DEFAULT_LIMIT);
    let mut count = 0;
    for read in stream.chunks(read_len) {
        decoder.push(read);
        while let Ok(Some(frame)) = decoder.next_frame() {
            count += usize::from(black_box(Message::decode(&frame)).is_ok());
        }
    }
    count
}

fn stream(messages: &[Message]) -> Bytes {
    let mut out = BytesMut::new();
    for message in messages {
        message.encode_to(&mut out);
    }
    out.freeze()
}

/// What peers say between blocks, in no order that a branch predictor could learn.
fn control() -> Vec<Message> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    (0..200_000)
        .map(|_| {
            let block = BlockRef::new(next() % 1027, 0, BLOCK_LEN);
            match next() % 8 {
                0..=2 => Message::Have { index: block.index },
                3..=5 => Message::Request(block),
                6 => Message::Cancel(block),
                _ if block.index.is_multiple_of(2) => Message::KeepAlive,
                _ => Message::Unchoke,
            }
        })
        .collect()
}

/// 16 MiB of blocks.
fn bulk() -> Vec<Message> {
    (0..1024).map(piece).collect()
}

/// A connection: greetings, then blocks with requests and announcements between them.
fn mixed() -> Vec<Message> {
    let extended = ExtensionMessage::Handshake(extended_handshake()).into_message(0);
    let bits = Bytes::from(vec![0xff; 129]);
    let greetings = [extended, Message::Bitfield { bits }, Message::Unchoke];
    let rounds = (0..512).flat_map(|index| {
        let have = |index| Message::Have { index };
        let request = Message::Request(BlockRef::new(index, 0, BLOCK_LEN));
        [
            piece(index),
            request,
            have(index),
            have(index + 1),
            have(index + 2),
        ]
    });
    greetings.into_iter().chain(rounds).collect()
}

fn piece(index: u32) -> Message {
    Message::Piece {
        index,
        begin: 0,
        block: Bytes::from(vec![0xa5; BLOCK_LEN as usize]),
    }
}

fn extended_handshake() -> ExtendedHandshake {
    let text = btspec::wire::bencode::Value::text;
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
        .with("v", text("libtorrent/2.1.1.0"))
        .with("yourip", text("\u{7f}\0\0\u{1}"))
}

criterion_group!(benches, decode, encode, handshakes);
criterion_main!(benches);
