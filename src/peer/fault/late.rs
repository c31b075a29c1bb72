//! Defects that show late, or only at the edge: behind an honest slow answer, off by one.

use std::time::Duration;

use super::{Alter, Effect, FaultSpec, Nth, React, Seen, What, Wire, on, send};
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{BlockRef, ExtensionMessage, Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "talks-to-switched-off-extension-late",
        &["B10-RX-04", "B9-NEG-04"],
        "Asks for metadata under the id that was switched off, 3 s later.",
        on(
            |s| switched_off(s) && s.peer.conn.their_extended.is_none(),
            React::SayLater(Duration::from_secs(3), |_| {
                let request = ExtensionMessage::MetadataRequest { piece: 0 };
                vec![Wire::Message(request.into_message(1))]
            }),
        ),
    ),
    FaultSpec::new(
        "requests-suggested-piece-late",
        &["B6-SU-04", "B3-PC-03"],
        "Requests a suggested piece that was not announced, 9 s after the suggestion.",
        on(
            |s| match s.message() {
                Some(Message::SuggestPiece { index }) => unannounced(s, *index),
                _ => false,
            },
            React::SayLater(Duration::from_secs(9), requests_it),
        ),
    )
    .leech(),
    FaultSpec::new(
        "requests-allowed-fast-piece-late",
        &["B6-AF-07", "B3-PC-03"],
        "Requests an allowed fast piece that was not announced, 9 s after it was allowed.",
        on(
            |s| match s.message() {
                Some(Message::AllowedFast { index }) => unannounced(s, *index),
                _ => false,
            },
            React::SayLater(Duration::from_secs(9), requests_it),
        ),
    )
    .leech(),
    FaultSpec::new(
        "interested-in-nothing-late",
        &["B6-HA-05", "B3-IN-02"],
        "Is interested in peers that have nothing, 9 s after they said so.",
        on(
            |s| s.is(Kind::HaveNone) && s.peer.conn.agreed.fast,
            React::SayLater(Duration::from_secs(9), |_| {
                vec![Wire::Message(Message::Interested)]
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "rejects-choked-requests-late",
        &["B6-RJ-01", "B6-RJ-15"],
        "Rejects what was asked before the first unchoke 25 s late.",
        send(
            |s| {
                let sent = &s.peer.conn.stats.sent;
                s.is(Kind::RejectRequest) && sent.of(Kind::Unchoke).messages == 0
            },
            Alter::Late(Duration::from_secs(25)),
        ),
    )
    .seed(),
    FaultSpec::new(
        "rejects-all-but-one-at-choke",
        &["B6-RJ-04"],
        "The last of 64 rejects of a choke is never sent.",
        Effect::Send {
            which: |s| {
                s.is(Kind::RejectRequest) && s.peer.conn.stats.sent.of(Kind::Choke).messages > 0
            },
            nth: Nth::Only(64),
            alter: Alter::Drop,
        },
    )
    .seed(),
    FaultSpec::new(
        "rejects-all-but-one-of-the-cancelled",
        &["B6-RJ-11"],
        "The eighth cancelled request on a connection gets no answer.",
        Effect::Send {
            which: |s| {
                let cancels = s.peer.conn.stats.received.of(Kind::Cancel).messages;
                s.is(Kind::RejectRequest) && cancels > 0
            },
            nth: Nth::Only(8),
            alter: Alter::Drop,
        },
    )
    .seed(),
    FaultSpec::new(
        "serves-one-byte-past-the-end",
        &["B6-RJ-16", "B3-RQ-04"],
        "Serves a block that reaches past the end of the torrent by one byte, without that byte.",
        on(
            |s| past_end(s).is_some(),
            React::SayInstead(|s| {
                let block = past_end(s).and_then(|block| s.peer.store.block(&block));
                let Some((asked, bytes)) = s.request().zip(block) else {
                    return Vec::new();
                };
                vec![Wire::Message(Message::Piece {
                    index: asked.index,
                    begin: asked.begin,
                    block: bytes,
                })]
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "keeps-alive-too-late",
        &["B3-TO-01"],
        "Sends a keep-alive after 150 s of silence.",
        Effect::Set(|s| s.keep_alive = Duration::from_secs(150)),
    ),
    FaultSpec::new(
        "waits-almost-two-minutes",
        &["B3-TO-03"],
        "Closes after 105 s without a word.",
        Effect::Set(|s| s.idle_timeout = Duration::from_secs(105)),
    ),
    FaultSpec::new(
        "handshake-times-out-late",
        &["B3-HS-20", "B3-HS-21"],
        "Waits 160 s for a handshake.",
        Effect::Set(|s| s.handshake_timeout = Duration::from_secs(160)),
    ),
    FaultSpec::new(
        "hangs-after-cut-off-handshake",
        &["B3-HS-23"],
        "Does nothing any more when a connection ends in the middle of its handshake.",
        on(
            |s| {
                let begun = matches!(s.what, What::Eof(rest) if !rest.is_empty());
                begun && !s.peer.conn.is_open()
            },
            React::Hang,
        ),
    ),
    FaultSpec::new(
        "closes-on-one-unknown-reserved-bit",
        &["B3-HS-14"],
        "Closes when bit 0x20 of the last reserved byte is set.",
        on(
            |s| {
                let bits = s.handshake().map_or([0; 8], |h| h.reserved.0);
                let [.., last] = bits;
                last & 0x20 != 0 && bits != [0xff; 8]
            },
            React::Close,
        ),
    ),
    FaultSpec::new(
        "dies-of-tls",
        &["B3-HS-32"],
        "Ends when it is spoken to in TLS.",
        on(
            |s| matches!(s.what, What::Opening(bytes) if bytes.starts_with(&[0x16, 3])),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "deaf-after-second-extended-handshake",
        &["B10-RX-05"],
        "Reads nothing any more after a second extended handshake that says the same.",
        on(
            |s| {
                let hello = s.extended_handshake();
                let before = s.peer.conn.their_extended.as_ref();
                hello.as_ref().zip(before).is_some_and(|(a, b)| same(a, b))
            },
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "deaf-after-garbage-for-extension",
        &["B10-MS-02", "B9-ROB-01", "B54-RX-05"],
        "Reads nothing any more after an empty message of a known extension.",
        on(
            |s| match s.message() {
                Some(Message::Extended { ext_id, payload }) => {
                    let mut ours = s.peer.conn.extensions.iter();
                    payload.is_empty() && ours.any(|slot| slot.id == *ext_id)
                }
                _ => false,
            },
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "loses-the-last-of-a-long-segment",
        &["B3-FR-03"],
        "Loses the message behind the hundredth have of one segment.",
        Effect::On {
            when: |s| s.peer.conn.burst.haves >= 100 && !s.is(Kind::Have) && !s.is(Kind::KeepAlive),
            nth: Nth::First,
            react: React::Ignore,
        },
    ),
];

/// An extended handshake that gives `ut_metadata` the id 0.
fn switched_off(seen: &Seen<'_>) -> bool {
    let hello = seen.extended_handshake();
    hello.and_then(|hello| hello.ext_id("ut_metadata")) == Some(0)
}

fn same(one: &ExtendedHandshake, other: &ExtendedHandshake) -> bool {
    !one.dict.is_empty() && one.dict == other.dict
}

/// Whether a piece exists and the other end has not announced it.
fn unannounced(seen: &Seen<'_>, index: u32) -> bool {
    let conn = seen.peer.conn;
    conn.agreed.fast && index < seen.pieces() && !conn.their_pieces.get(index)
}

/// A request for the first block of the piece that was suggested or allowed.
fn requests_it(seen: &Seen<'_>) -> Vec<Wire> {
    match seen.message() {
        Some(Message::SuggestPiece { index } | Message::AllowedFast { index }) => {
            let block = seen.peer.torrent.geometry().block(*index, 0);
            let request = block.map(|block| Wire::Message(Message::Request(block)));
            request.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What there is of a request that reaches past the end of the torrent by one byte.
fn past_end(seen: &Seen<'_>) -> Option<BlockRef> {
    let asked = seen.request()?;
    let geometry = seen.peer.torrent.geometry();
    let size = geometry.piece_size(asked.index)?;
    let end = asked.begin.checked_add(asked.length)?;
    let past = asked.index == geometry.last() && Some(end) == size.checked_add(1);
    past.then(|| BlockRef {
        length: asked.length.saturating_sub(1),
        ..asked
    })
}
