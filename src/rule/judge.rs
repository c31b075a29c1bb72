//! Runs the rules over the events of a case, and counts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::table::{RULES, Rule, Ruling};
use crate::requirement::Role;
use crate::session::{Event, EventKind, Session};
use crate::trace::{ConnId, What};
use crate::wire::PeerId;

/// Peer ids that are remembered.
const MAX_PEER_IDS: usize = 256;

/// What a rule may know beyond the connection.
#[derive(Debug, Clone)]
pub struct Context {
    /// What the target is in this case; `Any` where nobody knows.
    pub role: Role,
    /// Peer ids that the target had before it was started anew.
    pub earlier_peer_ids: Vec<PeerId>,
    /// Peer ids of the target since then.
    pub peer_ids: BTreeMap<ConnId, PeerId>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            role: Role::Any,
            earlier_peer_ids: Vec::new(),
            peer_ids: BTreeMap::new(),
        }
    }
}

/// A rule was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Name of the rule.
    pub rule: &'static str,
    /// The requirement it judges.
    pub requirement: &'static str,
    /// On which connection.
    pub conn: ConnId,
    /// The observation; for something that did not come, the last one before.
    pub seq: u64,
    /// When, since the case began.
    pub at: Duration,
    /// What came, with the numbers that matter.
    pub detail: String,
}

/// How often a rule was put to the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The rule.
    pub rule: &'static str,
    /// Events that concerned it.
    pub evaluated: u64,
    /// Of these, how many broke it.
    pub broken: u64,
}

/// Runs all rules over the events of one case.
#[derive(Debug, Clone)]
pub struct Judge {
    context: Context,
    off: Vec<&'static str>,
    counts: Vec<(u64, u64)>,
    last_seq: u64,
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            context: Context::default(),
            off: Vec::new(),
            counts: vec![(0, 0); RULES.len()],
            last_seq: 0,
        }
    }
}

impl Judge {
    /// With every rule on.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the target's role, where it is known.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.context.role = role;
        self
    }

    /// With these rules off, by their names; others are ignored.
    #[must_use]
    pub fn without<'a>(mut self, rules: impl IntoIterator<Item = &'a str>) -> Self {
        self.off.extend(
            rules
                .into_iter()
                .filter_map(|id| super::by_id(id))
                .map(|r| r.id),
        );
        self
    }

    /// The target's process was started anew.
    pub fn handle_restart(&mut self) {
        let ids = std::mem::take(&mut self.context.peer_ids);
        for id in ids.into_values() {
            if self.context.earlier_peer_ids.len() < MAX_PEER_IDS {
                self.context.earlier_peer_ids.push(id);
            }
        }
    }

    /// Puts an event to every rule. `session` is the one that made the event.
    pub fn handle(&mut self, event: &Event, session: &Session) -> Vec<Violation> {
        self.last_seq = self.last_seq.max(event.observation.seq);
        let mut violations = Vec::new();
        if event.received() || matches!(event.kind, EventKind::Closed(_)) {
            for (rule, count) in RULES.iter().zip(&mut self.counts) {
                if event.tainted && !rule.absolute || self.off.contains(&rule.id) {
                    continue;
                }
                match (rule.judge)(event, session, &self.context) {
                    Ruling::NotApplicable => {}
                    Ruling::Held => count.0 = count.0.saturating_add(1),
                    Ruling::Broken(detail) => {
                        count.0 = count.0.saturating_add(1);
                        count.1 = count.1.saturating_add(1);
                        violations.push(violation(rule, event, self.last_seq, detail));
                    }
                }
            }
        }
        self.context.learn(event);
        violations
    }

    /// How often each rule was put to the test, in the order of [`RULES`].
    pub fn tallies(&self) -> Vec<Tally> {
        let counts = RULES.iter().zip(&self.counts);
        counts
            .map(|(rule, (evaluated, broken))| Tally {
                rule: rule.id,
                evaluated: *evaluated,
                broken: *broken,
            })
            .collect()
    }

    /// Ends the case.
    pub fn finish(self) -> Vec<Tally> {
        self.tallies()
    }
}

impl Context {
    fn learn(&mut self, event: &Event) {
        if let What::Handshake(handshake) = &event.observation.what
            && event.received()
            && self.peer_ids.len() < MAX_PEER_IDS
        {
            self.peer_ids
                .insert(event.observation.conn, handshake.peer_id);
        }
    }
}

fn violation(rule: &Rule, event: &Event, last_seq: u64, detail: String) -> Violation {
    Violation {
        rule: rule.id,
        requirement: rule.requirement,
        conn: event.observation.conn,
        seq: match event.observation.seq {
            0 => last_seq,
            seq => seq,
        },
        at: event.observation.at,
        detail,
    }
}
