//! The reference peer against peers that do anything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::Reach;
use super::script::{Act, Script, Turn, torrent};
use super::watch::{EVENTS, Watch};
use crate::peer::{CloseReason, Input, Output, Peer, PeerConfig, PeerEvent, Process, Role};
use crate::requirement::{Level, catalogue};
use crate::trace::{CloseHow, ConnId, Dir};
use crate::wire::{Capability, Reserved};

/// A script for up to four peers of a reference peer. The first bytes of the input choose its role,
/// what it offers, the latency, and some settings. It never panics, breaks no rule of ours towards
/// anybody, holds and says no more than its size allows, and comes to rest once everybody has left.
pub fn peer(input: &[u8]) -> Reach {
    let mut script = Script::new(input);
    let mut world = World::new(&mut script);
    for turn in script {
        world.does(&turn);
        world.check();
    }
    world.everybody_leaves();
    let mut reached = world.reached;
    for watch in world.watches.values() {
        reached.extend(watch.reached());
    }
    reached
}

pub(super) fn reachable() -> Vec<&'static str> {
    let roles = ["seed", "leech", "dialled", "downloaded", "piece failed"];
    let reasons = REASONS.iter().map(|(_, name)| *name);
    // A sound peer is never late with these.
    let unheard = [
        "availability overdue",
        "keep-alive overdue",
        "answer overdue",
    ];
    let mut all: Vec<_> = roles.into_iter().chain(reasons).collect();
    all.extend(EVENTS.iter().filter(|event| !unheard.contains(event)));
    all.extend(crate::wire::Kind::names());
    all
}

/// Why connections end, as far as others can make them end with these settings.
static REASONS: &[(CloseReason, &str)] = &[
    (CloseReason::RemoteFin, "ended by FIN"),
    (CloseReason::RemoteRst, "ended by RST"),
    (CloseReason::ConnectFailed, "dial failed"),
    (CloseReason::NotBitTorrent, "not BitTorrent"),
    (CloseReason::UnknownInfoHash, "unknown info hash"),
    (CloseReason::HandshakeTimeout, "handshake timeout"),
    (CloseReason::IdleTimeout, "idle timeout"),
    (CloseReason::FrameTooLong, "frame too long"),
    (CloseReason::SecondHandshake, "second handshake"),
    (CloseReason::Malformed, "malformed message"),
    (CloseReason::NotNegotiated, "not negotiated"),
    (CloseReason::UnrequestedPiece, "unrequested piece"),
    (CloseReason::UnrequestedReject, "unrequested reject"),
];

/// Connections of one script.
const MOST_CONNS: usize = 4;
/// What it may hold beside what it was sent: its content, its buffers, its bookkeeping.
const MOST_RESIDENT: u64 = 16 << 20;
/// Steps of time at one moment, of which a sound peer needs a handful.
const MOST_AT_ONCE: u32 = 1000;
/// Things sent by all parties.
const MOST_SENT: u64 = 1024;
/// When everything has to have come to rest after the last connection.
const REST: Duration = Duration::from_secs(3600);

const LATENCIES: [u64; 4] = [0, 1, 50, 400];

struct World {
    peer: Peer,
    watches: BTreeMap<u32, Watch>,
    /// The connection of each party, by its number in the script.
    parties: BTreeMap<u8, u32>,
    latency: Duration,
    now: Duration,
    /// What is on its way, to the peer or from it.
    queue: BTreeMap<(Duration, u64), Cargo>,
    posted: u64,
    /// Connections on which this side has ended, or on which everything has.
    ended: BTreeSet<u32>,
    said: Option<(u32, Bytes)>,
    sent: u64,
    heard: u64,
    /// How often it was told to dial.
    dials: usize,
    reached: Reach,
}

enum Cargo {
    ToPeer(Input),
    Bytes(u32, Bytes),
    End(u32, CloseHow),
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let (role, offers) = (script.byte(), script.byte());
        let leech = role & 1 == 1;
        let capabilities: Vec<_> = (0..)
            .zip(Capability::ALL)
            .filter(|(n, it)| offers >> n & 1 == 0 && **it != Capability::V2)
            .map(|(_, capability)| *capability)
            .collect();
        let config = PeerConfig::new(
            torrent().clone(),
            if leech { Role::Leech } else { Role::Seed },
        );
        let delays = |bit: u8, ms| Duration::from_millis(if offers & bit == 0 { 0 } else { ms });
        let config = config
            .with_seed(u64::from(offers))
            .with_reserved(Reserved::with(&capabilities))
            .with_settings(|settings| {
                settings.slots = 1 + usize::from(role >> 3 & 3);
                settings.serve_delay = delays(0x10, 20);
                settings.unchoke_delay = delays(0x20, 300);
                settings.suggestions = u32::from(offers >> 6 & 1);
                settings.fetch_metadata = offers >> 7 & 1 == 1;
                settings.super_seed = role >> 5 & 1 == 1 && !leech;
                settings.drip = role >> 6 & 1 == 1;
            });
        let reached = Reach::from([if leech { "leech" } else { "seed" }]);
        Self {
            peer: Peer::new(plant(config)),
            watches: BTreeMap::new(),
            parties: BTreeMap::new(),
            latency: Duration::from_millis(LATENCIES[usize::from(role >> 1 & 3)]),
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            posted: 0,
            ended: BTreeSet::new(),
            said: None,
            sent: 0,
            heard: 0,
            dials: 0,
            reached,
        }
    }

    fn does(&mut self, turn: &Turn) {
        let who = turn.who & 3;
        match &turn.act {
            Act::Wait(span) => return self.advance(*span),
            Act::Verb(byte) => return self.verb(*byte),
            Act::Open => {
                // It is told to dial; a party answers on the odd numbers.
                let remote = address(who);
                let dial = Input::Dial {
                    remote,
                    expected: None,
                };
                self.dials += 1;
                return self.give(dial);
            }
            _ => {}
        }
        let conn = match self.parties.get(&who) {
            Some(conn) => *conn,
            None if self.watches.len() < MOST_CONNS => self.connect(who),
            None => return,
        };
        match &turn.act {
            Act::Close(how) => self.close(conn, *how),
            Act::Read(reading) => {
                let input = match reading {
                    true => Input::Drained { conn },
                    false => Input::Full { conn },
                };
                if let Some(watch) = self.watches.get_mut(&conn) {
                    watch.session.handle_reading(*reading, self.now);
                }
                self.post(Cargo::ToPeer(input));
            }
            Act::Again(times) => {
                for _ in 0..(*times).min(256) {
                    let Some((conn, bytes)) = self.said.clone() else {
                        break;
                    };
                    self.send(conn, bytes);
                }
            }
            act => {
                let said = self.watches.get(&conn).and_then(|watch| watch.say(act));
                if let Some(bytes) = said {
                    self.said = (bytes.len() <= 32).then(|| (conn, bytes.clone()));
                    self.send(conn, bytes);
                }
            }
        }
        self.advance(Duration::ZERO);
    }

    /// A party connects to the peer.
    fn connect(&mut self, who: u8) -> u32 {
        let conn = 2 * (u32::try_from(self.watches.len()).unwrap_or(0) + 1);
        self.parties.insert(who, conn);
        self.watches.insert(conn, Watch::new(ConnId(conn), true));
        let remote = address(who);
        self.give(Input::Accepted { conn, remote });
        conn
    }

    fn send(&mut self, conn: u32, bytes: Bytes) {
        let Some(watch) = self.watches.get_mut(&conn) else {
            return;
        };
        if self.ended.contains(&conn) || bytes.is_empty() || self.sent >= MOST_SENT {
            return;
        }
        self.sent += 1;
        watch.bytes(Dir::Sent, &bytes, self.now);
        self.post(Cargo::ToPeer(Input::Bytes { conn, bytes }));
    }

    fn close(&mut self, conn: u32, how: CloseHow) {
        let Some(watch) = self.watches.get_mut(&conn) else {
            return;
        };
        if !self.ended.insert(conn) {
            return;
        }
        if !watch.on_boundary() {
            watch.session.handle_open_frame();
        }
        watch.ends(Dir::Sent, how, self.now);
        self.post(Cargo::ToPeer(match how {
            CloseHow::Fin => Input::Eof { conn },
            _ => Input::Reset { conn },
        }));
    }

    fn verb(&mut self, byte: u8) {
        let argv: &[&str] = match byte % 6 {
            0 => &["slots", "1"],
            1 => &["pause"],
            2 => &["resume"],
            3 => &["recheck"],
            4 => &["slots", "x"],
            _ => &["no such verb"],
        };
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        self.give(Input::Verb { argv });
    }

    fn post(&mut self, cargo: Cargo) {
        self.queue
            .insert((self.now + self.latency, self.posted), cargo);
        self.posted += 1;
    }

    fn give(&mut self, input: Input) {
        self.peer.handle(input, self.now);
        self.take();
    }

    /// What the peer does.
    fn take(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            match output {
                Output::Bytes { conn, bytes } => {
                    self.heard += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    self.post(Cargo::Bytes(conn, bytes));
                }
                Output::Fin { conn } => self.post(Cargo::End(conn, CloseHow::Fin)),
                Output::Rst { conn } => self.post(Cargo::End(conn, CloseHow::Rst)),
                Output::Connect { conn, remote } => self.dialled(conn, remote),
                Output::Event(event) => self.told(&event),
                Output::VerbDone { .. } => {}
                Output::StopAccepting | Output::Restarted | Output::Exit(_) => {
                    panic!("a sound peer never does this: {output:?}")
                }
            }
        }
    }

    /// The peer dials a party that has no connection, or in vain.
    fn dialled(&mut self, conn: u32, remote: SocketAddr) {
        let who = (0..4).find(|who| address(*who) == remote);
        let free = who.filter(|who| !self.parties.contains_key(who));
        match free.filter(|_| self.watches.len() < MOST_CONNS) {
            Some(who) => {
                self.parties.insert(who, conn);
                self.watches.insert(conn, Watch::new(ConnId(conn), false));
                self.reached.insert("dialled");
                self.post(Cargo::ToPeer(Input::Connected { conn }));
            }
            None => self.post(Cargo::ToPeer(Input::ConnectFailed { conn })),
        }
    }

    fn told(&mut self, event: &PeerEvent) {
        match event {
            PeerEvent::Completed => {
                self.reached.insert("downloaded");
            }
            PeerEvent::PieceFailed { .. } => {
                self.reached.insert("piece failed");
            }
            PeerEvent::Closed { reason, .. } => {
                let known = REASONS.iter().find(|(known, _)| known == reason);
                self.reached.extend(known.map(|(_, name)| *name));
            }
            _ => {}
        }
    }

    /// Lets time pass: arrivals first, then deadlines.
    fn advance(&mut self, span: Duration) {
        let until = self.now + span;
        let mut at_once = 0;
        loop {
            let arrives = self.queue.keys().next().map(|(at, _)| *at);
            let watches = self.watches.values();
            let deadlines = watches.filter_map(|watch| watch.session.poll_deadline());
            let own = self.peer.poll_deadline();
            let next = deadlines.chain(arrives).chain(own).min();
            let Some(at) = next.filter(|at| *at <= until) else {
                break;
            };
            at_once = if at > self.now { 0 } else { at_once + 1 };
            assert!(at_once < MOST_AT_ONCE + 1000, "time stands still at {at:?}");
            self.now = self.now.max(at);
            while self
                .queue
                .keys()
                .next()
                .is_some_and(|(at, _)| *at <= self.now)
            {
                let Some((_, cargo)) = self.queue.pop_first() else {
                    break;
                };
                self.arrives(cargo);
            }
            if self.peer.poll_deadline().is_some_and(|due| due <= self.now) {
                self.give(Input::Timeout);
            }
            for watch in self.watches.values_mut() {
                if watch
                    .session
                    .poll_deadline()
                    .is_some_and(|due| due <= self.now)
                {
                    watch.time_out(self.now);
                }
            }
        }
        self.now = until;
    }

    fn arrives(&mut self, cargo: Cargo) {
        match cargo {
            Cargo::ToPeer(input) => self.give(input),
            Cargo::Bytes(conn, bytes) => {
                if let Some(watch) = self.watches.get_mut(&conn) {
                    watch.bytes(Dir::Received, &bytes, self.now);
                }
            }
            Cargo::End(conn, how) => {
                if let Some(watch) = self.watches.get_mut(&conn) {
                    watch.ends(Dir::Received, how, self.now);
                }
                // Its end is ours, too: nobody talks to one who has gone.
                self.ended.insert(conn);
                self.parties.retain(|_, other| *other != conn);
            }
        }
    }

    fn check(&self) {
        let level = |id: &str| catalogue().get(id).map(|entry| entry.level);
        for watch in self.watches.values() {
            let broken = watch
                .violations
                .iter()
                .find(|found| level(found.requirement) != Some(Level::May));
            assert!(broken.is_none(), "the reference peer broke {broken:?}");
        }
        let health = self.peer.health();
        assert!(health.alive());
        assert!(health.resident < MOST_RESIDENT, "{health:?}");
        assert!(health.connections <= MOST_CONNS + self.dials, "{health:?}");
        // At most a block for each message, and what it says by itself.
        let most = (1 << 20) + self.sent * 2048;
        assert!(
            self.heard < most,
            "{} bytes for {} messages",
            self.heard,
            self.sent
        );
    }

    /// Half of the parties end in order, the others reset, and the peer comes to rest.
    fn everybody_leaves(&mut self) {
        self.watches.values().for_each(Watch::check);
        let conns: Vec<u32> = self.watches.keys().copied().collect();
        for &conn in &conns {
            let how = [CloseHow::Fin, CloseHow::Rst][usize::from(conn % 4 == 0)];
            self.close(conn, how);
        }
        self.advance(Duration::from_secs(60));
        self.check();
        for conn in conns {
            self.give(Input::Reset { conn });
        }
        self.advance(REST);
        self.check();
        let left = self.peer.connections().count();
        assert_eq!(left, 0, "{left} connections after the last one");
        let due = self.peer.poll_deadline();
        assert_eq!(due, None, "still busy an hour after the last connection");
    }
}

fn address(who: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 2 + who], 6881))
}

#[cfg(not(fuzz_selftest))]
fn plant(config: PeerConfig) -> PeerConfig {
    config
}

/// One of the faults that the audit knows: it dies of one message with one value.
#[cfg(fuzz_selftest)]
fn plant(config: PeerConfig) -> PeerConfig {
    let fault =
        crate::peer::fault::by_name("dies-of-have-out-of-range").expect("a fault of that name");
    config.with_faults(crate::peer::FaultSet::one(fault))
}
