//! Commands for those who use the peer as a library. Each takes the time as its last argument.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::config::Settings;
use super::connection::{Agreed, Connection, HalfState, Pending, Upload};
use super::event::{CloseReason, RequestId};
use super::extension::{ExtensionError, ExtensionFactory};
use super::fault::Quirk;
use super::host::{Factory, Peer};
use super::stats::Stats;
use crate::torrent::{PieceSet, Torrent};
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{BlockRef, Handshake, Message, PeerId};

/// Verbs of an operator that the peer knows, as drivers have them.
pub const VERBS: [&str; 11] = [
    "add-peer",
    "complete",
    "connections",
    "discard",
    "pause",
    "recheck",
    "resume",
    "select",
    "slots",
    "super-seed",
    "switch-tracker",
];

/// # Commands
///
/// They keep the state: a second `choke` sends nothing. [`send_message`](Self::send_message) and
/// [`send_raw`](Self::send_raw) go past it.
impl Peer {
    /// Dials; gives the number that the connection will have.
    pub fn dial(&mut self, remote: SocketAddr, at: Duration) -> u32 {
        self.turn(at, |peer| peer.connect(remote))
    }

    /// Asks for a block, in any state. How it ended is told by
    /// [`PeerEvent::Request`](super::PeerEvent::Request). `None` without such a connection.
    pub fn request(&mut self, conn: u32, block: BlockRef, at: Duration) -> Option<RequestId> {
        self.turn(at, |peer| {
            peer.connections.get(&conn)?;
            let id = RequestId(peer.next_request);
            peer.next_request += 1;
            peer.ask(conn, block, Some(id));
            Some(id)
        })
    }

    /// Takes a request back; false if it is not pending.
    pub fn cancel(&mut self, conn: u32, id: RequestId, at: Duration) -> bool {
        self.turn(at, |peer| {
            let pending = peer.connections.get(&conn).and_then(|c| {
                let mut open = c.pending.iter().filter(|p| !p.cancelled);
                open.find(|p| p.id == Some(id)).copied()
            });
            if let Some(pending) = pending {
                peer.cancel_block(conn, &pending.block);
            }
            pending.is_some()
        })
    }

    /// Chokes: pending requests are rejected (fast) or dropped.
    pub fn choke(&mut self, conn: u32, at: Duration) {
        self.turn(at, |peer| peer.choke_now(conn));
    }

    /// Unchokes, whatever the slots say.
    pub fn unchoke(&mut self, conn: u32, at: Duration) {
        self.turn(at, |peer| peer.unchoke_now(conn));
    }

    /// Says that we want pieces, or that we want none.
    pub fn interested(&mut self, conn: u32, interested: bool, at: Duration) {
        self.turn(at, |peer| {
            let Some(c) = peer.connections.get_mut(&conn) else {
                return;
            };
            if c.us.interested == interested {
                return;
            }
            c.us.interested = interested;
            let message = if interested {
                Message::Interested
            } else {
                Message::NotInterested
            };
            peer.send(conn, message);
        });
    }

    /// Announces a piece to everybody who does not know that we have it.
    pub fn have(&mut self, index: u32, at: Duration) {
        self.turn(at, |peer| {
            if peer.store.have().get(index) || index >= peer.torrent.geometry().pieces() {
                return;
            }
            peer.store.set(index);
            let open = peer.connections.values().filter(|c| c.is_open());
            let open: Vec<u32> = open.map(|c| c.id).collect();
            for conn in open {
                peer.send(conn, Message::Have { index });
            }
        });
    }

    /// Drops a piece and tells everybody who was told of it and offers lt_donthave. With the fast
    /// extension what others asked of it is rejected, without it is dropped.
    pub fn discard(&mut self, index: u32, at: Duration) {
        self.turn(at, |peer| peer.discard_now(index));
    }

    /// Sends a message as it is, past all state.
    pub fn send_message(&mut self, conn: u32, message: Message, at: Duration) {
        self.turn(at, |peer| peer.send(conn, message));
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, conn: u32, bytes: &[u8], at: Duration) {
        self.turn(at, |peer| peer.put_raw(conn, bytes));
    }

    /// Sends a message of an extension under the id that the other end gave it; false if they do
    /// not offer it.
    pub fn send_extended(
        &mut self,
        conn: u32,
        name: &'static str,
        payload: Bytes,
        at: Duration,
    ) -> bool {
        self.turn(at, |peer| {
            let offered = peer.connections.get(&conn).and_then(|c| c.their_id(name));
            peer.send_extension(conn, name, payload);
            offered.is_some()
        })
    }

    /// Sends our extended handshake once more.
    pub fn repeat_extended_handshake(&mut self, conn: u32, at: Duration) {
        self.turn(at, |peer| peer.send_extended_handshake(conn));
    }

    /// Closes in order.
    pub fn close_connection(&mut self, conn: u32, at: Duration) {
        self.turn(at, |peer| peer.close(conn, CloseReason::Local));
    }

    /// Closes with a reset.
    pub fn reset(&mut self, conn: u32, at: Duration) {
        self.turn(at, |peer| peer.reset_connection(conn, CloseReason::Local));
    }

    /// Adds an extension to all later connections. Its id in `m` is the lowest that is free.
    pub fn add_extension(
        &mut self,
        name: &'static str,
        make: ExtensionFactory,
    ) -> Result<u8, ExtensionError> {
        if self.factories.iter().any(|factory| factory.name == name) {
            return Err(ExtensionError::NameTaken(name));
        }
        let taken = |id: &u8| self.factories.iter().any(|factory| factory.id == *id);
        let id = (1..=u8::MAX)
            .find(|id| !taken(id))
            .ok_or(ExtensionError::NoIdLeft(name))?;
        self.factories.push(Factory { name, id, make });
        Ok(id)
    }

    /// Changes settings; what is under way keeps the deadlines it has.
    pub fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
    }

    // What there is to know.

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The torrent.
    pub fn torrent(&self) -> &Torrent {
        &self.torrent
    }

    /// Our peer id.
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// What we have.
    pub fn pieces(&self) -> &PieceSet {
        self.store.have()
    }

    /// Bytes of a block that we have.
    pub fn block(&self, block: &BlockRef) -> Option<Bytes> {
        self.store.block(block)
    }

    /// What went over all connections.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// One connection.
    pub fn connection(&self, conn: u32) -> Option<ConnectionView<'_>> {
        self.connections.get(&conn).map(ConnectionView)
    }

    /// All connections, by number.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionView<'_>> {
        self.connections.values().map(ConnectionView)
    }

    // Verbs of the operator.

    pub(super) fn verb(&mut self, argv: &[String]) -> i32 {
        let argument = argv.get(1).map(String::as_str);
        match (argv.first().map(String::as_str), argument) {
            (Some("slots"), Some(n)) => match n.parse() {
                Ok(slots) => {
                    self.set_slots(slots);
                    VERB_DONE
                }
                Err(_) => VERB_FAILED,
            },
            (Some("add-peer"), Some(remote)) => match remote.parse() {
                Ok(remote) => {
                    self.connect(remote);
                    VERB_DONE
                }
                Err(_) => VERB_FAILED,
            },
            (Some("pause"), _) => {
                self.paused = true;
                for conn in self.ids() {
                    self.choke_now(conn);
                    self.let_go(conn);
                }
                VERB_DONE
            }
            (Some("resume"), _) => {
                self.paused = false;
                VERB_DONE
            }
            (Some("super-seed"), _) if self.store.complete() => {
                self.settings.super_seed = argument != Some("off");
                VERB_DONE
            }
            (Some("super-seed"), _) => VERB_FAILED,
            (Some("connections"), Some(n)) => match n.parse() {
                Ok(most) => {
                    self.settings.max_connections = most;
                    VERB_DONE
                }
                Err(_) => VERB_FAILED,
            },
            (Some("recheck"), _) => VERB_DONE,
            (Some("switch-tracker"), _) => {
                self.leave_tracker();
                VERB_DONE
            }
            (Some("select"), Some("all" | "none")) => {
                self.selected = argument == Some("all");
                self.ids()
                    .into_iter()
                    .for_each(|conn| self.set_interest(conn));
                VERB_DONE
            }
            (Some("restart"), _) => {
                self.start_anew();
                VERB_DONE
            }
            (Some("discard"), Some(index)) => match index.parse() {
                Ok(index) => {
                    self.discard_now(index);
                    VERB_DONE
                }
                Err(_) => VERB_FAILED,
            },
            (Some("complete"), _) => {
                self.complete_now();
                VERB_DONE
            }
            _ => VERB_UNKNOWN,
        }
    }

    /// BEP 27: with another tracker, the peers of a private torrent are others.
    fn leave_tracker(&mut self) {
        if self.torrent.metainfo().is_private() && !self.defects.has(Quirk::KeepsOldPeers) {
            let mut leave = self.ids();
            if self.defects.has(Quirk::KeepsOldCallers) {
                let connections = &self.connections;
                leave.retain(|id| connections.get(id).is_some_and(|c| c.initiator));
            }
            for conn in leave {
                self.close(conn, CloseReason::OtherTracker);
            }
        }
    }

    /// Fewer slots choke the peers that were unchoked last.
    fn set_slots(&mut self, slots: usize) {
        self.settings.slots = slots;
        let mut unchoked: Vec<(Duration, u32)> = self
            .connections
            .values()
            .filter(|c| !c.us.choking)
            .map(|c| (c.unchoked_since, c.id))
            .collect();
        unchoked.sort_unstable();
        for (_, conn) in unchoked.into_iter().skip(slots) {
            self.choke_now(conn);
        }
    }

    /// The rest of the content comes from elsewhere.
    fn complete_now(&mut self) {
        let missing: Vec<u32> = self.store.have().missing().collect();
        for index in missing {
            self.store.abandon(index);
            self.store.set(index);
            self.piece_verified(index);
        }
    }
}

/// What can be seen of a connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionView<'a>(&'a Connection);

impl<'a> ConnectionView<'a> {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// Address of the other end.
    pub fn remote(&self) -> SocketAddr {
        self.0.remote
    }

    /// Whether we dialled.
    pub fn initiator(&self) -> bool {
        self.0.initiator
    }

    /// Whether both handshakes are done.
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }

    /// Their handshake.
    pub fn handshake(&self) -> Option<&'a Handshake> {
        self.0.theirs.as_ref()
    }

    /// What both handshakes have in common.
    pub fn agreed(&self) -> Agreed {
        self.0.agreed
    }

    /// Our choke and interest.
    pub fn us(&self) -> HalfState {
        self.0.us
    }

    /// Their choke and interest.
    pub fn them(&self) -> HalfState {
        self.0.them
    }

    /// What they have.
    pub fn their_pieces(&self) -> &'a PieceSet {
        &self.0.their_pieces
    }

    /// All that their extended handshakes said.
    pub fn extended_handshake(&self) -> Option<&'a ExtendedHandshake> {
        self.0.their_extended.as_ref()
    }

    /// Their id for an extension; `None` if not offered or switched off.
    pub fn extension_id(&self, name: &str) -> Option<u8> {
        self.0.their_id(name)
    }

    /// Our requests that wait for an answer, oldest first.
    pub fn requests(&self) -> &'a [Pending] {
        &self.0.pending
    }

    /// Their requests that wait for a piece, oldest first.
    pub fn their_requests(&self) -> impl Iterator<Item = &'a Upload> {
        self.0.uploads.iter()
    }

    /// Pieces that we let them have while choked.
    pub fn allowed_fast(&self) -> &'a [u32] {
        &self.0.allowed_to_them
    }

    /// Pieces that they let us have while choked.
    pub fn their_allowed_fast(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.0.allowed_to_us.iter().copied()
    }

    /// What went over it.
    pub fn stats(&self) -> &'a Stats {
        &self.0.stats
    }
}

const VERB_DONE: i32 = 0;
const VERB_FAILED: i32 = 1;
/// Exit code by which a driver says that it does not know a verb.
const VERB_UNKNOWN: i32 = 64;
