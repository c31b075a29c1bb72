//! How a user names the target: `self`, `NAME:PORT`, `a.b.c.d:PORT`, `[v6]:PORT`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// What `--target` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// The built-in reference peer, in simulation.
    Own,
    /// Somebody who listens there.
    Address(Address),
}

/// A host and a port, not looked up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

/// Why a text names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// No port.
    #[error("`{0}` has no port; write HOST:PORT")]
    NoPort(String),
    /// The port is no number from 1 to 65535.
    #[error("`{0}` is no port; ports are 1 to 65535")]
    BadPort(String),
    /// An IPv6 address without brackets: where does the port begin?
    #[error("put an IPv6 address into brackets, as in `[{0}]:6881`")]
    Brackets(String),
    /// What is in the brackets is no IPv6 address.
    #[error("`{0}` is no IPv6 address")]
    BadAddress(String),
    /// The host is neither an address nor a possible name.
    #[error("`{0}` is neither an IPv4 address nor a host name")]
    BadHost(String),
}

/// A host name that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot look up `{name}`: {why}")]
pub struct LookupError {
    /// The name.
    pub name: String,
    /// What the resolver said.
    pub why: String,
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text {
            "self" => Ok(Self::Own),
            text => text.parse().map(Self::Address),
        }
    }
}

impl FromStr for Address {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(SpecError::Brackets(text.to_owned()));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let Some((address, port)) = rest.split_once(']') else {
                return Err(SpecError::BadAddress(rest.to_owned()));
            };
            let ip = address
                .parse::<Ipv6Addr>()
                .map_err(|_| SpecError::BadAddress(address.to_owned()))?;
            let Some(port) = port.strip_prefix(':') else {
                return Err(SpecError::NoPort(text.to_owned()));
            };
            return Ok(Self {
                host: Host::Ip(ip.into()),
                port: parse_port(port)?,
            });
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(SpecError::NoPort(text.to_owned()));
        };
        Ok(Self {
            host: parse_host(host)?,
            port: parse_port(port)?,
        })
    }
}

impl Address {
    /// The socket address, by the system's resolver if the host is a name. IPv4 goes first.
    ///
    /// # Errors
    /// When the name is unknown, or the resolver does not answer in 15 s.
    pub async fn resolve(&self) -> Result<SocketAddr, LookupError> {
        let name = match &self.host {
            Host::Ip(ip) => return Ok(SocketAddr::new(*ip, self.port)),
            Host::Name(name) => name,
        };
        let failed = |why: String| LookupError {
            name: name.clone(),
            why,
        };
        let lookup = tokio::net::lookup_host((name.as_str(), self.port));
        let found = match tokio::time::timeout(LOOKUP_LIMIT, lookup).await {
            Ok(found) => found.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed("the resolver does not answer".to_owned())),
        };
        let found = found.collect::<Vec<_>>();
        let v4 = found.iter().find(|addr| addr.is_ipv4());
        let any = v4.or_else(|| found.first());
        any.copied()
            .ok_or_else(|| failed("it has no address".to_owned()))
    }
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Self {
        Self {
            host: Host::Ip(addr.ip()),
            port: addr.port(),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("self"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Whether an address is one's own business: loopback, link-local, or private (RFC 1918, 4193).
/// Load and fuzzing refuse all others unless the user says that the target is theirs.
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn parse_port(text: &str) -> Result<u16, SpecError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(SpecError::BadPort(text.to_owned())),
    }
}

fn parse_host(text: &str) -> Result<Host, SpecError> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Host::Ip(ip));
    }
    if text.contains(':') {
        // `::1:6881` and the like: an address that swallowed its port, or the other way round.
        return Err(SpecError::Brackets(text.to_owned()));
    }
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // Digits and dots alone would be an address.
    let name = text.chars().any(|c| c.is_ascii_alphabetic());
    if name && text.len() <= 253 && text.chars().all(part) && !text.starts_with(['.', '-']) {
        Ok(Host::Name(text.to_owned()))
    } else {
        Err(SpecError::BadHost(text.to_owned()))
    }
}

const LOOKUP_LIMIT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_names() {
        for text in [
            "127.0.0.1:6881",
            "[::1]:51413",
            "seedbox.example:6881",
            "my_host:1",
            "self",
        ] {
            let spec: Spec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
        }
        assert_eq!("self".parse::<Spec>().unwrap(), Spec::Own);
    }

    #[test]
    fn says_what_is_wrong_with_an_address() {
        for (text, message) in [
            ("localhost", "`localhost` has no port; write HOST:PORT"),
            ("127.0.0.1", "`127.0.0.1` has no port; write HOST:PORT"),
            ("[::1]", "`[::1]` has no port; write HOST:PORT"),
            (
                "::1",
                "put an IPv6 address into brackets, as in `[::1]:6881`",
            ),
            (
                "fe80::1:6881x:1",
                "put an IPv6 address into brackets, as in `[fe80::1:6881x]:6881`",
            ),
            ("[::g]:1", "`::g` is no IPv6 address"),
            ("[::1:6881", "`::1:6881` is no IPv6 address"),
            ("localhost:", "`` is no port; ports are 1 to 65535"),
            ("localhost:0", "`0` is no port; ports are 1 to 65535"),
            ("localhost:+80", "`+80` is no port; ports are 1 to 65535"),
            (
                "localhost:65536",
                "`65536` is no port; ports are 1 to 65535",
            ),
            (
                "127.0.0:80",
                "`127.0.0` is neither an IPv4 address nor a host name",
            ),
            (
                "256.0.0.1:80",
                "`256.0.0.1` is neither an IPv4 address nor a host name",
            ),
            (
                "bad host:80",
                "`bad host` is neither an IPv4 address nor a host name",
            ),
            (":80", "`` is neither an IPv4 address nor a host name"),
        ] {
            assert_eq!(text.parse::<Spec>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn knows_which_addresses_are_ones_own() {
        for own in [
            "127.3.2.1",
            "10.0.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_private(own.parse().unwrap()), "{own}");
        }
        for foreign in ["8.8.8.8", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!is_private(foreign.parse().unwrap()), "{foreign}");
        }
    }
}
