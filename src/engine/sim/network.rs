//! Connections between simulated hosts: what TCP does to bytes, ends and resets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

/// Number of a host, in the order in which they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub usize);

/// How what a host sends travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// Time from a write to its delivery.
    pub latency: Duration,
    /// Longest piece in which bytes are delivered; `None` keeps writes whole.
    pub segment: Option<usize>,
}

/// What happens to those who connect to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listening {
    /// They are accepted.
    #[default]
    Open,
    /// The process does not call accept: this many connections stand without being served, the
    /// rest is not answered.
    Stuck {
        /// Length of the queue.
        backlog: usize,
    },
    /// They are refused.
    Refused,
    /// They are not answered.
    Unanswered,
}

/// What the network tells a host about one of its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// Somebody connected.
    Accepted {
        /// From where.
        remote: SocketAddr,
        /// Which of our addresses they called.
        local: SocketAddr,
    },
    /// What we dialled stands.
    Connected,
    /// What we dialled was refused.
    Refused,
    /// What we dialled was not answered.
    Unanswered,
    /// Bytes.
    Bytes(Bytes),
    /// The other end sends no more.
    Eof,
    /// The other end reset the connection.
    Reset,
    /// What we sent is not read: buffers are full.
    Full,
    /// It is read again.
    Drained,
}

/// A delivery: to whom, about which of their connections, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The host.
    pub host: HostId,
    /// The host's own number of the connection.
    pub conn: u32,
    /// What happened.
    pub event: NetEvent,
}

/// All connections and everything in flight.
#[derive(Debug, Default)]
pub struct Network {
    queue: BinaryHeap<Reverse<Scheduled>>,
    hosts: Vec<Host>,
    conns: Vec<Conn>,
    seq: u64,
}

#[derive(Debug)]
struct Host {
    addrs: Vec<SocketAddr>,
    listening: Listening,
    unserved: usize,
    link: Link,
    next_accept: u32,
    by_local: BTreeMap<u32, (usize, Side)>,
}

#[derive(Debug)]
struct Conn {
    ends: [End; 2],
}

/// One end of a connection.
///
/// ```text
/// Opening ──▶ Open ──▶ HalfClosed ──▶ Closed
///     └─────────┴───────────┴──────────▲
/// ```
#[derive(Debug)]
struct End {
    host: HostId,
    local: u32,
    addr: SocketAddr,
    state: EndState,
    /// Bytes for this end that were sent at this instant or later, up to this number, are lost.
    lost: Option<(Duration, u64)>,
    /// The host does not read: what arrives waits, in order.
    held: Option<Vec<Travelling>>,
    /// Bytes that wait; the other end was told once they are many.
    unread: usize,
    told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndState {
    /// Dialled, not answered.
    Opening,
    /// Sends and receives.
    Open,
    /// Has ended its sending direction and still reads.
    HalfClosed,
    /// Neither sends nor reads: what arrives is answered by a reset.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Dialler = 0,
    Acceptor = 1,
}

#[derive(Debug, PartialEq, Eq)]
struct Scheduled {
    at: Duration,
    conn: usize,
    seq: u64,
    to: Side,
    what: Travelling,
}

#[derive(Debug, PartialEq, Eq)]
enum Travelling {
    Syn,
    SynAck,
    Refused,
    Unanswered,
    Bytes(Bytes),
    Fin,
    Rst,
    Full,
    Drained,
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.conn, self.seq).cmp(&(other.at, other.conn, other.seq))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Network {
    /// An empty network.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a host that answers at `addrs`; what it sends travels over `link`.
    pub fn add_host(&mut self, addrs: Vec<SocketAddr>, link: Link) -> HostId {
        let id = HostId(self.hosts.len());
        self.hosts.push(Host {
            addrs,
            listening: Listening::Open,
            unserved: 0,
            link,
            next_accept: 2,
            by_local: BTreeMap::new(),
        });
        id
    }

    /// Lets a host answer at one more address.
    pub fn add_addr(&mut self, host: HostId, addr: SocketAddr) {
        if let Some(host) = self.hosts.get_mut(host.0) {
            host.addrs.push(addr);
        }
    }

    /// Changes what happens to those who connect to `host`.
    pub fn listen(&mut self, host: HostId, listening: Listening) {
        if let Some(host) = self.hosts.get_mut(host.0) {
            host.listening = listening;
        }
    }

    /// When the next delivery is due.
    pub fn next_at(&self) -> Option<Duration> {
        self.queue.peek().map(|Reverse(event)| event.at)
    }

    /// The network's number of a host's connection: the order of ties.
    pub fn number(&self, host: HostId, local: u32) -> Option<usize> {
        let (conn, _) = self.hosts.get(host.0)?.by_local.get(&local)?;
        Some(*conn)
    }

    /// Opens a connection that `host` will know as `local`. Unanswered ones fail after a minute.
    pub fn dial(
        &mut self,
        host: HostId,
        local: u32,
        from: SocketAddr,
        to: SocketAddr,
        now: Duration,
    ) {
        let number = self.conns.len();
        let target = self.hosts.iter().position(|h| h.addrs.contains(&to));
        let dialler = End::new(host, local, from, EndState::Opening);
        // Without anybody at `to` the far end is never used.
        let far = HostId(target.unwrap_or(host.0));
        let acceptor = End::new(far, 0, to, EndState::Opening);
        self.conns.push(Conn {
            ends: [dialler, acceptor],
        });
        self.remember(host, local, number, Side::Dialler);
        if target.is_none() {
            let back = self.latency(host) * 2;
            self.push(now + back, number, Side::Dialler, Travelling::Refused);
            return;
        }
        let arrival = now + self.latency(host);
        self.push(arrival, number, Side::Acceptor, Travelling::Syn);
    }

    /// Sends bytes on a connection; those on one that is not open are lost.
    pub fn send(&mut self, host: HostId, local: u32, bytes: &Bytes, now: Duration) {
        let Some((number, side)) = self.lookup(host, local) else {
            return;
        };
        if self
            .end(number, side)
            .is_none_or(|e| e.state != EndState::Open)
        {
            return;
        }
        let link = self.link(host);
        let size = link.segment.unwrap_or(usize::MAX).max(1);
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let part = rest.split_to(size.min(rest.len()));
            self.push(
                now + link.latency,
                number,
                side.other(),
                Travelling::Bytes(part),
            );
        }
    }

    /// Ends `host`'s sending direction; it still hears what the other end sends.
    pub fn half_close(&mut self, host: HostId, local: u32, now: Duration) {
        self.send_fin(host, local, EndState::HalfClosed, now);
    }

    /// Closes both directions in order: the other end sees the end of the stream, and a reset if
    /// it goes on sending.
    pub fn close(&mut self, host: HostId, local: u32, now: Duration) {
        self.send_fin(host, local, EndState::Closed, now);
    }

    /// Resets a connection: what the other end has not been given yet is lost.
    pub fn reset(&mut self, host: HostId, local: u32, now: Duration) {
        let Some((number, side)) = self.lookup(host, local) else {
            return;
        };
        let Some(end) = self.end_mut(number, side) else {
            return;
        };
        if matches!(end.state, EndState::Opening) {
            end.state = EndState::Closed;
            return;
        }
        if end.state == EndState::Closed {
            return;
        }
        end.state = EndState::Closed;
        self.send_rst(number, side, now);
    }

    /// Ends a host: later connects are refused, every connection of its is reset.
    pub fn kill(&mut self, host: HostId, now: Duration) {
        self.listen(host, Listening::Refused);
        let locals: Vec<u32> = self
            .hosts
            .get(host.0)
            .map(|h| h.by_local.keys().copied().collect())
            .unwrap_or_default();
        for local in locals {
            self.reset(host, local, now);
        }
    }

    /// Takes the next delivery that is due at `now`, if there is one.
    pub fn deliver(&mut self, now: Duration) -> Option<Delivery> {
        while self.next_at().is_some_and(|at| at <= now) {
            let Reverse(event) = self.queue.pop()?;
            if let Some(delivery) = self.arrive(event, now) {
                return Some(delivery);
            }
        }
        None
    }

    /// Whether a host reads what comes on one of its connections. What it leaves alone waits, and
    /// the other end is told when that is more than buffers hold.
    pub fn reading(&mut self, host: HostId, local: u32, on: bool, now: Duration) {
        let Some((number, side)) = self.lookup(host, local) else {
            return;
        };
        let Some(end) = self.end_mut(number, side) else {
            return;
        };
        if !on {
            end.held.get_or_insert_default();
            return;
        }
        let held = end.held.take().unwrap_or_default();
        let told = std::mem::take(&mut end.told);
        end.unread = 0;
        for what in held {
            self.push(now, number, side, what);
        }
        if told {
            let back = now + self.latency(host);
            self.push(back, number, side.other(), Travelling::Drained);
        }
    }

    /// Keeps bytes and the end of a stream for a host that does not read.
    fn hold(&mut self, number: usize, to: Side, what: &Travelling, now: Duration) -> bool {
        let Some(end) = self.end_mut(number, to) else {
            return false;
        };
        let Some(held) = &mut end.held else {
            return false;
        };
        let len = match what {
            Travelling::Bytes(bytes) => {
                held.push(Travelling::Bytes(bytes.clone()));
                bytes.len()
            }
            Travelling::Fin => {
                held.push(Travelling::Fin);
                0
            }
            _ => return false,
        };
        end.unread = end.unread.saturating_add(len);
        let tells = end.unread > BUFFERS && !std::mem::replace(&mut end.told, true);
        let host = end.host;
        if tells {
            let back = now + self.latency(host);
            self.push(back, number, to.other(), Travelling::Full);
        }
        true
    }

    fn arrive(&mut self, event: Scheduled, now: Duration) -> Option<Delivery> {
        let Scheduled {
            at,
            conn,
            seq,
            to,
            what,
        } = event;
        if self.hold(conn, to, &what, now) {
            return None;
        }
        let end = self.end(conn, to)?;
        let (host, local, state) = (end.host, end.local, end.state);
        let lost = end
            .lost
            .is_some_and(|(instant, before)| at >= instant && seq < before);
        let event = match what {
            Travelling::Syn => return self.syn(conn, now),
            Travelling::SynAck => {
                if state != EndState::Opening {
                    // Given up meanwhile: the far end learns it as from a closed socket.
                    self.send_rst(conn, to, now);
                    return None;
                }
                self.set_state(conn, to, EndState::Open);
                NetEvent::Connected
            }
            Travelling::Refused | Travelling::Unanswered => {
                if state != EndState::Opening {
                    return None;
                }
                self.set_state(conn, to, EndState::Closed);
                if what == Travelling::Refused {
                    NetEvent::Refused
                } else {
                    NetEvent::Unanswered
                }
            }
            Travelling::Bytes(_) | Travelling::Fin if lost => return None,
            Travelling::Bytes(bytes) => match state {
                EndState::Open | EndState::HalfClosed => NetEvent::Bytes(bytes),
                EndState::Opening => return None,
                EndState::Closed => {
                    self.send_rst(conn, to, now);
                    return None;
                }
            },
            Travelling::Full if state == EndState::Open => NetEvent::Full,
            Travelling::Drained if state == EndState::Open => NetEvent::Drained,
            Travelling::Full | Travelling::Drained => return None,
            Travelling::Fin => match state {
                EndState::Open => NetEvent::Eof,
                EndState::HalfClosed => {
                    self.set_state(conn, to, EndState::Closed);
                    NetEvent::Eof
                }
                EndState::Opening | EndState::Closed => return None,
            },
            Travelling::Rst => {
                if state == EndState::Closed {
                    return None;
                }
                self.set_state(conn, to, EndState::Closed);
                NetEvent::Reset
            }
        };
        if local == 0 {
            // Nobody serves this end: it sits in a backlog.
            return None;
        }
        Some(Delivery {
            host,
            conn: local,
            event,
        })
    }

    /// A request to connect reaches its host.
    fn syn(&mut self, conn: usize, now: Duration) -> Option<Delivery> {
        let far = self.end(conn, Side::Acceptor)?;
        let (host, local_addr) = (far.host, far.addr);
        let remote = self.end(conn, Side::Dialler)?.addr;
        let back = now + self.latency(host);
        let state = self.hosts.get_mut(host.0)?;
        let answer = match state.listening {
            Listening::Open => Travelling::SynAck,
            Listening::Refused => Travelling::Refused,
            Listening::Stuck { backlog } if state.unserved < backlog => {
                state.unserved += 1;
                self.set_state(conn, Side::Acceptor, EndState::Open);
                self.push(back, conn, Side::Dialler, Travelling::SynAck);
                return None;
            }
            Listening::Stuck { .. } | Listening::Unanswered => {
                let fails = now + UNANSWERED_AFTER;
                self.push(fails, conn, Side::Dialler, Travelling::Unanswered);
                return None;
            }
        };
        let accepted = answer == Travelling::SynAck;
        self.push(back, conn, Side::Dialler, answer);
        if !accepted {
            return None;
        }
        let state = self.hosts.get_mut(host.0)?;
        let local = state.next_accept;
        state.next_accept += 2;
        self.remember(host, local, conn, Side::Acceptor);
        let end = self.end_mut(conn, Side::Acceptor)?;
        end.local = local;
        end.state = EndState::Open;
        Some(Delivery {
            host,
            conn: local,
            event: NetEvent::Accepted {
                remote,
                local: local_addr,
            },
        })
    }

    fn send_fin(&mut self, host: HostId, local: u32, then: EndState, now: Duration) {
        let Some((number, side)) = self.lookup(host, local) else {
            return;
        };
        let other = self.end(number, side.other()).map(|e| e.state);
        let Some(end) = self.end_mut(number, side) else {
            return;
        };
        match end.state {
            EndState::Open => {
                // Where the other end has ended too there is nothing left to read.
                let over = matches!(other, Some(EndState::HalfClosed | EndState::Closed));
                end.state = if over { EndState::Closed } else { then };
            }
            EndState::HalfClosed => {
                end.state = then;
                return;
            }
            EndState::Opening => {
                end.state = EndState::Closed;
                return;
            }
            EndState::Closed => return,
        }
        let at = now + self.latency(host);
        self.push(at, number, side.other(), Travelling::Fin);
    }

    /// Sends a reset from `from`; bytes that would arrive together with it are lost.
    fn send_rst(&mut self, number: usize, from: Side, now: Duration) {
        let Some(host) = self.end(number, from).map(|e| e.host) else {
            return;
        };
        let at = now + self.latency(host);
        self.push(at, number, from.other(), Travelling::Rst);
        let seq = self.seq;
        if let Some(end) = self.end_mut(number, from.other()) {
            end.lost = Some((at, seq));
        }
    }

    fn push(&mut self, at: Duration, conn: usize, to: Side, what: Travelling) {
        self.seq += 1;
        self.queue.push(Reverse(Scheduled {
            at,
            conn,
            seq: self.seq,
            to,
            what,
        }));
    }

    fn remember(&mut self, host: HostId, local: u32, number: usize, side: Side) {
        if let Some(host) = self.hosts.get_mut(host.0) {
            host.by_local.insert(local, (number, side));
        }
    }

    fn lookup(&self, host: HostId, local: u32) -> Option<(usize, Side)> {
        self.hosts.get(host.0)?.by_local.get(&local).copied()
    }

    fn end(&self, number: usize, side: Side) -> Option<&End> {
        self.conns.get(number)?.ends.get(side as usize)
    }

    fn end_mut(&mut self, number: usize, side: Side) -> Option<&mut End> {
        self.conns.get_mut(number)?.ends.get_mut(side as usize)
    }

    fn set_state(&mut self, number: usize, side: Side, state: EndState) {
        if let Some(end) = self.end_mut(number, side) {
            end.state = state;
        }
    }

    fn link(&self, host: HostId) -> Link {
        self.hosts.get(host.0).map(|h| h.link).unwrap_or_default()
    }

    fn latency(&self, host: HostId) -> Duration {
        self.link(host).latency
    }
}

impl End {
    fn new(host: HostId, local: u32, addr: SocketAddr, state: EndState) -> Self {
        Self {
            host,
            local,
            addr,
            state,
            lost: None,
            held: None,
            unread: 0,
            told: false,
        }
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// Bytes that the buffers between two hosts hold.
const BUFFERS: usize = 256 * 1024;
/// How long a dialler waits when nobody answers at all.
const UNANSWERED_AFTER: Duration = Duration::from_secs(60);
