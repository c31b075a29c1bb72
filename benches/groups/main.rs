//! What a user feels, by criterion: `cargo bench --bench groups`, or `-- decode` for one group.
//!
//! Compare figures of one run with each other, not with another machine's; `ratios` is the program
//! that measures beside others.

mod decode;
mod encode;
mod extended;
mod handshake;
mod report;
mod scenario;
mod session;
mod suite;
#[path = "../support/mod.rs"]
mod support;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    benches,
    decode::bench,
    encode::bench,
    handshake::bench,
    extended::bench,
    session::bench,
    scenario::bench,
    suite::bench,
    report::bench
);
criterion_main!(benches);
