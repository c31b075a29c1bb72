//! A scripted target: opens as told and reacts to messages as told, and nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use btspec::peer::{Health, Input, Output, Process};
use btspec::torrent::Torrent;
use btspec::wire::extension::ExtendedHandshake;
use btspec::wire::{
    Capability, ExtensionMessage, FrameDecoder, Handshake, HandshakeDecoder, Message, PeerId,
    Reserved,
};
use bytes::Bytes;

/// The tester's id for ut_metadata.
const TESTERS_METADATA: u8 = 101;

/// What the target does, at once or later.
#[derive(Debug, Clone)]
pub(crate) enum Do {
    Say(Message),
    Raw(Bytes),
    Fin,
    Rst,
    Exit,
    /// Refuses connections from now on.
    Refuse,
    Later(Duration, Box<Self>),
}

/// Reacts to a message on the `n`th connection, from 1.
pub(crate) type React = Box<dyn FnMut(u32, &Message, &Torrent) -> Vec<Do>>;

pub(crate) struct Fake {
    torrent: Torrent,
    opening: Vec<Do>,
    react: React,
    conns: BTreeMap<u32, Conn>,
    timers: Vec<(Duration, u32, Do)>,
    out: VecDeque<Output>,
    /// Connects to whoever we are told, and says these bytes first.
    pub(crate) dial_opening: Vec<Bytes>,
    dialled: u32,
    /// Whom we were told to connect to.
    remote: Option<SocketAddr>,
    opened: u32,
    now: Duration,
}

struct Conn {
    number: u32,
    handshake: HandshakeDecoder,
    frames: FrameDecoder,
    greeted: bool,
}

pub(crate) fn seed_opening() -> Vec<Do> {
    vec![Do::Say(extended()), Do::Say(Message::HaveAll)]
}

pub(crate) fn extended() -> Message {
    let handshake = ExtendedHandshake::new()
        .with_m(&[("ut_metadata", 1)])
        .with("metadata_size", 34_717_i128);
    ExtensionMessage::Handshake(handshake).into_message(0)
}

/// The answer of a peer that serves metadata and blocks, and unchokes who is interested.
pub(crate) fn serve(message: &Message, torrent: &Torrent) -> Vec<Do> {
    match message {
        Message::Interested => vec![Do::Say(Message::Unchoke)],
        Message::Request(block) => match torrent.block(block) {
            Some(bytes) => vec![Do::Say(Message::Piece {
                index: block.index,
                begin: block.begin,
                block: bytes,
            })],
            None => vec![Do::Say(Message::RejectRequest(*block))],
        },
        Message::Extended { ext_id: 1, payload } => {
            match ExtensionMessage::decode("ut_metadata", payload) {
                Ok(ExtensionMessage::MetadataRequest { piece }) => {
                    let n = u32::try_from(piece).unwrap();
                    let data = torrent.metainfo().info_piece(n).unwrap();
                    let answer = ExtensionMessage::MetadataData {
                        piece,
                        total_size: Some(torrent.metainfo().info_bytes().len() as i128),
                        data,
                    };
                    vec![Do::Say(answer.into_message(TESTERS_METADATA))]
                }
                _ => vec![],
            }
        }
        _ => vec![],
    }
}

impl Fake {
    pub(crate) fn new(torrent: &Torrent, opening: Vec<Do>, react: React) -> Self {
        Self {
            torrent: torrent.clone(),
            opening,
            react,
            conns: BTreeMap::new(),
            timers: Vec::new(),
            out: VecDeque::new(),
            dial_opening: Vec::new(),
            dialled: 0,
            remote: None,
            opened: 0,
            now: Duration::ZERO,
        }
    }

    fn handshake(&self) -> Bytes {
        let handshake = Handshake {
            reserved: Reserved::with(&[Capability::Fast, Capability::Extended]),
            info_hash: self.torrent.info_hash(),
            peer_id: PeerId(*b"-FK0001-abcdefghijkl"),
        };
        Bytes::copy_from_slice(&handshake.encode())
    }

    fn open(&mut self, conn: u32) {
        self.opened += 1;
        let number = self.opened;
        self.conns.insert(
            conn,
            Conn {
                number,
                handshake: HandshakeDecoder::new(),
                frames: FrameDecoder::new(1 << 20),
                greeted: false,
            },
        );
    }

    fn perform(&mut self, conn: u32, what: Do) {
        match what {
            Do::Say(message) => self.out.push_back(Output::Bytes {
                conn,
                bytes: message.encode(),
            }),
            Do::Raw(bytes) => self.out.push_back(Output::Bytes { conn, bytes }),
            Do::Fin => self.out.push_back(Output::Fin { conn }),
            Do::Rst => self.out.push_back(Output::Rst { conn }),
            Do::Exit => self.out.push_back(Output::Exit(1)),
            Do::Refuse => self.out.push_back(Output::StopAccepting),
            Do::Later(after, what) => self.timers.push((self.now + after, conn, *what)),
        }
    }

    fn greet(&mut self, conn: u32) {
        let bytes = self.handshake();
        self.out.push_back(Output::Bytes { conn, bytes });
        for what in self.opening.clone() {
            self.perform(conn, what);
        }
    }

    fn read(&mut self, conn: u32, bytes: &[u8]) {
        let Some(known) = self.conns.get_mut(&conn) else {
            return;
        };
        let taken = known.handshake.push(bytes);
        known.frames.push(&bytes[taken..]);
        if known.handshake.needed() > 0 {
            return;
        }
        if !std::mem::replace(&mut known.greeted, true) {
            self.greet(conn);
        }
        loop {
            let Some(known) = self.conns.get_mut(&conn) else {
                return;
            };
            let Ok(Some(frame)) = known.frames.next_frame() else {
                return;
            };
            let number = known.number;
            if let Ok(message) = Message::decode(&frame) {
                for what in (self.react)(number, &message, &self.torrent) {
                    self.perform(conn, what);
                }
            }
        }
    }
}

impl Process for Fake {
    fn handle(&mut self, input: Input, at: Duration) {
        self.now = at;
        match input {
            Input::Accepted { conn, .. } => self.open(conn),
            Input::Connected { conn } => {
                self.open(conn);
                let first = if self.dial_opening.is_empty() {
                    None
                } else {
                    Some(self.dial_opening.remove(0))
                };
                match first {
                    Some(bytes) => self.out.push_back(Output::Bytes { conn, bytes }),
                    None => {
                        self.conns.get_mut(&conn).unwrap().greeted = true;
                        self.greet(conn);
                    }
                }
            }
            Input::Bytes { conn, bytes } => self.read(conn, &bytes),
            Input::Eof { conn } => {
                self.out.push_back(Output::Fin { conn });
                self.ended(conn);
            }
            Input::Reset { conn } => self.ended(conn),
            Input::Dial { remote, .. } => self.dial(remote),
            Input::Timeout => {
                let (due, rest) = std::mem::take(&mut self.timers)
                    .into_iter()
                    .partition(|(when, _, _)| *when <= at);
                self.timers = rest;
                let due: Vec<(Duration, u32, Do)> = due;
                for (_, conn, what) in due {
                    self.perform(conn, what);
                }
            }
            Input::ConnectFailed { .. } | Input::Full { .. } | Input::Drained { .. } => {}
            Input::Verb { argv } => {
                let known = argv.first().is_some_and(|verb| verb == "pause");
                let code = if known { 0 } else { 64 };
                self.out.push_back(Output::VerbDone { code });
            }
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_deadline(&self) -> Option<Duration> {
        self.timers.iter().map(|(at, _, _)| *at).min()
    }

    fn health(&self) -> Health {
        Health::default()
    }
}

impl Fake {
    /// Who is turned away before it could say hello tries once more, as clients do whose encrypted
    /// opening is refused.
    fn ended(&mut self, conn: u32) {
        let gone = self.conns.remove(&conn);
        let dialled = conn % 2 == 1;
        if let Some(remote) = self.remote
            && dialled
            && gone.is_some_and(|gone| !gone.greeted)
        {
            self.dial(remote);
        }
    }

    fn dial(&mut self, remote: SocketAddr) {
        self.remote = Some(remote);
        self.dialled += 1;
        self.out.push_back(Output::Connect {
            conn: self.dialled * 2 - 1,
            remote,
        });
    }
}
