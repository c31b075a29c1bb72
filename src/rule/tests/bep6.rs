//! Rules of BEP 6.

use super::Case;
use crate::session::testing::{Script, block, full};
use crate::trace::Dir;
use crate::wire::Capability::{Extended, Fast};
use crate::wire::Message::{
    AllowedFast, Cancel, Choke, HaveAll, HaveNone, Interested, KeepAlive, RejectRequest, Request,
    SuggestPiece, Unchoke,
};
use crate::wire::{BlockRef, Message};

#[test]
fn fast_needs_both_bits() {
    let mut case = Case::offering(&[], &[Fast]);
    case.gets(full()).gets(Unchoke).closes();
    case.holds("fast-needs-our-bit")
        .ignores("fast-needs-own-bit")
        .is_clean();
    let mut case = Case::offering(&[], &[Fast]);
    case.gets(HaveAll);
    case.breaks(
        "fast-needs-our-bit",
        "have_all, and our handshake does not set the fast bit",
    );
    let mut case = Case::offering(&[Fast], &[]);
    case.gets(full()).closes();
    case.holds("fast-needs-own-bit")
        .ignores("fast-needs-our-bit")
        .is_clean();
    let mut case = Case::offering(&[Fast], &[]);
    case.gets(RejectRequest(block(0)));
    case.breaks(
        "fast-needs-own-bit",
        "reject_request, and its handshake does not set the fast bit",
    );
    let mut case = Case::both(&[Fast]);
    case.gets(HaveAll).closes();
    case.ignores("fast-needs-our-bit")
        .ignores("fast-needs-own-bit");
}

#[test]
fn what_a_dialler_says_before_our_handshake_is_judged_by_it() {
    for (ours, broken) in [(&[Fast][..], false), (&[], true)] {
        let mut case = Case::of(Script::accepting(ours, &[Fast]));
        case.is_greeted().gets(HaveAll).greets().closes();
        if broken {
            case.breaks(
                "fast-needs-our-bit",
                "have_all before our handshake, and our handshake does not set the fast bit",
            );
        } else {
            case.is_clean();
        }
    }
    let mut case = Case::of(Script::accepting(&[], &[Fast, Extended]));
    case.is_greeted()
        .gets_hello()
        .gets(Message::Port { port: 1 })
        .greets()
        .closes();
    case.breaks_all(&["port-needs-dht-bit", "extended-needs-our-bit"]);
}

#[test]
fn availability_comes_once_and_first() {
    for availability in [HaveAll, HaveNone, full()] {
        let mut case = Case::both(&[Fast, Extended]);
        case.gets_hello()
            .gets(KeepAlive)
            .gets(availability)
            .gets(Unchoke)
            .wait(20.0);
        case.holds("availability-once-and-first").is_clean();
    }
    let mut case = Case::both(&[Fast]);
    case.gets(Unchoke).wait(20.0);
    case.breaks(
        "availability-once-and-first",
        "unchoke before any of bitfield, have_all and have_none",
    );
    let mut case = Case::both(&[Fast]);
    case.gets(HaveNone).gets(Interested).gets(HaveAll);
    case.breaks(
        "availability-once-and-first",
        "have_all is number 2 of bitfield, have_all and have_none",
    );
    let mut case = Case::both(&[Fast]);
    case.gets(KeepAlive).wait(20.0);
    case.breaks(
        "availability-once-and-first",
        "none of bitfield, have_all and have_none within 15 s",
    );
}

#[test]
fn availability_is_not_due_before_both_handshakes_or_after_the_end() {
    let mut case = Case::of(Script::new(&[Fast], &[Fast]));
    case.wait(60.0);
    case.is_clean();
    let mut case = Case::both(&[Fast]);
    case.wait(5.0).is_closed().wait(60.0);
    case.is_clean();
    let mut case = Case::both(&[Fast]);
    case.wait(5.0).closes().wait(60.0);
    case.is_clean();
}

#[test]
fn suggestions_and_allowed_pieces_exist() {
    let mut case = Case::seed();
    case.gets(SuggestPiece { index: 9 })
        .gets(AllowedFast { index: 9 });
    case.holds("suggest-in-range")
        .holds("allowed-fast-in-range")
        .is_clean();
    let mut case = Case::seed();
    case.gets(SuggestPiece { index: 10 });
    case.breaks(
        "suggest-in-range",
        "suggestion of piece 10, and the last piece is 9",
    );
    let mut case = Case::seed();
    case.gets(AllowedFast { index: u32::MAX });
    case.breaks(
        "allowed-fast-in-range",
        "allowed_fast of piece 4294967295, and the last piece is 9",
    );
}

#[test]
fn reject_echoes_the_request() {
    let mut case = Case::seed();
    case.sends(Request(block(1))).gets(RejectRequest(block(1)));
    case.holds("reject-echoes-request")
        .holds("request-answered-once")
        .is_clean();
    let mut case = Case::seed();
    case.sends(Request(block(1))).gets(RejectRequest(BlockRef {
        length: 32768,
        ..block(1)
    }));
    case.breaks(
        "reject-echoes-request",
        "reject of piece 1 begin 0 length 32768, and the request was for piece 1 begin 0 length \
         16384",
    );
    let mut case = Case::seed();
    case.gets(RejectRequest(block(1)));
    case.breaks(
        "reject-echoes-request",
        "reject of piece 1 begin 0 length 16384, which was not requested",
    );
}

#[test]
fn reject_echoes_odd_requests_too() {
    let far = BlockRef {
        index: 4_000_000,
        ..block(0)
    };
    let mut case = Case::seed();
    case.sends(Request(far)).gets(RejectRequest(far));
    case.holds("reject-echoes-request").is_clean();
    let mut case = Case::seed();
    case.sends(Request(far)).gets(RejectRequest(block(0)));
    case.breaks(
        "reject-echoes-request",
        "reject of piece 0 begin 0 length 16384, which was not requested",
    );
}

#[test]
fn reject_of_a_stray_cancel_is_left_to_the_case() {
    let mut case = Case::seed();
    case.sends(Cancel(block(1))).gets(RejectRequest(block(1)));
    case.is_clean();
}

#[test]
fn request_is_answered_once() {
    let mut case = Case::seed();
    case.sends(Request(block(1)))
        .gets_block(block(1))
        .gets(RejectRequest(block(1)));
    case.breaks(
        "request-answered-once",
        "reject for piece 1 begin 0 length 16384, which was answered before",
    );
    let mut case = Case::seed();
    case.sends(Request(block(1)))
        .gets(RejectRequest(block(1)))
        .gets_block(block(1));
    case.breaks_all(&["piece-answers-request", "request-answered-once"]);
    let mut case = Case::seed();
    case.sends(Request(block(1)))
        .wait(50.0)
        .gets(KeepAlive)
        .wait(61.0);
    case.breaks(
        "request-answered-once",
        "no answer to the request for piece 1 begin 0 length 16384 within 60 s",
    );
}

#[test]
fn slow_answers_are_answers() {
    // One block a second (unworkable).
    let mut case = Case::seed();
    for index in 0..9 {
        case.sends(Request(block(index)));
    }
    for index in 0..9 {
        case.wait(30.0).gets_block(block(index));
    }
    case.holds("request-answered-once").is_clean();
}

#[test]
fn equal_requests_may_be_answered_one_by_one_or_together() {
    let mut case = Case::seed();
    for _ in 0..3 {
        case.sends(Request(block(1)));
    }
    case.gets_block(block(1))
        .gets_block(block(1))
        .gets_block(block(1));
    case.is_clean();
    let mut case = Case::seed();
    for _ in 0..3 {
        case.sends(Request(block(1)));
    }
    case.gets_block(block(1)).wait(5.0).gets(KeepAlive);
    case.is_clean();
}

#[test]
fn cancelled_request_gets_either_answer() {
    let mut case = Case::seed();
    case.sends(Request(block(1)))
        .sends(Request(block(2)))
        .sends(Cancel(block(1)))
        .sends(Cancel(block(2)))
        .gets_block(block(1))
        .gets(RejectRequest(block(2)));
    case.holds("request-answered-once").is_clean();
    let mut case = Case::seed();
    case.sends(Request(block(1)))
        .sends(Cancel(block(1)))
        .gets_block(block(1))
        .gets(RejectRequest(block(1)));
    case.breaks_all(&["request-answered-once"]);
}

#[test]
fn choke_is_followed_by_rejects() {
    let mut case = Case::seed();
    case.sends(Request(block(1)))
        .sends(Request(block(2)))
        .gets(Choke)
        .gets_block(block(1))
        .gets(RejectRequest(block(2)));
    case.holds("request-answered-once").is_clean();
}

#[test]
fn choked_leech_asks_for_allowed_pieces_only() {
    let choked = || {
        let mut case = Case::both(&[Fast, Extended]);
        case.sends_hello()
            .sends(HaveAll)
            .gets_hello()
            .gets(HaveNone);
        case.sends(AllowedFast { index: 2 }).gets(Interested);
        case
    };
    let mut case = choked();
    case.gets(Request(block(2)));
    case.holds("choked-asks-allowed-only").is_clean();
    let mut case = choked();
    case.gets(Request(block(3)));
    case.breaks(
        "choked-asks-allowed-only",
        "request for piece 3 begin 0 length 16384 under choke, and the piece is not allowed fast",
    );
}

#[test]
fn tainted_connections_are_judged_by_absolute_rules_only() {
    let mut case = Case::seed();
    case.sends_frame(&[4, 0, 0])
        .gets(Unchoke)
        .gets_block(block(1))
        .gets(HaveAll);
    case.is_clean();
    case.gets(Message::Have { index: 99 });
    case.breaks_all(&["have-in-range"]);
    for tainting in [
        &[42u8][..],
        &[5, 0xff],
        &[20, 0, b'x'],
        &[20, 99],
        &[
            20, 0, b'd', b'1', b'b', b'0', b':', b'1', b'a', b'0', b':', b'e',
        ],
    ] {
        let mut case = Case::seed();
        case.sends_frame(tainting);
        assert!(case.session.tainted(), "{tainting:?}");
    }
    let mut case = Case::offering(&[], &[Fast, Extended]);
    case.sends(HaveAll);
    assert!(
        case.session.tainted(),
        "have_all without the fast extension"
    );
    let mut case = Case::seed();
    case.see(Dir::Sent, crate::trace::What::Opaque, bytes::Bytes::new());
    assert!(case.session.tainted());
    let mut case = Case::seed();
    case.see(Dir::Sent, crate::trace::What::Trailing, bytes::Bytes::new());
    assert!(case.session.tainted(), "closed inside a frame");
    for (announced, tainted) in [(None, false), (Some(17), false), (Some(1 << 31), true)] {
        let mut case = Case::seed();
        case.session.handle_pending(&crate::trace::Pending {
            offset: 68,
            have: 4,
            announced,
            since: std::time::Duration::ZERO,
        });
        assert_eq!(case.session.tainted(), tainted);
    }
}

/// 64 different requests.
fn queue() -> Vec<BlockRef> {
    let places = (0..8).flat_map(|index| (0..8).map(move |n| (index, n * 2048)));
    places
        .map(|(index, begin)| BlockRef {
            index,
            begin,
            length: 2048,
        })
        .collect()
}

#[test]
fn choke_throws_the_queue_away() {
    let rule = "choke-rejects-the-queue";
    // Some blocks were on their way.
    let mut case = Case::seed();
    for block in queue() {
        case.sends(Request(block));
    }
    case.gets(Choke);
    for (n, block) in queue().into_iter().enumerate() {
        if n < 20 {
            case.gets_block(block);
        } else {
            case.gets(RejectRequest(block));
        }
    }
    case.holds(rule).is_clean();
    // All of them were served.
    let mut case = Case::seed();
    for block in queue() {
        case.sends(Request(block));
    }
    case.gets(Choke);
    for block in queue() {
        case.gets_block(block);
    }
    case.breaks(
        rule,
        "48 blocks that were requested before the choke came behind it, and no reject",
    );
    // An unchoke takes the choke back.
    let mut case = Case::seed();
    for block in queue() {
        case.sends(Request(block));
    }
    case.gets(Choke).gets(Unchoke);
    for block in queue() {
        case.gets_block(block);
    }
    case.ignores(rule).is_clean();
}
