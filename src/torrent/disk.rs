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
        Err(source) => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Err(DataError::Missing { path, expected })
            }
            _ => Err(DataError::Read { path, source }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::metainfo::Builder;
    use super::super::subject::Torrent;
    use super::super::{Content, Geometry};
    use super::*;

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("btspec-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn seeded() -> Content {
        Content::from_seed(3, Geometry::new(100_000, 16384).unwrap())
    }

    fn several() -> Torrent {
        let builder = Builder::new("name")
            .file(&["a"], 20_001)
            .file(&["empty"], 0)
            .file(&["sub", "b"], 79_999);
        Torrent::build(&builder, seeded()).unwrap()
    }

    fn open(torrent: &Torrent, data: &Path) -> Result<Torrent, DataError> {
        Torrent::with_files(torrent.metainfo().clone(), data)
    }

    #[test]
    fn reads_back_what_was_written() {
        let folder = Folder::new("several");
        let torrent = several();
        let root = torrent.write_data(&folder.0).unwrap();
        assert_eq!(root, folder.0.join("name"));
        // The folder itself, and the one that holds it.
        for data in [&root, &folder.0] {
            let opened = open(&torrent, data).unwrap();
            opened.verify().unwrap();
            let (ours, theirs) = (torrent.content().unwrap(), opened.content().unwrap());
            for (offset, len) in [
                (0, 100_000),
                (20_000, 2),
                (20_001, 1),
                (99_999, 5),
                (5, 30_000),
            ] {
                assert_eq!(
                    ours.read(offset, len).unwrap(),
                    theirs.read(offset, len).unwrap()
                );
            }
        }
    }

    #[test]
    fn takes_a_single_file_or_its_folder() {
        let folder = Folder::new("single");
        let torrent = Torrent::build(&Builder::new("one.bin"), seeded()).unwrap();
        let file = torrent.write_data(&folder.0).unwrap();
        open(&torrent, &file).unwrap().verify().unwrap();
        open(&torrent, &folder.0).unwrap().verify().unwrap();
        let renamed = folder.0.join("other");
        fs::rename(&file, &renamed).unwrap();
        open(&torrent, &renamed).unwrap().verify().unwrap();
        let missing = open(&torrent, &folder.0).unwrap_err().to_string();
        let expected = format!(
            "data does not fit: file {} is missing, torrent says 100000 bytes",
            file.display()
        );
        assert_eq!(missing, expected);
    }

    #[test]
    fn refuses_data_that_does_not_fit() {
        let folder = Folder::new("wrong");
        let torrent = several();
        let root = torrent.write_data(&folder.0).unwrap();
        let file = root.join("sub").join("b");
        fs::write(&file, b"short").unwrap();
        assert_eq!(
            open(&torrent, &root).unwrap_err().to_string(),
            format!(
                "data does not fit: file {} has 5 bytes, torrent says 79999",
                file.display()
            )
        );
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!(
            open(&torrent, &root).unwrap_err().to_string(),
            format!("data does not fit: {} is not a file", file.display())
        );
        // No folder at all, and a file where the folder should be.
        for data in [folder.0.join("nothing"), root.join("a")] {
            let error = open(&torrent, &data).unwrap_err();
            assert!(matches!(error, DataError::Missing { .. }), "{error}");
        }
    }

    #[test]
    fn notices_other_bytes_and_files_that_shrink() {
        let folder = Folder::new("changed");
        let torrent = several();
        let root = torrent.write_data(&folder.0).unwrap();
        let opened = open(&torrent, &root).unwrap();
        let file = root.join("sub").join("b");
        let mut bytes = fs::read(&file).unwrap();
        bytes[0] ^= 1;
        fs::write(&file, &bytes).unwrap();
        assert_eq!(
            opened.verify().unwrap_err().to_string(),
            "data does not fit: piece 1 does not have the hash that the torrent says"
        );
        fs::write(&file, b"").unwrap();
        assert_eq!(opened.content().unwrap().piece(1), None);
        assert!(opened.content().unwrap().piece(0).is_some());
        assert!(matches!(opened.verify(), Err(DataError::Read { .. })));
    }

    #[test]
    fn padding_is_zeros_and_not_on_disk() {
        let folder = Folder::new("padding");
        let file = format!(
            "d4:infod5:filesl\
             d6:lengthi3e4:pathl1:aee\
             d4:attr1:p6:lengthi5e4:pathl4:.pad1:5ee\
             d6:lengthi2e4:pathl1:bee\
             e4:name1:n12:piece lengthi16384e6:pieces20:{}ee",
            "a".repeat(20)
        );
        let metainfo = Metainfo::parse(file.as_bytes()).unwrap();
        fs::write(folder.0.join("a"), b"123").unwrap();
        fs::write(folder.0.join("b"), b"45").unwrap();
        let content = Content::from_files(&folder.0, &metainfo).unwrap();
        assert_eq!(content.piece(0).unwrap(), &b"123\x00\x00\x00\x00\x0045"[..]);
    }
}
