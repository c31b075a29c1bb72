//! Defects that show on connections which the peer dials.

use std::time::Duration;

use super::extended::{changed, hello};
use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, What, on, send};
use crate::wire::Kind;
use crate::wire::bencode::Value;

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "dials-any-info-hash",
        &["B3-HS-05"],
        "Does not compare the info hash that comes back on a dial.",
        Effect::Quirk(Quirk::DialsAnyHash),
    )
    .dialling(),
    FaultSpec::new(
        "dialled-handshake-coalesced-loses-bytes",
        &["B3-HS-11"],
        "On a dial, messages in the segment that ends the handshake are lost.",
        Effect::Quirk(Quirk::LosesCoalescedDialling),
    )
    .dialling(),
    FaultSpec::new(
        "dialled-handshake-refused-when-split",
        &["B3-HS-11"],
        "On a dial, expects the handshake in one segment.",
        Effect::Quirk(Quirk::RefusesSplitHandshakeDialling),
    )
    .dialling(),
    FaultSpec::new(
        "dials-and-waits",
        &["B3-HS-13"],
        "Dials, then waits for the other end to speak.",
        Effect::Quirk(Quirk::DialsWaiting),
    )
    .dialling(),
    FaultSpec::new(
        "never-unchokes-dialled",
        &["B3-HS-29"],
        "Unchokes nobody whom it dialled.",
        Effect::Quirk(Quirk::NeverUnchokesDialled),
    )
    .seed()
    .dialling(),
    FaultSpec::new(
        "wrong-port-when-dialling",
        &["B10-HS-06"],
        "Tells a port at which it does not listen.",
        send(
            |s| hello(s) && s.peer.conn.initiator,
            Alter::Other(|s| changed(s, |hello| hello.with("p", Value::Int(9)))),
        ),
    )
    .dialling(),
    FaultSpec::new(
        "dials-and-hesitates",
        &["B3-HS-13"],
        "Dials, and speaks 25 s later if the other end has not.",
        Effect::Quirk(Quirk::DialsHesitating),
    )
    .dialling(),
    FaultSpec::new(
        "dials-compares-half-the-hash",
        &["B3-HS-05"],
        "Compares only the first bytes of the info hash that comes back on a dial.",
        Effect::Quirk(Quirk::DialsSimilarHash),
    )
    .dialling(),
    FaultSpec::new(
        "dials-never-severs",
        &["B3-HS-05"],
        "Reads nothing more on a dial that another info hash came back on, and does not close.",
        on(
            |s| match s.what {
                What::Opening(bytes) if bytes.len() >= 48 && s.peer.conn.initiator => {
                    bytes.get(28..48) != Some(&s.peer.torrent.info_hash().0[..])
                }
                _ => false,
            },
            React::Deafen,
        ),
    )
    .dialling(),
    FaultSpec::new(
        "dies-of-unexpected-peer-id",
        &["B3-HS-19"],
        "Ends when a peer has another id than the tracker told.",
        on(
            |s| {
                let expected = s.peer.conn.expected;
                s.handshake()
                    .is_some_and(|h| expected.is_some_and(|id| id != h.peer_id))
            },
            React::Exit,
        ),
    )
    .dialling(),
    FaultSpec::new(
        "announces-another-peer-id",
        &["B3-HS-30"],
        "Tells the tracker another peer id than peers.",
        Effect::Quirk(Quirk::AnnouncesAnotherId),
    )
    .dialling(),
    FaultSpec::new(
        "serves-nobody-it-dialled",
        &["B3-HS-29"],
        "Leaves requests on connections that it dialled without answer.",
        on(
            |s| s.is(Kind::Request) && s.peer.conn.initiator,
            React::Ignore,
        ),
    )
    .seed()
    .dialling(),
    FaultSpec::new(
        "serves-one-block-to-whom-it-dialled",
        &["B3-HS-29"],
        "Answers one request on a connection that it dialled.",
        Effect::On {
            when: |s| s.is(Kind::Request) && s.peer.conn.initiator,
            nth: Nth::After(1),
            react: React::Ignore,
        },
    )
    .seed()
    .dialling(),
    FaultSpec::new(
        "wants-nothing-of-whom-it-dialled",
        &["B3-HS-29"],
        "A leech overlooks what those have whom it dialled.",
        on(
            |s| {
                let tells = s.is(Kind::Have) || s.is(Kind::Bitfield) || s.is(Kind::HaveAll);
                tells && s.peer.conn.initiator
            },
            React::Ignore,
        ),
    )
    .leech()
    .dialling(),
    FaultSpec::new(
        "own-ids-when-dialling",
        &["B10-HS-08"],
        "Uses its own extension ids on connections that it dialled.",
        Effect::Quirk(Quirk::OwnIdsDialling),
    )
    .dialling(),
    FaultSpec::new(
        "introduces-itself-to-callers-only",
        &["B10-NEG-02"],
        "Sends no extended handshake on connections that it dialled.",
        send(|s| hello(s) && s.peer.conn.initiator, Alter::Drop),
    )
    .dialling(),
    FaultSpec::new(
        "dies-of-eof-in-answer-to-dial",
        &["B3-HS-23"],
        "Ends when the answer to a dial ends in the middle.",
        on(
            |s| {
                let begun = matches!(s.what, What::Eof(rest) if !rest.is_empty());
                begun && s.peer.conn.initiator && !s.peer.conn.is_open()
            },
            React::Exit,
        ),
    )
    .dialling(),
    FaultSpec::new(
        "dies-of-reset-in-answer-to-dial",
        &["B3-HS-23"],
        "Ends when a connection is reset in the middle of the answer to a dial.",
        on(
            |s| {
                let conn = s.peer.conn;
                let begun = conn.initiator && !conn.is_open() && !conn.opening.raw().is_empty();
                matches!(s.what, What::Reset) && begun
            },
            React::Exit,
        ),
    )
    .dialling(),
    FaultSpec::new(
        "dials-any-protocol",
        &["B3-HS-07"],
        "Does not compare the protocol string that comes back on a dial.",
        Effect::Quirk(Quirk::SkipsProtocolStringDialling),
    )
    .dialling(),
    FaultSpec::new(
        "dials-any-protocol-length",
        &["B3-HS-06"],
        "Does not look at the first byte that comes back on a dial.",
        Effect::Quirk(Quirk::SkipsProtocolLengthDialling),
    )
    .dialling(),
    FaultSpec::new(
        "misspells-protocol-when-dialling",
        &["B3-HS-02"],
        "Writes the protocol string with a capital P when it dials.",
        Effect::Quirk(Quirk::MisspellsDialling),
    )
    .dialling(),
    FaultSpec::new(
        "shows-no-bitfield-when-dialling",
        &["B3-BF-04"],
        "Sends no bitfield to whom it dialled, unless with fast.",
        send(
            |s| s.is(Kind::Bitfield) && s.peer.conn.initiator && !s.peer.conn.agreed.fast,
            Alter::Drop,
        ),
    )
    .dialling(),
    FaultSpec::new(
        "have-only-to-callers",
        &["B3-HV-01"],
        "Says have only to peers that dialled in.",
        send(|s| s.is(Kind::Have) && s.peer.conn.initiator, Alter::Drop),
    )
    .leech()
    .dialling(),
    FaultSpec::new(
        "leaves-whom-it-dialled-after-a-minute",
        &["B3-TO-04"],
        "Closes connections that it dialled after a minute.",
        on(
            |s| {
                let conn = s.peer.conn;
                let age = s.peer.now.saturating_sub(conn.open_since);
                s.is(Kind::KeepAlive) && conn.initiator && age >= Duration::from_secs(60)
            },
            React::Close,
        ),
    )
    .dialling(),
    FaultSpec::new(
        "keeps-no-dialled-connection-alive",
        &["B3-TO-01"],
        "Sends no keep-alives to whom it dialled.",
        send(
            |s| s.is(Kind::KeepAlive) && s.peer.conn.initiator,
            Alter::Drop,
        ),
    )
    .dialling(),
    FaultSpec::new(
        "shows-nothing-when-dialling",
        &["B6-HA-01", "B3-BF-04"],
        "Does not say what it has on connections that it dialled.",
        send(
            |s| {
                let tells = s.is(Kind::HaveAll) || s.is(Kind::HaveNone) || s.is(Kind::Bitfield);
                tells && s.peer.conn.initiator
            },
            Alter::Drop,
        ),
    )
    .dialling(),
];
