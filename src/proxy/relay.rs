//! Moves bytes between two sockets, and lets a [`Watch`] see them.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::watch::{Side, Watch};
use crate::trace::CloseHow;

/// Relays until both sides have ended; `heard` is called whenever the watch has seen something. An end in order is passed on behind the last byte, a reset as a
/// reset; what one side sent before the other died still arrives.
pub async fn relay(
    mut dialler: TcpStream,
    mut target: TcpStream,
    watch: &mut Watch,
    heard: &mut (dyn FnMut(&mut Watch) + Send),
) -> Duration {
    let started = Instant::now();
    // One write is one segment on both ways: nothing is held back.
    let _ = (dialler.set_nodelay(true), target.set_nodelay(true));
    let mut up = Pipe::new(Side::Dialler);
    let mut down = Pipe::new(Side::Target);
    loop {
        let due = watch.poll_deadline().map(|at| started + at);
        tokio::select! {
            ready = dialler.readable(), if up.reads() => {
                up.read(ready, &dialler, &target, watch, started);
            }
            ready = target.readable(), if down.reads() => {
                down.read(ready, &target, &dialler, watch, started);
            }
            _ = target.writable(), if up.pending() => up.write(&target),
            _ = dialler.writable(), if down.pending() => down.write(&dialler),
            () = sleep_until(due.unwrap_or(started)), if due.is_some() => {
                watch.handle_timeout(started.elapsed());
            }
            else => break,
        }
        up.tell(watch, started.elapsed());
        down.tell(watch, started.elapsed());
        heard(watch);
        pass_on(&mut up, &mut target).await;
        pass_on(&mut down, &mut dialler).await;
        if up.reset || down.reset {
            // Both ends hear of it as of a reset.
            let _ = (dialler.set_zero_linger(), target.set_zero_linger());
            break;
        }
        if up.over() && down.over() {
            break;
        }
    }
    started.elapsed()
}

/// One direction.
struct Pipe {
    side: Side,
    buffer: Vec<u8>,
    /// What of the buffer is still to be written.
    begin: usize,
    end: usize,
    /// Its source has ended, in order.
    ended: bool,
    /// The end was passed on.
    passed_on: bool,
    /// Its source has reset, and everything before is written.
    reset: bool,
    failed: bool,
    /// Nobody takes its bytes any more: they are read and dropped.
    broken: bool,
    told_taking: bool,
}

impl Pipe {
    fn new(side: Side) -> Self {
        Self {
            side,
            buffer: vec![0; BUFFER],
            begin: 0,
            end: 0,
            ended: false,
            passed_on: false,
            reset: false,
            failed: false,
            broken: false,
            told_taking: true,
        }
    }

    fn pending(&self) -> bool {
        self.begin < self.end
    }

    fn reads(&self) -> bool {
        !self.pending() && !self.ended && !self.failed
    }

    fn over(&self) -> bool {
        self.passed_on || (self.broken && self.ended)
    }

    /// Reads once, lets it be seen, and tries to hand it on at once.
    fn read(
        &mut self,
        ready: io::Result<()>,
        from: &TcpStream,
        to: &TcpStream,
        watch: &mut Watch,
        started: Instant,
    ) {
        let read = ready.and_then(|()| from.try_read(&mut self.buffer));
        let at = started.elapsed();
        match read {
            Ok(0) => {
                self.ended = true;
                watch.handle_end(self.side, CloseHow::Fin, at);
            }
            Ok(len) => {
                (self.begin, self.end) = (0, len);
                if let Some(bytes) = self.buffer.get(..len) {
                    watch.handle_bytes(self.side, bytes, at);
                }
                self.write(to);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => {
                self.failed = true;
                watch.handle_end(self.side, CloseHow::Rst, at);
            }
        }
        self.reset = self.failed && !self.pending();
    }

    /// Writes as much as the other side takes.
    fn write(&mut self, to: &TcpStream) {
        while self.pending() {
            let bytes = self.buffer.get(self.begin..self.end).unwrap_or_default();
            let written = match self.broken {
                true => Ok(bytes.len()),
                false => to.try_write(bytes),
            };
            match written {
                Ok(len) => self.begin = self.begin.saturating_add(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // What that side has sent before is still read, until it ends or is reset.
                Err(_) => self.broken = true,
            }
        }
        self.reset = self.failed;
    }

    /// Tells whether the other side takes what comes.
    fn tell(&mut self, watch: &mut Watch, at: Duration) {
        let taking = !self.pending();
        if taking != self.told_taking {
            self.told_taking = taking;
            let other = match self.side {
                Side::Dialler => Side::Target,
                Side::Target => Side::Dialler,
            };
            watch.handle_taking(other, taking, at);
        }
    }
}

/// Ends the other side's stream behind the last byte.
async fn pass_on(pipe: &mut Pipe, to: &mut TcpStream) {
    if pipe.ended && !pipe.pending() && !pipe.passed_on {
        pipe.passed_on = true;
        // Whoever is gone needs no end.
        let _ = to.shutdown().await;
    }
}

/// Bytes that one direction holds at most.
const BUFFER: usize = 256 * 1024;
