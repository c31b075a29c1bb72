//! Helpers for tests that play scenarios in simulation.

use btspec::engine::player::Played;
use btspec::engine::self_mode::{SelfMode, reference};
use btspec::scenario::ast::{Direction, Role};
use btspec::scenario::{Choice, Play, expand, parse_text};

/// The plays of a scenario file given as text, both roles, dialled.
#[track_caller]
pub(crate) fn plays(text: &str) -> Vec<Play> {
    let suite = match parse_text("test.yaml", text) {
        Ok(suite) => suite,
        Err(errors) => panic!(
            "{}",
            errors
                .iter()
                .map(|e| e.render())
                .collect::<Vec<_>>()
                .join("\n")
        ),
    };
    let choice = Choice {
        roles: vec![Role::Seed, Role::Leech],
        directions: vec![Direction::Dialled, Direction::Dials],
        variants: vec![],
    };
    expand(&suite, &choice).unwrap()
}

/// Plays every play against the reference peer.
#[track_caller]
pub(crate) fn play(text: &str) -> Vec<Played> {
    let make = reference(|config| config);
    SelfMode::new(&make).play_all(&plays(text), &|_| {})
}
