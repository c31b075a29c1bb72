//! What both ends of a connection may know: choke and interest, pieces, ledgers, extension ids.
//!
//! A [`Session`] reads the [`Observation`](crate::trace::Observation)s of one connection, both
//! ways, and says with an [`Event`] what each of them means: which request a piece answers, whether
//! a request came against a choke that the target must have read. It judges nothing; `rule` and the
//! engine's player do. Sans-IO, as every state machine here: `handle`, `poll_event`,
//! `poll_deadline`, getters.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods
)]

pub mod connection;
pub mod event;
pub mod ext_ids;
pub mod half;
pub mod ledger;
mod pex;
mod reading;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod timers;
pub mod told;

pub use connection::{Session, SessionConfig, frame_limit};
pub use event::{
    Answer, Asked, Availability, AvailabilityKind, Duty, Event, EventKind, ExtendedUse, Stand,
    Stray, StrayKind,
};
pub use ext_ids::ExtIds;
pub use half::Half;
pub use ledger::{AnswerHow, Entry, EntryState, Ledger, Marks};
pub use pex::PexHeard;
pub use told::Told;
