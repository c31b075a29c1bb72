//! Everything that goes out passes here: counted, altered by defects, paced, put together.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes};

use super::config::{Announce, ExtendedWhen, Role};
use super::connection::{Agreed, Slot};
use super::extension::Link;
use super::fault::{Alter, Quirk, Sent, Wire};
use super::host::{Peer, State, Timer};
use super::process::Output;
use crate::torrent::{PieceSet, allowed_fast};
use crate::wire::bencode::Value;
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{Capability, ExtensionMessage, Handshake, Kind, Message, PeerId};

impl Peer {
    /// Sends a message. The one place where messages go out.
    pub(super) fn send(&mut self, conn: u32, message: Message) {
        if self.defects.is_empty() {
            self.put_message(conn, &message);
            return;
        }
        let kind = self.kind_sent(conn, &message);
        let mut defects = std::mem::take(&mut self.defects);
        let (alter, other) = match self.connections.get(&conn) {
            None => (None, None),
            Some(c) => {
                let sent = Sent {
                    kind,
                    message: &message,
                    peer: self.view(c),
                };
                let alter = defects.send(&sent);
                let other = match alter {
                    Some(Alter::Other(other)) => Some(other(&sent)),
                    _ => None,
                };
                (alter, other)
            }
        };
        self.defects = defects;
        match alter {
            None => self.put_message(conn, &message),
            Some(Alter::Drop) => self.touch_sent(conn),
            Some(Alter::Twice) => {
                self.put_message(conn, &message);
                self.say(conn, vec![Wire::Message(message)]);
            }
            Some(Alter::Late(by)) => {
                self.touch_sent(conn);
                self.timer(self.now + by, Timer::Write(conn, message.encode()));
            }
            Some(Alter::Other(_)) => {
                self.touch_sent(conn);
                self.say(conn, other.unwrap_or_default());
            }
        }
    }

    /// The kind of a message of ours, by the ids that the other end gave.
    fn kind_sent(&self, conn: u32, message: &Message) -> Kind {
        let Message::Extended { ext_id, payload } = message else {
            return message.kind();
        };
        if *ext_id == 0 {
            return Kind::ExtendedHandshake;
        }
        let Some(c) = self.connections.get(&conn) else {
            return Kind::Extended;
        };
        let name = c.their_ids.iter().find(|(_, id)| *id == ext_id);
        name.and_then(|(name, _)| ExtensionMessage::decode(name, payload).ok())
            .map_or(Kind::Extended, |payload| payload.kind())
    }

    fn put_message(&mut self, conn: u32, message: &Message) {
        let now = self.now;
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let before = c.out.len();
        message.encode_to(&mut c.out);
        let bytes = c.out.len() - before;
        let payload = match message {
            Message::Piece { block, .. } => block.len(),
            _ => 0,
        };
        c.last_sent = now;
        c.stats.sent.message(message.kind(), bytes, payload, now);
        self.stats.sent.message(message.kind(), bytes, payload, now);
        if c.out.len() >= MOST_PER_WRITE {
            self.flush(conn);
        }
    }

    /// Puts bytes on the wire that need not be a message.
    pub(super) fn put_raw(&mut self, conn: u32, bytes: &[u8]) {
        let now = self.now;
        if let Some(c) = self.connections.get_mut(&conn) {
            c.out.put_slice(bytes);
            c.last_sent = now;
            c.stats.sent.other(bytes.len());
            self.stats.sent.other(bytes.len());
        }
    }

    /// What a defect says.
    pub(super) fn say(&mut self, conn: u32, wires: Vec<Wire>) {
        for wire in wires {
            match wire {
                Wire::Message(message) => {
                    if let Message::Request(block) = message
                        && let Some(c) = self.connections.get_mut(&conn)
                    {
                        c.made_up.push(block);
                    }
                    self.put_message(conn, &message);
                }
                Wire::Raw(bytes) => self.put_raw(conn, &bytes),
            }
        }
    }

    /// A message that a defect swallowed still counts as activity of ours: only what the defect
    /// is about changes.
    fn touch_sent(&mut self, conn: u32) {
        if let Some(c) = self.connections.get_mut(&conn) {
            c.last_sent = self.now;
        }
    }

    /// Writes what was put together in this turn, or waits for more.
    pub(super) fn flush(&mut self, conn: u32) {
        let hold = self.settings.coalesce;
        if hold == Duration::ZERO {
            self.write(conn);
            return;
        }
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if !c.out.is_empty() && !c.flushing {
            c.flushing = true;
            self.timer(self.now + hold, Timer::Flush(conn));
        }
    }

    /// Writes what was put together.
    pub(super) fn write(&mut self, conn: u32) {
        let (now, pacing) = (self.now, self.settings.pacing);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        c.flushing = false;
        if c.out.is_empty() {
            return;
        }
        let mut bytes = c.out.split().freeze();
        c.out_clock = c.out_clock.max(now) + pacing;
        let at = c.out_clock;
        let size = match bytes.len() {
            len if !self.settings.drip => len,
            ..=256 => 1,
            len => len.div_ceil(64),
        };
        while !bytes.is_empty() {
            let bytes = bytes.split_to(size.min(bytes.len()));
            if at > now {
                self.timer(at, Timer::Write(conn, bytes));
            } else {
                self.output(Output::Bytes { conn, bytes });
            }
        }
    }

    pub(super) fn keep_alive(&mut self, conn: u32) {
        self.send(conn, Message::KeepAlive);
    }

    // The opening.

    /// Sends our handshake, at once or after the delay that the settings ask for.
    pub(super) fn greet(&mut self, conn: u32) {
        let delay = self.settings.opening.delay;
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if c.greeted {
            return;
        }
        c.greeted = true;
        if delay > Duration::ZERO {
            self.timer(self.now + delay, Timer::Greet(conn));
        } else {
            self.greet_now(conn);
        }
    }

    pub(super) fn greet_now(&mut self, conn: u32) {
        if self.settings.extended_handshake == ExtendedWhen::BeforeHandshake {
            self.send_extended_handshake(conn);
        }
        let opening = self.settings.opening.clone();
        let mut bytes = opening.bytes.map_or_else(
            || self.our_handshake(conn).encode().to_vec(),
            |bytes| bytes.to_vec(),
        );
        self.alter_handshake(conn, &mut bytes);
        let mut from = 0;
        for (n, cut) in opening.cuts.into_iter().chain([bytes.len()]).enumerate() {
            let part = bytes.get(from..cut.min(bytes.len())).unwrap_or_default();
            from = cut;
            if n > 0 {
                self.flush(conn);
                if let Some(c) = self.connections.get_mut(&conn) {
                    c.out_clock = c.out_clock.max(self.now) + opening.gap;
                }
            }
            self.put_raw(conn, part);
        }
        self.announce_in_one_breath(conn);
        if let Some(c) = self.connections.get_mut(&conn) {
            c.said = true;
        }
        self.open_if_ready(conn);
    }

    /// On a dial, what we have, before we know them. Only a bitfield suits everybody.
    fn announce_in_one_breath(&mut self, conn: u32) {
        let whole = self.defects.has(Quirk::HaveAllWithDial) && self.store.complete();
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        if !c.initiator || !(self.settings.dials_in_one_breath || whole) {
            return;
        }
        c.announced = true;
        let bits = self.store.have().to_bitfield();
        let message = if whole {
            Message::HaveAll
        } else {
            Message::Bitfield { bits }
        };
        self.send(conn, message);
    }

    pub(super) fn our_handshake(&self, conn: u32) -> Handshake {
        Handshake {
            reserved: self.reserved,
            info_hash: self.torrent.info_hash(),
            peer_id: self.peer_id_for(conn),
        }
    }

    /// Our peer id on a connection.
    pub(super) fn peer_id_for(&self, conn: u32) -> PeerId {
        let mut peer_id = self.peer_id;
        if self.settings.peer_id_per_connection {
            let [.., a, b, c] = &mut peer_id.0;
            let digits = conn.to_be_bytes().map(|byte| byte & 0x7f);
            let [_, high, middle, low] = digits;
            (*a, *b, *c) = (*a ^ high, *b ^ middle, *c ^ low);
        }
        peer_id
    }

    /// What we say right behind the handshakes.
    pub(super) fn send_first_messages(&mut self, conn: u32) {
        let Some(c) = self.connections.get(&conn) else {
            return;
        };
        let agreed = c.agreed;
        let first = self.settings.availability_first;
        if first {
            self.announce(conn);
        }
        if agreed.extended || self.defects.has(Quirk::ExtendedUnasked) {
            match self.settings.extended_handshake {
                ExtendedWhen::AtOnce => self.send_extended_handshake(conn),
                ExtendedWhen::After(delay) => self.timer(self.now + delay, Timer::Extended(conn)),
                ExtendedWhen::BeforeHandshake | ExtendedWhen::AfterTheirs | ExtendedWhen::Never => {
                }
            }
        }
        if !first {
            self.announce(conn);
        }
        if let (true, Some(port)) = (agreed.dht, self.settings.dht_port) {
            self.send(conn, Message::Port { port });
        }
        if self.settings.unchoke_everybody {
            self.unchoke_now(conn);
        }
        if let (true, Some(after)) = (agreed.extended, self.settings.extended_again) {
            self.timer(self.now + after, Timer::Extended(conn));
        }
    }

    /// Says which pieces we have. BEP 6: exactly one of three messages, first.
    fn announce(&mut self, conn: u32) {
        if self.connections.get(&conn).is_some_and(|c| c.announced) {
            return;
        }
        let fast = self.connections.get(&conn).is_some_and(|c| c.agreed.fast);
        let masked = self.settings.super_seed && !self.defects.has(Quirk::SuperSeedShowsAll);
        let have = if masked {
            PieceSet::none(self.torrent.geometry().pieces())
        } else {
            self.store.have().clone()
        };
        let bitfield = |set: &PieceSet| Message::Bitfield {
            bits: set.to_bitfield(),
        };
        match self.settings.announce {
            Announce::Compact if fast && have.is_full() => self.send(conn, Message::HaveAll),
            Announce::Compact | Announce::Lazy if fast && have.is_empty() => {
                self.send(conn, Message::HaveNone);
            }
            Announce::Compact | Announce::Lazy if have.is_empty() => {
                if self.settings.opens_with_keep_alive {
                    self.keep_alive(conn);
                }
            }
            Announce::Compact | Announce::Bitfield => self.send(conn, bitfield(&have)),
            Announce::Lazy => {
                let mut held_back: Vec<u32> = have.iter().step_by(7).take(LAZY).collect();
                let mut told = have;
                held_back.iter().for_each(|index| {
                    told.clear(*index);
                });
                self.send(conn, bitfield(&told));
                for index in held_back.drain(..) {
                    self.send(conn, Message::Have { index });
                }
            }
        }
        self.offer_piece(conn);
    }

    /// The canonical allowed-fast set, once, to a peer that has next to nothing.
    pub(super) fn offer_allowed_fast(&mut self, conn: u32) {
        let k = u32::try_from(self.settings.allowed_fast).unwrap_or(u32::MAX);
        let pieces = self.torrent.geometry().pieces();
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let IpAddr::V4(ip) = c.remote.ip() else {
            return;
        };
        if !c.agreed.fast || c.sent_allowed || k == 0 || c.their_pieces.count() > k {
            return;
        }
        c.sent_allowed = true;
        if self.defects.has(Quirk::AllowedFastEndless) && pieces < k {
            self.state = State::Hung;
            return;
        }
        let mask = if self.defects.has(Quirk::AllowedFastUnmasked) {
            32
        } else {
            24
        };
        let mut set = allowed_fast::set(ip, mask, &self.torrent.info_hash(), pieces, k);
        if self.defects.has(Quirk::AllowedFastRandom) {
            let shift = c.ordinal;
            let moved = set.iter().map(|index| (index + shift) % pieces.max(1));
            set = moved.collect();
        }
        if self.settings.allowed_fast_shuffled {
            let by = c.ordinal as usize % set.len().max(1);
            set.rotate_left(by);
        }
        set.retain(|index| !c.their_pieces.get(*index));
        c.allowed_to_them.clone_from(&set);
        for index in set {
            self.send(conn, Message::AllowedFast { index });
        }
    }

    // Extensions.

    pub(super) fn send_extended_handshake(&mut self, conn: u32) {
        let Some(payload) = self.extended_handshake(conn) else {
            return;
        };
        if let Some(c) = self.connections.get_mut(&conn) {
            c.sent_extended = true;
        }
        let payload = payload.encode();
        self.send(conn, Message::Extended { ext_id: 0, payload });
    }

    /// Our extended handshake for a connection.
    pub(super) fn extended_handshake(&self, conn: u32) -> Option<ExtendedHandshake> {
        let c = self.connections.get(&conn)?;
        let private = self.torrent.metainfo().is_private();
        let hides_pex = private && !self.defects.has(Quirk::DialsPrivateContacts);
        let ids: Vec<(&str, u8)> = c
            .extensions
            .iter()
            .filter(|slot| !(slot.name == "ut_pex" && hides_pex))
            .map(|slot| (slot.name, slot.id))
            .collect();
        let reqq = i128::try_from(self.settings.reqq).unwrap_or(0);
        let yourip = match c.remote.ip() {
            IpAddr::V4(ip) => Bytes::copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => Bytes::copy_from_slice(&ip.octets()),
        };
        let mut handshake = ExtendedHandshake::new()
            .with_m(&ids)
            .with("reqq", Value::Int(reqq))
            .with("yourip", Value::Bytes(yourip));
        if !self.settings.client.is_empty() {
            let client = Value::text(&self.settings.client);
            handshake = handshake.with("v", client);
        }
        // BEP 10: the receiver of a dial already knows the port it was dialled at.
        if c.initiator && self.listen.port() != 0 {
            let port = Value::Int(self.listen.port().into());
            handshake = handshake.with("p", port);
        }
        let tells = self.settings.tell_upload_only && !self.settings.super_seed;
        let complete = tells && self.store.complete() && self.role == Role::Seed;
        // BEP 21: a peer that wants nothing more, though it is not complete.
        let partial = !self.selected && !self.store.complete();
        if complete || (partial && !self.defects.has(Quirk::HidesPartialSeed)) {
            handshake = handshake.with("upload_only", Value::Int(1));
        }
        let link = |slot: &Slot| Link {
            now: self.now,
            torrent: &self.torrent,
            remote: c.remote,
            initiator: c.initiator,
            agreed: c.agreed,
            their_id: c.their_id(slot.name),
            done: Vec::new(),
        };
        for slot in &c.extensions {
            if let Some(extension) = &slot.extension {
                for (key, value) in extension.announce(&link(slot)) {
                    handshake = handshake.with(key, value);
                }
            }
        }
        Some(handshake)
    }

    /// Sends a message of an extension under the id that the other end gave it.
    pub(super) fn send_extension(&mut self, conn: u32, name: &'static str, payload: Bytes) {
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let own = c.extensions.iter().find(|slot| slot.name == name);
        let tells = self.defects.has(Quirk::ExchangesUnasked)
            || self.defects.has(Quirk::ExchangesUnaskedLater);
        let pex = name == "ut_pex" && tells;
        let unasked = own.filter(|_| pex);
        let Some(theirs) = c.their_id(name).or_else(|| unasked.map(|slot| slot.id)) else {
            return;
        };
        let own = own.filter(|_| c.initiator && self.defects.has(Quirk::OwnIdsDialling));
        let ext_id = if let Some(own) = own {
            own.id
        } else if self.defects.has(Quirk::CutsIds) {
            theirs & 0x7f
        } else if self.defects.has(Quirk::SharesExtensionIds) {
            self.shared_ids.get(name).copied().unwrap_or(theirs)
        } else {
            theirs
        };
        let payload = self.planted_or(name, payload);
        let (mut conn, mut ext_id) = (conn, ext_id);
        if self.defects.has(Quirk::MetadataToOther) && is_second_metadata(name, &payload) {
            let others = self.connections.values();
            let mut others = others.filter(|c| c.is_open() && c.id != conn);
            let offered = others.find_map(|c| Some((c.id, c.their_id(name)?)));
            (conn, ext_id) = offered.unwrap_or((conn, ext_id));
        }
        self.send(conn, Message::Extended { ext_id, payload });
    }

    /// A defect: metadata that somebody sent unasked, in place of the true one.
    fn planted_or(&self, name: &str, payload: Bytes) -> Bytes {
        let Some(planted) = self.planted.as_ref().filter(|_| name == "ut_metadata") else {
            return payload;
        };
        match ExtensionMessage::decode(name, &payload) {
            Ok(ExtensionMessage::MetadataData {
                piece: piece @ 0,
                total_size,
                ..
            }) => {
                let data = planted.clone();
                let message = ExtensionMessage::MetadataData {
                    piece,
                    total_size,
                    data,
                };
                message.encode_payload()
            }
            _ => payload,
        }
    }

    pub(super) fn negotiated(&self, theirs: &Handshake) -> Agreed {
        let both = |capability: Capability| {
            self.reserved.has(capability) && theirs.reserved.has(capability)
        };
        let mistaken = self.defects.has(Quirk::TakesDhtBitForFast)
            && self.reserved.has(Capability::Fast)
            && theirs.reserved.has(Capability::Dht);
        let [.., five, _, seven] = theirs.reserved.0;
        let any = |quirk, bits, capability| {
            self.defects.has(quirk) && bits != 0 && self.reserved.has(capability)
        };
        let fast = any(Quirk::TakesByteForFast, seven & 0xfe, Capability::Fast);
        let extended = any(
            Quirk::TakesByteForExtended,
            five & 0xfc,
            Capability::Extended,
        );
        Agreed {
            fast: both(Capability::Fast) || mistaken || fast,
            extended: both(Capability::Extended) || extended,
            dht: both(Capability::Dht),
        }
    }
}

fn is_second_metadata(name: &str, payload: &Bytes) -> bool {
    let message = (name == "ut_metadata").then(|| ExtensionMessage::decode(name, payload));
    matches!(
        message,
        Some(Ok(ExtensionMessage::MetadataData { piece: 1, .. }))
    )
}

/// A write is cut off at this size, so that a long queue does not become one buffer.
const MOST_PER_WRITE: usize = 256 * 1024;

/// Pieces told by `have` behind a lazy bitfield.
const LAZY: usize = 16;
