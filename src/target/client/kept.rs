//! A folder of our own, and what runs in it, below a guard that outlives us.
//!
//! The guard makes the folder and removes it, so there is no moment at which our death leaves one
//! behind.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use super::launch::Launcher;
use super::log::Log;
use super::run::without_proxies;
use crate::target::guard::{self, Ended, Report};

/// A folder with a guard. When this is dropped, both are gone, and with them what ran there.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    guard: Child,
    /// The guard cleans up when this is closed, by us or by our death.
    hold: Option<ChildStdin>,
    state: watch::Receiver<State>,
    /// Disconnected when the guard has ended.
    over: Receiver<()>,
    log: Log,
    /// For the guard to end, counted from the end of `hold`.
    limit: Duration,
}

/// What the guard has told of the process in the folder.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) pid: Option<u32>,
    pub(super) failed: Option<String>,
    pub(super) ended: Option<Ended>,
    /// The guard itself is gone.
    pub(super) lost: bool,
}

/// What is to run in a folder.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// Program and arguments; none if the folder is all that is wanted.
    pub(super) argv: Vec<String>,
    /// Set for it.
    pub(super) env: Vec<(String, String)>,
    /// Time between the polite signal and the one that cannot be ignored.
    pub(super) grace: Duration,
}

/// A path below the system's temporary folder that nobody has; nothing is made.
pub(super) fn fresh_path(client: &str) -> PathBuf {
    let random = RandomState::new().build_hasher().finish();
    std::env::temp_dir().join(format!("btspec-{client}-{random:016x}"))
}

impl Kept {
    /// Makes the folder at `path`. Nothing runs in it yet.
    ///
    /// # Errors
    /// When there is no guard, or it cannot make the folder.
    pub(super) fn open(launcher: &Launcher, path: PathBuf, start: &Start) -> io::Result<Self> {
        let mut command = Command::new(launcher.path());
        command
            .arg(guard::SUBCOMMAND)
            .arg(&path)
            .arg(start.grace.as_millis().to_string())
            .args(&start.argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        without_proxies(&mut command);
        command.envs(start.env.iter().map(|(name, value)| (name, value)));
        let mut guard = command.spawn()?;
        let hold = guard.stdin.take();
        let mut reports = guard.stdout.take().map(BufReader::new);
        let log = guard.stderr.take().map(Log::follow).unwrap_or_default();
        let mut line = String::new();
        if let Some(reports) = &mut reports {
            reports.read_line(&mut line)?;
        }
        let (state, over) = follow(reports);
        let kept = Self {
            path,
            guard,
            hold,
            state,
            over,
            log,
            limit: start.grace.saturating_add(STOP_LIMIT),
        };
        match line.parse() {
            Ok(Report::Made) => Ok(kept),
            Ok(Report::Failed(why)) => Err(io::Error::other(why)),
            _ => Err(io::Error::other("its guard does not start")),
        }
    }

    /// Starts what was named; the state tells what comes of it.
    ///
    /// # Errors
    /// When the guard is gone.
    pub(super) fn start(&mut self) -> io::Result<()> {
        match &mut self.hold {
            Some(hold) => hold.write_all(guard::START.as_bytes()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn state(&self) -> &watch::Receiver<State> {
        &self.state
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// Ends what runs there, and waits until nothing of it is left. Who stops waiting may wait again.
    pub(super) async fn stop(&mut self) {
        self.hold = None;
        let mut state = self.state.clone();
        let over = state.wait_for(|state| state.lost);
        let _ = tokio::time::timeout(self.limit, over).await;
        // Waited for long enough, whether it is over or not.
        self.limit = REAP;
    }
}

/// Waits, as [`Kept::stop`] does: who ends behind this leaves nothing behind.
impl Drop for Kept {
    fn drop(&mut self) {
        self.hold = None;
        let over = self.over.recv_timeout(self.limit);
        if over == Err(RecvTimeoutError::Disconnected) {
            // It has closed its end, which is the last thing that it does.
            let _ = self.guard.wait();
        }
    }
}

/// Reads the guard's reports in a thread of its own.
fn follow(from: Option<BufReader<ChildStdout>>) -> (watch::Receiver<State>, Receiver<()>) {
    let (sender, receiver) = watch::channel(State::default());
    let (goes_on, over) = channel();
    thread::spawn(move || {
        let lines = from.map(BufRead::lines);
        for line in lines.into_iter().flatten().map_while(Result::ok) {
            let Ok(report) = line.parse::<Report>() else {
                continue;
            };
            sender.send_modify(|state| match report {
                Report::Made => {}
                Report::Started(pid) => state.pid = Some(pid),
                Report::Failed(why) => state.failed = Some(why),
                Report::Ended(ended) => state.ended = Some(ended),
            });
        }
        sender.send_modify(|state| state.lost = true);
        drop(goes_on);
    });
    (receiver, over)
}

/// Time for the guard beyond the client's own grace.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// For the thread that reads to tell of an end that it has seen.
const REAP: Duration = Duration::from_secs(1);
