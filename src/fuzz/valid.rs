//! Valid traffic: what tells whether a target serves, how fast, and what that costs it.

use super::case::{Await, Case, End, Greeting, Move, Send, What};
use super::draw::hello;
use super::ground::{Ground, Role};
use super::trace::Trace;
use crate::torrent::PieceSet;
use crate::wire::{Message, PeerId};

/// How much of life a target shows on a connection of valid traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// It takes no connection.
    None,
    /// It says its handshake.
    Greets,
    /// It asks for a block.
    Asks,
    /// It answers a request.
    Serves,
}

impl Life {
    /// What a trace shows.
    pub fn of(trace: &Trace) -> Self {
        let asked = |trace: &Trace| {
            let mut kinds = trace.seen.iter().filter_map(|reaction| reaction.kind);
            kinds.any(|kind| kind == crate::wire::Kind::Request)
        };
        if trace.served {
            Self::Serves
        } else if asked(trace) {
            Self::Asks
        } else if trace.greeted {
            Self::Greets
        } else {
            Self::None
        }
    }
}

/// A connection as a sound peer would have it: it ends with a request that must be answered.
pub fn valid(number: u64, ground: &Ground) -> Case {
    let mut moves = vec![Move::extended(&hello())];
    let pieces = ground.torrent().geometry().pieces();
    match ground.role() {
        Role::Seed => moves.extend([
            Move::say(Message::HaveNone),
            Move::say(Message::Interested),
            Move::Await(Await::Unchoked),
        ]),
        Role::Leech => moves.extend([
            Move::say(Message::Bitfield {
                bits: PieceSet::all(pieces).to_bitfield(),
            }),
            Move::say(Message::Unchoke),
            Move::Await(Await::Extended),
        ]),
    }
    Case {
        number,
        greeting: Greeting::usual(),
        moves,
        end: End::Probe,
    }
}

/// Two thousand blocks asked for, and nothing read for a while.
pub fn slow_reader(number: u64, ground: &Ground) -> Case {
    let mut case = valid(number, ground);
    case.moves.push(Move::Reading(false));
    for n in 0..SLOW_REQUESTS {
        let what = What::Message(Message::Request(ground.block(n)));
        case.moves.push(Move::Send(Send::once(what)));
    }
    case.moves.push(Move::Pause(SLOW_PAUSE));
    case.end = End::Rst;
    case
}

/// Whether a peer id is one of ours.
pub fn is_ours(id: &PeerId) -> bool {
    id.0.starts_with(b"-BT0100-")
}

/// Blocks asked for by the slow reader.
const SLOW_REQUESTS: u64 = 2000;
/// How long it reads nothing, in milliseconds.
const SLOW_PAUSE: u16 = 700;
