//! Steps: one action and its modifiers in a flat map.

use std::collections::BTreeSet;

use super::super::ast::{Action, Citation, Delay, Fragment, Sizes, Stated, Step};
use super::super::error::ScenarioError;
use super::super::limits;
use super::super::span::Span;
use super::super::types::Type;
use super::super::val::Val;
use super::super::yaml::{Key, Node, Value};
use super::action;
use super::blocks::Blocks;
use super::fields::{Fields, id, list, no_duration, text, unknown, word, words, wrong};
use super::scope::Scope;
use crate::requirement::catalogue;

type Result<T> = std::result::Result<T, ScenarioError>;

/// Every action, in the order of SCENARIOS 1.
pub(in super::super) const ACTIONS: [&str; 25] = [
    "connect",
    "send",
    "send_raw",
    "expect",
    "next",
    "until",
    "all_of",
    "any_of",
    "silence",
    "never",
    "closed",
    "survives",
    "alive",
    "check",
    "measure",
    "background",
    "repeat",
    "use",
    "target",
    "wait",
    "idle",
    "close",
    "serve",
    "reading",
    "memory",
];

/// Every modifier.
pub(in super::super) const MODIFIERS: [&str; 10] = [
    "peer",
    "within",
    "not_before",
    "when",
    "verdict",
    "note",
    "cites",
    "then",
    "label",
    "fragment",
];

/// What may stand beside an action but is part of it.
const BESIDE: [(&str, &[&str]); 3] = [
    ("use", &["with", "returns"]),
    ("any_of", &["otherwise"]),
    ("measure", &["fail_if"]),
];

/// Actions that wait for something of the target's.
const WAITS: [&str; 11] = [
    "expect", "next", "until", "all_of", "any_of", "closed", "survives", "alive", "connect",
    "target", "repeat",
];

/// Actions that judge.
const JUDGES: [&str; 12] = [
    "expect", "next", "until", "all_of", "any_of", "silence", "never", "closed", "survives",
    "alive", "check", "measure",
];

/// Branches of `any_of`.
const BRANCHES: [&str; 4] = ["expect", "until", "closed", "silence"];

/// Reads the steps of one case or one block.
pub(super) struct Reader<'a> {
    /// Blocks that `use` may name.
    pub(super) blocks: &'a Blocks,
    /// What the case cites; `None` in a block read on its own.
    pub(super) cites: Option<&'a [Citation]>,
    /// Connections opened so far; `None` in a block read on its own.
    pub(super) connections: Option<BTreeSet<String>>,
    /// Slots of lists that steps append to.
    pub(super) lists: BTreeSet<String>,
    /// Blocks being read, outermost first.
    pub(super) using: Vec<String>,
    /// Uses so far: makes names unique.
    pub(super) uses: u32,
    /// Labels with their places.
    pub(super) labels: Vec<(String, Span)>,
    /// Labels that some `until` names.
    pub(super) awaited: Vec<(String, Span)>,
    /// Steps read so far.
    pub(super) next_id: u32,
}

/// Where a list of steps stands.
#[derive(Clone)]
pub(super) struct Place {
    /// The connection that steps without `peer` are about.
    pub(super) peer: String,
    /// Stands before labels: blocks have their own.
    pub(super) prefix: String,
}

impl<'a> Reader<'a> {
    /// A reader for one case or block.
    pub(super) fn new(blocks: &'a Blocks, cites: Option<&'a [Citation]>) -> Self {
        Self {
            blocks,
            cites,
            connections: cites.map(|_| BTreeSet::new()),
            lists: BTreeSet::new(),
            using: Vec::new(),
            uses: 0,
            labels: Vec::new(),
            awaited: Vec::new(),
            next_id: 1,
        }
    }

    /// A list of steps.
    pub(super) fn steps(
        &mut self,
        node: &Node,
        scope: &mut Scope,
        place: &mut Place,
    ) -> Result<Vec<Step>> {
        list(node, "a list of steps")?
            .iter()
            .map(|node| self.step(node, scope, place))
            .collect()
    }

    /// One step.
    pub(super) fn step(
        &mut self,
        node: &Node,
        scope: &mut Scope,
        place: &mut Place,
    ) -> Result<Step> {
        self.read(node, scope, place, false)
    }

    /// One branch of `any_of`, or what `measure` waits for.
    pub(super) fn branch(
        &mut self,
        node: &Node,
        scope: &mut Scope,
        place: &mut Place,
    ) -> Result<Step> {
        self.read(node, scope, place, true)
    }

    fn read(
        &mut self,
        node: &Node,
        scope: &mut Scope,
        place: &mut Place,
        branch: bool,
    ) -> Result<Step> {
        let Parts {
            key,
            value,
            entries,
        } = split(node)?;
        let action = key.text.as_str();
        check_keys(action, entries, branch)?;
        let map = Fields::of(node, "a step", &allowed(action))?;
        self.next_id = self.next_id.saturating_add(1);
        if u64::from(self.next_id) > limits::STEPS {
            let message = format!("a case of more than {} steps", limits::STEPS);
            return Err(ScenarioError::invalid(&key.span, message));
        }
        let step_id = self.next_id;
        let named = map.get("peer").map(text).transpose()?;
        if let Some(name) = named {
            place.peer = name.to_owned();
        }
        let when = condition(&map, "when", scope)?;
        let within = delay(&map, "within", scope)?;
        let not_before = delay(&map, "not_before", scope)?;
        let verdict = map.get("verdict").map(stated).transpose()?;
        let note = map.get("note").map(text).transpose()?.map(str::to_owned);
        let cites = match map.get("cites") {
            Some(node) => self.cites(node)?,
            None => Vec::new(),
        };
        let label = match map.get("label") {
            Some(node) => {
                let name = format!("{}{}", place.prefix, id(node, "label")?);
                if self.labels.iter().any(|(label, _)| *label == name) {
                    let message = format!("label `{name}` stands twice");
                    return Err(ScenarioError::invalid(&node.span, message));
                }
                self.labels.push((name.clone(), node.span.clone()));
                Some(name)
            }
            None => None,
        };
        let fragment = map
            .get("fragment")
            .map(|node| fragment(node, scope))
            .transpose()?;
        let parsed = action::action(self, action, &key.span, value, &map, scope, place)?;
        if let Action::Connect(connect) = &parsed {
            place.peer.clone_from(&connect.peer);
        } else if needs_connection(action) {
            self.check_peer(
                &place.peer,
                map.get("peer").map_or(&key.span, |node| &node.span),
            )?;
        }
        let peer = match (&parsed, named) {
            (Action::Never { .. }, None) => None,
            _ => Some(place.peer.clone()),
        };
        let then = match map.get("then") {
            Some(node) => self.steps(node, scope, &mut place.clone())?,
            None => Vec::new(),
        };
        Ok(Step {
            id: step_id,
            span: key.span.clone(),
            action: parsed,
            peer,
            within,
            not_before,
            when,
            verdict,
            note,
            cites,
            then,
            label,
            fragment,
        })
    }

    /// Notes a label that some step waits for.
    pub(super) fn await_label(&mut self, node: &Node, place: &Place) -> Result<String> {
        let name = format!("{}{}", place.prefix, id(node, "label")?);
        self.awaited.push((name.clone(), node.span.clone()));
        Ok(name)
    }

    /// Every label that a step waits for must stand somewhere.
    pub(super) fn check_labels(&self) -> Result<()> {
        for (name, span) in &self.awaited {
            if !self.labels.iter().any(|(label, _)| label == name) {
                let labels: Vec<&str> = self.labels.iter().map(|(label, _)| &**label).collect();
                return Err(unknown(name, span, "label", &labels)
                    .expected("the `label` of a step of this case"));
            }
        }
        Ok(())
    }

    fn check_peer(&self, peer: &str, span: &Span) -> Result<()> {
        let Some(open) = &self.connections else {
            return Ok(());
        };
        if open.contains(peer) {
            return Ok(());
        }
        let names: Vec<&str> = open.iter().map(String::as_str).collect();
        let error = ScenarioError::invalid(span, format!("no connection `{peer}` yet"));
        Err(match names.as_slice() {
            [] => error.expected("a `connect` before this step"),
            _ => error
                .expected(format!("one of {}", names.join(", ")))
                .nearest(peer, names),
        })
    }

    fn cites(&self, node: &Node) -> Result<Vec<Citation>> {
        let cites = citations(node)?;
        let Some(of_case) = self.cites else {
            return Ok(cites);
        };
        for cite in &cites {
            if !of_case.iter().any(|known| known.id == cite.id) {
                let ids: Vec<&str> = of_case.iter().map(|cite| &*cite.id).collect();
                let message = format!("`{}` is not among the `cites` of the case", cite.id);
                return Err(ScenarioError::invalid(&cite.span, message)
                    .expected(format!("one of {}", ids.join(", "))));
            }
        }
        Ok(cites)
    }
}

/// Requirements, each in the catalogue.
pub(super) fn citations(node: &Node) -> Result<Vec<Citation>> {
    let mut found: Vec<Citation> = Vec::new();
    for (word, span) in words(node)? {
        if catalogue().get(word).is_none() {
            let ids: Vec<&str> = catalogue().iter().map(|entry| entry.id.as_str()).collect();
            return Err(unknown(word, span, "requirement", &ids).expected("an id of the catalogue"));
        }
        if found.iter().any(|cite| cite.id == word) {
            return Err(ScenarioError::invalid(
                span,
                format!("`{word}` stands twice"),
            ));
        }
        found.push(Citation {
            id: word.to_owned(),
            span: span.clone(),
        });
    }
    Ok(found)
}

/// A step's action, and all of its entries.
struct Parts<'a> {
    key: &'a Key,
    value: &'a Node,
    entries: &'a [(Key, Node)],
}

/// The action's key and value.
fn split(node: &Node) -> Result<Parts<'_>> {
    let Value::Map(entries) = &node.value else {
        return Err(wrong(node, "a map", &node.value)
            .expected("a step: one action and its modifiers, such as `alive: {}`"));
    };
    let mut actions = entries
        .iter()
        .filter(|(key, _)| ACTIONS.contains(&key.text.as_str()));
    let Some((key, value)) = actions.next() else {
        return Err(
            match entries.iter().find(|(key, _)| !known_beside(&key.text)) {
                Some((key, _)) => unknown(&key.text, &key.span, "action", &ACTIONS)
                    .expected(format!("one of {}", ACTIONS.join(", "))),
                None => ScenarioError::invalid(&node.span, "a step without an action")
                    .expected(format!("one of {}", ACTIONS.join(", "))),
            },
        );
    };
    if let Some((second, _)) = actions.next() {
        return Err(ScenarioError::invalid(
            &second.span,
            format!("a second action, `{}`, beside `{}`", second.text, key.text),
        )
        .expected("one action a step")
        .help("begin a new step with `- `"));
    }
    Ok(Parts {
        key,
        value,
        entries,
    })
}

fn known_beside(key: &str) -> bool {
    MODIFIERS.contains(&key) || BESIDE.iter().any(|(_, keys)| keys.contains(&key))
}

/// Keys that may stand in a step with this action.
fn allowed(action: &str) -> Vec<&'static str> {
    let beside = BESIDE
        .iter()
        .filter(|(name, _)| *name == action)
        .flat_map(|(_, keys)| keys.iter().copied());
    ACTIONS
        .into_iter()
        .filter(|name| *name == action)
        .chain(beside)
        .chain(MODIFIERS.into_iter().filter(|name| fits(name, action)))
        .collect()
}

/// Whether a modifier means something beside an action.
pub(in super::super) fn fits(modifier: &str, action: &str) -> bool {
    match modifier {
        "within" => WAITS.contains(&action),
        "not_before" => ["expect", "next", "until", "closed", "all_of"].contains(&action),
        "verdict" => JUDGES.contains(&action) && !["survives", "measure"].contains(&action),
        "cites" => JUDGES.contains(&action) || ["connect", "repeat", "use"].contains(&action),
        "then" => [
            "expect", "next", "until", "all_of", "any_of", "closed", "silence", "alive",
        ]
        .contains(&action),
        "fragment" => ["send", "send_raw", "connect"].contains(&action),
        _ => true,
    }
}

fn check_keys(action: &str, entries: &[(Key, Node)], branch: bool) -> Result<()> {
    let allowed = allowed(action);
    for (key, _) in entries {
        let name = key.text.as_str();
        if allowed.contains(&name) {
            if branch && ["within", "cites", "peer"].contains(&name) {
                return Err(ScenarioError::invalid(
                    &key.span,
                    format!("`{name}` does not stand in a branch"),
                )
                .help(format!("put `{name}` beside the action around it")));
            }
            continue;
        }
        if known_beside(name) {
            return Err(ScenarioError::invalid(
                &key.span,
                format!("`{name}` means nothing beside `{action}`"),
            ));
        }
        return Err(unknown(name, &key.span, "key", &allowed)
            .expected(format!("the action or a modifier: {}", allowed.join(", "))));
    }
    if branch
        && let Some((key, _)) = entries.iter().find(|(key, _)| key.text == action)
        && !BRANCHES.contains(&action)
    {
        return Err(ScenarioError::invalid(
            &key.span,
            format!("`{action}` cannot be waited for here"),
        )
        .expected(format!("one of {}", BRANCHES.join(", "))));
    }
    Ok(())
}

/// Whether an action is about a connection that must be open (or have been).
fn needs_connection(action: &str) -> bool {
    !matches!(
        action,
        "connect" | "use" | "repeat" | "target" | "wait" | "check" | "never" | "memory"
    )
}

/// A verdict.
pub(super) fn stated(node: &Node) -> Result<Stated> {
    word(node, "verdict", &STATED)
}

/// Verdicts that an author may state.
pub(in super::super) const STATED: [(&str, Stated); 6] = [
    ("pass", Stated::Pass),
    ("info", Stated::Info),
    ("skip", Stated::Skip),
    ("inconclusive", Stated::Inconclusive),
    ("warn", Stated::Warn),
    ("fail", Stated::Fail),
];

/// A condition, if the key is there.
pub(super) fn condition(
    map: &Fields<'_>,
    key: &str,
    scope: &Scope,
) -> Result<Option<super::super::eval::Expr>> {
    map.get(key)
        .map(|node| scope.typed(node, Type::Bool))
        .transpose()
}

fn delay(map: &Fields<'_>, key: &str, scope: &Scope) -> Result<Option<Delay>> {
    map.get(key).map(|node| delay_of(node, scope)).transpose()
}

/// A length of time, fixed or from an expression.
pub(super) fn delay_of(node: &Node, scope: &Scope) -> Result<Delay> {
    let Value::Text(given) = &node.value else {
        return Err(no_duration(node));
    };
    match scope.compile(given, &node.span)? {
        Some(expr) => match (scope.type_of(&expr)?, expr.known()) {
            (_, Some(Val::Text(word))) => super::fields::duration(&word)
                .map(Delay::Fixed)
                .ok_or_else(|| no_duration(node)),
            (Type::Int | Type::Text | Type::Any, _) => Ok(Delay::Expr(expr)),
            _ => Err(no_duration(node)),
        },
        None => super::fields::fixed_duration(node).map(Delay::Fixed),
    }
}

fn fragment(node: &Node, scope: &Scope) -> Result<Fragment> {
    let map = Fields::of(node, "`fragment`", &["sizes", "gap"])?;
    let sizes = map.require("sizes")?;
    let size = |node: &Node| {
        let expr = scope.typed(node, Type::Int)?;
        match expr.known() {
            Some(Val::Int(n)) if n < 1 => Err(ScenarioError::invalid(
                &node.span,
                "a segment has at least one byte",
            )),
            _ => Ok(expr),
        }
    };
    let sizes = match &sizes.value {
        Value::List(list) => Sizes::Then(list.iter().map(size).collect::<Result<_>>()?),
        _ => Sizes::Every(size(sizes)?),
    };
    Ok(Fragment {
        sizes,
        gap: delay(&map, "gap", scope)?,
    })
}
