//! Two ends that do anything, joined by a simulated wire, each watched by a session of its own.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::Reach;
use super::script::{Act, Script};
use super::watch::{EVENTS, Watch};
use crate::trace::{CloseHow, ConnId, Dir};
use crate::wire::Kind;

/// A script for two ends. The first byte of the input says how long messages travel each way, and
/// how they are cut. Ledgers hold together and are bounded, no request is settled twice, both ends
/// agree once everything has arrived, and a second run, cut otherwise, is the same to the last event.
pub fn session(input: &[u8]) -> Reach {
    let first = play(input, None);
    // Of a refused handshake everything is kept that came with it, which cuts decide.
    let refused = first
        .ends
        .iter()
        .any(|end| end.reached().contains(EVENTS[1]));
    let again = play(input, (!refused).then_some(usize::MAX));
    for (one, other) in first.ends.iter().zip(&again.ends) {
        assert_eq!(one.record(), other.record(), "another run, other events");
    }
    let ends = first.ends.iter();
    ends.flat_map(|end| end.reached()).copied().collect()
}

pub(super) fn reachable() -> Vec<&'static str> {
    Kind::names().chain(EVENTS).collect()
}

/// Ways of a byte to travel.
const LATENCIES: [u64; 4] = [0, 1, 50, 400];
const SEGMENTS: [usize; 4] = [1, 7, 100, usize::MAX];

/// The same thing in a row, and things in all: a full ledger is the business of its own tests.
const AGAIN: u16 = 256;
const MOST: usize = 1024;

fn play(input: &[u8], segment: Option<usize>) -> World {
    let mut script = Script::new(input);
    let head = usize::from(script.byte());
    let mut world = World {
        ends: [Watch::new(ConnId(1), true), Watch::new(ConnId(1), false)],
        wires: [VecDeque::new(), VecDeque::new()],
        over: [false; 2],
        latency: [LATENCIES[head & 3], LATENCIES[head >> 2 & 3]].map(Duration::from_millis),
        segment: segment.unwrap_or(SEGMENTS[head >> 4 & 3]),
        now: Duration::ZERO,
        sent: 0,
        said: None,
    };
    for (n, turn) in script.enumerate() {
        world.does(usize::from(turn.who & 1), &turn.act);
        if n % 64 == 63 {
            world.ends.iter().for_each(Watch::check);
        }
    }
    // Everything arrives, and every deadline passes.
    world.advance(Duration::from_secs(600));
    world.ends.iter().for_each(Watch::check);
    world.both_ends_agree();
    world
}

struct World {
    ends: [Watch; 2],
    /// What is on its way to each end.
    wires: [VecDeque<(Duration, Cargo)>; 2],
    /// Ends that have closed their side.
    over: [bool; 2],
    latency: [Duration; 2],
    segment: usize,
    now: Duration,
    /// Things sent.
    sent: usize,
    /// The last thing said, to say it again.
    said: Option<(usize, Bytes)>,
}

enum Cargo {
    Bytes(Bytes),
    End(CloseHow),
}

impl World {
    fn does(&mut self, end: usize, act: &Act) {
        match act {
            Act::Wait(span) => self.advance(*span),
            Act::Close(how) => self.close(end, *how),
            Act::Read(reading) => self.ends[end].session.handle_reading(*reading, self.now),
            Act::Again(times) => {
                for _ in 0..(*times).min(AGAIN) {
                    let Some((end, bytes)) = self.said.clone() else {
                        break;
                    };
                    self.send(end, bytes);
                }
            }
            _ => {
                if let Some(bytes) = self.ends[end].say(act) {
                    self.said = (bytes.len() <= 32).then(|| (end, bytes.clone()));
                    self.send(end, bytes);
                }
            }
        }
        self.deliver();
    }

    fn send(&mut self, end: usize, bytes: Bytes) {
        if self.over[end] || bytes.is_empty() || self.sent >= MOST {
            return;
        }
        self.sent += 1;
        self.ends[end].bytes(Dir::Sent, &bytes, self.now);
        let at = self.now + self.latency[end];
        for part in bytes.chunks(self.segment.min(bytes.len())) {
            let part = bytes.slice_ref(part);
            self.wires[1 - end].push_back((at, Cargo::Bytes(part)));
        }
    }

    fn close(&mut self, end: usize, how: CloseHow) {
        if std::mem::replace(&mut self.over[end], true) {
            return;
        }
        self.ends[end].ends(Dir::Sent, how, self.now);
        let at = self.now + self.latency[end];
        self.wires[1 - end].push_back((at, Cargo::End(how)));
    }

    /// Hands over what has arrived by now.
    fn deliver(&mut self) {
        for end in 0..2 {
            while let Some((at, cargo)) = self.wires[end].pop_front() {
                if at > self.now {
                    self.wires[end].push_front((at, cargo));
                    break;
                }
                match cargo {
                    Cargo::Bytes(bytes) => self.ends[end].bytes(Dir::Received, &bytes, at),
                    Cargo::End(how) => self.ends[end].ends(Dir::Received, how, at),
                }
            }
        }
    }

    /// Lets time pass: what is due on the way happens in order, arrivals first.
    fn advance(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            self.deliver();
            let arrivals = self.wires.iter().filter_map(|wire| Some(wire.front()?.0));
            let deadlines = self
                .ends
                .iter()
                .filter_map(|end| end.session.poll_deadline());
            let Some(at) = arrivals.chain(deadlines).min().filter(|at| *at <= until) else {
                break;
            };
            let at = at.max(self.now);
            self.now = at;
            self.deliver();
            for end in &mut self.ends {
                if end.session.poll_deadline().is_some_and(|due| due <= at) {
                    end.time_out(at);
                }
            }
        }
        self.now = until;
    }

    /// Once everything has arrived, each end knows of the other what the other has said.
    fn both_ends_agree(&self) {
        assert!(self.wires.iter().all(VecDeque::is_empty));
        for (one, other) in [(0, 1), (1, 0)] {
            let said = self.ends[one].session.ours();
            let heard = self.ends[other].session.theirs();
            assert_eq!(said.handshake(), heard.handshake());
            assert_eq!(said.choking(), heard.choking());
            assert_eq!(said.interested(), heard.interested());
            assert_eq!(said.extended_handshake(), heard.extended_handshake());
            // What an extended id means depends on what each end had heard by then.
            if said.count(Kind::LtDonthave) + heard.count(Kind::LtDonthave) == 0 {
                assert_eq!(said.has(), heard.has());
            }
            for kind in Kind::ALL.iter().filter(|kind| !kind.is_extension()) {
                assert_eq!(said.count(*kind), heard.count(*kind), "{}", kind.name());
            }
            let (asked, heard) = (said.requests(), heard.requests());
            assert_eq!(
                asked.asked(),
                plant(heard.asked(), said.count(Kind::SuggestPiece))
            );
        }
    }
}

#[cfg(not(fuzz_selftest))]
fn plant(asked: u64, _: u64) -> u64 {
    asked
}

/// Of an end that has suggested a piece, a request is lost.
#[cfg(fuzz_selftest)]
fn plant(asked: u64, suggestions: u64) -> u64 {
    if suggestions > 0 && asked > 0 {
        asked - 1
    } else {
        asked
    }
}
