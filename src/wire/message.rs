//! Messages of the peer wire and the two walks over their fields.

use bytes::Bytes;

/// Zero-based piece index as it stands on the wire.
pub type PieceIndex = u32;
/// Extended message id (BEP 10).
pub type ExtId = u8;

/// Coordinates of a block: `request`, `cancel` and `reject_request` carry one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockRef {
    /// Zero-based piece index.
    pub index: u32,
    /// Byte offset inside the piece.
    pub begin: u32,
    /// Number of bytes.
    pub length: u32,
}

/// A frame whose body fits a known shape. What can be built can be encoded, and decodes to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Message {
    KeepAlive,
    Choke,
    Unchoke,
    Interested,
    NotInterested,
    Have {
        index: u32,
    },
    Bitfield {
        bits: Bytes,
    },
    Request(BlockRef),
    Piece {
        index: u32,
        begin: u32,
        block: Bytes,
    },
    Cancel(BlockRef),
    Port {
        port: u16,
    },
    SuggestPiece {
        index: u32,
    },
    HaveAll,
    HaveNone,
    RejectRequest(BlockRef),
    AllowedFast {
        index: u32,
    },
    Extended {
        ext_id: u8,
        payload: Bytes,
    },
    HashRequest {
        pieces_root: [u8; 32],
        base_layer: u32,
        index: u32,
        length: u32,
        proof_layers: u32,
    },
    Hashes {
        pieces_root: [u8; 32],
        base_layer: u32,
        index: u32,
        length: u32,
        proof_layers: u32,
        hashes: Bytes,
    },
    HashReject {
        pieces_root: [u8; 32],
        base_layer: u32,
        index: u32,
        length: u32,
        proof_layers: u32,
    },
    Unknown {
        id: u8,
        payload: Bytes,
    },
}
