//! The 68-byte handshake of BEP 3 and the reserved bits of BEP 4.

use bytes::Bytes;

use super::identity::{InfoHash, PeerId};
use super::registry::{Capability, RESERVED_BITS, ReservedBit};

/// The protocol string behind the first byte.
pub const PROTOCOL: &[u8; 19] = b"BitTorrent protocol";

/// The eight reserved bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reserved(pub [u8; 8]);

impl Reserved {
    /// Just the bits of these capabilities.
    pub fn with(capabilities: &[Capability]) -> Self {
        let mut reserved = Self::default();
        for &capability in capabilities {
            reserved.set(capability);
        }
        reserved
    }

    /// Sets a capability's bit.
    pub fn set(&mut self, capability: Capability) {
        if let Some(bit) = capability.bit() {
            self.set_bit(bit);
        }
    }

    /// Sets any bit of the table.
    pub fn set_bit(&mut self, bit: &ReservedBit) {
        if let Some(byte) = self.0.get_mut(bit.byte) {
            *byte |= bit.mask;
        }
    }

    /// Clears a capability's bit.
    pub fn clear(&mut self, capability: Capability) {
        if let Some(bit) = capability.bit()
            && let Some(byte) = self.0.get_mut(bit.byte)
        {
            *byte &= !bit.mask;
        }
    }

    /// Whether a capability is offered.
    pub fn has(&self, capability: Capability) -> bool {
        capability.bit().is_some_and(|bit| self.has_bit(bit))
    }

    /// Whether a bit of the table is set.
    pub fn has_bit(&self, bit: &ReservedBit) -> bool {
        self.0
            .get(bit.byte)
            .is_some_and(|byte| byte & bit.mask != 0)
    }

    /// The set bits that the table names, in its order.
    pub fn known(&self) -> impl Iterator<Item = &'static ReservedBit> {
        let reserved = *self;
        RESERVED_BITS
            .iter()
            .filter(move |bit| reserved.has_bit(bit))
    }

    /// The set bits that the table does not name, as (byte, mask).
    pub fn unknown(&self) -> Vec<(usize, u8)> {
        let mut left = self.0;
        for bit in self.known() {
            if let Some(byte) = left.get_mut(bit.byte) {
                *byte &= !bit.mask;
            }
        }
        let bits = left.into_iter().enumerate();
        bits.flat_map(|(at, byte)| {
            (0..8)
                .map(move |shift| (at, byte & (0x80 >> shift)))
                .filter(|(_, mask)| *mask != 0)
        })
        .collect()
    }

    /// What both sides offer.
    pub fn and(&self, other: &Self) -> Self {
        let mut both = self.0;
        for (byte, other) in both.iter_mut().zip(other.0) {
            *byte &= other;
        }
        Self(both)
    }
}

impl std::fmt::Display for Reserved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        super::hex::write(f, &self.0)
    }
}

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

/// Why bytes are no handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The first byte is not 19.
    #[error("handshake begins with length {actual}, not 19")]
    WrongLength {
        /// The first byte.
        actual: u8,
    },
    /// The protocol string is another one.
    #[error(
        "handshake differs from `BitTorrent protocol` at byte {offset}: {actual:#04x}, not {expected:#04x}"
    )]
    WrongProtocol {
        /// Offset in the handshake.
        offset: usize,
        /// What should be there.
        expected: u8,
        /// What is there.
        actual: u8,
    },
}

impl Handshake {
    /// Bytes of a handshake.
    pub const LEN: usize = 68;

    /// The handshake on the wire.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let parts: [&[u8]; 5] = [
            &[19],
            PROTOCOL,
            &self.reserved.0,
            &self.info_hash.0,
            &self.peer_id.0,
        ];
        for (to, from) in out.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        out
    }

    /// Reads a handshake.
    pub fn decode(bytes: &[u8; Self::LEN]) -> Result<Self, HandshakeError> {
        Self::check(bytes)?;
        Ok(Self {
            reserved: Reserved(array_at::<8>(bytes, RESERVED_AT)),
            info_hash: InfoHash(array_at::<20>(bytes, INFO_HASH_AT)),
            peer_id: PeerId(array_at::<20>(bytes, PEER_ID_AT)),
        })
    }

    /// Compares as much of length and protocol string as there is.
    pub fn check(bytes: &[u8]) -> Result<(), HandshakeError> {
        match bytes.first() {
            None | Some(19) => {}
            Some(&actual) => return Err(HandshakeError::WrongLength { actual }),
        }
        let pairs = bytes.iter().skip(1).zip(PROTOCOL);
        match (1..)
            .zip(pairs)
            .find(|(_, (actual, expected))| actual != expected)
        {
            None => Ok(()),
            Some((offset, (&actual, &expected))) => Err(HandshakeError::WrongProtocol {
                offset,
                expected,
                actual,
            }),
        }
    }
}

/// Collects a handshake, however the stream is cut.
#[derive(Debug, Clone, Default)]
pub struct HandshakeDecoder {
    bytes: Vec<u8>,
}

impl HandshakeDecoder {
    /// Waits for the first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes at most what the handshake still needs and says how much that was. What is left of
    /// `bytes` belongs to the frames behind it.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let taken = self.needed().min(bytes.len());
        self.bytes
            .extend_from_slice(bytes.get(..taken).unwrap_or_default());
        taken
    }

    /// The handshake once it is whole; an error as early as the bytes show it.
    pub fn handshake(&self) -> Result<Option<Handshake>, HandshakeError> {
        Handshake::check(&self.bytes)?;
        match self.bytes.first_chunk() {
            Some(bytes) => Handshake::decode(bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The info hash, which is there 20 bytes before the end: some peers answer that early.
    pub fn info_hash(&self) -> Option<InfoHash> {
        let bytes = self.bytes.get(INFO_HASH_AT..)?;
        bytes.first_chunk().copied().map(InfoHash)
    }

    /// How many bytes are missing.
    pub fn needed(&self) -> usize {
        Handshake::LEN.saturating_sub(self.bytes.len())
    }

    /// What came so far.
    pub fn raw(&self) -> Bytes {
        Bytes::copy_from_slice(&self.bytes)
    }
}

fn array_at<const N: usize>(bytes: &[u8; Handshake::LEN], at: usize) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    out
}

const RESERVED_AT: usize = 20;
const INFO_HASH_AT: usize = 28;
const PEER_ID_AT: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_the_bits_of_their_beps() {
        use Capability::{Dht, Extended, Fast, V2};
        let bits = [
            (Fast, [0, 0, 0, 0, 0, 0, 0, 4]),
            (Extended, [0, 0, 0, 0, 0, 0x10, 0, 0]),
            (Dht, [0, 0, 0, 0, 0, 0, 0, 1]),
            (V2, [0, 0, 0, 0, 0, 0, 0, 0x10]),
        ];
        for (capability, bytes) in bits {
            let reserved = Reserved::with(&[capability]);
            assert_eq!(reserved.0, bytes);
            assert!(reserved.has(capability));
            assert_eq!(Capability::by_name(capability.name()), Some(capability));
            let mut cleared = reserved;
            cleared.clear(capability);
            assert_eq!(cleared, Reserved::default());
        }
        let both = Reserved::with(&[Fast, Dht]).and(&Reserved::with(&[Fast, V2]));
        assert_eq!(both, Reserved::with(&[Fast]));
    }

    #[test]
    fn lists_named_and_unnamed_bits() {
        let reserved = Reserved([0x80, 0, 0, 0, 0, 0x90, 0, 0x41]);
        let names: Vec<_> = reserved.known().map(|bit| bit.name).collect();
        assert_eq!(names, ["azureus", "extended", "dht"]);
        assert_eq!(reserved.unknown(), [(5, 0x80), (7, 0x40)]);
    }

    #[test]
    fn bytes_of_the_table_are_within_the_field_and_no_bit_stands_twice() {
        let mut seen = Reserved::default();
        for bit in RESERVED_BITS {
            assert_eq!(bit.mask.count_ones(), 1, "{}", bit.name);
            assert!(!seen.has_bit(bit), "{}", bit.name);
            seen.set_bit(bit);
            assert!(seen.has_bit(bit), "{}", bit.name);
        }
    }

    #[test]
    fn wrong_protocol_shows_at_its_first_byte() {
        let mut decoder = HandshakeDecoder::new();
        decoder.push(b"\x13BitTorrent");
        assert_eq!(decoder.handshake(), Ok(None));
        decoder.push(b" protocoL");
        let error = HandshakeError::WrongProtocol {
            offset: 19,
            expected: b'l',
            actual: b'L',
        };
        assert_eq!(decoder.handshake(), Err(error));
        let mut decoder = HandshakeDecoder::new();
        decoder.push(&[0x12]);
        let error = HandshakeError::WrongLength { actual: 0x12 };
        assert_eq!(decoder.handshake(), Err(error));
    }

    #[test]
    fn decoder_leaves_what_follows_and_knows_the_info_hash_early() {
        let handshake = Handshake {
            reserved: Reserved::default(),
            info_hash: InfoHash([7; 20]),
            peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
        };
        let mut stream = handshake.encode().to_vec();
        stream.extend([0, 0, 0, 1, 2]);
        let mut decoder = HandshakeDecoder::new();
        assert_eq!(decoder.push(&stream[..47]), 47);
        assert_eq!(decoder.info_hash(), None);
        assert_eq!(decoder.push(&stream[47..48]), 1);
        assert_eq!(decoder.info_hash(), Some(InfoHash([7; 20])));
        assert_eq!(decoder.needed(), 20);
        assert_eq!(decoder.push(&stream[48..]), 20);
        assert_eq!(decoder.handshake(), Ok(Some(handshake)));
        assert_eq!(decoder.raw(), stream[..68]);
    }
}
