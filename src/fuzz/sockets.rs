//! The bench over TCP: a few threads, each with one connection at a time.
#![expect(
    clippy::disallowed_methods,
    reason = "the one file of the fuzzer that waits for real sockets, and for processes to write and end"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::bench::Bench;
use super::bounds::Limit;
use super::oracle::{Usage, Vitals};
use super::player::CasePlayer;
use crate::engine::driver::SocketStage;
use crate::engine::io::{Action, CloseKind, ConnId, ConnectError, Input, Tester};
use crate::engine::stage::Stage;
use crate::target::client::Client;
use crate::target::{SourceError, SourceList, Sources};
use crate::transport::blocking::{Blocking, Heard};

/// A target on real sockets, and the threads that speak to it.
pub struct SocketBench {
    stage: SocketStage,
    workers: Vec<Worker>,
    /// So many of them have work.
    width: usize,
    /// Told by each of them once nothing of a batch is left to begin.
    done: (Sender<()>, Receiver<()>),
    sources: Arc<Mutex<Sources>>,
    /// Whoever plays leaves off.
    cut: Arc<AtomicBool>,
    began: Instant,
    /// The target's processes, and when we looked for them.
    members: Vec<u32>,
    looked: Option<Instant>,
}

struct Worker {
    jobs: Sender<Arc<Batch>>,
    /// Keeps the thread's handle: it ends when `jobs` is dropped.
    _thread: thread::JoinHandle<()>,
}

/// Connections to make. Whoever is free takes the next by itself: a thread that hands them out would
/// have to be woken for each.
struct Batch {
    to: SocketAddr,
    /// When all are cut off.
    end: Option<Instant>,
    todo: Mutex<VecDeque<Played>>,
    played: Mutex<Vec<Played>>,
}

/// A connection with its place in the batch.
type Played = (usize, CasePlayer);

impl Batch {
    fn next(&self) -> Option<Played> {
        locked(&self.todo).pop_front()
    }
}

impl SocketBench {
    /// A bench of so many connections at once, and so many once it is [widened](Bench::widen).
    ///
    /// # Errors
    /// When a given source address is not ours.
    pub fn new(
        stage: SocketStage,
        lanes: usize,
        wide: usize,
        sources: Option<&SourceList>,
    ) -> Result<Self, SourceError> {
        let ip = stage.target().addr().ip();
        let sources = Sources::for_target(ip, sources)?;
        let most = match sources.is_single() {
            // Clients take one connection from an address.
            true => 1,
            false => MOST_LANES,
        };
        let (width, wide) = (lanes.clamp(1, most), wide.clamp(1, most));
        let sources = Arc::new(Mutex::new(sources));
        let cut = Arc::new(AtomicBool::new(false));
        let done = channel();
        let workers = (0..wide.max(width))
            .map(|_| {
                let (jobs, todo) = channel::<Arc<Batch>>();
                let (out, sources) = (done.0.clone(), Arc::clone(&sources));
                let cut = Arc::clone(&cut);
                let thread = thread::spawn(move || {
                    let mut buffer = vec![0; BUFFER];
                    for batch in todo {
                        while let Some((place, mut player)) = batch.next() {
                            let wires = Wires {
                                to: batch.to,
                                sources: &sources,
                                cut: &cut,
                                began: Instant::now(),
                                end: batch.end,
                            };
                            wires.play(&mut player, &mut buffer);
                            locked(&batch.played).push((place, player));
                        }
                        if out.send(()).is_err() {
                            return;
                        }
                    }
                });
                Worker {
                    jobs,
                    _thread: thread,
                }
            })
            .collect();
        Ok(Self {
            stage,
            workers,
            width,
            done,
            sources,
            cut,
            began: Instant::now(),
            members: Vec::new(),
            looked: None,
        })
    }

    /// The target.
    pub fn stage(&self) -> &SocketStage {
        &self.stage
    }

    /// Connections at once.
    pub fn lanes(&self) -> usize {
        self.width
    }

    /// Whether every connection comes from the same address.
    pub fn is_single(&self) -> bool {
        locked(&self.sources).is_single()
    }

    /// Ends the target, if it is ours.
    pub fn close(self) {
        self.stage.close();
    }

    fn client(&self) -> Option<&Client> {
        self.stage.target().client()
    }
}

impl Bench for SocketBench {
    fn play(&mut self, players: Vec<CasePlayer>, limit: &Limit<'_>) -> Vec<CasePlayer> {
        let wanted = self.width.min(players.len());
        let batch = Arc::new(Batch {
            to: self.stage.target().addr(),
            end: limit.at().and_then(|at| self.began.checked_add(at)),
            todo: Mutex::new(players.into_iter().enumerate().collect()),
            played: Mutex::new(Vec::new()),
        });
        let workers = self.workers.iter().take(wanted);
        let begun = workers.filter(|worker| worker.jobs.send(Arc::clone(&batch)).is_ok());
        let mut busy = begun.count();
        let mut leave = None;
        while busy > 0 {
            match self.done.1.recv_timeout(ASK_AGAIN) {
                Ok(()) => busy = busy.saturating_sub(1),
                Err(RecvTimeoutError::Timeout) => {
                    if leave.is_none() && limit.reached(self.began.elapsed()) {
                        self.cut.store(true, Ordering::Relaxed);
                        leave = Some(Instant::now());
                    }
                    // Who waits for a connection hears nothing. Nobody plays once it is cut.
                    if leave.is_some_and(|since| since.elapsed() > LEAVE_TIME) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let mut played = std::mem::take(&mut *locked(&batch.played));
        played.sort_by_key(|(place, _)| *place);
        played.into_iter().map(|(_, player)| player).collect()
    }

    fn vitals(&mut self) -> Vitals {
        let Some(client) = self.client() else {
            return Vitals::default();
        };
        let mut death = client.death_so_far();
        if death.is_none() && !client.alarmed() {
            return Vitals {
                alive: Some(true),
                ..Vitals::default()
            };
        }
        // Reports of sanitizers come line by line, and often before the end of the process.
        thread::sleep(REPORT_TIME);
        death = death.or_else(|| client.death_so_far());
        let alarm = client.take_alarm();
        match death {
            None => Vitals {
                alive: Some(true),
                alarm,
                ..Vitals::default()
            },
            Some((exit, how)) => Vitals {
                alive: Some(false),
                exit,
                how,
                alarm,
            },
        }
    }

    fn usage(&mut self) -> Usage {
        let stale = self.looked.is_none_or(|at| at.elapsed() > LOOK_AGAIN);
        if stale {
            self.members = self.client().map(Client::members).unwrap_or_default();
            self.looked = Some(Instant::now());
        }
        Client::usage(&self.members)
    }

    fn can_restart(&self) -> bool {
        self.stage.can_restart()
    }

    fn restart(&mut self, limit: &Limit<'_>) -> Result<(), String> {
        let began = self.began;
        self.looked = None;
        let restarted = self
            .stage
            .restart_unless(&|| limit.reached(began.elapsed()));
        restarted.map(|_| ())
    }

    fn rest(&mut self, span: Duration) {
        thread::sleep(span);
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn widen(&mut self) {
        self.width = self.workers.len();
    }

    fn is_virtual(&self) -> bool {
        false
    }
}

/// What it takes to play a case that has one connection.
struct Wires<'a> {
    to: SocketAddr,
    sources: &'a Mutex<Sources>,
    cut: &'a AtomicBool,
    began: Instant,
    end: Option<Instant>,
}

impl Wires<'_> {
    fn play(&self, player: &mut CasePlayer, buffer: &mut [u8]) {
        let mut connection: Option<Blocking> = None;
        let mut reading = true;
        if self.cut.load(Ordering::Relaxed) {
            player.cut();
            return;
        }
        if let Some(end) = self.end {
            player.end_at(end.saturating_duration_since(self.began));
        }
        player.handle(Input::Timeout, self.began.elapsed());
        loop {
            while let Some(action) = player.poll_action() {
                self.act(action, player, &mut connection, &mut reading);
            }
            if player.done() {
                break;
            }
            let Some(due) = player.poll_deadline() else {
                player.fail("a case without a deadline".to_owned());
                break;
            };
            let deadline = self.began.checked_add(due).unwrap_or(self.began);
            // Whoever wants an end at once does not wait for long.
            let now = Instant::now();
            let wake = deadline.min(now.checked_add(ASK_AGAIN).unwrap_or(now));
            let input = match (&mut connection, reading) {
                (Some(open), true) => match open.read(buffer, wake) {
                    Heard::Bytes(count) => Input::Bytes {
                        conn: CONN,
                        bytes: Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default()),
                    },
                    Heard::Eof => {
                        reading = false;
                        Input::Eof { conn: CONN }
                    }
                    Heard::Reset => {
                        reading = false;
                        Input::Reset { conn: CONN }
                    }
                    Heard::Nothing => Input::Timeout,
                },
                _ => {
                    thread::sleep(wake.saturating_duration_since(now));
                    Input::Timeout
                }
            };
            if self.cut.load(Ordering::Relaxed) {
                player.cut();
                break;
            }
            let at = match input {
                Input::Timeout if wake < deadline => continue,
                Input::Timeout => self.began.elapsed().max(due),
                _ => self.began.elapsed(),
            };
            player.handle(input, at);
        }
        if let Some(open) = connection {
            // What a closed connection would wait for costs ports and nothing else.
            open.rst();
        }
    }

    fn act(
        &self,
        action: Action,
        player: &mut CasePlayer,
        connection: &mut Option<Blocking>,
        reading: &mut bool,
    ) {
        match action {
            Action::Dial { .. } => {
                let input = self.dial(connection);
                player.handle(input, self.began.elapsed());
            }
            Action::Write { segments, .. } => {
                if let Some(open) = connection {
                    for segment in segments {
                        if open.write(&segment).is_err() {
                            // The next read tells how it ended.
                            break;
                        }
                    }
                }
            }
            Action::Close { how, .. } => match how {
                CloseKind::Fin => {
                    if let Some(open) = connection {
                        open.fin();
                    }
                }
                CloseKind::Rst => {
                    if let Some(open) = connection.take() {
                        open.rst();
                    }
                }
            },
            Action::Reading { on, .. } => *reading = on,
            Action::Accept { .. }
            | Action::StopAccept { .. }
            | Action::Verb { .. }
            | Action::Health => {}
        }
    }

    fn dial(&self, connection: &mut Option<Blocking>) -> Input {
        let left = self
            .end
            .map(|end| end.saturating_duration_since(Instant::now()));
        let limit = left.map_or(CONNECT_LIMIT, |left| left.clamp(ASK_AGAIN, CONNECT_LIMIT));
        let failed = |why| Input::ConnectFailed { conn: CONN, why };
        let source = locked(self.sources).fresh();
        match Blocking::dial(source, self.to, limit) {
            Ok(open) => {
                *connection = Some(open);
                // A case does not look at its own port, which would take a call to ask for.
                let local = SocketAddr::new(source.unwrap_or_else(|| self.to.ip()), 0);
                Input::Connected {
                    conn: CONN,
                    local,
                    remote: self.to,
                }
            }
            Err(error) => failed(match error.kind() {
                std::io::ErrorKind::ConnectionRefused => ConnectError::Refused,
                std::io::ErrorKind::TimedOut
                | std::io::ErrorKind::WouldBlock
                | std::io::ErrorKind::ConnectionReset => ConnectError::Unanswered,
                _ => ConnectError::Local(error.to_string()),
            }),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one connection of a case.
const CONN: ConnId = ConnId(1);
/// How often somebody who waits looks whether to leave off.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Time for everybody to leave off, but for who waits for a connection.
const LEAVE_TIME: Duration = Duration::from_millis(500);
/// Bytes read at once.
const BUFFER: usize = 64 * 1024;
/// libtorrent's listen backlog is 5: beyond it, connects wait for a second SYN.
pub const LANES: usize = 4;
/// As many as there are cases between two looks at the target.
pub const MOST_LANES: usize = 16;
/// For a connection to stand.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For a report to be written to its end.
const REPORT_TIME: Duration = Duration::from_millis(300);
/// Client's processes come and go.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
