//! What a case needs and a target, run or torrent does not offer (SCENARIOS 3.22).

use super::env::TorrentEnv;
use super::state::State;
use crate::engine::settings::Profile;
use crate::scenario::Play;
use crate::scenario::ast::{Action, ConnectMode, Direction, Need, NeedKind, Step, Verb};
use crate::torrent::Torrent;
use crate::wire::{Capability, hex};

/// The reason to skip the case before anything is sent.
pub(super) fn missing(state: &State) -> Option<String> {
    let case = &state.play.case;
    let lacking = case.needs.iter().find_map(|need| lacks(state, need));
    lacking.or_else(|| {
        let no_dials = state.settings.no_dials.as_ref()?;
        let dials = invites(&case.given, state) || invites(&case.steps, state);
        dials.then(|| no_dials.clone())
    })
}

/// Whether the target is asked to dial in one of these steps.
fn invites(steps: &[Step], state: &State) -> bool {
    let by_direction = state.play.direction == Direction::Dials;
    steps.iter().any(|step| {
        let own = match &step.action {
            Action::Connect(connect) => match connect.mode {
                ConnectMode::Accept => true,
                ConnectMode::Direction => by_direction,
                ConnectMode::Dial | ConnectMode::Listen => false,
            },
            Action::Repeat(repeat) => invites(&repeat.body, state),
            Action::Use(block) => invites(&block.body, state),
            Action::AnyOf {
                branches,
                otherwise,
            } => {
                invites(branches, state)
                    || otherwise
                        .as_ref()
                        .is_some_and(|steps| invites(steps, state))
            }
            _ => false,
        };
        own || invites(&step.then, state)
    })
}

fn lacks(state: &State, need: &Need) -> Option<String> {
    if state.settings.without.contains(&need.text) {
        return Some(format!("the driver switches {} off", need.text));
    }
    let profile = state.settings.profile.as_deref();
    match &need.what {
        NeedKind::Fast => bit(profile?, Capability::Fast),
        NeedKind::Extended => bit(profile?, Capability::Extended),
        NeedKind::Dht => bit(profile?, Capability::Dht),
        NeedKind::Extension(name) => extension(profile?, name),
        NeedKind::Addresses(n) => {
            let usable = state.settings.addresses?;
            (usable < *n).then(|| format!("needs {n} source addresses, {usable} can be used"))
        }
        NeedKind::Driver(verb) => {
            let name = verb_name(*verb);
            let known = state.settings.verbs.contains(name);
            (!known).then(|| format!("no driver that knows `{name}`"))
        }
        NeedKind::Tracker => state.settings.no_tracker.clone(),
        NeedKind::Content(expr) => match expr.eval_bool(&TorrentEnv(&state.torrent)) {
            Ok(true) => None,
            Ok(false) => Some(format!("the torrent does not meet `{}`", need.text)),
            Err(error) => Some(format!("`{}`: {error}", need.text)),
        },
    }
}

/// Whether a torrent meets what the play's case asks of its content.
pub fn meets(play: &Play, torrent: &Torrent) -> bool {
    play.case.needs.iter().all(|need| match &need.what {
        NeedKind::Content(expr) => matches!(expr.eval_bool(&TorrentEnv(torrent)), Ok(true)),
        _ => true,
    })
}

/// The reason to skip after a handshake, for targets without a profile.
pub(super) fn missing_bits(state: &State, conn: usize) -> Option<String> {
    if state.settings.profile.is_some() {
        return None;
    }
    let theirs = state.conns.get(conn)?.session.theirs().handshake()?;
    let profile = Profile {
        reserved: theirs.reserved,
        ..Profile::default()
    };
    let needs = &state.play.case.needs;
    needs.iter().find_map(|need| match need.what {
        NeedKind::Fast => bit(&profile, Capability::Fast),
        NeedKind::Extended | NeedKind::Extension(_) => bit(&profile, Capability::Extended),
        NeedKind::Dht => bit(&profile, Capability::Dht),
        _ => None,
    })
}

fn bit(profile: &Profile, capability: Capability) -> Option<String> {
    (!profile.reserved.has(capability)).then(|| {
        format!(
            "target does not offer {}: reserved bytes {}",
            capability.name(),
            hex::encode(&profile.reserved.0)
        )
    })
}

fn extension(profile: &Profile, name: &str) -> Option<String> {
    if profile.extensions.contains_key(name) {
        return None;
    }
    let names: Vec<&str> = profile.extensions.keys().map(String::as_str).collect();
    Some(if names.is_empty() {
        format!("target does not offer {name}: no extended handshake, or an empty m")
    } else {
        format!("target does not offer {name}: m has {}", names.join(", "))
    })
}

/// A verb as drivers know it.
pub(super) fn verb_name(verb: Verb) -> &'static str {
    match verb {
        Verb::AddPeer => "add-peer",
        Verb::Slots => "slots",
        Verb::Pause => "pause",
        Verb::Resume => "resume",
        Verb::Recheck => "recheck",
        Verb::Restart => "restart",
        Verb::Complete => "complete",
        Verb::Discard => "discard",
        Verb::ContentDir => "content-dir",
        Verb::Select => "select",
        Verb::SuperSeed => "super-seed",
        Verb::Connections => "connections",
        Verb::SwitchTracker => "switch-tracker",
    }
}
