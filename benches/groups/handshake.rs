//! The 68 bytes at the beginning: input E.

use std::hint::black_box;

use btspec::wire::HandshakeDecoder;
use criterion::{Criterion, Throughput};

use crate::support::{inputs, ours};

pub(crate) fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("handshake");
    let stream = inputs::handshakes(COUNT);
    group.throughput(Throughput::Elements(COUNT.into()));
    group.bench_function("decode", |b| b.iter(|| ours::handshakes(&stream)));
    group.throughput(Throughput::Elements(1));
    let handshake = inputs::handshake();
    group.bench_function("encode", |b| b.iter(|| black_box(&handshake).encode()));
    let bytes = handshake.encode();
    group.bench_function("collect in two segments", |b| {
        let (head, tail) = bytes.split_at(48);
        b.iter(|| {
            let mut decoder = HandshakeDecoder::new();
            decoder.push(black_box(head));
            let early = decoder.info_hash();
            decoder.push(black_box(tail));
            (early, decoder.handshake())
        });
    });
    group.finish();
}

const COUNT: u32 = 10_000;
