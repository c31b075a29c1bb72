//! Defects of the fast extension (BEP 6).

use std::time::Duration;

use super::framing::{and, opens};
use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, Seen, Sent, Wire, on, send};
use crate::peer::config::Tolerance;
use crate::wire::{BlockRef, Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "sends-fast-to-plain-peer",
        &["B6-NEG-01"],
        "Sends a suggestion to peers without the fast bit.",
        send(
            |s| opens(s) && !s.peer.conn.agreed.fast,
            Alter::Other(|s| and(s, Message::SuggestPiece { index: 0 })),
        ),
    ),
    FaultSpec::new(
        "says-have-all-with-its-dial",
        &["B6-NEG-01"],
        "Dials, and says have_all behind its handshake, whatever bits come back.",
        Effect::Quirk(Quirk::HaveAllWithDial),
    )
    .seed()
    .dialling(),
    FaultSpec::new(
        "uses-fast-without-own-bit",
        &["B6-NEG-03"],
        "Uses the fast extension with peers that have it, though its own bit is clear.",
        Effect::Hello(|_, bytes| {
            if let Some(byte) = bytes.get_mut(27) {
                *byte &= !0x04;
            }
        }),
    ),
    FaultSpec::new(
        "closes-on-bitfield-with-fast",
        &["B6-NEG-02"],
        "Closes when a bitfield comes although fast is on.",
        on(
            |s| s.is(Kind::Bitfield) && s.peer.conn.agreed.fast,
            React::Close,
        ),
    )
    .also(&["B3-IN-06"]),
    FaultSpec::new(
        "full-bitfield-is-nothing-with-fast",
        &["B6-NEG-02"],
        "Overlooks a bitfield of all pieces when fast is on: that would be have_all.",
        on(
            |s| match s.message() {
                Some(Message::Bitfield { bits }) => {
                    let set: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
                    s.peer.conn.agreed.fast && set == s.pieces()
                }
                _ => false,
            },
            React::Ignore,
        ),
    )
    .leech(),
    FaultSpec::new(
        "hangs-without-availability",
        &["B6-HA-09"],
        "Does nothing any more when a peer is interested that said nothing of its pieces.",
        on(
            |s| {
                let silent = s.peer.conn.agreed.fast && !s.peer.conn.availability_seen;
                s.is(Kind::Interested) && silent
            },
            React::Hang,
        ),
    )
    .leech(),
    FaultSpec::new(
        "announces-twice-with-fast",
        &["B6-HA-01"],
        "Sends have_all or have_none twice.",
        send(
            |s| s.is(Kind::HaveAll) || s.is(Kind::HaveNone),
            Alter::Twice,
        ),
    ),
    FaultSpec::new(
        "announces-nothing-with-fast",
        &["B6-HA-01"],
        "Sends no availability message although fast is on.",
        send(|s| s.is(Kind::HaveAll) || s.is(Kind::HaveNone), Alter::Drop),
    ),
    FaultSpec::new(
        "seed-says-have-none",
        &["B6-HA-02"],
        "A seed says have_none and no have after it.",
        send(
            |s| s.is(Kind::HaveAll),
            Alter::Other(|_| vec![Wire::Message(Message::HaveNone)]),
        ),
    )
    .seed(),
    FaultSpec::new(
        "leech-announces-what-it-lacks",
        &["B6-HA-03"],
        "An empty leech says have_all.",
        send(
            |s| s.is(Kind::HaveNone),
            Alter::Other(|_| vec![Wire::Message(Message::HaveAll)]),
        ),
    )
    .leech(),
    FaultSpec::new(
        "ignores-have-all",
        &["B6-HA-04"],
        "Is not interested in peers that say have_all.",
        Effect::Quirk(Quirk::IgnoresHaveAll),
    )
    .leech(),
    FaultSpec::new(
        "have-all-lacks-the-last",
        &["B6-HA-04"],
        "Takes have_all for all pieces but the last.",
        Effect::Quirk(Quirk::HaveAllLacksLast),
    )
    .leech(),
    FaultSpec::new(
        "interested-in-nothing",
        &["B6-HA-05", "B3-IN-02"],
        "Is interested in peers that have nothing.",
        Effect::Quirk(Quirk::InterestInNothing),
    )
    .leech()
    .also(&["B21-UO-02"]),
    FaultSpec::new(
        "tolerates-have-all-without-fast",
        &["B6-HA-06"],
        "Ignores have_all from peers without fast.",
        on(|s| unasked(s, Kind::HaveAll), React::Ignore),
    ),
    FaultSpec::new(
        "tolerates-have-none-without-fast",
        &["B6-HA-07"],
        "Ignores have_none from peers without fast.",
        on(|s| unasked(s, Kind::HaveNone), React::Ignore),
    ),
    FaultSpec::new(
        "tolerates-suggest-without-fast",
        &["B6-SU-02"],
        "Ignores suggestions from peers without fast.",
        on(|s| unasked(s, Kind::SuggestPiece), React::Ignore),
    ),
    FaultSpec::new(
        "tolerates-reject-without-fast",
        &["B6-RJ-07"],
        "Ignores rejects from peers without fast.",
        on(|s| unasked(s, Kind::RejectRequest), React::Ignore),
    ),
    FaultSpec::new(
        "tolerates-allowed-fast-without-fast",
        &["B6-AF-01"],
        "Ignores allowed_fast from peers without fast.",
        on(|s| unasked(s, Kind::AllowedFast), React::Ignore),
    ),
    FaultSpec::new(
        "deaf-after-second-availability",
        &["B6-HA-08"],
        "Reads nothing any more after a second availability message.",
        on(
            |s| whole(s) && s.peer.conn.availability_seen && !said_more(s),
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "dies-of-have-none-behind-have-all",
        &["B6-HA-08"],
        "Ends when have_none comes from a peer that had something.",
        on(
            |s| {
                let had = s.peer.conn.their_pieces.count() > 0;
                s.is(Kind::HaveNone) && s.peer.conn.agreed.fast && had
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "never-unchokes-without-availability",
        &["B6-HA-09"],
        "Overlooks interest of peers that never said what they have.",
        on(
            |s| {
                let silent = s.peer.conn.agreed.fast && !s.peer.conn.availability_seen;
                s.is(Kind::Interested) && silent
            },
            React::Ignore,
        ),
    ),
    FaultSpec::new(
        "dies-of-late-have-all",
        &["B6-HA-10"],
        "Ends when have_all comes behind other messages.",
        on(
            |s| s.is(Kind::HaveAll) && s.peer.conn.availability_seen && said_more(s),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "deaf-after-suggestion",
        &["B6-SU-01"],
        "Reads nothing any more after a suggestion.",
        on(
            |s| in_range(s, Kind::SuggestPiece) && s.peer.conn.their_pieces.count() > 1,
            React::Deafen,
        ),
    )
    .leech(),
    FaultSpec::new(
        "seed-closes-on-suggestion",
        &["B6-SU-01"],
        "A seed closes when it gets a suggestion.",
        on(|s| in_range(s, Kind::SuggestPiece), React::Close),
    )
    .seed(),
    FaultSpec::new(
        "dies-of-suggest-out-of-range",
        &["B6-SU-03"],
        "Ends when a piece is suggested that there is not.",
        on(|s| out_of_range(s, Kind::SuggestPiece), React::Exit),
    ),
    FaultSpec::new(
        "requests-suggested-pieces",
        &["B6-SU-04"],
        "Takes a suggestion for a have.",
        Effect::Quirk(Quirk::SuggestIsAvailability),
    )
    .leech(),
    FaultSpec::new(
        "suggests-out-of-range",
        &["B6-SU-05"],
        "Suggests a piece that there is not.",
        send(
            |s| s.is(Kind::Unchoke) && s.peer.conn.agreed.fast,
            Alter::Other(|s| {
                let index = s.peer.torrent.geometry().pieces();
                and(s, Message::SuggestPiece { index })
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "ignores-choked-request",
        &["B6-RJ-01", "B6-RJ-15"],
        "Gives no answer to requests before the first unchoke.",
        Effect::On {
            when: |s| choked_request(s) && !was_unchoked(s),
            nth: Nth::UpTo(100),
            react: React::Ignore,
        },
    )
    .seed(),
    FaultSpec::new(
        "rejects-only-the-first-while-choking",
        &["B6-RJ-01", "B6-RJ-15"],
        "Before the first unchoke, answers the first request with a reject and no other.",
        Effect::On {
            when: |s| choked_request(s) && !was_unchoked(s),
            nth: Nth::After(1),
            react: React::Ignore,
        },
    )
    .seed(),
    FaultSpec::new(
        "forgets-requests-of-who-waits",
        &["B6-RJ-03"],
        "Unchokes late, and gives no answer to what interested peers ask before.",
        Effect::Quirk(Quirk::ForgetsWaiting),
    )
    .seed(),
    FaultSpec::new(
        "closes-on-choked-request",
        &["B6-RJ-01"],
        "Closes on a request before the first unchoke.",
        Effect::On {
            when: |s| choked_request(s) && !was_unchoked(s),
            nth: Nth::First,
            react: React::Close,
        },
    )
    .seed(),
    FaultSpec::new(
        "rejects-with-short-index",
        &["B6-RJ-02", "B6-RJ-16"],
        "Cuts the index of what it rejects to 16 bits.",
        send(
            |s| s.is(Kind::RejectRequest),
            Alter::Other(|s| {
                let block = s.block().unwrap_or(BlockRef::new(0, 0, 0));
                let index = block.index & 0xffff;
                let cut = BlockRef { index, ..block };
                vec![Wire::Message(Message::RejectRequest(cut))]
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "loses-one-answer-with-fast",
        &["B6-RJ-03", "B3-RQ-02", "B3-RQ-20"],
        "The tenth block that answers a burst of some dozens is never sent.",
        Effect::Send {
            which: |s| {
                s.is(Kind::Piece) && s.peer.conn.agreed.fast && (33..100).contains(&asked(s))
            },
            nth: Nth::Only(10),
            alter: Alter::Drop,
        },
    )
    .seed(),
    FaultSpec::new(
        "answers-twice-with-fast",
        &["B6-RJ-03", "B3-RQ-17"],
        "The third block on a connection is sent and then rejected.",
        Effect::Send {
            which: |s| s.is(Kind::Piece) && s.peer.conn.agreed.fast,
            nth: Nth::Only(3),
            alter: Alter::Twice,
        },
    )
    .seed(),
    FaultSpec::new(
        "choke-keeps-requests-pending",
        &["B6-RJ-04"],
        "Rejects nothing at a choke, and serves it no more.",
        Effect::Quirk(Quirk::KeepsPendingAtChoke),
    )
    .seed(),
    FaultSpec::new(
        "rejects-cancel-of-the-served",
        &["B6-RJ-03"],
        "Rejects what is cancelled when its block is out already.",
        Effect::Quirk(Quirk::RejectsCancelOfServed),
    )
    .seed(),
    FaultSpec::new(
        "dht-bit-is-fast",
        &["B6-NEG-01"],
        "Takes the bit of the DHT for that of the fast extension.",
        Effect::Quirk(Quirk::TakesDhtBitForFast),
    ),
    FaultSpec::new(
        "takes-other-bits-for-fast",
        &["B6-NEG-01"],
        "Takes any bit of the last reserved byte for that of the fast extension.",
        Effect::Quirk(Quirk::TakesByteForFast),
    ),
    FaultSpec::new(
        "serves-the-queue-after-choke",
        &["B6-RJ-04"],
        "Serves at a choke what is queued to the end.",
        Effect::Quirk(Quirk::ServesOnAtChoke),
    )
    .seed(),
    FaultSpec::new(
        "rejects-late-after-choke",
        &["B6-RJ-04"],
        "Sends the rejects of a choke 20 s late.",
        send(
            |s| s.is(Kind::RejectRequest) && s.peer.conn.stats.sent.of(Kind::Choke).messages > 0,
            Alter::Late(Duration::from_secs(20)),
        ),
    )
    .seed(),
    FaultSpec::new(
        "rejects-another-length",
        &["B6-RJ-02", "B6-RJ-04"],
        "The rejects of a choke name a length that is one too small.",
        send(
            |s| s.is(Kind::RejectRequest) && s.peer.conn.stats.sent.of(Kind::Choke).messages > 0,
            Alter::Other(|s| {
                let block = s.block().unwrap_or(BlockRef::new(0, 0, 1));
                let length = block.length.saturating_sub(1);
                let other = BlockRef { length, ..block };
                vec![Wire::Message(Message::RejectRequest(other))]
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "rejects-before-choke",
        &["B6-RJ-05"],
        "Sends the rejects of a choke before the choke.",
        Effect::Quirk(Quirk::RejectsBeforeChoke),
    )
    .seed(),
    FaultSpec::new(
        "choke-rejects-allowed-fast",
        &["B6-RJ-06"],
        "Rejects allowed-fast requests at a choke too.",
        Effect::Quirk(Quirk::RejectsAllowedFastAtChoke),
    )
    .seed(),
    FaultSpec::new(
        "tolerates-unrequested-reject",
        &["B6-RJ-08"],
        "Ignores a reject of a request that it never sent.",
        Effect::Set(|s| s.unrequested_reject = Tolerance::Ignore),
    ),
    FaultSpec::new(
        "matches-rejects-loosely",
        &["B6-RJ-09"],
        "Takes a reject for that of any request of the piece.",
        Effect::Quirk(Quirk::MatchesRejectsLoosely),
    )
    .leech(),
    FaultSpec::new(
        "tolerates-unrequested-piece",
        &["B6-RJ-10"],
        "Ignores a piece that it never asked for, although fast is on.",
        Effect::Set(|s| s.unrequested_piece = Tolerance::Ignore),
    ),
    FaultSpec::new(
        "tolerates-unrequested-beside-its-piece",
        &["B6-RJ-10"],
        "Ignores a block that it never asked for while it waits for another one of the piece.",
        Effect::Quirk(Quirk::ToleratesBesidePiece),
    )
    .leech(),
    FaultSpec::new(
        "tolerates-unrequested-beside-any",
        &["B6-RJ-10"],
        "Ignores a block that it never asked for while it waits for any other.",
        Effect::Quirk(Quirk::ToleratesBesideAny),
    )
    .leech(),
    FaultSpec::new(
        "drops-cancelled-request",
        &["B6-RJ-11"],
        "Gives no answer to a request that was cancelled.",
        Effect::Quirk(Quirk::DropsCancelled),
    )
    .seed(),
    FaultSpec::new(
        "answers-cancelled-request-twice",
        &["B6-RJ-11", "B6-RJ-03", "B3-RQ-17"],
        "Rejects a cancelled request and serves it too.",
        Effect::Quirk(Quirk::AnswersCancelledTwice),
    )
    .seed(),
    FaultSpec::new(
        "closes-on-answer-to-cancelled",
        &["B6-RJ-12"],
        "Closes when what it cancelled is answered after all.",
        on(
            |s| {
                let pending = s.peer.conn.pending.iter();
                let mut cancelled = pending.filter(|p| p.cancelled).map(|p| p.block);
                match s.message() {
                    Some(Message::RejectRequest(block)) => cancelled.any(|b| b == *block),
                    Some(Message::Piece { index, begin, .. }) => {
                        cancelled.any(|b| (b.index, b.begin) == (*index, *begin))
                    }
                    _ => false,
                }
            },
            React::Close,
        ),
    )
    .leech(),
    FaultSpec::new(
        "closes-on-piece-behind-own-cancel",
        &["B6-RJ-12"],
        "Closes when the block comes that it has cancelled.",
        on(
            |s| match s.message() {
                Some(Message::Piece { index, begin, .. }) => {
                    let pending = s.peer.conn.pending.iter();
                    let mut cancelled = pending.filter(|p| p.cancelled).map(|p| p.block);
                    cancelled.any(|b| (b.index, b.begin) == (*index, *begin))
                }
                _ => false,
            },
            React::Close,
        ),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-many-rejects",
        &["B6-RJ-17"],
        "Ends when a dozen of its requests in a row were rejected.",
        on(
            |s| s.is(Kind::RejectRequest) && s.peer.conn.rejects_in_a_row >= 11,
            React::Exit,
        ),
    )
    .leech(),
    FaultSpec::new(
        "forgets-rejected-blocks",
        &["B6-RJ-13"],
        "Never asks again for a block that was rejected.",
        Effect::Quirk(Quirk::ForgetsRejected),
    )
    .leech(),
    FaultSpec::new(
        "forgets-blocks-rejected-under-choke",
        &["B6-RJ-13"],
        "Never asks again for a block that was rejected behind a choke.",
        Effect::Quirk(Quirk::ForgetsRejectedChoked),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-duplicate-request",
        &["B6-RJ-14"],
        "Ends when a request comes that is pending.",
        on(
            |s| {
                let mut queued = s.peer.conn.uploads.iter();
                s.request()
                    .is_some_and(|block| queued.any(|u| u.block == block))
            },
            React::Exit,
        ),
    )
    .seed(),
    FaultSpec::new(
        "rejects-only-some-of-a-flood",
        &["B6-RJ-15"],
        "Rejects 200 requests made while choking and drops the rest.",
        Effect::On {
            when: choked_request,
            nth: Nth::After(200),
            react: React::Ignore,
        },
    )
    .seed(),
    FaultSpec::new(
        "ignores-invalid-request-with-fast",
        &["B6-RJ-16"],
        "Gives no answer to requests of blocks that there are not.",
        on(
            |s| {
                let geometry = s.peer.torrent.geometry();
                let invalid = s.request().is_some_and(|block| !geometry.contains(&block));
                invalid && s.peer.conn.agreed.fast
            },
            React::Ignore,
        ),
    )
    .seed(),
    FaultSpec::new(
        "choke-drops-own-requests-with-fast",
        &["B6-RJ-18"],
        "Forgets its requests at a choke although fast is on.",
        Effect::Quirk(Quirk::DropsPendingAtTheirChoke),
    )
    .leech(),
    FaultSpec::new(
        "unchoke-drops-own-requests-with-fast",
        &["B6-RJ-18"],
        "Forgets its requests at the unchoke behind a choke although fast is on.",
        Effect::Quirk(Quirk::DropsPendingAtUnchoke),
    )
    .leech(),
    FaultSpec::new(
        "requests-before-unchoke",
        &["B6-RJ-19", "B3-CH-01"],
        "Requests any piece before the first unchoke.",
        Effect::Quirk(Quirk::RequestsWhileChoked),
    )
    .leech(),
    FaultSpec::new(
        "ignores-request-for-missing-piece",
        &["B6-RJ-20"],
        "Gives no answer to requests for pieces that it lacks.",
        on(
            |s| {
                let have = s.peer.store.have();
                let missing = s.request().is_some_and(|block| !have.get(block.index));
                missing && s.peer.conn.agreed.fast
            },
            React::Ignore,
        ),
    )
    .leech(),
    FaultSpec::new(
        "ignores-request-for-missing-piece-unchoked",
        &["B6-RJ-20"],
        "Gives no answer to requests of peers that it serves for pieces that it lacks.",
        on(
            |s| {
                let have = s.peer.store.have();
                let missing = s.request().is_some_and(|block| !have.get(block.index));
                missing && s.peer.conn.agreed.fast && !s.peer.conn.us.choking
            },
            React::Ignore,
        ),
    )
    .leech(),
    FaultSpec::new(
        "rejects-one-request-per-choke",
        &["B6-RJ-21"],
        "Behind a choke, answers the first request with a reject and no other.",
        Effect::On {
            when: |s| choked_request(s) && was_unchoked(s),
            nth: Nth::After(1),
            react: React::Ignore,
        },
    )
    .seed(),
    FaultSpec::new(
        "closes-on-request-after-choke",
        &["B6-RJ-21"],
        "Closes on a request that comes after a choke.",
        on(|s| choked_request(s) && was_unchoked(s), React::Close),
    )
    .seed(),
    FaultSpec::new(
        "offers-no-allowed-fast",
        &["B6-AF-02"],
        "Sends no allowed_fast.",
        Effect::Set(|s| s.allowed_fast = 0),
    ),
    FaultSpec::new(
        "allowed-fast-out-of-range",
        &["B6-AF-03", "B6-AF-04"],
        "Allows a piece that there is not.",
        send(
            |s| s.is(Kind::Unchoke) && s.peer.conn.agreed.fast,
            Alter::Other(|s| {
                let index = s.peer.torrent.geometry().pieces();
                and(s, Message::AllowedFast { index })
            }),
        ),
    ),
    FaultSpec::new(
        "allowed-fast-of-whole-address",
        &["B6-AF-04"],
        "Does not mask the address for the allowed-fast set.",
        Effect::Quirk(Quirk::AllowedFastUnmasked),
    ),
    FaultSpec::new(
        "allowed-fast-changes",
        &["B6-AF-05", "B6-AF-04"],
        "Allows other pieces on each connection.",
        Effect::Quirk(Quirk::AllowedFastRandom),
    ),
    FaultSpec::new(
        "ignores-allowed-fast-request",
        &["B6-AF-06"],
        "Gives no answer to requests for pieces that it allowed, while choking.",
        on(allowed_request, React::Ignore),
    )
    .seed(),
    FaultSpec::new(
        "answers-one-allowed-fast-request",
        &["B6-AF-06"],
        "While choking, answers one request for pieces that it allowed and no other.",
        Effect::On {
            when: allowed_request,
            nth: Nth::After(1),
            react: React::Ignore,
        },
    )
    .seed(),
    FaultSpec::new(
        "answers-first-blocks-of-allowed-fast",
        &["B6-AF-06"],
        "While choking, answers requests for the first block of pieces that it allowed only.",
        on(
            |s| allowed_request(s) && s.request().is_some_and(|block| block.begin > 0),
            React::Ignore,
        ),
    )
    .seed(),
    FaultSpec::new(
        "requests-allowed-fast-not-announced",
        &["B6-AF-07"],
        "Takes allowed_fast for a have.",
        Effect::Quirk(Quirk::AllowedFastIsAvailability),
    )
    .leech(),
    FaultSpec::new(
        "hangs-on-nearly-complete-peer",
        &["B6-AF-13"],
        "Does nothing any more when a peer is interested that lacks one piece.",
        on(
            |s| {
                let theirs = s.peer.conn.their_pieces.count();
                let nearly = theirs > 10 && theirs + 1 == s.pieces();
                s.is(Kind::Interested) && s.peer.conn.agreed.fast && nearly
            },
            React::Hang,
        ),
    )
    .seed(),
    FaultSpec::new(
        "closes-on-late-allowed-fast",
        &["B6-AF-08"],
        "Closes when allowed_fast comes some seconds after the handshake.",
        on(
            |s| {
                let age = s.peer.now.saturating_sub(s.peer.conn.open_since);
                in_range(s, Kind::AllowedFast) && age.as_secs() >= 3
            },
            React::Close,
        ),
    )
    .leech(),
    FaultSpec::new(
        "seed-closes-on-allowed-fast",
        &["B6-AF-08"],
        "A seed closes when it is allowed a piece.",
        on(|s| in_range(s, Kind::AllowedFast), React::Close),
    )
    .seed(),
    FaultSpec::new(
        "dies-of-allowed-fast-out-of-range",
        &["B6-AF-09"],
        "Ends when a piece is allowed that there is not.",
        on(|s| out_of_range(s, Kind::AllowedFast), React::Exit),
    ),
    FaultSpec::new(
        "hangs-on-many-allowed-fast",
        &["B6-AF-10"],
        "Does nothing any more after a thousand allowed pieces or suggestions.",
        Effect::On {
            when: |s| s.is(Kind::AllowedFast) || s.is(Kind::SuggestPiece),
            nth: Nth::After(1000),
            react: React::Hang,
        },
    ),
    FaultSpec::new(
        "allowed-fast-never-ends",
        &["B6-AF-11"],
        "Looks for ten different pieces where there are fewer.",
        Effect::Quirk(Quirk::AllowedFastEndless),
    ),
];

/// A fast message although fast is off.
fn unasked(seen: &Seen<'_>, kind: Kind) -> bool {
    seen.is(kind) && !seen.peer.conn.agreed.fast
}

/// One of the two short availability messages, fast being on.
fn whole(seen: &Seen<'_>) -> bool {
    (seen.is(Kind::HaveAll) || seen.is(Kind::HaveNone)) && seen.peer.conn.agreed.fast
}

/// Whether more than availability came before.
fn said_more(seen: &Seen<'_>) -> bool {
    let received = &seen.peer.conn.stats.received;
    received.of(Kind::Interested).messages + received.of(Kind::Have).messages > 0
}

fn index(seen: &Seen<'_>, kind: Kind) -> Option<u32> {
    match seen.message().filter(|message| message.kind() == kind)? {
        Message::SuggestPiece { index } | Message::AllowedFast { index } => Some(*index),
        _ => None,
    }
}

fn in_range(seen: &Seen<'_>, kind: Kind) -> bool {
    index(seen, kind).is_some_and(|index| index < seen.pieces() && seen.peer.conn.agreed.fast)
}

fn out_of_range(seen: &Seen<'_>, kind: Kind) -> bool {
    index(seen, kind).is_some_and(|index| index >= seen.pieces() && seen.peer.conn.agreed.fast)
}

/// A sound request that is to be rejected because we are choking.
fn choked_request(seen: &Seen<'_>) -> bool {
    let conn = seen.peer.conn;
    seen.request().is_some_and(|block| {
        conn.agreed.fast
            && conn.us.choking
            && seen.peer.torrent.geometry().contains(&block)
            && !conn.allowed_to_them.contains(&block.index)
    })
}

/// A request, while we are choking, for a piece that we allowed.
fn allowed_request(seen: &Seen<'_>) -> bool {
    let conn = seen.peer.conn;
    let block = seen.request();
    conn.us.choking && block.is_some_and(|block| conn.allowed_to_them.contains(&block.index))
}

/// How many requests have come on the connection.
fn asked(sent: &Sent<'_>) -> u64 {
    sent.peer.conn.stats.received.of(Kind::Request).messages
}

fn was_unchoked(seen: &Seen<'_>) -> bool {
    seen.peer.conn.stats.sent.of(Kind::Unchoke).messages > 0
}
