//! The torrent that a command is about: the user's, or the fixture `main`.

use std::path::Path;

use btspec::torrent::{Torrent, fixture};

use super::stop::Stop;

/// `--torrent` and `--data`; the fixture without them.
pub(super) fn torrent(torrent: Option<&Path>, data: Option<&Path>) -> Result<Torrent, Stop> {
    match torrent {
        None => Ok(fixture::main().torrent),
        Some(path) => Torrent::load(path, data).map_err(Stop::usage),
    }
}
