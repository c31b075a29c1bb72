//! The client's own last words, bounded.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::wire::escape::peer_text;

/// The last lines that a client wrote, shared with the thread that reads them.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    /// Reads `from` in a thread of its own until it ends.
    pub(super) fn follow(from: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let keep = log.clone();
        thread::spawn(move || {
            let mut lines = BufReader::new(from);
            let mut line = Vec::new();
            loop {
                line.clear();
                match (&mut lines).take(LINE_LIMIT).read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) => keep.push(line.trim_ascii_end()),
                }
            }
        });
        log
    }

    fn push(&self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(peer_text(line));
    }

    /// The last `n` lines, oldest first.
    pub(super) fn last(&self, n: usize) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = lines.len().saturating_sub(n);
        lines.iter().skip(skip).cloned().collect()
    }
}

/// Lines kept.
const LINES: usize = 200;

/// A longer line is cut into several.
const LINE_LIMIT: u64 = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_lines_and_escapes_them() {
        let log = Log::default();
        for n in 0..LINES + 50 {
            log.push(format!("line {n} \u{1b}[31m").as_bytes());
        }
        log.push(b"");
        let last = log.last(1000);
        assert_eq!(last.len(), LINES);
        let end = last.last().unwrap();
        assert!(
            end.starts_with("line 249 ") && !end.contains('\u{1b}'),
            "{end}"
        );
        assert_eq!(log.last(2).len(), 2);
    }
}
