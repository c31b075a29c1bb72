//! What of a transcript is shown: runs of one kind as one, and no more than there is room for.

use crate::outcome::{CaseOutcome, EntryDir, TranscriptEntry};
use crate::report::failure::led_to;
use crate::report::wire_log::{RUN, alike};

/// One line of what is shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'a> {
    /// An entry.
    Entry(&'a TranscriptEntry),
    /// So many that are like the one before.
    Alike(usize, &'a TranscriptEntry),
    /// So many that there is no room for.
    LeftOut(usize),
}

/// The part of a transcript that is shown.
#[derive(Debug, Default)]
pub(super) struct Window<'a> {
    /// What led to the finding.
    pub(super) before: Vec<Item<'a>>,
    /// What came after.
    pub(super) after: Vec<Item<'a>>,
    /// Messages that are not shown.
    pub(super) left_out: usize,
}

impl<'a> Window<'a> {
    /// At most about `most` lines of the transcript of `case`, the last ones before its finding
    /// rather than others.
    pub(super) fn of(case: &'a CaseOutcome, most: usize) -> Self {
        let all = case.transcript.as_slice();
        let (before, after) = all
            .split_at_checked(led_to(all, case.decisive()))
            .unwrap_or((all, &[]));
        let mut left_out = 0;
        // How it began, how it came to that, and a little of what followed.
        let start = most.div_ceil(4);
        let rest = most.saturating_sub(start);
        let before = fit(condense(before), start, rest, &mut left_out);
        let after = fit(condense(after), most.div_ceil(4), 0, &mut left_out);
        Self {
            before,
            after,
            left_out,
        }
    }

    /// All items in order.
    pub(super) fn items(&self) -> impl Iterator<Item = Item<'a>> {
        self.before.iter().chain(&self.after).copied()
    }
}

/// Long runs of one kind become their first, a number and their last.
fn condense(mut rest: &[TranscriptEntry]) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|entry| alike(entry, first)).count();
        let (these, after) = rest.split_at_checked(run.max(1)).unwrap_or((rest, &[]));
        match these {
            [first, middle @ .., last] if these.len() >= RUN && first.dir != EntryDir::Event => {
                items.push(Item::Entry(first));
                items.push(Item::Alike(middle.len(), first));
                items.push(Item::Entry(last));
            }
            _ => items.extend(these.iter().map(Item::Entry)),
        }
        rest = after;
    }
    items
}

/// The first `start` and the last `end` items; what is between is counted.
fn fit<'a>(items: Vec<Item<'a>>, start: usize, end: usize, left_out: &mut usize) -> Vec<Item<'a>> {
    let alike: usize = items
        .iter()
        .map(|item| match item {
            Item::Alike(count, _) => *count,
            Item::Entry(_) | Item::LeftOut(_) => 0,
        })
        .sum();
    // One more would be as long as saying that it is left out.
    if items.len() <= start.saturating_add(end).saturating_add(1) {
        *left_out += alike;
        return items;
    }
    let last = items.len().saturating_sub(end);
    let gone = items.get(start..last).unwrap_or_default();
    let messages = |item: &Item<'_>| match item {
        Item::Entry(_) => 1,
        Item::Alike(count, _) | Item::LeftOut(count) => *count,
    };
    let count = gone.iter().map(messages).sum();
    let shown = items.get(..start).unwrap_or_default().iter();
    let tail = items.get(last..).unwrap_or_default().iter();
    let kept: Vec<Item<'a>> = shown
        .copied()
        .chain([Item::LeftOut(count)])
        .chain(tail.copied())
        .collect();
    *left_out += kept
        .iter()
        .map(|item| match item {
            Item::Alike(count, _) | Item::LeftOut(count) => *count,
            Item::Entry(_) => 0,
        })
        .sum::<usize>();
    kept
}
