//! BEP 10: the extension protocol.

use super::judge::Context;
use super::table::Ruling;
use super::view::{ended, they_offer, we_offer};
use crate::session::timers::OPENING;
use crate::session::{Duty, Event, EventKind, ExtendedUse, Session, Stand};
use crate::trace::What;
use crate::wire::bencode::{Flaw, FlawKind, Value};
use crate::wire::escape::peer_text;
use crate::wire::{Capability, ExtendedHandshake, ExtensionMessage, Kind, Message};

/// BEP 10, "Protocol": extended messages go to peers that set the bit. A target that does so
/// against its own clear bit, to a tester that set it, harms nobody.
pub fn extended_needs_our_bit(event: &Event, session: &Session, _: &Context) -> Ruling {
    if session.established_at().is_none() || we_offer(session, Capability::Extended) {
        return Ruling::NotApplicable;
    }
    match &event.observation.what {
        What::Message(Message::Extended { ext_id, .. }) => Ruling::Broken(format!(
            "extended message {ext_id}, and our handshake does not set the bit"
        )),
        // Whoever dials may say it before it knows.
        _ if ended(event, session) && session.was_early(Kind::Extended) => Ruling::Broken(
            "extended message before our handshake, which does not set the bit".to_owned(),
        ),
        _ if ended(event, session) && they_offer(session, Capability::Extended) => Ruling::Held,
        _ => Ruling::NotApplicable,
    }
}

/// BEP 10, "handshake message": sent "immediately after the standard bittorrent handshake". Before
/// or behind the availability is both fine; 15 s are enough for slow ticks.
pub fn extended_handshake_comes(event: &Event, session: &Session, _: &Context) -> Ruling {
    if !session.extended() {
        return Ruling::NotApplicable;
    }
    match &event.kind {
        EventKind::ExtendedHandshake { nth: 1 } => Ruling::Held,
        EventKind::Overdue(Duty::ExtendedHandshake) => Ruling::Broken(format!(
            "no extended handshake within {} s",
            OPENING.as_secs()
        )),
        _ => Ruling::NotApplicable,
    }
}

/// BEP 10, "handshake message": the payload is one bencoded dictionary and nothing else. The order
/// of keys has a rule of its own. A ut_metadata message under id 0 while we wait for one is judged
/// by the case that switched the id off; on a tainted connection it may have read a request of ours
/// that we see none in.
pub fn extended_handshake_is_a_dictionary(event: &Event, session: &Session, _: &Context) -> Ruling {
    let (EventKind::ExtendedHandshake { .. }, Some(payload)) = (&event.kind, &event.payload) else {
        return Ruling::NotApplicable;
    };
    match payload {
        Err(error) => Ruling::Broken(error.to_string()),
        Ok(ExtensionMessage::Handshake(handshake))
            if (session.metadata_owed() || event.tainted)
                && handshake.get("msg_type").is_some() =>
        {
            Ruling::NotApplicable
        }
        Ok(_) => {
            let flaws = flaws(event, "");
            let flaw = flaws
                .iter()
                .find(|flaw| !is_about_keys(flaw) && flaw.kind != FlawKind::IntTooLarge);
            flaw.map_or(Ruling::Held, |flaw| Ruling::Broken(flaw.to_string()))
        }
    }
}

/// BEP 3, "bencoding", for everything that BEP 10 carries: keys are sorted and not repeated, at
/// every depth. Payloads of extensions that we do not know are not looked into.
pub fn dictionaries_sorted(event: &Event, _: &Session, _: &Context) -> Ruling {
    let name = match (&event.kind, &event.payload) {
        (EventKind::ExtendedHandshake { .. }, Some(Ok(_))) => "",
        (EventKind::Extended(used), Some(Ok(_))) => match used.name.as_deref() {
            Some(name @ ("ut_metadata" | "ut_pex")) => name,
            _ => return Ruling::NotApplicable,
        },
        _ => return Ruling::NotApplicable,
    };
    let flaws = flaws(event, name);
    let flaw = flaws.iter().find(|flaw| is_about_keys(flaw));
    flaw.map_or(Ruling::Held, |flaw| Ruling::Broken(flaw.to_string()))
}

fn flaws(event: &Event, name: &str) -> Vec<Flaw> {
    match &event.observation.what {
        What::Message(Message::Extended { payload, .. }) => {
            ExtensionMessage::form_flaws(name, payload)
        }
        _ => Vec::new(),
    }
}

fn is_about_keys(flaw: &Flaw) -> bool {
    matches!(flaw.kind, FlawKind::UnsortedKey | FlawKind::DuplicateKey)
}

/// BEP 10, "handshake message": "no extension message share the same" id, and an id is one byte.
/// Without `m` there is nothing to judge. Handshakes add to each other, so an id that an earlier
/// one gave to another name counts.
pub fn m_ids_distinct(event: &Event, session: &Session, _: &Context) -> Ruling {
    let Some(handshake) = handshake(event) else {
        return Ruling::NotApplicable;
    };
    let m = match handshake.get("m") {
        None => return Ruling::NotApplicable,
        Some(Value::Dict(m)) => m,
        Some(other) => return Ruling::Broken(format!("m is no dictionary but {}", shape(other))),
    };
    for (name, id) in m {
        match id {
            Value::Int(0..=255) => {}
            Value::Int(id) => {
                return Ruling::Broken(format!("{} has id {id}", peer_text(name)));
            }
            other => {
                let name = peer_text(name);
                return Ruling::Broken(format!("{name} has {} for an id", shape(other)));
            }
        }
    }
    match session.their_ids().clash() {
        None => Ruling::Held,
        Some((one, other, id)) => Ruling::Broken(format!("{one} and {other} share id {id}")),
    }
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Int(_) => "an integer",
        Value::Bytes(_) => "a string",
        Value::List(_) => "a list",
        Value::Dict(_) => "a dictionary",
    }
}

/// Keys whose type and size BEPs 9, 10 and 21 give.
const TYPED_KEYS: [&str; 8] = [
    "p",
    "v",
    "yourip",
    "ipv4",
    "ipv6",
    "reqq",
    "metadata_size",
    "upload_only",
];

/// BEP 10, "handshake message": known keys have their types and sizes. Other keys are free
/// (libtorrent says -1 in `complete_ago`); `m` has a rule of its own.
pub fn known_keys_typed(event: &Event, _: &Session, _: &Context) -> Ruling {
    let Some(handshake) = handshake(event) else {
        return Ruling::NotApplicable;
    };
    let flaws = handshake.flaws();
    let flaw = flaws
        .iter()
        .find(|flaw| TYPED_KEYS.contains(&flaw.key.as_str()));
    flaw.map_or(Ruling::Held, |flaw| Ruling::Broken(flaw.to_string()))
}

fn handshake(event: &Event) -> Option<&ExtendedHandshake> {
    match (&event.kind, &event.payload) {
        (EventKind::ExtendedHandshake { .. }, Some(Ok(ExtensionMessage::Handshake(handshake)))) => {
            Some(handshake)
        }
        _ => None,
    }
}

/// BEP 10, "handshake message": ids are the receiver's, so nothing but the handshake can be sent
/// before our handshake is there. From the moment it is sent it may have been read.
pub fn no_extension_before_ours(event: &Event, session: &Session, _: &Context) -> Ruling {
    match extension(event, session) {
        Some(used) => Ruling::check(used.after_handshake, || {
            format!(
                "extended message {} before our extended handshake",
                used.ext_id
            )
        }),
        None => Ruling::NotApplicable,
    }
}

/// BEP 10, "handshake message": "the IDs are local to this particular peer". An id of an earlier
/// handshake of ours stays right, for later ones may be ignored. Extensions that we switched off
/// have a rule of their own.
pub fn our_ids_used(event: &Event, session: &Session, _: &Context) -> Ruling {
    let Some(used) = extension(event, session) else {
        return Ruling::NotApplicable;
    };
    if !used.after_handshake || used.switched_off {
        return Ruling::NotApplicable;
    }
    match used.stand {
        Stand::Right | Stand::Crossing => Ruling::Held,
        Stand::Wrong => Ruling::Broken(match &used.senders_own {
            Some(name) => format!("id {}, which is its own for {name}", used.ext_id),
            None => format!("id {}, which is not in our m", used.ext_id),
        }),
    }
}

/// BEP 10, "handshake message": an extension with id 0 is disabled. One that had an id before may
/// be used on, for later handshakes may be ignored; an answer to a request that we made all the
/// same is judged by the case.
pub fn switched_off_is_unused(event: &Event, session: &Session, _: &Context) -> Ruling {
    match extension(event, session) {
        Some(used) if used.switched_off && !used.answer => Ruling::Broken(format!(
            "{} under id {}, and we switched it off",
            used.senders_own
                .as_deref()
                .or(used.name.as_deref())
                .unwrap_or("a message"),
            used.ext_id
        )),
        None if ended(event, session) && session.our_ids().any_switched_off() => Ruling::Held,
        _ => Ruling::NotApplicable,
    }
}

fn extension<'a>(event: &'a Event, session: &Session) -> Option<&'a ExtendedUse> {
    match &event.kind {
        EventKind::Extended(used) if session.extended() => Some(used),
        _ => None,
    }
}

/// BEP 10, "handshake message": names of one or two bytes belong to the specification. Clients use
/// some (`e`); they are reported.
pub fn short_names(event: &Event, _: &Session, _: &Context) -> Ruling {
    let Some(handshake) = handshake(event) else {
        return Ruling::NotApplicable;
    };
    let keys = handshake.dict.iter().map(|(key, _)| key);
    let defined = |key: &&bytes::Bytes| matches!(key.as_ref(), b"m" | b"p" | b"v");
    let m = match handshake.get("m") {
        Some(Value::Dict(m)) => m.as_slice(),
        _ => &[],
    };
    let short: Vec<String> = keys
        .filter(|key| !defined(key))
        .chain(m.iter().map(|(name, _)| name))
        .filter(|name| matches!(name.len(), 1 | 2))
        .map(|name| peer_text(name))
        .take(8)
        .collect();
    Ruling::check(short.is_empty(), || {
        format!("short names: {}", short.join(", "))
    })
}
