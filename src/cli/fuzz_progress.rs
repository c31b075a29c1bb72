//! How far a campaign is, on standard error.
#![expect(
    clippy::disallowed_methods,
    reason = "progress is for people, in their time"
)]

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use btspec::fuzz::campaign::News;
use btspec::report::text;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::out;

/// One line on a terminal; elsewhere a line now and then.
pub(super) struct FuzzProgress {
    bar: ProgressBar,
    role: &'static str,
    terminal: bool,
    virtual_time: bool,
    began: Instant,
    last: Option<Instant>,
}

impl FuzzProgress {
    pub(super) fn new(role: &'static str, virtual_time: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let terminal = io::stderr().is_terminal();
        if terminal {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        // The template is a constant: there is nothing to do about a wrong one.
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {wide_msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            role,
            terminal,
            virtual_time,
            began: Instant::now(),
            last: None,
        }
    }

    pub(super) fn tell(&mut self, news: &News<'_>) {
        match news {
            News::Progress(tally, corpus, finds, _) => {
                let every = if self.terminal { SHOW } else { LOG };
                if self.last.is_some_and(|last| last.elapsed() < every) {
                    return;
                }
                self.last = Some(Instant::now());
                let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
                let rate = tally.cases.saturating_mul(1000) / millis.max(1);
                let kinds: std::collections::BTreeSet<_> =
                    tally.states.values().flatten().collect();
                let line = format!(
                    "{}: {} cases, {rate}/s, {} states, {} kinds, {} reactions, {finds} finds, {} restarts",
                    self.role,
                    tally.cases,
                    tally.states.len(),
                    kinds.len(),
                    corpus.reactions(),
                    tally.restarts
                );
                if self.terminal {
                    self.bar.set_message(line);
                } else if !self.virtual_time {
                    out::diagnose(format!("btspec: {line}"));
                }
            }
            News::Found(find) => {
                let sure = if find.confirmed { "" } else { ", unconfirmed" };
                self.say(&format!("found {}{sure}", find.suspicion.bucket));
            }
            News::Note(note) => self.say(note),
        }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| {
            let first = line.lines().next().unwrap_or_default();
            out::diagnose(format!("btspec: {}: {}", self.role, text::safe(first)));
        });
    }
}

impl Drop for FuzzProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How often a terminal is drawn.
const SHOW: Duration = Duration::from_millis(200);
/// How often a log gets a line.
const LOG: Duration = Duration::from_secs(15);
