//! The way to a target on sockets, as `run`, `fuzz` and `shrink` take it.

use btspec::engine::driver::OpenError;
use btspec::target::SourceList;
use btspec::target::client::{ClientFile, Launcher};

use super::stop::Stop;

/// Why there is no stage.
pub(super) enum Closed {
    /// Something that the user can mend, or our defect.
    Stop(Stop),
    /// The target is out of reach, or does not start; why.
    Unreachable(String),
}

impl From<OpenError> for Closed {
    fn from(error: OpenError) -> Self {
        if error.is_usage() {
            Self::Stop(Stop::usage(error))
        } else {
            Self::Unreachable(error.to_string())
        }
    }
}

impl From<Stop> for Closed {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// The driver that `--client` or `--exec` asks for, if either is given.
pub(super) fn driver(
    client: Option<&str>,
    exec: Option<&str>,
    source: Option<&SourceList>,
) -> Result<Option<ClientFile>, Stop> {
    let driver = match (client, exec) {
        (Some(name), _) => ClientFile::find(name).map_err(Stop::usage)?,
        (_, Some(command)) => ClientFile::exec(command).map_err(Stop::usage)?,
        (None, None) => return Ok(None),
    };
    match source {
        None => Ok(Some(driver)),
        Some(_) => Err(Stop::usage(
            "--source is for --target: clients are started on loopback",
        )),
    }
}

/// This program, in which the guards of clients are.
pub(super) fn launcher() -> Result<Launcher, Stop> {
    Launcher::this_program()
        .map_err(|error| Stop::internal(format!("no path to this program: {error}")))
}
