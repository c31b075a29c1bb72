//! `btspec replay FILE…`: recordings judged by the rules of today.

use std::collections::BTreeMap;

use btspec::engine::replay::{NOT_HELD, replay};
use btspec::engine::rows::rule_rows;
use btspec::outcome::join::join;
use btspec::outcome::stream::Header;
use btspec::outcome::{Exit, RunOutcome, Verdict, recording};
use btspec::report::{Sources, text};
use btspec::rule::RULES;
use btspec::torrent::fixture;

use super::args::ReplayArgs;
use super::reports::Reports;
use super::run::{self, Written};
use super::stop::Stop;
use super::{content, out, select};

pub(super) fn run(args: &ReplayArgs) -> Result<Exit, Stop> {
    let mut read = Vec::new();
    for path in &args.files {
        read.push(recording::read(path).map_err(Stop::usage)?);
    }
    let joined = join(read).map_err(Stop::usage)?;
    let joined = joined.ok_or_else(|| Stop::usage("no recording was named"))?;
    for warning in &joined.warnings {
        out::diagnose(format!("btspec: {}", text::safe(warning)));
    }
    let mut torrents = Vec::new();
    for path in &args.torrent {
        torrents.push(content::torrent(Some(path), None)?);
    }
    torrents.extend(fixture::all().map(|it| it.torrent));
    let replayed = replay(&joined.run, &torrents, &rules_off()?);
    let rules = RULES.iter().collect::<Vec<_>>();
    let mut rows = rule_rows(&replayed.played, &rules);
    for row in &mut rows {
        let held = row.id.strip_prefix("rule/").unwrap_or(&row.id);
        if NOT_HELD.contains(&held) {
            row.verdict = Verdict::Skip;
            row.reason = Some(format!(
                "not judged: the recording holds only the beginning of {} blocks and pieces of metadata",
                replayed.cut
            ));
        }
    }
    tell(&joined.run, &rows);
    let partly: u64 = replayed.partly.values().sum();
    out::diagnose(format!(
        "btspec: {} connections judged to their end, {partly} in part or not at all",
        replayed.whole
    ));
    for (reason, count) in &replayed.partly {
        out::diagnose(format!("btspec: {count} × {}", text::safe(reason)));
    }
    let mut run = RunOutcome::new(joined.run.target, joined.run.seed, rows);
    run.duration_ms = joined.run.duration_ms;
    let exit = Exit::of_run(&run, args.strict);
    run.exit = exit.code();
    let reports = Reports::open(&args.report, Header::new(&*run.target.spec, run.seed))?;
    let written = Written {
        reports,
        format: args.format,
        verbose: args.verbose,
        strict: args.strict,
        repeat: Vec::new(),
        sources: Sources::default(),
    };
    run::report(written, &run)?;
    Ok(exit)
}

/// The rules that cases of the embedded suites switch off, as a run would.
fn rules_off() -> Result<BTreeMap<String, Vec<String>>, Stop> {
    let suites = select::load(&[])?;
    let cases = suites.iter().flat_map(|suite| &suite.cases);
    let off = cases.map(|case| {
        let off = case.rules_off.iter().map(|off| off.rule.clone());
        (format!("{}/{}", case.suite, case.id), off.collect())
    });
    Ok(off.collect())
}

/// Says which rules come to something else than when the run was recorded.
fn tell(recorded: &RunOutcome, rows: &[btspec::outcome::CaseOutcome]) {
    for row in rows {
        let before = recorded.cases.iter().find(|case| case.id == row.id);
        let before = before.map(|case| case.verdict);
        if let Some(before) = before.filter(|before| *before != row.verdict) {
            out::diagnose(format!(
                "btspec: {}: {before} when it was recorded, {} now",
                row.id, row.verdict
            ));
        }
    }
}
