//! Bytes in all their spellings: `{hex: …}`, `{text: …}`, `{of: torrent, length: …}`, ….

use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

use super::super::error::ScenarioError;
use super::super::eval::Expr;
use super::super::limits;
use super::super::template::{BencodeTemplate, BitsSet, BitsTemplate, BlockSource, BytesTemplate};
use super::super::types::Type;
use super::super::yaml::{Node, Value};
use super::fields::{Fields, boolean, entries, list, shown, text, unknown, word, wrong};
use super::scope::Scope;

type Result<T> = std::result::Result<T, ScenarioError>;

/// What bytes may refer to beside the scope.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    /// Variables.
    pub(super) scope: &'a Scope,
    /// Folder of the scenario, for `file`.
    pub(super) folder: Option<&'a Path>,
    /// `index` and `begin` of the message around, which `of: torrent` takes over.
    pub(super) block: Option<(&'a Expr, &'a Expr)>,
    /// `piece` of the message around, which `of: info` takes over.
    pub(super) piece: Option<&'a Expr>,
    /// Whether plain text stands for its bytes.
    pub(super) plain_text: bool,
}

/// Keys that begin a form of bytes, and what else may stand beside each.
pub(in super::super) const FORMS: [(&str, &[&str]); 14] = [
    ("hex", &[]),
    ("text", &[]),
    ("repeat", &["times"]),
    ("concat", &[]),
    ("of", &["index", "begin", "length", "piece"]),
    ("bits", &["spare", "extra"]),
    ("all_but", &["spare", "extra"]),
    ("flip", &[]),
    ("bencode", &[]),
    ("bencode_as_is", &[]),
    ("file", &[]),
    ("u8", &[]),
    ("u16", &[]),
    ("u32", &[]),
];

/// Whether a node is a map that spells bytes.
pub(super) fn is_form(node: &Node) -> bool {
    let Value::Map(entries) = &node.value else {
        return false;
    };
    FORMS.iter().any(|(key, others)| {
        entries.iter().any(|(name, _)| name.text == *key)
            && entries
                .iter()
                .all(|(name, _)| name.text == *key || others.contains(&name.text.as_str()))
    })
}

/// Hex digits with spaces.
pub(super) fn hex(node: &Node) -> Result<Bytes> {
    // `hex: ""` is no bytes at all.
    let written = match &node.value {
        Value::Text(text) => text.as_str(),
        _ => text(node)?,
    };
    let digits: String = written.split_whitespace().collect();
    crate::wire::hex::decode(&digits).map_err(|error| {
        ScenarioError::invalid(&node.span, format!("no hex: {error}"))
            .expected("pairs of hex digits, spaces allowed")
    })
}

/// Bytes of any form.
pub(super) fn bytes(node: &Node, around: &Around<'_>) -> Result<BytesTemplate> {
    match &node.value {
        Value::Text(text) => match around.scope.compile(text, &node.span)? {
            Some(expr) => {
                check_bytes(&expr, around.scope)?;
                Ok(BytesTemplate::Expr(expr))
            }
            None if around.plain_text => Ok(BytesTemplate::Literal(Bytes::copy_from_slice(
                text.as_bytes(),
            ))),
            None => Err(no_bytes(node)),
        },
        Value::Map(_) if is_form(node) => form(node, around),
        Value::Map(entries) => {
            let names = FORMS.map(|(name, _)| name);
            match entries.first() {
                Some((key, _)) => Err(unknown(&key.text, &key.span, "form of bytes", &names)
                    .expected(format!("one of {}", names.join(", ")))),
                None => Err(no_bytes(node)),
            }
        }
        Value::Int(_, written) if around.plain_text => Ok(BytesTemplate::Literal(
            Bytes::copy_from_slice(written.as_bytes()),
        )),
        _ => Err(no_bytes(node)),
    }
}

fn check_bytes(expr: &Expr, scope: &Scope) -> Result<()> {
    match scope.type_of(expr)? {
        Type::Bytes | Type::Text | Type::Any => Ok(()),
        other => Err(ScenarioError::invalid(
            &expr.span,
            format!("expected bytes, got {}", other.name()),
        )),
    }
}

fn no_bytes(node: &Node) -> ScenarioError {
    wrong(node, "bytes", &node.value).expected("bytes: {hex: 00 ff}, {text: abc}, $variable, …")
}

fn form(node: &Node, around: &Around<'_>) -> Result<BytesTemplate> {
    let all: Vec<&str> = FORMS
        .iter()
        .flat_map(|(key, others)| std::iter::once(*key).chain(others.iter().copied()))
        .collect();
    let map = Fields::of(node, "bytes", &all)?;
    let scope = around.scope;
    if let Some(node) = map.get("hex") {
        return Ok(BytesTemplate::Literal(hex(node)?));
    }
    if let Some(node) = map.get("text") {
        let text = text(node)?;
        return Ok(BytesTemplate::Literal(Bytes::copy_from_slice(
            text.as_bytes(),
        )));
    }
    if let Some(node) = map.get("repeat") {
        let unit = bytes(node, &outside(around))?;
        let times = scope.typed(map.require("times")?, Type::Int)?;
        return Ok(BytesTemplate::Repeat(Box::new(unit), times));
    }
    if let Some(node) = map.get("concat") {
        let parts = list(node, "`concat`")?
            .iter()
            .map(|part| bytes(part, around))
            .collect::<Result<_>>()?;
        return Ok(BytesTemplate::Concat(parts));
    }
    if let Some(node) = map.get("of") {
        return of(node, &map, around);
    }
    if map.get("bits").is_some() || map.get("all_but").is_some() {
        return Ok(BytesTemplate::Bits(bits(node, scope)?));
    }
    if let Some(node) = map.get("flip") {
        return Ok(BytesTemplate::Flip(Box::new(bytes(node, around)?)));
    }
    for (key, as_is) in [("bencode", false), ("bencode_as_is", true)] {
        if let Some(node) = map.get(key) {
            let value = Box::new(bencode(node, around)?);
            return Ok(BytesTemplate::Bencode { value, as_is });
        }
    }
    for (key, width) in [("u8", 1), ("u16", 2), ("u32", 4)] {
        if let Some(node) = map.get(key) {
            let value = scope.typed(node, Type::Int)?;
            check_width(&value, width)?;
            return Ok(BytesTemplate::Uint(value, width));
        }
    }
    file(map.require("file")?, around.folder).map(BytesTemplate::Literal)
}

/// Nothing of the message around reaches into a repeated unit.
fn outside<'a>(around: &Around<'a>) -> Around<'a> {
    Around {
        block: None,
        piece: None,
        ..*around
    }
}

/// Refuses a number that is known and does not fit into so many bytes.
pub(super) fn check_width(expr: &Expr, width: u8) -> Result<()> {
    let largest = (1_i128 << (8 * u32::from(width))) - 1;
    match expr.known() {
        Some(super::super::val::Val::Int(n)) if !(0..=largest).contains(&n) => Err(
            ScenarioError::invalid(&expr.span, format!("{n} does not fit into {width} bytes"))
                .expected(format!("0 to {largest}")),
        ),
        _ => Ok(()),
    }
}

fn of(node: &Node, map: &Fields<'_>, around: &Around<'_>) -> Result<BytesTemplate> {
    #[derive(Clone, Copy)]
    enum Of {
        Block(BlockSource),
        Info,
    }
    let of = word(
        node,
        "source",
        &[
            ("torrent", Of::Block(BlockSource::Torrent)),
            ("corrupt", Of::Block(BlockSource::Corrupt)),
            ("zeros", Of::Block(BlockSource::Zeros)),
            ("info", Of::Info),
        ],
    )?;
    let number = |name: &str, default: Option<&Expr>| match (map.get(name), default) {
        (Some(node), _) => around.scope.typed(node, Type::Int),
        (None, Some(expr)) => Ok(expr.clone()),
        (None, None) => map.require(name).and_then(|node| around.scope.value(node)),
    };
    match of {
        Of::Block(of) => Ok(BytesTemplate::Block {
            of,
            index: number("index", around.block.map(|(index, _)| index))?,
            begin: number("begin", around.block.map(|(_, begin)| begin))?,
            length: number("length", None)?,
        }),
        Of::Info => Ok(BytesTemplate::Info {
            piece: number("piece", around.piece)?,
        }),
    }
}

/// `all`, `none`, pieces, `{bits: …, spare, extra}`, `{all_but: …}`; `None` for other bytes.
pub(super) fn bits_field(node: &Node, scope: &Scope) -> Result<Option<BitsTemplate>> {
    let plain = |set| BitsTemplate {
        set,
        spare: false,
        extra: 0,
    };
    match &node.value {
        Value::Text(text) if text == "all" => Ok(Some(plain(BitsSet::All))),
        Value::Text(text) if text == "none" => Ok(Some(plain(BitsSet::None))),
        Value::Text(_) => {
            let expr = scope.value(node)?;
            match scope.type_of(&expr)? {
                Type::Int | Type::List => Ok(Some(plain(BitsSet::Pieces(expr)))),
                Type::Bytes | Type::Any => Ok(None),
                _ => Err(no_bits(node)),
            }
        }
        Value::Int(..) | Value::List(_) => {
            let expr = scope.value(node)?;
            Ok(Some(plain(BitsSet::Pieces(expr))))
        }
        Value::Map(entries)
            if entries
                .iter()
                .any(|(key, _)| key.text == "bits" || key.text == "all_but") =>
        {
            bits(node, scope).map(Some)
        }
        _ => Ok(None),
    }
}

fn no_bits(node: &Node) -> ScenarioError {
    ScenarioError::invalid(&node.span, "no bitfield").expected(
        "all, none, a list of pieces, {bits: …, spare: true, extra: 1}, {all_but: …} or {hex: …}",
    )
}

fn bits(node: &Node, scope: &Scope) -> Result<BitsTemplate> {
    let map = Fields::of(node, "a bitfield", &["bits", "all_but", "spare", "extra"])?;
    let set = match (map.get("bits"), map.get("all_but")) {
        (Some(node), None) => match bits_field(node, scope)? {
            Some(bits) => bits.set,
            None => BitsSet::Pieces(scope.value(node)?),
        },
        (None, Some(node)) => BitsSet::AllBut(scope.value(node)?),
        _ => return Err(no_bits(node)),
    };
    let extra = match map.get("extra").map(|node| (node, &node.value)) {
        None => 0,
        Some((node, value)) => match value {
            Value::Int(n, _) => i32::try_from(*n).ok(),
            _ => None,
        }
        .filter(|n| (-EXTRA..=EXTRA).contains(n))
        .ok_or_else(|| {
            ScenarioError::invalid(&node.span, "no number of bytes")
                .expected("bytes more or fewer than the torrent asks for")
        })?,
    };
    Ok(BitsTemplate {
        set,
        spare: map.get("spare").map_or(Ok(false), boolean)?,
        extra,
    })
}

/// A bencoded value from YAML.
pub(super) fn bencode(node: &Node, around: &Around<'_>) -> Result<BencodeTemplate> {
    match &node.value {
        Value::Int(n, _) => Ok(BencodeTemplate::Int(*n)),
        Value::Text(text) => Ok(match around.scope.compile(text, &node.span)? {
            Some(expr) => match expr.known() {
                Some(super::super::val::Val::Int(n)) => BencodeTemplate::Int(n),
                _ => BencodeTemplate::Expr(expr),
            },
            None => BencodeTemplate::Bytes(BytesTemplate::Literal(Bytes::copy_from_slice(
                text.as_bytes(),
            ))),
        }),
        Value::List(list) => Ok(BencodeTemplate::List(
            list.iter()
                .map(|entry| bencode(entry, around))
                .collect::<Result<_>>()?,
        )),
        Value::Map(_) if is_form(node) => Ok(BencodeTemplate::Bytes(form(node, around)?)),
        Value::Map(_) => dict(node, around).map(BencodeTemplate::Dict),
        other => Err(wrong(node, "a bencoded value", other)
            .expected("a number, text, a list, a map, {hex: …} or an expression")),
    }
}

/// A bencoded dictionary from YAML.
pub(super) fn dict(node: &Node, around: &Around<'_>) -> Result<Vec<(Bytes, BencodeTemplate)>> {
    entries(node, "a dictionary")?
        .iter()
        .map(|(key, value)| {
            let key = Bytes::copy_from_slice(key.text.as_bytes());
            Ok((key, bencode(value, around)?))
        })
        .collect()
}

/// A file below the scenario's folder.
fn file(node: &Node, folder: Option<&Path>) -> Result<Bytes> {
    let name = text(node)?;
    let fault = |message: String| {
        ScenarioError::invalid(&node.span, message)
            .expected("a relative path below the scenario's folder, no links, at most 1 MiB")
    };
    let Some(folder) = folder else {
        return Err(fault("no folder to read from".into()));
    };
    let relative = Path::new(name);
    let mut path = PathBuf::from(folder);
    for part in relative.components() {
        let Component::Normal(part) = part else {
            return Err(fault(format!("`{}` leads elsewhere", shown(name))));
        };
        path.push(part);
        let meta = std::fs::symlink_metadata(&path)
            .map_err(|error| fault(format!("`{}`: {error}", shown(name))))?;
        if meta.is_symlink() {
            return Err(fault(format!("`{}` is or passes a link", shown(name))));
        }
        if meta.is_file() && meta.len() > limits::RAW_FILE_LEN {
            return Err(fault(format!("`{}` has {} bytes", shown(name), meta.len())));
        }
    }
    let bytes =
        std::fs::read(&path).map_err(|error| fault(format!("`{}`: {error}", shown(name))))?;
    Ok(Bytes::from(bytes))
}

/// Most bytes by which a bitfield may differ from the right length.
const EXTRA: i32 = 1 << 20;

/// A place for bytes with no message around.
pub(super) fn plain<'a>(scope: &'a Scope, folder: Option<&'a Path>) -> Around<'a> {
    Around {
        scope,
        folder,
        block: None,
        piece: None,
        plain_text: false,
    }
}
