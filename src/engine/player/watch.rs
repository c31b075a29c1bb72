//! Waiting for one of several things: what a branch looks at, and whether it has come.

use std::time::Duration;

use super::conn::Index;
use super::env::{PlayEnv, delay};
use super::monitor::{forbidden, is_grant};
use super::script::{Ctx, Flow, Stop};
use super::seen::Seen;
use super::state::State;
use crate::outcome::{ClosedBy, Expected};
use crate::scenario::ast::{
    Action, CloseKind, Condition, Listening, State as Conditions, Step, Timeouts,
};
use crate::scenario::pattern::PatternKind;
use crate::scenario::{Captures, Pattern, ScenarioError, limits};
use crate::trace::CloseHow;
use crate::wire::Kind;

/// A step that waits, armed.
pub(super) struct Watch<'a> {
    pub(super) step: &'a Step,
    pub(super) conn: Index,
    what: What<'a>,
    not_before: Duration,
    /// Given up: its own time is over, or its connection is.
    pub(super) dead: Option<String>,
    /// Why the nearest message did not match.
    near: Option<String>,
}

enum What<'a> {
    Expect(&'a Pattern),
    Until(&'a Conditions),
    Closed(CloseKind),
    Silence { of: &'a Listening, span: Duration },
}

/// What a watch came to.
pub(super) struct Found {
    pub(super) captures: Captures,
    /// What happened, for the report.
    pub(super) actual: String,
    /// Place in the log, if it was an arrival.
    pub(super) index: Option<usize>,
    pub(super) at: Duration,
}

impl<'a> Watch<'a> {
    /// Arms a step whose action is `expect`, `until`, `closed` or `silence`.
    pub(super) fn arm(ctx: &Ctx, step: &'a Step) -> Flow<Self> {
        let conn = ctx.conn_of(step)?;
        let what = match &step.action {
            Action::Expect(pattern) => What::Expect(pattern),
            Action::Until(state) => What::Until(state),
            Action::Closed(kind) => What::Closed(*kind),
            Action::Silence { span, of } => What::Silence {
                of,
                span: ctx.env(Some(conn), |env| delay(span, env))?,
            },
            _ => {
                return Err(Stop::Error(format!(
                    "{}: this step cannot be a branch; please report it",
                    step.span
                )));
            }
        };
        let not_before = match &step.not_before {
            Some(early) => ctx.env(Some(conn), |env| delay(early, env))?,
            None => Duration::ZERO,
        };
        Ok(Self {
            step,
            conn,
            what,
            not_before,
            dead: None,
            near: None,
        })
    }

    /// How long the target has for it, if nobody says otherwise.
    pub(super) fn usual(&self, ctx: &Ctx) -> Duration {
        let limits = ctx.with(|s| Limits::of(s));
        match &self.what {
            What::Closed(_) => limits.close,
            What::Silence { span, .. } => *span,
            What::Expect(_) | What::Until(_) if self.is_grant(ctx) => limits.grant,
            What::Expect(_) | What::Until(_) => limits.answer,
        }
    }

    /// Whether its coming is the target's right, so that a miss says nothing.
    pub(super) fn is_grant(&self, ctx: &Ctx) -> bool {
        match &self.what {
            What::Expect(pattern) => match pattern.what {
                // Only the first request is the target's right.
                PatternKind::Kind(Kind::Request) => ctx.with(|s| {
                    let conn = s.conns.get(self.conn);
                    conn.is_some_and(|c| c.session.ledger_theirs().asked() == 0)
                }),
                PatternKind::Kind(kind) => is_grant(kind),
                PatternKind::Handshake | PatternKind::Malformed => false,
            },
            What::Until(state) => state
                .all
                .iter()
                .any(|c| matches!(c, Condition::Unchoked(_) | Condition::Interested(_))),
            What::Closed(_) | What::Silence { .. } => false,
        }
    }

    /// When it may be met although nothing arrives.
    pub(super) fn nudge(&self, state: &State, armed: Duration) -> Option<Duration> {
        if self.dead.is_some() {
            return None;
        }
        let at = match &self.what {
            What::Silence { .. } => self.silent_until(state, armed)?,
            What::Until(_) => {
                let session = &state.conns.get(self.conn)?.session;
                session.established_at()? + QUIET_OPENING
            }
            What::Expect(_) | What::Closed(_) => return None,
        };
        (at > state.now).then_some(at)
    }

    /// The end of a silence, counted from the provocation.
    pub(super) fn silent_until(&self, state: &State, from: Duration) -> Option<Duration> {
        let What::Silence { span, .. } = &self.what else {
            return None;
        };
        let provoked = state.conns.get(self.conn)?.provoked_at()?;
        Some(provoked.max(from) + *span)
    }

    /// Looks at the state: for `until`.
    pub(super) fn holds(&self, state: &State) -> Result<Option<Found>, ScenarioError> {
        let What::Until(conditions) = &self.what else {
            return Ok(None);
        };
        if self.dead.is_some() || !all_hold(conditions, state, self.conn)? {
            return Ok(None);
        }
        Ok(Some(Found {
            captures: Captures::default(),
            actual: format!("{} holds", describe_state(conditions, state, self.conn)),
            index: None,
            at: state.now,
        }))
    }

    /// Looks at an arrival.
    pub(super) fn look(
        &mut self,
        state: &State,
        index: usize,
        seen: &Seen,
        armed: Duration,
    ) -> Result<Option<Found>, ScenarioError> {
        if self.dead.is_some() || seen.conn != self.conn {
            return Ok(None);
        }
        let early = seen.at().saturating_sub(self.base(state, armed)) < self.not_before;
        if let Some(how) = seen.close() {
            let fits = match &self.what {
                What::Closed(kind) => close_fits(*kind, how),
                _ => false,
            };
            let conn = state.conns.get(self.conn);
            let whole = conn.is_none_or(|c| c.closed.is_none_or(|closed| closed.complete));
            if fits && whole && !early {
                return Ok(Some(found(index, seen, Captures::default())));
            }
            self.dead = Some(if fits && whole {
                "the target closed too early".to_owned()
            } else if fits {
                "the target closed before everything was sent".to_owned()
            } else {
                closed_text(state, self.conn)
            });
            return Ok(None);
        }
        match &self.what {
            What::Expect(pattern) => {
                let Some(view) = seen.view() else {
                    return Ok(None);
                };
                let env = PlayEnv::new(state, Some(self.conn));
                match pattern.matches(view, &env)? {
                    Some(_) if early => {
                        let after = seen.at().saturating_sub(self.base(state, armed));
                        self.near = Some(format!(
                            "came after {}, not before {}",
                            seconds(after),
                            seconds(self.not_before)
                        ));
                        self.dead.clone_from(&self.near);
                        Ok(None)
                    }
                    Some(captures) => Ok(Some(found(index, seen, captures))),
                    None => {
                        if let Some(why) = pattern.miss(view, &env) {
                            self.near = Some(why);
                        }
                        Ok(None)
                    }
                }
            }
            What::Silence { of, .. } => {
                let env = PlayEnv::new(state, Some(self.conn));
                if forbidden(of, seen, &env)?.is_some() {
                    self.dead = Some(format!("{} came", seen.name()));
                }
                Ok(None)
            }
            What::Until(_) | What::Closed(_) => Ok(None),
        }
    }

    /// From when times of this watch count.
    fn base(&self, state: &State, armed: Duration) -> Duration {
        let conn = state.conns.get(self.conn);
        conn.and_then(super::conn::Conn::provoked_at)
            .map_or(armed, |at| at.min(armed))
    }

    /// What it stood for and why it was not met, for the report.
    pub(super) fn expected(&self, state: &State, span: Duration) -> Expected {
        let env = PlayEnv::new(state, Some(self.conn));
        let what = match &self.what {
            What::Expect(pattern) => pattern.describe(&env),
            What::Until(conditions) => describe_state(conditions, state, self.conn),
            What::Closed(CloseKind::Any) => "the target closes".to_owned(),
            What::Closed(CloseKind::Fin) => "the target closes with FIN".to_owned(),
            What::Closed(CloseKind::Rst) => "the target resets".to_owned(),
            What::Silence { of, span } => {
                format!("no {} for {}", describe_listening(of, &env), seconds(*span))
            }
        };
        let missed = match (&self.dead, &self.near) {
            (Some(why), _) => why.clone(),
            (None, Some(near)) => format!("not within {}; nearest: {near}", seconds(span)),
            (None, None) => format!("not within {}", seconds(span)),
        };
        Expected::new(what, missed)
    }
}

/// The deadlines of a case, grown to what the target was seen to need.
pub(super) struct Limits {
    pub(super) answer: Duration,
    pub(super) close: Duration,
    pub(super) grant: Duration,
    pub(super) connect: Duration,
}

impl Limits {
    pub(super) fn of(state: &State) -> Self {
        let Timeouts {
            answer,
            close,
            grant,
            ..
        } = state.play.case.timeouts;
        let seen = state.settings.calibration;
        Self {
            answer: grown(answer.unwrap_or(limits::ANSWER), seen.answer),
            close: grown_close(close.unwrap_or(limits::CLOSE), seen.close),
            grant: grown(grant.unwrap_or(limits::GRANT), seen.grant),
            connect: grown(limits::CONNECT, seen.connect),
        }
    }
}

/// A deadline, longer for a target that was slow before. A single slow answer must not make every
/// later hang cost minutes.
fn grown(usual: Duration, slowest: Duration) -> Duration {
    usual.max((slowest * SLOWER).min(usual * GROWTH))
}

/// A close that comes late enough is that of an idle connection, and shows nothing.
fn grown_close(usual: Duration, slowest: Duration) -> Duration {
    usual.max(grown(usual, slowest).min(CLOSE_MOST))
}

fn found(index: usize, seen: &Seen, captures: Captures) -> Found {
    Found {
        captures,
        actual: format!("{} came", seen.name()),
        index: Some(index),
        at: seen.at(),
    }
}

fn close_fits(kind: CloseKind, how: CloseHow) -> bool {
    match kind {
        CloseKind::Any => true,
        CloseKind::Fin => how == CloseHow::Fin,
        CloseKind::Rst => how != CloseHow::Fin,
    }
}

/// How the target closed, for the report.
pub(super) fn closed_text(state: &State, conn: Index) -> String {
    match state.conns.get(conn).and_then(|c| c.closed) {
        Some(closed) if closed.by == ClosedBy::Target => {
            let how = match closed.how {
                crate::outcome::How::Fin => "FIN",
                crate::outcome::How::Rst => "RST",
                crate::outcome::How::WriteError => "a write error",
            };
            format!(
                "the target closed with {how} after {} of our bytes",
                closed.after_sent
            )
        }
        _ => "the connection was closed".to_owned(),
    }
}

/// The names of messages that came and were passed over.
pub(super) fn passed_over(state: &State, conn: Index, from: usize) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut more = 0_usize;
    for seen in state.log.iter().skip(from) {
        if seen.conn != conn || seen.close().is_some() || !seen.is_message() {
            continue;
        }
        let name = seen.name();
        if names.last() == Some(&name) {
            continue;
        }
        if names.len() < SHOWN {
            names.push(name);
        } else {
            more += 1;
        }
    }
    match (names.is_empty(), more) {
        (true, _) => "nothing came".to_owned(),
        (false, 0) => format!("got {}", names.join(", ")),
        (false, more) => format!("got {} and {more} more", names.join(", ")),
    }
}

/// A length of time as people say it.
pub(super) fn seconds(span: Duration) -> String {
    if span.subsec_millis() == 0 {
        format!("{} s", span.as_secs())
    } else {
        format!("{} ms", span.as_millis())
    }
}

fn all_hold(conditions: &Conditions, state: &State, conn: Index) -> Result<bool, ScenarioError> {
    let env = PlayEnv::new(state, Some(conn));
    let Some(session) = state.conns.get(conn).map(|c| &c.session) else {
        return Ok(false);
    };
    for condition in &conditions.all {
        let holds = match condition {
            // An unchoke that is taken back in the same segment lets nobody request.
            Condition::Unchoked(wanted) => {
                let wanted = wanted.eval_bool(&env)?;
                let back = if wanted { Kind::Choke } else { Kind::Unchoke };
                session.target_choking() != wanted && !state.waits(conn, back)
            }
            Condition::Interested(wanted) => {
                let wanted = wanted.eval_bool(&env)?;
                let back = if wanted {
                    Kind::NotInterested
                } else {
                    Kind::Interested
                };
                session.target_interested() == wanted && !state.waits(conn, back)
            }
            Condition::HasAll => session.target_has().is_full(),
            Condition::HasNone => {
                session.target_has().is_empty()
                    && (session.availability_seen() || quiet_opening(state, conn))
            }
            Condition::Has(pieces) => pieces
                .eval_pieces(&env)?
                .iter()
                .all(|piece| session.target_has().get(*piece)),
            Condition::Fast(wanted) => session.fast() == wanted.eval_bool(&env)?,
            Condition::Extended(wanted) => {
                (session.extended() && session.their_extended().is_some())
                    == wanted.eval_bool(&env)?
            }
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Without the fast extension a peer that has nothing may say nothing: any other message, or a
/// second of silence behind the handshakes, shows that it does.
fn quiet_opening(state: &State, conn: Index) -> bool {
    let Some(conn) = state.conns.get(conn) else {
        return false;
    };
    let session = &conn.session;
    let Some(since) = session.established_at() else {
        return false;
    };
    !session.fast()
        && (session.theirs().first_typed().is_some()
            || state.now.saturating_sub(since) >= QUIET_OPENING)
}

fn describe_state(conditions: &Conditions, state: &State, conn: Index) -> String {
    let env = PlayEnv::new(state, Some(conn));
    let word = |expr: &crate::scenario::Expr| match expr.eval_bool(&env) {
        Ok(value) => value.to_string(),
        Err(_) => "?".to_owned(),
    };
    let texts: Vec<String> = conditions
        .all
        .iter()
        .map(|condition| match condition {
            Condition::Unchoked(wanted) => format!("unchoked: {}", word(wanted)),
            Condition::Interested(wanted) => format!("interested: {}", word(wanted)),
            Condition::HasAll => "has: all".to_owned(),
            Condition::HasNone => "has: none".to_owned(),
            Condition::Has(pieces) => match pieces.eval_pieces(&env) {
                Ok(list) => format!("has: {list:?}"),
                Err(_) => "has: ?".to_owned(),
            },
            Condition::Fast(wanted) => format!("fast: {}", word(wanted)),
            Condition::Extended(wanted) => format!("extended: {}", word(wanted)),
        })
        .collect();
    format!("state {}", texts.join(", "))
}

/// What a `silence` or `never` listens for, for the report.
pub(super) fn describe_listening(of: &Listening, env: &PlayEnv<'_>) -> String {
    match of {
        Listening::All => "message".to_owned(),
        Listening::Of(patterns) => {
            let texts: Vec<String> = patterns.iter().map(|p| p.describe(env)).collect();
            texts.join(" or ")
        }
    }
}

/// How long a peer without pieces and without the fast extension may take to say so by silence.
pub(super) const QUIET_OPENING: Duration = Duration::from_secs(1);
/// Calibrated deadlines are this many times the slowest answer of their kind.
const SLOWER: u32 = 3;
/// And at most this many times the usual ones.
const GROWTH: u32 = 4;
/// Well before clients end connections on which nobody wants anything; the first do after 30 s.
const CLOSE_MOST: Duration = Duration::from_secs(25);
/// Names shown of what was passed over.
const SHOWN: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_grow_with_slow_targets_and_that_of_closes_stays_below_idle_limits() {
        let seconds = Duration::from_secs;
        assert_eq!(grown(seconds(15), seconds(4)), seconds(15));
        assert_eq!(grown(seconds(15), seconds(9)), seconds(27));
        assert_eq!(grown(seconds(15), seconds(40)), seconds(60));
        assert_eq!(grown_close(seconds(15), seconds(4)), seconds(15));
        assert_eq!(grown_close(seconds(15), seconds(7)), seconds(21));
        assert_eq!(grown_close(seconds(15), seconds(15)), seconds(25));
        assert_eq!(grown_close(seconds(60), seconds(15)), seconds(60));
    }
}
