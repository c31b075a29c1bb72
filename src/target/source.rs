//! Source addresses of our connections: a new one each, as far as there are any.
//!
//! Clients take one connection from an address, remember those that sent bad data, and notice the
//! end of an old connection late. On loopback all of 127.0.0.0/8 is ours, so each connection gets
//! its own address; elsewhere the user may name some; otherwise there is one.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;

/// The addresses of a run.
#[derive(Debug, Clone)]
pub struct Sources {
    pool: Pool,
    used: u32,
}

#[derive(Debug, Clone)]
enum Pool {
    /// 127.0.0.0/8 from this number on.
    Loopback(u32),
    Given(Vec<IpAddr>),
    /// Whatever the system takes: single-address mode.
    One,
}

/// What `--source` says: addresses, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceList(Vec<IpAddr>);

/// Why a text is no list of source addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Neither an address nor a range.
    #[error("`{0}` is neither an address nor a range such as 10.0.0.0/28")]
    Bad(String),
    /// The system does not let us send from there.
    #[error("cannot send from {address}: {why}")]
    Unusable {
        /// The address.
        address: IpAddr,
        /// What the system said.
        why: String,
    },
}

impl Sources {
    /// Addresses to reach `target` from: those given, else all of loopback where the target is
    /// there and the system lets us, else one.
    ///
    /// # Errors
    /// When a given address is not ours.
    pub fn for_target(target: IpAddr, given: Option<&SourceList>) -> Result<Self, SourceError> {
        if let Some(SourceList(addresses)) = given {
            for address in addresses {
                bindable(*address).map_err(|why| SourceError::Unusable {
                    address: *address,
                    why,
                })?;
            }
            return Ok(Self::new(Pool::Given(addresses.clone())));
        }
        let first = RandomState::new().build_hasher().finish();
        let first = u32::try_from(first % u64::from(LOOPBACKS)).unwrap_or(0);
        let loopback = matches!(target, IpAddr::V4(ip) if ip.is_loopback());
        if loopback && bindable(nth_loopback(first)).is_ok() {
            // A target that outlives us may remember addresses of an earlier run: begin elsewhere.
            return Ok(Self::loopback(first));
        }
        Ok(Self::single())
    }

    /// 127.0.0.0/8 from its `first` usable address on.
    pub fn loopback(first: u32) -> Self {
        Self::new(Pool::Loopback(first))
    }

    /// Single-address mode.
    pub fn single() -> Self {
        Self::new(Pool::One)
    }

    /// These addresses in turn.
    ///
    /// # Errors
    /// When the first of them is not ours.
    pub fn of(list: &SourceList) -> Result<Self, SourceError> {
        let SourceList(addresses) = list;
        if let Some(first) = addresses.first() {
            bindable(*first).map_err(|why| SourceError::Unusable {
                address: *first,
                why,
            })?;
        }
        Ok(Self::new(Pool::Given(addresses.clone())))
    }

    fn new(pool: Pool) -> Self {
        Self { pool, used: 0 }
    }

    /// An address that none of our connections had, or the one that was longest unused. `None`
    /// leaves it to the system.
    pub fn fresh(&mut self) -> Option<IpAddr> {
        let n = self.used;
        self.used = self.used.wrapping_add(1);
        match &self.pool {
            Pool::Loopback(first) => Some(nth_loopback(first.wrapping_add(n) % LOOPBACKS)),
            Pool::Given(list) => list.get(n as usize % list.len().max(1)).copied(),
            Pool::One => None,
        }
    }

    /// How many there are; `None` is more than anybody needs.
    pub fn count(&self) -> Option<u32> {
        match &self.pool {
            Pool::Loopback(_) => None,
            Pool::Given(list) => Some(u32::try_from(list.len()).unwrap_or(u32::MAX)),
            Pool::One => Some(1),
        }
    }

    /// Whether every connection comes from the same address.
    pub fn is_single(&self) -> bool {
        self.count() == Some(1)
    }
}

impl FromStr for SourceList {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let mut list = Vec::new();
        for part in text.split(',') {
            let part = part.trim();
            let bad = || SourceError::Bad(part.to_owned());
            match part.split_once('/') {
                None => list.push(part.parse().map_err(|_| bad())?),
                Some((base, bits)) => {
                    let base: Ipv4Addr = base.parse().map_err(|_| bad())?;
                    let bits: u32 = bits.parse().map_err(|_| bad())?;
                    list.extend(range(base, bits).ok_or_else(bad)?.map(IpAddr::V4));
                }
            }
        }
        list.dedup();
        Ok(Self(list))
    }
}

/// Addresses of an IPv4 range without its first and last, which belong to the network.
fn range(base: Ipv4Addr, bits: u32) -> Option<impl Iterator<Item = Ipv4Addr>> {
    let host_bits = 32_u32.checked_sub(bits)?;
    let size = 1_u64 << host_bits;
    let first = u64::from(u32::from(base)) / size * size;
    let (from, to) = if host_bits < 2 {
        (first, first + size)
    } else {
        (first + 1, first + size - 1)
    };
    let wanted = from..to.min(from + RANGE_LIMIT);
    Some(wanted.map(|n| Ipv4Addr::from(u32::try_from(n).unwrap_or(u32::MAX))))
}

/// 127.0.1.1, 127.0.1.2, … without host parts 0 and 255.
fn nth_loopback(n: u32) -> IpAddr {
    let low = n % 254 + 1;
    // No octet behind the second is zero: a mask of the wrong length is to show in what a target
    // makes of the address.
    let rest = n / 254;
    let (high, middle) = (rest / 255, rest % 255 + 1);
    let [high, middle, low] = [high, middle, low].map(|octet| u8::try_from(octet).unwrap_or(1));
    IpAddr::V4(Ipv4Addr::new(127, high, middle, low))
}

fn bindable(address: IpAddr) -> Result<(), String> {
    TcpListener::bind(SocketAddr::new(address, 0))
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Usable addresses of 127.0.0.0/8 from 127.0.1.1 on.
const LOOPBACKS: u32 = 254 * 65_000;

/// Addresses taken from one range.
const RANGE_LIMIT: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loopback_connection_has_its_own_address() {
        let mut sources = Sources::loopback(0);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..10_000 {
            let IpAddr::V4(ip) = sources.fresh().unwrap() else {
                panic!("not IPv4");
            };
            let [net, _, middle, host] = ip.octets();
            assert!(net == 127 && middle != 0, "{ip}");
            assert!(host != 0 && host != 255, "{ip}");
            assert!(seen.insert(ip));
        }
        assert_eq!(seen.first().unwrap().to_string(), "127.0.1.1");
        assert_eq!(sources.count(), None);
    }

    #[test]
    fn wraps_around_at_the_end_of_loopback() {
        let mut sources = Sources::loopback(LOOPBACKS - 1);
        assert_eq!(sources.fresh().unwrap().to_string(), "127.254.230.254");
        assert_eq!(sources.fresh().unwrap().to_string(), "127.0.1.1");
    }

    #[test]
    fn uses_given_addresses_in_turn() {
        let list: SourceList = "127.0.0.9, 127.0.0.16/30".parse().unwrap();
        let target = "127.0.0.1".parse().unwrap();
        let mut sources = Sources::for_target(target, Some(&list)).unwrap();
        assert_eq!(sources.count(), Some(3));
        let four = [0; 4].map(|_| sources.fresh().unwrap().to_string());
        assert_eq!(four, ["127.0.0.9", "127.0.0.17", "127.0.0.18", "127.0.0.9"]);
    }

    #[test]
    fn refuses_what_is_no_address_or_not_ours() {
        for text in ["", "x", "10.0.0.0/33", "::/64", "10.0.0.1,"] {
            assert!(text.parse::<SourceList>().is_err(), "{text}");
        }
        let foreign: SourceList = "192.0.2.1".parse().unwrap();
        let error = Sources::for_target("127.0.0.1".parse().unwrap(), Some(&foreign)).unwrap_err();
        assert!(error.to_string().starts_with("cannot send from 192.0.2.1"));
    }

    #[test]
    fn elsewhere_there_is_one_address() {
        for target in ["192.0.2.1", "::1"] {
            let mut sources = Sources::for_target(target.parse().unwrap(), None).unwrap();
            assert!(sources.is_single());
            assert_eq!(sources.fresh(), None);
        }
    }
}
