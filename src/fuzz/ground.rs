//! The values at which parsers and arithmetic go wrong: by type of field, and by how this torrent
//! falls into pieces.

use crate::torrent::{BLOCK_LEN, Torrent};
use crate::wire::registry::{BEGIN, INDEX, LENGTH};
use crate::wire::{BlockRef, Field};

/// What the target is.
pub use crate::peer::Role;

/// What a campaign is about: the torrent, the target's role, and the boundary values that follow.
#[derive(Debug, Clone)]
pub struct Ground {
    torrent: Torrent,
    role: Role,
    index: Vec<u32>,
    begin: Vec<u32>,
    length: Vec<u32>,
    numbers: Vec<u32>,
    ints: Vec<i128>,
}

impl Ground {
    /// Computes the boundary values of a torrent.
    pub fn new(torrent: Torrent, role: Role) -> Self {
        let geometry = torrent.geometry();
        let (pieces, piece_len) = (geometry.pieces(), geometry.piece_len());
        let numbers = numbers();
        let with = |own: &[u32]| {
            let mut all = numbers.clone();
            all.extend(
                own.iter()
                    .flat_map(|value| [value.wrapping_sub(1), *value, value.wrapping_add(1)]),
            );
            all.sort_unstable();
            all.dedup();
            all
        };
        let info_pieces = i128::from(torrent.metainfo().info_pieces());
        let mut ints = integers();
        ints.extend([info_pieces - 1, info_pieces, info_pieces + 1]);
        ints.sort_unstable();
        ints.dedup();
        Self {
            index: with(&[pieces, geometry.last(), pieces.saturating_mul(2)]),
            begin: with(&[
                BLOCK_LEN,
                piece_len,
                geometry.last_len(),
                piece_len.saturating_sub(BLOCK_LEN),
                // With a block of the usual length behind it, the sum overflows to 0 or beyond.
                BLOCK_LEN.wrapping_neg(),
                piece_len.wrapping_neg(),
            ]),
            length: with(&[
                BLOCK_LEN,
                2 * BLOCK_LEN,
                8 * BLOCK_LEN,
                piece_len,
                geometry.last_len(),
                BLOCK_LEN.wrapping_neg(),
            ]),
            numbers,
            ints,
            torrent,
            role,
        }
    }

    /// The torrent.
    pub fn torrent(&self) -> &Torrent {
        &self.torrent
    }

    /// What the target is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Boundary values of a field of four bytes.
    pub fn values(&self, field: &Field) -> &[u32] {
        if field == &INDEX {
            &self.index
        } else if field == &BEGIN {
            &self.begin
        } else if field == &LENGTH {
            &self.length
        } else {
            &self.numbers
        }
    }

    /// Boundary values of a bencoded integer.
    pub fn ints(&self) -> &[i128] {
        &self.ints
    }

    /// Block number `n` of the torrent, counted round and round.
    pub fn block(&self, n: u64) -> BlockRef {
        let geometry = self.torrent.geometry();
        let index = u32::try_from(n % u64::from(geometry.pieces().max(1))).unwrap_or(0);
        let blocks = geometry.block_count(index).max(1);
        let nth = u32::try_from(n / u64::from(geometry.pieces().max(1)) % u64::from(blocks));
        let block = geometry.block(index, nth.unwrap_or(0));
        block.unwrap_or(BlockRef::new(0, 0, 1))
    }
}

/// Boundaries of any field of four bytes.
fn numbers() -> Vec<u32> {
    let powers = [
        1_u32 << 7,
        1 << 8,
        1 << 14,
        1 << 15,
        1 << 16,
        1 << 24,
        1 << 30,
        1 << 31,
    ];
    let around = powers.into_iter().flat_map(|it| [it - 1, it, it + 1]);
    [0, 1, 2, u32::MAX - 1, u32::MAX]
        .into_iter()
        .chain(around)
        .collect()
}

/// Boundaries of any bencoded integer.
fn integers() -> Vec<i128> {
    let powers = [7, 8, 15, 16, 31, 32, 63, 64, 100].map(|bits| 1_i128 << bits);
    let around = powers
        .into_iter()
        .flat_map(|it| [it - 1, it, it + 1, -it, -it - 1]);
    [-2, -1, 0, 1, 2, 3, 10].into_iter().chain(around).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torrent::fixture;

    #[test]
    fn values_stand_around_the_edges_of_the_torrent() {
        let ground = Ground::new(fixture::main().torrent, Role::Seed);
        for (field, values) in [
            (&INDEX, [1026, 1027, 1028, 0x8000_0000, u32::MAX]),
            (
                &BEGIN,
                [16_384, 32_767, 32_768, u32::MAX - 16_383, 0x8000_0000],
            ),
            (&LENGTH, [0, 16_385, 131_073, 0x7fff_ffff, u32::MAX]),
        ] {
            for value in values {
                assert!(
                    ground.values(field).contains(&value),
                    "{} {value}",
                    field.name
                );
            }
        }
        assert!(ground.ints().contains(&(1 << 63)) && ground.ints().contains(&-1));
    }

    #[test]
    fn blocks_lie_in_the_torrent() {
        let ground = Ground::new(fixture::main().torrent, Role::Seed);
        let geometry = ground.torrent().geometry();
        assert!((0..5000).all(|n| geometry.contains(&ground.block(n))));
    }
}
