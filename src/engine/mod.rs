//! Plays scenarios against a target.
//!
//! [`Tester`] is the seam: the pure player behind it says what to do ([`Action`]) and is told what
//! happened ([`Input`]). Two loops drive it: `sim`, a discrete-event simulation without clock or
//! sockets, and `driver`, tokio over real ones.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation
)]

pub mod driver;
pub mod io;
mod live;
pub mod player;
pub mod replay;
pub mod rows;
pub mod run;
pub mod self_mode;
pub mod settings;
pub mod shared;
pub mod sim;
pub mod stage;
mod suspects;
mod tables;

pub use io::{Action, CloseKind, ConnId, ConnectError, Health, Input, Source, Tester, VerbResult};
