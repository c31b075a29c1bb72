//! The fetching half: interest, requests, blocks, end game.

use std::time::Duration;

use bytes::Bytes;

use super::config::Tolerance;
use super::connection::{Connection, Pending};
use super::event::{CloseReason, PeerEvent, RequestId, RequestOutcome};
use super::fault::Quirk;
use super::host::{Peer, Timer};
use super::store::{Arrival, Check};
use crate::wire::{BlockRef, Kind, Message};

impl Peer {
    pub(super) fn interest_changed(&mut self, conn: u32) {
        let delay = self.settings.interested_delay;
        if delay > Duration::ZERO {
            self.timer(self.now + delay, Timer::Interest(conn));
        } else {
            self.set_interest(conn);
        }
    }

    /// Says `interested` or `not_interested` if that is news.
    pub(super) fn set_interest(&mut self, conn: u32) {
        if !self.settings.auto_download {
            return;
        }
        let in_nothing =
            self.defects.has(Quirk::InterestInNothing) && !self.store.complete() && self.selected;
        let seed = self.defects.has(Quirk::SeedInterested) && self.store.complete();
        let avoids = self.defects.has(Quirk::AvoidsUploadOnly);
        let in_others = self.defects.has(Quirk::InterestForAll)
            && self.connections.values().any(|c| c.wanted > 0);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let upload_only = c.their_extended.as_ref().and_then(|h| h.upload_only());
        let avoided = avoids && upload_only == Some(1);
        let seed = seed && !c.their_pieces.is_empty();
        // Only who never had anything: that interest ends is another defect's.
        let in_nothing = in_nothing
            && c.their_pieces.is_empty()
            && c.stats.received.of(Kind::Have).messages == 0;
        let wants = (c.wanted > 0 && !avoided && self.selected) || in_nothing || in_others || seed;
        if wants == c.us.interested {
            return;
        }
        c.us.interested = wants;
        let message = if wants {
            Message::Interested
        } else {
            Message::NotInterested
        };
        self.send(conn, message);
    }

    // Choke and unchoke of theirs.

    pub(super) fn they_choke(&mut self, conn: u32) {
        let drops = self.defects.has(Quirk::DropsPendingAtTheirChoke);
        let forgets = self.defects.has(Quirk::ForgetsDroppedByChoke);
        let now = self.now;
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        c.chokes = c.chokes.saturating_add(1);
        c.them.choking = true;
        self.choke_counts_for_others(conn, true);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if c.agreed.fast && !drops {
            return;
        }
        // BEP 3: what a choked peer was asked for will not come; late blocks are still welcome.
        let dropped = std::mem::take(&mut c.pending);
        for pending in dropped {
            if let Some(c) = self.connections.get_mut(&conn).filter(|_| !drops) {
                lapse(c, pending.block, now);
            }
            if !forgets {
                self.store.released(conn, &pending.block);
            }
            if self.defects.has(Quirk::AbandonsDroppedByChoke) {
                self.store.abandon(pending.block.index);
            }
            self.outcome(conn, pending.id, RequestOutcome::Choked);
        }
    }

    pub(super) fn they_unchoke(&mut self, conn: u32) {
        let repeats = self.defects.has(Quirk::UnchokeRepeats);
        let counts = self.defects.has(Quirk::CountsChokes);
        self.lose_pending_at_unchoke(conn);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let again = !c.them.choking;
        c.chokes = c.chokes.saturating_sub(1);
        c.them.choking = counts && c.chokes > 0;
        c.snubbed = false;
        if again && repeats {
            let blocks: Vec<BlockRef> = c.pending.iter().map(|p| p.block).collect();
            for block in blocks {
                self.send(conn, Message::Request(block));
            }
        }
        self.choke_counts_for_others(conn, false);
    }

    /// A defect: an unchoke begins anew, with fast too.
    fn lose_pending_at_unchoke(&mut self, conn: u32) {
        let drops = self.defects.has(Quirk::DropsPendingAtUnchoke);
        let Some(c) = self.connections.get_mut(&conn).filter(|_| drops) else {
            return;
        };
        if !c.agreed.fast || !c.them.choking || c.stats.received.of(Kind::Choke).messages == 0 {
            return;
        }
        for pending in std::mem::take(&mut c.pending) {
            self.store.released(conn, &pending.block);
            self.outcome(conn, pending.id, RequestOutcome::Choked);
        }
    }

    // Requests.

    /// Keeps requests outstanding as far as the other end lets us.
    pub(super) fn pump(&mut self, conn: u32) {
        if !self.settings.auto_download || self.store.complete() || self.paused || !self.selected {
            return;
        }
        let busy = |c: &Connection| c.id != conn && !c.pending.is_empty();
        if self.defects.has(Quirk::OneSourceAtATime) && self.connections.values().any(busy) {
            return;
        }
        if self.requests_no_more(conn) {
            return;
        }
        loop {
            let Some(c) = self.connections.get(&conn) else {
                return;
            };
            if !c.is_open() || c.eof || c.in_flight() >= self.depth(c) || c.hold_until > self.now {
                return;
            }
            let Some(block) = self.pick(c) else {
                return;
            };
            self.ask(conn, block, None);
        }
    }

    /// Defects: nothing is requested of this connection, or nothing any more.
    fn requests_no_more(&self, conn: u32) -> bool {
        self.connections.get(&conn).is_some_and(|c| {
            let asked = c.stats.sent.of(Kind::Request).messages;
            (asked >= MOST_REQUESTS && self.defects.has(Quirk::StopsRequesting))
                || (c.initiator && self.defects.has(Quirk::RequestsNothingDialled))
        })
    }

    /// How many requests may be outstanding.
    fn depth(&self, c: &Connection) -> usize {
        let theirs = if self.defects.has(Quirk::IgnoresReqq) {
            usize::MAX
        } else {
            c.their_reqq.unwrap_or(usize::MAX)
        };
        let chokes = c.stats.received.of(Kind::Choke).messages;
        let shy = chokes > 0 && self.defects.has(Quirk::OneRequestAfterChoke);
        let ours = if c.snubbed || shy {
            1
        } else {
            self.settings.pipeline
        };
        ours.min(theirs)
    }

    /// Asks for a block. With an id it was a library user who wanted it.
    pub(super) fn ask(&mut self, conn: u32, block: BlockRef, id: Option<RequestId>) {
        let now = self.now;
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if c.in_flight() == 0 {
            c.answered = now;
        }
        c.pending.push(Pending {
            block,
            asked: now,
            id,
            cancelled: false,
        });
        c.lapsed.retain(|(lapsed, _)| *lapsed != block);
        if id.is_none() {
            self.store.asked(conn, &block);
        }
        self.send(conn, Message::Request(block));
    }

    /// The next block to ask of a connection.
    fn pick(&self, c: &Connection) -> Option<BlockRef> {
        let have = self.store.have();
        let pieces = self.torrent.geometry().pieces();
        let choked = c.them.choking && !self.ignores_choke(c);
        let avoided = !c.us.interested && !choked;
        if avoided {
            return None;
        }
        let left_out = pieces.checked_sub(1);
        let left_out = left_out.filter(|_| self.defects.has(Quirk::LeavesLastPiece));
        let usable = |index: u32| {
            c.their_pieces.get(index)
                && !have.get(index)
                && !self.left_to_others(c, index)
                && left_out != Some(index)
        };
        let skip = |block: &BlockRef| {
            c.has_pending(block)
                || c.rejected
                    .iter()
                    .any(|(b, until)| b == block && *until > self.now)
        };
        if choked {
            if !c.agreed.fast {
                return None;
            }
            let allowed = c.allowed_to_us.iter().copied().filter(|i| usable(*i));
            let mut free = allowed.filter_map(|index| self.store.free_block(index, skip));
            return free.next();
        }
        let begun = self.store.begun().filter(|i| usable(*i));
        if let Some(block) = begun
            .filter_map(|index| self.store.free_block(index, skip))
            .next()
        {
            return Some(block);
        }
        let suggested = c.suggested.iter().copied().filter(|i| usable(*i));
        let from = u64::from(c.cursor);
        let stride = if self.defects.has(Quirk::Ascending) {
            1
        } else {
            stride(pieces)
        };
        let place = |n: u32| (from + u64::from(n) * stride) % u64::from(pieces.max(1));
        let fresh = (0..pieces)
            .filter_map(|n| u32::try_from(place(n)).ok())
            .filter(|index| usable(*index) && !self.store.has_begun(*index));
        if c.wanted > 0
            && let Some(block) = suggested
                .chain(fresh)
                .filter_map(|index| self.store.free_block(index, skip))
                .next()
        {
            return Some(block);
        }
        if !self.settings.end_game {
            return None;
        }
        let begun = self.store.begun().filter(|i| usable(*i));
        begun
            .filter_map(|index| self.store.owed_block(index, c.id, skip))
            .next()
    }

    /// Defects: choked, from the start or later, and requests all the same.
    fn ignores_choke(&self, c: &Connection) -> bool {
        let never = c.stats.received.of(Kind::Unchoke).messages == 0;
        let from_the_start = never && self.defects.has(Quirk::RequestsWhileChoked);
        let later = !never && !c.agreed.fast && self.defects.has(Quirk::RequestsAfterChoke);
        c.wanted > 0 && (from_the_start || later)
    }

    /// A piece that failed with blocks of this connection is left to others who have it.
    fn left_to_others(&self, c: &Connection, index: u32) -> bool {
        self.store.is_blamed(c.id, index)
            && self.connections.values().any(|other| {
                other.is_open()
                    && !other.them.choking
                    && other.their_pieces.get(index)
                    && !self.store.is_blamed(other.id, index)
            })
    }

    // Answers.

    /// A block came.
    pub(super) fn a_block(&mut self, conn: u32, index: u32, begin: u32, bytes: Bytes) {
        let now = self.now;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let wrong_length = self.defects.has(Quirk::AcceptsWrongLength);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let pads = self.defects.has(Quirk::CountsShortBlocks);
        let any_index = self.defects.has(Quirk::IgnoresIndex);
        let fits = |block: &BlockRef| {
            (block.index == index || (any_index && block.index.abs_diff(index) == 1))
                && block.begin == begin
                && (block.length == length
                    || (wrong_length && length > 0)
                    || (pads && (1..block.length).contains(&length)))
        };
        if let Some(at) = c.pending.iter().position(|p| fits(&p.block)) {
            let pending = c.pending.remove(at);
            c.answered = now;
            c.snubbed = false;
            c.rejects_in_a_row = 0;
            match pending.id {
                Some(_) => self.outcome(conn, pending.id, RequestOutcome::Piece(bytes)),
                None if pads => {
                    let mut padded = bytes.to_vec();
                    padded.resize(pending.block.length as usize, 0);
                    self.keep_block(conn, pending.block, padded.into());
                }
                None => self.keep_block(conn, pending.block, bytes),
            }
            return;
        }
        let late = c
            .lapsed
            .iter()
            .position(|(block, until)| fits(block) && *until > now);
        if let Some(at) = late {
            let block = c.lapsed.remove(at).map(|(block, _)| block);
            if self.defects.has(Quirk::ClosesOnLatePiece) {
                self.close(conn, CloseReason::Fault);
            } else if let Some(block) = block {
                self.keep_block(conn, block, bytes);
            }
            return;
        }
        if !c.answers_made_up(fits) && !self.counts_wrongly(conn, index, begin, &bytes) {
            self.unrequested(conn, index, begin, bytes);
        }
    }

    /// Defects: a block that is empty, or that has come before, completes its piece.
    fn counts_wrongly(&mut self, conn: u32, index: u32, begin: u32, bytes: &Bytes) -> bool {
        let Some(c) = self.connections.get(&conn) else {
            return false;
        };
        let mut pending = c.pending.iter();
        let asked = pending.any(|p| (p.block.index, p.block.begin) == (index, begin));
        let empty = bytes.is_empty() && asked && self.defects.has(Quirk::EmptyBlockCounts);
        let known = !self.store.have().get(index) && self.store.has_block(index, begin);
        let again = known && self.defects.has(Quirk::DuplicateCounts);
        if empty || again {
            self.store.force(index);
            self.piece_verified(index);
        }
        empty || again
    }

    /// BEP 6, "Request Rejects": a piece that was never requested closes the connection.
    fn unrequested(&mut self, conn: u32, index: u32, begin: u32, bytes: Bytes) {
        if self.defects.has(Quirk::KeepsUnrequested) {
            let length = u32::try_from(bytes.len()).unwrap_or(0);
            self.keep_block(conn, BlockRef::new(index, begin, length), bytes);
            return;
        }
        let now = self.now;
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if c.agreed.fast {
            let beside = self.defects.has(Quirk::ToleratesBesideAny) && !c.pending.is_empty()
                || self.defects.has(Quirk::ToleratesBesidePiece)
                    && c.pending.iter().any(|p| p.block.index == index);
            if self.settings.unrequested_piece == Tolerance::Close && !beside {
                self.close(conn, CloseReason::UnrequestedPiece);
            }
            return;
        }
        // Without fast a block of another length answers nothing, and nothing better will come.
        let at = c
            .pending
            .iter()
            .position(|p| p.block.index == index && p.block.begin == begin);
        if let Some(at) = at {
            let pending = c.pending.remove(at);
            c.answered = now;
            c.rejected.push((pending.block, now + BAD_BLOCK_BACKOFF));
            self.store.released(conn, &pending.block);
            self.outcome(conn, pending.id, RequestOutcome::Rejected);
            self.timer(now + BAD_BLOCK_BACKOFF, Timer::Turn);
        }
    }

    fn keep_block(&mut self, conn: u32, block: BlockRef, bytes: Bytes) {
        let check = if self.defects.has(Quirk::SkipsHash)
            || self.defects.has(Quirk::AcceptsWrongLength)
            || self.defects.has(Quirk::KeepsUnrequested)
            || (self.defects.has(Quirk::ChecksOnce) && self.store.has_failed(block.index))
            || (self.defects.has(Quirk::SkipsLastHash)
                && block.index == self.torrent.geometry().last())
            || (self.defects.has(Quirk::SkipsCompletingHash) && self.store.lacks_one())
        {
            Check::Nothing
        } else if self.defects.has(Quirk::SkipsMixedHash) {
            Check::UnlessMixed
        } else if self.defects.has(Quirk::ChecksAllButLastBlock) {
            Check::AllButLastBlock
        } else {
            Check::Hash
        };
        self.withdraw(conn, &block);
        match self.store.arrived(conn, &block, bytes, check) {
            Arrival::Useless | Arrival::Kept => {}
            Arrival::Verified => self.piece_verified(block.index),
            Arrival::Failed(givers) => self.piece_failed(block.index, givers),
        }
    }

    /// End game: what others still owe is not needed any more.
    fn withdraw(&mut self, conn: u32, block: &BlockRef) {
        if self.store.is_blamed(conn, block.index) {
            return;
        }
        for other in self.store.others_asked(conn, block) {
            self.store.released(other, block);
            self.cancel_block(other, block);
        }
    }

    /// Takes a request back. With fast an answer is still owed; without, one may still come.
    pub(super) fn cancel_block(&mut self, conn: u32, block: &BlockRef) {
        let now = self.now;
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let at = c
            .pending
            .iter()
            .position(|p| p.block == *block && !p.cancelled);
        let Some(at) = at else {
            return;
        };
        if c.agreed.fast {
            if let Some(pending) = c.pending.get_mut(at) {
                pending.cancelled = true;
            }
        } else {
            let pending = c.pending.remove(at);
            lapse(c, *block, now);
            self.outcome(conn, pending.id, RequestOutcome::Cancelled);
        }
        self.send(conn, Message::Cancel(*block));
    }

    pub(super) fn piece_verified(&mut self, index: u32) {
        self.event(PeerEvent::PieceVerified { index });
        let complete = self.store.complete();
        for conn in self.ids() {
            let Some(c) = self.connections.get_mut(&conn) else {
                continue;
            };
            if !c.is_open() {
                continue;
            }
            if c.their_pieces.get(index) {
                c.wanted = c.wanted.saturating_sub(1);
            }
            if !self.defects.has(Quirk::NoHave) {
                self.send(conn, Message::Have { index });
            }
            self.interest_changed(conn);
        }
        if complete {
            self.event(PeerEvent::Completed);
            for conn in self.ids() {
                self.check_redundant(conn);
            }
        }
    }

    fn piece_failed(&mut self, index: u32, givers: std::collections::BTreeSet<u32>) {
        self.event(PeerEvent::PieceFailed { index });
        if self.defects.has(Quirk::HaveBeforeHash) {
            for conn in self.ids() {
                self.send(conn, Message::Have { index });
            }
        }
        if self.defects.has(Quirk::ShowsCorrupt) {
            self.store.set(index);
        }
        if self.defects.has(Quirk::ForgetsCorrupt) {
            self.store.abandon(index);
        }
        let alone = givers.len() == 1;
        let limit = self.settings.corrupt_limit;
        for conn in givers {
            let Some(c) = self.connections.get_mut(&conn) else {
                continue;
            };
            // Who gave only part of a piece may be innocent.
            c.corrupt = c.corrupt.saturating_add(if alone { 1 } else { 0 });
            if c.corrupt >= limit {
                self.close(conn, CloseReason::CorruptData);
            }
        }
    }

    /// A reject came.
    pub(super) fn they_reject(&mut self, conn: u32, block: BlockRef) {
        let now = self.now;
        let loose = self.defects.has(Quirk::MatchesRejectsLoosely);
        let forgets = self.defects.has(Quirk::ForgetsRejected);
        let choked = self.defects.has(Quirk::ForgetsRejectedChoked);
        let gone = self.defects.has(Quirk::ForgetsRejectedGone);
        // Whoever takes the wrong one for rejected has time to get it all the same.
        let backoff = self.settings.reject_backoff * if loose { 3 } else { 1 };
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let exact = c.pending.iter().position(|p| p.block == block);
        let near = || c.pending.iter().position(|p| p.block.index == block.index);
        let Some(at) = exact.or_else(|| loose.then(near).flatten()) else {
            let made_up = c.answers_made_up(|made_up| *made_up == block);
            if self.settings.unrequested_reject == Tolerance::Close && !made_up {
                self.close(conn, CloseReason::UnrequestedReject);
            }
            return;
        };
        let pending = c.pending.remove(at);
        c.answered = now;
        c.allowed_to_us.remove(&block.index);
        let gone = gone && !c.their_pieces.get(block.index);
        if forgets || gone || (choked && c.them.choking) {
            self.store.abandon(block.index);
            return;
        }
        c.rejected.retain(|(_, until)| *until > now);
        c.rejected.push((pending.block, now + backoff));
        c.rejects_in_a_row += 1;
        if c.rejects_in_a_row >= MOST_REJECTS {
            // Nobody gains from a storm of requests and rejects.
            let times = (c.rejects_in_a_row / MOST_REJECTS).min(8);
            c.hold_until = now + backoff * times;
        }
        let wake = c.hold_until.max(now + backoff);
        self.timer(now + backoff, Timer::Turn);
        self.timer(wake, Timer::Turn);
        self.store.released(conn, &pending.block);
        let outcome = if pending.cancelled {
            RequestOutcome::Cancelled
        } else {
            RequestOutcome::Rejected
        };
        self.outcome(conn, pending.id, outcome);
    }

    /// Requests without any answer for too long go to others.
    pub(super) fn give_up_requests(&mut self, conn: u32) {
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        c.snubbed = true;
        let open = c.pending.iter().filter(|p| !p.cancelled);
        let blocks: Vec<(BlockRef, Option<RequestId>)> = open.map(|p| (p.block, p.id)).collect();
        for (block, id) in blocks {
            self.store.released(conn, &block);
            self.outcome(conn, id, RequestOutcome::TimedOut);
            if let Some(c) = self.connections.get_mut(&conn) {
                c.pending
                    .iter_mut()
                    .filter(|p| p.block == block)
                    .for_each(|p| p.id = None);
            }
            self.cancel_block(conn, &block);
        }
    }

    /// Tells the library user how a request ended.
    pub(super) fn outcome(&mut self, conn: u32, id: Option<RequestId>, outcome: RequestOutcome) {
        if let Some(id) = id {
            self.event(PeerEvent::Request { conn, id, outcome });
        }
    }
}

/// A late answer to `block` is still welcome for a while.
pub(super) fn lapse(c: &mut Connection, block: BlockRef, now: Duration) {
    while c.lapsed.len() >= MOST_LAPSED {
        c.lapsed.pop_front();
    }
    c.lapsed.push_back((block, now + LAPSE));
}

/// A step that visits every one of so many pieces, with neighbours far apart.
fn stride(pieces: u32) -> u64 {
    let pieces = u64::from(pieces);
    let coprime = |step: &u64| {
        let (mut a, mut b) = (pieces, *step);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a == 1
    };
    (pieces * 5 / 8..pieces).find(coprime).unwrap_or(1).max(1)
}

/// How long a block may come late, as DESIGN 6 has it.
const LAPSE: Duration = Duration::from_secs(60);
/// After so many requests a defect stops.
const MOST_REQUESTS: u64 = 600;
const MOST_LAPSED: usize = 1024;
const MOST_REJECTS: u32 = 4;
const BAD_BLOCK_BACKOFF: Duration = Duration::from_secs(2);
