//! From the state of a play to its row in the report.

use std::collections::{BTreeMap, BTreeSet};

use super::conn::Phase;
use super::state::State;
use crate::engine::settings::{Calibration, Profile};
use crate::outcome::{CaseOutcome, Closed, Connection, Verdict};
use crate::rule::Tally as RuleTally;
use crate::scenario::Play;
use crate::scenario::ast::Role;
use crate::wire::escape::peer_text;

/// A play that is over: its row, and what the run learns from it.
#[derive(Debug, Clone)]
pub struct Played {
    /// The row.
    pub outcome: CaseOutcome,
    /// How often each rule was put to the test.
    pub rules: Vec<RuleTally>,
    /// The slowest answers.
    pub slowest: Calibration,
    /// What the target showed on the first connection with both handshakes.
    pub profile: Option<Profile>,
    /// The target is gone: it died, or takes no connection any more.
    pub lost: bool,
    /// The target never took a connection in this play.
    pub unreachable: bool,
    /// Nothing was learnt, and some connection of ours had no handshake from the target: this
    /// play may have met the end of the target without knowing it.
    pub unanswered: bool,
    /// The target was told to change for good: it is not what other plays expect any more.
    pub altered: bool,
    /// Openings of the target that were no plain handshake.
    pub encrypted: u32,
    /// Pieces that a leech may have by now: those that it announced, and those of which we sent
    /// something.
    pub may_have: BTreeSet<u32>,
}

/// The row of a play without a result.
pub fn empty_row(play: &Play) -> CaseOutcome {
    let case = &play.case;
    let mut row = CaseOutcome::new(
        play.id.0.clone(),
        case.suite.clone(),
        format!("{}/{}", case.suite, case.id),
    );
    row.title.clone_from(&case.title);
    row.role = Some(play.role.to_string());
    row.direction = Some(play.direction.to_string());
    row.matrix = play
        .matrix
        .iter()
        .map(|(name, value)| (name.clone(), value.label.clone()))
        .collect();
    row.variant = play.variant.map(|variant| variant.to_string());
    row.requirements = case.cites.iter().map(|cite| cite.id.clone()).collect();
    row.level = row
        .requirements
        .iter()
        .filter_map(|id| super::tally::level_of(id))
        .max();
    row
}

/// The row as it stands.
pub(super) fn build(state: &State) -> Played {
    let mut outcome = empty_row(&state.play);
    outcome.attempt = state.settings.attempt;
    outcome.verdict = state.tally.verdict();
    outcome.reason = state.tally.reason().map(str::to_owned);
    outcome.duration_ms = state.now.into();
    outcome.observations.clone_from(&state.observations);
    outcome.findings.clone_from(&state.tally.findings);
    let decisive = outcome.verdict;
    outcome
        .findings
        .sort_by_key(|finding| finding.verdict != decisive);
    outcome.connections = connections(state);
    outcome.transcript = state.record.write();
    let refused = state
        .conns
        .iter()
        .filter(|conn| conn.session.initiator())
        .any(|conn| matches!(conn.phase, Phase::Failed(_) | Phase::Opening));
    let opened = state.conns.iter().any(|conn| conn.remote.is_some());
    let nothing_learnt = outcome.verdict == Verdict::Inconclusive;
    let unanswered = state
        .conns
        .iter()
        .any(|conn| conn.session.initiator() && conn.session.theirs().handshake().is_none());
    let may_have = may_have(state);
    state.settings.fresh.spend(may_have.iter().copied());
    Played {
        rules: state.judge.tallies(),
        slowest: state.slowest,
        profile: profile(state),
        lost: state.lost || state.died.is_some(),
        unreachable: nothing_learnt && refused && !opened,
        unanswered: nothing_learnt && unanswered,
        altered: state.altered,
        encrypted: state.encrypted,
        may_have,
        outcome,
    }
}

fn may_have(state: &State) -> BTreeSet<u32> {
    if state.play.role == Role::Seed {
        return BTreeSet::new();
    }
    let announced = state
        .conns
        .iter()
        .flat_map(|c| c.session.target_has().iter());
    announced.chain(state.handed_out.iter().copied()).collect()
}

fn connections(state: &State) -> Vec<Connection> {
    state
        .conns
        .iter()
        .filter_map(|conn| {
            Some(Connection {
                conn: conn.id.0,
                peer: conn.peer.clone(),
                source: conn.local?.to_string(),
                target: conn.remote?.to_string(),
                opened_ms: conn.opened_at.into(),
                closed: conn.closed.map(|closed| Closed {
                    by: closed.by,
                    how: closed.how,
                    at_ms: closed.at.into(),
                    after_sent: closed.after_sent,
                }),
            })
        })
        .collect()
}

/// What the target showed of itself.
fn profile(state: &State) -> Option<Profile> {
    let (index, conn) = state
        .conns
        .iter()
        .enumerate()
        .find(|(_, conn)| conn.session.established_at().is_some())?;
    let session = &conn.session;
    let handshake = session.theirs().handshake()?;
    let extended = session.their_extended();
    let extensions: BTreeMap<String, u8> = extended
        .map(|handshake| handshake.m())
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, id)| Some((name, u8::try_from(id).ok().filter(|id| *id != 0)?)))
        .collect();
    let client = extended
        .and_then(|handshake| handshake.v())
        .map(|v| peer_text(v))
        .or_else(|| handshake.peer_id.client());
    let first_messages = state
        .log
        .iter()
        .filter(|seen| seen.conn == index && seen.is_message())
        .take(FIRST_MESSAGES)
        .map(|seen| seen.name())
        .collect();
    Some(Profile {
        reserved: handshake.reserved,
        extensions,
        client,
        metadata_size: extended
            .and_then(|handshake| handshake.metadata_size())
            .and_then(|size| u64::try_from(size).ok()),
        first_messages,
        has: Some(session.target_has().clone()),
    })
}

/// First messages that a profile shows.
const FIRST_MESSAGES: usize = 8;
