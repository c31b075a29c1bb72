//! Payloads of `extended` messages: BEP 10's handshake, ut_metadata (9), ut_pex (11), lt_donthave (54).

use bytes::Bytes;

use super::bencode::Value;

/// A decoded extension payload. Unknown keys are kept in `dict`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionMessage {
    /// BEP 10 handshake (id 0).
    Handshake(ExtendedHandshake),
    /// BEP 9 request.
    MetadataRequest {
        /// Zero-based metadata piece.
        piece: i128,
    },
    /// BEP 9 data.
    MetadataData {
        /// Zero-based metadata piece.
        piece: i128,
        /// Size of the info dictionary as told in the message.
        total_size: Option<i128>,
        /// Bytes behind the dictionary.
        data: Bytes,
    },
    /// BEP 9 reject.
    MetadataReject {
        /// Zero-based metadata piece.
        piece: i128,
    },
    /// BEP 9 message of an unknown type.
    MetadataUnknown {
        /// The type.
        msg_type: i128,
    },
    /// BEP 11.
    Pex {
        /// The dictionary (`added`, `added.f`, `added6`, …) as it came.
        dict: Vec<(Bytes, Value)>,
    },
    /// BEP 54.
    DontHave {
        /// The piece that went away.
        index: u32,
    },
}

/// BEP 10 handshake: typed known keys beside the whole dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtendedHandshake {
    /// The dictionary as it came, order and repeats kept.
    pub dict: Vec<(Bytes, Value)>,
}
