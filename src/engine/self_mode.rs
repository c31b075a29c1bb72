//! Self mode: plays against simulated processes, a fresh one for each play, on several threads.
//!
//! What a play comes to depends on nothing but its play, the seed and the process: the number of
//! threads changes nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::io::Tester;
use super::player::{Played, Player, meets};
use super::settings::{FreshPool, Profile, Settings};
use super::sim::{World, WorldConfig};
use crate::outcome::Verdict;
use crate::peer::{Peer, PeerConfig, Process, Role as PeerRole, VERBS};
use crate::scenario::Play;
use crate::scenario::ast::Role;
use crate::target::Halt;
use crate::torrent::{Torrent, fixture};
use crate::wire::{Capability, Reserved};

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
        config.settings.dial_contacts = true;
        config.settings.dht_port = Some(LISTEN.port());
        config.reserved =
            Reserved::with(&[Capability::Fast, Capability::Extended, Capability::Dht]);
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
    /// What every player is told. Each gets a pool of fresh pieces and its role's profile.
    pub settings: Settings,
    /// What the target of each role was seen to support; see [`learn`](Self::learn).
    pub profiles: BTreeMap<Role, Arc<Profile>>,
    /// Threads.
    pub jobs: usize,
    /// Ends [`play_until`](Self::play_until) before its last play.
    pub halt: Halt,
}

impl<'a> SelfMode<'a> {
    /// With the fixtures' torrents, no latency and one thread.
    pub fn new(make: &'a dyn Make) -> Self {
        Self {
            torrents: vec![
                fixture::main().torrent,
                fixture::one_piece().torrent,
                fixture::private().torrent,
                fixture::even().torrent,
                fixture::large().torrent,
                fixture::whole_info().torrent,
            ],
            make,
            world: WorldConfig::default(),
            settings: Settings::default(),
            profiles: BTreeMap::new(),
            jobs: 1,
            halt: Halt::never(),
        }
    }

    /// Learns each role's profile as a preflight would: what plays need is then known before
    /// anything is sent.
    pub fn learn(&mut self, roles: impl IntoIterator<Item = Role>) {
        for role in roles {
            let Some(play) = super::run::preflight_play(role) else {
                continue;
            };
            let played = self.play(&play);
            if played.outcome.verdict == Verdict::Pass
                && let Some(profile) = played.profile
            {
                self.profiles.insert(role, Arc::new(profile));
            }
        }
    }

    /// Plays one.
    pub fn play(&self, play: &Play) -> Played {
        let torrent = self.torrent_for(play);
        let settings = Settings {
            fresh: FreshPool::new(),
            profile: self.profiles.get(&play.role).cloned(),
            verbs: VERBS.map(str::to_owned).into(),
            ..self.settings.clone()
        };
        let mut player = Player::new(play.clone(), torrent.clone(), settings);
        let mut world = World::new(self.world);
        let target = world.add(self.make.make(play.role, &torrent), LISTEN);
        if let Err(error) = world.play(&mut player, target)
            && !player.done()
        {
            player.abort(&format!("{error}; please report it"));
        }
        player.outcome()
    }

    /// Plays all, on as many threads as `jobs` says. Results are in the order of `plays`, and so
    /// does `done` hear of them.
    pub fn play_all(&self, plays: &[Play], done: &(dyn Fn(&Played) + Sync)) -> Vec<Played> {
        let all = self.play_until(plays, usize::MAX, &|_| false, done);
        all.into_iter().flatten().collect()
    }

    /// As [`play_all`](Self::play_all), up to the play with which `most` results count. What is
    /// behind it has no result, whatever other threads were at.
    pub fn play_until(
        &self,
        plays: &[Play],
        most: usize,
        counts: &(dyn Fn(&Played) -> bool + Sync),
        done: &(dyn Fn(&Played) + Sync),
    ) -> Vec<Option<Played>> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Results {
            slots: vec![None; plays.len()],
            told: 0,
            left: most,
        });
        let lock = || results.lock().unwrap_or_else(PoisonError::into_inner);
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(play) = plays.get(index) else { return };
                if lock().left == 0 || self.halt.why().is_some() {
                    return;
                }
                let played = self.play(play);
                lock().keep(index, played, counts, done);
            }
        };
        let threads = self.jobs.clamp(1, plays.len().max(1));
        if threads == 1 {
            work();
        } else {
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(work);
                }
            });
        }
        let results = results.into_inner();
        let mut results = results.unwrap_or_else(PoisonError::into_inner);
        if let Some(behind) = results.slots.get_mut(results.told..) {
            behind.fill(None);
        }
        results.slots
    }

    fn torrent_for(&self, play: &Play) -> Torrent {
        let fits = self.torrents.iter().find(|torrent| meets(play, torrent));
        let torrent = fits.or_else(|| self.torrents.first());
        torrent.map_or_else(|| fixture::main().torrent, Clone::clone)
    }
}

/// What plays on several threads came to.
struct Results {
    slots: Vec<Option<Played>>,
    /// How many, from the first on, `done` has heard of.
    told: usize,
    /// How many more may count.
    left: usize,
}

impl Results {
    /// Keeps a result, and tells of those whose turn it is.
    fn keep(
        &mut self,
        index: usize,
        played: Played,
        counts: &dyn Fn(&Played) -> bool,
        done: &dyn Fn(&Played),
    ) {
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(played);
        }
        while self.left > 0
            && let Some(Some(played)) = self.slots.get(self.told)
        {
            done(played);
            self.told += 1;
            if counts(played) {
                self.left -= 1;
            }
        }
    }
}
