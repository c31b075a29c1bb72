//! Defects of ut_metadata (BEP 9).

mod seen;
mod sent;

use std::time::Duration;

use bytes::Bytes;

use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, Wire, on, send};
use crate::peer::metadata::METADATA_PIECE_LEN;
use crate::wire::bencode::{self, Value};
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{ExtensionMessage, Kind, Message};

pub(super) use self::seen::{asked, data_under};

use self::seen::*;
use self::sent::*;

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
        &["B9-NEG-04", "B10-HS-07"],
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
        "metadata-once-per-piece",
        &["B9-REQ-01"],
        "Overlooks a request for a piece of metadata that it is about to send to somebody.",
        Effect::Quirk(Quirk::MetadataOncePerPiece),
    ),
    FaultSpec::new(
        "metadata-queue-of-four",
        &["B9-REQ-01"],
        "Overlooks metadata requests beyond the fourth of a burst.",
        Effect::Quirk(Quirk::MetadataQueueOfFour),
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
        "metadata-whole-last-piece-empty",
        &["B9-DATA-01"],
        "Sends nothing of the last piece when 16 KiB divides the length of the info dictionary.",
        send(
            |s| last(s) && whole(&s.peer),
            Alter::Other(|s| rebodied(s, |_| Vec::new())),
        ),
    ),
    FaultSpec::new(
        "metadata-whole-last-piece-unanswered",
        &["B9-REQ-01"],
        "Overlooks a request for the last piece when 16 KiB divides the length of the info dictionary.",
        on(
            |s| whole(&s.peer) && asked(s) == Some(info_pieces(&s.peer) - 1),
            React::Ignore,
        ),
    ),
    FaultSpec::new(
        "metadata-piece-behind-whole-last",
        &["B9-REQ-03"],
        "Has an empty piece behind the last one when 16 KiB divides the length of the info dictionary.",
        on(
            |s| whole(&s.peer) && asked(s) == Some(info_pieces(&s.peer)),
            React::SayInstead(|s| said(s, &made(&s.peer, asked(s).unwrap_or(0), Bytes::new()))),
        ),
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
    .also(&["B3-FR-24", "B10-RX-05"]),
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
