//! The 68-byte handshake of BEP 3 and the reserved bits of BEP 4.

/// SHA-1 of the info dictionary's exact bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InfoHash(pub [u8; 20]);

/// The 20-byte peer id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub [u8; 20]);

/// The eight reserved bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reserved(pub [u8; 8]);

/// A handshake with the right protocol string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// Reserved bytes.
    pub reserved: Reserved,
    /// Info hash.
    pub info_hash: InfoHash,
    /// Peer id.
    pub peer_id: PeerId,
}
