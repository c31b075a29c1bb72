//! The reference peer: one [`Peer`] is one process that hosts many connections.
//!
//! It is a complete seed and leech for BEPs 3, 6, 9, 10 and 54, without clock and without
//! sockets: a [`Process`] takes [`Input`]s with the time since it started and gives [`Output`]s
//! and a deadline. The simulation hosts it for self mode and for the audit, `serve` puts it on
//! real sockets, and `docs/library.md` shows how to use it from other programs.
//!
//! [`fault`] is the catalogue of its switchable defects, [`null`] the trivial processes that must
//! pass nothing. What the tester knows of a target is `session`, not this.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods
)]

mod announced;
mod command;
pub mod config;
mod connection;
mod download;
pub mod event;
pub mod exchange;
mod extension;
pub mod fault;
mod host;
mod inbound;
pub mod metadata;
pub mod null;
mod outbound;
pub mod pex;
pub mod process;
mod quirk;
mod rng;
pub mod stats;
mod store;
mod superseed;
mod timing;
mod upload;

#[cfg(test)]
mod tests;

pub use command::{ConnectionView, VERBS};
pub use config::{PeerConfig, Role, Settings};
pub use connection::{Agreed, HalfState, Pending, Upload};
pub use event::{CloseReason, PeerEvent};
pub use extension::{Extension, ExtensionError, ExtensionFactory, Link};
pub use fault::{FaultRole, FaultSet, FaultSpec};
pub use host::Peer;
pub use null::{NullKind, NullPeer};
pub use process::{Health, Input, Output, Process};
