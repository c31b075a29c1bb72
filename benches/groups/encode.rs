//! Messages to bytes.

use btspec::wire::{BlockRef, Message};
use criterion::{Criterion, Throughput};

use crate::support::inputs::{self, BLOCK_LEN};
use crate::support::ours;

pub(crate) fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(TIMES as u64));
    for message in [
        Message::KeepAlive,
        Message::Have { index: 7 },
        Message::Request(BlockRef::new(7, 0, BLOCK_LEN)),
        inputs::piece(7),
    ] {
        group.bench_function(message.name(), |b| b.iter(|| ours::encode(&message, TIMES)));
    }
    group.finish();
}

/// Messages of one pass.
const TIMES: usize = 1000;
