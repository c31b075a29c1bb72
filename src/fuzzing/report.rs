//! Outcomes with hostile strings, through everything that writes reports.
//!
//! A new format needs a row in [`CHECKS`]: what is well-formed in it, and what must not stand in it
//! unescaped.

use arbitrary::{Result, Unstructured};

use super::outcomes::{HOSTILE, hostile, run};
use super::{Reach, html, text};
use crate::capture::conversations;
use crate::outcome::stream;
use crate::outcome::{About, FileComplaint, RunOutcome, TargetInfo, Verdict};
use crate::report::{Context, FORMATS, explain};
use crate::requirement::catalogue;
use crate::rule::RULES;
use crate::scenario::parse_text;

/// What one format's output has to be: the output and what it is about.
type Check = fn(&str, &RunOutcome, &Context);

/// The check of every format in `report::FORMATS`.
static CHECKS: &[(&str, Check)] = &[
    ("terminal", terminal),
    ("json", json),
    ("jsonl", jsonl),
    ("html", page),
    ("junit", junit),
    ("markdown", markdown),
    ("github", github),
];

/// Whatever a peer, a client's log or a file says: every format stays well-formed, and nothing of it
/// moves a cursor or leaves its place.
pub fn report(input: &[u8]) -> Reach {
    let mut choices = Unstructured::new(input);
    let mut reached = Reach::new();
    let mut run = run(&mut choices, &mut reached)
        .unwrap_or_else(|_| RunOutcome::new(TargetInfo::default(), 0, Vec::new()));
    let context = context(&mut choices).unwrap_or_default();
    run.complaints.extend(complaint(&mut choices).ok());
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

fn context(u: &mut Unstructured<'_>) -> Result<Context> {
    let mut unread = Reach::new();
    Ok(Context {
        colour: u.arbitrary()?,
        verbose: u.int_in_range(0..=2)?,
        strict: u.arbitrary()?,
        repeat: vec!["run".to_owned(), hostile(u, &mut unread)?],
        ..Context::default()
    })
}

/// What a file beside the run says. Its kind follows from the text.
fn complaint(u: &mut Unstructured<'_>) -> Result<FileComplaint> {
    let what = hostile(u, &mut Reach::new())?;
    Ok(match what.len() % 3 {
        0 => FileComplaint::fail(About::Expectations, what),
        1 => FileComplaint::fail(About::Lock, what),
        _ => FileComplaint::warn(About::Observations, what),
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
    assert_eq!(read, written(run));
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
        let middle = out.floor_char_boundary(upto + line.len() / 2);
        let torn = stream::read(&out.as_bytes()[..middle]);
        match number {
            0 => assert!(torn.is_err(), "no header"),
            _ => assert!(!torn.expect("whole lines").complete),
        }
        upto += line.len();
    }
    assert!(lines >= 3, "header, target and summary");
}

/// Outside of fences nothing but the tags of ours, and tables with as many cells as their heads.
fn markdown(out: &str, _: &RunOutcome, _: &Context) {
    text::is_plain(out);
    let mut fence: Option<&str> = None;
    for line in out.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some(open) if line == open => fence = None,
            Some(open) => assert!(ticks < open.len(), "ends the fence: {line}"),
            None if ticks > 0 => {
                let (open, kind) = line.split_at(ticks);
                assert_eq!(kind, "text");
                fence = Some(open);
            }
            None => {
                for (at, _) in line.match_indices('<') {
                    let tag = line[at + 1..].trim_start_matches('/');
                    let ours = ["code>", "details>", "summary>"];
                    assert!(ours.iter().any(|it| tag.starts_with(it)), "{line}");
                }
                let cells = line.matches('|').count();
                assert!([0, 5, Verdict::ALL.len() + 1].contains(&cells), "{line}");
                let raw = line.find(['`', '[', ']', '@', '_', '~', '\\']);
                assert_eq!(raw, None, "{line}");
            }
        }
    }
    assert_eq!(fence, None, "an open fence");
}

/// Each line is one command of ours.
fn github(out: &str, run: &RunOutcome, _: &Context) {
    text::is_plain(out);
    let most = run.cases.len() + run.complaints.len() + 1;
    assert!(out.lines().count() <= most);
    for line in out.lines() {
        let command = line.strip_prefix("::").expect("a command");
        let (head, _) = command.split_once("::").expect("its data");
        let (kind, properties) = head.split_once(' ').expect("properties");
        assert!(["error", "warning", "notice"].contains(&kind));
        for property in properties.split(',') {
            let (name, value) = property.split_once('=').expect("a value");
            assert!(["file", "line", "title"].contains(&name), "{line}");
            assert!(!value.contains(':'));
        }
    }
}

/// Elements of ours, opened and closed in order, with a row for each row.
fn page(out: &str, run: &RunOutcome, _: &Context) {
    text::is_plain(out);
    let elements = html::elements(out);
    let count = |name: &str| elements.iter().filter(|it| it.as_str() == name).count();
    assert_eq!((count("script"), count("style")), (1, 1));
    assert_eq!(
        count("blockquote") > 0,
        run.cases.iter().any(|case| !case.requirements.is_empty())
    );
    let rows = out.matches("<details class=\"row ").count();
    assert_eq!(rows, run.cases.len());
}

/// Reads back to a case for each row, counted right; no text of it is more than that.
fn junit(out: &str, run: &RunOutcome, _: &Context) {
    let read = quick_junit::Report::deserialize_from_str(out).expect("JUnit XML");
    let ours = run.complaints.len() + usize::from(run.lost.is_some());
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
