//! One row of the page.

use super::ladder::{Ladder, ladder};
use super::window::{Item, Window};
use super::{Fact, bep, count};
use crate::outcome::{CaseOutcome, EntryDir, Finding, RunOutcome, TranscriptEntry, Verdict};
use crate::report::explain::citation;
use crate::report::failure::repeat_command;
use crate::report::text::{self, cut, line, safe};
use crate::report::{Context, wire_log};
use crate::requirement::catalogue;

/// What the template shows of a row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) anchor: String,
    pub(super) verdict: Verdict,
    pub(super) id: String,
    pub(super) title: String,
    pub(super) level: &'static str,
    pub(super) suite: String,
    /// Numbers with spaces between.
    pub(super) beps: String,
    pub(super) role: String,
    pub(super) took: String,
    pub(super) gist: Option<String>,
    pub(super) known: Option<String>,
    pub(super) open: bool,
    pub(super) sentences: Vec<Sentence>,
    pub(super) expected: Vec<Alternative>,
    pub(super) actual: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) occurrences: Vec<String>,
    pub(super) excerpt: Option<Excerpt>,
    pub(super) ladder: Option<Ladder>,
    /// `23 messages`.
    pub(super) messages: String,
    pub(super) left_out: usize,
    /// The wire log with its bytes, of rows that need a look.
    pub(super) wire: Vec<Wire>,
    /// The wire log as text, of others.
    pub(super) log: String,
    pub(super) client_log: String,
    pub(super) observations: Vec<Fact>,
    pub(super) again: String,
    pub(super) more: String,
}

/// What the BEP says.
#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) text: String,
    pub(super) place: String,
    pub(super) url: Option<String>,
    /// Whether the BEP has no words for it.
    pub(super) ours: bool,
}

#[derive(Debug)]
pub(super) struct Alternative {
    pub(super) what: String,
    pub(super) missed: String,
}

/// The case as it is written.
#[derive(Debug)]
pub(super) struct Excerpt {
    pub(super) place: String,
    pub(super) open: bool,
    pub(super) lines: Vec<Line>,
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u32,
    pub(super) text: String,
    pub(super) marked: bool,
}

/// One line of the wire log.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) class: &'static str,
    pub(super) time: String,
    pub(super) conn: String,
    pub(super) arrow: &'static str,
    pub(super) kind: String,
    pub(super) text: String,
    pub(super) len: u64,
    pub(super) hex: Option<String>,
}

/// How much each row may show, so that the page stays small however many there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Lines of the wire of a row that needs a look.
    lines: usize,
}

impl Room {
    /// Shares the page out among the rows of a run.
    pub(super) fn of(run: &RunOutcome) -> Self {
        let wanting = run.cases.iter().filter(|case| needs_look(case)).count();
        let share = LINES_OF_PAGE.checked_div(wanting).unwrap_or(MOST_LINES);
        Self {
            lines: share.clamp(FEWEST_LINES, MOST_LINES),
        }
    }
}

fn needs_look(case: &CaseOutcome) -> bool {
    !matches!(case.verdict, Verdict::Pass | Verdict::Skip | Verdict::Info)
}

impl Row {
    pub(super) fn of(case: &CaseOutcome, run: &RunOutcome, context: &Context, room: Room) -> Self {
        let whole = needs_look(case);
        let window = Window::of(case, if whole { room.lines } else { LINES_OF_PASS });
        let finding = case.decisive().filter(|_| case.verdict != Verdict::Pass);
        let text = |text: &str| line(text).into_owned();
        let all: usize = case.transcript.len();
        Self {
            anchor: anchor(&case.id),
            verdict: case.verdict,
            id: text(&case.id),
            title: text(&case.title),
            level: crate::report::row::level(case).unwrap_or(""),
            suite: text(&case.suite).replace(' ', "_"),
            beps: beps(case),
            role: case
                .role
                .as_deref()
                .map_or_else(String::new, text)
                .replace(' ', "_"),
            took: match case.is_rule() || case.verdict == Verdict::Skip {
                true => String::new(),
                false => case.duration_ms.to_string(),
            },
            gist: crate::report::row::gist(case),
            known: case.known.as_deref().map(text),
            open: false,
            sentences: sentences(case, finding),
            expected: finding.map_or_else(Vec::new, |finding| {
                let alternatives = finding.expected.iter().take(ALTERNATIVES);
                let alternative = alternatives.map(|one| Alternative {
                    what: text(&one.what),
                    missed: text(&one.missed),
                });
                alternative.collect()
            }),
            actual: finding.map(|finding| text(&finding.actual)),
            reason: case.reason.as_deref().map(text),
            occurrences: occurrences(case),
            excerpt: excerpt(case, finding, context),
            ladder: (whole && all > 0).then(|| ladder(case, &window)),
            messages: messages(all),
            left_out: window.left_out,
            wire: match whole {
                true => window.items().map(Wire::of).collect(),
                false => Vec::new(),
            },
            log: match whole {
                true => String::new(),
                false => log(&window),
            },
            client_log: case
                .log
                .iter()
                .rev()
                .take(LOG_LINES)
                .rev()
                .map(|line| text::short(line, 160) + "\n")
                .collect(),
            observations: case
                .observations
                .iter()
                .take(OBSERVATIONS)
                .map(|(name, value)| Fact::new(name, &text::value(value, 160)))
                .collect(),
            again: repeat_command(case, run, context),
            more: finding
                .and_then(|finding| finding.requirement.as_deref())
                .or_else(|| case.requirements.first().map(String::as_str))
                .map_or_else(String::new, |id| format!("btspec explain {}", line(id))),
        }
    }
}

/// What a link to the row says behind `#`.
fn anchor(id: &str) -> String {
    cut(safe(id), 200).replace(char::is_whitespace, "_")
}

fn beps(case: &CaseOutcome) -> String {
    let numbers: std::collections::BTreeSet<u16> =
        case.requirements.iter().filter_map(|id| bep(id)).collect();
    let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
    numbers.join(" ")
}

/// What was broken; of other rows, what they judge.
fn sentences(case: &CaseOutcome, finding: Option<&Finding>) -> Vec<Sentence> {
    let broken = finding.and_then(|finding| finding.requirement.as_deref());
    let cited = case.requirements.iter().map(String::as_str);
    match broken {
        Some(id) => vec![sentence(id, finding.and_then(|it| it.quote.as_deref()))],
        None => cited.take(SENTENCES).map(|id| sentence(id, None)).collect(),
    }
}

fn sentence(id: &str, quote: Option<&str>) -> Sentence {
    let found = citation(id);
    let words = quote.or_else(|| found.and_then(|found| found.quote));
    let ours = found.map_or("", |found| found.statement);
    Sentence {
        text: line(words.unwrap_or(ours)).into_owned(),
        place: found.map_or_else(|| line(id).into_owned(), |found| found.place()),
        url: catalogue()
            .get(id)
            .map(crate::requirement::Requirement::url),
        ours: words.is_none() && found.is_some(),
    }
}

/// Where a rule was broken.
fn occurrences(case: &CaseOutcome) -> Vec<String> {
    if !case.is_rule() {
        return Vec::new();
    }
    let each = case.findings.iter().take(OCCURRENCES).map(|finding| {
        let seen_in = finding.seen_in.as_deref().or(finding.file.as_deref());
        let seen_in = seen_in.map_or_else(String::new, |it| format!("{} ", line(it)));
        let conn = finding
            .conn
            .map_or_else(String::new, |conn| format!("#{conn} "));
        let (at, actual) = (finding.at_ms, line(&finding.actual));
        format!("{seen_in}{conn}at {at}: {actual}")
    });
    each.collect()
}

/// The case, with the line of the finding marked; that line alone where the case is not at hand.
fn excerpt(case: &CaseOutcome, finding: Option<&Finding>, context: &Context) -> Option<Excerpt> {
    let place = finding.and_then(|finding| Some((finding.file.as_deref()?, finding.line?)));
    let shown = |number: u32, text: &str, marked: bool| Line {
        number,
        text: cut(safe(&text.replace('\t', "    ")), YAML_CHARS).into_owned(),
        marked,
    };
    let source = context.sources.get(&case.case);
    let mut lines = Vec::new();
    if let Some(source) = source {
        for (number, text) in (source.first..).zip(&source.lines) {
            lines.push(shown(number, text, place == Some((&source.file, number))));
        }
    }
    let marked = lines.iter().any(|line| line.marked);
    // A step of a shared block stands elsewhere.
    if let (false, Some((_, number)), Some(text)) = (
        marked,
        place,
        finding.and_then(|it| it.source_line.as_deref()),
    ) {
        lines.insert(0, shown(number, text, true));
    }
    if lines.is_empty() {
        return None;
    }
    let place = match (place, source) {
        (Some((file, number)), _) => format!("{}:{number}", line(file)),
        (None, Some(source)) => format!("{}:{}", line(&source.file), source.first),
        (None, None) => String::new(),
    };
    Some(Excerpt {
        place,
        open: needs_look(case),
        lines,
    })
}

impl Wire {
    fn of(item: Item<'_>) -> Self {
        let more = |text: String| Self {
            class: "more",
            time: String::new(),
            conn: String::new(),
            arrow: "",
            kind: String::new(),
            text,
            len: 0,
            hex: None,
        };
        match item {
            Item::Alike(count, like) => {
                more(format!("… {count} more {}", text::short(&like.kind, 40)))
            }
            Item::LeftOut(count) => more(format!("… {} left out", messages(count))),
            Item::Entry(entry) => Self {
                class: class(entry),
                time: entry.at_ms.to_string(),
                conn: conn(entry),
                arrow: arrow(entry),
                kind: text::short(&entry.kind, 40),
                text: said(entry),
                len: entry.len,
                hex: entry.hex.as_deref().map(|hex| first_bytes(hex, entry.len)),
            },
        }
    }
}

/// The beginning of a message's hex.
fn first_bytes(hex: &str, len: u64) -> String {
    let mut shown: String = safe(hex).chars().take(HEX_CHARS).collect();
    if (shown.len() as u64).div_ceil(2) < len {
        shown.push('…');
    }
    shown
}

/// The window as lines of text.
fn log(window: &Window<'_>) -> String {
    let mut log = String::new();
    for item in window.items() {
        let line = match item {
            Item::Alike(count, like) => {
                format!("{:21}… {count} more {}", "", text::short(&like.kind, 40))
            }
            Item::LeftOut(count) => format!("{:21}… {} left out", "", messages(count)),
            Item::Entry(entry) => format!(
                "{:>12}  {:>3} {} {}{}",
                entry.at_ms.to_string(),
                conn(entry),
                arrow(entry),
                text::short(&entry.kind, 40),
                cut(format!(" {}", said(entry)).into(), 160)
            ),
        };
        log.push_str(line.trim_end());
        log.push('\n');
    }
    log
}

fn class(entry: &TranscriptEntry) -> &'static str {
    match entry.dir {
        EntryDir::Sent => "sent",
        EntryDir::Received => "received",
        EntryDir::Event => "event",
    }
}

fn arrow(entry: &TranscriptEntry) -> &'static str {
    match entry.dir {
        EntryDir::Sent => "→",
        EntryDir::Received => "←",
        EntryDir::Event => "·",
    }
}

fn conn(entry: &TranscriptEntry) -> String {
    entry
        .conn
        .map_or_else(String::new, |conn| format!("#{conn}"))
}

/// Fields and note.
fn said(entry: &TranscriptEntry) -> String {
    let mut text = wire_log::fields(entry).trim_start().to_owned();
    if entry.auto {
        text.push_str(" (auto)");
    }
    if let Some(note) = &entry.note {
        if !text.is_empty() {
            text.push_str(" · ");
        }
        text.push_str(&cut(line(note), NOTE_CHARS));
    }
    cut(text.into(), SAID_CHARS).into_owned()
}

pub(super) fn messages(number: usize) -> String {
    count(number, "line")
}

/// Lines of the wire, over all rows that need a look.
const LINES_OF_PAGE: usize = 8_000;
/// And of one of them: no fewer, and no more.
const FEWEST_LINES: usize = 4;
const MOST_LINES: usize = 80;
/// Lines of the wire of a row that passed.
const LINES_OF_PASS: usize = 10;
/// Alternatives of a step.
const ALTERNATIVES: usize = 8;
/// Requirements whose sentence is shown.
const SENTENCES: usize = 2;
/// Places at which a rule was broken.
const OCCURRENCES: usize = 10;
/// Lines of the client's own log.
const LOG_LINES: usize = 12;
/// Things that were measured.
const OBSERVATIONS: usize = 24;
/// Characters of a line of a scenario.
const YAML_CHARS: usize = 240;
/// Digits of a message's bytes.
const HEX_CHARS: usize = 2 * TranscriptEntry::HEX_BYTES;
/// Characters of a note beside a message.
const NOTE_CHARS: usize = 160;
/// Characters of fields and note.
const SAID_CHARS: usize = 320;
