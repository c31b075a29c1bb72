//! One connection between two peers, each judged as the target of the other.

use std::time::Duration;

use crate::outcome::Finding;
use crate::outcome::record::Record;
use crate::outcome::{TranscriptEntry, case::Closed, case::ClosedBy, case::How};
use crate::rule::{Judge, Tally};
use crate::session::{Session, SessionConfig, frame_limit};
use crate::torrent::Torrent;
use crate::trace::{CloseHow, ConnId, Dir, Observation, Recorder, StreamDecoder, What};
use crate::wire::{ExtensionMessage, InfoHash};

/// Who of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Who connected to the proxy. Its bytes are *sent* in transcripts.
    Dialler,
    /// Whom the proxy connected to. Its bytes are *received*.
    Target,
}

impl Side {
    /// Both of them.
    pub const BOTH: [Self; 2] = [Self::Dialler, Self::Target];

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dialler => "dialler",
            Self::Target => "target",
        }
    }

    /// Which way its bytes go.
    pub fn dir(self) -> Dir {
        match self {
            Self::Dialler => Dir::Sent,
            Self::Target => Dir::Received,
        }
    }
}

/// A connection on its way through the proxy.
#[derive(Debug)]
pub struct Watch {
    conn: ConnId,
    torrents: Vec<Torrent>,
    recorder: Recorder,
    record: Record,
    sent: StreamDecoder,
    received: StreamDecoder,
    phase: Phase,
    findings: Vec<(Side, Finding)>,
    closed: Option<Closed>,
    relayed: [u64; 2],
    /// What was not taken yet; `None` if nobody wants to know before the end.
    news: Option<Vec<News>>,
    /// Lines of the log that were told.
    told: usize,
    /// Findings that were told.
    found: usize,
}

/// What has just happened on a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// One more line of the wire log.
    Line(TranscriptEntry),
    /// Something was found against that side.
    Finding(Side, Finding),
}

/// ```text
/// Opening ──a handshake of a torrent that is known──▶ Judged
///    └──anything else──▶ NotJudged
/// ```
#[derive(Debug)]
enum Phase {
    /// What was seen before the first handshake.
    Opening(Vec<Observation>),
    /// The dialler as the target's tester, and the other way round.
    Judged(Box<[Judged; 2]>),
    NotJudged(String),
}

/// One side, with the other as its tester.
#[derive(Debug)]
struct Judged {
    side: Side,
    session: Session,
    judge: Judge,
}

/// What a connection came to.
#[derive(Debug)]
pub struct Watched {
    /// Its number.
    pub conn: ConnId,
    /// What was found, and against whom.
    pub findings: Vec<(Side, Finding)>,
    /// How often each rule was put to the test on each side.
    pub rules: Vec<(Side, Vec<Tally>)>,
    /// Why it was not judged, if it was not.
    pub not_judged: Option<String>,
    /// What went over it.
    pub transcript: Vec<TranscriptEntry>,
    /// How it ended first.
    pub closed: Option<Closed>,
    /// Bytes of the dialler and of the target.
    pub relayed: [u64; 2],
}

impl Watch {
    /// A connection that has just been opened, about one of these torrents.
    pub fn new(conn: ConnId, torrents: Vec<Torrent>) -> Self {
        Self {
            conn,
            torrents,
            recorder: Recorder::new(),
            record: Record::new(true),
            sent: StreamDecoder::new(conn, Dir::Sent, FRAME_LIMIT),
            received: StreamDecoder::new(conn, Dir::Received, FRAME_LIMIT),
            phase: Phase::Opening(Vec::new()),
            findings: Vec::new(),
            closed: None,
            relayed: [0; 2],
            news: None,
            told: 0,
            found: 0,
        }
    }

    /// Keeps what happens for [`take_news`](Self::take_news), too.
    pub fn with_news(mut self) -> Self {
        self.news = Some(Vec::new());
        self
    }

    /// What has happened since this was last called.
    pub fn take_news(&mut self) -> Vec<News> {
        self.news.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes in bytes of one side, that came at `at`.
    pub fn handle_bytes(&mut self, side: Side, bytes: &[u8], at: Duration) {
        let count = match side {
            Side::Dialler => self.relayed.first_mut(),
            Side::Target => self.relayed.last_mut(),
        };
        if let Some(count) = count {
            *count = count.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        }
        if matches!(self.phase, Phase::NotJudged(_)) {
            return;
        }
        self.decoder(side).push(bytes, at);
        self.drain(side);
    }

    /// Takes in that one side has ended its stream.
    pub fn handle_end(&mut self, side: Side, how: CloseHow, at: Duration) {
        let [dialler, _] = self.relayed;
        self.closed.get_or_insert_with(|| Closed {
            by: match side {
                Side::Dialler => ClosedBy::Tester,
                Side::Target => ClosedBy::Target,
            },
            how: match how {
                CloseHow::Fin => How::Fin,
                CloseHow::Rst => How::Rst,
                CloseHow::WriteError => How::WriteError,
            },
            at_ms: at.into(),
            after_sent: dialler,
        });
        self.decoder(side).finish(how, at);
        self.drain(side);
    }

    /// Takes in that it is `at` now.
    pub fn handle_timeout(&mut self, at: Duration) {
        if let Phase::Judged(sides) = &mut self.phase {
            for judged in sides.iter_mut() {
                judged.session.handle_timeout(at);
                judged.drain(&mut self.findings);
            }
        }
        self.tell_findings();
    }

    /// Takes in that one side takes no bytes at the moment, or takes them again: the other one cannot
    /// be late meanwhile.
    pub fn handle_taking(&mut self, side: Side, taking: bool, at: Duration) {
        if let Phase::Judged(sides) = &mut self.phase {
            for judged in sides.iter_mut().filter(|judged| judged.side != side) {
                judged.session.handle_reading(taking, at);
                judged.drain(&mut self.findings);
            }
        }
        self.tell_findings();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) if nothing comes before.
    pub fn poll_deadline(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Judged(sides) => {
                let deadlines = sides.iter();
                deadlines.filter_map(|it| it.session.poll_deadline()).min()
            }
            _ => None,
        }
    }

    /// What it came to.
    pub fn finish(self) -> Watched {
        let (rules, not_judged) = match self.phase {
            Phase::Judged(sides) => {
                let rules = (*sides).into_iter();
                let rules = rules.map(|it| (it.side, it.judge.finish())).collect();
                (rules, None)
            }
            Phase::NotJudged(why) => (Vec::new(), Some(why)),
            Phase::Opening(_) => (Vec::new(), Some("nobody said a whole handshake".to_owned())),
        };
        Watched {
            conn: self.conn,
            findings: self.findings,
            rules,
            not_judged,
            transcript: self.record.write(),
            closed: self.closed,
            relayed: self.relayed,
        }
    }

    fn decoder(&mut self, side: Side) -> &mut StreamDecoder {
        match side {
            Side::Dialler => &mut self.sent,
            Side::Target => &mut self.received,
        }
    }

    fn drain(&mut self, side: Side) {
        while let Some(mut observation) = self.decoder(side).poll() {
            self.recorder.stamp(&mut observation);
            match &mut self.phase {
                Phase::NotJudged(_) => self.log(&observation, None),
                Phase::Judged(_) => self.judge(&observation),
                Phase::Opening(before) => {
                    let opening = opening(&observation);
                    if before.len() < MAX_BEFORE {
                        before.push(observation);
                    }
                    match opening {
                        Opening::More => {}
                        Opening::Torrent(info_hash) => self.decide(info_hash),
                        Opening::None => self.give_up(ENCRYPTED.to_owned()),
                    }
                }
            }
        }
    }

    /// The first handshake says what it is about.
    fn decide(&mut self, info_hash: InfoHash) {
        let mut known = self.torrents.iter().rev();
        let known = known.find(|torrent| torrent.info_hash() == info_hash);
        let Some(torrent) = known.cloned() else {
            self.give_up(format!(
                "it is about the torrent {info_hash}, which is not known: name it with --torrent"
            ));
            return;
        };
        let metadata = torrent.metainfo().info_bytes().len();
        let limit = frame_limit(
            &torrent.geometry(),
            u64::try_from(metadata).unwrap_or(u64::MAX),
        );
        self.sent.set_limit(limit);
        self.received.set_limit(limit);
        let judged = |side| Judged {
            side,
            session: Session::new(SessionConfig {
                conn: self.conn,
                torrent: torrent.clone(),
                // As the tester of that side sees it.
                initiator: side == Side::Target,
            }),
            judge: Judge::new(),
        };
        let sides = Box::new(Side::BOTH.map(judged));
        let before = std::mem::replace(&mut self.phase, Phase::Judged(sides));
        if let Phase::Opening(before) = before {
            for observation in before {
                self.judge(&observation);
            }
        }
    }

    fn give_up(&mut self, why: String) {
        let before = std::mem::replace(&mut self.phase, Phase::NotJudged(why));
        if let Phase::Opening(before) = before {
            for observation in before {
                self.log(&observation, None);
            }
        }
    }

    fn log(&mut self, observation: &Observation, payload: Option<&ExtensionMessage>) {
        self.record.seen(observation, payload);
        let Some(news) = &mut self.news else {
            return;
        };
        if self.told < MAX_TOLD {
            news.push(News::Line(self.record.line(observation)));
        } else if self.told == MAX_TOLD {
            let note = "more follows: the row has it, once the connection is over".to_owned();
            let conn = Some(self.conn.0);
            let gap = TranscriptEntry::event(observation.at, conn, "gap", Some(note));
            news.push(News::Line(gap));
        }
        self.told = self.told.saturating_add(1);
    }

    /// Those that were found since this was last called.
    fn tell_findings(&mut self) {
        let new = self.findings.get(self.found..).unwrap_or_default();
        if let Some(news) = &mut self.news {
            let new = new.iter().cloned();
            news.extend(new.map(|(side, finding)| News::Finding(side, finding)));
        }
        self.found = self.findings.len();
    }

    fn judge(&mut self, observation: &Observation) {
        let Phase::Judged(sides) = &mut self.phase else {
            return;
        };
        let mut payload = None;
        for judged in sides.iter_mut() {
            let found = match judged.side {
                Side::Target => judged.handle(observation, &mut self.findings),
                Side::Dialler => {
                    let mut flipped = observation.clone();
                    flipped.dir = flipped.dir.flip();
                    judged.handle(&flipped, &mut self.findings)
                }
            };
            payload = payload.or(found);
        }
        self.log(observation, payload.as_ref());
        self.tell_findings();
    }
}

impl Judged {
    /// Hands on what was seen, and returns its payload if it is of an extension.
    fn handle(
        &mut self,
        observation: &Observation,
        findings: &mut Vec<(Side, Finding)>,
    ) -> Option<ExtensionMessage> {
        self.session.handle(observation);
        self.drain(findings)
    }

    fn drain(&mut self, findings: &mut Vec<(Side, Finding)>) -> Option<ExtensionMessage> {
        let mut payload = None;
        while let Some(event) = self.session.poll_event() {
            for violation in self.judge.handle(&event, &self.session) {
                if findings.len() < MAX_FINDINGS {
                    findings.push((self.side, Finding::of_rule(&violation)));
                }
            }
            if let Some(Ok(found)) = event.payload {
                payload = Some(found);
            }
        }
        payload
    }
}

/// What the first things on a connection tell.
enum Opening {
    More,
    Torrent(InfoHash),
    None,
}

fn opening(observation: &Observation) -> Opening {
    match &observation.what {
        What::Handshake(handshake) => Opening::Torrent(handshake.info_hash),
        What::BadHandshake(_) => Opening::None,
        _ => Opening::More,
    }
}

/// Why a connection is not judged whose first bytes are no handshake.
pub const ENCRYPTED: &str = "encrypted, cannot judge: its first bytes are no handshake in plain";
/// Frame limit until the torrent is known.
const FRAME_LIMIT: u32 = 1 << 20;
/// Things seen before the first handshake: ends of streams.
const MAX_BEFORE: usize = 16;
/// Lines of the log told before the end of a connection.
const MAX_TOLD: usize = 65_536;
/// Findings kept of one connection.
const MAX_FINDINGS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::torrent;
    use crate::wire::{BlockRef, Handshake, Message, PeerId, Reserved};

    const MS: Duration = Duration::from_millis(1);

    fn handshake(name: &[u8; 20]) -> Vec<u8> {
        let handshake = Handshake {
            reserved: Reserved::default(),
            info_hash: torrent().info_hash(),
            peer_id: PeerId(*name),
        };
        handshake.encode().to_vec()
    }

    /// Both handshakes, and what each side sends behind them.
    fn talk(script: &[(Side, Message)]) -> Watched {
        let mut watch = Watch::new(ConnId(1), vec![torrent()]);
        watch.handle_bytes(Side::Dialler, &handshake(b"-TR4050-dialler-----"), MS);
        watch.handle_bytes(Side::Target, &handshake(b"-LT2010-target------"), MS);
        for (side, message) in script {
            watch.handle_bytes(*side, &message.encode(), MS);
        }
        watch.handle_end(Side::Dialler, CloseHow::Fin, 2 * MS);
        watch.handle_end(Side::Target, CloseHow::Fin, 2 * MS);
        watch.finish()
    }

    fn broken(watched: &Watched) -> Vec<(Side, &str)> {
        let findings = watched.findings.iter();
        findings
            .map(|(side, finding)| (*side, finding.rule.as_deref().unwrap()))
            .collect()
    }

    #[test]
    fn each_side_is_judged_as_the_target_of_the_other() {
        let block = BlockRef {
            index: 0,
            begin: 0,
            length: 16384,
        };
        let piece = Message::Piece {
            index: 0,
            begin: 0,
            block: torrent().block(&block).unwrap(),
        };
        let seed = Message::Bitfield {
            bits: crate::torrent::PieceSet::all(10).to_bitfield(),
        };
        let sound = talk(&[
            (Side::Target, seed.clone()),
            (Side::Dialler, Message::Interested),
            (Side::Target, Message::Unchoke),
            (Side::Dialler, Message::Request(block)),
            (Side::Target, piece.clone()),
        ]);
        assert_eq!(broken(&sound), []);
        assert_eq!(sound.not_judged, None);
        assert_eq!(sound.transcript.len(), 9);
        let wrong = talk(&[
            (Side::Target, seed),
            (Side::Dialler, Message::Interested),
            (Side::Dialler, Message::Request(block)),
            (Side::Target, piece),
            (Side::Dialler, Message::Have { index: 4000 }),
        ]);
        let broken = broken(&wrong);
        assert!(
            broken.contains(&(Side::Dialler, "starts-choked")),
            "{broken:?}"
        );
        assert!(
            broken.contains(&(Side::Dialler, "have-in-range")),
            "{broken:?}"
        );
        assert!(
            broken.contains(&(Side::Target, "no-piece-while-choking")),
            "{broken:?}"
        );
    }

    #[test]
    fn what_is_no_handshake_or_of_an_unknown_torrent_is_not_judged() {
        let mut watch = Watch::new(ConnId(1), vec![torrent()]);
        watch.handle_bytes(Side::Dialler, &[0xe5; 96], MS);
        watch.handle_bytes(Side::Target, &[0xe5; 9000], MS);
        let watched = watch.finish();
        assert_eq!(watched.not_judged.as_deref(), Some(ENCRYPTED));
        assert_eq!(watched.relayed, [96, 9000]);
        let mut watch = Watch::new(ConnId(1), Vec::new());
        watch.handle_bytes(Side::Dialler, &handshake(b"-TR4050-dialler-----"), MS);
        let why = watch.finish().not_judged.unwrap();
        assert!(why.contains(&torrent().info_hash().to_string()), "{why}");
    }
}
