//! One page for a browser: what went wrong, and for each row the sentence, the scenario, the wire.
//!
//! The page is complete in itself and asks nobody for anything: its content security policy allows
//! its own style and script, by their digests, and nothing else. Without the script everything but
//! the filter is there. Text is made printable by [`super::text`] and escaped by the template, in
//! `templates/report.html`; nothing but the two constants is written as it is.

mod ladder;
pub mod matrix;
mod row;
mod window;

use std::collections::BTreeSet;
use std::io;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use self::row::{Room, Row};
use super::Context;
use super::row::{count, is_bad, listed};
use super::terminal::UNTESTED;
use super::text::line;
use crate::outcome::{RunOutcome, Verdict};
use crate::requirement::{Level, catalogue};

/// Writes a finished run.
pub fn write(run: &RunOutcome, context: &Context, out: &mut dyn io::Write) -> io::Result<()> {
    let mut buffered = io::BufWriter::new(out);
    page(run, context).write_into(&mut buffered)?;
    io::Write::flush(&mut buffered)
}

#[derive(Debug, Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    target: String,
    facts: Vec<Fact>,
    counts: Vec<Count>,
    judged: u32,
    total: u32,
    untested: &'static str,
    listed: Option<String>,
    lost: Option<String>,
    complaints: Vec<Fact>,
    shortened: Option<String>,
    choices: Vec<Choice>,
    sections: Vec<Section>,
    tool: String,
    simulated: bool,
    style: &'static str,
    style_hash: String,
    script: &'static str,
    script_hash: String,
}

/// A name and what it is.
#[derive(Debug)]
struct Fact {
    name: String,
    text: String,
}

impl Fact {
    fn new(name: &str, text: &str) -> Self {
        Self {
            name: line(name).into_owned(),
            text: line(text).into_owned(),
        }
    }
}

/// Rows of a verdict.
#[derive(Debug)]
struct Count {
    verdict: Verdict,
    rows: u32,
    levels: Option<String>,
}

/// Something to filter by.
#[derive(Debug)]
struct Choice {
    key: &'static str,
    label: &'static str,
    values: Vec<String>,
}

/// The rows of a verdict, those first that no expectation lists.
#[derive(Debug)]
struct Section {
    verdict: Verdict,
    title: &'static str,
    means: &'static str,
    rows: Vec<Row>,
}

fn page(run: &RunOutcome, context: &Context) -> Page {
    let room = Room::of(run);
    let bad = run
        .cases
        .iter()
        .filter(|case| is_bad(case, context))
        .count();
    let mut left_out = 0;
    let mut sections = Vec::new();
    for (verdict, title, means) in SECTIONS {
        let mut cases: Vec<_> = run
            .cases
            .iter()
            .filter(|case| case.verdict == verdict)
            .collect();
        cases.sort_by_key(|case| case.known.is_some());
        let rows: Vec<Row> = cases
            .into_iter()
            .map(|case| {
                let mut row = Row::of(case, run, context, room);
                row.open = is_bad(case, context) && bad <= OPEN;
                left_out += row.left_out;
                row
            })
            .collect();
        if !rows.is_empty() {
            sections.push(Section {
                verdict,
                title,
                means,
                rows,
            });
        }
    }
    let target = line(&run.target.spec).into_owned();
    Page {
        title: format!("btspec: {target}"),
        target,
        facts: facts(run),
        counts: counts(run),
        judged: run.summary.requirements.judged,
        total: run.summary.requirements.total,
        untested: UNTESTED,
        listed: listed(run),
        lost: run.lost.as_deref().map(|lost| line(lost).into_owned()),
        complaints: run
            .complaints
            .iter()
            .map(|it| Fact::new(it.about.title(), &it.what))
            .collect(),
        shortened: (left_out > 0).then(|| {
            format!(
                "To keep this page small, {} left out of the wire logs, most of them of rows that \
                 passed; each row says how many. The JSON report has them.",
                match left_out {
                    1 => "1 message is".to_owned(),
                    _ => format!("{left_out} messages are"),
                }
            )
        }),
        choices: choices(&sections),
        sections,
        tool: format!("{} {}", line(&run.tool.name), line(&run.tool.version)),
        simulated: run.target.spec == "self",
        style: STYLE,
        style_hash: digest(STYLE),
        script: SCRIPT,
        script_hash: digest(SCRIPT),
    }
}

fn facts(run: &RunOutcome) -> Vec<Fact> {
    let target = &run.target;
    let mut facts = Vec::new();
    let mut fact = |name: &str, text: Option<&str>| {
        facts.extend(text.map(|text| Fact::new(name, text)));
    };
    fact("client", target.client.as_deref());
    fact("role", target.role.as_deref());
    let reserved = target.reserved.join(", ");
    fact(
        "reserved bits",
        Some(reserved.as_str()).filter(|it| !it.is_empty()),
    );
    let extensions = target.extensions.iter();
    let extensions: Vec<String> = extensions
        .map(|(name, id)| format!("{name} = {id}"))
        .collect();
    let extensions = extensions.join(", ");
    fact(
        "extensions",
        Some(extensions.as_str()).filter(|it| !it.is_empty()),
    );
    fact("seed", Some(&run.seed.to_string()));
    fact("took", Some(&run.duration_ms.to_string()));
    fact("exit code", Some(&run.exit.to_string()));
    facts
}

fn counts(run: &RunOutcome) -> Vec<Count> {
    let levels = |verdict: Verdict| {
        let of = |level: Level| {
            let rows = run.cases.iter().filter(|case| {
                case.verdict == verdict && super::row::level(case) == Some(level.name())
            });
            match rows.count() {
                0 => None,
                rows => Some(format!("{rows} {level}")),
            }
        };
        let levels: Vec<String> = Level::ALL.into_iter().filter_map(of).collect();
        Some(levels.join(", ")).filter(|it| !it.is_empty())
    };
    let count = |verdict: Verdict| Count {
        verdict,
        rows: run.summary.count(verdict),
        levels: match verdict {
            Verdict::Fail | Verdict::Warn => levels(verdict),
            _ => None,
        },
    };
    Verdict::ALL.into_iter().map(count).collect()
}

/// What there is to filter by, of the rows that there are.
fn choices(sections: &[Section]) -> Vec<Choice> {
    let values = |of: fn(&Row) -> &str| {
        let rows = sections.iter().flat_map(|section| &section.rows);
        let values: BTreeSet<&str> = rows.flat_map(|row| of(row).split(' ')).collect();
        let values = values.into_iter().filter(|value| !value.is_empty());
        values.map(str::to_owned).collect::<Vec<_>>()
    };
    let choice = |key, label, values| Choice { key, label, values };
    let mut beps = values(|row| &row.beps);
    beps.sort_by_key(|bep| bep.parse::<u16>().unwrap_or(u16::MAX));
    let verdicts = Verdict::ALL.map(|verdict| verdict.to_string());
    vec![
        choice("verdict", "Verdict", verdicts.to_vec()),
        choice("level", "Level", values(|row| row.level)),
        choice("suite", "Suite", values(|row| &row.suite)),
        choice("bep", "BEP", beps),
        choice("role", "Role", values(|row| &row.role)),
    ]
}

/// The number of the BEP that a requirement is in.
fn bep(requirement: &str) -> Option<u16> {
    catalogue().get(requirement).map(|entry| entry.bep)
}

/// As a content security policy names an inline text.
fn digest(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

const STYLE: &str = include_str!("../../../templates/report.css");
/// What every page with rows needs.
macro_rules! script {
    ($name:literal) => {
        concat!(
            include_str!("../../../templates/rows.js"),
            include_str!($name)
        )
    };
}
use script;

const SCRIPT: &str = script!("../../../templates/report.js");

/// So many rows that need somebody are open at the start.
const OPEN: usize = 5;

/// Verdicts as a reader wants them, with what each means.
const SECTIONS: [(Verdict, &str, &str); 7] = [
    (
        Verdict::Error,
        "Errors",
        "btspec could not do its part; this says nothing of the target.",
    ),
    (
        Verdict::Fail,
        "Failures",
        "A must is broken, or the target died, hung, misread the stream or had corrupt data.",
    ),
    (
        Verdict::Inconclusive,
        "Inconclusive",
        "The set-up did not come about, so nothing was learnt.",
    ),
    (
        Verdict::Warn,
        "Warnings",
        "A should or a practice is broken, or the right outcome came in an untidy manner.",
    ),
    (
        Verdict::Info,
        "For information",
        "The BEP leaves it open; what was seen is noted.",
    ),
    (Verdict::Skip, "Skipped", "Not played, each for a reason."),
    (Verdict::Pass, "Passed", "What was asked for was seen."),
];

#[cfg(test)]
mod tests;
