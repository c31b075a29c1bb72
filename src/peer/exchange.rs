//! Peer exchange (BEP 11): whom we tell of whom, and whom we dial because somebody told us.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::config::Role;
use super::connection::Connection;
use super::fault::Quirk;
use super::host::{Peer, Timer};
use crate::wire::ExtensionMessage;
use crate::wire::bencode::Value;
use crate::wire::extension::{ExtendedHandshake, PexMessage};

/// What one connection was told of the others.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// Contacts that were added and not dropped since.
    peers: BTreeSet<SocketAddr>,
    /// Contacts of the latest message; only a defect looks at it.
    latest: BTreeSet<SocketAddr>,
    messages: u32,
    scheduled: bool,
}

impl Peer {
    /// The other end has said that it takes ut_pex: from now on it hears of the others.
    pub(super) fn schedule_pex(&mut self, conn: u32) {
        let first = self.settings.pex_first;
        let private = self.torrent.metainfo().is_private();
        if !self.settings.pex || private && !self.defects.has(Quirk::ExchangesPrivately) {
            return;
        }
        let at = self.now + first;
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        let unasked = self.defects.has(Quirk::ExchangesUnasked);
        let later = self.defects.has(Quirk::ExchangesUnaskedLater);
        let offered = c.their_id("ut_pex").is_some();
        if !c.pex.scheduled && (offered || unasked || later) {
            c.pex.scheduled = true;
            let pause = match offered || unasked {
                true => Duration::ZERO,
                false => self.settings.pex_every,
            };
            self.timer(at + pause, Timer::Pex(conn));
        }
    }

    /// Tells what is new, if anything is, and looks again later.
    pub(super) fn exchange(&mut self, conn: u32) {
        let now = self.contacts(conn);
        let Some(c) = self.connections.get_mut(&conn) else {
            return;
        };
        // BEP 11: the first message has no limit, later ones 50 of each.
        let soon = c.pex.messages <= 1 && self.defects.has(Quirk::ExchangesTwiceAtFirst);
        let most = match c.pex.messages {
            0 => usize::MAX,
            _ => MOST_CONTACTS,
        };
        let told = &c.pex.peers;
        let new = |(at, _): &(&SocketAddr, &u8)| !told.contains(at);
        let added = now.iter().filter(new).take(most);
        let added: Vec<(SocketAddr, u8)> = added.map(|(at, flags)| (*at, *flags)).collect();
        let again = c.pex.messages > 0 && self.defects.has(Quirk::DropsWhatIsNotNew);
        let latest = self.defects.has(Quirk::DropsLatestOnly);
        let gone = told
            .iter()
            .filter(|at| !now.contains_key(at) || again)
            .filter(|at| !latest || c.pex.latest.contains(at));
        let dropped: Vec<SocketAddr> = gone.take(most).copied().collect();
        if !added.is_empty() || !dropped.is_empty() {
            c.pex.messages += 1;
            c.pex.latest = added.iter().map(|(at, _)| *at).collect();
            c.pex.peers.extend(added.iter().map(|(at, _)| *at));
            c.pex.peers.retain(|at| !dropped.contains(at));
            let message = ExtensionMessage::Pex(message(&added, &dropped));
            self.send_extension(conn, "ut_pex", message.encode_payload());
        }
        let pause = match soon {
            true => EARLY,
            false => self.settings.pex_every,
        };
        self.timer(self.now + pause, Timer::Pex(conn));
    }

    /// Where the others can be reached that have a session with us, and their flags.
    fn contacts(&self, but: u32) -> BTreeMap<SocketAddr, u8> {
        let early = self.defects.has(Quirk::ExchangesEarly);
        let others = self.connections.values().filter(|c| c.id != but);
        let live = others
            .filter(|c| c.is_open() || early)
            .filter_map(|c| Some((self.contact(c)?, flags(c))));
        let hearsay = self.hearsay.iter().map(|at| (*at, 0));
        live.chain(hearsay).collect()
    }

    fn contact(&self, c: &Connection) -> Option<SocketAddr> {
        if c.initiator || self.defects.has(Quirk::ExchangesSourcePorts) {
            return Some(c.remote);
        }
        if !c.is_open() {
            return self.defects.has(Quirk::ExchangesEarly).then_some(c.remote);
        }
        // The port that an incoming connection comes from is nobody's ear.
        let theirs = c.their_extended.as_ref()?;
        let cut = || cut_port(theirs).filter(|_| self.defects.has(Quirk::ExchangesCutPort));
        let port = theirs.p().or_else(cut)?;
        (port != 0).then(|| SocketAddr::new(c.remote.ip(), port))
    }

    /// A defect: nobody is told that a peer has gone whose connection was reset.
    pub(super) fn forget_reset(&mut self, conn: u32) {
        if !self.defects.has(Quirk::ForgetsResetPeers) {
            return;
        }
        let contact = self.connections.get(&conn).and_then(|c| self.contact(c));
        if let Some(contact) = contact {
            for c in self.connections.values_mut() {
                c.pex.peers.remove(&contact);
            }
        }
    }

    /// A defect: a listen port that does not fit is cut to 16 bits and dialled.
    pub(super) fn dial_cut_port(&mut self, conn: u32) {
        let at = self.connections.get(&conn).and_then(|c| {
            let port = cut_port(c.their_extended.as_ref()?)?;
            Some(SocketAddr::new(c.remote.ip(), port))
        });
        if let Some(at) = at {
            self.connect(at);
        }
    }

    /// Dials some of the peers that somebody told us of.
    pub(super) fn dial_contacts(&mut self, added: &[SocketAddr]) {
        if self.defects.has(Quirk::ExchangesHearsay) {
            self.hearsay.extend(added.iter().take(MOST_DIALS));
        }
        let wants = self.role == Role::Leech && !self.store.complete();
        let any = self.defects.has(Quirk::DialsPrivateContacts);
        if !self.settings.dial_contacts || !(wants || any) {
            return;
        }
        let any_port = self.defects.has(Quirk::DialsEveryPort);
        let mut known: BTreeSet<IpAddr> = match any_port {
            true => BTreeSet::new(),
            false => self.connections.values().map(|c| c.remote.ip()).collect(),
        };
        let mut dials = 0;
        for at in added.iter().filter(|at| at.port() != 0) {
            // BEP 11, "security considerations": addresses that are there already are ignored.
            let new = known.insert(at.ip()) || any_port;
            if new && dials < MOST_DIALS && self.connections.len() < MOST_CONNECTIONS {
                dials += 1;
                self.connect(*at);
            }
        }
    }
}

/// The lowest 16 bits of a listen port that has more (a defect).
fn cut_port(theirs: &ExtendedHandshake) -> Option<u16> {
    let port = theirs.get("p")?.as_int()?;
    let huge = port > i128::from(u16::MAX);
    huge.then(|| u16::try_from(port & 0xffff).ok()).flatten()
}

fn flags(c: &Connection) -> u8 {
    let mut flags = 0;
    if c.their_pieces.is_full() {
        flags |= 0x02;
    }
    if c.initiator {
        flags |= 0x10;
    }
    flags
}

fn message(added: &[(SocketAddr, u8)], dropped: &[SocketAddr]) -> PexMessage {
    let mut lists: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (at, flags) in added {
        let (list, marks) = match at.ip() {
            IpAddr::V4(_) => ("added", "added.f"),
            IpAddr::V6(_) => ("added6", "added6.f"),
        };
        lists.entry(list).or_default().extend(compact(*at));
        lists.entry(marks).or_default().push(*flags);
    }
    for at in dropped {
        let list = match at.ip() {
            IpAddr::V4(_) => "dropped",
            IpAddr::V6(_) => "dropped6",
        };
        lists.entry(list).or_default().extend(compact(*at));
    }
    let entries = lists.into_iter();
    PexMessage {
        dict: entries
            .map(|(key, bytes)| (key.as_bytes().to_vec().into(), Value::Bytes(bytes.into())))
            .collect(),
    }
}

fn compact(at: SocketAddr) -> Vec<u8> {
    let mut bytes = match at.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes.extend(at.port().to_be_bytes());
    bytes
}

/// BEP 11, "protocol extension": the most contacts that a later message adds or drops.
const MOST_CONTACTS: usize = 50;

/// Peers dialled for one message: none of them should fill the table by itself.
const MOST_DIALS: usize = 10;

/// When a defect speaks again.
const EARLY: Duration = Duration::from_secs(5);

/// Connections beyond which nobody is dialled.
const MOST_CONNECTIONS: usize = 50;
