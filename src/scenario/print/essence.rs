//! What two suites have in common that mean the same.

use crate::scenario::ast::Suite;

/// Everything of a suite but places, numbers of steps, and what is only another name for a block.
/// Suites with one essence mean the same.
pub fn essence(suite: &Suite) -> String {
    let text = format!("{suite:?}");
    let digits = |c: char| c.is_ascii_digit();
    let path = |c: char| c.is_alphanumeric() || "/_.-".contains(c);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(".yaml:") {
        out.push_str(before.trim_end_matches(path));
        let column = after.trim_start_matches(digits).trim_start_matches(':');
        rest = column.trim_start_matches(digits);
    }
    out.push_str(rest);
    // `fetch--3#2.x` is `fetch#1.x`, and steps are numbered as they are read.
    let mut clean = String::new();
    for (index, part) in out.split('#').enumerate() {
        let part = if index > 0 {
            part.trim_start_matches(digits)
        } else {
            part
        };
        let base = part.trim_end_matches(digits);
        clean.push_str(base.strip_suffix("--").unwrap_or(part));
        clean.push('#');
    }
    let parts = clean.split("block: \"").map(|part| {
        let (name, tail) = part.split_once('"').unwrap_or((part, ""));
        let base = name.trim_end_matches(digits).trim_end_matches("--");
        format!("{base}\"{tail}")
    });
    parts.collect()
}
