//! The torrent under test: what it says, with its bytes if we have them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::content::Content;
use super::disk::DataError;
use super::geometry::Geometry;
use super::metainfo::{Builder, Metainfo};
use super::read::{MAX_TORRENT_LEN, MetainfoError};
use crate::wire::{BlockRef, InfoHash};

/// A torrent with its content, if we have it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Torrent(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metainfo: Metainfo,
    content: Option<Content>,
}

/// A torrent or its data cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The torrent file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The torrent file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The torrent file cannot be used.
    #[error("{}: {source}", path.display())]
    Metainfo {
        /// The torrent file.
        path: PathBuf,
        /// What is wrong with it.
        source: MetainfoError,
    },
    /// The data is not what the torrent describes.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl Torrent {
    /// A torrent written for this content.
    pub fn build(builder: &Builder, content: Content) -> Result<Self, MetainfoError> {
        let metainfo = builder.build(&content)?;
        Ok(Self::new(metainfo, Some(content)))
    }

    /// Reads a torrent file, and checks that the data beside it is there with the right lengths.
    /// Hashes are not checked: see [`Torrent::verify`].
    pub fn load(path: &Path, data: Option<&Path>) -> Result<Self, LoadError> {
        let unread = |source| LoadError::Read {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_TORRENT_LEN).unwrap_or(u64::MAX);
        // One byte more than is allowed tells a file that is too long, without reading it all.
        let mut file = File::open(path)
            .map_err(unread)?
            .take(limit.saturating_add(1));
        file.read_to_end(&mut bytes).map_err(unread)?;
        let metainfo = Metainfo::parse(&bytes).map_err(|source| LoadError::Metainfo {
            path: path.to_owned(),
            source,
        })?;
        match data {
            Some(data) => Ok(Self::with_files(metainfo, data)?),
            None => Ok(Self::without_content(metainfo)),
        }
    }

    /// A torrent without its bytes: enough to lead a leech on, or to ask for metadata.
    pub fn without_content(metainfo: Metainfo) -> Self {
        Self::new(metainfo, None)
    }

    /// A torrent with the user's files, checked for their lengths.
    pub fn with_files(metainfo: Metainfo, data: &Path) -> Result<Self, DataError> {
        let content = Content::from_files(data, &metainfo)?;
        Ok(Self::new(metainfo, Some(content)))
    }

    fn new(metainfo: Metainfo, content: Option<Content>) -> Self {
        Self(Arc::new(Inner { metainfo, content }))
    }

    /// What the torrent file says.
    pub fn metainfo(&self) -> &Metainfo {
        &self.0.metainfo
    }

    /// The bytes, if we have them.
    pub fn content(&self) -> Option<&Content> {
        self.0.content.as_ref()
    }

    /// How the bytes fall into pieces.
    pub fn geometry(&self) -> Geometry {
        self.0.metainfo.geometry()
    }

    /// The torrent's info hash.
    pub fn info_hash(&self) -> InfoHash {
        self.0.metainfo.info_hash()
    }

    /// The bytes of a block, if there is such a block and we have the content.
    pub fn block(&self, block: &BlockRef) -> Option<Bytes> {
        self.content()?.block(block)
    }

    /// Hashes the content; says which piece, if any, is not what the torrent says.
    pub fn verify(&self) -> Result<(), DataError> {
        let Some(content) = self.content() else {
            return Ok(());
        };
        let geometry = self.geometry();
        for index in 0..geometry.pieces() {
            let offset = geometry.piece_offset(index).unwrap_or(u64::MAX);
            let len = geometry.piece_size(index).unwrap_or(0);
            let piece = content.read(offset, len.into())?;
            if !self.metainfo().is_piece(index, &piece) {
                return Err(DataError::Hash { index });
            }
        }
        Ok(())
    }

    /// Writes the content below `dir` as a client expects it there: `dir/NAME` or `dir/NAME/…`.
    /// Returns that path. Nothing is written without content.
    pub fn write_data(&self, dir: &Path) -> Result<PathBuf, DataError> {
        let root = dir.join(self.metainfo().name());
        let Some(content) = self.content() else {
            return Ok(root);
        };
        for entry in self.metainfo().files().iter().filter(|entry| !entry.pad) {
            let path = match self.metainfo().is_single_file() {
                true => root.clone(),
                false => root.join(entry.path.iter().collect::<PathBuf>()),
            };
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, e))?;
            }
            let mut file = File::create(&path).map_err(|e| unwritten(&path, e))?;
            let mut at = entry.offset;
            let end = at.saturating_add(entry.len);
            while at < end {
                let chunk = content.read(at, end.saturating_sub(at).min(CHUNK_LEN))?;
                file.write_all(&chunk).map_err(|e| unwritten(&path, e))?;
                at = at.saturating_add(CHUNK_LEN);
            }
        }
        Ok(root)
    }
}

fn unwritten(path: &Path, source: io::Error) -> DataError {
    DataError::Write {
        path: path.to_owned(),
        source,
    }
}

/// Content is written in parts of this length.
const CHUNK_LEN: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_torrent_file_cannot_be_read() {
        let missing = Torrent::load(Path::new("no/such.torrent"), None).unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("cannot read no/such.torrent: ")
        );
        let wrong = Torrent::load(Path::new("Cargo.toml"), None).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "Cargo.toml: not a torrent file: unexpected byte 0x5b at byte 0"
        );
    }
}
