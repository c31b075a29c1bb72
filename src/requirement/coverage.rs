//! How much of the catalogue is tested: the table of the README and of `btspec coverage`.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::catalogue::Catalogue;
use super::entry::{Requirement, Status};

/// Coverage of one BEP, or of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The BEP's number, `None` in the last row, the total.
    pub bep: Option<u16>,
    /// The BEP's title.
    pub title: String,
    /// Entries in the catalogue.
    pub entries: usize,
    /// Entries that nothing can judge, each with its reason.
    pub untestable: usize,
    /// Entries that wait for something which btspec cannot do yet.
    pub waiting: usize,
    /// Entries that a judged step or a rule cites.
    pub cited: usize,
    /// Entries of which a fault that breaks them was killed by what cites them.
    pub proved: usize,
}

/// A row for each BEP and one for all, given the ids that are cited and proved.
pub fn coverage(
    catalogue: &Catalogue,
    cited: &BTreeSet<String>,
    proved: &BTreeSet<String>,
) -> Vec<Row> {
    let row = |bep, title: &str, entries: Vec<&Requirement>| {
        let count = |ids: &BTreeSet<String>| {
            let known = entries
                .iter()
                .filter(|entry| ids.contains(entry.id.as_str()));
            known.count()
        };
        let untestable = |entry: &&&Requirement| matches!(entry.status, Status::Untestable { .. });
        let waiting = |entry: &&&Requirement| matches!(entry.status, Status::Waiting { .. });
        Row {
            bep,
            title: title.to_owned(),
            entries: entries.len(),
            untestable: entries.iter().filter(untestable).count(),
            waiting: entries.iter().filter(waiting).count(),
            cited: count(cited),
            proved: count(proved),
        }
    };
    let mut rows: Vec<_> = catalogue
        .beps()
        .iter()
        .map(|bep| {
            let entries = catalogue.of_bep(bep.number).collect();
            row(Some(bep.number), &bep.title, entries)
        })
        .collect();
    rows.push(row(None, "all", catalogue.iter().collect()));
    rows
}

/// The rows as a table in Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut table = String::from(
        "| BEP | title | requirements | cited | proved | untestable | waiting |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in rows {
        let bep = match row.bep {
            Some(bep) => format!("[{bep}](https://www.bittorrent.org/beps/bep_{bep:04}.html)"),
            None => String::new(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {bep} | {} | {} | {} | {} | {} | {} |",
            row.title, row.entries, row.cited, row.proved, row.untestable, row.waiting
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::load::load;
    use super::*;

    #[test]
    fn counts_by_bep_and_in_all() {
        let entry = |id: &str, status: &str| {
            format!(
                "  - {{id: {id}, level: may, heading: h, source: s, statement: s., why: w., \
                 judged: j., causes: c., role: any, direction: either, area: fast, tier: 1, \
                 {status}}}\n"
            )
        };
        let untestable = "status: untestable, untestable: {reason: two-sided, because: b.}";
        let file = |bep: u16, entries: &[String]| {
            format!(
                "bep: {bep}\ntitle: T{bep}\nrequirements:\n{}",
                entries.concat()
            )
        };
        let six = [
            entry("B6-A-01", "status: cases"),
            entry("B6-A-02", "status: rule"),
            entry("B6-A-03", untestable),
        ];
        let waiting = "status: waiting, waiting: {needs: role magnet, because: b.}";
        let ten = [
            entry("B10-A-01", "status: cases"),
            entry("B10-A-02", waiting),
        ];
        let catalogue = load(&[("6", &file(6, &six)), ("10", &file(10, &ten))]).unwrap();
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let rows = coverage(
            &catalogue,
            &ids(&["B6-A-01", "B6-A-02", "B10-A-01", "rubbish"]),
            &ids(&["B6-A-02"]),
        );
        assert_eq!(
            markdown(&rows),
            "\
| BEP | title | requirements | cited | proved | untestable | waiting |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
| [6](https://www.bittorrent.org/beps/bep_0006.html) | T6 | 3 | 2 | 1 | 1 | 0 |
| [10](https://www.bittorrent.org/beps/bep_0010.html) | T10 | 2 | 1 | 0 | 0 | 1 |
|  | all | 5 | 3 | 1 | 1 | 1 |
"
        );
    }
}
