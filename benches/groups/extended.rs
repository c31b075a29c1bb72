//! BEP 10: the handshake (input F) and the payloads of BEPs 9 and 11.

use std::hint::black_box;

use btspec::wire::ExtensionMessage;
use bytes::Bytes;
use criterion::{Criterion, Throughput};

use crate::support::{inputs, ours};

pub(crate) fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("extended");
    let frame = inputs::extended().encode();
    group.throughput(Throughput::Bytes(frame.len() as u64));
    group.bench_function("handshake, typed", |b| b.iter(|| ours::extended(&frame)));
    let handshake = ExtensionMessage::Handshake(inputs::extended_handshake());
    group.bench_function("encode handshake", |b| {
        b.iter(|| black_box(&handshake).encode_payload());
    });
    let data = ExtensionMessage::MetadataData {
        piece: 1,
        total_size: Some(40_504),
        data: Bytes::from(vec![b'x'; 16 << 10]),
    };
    for (name, message) in [
        ("ut_metadata", data),
        ("ut_pex", pex()),
        ("lt_donthave", ExtensionMessage::DontHave { index: 7 }),
    ] {
        let payload = message.encode_payload();
        group.throughput(Throughput::Bytes(payload.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| ExtensionMessage::decode(name, black_box(&payload)));
        });
    }
    group.finish();
}

/// 50 peers, as many as a message of BEP 11 should have.
fn pex() -> ExtensionMessage {
    let payload = [b"d5:added300:".as_slice(), &[0x7f; 300], b"e"].concat();
    let message = ExtensionMessage::decode("ut_pex", &payload.into());
    message.unwrap_or(ExtensionMessage::DontHave { index: 0 })
}
