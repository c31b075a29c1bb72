//! From misses and breaches to findings and the verdict of the case (SCENARIOS 3.15).

use std::time::Duration;

use crate::outcome::{Expected, Finding, Place, Verdict};
use crate::requirement::{Level, catalogue};
use crate::rule::Violation;
use crate::scenario::Span;
use crate::scenario::ast::{Case, Citation, Stated, Step};
use crate::trace::ConnId;

/// What a finding says of its step.
#[derive(Debug, Clone)]
pub(super) struct StepRef {
    /// Where it stands.
    pub(super) span: Span,
    /// Requirements under which it is judged.
    pub(super) cites: Vec<String>,
    /// The author's note.
    pub(super) note: Option<String>,
}

impl StepRef {
    /// Of a step; without citations of its own it is judged under `inherited`.
    pub(super) fn new(step: &Step, inherited: &[Citation]) -> Self {
        let cites = if step.cites.is_empty() {
            inherited
        } else {
            &step.cites
        };
        Self {
            span: step.span.clone(),
            cites: cites.iter().map(|cite| cite.id.clone()).collect(),
            note: step.note.clone(),
        }
    }

    /// Of the case itself.
    pub(super) fn of_case(case: &Case) -> Self {
        Self {
            span: case.span.clone(),
            cites: case.cites.iter().map(|cite| cite.id.clone()).collect(),
            note: None,
        }
    }
}

/// What a case has come to so far.
#[derive(Debug)]
pub(super) struct Tally {
    /// The case itself: where a broken rule is placed.
    case: StepRef,
    cites: Vec<String>,
    pub(super) findings: Vec<Finding>,
    verdict: Verdict,
    reason: Option<String>,
}

impl Tally {
    pub(super) fn new(case: &Case) -> Self {
        Self {
            case: StepRef::of_case(case),
            cites: case.cites.iter().map(|cite| cite.id.clone()).collect(),
            findings: Vec::new(),
            verdict: Verdict::Pass,
            reason: None,
        }
    }

    /// The worst so far.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Why it is not a pass.
    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// A judged step was missed: as bad as the cited levels allow, or as `stated`.
    pub(super) fn miss(
        &mut self,
        step: &StepRef,
        expected: Vec<Expected>,
        actual: String,
        conn: Option<ConnId>,
        at: Duration,
        stated: Option<Stated>,
    ) {
        let verdict = stated.map_or(Verdict::Fail, verdict_of);
        if !verdict.judged() {
            self.stop_at(step, verdict, expected, actual, conn, at);
            return;
        }
        self.find(step, verdict, false, expected, actual, conn, at);
    }

    /// Death, hang, misread stream, corrupt data: fail at any level.
    pub(super) fn grave(
        &mut self,
        step: &StepRef,
        expected: Vec<Expected>,
        actual: String,
        conn: Option<ConnId>,
        at: Duration,
    ) {
        self.find(step, Verdict::Fail, true, expected, actual, conn, at);
    }

    /// Nothing was learnt, or nothing to learn: skip, inconclusive.
    pub(super) fn stop_at(
        &mut self,
        step: &StepRef,
        verdict: Verdict,
        expected: Vec<Expected>,
        actual: String,
        conn: Option<ConnId>,
        at: Duration,
    ) {
        let mut finding = Finding::new(verdict, actual, at);
        finding.expected = expected;
        finding.conn = conn.map(|conn| conn.0);
        place(&mut finding, step);
        let reason = sentence(step, &finding);
        self.fold(verdict, reason);
        self.findings.push(finding);
    }

    /// A verdict with a reason and without a place.
    pub(super) fn stop(&mut self, verdict: Verdict, reason: impl Into<String>) {
        self.fold(verdict, reason.into());
    }

    /// We could not do our part.
    pub(super) fn error(&mut self, reason: &str) {
        self.fold(Verdict::Error, reason.to_owned());
    }

    /// A rule was broken on a connection of this case. Its row gets it in any case; the case's
    /// own verdict changes only where it cites the requirement.
    pub(super) fn rule(&mut self, violation: &Violation) {
        let mut finding = Finding::of_rule(violation);
        let verdict = finding.verdict;
        place(&mut finding, &self.case);
        finding.step = None;
        if self
            .cites
            .iter()
            .any(|cited| cited == violation.requirement)
        {
            let reason = format!("rule {}: {}", violation.rule, violation.detail);
            self.fold(verdict, reason);
        }
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// Room for what a step found, however often rules were broken before.
    fn make_room(&mut self) {
        if self.findings.len() >= MAX_FINDINGS {
            let last = self.findings.iter().rposition(|f| f.rule.is_some());
            last.map(|at| self.findings.remove(at));
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one place builds findings of steps"
    )]
    fn find(
        &mut self,
        step: &StepRef,
        verdict: Verdict,
        grave: bool,
        expected: Vec<Expected>,
        actual: String,
        conn: Option<ConnId>,
        at: Duration,
    ) {
        let mut finding = Finding::new(verdict, actual, at);
        finding.expected = expected;
        finding.conn = conn.map(|conn| conn.0);
        place(&mut finding, step);
        let reason = sentence(step, &finding);
        let cites: Vec<Option<&String>> = if step.cites.is_empty() {
            vec![None]
        } else {
            step.cites.iter().map(Some).collect()
        };
        let mut worst = Verdict::Pass;
        for id in cites {
            let mut one = finding.clone();
            if let Some(id) = id {
                cite(&mut one, id);
            }
            if let (Some(level), false) = (one.level, grave) {
                one.verdict = verdict.capped(level);
            }
            worst = worst.worst(one.verdict);
            self.make_room();
            if self.findings.len() < MAX_FINDINGS {
                self.findings.push(one);
            }
        }
        self.fold(worst, reason);
    }

    fn fold(&mut self, verdict: Verdict, reason: String) {
        if verdict > self.verdict || verdict == Verdict::Skip && self.verdict == Verdict::Pass {
            self.verdict = verdict;
            self.reason = Some(reason);
        }
    }
}

/// A verdict that an author stated.
pub(super) fn verdict_of(stated: Stated) -> Verdict {
    match stated {
        Stated::Pass => Verdict::Pass,
        Stated::Info => Verdict::Info,
        Stated::Skip => Verdict::Skip,
        Stated::Inconclusive => Verdict::Inconclusive,
        Stated::Warn => Verdict::Warn,
        Stated::Fail => Verdict::Fail,
    }
}

/// Level of a requirement.
pub(super) fn level_of(id: &str) -> Option<Level> {
    catalogue().get(id).map(|requirement| requirement.level)
}

fn cite(finding: &mut Finding, id: &str) {
    finding.requirement = Some(id.to_owned());
    if let Some(requirement) = catalogue().get(id) {
        finding.level = Some(requirement.level);
        finding.quote.clone_from(&requirement.quote);
    }
}

fn place(finding: &mut Finding, step: &StepRef) {
    let span = &step.span;
    finding.step = Some(span.source_line().trim().to_owned());
    finding.place(Place {
        file: span.file.name.clone(),
        line: span.line,
        col: span.col,
        text: Some(span.source_line().to_owned()),
    });
}

/// One sentence for the row of the case.
fn sentence(step: &StepRef, finding: &Finding) -> String {
    let mut text = finding.actual.clone();
    if let [only] = finding.expected.as_slice() {
        text = format!("expected {}: {text}", only.what);
    }
    match &step.note {
        Some(note) => format!("{text} ({note})"),
        None => text,
    }
}

/// Findings kept of one case.
const MAX_FINDINGS: usize = 64;
