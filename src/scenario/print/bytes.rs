//! Messages, bytes and patterns as text.

use bytes::Bytes;

use super::super::pattern::{FieldPattern, Matcher, Pattern, TestOp, Wanted};
use super::super::template::{
    BencodeTemplate, BitsSet, BitsTemplate, BlockSource, Boundary, BytesTemplate, RawFrameTemplate,
    RawHandshake, RawPart, RawTemplate, Template, ValueTemplate,
};
use super::super::val::hex;
use super::Entries;
use super::emit::Yaml;
use super::expr::{computed, scalar};
use super::names::Names;
use crate::wire::registry::{DICT, EXT_ID};

/// A message to send.
pub(super) fn message(template: &Template, names: &Names) -> Yaml {
    let mut fields = Entries::default();
    for given in &template.fields {
        match &given.value {
            ValueTemplate::Bencode(BencodeTemplate::Dict(entries)) if given.field == &DICT => {
                fields.0.extend(dict(entries, names));
            }
            ValueTemplate::Bencode(value) => fields.add(given.field.name, bencode(value, names)),
            ValueTemplate::Int(expr) => fields.add(given.field.name, scalar(expr, names)),
            ValueTemplate::Bytes(value) => fields.add(given.field.name, bytes(value, names)),
        }
    }
    if let Some(id) = &template.ext_id {
        fields.add(EXT_ID.name, scalar(id, names));
    }
    let name = template.kind.name();
    let is_dict = template.fields.iter().any(|given| given.field == &DICT);
    if fields.0.is_empty() && !is_dict {
        return Yaml::text(name);
    }
    Yaml::map([(name, Yaml::Map(fields.0))])
}

/// One message, or a list.
pub(super) fn messages(templates: &[Template], names: &Names) -> Yaml {
    match templates {
        [one] => message(one, names),
        many => Yaml::List(many.iter().map(|it| message(it, names)).collect()),
    }
}

fn hex_form(bytes: &Bytes) -> Yaml {
    Yaml::map([("hex", Yaml::Raw(format!("\"{}\"", hex(bytes))))])
}

/// Bytes in one of their forms.
pub(super) fn bytes(template: &BytesTemplate, names: &Names) -> Yaml {
    match template {
        BytesTemplate::Literal(bytes) => hex_form(bytes),
        BytesTemplate::Expr(expr) => computed(expr, names),
        BytesTemplate::Repeat(unit, times) => Yaml::map([
            ("repeat", bytes(unit, names)),
            ("times", scalar(times, names)),
        ]),
        BytesTemplate::Concat(parts) => {
            let parts = parts.iter().map(|part| bytes(part, names)).collect();
            Yaml::map([("concat", Yaml::List(parts))])
        }
        BytesTemplate::Block {
            of,
            index,
            begin,
            length,
        } => Yaml::map([
            (
                "of",
                Yaml::raw(match of {
                    BlockSource::Torrent => "torrent",
                    BlockSource::Corrupt => "corrupt",
                    BlockSource::Zeros => "zeros",
                }),
            ),
            ("index", scalar(index, names)),
            ("begin", scalar(begin, names)),
            ("length", scalar(length, names)),
        ]),
        BytesTemplate::Info { piece } => {
            Yaml::map([("of", Yaml::raw("info")), ("piece", scalar(piece, names))])
        }
        BytesTemplate::Uint(value, width) => {
            let key = match width {
                1 => "u8",
                2 => "u16",
                _ => "u32",
            };
            Yaml::map([(key, scalar(value, names))])
        }
        BytesTemplate::Bits(bits) => bitfield(bits, names),
        BytesTemplate::Flip(inner) => Yaml::map([("flip", bytes(inner, names))]),
        BytesTemplate::Bencode { value, as_is } => {
            let key = if *as_is { "bencode_as_is" } else { "bencode" };
            Yaml::map([(key, bencode(value, names))])
        }
    }
}

fn bitfield(bits: &BitsTemplate, names: &Names) -> Yaml {
    let mut map = Entries::default();
    match &bits.set {
        BitsSet::All => map.add("bits", Yaml::raw("all")),
        BitsSet::None => map.add("bits", Yaml::raw("none")),
        BitsSet::Pieces(expr) => map.add("bits", scalar(expr, names)),
        BitsSet::AllBut(expr) => map.add("all_but", scalar(expr, names)),
    }
    if bits.spare {
        map.add("spare", Yaml::raw("true"));
    }
    if bits.extra != 0 {
        map.add("extra", Yaml::Raw(bits.extra.to_string()));
    }
    Yaml::Map(map.0)
}

fn bencode(value: &BencodeTemplate, names: &Names) -> Yaml {
    match value {
        BencodeTemplate::Int(n) => Yaml::Raw(n.to_string()),
        BencodeTemplate::Expr(expr) => computed(expr, names),
        BencodeTemplate::Bytes(BytesTemplate::Literal(literal)) => match plain(literal) {
            Some(text) => Yaml::text(text),
            None => hex_form(literal),
        },
        BencodeTemplate::Bytes(other) => bytes(other, names),
        BencodeTemplate::List(list) => {
            Yaml::List(list.iter().map(|entry| bencode(entry, names)).collect())
        }
        BencodeTemplate::Dict(entries) => Yaml::Map(dict(entries, names)),
    }
}

/// Printable text that reads as itself.
fn plain(bytes: &Bytes) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let printable = |c: char| c.is_ascii_graphic() || c == ' ';
    (!text.starts_with('$') && text.chars().all(printable)).then_some(text)
}

fn dict(entries: &[(Bytes, BencodeTemplate)], names: &Names) -> Vec<(String, Yaml)> {
    entries
        .iter()
        .map(|(key, value)| {
            let key = String::from_utf8_lossy(key).into_owned();
            (key, bencode(value, names))
        })
        .collect()
}

/// `send_raw`.
pub(super) fn raw(raw: &RawTemplate, names: &Names) -> Yaml {
    let mut map = match part(&raw.part, names) {
        Yaml::Map(entries) => Entries(entries),
        // An expression stands in a list: what is said of it needs a map.
        other => Entries(vec![("concat".to_owned(), Yaml::List(vec![other]))]),
    };
    if let Some(skip) = &raw.skip {
        map.add("skip", scalar(skip, names));
    }
    if let Some(take) = &raw.take {
        map.add("take", scalar(take, names));
    }
    let boundary = match raw.boundary {
        Boundary::Whole => "whole",
        Boundary::Open => "open",
        Boundary::Unknown => "unknown",
    };
    map.add("boundary", Yaml::raw(boundary));
    Yaml::Map(map.0)
}

fn part(part: &RawPart, names: &Names) -> Yaml {
    match part {
        RawPart::Bytes(value) => bytes(value, names),
        RawPart::Handshake(it) => Yaml::map([("handshake", handshake(it, names))]),
        RawPart::Frame(it) => Yaml::map([("frame", frame(it, names))]),
        RawPart::Haves(count) => Yaml::map([("haves", scalar(count, names))]),
        RawPart::Blocks(run) => {
            let key = if run.cancels { "cancels" } else { "requests" };
            let mut map = Entries::default();
            map.add(key, scalar(&run.count, names));
            if let Some(first) = &run.first {
                map.add("first", scalar(first, names));
            }
            if let Some(every) = &run.every {
                map.add("every", scalar(every, names));
            }
            Yaml::Map(map.0)
        }
        RawPart::Message(it) => Yaml::map([("message", message(it, names))]),
        RawPart::Concat(parts) => {
            let parts = parts.iter().map(|it| self::part(it, names)).collect();
            Yaml::map([("concat", Yaml::List(parts))])
        }
    }
}

fn handshake(handshake: &RawHandshake, names: &Names) -> Yaml {
    let mut map = Entries::default();
    if let Some(pstrlen) = &handshake.pstrlen {
        map.add("pstrlen", scalar(pstrlen, names));
    }
    if let Some(pstr) = &handshake.pstr {
        map.add("pstr", bytes(pstr, names));
    }
    if let Some(reserved) = &handshake.reserved {
        map.add("reserved", scalar(reserved, names));
    }
    if let Some(info_hash) = &handshake.info_hash {
        map.add("info_hash", bytes(info_hash, names));
    }
    if let Some(peer_id) = &handshake.peer_id {
        map.add("peer_id", bytes(peer_id, names));
    }
    Yaml::Map(map.0)
}

fn frame(frame: &RawFrameTemplate, names: &Names) -> Yaml {
    let mut map = Entries::default();
    if let Some(length) = &frame.length {
        map.add("length", scalar(length, names));
    }
    if let Some(id) = &frame.id {
        map.add("id", scalar(id, names));
    }
    if let Some(payload) = &frame.payload {
        map.add("payload", bytes(payload, names));
    }
    if let Some(it) = &frame.message {
        map.add("message", message(it, names));
    }
    Yaml::Map(map.0)
}

/// A pattern.
pub(super) fn pattern(pattern: &Pattern, names: &Names) -> Yaml {
    let name = pattern.what.name();
    if pattern.fields.is_empty() {
        return Yaml::text(name);
    }
    Yaml::map([(name, fields(&pattern.fields, names))])
}

/// One pattern, or a list.
pub(super) fn patterns(patterns: &[Pattern], names: &Names) -> Yaml {
    match patterns {
        [one] => pattern(one, names),
        many => Yaml::List(many.iter().map(|it| pattern(it, names)).collect()),
    }
}

fn fields(fields: &[FieldPattern], names: &Names) -> Yaml {
    let entries = fields.iter().map(|field| {
        let matcher = match &field.matcher {
            Matcher::Equals(it) => wanted(it, names),
            Matcher::Dict(keys) => self::fields(keys, names),
            Matcher::Tests {
                tests,
                capture,
                append,
            } => {
                let mut map = Entries::default();
                for test in tests {
                    map.add(test.op.name(), tested(test.op, &test.wanted, names));
                }
                if let Some(name) = capture {
                    map.add("capture", Yaml::text(names.local(name)));
                }
                if let Some(name) = append {
                    map.add("append", Yaml::text(names.local(name)));
                }
                Yaml::Map(map.0)
            }
        };
        (field.name.clone(), matcher)
    });
    Yaml::Map(entries.collect())
}

fn wanted(wanted: &Wanted, names: &Names) -> Yaml {
    match wanted {
        Wanted::Expr(expr) => scalar(expr, names),
        Wanted::Bytes(template) => bytes(template, names),
    }
}

/// `hex` and `sha1` take their digits alone.
fn tested(op: TestOp, value: &Wanted, names: &Names) -> Yaml {
    let printed = wanted(value, names);
    match (op, &printed) {
        (TestOp::Hex | TestOp::Sha1, Yaml::Map(entries)) => match entries.as_slice() {
            [(key, digits)] if key == "hex" => digits.clone(),
            _ => printed,
        },
        _ => printed,
    }
}
