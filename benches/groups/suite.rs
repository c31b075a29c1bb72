//! Cases and downloads in simulation, by how many there are.

use criterion::{BenchmarkId, Criterion, Throughput};

use crate::support::swarm;

pub(crate) fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("suite");
    group.sample_size(10);
    for cases in [10, 100, 1000, 10_000] {
        let plays = swarm::plays(cases);
        group.throughput(Throughput::Elements(cases as u64));
        group.bench_with_input(BenchmarkId::new("cases", cases), &plays, |b, plays| {
            b.iter(|| swarm::play(plays));
        });
    }
    let torrent = swarm::torrent(1);
    for leeches in [1, 4, 16, 64] {
        group.throughput(Throughput::Elements(leeches.into()));
        group.bench_with_input(
            BenchmarkId::new("leeches", leeches),
            &torrent,
            |b, torrent| {
                b.iter(|| swarm::download(torrent, leeches));
            },
        );
    }
    for mib in [1, 4, 16, 64] {
        let torrent = swarm::torrent(mib);
        group.throughput(Throughput::Bytes(mib << 20));
        group.bench_with_input(BenchmarkId::new("MiB", mib), &torrent, |b, torrent| {
            b.iter(|| swarm::download(torrent, 1));
        });
    }
    group.finish();
}
