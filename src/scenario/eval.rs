//! Expressions of scenario files: values, the compiled form, and how they are evaluated.

use std::sync::Arc;

use bytes::Bytes;

use super::Play;
use super::error::ScenarioError;
use super::span::Span;
use crate::wire::BlockRef;

/// A value at play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Val {
    /// A number. Operators give 0 to 2^64 - 1 or an error; what was captured may be negative.
    Int(i128),
    /// True or false.
    Bool(bool),
    /// Raw bytes.
    Bytes(Bytes),
    /// A list.
    List(Vec<Val>),
    /// A word, only to compare with and to name things.
    Text(Arc<str>),
}

/// Where variables come from at play.
pub trait Env {
    /// `torrent.pieces`, `target.has`, `peer.ext.ut_metadata` (of the step's peer), `fresh`,
    /// `fresh.2`, and captured or bound names. Not `matrix.*`, `role`, `direction`: those come
    /// from [`Env::play`].
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

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// Where it stands.
    pub span: Span,
    /// What it computes.
    pub node: Arc<ExprNode>,
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
    Range,
}

impl Expr {
    /// Computes the value.
    pub fn eval(&self, env: &dyn Env) -> Result<Val, ScenarioError> {
        let _ = env;
        Err(ScenarioError::runtime(&self.span, "not evaluated yet"))
    }

    /// As [`Expr::eval`], for a number.
    pub fn eval_u64(&self, env: &dyn Env) -> Result<u64, ScenarioError> {
        match self.eval(env)? {
            Val::Int(n) => u64::try_from(n)
                .map_err(|_| ScenarioError::runtime(&self.span, format!("{n} is no size"))),
            other => Err(ScenarioError::runtime(
                &self.span,
                format!("expected a number, got {other:?}"),
            )),
        }
    }

    /// As [`Expr::eval`], for a condition.
    pub fn eval_bool(&self, env: &dyn Env) -> Result<bool, ScenarioError> {
        match self.eval(env)? {
            Val::Bool(b) => Ok(b),
            other => Err(ScenarioError::runtime(
                &self.span,
                format!("expected true or false, got {other:?}"),
            )),
        }
    }
}
