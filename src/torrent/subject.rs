//! The torrent under test: what it says, with its bytes if we have them.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::content::Content;
use super::disk::DataError;
use super::geometry::Geometry;
use super::metainfo::{Builder, Metainfo};
use super::read::MetainfoError;
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
        for index in 0..self.geometry().pieces() {
            if content.piece_hash(index) != self.metainfo().piece_hash(index) {
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
