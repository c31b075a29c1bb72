//! Messages cross: what the target sent before it could read ours is right by the state it knew.
//! Each test has the innocent crossing first, and then the same message when it is no crossing.

use super::Case;
use crate::session::Stand;
use crate::session::testing::{OUR_METADATA, OUR_PEX, block, empty_pex, full};
use crate::session::{EventKind, Session};
use crate::wire::Capability::{Extended, Fast};
use crate::wire::Message::{
    Cancel, Choke, Have, HaveAll, HaveNone, Interested, RejectRequest, Request, Unchoke,
};
use crate::wire::{ExtensionMessage, Message};

fn pex(id: u8) -> Message {
    empty_pex(id)
}

#[test]
fn our_choke_crosses_requests() {
    for fast in [true, false] {
        let both: &[_] = if fast { &[Fast, Extended] } else { &[Extended] };
        let mut case = Case::both(both);
        case.sends_hello().sends(full()).gets_hello();
        if fast {
            case.gets(HaveNone);
        }
        case.gets(Interested).sends(Unchoke).gets(Request(block(0)));
        case.sends(Choke)
            .gets(Request(block(1)))
            .wait(30.0)
            .gets(Request(block(2)));
        case.is_clean();
        assert!(case.session.choking_sent() && !case.session.ledger_theirs().has_marked_live());
        case.proof_of_life().gets(Request(block(3)));
        case.breaks_all(&["stops-when-choked"]);
    }
}

#[test]
fn answer_to_a_request_from_before_the_choke_proves_nothing() {
    let mut case = Case::leech();
    case.gets(Have { index: 9 }).gets(Unchoke);
    case.sends(Request(block(9)))
        .sends(Choke)
        .gets_block(block(9))
        .gets(Request(block(1)));
    case.is_clean();
    case.sends(Request(block(9)))
        .gets_block(block(9))
        .gets(Request(block(2)));
    case.breaks_all(&["stops-when-choked"]);
}

#[test]
fn choke_and_unchoke_in_quick_succession() {
    let mut case = Case::leech();
    case.sends(Choke).sends(Unchoke).sends(Choke);
    // Choke and unchoke are read, the second choke may not be.
    case.gets(Request(block(0)));
    case.is_clean();
    let mut case = Case::leech();
    case.sends(Choke)
        .proof_of_life()
        .sends(Unchoke)
        .sends(Choke);
    case.gets(Request(block(0)));
    case.is_clean();
    case.proof_of_life().gets(Request(block(1)));
    case.breaks_all(&["stops-when-choked"]);
}

#[test]
fn request_again_after_our_choke_is_no_duplicate() {
    for capabilities in [&[Fast][..], &[]] {
        let mut case = Case::both(capabilities);
        case.sends(full());
        if !capabilities.is_empty() {
            case.gets(HaveNone);
        }
        case.sends(Unchoke)
            .gets(Request(block(0)))
            .sends(Choke)
            .sends(Unchoke)
            .gets(Request(block(0)));
        case.is_clean().holds("no-duplicate-request");
    }
}

#[test]
fn request_that_crossed_our_choke_may_be_repeated() {
    // Without the fast extension the choke throws it out, though it came behind it here.
    let mut case = Case::both(&[]);
    case.sends(full())
        .sends(Unchoke)
        .sends(Choke)
        .gets(Request(block(0)))
        .sends(Unchoke)
        .gets(Request(block(0)));
    case.is_clean().holds("no-duplicate-request");
}

#[test]
fn their_choke_crosses_our_request_and_a_block_is_on_its_way() {
    let mut case = Case::slow_seed();
    case.sends(Request(block(0)))
        .gets(Choke)
        .gets_block(block(0));
    case.is_clean();
    // Asked again under choke, the block may still be the first request's.
    let mut case = Case::slow_seed();
    case.sends(Request(block(0)))
        .gets(Choke)
        .sends(Request(block(0)))
        .gets_block(block(0));
    case.is_clean();
    case.gets_block(block(0));
    assert!(case.session.ledger_ours().live_count() == 0);
}

#[test]
fn our_cancel_crosses_the_block() {
    let mut case = Case::slow_seed();
    case.sends(Request(block(0)))
        .sends(Cancel(block(0)))
        .wait(30.0)
        .gets_block(block(0));
    case.is_clean();
    let mut case = Case::seed();
    case.sends(Request(block(0)))
        .gets_block(block(0))
        .sends(Cancel(block(0)));
    case.wait(5.0).sends(Request(block(0))).gets_block(block(0));
    case.is_clean();
}

#[test]
fn piece_taken_back_crosses_requests() {
    let mut case = Case::both(&[Fast, Extended]);
    case.sends_hello().sends(HaveAll).gets(HaveNone);
    let size = case.info().len() as i128;
    case.gets_handshake(
        crate::wire::ExtendedHandshake::new()
            .with_m(&[("lt_donthave", 7), ("ut_metadata", 3)])
            .with("metadata_size", size),
    );
    case.gets(Interested).sends(Unchoke);
    case.sends(ExtensionMessage::DontHave { index: 4 }.into_message(7));
    case.gets(Request(block(4)));
    case.is_clean();
    case.proof_of_life();
    let mut later = case;
    later.sends(RejectRequest(block(4))).gets(Request(block(4)));
    later.breaks_all(&["request-of-announced"]);
}

#[test]
fn announcement_is_good_from_the_moment_it_is_sent() {
    let mut case = Case::both(&[Fast]);
    case.sends(HaveNone)
        .gets(HaveNone)
        .sends(Unchoke)
        .sends(Have { index: 3 });
    case.gets(Request(block(3)));
    case.is_clean();
    // A later bitfield without it takes nothing back.
    case.sends(HaveNone).gets(Request(crate::wire::BlockRef {
        begin: 16384,
        ..block(3)
    }));
    case.is_clean();
}

#[test]
fn ids_of_earlier_handshakes_stay_right() {
    let mut case = Case::seed();
    case.sends_m(&[("ut_metadata", OUR_METADATA), ("ut_pex", 78)]);
    assert_eq!(case.session.our_ids().id("ut_pex"), Some(78));
    assert_eq!(case.session.our_ids().known_id("ut_pex"), None);
    case.gets(pex(OUR_PEX))
        .wait(61.0)
        .gets(pex(78))
        .proof_of_life();
    assert_eq!(case.session.our_ids().known_id("ut_pex"), Some(78));
    // "A client may choose to ignore" the second handshake.
    case.wait(61.0).gets(pex(OUR_PEX)).wait(61.0).gets(pex(78));
    case.holds("our-ids-used").is_clean();
    case.wait(61.0).gets(pex(79));
    case.breaks("our-ids-used", "id 79, which is not in our m");
}

#[test]
fn switching_off_later_may_be_ignored() {
    let mut case = Case::seed();
    case.sends_m(&[("ut_metadata", OUR_METADATA), ("ut_pex", 0)])
        .gets(pex(OUR_PEX))
        .proof_of_life()
        .wait(61.0)
        .gets(pex(OUR_PEX));
    case.is_clean().ignores("switched-off-is-unused");
}

#[test]
fn names_left_out_of_a_later_handshake_keep_their_ids() {
    let mut case = Case::seed();
    case.sends_m(&[("ut_metadata", OUR_METADATA)])
        .proof_of_life()
        .gets(pex(OUR_PEX));
    case.holds("our-ids-used").is_clean();
}

#[test]
fn known_follows_the_oldest_request_that_fits() {
    let mut case = Case::seed();
    let stand = |session: &Session| session.our_choke().settled();
    case.sends(Request(block(0)))
        .sends(Unchoke)
        .sends(Request(block(0)));
    case.gets_block(block(0));
    assert!(
        !stand(&case.session),
        "the first request may have brought it"
    );
    case.gets_block(block(0));
    assert!(stand(&case.session));
}

#[test]
fn use_of_our_id_proves_the_handshake_that_gave_it_and_no_more() {
    let mut case = Case::both(&[Fast, Extended]);
    case.sends_hello()
        .sends(HaveAll)
        .sends(Unchoke)
        .gets_hello()
        .gets(HaveNone);
    case.gets(pex(OUR_PEX));
    assert_eq!(
        case.session.proven(),
        2,
        "handshake and extension handshake"
    );
    assert!(case.session.choking_known());
    case.gets(Request(block(0)));
    match &case.last().kind {
        EventKind::Request(asked) => assert_eq!(asked.choke, Stand::Right),
        other => panic!("{other:?}"),
    }
}
