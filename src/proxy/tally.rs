//! What all connections of a proxy came to: rows as those of a run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::watch::{Side, Watched};
use crate::outcome::case::{Connection, OCCURRENCES};
use crate::outcome::{CaseOutcome, Finding, RunOutcome, TargetInfo, Verdict};
use crate::rule::RULES;

/// Sums up over connections.
#[derive(Debug, Default)]
pub struct Tally {
    rows: Vec<CaseOutcome>,
    /// By side and rule: evaluated, broken.
    counts: BTreeMap<(Side, &'static str), (u64, u64)>,
    findings: BTreeMap<(Side, String), Vec<Finding>>,
    judged: u64,
    /// Connections without a row of their own.
    more: u64,
}

/// Where a connection went, and when.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// Who connected to the proxy.
    pub dialler: SocketAddr,
    /// Whom the proxy connected to.
    pub target: SocketAddr,
    /// How long it was open.
    pub span: Duration,
}

impl Tally {
    /// Nothing so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a connection that is over.
    pub fn add(&mut self, watched: Watched, ends: &Ends) {
        let number = watched.conn.0;
        if watched.not_judged.is_none() {
            self.judged = self.judged.saturating_add(1);
        }
        for (side, tallies) in &watched.rules {
            for tally in tallies {
                let (evaluated, broken) = self.counts.entry((*side, tally.rule)).or_default();
                *evaluated = evaluated.saturating_add(tally.evaluated);
                *broken = broken.saturating_add(tally.broken);
            }
        }
        let id = format!("proxy/{number}");
        for (side, finding) in &watched.findings {
            let rule = finding.rule.clone().unwrap_or_default();
            let kept = self.findings.entry((*side, rule)).or_default();
            if kept.len() < OCCURRENCES {
                let mut finding = finding.clone();
                finding.seen_in = Some(id.clone());
                kept.push(finding);
            }
        }
        if !has_row(number) {
            self.more = self.more.saturating_add(1);
            return;
        }
        let mut row = row(number, ends);
        let [up, down] = watched.relayed;
        row.title
            .push_str(&format!(": {up} bytes there, {down} back"));
        row.duration_ms = ends.span.into();
        let findings = watched.findings.into_iter();
        let findings = findings.map(|(side, finding)| against(side, finding));
        row.findings = findings.collect();
        row.verdict = match &watched.not_judged {
            Some(_) => Verdict::Skip,
            None => {
                let worst = row.findings.iter().map(|finding| finding.verdict);
                worst.fold(Verdict::Pass, Verdict::worst)
            }
        };
        row.reason = watched.not_judged.or_else(|| {
            let rules = row.findings.iter().filter_map(|it| it.rule.as_deref());
            let rules: std::collections::BTreeSet<&str> = rules.collect();
            let rules: Vec<&str> = rules.into_iter().collect();
            (!rules.is_empty()).then(|| format!("broken: {}", rules.join(", ")))
        });
        for connection in &mut row.connections {
            connection.closed.clone_from(&watched.closed);
        }
        row.transcript = watched.transcript;
        self.rows.push(row);
    }

    /// Adds a connection that came about on one side only.
    pub fn add_refused(&mut self, number: u32, dialler: SocketAddr, why: &str) {
        let id = format!("proxy/{number}");
        let mut row = CaseOutcome::new(id.clone(), SUITE, id);
        row.title = format!("{dialler} to nobody");
        row.reason = Some(why.to_owned());
        match has_row(number) {
            true => self.rows.push(row),
            false => self.more = self.more.saturating_add(1),
        }
    }

    /// The row that was added last.
    pub fn latest(&self) -> Option<&CaseOutcome> {
        self.rows.last()
    }

    /// Connections that were judged.
    pub fn judged(&self) -> u64 {
        self.judged
    }

    /// Connections that have no row of their own, because there were too many.
    pub fn more(&self) -> u64 {
        self.more
    }

    /// Everything as a run: a row for each connection, then one for each rule and side.
    pub fn outcome(self, to: SocketAddr) -> RunOutcome {
        let mut rows = self.rows;
        let some_judged = self.judged > 0;
        for side in Side::BOTH {
            for rule in RULES {
                let counts = self.counts.get(&(side, rule.id)).copied();
                let (evaluated, broken) = counts.unwrap_or_default();
                let mut row = CaseOutcome::of_rule(rule, evaluated, broken, some_judged);
                row.id = format!("{}:{}", row.id, side.name());
                let found = self.findings.get(&(side, rule.id.to_owned()));
                row.findings = found.cloned().unwrap_or_default();
                rows.push(row);
            }
        }
        let target = TargetInfo {
            spec: format!("proxy:{to}"),
            ..TargetInfo::default()
        };
        let spans = rows.iter().map(|row| row.duration_ms.0);
        let span = spans.fold(Duration::ZERO, Duration::saturating_add);
        let mut run = RunOutcome::new(target, 0, rows);
        run.duration_ms = span.into();
        run
    }
}

/// Whether a connection has a row of its own.
pub fn has_row(number: u32) -> bool {
    number <= MAX_ROWS
}

/// The row of a connection that has just been opened.
pub fn opened(number: u32, ends: &Ends) -> CaseOutcome {
    let mut row = row(number, ends);
    row.reason = Some("the recording ends before the connection did".to_owned());
    row
}

/// A finding in the row of a connection, where both sides are judged.
pub fn against(side: Side, mut finding: Finding) -> Finding {
    finding.actual = format!("{}: {}", side.name(), finding.actual);
    finding
}

fn row(number: u32, ends: &Ends) -> CaseOutcome {
    let id = format!("proxy/{number}");
    let mut row = CaseOutcome::new(id.clone(), SUITE, id);
    row.title = format!("{} to {}", ends.dialler, ends.target);
    row.connections = vec![Connection {
        conn: number,
        peer: Side::Dialler.name().to_owned(),
        source: ends.dialler.to_string(),
        target: ends.target.to_string(),
        opened_ms: Duration::ZERO.into(),
        closed: None,
    }];
    row
}

/// Suite of the rows of connections.
const SUITE: &str = "proxy";
/// Connections that have a row, with a transcript: the first ones.
const MAX_ROWS: u32 = 512;
