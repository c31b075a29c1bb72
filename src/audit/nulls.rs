//! Null peers: nothing may pass on a peer that does nothing.

use std::fmt;

use super::bench::Audit;
use crate::outcome::Verdict;
use crate::peer::null::{NullKind, NullPeer};
use crate::peer::{Process, Role as PeerRole};
use crate::requirement::Level;
use crate::scenario::ast::Role;
use crate::scenario::glob::id_matches;
use crate::torrent::Torrent;

/// A case that a null peer may pass.
#[derive(Debug, Clone, Copy)]
pub struct Exempt {
    /// The null peer.
    pub null: NullKind,
    /// Glob of the play's id.
    pub case: &'static str,
    /// Why that is right.
    pub reason: &'static str,
}

/// Every exception.
pub const NULL_EXEMPT: &[Exempt] = &[];

/// One null peer.
#[derive(Debug, Clone)]
pub struct NullRow {
    /// Which.
    pub null: NullKind,
    /// Plays and rule rows.
    pub played: usize,
    /// Ids of what passed and must not.
    pub passed: Vec<String>,
    /// Ids of what passed and may.
    pub exempt: Vec<String>,
    /// Ids of what could not be played.
    pub errors: Vec<String>,
}

/// All null peers.
#[derive(Debug, Clone)]
pub struct NullTable {
    /// A row for each.
    pub rows: Vec<NullRow>,
    /// Exceptions that nothing needs.
    pub stale: Vec<Exempt>,
}

impl NullTable {
    /// Whether nothing passed that must not.
    pub fn is_good(&self) -> bool {
        let good = |row: &NullRow| row.passed.is_empty() && row.errors.is_empty();
        self.stale.is_empty() && self.rows.iter().all(good)
    }
}

impl Audit {
    /// Plays everything against every null peer, without a preflight.
    pub fn nulls(&self) -> NullTable {
        let rows = self.each(NullKind::ALL, |null| self.null(*null));
        let needed = |exempt: &&Exempt| {
            rows.iter().any(|row| {
                let mut ids = row.exempt.iter();
                row.null == exempt.null && ids.any(|id| id_matches(exempt.case, id))
            })
        };
        let stale = NULL_EXEMPT.iter().filter(|e| !needed(e)).copied().collect();
        NullTable { rows, stale }
    }

    fn null(&self, null: NullKind) -> NullRow {
        let seed = 1;
        let make = move |role: Role, torrent: &Torrent| -> Box<dyn Process> {
            let role = match role {
                Role::Seed => PeerRole::Seed,
                Role::Leech => PeerRole::Leech,
            };
            Box::new(NullPeer::new(null, torrent.clone(), role, seed))
        };
        let run = self.run(&make, false, |_| true);
        let mut row = NullRow {
            null,
            played: run.cases.len(),
            passed: Vec::new(),
            exempt: Vec::new(),
            errors: Vec::new(),
        };
        for case in run.cases {
            match case.verdict {
                Verdict::Error => row.errors.push(case.id),
                Verdict::Pass if case.level > Some(Level::May) => {
                    let exempt = NULL_EXEMPT
                        .iter()
                        .any(|e| e.null == null && id_matches(e.case, &case.id));
                    if exempt {
                        row.exempt.push(case.id);
                    } else {
                        row.passed.push(case.id);
                    }
                }
                _ => {}
            }
        }
        row
    }
}

impl fmt::Display for NullTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            writeln!(
                f,
                "{:<34} {:>4} rows, {} pass, {} exempt, {} errors",
                row.null.name(),
                row.played,
                row.passed.len(),
                row.exempt.len(),
                row.errors.len()
            )?;
            for id in &row.passed {
                writeln!(f, "    PASS  {id}")?;
            }
            for id in &row.errors {
                writeln!(f, "    ERROR {id}")?;
            }
        }
        for exempt in &self.stale {
            let name = exempt.null.name();
            writeln!(f, "exception that nothing needs: {name} {}", exempt.case)?;
        }
        Ok(())
    }
}
