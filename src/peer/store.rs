//! What the peer has of the torrent, and the pieces it is putting together.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use sha1::{Digest, Sha1};

use crate::torrent::{PieceSet, Torrent};
use crate::wire::BlockRef;

/// Pieces that are here, and pieces on their way.
///
/// A verified piece has the bytes of the torrent's content, so only what the content cannot give
/// again is kept.
#[derive(Debug)]
pub(super) struct Store {
    torrent: Torrent,
    have: PieceSet,
    kept: BTreeMap<u32, Bytes>,
    partial: BTreeMap<u32, Partial>,
    /// Connections that gave blocks of a piece whose hash was wrong.
    blamed: BTreeMap<u32, BTreeSet<u32>>,
    block_len: u32,
    buffered: u64,
}

/// A piece on its way.
#[derive(Debug)]
struct Partial {
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    /// Connections that were asked and still owe an answer.
    asked: Vec<u32>,
    got: Option<(u32, Bytes)>,
}

/// What became of a block that was handed in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Nobody wants it any more.
    Useless,
    /// Kept; the piece is not complete.
    Kept,
    /// It completed the piece, whose hash is right.
    Verified,
    /// It completed the piece, whose hash is wrong; these connections gave blocks of it.
    Failed(BTreeSet<u32>),
}

/// How strictly a completed piece is looked at; all but `Hash` are defects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Its SHA-1 must be that of the torrent.
    Hash,
    /// Anything is good.
    Nothing,
    /// The last block is not looked at.
    AllButLastBlock,
    /// Only if one peer gave all of it: a defect.
    UnlessMixed,
}

impl Store {
    pub(super) fn new(torrent: Torrent, full: bool, block_len: u32) -> Self {
        let pieces = torrent.geometry().pieces();
        Self {
            have: if full {
                PieceSet::all(pieces)
            } else {
                PieceSet::none(pieces)
            },
            torrent,
            kept: BTreeMap::new(),
            partial: BTreeMap::new(),
            blamed: BTreeMap::new(),
            block_len: block_len.max(1),
            buffered: 0,
        }
    }

    pub(super) fn have(&self) -> &PieceSet {
        &self.have
    }

    pub(super) fn complete(&self) -> bool {
        self.have.is_full()
    }

    /// Whether one piece is missing and no more.
    pub(super) fn lacks_one(&self) -> bool {
        self.have.count() + 1 == self.torrent.geometry().pieces()
    }

    /// Bytes held in memory.
    pub(super) fn resident(&self) -> u64 {
        self.buffered
            + self
                .kept
                .values()
                .map(|piece| piece.len() as u64)
                .sum::<u64>()
    }

    /// Bytes of a block of a piece that is here.
    pub(super) fn block(&self, block: &BlockRef) -> Option<Bytes> {
        if !self.have.get(block.index) {
            return None;
        }
        if block.length == 0 {
            return Some(Bytes::new());
        }
        match self.kept.get(&block.index) {
            Some(piece) => {
                let begin = block.begin as usize;
                let end = begin.checked_add(block.length as usize)?;
                (end <= piece.len()).then(|| piece.slice(begin..end))
            }
            None => self.torrent.block(block),
        }
    }

    /// Bytes of a block of a piece on its way.
    pub(super) fn unchecked(&self, block: &BlockRef) -> Option<Bytes> {
        let slot = self
            .partial
            .get(&block.index)?
            .slots
            .get(self.slot_of(block)?)?;
        slot.got.as_ref().map(|(_, bytes)| bytes.clone())
    }

    /// Takes a piece for complete, with zeros where nothing has come (a defect).
    pub(super) fn force(&mut self, index: u32) {
        let size = self.torrent.geometry().piece_size(index).unwrap_or(0);
        let mut piece = BytesMut::zeroed(size as usize);
        if let Some(partial) = self.partial.remove(&index) {
            for (n, slot) in partial.slots.iter().enumerate() {
                let Some((_, bytes)) = &slot.got else {
                    continue;
                };
                let begin = n * self.block_len as usize;
                if let Some(place) = piece.get_mut(begin..begin + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
                self.buffered = self.buffered.saturating_sub(bytes.len() as u64);
            }
        }
        self.kept.insert(index, piece.freeze());
        self.have.set(index);
    }

    /// Whether a piece has failed before, with blocks of connections that are still here.
    pub(super) fn has_failed(&self, index: u32) -> bool {
        self.blamed.contains_key(&index)
    }

    /// Marks a piece as here without looking.
    pub(super) fn set(&mut self, index: u32) {
        self.partial.remove(&index);
        self.have.set(index);
    }

    /// Drops a piece; true if it was here.
    pub(super) fn discard(&mut self, index: u32) -> bool {
        let here = self.have.get(index);
        self.have.clear(index);
        self.kept.remove(&index);
        here
    }

    /// The blocks of a piece on our grid.
    fn blocks(&self, index: u32) -> usize {
        let size = self.torrent.geometry().piece_size(index).unwrap_or(0);
        size.div_ceil(self.block_len) as usize
    }

    fn block_ref(&self, index: u32, slot: usize) -> Option<BlockRef> {
        let size = self.torrent.geometry().piece_size(index)?;
        let begin = u32::try_from(slot).ok()?.checked_mul(self.block_len)?;
        let length = size.checked_sub(begin)?.min(self.block_len);
        (length > 0).then(|| BlockRef::new(index, begin, length))
    }

    fn slot_of(&self, block: &BlockRef) -> Option<usize> {
        let slot = (block.begin / self.block_len) as usize;
        (self.block_ref(block.index, slot)? == *block).then_some(slot)
    }

    fn partial(&mut self, index: u32) -> &mut Partial {
        let blocks = self.blocks(index);
        self.partial.entry(index).or_insert_with(|| Partial {
            slots: (0..blocks).map(|_| Slot::default()).collect(),
        })
    }

    /// Pieces on their way.
    pub(super) fn begun(&self) -> impl Iterator<Item = u32> + '_ {
        self.partial.keys().copied()
    }

    pub(super) fn has_begun(&self, index: u32) -> bool {
        self.partial.contains_key(&index)
    }

    /// A block of `index` that nobody was asked for, skipping those that `skip` names.
    pub(super) fn free_block(
        &self,
        index: u32,
        skip: impl Fn(&BlockRef) -> bool,
    ) -> Option<BlockRef> {
        (0..self.blocks(index)).find_map(|n| {
            let slot = self.partial.get(&index).and_then(|p| p.slots.get(n));
            let free = slot.is_none_or(|slot| slot.asked.is_empty() && slot.got.is_none());
            let block = self.block_ref(index, n)?;
            (free && !skip(&block)).then_some(block)
        })
    }

    /// A block of `index` that somebody else still owes, skipping those that `skip` names.
    pub(super) fn owed_block(
        &self,
        index: u32,
        conn: u32,
        skip: impl Fn(&BlockRef) -> bool,
    ) -> Option<BlockRef> {
        let partial = self.partial.get(&index)?;
        partial.slots.iter().enumerate().find_map(|(n, slot)| {
            let owed = slot.got.is_none()
                && !slot.asked.is_empty()
                && slot.asked.len() < MOST_COPIES
                && !slot.asked.contains(&conn)
                && !slot.asked.contains(&NOBODY);
            let block = self.block_ref(index, n)?;
            (owed && !skip(&block)).then_some(block)
        })
    }

    /// Whether the block at that place has come.
    pub(super) fn has_block(&self, index: u32, begin: u32) -> bool {
        let slot = (begin / self.block_len) as usize;
        self.have.get(index)
            || self
                .partial
                .get(&index)
                .and_then(|partial| partial.slots.get(slot))
                .is_some_and(|slot| slot.got.is_some())
    }

    /// Notes that `conn` was asked for `block`. A sound connection that starts on a piece that
    /// failed before throws away what the blamed ones gave since.
    pub(super) fn asked(&mut self, conn: u32, block: &BlockRef) {
        let Some(n) = self.slot_of(block) else {
            return;
        };
        let blamed = self.blamed.get(&block.index).cloned().unwrap_or_default();
        let partial = self.partial(block.index);
        let mut dropped = 0;
        if !blamed.is_empty() && !blamed.contains(&conn) {
            for slot in &mut partial.slots {
                if let Some((from, bytes)) = &slot.got
                    && blamed.contains(from)
                {
                    dropped += bytes.len() as u64;
                    slot.got = None;
                }
            }
        }
        if let Some(slot) = partial.slots.get_mut(n)
            && !slot.asked.contains(&conn)
        {
            slot.asked.push(conn);
        }
        self.buffered = self.buffered.saturating_sub(dropped);
    }

    /// Notes that `conn` will not answer for `block` any more.
    pub(super) fn released(&mut self, conn: u32, block: &BlockRef) {
        let Some(n) = self.slot_of(block) else {
            return;
        };
        let Some(partial) = self.partial.get_mut(&block.index) else {
            return;
        };
        if let Some(slot) = partial.slots.get_mut(n) {
            slot.asked.retain(|other| *other != conn);
        }
        if partial
            .slots
            .iter()
            .all(|slot| slot.asked.is_empty() && slot.got.is_none())
        {
            self.partial.remove(&block.index);
        }
    }

    /// Throws away what came of a piece and keeps it from being asked for: a defect, or a piece
    /// that came from elsewhere.
    pub(super) fn abandon(&mut self, index: u32) {
        let lost = self.partial.remove(&index);
        let slots = lost.iter().flat_map(|partial| &partial.slots);
        let bytes: usize = slots
            .filter_map(|s| s.got.as_ref())
            .map(|(_, b)| b.len())
            .sum();
        self.buffered = self.buffered.saturating_sub(bytes as u64);
        let blocks = self.blocks(index);
        let nobody = || Slot {
            asked: vec![NOBODY],
            got: None,
        };
        let slots = (0..blocks).map(|_| nobody()).collect();
        self.partial.insert(index, Partial { slots });
    }

    /// Who else was asked for `block`.
    pub(super) fn others_asked(&self, conn: u32, block: &BlockRef) -> Vec<u32> {
        let slot = self
            .slot_of(block)
            .and_then(|n| self.partial.get(&block.index)?.slots.get(n));
        slot.map_or_else(Vec::new, |slot| {
            slot.asked.iter().copied().filter(|c| *c != conn).collect()
        })
    }

    /// Whether `conn` gave blocks of this piece when its hash was wrong.
    pub(super) fn is_blamed(&self, conn: u32, index: u32) -> bool {
        self.blamed
            .get(&index)
            .is_some_and(|conns| conns.contains(&conn))
    }

    /// Forgets whom a closed connection's number stood for.
    pub(super) fn forget(&mut self, conn: u32) {
        self.blamed.retain(|_, conns| {
            conns.remove(&conn);
            !conns.is_empty()
        });
    }

    /// Takes in a block that `conn` sent.
    pub(super) fn arrived(
        &mut self,
        conn: u32,
        block: &BlockRef,
        bytes: Bytes,
        check: Check,
    ) -> Arrival {
        if self.have.get(block.index) {
            return Arrival::Useless;
        }
        let Some(n) = self.slot_of(block) else {
            return Arrival::Useless;
        };
        let blamed = self.is_blamed(conn, block.index);
        let kept = bytes.len() as u64;
        let sound_on_it = blamed
            && self.partial.get(&block.index).is_some_and(|partial| {
                partial.slots.iter().any(|slot| {
                    let asked = slot.asked.iter().any(|c| !self.is_blamed(*c, block.index));
                    let got = slot.got.as_ref();
                    asked || got.is_some_and(|(from, _)| !self.is_blamed(*from, block.index))
                })
            });
        if sound_on_it {
            return Arrival::Useless;
        }
        let partial = self.partial(block.index);
        let Some(slot) = partial.slots.get_mut(n) else {
            return Arrival::Useless;
        };
        slot.asked.retain(|other| *other != conn);
        if slot.got.is_some() {
            return Arrival::Useless;
        }
        slot.got = Some((conn, bytes));
        let complete = partial.slots.iter().all(|slot| slot.got.is_some());
        self.buffered += kept;
        if !complete {
            return Arrival::Kept;
        }
        self.complete_piece(block.index, check)
    }

    fn complete_piece(&mut self, index: u32, check: Check) -> Arrival {
        let Some(partial) = self.partial.remove(&index) else {
            return Arrival::Useless;
        };
        let blocks = || partial.slots.iter().filter_map(|slot| slot.got.as_ref());
        let mut hash = Sha1::new();
        for (_, bytes) in blocks() {
            hash.update(bytes);
            self.buffered = self.buffered.saturating_sub(bytes.len() as u64);
        }
        let right = self.torrent.metainfo().piece_hash(index) == Some(hash.finalize().into());
        let overlooked = match check {
            Check::Hash => false,
            Check::Nothing => true,
            Check::UnlessMixed => {
                let givers: BTreeSet<u32> = blocks().map(|(conn, _)| *conn).collect();
                givers.len() > 1
            }
            Check::AllButLastBlock => {
                let mut given = blocks().enumerate().filter_map(|(n, (_, bytes))| {
                    let block = self.block_ref(index, n)?;
                    let last = n + 1 == partial.slots.len();
                    Some(last || self.torrent.block(&block).as_ref() == Some(bytes))
                });
                given.all(|good| good)
            }
        };
        if right || overlooked {
            if !right || self.torrent.content().is_none() {
                let mut piece = BytesMut::new();
                blocks().for_each(|(_, bytes)| piece.extend_from_slice(bytes));
                self.kept.insert(index, piece.freeze());
            }
            self.have.set(index);
            self.blamed.remove(&index);
            return Arrival::Verified;
        }
        let givers: BTreeSet<u32> = blocks().map(|(conn, _)| *conn).collect();
        self.blamed
            .entry(index)
            .or_default()
            .extend(givers.iter().copied());
        Arrival::Failed(givers)
    }
}

/// How many connections may owe one block in the end game.
const MOST_COPIES: usize = 4;

/// No connection has this number.
const NOBODY: u32 = u32::MAX;
