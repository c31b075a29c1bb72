//! Puts a process, such as the reference peer, on real sockets.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use tokio::time::{Instant, sleep_until};

use crate::peer::{Input, Output, PeerEvent, Process};
use crate::transport::{Event, ListenerId, Sockets};

/// A process behind a TCP listener.
pub struct Server<P> {
    process: P,
    sockets: Sockets,
    listener: Option<ListenerId>,
    addr: SocketAddr,
    started: Instant,
    next_accepted: u32,
    paused: Vec<u32>,
    exit: Option<i32>,
}

impl<P: Process> Server<P> {
    /// Listens at `at` (port 0 takes a free one); the process starts now, and runs while
    /// [`run`](Self::run) does. Needs a tokio runtime.
    ///
    /// # Errors
    /// What the system says to the listening socket.
    pub fn bind(at: SocketAddr, process: P) -> io::Result<Self> {
        let mut sockets = Sockets::new();
        let (listener, addr) = sockets.listen(at)?;
        Ok(Self {
            process,
            sockets,
            listener: Some(listener),
            addr,
            started: Instant::now(),
            next_accepted: 2,
            paused: Vec::new(),
            exit: None,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The process.
    pub fn process(&self) -> &P {
        &self.process
    }

    /// Hands in a verb, or a call to dial somebody. Events of its outputs are dropped.
    pub fn command(&mut self, input: Input) {
        self.give(input, &mut |_| {});
    }

    /// Serves until the process ends itself, and returns its exit code, or until `until` says so
    /// of what it tells. Dropping the future stops serving; calling again goes on.
    pub async fn run(
        &mut self,
        mut tell: impl FnMut(&PeerEvent),
        mut until: impl FnMut(&P) -> bool,
    ) -> Option<i32> {
        self.collect(&mut tell);
        loop {
            if self.exit.is_some() || until(&self.process) {
                return self.exit;
            }
            let deadline = self.process.poll_deadline().map(|at| self.started + at);
            if deadline.is_some_and(|at| at <= Instant::now()) {
                // Now, even while bytes keep coming; and one event below, even if it stays due.
                self.give(Input::Timeout, &mut tell);
            }
            match next(&mut self.sockets, deadline).await {
                Some(event) => self.take(event, &mut tell),
                None => self.give(Input::Timeout, &mut tell),
            }
        }
    }

    fn take(&mut self, event: Event, tell: &mut dyn FnMut(&PeerEvent)) {
        let input = match event {
            Event::Incoming(incoming) => {
                let conn = self.next_accepted;
                self.next_accepted = self.next_accepted.wrapping_add(2);
                let remote = incoming.remote;
                self.sockets.adopt(conn, incoming);
                Input::Accepted { conn, remote }
            }
            Event::Connected { conn, .. } => Input::Connected { conn },
            Event::Failed { conn, .. } => Input::ConnectFailed { conn },
            Event::Bytes { conn, bytes } => Input::Bytes { conn, bytes },
            Event::Eof { conn } => Input::Eof { conn },
            Event::Reset { conn } | Event::WriteFailed { conn } => {
                // A process hears of a failed write as of a reset, and only once.
                self.sockets.rst(conn);
                self.paused.retain(|paused| *paused != conn);
                Input::Reset { conn }
            }
            Event::Written { conn, .. } => {
                self.pace(conn);
                return;
            }
        };
        self.give(input, tell);
    }

    fn give(&mut self, input: Input, tell: &mut dyn FnMut(&PeerEvent)) {
        if self.exit.is_none() {
            self.process.handle(input, self.started.elapsed());
            self.collect(tell);
        }
    }

    fn collect(&mut self, tell: &mut dyn FnMut(&PeerEvent)) {
        while let Some(output) = self.process.poll_output() {
            match output {
                Output::Bytes { conn, bytes } => {
                    self.sockets.write(conn, bytes);
                    self.pace(conn);
                }
                Output::Fin { conn } => self.sockets.close(conn),
                Output::Rst { conn } => self.sockets.rst(conn),
                Output::Connect { conn, remote } => {
                    self.sockets.dial(conn, Some(self.addr.ip()), remote);
                }
                Output::StopAccepting => self.stop_accepting(),
                Output::Restarted => self.sockets.drop_all(true),
                Output::Exit(code) => {
                    self.exit = Some(code);
                    self.stop_accepting();
                    self.sockets.drop_all(true);
                    return;
                }
                Output::VerbDone { .. } => {}
                Output::Event(event) => tell(&event),
            }
        }
    }

    fn stop_accepting(&mut self) {
        if let Some(listener) = self.listener.take() {
            self.sockets.stop_listening(listener);
        }
    }

    /// Stops reading from whoever does not read, so that our answers do not pile up.
    fn pace(&mut self, conn: u32) {
        let queued = self.sockets.queued(conn);
        let paused = self.paused.iter().position(|known| *known == conn);
        match paused {
            None if queued > QUEUE_HIGH => {
                self.sockets.reading(conn, false);
                self.paused.push(conn);
            }
            Some(at) if queued < QUEUE_LOW => {
                self.sockets.reading(conn, true);
                self.paused.swap_remove(at);
            }
            _ => {}
        }
    }
}

/// The next event, or `None` at the deadline.
async fn next(sockets: &mut Sockets, deadline: Option<Instant>) -> Option<Event> {
    let mut sleep = deadline.map(|at| Box::pin(sleep_until(at)));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(event) = sockets.poll(cx) {
            return Poll::Ready(Some(event));
        }
        match &mut sleep {
            Some(sleep) => sleep.as_mut().poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}

const QUEUE_HIGH: usize = 4 * 1024 * 1024;

const QUEUE_LOW: usize = 1024 * 1024;
