//! Reads a torrent file and refuses what cannot be used, naming the key and the byte.

use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::content::Content;
use super::geometry::{Geometry, GeometryError, MAX_PIECE_LEN};
use super::metainfo::{Builder, FileEntry, Metainfo};
use super::name::{self, NameFlaw};
use crate::wire::InfoHash;
use crate::wire::bencode::{self, Limits, ReadError, ReadErrorKind, Value};

/// Longest torrent file that we take.
pub const MAX_TORRENT_LEN: usize = 64 << 20;

/// Most names in one path.
const MAX_PATH_NAMES: usize = 64;

/// File trees of version 2 nest by folder.
const LIMITS: Limits = Limits {
    depth: 100,
    items: 1 << 20,
};

/// Why a torrent file cannot be used, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetainfoError {
    /// The key, as in `info.files[2].path[0]`. Empty for the file as a whole.
    pub key: String,
    /// Offset of its value in the file; where a key is missing, of the dictionary that lacks it.
    pub offset: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

impl std::error::Error for MetainfoError {}

impl fmt::Display for MetainfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            offset,
            problem,
        } = self;
        match problem {
            _ if key.is_empty() => write!(f, "{problem}"),
            Problem::Missing => write!(f, "`{key}` is missing in the dictionary at byte {offset}"),
            _ => write!(f, "`{key}` at byte {offset}: {problem}"),
        }
    }
}

/// What is wrong with a torrent file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// More bytes than [`MAX_TORRENT_LEN`].
    #[error("a torrent file above {MAX_TORRENT_LEN} bytes is not read")]
    TooLong,
    /// The bytes end too early.
    #[error("the torrent file is cut off: {0}")]
    Truncated(ReadError),
    /// Not bencoded.
    #[error("not a torrent file: {0}")]
    NotBencoded(ReadError),
    /// Bencoded, but something else.
    #[error("not a torrent file: it holds {0}, not a dictionary")]
    NotADictionary(&'static str),
    /// A key that must be there is not.
    #[error("missing")]
    Missing,
    /// A key that its dictionary has twice: nobody can say which counts.
    #[error("stands twice in its dictionary")]
    Repeated,
    /// A value of another type.
    #[error("{actual} where {expected} is due")]
    Type {
        /// What it should be.
        expected: &'static str,
        /// What it is.
        actual: &'static str,
    },
    /// A number that is no length.
    #[error("{0} is not a length")]
    Length(i128),
    /// Text that is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Lengths that make no torrent.
    #[error("{0}")]
    Geometry(GeometryError),
    /// Piece hashes that are cut off.
    #[error("{0} bytes are no multiple of 20")]
    CutHashes(usize),
    /// Hashes for another number of pieces.
    #[error("{actual} hashes where the lengths make {expected} pieces")]
    HashCount {
        /// Pieces by the lengths.
        expected: u32,
        /// Hashes there.
        actual: usize,
    },
    /// Neither `length` nor `files`.
    #[error("neither `length` nor `files`")]
    NoLength,
    /// Both `length` and `files`.
    #[error("both `length` and `files`")]
    LengthAndFiles,
    /// A list without entries.
    #[error("empty")]
    Empty,
    /// A path that must not reach a disk.
    #[error("{0}")]
    Name(NameFlaw),
    /// More names than any path needs.
    #[error("a path of {0} names; {MAX_PATH_NAMES} are the limit")]
    PathTooDeep(usize),
    /// Two files with one path, or a file where another has a folder.
    #[error("another file is in the way of this path")]
    PathTaken,
    /// A torrent of BEP 52 without the keys of version 1.
    #[error("torrents of version 2 alone (BEP 52) are not supported; hybrid ones are")]
    Version2Only,
}

impl Metainfo {
    /// Reads a torrent file.
    ///
    /// Of a hybrid torrent (BEP 52) only version 1 is read. Keys in the wrong order are
    /// accepted: the info hash is over the bytes as they stand.
    pub fn parse(file: &[u8]) -> Result<Self, MetainfoError> {
        let source = Bytes::copy_from_slice(file.get(..MAX_TORRENT_LEN).unwrap_or(file));
        if source.len() < file.len() {
            return Err(MetainfoError {
                key: String::new(),
                offset: MAX_TORRENT_LEN,
                problem: Problem::TooLong,
            });
        }
        let read = bencode::read_prefix(&source, LIMITS).map_err(|error| MetainfoError {
            key: String::new(),
            offset: error.offset,
            problem: match error.kind {
                ReadErrorKind::UnexpectedEnd | ReadErrorKind::StringPastEnd { .. } => {
                    Problem::Truncated(error)
                }
                _ => Problem::NotBencoded(error),
            },
        })?;
        metainfo(&source, &read.value).map_err(|flaw| MetainfoError {
            offset: locate(&source, &flaw.path).unwrap_or(0),
            key: flaw.key(),
            problem: flaw.problem,
        })
    }

    /// A torrent file around an info dictionary that came from a peer (BEP 9). Offsets in the
    /// error count from the start of `info`.
    pub fn from_info(info: &[u8]) -> Result<Self, MetainfoError> {
        let before = b"d4:info";
        Self::parse(&[before, info, b"e"].concat()).map_err(|error| MetainfoError {
            offset: error.offset.saturating_sub(before.len()),
            ..error
        })
    }
}

impl Builder {
    /// Hashes the content, writes the torrent file, and reads it back.
    pub fn build(&self, content: &Content) -> Result<Metainfo, MetainfoError> {
        let mut file = self.outer();
        file.push((Bytes::from_static(b"info"), Value::Dict(self.info(content))));
        Metainfo::parse(&bencode::encode_canonical(&Value::Dict(file)))
    }
}

/// Steps from the file's dictionary to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(&'static str),
    Item(usize),
}

/// A problem, and the way to it from inside out.
#[derive(Debug)]
struct Flaw {
    path: Vec<Step>,
    problem: Problem,
}

impl Flaw {
    fn new(problem: Problem) -> Self {
        Self {
            path: Vec::new(),
            problem,
        }
    }

    /// The same flaw, seen from the container in which it is at `step`.
    fn below(mut self, step: Step) -> Self {
        self.path.insert(0, step);
        self
    }

    fn key(&self) -> String {
        let mut key = String::new();
        for step in &self.path {
            match step {
                Step::Key(name) if key.is_empty() => key.push_str(name),
                Step::Key(name) => key.extend([".", name]),
                Step::Item(n) => key.push_str(&format!("[{n}]")),
            }
        }
        key
    }
}

impl From<Problem> for Flaw {
    fn from(problem: Problem) -> Self {
        Self::new(problem)
    }
}

fn metainfo(source: &Bytes, file: &Value) -> Result<Metainfo, Flaw> {
    let file = Dict(
        file.as_dict()
            .ok_or_else(|| Problem::NotADictionary(file.type_name()))?,
    );
    let announce = file.optional("announce", text)?;
    let info = file.required("info", dictionary)?;
    let below = |flaw: Flaw| flaw.below(Step::Key("info"));
    let parts = info_parts(&info).map_err(below)?;
    let info = exact(source, &[Step::Key("info")]).ok_or(Problem::Missing)?;
    Ok(Metainfo {
        source: source.clone(),
        info_hash: InfoHash(Sha1::digest(&info).into()),
        info,
        name: parts.name,
        geometry: parts.geometry,
        files: parts.files,
        single_file: parts.single_file,
        hashes: parts.hashes,
        announce,
        private: parts.private,
    })
}

struct InfoParts {
    name: String,
    geometry: Geometry,
    files: Vec<FileEntry>,
    single_file: bool,
    hashes: Bytes,
    private: bool,
}

fn info_parts(info: &Dict<'_>) -> Result<InfoParts, Flaw> {
    if !info.has("pieces") && (info.has("meta version") || info.has("file tree")) {
        return Err(Problem::Version2Only.into());
    }
    let name = info.required("name", file_name)?;
    let piece_len = info.required("piece length", piece_len)?;
    let hashes = info.required("pieces", |value| {
        let hashes = bytes(value)?;
        match hashes.len() % 20 {
            0 => Ok(hashes.clone()),
            _ => Err(Problem::CutHashes(hashes.len()).into()),
        }
    })?;
    let length = info.optional("length", length)?;
    let listed = info.optional("files", files)?;
    let single_file = listed.is_none();
    let files = match (length, listed) {
        (Some(len), None) => vec![FileEntry {
            path: vec![name.clone()],
            len,
            offset: 0,
            pad: false,
        }],
        (None, Some(files)) => files,
        (None, None) => return Err(Problem::NoLength.into()),
        (Some(_), Some(_)) => return Err(Problem::LengthAndFiles.into()),
    };
    let total = files
        .last()
        .map_or(0, |last| last.offset.saturating_add(last.len));
    let lengths = |error| {
        let key = if single_file { "length" } else { "files" };
        Flaw::from(Problem::Geometry(error)).below(Step::Key(key))
    };
    let geometry = Geometry::new(total, piece_len).map_err(lengths)?;
    if hashes.len() / 20 != usize::try_from(geometry.pieces()).unwrap_or(usize::MAX) {
        let count = Problem::HashCount {
            expected: geometry.pieces(),
            actual: hashes.len() / 20,
        };
        return Err(Flaw::from(count).below(Step::Key("pieces")));
    }
    let private = info.optional("private", integer)?;
    Ok(InfoParts {
        name,
        geometry,
        files,
        single_file,
        hashes,
        private: private == Some(1),
    })
}

fn files(value: &Value) -> Result<Vec<FileEntry>, Flaw> {
    let mut offset = 0_u64;
    let mut taken = Paths::default();
    each(value, |entry| {
        let entry = dictionary(entry)?;
        let len = entry.required("length", length)?;
        // BEP 47: `p` marks padding.
        let attr = entry.optional("attr", |value| bytes(value).cloned())?;
        let pad = attr.is_some_and(|attr| attr.contains(&b'p'));
        let path = entry.required("path", |value| {
            let path = each(value, file_name)?;
            match path.len() {
                MAX_PATH_NAMES.. => Err(Problem::PathTooDeep(path.len()).into()),
                _ if pad || taken.take(&path) => Ok(path),
                _ => Err(Problem::PathTaken.into()),
            }
        })?;
        let file = FileEntry {
            path,
            len,
            offset,
            pad,
        };
        offset = offset
            .checked_add(len)
            .ok_or_else(|| Flaw::from(Problem::Length(len.into())).below(Step::Key("length")))?;
        Ok(file)
    })
}

/// Paths given out so far.
#[derive(Default)]
struct Paths {
    files: HashSet<Vec<String>>,
    folders: HashSet<Vec<String>>,
}

impl Paths {
    /// Whether the path was free for a file; it is not any more.
    fn take(&mut self, path: &[String]) -> bool {
        let mut folder = path.to_vec();
        let mut free = !self.folders.contains(path);
        while folder.pop().is_some() && !folder.is_empty() {
            free = free && !self.files.contains(&folder);
            if !self.folders.insert(folder.clone()) {
                break;
            }
        }
        free && self.files.insert(path.to_vec())
    }
}

/// A dictionary, read by key.
struct Dict<'a>(&'a bencode::Dict);

impl<'a> Dict<'a> {
    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key.as_bytes())
    }

    fn optional<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, Flaw>,
    ) -> Result<Option<T>, Flaw> {
        let mut values = self.0.iter().filter(|(name, _)| name == key.as_bytes());
        let Some((_, value)) = values.next() else {
            return Ok(None);
        };
        let read = match values.next() {
            Some(_) => Err(Problem::Repeated.into()),
            None => read(value),
        };
        read.map(Some).map_err(|flaw| flaw.below(Step::Key(key)))
    }

    fn required<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, Flaw>,
    ) -> Result<T, Flaw> {
        self.optional(key, read)?
            .ok_or_else(|| Flaw::from(Problem::Missing).below(Step::Key(key)))
    }
}

/// Reads every entry of a list that must have some.
fn each<'a, T>(
    value: &'a Value,
    mut read: impl FnMut(&'a Value) -> Result<T, Flaw>,
) -> Result<Vec<T>, Flaw> {
    let list = value.as_list().ok_or_else(|| other(value, "a list"))?;
    if list.is_empty() {
        return Err(Problem::Empty.into());
    }
    let entries = list.iter().enumerate();
    entries
        .map(|(n, entry)| read(entry).map_err(|flaw| flaw.below(Step::Item(n))))
        .collect()
}

fn dictionary(value: &Value) -> Result<Dict<'_>, Flaw> {
    let dict = value
        .as_dict()
        .ok_or_else(|| other(value, "a dictionary"))?;
    Ok(Dict(dict))
}

fn bytes(value: &Value) -> Result<&Bytes, Flaw> {
    value.as_bytes().ok_or_else(|| other(value, "a string"))
}

fn integer(value: &Value) -> Result<i128, Flaw> {
    value.as_int().ok_or_else(|| other(value, "an integer"))
}

fn text(value: &Value) -> Result<String, Flaw> {
    let text = String::from_utf8(bytes(value)?.to_vec());
    text.map_err(|_| Problem::NotUtf8.into())
}

fn file_name(value: &Value) -> Result<String, Flaw> {
    match name::checked(bytes(value)?) {
        Ok(name) => Ok(name.to_owned()),
        Err(flaw) => Err(Problem::Name(flaw).into()),
    }
}

fn length(value: &Value) -> Result<u64, Flaw> {
    let length = integer(value)?;
    u64::try_from(length).map_err(|_| Problem::Length(length).into())
}

fn piece_len(value: &Value) -> Result<u32, Flaw> {
    let len = length(value)?;
    let error = match u32::try_from(len) {
        Ok(0) => GeometryError::NoPieceLen,
        Ok(len) if len <= MAX_PIECE_LEN => return Ok(len),
        _ => GeometryError::PieceLenTooBig(len),
    };
    Err(Problem::Geometry(error).into())
}

fn other(value: &Value, expected: &'static str) -> Flaw {
    Flaw::new(Problem::Type {
        expected,
        actual: value.type_name(),
    })
}

/// The bytes of the value at the end of `path`.
fn exact(source: &Bytes, path: &[Step]) -> Option<Bytes> {
    let start = locate(source, path)?;
    let read = bencode::read_prefix(&source.slice(start..), LIMITS).ok()?;
    Some(source.slice(start..start.checked_add(read.end)?))
}

/// Where the value at the end of `path` begins. A key that is missing is at its dictionary.
fn locate(source: &Bytes, path: &[Step]) -> Option<usize> {
    let mut at = 0_usize;
    for step in path {
        let rest = source.slice(at..);
        match step {
            Step::Key(key) => {
                let read = bencode::read_prefix(&rest, LIMITS).ok()?;
                let dict = read.value.as_dict()?;
                let Some((key, _)) = dict.iter().find(|(name, _)| name == key.as_bytes()) else {
                    return Some(at);
                };
                // Keys share their bytes with the source, and the value follows the key.
                let start = key.as_ptr().addr().checked_sub(rest.as_ptr().addr())?;
                at = at.checked_add(start)?.checked_add(key.len())?;
            }
            Step::Item(n) => {
                at = at.checked_add(1)?;
                for _ in 0..*n {
                    let read = bencode::read_prefix(&source.slice(at..), LIMITS).ok()?;
                    at = at.checked_add(read.end)?;
                }
            }
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests;
