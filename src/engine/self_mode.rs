//! Self mode: plays against simulated processes, a fresh one for each play, on several threads.
//!
//! What a play comes to depends on nothing but its play, the seed and the process: the number of
//! threads changes nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::io::Tester;
use super::player::{Played, Player, meets};
use super::run::{Job, Stage};
use super::settings::{FreshPool, Settings};
use super::sim::{World, WorldConfig};
use crate::outcome::RunEvent;
use crate::peer::{Peer, PeerConfig, Process, Role as PeerRole};
use crate::scenario::Play;
use crate::scenario::ast::Role;
use crate::torrent::{Torrent, fixture};

/// Where simulated targets listen.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 6881);

/// What is started for a play.
pub trait Make: Sync {
    /// A fresh process for the target's role, listening at [`LISTEN`].
    fn make(&self, role: Role, torrent: &Torrent) -> Box<dyn Process>;
}

impl<F> Make for F
where
    F: Fn(Role, &Torrent) -> Box<dyn Process> + Sync,
{
    fn make(&self, role: Role, torrent: &Torrent) -> Box<dyn Process> {
        self(role, torrent)
    }
}

/// The reference peer, with what `change` does to its configuration.
pub fn reference(
    change: impl Fn(PeerConfig) -> PeerConfig + Sync,
) -> impl Fn(Role, &Torrent) -> Box<dyn Process> + Sync {
    move |role, torrent| {
        let role = match role {
            Role::Seed => PeerRole::Seed,
            Role::Leech => PeerRole::Leech,
        };
        let mut config = PeerConfig::new(torrent.clone(), role);
        config.listen = LISTEN;
        Box::new(Peer::new(change(config)))
    }
}

/// Everything that plays of a self run have in common.
pub struct SelfMode<'a> {
    /// Torrents to choose from: a play gets the first that meets its needs.
    pub torrents: Vec<Torrent>,
    /// What is started for each play.
    pub make: &'a dyn Make,
    /// The simulated network.
    pub world: WorldConfig,
    /// Threads.
    pub jobs: usize,
}

impl<'a> SelfMode<'a> {
    /// With the fixtures' torrents, no latency and one thread.
    pub fn new(make: &'a dyn Make) -> Self {
        Self {
            torrents: vec![fixture::main().torrent, fixture::one_piece().torrent],
            make,
            world: WorldConfig::default(),
            jobs: 1,
        }
    }

    /// Plays one.
    pub fn play(&self, job: &Job) -> Played {
        let torrent = self.torrent_for(&job.play);
        let settings = Settings {
            fresh: FreshPool::new(),
            ..job.settings.clone()
        };
        let mut player = Player::new(job.play.clone(), torrent.clone(), settings);
        let mut world = World::new(self.world);
        let target = world.add(self.make.make(job.play.role, &torrent), LISTEN);
        if let Err(error) = world.play(&mut player, target)
            && !player.done()
        {
            player.abort(&format!("{error}; please report it"));
        }
        player.outcome()
    }

    /// Plays all, on as many threads as `jobs` says. Results are in the order of `batch`; `done`
    /// hears of each when it is over, in any order.
    pub fn play_all(&self, batch: &[Job], done: &(dyn Fn(&Played) + Sync)) -> Vec<Played> {
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<Option<Played>>> = Mutex::new(vec![None; batch.len()]);
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = batch.get(index) else { return };
                let played = self.play(job);
                done(&played);
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(slot) = results.get_mut(index) {
                    *slot = Some(played);
                }
            }
        };
        let threads = self.jobs.clamp(1, batch.len().max(1));
        if threads == 1 {
            work();
        } else {
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(work);
                }
            });
        }
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.into_iter().flatten().collect()
    }

    fn torrent_for(&self, play: &Play) -> Torrent {
        let fits = self.torrents.iter().find(|torrent| meets(play, torrent));
        let torrent = fits.or_else(|| self.torrents.first());
        torrent.map_or_else(|| fixture::main().torrent, Clone::clone)
    }
}

impl Stage for SelfMode<'_> {
    fn fresh_targets(&self) -> bool {
        true
    }

    fn play(&mut self, batch: &[Job], _: &mut dyn FnMut(RunEvent)) -> Vec<Played> {
        self.play_all(batch, &|_| {})
    }

    fn restart(&mut self) -> Result<bool, String> {
        Ok(true)
    }

    fn pause(&mut self, _: Duration) {}
}
