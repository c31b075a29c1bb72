//! Where plays happen: the seam between the orchestration of a run and what drives a tester.
//!
//! A run decides what is played when, judges the target's state between cases and starts it
//! anew; a stage plays testers and knows the target. Over sockets it is
//! [`SocketStage`](super::driver::SocketStage).

use std::collections::BTreeSet;
use std::time::Duration;

use super::io::{Health, Tester};
use super::player::Player;
use crate::torrent::Torrent;

/// A target, and the means to play testers against it.
pub trait Stage {
    /// Plays one tester to its end.
    ///
    /// # Errors
    /// When the loop itself cannot go on: a defect of ours, or [`halted`](Self::halted).
    fn play(&mut self, tester: &mut dyn Tester) -> Result<(), String>;

    /// Plays a whole cast, at most `lanes` at a time; whenever one ends, the next begins.
    ///
    /// # Errors
    /// As [`play`](Self::play); what was being played is lost.
    fn play_cast(&mut self, lanes: usize, cast: &mut dyn Cast) -> Result<(), String>;

    /// Source addresses that can be used at once; `None` is any number.
    fn addresses(&self) -> Option<u32>;

    /// Verbs that the target's driver knows.
    fn verbs(&self) -> BTreeSet<String>;

    /// Words of `needs` that the target's driver switches off, whatever the target shows.
    fn without(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// Whether the target can be made to dial us.
    ///
    /// # Errors
    /// Why not.
    fn dials(&self) -> Result<(), String>;

    /// Whether a tracker of ours hears of the target.
    ///
    /// # Errors
    /// Why not.
    fn announces(&self) -> Result<(), String>;

    /// Connections that the target bears at once, as far as anybody knows: a bound for lanes.
    fn bears(&self) -> usize;

    /// State of the target's processes.
    fn health(&self) -> Health;

    /// The last lines that the target itself wrote, oldest first.
    fn log(&self) -> Vec<String>;

    /// Whether [`restart`](Self::restart) can work.
    fn can_restart(&self) -> bool;

    /// Whether the target is to be started anew for each play: what it does is known to depend on
    /// connections that have long ended.
    fn isolates(&self) -> bool {
        false
    }

    /// Ends the target and starts it anew, as it was at the beginning.
    ///
    /// # Errors
    /// Why it does not run.
    fn restart(&mut self) -> Result<(), String>;

    /// Ends the target and starts it anew with another torrent.
    ///
    /// # Errors
    /// Why it does not run with that.
    fn load(&mut self, torrent: &Torrent) -> Result<(), String>;

    /// Time since the stage was set, on the clock that its testers are shown.
    fn elapsed(&self) -> Duration;

    /// Why nothing more is to be played, once somebody outside has said so.
    fn halted(&self) -> Option<String> {
        None
    }
}

/// Players that are played side by side.
pub trait Cast {
    /// The next one to begin; `None` when there are no more for now.
    fn next(&mut self) -> Option<Player>;
    /// One has ended; `log` gives the target's last lines of now.
    fn ended(&mut self, player: Player, log: &dyn Fn() -> Vec<String>);
}
