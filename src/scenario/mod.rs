//! Scenario files: YAML in, checked cases out.
//!
//! `docs/scenarios.md` describes the format. [`ast`] is what the engine plays; [`load()`],
//! [`embedded`] and [`expand`] lead there. Nothing here knows a connection: values come from an
//! [`Env`] at play, and what is sent or matched is a `wire` message.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods
)]

pub mod ast;
mod embedded;
pub mod error;
pub mod eval;
mod expr;
mod facts;
pub mod filter;
pub mod glob;
pub mod keys;
pub mod limits;
pub mod lint;
pub mod load;
mod matching;
mod parse;
pub mod partition;
pub mod pattern;
pub mod play;
pub mod print;
mod resolve;
pub mod schema;
pub mod span;
pub mod template;
mod types;
pub mod val;
mod view;
pub mod walk;
pub(crate) mod yaml;

#[cfg(test)]
mod tests;

pub use error::{ScenarioError, snippet};
pub use eval::{Env, Expr};
pub use facts::torrent_value;
pub use lint::{Lint, LintFinding, lint};
pub use load::{embedded, load, parse_text};
pub use matching::sha1;
pub use partition::Partition;
pub use pattern::{Captures, MessageView, Pattern};
pub use play::{Choice, Play, PlayId, expand, shuffle};
pub use print::print;
pub use resolve::{DEFAULT_RESERVED, reserved};
pub use schema::{actions, modifiers, schema};
pub use span::{SourceFile, Span};
pub use template::Template;
pub use val::Val;
