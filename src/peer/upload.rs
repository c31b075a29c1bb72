//! The serving half: choke and unchoke, requests, cancels.

use std::collections::VecDeque;
use std::time::Duration;

use super::config::RequestPolicy;
use super::connection::Upload;
use super::event::{CloseReason, PeerEvent, RefusalCause};
use super::fault::Quirk;
use super::host::{Peer, Timer};
use crate::wire::{BlockRef, ExtensionMessage, Kind, Message};

impl Peer {
    // Slots.

    /// The other end is interested.
    pub(super) fn they_are_interested(&mut self, conn: u32) {
        self.offer_allowed_fast(conn);
        let delay = self.settings.unchoke_delay;
        if delay > Duration::ZERO {
            self.timer(self.now + delay, Timer::Unchoke(conn));
        }
        let unchoked = self.connections.get(&conn).is_some_and(|c| !c.us.choking);
        if unchoked && self.settings.unchoke_again {
            self.send(conn, Message::Unchoke);
        }
    }

    /// Gives free slots to those who wait, oldest interest first.
    pub(super) fn fill_slots(&mut self) {
        if self.settings.unchoke_delay > Duration::ZERO || self.paused {
            return;
        }
        while self.free_slots() > 0 {
            let Some(conn) = self.next_waiting() else {
                return;
            };
            self.unchoke_now(conn);
        }
        self.plan_rotation();
    }

    fn free_slots(&self) -> usize {
        let taken = self.connections.values().filter(|c| !c.us.choking).count();
        self.settings.slots.saturating_sub(taken)
    }

    fn waits(&self, conn: u32) -> bool {
        self.connections.get(&conn).is_some_and(|c| {
            let never = c.initiator && self.defects.has(Quirk::NeverUnchokesDialled);
            let barred = c.barred_until > self.now;
            c.is_open() && c.us.choking && c.them.interested && !c.eof && !never && !barred
        })
    }

    fn next_waiting(&self) -> Option<u32> {
        let waiting = self.connections.values().filter(|c| self.waits(c.id));
        waiting
            .min_by_key(|c| (c.interested_since, c.id))
            .map(|c| c.id)
    }

    /// The delay between `interested` and `unchoke` is over.
    pub(super) fn unchoke_if_wanted(&mut self, conn: u32) {
        if !self.waits(conn) || self.paused {
            return;
        }
        if self.free_slots() > 0 {
            self.unchoke_now(conn);
        } else {
            self.plan_rotation();
        }
    }

    fn plan_rotation(&mut self) {
        if !self.rotating && self.next_waiting().is_some() {
            self.rotating = true;
            self.timer(self.now + self.settings.rotate_every, Timer::Rotate);
        }
    }

    /// The peer that was unchoked longest makes room for the one that waits longest.
    pub(super) fn rotate(&mut self) {
        self.rotating = false;
        let Some(next) = self.next_waiting() else {
            return;
        };
        if self.free_slots() == 0 {
            let unchoked = self.connections.values().filter(|c| !c.us.choking);
            let oldest = unchoked.min_by_key(|c| (c.unchoked_since, c.id));
            if let Some(oldest) = oldest.map(|c| c.id) {
                self.choke_now(oldest);
                if let Some(c) = self.connections.get_mut(&oldest) {
                    c.interested_since = self.now;
                }
            }
        }
        if self.free_slots() > 0 {
            self.unchoke_now(next);
        }
        self.plan_rotation();
    }

    pub(super) fn unchoke_now(&mut self, conn: u32) {
        let now = self.now;
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if !c.us.choking {
            return;
        }
        c.us.choking = false;
        c.unchoked_since = now;
        let first = c.stats.sent.of(Kind::Unchoke).messages == 0;
        let fast = c.agreed.fast;
        self.ever_unchoked = true;
        self.send(conn, Message::Unchoke);
        if first && fast {
            let have = self.store.have().clone();
            for index in have.iter().take(self.settings.suggestions as usize) {
                self.send(conn, Message::SuggestPiece { index });
            }
        }
        if let Some(after) = self.settings.unchoke_flickers.filter(|_| first) {
            self.choke_now(conn);
            if let Some(c) = self.connections.get_mut(&conn) {
                c.barred_until = now + after;
            }
            self.timer(now + after, Timer::Turn);
        }
    }

    /// Chokes. BEP 6, "Reject Request": a choke rejects all that is pending, but for the
    /// allowed-fast set; without fast the requests are dropped.
    pub(super) fn choke_now(&mut self, conn: u32) {
        let honours = self.settings.honour_allowed_fast
            && !self.defects.has(Quirk::RejectsAllowedFastAtChoke);
        let keeps = self.defects.has(Quirk::KeepsPendingAtChoke);
        let before = self.defects.has(Quirk::RejectsBeforeChoke);
        let serves_on = self.defects.has(Quirk::ServesOnAtChoke);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if c.us.choking {
            return;
        }
        c.us.choking = true;
        let fast = c.agreed.fast;
        let allowed = std::mem::take(&mut c.allowed_to_them);
        let (kept, dropped): (Vec<Upload>, Vec<Upload>) = c.uploads.drain(..).partition(|upload| {
            fast && (serves_on || honours && allowed.contains(&upload.block.index))
        });
        c.uploads.extend(kept);
        c.allowed_to_them = allowed;
        if !before {
            self.send(conn, Message::Choke);
        }
        if fast && !keeps {
            for upload in dropped {
                self.reject(conn, upload.block);
            }
        }
        if before {
            self.send(conn, Message::Choke);
        }
    }

    // Requests.

    /// A request came.
    pub(super) fn they_request(&mut self, conn: u32, block: BlockRef) {
        match self.refusal(conn, &block) {
            None if self.takes_back(conn, &block) => {}
            None => self.queue(conn, block),
            Some(cause) => self.refuse(conn, block, cause),
        }
    }

    /// Why a request is not served as it stands.
    fn refusal(&self, conn: u32, block: &BlockRef) -> Option<RefusalCause> {
        let c = self.connections.get(&conn)?;
        let geometry = self.torrent.geometry();
        let Some(size) = geometry.piece_size(block.index) else {
            return Some(RefusalCause::PieceOutOfRange);
        };
        let longest = self.settings.max_request;
        let end = block.begin.checked_add(block.length);
        if block.length == 0 {
            return Some(RefusalCause::ZeroLength);
        }
        if end.is_none_or(|end| end > size) {
            return Some(RefusalCause::PastEnd);
        }
        if block.length > longest {
            return Some(RefusalCause::TooLong);
        }
        let unchecked =
            self.defects.has(Quirk::ServesUnchecked) && self.store.unchecked(block).is_some();
        if (!self.store.have().get(block.index) && !unchecked) || self.withholds(conn, block.index)
        {
            return Some(RefusalCause::Missing);
        }
        if c.us.choking && !self.served_choked(conn, block.index) {
            return Some(RefusalCause::Choked);
        }
        let short = self.defects.has(Quirk::ShortQueue);
        let most = if short {
            SHORT_QUEUE
        } else {
            self.settings.reqq
        };
        (c.uploads.len() >= most).then_some(RefusalCause::QueueFull)
    }

    /// Whether a choked peer is served this piece.
    fn served_choked(&self, conn: u32, index: u32) -> bool {
        let Some(c) = self.connections.get(&conn) else {
            return false;
        };
        // Nobody knows how long the operator stays away, and an answer is owed (BEP 6).
        let honours = self.settings.honour_allowed_fast && !self.paused;
        let allowed = honours && c.allowed_to_them.contains(&index);
        let leaks = self.ever_unchoked && self.defects.has(Quirk::LeaksChokeState);
        let once = c.stats.sent.of(Kind::Unchoke).messages > 0
            && self.defects.has(Quirk::ServesAfterFirstUnchoke);
        let defect = if c.agreed.fast {
            self.defects.has(Quirk::ServesWhileChokedFast)
        } else {
            leaks || once || self.defects.has(Quirk::ServesWhileChoked)
        };
        (c.agreed.fast && allowed) || defect
    }

    fn queue(&mut self, conn: u32, block: BlockRef) {
        let now = self.now;
        let slow = if self.defects.has(Quirk::ForgetsDiscarded) {
            SLOW
        } else {
            Duration::ZERO
        };
        let delay = self.settings.serve_delay.max(slow);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let before = c.uploads.back().filter(|_| self.settings.serve_in_turn);
        let ready = before.map_or(now, |upload| upload.ready.max(now)) + delay;
        if c.forgotten.contains(&block) {
            return;
        }
        c.uploads.push_back(Upload {
            block,
            asked: now,
            ready,
        });
    }

    fn refuse(&mut self, conn: u32, block: BlockRef, cause: RefusalCause) {
        self.event(PeerEvent::Refused { conn, block, cause });
        self.forget_early(conn, block, cause);
        if self.answers_wrongly(conn, block, cause) {
            return;
        }
        let fast = self.connections.get(&conn).is_some_and(|c| c.agreed.fast);
        let waits = self.waits(conn) && cause == RefusalCause::Choked;
        if fast && waits && self.defects.has(Quirk::ForgetsWaiting) {
            return;
        }
        match self.settings.on_request.of(cause) {
            RequestPolicy::Accept if self.store.block(&block).is_some() => self.queue(conn, block),
            RequestPolicy::Accept | RequestPolicy::Reject | RequestPolicy::RejectOrClose
                if fast =>
            {
                self.reject_soon(conn, block);
            }
            RequestPolicy::Accept | RequestPolicy::Reject => {}
            RequestPolicy::RejectOrClose | RequestPolicy::Close => {
                self.close(conn, CloseReason::BadRequest(cause));
            }
        }
    }

    fn reject_soon(&mut self, conn: u32, block: BlockRef) {
        let delay = self.settings.reject_delay;
        if delay > Duration::ZERO {
            self.timer(self.now + delay, Timer::Reject(conn, block));
        } else {
            self.reject(conn, block);
        }
    }

    pub(super) fn reject(&mut self, conn: u32, block: BlockRef) {
        self.send(conn, Message::RejectRequest(block));
    }

    /// A cancel came. BEP 6: with fast the request still gets exactly one answer.
    pub(super) fn they_cancel(&mut self, conn: u32, block: BlockRef) {
        let drops = self.defects.has(Quirk::DropsCancelled);
        let twice = self.defects.has(Quirk::AnswersCancelledTwice);
        let all = self.defects.has(Quirk::CancelDropsAll);
        let forgets = self.defects.has(Quirk::ForgetsAfterCancel);
        let piece = self.defects.has(Quirk::CancelsByPiece);
        let newest = self.defects.has(Quirk::CancelsNewest);
        let any_length = self.defects.has(Quirk::CancelsAnyLength);
        if self.defects.has(Quirk::CancelsEverywhere) {
            let others = self.connections.values_mut().filter(|c| c.id != conn);
            for other in others.filter(|c| !c.agreed.fast) {
                other.uploads.retain(|upload| upload.block != block);
                other.forgotten.push(block);
            }
        }
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let fast = c.agreed.fast;
        let at = match (piece, newest) {
            (true, _) => c.uploads.iter().position(|u| u.block.index == block.index),
            (_, true) => c.uploads.len().checked_sub(1),
            _ if any_length => {
                let place = (block.index, block.begin);
                let mut uploads = c.uploads.iter();
                uploads.position(|u| (u.block.index, u.block.begin) == place)
            }
            _ => c.uploads.iter().position(|upload| upload.block == block),
        };
        let Some(upload) = at.and_then(|at| c.uploads.remove(at)) else {
            if fast && self.defects.has(Quirk::RejectsCancelOfServed) {
                self.reject(conn, block);
            }
            return;
        };
        if all && !fast {
            c.uploads.clear();
        }
        if forgets && !fast {
            c.forgotten.push(block);
        }
        if twice {
            c.uploads.push_back(upload);
        }
        if fast && !drops {
            self.reject(conn, block);
        }
    }

    /// The other end does not read, or reads again.
    pub(super) fn set_full(&mut self, conn: u32, full: bool) {
        if let Some(c) = self.connections.get_mut(&conn) {
            c.full = full;
        }
    }

    /// Drops a piece (BEP 54, "Sender operation").
    pub(super) fn discard_now(&mut self, index: u32) {
        let serves = self.defects.has(Quirk::ServesDiscarded);
        let here = self.store.have().get(index);
        if !here || (!serves && !self.store.discard(index)) {
            return;
        }
        let payload = ExtensionMessage::DontHave { index }.encode_payload();
        let open = self.connections.values().filter(|c| c.is_open());
        let open: Vec<u32> = open.map(|c| c.id).collect();
        for conn in open {
            self.send_extension(conn, "lt_donthave", payload.clone());
            self.tell_unasked(conn, index);
            self.drop_requests(conn, index);
        }
    }

    /// What is queued of a dropped piece.
    fn drop_requests(&mut self, conn: u32, index: u32) {
        if self.defects.has(Quirk::ServesDiscarded) {
            return;
        }
        let forgets = self.defects.has(Quirk::ForgetsDiscarded);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let (dropped, kept): (VecDeque<Upload>, VecDeque<Upload>) = c
            .uploads
            .drain(..)
            .partition(|upload| upload.block.index == index);
        c.uploads = kept;
        let fast = c.agreed.fast && !forgets;
        for upload in dropped.into_iter().filter(|_| fast) {
            self.reject(conn, upload.block);
        }
    }

    /// Rejects what is still queued; without fast it is dropped.
    pub(super) fn let_go(&mut self, conn: u32) {
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let fast = c.agreed.fast;
        for upload in std::mem::take(&mut c.uploads) {
            if fast {
                self.reject(conn, upload.block);
            }
        }
    }

    /// A defect: DontHave under our own id, to who gave none.
    fn tell_unasked(&mut self, conn: u32, index: u32) {
        let unasked = self
            .connections
            .get_mut(&conn)
            .filter(|c| c.agreed.extended && c.their_id("lt_donthave").is_none());
        let slot = unasked.and_then(|c| c.extensions.iter().find(|s| s.name == "lt_donthave"));
        if let Some(ext_id) = slot.map(|slot| slot.id)
            && self.defects.has(Quirk::DontHaveUnoffered)
        {
            self.send(
                conn,
                ExtensionMessage::DontHave { index }.into_message(ext_id),
            );
        }
    }

    /// Serves what is due.
    pub(super) fn serve(&mut self, conn: u32) {
        let now = self.now;
        if self.paused {
            return;
        }
        loop {
            let Some(c) = self.connections.get_mut(&conn) else {
                return;
            };
            let due = c.uploads.front().is_some_and(|upload| upload.ready <= now) && !c.full;
            let Some(upload) = due.then(|| c.uploads.pop_front()).flatten() else {
                return;
            };
            if self.defects.has(Quirk::ServesOnce) {
                c.forgotten.push(upload.block);
            }
            self.serve_block(conn, upload.block);
        }
    }

    fn serve_block(&mut self, conn: u32, block: BlockRef) {
        let short =
            block.length < self.settings.block_len && block.index != self.torrent.geometry().last();
        let wrong = self.defects.has(Quirk::WrongOffset)
            || (short && self.defects.has(Quirk::WrongShortBlocks));
        let read = if wrong && block.begin != 0 {
            BlockRef { begin: 0, ..block }
        } else {
            block
        };
        let unchecked = self.defects.has(Quirk::ServesUnchecked);
        let bytes = self.store.block(&read);
        match bytes.or_else(|| self.store.unchecked(&read).filter(|_| unchecked)) {
            Some(bytes) => self.send(
                self.receiver(conn),
                Message::Piece {
                    index: block.index,
                    begin: block.begin,
                    block: bytes,
                },
            ),
            // Gone since it was queued (`lost`), or unreadable.
            None => self.refuse(conn, block, RefusalCause::Missing),
        }
    }
}

/// What a defect holds of the requests that it promises to hold.
const SHORT_QUEUE: usize = 1600;
/// How long a defect that shows only in what is queued takes to serve.
const SLOW: Duration = Duration::from_secs(2);
