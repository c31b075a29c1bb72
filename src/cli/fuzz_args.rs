//! Arguments of `btspec fuzz` and `btspec shrink`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use btspec::target::{SourceList, Spec};
use clap::Args;

use super::run_args::{RoleArg, Seed, TARGET, Target};

/// The peer under test.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
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
    /// The target is mine, although its address is not a private one
    #[arg(long, env = "BTSPEC_I_RUN_THIS_TARGET", help_heading = TARGET)]
    pub(crate) i_run_this_target: bool,
}

impl TargetArgs {
    /// The target as the user named it.
    pub(crate) fn name(&self) -> String {
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
}

#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// End after this time: 90s, 20m, 2h. What the last cases showed is looked into for 30 s more, and
    /// all is over 60 s later at most. Looking into finds takes no more than half of the time
    #[arg(long, value_name = "TIME", value_parser = duration, env = "BTSPEC_DURATION")]
    pub(crate) duration: Option<Duration>,
    /// End after so many cases, of all roles together; 100,000 for `self` without
    #[arg(long, value_name = "N", env = "BTSPEC_CASES")]
    pub(crate) cases: Option<u64>,
    /// End after so many finds
    #[arg(long, value_name = "N", env = "BTSPEC_FINDS")]
    pub(crate) finds: Option<usize>,
    /// What everything random comes from: a number, or `random`
    #[arg(long, value_name = "NUMBER", default_value = "1", env = "BTSPEC_SEED")]
    pub(crate) seed: Seed,
    /// Only this part of the cases, as 2/4: the other parts are for other machines
    #[arg(long, value_name = "M/N", value_parser = part, default_value = "1/1", env = "BTSPEC_SEEDS")]
    pub(crate) seeds: (u64, u64),
    /// Connections at once; without it 4 at most, and 16 to a target that reads at ticks of a timer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16), env = "BTSPEC_JOBS")]
    pub(crate) jobs: Option<u16>,
    /// Folder for finds, and for what --resume needs
    #[arg(
        long,
        value_name = "DIR",
        default_value = "btspec-fuzz",
        env = "BTSPEC_OUT"
    )]
    pub(crate) out: PathBuf,
    /// Go on where the campaign that wrote to --out ended
    #[arg(long, env = "BTSPEC_RESUME")]
    pub(crate) resume: bool,
    /// Write a report, json=FILE
    #[arg(long, value_name = "json=FILE", value_parser = json_file, env = "BTSPEC_REPORT")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// A scenario file with cases that fail
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// A defect of the reference peer to switch on; may be repeated (only `self`)
    #[arg(long, value_name = "NAME", env = "BTSPEC_FAULT", help_heading = TARGET)]
    pub(crate) fault: Vec<String>,
    /// Where to write the result; standard output without
    #[arg(long, value_name = "FILE", env = "BTSPEC_OUT")]
    pub(crate) out: Option<PathBuf>,
    /// Plays that shrinking may take
    #[arg(long, value_name = "N", default_value = "300", env = "BTSPEC_PLAYS")]
    pub(crate) plays: usize,
}

/// `90s`, `20m`, `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time with its unit expected, as in 90s, 20m or 2h".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let number = text
        .trim_end_matches(unit)
        .parse::<u64>()
        .map_err(|_| wrong())?;
    let total = number.checked_mul(seconds).filter(|total| *total > 0);
    total.map(Duration::from_secs).ok_or_else(wrong)
}

/// `2/4`.
fn part(text: &str) -> Result<(u64, u64), String> {
    let wrong = || "a part and a number of parts expected, as in 2/4".to_owned();
    let (m, n) = text.split_once('/').ok_or_else(wrong)?;
    let (m, n) = (
        u64::from_str(m).map_err(|_| wrong())?,
        u64::from_str(n).map_err(|_| wrong())?,
    );
    if (1..=n).contains(&m) {
        Ok((m, n))
    } else {
        Err(wrong())
    }
}

fn json_file(text: &str) -> Result<PathBuf, String> {
    match text.split_once('=') {
        Some(("json", path)) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err("json=FILE expected".to_owned()),
    }
}
