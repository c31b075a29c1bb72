//! Extensions of BEP 10 as a library user writes them; [`ut_metadata`](super::metadata) is one.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::connection::Agreed;
use super::event::ExtensionNote;
use crate::torrent::Torrent;
use crate::wire::Handshake;
use crate::wire::bencode::Value;
use crate::wire::extension::ExtendedHandshake;

/// One extension on one connection.
///
/// What it wants done goes through the [`Link`] and happens when the hook returns.
pub trait Extension: Debug + Send {
    /// Keys it adds to our extended handshake, beside its id in `m`.
    fn announce(&self, link: &Link<'_>) -> Vec<(&'static str, Value)> {
        let _ = link;
        Vec::new()
    }

    /// Both 68-byte handshakes are done.
    fn on_handshake(&mut self, link: &mut Link<'_>, handshake: &Handshake) {
        let _ = (link, handshake);
    }

    /// An extended handshake came: the first, or a later one that adds to it.
    fn on_extended_handshake(&mut self, link: &mut Link<'_>, handshake: &ExtendedHandshake) {
        let _ = (link, handshake);
    }

    /// A message under our id for this extension came.
    fn on_message(&mut self, link: &mut Link<'_>, payload: &Bytes);

    /// The time that [`deadline`](Self::deadline) gave has come.
    fn on_tick(&mut self, link: &mut Link<'_>) {
        let _ = link;
    }

    /// When it wants [`on_tick`](Self::on_tick).
    fn deadline(&self) -> Option<Duration> {
        None
    }
}

/// Makes an [`Extension`] for each new connection.
pub type ExtensionFactory = Box<dyn Fn() -> Box<dyn Extension> + Send>;

/// An extension cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// There is one of that name.
    #[error("extension `{0}` is already in use")]
    NameTaken(&'static str),
    /// All 255 ids are taken.
    #[error("no extended message id is left for `{0}`")]
    NoIdLeft(&'static str),
}

/// What an extension sees of its connection, and what it can do.
#[derive(Debug)]
pub struct Link<'a> {
    /// Time since the process started.
    pub now: Duration,
    /// The torrent.
    pub torrent: &'a Torrent,
    /// Address of the other end.
    pub remote: SocketAddr,
    /// Whether we dialled.
    pub initiator: bool,
    /// What both handshakes have in common.
    pub agreed: Agreed,
    /// Their id for this extension; `None` while they do not offer it or after they set it to 0.
    pub their_id: Option<u8>,
    pub(super) done: Vec<LinkAction>,
}

/// What an extension wants done.
#[derive(Debug)]
pub(super) enum LinkAction {
    Send(Bytes),
    Note(ExtensionNote),
    LostPiece(u32),
    Close,
}

impl Link<'_> {
    /// Sends a message of this extension; nothing happens while they do not offer it.
    pub fn send(&mut self, payload: Bytes) {
        if self.their_id.is_some() {
            self.done.push(LinkAction::Send(payload));
        }
    }

    /// Tells the owner of the peer.
    pub fn note(&mut self, note: ExtensionNote) {
        self.done.push(LinkAction::Note(note));
    }

    /// The other end no longer has a piece.
    pub fn lost_piece(&mut self, index: u32) {
        self.done.push(LinkAction::LostPiece(index));
    }

    /// Closes the connection.
    pub fn close(&mut self) {
        self.done.push(LinkAction::Close);
    }
}
