//! Defects of choke and interest (BEP 3), beside those in `state`.

use std::time::Duration;

use super::framing::and;
use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, Seen, Wire, on, send};
use crate::wire::{Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    // Its choke.
    FaultSpec::new(
        "never-unchokes-again",
        &["B3-CH-03"],
        "Who has lost interest for more than a second is never unchoked again.",
        on(
            |s| {
                let since = s.peer.now.saturating_sub(s.peer.conn.unchoked_since);
                let again = received(s, Kind::NotInterested) > 0 && unchoked(s) > 0;
                s.is(Kind::Interested) && again && since > Duration::from_secs(1)
            },
            React::Ignore,
        ),
    )
    .seed(),
    FaultSpec::new(
        "unchokes-only-the-first",
        &["B3-CH-03"],
        "Gives its only slot for good.",
        Effect::Set(|s| {
            s.slots = 1;
            s.rotate_every = Duration::from_secs(86_400);
        }),
    )
    .seed(),
    FaultSpec::new(
        "unchokes-after-ninety-seconds",
        &["B3-CH-03"],
        "Takes 90 s to unchoke.",
        Effect::Set(|s| s.unchoke_delay = Duration::from_secs(90)),
    )
    .seed(),
    FaultSpec::new(
        "fibrillates",
        &["B3-CH-09"],
        "Gives two slots to another peer every second.",
        Effect::Set(|s| {
            s.slots = 2;
            s.rotate_every = Duration::from_secs(1);
        }),
    )
    .seed(),
    FaultSpec::new(
        "unchokes-over-and-over",
        &["B3-CH-10"],
        "Says forty times that it unchokes.",
        send(
            |s| s.is(Kind::Unchoke),
            Alter::Other(|_| vec![Wire::Message(Message::Unchoke); 40]),
        ),
    ),
    FaultSpec::new(
        "chokes-over-and-over",
        &["B3-CH-10"],
        "Says forty times that it chokes.",
        send(
            |s| s.is(Kind::Choke),
            Alter::Other(|_| vec![Wire::Message(Message::Choke); 40]),
        ),
    )
    .seed(),
    // Our choke.
    FaultSpec::new(
        "closes-on-repeated-unchoke",
        &["B3-CH-04"],
        "Closes when it is unchoked again.",
        on(
            |s| s.is(Kind::Unchoke) && !s.peer.conn.them.choking,
            React::Close,
        ),
    ),
    FaultSpec::new(
        "deaf-after-repeated-unchoke",
        &["B3-CH-04"],
        "Reads nothing any more once it was unchoked three times.",
        Effect::On {
            when: |s| s.is(Kind::Unchoke) && !s.peer.conn.them.choking,
            nth: Nth::Only(2),
            react: React::Deafen,
        },
    ),
    FaultSpec::new(
        "dies-of-repeated-choke",
        &["B3-CH-05"],
        "Ends at the third choke in a row.",
        Effect::On {
            when: |s| s.is(Kind::Choke) && received(s, Kind::Choke) > 1 && s.peer.conn.them.choking,
            nth: Nth::After(1),
            react: React::Exit,
        },
    ),
    FaultSpec::new(
        "second-unchoke-has-no-effect",
        &["B3-CH-05"],
        "Hears the first unchoke of a connection and no later one.",
        Effect::On {
            when: |s| s.is(Kind::Unchoke),
            nth: Nth::After(1),
            react: React::Ignore,
        },
    )
    .leech(),
    FaultSpec::new(
        "gives-up-what-a-choke-threw-out",
        &["B3-CH-06"],
        "Asks nobody any more for a piece of which a choke has thrown out a request.",
        Effect::Quirk(Quirk::AbandonsDroppedByChoke),
    )
    .leech(),
    FaultSpec::new(
        "choke-counts-for-everybody",
        &["B3-CH-05"],
        "Choked by one peer, it asks nobody.",
        Effect::Quirk(Quirk::ChokeForAll),
    )
    .leech(),
    FaultSpec::new(
        "unchoke-counts-for-everybody",
        &["B3-CH-01"],
        "Unchoked by one peer, it asks everybody.",
        Effect::Quirk(Quirk::UnchokeForAll),
    )
    .leech(),
    FaultSpec::new(
        "requests-after-choke",
        &["B3-CH-07"],
        "Goes on requesting from a peer without fast that choked it.",
        Effect::Quirk(Quirk::RequestsAfterChoke),
    )
    .leech(),
    FaultSpec::new(
        "asks-a-choking-peer-for-news",
        &["B3-CH-07"],
        "Requests what a peer without fast announces, choked or not.",
        on(
            |s| s.is(Kind::Have) && !s.peer.conn.agreed.fast && choked_again(s),
            React::SayInstead(|s| {
                let Some(Message::Have { index }) = s.message() else {
                    return Vec::new();
                };
                let block = s.peer.torrent.geometry().block(*index, 0);
                block.map_or_else(Vec::new, |b| vec![Wire::Message(Message::Request(b))])
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-piece-behind-choke",
        &["B3-CH-08"],
        "Ends when a piece comes while it is choked.",
        on(
            |s| s.is(Kind::Piece) && !s.peer.conn.agreed.fast && choked_again(s),
            React::Exit,
        ),
    )
    .leech(),
    // Its interest.
    FaultSpec::new(
        "interested-after-forty-seconds",
        &["B3-IN-01", "B3-IN-03"],
        "Takes 40 s to be interested.",
        Effect::Set(|s| s.interested_delay = Duration::from_secs(40)),
    )
    .leech(),
    FaultSpec::new(
        "interested-in-one-peer",
        &["B3-IN-03"],
        "Is interested in nobody while it is interested in somebody else.",
        send(
            |s| {
                let mut others = s.peer.connections.values().filter(|c| c.id != s.peer.conn.id);
                s.is(Kind::Interested) && others.any(|c| c.us.interested)
            },
            Alter::Drop,
        ),
    )
    .leech(),
    FaultSpec::new(
        "interested-in-any-bitfield",
        &["B3-IN-02"],
        "Is interested in whoever sends a bitfield, whatever it holds.",
        on(
            |s| matches!(s.message(), Some(Message::Bitfield { bits }) if !bits.is_empty() && bits.iter().all(|b| *b == 0)),
            React::Say(|_| vec![Wire::Message(Message::Interested)]),
        ),
    )
    .leech(),
    FaultSpec::new(
        "interested-in-what-it-has",
        &["B3-IN-02"],
        "Is interested in bitfields whose pieces it has.",
        on(
            |s| match s.message() {
                Some(Message::Bitfield { .. }) => !s.peer.store.have().is_empty(),
                _ => false,
            },
            React::Say(|_| vec![Wire::Message(Message::Interested)]),
        ),
    )
    .leech(),
    FaultSpec::new(
        "interest-counts-for-everybody",
        &["B3-IN-02", "B3-IN-04"],
        "Interested in one peer, it says so to everybody.",
        Effect::Quirk(Quirk::InterestForAll),
    )
    .leech(),
    FaultSpec::new(
        "interested-only-once",
        &["B3-IN-03"],
        "Says only once to a peer that it is interested.",
        Effect::Send {
            which: |s| s.is(Kind::Interested),
            nth: Nth::After(1),
            alter: Alter::Drop,
        },
    )
    .leech(),
    FaultSpec::new(
        "interested-only-while-choked",
        &["B3-IN-03"],
        "Says to a peer that does not choke only once that it is interested.",
        send(
            |s| {
                let conn = s.peer.conn;
                let said = conn.stats.sent.of(Kind::Interested).messages;
                s.is(Kind::Interested) && !conn.them.choking && said > 0
            },
            Alter::Drop,
        ),
    )
    .leech(),
    FaultSpec::new(
        "loses-interest-at-choke",
        &["B3-IN-01"],
        "Says at a choke that it is not interested, and at the next unchoke that it is.",
        on(
            |s| {
                let conn = s.peer.conn;
                let choked = s.is(Kind::Choke) && !conn.them.choking;
                conn.us.interested && (choked || (s.is(Kind::Unchoke) && choked_again(s)))
            },
            React::Say(|s| {
                let wants = s.is(Kind::Unchoke);
                let news = if wants { Message::Interested } else { Message::NotInterested };
                vec![Wire::Message(news)]
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "never-loses-interest",
        &["B3-IN-04"],
        "Never says that it is not interested.",
        send(|s| s.is(Kind::NotInterested), Alter::Drop),
    )
    .leech(),
    FaultSpec::new(
        "keeps-interest-in-who-chokes",
        &["B3-IN-04"],
        "Does not say to a peer that chokes that it has lost interest.",
        send(
            |s| s.is(Kind::NotInterested) && s.peer.conn.them.choking,
            Alter::Drop,
        ),
    )
    .leech(),
    FaultSpec::new(
        "loses-interest-late",
        &["B3-IN-04"],
        "Takes 75 s to say that it is not interested.",
        send(
            |s| s.is(Kind::NotInterested),
            Alter::Late(Duration::from_secs(75)),
        ),
    )
    .leech(),
    // Our interest.
    FaultSpec::new(
        "interest-is-a-switch",
        &["B3-IN-06"],
        "Interested said again means not interested.",
        Effect::Quirk(Quirk::InterestToggles),
    )
    .seed(),
    FaultSpec::new(
        "closes-when-interest-is-lost",
        &["B3-IN-07"],
        "Closes on not interested while requests are open.",
        on(lost_with_requests, React::Close),
    )
    .seed(),
    FaultSpec::new(
        "dies-when-interest-is-lost",
        &["B3-IN-07"],
        "Ends on not interested of a peer without fast while requests are open.",
        on(
            |s| lost_with_requests(s) && !s.peer.conn.agreed.fast,
            React::Exit,
        ),
    )
    .seed(),
    FaultSpec::new(
        "lost-interest-counts-for-everybody",
        &["B3-IN-07"],
        "Not interested from one peer chokes all, for good.",
        Effect::Quirk(Quirk::LostInterestForAll),
    )
    .seed(),
    FaultSpec::new(
        "refuses-service-after-lost-interest",
        &["B3-IN-07"],
        "Chokes right behind its unchoke who had lost interest with requests open.",
        Effect::Send {
            which: |s| {
                let received = &s.peer.conn.stats.received;
                let asked = received.of(Kind::Request).messages > 1;
                s.is(Kind::Unchoke) && asked && received.of(Kind::NotInterested).messages > 0
            },
            nth: Nth::Every,
            alter: Alter::Other(|s| and(s, Message::Choke)),
        },
    )
    .seed(),
];

/// How many messages of this kind have come, this one included.
fn received(seen: &Seen<'_>, kind: Kind) -> u64 {
    seen.peer.conn.stats.received.of(kind).messages
}

/// How often we have unchoked.
fn unchoked(seen: &Seen<'_>) -> u64 {
    seen.peer.conn.stats.sent.of(Kind::Unchoke).messages
}

/// Choked, and was unchoked before.
fn choked_again(seen: &Seen<'_>) -> bool {
    seen.peer.conn.them.choking && received(seen, Kind::Unchoke) > 0
}

fn lost_with_requests(seen: &Seen<'_>) -> bool {
    seen.is(Kind::NotInterested) && !seen.peer.conn.uploads.is_empty()
}
