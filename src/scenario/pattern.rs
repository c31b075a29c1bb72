//! What a scenario waits for: message patterns. `view` is what they look at, `matching` how.

use super::eval::Expr;
use super::span::Span;
use super::template::BytesTemplate;
use super::val::Val;
use crate::wire::Kind;

pub use super::view::MessageView;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatternKind {
    /// Messages of a kind.
    Kind(Kind),
    /// The target's handshake.
    Handshake,
    /// A frame that does not decode.
    Malformed,
}

impl PatternKind {
    /// The handshake's name in patterns.
    pub const HANDSHAKE: &str = "handshake";
    /// The name in patterns of a frame that does not decode.
    pub const MALFORMED: &str = "malformed";

    /// Its name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.name(),
            Self::Handshake => Self::HANDSHAKE,
            Self::Malformed => Self::MALFORMED,
        }
    }
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
    /// More bytes, or entries, than this.
    Longer,
    /// Fewer bytes, or entries, than this.
    Shorter,
    /// SHA-1 of the bytes.
    Sha1,
    /// The bytes.
    Hex,
    /// A list of compact addresses (BEP 23) names this address, with or without a port.
    Names,
    /// The field or key is there (or is not).
    Present,
}

impl TestOp {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Gt,
        Self::Ge,
        Self::Lt,
        Self::Le,
        Self::Eq,
        Self::In,
        Self::Len,
        Self::Longer,
        Self::Shorter,
        Self::Sha1,
        Self::Hex,
        Self::Names,
        Self::Present,
    ];

    /// Its key in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
            Self::Eq => "eq",
            Self::In => "in",
            Self::Len => "len",
            Self::Longer => "longer",
            Self::Shorter => "shorter",
            Self::Sha1 => "sha1",
            Self::Hex => "hex",
            Self::Names => "names",
            Self::Present => "present",
        }
    }

    /// How reports show it.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Gt => "> ",
            Self::Ge => "at least ",
            Self::Lt => "< ",
            Self::Le => "at most ",
            Self::Eq | Self::Hex => "",
            Self::In => "in ",
            Self::Len => "of length ",
            Self::Longer => "longer than ",
            Self::Shorter => "shorter than ",
            Self::Sha1 => "of SHA-1 ",
            Self::Names => "with the address ",
            Self::Present => "present: ",
        }
    }
}

/// What a match keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures {
    /// New variables.
    pub set: Vec<(String, Val)>,
    /// Entries for lists.
    pub append: Vec<(String, Val)>,
}
