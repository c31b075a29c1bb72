//! Scenario files: from text to plays and back.

use std::hint::black_box;

use btspec::scenario::{embedded, parse_text};
use criterion::{Criterion, Throughput};

use crate::support::swarm;

pub(crate) fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("scenario");
    let text = include_str!("../../scenarios/extension_protocol.yaml");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse one suite", |b| {
        b.iter(|| parse_text("extension_protocol.yaml", black_box(text)));
    });
    let broken = text.replace("extended_handshake", "extended_handshaek");
    group.bench_function("refuse one suite", |b| {
        b.iter(|| parse_text("extension_protocol.yaml", black_box(&broken)));
    });
    group.sample_size(10);
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse all suites", |b| b.iter(embedded));
    group.bench_function("expand all suites", |b| b.iter(swarm::all_plays));
    group.finish();
}
