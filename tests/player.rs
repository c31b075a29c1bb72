//! A player shown inputs in an order that no simulation has and every network may.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use btspec::engine::player::Player;
use btspec::engine::settings::Settings;
use btspec::engine::{Action, ConnId, Health, Input, Tester};
use btspec::outcome::{CaseOutcome, Verdict};
use btspec::torrent::{Torrent, fixture};
use btspec::wire::{Capability, Handshake, Message, PeerId, Reserved};
use bytes::Bytes;
use support::{assert_verdict, file, plays};

const FIRST: ConnId = ConnId(1);

/// Shakes hands on every connection. On the first one it hears `heard` bytes and closes; what was
/// given to the network behind them is never said to be written.
fn closed_behind(text: &str, heard: u64) -> CaseOutcome {
    let torrent = fixture::one_piece().torrent;
    let play = plays(text).remove(0);
    let mut player = Player::new(play, torrent.clone(), Settings::default());
    let mut at = Duration::ZERO;
    let mut given = 0;
    player.handle(Input::Timeout, at);
    while !player.done() {
        let Some(action) = player.poll_action() else {
            at = player
                .poll_deadline()
                .expect("it waits for something")
                .max(at);
            player.handle(Input::Timeout, at);
            continue;
        };
        at += Duration::from_millis(1);
        match action {
            Action::Dial { conn, .. } => {
                let (local, remote) = (addr(1), addr(2));
                player.handle(
                    Input::Connected {
                        conn,
                        local,
                        remote,
                    },
                    at,
                );
            }
            Action::Write { conn, segments } => {
                let len: u64 = segments.iter().map(|segment| segment.len() as u64).sum();
                let upto = if conn == FIRST { given + len } else { len };
                if conn != FIRST || upto <= heard {
                    player.handle(Input::Written { conn, upto }, at);
                }
                if conn != FIRST || given == 0 {
                    let bytes = opening(&torrent);
                    player.handle(Input::Bytes { conn, bytes }, at);
                }
                if conn == FIRST && given < heard && upto >= heard {
                    player.handle(Input::Eof { conn }, at);
                }
                if conn == FIRST {
                    given = upto;
                }
            }
            Action::Close { conn, .. } => player.handle(Input::Eof { conn }, at),
            Action::Health => player.handle(Input::Health(Health::default()), at),
            other => panic!("{other:?}"),
        }
    }
    player.outcome().outcome
}

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last], 6881))
}

fn opening(torrent: &Torrent) -> Bytes {
    let handshake = Handshake {
        reserved: Reserved::with(&[Capability::Fast, Capability::Extended]),
        info_hash: torrent.info_hash(),
        peer_id: PeerId(*b"-FK0001-abcdefghijkl"),
    };
    let mut bytes = handshake.encode().to_vec();
    bytes.extend(support::fake::extended().encode());
    bytes.extend(Message::HaveAll.encode());
    bytes.into()
}

const SURVIVES: &str = "    cites: [B3-HS-03]
    given:
      - connect: {hello: []}
      - until: {has: all}
    proof: {none: the test wants few bytes}
    steps:
      - send: [choke, interested]
      - survives: {stay: warn, close: pass}
";

#[test]
fn close_before_the_probe_is_written_answers_what_the_author_sent() {
    // Handshake, choke, interested: the probe behind them is never written.
    assert_verdict(&closed_behind(&file(SURVIVES), 68 + 10), Verdict::Pass);
}

#[test]
fn close_that_answered_is_one_for_the_steps_behind() {
    let more = SURVIVES.to_owned() + "      - closed: any\n";
    assert_verdict(&closed_behind(&file(&more), 68 + 10), Verdict::Pass);
}

#[test]
fn close_half_way_is_right_where_anything_but_a_hang_is() {
    let either = SURVIVES.replace("stay: warn", "stay: pass");
    assert_verdict(&closed_behind(&file(&either), 68 + 5), Verdict::Pass);
}

#[test]
fn close_before_the_last_byte_of_what_the_author_sent_tells_nothing() {
    assert_verdict(
        &closed_behind(&file(SURVIVES), 68 + 5),
        Verdict::Inconclusive,
    );
}
