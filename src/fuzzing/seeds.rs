//! Seeds that follow from tables, and seeds from reports: `cargo run --example seeds`.

use std::time::Duration;

use super::roundtrip::HANDSHAKE;
use super::script::{WAITS, code};
use crate::outcome::{CaseOutcome, EntryDir, TranscriptEntry};
use crate::scenario::ast::Suite;
use crate::scenario::{embedded, print};
use crate::wire::{Capability, Handshake, Kind, Reserved, hex};

/// A name in words and the bytes.
pub type Seed = (String, Vec<u8>);

/// The seeds of a target that follow from tables; none for targets whose seeds are written by hand.
pub fn of(target: &str) -> Vec<Seed> {
    match target {
        "roundtrip" => roundtrip(),
        "session" => session(),
        "peer" => peer(),
        "scenario" => scenario(),
        "report" => report(),
        _ => Vec::new(),
    }
}

/// Bytes that count up: different in every field.
fn ramp(len: u8) -> impl Iterator<Item = u8> {
    1..=len
}

fn roundtrip() -> Vec<Seed> {
    let things = (0..).zip(Kind::ALL).map(|(n, kind)| (kind.name(), n));
    let others = [("handshake", HANDSHAKE), ("bencoded_value", HANDSHAKE + 1)];
    let mut seeds: Vec<Seed> = things
        .clone()
        .chain(others)
        .map(|(name, first)| {
            (
                name.to_owned(),
                [first].into_iter().chain(ramp(80)).collect(),
            )
        })
        .collect();
    let all = things.flat_map(|(_, first)| [first].into_iter().chain(ramp(40)));
    seeds.push(("every_kind".to_owned(), all.collect()));
    seeds
}

/// Says `code`, with what belongs to it, as this party.
fn turn(who: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    [&[who << 4 | code], rest].concat()
}

/// A message of this kind with fields that count up.
pub(super) fn message(who: u8, kind: Kind) -> Vec<u8> {
    let alike = |other: &&Kind| other.is_extension() == kind.is_extension();
    let place = Kind::ALL
        .iter()
        .filter(alike)
        .position(|other| *other == kind);
    let place = u8::try_from(place.unwrap_or(0)).unwrap_or(0);
    let (code, head) = match kind.extension() {
        Some(_) => (code::EXTENSION, vec![9, place]),
        None => (code::MESSAGE, vec![place]),
    };
    let fields: Vec<u8> = match kind {
        Kind::ExtendedHandshake => framed(b"d1:md6:ut_pexi1ee1:pi6881e4:reqqi9ee"),
        Kind::UtPex => framed(b"d5:added6:\x7f\0\0\x02\x1a\xe17:added.f1:\x02e"),
        Kind::UtMetadataData => [&[0, 1, 9][..], &framed(b"abcdefghi")].concat(),
        Kind::UtMetadataUnknown => [&[0, 9][..], &framed(b"de")].concat(),
        Kind::Bitfield => vec![1, 0xf8],
        Kind::Piece => [&[1, 0][..], &framed(b"sixteen bytes ..")].concat(),
        Kind::Unknown => vec![99, 2, 1, 2],
        _ => vec![1, 0, 0, 2, 3, 4, 5, 6],
    };
    turn(who, code, &[head, fields].concat())
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let len = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    [&[len], bytes].concat()
}

const EVERYTHING: u8 = 0b0111;
const NOTHING: u8 = 0;

fn handshake(who: u8, offers: u8) -> Vec<u8> {
    turn(who, code::HANDSHAKE, &[offers])
}

/// Waits at least so many milliseconds.
fn wait(millis: u32) -> Vec<u8> {
    let place = (0..).zip(WAITS).filter(|(_, wait)| *wait >= millis);
    let place = place
        .min_by_key(|(_, wait)| *wait)
        .map_or(15, |(place, _)| place);
    turn(0, code::WAIT, &[place])
}

fn named(name: &str, parts: &[Vec<u8>]) -> Seed {
    (name.to_owned(), parts.concat())
}

fn session() -> Vec<Seed> {
    let open = |offers: u8| {
        [
            vec![0b0010_0101],
            handshake(0, offers),
            handshake(1, offers),
            turn(0, code::HELLO, &[]),
            turn(1, code::HELLO, &[]),
            turn(0, code::AVAILABILITY, &[1]),
            turn(1, code::AVAILABILITY, &[0]),
            wait(1_000),
        ]
        .concat()
    };
    let fast = open(EVERYTHING);
    let plain = open(NOTHING);
    let unchoked = [
        turn(0, code::MESSAGE, &[kind(Kind::Interested)]),
        turn(1, code::MESSAGE, &[kind(Kind::Unchoke)]),
        wait(1_000),
    ]
    .concat();
    let request = |index: u8| turn(0, code::REQUEST, &[index]);
    let answer = |how: u8| [wait(1_000), turn(1, code::ANSWER, &[how]), wait(1_000)].concat();
    let mut seeds: Vec<Seed> = Kind::ALL
        .iter()
        .map(|kind| {
            named(
                kind.name(),
                &[fast.clone(), message(0, *kind), message(1, *kind)],
            )
        })
        .collect();
    for (name, how) in [("block", 0), ("reject", 1), ("corrupt", 2), ("short", 3)] {
        let parts = [
            fast.clone(),
            unchoked.clone(),
            request(1),
            answer(how),
            answer(how),
        ];
        seeds.push(named(&format!("answer_{name}"), &parts));
    }
    let choke = turn(1, code::MESSAGE, &[kind(Kind::Choke)]);
    let again = |times: u8| turn(0, code::AGAIN, &[times]);
    seeds.extend([
        named(
            "choke_throws_requests_out",
            &[
                plain.clone(),
                unchoked.clone(),
                request(1),
                request(2),
                wait(1_000),
                choke.clone(),
                answer(0),
            ],
        ),
        named(
            "choke_crosses_a_request",
            &[fast.clone(), unchoked.clone(), choke, request(3), answer(1)],
        ),
        named(
            "cancel_behind_a_request",
            &[
                fast.clone(),
                unchoked.clone(),
                request(1),
                turn(0, code::MESSAGE, &[kind(Kind::Cancel), 1, 0, 0]),
                answer(0),
                answer(1),
            ],
        ),
        named(
            "flood_of_one_request",
            &[
                fast.clone(),
                unchoked.clone(),
                request(1),
                again(8),
                answer(0),
            ],
        ),
        named(
            "answer_overdue",
            &[
                fast.clone(),
                unchoked.clone(),
                request(1),
                wait(120_000),
                wait(200_000),
            ],
        ),
        named(
            "nothing_said",
            &[
                vec![0],
                handshake(0, EVERYTHING),
                handshake(1, EVERYTHING),
                wait(200_000),
                wait(200_000),
            ],
        ),
        named(
            "other_info_hash",
            &[vec![0x35], handshake(0, 0x17), handshake(1, EVERYTHING)],
        ),
        named(
            "no_handshake",
            &[
                vec![0],
                turn(0, code::BYTES, &framed(b"\x13BitTorrent protokol")),
            ],
        ),
        named(
            "undecodable",
            &[
                fast.clone(),
                turn(0, code::BYTES, &framed(&[0, 0, 0, 2, 4, 1])),
                turn(1, code::BYTES, &framed(&[0, 0, 0, 2, 4, 1])),
            ],
        ),
        named(
            "over_limit",
            &[
                fast.clone(),
                turn(1, code::BYTES, &framed(&[0xff, 0xff, 0xff, 0xff, 4])),
            ],
        ),
        named(
            "half_a_frame_and_fin",
            &[
                fast.clone(),
                turn(0, code::BYTES, &framed(&[0, 0, 0, 5, 4])),
                turn(0, code::CLOSE, &[0]),
                turn(1, code::CLOSE, &[1]),
            ],
        ),
        named(
            "not_reading",
            &[
                fast.clone(),
                turn(0, code::READ, &[0]),
                wait(200_000),
                turn(0, code::READ, &[1]),
                wait(200_000),
            ],
        ),
        named("without_fast", &[plain, unchoked, request(1), answer(0)]),
    ]);
    seeds
}

fn kind(kind: Kind) -> u8 {
    let place = Kind::ALL.iter().position(|other| *other == kind);
    u8::try_from(place.unwrap_or(0)).unwrap_or(0)
}

/// What the first two bytes of `peer` say.
const SEED: u8 = 0;
const LEECH: u8 = 1;
const LATENCY: u8 = 2 << 1;

fn peer() -> Vec<Seed> {
    let open = |role: u8| {
        [
            vec![role, 0],
            handshake(0, EVERYTHING),
            turn(0, code::HELLO, &[]),
            turn(0, code::AVAILABILITY, &[1 - role % 2]),
            wait(400),
        ]
        .concat()
    };
    let seed = open(SEED | LATENCY);
    let leech = open(LEECH);
    let interested = turn(0, code::MESSAGE, &[kind(Kind::Interested)]);
    let unchoke = turn(0, code::MESSAGE, &[kind(Kind::Unchoke)]);
    let answers = |how: u8, times| {
        [turn(0, code::ANSWER, &[how]), wait(1)]
            .concat()
            .repeat(times)
    };
    let bytes = |bytes: &[u8]| turn(0, code::BYTES, &framed(bytes));
    let mut seeds = Vec::new();
    for message_kind in Kind::ALL {
        let said = message(0, *message_kind);
        let name = message_kind.name();
        seeds.push(named(
            name,
            &[seed.clone(), interested.clone(), said.clone(), wait(1_000)],
        ));
        seeds.push(named(
            &format!("leech_{name}"),
            &[leech.clone(), said, wait(1_000)],
        ));
    }
    let never = |name: &str, parts: &[Vec<u8>]| named(name, parts);
    seeds.extend([
        never(
            "serves_and_rejects",
            &[
                seed.clone(),
                turn(0, code::REQUEST, &[1]),
                interested.clone(),
                wait(1_000),
                turn(0, code::REQUEST, &[1]),
                turn(0, code::REQUEST, &[4]),
                wait(1_000),
                turn(0, code::MESSAGE, &[kind(Kind::Request), 1, 0, 3]),
                wait(1_000),
            ],
        ),
        never(
            "flood_of_requests",
            &[
                seed.clone(),
                interested.clone(),
                wait(1_000),
                turn(0, code::REQUEST, &[1]),
                turn(0, code::AGAIN, &[8]),
                wait(1_000),
            ],
        ),
        never(
            "downloads",
            &[leech.clone(), unchoke.clone(), answers(0, 12)],
        ),
        never(
            "downloads_after_corrupt_pieces",
            &[
                leech.clone(),
                unchoke.clone(),
                answers(2, 2),
                answers(0, 12),
            ],
        ),
        never(
            "rejected_then_served",
            &[
                leech.clone(),
                unchoke.clone(),
                answers(1, 3),
                wait(5_000),
                answers(0, 12),
            ],
        ),
        never(
            "short_answer",
            &[leech.clone(), unchoke.clone(), answers(3, 1), wait(1_000)],
        ),
        never(
            "wrong_length_of_piece",
            &[
                leech.clone(),
                unchoke.clone(),
                turn(0, code::ANSWER, &[3]),
                wait(1_000),
            ],
        ),
        never(
            "requests_time_out",
            &[leech.clone(), unchoke.clone(), wait(200_000)],
        ),
        never(
            "two_peers_share_a_leech",
            &[
                leech.clone(),
                handshake(1, EVERYTHING),
                turn(1, code::AVAILABILITY, &[0]),
                unchoke.clone(),
                turn(1, code::MESSAGE, &[kind(Kind::Unchoke)]),
                wait(1),
                answers(0, 3),
                turn(1, code::ANSWER, &[0]),
                turn(1, code::ANSWER, &[0]),
                answers(0, 9),
            ],
        ),
        never(
            "is_told_to_dial",
            &[
                vec![LEECH, 0],
                turn(2, code::OPEN, &[]),
                wait(10),
                handshake(2, EVERYTHING),
                turn(2, code::AVAILABILITY, &[0]),
                wait(1_000),
            ],
        ),
        never(
            "dials_in_vain",
            &[leech.clone(), turn(0, code::OPEN, &[]), wait(1_000)],
        ),
        never(
            "fin",
            &[seed.clone(), turn(0, code::CLOSE, &[0]), wait(1_000)],
        ),
        never(
            "rst",
            &[seed.clone(), turn(0, code::CLOSE, &[1]), wait(1_000)],
        ),
        never(
            "half_a_frame_and_fin",
            &[
                seed.clone(),
                bytes(&[0, 0, 0, 5, 4]),
                turn(0, code::CLOSE, &[0]),
                wait(1_000),
            ],
        ),
        never(
            "no_bittorrent",
            &[vec![0, 0], bytes(b"GET / HTTP/1.1\r\n\r\n"), wait(1_000)],
        ),
        never(
            "other_info_hash",
            &[vec![0, 0], handshake(0, 0x17), wait(1_000)],
        ),
        never("silence", &[vec![0, 0], bytes(b"\x13Bit"), wait(200_000)]),
        never("idle", &[seed.clone(), wait(200_000), wait(200_000)]),
        never(
            "keep_alives_on_both_sides",
            &[
                seed.clone(),
                message(0, Kind::KeepAlive),
                wait(70_000),
                message(0, Kind::KeepAlive),
                wait(120_000),
                wait(120_000),
            ],
        ),
        never(
            "frame_too_long",
            &[seed.clone(), bytes(&[0xff, 0xff, 0xff, 0xff]), wait(1_000)],
        ),
        never(
            "second_handshake",
            &[seed.clone(), handshake(0, EVERYTHING), wait(1_000)],
        ),
        never(
            "malformed",
            &[seed.clone(), bytes(&[0, 0, 0, 2, 4, 0]), wait(1_000)],
        ),
        never(
            "fast_message_without_fast",
            &[
                vec![0, 0],
                handshake(0, NOTHING),
                message(0, Kind::HaveAll),
                wait(1_000),
            ],
        ),
        never(
            "cancel_of_a_slow_answer",
            &[
                vec![SEED, 0x10],
                handshake(0, EVERYTHING),
                interested.clone(),
                wait(10),
                turn(0, code::REQUEST, &[1]),
                turn(0, code::MESSAGE, &[kind(Kind::Cancel), 1, 0, 0]),
                wait(1_000),
            ],
        ),
        never(
            "without_fast",
            &[
                vec![SEED | LATENCY, 1],
                handshake(0, NOTHING),
                interested.clone(),
                wait(1_000),
                turn(0, code::REQUEST, &[1]),
                wait(1_000),
                turn(0, code::MESSAGE, &[kind(Kind::NotInterested)]),
                wait(1_000),
            ],
        ),
        never(
            "leech_without_fast",
            &[
                vec![LEECH, 1],
                handshake(0, NOTHING),
                turn(0, code::AVAILABILITY, &[0]),
                unchoke.clone(),
                answers(0, 2),
                turn(0, code::MESSAGE, &[kind(Kind::Choke)]),
                wait(10),
                unchoke,
                answers(0, 10),
            ],
        ),
        never(
            "drip_and_super_seed",
            &[
                vec![0x60, 0xc0],
                handshake(0, EVERYTHING),
                turn(0, code::HELLO, &[]),
                interested,
                wait(1_000),
                turn(0, code::REQUEST, &[0]),
                wait(1_000),
                message(0, Kind::Have),
                wait(1_000),
            ],
        ),
        never(
            "not_reading",
            &[
                seed.clone(),
                turn(0, code::READ, &[0]),
                wait(1_000),
                turn(0, code::READ, &[1]),
                wait(1_000),
            ],
        ),
        never(
            "verbs",
            &[
                seed,
                turn(0, code::VERB, &[1]),
                wait(1),
                turn(0, code::VERB, &[2]),
                turn(0, code::VERB, &[0]),
                turn(0, code::VERB, &[5]),
                wait(1_000),
            ],
        ),
    ]);
    seeds
}

/// Of the embedded cases, shortest first, those that show a word of the format for the first time.
fn scenario() -> Vec<Seed> {
    let suites = embedded().unwrap_or_default();
    let mut cases: Vec<_> = suites
        .iter()
        .flat_map(|suite| &suite.cases)
        .map(|case| {
            let suite = Suite {
                id: case.suite.clone(),
                title: case.title.clone(),
                span: case.span.clone(),
                cases: vec![case.clone()],
            };
            (
                format!("{}_{}", case.suite, case.id),
                print(&suite).into_bytes(),
            )
        })
        .collect();
    cases.sort_by_key(|(_, text)| text.len());
    let mut seen = super::Reach::new();
    cases.retain(|(_, text)| {
        let before = seen.len();
        seen.extend(super::scenario(text));
        seen.len() > before
    });
    let flat = |name: String| name.replace('-', "_");
    cases
        .into_iter()
        .map(|(name, text)| (flat(name), text))
        .collect()
}

/// Of outcomes made of random choices, those that hold something for the first time, which is what
/// they are named after.
fn report() -> Vec<Seed> {
    let mut seen = super::Reach::new();
    let mut seeds = Vec::new();
    let mut state = 0x7265_706f_7274_u64;
    for _ in 0..RANDOM {
        let bytes: Vec<u8> = (0..64)
            .flat_map(|_| split_mix(&mut state).to_le_bytes())
            .collect();
        let reached = super::report(&bytes);
        let new: Vec<_> = reached.difference(&seen).copied().take(3).collect();
        if !new.is_empty() {
            seeds.push((new.join("_and_").replace([' ', '-'], "_"), bytes));
        }
        seen.extend(reached);
    }
    seeds
}

/// Outcomes to choose from.
const RANDOM: usize = 400;

/// SplitMix64: small, good enough, the same everywhere.
pub(super) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The script of one recorded case: for `session` both ends, for `peer` what the tester sent. Long
/// messages are shortened in reports: of them only blocks can be made up again.
pub fn recorded(target: &str, case: &CaseOutcome) -> Vec<u8> {
    let both = target == "session";
    let leech = case.role.as_deref() == Some("leech");
    let mut script = match both {
        true => vec![0],
        false => vec![u8::from(leech), 0],
    };
    let mut now = Duration::ZERO;
    for entry in &case.transcript {
        let who = match (entry.dir, both, entry.conn) {
            (EntryDir::Sent, true, Some(1)) => 0,
            (EntryDir::Received, true, Some(1)) => 1,
            (EntryDir::Sent, false, Some(conn)) => u8::try_from(conn % 4).unwrap_or(0),
            _ => continue,
        };
        let gap = entry.at_ms.0.saturating_sub(now).as_millis();
        if let Some(millis) = u32::try_from(gap).ok().filter(|gap| *gap > 0) {
            script.extend(wait(millis.min(200_000)));
            now = entry.at_ms.0;
        }
        script.extend(said(who, entry).unwrap_or_default());
    }
    script
}

fn said(who: u8, entry: &TranscriptEntry) -> Option<Vec<u8>> {
    let raw = hex::decode(entry.hex.as_deref()?).ok()?;
    let whole = u64::try_from(raw.len()).is_ok_and(|len| len == entry.len);
    let index = |raw: &[u8]| raw.get(8).copied();
    Some(match entry.kind.as_str() {
        "handshake" => {
            let shown = Handshake::decode(raw.first_chunk()?).ok()?;
            handshake(who, offers(&shown.reserved))
        }
        "piece" => turn(who, code::ANSWER, &[0]),
        "request" => turn(who, code::REQUEST, &[index(&raw)?]),
        "have" => turn(who, code::MESSAGE, &[kind(Kind::Have), index(&raw)? % 5]),
        "bitfield" => turn(who, code::AVAILABILITY, &[0]),
        _ if whole => turn(who, code::BYTES, &framed(&raw)),
        _ => return None,
    })
}

fn offers(reserved: &Reserved) -> u8 {
    (0..)
        .zip(Capability::ALL)
        .filter(|(_, capability)| reserved.has(**capability))
        .fold(0, |bits, (n, _)| bits | 1 << n)
}
