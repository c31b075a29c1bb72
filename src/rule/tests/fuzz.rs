//! Sessions and rules on anything: they never panic, and the ledgers stay bounded.

use super::Case;
use crate::session::ledger::MAX_ENTRIES;
use crate::session::testing::Script;
use crate::trace::Dir;
use crate::wire::Capability::{Dht, Extended, Fast};

/// Numbers from a seed (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u8) -> u8 {
        let [low, ..] = self.next().to_le_bytes();
        low % n
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        let at = usize::from(self.next().to_le_bytes()[0]) % from.len();
        from[at]
    }

    /// A frame that is mostly a message: small ids, small numbers, now and then anything.
    fn frame(&mut self) -> Vec<u8> {
        let id = self.below(24);
        let mut body = vec![id];
        let fields = match id {
            0..=3 | 14 | 15 => 0,
            4 | 13 | 17 => 1,
            6 | 8 | 16 => 3,
            _ => self.below(4),
        };
        for _ in 0..fields {
            let number = match self.below(8) {
                0 => u32::from_le_bytes([self.below(255), 0xff, 0, self.below(255)]),
                1 => 16384,
                _ => u32::from(self.below(11)),
            };
            body.extend_from_slice(&number.to_be_bytes());
        }
        if id == 20 {
            let payloads: &[&[u8]] = &[
                b"\0d1:md11:ut_metadatai201e6:ut_pexi0eee",
                b"\0d1:md11:ut_metadatai3e1:ai3eee",
                b"\xc9d8:msg_typei1e5:piecei0eexyz",
                b"\x03d8:msg_typei0e5:piecei0ee",
                b"\0i1e",
            ];
            body.truncate(1);
            body.extend_from_slice(self.pick(payloads));
        }
        if self.below(16) == 0 {
            body.truncate(usize::from(self.below(14)));
        }
        body
    }
}

#[test]
fn nothing_panics_and_everything_stays_bounded() {
    for seed in 0..40 {
        let mut numbers = Numbers(seed);
        let offers: &[_] = match numbers.below(3) {
            0 => &[],
            1 => &[Fast, Extended],
            _ => &[Fast, Extended, Dht],
        };
        let mut case = Case::of(Script::new(offers, offers));
        if numbers.below(8) > 0 {
            case.handshakes();
        }
        for _ in 0..500 {
            let frame = numbers.frame();
            match numbers.below(5) {
                0 | 1 => case.sends_frame(&frame),
                2 | 3 => case.gets_frame(&frame),
                _ => case.wait(f64::from(numbers.below(40))),
            };
        }
        case.closes().is_closed();
        let evaluated = case.evaluated();
        assert!(evaluated.values().any(|n| *n > 0));
    }
}

#[test]
fn flood_of_requests_stays_bounded() {
    let mut case = Case::leech();
    let mut frames = Vec::new();
    for index in 0..10_000u32 {
        frames.extend_from_slice(&[0, 0, 0, 13, 6]);
        frames.extend_from_slice(&index.to_be_bytes());
        frames.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0x40, 0]);
    }
    case.only_session().bytes(Dir::Received, &frames);
    assert_eq!(case.session.ledger_theirs().live_count(), MAX_ENTRIES);
    assert_eq!(case.session.ledger_theirs().overflowed(), 10_000 - 4096);
}
