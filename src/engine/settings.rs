//! What a play is told from outside: the target's profile, how slow it is, what others have used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::torrent::PieceSet;
use crate::wire::Reserved;

/// What a target was seen to support, from the preflight or an earlier connection.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// Reserved bytes of its handshake.
    pub reserved: Reserved,
    /// Extension names and ids of its extended handshake; those of id 0 are left out.
    pub extensions: BTreeMap<String, u8>,
    /// `v` of its extended handshake, else what its peer id says.
    pub client: Option<String>,
    /// Size of the info dictionary that it offers.
    pub metadata_size: Option<u64>,
    /// Names of its first messages.
    pub first_messages: Vec<String>,
    /// Pieces that it announced.
    pub has: Option<PieceSet>,
}

/// The slowest answers seen from a target. Deadlines grow with them and never shrink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calibration {
    /// From a request to its answer.
    pub answer: Duration,
    /// From a provocation to a close.
    pub close: Duration,
    /// From a reason to unchoke, interest or request to the message.
    pub grant: Duration,
    /// From the dial to the end of the handshakes.
    pub connect: Duration,
}

impl Calibration {
    /// The slower of each kind.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            answer: self.answer.max(other.answer),
            close: self.close.max(other.close),
            grant: self.grant.max(other.grant),
            connect: self.connect.max(other.connect),
        }
    }
}

/// Pieces that cannot be `$fresh` any more: cases have taken them, none is given out twice in a
/// run, or the target may have got them.
#[derive(Debug, Clone, Default)]
pub struct FreshPool(Arc<Mutex<BTreeSet<u32>>>);

impl FreshPool {
    /// Nothing taken yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the lowest of `candidates` that nobody has taken.
    pub fn take(&self, mut candidates: impl Iterator<Item = u32>) -> Option<u32> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let piece = candidates.find(|index| !taken.contains(index))?;
        taken.insert(piece);
        Some(piece)
    }

    /// Number of pieces that are taken or kept back.
    pub fn taken(&self) -> usize {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.len()
    }

    /// Keeps back what a target may have by now, by whatever way: it would not ask for it.
    pub fn spend(&self, pieces: impl IntoIterator<Item = u32>) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.extend(pieces);
    }
}

/// Everything that a player is told beside its play and the torrent.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Seed of everything random: peer ids.
    pub seed: u64,
    /// What the target supports; `None` without preflight: needs are then judged by what the
    /// first handshake shows.
    pub profile: Option<Arc<Profile>>,
    /// How slow the target was so far.
    pub calibration: Calibration,
    /// Factor on every deadline; on sockets at least 1. Pauses that the author asked for stay.
    pub time_scale: f64,
    /// Source addresses that can be used at once; `None` is any number.
    pub addresses: Option<u32>,
    /// Verbs that the driver knows.
    pub verbs: BTreeSet<String>,
    /// Words of `needs` that the target shows although its driver switches them off.
    pub without: BTreeSet<String>,
    /// Why nobody can make the target dial us; `None` where somebody can.
    pub no_dials: Option<String>,
    /// Why no tracker of ours hears of the target; `None` where one does.
    pub no_tracker: Option<String>,
    /// Pieces that are taken.
    pub fresh: FreshPool,
    /// Whether the outcome has a transcript.
    pub transcript: bool,
    /// Number of the attempt, from 1.
    pub attempt: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            profile: None,
            calibration: Calibration::default(),
            time_scale: 1.0,
            addresses: None,
            verbs: BTreeSet::new(),
            without: BTreeSet::new(),
            no_dials: None,
            no_tracker: None,
            fresh: FreshPool::new(),
            transcript: true,
            attempt: 1,
        }
    }
}
