//! Which cases and rules are meant by paths, `--filter` and `--level`.

use std::path::PathBuf;

use btspec::requirement::Level;
use btspec::rule::{RULES, Rule};
use btspec::scenario::ast::{Direction, Role, Suite, Variant};
use btspec::scenario::filter::{Filter, Subject};
use btspec::scenario::{self, Choice, Play};

use super::args::Selection;
use super::stop::Stop;

/// Reads the suites of `paths`; the embedded ones without any.
pub(super) fn load(paths: &[PathBuf]) -> Result<Vec<Suite>, Stop> {
    if paths.is_empty() {
        // Broken suites of our own are a bug, but the message says most.
        scenario::embedded().map_err(|errors| Stop::scenarios(&errors))
    } else {
        scenario::load(paths).map_err(|errors| Stop::scenarios(&errors))
    }
}

/// What is to be played and judged.
#[derive(Debug)]
pub(super) struct Selected {
    /// Plays in file order.
    pub(super) plays: Vec<Play>,
    /// Rules in the order of their table.
    pub(super) rules: Vec<&'static Rule>,
}

/// Both roles and directions, with `variants` beside the plain plays.
pub(super) fn everything(variants: Vec<Variant>) -> Choice {
    Choice {
        roles: vec![Role::Seed, Role::Leech],
        directions: vec![Direction::Dialled, Direction::Dials],
        variants,
    }
}

/// Picks from `suites`.
pub(super) fn select(
    suites: &[Suite],
    selection: &Selection,
    choice: &Choice,
) -> Result<Selected, Stop> {
    let meant = Meant::new(selection)?;
    let mut selected = Selected {
        plays: Vec::new(),
        rules: Vec::new(),
    };
    for suite in suites {
        let plays = scenario::expand(suite, choice).map_err(|error| Stop::scenarios(&[error]))?;
        let plays = plays.into_iter();
        let plays = plays.filter(|play| meant.includes(&Subject::play(play)));
        selected.plays.extend(plays);
    }
    let rules = RULES.iter();
    let rules = rules.filter(|rule| meant.includes(&Subject::rule(rule.id, rule.requirement)));
    selected.rules.extend(rules);
    Ok(selected)
}

/// Ids of everything that a run could have results of: each role, direction and variant of the
/// loaded suites and of the embedded ones, and the rules.
pub(super) fn ids(suites: &[Suite]) -> Result<Vec<String>, Stop> {
    let mut embedded = load(&[])?;
    // A loaded suite stands in the place of the embedded one of its name.
    embedded.retain(|suite| suites.iter().all(|loaded| loaded.id != suite.id));
    let choice = everything(Variant::ALL.to_vec());
    let mut ids = Vec::new();
    for suite in suites.iter().chain(&embedded) {
        let plays = scenario::expand(suite, &choice).map_err(|error| Stop::scenarios(&[error]))?;
        ids.extend(plays.iter().map(|play| Subject::play(play).id));
    }
    ids.extend(
        RULES
            .iter()
            .map(|rule| Subject::rule(rule.id, rule.requirement).id),
    );
    Ok(ids)
}

/// `--filter` and `--level` together.
struct Meant {
    filter: Option<Filter>,
    level: Option<Level>,
}

impl Meant {
    fn new(selection: &Selection) -> Result<Self, Stop> {
        let filter = selection
            .filter
            .as_deref()
            .map(Filter::parse)
            .transpose()
            .map_err(|error| Stop::usage(format!("in --filter: {error}")))?;
        Ok(Self {
            filter,
            level: selection.level,
        })
    }

    fn includes(&self, subject: &Subject) -> bool {
        let by_filter = self
            .filter
            .as_ref()
            .is_none_or(|filter| filter.matches(subject));
        let by_level = self
            .level
            .is_none_or(|least| subject.levels().any(|level| level >= least));
        by_filter && by_level
    }
}
