//! Expressions as text.

use super::super::eval::{Expr, ExprNode};
use super::super::val::{Val, hex};
use super::emit::Yaml;
use super::names::Names;

/// An expression where a value stands: a literal, `$name` or `"${…}"`.
pub(super) fn scalar(expr: &Expr, names: &Names) -> Yaml {
    match &*expr.node {
        ExprNode::Const(value) => literal(value),
        ExprNode::Var(path) => Yaml::Raw(format!("${}", names.local(path))),
        ExprNode::List(list) => Yaml::List(list.iter().map(|entry| scalar(entry, names)).collect()),
        _ => Yaml::text(&format!("${{{}}}", inner(expr, names))),
    }
}

/// As [`scalar`], where text would not be an expression.
pub(super) fn computed(expr: &Expr, names: &Names) -> Yaml {
    match &*expr.node {
        ExprNode::Const(Val::Text(_)) => Yaml::text(&format!("${{{}}}", inner(expr, names))),
        _ => scalar(expr, names),
    }
}

/// As one word of `target`.
pub(super) fn word(expr: &Expr, names: &Names) -> String {
    match &*expr.node {
        ExprNode::Const(Val::Text(text)) => text.to_string(),
        ExprNode::Const(value) => value.to_string(),
        ExprNode::Var(path) => format!("${}", names.local(path)),
        _ => format!("${{{}}}", inner(expr, names)).replace(' ', ""),
    }
}

fn literal(value: &Val) -> Yaml {
    match value {
        Val::Int(n) => Yaml::Raw(n.to_string()),
        Val::Bool(b) => Yaml::Raw(b.to_string()),
        Val::Text(text) if text.starts_with('$') => {
            Yaml::text(&format!("${{{}}}", constant(value)))
        }
        Val::Text(text) => Yaml::text(text),
        Val::Bytes(bytes) => Yaml::map([("hex", Yaml::Raw(format!("\"{}\"", hex(bytes))))]),
        Val::List(list) => Yaml::List(list.iter().map(literal).collect()),
    }
}

/// The inside of `${…}`, in as many parentheses as are needed to read it the same.
fn inner(expr: &Expr, names: &Names) -> String {
    let part = |expr: &Expr| match &*expr.node {
        ExprNode::Binary(..) | ExprNode::If(..) => format!("({})", inner(expr, names)),
        _ => inner(expr, names),
    };
    let list = |list: &[Expr]| {
        let parts: Vec<String> = list.iter().map(|entry| inner(entry, names)).collect();
        parts.join(", ")
    };
    match &*expr.node {
        ExprNode::Const(value) => constant(value),
        ExprNode::Var(path) => format!("${}", names.local(path)),
        ExprNode::List(entries) => format!("[{}]", list(entries)),
        ExprNode::Not(inner) => format!("!{}", part(inner)),
        ExprNode::Binary(op, a, b) => format!("{} {} {}", part(a), op.sign(), part(b)),
        ExprNode::If(condition, a, b) => {
            format!("{} ? {} : {}", part(condition), part(a), part(b))
        }
        ExprNode::Call(function, arguments) => {
            format!("{}({})", function.name(), list(arguments))
        }
    }
}

fn constant(value: &Val) -> String {
    match value {
        Val::Int(n) => n.to_string(),
        Val::Bool(b) => b.to_string(),
        Val::Text(text) if text.contains('\'') => format!("\"{text}\""),
        Val::Text(text) => format!("'{text}'"),
        Val::Bytes(bytes) => format!("x'{}'", hex(bytes)),
        Val::List(list) => {
            let parts: Vec<String> = list.iter().map(constant).collect();
            format!("[{}]", parts.join(", "))
        }
    }
}
