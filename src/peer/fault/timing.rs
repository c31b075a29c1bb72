//! Defects of keep-alives and patience.

use std::time::Duration;

use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, Wire, on, send};
use crate::wire::{Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "never-keeps-alive",
        &["B3-TO-01"],
        "Sends no keep-alives.",
        Effect::Set(|s| s.keep_alive = Duration::MAX),
    ),
    FaultSpec::new(
        "keeps-alive-who-keeps-alive",
        &["B3-TO-01"],
        "Sends no keep-alives to who says something else every minute.",
        send(
            |s| {
                let conn = s.peer.conn;
                let talks = s.peer.now.saturating_sub(conn.last_message).as_secs() < 60;
                s.is(Kind::KeepAlive) && talks && conn.last_received <= conn.last_message
            },
            Alter::Drop,
        ),
    ),
    FaultSpec::new(
        "keep-alive-has-an-id",
        &["B3-TO-02", "B3-TO-01"],
        "Sends a message of an unknown id as keep-alive.",
        send(
            |s| s.is(Kind::KeepAlive),
            Alter::Other(|_| vec![Wire::Raw(vec![0, 0, 0, 1, 99])]),
        ),
    ),
    FaultSpec::new(
        "impatient-with-silence",
        &["B3-TO-03"],
        "Closes after 90 s without a word.",
        Effect::Set(|s| s.idle_timeout = Duration::from_secs(90)),
    ),
    FaultSpec::new(
        "keep-alives-do-not-count",
        &["B3-TO-04"],
        "Closes after 100 s with nothing but keep-alives.",
        on(
            |s| {
                let idle = s.peer.now.saturating_sub(s.peer.conn.last_message);
                s.is(Kind::KeepAlive) && idle >= Duration::from_secs(100)
            },
            React::Close,
        ),
    ),
    FaultSpec::new(
        "never-drops-dead-peers",
        &["B3-TO-05"],
        "Keeps connections on which nothing comes any more.",
        Effect::Set(|s| s.idle_timeout = Duration::MAX),
    ),
    FaultSpec::new(
        "chokes-idle-peers",
        &["B3-TO-07"],
        "Chokes who was unchoked and asks for nothing for 90 s.",
        Effect::On {
            when: |s| {
                let conn = s.peer.conn;
                let idle = s.peer.now.saturating_sub(conn.unchoked_since);
                let asked = conn.stats.received.of(Kind::Request).messages > 0;
                let open = conn.stats.sent.of(Kind::Unchoke).messages > 0;
                s.is(Kind::KeepAlive) && open && !asked && idle >= Duration::from_secs(90)
            },
            nth: Nth::First,
            react: React::Say(|_| vec![Wire::Message(Message::Choke)]),
        },
    )
    .seed(),
    FaultSpec::new(
        "impatient-for-first-message",
        &["B3-TO-06"],
        "Closes when nothing comes within 5 s of the extended handshake.",
        Effect::Quirk(Quirk::ImpatientForFirstMessage),
    ),
];
