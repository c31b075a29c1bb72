//! Rules of BEP 3.

use super::judge::Context;
use super::table::Ruling;
use crate::session::{Event, EventKind, Session};

/// BEP 3, "peer protocol": messages of length zero are keep-alives.
pub fn keep_alive_is_empty(event: &Event, _: &Session, _: &Context) -> Ruling {
    match event.kind {
        EventKind::KeepAlive => Ruling::Held,
        _ => Ruling::NotApplicable,
    }
}
