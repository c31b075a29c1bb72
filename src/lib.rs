//! Conformance tests for the BitTorrent peer protocol.
//!
//! Data flows one way: bytes → [`wire`] → [`trace`] → [`session`] → [`rule`] and the [`engine`]'s
//! scenario player → [`outcome`] → [`report`]. `docs/architecture.md` has the picture;
//! `docs/library.md` shows how to use the reference [`peer`] on its own.
//!
//! A module may use only the modules above it in this list.

pub mod wire;

pub mod torrent;

pub mod requirement;

pub mod trace;

pub mod capture;

pub mod session;

pub mod rule;

pub mod peer;

pub mod scenario;

pub mod outcome;

pub mod transport;

pub mod target;

pub mod engine;

pub mod audit;

pub mod report;

pub mod proxy;

pub mod fuzz;

#[cfg(feature = "arbitrary")]
#[doc(hidden)]
pub mod fuzzing;
