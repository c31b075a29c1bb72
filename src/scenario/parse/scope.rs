//! Names in force at a place of a case: variables, captures, block parameters, axes, connections.

use std::collections::{BTreeMap, BTreeSet};

use super::super::error::ScenarioError;
use super::super::eval::{Expr, ExprNode};
use super::super::expr::{self, Names};
use super::super::span::Span;
use super::super::types::{self, Type, Types};
use super::super::val::Val;
use super::super::yaml::{Node, Value};
use super::fields::{shown, unknown, wrong};

type Result<T> = std::result::Result<T, ScenarioError>;

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Binding {
    /// This expression, wherever it is used: `vars` and constant arguments.
    Inline(Expr),
    /// A variable of the play, under a name that is unique in the case.
    Slot(String, Type),
}

/// Names in force.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    names: BTreeMap<String, Binding>,
    /// Types of slots, for compiled expressions.
    slots: BTreeMap<String, Type>,
    /// Names that are lists to append to.
    lists: BTreeSet<String>,
    /// Slots of lists of this scope and of nested ones.
    all_lists: BTreeSet<String>,
    /// Axes of the matrix with the type of their values.
    axes: BTreeMap<String, Type>,
    /// A block on its own does not know who will use it.
    any_axis: bool,
    /// Stands before the slots of this scope: `block#2.`.
    prefix: String,
    /// Names of a block that the user of the block gets, and the user's slot for each.
    returns: BTreeMap<String, String>,
}

impl Scope {
    /// A scope for a block: nothing of the user's but the axes.
    pub(super) fn for_block(&self, prefix: String, returns: BTreeMap<String, String>) -> Self {
        Self {
            slots: self.slots.clone(),
            axes: self.axes.clone(),
            any_axis: self.any_axis,
            prefix,
            returns,
            ..Self::default()
        }
    }

    /// Lets expressions name any axis: for a block that is read on its own.
    pub(super) fn allow_any_axis(&mut self) {
        self.any_axis = true;
    }

    /// Adds an axis.
    pub(super) fn add_axis(&mut self, name: &str, ty: Type) {
        self.axes.insert(name.to_owned(), ty);
    }

    /// Makes a name stand for an expression.
    pub(super) fn add_inline(&mut self, name: &str, span: &Span, value: Expr) -> Result<()> {
        self.check_new(name, span)?;
        self.names.insert(name.to_owned(), Binding::Inline(value));
        Ok(())
    }

    /// Makes a name a variable of the play; gives its unique name.
    pub(super) fn add_slot(&mut self, name: &str, span: &Span, ty: Type) -> Result<String> {
        self.check_new(name, span)?;
        let slot = self.slot_name(name);
        self.slots.insert(slot.clone(), ty);
        let binding = Binding::Slot(slot.clone(), ty);
        self.names.insert(name.to_owned(), binding);
        Ok(slot)
    }

    /// Makes a name a list to append to, or appends to one that is.
    pub(super) fn add_list(&mut self, name: &str, span: &Span) -> Result<String> {
        if self.lists.contains(name) {
            return Ok(self.slot_name(name));
        }
        let slot = self.add_slot(name, span, Type::List)?;
        self.lists.insert(name.to_owned());
        self.all_lists.insert(slot.clone());
        Ok(slot)
    }

    /// The types of slots that a nested scope has learnt.
    pub(super) fn learn_types(&mut self, inner: &Self) {
        for (slot, ty) in &inner.slots {
            self.slots.entry(slot.clone()).or_insert(*ty);
        }
        self.all_lists.extend(inner.all_lists.iter().cloned());
    }

    /// Takes over the lists of a nested scope: what `repeat` leaves behind.
    pub(super) fn keep_lists(&mut self, inner: &Self) {
        for name in &inner.lists {
            if let Some(binding) = inner.names.get(name) {
                self.names.insert(name.clone(), binding.clone());
                self.lists.insert(name.clone());
            }
        }
        self.learn_types(inner);
    }

    /// The slots of every list that some step may append to.
    pub(super) fn list_slots(&self) -> BTreeSet<String> {
        self.all_lists.clone()
    }

    /// Whether a block has set a name that it promises to return, and whether it is a list.
    pub(super) fn returned(&self, name: &str) -> Option<(Type, bool)> {
        match self.names.get(name)? {
            Binding::Slot(_, ty) => Some((*ty, self.lists.contains(name))),
            Binding::Inline(_) => None,
        }
    }

    /// The name of a slot in the play.
    fn slot_name(&self, name: &str) -> String {
        match self.returns.get(name) {
            Some(slot) => slot.clone(),
            None => format!("{}{name}", self.prefix),
        }
    }

    /// The slot under which the play will know a name of this scope.
    pub(super) fn future_slot(&self, name: &str) -> String {
        self.slot_name(name)
    }

    fn check_new(&self, name: &str, span: &Span) -> Result<()> {
        if name == "matrix" || GLOBALS.iter().any(|(global, _)| first_word(global) == name) {
            return Err(
                ScenarioError::invalid(span, format!("`{name}` is a name of the format"))
                    .expected("another name"),
            );
        }
        if self.names.contains_key(name) {
            return Err(
                ScenarioError::invalid(span, format!("`{name}` is already set"))
                    .expected("a new name: values are set once"),
            );
        }
        Ok(())
    }

    /// Compiles `$name` or `${expression}`; `None` for other text.
    pub(super) fn compile(&self, text: &str, span: &Span) -> Result<Option<Expr>> {
        let Some(rest) = text.strip_prefix('$') else {
            return Ok(None);
        };
        // A quoted scalar's span starts at its quote.
        let quoted = u32::from(
            span.source_line()
                .chars()
                .nth(usize::try_from(span.col.saturating_sub(1)).unwrap_or(0))
                .is_some_and(|c| c == '"' || c == '\''),
        );
        let start = Span {
            col: span.col.saturating_add(quoted),
            ..span.clone()
        };
        let expr = if let Some(inside) = rest.strip_prefix('{') {
            let Some(inside) = inside.strip_suffix('}') else {
                return Err(ScenarioError::invalid(span, "`${` without `}` at the end"));
            };
            let inner = Span {
                col: start.col.saturating_add(2),
                ..start
            };
            expr::parse(inside, &inner, self)?
        } else {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            if rest.is_empty() || !rest.chars().all(plain) {
                return Err(ScenarioError::invalid(
                    span,
                    format!("`{}` is no variable", shown(text)),
                )
                .help("write expressions as \"${…}\""));
            }
            self.resolve(rest, span)?
        };
        types::infer(&expr, self)?;
        Ok(Some(expr))
    }

    /// Any value: a literal, an expression, a list of values, `{hex: …}`.
    pub(super) fn value(&self, node: &Node) -> Result<Expr> {
        match &node.value {
            Value::Int(n, _) => Ok(Expr::constant(&node.span, Val::Int(*n))),
            Value::Bool(b) => Ok(Expr::constant(&node.span, Val::Bool(*b))),
            Value::Text(text) => Ok(match self.compile(text, &node.span)? {
                Some(expr) => expr,
                None => Expr::constant(&node.span, Val::text(text)),
            }),
            Value::List(list) => {
                let entries = list
                    .iter()
                    .map(|entry| self.value(entry))
                    .collect::<Result<Vec<_>>>()?;
                constant_list(&node.span, entries)
            }
            Value::Map(entries) => match entries.as_slice() {
                [(key, value)] if key.text == "hex" => Ok(Expr::constant(
                    &node.span,
                    Val::Bytes(super::bytes::hex(value)?),
                )),
                _ => Err(wrong(node, "a value", &node.value).help("bytes are {hex: …}")),
            },
            other @ Value::Null => Err(wrong(node, "a value", other)),
        }
    }

    /// A value of a known type.
    pub(super) fn typed(&self, node: &Node, wanted: Type) -> Result<Expr> {
        let expr = self.value(node)?;
        types::want(&expr, self, wanted)?;
        Ok(expr)
    }

    /// The type of a compiled expression.
    pub(super) fn type_of(&self, expr: &Expr) -> Result<Type> {
        types::infer(expr, self)
    }
}

/// A list of constants is a constant: it needs no evaluation and no depth.
fn constant_list(span: &Span, entries: Vec<Expr>) -> Result<Expr> {
    let known: Option<Vec<Val>> = entries
        .iter()
        .map(|entry| match &*entry.node {
            ExprNode::Const(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    match known {
        Some(list) => Ok(Expr::constant(span, Val::List(list))),
        None => Expr::new(span, ExprNode::List(entries)),
    }
}

impl Names for Scope {
    fn resolve(&self, path: &str, span: &Span) -> Result<Expr> {
        let variable = |path: &str| Expr::new(span, ExprNode::Var(path.to_owned()));
        if let Some(binding) = self.names.get(path) {
            return match binding {
                Binding::Inline(expr) => Ok(expr.clone()),
                Binding::Slot(slot, _) => variable(slot),
            };
        }
        if global(path).is_some() {
            return variable(path);
        }
        if let Some(axis) = path.strip_prefix("matrix.") {
            if self.any_axis || self.axes.contains_key(axis) {
                return variable(path);
            }
            let axes: Vec<&str> = self.axes.keys().map(String::as_str).collect();
            return Err(
                unknown(axis, span, "axis", &axes).expected(match axes.as_slice() {
                    [] => "an axis; this case has no matrix".to_owned(),
                    _ => format!("one of {}", axes.join(", ")),
                }),
            );
        }
        let names = self
            .names
            .keys()
            .map(String::as_str)
            .chain(GLOBALS.iter().map(|(name, _)| *name))
            .collect::<Vec<_>>();
        let error = unknown(&format!("${path}"), span, "variable", &[]);
        Err(error
            .expected("a variable that an earlier step, `vars` or `with` sets")
            .nearest(path, names))
    }
}

impl Types for Scope {
    fn of_variable(&self, path: &str) -> Type {
        if let Some(ty) = self.slots.get(path) {
            return *ty;
        }
        if let Some(axis) = path.strip_prefix("matrix.") {
            return self.axes.get(axis).copied().unwrap_or(Type::Any);
        }
        global(path).unwrap_or(Type::Any)
    }
}

/// The type of a name of the format.
fn global(path: &str) -> Option<Type> {
    if let Some(number) = path.strip_prefix("fresh.") {
        let number: u32 = number.parse().ok()?;
        return (2..=FRESH).contains(&number).then_some(Type::Int);
    }
    GLOBALS
        .iter()
        .find(|(name, _)| *name == path)
        .map(|(_, ty)| *ty)
}

fn first_word(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

/// How many `$fresh.N` there are.
const FRESH: u32 = 16;

/// Names of the format (SCENARIOS 2).
pub(in super::super) const GLOBALS: [(&str, Type); 38] = [
    ("torrent.pieces", Type::Int),
    ("torrent.piece_len", Type::Int),
    ("torrent.total_len", Type::Int),
    ("torrent.last", Type::Int),
    ("torrent.last_len", Type::Int),
    ("torrent.blocks", Type::Int),
    ("torrent.shared", Type::Int),
    ("torrent.spare_bits", Type::Int),
    ("torrent.bitfield_len", Type::Int),
    ("torrent.info_len", Type::Int),
    ("torrent.info_pieces", Type::Int),
    ("torrent.info_hash", Type::Bytes),
    ("torrent.private", Type::Bool),
    ("tracker.peer_id", Type::Bytes),
    ("target.has", Type::List),
    ("target.missing", Type::List),
    ("target.allowed_fast", Type::List),
    ("target.port", Type::Int),
    ("target.dials", Type::Int),
    ("peer.ext.ut_metadata", Type::Int),
    ("peer.ext.ut_pex", Type::Int),
    ("peer.ext.lt_donthave", Type::Int),
    ("peer.ext.upload_only", Type::Int),
    ("peer.ext.ut_holepunch", Type::Int),
    ("peer.source", Type::Bytes),
    ("peer.outstanding", Type::Int),
    ("peer.max_outstanding", Type::Int),
    ("peer.reqq", Type::Int),
    ("peer.asked", Type::Int),
    ("peer.open", Type::Bool),
    ("peer.fast_set", Type::List),
    ("peer.fast", Type::Bool),
    ("peer.extended", Type::Bool),
    ("peer.dialled", Type::Bool),
    ("tester.peer_id", Type::Bytes),
    ("fresh", Type::Int),
    ("role", Type::Text),
    ("direction", Type::Text),
];
