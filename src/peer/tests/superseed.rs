//! A super-seed's view of who has what; connections that do not fit; sockets that are full; what
//! defects do under load.

use super::support::*;
use crate::peer::config::Settings;
use crate::peer::fault::{self, FaultSet};
use crate::peer::{Input, PeerConfig, Process, Role};
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{Capability, Kind, Message};

const FAST: &[Capability] = &[Capability::Fast];

fn super_seed() -> Talk {
    Talk::to(seed().with_settings(|s: &mut Settings| s.super_seed = true))
}

fn offers(talk: &mut Talk, conn: u32) -> Vec<u32> {
    let messages = talk.messages(conn);
    let offers = messages.iter().filter_map(|message| match message {
        Message::Have { index } => Some(*index),
        _ => None,
    });
    offers.collect()
}

#[test]
fn hides_its_pieces_and_offers_one() {
    let mut talk = super_seed();
    let conn = talk.open(FAST);
    let kinds: Vec<Kind> = talk.messages(conn).iter().map(Message::kind).collect();
    assert_eq!(kinds, [Kind::HaveNone, Kind::Have]);
    let plain = talk.open(&[]);
    let kinds: Vec<Kind> = talk.messages(plain).iter().map(Message::kind).collect();
    assert_eq!(kinds, [Kind::Have]);
}

#[test]
fn serves_what_it_offered_and_nothing_else() {
    let mut talk = super_seed();
    let conn = talk.open(FAST);
    let offered = offers(&mut talk, conn)[0];
    let other = (offered + 1) % 8;
    talk.send(conn, &[Message::Interested]);
    talk.messages(conn);
    talk.send(conn, &[request(offered, 0), request(other, 0)]);
    let kinds: Vec<Kind> = talk.messages(conn).iter().map(Message::kind).collect();
    assert!(kinds.contains(&Kind::Piece) && kinds.contains(&Kind::RejectRequest));
}

#[test]
fn offers_the_next_piece_once_another_peer_has_the_last() {
    let mut talk = super_seed();
    let first = talk.open(FAST);
    let offered = offers(&mut talk, first)[0];
    let second = talk.open(FAST);
    let others = offers(&mut talk, second);
    assert!(!others.contains(&offered), "the rarest comes first");
    talk.send(first, &[have(offered)]);
    assert!(
        offers(&mut talk, first).is_empty(),
        "it may have told nobody"
    );
    talk.send(second, &[have(offered)]);
    assert_eq!(offers(&mut talk, first).len(), 1);
}

#[test]
fn refuses_connections_that_do_not_fit() {
    let mut talk = Talk::to(seed().with_settings(|s| s.max_connections = 1));
    let first = talk.open(FAST);
    let second = talk.connect();
    assert!(talk.closed(second).is_none(), "nothing to forget");
    assert!(talk.bytes(second).is_empty());
    talk.send(first, &[Message::Interested]);
    assert!(
        talk.messages(first)
            .iter()
            .any(|m| m.kind() == Kind::Unchoke)
    );
}

#[test]
fn serves_nothing_while_the_socket_is_full() {
    let mut talk = Talk::to(seed());
    let conn = talk.open(FAST);
    talk.send(conn, &[Message::Interested]);
    talk.messages(conn);
    talk.give(Input::Full { conn });
    talk.send(conn, &[request(0, 0)]);
    assert_eq!(talk.messages(conn), []);
    talk.give(Input::Drained { conn });
    let kinds: Vec<Kind> = talk.messages(conn).iter().map(Message::kind).collect();
    assert_eq!(kinds, [Kind::Piece]);
}

/// What a peer does when it is used in one way, with and without a fault.
fn differs(name: &str, config: &PeerConfig, script: fn(&mut Talk)) -> bool {
    let run = |faults: FaultSet| {
        let mut talk = Talk::to(config.clone().with_faults(faults));
        script(&mut talk);
        (talk.log, talk.peer.health())
    };
    let fault = fault::by_name(name).unwrap();
    run(FaultSet::none()) != run(FaultSet::one(fault))
}

#[test]
fn every_fault_of_a_super_seed_shows() {
    let config = seed().with_settings(|s| s.super_seed = true);
    for fault in fault::all().filter(|fault| fault.name.starts_with("super-seed")) {
        let shows = differs(fault.name, &config, |talk| {
            let first = talk.open(FAST);
            let offered = offers(talk, first);
            talk.send(first, &[Message::Interested]);
            for index in (0..8).chain(offered.iter().copied()) {
                talk.send(first, &[request(index, 0)]);
            }
            let second = talk.open(FAST);
            for index in offered {
                talk.send(second, &[have(index)]);
            }
        });
        assert!(shows, "{}", fault.name);
    }
}

/// A fault, the role in which it shows, and what brings it out.
type Load = (&'static str, Role, fn(&mut Talk));

/// Faults that show only under load, and a load for each.
pub(super) const LOADS: &[Load] = &[
    ("closes-on-many-haves", Role::Seed, |t| {
        flood(t, &have(1), 8_000)
    }),
    ("keeps-every-have", Role::Seed, |t| flood(t, &have(1), 10)),
    ("dies-of-changing-interest", Role::Seed, |t| {
        flood(t, &Message::Interested, 3_000);
    }),
    ("hangs-at-changing-chokes", Role::Leech, |t| {
        flood(t, &Message::Unchoke, 3_000);
    }),
    ("dies-of-many-requests", Role::Seed, |t| {
        flood(t, &request(0, 0), 4_000)
    }),
    ("keeps-every-request", Role::Seed, |t| {
        flood(t, &request(0, 0), 10)
    }),
    ("hangs-at-many-keep-alives", Role::Seed, |t| {
        flood(t, &Message::KeepAlive, 50_000);
    }),
    ("closes-on-many-cancels", Role::Seed, |t| {
        flood(t, &Message::Cancel(block(1)), 900);
    }),
    ("dies-of-many-extended-handshakes", Role::Seed, |t| {
        flood(t, &hello(), 150)
    }),
    ("keeps-every-extended-handshake", Role::Seed, |t| {
        flood(t, &hello(), 2)
    }),
    ("never-looks-at-the-last-of-many", Role::Seed, |t| {
        crowd(t, 33)
    }),
    ("half-open-connections-fill-it", Role::Seed, |t| {
        crowd(t, 65)
    }),
    ("stalls-with-a-stalled-reader", Role::Seed, |t| {
        let stalled = t.open(FAST);
        t.give(Input::Full { conn: stalled });
        crowd(t, 1);
    }),
    ("keeps-every-connection", Role::Seed, |t| {
        let conn = t.open(FAST);
        t.give(Input::Reset { conn });
    }),
    ("hangs-at-many-small-messages", Role::Seed, |t| {
        flood(t, &Message::NotInterested, 65_536);
    }),
];

#[test]
fn every_fault_of_load_shows_under_load() {
    for (name, role, script) in LOADS {
        let config = match role {
            Role::Seed => seed(),
            Role::Leech => leech(),
        };
        assert!(differs(name, &config, *script), "{name}");
    }
    let config = seed().with_settings(|s| s.max_connections = 2);
    assert!(differs("dies-when-full", &config, |t| crowd(t, 3)));
}

fn hello() -> Message {
    Message::Extended {
        ext_id: 0,
        payload: ExtendedHandshake::new().encode(),
    }
}

fn flood(talk: &mut Talk, message: &Message, count: usize) {
    let conn = talk.open(&[Capability::Fast, Capability::Extended]);
    talk.send(conn, &vec![message.clone(); count]);
    talk.send(conn, &[Message::Interested]);
}

fn crowd(talk: &mut Talk, count: usize) {
    for _ in 0..count {
        let conn = talk.connect();
        talk.raw(conn, &Talk::handshake_with(FAST).encode());
    }
}
