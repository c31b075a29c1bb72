//! What is in the folder that a started client lives in: torrent, data, its settings, its helper
//! script.

use std::io;
use std::path::{Path, PathBuf};

use super::file::{ClientFile, Script};
use super::template::Vars;
use crate::peer::Role;
use crate::target::tracker::Tracker;
use crate::torrent::{DataError, Torrent};

/// Adds the paths below `folder` to `vars`: of the helper script, if there is one, and of the
/// torrent and its data. Nothing is written.
pub(super) fn name_places(folder: &Path, script: Option<&Script>, vars: &mut Vars) {
    let script = script.map(|script| script_path(folder, script));
    for (name, path) in [
        ("script", script.unwrap_or_default()),
        ("dir", folder.to_owned()),
        ("data", folder.join(DATA)),
        ("torrent", folder.join(TORRENT)),
    ] {
        vars.insert(name.to_owned(), path.to_string_lossy().into_owned());
    }
}

/// Puts the helper script there.
pub(super) fn write_script(folder: &Path, script: Option<&Script>) -> io::Result<()> {
    match script {
        Some(script) => std::fs::write(script_path(folder, script), &script.text),
        None => Ok(()),
    }
}

/// Writes what the client starts with. `vars` has the [places](name_places).
pub(super) fn furnish(
    folder: &Path,
    file: &ClientFile,
    role: Role,
    torrent: &Torrent,
    tracker: Option<&Tracker>,
    vars: &Vars,
) -> Result<(), DataError> {
    let data = folder.join(DATA);
    let torrent_file = folder.join(TORRENT);
    let failed = |path: &Path, source| DataError::Write {
        path: path.to_owned(),
        source,
    };
    std::fs::create_dir(&data).map_err(|error| failed(&data, error))?;
    let metainfo = match tracker {
        Some(tracker) => {
            // Only there it matters which tracker a peer came from.
            let private = torrent.metainfo().is_private();
            let second = private.then(|| tracker.second_url());
            let metainfo = torrent.metainfo();
            metainfo.announced_at(&tracker.url(), second.as_deref())
        }
        None => torrent.metainfo().announced_at(NOBODY, None),
    };
    std::fs::write(&torrent_file, metainfo).map_err(|error| failed(&torrent_file, error))?;
    if role == Role::Seed {
        torrent.write_data(&data)?;
    }
    for (path, template) in &file.files {
        let path = folder.join(path);
        let written = match path.parent() {
            Some(parent) => std::fs::create_dir_all(parent),
            None => Ok(()),
        };
        written
            .and_then(|()| std::fs::write(&path, template.fill(vars)))
            .map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// Not under its own name: `libtorrent.py` would be found by `import libtorrent`.
fn script_path(folder: &Path, script: &Script) -> PathBuf {
    let name = Path::new(&script.name).file_name().unwrap_or_default();
    folder.join(format!("driver-{}", name.to_string_lossy()))
}

/// Where no tracker is: some clients load no torrent that names none, and a tracker of the torrent's
/// own may lead to strangers.
const NOBODY: &str = "http://127.0.0.1:9/announce";

const DATA: &str = "data";

const TORRENT: &str = "subject.torrent";
