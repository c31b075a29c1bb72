//! Scripted sessions: a test reads as the messages that go over the wire.

use std::time::Duration;

use bytes::Bytes;

use super::{Event, Session, SessionConfig};
use crate::torrent::{Builder, Content, Geometry, PieceSet, Torrent};
use crate::trace::{CloseHow, ConnId, Dir, Observation, Recorder, StreamDecoder, What};
use crate::wire::{
    BlockRef, Capability, ExtendedHandshake, ExtensionMessage, Frame, Handshake, Message, PeerId,
    Reserved,
};

/// Our ids in a script; the target's are [`THEIR_METADATA`] and [`THEIR_PEX`].
pub(crate) const OUR_METADATA: u8 = 201;
/// See [`OUR_METADATA`].
pub(crate) const OUR_PEX: u8 = 77;
/// See [`OUR_METADATA`].
pub(crate) const THEIR_METADATA: u8 = 3;
/// See [`OUR_METADATA`].
pub(crate) const THEIR_PEX: u8 = 1;

/// A connection on which a test sends and gets what it likes, at times of its choice. The tester
/// has dialled.
pub(crate) struct Script {
    pub(crate) session: Session,
    /// What it all meant, each with the session as it was then.
    events: Vec<(Event, Session)>,
    keep_events: bool,
    recorder: Recorder,
    now: Duration,
    ours: Reserved,
    theirs: Reserved,
}

/// Ten pieces of 32 KiB, the last one short: six spare bits.
pub(crate) fn torrent() -> Torrent {
    let geometry = Geometry::new(9 * 32768 + 20_000, 32768).unwrap();
    Torrent::build(&Builder::new("script"), Content::from_seed(7, geometry)).unwrap()
}

/// The same, marked as private.
pub(crate) fn private_torrent() -> Torrent {
    let geometry = Geometry::new(9 * 32768 + 20_000, 32768).unwrap();
    let builder = Builder::new("script").private();
    Torrent::build(&builder, Content::from_seed(7, geometry)).unwrap()
}

/// A ut_pex message of nobody.
pub(crate) fn empty_pex(ext_id: u8) -> Message {
    Message::Extended {
        ext_id,
        payload: Bytes::from_static(b"d5:added0:e"),
    }
}

/// A bitfield with every piece of [`torrent`].
pub(crate) fn full() -> Message {
    Message::Bitfield {
        bits: PieceSet::all(10).to_bitfield(),
    }
}

/// 16 KiB of a piece, at its start.
pub(crate) fn block(index: u32) -> BlockRef {
    BlockRef {
        index,
        begin: 0,
        length: 16384,
    }
}

impl Script {
    /// Before any handshake, with these reserved bits to come.
    pub(crate) fn new(ours: &[Capability], theirs: &[Capability]) -> Self {
        Self::of(torrent(), ours, theirs)
    }

    /// The same with another torrent.
    pub(crate) fn of(torrent: Torrent, ours: &[Capability], theirs: &[Capability]) -> Self {
        let conn = ConnId(1);
        Self {
            session: Session::new(SessionConfig {
                conn,
                torrent,
                initiator: true,
            }),
            events: Vec::new(),
            keep_events: true,
            recorder: Recorder::new(),
            now: Duration::ZERO,
            ours: Reserved::with(ours),
            theirs: Reserved::with(theirs),
        }
    }

    /// The same, but the target has dialled.
    pub(crate) fn accepting(ours: &[Capability], theirs: &[Capability]) -> Self {
        let mut script = Self::new(ours, theirs);
        script.session = Session::new(SessionConfig {
            conn: ConnId(1),
            torrent: torrent(),
            initiator: false,
        });
        script
    }

    /// Forgets events from here on: for floods.
    pub(crate) fn only_session(&mut self) -> &mut Self {
        self.keep_events = false;
        self
    }

    /// The tester stops or resumes reading.
    pub(crate) fn reads(&mut self, reading: bool) -> &mut Self {
        self.session.handle_reading(reading, self.now);
        self.collect()
    }

    /// The tester sends a handshake for another torrent.
    pub(crate) fn sends_other_info_hash(&mut self) -> &mut Self {
        self.other_info_hash(Dir::Sent)
    }

    /// The target answers it.
    pub(crate) fn gets_other_info_hash(&mut self) -> &mut Self {
        self.other_info_hash(Dir::Received)
    }

    fn other_info_hash(&mut self, dir: Dir) -> &mut Self {
        let mut other = handshake(&self.session, self.ours, *b"-BS0001-testertester");
        other.info_hash.0 = [7; 20];
        let raw = Bytes::copy_from_slice(&other.encode());
        self.see(dir, What::Handshake(other), raw)
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, seconds: f64) -> &mut Self {
        self.now = self.now.saturating_add(Duration::from_secs_f64(seconds));
        self.session.handle_timeout(self.now);
        self.collect()
    }

    /// Lets time pass without telling the session.
    pub(crate) fn later(&mut self, seconds: f64) -> &mut Self {
        self.now = self.now.saturating_add(Duration::from_secs_f64(seconds));
        self
    }

    /// Both handshakes.
    pub(crate) fn handshakes(&mut self) -> &mut Self {
        self.greets().is_greeted()
    }

    /// The tester's handshake.
    pub(crate) fn greets(&mut self) -> &mut Self {
        let ours = handshake(&self.session, self.ours, *b"-BS0001-testertester");
        let raw = Bytes::copy_from_slice(&ours.encode());
        self.see(Dir::Sent, What::Handshake(ours), raw)
    }

    /// The target's handshake.
    pub(crate) fn is_greeted(&mut self) -> &mut Self {
        let theirs = handshake(&self.session, self.theirs, *b"-TR4050-targettarget");
        let raw = Bytes::copy_from_slice(&theirs.encode());
        self.see(Dir::Received, What::Handshake(theirs), raw)
    }

    /// The tester sends a message.
    pub(crate) fn sends(&mut self, message: Message) -> &mut Self {
        let raw = message.encode();
        self.see(Dir::Sent, What::Message(message), raw)
    }

    /// The tester gets a message.
    pub(crate) fn gets(&mut self, message: Message) -> &mut Self {
        let raw = message.encode();
        self.see(Dir::Received, What::Message(message), raw)
    }

    /// The tester gets these bytes as one frame, whatever they are.
    pub(crate) fn gets_frame(&mut self, body: &[u8]) -> &mut Self {
        self.bytes(Dir::Received, Frame::from_body(body).raw())
    }

    /// The tester sends these bytes as one frame, whatever they are.
    pub(crate) fn sends_frame(&mut self, body: &[u8]) -> &mut Self {
        self.bytes(Dir::Sent, Frame::from_body(body).raw())
    }

    /// Bytes without a handshake before them.
    pub(crate) fn bytes(&mut self, dir: Dir, bytes: &[u8]) -> &mut Self {
        let mut decoder = StreamDecoder::without_handshake(ConnId(1), dir, 1 << 20);
        decoder.push(bytes, self.now);
        while let Some(observation) = decoder.poll() {
            self.observe(observation);
        }
        self
    }

    /// Bytes from the start of the stream.
    pub(crate) fn gets_opening(&mut self, bytes: &[u8]) -> &mut Self {
        let mut decoder = StreamDecoder::new(ConnId(1), Dir::Received, 1 << 20);
        decoder.push(bytes, self.now);
        while let Some(observation) = decoder.poll() {
            self.observe(observation);
        }
        self
    }

    /// The tester sends an extension handshake with its usual ids.
    pub(crate) fn sends_hello(&mut self) -> &mut Self {
        self.sends_m(&[("ut_metadata", OUR_METADATA), ("ut_pex", OUR_PEX)])
    }

    /// The tester sends an extension handshake with this `m`.
    pub(crate) fn sends_m(&mut self, m: &[(&str, u8)]) -> &mut Self {
        let hello = ExtensionMessage::Handshake(ExtendedHandshake::new().with_m(m));
        self.sends(hello.into_message(0))
    }

    /// The tester gets an extension handshake with the target's usual ids.
    pub(crate) fn gets_hello(&mut self) -> &mut Self {
        let m = [("ut_metadata", THEIR_METADATA), ("ut_pex", THEIR_PEX)];
        let size = self.info().len() as i128;
        self.gets_handshake(
            ExtendedHandshake::new()
                .with_m(&m)
                .with("metadata_size", size),
        )
    }

    /// The tester gets this extension handshake.
    pub(crate) fn gets_handshake(&mut self, handshake: ExtendedHandshake) -> &mut Self {
        self.gets(ExtensionMessage::Handshake(handshake).into_message(0))
    }

    /// A ut_metadata request and its answer: the target has read everything sent so far.
    pub(crate) fn proof_of_life(&mut self) -> &mut Self {
        self.sends_metadata_request(0);
        self.gets_metadata(0, OUR_METADATA)
    }

    /// The tester asks for a piece of metadata.
    pub(crate) fn sends_metadata_request(&mut self, piece: i128) -> &mut Self {
        self.sends(ExtensionMessage::MetadataRequest { piece }.into_message(THEIR_METADATA))
    }

    /// The tester gets a piece of metadata under this id.
    pub(crate) fn gets_metadata(&mut self, piece: i128, id: u8) -> &mut Self {
        let info = self.info();
        let data = ExtensionMessage::MetadataData {
            piece,
            total_size: Some(info.len() as i128),
            data: info,
        };
        self.gets(data.into_message(id))
    }

    /// The tester gets a ut_metadata message with this payload.
    pub(crate) fn gets_metadata_payload(&mut self, payload: impl AsRef<[u8]>) -> &mut Self {
        self.gets(Message::Extended {
            ext_id: OUR_METADATA,
            payload: Bytes::copy_from_slice(payload.as_ref()),
        })
    }

    /// The info dictionary, which is one piece of metadata.
    pub(crate) fn info(&self) -> Bytes {
        self.session.torrent().metainfo().info_bytes().clone()
    }

    /// The tester gets a block of the torrent.
    pub(crate) fn gets_block(&mut self, block: BlockRef) -> &mut Self {
        let piece = self.piece(block);
        self.gets(piece)
    }

    /// The tester sends a block of the torrent.
    pub(crate) fn sends_block(&mut self, block: BlockRef) -> &mut Self {
        let piece = self.piece(block);
        self.sends(piece)
    }

    /// The tester ends the connection.
    pub(crate) fn closes(&mut self) -> &mut Self {
        self.see(Dir::Sent, What::Closed(CloseHow::Fin), Bytes::new())
    }

    /// The target ends the connection.
    pub(crate) fn is_closed(&mut self) -> &mut Self {
        self.see(Dir::Received, What::Closed(CloseHow::Fin), Bytes::new())
    }

    /// Something that is no message.
    pub(crate) fn see(&mut self, dir: Dir, what: What, raw: Bytes) -> &mut Self {
        self.observe(Observation {
            raw,
            ..Observation::new(ConnId(1), dir, self.now, what)
        })
    }

    /// The latest event.
    #[track_caller]
    pub(crate) fn last(&self) -> &Event {
        &self.events.last().expect("an event").0
    }

    /// Takes the events so far.
    pub(crate) fn take(&mut self) -> Vec<(Event, Session)> {
        std::mem::take(&mut self.events)
    }

    fn piece(&self, block: BlockRef) -> Message {
        Message::Piece {
            index: block.index,
            begin: block.begin,
            block: self
                .session
                .torrent()
                .block(&block)
                .expect("a block of the torrent"),
        }
    }

    fn observe(&mut self, mut observation: Observation) -> &mut Self {
        observation.at = self.now;
        self.recorder.stamp(&mut observation);
        self.session.handle(&observation);
        self.collect()
    }

    fn collect(&mut self) -> &mut Self {
        while let Some(event) = self.session.poll_event() {
            if self.keep_events {
                self.events.push((event, self.session.clone()));
            }
        }
        self
    }
}

fn handshake(session: &Session, reserved: Reserved, peer_id: [u8; 20]) -> Handshake {
    Handshake {
        reserved,
        info_hash: session.torrent().info_hash(),
        peer_id: PeerId(peer_id),
    }
}
