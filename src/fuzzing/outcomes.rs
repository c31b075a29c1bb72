//! Outcomes made of choices, full of what has broken a report somewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use serde_json::Value;

use super::Reach;
use crate::outcome::{
    CaseOutcome, Closed, ClosedBy, Connection, EntryDir, Exit, Expected, Fields, Finding, How,
    Millis, RunOutcome, TargetInfo, TranscriptEntry, Verdict,
};
use crate::requirement::Level;

/// What has broken a report somewhere, and what each is.
pub(super) static HOSTILE: &[(&str, &str)] = &[
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
    ("annotation", "::error file=a,line=1::%0A::stop-commands::x"),
    ("long", LONG),
];

const LONG: &str = concat!(
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
);

/// Up to three pieces: out of the table, or any text.
pub(super) fn hostile(u: &mut Unstructured<'_>, reached: &mut Reach) -> Result<String> {
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

pub(super) fn run(u: &mut Unstructured<'_>, reached: &mut Reach) -> Result<RunOutcome> {
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
    run.exit = Exit::of_run(&run, u.arbitrary()?).code();
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

/// A run of so many rows with long transcripts and hostile strings, one of a megabyte among them:
/// what reports are measured with. The same for the same number.
pub fn large_run(rows: usize) -> RunOutcome {
    let mut state = 0x726f_7773_u64;
    let mut reached = Reach::new();
    let mut cases = Vec::new();
    for number in 0..rows {
        let bytes: Vec<u8> = (0..512)
            .flat_map(|_| super::seeds::split_mix(&mut state).to_le_bytes())
            .collect();
        let mut choices = Unstructured::new(&bytes);
        let Ok(mut case) = case(&mut choices, &mut reached) else {
            continue;
        };
        case.id = format!("{}/{number}:seed", case.suite);
        // As runs go, most rows are good.
        if number % 4 != 0 {
            case.verdict = Verdict::Pass;
        }
        while case.transcript.len() < TRANSCRIPT {
            let Ok(mut entry) = entry(&mut choices, &mut reached) else {
                break;
            };
            entry.at_ms = Millis(Duration::from_millis(case.transcript.len() as u64 * 130));
            case.transcript.push(entry);
        }
        cases.push(case);
    }
    let megabyte = "A".repeat(1 << 20);
    if let Some(case) = cases.first_mut() {
        case.verdict = Verdict::Fail;
        case.reason = Some(megabyte.clone());
        case.title.clone_from(&megabyte);
        let mut finding = Finding::new(Verdict::Fail, megabyte.clone(), Duration::from_secs(9));
        finding.expected = vec![Expected::new(megabyte.clone(), megabyte.clone())];
        finding.source_line = Some(megabyte.clone());
        case.findings = vec![finding];
        case.log = vec![megabyte.clone()];
        for entry in &mut case.transcript {
            entry.fields.push("megabyte", megabyte.clone());
        }
    }
    let target = TargetInfo {
        spec: "127.0.0.1:6881".to_owned(),
        role: Some("seed".to_owned()),
        client: Some("<script>document.title = 'owned'</script>\x1b[2J".to_owned()),
        ..TargetInfo::default()
    };
    let mut run = RunOutcome::new(target, 1, cases);
    run.exit = Exit::of_run(&run, false).code();
    run
}

/// Entries of each transcript of [`large_run`].
const TRANSCRIPT: usize = 40;
