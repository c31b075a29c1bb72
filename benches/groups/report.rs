//! A finished run of every suite, through every format.

use std::io;

use btspec::report::{Context, FORMATS};
use criterion::{Criterion, Throughput};

use crate::support::swarm;

pub(crate) fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("report");
    let run = swarm::play(&swarm::plays(500));
    let context = Context {
        verbose: 2,
        ..Context::default()
    };
    group.sample_size(20);
    group.throughput(Throughput::Elements(run.cases.len() as u64));
    for format in FORMATS {
        group.bench_function(format.name, |b| {
            b.iter(|| (format.write)(&run, &context, &mut io::sink()));
        });
    }
    group.finish();
}
