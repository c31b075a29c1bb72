//! `btspec coverage`: what of the BEPs is cited, and what is proved.

use std::io::Write;

use btspec::audit::{self, Audit};
use btspec::outcome::Exit;
use btspec::requirement::{catalogue, coverage};

use super::out;
use super::stop::Stop;

pub(super) fn run() -> Result<Exit, Stop> {
    let audit = Audit::embedded().map_err(|errors| Stop::scenarios(&errors))?;
    let rows = coverage::coverage(catalogue(), &audit::cited(&audit), &audit::proved());
    let mut stdout = out::stdout();
    write!(stdout, "{}", coverage::markdown(&rows))?;
    stdout.flush()?;
    Ok(Exit::Ok)
}
