//! The folder that a started client lives in: torrent, data, its settings, its helper script.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use super::file::{ClientFile, Script};
use super::template::Vars;
use crate::peer::Role;
use crate::target::tracker::Tracker;
use crate::torrent::{DataError, Torrent};

/// A folder of our own below the system's temporary one. Removed on drop unless somebody else has
/// taken over.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    ours: bool,
}

impl Folder {
    /// Makes an empty folder with a name that nobody has.
    pub(super) fn new(client: &str) -> io::Result<Self> {
        let base = std::env::temp_dir();
        loop {
            let random = RandomState::new().build_hasher().finish();
            let path = base.join(format!("btspec-{client}-{random:016x}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, ours: true }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// From now on somebody else removes it.
    pub(super) fn hand_over(&mut self) {
        self.ours = false;
    }

    /// Puts the helper script in; returns where it is.
    pub(super) fn write_script(&self, script: Option<&Script>) -> io::Result<String> {
        let Some(Script { name, text }) = script else {
            return Ok(String::new());
        };
        // Not under its own name: `libtorrent.py` would be found by `import libtorrent`.
        let name = Path::new(name).file_name().unwrap_or_default();
        let path = self.path.join(format!("driver-{}", name.to_string_lossy()));
        std::fs::write(&path, text)?;
        Ok(shown(&path))
    }

    /// Writes what the client starts with; adds the paths to `vars`.
    pub(super) fn furnish(
        &self,
        file: &ClientFile,
        role: Role,
        torrent: &Torrent,
        tracker: Option<&Tracker>,
        vars: &mut Vars,
    ) -> Result<(), DataError> {
        let data = self.path.join("data");
        let torrent_file = self.path.join("subject.torrent");
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
            None => torrent.metainfo().encode(),
        };
        std::fs::write(&torrent_file, metainfo).map_err(|error| failed(&torrent_file, error))?;
        if role == Role::Seed {
            torrent.write_data(&data)?;
        }
        for (name, value) in [
            ("dir", shown(&self.path)),
            ("data", shown(&data)),
            ("torrent", shown(&torrent_file)),
        ] {
            vars.insert(name.to_owned(), value);
        }
        for (path, template) in &file.files {
            let path = self.path.join(path);
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
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
