//! The target's deadlines.

use std::time::Duration;

use super::connection::Session;
use super::event::{Duty, Event, EventKind};
use crate::trace::{Dir, Observation, What};

/// BEP 6 and BEP 10 say "immediately"; clients with a slow tick need seconds (aria2: 4).
pub const OPENING: Duration = Duration::from_secs(15);
/// BEP 3: "generally sent once every two minutes", and ten seconds for the way.
pub const KEEP_ALIVE: Duration = Duration::from_secs(130);
/// Four times the patience that a case has for one answer.
pub const ANSWER: Duration = Duration::from_secs(60);

impl Session {
    /// Both handshakes are complete.
    pub(super) fn establish(&mut self, at: Duration) {
        if self.established_at.is_some()
            || self.ours.handshake.is_none()
            || self.theirs.handshake.is_none()
        {
            return;
        }
        self.established_at = Some(at);
        if self.closed.is_some() {
            // The handshake crossed our end of the connection: nothing is due any more.
            return;
        }
        self.timers.heard = Some(at);
        self.timers.answered = at;
        // Who dials may have said both behind its handshake, before ours was there.
        if self.fast() && self.theirs.first_typed.is_none() {
            self.timers.availability = Some(at.saturating_add(OPENING));
        }
        if self.extended() && self.theirs.extended_handshakes == 0 {
            self.timers.extended = Some(at.saturating_add(OPENING));
        }
    }

    pub(super) fn heard(&mut self, at: Duration) {
        if self.timers.heard.is_some() {
            self.timers.heard = Some(at);
            self.timers.gap_reported = false;
        }
    }

    pub(super) fn stop_timers(&mut self) {
        self.timers.availability = None;
        self.timers.extended = None;
        self.timers.heard = None;
    }

    pub(super) fn pause(&mut self, paused: bool, at: Duration) {
        self.timers.paused = paused;
        if paused || self.timers.heard.is_none() {
            return;
        }
        let later = |deadline: Option<Duration>| {
            deadline.map(|deadline| deadline.max(at.saturating_add(OPENING)))
        };
        self.timers.availability = later(self.timers.availability);
        self.timers.extended = later(self.timers.extended);
        self.timers.heard = Some(at);
        self.timers.gap_reported = false;
        self.timers.answered = at;
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines().map(|(at, _)| at).min()
    }

    /// Reports the deadlines before `at`, or also the one at `at`, in their order.
    pub(super) fn overdue(&mut self, at: Duration, inclusive: bool) {
        loop {
            let passed = self
                .deadlines()
                .filter(|(deadline, _)| *deadline < at || inclusive && *deadline == at)
                .min_by_key(|(deadline, _)| *deadline);
            let Some((deadline, duty)) = passed else {
                return;
            };
            match &duty {
                Duty::Availability => self.timers.availability = None,
                Duty::ExtendedHandshake => self.timers.extended = None,
                Duty::KeepAlive => self.timers.gap_reported = true,
                Duty::Answer(entry) => {
                    self.timers.late.insert(entry.id);
                }
            }
            let gap = self
                .timers
                .heard
                .map_or(Duration::ZERO, |heard| deadline.saturating_sub(heard));
            self.events.push_back(Event {
                observation: Observation::new(self.conn, Dir::Received, deadline, What::Quiet),
                payload: None,
                kind: EventKind::Overdue(duty),
                order: self.theirs.order,
                typed: 0,
                gap,
                tainted: self.tainted,
            });
        }
    }

    fn deadlines(&self) -> impl Iterator<Item = (Duration, Duty)> + use<> {
        let timers = &self.timers;
        let running = !timers.paused && timers.heard.is_some();
        let keep_alive = timers
            .heard
            .filter(|_| !timers.gap_reported)
            .map(|heard| (heard.saturating_add(KEEP_ALIVE), Duty::KeepAlive));
        let all = [
            timers.availability.map(|at| (at, Duty::Availability)),
            timers.extended.map(|at| (at, Duty::ExtendedHandshake)),
            keep_alive,
            self.answer_deadline(),
        ];
        all.into_iter().flatten().filter(move |_| running)
    }

    /// The oldest request that has to be answered and was not reported yet. Its time starts again
    /// with every answer to any request: many queued at once are served at the target's speed.
    fn answer_deadline(&self) -> Option<(Duration, Duty)> {
        if !self.fast() {
            return None;
        }
        let oldest = self.ours.requests.oldest_unmarked()?;
        if self.timers.late.contains(&oldest.id) {
            return None;
        }
        let from = oldest.at.max(self.timers.answered);
        Some((from.saturating_add(ANSWER), Duty::Answer(oldest.clone())))
    }
}
