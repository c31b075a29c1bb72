//! Types of expressions, as far as they are known before a play.

use super::error::ScenarioError;
use super::eval::{BinaryOp, Expr, ExprNode, Function};
use super::val::Val;

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// A number.
    Int,
    /// True or false.
    Bool,
    /// Bytes; text where it is compared with bytes.
    Bytes,
    /// A list.
    List,
    /// A word.
    Text,
    /// Not known before the play.
    Any,
}

impl Type {
    /// Of a value.
    pub(super) fn of(value: &Val) -> Self {
        match value {
            Val::Int(_) => Self::Int,
            Val::Bool(_) => Self::Bool,
            Val::Bytes(_) => Self::Bytes,
            Val::List(_) => Self::List,
            Val::Text(_) => Self::Text,
        }
    }

    /// For messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Int => "a number",
            Self::Bool => "true or false",
            Self::Bytes => "bytes",
            Self::List => "a list",
            Self::Text => "text",
            Self::Any => "anything",
        }
    }

    /// Whether a value of this type may stand where `wanted` is.
    pub(super) fn fits(self, wanted: Self) -> bool {
        self == wanted || self == Self::Any || wanted == Self::Any
    }

    fn either(self, other: Self) -> Self {
        if self == other { self } else { Self::Any }
    }
}

/// Types of variables.
pub(super) trait Types {
    /// The type of a variable that an expression names after compilation.
    fn of_variable(&self, path: &str) -> Type;
}

/// The type of an expression; an error where operands cannot go together.
pub(super) fn infer(expr: &Expr, types: &dyn Types) -> Result<Type, ScenarioError> {
    Ok(match &*expr.node {
        ExprNode::Const(value) => Type::of(value),
        ExprNode::Var(path) => types.of_variable(path),
        ExprNode::List(list) => {
            for entry in list {
                infer(entry, types)?;
            }
            Type::List
        }
        ExprNode::Not(inner) => {
            want(inner, types, Type::Bool)?;
            Type::Bool
        }
        ExprNode::Binary(op, a, b) => binary(expr, *op, infer(a, types)?, infer(b, types)?)?,
        ExprNode::If(condition, a, b) => {
            want(condition, types, Type::Bool)?;
            infer(a, types)?.either(infer(b, types)?)
        }
        ExprNode::Call(function, arguments) => call(*function, arguments, types)?,
    })
}

/// Checks that an expression can give `wanted`.
pub(super) fn want(expr: &Expr, types: &dyn Types, wanted: Type) -> Result<(), ScenarioError> {
    let got = infer(expr, types)?;
    if got.fits(wanted) {
        return Ok(());
    }
    Err(ScenarioError::invalid(
        &expr.span,
        format!("expected {}, got {}", wanted.name(), got.name()),
    ))
}

fn binary(expr: &Expr, op: BinaryOp, a: Type, b: Type) -> Result<Type, ScenarioError> {
    use BinaryOp as O;
    let both = |wanted: Type| a.fits(wanted) && b.fits(wanted);
    let fits = match op {
        O::Eq | O::Ne => a.fits(b) || both(Type::Bytes) || texts(a, b),
        O::In => b.fits(Type::List),
        O::And | O::Or => both(Type::Bool),
        O::Add => both(Type::Int) || both(Type::List) || both(Type::Bytes),
        O::Sub => both(Type::Int) || both(Type::List),
        _ => both(Type::Int),
    };
    if !fits {
        return Err(ScenarioError::invalid(
            &expr.span,
            format!(
                "`{}` is not made for {} and {}",
                op.sign(),
                a.name(),
                b.name()
            ),
        ));
    }
    Ok(match op {
        O::Add | O::Sub => a.either(b),
        O::Mul | O::Div | O::Rem => Type::Int,
        _ => Type::Bool,
    })
}

/// Text may be compared with bytes.
fn texts(a: Type, b: Type) -> bool {
    matches!(
        (a, b),
        (Type::Text, Type::Bytes) | (Type::Bytes, Type::Text)
    )
}

fn call(function: Function, arguments: &[Expr], types: &dyn Types) -> Result<Type, ScenarioError> {
    match (function, arguments) {
        (Function::Len, [argument]) => {
            let got = infer(argument, types)?;
            if !got.fits(Type::List) && !got.fits(Type::Bytes) {
                let message = format!("`len` takes bytes or a list, got {}", got.name());
                return Err(ScenarioError::invalid(&argument.span, message));
            }
            Ok(Type::Int)
        }
        (Function::Port, [contact]) => {
            want(contact, types, Type::Bytes)?;
            Ok(Type::Int)
        }
        (Function::Min | Function::Max, [one]) => {
            want(one, types, Type::List)?;
            Ok(Type::Int)
        }
        (Function::Min | Function::Max | Function::Len | Function::Port, _) => {
            for argument in arguments {
                want(argument, types, Type::Int)?;
            }
            Ok(Type::Int)
        }
        (Function::Range, _) => {
            for argument in arguments {
                want(argument, types, Type::Int)?;
            }
            Ok(Type::List)
        }
    }
}
