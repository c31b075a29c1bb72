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

pub mod bep10;
pub mod bep11;
pub mod bep20;
pub mod bep21;
pub mod bep27;
pub mod bep3;
pub mod bep4;
pub mod bep5;
pub mod bep54;
pub mod bep6;
pub mod bep9;
pub mod judge;
pub mod table;
#[cfg(test)]
mod tests;
mod view;

pub use judge::{Context, Judge, Tally, Violation};
pub use table::{RULES, Rule, Ruling, by_id};
