//! `--fault NAME`: a defect of the reference peer; `--twin NAME`: another sound peer.

use btspec::audit::{TWINS, Twin};
use btspec::peer::fault::{self, FaultSet};
use btspec::requirement::nearest;

use super::stop::Stop;

/// The named defects together.
pub(super) fn set(names: &[String]) -> Result<FaultSet, Stop> {
    names.iter().try_fold(FaultSet::none(), |set, name| {
        let fault = fault::by_name(name).ok_or_else(|| {
            let meant = nearest(name, fault::all().map(|fault| fault.name)).map_or_else(
                || "see `btspec audit --list`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            Stop::usage(format!("no fault `{name}`; {meant}"))
        })?;
        Ok(set.with(fault))
    })
}

/// The sound peer of that name.
pub(super) fn twin(name: &str) -> Result<Twin, Stop> {
    let twin = TWINS.iter().find(|twin| twin.name == name);
    twin.copied().ok_or_else(|| {
        let names: Vec<&str> = TWINS.iter().map(|twin| twin.name).collect();
        Stop::usage(format!("no twin `{name}`; one of {}", names.join(", ")))
    })
}
