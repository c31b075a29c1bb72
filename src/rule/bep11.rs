//! BEP 11: peer exchange.

use std::collections::BTreeSet;
use std::time::Duration;

use super::judge::Context;
use super::table::Ruling;
use crate::session::{Event, EventKind, Session};
use crate::wire::bencode::{FlawKind, Value, lookup};
use crate::wire::extension::PexMessage;
use crate::wire::registry::{ADDED, ADDED_F, ADDED6, ADDED6_F, DROPPED, DROPPED6};
use crate::wire::{ExtensionMessage, Message};

/// Lists of addresses and the length of their records.
const LISTS: [(&str, usize); 4] = [
    (ADDED.name, 6),
    (DROPPED.name, 6),
    (ADDED6.name, 18),
    (DROPPED6.name, 18),
];

/// Flags, and the list that each byte of them is about.
const FLAGS: [(&str, &str, usize); 2] = [
    (ADDED_F.name, ADDED.name, 6),
    (ADDED6_F.name, ADDED6.name, 18),
];

fn pex(event: &Event) -> Option<&PexMessage> {
    match (&event.kind, &event.payload) {
        (EventKind::Extended(_), Some(Ok(ExtensionMessage::Pex(pex)))) => Some(pex),
        _ => None,
    }
}

/// BEP 11, "protocol extension": one bencoded dictionary, whose lists are strings of whole compact
/// contacts. Empty strings are harmless.
pub fn pex_lists_are_whole(event: &Event, _: &Session, _: &Context) -> Ruling {
    let Some(pex) = pex(event) else {
        return match (&event.kind, &event.payload) {
            (EventKind::Extended(used), Some(Err(error)))
                if used.name.as_deref() == Some("ut_pex") =>
            {
                Ruling::Broken(format!("ut_pex does not decode: {error}"))
            }
            _ => Ruling::NotApplicable,
        };
    };
    if let Message::Extended { payload, .. } = match &event.observation.what {
        crate::trace::What::Message(message) => message,
        _ => return Ruling::NotApplicable,
    } && ExtensionMessage::form_flaws("ut_pex", payload)
        .iter()
        .any(|flaw| flaw.kind == FlawKind::TrailingBytes)
    {
        return Ruling::Broken("bytes follow the dictionary".to_owned());
    }
    for (key, record) in LISTS {
        match lookup(&pex.dict, key) {
            None => {}
            Some(Value::Bytes(bytes)) if bytes.len().is_multiple_of(record) => {}
            Some(Value::Bytes(bytes)) => {
                let len = bytes.len();
                return Ruling::Broken(format!("{key} has {len} bytes, {record} a contact"));
            }
            Some(other) => {
                return Ruling::Broken(format!("{key} is no string but {}", other.type_name()));
            }
        }
    }
    Ruling::Held
}

/// BEP 11, "protocol extension": one byte of flags a contact, if there are flags.
pub fn pex_flags_match(event: &Event, _: &Session, _: &Context) -> Ruling {
    let Some(pex) = pex(event) else {
        return Ruling::NotApplicable;
    };
    let mut ruling = Ruling::NotApplicable;
    for (flags, list, record) in FLAGS {
        if lookup(&pex.dict, flags).is_none() {
            continue;
        }
        let (told, contacts) = (pex.string(flags).len(), pex.string(list).len() / record);
        if told != contacts {
            return Ruling::Broken(format!("{told} bytes of {flags} for {contacts} contacts"));
        }
        ruling = Ruling::Held;
    }
    ruling
}

/// BEP 11, "protocol extension": one of the four lists at least. An empty one will do.
pub fn pex_has_a_list(event: &Event, _: &Session, _: &Context) -> Ruling {
    let Some(pex) = pex(event) else {
        return Ruling::NotApplicable;
    };
    let there = LISTS
        .iter()
        .any(|(key, _)| lookup(&pex.dict, key).is_some());
    Ruling::check(there, || {
        "neither added nor dropped, of either family".to_owned()
    })
}

/// BEP 11, "protocol extension": bits above 0x10 are reserved.
pub fn pex_flags_assigned(event: &Event, _: &Session, _: &Context) -> Ruling {
    let Some(pex) = pex(event) else {
        return Ruling::NotApplicable;
    };
    let told = || FLAGS.iter().flat_map(|(flags, _, _)| pex.string(flags));
    if told().next().is_none() {
        return Ruling::NotApplicable;
    }
    match told().find(|flags| **flags & !ASSIGNED_FLAGS != 0) {
        None => Ruling::Held,
        Some(flags) => Ruling::Broken(format!("flags {flags:#04x}")),
    }
}

/// BEP 11, "protocol extension": no contact twice, and none both added and dropped.
pub fn pex_lists_are_sets(event: &Event, _: &Session, _: &Context) -> Ruling {
    let Some(pex) = pex(event) else {
        return Ruling::NotApplicable;
    };
    let mut added = BTreeSet::new();
    for (peer, _) in pex.added() {
        if !added.insert(peer) {
            return Ruling::Broken(format!("{peer} is added twice"));
        }
    }
    let mut dropped = BTreeSet::new();
    for peer in pex.dropped() {
        if !dropped.insert(peer) {
            return Ruling::Broken(format!("{peer} is dropped twice"));
        }
        if added.contains(&peer) {
            return Ruling::Broken(format!("{peer} is added and dropped"));
        }
    }
    match added.is_empty() && dropped.is_empty() {
        true => Ruling::NotApplicable,
        false => Ruling::Held,
    }
}

/// BEP 11, "protocol extension": 50 added and 50 dropped at most, but in the first message.
pub fn pex_at_most_fifty(event: &Event, session: &Session, _: &Context) -> Ruling {
    match pex(event) {
        Some(pex) if session.their_pex().messages() > 1 => {
            let (added, dropped) = (pex.added().len(), pex.dropped().len());
            Ruling::check(added <= MOST_CONTACTS && dropped <= MOST_CONTACTS, || {
                format!("{added} contacts added and {dropped} dropped")
            })
        }
        _ => Ruling::NotApplicable,
    }
}

/// Custom: whoever is dropped was added on the same connection before, under that port.
pub fn pex_drops_what_it_added(event: &Event, session: &Session, _: &Context) -> Ruling {
    match pex(event) {
        Some(pex) if !pex.dropped().is_empty() && !session.their_pex().forgetful() => {
            let strangers = session.their_pex().strangers();
            match strangers.first() {
                None => Ruling::Held,
                Some(peer) => Ruling::Broken(format!("{peer} is dropped and was never added")),
            }
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 11, "protocol extension": no more than one message per minute. Clocks and networks may
/// push two messages a little closer.
pub fn pex_once_a_minute(event: &Event, session: &Session, _: &Context) -> Ruling {
    match (pex(event), session.their_pex().gap()) {
        (Some(_), Some(gap)) => Ruling::check(gap >= SHORTEST_GAP, || {
            format!("{:.1} s after the message before", gap.as_secs_f64())
        }),
        _ => Ruling::NotApplicable,
    }
}

/// BEP 11, table of flags: 0x01 to 0x10.
const ASSIGNED_FLAGS: u8 = 0x1f;

/// BEP 11: "should not exceed 50 entries".
const MOST_CONTACTS: usize = 50;

/// A minute, less what a busy machine may take away.
const SHORTEST_GAP: Duration = Duration::from_secs(57);
