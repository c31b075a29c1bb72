//! The simulation: peers among themselves, and what the network does to bytes.

use std::net::SocketAddr;
use std::time::Duration;

use btspec::engine::sim::{Link, World, WorldConfig};
use btspec::peer::{Input, Peer, PeerConfig, PeerEvent, Role};
use btspec::torrent::{Torrent, fixture};

fn addr(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 6881))
}

fn peer(torrent: &Torrent, role: Role, n: u8) -> Box<Peer> {
    let mut config = PeerConfig::new(torrent.clone(), role).with_seed(n.into());
    config.listen = addr(n);
    Box::new(Peer::new(config))
}

/// When the leech was complete.
fn download(config: WorldConfig, torrent: &Torrent) -> Option<Duration> {
    let mut world = World::new(config);
    world.keep_events();
    world.add(peer(torrent, Role::Seed, 1), addr(1));
    let leech = world.add(peer(torrent, Role::Leech, 2), addr(2));
    world.command(
        leech,
        Input::Dial {
            remote: addr(1),
            expected: None,
        },
    );
    let mut complete = None;
    world.run(Duration::from_secs(24 * 3600), |world| {
        let events = world.take_events();
        if events
            .iter()
            .any(|(_, event)| *event == PeerEvent::Completed)
        {
            complete = Some(world.now());
        }
        complete.is_some()
    });
    complete
}

#[test]
fn leech_completes_from_seed_at_every_latency() {
    let torrent = fixture::main().torrent;
    let mut last = Duration::ZERO;
    for millis in [0, 1, 50, 400] {
        let latency = Duration::from_millis(millis);
        let took = download(WorldConfig::with_latency(latency), &torrent);
        let took = took.unwrap_or_else(|| panic!("not complete at {millis} ms"));
        assert!(took >= last, "{millis} ms took {took:?}, less than before");
        last = took;
    }
}

#[test]
fn leech_completes_when_every_byte_comes_alone() {
    let torrent = fixture::one_piece().torrent;
    let link = Link {
        latency: Duration::from_millis(1),
        segment: Some(1),
    };
    let config = WorldConfig {
        to_target: link,
        from_target: link,
    };
    assert!(download(config, &torrent).is_some());
}
