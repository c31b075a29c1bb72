//! `btspec compare A B`.

use std::io::Write;

use btspec::outcome::Exit;
use btspec::outcome::compare::Comparison;
use btspec::outcome::recording;

use super::args::{CompareArgs, CompareFormat};
use super::out;
use super::stop::Stop;

pub(super) fn run(args: &CompareArgs) -> Result<Exit, Stop> {
    let read = |path: &std::path::Path| recording::read(path).map_err(Stop::usage);
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    for recording in [&before, &after] {
        if !recording.complete {
            out::diagnose(format!(
                "btspec: {} ends before its summary: that run was killed",
                recording.name
            ));
        }
    }
    let found = Comparison::of(&before.run, &after.run);
    let mut stdout = out::stdout();
    match args.format {
        CompareFormat::Text => writeln!(stdout, "{found}")?,
        CompareFormat::Json => {
            serde_json::to_writer_pretty(&mut stdout, &found).map_err(std::io::Error::from)?;
            writeln!(stdout)?;
        }
    }
    stdout.flush()?;
    Ok(match found.is_fine() {
        true => Exit::Ok,
        false => Exit::Found,
    })
}
