//! A look at a target before anything is judged: does it know our torrent, and what has it?
//!
//! One connection, a real handshake, and what the target announces by itself. Used to see when a
//! started client is ready, and to find out the role of a target that somebody else started.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::torrent::{PieceSet, Torrent};
use crate::transport::{DialError, Event, Sockets};
use crate::wire::{
    Capability, FrameDecoder, Handshake, HandshakeDecoder, HandshakeError, Message, PeerId,
    Reserved,
};

/// What a target showed on one connection.
#[derive(Debug, Clone)]
pub struct Sight {
    /// Its handshake.
    pub handshake: Handshake,
    /// What it announced; `None` if it said nothing about its pieces.
    pub has: Option<PieceSet>,
    /// Our address on that connection.
    pub local: SocketAddr,
}

/// What the announced pieces make of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// It has everything.
    Seed,
    /// It has nothing, or next to nothing.
    Leech,
    /// Neither: so many of so many.
    Partial {
        /// Pieces that it has.
        has: u32,
        /// Pieces that there are.
        of: u32,
    },
}

/// Why there was nothing to see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// No connection.
    #[error("cannot connect: {0}")]
    Dial(#[from] DialError),
    /// It closed before its handshake was complete, as peers do that do not have the torrent.
    #[error("it closes on our info hash {info_hash} after {bytes} bytes of its own")]
    Closed {
        /// What we asked for.
        info_hash: String,
        /// Bytes it had sent.
        bytes: usize,
    },
    /// It has not completed a handshake in time.
    #[error("no handshake within {} s ({bytes} of 68 bytes came)", .within.as_secs())]
    Mute {
        /// How long we waited.
        within: Duration,
        /// Bytes it had sent.
        bytes: usize,
    },
    /// What it sent is no handshake.
    #[error("it does not speak BitTorrent: {0}")]
    NotBitTorrent(#[from] HandshakeError),
    /// It answered with another info hash.
    #[error("it answered with info hash {0}, which we did not ask for")]
    OtherTorrent(String),
}

impl Sight {
    /// The role that its announcements fit.
    pub fn looks(&self) -> Looks {
        let Some(has) = &self.has else {
            return Looks::Leech;
        };
        let (count, pieces) = (has.count(), has.pieces());
        if has.is_full() {
            Looks::Seed
        } else if u64::from(count) * FEW <= u64::from(pieces) {
            Looks::Leech
        } else {
            Looks::Partial {
                has: count,
                of: pieces,
            }
        }
    }
}

/// Connects, shakes hands within `within`, and watches until the target has announced everything
/// or for up to `watch` after the handshake.
///
/// # Errors
/// When no handshake comes about.
pub async fn look(
    target: SocketAddr,
    source: Option<IpAddr>,
    torrent: &Torrent,
    within: Duration,
    watch: Duration,
) -> Result<Sight, ProbeError> {
    let mut look = Look::new(torrent, within);
    let end = Instant::now() + within;
    look.sockets.dial(CONN, source, target);
    let handshake = match timeout_at(end, look.shake()).await {
        Ok(result) => result?,
        Err(_) if look.local.is_none() => return Err(DialError::Unanswered(within).into()),
        Err(_) => {
            return Err(ProbeError::Mute {
                within,
                bytes: Handshake::LEN - look.decoder.needed(),
            });
        }
    };
    if handshake.info_hash != torrent.info_hash() {
        return Err(ProbeError::OtherTorrent(handshake.info_hash.to_string()));
    }
    if handshake.reserved.has(Capability::Fast) {
        // BEP 6, "Have All/Have None": one of them is owed. We look like a leech, never like a
        // seed, which seeds would close on.
        look.sockets.write(CONN, Message::HaveNone.encode());
    }
    // Whoever has nothing may say nothing: then this ends by time.
    let _ = timeout_at(Instant::now() + watch, look.announcements()).await;
    look.sockets.rst(CONN);
    Ok(Sight {
        handshake,
        has: look.has,
        local: look
            .local
            .unwrap_or_else(|| SocketAddr::new(target.ip(), 0)),
    })
}

struct Look<'a> {
    sockets: Sockets,
    torrent: &'a Torrent,
    within: Duration,
    local: Option<SocketAddr>,
    decoder: HandshakeDecoder,
    frames: FrameDecoder,
    has: Option<PieceSet>,
    ended: bool,
}

impl<'a> Look<'a> {
    fn new(torrent: &'a Torrent, within: Duration) -> Self {
        Self {
            sockets: Sockets::new(),
            torrent,
            within,
            local: None,
            decoder: HandshakeDecoder::new(),
            frames: FrameDecoder::new(FRAME_LIMIT),
            has: None,
            ended: false,
        }
    }

    async fn shake(&mut self) -> Result<Handshake, ProbeError> {
        loop {
            match self.sockets.next().await {
                Event::Connected { local, .. } => {
                    self.local = Some(local);
                    let ours = Handshake {
                        reserved: Reserved::with(&[Capability::Fast, Capability::Extended]),
                        info_hash: self.torrent.info_hash(),
                        peer_id: peer_id(local),
                    };
                    let bytes = Bytes::copy_from_slice(&ours.encode());
                    self.sockets.write(CONN, bytes);
                }
                Event::Failed {
                    why: DialError::Unanswered(_),
                    ..
                } => return Err(DialError::Unanswered(self.within).into()),
                Event::Failed { why, .. } => return Err(why.into()),
                Event::Bytes { bytes, .. } => {
                    let taken = self.decoder.push(&bytes);
                    self.frames.push(bytes.get(taken..).unwrap_or_default());
                    if let Some(handshake) = self.decoder.handshake()? {
                        return Ok(handshake);
                    }
                }
                Event::Eof { .. } | Event::Reset { .. } => {
                    return Err(ProbeError::Closed {
                        info_hash: self.torrent.info_hash().to_string(),
                        bytes: Handshake::LEN - self.decoder.needed(),
                    });
                }
                Event::Incoming(_) | Event::Written { .. } | Event::WriteFailed { .. } => {}
            }
        }
    }

    /// Reads until everything is announced, something else shows that no more will come, or the
    /// end of the connection.
    async fn announcements(&mut self) {
        loop {
            while let Ok(Some(frame)) = self.frames.next_frame() {
                if let Ok(message) = Message::decode(&frame) {
                    self.take(&message);
                }
            }
            if self.ended || self.has.as_ref().is_some_and(PieceSet::is_full) {
                return;
            }
            match self.sockets.next().await {
                Event::Bytes { bytes, .. } => self.frames.push(&bytes),
                Event::Eof { .. } | Event::Reset { .. } => self.ended = true,
                _ => {}
            }
        }
    }

    fn take(&mut self, message: &Message) {
        let pieces = self.torrent.geometry().pieces();
        match message {
            Message::HaveAll => self.has = Some(PieceSet::all(pieces)),
            Message::HaveNone => {
                self.has = Some(PieceSet::none(pieces));
                self.ended = true;
            }
            Message::Bitfield { bits } => self.has = Some(PieceSet::from_bits(bits, pieces)),
            Message::Have { index } => {
                let has = self.has.get_or_insert_with(|| PieceSet::none(pieces));
                has.set(*index);
            }
            _ => {}
        }
    }
}

/// A peer id of this tool that differs with each connection.
fn peer_id(local: SocketAddr) -> PeerId {
    let mut id = *b"-XB0100-look00000000";
    let ip = match local.ip() {
        IpAddr::V4(ip) => u32::from(ip),
        IpAddr::V6(_) => 0,
    };
    let text = format!("{ip:08x}{:04x}", local.port());
    for (to, from) in id.iter_mut().skip(8).zip(text.bytes()) {
        *to = from;
    }
    PeerId(id)
}

const CONN: u32 = 1;

/// A target that announces no more than one in so many pieces counts as a leech.
const FEW: u64 = 20;

const FRAME_LIMIT: u32 = 1024 * 1024;
