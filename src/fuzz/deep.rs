//! Defects that show only deep in the protocol, or only by and by: what a fuzzer must find.
//!
//! Each is a process around a sound one. Where it takes hold is a parameter, so that tests can draw
//! it from the boundary values and no fuzzer can be written around it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::peer::{Health, Input, Output, Process};
use crate::torrent::Torrent;
use crate::trace::{ConnId, Dir, StreamDecoder, What};
use crate::wire::{BlockRef, ExtensionMessage, Field, FieldValue, Frame, Kind, Message};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deep {
    /// The process ends at one value of one field of one message, once the other end is interested
    /// (or, where it is not, has unchoked us).
    DiesAt {
        /// The message.
        kind: Kind,
        /// The field.
        field: &'static Field,
        /// The value.
        value: i128,
    },
    /// Nothing works any more after so many connections that ended inside their handshake.
    Wedges {
        /// How many.
        after: usize,
    },
    /// Each rejected request leaves so many bytes behind.
    Leaks {
        /// How many.
        bytes: u64,
    },
    /// Requests from this offset on are not checked against the end of the piece.
    Overreads {
        /// The offset.
        begin: u32,
    },
    /// Requests for this piece of metadata are answered under the id of the connection before.
    StaleId {
        /// The piece.
        piece: i128,
    },
}

/// A process with a deep defect.
pub struct DeepPeer {
    inner: Box<dyn Process>,
    deep: Deep,
    torrent: Torrent,
    conns: BTreeMap<u32, Conn>,
    outputs: VecDeque<Output>,
    half_open: usize,
    leaked: u64,
    /// The id for ut_metadata that the connection before this one gave, and the latest.
    ids: (Option<u8>, Option<u8>),
    wedged: bool,
    exit: Option<i32>,
}

/// What is known of a connection.
struct Conn {
    stream: StreamDecoder,
    /// Interested in us, or has unchoked us.
    engaged: bool,
    greeted: bool,
    id: Option<u8>,
    stale: BTreeSet<i128>,
    /// Requests that were answered from beyond a piece.
    beyond: BTreeSet<BlockRef>,
}

impl DeepPeer {
    /// Puts a defect around a process.
    pub fn new(inner: Box<dyn Process>, deep: Deep, torrent: Torrent) -> Self {
        Self {
            inner,
            deep,
            torrent,
            conns: BTreeMap::new(),
            outputs: VecDeque::new(),
            half_open: 0,
            leaked: 0,
            ids: (None, None),
            wedged: false,
            exit: None,
        }
    }

    fn read(&mut self, number: u32, bytes: &Bytes, at: Duration) {
        let Some(conn) = self.conns.get_mut(&number) else {
            return;
        };
        conn.stream.push(bytes, at);
        let mut seen = Vec::new();
        while let Some(observation) = conn.stream.poll() {
            seen.push(observation.what);
        }
        for what in seen {
            match what {
                What::Handshake(_) => {
                    if let Some(conn) = self.conns.get_mut(&number) {
                        conn.greeted = true;
                    }
                }
                What::Message(message) => self.message(number, &message),
                _ => {}
            }
        }
    }

    fn message(&mut self, number: u32, message: &Message) {
        let Some(conn) = self.conns.get_mut(&number) else {
            return;
        };
        if matches!(message, Message::Interested | Message::Unchoke) {
            conn.engaged = true;
        }
        let payload = match message {
            Message::Extended { ext_id: 0, payload } => ExtensionMessage::decode("", payload).ok(),
            // The reference peer gives ut_metadata the first id.
            Message::Extended { ext_id: 1, payload } => {
                ExtensionMessage::decode("ut_metadata", payload).ok()
            }
            _ => None,
        };
        if let Some(ExtensionMessage::Handshake(hello)) = &payload
            && let Some(id) = hello.ext_id("ut_metadata")
        {
            if conn.id.is_none() {
                self.ids = (self.ids.1, Some(id));
            }
            conn.id = Some(id);
        }
        match self.deep {
            Deep::DiesAt { kind, field, value } if conn.engaged => {
                let (own, fields) = match &payload {
                    Some(payload) => (payload.kind(), payload.fields()),
                    None => (message.kind(), message.fields()),
                };
                let value = FieldValue::Int(value);
                let hit = fields
                    .iter()
                    .any(|(known, it)| *known == field && *it == value);
                if own == kind && hit {
                    self.exit = Some(139);
                    self.outputs.push_back(Output::Exit(139));
                }
            }
            Deep::Overreads { begin } => {
                if let Message::Request(block) = message
                    && block.begin >= begin
                    && conn.engaged
                    && block.length <= 1 << 17
                {
                    self.overread(number, block);
                }
            }
            Deep::StaleId { piece }
                if payload == Some(ExtensionMessage::MetadataRequest { piece }) =>
            {
                conn.stale.insert(piece);
            }
            _ => {}
        }
    }

    /// Serves what lies behind the end of a piece.
    fn overread(&mut self, conn: u32, block: &BlockRef) {
        let size = self.torrent.geometry().piece_size(block.index);
        let end = u64::from(block.begin).saturating_add(u64::from(block.length));
        let Some(size) = size.filter(|size| block.begin < *size && end > u64::from(*size)) else {
            return;
        };
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.beyond.insert(*block);
        }
        let right = BlockRef::new(block.index, block.begin, size.saturating_sub(block.begin));
        let mut bytes = self.torrent.block(&right).unwrap_or_default().to_vec();
        bytes.resize(usize::try_from(block.length).unwrap_or(0), 0x5a);
        let message = Message::Piece {
            index: block.index,
            begin: block.begin,
            block: bytes.into(),
        };
        self.outputs.push_back(Output::Bytes {
            conn,
            bytes: message.encode(),
        });
    }

    /// A connection is over.
    fn over(&mut self, number: u32) {
        if let Some(conn) = self.conns.remove(&number)
            && !conn.greeted
            && conn.stream.bytes() > 0
        {
            self.half_open = self.half_open.saturating_add(1);
            if let Deep::Wedges { after } = self.deep {
                self.wedged |= self.half_open >= after;
            }
        }
    }

    /// What goes out, with the defect in it.
    fn alter(&mut self, output: Output) -> Option<Output> {
        let Output::Bytes { conn, bytes } = output else {
            return Some(output);
        };
        if matches!(self.deep, Deep::DiesAt { .. } | Deep::Wedges { .. }) {
            return Some(Output::Bytes { conn, bytes });
        }
        let mut rest = bytes.clone();
        let mut out = Vec::new();
        if rest.starts_with(b"\x13BitTorrent protocol") && rest.len() >= 68 {
            out.extend_from_slice(&rest.split_to(68));
        }
        while let Some(frame) = Frame::split_from(&mut rest) {
            let message = Message::decode(&frame);
            match (self.deep, message) {
                (Deep::Leaks { bytes }, Ok(Message::RejectRequest(_))) => {
                    self.leaked = self.leaked.saturating_add(bytes);
                    out.extend_from_slice(frame.raw());
                }
                // The wrong block has gone out already.
                (Deep::Overreads { .. }, Ok(Message::RejectRequest(block)))
                    if self.went_beyond(conn, &block) => {}
                (Deep::StaleId { .. }, Ok(Message::Extended { ext_id, payload })) => {
                    let stale = self.stale(conn, ext_id, &payload);
                    let message = Message::Extended {
                        ext_id: stale.unwrap_or(ext_id),
                        payload,
                    };
                    out.extend_from_slice(&message.encode());
                }
                _ => out.extend_from_slice(frame.raw()),
            }
        }
        out.extend_from_slice(&rest);
        let bytes = Bytes::from(out);
        (!bytes.is_empty()).then_some(Output::Bytes { conn, bytes })
    }

    fn went_beyond(&mut self, conn: u32, block: &BlockRef) -> bool {
        let conn = self.conns.get_mut(&conn);
        conn.is_some_and(|conn| conn.beyond.remove(block))
    }

    fn stale(&self, conn: u32, ext_id: u8, payload: &Bytes) -> Option<u8> {
        let conn = self.conns.get(&conn)?;
        let Deep::StaleId { piece } = self.deep else {
            return None;
        };
        let answer = ExtensionMessage::decode("ut_metadata", payload).ok()?;
        let answers = match answer {
            ExtensionMessage::MetadataData { piece, .. }
            | ExtensionMessage::MetadataReject { piece } => conn.stale.contains(&piece),
            _ => false,
        };
        let own = conn.id == Some(ext_id);
        (answers && own && piece >= 0).then_some(self.ids.0)?
    }
}

impl Process for DeepPeer {
    fn handle(&mut self, input: Input, at: Duration) {
        if self.exit.is_some() {
            return;
        }
        match &input {
            Input::Accepted { conn, .. } => {
                let stream = StreamDecoder::new(ConnId(*conn), Dir::Received, 1 << 20);
                let conn = (
                    *conn,
                    Conn {
                        stream,
                        engaged: false,
                        greeted: false,
                        id: None,
                        stale: BTreeSet::new(),
                        beyond: BTreeSet::new(),
                    },
                );
                self.conns.insert(conn.0, conn.1);
            }
            Input::Bytes { conn, bytes } if !self.wedged => self.read(*conn, bytes, at),
            _ => {}
        }
        if !self.wedged && self.exit.is_none() {
            self.inner.handle(input.clone(), at);
        }
        if let Input::Eof { conn } | Input::Reset { conn } = input {
            self.over(conn);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let output = self.inner.poll_output()?;
            if self.exit.is_some() || self.wedged {
                continue;
            }
            if let Output::Fin { conn } | Output::Rst { conn } = &output {
                self.over(*conn);
            }
            if let Some(output) = self.alter(output) {
                return Some(output);
            }
        }
    }

    fn poll_deadline(&self) -> Option<Duration> {
        if self.exit.is_some() || self.wedged {
            return None;
        }
        self.inner.poll_deadline()
    }

    fn health(&self) -> Health {
        let mut health = self.inner.health();
        health.resident = health.resident.saturating_add(self.leaked);
        health.exited = health.exited.or(self.exit);
        health
    }
}
