//! The decoded wire log, one line an entry.

use std::io;

use super::Paint;
use super::text;
use crate::outcome::{EntryDir, TranscriptEntry};

/// Longest value of a field on a line.
const VALUE_CHARS: usize = 48;

/// Messages of one kind in a row from which on the middle is left out.
pub(super) const RUN: usize = 4;

/// Writes `entries`; long runs of one kind show their first and last.
pub(super) fn write(
    entries: &[TranscriptEntry],
    paint: Paint,
    indent: &str,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let run = rest
            .iter()
            .take_while(|entry| alike(entry, first))
            .count()
            .max(1);
        let (these, after) = rest.split_at(run);
        if run >= RUN && first.dir != EntryDir::Event {
            line(first, paint, indent, out)?;
            let more = format!("{} more {}", run - 2, text::safe(&first.kind));
            writeln!(
                out,
                "{indent}{:>12}     {}",
                "",
                paint.dim(format!("… {more}"))
            )?;
            if let Some(last) = these.last() {
                line(last, paint, indent, out)?;
            }
        } else {
            for entry in these {
                line(entry, paint, indent, out)?;
            }
        }
        rest = after;
    }
    Ok(())
}

/// Whether two entries may stand for each other in a run.
pub(super) fn alike(a: &TranscriptEntry, b: &TranscriptEntry) -> bool {
    a.dir == b.dir && a.conn == b.conn && a.kind == b.kind && a.auto == b.auto
}

fn line(
    entry: &TranscriptEntry,
    paint: Paint,
    indent: &str,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let arrow = match entry.dir {
        EntryDir::Sent => "->",
        EntryDir::Received => "<-",
        EntryDir::Event => "--",
    };
    let conn = entry
        .conn
        .map_or_else(String::new, |conn| format!("#{conn}"));
    write!(
        out,
        "{indent}{:>12}  {conn:>3} {} {}",
        entry.at_ms.to_string(),
        paint.mark(arrow),
        text::safe(&entry.kind)
    )?;
    write!(out, "{}", fields(entry))?;
    let undecoded = undecoded(entry);
    if undecoded || entry.len > 1024 {
        write!(out, " {}", paint.dim(format!("({} bytes)", entry.len)))?;
    }
    if entry.auto {
        write!(out, " {}", paint.dim("(auto)"))?;
    }
    if let Some(note) = &entry.note {
        let joint = if entry.dir == EntryDir::Event {
            ":"
        } else {
            " ·"
        };
        write!(out, "{joint} {}", text::safe(note))?;
    }
    writeln!(out)
}

/// ` index=3 begin=0`: the decoded fields, or the bytes of what could not be decoded.
pub(super) fn fields(entry: &TranscriptEntry) -> String {
    let mut text = String::new();
    for (name, value) in &entry.fields.0 {
        let value = text::value(value, VALUE_CHARS);
        text.push_str(&format!(" {}={value}", text::safe(name)));
    }
    if let (true, Some(hex)) = (undecoded(entry), &entry.hex) {
        text.push(' ');
        text.push_str(&text::short(hex, VALUE_CHARS));
    }
    text
}

fn undecoded(entry: &TranscriptEntry) -> bool {
    matches!(entry.kind.as_str(), "raw" | "undecodable" | "trailing")
}
