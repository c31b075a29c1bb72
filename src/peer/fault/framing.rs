//! Defects of cutting the stream into messages.

use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, Sent, What, Wire, on, send};
use crate::wire::{Kind, Message, UnknownId};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "sends-unassigned-id",
        &["B4-ID-01"],
        "Sends a message of an id that nothing is assigned to.",
        send(opens, Alter::Other(|s| with(s, unassigned()))),
    ),
    FaultSpec::new(
        "one-byte-segments-break",
        &["B3-FR-01", "B10-MS-03"],
        "Loses frames that come byte by byte.",
        Effect::Quirk(Quirk::LosesDrippedFrames),
    ),
    FaultSpec::new(
        "split-bitfield-is-lost",
        &["B3-FR-01"],
        "Overlooks a bitfield that comes in more than one segment.",
        on(split_bitfield, React::Ignore),
    )
    .leech(),
    FaultSpec::new(
        "split-bitfield-closes",
        &["B3-FR-01"],
        "Closes on a bitfield that comes in more than one segment.",
        on(split_bitfield, React::Close),
    ),
    FaultSpec::new(
        "misreads-split-prefix",
        &["B3-FR-02"],
        "Forgets the first bytes of a length prefix that comes in two segments.",
        Effect::Quirk(Quirk::MisreadsSplitPrefix),
    ),
    FaultSpec::new(
        "loses-the-end-of-mixed-segments",
        &["B3-FR-03"],
        "Loses what is behind a have and a keep-alive in one segment.",
        on(
            |s| {
                let burst = s.peer.conn.burst;
                let mixed = burst.haves > 0 && burst.keep_alives > 0;
                mixed && !s.is(Kind::Have) && !s.is(Kind::KeepAlive)
            },
            React::Ignore,
        ),
    ),
    FaultSpec::new(
        "closes-on-keep-alives",
        &["B3-FR-04"],
        "Closes at the eighth keep-alive at one time.",
        on(
            |s| s.is(Kind::KeepAlive) && s.peer.conn.burst.keep_alives_at_once >= 8,
            React::Close,
        ),
    ),
    FaultSpec::new(
        "misreads-keep-alive",
        &["B3-FR-04"],
        "Takes the byte behind the fifth keep-alive at one time for its id.",
        on(
            |s| s.is(Kind::KeepAlive) && s.peer.conn.burst.keep_alives_at_once == 5,
            React::Eat(1),
        ),
    ),
    FaultSpec::new(
        "closes-on-early-keep-alive",
        &["B3-FR-05"],
        "Closes when a keep-alive comes before the bitfield.",
        on(
            |s| {
                let conn = s.peer.conn;
                let young = s.peer.now.saturating_sub(conn.open_since).as_secs() < 2;
                let messages = conn.stats.received.kinds().map(|(_, count)| count.messages);
                s.is(Kind::KeepAlive) && young && messages.sum::<u64>() == 1
            },
            React::Close,
        ),
    ),
    FaultSpec::new(
        "deaf-after-unknown-id",
        &["B3-FR-06"],
        "Reads nothing any more after a message of an unknown id.",
        on(|s| unknown(s, |id| id > 23, 0..1024), React::Deafen),
    ),
    FaultSpec::new(
        "desynchronises-after-unknown-id",
        &["B3-FR-06"],
        "Skips one byte too many behind a message of an unknown id.",
        on(|s| unknown(s, |id| id > 23, 0..1024), React::Eat(1)),
    ),
    FaultSpec::new(
        "dies-of-reserved-id",
        &["B3-FR-07"],
        "Ends at an id between the known ones.",
        on(|s| unknown(s, |id| id <= 23, 0..64) || v2(s), React::Exit),
    ),
    FaultSpec::new(
        "reads-unknown-payload-as-frames",
        &["B3-FR-08"],
        "Reads the payload of a long unknown message as messages.",
        on(|s| unknown(s, |id| id > 23, 1024..1 << 20), React::Reread),
    ),
    FaultSpec::new(
        "dies-of-frame-above-a-mebibyte",
        &["B3-FR-10"],
        "Ends at a length prefix a little above 1 MiB.",
        on(
            |s| matches!(s.what, What::TooLong(length) if length < 1 << 22),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "takes-length-prefix-as-signed",
        &["B3-FR-11"],
        "Takes a length prefix with the top bit set for a keep-alive.",
        Effect::Quirk(Quirk::SignedLength),
    ),
    FaultSpec::new(
        "deaf-after-misfit-choke",
        &["B3-FR-12"],
        "Reads nothing any more after a choke, unchoke or interest with a payload.",
        on(|s| s.misfit().is_some_and(|id| id < 4), React::Deafen),
    ),
    FaultSpec::new(
        "deaf-after-misfit-have",
        &["B3-FR-13"],
        "Reads nothing any more after a have of the wrong length.",
        on(|s| s.misfit() == Some(4), React::Deafen),
    ),
    FaultSpec::new(
        "invents-fields-of-short-request",
        &["B3-FR-14"],
        "Serves requests that end early.",
        Effect::Quirk(Quirk::PadsShortRequests),
    )
    .seed(),
    FaultSpec::new(
        "serves-long-request",
        &["B3-FR-14"],
        "Overlooks bytes behind a request.",
        Effect::Quirk(Quirk::CutsLongRequests),
    )
    .seed(),
    FaultSpec::new(
        "hangs-after-misfit-cancel",
        &["B3-FR-15"],
        "Does nothing any more after a cancel of the wrong length.",
        on(|s| s.misfit() == Some(8), React::Hang),
    ),
    FaultSpec::new(
        "dies-of-misfit-piece",
        &["B3-FR-16"],
        "Ends at a piece that is shorter than its header.",
        on(|s| s.misfit() == Some(7), React::Exit),
    ),
    FaultSpec::new(
        "deaf-after-misfit-port",
        &["B3-FR-17"],
        "Reads nothing any more after a port message of the wrong length.",
        on(|s| s.misfit() == Some(9), React::Deafen),
    ),
    FaultSpec::new(
        "dies-of-misfit-fast-message",
        &["B6-FR-18"],
        "Ends at a fast message of the wrong length.",
        on(
            |s| s.misfit().is_some_and(|id| (13..=17).contains(&id)),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "deaf-after-extended-without-id",
        &["B10-FR-19"],
        "Reads nothing any more after an extended message without id.",
        on(|s| s.misfit() == Some(20), React::Deafen),
    ),
    FaultSpec::new(
        "one-frame-at-a-time",
        &["B3-FR-20"],
        "Reads from nobody else while one connection is in the middle of a frame.",
        Effect::Quirk(Quirk::StallsOthersInFrame),
    ),
    FaultSpec::new(
        "acts-on-partial-frame-at-eof",
        &["B3-FR-21"],
        "Pads and uses the frame in which the stream ends.",
        Effect::Quirk(Quirk::UsesPartialFrame),
    )
    .seed(),
    FaultSpec::new(
        "dies-of-partial-frame-at-eof",
        &["B3-FR-21"],
        "Ends when the stream ends inside of a frame.",
        Effect::Quirk(Quirk::DiesOfPartialFrame),
    ),
    FaultSpec::new(
        "counts-partial-block-at-eof",
        &["B3-FR-21"],
        "Takes the piece for complete in whose block the stream ends.",
        Effect::Quirk(Quirk::UsesPartialBlock),
    )
    .leech(),
    FaultSpec::new(
        "sends-misfit-message",
        &["B3-FR-22"],
        "Sends a message with a byte too many.",
        send(opens, Alter::Other(|s| with(s, MISFIT.to_vec()))),
    ),
    FaultSpec::new(
        "tears-frames",
        &["B3-FR-24", "B3-RQ-20", "B10-RQ-01"],
        "The 100th block on a connection lacks its last byte.",
        Effect::Send {
            which: |s| s.is(Kind::Piece),
            nth: Nth::Only(100),
            alter: Alter::Other(|s| {
                let bytes = s.message.encode();
                let torn = bytes.get(..bytes.len() - 1).unwrap_or_default();
                vec![Wire::Raw(torn.to_vec())]
            }),
        },
    )
    .seed(),
    FaultSpec::new(
        "dies-of-reset-while-serving",
        &["B3-FR-23"],
        "Ends when a connection is reset to which it has sent blocks.",
        on(
            |s| {
                let sent = s.peer.conn.stats.sent.of(Kind::Piece).messages;
                matches!(s.what, What::Reset) && sent >= 4
            },
            React::Exit,
        ),
    )
    .seed(),
];

/// The message that tells the other end how it stands: an unchoke, or interest.
pub(super) fn opens(sent: &Sent<'_>) -> bool {
    sent.is(Kind::Unchoke) || sent.is(Kind::Interested)
}

/// The message as it is, and other bytes behind it.
pub(super) fn with(sent: &Sent<'_>, bytes: Vec<u8>) -> Vec<Wire> {
    vec![Wire::Message(sent.message.clone()), Wire::Raw(bytes)]
}

/// The message as it is, and another behind it.
pub(super) fn and(sent: &Sent<'_>, message: Message) -> Vec<Wire> {
    vec![Wire::Message(sent.message.clone()), Wire::Message(message)]
}

/// A bitfield whose frame ends in another segment than it began in.
fn split_bitfield(seen: &super::Seen<'_>) -> bool {
    seen.is(Kind::Bitfield) && seen.peer.conn.frame_segments > 1
}

fn unassigned() -> Vec<u8> {
    UnknownId::new(99).map_or_else(Vec::new, |id| {
        let payload = bytes::Bytes::from_static(b"\0");
        Message::Unknown { id, payload }.encode().to_vec()
    })
}

fn unknown(
    seen: &super::Seen<'_>,
    which: impl Fn(u8) -> bool,
    length: std::ops::Range<usize>,
) -> bool {
    match seen.message() {
        Some(Message::Unknown { id, payload }) => {
            which(id.get()) && length.contains(&payload.len())
        }
        _ => false,
    }
}

/// A message of BEP 52, whole or not.
fn v2(seen: &super::Seen<'_>) -> bool {
    let id = seen.frame().and_then(crate::wire::Frame::id);
    id.is_some_and(|id| (21..=23).contains(&id))
}

/// A `not_interested` with a payload.
const MISFIT: [u8; 6] = [0, 0, 0, 2, 3, 0];
