//! The user's files as content.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::metainfo::Metainfo;

/// The user's data is not what the torrent describes, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file of another length.
    #[error(
        "data does not fit: file {} has {actual} bytes, torrent says {expected}",
        path.display()
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Bytes on disk.
        actual: u64,
        /// Bytes that the torrent names.
        expected: u64,
    },
    /// A file is not there.
    #[error("data does not fit: file {} is missing, torrent says {expected} bytes", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// Bytes that the torrent names.
        expected: u64,
    },
    /// A folder or device where a file should be.
    #[error("data does not fit: {} is not a file", path.display())]
    NotAFile {
        /// What is no file.
        path: PathBuf,
    },
    /// A file that is there cannot be read, or has shrunk since.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A piece has other bytes than the torrent's hash says.
    #[error("data does not fit: piece {index} does not have the hash that the torrent says")]
    Hash {
        /// The first such piece.
        index: u32,
    },
}

/// Files laid end to end.
#[derive(Debug)]
pub(super) struct Files {
    files: Vec<Part>,
    /// The file read last: reads come in runs.
    last: Mutex<Option<(usize, File)>>,
}

#[derive(Debug)]
struct Part {
    /// `None` is padding (BEP 47): zeros that are not on disk.
    path: Option<PathBuf>,
    start: u64,
    end: u64,
}

impl Files {
    pub(super) fn open(data: &Path, metainfo: &Metainfo) -> Result<Self, DataError> {
        let mut files = Vec::new();
        for (path, entry) in layout(data, metainfo) {
            let start = entry.offset;
            let end = start.saturating_add(entry.len);
            let path = match entry.pad {
                true => None,
                false => Some(checked(path, entry.len)?),
            };
            files.push(Part { path, start, end });
        }
        Ok(Self {
            files,
            last: Mutex::new(None),
        })
    }

    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), DataError> {
        let mut at = offset;
        let mut rest = out;
        let mut n = self.files.partition_point(|part| part.end <= offset);
        while let (Some(part), false) = (self.files.get(n), rest.is_empty()) {
            let left = usize::try_from(part.end.saturating_sub(at)).unwrap_or(usize::MAX);
            let len = left.min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            match &part.path {
                None => now.fill(0),
                Some(path) => self
                    .read_file(n, path, at.saturating_sub(part.start), now)
                    .map_err(|source| DataError::Read {
                        path: path.clone(),
                        source,
                    })?,
            }
            rest = later;
            at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
            n = n.saturating_add(1);
        }
        Ok(())
    }

    fn read_file(&self, n: usize, path: &Path, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let mut last = self.last.lock().unwrap_or_else(|e| e.into_inner());
        let mut file = match last.take() {
            Some((open, file)) if open == n => file,
            _ => File::open(path)?,
        };
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(out)?;
        *last = Some((n, file));
        Ok(())
    }
}

/// Where each file of the torrent lies for this `data`.
pub(super) fn layout<'a>(
    data: &Path,
    metainfo: &'a Metainfo,
) -> impl Iterator<Item = (PathBuf, &'a super::FileEntry)> {
    let named = data.join(metainfo.name());
    let root = match metainfo.is_single_file() {
        true if data.is_dir() => named,
        true => data.to_path_buf(),
        false if named.is_dir() => named,
        false => data.to_path_buf(),
    };
    let single = metainfo.is_single_file();
    metainfo.files().iter().map(move |entry| {
        let path = match single {
            true => root.clone(),
            false => root.join(entry.path.iter().collect::<PathBuf>()),
        };
        (path, entry)
    })
}

fn checked(path: PathBuf, expected: u64) -> Result<PathBuf, DataError> {
    match fs::metadata(&path) {
        Ok(found) if !found.is_file() => Err(DataError::NotAFile { path }),
        Ok(found) if found.len() != expected => Err(DataError::Size {
            path,
            actual: found.len(),
            expected,
        }),
        Ok(_) => Ok(path),
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            Err(DataError::Missing { path, expected })
        }
        Err(source) => Err(DataError::Read { path, source }),
    }
}
