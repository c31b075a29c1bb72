//! Rules of BEP 3.

use bytes::Bytes;

use super::Case;
use crate::requirement::Role;
use crate::session::testing::{Script, block, full};
use crate::trace::Dir;
use crate::wire::Capability::{Extended, Fast};
use crate::wire::Message::{
    Bitfield, Cancel, Choke, Have, HaveAll, Interested, KeepAlive, NotInterested, Port,
    RejectRequest, Request, Unchoke,
};
use crate::wire::{BlockRef, Message};

fn bits(bytes: &'static [u8]) -> Message {
    Bitfield {
        bits: Bytes::from_static(bytes),
    }
}

fn ask(index: u32, begin: u32, length: u32) -> Message {
    Request(BlockRef {
        index,
        begin,
        length,
    })
}

#[test]
fn handshake_layout() {
    Case::both(&[])
        .holds("handshake-layout")
        .holds("nothing-before-handshake");
    let mut wrong = [0; 68];
    wrong[0] = 19;
    wrong[1..20].copy_from_slice(b"BitTorrent protocol");
    let mut case = Case::of(Script::new(&[], &[]));
    case.gets_opening(&wrong);
    let hash = case.session.torrent().info_hash();
    let zero = "0".repeat(40);
    case.breaks_all(&["handshake-layout", "peer-id-convention"]);
    assert_eq!(
        case.violations[0].detail,
        format!("info hash {zero} instead of {hash}")
    );
    let mut case = Case::of(Script::new(&[], &[]));
    case.gets_opening(b"\x13BitTorrent protokol");
    case.breaks(
        "handshake-layout",
        "handshake differs from `BitTorrent protocol` at byte 17: 0x6b, not 0x63",
    );
    // On a dial it may be the key of an encrypted opening, but for the beginning.
    let mut case = Case::of(Script::accepting(&[], &[]));
    case.gets_opening(b"\x13Bit!orrent protocol");
    case.ignores("handshake-layout");
    let mut case = Case::of(Script::accepting(&[], &[]));
    case.gets_opening(b"\x13BitTorrent Protocol");
    case.breaks(
        "handshake-layout",
        "handshake differs from `BitTorrent protocol` at byte 12: 0x50, not 0x70",
    );
}

#[test]
fn our_peer_id_does_not_come_back() {
    let opening = |id: &[u8; 20]| {
        let mut bytes = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
        bytes.extend_from_slice(&crate::session::testing::torrent().info_hash().0);
        bytes.extend_from_slice(id);
        bytes
    };
    let ours = b"-BS0001-testertester";
    let mut case = Case::of(Script::new(&[], &[]));
    case.greets().gets_opening(&opening(ours));
    case.breaks("handshake-layout", "the peer id is our own, sent back");
    // Whoever dials has spoken first.
    let mut case = Case::of(Script::accepting(&[], &[]));
    case.gets_opening(&opening(ours)).greets();
    case.holds("handshake-layout");
}

#[test]
fn nothing_before_the_handshake() {
    let mut case = Case::of(Script::new(&[], &[]));
    case.gets_opening(&[0, 0, 0, 1, 1]);
    case.breaks(
        "nothing-before-handshake",
        "the stream begins with a length prefix",
    );
}

#[test]
fn encrypted_openings_of_a_dialling_target_are_not_judged() {
    for opening in [[0x00; 96], [0x19; 96], [0x13; 96]] {
        let mut case = Case::of(Script::accepting(&[], &[]));
        case.gets_opening(&opening);
        case.is_clean().ignores("handshake-layout");
    }
}

#[test]
fn another_info_hash_of_ours_leaves_the_target_its_choice() {
    let mut case = Case::of(Script::new(&[], &[]));
    case.sends_other_info_hash().gets_other_info_hash();
    case.is_clean().ignores("handshake-layout");
}

#[test]
fn frame_lengths() {
    let mut case = Case::seed();
    case.gets(Choke);
    case.holds("frame-lengths");
    let mut case = Case::seed();
    case.gets_frame(&[4, 0, 0, 1]);
    case.breaks("frame-lengths", "`have` ends 3 bytes into `index`");
    let mut case = Case::seed();
    case.gets_frame(&[0, 0]);
    case.breaks(
        "frame-lengths",
        "`choke` goes on for 1 byte behind its last field",
    );
}

#[test]
fn stream_in_step() {
    let mut case = Case::seed();
    case.closes();
    case.holds("stream-in-step");
    let mut case = Case::seed();
    case.bytes(Dir::Received, &[0x13, 0x42, 0, 0, 1]);
    case.breaks(
        "stream-in-step",
        "length prefix 323092480 at byte 0 of the stream",
    );
}

#[test]
fn frame_cut_off_by_the_end_is_fine() {
    let mut case = Case::seed();
    case.see(
        Dir::Received,
        crate::trace::What::Trailing,
        Bytes::from_static(&[0, 0]),
    );
    case.is_closed();
    case.holds("stream-in-step");
}

#[test]
fn block_bytes() {
    let mut case = Case::seed();
    case.sends(Request(block(3))).gets_block(block(3));
    case.holds("block-bytes").holds("piece-answers-request");
    let mut case = Case::seed();
    let mut bytes = case.session.torrent().block(&block(3)).unwrap().to_vec();
    bytes[100] ^= 1;
    case.sends(Request(block(3))).gets(Message::Piece {
        index: 3,
        begin: 0,
        block: bytes.into(),
    });
    case.breaks(
        "block-bytes",
        "byte 100 of the block for piece 3 begin 0 length 16384 differs from the torrent",
    );
}

#[test]
fn keep_alives() {
    let mut case = Case::seed();
    case.wait(100.0).gets(KeepAlive).wait(100.0).gets(KeepAlive);
    case.holds("keep-alive-is-empty").holds("keep-alive-gap");
    let mut case = Case::seed();
    case.wait(60.0).gets_frame(&[10]);
    case.breaks_all(&["keep-alive-is-empty", "message-ids-assigned"]);
    let mut case = Case::seed();
    case.wait(131.0).wait(300.0);
    case.breaks("keep-alive-gap", "nothing for 130 s");
}

#[test]
fn silence_on_a_closed_or_half_open_connection_is_fine() {
    let mut case = Case::seed();
    case.is_closed().wait(500.0);
    case.is_clean();
    let mut case = Case::of(Script::new(&[], &[]));
    case.wait(500.0);
    case.is_clean();
}

#[test]
fn silence_while_we_do_not_read_is_ours() {
    let mut case = Case::seed();
    case.sends(Request(block(0))).reads(false).wait(500.0);
    case.reads(true).wait(50.0).gets_block(block(0));
    case.is_clean();
}

#[test]
fn no_piece_while_choking() {
    let mut case = Case::seed();
    case.sends(Request(block(1))).gets_block(block(1));
    case.holds("no-piece-while-choking");
    let mut case = Case::seed();
    case.gets(Choke)
        .sends(Request(block(1)))
        .gets_block(block(1));
    case.breaks(
        "no-piece-while-choking",
        "piece for piece 1 begin 0 length 16384, which was requested under choke, without an \
         unchoke",
    );
}

#[test]
fn unchoke_before_the_piece_makes_it_right() {
    let mut case = Case::seed();
    case.gets(Choke)
        .sends(Request(block(1)))
        .gets(Unchoke)
        .gets_block(block(1));
    case.holds("no-piece-while-choking").is_clean();
}

#[test]
fn piece_allowed_fast_comes_under_choke() {
    let mut case = Case::seed();
    case.gets(Choke)
        .gets(Message::AllowedFast { index: 1 })
        .sends(Request(block(1)))
        .gets_block(block(1));
    case.is_clean();
    let mut case = Case::seed();
    // The permission crosses our request.
    case.gets(Choke)
        .sends(Request(block(1)))
        .gets(Message::AllowedFast { index: 1 })
        .gets_block(block(1));
    case.is_clean();
}

#[test]
fn a_storm_of_unchokes_is_reported_and_a_repeat_is_not() {
    Case::seed().holds("choke-repeats");
    let mut case = Case::seed();
    for _ in 0..30 {
        case.wait(10.0).gets(Unchoke);
    }
    case.holds("choke-repeats");
    let mut case = Case::both(&[]);
    case.sends(Interested).gets(Unchoke);
    for _ in 0..5 {
        case.gets(Unchoke);
    }
    case.holds("choke-repeats");
    case.gets(Unchoke);
    case.breaks(
        "choke-repeats",
        "unchoke again, repeat 6 within a second of the message before",
    );
}

#[test]
fn quick_chokes_are_borne_three_times() {
    let mut case = Case::both(&[]);
    case.sends(Interested);
    for _ in 0..3 {
        case.gets(Unchoke).wait(2.0).gets(Choke).wait(2.0);
    }
    case.holds("no-fibrillation");
    case.gets(Unchoke).wait(2.0).gets(Choke);
    case.breaks(
        "no-fibrillation",
        "choke number 4 within 5 s of the unchoke before it",
    );
}

#[test]
fn slow_chokes_and_those_that_we_asked_for_are_no_fibrillation() {
    let mut case = Case::both(&[]);
    case.sends(Interested);
    for _ in 0..10 {
        case.gets(Unchoke).wait(6.0).gets(Choke);
    }
    case.holds("no-fibrillation");
    let mut case = Case::both(&[]);
    for _ in 0..10 {
        case.sends(Interested)
            .gets(Unchoke)
            .sends(NotInterested)
            .gets(Choke);
    }
    case.holds("no-fibrillation");
    // Unchoked without interest, as some do, and choked again.
    let mut case = Case::both(&[]);
    for _ in 0..10 {
        case.gets(Unchoke).wait(1.0).gets(Choke).wait(1.0);
    }
    case.holds("no-fibrillation");
}

#[test]
fn starts_choked() {
    let mut case = Case::leech();
    case.gets(Request(block(0)));
    case.holds("starts-choked");
    let mut case = Case::both(&[Fast]);
    case.sends(HaveAll)
        .gets(Message::HaveNone)
        .gets(Request(block(0)));
    case.breaks(
        "starts-choked",
        "request for piece 0 begin 0 length 16384 before our first unchoke",
    );
}

#[test]
fn a_request_repeated_behind_a_quick_choke_is_no_duplicate() {
    let mut case = Case::leech();
    case.sends(Unchoke).sends(Choke).sends(Unchoke);
    case.gets(Request(block(0))).gets(Request(block(0)));
    case.holds("no-duplicate-request");
}

#[test]
fn stops_when_choked() {
    let mut case = Case::leech();
    case.gets(Request(block(0)))
        .sends(Choke)
        .proof_of_life()
        .sends(Unchoke)
        .gets(Request(block(0)));
    case.holds("stops-when-choked").is_clean();
    let mut case = Case::leech();
    case.sends(Choke).proof_of_life().gets(Request(block(0)));
    case.breaks(
        "stops-when-choked",
        "request for piece 0 begin 0 length 16384 though it must have read our choke",
    );
}

#[test]
fn seed_asks_nothing() {
    let mut case = Case::seed();
    case.gets(NotInterested).closes();
    case.holds("seed-asks-nothing").is_clean();
    let mut case = Case::seed();
    case.gets(Interested);
    case.breaks(
        "seed-asks-nothing",
        "interested, having announced every piece",
    );
    let mut case = Case::seed();
    case.sends(HaveAll).sends(Unchoke).gets(Request(block(2)));
    case.breaks(
        "seed-asks-nothing",
        "request for piece 2 begin 0 length 16384, having announced every piece",
    );
    let mut case = Case::leech();
    case.gets(Request(block(2))).closes();
    case.ignores("seed-asks-nothing");
}

#[test]
fn leech_that_completes_asks_nothing_more() {
    let mut case = Case::leech();
    for index in 0..10 {
        case.gets(Have { index });
    }
    case.gets(NotInterested).closes();
    case.holds("seed-asks-nothing").is_clean();
}

#[test]
fn bitfield_comes_first_without_fast() {
    let mut case = Case::both(&[Extended]);
    case.gets_hello().gets(Port { port: 1 }).gets(full());
    case.holds("bitfield-first");
    let mut case = Case::both(&[]);
    case.gets(Unchoke).gets(full());
    case.breaks("bitfield-first", "bitfield behind unchoke");
    let mut case = Case::both(&[]);
    case.gets(Interested).closes();
    case.is_clean().ignores("bitfield-first");
}

#[test]
fn haves_for_everything_are_no_bitfield() {
    let haves = |case: &mut Case| {
        for index in 0..10 {
            case.gets(Have { index });
        }
        case.closes();
    };
    let mut case = Case::both(&[]).role(Role::Seed);
    haves(&mut case);
    case.breaks(
        "bitfield-first",
        "every piece announced by have, and no bitfield",
    );
    // A leech has downloaded them meanwhile.
    let mut case = Case::both(&[]).role(Role::Leech);
    haves(&mut case);
    case.is_clean();
}

#[test]
fn bitfield_length_and_spare_bits() {
    let mut case = Case::both(&[]);
    case.gets(full());
    case.holds("bitfield-length")
        .holds("bitfield-spare-bits")
        .holds("one-bitfield");
    let mut case = Case::both(&[]);
    case.gets(bits(&[0xff]));
    case.breaks("bitfield-length", "bitfield of 1 bytes instead of 2");
    let mut case = Case::both(&[]);
    case.gets(bits(&[0xff, 0xe0]));
    case.breaks("bitfield-spare-bits", "spare bit 10 of the bitfield is set");
}

#[test]
fn one_bitfield() {
    let mut case = Case::both(&[]);
    case.gets(full()).gets(full());
    case.breaks("one-bitfield", "bitfield number 2");
    let mut case = Case::both(&[Fast]);
    case.gets(full()).gets(full());
    case.breaks_all(&["one-bitfield", "availability-once-and-first"]);
}

#[test]
fn have_in_range() {
    let mut case = Case::leech();
    case.gets(Have { index: 9 }).gets(Have { index: 9 });
    case.holds("have-in-range").is_clean();
    let mut case = Case::leech();
    case.gets(Have { index: 10 });
    case.breaks("have-in-range", "have of piece 10, and the last piece is 9");
}

#[test]
fn piece_answers_a_request() {
    let mut case = Case::slow_seed();
    case.gets_block(block(4));
    case.breaks(
        "piece-answers-request",
        "piece for piece 4 begin 0 length 16384, which was not requested",
    );
    let mut case = Case::slow_seed();
    case.sends(Request(block(4)))
        .gets_block(block(4))
        .gets_block(block(4));
    case.breaks(
        "piece-answers-request",
        "piece for piece 4 begin 0 length 16384, which was answered before",
    );
    let mut case = Case::seed();
    case.sends(Request(block(4))).gets_block(BlockRef {
        length: 100,
        ..block(4)
    });
    case.breaks(
        "piece-answers-request",
        "100 bytes for the request of piece 4 begin 0 length 16384",
    );
}

#[test]
fn late_pieces_count_for_sixty_seconds() {
    let mut case = Case::slow_seed();
    case.sends(Request(block(4)))
        .gets(Choke)
        .wait(59.0)
        .gets_block(block(4));
    case.holds("piece-answers-request").is_clean();
    let mut case = Case::slow_seed();
    case.sends(Request(block(4)))
        .gets(Choke)
        .wait(61.0)
        .gets_block(block(4));
    case.breaks(
        "piece-answers-request",
        "piece for piece 4 begin 0 length 16384, which was not requested",
    );
}

#[test]
fn answers_to_requests_against_the_rules_are_left_to_the_case() {
    // A whole piece for a request of nothing, a shortened one, a split one (WebTorrent).
    let mut case = Case::seed();
    case.sends(ask(4, 0, 0)).gets_block(BlockRef {
        length: 32768,
        ..block(4)
    });
    case.is_clean();
    let mut case = Case::seed();
    case.sends(ask(4, 16384, 131_072)).gets_block(BlockRef {
        begin: 16384,
        ..block(4)
    });
    case.is_clean();
    let mut case = Case::seed();
    case.sends(ask(4, 0, 32768))
        .gets_block(block(4))
        .gets_block(BlockRef {
            begin: 16384,
            ..block(4)
        });
    case.is_clean();
    // What lies outside the torrent has no right bytes, what the target lacks neither.
    let mut case = Case::both(&[Fast]);
    case.gets(Message::HaveNone)
        .gets(Unchoke)
        .sends(Request(block(4)));
    case.gets(Message::Piece {
        index: 4,
        begin: 0,
        block: vec![0; 16384].into(),
    });
    case.is_clean();
}

#[test]
fn cancel_of_own_request() {
    let mut case = Case::leech();
    case.gets(Request(block(4))).gets(Cancel(block(4)));
    case.holds("cancel-of-own-request");
    let mut case = Case::leech();
    case.gets(Cancel(block(4)));
    case.breaks(
        "cancel-of-own-request",
        "cancel of piece 4 begin 0 length 16384, which it never requested here",
    );
}

#[test]
fn cancel_may_cross_the_answer() {
    let mut case = Case::leech();
    case.gets(Request(block(4)))
        .sends_block(block(4))
        .gets(Cancel(block(4)));
    case.holds("cancel-of-own-request").is_clean();
}

#[test]
fn request_in_range() {
    let mut case = Case::leech();
    case.gets(ask(9, 16384, 20_000 - 16384));
    case.holds("request-in-range")
        .holds("request-power-of-two")
        .is_clean();
    for (request, detail) in [
        (
            ask(10, 0, 16384),
            "piece 10 begin 0 length 16384: no such range in a piece",
        ),
        (
            ask(9, 16384, 16384),
            "piece 9 begin 16384 length 16384: no such range in a piece",
        ),
        (
            ask(0, 0, 0),
            "piece 0 begin 0 length 0: no such range in a piece",
        ),
        (
            ask(0, 0, 32768),
            "piece 0 begin 0 length 32768: more than 16384 bytes",
        ),
        (
            ask(0, u32::MAX, u32::MAX),
            "piece 0 begin 4294967295 length 4294967295: no such range in a piece",
        ),
    ] {
        let mut case = Case::leech();
        case.gets(request);
        case.breaks("request-in-range", &format!("request for {detail}"));
    }
}

#[test]
fn request_of_announced() {
    let mut case = Case::leech();
    case.gets(Request(block(0)));
    case.holds("request-of-announced");
    let mut case = Case::both(&[]);
    case.sends(bits(&[0xaa, 0x80]))
        .sends(Unchoke)
        .gets(Request(block(0)))
        .gets(Request(block(2)));
    case.holds("request-of-announced");
    case.gets(Request(block(1)));
    case.breaks(
        "request-of-announced",
        "request for piece 1 begin 0 length 16384, which we did not announce",
    );
}

#[test]
fn no_duplicate_request() {
    let mut case = Case::leech();
    case.gets(Request(block(0)))
        .wait(1.5)
        .gets(Request(block(0)));
    case.breaks(
        "no-duplicate-request",
        "request for piece 0 begin 0 length 16384 again after 1500 ms",
    );
}

#[test]
fn requests_may_be_repeated_when_there_is_a_reason() {
    let mut case = Case::leech();
    case.gets(Request(block(0)))
        .wait(20.0)
        .gets(Request(block(0)));
    case.gets(Request(block(1)))
        .gets(Cancel(block(1)))
        .gets(Request(block(1)));
    case.gets(Request(block(2)))
        .sends(RejectRequest(block(2)))
        .gets(Request(block(2)));
    case.gets(Request(block(3)))
        .sends_block(block(3))
        .gets(Request(block(3)));
    case.gets(Request(block(4)))
        .sends(Choke)
        .sends(Unchoke)
        .gets(Request(block(4)));
    // Transmission takes this for a reject of its request.
    case.gets(Request(block(5)))
        .sends(RejectRequest(BlockRef {
            length: 1,
            ..block(5)
        }))
        .gets(Request(block(5)));
    case.holds("no-duplicate-request").is_clean();
}

#[test]
fn unusual_request_lengths_are_reported() {
    let mut case = Case::leech();
    case.gets(ask(0, 0, 10_000));
    case.breaks(
        "request-power-of-two",
        "request for piece 0 begin 0 length 10000",
    );
}
