//! What one side has told of other peers by ut_pex (BEP 11).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::extension::PexMessage;

/// ut_pex messages of one side, the latest included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PexHeard {
    messages: u32,
    last_at: Option<Duration>,
    gap: Option<Duration>,
    added: BTreeSet<SocketAddr>,
    strangers: Vec<SocketAddr>,
    forgetful: bool,
}

impl PexHeard {
    pub(super) fn take(&mut self, pex: &PexMessage, at: Duration) {
        self.messages = self.messages.saturating_add(1);
        self.gap = self.last_at.map(|last| at.saturating_sub(last));
        self.last_at = Some(at);
        self.strangers.clear();
        for peer in pex.dropped() {
            if !self.added.contains(&peer) && self.strangers.len() < MAX_STRANGERS {
                self.strangers.push(peer);
            }
        }
        for (peer, _) in pex.added() {
            if self.added.len() >= MAX_PEERS {
                self.forgetful = true;
                break;
            }
            self.added.insert(peer);
        }
    }

    /// How many messages.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// Time between the latest message and the one before.
    pub fn gap(&self) -> Option<Duration> {
        self.gap
    }

    /// Peers that the latest message dropped and no message had added; the first few.
    pub fn strangers(&self) -> &[SocketAddr] {
        &self.strangers
    }

    /// More peers were added than are remembered.
    pub fn forgetful(&self) -> bool {
        self.forgetful
    }
}

/// Peers that are remembered.
const MAX_PEERS: usize = 4096;

/// Unknown peers of a message that are kept.
const MAX_STRANGERS: usize = 8;
