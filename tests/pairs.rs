//! Two sound peers joined by queues in virtual time, watched from either end: no rule cries wolf,
//! however long the way, and the rules see something.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use btspec::peer::{Input, Output, Peer, PeerConfig, Process, Role};
use btspec::requirement::{Level, catalogue};
use btspec::rule::{Judge, Violation};
use btspec::session::{Session, SessionConfig, frame_limit};
use btspec::torrent::{Torrent, fixture};
use btspec::trace::{CloseHow, ConnId, Dir, Recorder, StreamDecoder};
use btspec::wire::{Capability, Reserved};

const ACCEPTED: u32 = 2;

/// Which end the tester stands at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seat {
    Dialler,
    Acceptor,
}

/// A pair and a tester that watches one end.
struct Pair {
    peers: [Peer; 2],
    watched: usize,
    latency: Duration,
    segment: usize,
    now: Duration,
    queue: BTreeMap<(Duration, u64), (usize, Input)>,
    next: u64,
    dialled: u32,
    watch: Watch,
}

/// Session and rules at one end.
struct Watch {
    session: Session,
    judge: Judge,
    recorder: Recorder,
    sent: StreamDecoder,
    received: StreamDecoder,
    violations: Vec<Violation>,
}

impl Watch {
    fn new(torrent: Torrent, initiator: bool) -> Self {
        let conn = ConnId(1);
        let limit = frame_limit(&torrent.geometry(), 1 << 16);
        Self {
            session: Session::new(SessionConfig {
                conn,
                torrent,
                initiator,
            }),
            judge: Judge::new(),
            recorder: Recorder::new(),
            sent: StreamDecoder::new(conn, Dir::Sent, limit),
            received: StreamDecoder::new(conn, Dir::Received, limit),
            violations: Vec::new(),
        }
    }

    fn bytes(&mut self, dir: Dir, bytes: &[u8], at: Duration) {
        self.stream(dir).push(bytes, at);
        self.drain(dir);
    }

    fn ends(&mut self, dir: Dir, how: CloseHow, at: Duration) {
        self.stream(dir).finish(how, at);
        self.drain(dir);
    }

    fn stream(&mut self, dir: Dir) -> &mut StreamDecoder {
        match dir {
            Dir::Sent => &mut self.sent,
            Dir::Received => &mut self.received,
        }
    }

    fn drain(&mut self, dir: Dir) {
        while let Some(mut observation) = self.stream(dir).poll() {
            self.recorder.stamp(&mut observation);
            self.session.handle(&observation);
            self.judge();
        }
    }

    fn judge(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.violations
                .extend(self.judge.handle(&event, &self.session));
        }
    }
}

impl Pair {
    fn new(dialler: PeerConfig, acceptor: PeerConfig, seat: Seat) -> Self {
        let torrent = dialler.torrent.clone();
        let mut pair = Self {
            peers: [Peer::new(dialler), Peer::new(acceptor)],
            watched: usize::from(seat == Seat::Acceptor),
            latency: Duration::ZERO,
            segment: usize::MAX,
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            next: 0,
            dialled: 0,
            watch: Watch::new(torrent, seat == Seat::Dialler),
        };
        let remote = SocketAddr::from(([127, 0, 0, 2], 6881));
        pair.dialled = pair.peers[0].dial(remote, Duration::ZERO);
        pair.take(0);
        pair
    }

    fn with(mut self, latency: u64, segment: usize) -> Self {
        self.latency = Duration::from_millis(latency);
        self.segment = segment;
        self
    }

    fn post(&mut self, to: usize, input: Input) {
        let at = self.now + self.latency;
        self.queue.insert((at, self.next), (to, input));
        self.next += 1;
    }

    fn take(&mut self, from: usize) {
        let to = 1 - from;
        let theirs = [self.dialled, ACCEPTED][to];
        while let Some(output) = self.peers[from].poll_output() {
            match output {
                Output::Connect { conn, .. } => {
                    self.dialled = conn;
                    let remote = SocketAddr::from(([127, 0, 0, 1], 6881));
                    self.post(
                        to,
                        Input::Accepted {
                            conn: ACCEPTED,
                            remote,
                        },
                    );
                    self.post(from, Input::Connected { conn });
                }
                Output::Bytes { bytes, .. } => {
                    if from == self.watched {
                        self.watch.bytes(Dir::Sent, &bytes, self.now);
                    }
                    for part in bytes.chunks(self.segment.min(bytes.len())) {
                        let bytes = Bytes::copy_from_slice(part);
                        self.post(
                            to,
                            Input::Bytes {
                                conn: theirs,
                                bytes,
                            },
                        );
                    }
                }
                Output::Fin { .. } => {
                    if from == self.watched {
                        self.watch.ends(Dir::Sent, CloseHow::Fin, self.now);
                    }
                    self.post(to, Input::Eof { conn: theirs });
                }
                Output::Rst { .. } | Output::Exit(_) => {
                    if from == self.watched {
                        self.watch.ends(Dir::Sent, CloseHow::Rst, self.now);
                    }
                    self.post(to, Input::Reset { conn: theirs });
                }
                Output::StopAccepting
                | Output::Restarted
                | Output::VerbDone { .. }
                | Output::Event(_) => {}
            }
        }
    }

    /// Runs until nothing happens any more, or until `limit`.
    fn run(&mut self, limit: Duration) {
        loop {
            let due = (0..2)
                .filter_map(|n| Some((self.peers[n].poll_deadline()?, n)))
                .min();
            let arrives = self.queue.keys().next().map(|(at, _)| *at);
            let next = due.map(|(at, _)| at).into_iter().chain(arrives).min();
            let Some(at) = next.filter(|at| *at <= limit) else {
                break;
            };
            self.now = self.now.max(at);
            if arrives.is_some_and(|arrives| arrives <= at) {
                let Some((_, (to, input))) = self.queue.pop_first() else {
                    break;
                };
                if to == self.watched {
                    match &input {
                        Input::Bytes { bytes, .. } => {
                            self.watch.bytes(Dir::Received, bytes, self.now);
                        }
                        Input::Eof { .. } => {
                            self.watch.ends(Dir::Received, CloseHow::Fin, self.now);
                        }
                        Input::Reset { .. } => {
                            self.watch.ends(Dir::Received, CloseHow::Rst, self.now);
                        }
                        _ => {}
                    }
                }
                self.peers[to].handle(input, self.now);
                self.take(to);
            } else if let Some((_, n)) = due {
                self.peers[n].handle(Input::Timeout, self.now);
                self.take(n);
            }
        }
        self.now = limit;
        self.watch.session.handle_timeout(limit);
        self.watch.judge();
    }

    /// Rules that were put to the test.
    fn seen(&self) -> BTreeSet<&'static str> {
        let tallies = self.watch.judge.tallies().into_iter();
        tallies
            .filter(|tally| tally.evaluated > 0)
            .map(|tally| tally.rule)
            .collect()
    }

    /// What was found, other than what is only reported.
    fn found(&self) -> Vec<&Violation> {
        let level = |v: &Violation| catalogue().get(v.requirement).map(|entry| entry.level);
        let violations = self.watch.violations.iter();
        violations
            .filter(|v| level(v) != Some(Level::May))
            .collect()
    }
}

fn torrent() -> Torrent {
    fixture::tracker().torrent
}

fn seed(offers: &[Capability]) -> PeerConfig {
    PeerConfig::new(torrent(), Role::Seed)
        .with_seed(1)
        .with_reserved(Reserved::with(offers))
}

fn leech(offers: &[Capability]) -> PeerConfig {
    PeerConfig::new(torrent(), Role::Leech)
        .with_seed(2)
        .with_reserved(Reserved::with(offers))
}

const EVERYTHING: &[Capability] = &[Capability::Fast, Capability::Extended, Capability::Dht];

#[test]
fn sound_peers_break_no_rule_at_any_latency() {
    let offers: [&[Capability]; 4] = [
        &[],
        &[Capability::Fast],
        &[Capability::Extended],
        EVERYTHING,
    ];
    for ours in offers {
        for theirs in offers {
            for (latency, segment) in [(0, usize::MAX), (1, 1400), (50, 100), (400, 20_000)] {
                for seat in [Seat::Dialler, Seat::Acceptor] {
                    let mut pair =
                        Pair::new(leech(ours), seed(theirs), seat).with(latency, segment);
                    pair.run(Duration::from_secs(600));
                    assert_eq!(pair.peers[0].pieces().count(), 67, "{ours:?} {theirs:?}");
                    assert!(
                        pair.found().is_empty(),
                        "{ours:?} {theirs:?} {latency} ms: {:?}",
                        pair.found()
                    );
                }
            }
        }
    }
}

#[test]
fn rules_see_something_in_ordinary_sessions() {
    let watched = |seat: Seat, offers: &[Capability]| {
        let mut pair = Pair::new(leech(offers), seed(offers), seat).with(20, usize::MAX);
        pair.run(Duration::from_secs(600));
        pair.watch.ends(Dir::Sent, CloseHow::Fin, pair.now);
        assert_eq!(pair.found(), Vec::<&Violation>::new());
        pair.seen()
    };
    let seed_with_fast = watched(Seat::Dialler, EVERYTHING);
    let leech_with_fast = watched(Seat::Acceptor, EVERYTHING);
    let seed_without = watched(Seat::Dialler, &[]);
    for rule in [
        "handshake-layout",
        "nothing-before-handshake",
        "frame-lengths",
        "stream-in-step",
        "block-bytes",
        "keep-alive-is-empty",
        "no-piece-while-choking",
        "choke-repeats",
        "seed-asks-nothing",
        "piece-answers-request",
        "reserved-bits-assigned",
        "message-ids-assigned",
        "availability-once-and-first",
        "request-answered-once",
        "extended-handshake-comes",
        "extended-handshake-is-a-dictionary",
        "dictionaries-sorted",
        "m-ids-distinct",
        "known-keys-typed",
        "short-names",
        "peer-id-convention",
    ] {
        assert!(
            seed_with_fast.contains(rule),
            "{rule} saw nothing of a seed"
        );
    }
    for rule in [
        "have-in-range",
        "starts-choked",
        "request-in-range",
        "request-of-announced",
        "no-duplicate-request",
        "request-power-of-two",
    ] {
        assert!(
            leech_with_fast.contains(rule),
            "{rule} saw nothing of a leech"
        );
    }
    for rule in [
        "bitfield-first",
        "bitfield-length",
        "bitfield-spare-bits",
        "one-bitfield",
    ] {
        assert!(
            seed_without.contains(rule),
            "{rule} saw nothing without fast"
        );
    }
}
