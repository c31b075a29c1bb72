//! Every defect shows: at least one of these scripts goes otherwise than with a sound peer.

use std::collections::BTreeMap;

use super::scripts::acts::*;
use super::scripts::{self, Script};
use super::support::*;
use crate::peer::fault::{self, FaultRole, FaultSpec};
use crate::peer::{FaultSet, PeerConfig, Role};
use crate::requirement::catalogue;
use crate::torrent::{Torrent, fixture};
use crate::wire::{Kind, Message, PeerId, Reserved};

/// What a peer does in a script.
fn play(config: PeerConfig, script: Script) -> String {
    let mut talk = Talk::to(config);
    script(&mut talk);
    talk.log
}

fn config(role: Role) -> PeerConfig {
    let mut config = PeerConfig::new(torrent(), role).with_seed(5);
    config.listen = ([127, 0, 0, 1], 6881).into();
    config
}

fn roles(fault: &FaultSpec) -> &'static [Role] {
    match fault.role {
        FaultRole::Seed => &[Role::Seed],
        FaultRole::Leech => &[Role::Leech],
        FaultRole::Any => &[Role::Seed, Role::Leech],
    }
}

#[test]
fn every_fault_shows_in_its_roles_and_seldom() {
    let mut sound = BTreeMap::new();
    for role in [Role::Seed, Role::Leech] {
        for (name, script) in scripts::all() {
            sound.insert((role == Role::Seed, *name), play(config(role), *script));
        }
    }
    let mut hidden = Vec::new();
    for fault in fault::all() {
        for role in roles(fault) {
            let shows = scripts::all().any(|(name, script)| {
                let config = config(*role).with_faults(FaultSet::one(fault));
                play(config, *script) != sound[&(*role == Role::Seed, *name)]
            });
            let loads = super::superseed::LOADS
                .iter()
                .any(|load| load.0 == fault.name);
            let elsewhere = loads
                || fault.name.starts_with("super-seed")
                || ELSEWHERE.contains(&fault.name)
                || SCENARIOS.contains(&fault.name);
            if !shows && !elsewhere {
                hidden.push((fault.name, *role));
            }
        }
    }
    assert!(hidden.is_empty(), "{hidden:#?}");
}

#[test]
fn no_exception_is_about_a_fault_that_does_not_exist() {
    for name in ELSEWHERE.iter().chain(SCENARIOS) {
        assert!(fault::by_name(name).is_some(), "{name}");
    }
}

/// Faults that none of these short scripts brings out: it takes a case. The audit plays the suites
/// against each, and fails if one is not seen.
const SCENARIOS: &[&str] = &[
    "aligns-begin",
    "announces-another-peer-id",
    "answers-first-blocks-of-allowed-fast",
    "asks-a-choking-peer-for-news",
    "asks-again-for-what-was-taken-back",
    "asks-corrupt-source-for-ever",
    "asks-no-private-strangers",
    "begin-is-signed",
    "bitfield-of-a-byte-more",
    "cancel-ignores-length",
    "cancel-reaches-other-connections",
    "cancel-takes-another-block-of-piece",
    "checks-a-piece-once",
    "choke-counts-for-everybody",
    "chokes-idle-peers",
    "closes-dialled-without-bitfield",
    "closes-on-cancelled-block",
    "closes-on-one-unknown-reserved-bit",
    "closes-on-second-pex",
    "closes-on-second-port",
    "compares-half-the-info-hash",
    "counts-a-have-twice",
    "crosses-no-block",
    "deaf-after-garbage-for-extension",
    "deaf-after-huge-have",
    "deaf-after-late-cancel",
    "deaf-after-repeated-unchoke",
    "deaf-after-short-bitfield",
    "deaf-after-third-pex",
    "deaf-after-upload-only-is-taken-back",
    "dht-bit-is-fast",
    "dials-any-protocol",
    "dials-any-protocol-length",
    "dials-compares-half-the-hash",
    "dials-cut-port-later",
    "dials-every-port-of-pex",
    "dials-private-contacts",
    "dies-of-a-new-seed",
    "dies-of-cancel-out-of-range",
    "dies-of-empty-block",
    "dies-of-eof-in-answer-to-dial",
    "dies-of-have-in-the-padding",
    "dies-of-have-none-behind-have-all",
    "dies-of-id-behind-its-last",
    "dies-of-id-that-is-no-number",
    "dies-of-long-bitfield",
    "dies-of-long-block",
    "dies-of-many-contacts",
    "dies-of-many-rejects",
    "dies-of-missing-flags",
    "dies-of-number-for-list",
    "dies-of-odd-private-metadata-request",
    "dies-of-pex-flood",
    "dies-of-ragged-pex",
    "dies-of-reset-in-answer-to-dial",
    "dies-of-texts-for-numbers",
    "dies-of-tls",
    "dies-of-unexpected-block",
    "dies-of-unexpected-peer-id",
    "dies-of-zero-peer-id",
    "dies-when-interest-is-lost",
    "drops-handshake-with-binary-names",
    "early-request-spoils-block",
    "exchanges-private-peers",
    "extended-handshake-clears-bitfield",
    "forgets-blocks-rejected-under-choke",
    "forgets-what-was-taken-back-and-rejected",
    "full-bitfield-is-nothing-with-fast",
    "grows-at-huge-have",
    "hangs-at-overflowing-block",
    "hangs-at-short-block",
    "hangs-behind-late-bitfield",
    "hangs-on-excess-flags",
    "hangs-on-highest-extended-id",
    "hangs-on-largest-port",
    "hangs-on-many-names",
    "hangs-on-pex-flood",
    "hangs-on-zero-length",
    "have-only-to-callers",
    "have-only-with-fast",
    "have-raises-no-interest",
    "haves-behind-two-bitfields-are-lost",
    "hides-that-it-is-a-partial-seed",
    "holds-150-answers",
    "ignores-case-of-names",
    "ignores-donthave-behind-have-all",
    "ignores-haves-without-bitfield",
    "ignores-short-last-block",
    "impatient-in-block",
    "index-in-two-bytes",
    "index-in-wrong-byte-order",
    "interest-is-a-switch",
    "interested-in-what-it-has",
    "interested-when-complete",
    "keeps-alive-who-keeps-alive",
    "keeps-callers-of-old-tracker",
    "keeps-ids-of-who-comes-again",
    "keeps-no-dialled-connection-alive",
    "keeps-peers-of-old-tracker",
    "lacks-one-piece-that-it-announced",
    "last-block-a-byte-short",
    "last-piece-of-no-length",
    "leaves-completing-piece-unchecked",
    "leaves-last-block-unchecked",
    "leaves-last-piece-unchecked",
    "leaves-mixed-piece-unchecked",
    "leaves-whom-it-dialled-after-a-minute",
    "loses-one-answer",
    "loses-one-answer-with-fast",
    "loses-the-last-of-a-long-segment",
    "lost-interest-counts-for-everybody",
    "metadata-piece-behind-whole-last",
    "metadata-whole-last-piece-empty",
    "metadata-whole-last-piece-unanswered",
    "never-asks-for-a-whole-last-piece",
    "never-unchokes-again",
    "never-unchokes-private-strangers",
    "offset-in-32-bits",
    "offset-in-sixteen-bits",
    "one-have-behind-bitfield-counts",
    "overlooks-one-byte-more",
    "overlooks-short-bitfield",
    "pads-last-block",
    "pads-past-end",
    "partial-seed-says-zero",
    "pex-adds-fifty-one",
    "pex-adds-twice",
    "pex-adds-what-it-drops",
    "pex-drops-another-port",
    "pex-drops-latest-only",
    "pex-drops-somebody-else",
    "pex-drops-the-living",
    "pex-empty",
    "pex-every-fifty-seconds",
    "pex-every-half-minute",
    "pex-forgets-reset-peers",
    "pex-ignored-without-flags",
    "pex-is-a-list",
    "pex-later-to-who-offers-none",
    "pex-never-drops",
    "pex-passes-on-hearsay",
    "pex-repeated-later",
    "pex-second-message-early",
    "pex-to-who-offers-none",
    "pex-with-bytes-behind",
    "pex-with-cut-port",
    "pex-with-flags-short",
    "pex-with-one-flag-byte",
    "pex-with-ragged-list",
    "pex-with-reserved-flag",
    "pex-with-swapped-port",
    "pex-with-text-addresses",
    "plain-handshake-coalesced-loses-bytes",
    "reads-on-in-one-file",
    "refuses-service-after-lost-interest",
    "rejects-all-but-one-at-choke",
    "rejects-all-but-one-of-the-cancelled",
    "rejects-one-request-per-choke",
    "requests-nothing-of-whom-it-dialled",
    "requests-phantom-piece",
    "rounds-length-up",
    "serves-across-pieces",
    "serves-behind-second-choke",
    "serves-into-next-piece",
    "serves-last-block-once",
    "serves-long-in-parts",
    "serves-no-cancelled-block-later",
    "serves-no-piece-at-once",
    "serves-nobody-it-dialled",
    "serves-nothing-after-second-unchoke",
    "serves-one-block-to-whom-it-dialled",
    "serves-one-byte-past-the-end",
    "serves-sixty-four-blocks-a-piece",
    "serves-unchecked-blocks",
    "serves-wrong-bytes-while-downloading",
    "shares-reqq",
    "shifts-one-block",
    "shows-a-piece-too-many",
    "shows-bitfield-by-words",
    "shows-mirrored-bitfield",
    "shows-no-bitfield-when-dialling",
    "shows-nothing-of-what-it-got",
    "shows-shifted-bitfield",
    "sixty-four-blocks-a-piece",
    "stops-at-unknown-key",
    "stops-requesting",
    "takes-empty-block-for-piece",
    "takes-other-bits-for-extended",
    "takes-other-bits-for-fast",
    "takes-upload-only-for-everything",
    "talks-to-switched-off-extension",
    "talks-to-switched-off-extension-late",
    "tells-no-port",
    "tells-port-late",
    "tells-port-mirrored",
    "tells-port-once",
    "tells-port-to-callers-only",
    "tells-port-zero",
    "tells-progress-by-bitfield",
    "tolerates-unrequested-beside-its-piece",
    "unchoke-counts-for-everybody",
    "zero-length-is-whole-piece",
];

/// Faults that show on other torrents or with other settings only; each has a test of its own.
const ELSEWHERE: &[&str] = &[
    "allowed-fast-never-ends",
    "dies-when-full",
    "pex-on-private-torrent",
    "metadata-answers-next-piece",
    "metadata-piece-served-once",
    "metadata-last-piece-padded",
    "metadata-last-piece-short",
    "metadata-blocks-of-fifteen-kib",
    "metadata-total-size-of-piece",
    "metadata-last-byte-wrong",
    "metadata-length-without-piece",
    "metadata-to-another-connection",
];

#[test]
fn faults_of_later_metadata_pieces_show_where_there_are_some() {
    let torrent = fixture::main().torrent;
    let run = |faults: FaultSet| {
        let config = PeerConfig::new(torrent.clone(), Role::Seed).with_faults(faults);
        let mut talk = Talk::to(config);
        let mut handshake = Talk::handshake_with(BOTH);
        handshake.info_hash = torrent.info_hash();
        let [_, conn] = [44, 33].map(|id| {
            let conn = talk.connect();
            talk.raw(conn, &handshake.encode());
            talk.greeting(conn);
            talk.send(conn, &[hello(&[("ut_metadata", id)])]);
            conn
        });
        for piece in [0, 1, 2, 2, 1, 0, 2] {
            talk.send(conn, &[metadata(piece)]);
        }
        talk.log
    };
    let sound = run(FaultSet::none());
    for name in ELSEWHERE.iter().filter(|name| name.starts_with("metadata")) {
        let fault = fault::by_name(name).unwrap();
        assert_ne!(run(FaultSet::one(fault)), sound, "{name}");
    }
}

#[test]
fn small_torrent_never_ends_the_allowed_fast_set() {
    let torrent = fixture::one_piece().torrent;
    let run = |faults: FaultSet| {
        let config = PeerConfig::new(torrent.clone(), Role::Seed).with_faults(faults);
        let mut talk = Talk::to(config);
        let conn = talk.connect();
        let mut handshake = Talk::handshake_with(BOTH);
        handshake.info_hash = torrent.info_hash();
        talk.raw(conn, &handshake.encode());
        talk.greeting(conn);
        talk.send(conn, &[Message::HaveNone, Message::Interested]);
        let messages = talk.messages(conn);
        messages
            .iter()
            .filter(|m| m.kind() == Kind::Unchoke)
            .count()
    };
    assert_eq!(run(FaultSet::none()), 1);
    let fault = fault::by_name("allowed-fast-never-ends").unwrap();
    assert_eq!(run(FaultSet::one(fault)), 0);
}

#[test]
fn private_torrent_gets_pex_by_a_fault_only() {
    let content = fixture::one_piece().torrent.content().unwrap().clone();
    let builder = crate::torrent::Builder::new("private").private();
    let torrent = Torrent::build(&builder, content).unwrap();
    let run = |faults: FaultSet| {
        let config = PeerConfig::new(torrent.clone(), Role::Seed).with_faults(faults);
        let mut talk = Talk::to(config);
        let conn = talk.connect();
        let mut handshake = Talk::handshake_with(BOTH);
        handshake.info_hash = torrent.info_hash();
        talk.raw(conn, &handshake.encode());
        talk.greeting(conn);
        talk.send(conn, &[hello(&[("ut_pex", 33)])]);
        talk.wait(secs(2));
        let messages = talk.messages(conn);
        messages
            .iter()
            .any(|m| matches!(m, Message::Extended { ext_id: 33, .. }))
    };
    assert!(!run(FaultSet::none()));
    let fault = fault::by_name("pex-on-private-torrent").unwrap();
    assert!(run(FaultSet::one(fault)));
}

#[test]
fn catalogue_is_sound() {
    let mut names = std::collections::BTreeSet::new();
    for fault in fault::all() {
        assert!(names.insert(fault.name), "{} twice", fault.name);
        assert!((1..=3).contains(&fault.breaks.len()), "{}", fault.name);
        assert!(fault.doc.ends_with('.'), "{}", fault.name);
        for id in fault.breaks.iter().chain(fault.also) {
            assert!(catalogue().get(id).is_some(), "{}: no {id}", fault.name);
        }
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(fault.name.chars().all(fits), "{}", fault.name);
        assert!(
            fault.breaks.iter().all(|id| !fault.also.contains(id)),
            "{}",
            fault.name
        );
    }
    let listing = fault::all().filter(|fault| !fault.also.is_empty()).count();
    assert!(fault::all().count() >= 150);
    assert!(listing * 10 <= fault::all().count(), "{listing}");
}

#[test]
fn peer_ids_come_from_the_seed() {
    let id = |seed| crate::peer::Peer::new(config(Role::Seed).with_seed(seed)).peer_id();
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
    assert_ne!(id(1), PeerId([0; 20]));
    assert_eq!(Reserved::with(BOTH).0[5] & 0x10, 0x10);
}
