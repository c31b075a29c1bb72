//! Several targets side by side, for a person.

use std::io::{self, Write};

use super::text::line;
use crate::outcome::matrix::{Cell, Matrix};

/// Rows in which the targets differ, then counts; whole rows are in the other formats.
pub fn text(matrix: &Matrix, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<_> = matrix.columns.iter().map(|it| line(&it.name)).collect();
    let width = |name: &str| name.chars().count().max(WIDTH);
    let mut differing = 0_usize;
    for row in matrix.differing() {
        if differing == 0 {
            for name in &names {
                write!(out, "{name:<width$} ", width = width(name))?;
            }
            writeln!(out)?;
        }
        differing = differing.saturating_add(1);
        for (cell, name) in row.cells.iter().zip(&names) {
            let word = cell.as_ref().map_or_else(|| "-".to_owned(), word);
            write!(out, "{word:<width$} ", width = width(name))?;
        }
        writeln!(out, "{}", line(&row.id))?;
    }
    if differing > 0 {
        writeln!(out)?;
    }
    for (column, name) in matrix.columns.iter().zip(&names) {
        let client = column.client.as_deref().unwrap_or("says no name");
        let role = column.role.as_deref().unwrap_or("?");
        let counts = &column.summary;
        writeln!(
            out,
            "{name} ({}, {role}): {} pass, {} fail, {} warn, {} info, {} skip, {} inconclusive, {} error",
            line(client),
            counts.pass,
            counts.fail,
            counts.warn,
            counts.info,
            counts.skip,
            counts.inconclusive,
            counts.error,
        )?;
        if let Some(lost) = &column.lost {
            writeln!(out, "{name} ended early: {}", line(lost))?;
        }
    }
    writeln!(
        out,
        "{} rows, {differing} of which differ; * is known, as an expectation has it",
        matrix.rows.len()
    )
}

pub(super) fn word(cell: &Cell) -> String {
    let verdict = cell
        .verdict
        .map_or_else(|| "held back".to_owned(), |verdict| verdict.to_string());
    match cell.known {
        true => format!("{verdict}*"),
        false => verdict,
    }
}

/// The longest of the words.
const WIDTH: usize = 12;
