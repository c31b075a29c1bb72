//! Messages of the peer wire and the two walks over their fields.
//!
//! What a message is called, its id and its fields stand in [`registry`](super::registry). Frames
//! are cut in [`frame`](super::frame); payloads of `extended` are read in
//! [`extension`](super::extension).

use bytes::{Bytes, BytesMut};

use super::field::{Field, FieldValue};
use super::frame::{DecodeError, Frame};
use super::registry::{
    BASE_LAYER, BEGIN, BITS, BLOCK, EXT_ID, HASHES, ID, INDEX, Kind, LENGTH, PAYLOAD, PIECES_ROOT,
    PORT, PROOF_LAYERS,
};
use super::walk::{ByteReader, FieldCollector, HEAD_LEN, HeadWriter, Sink, Source};

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

impl BlockRef {
    /// Names a block.
    pub const fn new(index: u32, begin: u32, length: u32) -> Self {
        Self {
            index,
            begin,
            length,
        }
    }

    #[inline]
    fn read<S: Source>(from: &mut S) -> Result<Self, S::Error> {
        Ok(Self {
            index: from.u32(&INDEX)?,
            begin: from.u32(&BEGIN)?,
            length: from.u32(&LENGTH)?,
        })
    }

    fn write<K: Sink>(&self, to: &mut K) {
        to.u32(&INDEX, self.index);
        to.u32(&BEGIN, self.begin);
        to.u32(&LENGTH, self.length);
    }
}

/// A run of hashes in a file's hash tree: BEP 52's three messages carry one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashRange {
    /// Root of the file's hash tree.
    pub pieces_root: [u8; 32],
    /// Lowest layer asked for; 0 is the layer of 16 KiB blocks.
    pub base_layer: u32,
    /// First hash in that layer.
    pub index: u32,
    /// Number of hashes in that layer.
    pub length: u32,
    /// Number of ancestor layers.
    pub proof_layers: u32,
}

impl HashRange {
    fn read<S: Source>(from: &mut S) -> Result<Self, S::Error> {
        Ok(Self {
            pieces_root: from.hash(&PIECES_ROOT)?,
            base_layer: from.u32(&BASE_LAYER)?,
            index: from.u32(&INDEX)?,
            length: from.u32(&LENGTH)?,
            proof_layers: from.u32(&PROOF_LAYERS)?,
        })
    }

    fn write<K: Sink>(&self, to: &mut K) {
        to.hash(&PIECES_ROOT, &self.pieces_root);
        to.u32(&BASE_LAYER, self.base_layer);
        to.u32(&INDEX, self.index);
        to.u32(&LENGTH, self.length);
        to.u32(&PROOF_LAYERS, self.proof_layers);
    }
}

/// A message id that no row of the table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnknownId(u8);

impl UnknownId {
    /// `None` when `id` belongs to a message we know.
    pub fn new(id: u8) -> Option<Self> {
        Kind::by_id(id).is_none().then_some(Self(id))
    }

    /// The id.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A frame whose body fits a known shape. What can be built can be encoded, and decodes to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// BEP 3: an empty frame.
    KeepAlive,
    /// BEP 3: requests will not be answered.
    Choke,
    /// BEP 3: requests will be answered.
    Unchoke,
    /// BEP 3: the sender wants pieces.
    Interested,
    /// BEP 3: the sender wants none.
    NotInterested,
    /// BEP 3: the sender has one more piece.
    Have {
        /// Zero-based piece index.
        index: PieceIndex,
    },
    /// BEP 3: what the sender has.
    Bitfield {
        /// One bit a piece, most significant bit first.
        bits: Bytes,
    },
    /// BEP 3: asks for a block.
    Request(BlockRef),
    /// BEP 3: a block.
    Piece {
        /// Zero-based piece index.
        index: PieceIndex,
        /// Byte offset inside the piece.
        begin: u32,
        /// The bytes.
        block: Bytes,
    },
    /// BEP 3: takes a request back.
    Cancel(BlockRef),
    /// BEP 5: where the sender's DHT node listens.
    Port {
        /// UDP port.
        port: u16,
    },
    /// BEP 6: a piece the sender would like to be asked for.
    SuggestPiece {
        /// Zero-based piece index.
        index: PieceIndex,
    },
    /// BEP 6: the sender has every piece.
    HaveAll,
    /// BEP 6: the sender has no piece.
    HaveNone,
    /// BEP 6: this request will not be answered with a block.
    RejectRequest(BlockRef),
    /// BEP 6: a piece that may be requested while choked.
    AllowedFast {
        /// Zero-based piece index.
        index: PieceIndex,
    },
    /// BEP 10: a message of an extension.
    Extended {
        /// 0 for the handshake, else an id of the receiver's `m`.
        ext_id: ExtId,
        /// Bytes behind the id.
        payload: Bytes,
    },
    /// BEP 52: asks for hashes of a file's tree.
    HashRequest(HashRange),
    /// BEP 52: hashes of a file's tree.
    Hashes {
        /// What was asked for.
        range: HashRange,
        /// 32 bytes a hash.
        hashes: Bytes,
    },
    /// BEP 52: these hashes will not come.
    HashReject(HashRange),
    /// An id that no table row has.
    Unknown {
        /// The id.
        id: UnknownId,
        /// Bytes behind the id.
        payload: Bytes,
    },
}

impl Message {
    /// Builds a message of `kind` from wherever field values come from. Kinds of extension
    /// payloads are built as `extended`; see [`ExtensionMessage`](super::ExtensionMessage).
    // Always, because it is too long for compilers to do so by themselves, and then every message is
    // moved twice: a fifth of the time of decoding.
    #[inline(always)]
    pub fn read<S: Source>(kind: Kind, from: &mut S) -> Result<Self, S::Error> {
        Ok(match kind {
            Kind::KeepAlive => Self::KeepAlive,
            Kind::Choke => Self::Choke,
            Kind::Unchoke => Self::Unchoke,
            Kind::Interested => Self::Interested,
            Kind::NotInterested => Self::NotInterested,
            Kind::Have => Self::Have {
                index: from.u32(&INDEX)?,
            },
            Kind::Bitfield => Self::Bitfield {
                bits: from.bytes(&BITS)?,
            },
            Kind::Request => Self::Request(BlockRef::read(from)?),
            Kind::Piece => Self::Piece {
                index: from.u32(&INDEX)?,
                begin: from.u32(&BEGIN)?,
                block: from.bytes(&BLOCK)?,
            },
            Kind::Cancel => Self::Cancel(BlockRef::read(from)?),
            Kind::Port => Self::Port {
                port: from.u16(&PORT)?,
            },
            Kind::SuggestPiece => Self::SuggestPiece {
                index: from.u32(&INDEX)?,
            },
            Kind::HaveAll => Self::HaveAll,
            Kind::HaveNone => Self::HaveNone,
            Kind::RejectRequest => Self::RejectRequest(BlockRef::read(from)?),
            Kind::AllowedFast => Self::AllowedFast {
                index: from.u32(&INDEX)?,
            },
            Kind::Extended
            | Kind::ExtendedHandshake
            | Kind::UtMetadataRequest
            | Kind::UtMetadataData
            | Kind::UtMetadataReject
            | Kind::UtMetadataUnknown
            | Kind::UtPex
            | Kind::LtDonthave => Self::Extended {
                ext_id: from.u8(&EXT_ID)?,
                payload: from.bytes(&PAYLOAD)?,
            },
            Kind::HashRequest => Self::HashRequest(HashRange::read(from)?),
            Kind::Hashes => Self::Hashes {
                range: HashRange::read(from)?,
                hashes: from.bytes(&HASHES)?,
            },
            Kind::HashReject => Self::HashReject(HashRange::read(from)?),
            Kind::Unknown => Self::Unknown {
                id: from.unknown_id(&ID)?,
                payload: from.bytes(&PAYLOAD)?,
            },
        })
    }

    /// Hands every field to `to`, in wire order.
    #[inline]
    pub fn write<K: Sink>(&self, to: &mut K) {
        match self {
            Self::KeepAlive
            | Self::Choke
            | Self::Unchoke
            | Self::Interested
            | Self::NotInterested
            | Self::HaveAll
            | Self::HaveNone => {}
            Self::Have { index } | Self::SuggestPiece { index } | Self::AllowedFast { index } => {
                to.u32(&INDEX, *index);
            }
            Self::Bitfield { bits } => to.bytes(&BITS, bits),
            Self::Request(block) | Self::Cancel(block) | Self::RejectRequest(block) => {
                block.write(to);
            }
            Self::Piece {
                index,
                begin,
                block,
            } => {
                to.u32(&INDEX, *index);
                to.u32(&BEGIN, *begin);
                to.bytes(&BLOCK, block);
            }
            Self::Port { port } => to.u16(&PORT, *port),
            Self::Extended { ext_id, payload } => {
                to.u8(&EXT_ID, *ext_id);
                to.bytes(&PAYLOAD, payload);
            }
            Self::HashRequest(range) | Self::HashReject(range) => range.write(to),
            Self::Hashes { range, hashes } => {
                range.write(to);
                to.bytes(&HASHES, hashes);
            }
            Self::Unknown { id, payload } => {
                to.u8(&ID, id.get());
                to.bytes(&PAYLOAD, payload);
            }
        }
    }

    /// Which row of the table this is.
    #[inline]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::KeepAlive => Kind::KeepAlive,
            Self::Choke => Kind::Choke,
            Self::Unchoke => Kind::Unchoke,
            Self::Interested => Kind::Interested,
            Self::NotInterested => Kind::NotInterested,
            Self::Have { .. } => Kind::Have,
            Self::Bitfield { .. } => Kind::Bitfield,
            Self::Request(_) => Kind::Request,
            Self::Piece { .. } => Kind::Piece,
            Self::Cancel(_) => Kind::Cancel,
            Self::Port { .. } => Kind::Port,
            Self::SuggestPiece { .. } => Kind::SuggestPiece,
            Self::HaveAll => Kind::HaveAll,
            Self::HaveNone => Kind::HaveNone,
            Self::RejectRequest(_) => Kind::RejectRequest,
            Self::AllowedFast { .. } => Kind::AllowedFast,
            Self::Extended { .. } => Kind::Extended,
            Self::HashRequest(_) => Kind::HashRequest,
            Self::Hashes { .. } => Kind::Hashes,
            Self::HashReject(_) => Kind::HashReject,
            Self::Unknown { .. } => Kind::Unknown,
        }
    }

    /// Name in scenarios and reports.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Reads the message in a frame.
    #[inline]
    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        Self::decode_with(frame.id(), |message, at| {
            ByteReader::new(message, frame.raw(), at)
        })
    }

    /// Reads the message in the bytes of a frame, without sharing their memory.
    #[inline]
    pub(super) fn decode_copying(frame: &[u8]) -> Result<Self, DecodeError> {
        let id = frame.get(Frame::PREFIX_LEN).copied();
        Self::decode_with(id, |message, at| ByteReader::copying(message, frame, at))
    }

    #[inline]
    fn decode_with<'a>(
        id: Option<u8>,
        reader: impl FnOnce(&'static str, usize) -> ByteReader<'a>,
    ) -> Result<Self, DecodeError> {
        let Some(id) = id else {
            return Ok(Self::KeepAlive);
        };
        // An unknown id is a field of its message, a known one only selects the row.
        let (kind, fields_at) = match Kind::by_id(id) {
            Some(kind) => (kind, 5),
            None => (Kind::Unknown, 4),
        };
        let mut reader = reader(kind.name(), fields_at);
        let mut message = Self::read(kind, &mut reader);
        if message.is_ok()
            && let Err(error) = reader.finish()
        {
            message = Err(error);
        }
        message
    }

    /// The whole frame, length prefix included.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.encode_to(&mut out);
        out.freeze()
    }

    /// Appends the whole frame to `out`. A body beyond 4 GiB has no honest prefix and gets 2^32-1.
    #[inline]
    pub fn encode_to(&self, out: &mut BytesMut) {
        let start = out.len();
        // Places for everything before the payload at once, to be written where they lie: an
        // append a field would ask for room with each.
        out.extend_from_slice(&[0; HEAD_LEN]);
        let Some(mut writer) = out.get_mut(start..).and_then(HeadWriter::new) else {
            return;
        };
        if let Some(id) = self.kind().id() {
            writer.put([id]);
        }
        self.write(&mut writer);
        let (len, payload) = writer.finish();
        out.truncate(start.saturating_add(len));
        if let Some(payload) = payload {
            out.extend_from_slice(&payload);
        }
    }

    /// Every field with its value, in wire order.
    pub fn fields(&self) -> Vec<(&'static Field, FieldValue)> {
        let mut fields = FieldCollector::default();
        self.write(&mut fields);
        fields.0
    }
}
