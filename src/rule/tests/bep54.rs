//! Rules of BEP 54.

use super::Case;
use crate::wire::Capability::{Extended, Fast};
use crate::wire::Message::{HaveAll, HaveNone};
use crate::wire::{ExtendedHandshake, ExtensionMessage, Message};

/// Our id, and the target's.
const OURS: u8 = 90;
const THEIRS: u8 = 7;

fn case(offers: bool, has: Message) -> Case {
    let mut case = Case::both(&[Fast, Extended]);
    let m: &[(&str, u8)] = if offers {
        &[("lt_donthave", OURS)]
    } else {
        &[]
    };
    case.sends_m(m)
        .gets_handshake(ExtendedHandshake::new().with_m(&[("lt_donthave", THEIRS)]))
        .gets(has);
    case
}

fn gone(index: u32, id: u8) -> Message {
    ExtensionMessage::DontHave { index }.into_message(id)
}

#[test]
fn donthave_is_about_announced_pieces() {
    let mut sound = case(true, HaveAll);
    sound.gets(gone(9, OURS));
    sound.holds("donthave-of-announced").is_clean();
    let mut broken = case(true, HaveAll);
    broken.gets(gone(10, OURS));
    broken.breaks(
        "donthave-of-announced",
        "piece 10 is taken back, and the torrent has 10",
    );
    let mut broken = case(true, HaveNone);
    broken.gets(gone(3, OURS));
    broken.breaks(
        "donthave-of-announced",
        "piece 3 is taken back, and was never announced",
    );
    let mut broken = case(true, HaveAll);
    broken.gets(Message::Extended {
        ext_id: OURS,
        payload: vec![0; 3].into(),
    });
    broken.breaks(
        "donthave-of-announced",
        "`lt_donthave` ends 3 bytes into `index`",
    );
}

#[test]
fn donthave_goes_to_who_offers_it() {
    let mut sound = case(false, HaveAll);
    sound.closes();
    sound.holds("donthave-if-offered").is_clean();
    let mut broken = case(false, HaveAll);
    broken.gets(gone(3, THEIRS));
    broken.breaks_all(&["our-ids-used", "donthave-if-offered"]);
    let mut offered = case(true, HaveAll);
    offered.gets(gone(3, OURS)).closes();
    offered.ignores("donthave-if-offered");
}

#[test]
fn without_fast_a_piece_taken_back_may_be_requested_again() {
    use crate::session::testing::{block, full};
    for (fast, rule) in [(false, None), (true, Some("no-duplicate-request"))] {
        let bits: &[_] = if fast { &[Fast, Extended] } else { &[Extended] };
        let mut case = Case::both(bits);
        case.sends_m(&[("lt_donthave", OURS)])
            .gets_handshake(ExtendedHandshake::new().with_m(&[("lt_donthave", THEIRS)]));
        if fast {
            case.gets(HaveNone);
        }
        case.sends(full())
            .gets(Message::Interested)
            .sends(Message::Unchoke)
            .gets(Message::Request(block(3)))
            .sends(gone(3, THEIRS))
            .sends(Message::Have { index: 3 })
            .wait(1.0)
            .gets(Message::Request(block(3)));
        match rule {
            None => case.is_clean(),
            Some(rule) => case.breaks_all(&[rule]),
        };
    }
}
