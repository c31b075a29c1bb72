//! Makes a find small: fewer connections and steps first, then simpler fields, segments last.

use bytes::Bytes;

use super::case::{Await, Case, End, Framing, Greeting, Move, Send, What};
use super::draw::{fields, rebuild};
use super::ground::Ground;
use crate::wire::FieldValue;

/// Shrinks connections as long as `holds` says that they still show the same; at most `budget`
/// questions are asked.
pub fn shrink(
    cases: Vec<Case>,
    ground: &Ground,
    budget: usize,
    holds: &mut dyn FnMut(&[Case]) -> bool,
) -> Vec<Case> {
    let mut best = Shrinker {
        cases,
        left: budget,
        holds,
    };
    while best.pass(ground) && best.left > 0 {}
    best.cases
}

struct Shrinker<'a> {
    cases: Vec<Case>,
    left: usize,
    holds: &'a mut dyn FnMut(&[Case]) -> bool,
}

impl Shrinker<'_> {
    /// Tries everything once; whether anything got simpler.
    fn pass(&mut self, ground: &Ground) -> bool {
        let mut any = self.fewer_cases();
        for at in 0..self.cases.len() {
            any |= self.fewer_moves(at);
        }
        for at in 0..self.cases.len() {
            any |= self.simpler(at, |case| simpler_fields(case, ground));
        }
        for at in 0..self.cases.len() {
            any |= self.simpler(at, uncut);
        }
        any
    }

    fn try_it(&mut self, cases: Vec<Case>) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        let holds = (self.holds)(&cases);
        if holds {
            self.cases = cases;
        }
        holds
    }

    fn fewer_cases(&mut self) -> bool {
        let mut any = false;
        let mut at = 0;
        while at < self.cases.len() && self.cases.len() > 1 {
            let mut fewer = self.cases.clone();
            fewer.remove(at);
            if self.try_it(fewer) {
                any = true;
            } else {
                at = at.saturating_add(1);
            }
        }
        any
    }

    /// Leaves out runs of moves, long ones first.
    fn fewer_moves(&mut self, at: usize) -> bool {
        let mut any = false;
        let mut run = self.cases.get(at).map_or(0, |case| case.moves.len());
        while run > 0 {
            let mut from = 0;
            while from < self.cases.get(at).map_or(0, |case| case.moves.len()) {
                let mut fewer = self.cases.clone();
                if let Some(case) = fewer.get_mut(at) {
                    let end = from.saturating_add(run).min(case.moves.len());
                    case.moves.drain(from..end);
                }
                if self.try_it(fewer) {
                    any = true;
                } else {
                    from = from.saturating_add(run);
                }
            }
            run /= 2;
        }
        any
    }

    /// Takes the first of several simpler versions of a case, again and again.
    fn simpler(&mut self, at: usize, versions: impl Fn(&Case) -> Vec<Case>) -> bool {
        let mut any = false;
        let mut skip = 0;
        while let Some(case) = self.cases.get(at) {
            let Some(version) = versions(case).into_iter().nth(skip) else {
                break;
            };
            let mut cases = self.cases.clone();
            if let Some(case) = cases.get_mut(at) {
                *case = version;
            }
            if self.try_it(cases) {
                any = true;
            } else {
                skip = skip.saturating_add(1);
            }
            if self.left == 0 {
                break;
            }
        }
        any
    }
}

/// Each version is one thing simpler.
fn simpler_fields(case: &Case, ground: &Ground) -> Vec<Case> {
    let mut versions = Vec::new();
    let mut add = |change: &dyn Fn(&mut Case)| {
        let mut version = case.clone();
        change(&mut version);
        if version != *case {
            versions.push(version);
        }
    };
    add(&|case| case.end = End::Quiet);
    add(&|case| case.greeting.spoilt = None);
    add(&|case| case.greeting.reserved = Greeting::usual().reserved);
    for (at, it) in case.moves.iter().enumerate() {
        let mut put = |it: Move| {
            add(&|case| {
                if let Some(old) = case.moves.get_mut(at) {
                    *old = it.clone();
                }
            });
        };
        match it {
            Move::Send(send) => {
                let with = |change: &dyn Fn(&mut Send)| {
                    let mut send = send.clone();
                    change(&mut send);
                    Move::Send(send)
                };
                put(with(&|send| send.times = 1));
                put(with(&|send| send.times = send.times.div_ceil(2)));
                put(with(&|send| send.framing = Framing::Honest));
                for what in simpler_messages(&send.what, ground) {
                    put(with(&|send| send.what = what.clone()));
                }
            }
            Move::Raw(bytes) if bytes.len() > 1 => {
                put(Move::Raw(bytes.slice(..bytes.len() / 2)));
                put(Move::Raw(bytes.slice(..bytes.len().saturating_sub(1))));
            }
            Move::Pause(millis) if *millis > 1 => put(Move::Pause(millis / 2)),
            // It may be that only the wait mattered.
            Move::Answer(_) | Move::Await(Await::Unchoked | Await::Interested) => {
                put(Move::Await(Await::Extended));
            }
            Move::Await(Await::Extended) => put(Move::Await(Await::Handshake)),
            _ => {}
        }
    }
    versions
}

/// The same message with one field simpler.
fn simpler_messages(what: &What, ground: &Ground) -> Vec<What> {
    let own = fields(what);
    let mut versions = Vec::new();
    for (at, (_, value)) in own.iter().enumerate() {
        let simpler: Vec<FieldValue> = match value {
            FieldValue::Int(0) => Vec::new(),
            FieldValue::Int(_) => vec![FieldValue::Int(0)],
            FieldValue::Bytes(bytes) if bytes.is_empty() => Vec::new(),
            FieldValue::Bytes(bytes) => [0, bytes.len() / 2, bytes.len().saturating_sub(1)]
                .into_iter()
                .map(|len| FieldValue::Bytes(bytes.slice(..len)))
                .chain(zeros(bytes))
                .collect(),
            FieldValue::Bencode(crate::wire::bencode::Value::Dict(dict)) => (0..dict.len())
                .map(|at| {
                    let mut fewer = dict.clone();
                    fewer.remove(at);
                    FieldValue::Bencode(crate::wire::bencode::Value::Dict(fewer))
                })
                .collect(),
            FieldValue::Bencode(_) => Vec::new(),
        };
        for value in simpler {
            let mut changed = own.clone();
            if let Some(entry) = changed.get_mut(at) {
                entry.1 = value;
            }
            let version = rebuild(what, changed, ground);
            if version != *what {
                versions.push(version);
            }
        }
    }
    if own.is_empty()
        && let What::Extension { name, payload } = what
    {
        // No dictionary that can be read: bytes are all there is.
        for len in [payload.len() / 2, payload.len().saturating_sub(1)] {
            if len < payload.len() {
                versions.push(What::Extension {
                    name: name.clone(),
                    payload: payload.slice(..len),
                });
            }
        }
    }
    versions
}

fn zeros(bytes: &Bytes) -> Option<FieldValue> {
    let any = bytes.iter().any(|byte| *byte != 0);
    any.then(|| FieldValue::Bytes(vec![0; bytes.len()].into()))
}

/// Without segments of its own.
fn uncut(case: &Case) -> Vec<Case> {
    let mut versions = Vec::new();
    if !case.greeting.cut.is_empty() {
        let mut version = case.clone();
        version.greeting.cut.clear();
        versions.push(version);
    }
    for (at, it) in case.moves.iter().enumerate() {
        if let Move::Send(send) = it
            && !send.cut.is_empty()
        {
            let mut version = case.clone();
            if let Some(Move::Send(send)) = version.moves.get_mut(at) {
                send.cut.clear();
            }
            versions.push(version);
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::generate::generate;
    use crate::fuzz::ground::Role;
    use crate::fuzz::rng::Rng;
    use crate::torrent::fixture;
    use crate::wire::{BlockRef, Message};

    #[test]
    fn finds_the_one_step_that_matters_and_its_plain_form() {
        let ground = Ground::new(fixture::main().torrent, Role::Seed);
        let mut cases: Vec<Case> = (0..6)
            .map(|number| generate(number, &mut Rng::of_case(2, number), &ground))
            .collect();
        let wanted = Move::Send(Send {
            times: 17,
            cut: vec![1],
            framing: Framing::Honest,
            what: What::Message(Message::Request(BlockRef::new(4, u32::MAX, 9))),
        });
        cases[3].moves.insert(2, wanted);
        let mut asked = 0;
        let mut holds = |cases: &[Case]| {
            asked += 1;
            let moves = cases.iter().flat_map(|case| &case.moves);
            moves.into_iter().any(|it| match it {
                Move::Send(send) => matches!(
                    send.what,
                    What::Message(Message::Request(BlockRef {
                        begin: u32::MAX,
                        ..
                    }))
                ),
                _ => false,
            })
        };
        let small = shrink(cases, &ground, 1000, &mut holds);
        assert_eq!(small.len(), 1);
        let right = Move::say(Message::Request(BlockRef::new(0, u32::MAX, 0)));
        assert_eq!(small[0].moves, [right]);
        assert_eq!(small[0].steps(), 2);
        assert!(asked < 200, "{asked}");
    }
}
