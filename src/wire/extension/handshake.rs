//! BEP 10's handshake: known keys with types, every other key kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;

use super::super::bencode::{self, Dict, Value, lookup};
use super::super::escape;
use super::super::field::{Field, FieldType};
use super::super::registry::{IPV4, IPV6, Kind, M, METADATA_SIZE, P, REQQ, UPLOAD_ONLY, V, YOURIP};

/// BEP 10 handshake: typed known keys beside the whole dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtendedHandshake {
    /// The dictionary as it came, order and repeats kept.
    pub dict: Dict,
}

/// Something about a known key that is not as its BEP says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFlaw {
    /// Path of the key, fit to print: `reqq`, `m.ut_metadata`.
    pub key: String,
    /// What is wrong with it.
    pub problem: KeyProblem,
}

impl std::fmt::Display for KeyFlaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {}", self.key, self.problem)
    }
}

/// What can be wrong with a known key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProblem {
    /// Another type.
    #[error("is {actual}, not {expected}")]
    WrongType {
        /// Type by the BEP.
        expected: &'static str,
        /// Type on the wire.
        actual: &'static str,
    },
    /// A number out of range.
    #[error("is {actual}, not within {least} and {most}")]
    OutOfRange {
        /// The number.
        actual: i128,
        /// Smallest that makes sense.
        least: i128,
        /// Largest that makes sense.
        most: i128,
    },
    /// A text that is not UTF-8.
    #[error("is not UTF-8")]
    NotText,
    /// An address of the wrong length.
    #[error("has {actual} bytes")]
    WrongLength {
        /// Bytes on the wire.
        actual: usize,
    },
}

impl ExtendedHandshake {
    /// An empty dictionary.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key, or replaces its value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let key = Bytes::copy_from_slice(key.as_bytes());
        self.dict.retain(|(name, _)| *name != key);
        self.dict.push((key, value.into()));
        self
    }

    /// Sets `m`.
    #[must_use]
    pub fn with_m(self, ids: &[(&str, u8)]) -> Self {
        let ids = ids.iter().map(|(name, id)| {
            let name = Bytes::copy_from_slice(name.as_bytes());
            (name, Value::Int(i128::from(*id)))
        });
        let m = Value::Dict(ids.collect());
        self.with(M.name, m)
    }

    /// The value of a key, whatever its type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        lookup(&self.dict, key)
    }

    /// Extensions with the id that the sender gave them, in wire order. Names are fit to print;
    /// values that are no integers are left out (see [`flaws`](Self::flaws)).
    pub fn m(&self) -> Vec<(String, i128)> {
        let Some(Value::Dict(m)) = self.get(M.name) else {
            return Vec::new();
        };
        let ids = m.iter();
        ids.filter_map(|(name, value)| Some((escape::peer_text(name), value.as_int()?)))
            .collect()
    }

    /// The id that the sender gave an extension; `None` if it is not in `m` or out of range.
    pub fn ext_id(&self, name: &str) -> Option<u8> {
        let id = self.get(M.name)?.get(name)?.as_int()?;
        u8::try_from(id).ok()
    }

    /// TCP port on which the sender listens.
    pub fn p(&self) -> Option<u16> {
        u16::try_from(self.int(&P)?).ok()
    }

    /// Client name and version, not yet fit to print.
    pub fn v(&self) -> Option<&Bytes> {
        self.get(V.name)?.as_bytes()
    }

    /// Our address as the sender sees it.
    pub fn yourip(&self) -> Option<IpAddr> {
        let bytes = self.get(YOURIP.name)?.as_bytes()?;
        ipv4(bytes)
            .map(IpAddr::V4)
            .or_else(|| ipv6(bytes).map(IpAddr::V6))
    }

    /// The sender's IPv4 address.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        ipv4(self.get(IPV4.name)?.as_bytes()?)
    }

    /// The sender's IPv6 address.
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        ipv6(self.get(IPV6.name)?.as_bytes()?)
    }

    /// Requests that the sender keeps in its queue.
    pub fn reqq(&self) -> Option<i128> {
        self.int(&REQQ)
    }

    /// Bytes of the info dictionary.
    pub fn metadata_size(&self) -> Option<i128> {
        self.int(&METADATA_SIZE)
    }

    /// BEP 21: 1 if the sender will not download.
    pub fn upload_only(&self) -> Option<i128> {
        self.int(&UPLOAD_ONLY)
    }

    /// Known keys whose type, range or length is not as their BEP says.
    pub fn flaws(&self) -> Vec<KeyFlaw> {
        let mut flaws = Vec::new();
        for field in Kind::ExtendedHandshake.spec().keys {
            let Some(value) = self.get(field.name) else {
                continue;
            };
            if let Some(problem) = check(field, value) {
                flaws.push(KeyFlaw {
                    key: field.name.to_owned(),
                    problem,
                });
            }
        }
        let m = self.get(M.name).and_then(Value::as_dict);
        for (name, value) in m.into_iter().flatten() {
            if let Some(problem) = check_range(value, 0, 255) {
                let key = format!("{}.{}", M.name, escape::peer_text(name));
                flaws.push(KeyFlaw { key, problem });
            }
        }
        flaws
    }

    /// The dictionary in canonical form.
    pub fn encode(&self) -> Bytes {
        bencode::encode_canonical(&Value::Dict(self.dict.clone())).into()
    }

    fn int(&self, field: &Field) -> Option<i128> {
        self.get(field.name)?.as_int()
    }
}

fn check(field: &'static Field, value: &Value) -> Option<KeyProblem> {
    match (field.ty, value) {
        (FieldType::Int, _) if field == &P => check_range(value, 0, 65_535),
        (FieldType::Int, _) => check_range(value, 0, i128::from(u32::MAX)),
        (FieldType::Text, Value::Bytes(bytes)) if field == &V => {
            let text = std::str::from_utf8(bytes).is_ok();
            (!text).then_some(KeyProblem::NotText)
        }
        (FieldType::Text, Value::Bytes(bytes)) => {
            let right = match bytes.len() {
                _ if ![&YOURIP, &IPV4, &IPV6].contains(&field) => true,
                4 => field != &IPV6,
                16 => field != &IPV4,
                _ => false,
            };
            let actual = bytes.len();
            (!right).then_some(KeyProblem::WrongLength { actual })
        }
        (FieldType::Text, other) => wrong_type("a string", other),
        (FieldType::Dict, Value::Dict(_)) => None,
        (FieldType::Dict, other) => wrong_type("a dictionary", other),
        _ => None,
    }
}

fn check_range(value: &Value, least: i128, most: i128) -> Option<KeyProblem> {
    match value {
        Value::Int(actual) if (least..=most).contains(actual) => None,
        Value::Int(actual) => Some(KeyProblem::OutOfRange {
            actual: *actual,
            least,
            most,
        }),
        other => wrong_type("an integer", other),
    }
}

const fn wrong_type(expected: &'static str, actual: &Value) -> Option<KeyProblem> {
    Some(KeyProblem::WrongType {
        expected,
        actual: actual.type_name(),
    })
}

fn ipv4(bytes: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from)
}

fn ipv6(bytes: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(bytes).ok().map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_known_keys_their_types() {
        let v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let handshake = ExtendedHandshake::new()
            .with_m(&[("ut_metadata", 3), ("ut_pex", 0)])
            .with("p", 6881)
            .with("v", Value::text("XX 1"))
            .with("yourip", Value::bytes(&v6))
            .with("ipv4", Value::bytes(&[192, 0, 2, 1]))
            .with("ipv6", Value::bytes(&v6))
            .with("reqq", 250)
            .with("metadata_size", 40_504)
            .with("upload_only", 1);
        assert_eq!(
            handshake.m(),
            [("ut_metadata".to_owned(), 3), ("ut_pex".to_owned(), 0)]
        );
        assert_eq!(handshake.ext_id("ut_metadata"), Some(3));
        assert_eq!(handshake.ext_id("lt_donthave"), None);
        assert_eq!(handshake.p(), Some(6881));
        assert_eq!(handshake.v().unwrap(), &b"XX 1"[..]);
        assert_eq!(handshake.yourip().unwrap().to_string(), "2001:db8::1");
        assert_eq!(handshake.ipv4().unwrap().to_string(), "192.0.2.1");
        assert_eq!(handshake.ipv6().unwrap().to_string(), "2001:db8::1");
        assert_eq!(handshake.reqq(), Some(250));
        assert_eq!(handshake.metadata_size(), Some(40_504));
        assert_eq!(handshake.upload_only(), Some(1));
        assert_eq!(handshake.flaws(), []);
    }

    #[test]
    fn reports_types_ranges_and_lengths() {
        let m = Value::dict([("a", Value::text("x")), ("b", 256.into()), ("c", 7.into())]);
        let handshake = ExtendedHandshake::new()
            .with("m", m)
            .with("p", 65_536)
            .with("v", 5)
            .with("yourip", Value::bytes(&[1, 2, 3]))
            .with("reqq", -1);
        let flaws: Vec<_> = handshake.flaws().iter().map(ToString::to_string).collect();
        let expected = [
            "`p` is 65536, not within 0 and 65535",
            "`reqq` is -1, not within 0 and 4294967295",
            "`v` is an integer, not a string",
            "`yourip` has 3 bytes",
            "`m.a` is a string, not an integer",
            "`m.b` is 256, not within 0 and 255",
        ];
        assert_eq!(flaws, expected);
        assert_eq!(handshake.ext_id("b"), None);
        assert_eq!(handshake.ext_id("c"), Some(7));
        assert_eq!(handshake.p(), None);
    }

    #[test]
    fn encodes_keys_in_order_whatever_order_they_were_set_in() {
        let handshake = ExtendedHandshake::new()
            .with("v", 1)
            .with("a", 2)
            .with("v", 3);
        assert_eq!(handshake.encode(), b"d1:ai2e1:vi3ee"[..]);
    }
}
