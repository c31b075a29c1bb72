//! The torrents that the scenarios are written for, made from a seed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bytes::Bytes;

use super::content::Content;
use super::disk::DataError;
use super::geometry::Geometry;
use super::metainfo::Builder;
use super::subject::Torrent;
use crate::wire::InfoHash;
use crate::wire::bencode::Value;

/// A torrent of ours, with its name in `btspec fixture`.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// `main`, `one-piece`, `tracker`, `private`, `even`, `large` or `whole-info`.
    pub name: &'static str,
    /// Torrent and content.
    pub torrent: Torrent,
}

/// What [`write()`] has put where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The fixture's name.
    pub name: &'static str,
    /// Its torrent file.
    pub torrent: PathBuf,
    /// The file or folder with its data.
    pub data: PathBuf,
    /// Its info hash.
    pub info_hash: InfoHash,
}

/// The torrent that suits every case: 1,027 pieces of 32 KiB, the last with a short second block,
/// spare bits in the bitfield, two files that share a piece, and an info dictionary above 32 KiB.
pub fn main() -> Fixture {
    static MAIN: OnceLock<Torrent> = OnceLock::new();
    let torrent = MAIN.get_or_init(|| {
        let content = seeded(0x6d61_696e, 1026 * 32768 + 16384 + 4321);
        let total = content.geometry().total_len();
        let builder = Builder::new("btspec-main")
            .announce(TRACKER_URL)
            .file(&["first.bin"], FIRST_LEN)
            .file(&["folder", "second.bin"], total.saturating_sub(FIRST_LEN))
            .extra("btspec filler", Value::Bytes(filler(FILLER_LINES)));
        made(&builder, content)
    });
    fixture("main", torrent)
}

/// One piece of two blocks, the second short, in one file.
pub fn one_piece() -> Fixture {
    static ONE_PIECE: OnceLock<Torrent> = OnceLock::new();
    let torrent = ONE_PIECE.get_or_init(|| {
        let content = seeded(0x6f6e_6521, 20_000);
        let builder = Builder::new("btspec-one-piece.bin").announce(TRACKER_URL);
        made(&builder, content)
    });
    fixture("one-piece", torrent)
}

/// 67 pieces of 32 KiB in one file.
pub fn tracker() -> Fixture {
    static TRACKER: OnceLock<Torrent> = OnceLock::new();
    let torrent = TRACKER.get_or_init(|| tracker_at(TRACKER_URL));
    fixture("tracker", torrent)
}

/// The torrent of [`tracker`] with another announce URL; the info hash is the same.
pub fn tracker_at(url: &str) -> Torrent {
    let content = seeded(0x7472_6b72, 66 * 32768 + 16384 + 1234);
    let builder = Builder::new("btspec-tracker.bin").announce(url);
    made(&builder, content)
}

/// 67 pieces of 32 KiB in one file, marked as private (BEP 27).
pub fn private() -> Fixture {
    static PRIVATE: OnceLock<Torrent> = OnceLock::new();
    let torrent = PRIVATE.get_or_init(|| {
        let content = seeded(0x7072_6976, 66 * 32768 + 16384 + 1234);
        let builder = Builder::new("btspec-private.bin").private();
        made(&builder.announce(TRACKER_URL), content)
    });
    fixture("private", torrent)
}

/// 16 pieces of one block, the last as long as the others, no spare bits, and four files of which
/// one is empty and three share a piece.
pub fn even() -> Fixture {
    static EVEN: OnceLock<Torrent> = OnceLock::new();
    let torrent = EVEN.get_or_init(|| {
        let content = of_pieces(0x6576_656e, 16 * 16384, 16384);
        let builder = Builder::new("btspec-even").announce(TRACKER_URL);
        let builder = builder
            .file(&["a.bin"], 5_000)
            .file(&["b.bin"], 0)
            .file(&["c.bin"], 2_000)
            .file(&["d.bin"], 16 * 16384 - 7_000);
        made(&builder, content)
    });
    fixture("even", torrent)
}

/// Four pieces of 2 MiB and a short one, in one file.
pub fn large() -> Fixture {
    static LARGE: OnceLock<Torrent> = OnceLock::new();
    let torrent = LARGE.get_or_init(|| {
        let content = of_pieces(0x6c61_7267, 4 * 2_097_152 + 3 * 16384 + 5, 2_097_152);
        let builder = Builder::new("btspec-large.bin").announce(TRACKER_URL);
        made(&builder, content)
    });
    fixture("large", torrent)
}

/// Two pieces, and an info dictionary of exactly two pieces of metadata (BEP 9).
pub fn whole_info() -> Fixture {
    static WHOLE_INFO: OnceLock<Torrent> = OnceLock::new();
    let torrent = WHOLE_INFO.get_or_init(|| {
        let content = seeded(0x696e_666f, 32768 + 16384 + 77);
        let builder = Builder::new("btspec-whole-info.bin").announce(TRACKER_URL);
        let text = Value::Bytes(filler(1000).slice(..WHOLE_FILLER_LEN));
        made(&builder.extra("btspec filler", text), content)
    });
    fixture("whole-info", torrent)
}

/// Every fixture.
pub fn all() -> [Fixture; 7] {
    [
        main(),
        one_piece(),
        tracker(),
        private(),
        even(),
        large(),
        whole_info(),
    ]
}

/// The fixture of this name.
pub fn by_name(name: &str) -> Option<Fixture> {
    all().into_iter().find(|fixture| fixture.name == name)
}

/// Writes `dir/NAME.torrent` and the data below `dir/data`.
pub fn write(dir: &Path) -> Result<Vec<Written>, DataError> {
    let data = dir.join("data");
    let unwritten = |path: &Path, source| DataError::Write {
        path: path.to_owned(),
        source,
    };
    std::fs::create_dir_all(&data).map_err(|e| unwritten(&data, e))?;
    let mut written = Vec::new();
    for Fixture { name, torrent } in all() {
        let path = dir.join(format!("{name}.torrent"));
        std::fs::write(&path, torrent.metainfo().encode()).map_err(|e| unwritten(&path, e))?;
        written.push(Written {
            name,
            torrent: path,
            data: torrent.write_data(&data)?,
            info_hash: torrent.info_hash(),
        });
    }
    Ok(written)
}

fn fixture(name: &'static str, torrent: &Torrent) -> Fixture {
    Fixture {
        name,
        torrent: torrent.clone(),
    }
}

fn seeded(seed: u64, total_len: u64) -> Content {
    of_pieces(seed, total_len, PIECE_LEN)
}

#[expect(
    clippy::expect_used,
    reason = "constant lengths; a test makes every one"
)]
fn of_pieces(seed: u64, total_len: u64, piece_len: u32) -> Content {
    let geometry = Geometry::new(total_len, piece_len).expect("a fixture's lengths are sound");
    Content::from_seed(seed, geometry)
}

#[expect(clippy::expect_used, reason = "constant names; a test makes every one")]
fn made(builder: &Builder, content: Content) -> Torrent {
    Torrent::build(builder, content).expect("a fixture is a sound torrent")
}

/// Text that makes an info dictionary longer than two pieces of metadata (BEP 9), and differs in
/// each of them.
fn filler(lines: u32) -> Bytes {
    let lines = (0..lines).map(|line| format!("line {line:05} of what no client reads\n"));
    lines.collect::<String>().into()
}

const PIECE_LEN: u32 = 32 * 1024;

/// Ends inside a piece and off any block.
const FIRST_LEN: u64 = 10_000_001;

const FILLER_LINES: u32 = 400;

/// What [`whole_info`] takes of it.
const WHOLE_FILLER_LEN: usize = 32_626;

/// On loopback, where normally nobody is. A torrent file names a tracker (BEP 3, "metainfo files"),
/// and rTorrent and CTorrent load none that does not.
const TRACKER_URL: &str = "http://127.0.0.1:6969/announce";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bencode;

    #[test]
    fn main_suits_every_case() {
        let main = main().torrent;
        let geometry = main.geometry();
        assert_eq!((geometry.pieces(), geometry.piece_len()), (1027, 32768));
        assert_eq!(geometry.last_len(), 16384 + 4321);
        assert_eq!(geometry.block_count(geometry.last()), 2);
        assert_eq!(geometry.spare_bits(), 5);
        let metainfo = main.metainfo();
        let [first, second] = metainfo.files() else {
            panic!("{:?}", metainfo.files());
        };
        assert_ne!(first.len % 16384, 0);
        assert_eq!(second.path, ["folder", "second.bin"]);
        assert!(metainfo.info_bytes().len() > 32 * 1024);
        assert_eq!(metainfo.info_pieces(), 3);
        let pieces: Vec<_> = (0..3).map(|n| metainfo.info_piece(n).unwrap()).collect();
        assert_eq!(pieces.concat(), metainfo.info_bytes()[..]);
        assert_eq!(metainfo.info_piece(3), None);
    }

    #[test]
    fn the_others_have_what_main_has_not() {
        let (even, large) = (even().torrent, large().torrent);
        let geometry = even.geometry();
        assert_eq!((geometry.pieces(), geometry.spare_bits()), (16, 0));
        assert_eq!(geometry.last_len(), geometry.piece_len());
        assert_eq!(geometry.block_count(0), 1);
        let geometry = large.geometry();
        assert_eq!((geometry.pieces(), geometry.block_count(0)), (5, 128));
        assert_eq!(geometry.block_count(geometry.last()), 4);
        let whole = whole_info().torrent;
        assert_eq!(whole.metainfo().info_bytes().len(), 2 * 16384);
        assert_eq!(whole.metainfo().info_pieces(), 2);
    }

    #[test]
    fn is_the_same_for_everybody() {
        // Clients out there have loaded these.
        let hashes = all().map(|fixture| (fixture.name, fixture.torrent.info_hash().to_string()));
        let expected = [
            ("main", "3f4c2966377b19e14ccba448c7293207941ae651"),
            ("one-piece", "77ecf46407f230b1c48434f00cffd07dbd3a86f1"),
            ("tracker", "ea29075a96abdccf4573aa165f351ad6734a8500"),
            ("private", "475973ab3efa89bed742a38cffcff8c7a4cc848d"),
            ("even", "e8949fca4bb65bfb2ab2589989f57cd35e51fd2b"),
            ("large", "3ba2470b60b336e0bd3a66b4358384966caba0a6"),
            ("whole-info", "dfd4b93a65cc7583ae611a32d407e400a162bf4b"),
        ];
        assert_eq!(hashes, expected.map(|(name, hash)| (name, hash.to_owned())));
    }

    #[test]
    fn is_canonical_and_true() {
        for fixture in all() {
            let torrent = fixture.torrent;
            assert!(bencode::is_canonical(&torrent.metainfo().encode()));
            torrent.verify().unwrap();
        }
    }

    #[test]
    fn tracker_differs_only_by_its_url() {
        let other = tracker_at("http://127.9.9.9:1/announce");
        let tracker = tracker().torrent;
        assert_eq!(other.info_hash(), tracker.info_hash());
        assert_ne!(other.metainfo().announce(), tracker.metainfo().announce());
        assert_eq!(one_piece().torrent.geometry().pieces(), 1);
    }

    #[test]
    fn writes_what_can_be_loaded() {
        let dir = std::env::temp_dir().join(format!("btspec-{}-fixture", std::process::id()));
        let written = write(&dir).unwrap();
        for (written, fixture) in written.iter().zip(all()) {
            assert_eq!(written.name, fixture.name);
            let loaded = Torrent::load(&written.torrent, Some(&written.data)).unwrap();
            assert_eq!(loaded.info_hash(), written.info_hash);
            assert_eq!(loaded.metainfo(), fixture.torrent.metainfo());
            // The first piece and the last: `Torrent::verify` has tests of its own.
            let (ours, theirs) = (fixture.torrent.content(), loaded.content());
            for index in [0, loaded.geometry().last()] {
                assert_eq!(
                    ours.unwrap().piece(index).unwrap(),
                    theirs.unwrap().piece(index).unwrap()
                );
            }
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
