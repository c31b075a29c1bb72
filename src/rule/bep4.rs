//! BEP 4: assigned reserved bits and message ids.

use super::bep3::offers_private_ids;
use super::judge::Context;
use super::table::Ruling;
use crate::session::{Event, EventKind, Session};
use crate::trace::What;
use crate::wire::{Capability, Message};

/// BEP 4, "reserved bit allocations": only bits of the table.
pub fn reserved_bits_assigned(event: &Event, _: &Session, _: &Context) -> Ruling {
    let What::Handshake(handshake) = &event.observation.what else {
        return Ruling::NotApplicable;
    };
    let unknown = handshake.reserved.unknown();
    Ruling::check(unknown.is_empty(), || {
        let bits: Vec<String> = unknown
            .iter()
            .map(|(byte, mask)| format!("byte {byte} bit {mask:#04x}"))
            .collect();
        format!(
            "reserved bits that nobody has assigned: {}",
            bits.join(", ")
        )
    })
}

/// BEP 4, "reserved message ids": 0–9, 13–17 and 20, and 21–23 where BEP 52 was negotiated. A
/// tester that offers further reserved bits may be sent the messages that belong to them.
pub fn message_ids_assigned(event: &Event, session: &Session, _: &Context) -> Ruling {
    let What::Message(message) = &event.observation.what else {
        return Ruling::NotApplicable;
    };
    match (&event.kind, message) {
        (EventKind::KeepAlive, _) => Ruling::NotApplicable,
        (_, Message::Unknown { .. }) if offers_private_ids(session) => Ruling::NotApplicable,
        (_, Message::Unknown { id, .. }) => {
            Ruling::Broken(format!("message id {} is not assigned", id.get()))
        }
        (EventKind::Hashes, _) => Ruling::check(session.negotiated(Capability::V2), || {
            format!("{} without BEP 52", message.name())
        }),
        _ => Ruling::Held,
    }
}
