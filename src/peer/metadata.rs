//! ut_metadata (BEP 9): serves the info dictionary, and fetches it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sha1::{Digest, Sha1};

use super::event::ExtensionNote;
use super::extension::{Extension, Link};
use crate::wire::ExtensionMessage;
use crate::wire::bencode::Value;
use crate::wire::extension::ExtendedHandshake;

/// BEP 9, "extension message": "The metadata is handled in blocks of 16KiB (16384 Bytes)."
pub const METADATA_PIECE_LEN: usize = 16 * 1024;

/// Larger info dictionaries are not fetched.
pub const MAX_METADATA_LEN: usize = 10 * 1024 * 1024;

/// The extension on one connection.
#[derive(Debug)]
pub struct Metadata {
    serves: bool,
    fetch: Option<Fetch>,
    timeout: Duration,
    /// Time between a request and its answer.
    delay: Duration,
    /// Answers that wait for their time.
    answers: VecDeque<(Duration, Bytes)>,
    /// How often the whole dictionary is served; later requests are rejected.
    limit: Option<usize>,
    served: usize,
}

/// A download of the info dictionary under way.
#[derive(Debug, Default)]
struct Fetch {
    size: usize,
    pieces: BTreeMap<u32, Bytes>,
    /// Asked for, and when.
    asked: BTreeMap<u32, Duration>,
    refusals: usize,
    over: bool,
}

impl Metadata {
    /// Serves the info dictionary if `serves`, fetches it from peers that offer it if `fetches`.
    /// A request counts as lost after `timeout`.
    pub fn new(serves: bool, fetches: bool, timeout: Duration) -> Self {
        Self {
            serves,
            fetch: fetches.then(Fetch::default),
            timeout,
            delay: Duration::ZERO,
            answers: VecDeque::new(),
            limit: None,
            served: 0,
        }
    }

    /// Answers each request only after `delay`, and serves the whole dictionary at most `limit`
    /// times (BEP 9, "reject": the flood protection).
    #[must_use]
    pub fn paced(mut self, delay: Duration, limit: Option<usize>) -> Self {
        self.delay = delay;
        self.limit = limit;
        self
    }

    fn serve(&mut self, link: &mut Link<'_>, piece: i128) {
        let info = link.torrent.metainfo().info_bytes().clone();
        let most = self
            .limit
            .map(|times| times.saturating_mul(info.len().div_ceil(METADATA_PIECE_LEN)));
        let open = self.serves && most.is_none_or(|most| self.served < most);
        let chunk = open
            .then(|| usize::try_from(piece).ok()?.checked_mul(METADATA_PIECE_LEN))
            .flatten()
            .filter(|begin| *begin < info.len())
            .map(|begin| info.slice(begin..info.len().min(begin + METADATA_PIECE_LEN)));
        let answer = match chunk {
            Some(data) => {
                self.served += 1;
                ExtensionMessage::MetadataData {
                    piece,
                    total_size: Some(info.len() as i128),
                    data,
                }
            }
            None => ExtensionMessage::MetadataReject { piece },
        };
        if self.delay.is_zero() {
            link.send(answer.encode_payload());
        } else if self.answers.len() < MOST_ANSWERS {
            let at = link.now + self.delay;
            self.answers.push_back((at, answer.encode_payload()));
        }
    }
}

impl Extension for Metadata {
    fn announce(&self, link: &Link<'_>) -> Vec<(&'static str, Value)> {
        if !self.serves {
            return Vec::new();
        }
        let size = link.torrent.metainfo().info_bytes().len();
        vec![("metadata_size", Value::Int(size as i128))]
    }

    fn on_extended_handshake(&mut self, link: &mut Link<'_>, handshake: &ExtendedHandshake) {
        let Some(fetch) = &mut self.fetch else {
            return;
        };
        let size = handshake
            .metadata_size()
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| (1..=MAX_METADATA_LEN).contains(size));
        if let Some(size) = size
            && link.their_id.is_some()
            && fetch.size == 0
        {
            fetch.size = size;
            fetch.ask(link);
        }
    }

    fn on_message(&mut self, link: &mut Link<'_>, payload: &Bytes) {
        match ExtensionMessage::decode("ut_metadata", payload) {
            Ok(ExtensionMessage::MetadataRequest { piece }) => self.serve(link, piece),
            Ok(ExtensionMessage::MetadataData { piece, data, .. }) => {
                if let Some(fetch) = &mut self.fetch {
                    fetch.take(link, piece, data);
                }
            }
            Ok(ExtensionMessage::MetadataReject { piece }) => {
                if let Some(fetch) = &mut self.fetch {
                    fetch.refused(link, piece);
                }
            }
            // BEP 9: "an unrecognized message ID MUST be ignored".
            _ => {}
        }
    }

    fn on_tick(&mut self, link: &mut Link<'_>) {
        while self.answers.front().is_some_and(|(at, _)| *at <= link.now) {
            if let Some((_, answer)) = self.answers.pop_front() {
                link.send(answer);
            }
        }
        let timeout = self.timeout;
        if let Some(fetch) = &mut self.fetch {
            let now = link.now;
            fetch.asked.retain(|_, asked| *asked + timeout > now);
            fetch.ask(link);
        }
    }

    fn deadline(&self) -> Option<Duration> {
        let answer = self.answers.front().map(|(at, _)| *at);
        let fetch = self.fetch.as_ref().filter(|fetch| !fetch.over);
        let oldest = fetch.and_then(|fetch| fetch.asked.values().min());
        let retry = oldest.map(|asked| *asked + self.timeout);
        answer.into_iter().chain(retry).min()
    }
}

impl Fetch {
    fn count(&self) -> usize {
        self.size.div_ceil(METADATA_PIECE_LEN)
    }

    fn length_of(&self, piece: u32) -> usize {
        let begin = (piece as usize).saturating_mul(METADATA_PIECE_LEN);
        self.size.saturating_sub(begin).min(METADATA_PIECE_LEN)
    }

    /// Keeps a few requests outstanding.
    fn ask(&mut self, link: &mut Link<'_>) {
        if self.over {
            return;
        }
        let count = u32::try_from(self.count()).unwrap_or(0);
        for piece in 0..count {
            if self.asked.len() >= PIPELINE {
                break;
            }
            if self.pieces.contains_key(&piece) || self.asked.contains_key(&piece) {
                continue;
            }
            self.asked.insert(piece, link.now);
            let request = ExtensionMessage::MetadataRequest {
                piece: piece.into(),
            };
            link.send(request.encode_payload());
        }
    }

    fn take(&mut self, link: &mut Link<'_>, piece: i128, data: Bytes) {
        let Ok(piece) = u32::try_from(piece) else {
            return;
        };
        if self.over || self.asked.remove(&piece).is_none() {
            return;
        }
        if data.len() == self.length_of(piece) {
            self.pieces.insert(piece, data);
        }
        if self.pieces.len() < self.count() {
            self.ask(link);
            return;
        }
        let mut whole = BytesMut::with_capacity(self.size);
        self.pieces
            .values()
            .for_each(|part| whole.extend_from_slice(part));
        let hash: [u8; 20] = Sha1::digest(&whole).into();
        if hash == link.torrent.info_hash().0 {
            self.over = true;
            link.note(ExtensionNote::Metadata(whole.freeze()));
        } else {
            self.pieces.clear();
            link.note(ExtensionNote::MetadataCorrupt);
            self.refusals += 1;
            self.over = self.refusals >= 2;
            self.ask(link);
        }
    }

    /// A peer that refuses twice as often as there are pieces is not asked any more.
    fn refused(&mut self, link: &mut Link<'_>, piece: i128) {
        let Ok(piece) = u32::try_from(piece) else {
            return;
        };
        if self.over || !self.asked.contains_key(&piece) {
            return;
        }
        // Asked again when the timeout has passed.
        self.refusals += 1;
        link.note(ExtensionNote::MetadataRefused { piece });
        self.over = self.refusals >= 2 * self.count();
    }
}

const PIPELINE: usize = 4;
/// Answers that wait for their time; what is asked beyond it is lost.
const MOST_ANSWERS: usize = 4096;
