//! What goes on beside the steps: prohibitions of `never` and `silence`, background messages.

use std::rc::Rc;
use std::time::Duration;

use super::conn::Index;
use super::env::PlayEnv;
use super::seen::Seen;
use super::state::{Interrupt, Stage, State, Vars};
use super::tally::StepRef;
use crate::outcome::Expected;
use crate::scenario::ast::{Listening, Stated};
use crate::scenario::{Pattern, ScenarioError};
use crate::session::EventKind;
use crate::wire::{ExtensionMessage, Kind, Message};

/// A prohibition, armed until the end of the case or of its label.
pub(super) struct Monitor {
    /// The step that armed it.
    pub(super) step: Rc<StepRef>,
    /// Connections of this name only.
    pub(super) peer: Option<String>,
    /// What must not come, with the variables of the moment when it was armed.
    pub(super) of: Listening,
    pub(super) vars: Rc<Vars>,
    /// What its breach is worth, if the author says so.
    pub(super) verdict: Option<Stated>,
    /// Ends when the step of this label was met.
    pub(super) until: Option<String>,
    /// What is left of a `silence`: what a later message of ours asks for is no breach.
    pub(super) silence: Option<Silence>,
}

/// What is left of a `silence`, and where our stream stood when it began.
pub(super) struct Silence {
    /// The connection.
    pub(super) conn: Index,
    /// Number in the transcript.
    pub(super) seq: u64,
    /// Place in the stream of what we sent.
    pub(super) order: u64,
}

/// Messages sent again and again.
pub(super) struct Background {
    pub(super) conn: Index,
    pub(super) send: Vec<Message>,
    pub(super) every: Duration,
    pub(super) next: Duration,
    pub(super) until: Option<String>,
}

impl Background {
    /// When it wants to send, if it can.
    pub(super) fn due(&self, state: &State) -> Option<Duration> {
        let can = !state.idle
            && state
                .conns
                .get(self.conn)
                .is_some_and(super::conn::Conn::between_frames);
        can.then_some(self.next)
    }
}

/// Judges a newly arrived thing by every prohibition.
pub(super) fn check(state: &mut State, seen: &Seen) {
    if state.conns.get(seen.conn).is_some_and(|conn| conn.internal) {
        // No step opened it: it is ours, to see whether the target is still there.
        return;
    }
    let monitors = std::mem::take(&mut state.monitors);
    for monitor in &monitors {
        match monitor.broken_by(state, seen) {
            Ok(None) => {}
            Ok(Some(expected)) => {
                let actual = format!("{} came", seen.name());
                let conn = state.conns.get(seen.conn).map(|c| c.id);
                let at = seen.at();
                let harmless = matches!(monitor.verdict, Some(Stated::Pass | Stated::Info));
                let stated = match (state.stage, monitor.verdict) {
                    (Stage::Given, _) if harmless => Some(Stated::Pass),
                    (Stage::Given, Some(Stated::Skip)) => Some(Stated::Skip),
                    // A prohibition of the set-up judges nobody.
                    (Stage::Given, _) => Some(Stated::Inconclusive),
                    (_, stated) => stated,
                };
                if stated == Some(Stated::Pass) {
                    continue;
                }
                state
                    .tally
                    .miss(&monitor.step, vec![expected], actual, conn, at, stated);
                if !harmless && state.stage <= Stage::Steps && state.interrupt.is_none() {
                    state.interrupt = Some(Interrupt::Broken);
                }
            }
            Err(error) => state.tally.error(&error.to_string()),
        }
    }
    state.monitors = monitors;
}

/// Sends what is due.
pub(super) fn tick(state: &mut State) {
    let now = state.now;
    for place in 0..state.backgrounds.len() {
        let due = state.backgrounds.get(place).and_then(|b| b.due(state));
        if due.is_none_or(|at| at > now) {
            continue;
        }
        let Some(background) = state.backgrounds.get_mut(place) else {
            continue;
        };
        background.next = now + background.every;
        let (conn, messages) = (background.conn, background.send.clone());
        for message in &messages {
            state.send_auto(conn, message);
        }
    }
}

/// A step of this label was met: what waited for it ends.
pub(super) fn end(state: &mut State, label: &str) {
    state.labels.insert(label.to_owned());
    let ends = |until: &Option<String>| until.as_deref() == Some(label);
    state.monitors.retain(|monitor| !ends(&monitor.until));
    state
        .backgrounds
        .retain(|background| !ends(&background.until));
}

impl Monitor {
    /// What was expected instead, if `seen` is forbidden.
    fn broken_by(&self, state: &State, seen: &Seen) -> Result<Option<Expected>, ScenarioError> {
        if let Some(silence) = &self.silence
            && (silence.conn != seen.conn || silence.excuses(state, seen))
        {
            return Ok(None);
        }
        if let Some(peer) = &self.peer
            && state.conns.get(seen.conn).is_none_or(|c| c.peer != *peer)
        {
            return Ok(None);
        }
        let silence_all = matches!(self.of, Listening::All) && self.silence.is_some();
        if silence_all && self.asked_since(state) {
            return Ok(None);
        }
        let env = PlayEnv::with_vars(state, Some(seen.conn), &self.vars);
        forbidden(&self.of, seen, &env).map(|found| {
            found.map(|what| Expected::new(format!("no {what}"), format!("{} came", seen.name())))
        })
    }

    fn asked_since(&self, state: &State) -> bool {
        self.silence
            .as_ref()
            .is_some_and(|silence| silence.sent_later(state))
    }
}

impl Silence {
    /// Where `conn` stands now.
    pub(super) fn from_now(state: &State, conn: Index) -> Self {
        Self {
            conn,
            seq: state.latest(),
            order: state.conns.get(conn).map_or(0, |c| c.order),
        }
    }

    fn sent_later(&self, state: &State) -> bool {
        let conn = state.conns.get(self.conn);
        conn.is_some_and(|conn| conn.provoked > self.seq)
    }

    /// Whether something that we sent after the silence began may have led to it.
    fn excuses(&self, state: &State, seen: &Seen) -> bool {
        match (&seen.event.kind, seen.payload()) {
            (EventKind::Answer(answer), _) => answer.entry.order > self.order,
            (EventKind::Stray(_), _) => false,
            (
                EventKind::Extended(_),
                Some(
                    ExtensionMessage::MetadataData { piece, .. }
                    | ExtensionMessage::MetadataReject { piece },
                ),
            ) => state.conns.get(self.conn).is_some_and(|conn| {
                conn.metadata_asked
                    .iter()
                    .any(|(asked, order)| asked == piece && *order > self.order)
            }),
            // Whatever else a peer says may be said because of what we said later.
            _ => self.sent_later(state),
        }
    }
}

/// The name of what `of` forbids, if `seen` is it.
pub(super) fn forbidden(
    of: &Listening,
    seen: &Seen,
    env: &PlayEnv<'_>,
) -> Result<Option<String>, ScenarioError> {
    match of {
        Listening::All => Ok(seen.is_message().then(|| "message".to_owned())),
        Listening::Of(patterns) => {
            for pattern in patterns {
                if matches(pattern, seen, env)? {
                    return Ok(Some(pattern.describe(env)));
                }
            }
            Ok(None)
        }
    }
}

fn matches(pattern: &Pattern, seen: &Seen, env: &PlayEnv<'_>) -> Result<bool, ScenarioError> {
    match seen.view() {
        Some(view) => Ok(pattern.matches(view, env)?.is_some()),
        None => Ok(false),
    }
}

/// Kinds whose coming is the target's right: a miss says nothing about it.
pub(super) fn is_grant(kind: Kind) -> bool {
    matches!(kind, Kind::Unchoke | Kind::Interested | Kind::Request)
}
