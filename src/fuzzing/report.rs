//! Outcomes with hostile strings, through everything that writes reports.
//!
//! A new format needs a row in [`CHECKS`]: what is well-formed in it, and what must not stand in it
//! unescaped.

use std::collections::BTreeMap;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use serde_json::Value;

use super::{Reach, text};
use crate::capture::conversations;
use crate::outcome::stream;
use crate::outcome::{
    CaseOutcome, Closed, ClosedBy, Connection, EntryDir, Exit, Expected, Fields, Finding, How,
    Millis, RunOutcome, TargetInfo, TranscriptEntry, Verdict,
};
use crate::report::{Context, FORMATS, explain};
use crate::requirement::{Level, catalogue};
use crate::rule::RULES;
use crate::scenario::parse_text;

/// What one format's output has to be: the output and what it is about.
type Check = fn(&str, &RunOutcome, &Context);

/// The check of every format in `report::FORMATS`.
static CHECKS: &[(&str, Check)] = &[
    ("terminal", terminal),
    ("json", json),
    ("junit", junit),
    ("jsonl", jsonl),
];

/// Whatever a peer, a client's log or a file says: every format stays well-formed, and nothing of it
/// moves a cursor or leaves its place.
pub fn report(input: &[u8]) -> Reach {
    let mut choices = Unstructured::new(input);
    let mut reached = Reach::new();
    let run = run(&mut choices, &mut reached)
        .unwrap_or_else(|_| RunOutcome::new(TargetInfo::default(), 0, Vec::new()));
    let context = context(&mut choices).unwrap_or_default();
    for format in FORMATS {
        let mut out = Vec::new();
        (format.write)(&run, &context, &mut out).expect("a Vec takes everything");
        if format.name == "pcapng" {
            pcapng(&out, &run);
            continue;
        }
        let check = CHECKS.iter().find(|(name, _)| *name == format.name);
        let Some((name, check)) = check else {
            panic!("`{}` has no row in fuzzing::report::CHECKS", format.name);
        };
        let out = String::from_utf8(out).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(&plant(out, &run), &run, &context);
    }
    // To read a scenario file takes longer than all else.
    if !choices.ratio(7, 8).unwrap_or(true) {
        explained(&mut choices, &mut reached);
    }
    reached
}

pub(super) fn reachable() -> Vec<&'static str> {
    let mut all: Vec<_> = Verdict::ALL.iter().map(|verdict| verdict.name()).collect();
    all.extend([
        "finding",
        "rule",
        "transcript",
        "connection",
        "log",
        "known",
    ]);
    all.extend(["explain", "no such id", "case explained"]);
    all.extend(HOSTILE.iter().map(|(name, _)| *name));
    all
}

/// What has broken a report somewhere, and what each is.
static HOSTILE: &[(&str, &str)] = &[
    ("plain", "closed after 3 s"),
    ("escape sequence", "\x1b[2J\x1b]0;owned\x07"),
    ("C1 control", "\u{9b}2J"),
    ("line feed", "a\nb"),
    ("carriage return", "a\rb"),
    ("tab", "a\tb"),
    ("NUL", "\0"),
    ("backspace", "a\u{8}\u{7f}"),
    ("right to left", "\u{202e}txt.exe\u{2066}"),
    ("no width", "\u{200b}\u{feff}"),
    ("line separator", "\u{2028}\u{2029}\u{85}"),
    ("element", "</testsuite><script>alert(1)</script>"),
    ("CDATA", "]]>&amp;<!--"),
    ("quotes", "\"'`\\"),
    ("Markdown", "| ``` [x](javascript:y) ![z](//w) | <!-- * _ #"),
    ("template", "{{7*7}}${7*7}{% x %}%s%n"),
    ("no character", "\u{fffe}\u{ffff}\u{1f595}"),
    ("combining", "e\u{301}\u{301}\u{301}\u{301}"),
    ("path", "../../etc/passwd"),
    ("long", LONG),
];

const LONG: &str = concat!(
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
);

/// Up to three pieces: out of the table, or any text.
fn hostile(u: &mut Unstructured<'_>, reached: &mut Reach) -> Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=3)? {
        match HOSTILE.get(usize::from(u.arbitrary::<u8>()?)) {
            Some((name, piece)) => {
                reached.insert(name);
                text.push_str(piece);
            }
            None => {
                let len = u.int_in_range(0..=12)?.min(u.len());
                text.push_str(&String::from_utf8_lossy(u.bytes(len)?));
            }
        }
    }
    Ok(text)
}

fn some(u: &mut Unstructured<'_>, reached: &mut Reach) -> Result<Option<String>> {
    Ok(match u.arbitrary()? {
        true => Some(hostile(u, reached)?),
        false => None,
    })
}

fn run(u: &mut Unstructured<'_>, reached: &mut Reach) -> Result<RunOutcome> {
    let mut target = TargetInfo {
        spec: hostile(u, reached)?,
        role: some(u, reached)?,
        client: some(u, reached)?,
        ..TargetInfo::default()
    };
    for _ in 0..u.int_in_range(0..=2)? {
        target.reserved.push(hostile(u, reached)?);
        target
            .extensions
            .insert(hostile(u, reached)?, u.arbitrary()?);
    }
    let mut cases = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        cases.push(case(u, reached)?);
    }
    let mut run = RunOutcome::new(target, u.arbitrary()?, cases);
    run.duration_ms = millis(u)?;
    run.lost = some(u, reached)?;
    run.exit = Exit::of_run(&run, 0, u.arbitrary()?).code();
    Ok(run)
}

fn case(u: &mut Unstructured<'_>, reached: &mut Reach) -> Result<CaseOutcome> {
    let rule = u.ratio(1, 4)?;
    let suite = if rule {
        "rule".to_owned()
    } else {
        hostile(u, reached)?
    };
    let mut case = CaseOutcome::new(hostile(u, reached)?, suite, hostile(u, reached)?);
    case.title = hostile(u, reached)?;
    case.role = some(u, reached)?;
    case.direction = some(u, reached)?;
    case.variant = some(u, reached)?;
    case.attempt = u.arbitrary()?;
    case.verdict = *u.choose(&Verdict::ALL)?;
    case.level = level(u)?;
    case.requirements = vec![requirement(u, reached)?];
    case.reason = some(u, reached)?;
    case.duration_ms = millis(u)?;
    reached.insert(case.verdict.name());
    for _ in 0..u.int_in_range(0..=2)? {
        case.matrix
            .insert(hostile(u, reached)?, hostile(u, reached)?);
        case.observations
            .insert(hostile(u, reached)?, value(u, reached)?);
    }
    for _ in 0..u.int_in_range(0..=2)? {
        case.findings.push(finding(u, reached)?);
        reached.insert("finding");
    }
    for _ in 0..u.int_in_range(0..=1)? {
        case.connections.push(connection(u, reached)?);
        reached.insert("connection");
    }
    for _ in 0..u.int_in_range(0..=3)? {
        case.transcript.push(entry(u, reached)?);
        reached.insert("transcript");
    }
    for _ in 0..u.int_in_range(0..=2)? {
        case.log.push(hostile(u, reached)?);
        reached.insert("log");
    }
    case.known = some(u, reached)?;
    if case.known.is_some() {
        reached.insert("known");
    }
    if rule {
        reached.insert("rule");
    }
    Ok(case)
}

fn finding(u: &mut Unstructured<'_>, reached: &mut Reach) -> Result<Finding> {
    let mut finding = Finding::new(*u.choose(&Verdict::ALL)?, hostile(u, reached)?, millis(u)?);
    finding.requirement = match u.arbitrary()? {
        true => Some(requirement(u, reached)?),
        false => None,
    };
    finding.level = level(u)?;
    finding.rule = some(u, reached)?;
    finding.step = some(u, reached)?;
    finding.file = some(u, reached)?;
    finding.line = u.arbitrary()?;
    finding.col = u.arbitrary()?;
    finding.quote = some(u, reached)?;
    finding.conn = u.arbitrary()?;
    finding.source_line = some(u, reached)?;
    finding.seen_in = some(u, reached)?;
    for _ in 0..u.int_in_range(0..=2)? {
        let expected = Expected::new(hostile(u, reached)?, hostile(u, reached)?);
        finding.expected.push(expected);
    }
    Ok(finding)
}

fn connection(u: &mut Unstructured<'_>, reached: &mut Reach) -> Result<Connection> {
    let closed = match u.arbitrary()? {
        false => None,
        true => Some(Closed {
            by: *u.choose(&[ClosedBy::Tester, ClosedBy::Target])?,
            how: *u.choose(&[How::Fin, How::Rst, How::WriteError])?,
            at_ms: millis(u)?,
            after_sent: u.arbitrary()?,
        }),
    };
    Ok(Connection {
        conn: u.arbitrary()?,
        peer: hostile(u, reached)?,
        source: hostile(u, reached)?,
        target: hostile(u, reached)?,
        opened_ms: millis(u)?,
        closed,
    })
}

fn entry(u: &mut Unstructured<'_>, reached: &mut Reach) -> Result<TranscriptEntry> {
    let kind = hostile(u, reached)?;
    let mut entry = match u.arbitrary()? {
        true => TranscriptEntry::event(millis(u)?, u.arbitrary()?, kind, None),
        false => {
            let dir = *u.choose(&[EntryDir::Sent, EntryDir::Received])?;
            let len = u.int_in_range(0..=120)?.min(u.len());
            let raw = u.bytes(len)?;
            TranscriptEntry::message(
                millis(u)?,
                u.arbitrary()?,
                dir,
                kind,
                Fields::default(),
                raw,
            )
        }
    };
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..u.int_in_range(0..=2)? {
        let name = hostile(u, reached)?;
        if names.insert(name.clone()) {
            entry.fields.push(name, value(u, reached)?);
        }
    }
    entry.auto = u.arbitrary()?;
    entry.note = some(u, reached)?;
    Ok(entry)
}

fn value(u: &mut Unstructured<'_>, reached: &mut Reach) -> Result<Value> {
    Ok(match u.int_in_range(0..=5)? {
        0 => Value::Null,
        1 => Value::Bool(u.arbitrary()?),
        2 => u.arbitrary::<u64>()?.into(),
        3 => u.arbitrary::<i64>()?.into(),
        4 => BTreeMap::from([(hostile(u, reached)?, hostile(u, reached)?)])
            .into_iter()
            .collect::<Value>(),
        _ => hostile(u, reached)?.into(),
    })
}

fn requirement(u: &mut Unstructured<'_>, reached: &mut Reach) -> Result<String> {
    let known = ["B3-HS-01", "B6-RJ-01", "B10-RX-05", "B9-RQ-01", "B0-XX-99"];
    match u.ratio(1, 4)? {
        true => hostile(u, reached),
        false => Ok((*u.choose(&known)?).to_owned()),
    }
}

fn level(u: &mut Unstructured<'_>) -> Result<Option<Level>> {
    Ok(match u.arbitrary()? {
        true => Some(*u.choose(&Level::ALL)?),
        false => None,
    })
}

fn millis(u: &mut Unstructured<'_>) -> Result<Millis> {
    Ok(Millis(Duration::from_micros(u.arbitrary::<u32>()?.into())))
}

fn context(u: &mut Unstructured<'_>) -> Result<Context> {
    let mut unread = Reach::new();
    Ok(Context {
        colour: u.arbitrary()?,
        verbose: u.int_in_range(0..=2)?,
        strict: u.arbitrary()?,
        repeat: vec!["run".to_owned(), hostile(u, &mut unread)?],
        complaints: vec![hostile(u, &mut unread)?],
    })
}

/// Nothing but printable text and line feeds; with colours, these say the same.
fn terminal(out: &str, run: &RunOutcome, context: &Context) {
    let plain = without_colours(out);
    text::is_plain(&plain);
    assert!(plain.ends_with('\n'), "an unfinished last line");
    assert!(
        plain.lines().all(|line| line.len() < 100_000),
        "a line of 100 kB"
    );
    if context.colour {
        let mut other = Vec::new();
        let context = Context {
            colour: false,
            ..context.clone()
        };
        crate::report::terminal::write(run, &context, &mut other).expect("a Vec");
        assert_eq!(plain.as_bytes(), other, "colours say something else");
    } else {
        assert_eq!(plain, out, "colours where there are to be none");
    }
}

/// Our own colours taken out, by their exact form.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.split_once('m').filter(|(code, _)| {
            code.len() <= 4 && code.bytes().all(|c| c.is_ascii_digit() || c == b';')
        });
        let Some((_, rest)) = code else {
            panic!("not one of our colours: {part:?}");
        };
        out.push_str(rest);
    }
    out
}

/// Binary, unlike the others: whole, with no more connections than the cases have, and every byte
/// that the transcripts hold.
fn pcapng(out: &[u8], run: &RunOutcome) {
    let found = conversations(out).expect("a capture");
    assert_eq!(found.broken, None);
    assert_eq!((found.not_tcp, found.unknown_link), (0, 0));
    let entries = run.cases.iter().filter(|case| !case.is_rule());
    let entries = entries.flat_map(|case| &case.transcript);
    let kept = entries.filter_map(|entry| entry.hex.as_ref().filter(|_| entry.conn.is_some()));
    let kept: usize = kept.map(|hex| hex.len() / 2).sum();
    let streams = found.all.iter().flat_map(|it| [&it.up, &it.down]);
    let streams = streams.map(|stream| stream.bytes().len() as u64 + stream.behind_gap());
    assert!(streams.sum::<u64>() >= kept as u64, "bytes are lost");
}

/// The contract: reads back to what was written.
fn json(out: &str, run: &RunOutcome, _: &Context) {
    let read: RunOutcome = serde_json::from_str(out).expect("JSON of our schema");
    let mut told = written(run);
    told.lost = None;
    assert_eq!(read, told);
    let bare = out.chars().find(|c| *c < ' ' && *c != '\n');
    assert_eq!(bare, None, "a control character in JSON");
}

/// `run` without what JSON leaves out.
fn written(run: &RunOutcome) -> RunOutcome {
    let mut told = run.clone();
    for case in &mut told.cases {
        case.log.clear();
        case.known = None;
        for finding in &mut case.findings {
            finding.source_line = None;
            finding.seen_in = None;
        }
    }
    told
}

/// Reads back, whole and cut off anywhere; rows of one id are one row.
fn jsonl(out: &str, run: &RunOutcome, _: &Context) {
    let read = stream::read(out.as_bytes()).expect("lines of our schema");
    let told = written(run);
    assert!(read.complete);
    let mut ids = std::collections::BTreeSet::new();
    if told.cases.iter().all(|case| ids.insert(&case.id)) {
        assert_eq!(read.run, told);
    }
    let bare = out.chars().find(|c| *c < ' ' && *c != '\n');
    assert_eq!(bare, None, "a control character in JSON");
    let lines = out.lines().count();
    let mut upto = 0;
    for (number, line) in out.split_inclusive('\n').enumerate() {
        let middle = (upto..upto + line.len() / 2)
            .rev()
            .find(|at| out.is_char_boundary(*at));
        let torn = stream::read(&out.as_bytes()[..middle.unwrap_or(upto)]);
        match number {
            0 => assert!(torn.is_err(), "no header"),
            _ => assert!(!torn.expect("whole lines").complete),
        }
        upto += line.len();
    }
    assert!(lines >= 3, "header, target and summary");
}

/// Reads back to a case for each row, counted right; no text of it is more than that.
fn junit(out: &str, run: &RunOutcome, context: &Context) {
    let read = quick_junit::Report::deserialize_from_str(out).expect("JUnit XML");
    let ours = context.complaints.len() + usize::from(run.lost.is_some());
    assert_eq!(read.tests, run.cases.len() + ours);
    let counted = |verdict| run.summary.count(verdict) as usize;
    let errors = counted(Verdict::Error) + counted(Verdict::Inconclusive);
    assert!(read.errors <= errors + 1 && read.failures <= run.cases.len() + ours);
    let cases = read.test_suites.iter().flat_map(|suite| &suite.test_cases);
    for case in cases {
        for property in &case.properties {
            text::is_plain(&property.value);
        }
        text::is_plain(&case.name);
        text::is_plain(case.system_out.as_deref().unwrap_or_default());
    }
    let raw = out.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(raw, None, "a control character in XML");
    assert!(!out.contains("<script"), "an element out of a text");
}

/// `explain`, of names and of a case whose file says anything.
fn explained(u: &mut Unstructured<'_>, reached: &mut Reach) {
    let id = match u.int_in_range(0..=3) {
        Ok(0) => u
            .choose_iter(catalogue().iter())
            .map(|it| it.id.to_string()),
        Ok(1) => u
            .choose_iter(RULES.iter())
            .map(|it| format!("rule/{}", it.id)),
        Ok(2) => Ok("s/c".to_owned()),
        _ => hostile(u, reached),
    };
    let id = id.unwrap_or_default();
    let said = hostile(u, reached).unwrap_or_default();
    let escaped = said.chars().map(|c| format!("\\U{:08x}", u32::from(c)));
    let title = format!("\"t{}\"", escaped.collect::<String>());
    let file = SUITE.replace("TEXT", &title);
    let suite = parse_text("s.yaml", &file);
    let suites = [suite.unwrap_or_else(|errors| panic!("{}", errors[0].render()))];
    let mut out = Vec::new();
    let known = explain::write(&id, &suites, &mut out).expect("a Vec takes everything");
    let out = String::from_utf8(out).expect("text");
    text::is_plain(&out);
    match known {
        Ok(()) => {
            assert!(!out.is_empty());
            reached.insert(if id == "s/c" {
                "case explained"
            } else {
                "explain"
            });
        }
        Err(unknown) => {
            assert!(out.is_empty(), "says something of what there is not");
            assert_ne!(unknown.nearest.as_deref(), Some(id.as_str()));
            reached.insert("no such id");
        }
    }
}

const SUITE: &str = "spec: 1
suite: s
title: TEXT
cases:
  - case: c
    title: TEXT
    cites: [B3-HS-01]
    tags: [a]
    steps:
      - connect: {}
      - alive: {}
";

#[cfg(not(fuzz_selftest))]
fn plant(out: String, _: &RunOutcome) -> String {
    out
}

/// A tag in the reason of an error comes through raw.
#[cfg(fuzz_selftest)]
fn plant(out: String, run: &RunOutcome) -> String {
    let broken = run.cases.iter().any(|case| {
        case.verdict == Verdict::Error && case.reason.as_deref().is_some_and(|it| it.contains('\t'))
    });
    if broken { out + "\t" } else { out }
}
