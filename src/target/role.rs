//! Finds out what a target that somebody else started is: seed or leech.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::probe::{Looks, ProbeError, Sight, look};
use super::source::Sources;
use crate::peer::Role;
use crate::torrent::{Torrent, fixture};
use crate::transport::DialError;

/// Why a target's role is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleError {
    /// It has some pieces: the user must say which role is meant.
    Unclear {
        /// Pieces that it has.
        has: u32,
        /// Pieces that there are.
        of: u32,
    },
    /// Nothing to see; `fixture` if the torrent that it does not know is one of ours.
    Unseen {
        /// Where we looked.
        target: SocketAddr,
        /// What happened.
        why: ProbeError,
        /// Whether it was asked for the default torrent.
        fixture: bool,
    },
}

/// Connects to a target to see its role: seed if it announces all pieces, leech if none or few.
///
/// # Errors
/// When it announces something in between, or does not shake hands for this torrent.
pub async fn role_of(
    target: SocketAddr,
    torrent: &Torrent,
    sources: &mut Sources,
) -> Result<(Role, Sight), RoleError> {
    let unseen = |why| RoleError::Unseen {
        target,
        why,
        fixture: torrent.info_hash() == fixture::main().torrent.info_hash(),
    };
    let mut seen = look(target, sources.fresh(), torrent, WITHIN, WATCH).await;
    if matches!(seen, Err(ProbeError::Closed { .. })) {
        // Once more: it may just have had an older connection from our address.
        tokio::time::sleep(AGAIN).await;
        seen = look(target, sources.fresh(), torrent, WITHIN, WATCH).await;
    }
    let sight = seen.map_err(unseen)?;
    match sight.looks() {
        Looks::Seed => Ok((Role::Seed, sight)),
        Looks::Leech => Ok((Role::Leech, sight)),
        Looks::Partial { has, of } => Err(RoleError::Unclear { has, of }),
    }
}

impl std::error::Error for RoleError {}

impl fmt::Display for RoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclear { has, of } => write!(
                f,
                "the target has {has} of {of} pieces: say --role seed or --role leech"
            ),
            Self::Unseen {
                target,
                why,
                fixture,
            } => {
                write!(f, "{target}: {why}")?;
                match why {
                    ProbeError::Closed { .. } if *fixture => f.write_str(LOAD_FIXTURE),
                    ProbeError::Closed { .. } => f.write_str(
                        "\nIs the torrent of --torrent loaded and running in the target?",
                    ),
                    ProbeError::Dial(DialError::Refused) => {
                        f.write_str("\nIs the target running, and is this its peer port?")
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

const LOAD_FIXTURE: &str = "
The target must have btspec's torrent. These two commands load it, the second as your client does it:
    btspec fixture --out fixture
    transmission-remote --add fixture/main.torrent --download-dir \"$PWD/fixture/data\"
A target to be tested as leech gets an empty folder instead of fixture/data. Another torrent: --torrent FILE --data PATH.";

/// Time for the handshake: a client with a timer may take seconds.
const WITHIN: Duration = Duration::from_secs(15);

/// Time to announce pieces after it.
const WATCH: Duration = Duration::from_secs(5);

const AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_our_torrent_is_told_how_to_load_it() {
        let unseen = |fixture| RoleError::Unseen {
            target: "127.0.0.1:6881".parse().unwrap(),
            why: ProbeError::Closed {
                info_hash: "00ff".to_owned(),
                bytes: 0,
            },
            fixture,
        };
        let text = unseen(true).to_string();
        assert!(text.starts_with("127.0.0.1:6881: it closes on our info hash 00ff"));
        assert!(text.contains("btspec fixture --out"), "{text}");
        assert!(text.contains("fixture/main.torrent"), "{text}");
        assert!(unseen(false).to_string().contains("--torrent"));
        let unclear = RoleError::Unclear { has: 5, of: 10 };
        assert!(unclear.to_string().contains("--role seed"));
    }
}
