//! The course of a case: given, proof of life, steps, after, end (SCENARIOS 3.1, 3.15, 3.16).
//!
//! A case is one coroutine. Its only way to wait is [`Ctx::wait`]: until something arrives or a
//! deadline passes. Whoever drives it polls it after each arrival, so that steps see things in the
//! order in which they came.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::conn::{Index, id_of};
use super::env::{PlayEnv, delay};
use super::monitor;
use super::state::{Interrupt, Stage, State};
use super::tally::{StepRef, verdict_of};
use super::watch::seconds;
use crate::outcome::{Expected, Verdict};
use crate::scenario::ast::{Action, Case, Citation, Proof, Stated, Step};
use crate::scenario::{Captures, Expr, ScenarioError, Val};
use crate::trace::ConnId;

/// The state of a play, shared between the script and whoever feeds it.
#[derive(Clone)]
pub(super) struct Ctx {
    state: Rc<RefCell<State>>,
}

/// Why a list of steps did not come to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The step was not met.
    Miss(Box<Miss>),
    /// The author's own verdict on what happened.
    Decided { verdict: Verdict, actual: String },
    /// Something from outside ended it.
    Interrupted,
    /// We could not do our part.
    Error(String),
    /// It is in the tally already.
    Ended,
}

/// A step that was not met.
#[derive(Debug)]
pub(super) struct Miss {
    pub(super) expected: Vec<Expected>,
    pub(super) actual: String,
    pub(super) conn: Option<ConnId>,
    pub(super) weight: Weight,
}

/// What a miss says about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// As much as the cited level allows.
    Judged,
    /// Fail at any level: hang, misread stream, corrupt data.
    Grave,
    /// Nothing.
    Inconclusive,
}

/// How a list of steps or a step went.
pub(super) type Flow<T = ()> = Result<T, Stop>;

impl From<ScenarioError> for Stop {
    fn from(error: ScenarioError) -> Self {
        Self::Error(error.to_string())
    }
}

impl Stop {
    pub(super) fn miss(
        weight: Weight,
        conn: Option<ConnId>,
        expected: Vec<Expected>,
        actual: impl Into<String>,
    ) -> Self {
        Self::Miss(Box::new(Miss {
            expected,
            actual: actual.into(),
            conn,
            weight,
        }))
    }
}

/// Until when to wait.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deadline {
    /// This moment.
    At(Duration),
    /// So long after the last byte of the provocation on a connection, and after `from`. A message
    /// that has begun when it passes extends it once.
    After {
        conn: Index,
        from: Duration,
        span: Duration,
        extended: bool,
    },
}

impl Deadline {
    /// Puts its passing into the transcript.
    fn note(self, state: &mut State) {
        let Self::After { conn, span, .. } = self else {
            return;
        };
        let id = state.conns.get(conn).map(|c| c.id);
        let text = format!("{} have passed", seconds(span));
        state.event(id, "deadline", Some(text));
    }

    fn due(&mut self, state: &State) -> Option<Duration> {
        match self {
            Self::At(at) => Some(*at),
            Self::After {
                conn,
                from,
                span,
                extended,
            } => {
                let conn = state.conns.get(*conn)?;
                let at = conn.provoked_at()?.max(*from) + *span;
                let begun = conn.received.pending().is_some_and(|p| p.since <= at);
                if state.now >= at && begun && !conn.target_closed {
                    *extended = true;
                }
                Some(if *extended { at + BEGUN } else { at })
            }
        }
    }
}

impl Ctx {
    pub(super) fn new(state: Rc<RefCell<State>>) -> Self {
        Self { state }
    }

    /// Reads or changes the state.
    pub(super) fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        action(&mut self.state.borrow_mut())
    }

    /// Evaluates something as a step on `conn` sees it.
    pub(super) fn env<T>(&self, conn: Option<Index>, action: impl FnOnce(&PlayEnv<'_>) -> T) -> T {
        let state = self.state.borrow();
        action(&PlayEnv::new(&state, conn))
    }

    /// Waits until `check` gives something. `None` when the deadline passes first.
    pub(super) async fn wait<T>(
        &self,
        mut deadline: Deadline,
        mut check: impl FnMut(&mut State) -> Flow<Option<T>>,
    ) -> Flow<Option<T>> {
        loop {
            {
                let state = &mut *self.state.borrow_mut();
                if state.interrupt.is_some() && state.stage <= Stage::After {
                    return Err(Stop::Interrupted);
                }
                state.nudge = None;
                if let Some(found) = check(state)? {
                    state.wake = None;
                    return Ok(Some(found));
                }
                let due = deadline.due(state);
                if due.is_some_and(|at| at <= state.now) {
                    state.wake = None;
                    deadline.note(state);
                    return Ok(None);
                }
                state.wake = due.into_iter().chain(state.nudge).min();
            }
            Yield { yielded: false }.await;
        }
    }

    /// Waits for a time to pass; ends early if the connection, if any, is closed by the target.
    pub(super) async fn sleep(&self, conn: Option<Index>, span: Duration) -> Flow {
        let until = self.with(|s| s.now) + span;
        self.wait(Deadline::At(until), |state| {
            let closed = conn.and_then(|index| state.conns.get(index));
            Ok(closed.is_some_and(|c| c.target_closed).then_some(()))
        })
        .await?;
        Ok(())
    }

    /// Lets time that the target may take go by without counting it towards the case's limit.
    pub(super) async fn uncounted<T>(&self, waiting: impl Future<Output = T>) -> T {
        let (limit, began) = self.with(|s| (s.limit.take(), s.now));
        let result = waiting.await;
        self.with(|s| s.limit = limit.map(|at| at + s.now.saturating_sub(began)));
        result
    }

    /// The latest connection of a step's peer.
    pub(super) fn conn_of(&self, step: &Step) -> Flow<Index> {
        let name = step.peer.as_deref().unwrap_or(DEFAULT_PEER);
        self.with(|state| state.find(name))
            .ok_or_else(|| Stop::Error(format!("{}: no connection `{name}`", step.span)))
    }

    pub(super) fn id(&self, conn: Index) -> ConnId {
        id_of(conn)
    }

    /// The time that a step has: its own, or `usual`, scaled.
    pub(super) fn span(&self, step: &Step, conn: Index, usual: Duration) -> Flow<Duration> {
        let span = match &step.within {
            Some(within) => self.env(Some(conn), |env| delay(within, env))?,
            None => usual,
        };
        Ok(self.scaled(span))
    }

    pub(super) fn scaled(&self, span: Duration) -> Duration {
        let scale = self.with(|s| s.settings.time_scale);
        if scale > 1.0 {
            span.mul_f64(scale)
        } else {
            span
        }
    }

    /// A deadline of `span` after the provocation on `conn`, or from now if that is later.
    pub(super) fn deadline(&self, conn: Index, span: Duration) -> Deadline {
        let from = self.with(|s| s.now);
        Deadline::After {
            conn,
            from,
            span,
            extended: false,
        }
    }

    /// Keeps what a match captured.
    pub(super) fn keep(&self, captures: Captures) {
        self.with(|state| {
            let vars = Rc::make_mut(&mut state.vars);
            for (name, value) in captures.set {
                vars.insert(name, value);
            }
            for (name, value) in captures.append {
                state.appended.insert(name.clone());
                match vars.entry(name).or_insert_with(|| Val::List(Vec::new())) {
                    Val::List(list) => list.push(value),
                    other => *other = Val::List(vec![value]),
                }
            }
        });
    }

    /// Sets one variable.
    pub(super) fn set(&self, name: &str, value: Val) {
        self.with(|s| Rc::make_mut(&mut s.vars).insert(name.to_owned(), value));
    }

    fn holds(&self, condition: Option<&Expr>, conn: Option<Index>) -> Flow<bool> {
        match condition {
            Some(expr) => Ok(self.env(conn, |env| expr.eval_bool(env))?),
            None => Ok(true),
        }
    }

    /// Whether a step or branch exists.
    pub(super) fn exists(&self, step: &Step) -> Flow<bool> {
        let name = step.peer.as_deref().unwrap_or(DEFAULT_PEER);
        let conn = self.with(|s| s.find(name));
        self.holds(step.when.as_ref(), conn)
    }

    /// Plays a list of steps in order. What ends it is in the tally when it returns.
    pub(super) fn list<'a>(
        &'a self,
        steps: &'a [Step],
        cites: &'a [Citation],
    ) -> Pin<Box<dyn Future<Output = Flow> + 'a>> {
        Box::pin(async move {
            for step in steps {
                let cites = if step.cites.is_empty() {
                    cites
                } else {
                    &step.cites
                };
                let result = match self.exists(step) {
                    Ok(false) => {
                        // It was passed all the same: nothing waits for its label in vain.
                        self.met(step);
                        continue;
                    }
                    Ok(true) => self.step(step, cites).await,
                    Err(stop) => Err(stop),
                };
                match result {
                    Ok(()) => self.met(step),
                    Err(stop) => {
                        if !self.settle(step, cites, stop) {
                            return Err(Stop::Ended);
                        }
                        continue;
                    }
                }
                self.list(&step.then, cites).await?;
            }
            Ok(())
        })
    }

    /// A step was met: what waited for its label ends.
    pub(super) fn met(&self, step: &Step) {
        if let Some(label) = &step.label {
            self.with(|state| monitor::end(state, label));
        }
    }

    async fn step(&self, step: &Step, cites: &[Citation]) -> Flow {
        self.with(|state| {
            // A limit or a breach may have come up between two steps that do not wait.
            match state.interrupt {
                Some(_) if state.stage <= Stage::After => Err(Stop::Interrupted),
                _ => Ok(()),
            }
        })?;
        match &step.action {
            Action::Connect(connect) => self.connect(step, connect).await,
            Action::Send(templates) => self.send(step, templates).await,
            Action::SendRaw(raw) => self.send_raw(step, raw).await,
            Action::Expect(_) | Action::Until(_) | Action::Closed(_) => self.await_one(step).await,
            Action::Next(pattern) => self.next(step, pattern).await,
            Action::AllOf(patterns) => self.all_of(step, patterns).await,
            Action::AnyOf {
                branches,
                otherwise,
            } => {
                self.any_of(step, branches, otherwise.as_deref(), cites)
                    .await
            }
            Action::Silence { span, of } => self.silence(step, span, of, cites).await,
            Action::Never { of, until } => self.never(step, of, until.as_deref(), cites),
            Action::Survives { stay, close } => self.survives(step, *stay, *close, cites).await,
            Action::Alive => self.alive(step).await,
            Action::Check(comparisons) => self.check(step, comparisons),
            Action::Measure(measure) => self.measure(measure, cites).await,
            Action::Background { send, every, until } => {
                self.background(step, send, every, until.as_deref())
            }
            Action::Repeat(repeat) => self.repeat(step, repeat, cites).await,
            Action::Use(block) => self.use_block(step, block, cites).await,
            Action::Target { verb, args } => self.verb(step, *verb, args).await,
            Action::Wait { span, .. } => self.pause(step, span).await,
            Action::Idle {
                span, until_closed, ..
            } => self.idle(step, span, *until_closed).await,
            Action::Close(how) => self.close(step, *how),
            Action::Serve(serve) => self.serve(step, serve),
            Action::Reading(on) => self.reading(step, *on),
            Action::Memory(slot) => self.memory(slot).await,
        }
    }

    /// Puts what stopped a step into the tally. True if the case goes on all the same.
    fn settle(&self, step: &Step, cites: &[Citation], stop: Stop) -> bool {
        let place = StepRef::new(step, cites);
        self.with(|state| {
            if state.stage >= Stage::After {
                // Best effort: the steps behind it are still worth trying.
                return true;
            }
            let given = state.stage == Stage::Given;
            let now = state.now;
            match stop {
                Stop::Ended => false,
                Stop::Error(_) if state.too_few.get() => {
                    let actual = "the torrent has too few pieces for this case".to_owned();
                    let skip = Verdict::Skip;
                    state
                        .tally
                        .stop_at(&place, skip, Vec::new(), actual, None, now);
                    false
                }
                Stop::Error(message) => {
                    state.tally.error(&message);
                    false
                }
                Stop::Interrupted => {
                    interrupted(state, &place);
                    false
                }
                Stop::Decided { verdict, actual } => {
                    let verdict = match verdict {
                        Verdict::Skip => Verdict::Skip,
                        _ if given => Verdict::Inconclusive,
                        other => other,
                    };
                    state
                        .tally
                        .stop_at(&place, verdict, Vec::new(), actual, None, now);
                    false
                }
                Stop::Miss(miss) => {
                    let Miss {
                        expected,
                        actual,
                        conn,
                        weight,
                    } = *miss;
                    let harmless = match step.verdict {
                        Some(Stated::Pass | Stated::Info) => true,
                        Some(Stated::Warn) => given,
                        _ => false,
                    };
                    let stated = match (given, step.verdict, weight) {
                        (true, Some(Stated::Skip), _) => Some(Stated::Skip),
                        (true, _, _) if harmless => Some(Stated::Pass),
                        (true, _, _) => Some(Stated::Inconclusive),
                        (false, None, Weight::Inconclusive) => Some(Stated::Inconclusive),
                        (false, stated, _) => stated,
                    };
                    if stated == Some(Stated::Pass) {
                        return true;
                    }
                    if weight == Weight::Grave && stated.is_none() {
                        state.tally.grave(&place, expected, actual, conn, now);
                    } else {
                        state
                            .tally
                            .miss(&place, expected, actual, conn, now, stated);
                    }
                    harmless
                }
            }
        })
    }

    /// The whole case.
    pub(super) async fn play(self) {
        let case = self.with(|s| Arc::clone(&s.play.case));
        if let Some(reason) = self.with(|s| super::needs::missing(s)) {
            self.with(|s| s.tally.stop(Verdict::Skip, reason));
            return;
        }
        self.prepare(&case);
        if self.judge(&case).await.is_err() {
            self.with(|s| s.event(None, "stopped", None));
        }
        self.finish(&case).await;
    }

    fn prepare(&self, case: &Case) {
        let limit = case.timeouts.case.unwrap_or(crate::scenario::limits::CASE);
        let limit = self.scaled(limit);
        self.with(|state| {
            state.limit = Some(state.now + limit);
            let vars = Rc::make_mut(&mut state.vars);
            for list in &case.lists {
                vars.insert(list.clone(), Val::List(Vec::new()));
            }
        });
    }

    async fn judge(&self, case: &Case) -> Flow {
        self.list(&case.given, &case.cites).await?;
        if case.proof == Proof::Asked {
            self.prove(case).await?;
        }
        self.with(|s| s.stage = Stage::Steps);
        self.list(&case.steps, &case.cites).await?;
        if case.settle {
            self.settle_owed(case).await?;
        } else if self.with(|state| forbids(state)) {
            self.uncounted(self.linger(case)).await?;
        }
        Ok(())
    }

    /// Best effort, liveness, drain, close.
    async fn finish(&self, case: &Case) {
        self.with(|state| {
            state.stage = Stage::After;
            state.idle = false;
            state.backgrounds.clear();
            state.limit = Some(state.now + AFTER);
            state.interrupt = state.interrupt.filter(|i| *i == Interrupt::Died);
        });
        if self.with(|s| s.died.is_none()) && !case.after.is_empty() {
            // Best effort: what it comes to is nobody's verdict.
            let _ = self.list(&case.after, &case.cites).await;
        }
        self.with(|state| {
            state.stage = Stage::End;
            state.limit = None;
        });
        self.check_liveness(case).await;
        self.drain().await;
    }
}

/// Whether something is forbidden that no wait was for, on a connection that stands.
fn forbids(state: &State) -> bool {
    let mut monitors = state.monitors.iter();
    let open = state.conns.iter().any(super::conn::Conn::open);
    open && monitors.any(|monitor| monitor.silence.is_none())
}

/// What an interruption means for the step in which it came.
pub(super) fn interrupted(state: &mut State, place: &StepRef) {
    let now = state.now;
    let given = state.stage == Stage::Given;
    match state.interrupt {
        Some(Interrupt::Died) => {
            let how = state.died.clone().unwrap_or_default();
            let actual = format!("target died: {how}");
            state.tally.grave(place, Vec::new(), actual, None, now);
        }
        Some(Interrupt::Flood) if !given => {
            let actual = "more than 64 MiB came unasked".to_owned();
            state.tally.grave(place, Vec::new(), actual, None, now);
        }
        Some(Interrupt::Flood) => {
            let actual = "more than 64 MiB came unasked".to_owned();
            let verdict = Verdict::Inconclusive;
            state
                .tally
                .stop_at(place, verdict, Vec::new(), actual, None, now);
        }
        Some(Interrupt::Limit) => {
            let actual = format!("the case was not over after {} s", now.as_secs());
            let verdict = Verdict::Inconclusive;
            state
                .tally
                .stop_at(place, verdict, Vec::new(), actual, None, now);
        }
        Some(Interrupt::Broken) | None => {}
    }
}

/// The verdict of a branch that decided, as a stop if it ends the case.
pub(super) fn branch_stop(stated: Option<Stated>, actual: &str) -> Option<Stop> {
    match stated {
        Some(stated @ (Stated::Skip | Stated::Inconclusive)) => Some(Stop::Decided {
            verdict: verdict_of(stated),
            actual: actual.to_owned(),
        }),
        _ => None,
    }
}

struct Yield {
    yielded: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        Poll::Pending
    }
}

/// The connection of steps that name none.
pub(super) const DEFAULT_PEER: &str = "main";
/// What a begun message adds to its deadline, once.
const BEGUN: Duration = Duration::from_secs(15);
/// Time for the steps of `after`.
const AFTER: Duration = Duration::from_secs(20);
