//! Makes a scenario file small, whoever wrote it: steps first, then numbers and bytes, segments last.
//!
//! It works on the text that `scenario::print` writes, one step a line and what belongs to it indented
//! below. Whether a smaller text is a scenario at all is for the parser to say, and whether it still
//! shows the same for a play.

use crate::scenario::parse_text;

/// Shrinks `text` as long as `holds` says so; at most `budget` texts are asked about. Texts that do
/// not parse are never asked about.
pub fn reduce(text: &str, budget: usize, holds: &mut dyn FnMut(&str) -> bool) -> String {
    let mut reducer = Reducer {
        lines: text.lines().map(str::to_owned).collect(),
        left: budget,
        holds,
    };
    loop {
        let mut any = reducer.fewer_steps();
        any |= reducer.plainer_fields();
        any |= reducer.no_segments();
        if !any || reducer.left == 0 {
            break;
        }
    }
    join(&reducer.lines)
}

struct Reducer<'a> {
    lines: Vec<String>,
    left: usize,
    holds: &'a mut dyn FnMut(&str) -> bool,
}

impl Reducer<'_> {
    fn try_it(&mut self, lines: Vec<String>) -> bool {
        let text = join(&lines);
        if self.left == 0 || parse_text("shrunk.yaml", &text).is_err() {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        let holds = (self.holds)(&text);
        if holds {
            self.lines = lines;
        }
        holds
    }

    /// Leaves out entries of lists with what is indented below them, the later ones first: what a
    /// later step does not need, an earlier one need not set up.
    fn fewer_steps(&mut self) -> bool {
        let mut any = false;
        let mut at = self.lines.len();
        while let Some(line) = at.checked_sub(1) {
            at = line;
            let Some(end) = self.entry_end(at) else {
                continue;
            };
            let mut fewer = self.lines.clone();
            fewer.drain(at..end);
            any |= self.try_it(fewer);
        }
        any
    }

    /// Behind the last line of the list entry that begins at a line; `None` if none does.
    fn entry_end(&self, at: usize) -> Option<usize> {
        let first = self.lines.get(at)?;
        first.trim_start().strip_prefix("- ")?;
        let depth = indent(first);
        let rest = self.lines.iter().skip(at.saturating_add(1));
        let below = rest.take_while(|line| indent(line) > depth).count();
        Some(at.saturating_add(below).saturating_add(1))
    }

    /// Numbers become 0, long runs of hexadecimal digits become short.
    fn plainer_fields(&mut self) -> bool {
        let mut any = false;
        for at in 0..self.lines.len() {
            let Some(line) = self.lines.get(at).cloned() else {
                break;
            };
            if !is_step(&line) {
                continue;
            }
            let mut skip = 0;
            while let Some(current) = self.lines.get(at).cloned() {
                let Some(plainer) = plainer(&current).into_iter().nth(skip) else {
                    break;
                };
                let mut lines = self.lines.clone();
                if let Some(line) = lines.get_mut(at) {
                    *line = plainer;
                }
                if self.try_it(lines) {
                    any = true;
                } else {
                    skip = skip.saturating_add(1);
                }
                if self.left == 0 {
                    return any;
                }
            }
        }
        any
    }

    fn no_segments(&mut self) -> bool {
        let mut any = false;
        let mut at = self.lines.len();
        while let Some(line) = at.checked_sub(1) {
            at = line;
            let found = self.lines.get(at).map(|line| line.trim_start().to_owned());
            if found.is_some_and(|line| line.starts_with("fragment:")) {
                let mut fewer = self.lines.clone();
                fewer.remove(at);
                any |= self.try_it(fewer);
            }
        }
        any
    }
}

fn join(lines: &[String]) -> String {
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn indent(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start().len())
}

/// Whether a line says what is sent.
fn is_step(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches("- ");
    line.starts_with("send:") || line.starts_with("send_raw:") || line.starts_with("times:")
}

/// The line with one number 0, or one run of digits half as long.
fn plainer(line: &str) -> Vec<String> {
    let mut versions = Vec::new();
    let put = |at: usize, len: usize, with: &str| {
        let head = line.get(..at).unwrap_or_default();
        let tail = line.get(at.saturating_add(len)..).unwrap_or_default();
        format!("{head}{with}{tail}")
    };
    for (at, word) in words(line) {
        let before = line.get(..at).unwrap_or_default().trim_end();
        let digits = word.chars().all(|c| c.is_ascii_digit());
        let hex = before.ends_with("hex:") || before.ends_with("hex: \"");
        if hex && word.len() > 2 {
            let half = word.len() / 4 * 2;
            versions.push(put(
                at,
                word.len(),
                word.get(..half.max(2)).unwrap_or_default(),
            ));
        } else if digits && before.ends_with(':') && word != "0" {
            versions.push(put(at, word.len(), "0"));
            if before.ends_with("times:") && word != "1" {
                versions.push(put(at, word.len(), "1"));
            }
        }
    }
    versions
}

/// Runs of letters and digits, and where they begin.
fn words(line: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut from = None;
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        match (c.is_ascii_alphanumeric(), from) {
            (true, None) => from = Some(at),
            (false, Some(start)) => {
                words.push((start, line.get(start..at).unwrap_or_default()));
                from = None;
            }
            _ => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITE: &str = "\
spec: 1
suite: s
title: t
cases:
  - case: c
    title: t
    cites: [B3-FR-20]
    proof: {none: no need}
    given:
      - connect: {}
    steps:
      - send: interested
      - send: {have: {index: 4}}
        fragment: {sizes: [1, 2]}
      - send: {request: {index: 7, begin: 4294967295, length: 16384}}
      - send_raw: {hex: \"0011223344556677\", boundary: open}
      - alive: {}
";

    #[test]
    fn keeps_what_matters() {
        let mut asked = 0;
        let small = reduce(SUITE, 200, &mut |text| {
            asked += 1;
            text.contains("begin: 4294967295") && text.contains("alive") && text.contains("connect")
        });
        assert!(
            !small.contains("interested") && !small.contains("have"),
            "{small}"
        );
        assert!(
            small.contains("{request: {index: 0, begin: 4294967295, length: 0}}"),
            "{small}"
        );
        assert!(asked < 60, "{asked}");
    }

    #[test]
    fn segments_go_last_and_digits_get_short() {
        let small = reduce(SUITE, 200, &mut |text| {
            text.contains("send_raw: {hex: \"00") && text.contains("have: {index")
        });
        assert!(small.contains("{hex: \"00\", boundary: open}"), "{small}");
        assert!(
            !small.contains("fragment") && small.contains("have: {index: 0}"),
            "{small}"
        );
    }
}
