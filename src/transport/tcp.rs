//! Options of TCP sockets: source address, no delay, immediate acknowledgement, reset.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Opens a connection from `source`, or from wherever the system likes.
pub(super) async fn dial(source: Option<IpAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(to).await?;
    prepare(&stream);
    Ok(stream)
}

/// Listens at `at`; port 0 takes a free one.
pub(super) fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

/// What every connection of ours has: one write is one segment, and acknowledgements go out at
/// once. A refusal by the system only costs speed.
pub(super) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    acknowledge_at_once(stream);
}

/// Asks for the acknowledgement of what comes next without delay. The system forgets it, so it is
/// asked again after each read. A peer with Nagle's algorithm on serves 23 one-at-a-time requests
/// a second without this, and 8,000 with it.
pub(super) fn acknowledge_at_once(stream: &TcpStream) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = stream.set_quickack(true);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = stream;
}

const BACKLOG: u32 = 128;
