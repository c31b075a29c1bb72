//! The report for a person: quiet unless something went wrong, and an honest last line.

use std::io;

use super::row::{gist, is_bad};
use super::text::safe;
use super::{Context, Paint, failure};
use crate::outcome::{CaseOutcome, RunOutcome, Verdict};

/// What no case can judge yet. Said at the end of every run, so that a green line is not taken
/// for more than it is.
pub const UNTESTED: &str = "uTP, encryption";

/// Rows listed as slowest with `-v`.
const SLOWEST: usize = 5;

/// Writes a finished run.
pub fn write(run: &RunOutcome, context: &Context, out: &mut dyn io::Write) -> io::Result<()> {
    let paint = Paint { on: context.colour };
    for case in &run.cases {
        row(case, run, context, out)?;
    }
    if context.verbose > 0 {
        slowest(run, paint, out)?;
    }
    skipped(run, context, paint, out)?;
    for complaint in &run.complaints {
        let about = format!("{}:", complaint.about);
        let about = match complaint.is_bad(context.strict) {
            true => paint.wrong(about).to_string(),
            false => paint.mild(about).to_string(),
        };
        writeln!(out, "{about} {}", safe(&complaint.what))?;
    }
    known(run, context, paint, out)?;
    if let Some(lost) = &run.lost {
        writeln!(
            out,
            "{} {}",
            paint.wrong("the run ended early:"),
            safe(lost)
        )?;
    }
    writeln!(
        out,
        "{}",
        paint.dim(format!("not tested at all: {UNTESTED}"))
    )?;
    writeln!(out, "{}", run.summary.line(&run.cases))
}

/// One row: a whole block when it needs a person, a line or nothing else.
fn row(
    case: &CaseOutcome,
    run: &RunOutcome,
    context: &Context,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let paint = Paint { on: context.colour };
    let listed = case.known.is_some();
    if context.verbose > 1 || is_bad(case, context) {
        return failure::write(case, run, context, out);
    }
    let line = context.verbose > 0 || (case.verdict == Verdict::Warn && !listed);
    if line {
        short(case, paint, out)?;
    }
    Ok(())
}

/// A row on one or two lines: what, and the gist of why.
fn short(case: &CaseOutcome, paint: Paint, out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "{} {}", paint.verdict(case.verdict), safe(&case.id))?;
    if matches!(case.verdict, Verdict::Warn | Verdict::Fail)
        && let Some(level) = case.decisive().and_then(|finding| finding.level)
    {
        write!(out, " ({level})")?;
    }
    writeln!(out)?;
    if let Some(gist) = gist(case) {
        writeln!(out, "     {gist}")?;
    }
    if let Some(known) = &case.known {
        writeln!(out, "     {} {}", paint.dim("known:"), safe(known))?;
    }
    Ok(())
}

fn slowest(run: &RunOutcome, paint: Paint, out: &mut dyn io::Write) -> io::Result<()> {
    let mut cases = run
        .cases
        .iter()
        .filter(|case| !case.is_rule() && case.verdict != Verdict::Skip)
        .collect::<Vec<_>>();
    cases.sort_by(|a, b| b.duration_ms.cmp(&a.duration_ms).then(a.id.cmp(&b.id)));
    if cases.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", paint.mark("slowest"))?;
    for case in cases.into_iter().take(SLOWEST) {
        writeln!(
            out,
            "{:>12}  {}",
            case.duration_ms.to_string(),
            safe(&case.id)
        )?;
    }
    Ok(())
}

/// Skips by reason: what was not looked at is as much a result as what was.
fn skipped(
    run: &RunOutcome,
    context: &Context,
    paint: Paint,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    // With -v each skip has its own line already.
    if context.verbose > 0 {
        return Ok(());
    }
    let mut reasons = Vec::<(&str, usize)>::new();
    for case in &run.cases {
        if case.verdict != Verdict::Skip || case.is_rule() {
            continue;
        }
        let reason = case.reason.as_deref().unwrap_or("no reason given");
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => reasons.push((reason, 1)),
        }
    }
    for (reason, count) in reasons {
        writeln!(
            out,
            "{} {count} × {}",
            paint.verdict(Verdict::Skip),
            safe(reason)
        )?;
    }
    Ok(())
}

/// How many results an expectations file covers.
fn known(
    run: &RunOutcome,
    context: &Context,
    paint: Paint,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let count = run.cases.iter().filter(|case| case.known.is_some()).count();
    if count > 0 && context.verbose == 0 {
        writeln!(
            out,
            "{}",
            paint.dim(format!(
                "{count} as listed in the expectations (-v shows them)"
            ))
        )?;
    }
    Ok(())
}
