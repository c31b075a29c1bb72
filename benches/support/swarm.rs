//! Work in simulation: cases against the reference peer, and downloads among reference peers.

use std::net::SocketAddr;
use std::time::Duration;

use btspec::engine::run::{RunConfig, run_self};
use btspec::engine::self_mode::{SelfMode, reference};
use btspec::engine::sim::{World, WorldConfig};
use btspec::outcome::RunOutcome;
use btspec::peer::{Input, Peer, PeerConfig, PeerEvent, Role as PeerRole};
use btspec::scenario::ast::{Direction, Role};
use btspec::scenario::{Choice, Play, embedded, expand};
use btspec::torrent::metainfo::Builder;
use btspec::torrent::{Content, Geometry, Torrent};

/// Every play of the suites, as `btspec run` has them.
pub(crate) fn all_plays() -> Vec<Play> {
    let choice = Choice {
        roles: vec![Role::Seed, Role::Leech],
        directions: vec![Direction::Dialled, Direction::Dials],
        variants: Vec::new(),
    };
    let suites = embedded().unwrap_or_default();
    let plays = suites.iter().map(|suite| expand(suite, &choice));
    plays.flat_map(Result::unwrap_or_default).collect()
}

/// `count` plays: ten of the suites', from first to last, again and again.
pub(crate) fn plays(count: usize) -> Vec<Play> {
    let all = all_plays();
    let every = all.len() / KINDS;
    let kinds: Vec<Play> = all.into_iter().step_by(every.max(1)).take(KINDS).collect();
    kinds.into_iter().cycle().take(count).collect()
}

/// Plays them in simulation on one thread, rules and transcripts on.
pub(crate) fn play(plays: &[Play]) -> RunOutcome {
    let make = reference(|config| config);
    run_self(
        &mut SelfMode::new(&make),
        plays,
        &RunConfig::new("self"),
        &|_| {},
    )
}

/// A torrent of that many MiB in pieces of 256 KiB, its bytes in memory.
pub(crate) fn torrent(mib: u64) -> Torrent {
    let geometry = Geometry::new(mib << 20, 256 << 10).expect("lengths are sound");
    let content = Content::from_seed(mib, geometry);
    content.hold();
    Torrent::build(&Builder::new("btspec-bench.bin"), content).expect("the torrent is sound")
}

/// Lets so many leeches download from one seed, and says how many have completed.
pub(crate) fn download(torrent: &Torrent, leeches: u16) -> u16 {
    let mut world = World::new(WorldConfig::with_latency(Duration::from_millis(1)));
    world.keep_events();
    world.add(peer(torrent, PeerRole::Seed, 0), addr(0));
    for n in 1..=leeches {
        let leech = world.add(peer(torrent, PeerRole::Leech, n), addr(n));
        let dial = Input::Dial {
            remote: addr(0),
            expected: None,
        };
        world.command(leech, dial);
    }
    let mut completed = 0;
    world.run(LIMIT, |world| {
        let events = world.take_events();
        let new = events
            .iter()
            .filter(|(_, event)| *event == PeerEvent::Completed);
        completed += u16::try_from(new.count()).unwrap_or(u16::MAX);
        completed == leeches
    });
    completed
}

fn peer(torrent: &Torrent, role: PeerRole, n: u16) -> Box<Peer> {
    let mut config = PeerConfig::new(torrent.clone(), role).with_seed(n.into());
    config.listen = addr(n);
    // Everybody has a slot: what is measured is the work, not the waiting for a turn.
    config.settings.slots = usize::from(u16::MAX);
    Box::new(Peer::new(config))
}

fn addr(n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 6881))
}

const KINDS: usize = 10;

/// Virtual time that no download needs.
const LIMIT: Duration = Duration::from_secs(24 * 3600);
