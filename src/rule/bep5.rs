//! BEP 5: the port message.

use super::judge::Context;
use super::table::Ruling;
use super::view::{ended, we_offer};
use crate::session::{Event, EventKind, Session};
use crate::wire::{Capability, Kind};

/// BEP 5, "BitTorrent protocol extension": port goes to peers that set the DHT bit.
pub fn port_needs_dht_bit(event: &Event, session: &Session, _: &Context) -> Ruling {
    if session.established_at().is_none() {
        return Ruling::NotApplicable;
    }
    let offered = we_offer(session, Capability::Dht);
    match event.kind {
        EventKind::Port => Ruling::check(offered, || {
            "port, and our handshake does not set the DHT bit".to_owned()
        }),
        // Whoever dials may say it before it knows.
        _ if ended(event, session) && !offered => {
            Ruling::check(!session.was_early(Kind::Port), || {
                "port before our handshake, which does not set the DHT bit".to_owned()
            })
        }
        _ => Ruling::NotApplicable,
    }
}
