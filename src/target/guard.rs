//! The process between a run and a client: `btspec __guard`.
//!
//! A run that is killed cannot clean up, so this does: it makes the state folder, starts the client
//! in a process group of its own once standard input says `start`, and when that ends, because the
//! run asks for it or is no more, it ends the group and removes the folder. What it has to say goes
//! to standard output, one line each (`Report`); the client's output goes to standard error.

use std::fmt;
use std::str::FromStr;

/// One line from the guard to the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    /// The folder is there.
    Made,
    /// The client runs under this process id, which is its group's too.
    Started(u32),
    /// It could not be started.
    Failed(String),
    /// It has ended.
    Ended(Ended),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself, with this exit code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made => f.write_str("made"),
            Self::Started(pid) => write!(f, "started {pid}"),
            Self::Failed(why) => write!(f, "failed {}", why.replace('\n', " ")),
            Self::Ended(Ended::Exit(code)) => write!(f, "exit {code}"),
            Self::Ended(Ended::Signal(signal)) => write!(f, "signal {signal}"),
        }
    }
}

impl FromStr for Report {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let line = line.trim_end();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "made" => Ok(Self::Made),
            "started" => rest.parse().map(Self::Started).map_err(|_| ()),
            "failed" => Ok(Self::Failed(rest.to_owned())),
            "exit" => rest
                .parse()
                .map(|n| Self::Ended(Ended::Exit(n)))
                .map_err(|_| ()),
            "signal" => rest
                .parse()
                .map(|n| Self::Ended(Ended::Signal(n)))
                .map_err(|_| ()),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Name of the hidden subcommand.
pub const SUBCOMMAND: &str = "__guard";

/// What the run says when the folder is furnished.
pub(super) const START: &str = "start\n";

/// In the environment of commands that a run starts beside the client: the folder with whose guard
/// they end.
pub(super) const MARK: &str = "BTSPEC_GUARDED_BY";

#[cfg(unix)]
pub use unix::main;

#[cfg(unix)]
mod unix {
    use std::ffi::OsString;
    use std::io::{self, BufRead, Write};
    use std::os::fd::AsFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::path::PathBuf;
    use std::process::{Child, Command, ExitStatus, Stdio};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;
    use std::time::Duration;

    use rustix::process::{
        Pid, Signal, WaitOptions, kill_process, kill_process_group, setsid,
        test_kill_process_group, waitpid,
    };

    use super::{Ended, MARK, Report, START};

    /// Runs `STATE_FOLDER GRACE_MS [PROGRAM ARGS…]` as a guard; returns its own exit code. Without a
    /// program it has a folder to look after, and nothing else.
    pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
        let mut args = args.into_iter();
        let (Some(folder), Some(grace)) = (args.next(), args.next()) else {
            return 2;
        };
        let Some(grace) = grace.to_str().and_then(|ms| ms.parse().ok()) else {
            return 2;
        };
        let guard = Guard {
            folder: PathBuf::from(folder),
            grace: Duration::from_millis(grace),
        };
        guard.run(args.collect())
    }

    struct Guard {
        folder: PathBuf,
        grace: Duration,
    }

    enum Seen {
        Start,
        RunEnded,
        ClientEnded(io::Result<ExitStatus>),
    }

    impl Guard {
        fn run(&self, argv: Vec<OsString>) -> u8 {
            // Away from the terminal's group: an interrupt there is for the run.
            let _ = setsid();
            #[cfg(target_os = "linux")]
            let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
            if let Err(error) = std::fs::create_dir(&self.folder) {
                say(&Report::Failed(format!(
                    "{}: {error}",
                    self.folder.display()
                )));
                return 1;
            }
            say(&Report::Made);
            let (sender, seen) = channel();
            listen(&sender);
            let mut group = None;
            let mut ended = false;
            while let Ok(event) = seen.recv() {
                match event {
                    Seen::RunEnded => break,
                    Seen::Start => match self.start(&argv) {
                        Ok(client) => {
                            say(&Report::Started(client.id()));
                            group = Some(Pid::from_child(&client));
                            watch(client, &sender);
                        }
                        Err(error) => {
                            let program = argv.first().map(|it| it.to_string_lossy());
                            let program = program.unwrap_or_default();
                            say(&Report::Failed(format!("{program}: {error}")));
                        }
                    },
                    Seen::ClientEnded(status) => {
                        ended = true;
                        say(&Report::Ended(how(status)));
                    }
                }
            }
            if let Some(group) = group {
                self.end(group, ended, &seen);
            }
            self.end_commands();
            self.clean();
            0
        }

        fn start(&self, argv: &[OsString]) -> io::Result<Child> {
            let log = || io::stderr().as_fd().try_clone_to_owned().map(Stdio::from);
            let Some((program, args)) = argv.split_first() else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            Command::new(program)
                .args(args)
                .current_dir(&self.folder)
                .stdin(Stdio::null())
                .stdout(log()?)
                .stderr(log()?)
                .process_group(0)
                .spawn()
        }

        /// Ends the group: politely, then not.
        fn end(&self, group: Pid, mut ended: bool, seen: &Receiver<Seen>) {
            let gone = |ended: bool| ended && test_kill_process_group(group).is_err();
            if !gone(ended) {
                let _ = kill_process_group(group, Signal::TERM);
            }
            for _ in 0..self.grace.as_millis() / STEP.as_millis() {
                if gone(ended) {
                    break;
                }
                if let Ok(Seen::ClientEnded(_)) = seen.recv_timeout(STEP) {
                    ended = true;
                }
                // Members of the group that outlived their parent are ours, and count until reaped.
                for pid in children().into_iter().filter(|pid| *pid != group) {
                    let _ = waitpid(Some(pid), WaitOptions::NOHANG);
                }
            }
            if !gone(ended) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            while !ended {
                match seen.recv_timeout(KILL_LIMIT) {
                    Ok(Seen::ClientEnded(_)) | Err(_) => ended = true,
                    Ok(Seen::RunEnded | Seen::Start) => {}
                }
            }
            // Whoever left the group is our child by now, where the system knows subreapers. Its
            // own children become ours when it dies, hence the rounds.
            for _ in 0..ROUNDS {
                let left = children();
                if left.is_empty() {
                    break;
                }
                for pid in left {
                    let _ = kill_process(pid, Signal::KILL);
                    let _ = waitpid(Some(pid), WaitOptions::empty());
                }
            }
        }

        /// Ends the driver's commands that a run which died has left behind.
        fn end_commands(&self) {
            let mut mark = OsString::from(MARK);
            mark.push("=");
            mark.push(&self.folder);
            let marked = |pid: &Pid| {
                let path = format!("/proc/{}/environ", pid.as_raw_nonzero());
                let environ = std::fs::read(path).unwrap_or_default();
                let mut entries = environ.split(|byte| *byte == 0);
                entries.any(|entry| entry == mark.as_bytes())
            };
            for pid in pids().filter(marked) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }

        /// Removes the state folder. A process that just died may still have been writing.
        fn clean(&self) {
            for _ in 0..3 {
                if std::fs::remove_dir_all(&self.folder).is_ok() || !self.folder.exists() {
                    return;
                }
            }
        }
    }

    /// Tells of the client's end.
    fn watch(mut client: Child, sender: &Sender<Seen>) {
        let to = sender.clone();
        thread::spawn(move || {
            let _ = to.send(Seen::ClientEnded(client.wait()));
        });
    }

    /// Tells of what the run says, and of its end.
    fn listen(sender: &Sender<Seen>) {
        let to = sender.clone();
        thread::spawn(move || {
            let mut line = String::new();
            // Whatever is wrong with our standard input, there is no run behind it.
            while io::stdin()
                .lock()
                .read_line(&mut line)
                .is_ok_and(|len| len > 0)
            {
                if line == START {
                    let _ = to.send(Seen::Start);
                }
                line.clear();
            }
            let _ = to.send(Seen::RunEnded);
        });
    }

    fn how(status: io::Result<ExitStatus>) -> Ended {
        match status {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Ended::Exit(code),
                (None, signal) => Ended::Signal(signal.unwrap_or(0)),
            },
            Err(_) => Ended::Exit(-1),
        }
    }

    /// Processes whose parent we are.
    fn children() -> Vec<Pid> {
        let own = i32::try_from(std::process::id()).ok();
        pids().filter(|pid| parent(*pid) == own).collect()
    }

    /// All processes, where the system shows them as files.
    fn pids() -> impl Iterator<Item = Pid> {
        let entries = std::fs::read_dir("/proc").into_iter().flatten();
        entries.filter_map(|entry| {
            let name = entry.ok()?.file_name();
            Pid::from_raw(name.to_str()?.parse().ok()?)
        })
    }

    fn parent(pid: Pid) -> Option<i32> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        // The name in parentheses may hold anything; state and parent follow it.
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(1)?.parse().ok()
    }

    fn say(report: &Report) {
        // The run may be gone; the guard goes on.
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{report}").and_then(|()| out.flush());
    }

    const STEP: Duration = Duration::from_millis(20);

    const ROUNDS: u32 = 100;

    const KILL_LIMIT: Duration = Duration::from_secs(5);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_read_back_as_written() {
        for report in [
            Report::Made,
            Report::Started(7),
            Report::Failed("x: no such file".to_owned()),
            Report::Ended(Ended::Exit(-3)),
            Report::Ended(Ended::Signal(11)),
        ] {
            assert_eq!(report.to_string().parse(), Ok(report));
        }
        assert_eq!("gibberish".parse::<Report>(), Err(()));
    }
}
