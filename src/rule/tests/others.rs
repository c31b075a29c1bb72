//! Rules of the small BEPs.

use super::Case;
use crate::session::testing::{OUR_PEX, Script, block, private_torrent};
use crate::trace::What;
use crate::wire::Capability::{Dht, Extended, Fast, V2};
use crate::wire::bencode::Value;
use crate::wire::extension::PexMessage;
use crate::wire::{ExtendedHandshake, ExtensionMessage, Handshake, Message, Reserved};

#[test]
fn reserved_bits_are_assigned() {
    Case::both(&[Fast, Extended, Dht, V2]).holds("reserved-bits-assigned");
    let mut case = Case::of(Script::new(&[], &[]));
    let handshake = Handshake {
        reserved: Reserved([0, 0, 0, 0x40, 0, 0, 0, 0x24]),
        info_hash: case.session.torrent().info_hash(),
        peer_id: crate::wire::PeerId(*b"-TR4050-abcdefghijkl"),
    };
    case.gets_opening(&handshake.encode());
    case.breaks(
        "reserved-bits-assigned",
        "reserved bits that nobody has assigned: byte 3 bit 0x40, byte 7 bit 0x20",
    );
}

#[test]
fn message_ids_are_assigned() {
    Case::seed().holds("message-ids-assigned");
    let mut case = Case::seed();
    case.gets_frame(&[42, 1, 2]);
    case.breaks("message-ids-assigned", "message id 42 is not assigned");
    let request = [&[21][..], &[0; 48]].concat();
    let mut case = Case::seed();
    case.gets_frame(&request);
    case.breaks("message-ids-assigned", "hash_request without BEP 52");
    let mut case = Case::both(&[V2]);
    case.gets_frame(&request);
    case.is_clean();
}

#[test]
fn private_ids_go_to_who_offers_private_bits() {
    let mut case = Case::of(Script::new(&[], &[]));
    let handshake = Handshake {
        reserved: Reserved([0x80, 0, 0, 0, 0, 0, 0, 0]),
        info_hash: case.session.torrent().info_hash(),
        peer_id: crate::wire::PeerId(*b"-BS0001-abcdefghijkl"),
    };
    case.see(
        crate::trace::Dir::Sent,
        What::Handshake(handshake),
        bytes::Bytes::new(),
    );
    case.gets_frame(&[42, 1, 2]);
    case.is_clean();
}

#[test]
fn port_needs_our_dht_bit() {
    let mut case = Case::both(&[Dht]);
    case.gets(Message::Port { port: 6881 });
    case.holds("port-needs-dht-bit");
    let mut case = Case::offering(&[], &[Dht]);
    case.closes();
    case.holds("port-needs-dht-bit");
    let mut case = Case::offering(&[], &[Dht]);
    case.gets(Message::Port { port: 6881 });
    case.breaks(
        "port-needs-dht-bit",
        "port, and our handshake does not set the DHT bit",
    );
}

#[test]
fn peer_ids() {
    let mut case = Case::both(&[]);
    case.holds("peer-id-convention").ignores("peer-id-changes");
    case.judge.handle_restart();
    case.handshakes();
    case.breaks(
        "peer-id-changes",
        "peer id `-TR4050-targettarget` as before the restart",
    );
}

#[test]
fn upload_only_asks_nothing() {
    let says = |value: i128| ExtendedHandshake::new().with("upload_only", Value::Int(value));
    let partial = || {
        let mut case = Case::both(&[Fast, Extended]);
        case.sends(Message::HaveAll)
            .sends(Message::Unchoke)
            .gets(Message::HaveNone);
        case
    };
    let mut case = partial();
    case.gets_handshake(says(1)).closes();
    case.holds("upload-only-asks-nothing").is_clean();
    let mut case = partial();
    case.gets_handshake(says(1))
        .gets(Message::Request(block(0)));
    case.breaks(
        "upload-only-asks-nothing",
        "request for piece 0 begin 0 length 16384, having said upload_only",
    );
    let mut case = partial();
    case.gets_handshake(says(1)).gets(Message::Interested);
    case.breaks(
        "upload-only-asks-nothing",
        "interested, having said upload_only",
    );
    let mut case = partial();
    case.gets_handshake(says(1))
        .gets_handshake(says(0))
        .gets(Message::Interested);
    case.is_clean();
}

#[test]
fn private_torrents() {
    let private = |m: &[(&str, u8)]| {
        let both = &[Fast, Extended];
        let mut case = Case::of(Script::of(private_torrent(), both, both));
        case.handshakes().sends_hello().gets(Message::HaveAll);
        case.gets_handshake(ExtendedHandshake::new().with_m(m));
        case
    };
    let pex = |added: &[u8]| {
        let dict = vec![("added".into(), Value::bytes(added))];
        ExtensionMessage::Pex(PexMessage { dict }).into_message(OUR_PEX)
    };
    let mut case = private(&[]);
    case.gets(pex(&[])).closes();
    case.holds("private-torrent-no-pex")
        .holds("private-torrent-metadata")
        .is_clean();
    let mut case = private(&[]);
    case.gets(pex(&[127, 0, 0, 1, 0x1a, 0xe1]));
    case.breaks("private-torrent-no-pex", "ut_pex names 1 peers");
    let mut case = private(&[("ut_metadata", 3)]);
    case.breaks("private-torrent-metadata", "ut_metadata is offered");
    let mut case = Case::seed();
    case.closes();
    case.ignores("private-torrent-no-pex");
}
