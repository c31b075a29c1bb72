//! The only place that writes to standard output and standard error.
//!
//! A reader that goes away (`btspec list | head -1`) is no error: what it no longer wants is
//! dropped, and the exit code stays what the work says.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

/// A writer that takes a closed pipe for what it is.
pub(crate) struct Tolerant<W> {
    inner: W,
    closed: bool,
}

impl<W: Write> Tolerant<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            closed: false,
        }
    }

    /// `result`, but a closed pipe counts as success from now on.
    fn tolerate<T>(&mut self, result: io::Result<T>, or: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(or)
            }
            other => other,
        }
    }
}

impl<W: Write> Write for Tolerant<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        let result = self.inner.write(bytes);
        self.tolerate(result, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let result = self.inner.flush();
        self.tolerate(result, ())
    }
}

/// Standard output, buffered. Flush it before the process ends.
pub(crate) fn stdout() -> Tolerant<BufWriter<StdoutLock<'static>>> {
    Tolerant::new(BufWriter::new(io::stdout().lock()))
}

/// One diagnostic on standard error. There is nobody to tell when that fails.
pub(crate) fn diagnose(text: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether results may be coloured: a terminal, and `NO_COLOR` unset or empty.
pub(crate) fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let mut out = Tolerant::new(Broken);
        assert!(out.flush().is_err());
        assert!(out.write_all(b"abc").is_ok());
        assert!(out.flush().is_ok());
    }
}
