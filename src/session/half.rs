//! What one side of a connection has said of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ledger::Ledger;
use crate::torrent::PieceSet;
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{ExtensionMessage, Handshake, Kind};

/// What one side of a connection has said of itself, as of its last message.
#[derive(Debug, Clone)]
pub struct Half {
    pub(super) handshake: Option<Handshake>,
    pub(super) handshake_at: Option<Duration>,
    pub(super) choking: bool,
    pub(super) interested: bool,
    /// When it last choked or unchoked.
    pub(super) choking_at: Option<Duration>,
    /// When it last said that it is not interested.
    pub(super) lost_interest_at: Option<Duration>,
    /// Losses of interest that no choke of the other side has answered.
    pub(super) unmet_losses: u32,
    pub(super) hasty_chokes: u32,
    pub(super) hasty_repeats: u32,
    pub(super) has: PieceSet,
    pub(super) announced: PieceSet,
    pub(super) availabilities: u32,
    pub(super) bitfields: u32,
    pub(super) lost: bool,
    pub(super) allowed_fast: Vec<u32>,
    pub(super) extended: Option<ExtendedHandshake>,
    pub(super) extended_handshakes: u32,
    pub(super) upload_only: bool,
    pub(super) metadata_size: Option<i128>,
    pub(super) first_typed: Option<Kind>,
    pub(super) typed: u64,
    pub(super) order: u64,
    pub(super) counts: BTreeMap<Kind, u64>,
    pub(super) last_at: Option<Duration>,
    pub(super) requests: Ledger,
}

impl Half {
    pub(super) fn new(pieces: u32) -> Self {
        Self {
            handshake: None,
            handshake_at: None,
            choking: true,
            interested: false,
            choking_at: None,
            lost_interest_at: None,
            unmet_losses: 0,
            hasty_chokes: 0,
            hasty_repeats: 0,
            has: PieceSet::none(pieces),
            announced: PieceSet::none(pieces),
            availabilities: 0,
            bitfields: 0,
            lost: false,
            allowed_fast: Vec::new(),
            extended: None,
            extended_handshakes: 0,
            upload_only: false,
            metadata_size: None,
            first_typed: None,
            typed: 0,
            order: 0,
            counts: BTreeMap::new(),
            last_at: None,
            requests: Ledger::new(),
        }
    }

    /// Its handshake.
    pub fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// When its handshake was complete.
    pub fn handshake_at(&self) -> Option<Duration> {
        self.handshake_at
    }

    /// It is choking the other side, by its last word.
    pub fn choking(&self) -> bool {
        self.choking
    }

    /// It is interested, by its last word.
    pub fn interested(&self) -> bool {
        self.interested
    }

    /// What it has: its last bitfield, have_all or have_none, and what came and went since.
    pub fn has(&self) -> &PieceSet {
        &self.has
    }

    /// Everything it ever announced on this connection.
    pub fn announced(&self) -> &PieceSet {
        &self.announced
    }

    /// How many bitfield, have_all and have_none it has sent.
    pub fn availabilities(&self) -> u32 {
        self.availabilities
    }

    /// It has announced every piece and taken none back.
    pub fn complete(&self) -> bool {
        self.has.is_full() && !self.lost
    }

    /// The pieces it allowed by allowed_fast, in the order of their messages, repeats left out.
    pub fn allowed_fast(&self) -> &[u32] {
        &self.allowed_fast
    }

    /// Its last extension handshake that could be read.
    pub fn extended_handshake(&self) -> Option<&ExtendedHandshake> {
        self.extended.as_ref()
    }

    /// How many extension handshakes it has sent, unreadable ones included.
    pub fn extended_handshakes(&self) -> u32 {
        self.extended_handshakes
    }

    /// Its last extension handshake that has the key says `upload_only`.
    pub fn upload_only(&self) -> bool {
        self.upload_only
    }

    /// The `metadata_size` of its last extension handshake that has the key.
    pub fn metadata_size(&self) -> Option<i128> {
        self.metadata_size
    }

    /// Its first message with an id of 0–8 or 13–17.
    pub fn first_typed(&self) -> Option<Kind> {
        self.first_typed
    }

    /// How many messages of this kind it has sent. Messages of extensions count under their own
    /// kind and under [`Kind::Extended`].
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// When its last handshake or frame was complete.
    pub fn last_at(&self) -> Option<Duration> {
        self.last_at
    }

    /// Its requests.
    pub fn requests(&self) -> &Ledger {
        &self.requests
    }

    pub(super) fn tally(&mut self, kind: Kind) {
        let count = self.counts.entry(kind).or_insert(0);
        *count = count.saturating_add(1);
    }

    pub(super) fn took(&mut self, payload: &ExtensionMessage) {
        self.tally(payload.kind());
    }
}
