//! What events say, what is owed, what is known.

use std::time::Duration;

use super::testing::{Script, THEIR_PEX, block, empty_pex, full};
use super::{AnswerHow, Duty, EntryState, Event, EventKind, Stand, frame_limit};
use crate::trace::{CloseHow, Dir};
use crate::wire::Capability::{Extended, Fast};
use crate::wire::Message::{
    Cancel, Choke, Have, HaveAll, HaveNone, Interested, KeepAlive, RejectRequest, Request, Unchoke,
};
use crate::wire::bencode::Value;
use crate::wire::{BlockRef, ExtendedHandshake, ExtensionMessage, Kind};

fn script(offers: &[crate::wire::Capability]) -> Script {
    let mut script = Script::new(offers, offers);
    script.handshakes();
    script
}

#[track_caller]
fn asked(event: &Event) -> &super::Asked {
    match &event.kind {
        EventKind::Request(asked) => asked,
        other => panic!("{other:?}"),
    }
}

#[test]
fn capabilities_are_what_both_offer() {
    let mut script = Script::new(&[Fast], &[Fast, Extended]);
    assert!(!script.session.fast());
    script.handshakes();
    assert!(script.session.fast() && !script.session.extended() && !script.session.dht());
}

#[test]
fn nothing_is_due_when_our_end_crosses_their_handshake() {
    let mut script = Script::new(&[Fast, Extended], &[Fast, Extended]);
    script.closes();
    script.handshakes();
    assert!(script.session.established_at().is_some());
    assert_eq!(script.session.poll_deadline(), None);
}

#[test]
fn what_is_said_behind_a_dial_is_not_due_again() {
    let mut script = Script::accepting(&[Fast, Extended], &[Fast, Extended]);
    script.is_greeted().gets(full()).gets_hello().greets();
    assert!(script.session.was_early(Kind::Bitfield) && !script.session.was_early(Kind::HaveAll));
    assert_eq!(
        script.session.poll_deadline(),
        Some(Duration::from_secs(130)),
        "only keep-alives are due"
    );
}

#[test]
fn everything_is_owed_with_fast_and_only_what_is_open_without() {
    let owed = |script: &Script| script.session.owed().count();
    let mut with = script(&[Fast]);
    with.gets(HaveAll).gets(Unchoke);
    with.sends(Request(block(0)))
        .sends(Request(block(1)))
        .sends(Cancel(block(0)));
    assert_eq!(owed(&with), 2);
    with.gets(Choke);
    assert_eq!(owed(&with), 2, "a choke settles nothing");
    with.gets(RejectRequest(block(0))).gets_block(block(1));
    assert_eq!(owed(&with), 0);
    let mut without = script(&[]);
    without.gets(full()).gets(Unchoke);
    without
        .sends(Request(block(0)))
        .sends(Request(block(1)))
        .sends(Cancel(block(0)));
    assert_eq!(owed(&without), 1);
    without.gets(Choke);
    assert_eq!(owed(&without), 0);
}

#[test]
fn requests_against_the_rules_are_marked_and_not_owed() {
    let mut script = script(&[Fast]);
    script.gets(HaveNone).gets(Have { index: 0 });
    let mark = |script: &mut Script, block: BlockRef| {
        script.sends(Request(block));
        asked(script.last()).entry.marks
    };
    assert!(mark(&mut script, block(0)).while_choked);
    script.gets(Unchoke);
    assert!(
        !mark(
            &mut script,
            BlockRef {
                begin: 16384,
                ..block(0)
            }
        )
        .any()
    );
    assert!(mark(&mut script, block(0)).duplicate);
    assert!(mark(&mut script, block(1)).not_announced);
    assert!(mark(&mut script, block(10)).out_of_range);
    let double = BlockRef {
        length: 32768,
        ..block(0)
    };
    assert!(mark(&mut script, double).oversized);
    assert_eq!(script.session.owed().count(), 1);
}

#[test]
fn requests_beyond_reqq_are_marked() {
    let mut script = script(&[Fast, Extended]);
    let reqq = Value::Int(2);
    script.gets(HaveAll).gets(Unchoke);
    script.gets_handshake(ExtendedHandshake::new().with("reqq", reqq));
    for (index, beyond) in [(0, false), (1, false), (2, true)] {
        script.sends(Request(block(index)));
        assert_eq!(asked(script.last()).entry.marks.beyond_reqq, beyond);
    }
}

#[test]
fn choke_is_sent_before_it_is_known() {
    let mut script = script(&[Fast, Extended]);
    script
        .sends_hello()
        .sends(HaveAll)
        .gets_hello()
        .gets(HaveNone);
    script.sends(Unchoke).proof_of_life().sends(Choke);
    assert!(script.session.choking_sent() && !script.session.choking_known());
    script.gets(Request(block(0)));
    assert_eq!(asked(script.last()).choke, Stand::Crossing);
    script.proof_of_life();
    assert!(script.session.choking_known());
    script.gets(Request(block(1)));
    assert_eq!(asked(script.last()).choke, Stand::Wrong);
}

#[test]
fn time_keep_alives_and_states_prove_nothing() {
    let mut script = script(&[Fast]);
    script.gets(HaveAll).sends(Unchoke).sends(Choke);
    let proven = script.session.proven();
    script
        .wait(100.0)
        .gets(KeepAlive)
        .gets(Interested)
        .gets(Unchoke)
        .gets(Choke);
    assert_eq!(script.session.proven(), proven);
}

#[test]
fn ledgers_of_both_sides_work_alike() {
    let mut script = script(&[]);
    script
        .sends(Unchoke)
        .gets(Request(block(3)))
        .sends_block(block(3));
    match &script.last().kind {
        EventKind::Answer(answer) => {
            assert_eq!((answer.how, answer.corrupt), (AnswerHow::Piece, None));
        }
        other => panic!("{other:?}"),
    }
    script.gets(Request(block(4))).sends(Choke);
    let entry = script
        .session
        .ledger_theirs()
        .same(&block(4))
        .next()
        .unwrap();
    assert!(matches!(entry.state, EntryState::Dropped { .. }));
}

#[test]
fn deadlines_are_told_and_kept() {
    let mut script = script(&[Fast, Extended]);
    assert_eq!(
        script.session.poll_deadline(),
        Some(Duration::from_secs(15))
    );
    script.gets(HaveAll).wait(20.0);
    match &script.last().kind {
        EventKind::Overdue(duty) => assert_eq!(*duty, Duty::ExtendedHandshake),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        script.session.poll_deadline(),
        Some(Duration::from_secs(130))
    );
    script
        .sends(Request(block(0)))
        .gets(Unchoke)
        .sends(Request(block(1)));
    assert_eq!(
        script.session.poll_deadline(),
        Some(Duration::from_secs(80))
    );
    script.is_closed();
    assert_eq!(script.session.poll_deadline(), None);
    assert_eq!(
        script.session.closed(),
        Some((Dir::Received, CloseHow::Fin))
    );
}

#[test]
fn overdue_comes_before_what_is_late() {
    let mut script = script(&[Fast]);
    script.take();
    // Nobody calls at the deadline itself.
    script.later(16.0).gets(HaveAll);
    let kinds: Vec<EventKind> = script.take().into_iter().map(|(e, _)| e.kind).collect();
    assert!(
        matches!(
            kinds.as_slice(),
            [
                EventKind::Overdue(Duty::Availability),
                EventKind::Availability(_)
            ]
        ),
        "{kinds:?}"
    );
}

#[test]
fn messages_are_counted_by_kind() {
    let mut script = script(&[Fast, Extended]);
    script.sends_hello().gets_hello().proof_of_life();
    let theirs = script.session.theirs();
    assert_eq!(theirs.count(Kind::Extended), 2);
    assert_eq!(theirs.count(Kind::ExtendedHandshake), 1);
    assert_eq!(theirs.count(Kind::UtMetadataData), 1);
    assert_eq!(script.session.ours().count(Kind::UtMetadataRequest), 1);
}

#[test]
fn frame_limit_grows_with_the_torrent() {
    let geometry = *script(&[]).session.geometry();
    assert_eq!(frame_limit(&geometry, 0), 1 << 20);
    assert!(frame_limit(&geometry, 8 << 20) > 8 << 20);
}

#[test]
fn what_comes_before_their_handshake_is_judged_by_it() {
    let early = |theirs: &[crate::wire::Capability], messages: &[crate::wire::Message]| {
        let mut script = Script::new(&[Fast, Extended], theirs);
        script.greets().sends_hello();
        for message in messages {
            script.sends(message.clone());
        }
        script.is_greeted();
        script.session.tainted()
    };
    let both = [Fast, Extended];
    assert!(!early(&both, &[]));
    assert!(!early(&both, &[HaveNone]));
    assert!(early(&[Extended], &[HaveNone]));
    assert!(early(&[Fast], &[]));
    // Nobody's ids are known yet.
    assert!(early(&both, &[empty_pex(THEIR_PEX)]));
}

#[test]
fn nobody_knows_what_an_id_of_more_than_a_byte_becomes() {
    let tainted = |id: i128| {
        let mut script = script(&[Extended]);
        let m = Value::Dict(vec![("ut_pex".into(), Value::Int(id))]);
        let hello = ExtendedHandshake::new().with("m", m);
        script.handshakes();
        script.sends(ExtensionMessage::Handshake(hello).into_message(0));
        script.session.tainted()
    };
    assert_eq!([0, 255, 256, -1].map(tainted), [false, false, true, true]);
}
