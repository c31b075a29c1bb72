//! Hosts processes on a network and drives a tester against one of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::engine::io::{
    Action, CloseKind, ConnId, ConnectError, Health, Input, Place, Source, Tester, VerbResult,
};
use crate::peer::{Input as ProcessInput, Output, PeerEvent, Process};
use crate::wire::PeerId;

use super::network::{Delivery, HostId, Link, Listening, NetEvent, Network};

/// Settings of the connections of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorldConfig {
    /// How what the tester sends travels.
    pub to_target: Link,
    /// How what processes send travels.
    pub from_target: Link,
}

impl WorldConfig {
    /// The same latency each way, writes kept whole.
    pub fn with_latency(latency: Duration) -> Self {
        let link = Link {
            latency,
            segment: None,
        };
        Self {
            to_target: link,
            from_target: link,
        }
    }
}

/// Why a simulation could not go on. Each is a defect of the tester or of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// Nothing is due and the tester has not ended.
    #[error("nothing is left to happen at {at:?} and the test has not ended")]
    Idle {
        /// When.
        at: Duration,
    },
    /// Virtual time stands still.
    #[error("a million events at {at:?} without time going on")]
    Livelock {
        /// When.
        at: Duration,
    },
}

/// A network, the processes on it, and the time.
pub struct World {
    net: Network,
    config: WorldConfig,
    slots: Vec<Slot>,
    now: Duration,
    outbox: Vec<(HostId, Output)>,
    tester: Option<TesterHost>,
    events: Option<Vec<(HostId, PeerEvent)>>,
}

struct Slot {
    process: Option<Box<dyn Process>>,
    addr: SocketAddr,
    dialled: u32,
    exit: Option<i32>,
    verb: Option<i32>,
}

struct TesterHost {
    id: HostId,
    target: HostId,
    /// Numbers of `Accept`s that no connection has answered, with the port they wait at.
    accepting: Vec<(ConnId, SocketAddr)>,
    /// Every place where we listen or have listened, with the last `Accept` there.
    places: Vec<(ConnId, SocketAddr)>,
    /// Which connection of the tester each of the network's numbers is.
    conns: Vec<TesterConn>,
    next_source: u32,
    /// Connections of the plays before this one, which keep their numbers.
    earlier: usize,
    named: Vec<(String, IpAddr)>,
    told_died: bool,
    actions: Vec<Action>,
    /// When its play began: its own time zero.
    began: Duration,
}

struct TesterConn {
    conn: ConnId,
    net: u32,
    local: SocketAddr,
    written: u64,
    dropped: bool,
}

impl World {
    /// An empty world at time zero.
    pub fn new(config: WorldConfig) -> Self {
        Self {
            net: Network::new(),
            config,
            slots: Vec::new(),
            now: Duration::ZERO,
            outbox: Vec::new(),
            tester: None,
            events: None,
        }
    }

    /// Keeps what processes tell their owners from here on.
    pub fn keep_events(&mut self) {
        self.events.get_or_insert_default();
    }

    /// What processes have told since the last call.
    pub fn take_events(&mut self) -> Vec<(HostId, PeerEvent)> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Virtual time.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Starts a process that listens at `addr`.
    pub fn add(&mut self, process: Box<dyn Process>, addr: SocketAddr) -> HostId {
        let id = self.net.add_host(vec![addr], self.config.from_target);
        self.slots.push(Slot {
            process: Some(process),
            addr,
            dialled: 0,
            exit: None,
            verb: None,
        });
        self.collect(id);
        id
    }

    /// Changes what happens to those who connect to a host.
    pub fn listen(&mut self, host: HostId, listening: Listening) {
        self.net.listen(host, listening);
    }

    /// Hands an input to a process from outside the network: a verb, a call to dial.
    pub fn command(&mut self, host: HostId, input: ProcessInput) {
        self.give(host, input);
    }

    /// Runs without a tester until `done` says so, nothing is left to happen, or `limit`.
    pub fn run(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let mut here = 0_u32;
        while !done(self) && here < LIVELOCK {
            match self.step(&mut Nobody) {
                Some(at) if at <= limit => {
                    here = if at > self.now { 0 } else { here + 1 };
                    self.now = self.now.max(at);
                }
                _ => return,
            }
        }
    }

    /// Plays a tester against `target` until it has ended.
    ///
    /// # Errors
    /// When nothing is left to happen, or time stands still, before the tester has ended.
    pub fn play(&mut self, tester: &mut dyn Tester, target: HostId) -> Result<(), SimError> {
        let host = match self.tester.take() {
            // Another play against the same target goes on with other addresses.
            Some(before) => before.again(target, self.now),
            None => TesterHost::new(self.add_tester(), target, self.now),
        };
        self.tester = Some(host);
        self.tell(tester, Input::Timeout);
        let mut here = 0_u32;
        while !tester.done() {
            let Some(at) = self.step(tester) else {
                if tester.done() {
                    break;
                }
                return Err(SimError::Idle { at: self.now });
            };
            here = if at > self.now { 0 } else { here + 1 };
            if here > LIVELOCK {
                return Err(SimError::Livelock { at: self.now });
            }
            self.now = self.now.max(at);
        }
        self.drop_all();
        Ok(())
    }

    fn add_tester(&mut self) -> HostId {
        self.slots.push(Slot {
            process: None,
            addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            dialled: 0,
            exit: None,
            verb: None,
        });
        self.net.add_host(Vec::new(), self.config.to_target)
    }

    /// State of a process.
    pub fn health_of(&self, host: HostId) -> Health {
        let Some(slot) = self.slots.get(host.0) else {
            return Health::default();
        };
        Health {
            alive: Some(slot.exit.is_none()),
            exit: slot.exit,
            memory: slot.process.as_ref().map(|p| p.health().resident),
            files: None,
        }
    }

    /// The tester has ended: what it left open is closed.
    fn drop_all(&mut self) {
        let Some(host) = &self.tester else { return };
        for conn in host.conns.iter().filter(|conn| !conn.dropped) {
            self.net.close(host.id, conn.net, self.now);
        }
    }

    /// Does everything that is due now: deliveries, deadlines, sends. Gives the next time at which
    /// something is due, which may be now again.
    fn step(&mut self, tester: &mut dyn Tester) -> Option<Duration> {
        while let Some(delivery) = self.net.deliver(self.now) {
            self.hand_over(delivery, tester);
        }
        for index in 0..self.slots.len() {
            if self.deadline(index).is_some_and(|at| at <= self.now) {
                self.give(HostId(index), ProcessInput::Timeout);
            }
        }
        if self
            .tester_deadline(tester)
            .is_some_and(|at| at <= self.now)
        {
            self.tell(tester, Input::Timeout);
        }
        self.send_all(tester);
        if self.unsent() {
            return Some(self.now);
        }
        let deadlines = (0..self.slots.len()).filter_map(|index| self.deadline(index));
        let own = self.tester_deadline(tester);
        let next = deadlines.chain(self.net.next_at()).chain(own).min();
        next.map(|at| at.max(self.now))
    }

    /// Whether what was sent has led to more to be sent.
    fn unsent(&self) -> bool {
        let actions = self.tester.as_ref().map(|t| !t.actions.is_empty());
        !self.outbox.is_empty() || actions.unwrap_or(false)
    }

    fn deadline(&self, index: usize) -> Option<Duration> {
        let slot = self.slots.get(index)?;
        if slot.exit.is_some() {
            return None;
        }
        slot.process.as_ref()?.poll_deadline()
    }

    fn hand_over(&mut self, delivery: Delivery, tester: &mut dyn Tester) {
        let Delivery { host, conn, event } = delivery;
        if self.tester.as_ref().is_some_and(|t| t.id == host) {
            self.tell_tester(tester, conn, event);
            return;
        }
        let input = match event {
            NetEvent::Accepted { remote, .. } => ProcessInput::Accepted { conn, remote },
            NetEvent::Connected => ProcessInput::Connected { conn },
            NetEvent::Refused | NetEvent::Unanswered => ProcessInput::ConnectFailed { conn },
            NetEvent::Bytes(bytes) => ProcessInput::Bytes { conn, bytes },
            NetEvent::Eof => ProcessInput::Eof { conn },
            NetEvent::Reset => ProcessInput::Reset { conn },
            NetEvent::Full => ProcessInput::Full { conn },
            NetEvent::Drained => ProcessInput::Drained { conn },
        };
        self.give(host, input);
    }

    /// Gives an input to a process and collects what it wants done.
    fn give(&mut self, host: HostId, input: ProcessInput) {
        let now = self.now;
        let Some(slot) = self.slots.get_mut(host.0) else {
            return;
        };
        if slot.exit.is_some() {
            return;
        }
        if let Some(process) = slot.process.as_mut() {
            process.handle(input, now);
        }
        self.collect(host);
    }

    fn collect(&mut self, host: HostId) {
        let Some(slot) = self.slots.get_mut(host.0) else {
            return;
        };
        let Some(process) = slot.process.as_mut() else {
            return;
        };
        while let Some(output) = process.poll_output() {
            match output {
                Output::VerbDone { code } => slot.verb = Some(code),
                Output::Event(event) => {
                    if let Some(events) = &mut self.events {
                        events.push((host, event));
                    }
                }
                output => self.outbox.push((host, output)),
            }
        }
    }

    /// Carries out everything that processes and the tester want done, by connection number.
    fn send_all(&mut self, tester: &mut dyn Tester) {
        let mut outbox = std::mem::take(&mut self.outbox);
        outbox.sort_by_key(|(host, output)| self.order(*host, output));
        for (host, output) in outbox {
            self.carry_out(host, output);
        }
        if let Some(exit) = self.died() {
            let note = String::new();
            let code = Some(exit);
            self.tell(tester, Input::Died { code, note });
        }
        let actions = match self.tester.as_mut() {
            Some(host) => std::mem::take(&mut host.actions),
            None => return,
        };
        for action in actions {
            self.act(action, tester);
        }
    }

    fn order(&self, host: HostId, output: &Output) -> usize {
        let conn = match output {
            Output::Bytes { conn, .. } | Output::Fin { conn } | Output::Rst { conn } => *conn,
            _ => return usize::MAX,
        };
        self.net.number(host, conn).unwrap_or(usize::MAX)
    }

    fn carry_out(&mut self, host: HostId, output: Output) {
        let now = self.now;
        match output {
            Output::Bytes { conn, bytes } => self.net.send(host, conn, &bytes, now),
            Output::Fin { conn } => self.net.close(host, conn, now),
            Output::Rst { conn } => self.net.reset(host, conn, now),
            Output::Connect { conn, remote } => {
                let Some(slot) = self.slots.get_mut(host.0) else {
                    return;
                };
                slot.dialled += 1;
                let port = u16::try_from(50_000 + slot.dialled % 10_000).unwrap_or(50_000);
                let from = SocketAddr::new(slot.addr.ip(), port);
                self.net.dial(host, conn, from, remote, now);
            }
            Output::StopAccepting => self.net.listen(host, Listening::Refused),
            Output::Restarted => {
                self.net.kill(host, now);
                self.net.listen(host, Listening::Open);
            }
            Output::Exit(code) => {
                if let Some(slot) = self.slots.get_mut(host.0) {
                    slot.exit = Some(code);
                }
                self.net.kill(host, now);
            }
            Output::VerbDone { .. } | Output::Event(_) => {}
        }
    }

    /// Exit code of the tester's target, the first time it is asked for after the end.
    fn died(&mut self) -> Option<i32> {
        let host = self.tester.as_mut()?;
        if host.told_died {
            return None;
        }
        let exit = self.slots.get(host.target.0)?.exit?;
        host.told_died = true;
        Some(exit)
    }

    /// Tells the tester something, at its own time.
    fn tell(&mut self, tester: &mut dyn Tester, input: Input) {
        let began = self.tester.as_ref().map(|t| t.began).unwrap_or_default();
        tester.handle(input, self.now.saturating_sub(began));
        self.take_actions(tester);
    }

    fn tester_deadline(&self, tester: &dyn Tester) -> Option<Duration> {
        let began = self.tester.as_ref().map(|t| t.began).unwrap_or_default();
        Some(tester.poll_deadline()? + began)
    }

    fn take_actions(&mut self, tester: &mut dyn Tester) {
        if let Some(host) = self.tester.as_mut() {
            while let Some(action) = tester.poll_action() {
                host.actions.push(action);
            }
        }
    }

    fn tell_tester(&mut self, tester: &mut dyn Tester, net: u32, event: NetEvent) {
        let Some(host) = self.tester.as_mut() else {
            return;
        };
        let target = self.slots.get(host.target.0).map(|slot| slot.addr);
        let known = host.conns.iter().find(|c| c.net == net);
        let input = match (event, known) {
            (NetEvent::Accepted { remote, local }, _) => {
                let Some(index) = host.accepting.iter().position(|(_, at)| *at == local) else {
                    self.net.reset(host.id, net, self.now);
                    return;
                };
                let (conn, _) = host.accepting.remove(index);
                host.conns.push(TesterConn {
                    conn,
                    net,
                    local,
                    written: 0,
                    dropped: false,
                });
                Input::Accepted {
                    conn,
                    local,
                    remote,
                }
            }
            (_, None) => return,
            (_, Some(known)) if known.dropped => return,
            (NetEvent::Connected, Some(known)) => Input::Connected {
                conn: known.conn,
                local: known.local,
                remote: target.unwrap_or(known.local),
            },
            (NetEvent::Refused, Some(known)) => Input::ConnectFailed {
                conn: known.conn,
                why: ConnectError::Refused,
            },
            (NetEvent::Unanswered, Some(known)) => Input::ConnectFailed {
                conn: known.conn,
                why: ConnectError::Unanswered,
            },
            (NetEvent::Bytes(bytes), Some(known)) => Input::Bytes {
                conn: known.conn,
                bytes,
            },
            (NetEvent::Eof, Some(known)) => Input::Eof { conn: known.conn },
            (NetEvent::Reset, Some(known)) => Input::Reset { conn: known.conn },
            // The tester writes whatever it has to say.
            (NetEvent::Full | NetEvent::Drained, Some(_)) => return,
        };
        self.tell(tester, input);
    }

    fn act(&mut self, action: Action, tester: &mut dyn Tester) {
        let now = self.now;
        let answer = match action {
            Action::Dial { conn, from } => {
                self.dial(conn, &from);
                None
            }
            Action::Accept { conn, place } => {
                self.accept(conn, &place, tester);
                None
            }
            Action::StopAccept { conn } => {
                if let Some(host) = self.tester.as_mut() {
                    host.accepting.retain(|(waiting, _)| *waiting != conn);
                }
                None
            }
            Action::Write { conn, segments } => self.find(conn).map(|(id, net)| {
                for segment in &segments {
                    self.net.send(id, net, segment, now);
                }
                let len: usize = segments.iter().map(bytes::Bytes::len).sum();
                let upto = self.count(conn, len as u64);
                Input::Written { conn, upto }
            }),
            Action::Close { conn, how } => {
                if let Some((id, net)) = self.find(conn) {
                    match how {
                        CloseKind::Fin => self.net.half_close(id, net, now),
                        CloseKind::Rst => {
                            self.net.reset(id, net, now);
                            self.drop_conn(conn);
                        }
                    }
                }
                None
            }
            Action::Reading { conn, on } => {
                if let Some((id, net)) = self.find(conn) {
                    self.net.reading(id, net, on, now);
                }
                None
            }
            Action::Verb { id, command } => Some(Input::VerbDone {
                id,
                result: self.verb(&command),
            }),
            Action::Health => Some(Input::Health(self.health())),
        };
        match answer {
            Some(input) => self.tell(tester, input),
            None => self.take_actions(tester),
        }
    }

    fn dial(&mut self, conn: ConnId, from: &Source) {
        let Some(host) = self.tester.as_mut() else {
            return;
        };
        let Some(to) = self.slots.get(host.target.0).map(|slot| slot.addr) else {
            return;
        };
        let ip = host.source(from);
        let count = host.earlier + host.conns.len();
        let count = u32::try_from(count).unwrap_or(u32::MAX / 4);
        let net = count * 2 + 1;
        let port = u16::try_from(40_000 + count % 10_000).unwrap_or(40_000);
        let local = SocketAddr::new(ip, port);
        host.conns.push(TesterConn {
            conn,
            net,
            local,
            written: 0,
            dropped: false,
        });
        self.net.dial(host.id, net, local, to, self.now);
    }

    fn accept(&mut self, conn: ConnId, place: &Place, tester: &mut dyn Tester) {
        let Some(host) = self.tester.as_mut() else {
            return;
        };
        let ip = match place {
            Place::Again(before) => {
                let known = host.places.iter_mut().find(|(last, _)| last == before);
                if let Some((last, at)) = known {
                    *last = conn;
                    let at = *at;
                    host.accepting.push((conn, at));
                }
                return;
            }
            Place::Quiet(from) => host.source(from),
            Place::Invited { .. } => host.source(&Source::Fresh),
        };
        // Several places may share an address.
        let count = u16::try_from(host.places.len()).unwrap_or(0);
        let at = SocketAddr::new(ip, 6_881_u16.saturating_add(count));
        host.accepting.push((conn, at));
        host.places.push((conn, at));
        let (id, target) = (host.id, host.target);
        self.net.add_addr(id, at);
        self.tell(tester, Input::Listening { conn, at });
        if let Place::Invited { told } = place {
            if let Some(peer_id) = self.announced(target) {
                self.tell(tester, Input::Announced { peer_id });
            }
            let (remote, expected) = (at, *told);
            self.give(target, ProcessInput::Dial { remote, expected });
        }
    }

    fn announced(&self, host: HostId) -> Option<PeerId> {
        self.slots.get(host.0)?.process.as_ref()?.announced()
    }

    fn verb(&mut self, command: &str) -> VerbResult {
        let Some(target) = self.tester.as_ref().map(|t| t.target) else {
            return VerbResult::Unknown;
        };
        let argv = command.split_whitespace().map(str::to_owned).collect();
        self.give(target, ProcessInput::Verb { argv });
        match self.slots.get_mut(target.0).and_then(|s| s.verb.take()) {
            Some(0) => VerbResult::Done(String::new()),
            Some(64) | None => VerbResult::Unknown,
            Some(code) => VerbResult::Failed(format!("exit code {code}")),
        }
    }

    fn health(&self) -> Health {
        let target = self.tester.as_ref().map(|t| t.target);
        target.map_or_else(Health::default, |target| self.health_of(target))
    }

    /// The tester's host and its network number of a connection that it has not dropped.
    fn find(&self, conn: ConnId) -> Option<(HostId, u32)> {
        let host = self.tester.as_ref()?;
        let known = host.conns.iter().find(|c| c.conn == conn && !c.dropped)?;
        Some((host.id, known.net))
    }

    fn count(&mut self, conn: ConnId, len: u64) -> u64 {
        let known = self
            .tester
            .as_mut()
            .and_then(|t| t.conns.iter_mut().find(|c| c.conn == conn));
        known.map_or(0, |c| {
            c.written += len;
            c.written
        })
    }

    fn drop_conn(&mut self, conn: ConnId) {
        let host = self.tester.as_mut();
        if let Some(known) = host.and_then(|t| t.conns.iter_mut().find(|c| c.conn == conn)) {
            known.dropped = true;
        }
    }
}

impl TesterHost {
    fn new(id: HostId, target: HostId, began: Duration) -> Self {
        Self {
            began,
            id,
            target,
            accepting: Vec::new(),
            places: Vec::new(),
            conns: Vec::new(),
            next_source: 0,
            earlier: 0,
            named: Vec::new(),
            told_died: false,
            actions: Vec::new(),
        }
    }

    /// The same host for the next play: with nothing of this one but what is used up.
    fn again(self, target: HostId, began: Duration) -> Self {
        Self {
            next_source: self.next_source,
            earlier: self.earlier + self.conns.len(),
            ..Self::new(self.id, target, began)
        }
    }

    fn source(&mut self, from: &Source) -> IpAddr {
        match from {
            Source::Fresh => self.fresh_source(),
            Source::SameAs(conn) => {
                let known = self.conns.iter().find(|c| c.conn == *conn);
                known.map_or_else(|| IpAddr::V4(Ipv4Addr::LOCALHOST), |c| c.local.ip())
            }
            Source::Named(name) => {
                if let Some((_, ip)) = self.named.iter().find(|(known, _)| known == name) {
                    return *ip;
                }
                let ip = self.fresh_source();
                self.named.push((name.clone(), ip));
                ip
            }
        }
    }

    /// 127.0.1.1, 127.0.1.2, …: the addresses that the socket loop would take on loopback.
    fn fresh_source(&mut self) -> IpAddr {
        let n = self.next_source;
        self.next_source += 1;
        let [_, high, middle, low] = (n + 0x101).to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(127, high, middle, low))
    }
}

/// No tester: processes among themselves.
struct Nobody;

impl Tester for Nobody {
    fn handle(&mut self, _: Input, _: Duration) {}

    fn poll_action(&mut self) -> Option<Action> {
        None
    }

    fn poll_deadline(&self) -> Option<Duration> {
        None
    }

    fn done(&self) -> bool {
        false
    }
}

/// So many events at one instant mean that two ends talk in circles without delay.
const LIVELOCK: u32 = 1_000_000;
