//! New cases: a valid way into the protocol, then right and wrong moves.

use super::case::{AnswerWith, Await, Case, End, Framing, Greeting, Move, Send, Spoilt, What};
use super::draw::{alter, draw, hello, other_hello};
use super::ground::{Ground, Role};
use super::rng::Rng;
use crate::torrent::PieceSet;
use crate::wire::{BlockRef, Capability, Kind, Message, Reserved};

/// A case out of nothing.
pub fn generate(number: u64, rng: &mut Rng, ground: &Ground) -> Case {
    let greeting = greeting(rng);
    let whole = !matches!(greeting.spoilt, Some(Spoilt::Take(_)));
    let mut moves = Vec::new();
    if whole {
        prefix(rng, ground, &greeting, &mut moves);
        let count = rng.between(3, 9);
        for _ in 0..count {
            let next = step(rng, ground);
            moves.push(next);
        }
        while moves.iter().filter(|it| it.speaks()).count() < LEAST {
            moves.push(say(rng, ground));
        }
    }
    Case {
        number,
        greeting,
        moves,
        end: end(rng),
    }
}

/// Mostly right, with the bits that open most of the protocol.
fn greeting(rng: &mut Rng) -> Greeting {
    let mut greeting = Greeting::usual();
    match rng.below(40) {
        0 => greeting.reserved = Reserved::default(),
        1 => greeting.reserved = Reserved::with(&[Capability::Fast]),
        2 => greeting.reserved = Reserved::with(&[Capability::Extended]),
        3 => greeting.reserved = Reserved([0xff; 8]),
        4 => {
            let bytes = rng.bits().to_be_bytes();
            greeting.reserved = Reserved(bytes);
        }
        5 => {
            let lengths = [0, 1, 19, 20, 28, 47, 48, 49, 67];
            let len = rng.pick(&lengths).copied().unwrap_or(1);
            greeting.spoilt = Some(Spoilt::Take(len));
        }
        6 => greeting.spoilt = Some(Spoilt::Length(rng.byte())),
        7 => greeting.spoilt = Some(Spoilt::Protocol(rng.byte())),
        8 => greeting.spoilt = Some(Spoilt::InfoHash(rng.byte())),
        9 => greeting.cut = vec![1, 19],
        10 => greeting.cut = vec![48],
        _ => {}
    }
    greeting
}

/// Extended handshake, availability, and the state from which most can be reached.
fn prefix(rng: &mut Rng, ground: &Ground, greeting: &Greeting, moves: &mut Vec<Move>) {
    let fast = greeting.reserved.has(Capability::Fast);
    if greeting.reserved.has(Capability::Extended) && rng.percent(85) {
        let hello = if rng.percent(30) {
            other_hello()
        } else {
            hello()
        };
        moves.push(Move::extended(&hello));
    }
    let pieces = ground.torrent().geometry().pieces();
    let seed = ground.role() == Role::Seed;
    let availability = match (seed, fast) {
        (true, true) => Some(Message::HaveNone),
        (true, false) => None,
        (false, true) if rng.percent(70) => Some(Message::HaveAll),
        (false, _) => Some(Message::Bitfield {
            bits: PieceSet::all(pieces).to_bitfield(),
        }),
    };
    if let Some(message) = availability
        && rng.percent(95)
    {
        moves.push(Move::say(message));
    }
    match (seed, rng.below(10)) {
        (true, 0..=5) => {
            moves.push(Move::say(Message::Interested));
            moves.push(Move::Await(Await::Unchoked));
        }
        (true, 6) => moves.push(Move::Await(Await::Extended)),
        (false, 0..=5) => {
            moves.push(Move::Await(Await::Interested));
            moves.push(Move::say(Message::Unchoke));
        }
        (false, 6) => moves.push(Move::say(Message::Unchoke)),
        _ => {}
    }
}

/// Anything that can be done next.
pub(super) fn step(rng: &mut Rng, ground: &Ground) -> Move {
    let seed = ground.role() == Role::Seed;
    match rng.below(100) {
        0..=39 => right(rng, ground),
        40..=84 => say(rng, ground),
        85..=87 => Move::Raw(raw(rng)),
        88..=96 if !seed => Move::Answer(answer(rng)),
        88..=95 => right(rng, ground),
        96 => Move::Await(match rng.below(3) {
            0 => Await::Handshake,
            1 => Await::Extended,
            _ if seed => Await::Unchoked,
            _ => Await::Interested,
        }),
        97 if rng.percent(4) => Move::Pause(if rng.percent(99) { LITTLE } else { A_TICK }),
        98 if rng.percent(20) => Move::Reading(rng.percent(50)),
        _ => say(rng, ground),
    }
}

/// A move that a sound peer may make here.
fn right(rng: &mut Rng, ground: &Ground) -> Move {
    let geometry = ground.torrent().geometry();
    let index = u32::try_from(rng.below(geometry.pieces().into())).unwrap_or(0);
    if rng.percent(15) {
        let kinds = [Kind::UtMetadataRequest, Kind::LtDonthave, Kind::UtPex];
        let kind = rng.pick(&kinds).copied().unwrap_or(Kind::UtPex);
        return Move::Send(Send::once(draw(kind, rng, ground, 0)));
    }
    if ground.role() == Role::Leech && rng.percent(60) {
        return match rng.below(8) {
            0 => Move::say(Message::Choke),
            1 => Move::say(Message::Unchoke),
            2 => Move::say(Message::Have { index }),
            3 => Move::say(Message::SuggestPiece { index }),
            4 => Move::say(Message::AllowedFast { index }),
            _ => Move::Answer(answer(rng)),
        };
    }
    Move::say(match rng.below(12) {
        0 => Message::KeepAlive,
        1 => Message::Interested,
        2 => Message::NotInterested,
        3 => Message::Have { index },
        4 => Message::Cancel(ground.block(rng.bits())),
        5 => Message::Unchoke,
        6 => Message::Choke,
        _ => Message::Request(ground.block(rng.bits())),
    })
}

/// A message of any kind with boundary fields, and sometimes a frame that lies.
fn say(rng: &mut Rng, ground: &Ground) -> Move {
    let what = match rng.below(10) {
        // One field at a boundary beside right ones gets further than three of them.
        0..=4 => {
            let right = draw(kind(rng), rng, ground, 0);
            alter(&right, rng, ground)
        }
        5..=7 => draw(kind(rng), rng, ground, 35),
        8 => What::Message(overflow(rng)),
        _ => draw(kind(rng), rng, ground, 0),
    };
    Move::Send(dress(Send::once(what), rng))
}

/// Kinds that have more to get wrong come more often.
fn kind(rng: &mut Rng) -> Kind {
    let often = [
        Kind::Request,
        Kind::ExtendedHandshake,
        Kind::UtMetadataRequest,
        Kind::Piece,
    ];
    let list: &[Kind] = if rng.percent(35) { &often } else { Kind::ALL };
    rng.pick(list).copied().unwrap_or(Kind::KeepAlive)
}

/// A block whose end is behind the last number.
fn overflow(rng: &mut Rng) -> Message {
    let length = rng
        .pick(&[1 << 14, 1 << 15, 1_u32 << 31, u32::MAX])
        .copied()
        .unwrap_or(1);
    let begin = length
        .wrapping_neg()
        .wrapping_add(u32::try_from(rng.below(3)).unwrap_or(0));
    let index = u32::try_from(rng.below(2)).unwrap_or(0);
    let block = BlockRef::new(index, begin, length);
    match rng.below(3) {
        0 => Message::Cancel(block),
        1 => Message::RejectRequest(block),
        _ => Message::Request(block),
    }
}

/// Repetition, framing, segments: each now and then.
pub(super) fn dress(mut send: Send, rng: &mut Rng) -> Send {
    match rng.below(30) {
        0 => {
            let times = [2, 2, 3, 3, 17];
            let many = rng.percent(5);
            send.times = match many {
                // Hundreds of requests are megabytes of answers.
                true => 300,
                false => rng.pick(&times).copied().unwrap_or(2),
            };
        }
        1 => send.framing = framing(&send, rng),
        2 => send.cut = cut(rng),
        _ => {}
    }
    send
}

pub(super) fn framing(send: &Send, rng: &mut Rng) -> Framing {
    let len = send.encode(|_| Some(1)).len().saturating_sub(4);
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    let lies = [
        0,
        1,
        len.wrapping_sub(1),
        len.wrapping_add(1),
        len.wrapping_add(1 << 16),
        (1 << 20) + 1,
        1 << 31,
        u32::MAX,
    ];
    if rng.percent(50) {
        Framing::Length(rng.pick(&lies).copied().unwrap_or(0))
    } else {
        let most = u64::from(len).saturating_add(3);
        Framing::Take(u32::try_from(rng.between(1, most)).unwrap_or(1))
    }
}

pub(super) fn cut(rng: &mut Rng) -> Vec<u16> {
    let lists: [&[u16]; 5] = [&[1], &[2, 2], &[4], &[5, 1, 1], &[1, 1, 1, 1, 1, 1, 1, 1]];
    rng.pick(&lists)
        .map(|list| list.to_vec())
        .unwrap_or_default()
}

fn raw(rng: &mut Rng) -> bytes::Bytes {
    let frames: [&[u8]; 7] = [
        b"\0\0\0\x01\x14",
        b"\0\0\0\x01\x04",
        b"\0\0\0\x01\x05",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x0d\x06\0\0\0\0",
        b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0",
        b"\0\0\0\x09\x07\0\0\0\0\0\0\0\0",
    ];
    if rng.percent(70) {
        return bytes::Bytes::from_static(rng.pick(&frames).copied().unwrap_or_default());
    }
    let len = usize::try_from(rng.between(1, 40)).unwrap_or(1);
    rng.bytes(len).into()
}

pub(super) fn answer(rng: &mut Rng) -> AnswerWith {
    match rng.below(20) {
        0..=9 => AnswerWith::Block,
        10..=12 => AnswerWith::Corrupt,
        13 | 14 => AnswerWith::Reject,
        15 => AnswerWith::Short,
        16 => AnswerWith::Long,
        17 => AnswerWith::Shifted,
        _ => AnswerWith::Twice,
    }
}

pub(super) fn end(rng: &mut Rng) -> End {
    match rng.below(20) {
        0..=1 => End::Fin,
        2 => End::Rst,
        _ => End::Probe,
    }
}

/// A pause that lets answers come first, in milliseconds.
const LITTLE: u16 = 30;
/// A pause longer than a round of most timers.
const A_TICK: u16 = 1200;
/// Messages behind the handshake that every whole case has at least.
const LEAST: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torrent::fixture;

    #[test]
    fn cases_say_at_least_three_things_and_follow_from_their_number() {
        for role in [Role::Seed, Role::Leech] {
            let ground = Ground::new(fixture::main().torrent, role);
            for number in 0..500 {
                let case = generate(number, &mut Rng::of_case(1, number), &ground);
                let again = generate(number, &mut Rng::of_case(1, number), &ground);
                assert_eq!(case, again);
                let said = case.moves.iter().filter(|it| it.speaks()).count();
                let partial = matches!(case.greeting.spoilt, Some(Spoilt::Take(_)));
                assert!(said >= LEAST || partial, "{case}");
            }
        }
    }
}
