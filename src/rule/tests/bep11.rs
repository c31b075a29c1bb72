//! BEP 11.

use super::Case;
use crate::session::testing::OUR_PEX;
use crate::wire::Capability::Extended;
use crate::wire::Message;
use crate::wire::bencode::{Value, encode_canonical};

const ONE: &[u8] = &[127, 0, 0, 1, 0x1a, 0xe1];
const OTHER: &[u8] = &[127, 0, 0, 2, 0x1a, 0xe1];

fn raw(payload: &[u8]) -> Message {
    Message::Extended {
        ext_id: OUR_PEX,
        payload: payload.to_vec().into(),
    }
}

fn pex<const N: usize>(entries: [(&str, &[u8]); N]) -> Message {
    let entries = entries.map(|(key, bytes)| (key, Value::bytes(bytes)));
    raw(&encode_canonical(&Value::dict(entries)))
}

/// Both have said hello, so that ut_pex may come.
fn case() -> Case {
    let mut case = Case::both(&[Extended]);
    case.sends_hello().gets_hello();
    case
}

#[test]
fn lists_are_whole_contacts() {
    let rule = "pex-lists-are-whole";
    let mut good = case();
    good.gets(pex([("added", ONE), ("added.f", &[0]), ("dropped", &[])]));
    good.holds(rule).is_clean();
    let ragged = "added has 5 bytes, 6 a contact";
    let mut bad = case();
    bad.gets(pex([("added", &ONE[..5])]));
    bad.breaks(rule, ragged);
    let six = "added6 has 6 bytes, 18 a contact";
    let mut bad = case();
    bad.gets(pex([("added6", ONE)]));
    bad.breaks(rule, six);
    let mut bad = case();
    bad.gets(raw(b"d5:addedi1ee"));
    bad.breaks(rule, "added is no string but an integer");
    let mut bad = case();
    bad.gets(raw(b"d5:added0:ee"));
    bad.breaks(rule, "bytes follow the dictionary");
    let mut bad = case();
    bad.gets(raw(b"le"));
    bad.breaks(
        rule,
        "ut_pex does not decode: `ut_pex` is not a dictionary but a list",
    );
}

#[test]
fn flags_fit_the_contacts_and_the_table() {
    let mut without = case();
    without.gets(pex([("added", ONE)]));
    without
        .ignores("pex-flags-match")
        .ignores("pex-flags-assigned");
    let mut bad = case();
    bad.gets(pex([("added", ONE), ("added.f", &[0, 0])]));
    bad.breaks("pex-flags-match", "2 bytes of added.f for 1 contacts");
    let mut bad = case();
    bad.gets(pex([("added", ONE), ("added.f", &[0x1f])]));
    bad.holds("pex-flags-assigned");
    bad.wait(61.0)
        .gets(pex([("added", OTHER), ("added.f", &[0x20])]));
    bad.breaks("pex-flags-assigned", "flags 0x20");
}

#[test]
fn there_is_a_list_and_no_contact_twice() {
    let mut bad = case();
    bad.gets(raw(b"de"));
    bad.breaks(
        "pex-has-a-list",
        "neither added nor dropped, of either family",
    );
    let mut empty = case();
    empty.gets(pex([("dropped6", &[])]));
    empty.holds("pex-has-a-list").ignores("pex-lists-are-sets");
    let mut bad = case();
    bad.gets(pex([("added", &[ONE, ONE].concat())]));
    bad.breaks("pex-lists-are-sets", "127.0.0.1:6881 is added twice");
    let mut bad = case();
    bad.gets(pex([("added", ONE), ("dropped", ONE)]));
    bad.breaks_first("pex-lists-are-sets", "127.0.0.1:6881 is added and dropped");
}

#[test]
fn later_messages_have_fifty_contacts_at_most() {
    let many: Vec<u8> = (0..51_u8).flat_map(|n| [10, 0, 0, n, 0x1a, 0xe1]).collect();
    let rule = "pex-at-most-fifty";
    let mut case = case();
    case.gets(pex([("added", &many)]));
    case.ignores(rule);
    case.wait(60.0).gets(pex([("dropped", &many[6..])]));
    case.holds(rule);
    case.wait(60.0).gets(pex([("added", &many)]));
    case.breaks(rule, "51 contacts added and 0 dropped");
}

#[test]
fn only_what_was_added_is_dropped() {
    let rule = "pex-drops-what-it-added";
    let mut case = case();
    case.gets(pex([("added", ONE)]));
    case.ignores(rule);
    case.wait(60.0).gets(pex([("dropped", ONE)]));
    case.holds(rule);
    case.wait(60.0).gets(pex([("dropped", OTHER)]));
    case.breaks(rule, "127.0.0.2:6881 is dropped and was never added");
}

#[test]
fn a_minute_lies_between_two_messages() {
    let rule = "pex-once-a-minute";
    let mut case = case();
    case.gets(pex([("added", ONE)]));
    case.ignores(rule);
    case.wait(58.0).gets(pex([("dropped", ONE)]));
    case.holds(rule);
    case.wait(50.0).gets(pex([("added", ONE)]));
    case.breaks(rule, "50.0 s after the message before");
}
