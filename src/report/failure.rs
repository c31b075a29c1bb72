//! One result that needs a person, on one screen.
//!
//! The order is fixed: verdict, case, level; the sentence; the place; what would have been right
//! and why each alternative was not met; what came; the last messages; what the target advertised;
//! its own log; the command that repeats it; where to read on.

use std::io;

use super::text::safe;
use super::{Context, Paint, wire_log};
use crate::outcome::{CaseOutcome, EntryDir, Finding, RunOutcome, TranscriptEntry};

/// Messages shown without `-vv`.
const LAST_MESSAGES: usize = 14;

/// Lines of the client's own log.
const LOG_LINES: usize = 8;

/// Occurrences of a broken rule.
const OCCURRENCES: usize = 3;

/// Writes the whole block of `case`.
pub(super) fn write(
    case: &CaseOutcome,
    run: &RunOutcome,
    context: &Context,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let paint = Paint { on: context.colour };
    let finding = case.decisive();
    headline(case, finding, paint, out)?;
    // What was found says the same, and more.
    if let (Some(reason), None) = (&case.reason, finding) {
        writeln!(out, "  {}", safe(reason))?;
    }
    if let Some(finding) = finding {
        sentence(finding, paint, out)?;
        place(finding, paint, out)?;
        alternatives(finding, paint, out)?;
        if finding.rule.is_some() {
            occurrences(case, paint, out)?;
        }
    }
    last_messages(case, finding, context, paint, out)?;
    advertised(run, paint, out)?;
    client_log(case, paint, out)?;
    onward(case, run, context, paint, out)?;
    writeln!(out)
}

fn headline(
    case: &CaseOutcome,
    finding: Option<&Finding>,
    paint: Paint,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let level = finding.and_then(|finding| finding.level).or(case.level);
    write!(
        out,
        "{} {}",
        paint.verdict(case.verdict),
        paint.strong(safe(&case.id))
    )?;
    if let Some(level) = level {
        write!(out, " ({level})")?;
    }
    writeln!(out)?;
    if !case.title.is_empty() {
        writeln!(out, "  {}", safe(&case.title))?;
    }
    if let Some(known) = &case.known {
        writeln!(out, "  {} {}", paint.dim("known:"), safe(known))?;
    }
    Ok(())
}

/// The sentence of the BEP, with BEP and heading; what we ask in our words where it has none.
fn sentence(finding: &Finding, paint: Paint, out: &mut dyn io::Write) -> io::Result<()> {
    let Some(id) = &finding.requirement else {
        return Ok(());
    };
    writeln!(out)?;
    match super::explain::citation(id) {
        Some(citation) => {
            writeln!(out, "  {}", paint.mark(citation.place()))?;
            match finding.quote.as_deref().or(citation.quote) {
                Some(quote) => writeln!(out, "  | \"{}\"", safe(quote))?,
                None => writeln!(out, "  | {}", safe(citation.statement))?,
            }
        }
        None => {
            writeln!(out, "  {}", paint.mark(safe(id)))?;
            if let Some(quote) = &finding.quote {
                writeln!(out, "  | \"{}\"", safe(quote))?;
            }
        }
    }
    Ok(())
}

/// file:line:col, the line and a caret.
fn place(finding: &Finding, paint: Paint, out: &mut dyn io::Write) -> io::Result<()> {
    let (Some(file), Some(line)) = (&finding.file, finding.line) else {
        return Ok(());
    };
    let col = finding.col.unwrap_or(1);
    writeln!(out)?;
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    writeln!(
        out,
        "  {margin}{} {}:{line}:{col}",
        paint.mark("-->"),
        safe(file)
    )?;
    if let Some(text) = &finding.source_line {
        let text = text.replace('\t', " ");
        // Indentation says nothing on its own; the caret keeps its place.
        let indent = text.chars().take_while(|c| *c == ' ').count();
        let before = usize::try_from(col.saturating_sub(1)).unwrap_or(0);
        // A recording may name any column: the caret stays at the line.
        let shown = text.chars().count().saturating_sub(indent);
        let caret = before.saturating_sub(indent).min(shown);
        writeln!(
            out,
            "  {} {} {}",
            paint.mark(&number),
            paint.mark("|"),
            safe(text.trim_start())
        )?;
        writeln!(
            out,
            "  {margin} {} {}{}",
            paint.mark("|"),
            " ".repeat(caret),
            paint.wrong("^")
        )?;
    }
    Ok(())
}

/// Alternatives, each with why it was not met, then what came.
fn alternatives(finding: &Finding, paint: Paint, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out)?;
    match finding.expected.as_slice() {
        [] => {}
        [one] => writeln!(
            out,
            "  expected {}{}",
            paint.strong(safe(&one.what)),
            why(&one.missed)
        )?,
        several => {
            writeln!(out, "  expected one of")?;
            for one in several {
                writeln!(
                    out,
                    "    - {}{}",
                    paint.strong(safe(&one.what)),
                    why(&one.missed)
                )?;
            }
        }
    }
    let actual = finding
        .actual
        .strip_prefix("got ")
        .unwrap_or(&finding.actual);
    writeln!(out, "  got {}", paint.wrong(safe(actual)))
}

fn why(missed: &str) -> String {
    if missed.is_empty() {
        String::new()
    } else {
        format!(": {}", safe(missed))
    }
}

/// Where a rule was broken: the first few, with case and time.
fn occurrences(case: &CaseOutcome, paint: Paint, out: &mut dyn io::Write) -> io::Result<()> {
    if !case.is_rule() {
        return Ok(());
    }
    writeln!(out)?;
    for finding in case.findings.iter().take(OCCURRENCES) {
        let seen_in = finding.seen_in.as_deref().unwrap_or("?");
        let conn = finding
            .conn
            .map_or_else(String::new, |conn| format!(" #{conn}"));
        writeln!(
            out,
            "  {} {} at {}{conn}: {}",
            paint.dim("in"),
            safe(seen_in),
            finding.at_ms,
            safe(&finding.actual)
        )?;
    }
    if let Some(broken) = case.observations.get("broken").and_then(|n| n.as_u64())
        && broken > OCCURRENCES as u64
    {
        writeln!(
            out,
            "  {}",
            paint.dim(format!("… {} more", broken - OCCURRENCES as u64))
        )?;
    }
    Ok(())
}

fn last_messages(
    case: &CaseOutcome,
    finding: Option<&Finding>,
    context: &Context,
    paint: Paint,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    if case.transcript.is_empty() {
        return Ok(());
    }
    let all = case.transcript.as_slice();
    let shown = if context.verbose > 1 {
        all
    } else {
        tail(all, finding)
    };
    let before = shown
        .first()
        .and_then(|first| all.iter().position(|entry| std::ptr::eq(entry, first)))
        .unwrap_or(0);
    writeln!(out)?;
    write!(out, "  {}", paint.mark("last messages"))?;
    if before > 0 {
        write!(
            out,
            " {}",
            paint.dim(format!("({before} earlier with -vv)"))
        )?;
    }
    writeln!(out)?;
    wire_log::write(shown, paint, "  ", out)
}

/// The last entries that led to the finding, at most [`LAST_MESSAGES`] of them, counting a run of one kind once.
fn tail<'a>(all: &'a [TranscriptEntry], finding: Option<&Finding>) -> &'a [TranscriptEntry] {
    let upto = all.get(..led_to(all, finding)).unwrap_or(all);
    let mut runs = 0;
    let mut start = upto.len();
    for (i, entry) in upto.iter().enumerate().rev() {
        let same = upto.get(i + 1).is_some_and(|next| {
            next.kind == entry.kind && next.dir == entry.dir && next.conn == entry.conn
        });
        if !same || entry.dir == EntryDir::Event {
            runs += 1;
        }
        if runs > LAST_MESSAGES {
            break;
        }
        start = i;
    }
    upto.get(start..).unwrap_or(upto)
}

/// How many entries led to the finding: those up to its time and to the end of the steps.
pub(super) fn led_to(all: &[TranscriptEntry], finding: Option<&Finding>) -> usize {
    let stopped = all
        .iter()
        .position(|entry| entry.dir == EntryDir::Event && entry.kind == "stopped")
        .map_or(all.len(), |last| last + 1);
    let led = finding.map_or(all.len(), |finding| {
        let led = all
            .iter()
            .rposition(|entry| entry.at_ms <= finding.at_ms)
            .map_or(0, |last| last + 1);
        if led == 0 { all.len() } else { led }
    });
    stopped.min(led)
}

fn advertised(run: &RunOutcome, paint: Paint, out: &mut dyn io::Write) -> io::Result<()> {
    let target = &run.target;
    if target.client.is_none() && target.reserved.is_empty() && target.extensions.is_empty() {
        return Ok(());
    }
    let mut parts = Vec::new();
    if let Some(client) = &target.client {
        parts.push(safe(client).into_owned());
    }
    if !target.reserved.is_empty() {
        parts.push(format!(
            "reserved bits {}",
            safe(&target.reserved.join(", "))
        ));
    }
    if !target.extensions.is_empty() {
        let ids = target
            .extensions
            .iter()
            .map(|(name, id)| format!("{} = {id}", safe(name)))
            .collect::<Vec<_>>();
        parts.push(format!("extensions {}", ids.join(", ")));
    }
    writeln!(out)?;
    writeln!(
        out,
        "  {} {}",
        paint.mark("the target advertised"),
        parts.join("; ")
    )
}

fn client_log(case: &CaseOutcome, paint: Paint, out: &mut dyn io::Write) -> io::Result<()> {
    if case.log.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "  {}", paint.mark("the client's own log"))?;
    let start = case.log.len().saturating_sub(LOG_LINES);
    for line in case.log.iter().skip(start) {
        // Never at the start of a line: some CI systems take commands from there.
        writeln!(out, "    | {}", super::text::short(line, 160))?;
    }
    Ok(())
}

/// The command that repeats just this, and where to read on.
fn onward(
    case: &CaseOutcome,
    run: &RunOutcome,
    context: &Context,
    paint: Paint,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    writeln!(out)?;
    writeln!(
        out,
        "  {} {}",
        paint.dim("again:"),
        repeat_command(case, run, context)
    )?;
    let id = case
        .decisive()
        .and_then(|finding| finding.requirement.as_deref())
        .or_else(|| case.requirements.first().map(String::as_str))
        .unwrap_or(&case.case);
    writeln!(out, "  {} btspec explain {}", paint.dim("more: "), safe(id))
}

/// `btspec run …` that plays this case alone, on the same target with the same seed.
pub(super) fn repeat_command(case: &CaseOutcome, run: &RunOutcome, context: &Context) -> String {
    let mut words = vec!["btspec".to_owned()];
    match context.repeat.as_slice() {
        [] => words.extend(played_on(&run.target.spec)),
        repeat => words.extend(repeat.iter().cloned()),
    }
    // A rule row has no play of its own: repeat the case in which it was broken first as well.
    let seen_in = case
        .findings
        .first()
        .filter(|_| case.is_rule())
        .and_then(|finding| finding.seen_in.as_deref());
    words.push("--filter".to_owned());
    words.push(match seen_in {
        Some(seen_in) => format!("id({seen_in}) | id({})", case.id),
        None => format!("id({})", case.id),
    });
    words.push("--seed".to_owned());
    words.push(run.seed.to_string());
    words
        .iter()
        .map(|word| quoted(&safe(word)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What played on a target of this name, for all that a recording tells.
fn played_on(spec: &str) -> Vec<String> {
    let words = match spec.split_once(':') {
        _ if spec == "self" => vec!["run"],
        Some(("client", name)) => vec!["run", "--client", name],
        Some(("exec", command)) => vec!["run", "--exec", command],
        _ => vec!["run", "--target", spec],
    };
    words.into_iter().map(str::to_owned).collect()
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let tame = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(tame) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
