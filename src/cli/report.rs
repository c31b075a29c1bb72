//! `btspec report FILE…`: recordings joined and converted.

use btspec::outcome::join::{Joined, join};
use btspec::outcome::stream::Header;
use btspec::outcome::{About, Exit, FileComplaint, recording};
use btspec::report::{Sources, text};

use super::args::ReportArgs;
use super::known::Known;
use super::observed::Observed;
use super::reports::Reports;
use super::run::{self, Written};
use super::stop::Stop;
use super::{out, select};

pub(super) fn run(args: &ReportArgs) -> Result<Exit, Stop> {
    let known = Known::load(args.expectations.as_deref(), false)?;
    let observed = Observed::load(args.observations.as_deref(), args.update_observations)?;
    let mut read = Vec::new();
    for path in &args.files {
        read.push(recording::read(path).map_err(Stop::usage)?);
    }
    let joined = join(read).map_err(Stop::usage)?;
    let Some(Joined { mut run, warnings }) = joined else {
        return Err(Stop::usage("no recording was named"));
    };
    for warning in warnings {
        out::diagnose(format!("btspec: {}", text::safe(&warning)));
    }
    if args.expectations.is_some() {
        run.complaints.retain(|it| it.about != About::Expectations);
        let complaints = known.apply(&mut run, &select::load(&[])?)?;
        let complaints = complaints.iter();
        run.complaints
            .extend(complaints.map(|it| FileComplaint::fail(About::Expectations, it)));
    }
    if args.observations.is_some() {
        run.complaints.retain(|it| it.about != About::Observations);
        let changed = observed.changed(&run);
        let changed = changed.iter();
        run.complaints
            .extend(changed.map(|it| FileComplaint::warn(About::Observations, it)));
    }
    // Whoever names expectations wants them judged; else the runs have judged theirs.
    let recorded = Exit::ALL.into_iter().find(|exit| exit.code() == run.exit);
    let exit = match recorded {
        Some(exit @ (Exit::Usage | Exit::Internal | Exit::Unreachable)) => exit,
        Some(exit) if args.expectations.is_none() && !args.strict => exit,
        _ => Exit::of_run(&run, args.strict),
    };
    run.exit = exit.code();
    let reports = Reports::open(&args.report, Header::new(&*run.target.spec, run.seed))?;
    let written = Written {
        reports,
        format: args.format,
        verbose: args.verbose,
        strict: args.strict,
        repeat: Vec::new(),
        sources: Sources::of(&select::load(&[])?),
    };
    run::report(written, &run)?;
    observed.update(&run)?;
    Ok(exit)
}
