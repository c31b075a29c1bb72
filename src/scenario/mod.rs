//! Scenario files: YAML in, checked cases out.
//!
//! `docs/scenarios.md` describes the format. [`ast`] is what the engine plays; [`load`],
//! [`embedded`] and [`expand`] lead there. Nothing here knows a connection: values come from an
//! [`Env`] at play, and what is sent or matched is a `wire` message.

pub mod ast;
pub mod error;
pub mod eval;
pub mod filter;
pub mod glob;
pub mod limits;
pub mod load;
pub mod pattern;
pub mod play;
pub mod span;
pub mod template;

pub use error::{ScenarioError, snippet};
pub use eval::{Env, Expr, Val};
pub use load::{embedded, load};
pub use pattern::{Captures, MessageView, Pattern};
pub use play::{Choice, Play, PlayId, expand};
pub use span::{SourceFile, Span};
pub use template::Template;
