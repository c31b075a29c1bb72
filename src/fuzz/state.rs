//! The state of a connection, as coarse as reactions are told apart by.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::session::Session;

/// What both ends have said so far: one bit each.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct StateId(u16);

/// The bits, in the order in which a connection usually gets them.
const BITS: [(u16, &str); 10] = [
    (ESTABLISHED, "open"),
    (FAST, "fast"),
    (EXTENDED, "extended"),
    (AVAILABILITY, "available"),
    (UNCHOKED, "unchoked"),
    (INTERESTED, "interested"),
    (OURS_UNCHOKED, "unchoking"),
    (OURS_INTERESTED, "interesting"),
    (ASKED, "asked"),
    (TAINTED, "tainted"),
];

const ESTABLISHED: u16 = 1;
const FAST: u16 = 1 << 1;
const EXTENDED: u16 = 1 << 2;
const AVAILABILITY: u16 = 1 << 3;
const UNCHOKED: u16 = 1 << 4;
const INTERESTED: u16 = 1 << 5;
const OURS_UNCHOKED: u16 = 1 << 6;
const OURS_INTERESTED: u16 = 1 << 7;
const ASKED: u16 = 1 << 8;
const TAINTED: u16 = 1 << 9;

impl StateId {
    /// The state that a session is in.
    pub fn of(session: &Session) -> Self {
        let bit = |holds: bool, bit: u16| if holds { bit } else { 0 };
        Self(
            bit(session.established_at().is_some(), ESTABLISHED)
                | bit(session.fast(), FAST)
                | bit(session.their_extended().is_some(), EXTENDED)
                | bit(session.availability_seen(), AVAILABILITY)
                | bit(!session.target_choking(), UNCHOKED)
                | bit(session.target_interested(), INTERESTED)
                | bit(!session.choking_sent(), OURS_UNCHOKED)
                | bit(*session.our_interest().sent(), OURS_INTERESTED)
                | bit(session.ledger_theirs().asked() > 0, ASKED)
                | bit(session.tainted(), TAINTED),
        )
    }

    /// The number, for hashes.
    pub fn number(self) -> u16 {
        self.0
    }

    /// Whether nothing of ours was out of the ordinary.
    pub fn is_clean(self) -> bool {
        self.0 & TAINTED == 0
    }
}

impl fmt::Display for StateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut any = false;
        for (bit, name) in BITS {
            if self.0 & bit != 0 {
                let between = if any { "+" } else { "" };
                write!(f, "{between}{name}")?;
                any = true;
            }
        }
        if any { Ok(()) } else { f.write_str("opening") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_names() {
        assert_eq!(StateId::default().to_string(), "opening");
        assert_eq!(
            StateId(ESTABLISHED | UNCHOKED | TAINTED).to_string(),
            "open+unchoked+tainted"
        );
        assert!(!StateId(TAINTED).is_clean());
    }
}
