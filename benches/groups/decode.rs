//! Bytes to owned messages: inputs A to D.

use criterion::{BenchmarkId, Criterion, Throughput};

use crate::support::inputs::{self, READ_LEN};
use crate::support::ours;

pub(crate) fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let streams = [
        ("control", inputs::control(200_000)),
        ("blocks", inputs::blocks(1024)),
        ("session", inputs::session(512)),
    ];
    for (name, stream) in &streams {
        let bytes = &stream.bytes;
        group.throughput(Throughput::ElementsAndBytes {
            elements: stream.messages as u64,
            bytes: bytes.len() as u64,
        });
        group.bench_with_input(BenchmarkId::new("slice", name), bytes, |b, bytes| {
            b.iter(|| ours::from_slice(bytes));
        });
        group.bench_with_input(BenchmarkId::new("64 KiB reads", name), bytes, |b, bytes| {
            b.iter(|| ours::fed(bytes, READ_LEN));
        });
        group.bench_with_input(BenchmarkId::new("100 held", name), bytes, |b, bytes| {
            b.iter(|| ours::fed_holding(bytes, READ_LEN, 100));
        });
    }
    for (name, stream) in [
        ("control", inputs::control(10_000)),
        ("blocks", inputs::blocks(8)),
    ] {
        let bytes = &stream.bytes;
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(
            BenchmarkId::new("one byte reads", name),
            bytes,
            |b, bytes| {
                b.iter(|| ours::fed(bytes, 1));
            },
        );
    }
    group.finish();
}
