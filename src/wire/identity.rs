//! Info hashes and peer ids, and the client that a peer id names.

use std::fmt;
use std::str::FromStr;

use super::hex::{self, HexError};

/// SHA-1 of the info dictionary's exact bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InfoHash(pub [u8; 20]);

/// The 20-byte peer id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub [u8; 20]);

impl PeerId {
    /// Client and version as far as the usual form of BEP 20 (`-TR3000-`) tells them.
    pub fn client(&self) -> Option<String> {
        let [b'-', a, b, v @ .., b'-'] = self.0.first_chunk::<8>()? else {
            return None;
        };
        let version: &[u8; 4] = v;
        if !a.is_ascii_alphanumeric() || !b.is_ascii_alphanumeric() {
            return None;
        }
        let code = [char::from(*a), char::from(*b)];
        let known = CLIENTS
            .iter()
            .find(|(known, _)| known.chars().eq(code.iter().copied()));
        let name = known.map_or_else(|| code.iter().collect(), |(_, name)| (*name).to_owned());
        let mut digits = Vec::with_capacity(version.len());
        for byte in version {
            digits.push(char::from(*byte).to_digit(36)?);
        }
        Some(format!("{name} {}", version_text(code, &digits)))
    }
}

/// Transmission before 4.0 had two parts (`3.00`); everybody else has up to four.
fn version_text(code: [char; 2], digits: &[u32]) -> String {
    if let (['T', 'R'], [major @ 0..4, b, c, _]) = (code, digits) {
        return format!("{major}.{b}{c}");
    }
    let significant = digits.iter().rposition(|digit| *digit != 0).unwrap_or(0);
    let parts = digits.iter().take(significant.saturating_add(1).max(2));
    parts.map(u32::to_string).collect::<Vec<_>>().join(".")
}

/// Two-letter codes of BEP 20 and of clients seen since.
static CLIENTS: &[(&str, &str)] = &[
    ("A2", "aria2"),
    ("AZ", "Azureus"),
    ("BC", "BitComet"),
    ("BI", "BiglyBT"),
    ("BT", "BitTorrent"),
    ("DE", "Deluge"),
    ("KT", "KTorrent"),
    ("LT", "libtorrent"),
    ("TR", "Transmission"),
    ("UM", "\u{b5}Torrent for Mac"),
    ("UT", "\u{b5}Torrent"),
    ("WW", "WebTorrent"),
    ("lt", "libTorrent (rTorrent)"),
    ("qB", "qBittorrent"),
    ("rQ", "rqbit"),
];

macro_rules! hex_newtype {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex::write(f, &self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
        impl FromStr for $name {
            type Err = HexError;
            fn from_str(text: &str) -> Result<Self, HexError> {
                hex::decode_array(text).map(Self)
            }
        }
    )*};
}
hex_newtype!(InfoHash PeerId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_clients_with_their_version() {
        let ids = [
            (b"-TR3000-abcdefghijkl", Some("Transmission 3.00")),
            (b"-TR2940-abcdefghijkl", Some("Transmission 2.94")),
            (b"-TR4050-abcdefghijkl", Some("Transmission 4.0.5")),
            (b"-LT20B0-abcdefghijkl", Some("libtorrent 2.0.11")),
            (
                b"-lt0D80-abcdefghijkl",
                Some("libTorrent (rTorrent) 0.13.8"),
            ),
            (b"-qB4630-abcdefghijkl", Some("qBittorrent 4.6.3")),
            (b"-XX0001-abcdefghijkl", Some("XX 0.0.0.1")),
            (b"-XX1000-abcdefghijkl", Some("XX 1.0")),
            (b"A2-1-36-0-abcdefghij", None),
            (b"-\x1b[0001-abcdefghijkl", None),
            (b"-XX..01-abcdefghijkl", None),
        ];
        for (id, client) in ids {
            assert_eq!(PeerId(*id).client().as_deref(), client);
        }
    }

    #[test]
    fn is_written_and_read_as_hex() {
        let text = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";
        let hash: InfoHash = text.parse().unwrap();
        assert_eq!(hash.to_string(), text);
        assert_eq!(format!("{hash:?}"), format!("InfoHash({text})"));
        assert!("aaf4".parse::<PeerId>().is_err());
    }
}
