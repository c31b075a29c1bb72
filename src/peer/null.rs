//! Null peers: trivial processes that must pass nothing (DESIGN 8).
//!
//! None of them keeps a state that deserves the name. What they say first is what a sound peer of
//! their role would say, so that a case gets as far as it can before it must see that nobody is at
//! home.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::config::Role;
use super::process::{Health, Input, Output, Process};
use super::rng::Rng;
use crate::torrent::Torrent;
use crate::wire::bencode::Value;
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{Capability, FrameDecoder, Handshake, Message, PeerId, Reserved};

/// One null peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NullKind {
    /// Refuses connections.
    Refuses,
    /// Accepts and closes at once.
    AcceptsAndCloses,
    /// Resets at the first bytes.
    Resets,
    /// Reads and never writes.
    Silent,
    /// Sends back what it reads.
    Echoes,
    /// Sends seeded garbage.
    Garbage,
    /// Handshake, then closes.
    HandshakeThenCloses,
    /// Handshake, then closes at the next message.
    HandshakeThenClosesAtMessage,
    /// Handshake, then says nothing.
    HandshakeThenMute,
    /// Handshake and opening messages, then closes.
    OpensThenCloses,
    /// Handshake and opening messages, then says nothing.
    OpensThenMute,
    /// Opening messages and an unchoke, then says nothing.
    UnchokesThenMute,
    /// Opening messages and an unchoke; rejects every request.
    RejectsEverything,
}

impl NullKind {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Refuses,
        Self::AcceptsAndCloses,
        Self::Resets,
        Self::Silent,
        Self::Echoes,
        Self::Garbage,
        Self::HandshakeThenCloses,
        Self::HandshakeThenClosesAtMessage,
        Self::HandshakeThenMute,
        Self::OpensThenCloses,
        Self::OpensThenMute,
        Self::UnchokesThenMute,
        Self::RejectsEverything,
    ];

    /// Name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuses => "refuses",
            Self::AcceptsAndCloses => "accepts-and-closes",
            Self::Resets => "resets",
            Self::Silent => "silent",
            Self::Echoes => "echoes",
            Self::Garbage => "garbage",
            Self::HandshakeThenCloses => "handshake-then-closes",
            Self::HandshakeThenClosesAtMessage => "handshake-then-closes-at-message",
            Self::HandshakeThenMute => "handshake-then-mute",
            Self::OpensThenCloses => "opens-then-closes",
            Self::OpensThenMute => "opens-then-mute",
            Self::UnchokesThenMute => "unchokes-then-mute",
            Self::RejectsEverything => "rejects-everything",
        }
    }
}

/// A null peer at work.
#[derive(Debug)]
pub struct NullPeer {
    kind: NullKind,
    torrent: Torrent,
    role: Role,
    rng: Rng,
    peer_id: PeerId,
    connections: BTreeMap<u32, Heard>,
    outputs: VecDeque<Output>,
    next_dial: u32,
}

/// What came on one connection.
#[derive(Debug)]
struct Heard {
    bytes: usize,
    fast: bool,
    extended: bool,
    reserved: BytesMut,
    said: bool,
    frames: FrameDecoder,
}

impl NullPeer {
    /// A null peer that plays `role` for `torrent`, as far as it plays anything.
    pub fn new(kind: NullKind, torrent: Torrent, role: Role, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let peer_id = rng.peer_id();
        let mut outputs = VecDeque::new();
        if kind == NullKind::Refuses {
            outputs.push_back(Output::StopAccepting);
        }
        Self {
            kind,
            torrent,
            role,
            rng,
            peer_id,
            connections: BTreeMap::new(),
            outputs,
            next_dial: 1,
        }
    }

    fn begin(&mut self, conn: u32) {
        match self.kind {
            NullKind::Refuses => self.end(conn, Output::Rst { conn }),
            NullKind::AcceptsAndCloses => self.end(conn, Output::Fin { conn }),
            NullKind::Garbage => self.garbage(conn),
            _ => {
                let heard = Heard {
                    bytes: 0,
                    fast: false,
                    extended: false,
                    reserved: BytesMut::new(),
                    said: false,
                    frames: FrameDecoder::new(FRAME_LIMIT),
                };
                self.connections.insert(conn, heard);
            }
        }
    }

    fn end(&mut self, conn: u32, output: Output) {
        self.connections.remove(&conn);
        self.outputs.push_back(output);
    }

    fn write(&mut self, conn: u32, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.outputs.push_back(Output::Bytes { conn, bytes });
    }

    fn garbage(&mut self, conn: u32) {
        let mut bytes = vec![0; 1024];
        self.rng.fill(&mut bytes);
        self.write(conn, bytes);
    }

    fn heard(&mut self, conn: u32, bytes: Bytes) {
        match self.kind {
            NullKind::Resets => return self.end(conn, Output::Rst { conn }),
            NullKind::Echoes => return self.write(conn, bytes),
            NullKind::Garbage => return self.garbage(conn),
            NullKind::Refuses | NullKind::AcceptsAndCloses | NullKind::Silent => return,
            _ => {}
        }
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let needed = Handshake::LEN.saturating_sub(c.bytes).min(bytes.len());
        let rest = bytes.slice(needed..);
        c.reserved
            .put_slice(bytes.get(..needed).unwrap_or_default());
        c.bytes += bytes.len();
        if c.bytes >= Handshake::LEN && !c.said {
            self.say_first(conn);
        }
        if rest.is_empty() {
            return;
        }
        match self.kind {
            NullKind::HandshakeThenClosesAtMessage => self.end(conn, Output::Fin { conn }),
            NullKind::RejectsEverything => self.reject(conn, &rest),
            _ => {}
        }
    }

    /// The handshake, and what the kind says behind it.
    fn say_first(&mut self, conn: u32) {
        let ours = Reserved::with(&[Capability::Fast, Capability::Extended]);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        c.said = true;
        let theirs = c.reserved.first_chunk().copied();
        if let Some(theirs) = theirs.and_then(|bytes| Handshake::decode(&bytes).ok()) {
            c.fast = theirs.reserved.has(Capability::Fast);
            c.extended = theirs.reserved.has(Capability::Extended);
        }
        let (fast, extended) = (c.fast, c.extended);
        let handshake = Handshake {
            reserved: ours,
            info_hash: self.torrent.info_hash(),
            peer_id: self.peer_id,
        };
        let mut bytes = BytesMut::from(&handshake.encode()[..]);
        let unchokes = matches!(
            self.kind,
            NullKind::UnchokesThenMute | NullKind::RejectsEverything
        );
        let opens = matches!(
            self.kind,
            NullKind::OpensThenCloses | NullKind::OpensThenMute
        );
        if opens || unchokes {
            let messages = self.opening(fast, extended);
            messages.iter().for_each(|m| m.encode_to(&mut bytes));
        }
        if unchokes {
            Message::Unchoke.encode_to(&mut bytes);
        }
        self.write(conn, bytes.freeze());
        if matches!(
            self.kind,
            NullKind::HandshakeThenCloses | NullKind::OpensThenCloses
        ) {
            self.end(conn, Output::Fin { conn });
        }
    }

    /// What a sound peer says first.
    fn opening(&self, fast: bool, extended: bool) -> Vec<Message> {
        let mut messages = Vec::new();
        if extended {
            let size = self.torrent.metainfo().info_bytes().len();
            let payload = ExtendedHandshake::new()
                .with_m(&[("ut_metadata", 1)])
                .with("metadata_size", Value::Int(size as i128))
                .encode();
            messages.push(Message::Extended { ext_id: 0, payload });
        }
        let geometry = self.torrent.geometry();
        messages.extend(match (self.role, fast) {
            (Role::Seed, true) => Some(Message::HaveAll),
            (Role::Seed, false) => Some(Message::Bitfield {
                bits: crate::torrent::PieceSet::all(geometry.pieces()).to_bitfield(),
            }),
            (Role::Leech, true) => Some(Message::HaveNone),
            (Role::Leech, false) => None,
        });
        if self.role == Role::Leech {
            messages.push(Message::Interested);
        }
        messages
    }

    fn reject(&mut self, conn: u32, bytes: &[u8]) {
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        c.frames.push(bytes);
        let fast = c.fast;
        let mut out = BytesMut::new();
        while let Ok(Some(frame)) = c.frames.next_frame() {
            if let Ok(Message::Request(block)) = Message::decode(&frame)
                && fast
            {
                Message::RejectRequest(block).encode_to(&mut out);
            }
        }
        if !out.is_empty() {
            self.write(conn, out.freeze());
        }
    }

    fn dial(&mut self, remote: SocketAddr) {
        let conn = self.next_dial;
        self.next_dial = self.next_dial.wrapping_add(2);
        self.outputs.push_back(Output::Connect { conn, remote });
    }
}

impl Process for NullPeer {
    fn handle(&mut self, input: Input, _at: Duration) {
        match input {
            Input::Accepted { conn, .. } => self.begin(conn),
            Input::Connected { conn } => {
                self.begin(conn);
                let speaks = !matches!(
                    self.kind,
                    NullKind::Silent | NullKind::Echoes | NullKind::Resets
                );
                if speaks && self.connections.contains_key(&conn) {
                    self.say_first(conn);
                }
            }
            Input::Bytes { conn, bytes } => self.heard(conn, bytes),
            Input::Eof { conn } => {
                // A trivial peer still closes what the other end has closed, unless it is silent.
                if self.kind != NullKind::Silent && self.connections.contains_key(&conn) {
                    self.end(conn, Output::Fin { conn });
                }
            }
            Input::Reset { conn } | Input::ConnectFailed { conn } => {
                self.connections.remove(&conn);
            }
            Input::Dial { remote, .. } => self.dial(remote),
            Input::Verb { argv } => {
                let known = match argv.as_slice() {
                    [verb, remote] if verb == "add-peer" => remote.parse().ok(),
                    _ => None,
                };
                let code = if known.is_some() { 0 } else { 64 };
                known.into_iter().for_each(|remote| self.dial(remote));
                self.outputs.push_back(Output::VerbDone { code });
            }
            Input::Timeout | Input::Full { .. } | Input::Drained { .. } => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_deadline(&self) -> Option<Duration> {
        None
    }

    fn health(&self) -> Health {
        let buffered = self.connections.values();
        Health {
            exited: None,
            resident: buffered.map(|c| c.frames.buffered().len() as u64).sum(),
            connections: self.connections.len(),
        }
    }
}

/// Longer frames are not read by a null peer.
const FRAME_LIMIT: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torrent::fixture;

    /// What a null peer does at a handshake and an `interested`: bytes written, how it ended.
    fn meet(kind: NullKind, role: Role) -> (usize, Option<Output>) {
        let torrent = fixture::one_piece().torrent;
        let handshake = Handshake {
            reserved: Reserved::with(&[Capability::Fast]),
            info_hash: torrent.info_hash(),
            peer_id: PeerId([1; 20]),
        };
        let mut peer = NullPeer::new(kind, torrent, role, 7);
        let conn = 2;
        let remote = ([127, 0, 0, 1], 9).into();
        let mut bytes = BytesMut::from(&handshake.encode()[..]);
        Message::Interested.encode_to(&mut bytes);
        Message::Request(crate::wire::BlockRef::new(0, 0, 16384)).encode_to(&mut bytes);
        peer.handle(Input::Accepted { conn, remote }, Duration::ZERO);
        let bytes = bytes.freeze();
        peer.handle(Input::Bytes { conn, bytes }, Duration::ZERO);
        let (mut written, mut end) = (0, None);
        while let Some(output) = peer.poll_output() {
            match output {
                Output::Bytes { bytes, .. } => written += bytes.len(),
                other => end = Some(other),
            }
        }
        (written, end)
    }

    #[test]
    fn each_kind_does_what_its_name_says() {
        let fin = Some(Output::Fin { conn: 2 });
        for role in [Role::Seed, Role::Leech] {
            let opening = 68 + 5 + if role == Role::Leech { 5 } else { 0 };
            for kind in NullKind::ALL {
                let expected = match kind {
                    NullKind::Refuses => (0, Some(Output::Rst { conn: 2 })),
                    NullKind::AcceptsAndCloses => (0, fin.clone()),
                    NullKind::Resets => (0, Some(Output::Rst { conn: 2 })),
                    NullKind::Silent => (0, None),
                    NullKind::Echoes => (68 + 5 + 17, None),
                    NullKind::Garbage => (2048, None),
                    NullKind::HandshakeThenCloses => (68, fin.clone()),
                    NullKind::HandshakeThenClosesAtMessage => (68, fin.clone()),
                    NullKind::HandshakeThenMute => (68, None),
                    NullKind::OpensThenCloses => (opening, fin.clone()),
                    NullKind::OpensThenMute => (opening, None),
                    NullKind::UnchokesThenMute => (opening + 5, None),
                    NullKind::RejectsEverything => (opening + 5 + 17, None),
                };
                assert_eq!(meet(*kind, role), expected, "{kind:?} {role:?}");
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = NullKind::ALL.iter().map(|k| k.name()).collect();
        assert_eq!(names.len(), NullKind::ALL.len());
    }
}
