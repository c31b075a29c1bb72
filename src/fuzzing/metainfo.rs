//! Torrent files.

use std::collections::BTreeSet;

use sha1::{Digest, Sha1};

use super::{Reach, text};
use crate::torrent::metainfo::{INFO_PIECE_LEN, Metainfo};
use crate::torrent::{MetainfoError, Problem};

/// A torrent file: what it says of itself holds together, its info hash is over the exact bytes,
/// and no path leads out of its folder. What is refused is refused at a place.
pub fn metainfo(input: &[u8]) -> Reach {
    let mut reached = Reach::new();
    match Metainfo::parse(input) {
        Ok(metainfo) => {
            reached.insert(if metainfo.is_single_file() {
                "single file"
            } else {
                "several files"
            });
            hash_is_over_the_info_bytes(input, &metainfo);
            geometry_fits_files_and_hashes(&metainfo);
            paths_stay_in_their_folder(&metainfo);
            another_tracker_changes_nothing_else(&metainfo);
            if metainfo.is_private() {
                reached.insert("private");
            }
            if metainfo.announce().is_some() {
                reached.insert("announced");
            }
        }
        Err(error) => {
            assert!(error.offset <= input.len(), "{error}");
            let line = error.to_string();
            text::is_one_line(&line);
            assert!(!line.is_empty());
            reached.insert(problem(&error));
        }
    }
    reached
}

pub(super) fn reachable() -> Vec<&'static str> {
    vec![
        "single file",
        "several files",
        "private",
        "announced",
        "cut off",
        "not bencoded",
        "not a dictionary",
        "key missing",
        "key repeated",
        "wrong type",
        "not a length",
        "not UTF-8",
        "no geometry",
        "cut hashes",
        "number of hashes",
        "no length",
        "two lengths",
        "empty list",
        "bad name",
        "deep path",
        "path taken",
        "version 2 alone",
    ]
}

fn problem(error: &MetainfoError) -> &'static str {
    match error.problem {
        // 64 MiB are no seed; `tests` beside the parser have them.
        Problem::TooLong => "too long",
        Problem::Truncated(_) => "cut off",
        Problem::NotBencoded(_) => "not bencoded",
        Problem::NotADictionary(_) => "not a dictionary",
        Problem::Missing => "key missing",
        Problem::Repeated => "key repeated",
        Problem::Type { .. } => "wrong type",
        Problem::Length(_) => "not a length",
        Problem::NotUtf8 => "not UTF-8",
        Problem::Geometry(_) => "no geometry",
        Problem::CutHashes(_) => "cut hashes",
        Problem::HashCount { .. } => "number of hashes",
        Problem::NoLength => "no length",
        Problem::LengthAndFiles => "two lengths",
        Problem::Empty => "empty list",
        Problem::Name(_) => "bad name",
        Problem::PathTooDeep(_) => "deep path",
        Problem::PathTaken => "path taken",
        Problem::Version2Only => "version 2 alone",
    }
}

fn hash_is_over_the_info_bytes(input: &[u8], metainfo: &Metainfo) {
    assert_eq!(metainfo.encode(), input);
    let info = metainfo.info_bytes();
    assert_eq!(metainfo.info_hash().0, <[u8; 20]>::from(Sha1::digest(info)));
    let alone = Metainfo::from_info(info).expect("the info dictionary of a torrent that was read");
    assert_eq!(alone.info_hash(), metainfo.info_hash());
    assert_eq!(alone.files(), metainfo.files());
    let mut pieces = Vec::new();
    for n in 0..metainfo.info_pieces() {
        let piece = metainfo.info_piece(n).expect("a piece in range");
        assert!(piece.len() <= INFO_PIECE_LEN as usize && !piece.is_empty());
        pieces.extend_from_slice(&piece);
    }
    assert_eq!(&pieces, info);
    assert_eq!(metainfo.info_piece(metainfo.info_pieces()), None);
}

fn geometry_fits_files_and_hashes(metainfo: &Metainfo) {
    let geometry = metainfo.geometry();
    let mut offset = 0;
    for file in metainfo.files() {
        assert_eq!(file.offset, offset, "a gap before {:?}", file.path);
        offset += file.len;
    }
    assert_eq!(geometry.total_len(), offset);
    assert_eq!(geometry.last() + 1, geometry.pieces());
    let last = u64::from(geometry.last()) * u64::from(geometry.piece_len());
    assert_eq!(last + u64::from(geometry.last_len()), offset);
    assert!(metainfo.piece_hash(geometry.last()).is_some());
    assert_eq!(metainfo.piece_hash(geometry.pieces()), None);
    assert!(!metainfo.is_piece(geometry.pieces(), b""));
}

fn paths_stay_in_their_folder(metainfo: &Metainfo) {
    let mut taken = BTreeSet::new();
    let named = std::iter::once(metainfo.name());
    let parts = metainfo.files().iter().flat_map(|file| &file.path);
    for name in named.chain(parts.map(String::as_str)) {
        assert!(safe(name), "{name:?}");
    }
    for file in metainfo.files() {
        assert!(!file.path.is_empty());
        assert!(
            file.pad || taken.insert(&file.path),
            "twice {:?}",
            file.path
        );
    }
}

/// A name that can only mean something in the folder where it stands.
fn safe(name: &str) -> bool {
    #[cfg(fuzz_selftest)]
    if name.starts_with("~~") {
        return false;
    }
    !name.is_empty()
        && !name.contains(['/', '\\', '\0'])
        && !name.chars().all(|c| c == '.' || c == ' ')
}

fn another_tracker_changes_nothing_else(metainfo: &Metainfo) {
    let url = "http://127.0.0.1:1/announce";
    let again = Metainfo::parse(&metainfo.announced_at(url, None)).expect("we wrote it ourselves");
    assert_eq!(again.announce(), Some(url));
    assert_eq!(again.info_bytes(), metainfo.info_bytes());
}
