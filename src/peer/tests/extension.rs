//! The extension protocol (BEP 10) and what rides on it.

use bytes::Bytes;

use super::support::*;
use crate::peer::config::Tolerance;
use crate::peer::event::ExtensionNote;
use crate::peer::{CloseReason, Extension, ExtensionError, Input, Link, PeerEvent};
use crate::wire::bencode::Value;
use crate::wire::extension::{ExtendedHandshake, PexMessage};
use crate::wire::{Capability, ExtensionMessage, Handshake, Kind, Message};

/// An extension of a library user: sends back what it gets, counts what it sees.
#[derive(Debug, Default)]
struct Echo {
    handshakes: u32,
    ticks: u32,
}

impl Extension for Echo {
    fn announce(&self, _: &Link<'_>) -> Vec<(&'static str, Value)> {
        vec![("echo_version", Value::Int(7))]
    }

    fn on_handshake(&mut self, _: &mut Link<'_>, _: &Handshake) {
        self.handshakes += 1;
    }

    fn on_extended_handshake(&mut self, link: &mut Link<'_>, _: &ExtendedHandshake) {
        link.send(Bytes::from_static(b"hello"));
    }

    fn on_message(&mut self, link: &mut Link<'_>, payload: &Bytes) {
        if payload.as_ref() == b"bye" {
            link.close();
        }
        link.send(payload.clone());
        let text = format!("{} handshakes, {} ticks", self.handshakes, self.ticks);
        link.note(ExtensionNote::Text(text));
    }

    fn on_tick(&mut self, link: &mut Link<'_>) {
        self.ticks += 1;
        link.send(Bytes::from_static(b"tick"));
    }

    fn deadline(&self) -> Option<std::time::Duration> {
        (self.ticks == 0).then(|| secs(5))
    }
}

fn hello(m: &[(&str, u8)]) -> Message {
    let payload = ExtendedHandshake::new().with_m(m).encode();
    Message::Extended { ext_id: 0, payload }
}

fn message(ext_id: u8, payload: &'static [u8]) -> Message {
    let payload = Bytes::from_static(payload);
    Message::Extended { ext_id, payload }
}

fn theirs(talk: &mut Talk, conn: u32) -> ExtendedHandshake {
    let messages = talk.messages(conn).into_iter();
    let mut hellos = messages.filter_map(|message| match message {
        Message::Extended { ext_id: 0, payload } => Some(payload),
        _ => None,
    });
    match ExtensionMessage::decode("", &hellos.next().unwrap()) {
        Ok(ExtensionMessage::Handshake(handshake)) => handshake,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_caller_adds_an_extension_by_name() {
    let mut talk = Talk::to(seed());
    let id = talk
        .peer
        .add_extension("btspec_echo", Box::new(|| Box::<Echo>::default()));
    let id = id.unwrap();
    let conn = talk.open(&[Capability::Extended]);
    let handshake = theirs(&mut talk, conn);
    assert_eq!(handshake.ext_id("btspec_echo"), Some(id));
    assert_eq!(handshake.get("echo_version"), Some(&Value::Int(7)));
    talk.send(conn, &[hello(&[("btspec_echo", 44)])]);
    assert_eq!(talk.messages(conn), [message(44, b"hello")]);
    talk.wait(secs(6));
    assert_eq!(talk.messages(conn), [message(44, b"tick")]);
    talk.send(conn, &[message(id, b"ping")]);
    assert_eq!(talk.messages(conn), [message(44, b"ping")]);
    let note = ExtensionNote::Text("1 handshakes, 1 ticks".to_owned());
    let name = "btspec_echo";
    assert!(
        talk.events
            .contains(&PeerEvent::Extension { conn, name, note })
    );
    talk.send(conn, &[message(id, b"bye")]);
    assert_eq!(talk.closed(conn), Some(CloseReason::Local));
}

#[test]
fn name_collisions_are_refused() {
    let mut talk = Talk::to(seed());
    let twice = talk
        .peer
        .add_extension("ut_metadata", Box::new(|| Box::<Echo>::default()));
    assert_eq!(twice, Err(ExtensionError::NameTaken("ut_metadata")));
    let first = talk
        .peer
        .add_extension("echo", Box::new(|| Box::<Echo>::default()));
    let second = talk
        .peer
        .add_extension("echo", Box::new(|| Box::<Echo>::default()));
    assert_eq!(first, Ok(4));
    assert_eq!(second, Err(ExtensionError::NameTaken("echo")));
}

#[test]
fn extended_handshake_goes_out_once_and_first() {
    for dials in [false, true] {
        let mut config = seed();
        config.listen = ([127, 0, 0, 1], 6881).into();
        let mut talk = Talk::to(config);
        let conn = if dials {
            let conn = talk.dial();
            talk.greeting(conn);
            talk.raw(
                conn,
                &Talk::handshake_with(&[Capability::Extended]).encode(),
            );
            conn
        } else {
            talk.open(&[Capability::Extended])
        };
        let handshake = theirs(&mut talk, conn);
        assert_eq!(handshake.ext_id("ut_metadata"), Some(1));
        let size = torrent().metainfo().info_bytes().len() as i128;
        assert_eq!(handshake.metadata_size(), Some(size));
        assert_eq!(handshake.reqq(), Some(2000));
        assert_eq!(
            handshake.v().map(Bytes::as_ref),
            Some(&b"btspec reference"[..])
        );
        let last = if dials { 200 } else { 2 };
        assert_eq!(handshake.yourip(), Some([127, 9, 7, last].into()));
        assert_eq!(handshake.p(), dials.then_some(6881));
        assert_eq!(handshake.flaws(), []);
        talk.send(conn, &[hello(&[])]);
        assert_eq!(talk.messages(conn), []);
    }
}

#[test]
fn nothing_extended_goes_to_peers_without_the_bit() {
    let mut talk = Talk::to(seed());
    let conn = talk.open(&[Capability::Fast]);
    assert_eq!(talk.messages(conn), [Message::HaveAll]);
    talk.send(conn, &[hello(&[])]);
    assert_eq!(talk.closed(conn), None);
}

#[test]
fn later_handshake_adds_and_zero_switches_off() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.send(conn, &[hello(&[("ut_metadata", 5), ("ut_pex", 6)])]);
    talk.send(conn, &[hello(&[("ut_pex", 7), ("other", 0)])]);
    let id = |talk: &Talk, name| talk.peer.connection(conn).unwrap().extension_id(name);
    assert_eq!(id(&talk, "ut_metadata"), Some(5));
    assert_eq!(id(&talk, "ut_pex"), Some(7));
    talk.send(conn, &[hello(&[("ut_metadata", 0)])]);
    assert_eq!(id(&talk, "ut_metadata"), None);
    let request = ExtensionMessage::MetadataRequest { piece: 0 };
    talk.send(conn, &[request.into_message(1)]);
    assert_eq!(talk.messages(conn), []);
    let payload = Bytes::from_static(b"x");
    assert!(
        !talk
            .peer
            .send_extended(conn, "ut_metadata", payload.clone(), secs(0))
    );
    assert!(talk.peer.send_extended(conn, "ut_pex", payload, secs(0)));
    talk.take();
    assert_eq!(talk.messages(conn), [message(7, b"x")]);
}

#[test]
fn odd_handshakes_are_told_and_tolerated_or_not() {
    for tolerance in [Tolerance::Ignore, Tolerance::Close] {
        for payload in [&b""[..], b"le", b"d1:m", b"i1e"] {
            let mut talk = Talk::to(seed().with_settings(|s| s.malformed_extension = tolerance));
            let conn = talk.open_fast();
            talk.send(conn, &[message(0, payload)]);
            let told = |e: &PeerEvent| matches!(e, PeerEvent::MalformedExtension { .. });
            assert!(talk.events.iter().any(told), "{payload:?}");
            let reason = (tolerance == Tolerance::Close).then_some(CloseReason::Malformed);
            assert_eq!(talk.closed(conn), reason);
        }
    }
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.send(conn, &[message(0, b"d1:mli1ee4:reqq3:abce")]);
    let flaws = talk.events.iter().find_map(|event| match event {
        PeerEvent::ExtendedHandshake { handshake, .. } => Some(handshake.flaws()),
        _ => None,
    });
    assert_eq!(flaws.unwrap().len(), 2);
    assert_eq!(talk.closed(conn), None);
}

#[test]
fn unknown_extended_id_is_told() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.send(conn, &[message(250, b"de")]);
    let told = PeerEvent::UnknownExtension {
        conn,
        ext_id: 250,
        payload: Bytes::from_static(b"de"),
    };
    assert!(talk.events.contains(&told));
    assert_eq!(talk.closed(conn), None);
}

#[test]
fn metadata_is_served_whole_and_refused_behind_its_end() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.send(conn, &[hello(&[("ut_metadata", 9)])]);
    let info = torrent().metainfo().info_bytes().clone();
    let count = info.len().div_ceil(16_384) as i128;
    let mut whole = Vec::new();
    for piece in 0..=count {
        let request = ExtensionMessage::MetadataRequest { piece };
        talk.send(conn, &[request.into_message(1)]);
        let Some(Message::Extended { ext_id: 9, payload }) = talk.messages(conn).pop() else {
            panic!("no answer for {piece}");
        };
        match ExtensionMessage::decode("ut_metadata", &payload).unwrap() {
            ExtensionMessage::MetadataData { data, .. } => whole.extend_from_slice(&data),
            ExtensionMessage::MetadataReject { .. } => assert_eq!(piece, count),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(whole, info);
    let odd = ExtensionMessage::MetadataUnknown {
        msg_type: 9,
        piece: None,
    };
    talk.send(conn, &[odd.into_message(1)]);
    assert_eq!(talk.messages(conn), []);
    assert_eq!(talk.closed(conn), None);
}

#[test]
fn metadata_with_another_hash_is_told() {
    let mut talk = Talk::to(leech().with_settings(|s| s.fetch_metadata = true));
    let conn = talk.open_fast();
    let payload = ExtendedHandshake::new()
        .with_m(&[("ut_metadata", 9)])
        .with("metadata_size", Value::Int(40_000))
        .encode();
    talk.send(conn, &[Message::Extended { ext_id: 0, payload }]);
    assert_eq!(talk.messages(conn).len(), 3);
    for (piece, len) in [(0, 16_384), (1, 16_384), (2, 40_000 - 32_768)] {
        let data = ExtensionMessage::MetadataData {
            piece,
            total_size: Some(40_000),
            data: vec![0; len].into(),
        };
        talk.send(conn, &[data.into_message(1)]);
    }
    let note = ExtensionNote::MetadataCorrupt;
    let name = "ut_metadata";
    assert!(
        talk.events
            .contains(&PeerEvent::Extension { conn, name, note })
    );
}

#[test]
fn refused_metadata_is_asked_again_later_and_not_for_ever() {
    let mut talk = Talk::to(leech().with_settings(|s| s.fetch_metadata = true));
    let conn = talk.open_fast();
    let payload = ExtendedHandshake::new()
        .with_m(&[("ut_metadata", 9)])
        .with("metadata_size", Value::Int(10))
        .encode();
    talk.send(conn, &[Message::Extended { ext_id: 0, payload }]);
    for asked in [1, 1, 0] {
        assert_eq!(talk.messages(conn).len(), asked);
        let reject = ExtensionMessage::MetadataReject { piece: 0 };
        talk.send(conn, &[reject.into_message(1)]);
        talk.wait(secs(61));
        talk.send(conn, &[Message::KeepAlive]);
    }
}

#[test]
fn pex_is_parsed_and_dials_nobody() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    let added = Value::bytes(&[127, 0, 0, 5, 0x1a, 0xe1]);
    let added6 = Value::bytes(&[&[0; 15][..], &[1, 0, 9]].concat());
    let dict = Value::dict([("added", added), ("added6", added6)]);
    let dict = dict.as_dict().unwrap().clone();
    let pex = ExtensionMessage::Pex(PexMessage { dict });
    talk.send(conn, &[pex.into_message(2)]);
    let note = ExtensionNote::Peers {
        added: vec![
            "127.0.0.5:6881".parse().unwrap(),
            "[::1]:9".parse().unwrap(),
        ],
        dropped: vec![],
    };
    let name = "ut_pex";
    assert!(
        talk.events
            .contains(&PeerEvent::Extension { conn, name, note })
    );
    assert!(talk.dialled.is_empty());
}

#[test]
fn donthave_takes_a_piece_back() {
    let mut talk = Talk::to(leech());
    let conn = talk.open_fast();
    talk.send(conn, &[have(3)]);
    assert_eq!(talk.messages(conn), [Message::Interested]);
    let lost = ExtensionMessage::DontHave { index: 3 };
    talk.send(conn, &[lost.into_message(3)]);
    assert_eq!(talk.messages(conn), [Message::NotInterested]);
    assert!(
        talk.peer
            .connection(conn)
            .unwrap()
            .their_pieces()
            .is_empty()
    );
}

#[test]
fn donthave_cancels_requests_without_fast_only() {
    for (bits, open) in [
        (&[Capability::Extended][..], 0),
        (&[Capability::Fast, Capability::Extended], 2),
    ] {
        let mut talk = Talk::to(leech());
        let conn = talk.open(bits);
        talk.send(conn, &[have(3), Message::Unchoke]);
        let requests = |talk: &Talk| talk.peer.connection(conn).unwrap().requests().len();
        assert_eq!(requests(&talk), 2);
        let lost = ExtensionMessage::DontHave { index: 3 };
        talk.send(conn, &[lost.into_message(3)]);
        assert_eq!(requests(&talk), open);
    }
}

#[test]
fn dropped_piece_is_told_and_its_requests_are_rejected() {
    let mut talk = Talk::to(seed().with_settings(|s| s.serve_delay = secs(1)));
    let conns = [talk.open_fast(), talk.open(&[Capability::Extended])];
    for conn in conns {
        talk.send(
            conn,
            &[message(0, b"d1:md11:lt_donthavei7eee"), Message::Interested],
        );
        talk.send(conn, &[request(3, 0), request(4, 0)]);
        talk.messages(conn);
    }
    talk.peer.discard(3, secs(0));
    talk.take();
    let told = ExtensionMessage::DontHave { index: 3 }.into_message(7);
    assert_eq!(talk.messages(conns[0]), [told.clone(), reject(3, 0)]);
    assert_eq!(talk.messages(conns[1]), [told]);
    talk.wait(secs(2));
    for conn in conns {
        assert_eq!(talk.messages(conn), [piece(4, 0)]);
        talk.send(conn, &[request(3, 0)]);
    }
    talk.wait(secs(2));
    assert_eq!(talk.messages(conns[0]), [reject(3, 0)]);
    assert_eq!(talk.messages(conns[1]), []);
}

#[test]
fn metadata_is_paced_and_limited() {
    let mut talk = Talk::to(seed().with_settings(|s| {
        s.metadata_delay = secs(3);
        s.metadata_limit = Some(1);
    }));
    let conn = talk.open_fast();
    let ask = ExtensionMessage::MetadataRequest { piece: 0 }.into_message(1);
    let hello = message(0, b"d1:md11:ut_metadatai9eee");
    talk.send(conn, &[hello, ask.clone(), ask]);
    talk.messages(conn);
    talk.wait(secs(2));
    assert_eq!(talk.messages(conn), []);
    talk.wait(secs(2));
    let kinds: Vec<_> = talk
        .messages(conn)
        .into_iter()
        .map(|answer| match answer {
            Message::Extended { ext_id: 9, payload } => {
                ExtensionMessage::decode("ut_metadata", &payload)
                    .unwrap()
                    .kind()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, [Kind::UtMetadataData, Kind::UtMetadataReject]);
}

#[test]
fn upload_only_is_recognised_and_told() {
    let mut talk = Talk::to(seed().with_settings(|s| s.tell_upload_only = true));
    let conn = talk.open(&[Capability::Extended]);
    assert_eq!(theirs(&mut talk, conn).upload_only(), Some(1));
    talk.send(conn, &[message(0, b"d11:upload_onlyi1ee")]);
    let known = talk.peer.connection(conn).unwrap().extended_handshake();
    assert_eq!(known.unwrap().upload_only(), Some(1));
}

#[test]
fn extended_handshake_can_be_repeated() {
    let mut talk = Talk::to(seed());
    let conn = talk.open_fast();
    talk.peer.repeat_extended_handshake(conn, secs(1));
    talk.take();
    assert_eq!(talk.messages(conn).len(), 1);
}

#[test]
fn verbs_of_the_operator_are_known() {
    let mut talk = Talk::to(seed().with_settings(quiet));
    let conns = [talk.open_fast(), talk.open_fast()];
    for conn in conns {
        talk.send(conn, &[Message::Interested]);
        assert_eq!(talk.messages(conn), [Message::Unchoke]);
    }
    let verb = |talk: &mut Talk, line: &str| {
        let argv = line.split(' ').map(str::to_owned).collect();
        talk.give(Input::Verb { argv });
        talk.verbs.pop()
    };
    assert_eq!(verb(&mut talk, "slots 1"), Some(0));
    assert_eq!(talk.messages(conns[1]), [Message::Choke]);
    assert_eq!(verb(&mut talk, "pause"), Some(0));
    assert_eq!(talk.messages(conns[0]), [Message::Choke]);
    assert_eq!(verb(&mut talk, "resume"), Some(0));
    assert_eq!(verb(&mut talk, "add-peer 127.0.0.9:6881"), Some(0));
    assert_eq!(talk.dialled.len(), 1);
    assert_eq!(verb(&mut talk, "frobnicate"), Some(64));
    assert_eq!(verb(&mut talk, "slots many"), Some(1));
    let mut talk = Talk::to(leech());
    let conn = talk.open_fast();
    talk.send(conn, &[have(3)]);
    assert_eq!(verb(&mut talk, "complete"), Some(0));
    assert!(talk.is_seed());
    assert_eq!(
        talk.messages(conn).last(),
        Some(&Message::Have { index: 66 })
    );
}
