//! Rules of BEP 9.

use super::Case;
use crate::session::testing::{OUR_METADATA, THEIR_METADATA};
use crate::wire::Capability::{Extended, Fast};
use crate::wire::bencode::Value;
use crate::wire::{ExtendedHandshake, ExtensionMessage, Message};

fn m() -> ExtendedHandshake {
    ExtendedHandshake::new().with_m(&[("ut_metadata", THEIR_METADATA)])
}

/// A seed that has said nothing of its extensions.
fn stranger() -> Case {
    let mut case = Case::both(&[Fast, Extended]);
    case.sends_hello().gets(Message::HaveAll);
    case
}

/// The answer to our request of piece 0, with this dictionary before the true bytes.
fn answered(dictionary: &str) -> Case {
    let mut case = Case::seed();
    let info = case.info();
    case.sends_metadata_request(0)
        .gets_metadata_payload([dictionary.as_bytes(), &info].concat());
    case
}

#[test]
fn metadata_size_stands_beside_m() {
    let mut case = Case::seed();
    case.proof_of_life();
    case.holds("metadata-size-beside-m").is_clean();
    let mut case = stranger();
    case.gets_handshake(m()).proof_of_life();
    case.breaks(
        "metadata-size-beside-m",
        "serves metadata and never told metadata_size",
    );
    let mut case = stranger();
    case.gets_handshake(m().with("metadata_size", 0))
        .proof_of_life();
    case.breaks(
        "metadata-size-beside-m",
        "serves metadata and told metadata_size 0",
    );
    // A later handshake that leaves the key out does not take it back.
    let mut case = Case::seed();
    case.gets_handshake(m()).proof_of_life();
    case.holds("metadata-size-beside-m").is_clean();
    let mut case = stranger();
    let inside = Value::dict([("metadata_size", 5.into()), ("ut_metadata", 3.into())]);
    case.gets_handshake(ExtendedHandshake::new().with("m", inside));
    case.breaks_first("metadata-size-beside-m", "metadata_size is inside m");
}

#[test]
fn metadata_size_is_the_length_of_the_info_dictionary() {
    Case::seed().holds("metadata-size-is-true");
    let mut case = stranger();
    let right = case.info().len();
    case.gets_handshake(m().with("metadata_size", right as i128 - 1));
    case.breaks(
        "metadata-size-is-true",
        &format!(
            "metadata_size {}, and the info dictionary has {right} bytes",
            right - 1
        ),
    );
    let mut case = stranger();
    case.gets_handshake(m().with("metadata_size", 0)).closes();
    case.ignores("metadata-size-is-true");
}

#[test]
fn metadata_is_answered_once() {
    let mut case = Case::seed();
    case.sends_metadata_request(0)
        .sends_metadata_request(0)
        .gets_metadata(0, OUR_METADATA)
        .gets_metadata_payload("d8:msg_typei2e5:piecei0ee");
    case.holds("metadata-answered-once").is_clean();
    let mut case = Case::seed();
    case.proof_of_life().gets_metadata(0, OUR_METADATA);
    case.breaks(
        "metadata-answered-once",
        "data of piece 0, of which no request is open",
    );
    let mut case = Case::seed();
    case.sends_metadata_request(0)
        .gets_metadata_payload("d8:msg_typei2e5:piecei1ee");
    case.breaks(
        "metadata-answered-once",
        "reject of piece 1, of which no request is open",
    );
}

#[test]
fn answers_to_odd_metadata_messages_are_left_to_the_case() {
    let odd = [
        ExtensionMessage::MetadataRequest { piece: 1 << 40 },
        ExtensionMessage::MetadataRequest { piece: -1 },
        ExtensionMessage::MetadataReject { piece: 0 },
        ExtensionMessage::MetadataUnknown {
            msg_type: 9,
            piece: None,
        },
    ];
    for message in odd {
        let mut case = Case::seed();
        case.sends(message.into_message(THEIR_METADATA))
            .gets_metadata_payload("d8:msg_typei2e5:piecei-1ee");
        case.is_clean();
    }
}

#[test]
fn metadata_pieces_have_their_length_and_bytes() {
    let mut case = Case::seed();
    case.proof_of_life();
    case.holds("metadata-block-length").holds("metadata-bytes");
    let info = case.info();
    let with = |data: &[u8]| {
        let mut case = Case::seed();
        let dict = format!("d8:msg_typei1e5:piecei0e10:total_sizei{}ee", info.len());
        case.sends_metadata_request(0)
            .gets_metadata_payload([dict.as_bytes(), data].concat());
        case
    };
    let len = info.len();
    with(&info[..len - 1]).breaks(
        "metadata-block-length",
        &format!("metadata piece 0 of {} bytes, and it has {len}", len - 1),
    );
    with(&[&info[..], &[0]].concat()).breaks(
        "metadata-block-length",
        &format!("metadata piece 0 of {} bytes, and it has {len}", len + 1),
    );
    let mut other = info.to_vec();
    other[7] ^= 1;
    with(&other).breaks(
        "metadata-bytes",
        "metadata piece 0 differs from the info dictionary at its byte 7",
    );
}

#[test]
fn total_size_is_the_length_of_the_info_dictionary() {
    let mut case = Case::seed();
    case.proof_of_life();
    case.holds("metadata-total-size");
    let right = case.info().len();
    answered("d8:msg_typei1e5:piecei0ee").breaks("metadata-total-size", "data without total_size");
    answered("d8:msg_typei1e5:piecei0e10:total_sizei7ee").breaks(
        "metadata-total-size",
        &format!("total_size 7, and the info dictionary has {right} bytes"),
    );
    answered("d8:msg_typei1e5:piecei0e10:total_size1:7e").breaks(
        "metadata-total-size",
        "`total_size` of `ut_metadata_data` is not an integer but a string",
    );
}

#[test]
fn metadata_messages_are_well_formed() {
    let mut case = Case::seed();
    case.proof_of_life();
    case.holds("metadata-well-formed");
    let broken = [
        ("le", "`ut_metadata` is not a dictionary but a list"),
        ("d8:msg_typei2ee", "`ut_metadata_reject` has no `piece`"),
        ("d5:piecei0ee", "`ut_metadata` has no `msg_type`"),
        (
            "d8:msg_typei7e5:piecei0ee",
            "msg_type 7 is none of request, data and reject",
        ),
        ("d8:msg_typei0e5:piecei-1ee", "request of piece -1"),
    ];
    for (payload, detail) in broken {
        let mut case = Case::seed();
        case.gets_metadata_payload(payload);
        case.breaks("metadata-well-formed", detail);
    }
}

#[test]
fn nothing_stands_behind_metadata_rejects() {
    let reject = |payload: &str| {
        let mut case = Case::seed();
        case.sends_metadata_request(0)
            .gets_metadata_payload(payload);
        case
    };
    reject("d8:msg_typei2e5:piecei0ee").holds("metadata-reject-is-bare");
    reject("d8:msg_typei2e5:piecei0e10:total_sizei9ee").holds("metadata-reject-is-bare");
    reject("d8:msg_typei2e5:piecei0eexyz").breaks(
        "metadata-reject-is-bare",
        "3 bytes behind the dictionary of a reject",
    );
}

#[test]
fn metadata_requests_have_two_keys() {
    let request = |payload: &str| {
        let mut case = Case::seed();
        case.gets_metadata_payload(payload);
        case
    };
    request("d8:msg_typei0e5:piecei0ee").holds("metadata-request-is-bare");
    request("d8:msg_typei0e5:piecei0e10:total_sizei9ee")
        .breaks("metadata-request-is-bare", "a request of 3 keys");
    request("d8:msg_typei0e5:piecei0eex").breaks(
        "metadata-request-is-bare",
        "1 bytes behind the dictionary of a request",
    );
}
