//! Sessions as real clients have them (`/docs/findings.md` has the clients): nothing is broken, and
//! the rules see something.

use super::Case;
use crate::session::testing::{OUR_PEX, block, empty_pex, full};
use crate::trace::Dir;
use crate::wire::Capability::{Dht, Extended, Fast};
use crate::wire::Message::{
    AllowedFast, Cancel, Choke, Have, HaveAll, HaveNone, Interested, KeepAlive, NotInterested,
    Port, RejectRequest, Request, Unchoke,
};
use crate::wire::bencode::Value;
use crate::wire::{BlockRef, ExtendedHandshake};

const EVERYTHING: &[crate::wire::Capability] = &[Fast, Extended, Dht];

/// libtorrent as seed: extended handshake, have_all and unchoke before anything of ours, allowed
/// pieces and another unchoke at our interest, an empty PEX message.
fn libtorrent_seed() -> Case {
    let mut case = Case::both(EVERYTHING);
    let size = case.info().len() as i128;
    let hello = ExtendedHandshake::new()
        .with_m(&[
            ("lt_donthave", 7),
            ("upload_only", 3),
            ("ut_metadata", 2),
            ("ut_pex", 1),
        ])
        .with("complete_ago", Value::Int(-1))
        .with("metadata_size", Value::Int(size))
        .with("reqq", Value::Int(2000))
        .with("upload_only", Value::Int(1))
        .with("v", Value::text("libtorrent/2.0.8.0"))
        .with("yourip", Value::bytes(&[127, 0, 0, 1]));
    case.sends_hello().sends(HaveNone).gets_handshake(hello);
    case.gets(HaveAll)
        .gets(Port { port: 6881 })
        .gets(Unchoke)
        .sends(Interested);
    for index in 0..5 {
        case.gets(AllowedFast { index });
    }
    case.wait(1.4);
    case.gets(empty_pex(OUR_PEX));
    case
}

#[test]
fn seed_serves() {
    let mut case = libtorrent_seed();
    for index in 0..9 {
        case.sends(Request(block(index)));
        case.sends(Request(BlockRef {
            begin: 16384,
            ..block(index)
        }));
    }
    for index in (0..9).rev() {
        case.gets_block(BlockRef {
            begin: 16384,
            ..block(index)
        })
        .gets_block(block(index));
    }
    case.sends(Request(block(0)))
        .sends(Cancel(block(0)))
        .gets(RejectRequest(block(0)));
    case.wait(60.0).gets(KeepAlive).wait(60.0).gets(KeepAlive);
    // Not interested any more: choked, with everything rejected.
    case.sends(Request(block(1)))
        .sends(NotInterested)
        .gets(Choke)
        .gets(RejectRequest(block(1)));
    case.closes().is_closed();
    case.is_clean();
    let seen = case.evaluated();
    for rule in [
        "handshake-layout",
        "frame-lengths",
        "stream-in-step",
        "block-bytes",
        "keep-alive-is-empty",
        "keep-alive-gap",
        "no-piece-while-choking",
        "seed-asks-nothing",
        "piece-answers-request",
        "message-ids-assigned",
        "port-needs-dht-bit",
        "availability-once-and-first",
        "allowed-fast-in-range",
        "reject-echoes-request",
        "request-answered-once",
        "extended-handshake-comes",
        "extended-handshake-is-a-dictionary",
        "dictionaries-sorted",
        "m-ids-distinct",
        "known-keys-typed",
        "no-extension-before-ours",
        "our-ids-used",
        "peer-id-convention",
        "upload-only-asks-nothing",
    ] {
        assert!(seen[rule] > 0, "{rule} saw nothing");
    }
}

#[test]
fn leech_downloads() {
    let mut case = Case::leech();
    for index in 0..9 {
        case.gets(Request(block(index)));
        case.gets(Request(BlockRef {
            begin: 16384,
            ..block(index)
        }));
        case.sends_block(block(index)).sends_block(BlockRef {
            begin: 16384,
            ..block(index)
        });
        case.gets(Have { index });
    }
    case.gets(Request(block(9))).gets(Request(BlockRef {
        begin: 16384,
        length: 3616,
        ..block(9)
    }));
    case.sends_block(block(9)).gets(Cancel(block(9)));
    case.sends_block(BlockRef {
        begin: 16384,
        length: 3616,
        ..block(9)
    });
    case.gets(Have { index: 9 }).gets(NotInterested).is_closed();
    case.is_clean();
    let seen = case.evaluated();
    for rule in [
        "starts-choked",
        "have-in-range",
        "cancel-of-own-request",
        "request-in-range",
        "request-of-announced",
        "no-duplicate-request",
        "request-power-of-two",
        "seed-asks-nothing",
    ] {
        assert!(seen[rule] > 0, "{rule} saw nothing");
    }
}

#[test]
fn rtorrent_leech_opens_with_a_keep_alive() {
    let mut case = Case::both(&[Extended]);
    let hello = ExtendedHandshake::new()
        .with_m(&[("ut_metadata", 2), ("ut_pex", 0)])
        .with("p", Value::Int(6890))
        .with("reqq", Value::Int(2048));
    case.gets_handshake(hello)
        .gets(KeepAlive)
        .gets(KeepAlive)
        .sends_hello()
        .sends(full());
    case.gets(Interested)
        .sends(Unchoke)
        .gets(Request(block(0)))
        .sends_block(block(0));
    case.wait(89.0)
        .gets_handshake(ExtendedHandshake::new().with_m(&[("ut_pex", 0)]));
    case.closes();
    case.is_clean();
}

#[test]
fn aria2_as_leech_allows_pieces_and_rejects_them() {
    let mut case = Case::both(&[Fast, Extended]);
    case.wait(4.0).gets_hello().gets(HaveNone);
    for index in 0..10 {
        case.gets(AllowedFast { index });
    }
    case.sends_hello()
        .sends(HaveNone)
        .sends(Request(block(2)))
        .gets(RejectRequest(block(2)));
    case.closes();
    case.is_clean();
}

#[test]
fn rqbit_without_fast_unchokes_everybody() {
    let mut case = Case::both(&[Extended]);
    case.gets_hello().gets(full()).gets(Unchoke).sends_hello();
    case.sends(Request(block(0)))
        .sends(Cancel(block(0)))
        .gets_block(block(0));
    case.is_closed();
    case.is_clean();
}

#[test]
fn transmission_rejects_late() {
    let mut case = Case::both(&[Fast, Extended]);
    case.wait(0.5)
        .gets_hello()
        .gets(HaveAll)
        .sends_hello()
        .sends(HaveNone);
    case.sends(Request(block(0)))
        .wait(8.3)
        .gets(RejectRequest(block(0)));
    // Unchokes whom it likes, also between a request and its reject.
    case.sends(Request(block(1)))
        .gets(Unchoke)
        .gets(RejectRequest(block(1)));
    case.is_clean();
}

#[test]
fn echoed_garbage_is_judged_without_panic() {
    let mut case = Case::seed();
    case.bytes(
        Dir::Received,
        &[0, 0, 0, 0, 0, 0, 0, 2, 9, 0, 0xff, 0xff, 0xff, 0xff],
    );
    case.breaks_all(&["frame-lengths", "stream-in-step"]);
}
