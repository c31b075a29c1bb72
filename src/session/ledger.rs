//! What is owed: every request of one side, and what became of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::told::Order;
use crate::wire::BlockRef;

/// How many open entries are looked through for one that resembles a stray answer.
const NEAR: usize = 64;
/// Entries kept of one side.
pub const MAX_ENTRIES: usize = 4096;
/// Without the fast extension a piece may still answer a request this long after the choke that
/// threw it out: it was on its way.
pub const LATE_PIECE: Duration = Duration::from_secs(60);

/// The requests of one side of a connection and their answers.
///
/// ```text
///        ┌─cancel─▶ Cancelled ─piece, reject──┐
/// Open ──┼─piece, reject────────────────────▶ Answered
///        ├─choke without fast─▶ Dropped ─piece within 60 s─▶ Answered
///        └─end of the connection────────────▶ Closed
/// ```
///
/// A piece settles the oldest entry with its index and begin, one of the same length before one of
/// another; a reject needs the exact triple. The ledger holds 4,096 entries: settled ones make
/// room, and when all are open further requests are counted only ([`Ledger::overflowed`]).
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    entries: BTreeMap<u64, Entry>,
    /// Entries by index and begin, oldest first.
    by_block: HashMap<(u32, u32), VecDeque<u64>>,
    /// Settled entries in the order in which they make room.
    settled: VecDeque<u64>,
    next: u64,
    live: BTreeSet<u64>,
    most_live: usize,
    marked_live: usize,
    /// Chokes by the answering side.
    chokes: u64,
    any_choked: bool,
    any_odd: bool,
    overflowed: u64,
    forgotten: u64,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Number in its ledger, from 0.
    pub id: u64,
    /// What was asked for.
    pub block: BlockRef,
    /// When the request was seen.
    pub at: Duration,
    /// Place of the request in its side's stream.
    pub order: Order,
    /// What was against the rules about it.
    pub marks: Marks,
    /// The answering side was choking when this was asked, and has not unchoked since.
    pub choked: bool,
    /// Chokes by the answering side before this was asked.
    pub chokes: u64,
    /// The asking side may take it for settled, though it is not: something like an answer came for
    /// the same piece, or a choke that it had not read yet.
    pub doubtful: bool,
    /// What became of it.
    pub state: EntryState,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// Nothing yet.
    Open,
    /// Cancelled and not answered yet.
    Cancelled {
        /// When.
        at: Duration,
    },
    /// Thrown out by a choke without the fast extension.
    Dropped {
        /// When.
        at: Duration,
    },
    /// Answered.
    Answered {
        /// When.
        at: Duration,
        /// With what.
        how: AnswerHow,
    },
    /// The connection ended before an answer.
    Closed,
}

/// With what a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerHow {
    /// The block.
    Piece,
    /// A piece with the right index and begin and another number of bytes.
    WrongLength {
        /// Bytes that came.
        actual: u32,
    },
    /// A reject.
    Reject,
}

/// What was against the rules about a request when it was made. Answers to such a request are
/// judged by the case that provoked them, not by rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// The other side was choking, certainly, and had not allowed the piece.
    pub while_choked: bool,
    /// Not a range inside a piece, or empty.
    pub out_of_range: bool,
    /// More than 16 KiB.
    pub oversized: bool,
    /// The other side had not announced the piece.
    pub not_announced: bool,
    /// The same triple was open already.
    pub duplicate: bool,
    /// More requests were open than the other side's `reqq` (250 where it gave none).
    pub beyond_reqq: bool,
}

impl Marks {
    /// There are others than `while_choked`.
    pub fn beside_choke(self) -> bool {
        let others = Self {
            while_choked: false,
            ..self
        };
        others.any()
    }

    /// What was asked for is no range of at most 16 KiB inside a piece.
    pub fn odd(self) -> bool {
        self.out_of_range || self.oversized
    }

    /// Whether there is any.
    pub fn any(self) -> bool {
        self.while_choked
            || self.out_of_range
            || self.oversized
            || self.not_announced
            || self.duplicate
            || self.beyond_reqq
    }
}

impl Entry {
    /// Open or cancelled: an answer is still to come, or may come.
    pub fn live(&self) -> bool {
        matches!(self.state, EntryState::Open | EntryState::Cancelled { .. })
    }

    fn answerable(&self, at: Duration) -> bool {
        match self.state {
            EntryState::Open | EntryState::Cancelled { .. } => true,
            EntryState::Dropped { at: dropped } => at <= dropped.saturating_add(LATE_PIECE),
            EntryState::Answered { .. } | EntryState::Closed => false,
        }
    }
}

/// What a piece or reject was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It answers this entry, shown as it was before.
    Entry {
        /// The entry before the answer.
        before: Entry,
        /// With what.
        how: AnswerHow,
        /// No request that could have caused the answer is older than this.
        proves: Order,
        /// Another entry could have been meant as well.
        ambiguous: bool,
    },
    /// It answers nothing. `near` is the entry that comes closest.
    Nothing {
        /// An entry with the same triple that was answered before, or one that looks alike.
        near: Option<Entry>,
    },
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters a request. Gives the entry back; it is kept unless the ledger is full of open ones.
    pub(super) fn ask(&mut self, mut entry: Entry) -> Entry {
        entry.id = self.next;
        entry.chokes = self.chokes;
        self.any_choked |= entry.choked;
        self.any_odd |= entry.marks.odd();
        self.next = self.next.saturating_add(1);
        while self.entries.len() >= MAX_ENTRIES {
            let Some(oldest) = self.settled.pop_front() else {
                self.overflowed = self.overflowed.saturating_add(1);
                return entry;
            };
            self.forget(oldest);
        }
        self.live.insert(entry.id);
        self.most_live = self.most_live.max(self.live.len());
        self.marked_live = self
            .marked_live
            .saturating_add(usize::from(entry.marks.any()));
        self.by_block
            .entry((entry.block.index, entry.block.begin))
            .or_default()
            .push_back(entry.id);
        self.entries.insert(entry.id, entry.clone());
        entry
    }

    /// Cancels the oldest open entry with this triple. Gives the newest entry with this triple, in
    /// whatever state, as it was before.
    pub(super) fn cancel(&mut self, block: &BlockRef, at: Duration) -> Option<Entry> {
        let newest = self.same(block).last().cloned()?;
        let open = self
            .same(block)
            .find(|e| e.state == EntryState::Open)
            .map(|e| e.id);
        if let Some(id) = open {
            self.update(id, EntryState::Cancelled { at });
        }
        Some(newest)
    }

    /// A choke by the answering side. Without the fast extension it throws out what is open.
    pub(super) fn choke(&mut self, at: Duration, fast: bool) {
        self.chokes = self.chokes.saturating_add(1);
        if fast {
            return;
        }
        for id in self.live.clone() {
            self.update(id, EntryState::Dropped { at });
        }
    }

    /// An unchoke by the answering side: what was asked before it may be answered now.
    pub(super) fn unchoke(&mut self) {
        if !self.any_choked {
            return;
        }
        self.any_choked = false;
        for entry in self.entries.values_mut() {
            entry.choked = false;
        }
    }

    /// A piece of `length` bytes.
    pub(super) fn piece(&mut self, index: u32, begin: u32, length: u32, at: Duration) -> Settled {
        let block = BlockRef {
            index,
            begin,
            length,
        };
        let candidates: Vec<&Entry> = self.at(index, begin).filter(|e| e.answerable(at)).collect();
        let exact = |e: &&&Entry| e.block.length == length;
        let chosen = candidates
            .iter()
            .filter(|e| e.live())
            .find(exact)
            .or_else(|| candidates.iter().find(exact))
            .or_else(|| candidates.iter().find(|e| e.live()))
            .or_else(|| candidates.first())
            .map(|e| (*e).clone());
        let how = if chosen.as_ref().is_some_and(|e| e.block.length == length) {
            AnswerHow::Piece
        } else {
            AnswerHow::WrongLength { actual: length }
        };
        let proves = candidates.iter().map(|e| e.order).min();
        let ambiguous = candidates.len() > 1;
        self.answer(chosen, proves, ambiguous, how, &block, at)
    }

    /// A reject of this triple.
    pub(super) fn reject(&mut self, block: &BlockRef, at: Duration) -> Settled {
        let candidates: Vec<&Entry> = self.same(block).filter(|e| e.answerable(at)).collect();
        let chosen = candidates
            .iter()
            .find(|e| e.live())
            .or_else(|| candidates.first())
            .map(|e| (*e).clone());
        let proves = candidates.iter().map(|e| e.order).min();
        let ambiguous = candidates.len() > 1;
        self.answer(chosen, proves, ambiguous, AnswerHow::Reject, block, at)
    }

    /// Something like an answer came for this piece, and answers nothing.
    pub(super) fn doubt(&mut self, index: u32) {
        for id in &self.live {
            if let Some(entry) = self.entries.get_mut(id)
                && entry.block.index == index
            {
                entry.doubtful = true;
            }
        }
    }

    /// The connection has ended.
    pub(super) fn close(&mut self) {
        for id in self.live.clone() {
            self.update(id, EntryState::Closed);
        }
    }

    /// Every entry that is kept, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Open and cancelled entries, oldest first.
    pub fn live(&self) -> impl Iterator<Item = &Entry> {
        self.live.iter().filter_map(|id| self.entries.get(id))
    }

    /// Open entries (not cancelled), oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Entry> {
        self.live().filter(|e| e.state == EntryState::Open)
    }

    /// Entries with this triple, oldest first.
    pub fn same(&self, block: &BlockRef) -> impl Iterator<Item = &Entry> {
        let length = block.length;
        self.at(block.index, block.begin)
            .filter(move |e| e.block.length == length)
    }

    /// The oldest open entry without a mark.
    pub fn oldest_unmarked(&self) -> Option<&Entry> {
        // A peer that is flooded under choke would be searched at every message.
        if self.marked_live >= self.live.len() {
            return None;
        }
        self.open().find(|entry| !entry.marks.any())
    }

    /// How many entries are open or cancelled.
    pub fn live_count(&self) -> usize {
        self.live.len()
    }

    /// How many entries were open or cancelled at once, at most.
    pub fn most_live(&self) -> usize {
        self.most_live
    }

    /// Whether an open or cancelled entry is marked.
    pub fn has_marked_live(&self) -> bool {
        self.marked_live > 0
    }

    /// Whether a request was ever made that is no range of at most 16 KiB inside a piece. What
    /// comes of such a request may look like an answer to nothing.
    pub fn has_been_odd(&self) -> bool {
        self.any_odd
    }

    /// The answering side has choked since this request.
    pub fn choked_since(&self, entry: &Entry) -> bool {
        self.chokes != entry.chokes
    }

    /// Requests that were not entered because 4,096 were open.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Whether requests of the past are missing, be it that they were not entered or that they
    /// made room after their answer.
    pub fn forgetful(&self) -> bool {
        self.overflowed > 0 || self.forgotten > 0
    }

    /// How many requests there were.
    pub fn asked(&self) -> u64 {
        self.next
    }

    fn at(&self, index: u32, begin: u32) -> impl Iterator<Item = &Entry> {
        self.by_block
            .get(&(index, begin))
            .into_iter()
            .flatten()
            .filter_map(|id| self.entries.get(id))
    }

    fn answer(
        &mut self,
        chosen: Option<Entry>,
        proves: Option<Order>,
        ambiguous: bool,
        how: AnswerHow,
        block: &BlockRef,
        at: Duration,
    ) -> Settled {
        let Some(before) = chosen else {
            return Settled::Nothing {
                near: self.nearest(block),
            };
        };
        self.update(before.id, EntryState::Answered { at, how });
        Settled::Entry {
            proves: proves.unwrap_or(before.order),
            before,
            how,
            ambiguous,
        }
    }

    /// What an answer that fits nothing comes closest to: the same triple, the same place, the
    /// same piece.
    fn nearest(&self, block: &BlockRef) -> Option<Entry> {
        self.same(block)
            .last()
            .or_else(|| self.at(block.index, block.begin).last())
            .or_else(|| {
                self.live
                    .iter()
                    .rev()
                    .take(NEAR)
                    .filter_map(|id| self.entries.get(id))
                    .find(|e| e.block.index == block.index)
            })
            .cloned()
    }

    fn update(&mut self, id: u64, state: EntryState) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let was_live = entry.live();
        entry.state = state;
        if !was_live || entry.live() {
            return;
        }
        let marked = usize::from(entry.marks.any());
        self.marked_live = self.marked_live.saturating_sub(marked);
        self.live.remove(&id);
        self.settled.push_back(id);
    }

    fn forget(&mut self, id: u64) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        self.forgotten = self.forgotten.saturating_add(1);
        let place = (entry.block.index, entry.block.begin);
        if let Some(ids) = self.by_block.get_mut(&place) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_block.remove(&place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn block(index: u32, length: u32) -> BlockRef {
        BlockRef {
            index,
            begin: 0,
            length,
        }
    }

    fn ask(ledger: &mut Ledger, index: u32, length: u32, order: Order) -> u64 {
        ledger
            .ask(Entry {
                id: 0,
                block: block(index, length),
                at: S,
                order,
                marks: Marks::default(),
                choked: false,
                chokes: 0,
                doubtful: false,
                state: EntryState::Open,
            })
            .id
    }

    #[track_caller]
    fn settles(settled: &Settled, id: u64, how: AnswerHow) {
        match settled {
            Settled::Entry { before, how: h, .. } => assert_eq!((before.id, *h), (id, how)),
            Settled::Nothing { near } => panic!("answers nothing, near {near:?}"),
        }
    }

    #[test]
    fn piece_settles_the_oldest_of_equal_requests() {
        let mut ledger = Ledger::new();
        let first = ask(&mut ledger, 1, 16384, 1);
        let second = ask(&mut ledger, 1, 16384, 2);
        settles(&ledger.piece(1, 0, 16384, S), first, AnswerHow::Piece);
        settles(&ledger.piece(1, 0, 16384, S), second, AnswerHow::Piece);
        assert!(matches!(
            ledger.piece(1, 0, 16384, S),
            Settled::Nothing { near: Some(_) }
        ));
        assert_eq!(ledger.live_count(), 0);
    }

    #[test]
    fn piece_of_another_length_settles_as_wrong_length_unless_one_fits() {
        let mut ledger = Ledger::new();
        let long = ask(&mut ledger, 1, 32768, 1);
        let short = ask(&mut ledger, 1, 16384, 2);
        settles(&ledger.piece(1, 0, 16384, S), short, AnswerHow::Piece);
        settles(
            &ledger.piece(1, 0, 100, S),
            long,
            AnswerHow::WrongLength { actual: 100 },
        );
    }

    #[test]
    fn reject_needs_the_exact_triple() {
        let mut ledger = Ledger::new();
        let id = ask(&mut ledger, 1, 16384, 1);
        assert!(matches!(
            ledger.reject(&block(1, 100), S),
            Settled::Nothing { near: Some(_) }
        ));
        settles(&ledger.reject(&block(1, 16384), S), id, AnswerHow::Reject);
    }

    #[test]
    fn cancelled_entry_is_still_answered() {
        let mut ledger = Ledger::new();
        let id = ask(&mut ledger, 1, 16384, 1);
        assert!(ledger.cancel(&block(1, 16384), S).is_some());
        assert_eq!(ledger.open().count(), 0);
        settles(&ledger.reject(&block(1, 16384), S), id, AnswerHow::Reject);
        assert!(ledger.cancel(&block(7, 16384), S).is_none());
    }

    #[test]
    fn piece_settles_a_dropped_entry_for_sixty_seconds() {
        let mut ledger = Ledger::new();
        let id = ask(&mut ledger, 1, 16384, 1);
        ask(&mut ledger, 2, 16384, 2);
        ledger.choke(S, false);
        assert_eq!(ledger.live_count(), 0);
        settles(&ledger.piece(1, 0, 16384, 61 * S), id, AnswerHow::Piece);
        assert!(matches!(
            ledger.piece(2, 0, 16384, 62 * S),
            Settled::Nothing { .. }
        ));
    }

    #[test]
    fn choke_with_fast_leaves_requests_owed() {
        let mut ledger = Ledger::new();
        let id = ask(&mut ledger, 1, 16384, 1);
        ledger.choke(S, true);
        settles(&ledger.reject(&block(1, 16384), S), id, AnswerHow::Reject);
    }

    #[test]
    fn answer_proves_only_the_oldest_request_that_could_have_caused_it() {
        let mut ledger = Ledger::new();
        ask(&mut ledger, 1, 16384, 5);
        ledger.choke(S, false);
        let again = ask(&mut ledger, 1, 16384, 20);
        match ledger.piece(1, 0, 16384, 2 * S) {
            Settled::Entry {
                before,
                proves,
                ambiguous,
                ..
            } => {
                assert_eq!((before.id, proves, ambiguous), (again, 5, true));
            }
            Settled::Nothing { .. } => panic!("answers nothing"),
        }
    }

    #[test]
    fn settled_entries_make_room_and_open_ones_do_not() {
        let mut ledger = Ledger::new();
        for index in 0..5000 {
            ask(&mut ledger, index, 16384, 1);
            ledger.piece(index, 0, 16384, S);
        }
        assert_eq!(
            (ledger.entries().count(), ledger.overflowed()),
            (MAX_ENTRIES, 0)
        );
        assert!(ledger.forgetful());
        let mut full = Ledger::new();
        for index in 0..5000 {
            ask(&mut full, index, 16384, 1);
        }
        assert_eq!((full.live_count(), full.overflowed()), (MAX_ENTRIES, 904));
        full.close();
        assert_eq!(full.live_count(), 0);
    }
}
