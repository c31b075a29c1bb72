//! Matching messages against patterns, and saying why not.

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::error::ScenarioError;
use super::eval::Env;
use super::pattern::{Captures, FieldPattern, Matcher, Pattern, Test, TestOp, Wanted};
use super::val::{Val, hex};
use super::view::MessageView;
use crate::wire::FieldValue;
use crate::wire::bencode::lookup;
use crate::wire::escape::peer_text;

type Result<T> = std::result::Result<T, ScenarioError>;

/// Why a value does not match: what was wanted, as printed.
struct Mismatch {
    path: String,
    wanted: String,
    got: Option<FieldValue>,
}

impl Pattern {
    /// What a match keeps, or `None` if `view` does not match.
    pub fn matches(&self, view: &MessageView, env: &dyn Env) -> Result<Option<Captures>> {
        let mut captures = Captures::default();
        match self.check(view, env, &mut captures)? {
            Some(None) => Ok(Some(captures)),
            _ => Ok(None),
        }
    }

    /// Why a message of the right kind did not match: `begin = 32768, wanted 0`. `None` if the
    /// kind differs, or it does match.
    pub fn miss(&self, view: &MessageView, env: &dyn Env) -> Option<String> {
        let mut captures = Captures::default();
        let mismatch = self.check(view, env, &mut captures).ok()???;
        let Mismatch { path, wanted, got } = mismatch;
        Some(match got {
            Some(got) => format!("{path} = {}, wanted {wanted}", show(&got)),
            None => format!("no {path}, wanted {wanted}"),
        })
    }

    /// The pattern with its values, for reports: `reject_request(index 3, begin 0)`.
    pub fn describe(&self, env: &dyn Env) -> String {
        let name = self.what.name();
        if self.fields.is_empty() {
            return name.to_owned();
        }
        format!("{name}({})", describe_fields(&self.fields, env))
    }

    /// `None`: another kind. `Some(None)`: a match.
    fn check(
        &self,
        view: &MessageView,
        env: &dyn Env,
        captures: &mut Captures,
    ) -> Result<Option<Option<Mismatch>>> {
        let Some(face) = view.face(self.what) else {
            return Ok(None);
        };
        for field in &self.fields {
            if let Some(mismatch) = field.check(face.get(&field.name), "", env, captures)? {
                return Ok(Some(Some(mismatch)));
            }
        }
        Ok(Some(None))
    }
}

impl FieldPattern {
    fn check(
        &self,
        value: Option<FieldValue>,
        above: &str,
        env: &dyn Env,
        captures: &mut Captures,
    ) -> Result<Option<Mismatch>> {
        let path = format!("{above}{}", self.name);
        let mismatch = |wanted: String, got: Option<FieldValue>| {
            Ok(Some(Mismatch {
                path: path.clone(),
                wanted,
                got,
            }))
        };
        match &self.matcher {
            Matcher::Equals(wanted) => {
                let wanted = wanted.value(env)?;
                match value {
                    Some(value) if same(&Val::of_field(&value), &wanted) => Ok(None),
                    other => mismatch(wanted.to_string(), other),
                }
            }
            Matcher::Dict(keys) => {
                let Some(FieldValue::Bencode(dict)) = &value else {
                    return mismatch("a dictionary".into(), value);
                };
                let empty = Vec::new();
                let entries = dict.as_dict().unwrap_or(&empty);
                for key in keys {
                    let found = lookup(entries, &key.name).cloned().map(FieldValue::from);
                    let above = format!("{path}.");
                    if let Some(mismatch) = key.check(found, &above, env, captures)? {
                        return Ok(Some(mismatch));
                    }
                }
                Ok(None)
            }
            Matcher::Tests {
                tests,
                capture,
                append,
            } => {
                for test in tests {
                    let wanted = test.wanted.value(env)?;
                    if !test.holds(value.as_ref(), &wanted)? {
                        return mismatch(format!("{}{wanted}", test.op.sign()), value);
                    }
                }
                match value {
                    Some(value) => {
                        let value = Val::of_field(&value);
                        captures
                            .set
                            .extend(capture.iter().map(|name| (name.clone(), value.clone())));
                        captures
                            .append
                            .extend(append.iter().map(|name| (name.clone(), value.clone())));
                        Ok(None)
                    }
                    None if capture.is_some() || append.is_some() => {
                        mismatch("a value to keep".into(), None)
                    }
                    None => Ok(None),
                }
            }
        }
    }
}

impl Wanted {
    fn value(&self, env: &dyn Env) -> Result<Val> {
        match self {
            Self::Expr(expr) => expr.eval(env),
            Self::Bytes(bytes) => bytes.resolve(env).map(Val::Bytes),
        }
    }

    fn describe(&self, env: &dyn Env) -> String {
        self.value(env)
            .map_or_else(|_| "?".into(), |value| value.to_string())
    }
}

impl Test {
    fn holds(&self, value: Option<&FieldValue>, wanted: &Val) -> Result<bool> {
        if self.op == TestOp::Present {
            return Ok(*wanted == Val::Bool(value.is_some()));
        }
        let Some(value) = value else {
            return Ok(false);
        };
        let got = Val::of_field(value);
        let order = match (&got, wanted) {
            (Val::Int(got), Val::Int(wanted)) => Some(got.cmp(wanted)),
            _ => None,
        };
        Ok(match self.op {
            TestOp::Gt => order.is_some_and(std::cmp::Ordering::is_gt),
            TestOp::Ge => order.is_some_and(std::cmp::Ordering::is_ge),
            TestOp::Lt => order.is_some_and(std::cmp::Ordering::is_lt),
            TestOp::Le => order.is_some_and(std::cmp::Ordering::is_le),
            TestOp::Eq | TestOp::Hex => same(&got, wanted),
            TestOp::In => match wanted {
                Val::List(list) => list.iter().any(|entry| same(&got, entry)),
                other => {
                    let message = format!("`in` wants a list, got {}", other.kind());
                    return Err(ScenarioError::runtime(&self.span, message));
                }
            },
            TestOp::Len => sized(value, wanted, std::cmp::Ordering::is_eq),
            TestOp::Longer => sized(value, wanted, std::cmp::Ordering::is_gt),
            TestOp::Shorter => sized(value, wanted, std::cmp::Ordering::is_lt),
            TestOp::Sha1 => match (&got, wanted) {
                (Val::Bytes(got), Val::Bytes(wanted)) => sha1(got).as_slice() == wanted.as_ref(),
                _ => false,
            },
            TestOp::Names => match (&got, wanted) {
                (Val::Bytes(got), Val::Bytes(wanted)) => names(got, wanted),
                _ => false,
            },
            TestOp::Present => true,
        })
    }
}

/// Whether a compact list has a record of this address: 4 or 16 bytes, or 6 or 18 with the port.
fn names(list: &[u8], address: &[u8]) -> bool {
    let record = match address.len() {
        4 | 6 => 6,
        16 | 18 => 18,
        _ => return false,
    };
    list.chunks_exact(record).any(|it| it.starts_with(address))
}

/// SHA-1, as `sha1` tests it.
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}

/// Equality where a bit of the handshake may be compared with true or false.
fn same(got: &Val, wanted: &Val) -> bool {
    match (got, wanted) {
        (Val::Int(got), Val::Bool(wanted)) => *got == i128::from(*wanted),
        _ => got.same(wanted),
    }
}

/// Whether the number of bytes or entries stands so to the wanted one.
fn sized(value: &FieldValue, wanted: &Val, so: fn(std::cmp::Ordering) -> bool) -> bool {
    let Val::Int(wanted) = wanted else {
        return false;
    };
    length(value).is_some_and(|len| so((len as i128).cmp(wanted)))
}

fn length(value: &FieldValue) -> Option<usize> {
    match value {
        FieldValue::Bytes(bytes) => Some(bytes.len()),
        FieldValue::Bencode(value) => value
            .as_list()
            .map(<[_]>::len)
            .or_else(|| value.as_dict().map(Vec::len)),
        FieldValue::Int(_) => None,
    }
}

/// A field's value, fit to print.
fn show(value: &FieldValue) -> String {
    match value {
        FieldValue::Int(n) => n.to_string(),
        FieldValue::Bytes(bytes) => show_bytes(bytes),
        FieldValue::Bencode(value) => value.type_name().to_owned(),
    }
}

fn show_bytes(bytes: &Bytes) -> String {
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    if bytes.len() > 20 {
        format!("{} bytes", bytes.len())
    } else if !bytes.is_empty() && bytes.iter().all(printable) {
        format!("\"{}\"", peer_text(bytes))
    } else {
        format!("hex {}", hex(bytes))
    }
}

fn describe_fields(fields: &[FieldPattern], env: &dyn Env) -> String {
    let parts: Vec<String> = fields
        .iter()
        .map(|field| match &field.matcher {
            Matcher::Equals(wanted) => format!("{} {}", field.name, wanted.describe(env)),
            Matcher::Dict(keys) => format!("{}: {}", field.name, describe_fields(keys, env)),
            Matcher::Tests { tests, .. } if tests.is_empty() => format!("{} any", field.name),
            Matcher::Tests { tests, .. } => {
                let tests: Vec<String> = tests
                    .iter()
                    .map(|test| format!("{}{}", test.op.sign(), test.wanted.describe(env)))
                    .collect();
                format!("{} {}", field.name, tests.join(" and "))
            }
        })
        .collect();
    parts.join(", ")
}
