//! Names of variables where they are printed: blocks have names of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ast::{Action, Step};
use super::super::pattern::{FieldPattern, Matcher, Pattern};

/// How slots of the play are called in one block, or in a case.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// Stands before slots and labels of this block: `fetch#1.`.
    prefix: String,
    /// Slots of the user that this block sets, and what it calls them.
    returns: BTreeMap<String, String>,
}

impl Names {
    /// For the body of a block whose slots begin with `prefix`.
    pub(super) fn of_block(prefix: String, params: &[String], body: &[Step]) -> Self {
        let mut set = BTreeSet::new();
        kept_by(body, &mut set);
        let own: BTreeSet<String> = set
            .iter()
            .chain(params)
            .filter_map(|slot| slot.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect();
        let inside = |slot: &&String| {
            slot.starts_with(&prefix) || slot.matches('#').count() > prefix.matches('#').count()
        };
        let returns = set
            .iter()
            .filter(|slot| !inside(slot))
            .map(|slot| {
                let mut local = slot.rsplit('.').next().unwrap_or(slot).to_owned();
                while own.contains(&local) {
                    local.push('_');
                }
                (slot.clone(), local)
            })
            .collect();
        Self { prefix, returns }
    }

    /// A variable or label as it is written here.
    pub(super) fn local<'a>(&'a self, slot: &'a str) -> &'a str {
        if let Some(local) = self.returns.get(slot) {
            return local;
        }
        slot.strip_prefix(self.prefix.as_str()).unwrap_or(slot)
    }

    /// What the block gives back: its name, the user's slot.
    pub(super) fn returns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.returns
            .iter()
            .map(|(slot, local)| (local.as_str(), slot.as_str()))
    }
}

/// The prefix of slots in a block: that of a binding, a capture or a label in it.
pub(super) fn prefix_of(block: &str, bindings: &[String], body: &[Step]) -> String {
    let mut slots = BTreeSet::new();
    kept_by(body, &mut slots);
    labels(body, &mut slots);
    slots.extend(bindings.iter().cloned());
    let start = format!("{block}#");
    slots
        .iter()
        .filter(|slot| slot.starts_with(&start))
        .find_map(|slot| slot.find('.').and_then(|at| slot.get(..=at)))
        .map_or(start, str::to_owned)
}

/// Every slot that steps set.
fn kept_by(steps: &[Step], slots: &mut BTreeSet<String>) {
    for step in steps {
        match &step.action {
            Action::Expect(pattern) | Action::Next(pattern) => kept(pattern, slots),
            Action::AllOf(patterns) => patterns.iter().for_each(|it| kept(it, slots)),
            Action::AnyOf {
                branches,
                otherwise,
            } => {
                lists_of(branches, slots);
                lists_of(otherwise.as_deref().unwrap_or_default(), slots);
            }
            Action::Measure(measure) => {
                slots.insert(measure.name.clone());
            }
            Action::Memory(slot) => {
                slots.insert(slot.clone());
            }
            Action::Connect(connect) => {
                slots.extend(connect.contact.clone());
                slots.extend(connect.source.clone());
            }
            Action::Repeat(repeat) => lists_of(&repeat.body, slots),
            Action::Use(block) => kept_by(&block.body, slots),
            _ => {}
        }
        kept_by(&step.then, slots);
    }
}

/// Slots that outlive a branch or a `repeat`: lists.
fn lists_of(steps: &[Step], slots: &mut BTreeSet<String>) {
    let mut inner = BTreeSet::new();
    for step in steps {
        if let Action::Expect(pattern) | Action::Next(pattern) = &step.action {
            for field in &pattern.fields {
                appended(field, &mut inner);
            }
        }
        if let Action::Repeat(repeat) = &step.action {
            lists_of(&repeat.body, &mut inner);
        }
        if let Action::Use(block) = &step.action {
            lists_of(&block.body, &mut inner);
        }
        lists_of(&step.then, &mut inner);
    }
    slots.extend(inner);
}

fn kept(pattern: &Pattern, slots: &mut BTreeSet<String>) {
    for field in &pattern.fields {
        captured(field, slots);
        appended(field, slots);
    }
}

fn captured(field: &FieldPattern, slots: &mut BTreeSet<String>) {
    match &field.matcher {
        Matcher::Tests { capture, .. } => slots.extend(capture.clone()),
        Matcher::Dict(keys) => keys.iter().for_each(|key| captured(key, slots)),
        Matcher::Equals(_) => {}
    }
}

fn appended(field: &FieldPattern, slots: &mut BTreeSet<String>) {
    match &field.matcher {
        Matcher::Tests { append, .. } => slots.extend(append.clone()),
        Matcher::Dict(keys) => keys.iter().for_each(|key| appended(key, slots)),
        Matcher::Equals(_) => {}
    }
}

fn labels(steps: &[Step], found: &mut BTreeSet<String>) {
    for step in steps {
        found.extend(step.label.clone());
        match &step.action {
            Action::AnyOf {
                branches,
                otherwise,
            } => {
                labels(branches, found);
                labels(otherwise.as_deref().unwrap_or_default(), found);
            }
            Action::Repeat(repeat) => {
                found.extend(repeat.each.iter().map(|(slot, _)| slot.clone()));
                labels(&repeat.body, found);
            }
            _ => {}
        }
        labels(&step.then, found);
    }
}
