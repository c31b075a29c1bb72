//! `connect`: dialling or being dialled, both handshakes, the opening messages.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::conn::{Conn, Index, Phase, id_of};
use super::needs::missing_bits;
use super::script::{Ctx, Deadline, Flow, Stop, Weight};
use super::state::State;
use super::watch::{Limits, closed_text, seconds};
use crate::engine::io::{Action, CloseKind, ConnectError, Place, Source};
use crate::outcome::{Expected, Verdict};
use crate::scenario::ast::{
    Connect, ConnectMode, Direction, HandshakeMode, Lane, Role, Serves, Step,
};
use crate::scenario::template::OUR_EXTENSIONS;
use crate::scenario::{Template, Val, limits, reserved};
use crate::torrent::PieceSet;
use crate::trace::What;
use crate::wire::bencode::Value;
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{
    Capability, ExtensionMessage, Handshake, InfoHash, Kind, Message, PeerId, Reserved,
};

impl Ctx {
    /// `connect`.
    pub(super) async fn connect(&self, step: &Step, connect: &Connect) -> Flow {
        let (first, bound) = self.with(|state| {
            let bound = match state.play.case.lane {
                Lane::Alone => limits::CONNECTIONS_ALONE,
                Lane::Serial | Lane::Shared => limits::CONNECTIONS,
            };
            let too_many = state.conns.len() >= bound;
            ((!too_many).then_some(state.conns.is_empty()), bound)
        });
        let Some(first) = first else {
            return Err(Stop::Error(format!(
                "{}: more than {bound} connections",
                step.span
            )));
        };
        let accepts = match connect.mode {
            ConnectMode::Listen => return self.listen(step, connect).await,
            ConnectMode::Dial => false,
            ConnectMode::Accept => true,
            ConnectMode::Direction => self.with(|s| s.play.direction == Direction::Dials),
        };
        let began = self.with(|s| s.now);
        let conn = if accepts {
            self.uncounted(self.accept(step, connect)).await?
        } else {
            self.dial(step, connect).await?
        };
        self.keep_source(conn, connect);
        if connect.handshake != HandshakeMode::Full {
            return Ok(());
        }
        if !accepts {
            self.send_handshake(conn, connect)?;
            self.their_handshake(step, conn).await?;
        }
        if first && let Some(reason) = self.with(|s| missing_bits(s, conn)) {
            return Err(Stop::Decided {
                verdict: Verdict::Skip,
                actual: reason,
            });
        }
        self.hello(conn, connect)?;
        self.with(|state| {
            let took = state.now.saturating_sub(began);
            if !accepts {
                state.slowest.connect = state.slowest.connect.max(took);
            }
        });
        Ok(())
    }

    async fn dial(&self, step: &Step, connect: &Connect) -> Flow<Index> {
        let from = match &connect.from {
            Some(name) => Source::Named(name.clone()),
            None => Source::Fresh,
        };
        let conn = self.open_dial(&connect.peer, from);
        self.cut_off(conn, connect);
        let span = self.connect_span(step, conn)?;
        if self.opened(conn, Deadline::At(self.now() + span)).await? {
            return Ok(conn);
        }
        let actual = self.with(|state| failure(state.conns.get(conn), span));
        Err(Stop::miss(
            Weight::Judged,
            Some(self.id(conn)),
            vec![Expected::new("a connection", actual.clone())],
            actual,
        ))
    }

    fn open_dial(&self, peer: &str, from: Source) -> Index {
        self.with(|s| s.open(peer, true, |id| Action::Dial { conn: id, from }))
    }

    /// Waits until a dialled connection stands.
    async fn opened(&self, conn: Index, deadline: Deadline) -> Flow<bool> {
        let phase = self
            .wait(deadline, |state| {
                let phase = state.conns.get(conn).map(|c| c.phase.clone());
                Ok(phase.filter(|p| *p != Phase::Opening))
            })
            .await?;
        Ok(phase == Some(Phase::Open))
    }

    /// `mode: listen`.
    async fn listen(&self, step: &Step, connect: &Connect) -> Flow {
        let from = match &connect.from {
            Some(name) => Source::Named(name.clone()),
            None => Source::Fresh,
        };
        let place = Place::Quiet(from);
        let conn = self.open_accept(&connect.peer, place);
        let span = self.connect_span(step, conn)?;
        let until = Deadline::At(self.now() + span);
        let at = self
            .wait(until, |state| {
                let conn = state.conns.get(conn);
                let failed = conn.is_some_and(|c| matches!(c.phase, Phase::Failed(_)));
                Ok(match conn.and_then(|c| c.local) {
                    Some(at) => Some(Some(at)),
                    None => failed.then_some(None),
                })
            })
            .await?
            .flatten();
        let Some(at) = at else {
            let actual = self.with(|state| failure(state.conns.get(conn), span));
            return Err(Stop::Error(format!(
                "{}: cannot listen: {actual}",
                step.span
            )));
        };
        self.with(|state| {
            if let Some(conn) = state.conns.get_mut(conn) {
                conn.listens = true;
            }
        });
        if let Some(name) = &connect.contact {
            self.set(name, Val::Bytes(compact(at)));
        }
        self.keep_source(conn, connect);
        Ok(())
    }

    fn keep_source(&self, conn: Index, connect: &Connect) {
        let local = self.with(|state| state.conns.get(conn).and_then(|c| c.local));
        if let (Some(name), Some(local)) = (&connect.source, local) {
            let address = compact(local);
            let bytes = address.len().saturating_sub(2);
            self.set(name, Val::Bytes(address.slice(..bytes)));
        }
    }

    fn open_accept(&self, peer: &str, place: Place) -> Index {
        self.with(|s| s.open(peer, false, |id| Action::Accept { conn: id, place }))
    }

    /// The connection that `mode: listen` has opened under this name, or a new one to which the
    /// target is invited.
    fn expect_dial(&self, connect: &Connect) -> Flow<Index> {
        let listening = self.with(|state| {
            let index = state.find(&connect.peer)?;
            let conn = state.conns.get_mut(index)?;
            std::mem::take(&mut conn.listens).then_some(index)
        });
        if let Some(conn) = listening {
            return Ok(conn);
        }
        let told = match &connect.told {
            Some(told) => twenty(&self.env(None, |env| told.resolve(env))?).map(PeerId),
            None => None,
        };
        Ok(self.open_accept(&connect.peer, Place::Invited { told }))
    }

    /// Waits for the target to dial and to begin in plain text; other openings are closed and
    /// counted.
    async fn accept(&self, step: &Step, connect: &Connect) -> Flow<Index> {
        let mut conn = self.expect_dial(connect)?;
        self.cut_off(conn, connect);
        let span = self.span(step, conn, limits::ACCEPT)?;
        let until = Deadline::At(self.now() + span);
        loop {
            if !self.opened(conn, until).await? {
                self.with(|s| {
                    let id = s.conns.get(conn).map(|c| c.id);
                    if let Some(conn) = id {
                        s.act(Action::StopAccept { conn });
                    }
                });
                let encrypted = self.with(|s| s.encrypted);
                let actual = if encrypted > 0 {
                    format!("{encrypted} encrypted openings and no plain one")
                } else {
                    "the target did not dial".to_owned()
                };
                let missed = format!("not within {}", seconds(span));
                return Err(Stop::miss(
                    Weight::Inconclusive,
                    Some(self.id(conn)),
                    vec![Expected::new("the target dials us", missed)],
                    actual,
                ));
            }
            if connect.handshake == HandshakeMode::Raw {
                return Ok(conn);
            }
            if self.opens_in_plain(step, conn).await? {
                if connect.handshake == HandshakeMode::Full {
                    self.send_handshake(conn, connect)?;
                }
                return Ok(conn);
            }
            conn = self.with(|state| {
                state.encrypted += 1;
                let id = state.conns.get(conn).map(|c| c.id);
                state.event(id, "encrypted", Some("no plain handshake".to_owned()));
                state.close(conn, CloseKind::Fin);
                let place = Place::Again(id_of(conn));
                state.open(&connect.peer, false, |id| Action::Accept {
                    conn: id,
                    place,
                })
            });
            self.cut_off(conn, connect);
        }
    }

    /// Whether the target, which has dialled, begins with a handshake. One that says nothing at
    /// all waits for us, and so for ever.
    async fn opens_in_plain(&self, step: &Step, conn: Index) -> Flow<bool> {
        let span = self.scaled(self.with(|s| Limits::of(s).answer));
        let deadline = self.deadline(conn, span);
        let plain = self
            .wait(deadline, |state| Ok(opening(state, conn)))
            .await?;
        if let Some(plain) = plain {
            return Ok(plain);
        }
        let missed = format!("not within {}", seconds(span));
        // Most cases are about something else, and learn nothing then.
        let weight = match step.cites.is_empty() {
            true => Weight::Inconclusive,
            false => Weight::Judged,
        };
        Err(Stop::miss(
            weight,
            Some(self.id(conn)),
            vec![Expected::new("the target's handshake", missed)],
            "the target dialled and then said nothing".to_owned(),
        ))
    }

    /// `handshake: raw`: nothing behind the target's handshake is decoded.
    fn cut_off(&self, conn: Index, connect: &Connect) {
        let raw = connect.handshake == HandshakeMode::Raw;
        self.with(|state| {
            if let Some(conn) = state.conns.get_mut(conn) {
                conn.raw = raw;
            }
        });
    }

    fn connect_span(&self, step: &Step, conn: Index) -> Flow<Duration> {
        let usual = self.with(|s| Limits::of(s).connect);
        self.span(step, conn, usual)
    }

    pub(super) fn now(&self) -> Duration {
        self.with(|s| s.now)
    }

    fn send_handshake(&self, conn: Index, connect: &Connect) -> Flow {
        let handshake = self.handshake(conn, connect)?;
        self.put_handshake(conn, &handshake);
        Ok(())
    }

    fn put_handshake(&self, conn: Index, handshake: &Handshake) {
        let bytes = Bytes::copy_from_slice(&handshake.encode());
        self.with(|state| {
            let segments = super::send::segments(state, &bytes);
            state.write(conn, &bytes, segments, false);
        });
    }

    fn handshake(&self, conn: Index, connect: &Connect) -> Flow<Handshake> {
        let (reserved, info_hash, peer_id) = self.env(Some(conn), |env| {
            let reserved = reserved(&connect.reserved, env)?;
            let resolve = |template: &Option<_>| -> Result<Option<Bytes>, _> {
                match template {
                    Some(template) => {
                        let template: &crate::scenario::template::BytesTemplate = template;
                        template.resolve(env).map(Some)
                    }
                    None => Ok(None),
                }
            };
            Ok::<_, crate::scenario::ScenarioError>((
                reserved,
                resolve(&connect.info_hash)?,
                resolve(&connect.peer_id)?,
            ))
        })?;
        let (torrent, id) = self.with(|s| (s.torrent.info_hash(), peer_id_for(s, conn)));
        Ok(Handshake {
            reserved,
            info_hash: info_hash.and_then(|b| twenty(&b)).map_or(torrent, InfoHash),
            peer_id: peer_id.and_then(|b| twenty(&b)).map_or(id, PeerId),
        })
    }

    /// Waits for the target's handshake.
    async fn their_handshake(&self, step: &Step, conn: Index) -> Flow {
        let span = self.connect_span(step, conn)?;
        let deadline = self.deadline(conn, span);
        let plain = self
            .wait(deadline, |state| Ok(opening(state, conn)))
            .await?;
        if plain == Some(true) {
            return Ok(());
        }
        let actual = self.with(|state| {
            let closed = state.conns.get(conn).is_some_and(|c| c.target_closed);
            match plain {
                Some(_) if closed => closed_text(state, conn),
                Some(_) => "what came is no handshake".to_owned(),
                None => "nothing came".to_owned(),
            }
        });
        let missed = match plain {
            Some(_) => actual.clone(),
            None => format!("not within {}", seconds(span)),
        };
        Err(Stop::miss(
            Weight::Judged,
            Some(self.id(conn)),
            vec![Expected::new("the target's handshake", missed)],
            actual,
        ))
    }

    /// The opening messages: the author's, or what suits the connection.
    fn hello(&self, conn: Index, connect: &Connect) -> Flow {
        let serves = self.serves(conn, &connect.serves)?;
        self.with(|state| {
            if let Some(conn) = state.conns.get_mut(conn) {
                conn.serves = serves.clone();
                conn.rejects = connect.rejects;
                conn.unchoke = connect.unchoke;
            }
        });
        let messages = match &connect.hello {
            Some(templates) => self.written_hello(conn, templates)?,
            None => self.with(|state| usual_hello(state, conn, &serves)),
        };
        let mut bytes = BytesMut::new();
        for message in &messages {
            message.encode_to(&mut bytes);
        }
        let bytes = bytes.freeze();
        self.with(|state| {
            let segments = super::send::segments(state, &bytes);
            state.write(conn, &bytes, segments, false);
        });
        Ok(())
    }

    /// The author's messages, without those that the target cannot take: `hello` is set-up.
    fn written_hello(&self, conn: Index, templates: &[Template]) -> Flow<Vec<Message>> {
        let mut messages = Vec::new();
        for template in templates {
            let needs = template.kind.spec().needs;
            let agreed = self.with(|state| {
                let session = state.conns.get(conn).map(|c| &c.session);
                needs.is_none_or(|c| session.is_some_and(|s| s.negotiated(c)))
            });
            if agreed {
                messages.push(self.message(conn, template)?);
            } else if template.kind == Kind::HaveAll {
                let bits = self.with(|s| PieceSet::all(s.torrent.geometry().pieces()));
                messages.push(Message::Bitfield {
                    bits: bits.to_bitfield(),
                });
            }
        }
        Ok(messages)
    }

    /// A template's message. An extended handshake without keys is our usual one.
    pub(super) fn message(&self, conn: Index, template: &Template) -> Flow<Message> {
        if template.kind == Kind::ExtendedHandshake && template.fields.is_empty() {
            return Ok(self.with(|state| usual_extended(state)));
        }
        Ok(self.env(Some(conn), |env| template.resolve(env))?)
    }

    pub(super) fn serves(&self, conn: Index, serves: &Serves) -> Flow<PieceSet> {
        let pieces = self.with(|s| s.torrent.geometry().pieces());
        Ok(match serves {
            Serves::None => PieceSet::none(pieces),
            Serves::All => PieceSet::all(pieces),
            Serves::Fresh => {
                let fresh = self.env(Some(conn), |env| crate::scenario::Env::get(env, "fresh"));
                let piece = match fresh {
                    Some(Val::Int(n)) => u32::try_from(n).ok(),
                    _ => None,
                };
                let Some(piece) = piece else {
                    return Err(Stop::Decided {
                        verdict: Verdict::Skip,
                        actual: "every piece is used up or known to the target".to_owned(),
                    });
                };
                PieceSet::of(pieces, [piece])
            }
            Serves::Pieces(expr) => {
                let list = self.env(Some(conn), |env| expr.eval_pieces(env))?;
                PieceSet::of(pieces, list)
            }
        })
    }

    /// A connection from a fresh address up to the target's handshake, for liveness. True if it
    /// came.
    pub(super) async fn knock(&self) -> Flow<bool> {
        let span = self.scaled(self.with(|s| Limits::of(s).connect));
        let conn = self.open_dial("liveness", Source::Fresh);
        self.with(|state| {
            if let Some(conn) = state.conns.get_mut(conn) {
                conn.internal = true;
            }
        });
        let until = Deadline::At(self.now() + span);
        if !self.opened(conn, until).await? {
            return Ok(false);
        }
        let handshake = self.with(|state| Handshake {
            reserved: Reserved::with(&[Capability::Extended, Capability::Fast]),
            info_hash: state.torrent.info_hash(),
            peer_id: peer_id_for(state, conn),
        });
        self.put_handshake(conn, &handshake);
        let deadline = self.deadline(conn, span);
        let plain = self.wait(deadline, |s| Ok(opening(s, conn))).await?;
        Ok(plain == Some(true))
    }
}

/// Whether the target has opened with a handshake; `None` as long as nobody knows.
fn opening(state: &State, conn: Index) -> Option<bool> {
    for seen in state.log.iter().filter(|seen| seen.conn == conn) {
        match seen.what() {
            What::Handshake(_) => return Some(true),
            What::BadHandshake(_) | What::Trailing | What::Closed(_) => return Some(false),
            _ => {}
        }
    }
    None
}

/// An address as ut_pex and trackers write it (BEP 23).
fn compact(at: std::net::SocketAddr) -> Bytes {
    let mut bytes = match at.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
        std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes.extend(at.port().to_be_bytes());
    bytes.into()
}

fn failure(conn: Option<&Conn>, span: Duration) -> String {
    match conn.map(|c| &c.phase) {
        Some(Phase::Failed(ConnectError::Refused)) => "connection refused".to_owned(),
        Some(Phase::Failed(ConnectError::Local(what))) => what.clone(),
        _ => format!("no answer to the connect within {}", seconds(span)),
    }
}

/// Our peer id on a connection: new for each, the same in each run of one seed.
pub(super) fn peer_id_for(state: &State, conn: Index) -> PeerId {
    let mut word = state.settings.seed ^ 0x62_74_73_70_65_63;
    for byte in state.play.id.0.bytes() {
        word = mix(word ^ u64::from(byte));
    }
    word = mix(word ^ conn as u64);
    let mut id = *b"-BS0010-000000000000";
    for slot in id.iter_mut().skip(8) {
        word = mix(word);
        let letter = usize::try_from(word % ALPHABET.len() as u64).unwrap_or(0);
        *slot = ALPHABET.get(letter).copied().unwrap_or(b'0');
    }
    PeerId(id)
}

/// SplitMix64's output function.
fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn twenty(bytes: &Bytes) -> Option<[u8; 20]> {
    <[u8; 20]>::try_from(bytes.as_ref()).ok()
}

/// Extended handshake and availability as a well-behaved peer would send them.
fn usual_hello(state: &State, conn: Index, serves: &PieceSet) -> Vec<Message> {
    let Some(conn) = state.conns.get(conn) else {
        return Vec::new();
    };
    let mut messages = Vec::new();
    if conn.session.extended() {
        messages.push(usual_extended(state));
    }
    let fast = conn.session.fast();
    // To a seed we never look like a seed: it would close a connection that is of no use.
    let hide = state.play.role == Role::Seed && serves.is_full();
    if serves.is_empty() || hide {
        if fast {
            messages.push(Message::HaveNone);
        }
    } else if fast && serves.is_full() {
        messages.push(Message::HaveAll);
    } else {
        messages.push(Message::Bitfield {
            bits: serves.to_bitfield(),
        });
    }
    messages
}

/// Our extended handshake.
fn usual_extended(state: &State) -> Message {
    let size = state.torrent.metainfo().info_bytes().len();
    let handshake = ExtendedHandshake::new()
        .with_m(&OUR_EXTENSIONS)
        .with("metadata_size", size as i128)
        .with("reqq", 250_i128)
        .with(
            "v",
            Value::text(concat!("btspec ", env!("CARGO_PKG_VERSION"))),
        );
    ExtensionMessage::Handshake(handshake).into_message(0)
}

const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
