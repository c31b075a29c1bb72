//! The bench in simulation: virtual time, and the reference peer or any other process.

use std::time::Duration;

use super::bench::Bench;
use super::bounds::Limit;
use super::ground::Ground;
use super::oracle::{Usage, Vitals};
use super::player::CasePlayer;
use crate::engine::self_mode::LISTEN;
use crate::engine::sim::{HostId, World, WorldConfig};
use crate::peer::Process;

/// Starts a target.
pub type Start<'a> = dyn Fn(&Ground) -> Box<dyn Process> + 'a;

/// A simulated target that keeps its state from case to case.
pub struct SimBench<'a> {
    start: &'a Start<'a>,
    ground: Ground,
    world: World,
    target: HostId,
    before: Duration,
}

impl<'a> SimBench<'a> {
    /// Starts it.
    pub fn new(start: &'a Start<'a>, ground: Ground) -> Self {
        let mut world = World::new(WorldConfig::default());
        let target = world.add(start(&ground), LISTEN);
        Self {
            start,
            ground,
            world,
            target,
            before: Duration::ZERO,
        }
    }
}

impl Bench for SimBench<'_> {
    fn play(&mut self, mut players: Vec<CasePlayer>, limit: &Limit<'_>) -> Vec<CasePlayer> {
        for player in &mut players {
            let now = self.elapsed();
            if limit.reached(now) {
                player.cut();
                continue;
            }
            if let Some(at) = limit.at() {
                player.end_at(at.saturating_sub(now));
            }
            if let Err(error) = self.world.play(player, self.target) {
                player.fail(error.to_string());
            }
        }
        players
    }

    fn vitals(&mut self) -> Vitals {
        let health = self.world.health_of(self.target);
        Vitals {
            alive: health.alive,
            exit: health.exit,
            ..Vitals::default()
        }
    }

    fn usage(&mut self) -> Usage {
        let health = self.world.health_of(self.target);
        Usage {
            memory: health.memory,
            files: None,
            cpu: None,
        }
    }

    fn can_restart(&self) -> bool {
        true
    }

    fn restart(&mut self, _: &Limit<'_>) -> Result<(), String> {
        self.before = self.before.saturating_add(self.world.now());
        self.world = World::new(WorldConfig::default());
        self.target = self.world.add((self.start)(&self.ground), LISTEN);
        Ok(())
    }

    fn rest(&mut self, span: Duration) {
        let until = self.world.now().saturating_add(span);
        self.world.run(until, |_| false);
    }

    fn elapsed(&self) -> Duration {
        self.before.saturating_add(self.world.now())
    }

    fn is_virtual(&self) -> bool {
        true
    }
}
