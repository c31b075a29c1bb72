//! The same again and again: other seeds, another order, the same result.

use std::collections::BTreeSet;
use std::fmt;

use super::bench::Audit;
use crate::engine::self_mode::reference;
use crate::outcome::RunOutcome;
use crate::scenario::shuffle;

/// What became of a repeat that went otherwise than the first run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The seed that shows it.
    pub seed: u64,
    /// What only the first run has: id, verdict, requirement, step.
    pub lost: Vec<String>,
    /// What only this one has.
    pub new: Vec<String>,
}

/// All repeats.
#[derive(Debug, Clone)]
pub struct RepeatTable {
    /// How many there were.
    pub repeats: usize,
    /// Results of each.
    pub results: usize,
    /// Those that differ.
    pub different: Vec<Difference>,
}

impl RepeatTable {
    /// Whether all came to the same.
    pub fn is_good(&self) -> bool {
        self.different.is_empty()
    }
}

impl Audit {
    /// Plays everything so many times against the sound reference peer, each time in another order
    /// and with other choices of both ends.
    pub fn repeats(&self, repeats: u32) -> RepeatTable {
        let first = results(&self.run(&reference(|config| config), true, |_| true));
        let seeds: Vec<u64> = (1..=u64::from(repeats)).collect();
        let found = self.each(&seeds, |seed| {
            let mut audit = self.clone().with_seed(*seed);
            shuffle(&mut audit.plays, *seed);
            let seed = *seed;
            let peer = reference(move |config| config.with_seed(seed));
            let again = results(&audit.run(&peer, true, |_| true));
            let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
                one.difference(other).cloned().collect::<Vec<_>>()
            };
            let difference = Difference {
                seed,
                lost: only(&first, &again),
                new: only(&again, &first),
            };
            (first != again).then_some(difference)
        });
        RepeatTable {
            repeats: seeds.len(),
            results: first.len(),
            different: found.into_iter().flatten().collect(),
        }
    }
}

/// What must be the same: id and verdict of each row, requirement and step of each finding.
fn results(run: &RunOutcome) -> BTreeSet<String> {
    let mut results = BTreeSet::new();
    for row in &run.cases {
        results.insert(format!("{} {}", row.id, row.verdict));
        for finding in row.findings.iter().filter(|_| !row.is_rule()) {
            let requirement = finding.requirement.as_deref().unwrap_or("-");
            let place = match (&finding.rule, finding.line) {
                (Some(rule), _) => rule.clone(),
                (None, line) => format!("line {}", line.unwrap_or(0)),
            };
            let verdict = finding.verdict;
            results.insert(format!("{} {verdict} {requirement} {place}", row.id));
        }
    }
    results
}

impl fmt::Display for RepeatTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.different {
            writeln!(f, "seed {}:", difference.seed)?;
            for line in &difference.lost {
                writeln!(f, "    - {line}")?;
            }
            for line in &difference.new {
                writeln!(f, "    + {line}")?;
            }
        }
        writeln!(
            f,
            "{} repeats, {} results each, {} different",
            self.repeats,
            self.results,
            self.different.len()
        )
    }
}
