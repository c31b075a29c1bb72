//! Rules on real traffic: a relay between two peers that listens.
//!
//! [`Watch`] is pure: it is told the bytes of both sides of one connection and when they came, and
//! judges each side by the rules as if the other were the tester. [`relay`](relay::relay) moves the
//! bytes, unchanged. [`Tally`] sums up over the connections. Nothing here answers anybody: a
//! connection that cannot be judged, because it is encrypted or about a torrent that is not known, is
//! relayed all the same, and said so.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation
)]

pub mod relay;
pub mod tally;
pub mod watch;

pub use tally::Tally;
pub use watch::{Side, Watch, Watched};
