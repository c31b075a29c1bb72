//! Our side: watched connections, and the reference peer as a seed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use btspec::peer::{Input, Peer, PeerConfig, Role};
use btspec::target::Server;
use btspec::torrent::Torrent;
use btspec::trace::Dir;
use btspec::transport::blocking::{Blocking, Heard};
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::watch::{Watch, Watched};
use crate::peers::bare::Tally;

/// As the bare loop, over the fuzzer's connections, with ledgers, rules and transcript.
pub(super) fn connects(
    to: SocketAddr,
    torrent: &Torrent,
    opening: &Bytes,
    sources: impl Iterator<Item = IpAddr>,
) -> io::Result<Duration> {
    let mut buffer = vec![0; 64 << 10];
    let mut tally = Tally::begin();
    for source in sources {
        let began = Instant::now();
        let mut watch = Watch::new(torrent);
        let mut connection = Blocking::dial(Some(source), to, DEADLINE)?;
        connection.write(opening)?;
        watch.bytes(Dir::Sent, opening, began.elapsed());
        let answered = loop {
            if watch.availability_seen() {
                break true;
            }
            match connection.read(&mut buffer, began + DEADLINE) {
                Heard::Bytes(count) => {
                    watch.bytes(Dir::Received, &buffer[..count], began.elapsed());
                }
                Heard::Eof | Heard::Reset => break false,
                Heard::Nothing => return Err(io::ErrorKind::TimedOut.into()),
            }
        };
        tally.count(answered);
    }
    tally.each()
}

/// The reference peer serves until the other end closes, watched all the time. Says how long that
/// took, how many bytes of blocks went out, and how many messages were seen.
pub(super) fn seed(to: SocketAddr, torrent: &Torrent) -> io::Result<(Duration, u64, u64)> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let mut config = PeerConfig::new(torrent.clone(), Role::Seed);
    config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listen = config.listen;
    let watched = Watched::new(Peer::new(config), torrent);
    let mut server = Server::bind(listen, watched)?;
    let start = Instant::now();
    server.command(Input::Dial {
        remote: to,
        expected: None,
    });
    let served = server.run(|_| {}, |watched| watched.over);
    runtime.block_on(async { timeout(DOWNLOAD, served).await })?;
    let took = start.elapsed();
    let watched = server.process();
    Ok((took, watched.served(), watched.watch.observations()))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

const DEADLINE: Duration = Duration::from_secs(30);

/// More than the slowest machine needs.
const DOWNLOAD: Duration = Duration::from_secs(120);
