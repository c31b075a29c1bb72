//! Messages to send, checked against the message table.

use std::path::Path;

use bytes::Bytes;

use super::super::error::ScenarioError;
use super::super::eval::Expr;
use super::super::span::Span;
use super::super::template::{
    BencodeTemplate, BlockRun, Boundary, BytesTemplate, FieldTemplate, OUR_EXTENSIONS, OUR_REQQ,
    OUR_V, RawFrameTemplate, RawHandshake, RawPart, RawTemplate, Template, ValueTemplate,
};
use super::super::types::Type;
use super::super::val::Val;
use super::super::yaml::{Key, Node, Value};
use super::bytes::{Around, bits_field, bytes, check_width, dict, plain};
use super::fields::{Fields, list, one_or_more, unknown, word, wrong};
use super::scope::Scope;
use super::step::MODIFIERS;
use crate::wire::registry::{self, BITS, DICT, EXT_ID, ID};
use crate::wire::{Field, FieldType, Kind};

type Result<T> = std::result::Result<T, ScenarioError>;

/// One message or a list of them.
pub(super) fn messages(node: &Node, scope: &Scope, folder: Option<&Path>) -> Result<Vec<Template>> {
    one_or_more(node)?
        .iter()
        .map(|node| message(node, scope, folder))
        .collect()
}

/// A list of messages that may be empty.
pub(super) fn message_list(
    node: &Node,
    scope: &Scope,
    folder: Option<&Path>,
) -> Result<Vec<Template>> {
    list(node, "`hello`")?
        .iter()
        .map(|node| message(node, scope, folder))
        .collect()
}

/// A name alone, or a map of one name to fields.
pub(super) fn named<'a>(
    node: &'a Node,
    what: &str,
) -> Result<(&'a str, &'a Span, Option<&'a Node>)> {
    match &node.value {
        Value::Text(name) => Ok((name, &node.span, None)),
        Value::Map(entries) => match entries.as_slice() {
            [(key, fields)] => Ok((&key.text, &key.span, Some(fields))),
            [] => Err(wrong(node, what, &node.value)),
            [_, (second, _), ..] => Err(second_key(entries, second, what)),
        },
        other => {
            Err(wrong(node, what, other)
                .expected(format!("{what}: a name, or {{name: {{field: …}}}}")))
        }
    }
}

fn second_key(entries: &[(Key, Node)], second: &Key, what: &str) -> ScenarioError {
    let stray = entries
        .iter()
        .map(|(key, _)| key)
        .find(|key| MODIFIERS.contains(&key.text.as_str()));
    match stray {
        Some(key) => misplaced(key),
        None => ScenarioError::invalid(
            &second.span,
            format!("a second name, `{}`, in one map", second.text),
        )
        .expected(format!("one name for {what}"))
        .help("several go into a list: [a, b]"),
    }
}

/// The error for a modifier that stands inside the message.
pub(super) fn misplaced(key: &Key) -> ScenarioError {
    ScenarioError::invalid(
        &key.span,
        format!(
            "`{}` is a modifier of the step, not part of the message",
            key.text
        ),
    )
    .help(format!(
        "move `{}` one level up, beside the action",
        key.text
    ))
}

/// The kind of a message by its name.
pub(super) fn kind(name: &str, span: &Span) -> Result<Kind> {
    Kind::by_name(name).ok_or_else(|| {
        let names: Vec<&str> = Kind::names().collect();
        unknown(name, span, "message", &names).expected("a message")
    })
}

/// The entries of a message's field map; nothing is no fields.
pub(super) fn field_entries(fields: Option<&Node>) -> Result<&[(Key, Node)]> {
    match fields.map(|node| (node, &node.value)) {
        None | Some((_, Value::Null)) => Ok(&[]),
        Some((_, Value::Map(entries))) => Ok(entries),
        Some((node, other)) => {
            Err(wrong(node, "a map of fields", other).expected("{field: value, …}"))
        }
    }
}

/// The error for a field that a message does not have.
pub(super) fn unknown_field(key: &Key, kind: Kind, fields: &[&str]) -> ScenarioError {
    if MODIFIERS.contains(&key.text.as_str()) {
        return misplaced(key);
    }
    let expected = match fields {
        [] => format!("nothing: `{}` has no fields", kind.name()),
        _ => format!("a field of `{}`: {}", kind.name(), fields.join(", ")),
    };
    let error = unknown(&key.text, &key.span, "field", fields).expected(expected);
    if key.text == "piece" && fields.contains(&"index") {
        return error.help("the piece index is `index` in every message");
    }
    error
}

/// One message to send.
pub(super) fn message(node: &Node, scope: &Scope, folder: Option<&Path>) -> Result<Template> {
    let (name, span, fields) = named(node, "a message")?;
    let kind = kind(name, span)?;
    let row = kind.spec();
    if kind == Kind::ExtendedHandshake && fields.is_none() {
        return Ok(default_extended_handshake(span));
    }
    let entries = field_entries(fields)?;
    let is_dict = row.fields.iter().any(|field| **field == DICT);
    let ext_id = match entries.iter().find(|(key, _)| key.text == EXT_ID.name) {
        Some((_, node)) if kind.is_extension() => {
            let value = scope.typed(node, Type::Int)?;
            check_width(&value, 1)?;
            Some(value)
        }
        _ => None,
    };
    if is_dict {
        let fields = fields.ok_or_else(|| missing(span, kind, "its keys"))?;
        return dictionary(span, kind, fields, ext_id, scope, folder);
    }
    let mut names: Vec<&str> = row.fields.iter().map(|field| field.name).collect();
    if kind.is_extension() {
        names.push(EXT_ID.name);
    }
    for (key, _) in entries {
        if !names.contains(&key.text.as_str()) {
            return Err(unknown_field(key, kind, &names));
        }
    }
    let find = |name: &str| {
        entries
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, node)| node)
    };
    let number = |name: &str| match find(name) {
        Some(node) => scope.typed(node, Type::Int).ok(),
        None => None,
    };
    let (index, begin, piece) = (number("index"), number("begin"), number("piece"));
    let around = Around {
        block: index.as_ref().zip(begin.as_ref()),
        piece: piece.as_ref(),
        ..plain(scope, folder)
    };
    let mut values = Vec::new();
    for field in row.fields {
        let Some(node) = find(field.name) else {
            if field.ty == FieldType::OptionalInt {
                continue;
            }
            return Err(missing(span, kind, field.name));
        };
        values.push(FieldTemplate {
            field,
            span: node.span.clone(),
            value: field_value(node, field, &around)?,
        });
    }
    Ok(Template {
        span: span.clone(),
        kind,
        fields: values,
        ext_id,
    })
}

fn missing(span: &Span, kind: Kind, field: &str) -> ScenarioError {
    let fields: Vec<&str> = kind.spec().fields.iter().map(|field| field.name).collect();
    ScenarioError::invalid(span, format!("`{}` without `{field}`", kind.name()))
        .expected(format!("every field: {}", fields.join(", ")))
}

fn field_value(node: &Node, field: &'static Field, around: &Around<'_>) -> Result<ValueTemplate> {
    let scope = around.scope;
    let number = |width: u8| {
        let value = scope.typed(node, Type::Int)?;
        check_width(&value, width)?;
        Ok(ValueTemplate::Int(value))
    };
    match field.ty {
        FieldType::U8 => {
            if *field == ID
                && let Value::Int(id, _) = &node.value
                && let Some(known) = u8::try_from(*id).ok().and_then(Kind::by_id)
            {
                return Err(ScenarioError::invalid(
                    &node.span,
                    format!("id {id} is `{}`", known.name()),
                )
                .expected("an id that no message has")
                .help("wrong bytes of a known message go through `send_raw: {frame: {id: …, payload: …}}`"));
            }
            number(1)
        }
        FieldType::U16 => number(2),
        FieldType::U32 => number(4),
        FieldType::Int | FieldType::OptionalInt => {
            scope.typed(node, Type::Int).map(ValueTemplate::Int)
        }
        FieldType::Bytes if *field == BITS => match bits_field(node, scope)? {
            Some(bits) => Ok(ValueTemplate::Bytes(BytesTemplate::Bits(bits))),
            None => bytes(node, around).map(ValueTemplate::Bytes),
        },
        FieldType::Bytes | FieldType::Hash => bytes(node, around).map(ValueTemplate::Bytes),
        FieldType::Text => {
            let around = Around {
                plain_text: true,
                ..*around
            };
            bytes(node, &around).map(ValueTemplate::Bytes)
        }
        FieldType::Dict => {
            let entries = dict(node, around)?;
            Ok(ValueTemplate::Bencode(BencodeTemplate::Dict(entries)))
        }
    }
}

/// A message that is one dictionary: its keys are the author's.
fn dictionary(
    span: &Span,
    kind: Kind,
    node: &Node,
    ext_id: Option<Expr>,
    scope: &Scope,
    folder: Option<&Path>,
) -> Result<Template> {
    if let Value::Map(entries) = &node.value
        && let Some((key, _)) = entries
            .iter()
            .find(|(key, _)| MODIFIERS.contains(&key.text.as_str()))
    {
        return Err(misplaced(key));
    }
    let mut entries = dict(node, &plain(scope, folder))?;
    if ext_id.is_some() {
        entries.retain(|(key, _)| key != EXT_ID.name);
    }
    Ok(Template {
        span: span.clone(),
        kind,
        fields: vec![FieldTemplate {
            field: &DICT,
            span: node.span.clone(),
            value: ValueTemplate::Bencode(BencodeTemplate::Dict(entries)),
        }],
        ext_id,
    })
}

/// What `extended_handshake` alone stands for.
pub(super) fn default_extended_handshake(span: &Span) -> Template {
    let key = |name: &'static str| Bytes::from_static(name.as_bytes());
    let m = OUR_EXTENSIONS
        .iter()
        .map(|(name, id)| (key(name), BencodeTemplate::Int((*id).into())))
        .collect();
    let info_len = Expr::variable(span, "torrent.info_len");
    let entries = vec![
        (key(registry::M.name), BencodeTemplate::Dict(m)),
        (
            key(registry::METADATA_SIZE.name),
            BencodeTemplate::Expr(info_len),
        ),
        (key(registry::REQQ.name), BencodeTemplate::Int(OUR_REQQ)),
        (
            key(registry::V.name),
            BencodeTemplate::Bytes(BytesTemplate::Literal(key(OUR_V))),
        ),
    ];
    Template {
        span: span.clone(),
        kind: Kind::ExtendedHandshake,
        fields: vec![FieldTemplate {
            field: &DICT,
            span: span.clone(),
            value: ValueTemplate::Bencode(BencodeTemplate::Dict(entries)),
        }],
        ext_id: None,
    }
}

/// `send_raw: {…}`.
pub(super) fn raw(node: &Node, scope: &Scope, folder: Option<&Path>) -> Result<RawTemplate> {
    let Value::Map(entries) = &node.value else {
        return Err(wrong(node, "a map", &node.value)
            .expected("{hex: …}, {handshake: {…}}, {frame: {…}}, {message: …}, …"));
    };
    // The keys that say how stand aside; the rest says what.
    let aside = ["boundary", "skip", "take"];
    let rest: Vec<(Key, Node)> = entries
        .iter()
        .filter(|(key, _)| !aside.contains(&key.text.as_str()))
        .cloned()
        .collect();
    let find = |name: &str| {
        entries
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, node)| node)
    };
    if let Some((key, _)) = rest
        .iter()
        .find(|(key, _)| MODIFIERS.contains(&key.text.as_str()))
    {
        return Err(misplaced(key));
    }
    let what = Node {
        span: node.span.clone(),
        value: Value::Map(rest),
    };
    let part = raw_part(&what, scope, folder)?;
    let number = |name: &str| {
        find(name)
            .map(|node| scope.typed(node, Type::Int))
            .transpose()
    };
    let (skip, take) = (number("skip")?, number("take")?);
    let boundary = match find("boundary") {
        Some(node) => word(
            node,
            "boundary",
            &[
                ("whole", Boundary::Whole),
                ("open", Boundary::Open),
                ("unknown", Boundary::Unknown),
            ],
        )?,
        None if skip.is_none() && take.is_none() && part.is_whole() => Boundary::Whole,
        None => Boundary::Unknown,
    };
    Ok(RawTemplate {
        span: node.span.clone(),
        part,
        skip,
        take,
        boundary,
    })
}

fn raw_part(node: &Node, scope: &Scope, folder: Option<&Path>) -> Result<RawPart> {
    let Value::Map(entries) = &node.value else {
        return bytes(node, &plain(scope, folder)).map(RawPart::Bytes);
    };
    let only = |name: &str| match entries.as_slice() {
        [(key, node)] if key.text == name => Some(node),
        _ => None,
    };
    if let Some(node) = only("handshake") {
        return handshake(node, scope, folder).map(|it| RawPart::Handshake(Box::new(it)));
    }
    if let Some(node) = only("frame") {
        return frame(node, scope, folder).map(|it| RawPart::Frame(Box::new(it)));
    }
    if let Some(node) = only("message") {
        return message(node, scope, folder).map(RawPart::Message);
    }
    if let Some(node) = only("haves") {
        return scope.typed(node, Type::Int).map(RawPart::Haves);
    }
    for (name, cancels) in [("requests", false), ("cancels", true)] {
        if entries.iter().any(|(key, _)| key.text == name) {
            return block_run(node, name, cancels, scope);
        }
    }
    if let Some(node) = only("concat") {
        let parts = list(node, "`concat`")?
            .iter()
            .map(|part| raw_part(part, scope, folder))
            .collect::<Result<_>>()?;
        return Ok(RawPart::Concat(parts));
    }
    bytes(node, &plain(scope, folder)).map(RawPart::Bytes)
}

fn block_run(node: &Node, name: &str, cancels: bool, scope: &Scope) -> Result<RawPart> {
    let map = Fields::of(node, "a run of blocks", &[name, "first", "every"])?;
    let number = |key| map.get(key).map(|node| scope.typed(node, Type::Int));
    Ok(RawPart::Blocks(Box::new(BlockRun {
        cancels,
        count: scope.typed(map.require(name)?, Type::Int)?,
        first: number("first").transpose()?,
        every: number("every").transpose()?,
    })))
}

fn handshake(node: &Node, scope: &Scope, folder: Option<&Path>) -> Result<RawHandshake> {
    if node.value == Value::Null {
        return Ok(RawHandshake::default());
    }
    let map = Fields::of(
        node,
        "a handshake",
        &["pstrlen", "pstr", "reserved", "info_hash", "peer_id"],
    )?;
    let around = Around {
        plain_text: true,
        ..plain(scope, folder)
    };
    let part = |name: &str| map.get(name).map(|node| bytes(node, &around)).transpose();
    let pstrlen = match map.get("pstrlen") {
        Some(node) => {
            let value = scope.typed(node, Type::Int)?;
            check_width(&value, 1)?;
            Some(value)
        }
        None => None,
    };
    Ok(RawHandshake {
        pstrlen,
        pstr: part("pstr")?,
        reserved: map
            .get("reserved")
            .map(|node| reserved(node, scope))
            .transpose()?,
        info_hash: part("info_hash")?,
        peer_id: part("peer_id")?,
    })
}

/// Reserved bits: a list of names, or 8 bytes.
pub(super) fn reserved(node: &Node, scope: &Scope) -> Result<Expr> {
    let expr = scope.value(node)?;
    let names: Vec<&str> = registry::RESERVED_BITS.iter().map(|bit| bit.name).collect();
    match expr.known() {
        Some(Val::List(list)) => {
            for (at, entry) in list.iter().enumerate() {
                let place = match &node.value {
                    Value::List(nodes) => nodes.get(at).map_or(&node.span, |node| &node.span),
                    _ => &node.span,
                };
                match entry {
                    Val::Text(name) if names.contains(&&**name) => {}
                    Val::Text(name) => {
                        return Err(unknown(name, place, "reserved bit", &names)
                            .expected(format!("one of {}", names.join(", "))));
                    }
                    _ => return Err(no_reserved(node)),
                }
            }
        }
        Some(Val::Bytes(bytes)) if bytes.len() == 8 => {}
        Some(_) => return Err(no_reserved(node)),
        None => {}
    }
    Ok(expr)
}

fn no_reserved(node: &Node) -> ScenarioError {
    ScenarioError::invalid(&node.span, "no reserved bits")
        .expected("a list of names such as [fast, extended], or {hex: 8 bytes}")
}

fn frame(node: &Node, scope: &Scope, folder: Option<&Path>) -> Result<RawFrameTemplate> {
    let map = Fields::of(node, "a frame", &["length", "id", "payload", "message"])?;
    let number = |name: &str, width: u8| match map.get(name) {
        Some(node) => {
            let value = scope.typed(node, Type::Int)?;
            check_width(&value, width)?;
            Ok(Some(value))
        }
        None => Ok(None),
    };
    let message = map
        .get("message")
        .map(|node| message(node, scope, folder))
        .transpose()?;
    let id = number("id", 1)?;
    let payload = map
        .get("payload")
        .map(|node| bytes(node, &plain(scope, folder)))
        .transpose()?;
    if message.is_some() && (id.is_some() || payload.is_some()) {
        return Err(ScenarioError::invalid(
            map.key_span("message"),
            "a frame has a `message`, or `id` and `payload`",
        ));
    }
    Ok(RawFrameTemplate {
        length: number("length", 4)?,
        id,
        payload,
        message,
    })
}
