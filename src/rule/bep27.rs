//! BEP 27: private torrents.

use super::judge::Context;
use super::table::Ruling;
use super::view::ended;
use crate::session::{Event, EventKind, Session};
use crate::wire::ExtensionMessage;

/// BEP 27: peers of a private torrent come from its tracker, so PEX names none. An empty message,
/// or `ut_pex` in `m`, gives nobody away.
pub fn private_torrent_no_pex(event: &Event, session: &Session, _: &Context) -> Ruling {
    if !session.torrent().metainfo().is_private() {
        return Ruling::NotApplicable;
    }
    match &event.payload {
        Some(Ok(ExtensionMessage::Pex(pex))) => {
            let named = pex.added().len();
            Ruling::check(named == 0, || format!("ut_pex names {named} peers"))
        }
        _ if ended(event, session) && session.ext_id_ours("ut_pex").is_some() => Ruling::Held,
        _ => Ruling::NotApplicable,
    }
}

/// BEP 27 is silent on ut_metadata; several clients withhold it for private torrents. Offering it
/// is reported.
pub fn private_torrent_metadata(event: &Event, session: &Session, _: &Context) -> Ruling {
    let private = session.torrent().metainfo().is_private();
    match (&event.kind, &event.payload) {
        (
            EventKind::ExtendedHandshake { nth: 1 },
            Some(Ok(ExtensionMessage::Handshake(handshake))),
        ) if private => {
            let offered = handshake.ext_id("ut_metadata").is_some_and(|id| id != 0);
            Ruling::check(!offered, || "ut_metadata is offered".to_owned())
        }
        _ => Ruling::NotApplicable,
    }
}
