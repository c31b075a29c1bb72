//! Rules of BEP 10.

use bytes::Bytes;

use super::Case;
use crate::session::testing::{OUR_METADATA, OUR_PEX, THEIR_METADATA, empty_pex};
use crate::wire::Capability::{Extended, Fast};
use crate::wire::bencode::Value;
use crate::wire::{ExtendedHandshake, Message};

fn hello_frame(payload: &[u8]) -> Vec<u8> {
    [&[20, 0], payload].concat()
}

fn pex(id: u8) -> Message {
    empty_pex(id)
}

/// Both bits set, nothing sent.
fn bare() -> Case {
    let mut case = Case::both(&[Fast, Extended]);
    case.gets(Message::HaveAll);
    case
}

#[test]
fn extended_needs_our_bit() {
    let mut case = Case::offering(&[], &[Extended]);
    case.gets(Message::Unchoke).closes();
    case.holds("extended-needs-our-bit").is_clean();
    let mut case = Case::offering(&[], &[Extended]);
    case.gets_hello();
    case.breaks_all(&["extended-needs-our-bit"]);
}

#[test]
fn extended_handshake_comes() {
    let mut case = bare();
    case.wait(10.0).gets_hello().wait(30.0);
    case.holds("extended-handshake-comes").is_clean();
    let mut case = bare();
    case.wait(16.0);
    case.breaks(
        "extended-handshake-comes",
        "no extended handshake within 15 s",
    );
    let mut case = Case::offering(&[Extended], &[]);
    case.wait(16.0);
    case.is_clean();
}

#[test]
fn extended_handshake_is_one_dictionary() {
    let mut case = bare();
    case.gets_frame(&hello_frame(b"de"));
    case.holds("extended-handshake-is-a-dictionary").is_clean();
    for (payload, detail) in [
        (
            &b""[..],
            "`extended_handshake` is not bencoded: unexpected end at byte 0",
        ),
        (b"le", "`extended_handshake` is not a dictionary but a list"),
        (
            b"d1:v3:abc",
            "`extended_handshake` is not bencoded: unexpected end at byte 9",
        ),
        (b"dee", "bytes behind the value at byte 2"),
        (b"d1:pi01ee", "integer with a leading zero at byte 5"),
    ] {
        let mut case = bare();
        case.gets_frame(&hello_frame(payload));
        case.breaks("extended-handshake-is-a-dictionary", detail);
    }
}

#[test]
fn metadata_under_id_zero_is_left_to_the_case() {
    // Transmission answers so where its id was set to 0.
    let mut case = Case::seed();
    case.sends_m(&[("ut_metadata", 0)])
        .sends_metadata_request(0)
        .gets_metadata(0, 0);
    case.is_clean();
    assert!(case.session.their_extended().unwrap().get("m").is_some());
}

#[test]
fn keys_are_sorted_and_unique() {
    let mut case = bare();
    case.gets_frame(&hello_frame(b"d1:mde1:v1:xe"));
    case.holds("dictionaries-sorted").is_clean();
    for (payload, detail) in [
        (&b"d1:v1:x1:mdee"[..], "key out of order at byte 7"),
        (b"d1:v1:x1:v1:ye", "key repeated at byte 7"),
        (b"d1:md6:ut_pexi1e2:lti2eee", "key out of order at byte 16"),
    ] {
        let mut case = bare();
        case.gets_frame(&hello_frame(payload));
        case.breaks_first("dictionaries-sorted", detail);
    }
    let mut case = Case::seed();
    case.sends_metadata_request(0);
    case.gets_frame(&[&[20, OUR_METADATA][..], b"d5:piecei0e8:msg_typei2ee"].concat());
    case.breaks("dictionaries-sorted", "key out of order at byte 11");
}

#[test]
fn m_gives_each_extension_its_own_id() {
    let mut case = bare();
    case.gets_handshake(ExtendedHandshake::new().with_m(&[("a_x", 1), ("b_x", 0), ("c_x", 0)]));
    case.holds("m-ids-distinct").is_clean();
    let mut case = bare();
    case.gets_handshake(ExtendedHandshake::new().with_m(&[("a_x", 1), ("b_x", 1)]));
    case.breaks("m-ids-distinct", "a_x and b_x share id 1");
    let mut case = bare();
    case.gets_handshake(ExtendedHandshake::new().with_m(&[("a_x", 1)]));
    case.gets_handshake(ExtendedHandshake::new().with_m(&[("b_x", 1)]));
    case.breaks("m-ids-distinct", "a_x and b_x share id 1");
    let mut case = bare();
    case.gets_handshake(ExtendedHandshake::new().with_m(&[("a_x", 1)]));
    case.gets_handshake(ExtendedHandshake::new().with_m(&[("a_x", 2), ("b_x", 1)]));
    case.is_clean();
    for (payload, detail) in [
        (&b"d1:mi1ee"[..], "m is no dictionary but an integer"),
        (b"d1:md3:a_xi256eee", "a_x has id 256"),
        (b"d1:md3:a_x1:xee", "a_x has a string for an id"),
    ] {
        let mut case = bare();
        case.gets_frame(&hello_frame(payload));
        case.breaks("m-ids-distinct", detail);
    }
    let mut case = bare();
    case.gets_frame(&hello_frame(b"de"));
    case.ignores("m-ids-distinct");
}

#[test]
fn known_keys_have_their_types() {
    let mut case = bare();
    let right = ExtendedHandshake::new()
        .with("p", Value::Int(6881))
        .with("reqq", Value::Int(250))
        .with("v", Value::text("x"))
        .with("yourip", Value::bytes(&[127, 0, 0, 1]))
        .with("complete_ago", Value::Int(-1));
    case.gets_handshake(right);
    case.holds("known-keys-typed").is_clean();
    for (key, value) in [
        ("p", Value::Int(70_000)),
        ("reqq", Value::text("many")),
        ("yourip", Value::bytes(&[127, 0, 1])),
        ("metadata_size", Value::Int(-1)),
    ] {
        let mut case = bare();
        case.gets_handshake(ExtendedHandshake::new().with(key, value));
        case.breaks_all(&["known-keys-typed"]);
    }
}

#[test]
fn no_extension_before_ours() {
    let mut case = bare();
    case.gets_hello().gets(pex(1));
    case.breaks(
        "no-extension-before-ours",
        "extended message 1 before our extended handshake",
    );
    let mut case = bare();
    case.sends_hello().gets_hello().gets(pex(OUR_PEX));
    case.holds("no-extension-before-ours")
        .holds("our-ids-used")
        .is_clean();
}

#[test]
fn target_uses_our_ids() {
    let mut case = Case::seed();
    case.sends_metadata_request(0)
        .gets_metadata(0, THEIR_METADATA);
    case.breaks("our-ids-used", "id 3, which is its own for ut_metadata");
    let mut case = Case::seed();
    case.gets(pex(99));
    case.breaks("our-ids-used", "id 99, which is not in our m");
    let mut case = Case::seed();
    case.proof_of_life();
    case.holds("our-ids-used").is_clean();
}

#[test]
fn switched_off_extension_is_not_used() {
    let off = || {
        let mut case = bare();
        case.sends_m(&[("ut_metadata", 0), ("ut_pex", 0)])
            .gets_hello();
        case
    };
    let mut case = off();
    case.closes();
    case.holds("switched-off-is-unused").is_clean();
    let mut case = off();
    case.gets(pex(1));
    case.breaks(
        "switched-off-is-unused",
        "ut_pex under id 1, and we switched it off",
    );
    let mut case = off();
    case.sends_metadata_request(0)
        .gets_metadata(0, THEIR_METADATA);
    case.is_clean();
}

#[test]
fn short_names_are_reported() {
    let mut case = bare();
    case.gets_handshake(
        ExtendedHandshake::new()
            .with("e", Value::Int(0))
            .with("v", Value::text("x")),
    );
    case.breaks("short-names", "short names: e");
    let mut case = bare();
    case.gets_handshake(ExtendedHandshake::new().with_m(&[("ut_pex", 1)]));
    case.holds("short-names");
}

#[test]
fn unknown_extensions_are_not_looked_into() {
    let mut case = Case::both(&[Fast, Extended]);
    case.sends_m(&[("ut_other", 50)])
        .gets(Message::HaveAll)
        .gets_hello();
    case.gets(Message::Extended {
        ext_id: 50,
        payload: Bytes::from_static(b"d2:zz1:a1:b0:e"),
    });
    case.is_clean();
}
