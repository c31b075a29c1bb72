//! A client driver as data: what `clients/NAME.yaml` says.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::load;
use super::template::{Template, Vars};
use crate::peer::Role;
use crate::target::source::{SourceError, SourceList};
use crate::target::tracker::PeerForm;

/// How a client is started, told to do things, and stopped.
#[derive(Debug, Clone)]
pub struct ClientFile {
    pub(super) name: String,
    pub(super) script: Option<Script>,
    pub(super) vars: Vars,
    pub(super) needs: Vec<Need>,
    pub(super) version: Option<Command>,
    pub(super) roles: Vec<Role>,
    pub(super) jobs: usize,
    pub(super) instances: usize,
    pub(super) isolate: bool,
    pub(super) start: Command,
    pub(super) after_start: Option<Command>,
    pub(super) ready_within: Duration,
    pub(super) files: Vec<(PathBuf, Template)>,
    pub(super) env: Vec<(String, Template)>,
    pub(super) verbs: BTreeMap<String, Command>,
    pub(super) other_verb: Option<Command>,
    pub(super) grace: Duration,
    pub(super) without: Vec<String>,
    pub(in crate::target) tracker: Option<TrackerPlan>,
}

/// How a client is made to dial us by a tracker of ours.
#[derive(Debug, Clone)]
pub(in crate::target) struct TrackerPlan {
    /// Where we listen for its dials; without any, at addresses of 127.0.0.0/8.
    pub(in crate::target) addresses: Option<SourceList>,
    pub(in crate::target) form: PeerForm,
    pub(in crate::target) interval: Duration,
}

/// The helper script of a driver.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) text: String,
}

/// A program that must run with exit code 0, and what to do if it does not.
#[derive(Debug, Clone)]
pub(super) struct Need {
    pub(super) run: Command,
    pub(super) hint: String,
}

/// A program and its arguments, with places to fill.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Argv(Vec<Template>),
    /// One line for the system's shell.
    Shell(Template),
}

/// A driver file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// No embedded driver has this name, and it is no file either.
    #[error(
        "there is no client `{name}`{}; embedded are {}, or give the path of a driver file",
        near(.name), names()
    )]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file, or its script, cannot be read.
    #[error("cannot read {path}: {why}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// Not YAML, or not in our form.
    #[error("{file}: {message}")]
    Form {
        /// The file.
        file: String,
        /// What the YAML reader says, with line and column.
        message: String,
    },
    /// A value that makes no sense.
    #[error("{file}: `{key}`: {flaw}")]
    Value {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

/// What is wrong with a value of a driver file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// `{name}` that nobody fills.
    #[error("nothing fills `{{{name}}}`; here you can use {known}")]
    UnknownVariable {
        /// The name.
        name: String,
        /// Those that can be used.
        known: String,
    },
    /// An empty list or text.
    #[error("is empty")]
    Empty,
    /// Not a name in lower case.
    #[error("`{0}` is not made of a-z, 0-9, `-` and `_`")]
    Name(String),
    /// A variable of ours.
    #[error("`{0}` is filled by btspec")]
    Reserved(String),
    /// No duration.
    #[error("`{0}` is no duration such as 30s or 500ms")]
    Duration(String),
    /// A path that leaves the state folder, or a script that is not beside its driver.
    #[error("`{0}` must be a relative path without `..`")]
    Path(String),
    /// No address and no range.
    #[error("{0}")]
    Addresses(SourceError),
    /// A number of connections that is not possible.
    #[error("`{0}` is not from 1 to 64")]
    Jobs(usize),
}

impl ClientFile {
    /// The driver of `--client`: an embedded name, or the path of a file.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn find(text: &str) -> Result<Self, FileError> {
        let looks_like_path = text.contains(['/', '\\']) || text.ends_with(".yaml");
        if looks_like_path {
            return load::from_path(Path::new(text));
        }
        match EMBEDDED.iter().find(|embedded| embedded.name == text) {
            Some(embedded) => Self::embedded(embedded),
            None => Err(FileError::Unknown {
                name: text.to_owned(),
            }),
        }
    }

    /// A driver of one command line for the system's shell, with `{port} {torrent} {data} {role}`.
    ///
    /// # Errors
    /// When the command is empty or has a place that nothing fills.
    pub fn exec(command: &str) -> Result<Self, FileError> {
        load::from_command(command)
    }

    /// Names of the embedded drivers.
    pub fn names() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|embedded| embedded.name)
    }

    fn embedded(embedded: &Embedded) -> Result<Self, FileError> {
        let Embedded { name, yaml, script } = embedded;
        load::from_text(&format!("clients/{name}.yaml"), yaml, |wanted| {
            let found = script.filter(|(script, _)| *script == wanted);
            found
                .map(|(_, text)| text.to_owned())
                .ok_or_else(|| FileError::Read {
                    path: format!("clients/{wanted}"),
                    why: "it is not embedded".to_owned(),
                })
        })
    }

    /// The client's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Roles that it can be started in.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Words of `needs` that it shows although it is told not to use them.
    pub fn without(&self) -> impl Iterator<Item = &str> {
        self.without.iter().map(String::as_str)
    }

    /// Connections that it bears at once.
    pub fn jobs(&self) -> usize {
        self.jobs
    }

    /// How many of it a run may start side by side.
    pub fn instances(&self) -> usize {
        self.instances
    }

    /// Whether each play gets it freshly started.
    pub fn isolate(&self) -> bool {
        self.isolate
    }

    /// Verbs that it knows by name.
    pub fn verbs(&self) -> impl Iterator<Item = &str> {
        self.verbs.keys().map(String::as_str)
    }
}

impl Command {
    pub(super) fn templates(&self) -> &[Template] {
        match self {
            Self::Argv(argv) => argv,
            Self::Shell(line) => std::slice::from_ref(line),
        }
    }

    /// Program and arguments.
    pub(super) fn fill(&self, vars: &Vars) -> Vec<String> {
        match self {
            Self::Argv(argv) => argv.iter().map(|part| part.fill(vars)).collect(),
            Self::Shell(line) => vec!["sh".to_owned(), "-c".to_owned(), line.fill_quoted(vars)],
        }
    }
}

impl fmt::Display for ClientFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client:{}", self.name)
    }
}

struct Embedded {
    name: &'static str,
    yaml: &'static str,
    script: Option<(&'static str, &'static str)>,
}

/// The drivers in `clients/`.
static EMBEDDED: &[Embedded] = &[
    Embedded {
        name: "aria2",
        yaml: include_str!("../../../clients/aria2.yaml"),
        script: Some(("aria2.py", include_str!("../../../clients/aria2.py"))),
    },
    Embedded {
        name: "libtorrent",
        yaml: include_str!("../../../clients/libtorrent.yaml"),
        script: Some((
            "libtorrent.py",
            include_str!("../../../clients/libtorrent.py"),
        )),
    },
    Embedded {
        name: "libtorrent-2-0",
        yaml: include_str!("../../../clients/libtorrent-2-0.yaml"),
        script: Some((
            "libtorrent.py",
            include_str!("../../../clients/libtorrent.py"),
        )),
    },
    Embedded {
        name: "rqbit",
        yaml: include_str!("../../../clients/rqbit.yaml"),
        script: Some(("rqbit.py", include_str!("../../../clients/rqbit.py"))),
    },
    Embedded {
        name: "transmission",
        yaml: include_str!("../../../clients/transmission.yaml"),
        script: Some((
            "transmission.py",
            include_str!("../../../clients/transmission.py"),
        )),
    },
    Embedded {
        name: "webtorrent",
        yaml: include_str!("../../../clients/webtorrent.yaml"),
        script: Some((
            "webtorrent.mjs",
            include_str!("../../../clients/webtorrent.mjs"),
        )),
    },
];

fn names() -> String {
    ClientFile::names().collect::<Vec<_>>().join(", ")
}

/// `; did you mean …` where an embedded name begins like the one that was asked for.
fn near(name: &str) -> String {
    let start = |text: &str| text.chars().take(3).collect::<String>().to_lowercase();
    let found = ClientFile::names().find(|known| start(known) == start(name));
    found.map_or_else(String::new, |known| format!(" (did you mean `{known}`?)"))
}
