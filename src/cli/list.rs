//! `btspec list`.

use std::io::Write;

use btspec::outcome::Exit;
use btspec::requirement::Level;
use btspec::scenario::filter::Subject;

use super::args::ListArgs;
use super::stop::Stop;
use super::{out, select};

/// One line of the list.
struct Line {
    id: String,
    level: Option<Level>,
    about: String,
    title: String,
}

pub(super) fn run(args: &ListArgs) -> Result<Exit, Stop> {
    let suites = select::load(&args.selection.paths)?;
    let selected = select::select(&suites, &args.selection, &select::everything(Vec::new()))?;
    let mut lines = Vec::<Line>::new();
    for play in &selected.plays {
        let subject = Subject::play(play);
        let case = format!("{}/{}", play.case.suite, play.case.id);
        let id = if args.plays { subject.id.clone() } else { case };
        // Without --plays the plays of a case, which come one after another, share a line.
        if lines.last().is_some_and(|last| last.id == id) {
            continue;
        }
        let mut about = subject.requirements.join(" ");
        if !subject.tags.is_empty() {
            about.push_str(&format!(" #{}", subject.tags.join(" #")));
        }
        lines.push(Line {
            id,
            level: subject.levels().max(),
            about,
            title: play.case.title.clone(),
        });
    }
    for rule in &selected.rules {
        let subject = Subject::rule(rule.id, rule.requirement);
        lines.push(Line {
            level: subject.levels().max(),
            id: subject.id,
            about: rule.requirement.to_owned(),
            title: rule.title.to_owned(),
        });
    }
    let width = lines.iter().map(|line| line.id.len()).max().unwrap_or(0);
    let mut stdout = out::stdout();
    for line in &lines {
        let level = line.level.map_or("", Level::name);
        writeln!(
            stdout,
            "{:<width$}  {level:<8}  {}  [{}]",
            line.id, line.title, line.about
        )?;
    }
    stdout.flush()?;
    if lines.is_empty() {
        out::diagnose("nothing matches");
    }
    Ok(Exit::Ok)
}
