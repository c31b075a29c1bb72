//! Shares of a selection, for runs on several machines.

use std::fmt;
use std::str::FromStr;

use sha1::{Digest, Sha1};

/// One of several shares, `hash:m/n`.
///
/// A result id belongs to share *m* of *n* (from 1) if the first eight bytes of its SHA-1, as a
/// big-endian number, leave *m* − 1 when divided by *n*. That depends on the id alone: a new case
/// moves no other, and the shares of one *n* are disjoint and together everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    number: u32,
    of: u32,
}

impl Partition {
    /// Share `number`, from 1, of `of`.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (1..=of).contains(&number).then_some(Self { number, of })
    }

    /// Whether the result with this id belongs to the share.
    pub fn holds(&self, id: &str) -> bool {
        let digest: [u8; 20] = Sha1::digest(id.as_bytes()).into();
        let first = digest
            .first_chunk::<8>()
            .map(|first| u64::from_be_bytes(*first));
        let share = first.unwrap_or(0).checked_rem(self.of.into());
        share == Some(u64::from(self.number.saturating_sub(1)))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hash:{}/{}", self.number, self.of)
    }
}

/// Text that is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hash:M/N expected, with M from 1 to N, as in hash:2/4")]
pub struct NoPartition;

impl FromStr for Partition {
    type Err = NoPartition;

    fn from_str(text: &str) -> Result<Self, NoPartition> {
        let share = text.strip_prefix("hash:").and_then(|text| {
            let (number, of) = text.split_once('/')?;
            let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let numbers = plain(number) && plain(of);
            numbers.then(|| Self::new(number.parse().ok()?, of.parse().ok()?))?
        });
        share.ok_or(NoPartition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_in_one_share_of_each_number() {
        for of in 1..=9 {
            for id in [
                "a/b:seed",
                "a/b:leech",
                "rule/x",
                "",
                "a/b[c=1]:seed:dials@drip",
            ] {
                let shares = (1..=of).filter(|m| Partition::new(*m, of).unwrap().holds(id));
                assert_eq!(shares.count(), 1, "{id} of {of}");
            }
        }
    }

    /// Other machines, other versions: the same shares.
    #[test]
    fn shares_never_change() {
        let ids = [
            "handshake/answered:seed",
            "fast_ext/reject-while-choked:seed",
        ];
        let shares = ids.map(|id| (1..=8).find(|m| Partition::new(*m, 8).unwrap().holds(id)));
        assert_eq!(shares, [Some(6), Some(7)]);
    }

    #[test]
    fn says_what_is_no_share() {
        for text in [
            "hash:0/4",
            "hash:5/4",
            "hash:1",
            "1/4",
            "hash:+1/4",
            "hash:1/0",
            "hash:a/b",
        ] {
            assert_eq!(text.parse::<Partition>(), Err(NoPartition), "{text}");
        }
        assert_eq!(
            "hash:2/4".parse::<Partition>().unwrap().to_string(),
            "hash:2/4"
        );
    }
}
