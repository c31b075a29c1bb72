//! Steps about steps and about us: `repeat`, `use`, `check`, `measure`, `background`, `target`,
//! our own `close`.

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use super::env::delay;
use super::monitor::Background;
use super::needs::verb_name;
use super::script::{Ctx, Deadline, Flow, Stop, Weight};
use super::state::Vars;
use super::tally::StepRef;
use super::watch::{Watch, seconds};
use crate::engine::io::{CloseKind, VerbResult};
use crate::outcome::{Expected, Verdict};
use crate::scenario::ast::{
    Action, CheckOp, Citation, Comparison, Delay, Measure, OwnClose, Repeat, Stated, Step, Use,
    Verb,
};
use crate::scenario::{Expr, Pattern, ScenarioError, Template, Val, limits, sha1};
use crate::wire::hex;

impl Ctx {
    /// A block's steps, in place. What they capture stays: the parser has made names unique.
    pub(super) async fn use_block(&self, step: &Step, block: &Use, cites: &[Citation]) -> Flow {
        // A block may come before the first connection.
        let conn = self.conn_of(step).ok();
        for (name, expr) in &block.bindings {
            let value = self.env(conn, |env| expr.eval(env))?;
            self.set(name, value);
        }
        self.list(&block.body, cites).await
    }

    /// `repeat`.
    pub(super) async fn repeat(&self, step: &Step, repeat: &Repeat, cites: &[Citation]) -> Flow {
        let rounds = self.rounds(step, repeat)?;
        let before = self.with(|s| Rc::clone(&s.vars));
        if repeat.unordered {
            return self.unordered(step, repeat, &rounds, &before, cites).await;
        }
        for round in &rounds {
            for (name, value) in round {
                self.set(name, value.clone());
            }
            let result = self.list(&repeat.body, cites).await;
            self.restore(&before);
            result?;
        }
        Ok(())
    }

    /// All sends at once, then all expectations in any order.
    async fn unordered(
        &self,
        step: &Step,
        repeat: &Repeat,
        rounds: &[Vec<(String, Val)>],
        before: &Rc<Vars>,
        cites: &[Citation],
    ) -> Flow {
        let mut wanted: Vec<(&Pattern, Rc<Vars>)> = Vec::new();
        for round in rounds {
            for (name, value) in round {
                self.set(name, value.clone());
            }
            for inner in &repeat.body {
                match &inner.action {
                    Action::Expect(pattern) => {
                        if self.exists(inner)? {
                            wanted.push((pattern, self.with(|s| Rc::clone(&s.vars))));
                        }
                    }
                    _ => self.list(std::slice::from_ref(inner), cites).await?,
                }
            }
            self.restore(before);
        }
        let expects = |inner: &&Step| matches!(inner.action, Action::Expect(_));
        let inner = repeat.body.iter().find(expects).unwrap_or(step);
        // The deadline of one expectation is that of all of them: nobody knows which comes last.
        let mut acting = step.clone();
        acting.peer.clone_from(&inner.peer);
        acting.within = acting.within.or_else(|| inner.within.clone());
        self.assign(&acting, &wanted).await
    }

    /// The variables of every round: `each` combined, the last one fastest, `times` over.
    fn rounds(&self, step: &Step, repeat: &Repeat) -> Flow<Vec<Vec<(String, Val)>>> {
        let conn = self.conn_of(step).ok();
        let times = match &repeat.times {
            Some(expr) => self.env(conn, |env| expr.eval_u64(env))?,
            None => 1,
        };
        let mut rounds: Vec<Vec<(String, Val)>> = vec![Vec::new()];
        for (name, expr) in &repeat.each {
            let values = match self.env(conn, |env| expr.eval(env))? {
                Val::List(values) => values,
                other => vec![other],
            };
            let mut next = Vec::new();
            for round in &rounds {
                for value in &values {
                    let mut round = round.clone();
                    round.push((name.clone(), value.clone()));
                    next.push(round);
                }
            }
            rounds = next;
            self.bounded(step, rounds.len() as u64)?;
        }
        let total = (rounds.len() as u64).saturating_mul(times);
        self.bounded(step, total.saturating_mul(repeat.body.len() as u64))?;
        let one = rounds.clone();
        rounds.clear();
        for _ in 0..times {
            rounds.extend(one.iter().cloned());
        }
        Ok(rounds)
    }

    fn bounded(&self, step: &Step, steps: u64) -> Flow {
        if steps > limits::STEPS {
            return Err(Stop::Error(format!(
                "{}: {steps} steps are more than {}",
                step.span,
                limits::STEPS
            )));
        }
        Ok(())
    }

    /// `check`.
    pub(super) fn check(&self, step: &Step, comparisons: &[Comparison]) -> Flow {
        let conn = self.conn_of(step).ok();
        for comparison in comparisons {
            let (actual, wanted) = self.env(conn, |env| {
                Ok::<_, ScenarioError>((comparison.actual.eval(env)?, comparison.wanted.eval(env)?))
            })?;
            if compare(comparison, &actual, &wanted)? {
                continue;
            }
            let text = show(&actual);
            let expected = Expected::new(
                format!("{} {}", sign(comparison.op), show(&wanted)),
                format!("it is {text}"),
            );
            let id = conn.map(|conn| self.id(conn));
            let actual = format!("the value is {text}");
            return Err(Stop::miss(Weight::Judged, id, vec![expected], actual));
        }
        Ok(())
    }

    /// `measure`: info at worst, unless `fail_if`.
    pub(super) async fn measure(&self, measure: &Measure, cites: &[Citation]) -> Flow {
        let mut watch = Watch::arm(self, &measure.until)?;
        let conn = watch.conn;
        self.end_burst(conn);
        let max = self.env(Some(conn), |env| delay(&measure.max, env))?;
        let max = self.scaled(max);
        let began = self.with(|state| {
            let provoked = state
                .conns
                .get(conn)
                .and_then(super::conn::Conn::provoked_at);
            provoked.unwrap_or(state.now)
        });
        self.with(|state| state.idle = measure.idle);
        let found = self
            .uncounted(self.first_of(std::slice::from_mut(&mut watch), conn, max))
            .await;
        self.with(|state| state.idle = false);
        let found = found?;
        let (took, came) = match found {
            Some((_, found)) => {
                let took = found.at.saturating_sub(began);
                if let Some(index) = found.index {
                    self.move_cursor(conn, index + 1);
                }
                self.keep(found.captures);
                (took, true)
            }
            None => (max, false),
        };
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.set(&measure.name, Val::Int(millis.into()));
        let id = self.id(conn);
        let (expected, missed) = self.with(|state| {
            let value = if came { json!(millis) } else { json!(null) };
            state.observations.insert(measure.name.clone(), value);
            let closed = state.conns.get(conn).is_some_and(|c| c.target_closed);
            let missed = if closed {
                super::watch::closed_text(state, conn)
            } else {
                format!("not within {}", seconds(max))
            };
            (watch.expected(state, max), missed)
        });
        if let Some(fail_if) = &measure.fail_if {
            // What is measured to be judged is no news unless it is bad.
            if !self.env(Some(conn), |env| fail_if.eval_bool(env))? {
                return Ok(());
            }
            let actual = if came {
                format!("{} took {}", measure.name, seconds(took))
            } else {
                missed
            };
            return Err(Stop::miss(Weight::Judged, Some(id), vec![expected], actual));
        }
        if !came {
            let place = StepRef::new(&measure.until, cites);
            self.with(|state| {
                let now = state.now;
                let stated = Some(Stated::Info);
                state
                    .tally
                    .miss(&place, vec![expected], missed, Some(id), now, stated);
            });
        }
        Ok(())
    }

    /// `background`.
    pub(super) fn background(
        &self,
        step: &Step,
        send: &[Template],
        every: &Delay,
        until: Option<&str>,
    ) -> Flow {
        let conn = self.conn_of(step)?;
        let every = self.env(Some(conn), |env| delay(every, env))?;
        let mut messages = Vec::new();
        for template in send {
            messages.push(self.message(conn, template)?);
        }
        self.with(|state| {
            state.backgrounds.push(Background {
                conn,
                send: messages,
                every: every.max(BACKGROUND_MIN),
                next: state.now + every,
                until: until.map(str::to_owned),
            });
        });
        Ok(())
    }

    /// `target`: a verb of the driver.
    pub(super) async fn verb(&self, step: &Step, verb: Verb, args: &[Expr]) -> Flow {
        let conn = self.conn_of(step).ok();
        let mut command = verb_name(verb).to_owned();
        for arg in args {
            let value = self.env(conn, |env| arg.eval(env))?;
            command.push(' ');
            command.push_str(&show(&value));
        }
        let id = self.with(|state| {
            state.event(None, "verb", Some(command.clone()));
            state.altered |= alters(verb);
            state.verb(command.clone())
        });
        let until = Deadline::At(self.now() + VERB);
        let waiting = self.wait(until, |state| Ok(state.verbs.remove(&id)));
        let (verdict, actual) = match self.uncounted(waiting).await? {
            Some(VerbResult::Done(_)) => {
                if verb == Verb::Restart {
                    self.with(|state| state.judge.handle_restart());
                }
                return Ok(());
            }
            Some(VerbResult::Unknown) => (
                Verdict::Skip,
                format!("the target's driver does not know `{command}`"),
            ),
            Some(VerbResult::Cannot(why)) => (Verdict::Skip, format!("no `{command}`: {why}")),
            Some(VerbResult::Failed(why)) => {
                (Verdict::Inconclusive, format!("`{command}` failed: {why}"))
            }
            None => (
                Verdict::Inconclusive,
                format!("`{command}` did not end within {}", seconds(VERB)),
            ),
        };
        Err(Stop::Decided { verdict, actual })
    }

    /// We close every connection of the name.
    pub(super) fn close(&self, step: &Step, how: OwnClose) -> Flow {
        let latest = self.conn_of(step)?;
        let how = match how {
            OwnClose::Fin => CloseKind::Fin,
            OwnClose::Rst => CloseKind::Rst,
        };
        // A `repeat` opens many of one name.
        for conn in 0..=latest {
            let same = self.with(|state| {
                let name = |index: usize| state.conns.get(index).map(|c| &c.peer);
                name(conn) == name(latest)
            });
            if same {
                self.end_burst(conn);
                self.with(|state| state.close(conn, how));
            }
        }
        Ok(())
    }
}

fn compare(comparison: &Comparison, actual: &Val, wanted: &Val) -> Result<bool, ScenarioError> {
    let fault = |message: String| ScenarioError::runtime(&comparison.span, message);
    Ok(match (comparison.op, actual, wanted) {
        (CheckOp::Eq, a, b) => a.same(b),
        (CheckOp::Ne, a, b) => !a.same(b),
        (CheckOp::That, a, _) => *a == Val::Bool(true),
        (CheckOp::Lt, Val::Int(a), Val::Int(b)) => a < b,
        (CheckOp::Le, Val::Int(a), Val::Int(b)) => a <= b,
        (CheckOp::Gt, Val::Int(a), Val::Int(b)) => a > b,
        (CheckOp::Ge, Val::Int(a), Val::Int(b)) => a >= b,
        // A list is in a list if each of its entries is.
        (CheckOp::In, Val::List(some), Val::List(list)) => some
            .iter()
            .all(|one| list.iter().any(|entry| one.same(entry))),
        (CheckOp::In, a, Val::List(list)) => list.iter().any(|entry| a.same(entry)),
        (CheckOp::Len, Val::Bytes(a), Val::Int(n)) => a.len() as i128 == *n,
        (CheckOp::Len, Val::List(a), Val::Int(n)) => a.len() as i128 == *n,
        (CheckOp::Sha1, a, Val::Bytes(hash)) => {
            let mut bytes = Vec::new();
            gather(&mut bytes, a).map_err(fault)?;
            sha1(&bytes).as_slice() == hash.as_ref()
        }
        (op, a, b) => {
            return Err(fault(format!(
                "`{}` cannot compare {} and {}",
                sign(op),
                a.kind(),
                b.kind()
            )));
        }
    })
}

/// Bytes, or a list of bytes one after another.
fn gather(into: &mut Vec<u8>, value: &Val) -> Result<(), String> {
    match value {
        Val::Bytes(bytes) => into.extend_from_slice(bytes),
        Val::List(list) => {
            for entry in list {
                gather(into, entry)?;
            }
        }
        other => return Err(format!("no SHA-1 of {}", other.kind())),
    }
    Ok(())
}

fn sign(op: CheckOp) -> &'static str {
    match op {
        CheckOp::Eq => "==",
        CheckOp::Ne => "!=",
        CheckOp::Lt => "<",
        CheckOp::Le => "<=",
        CheckOp::Gt => ">",
        CheckOp::Ge => ">=",
        CheckOp::In => "in",
        CheckOp::Sha1 => "sha1",
        CheckOp::Len => "len",
        CheckOp::That => "is",
    }
}

/// A value as reports show it.
fn show(value: &Val) -> String {
    match value {
        Val::Int(n) => n.to_string(),
        Val::Bool(b) => b.to_string(),
        Val::Text(text) => text.to_string(),
        Val::Bytes(bytes) => {
            let shown = bytes.get(..20).unwrap_or(bytes);
            let more = if shown.len() < bytes.len() { "…" } else { "" };
            format!("{}{more}", hex::encode(shown))
        }
        Val::List(list) => {
            let texts: Vec<String> = list.iter().take(20).map(show).collect();
            let more = if list.len() > 20 { ", …" } else { "" };
            format!("[{}{more}]", texts.join(", "))
        }
    }
}

/// Shortest time between two background messages.
const BACKGROUND_MIN: Duration = Duration::from_millis(1);
/// Whether no step takes back what a verb does: a dropped piece stays away, and a case that ends
/// early leaves limits and trackers as they are.
fn alters(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Discard | Verb::SwitchTracker | Verb::Connections | Verb::Select
    )
}

/// For a driver's verb.
const VERB: Duration = Duration::from_secs(60);
