//! All connections of one owner, polled from one task.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};

use super::conn::{Conn, DialError};
use super::tcp;

/// What happened. Connection numbers are the owner's.
#[derive(Debug)]
pub enum Event {
    /// A dialled connection stands.
    Connected {
        /// The connection.
        conn: u32,
        /// Our address.
        local: SocketAddr,
        /// The other end's.
        remote: SocketAddr,
    },
    /// A dialled connection does not come about.
    Failed {
        /// The connection.
        conn: u32,
        /// Why.
        why: DialError,
    },
    /// Somebody connected to a listener: [`Sockets::adopt`] it, or drop it.
    Incoming(Incoming),
    /// Bytes came.
    Bytes {
        /// The connection.
        conn: u32,
        /// At least one.
        bytes: Bytes,
    },
    /// Our bytes up to this stream offset are with the system.
    Written {
        /// The connection.
        conn: u32,
        /// The offset.
        upto: u64,
    },
    /// The other end sends no more.
    Eof {
        /// The connection.
        conn: u32,
    },
    /// The other end reset the connection; nothing more is told of it.
    Reset {
        /// The connection.
        conn: u32,
    },
    /// A write failed; what is queued is dropped, reading goes on to `Eof` or `Reset`.
    WriteFailed {
        /// The connection.
        conn: u32,
    },
}

/// A connection that somebody opened to us.
#[derive(Debug)]
pub struct Incoming {
    /// Where it came in.
    pub listener: ListenerId,
    /// Our address.
    pub local: SocketAddr,
    /// The other end's.
    pub remote: SocketAddr,
    stream: TcpStream,
}

/// One listener of a [`Sockets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerId(u32);

/// The connections of one owner.
///
/// Nothing happens between polls but in the system. Each [`poll`](Self::poll) first writes what is
/// queued, then reads; the connections take turns, so that a flood on one starves no other.
#[derive(Default)]
pub struct Sockets {
    conns: Vec<Conn>,
    listeners: Vec<(ListenerId, TcpListener)>,
    next_listener: u32,
    turn: usize,
    buffer: Vec<u8>,
}

impl Sockets {
    /// Without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts to open a connection from `source`, or from wherever the system likes.
    pub fn dial(&mut self, conn: u32, source: Option<IpAddr>, to: SocketAddr) {
        self.conns.push(Conn::dialling(conn, source, to));
    }

    /// Takes a connection that came in.
    pub fn adopt(&mut self, conn: u32, incoming: Incoming) {
        self.conns.push(Conn::open(conn, incoming.stream));
    }

    /// Starts to listen. Returns where: port 0 in `at` takes a free port.
    ///
    /// # Errors
    /// What the system says.
    pub fn listen(&mut self, at: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        let listener = tcp::listen(at)?;
        let local = listener.local_addr()?;
        let id = ListenerId(self.next_listener);
        self.next_listener = self.next_listener.wrapping_add(1);
        self.listeners.push((id, listener));
        Ok((id, local))
    }

    /// Stops listening: later connects are refused.
    pub fn stop_listening(&mut self, listener: ListenerId) {
        self.listeners.retain(|(id, _)| *id != listener);
    }

    /// Queues a segment, which gets a write of its own.
    pub fn write(&mut self, conn: u32, segment: Bytes) {
        if let Some(conn) = self.find(conn) {
            conn.write(segment);
        }
    }

    /// Bytes queued on a connection.
    pub fn queued(&self, conn: u32) -> usize {
        let conn = self.conns.iter().find(|known| known.number == conn);
        conn.map_or(0, Conn::queued)
    }

    /// Ends our sending direction behind what is queued; what comes is still told.
    pub fn fin(&mut self, conn: u32) {
        if let Some(conn) = self.find(conn) {
            conn.fin();
        }
    }

    /// Ends both directions behind what is queued; nothing more is told.
    pub fn close(&mut self, conn: u32) {
        if let Some(conn) = self.find(conn) {
            conn.close();
        }
    }

    /// Resets a connection; nothing more is told of it.
    pub fn rst(&mut self, conn: u32) {
        if let Some(conn) = self.find(conn) {
            conn.rst();
        }
    }

    /// Reads on, or leaves what comes with the system.
    pub fn reading(&mut self, conn: u32, on: bool) {
        if let Some(conn) = self.find(conn) {
            conn.reading = on;
        }
    }

    /// Drops every connection at once, by reset if `reset`. Listeners stay.
    pub fn drop_all(&mut self, reset: bool) {
        for conn in &mut self.conns {
            if reset {
                conn.rst();
            }
        }
        self.conns.clear();
    }

    /// Connections that are not over, those being drained included.
    pub fn open(&self) -> usize {
        self.conns.iter().filter(|conn| !conn.is_gone()).count()
    }

    /// The next thing that happened. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The next thing that happened.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.conns.retain(|conn| !conn.is_gone());
        if self.buffer.is_empty() {
            self.buffer = vec![0; READ_LEN];
        }
        for _ in 0..self.conns.len() {
            self.turn = (self.turn + 1) % self.conns.len();
            if let Some(conn) = self.conns.get_mut(self.turn)
                && let Poll::Ready(event) = conn.poll(cx, &mut self.buffer)
            {
                return Poll::Ready(event);
            }
        }
        for (listener, socket) in &self.listeners {
            while let Poll::Ready(accepted) = socket.poll_accept(cx) {
                match accepted {
                    Ok((stream, remote)) => {
                        let Ok(local) = stream.local_addr() else {
                            continue;
                        };
                        return Poll::Ready(Event::Incoming(Incoming {
                            listener: *listener,
                            local,
                            remote,
                            stream,
                        }));
                    }
                    // Reset while it waited for us: the next one.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    // Out of files or memory: tried again when something else happens.
                    Err(_) => break,
                }
            }
        }
        Poll::Pending
    }

    fn find(&mut self, number: u32) -> Option<&mut Conn> {
        // The newest: numbers may be used again once a connection is over.
        self.conns.iter_mut().rev().find(|c| c.number == number)
    }
}

/// Bytes read at once.
const READ_LEN: usize = 64 * 1024;
