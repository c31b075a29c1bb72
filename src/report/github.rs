//! Workflow commands of GitHub Actions: each line becomes an annotation, on the line of the scenario
//! where a step was missed.
//!
//! The runner takes any line that begins with `::` for a command, so a line is one row, whatever a
//! peer says: line ends and `%` are escaped, in properties `:` and `,` as well.

use std::io;

use super::Context;
use super::explain::citation;
use super::row::{gist, is_bad};
use super::text::{cut, line, safe};
use crate::outcome::{CaseOutcome, FileComplaint, RunOutcome, Verdict};

/// Writes a finished run: what turns it red first.
pub fn write(run: &RunOutcome, context: &Context, out: &mut dyn io::Write) -> io::Result<()> {
    let mut left = MOST;
    let mut more = 0_usize;
    let mut write = |text: String| {
        if left == 0 {
            more += 1;
            return Ok(());
        }
        left -= 1;
        writeln!(out, "{text}")
    };
    if let Some(lost) = &run.lost {
        write(format!(
            "::error title=btspec::{}",
            data(&format!("the run ended early: {}", line(lost)))
        ))?;
    }
    let (bad, mild): (Vec<_>, Vec<_>) = run
        .complaints
        .iter()
        .partition(|complaint| complaint.is_bad(context.strict));
    for complaint in bad {
        write(of_a_file("error", complaint))?;
    }
    for case in run.cases.iter().filter(|case| is_bad(case, context)) {
        write(annotation("error", case))?;
    }
    let warns = run.cases.iter().filter(|case| {
        case.verdict == Verdict::Warn && case.known.is_none() && !is_bad(case, context)
    });
    for complaint in mild {
        write(of_a_file("warning", complaint))?;
    }
    for case in warns {
        write(annotation("warning", case))?;
    }
    if more > 0 {
        writeln!(
            out,
            "::notice title=btspec::{more} more; other reports have all"
        )?;
    }
    Ok(())
}

fn of_a_file(kind: &str, complaint: &FileComplaint) -> String {
    let about = complaint.about;
    let what = cut(line(&complaint.what), MESSAGE_CHARS);
    format!("::{kind} title=btspec {about}::{}", data(&what))
}

fn annotation(kind: &str, case: &CaseOutcome) -> String {
    let finding = case.decisive();
    let place = finding.and_then(|finding| Some((finding.file.as_deref()?, finding.line?)));
    let place = place.map_or_else(String::new, |(file, number)| {
        format!("file={},line={number},", property(file))
    });
    let title = property(&format!("{} {}", case.verdict, case.id));
    let mut lines = vec![gist(case).unwrap_or_else(|| case.verdict.to_string())];
    let found = finding
        .and_then(|finding| finding.requirement.as_deref())
        .and_then(citation);
    if let Some(found) = found {
        let words = found.quote.unwrap_or(found.statement);
        lines.push(format!("{}: {}", found.place(), line(words)));
    }
    for expected in finding.map_or(&[][..], |finding| &finding.expected) {
        let joint = if expected.missed.is_empty() { "" } else { ": " };
        let (what, missed) = (line(&expected.what), line(&expected.missed));
        lines.push(format!("expected {what}{joint}{missed}"));
    }
    let message = cut(lines.join("\n").into(), MESSAGE_CHARS);
    format!("::{kind} {place}title={title}::{}", data(&message))
}

/// What stands behind the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(&cut(safe(text), 200))
        .replace(':', "%3A")
        .replace(',', "%2C")
}

/// Annotations of a run. The runner shows ten of each kind.
const MOST: usize = 50;

/// Characters of one.
const MESSAGE_CHARS: usize = 3_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_and_one_command() {
        let mut case = CaseOutcome::new("s/c\n::error::x,y", "s", "s/c");
        case.verdict = Verdict::Fail;
        case.reason = Some("100%\n::stop-commands::x".into());
        assert_eq!(
            annotation("error", &case),
            "::error title=fail s/c\\n%3A%3Aerror%3A%3Ax%2Cy::100%25\\n::stop-commands::x"
        );
    }
}
