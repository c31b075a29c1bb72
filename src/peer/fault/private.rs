//! Defects that show on private torrents (BEP 27).

use std::time::Duration;

use bytes::Bytes;

use super::{Alter, Effect, FaultSpec, Quirk, React, Wire, on, send};
use crate::wire::{Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "pex-on-private-torrent",
        &["B27-PV-01"],
        "Tells peers although the torrent is private.",
        on(
            |s| {
                let private = s.peer.torrent.metainfo().is_private();
                let offered = s
                    .extended_handshake()
                    .and_then(|hello| hello.ext_id("ut_pex"));
                private && offered.is_some_and(|id| id != 0)
            },
            React::SayLater(Duration::from_secs(1), |s| {
                let offered = s
                    .extended_handshake()
                    .and_then(|hello| hello.ext_id("ut_pex"));
                let payload = Bytes::from_static(b"d5:added6:\x7f\0\0\x01\x1a\xe17:added.f1:\0e");
                let ext_id = offered.unwrap_or(0);
                vec![Wire::Message(Message::Extended { ext_id, payload })]
            }),
        ),
    ),
    FaultSpec::new(
        "exchanges-private-peers",
        &["B27-PV-01"],
        "Tells the peers of a private torrent of each other, as of any.",
        Effect::Quirk(Quirk::ExchangesPrivately),
    ),
    FaultSpec::new(
        "keeps-peers-of-old-tracker",
        &["B27-PV-06"],
        "Keeps the peers of a private torrent when it turns to another tracker.",
        Effect::Quirk(Quirk::KeepsOldPeers),
    )
    .dialling(),
    FaultSpec::new(
        "keeps-callers-of-old-tracker",
        &["B27-PV-06"],
        "Keeps peers of a private torrent that dialled in when it turns to another tracker.",
        Effect::Quirk(Quirk::KeepsOldCallers),
    )
    .dialling(),
    FaultSpec::new(
        "dials-private-contacts",
        &["B27-PV-02"],
        "Dials peers of a private torrent that a ut_pex message names.",
        Effect::Quirk(Quirk::DialsPrivateContacts),
    ),
    FaultSpec::new(
        "never-unchokes-private-strangers",
        &["B27-PV-04"],
        "Keeps peers of a private torrent choked that dial in.",
        send(
            |s| {
                let private = s.peer.torrent.metainfo().is_private();
                s.is(Kind::Unchoke) && private && !s.peer.conn.initiator
            },
            Alter::Drop,
        ),
    )
    .seed(),
    FaultSpec::new(
        "asks-no-private-strangers",
        &["B27-PV-04"],
        "Wants nothing of peers of a private torrent that dial in.",
        send(
            |s| {
                let private = s.peer.torrent.metainfo().is_private();
                s.is(Kind::Interested) && private && !s.peer.conn.initiator
            },
            Alter::Drop,
        ),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-odd-private-metadata-request",
        &["B27-PV-05"],
        "Ends when it is asked for metadata of a private torrent that does not exist.",
        on(
            |s| match s.message() {
                Some(Message::Extended { ext_id, payload }) => {
                    let asks = payload.starts_with(b"d8:msg_typei0e5:piecei99e");
                    asks && *ext_id != 0 && s.peer.torrent.metainfo().is_private()
                }
                _ => false,
            },
            React::Exit,
        ),
    ),
];
