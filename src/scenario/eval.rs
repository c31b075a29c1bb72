//! Expressions of scenario files in compiled form, and how they are evaluated.
//!
//! Numbers are 0 to 2^64 - 1 and every operation is checked (SCENARIOS 3.19). `expr` parses them,
//! `types` checks them before the play.

use std::collections::BTreeSet;
use std::iter::StepBy;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::ast::{Direction, Role};
use super::error::ScenarioError;
use super::limits;
use super::play::Play;
use super::span::Span;
use super::val::Val;
use crate::wire::BlockRef;

/// Where variables come from at play.
pub trait Env {
    /// `torrent.*` (see [`torrent_value`](super::torrent_value)), `target.has`, `target.missing`,
    /// `target.allowed_fast`, `peer.ext.ut_metadata` and `tester.peer_id` (of the step's
    /// connection), `fresh`, `fresh.2` to `fresh.16`, and captured, appended or bound names. Not
    /// `matrix.*`, `role`, `direction`: those come from [`Env::play`].
    fn get(&self, path: &str) -> Option<Val>;

    /// The play, for `matrix.*`, `role` and `direction`.
    fn play(&self) -> Option<&Play> {
        None
    }

    /// Bytes of the torrent.
    fn block(&self, _block: &BlockRef) -> Option<Bytes> {
        None
    }

    /// The info dictionary's exact bytes.
    fn info(&self) -> Option<Bytes> {
        None
    }
}

/// An environment without variables.
pub struct NoEnv;

impl Env for NoEnv {
    fn get(&self, _path: &str) -> Option<Val> {
        None
    }
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// Where it stands.
    pub span: Span,
    /// What it computes.
    pub node: Arc<ExprNode>,
    /// Levels below and including this one, `vars` in place.
    depth: usize,
    /// Nodes to visit when it is evaluated, `vars` in place.
    weight: usize,
}

/// The forms of an expression.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ExprNode {
    Const(Val),
    Var(String),
    List(Vec<Expr>),
    Not(Expr),
    Binary(BinaryOp, Expr, Expr),
    If(Expr, Expr, Expr),
    Call(Function, Vec<Expr>),
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    And,
    Or,
}

/// Functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Function {
    Min,
    Max,
    Len,
    Port,
    Range,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Min, Self::Max, Self::Len, Self::Port, Self::Range];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Max => "max",
            Self::Len => "len",
            Self::Port => "port",
            Self::Range => "range",
        }
    }
}

impl BinaryOp {
    /// How it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Rem => "%",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::In => "in",
            Self::And => "&&",
            Self::Or => "||",
        }
    }
}

impl Expr {
    /// Builds an expression; an error if it is too deep or too large to evaluate.
    pub(super) fn new(span: &Span, node: ExprNode) -> Result<Self, ScenarioError> {
        let children = node.children();
        let depth = children.iter().map(|child| child.depth).max().unwrap_or(0) + 1;
        let weight = children.iter().map(|child| child.weight).sum::<usize>() + 1;
        if depth > limits::EXPR_DEPTH {
            let message = format!("expression deeper than {} levels", limits::EXPR_DEPTH);
            return Err(ScenarioError::invalid(span, message));
        }
        if weight > limits::EXPR_NODES {
            let message = format!("expression of more than {} parts", limits::EXPR_NODES);
            return Err(ScenarioError::invalid(span, message));
        }
        Ok(Self {
            span: span.clone(),
            node: Arc::new(node),
            depth,
            weight,
        })
    }

    /// A constant.
    pub fn constant(span: &Span, value: Val) -> Self {
        Self {
            span: span.clone(),
            node: Arc::new(ExprNode::Const(value)),
            depth: 1,
            weight: 1,
        }
    }

    /// A variable.
    pub fn variable(span: &Span, path: &str) -> Self {
        Self {
            span: span.clone(),
            node: Arc::new(ExprNode::Var(path.to_owned())),
            depth: 1,
            weight: 1,
        }
    }

    /// Its value, if that is known without a play.
    pub fn known(&self) -> Option<Val> {
        match &*self.node {
            ExprNode::Const(value) => Some(value.clone()),
            _ if self.variables().is_empty() => self.eval(&NoEnv).ok(),
            _ => None,
        }
    }

    /// Every variable in it.
    pub fn variables(&self) -> Vec<&str> {
        match &*self.node {
            ExprNode::Var(path) => vec![path],
            node => node
                .children()
                .into_iter()
                .flat_map(Self::variables)
                .collect(),
        }
    }

    /// Computes the value.
    pub fn eval(&self, env: &dyn Env) -> Result<Val, ScenarioError> {
        match &*self.node {
            ExprNode::Const(value) => Ok(value.clone()),
            ExprNode::Var(path) => self.lookup(path, env),
            ExprNode::List(list) => Ok(Val::List(
                list.iter()
                    .map(|entry| entry.eval(env))
                    .collect::<Result<_, _>>()?,
            )),
            ExprNode::Not(inner) => Ok(Val::Bool(!inner.eval_bool(env)?)),
            ExprNode::Binary(BinaryOp::And, a, b) => {
                Ok(Val::Bool(a.eval_bool(env)? && b.eval_bool(env)?))
            }
            ExprNode::Binary(BinaryOp::Or, a, b) => {
                Ok(Val::Bool(a.eval_bool(env)? || b.eval_bool(env)?))
            }
            ExprNode::Binary(op, a, b) => self.binary(*op, a.eval(env)?, b.eval(env)?),
            ExprNode::If(condition, then, otherwise) => {
                if condition.eval_bool(env)? {
                    then.eval(env)
                } else {
                    otherwise.eval(env)
                }
            }
            ExprNode::Call(function, arguments) => {
                let values = arguments
                    .iter()
                    .map(|argument| argument.eval(env))
                    .collect::<Result<Vec<_>, _>>()?;
                self.call(*function, values)
            }
        }
    }

    /// As [`Expr::eval`], for a number that is not negative.
    pub fn eval_u64(&self, env: &dyn Env) -> Result<u64, ScenarioError> {
        match self.eval(env)? {
            Val::Int(n) => u64::try_from(n).map_err(|_| self.fault(format!("{n} is negative"))),
            other => Err(self.wrong_type("a number", &other)),
        }
    }

    /// As [`Expr::eval`], for a condition.
    pub fn eval_bool(&self, env: &dyn Env) -> Result<bool, ScenarioError> {
        match self.eval(env)? {
            Val::Bool(b) => Ok(b),
            other => Err(self.wrong_type("true or false", &other)),
        }
    }

    /// As [`Expr::eval`], for a list of numbers; a single number is a list of one.
    pub fn eval_pieces(&self, env: &dyn Env) -> Result<Vec<u32>, ScenarioError> {
        let index =
            |n: i128| u32::try_from(n).map_err(|_| self.fault(format!("{n} is no piece index")));
        // A condition may ask for all the pieces of a torrent, and is looked at for every message.
        if let ExprNode::Call(Function::Range, args) = &*self.node {
            let values: Result<Vec<Val>, ScenarioError> =
                args.iter().map(|arg| arg.eval(env)).collect();
            let numbers = self.range(&values?)?.take(limits::LIST + 1);
            return self.bounded(numbers.map(index).collect::<Result<_, _>>()?);
        }
        let list = match self.eval(env)? {
            Val::List(list) => list,
            one => vec![one],
        };
        list.iter()
            .map(|entry| match entry {
                Val::Int(n) => index(*n),
                other => Err(self.wrong_type("a piece index", other)),
            })
            .collect()
    }

    fn fault(&self, message: impl Into<String>) -> ScenarioError {
        ScenarioError::runtime(&self.span, message)
    }

    fn wrong_type(&self, wanted: &str, got: &Val) -> ScenarioError {
        self.fault(format!("expected {wanted}, got {}", got.kind()))
    }

    fn lookup(&self, path: &str, env: &dyn Env) -> Result<Val, ScenarioError> {
        let found = match (path, env.play()) {
            ("role", Some(play)) => Some(Val::text(match play.role {
                Role::Seed => "seed",
                Role::Leech => "leech",
            })),
            ("direction", Some(play)) => Some(Val::text(match play.direction {
                Direction::Dialled => "dialled",
                Direction::Dials => "dials",
            })),
            (_, play) => match (path.strip_prefix("matrix."), play) {
                (Some(axis), Some(play)) => match play.axis(axis) {
                    Some(value) => Some(value.eval(env)?),
                    None => None,
                },
                _ => env.get(path),
            },
        };
        found.ok_or_else(|| self.fault(format!("`${path}` has no value here")))
    }

    fn binary(&self, op: BinaryOp, a: Val, b: Val) -> Result<Val, ScenarioError> {
        use BinaryOp as O;
        let sign = op.sign();
        match (op, a, b) {
            (O::Eq, a, b) => Ok(Val::Bool(a.same(&b))),
            (O::Ne, a, b) => Ok(Val::Bool(!a.same(&b))),
            (O::In, a, Val::List(list)) => Ok(Val::Bool(list.iter().any(|entry| a.same(entry)))),
            (O::Lt, Val::Int(a), Val::Int(b)) => Ok(Val::Bool(a < b)),
            (O::Le, Val::Int(a), Val::Int(b)) => Ok(Val::Bool(a <= b)),
            (O::Gt, Val::Int(a), Val::Int(b)) => Ok(Val::Bool(a > b)),
            (O::Ge, Val::Int(a), Val::Int(b)) => Ok(Val::Bool(a >= b)),
            (O::Add, Val::List(mut a), Val::List(b)) => {
                a.extend(b);
                self.bounded_list(a)
            }
            (O::Sub, Val::List(a), Val::List(b)) => self.without(a, &b).map(Val::List),
            (O::Add, Val::Bytes(a), Val::Bytes(b)) => {
                let len = a.len().saturating_add(b.len());
                if len > limits::VALUE_LEN {
                    return Err(
                        self.fault(format!("value of more than {} bytes", limits::VALUE_LEN))
                    );
                }
                let mut joined = BytesMut::with_capacity(len);
                joined.extend_from_slice(&a);
                joined.extend_from_slice(&b);
                Ok(Val::Bytes(joined.freeze()))
            }
            (O::Div | O::Rem, Val::Int(_), Val::Int(0)) => Err(self.fault("division by zero")),
            (O::Add | O::Sub | O::Mul | O::Div | O::Rem, Val::Int(a), Val::Int(b)) => {
                let result = match op {
                    O::Add => a.checked_add(b),
                    O::Sub => a.checked_sub(b),
                    O::Mul => a.checked_mul(b),
                    O::Div => a.checked_div(b),
                    _ => a.checked_rem(b),
                };
                result
                    .filter(|n| u64::try_from(*n).is_ok())
                    .map(Val::Int)
                    .ok_or_else(|| {
                        self.fault(format!("{a} {sign} {b} is outside of 0 to 2^64 - 1"))
                    })
            }
            (_, a, b) => Err(self.fault(format!(
                "`{sign}` is not made for {} and {}",
                a.kind(),
                b.kind()
            ))),
        }
    }

    /// A list without the entries of another.
    fn without(&self, mut list: Vec<Val>, other: &[Val]) -> Result<Vec<Val>, ScenarioError> {
        let numbers: Option<BTreeSet<i128>> = other
            .iter()
            .map(|entry| match entry {
                Val::Int(n) => Some(*n),
                _ => None,
            })
            .collect();
        match numbers {
            Some(numbers) => {
                list.retain(|entry| !matches!(entry, Val::Int(n) if numbers.contains(n)));
            }
            None if list.len().saturating_mul(other.len()) > limits::LIST => {
                return Err(self.fault("lists of this length are taken apart by numbers only"));
            }
            None => list.retain(|entry| !other.iter().any(|other| entry.same(other))),
        }
        Ok(list)
    }

    fn call(&self, function: Function, mut values: Vec<Val>) -> Result<Val, ScenarioError> {
        match function {
            Function::Len => match values.as_slice() {
                [Val::Bytes(bytes)] => Ok(Val::Int(bytes.len() as i128)),
                [Val::List(list)] => Ok(Val::Int(list.len() as i128)),
                _ => Err(self.fault("`len` takes bytes or a list")),
            },
            // BEP 23: a contact ends with its port.
            Function::Port => match values.as_slice() {
                [Val::Bytes(bytes)] if matches!(bytes.len(), 6 | 18) => {
                    let port = bytes.last_chunk().copied().unwrap_or_default();
                    Ok(Val::Int(u16::from_be_bytes(port).into()))
                }
                _ => Err(self.fault("`port` takes a contact of 6 or 18 bytes")),
            },
            Function::Min | Function::Max => {
                if let [Val::List(_)] = values.as_slice()
                    && let Some(Val::List(list)) = values.pop()
                {
                    values = list;
                }
                let mut numbers = Vec::with_capacity(values.len());
                for value in &values {
                    match value {
                        Val::Int(n) => numbers.push(*n),
                        other => return Err(self.wrong_type("numbers", other)),
                    }
                }
                let found = match function {
                    Function::Min => numbers.into_iter().min(),
                    _ => numbers.into_iter().max(),
                };
                found
                    .map(Val::Int)
                    .ok_or_else(|| self.fault(format!("`{}` of nothing", function.name())))
            }
            Function::Range => {
                let numbers = self.range(&values)?.take(limits::LIST + 1);
                self.bounded_list(numbers.map(Val::Int).collect())
            }
        }
    }

    /// The numbers of `range` with these arguments.
    fn range(&self, values: &[Val]) -> Result<StepBy<Range<i128>>, ScenarioError> {
        let mut numbers = Vec::with_capacity(3);
        for value in values {
            match value {
                Val::Int(n) => numbers.push(*n),
                other => return Err(self.wrong_type("numbers", other)),
            }
        }
        let (from, below, step) = match numbers.as_slice() {
            [from, below] => (*from, *below, 1),
            [from, below, step] => (*from, *below, *step),
            _ => return Err(self.fault("`range` takes start, end and maybe a step")),
        };
        match usize::try_from(step).ok().filter(|step| *step > 0) {
            Some(step) => Ok((from..below).step_by(step)),
            None => Err(self.fault("the step of `range` must be at least 1")),
        }
    }

    fn bounded_list(&self, list: Vec<Val>) -> Result<Val, ScenarioError> {
        self.bounded(list).map(Val::List)
    }

    fn bounded<T>(&self, list: Vec<T>) -> Result<Vec<T>, ScenarioError> {
        if list.len() > limits::LIST {
            return Err(self.fault(format!("list of more than {} entries", limits::LIST)));
        }
        Ok(list)
    }
}

impl ExprNode {
    fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Const(_) | Self::Var(_) => Vec::new(),
            Self::List(list) | Self::Call(_, list) => list.iter().collect(),
            Self::Not(inner) => vec![inner],
            Self::Binary(_, a, b) => vec![a, b],
            Self::If(a, b, c) => vec![a, b, c],
        }
    }
}
