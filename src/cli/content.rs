//! The torrent that a command is about: the user's, or the fixture `main`.

use std::path::Path;

use btspec::torrent::{Torrent, fixture};

use super::stop::Stop;

/// `--torrent` and `--data`; the fixture without them. A fixture that was written to a file needs no
/// data.
pub(super) fn torrent(torrent: Option<&Path>, data: Option<&Path>) -> Result<Torrent, Stop> {
    match torrent {
        None => Ok(fixture::main().torrent),
        Some(path) => {
            let loaded = Torrent::load(path, data).map_err(Stop::usage)?;
            // Of our own torrents we know the content.
            let ours = || {
                let fixtures = fixture::all().into_iter().map(|it| it.torrent);
                let mut same = fixtures.filter(|it| it.info_hash() == loaded.info_hash());
                same.next()
            };
            let known = data.is_none().then(ours).flatten();
            Ok(known.unwrap_or(loaded))
        }
    }
}
