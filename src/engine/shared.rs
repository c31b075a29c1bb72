//! One simulated target for a whole run, as a stage: what a target over sockets would be.

use std::collections::BTreeSet;
use std::time::Duration;

use super::io::{Health, Tester};
use super::self_mode::{LISTEN, Make};
use super::sim::{HostId, World, WorldConfig};
use super::stage::{Cast, Stage};
use crate::peer::VERBS;
use crate::scenario::ast::Role;
use crate::torrent::Torrent;

/// A simulated target that keeps its state from play to play.
pub struct SharedTarget<'a> {
    make: &'a dyn Make,
    role: Role,
    torrent: Torrent,
    config: WorldConfig,
    world: World,
    target: HostId,
    /// Virtual time of the worlds before this one.
    before: Duration,
}

impl<'a> SharedTarget<'a> {
    /// Starts it.
    pub fn new(make: &'a dyn Make, role: Role, torrent: Torrent, config: WorldConfig) -> Self {
        let mut world = World::new(config);
        let target = world.add(make.make(role, &torrent), LISTEN);
        Self {
            make,
            role,
            torrent,
            config,
            world,
            target,
            before: Duration::ZERO,
        }
    }
}

impl Stage for SharedTarget<'_> {
    fn play(&mut self, tester: &mut dyn Tester) -> Result<(), String> {
        let played = self.world.play(tester, self.target);
        played.map_err(|error| error.to_string())
    }

    /// Plays one after another: nothing is gained side by side in virtual time.
    fn play_cast(&mut self, _: usize, cast: &mut dyn Cast) -> Result<(), String> {
        while let Some(mut player) = cast.next() {
            if let Err(reason) = self.play(&mut player) {
                player.abort(&format!("{reason}; please report it"));
            }
            cast.ended(player, &Vec::new);
        }
        Ok(())
    }

    fn addresses(&self) -> Option<u32> {
        None
    }

    fn verbs(&self) -> BTreeSet<String> {
        VERBS.map(str::to_owned).into()
    }

    fn dials(&self) -> Result<(), String> {
        Ok(())
    }

    fn announces(&self) -> Result<(), String> {
        Ok(())
    }

    fn bears(&self) -> usize {
        1
    }

    fn health(&self) -> Health {
        self.world.health_of(self.target)
    }

    fn log(&self) -> Vec<String> {
        Vec::new()
    }

    fn can_restart(&self) -> bool {
        true
    }

    fn restart(&mut self) -> Result<(), String> {
        self.before += self.world.now();
        self.world = World::new(self.config);
        let process = self.make.make(self.role, &self.torrent);
        self.target = self.world.add(process, LISTEN);
        Ok(())
    }

    fn load(&mut self, torrent: &Torrent) -> Result<(), String> {
        self.torrent = torrent.clone();
        self.restart()
    }

    fn elapsed(&self) -> Duration {
        self.before + self.world.now()
    }
}
