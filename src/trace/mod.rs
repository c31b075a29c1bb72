//! What was seen on the wire: when, which way, raw and decoded.
//!
//! [`StreamDecoder`] turns one direction of one connection into [`Observation`]s, [`Recorder`]
//! numbers them in arrival order, [`Transcript`] keeps a bounded part of them. Nothing here judges
//! or knows what a connection means: look at `session` for that.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods
)]

pub mod decoder;
pub mod observation;
pub mod transcript;

pub use decoder::{Pending, StreamDecoder};
pub use observation::{CloseHow, ConnId, Dir, Observation, Recorder, What};
pub use transcript::{Dropped, Entry, Transcript};
