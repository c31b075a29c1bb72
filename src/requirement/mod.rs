//! The catalogue of what a peer must, should and may do: one testable sentence per entry.
//!
//! The data is in `requirements/bep_NNNN.yaml`, compiled into the binary. This module reads it
//! strictly and looks things up; it judges nothing. How an entry is judged is told by the rules
//! and scenarios that cite its id; [`coverage`](mod@coverage) counts them.
//!
//! Beside `scenario/yaml.rs` only `requirement/load.rs` names the YAML crate: requirements may
//! not use scenarios, and their data is ours, so it needs no spans.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods
)]

pub mod catalogue;
pub mod coverage;
pub mod entry;
pub mod level;
pub mod nearest;

mod load;

pub use catalogue::{Bep, Catalogue, catalogue};
pub use entry::{
    Area, Direction, Missing, Need, Requirement, RequirementId, Role, Status, Untestable,
};
pub use level::Level;
pub use load::{CatalogueError, Flaw};
pub use nearest::nearest;
