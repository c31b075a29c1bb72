//! What a scenario sends: messages and wrong bytes, with expressions in their fields.

use bytes::Bytes;

use super::error::ScenarioError;
use super::eval::{Env, Expr};
use super::span::Span;
use crate::wire::{Field, Kind, Message};

/// A message to send.
#[derive(Debug, Clone)]
pub struct Template {
    /// Where its name stands.
    pub span: Span,
    /// Which message.
    pub kind: Kind,
    /// Every field of the message table's row, in its order; for extension messages the
    /// keys that were given.
    pub fields: Vec<FieldTemplate>,
    /// Extended message id instead of the one that the target gave.
    pub ext_id: Option<Expr>,
}

/// One field to send.
#[derive(Debug, Clone)]
pub struct FieldTemplate {
    /// Which field.
    pub field: &'static Field,
    /// Where its value stands.
    pub span: Span,
    /// Its value.
    pub value: ValueTemplate,
}

/// A value to send.
#[derive(Debug, Clone)]
pub enum ValueTemplate {
    /// A number.
    Int(Expr),
    /// Bytes.
    Bytes(BytesTemplate),
    /// A bencoded dictionary.
    Bencode(BencodeTemplate),
}

/// Bytes to send.
#[derive(Debug, Clone)]
pub enum BytesTemplate {
    /// As written in hex or as text.
    Literal(Bytes),
    /// An expression that gives bytes or a text.
    Expr(Expr),
    /// The same bytes again and again.
    Repeat(Box<Self>, Expr),
    /// One after another.
    Concat(Vec<Self>),
    /// A block of the torrent.
    Block {
        /// How its bytes differ from the torrent's.
        of: BlockSource,
        /// Piece.
        index: Expr,
        /// Offset.
        begin: Expr,
        /// Number of bytes.
        length: Expr,
    },
    /// A part of the info dictionary.
    Info {
        /// Which 16 KiB.
        piece: Expr,
        /// How its bytes differ.
        of: BlockSource,
    },
    /// A bitfield for the torrent.
    Bits(BitsTemplate),
}

/// Where the bytes of a block come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockSource {
    /// The torrent.
    Torrent,
    /// The torrent, first byte flipped.
    Corrupt,
    /// Zeros.
    Zeros,
}

/// A bitfield.
#[derive(Debug, Clone)]
pub struct BitsTemplate {
    /// Which bits are set.
    pub set: BitsSet,
    /// Set the spare bits at the end, too.
    pub spare: bool,
    /// Bytes more (or fewer) than the torrent asks for.
    pub extra: i32,
}

/// Which bits of a bitfield are set.
#[derive(Debug, Clone)]
pub enum BitsSet {
    /// Every piece.
    All,
    /// None.
    None,
    /// These pieces (a number or a list).
    Pieces(Expr),
    /// All but these.
    AllBut(Expr),
}

/// A bencoded value to send.
#[derive(Debug, Clone)]
pub enum BencodeTemplate {
    /// An integer, maybe negative.
    Int(i128),
    /// An expression that gives a number, bytes, a text or a list of those.
    Expr(Expr),
    /// A byte string.
    Bytes(BytesTemplate),
    /// A list.
    List(Vec<Self>),
    /// A dictionary; written in the order of its keys unless `as_is`.
    Dict {
        /// Keys and values as written.
        entries: Vec<(Bytes, Self)>,
    },
}

/// Bytes that are no message.
#[derive(Debug, Clone)]
pub struct RawTemplate {
    /// Where it stands.
    pub span: Span,
    /// The bytes.
    pub part: RawPart,
    /// Leaves out so many bytes at the start.
    pub skip: Option<Expr>,
    /// Sends only so many bytes.
    pub take: Option<Expr>,
    /// Where the target's parser stands behind them.
    pub boundary: Boundary,
}

/// One part of raw bytes.
#[derive(Debug, Clone)]
pub enum RawPart {
    /// Plain bytes (`hex`, `repeat`, `file`, `bytes`).
    Bytes(BytesTemplate),
    /// A handshake, any part of it wrong.
    Handshake(Box<RawHandshake>),
    /// A frame, any part of it wrong.
    Frame(Box<RawFrameTemplate>),
    /// A message as it should be.
    Message(Template),
    /// One after another.
    Concat(Vec<Self>),
}

/// A handshake with anything wrong in it. `None` is the right value.
#[derive(Debug, Clone)]
pub struct RawHandshake {
    /// Length byte.
    pub pstrlen: Option<Expr>,
    /// Protocol string.
    pub pstr: Option<BytesTemplate>,
    /// Capability names or 8 bytes.
    pub reserved: Option<Expr>,
    /// Info hash.
    pub info_hash: Option<BytesTemplate>,
    /// Peer id.
    pub peer_id: Option<BytesTemplate>,
}

/// A frame with anything wrong in it.
#[derive(Debug, Clone)]
pub struct RawFrameTemplate {
    /// Length prefix; `None` is the right one.
    pub length: Option<Expr>,
    /// Message id; `None` leaves it out.
    pub id: Option<Expr>,
    /// Bytes behind the id.
    pub payload: Option<BytesTemplate>,
    /// Body of this message instead of `id` and `payload`.
    pub message: Option<Template>,
}

/// Where the target's parser stands behind raw bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// On a frame boundary.
    Whole,
    /// Inside a frame.
    Open,
    /// Nobody knows.
    Unknown,
}

impl Template {
    /// The message with its values. An extension message takes its id from `peer.ext.NAME`.
    pub fn resolve(&self, env: &dyn Env) -> Result<Message, ScenarioError> {
        let _ = env;
        Err(ScenarioError::runtime(&self.span, "not resolved yet"))
    }
}

impl RawTemplate {
    /// The bytes, `skip` and `take` applied.
    pub fn resolve(&self, env: &dyn Env) -> Result<Bytes, ScenarioError> {
        let _ = env;
        Err(ScenarioError::runtime(&self.span, "not resolved yet"))
    }
}

impl BytesTemplate {
    /// The bytes.
    pub fn resolve(&self, env: &dyn Env) -> Result<Bytes, ScenarioError> {
        let _ = env;
        Ok(Bytes::new())
    }
}
