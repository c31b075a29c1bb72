//! Blocks: named lists of steps, put in place where they are used.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::ast::{Action, Use};
use super::super::error::ScenarioError;
use super::super::limits;
use super::super::span::Span;
use super::super::types::Type;
use super::super::yaml::{Node, Value};
use super::fields::{Fields, entries, id, name, text, unknown, words};
use super::scope::Scope;
use super::step::{Place, Reader};

type Result<T> = std::result::Result<T, ScenarioError>;

/// A block as written; its steps are read anew for each use.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// Where its name stands.
    pub(super) span: Span,
    params: Vec<(String, Span, Option<Node>)>,
    returns: Vec<(String, Span)>,
    body: Node,
}

/// The blocks that a suite may use.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocks {
    blocks: BTreeMap<String, Block>,
    /// Folder of the scenario, for `file`.
    pub(super) folder: Option<PathBuf>,
}

impl Blocks {
    /// Adds the blocks of a file.
    pub(super) fn add(&mut self, node: &Node) -> Result<()> {
        for (key, node) in entries(node, "`blocks`")? {
            let key_node = Node {
                span: key.span.clone(),
                value: Value::Text(key.text.clone()),
            };
            let name = id(&key_node, "name of a block")?;
            if let Some(first) = self.blocks.get(&name) {
                return Err(
                    ScenarioError::invalid(&key.span, format!("a second block `{name}`"))
                        .help(format!("the first is at {}", first.span)),
                );
            }
            let block = block(node, &key.span)?;
            self.blocks.insert(name, block);
        }
        Ok(())
    }

    /// Reads every block on its own, so that mistakes show before any use.
    pub(super) fn check(&self, errors: &mut Vec<ScenarioError>) {
        for (name, block) in &self.blocks {
            let mut reader = Reader::new(self, None);
            reader.using.push(name.clone());
            let mut scope = Scope::default();
            scope.allow_any_axis();
            let mut place = Place {
                peer: DEFAULT_PEER.to_owned(),
                prefix: String::new(),
            };
            let checked = block
                .params
                .iter()
                .try_for_each(|(param, span, default)| {
                    if let Some(default) = default {
                        scope.value(default)?;
                    }
                    scope.add_slot(param, span, Type::Any).map(drop)
                })
                .and_then(|()| reader.steps(&block.body, &mut scope, &mut place))
                .and_then(|_| reader.check_labels())
                .and_then(|()| block.check_returns(&scope));
            errors.extend(checked.err());
        }
    }
}

impl Block {
    fn check_returns(&self, scope: &Scope) -> Result<()> {
        for (name, span) in &self.returns {
            if scope.returned(name).is_none() {
                return Err(ScenarioError::invalid(
                    span,
                    format!("no step of the block sets `{name}` for good"),
                )
                .expected("a name that a `capture` or `append` outside of branches sets"));
            }
        }
        Ok(())
    }
}

fn block(node: &Node, span: &Span) -> Result<Block> {
    let map = Fields::of(node, "a block", &["params", "returns", "do"])?;
    let mut params = Vec::new();
    if let Some(node) = map.get("params") {
        for (key, default) in entries(node, "`params`")? {
            let param = name(&key.text, &key.span)?;
            let default = (default.value != Value::Null).then(|| default.clone());
            params.push((param, key.span.clone(), default));
        }
    }
    let mut returns = Vec::new();
    if let Some(node) = map.get("returns") {
        for (word, span) in words(node)? {
            returns.push((name(word, span)?, span.clone()));
        }
    }
    Ok(Block {
        span: span.clone(),
        params,
        returns,
        body: map.require("do")?.clone(),
    })
}

impl Reader<'_> {
    /// `use: NAME` with `with` and `returns` beside it.
    pub(super) fn use_block(
        &mut self,
        node: &Node,
        map: &Fields<'_>,
        scope: &mut Scope,
        place: &Place,
    ) -> Result<Action> {
        let blocks = self.blocks;
        let block_name = text(node)?;
        let Some(block) = blocks.blocks.get(block_name) else {
            let names: Vec<&str> = blocks.blocks.keys().map(String::as_str).collect();
            return Err(unknown(block_name, &node.span, "block", &names)
                .expected("a block of this file or of _blocks.yaml"));
        };
        if self.using.iter().any(|name| name == block_name) {
            return Err(ScenarioError::invalid(
                &node.span,
                format!("block `{block_name}` uses itself"),
            )
            .help(format!("by way of {}", self.using.join(" → "))));
        }
        if self.using.len() >= limits::USE_DEPTH {
            let message = format!("blocks in blocks deeper than {}", limits::USE_DEPTH);
            return Err(ScenarioError::invalid(&node.span, message));
        }
        self.uses = self.uses.saturating_add(1);
        let prefix = format!("{block_name}#{}.", self.uses);
        let slots = user_names(block, map, scope)?;
        let mut inner = scope.for_block(prefix.clone(), slots.clone());
        let bindings = bind(block, block_name, node, map, scope, &mut inner)?;
        let mut inner_place = Place {
            peer: place.peer.clone(),
            prefix,
        };
        self.using.push(block_name.to_owned());
        let body = self.steps(&block.body, &mut inner, &mut inner_place);
        self.using.pop();
        let body = body.map_err(|error| used_at(error, &node.span))?;
        block.check_returns(&inner)?;
        for (returned, _) in &block.returns {
            let user = user_name(returned, map).unwrap_or(returned);
            if let Some((ty, is_list)) = inner.returned(returned) {
                if is_list {
                    scope.add_list(user, &node.span)?;
                } else {
                    scope.add_slot(user, &node.span, ty)?;
                }
            }
        }
        scope.learn_types(&inner);
        Ok(Action::Use(Box::new(Use {
            block: block_name.to_owned(),
            bindings,
            body,
        })))
    }
}

fn used_at(error: ScenarioError, span: &Span) -> ScenarioError {
    match error.help {
        None => error.help(format!("the block is used at {span}")),
        Some(_) => error,
    }
}

/// `returns: {inner: outer}` beside `use`.
fn user_name<'a>(returned: &str, map: &Fields<'a>) -> Option<&'a str> {
    let Value::Map(entries) = &map.get("returns")?.value else {
        return None;
    };
    let (_, node) = entries.iter().find(|(key, _)| key.text == returned)?;
    text(node).ok()
}

/// The slots of the user's scope that the block's returns go to.
fn user_names(block: &Block, map: &Fields<'_>, scope: &Scope) -> Result<BTreeMap<String, String>> {
    if let Some(node) = map.get("returns") {
        for (key, value) in entries(node, "`returns`")? {
            if !block.returns.iter().any(|(name, _)| *name == key.text) {
                let names: Vec<&str> = block.returns.iter().map(|(name, _)| &**name).collect();
                return Err(unknown(&key.text, &key.span, "return", &names)
                    .expected("a name in the block's `returns`"));
            }
            name(text(value)?, &value.span)?;
        }
    }
    Ok(block
        .returns
        .iter()
        .map(|(returned, _)| {
            let user = user_name(returned, map).unwrap_or(returned);
            (returned.clone(), scope.future_slot(user))
        })
        .collect())
}

/// Parameters: constants in place, the rest as variables set on entry.
fn bind(
    block: &Block,
    block_name: &str,
    node: &Node,
    map: &Fields<'_>,
    scope: &Scope,
    inner: &mut Scope,
) -> Result<Vec<(String, super::super::eval::Expr)>> {
    let given = match map.get("with") {
        Some(node) => entries(node, "`with`")?,
        None => &[],
    };
    for (key, _) in given {
        if !block.params.iter().any(|(param, ..)| *param == key.text) {
            let names: Vec<&str> = block.params.iter().map(|(name, ..)| &**name).collect();
            return Err(unknown(&key.text, &key.span, "parameter", &names)
                .expected(format!("a parameter of `{block_name}`")));
        }
    }
    let mut bindings = Vec::new();
    for (param, span, default) in &block.params {
        let argument = given.iter().find(|(key, _)| key.text == *param);
        let value = match (argument, default) {
            (Some((_, node)), _) => scope.value(node)?,
            (None, Some(default)) => Scope::default().value(default)?,
            (None, None) => {
                return Err(ScenarioError::invalid(
                    &node.span,
                    format!("`{block_name}` without its parameter `{param}`"),
                )
                .expected(format!("with: {{{param}: …}}")));
            }
        };
        if value.known().is_some() {
            inner.add_inline(param, span, value)?;
        } else {
            let ty = scope.type_of(&value)?;
            bindings.push((inner.add_slot(param, span, ty)?, value));
        }
    }
    Ok(bindings)
}

/// The connection of steps that name none.
pub(super) const DEFAULT_PEER: &str = "main";
