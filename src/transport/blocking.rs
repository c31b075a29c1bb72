//! One TCP connection without an event loop: for short conversations by the thousand, where waking
//! up costs more than the bytes.
#![expect(
    clippy::disallowed_methods,
    reason = "the system takes limits, not deadlines"
)]

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// A connection whose reads and writes block.
#[derive(Debug)]
pub struct Blocking {
    stream: TcpStream,
    /// The limit that the system has for reads now.
    limit: Option<Duration>,
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// So many bytes.
    Bytes(usize),
    /// The other end sends no more.
    Eof,
    /// The other end reset the connection.
    Reset,
    /// Nothing until the deadline.
    Nothing,
}

impl Blocking {
    /// Opens a connection from `source`, or from wherever the system likes.
    ///
    /// # Errors
    /// When the other end refuses, does not answer in time, or the source address is not ours.
    pub fn dial(source: Option<IpAddr>, to: SocketAddr, limit: Duration) -> io::Result<Self> {
        let domain = Domain::for_address(to);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        if cfg!(any(target_os = "linux", target_os = "android")) {
            // There it bounds connects, too, and costs less than polling.
            socket.set_write_timeout(Some(limit))?;
            socket.connect(&to.into())?;
        } else {
            socket.connect_timeout(&to.into(), limit)?;
            socket.set_write_timeout(Some(limit))?;
        }
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        let connection = Self {
            stream,
            limit: None,
        };
        connection.acknowledge_at_once();
        Ok(connection)
    }

    /// Writes everything, in one segment if it fits.
    ///
    /// # Errors
    /// When the other end is gone, or takes nothing for as long as the connect may take.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads what is there, or waits for something until `deadline`.
    pub fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Heard {
        loop {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return self.read_now(buffer);
            };
            let left = left.max(Duration::from_millis(1));
            // A limit that is a little long costs less than a call for each read.
            if self
                .limit
                .is_none_or(|limit| limit > left + SLACK || limit * 2 < left)
            {
                if self.stream.set_read_timeout(Some(left)).is_err() {
                    return Heard::Reset;
                }
                self.limit = Some(left);
            }
            match self.read_once(buffer) {
                Heard::Nothing if Instant::now() < deadline => {}
                heard => return heard,
            }
        }
    }

    /// Reads what is there without waiting.
    fn read_now(&mut self, buffer: &mut [u8]) -> Heard {
        if self.stream.set_nonblocking(true).is_err() {
            return Heard::Reset;
        }
        let heard = self.read_once(buffer);
        let _ = self.stream.set_nonblocking(false);
        heard
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> Heard {
        match self.stream.read(buffer) {
            Ok(0) => Heard::Eof,
            Ok(count) => {
                self.acknowledge_at_once();
                Heard::Bytes(count)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::Interrupted => Heard::Nothing,
                _ => Heard::Reset,
            },
        }
    }

    /// Ends our sending direction.
    pub fn fin(&self) {
        // It fails where the other end is gone, which the next read tells.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Ends the connection by a reset.
    pub fn rst(self) {
        // Without it the system says FIN, which is no worse than what a cut line does.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    fn acknowledge_at_once(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = SockRef::from(&self.stream).set_tcp_quickack(true);
    }
}

/// How much longer than asked for a read may wait.
const SLACK: Duration = Duration::from_millis(8);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn hears_bytes_ends_resets_and_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let source = Some("127.0.0.9".parse().unwrap());
        let mut ours = Blocking::dial(source, to, Duration::from_secs(5)).unwrap();
        let (mut theirs, from) = listener.accept().unwrap();
        assert_eq!(from.ip().to_string(), "127.0.0.9");
        let mut buffer = [0; 8];
        assert_eq!(ours.read(&mut buffer, Instant::now()), Heard::Nothing);
        theirs.write_all(b"abc").unwrap();
        let soon = Instant::now() + Duration::from_secs(5);
        assert_eq!(ours.read(&mut buffer, soon), Heard::Bytes(3));
        ours.fin();
        assert_eq!(theirs.read(&mut buffer).unwrap(), 0);
        drop(theirs);
        assert_eq!(ours.read(&mut buffer, soon), Heard::Eof);

        let mut ours = Blocking::dial(None, to, Duration::from_secs(5)).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        SockRef::from(&theirs)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(theirs);
        assert_eq!(ours.read(&mut buffer, soon), Heard::Reset);
    }
}
