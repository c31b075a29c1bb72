//! Rows that no player makes: rules over a run, plays that were not played; the target.

use crate::outcome::case::ENOUGH;
use crate::outcome::{CaseOutcome, TargetInfo, Verdict};
use crate::scenario::Play;
use crate::scenario::ast::Role;

use super::settings::Profile;

/// The row of a play that the run did not come to.
pub(super) fn not_played(play: &Play, lost: Option<&str>, enough: bool) -> CaseOutcome {
    let mut row = super::player::empty_row(play);
    (row.verdict, row.reason) = match lost {
        Some(reason) => (Verdict::Inconclusive, Some(reason.to_owned())),
        None if enough => (Verdict::Skip, Some(ENOUGH.to_owned())),
        None => (
            Verdict::Error,
            Some("not played; please report it".to_owned()),
        ),
    };
    row
}

/// The target as reports show it.
pub(super) fn target_info(
    spec: &str,
    roles: impl IntoIterator<Item = Role>,
    profile: Option<&Profile>,
) -> TargetInfo {
    let roles: Vec<Role> = roles.into_iter().collect();
    let role = match roles.as_slice() {
        [] => None,
        [one] => Some(one.to_string()),
        _ => Some("both".to_owned()),
    };
    let mut info = TargetInfo {
        spec: spec.to_owned(),
        role,
        ..TargetInfo::default()
    };
    if let Some(profile) = profile {
        info.client.clone_from(&profile.client);
        let known = profile.reserved.known().map(|bit| bit.name.to_owned());
        let unknown = profile
            .reserved
            .unknown()
            .into_iter()
            .map(|(byte, bit)| format!("byte {byte} bit 0x{bit:02x}"));
        info.reserved = known.chain(unknown).collect();
        info.extensions = profile
            .extensions
            .iter()
            .map(|(name, id)| (name.clone(), u64::from(*id)))
            .collect();
    }
    info
}
