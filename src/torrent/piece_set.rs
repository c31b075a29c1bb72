//! Which pieces somebody has.

use bitvec::order::Msb0;
use bitvec::vec::BitVec;
use bytes::Bytes;

use super::geometry::{bitfield_len, spare_bits};

/// A set of piece indices below a fixed number of pieces.
///
/// A set that is full or empty takes no memory, however large the torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceSet {
    pieces: u32,
    state: State,
}

/// `Some` is neither empty nor full, so that equal sets compare equal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    None,
    All,
    Some { bits: BitVec<u8, Msb0>, count: u32 },
}

/// A bitfield that does not fit the torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BitfieldError {
    /// Another number of bytes than the pieces need.
    #[error("bitfield has {actual} bytes where {expected} are due")]
    Length {
        /// Bytes that the torrent's pieces need.
        expected: usize,
        /// Bytes that came.
        actual: usize,
    },
    /// A bit behind the last piece is set.
    #[error("spare bit {bit} of the bitfield is set")]
    SpareBits {
        /// The first such bit, counted from the start of the bitfield.
        bit: u32,
    },
}

impl PieceSet {
    /// No piece out of `pieces`.
    pub fn none(pieces: u32) -> Self {
        Self {
            pieces,
            state: State::None,
        }
    }

    /// Every piece out of `pieces`.
    pub fn all(pieces: u32) -> Self {
        Self {
            pieces,
            state: if pieces == 0 { State::None } else { State::All },
        }
    }

    /// The given pieces; indices out of range are left out.
    pub fn of(pieces: u32, indices: impl IntoIterator<Item = u32>) -> Self {
        let mut set = Self::none(pieces);
        for index in indices {
            set.set(index);
        }
        set
    }

    /// Reads the payload of a `bitfield`, strictly.
    pub fn from_bitfield(bytes: &[u8], pieces: u32) -> Result<Self, BitfieldError> {
        let expected = bitfield_len(pieces);
        if bytes.len() != expected {
            return Err(BitfieldError::Length {
                expected,
                actual: bytes.len(),
            });
        }
        let spare = spare_bits(pieces);
        let last = bytes.last().copied().unwrap_or(0);
        let set = last & !(0xff_u8.checked_shl(spare).unwrap_or(0));
        if set != 0 {
            let in_last = set.leading_zeros();
            let bit = pieces
                .saturating_add(spare)
                .saturating_sub(8)
                .saturating_add(in_last);
            return Err(BitfieldError::SpareBits { bit });
        }
        Ok(Self::from_bits(bytes, pieces))
    }

    /// Reads what there is of a `bitfield`: bits that are missing are unset, surplus ones ignored.
    pub fn from_bits(bytes: &[u8], pieces: u32) -> Self {
        let mut bits = BitVec::from_slice(bytes.get(..bitfield_len(pieces)).unwrap_or(bytes));
        bits.resize(position(pieces), false);
        bits.set_uninitialized(false);
        let count = u32::try_from(bits.count_ones()).unwrap_or(pieces);
        Self {
            pieces,
            state: State::normal(bits, count, pieces),
        }
    }

    /// The payload of a `bitfield`, spare bits unset.
    pub fn to_bitfield(&self) -> Bytes {
        match &self.state {
            State::None => vec![0; bitfield_len(self.pieces)].into(),
            State::All => repeat(true, self.pieces).into_vec().into(),
            State::Some { bits, .. } => bits.as_raw_slice().to_vec().into(),
        }
    }

    /// Number of pieces in the torrent.
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Whether the piece is in the set; `false` out of range.
    pub fn get(&self, index: u32) -> bool {
        match &self.state {
            State::None => false,
            State::All => index < self.pieces,
            State::Some { bits, .. } => bits.get(position(index)).is_some_and(|bit| *bit),
        }
    }

    /// Adds a piece. Says whether it was new; out of range it is not.
    pub fn set(&mut self, index: u32) -> bool {
        if index >= self.pieces || self.get(index) {
            return false;
        }
        self.change(index, true);
        true
    }

    /// Removes a piece. Says whether it was there.
    pub fn clear(&mut self, index: u32) -> bool {
        if !self.get(index) {
            return false;
        }
        self.change(index, false);
        true
    }

    /// Number of pieces in the set.
    pub fn count(&self) -> u32 {
        match &self.state {
            State::None => 0,
            State::All => self.pieces,
            State::Some { count, .. } => *count,
        }
    }

    /// Whether every piece is in the set.
    pub fn is_full(&self) -> bool {
        self.count() == self.pieces
    }

    /// Whether no piece is in the set.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The pieces in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.pieces).filter(|index| self.get(*index))
    }

    /// The pieces not in the set, ascending.
    pub fn missing(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.pieces).filter(|index| !self.get(*index))
    }

    /// Changes a bit that has the other value.
    fn change(&mut self, index: u32, value: bool) {
        let count = self.count();
        let state = std::mem::replace(&mut self.state, State::None);
        let mut bits = match state {
            State::None => repeat(false, self.pieces),
            State::All => repeat(true, self.pieces),
            State::Some { bits, .. } => bits,
        };
        bits.set(position(index), value);
        let count = if value {
            count.saturating_add(1)
        } else {
            count.saturating_sub(1)
        };
        self.state = State::normal(bits, count, self.pieces);
    }
}

impl State {
    fn normal(bits: BitVec<u8, Msb0>, count: u32, pieces: u32) -> Self {
        match count {
            0 => Self::None,
            _ if count == pieces => Self::All,
            _ => Self::Some { bits, count },
        }
    }
}

/// That many equal bits, with the spare bits of the last byte unset.
fn repeat(value: bool, pieces: u32) -> BitVec<u8, Msb0> {
    let mut bits = BitVec::repeat(value, position(pieces));
    bits.set_uninitialized(false);
    bits
}

fn position(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_high_bit_first() {
        let set = PieceSet::from_bitfield(&[0b1010_0000, 0b0100_0000], 10).unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 2, 9]);
        assert_eq!(set.missing().collect::<Vec<_>>(), [1, 3, 4, 5, 6, 7, 8]);
        assert_eq!(&set.to_bitfield()[..], [0b1010_0000, 0b0100_0000]);
        assert_eq!(set.count(), 3);
        assert!(!set.get(10) && !set.get(u32::MAX));
    }

    #[test]
    fn refuses_another_length_and_spare_bits() {
        assert_eq!(
            PieceSet::from_bitfield(&[0, 0, 0], 10),
            Err(BitfieldError::Length {
                expected: 2,
                actual: 3
            })
        );
        for bit in 10..16 {
            let bytes = (0x8000_u16 >> bit).to_be_bytes();
            assert_eq!(
                PieceSet::from_bitfield(&bytes, 10),
                Err(BitfieldError::SpareBits { bit })
            );
            assert_eq!(PieceSet::from_bits(&bytes, 10), PieceSet::none(10));
        }
        assert!(PieceSet::from_bitfield(&[0xff], 8).unwrap().is_full());
    }

    #[test]
    fn takes_what_there_is_of_a_wrong_bitfield() {
        assert_eq!(
            PieceSet::from_bits(&[0x80], 20),
            PieceSet::of(20, [0]),
            "short"
        );
        assert!(PieceSet::from_bits(&[0xff; 9], 20).is_full(), "long");
        assert!(PieceSet::from_bits(&[], 20).is_empty());
    }

    #[test]
    fn compares_equal_whatever_the_way_there() {
        for pieces in [1, 7, 8, 9, 1027] {
            let mut set = PieceSet::none(pieces);
            for index in 0..pieces {
                assert!(set.set(index));
                assert!(!set.set(index));
                assert_eq!(set.count(), index + 1);
            }
            assert_eq!(set, PieceSet::all(pieces));
            assert_eq!(
                PieceSet::from_bitfield(&set.to_bitfield(), pieces),
                Ok(set.clone())
            );
            assert!(set.clear(pieces - 1));
            assert!(!set.clear(pieces - 1));
            assert_eq!(set, PieceSet::of(pieces, 0..pieces - 1));
            assert_eq!(
                PieceSet::from_bitfield(&set.to_bitfield(), pieces),
                Ok(set.clone())
            );
            for index in 0..pieces {
                set.clear(index);
            }
            assert_eq!(set, PieceSet::none(pieces));
        }
    }

    #[test]
    fn holds_nothing_out_of_range() {
        let mut set = PieceSet::all(4);
        assert!(!set.set(4) && !set.clear(4) && !set.get(4));
        assert_eq!(PieceSet::all(0), PieceSet::none(0));
        assert_eq!(PieceSet::of(4, [1, 9]).count(), 1);
    }
}
