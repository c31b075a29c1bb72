//! Variables at play: the torrent, the target as the step's connection knows it, captures.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::conn::Index;
use super::connect::peer_id_for;
use super::state::{State, Vars};
use crate::scenario::ast::Delay;
use crate::scenario::{Env, Play, ScenarioError, Val, torrent_value};
use crate::torrent::{PieceSet, Torrent, allowed_fast};
use crate::wire::{BlockRef, PeerId};

/// What expressions of a step see.
pub(super) struct PlayEnv<'a> {
    state: &'a State,
    conn: Option<Index>,
    vars: &'a Vars,
}

impl<'a> PlayEnv<'a> {
    /// For a step on `conn`, with the variables of the moment.
    pub(super) fn new(state: &'a State, conn: Option<Index>) -> Self {
        Self {
            state,
            conn,
            vars: &state.vars,
        }
    }

    /// The same with variables kept from another moment.
    pub(super) fn with_vars(state: &'a State, conn: Option<Index>, vars: &'a Vars) -> Self {
        Self { state, conn, vars }
    }

    fn target(&self, name: &str) -> Option<Val> {
        let session = self.conn.and_then(|index| self.state.conns.get(index));
        let session = session.map(|conn| &conn.session);
        match name {
            "dials" => {
                let conns = self.state.conns.iter();
                let dialled = conns.filter(|c| !c.session.initiator() && c.remote.is_some());
                u64::try_from(dialled.count())
                    .ok()
                    .map(|n| Val::Int(n.into()))
            }
            "port" => {
                let mut dialled = self.state.conns.iter().filter(|c| c.session.initiator());
                let remote = dialled.find_map(|conn| conn.remote);
                Some(Val::Int(remote.map_or(0, |at| at.port().into())))
            }
            "has" => Some(pieces(
                session.map(|s| s.target_has().iter()).into_iter().flatten(),
            )),
            "missing" => Some(match session {
                Some(session) => pieces(session.target_has().missing()),
                None => pieces(0..self.state.torrent.geometry().pieces()),
            }),
            "allowed_fast" => Some(pieces(
                session
                    .map(|s| s.allowed_fast().iter().copied())
                    .into_iter()
                    .flatten(),
            )),
            _ => None,
        }
    }

    /// What one connection shows.
    fn peer(&self, name: &str) -> Option<Val> {
        let conn = self.conn.and_then(|index| self.state.conns.get(index))?;
        let int = |n: usize| u64::try_from(n).ok().map(|n| Val::Int(n.into()));
        let source = conn.local.map(|address| address.ip().to_canonical());
        match name {
            "source" => Some(Val::Bytes(match source? {
                IpAddr::V4(ip) => Bytes::copy_from_slice(&ip.octets()),
                IpAddr::V6(ip) => Bytes::copy_from_slice(&ip.octets()),
            })),
            "fast" => Some(Val::Bool(conn.session.fast())),
            "extended" => Some(Val::Bool(conn.session.extended())),
            "dialled" => Some(Val::Bool(
                !conn.session.initiator() && conn.remote.is_some(),
            )),
            "outstanding" => int(conn.session.ledger_theirs().live_count()),
            "max_outstanding" => int(conn.session.ledger_theirs().most_live()),
            "asked" => Some(Val::Int(conn.session.ledger_theirs().asked().into())),
            "open" => Some(Val::Bool(conn.open())),
            "reqq" => {
                let reqq = conn.session.their_extended().and_then(|it| it.reqq());
                Some(Val::Int(reqq.unwrap_or(0).max(0)))
            }
            "fast_set" => Some(match source? {
                IpAddr::V4(ip) => {
                    let geometry = self.state.torrent.geometry();
                    let info_hash = self.state.torrent.info_hash();
                    pieces(
                        allowed_fast::set(
                            ip,
                            BEP6_MASK_BITS,
                            &info_hash,
                            geometry.pieces(),
                            conn.session.allowed_fast().len().try_into().ok()?,
                        )
                        .into_iter(),
                    )
                }
                // BEP 6 says nothing about IPv6: whatever was offered is the set.
                IpAddr::V6(_) => pieces(conn.session.allowed_fast().iter().copied()),
            }),
            _ => None,
        }
    }

    /// The `n`th piece (from 1) that the target lacks and no other case has used.
    fn fresh(&self, n: usize) -> Option<Val> {
        let mut given = self.state.fresh.borrow_mut();
        while given.len() < n {
            let Some(piece) = self.pick_fresh(&given) else {
                let small = self.state.torrent.geometry().pieces() < MANY_PIECES;
                self.state.too_few.set(small);
                return None;
            };
            given.push(piece);
        }
        given
            .get(n.checked_sub(1)?)
            .map(|piece| Val::Int((*piece).into()))
    }

    /// A piece like `$fresh` that no step of the case can name.
    pub(super) fn spare(&self) -> Option<u32> {
        self.pick_fresh(&self.state.fresh.borrow())
    }

    fn pick_fresh(&self, given: &[u32]) -> Option<u32> {
        let state = self.state;
        let last = state.torrent.geometry().last();
        let profile = state.settings.profile.as_ref();
        let lacks = |has: Option<&PieceSet>, piece| has.is_none_or(|set| !set.get(piece));
        let free = |piece: &u32| {
            !given.contains(piece)
                && lacks(profile.and_then(|p| p.has.as_ref()), *piece)
                && state
                    .conns
                    .iter()
                    .all(|conn| lacks(Some(conn.session.target_has()), *piece))
        };
        // The last piece is short and cases about the first ones name them: both come last.
        let ordinary = FIRST_FRESH.min(last)..last;
        let rest = (0..FIRST_FRESH.min(last)).chain([last]);
        state.settings.fresh.take(ordinary.chain(rest).filter(free))
    }
}

impl Env for PlayEnv<'_> {
    fn get(&self, path: &str) -> Option<Val> {
        if let Some(value) = self.vars.get(path) {
            return Some(value.clone());
        }
        if let Some(value) = torrent_value(&self.state.torrent, path) {
            return Some(value);
        }
        if let Some(name) = path.strip_prefix("target.") {
            return self.target(name);
        }
        if let Some(name) = path.strip_prefix("peer.ext.") {
            let conn = self.conn.and_then(|index| self.state.conns.get(index))?;
            let id = conn.session.ext_id_theirs(name).unwrap_or(0);
            return Some(Val::Int(id.into()));
        }
        if path == "tracker.peer_id" {
            let told = self.state.announced.map(|PeerId(id)| id.to_vec());
            return Some(Val::Bytes(told.unwrap_or_default().into()));
        }
        if path == "tester.peer_id" {
            let PeerId(id) = peer_id_for(self.state, self.conn?);
            return Some(Val::Bytes(Bytes::copy_from_slice(&id)));
        }
        if let Some(name) = path.strip_prefix("peer.") {
            return self.peer(name);
        }
        if path == "fresh" {
            return self.fresh(1);
        }
        let n = path.strip_prefix("fresh.")?.parse().ok()?;
        self.fresh(n)
    }

    fn play(&self) -> Option<&Play> {
        Some(&self.state.play)
    }

    fn block(&self, block: &BlockRef) -> Option<Bytes> {
        self.state.torrent.block(block)
    }

    fn info(&self) -> Option<Bytes> {
        Some(self.state.torrent.metainfo().info_bytes().clone())
    }
}

/// Only the torrent: for needs, before there is a state.
pub(super) struct TorrentEnv<'a>(pub(super) &'a Torrent);

impl Env for TorrentEnv<'_> {
    fn get(&self, path: &str) -> Option<Val> {
        torrent_value(self.0, path)
    }
}

fn pieces(list: impl Iterator<Item = u32>) -> Val {
    Val::List(list.map(|piece| Val::Int(piece.into())).collect())
}

/// A length of time.
pub(super) fn delay(delay: &Delay, env: &dyn Env) -> Result<Duration, ScenarioError> {
    delay.eval(env)
}

/// BEP 6, "Allowed Fast Set Generation": 0xFFFFFF00 & ip.
const BEP6_MASK_BITS: u32 = 24;

/// Pieces below are named by cases about them.
const FIRST_FRESH: u32 = 16;
/// With fewer, a case that asks for many pieces may find that there are none left.
const MANY_PIECES: u32 = 64;
