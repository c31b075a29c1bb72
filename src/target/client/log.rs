//! The client's own last words, bounded.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::alarm::is_alarm;
use crate::wire::escape::peer_text;

/// The last lines that a client wrote, shared with the thread that reads them.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    last: VecDeque<String>,
    /// A line that tells of a panic or a sanitizer's report, and what followed it.
    alarm: Vec<String>,
}

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
        let line = peer_text(line);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alarmed = !lines.alarm.is_empty() || is_alarm(&line);
        if alarmed && lines.alarm.len() < ALARM_LINES {
            lines.alarm.push(line.clone());
        }
        if lines.last.len() == LINES {
            lines.last.pop_front();
        }
        lines.last.push_back(line);
    }

    /// Whether it wrote of a panic or the like since that was last taken.
    pub(super) fn alarmed(&self) -> bool {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !lines.alarm.is_empty()
    }

    /// Takes what it wrote of that.
    pub(super) fn take_alarm(&self) -> Vec<String> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut lines.alarm)
    }

    /// The last `n` lines, oldest first.
    pub(super) fn last(&self, n: usize) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = lines.last.len().saturating_sub(n);
        lines.last.iter().skip(skip).cloned().collect()
    }
}

/// Lines kept.
const LINES: usize = 200;

/// Lines kept of a panic or a sanitizer's report.
const ALARM_LINES: usize = 60;

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

    #[test]
    fn keeps_what_follows_an_alarm() {
        let log = Log::default();
        log.push(b"all is well");
        assert!(!log.alarmed());
        log.push(b"==1==ERROR: AddressSanitizer: heap-use-after-free");
        log.push(b"    #0 0x1 in f");
        assert!(log.alarmed());
        assert_eq!(log.take_alarm().len(), 2);
        log.push(b"    #1 0x2 in g");
        assert!(!log.alarmed() && log.take_alarm().is_empty());
    }
}
