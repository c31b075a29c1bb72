//! One TCP connection: what is to be written, what has been read, how it ends.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::sockets::Event;
use super::tcp;

/// Why a connection could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// No answer.
    #[error("no answer in {} s", .0.as_secs())]
    Unanswered(Duration),
    /// Our side could not: no such source address, no free port, no route.
    #[error("{0}")]
    Local(String),
}

/// ```text
/// Dialling ──▶ Open ──▶ Drained (we ended it, and read the rest away) ──▶ Gone
///     └──────────┴───────────────────────────────────────────────────────▲
/// ```
pub(super) enum State {
    Dialling(Dial),
    Open(TcpStream),
    /// Both directions end: nothing of it is told any more.
    Drained(TcpStream, Pin<Box<Sleep>>),
    Gone,
}

type Dial = Pin<Box<dyn Future<Output = Result<TcpStream, DialError>> + Send>>;

pub(super) struct Conn {
    pub(super) number: u32,
    pub(super) state: State,
    queue: VecDeque<Bytes>,
    queued: usize,
    written: u64,
    told_written: u64,
    /// Whether the owner wants bytes.
    pub(super) reading: bool,
    fin: Fin,
    write_failed: Option<Told>,
    /// A write learnt of a reset; the system then shows the reader a plain end.
    reset: bool,
    ended: bool,
    drain: bool,
}

#[derive(PartialEq, Eq)]
enum Fin {
    No,
    Wanted,
    Sent,
}

#[derive(PartialEq, Eq)]
enum Told {
    Not,
    Yes,
}

impl Conn {
    pub(super) fn dialling(number: u32, source: Option<IpAddr>, to: SocketAddr) -> Self {
        Self::new(number, State::Dialling(Box::pin(dial(source, to))))
    }

    pub(super) fn open(number: u32, stream: TcpStream) -> Self {
        tcp::prepare(&stream);
        Self::new(number, State::Open(stream))
    }

    fn new(number: u32, state: State) -> Self {
        Self {
            number,
            state,
            queue: VecDeque::new(),
            queued: 0,
            written: 0,
            told_written: 0,
            reading: true,
            fin: Fin::No,
            write_failed: None,
            reset: false,
            ended: false,
            drain: false,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// Bytes that wait to be written.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn write(&mut self, segment: Bytes) {
        if self.write_failed.is_none() && self.fin == Fin::No && !segment.is_empty() {
            self.queued = self.queued.saturating_add(segment.len());
            self.queue.push_back(segment);
        }
    }

    /// Ends our sending direction behind what is queued.
    pub(super) fn fin(&mut self) {
        if matches!(self.state, State::Dialling(_)) {
            self.state = State::Gone;
        } else if self.fin == Fin::No {
            self.fin = Fin::Wanted;
        }
    }

    /// Ends both directions in order: what is queued goes out, what comes is thrown away.
    pub(super) fn close(&mut self) {
        self.fin();
        self.drain = true;
    }

    /// Resets. What is queued is offered to the system once before.
    pub(super) fn rst(&mut self) {
        if let State::Open(stream) | State::Drained(stream, _) = &self.state {
            for segment in self.queue.drain(..) {
                if stream.try_write(&segment).is_err() {
                    break;
                }
            }
            let _ = stream.set_zero_linger();
        }
        self.state = State::Gone;
    }

    /// The next thing that happened.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Event> {
        if let State::Dialling(dial) = &mut self.state {
            return match ready!(dial.as_mut().poll(cx)) {
                Ok(stream) => Poll::Ready(self.connected(stream)),
                Err(why) => {
                    self.state = State::Gone;
                    Poll::Ready(Event::Failed {
                        conn: self.number,
                        why,
                    })
                }
            };
        }
        if let Poll::Ready(event) = self.poll_write(cx) {
            return Poll::Ready(event);
        }
        if self.drain {
            self.poll_drain(cx, buffer);
            return Poll::Pending;
        }
        self.poll_read(cx, buffer)
    }

    fn connected(&mut self, stream: TcpStream) -> Event {
        let conn = self.number;
        match (stream.local_addr(), stream.peer_addr()) {
            (Ok(local), Ok(remote)) => {
                self.state = State::Open(stream);
                Event::Connected {
                    conn,
                    local,
                    remote,
                }
            }
            // Reset before we could look: it was taken and dropped at once.
            (Err(error), _) | (_, Err(error)) => {
                self.state = State::Gone;
                Event::Failed {
                    conn,
                    why: classify(&error),
                }
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let State::Open(stream) = &mut self.state else {
            return Poll::Pending;
        };
        while let Some(segment) = self.queue.front_mut() {
            match stream.poll_write_ready(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return self.write_failed(&error),
            }
            match stream.try_write(segment) {
                Ok(len) => {
                    self.written = self.written.saturating_add(len as u64);
                    self.queued = self.queued.saturating_sub(len);
                    segment.advance(len);
                    if segment.is_empty() {
                        self.queue.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.write_failed(&error),
            }
        }
        if self.queue.is_empty() && self.fin == Fin::Wanted {
            // An error here means that the connection is over, which reading will show.
            let _ = Pin::new(stream).poll_shutdown(cx);
            self.fin = Fin::Sent;
            if self.ended && self.written == self.told_written {
                self.state = State::Gone;
                return Poll::Pending;
            }
        }
        if self.written > self.told_written {
            self.told_written = self.written;
            return Poll::Ready(Event::Written {
                conn: self.number,
                upto: self.written,
            });
        }
        if self.write_failed == Some(Told::Not) {
            self.write_failed = Some(Told::Yes);
            return Poll::Ready(Event::WriteFailed { conn: self.number });
        }
        Poll::Pending
    }

    fn write_failed(&mut self, error: &io::Error) -> Poll<Event> {
        self.reset |= error.kind() == io::ErrorKind::ConnectionReset;
        self.queue.clear();
        self.queued = 0;
        self.fin = Fin::Sent;
        if self.written > self.told_written {
            self.told_written = self.written;
            self.write_failed = Some(Told::Not);
            return Poll::Ready(Event::Written {
                conn: self.number,
                upto: self.written,
            });
        }
        self.write_failed = Some(Told::Yes);
        Poll::Ready(Event::WriteFailed { conn: self.number })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Event> {
        let State::Open(stream) = &mut self.state else {
            return Poll::Pending;
        };
        if self.ended || !self.reading {
            return Poll::Pending;
        }
        let conn = self.number;
        loop {
            let read = match ready!(stream.poll_read_ready(cx)) {
                Ok(()) => stream.try_read(buffer),
                Err(error) => Err(error),
            };
            match read {
                Ok(0) => {
                    self.ended = true;
                    return Poll::Ready(if self.reset {
                        self.state = State::Gone;
                        Event::Reset { conn }
                    } else {
                        Event::Eof { conn }
                    });
                }
                Ok(len) => {
                    tcp::acknowledge_at_once(stream);
                    let bytes = Bytes::copy_from_slice(buffer.get(..len).unwrap_or_default());
                    return Poll::Ready(Event::Bytes { conn, bytes });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.ended = true;
                    self.state = State::Gone;
                    return Poll::Ready(Event::Reset { conn });
                }
            }
        }
    }

    /// Reads what still comes away, so that the system does not answer it with a reset that
    /// overtakes our last bytes.
    fn poll_drain(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) {
        if self.fin == Fin::Sent
            && let State::Open(_) = self.state
            && let State::Open(stream) = std::mem::replace(&mut self.state, State::Gone)
        {
            self.state = State::Drained(stream, Box::pin(tokio::time::sleep(DRAIN)));
        }
        let State::Drained(stream, limit) = &mut self.state else {
            return;
        };
        if self.ended || limit.as_mut().poll(cx).is_ready() {
            self.state = State::Gone;
            return;
        }
        while let Poll::Ready(ready) = stream.poll_read_ready(cx) {
            match ready.and_then(|()| stream.try_read(buffer)) {
                Ok(len) if len > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => {
                    self.state = State::Gone;
                    return;
                }
            }
        }
    }
}

async fn dial(source: Option<IpAddr>, to: SocketAddr) -> Result<TcpStream, DialError> {
    match tokio::time::timeout(DIAL_LIMIT, tcp::dial(source, to)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(DialError::Unanswered(DIAL_LIMIT)),
    }
}

fn classify(error: &io::Error) -> DialError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::NotConnected => DialError::Refused,
        io::ErrorKind::TimedOut => DialError::Unanswered(DIAL_LIMIT),
        _ => DialError::Local(error.to_string()),
    }
}

/// Whoever dials has a shorter deadline of its own; this one only bounds what it forgets.
const DIAL_LIMIT: Duration = Duration::from_secs(60);

/// How long the rest of a closed connection is read away.
const DRAIN: Duration = Duration::from_secs(2);
