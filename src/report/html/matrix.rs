//! Several targets side by side: a page of rows and columns, and below it what did not pass.

use std::collections::BTreeSet;
use std::io;

use askama::Template;

use super::row::{Room, Row, anchor};
use super::{Choice, bep, digest};
use crate::outcome::matrix::{Cell, Matrix, MatrixRow};
use crate::outcome::{CaseOutcome, RunOutcome, Verdict};
use crate::report::Context;
use crate::report::matrix::word;
use crate::report::text::line;
use crate::requirement::Level;

/// Writes the page of `matrix`, which is about `runs`: one for each column.
pub fn write(
    matrix: &Matrix,
    runs: &[RunOutcome],
    context: &Context,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut buffered = io::BufWriter::new(out);
    page(matrix, runs, context).write_into(&mut buffered)?;
    io::Write::flush(&mut buffered)
}

#[derive(Debug, Template)]
#[template(path = "matrix.html")]
struct Page {
    title: String,
    verdicts: [Verdict; Verdict::ALL.len()],
    columns: Vec<Head>,
    rows: Vec<Line>,
    differing: usize,
    choices: Vec<Choice>,
    sections: Vec<Section>,
    shortened: Option<String>,
    tool: String,
    style: String,
    style_hash: String,
    script: &'static str,
    script_hash: String,
}

/// The head of a column.
#[derive(Debug)]
struct Head {
    name: String,
    client: String,
    role: String,
    /// By verdict, as in `verdicts`.
    counts: Vec<u32>,
    lost: Option<String>,
}

#[derive(Debug)]
struct Line {
    id: String,
    title: String,
    level: &'static str,
    suite: String,
    beps: String,
    /// Those of its cells, with spaces between.
    verdicts: String,
    differs: bool,
    cells: Vec<Shown>,
}

#[derive(Debug)]
struct Shown {
    class: String,
    word: String,
    reason: Option<String>,
    /// The anchor of its case.
    to: Option<String>,
}

/// What did not pass of a column.
#[derive(Debug)]
struct Section {
    name: String,
    rows: Vec<Row>,
}

fn page(matrix: &Matrix, runs: &[RunOutcome], context: &Context) -> Page {
    let columns: Vec<Head> = matrix
        .columns
        .iter()
        .map(|column| Head {
            name: line(&column.name).into_owned(),
            client: line(column.client.as_deref().unwrap_or("–")).into_owned(),
            role: line(column.role.as_deref().unwrap_or("–")).into_owned(),
            counts: Verdict::ALL.map(|it| column.summary.count(it)).to_vec(),
            lost: column.lost.as_deref().map(|lost| line(lost).into_owned()),
        })
        .collect();
    let rows: Vec<Line> = matrix.rows.iter().map(Line::of).collect();
    let mut left_out = 0_usize;
    let room = Room::shared(runs);
    let sections = runs
        .iter()
        .zip(&columns)
        .enumerate()
        .map(|(index, (run, head))| {
            let cases = run.cases.iter().filter(|case| is_told(case));
            let contexts =
                [None, Some("seed"), Some("leech")].map(|role| again(run, role, context));
            let [plain, seed, leech] = &contexts;
            let rows = cases.map(|case| {
                let context = match case.role.as_deref() {
                    Some("seed") => seed,
                    Some("leech") => leech,
                    _ => plain,
                };
                let mut row = Row::of(case, run, context, room);
                row.anchor = place(index, &case.id);
                left_out = left_out.saturating_add(row.left_out);
                row
            });
            Section {
                name: head.name.clone(),
                rows: rows.collect(),
            }
        })
        .filter(|section| !section.rows.is_empty())
        .collect();
    let names: Vec<&str> = columns.iter().map(|head| head.name.as_str()).collect();
    let style = format!(
        "{}{}",
        super::STYLE,
        include_str!("../../../templates/matrix.css")
    );
    Page {
        title: names.join(", "),
        verdicts: Verdict::ALL,
        differing: matrix.differing().count(),
        choices: choices(&rows),
        columns,
        rows,
        sections,
        shortened: (left_out > 0).then(|| {
            format!("{left_out} messages are left out of the wire logs; the recordings have them.")
        }),
        tool: format!("{} {}", line(&matrix.tool.name), line(&matrix.tool.version)),
        style_hash: digest(&style),
        style,
        script: SCRIPT,
        script_hash: digest(SCRIPT),
    }
}

/// What plays again on a run's target in that role.
fn again(run: &RunOutcome, role: Option<&str>, context: &Context) -> Context {
    let spec = run.target.spec.as_str();
    let mut words = vec!["run".to_owned()];
    words.extend(match spec.strip_prefix("client:") {
        Some(client) => ["--client".to_owned(), client.to_owned()],
        None => ["--target".to_owned(), spec.to_owned()],
    });
    words.extend(
        role.into_iter()
            .flat_map(|role| ["--role".to_owned(), role.to_owned()]),
    );
    Context {
        repeat: words,
        ..context.clone()
    }
}

/// What has a section of its own.
fn is_told(case: &CaseOutcome) -> bool {
    let untold = Cell::of(case).verdict.is_none();
    !untold && !matches!(case.verdict, Verdict::Pass | Verdict::Skip | Verdict::Info)
}

/// The anchor of a case in a column.
fn place(column: usize, id: &str) -> String {
    format!("{column}/{}", anchor(id))
}

impl Line {
    fn of(row: &MatrixRow) -> Self {
        let beps: BTreeSet<u16> = row.requirements.iter().filter_map(|id| bep(id)).collect();
        let beps: Vec<String> = beps.iter().map(u16::to_string).collect();
        let verdicts: BTreeSet<String> = row
            .cells
            .iter()
            .flatten()
            .filter_map(|cell| Some(cell.verdict?.to_string()))
            .collect();
        let cells = row.cells.iter().enumerate();
        Self {
            id: line(&row.id).into_owned(),
            title: line(&row.title).into_owned(),
            level: row.level.map_or("", Level::name),
            suite: line(&row.suite).replace(' ', "_"),
            beps: beps.join(" "),
            verdicts: Vec::from_iter(verdicts).join(" "),
            differs: row.differs(),
            cells: cells
                .map(|(at, cell)| Shown::of(at, row, cell.as_ref()))
                .collect(),
        }
    }
}

impl Shown {
    fn of(column: usize, row: &MatrixRow, cell: Option<&Cell>) -> Self {
        let Some(cell) = cell else {
            return Self {
                class: "none".to_owned(),
                word: "–".to_owned(),
                reason: None,
                to: None,
            };
        };
        let quiet = [Verdict::Pass, Verdict::Skip, Verdict::Info];
        let told = cell.verdict.filter(|verdict| !quiet.contains(verdict));
        Self {
            class: cell
                .verdict
                .map_or_else(|| "none".to_owned(), |verdict| verdict.to_string()),
            word: word(cell),
            reason: cell.reason.as_deref().map(|it| line(it).into_owned()),
            to: told.map(|_| place(column, &row.id)),
        }
    }
}

/// What there is to filter by.
fn choices(rows: &[Line]) -> Vec<Choice> {
    let values = |of: fn(&Line) -> &str| {
        let values: BTreeSet<&str> = rows.iter().flat_map(|row| of(row).split(' ')).collect();
        let values = values.into_iter().filter(|value| !value.is_empty());
        values.map(str::to_owned).collect::<Vec<_>>()
    };
    let choice = |key, label, values| Choice { key, label, values };
    let mut beps = values(|row| &row.beps);
    beps.sort_by_key(|bep| bep.parse::<u16>().unwrap_or(u16::MAX));
    vec![
        choice("verdict", "Some are", values(|row| &row.verdicts)),
        choice("level", "Level", values(|row| row.level)),
        choice("suite", "Suite", values(|row| &row.suite)),
        choice("bep", "BEP", beps),
    ]
}

const SCRIPT: &str = super::script!("../../../templates/matrix.js");
