//! What is watched on a live connection: ledgers, every rule, the transcript.

use std::time::Duration;

use btspec::peer::{Health, Input, Output, Peer, PeerEvent, Process};
use btspec::rule::Judge;
use btspec::session::{Session, SessionConfig};
use btspec::torrent::Torrent;
use btspec::trace::{CloseHow, ConnId, Dir, Recorder, StreamDecoder, Transcript};
use btspec::wire::frame::DEFAULT_LIMIT;
use bytes::Bytes;

/// One connection with everything on.
pub(super) struct Watch {
    sent: StreamDecoder,
    received: StreamDecoder,
    session: Session,
    judge: Judge,
    recorder: Recorder,
    transcript: Transcript,
}

impl Watch {
    /// A connection that we dialled.
    pub(super) fn new(torrent: &Torrent) -> Self {
        let conn = ConnId(1);
        Self {
            sent: StreamDecoder::new(conn, Dir::Sent, DEFAULT_LIMIT),
            received: StreamDecoder::new(conn, Dir::Received, DEFAULT_LIMIT),
            session: Session::new(SessionConfig {
                conn,
                torrent: torrent.clone(),
                initiator: true,
            }),
            judge: Judge::new(),
            recorder: Recorder::new(),
            transcript: Transcript::new(),
        }
    }

    /// Bytes went or came.
    pub(super) fn bytes(&mut self, dir: Dir, bytes: &[u8], at: Duration) {
        self.decoder(dir).push(bytes, at);
        self.see(dir);
    }

    /// The target has closed.
    pub(super) fn end(&mut self, how: CloseHow, at: Duration) {
        self.received.finish(how, at);
        self.see(Dir::Received);
    }

    /// Whether the target has said what it has.
    pub(super) fn availability_seen(&self) -> bool {
        self.session.availability_seen()
    }

    /// Messages of both sides so far.
    pub(super) fn observations(&self) -> u64 {
        self.recorder.latest()
    }

    fn decoder(&mut self, dir: Dir) -> &mut StreamDecoder {
        match dir {
            Dir::Sent => &mut self.sent,
            Dir::Received => &mut self.received,
        }
    }

    fn see(&mut self, dir: Dir) {
        while let Some(mut observation) = self.decoder(dir).poll() {
            self.recorder.stamp(&mut observation);
            self.session.handle(&observation);
            while let Some(event) = self.session.poll_event() {
                self.judge.handle(&event, &self.session);
            }
            self.transcript.push(observation);
        }
    }
}

/// The reference peer, watched on the one connection that it has.
pub(super) struct Watched {
    peer: Peer,
    /// What is seen of the other end.
    pub(super) watch: Watch,
    now: Duration,
    /// The connection is over.
    pub(super) over: bool,
}

impl Watched {
    /// Watches `peer`, which is about to dial.
    pub(super) fn new(peer: Peer, torrent: &Torrent) -> Self {
        Self {
            peer,
            watch: Watch::new(torrent),
            now: Duration::ZERO,
            over: false,
        }
    }

    /// Bytes of blocks that it has sent.
    pub(super) fn served(&self) -> u64 {
        self.peer.stats().sent.payload()
    }
}

impl Process for Watched {
    fn handle(&mut self, input: Input, at: Duration) {
        self.now = at;
        match &input {
            Input::Bytes { bytes, .. } => self.watch.bytes(Dir::Received, bytes, at),
            Input::Eof { .. } => self.watch.end(CloseHow::Fin, at),
            Input::Reset { .. } => self.watch.end(CloseHow::Rst, at),
            _ => {}
        }
        self.peer.handle(input, at);
    }

    fn poll_output(&mut self) -> Option<Output> {
        let output = self.peer.poll_output()?;
        match &output {
            Output::Bytes { bytes, .. } => {
                let bytes: Bytes = bytes.clone();
                self.watch.bytes(Dir::Sent, &bytes, self.now);
            }
            Output::Event(PeerEvent::Closed { .. }) => self.over = true,
            _ => {}
        }
        Some(output)
    }

    fn poll_deadline(&self) -> Option<Duration> {
        self.peer.poll_deadline()
    }

    fn health(&self) -> Health {
        self.peer.health()
    }
}
