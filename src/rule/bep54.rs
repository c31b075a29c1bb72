//! BEP 54: pieces that are taken back.

use super::judge::Context;
use super::table::Ruling;
use super::view::ended;
use crate::session::{Event, EventKind, Session, Stand};
use crate::trace::What;
use crate::wire::{ExtensionMessage, Message};

/// The extension's name in `m`.
const NAME: &str = "lt_donthave";
/// Bytes of a DontHave behind its id.
const LEN: usize = 4;

/// BEP 54, "Protocol encoding" and "Sender operation": four bytes that name a piece which the
/// sender had announced on this connection.
pub fn donthave_of_announced(event: &Event, session: &Session, _: &Context) -> Ruling {
    let EventKind::Extended(used) = &event.kind else {
        return Ruling::NotApplicable;
    };
    if used.name.as_deref() != Some(NAME) || used.stand == Stand::Wrong {
        return Ruling::NotApplicable;
    }
    match &event.payload {
        Some(Err(error)) => Ruling::Broken(error.to_string()),
        Some(Ok(ExtensionMessage::DontHave { index })) => {
            let pieces = session.geometry().pieces();
            if *index >= pieces {
                return Ruling::Broken(format!(
                    "piece {index} is taken back, and the torrent has {pieces}"
                ));
            }
            Ruling::check(session.theirs().announced().get(*index), || {
                format!("piece {index} is taken back, and was never announced")
            })
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 54, "Sender operation": only peers that offer the extension hear of it. This is a DontHave
/// under the target's own id, or under 0.
pub fn donthave_if_offered(event: &Event, session: &Session, _: &Context) -> Ruling {
    if !session.extended() || session.our_ids().ever(NAME) {
        return Ruling::NotApplicable;
    }
    if ended(event, session) && session.our_ids().handshakes() > 0 {
        return Ruling::Held;
    }
    let What::Message(Message::Extended { ext_id, payload }) = &event.observation.what else {
        return Ruling::NotApplicable;
    };
    let own = session.their_ids().id(NAME) == Some(*ext_id);
    if payload.len() == LEN && (own || *ext_id == 0) {
        return Ruling::Broken(format!(
            "a DontHave under id {ext_id}, and we do not offer lt_donthave"
        ));
    }
    Ruling::NotApplicable
}
