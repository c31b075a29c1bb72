//! `btspec fixture --out DIR`.

use std::io::Write;

use btspec::outcome::Exit;
use btspec::torrent::fixture;

use super::args::FixtureArgs;
use super::out;
use super::stop::Stop;

pub(super) fn run(args: &FixtureArgs) -> Result<Exit, Stop> {
    let written = fixture::write(&args.out).map_err(Stop::usage)?;
    let mut stdout = out::stdout();
    for one in written {
        writeln!(
            stdout,
            "{:<10} {}  {}  data {}",
            one.name,
            one.info_hash,
            one.torrent.display(),
            one.data.display()
        )?;
    }
    stdout.flush()?;
    Ok(Exit::Ok)
}
