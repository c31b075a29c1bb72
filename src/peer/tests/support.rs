//! Two processes joined by queues, and a script that talks to one.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::peer::{
    CloseReason, Input, Output, Peer, PeerConfig, PeerEvent, Process, Role, Settings,
};
use crate::torrent::{Torrent, fixture};
use crate::wire::{BlockRef, Capability, Frame, Handshake, InfoHash, Message, PeerId, Reserved};

pub(super) const BLOCK: u32 = 16 * 1024;

pub(super) fn torrent() -> Torrent {
    fixture::tracker().torrent
}

pub(super) fn seed() -> PeerConfig {
    PeerConfig::new(torrent(), Role::Seed).with_seed(1)
}

pub(super) fn leech() -> PeerConfig {
    PeerConfig::new(torrent(), Role::Leech).with_seed(2)
}

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Processes on one network without loss.
pub(super) struct Net {
    pub(super) peers: Vec<Peer>,
    pub(super) now: Duration,
    pub(super) latency: Duration,
    /// Bytes are delivered in parts of at most this length.
    pub(super) segment: usize,
    /// The other end of each connection.
    ends: BTreeMap<(usize, u32), (usize, u32)>,
    queue: BTreeMap<(Duration, u64), (usize, Input)>,
    next: u64,
    accepted: u32,
    pub(super) events: Vec<(usize, PeerEvent)>,
}

impl Net {
    pub(super) fn of(configs: impl IntoIterator<Item = PeerConfig>) -> Self {
        Self {
            peers: configs.into_iter().map(Peer::new).collect(),
            now: Duration::ZERO,
            latency: Duration::ZERO,
            segment: usize::MAX,
            ends: BTreeMap::new(),
            queue: BTreeMap::new(),
            next: 0,
            accepted: 0,
            events: Vec::new(),
        }
    }

    fn address(peer: usize) -> SocketAddr {
        ([127, 0, 1, u8::try_from(peer).unwrap()], 6881).into()
    }

    /// `from` dials `to`; gives the dialler's number of the connection.
    pub(super) fn dial(&mut self, from: usize, to: usize) -> u32 {
        let conn = self.peers[from].dial(Self::address(to), self.now);
        self.take(from);
        conn
    }

    fn post(&mut self, at: Duration, to: usize, input: Input) {
        self.queue.insert((at, self.next), (to, input));
        self.next += 1;
    }

    fn take(&mut self, from: usize) {
        while let Some(output) = self.peers[from].poll_output() {
            let at = self.now + self.latency;
            match output {
                Output::Connect { conn, remote } => {
                    let to = (0..self.peers.len())
                        .find(|n| Self::address(*n) == remote)
                        .unwrap();
                    self.accepted += 2;
                    let theirs = self.accepted;
                    self.ends.insert((from, conn), (to, theirs));
                    self.ends.insert((to, theirs), (from, conn));
                    let remote = Self::address(from);
                    self.post(
                        at,
                        to,
                        Input::Accepted {
                            conn: theirs,
                            remote,
                        },
                    );
                    self.post(at, from, Input::Connected { conn });
                }
                Output::Bytes { conn, bytes } => {
                    if let Some((to, conn)) = self.ends.get(&(from, conn)).copied() {
                        for part in bytes.chunks(self.segment.min(bytes.len())) {
                            let bytes = Bytes::copy_from_slice(part);
                            self.post(at, to, Input::Bytes { conn, bytes });
                        }
                    }
                }
                Output::Fin { conn } => {
                    if let Some((to, conn)) = self.ends.get(&(from, conn)).copied() {
                        self.post(at, to, Input::Eof { conn });
                    }
                }
                Output::Rst { conn } => {
                    if let Some((to, conn)) = self.ends.get(&(from, conn)).copied() {
                        self.post(at, to, Input::Reset { conn });
                    }
                }
                Output::Event(event) => self.events.push((from, event)),
                Output::StopAccepting
                | Output::Exit(_)
                | Output::Restarted
                | Output::VerbDone { .. } => {}
            }
        }
    }

    /// One event; false when nothing is left to happen.
    fn step(&mut self, limit: Duration) -> bool {
        for n in 0..self.peers.len() {
            self.take(n);
        }
        let message = self.queue.first_key_value().map(|((at, _), _)| *at);
        let deadline = (0..self.peers.len())
            .filter_map(|n| Some((self.peers[n].poll_deadline()?, n)))
            .min();
        let (at, to, input) = match (message, deadline) {
            (Some(at), deadline) if deadline.is_none_or(|(due, _)| at <= due) => {
                let (_, (to, input)) = self.queue.pop_first().unwrap();
                (at, to, input)
            }
            (_, Some((due, n))) => (due.max(self.now), n, Input::Timeout),
            _ => return false,
        };
        if at > limit {
            if !matches!(input, Input::Timeout) {
                self.post(at, to, input);
            }
            self.now = limit;
            return false;
        }
        self.now = at;
        self.peers[to].handle(input, at);
        self.take(to);
        true
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) {}
        self.now = self.now.max(limit);
    }

    /// Runs until `done`; panics when it does not come true in `time`.
    #[track_caller]
    pub(super) fn run_until(&mut self, time: Duration, done: impl Fn(&Self) -> bool) {
        let limit = self.now + time;
        while !done(self) {
            assert!(self.step(limit), "not within {time:?}");
        }
    }

    pub(super) fn closed(&self, peer: usize) -> Vec<CloseReason> {
        let events = self.events.iter().filter(|(n, _)| *n == peer);
        events
            .filter_map(|(_, event)| match event {
                PeerEvent::Closed { reason, .. } => Some(*reason),
                _ => None,
            })
            .collect()
    }
}

/// A script that talks to one peer over any number of connections.
pub(super) struct Talk {
    pub(super) peer: Peer,
    pub(super) now: Duration,
    inbox: BTreeMap<u32, BytesMut>,
    handshakes: BTreeMap<u32, Handshake>,
    pub(super) ended: BTreeSet<u32>,
    pub(super) events: Vec<PeerEvent>,
    pub(super) dialled: Vec<(u32, SocketAddr)>,
    pub(super) exit: Option<i32>,
    pub(super) verbs: Vec<i32>,
    /// Everything the peer did, with times.
    pub(super) log: String,
    next: u32,
}

impl Talk {
    pub(super) fn to(config: PeerConfig) -> Self {
        Self {
            peer: Peer::new(config),
            now: Duration::ZERO,
            inbox: BTreeMap::new(),
            handshakes: BTreeMap::new(),
            ended: BTreeSet::new(),
            events: Vec::new(),
            dialled: Vec::new(),
            exit: None,
            verbs: Vec::new(),
            log: String::new(),
            next: 0,
        }
    }

    pub(super) fn give(&mut self, input: Input) {
        self.peer.handle(input, self.now);
        self.take();
    }

    pub(super) fn take(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            match &output {
                Output::Event(_) => {}
                Output::Bytes { conn, bytes } => {
                    let mut hash = DefaultHasher::new();
                    hash.write(bytes);
                    let (len, hash) = (bytes.len(), hash.finish());
                    self.log += &format!("{:?} {conn}: {len} bytes {hash:x}\n", self.now);
                }
                other => self.log += &format!("{:?} {other:?}\n", self.now),
            }
            match output {
                Output::Bytes { conn, bytes } => {
                    self.inbox
                        .entry(conn)
                        .or_default()
                        .extend_from_slice(&bytes);
                }
                Output::Fin { conn } | Output::Rst { conn } => {
                    self.ended.insert(conn);
                }
                Output::Connect { conn, remote } => self.dialled.push((conn, remote)),
                Output::Event(event) => self.events.push(event),
                Output::Exit(code) => self.exit = Some(code),
                Output::VerbDone { code } => self.verbs.push(code),
                Output::StopAccepting | Output::Restarted => {}
            }
        }
    }

    /// Connects without a word.
    pub(super) fn connect(&mut self) -> u32 {
        self.next += 2;
        let conn = self.next;
        let host = u8::try_from(conn).unwrap();
        let remote = ([127, 9, 7, host], 40_000).into();
        self.give(Input::Accepted { conn, remote });
        conn
    }

    pub(super) fn handshake_with(reserved: &[Capability]) -> Handshake {
        Handshake {
            reserved: Reserved::with(reserved),
            info_hash: torrent().info_hash(),
            peer_id: PeerId(*b"-XX0000-abcdefghijkl"),
        }
    }

    /// Connects and completes both handshakes with these bits.
    pub(super) fn open(&mut self, reserved: &[Capability]) -> u32 {
        let conn = self.connect();
        self.raw(conn, &Self::handshake_with(reserved).encode());
        self.try_greeting(conn);
        conn
    }

    /// With fast and extended bits, everything that the peer says first taken off.
    pub(super) fn open_fast(&mut self) -> u32 {
        let conn = self.open(&[Capability::Fast, Capability::Extended]);
        self.messages(conn);
        conn
    }

    /// Takes the peer's 68 bytes off.
    #[track_caller]
    pub(super) fn greeting(&mut self, conn: u32) -> Handshake {
        self.try_greeting(conn).expect("a handshake")
    }

    pub(super) fn try_greeting(&mut self, conn: u32) -> Option<Handshake> {
        let inbox = self.inbox.entry(conn).or_default();
        if inbox.len() < Handshake::LEN {
            return None;
        }
        let bytes = inbox.split_to(Handshake::LEN);
        let handshake = Handshake::decode(bytes.first_chunk()?).ok()?;
        self.handshakes.insert(conn, handshake);
        Some(handshake)
    }

    pub(super) fn raw(&mut self, conn: u32, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        self.give(Input::Bytes { conn, bytes });
    }

    pub(super) fn send(&mut self, conn: u32, messages: &[Message]) {
        let mut bytes = BytesMut::new();
        messages.iter().for_each(|m| m.encode_to(&mut bytes));
        self.raw(conn, &bytes);
    }

    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.peer.poll_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.give(Input::Timeout);
        }
        self.now = until;
    }

    pub(super) fn is_seed(&self) -> bool {
        self.peer.pieces().is_full()
    }

    pub(super) fn handshake(&self, conn: u32) -> Option<&Handshake> {
        self.handshakes.get(&conn)
    }

    /// The peer dials us; the number of the connection.
    pub(super) fn dial(&mut self) -> u32 {
        let remote = ([127, 9, 7, 200], 6881).into();
        self.give(Input::Dial {
            remote,
            expected: None,
        });
        let (conn, _) = *self.dialled.last().unwrap();
        self.give(Input::Connected { conn });
        conn
    }

    /// The same, passing over what does not decode.
    pub(super) fn lenient_messages(&mut self, conn: u32) -> Vec<Message> {
        let mut bytes = self.inbox.entry(conn).or_default().split().freeze();
        let mut messages = Vec::new();
        while let Some(frame) = Frame::split_from(&mut bytes) {
            messages.extend(Message::decode(&frame));
        }
        messages
    }

    /// Everything that came since last asked.
    pub(super) fn messages(&mut self, conn: u32) -> Vec<Message> {
        let mut bytes = self.inbox.entry(conn).or_default().split().freeze();
        let mut messages = Vec::new();
        while let Some(frame) = Frame::split_from(&mut bytes) {
            messages.push(Message::decode(&frame).unwrap());
        }
        assert!(bytes.is_empty(), "{bytes:?}");
        messages
    }

    pub(super) fn bytes(&mut self, conn: u32) -> Bytes {
        self.inbox.entry(conn).or_default().split().freeze()
    }

    pub(super) fn closed(&self, conn: u32) -> Option<CloseReason> {
        self.events.iter().find_map(|event| match event {
            PeerEvent::Closed {
                conn: c, reason, ..
            } if *c == conn => Some(*reason),
            _ => None,
        })
    }
}

pub(super) fn request(index: u32, begin: u32) -> Message {
    Message::Request(BlockRef::new(index, begin, BLOCK))
}

pub(super) fn reject(index: u32, begin: u32) -> Message {
    Message::RejectRequest(BlockRef::new(index, begin, BLOCK))
}

pub(super) fn have(index: u32) -> Message {
    Message::Have { index }
}

pub(super) fn block(index: u32) -> BlockRef {
    BlockRef::new(index, 0, BLOCK)
}

pub(super) fn piece(index: u32, begin: u32) -> Message {
    let torrent = torrent();
    let mut blocks = torrent.geometry().blocks(index);
    let block = blocks.find(|block| block.begin == begin).unwrap();
    let block = torrent.block(&block).unwrap();
    Message::Piece {
        index,
        begin,
        block,
    }
}

pub(super) fn unknown_hash() -> InfoHash {
    InfoHash([7; 20])
}

pub(super) fn quiet(settings: &mut Settings) {
    settings.allowed_fast = 0;
}
