//! Defects of ut_metadata (BEP 9).

use std::time::Duration;

use bytes::Bytes;

use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, Seen, Sent, View, Wire, on, send};
use crate::peer::metadata::METADATA_PIECE_LEN;
use crate::wire::bencode::{self, Value};
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{ExtensionMessage, Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "metadata-size-in-m",
        &["B9-NEG-01"],
        "Writes metadata_size into m.",
        send(
            hello,
            Alter::Other(|s| {
                changed(s, |mut hello| {
                    let size = Value::Int(info_len(&s.peer));
                    hello
                        .dict
                        .retain(|(key, _)| key.as_ref() != b"metadata_size");
                    let m = hello.dict.iter_mut().find(|(key, _)| key.as_ref() == b"m");
                    if let Some((_, Value::Dict(m))) = m {
                        m.push((Bytes::from_static(b"metadata_size"), size));
                    }
                    hello
                })
            }),
        ),
    )
    .also(&["B21-UO-02"]),
    FaultSpec::new(
        "metadata-size-untold",
        &["B9-NEG-01"],
        "Serves metadata and leaves its size out of the extended handshake.",
        send(
            hello,
            Alter::Other(|s| {
                changed(s, |mut hello| {
                    hello
                        .dict
                        .retain(|(key, _)| key.as_ref() != b"metadata_size");
                    hello
                })
            }),
        ),
    )
    .also(&["B21-UO-02"]),
    FaultSpec::new(
        "metadata-size-zero-when-dialling",
        &["B9-NEG-01"],
        "Tells a metadata_size of 0 to the peers that it dials.",
        send(
            |s| hello(s) && s.peer.conn.initiator,
            Alter::Other(|s| sized(s, 0)),
        ),
    )
    .dialling(),
    FaultSpec::new(
        "metadata-size-one-short",
        &["B9-NEG-02"],
        "Tells a metadata_size that is one byte short.",
        send(hello, Alter::Other(|s| sized(s, info_len(&s.peer) - 1))),
    ),
    FaultSpec::new(
        "metadata-size-in-whole-pieces",
        &["B9-NEG-02"],
        "Rounds metadata_size up to whole pieces.",
        send(
            hello,
            Alter::Other(|s| sized(s, info_pieces(&s.peer) * METADATA_PIECE_LEN as i128)),
        ),
    ),
    FaultSpec::new(
        "metadata-under-own-id",
        &["B9-NEG-03"],
        "Answers for metadata under its own id where the other end's is below 16.",
        send(
            |s| answer(s) && their_id(s) < 16,
            Alter::Other(|s| {
                let slots = &s.peer.conn.extensions;
                let own = slots.iter().find(|slot| slot.name == "ut_metadata");
                under(s, own.map_or(1, |slot| slot.id))
            }),
        ),
    ),
    FaultSpec::new(
        "metadata-highest-id-cut",
        &["B9-NEG-03"],
        "Answers for metadata under id 127 where the other end's is 255.",
        send(
            |s| answer(s) && their_id(s) == 255,
            Alter::Other(|s| under(s, 127)),
        ),
    ),
    FaultSpec::new(
        "metadata-under-id-zero",
        &["B9-NEG-04"],
        "Sends metadata under id 0 to a peer that gave none.",
        on(
            |s| unoffered(s) && asked(s).is_some(),
            React::SayInstead(|s| data_under(s, 0)),
        ),
    ),
    FaultSpec::new(
        "metadata-unoffered-under-own-id",
        &["B9-NEG-04"],
        "Sends metadata under its own id to a peer that gave none.",
        on(
            |s| unoffered(s) && asked(s).is_some(),
            React::SayInstead(|s| data_under(s, 1)),
        ),
    ),
    FaultSpec::new(
        "metadata-answers-next-piece",
        &["B9-REQ-01"],
        "Names the piece behind the one that was asked for, the second time for the last one.",
        Effect::Send {
            which: last,
            nth: Nth::Only(2),
            alter: Alter::Other(|s| renumbered(s, |piece| piece + 1)),
        },
    ),
    FaultSpec::new(
        "metadata-answered-twice",
        &["B9-REQ-01"],
        "Answers the fourth request twice.",
        Effect::Send {
            which: answer,
            nth: Nth::Only(4),
            alter: Alter::Twice,
        },
    ),
    FaultSpec::new(
        "metadata-piece-served-once",
        &["B9-REQ-01"],
        "Serves the last piece once, and keeps silent afterwards.",
        Effect::On {
            when: |s| {
                let pieces = info_pieces(&s.peer);
                pieces > 1 && asked(s) == Some(pieces - 1)
            },
            nth: Nth::After(1),
            react: React::Ignore,
        },
    ),
    FaultSpec::new(
        "metadata-one-of-a-burst",
        &["B9-REQ-01"],
        "Overlooks a metadata request right behind another one.",
        Effect::Quirk(Quirk::OneMetadataAtATime),
    ),
    FaultSpec::new(
        "metadata-not-between-blocks",
        &["B9-REQ-01"],
        "Forgets metadata requests while it serves blocks.",
        on(
            |s| asked(s).is_some() && !s.peer.conn.uploads.is_empty(),
            React::Ignore,
        ),
    )
    .seed(),
    FaultSpec::new(
        "metadata-not-while-downloading",
        &["B9-REQ-01"],
        "Forgets requests for the last piece of metadata while it waits for blocks.",
        on(
            |s| {
                let last = info_pieces(&s.peer) - 1;
                asked(s) == Some(last) && !s.peer.conn.pending.is_empty()
            },
            React::Ignore,
        ),
    )
    .leech(),
    FaultSpec::new(
        "metadata-to-another-connection",
        &["B9-REQ-01"],
        "Sends the second piece of metadata to another connection, if there is one.",
        Effect::Quirk(Quirk::MetadataToOther),
    )
    .also(&["B3-CH-03", "B3-CH-09", "B6-SU-01"]),
    FaultSpec::new(
        "metadata-number-of-one-word",
        &["B9-REQ-02"],
        "Keeps piece numbers in 32 bits with a sign.",
        on(
            |s| asked(s).is_some_and(|piece| i32::try_from(piece).is_err()),
            React::SayInstead(|s| {
                let piece = asked(s).unwrap_or(0);
                let cut = i128::from(low_word(piece).cast_signed());
                data_or_reject(s, cut, cut)
            }),
        ),
    ),
    FaultSpec::new(
        "metadata-number-echoed-cut",
        &["B9-REQ-02"],
        "Rejects huge piece numbers cut to 32 bits.",
        on(
            |s| asked(s).is_some_and(|piece| u32::try_from(piece).is_err() && piece > 0),
            React::SayInstead(|s| {
                let piece = low_word(asked(s).unwrap_or(0));
                reject(s, piece.into())
            }),
        ),
    ),
    FaultSpec::new(
        "metadata-offset-of-one-word",
        &["B9-REQ-02"],
        "Multiplies piece numbers in 32 bits before it checks the range.",
        on(
            |s| {
                let wraps = |piece: i128| u32::try_from(piece).is_ok_and(|p| p >= 1 << 18);
                asked(s).is_some_and(wraps)
            },
            React::SayInstead(|s| {
                let piece = asked(s).unwrap_or(0);
                data_or_reject(s, piece % (1 << 18), piece)
            }),
        ),
    ),
    FaultSpec::new(
        "metadata-offset-of-two-words",
        &["B9-REQ-02"],
        "Multiplies piece numbers in 64 bits before it checks the range.",
        on(
            |s| asked(s).is_some_and(|piece| piece >= 1 << 50),
            React::SayInstead(|s| {
                let piece = asked(s).unwrap_or(0);
                data_or_reject(s, piece % (1 << 50), piece)
            }),
        ),
    ),
    FaultSpec::new(
        "metadata-silent-past-end",
        &["B9-REQ-03"],
        "Does not answer for pieces that there are not.",
        on(past_end, React::Ignore),
    ),
    FaultSpec::new(
        "closes-on-metadata-past-end",
        &["B9-REQ-03"],
        "Closes when a piece is asked for that there is not.",
        on(past_end, React::Close),
    ),
    FaultSpec::new(
        "metadata-empty-past-end",
        &["B9-REQ-03"],
        "Answers with data without a byte for pieces that there are not.",
        on(
            |s| past_end(s) && asked(s).is_some_and(|piece| piece < 1 << 18),
            React::SayInstead(|s| {
                let piece = asked(s).unwrap_or(0);
                let data = Bytes::new();
                said(s, &made(&s.peer, piece, data))
            }),
        ),
    ),
    FaultSpec::new(
        "dies-of-metadata-at-end",
        &["B9-REQ-03"],
        "Ends when the first piece past the end is asked for.",
        on(|s| asked(s) == Some(info_pieces(&s.peer)), React::Exit),
    ),
    FaultSpec::new(
        "metadata-negative-is-first",
        &["B9-REQ-03"],
        "Serves the first piece where a negative one is asked for.",
        on(
            |s| asked(s).is_some_and(|piece| piece < 0),
            React::SayInstead(|s| {
                let piece = asked(s).unwrap_or(0);
                data_or_reject(s, 0, piece)
            }),
        ),
    ),
    FaultSpec::new(
        "rejects-with-type-of-data",
        &["B9-REQ-03"],
        "Rejects with the type that BEP 9 prints in its example.",
        send(
            |s| s.is(Kind::UtMetadataReject) && number(s).is_some_and(|piece| piece < 1 << 18),
            Alter::Other(|s| {
                reworded(s, |dict| {
                    set(dict, "msg_type", Value::Int(1));
                })
            }),
        ),
    ),
    FaultSpec::new(
        "metadata-last-piece-padded",
        &["B9-DATA-01"],
        "Pads the last piece to 16 KiB, from the second time on.",
        Effect::Send {
            which: last,
            nth: Nth::After(1),
            alter: Alter::Other(|s| {
                rebodied(s, |data| {
                    let mut padded = data.to_vec();
                    padded.resize(METADATA_PIECE_LEN, 0);
                    padded
                })
            }),
        },
    ),
    FaultSpec::new(
        "metadata-last-piece-short",
        &["B9-DATA-01"],
        "Leaves out the last byte of the last piece, from the second time on.",
        Effect::Send {
            which: last,
            nth: Nth::After(1),
            alter: Alter::Other(|s| {
                rebodied(s, |data| {
                    let (_, rest) = data.split_last().unwrap_or((&0, &[]));
                    rest.to_vec()
                })
            }),
        },
    ),
    FaultSpec::new(
        "metadata-blocks-of-fifteen-kib",
        &["B9-DATA-01"],
        "Sends 15 KiB of the second piece, from the second time on.",
        Effect::Send {
            which: |s| data(s) && number(s) == Some(1),
            nth: Nth::After(1),
            alter: Alter::Other(|s| {
                rebodied(s, |data| data.get(..15 * 1024).unwrap_or(data).to_vec())
            }),
        },
    ),
    FaultSpec::new(
        "metadata-total-size-missing",
        &["B9-DATA-02"],
        "Leaves total_size out.",
        send(
            data,
            Alter::Other(|s| {
                reworded(s, |dict| {
                    dict.retain(|(key, _)| key.as_ref() != b"total_size")
                })
            }),
        ),
    ),
    FaultSpec::new(
        "metadata-total-size-of-piece",
        &["B9-DATA-02"],
        "Tells the length of the piece in total_size.",
        send(
            last,
            Alter::Other(|s| {
                let len = body(s).len() as i128;
                reworded(s, |dict| set(dict, "total_size", Value::Int(len)))
            }),
        ),
    ),
    FaultSpec::new(
        "metadata-total-size-is-text",
        &["B9-DATA-02"],
        "Tells total_size as a string, in the sixth answer.",
        Effect::Send {
            which: data,
            nth: Nth::Only(6),
            alter: Alter::Other(|s| {
                reworded(s, |dict| set(dict, "total_size", Value::text("35000")))
            }),
        },
    ),
    FaultSpec::new(
        "metadata-last-byte-wrong",
        &["B9-DATA-03"],
        "Serves the last piece with another last byte, from the second time on.",
        Effect::Send {
            which: last,
            nth: Nth::After(1),
            alter: Alter::Other(|s| {
                rebodied(s, |data| {
                    let mut data = data.to_vec();
                    if let Some(byte) = data.last_mut() {
                        *byte ^= 1;
                    }
                    data
                })
            }),
        },
    ),
    FaultSpec::new(
        "metadata-length-without-piece",
        &["B9-DATA-04"],
        "Leaves the last piece out of the length prefix.",
        send(
            last,
            Alter::Other(|s| {
                let bytes = s.message.encode();
                let dictionary = bytes.len() - body(s).len();
                let length = u32::try_from(dictionary - 4).unwrap_or(0);
                let mut bytes = bytes.to_vec();
                bytes.splice(..4, length.to_be_bytes());
                vec![Wire::Raw(bytes)]
            }),
        ),
    )
    .also(&[
        "B3-FR-24",
        "B10-RX-05",
        "B3-HV-04",
        "B3-CN-02",
        "B11-RATE-03",
    ]),
    FaultSpec::new(
        "metadata-type-is-text",
        &["B9-DATA-05"],
        "Tells msg_type as a string, in the sixth answer.",
        Effect::Send {
            which: answer,
            nth: Nth::Only(6),
            alter: Alter::Other(|s| reworded(s, |dict| set(dict, "msg_type", Value::text("1")))),
        },
    ),
    FaultSpec::new(
        "metadata-reject-without-piece",
        &["B9-DATA-05"],
        "Leaves the piece out of its rejects.",
        send(
            |s| s.is(Kind::UtMetadataReject),
            Alter::Other(|s| reworded(s, |dict| dict.retain(|(key, _)| key.as_ref() != b"piece"))),
        ),
    ),
    FaultSpec::new(
        "metadata-answer-in-a-list",
        &["B9-DATA-05"],
        "Wraps the dictionary of its sixth answer into a list.",
        Effect::Send {
            which: answer,
            nth: Nth::Only(6),
            alter: Alter::Other(|s| {
                let Message::Extended { ext_id, payload } = s.message else {
                    return Vec::new();
                };
                let payload = [b"l", payload.as_ref(), b"e"].concat().into();
                let ext_id = *ext_id;
                vec![Wire::Message(Message::Extended { ext_id, payload })]
            }),
        },
    ),
    FaultSpec::new(
        "metadata-reject-with-bytes",
        &["B9-REJ-01"],
        "Puts bytes behind the dictionary of its rejects.",
        send(
            |s| s.is(Kind::UtMetadataReject),
            Alter::Other(|s| rebodied(s, |_| vec![0; 16])),
        ),
    ),
    FaultSpec::new(
        "dies-of-metadata-flood",
        &["B9-FLOOD-01"],
        "Ends at the 64th metadata request of a connection.",
        Effect::On {
            when: |s| asked(s).is_some(),
            nth: Nth::After(63),
            react: React::Exit,
        },
    ),
    FaultSpec::new(
        "hangs-on-metadata-flood",
        &["B9-FLOOD-01"],
        "Does nothing any more from the 90th metadata request of a connection on.",
        Effect::On {
            when: |s| asked(s).is_some(),
            nth: Nth::After(89),
            react: React::Hang,
        },
    ),
    FaultSpec::new(
        "closes-on-unknown-metadata-type",
        &["B9-UNK-01"],
        "Closes on a ut_metadata message of unknown type.",
        on(|s| unknown_type(s).is_some(), React::Close),
    ),
    FaultSpec::new(
        "rejects-unknown-metadata-type",
        &["B9-UNK-01"],
        "Rejects a ut_metadata message of unknown type.",
        on(
            |s| unknown_type(s).is_some_and(|(_, piece)| piece.is_some()),
            React::SayInstead(|s| {
                let piece = unknown_type(s).and_then(|(_, piece)| piece).unwrap_or(0);
                reject(s, piece)
            }),
        ),
    ),
    FaultSpec::new(
        "rejects-unknown-metadata-type-late",
        &["B9-UNK-01"],
        "Rejects a ut_metadata message of unknown type after a second and a half.",
        on(
            |s| unknown_type(s).is_some_and(|(_, piece)| piece.is_some()),
            React::SayLater(Duration::from_millis(1500), |s| {
                let piece = unknown_type(s).and_then(|(_, piece)| piece).unwrap_or(0);
                reject(s, piece)
            }),
        ),
    ),
    FaultSpec::new(
        "reads-metadata-type-as-byte",
        &["B9-UNK-01"],
        "Keeps msg_type in eight bits, so that 256 is a request.",
        on(
            |s| unknown_type(s).is_some_and(|(kind, _)| kind % 256 == 0),
            React::SayInstead(|s| {
                let piece = unknown_type(s).and_then(|(_, piece)| piece).unwrap_or(0);
                data_or_reject(s, piece, piece)
            }),
        ),
    ),
    FaultSpec::new(
        "deaf-after-unknown-metadata-type",
        &["B9-UNK-01"],
        "Reads nothing any more after a ut_metadata message of unknown type with bytes behind it.",
        on(
            |s| {
                let payload = metadata(s);
                let behind = payload
                    .as_ref()
                    .and_then(ExtensionMessage::behind_dictionary);
                unknown_type(s).is_some() && behind.is_some_and(|behind| behind > 0)
            },
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "searches-end-of-metadata-request",
        &["B9-UNK-02"],
        "Cuts metadata requests at the first two letters e.",
        on(
            |s| {
                let payload = metadata(s).unwrap_or_default();
                let first = payload.windows(2).position(|pair| pair == b"ee");
                asked(s).is_some() && first.is_some_and(|at| at + 2 < payload.len())
            },
            React::Ignore,
        ),
    ),
    FaultSpec::new(
        "closes-on-extra-metadata-key",
        &["B9-UNK-02"],
        "Closes on a metadata request with a key that it does not know.",
        on(
            |s| asked(s).is_some() && keys(s) > 2 && !has_key(s, "total_size"),
            React::Close,
        ),
    ),
    FaultSpec::new(
        "closes-on-total-size-in-request",
        &["B9-UNK-02"],
        "Closes on a metadata request with a total_size.",
        on(
            |s| asked(s).is_some() && has_key(s, "total_size"),
            React::Close,
        ),
    ),
    FaultSpec::new(
        "dies-of-metadata-without-piece",
        &["B9-ROB-01"],
        "Ends at a metadata request that names no piece.",
        on(
            |s| {
                dict(s).is_some()
                    && has_key(s, "msg_type")
                    && int(s, "msg_type") == Some(0)
                    && !has_key(s, "piece")
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "deaf-after-metadata-piece-as-text",
        &["B9-ROB-01"],
        "Reads nothing any more after a metadata request whose piece is no integer.",
        on(
            |s| has_key(s, "piece") && int(s, "piece").is_none(),
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "hangs-on-nested-metadata",
        &["B9-ROB-01"],
        "Does nothing any more after a metadata message of many levels.",
        on(
            |s| {
                let payload = metadata(s).unwrap_or_default();
                payload
                    .windows(256)
                    .any(|w| w.iter().all(|byte| *byte == b'l'))
            },
            React::Hang,
        ),
    ),
    FaultSpec::new(
        "dies-of-bytes-behind-metadata-request",
        &["B9-ROB-01"],
        "Ends when bytes follow a metadata request.",
        on(
            |s| {
                let behind = metadata(s)
                    .as_ref()
                    .and_then(ExtensionMessage::behind_dictionary);
                asked(s).is_some() && behind.is_some_and(|behind| behind > 0)
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dies-of-unsolicited-metadata",
        &["B9-ROB-02"],
        "Ends at a piece of metadata that lies far behind the end.",
        on(
            |s| match message(s) {
                Some(ExtensionMessage::MetadataData { piece, .. }) => piece > 1 << 20,
                _ => false,
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "deaf-after-unsolicited-metadata-reject",
        &["B9-ROB-02"],
        "Reads nothing any more after a reject that it did not ask for.",
        on(
            |s| matches!(message(s), Some(ExtensionMessage::MetadataReject { .. })),
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "keeps-unsolicited-metadata",
        &["B9-ROB-02"],
        "Serves to others the metadata that somebody sent it unasked.",
        Effect::Quirk(Quirk::KeepsUnsolicitedMetadata),
    ),
    FaultSpec::new(
        "metadata-request-with-total-size",
        &["B9-FET-07"],
        "Asks for metadata with a total_size.",
        on(
            introduced,
            React::Say(|s| own_request(s, b"d8:msg_typei0e5:piecei0e10:total_sizei0ee")),
        ),
    ),
    FaultSpec::new(
        "metadata-request-with-bytes",
        &["B9-FET-07"],
        "Puts a byte behind its metadata requests.",
        on(
            introduced,
            React::Say(|s| own_request(s, b"d8:msg_typei0e5:piecei0ee\0")),
        ),
    ),
];

/// Our extended handshake.
fn hello(sent: &Sent<'_>) -> bool {
    sent.is(Kind::ExtendedHandshake)
}

/// Our extended handshake with other keys.
fn changed(sent: &Sent<'_>, change: impl Fn(ExtendedHandshake) -> ExtendedHandshake) -> Vec<Wire> {
    let Message::Extended { ext_id, payload } = sent.message else {
        return Vec::new();
    };
    let Ok(ExtensionMessage::Handshake(handshake)) = ExtensionMessage::decode("", payload) else {
        return Vec::new();
    };
    vec![Wire::Message(Message::Extended {
        ext_id: *ext_id,
        payload: change(handshake).encode(),
    })]
}

fn sized(sent: &Sent<'_>, size: i128) -> Vec<Wire> {
    changed(sent, |hello| hello.with("metadata_size", Value::Int(size)))
}

fn info_len(peer: &View<'_>) -> i128 {
    peer.torrent.metainfo().info_bytes().len() as i128
}

fn info_pieces(peer: &View<'_>) -> i128 {
    peer.torrent.metainfo().info_pieces().into()
}

/// Our data and rejects.
fn answer(sent: &Sent<'_>) -> bool {
    sent.is(Kind::UtMetadataData) || sent.is(Kind::UtMetadataReject)
}

fn data(sent: &Sent<'_>) -> bool {
    sent.is(Kind::UtMetadataData)
}

/// Our data of the last piece of several.
fn last(sent: &Sent<'_>) -> bool {
    let pieces = info_pieces(&sent.peer);
    data(sent) && pieces > 1 && number(sent) == Some(pieces - 1)
}

/// The other end's id for ut_metadata.
fn their_id(sent: &Sent<'_>) -> u8 {
    sent.peer.conn.their_id("ut_metadata").unwrap_or(0)
}

fn number(sent: &Sent<'_>) -> Option<i128> {
    let Message::Extended { payload, .. } = sent.message else {
        return None;
    };
    match ExtensionMessage::decode("ut_metadata", payload).ok()? {
        ExtensionMessage::MetadataData { piece, .. }
        | ExtensionMessage::MetadataReject { piece } => Some(piece),
        _ => None,
    }
}

/// The bytes behind the dictionary of what we send.
fn body(sent: &Sent<'_>) -> Bytes {
    let Message::Extended { payload, .. } = sent.message else {
        return Bytes::new();
    };
    let behind = ExtensionMessage::behind_dictionary(payload).unwrap_or(0);
    payload.slice(payload.len() - behind..)
}

/// Our message with another dictionary.
fn reworded(sent: &Sent<'_>, change: impl Fn(&mut bencode::Dict)) -> Vec<Wire> {
    let Message::Extended { ext_id, payload } = sent.message else {
        return Vec::new();
    };
    let Ok(document) = bencode::read_prefix(payload, bencode::Limits::PEER) else {
        return Vec::new();
    };
    let mut dict = document.value.as_dict().cloned().unwrap_or_default();
    change(&mut dict);
    let mut bytes = bencode::encode_canonical(&Value::Dict(dict));
    bytes.extend_from_slice(&body(sent));
    vec![Wire::Message(Message::Extended {
        ext_id: *ext_id,
        payload: bytes.into(),
    })]
}

fn renumbered(sent: &Sent<'_>, change: impl Fn(i128) -> i128) -> Vec<Wire> {
    let piece = number(sent).unwrap_or(0);
    reworded(sent, |dict| set(dict, "piece", Value::Int(change(piece))))
}

fn set(dict: &mut bencode::Dict, key: &'static str, value: Value) {
    dict.retain(|(name, _)| name.as_ref() != key.as_bytes());
    dict.push((Bytes::from_static(key.as_bytes()), value));
}

/// Our message with other bytes behind the dictionary.
fn rebodied(sent: &Sent<'_>, change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Wire> {
    let Message::Extended { ext_id, payload } = sent.message else {
        return Vec::new();
    };
    let old = body(sent);
    let mut bytes = payload.slice(..payload.len() - old.len()).to_vec();
    bytes.extend(change(&old));
    vec![Wire::Message(Message::Extended {
        ext_id: *ext_id,
        payload: bytes.into(),
    })]
}

/// Our message under another id.
fn under(sent: &Sent<'_>, ext_id: u8) -> Vec<Wire> {
    let Message::Extended { payload, .. } = sent.message else {
        return Vec::new();
    };
    let payload = payload.clone();
    vec![Wire::Message(Message::Extended { ext_id, payload })]
}

/// The payload of a message under our id for ut_metadata.
fn metadata(seen: &Seen<'_>) -> Option<Bytes> {
    let Message::Extended { ext_id, payload } = seen.message()? else {
        return None;
    };
    let slot = seen.peer.conn.extensions.iter().find(|s| s.id == *ext_id)?;
    (slot.name == "ut_metadata").then(|| payload.clone())
}

fn message(seen: &Seen<'_>) -> Option<ExtensionMessage> {
    ExtensionMessage::decode("ut_metadata", &metadata(seen)?).ok()
}

/// The piece that is asked for.
fn asked(seen: &Seen<'_>) -> Option<i128> {
    match message(seen)? {
        ExtensionMessage::MetadataRequest { piece } => Some(piece),
        _ => None,
    }
}

fn past_end(seen: &Seen<'_>) -> bool {
    let pieces = info_pieces(&seen.peer);
    asked(seen).is_some_and(|piece| !(0..pieces).contains(&piece))
}

fn unknown_type(seen: &Seen<'_>) -> Option<(i128, Option<i128>)> {
    match message(seen)? {
        ExtensionMessage::MetadataUnknown { msg_type, piece } => Some((msg_type, piece)),
        _ => None,
    }
}

/// The other end has given ut_metadata no id.
fn unoffered(seen: &Seen<'_>) -> bool {
    seen.peer.conn.their_id("ut_metadata").is_none()
}

fn dict(seen: &Seen<'_>) -> Option<bencode::Dict> {
    let document = bencode::read_prefix(&metadata(seen)?, bencode::Limits::PEER).ok()?;
    document.value.as_dict().cloned()
}

fn keys(seen: &Seen<'_>) -> usize {
    dict(seen).map_or(0, |dict| dict.len())
}

fn has_key(seen: &Seen<'_>, key: &str) -> bool {
    dict(seen).is_some_and(|dict| bencode::lookup(&dict, key).is_some())
}

fn int(seen: &Seen<'_>, key: &str) -> Option<i128> {
    bencode::lookup(&dict(seen)?, key)?.as_int()
}

/// Data as a sound peer would send it, with these bytes.
fn made(peer: &View<'_>, piece: i128, data: Bytes) -> ExtensionMessage {
    ExtensionMessage::MetadataData {
        piece,
        total_size: Some(info_len(peer)),
        data,
    }
}

/// The lowest 32 bits of a number.
fn low_word(number: i128) -> u32 {
    u32::try_from(number & i128::from(u32::MAX)).unwrap_or(0)
}

/// A message under the id that the other end gave; nothing without one.
fn said(seen: &Seen<'_>, message: &ExtensionMessage) -> Vec<Wire> {
    let id = seen.peer.conn.their_id("ut_metadata");
    id.map(|id| Wire::Message(message.into_message(id)))
        .into_iter()
        .collect()
}

fn reject(seen: &Seen<'_>, piece: i128) -> Vec<Wire> {
    said(seen, &ExtensionMessage::MetadataReject { piece })
}

/// The bytes of one piece under the number of another; a reject if there are none.
fn data_or_reject(seen: &Seen<'_>, piece: i128, told: i128) -> Vec<Wire> {
    let number = u32::try_from(piece).ok();
    let bytes = number.and_then(|n| seen.peer.torrent.metainfo().info_piece(n));
    match bytes {
        Some(bytes) => said(seen, &made(&seen.peer, told, bytes)),
        None => reject(seen, told),
    }
}

/// What was asked for, under an id that nobody gave.
fn data_under(seen: &Seen<'_>, ext_id: u8) -> Vec<Wire> {
    let piece = asked(seen).unwrap_or(0);
    let number = u32::try_from(piece).unwrap_or(0);
    let bytes = seen.peer.torrent.metainfo().info_piece(number);
    let message = made(&seen.peer, piece, bytes.unwrap_or_default());
    vec![Wire::Message(message.into_message(ext_id))]
}

/// The other end's extended handshake offers metadata.
fn introduced(seen: &Seen<'_>) -> bool {
    let hello = seen.extended_handshake();
    let id = hello.as_ref().and_then(|hello| hello.ext_id("ut_metadata"));
    id.is_some_and(|id| id != 0) && hello.is_some_and(|h| h.metadata_size().is_some())
}

/// A request of ours.
fn own_request(seen: &Seen<'_>, payload: &'static [u8]) -> Vec<Wire> {
    let hello = seen.extended_handshake();
    let id = hello.and_then(|hello| hello.ext_id("ut_metadata"));
    let message = id.map(|ext_id| Message::Extended {
        ext_id,
        payload: Bytes::from_static(payload),
    });
    message.map(Wire::Message).into_iter().collect()
}
