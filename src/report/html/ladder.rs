//! Where the lines of a ladder diagram stand.

use std::time::Duration;

use super::window::{Item, Window};
use crate::outcome::{CaseOutcome, EntryDir, Millis, TranscriptEntry};
use crate::report::text::{line, short};
use crate::report::wire_log;

/// A ladder: our end to the left, the target to the right, time going down.
#[derive(Debug)]
pub(super) struct Ladder {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) middle: u32,
    pub(super) rungs: Vec<Rung>,
    pub(super) brackets: Vec<Bracket>,
}

/// One line across.
#[derive(Debug)]
pub(super) struct Rung {
    pub(super) y: u32,
    /// `sent`, `received`, `sent auto`, `event`, `more`, `wait` or `missed`.
    pub(super) class: &'static str,
    /// Whether it came after the verdict was found.
    pub(super) after: bool,
    pub(super) time: Option<String>,
    pub(super) conn: Option<u32>,
    /// Colour of the connection.
    pub(super) hue: u32,
    pub(super) kind: String,
    pub(super) text: String,
}

/// A deadline from where it began to run to where it was over.
#[derive(Debug)]
pub(super) struct Bracket {
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Rung {
    pub(super) fn is_message(&self) -> bool {
        self.class.starts_with("sent") || self.class.starts_with("received")
    }

    fn is_sent(&self) -> bool {
        self.class.starts_with("sent")
    }

    pub(super) fn x1(&self, ladder: &Ladder) -> u32 {
        if self.is_sent() {
            ladder.left
        } else {
            ladder.right
        }
    }

    pub(super) fn x2(&self, ladder: &Ladder) -> u32 {
        match self.is_sent() {
            true => ladder.right.saturating_sub(TIP),
            false => ladder.left.saturating_add(TIP),
        }
    }

    /// The arrow's head.
    pub(super) fn tip(&self, ladder: &Ladder) -> String {
        match self.is_sent() {
            true => format!("M{} {}l-9 -4v8z", ladder.right.saturating_sub(1), self.y),
            false => format!("M{} {}l9 -4v8z", ladder.left.saturating_add(1), self.y),
        }
    }

    /// A message's name stands over its arrow.
    pub(super) fn text_y(&self) -> u32 {
        match self.is_message() {
            true => self.y.saturating_sub(6),
            false => self.y.saturating_add(4),
        }
    }
}

/// The ladder of what `window` shows of `case`.
pub(super) fn ladder(case: &CaseOutcome, window: &Window<'_>) -> Ladder {
    let mut drawn = Drawn::default();
    let ends = |item: &&Item<'_>| matches!(item, Item::Entry(entry) if is_end(entry));
    let end = window.before.last().filter(ends);
    let upto = window
        .before
        .len()
        .saturating_sub(usize::from(end.is_some()));
    for item in window.before.iter().take(upto) {
        drawn.item(*item, false);
    }
    if let Some(finding) = case.decisive()
        && !window.before.is_empty()
    {
        drawn.wait(finding.at_ms);
        let text = short(finding.actual.trim_start_matches("got "), 64);
        drawn.rung(34, "missed", false, |rung| {
            rung.text = text;
        });
    }
    for item in end.into_iter().chain(&window.after) {
        drawn.item(*item, true);
    }
    Ladder {
        width: RIGHT + 56,
        height: drawn.y.saturating_add(16),
        left: LEFT,
        right: RIGHT,
        middle: (LEFT + RIGHT) / 2,
        rungs: drawn.rungs,
        brackets: drawn.brackets,
    }
}

struct Drawn {
    y: u32,
    at: Duration,
    rungs: Vec<Rung>,
    brackets: Vec<Bracket>,
    /// When each line was, for deadlines.
    times: Vec<(Duration, u32)>,
}

impl Default for Drawn {
    fn default() -> Self {
        Self {
            y: TOP,
            at: Duration::ZERO,
            rungs: Vec::new(),
            brackets: Vec::new(),
            times: Vec::new(),
        }
    }
}

impl Drawn {
    fn rung(
        &mut self,
        height: u32,
        class: &'static str,
        after: bool,
        fill: impl FnOnce(&mut Rung),
    ) {
        self.y = self.y.saturating_add(height);
        let mut rung = Rung {
            y: self.y,
            class,
            after,
            time: None,
            conn: None,
            hue: 0,
            kind: String::new(),
            text: String::new(),
        };
        fill(&mut rung);
        self.rungs.push(rung);
    }

    fn item(&mut self, item: Item<'_>, after: bool) {
        match item {
            Item::Entry(entry) => self.entry(entry, after),
            Item::Alike(count, like) => self.rung(24, "more", after, |rung| {
                rung.text = format!("… {count} more {}", short(&like.kind, 40));
            }),
            Item::LeftOut(count) => self.rung(24, "more", after, |rung| {
                rung.text = format!("… {count} left out");
            }),
        }
    }

    fn entry(&mut self, entry: &TranscriptEntry, after: bool) {
        self.wait(entry.at_ms);
        let (height, class) = match (entry.dir, entry.auto) {
            (EntryDir::Sent, false) => (34, "sent"),
            (EntryDir::Sent, true) => (34, "sent auto"),
            (EntryDir::Received, false) => (34, "received"),
            (EntryDir::Received, true) => (34, "received auto"),
            (EntryDir::Event, _) => (26, "event"),
        };
        let kind = short(&entry.kind, 40);
        let mut text = match entry.dir {
            EntryDir::Event => entry
                .note
                .as_deref()
                .map_or_else(String::new, |note| line(note).into_owned()),
            EntryDir::Sent | EntryDir::Received => wire_log::fields(entry),
        };
        let room = LABEL.saturating_sub(kind.chars().count());
        text = crate::report::text::cut(text.trim_start().into(), room).into_owned();
        let new = self.times.last().is_none_or(|(at, _)| *at != entry.at_ms.0);
        self.rung(height, class, after, |rung| {
            rung.time = new.then(|| entry.at_ms.to_string());
            rung.conn = entry.conn;
            rung.hue = entry.conn.unwrap_or(1).wrapping_sub(1) % HUES;
            rung.kind = kind;
            rung.text = text;
        });
        if entry.kind == "deadline"
            && let Some(span) = entry.note.as_deref().and_then(span)
        {
            let began = entry.at_ms.0.saturating_sub(span);
            let from = self.times.iter().rev().find(|(at, _)| *at <= began);
            let from = from.map_or(TOP, |(_, y)| *y);
            self.brackets.push(Bracket { from, to: self.y });
        }
        self.times.push((entry.at_ms.0, self.y));
    }

    /// Time that passes without anything.
    fn wait(&mut self, until: Millis) {
        let passed = until.0.saturating_sub(self.at);
        self.at = self.at.max(until.0);
        if passed >= WORTH_SHOWING && !self.rungs.is_empty() {
            self.rung(30, "wait", false, |rung| {
                rung.text = format!("{} pass", Millis(passed));
            });
        }
    }
}

/// What the player says when a case has no more steps.
fn is_end(entry: &TranscriptEntry) -> bool {
    entry.dir == EntryDir::Event && entry.kind == "stopped"
}

/// `20 s have passed`, `3300 ms have passed`: what a deadline's note begins with.
fn span(note: &str) -> Option<Duration> {
    let mut words = note.split(' ');
    let number: u64 = words.next()?.parse().ok()?;
    match words.next()? {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

/// Where the first line hangs from.
const TOP: u32 = 24;
/// Our end's line.
const LEFT: u32 = 128;
/// The target's line.
const RIGHT: u32 = 880;
/// Length of an arrow's head.
const TIP: u32 = 9;
/// Characters that fit between the two.
const LABEL: usize = 104;
/// Colours of connections.
const HUES: u32 = 6;
/// Silence shorter than this says nothing.
const WORTH_SHOWING: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_tell_how_long_they_ran() {
        assert_eq!(span("20 s have passed"), Some(Duration::from_secs(20)));
        assert_eq!(
            span("3300 ms have passed"),
            Some(Duration::from_millis(3300))
        );
        assert_eq!(span("answer, 15 s"), None);
    }
}
