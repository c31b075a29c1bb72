//! What can be said on the command line. Every flag is also an environment variable `BTSPEC_*`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use btspec::outcome::Exit;
use btspec::report::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::fuzz_args::{FuzzArgs, ShrinkArgs};
use super::run_args::{ReportTo, RunArgs, format};

/// Conformance tests for the BitTorrent peer protocol.
#[derive(Debug, Parser)]
#[command(name = "btspec", version, about, after_help = exit_codes(), max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Play scenarios against a target
    Run(Box<RunArgs>),
    /// List cases and rules
    List(ListArgs),
    /// Tell about a requirement, rule or case in prose
    Explain(ExplainArgs),
    /// Look for weak spots in scenario files
    Lint(LintArgs),
    /// Print a JSON Schema
    Schema(SchemaArgs),
    /// Write the torrents that suit every case, with their data
    Fixture(FixtureArgs),
    /// Decode recorded bytes of one direction of a connection, or a capture (pcapng, pcap)
    Decode(DecodeArgs),
    /// Join recordings of runs and convert them
    Report(ReportArgs),
    /// Judge recordings by the rules of today, without the target
    Replay(ReplayArgs),
    /// Tell what differs between two recordings
    Compare(CompareArgs),
    /// Set clients, or recordings of them, side by side
    Matrix(MatrixArgs),
    /// Stand between two peers and judge both by the rules
    Proxy(ProxyArgs),
    /// Put the reference peer on a socket
    Serve(ServeArgs),
    /// Play the suites against defective, trivial and sound peers, and say what they saw
    Audit(AuditArgs),
    /// Check a client's driver step by step, and say what is wrong with it
    Doctor(DoctorArgs),
    /// Throw right and wrong messages at a target, and make what breaks it small
    Fuzz(Box<FuzzArgs>),
    /// Make a scenario file that fails smaller
    Shrink(Box<ShrinkArgs>),
    /// Show which requirements are cited and which are proved, by BEP
    Coverage,
    /// Print what a shell needs to complete the arguments
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
    /// Hold a client, and end it when the run ends
    #[command(name = btspec::target::guard::SUBCOMMAND, hide = true)]
    Guard(GuardArgs),
}

/// Which cases are meant.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Scenario files and folders; the embedded suites without any
    #[arg(value_name = "FILE|DIR")]
    pub(crate) paths: Vec<PathBuf>,
    /// Only what matches: id(GLOB) suite(GLOB) tag(T) level(L) bep(N) req(ID) role(R) rule(),
    /// joined by & | ! and parentheses; a bare word is id(*word*)
    #[arg(long, value_name = "EXPR", env = "BTSPEC_FILTER")]
    pub(crate) filter: Option<String>,
    /// Only what judges a requirement at least this strict: must > should > practice > may
    #[arg(long, value_name = "LEVEL", env = "BTSPEC_LEVEL")]
    pub(crate) level: Option<btspec::requirement::Level>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Every play (role, direction, matrix) on its own line
    #[arg(long, env = "BTSPEC_PLAYS")]
    pub(crate) plays: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Trivial peers, which must pass nothing, instead of defects
    #[arg(long, env = "BTSPEC_NULL")]
    pub(crate) null: bool,
    /// Sound peers, which must fail nothing, instead of defects
    #[arg(long, env = "BTSPEC_TWINS")]
    pub(crate) twins: bool,
    /// The sound reference peer so many times, in another order and with other seeds: every run
    /// must come to the same
    #[arg(long, value_name = "N", conflicts_with_all = ["fault", "list"])]
    pub(crate) repeats: Option<u32>,
    /// Only these defects (names or globs); may be repeated
    #[arg(long, value_name = "GLOB", conflicts_with_all = ["null", "twins", "repeats"])]
    pub(crate) fault: Vec<String>,
    /// Only list the defects
    #[arg(long, conflicts_with_all = ["null", "twins", "repeats"])]
    pub(crate) list: bool,
    /// Also judge that every requirement in FILE is still proved
    #[arg(long, value_name = "FILE", conflicts_with_all = ["null", "twins", "repeats", "fault", "list"])]
    pub(crate) still_proved: Option<PathBuf>,
    /// Write the requirements that are proved to FILE
    #[arg(long, value_name = "FILE", conflicts_with_all = ["null", "twins", "repeats", "fault", "list"])]
    pub(crate) write_proved: Option<PathBuf>,
    /// Threads; as many as there are processors without
    #[arg(long, value_name = "N", env = "BTSPEC_JOBS")]
    pub(crate) jobs: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// A driver file, or the name of a client that btspec knows
    #[arg(long, value_name = "NAME|FILE", env = "BTSPEC_CLIENT")]
    pub(crate) client: String,
    /// Only in this role; in both, as far as the driver has them, without
    #[arg(long, value_enum, env = "BTSPEC_ROLE")]
    pub(crate) role: Option<PlayedRole>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A requirement (B6-RJ-01), rule (rule/NAME) or case (SUITE/CASE)
    pub(crate) id: String,
    /// Scenario files and folders beside the embedded suites
    #[arg(value_name = "FILE|DIR")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Scenario files and folders
    #[arg(value_name = "FILE|DIR", required = true)]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value_t = SchemaOf::Scenario)]
    pub(crate) of: SchemaOf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum SchemaOf {
    /// Scenario files
    Scenario,
    /// The JSON report
    Report,
    /// A line of the report `jsonl`
    Run,
    /// The JSON report of `fuzz`
    Fuzz,
    /// The JSON form of `matrix`
    Matrix,
}

#[derive(Debug, Args)]
pub(crate) struct FixtureArgs {
    /// Folder to write to; it is made if need be
    #[arg(long, value_name = "DIR", env = "BTSPEC_OUT")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DecodeArgs {
    /// Bytes, or hexadecimal digits with white space and # comments, or a capture; - is standard
    /// input
    #[arg(value_name = "FILE|-", default_value = "-")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Reports of runs (json or jsonl): shares of a partition, roles, repeats in part. Of a case that is in
    /// several the last one stands
    #[arg(value_name = "RUN.jsonl|RUN.json", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// File of known failures, held against all of them together
    #[arg(long, value_name = "FILE", env = "BTSPEC_EXPECTATIONS")]
    pub(crate) expectations: Option<PathBuf>,
    /// File of what `info` rows observed; a change is a warn
    #[arg(long, value_name = "FILE", env = "BTSPEC_OBSERVATIONS")]
    pub(crate) observations: Option<PathBuf>,
    /// Write that file anew, from what these runs observed
    #[arg(long, requires = "observations", env = "BTSPEC_UPDATE_OBSERVATIONS")]
    pub(crate) update_observations: bool,
    /// A warn counts as a fail
    #[arg(long, env = "BTSPEC_STRICT")]
    pub(crate) strict: bool,
    /// Write a report; may be repeated
    #[arg(long, value_name = "FMT=FILE", env = "BTSPEC_REPORT")]
    pub(crate) report: Vec<ReportTo>,
    /// What standard output gets
    #[arg(long, value_name = "FMT", default_value = "terminal", value_parser = format, env = "BTSPEC_FORMAT")]
    pub(crate) format: &'static Format,
    /// Also passes, infos and the slowest; twice: whole transcripts
    #[arg(short, long, action = clap::ArgAction::Count, env = "BTSPEC_VERBOSE")]
    pub(crate) verbose: u8,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Reports of runs (json or jsonl)
    #[arg(value_name = "RUN.jsonl|RUN.json", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// A torrent that the runs were about, beside the fixtures; may be repeated
    #[arg(long, value_name = "FILE", env = "BTSPEC_TORRENT")]
    pub(crate) torrent: Vec<PathBuf>,
    /// A warn counts as a fail
    #[arg(long, env = "BTSPEC_STRICT")]
    pub(crate) strict: bool,
    /// Write a report; may be repeated
    #[arg(long, value_name = "FMT=FILE", env = "BTSPEC_REPORT")]
    pub(crate) report: Vec<ReportTo>,
    /// What standard output gets
    #[arg(long, value_name = "FMT", default_value = "terminal", value_parser = format, env = "BTSPEC_FORMAT")]
    pub(crate) format: &'static Format,
    /// Also passes
    #[arg(short, long, action = clap::ArgAction::Count, env = "BTSPEC_VERBOSE")]
    pub(crate) verbose: u8,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Report of the run before (json or jsonl)
    #[arg(value_name = "BEFORE")]
    pub(crate) before: PathBuf,
    /// Report of the run after
    #[arg(value_name = "AFTER")]
    pub(crate) after: PathBuf,
    /// What standard output gets
    #[arg(long, value_enum, default_value_t = CompareFormat::Text)]
    pub(crate) format: CompareFormat,
}

/// How a comparison is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CompareFormat {
    /// For a person
    Text,
    /// btspec.compare/1
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct MatrixArgs {
    /// Recordings (json or jsonl); those of one target are joined into one column
    #[arg(value_name = "RUN.json|RUN.jsonl")]
    pub(crate) files: Vec<PathBuf>,
    /// Start this client and test it: a name that btspec knows, or a driver file; may be repeated
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) client: Vec<String>,
    /// Roles in which --client is tested
    #[arg(long, value_enum, default_value_t = MatrixRole::Both)]
    pub(crate) role: MatrixRole,
    /// Only what matches is played with --client, as in `run --filter`
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Known failures of a column; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) expectations: Vec<Named>,
    /// Write the matrix to a file: html, json or text; may be repeated
    #[arg(long, value_name = "FMT=FILE")]
    pub(crate) report: Vec<MatrixTo>,
    /// What standard output gets
    #[arg(long, value_enum, default_value_t = MatrixFormat::Text)]
    pub(crate) format: MatrixFormat,
}

/// Roles of the clients of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MatrixRole {
    Seed,
    Leech,
    Both,
}

/// How a matrix is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MatrixFormat {
    /// For a person: what differs
    Text,
    /// btspec.matrix/1
    Json,
    /// One page for a browser
    Html,
}

/// A file for the matrix.
#[derive(Debug, Clone)]
pub(crate) struct MatrixTo {
    pub(crate) format: MatrixFormat,
    pub(crate) path: PathBuf,
}

impl FromStr for MatrixTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Named { name, path } = text.parse()?;
        let format = MatrixFormat::from_str(&name, false)
            .map_err(|_| format!("unknown format `{name}`; one of text, json, html"))?;
        Ok(Self { format, path })
    }
}

/// A file for something that has a name.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = text
            .split_once('=')
            .filter(|(name, path)| !name.is_empty() && !path.is_empty())
            .ok_or("NAME=FILE expected")?;
        Ok(Self {
            name: name.to_owned(),
            path: PathBuf::from(path),
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// Where to listen for the peer that dials; port 0 takes a free one, and the first line on
    /// standard error names it
    #[arg(long, value_name = "ADDR:PORT", env = "BTSPEC_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// The other peer
    #[arg(long, value_name = "ADDR:PORT", env = "BTSPEC_TO")]
    pub(crate) to: SocketAddr,
    /// Torrent that they exchange, beside the fixtures
    #[arg(long, value_name = "FILE", env = "BTSPEC_TORRENT")]
    pub(crate) torrent: Option<PathBuf>,
    /// Folder or file with the torrent's data: the bytes of blocks are then judged, too
    #[arg(long, value_name = "PATH", env = "BTSPEC_DATA", requires = "torrent")]
    pub(crate) data: Option<PathBuf>,
    /// End as soon as so many connections are over; without, an interrupt ends it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), env = "BTSPEC_CONNECTIONS")]
    pub(crate) connections: Option<u16>,
    /// Listen and connect also where the address is not a private one
    #[arg(long, env = "BTSPEC_I_RUN_THIS_TARGET")]
    pub(crate) i_run_this_target: bool,
    /// A warn counts as a fail
    #[arg(long, env = "BTSPEC_STRICT")]
    pub(crate) strict: bool,
    /// Write a report when it ends; may be repeated
    #[arg(long, value_name = "FMT=FILE", env = "BTSPEC_REPORT")]
    pub(crate) report: Vec<ReportTo>,
    /// What standard output gets
    #[arg(long, value_name = "FMT", default_value = "terminal", value_parser = format, env = "BTSPEC_FORMAT")]
    pub(crate) format: &'static Format,
    /// Also passes, infos and the slowest; twice: whole transcripts
    #[arg(short, long, action = clap::ArgAction::Count, env = "BTSPEC_VERBOSE")]
    pub(crate) verbose: u8,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one, and the first line of output names it
    #[arg(long, value_name = "ADDR:PORT", env = "BTSPEC_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// What it has at the start: everything or nothing
    #[arg(long, value_enum, env = "BTSPEC_ROLE")]
    pub(crate) role: PlayedRole,
    /// Torrent; the fixture `main` without
    #[arg(long, value_name = "FILE", env = "BTSPEC_TORRENT")]
    pub(crate) torrent: Option<PathBuf>,
    /// Folder or file with the torrent's data, for a seed
    #[arg(long, value_name = "PATH", env = "BTSPEC_DATA", requires = "torrent")]
    pub(crate) data: Option<PathBuf>,
    /// A defect to switch on; may be repeated
    #[arg(long, value_name = "NAME", env = "BTSPEC_FAULT")]
    pub(crate) fault: Vec<String>,
    /// A peer to dial; may be repeated
    #[arg(long, value_name = "ADDR:PORT", env = "BTSPEC_PEER")]
    pub(crate) peer: Vec<SocketAddr>,
    /// What its choices come from: peer id, order of pieces; another one each time without
    #[arg(long, value_name = "NUMBER", env = "BTSPEC_SEED")]
    pub(crate) seed: Option<u64>,
    /// End, with exit code 0, as soon as all pieces are there and their hashes right
    #[arg(long, env = "BTSPEC_UNTIL_COMPLETE")]
    pub(crate) until_complete: bool,
    /// Say everything that happens
    #[arg(short, long, env = "BTSPEC_VERBOSE")]
    pub(crate) verbose: bool,
}

/// What a peer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PlayedRole {
    /// Everything
    Seed,
    /// Nothing
    Leech,
}

impl std::fmt::Display for PlayedRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Seed => "seed",
            Self::Leech => "leech",
        })
    }
}

impl From<PlayedRole> for btspec::peer::Role {
    fn from(role: PlayedRole) -> Self {
        match role {
            PlayedRole::Seed => Self::Seed,
            PlayedRole::Leech => Self::Leech,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct GuardArgs {
    /// For `target::guard`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
}

fn exit_codes() -> String {
    let mut text = "Exit codes, the first that applies in the order 2 5 3 1 4 0:".to_owned();
    for exit in Exit::ALL {
        text.push_str(&format!("\n  {exit}"));
    }
    text
}
