//! The reference peer on real sockets: two of them, in two threads, move 64 MiB.

use std::time::Duration;

use btspec::peer::{Input, Peer, PeerConfig, Role};
use btspec::target::{Looks, Server, Sources, look};
use btspec::torrent::{Builder, Content, Geometry, Torrent};
use tokio::time::timeout;

fn torrent(len: u64, piece_len: u32) -> Torrent {
    let content = Content::from_seed(64, Geometry::new(len, piece_len).unwrap());
    Torrent::build(&Builder::new("large.bin"), content).unwrap()
}

fn local() -> std::net::SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[tokio::test]
async fn reference_seed_fills_reference_leech_with_64_mib() {
    let torrent = torrent((64 << 20) + 12_345, 256 * 1024);
    let bare = Torrent::without_content(torrent.metainfo().clone());
    let (tell, at) = tokio::sync::oneshot::channel();
    let served = torrent.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let peer = Peer::new(PeerConfig::new(served, Role::Seed));
            let mut seed = Server::bind(local(), peer).unwrap();
            tell.send(seed.addr()).unwrap();
            seed.run(|_| {}, |_| false).await
        });
    });
    let mut config = PeerConfig::new(bare, Role::Leech);
    config.seed = 1;
    let mut leech = Server::bind(local(), Peer::new(config)).unwrap();
    let remote = at.await.unwrap();
    leech.command(Input::Dial {
        remote,
        expected: None,
    });
    let full = leech.run(|_| {}, |peer| peer.pieces().is_full());
    timeout(Duration::from_secs(60), full).await.unwrap();

    let leech = leech.process();
    for index in 0..torrent.geometry().pieces() {
        let blocks = torrent.geometry().blocks(index);
        let piece = blocks
            .flat_map(|block| leech.block(&block).unwrap())
            .collect::<Vec<_>>();
        assert!(torrent.metainfo().is_piece(index, &piece), "piece {index}");
    }
}

#[tokio::test]
async fn a_look_at_served_peers_tells_seed_from_leech() {
    let torrent = torrent(40_000, 16 * 1024);
    for (role, looks) in [(Role::Seed, Looks::Seed), (Role::Leech, Looks::Leech)] {
        let peer = Peer::new(PeerConfig::new(torrent.clone(), role));
        let mut server = Server::bind(local(), peer).unwrap();
        let addr = server.addr();
        let limit = Duration::from_secs(10);
        let mut sources = Sources::loopback(1);
        let sight = tokio::select! {
            _ = server.run(|_| {}, |_| false) => panic!("ended"),
            sight = look(addr, sources.fresh(), &torrent, limit, limit) => sight.unwrap(),
        };
        assert_eq!(sight.looks(), looks);
        assert_eq!(sight.handshake.info_hash, torrent.info_hash());
    }
}

#[tokio::test]
async fn a_look_for_another_torrent_says_that_the_target_closes() {
    let served = torrent(40_000, 16 * 1024);
    let other = torrent(50_000, 16 * 1024);
    let peer = Peer::new(PeerConfig::new(served, Role::Seed));
    let mut server = Server::bind(local(), peer).unwrap();
    let addr = server.addr();
    let limit = Duration::from_secs(10);
    let error = tokio::select! {
        _ = server.run(|_| {}, |_| false) => panic!("ended"),
        seen = look(addr, None, &other, limit, limit) => seen.unwrap_err().to_string(),
    };
    let hash = other.info_hash();
    assert!(
        error.starts_with(&format!("it closes on our info hash {hash}")),
        "{error}"
    );
}
