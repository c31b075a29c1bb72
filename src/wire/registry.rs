//! The tables: every message, reserved bit, extension and capability, once each.

use super::field::{Field, FieldType};

/// Where a definition comes from: BEP number and the anchor of its heading on bittorrent.org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cite {
    /// BEP number.
    pub bep: u16,
    /// Anchor of the heading.
    pub heading: &'static str,
}

impl Cite {
    /// Builds a citation.
    pub const fn new(bep: u16, heading: &'static str) -> Self {
        Self { bep, heading }
    }
}

/// What both ends must have negotiated before a message may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capability {
    /// BEP 6, reserved bit 7/0x04.
    Fast,
    /// BEP 10, reserved bit 5/0x10.
    Extended,
    /// BEP 5, reserved bit 7/0x01.
    Dht,
    /// BEP 52, reserved bit 7/0x10.
    V2,
}

/// Every kind of message a scenario can name. Kinds from `ExtendedHandshake` on travel inside
/// `extended` and need the negotiated ids to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    KeepAlive,
    Choke,
    Unchoke,
    Interested,
    NotInterested,
    Have,
    Bitfield,
    Request,
    Piece,
    Cancel,
    Port,
    SuggestPiece,
    HaveAll,
    HaveNone,
    RejectRequest,
    AllowedFast,
    Extended,
    HashRequest,
    Hashes,
    HashReject,
    /// An id that no table row has.
    Unknown,
    ExtendedHandshake,
    UtMetadataRequest,
    UtMetadataData,
    UtMetadataReject,
    /// A ut_metadata message with another `msg_type`.
    UtMetadataUnknown,
    UtPex,
    LtDonthave,
}

/// One row of the message table.
#[derive(Debug)]
pub struct MessageSpec {
    /// The kind this row defines.
    pub kind: Kind,
    /// Message id on the wire; `None` for keep-alives, unknown ids and extension payloads.
    pub id: Option<u8>,
    /// Name in scenarios and reports.
    pub name: &'static str,
    /// Fields in wire order.
    pub fields: &'static [&'static Field],
    /// Where it is defined.
    pub cite: Cite,
    /// What must have been negotiated.
    pub needs: Option<Capability>,
    /// For extension payloads: the name in `m` (`ut_metadata`); empty for the handshake itself.
    pub extension: Option<&'static str>,
}

const fn field(name: &'static str, ty: FieldType, doc: &'static str) -> Field {
    Field { name, ty, doc }
}

/// Zero-based piece index.
pub static INDEX: Field = field("index", FieldType::U32, "zero-based piece index");
/// Byte offset inside the piece.
pub static BEGIN: Field = field("begin", FieldType::U32, "byte offset inside the piece");
/// Number of bytes asked for.
pub static LENGTH: Field = field("length", FieldType::U32, "number of bytes");
/// Block bytes.
pub static BLOCK: Field = field("block", FieldType::Bytes, "bytes of the block");
/// Bits, most significant first.
pub static BITS: Field = field(
    "bits",
    FieldType::Bytes,
    "one bit a piece, most significant bit first",
);
/// UDP port.
pub static PORT: Field = field("port", FieldType::U16, "UDP port of the DHT node");
/// Extended message id.
pub static EXT_ID: Field = field(
    "ext_id",
    FieldType::U8,
    "extended message id; 0 is the handshake",
);
/// Opaque payload.
pub static PAYLOAD: Field = field("payload", FieldType::Bytes, "bytes behind the id");
/// Id of an unknown message.
pub static ID: Field = field("id", FieldType::U8, "message id");
/// Merkle root of a file.
pub static PIECES_ROOT: Field = field(
    "pieces_root",
    FieldType::Bytes,
    "32-byte root of the file's hash tree",
);
/// Layer of the tree.
pub static BASE_LAYER: Field = field(
    "base_layer",
    FieldType::U32,
    "lowest requested layer of the tree",
);
/// Proof layers.
pub static PROOF_LAYERS: Field = field("proof_layers", FieldType::U32, "number of ancestor layers");
/// Hashes.
pub static HASHES: Field = field("hashes", FieldType::Bytes, "32 bytes a hash");
/// Metadata piece.
pub static METADATA_PIECE: Field = field(
    "piece",
    FieldType::Int,
    "zero-based 16 KiB piece of the info dictionary",
);
/// Metadata size.
pub static TOTAL_SIZE: Field = field("total_size", FieldType::Int, "bytes of the info dictionary");
/// ut_metadata message type.
pub static MSG_TYPE: Field = field("msg_type", FieldType::Int, "0 request, 1 data, 2 reject");
/// Metadata bytes.
pub static DATA: Field = field("data", FieldType::Bytes, "bytes of the info dictionary");
/// Whole dictionary.
pub static DICT: Field = field("dict", FieldType::Dict, "keys of the dictionary");
