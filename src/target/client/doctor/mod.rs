//! Looks a driver over, step by step: what a run would stumble over, and what to do about it.
//!
//! [`examine`] starts the client in each role as a run does, but tells apart what a run sums up as
//! "not ready". Nothing here judges the protocol: that is what a run is for.

mod dial;
mod life;
mod verbs;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use super::file::ClientFile;
use super::launch::{Client, Desk, Launcher};
use crate::peer::Role;
use crate::target::source::Sources;
use crate::target::tracker::Tracker;
use crate::torrent::Torrent;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Role that the client was started in; `None` before it is.
    pub role: Option<Role>,
    /// What was looked at, in a word or two.
    pub what: String,
    /// What came of it.
    pub came: Came,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// As it should be; what was seen.
    Well(String),
    /// Not looked at; why.
    Skipped(String),
    /// Not as it should be.
    Badly {
        /// What was seen.
        seen: String,
        /// What to do about it.
        hint: String,
        /// The client's last lines, where they may say more.
        log: Vec<String>,
    },
}

impl Check {
    /// A failed check without a role, for what is found out before there is a driver.
    pub fn badly(what: &str, seen: String, hint: &str) -> Self {
        Self {
            role: None,
            what: what.to_owned(),
            came: Came::badly(seen, hint),
        }
    }

    /// Whether something is wrong.
    pub fn failed(&self) -> bool {
        matches!(self.came, Came::Badly { .. })
    }
}

impl Came {
    fn badly(seen: impl Into<String>, hint: &str) -> Self {
        Self::Badly {
            seen: seen.into(),
            hint: hint.to_owned(),
            log: Vec::new(),
        }
    }

    /// With the last lines of the client, if it is bad.
    fn with_log_of(mut self, client: &Client) -> Self {
        if let Self::Badly { log, .. } = &mut self {
            *log = client.log(LOG_LINES);
        }
        self
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, seen) = match &self.came {
            Came::Well(seen) => ("ok", seen),
            Came::Skipped(why) => ("skip", why),
            Came::Badly { seen, .. } => ("FAIL", seen),
        };
        let role = match self.role {
            None => "",
            Some(Role::Seed) => "seed: ",
            Some(Role::Leech) => "leech: ",
        };
        write!(f, "{word:<5} {role}{}", self.what)?;
        if !seen.is_empty() {
            write!(f, ": {seen}")?;
        }
        if let Came::Badly { hint, log, .. } = &self.came {
            write!(f, "\n      {hint}")?;
            for line in log {
                write!(f, "\n      | {line}")?;
            }
        }
        Ok(())
    }
}

/// Checks a driver whose file could be read: what it needs, then, in each of `roles` that it has, a
/// start, its verbs, a dial and its end. `tell` hears of each check when it is over. Needs a tokio
/// runtime.
pub async fn examine(
    file: &ClientFile,
    roles: &[Role],
    torrent: &Torrent,
    launcher: &Launcher,
    tell: &mut dyn FnMut(Check),
) {
    if !needs(file, launcher, tell).await {
        return;
    }
    for role in roles.iter().filter(|role| file.roles.contains(role)) {
        let mut doctor = Doctor {
            file,
            role: *role,
            torrent,
            // Where 127.x cannot be bound there is one address, as in a run.
            sources: Sources::for_target(IpAddr::V4(Ipv4Addr::LOCALHOST), None)
                .unwrap_or_else(|_| Sources::single()),
            tell,
        };
        doctor.examine(launcher).await;
    }
}

/// What can be found out without starting the client; whether it can be started.
async fn needs(file: &ClientFile, launcher: &Launcher, tell: &mut dyn FnMut(Check)) -> bool {
    let mut say = |what: String, came| {
        let role = None;
        tell(Check { role, what, came });
    };
    let desk = match Desk::new(file, launcher) {
        Ok(desk) => desk,
        Err(error) => {
            say("folder".to_owned(), Came::badly(error.to_string(), FOLDER));
            return false;
        }
    };
    let mut all = true;
    if file.needs.is_empty() {
        let why = "the driver names none; with `needs`, a machine without the client is told so";
        say("needs".to_owned(), Came::Skipped(why.to_owned()));
    }
    for need in &file.needs {
        let came = match desk.need(need).await {
            Ok(()) => Came::Well(String::new()),
            Err(why) => Came::badly(why, &need.hint),
        };
        all &= matches!(came, Came::Well(_));
        say(format!("needs `{}`", desk.shown(&need.run)), came);
    }
    let came = match &file.version {
        None => Came::Skipped("no key `version`; reports and `if:` will not know it".to_owned()),
        Some(_) if !all => Came::Skipped("something that it needs is missing".to_owned()),
        Some(command) => match desk.version(command).await {
            Ok(version) => Came::Well(version),
            Err(why) => Came::badly(why, VERSION),
        },
    };
    say("version".to_owned(), came);
    all
}

/// A driver, looked at in one role.
struct Doctor<'a> {
    file: &'a ClientFile,
    role: Role,
    torrent: &'a Torrent,
    sources: Sources,
    tell: &'a mut dyn FnMut(Check),
}

impl Doctor<'_> {
    fn say(&mut self, what: impl Into<String>, came: Came) {
        (self.tell)(Check {
            role: Some(self.role),
            what: what.into(),
            came,
        });
    }

    async fn examine(&mut self, launcher: &Launcher) {
        let tracker = match self.tracker().await {
            Ok(tracker) => tracker,
            Err(error) => {
                self.say("tracker", Came::badly(error.to_string(), PORTS));
                return;
            }
        };
        let heard = tracker.as_ref();
        let client = Client::launch(self.file, self.role, self.torrent, launcher, heard);
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                self.say("start", Came::badly(error.to_string(), FOLDER));
                return;
            }
        };
        if self.start(&client).await && self.serves(&client).await {
            self.verbs(&client).await;
            self.dial(&client, tracker.as_ref()).await;
            self.still_serves(&client).await;
        }
        self.stop(client).await;
    }

    async fn tracker(&self) -> io::Result<Option<Tracker>> {
        let Some(plan) = &self.file.tracker else {
            return Ok(None);
        };
        let hash = self.torrent.info_hash();
        Tracker::start(hash, plan.form, plan.interval)
            .await
            .map(Some)
    }
}

const FOLDER: &str = "btspec needs to write below the system's temporary folder (TMPDIR)";

const PORTS: &str = "btspec needs free ports on 127.0.0.1";

const VERSION: &str = "let `version` be a command that prints it, such as [my-client, --version]";

const LOG_LINES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_a_line_and_what_to_do() {
        let check = Check {
            role: Some(Role::Leech),
            what: "role".to_owned(),
            came: Came::Badly {
                seen: "it has everything".to_owned(),
                hint: "start it empty".to_owned(),
                log: vec!["loading".to_owned()],
            },
        };
        assert_eq!(
            check.to_string(),
            "FAIL  leech: role: it has everything\n      start it empty\n      | loading"
        );
        let well = Check {
            role: None,
            what: "needs `x`".to_owned(),
            came: Came::Well(String::new()),
        };
        assert_eq!(well.to_string(), "ok    needs `x`");
        assert!(check.failed() && !well.failed());
    }
}
