//! What expressions may know of the torrent.

use bytes::Bytes;

use super::val::Val;
use crate::torrent::{BLOCK_LEN, Torrent};

/// The value of `torrent.NAME` (SCENARIOS 2); `None` for a name that is not in the list.
pub fn torrent_value(torrent: &Torrent, path: &str) -> Option<Val> {
    let geometry = torrent.geometry();
    let info = torrent.metainfo().info_bytes();
    let value = match path.strip_prefix("torrent.")? {
        "pieces" => geometry.pieces().into(),
        "piece_len" => geometry.piece_len().into(),
        "total_len" => geometry.total_len().into(),
        "last" => geometry.last().into(),
        "last_len" => geometry.last_len().into(),
        "blocks" => geometry.piece_len().div_ceil(BLOCK_LEN).into(),
        "shared" => shared(torrent).into(),
        "spare_bits" => geometry.spare_bits().into(),
        "bitfield_len" => i128::try_from(geometry.bitfield_len()).ok()?,
        "info_len" => i128::try_from(info.len()).ok()?,
        "info_pieces" => torrent.metainfo().info_pieces().into(),
        "private" => return Some(Val::Bool(torrent.metainfo().is_private())),
        "info_hash" => return Some(Val::Bytes(Bytes::copy_from_slice(&torrent.info_hash().0))),
        _ => return None,
    };
    Some(Val::Int(value))
}

/// The first whole piece that lies in several files; 0 if there is none.
fn shared(torrent: &Torrent) -> u32 {
    let geometry = torrent.geometry();
    let piece_len = u64::from(geometry.piece_len().max(1));
    let inside =
        |end: &u64| !end.is_multiple_of(piece_len) && end / piece_len < u64::from(geometry.last());
    let mut ends = torrent.metainfo().file_ends();
    let piece = ends.find(inside).map(|end| end / piece_len);
    piece
        .and_then(|piece| u32::try_from(piece).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::parse::GLOBALS;
    use super::*;
    use crate::torrent::fixture;

    #[test]
    fn every_name_of_the_list_has_a_value() {
        let torrent = fixture::main().torrent;
        for (name, _) in GLOBALS {
            if name.starts_with("torrent.") {
                assert!(torrent_value(&torrent, name).is_some(), "{name}");
            }
        }
        assert_eq!(torrent_value(&torrent, "torrent.nothing"), None);
        assert_eq!(shared(&torrent), 305);
        assert_eq!(shared(&fixture::tracker().torrent), 0);
    }
}
