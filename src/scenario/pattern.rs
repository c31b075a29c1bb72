//! What a scenario waits for: message patterns, and the view of a message that they look at.

use bytes::Bytes;

use super::error::ScenarioError;
use super::eval::{Env, Expr, Val};
use super::span::Span;
use super::template::BytesTemplate;
use crate::wire::{ExtensionMessage, FieldValue, Frame, Handshake, Kind, Message};

/// A message pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// Where its name stands.
    pub span: Span,
    /// Which messages.
    pub what: PatternKind,
    /// What must hold of their fields.
    pub fields: Vec<FieldPattern>,
}

/// Which messages a pattern is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternKind {
    /// Messages of a kind.
    Kind(Kind),
    /// The target's handshake.
    Handshake,
    /// A frame that does not decode.
    Malformed,
}

/// What must hold of one field or dictionary key.
#[derive(Debug, Clone)]
pub struct FieldPattern {
    /// Name of the field or key.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// The conditions.
    pub matcher: Matcher,
}

/// Conditions on a value.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// Equal to this.
    Equals(Wanted),
    /// All tests hold, and the value is kept.
    Tests {
        /// The tests.
        tests: Vec<Test>,
        /// Keeps the value under this name.
        capture: Option<String>,
        /// Appends the value to the list of this name.
        append: Option<String>,
    },
    /// A dictionary with these keys.
    Dict(Vec<FieldPattern>),
}

/// A value to compare with.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// An expression.
    Expr(Expr),
    /// A number below zero.
    Int(i128),
    /// Bytes.
    Bytes(BytesTemplate),
}

/// One test of a value.
#[derive(Debug, Clone)]
pub struct Test {
    /// Where it stands.
    pub span: Span,
    /// How to compare.
    pub op: TestOp,
    /// With what.
    pub wanted: Wanted,
}

/// How a test compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TestOp {
    Gt,
    Ge,
    Lt,
    Le,
    Eq,
    In,
    /// Number of bytes, or of entries.
    Len,
    /// SHA-1 of the bytes.
    Sha1,
    /// The bytes.
    Hex,
    /// The field or key is there (or is not).
    Present,
}

/// What a match keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures {
    /// New variables.
    pub set: Vec<(String, Val)>,
    /// Entries for lists.
    pub append: Vec<(String, Val)>,
}

/// A message as patterns see it: it may be several things at once, such as `extended` and
/// `ut_metadata_data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    faces: Vec<Face>,
}

/// One thing that a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Face {
    what: PatternKind,
    fields: Vec<(&'static str, FieldValue)>,
}

impl MessageView {
    /// Of a message of the core protocol, or an extended message whose payload nobody read.
    pub fn message(message: &Message) -> Self {
        let _ = message;
        Self { faces: Vec::new() }
    }

    /// Of an extended message with its payload.
    pub fn extended(message: &Message, payload: &ExtensionMessage) -> Self {
        let _ = payload;
        Self::message(message)
    }

    /// Of a handshake.
    pub fn handshake(handshake: &Handshake) -> Self {
        let _ = handshake;
        Self { faces: Vec::new() }
    }

    /// Of a frame that does not decode.
    pub fn malformed(frame: &Frame) -> Self {
        let _ = frame;
        Self { faces: Vec::new() }
    }

    /// Whether it is a keep-alive.
    pub fn is_keep_alive(&self) -> bool {
        self.faces
            .iter()
            .any(|face| face.what == PatternKind::Kind(Kind::KeepAlive))
    }
}

impl Pattern {
    /// What a match keeps, or `None` if `view` does not match.
    pub fn matches(
        &self,
        view: &MessageView,
        env: &dyn Env,
    ) -> Result<Option<Captures>, ScenarioError> {
        let _ = (view, env);
        Ok(None)
    }

    /// Why a message of the right kind did not match: `begin = 32768, wanted 0`. `None` if the
    /// kind differs or it does match.
    pub fn miss(&self, view: &MessageView, env: &dyn Env) -> Option<String> {
        let _ = (view, env);
        None
    }

    /// The pattern with its values, for reports: `reject_request(index 3, begin 0)`.
    pub fn describe(&self, env: &dyn Env) -> String {
        let _ = env;
        String::new()
    }
}

/// Bytes for a report: the first few in hex.
pub(super) fn short_hex(bytes: &Bytes) -> String {
    bytes.iter().take(20).map(|b| format!("{b:02x}")).collect()
}
