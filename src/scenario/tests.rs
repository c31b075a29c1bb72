//! From files to plays, templates and matches.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;

use super::ast::{Action, Delay, Direction, Role, Suite, Variant};
use super::print::essence;
use super::*;
use crate::torrent::{Torrent, fixture};
use crate::wire::{
    BlockRef, ExtendedHandshake, ExtensionMessage, Frame, Handshake, InfoHash, Message, PeerId,
    Reserved, bencode,
};

fn data(name: &str) -> PathBuf {
    let root = env!("CARGO_MANIFEST_DIR");
    PathBuf::from(format!("{root}/tests/data/scenarios/{name}"))
}

#[track_caller]
fn sound<T>(result: Result<T, Vec<ScenarioError>>) -> T {
    result.unwrap_or_else(|errors| {
        let errors: Vec<String> = errors.iter().map(ScenarioError::render).collect();
        panic!("{}", errors.join("\n"))
    })
}

const FETCH: &str = "{fetch: {params: {index: null}, returns: [got], do: [{send: {request: {index: \
    $index, begin: 0, length: 1}}}, {expect: {piece: {index: $index, block: {capture: got}}}}]}}";

/// A suite of one leech case with these steps behind a plain connection.
fn wrap(steps: &str) -> String {
    let steps: String = steps
        .lines()
        .map(|line| format!("      {line}\n"))
        .collect();
    format!(
        "spec: 1\nsuite: s\ntitle: t\nblocks: {FETCH}\ncases:\n  - case: c\n    title: t\n    cites: [B6-RJ-01]\n    \
         given: [{{connect: {{}}}}]\n    steps:\n{steps}"
    )
}

#[track_caller]
fn steps(text: &str) -> Vec<ast::Step> {
    let suite = sound(parse_text("s.yaml", &wrap(text)));
    suite.cases[0].steps.clone()
}

#[track_caller]
fn mistake(text: &str) -> String {
    parse_text("s.yaml", &wrap(text)).unwrap_err()[0]
        .message
        .clone()
}

struct World {
    torrent: Torrent,
    values: BTreeMap<String, Val>,
}

impl World {
    fn new() -> Self {
        let ids = [
            ("peer.ext.ut_metadata", 7),
            ("peer.ext.ut_pex", 0),
            ("fresh", 5),
        ];
        let mut values: BTreeMap<String, Val> = ids
            .into_iter()
            .map(|(name, id)| (name.to_owned(), Val::Int(id)))
            .collect();
        values.insert(
            "tester.peer_id".into(),
            Val::Bytes(Bytes::from_static(&[9; 20])),
        );
        Self {
            torrent: fixture::main().torrent,
            values,
        }
    }
}

impl Env for World {
    fn get(&self, path: &str) -> Option<Val> {
        torrent_value(&self.torrent, path).or_else(|| self.values.get(path).cloned())
    }

    fn block(&self, block: &BlockRef) -> Option<Bytes> {
        self.torrent.block(block)
    }

    fn info(&self) -> Option<Bytes> {
        Some(self.torrent.metainfo().info_bytes().clone())
    }
}

#[track_caller]
fn sent(text: &str) -> Vec<Message> {
    let step = steps(&format!("- send: {text}")).remove(0);
    let Action::Send(templates) = step.action else {
        panic!("not a send")
    };
    let world = World::new();
    templates
        .iter()
        .map(|template| {
            template
                .resolve(&world)
                .unwrap_or_else(|e| panic!("{}", e.render()))
        })
        .collect()
}

#[track_caller]
fn raw(text: &str) -> Bytes {
    let step = steps(&format!("- send_raw: {text}")).remove(0);
    let Action::SendRaw(raw) = step.action else {
        panic!("not a send_raw")
    };
    raw.resolve(&World::new())
        .unwrap_or_else(|e| panic!("{}", e.render()))
}

#[track_caller]
fn pattern_of(text: &str) -> Pattern {
    match steps(&format!("- expect: {text}")).remove(0).action {
        Action::Expect(pattern) => pattern,
        _ => panic!("not an expect"),
    }
}

#[track_caller]
fn kept(pattern: &str, view: &MessageView) -> Option<Captures> {
    pattern_of(pattern).matches(view, &World::new()).unwrap()
}

#[track_caller]
fn matches(pattern: &str, message: &Message) -> bool {
    kept(pattern, &MessageView::message(message)).is_some()
}

#[test]
fn examples_are_read() {
    let suite = sound(load(&[data("examples.yaml")])).remove(0);
    assert_eq!(suite.cases.len(), 5);
    let everything = &suite.cases[4];
    assert_eq!(everything.lists, ["fast"]);
    assert!(everything.settle);
    assert_eq!(everything.needs.len(), 3);
    assert_eq!(
        everything.timeouts.answer,
        Some(std::time::Duration::from_secs(20))
    );
}

#[test]
fn embedded_suites_are_read() {
    sound(embedded());
}

#[test]
fn plays_are_named_and_ordered() {
    let suite = sound(load(&[data("examples.yaml")])).remove(0);
    let choice = Choice {
        roles: vec![Role::Seed, Role::Leech],
        directions: vec![Direction::Dialled, Direction::Dials],
        variants: vec![Variant::Drip, Variant::SplitLength],
    };
    let ids: Vec<String> = expand(&suite, &choice)
        .unwrap()
        .into_iter()
        .map(|play| play.id.0)
        .collect();
    assert_eq!(
        ids[..6],
        [
            "examples/reject-while-choked:seed",
            "examples/reject-while-choked:seed@drip",
            "examples/reject-while-choked:seed@split-length",
            "examples/resent-handshake:seed",
            "examples/resent-handshake:seed@drip",
            "examples/resent-handshake:seed@split-length",
        ]
    );
    assert!(ids.contains(&"examples/request-too-big[length=huge,fast=off]:seed@drip".into()));
    assert_eq!(
        ids[ids.len() - 4..],
        [
            "examples/every-action:seed",
            "examples/every-action:seed@split-length",
            "examples/every-action:seed:dials",
            "examples/every-action:seed:dials@split-length",
        ]
    );
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
}

#[test]
fn when_drops_combinations() {
    let text = "spec: 1\nsuite: s\ntitle: t\ncases:\n  - case: c\n    title: t\n    cites: [B6-RJ-01]\n    \
                matrix: {a: [1, 2], b: {x: 1, y: 2}}\n    when: \"${matrix.a != matrix.b}\"\n    \
                given: [{connect: {}}]\n    steps: [{alive: {}}]\n";
    let suite = sound(parse_text("s.yaml", text));
    let choice = Choice {
        roles: vec![Role::Leech],
        directions: vec![Direction::Dialled],
        variants: vec![],
    };
    let plays = expand(&suite, &choice).unwrap();
    let ids: Vec<&str> = plays.iter().map(|play| &*play.id.0).collect();
    assert_eq!(ids, ["s/c[a=1,b=y]:leech", "s/c[a=2,b=x]:leech"]);
}

#[test]
fn messages_get_their_values() {
    assert_eq!(
        sent("{request: {index: $torrent.last, begin: 0, length: \"${2 * 8192}\"}}"),
        [Message::Request(BlockRef::new(1026, 0, 16384))]
    );
    assert_eq!(
        sent("[choke, keep_alive]"),
        [Message::Choke, Message::KeepAlive]
    );
    let torrent = World::new().torrent;
    let right = torrent.block(&BlockRef::new(3, 16384, 16384)).unwrap();
    let [Message::Piece { block, .. }] =
        &sent("{piece: {index: 3, begin: 16384, block: {of: torrent, length: 16384}}}")[..]
    else {
        panic!("no piece")
    };
    assert_eq!(*block, right);
    let [Message::Piece { block, .. }] =
        &sent("{piece: {index: 3, begin: 16384, block: {of: corrupt, length: 16384}}}")[..]
    else {
        panic!("no piece")
    };
    assert_eq!(block.len(), right.len());
    assert_eq!(block.iter().zip(&right).filter(|(a, b)| a != b).count(), 1);
}

#[test]
fn runs_of_blocks_begin_and_step_as_they_say() {
    let encoded = |messages: Vec<Message>| {
        let bytes: Vec<u8> = messages.iter().flat_map(|m| m.encode().to_vec()).collect();
        Bytes::from(bytes)
    };
    let block = |index, begin| BlockRef::new(index, begin, 16384);
    assert_eq!(
        raw("{requests: 3}"),
        encoded(vec![
            Message::Request(block(0, 0)),
            Message::Request(block(0, 16384)),
            Message::Request(block(1, 0)),
        ])
    );
    assert_eq!(
        raw("{cancels: 2, first: 3, every: 2}"),
        encoded(vec![
            Message::Cancel(block(1, 16384)),
            Message::Cancel(block(2, 16384)),
        ])
    );
    // The last piece is short: its blocks are left out.
    assert_eq!(
        raw("{requests: 10, first: 2051}"),
        encoded(vec![Message::Request(block(1025, 16384))])
    );
}

#[test]
fn extension_messages_use_the_targets_id() {
    let [Message::Extended { ext_id, payload }] = &sent("{ut_metadata_request: {piece: -1}}")[..]
    else {
        panic!("not extended")
    };
    assert_eq!(
        (*ext_id, payload.as_ref()),
        (7, &b"d8:msg_typei0e5:piecei-1ee"[..])
    );
    let [Message::Extended { ext_id, .. }] =
        &sent("{ut_metadata_request: {piece: 0, ext_id: 3}}")[..]
    else {
        panic!("not extended")
    };
    assert_eq!(*ext_id, 3);
    let [Message::Extended { ext_id, payload }] =
        &sent("{extended_handshake: {v: x, m: {ut_metadata: 0}, reqq: -5, q: [1, {hex: 00}]}}")[..]
    else {
        panic!("not extended")
    };
    assert_eq!(
        (*ext_id, payload.as_ref()),
        (
            0,
            &b"d1:md11:ut_metadatai0ee1:qli1e1:\0e4:reqqi-5e1:v1:xe"[..]
        )
    );
    let [Message::Extended { payload, .. }] = &sent("extended_handshake")[..] else {
        panic!("not extended")
    };
    assert!(bencode::is_canonical(payload));
    let [Message::Extended { payload, .. }] =
        &sent("{ut_metadata_data: {piece: 1, total_size: 5, data: {of: info}}}")[..]
    else {
        panic!("not extended")
    };
    let info = World::new().torrent.metainfo().info_bytes().clone();
    assert!(payload.ends_with(&info[16384..32768]));
}

#[test]
fn bitfields_are_spelt_in_words() {
    let bits = |text: &str| match sent(&format!("{{bitfield: {{bits: {text}}}}}")).remove(0) {
        Message::Bitfield { bits } => bits,
        other => panic!("{other:?}"),
    };
    assert_eq!(bits("all").len(), 129);
    assert_eq!(bits("all")[128], 0b1110_0000);
    assert!(bits("none").iter().all(|byte| *byte == 0));
    assert_eq!(bits("[0, 9]")[..2], [0x80, 0x40]);
    assert_eq!(bits("$fresh")[0], 0b0000_0100);
    assert_eq!(bits("{all_but: [0]}")[0], 0x7f);
    assert_eq!(bits("{bits: none, spare: true}")[128], 0b0001_1111);
    assert_eq!(bits("{bits: all, extra: 2}").len(), 131);
    assert_eq!(bits("{bits: all, extra: -1}").len(), 128);
    assert_eq!(bits("{hex: 0102}")[..], [1, 2]);
}

#[test]
fn wrong_bytes_need_no_counting() {
    assert_eq!(raw("{hex: 00 01}")[..], [0, 1]);
    assert_eq!(raw("{repeat: {hex: ab}, times: 3}")[..], [0xab; 3]);
    assert_eq!(
        raw("{frame: {id: 4, payload: {u32: 7}}}")[..],
        [0, 0, 0, 5, 4, 0, 0, 0, 7]
    );
    assert_eq!(raw("{frame: {length: 6, id: 4}}")[..], [0, 0, 0, 6, 4]);
    assert_eq!(raw("{frame: {length: 4294967295}}")[..], [255; 4]);
    assert_eq!(
        raw("{frame: {message: {have: {index: 1}}, length: 9}}")[..],
        [0, 0, 0, 9, 4, 0, 0, 0, 1]
    );
    assert_eq!(
        raw("{concat: [{message: choke}, {hex: ff}]}")[..],
        [0, 0, 0, 1, 0, 0xff]
    );
    let handshake = raw("{handshake: {}}");
    assert_eq!(handshake.len(), 68);
    assert_eq!(handshake[48..], [9; 20]);
    let decoded = Handshake::decode(&handshake[..].try_into().unwrap()).unwrap();
    assert_eq!(decoded.info_hash, World::new().torrent.info_hash());
    let cut =
        raw("{handshake: {pstr: \"Bittorrent protocol\", reserved: [v2]}, skip: 20, take: 8}");
    assert_eq!(cut[..], [0, 0, 0, 0, 0, 0, 0, 0x10]);
    let flipped = raw("{handshake: {info_hash: {flip: $torrent.info_hash}}, skip: 28, take: 20}");
    let right = World::new().torrent.info_hash().0;
    assert_eq!(flipped[..19], right[..19]);
    assert_eq!(flipped[19], right[19] ^ 1);
    assert_eq!(
        raw("{bencode_as_is: {v: x, m: {a: 1}}}")[..],
        b"d1:v1:x1:md1:ai1eee"[..]
    );
}

#[test]
fn raw_bytes_know_their_boundary() {
    use super::template::Boundary;
    let boundary = |text: &str| match steps(&format!("- send_raw: {text}")).remove(0).action {
        Action::SendRaw(raw) => raw.boundary,
        _ => panic!("not a send_raw"),
    };
    assert_eq!(boundary("{message: choke}"), Boundary::Whole);
    assert_eq!(boundary("{handshake: {reserved: []}}"), Boundary::Whole);
    assert_eq!(
        boundary("{frame: {id: 99, payload: {hex: 00}}}"),
        Boundary::Whole
    );
    assert_eq!(boundary("{frame: {length: 3}}"), Boundary::Unknown);
    assert_eq!(boundary("{message: choke, take: 3}"), Boundary::Unknown);
    assert_eq!(
        boundary("{message: choke, take: 3, boundary: open}"),
        Boundary::Open
    );
    assert_eq!(boundary("{hex: 00000000}"), Boundary::Unknown);
}

#[test]
fn patterns_test_fields() {
    let request = Message::Request(BlockRef::new(1026, 16384, 100));
    assert!(matches("request", &request));
    assert!(matches("{request: {}}", &request));
    assert!(!matches("cancel", &request));
    assert!(matches(
        "{request: {index: $torrent.last, length: 100}}",
        &request
    ));
    assert!(!matches("{request: {index: 0}}", &request));
    assert!(matches(
        "{request: {index: {gt: 3, le: 1026}, begin: {in: [0, 16384]}}}",
        &request
    ));
    assert!(!matches("{request: {index: {ge: 3, lt: 1026}}}", &request));
    let piece = Message::Piece {
        index: 0,
        begin: 0,
        block: World::new()
            .torrent
            .block(&BlockRef::new(0, 0, 16))
            .unwrap(),
    };
    assert!(matches("{piece: {block: {len: 16}}}", &piece));
    assert!(!matches("{piece: {block: {len: 17}}}", &piece));
    assert!(matches(
        "{piece: {block: {longer: 15, shorter: 17}}}",
        &piece
    ));
    assert!(!matches("{piece: {block: {longer: 16}}}", &piece));
    assert!(!matches("{piece: {block: {shorter: 16}}}", &piece));
    assert!(matches(
        "{piece: {block: {of: torrent, index: 0, begin: 0, length: 16}}}",
        &piece
    ));
    assert!(!matches("{piece: {block: {hex: 00}}}", &piece));
    let digest = val::hex(&sha1(b"abc"));
    let abc = Message::Extended {
        ext_id: 1,
        payload: Bytes::from_static(b"abc"),
    };
    assert!(matches(
        &format!("{{extended: {{payload: {{sha1: {digest}}}}}}}"),
        &abc
    ));
    assert!(!matches(
        "{extended: {payload: {sha1: $torrent.info_hash}}}",
        &abc
    ));
}

#[test]
fn a_message_is_several_things_at_once() {
    let handshake = ExtendedHandshake::new()
        .with_m(&[("ut_metadata", 3), ("ut_pex", 0)])
        .with("v", bencode::Value::text("x"));
    let payload = ExtensionMessage::Handshake(handshake);
    let view = MessageView::extended(&payload.into_message(0), &payload);
    assert!(kept("extended", &view).is_some());
    assert!(kept("{extended: {ext_id: 0}}", &view).is_some());
    let captures = kept(
        "{extended_handshake: {m: {ut_metadata: {gt: 0, capture: id}, ut_pex: 0}, v: x}}",
        &view,
    );
    assert_eq!(captures.unwrap().set, [("id".to_owned(), Val::Int(3))]);
    assert!(
        kept(
            "{extended_handshake: {m: {lt_donthave: {present: false}}}}",
            &view
        )
        .is_some()
    );
    assert!(kept("{extended_handshake: {m: {lt_donthave: {gt: 0}}}}", &view).is_none());
    assert!(kept("{extended_handshake: {reqq: {present: true}}}", &view).is_none());
    assert!(kept("{extended_handshake: {m: {len: 2}}}", &view).is_some());
    let data = ExtensionMessage::MetadataData {
        piece: 0,
        total_size: None,
        data: Bytes::from_static(b"zz"),
    };
    let view = MessageView::extended(&data.into_message(4), &data);
    assert!(
        kept(
            "{ut_metadata_data: {piece: 0, ext_id: 4, data: {len: 2}}}",
            &view
        )
        .is_some()
    );
    assert!(kept("{ut_metadata_data: {total_size: {present: false}}}", &view).is_some());
    assert!(kept("ut_metadata_reject", &view).is_none());
    assert!(kept("extended_handshake", &view).is_none());
}

#[test]
fn handshakes_and_malformed_frames_match() {
    let mut reserved = Reserved::default();
    reserved.0[7] = 0x04;
    let view = MessageView::handshake(&Handshake {
        reserved,
        info_hash: InfoHash([1; 20]),
        peer_id: PeerId([2; 20]),
    });
    assert!(view.is_handshake());
    assert!(kept("handshake", &view).is_some());
    assert!(kept("{handshake: {fast: true, extended: false}}", &view).is_some());
    assert!(kept("{handshake: {fast: false}}", &view).is_none());
    assert!(kept("{handshake: {info_hash: $torrent.info_hash}}", &view).is_none());
    assert!(kept("{handshake: {reserved: {hex: 0000000000000004}}}", &view).is_some());
    let view = MessageView::malformed(&Frame::from_body(&[4, 0]));
    assert!(kept("{malformed: {id: 4, payload: {len: 1}}}", &view).is_some());
    assert!(kept("have", &view).is_none());
}

#[test]
fn a_miss_says_what_differed() {
    let view = MessageView::message(&Message::RejectRequest(BlockRef::new(1, 32768, 5)));
    let world = World::new();
    let pattern = pattern_of("{reject_request: {index: 1, begin: 0, length: {gt: \"${3 + 1}\"}}}");
    assert_eq!(
        pattern.miss(&view, &world).unwrap(),
        "begin = 32768, wanted 0"
    );
    assert_eq!(
        pattern.describe(&world),
        "reject_request(index 1, begin 0, length > 4)"
    );
    assert_eq!(pattern_of("choke").miss(&view, &world), None);
    assert_eq!(pattern_of("choke").describe(&world), "choke");
}

#[test]
fn blocks_have_their_own_names() {
    let steps = steps(
        "- use: fetch
  with: {index: $fresh}
  returns: {got: first}
- use: fetch
  with: {index: 4}
- check: {ne: [$first, $got]}",
    );
    let Action::Use(first) = &steps[0].action else {
        panic!("no block")
    };
    assert_eq!(first.bindings.len(), 1);
    assert_eq!(first.bindings[0].0, "fetch#1.index");
    let Action::Expect(pattern) = &first.body[1].action else {
        panic!("no expect")
    };
    let pattern::Matcher::Tests { capture, .. } = &pattern.fields[1].matcher else {
        panic!("no capture")
    };
    assert_eq!(capture.as_deref(), Some("first"));
    let Action::Use(second) = &steps[1].action else {
        panic!("no block")
    };
    assert!(second.bindings.is_empty(), "constants stand in place");
}

#[test]
fn names_end_where_their_scope_ends() {
    let branch = "- any_of:
    - expect: {have: {index: {capture: i}}}
      then: [{send: {request: {index: $i, begin: 0, length: 1}}}]
    - closed: any
- check: {eq: [$i, 0]}";
    assert_eq!(mistake(branch), "unknown variable `$i`");
    let repeat = "- repeat:
    times: 2
    do: [{expect: {have: {index: {capture: i, append: all}}}}]
- check: {len: [$all, 2]}
- check: {eq: [$i, 0]}";
    assert_eq!(mistake(repeat), "unknown variable `$i`");
    let twice = "- expect: {have: {index: {capture: i}}}
- expect: {have: {index: {capture: i}}}";
    assert_eq!(mistake(twice), "`i` is already set");
    let silent = "- never: {of: {have: {index: {capture: i}}}}";
    assert_eq!(mistake(silent), "nothing is kept of what must not come");
}

#[test]
fn types_are_checked_before_the_play() {
    let of = |value: &str| mistake(&format!("- send: {{have: {{index: {value}}}}}"));
    assert_eq!(of("yes"), "expected a number, got text");
    assert_eq!(of("$target.has"), "expected a number, got a list");
    assert_eq!(of("4294967296"), "4294967296 does not fit into 4 bytes");
    assert_eq!(of("-1"), "-1 does not fit into 4 bytes");
    assert_eq!(
        of("\"${1 + true}\""),
        "`+` is not made for a number and true or false"
    );
    assert_eq!(
        of("\"${torrent.info_hash}\""),
        "expected a number, got bytes"
    );
    assert_eq!(
        mistake("- alive: {}\n  when: 1"),
        "expected true or false, got a number"
    );
}

#[test]
fn connections_are_inherited() {
    let steps = steps(
        "- connect: {peer: b}
- send: choke
- send: unchoke
  peer: main
- alive: {}
- never: {of: malformed}",
    );
    let peers: Vec<Option<&str>> = steps.iter().map(|step| step.peer.as_deref()).collect();
    assert_eq!(
        peers,
        [Some("b"), Some("b"), Some("main"), Some("main"), None]
    );
}

#[test]
fn delays_may_be_computed() {
    let delay = |value: &str| {
        let text = format!("- wait: {{for: {value}, because: x}}");
        match steps(&text).remove(0).action {
            Action::Wait { span, .. } => span.eval(&World::new()).unwrap().as_millis(),
            _ => panic!("no wait"),
        }
    };
    assert_eq!(delay("2s"), 2_000);
    assert_eq!(delay("\"${torrent.pieces * 2}\""), 2_054);
    assert!(matches!(
        steps("- wait: {for: \"${'1m'}\", because: x}")
            .remove(0)
            .action,
        Action::Wait {
            span: Delay::Fixed(_),
            ..
        }
    ));
}

#[test]
fn long_repeats_are_refused() {
    let text = "- repeat:
    times: 6000
    do: [{send: choke}, {send: unchoke}]";
    assert_eq!(
        mistake(text),
        "12002 steps with repeats in place; at most 10000"
    );
}

fn suite_with(blocks: &str, steps: &str) -> Result<Suite, Vec<ScenarioError>> {
    let text = wrap(steps).replace(FETCH, blocks);
    parse_text("s.yaml", &text)
}

#[test]
fn an_error_in_text_over_two_lines_is_shown_on_the_first() {
    let steps = "- check: {eq: [1, \"${1 +\n          2 *}\"]}";
    let errors = parse_text("s.yaml", &wrap(steps)).unwrap_err();
    let span = errors[0].span.clone().unwrap();
    let line = span.source_line();
    assert!(line.ends_with("${1 +"), "{line}");
    assert!(span.col as usize <= line.chars().count() + 1, "{span}");
}

#[test]
fn blocks_do_not_use_themselves() {
    let errors =
        suite_with("{a: {do: [{use: b}]}, b: {do: [{use: a}]}}", "- alive: {}").unwrap_err();
    assert_eq!(errors[0].message, "block `a` uses itself");
    let chain: Vec<String> = (0..10)
        .map(|n| format!("b{n}: {{do: [{{use: b{}}}]}}", n + 1))
        .chain(["b10: {do: [{alive: {}}]}".to_owned()])
        .collect();
    let errors = suite_with(&format!("{{{}}}", chain.join(", ")), "- use: b0").unwrap_err();
    assert!(errors[0].message.contains("deeper than 8"));
}

#[test]
fn what_is_printed_reads_the_same() {
    let mut suites = sound(load(&[data("examples.yaml"), data("sound.yaml")]));
    suites.extend(sound(embedded()));
    for suite in suites {
        let text = print(&suite);
        let again = sound(parse_text("printed.yaml", &text));
        assert_eq!(essence(&again), essence(&suite), "{text}");
        assert_eq!(print(&again), text);
    }
}

/// An author finds every name of the format in its description.
#[test]
fn every_name_is_described() {
    let docs = include_str!("../../docs/scenarios.md");
    let actions = parse::ACTIONS.into_iter().chain(parse::MODIFIERS);
    for name in actions.chain(parse::CONNECT).chain(parse::STATES) {
        assert!(docs.contains(&format!("`{name}")), "{name}");
    }
    for (name, _) in parse::GLOBALS {
        let (group, own) = name.rsplit_once('.').unwrap_or(("", name));
        let described = docs.contains(&format!("`${name}`"))
            || docs.contains(&format!("`.{own}`"))
            || group == "peer.ext";
        assert!(described, "{name}");
    }
    for name in parse::CASE.into_iter().chain(parse::FILE) {
        assert!(docs.contains(&format!("`{name}`")), "{name}");
    }
}
