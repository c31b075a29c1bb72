//! The canonical allowed fast set of BEP 6.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use sha1::{Digest, Sha1};

use crate::wire::InfoHash;

/// The first `k` pieces that a peer at `ip` may always request.
///
/// BEP 6, "Allowed Fast Set Generation", masks the address to 24 bits; 32 is what libtorrent does,
/// 16 another reading in use. `mask_bits` above 32 count as 32. The result has
/// `min(k, pieces)` entries, and a smaller `k` gives a prefix of it.
pub fn set(ip: Ipv4Addr, mask_bits: u32, info_hash: &InfoHash, pieces: u32, k: u32) -> Vec<u32> {
    let wanted = k.min(pieces);
    let mut seen = HashSet::new();
    let mut set = Vec::new();
    let mut take = |index: u32, set: &mut Vec<u32>| {
        if set.len() < at_most(wanted) && seen.insert(index) {
            set.push(index);
        }
    };

    let mut x = masked(ip, mask_bits).to_vec();
    x.extend_from_slice(&info_hash.0);
    // The BEP's loop has no end for k > sz, and a long tail close to it.
    let rounds = wanted.saturating_mul(16).saturating_add(1024);
    for _ in 0..rounds {
        if set.len() >= at_most(wanted) {
            return set;
        }
        x = Sha1::digest(&x).to_vec();
        for word in x.chunks_exact(4) {
            let word = word.try_into().map_or(0, u32::from_be_bytes);
            take(word.checked_rem(pieces).unwrap_or(0), &mut set);
        }
    }
    for index in 0..pieces {
        take(index, &mut set);
    }
    set
}

fn masked(ip: Ipv4Addr, bits: u32) -> [u8; 4] {
    let hidden = 32_u32.saturating_sub(bits);
    let mask = u32::MAX.checked_shl(hidden).unwrap_or(0);
    (u32::from(ip) & mask).to_be_bytes()
}

fn at_most(wanted: u32) -> usize {
    usize::try_from(wanted).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AA: InfoHash = InfoHash([0xaa; 20]);
    const ZERO: InfoHash = InfoHash([0; 20]);

    /// Address, info hash, pieces, k, canonical set (BEP 6 masks to /24), set without a mask
    /// (measured with libtorrent 2.1.1). The first two rows are the examples in BEP 6.
    type Row = ([u8; 4], InfoHash, u32, u32, &'static [u32], &'static [u32]);

    #[rustfmt::skip]
    const VECTORS: &[Row] = &[
        ([80, 4, 4, 200], AA, 1313, 7, &[1059, 431, 808, 1217, 287, 376, 1188], &[421, 309, 795, 1262, 381, 547, 10]),
        ([80, 4, 4, 200], AA, 1313, 9, &[1059, 431, 808, 1217, 287, 376, 1188, 353, 508], &[421, 309, 795, 1262, 381, 547, 10, 1003, 681]),
        ([80, 4, 4, 200], AA, 1313, 10, &[1059, 431, 808, 1217, 287, 376, 1188, 353, 508, 1246], &[421, 309, 795, 1262, 381, 547, 10, 1003, 681, 619]),
        ([80, 4, 4, 1], AA, 1313, 9, &[1059, 431, 808, 1217, 287, 376, 1188, 353, 508], &[974, 1116, 211, 884, 256, 46, 318, 4, 111]),
        ([80, 4, 5, 200], AA, 1313, 9, &[695, 1039, 1157, 555, 570, 569, 1094, 245, 926], &[1090, 1277, 489, 226, 44, 575, 1057, 338, 412]),
        ([127, 0, 0, 1], AA, 1313, 10, &[475, 1211, 980, 325, 232, 525, 744, 810, 141, 1160], &[1190, 597, 295, 1297, 189, 1262, 16, 607, 522, 568]),
        ([127, 9, 7, 33], AA, 64, 10, &[63, 38, 40, 44, 45, 24, 54, 8, 27, 25], &[43, 52, 13, 34, 12, 6, 55, 7, 51, 2]),
        ([127, 9, 7, 0], AA, 64, 10, &[63, 38, 40, 44, 45, 24, 54, 8, 27, 25], &[63, 38, 40, 44, 45, 24, 54, 8, 27, 25]),
        ([255, 255, 255, 255], ZERO, 2147483647, 5, &[1718862460, 1253368148, 142422393, 445997835, 87360997], &[176650165, 1285094889, 1298805953, 1897877230, 945701232]),
        ([0, 0, 0, 0], ZERO, 12, 12, &[6, 11, 8, 0, 2, 5, 4, 3, 9, 1, 7, 10], &[6, 11, 8, 0, 2, 5, 4, 3, 9, 1, 7, 10]),
        ([127, 0, 0, 1], AA, 3, 3, &[0, 1, 2], &[2, 0, 1]),
        ([127, 0, 0, 1], AA, 1, 1, &[0], &[0]),
    ];

    #[test]
    fn agrees_with_every_vector() {
        for (ip, hash, pieces, k, canonical, unmasked) in VECTORS {
            let ip = Ipv4Addr::from(*ip);
            assert_eq!(set(ip, 24, hash, *pieces, *k), *canonical, "{ip}/24 k={k}");
            assert_eq!(set(ip, 32, hash, *pieces, *k), *unmasked, "{ip}/32 k={k}");
        }
    }

    #[test]
    fn masks_to_sixteen_bits() {
        let of = |ip: [u8; 4], bits| set(ip.into(), bits, &AA, 1313, 10);
        assert_eq!(of([80, 4, 5, 200], 16), of([80, 4, 0, 0], 32));
        assert_eq!(of([80, 4, 5, 200], 16), of([80, 4, 77, 1], 16));
        assert_ne!(of([80, 4, 5, 200], 16), of([80, 4, 5, 200], 24));
        assert_eq!(of([80, 4, 5, 200], 0), of([0, 0, 0, 0], 32));
        assert_eq!(of([80, 4, 5, 200], 99), of([80, 4, 5, 200], 32));
    }

    #[test]
    fn gives_a_prefix_for_a_smaller_k() {
        let ip = Ipv4Addr::new(10, 0, 0, 1);
        let long = set(ip, 24, &AA, 500, 60);
        for k in 0..60 {
            assert_eq!(set(ip, 24, &AA, 500, k), long[..k as usize]);
        }
    }

    #[test]
    fn ends_when_k_reaches_or_exceeds_the_pieces() {
        let ip = Ipv4Addr::LOCALHOST;
        for (pieces, k) in [(0, 10), (1, 10), (5, 10), (700, 700), (700, u32::MAX)] {
            let mut set = set(ip, 24, &AA, pieces, k);
            set.sort_unstable();
            assert_eq!(set, (0..pieces).collect::<Vec<_>>());
        }
    }
}
