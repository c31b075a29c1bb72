//! The bytes of a torrent, made or read when somebody asks for them.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::disk::{DataError, Files};
use super::geometry::{Geometry, GeometryError};
use super::metainfo::Metainfo;
use crate::wire::BlockRef;

/// The bytes of a torrent. Cheap to clone; holds none of them unless it was made from bytes.
#[derive(Debug, Clone)]
pub struct Content(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    geometry: Geometry,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// With all of them, if somebody wanted them held.
    Seed(u64, OnceLock<Bytes>),
    Bytes(Bytes),
    Files(Files),
}

impl Content {
    /// Bytes that follow from `seed` alone: any range costs only its own length.
    pub fn from_seed(seed: u64, geometry: Geometry) -> Self {
        Self::new(geometry, Source::Seed(seed, OnceLock::new()))
    }

    /// The given bytes, cut into pieces of `piece_len`.
    pub fn from_bytes(bytes: impl Into<Bytes>, piece_len: u32) -> Result<Self, GeometryError> {
        let bytes = bytes.into();
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(Self::new(
            Geometry::new(len, piece_len)?,
            Source::Bytes(bytes),
        ))
    }

    /// The user's files, checked to be there with the lengths of `metainfo`.
    ///
    /// `data` is the file or folder that the torrent names, or the folder which holds it.
    pub fn from_files(data: &Path, metainfo: &Metainfo) -> Result<Self, DataError> {
        let files = Files::open(data, metainfo)?;
        Ok(Self::new(metainfo.geometry(), Source::Files(files)))
    }

    /// Holds the bytes from now on, if they follow from a seed: worth it where they are read many
    /// times over.
    pub fn hold(&self) {
        if let Source::Seed(seed, held) = &self.0.source {
            let len = usize::try_from(self.0.geometry.total_len()).unwrap_or(usize::MAX);
            held.get_or_init(|| {
                let mut out = vec![0; len];
                generate(*seed, 0, &mut out);
                out.into()
            });
        }
    }

    fn new(geometry: Geometry, source: Source) -> Self {
        Self(Arc::new(Inner { geometry, source }))
    }

    /// How the bytes fall into pieces.
    pub fn geometry(&self) -> Geometry {
        self.0.geometry
    }

    /// The bytes of a block. `None` if it is not wholly inside one piece, is longer than a piece
    /// may be, or the user's file can no longer be read.
    pub fn block(&self, block: &BlockRef) -> Option<Bytes> {
        let offset = self.0.geometry.block_offset(block)?;
        self.read(offset, block.length.into()).ok()
    }

    /// The bytes of a piece. `None` if there is no such piece or its file can no longer be read.
    pub fn piece(&self, index: u32) -> Option<Bytes> {
        let offset = self.0.geometry.piece_offset(index)?;
        let len = self.0.geometry.piece_size(index)?;
        self.read(offset, len.into()).ok()
    }

    /// SHA-1 of a piece, computed now.
    pub fn piece_hash(&self, index: u32) -> Option<[u8; 20]> {
        Some(Sha1::digest(self.piece(index)?).into())
    }

    /// `len` bytes from `offset`, across pieces and files. What lies behind the end is left out.
    pub fn read(&self, offset: u64, len: u64) -> Result<Bytes, DataError> {
        let end = offset.saturating_add(len).min(self.0.geometry.total_len());
        let len = usize::try_from(end.saturating_sub(offset)).unwrap_or(0);
        match &self.0.source {
            Source::Bytes(bytes) => Ok(part(bytes, offset, len)),
            Source::Seed(seed, held) => {
                if let Some(bytes) = held.get() {
                    return Ok(part(bytes, offset, len));
                }
                let mut out = vec![0; len];
                generate(*seed, offset, &mut out);
                Ok(out.into())
            }
            Source::Files(files) => {
                let mut out = vec![0; len];
                files.read(offset, &mut out)?;
                Ok(out.into())
            }
        }
    }
}

fn part(bytes: &Bytes, offset: u64, len: usize) -> Bytes {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    bytes.slice(start.min(bytes.len())..start.saturating_add(len).min(bytes.len()))
}

/// Fills `out` with the bytes of `seed` from `offset` on.
///
/// The stream is SplitMix64 by position: word `i` is `mix(seed + (i + 1) * GAMMA)`, little endian.
fn generate(seed: u64, offset: u64, out: &mut [u8]) {
    let mut at = offset;
    let mut rest = out;
    while !rest.is_empty() {
        let word = word(seed, at / 8).to_le_bytes();
        let skip = usize::try_from(at % 8).unwrap_or(0);
        let from = word.get(skip..).unwrap_or_default();
        let len = from.len().min(rest.len());
        let (now, later) = rest.split_at_mut(len);
        now.copy_from_slice(from.get(..len).unwrap_or_default());
        rest = later;
        at = at.wrapping_add(u64::try_from(len).unwrap_or(8));
    }
}

fn word(seed: u64, i: u64) -> u64 {
    let mut z = seed.wrapping_add(i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeded(total_len: u64, piece_len: u32) -> Content {
        Content::from_seed(7, Geometry::new(total_len, piece_len).unwrap())
    }

    #[test]
    fn generates_the_published_stream_of_splitmix64() {
        // The first outputs of Vigna's splitmix64.c for the state 1234567.
        let geometry = Geometry::new(24, 24).unwrap();
        let bytes = Content::from_seed(1_234_567, geometry).piece(0).unwrap();
        let words: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(
            words,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn gives_the_same_bytes_whatever_range_is_asked() {
        let content = seeded(1000, 300);
        let whole = content.read(0, 1000).unwrap();
        for offset in 0..40 {
            for len in 0..40 {
                let part = content.read(offset as u64, len as u64).unwrap();
                assert_eq!(part, whole[offset..offset + len]);
            }
        }
        let held = seeded(1000, 300);
        held.hold();
        assert_eq!(held.read(0, 1000).unwrap(), whole);
        assert_eq!(held.read(990, 100).unwrap(), whole[990..]);
        assert_eq!(content.piece(3).unwrap(), whole[900..]);
        let block = BlockRef {
            index: 1,
            begin: 17,
            length: 200,
        };
        assert_eq!(content.block(&block).unwrap(), whole[317..517]);
        assert_eq!(content.read(990, 100).unwrap(), whole[990..]);
        assert_eq!(content.read(u64::MAX, 100).unwrap().len(), 0);
    }

    #[test]
    fn has_no_block_outside_a_piece() {
        let content = seeded(1000, 300);
        for (index, begin, length) in [(0, 0, 301), (3, 0, 101), (4, 0, 1), (0, 0, 0)] {
            let block = BlockRef {
                index,
                begin,
                length,
            };
            assert_eq!(content.block(&block), None);
        }
        assert_eq!(content.piece(4), None);
        assert_eq!(content.piece_hash(4), None);
    }

    #[test]
    fn reads_far_into_a_huge_torrent_at_once() {
        let content = seeded(1 << 48, 1 << 29);
        let last = content.geometry().last();
        let block = BlockRef {
            index: last,
            begin: (1 << 29) - 4,
            length: 4,
        };
        assert_eq!(content.block(&block).unwrap().len(), 4);
    }

    #[test]
    fn takes_given_bytes() {
        let content = Content::from_bytes(&b"0123456789abcdefghij"[..], 16).unwrap();
        assert_eq!(content.geometry().pieces(), 2);
        assert_eq!(content.piece(1).unwrap(), &b"ghij"[..]);
        assert!(Content::from_bytes(Bytes::new(), 16).is_err());
    }
}
