//! What each message does to the session, and the event it becomes.

use std::time::Duration;

use bytes::Bytes;

use super::connection::Session;
use super::event::{
    Answer, Asked, Availability, AvailabilityKind, Event, EventKind, ExtendedUse, HASTE, REPEAT,
    Stand, Stray, StrayKind,
};
use super::ledger::{AnswerHow, Entry, EntryState, MAX_ENTRIES, Marks, Settled};
use crate::torrent::{BLOCK_LEN, PieceSet};
use crate::trace::{CloseHow, Dir, Observation, What};
use crate::wire::{
    BlockRef, Capability, DecodeError, ExtendedHandshake, ExtensionMessage, Handshake, Kind,
    Message,
};

/// Requests that a side keeps open where it gave no `reqq`: the default that BEP 10 quotes.
const DEFAULT_REQQ: u64 = 250;
/// Our unanswered ut_metadata requests that are remembered.
const MAX_METADATA_ASKED: usize = 4096;

type Payload = Option<Result<ExtensionMessage, DecodeError>>;

impl Session {
    pub(super) fn observe(&mut self, observation: &Observation) {
        let dir = observation.dir;
        let at = observation.at;
        let before = self.half(dir).last_at.or(self.established_at);
        let gap = before.map_or(Duration::ZERO, |before| at.saturating_sub(before));
        let side = self.half_mut(dir);
        side.order = side.order.saturating_add(1);
        let order = side.order;
        let typed = typed_kind(observation).map_or(0, |kind| {
            side.typed = side.typed.saturating_add(1);
            side.first_typed.get_or_insert(kind);
            side.typed
        });
        if typed == 1 && dir == Dir::Received {
            // Either it has come or something else has taken its place.
            self.timers.availability = None;
        }
        let mut payload = None;
        let kind = match &observation.what {
            What::Handshake(handshake) => self.handshake(dir, handshake, at),
            What::BadHandshake(_) => EventKind::BadHandshake,
            What::Message(message) => {
                self.half_mut(dir).tally(message.kind());
                if dir == Dir::Received && self.ours.handshake.is_none() {
                    self.early.insert(message.kind());
                }
                self.message(dir, message, order, typed, at, &mut payload)
            }
            What::Undecodable(_) => EventKind::Undecodable,
            What::OverLimit { .. } => EventKind::OverLimit,
            What::Trailing => EventKind::Trailing,
            What::Opaque => EventKind::Opaque,
            What::Closed(how) => self.close(dir, *how),
            // Made by sessions, never given to one.
            What::Quiet => return,
        };
        match kind {
            EventKind::Closed(_) | EventKind::Trailing => {}
            _ => {
                self.half_mut(dir).last_at = Some(at);
                if dir == Dir::Received {
                    self.heard(at);
                }
            }
        }
        if dir == Dir::Sent {
            if let What::Message(message) = &observation.what
                && self.theirs.handshake.is_none()
            {
                self.assumed.extend(needed(message));
            }
            self.tainted |= self.taints(observation, &kind, &payload);
        }
        self.events.push_back(Event {
            observation: observation.clone(),
            payload,
            kind,
            order,
            typed,
            gap,
            tainted: self.tainted,
        });
    }

    fn handshake(&mut self, dir: Dir, handshake: &Handshake, at: Duration) -> EventKind {
        let side = self.half_mut(dir);
        side.handshake.get_or_insert(*handshake);
        side.handshake_at.get_or_insert(at);
        if dir == Dir::Received {
            let agreed = |capability: &Capability| self.negotiated(*capability);
            self.tainted |= !self.assumed.iter().all(agreed);
        }
        self.establish(at);
        EventKind::Handshake
    }

    fn close(&mut self, dir: Dir, how: CloseHow) -> EventKind {
        self.stop_timers();
        if self.closed.is_none() {
            self.closed = Some((dir, how));
        }
        if dir == Dir::Received {
            self.ours.requests.close();
            self.theirs.requests.close();
        }
        EventKind::Closed(how)
    }

    fn message(
        &mut self,
        dir: Dir,
        message: &Message,
        order: u64,
        typed: u64,
        at: Duration,
        payload: &mut Payload,
    ) -> EventKind {
        match message {
            Message::KeepAlive => EventKind::KeepAlive,
            Message::Choke => self.choking(dir, true, order, at),
            Message::Unchoke => self.choking(dir, false, order, at),
            Message::Interested => self.interest(dir, true, order, at),
            Message::NotInterested => self.interest(dir, false, order, at),
            Message::Have { index } => self.have(dir, *index),
            Message::Bitfield { bits } => self.bitfield(dir, bits, typed),
            Message::HaveAll => {
                let all = PieceSet::all(self.geometry.pieces());
                self.availability(dir, AvailabilityKind::All, all, typed)
            }
            Message::HaveNone => {
                let none = PieceSet::none(self.geometry.pieces());
                self.availability(dir, AvailabilityKind::None, none, typed)
            }
            Message::Request(block) => self.request(dir, block, order, at),
            Message::Cancel(block) => self.cancel(dir, block, at),
            Message::Piece {
                index,
                begin,
                block,
            } => self.piece(dir, *index, *begin, block, at),
            Message::RejectRequest(block) => self.reject(dir, block, at),
            Message::SuggestPiece { index } => EventKind::Suggest {
                index: *index,
                in_range: *index < self.geometry.pieces(),
            },
            Message::AllowedFast { index } => self.allow(dir, *index),
            Message::Port { .. } => EventKind::Port,
            Message::Extended {
                ext_id: 0,
                payload: bytes,
            } => self.extended_handshake(dir, bytes, order, payload),
            Message::Extended {
                ext_id,
                payload: bytes,
            } => self.extended_message(dir, *ext_id, bytes, order, payload),
            Message::HashRequest(_) | Message::Hashes { .. } | Message::HashReject(_) => {
                EventKind::Hashes
            }
            Message::Unknown { .. } => EventKind::Unknown,
        }
    }

    fn choking(&mut self, dir: Dir, choking: bool, order: u64, at: Duration) -> EventKind {
        let fast = self.fast();
        let side = self.half_mut(dir);
        let redundant = side.choking == choking;
        side.choking = choking;
        let haste = self.haste(dir, choking, redundant, at);
        let asked = &mut self.half_mut(dir.flip()).requests;
        if choking {
            asked.choke(at, fast);
        } else {
            asked.unchoke();
        }
        match dir {
            Dir::Sent => self.our_choke.tell(order, choking),
            Dir::Received if choking => {
                self.since_choke.get_or_insert_default();
            }
            Dir::Received => self.since_choke = None,
        }
        EventKind::Choking {
            choking,
            redundant,
            haste,
        }
    }

    /// Counts what comes too soon behind the side's last choke or unchoke.
    fn haste(&mut self, dir: Dir, choking: bool, redundant: bool, at: Duration) -> u32 {
        let other = self.half_mut(dir.flip());
        let (interested, lost) = (other.interested, other.lost_interest_at);
        // A choke is the usual answer to a loss of interest, which may be regained while that
        // answer is on its way: one for each.
        let met = choking && !redundant && other.unmet_losses > 0;
        other.unmet_losses = other.unmet_losses.saturating_sub(u32::from(met));
        let side = self.half_mut(dir);
        let Some(before) = side.choking_at.replace(at) else {
            return 0;
        };
        let after = at.saturating_sub(before);
        let wanted = !met && interested && lost.is_none_or(|lost| lost < before);
        if redundant && after < REPEAT {
            side.hasty_repeats = side.hasty_repeats.saturating_add(1);
            side.hasty_repeats
        } else if choking && !redundant && wanted && after < HASTE {
            side.hasty_chokes = side.hasty_chokes.saturating_add(1);
            side.hasty_chokes
        } else {
            0
        }
    }

    fn interest(&mut self, dir: Dir, interested: bool, order: u64, at: Duration) -> EventKind {
        let side = self.half_mut(dir);
        let redundant = side.interested == interested;
        side.interested = interested;
        if !interested {
            side.lost_interest_at = Some(at);
            side.unmet_losses = side.unmet_losses.saturating_add(u32::from(!redundant));
        }
        let complete = side.complete();
        if dir == Dir::Sent {
            self.our_interest.tell(order, interested);
        }
        EventKind::Interest {
            interested,
            redundant,
            complete,
        }
    }

    fn have(&mut self, dir: Dir, index: u32) -> EventKind {
        let in_range = index < self.geometry.pieces();
        let side = self.half_mut(dir);
        let repeated = side.has.get(index);
        if in_range {
            side.has.set(index);
            side.announced.set(index);
        }
        if dir == Dir::Sent {
            self.withdrawn.remove(&index);
        }
        EventKind::Have {
            index,
            in_range,
            repeated,
        }
    }

    fn bitfield(&mut self, dir: Dir, bits: &Bytes, typed: u64) -> EventKind {
        let pieces = self.geometry.pieces();
        let expected = self.geometry.bitfield_len();
        let kind = AvailabilityKind::Bitfield {
            len: bits.len(),
            expected,
            spare: (bits.len() == expected)
                .then(|| first_spare(bits, pieces))
                .flatten(),
        };
        self.availability(dir, kind, PieceSet::from_bits(bits, pieces), typed)
    }

    fn availability(
        &mut self,
        dir: Dir,
        kind: AvailabilityKind,
        has: PieceSet,
        typed: u64,
    ) -> EventKind {
        if dir == Dir::Sent {
            self.withdrawn.retain(|index, _| !has.get(*index));
        }
        let side = self.half_mut(dir);
        side.availabilities = side.availabilities.saturating_add(1);
        if matches!(kind, AvailabilityKind::Bitfield { .. }) {
            side.bitfields = side.bitfields.saturating_add(1);
        }
        if has.is_full() || side.announced.is_empty() {
            side.announced = has.clone();
        } else {
            for index in has.iter() {
                side.announced.set(index);
            }
        }
        side.has = has;
        EventKind::Availability(Availability {
            kind,
            nth: side.availabilities,
            bitfields: side.bitfields,
            behind: side.first_typed.filter(|_| typed > 1),
        })
    }

    fn allow(&mut self, dir: Dir, index: u32) -> EventKind {
        let in_range = index < self.geometry.pieces();
        let side = self.half_mut(dir);
        let repeated = side.allowed_fast.contains(&index);
        if !repeated && in_range && side.allowed_fast.len() < MAX_ENTRIES {
            side.allowed_fast.push(index);
        }
        EventKind::AllowedFast {
            index,
            in_range,
            repeated,
        }
    }

    fn request(&mut self, dir: Dir, block: &BlockRef, order: u64, at: Duration) -> EventKind {
        let fast = self.fast();
        let other = self.half(dir.flip());
        let allowed_fast = fast && other.allowed_fast.contains(&block.index);
        let choke = self.choke_against(dir);
        let announced = match dir {
            Dir::Received => self.announced_by_us(block.index),
            Dir::Sent if other.announced.get(block.index) => Stand::Right,
            Dir::Sent => Stand::Wrong,
        };
        let choked = other.choking && !allowed_fast;
        let reqq = other.extended.as_ref().and_then(|e| e.reqq());
        let reqq = reqq
            .and_then(|reqq| u64::try_from(reqq).ok())
            .filter(|reqq| *reqq > 0)
            .unwrap_or(DEFAULT_REQQ);
        let asking = self.half(dir);
        let open = asking
            .requests
            .same(block)
            .filter(|e| e.state == EntryState::Open)
            .last();
        let live = u64::try_from(asking.requests.live_count()).unwrap_or(u64::MAX);
        let marks = Marks {
            while_choked: choke == Stand::Wrong && !allowed_fast,
            out_of_range: !self.geometry.contains(block),
            oversized: block.length > BLOCK_LEN,
            not_announced: announced == Stand::Wrong,
            duplicate: open.is_some(),
            beyond_reqq: live >= reqq,
        };
        let open_since = open
            .filter(|e| !e.doubtful && !asking.requests.choked_since(e))
            .map(|e| at.saturating_sub(e.at));
        let own = asking.has.get(block.index);
        let complete = asking.complete();
        // A choke of ours that is not read yet throws the request out when it is, even if we have
        // unchoked since. So does a DontHave without fast.
        let thrown_out = choke != Stand::Right
            || self.our_choke.underway(|choking| *choking)
            || !fast && announced == Stand::Crossing;
        let entry = self.half_mut(dir).requests.ask(Entry {
            id: 0,
            block: *block,
            at,
            order,
            marks,
            choked,
            chokes: 0,
            doubtful: dir == Dir::Received && thrown_out,
            state: EntryState::Open,
        });
        EventKind::Request(Asked {
            entry,
            choke,
            announced,
            allowed_fast,
            open_since,
            own,
            complete,
        })
    }

    /// How a request by `dir` stands to the choke of the other side.
    fn choke_against(&self, dir: Dir) -> Stand {
        match dir {
            Dir::Sent if self.theirs.choking => Stand::Wrong,
            Dir::Received if *self.our_choke.sent() => {
                if self.our_choke.possible(|choking| !choking) {
                    Stand::Crossing
                } else {
                    Stand::Wrong
                }
            }
            Dir::Sent | Dir::Received => Stand::Right,
        }
    }

    fn cancel(&mut self, dir: Dir, block: &BlockRef, at: Duration) -> EventKind {
        let requests = &mut self.half_mut(dir).requests;
        let forgotten = requests.forgetful();
        let entry = requests.cancel(block, at);
        if dir == Dir::Sent && entry.is_none() && self.stray_cancels.len() < MAX_ENTRIES {
            self.stray_cancels.insert(*block);
        }
        EventKind::Cancel {
            block: *block,
            entry,
            forgotten,
        }
    }

    fn piece(
        &mut self,
        dir: Dir,
        index: u32,
        begin: u32,
        block: &Bytes,
        at: Duration,
    ) -> EventKind {
        let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
        let settled = self
            .half_mut(dir.flip())
            .requests
            .piece(index, begin, length, at);
        let named = BlockRef {
            index,
            begin,
            length,
        };
        let compared = self.torrent.block(&named).map(|right| {
            // Nearly all are right, and comparing the whole is many times faster than looking for a
            // place.
            if right == *block {
                return None;
            }
            let differs = right.iter().zip(block).position(|(a, b)| a != b);
            differs.map(|at| u32::try_from(at).unwrap_or(u32::MAX))
        });
        self.answered(dir, StrayKind::Piece, named, settled, compared, at)
    }

    fn count_behind_choke(&mut self, asked: &Entry, how: AnswerHow) {
        let allowed = self.theirs.allowed_fast.contains(&asked.block.index);
        let Some(since) = &mut self.since_choke else {
            return;
        };
        if allowed || asked.choked || asked.marks.any() {
            return;
        }
        let count = match how {
            AnswerHow::Reject => &mut since.rejected,
            AnswerHow::Piece | AnswerHow::WrongLength { .. } => &mut since.served,
        };
        *count = count.saturating_add(1);
    }

    fn reject(&mut self, dir: Dir, block: &BlockRef, at: Duration) -> EventKind {
        let settled = self.half_mut(dir.flip()).requests.reject(block, at);
        self.answered(dir, StrayKind::Reject, *block, settled, None, at)
    }

    fn answered(
        &mut self,
        dir: Dir,
        kind: StrayKind,
        block: BlockRef,
        settled: Settled,
        compared: Option<Option<u32>>,
        at: Duration,
    ) -> EventKind {
        match settled {
            Settled::Entry {
                before,
                how,
                proves,
                ambiguous,
            } => {
                if dir == Dir::Received {
                    self.prove(proves);
                    self.timers.answered = at;
                    self.count_behind_choke(&before, how);
                }
                EventKind::Answer(Answer {
                    entry: before,
                    how,
                    ambiguous,
                    corrupt: compared.flatten(),
                    compared: compared.is_some(),
                })
            }
            Settled::Nothing { near } => {
                if dir == Dir::Sent {
                    self.theirs.requests.doubt(block.index);
                }
                let asked = &self.half(dir.flip()).requests;
                let second = near.as_ref().is_some_and(|e| {
                    e.block == block && matches!(e.state, EntryState::Answered { .. })
                });
                let marked = near.as_ref().is_some_and(|e| e.marks.any());
                let excused = asked.forgetful()
                    || dir == Dir::Received && self.stray_cancels.contains(&block)
                    || match kind {
                        // What a request against the rules brings may have any place and length.
                        StrayKind::Piece => {
                            marked || asked.has_marked_live() || asked.has_been_odd()
                        }
                        // A reject echoes whatever was asked for.
                        StrayKind::Reject => second && marked,
                    };
                EventKind::Stray(Stray {
                    kind,
                    block,
                    near,
                    second,
                    excused,
                })
            }
        }
    }

    fn extended_handshake(
        &mut self,
        dir: Dir,
        bytes: &Bytes,
        order: u64,
        payload: &mut Payload,
    ) -> EventKind {
        let decoded = ExtensionMessage::decode("", bytes);
        if dir == Dir::Received {
            self.timers.extended = None;
        }
        let side = self.half_mut(dir);
        side.extended_handshakes = side.extended_handshakes.saturating_add(1);
        let nth = side.extended_handshakes;
        if let Ok(message) = &decoded {
            side.took(message);
        }
        if let Ok(ExtensionMessage::Handshake(handshake)) = &decoded
            && !is_metadata(handshake)
        {
            if let Some(upload_only) = handshake.upload_only() {
                side.upload_only = upload_only != 0;
            }
            if let Some(size) = handshake.metadata_size() {
                side.metadata_size = Some(size);
            }
            side.extended = Some(handshake.clone());
            match dir {
                Dir::Sent => self.our_ids.tell(order, nth, handshake),
                Dir::Received => {
                    self.their_ids.tell(order, nth, handshake);
                    // What has come is known at once.
                    self.their_ids.prove(order);
                }
            }
        }
        *payload = Some(decoded);
        EventKind::ExtendedHandshake { nth }
    }

    fn extended_message(
        &mut self,
        dir: Dir,
        ext_id: u8,
        bytes: &Bytes,
        order: u64,
        payload: &mut Payload,
    ) -> EventKind {
        let receivers = self.ids(dir.flip());
        let name = receivers
            .name(ext_id)
            // An id that we gave to several extensions may be meant as any of them.
            .filter(|_| dir == Dir::Sent || !receivers.contested(ext_id))
            .map(str::to_owned);
        let stand = receivers.stand(ext_id);
        let senders_own = self.ids(dir).name(ext_id).map(str::to_owned);
        // An id of our m is meant as our m says, whatever the sender has under the same.
        let own = senders_own.as_ref().filter(|_| stand != Stand::Right);
        let switched_off = [name.as_ref(), own]
            .into_iter()
            .flatten()
            .any(|name| receivers.switched_off(name));
        let after_handshake = self.half(dir.flip()).extended_handshakes > 0;
        let first_given = receivers.first_given(ext_id);
        let decoded = name
            .as_deref()
            .map(|name| ExtensionMessage::decode(name, bytes));
        if dir == Dir::Received
            && stand != Stand::Wrong
            && senders_own.is_none()
            && let Some(given) = first_given
        {
            self.prove(given);
        }
        let mut answer = false;
        let mut unasked = false;
        if let Some(Ok(message)) = &decoded {
            self.half_mut(dir).took(message);
            answer = self.extension(dir, message, order);
            let answers = matches!(
                message,
                ExtensionMessage::MetadataData { .. } | ExtensionMessage::MetadataReject { .. }
            );
            unasked = answers && dir == Dir::Received && !answer && !self.metadata_odd;
        }
        *payload = decoded;
        let metadata = [&name, &senders_own]
            .into_iter()
            .flatten()
            .any(|name| name == "ut_metadata");
        answer |= metadata && stand == Stand::Wrong && self.awaits_metadata(dir);
        EventKind::Extended(ExtendedUse {
            ext_id,
            name,
            stand,
            switched_off,
            after_handshake,
            senders_own,
            answer,
            unasked,
        })
    }

    /// What the message of an extension changes. Gives whether it answers one of the other side's.
    fn extension(&mut self, dir: Dir, message: &ExtensionMessage, order: u64) -> bool {
        if dir == Dir::Sent {
            self.metadata_odd |= self.odd_metadata(message);
        }
        match message {
            ExtensionMessage::MetadataRequest { piece } => {
                if dir == Dir::Sent && self.metadata_asked.len() < MAX_METADATA_ASKED {
                    self.metadata_asked.push_back((*piece, order));
                }
                false
            }
            ExtensionMessage::MetadataData { piece, .. }
            | ExtensionMessage::MetadataReject { piece } => {
                let asked = self.metadata_asked.iter().position(|(p, _)| p == piece);
                let Some((_, asked)) = asked
                    .filter(|_| dir == Dir::Received)
                    .and_then(|at| self.metadata_asked.remove(at))
                else {
                    return false;
                };
                self.prove(asked);
                true
            }
            ExtensionMessage::DontHave { index } => {
                let pieces = self.geometry.pieces();
                let fast = self.fast();
                let side = self.half_mut(dir);
                side.has.clear(*index);
                side.lost = true;
                if dir == Dir::Sent && *index < pieces {
                    self.withdrawn.insert(*index, order);
                    if !fast {
                        // BEP 54: cancelled as by a choke, so it may be asked for again.
                        self.theirs.requests.doubt(*index);
                    }
                }
                false
            }
            ExtensionMessage::Pex(pex) => {
                if dir == Dir::Received {
                    self.pex.take(pex, self.now);
                }
                false
            }
            ExtensionMessage::Handshake(_) | ExtensionMessage::MetadataUnknown { .. } => false,
        }
    }

    /// A ut_metadata message of ours to which nobody can say what the one right answer is.
    fn odd_metadata(&self, message: &ExtensionMessage) -> bool {
        match message {
            ExtensionMessage::MetadataRequest { piece } => {
                let pieces = i128::from(self.torrent.metainfo().info_pieces());
                !(0..pieces).contains(piece) || self.metadata_asked.len() >= MAX_METADATA_ASKED
            }
            ExtensionMessage::MetadataData { .. }
            | ExtensionMessage::MetadataReject { .. }
            | ExtensionMessage::MetadataUnknown { .. } => true,
            ExtensionMessage::Handshake(_)
            | ExtensionMessage::Pex(_)
            | ExtensionMessage::DontHave { .. } => false,
        }
    }

    /// The tester has asked for metadata, so that a ut_metadata message of the target may be meant
    /// as the answer.
    pub(super) fn awaits_metadata(&self, dir: Dir) -> bool {
        dir == Dir::Received && !self.metadata_asked.is_empty()
    }

    /// Whether the target may take what we sent otherwise than we do.
    fn taints(&self, observation: &Observation, kind: &EventKind, payload: &Payload) -> bool {
        let message = match &observation.what {
            What::Message(message) => message,
            What::Handshake(handshake) => return handshake.info_hash != self.torrent.info_hash(),
            What::BadHandshake(_)
            | What::Undecodable(_)
            | What::OverLimit { .. }
            | What::Opaque
            | What::Trailing => return true,
            What::Closed(_) | What::Quiet => return false,
        };
        // Before its handshake nobody knows.
        let answered = self.theirs.handshake.is_some();
        if answered && needed(message).is_some_and(|it| !self.negotiated(it)) {
            return true;
        }
        match message {
            Message::Unknown { .. } => true,
            Message::Bitfield { bits } => bits.len() != self.geometry.bitfield_len(),
            Message::Extended {
                ext_id: 0,
                payload: bytes,
            } => {
                matches!(payload, Some(Err(_)))
                    || gives_no_byte(payload)
                    || !ExtensionMessage::form_flaws("", bytes).is_empty()
            }
            Message::Extended { .. } => {
                let wrong_id = matches!(kind, EventKind::Extended(e) if e.stand == Stand::Wrong);
                let malformed = matches!(payload, Some(Err(error))
                    if *error != DecodeError::UnknownExtension);
                wrong_id || malformed
            }
            _ => false,
        }
    }
}

/// Whether an extended handshake gives an id that no message can have: some keep its last byte,
/// others none.
fn gives_no_byte(payload: &Payload) -> bool {
    match payload {
        Some(Ok(ExtensionMessage::Handshake(handshake))) => {
            let ids = handshake.m();
            ids.iter().any(|(_, id)| u8::try_from(*id).is_err())
        }
        _ => false,
    }
}

/// What has to be negotiated, so that the target knows the message. Whoever has no DHT node knows
/// `port` all the same.
fn needed(message: &Message) -> Option<Capability> {
    let needs = message.kind().spec().needs;
    needs.filter(|it| *it != Capability::Dht)
}

/// A ut_metadata message under id 0, as Transmission sends it where the id was set to 0.
pub(crate) fn is_metadata(handshake: &ExtendedHandshake) -> bool {
    handshake.get("msg_type").is_some() && handshake.get("m").is_none()
}

/// Kind of a message whose id counts for "first message": 0–8 and 13–17. A frame that does not fit
/// its id counts as well.
fn typed_kind(observation: &Observation) -> Option<Kind> {
    if !matches!(observation.what, What::Message(_) | What::Undecodable(_)) {
        return None;
    }
    let id = observation.raw.get(4).copied()?;
    Kind::by_id(id).filter(|_| matches!(id, 0..=8 | 13..=17))
}

/// The first bit that is set behind the last piece.
fn first_spare(bits: &[u8], pieces: u32) -> Option<u32> {
    match PieceSet::from_bitfield(bits, pieces) {
        Err(crate::torrent::BitfieldError::SpareBits { bit }) => Some(bit),
        _ => None,
    }
}
