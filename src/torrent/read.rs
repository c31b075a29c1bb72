//! Reads a torrent file and refuses what cannot be used, naming the key and the byte.

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::content::Content;
use super::geometry::{Geometry, GeometryError};
use super::metainfo::{Builder, FileEntry, Metainfo};
use crate::wire::InfoHash;
use crate::wire::bencode::Value;

/// Why a torrent file cannot be used, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct MetainfoError {
    /// The key, as in `info.files[2].path[0]`.
    pub key: String,
    /// Offset of its value in the file.
    pub offset: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a torrent file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Lengths that make no torrent.
    #[error("{0}")]
    Geometry(#[from] GeometryError),
}

impl Builder {
    /// Hashes the content, writes the torrent file, and reads it back.
    pub fn build(&self, content: &Content) -> Result<Metainfo, MetainfoError> {
        let mut info = Vec::new();
        put(&Value::Dict(self.info(content)), &mut info);
        let info = Bytes::from(info);
        let mut source = Vec::new();
        put(&Value::Dict(self.outer()), &mut source);
        source.pop();
        source.extend_from_slice(b"4:info");
        source.extend_from_slice(&info);
        source.push(b'e');
        let geometry = content.geometry();
        Ok(Metainfo {
            source: source.into(),
            info_hash: InfoHash(Sha1::digest(&info).into()),
            info,
            name: self.name.clone(),
            geometry,
            files: self.entries(geometry),
            single_file: self.files.is_empty(),
            hashes: (0..geometry.pieces())
                .filter_map(|index| content.piece_hash(index))
                .flatten()
                .collect::<Vec<u8>>()
                .into(),
            announce: self.announce.clone(),
            private: self.private,
        })
    }

    fn entries(&self, geometry: Geometry) -> Vec<FileEntry> {
        if self.files.is_empty() {
            return vec![FileEntry {
                path: vec![self.name.clone()],
                len: geometry.total_len(),
                offset: 0,
                pad: false,
            }];
        }
        let mut offset = 0_u64;
        let mut entries = Vec::new();
        for (path, len) in &self.files {
            entries.push(FileEntry {
                path: path.clone(),
                len: *len,
                offset,
                pad: false,
            });
            offset = offset.saturating_add(*len);
        }
        entries
    }
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Int(int) => out.extend_from_slice(format!("i{int}e").as_bytes()),
        Value::Bytes(bytes) => put_bytes(bytes, out),
        Value::List(list) => {
            out.push(b'l');
            list.iter().for_each(|value| put(value, out));
            out.push(b'e');
        }
        Value::Dict(dict) => {
            let mut dict: Vec<_> = dict.iter().collect();
            dict.sort_by(|a, b| a.0.cmp(&b.0));
            out.push(b'd');
            for (key, value) in dict {
                put_bytes(key, out);
                put(value, out);
            }
            out.push(b'e');
        }
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}
