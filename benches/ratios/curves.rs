//! What cases and downloads in simulation cost as there are more of them.

use std::time::Instant;

use crate::args::Args;
use crate::measure::{Sample, median};
use crate::support::swarm;
use crate::table::Curve;

/// Every curve.
pub(crate) fn all(args: &Args) -> Vec<Curve> {
    let mut curves = Vec::new();
    if args.wants(CASES) {
        curves.push(curve(
            args,
            CASES,
            "case",
            &[10, 100, 1000, 10_000],
            |size| {
                let plays = swarm::plays(usize::try_from(size).unwrap_or(usize::MAX));
                move || {
                    let cases = swarm::play(&plays).cases;
                    let played = cases.iter().filter(|case| !case.is_rule()).count();
                    (played as u64 == size).then_some(size)
                }
            },
        ));
    }
    if args.wants(PEERS) {
        curves.push(curve(args, PEERS, "peer", &[1, 4, 16, 64, 256], |size| {
            let torrent = swarm::torrent(1);
            move || {
                let leeches = u16::try_from(size).unwrap_or(u16::MAX);
                (swarm::download(&torrent, leeches) == leeches).then_some(size)
            }
        }));
    }
    if args.wants(BYTES) {
        curves.push(curve(args, BYTES, "MiB", &[1, 4, 16, 64, 256], |size| {
            let torrent = swarm::torrent(size);
            move || (swarm::download(&torrent, 1) == 1).then_some(size)
        }));
    }
    curves
}

/// Measures work at each size; a pass says how many items it did, or `None` if it went wrong.
fn curve<P: FnMut() -> Option<u64>>(
    args: &Args,
    what: &'static str,
    item: &'static str,
    sizes: &[u64],
    make: impl Fn(u64) -> P,
) -> Curve {
    let sizes = if args.quick { &sizes[..2] } else { sizes };
    let mut passes: Vec<P> = sizes.iter().map(|size| make(*size)).collect();
    let mut samples = vec![Vec::new(); sizes.len()];
    let mut wrong = None;
    // Fixtures are made when they are first used.
    let _ = passes.first_mut().map(|pass| pass());
    for round in 0..args.rounds.min(ROUNDS) {
        eprintln!("{what}, round {}", round + 1);
        for ((pass, samples), size) in passes.iter_mut().zip(&mut samples).zip(sizes) {
            let mut least = f64::INFINITY;
            // The largest size leaves a heap behind that the smallest would have to tidy up.
            for _ in 0..(SETTLED / size).clamp(1, MOST_PASSES) {
                let start = Instant::now();
                match pass() {
                    Some(items) => least = least.min(nanos_each(start, items)),
                    None => wrong = Some("not everything was done".to_owned()),
                }
            }
            samples.push(least);
        }
    }
    let points = sizes.iter().zip(&samples).map(|(size, samples)| {
        let figure: Sample = wrong.clone().map_or_else(|| Ok(median(samples)), Err);
        let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
        let most = samples.iter().copied().fold(0.0, f64::max);
        (*size, figure, least, most)
    });
    Curve {
        what,
        item,
        points: points.collect(),
    }
}

const CASES: &str = "suites in simulation: cases";
const PEERS: &str = "suites in simulation: leeches of one seed, 1 MiB each";
const BYTES: &str = "suites in simulation: MiB from a seed to a leech";

fn nanos_each(start: Instant, items: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / items as f64
}

/// The largest sizes take a while.
const ROUNDS: usize = 5;

/// Items of one sample, at least; the pass that took least counts.
const SETTLED: u64 = 400;

/// Passes of one sample.
const MOST_PASSES: u64 = 20;
