//! Defects of the extension protocol (BEP 10) and what rides on it.

use std::time::Duration;

use bytes::Bytes;

use super::metadata::{asked, data_under};
use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, Seen, Sent, Wire, on, send};
use crate::peer::config::{ExtendedWhen, Role};
use crate::wire::bencode::{self, Document, FlawKind, Limits, Value};
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{ExtensionMessage, Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "sends-extended-to-plain-peer",
        &["B10-NEG-01"],
        "Sends its extended handshake to peers without the bit.",
        Effect::Quirk(Quirk::ExtendedUnasked),
    ),
    FaultSpec::new(
        "takes-other-bits-for-extended",
        &["B10-NEG-01"],
        "Takes any bit of the sixth reserved byte for that of the extension protocol.",
        Effect::Quirk(Quirk::TakesByteForExtended),
    ),
    FaultSpec::new(
        "waits-for-their-extended-handshake",
        &["B10-NEG-02"],
        "Sends its extended handshake only when the other end's has come.",
        Effect::Set(|s| s.extended_handshake = ExtendedWhen::AfterTheirs),
    ),
    FaultSpec::new(
        "dies-of-unasked-extended",
        &["B10-NEG-03"],
        "Ends at an extended message from a peer without the bit.",
        on(
            |s| s.is(Kind::Extended) && !s.peer.conn.agreed.extended,
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "bytes-behind-extended-handshake",
        &["B10-HS-01"],
        "Puts two bytes behind the dictionary of its extended handshake.",
        send(
            hello,
            Alter::Other(|s| payload(s, |bytes| bytes.extend_from_slice(b"ee"))),
        ),
    ),
    FaultSpec::new(
        "unsorted-extended-handshake",
        &["B10-HS-02"],
        "Writes the keys of its extended handshake backwards.",
        send(
            hello,
            Alter::Other(|s| {
                payload(s, |bytes| {
                    let mut dict = ours(bytes).dict;
                    dict.reverse();
                    *bytes = bencode::encode_as_is(&Value::Dict(dict));
                })
            }),
        ),
    ),
    FaultSpec::new(
        "shares-id-between-extensions",
        &["B10-HS-03"],
        "Gives two extensions one id.",
        send(
            hello,
            Alter::Other(|s| {
                changed(s, |hello| {
                    let ids = [("lt_donthave", 3), ("ut_metadata", 1), ("ut_twice", 3)];
                    hello.with_m(&ids)
                })
            }),
        ),
    ),
    FaultSpec::new(
        "reqq-is-text",
        &["B10-HS-04"],
        "Sends reqq as a string.",
        send(
            hello,
            Alter::Other(|s| changed(s, |hello| hello.with("reqq", Value::text("many")))),
        ),
    ),
    FaultSpec::new(
        "client-name-in-latin-1",
        &["B10-HS-04"],
        "Sends a client name that is not UTF-8.",
        send(
            hello,
            Alter::Other(|s| changed(s, |hello| hello.with("v", Value::bytes(b"\xb5Torrent 3.5")))),
        ),
    ),
    FaultSpec::new(
        "wrong-yourip",
        &["B10-HS-05"],
        "Tells the other end an address that is not its own.",
        send(
            hello,
            Alter::Other(|s| changed(s, |hello| hello.with("yourip", Value::bytes(&[9; 4])))),
        ),
    ),
    FaultSpec::new(
        "extension-before-their-handshake",
        &["B10-HS-07"],
        "Asks for metadata when the other end's extended handshake is a while in coming.",
        Effect::Quirk(Quirk::SpeaksEarly),
    ),
    FaultSpec::new(
        "metadata-before-their-handshake",
        &["B10-HS-07"],
        "Answers for metadata under its own id until the other end's extended handshake is there.",
        on(
            |s| asked(s).is_some() && s.peer.conn.their_extended.is_none(),
            React::SayInstead(|s| data_under(s, 1)),
        ),
    ),
    FaultSpec::new(
        "cuts-ids-to-seven-bits",
        &["B10-HS-08", "B9-NEG-03"],
        "Sends extension messages under the lower seven bits of the id.",
        Effect::Quirk(Quirk::CutsIds),
    ),
    FaultSpec::new(
        "shares-ids-between-connections",
        &["B10-HS-10", "B10-HS-08"],
        "Uses the ids of whoever sent an extended handshake last.",
        Effect::Quirk(Quirk::SharesExtensionIds),
    ),
    FaultSpec::new(
        "keeps-ids-of-who-comes-again",
        &["B10-HS-10", "B10-HS-08"],
        "Uses the ids that the same peer gave on its first connection.",
        Effect::Quirk(Quirk::KeepsIdsOfPeer),
    ),
    FaultSpec::new(
        "closes-on-empty-dictionary",
        &["B10-RX-01"],
        "Closes when the extended handshake says nothing.",
        on(
            |s| s.hello().is_some_and(|p| p.as_ref() == b"de"),
            React::Close,
        ),
    ),
    FaultSpec::new(
        "closes-on-unknown-key",
        &["B10-RX-02"],
        "Closes when the extended handshake has a key that it does not know.",
        on(
            |s| {
                let hello = s.extended_handshake().unwrap_or_default();
                let mut keys = hello.dict.iter().map(|(key, _)| key.as_ref());
                keys.any(|key| key.starts_with(b"zz"))
            },
            React::Close,
        ),
    ),
    FaultSpec::new(
        "stops-at-unknown-key",
        &["B10-RX-02"],
        "Reads nothing behind a key of the extended handshake that it does not know.",
        Effect::Quirk(Quirk::StopsAtUnknownKey),
    ),
    FaultSpec::new(
        "drops-handshake-with-binary-names",
        &["B10-RX-02"],
        "Overlooks an extended handshake in which a name is not UTF-8.",
        on(
            |s| {
                let hello = s.extended_handshake().unwrap_or_default();
                let m = hello.get("m").and_then(Value::as_dict);
                let mut names = hello.dict.iter().chain(m.into_iter().flatten());
                names.any(|(name, _)| std::str::from_utf8(name).is_err())
            },
            React::Ignore,
        ),
    ),
    FaultSpec::new(
        "closes-on-unknown-extension",
        &["B10-RX-03"],
        "Closes when m has a name that it does not know.",
        on(
            |s| {
                let m = s.extended_handshake().map(|hello| hello.m());
                let unknown = |name: &str| name.starts_with("zz");
                m.is_some_and(|m| m.len() < 100 && m.iter().any(|(name, _)| unknown(name)))
            },
            React::Close,
        ),
    ),
    FaultSpec::new(
        "talks-to-switched-off-extension",
        &["B10-RX-04"],
        "Asks for metadata under the id that was switched off.",
        on(
            |s| off(s, "ut_metadata") && s.peer.conn.their_extended.is_none(),
            React::Say(|_| {
                let request = ExtensionMessage::MetadataRequest { piece: 0 };
                vec![Wire::Message(request.into_message(1))]
            }),
        ),
    ),
    FaultSpec::new(
        "closes-on-repeated-extended-handshake",
        &["B10-RX-05"],
        "Closes at the third repeat of the extended handshake.",
        Effect::On {
            when: |s| s.hello().is_some(),
            nth: Nth::After(3),
            react: React::Close,
        },
    ),
    FaultSpec::new(
        "closes-when-switched-off",
        &["B10-RX-05"],
        "Closes when a later extended handshake switches ut_metadata off.",
        on(
            |s| {
                let before = s.peer.conn.their_id("ut_metadata").is_some();
                before && off(s, "ut_metadata")
            },
            React::Close,
        ),
    ),
    FaultSpec::new(
        "later-handshake-replaces-ids",
        &["B10-RX-06"],
        "Forgets the extensions that a later handshake does not name.",
        Effect::Quirk(Quirk::ReplacesExtensions),
    ),
    FaultSpec::new(
        "keeps-first-id",
        &["B10-RX-07"],
        "Goes on with the id that an extension had first.",
        Effect::Quirk(Quirk::KeepsFirstId),
    ),
    FaultSpec::new(
        "short-names-in-extended-handshake",
        &["B10-HS-09"],
        "Uses a name of one byte that is not defined.",
        send(
            hello,
            Alter::Other(|s| changed(s, |hello| hello.with("e", Value::Int(0)))),
        ),
    ),
    FaultSpec::new(
        "pex-under-id-zero",
        &["B10-RX-08", "B11-NEG-01"],
        "Sends peers under id 0 once ut_pex is switched off.",
        on(
            |s| off(s, "ut_pex"),
            React::SayLater(Duration::from_secs(60), |_| {
                let payload = Bytes::from_static(b"d5:added0:7:added.f0:e");
                vec![Wire::Message(Message::Extended { ext_id: 0, payload })]
            }),
        ),
    ),
    FaultSpec::new(
        "deaf-after-odd-m",
        &["B10-RX-09"],
        "Reads nothing any more after a handshake whose m is missing or no dictionary.",
        on(
            |s| {
                s.extended_handshake().is_some_and(|hello| {
                    let m = hello.get("m");
                    m.is_some_and(|m| m.as_dict().is_none())
                })
            },
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "dies-of-id-that-is-no-number",
        &["B10-RX-09"],
        "Ends when m gives a text, a list or a dictionary for an id.",
        on(
            |s| {
                let hello = s.extended_handshake().unwrap_or_default();
                let m = hello.get("m").and_then(Value::as_dict);
                let mut ids = m.into_iter().flatten();
                ids.any(|(_, id)| id.as_int().is_none())
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dies-of-malformed-extended-handshake",
        &["B10-RX-10"],
        "Ends at an extended handshake that is not bencoded.",
        on(
            |s| {
                let garbled = |p: &Bytes| !p.is_empty() && p.len() < 1024 && read(p).is_none();
                s.hello().is_some_and(garbled)
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "deaf-after-extended-handshake-without-dictionary",
        &["B10-RX-11"],
        "Reads nothing any more after an extended handshake that is a list, number or string.",
        on(
            |s| {
                let document = s.hello().and_then(read);
                document.is_some_and(|d| d.value.as_dict().is_none())
            },
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "dies-of-empty-extended-handshake",
        &["B10-RX-12"],
        "Ends at an extended handshake without payload.",
        on(|s| s.hello().is_some_and(Bytes::is_empty), React::Exit),
    ),
    FaultSpec::new(
        "dies-of-unsorted-extended-handshake",
        &["B10-RX-13"],
        "Ends when the keys of an extended handshake are not sorted.",
        on(|s| flawed(s, FlawKind::UnsortedKey), React::Exit),
    ),
    FaultSpec::new(
        "deaf-after-duplicate-keys",
        &["B10-RX-14"],
        "Reads nothing any more after an extended handshake that repeats a key.",
        on(|s| flawed(s, FlawKind::DuplicateKey), React::Deafen),
    ),
    FaultSpec::new(
        "dies-of-bytes-behind-extended-handshake",
        &["B10-RX-15"],
        "Ends when bytes follow the dictionary of an extended handshake.",
        on(|s| flawed(s, FlawKind::TrailingBytes), React::Exit),
    ),
    FaultSpec::new(
        "hangs-on-large-extended-handshake",
        &["B10-RX-16"],
        "Does nothing any more after an extended handshake of many kilobytes.",
        on(
            |s| s.hello().is_some_and(|p| p.len() > 20_000 && !nested(p)),
            React::Hang,
        ),
    ),
    FaultSpec::new(
        "hangs-on-many-names",
        &["B10-RX-16"],
        "Does nothing any more after an extended handshake whose m has more than 256 names.",
        on(
            |s| {
                s.extended_handshake()
                    .is_some_and(|hello| hello.m().len() > 256)
            },
            React::Hang,
        ),
    ),
    FaultSpec::new(
        "dies-of-nested-bencode",
        &["B10-RX-17"],
        "Ends at thousands of nested lists.",
        on(|s| s.hello().is_some_and(nested), React::Exit),
    ),
    FaultSpec::new(
        "never-switches-extensions-off",
        &["B10-RX-25"],
        "Overlooks id 0 in a later extended handshake.",
        Effect::Quirk(Quirk::KeepsSwitchedOff),
    ),
    FaultSpec::new(
        "cuts-huge-ids",
        &["B10-RX-18"],
        "Takes the lowest byte of an id above 255.",
        Effect::Quirk(Quirk::CutsHugeIds),
    ),
    FaultSpec::new(
        "dies-of-odd-integers",
        &["B10-RX-18"],
        "Ends at minus zero and at leading zeros.",
        on(
            |s| flawed(s, FlawKind::NegativeZero) || flawed(s, FlawKind::LeadingZero),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dies-of-texts-for-numbers",
        &["B10-RX-18"],
        "Ends when reqq or metadata_size is a text, or the client name a number.",
        on(
            |s| {
                let hello = s.extended_handshake().unwrap_or_default();
                let text = |key: &str| matches!(hello.get(key), Some(Value::Bytes(_)));
                let number = matches!(hello.get("v"), Some(Value::Int(_)));
                text("reqq") || text("metadata_size") || number
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dies-of-binary-client-name",
        &["B10-RX-19"],
        "Ends when the client name is not UTF-8.",
        on(
            |s| {
                let hello = s.extended_handshake().unwrap_or_default();
                hello.v().is_some_and(|v| std::str::from_utf8(v).is_err())
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dies-of-odd-addresses",
        &["B10-RX-20"],
        "Ends when an address of an extended handshake has another length.",
        on(
            |s| {
                let hello = s.extended_handshake().unwrap_or_default();
                let odd = |key: &str, right: &[usize]| match hello.get(key) {
                    Some(Value::Bytes(bytes)) => !right.contains(&bytes.len()),
                    Some(_) => true,
                    None => false,
                };
                odd("yourip", &[4, 16]) || odd("ipv4", &[4]) || odd("ipv6", &[16])
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dies-of-odd-port",
        &["B10-RX-21"],
        "Ends when the port of an extended handshake is none.",
        on(
            |s| {
                let hello = s.extended_handshake().unwrap_or_default();
                hello.get("p").is_some() && hello.p().is_none_or(|p| p == 0)
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dials-cut-port",
        &["B10-RX-21"],
        "Cuts a listen port that does not fit to 16 bits, and dials it.",
        Effect::Quirk(Quirk::DialsCutPort),
    ),
    FaultSpec::new(
        "dials-cut-port-later",
        &["B10-RX-21"],
        "Cuts a listen port that does not fit to 16 bits, and dials it when the connection ends.",
        Effect::Quirk(Quirk::DialsCutPortLater),
    ),
    FaultSpec::new(
        "pex-with-cut-port",
        &["B10-RX-21"],
        "Cuts a listen port that does not fit to 16 bits, and tells others of it.",
        Effect::Quirk(Quirk::ExchangesCutPort),
    ),
    FaultSpec::new(
        "shares-reqq",
        &["B10-RX-22"],
        "Takes the reqq that came last for that of everybody.",
        Effect::Quirk(Quirk::SharesReqq),
    )
    .leech(),
    FaultSpec::new(
        "ignores-reqq",
        &["B10-RX-22"],
        "Keeps more requests outstanding than the other end bears.",
        Effect::Quirk(Quirk::IgnoresReqq),
    )
    .leech(),
    FaultSpec::new(
        "stalls-on-odd-reqq",
        &["B10-RX-23"],
        "Requests nothing when reqq makes no sense.",
        Effect::Quirk(Quirk::StallsOnOddReqq),
    )
    .leech(),
    FaultSpec::new(
        "ignores-case-of-keys",
        &["B10-RX-24", "B10-HS-08"],
        "Reads M for m.",
        Effect::Quirk(Quirk::IgnoresCase),
    ),
    FaultSpec::new(
        "ignores-case-of-names",
        &["B10-RX-24", "B10-HS-08"],
        "Reads UT_METADATA for ut_metadata.",
        Effect::Quirk(Quirk::IgnoresCaseOfNames),
    ),
    FaultSpec::new(
        "deaf-after-unknown-extended-id",
        &["B10-MS-01"],
        "Reads nothing any more after an extended message of an unknown id.",
        on(
            |s| match s.message() {
                Some(Message::Extended { ext_id, .. }) => {
                    let mut ours = s.peer.conn.extensions.iter();
                    *ext_id != 0 && ours.all(|slot| slot.id != *ext_id)
                }
                _ => false,
            },
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "dies-of-id-behind-its-last",
        &["B10-MS-01"],
        "Ends at an extended message whose id is one above its highest.",
        on(
            |s| {
                let last = s.peer.conn.extensions.iter().map(|slot| slot.id).max();
                extended_id(s).is_some_and(|id| Some(id) == last.map(|last| last + 1))
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "hangs-on-highest-extended-id",
        &["B10-MS-01"],
        "Does nothing any more after an extended message of id 255.",
        on(|s| extended_id(s) == Some(255), React::Hang),
    ),
    FaultSpec::new(
        "dies-of-garbage-for-extension",
        &["B10-MS-02"],
        "Ends when a message of a known extension does not decode.",
        on(
            |s| match s.message() {
                Some(Message::Extended { ext_id, payload }) if *ext_id != 0 => {
                    let mut ours = s.peer.conn.extensions.iter();
                    let slot = ours.find(|slot| slot.id == *ext_id);
                    slot.is_some_and(|s| ExtensionMessage::decode(s.name, payload).is_err())
                }
                _ => false,
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "queue-shorter-than-reqq",
        &["B10-RQ-01"],
        "Rejects requests that its reqq promises to keep.",
        Effect::Quirk(Quirk::ShortQueue),
    )
    .seed(),
    FaultSpec::new(
        "dies-of-full-queue",
        &["B10-RQ-02"],
        "Ends when more requests come than its reqq.",
        on(
            |s| s.is(Kind::Request) && s.peer.conn.uploads.len() >= 2000,
            React::Exit,
        ),
    )
    .seed(),
    FaultSpec::new(
        "upload-only-leech-requests",
        &["B21-UO-02"],
        "Says upload_only and requests pieces all the same.",
        send(
            |s| hello(s) && s.peer.role == Role::Leech,
            Alter::Other(|s| changed(s, |hello| hello.with("upload_only", Value::Int(1)))),
        ),
    )
    .leech(),
    FaultSpec::new(
        "avoids-upload-only-peers",
        &["B21-UO-04"],
        "Wants nothing of peers that say upload_only.",
        Effect::Quirk(Quirk::AvoidsUploadOnly),
    )
    .leech(),
    FaultSpec::new(
        "takes-upload-only-for-everything",
        &["B3-PC-03"],
        "Asks who says upload_only for pieces that it never announced.",
        on(
            |s| s.is(Kind::Unchoke) && lacked(s).is_some(),
            React::Say(|s| {
                let blocks = lacked(s).and_then(|index| s.peer.torrent.geometry().block(index, 0));
                let requests = blocks.into_iter().map(Message::Request);
                requests.map(Wire::Message).collect()
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "hides-that-it-is-a-partial-seed",
        &["B21-UO-01"],
        "Does not say upload_only when it wants nothing more.",
        Effect::Quirk(Quirk::HidesPartialSeed),
    )
    .leech(),
    FaultSpec::new(
        "partial-seed-says-zero",
        &["B21-UO-01"],
        "Says upload_only with the value 0 when it wants nothing more.",
        send(
            |s| hello(s) && s.peer.role == Role::Leech,
            Alter::Other(|s| {
                changed(s, |hello| match hello.get("upload_only") {
                    Some(_) => hello.with("upload_only", Value::Int(0)),
                    None => hello,
                })
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "seed-dies-of-upload-only",
        &["B21-UO-03"],
        "Ends when a peer says upload_only to a seed.",
        on(
            |s| {
                let hello = s.extended_handshake().unwrap_or_default();
                s.peer.role == Role::Seed && hello.upload_only() == Some(1)
            },
            React::Exit,
        ),
    )
    .seed(),
    FaultSpec::new(
        "deaf-after-upload-only-is-taken-back",
        &["B21-UO-05"],
        "Reads nothing any more when upload_only goes back to 0.",
        on(
            |s| {
                let before = s.peer.conn.their_extended.as_ref();
                let was = before.and_then(ExtendedHandshake::upload_only) == Some(1);
                let hello = s.extended_handshake().unwrap_or_default();
                was && hello.upload_only() == Some(0)
            },
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "dies-of-odd-upload-only",
        &["B21-UO-05"],
        "Ends when upload_only is neither 0 nor 1.",
        on(
            |s| {
                let hello = s.extended_handshake().unwrap_or_default();
                let value = hello.get("upload_only");
                value.is_some_and(|value| !matches!(value, Value::Int(0 | 1)))
            },
            React::Exit,
        ),
    ),
];

fn extended_id(seen: &Seen<'_>) -> Option<u8> {
    match seen.message()? {
        Message::Extended { ext_id, .. } => Some(*ext_id),
        _ => None,
    }
}

/// Our extended handshake.
pub(super) fn hello(sent: &Sent<'_>) -> bool {
    sent.is(Kind::ExtendedHandshake)
}

/// Our extended handshake with other bytes.
fn payload(sent: &Sent<'_>, change: impl Fn(&mut Vec<u8>)) -> Vec<Wire> {
    let Message::Extended { ext_id, payload } = sent.message else {
        return Vec::new();
    };
    let mut bytes = payload.to_vec();
    change(&mut bytes);
    vec![Wire::Message(Message::Extended {
        ext_id: *ext_id,
        payload: bytes.into(),
    })]
}

/// Our extended handshake with other keys.
pub(super) fn changed(
    sent: &Sent<'_>,
    change: impl Fn(ExtendedHandshake) -> ExtendedHandshake,
) -> Vec<Wire> {
    payload(sent, |bytes| *bytes = change(ours(bytes)).encode().to_vec())
}

fn ours(payload: &[u8]) -> ExtendedHandshake {
    match ExtensionMessage::decode("", &Bytes::copy_from_slice(payload)) {
        Ok(ExtensionMessage::Handshake(handshake)) => handshake,
        _ => ExtendedHandshake::new(),
    }
}

fn read(payload: &Bytes) -> Option<Document> {
    bencode::read(payload, Limits::default()).ok()
}

fn flawed(seen: &Seen<'_>, kind: FlawKind) -> bool {
    let document = seen.hello().and_then(read);
    document.is_some_and(|d| d.flaws.iter().any(|flaw| flaw.kind == kind))
}

/// Deeper than anything honest.
fn nested(payload: &Bytes) -> bool {
    payload
        .windows(256)
        .any(|window| window.iter().all(|byte| *byte == b'l'))
}

/// An extended handshake that switches an extension off.
fn off(seen: &Seen<'_>, name: &str) -> bool {
    let hello = seen.extended_handshake();
    hello.and_then(|hello| hello.ext_id(name)) == Some(0)
}

/// A piece that neither end has, where the other end says `upload_only`.
fn lacked(seen: &Seen<'_>) -> Option<u32> {
    let conn = seen.peer.conn;
    let hello = conn.their_extended.as_ref()?;
    let wanted =
        |index: &u32| !conn.their_pieces.get(*index) && !seen.peer.store.have().get(*index);
    let mut pieces = (0..seen.pieces()).filter(|_| hello.upload_only() == Some(1));
    pieces.find(wanted)
}
