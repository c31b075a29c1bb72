//! Kept cases, changed: a field, a frame, an order, a time, or a part of another case.

use super::case::{Case, Move, Spoilt};
use super::draw::alter;
use super::generate::{answer, cut, dress, end, framing, step};
use super::ground::Ground;
use super::rng::Rng;

/// A case that differs from `base` in one to three ways; `other` lends parts.
pub fn mutate(
    number: u64,
    base: &Case,
    other: Option<&Case>,
    rng: &mut Rng,
    ground: &Ground,
) -> Case {
    let mut case = base.clone();
    case.number = number;
    let changes = rng.between(1, 3);
    for _ in 0..changes {
        change(&mut case, other, rng, ground);
    }
    if matches!(case.greeting.spoilt, Some(Spoilt::Take(_))) {
        case.moves.clear();
    }
    case.moves.truncate(MOST_MOVES);
    // Time is dear: what a pause brings about is seen once, and need not be waited for each time.
    if !rng.percent(PAUSES) {
        case.moves.retain(|it| !matches!(it, Move::Pause(_)));
    }
    case
}

fn change(case: &mut Case, other: Option<&Case>, rng: &mut Rng, ground: &Ground) {
    let len = case.moves.len();
    let at = rng.index(len);
    match rng.below(20) {
        0..=5 => {
            if let Some(it) = case.moves.get_mut(at) {
                alter_move(it, rng, ground);
            }
        }
        6..=8 => {
            let fresh = step(rng, ground);
            case.moves.insert(at.min(len), fresh);
        }
        9 | 10 if len > 1 => {
            case.moves.remove(at);
        }
        11 | 12 => {
            if let Some(again) = case.moves.get(at).cloned() {
                case.moves.insert(at, again);
            }
        }
        13 if len > 1 => {
            let with = rng.index(len);
            case.moves.swap(at, with);
        }
        14 => {
            if let Some(Move::Send(send)) = case.moves.get_mut(at) {
                *send = dress(send.clone(), rng);
            }
        }
        15 => {
            if let Some(Move::Send(send)) = case.moves.get_mut(at) {
                if rng.percent(50) {
                    send.framing = framing(send, rng);
                } else {
                    send.cut = cut(rng);
                }
            }
        }
        16 => case.end = end(rng),
        17 => {
            let bit = rng.index(64);
            let mask = 1_u8 << (bit % 8);
            if let Some(byte) = case.greeting.reserved.0.get_mut(bit / 8) {
                *byte ^= mask;
            }
        }
        _ => {
            if let Some(other) = other {
                let from = rng.index(other.moves.len());
                case.moves.truncate(at);
                case.moves.extend(other.moves.iter().skip(from).cloned());
            } else {
                case.moves.push(step(rng, ground));
            }
        }
    }
}

fn alter_move(it: &mut Move, rng: &mut Rng, ground: &Ground) {
    match it {
        Move::Send(send) => send.what = alter(&send.what, rng, ground),
        Move::Answer(with) => *with = answer(rng),
        Move::Raw(bytes) => {
            let mut changed = bytes.to_vec();
            let at = rng.index(changed.len());
            if let Some(byte) = changed.get_mut(at) {
                *byte = rng.byte();
            }
            *bytes = changed.into();
        }
        other => *other = step(rng, ground),
    }
}

/// In a hundred cases, so many keep the pauses that they had.
const PAUSES: u64 = 10;
/// More than this adds time and nothing else.
const MOST_MOVES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::generate::generate;
    use crate::fuzz::ground::Role;
    use crate::torrent::fixture;

    #[test]
    fn changes_stay_bounded() {
        let ground = Ground::new(fixture::main().torrent, Role::Leech);
        let mut rng = Rng::new(5);
        let mut case = generate(0, &mut rng, &ground);
        let other = generate(1, &mut rng, &ground);
        let mut differ = 0;
        for number in 2..2000 {
            let next = mutate(number, &case, Some(&other), &mut rng, &ground);
            differ += usize::from(next.moves != case.moves);
            assert!(next.moves.len() <= MOST_MOVES);
            case = next;
        }
        assert!(differ > 1500, "{differ}");
    }
}
