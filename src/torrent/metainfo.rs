//! A `.torrent` file: what it says, and the exact bytes it said it in.

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::content::Content;
use super::geometry::Geometry;
use crate::wire::InfoHash;
use crate::wire::bencode::{self, Value};

/// BEP 9 cuts the info dictionary into pieces of 16 KiB.
pub const INFO_PIECE_LEN: u32 = 1 << 14;

/// What a torrent file says. Made by [`Metainfo::parse`] or a [`Builder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    pub(super) source: Bytes,
    pub(super) info: Bytes,
    pub(super) info_hash: InfoHash,
    pub(super) name: String,
    pub(super) geometry: Geometry,
    pub(super) files: Vec<FileEntry>,
    pub(super) single_file: bool,
    /// 20 bytes a piece.
    pub(super) hashes: Bytes,
    pub(super) announce: Option<String>,
    pub(super) private: bool,
}

/// One file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Folder names and file name below the torrent's folder. A single file has its own name.
    pub path: Vec<String>,
    /// Bytes.
    pub len: u64,
    /// Where it begins in the content.
    pub offset: u64,
    /// Padding (BEP 47): zeros that nobody stores.
    pub pad: bool,
}

impl Metainfo {
    /// SHA-1 over the exact bytes of the info dictionary.
    pub fn info_hash(&self) -> InfoHash {
        self.info_hash
    }

    /// The exact bytes of the info dictionary.
    pub fn info_bytes(&self) -> &Bytes {
        &self.info
    }

    /// Number of 16 KiB pieces of the info dictionary (BEP 9).
    pub fn info_pieces(&self) -> u32 {
        let pieces = self.info.len().div_ceil(info_piece_len());
        u32::try_from(pieces).unwrap_or(u32::MAX)
    }

    /// One 16 KiB piece of the info dictionary (BEP 9); the last may be short.
    pub fn info_piece(&self, n: u32) -> Option<Bytes> {
        let start = usize::try_from(n).ok()?.checked_mul(info_piece_len())?;
        if start >= self.info.len() {
            return None;
        }
        let end = start.saturating_add(info_piece_len()).min(self.info.len());
        Some(self.info.slice(start..end))
    }

    /// Name of the single file, or of the folder of the files.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the bytes fall into pieces.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The files in order, padding included. At least one.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// Where in the content each file ends.
    pub(crate) fn file_ends(&self) -> impl Iterator<Item = u64> {
        self.files.iter().scan(0_u64, |end, file| {
            *end = end.saturating_add(file.len);
            Some(*end)
        })
    }

    /// Whether the torrent is one file without a folder.
    pub fn is_single_file(&self) -> bool {
        self.single_file
    }

    /// SHA-1 of a piece as the torrent says.
    pub fn piece_hash(&self, index: u32) -> Option<[u8; 20]> {
        let start = usize::try_from(index).ok()?.checked_mul(20)?;
        let hash = self.hashes.get(start..start.checked_add(20)?)?;
        hash.try_into().ok()
    }

    /// Whether these are the bytes of a piece. `false` if there is no such piece.
    pub fn is_piece(&self, index: u32, bytes: &[u8]) -> bool {
        self.piece_hash(index)
            .is_some_and(|hash| hash == <[u8; 20]>::from(Sha1::digest(bytes)))
    }

    /// The tracker.
    pub fn announce(&self) -> Option<&str> {
        self.announce.as_deref()
    }

    /// Whether peers may come only from the tracker (BEP 27).
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// The torrent file, byte for byte.
    pub fn encode(&self) -> Bytes {
        self.source.clone()
    }

    /// The torrent file with these trackers, the first before the second (BEP 12), and no other way
    /// to find peers. The info dictionary, and so the info hash, stays byte for byte.
    pub fn announced_at(&self, url: &str, second: Option<&str>) -> Bytes {
        let document = bencode::read(&self.source, bencode::Limits::default());
        let outer = match document.map(|document| document.value) {
            Ok(Value::Dict(outer)) => outer,
            _ => Vec::new(),
        };
        let own: [&[u8]; 6] = [
            b"announce",
            b"announce-list",
            b"httpseeds",
            b"info",
            b"nodes",
            b"url-list",
        ];
        let mut entries: Vec<(Bytes, Bytes)> = outer
            .into_iter()
            .filter(|(key, _)| !own.contains(&key.as_ref()))
            .map(|(key, value)| (key, bencode::encode_as_is(&value).into()))
            .collect();
        let announce = bencode::encode_as_is(&text(url));
        entries.push((Bytes::from_static(b"announce"), announce.into()));
        if let Some(second) = second {
            let tier = |url| Value::List(vec![text(url)]);
            let tiers = Value::List(vec![tier(url), tier(second)]);
            let tiers = bencode::encode_as_is(&tiers);
            entries.push((Bytes::from_static(b"announce-list"), tiers.into()));
        }
        entries.push((Bytes::from_static(b"info"), self.info.clone()));
        entries.sort();
        entries.dedup_by(|one, other| one.0 == other.0);
        let mut file = b"d".to_vec();
        for (key, value) in entries {
            file.extend(bencode::encode_as_is(&Value::Bytes(key)));
            file.extend_from_slice(&value);
        }
        file.push(b'e');
        file.into()
    }
}

/// What to write into a new torrent file, beside what follows from the content.
#[derive(Debug, Clone)]
pub struct Builder {
    name: String,
    files: Vec<(Vec<String>, u64)>,
    extra: Vec<(String, Value)>,
    announce: Option<String>,
    private: bool,
}

impl Builder {
    /// A single file of this name, as long as [`Builder::file`] is not called.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            files: Vec::new(),
            extra: Vec::new(),
            announce: None,
            private: false,
        }
    }

    /// Adds a file below a folder of the torrent's name.
    pub fn file(mut self, path: &[&str], len: u64) -> Self {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        self.files.push((path, len));
        self
    }

    /// Adds a key to the info dictionary.
    pub fn extra(mut self, key: impl Into<String>, value: Value) -> Self {
        self.extra.push((key.into(), value));
        self
    }

    /// Names a tracker.
    pub fn announce(mut self, url: impl Into<String>) -> Self {
        self.announce = Some(url.into());
        self
    }

    /// Marks the torrent as private (BEP 27).
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// The keys of the info dictionary, unsorted.
    pub(super) fn info(&self, content: &Content) -> Vec<(Bytes, Value)> {
        let geometry = content.geometry();
        let hashes: Vec<u8> = (0..geometry.pieces())
            .filter_map(|index| content.piece_hash(index))
            .flatten()
            .collect();
        let mut info = vec![
            key("name", text(&self.name)),
            key("piece length", Value::Int(geometry.piece_len().into())),
            key("pieces", Value::Bytes(hashes.into())),
        ];
        if self.files.is_empty() {
            info.push(key("length", Value::Int(geometry.total_len().into())));
        } else {
            let files = self.files.iter().map(|(path, len)| {
                let path = path.iter().map(|name| text(name)).collect();
                Value::Dict(vec![
                    key("length", Value::Int((*len).into())),
                    key("path", Value::List(path)),
                ])
            });
            info.push(key("files", Value::List(files.collect())));
        }
        if self.private {
            info.push(key("private", Value::Int(1)));
        }
        for (name, value) in &self.extra {
            info.push(key(name, value.clone()));
        }
        info
    }

    /// The keys of the torrent file beside `info`.
    pub(super) fn outer(&self) -> Vec<(Bytes, Value)> {
        self.announce
            .iter()
            .map(|url| key("announce", text(url)))
            .collect()
    }
}

fn key(name: &str, value: Value) -> (Bytes, Value) {
    (Bytes::copy_from_slice(name.as_bytes()), value)
}

fn text(text: &str) -> Value {
    Value::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

fn info_piece_len() -> usize {
    usize::try_from(INFO_PIECE_LEN).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_tracker_leaves_the_info_hash_alone() {
        let file = b"d8:announce3:old13:announce-listll3:oldee7:comment1:c4:infod6:lengthi1e\
            4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae5:zuluzi1ee";
        let metainfo = Metainfo::parse(file).unwrap();
        let file = metainfo.announced_at("http://127.0.0.1:1/announce", None);
        let again = Metainfo::parse(&file).unwrap();
        assert_eq!(again.info_hash(), metainfo.info_hash());
        assert_eq!(again.announce(), Some("http://127.0.0.1:1/announce"));
        let shown = String::from_utf8_lossy(&file).into_owned();
        assert!(shown.contains("7:comment1:c"), "{shown}");
        assert!(!shown.contains("old"), "{shown}");
    }
}
