//! Defects of bitfield and have (BEP 3), beside those in `state`.

use std::time::Duration;

use super::framing::and;
use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, Seen, Sent, Wire, on, send};
use crate::torrent::PieceSet;
use crate::wire::{BlockRef, Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    // What it shows.
    FaultSpec::new(
        "shows-mirrored-bitfield",
        &["B3-BF-04"],
        "Sends the bits of each byte of a partial bitfield the other way round.",
        send(
            partial,
            Alter::Other(|s| bits(s, |bytes| bytes.iter().map(|b| b.reverse_bits()).collect())),
        ),
    )
    .leech(),
    FaultSpec::new(
        "shows-bitfield-by-words",
        &["B3-BF-04"],
        "Sends a partial bitfield in little-endian words of four bytes.",
        send(
            partial,
            Alter::Other(|s| {
                bits(s, |bytes| {
                    let words = bytes.chunks(4);
                    words.flat_map(|word| word.iter().rev().copied()).collect()
                })
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "shows-shifted-bitfield",
        &["B3-BF-04"],
        "Sends a partial bitfield that counts pieces from one.",
        send(
            partial,
            Alter::Other(|s| {
                let pieces = s.peer.torrent.geometry().pieces();
                let moved = s.peer.store.have().iter().map(|i| (i + 1) % pieces);
                shown(PieceSet::of(pieces, moved))
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "shows-a-piece-too-many",
        &["B3-BF-04"],
        "Sets the bit behind each piece that it has, too.",
        send(
            |s| partial(s) && s.peer.store.have().count() < 100,
            Alter::Other(|s| {
                let pieces = s.peer.torrent.geometry().pieces();
                let more = s
                    .peer
                    .store
                    .have()
                    .iter()
                    .flat_map(|i| [i, (i + 1) % pieces]);
                shown(PieceSet::of(pieces, more))
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "shows-nothing-of-what-it-got",
        &["B3-BF-04"],
        "Sends no bitfield to peers without fast before it is complete.",
        send(|s| partial(s) && !s.peer.conn.agreed.fast, Alter::Drop),
    )
    .leech(),
    FaultSpec::new(
        "seed-hides-last-piece",
        &["B3-BF-04"],
        "Leaves the last piece out of its bitfield.",
        send(
            |s| s.is(Kind::Bitfield) && s.peer.store.have().is_full(),
            Alter::Other(|s| {
                let mut set = s.peer.store.have().clone();
                set.clear(s.peer.torrent.geometry().last());
                shown(set)
            }),
        ),
    )
    .seed()
    .also(&["B3-HS-15"]),
    FaultSpec::new(
        "shows-first-piece-unseen",
        &["B3-BF-05"],
        "Shows the first piece to peers without fast though it has nothing.",
        send(
            |s| {
                let hello = s.is(Kind::ExtendedHandshake);
                hello && !s.peer.conn.agreed.fast && s.peer.store.have().is_empty()
            },
            Alter::Other(|s| {
                let bits = PieceSet::of(s.peer.torrent.geometry().pieces(), [0]).to_bitfield();
                and(s, Message::Bitfield { bits })
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "tells-progress-by-bitfield",
        &["B3-BF-06"],
        "Sends its bitfield instead of a have to peers without fast.",
        send(
            |s| s.is(Kind::Have) && !s.peer.conn.agreed.fast,
            Alter::Other(|s| shown(s.peer.store.have().clone())),
        ),
    )
    .leech(),
    // Bitfields of ours.
    FaultSpec::new(
        "overlooks-short-bitfield",
        &["B3-BF-07"],
        "Goes on behind a bitfield that is too short.",
        on(|s| length(s).is_some_and(|by| by < 0), React::Ignore),
    ),
    FaultSpec::new(
        "deaf-after-short-bitfield",
        &["B3-BF-07"],
        "Reads nothing any more behind a bitfield that is too short.",
        on(
            |s| length(s) == Some(-1) && !s.peer.conn.agreed.fast,
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "overlooks-one-byte-more",
        &["B3-BF-08"],
        "Goes on behind a bitfield that is one byte too long.",
        on(|s| length(s) == Some(1), React::Ignore),
    ),
    FaultSpec::new(
        "dies-of-long-bitfield",
        &["B3-BF-08"],
        "Ends at a bitfield that is much too long.",
        on(|s| length(s).is_some_and(|by| by > 8), React::Exit),
    ),
    FaultSpec::new(
        "requests-phantom-piece",
        &["B3-BF-08"],
        "Requests a piece that only a bitfield that is too long names.",
        on(
            |s| length(s).is_some_and(|by| by > 1),
            React::SayInstead(|s| {
                let block = BlockRef::new(s.pieces() + 8, 0, 16_384);
                vec![
                    Wire::Message(Message::Interested),
                    Wire::Message(Message::Request(block)),
                ]
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-spare-bits",
        &["B3-BF-09"],
        "Ends at a bitfield with spare bits set.",
        on(spare, React::Exit),
    ),
    FaultSpec::new(
        "hangs-behind-late-bitfield",
        &["B3-BF-10"],
        "Does nothing any more behind a bitfield that came late, of a peer without fast.",
        on(
            |s| {
                let conn = s.peer.conn;
                let have = conn.stats.received.of(Kind::Have).messages > 0;
                s.is(Kind::Bitfield) && have && !conn.agreed.fast && !conn.availability_seen
            },
            React::Hang,
        ),
    ),
    FaultSpec::new(
        "haves-behind-two-bitfields-are-lost",
        &["B3-BF-11"],
        "Hears no have behind a second bitfield.",
        on(
            |s| s.is(Kind::Have) && s.peer.conn.stats.received.of(Kind::Bitfield).messages > 1,
            React::Ignore,
        ),
    )
    .leech(),
    FaultSpec::new(
        "deaf-after-empty-bitfield",
        &["B3-BF-12"],
        "Reads nothing any more behind a bitfield without a byte.",
        on(
            |s| matches!(s.message(), Some(Message::Bitfield { bits }) if bits.is_empty()),
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "drops-empty-peers-later",
        &["B3-BF-13"],
        "Closes at the next message when a bitfield names no piece.",
        on(
            |s| {
                let conn = s.peer.conn;
                let next = s.is(Kind::Interested) || s.is(Kind::Have);
                let bitfield = conn.stats.received.of(Kind::Bitfield).messages == 1;
                next && bitfield && conn.their_pieces.is_empty()
            },
            React::Close,
        ),
    ),
    FaultSpec::new(
        "ignores-haves-without-bitfield",
        &["B3-BF-14"],
        "Overlooks the haves of a peer without any extension that sent no bitfield.",
        on(
            |s| {
                let conn = s.peer.conn;
                let bare = !conn.agreed.fast && !conn.agreed.extended;
                s.is(Kind::Have) && bare && !conn.availability_seen
            },
            React::Ignore,
        ),
    )
    .leech(),
    FaultSpec::new(
        "closes-dialled-without-bitfield",
        &["B3-BF-14"],
        "Closes when a peer without fast that it dialled says anything before a bitfield.",
        on(
            |s| {
                let conn = s.peer.conn;
                let early = s.is(Kind::Interested) || s.is(Kind::Have);
                early && conn.initiator && !conn.agreed.fast && !conn.availability_seen
            },
            React::Close,
        ),
    )
    .dialling(),
    FaultSpec::new(
        "one-have-behind-bitfield-counts",
        &["B3-BF-15"],
        "Believes one have behind a bitfield and no more.",
        Effect::On {
            when: |s| {
                let bitfields = s.peer.conn.stats.received.of(Kind::Bitfield).messages;
                s.is(Kind::Have) && bitfields > 0 && !known(s)
            },
            nth: Nth::After(1),
            react: React::Ignore,
        },
    )
    .leech(),
    FaultSpec::new(
        "extended-handshake-clears-bitfield",
        &["B3-BF-16"],
        "Forgets what a peer has when its extended handshake comes.",
        Effect::Quirk(Quirk::ExtendedHandshakeClears),
    )
    .leech(),
    FaultSpec::new(
        "extended-handshake-behind-bitfield-is-lost",
        &["B3-BF-16"],
        "Overlooks an extended handshake that comes behind a bitfield.",
        on(
            |s| {
                let conn = s.peer.conn;
                let bitfield = conn.stats.received.of(Kind::Bitfield).messages > 0;
                s.hello().is_some() && bitfield && conn.their_extended.is_none()
            },
            React::Ignore,
        ),
    ),
    // Its haves.
    FaultSpec::new(
        "have-only-to-the-giver",
        &["B3-HV-01"],
        "Says have only to peers that own the piece.",
        send(|s| new_to_them(s) == Some(true), Alter::Drop),
    )
    .leech(),
    FaultSpec::new(
        "have-only-to-the-interested",
        &["B3-HV-01"],
        "Says have only to peers that are interested.",
        send(
            |s| s.is(Kind::Have) && !s.peer.conn.them.interested,
            Alter::Drop,
        ),
    )
    .leech(),
    FaultSpec::new(
        "have-only-with-fast",
        &["B3-HV-01"],
        "Says have only to peers with fast.",
        send(
            |s| s.is(Kind::Have) && !s.peer.conn.agreed.fast,
            Alter::Drop,
        ),
    )
    .leech(),
    FaultSpec::new(
        "says-one-have",
        &["B3-HV-01"],
        "Says one have to each peer and no more.",
        Effect::Send {
            which: |s| s.is(Kind::Have),
            nth: Nth::After(1),
            alter: Alter::Drop,
        },
    )
    .leech(),
    FaultSpec::new(
        "says-have-late",
        &["B3-HV-07"],
        "Says have 40 s late.",
        send(|s| s.is(Kind::Have), Alter::Late(Duration::from_secs(40))),
    )
    .leech(),
    FaultSpec::new(
        "have-counts-from-one",
        &["B3-HV-01"],
        "Counts pieces from one in haves.",
        send(
            |s| s.is(Kind::Have),
            Alter::Other(|s| {
                let Message::Have { index } = *s.message else {
                    return Vec::new();
                };
                vec![Wire::Message(Message::Have { index: index + 1 })]
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "have-little-endian",
        &["B3-HV-05", "B3-HV-01"],
        "Sends the index of a have least significant byte first.",
        send(
            |s| s.is(Kind::Have),
            Alter::Other(|s| {
                let Message::Have { index } = *s.message else {
                    return Vec::new();
                };
                let index = index.swap_bytes();
                vec![Wire::Message(Message::Have { index })]
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "corrupt-piece-stands-in-bitfield",
        &["B3-HV-02"],
        "Shows a piece whose hash is wrong to new connections.",
        Effect::Quirk(Quirk::ShowsCorrupt),
    )
    .leech(),
    // Haves of ours.
    FaultSpec::new(
        "requests-piece-out-of-range",
        &["B3-HV-03"],
        "Requests a piece that there is not once a have named it.",
        on(
            |s| matches!(s.message(), Some(Message::Have { index }) if *index >= s.pieces()),
            React::SayInstead(|s| {
                let Some(Message::Have { index }) = s.message() else {
                    return Vec::new();
                };
                let block = BlockRef::new(*index, 0, 16_384);
                vec![
                    Wire::Message(Message::Interested),
                    Wire::Message(Message::Request(block)),
                ]
            }),
        ),
    )
    .leech()
    .also(&["B3-CH-01"]),
    FaultSpec::new(
        "dies-of-have-in-the-padding",
        &["B3-HV-03"],
        "Ends at a have for a piece that only the padding of a bitfield holds.",
        on(
            |s| {
                let Some(Message::Have { index }) = s.message() else {
                    return false;
                };
                let bits = s.peer.torrent.geometry().bitfield_len() * 8;
                *index > s.pieces() && (*index as usize) < bits
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "deaf-after-huge-have",
        &["B3-HV-03"],
        "Reads nothing any more behind a have of 2^31 or more.",
        on(
            |s| matches!(s.message(), Some(Message::Have { index }) if *index > i32::MAX as u32),
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "counts-a-have-twice",
        &["B3-HV-04"],
        "Counts a piece once more at each have.",
        Effect::Quirk(Quirk::CountsHavesTwice),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-a-new-seed",
        &["B3-HV-06"],
        "Ends when a peer gets its last piece by a have.",
        on(
            |s| {
                let missing = s.peer.conn.their_pieces.missing().count();
                matches!(s.message(), Some(Message::Have { .. })) && missing == 1 && !known(s)
            },
            React::Exit,
        ),
    )
    .seed(),
];

/// A bitfield of some pieces.
fn partial(sent: &Sent<'_>) -> bool {
    let have = sent.peer.store.have();
    sent.is(Kind::Bitfield) && !have.is_full() && !have.is_empty()
}

fn shown(set: PieceSet) -> Vec<Wire> {
    let bits = set.to_bitfield();
    vec![Wire::Message(Message::Bitfield { bits })]
}

/// The bitfield with other bytes.
fn bits(sent: &Sent<'_>, change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Wire> {
    let Message::Bitfield { bits } = sent.message else {
        return Vec::new();
    };
    let bits = change(bits).into();
    vec![Wire::Message(Message::Bitfield { bits })]
}

/// Bytes of a bitfield beyond what the torrent asks for; `None` if it fits or has none at all.
fn length(seen: &Seen<'_>) -> Option<i64> {
    let Some(Message::Bitfield { bits }) = seen.message() else {
        return None;
    };
    let right = seen.peer.torrent.geometry().bitfield_len();
    let by = i64::try_from(bits.len()).ok()? - i64::try_from(right).ok()?;
    (by != 0 && !bits.is_empty()).then_some(by)
}

/// A bitfield of the right length with spare bits set.
fn spare(seen: &Seen<'_>) -> bool {
    match seen.message() {
        Some(Message::Bitfield { bits }) => {
            bits.len() == seen.peer.torrent.geometry().bitfield_len()
                && PieceSet::from_bitfield(bits, seen.pieces()).is_err()
        }
        _ => false,
    }
}

/// A have for a piece that was announced before.
fn known(seen: &Seen<'_>) -> bool {
    matches!(seen.message(), Some(Message::Have { index }) if seen.peer.conn.their_pieces.get(*index))
}

/// A have of ours: whether the other end lacks the piece.
fn new_to_them(sent: &Sent<'_>) -> Option<bool> {
    match sent.message {
        Message::Have { index } => Some(!sent.peer.conn.their_pieces.get(*index)),
        _ => None,
    }
}
