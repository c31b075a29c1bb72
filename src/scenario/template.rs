//! What a scenario sends: messages and wrong bytes, with expressions in their fields.
//!
//! `resolve` gives them values.

use bytes::Bytes;

use super::eval::Expr;
use super::span::Span;
use crate::wire::{Field, Kind};

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
    },
    /// A number in so many bytes, big-endian.
    Uint(Expr, u8),
    /// A bitfield for the torrent.
    Bits(BitsTemplate),
    /// The same bytes with the lowest bit of the last one flipped.
    Flip(Box<Self>),
    /// A bencoded value.
    Bencode {
        /// The value.
        value: Box<BencodeTemplate>,
        /// Keys in the order written, repeats kept; else canonical.
        as_is: bool,
    },
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
    /// A dictionary, keys as written.
    Dict(Vec<(Bytes, Self)>),
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

impl RawPart {
    /// Whether it is made of whole messages and handshakes only.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Message(_) | Self::Haves(_) | Self::Blocks(_) => true,
            Self::Handshake(handshake) => {
                let RawHandshake {
                    pstrlen,
                    pstr,
                    info_hash,
                    peer_id,
                    ..
                } = &**handshake;
                let right = |bytes: &Option<BytesTemplate>| match bytes {
                    None => true,
                    Some(BytesTemplate::Literal(bytes)) => bytes.len() == 20,
                    Some(_) => false,
                };
                pstrlen.is_none() && pstr.is_none() && right(info_hash) && right(peer_id)
            }
            Self::Frame(frame) => frame.length.is_none(),
            Self::Concat(parts) => parts.iter().all(Self::is_whole),
            Self::Bytes(_) => false,
        }
    }
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
    /// So many haves, from the first piece on.
    Haves(Expr),
    /// Requests or cancels of many blocks.
    Blocks(Box<BlockRun>),
    /// One after another.
    Concat(Vec<Self>),
}

/// Messages about many whole blocks of the torrent, in order.
#[derive(Debug, Clone)]
pub struct BlockRun {
    /// Whether they are cancels instead of requests.
    pub cancels: bool,
    /// How many.
    pub count: Expr,
    /// Number of the first block, counted from the torrent's first; 0 unless given.
    pub first: Option<Expr>,
    /// Step from one to the next; 1 unless given.
    pub every: Option<Expr>,
}

/// A handshake with anything wrong in it. `None` is the right value.
#[derive(Debug, Clone, Default)]
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

/// Our ids for extensions in the default extended handshake: none that a client gives itself, so
/// that a target that answers with its own shows.
pub const OUR_EXTENSIONS: [(&str, u8); 3] =
    [("ut_metadata", 101), ("ut_pex", 77), ("lt_donthave", 102)];
/// `reqq` of the default extended handshake.
pub const OUR_REQQ: i128 = 250;
/// `v` of the default extended handshake.
pub const OUR_V: &str = concat!("btspec ", env!("CARGO_PKG_VERSION"));
