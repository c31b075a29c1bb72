//! Where the peer asks its defects, and what those do that have code of their own.

use std::time::Duration;

use bytes::Bytes;

use super::connection::{Connection, Phase};
use super::event::{CloseReason, RefusalCause};
use super::fault::{Quirk, React, Seen, View, What};
use super::host::{DEFECT_EXIT, Peer, State, Timer};
use super::process::Input;
use crate::torrent::PieceSet;
use crate::wire::{BlockRef, DecodeError, Frame, FrameDecoder, Handshake, Message, PeerId};

impl Peer {
    pub(super) fn view<'a>(&'a self, conn: &'a Connection) -> View<'a> {
        View {
            conn,
            torrent: &self.torrent,
            store: &self.store,
            role: self.role,
            peer_id: self.peer_id,
            now: self.now,
            connections: &self.connections,
        }
    }

    /// Asks the defects what to do; true if they did it.
    pub(super) fn react(&mut self, conn: u32, what: What<'_>) -> bool {
        if self.defects.is_empty() {
            return false;
        }
        let mut defects = std::mem::take(&mut self.defects);
        let mut said = Vec::new();
        let react = self.connections.get(&conn).and_then(|c| {
            let seen = Seen {
                what,
                peer: self.view(c),
            };
            let react = defects.seen(&seen);
            if let Some(React::Say(say) | React::SayInstead(say) | React::SayLater(_, say)) = react
            {
                said = say(&seen);
            }
            react
        });
        self.defects = defects;
        match react {
            None => return false,
            Some(React::Ignore) => {}
            Some(React::Close) => self.close(conn, CloseReason::Fault),
            Some(React::Exit) => self.exit(DEFECT_EXIT),
            Some(React::Hang) => self.state = State::Hung,
            Some(React::Deafen) => {
                if let Some(c) = self.connections.get_mut(&conn) {
                    c.deaf = true;
                }
            }
            Some(React::Eat(bytes)) => {
                if let Some(c) = self.connections.get_mut(&conn) {
                    c.skip += bytes;
                }
            }
            Some(React::Say(_)) => {
                self.say(conn, said);
                return false;
            }
            Some(React::SayInstead(_)) => self.say(conn, said),
            Some(React::SayLater(after, _)) => {
                self.timer(self.now + after, Timer::Say(conn, said));
                return false;
            }
            // Told by `reaction` before; it needs the frame.
            Some(React::Reread) => return false,
        }
        true
    }

    /// The reaction to something, without doing it.
    pub(super) fn reaction(&self, conn: u32, what: What<'_>) -> Option<React> {
        let c = self.connections.get(&conn)?;
        let peer = self.view(c);
        self.defects.rereads(&Seen { what, peer })
    }

    /// Whether another connection keeps this one waiting (defects).
    pub(super) fn must_wait(&self, conn: u32, input: &Input) -> bool {
        let others = || self.connections.values().filter(|c| c.id != conn);
        if self.stalled.iter().any(|(other, _)| *other == conn) {
            return true;
        }
        if self.defects.has(Quirk::OneHandshakeAtATime) && matches!(input, Input::Accepted { .. }) {
            return others().any(|c| c.phase == Phase::Handshaking);
        }
        if self.defects.has(Quirk::StallsOnFull) && !matches!(input, Input::Drained { .. }) {
            return others().any(|c| c.full);
        }
        self.defects.has(Quirk::StallsOthersInFrame)
            && others().any(|c| c.is_open() && c.frames.buffered().len() > 4)
    }

    /// Defects: bytes that are kept of what is over.
    pub(super) fn leaked(&self) -> u64 {
        let gone = u64::from(self.ordinal()).saturating_sub(self.connections.len() as u64);
        let leaks = self.defects.leaks().map(|quirk| match quirk {
            Quirk::Leaks(kind, bytes) => self.stats.received.of(kind).messages * bytes,
            Quirk::LeaksConnections(bytes) => gone * bytes,
            Quirk::GrowsAtHugeHave(bytes) if self.huge_have => bytes,
            _ => 0,
        });
        leaks.sum()
    }

    /// Takes in what waited, as far as nothing keeps it waiting any more.
    pub(super) fn release_stalled(&mut self) {
        let waiting = std::mem::take(&mut self.stalled);
        for (conn, input) in waiting {
            if self.must_wait(conn, &input) {
                self.stalled.push_back((conn, input));
            } else {
                self.take_in(input);
            }
        }
    }

    /// Defects: what one peer says of its choke is taken for the word of all.
    pub(super) fn choke_counts_for_others(&mut self, conn: u32, choking: bool) {
        let quirk = if choking {
            Quirk::ChokeForAll
        } else {
            Quirk::UnchokeForAll
        };
        if self.defects.has(quirk) {
            let others = self.connections.values_mut().filter(|c| c.id != conn);
            others.for_each(|c| c.them.choking = choking);
        }
    }

    /// A defect: who lost interest speaks for all.
    pub(super) fn lost_interest_counts_for_others(&mut self, conn: u32) {
        if !self.defects.has(Quirk::LostInterestForAll) {
            return;
        }
        for other in self.ids().into_iter().filter(|id| *id != conn) {
            if let Some(c) = self.connections.get_mut(&other) {
                c.them.interested = false;
            }
            self.choke_now(other);
        }
    }

    /// A defect: what a peer has is forgotten at its first extended handshake.
    pub(super) fn clear_at_extended_handshake(&mut self, conn: u32) {
        let pieces = self.torrent.geometry().pieces();
        let clears = self.defects.has(Quirk::ExtendedHandshakeClears);
        if let Some(c) = self.connections.get_mut(&conn)
            && clears
            && c.their_extended.is_none()
        {
            c.their_pieces = PieceSet::none(pieces);
            c.wanted = 0;
        }
    }

    /// Defects: a handshake in several segments is refused.
    pub(super) fn refuses_split(&mut self, conn: u32, had: usize, segment: usize) -> bool {
        let Some(c) = self.connections.get(&conn) else {
            return true;
        };
        let split = had > 0 && segment > 1;
        let dripped = had == 1 && segment == 1;
        let refused = if c.initiator {
            had > 0 && self.defects.has(Quirk::RefusesSplitHandshakeDialling)
        } else {
            (split && self.defects.has(Quirk::RefusesSplitHandshake))
                || (dripped && self.defects.has(Quirk::RefusesDrippedHandshake))
        };
        if refused {
            self.close(conn, CloseReason::Fault);
        }
        refused
    }

    /// Defects: another length byte or protocol string is overlooked, and the bytes behind it are
    /// taken for what they stand for. `None` if the defect has nothing to do with these bytes.
    pub(super) fn lenient_handshake(
        &self,
        raw: &Bytes,
        initiator: bool,
    ) -> Option<Option<Handshake>> {
        let other_length = *raw.first()? != 19;
        let other_string = !other_length
            && raw
                .iter()
                .zip(&self.our_handshake(0).encode())
                .take(20)
                .any(|(a, b)| a != b);
        let has =
            |quirk, dialling| self.defects.has(quirk) || (initiator && self.defects.has(dialling));
        let overlooked = (other_length
            && has(
                Quirk::SkipsProtocolLength,
                Quirk::SkipsProtocolLengthDialling,
            ))
            || (other_string
                && has(
                    Quirk::SkipsProtocolString,
                    Quirk::SkipsProtocolStringDialling,
                ));
        overlooked.then(|| {
            let taken_for = Handshake {
                peer_id: PeerId(*b"-XX0000-000000000000"),
                ..self.our_handshake(0)
            };
            (raw.len() >= Handshake::LEN - 1).then_some(taken_for)
        })
    }

    /// Defects: our handshake with other bytes.
    pub(super) fn alter_handshake(&self, conn: u32, bytes: &mut Vec<u8>) {
        let Some(c) = self.connections.get(&conn) else {
            return;
        };
        self.defects.hello(c.ordinal, bytes);
        if c.initiator
            && self.defects.has(Quirk::MisspellsDialling)
            && let Some(byte) = bytes.get_mut(12)
        {
            *byte = b'P';
        }
        let raw = c.opening.raw();
        if self.defects.has(Quirk::EchoesPeerId)
            && let Some(theirs) = raw.get(48..Handshake::LEN)
        {
            bytes.truncate(48);
            bytes.extend_from_slice(theirs);
        }
    }

    /// Defects: what is behind the handshake in its segment is lost.
    pub(super) fn loses_coalesced(&self, initiator: bool, theirs: &Handshake) -> bool {
        let has = |quirk| self.defects.has(quirk);
        if initiator {
            return has(Quirk::LosesCoalescedDialling);
        }
        let plain = theirs.reserved.0 == [0; 8];
        has(Quirk::LosesCoalesced) || (plain && has(Quirk::LosesCoalescedPlain))
    }

    /// A defect: frames of requests that are too short or too long are made to fit.
    pub(super) fn repaired(
        &self,
        decoded: Result<Message, DecodeError>,
        frame: &Frame,
    ) -> Result<Message, DecodeError> {
        if decoded.is_ok() || self.defects.is_empty() || frame.id() != Some(6) {
            return decoded;
        }
        let body = frame.body();
        let short = body.len() < 13 && self.defects.has(Quirk::PadsShortRequests);
        let long = body.len() > 13 && self.defects.has(Quirk::CutsLongRequests);
        if !short && !long {
            return decoded;
        }
        let word = |n: usize| {
            let bytes = body.get(1 + 4 * n..5 + 4 * n);
            bytes
                .and_then(|b| b.first_chunk().copied())
                .map_or(0, u32::from_be_bytes)
        };
        let length = if short { 16_384 } else { word(2) };
        Ok(Message::Request(BlockRef::new(word(0), word(1), length)))
    }

    /// A defect: a prefix that comes in two segments is taken for the bytes of the first.
    pub(super) fn misreads_prefix(&mut self, conn: u32, bytes: &Bytes) -> bool {
        if !self.defects.has(Quirk::MisreadsSplitPrefix) || bytes.is_empty() {
            return false;
        }
        let Some(c) = self.connections.get_mut(&conn) else {
            return false;
        };
        let begun = c.frames.buffered().len();
        let split = (1..4).contains(&begun) && bytes.len() > 1;
        if split {
            c.frames = FrameDecoder::new(self.settings.frame_limit);
        }
        split
    }

    /// A defect: what comes byte by byte is lost.
    pub(super) fn lose_dripped_frame(&mut self, conn: u32, segment: usize) {
        if !self.defects.has(Quirk::LosesDrippedFrames) {
            return;
        }
        let limit = self.settings.frame_limit;
        if let Some(c) = self.connections.get_mut(&conn)
            && segment == 1
            && c.frames.buffered().len() == 2
        {
            c.frames = FrameDecoder::new(limit);
        }
    }

    /// A defect: a block in many segments is refused.
    pub(super) fn refuses_segments(&mut self, conn: u32) -> bool {
        let Some(c) = self.connections.get_mut(&conn) else {
            return true;
        };
        c.segments = c.segments.saturating_add(1);
        let block = c.frames.buffered().get(4) == Some(&7);
        if c.frames.buffered().is_empty() {
            c.segments = 1;
            c.frame_since = self.now;
        }
        let slow = self.now.saturating_sub(c.frame_since) > IMPATIENCE;
        let refused = block
            && ((c.segments > 64 && self.defects.has(Quirk::ClosesOnManySegments))
                || (slow && self.defects.has(Quirk::ImpatientInBlock)));
        if refused {
            self.close(conn, CloseReason::Fault);
        }
        refused
    }

    /// Defects: what the end of the stream cut off is taken for whole.
    pub(super) fn use_partial_frame(&mut self, conn: u32, rest: &Bytes) {
        let Some(prefix) = rest.first_chunk::<4>().filter(|_| rest.len() > 5) else {
            return;
        };
        let whole = u32::from_be_bytes(*prefix) as usize;
        let open = self.connections.get(&conn).is_some_and(Connection::is_open);
        if open && self.defects.has(Quirk::DiesOfPartialFrame) {
            self.exit(1);
            return;
        }
        if self.defects.has(Quirk::UsesPartialFrame) && whole <= 1 << 20 {
            let mut body = rest.get(4..).unwrap_or_default().to_vec();
            body.resize(whole.max(body.len()), 0);
            self.frame(conn, &Frame::from_body(&body));
        }
        let index = rest.get(5..).and_then(|rest| rest.first_chunk::<4>());
        if let (true, Some(7), Some(index)) = (
            self.defects.has(Quirk::UsesPartialBlock),
            rest.get(4),
            index,
        ) {
            let index = u32::from_be_bytes(*index);
            if !self.store.have().get(index) {
                self.store.set(index);
                self.piece_verified(index);
            }
        }
    }

    /// A defect: a request that is pending already takes the pending one back.
    pub(super) fn takes_back(&mut self, conn: u32, block: &BlockRef) -> bool {
        if !self.defects.has(Quirk::TogglesRequests) {
            return false;
        }
        let Some(c) = self.connections.get_mut(&conn).filter(|c| !c.agreed.fast) else {
            return false;
        };
        let pending = c.uploads.iter().position(|upload| upload.block == *block);
        pending.and_then(|at| c.uploads.remove(at)).is_some()
    }

    /// A defect: what was asked for before the unchoke is never served.
    pub(super) fn forget_early(&mut self, conn: u32, block: BlockRef, cause: RefusalCause) {
        if cause == RefusalCause::Choked
            && self.defects.has(Quirk::ForgetsEarly)
            && let Some(c) = self.connections.get_mut(&conn).filter(|c| !c.agreed.fast)
        {
            c.forgotten.push(block);
        }
    }

    /// Where the answer to a request on `conn` goes: a defect takes the connection that was
    /// unchoked last.
    pub(super) fn receiver(&self, conn: u32) -> u32 {
        if !self.defects.has(Quirk::AnswersElsewhere) {
            return conn;
        }
        let unchoked = self.connections.values().filter(|c| !c.us.choking);
        let last = unchoked.max_by_key(|c| (c.unchoked_since, c.id));
        last.map_or(conn, |c| c.id)
    }

    /// Defects that serve what is not there.
    pub(super) fn answers_wrongly(
        &mut self,
        conn: u32,
        block: BlockRef,
        cause: RefusalCause,
    ) -> bool {
        let has = |quirk| self.defects.has(quirk);
        let answer = match cause {
            RefusalCause::PastEnd if has(Quirk::ServesPastEnd) => {
                let size = self.torrent.geometry().piece_size(block.index).unwrap_or(0);
                let length = size.saturating_sub(block.begin).min(block.length);
                let rest = self.store.block(&BlockRef { length, ..block });
                rest.filter(|rest| !rest.is_empty())
                    .map(|rest| rest.to_vec())
            }
            RefusalCause::Missing if has(Quirk::ServesMissing) => {
                Some(vec![0; block.length as usize])
            }
            RefusalCause::TooLong if has(Quirk::TruncatesLong) => {
                let cut = BlockRef::new(block.index, block.begin, self.settings.max_request);
                self.store.block(&cut).map(|bytes| bytes.to_vec())
            }
            _ => None,
        };
        let Some(bytes) = answer else {
            return false;
        };
        self.send(
            conn,
            Message::Piece {
                index: block.index,
                begin: block.begin,
                block: Bytes::from(bytes),
            },
        );
        true
    }
}

/// How long a defect waits for the rest of a block.
const IMPATIENCE: Duration = Duration::from_secs(2);
