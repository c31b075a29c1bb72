//! `btspec lint FILE…`.

use std::io::Write;

use btspec::outcome::Exit;
use btspec::scenario::lint::lint;

use super::args::LintArgs;
use super::stop::Stop;
use super::{out, select};

pub(super) fn run(args: &LintArgs) -> Result<Exit, Stop> {
    let suites = select::load(&args.paths)?;
    let mut stdout = out::stdout();
    let mut count = 0_usize;
    for finding in suites.iter().flat_map(lint) {
        count += 1;
        writeln!(stdout, "{}", finding.render())?;
    }
    let cases = suites.iter().map(|suite| suite.cases.len()).sum::<usize>();
    writeln!(stdout, "{cases} cases, {count} findings")?;
    stdout.flush()?;
    Ok(if count == 0 { Exit::Ok } else { Exit::Usage })
}
