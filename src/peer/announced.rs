//! What the other end says that it has, and which pieces it suggests or allows.

use std::time::Duration;

use bytes::Bytes;

use super::config::Tolerance;
use super::connection::Pending;
use super::download::lapse;
use super::event::{CloseReason, RequestOutcome};
use super::fault::Quirk;
use super::host::Peer;
use crate::torrent::{BitfieldError, PieceSet};
use crate::wire::{BlockRef, Kind, Message};

impl Peer {
    pub(super) fn they_have(&mut self, conn: u32, index: u32) {
        self.huge_have |= i32::try_from(index).is_err();
        if index >= self.torrent.geometry().pieces() {
            if self.settings.spare_bits == Tolerance::Close {
                self.close(conn, CloseReason::BadAvailability);
            }
            return;
        }
        let missing = !self.store.have().get(index);
        let wanted = self.connections.get(&conn).map_or(0, |c| c.wanted);
        let blind =
            wanted == 0 && self.defects.has(Quirk::HaveRaisesNoInterest) && !self.young(conn);
        if self.defects.has(Quirk::IgnoresLaterHave) && self.said_bitfield(conn) && self.young(conn)
        {
            return;
        }
        let twice = self.defects.has(Quirk::CountsHavesTwice);
        if self.gone_for_good(conn, index) {
            return;
        }
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if (c.their_pieces.set(index) || twice) && missing && !blind {
            c.wanted += 1;
            self.interest_changed(conn);
        }
        self.spread(conn, index);
        self.check_redundant(conn);
    }

    /// A defect: what was taken back once is never here again.
    pub(super) fn gone_for_good(&self, conn: u32, index: u32) -> bool {
        let connection = self.connections.get(&conn);
        connection.is_some_and(|c| c.gone.contains(&index))
    }

    /// What defects look at: a bitfield that named pieces came before.
    pub(super) fn said_bitfield(&self, conn: u32) -> bool {
        let connection = self.connections.get(&conn);
        connection.is_some_and(|c| {
            let bitfield = c.stats.received.of(Kind::Bitfield).messages > 0;
            bitfield && !c.their_pieces.is_empty()
        })
    }

    /// What defects look at: the connection is still in its opening.
    pub(super) fn young(&self, conn: u32) -> bool {
        let connection = self.connections.get(&conn);
        connection.is_some_and(|c| self.now.saturating_sub(c.open_since) < OPENING)
    }

    pub(super) fn their_bitfield(&mut self, conn: u32, bits: &Bytes) {
        let pieces = self.torrent.geometry().pieces();
        let mirrored: Vec<u8>;
        let bytes: &[u8] = if self.defects.has(Quirk::MirrorsBitfield) {
            mirrored = bits.iter().map(|byte| byte.reverse_bits()).collect();
            &mirrored
        } else {
            bits
        };
        let mut set = match PieceSet::from_bitfield(bytes, pieces) {
            Ok(set) => set,
            Err(BitfieldError::SpareBits { .. })
                if self.settings.spare_bits == Tolerance::Ignore
                    || self.defects.has(Quirk::MirrorsBitfield) =>
            {
                PieceSet::from_bits(bytes, pieces)
            }
            Err(BitfieldError::Length { .. }) if self.settings.malformed == Tolerance::Ignore => {
                return;
            }
            Err(_) => {
                self.close(conn, CloseReason::BadAvailability);
                return;
            }
        };
        if self.defects.has(Quirk::BitfieldLacksLast) {
            set.clear(self.torrent.geometry().last());
        }
        self.they_announce(conn, set);
    }

    pub(super) fn they_have_all(&mut self, conn: u32) {
        let pieces = self.torrent.geometry().pieces();
        if self.defects.has(Quirk::IgnoresHaveAll) {
            return;
        }
        let named = match self.defects.has(Quirk::HaveAllLacksLast) {
            true => PieceSet::of(pieces, 0..pieces.saturating_sub(1)),
            false => PieceSet::all(pieces),
        };
        self.they_announce(conn, named);
    }

    pub(super) fn they_have_none(&mut self, conn: u32) {
        let pieces = self.torrent.geometry().pieces();
        self.they_announce(conn, PieceSet::none(pieces));
    }

    /// An availability message. A later one replaces what was known.
    pub(super) fn they_announce(&mut self, conn: u32, set: PieceSet) {
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let late = c.availability_seen;
        c.availability_seen = true;
        if late && self.settings.late_availability == Tolerance::Close {
            self.close(conn, CloseReason::BadAvailability);
            return;
        }
        c.their_pieces = set;
        self.recount(conn);
        self.interest_changed(conn);
        self.check_redundant(conn);
    }

    /// They no longer have a piece (lt_donthave).
    pub(super) fn lost_piece(&mut self, conn: u32, index: u32) {
        let index = if self.defects.has(Quirk::DontHaveOfNext) {
            index.saturating_add(1)
        } else if self.defects.has(Quirk::DontHaveMirrored) {
            index.swap_bytes()
        } else {
            index
        };
        let others = self.defects.has(Quirk::DontHaveOfEverybody);
        let all = self.defects.has(Quirk::DontHaveOfEverything);
        let repeats = self.defects.has(Quirk::DontHaveRepeatsRequests);
        let forgets = self.defects.has(Quirk::DontHaveForEver);
        let counts = self.defects.has(Quirk::DontHaveCountsDown);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let known = c.their_pieces.get(index);
        c.their_pieces.clear(index);
        if all {
            c.their_pieces = PieceSet::none(self.torrent.geometry().pieces());
        }
        if forgets {
            c.gone.insert(index);
        }
        let fast = c.agreed.fast;
        if others {
            for c in self.connections.values_mut() {
                c.their_pieces.clear(index);
            }
        }
        let keeps = self.defects.has(Quirk::DontHaveKeepsRequests);
        if !fast && !keeps || self.defects.has(Quirk::DontHaveCancelsFast) {
            self.cancelled_silently(conn, index);
        }
        if repeats {
            self.repeat_requests(conn, index);
        }
        if self.defects.has(Quirk::DontHaveKeepsInterest) {
            return;
        }
        self.recount(conn);
        if counts
            && !known
            && let Some(c) = self.connections.get_mut(&conn)
        {
            c.wanted = c.wanted.saturating_sub(1);
        }
        self.interest_changed(conn);
    }

    /// BEP 54, "Receiver operation": what was asked of the piece is cancelled as by a choke.
    pub(super) fn cancelled_silently(&mut self, conn: u32, index: u32) {
        let now = self.now;
        let made_up = self.defects.has(Quirk::DontHaveCancelsFast);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let (dropped, kept): (Vec<Pending>, Vec<Pending>) = c
            .pending
            .drain(..)
            .partition(|pending| pending.block.index == index);
        c.pending = kept;
        for pending in dropped {
            if let Some(c) = self.connections.get_mut(&conn).filter(|_| !made_up) {
                lapse(c, pending.block, now);
            }
            self.store.released(conn, &pending.block);
            self.outcome(conn, pending.id, RequestOutcome::Choked);
        }
    }

    /// A defect.
    pub(super) fn repeat_requests(&mut self, conn: u32, index: u32) {
        let Some(c) = self.connections.get(&conn) else {
            return;
        };
        let of_piece = c.pending.iter().filter(|p| p.block.index == index);
        let blocks: Vec<BlockRef> = of_piece.map(|p| p.block).collect();
        for block in blocks {
            self.send(conn, Message::Request(block));
        }
    }

    pub(super) fn recount(&mut self, conn: u32) {
        let have = self.store.have();
        if let Some(c) = self.connections.get_mut(&conn) {
            let wanted = if have.is_full() {
                0
            } else if have.is_empty() {
                c.their_pieces.count() as usize
            } else {
                c.their_pieces.iter().filter(|i| !have.get(*i)).count()
            };
            c.wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        }
    }

    pub(super) fn check_redundant(&mut self, conn: u32) {
        let redundant = self.settings.close_redundant
            && self.store.complete()
            && self
                .connections
                .get(&conn)
                .is_some_and(|c| c.their_pieces.is_full());
        if redundant {
            self.close(conn, CloseReason::Redundant);
        }
    }

    pub(super) fn they_suggest(&mut self, conn: u32, index: u32) {
        let available = self.defects.has(Quirk::SuggestIsAvailability);
        if index >= self.torrent.geometry().pieces() {
            return;
        }
        if available {
            self.they_have(conn, index);
        }
        if let Some(c) = self.connections.get_mut(&conn)
            && !c.suggested.contains(&index)
        {
            if c.suggested.len() >= MOST_SUGGESTIONS {
                c.suggested.pop_front();
            }
            c.suggested.push_back(index);
        }
    }

    pub(super) fn they_allow(&mut self, conn: u32, index: u32) {
        let available = self.defects.has(Quirk::AllowedFastIsAvailability);
        if index >= self.torrent.geometry().pieces() {
            return;
        }
        if available {
            self.they_have(conn, index);
        }
        if let Some(c) = self.connections.get_mut(&conn)
            && c.allowed_to_us.len() < MOST_ALLOWED
        {
            c.allowed_to_us.insert(index);
        }
    }

    // Interest.
}

const MOST_SUGGESTIONS: usize = 64;
const MOST_ALLOWED: usize = 128;
/// What a connection says this soon belongs to its opening.
const OPENING: Duration = Duration::from_secs(10);
