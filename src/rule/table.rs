//! The table of rules.

use super::bep3;
use super::judge::Context;
use crate::session::{Event, Session};

/// A passive check on what the target sends.
#[derive(Debug)]
pub struct Rule {
    /// Name in words: `request-answered-once`. Its row in a report is `rule/NAME`.
    pub id: &'static str,
    /// The requirement it judges, which also has its level.
    pub requirement: &'static str,
    /// What it checks, on one line.
    pub title: &'static str,
    /// Judged on a tainted connection as well.
    pub absolute: bool,
    /// The check.
    pub judge: fn(&Event, &Session, &Context) -> Ruling,
}

/// What a rule says about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// The event does not concern it.
    NotApplicable,
    /// It was put to the test and holds.
    Held,
    /// It is broken. The text says what came, with the numbers that matter.
    Broken(String),
}

impl Ruling {
    /// Held if `holds`, else broken with the text.
    pub fn check(holds: bool, broken: impl FnOnce() -> String) -> Self {
        if holds {
            Self::Held
        } else {
            Self::Broken(broken())
        }
    }
}

/// Every rule, by BEP.
pub static RULES: &[Rule] = &[Rule {
    id: "keep-alive-is-empty",
    requirement: "B3-TO-02",
    title: "keep-alives are four zero bytes",
    absolute: true,
    judge: bep3::keep_alive_is_empty,
}];

/// The rule with this name.
pub fn by_id(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}
