//! Every field and every known key of a dictionary, once.

use super::super::field::{Field, FieldType};

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
    FieldType::Hash,
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
pub static TOTAL_SIZE: Field = field(
    "total_size",
    FieldType::OptionalInt,
    "bytes of the info dictionary",
);
/// ut_metadata message type.
pub static MSG_TYPE: Field = field("msg_type", FieldType::Int, "0 request, 1 data, 2 reject");
/// Metadata bytes.
pub static DATA: Field = field("data", FieldType::Bytes, "bytes of the info dictionary");
/// Whole dictionary.
pub static DICT: Field = field("dict", FieldType::Dict, "keys of the dictionary");

/// Metadata piece of a message whose type we do not know.
pub static UNKNOWN_METADATA_PIECE: Field = field(
    "piece",
    FieldType::OptionalInt,
    "zero-based 16 KiB piece of the info dictionary",
);
/// Names and ids of the sender's extensions.
pub static M: Field = field(
    "m",
    FieldType::Dict,
    "names of the sender's extensions, each with the id to use towards it; 0 switches off",
);
/// Size of the info dictionary.
pub static METADATA_SIZE: Field = field(
    "metadata_size",
    FieldType::Int,
    "bytes of the info dictionary",
);
/// Listening port.
pub static P: Field = field("p", FieldType::Int, "TCP port on which the sender listens");
/// Request queue.
pub static REQQ: Field = field(
    "reqq",
    FieldType::Int,
    "requests that the sender keeps in its queue",
);
/// Client name.
pub static V: Field = field("v", FieldType::Text, "client name and version");
/// Address of the receiver.
pub static YOURIP: Field = field(
    "yourip",
    FieldType::Text,
    "address of the receiver as the sender sees it, 4 or 16 bytes",
);
/// IPv4 address.
pub static IPV4: Field = field("ipv4", FieldType::Text, "4-byte IPv4 address of the sender");
/// IPv6 address.
pub static IPV6: Field = field(
    "ipv6",
    FieldType::Text,
    "16-byte IPv6 address of the sender",
);
/// Encryption.
pub static E: Field = field("e", FieldType::Int, "1 if the sender prefers encryption");
/// Upload only.
pub static UPLOAD_ONLY: Field = field(
    "upload_only",
    FieldType::Int,
    "1 if the sender will not download (BEP 21)",
);
/// Age of a seed.
pub static COMPLETE_AGO: Field = field(
    "complete_ago",
    FieldType::Int,
    "seconds since the sender completed, as libtorrent tells",
);
/// New peers.
pub static ADDED: Field = field(
    "added",
    FieldType::Text,
    "new IPv4 peers, 6 bytes each: address and port",
);
/// Flags of new peers.
pub static ADDED_F: Field = field("added.f", FieldType::Text, "one byte of flags per new peer");
/// New IPv6 peers.
pub static ADDED6: Field = field(
    "added6",
    FieldType::Text,
    "new IPv6 peers, 18 bytes each: address and port",
);
/// Flags of new IPv6 peers.
pub static ADDED6_F: Field = field(
    "added6.f",
    FieldType::Text,
    "one byte of flags per new IPv6 peer",
);
/// Gone peers.
pub static DROPPED: Field = field(
    "dropped",
    FieldType::Text,
    "IPv4 peers that are gone, 6 bytes each",
);
/// Gone IPv6 peers.
pub static DROPPED6: Field = field(
    "dropped6",
    FieldType::Text,
    "IPv6 peers that are gone, 18 bytes each",
);

const fn field(name: &'static str, ty: FieldType, doc: &'static str) -> Field {
    Field { name, ty, doc }
}
