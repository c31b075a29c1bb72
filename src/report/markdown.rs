//! Markdown, for the job summary of a CI system: counts, what went wrong, and the whole block of each
//! failure folded away.
//!
//! Other people's text stands in `<code>`, where no forge makes links or mentions of it, with every
//! character that Markdown knows written as a reference.

use std::io;

use super::row::{count, gist, is_bad, level, listed};
use super::terminal::UNTESTED;
use super::text::{LINE_CHARS, cut, line};
use super::{Context, failure};
use crate::outcome::{CaseOutcome, RunOutcome, Verdict};

/// Writes a finished run.
pub fn write(run: &RunOutcome, context: &Context, out: &mut dyn io::Write) -> io::Result<()> {
    let context = &Context {
        colour: false,
        ..context.clone()
    };
    writeln!(out, "## btspec against {}\n", code(&run.target.spec))?;
    if let Some(client) = &run.target.client {
        writeln!(out, "It calls itself {}.\n", code(client))?;
    }
    if let Some(lost) = &run.lost {
        writeln!(out, "**The run ended early:** {}\n", code(lost))?;
    }
    counts(run, out)?;
    if let Some(listed) = listed(run) {
        writeln!(out, "{listed}.\n")?;
    }
    for complaint in run.complaints.iter().take(ROWS) {
        let about = complaint.about.title();
        writeln!(out, "- **{about}:** {}", code(&complaint.what))?;
    }
    if !run.complaints.is_empty() {
        writeln!(out)?;
    }
    left_out(
        run.complaints.len().saturating_sub(ROWS),
        "of the files beside the run",
        out,
    )?;
    let (bad, rest): (Vec<_>, Vec<_>) = run
        .cases
        .iter()
        .filter(|case| case.unfavourable() || case.verdict == Verdict::Error)
        .partition(|case| is_bad(case, context));
    let (known, warns): (Vec<_>, Vec<_>) = rest.into_iter().partition(|case| case.known.is_some());
    table("What went wrong", &bad, out)?;
    blocks(&bad, run, context, out)?;
    table("Warnings", &warns, out)?;
    folded("As listed in the expectations", &known, out)?;
    let skipped: Vec<_> = run
        .cases
        .iter()
        .filter(|it| it.verdict == Verdict::Skip)
        .collect();
    folded("Skipped", &skipped, out)?;
    writeln!(out, "Not tested at all: {UNTESTED}.")
}

fn counts(run: &RunOutcome, out: &mut dyn io::Write) -> io::Result<()> {
    let names = Verdict::ALL.map(|verdict| verdict.to_string());
    let rows = Verdict::ALL.map(|verdict| run.summary.count(verdict).to_string());
    writeln!(out, "| {} |", names.join(" | "))?;
    writeln!(out, "|{}", " ---: |".repeat(names.len()))?;
    writeln!(out, "| {} |\n", rows.join(" | "))?;
    let requirements = run.summary.requirements;
    writeln!(
        out,
        "{} of {} requirements judged.\n",
        requirements.judged, requirements.total
    )
}

fn table(title: &str, cases: &[&CaseOutcome], out: &mut dyn io::Write) -> io::Result<()> {
    if cases.is_empty() {
        return Ok(());
    }
    writeln!(out, "### {title}\n")?;
    rows(cases, out)
}

fn rows(cases: &[&CaseOutcome], out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "| verdict | level | case | what |")?;
    writeln!(out, "| --- | --- | --- | --- |")?;
    for case in cases.iter().take(ROWS) {
        let what = match (&case.known, gist(case)) {
            (Some(known), _) => format!("known: {}", code(known)),
            (None, Some(gist)) => code(&gist),
            (None, None) => String::new(),
        };
        writeln!(
            out,
            "| {} | {} | {} | {what} |",
            case.verdict,
            level(case).unwrap_or_default(),
            code(&case.id)
        )?;
    }
    writeln!(out)?;
    left_out(cases.len().saturating_sub(ROWS), "row", out)
}

/// A table that one has to ask for.
fn folded(title: &str, cases: &[&CaseOutcome], out: &mut dyn io::Write) -> io::Result<()> {
    if cases.is_empty() {
        return Ok(());
    }
    let rows_of = count(cases.len(), "row");
    writeln!(out, "<details><summary>{title}: {rows_of}</summary>\n")?;
    rows(cases, out)?;
    writeln!(out, "</details>\n")
}

/// What the terminal shows of each, folded away.
fn blocks(
    cases: &[&CaseOutcome],
    run: &RunOutcome,
    context: &Context,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    for case in cases.iter().take(BLOCKS) {
        let mut block = Vec::new();
        failure::write(case, run, context, &mut block)?;
        let block = String::from_utf8_lossy(&block);
        let lines: Vec<_> = block
            .lines()
            .map(|line| cut(line.into(), LINE_CHARS))
            .collect();
        let block = lines.join("\n");
        let fence = fence(&block);
        writeln!(
            out,
            "<details><summary>{} {}</summary>\n\n{fence}text\n{}\n{fence}\n\n</details>\n",
            case.verdict,
            code(&case.id),
            block.trim_end()
        )?;
    }
    left_out(cases.len().saturating_sub(BLOCKS), "failure in full", out)
}

fn left_out(number: usize, what: &str, out: &mut dyn io::Write) -> io::Result<()> {
    match number {
        0 => Ok(()),
        _ => writeln!(
            out,
            "… and {number} more ({what}); the JSON report has all.\n"
        ),
    }
}

/// Longer than any run of backticks in `block`.
fn fence(block: &str) -> String {
    let longest = block.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.saturating_add(1).max(3))
}

/// Other people's text, as text.
fn code(text: &str) -> String {
    let text = cut(line(text), CODE_CHARS);
    if text.trim().is_empty() {
        return String::new();
    }
    let mut escaped = String::from("<code>");
    for c in text.trim().chars() {
        if c.is_ascii_punctuation() && !PLAIN.contains(c) {
            escaped.push_str(&format!("&#{};", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped + "</code>"
}

/// Punctuation that means nothing in the middle of a line. Colon and point make links.
const PLAIN: &str = "-/,()=";

/// Characters of a cell.
const CODE_CHARS: usize = 300;

/// Rows of a table.
const ROWS: usize = 200;

/// Failures in full: a job summary holds a megabyte.
const BLOCKS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_means_nothing() {
        assert_eq!(
            code("a|`b` <c> www.d.e @f"),
            "<code>a&#124;&#96;b&#96; &#60;c&#62; www&#46;d&#46;e &#64;f</code>"
        );
        assert_eq!(code(" "), "");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fence("plain"), "```");
        assert_eq!(fence("a ```` b"), "`````");
    }
}
