//! Arguments of `btspec run`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use btspec::report::{self, FORMATS, Format};
use btspec::scenario::Partition;
use btspec::scenario::ast::Variant;
use btspec::target::{SourceList, Spec};
use clap::Args;

use super::args::Selection;
use super::run::now;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,

    /// The peer under test: `self`, or HOST:PORT of one that runs
    #[arg(long, value_name = "SPEC", default_value = "self", env = "BTSPEC_TARGET", help_heading = TARGET)]
    pub(crate) target: Target,
    /// Start this client and test it: a name that btspec knows, or a driver file
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "target", env = "BTSPEC_CLIENT", help_heading = TARGET)]
    pub(crate) client: Option<String>,
    /// Start the target with this command; {port} {torrent} {data} {role} are filled in
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["target", "client"], env = "BTSPEC_EXEC", help_heading = TARGET)]
    pub(crate) exec: Option<String>,
    /// Role of the target; `auto` looks at what it has; `self` plays both, --client and --exec
    /// start a seed
    #[arg(long, value_enum, default_value_t = RoleArg::Auto, env = "BTSPEC_ROLE", help_heading = TARGET)]
    pub(crate) role: RoleArg,
    /// Torrent that the target has; the fixture `main` without
    #[arg(long, value_name = "FILE", env = "BTSPEC_TORRENT", help_heading = TARGET)]
    pub(crate) torrent: Option<PathBuf>,
    /// Folder or file with the torrent's data: a leech is served from it
    #[arg(long, value_name = "PATH", env = "BTSPEC_DATA", requires = "torrent", help_heading = TARGET)]
    pub(crate) data: Option<PathBuf>,
    /// Addresses to connect from, a list or a range; on loopback each connection has its own without
    #[arg(long, value_name = "ADDR,…|CIDR", env = "BTSPEC_SOURCE", help_heading = TARGET)]
    pub(crate) source: Option<SourceList>,
    /// Play on even if the target does not prove that it serves
    #[arg(long, env = "BTSPEC_NO_PREFLIGHT", help_heading = TARGET)]
    pub(crate) no_preflight: bool,
    /// With a single source address: also play, last, what may get it banned (tag `ban`)
    #[arg(long, env = "BTSPEC_ALLOW_BAN", help_heading = TARGET)]
    pub(crate) allow_ban: bool,
    /// Play cases tagged `load` or `alone` also where the address is not a private one
    #[arg(long, env = "BTSPEC_I_RUN_THIS_TARGET", help_heading = TARGET)]
    pub(crate) i_run_this_target: bool,
    /// Latency of the simulated network, each way (only `self`)
    #[arg(long, value_name = "TIME", value_parser = duration, env = "BTSPEC_LATENCY", help_heading = TARGET)]
    pub(crate) latency: Option<Duration>,
    /// Keep one target for the run, as a target on a network is, instead of a fresh one for each case
    /// (only `self`, with --role)
    #[arg(long, env = "BTSPEC_SHARED_TARGET", help_heading = TARGET)]
    pub(crate) shared_target: bool,
    /// Another sound peer of the audit instead of the reference peer (only `self`)
    #[arg(long, value_name = "NAME", env = "BTSPEC_TWIN", help_heading = TARGET)]
    pub(crate) twin: Option<String>,
    /// A defect of the reference peer to switch on; may be repeated (only `self`)
    #[arg(long, value_name = "NAME", env = "BTSPEC_FAULT", help_heading = TARGET)]
    pub(crate) fault: Vec<String>,

    /// Also replay each case with its bytes cut up otherwise; may be repeated
    #[arg(long, value_name = "NAME", value_parser = variant, env = "BTSPEC_VARIANT", help_heading = PLAY)]
    pub(crate) variant: Vec<Variant>,
    /// Cases at once, of those that may run beside others; as many as there are processors without,
    /// or as the target bears connections
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), env = "BTSPEC_JOBS", help_heading = PLAY)]
    pub(crate) jobs: Option<u16>,
    /// With --client or --exec: start so many side by side and share the cases out; as its driver says
    /// without
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64), env = "BTSPEC_INSTANCES", help_heading = PLAY)]
    pub(crate) instances: Option<u16>,
    /// Play in an order that follows from the seed
    #[arg(long, env = "BTSPEC_SHUFFLE", help_heading = PLAY)]
    pub(crate) shuffle: bool,
    /// Factor on every deadline, at least 1
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = time_scale, env = "BTSPEC_TIME_SCALE", help_heading = PLAY)]
    pub(crate) time_scale: f64,
    /// Only one of N shares of what is selected, by a hash of each id that never changes; M from 1
    #[arg(long, value_name = "hash:M/N", env = "BTSPEC_PARTITION", help_heading = PLAY)]
    pub(crate) partition: Option<Partition>,
    /// Stop after so many fails that no expectation lists; the rest is reported as not played
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), env = "BTSPEC_MAX_FAIL", help_heading = PLAY)]
    pub(crate) max_fail: Option<u16>,
    /// What everything random comes from: a number, or `random`
    #[arg(long, value_name = "NUMBER", default_value = "1", env = "BTSPEC_SEED", help_heading = PLAY)]
    pub(crate) seed: Seed,

    /// File of known failures
    #[arg(long, value_name = "FILE", env = "BTSPEC_EXPECTATIONS", help_heading = JUDGE)]
    pub(crate) expectations: Option<PathBuf>,
    /// Edit that file: comment out what no longer holds, append what is new
    #[arg(long, requires = "expectations", env = "BTSPEC_UPDATE_EXPECTATIONS", help_heading = JUDGE)]
    pub(crate) update_expectations: bool,
    /// File of ids that were judged once: one that is not played any more, or only skipped, is a
    /// complaint
    #[arg(long, value_name = "FILE", env = "BTSPEC_LOCK", help_heading = JUDGE)]
    pub(crate) lock: Option<PathBuf>,
    /// Write that file anew, from what this run judges
    #[arg(long, requires = "lock", env = "BTSPEC_UPDATE_LOCK", help_heading = JUDGE)]
    pub(crate) update_lock: bool,
    /// File of what `info` rows observed; a change is a warn
    #[arg(long, value_name = "FILE", env = "BTSPEC_OBSERVATIONS", help_heading = JUDGE)]
    pub(crate) observations: Option<PathBuf>,
    /// Write that file anew, from what this run observes
    #[arg(long, requires = "observations", env = "BTSPEC_UPDATE_OBSERVATIONS", help_heading = JUDGE)]
    pub(crate) update_observations: bool,
    /// A warn counts as a fail
    #[arg(long, env = "BTSPEC_STRICT", help_heading = JUDGE)]
    pub(crate) strict: bool,

    #[arg(help = reports(), long, value_name = "FMT=FILE", env = "BTSPEC_REPORT", help_heading = REPORT)]
    pub(crate) report: Vec<ReportTo>,
    /// What standard output gets
    #[arg(long, value_name = "FMT", default_value = "terminal", value_parser = format, env = "BTSPEC_FORMAT", help_heading = REPORT)]
    pub(crate) format: &'static Format,
    /// Also passes, infos and the slowest; twice: whole transcripts
    #[arg(short, long, action = clap::ArgAction::Count, env = "BTSPEC_VERBOSE", help_heading = REPORT)]
    pub(crate) verbose: u8,
}

impl RunArgs {
    /// The target as the user named it.
    pub(crate) fn target_name(&self) -> String {
        match (&self.client, &self.exec) {
            (Some(client), _) => format!("client:{client}"),
            (_, Some(command)) => format!("exec:{command}"),
            _ => self.target.text.clone(),
        }
    }

    /// Whether the target is the reference peer, in simulation.
    pub(crate) fn is_self(&self) -> bool {
        self.target.spec == Spec::Own && self.client.is_none() && self.exec.is_none()
    }

    /// The words that play on the same target in the same way, without filter and seed.
    pub(crate) fn repeat(&self) -> Vec<String> {
        let mut words = vec!["run".to_owned()];
        let mut flag = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        let path = |path: &PathBuf| path.display().to_string();
        if self.target.spec != Spec::Own {
            flag("target", self.target.text.clone());
        }
        let named = [
            ("client", self.client.clone()),
            ("exec", self.exec.clone()),
            ("role", self.role.word().map(str::to_owned)),
            ("torrent", self.torrent.as_ref().map(path)),
            ("data", self.data.as_ref().map(path)),
            (
                "latency",
                self.latency
                    .map(|span| format!("{}ms", span.as_secs_f64() * 1000.0)),
            ),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                flag(name, value);
            }
        }
        if let Some(twin) = &self.twin {
            flag("twin", twin.clone());
        }
        for fault in &self.fault {
            flag("fault", fault.clone());
        }
        for variant in &self.variant {
            flag("variant", variant.to_string());
        }
        if self.time_scale > 1.0 {
            flag("time-scale", self.time_scale.to_string());
        }
        if self.shared_target {
            words.push("--shared-target".to_owned());
        }
        if self.shuffle {
            words.push("--shuffle".to_owned());
        }
        words.extend(self.selection.paths.iter().map(path));
        words
    }
}

impl RoleArg {
    /// As written, unless it is the default.
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Seed => Some("seed"),
            Self::Leech => Some("leech"),
        }
    }
}

pub(super) const TARGET: &str = "Target";
const PLAY: &str = "Playing";
const JUDGE: &str = "Judging";
const REPORT: &str = "Reporting";

/// `--target`, as written and as understood.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) text: String,
    pub(crate) spec: Spec,
}

impl FromStr for Target {
    type Err = btspec::target::SpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            text: text.to_owned(),
            spec: text.parse()?,
        })
    }
}

/// `--role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RoleArg {
    /// Found out
    Auto,
    /// It has everything
    Seed,
    /// It downloads
    Leech,
}

/// `--seed`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(pub(crate) u64);

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("random") {
            return Ok(Self(now().subsec_nanos().into()));
        }
        text.parse()
            .map(Self)
            .map_err(|_| "a whole number or `random` expected".to_owned())
    }
}

/// What `--help` says of `--report`: the formats come from their table.
fn reports() -> String {
    let formats = FORMATS.iter().map(|format| format.name).collect::<Vec<_>>();
    format!(
        "Write a report; FMT is one of {}; FILE may be `-`; may be repeated",
        formats.join(", ")
    )
}

/// `--report FMT=FILE`.
#[derive(Debug, Clone)]
pub(crate) struct ReportTo {
    pub(crate) format: &'static Format,
    pub(crate) path: PathBuf,
}

impl ReportTo {
    /// `-` is standard output, behind what `--format` writes.
    pub(crate) fn is_stdout(&self) -> bool {
        self.path.as_os_str() == "-"
    }
}

impl FromStr for ReportTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = text
            .split_once('=')
            .filter(|(_, path)| !path.is_empty())
            .ok_or("FMT=FILE expected, as in json=run.json")?;
        Ok(Self {
            format: format(name)?,
            path: PathBuf::from(path),
        })
    }
}

pub(super) fn format(name: &str) -> Result<&'static Format, String> {
    report::format(name).ok_or_else(|| {
        let names = FORMATS.iter().map(|format| format.name).collect::<Vec<_>>();
        format!("unknown format `{name}`; one of {}", names.join(", "))
    })
}

fn variant(name: &str) -> Result<Variant, String> {
    Variant::by_name(name).ok_or_else(|| {
        let names = Variant::ALL.map(|variant| variant.to_string());
        format!("unknown variant; one of {}", names.join(", "))
    })
}

fn time_scale(text: &str) -> Result<f64, String> {
    let factor = text.parse::<f64>().map_err(|error| error.to_string())?;
    if (1.0..=1000.0).contains(&factor) {
        Ok(factor)
    } else {
        Err("a factor from 1 to 1000 expected: deadlines are never shortened".to_owned())
    }
}

/// `50ms`, `2s`, `1.5s`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time with its unit expected, as in 50ms or 2s".to_owned();
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').ok_or_else(wrong)?, 1.0),
    };
    let number = number.parse::<f64>().map_err(|_| wrong())?;
    // An hour each way is more than any deadline.
    let span = Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())?;
    if span <= Duration::from_secs(3600) {
        Ok(span)
    } else {
        Err("at most 3600s".to_owned())
    }
}
