//! Defects of peer exchange (BEP 11).

use std::time::Duration;

use bytes::Bytes;

use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, Seen, Sent, Wire, on, send};
use crate::wire::bencode::{Dict, Value};
use crate::wire::extension::PexMessage;
use crate::wire::{ExtensionMessage, Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "pex-with-ragged-list",
        &["B11-FMT-01"],
        "Leaves out the last byte of added.",
        send(
            pex,
            Alter::Other(|s| list(s, "added", |bytes| bytes.truncate(bytes.len() - 1))),
        ),
    ),
    FaultSpec::new(
        "pex-with-text-addresses",
        &["B11-FMT-01"],
        "Writes added contacts as a list of texts.",
        send(
            pex,
            Alter::Other(|s| {
                changed(s, |dict| {
                    for (key, value) in dict.iter_mut() {
                        if key.as_ref() == b"added" {
                            *value = Value::List(vec![Value::text("127.0.0.1:6881")]);
                        }
                    }
                })
            }),
        ),
    ),
    FaultSpec::new(
        "pex-is-a-list",
        &["B11-FMT-01"],
        "Puts its ut_pex dictionary into a list.",
        send(
            pex,
            Alter::Other(|s| raw(s, |bytes| [b"l", &bytes[..], b"e"].concat())),
        ),
    ),
    FaultSpec::new(
        "pex-with-bytes-behind",
        &["B11-FMT-01"],
        "Puts bytes behind the dictionary of ut_pex.",
        send(
            pex,
            Alter::Other(|s| raw(s, |bytes| [&bytes[..], b"e"].concat())),
        ),
    ),
    FaultSpec::new(
        "pex-with-one-flag-byte",
        &["B11-FMT-02"],
        "Sends one byte of flags too many.",
        send(
            pex,
            Alter::Other(|s| list(s, "added.f", |bytes| bytes.push(0))),
        ),
    ),
    FaultSpec::new(
        "pex-with-flags-short",
        &["B11-FMT-02"],
        "Sends no byte of flags for the last contact of a later message.",
        Effect::Send {
            which: pex,
            nth: Nth::After(1),
            alter: Alter::Other(|s| {
                list(s, "added.f", |bytes| {
                    bytes.pop();
                })
            }),
        },
    ),
    FaultSpec::new(
        "pex-empty",
        &["B11-FMT-03"],
        "Sends an empty dictionary for its first message.",
        Effect::Send {
            which: pex,
            nth: Nth::First,
            alter: Alter::Other(|s| {
                let mut wires = changed(s, Vec::clear);
                wires.truncate(1);
                wires
            }),
        },
    ),
    FaultSpec::new(
        "pex-with-reserved-flag",
        &["B11-FMT-04"],
        "Sets a reserved flag of the first contact.",
        send(
            pex,
            Alter::Other(|s| {
                list(s, "added.f", |bytes| {
                    if let Some(first) = bytes.first_mut() {
                        *first |= 0x20;
                    }
                })
            }),
        ),
    ),
    FaultSpec::new(
        "pex-tells-of-half-open",
        &["B11-ADD-01"],
        "Tells of connections that have no session yet.",
        Effect::Quirk(Quirk::ExchangesEarly),
    ),
    FaultSpec::new(
        "pex-to-who-offers-none",
        &["B11-NEG-01", "B10-HS-08"],
        "Sends ut_pex under its own id to a peer that has not offered it.",
        Effect::Quirk(Quirk::ExchangesUnasked),
    )
    .also(&["B10-RX-04"]),
    FaultSpec::new(
        "pex-later-to-who-offers-none",
        &["B11-NEG-01", "B10-HS-08"],
        "Sends a second round of ut_pex to peers that have not offered it, too.",
        Effect::Quirk(Quirk::ExchangesUnaskedLater),
    )
    .also(&["B10-RX-04"]),
    FaultSpec::new(
        "pex-passes-on-hearsay",
        &["B11-ADD-01"],
        "Tells of contacts that somebody else told it.",
        Effect::Quirk(Quirk::ExchangesHearsay),
    ),
    FaultSpec::new(
        "pex-with-source-port",
        &["B11-ADD-02"],
        "Tells of incoming connections with the port that they come from.",
        Effect::Quirk(Quirk::ExchangesSourcePorts),
    ),
    FaultSpec::new(
        "pex-with-swapped-port",
        &["B11-ADD-02"],
        "Writes ports in little-endian order.",
        send(
            pex,
            Alter::Other(|s| {
                list(s, "added", |bytes| {
                    bytes.chunks_exact_mut(6).for_each(swap_port);
                })
            }),
        ),
    ),
    FaultSpec::new(
        "pex-adds-twice",
        &["B11-ADD-03"],
        "Lists the first added contact twice.",
        send(
            pex,
            Alter::Other(|s| {
                changed(s, |dict| {
                    twice(dict, "added", 6);
                    twice(dict, "added.f", 1);
                })
            }),
        ),
    ),
    FaultSpec::new(
        "pex-adds-what-it-drops",
        &["B11-ADD-03"],
        "Adds again what it drops.",
        send(
            |s| pex(s) && message(s).is_some_and(|pex| !pex.dropped().is_empty()),
            Alter::Other(|s| {
                changed(s, |dict| {
                    let dropped = dict.iter().find(|(key, _)| key.as_ref() == b"dropped");
                    let dropped = dropped.map(|(_, value)| value.clone());
                    dict.retain(|(key, _)| !key.starts_with(b"added"));
                    dict.extend(dropped.map(|it| (Bytes::from_static(b"added"), it)));
                    dict.sort_by(|one, other| one.0.cmp(&other.0));
                })
            }),
        ),
    ),
    FaultSpec::new(
        "pex-adds-fifty-one",
        &["B11-ADD-04"],
        "Adds 51 contacts in its second message.",
        Effect::Send {
            which: pex,
            nth: Nth::Only(2),
            alter: Alter::Other(|s| {
                changed(s, |dict| {
                    let made_up = (0..51_u8).flat_map(|n| [10, 9, 8, n, 26, 225]);
                    dict.retain(|(key, _)| !key.starts_with(b"added"));
                    let added = Value::Bytes(made_up.collect());
                    dict.insert(0, (Bytes::from_static(b"added"), added));
                })
            }),
        },
    ),
    FaultSpec::new(
        "pex-never-drops",
        &["B11-DRP-01"],
        "Takes nobody back.",
        send(
            pex,
            Alter::Other(|s| {
                changed(s, |dict| {
                    dict.retain(|(key, _)| !key.starts_with(b"dropped"))
                })
            }),
        ),
    ),
    FaultSpec::new(
        "pex-drops-latest-only",
        &["B11-DRP-01"],
        "Takes nobody back but those of its latest message.",
        Effect::Quirk(Quirk::DropsLatestOnly),
    ),
    FaultSpec::new(
        "pex-forgets-reset-peers",
        &["B11-DRP-01"],
        "Does not take peers back whose connection is reset.",
        Effect::Quirk(Quirk::ForgetsResetPeers),
    ),
    FaultSpec::new(
        "pex-drops-the-living",
        &["B11-DRP-03"],
        "Takes those back that it told of before, though they are still connected.",
        Effect::Quirk(Quirk::DropsWhatIsNotNew),
    ),
    FaultSpec::new(
        "pex-drops-somebody-else",
        &["B11-DRP-01", "B11-DRP-02"],
        "Takes back another address than that which has gone.",
        send(
            pex,
            Alter::Other(|s| {
                list(s, "dropped", |bytes| {
                    bytes.chunks_exact_mut(6).for_each(|it| flip(it, 3, 0x40));
                })
            }),
        ),
    ),
    FaultSpec::new(
        "pex-drops-another-port",
        &["B11-DRP-02"],
        "Takes contacts back under another port.",
        send(
            pex,
            Alter::Other(|s| {
                list(s, "dropped", |bytes| {
                    bytes.chunks_exact_mut(6).for_each(|it| flip(it, 5, 1));
                })
            }),
        ),
    ),
    FaultSpec::new(
        "pex-every-half-minute",
        &["B11-RATE-01"],
        "Sends ut_pex every 30 s.",
        Effect::Set(|s| s.pex_every = Duration::from_secs(30)),
    ),
    FaultSpec::new(
        "pex-every-fifty-seconds",
        &["B11-RATE-01"],
        "Sends ut_pex every 50 s.",
        Effect::Set(|s| s.pex_every = Duration::from_secs(50)),
    ),
    FaultSpec::new(
        "pex-second-message-early",
        &["B11-RATE-01"],
        "Sends its second ut_pex message soon, and the others in time.",
        Effect::Quirk(Quirk::ExchangesTwiceAtFirst),
    ),
    FaultSpec::new(
        "pex-repeated-later",
        &["B11-RATE-01"],
        "Sends its second ut_pex message twice.",
        Effect::Send {
            which: pex,
            nth: Nth::Only(2),
            alter: Alter::Twice,
        },
    ),
    FaultSpec::new(
        "dies-of-pex-flood",
        &["B11-RATE-02"],
        "Ends at the eighth ut_pex message of a connection.",
        Effect::On {
            when: told,
            nth: Nth::Only(8),
            react: React::Exit,
        },
    ),
    FaultSpec::new(
        "hangs-on-pex-flood",
        &["B11-RATE-02"],
        "Does nothing any more after the fifth ut_pex message of a connection.",
        Effect::On {
            when: told,
            nth: Nth::Only(5),
            react: React::Hang,
        },
    ),
    FaultSpec::new(
        "closes-on-second-pex",
        &["B11-RATE-03"],
        "Closes at the second ut_pex message, whenever it comes.",
        Effect::On {
            when: told,
            nth: Nth::Only(2),
            react: React::Close,
        },
    ),
    FaultSpec::new(
        "deaf-after-third-pex",
        &["B11-RATE-03"],
        "Reads nothing behind the third ut_pex message.",
        Effect::On {
            when: told,
            nth: Nth::Only(3),
            react: React::Deafen,
        },
    ),
    FaultSpec::new(
        "pex-ignored-without-flags",
        &["B11-RX-01"],
        "Overlooks added contacts that have no flags.",
        on(
            |s| heard(s).is_some_and(|pex| pex.string("added.f").is_empty()),
            React::Ignore,
        ),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-ragged-pex",
        &["B11-RX-02"],
        "Ends when a list of ut_pex does not fall into contacts.",
        on(
            |s| {
                let ragged = |pex: PexMessage| {
                    let four = pex.string("added").len().is_multiple_of(6);
                    let six = pex.string("added6").len().is_multiple_of(18);
                    !four || !six
                };
                heard(s).is_some_and(ragged)
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dies-of-many-contacts",
        &["B11-RX-02"],
        "Ends when a ut_pex message has more than a thousand contacts.",
        on(
            |s| heard(s).is_some_and(|pex| pex.added().len() > 1000),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dies-of-number-for-list",
        &["B11-RX-02"],
        "Ends when a list of ut_pex is a number.",
        on(
            |s| {
                let number = |pex: PexMessage| {
                    let mut values = pex.dict.iter().map(|(_, value)| value);
                    values.any(|value| value.as_int().is_some())
                };
                heard(s).is_some_and(number)
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "hangs-on-excess-flags",
        &["B11-RX-02"],
        "Does nothing any more after more flags than contacts.",
        on(
            |s| {
                let excess = |pex: PexMessage| pex.string("added.f").len() > pex.added().len();
                heard(s).is_some_and(excess)
            },
            React::Hang,
        ),
    ),
    FaultSpec::new(
        "dies-of-missing-flags",
        &["B11-RX-02"],
        "Ends when there are flags for some of the contacts only.",
        on(
            |s| {
                let few = |pex: PexMessage| {
                    let flags = pex.string("added.f").len();
                    flags > 0 && flags < pex.string("added").len() / 6
                };
                heard(s).is_some_and(few)
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dials-every-port-of-pex",
        &["B11-RX-03"],
        "Dials every contact of a ut_pex message, whatever its address.",
        Effect::Quirk(Quirk::DialsEveryPort),
    )
    .leech(),
];

/// The port of a contact in the other byte order.
fn swap_port(contact: &mut [u8]) {
    if let Some(port) = contact.get_mut(4..) {
        port.reverse();
    }
}

fn flip(contact: &mut [u8], at: usize, bits: u8) {
    if let Some(byte) = contact.get_mut(at) {
        *byte ^= bits;
    }
}

fn pex(sent: &Sent<'_>) -> bool {
    sent.is(Kind::UtPex)
}

fn message(sent: &Sent<'_>) -> Option<PexMessage> {
    match sent.message {
        Message::Extended { payload, .. } => decoded(payload),
        _ => None,
    }
}

fn decoded(payload: &Bytes) -> Option<PexMessage> {
    match ExtensionMessage::decode("ut_pex", payload) {
        Ok(ExtensionMessage::Pex(pex)) => Some(pex),
        _ => None,
    }
}

/// A ut_pex message that came in, whatever is in it.
fn told(seen: &Seen<'_>) -> bool {
    match seen.message() {
        Some(Message::Extended { ext_id, .. }) => {
            let mut ours = seen.peer.conn.extensions.iter();
            ours.any(|slot| slot.name == "ut_pex" && slot.id == *ext_id)
        }
        _ => false,
    }
}

fn heard(seen: &Seen<'_>) -> Option<PexMessage> {
    match seen.message() {
        Some(Message::Extended { payload, .. }) if told(seen) => decoded(payload),
        _ => None,
    }
}

/// Our ut_pex message with other bytes.
fn raw(sent: &Sent<'_>, change: impl Fn(&Bytes) -> Vec<u8>) -> Vec<Wire> {
    let Message::Extended { ext_id, payload } = sent.message else {
        return Vec::new();
    };
    vec![Wire::Message(Message::Extended {
        ext_id: *ext_id,
        payload: change(payload).into(),
    })]
}

/// Our ut_pex message with another dictionary.
fn changed(sent: &Sent<'_>, change: impl Fn(&mut Dict)) -> Vec<Wire> {
    raw(sent, |payload| {
        let mut pex = decoded(payload).unwrap_or_default();
        change(&mut pex.dict);
        ExtensionMessage::Pex(pex).encode_payload().to_vec()
    })
}

/// Our ut_pex message with one string changed, if it is there and not empty.
fn list(sent: &Sent<'_>, name: &str, change: impl Fn(&mut Vec<u8>)) -> Vec<Wire> {
    changed(sent, |dict| {
        for (key, value) in dict.iter_mut() {
            if let Value::Bytes(bytes) = value
                && key.as_ref() == name.as_bytes()
                && !bytes.is_empty()
            {
                let mut changed = bytes.to_vec();
                change(&mut changed);
                *value = Value::Bytes(changed.into());
            }
        }
    })
}

/// The first record of a string once more.
fn twice(dict: &mut Dict, name: &str, record: usize) {
    for (key, value) in dict.iter_mut() {
        if let Value::Bytes(bytes) = value
            && key.as_ref() == name.as_bytes()
        {
            let first = bytes.get(..record).unwrap_or_default();
            *value = Value::Bytes([first, &bytes[..]].concat().into());
        }
    }
}
