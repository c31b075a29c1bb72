//! How a torrent's bytes fall into pieces and blocks.

use crate::wire::BlockRef;

/// BEP 3 names 2^14 as the length that all current implementations request.
pub const BLOCK_LEN: u32 = 1 << 14;

/// Longest piece that we take: far above what is in use, and `begin + length` stays below 2^32.
pub const MAX_PIECE_LEN: u32 = 1 << 29;

/// Most pieces that we take: their bitfield fills a quarter of the frame limit of 1 MiB.
pub const MAX_PIECES: u32 = 1 << 21;

/// Lengths of a torrent, and everything that follows from them.
///
/// There is at least one piece, and only the last one may be short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    total_len: u64,
    piece_len: u32,
    pieces: u32,
}

/// Lengths that make no torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// There is nothing to share.
    #[error("the content is empty")]
    NoContent,
    /// Pieces of no bytes.
    #[error("the piece length is 0")]
    NoPieceLen,
    /// Pieces above [`MAX_PIECE_LEN`].
    #[error("the piece length {0} is above the limit of {MAX_PIECE_LEN}")]
    PieceLenTooBig(u64),
    /// More pieces than [`MAX_PIECES`].
    #[error("{0} pieces are more than the limit of {MAX_PIECES}")]
    TooManyPieces(u64),
}

impl Geometry {
    /// Cuts `total_len` bytes into pieces of `piece_len` bytes.
    pub fn new(total_len: u64, piece_len: u32) -> Result<Self, GeometryError> {
        if piece_len == 0 {
            return Err(GeometryError::NoPieceLen);
        }
        if piece_len > MAX_PIECE_LEN {
            return Err(GeometryError::PieceLenTooBig(piece_len.into()));
        }
        if total_len == 0 {
            return Err(GeometryError::NoContent);
        }
        let pieces = total_len.div_ceil(piece_len.into());
        match u32::try_from(pieces) {
            Ok(pieces) if pieces <= MAX_PIECES => Ok(Self {
                total_len,
                piece_len,
                pieces,
            }),
            _ => Err(GeometryError::TooManyPieces(pieces)),
        }
    }

    /// Bytes in all.
    pub fn total_len(&self) -> u64 {
        self.total_len
    }

    /// Bytes of every piece but the last.
    pub fn piece_len(&self) -> u32 {
        self.piece_len
    }

    /// Number of pieces, at least 1.
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Index of the last piece.
    pub fn last(&self) -> u32 {
        self.pieces.saturating_sub(1)
    }

    /// Bytes of the last piece, from 1 to the piece length.
    pub fn last_len(&self) -> u32 {
        let before = u64::from(self.last()).saturating_mul(self.piece_len.into());
        u32::try_from(self.total_len.saturating_sub(before)).unwrap_or(self.piece_len)
    }

    /// Bytes of one piece, `None` if there is no such piece.
    pub fn piece_size(&self, index: u32) -> Option<u32> {
        match index.cmp(&self.last()) {
            std::cmp::Ordering::Less => Some(self.piece_len),
            std::cmp::Ordering::Equal => Some(self.last_len()),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// Where a piece begins in the content, `None` if there is no such piece.
    pub fn piece_offset(&self, index: u32) -> Option<u64> {
        self.piece_size(index)?;
        u64::from(index).checked_mul(self.piece_len.into())
    }

    /// Where a block begins in the content, `None` if it is not wholly inside one piece.
    pub fn block_offset(&self, block: &BlockRef) -> Option<u64> {
        if !self.contains(block) {
            return None;
        }
        self.piece_offset(block.index)?
            .checked_add(block.begin.into())
    }

    /// Whether the block is not empty and lies wholly inside one piece.
    pub fn contains(&self, block: &BlockRef) -> bool {
        let Some(size) = self.piece_size(block.index) else {
            return false;
        };
        let end = block.begin.checked_add(block.length);
        block.length > 0 && end.is_some_and(|end| end <= size)
    }

    /// Number of blocks of 16 KiB in a piece; the last may be short. 0 if there is no such piece.
    pub fn block_count(&self, index: u32) -> u32 {
        self.piece_size(index)
            .map_or(0, |size| size.div_ceil(BLOCK_LEN))
    }

    /// The `n`th block of 16 KiB of a piece.
    pub fn block(&self, index: u32, n: u32) -> Option<BlockRef> {
        let size = self.piece_size(index)?;
        let begin = n.checked_mul(BLOCK_LEN)?;
        let length = size
            .checked_sub(begin)
            .filter(|left| *left > 0)?
            .min(BLOCK_LEN);
        Some(BlockRef {
            index,
            begin,
            length,
        })
    }

    /// The blocks of 16 KiB of a piece in order; the last may be short.
    pub fn blocks(&self, index: u32) -> impl Iterator<Item = BlockRef> + use<> {
        let geometry = *self;
        (0..self.block_count(index)).filter_map(move |n| geometry.block(index, n))
    }

    /// Blocks of 16 KiB in the whole torrent.
    pub fn total_blocks(&self) -> u64 {
        let full = u64::from(self.piece_len.div_ceil(BLOCK_LEN));
        full.saturating_mul(self.last().into())
            .saturating_add(self.block_count(self.last()).into())
    }

    /// Bytes of a bitfield.
    pub fn bitfield_len(&self) -> usize {
        bitfield_len(self.pieces)
    }

    /// Bits behind the last piece in a bitfield, 0 to 7.
    pub fn spare_bits(&self) -> u32 {
        spare_bits(self.pieces)
    }
}

/// Bytes of a bitfield for that many pieces.
pub(super) fn bitfield_len(pieces: u32) -> usize {
    // BEP 3, "peer messages": the high bit of the first byte is piece 0, spare bits at the end.
    usize::try_from(pieces.div_ceil(8)).unwrap_or(usize::MAX)
}

/// Bits behind the last piece in a bitfield for that many pieces.
pub(super) fn spare_bits(pieces: u32) -> u32 {
    pieces.wrapping_neg() & 7
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(index: u32, begin: u32, length: u32) -> BlockRef {
        BlockRef {
            index,
            begin,
            length,
        }
    }

    #[test]
    fn cuts_the_last_piece_short() {
        let geometry = Geometry::new(32768 * 2 + 16384 + 5, 32768).unwrap();
        assert_eq!(geometry.pieces(), 3);
        assert_eq!(geometry.last(), 2);
        assert_eq!(geometry.last_len(), 16389);
        assert_eq!(geometry.piece_size(1), Some(32768));
        assert_eq!(geometry.piece_size(2), Some(16389));
        assert_eq!(geometry.piece_size(3), None);
        assert_eq!(geometry.piece_offset(2), Some(65536));
        assert_eq!(geometry.piece_offset(3), None);
        assert_eq!(geometry.spare_bits(), 5);
        assert_eq!(geometry.bitfield_len(), 1);
        assert_eq!(geometry.total_blocks(), 6);
        let blocks: Vec<_> = geometry.blocks(2).collect();
        assert_eq!(blocks, [block(2, 0, 16384), block(2, 16384, 5)]);
        assert_eq!(geometry.blocks(3).count(), 0);
        assert_eq!(geometry.block(2, 2), None);
        assert_eq!(geometry.block(2, u32::MAX), None);
    }

    #[test]
    fn has_no_spare_bits_with_eight_pieces() {
        let geometry = Geometry::new(8, 1).unwrap();
        assert_eq!((geometry.spare_bits(), geometry.bitfield_len()), (0, 1));
        let geometry = Geometry::new(9, 1).unwrap();
        assert_eq!((geometry.spare_bits(), geometry.bitfield_len()), (7, 2));
    }

    #[test]
    fn contains_only_what_lies_inside_one_piece() {
        let geometry = Geometry::new(100, 40).unwrap();
        assert!(geometry.contains(&block(0, 0, 40)));
        assert!(geometry.contains(&block(2, 19, 1)));
        assert!(!geometry.contains(&block(0, 0, 0)));
        assert!(!geometry.contains(&block(0, 1, 40)));
        assert!(!geometry.contains(&block(2, 0, 21)));
        assert!(!geometry.contains(&block(3, 0, 1)));
        assert!(!geometry.contains(&block(0, u32::MAX, 2)));
        assert!(!geometry.contains(&block(u32::MAX, u32::MAX, u32::MAX)));
        assert_eq!(geometry.block_offset(&block(2, 19, 1)), Some(99));
        assert_eq!(geometry.block_offset(&block(2, 20, 1)), None);
    }

    #[test]
    fn refuses_lengths_that_make_no_torrent() {
        assert_eq!(Geometry::new(0, 1), Err(GeometryError::NoContent));
        assert_eq!(Geometry::new(1, 0), Err(GeometryError::NoPieceLen));
        assert_eq!(
            Geometry::new(1, MAX_PIECE_LEN + 1),
            Err(GeometryError::PieceLenTooBig(u64::from(MAX_PIECE_LEN) + 1))
        );
        assert_eq!(
            Geometry::new(u64::MAX, 1),
            Err(GeometryError::TooManyPieces(u64::MAX))
        );
        assert!(Geometry::new(u64::from(MAX_PIECES), 1).is_ok());
        assert!(Geometry::new(u64::from(MAX_PIECES) + 1, 1).is_err());
    }
}
