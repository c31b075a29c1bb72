//! `expect`, `until`, `closed` alone; `next`; `all_of`; `any_of`.

use std::rc::Rc;
use std::time::Duration;

use super::conn::Index;
use super::env::PlayEnv;
use super::script::{Ctx, Flow, Stop, Weight, branch_stop};
use super::seen::Seen;
use super::state::{Stage, State, Vars};
use super::tally::StepRef;
use super::watch::{Found, Limits, Watch, closed_text, passed_over, seconds};
use crate::outcome::Expected;
use crate::scenario::ast::{Action, Citation, Stated, Step};
use crate::scenario::pattern::PatternKind;
use crate::scenario::{Captures, Pattern, ScenarioError, limits};
use crate::session::EventKind;

impl Ctx {
    /// Sends on `conn` end here: the next one begins a new burst.
    pub(super) fn end_burst(&self, conn: Index) {
        self.with(|state| {
            if let Some(conn) = state.conns.get_mut(conn) {
                conn.in_burst = false;
            }
        });
    }

    pub(super) fn cursor(&self, conn: Index) -> usize {
        self.with(|s| s.conns.get(conn).map_or(0, |c| c.cursor))
    }

    pub(super) fn move_cursor(&self, conn: Index, to: usize) {
        self.with(|state| {
            if let Some(conn) = state.conns.get_mut(conn) {
                conn.cursor = conn.cursor.max(to);
            }
        });
    }

    /// How much a miss weighs: a close before the provocation was written says nothing, nor does
    /// a miss of what is the target's right.
    fn weight(&self, step: &Step, conn: Index, grant: bool) -> Weight {
        let (unwritten, cut_short) = self.with(|state| {
            let known = state.conns.get(conn);
            let closed = known.and_then(|c| c.closed);
            let unwritten = closed.is_some_and(|c| !c.complete);
            (unwritten, known.is_some_and(|c| c.cut_short))
        });
        // Segments that the author cut provoke one by one: only a close that is waited for may
        // come too early.
        let unwritten = unwritten && (!cut_short || waits_for_close(step));
        let claimed = !step.cites.is_empty();
        if unwritten || (grant && !claimed) {
            Weight::Inconclusive
        } else {
            Weight::Judged
        }
    }

    /// `expect`, `until` or `closed` as a step.
    pub(super) async fn await_one(&self, step: &Step) -> Flow {
        let conn = self.conn_of(step)?;
        self.end_burst(conn);
        let mut watch = Watch::arm(self, step)?;
        let grant = watch.is_grant(self);
        let span = self.span(step, conn, watch.usual(self))?;
        let waiting = self.first_of(std::slice::from_mut(&mut watch), conn, span);
        let found = if grant {
            self.uncounted(waiting).await?
        } else {
            waiting.await?
        };
        match found {
            Some((_, found)) => {
                self.note_pace(step, conn, &found);
                if let Some(index) = found.index {
                    self.move_cursor(conn, index + 1);
                }
                self.keep(found.captures);
                Ok(())
            }
            None => {
                let weight = self.weight(step, conn, grant);
                let from = self.cursor(conn);
                let (expected, actual) = self.with(|state| {
                    let actual = match &watch.dead {
                        Some(why) => format!("{why}; {}", passed_over(state, conn, from)),
                        None => passed_over(state, conn, from),
                    };
                    (watch.expected(state, span), actual)
                });
                Err(Stop::miss(
                    weight,
                    Some(self.id(conn)),
                    vec![expected],
                    actual,
                ))
            }
        }
    }

    /// Notes how slow the target is with what is its right and with closes.
    fn note_pace(&self, step: &Step, conn: Index, found: &Found) {
        self.with(|state| {
            let provoked = state.conns.get(conn).and_then(|c| c.provocation_at);
            let Some(base) = provoked else { return };
            let took = found.at.saturating_sub(base);
            match &step.action {
                // What comes later may be the end of an idle connection.
                Action::Closed(_) if took <= limits::CLOSE => {
                    state.slowest.close = state.slowest.close.max(took);
                }
                Action::Until(_) => state.slowest.grant = state.slowest.grant.max(took),
                _ => {}
            }
        });
    }

    /// Waits until one of `watches` is met; the first arrival decides, the upper watch a tie.
    /// `None` when the time is over or none can be met any more.
    pub(super) async fn first_of(
        &self,
        watches: &mut [Watch<'_>],
        conn: Index,
        span: Duration,
    ) -> Flow<Option<(usize, Found)>> {
        let armed = self.with(|s| s.now);
        let mut scanned: Vec<usize> = watches.iter().map(|w| self.cursor(w.conn)).collect();
        let deadline = self.deadline(conn, span);
        let outcome = self
            .wait(deadline, |state| {
                let found = scan(state, watches, &mut scanned, armed)?;
                if found.is_some() {
                    return Ok(found.map(Some));
                }
                if let Some(silent) = silence_over(state, watches, armed) {
                    return Ok(Some(Some(silent)));
                }
                state.nudge = watches.iter().filter_map(|w| w.nudge(state, armed)).min();
                let all_dead = watches.iter().all(|watch| watch.dead.is_some());
                Ok(all_dead.then_some(None))
            })
            .await?;
        Ok(outcome.flatten())
    }

    /// `any_of`.
    pub(super) async fn any_of(
        &self,
        step: &Step,
        branches: &[Step],
        otherwise: Option<&[Step]>,
        cites: &[Citation],
    ) -> Flow {
        let conn = self.conn_of(step)?;
        let mut watches = Vec::new();
        for branch in branches {
            if self.exists(branch)? {
                let watch = Watch::arm(self, branch)?;
                self.end_burst(watch.conn);
                watches.push(watch);
            }
        }
        let conn = watches.first().map_or(conn, |watch| watch.conn);
        let judges = |watch: &&Watch<'_>| {
            let stated = watch.step.verdict;
            !matches!(stated, Some(Stated::Inconclusive | Stated::Skip))
        };
        // What excuses the target needs no time of its own, unless every branch does.
        let usual = |watch: &Watch<'_>| watch.usual(self);
        let judging = watches.iter().filter(judges).map(usual).max();
        let usual = judging.or_else(|| watches.iter().map(usual).max());
        let span = self.span(step, conn, usual.unwrap_or(Duration::ZERO))?;
        let grant = watches.iter().any(|watch| watch.is_grant(self));
        let waiting = self.first_of(&mut watches, conn, span);
        let found = if grant {
            self.uncounted(waiting).await?
        } else {
            waiting.await?
        };
        let Some((place, found)) = found else {
            return self
                .undecided(step, conn, &watches, span, otherwise, cites)
                .await;
        };
        let Some(watch) = watches.get(place) else {
            return Ok(());
        };
        if let Some(index) = found.index {
            self.move_cursor(watch.conn, index + 1);
        }
        self.decide(watch, found, cites).await
    }

    async fn undecided(
        &self,
        step: &Step,
        conn: Index,
        watches: &[Watch<'_>],
        span: Duration,
        otherwise: Option<&[Step]>,
        cites: &[Citation],
    ) -> Flow {
        if let Some(steps) = otherwise {
            return self.list(steps, cites).await;
        }
        let weight = self.weight(step, conn, false);
        let from = self.cursor(conn);
        let (expected, actual) = self.with(|state| {
            let expected: Vec<Expected> = watches.iter().map(|w| w.expected(state, span)).collect();
            let closed = state.conns.get(conn).is_some_and(|c| c.target_closed);
            let passed = passed_over(state, conn, from);
            let actual = if closed {
                format!("{}; {passed}", closed_text(state, conn))
            } else {
                passed
            };
            (expected, actual)
        });
        Err(Stop::miss(weight, Some(self.id(conn)), expected, actual))
    }

    /// A branch has decided: its verdict, its captures for its `then`.
    async fn decide(&self, watch: &Watch<'_>, found: Found, cites: &[Citation]) -> Flow {
        let branch = watch.step;
        let cites = if branch.cites.is_empty() {
            cites
        } else {
            &branch.cites
        };
        if let Some(stop) = branch_stop(branch.verdict, &with_note(branch, &found.actual)) {
            return Err(stop);
        }
        let ends = self.state_verdict(branch, cites, &found, watch.conn);
        if ends {
            return Err(Stop::Ended);
        }
        self.met(branch);
        let before = self.with(|s| Rc::clone(&s.vars));
        self.keep(found.captures);
        let result = self.list(&branch.then, cites).await;
        self.restore(&before);
        result
    }

    /// Puts a branch's `info`, `warn` or `fail` into the tally. True if that ends the case.
    fn state_verdict(&self, branch: &Step, cites: &[Citation], found: &Found, conn: Index) -> bool {
        let Some(stated @ (Stated::Info | Stated::Warn | Stated::Fail)) = branch.verdict else {
            return false;
        };
        let place = StepRef::new(branch, cites);
        let id = self.id(conn);
        self.with(|state| {
            let given = state.stage == Stage::Given;
            match (given, stated) {
                (true, Stated::Fail) => {
                    let stated = Some(Stated::Inconclusive);
                    let actual = found.actual.clone();
                    state
                        .tally
                        .miss(&place, Vec::new(), actual, Some(id), found.at, stated);
                    true
                }
                (true, _) => false,
                // Corrupt data are a fail at any level.
                (false, Stated::Fail) if found.index.is_some_and(|at| corrupt(state, at)) => {
                    let actual = found.actual.clone();
                    state
                        .tally
                        .grave(&place, Vec::new(), actual, Some(id), found.at);
                    true
                }
                (false, stated) => {
                    let actual = found.actual.clone();
                    state
                        .tally
                        .miss(&place, Vec::new(), actual, Some(id), found.at, Some(stated));
                    stated == Stated::Fail
                }
            }
        })
    }

    /// Puts variables back as they were, but for the lists that `append` has filled since.
    pub(super) fn restore(&self, before: &Rc<Vars>) {
        self.with(|state| {
            let mut vars = (**before).clone();
            for name in &state.appended {
                if let Some(list) = state.vars.get(name) {
                    vars.insert(name.clone(), list.clone());
                }
            }
            state.vars = Rc::new(vars);
        });
    }

    /// `next`: the very next message that is not a keep-alive.
    pub(super) async fn next(&self, step: &Step, pattern: &Pattern) -> Flow {
        let conn = self.conn_of(step)?;
        self.end_burst(conn);
        let usual = self.with(|s| Limits::of(s).answer);
        let span = self.span(step, conn, usual)?;
        let mut scan = self.cursor(conn);
        let handshake = pattern.what == PatternKind::Handshake;
        let deadline = self.deadline(conn, span);
        let found = self
            .wait(deadline, |state| {
                while let Some(seen) = state.log.get(scan).map(Rc::clone) {
                    scan += 1;
                    let counts = seen.is_message() || (handshake && seen.view().is_some());
                    if seen.conn == conn && (counts || seen.close().is_some()) {
                        return Ok(Some((scan, judge_next(state, conn, pattern, &seen)?)));
                    }
                }
                Ok(None)
            })
            .await?;
        let what = self.env(Some(conn), |env| pattern.describe(env));
        let (missed, actual) = match found {
            Some((behind, Ok(captures))) => {
                self.move_cursor(conn, behind);
                self.keep(captures);
                return Ok(());
            }
            Some((_, Err(actual))) => (actual.clone(), actual),
            None => (
                format!("not within {}", seconds(span)),
                "nothing came".to_owned(),
            ),
        };
        let weight = self.weight(step, conn, false);
        let expected = vec![Expected::new(format!("next {what}"), missed)];
        Err(Stop::miss(weight, Some(self.id(conn)), expected, actual))
    }

    /// `all_of`: each pattern its own message.
    pub(super) async fn all_of(&self, step: &Step, patterns: &[Pattern]) -> Flow {
        let vars = self.with(|s| Rc::clone(&s.vars));
        let wanted: Vec<(&Pattern, Rc<Vars>)> =
            patterns.iter().map(|p| (p, Rc::clone(&vars))).collect();
        self.assign(step, &wanted).await
    }

    /// Finds a message of its own for each pattern, each with its own variables.
    pub(super) async fn assign(&self, step: &Step, wanted: &[(&Pattern, Rc<Vars>)]) -> Flow {
        let conn = self.conn_of(step)?;
        self.end_burst(conn);
        let usual = self.with(|s| Limits::of(s).answer);
        let span = self.span(step, conn, usual)?;
        let mut scan = self.cursor(conn);
        let mut matching = Matching::new(wanted.len());
        let mut closed = false;
        let deadline = self.deadline(conn, span);
        self.wait(deadline, |state| {
            while let Some(seen) = state.log.get(scan).map(Rc::clone) {
                scan += 1;
                if seen.conn != conn {
                    continue;
                }
                if seen.close().is_some() {
                    closed = true;
                    break;
                }
                matching.offer(state, conn, scan - 1, &seen, wanted)?;
                if matching.complete() {
                    break;
                }
            }
            Ok((closed || matching.complete()).then_some(()))
        })
        .await?;
        if matching.complete() {
            self.move_cursor(conn, matching.behind());
            for captures in matching.into_captures() {
                self.keep(captures);
            }
            return Ok(());
        }
        let weight = self.weight(step, conn, false);
        let from = self.cursor(conn);
        let (expected, actual) = self.with(|state| {
            let missed = if closed {
                closed_text(state, conn)
            } else {
                format!("not within {}", seconds(span))
            };
            let open = wanted.iter().zip(matching.taken());
            let expected = open
                .filter(|(_, taken)| !taken)
                .map(|((pattern, vars), _)| {
                    let env = PlayEnv::with_vars(state, Some(conn), vars);
                    Expected::new(pattern.describe(&env), missed.clone())
                })
                .collect();
            let passed = passed_over(state, conn, from);
            let actual = if closed {
                format!("{missed}; {passed}")
            } else {
                passed
            };
            (expected, actual)
        });
        Err(Stop::miss(weight, Some(self.id(conn)), expected, actual))
    }
}

/// Whether an entry of the log is a block with other bytes than the torrent's.
fn corrupt(state: &State, index: usize) -> bool {
    let seen = state.log.get(index);
    seen.is_some_and(|seen| match &seen.event.kind {
        EventKind::Answer(answer) => answer.corrupt.is_some() && !answer.entry.marks.any(),
        _ => false,
    })
}

/// Whether a close can be what the step asks for.
fn waits_for_close(step: &Step) -> bool {
    match &step.action {
        Action::Closed(_) => true,
        Action::AnyOf { branches, .. } => branches.iter().any(waits_for_close),
        _ => false,
    }
}

/// The first arrival from where each watch stands that satisfies one.
fn scan(
    state: &State,
    watches: &mut [Watch<'_>],
    scanned: &mut [usize],
    armed: Duration,
) -> Result<Option<(usize, Found)>, ScenarioError> {
    for (place, watch) in watches.iter().enumerate() {
        if let Some(found) = watch.holds(state)? {
            return Ok(Some((place, found)));
        }
    }
    let from = scanned.iter().copied().min().unwrap_or(0);
    for index in from..state.log.len() {
        let Some(seen) = state.log.get(index) else {
            break;
        };
        for (place, watch) in watches.iter_mut().enumerate() {
            let Some(next) = scanned.get_mut(place) else {
                continue;
            };
            if *next > index {
                continue;
            }
            *next = index + 1;
            if let Some(found) = watch.look(state, index, seen, armed)? {
                return Ok(Some((place, found)));
            }
        }
    }
    Ok(None)
}

/// A silence whose time is over, unbroken.
fn silence_over(state: &State, watches: &[Watch<'_>], armed: Duration) -> Option<(usize, Found)> {
    let over = |watch: &Watch<'_>| {
        watch.dead.is_none()
            && watch
                .silent_until(state, armed)
                .is_some_and(|at| at <= state.now)
    };
    let place = watches.iter().position(over)?;
    Some((
        place,
        Found {
            captures: Captures::default(),
            actual: "nothing of it came".to_owned(),
            index: None,
            at: state.now,
        },
    ))
}

fn judge_next(
    state: &State,
    conn: Index,
    pattern: &Pattern,
    seen: &Seen,
) -> Result<Result<Captures, String>, ScenarioError> {
    if seen.close().is_some() {
        return Ok(Err(closed_text(state, conn)));
    }
    let env = PlayEnv::new(state, Some(conn));
    let Some(view) = seen.view() else {
        return Ok(Err(format!("{} came", seen.name())));
    };
    Ok(match pattern.matches(view, &env)? {
        Some(captures) => Ok(captures),
        None => Err(match pattern.miss(view, &env) {
            Some(why) => format!("{} came: {why}", seen.name()),
            None => format!("{} came", seen.name()),
        }),
    })
}

fn with_note(step: &Step, actual: &str) -> String {
    match &step.note {
        Some(note) => format!("{actual}: {note}"),
        None => actual.to_owned(),
    }
}

/// Messages and patterns, each used at most once (SCENARIOS 3.20).
struct Matching {
    /// For each message: its place in the log, and which patterns it fits with what captured.
    offers: Vec<Offer>,
    /// For each pattern: which of the offers serves it.
    serves: Vec<Option<usize>>,
}

struct Offer {
    index: usize,
    fits: Vec<(usize, Captures)>,
}

impl Matching {
    fn new(patterns: usize) -> Self {
        Self {
            offers: Vec::new(),
            serves: vec![None; patterns],
        }
    }

    fn complete(&self) -> bool {
        self.serves.iter().all(Option::is_some)
    }

    fn taken(&self) -> impl Iterator<Item = bool> + '_ {
        self.serves.iter().map(Option::is_some)
    }

    /// Where the cursor goes: behind the last message used.
    fn behind(&self) -> usize {
        let used = self.serves.iter().flatten();
        let places = used.filter_map(|offer| self.offers.get(*offer).map(|o| o.index + 1));
        places.max().unwrap_or(0)
    }

    fn offer(
        &mut self,
        state: &State,
        conn: Index,
        index: usize,
        seen: &Seen,
        wanted: &[(&Pattern, Rc<Vars>)],
    ) -> Result<(), ScenarioError> {
        let Some(view) = seen.view() else {
            return Ok(());
        };
        let mut fits = Vec::new();
        for (place, (pattern, vars)) in wanted.iter().enumerate() {
            let env = PlayEnv::with_vars(state, Some(conn), vars);
            if let Some(captures) = pattern.matches(view, &env)? {
                fits.push((place, captures));
            }
        }
        if fits.is_empty() {
            return Ok(());
        }
        self.offers.push(Offer { index, fits });
        let mut tried = vec![false; self.serves.len()];
        let newest = self.offers.len() - 1;
        self.place(newest, &mut tried);
        Ok(())
    }

    /// Gives `offer` a pattern, moving others where that frees one.
    fn place(&mut self, offer: usize, tried: &mut [bool]) -> bool {
        let fits: Vec<usize> = self
            .offers
            .get(offer)
            .map(|o| o.fits.iter().map(|(place, _)| *place).collect())
            .unwrap_or_default();
        for pattern in fits {
            match tried.get_mut(pattern) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            let free = match self.serves.get(pattern).copied().flatten() {
                None => true,
                Some(other) => self.place(other, tried),
            };
            if free {
                if let Some(slot) = self.serves.get_mut(pattern) {
                    *slot = Some(offer);
                }
                return true;
            }
        }
        false
    }

    fn into_captures(mut self) -> Vec<Captures> {
        let serves = std::mem::take(&mut self.serves);
        serves
            .into_iter()
            .enumerate()
            .filter_map(|(pattern, offer)| {
                let offer = self.offers.get(offer?)?;
                let (_, captures) = offer.fits.iter().find(|(place, _)| *place == pattern)?;
                Some(captures.clone())
            })
            .collect()
    }
}
