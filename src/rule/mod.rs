//! The conformance rules: passive checks on every message of the target, one function each.
//!
//! A rule looks at one [`Event`](crate::session::Event) and says whether it concerns the rule at
//! all, and if so whether it holds. [`RULES`] lists them, [`Judge`] runs them over the events of a
//! case and counts. Levels are not known here: they stand in the catalogue of `requirement`, under
//! the id that the rule cites.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods
)]

pub mod bep3;
pub mod judge;
pub mod table;

pub use judge::{Context, Judge, Role, Tally, Violation};
pub use table::{RULES, Rule, Ruling, by_id};
