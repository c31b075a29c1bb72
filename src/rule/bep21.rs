//! BEP 21: upload_only.

use super::judge::Context;
use super::table::Ruling;
use super::view::{block, ended};
use crate::session::{Event, EventKind, Session};

/// BEP 21, "Extension header": `upload_only` says that the peer will not download, until a later
/// extension handshake takes it back.
pub fn upload_only_asks_nothing(event: &Event, session: &Session, _: &Context) -> Ruling {
    if !session.extended() || !session.theirs().upload_only() {
        return Ruling::NotApplicable;
    }
    match &event.kind {
        EventKind::Interest {
            interested: true, ..
        } => Ruling::Broken("interested, having said upload_only".to_owned()),
        EventKind::Request(asked) => Ruling::Broken(format!(
            "request for {}, having said upload_only",
            block(&asked.entry.block)
        )),
        _ if ended(event, session) => Ruling::Held,
        _ => Ruling::NotApplicable,
    }
}
