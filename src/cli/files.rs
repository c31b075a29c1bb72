//! Files of the user that a run reads and may write anew: known failures, lock, observations.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::stop::Stop;

/// The text of a file; of one that is not there yet nothing, if it is about to be written.
/// `hint` stands behind an error.
pub(super) fn read(path: &Path, new: bool, hint: &str) -> Result<String, Stop> {
    let shown = path.display();
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_LEN + 1).read_to_end(&mut text));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound && new => return Ok(String::new()),
        Err(error) => return Err(Stop::usage(format!("cannot read {shown}: {error}{hint}"))),
    }
    if text.len() as u64 > MAX_LEN {
        let what = format!("{shown} is longer than {MAX_LEN} bytes");
        return Err(Stop::usage(what));
    }
    String::from_utf8(text).map_err(|_| Stop::usage(format!("{shown} is no UTF-8 text")))
}

/// Puts `text` in the place of what a file holds: whoever reads it meanwhile, and whatever ends
/// this process, one of the two is there as a whole.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Stop> {
    // A link stays one.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let beside = beside(&path);
    let written = match path.exists() && !path.is_file() {
        // A device or a pipe has no place to be put in.
        true => std::fs::write(&path, text),
        false => File::create(&beside)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&beside, &path)),
    };
    written.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        Stop::usage(format!("cannot write {}: {error}", path.display()))
    })
}

/// A name of this process in the same folder.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

/// Far more than there are cases.
const MAX_LEN: u64 = 4 << 20;
