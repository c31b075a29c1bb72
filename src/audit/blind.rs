//! Where cases look and no defect ever showed itself: each case, in each role and direction, has to
//! be seen to fail for each requirement that it cites.

use std::collections::{BTreeMap, BTreeSet};

use super::faults::FaultRow;
use crate::scenario::Play;

/// Kinds of play (case, role, direction) in which no defect of the requirement was seen, with the
/// requirement, such as `B3-CH-01 choking/waits:seed`. Plays of one kind differ in their matrix.
pub(super) fn blind(plays: &[Play], rows: &[FaultRow]) -> Vec<String> {
    let kinds: BTreeMap<String, String> = plays
        .iter()
        .map(|play| (play.id.to_string(), kind(play)))
        .collect();
    let seen: BTreeSet<(&str, &str)> = rows
        .iter()
        .flat_map(|row| &row.kills)
        .filter_map(|kill| Some((kill.requirement.as_str(), kinds.get(&kill.row)?.as_str())))
        .collect();
    let cited: BTreeSet<(&str, &str)> = plays
        .iter()
        .flat_map(|play| {
            let kind = kinds.get(&play.id.to_string()).map(String::as_str);
            let cites = play.case.cites.iter();
            cites.filter_map(move |cite| Some((cite.id.as_str(), kind?)))
        })
        .collect();
    let blind = cited.difference(&seen);
    blind.map(|(id, kind)| format!("{id} {kind}")).collect()
}

fn kind(play: &Play) -> String {
    let id = play.id.to_string();
    match (id.find('['), id.rfind(']')) {
        (Some(from), Some(to)) => [&id[..from], &id[to + 1..]].concat(),
        _ => id,
    }
}
