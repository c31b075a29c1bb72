//! `btspec explain ID`.

use std::io::Write;

use btspec::outcome::Exit;
use btspec::report::explain;

use super::args::ExplainArgs;
use super::stop::Stop;
use super::{out, select};

pub(super) fn run(args: &ExplainArgs) -> Result<Exit, Stop> {
    let mut suites = select::load(&[])?;
    if !args.paths.is_empty() {
        suites.extend(select::load(&args.paths)?);
    }
    let mut stdout = out::stdout();
    let found = explain::write(&args.id, &suites, &mut stdout)?;
    stdout.flush()?;
    match found {
        Ok(()) => Ok(Exit::Ok),
        Err(unknown) => {
            let hint = unknown
                .nearest
                .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            Err(Stop::usage(format!(
                "no requirement, rule or case `{}`{hint}",
                args.id
            )))
        }
    }
}
