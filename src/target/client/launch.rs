//! A client under test that we started: its start, verbs, health and end.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::file::{ClientFile, Command, Need};
use super::folder::{furnish, name_places, write_script};
use super::health::{self, Usage};
use super::kept::{Kept, Start, fresh_path};
use super::ports::free_ports;
use super::run::run;
use super::template::Vars;
use crate::peer::Role;
use crate::target::guard::Ended;
use crate::target::probe::{Looks, ProbeError, look};
use crate::target::source::Sources;
use crate::target::tracker::Tracker;
use crate::torrent::{DataError, Torrent};

/// Where the program with the guard in it is: normally we ourselves.
#[derive(Debug, Clone)]
pub struct Launcher(PathBuf);

/// A running client.
#[derive(Debug)]
pub struct Client {
    file: ClientFile,
    addr: SocketAddr,
    vars: Vars,
    kept: Kept,
}

/// State of a client's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientHealth {
    /// Whether its first process runs.
    pub alive: bool,
    /// Exit code of a process that ended by itself.
    pub exit: Option<i32>,
    /// Resident bytes of all its processes.
    pub memory: Option<u64>,
    /// Open files and sockets of all its processes.
    pub files: Option<u64>,
}

/// What became of a verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerbOutcome {
    /// Done; standard output.
    Done(String),
    /// The driver does not know it.
    Unknown,
    /// It cannot be done with this target; why.
    Cannot(String),
    /// It failed; why.
    Failed(String),
}

/// Why a client does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// This system has no process groups.
    #[error("clients can be started on Unix only; start it yourself and use --target")]
    Unsupported,
    /// Something that the driver needs is not installed.
    #[error("{client} cannot run here: {why}; {hint}")]
    Need {
        /// The client.
        client: String,
        /// What went wrong.
        why: String,
        /// What the driver's author recommends.
        hint: String,
    },
    /// The driver does not start it in this role.
    #[error("{client} cannot be started as {role}")]
    Role {
        /// The client.
        client: String,
        /// The role.
        role: &'static str,
    },
    /// We could not do our part.
    #[error("cannot start {client}: {source}")]
    System {
        /// The client.
        client: String,
        /// What the system said.
        source: io::Error,
    },
    /// Torrent or data could not be written for it.
    #[error(transparent)]
    Data(#[from] DataError),
    /// It could not be started, ended at once, or its `after_start` failed.
    #[error("{client} does not start: {why}{}", indented(.log))]
    Start {
        /// The client.
        client: String,
        /// What happened.
        why: String,
        /// Its last lines.
        log: Vec<String>,
    },
    /// It runs, but does not serve our torrent.
    #[error("{client} is not ready after {} s: {why}{}", .within.as_secs(), indented(.log))]
    NotReady {
        /// The client.
        client: String,
        /// How long we waited.
        within: Duration,
        /// What the last look at it showed.
        why: String,
        /// Its last lines.
        log: Vec<String>,
    },
    /// The driver claims to know a verb that does not exist.
    #[error("{client}: the unknown verb `{verb}` must end with exit code 64, but {got}")]
    VerbProbe {
        /// The client.
        client: String,
        /// A name made up for the purpose.
        verb: String,
        /// What happened.
        got: String,
    },
}

impl Launcher {
    /// This program.
    ///
    /// # Errors
    /// When the system does not know where it is.
    pub fn this_program() -> io::Result<Self> {
        std::env::current_exe().map(Self)
    }

    /// The program at `path`; tests name the binary that they were built with.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl ClientFile {
    /// Runs the driver's checks; returns the client's version, if its driver can tell.
    ///
    /// # Errors
    /// When something that it needs is missing.
    pub async fn check(&self, launcher: &Launcher) -> Result<Option<String>, ClientError> {
        let desk = Desk::new(self, launcher)?;
        for need in &self.needs {
            desk.need(need).await.map_err(|why| ClientError::Need {
                client: self.name.clone(),
                why,
                hint: need.hint.clone(),
            })?;
        }
        match &self.version {
            Some(command) => Ok(desk.version(command).await.ok()),
            None => Ok(None),
        }
    }

    pub(in crate::target) fn system(&self, source: io::Error) -> ClientError {
        ClientError::System {
            client: self.name.clone(),
            source,
        }
    }
}

/// Where a driver's commands run before there is a client.
pub(super) struct Desk {
    kept: Kept,
    vars: Vars,
}

impl Desk {
    /// A folder with the driver's script in it.
    ///
    /// # Errors
    /// When that cannot be made.
    pub(super) fn new(file: &ClientFile, launcher: &Launcher) -> Result<Self, ClientError> {
        if !cfg!(unix) {
            return Err(ClientError::Unsupported);
        }
        let path = fresh_path(&file.name);
        let mut vars = file.vars.clone();
        name_places(&path, file.script.as_ref(), &mut vars);
        let kept = Kept::open(launcher, path, &Start::default());
        let kept = kept.map_err(|source| file.system(source))?;
        write_script(kept.path(), file.script.as_ref()).map_err(|source| file.system(source))?;
        Ok(Self { kept, vars })
    }

    /// A command as it is run.
    pub(super) fn shown(&self, command: &Command) -> String {
        command.fill(&self.vars).join(" ")
    }

    /// Runs what must end well.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) async fn need(&self, need: &Need) -> Result<(), String> {
        let argv = need.run.fill(&self.vars);
        match run(&argv, self.kept.path(), COMMAND_LIMIT).await {
            Ok(ran) if ran.code == Some(0) => Ok(()),
            Ok(ran) => Err(ran.last),
            Err(why) => Err(why),
        }
    }

    /// The version in what `command` prints.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn version(&self, command: &Command) -> Result<String, String> {
        let argv = command.fill(&self.vars);
        let ran = run(&argv, self.kept.path(), COMMAND_LIMIT).await?;
        let texts = [ran.out.as_str(), ran.last.as_str()];
        let found = texts.into_iter().find_map(version_in);
        found.ok_or_else(|| format!("no word with digits and a dot in `{}`", ran.last))
    }
}

impl Client {
    /// Starts a client and waits until it serves `torrent`: a handshake for its info hash and, for
    /// a seed, every piece announced. A leech starts empty. With a tracker, the torrent that the
    /// client gets names it and no other; the info hash stays.
    ///
    /// # Errors
    /// When it does not come to that in the driver's time.
    pub async fn start(
        file: &ClientFile,
        role: Role,
        torrent: &Torrent,
        launcher: &Launcher,
        tracker: Option<&Tracker>,
        sources: &mut Sources,
    ) -> Result<Self, ClientError> {
        let client = Self::launch(file, role, torrent, launcher, tracker)?;
        client.get_ready(role, torrent, sources).await?;
        Ok(client)
    }

    /// Waits until a [launched](Self::launch) client serves.
    ///
    /// # Errors
    /// When it does not come to that in the driver's time.
    pub(in crate::target) async fn get_ready(
        &self,
        role: Role,
        torrent: &Torrent,
        sources: &mut Sources,
    ) -> Result<(), ClientError> {
        self.begin().await?;
        self.ready(role, torrent, sources).await
    }

    /// Furnishes a folder and starts the process in it.
    pub(in crate::target) fn launch(
        file: &ClientFile,
        role: Role,
        torrent: &Torrent,
        launcher: &Launcher,
        tracker: Option<&Tracker>,
    ) -> Result<Self, ClientError> {
        if !cfg!(unix) {
            return Err(ClientError::Unsupported);
        }
        let role_name = match role {
            Role::Seed => "seed",
            Role::Leech => "leech",
        };
        if !file.roles.contains(&role) {
            return Err(ClientError::Role {
                client: file.name.clone(),
                role: role_name,
            });
        }
        let system = |source| file.system(source);
        let bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let [port, ctl] = free_ports(bind).map_err(system)?;
        let path = fresh_path(&file.name);
        let mut vars = file.vars.clone();
        for (name, value) in [
            ("bind", bind.to_string()),
            ("port", port.to_string()),
            ("ctl", ctl.to_string()),
            ("role", role_name.to_owned()),
        ] {
            vars.insert(name.to_owned(), value);
        }
        name_places(&path, file.script.as_ref(), &mut vars);
        let env = file.env.iter();
        let start = Start {
            argv: file.start.fill(&vars),
            env: env
                .map(|(name, value)| (name.clone(), value.fill(&vars)))
                .collect(),
            grace: file.grace,
        };
        let mut kept = Kept::open(launcher, path, &start).map_err(system)?;
        write_script(kept.path(), file.script.as_ref()).map_err(system)?;
        furnish(kept.path(), file, role, torrent, tracker, &vars)?;
        kept.start().map_err(system)?;
        Ok(Self {
            file: file.clone(),
            addr: SocketAddr::new(bind, port),
            vars,
            kept,
        })
    }

    /// Waits for the process, then does what the driver wants done once it runs.
    pub(super) async fn begin(&self) -> Result<(), ClientError> {
        let mut state = self.kept.state().clone();
        let started =
            state.wait_for(|state| state.pid.is_some() || state.failed.is_some() || state.lost);
        let why = match timeout(COMMAND_LIMIT, started).await {
            Ok(Ok(state)) if state.pid.is_some() => None,
            Ok(Ok(state)) => Some(state.failed.clone()),
            _ => Some(None),
        };
        if let Some(why) = why {
            return Err(self.no_start(why.unwrap_or_else(|| "its guard ended".to_owned())));
        }
        if let Some(after) = &self.file.after_start {
            let argv = after.fill(&self.vars);
            match run(&argv, self.kept.path(), self.file.ready_within).await {
                Ok(ran) if ran.code == Some(0) => {}
                Ok(ran) => return Err(self.no_start(format!("after_start: {}", ran.last))),
                Err(why) => return Err(self.no_start(format!("after_start: {why}"))),
            }
        }
        Ok(())
    }

    async fn ready(
        &self,
        role: Role,
        torrent: &Torrent,
        sources: &mut Sources,
    ) -> Result<(), ClientError> {
        let end = Instant::now() + self.file.ready_within;
        let watch = match role {
            Role::Seed => LOOK_LIMIT,
            Role::Leech => Duration::ZERO,
        };
        loop {
            let from = sources.fresh();
            let why = match look(self.addr, from, torrent, LOOK_LIMIT, watch).await {
                Ok(sight) => match (role, sight.looks()) {
                    (Role::Leech, _) | (Role::Seed, Looks::Seed) => return Ok(()),
                    (Role::Seed, Looks::Partial { has, of }) => {
                        format!("it announced {has} of {of} pieces")
                    }
                    (Role::Seed, Looks::Leech) => "it announced no pieces".to_owned(),
                },
                Err(ProbeError::Dial(why)) => why.to_string(),
                Err(why) => why.to_string(),
            };
            if let Some(ended) = self.ended() {
                return Err(self.no_start(format!("it ended with {ended}")));
            }
            if Instant::now() >= end {
                return Err(ClientError::NotReady {
                    client: self.file.name.clone(),
                    within: self.file.ready_within,
                    why,
                    log: self.kept.log().last(LOG_LINES),
                });
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    fn no_start(&self, why: String) -> ClientError {
        ClientError::Start {
            client: self.file.name.clone(),
            why,
            log: self.kept.log().last(LOG_LINES),
        }
    }

    fn ended(&self) -> Option<Ended> {
        self.kept.state().borrow().ended
    }

    /// The driver.
    pub fn file(&self) -> &ClientFile {
        &self.file
    }

    /// Where it listens for peers.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether its driver has a line of its own for a verb.
    pub fn knows(&self, verb: &str) -> bool {
        self.file.verbs.contains_key(verb)
    }

    /// The last lines of its own output.
    pub fn log(&self, lines: usize) -> Vec<String> {
        self.kept.log().last(lines)
    }

    /// Looks at its processes.
    pub fn health(&self) -> ClientHealth {
        let state = self.kept.state().borrow().clone();
        let Usage { memory, files, .. } = match state.pid {
            Some(pid) if state.ended.is_none() => health::of_group(pid),
            _ => Usage::default(),
        };
        ClientHealth {
            alive: state.ended.is_none() && !state.lost,
            exit: match state.ended {
                Some(Ended::Exit(code)) => Some(code),
                _ => None,
            },
            memory,
            files,
        }
    }

    /// How its first process has ended: exit code, if it has one, and how in words. `None` while it
    /// runs. Costs nothing.
    pub fn death_so_far(&self) -> Option<(Option<i32>, String)> {
        let state = self.kept.state().borrow();
        match state.ended {
            Some(Ended::Exit(code)) => Some((Some(code), format!("exit code {code}"))),
            Some(ended) => Some((None, ended.to_string())),
            None if state.lost => Some((None, "its guard ended".to_owned())),
            None => None,
        }
    }

    /// Whether it wrote of a panic, or a sanitizer's report, since that was last taken.
    pub fn alarmed(&self) -> bool {
        self.kept.log().alarmed()
    }

    /// Takes what it wrote of that.
    pub fn take_alarm(&self) -> Vec<String> {
        self.kept.log().take_alarm()
    }

    /// The folder that it lives in.
    pub(super) fn folder(&self) -> &Path {
        self.kept.path()
    }

    /// Id of its first process, which is that of its group.
    pub(super) fn group(&self) -> Option<u32> {
        self.kept.state().borrow().pid
    }

    /// The processes of its group.
    pub fn members(&self) -> Vec<u32> {
        let pid = self.kept.state().borrow().pid;
        pid.map(health::members).unwrap_or_default()
    }

    /// What these processes use.
    pub fn usage(pids: &[u32]) -> Usage {
        health::of_members(pids)
    }

    /// Waits until its first process has ended: exit code, if it has one, and how in words.
    /// Dropping the future loses nothing.
    pub async fn death(&self) -> (Option<i32>, String) {
        let mut state = self.kept.state().clone();
        let over = state.wait_for(|state| state.ended.is_some() || state.lost);
        let ended = over.await.ok().and_then(|state| state.ended);
        match ended {
            Some(Ended::Exit(code)) => (Some(code), format!("exit code {code}")),
            Some(ended) => (None, ended.to_string()),
            None => (None, "its guard ended".to_owned()),
        }
    }

    /// A command that carries out a verb, to be run beside other things.
    pub fn verb(&self, command: &str) -> impl Future<Output = VerbOutcome> + use<> {
        let (verb, arg) = command
            .trim()
            .split_once(' ')
            .unwrap_or_else(|| (command.trim(), ""));
        let known = self.file.verbs.get(verb);
        let mut vars = self.vars.clone();
        vars.insert("verb".to_owned(), verb.to_owned());
        vars.insert("arg".to_owned(), arg.trim().to_owned());
        let argv = known
            .or(self.file.other_verb.as_ref())
            .map(|command| command.fill(&vars));
        let folder = self.kept.path().to_owned();
        async move {
            let Some(argv) = argv else {
                return VerbOutcome::Unknown;
            };
            match run(&argv, &folder, COMMAND_LIMIT).await {
                Ok(ran) => match ran.code {
                    Some(0) => VerbOutcome::Done(ran.out),
                    Some(UNKNOWN_VERB) => VerbOutcome::Unknown,
                    Some(code) => VerbOutcome::Failed(format!("exit code {code}: {}", ran.last)),
                    None => VerbOutcome::Failed("ended by a signal".to_owned()),
                },
                Err(why) => VerbOutcome::Failed(why),
            }
        }
    }

    /// Asks for a verb that does not exist, which the driver must say: one that answers `done` to
    /// everything would make verdicts about nothing.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe_verbs(&self) -> Result<(), ClientError> {
        let verb = format!("no-such-verb-{:04x}", self.addr.port());
        let got = match self.verb(&verb).await {
            VerbOutcome::Unknown => return Ok(()),
            VerbOutcome::Done(_) => "it says that it did it".to_owned(),
            VerbOutcome::Cannot(why) | VerbOutcome::Failed(why) => format!("it failed with {why}"),
        };
        Err(ClientError::VerbProbe {
            client: self.file.name.clone(),
            verb,
            got,
        })
    }

    /// Ends it and waits until nothing of it is left. Who stops waiting may wait again; dropping
    /// it waits as well, and blocks.
    pub async fn stop(&mut self) {
        self.kept.stop().await;
    }
}

/// The first word that looks like a version: digits and dots.
fn version_in(text: &str) -> Option<String> {
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    let words = text.split(|c: char| !digits(c));
    let mut words = words.map(|word| word.trim_matches('.'));
    words.find(|word| word.contains('.')).map(str::to_owned)
}

fn indented(log: &[String]) -> String {
    log.iter().map(|line| format!("\n    {line}")).collect()
}

/// Exit code of a verb that a driver does not know.
const UNKNOWN_VERB: i32 = 64;

/// Longest time for a check or a verb.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// Longest time for one look at a client that starts.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

const LOOK_AGAIN: Duration = Duration::from_millis(50);

const LOG_LINES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_versions() {
        for (text, version) in [
            ("transmission-daemon 3.00 (bb6b5a062e)", Some("3.00")),
            ("2.1.1.0", Some("2.1.1.0")),
            ("v1.", None),
            ("nothing", None),
        ] {
            assert_eq!(version_in(text).as_deref(), version, "{text}");
        }
    }
}
