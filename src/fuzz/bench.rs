//! Where cases are played: in simulation, or over sockets.

use std::time::Duration;

use super::bounds::Limit;
use super::oracle::{Usage, Vitals};
use super::player::CasePlayer;

/// A target, and the means to play cases against it.
pub trait Bench {
    /// Plays all, perhaps several at once; gives them back in the same order. At the limit each is
    /// [cut off](CasePlayer::cut), and whoever cannot be reached then is not given back.
    fn play(&mut self, players: Vec<CasePlayer>, limit: &Limit<'_>) -> Vec<CasePlayer>;

    /// Whether it lives, and whether it wrote of trouble. Cheap.
    fn vitals(&mut self) -> Vitals;

    /// What it uses.
    fn usage(&mut self) -> Usage;

    /// Whether [`restart`](Self::restart) can work.
    fn can_restart(&self) -> bool;

    /// Ends the target and starts it anew, which is given up at the limit.
    ///
    /// # Errors
    /// Why it does not run.
    fn restart(&mut self, limit: &Limit<'_>) -> Result<(), String>;

    /// Lets time pass without a connection.
    fn rest(&mut self, span: Duration);

    /// Time since the bench was set up; virtual in simulation.
    fn elapsed(&self) -> Duration;

    /// The target reads at ticks of a timer: more connections at once take no more time.
    fn widen(&mut self) {}

    /// Whether that time is virtual.
    fn is_virtual(&self) -> bool;
}
