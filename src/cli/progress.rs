//! What runs now, on standard error.

use std::io::{self, IsTerminal};

use btspec::outcome::{RunEvent, Verdict};
use btspec::report::text;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::out;

/// How many running cases fit on the line.
const SHOWN: usize = 3;

/// A line that says how far the run is, on a terminal; elsewhere only what a log should keep.
pub(super) struct Progress {
    bar: ProgressBar,
    running: Vec<String>,
    bad: u64,
}

impl Progress {
    /// Draws if standard error is a terminal.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        if io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        // The template is a constant: there is nothing to do about a wrong one.
        if let Ok(style) = ProgressStyle::with_template("{pos:>4}/{len} {elapsed:>4} {wide_msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            running: Vec::new(),
            bad: 0,
        }
    }

    /// Shows what happened.
    pub(super) fn event(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Started { plays, .. } => {
                self.bar
                    .set_length(u64::try_from(*plays).unwrap_or(u64::MAX));
            }
            RunEvent::CaseStarted { id, .. } => {
                self.running.push(id.clone());
                self.redraw();
            }
            RunEvent::CaseFinished(case) => {
                self.running.retain(|id| *id != case.id);
                if matches!(
                    case.verdict,
                    Verdict::Fail | Verdict::Inconclusive | Verdict::Error
                ) {
                    self.bad += 1;
                }
                self.bar.inc(1);
                self.redraw();
            }
            RunEvent::Note(note) => self.say(note),
            RunEvent::Restarted { reason } => self.say(&format!("target restarted: {reason}")),
            RunEvent::Lost { reason } => self.say(&format!("target lost: {reason}")),
            RunEvent::Finished => self.bar.finish_and_clear(),
            _ => {}
        }
    }

    fn redraw(&self) {
        let mut message = self
            .running
            .iter()
            .take(SHOWN)
            .map(|id| text::safe(id))
            .collect::<Vec<_>>()
            .join(", ");
        if self.running.len() > SHOWN {
            message.push_str(&format!(" and {} more", self.running.len() - SHOWN));
        }
        if self.bad > 0 {
            message = format!("[{} not good] {message}", self.bad);
        }
        self.bar.set_message(message);
    }

    /// A line for the log, above the bar if there is one.
    fn say(&self, line: &str) {
        self.bar
            .suspend(|| out::diagnose(format!("btspec: {}", text::safe(line))));
    }
}

impl Drop for Progress {
    /// Whatever ends the run, the terminal is left clean.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
