//! Several targets side by side: a row for each case and rule, a column for each target.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::expectation::is_held_back;
use super::run::Tool;
use super::{CaseOutcome, RunOutcome, Summary, Verdict};
use crate::requirement::Level;

/// Version of the form.
pub const SCHEMA: &str = "btspec.matrix/1";

/// What several targets came to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Matrix {
    /// Always `btspec.matrix/1`.
    pub schema: String,
    /// What made it.
    pub tool: Tool,
    /// The targets, in the order in which they were given.
    pub columns: Vec<Column>,
    /// Cases in the order in which they were first seen, then rules.
    pub rows: Vec<MatrixRow>,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Column {
    /// As the user named it, without `client:`.
    pub name: String,
    /// What it calls itself, with its version.
    pub client: Option<String>,
    /// Role that it was tested in: `seed`, `leech` or `both`.
    pub role: Option<String>,
    /// What `run --seed` was.
    pub seed: u64,
    /// Counts of its run.
    pub summary: Summary,
    /// Why its run ended before the last case; absent if it came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

/// One case or rule.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MatrixRow {
    /// The result's id.
    pub id: String,
    /// Its suite; `rule` for rules.
    pub suite: String,
    /// What it is about, in a sentence.
    pub title: String,
    /// Role of the target; `None` for rules.
    pub role: Option<String>,
    /// How binding what it judges is.
    pub level: Option<Level>,
    /// Ids of the requirements that it judges.
    pub requirements: Vec<String>,
    /// A cell for each column; `None` where that run has no such row.
    pub cells: Vec<Option<Cell>>,
}

/// What one target came to in one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cell {
    /// Its verdict; `None` where the finding is held back until the client's authors know it.
    pub verdict: Option<Verdict>,
    /// An expectation of the run lists it.
    pub known: bool,
    /// Why, in a line.
    pub reason: Option<String>,
}

impl Matrix {
    /// Of finished runs, one for each target.
    pub fn of(runs: &[RunOutcome]) -> Self {
        let columns = runs.iter().map(Column::of).collect();
        let mut rows: Vec<MatrixRow> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let (rules, cases): (Vec<_>, Vec<_>) = runs
            .iter()
            .enumerate()
            .flat_map(|(column, run)| run.cases.iter().map(move |case| (column, case)))
            .partition(|(_, case)| case.is_rule());
        for (column, case) in cases.into_iter().chain(rules) {
            let place = *places.entry(case.id.as_str()).or_insert_with(|| {
                rows.push(MatrixRow::new(case, runs.len()));
                rows.len().saturating_sub(1)
            });
            let cell = rows
                .get_mut(place)
                .and_then(|row| row.cells.get_mut(column));
            if let Some(cell) = cell {
                *cell = Some(Cell::of(case));
            }
        }
        Self {
            schema: SCHEMA.to_owned(),
            tool: Tool::this(),
            columns,
            rows,
        }
    }

    /// Rows in which the targets do not all come to the same.
    pub fn differing(&self) -> impl Iterator<Item = &MatrixRow> {
        self.rows.iter().filter(|row| row.differs())
    }
}

impl Column {
    fn of(run: &RunOutcome) -> Self {
        let spec = run.target.spec.as_str();
        Self {
            name: spec.strip_prefix("client:").unwrap_or(spec).to_owned(),
            client: run.target.client.clone(),
            role: run.target.role.clone(),
            seed: run.seed,
            summary: run.summary.clone(),
            lost: run.lost.clone(),
        }
    }
}

impl MatrixRow {
    fn new(case: &CaseOutcome, columns: usize) -> Self {
        Self {
            id: case.id.clone(),
            suite: case.suite.clone(),
            title: case.title.clone(),
            role: case.role.clone(),
            level: case.level,
            requirements: case.requirements.clone(),
            cells: vec![None; columns],
        }
    }

    /// Whether the targets do not all come to the same.
    pub fn differs(&self) -> bool {
        let mut verdicts = self.cells.iter().flatten().map(|cell| cell.verdict);
        let first = verdicts.next();
        first.is_some_and(|first| verdicts.any(|verdict| verdict != first))
    }
}

impl Cell {
    /// Of a row of a run.
    pub fn of(case: &CaseOutcome) -> Self {
        let held_back = case.known.as_deref().is_some_and(is_held_back);
        Self {
            verdict: (!held_back).then_some(case.verdict),
            known: case.known.is_some(),
            reason: case.reason.clone().filter(|_| !held_back),
        }
    }
}
