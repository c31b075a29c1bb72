//! Message patterns, checked against the message table.

use std::path::Path;

use super::super::error::ScenarioError;
use super::super::pattern::{FieldPattern, Matcher, Pattern, PatternKind, Test, TestOp, Wanted};
use super::super::template::BytesTemplate;
use super::super::types::Type;
use super::super::val::Val;
use super::super::view::{HANDSHAKE_FIELDS, MALFORMED_FIELDS};
use super::super::yaml::{Key, Node, Value};
use super::bytes::{Around, bits_field, bytes, is_form, plain};
use super::fields::{list, name, one_or_more, text, unknown, wrong};
use super::message::{field_entries, named, unknown_field};
use super::scope::Scope;
use super::step::MODIFIERS;
use crate::wire::registry::{BITS, DICT, EXT_ID, RESERVED_BITS};
use crate::wire::{FieldType, Kind};

type Result<T> = std::result::Result<T, ScenarioError>;

/// Whether a pattern may keep values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// It may.
    Yes,
    /// It says what must not come: there is nothing to keep.
    No,
}

/// Keys of a matcher that keep the value.
const KEEP: [&str; 2] = ["capture", "append"];

/// A list of patterns, or one.
pub(super) fn patterns(
    node: &Node,
    scope: &mut Scope,
    folder: Option<&Path>,
    keeps: Keeps,
) -> Result<Vec<Pattern>> {
    one_or_more(node)?
        .iter()
        .map(|node| pattern(node, scope, folder, keeps))
        .collect()
}

/// A list of patterns.
pub(super) fn pattern_list(
    node: &Node,
    scope: &mut Scope,
    folder: Option<&Path>,
) -> Result<Vec<Pattern>> {
    list(node, "`all_of`")?;
    patterns(node, scope, folder, Keeps::Yes)
}

/// One pattern. Captures enter `scope`.
pub(super) fn pattern(
    node: &Node,
    scope: &mut Scope,
    folder: Option<&Path>,
    keeps: Keeps,
) -> Result<Pattern> {
    let (text, span, fields) = named(node, "a message")?;
    let what = kind(text).ok_or_else(|| {
        let names: Vec<&str> = Kind::names()
            .chain([PatternKind::HANDSHAKE, PatternKind::MALFORMED])
            .collect();
        unknown(text, span, "message", &names).expected("a message")
    })?;
    let mut reader = Reader {
        scope,
        folder,
        keeps,
    };
    let fields = field_entries(fields)?
        .iter()
        .map(|(key, node)| {
            let shape = shape(what, key)?;
            reader.field(key, node, shape)
        })
        .collect::<Result<_>>()?;
    Ok(Pattern {
        span: span.clone(),
        what,
        fields,
    })
}

fn kind(name: &str) -> Option<PatternKind> {
    match name {
        PatternKind::HANDSHAKE => Some(PatternKind::Handshake),
        PatternKind::MALFORMED => Some(PatternKind::Malformed),
        _ => Kind::by_name(name).map(PatternKind::Kind),
    }
}

/// What a value can be, as far as the table tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Int,
    /// A bit of the handshake.
    Bit,
    Bytes,
    /// Bytes of a bitfield.
    Bits,
    /// A bencoded string.
    Text,
    Dict,
    /// A key that the table does not know.
    Any,
}

fn shape(what: PatternKind, key: &Key) -> Result<Shape> {
    let kind = match what {
        PatternKind::Handshake => {
            if HANDSHAKE_FIELDS.contains(&key.text.as_str()) {
                return Ok(Shape::Bytes);
            }
            if RESERVED_BITS.iter().any(|bit| bit.name == key.text) {
                return Ok(Shape::Bit);
            }
            let names: Vec<&str> = HANDSHAKE_FIELDS
                .into_iter()
                .chain(RESERVED_BITS.iter().map(|bit| bit.name))
                .collect();
            return Err(unknown(&key.text, &key.span, "field", &names)
                .expected(format!("a field of `handshake`: {}", names.join(", "))));
        }
        PatternKind::Malformed => {
            return match key.text.as_str() {
                "id" => Ok(Shape::Int),
                "payload" => Ok(Shape::Bytes),
                other => Err(unknown(other, &key.span, "field", &MALFORMED_FIELDS)
                    .expected("a field of `malformed`: id, payload")),
            };
        }
        PatternKind::Kind(kind) => kind,
    };
    let row = kind.spec();
    if kind.is_extension() && key.text == EXT_ID.name {
        return Ok(Shape::Int);
    }
    let is_dict = row.fields.iter().any(|field| **field == DICT);
    let fields = if is_dict { row.keys } else { row.fields };
    if let Some(field) = fields.iter().find(|field| field.name == key.text) {
        return Ok(match field.ty {
            FieldType::Bytes if **field == BITS => Shape::Bits,
            FieldType::U8
            | FieldType::U16
            | FieldType::U32
            | FieldType::Int
            | FieldType::OptionalInt => Shape::Int,
            FieldType::Bytes | FieldType::Hash => Shape::Bytes,
            FieldType::Text => Shape::Text,
            FieldType::Dict => Shape::Dict,
        });
    }
    if is_dict && !MODIFIERS.contains(&key.text.as_str()) {
        return Ok(Shape::Any);
    }
    let mut names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    if kind.is_extension() {
        names.push(EXT_ID.name);
    }
    Err(unknown_field(key, kind, &names))
}

struct Reader<'a> {
    scope: &'a mut Scope,
    folder: Option<&'a Path>,
    keeps: Keeps,
}

impl Reader<'_> {
    fn field(&mut self, key: &Key, node: &Node, shape: Shape) -> Result<FieldPattern> {
        Ok(FieldPattern {
            name: key.text.clone(),
            span: key.span.clone(),
            matcher: self.matcher(node, shape)?,
        })
    }

    fn matcher(&mut self, node: &Node, shape: Shape) -> Result<Matcher> {
        let Value::Map(entries) = &node.value else {
            return self.wanted(node, shape).map(Matcher::Equals);
        };
        if self.is_tests(entries) {
            return self.tests(entries, shape);
        }
        match shape {
            Shape::Dict | Shape::Any if !is_form(node) => entries
                .iter()
                .map(|(key, node)| self.field(key, node, Shape::Any))
                .collect::<Result<_>>()
                .map(Matcher::Dict),
            Shape::Int | Shape::Bit => {
                let (key, _) = entries
                    .iter()
                    .find(|(key, _)| !is_test(&key.text))
                    .or_else(|| entries.first())
                    .ok_or_else(|| wrong(node, "a matcher", &node.value))?;
                Err(unknown_matcher(key))
            }
            _ if is_form(node) => self.wanted(node, shape).map(Matcher::Equals),
            _ => match entries.iter().find(|(key, _)| !is_test(&key.text)) {
                Some((key, _)) => Err(unknown_matcher(key)),
                None => Err(wrong(node, "a matcher", &node.value)),
            },
        }
    }

    fn is_tests(&self, entries: &[(Key, Node)]) -> bool {
        !entries.is_empty() && entries.iter().all(|(key, _)| is_test(&key.text))
    }

    fn tests(&mut self, entries: &[(Key, Node)], shape: Shape) -> Result<Matcher> {
        let mut tests = Vec::new();
        let (mut capture, mut append) = (None, None);
        for (key, node) in entries {
            if KEEP.contains(&key.text.as_str()) {
                if self.keeps == Keeps::No {
                    return Err(ScenarioError::invalid(
                        &key.span,
                        "nothing is kept of what must not come",
                    ));
                }
                let name = name(text(node)?, &node.span)?;
                if key.text == "append" {
                    append = Some(self.scope.add_list(&name, &node.span)?);
                } else {
                    capture = Some(self.scope.add_slot(&name, &node.span, ty(shape))?);
                }
                continue;
            }
            let op = TestOp::ALL
                .into_iter()
                .find(|op| op.name() == key.text)
                .ok_or_else(|| unknown_matcher(key))?;
            tests.push(Test {
                span: key.span.clone(),
                op,
                wanted: self.test(op, key, node, shape)?,
            });
        }
        Ok(Matcher::Tests {
            tests,
            capture,
            append,
        })
    }

    fn test(&self, op: TestOp, key: &Key, node: &Node, shape: Shape) -> Result<Wanted> {
        let typed = |scope: &Scope, ty| scope.typed(node, ty).map(Wanted::Expr);
        let numbers = matches!(shape, Shape::Int | Shape::Any);
        let sized = !matches!(shape, Shape::Int | Shape::Bit);
        match op {
            TestOp::Gt | TestOp::Ge | TestOp::Lt | TestOp::Le if numbers => {
                typed(self.scope, Type::Int)
            }
            TestOp::Eq => self.wanted(node, shape),
            TestOp::In => typed(self.scope, Type::List),
            TestOp::Len | TestOp::Longer | TestOp::Shorter if sized => typed(self.scope, Type::Int),
            TestOp::Sha1 if sized => self.digest(node),
            TestOp::Hex if sized => {
                let bytes = super::bytes::hex(node)?;
                Ok(Wanted::Bytes(BytesTemplate::Literal(bytes)))
            }
            TestOp::Names if sized => self.bytes(node, false),
            TestOp::Present => typed(self.scope, Type::Bool),
            _ => Err(ScenarioError::invalid(
                &key.span,
                format!("`{}` does not fit {}", op.name(), describe(shape)),
            )),
        }
    }

    /// 40 hex digits or an expression.
    fn digest(&self, node: &Node) -> Result<Wanted> {
        if let Value::Text(text) = &node.value
            && let Some(expr) = self.scope.compile(text, &node.span)?
        {
            return Ok(Wanted::Expr(expr));
        }
        let bytes = super::bytes::hex(node)?;
        if bytes.len() != 20 {
            let message = format!("a SHA-1 has 20 bytes, not {}", bytes.len());
            return Err(ScenarioError::invalid(&node.span, message));
        }
        Ok(Wanted::Expr(super::super::eval::Expr::constant(
            &node.span,
            Val::Bytes(bytes),
        )))
    }

    fn wanted(&self, node: &Node, shape: Shape) -> Result<Wanted> {
        let scope = &*self.scope;
        match shape {
            Shape::Int => scope.typed(node, Type::Int).map(Wanted::Expr),
            Shape::Bit => scope.typed(node, Type::Bool).map(Wanted::Expr),
            Shape::Bits => match bits_field(node, scope)? {
                Some(bits) => Ok(Wanted::Bytes(BytesTemplate::Bits(bits))),
                None => self.bytes(node, false),
            },
            Shape::Bytes => self.bytes(node, false),
            Shape::Text => self.bytes(node, true),
            Shape::Dict => Err(wrong(node, "a map of keys", &node.value)),
            Shape::Any if is_form(node) => self.bytes(node, true),
            Shape::Any => scope.value(node).map(Wanted::Expr),
        }
    }

    fn bytes(&self, node: &Node, plain_text: bool) -> Result<Wanted> {
        let around = Around {
            plain_text,
            ..plain(self.scope, self.folder)
        };
        bytes(node, &around).map(Wanted::Bytes)
    }
}

fn is_test(key: &str) -> bool {
    KEEP.contains(&key) || TestOp::ALL.iter().any(|op| op.name() == key)
}

fn unknown_matcher(key: &Key) -> ScenarioError {
    let names: Vec<&str> = TestOp::ALL.iter().map(|op| op.name()).chain(KEEP).collect();
    unknown(&key.text, &key.span, "matcher", &names)
        .expected(format!("one of {}", names.join(", ")))
}

fn ty(shape: Shape) -> Type {
    match shape {
        Shape::Int | Shape::Bit => Type::Int,
        Shape::Bytes | Shape::Bits | Shape::Text | Shape::Dict => Type::Bytes,
        Shape::Any => Type::Any,
    }
}

fn describe(shape: Shape) -> &'static str {
    match shape {
        Shape::Int => "a number",
        Shape::Bit => "a reserved bit",
        Shape::Bytes | Shape::Bits | Shape::Text => "bytes",
        Shape::Dict => "a dictionary",
        Shape::Any => "this value",
    }
}
