//! From bytes to reactions: handshake, frames, and what each message does.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::config::{ExtendedWhen, Tolerance};
use super::connection::{Burst, Phase};
use super::event::{CloseReason, PeerEvent};
use super::fault::{Quirk, React, What, Wire};
use super::host::{Peer, State, Timer};
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{
    DecodeError, ExtensionMessage, Frame, FrameDecoder, FrameError, Handshake, Kind, Message,
    PeerId,
};

impl Peer {
    /// Bytes arrived on a connection.
    pub(super) fn received(&mut self, conn: u32, bytes: Bytes) {
        let now = self.now;
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if c.deaf {
            return;
        }
        c.last_received = now;
        c.burst = if c.burst.at == now {
            Burst {
                keep_alives: 0,
                haves: 0,
                metadata: 0,
                ..c.burst
            }
        } else {
            Burst {
                at: now,
                ..Burst::default()
            }
        };
        let mut rest = bytes;
        if c.phase == Phase::Handshaking {
            let Some(behind) = self.read_handshake(conn, rest) else {
                return;
            };
            rest = behind;
        }
        self.read_frames(conn, rest);
    }

    /// Takes what the handshake needs; gives what is behind it once it is complete.
    fn read_handshake(&mut self, conn: u32, mut bytes: Bytes) -> Option<Bytes> {
        let segment = bytes.len();
        let c = self.connections.get_mut(&conn)?;
        let had = Handshake::LEN - c.opening.needed();
        let taken = c.opening.push(&bytes);
        let _ = bytes.split_to(taken);
        c.stats.received.other(taken);
        c.offset += taken as u64;
        self.stats.received.other(taken);
        let raw = c.opening.raw();
        let initiator = c.initiator;
        if self.react(conn, What::Opening(&raw)) || self.refuses_split(conn, had, segment) {
            return None;
        }
        let theirs = match self.their_handshake(conn) {
            Ok(theirs) => theirs,
            Err(reason) => {
                self.close(conn, reason);
                return None;
            }
        };
        if !initiator && raw.len() >= self.settings.reply_after.min(Handshake::LEN) {
            self.greet(conn);
        }
        let theirs = theirs?;
        if initiator {
            // Only a defect has not spoken yet.
            self.greet(conn);
        }
        if self.loses_coalesced(initiator, &theirs) {
            bytes.clear();
        }
        if self.handshaken(conn, theirs) {
            return Some(bytes);
        }
        // Our own handshake is still held back; frames wait for it.
        if let Some(c) = self.connections.get_mut(&conn) {
            c.frames.push(&bytes);
        }
        None
    }

    /// Their handshake once it is whole, or why it is none that we accept.
    fn their_handshake(&self, conn: u32) -> Result<Option<Handshake>, CloseReason> {
        let Some(c) = self.connections.get(&conn) else {
            return Ok(None);
        };
        let raw = c.opening.raw();
        if let Some(taken_for) = self.lenient_handshake(&raw, c.initiator) {
            return Ok(taken_for);
        }
        let theirs = c.opening.handshake();
        let theirs = theirs.map_err(|_| CloseReason::NotBitTorrent)?;
        if let Some(info_hash) = c.opening.info_hash() {
            let zero = info_hash.0 == [0; 20];
            let served = info_hash == self.torrent.info_hash()
                || (zero && self.defects.has(Quirk::ServesZeroHash))
                || (!zero && !c.initiator && self.defects.has(Quirk::ServesUnknownHash))
                || (c.initiator && self.defects.has(Quirk::DialsAnyHash))
                || (self.defects.has(match c.initiator {
                    true => Quirk::DialsSimilarHash,
                    false => Quirk::ServesSimilarHash,
                }) && info_hash.0.first_chunk::<16>()
                    == self.torrent.info_hash().0.first_chunk());
            if !served {
                return Err(CloseReason::UnknownInfoHash);
            }
        }
        Ok(theirs)
    }

    /// Both know each other; true once messages may flow.
    fn handshaken(&mut self, conn: u32, theirs: Handshake) -> bool {
        if self.react(conn, What::Handshake(&theirs)) {
            return false;
        }
        if theirs.peer_id == self.peer_id_for(conn) {
            self.close(conn, CloseReason::OwnPeerId);
            return false;
        }
        let expected = self.connections.get(&conn).and_then(|c| c.expected);
        if expected.is_some_and(|expected| expected != theirs.peer_id) {
            // BEP 3, "peer protocol": the initiating side severs the connection.
            self.close(conn, CloseReason::UnexpectedPeerId);
            return false;
        }
        if self.settings.duplicate_peer_id == Tolerance::Close && self.knows(theirs.peer_id) {
            self.close(conn, CloseReason::DuplicatePeerId);
            return false;
        }
        if self.settings.duplicate_address == Tolerance::Close && self.hosts_another(conn) {
            self.close(conn, CloseReason::DuplicateAddress);
            return false;
        }
        let agreed = self.negotiated(&theirs);
        let Some(c) = self.connections.get_mut(&conn) else {
            return false;
        };
        c.theirs = Some(theirs);
        c.agreed = agreed;
        self.event(PeerEvent::Handshake {
            conn,
            handshake: theirs,
            at: self.now,
        });
        self.open_if_ready(conn);
        self.connections
            .get(&conn)
            .is_some_and(|c| c.phase == Phase::Open)
    }

    /// Whether another open connection has the same address.
    fn hosts_another(&self, conn: u32) -> bool {
        let ip = self.connections.get(&conn).map(|c| c.remote.ip());
        let mut others = self.connections.values().filter(|c| c.id != conn);
        others.any(|c| c.is_open() && Some(c.remote.ip()) == ip)
    }

    fn knows(&self, peer_id: PeerId) -> bool {
        let mut known = self.connections.values().filter_map(|c| c.theirs);
        known.any(|theirs| theirs.peer_id == peer_id)
    }

    /// Opens a connection once both handshakes are done; called at the end of either.
    pub(super) fn open_if_ready(&mut self, conn: u32) {
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let Some(theirs) = c.theirs.filter(|_| c.said && c.phase == Phase::Handshaking) else {
            return;
        };
        c.phase = Phase::Open;
        c.open_since = self.now;
        if self.defects.has(Quirk::ImpatientForFirstMessage) {
            self.timer(self.now + IMPATIENCE, Timer::FirstMessage(conn));
        }
        if self.defects.has(Quirk::SpeaksEarly) {
            self.timer(self.now + EARLY, Timer::SpeakEarly(conn));
        }
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let ids: Vec<u8> = c.extensions.iter().map(|slot| slot.id).collect();
        if self.settings.first_messages_after > Duration::ZERO {
            let at = self.now + self.settings.first_messages_after;
            self.timer(at, Timer::FirstMessages(conn));
        } else {
            self.send_first_messages(conn);
        }
        for id in ids {
            self.with_extension(conn, id, |extension, link| {
                extension.on_handshake(link, &theirs);
            });
        }
        // What came while our handshake was held back.
        self.read_frames(conn, Bytes::new());
    }

    /// Reads as many frames as there are, and reacts to each.
    fn read_frames(&mut self, conn: u32, mut bytes: Bytes) {
        let segment = bytes.len();
        if self.refuses_segments(conn) {
            return;
        }
        loop {
            let Some(c) = self.connections.get_mut(&conn) else {
                return;
            };
            if self.state != State::Running || c.deaf || c.phase != Phase::Open {
                return;
            }
            let eaten = c.skip.min(bytes.len());
            let _ = bytes.split_to(eaten);
            c.skip -= eaten;
            c.offset += eaten as u64;
            if self.misreads_prefix(conn, &bytes) {
                continue;
            }
            let Some(c) = self.connections.get_mut(&conn) else {
                return;
            };
            let needed = c.frames.needed().min(bytes.len());
            let part = bytes.split_to(needed);
            c.frames.push(&part);
            c.offset += needed as u64;
            match c.frames.next_frame() {
                Ok(Some(frame)) => {
                    c.frame_segments = std::mem::replace(&mut c.segments, 0);
                    if let Some(again) = self.frame(conn, &frame) {
                        let mut all = BytesMut::from(&again[..]);
                        all.extend_from_slice(&bytes);
                        bytes = all.freeze();
                    }
                }
                Ok(None) if bytes.is_empty() => break,
                Ok(None) => {}
                Err(FrameError::TooLong { length, .. }) => {
                    if !self.goes_on_behind(conn, length) {
                        return;
                    }
                }
            }
        }
        self.lose_dripped_frame(conn, segment);
    }

    /// A length prefix above the limit came. Nothing is read behind it, but for a defect.
    fn goes_on_behind(&mut self, conn: u32, length: u32) -> bool {
        if self.defects.has(Quirk::SkipsSecondHandshake) && length == SECOND_HANDSHAKE {
            let limit = self.settings.frame_limit;
            if let Some(c) = self.connections.get_mut(&conn) {
                c.frames = FrameDecoder::new(limit);
                c.skip += Handshake::LEN - Frame::PREFIX_LEN;
            }
            return true;
        }
        if self.defects.has(Quirk::SignedLength) && length > i32::MAX.unsigned_abs() {
            // Taken for a negative number: nothing to read.
            let limit = self.settings.frame_limit;
            if let Some(c) = self.connections.get_mut(&conn) {
                c.frames = FrameDecoder::new(limit);
            }
            return true;
        }
        if !self.react(conn, What::TooLong(length)) {
            let again = length == SECOND_HANDSHAKE;
            let reason = if again {
                CloseReason::SecondHandshake
            } else {
                CloseReason::FrameTooLong
            };
            self.close(conn, reason);
        }
        false
    }

    /// One frame. Gives bytes that are to be read again (a defect).
    pub(super) fn frame(&mut self, conn: u32, frame: &Frame) -> Option<Bytes> {
        let decoded = self.repaired(Message::decode(frame), frame);
        let now = self.now;
        if let Some(c) = self.connections.get_mut(&conn) {
            let raw = frame.raw().len();
            match &decoded {
                Ok(message) => {
                    let payload = match message {
                        Message::Piece { block, .. } => block.len(),
                        _ => 0,
                    };
                    let kind = message.kind();
                    match kind {
                        Kind::KeepAlive => {
                            c.burst.keep_alives += 1;
                            c.burst.keep_alives_at_once += 1;
                        }
                        Kind::Have => c.burst.haves += 1,
                        _ => {}
                    }
                    c.stats.received.message(kind, raw, payload, now);
                    self.stats.received.message(kind, raw, payload, now);
                }
                Err(_) => {
                    c.stats.received.other(raw);
                    self.stats.received.other(raw);
                }
            }
        }
        let idle = matches!(decoded, Ok(Message::KeepAlive));
        if !self.defects.is_empty() {
            let what = What::Frame(frame, decoded.as_ref());
            if let Some(React::Reread) = self.reaction(conn, what) {
                return Some(frame.body().slice(1.min(frame.body().len())..));
            }
            let what = What::Frame(frame, decoded.as_ref());
            if self.react(conn, what) {
                return None;
            }
        }
        if let Some(c) = self.connections.get_mut(&conn).filter(|_| !idle) {
            c.last_message = now;
        }
        match decoded {
            Ok(message) => {
                if self.settings.events {
                    let message = message.clone();
                    self.event(PeerEvent::Message { conn, message });
                }
                self.message(conn, message);
            }
            Err(error) => self.misfit(conn, frame, &error),
        }
        None
    }

    /// A frame that is not the message which its id promises.
    fn misfit(&mut self, conn: u32, frame: &Frame, error: &DecodeError) {
        let offset = self.connections.get(&conn).map_or(0, |c| c.offset);
        self.event(PeerEvent::Malformed {
            conn,
            frame: frame.raw().clone(),
            offset: offset.saturating_sub(frame.raw().len() as u64),
            error: error.clone(),
        });
        if self.settings.malformed == Tolerance::Close {
            self.close(conn, CloseReason::Malformed);
        }
    }

    /// What a message does.
    fn message(&mut self, conn: u32, message: Message) {
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let fast = c.agreed.fast;
        match message {
            Message::KeepAlive => {}
            Message::Choke => self.they_choke(conn),
            Message::Unchoke => self.they_unchoke(conn),
            Message::Interested => {
                let switched = c.them.interested && self.defects.has(Quirk::InterestToggles);
                c.them.interested = !switched;
                c.interested_since = self.now;
                self.they_are_interested(conn);
            }
            Message::NotInterested => {
                let lost = std::mem::replace(&mut c.them.interested, false);
                if lost && self.settings.close_uninterested && self.store.have().is_full() {
                    self.close(conn, CloseReason::Redundant);
                    return;
                }
                self.lost_interest_counts_for_others(conn);
                if self.settings.choke_uninterested {
                    self.choke_now(conn);
                }
            }
            Message::Have { index } => self.they_have(conn, index),
            Message::Bitfield { bits } => self.their_bitfield(conn, &bits),
            Message::Request(block) => self.they_request(conn, block),
            Message::Piece {
                index,
                begin,
                block,
            } => self.a_block(conn, index, begin, block),
            Message::Cancel(block) => self.they_cancel(conn, block),
            Message::Port { .. } => {}
            // BEP 6: "When the fast extension is disabled, if a peer receives …, the peer MUST
            // close the connection", said of each of its five messages.
            Message::SuggestPiece { .. }
            | Message::HaveAll
            | Message::HaveNone
            | Message::RejectRequest(_)
            | Message::AllowedFast { .. }
                if !fast =>
            {
                self.close(conn, CloseReason::NotNegotiated);
            }
            Message::SuggestPiece { index } => self.they_suggest(conn, index),
            Message::HaveAll => self.they_have_all(conn),
            Message::HaveNone => self.they_have_none(conn),
            Message::RejectRequest(block) => self.they_reject(conn, block),
            Message::AllowedFast { index } => self.they_allow(conn, index),
            Message::Extended { ext_id, payload } => self.extended(conn, ext_id, &payload),
            Message::HashRequest(_) | Message::Hashes { .. } | Message::HashReject(_) => {
                self.unknown(conn);
            }
            Message::Unknown { id, payload } => {
                let id = id.get();
                self.event(PeerEvent::UnknownMessage { conn, id, payload });
                self.unknown(conn);
            }
        }
    }

    /// A message that we do not speak.
    fn unknown(&mut self, conn: u32) {
        if self.settings.unknown_id == Tolerance::Close {
            self.close(conn, CloseReason::UnknownMessage);
        }
    }

    // Extensions.

    fn extended(&mut self, conn: u32, ext_id: u8, payload: &Bytes) {
        if ext_id == 0 {
            match ExtensionMessage::decode("", payload) {
                Ok(ExtensionMessage::Handshake(handshake)) => {
                    self.their_extended_handshake(conn, handshake);
                }
                Ok(_) => {}
                Err(error) => {
                    let payload = payload.clone();
                    self.event(PeerEvent::MalformedExtension {
                        conn,
                        payload,
                        error,
                    });
                    if self.settings.malformed_extension == Tolerance::Close {
                        self.close(conn, CloseReason::Malformed);
                    }
                }
            }
            return;
        }
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if c.slot(ext_id).is_none() {
            let payload = payload.clone();
            self.event(PeerEvent::UnknownExtension {
                conn,
                ext_id,
                payload,
            });
            self.unknown(conn);
            return;
        }
        if self.mishandles_metadata(conn, ext_id, payload) {
            return;
        }
        self.with_extension(conn, ext_id, |extension, link| {
            extension.on_message(link, payload);
        });
    }

    /// Defects of ut_metadata that remember something; true if the message is lost.
    fn mishandles_metadata(&mut self, conn: u32, ext_id: u8, payload: &Bytes) -> bool {
        let keeps = self.defects.has(Quirk::KeepsUnsolicitedMetadata);
        let most = match () {
            () if self.defects.has(Quirk::OneMetadataAtATime) => 1,
            () if self.defects.has(Quirk::MetadataQueueOfFour) => 4,
            () => u32::MAX,
        };
        let once = self.defects.has(Quirk::MetadataOncePerPiece);
        let acts = keeps || once || most < u32::MAX;
        let Some(c) = self.connections.get_mut(&conn).filter(|_| acts) else {
            return false;
        };
        if c.slot(ext_id).is_none_or(|slot| slot.name != "ut_metadata") {
            return false;
        }
        match ExtensionMessage::decode("ut_metadata", payload) {
            Ok(ExtensionMessage::MetadataData { piece: 0, data, .. }) if keeps => {
                self.planted = Some(data);
                false
            }
            Ok(ExtensionMessage::MetadataRequest { piece }) if once => {
                self.answer_once(conn, piece);
                true
            }
            Ok(ExtensionMessage::MetadataRequest { .. }) => {
                c.burst.metadata += 1;
                c.burst.metadata > most
            }
            _ => false,
        }
    }

    /// A defect: answers take a moment, and who asks for the same piece meanwhile gets none.
    fn answer_once(&mut self, conn: u32, piece: i128) {
        let now = self.now;
        self.answering.retain(|(_, at)| *at > now);
        let id = self
            .connections
            .get(&conn)
            .and_then(|c| c.their_id("ut_metadata"));
        let Some(id) = id.filter(|_| self.answering.iter().all(|(other, _)| *other != piece))
        else {
            return;
        };
        let metainfo = self.torrent.metainfo();
        let data = u32::try_from(piece)
            .ok()
            .and_then(|n| metainfo.info_piece(n));
        let answer = match data {
            Some(data) => ExtensionMessage::MetadataData {
                piece,
                total_size: Some(metainfo.info_bytes().len() as i128),
                data,
            },
            None => ExtensionMessage::MetadataReject { piece },
        };
        let at = now + MOMENT;
        self.answering.push((piece, at));
        let wires = vec![Wire::Message(answer.into_message(id))];
        self.timer(at, Timer::Say(conn, wires));
    }

    /// A defect: nothing is read behind the first key that it does not know.
    fn read_keys(&self, mut handshake: ExtendedHandshake) -> ExtendedHandshake {
        if self.defects.has(Quirk::StopsAtUnknownKey) {
            let mut keys = handshake.dict.iter().map(|(key, _)| key);
            if let Some(at) = keys.position(|key| key.starts_with(b"aa")) {
                handshake.dict.truncate(at);
            }
        }
        handshake
    }

    /// A defect: who has been here has the ids of the first time.
    fn recall_ids(&mut self, conn: u32) {
        if !self.defects.has(Quirk::KeepsIdsOfPeer) {
            return;
        }
        if let Some(c) = self.connections.get_mut(&conn)
            && let Some(theirs) = c.theirs
        {
            let kept = self.kept_ids.entry(theirs.peer_id);
            let kept = kept.or_insert_with(|| (conn, c.their_ids.clone()));
            if kept.0 != conn {
                c.their_ids.clone_from(&kept.1);
            }
        }
    }

    /// BEP 10: a later handshake adds to the first, and id 0 switches an extension off.
    fn their_extended_handshake(&mut self, conn: u32, handshake: ExtendedHandshake) {
        self.event(PeerEvent::ExtendedHandshake {
            conn,
            handshake: handshake.clone(),
        });
        if self.settings.drops_odd_handshakes && is_odd(&handshake) {
            return;
        }
        let handshake = self.read_keys(handshake);
        let replaces = self.defects.has(Quirk::ReplacesExtensions);
        let no_case = self.defects.has(Quirk::IgnoresCase);
        let stalls = self.defects.has(Quirk::StallsOnOddReqq);
        let keeps = self.defects.has(Quirk::KeepsFirstId);
        let mut m = handshake.m();
        if no_case && let Some(upper) = handshake.get("M").and_then(|m| m.as_dict()) {
            for (name, id) in upper {
                let name = String::from_utf8_lossy(name).into_owned();
                m.extend(id.as_int().map(|id| (name, id)));
            }
        }
        if self.defects.has(Quirk::IgnoresCaseOfNames) {
            m = m
                .into_iter()
                .map(|(name, id)| (name.to_lowercase(), id))
                .collect();
        }
        self.clear_at_extended_handshake(conn);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if replaces && c.their_extended.is_some() && !m.is_empty() {
            c.their_ids.clear();
        }
        let cuts = self.defects.has(Quirk::CutsHugeIds);
        let stays_on = self.defects.has(Quirk::KeepsSwitchedOff);
        for (name, id) in m {
            let id = if cuts { id & 0xff } else { id };
            // Ids out of range are no ids; the rest of the dictionary still counts.
            let known = c.their_ids.get(&name).is_some_and(|known| *known != 0);
            if let Ok(id) = u8::try_from(id)
                && c.their_ids.len() < MOST_EXTENSIONS
                && !(keeps && known && id != 0)
                && !(stays_on && known && id == 0)
            {
                self.shared_ids.insert(name.clone(), id);
                c.their_ids.insert(name, id);
            }
        }
        self.recall_ids(conn);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if let Some(reqq) = handshake.reqq() {
            // Zero and below say nothing that one could honour.
            let odd = reqq < 1 || reqq > i128::from(u32::MAX);
            c.their_reqq = match usize::try_from(reqq) {
                _ if odd && stalls && reqq != 0 => Some(0),
                Ok(reqq) if reqq > 0 => Some(reqq),
                _ => None,
            };
        }
        let shared = c.their_reqq;
        if self.defects.has(Quirk::SharesReqq) {
            self.connections
                .values_mut()
                .for_each(|c| c.their_reqq = shared);
        }
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let ids: Vec<u8> = c.extensions.iter().map(|slot| slot.id).collect();
        c.their_extended = Some(merged(c.their_extended.take(), &handshake));
        let waited = self.settings.extended_handshake == ExtendedWhen::AfterTheirs;
        if waited && !c.sent_extended && c.agreed.extended {
            self.send_extended_handshake(conn);
        }
        for id in ids {
            self.with_extension(conn, id, |extension, link| {
                extension.on_extended_handshake(link, &handshake);
            });
        }
        self.schedule_pex(conn);
        if self.defects.has(Quirk::DialsCutPort) {
            self.dial_cut_port(conn);
        }
    }
}

/// Whether a strict reader of the whole dictionary stumbles over it.
fn is_odd(handshake: &ExtendedHandshake) -> bool {
    let binary = |v: &Bytes| std::str::from_utf8(v).is_err();
    let large = handshake.v().is_some_and(|v| v.len() > LARGE_NAME);
    let port_zero = handshake.p() == Some(0);
    let upload_only = handshake.get("upload_only").and_then(|v| v.as_int());
    let no_flag = upload_only.is_some_and(|value| !(0..=1).contains(&value));
    let names = handshake.v().is_some_and(binary);
    large || port_zero || no_flag || names || !handshake.flaws().is_empty()
}

/// What both handshakes say: later keys replace earlier ones, `m` is merged elsewhere.
fn merged(before: Option<ExtendedHandshake>, later: &ExtendedHandshake) -> ExtendedHandshake {
    let mut all = before.unwrap_or_default();
    for (key, value) in &later.dict {
        all.dict.retain(|(name, _)| name != key);
        all.dict.push((key.clone(), value.clone()));
    }
    all.dict.truncate(MOST_KEYS);
    all
}

/// The first four bytes of a handshake, read as a length.
const SECOND_HANDSHAKE: u32 = u32::from_be_bytes([19, b'B', b'i', b't']);
/// A name of more bytes is odd.
const LARGE_NAME: usize = 10_000;
/// Extensions remembered of one peer.
const MOST_EXTENSIONS: usize = 256;
/// Keys remembered of one peer's extended handshakes.
const MOST_KEYS: usize = 256;
/// How long a defect takes for an answer.
const MOMENT: Duration = Duration::from_millis(200);
/// How long a defect waits for their extended handshake.
const EARLY: Duration = Duration::from_secs(2);
/// How long a defect waits for the first message.
const IMPATIENCE: Duration = Duration::from_secs(5);
