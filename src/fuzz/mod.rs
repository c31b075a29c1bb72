//! Live fuzzing of a target: connections made by a seeded generator, every oracle on, and finds that
//! are repeated, made small and written as scenario files.
//!
//! A [`case::Case`] is one connection as data. [`generate`] makes them out of nothing, [`mutate`] out
//! of kept ones; [`player`] plays one, [`fingerprint`] and [`corpus`] keep what made the target react
//! in a new way, [`oracle`] says what is suspicious. [`campaign`] runs all that against a
//! [`bench::Bench`], `hunt` turns a suspicion into a find, [`shrink`] makes it small, [`mod@write`] writes
//! it down. [`sim`] is the bench in simulation, [`sockets`] the one over TCP. [`deep`] has defects
//! that the fuzzer must find.
//!
//! In-process fuzzing of parsers is not this but `fuzz/`, with its entry points in `fuzzing`.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod baseline;
pub mod bench;
pub mod bounds;
pub mod campaign;
pub mod case;
pub mod corpus;
pub mod deep;
pub mod draw;
pub mod fingerprint;
pub mod generate;
pub mod ground;
mod hearing;
mod hunt;
pub mod mutate;
pub mod oracle;
pub mod player;
pub mod reduce;
pub mod report;
pub mod rng;
pub mod shrink;
pub mod sim;
pub mod sockets;
pub mod state;
pub mod trace;
pub mod valid;
pub mod write;
