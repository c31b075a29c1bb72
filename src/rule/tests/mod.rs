//! Every rule held, broken and not applicable, from scripts; and that none cries wolf when
//! messages cross.

mod bep10;
mod bep11;
mod bep3;
mod bep54;
mod bep6;
mod bep9;
mod crossing;
mod fuzz;
mod ordinary;
mod others;

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use super::{Judge, Tally, Violation};
use crate::requirement::Role;
use crate::session::testing::{Script, full};
use crate::wire::Capability::{self, Extended, Fast};
use crate::wire::Message::{HaveAll, HaveNone, Interested, Unchoke};

/// A script whose events go to a judge. The rules see the session as it is after each step.
pub(super) struct Case {
    script: Script,
    judge: Judge,
    violations: Vec<Violation>,
}

impl Case {
    pub(super) fn of(script: Script) -> Self {
        Self {
            script,
            judge: Judge::new(),
            violations: Vec::new(),
        }
    }

    /// Handshakes done; both sides offer these.
    pub(super) fn both(capabilities: &[Capability]) -> Self {
        Self::offering(capabilities, capabilities)
    }

    /// Handshakes done; the tester offers the first, the target the second.
    pub(super) fn offering(ours: &[Capability], theirs: &[Capability]) -> Self {
        let mut case = Self::of(Script::new(ours, theirs));
        case.handshakes();
        case
    }

    /// A seed with fast and extended, introduced, that has unchoked us.
    pub(super) fn seed() -> Self {
        let mut case = Self::both(&[Fast, Extended]);
        case.sends_hello()
            .sends(HaveNone)
            .gets_hello()
            .gets(HaveAll)
            .gets(Unchoke);
        case
    }

    /// A seed without the fast extension.
    pub(super) fn slow_seed() -> Self {
        let mut case = Self::both(&[Extended]);
        case.sends_hello().gets_hello().gets(full()).gets(Unchoke);
        case
    }

    /// A leech with fast and extended that has nothing; we have announced everything and unchoked.
    pub(super) fn leech() -> Self {
        let mut case = Self::both(&[Fast, Extended]);
        case.sends_hello()
            .sends(HaveAll)
            .gets_hello()
            .gets(HaveNone)
            .gets(Interested)
            .sends(Unchoke);
        case
    }

    pub(super) fn role(mut self, role: Role) -> Self {
        self.judge = self.judge.with_role(role);
        self
    }

    fn judged(&mut self) {
        for (event, session) in self.script.take() {
            let found = self.judge.handle(&event, &session);
            self.violations.extend(found);
        }
    }

    fn tally(&self, rule: &str) -> Tally {
        let mut tallies = self.judge.tallies().into_iter();
        tallies
            .find(|t| t.rule == rule)
            .expect("a rule of the table")
    }

    /// The rule was put to the test and holds.
    #[track_caller]
    pub(super) fn holds(&mut self, rule: &str) -> &mut Self {
        self.judged();
        let tally = self.tally(rule);
        assert_eq!(tally.broken, 0, "{:?}", self.violations);
        assert!(tally.evaluated > 0, "{rule} was never put to the test");
        self
    }

    /// The rule is broken, once, and no other rule is.
    #[track_caller]
    pub(super) fn breaks(&mut self, rule: &str, detail: &str) -> &mut Self {
        self.judged();
        let broken: Vec<(&str, &str)> = self
            .violations
            .iter()
            .map(|v| (v.rule, v.detail.as_str()))
            .collect();
        assert_eq!(broken, [(rule, detail)]);
        self
    }

    /// The rule is broken first, whatever comes then.
    #[track_caller]
    pub(super) fn breaks_first(&mut self, rule: &str, detail: &str) -> &mut Self {
        self.judged();
        let first = self.violations.iter().find(|v| v.rule != "short-names");
        let first = first.map(|v| (v.rule, v.detail.as_str()));
        assert_eq!(first, Some((rule, detail)));
        self
    }

    /// These rules are broken, in this order.
    #[track_caller]
    pub(super) fn breaks_all(&mut self, rules: &[&str]) -> &mut Self {
        self.judged();
        let broken: Vec<&str> = self.violations.iter().map(|v| v.rule).collect();
        assert_eq!(broken, rules, "{:?}", self.violations);
        self
    }

    /// The rule did not concern anything.
    #[track_caller]
    pub(super) fn ignores(&mut self, rule: &str) -> &mut Self {
        self.judged();
        assert_eq!(self.tally(rule).evaluated, 0, "{:?}", self.violations);
        self
    }

    /// No rule is broken.
    #[track_caller]
    pub(super) fn is_clean(&mut self) -> &mut Self {
        self.judged();
        assert_eq!(self.violations, []);
        self
    }

    pub(super) fn evaluated(&mut self) -> BTreeMap<&'static str, u64> {
        self.judged();
        let tallies = self.judge.tallies().into_iter();
        tallies.map(|t| (t.rule, t.evaluated)).collect()
    }
}

impl Deref for Case {
    type Target = Script;
    fn deref(&self) -> &Script {
        &self.script
    }
}

impl DerefMut for Case {
    fn deref_mut(&mut self) -> &mut Script {
        &mut self.script
    }
}
