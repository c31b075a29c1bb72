//! `btspec shrink`: a scenario file that fails, smaller.

use std::io::Write;
use std::sync::Arc;

use btspec::engine::driver::SocketStage;
use btspec::engine::run::{RunConfig, run_live, run_self};
use btspec::engine::self_mode::{self, SelfMode};
use btspec::engine::settings::Settings;
use btspec::fuzz::ground::Role;
use btspec::fuzz::reduce::reduce;
use btspec::outcome::{CaseOutcome, Exit, Verdict};
use btspec::scenario::ast::{self, Suite};
use btspec::scenario::print::print;
use btspec::scenario::{Choice, Play, expand, parse_text};
use btspec::torrent::Torrent;

use super::fuzz::open;
use super::fuzz_args::ShrinkArgs;
use super::reach::Closed;
use super::run_args::RoleArg;
use super::stop::Stop;
use super::{content, fault, interrupt, out, select};

pub(super) fn run(args: &ShrinkArgs) -> Result<Exit, Stop> {
    let suites = select::load(std::slice::from_ref(&args.file))?;
    let torrent = content::torrent(args.target.torrent.as_deref(), args.target.data.as_deref())?;
    let mut stand = Stand::open(args, torrent)?;
    let mut shrunk = Vec::new();
    for suite in &suites {
        for case in &suite.cases {
            let alone = Suite {
                cases: vec![Arc::clone(case)],
                ..suite.clone()
            };
            if let Some(text) = one(&mut stand, &alone, args.plays)? {
                shrunk.push(text);
            }
        }
    }
    stand.close();
    let halted = interrupt::halt().why();
    let Some((first, rest)) = shrunk.split_first() else {
        if let Some(why) = halted {
            return Err(Stop {
                exit: Exit::Unreachable,
                message: format!("error: {why}, before anything was seen to fail"),
            });
        }
        out::diagnose("btspec: nothing in this file fails against this target");
        return Ok(Exit::Ok);
    };
    if !rest.is_empty() {
        out::diagnose("btspec: several cases fail; this is the first");
    }
    match &args.out {
        Some(path) => std::fs::write(path, first)
            .map_err(|error| Stop::usage(format!("cannot write {}: {error}", path.display())))?,
        None => {
            let mut stdout = out::stdout();
            stdout.write_all(first.as_bytes())?;
            stdout.flush()?;
        }
    }
    Ok(Exit::Found)
}

/// The smallest text of a suite of one case that fails as it does; `None` if it does not fail.
fn one(stand: &mut Stand<'_>, suite: &Suite, plays: usize) -> Result<Option<String>, Stop> {
    let text = print(suite);
    let Some(wanted) = stand.play(&text) else {
        return Ok(None);
    };
    out::diagnose(format!("btspec: shrinks {wanted}"));
    let small = reduce(&text, plays, &mut |text| {
        stand.play(text).as_ref() == Some(&wanted)
    });
    Ok(Some(small))
}

/// Something to play at.
struct Stand<'a> {
    args: &'a ShrinkArgs,
    torrent: Torrent,
    roles: Vec<ast::Role>,
    stage: Option<SocketStage>,
}

impl<'a> Stand<'a> {
    fn open(args: &'a ShrinkArgs, torrent: Torrent) -> Result<Self, Stop> {
        let target = &args.target;
        if !args.fault.is_empty() && !target.is_self() {
            return Err(Stop::usage("--fault is for the target `self`"));
        }
        let (stage, roles) = if target.is_self() {
            let roles = match target.role {
                RoleArg::Auto => vec![ast::Role::Seed, ast::Role::Leech],
                RoleArg::Seed => vec![ast::Role::Seed],
                RoleArg::Leech => vec![ast::Role::Leech],
            };
            (None, roles)
        } else {
            let (mut stage, role) = open(target, &torrent).map_err(|closed| match closed {
                Closed::Stop(stop) => stop,
                Closed::Unreachable(why) => Stop {
                    exit: Exit::Unreachable,
                    message: format!("error: {why}"),
                },
            })?;
            let role = match role {
                Role::Seed => ast::Role::Seed,
                Role::Leech => ast::Role::Leech,
            };
            stage.heed(&interrupt::halt());
            (Some(stage), vec![role])
        };
        Ok(Self {
            args,
            torrent,
            roles,
            stage,
        })
    }

    fn close(self) {
        if let Some(stage) = self.stage {
            stage.close();
        }
    }

    /// How the first play of a text fails; `None` if all pass.
    fn play(&mut self, text: &str) -> Option<String> {
        let suite = parse_text("shrunk.yaml", text).ok()?;
        let choice = Choice {
            roles: self.roles.clone(),
            ..select::everything(Vec::new())
        };
        let plays = expand(&suite, &choice).ok()?;
        let config = RunConfig {
            preflight: self.stage.is_none(),
            settings: Settings::default(),
            ..RunConfig::new(self.args.target.name())
        };
        let run = match &mut self.stage {
            Some(stage) => run_live(stage, &self.torrent, &plays, &config, &mut |_| {}),
            None => self.in_simulation(&plays, &config),
        };
        run.cases.iter().find_map(failure)
    }

    fn in_simulation(&self, plays: &[Play], config: &RunConfig) -> btspec::outcome::RunOutcome {
        let faults = fault::set(&self.args.fault).unwrap_or_default();
        let make = self_mode::reference(move |config| config.with_faults(faults.clone()));
        let mut mode = SelfMode::new(&make);
        mode.halt = interrupt::halt();
        if self.args.target.torrent.is_some() {
            mode.torrents = vec![self.torrent.clone()];
        }
        run_self(&mut mode, plays, config, &|_| {})
    }
}

/// What makes two failures the same: the row, the verdict, the requirement, the reason in words.
fn failure(case: &CaseOutcome) -> Option<String> {
    if !matches!(case.verdict, Verdict::Fail | Verdict::Warn) {
        return None;
    }
    let requirement = case
        .findings
        .first()
        .and_then(|finding| finding.requirement.clone());
    let reason: String = case
        .reason
        .as_deref()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_ascii_digit())
        .take(REASON_LEN)
        .collect();
    Some(format!(
        "{}: {} {} {reason}",
        case.id,
        case.verdict,
        requirement.unwrap_or_default()
    ))
}

/// Characters of a reason that are compared.
const REASON_LEN: usize = 60;
