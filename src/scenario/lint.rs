//! What is allowed but most likely a mistake: for authors, and for our own suites in CI.
//!
//! Each finding has a rule's name. Errors of the format itself are not lint; see `parse`.

use std::collections::BTreeSet;

use super::ast::{Action, Case, Delay, HandshakeMode, Proof, Stated, Step, Suite};
use super::error::Excerpt;
use super::pattern::PatternKind;
use super::span::Span;
use super::walk::walk;
use crate::wire::Kind;

/// Something to put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintFinding {
    /// Which lint.
    pub lint: Lint,
    /// Where.
    pub span: Span,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// How to put it right.
    pub help: &'static str,
}

impl LintFinding {
    /// As an error is shown: place, line, caret, help. Without colour.
    pub fn render(&self) -> String {
        Excerpt {
            span: &self.span,
            title: &self.message,
            label: None,
            help: Some(self.help),
        }
        .render_warning(self.lint.name())
    }
}

/// The lints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lint {
    /// The case cites several requirements, and a judging step names none of them.
    StepWithoutCite,
    /// A requirement of the case that no judging step cites.
    CiteNeverJudged,
    /// A case that cannot fail.
    NothingJudged,
    /// "Nothing came" or "it closed", and nothing shows that the target was there.
    NegativeUnproved,
    /// A step behind the end of its connection, or behind a branch that always decides.
    Unreachable,
    /// `expect` of a message that real peers may have sent long before.
    ExpectOfState,
    /// `expect` of a request behind a block of ours, which may have come before it.
    ExpectOfOldRequest,
    /// `next` in a case without the tag `ordering`.
    NextWithoutTag,
    /// A long wait in a case without the tag `slow`.
    SlowWithoutTag,
    /// A connection that no step uses.
    UnusedConnection,
    /// A verdict that a step outside of `given` cannot have, or without a note.
    VerdictWithoutNote,
    /// `handshake: none` or `raw` in `given` without `proof`.
    ProofBeforeHandshake,
}

impl Lint {
    /// Every lint.
    pub const ALL: [Self; 12] = [
        Self::StepWithoutCite,
        Self::CiteNeverJudged,
        Self::NothingJudged,
        Self::NegativeUnproved,
        Self::Unreachable,
        Self::ExpectOfState,
        Self::ExpectOfOldRequest,
        Self::NextWithoutTag,
        Self::SlowWithoutTag,
        Self::UnusedConnection,
        Self::VerdictWithoutNote,
        Self::ProofBeforeHandshake,
    ];

    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::StepWithoutCite => "step-without-cite",
            Self::CiteNeverJudged => "cite-never-judged",
            Self::NothingJudged => "nothing-judged",
            Self::NegativeUnproved => "negative-unproved",
            Self::Unreachable => "unreachable",
            Self::ExpectOfState => "expect-of-state",
            Self::ExpectOfOldRequest => "expect-of-old-request",
            Self::NextWithoutTag => "next-without-tag",
            Self::SlowWithoutTag => "slow-without-tag",
            Self::UnusedConnection => "unused-connection",
            Self::VerdictWithoutNote => "verdict-without-note",
            Self::ProofBeforeHandshake => "proof-before-handshake",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::StepWithoutCite => "add `cites: [ID]` to the step: the case cites several",
            Self::CiteNeverJudged => "cite it on the step that judges it, or drop it from the case",
            Self::NothingJudged => "end with what must or must not happen",
            Self::NegativeUnproved => {
                "add a `given` that waits for something of the target, or end with `survives` or `alive`"
            }
            Self::Unreachable => "move the step before it, or drop it",
            Self::ExpectOfState => "use `until: {…: true}`: peers send it before they are asked",
            Self::ExpectOfOldRequest => {
                "take all requests with `all_of` before anything is served, let `serve` answer them, or say with \
                 `verdict` that a miss tells nothing: peers ask for several blocks at once"
            }
            Self::NextWithoutTag => "add the tag `ordering`, or use `expect`",
            Self::SlowWithoutTag => "add the tag `slow`, and `timeouts: {case: …}`",
            Self::UnusedConnection => "drop it, or say with `peer` which steps are about it",
            Self::VerdictWithoutNote => "add `note: …`: it is the reason in the report",
            Self::ProofBeforeHandshake => {
                "add `proof: {none: …}`: there is no session to prove life in"
            }
        }
    }
}

/// Every finding, in file order.
pub fn lint(suite: &Suite) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    for case in &suite.cases {
        let mut lints = Lints {
            case,
            findings: &mut findings,
        };
        lints.cites();
        lints.negatives();
        lints.reachable(&case.given);
        lints.reachable(&case.steps);
        lints.tags();
        lints.connections();
        lints.steps_one_by_one();
        lints.old_requests();
        lints.proof();
    }
    findings.sort_by_key(|finding| (finding.span.line, finding.span.col, finding.lint));
    findings.dedup();
    findings
}

struct Lints<'a> {
    case: &'a Case,
    findings: &'a mut Vec<LintFinding>,
}

impl Lints<'_> {
    fn add(&mut self, lint: Lint, span: &Span, message: impl Into<String>) {
        self.findings.push(LintFinding {
            lint,
            span: span.clone(),
            message: message.into(),
            help: lint.help(),
        });
    }

    /// Judging steps and what they cite.
    fn cites(&mut self) {
        let case = self.case;
        let mut judging = false;
        let mut cited = BTreeSet::new();
        walk(&case.steps, false, &mut |step, in_branch| {
            judging |= !in_branch && judges(step);
            cited.extend(step.cites.iter().map(|cite| &*cite.id));
        });
        if !judging {
            let message = format!("no step of `{}` judges", case.id);
            self.add(Lint::NothingJudged, &case.span, message);
            return;
        }
        if case.cites.len() < 2 {
            return;
        }
        // What stands in a block or a `repeat` mostly leads to what is judged.
        for step in case.steps.iter().filter(|step| must_cite(step)) {
            if step.cites.is_empty() {
                let ids: Vec<&str> = case.cites.iter().map(|cite| &*cite.id).collect();
                let message = format!("which of {} does this step judge?", ids.join(", "));
                self.add(Lint::StepWithoutCite, &step.span, message);
            }
        }
        for cite in &case.cites {
            if !cited.contains(&*cite.id) {
                let message = format!("no judging step cites `{}`", cite.id);
                self.add(Lint::CiteNeverJudged, &cite.span, message);
            }
        }
    }

    /// "Nothing came" and "it closed" hold of a dead target, too: something must show that it was
    /// there, before or behind.
    fn negatives(&mut self) {
        let case = self.case;
        let proved = flat(&case.given).iter().any(|step| shows_life(step));
        if proved {
            return;
        }
        let top = flat(&case.steps);
        for (at, step) in top.iter().enumerate() {
            let negative = |action: &Action| {
                matches!(
                    action,
                    Action::Silence { .. } | Action::Never { .. } | Action::Closed(_)
                )
            };
            let any = match &step.action {
                Action::AnyOf { branches, .. } => {
                    branches.iter().any(|branch| negative(&branch.action))
                }
                action => negative(action),
            };
            let mut others = top
                .iter()
                .take(at)
                .chain(top.iter().skip(at.saturating_add(1)));
            if any && !others.any(|other| shows_life(other)) {
                let message = "a dead target would pass this step";
                self.add(Lint::NegativeUnproved, &step.span, message);
            }
        }
    }

    fn reachable(&mut self, steps: &[Step]) {
        let mut ended: Option<&str> = None;
        for step in flat(steps) {
            if let Action::Connect(_) = step.action {
                ended = None;
            }
            let peer = step.peer.as_deref();
            if let (Some(end), Some(peer)) = (ended, peer)
                && end == peer
                && talks(step)
            {
                let message = format!("connection `{peer}` has ended before this step");
                self.add(Lint::Unreachable, &step.span, message);
            }
            if matches!(step.action, Action::Closed(_)) && step.when.is_none() {
                ended = peer;
            }
            if let Action::AnyOf { branches, .. } = &step.action {
                self.branches(branches);
            }
        }
    }

    /// A state that holds from the start decides before anything else can.
    fn branches(&mut self, branches: &[Step]) {
        for (at, branch) in branches.iter().enumerate() {
            let same = |other: &&Step| match (&other.action, &branch.action) {
                (Action::Closed(a), Action::Closed(b)) => a == b && other.when.is_none(),
                (Action::Expect(a), Action::Expect(b)) => {
                    a.what == b.what && a.fields.is_empty() && other.when.is_none()
                }
                _ => false,
            };
            if branches.iter().take(at).any(|other| same(&other)) {
                let message = "an earlier branch takes everything that this one would";
                self.add(Lint::Unreachable, &branch.span, message);
            }
        }
    }

    fn tags(&mut self) {
        let case = self.case;
        let has = |tag: &str| case.tags.iter().any(|own| own == tag);
        let mut nexts = Vec::new();
        let mut waits = Vec::new();
        for list in [&case.given, &case.steps] {
            walk(list, false, &mut |step, _| match &step.action {
                Action::Next(_) => nexts.push(step.span.clone()),
                Action::Wait { span, .. } | Action::Silence { span, .. }
                    if fixed_secs(span) >= SLOW_SECS =>
                {
                    waits.push(step.span.clone());
                }
                Action::Idle {
                    span,
                    until_closed: false,
                    ..
                } if fixed_secs(span) >= SLOW_SECS => waits.push(step.span.clone()),
                _ => {}
            });
        }
        if !has("ordering") {
            for span in nexts {
                self.add(
                    Lint::NextWithoutTag,
                    &span,
                    "`next` judges the order of messages",
                );
            }
        }
        if !has("slow") {
            for span in waits {
                let message = format!("a wait of {SLOW_SECS} s or more");
                self.add(Lint::SlowWithoutTag, &span, message);
            }
        }
    }

    fn connections(&mut self) {
        let case = self.case;
        let mut opened: Vec<(String, Span)> = Vec::new();
        let mut used = BTreeSet::new();
        for list in [&case.given, &case.steps, &case.after] {
            walk(list, false, &mut |step, _| {
                if let Action::Connect(connect) = &step.action {
                    // Opening it may be all that is tested, or where it is all that is wanted.
                    let kept = connect.contact.is_some() || connect.source.is_some();
                    if kept || !step.cites.is_empty() || !step.then.is_empty() {
                        used.insert(connect.peer.clone());
                    }
                    opened.push((connect.peer.clone(), step.span.clone()));
                } else if let Some(peer) = &step.peer {
                    used.insert(peer.clone());
                }
            });
        }
        if opened.len() < 2 {
            return;
        }
        for (peer, span) in opened {
            if !used.contains(&peer) {
                let message = format!("no step is about connection `{peer}`");
                self.add(Lint::UnusedConnection, &span, message);
            }
        }
    }

    fn steps_one_by_one(&mut self) {
        let case = self.case;
        let mut found = Vec::new();
        for list in [&case.given, &case.steps] {
            walk(list, false, &mut |step, in_branch| {
                let state = match &step.action {
                    Action::Expect(pattern) if pattern.fields.is_empty() => {
                        matches!(
                            pattern.what,
                            PatternKind::Kind(Kind::Unchoke | Kind::Interested)
                        )
                    }
                    _ => false,
                };
                if state && !in_branch && step.cites.is_empty() {
                    found.push((
                        Lint::ExpectOfState,
                        step.span.clone(),
                        "the message may have come before this step",
                    ));
                }
                let explained = matches!(
                    step.verdict,
                    Some(Stated::Skip | Stated::Inconclusive | Stated::Info)
                );
                if explained && step.note.is_none() {
                    found.push((
                        Lint::VerdictWithoutNote,
                        step.span.clone(),
                        "a verdict without its reason",
                    ));
                }
            });
        }
        for (lint, span, message) in found {
            self.add(lint, &span, message);
        }
    }

    /// A send moves the cursor behind what had come before it (SCENARIOS 3.3).
    fn old_requests(&mut self) {
        let case = self.case;
        let served = |step: &Step| match &step.action {
            Action::Send(messages) => messages.iter().all(|it| it.kind == Kind::Piece),
            _ => false,
        };
        let expects = |step: &Step| match &step.action {
            Action::Expect(pattern) => pattern.what == PatternKind::Kind(Kind::Request),
            _ => false,
        };
        for list in [&case.given, &case.steps] {
            let steps = flat(list);
            for pair in steps.windows(2) {
                let [sent, step] = pair else { continue };
                let same = sent.peer == step.peer;
                if same && served(sent) && expects(step) && step.verdict.is_none() {
                    let message = "the request may have come before the block was sent";
                    self.add(Lint::ExpectOfOldRequest, &step.span, message);
                }
            }
        }
    }

    fn proof(&mut self) {
        let case = self.case;
        let full = |step: &Step| match &step.action {
            Action::Connect(connect) => connect.handshake == HandshakeMode::Full,
            _ => false,
        };
        let bare = case
            .given
            .iter()
            .find(|step| matches!(step.action, Action::Connect(_)) && !full(step));
        if let Some(step) = bare
            && case.proof == Proof::Asked
            && !flat(&case.given).iter().any(|step| full(step))
        {
            let message = "`given` opens no connection that could prove life";
            self.add(Lint::ProofBeforeHandshake, &step.span, message);
        }
    }
}

/// Steps of a list with blocks and repeats in place, in order.
fn flat(steps: &[Step]) -> Vec<&Step> {
    let mut all = Vec::new();
    for step in steps {
        all.push(step);
        match &step.action {
            Action::Use(block) => all.extend(flat(&block.body)),
            Action::Repeat(repeat) => all.extend(flat(&repeat.body)),
            _ => {}
        }
        all.extend(flat(&step.then));
    }
    all
}

/// Whether a step says something about the target in the report.
fn judges(step: &Step) -> bool {
    match &step.action {
        Action::Expect(_)
        | Action::Next(_)
        | Action::Until(_)
        | Action::AllOf(_)
        | Action::AnyOf { .. }
        | Action::Silence { .. }
        | Action::Never { .. }
        | Action::Closed(_)
        | Action::Survives { .. }
        | Action::Alive
        | Action::Measure(_)
        | Action::Check(_) => !matches!(step.verdict, Some(Stated::Skip | Stated::Inconclusive)),
        Action::Connect(_) => !step.cites.is_empty(),
        _ => false,
    }
}

/// Whether a judging step has to say what it judges where a case cites several: not what leads
/// there (`until`), and not how any case ends (`survives`, `alive`).
fn must_cite(step: &Step) -> bool {
    judges(step)
        && !matches!(
            step.action,
            Action::Until(_) | Action::Survives { .. } | Action::Alive
        )
}

/// Whether a step waits for something that only a working target sends.
fn shows_life(step: &Step) -> bool {
    match &step.action {
        Action::Survives { .. }
        | Action::Alive
        | Action::Expect(_)
        | Action::Next(_)
        | Action::AllOf(_)
        | Action::Until(_) => true,
        Action::AnyOf { branches, .. } => branches.iter().all(shows_life),
        _ => false,
    }
}

/// Whether a step sends on its connection or waits for something of it.
fn talks(step: &Step) -> bool {
    matches!(
        step.action,
        Action::Send(_)
            | Action::SendRaw(_)
            | Action::Expect(_)
            | Action::Next(_)
            | Action::Until(_)
            | Action::AllOf(_)
            | Action::AnyOf { .. }
            | Action::Background { .. }
    )
}

fn fixed_secs(delay: &Delay) -> u64 {
    match delay {
        Delay::Fixed(fixed) => fixed.as_secs(),
        Delay::Expr(_) => 0,
    }
}

/// Waits of this length make a case slow.
const SLOW_SECS: u64 = 30;
