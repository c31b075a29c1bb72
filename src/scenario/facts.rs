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
    }
}
