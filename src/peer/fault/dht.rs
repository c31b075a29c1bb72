//! Defects of the port message (BEP 5).

use std::time::Duration;

use super::{Alter, Effect, FaultSpec, Nth, React, Wire, on, send};
use crate::wire::{Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "port-without-dht-bit",
        &["B5-PT-02"],
        "Sends a port message to peers without the DHT bit.",
        send(
            |s| super::framing::opens(s) && !s.peer.conn.agreed.dht,
            Alter::Other(|s| super::framing::and(s, Message::Port { port: 6881 })),
        ),
    ),
    FaultSpec::new(
        "dies-of-port-zero",
        &["B5-PT-03"],
        "Ends when a port message names port 0.",
        on(
            |s| matches!(s.message(), Some(Message::Port { port: 0 })),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "closes-on-port",
        &["B5-PT-03"],
        "Closes when a port message comes.",
        on(|s| s.is(Kind::Port), React::Close),
    ),
    FaultSpec::new(
        "tells-no-port",
        &["B5-PT-01"],
        "Sets the DHT bit and sends no port message.",
        send(|s| s.is(Kind::Port), Alter::Drop),
    ),
    FaultSpec::new(
        "tells-port-late",
        &["B5-PT-01"],
        "Sends its port message 20 s late.",
        send(|s| s.is(Kind::Port), Alter::Late(Duration::from_secs(20))),
    ),
    FaultSpec::new(
        "tells-port-zero",
        &["B5-PT-01"],
        "Sends port 0 in its port message.",
        send(
            |s| s.is(Kind::Port),
            Alter::Other(|_| vec![Wire::Message(Message::Port { port: 0 })]),
        ),
    ),
    FaultSpec::new(
        "tells-port-once",
        &["B5-PT-01"],
        "Sends its port message to its first peer only.",
        send(|s| s.is(Kind::Port) && s.peer.conn.ordinal > 1, Alter::Drop),
    ),
    FaultSpec::new(
        "tells-port-to-callers-only",
        &["B5-PT-01"],
        "Sends no port message to whom it dialled.",
        send(|s| s.is(Kind::Port) && s.peer.conn.initiator, Alter::Drop),
    )
    .dialling(),
    FaultSpec::new(
        "tells-port-mirrored",
        &["B5-PT-01"],
        "Sends the bytes of its port the other way round.",
        send(
            |s| s.is(Kind::Port),
            Alter::Other(|s| match s.message {
                Message::Port { port } => {
                    let port = port.swap_bytes();
                    vec![Wire::Message(Message::Port { port })]
                }
                _ => Vec::new(),
            }),
        ),
    ),
    FaultSpec::new(
        "closes-on-second-port",
        &["B5-PT-03"],
        "Closes when a second port message comes.",
        Effect::On {
            when: |s| s.is(Kind::Port),
            nth: Nth::Only(2),
            react: React::Close,
        },
    ),
    FaultSpec::new(
        "dies-of-port-without-bit",
        &["B5-PT-03"],
        "Ends when a peer without the DHT bit sends a port message.",
        on(|s| s.is(Kind::Port) && !s.peer.conn.agreed.dht, React::Exit),
    ),
    FaultSpec::new(
        "hangs-on-largest-port",
        &["B5-PT-03"],
        "Does nothing any more after port 65535.",
        on(
            |s| matches!(s.message(), Some(Message::Port { port: u16::MAX })),
            React::Hang,
        ),
    ),
];
