//! BEP 11: peers that came and went.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::bencode::{Dict, Value, lookup};
use super::super::registry::{ADDED, ADDED_F, ADDED6, ADDED6_F, DROPPED, DROPPED6};

/// A ut_pex message: the dictionary as it came, and the peers in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PexMessage {
    /// Keys in wire order, repeats kept.
    pub dict: Dict,
}

impl PexMessage {
    /// Peers that came, each with its flags (0 where none are told). A ragged end is left out.
    pub fn added(&self) -> Vec<(SocketAddr, u8)> {
        let v4 = addresses_v4(self.string(ADDED.name)).into_iter();
        let v6 = addresses_v6(self.string(ADDED6.name)).into_iter();
        let flags = |key| self.string(key).iter().copied().chain(std::iter::repeat(0));
        v4.zip(flags(ADDED_F.name))
            .chain(v6.zip(flags(ADDED6_F.name)))
            .collect()
    }

    /// Peers that went. A ragged end is left out.
    pub fn dropped(&self) -> Vec<SocketAddr> {
        let mut peers = addresses_v4(self.string(DROPPED.name));
        peers.extend(addresses_v6(self.string(DROPPED6.name)));
        peers
    }

    /// The bytes of a key; empty if it is missing or no string.
    pub fn string(&self, key: &str) -> &[u8] {
        match lookup(&self.dict, key) {
            Some(Value::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }
}

fn addresses_v4(bytes: &[u8]) -> Vec<SocketAddr> {
    let peers = bytes.as_chunks::<6>().0.iter();
    peers
        .map(|&[a, b, c, d, high, low]| {
            (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])).into()
        })
        .collect()
}

fn addresses_v6(bytes: &[u8]) -> Vec<SocketAddr> {
    let peers = bytes.as_chunks::<18>().0.iter();
    peers
        .map(|&[address @ .., high, low]| {
            let address: [u8; 16] = address;
            (Ipv6Addr::from(address), u16::from_be_bytes([high, low])).into()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_peers_with_their_flags() {
        let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1, 0x1a, 0xe1]].concat();
        let message = Value::dict([
            (
                "added",
                Value::bytes(&[192, 0, 2, 1, 0x1a, 0xe1, 198, 51, 100, 7, 0xc8, 0xd5]),
            ),
            ("added.f", Value::bytes(&[0x12])),
            ("added6", Value::bytes(&v6)),
            ("dropped", Value::bytes(&[203, 0, 113, 9, 0x1a, 0xe9, 1, 2])),
        ]);
        let pex = PexMessage {
            dict: message.as_dict().unwrap().clone(),
        };
        let added = [
            ("192.0.2.1:6881", 0x12),
            ("198.51.100.7:51413", 0),
            ("[2001:db8::1]:6881", 0),
        ];
        assert_eq!(
            pex.added(),
            added.map(|(peer, flags)| (peer.parse().unwrap(), flags))
        );
        assert_eq!(pex.dropped(), ["203.0.113.9:6889".parse().unwrap()]);
        assert_eq!(pex.string("dropped").len(), 8);
    }
}
