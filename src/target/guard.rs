//! The process between a run and a client: `btspec __guard`.
//!
//! A run that is killed cannot clean up, so this does: it starts the client in a process group of
//! its own, and when its standard input ends, because the run asks for it or is no more, it ends
//! the group and removes the state folder. What it has to say goes to standard output, one line
//! each (`Report`); the client's output goes to standard error.

use std::fmt;
use std::str::FromStr;

/// One line from the guard to the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
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
        let (word, rest) = line.split_once(' ').ok_or(())?;
        match word {
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

#[cfg(unix)]
pub use unix::main;

#[cfg(unix)]
mod unix {
    use std::ffi::OsString;
    use std::io::{self, Read, Write};
    use std::os::fd::AsFd;
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

    use super::{Ended, Report};

    /// Runs `STATE_FOLDER GRACE_MS PROGRAM ARGS…` as a guard; returns its own exit code.
    pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
        let mut args = args.into_iter();
        let (Some(folder), Some(grace), Some(program)) = (args.next(), args.next(), args.next())
        else {
            return 2;
        };
        let Some(grace) = grace.to_str().and_then(|ms| ms.parse().ok()) else {
            return 2;
        };
        let guard = Guard {
            folder: PathBuf::from(folder),
            grace: Duration::from_millis(grace),
        };
        guard.run(&program, args)
    }

    struct Guard {
        folder: PathBuf,
        grace: Duration,
    }

    enum Seen {
        RunEnded,
        ClientEnded(io::Result<ExitStatus>),
    }

    impl Guard {
        fn run(&self, program: &OsString, args: impl Iterator<Item = OsString>) -> u8 {
            // Away from the terminal's group: an interrupt there is for the run.
            let _ = setsid();
            #[cfg(target_os = "linux")]
            let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
            let (sender, seen) = channel();
            let client = match self.start(program, args) {
                Ok(client) => client,
                Err(error) => {
                    let program = program.to_string_lossy();
                    say(&Report::Failed(format!("{program}: {error}")));
                    self.clean();
                    return 1;
                }
            };
            say(&Report::Started(client.id()));
            let group = Pid::from_child(&client);
            watch(client, &sender);
            let mut ended = false;
            while let Ok(event) = seen.recv() {
                match event {
                    Seen::RunEnded => break,
                    Seen::ClientEnded(status) => {
                        ended = true;
                        say(&Report::Ended(how(status)));
                    }
                }
            }
            self.end(group, ended, &seen);
            self.clean();
            0
        }

        fn start(
            &self,
            program: &OsString,
            args: impl Iterator<Item = OsString>,
        ) -> io::Result<Child> {
            let log = || io::stderr().as_fd().try_clone_to_owned().map(Stdio::from);
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
                    Ok(Seen::RunEnded) => {}
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

        /// Removes the state folder. A process that just died may still have been writing.
        fn clean(&self) {
            for _ in 0..3 {
                if std::fs::remove_dir_all(&self.folder).is_ok() || !self.folder.exists() {
                    return;
                }
            }
        }
    }

    /// Tells of the client's end and of the end of our standard input.
    fn watch(mut client: Child, sender: &Sender<Seen>) {
        let to = sender.clone();
        thread::spawn(move || {
            let _ = to.send(Seen::ClientEnded(client.wait()));
        });
        let to = sender.clone();
        thread::spawn(move || {
            let mut buffer = [0; 64];
            let mut stdin = io::stdin().lock();
            loop {
                match stdin.read(&mut buffer) {
                    Ok(0) => break,
                    Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
                    _ => {}
                }
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
        let own = std::process::id();
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        let pids =
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let ours = pids.filter(|pid| parent(*pid) == Some(own));
        ours.filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
            .collect()
    }

    fn parent(pid: u32) -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
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
