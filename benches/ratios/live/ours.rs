//! Our side: connections of the transport, and the reference peer as a seed.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use btspec::peer::{Input, Peer, PeerConfig, Role};
use btspec::target::Server;
use btspec::torrent::Torrent;
use btspec::trace::Dir;
use btspec::transport::{Event, Sockets};
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::watch::{Watch, Watched};

/// As the bare loop, through the transport, the ledgers and the rules.
pub(super) fn connects(
    to: SocketAddr,
    torrent: &Torrent,
    opening: &Bytes,
    count: u32,
) -> io::Result<Duration> {
    let runtime = runtime()?;
    let start = Instant::now();
    let all = async {
        let mut sockets = Sockets::new();
        for conn in 0..count {
            connect(&mut sockets, conn, to, torrent, opening).await?;
        }
        io::Result::Ok(())
    };
    runtime.block_on(all)?;
    Ok(start.elapsed() / count)
}

async fn connect(
    sockets: &mut Sockets,
    number: u32,
    to: SocketAddr,
    torrent: &Torrent,
    opening: &Bytes,
) -> io::Result<()> {
    let began = Instant::now();
    let mut watch = Watch::new(torrent);
    sockets.dial(number, None, to);
    while !watch.availability_seen() {
        let event = timeout(DEADLINE, poll_fn(|cx| sockets.poll(cx))).await?;
        match event {
            Event::Connected { conn, .. } if conn == number => {
                sockets.write(conn, opening.clone());
                watch.bytes(Dir::Sent, opening, began.elapsed());
            }
            Event::Bytes { conn, bytes } if conn == number => {
                watch.bytes(Dir::Received, &bytes, began.elapsed());
            }
            Event::Failed { conn, .. } | Event::Eof { conn } | Event::Reset { conn }
                if conn == number =>
            {
                return Err(io::Error::other("closed before it said what it has"));
            }
            // Of connections that we have closed.
            _ => {}
        }
    }
    sockets.close(number);
    Ok(())
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
