//! What several rules ask of an event, and how they name things.

use crate::session::{Event, EventKind, Session};
use crate::wire::{BlockRef, Capability};

/// The connection ends with this event. Rules that wait for something forbidden hold here.
pub(super) fn ended(event: &Event, session: &Session) -> bool {
    match event.kind {
        EventKind::Closed(how) => session.closed() == Some((event.observation.dir, how)),
        _ => false,
    }
}

/// The tester's handshake offers the capability.
pub(super) fn we_offer(session: &Session, capability: Capability) -> bool {
    let handshake = session.ours().handshake();
    handshake.is_some_and(|handshake| handshake.reserved.has(capability))
}

/// The target's handshake offers the capability.
pub(super) fn they_offer(session: &Session, capability: Capability) -> bool {
    let handshake = session.theirs().handshake();
    handshake.is_some_and(|handshake| handshake.reserved.has(capability))
}

/// `4/16384+16384`: piece, begin and length.
pub(super) fn block(block: &BlockRef) -> String {
    format!(
        "piece {} begin {} length {}",
        block.index, block.begin, block.length
    )
}
