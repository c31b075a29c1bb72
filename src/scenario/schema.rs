//! The JSON Schema of scenario files and the table of messages, written from the tables that the
//! parser reads with.

use serde_json::{Map, Value, json};

use super::keys;
use super::parse::{
    ACTIONS, CASE, CHECKS, CONNECT, CORRUPT, DEFAULTS, DIRECTIONS, FILE, FORMS, GLOBALS,
    HANDSHAKES, LANES, MODES, MODIFIERS, NEEDS, ROLES, SERVE, STATED, STATES, VARIANTS, VERBS,
    fits,
};
use super::pattern::{PatternKind, TestOp};
use super::view::{HANDSHAKE_FIELDS, MALFORMED_FIELDS};
use crate::wire::registry::{BITS, DICT, EXT_ID, MESSAGES, RESERVED_BITS};
use crate::wire::{Field, FieldType, Kind, MessageSpec};

/// Names of the steps' actions.
pub fn actions() -> &'static [&'static str] {
    &ACTIONS
}

/// Names of the steps' modifiers.
pub fn modifiers() -> &'static [&'static str] {
    &MODIFIERS
}

/// The JSON Schema of a scenario file.
pub fn schema() -> String {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "btspec scenario file",
        "description": "A suite of cases, or (without `suite`) blocks for all suites of a folder.",
        "type": "object",
        "properties": file(),
        "propertyNames": {"enum": FILE},
        "required": ["spec"],
        "additionalProperties": false,
        "$defs": definitions(),
    });
    keys::describe(&mut schema);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Every message with its fields, as a table for the docs.
pub fn message_table() -> String {
    let mut table = String::from("| message | fields |\n| --- | --- |\n");
    for row in &MESSAGES {
        let fields: Vec<String> = row
            .fields
            .iter()
            .map(|field| match field.ty {
                FieldType::Dict => {
                    let keys: Vec<&str> = row.keys.iter().map(|key| key.name).collect();
                    format!("keys of its dictionary, such as `{}`", keys.join("` `"))
                }
                ty => format!("`{}`: {} ({})", field.name, field.doc, shape(ty)),
            })
            .collect();
        let fields = if fields.is_empty() {
            "none".to_owned()
        } else {
            fields.join("; ")
        };
        table.push_str(&format!("| `{}` | {fields} |\n", row.name));
    }
    table
}

fn shape(ty: FieldType) -> &'static str {
    match ty {
        FieldType::U8 => "1 byte",
        FieldType::U16 => "2 bytes",
        FieldType::U32 => "4 bytes",
        FieldType::Hash => "32 bytes",
        FieldType::Bytes => "bytes",
        FieldType::Int => "number",
        FieldType::OptionalInt => "number, may be left out",
        FieldType::Text => "text or bytes",
        FieldType::Dict => "dictionary",
    }
}

fn file() -> Value {
    json!({
        "spec": {"const": 1},
        "suite": reference("id"),
        "title": {"type": "string"},
        "defaults": object(DEFAULTS.map(|key| (key, case_key(key))), &[]),
        "blocks": {
            "type": "object",
            "propertyNames": reference("id"),
            "additionalProperties": object(
                [
                    ("params", json!({"type": "object"})),
                    ("returns", one_or_more(json!({"type": "string"}))),
                    ("do", reference("steps")),
                ],
                &["do"],
            ),
        },
        "cases": {
            "type": "array",
            "minItems": 1,
            "items": object(CASE.map(|key| (key, case_key(key))), &["case", "title", "cites", "steps"]),
        },
    })
}

fn case_key(key: &str) -> Value {
    match key {
        "case" => reference("id"),
        "cites" => one_or_more(json!({"type": "string"})),
        "roles" => one_or_more(words(&ROLES)),
        "direction" => one_or_more(words(&DIRECTIONS)),
        "needs" => one_or_more(json!({
            "type": "string",
            "description": format!(
                "{}, addresses(N), driver(VERB), or a condition on torrent.*",
                NEEDS.join(", ")
            ),
        })),
        "tags" => one_or_more(reference("id")),
        "aliases" => one_or_more(json!({"type": "string"})),
        "lane" => words(&LANES),
        "vars" => json!({"type": "object"}),
        "matrix" => json!({
            "type": "object",
            "additionalProperties": {"type": ["array", "object"]},
        }),
        "when" => reference("condition"),
        "given" | "given+" | "steps" | "after" => reference("steps"),
        "timeouts" => object(
            ["answer", "close", "grant", "case"].map(|key| (key, reference("duration"))),
            &[],
        ),
        "settle" => json!({"type": "boolean"}),
        "proof" => object([("none", json!({"type": "string"}))], &["none"]),
        "rules" => object(
            [
                ("off", one_or_more(json!({"type": "string"}))),
                ("because", json!({"type": "string"})),
            ],
            &["off", "because"],
        ),
        "variants" => object(
            [(
                "skip",
                object(
                    VARIANTS.map(|(name, _)| (name, json!({"type": "string"}))),
                    &[],
                ),
            )],
            &["skip"],
        ),
        _ => json!({"type": "string"}),
    }
}

fn definitions() -> Value {
    let mut defs = Map::new();
    let mut define = |name: &str, value: Value| {
        defs.insert(name.to_owned(), value);
    };
    define("id", json!({"type": "string", "pattern": "^[a-z0-9_-]+$"}));
    define(
        "expression",
        json!({
            "type": "string",
            "pattern": "^\\$",
            "description": format!("$name or ${{expression}}; names of the format: {}", globals()),
        }),
    );
    define(
        "condition",
        any([json!({"type": "boolean"}), reference("expression")]),
    );
    define(
        "duration",
        json!({"type": "string", "pattern": "^[0-9]+(ms|s|m)$"}),
    );
    define(
        "delay",
        any([reference("duration"), reference("expression")]),
    );
    define(
        "number",
        any([json!({"type": "integer"}), reference("expression")]),
    );
    define("value", json!({}));
    define("verdict", words(&STATED));
    define("bytes", bytes());
    define("bencode", json!({}));
    define(
        "steps",
        json!({"type": "array", "items": reference("step")}),
    );
    define("step", step());
    define("message", message());
    define("pattern", pattern());
    define("tests", tests());
    define("raw", raw());
    define("frame", frame());
    define("handshake", handshake());
    Value::Object(defs)
}

/// Variables that every case has.
fn globals() -> String {
    let names: Vec<String> = GLOBALS.iter().map(|(name, _)| format!("${name}")).collect();
    names.join(", ")
}

fn step() -> Value {
    let mut properties = Map::new();
    for name in ACTIONS {
        properties.insert(name.to_owned(), action(name));
    }
    for name in MODIFIERS {
        properties.insert(name.to_owned(), modifier(name));
    }
    for (key, action, value) in beside() {
        properties.insert(key.to_owned(), value);
        debug_assert!(ACTIONS.contains(&action));
    }
    let mut dependent = Map::new();
    for name in ACTIONS {
        let strangers = MODIFIERS
            .into_iter()
            .filter(|modifier| !fits(modifier, name))
            .chain(
                beside()
                    .into_iter()
                    .filter(|(_, action, _)| *action != name)
                    .map(|(key, ..)| key),
            )
            .map(|key| (key.to_owned(), Value::Bool(false)))
            .collect::<Map<_, _>>();
        dependent.insert(name.to_owned(), json!({"properties": strangers}));
    }
    let one: Vec<Value> = ACTIONS
        .iter()
        .map(|name| json!({"required": [name]}))
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "oneOf": one,
        "dependentSchemas": dependent,
    })
}

/// Keys beside an action that are part of it.
fn beside() -> [(&'static str, &'static str, Value); 4] {
    [
        ("with", "use", json!({"type": "object"})),
        (
            "returns",
            "use",
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
        ),
        ("otherwise", "any_of", reference("steps")),
        ("fail_if", "measure", reference("condition")),
    ]
}

fn modifier(name: &str) -> Value {
    match name {
        "within" | "not_before" => reference("delay"),
        "when" => reference("condition"),
        "verdict" => reference("verdict"),
        "cites" => one_or_more(json!({"type": "string"})),
        "then" => reference("steps"),
        "label" => reference("id"),
        "fragment" => object(
            [
                ("sizes", one_or_more(reference("number"))),
                ("gap", reference("delay")),
            ],
            &["sizes"],
        ),
        _ => json!({"type": "string"}),
    }
}

fn action(name: &str) -> Value {
    let listening = any([json!({"const": "all"}), one_or_more(reference("pattern"))]);
    let text = || json!({"type": "string"});
    match name {
        "connect" => connect(),
        "send" => one_or_more(reference("message")),
        "send_raw" => reference("raw"),
        "expect" | "next" => reference("pattern"),
        "until" => {
            let state = |key| match key {
                "has" => any([
                    json!({"enum": ["all", "none"]}),
                    reference("number"),
                    json!({"type": "array"}),
                ]),
                _ => reference("condition"),
            };
            let mut schema = object(STATES.map(|key| (key, state(key))), &[]);
            insert(&mut schema, "minProperties", json!(1));
            schema
        }
        "all_of" => json!({"type": "array", "items": reference("pattern")}),
        "any_of" => json!({"type": "array", "minItems": 2, "items": reference("step")}),
        "silence" => object(
            [("for", reference("delay")), ("of", listening)],
            &["for", "of"],
        ),
        "never" => object([("of", listening), ("until", reference("id"))], &["of"]),
        "closed" => json!({"enum": ["any", "fin", "rst"]}),
        "survives" => object(
            [
                ("stay", reference("verdict")),
                ("close", reference("verdict")),
            ],
            &["stay", "close"],
        ),
        "alive" => any([json!({"type": "null"}), object([], &[])]),
        "check" => {
            let of = |name| match name {
                "that" => reference("condition"),
                _ => json!({"type": "array", "minItems": 2, "maxItems": 2}),
            };
            let mut schema = object(CHECKS.map(|(name, _)| (name, of(name))), &[]);
            insert(&mut schema, "minProperties", json!(1));
            schema
        }
        "measure" => object(
            [
                ("until", reference("step")),
                ("max", reference("delay")),
                ("as", text()),
                ("idle", json!({"type": "boolean"})),
            ],
            &["until", "max", "as"],
        ),
        "background" => object(
            [
                ("send", one_or_more(reference("message"))),
                ("every", reference("delay")),
                ("until", reference("id")),
            ],
            &["send", "every"],
        ),
        "repeat" => object(
            [
                ("each", json!({"type": "object"})),
                ("times", reference("number")),
                ("unordered", json!({"type": "boolean"})),
                ("do", reference("steps")),
            ],
            &["do"],
        ),
        "target" => {
            let verbs: Vec<&str> = VERBS.iter().map(|(name, _)| *name).collect();
            json!({"type": "string", "pattern": format!("^({})( |$)", verbs.join("|"))})
        }
        "wait" => object(
            [("for", reference("delay")), ("because", text())],
            &["for", "because"],
        ),
        "idle" => object(
            [
                ("for", reference("delay")),
                ("until_closed", reference("delay")),
                ("because", text()),
            ],
            &["because"],
        ),
        "close" => json!({"enum": ["fin", "rst"]}),
        "serve" => {
            let of = |key| match key {
                "pieces" => serves(),
                "corrupt" => words(&CORRUPT),
                _ => reference("delay"),
            };
            object(SERVE.map(|key| (key, of(key))), &["pieces"])
        }
        "reading" => json!({"type": "boolean"}),
        _ => text(),
    }
}

/// Which pieces the reference core serves.
fn serves() -> Value {
    any([
        json!({"enum": ["fresh", "none", "all"]}),
        reference("number"),
        json!({"type": "array"}),
    ])
}

fn connect() -> Value {
    let of = |key| match key {
        "reserved" => reserved(),
        "info_hash" | "peer_id" | "told" => reference("bytes"),
        "handshake" => words(&HANDSHAKES),
        "hello" => json!({"type": "array", "items": reference("message")}),
        "serves" => serves(),
        "rejects" | "unchoke" => json!({"type": "boolean"}),
        "mode" => words(&MODES),
        _ => json!({"type": "string"}),
    };
    object(CONNECT.map(|key| (key, of(key))), &[])
}

fn reserved() -> Value {
    let names: Vec<&str> = RESERVED_BITS.iter().map(|bit| bit.name).collect();
    any([
        json!({"type": "array", "items": {"enum": names}}),
        reference("expression"),
        reference("bytes"),
    ])
}

/// What a form of bytes holds.
fn bytes() -> Value {
    let value = |key: &str| match key {
        "repeat" | "flip" => reference("bytes"),
        "concat" => json!({"type": "array", "items": reference("bytes")}),
        "of" => json!({"enum": ["torrent", "corrupt", "zeros", "info"]}),
        "times" | "index" | "begin" | "length" | "piece" | "u8" | "u16" | "u32" => {
            reference("number")
        }
        "spare" => json!({"type": "boolean"}),
        "extra" => json!({"type": "integer"}),
        "bencode" | "bencode_as_is" => reference("bencode"),
        "bits" | "all_but" => reference("value"),
        _ => json!({"type": ["string", "number"]}),
    };
    let mut forms = vec![json!({"type": "string"})];
    for (key, others) in FORMS {
        let keys = std::iter::once(&key).chain(others);
        forms.push(object(keys.map(|name| (*name, value(name))), &[key]));
    }
    any(forms)
}

fn raw() -> Value {
    let mut forms = Vec::new();
    let aside = || {
        [
            ("boundary", json!({"enum": ["whole", "open", "unknown"]})),
            ("skip", reference("number")),
            ("take", reference("number")),
        ]
    };
    let parts = [
        (
            "handshake",
            any([json!({"type": "null"}), reference("handshake")]),
        ),
        ("frame", reference("frame")),
        ("message", reference("message")),
        ("haves", reference("number")),
        (
            "concat",
            json!({"type": "array", "items": reference("raw")}),
        ),
    ];
    for (key, value) in parts {
        forms.push(object(aside().into_iter().chain([(key, value)]), &[key]));
    }
    for key in ["requests", "cancels"] {
        let blocks = [key, "first", "every"].map(|key| (key, reference("number")));
        forms.push(object(aside().into_iter().chain(blocks), &[key]));
    }
    if let Some(Value::Array(bytes)) = bytes().get("anyOf") {
        for form in bytes.iter().skip(1) {
            let mut form = form.clone();
            if let Some(Value::Object(properties)) = form.get_mut("properties") {
                properties.extend(aside().map(|(key, value)| (key.to_owned(), value)));
            }
            forms.push(form);
        }
    }
    forms.push(reference("expression"));
    any(forms)
}

fn frame() -> Value {
    object(
        [
            ("length", reference("number")),
            ("id", reference("number")),
            ("payload", reference("bytes")),
            ("message", reference("message")),
        ],
        &[],
    )
}

fn handshake() -> Value {
    object(
        [
            ("pstrlen", reference("number")),
            ("pstr", reference("bytes")),
            ("reserved", reserved()),
            ("info_hash", reference("bytes")),
            ("peer_id", reference("bytes")),
        ],
        &[],
    )
}

/// A message to send: a name that needs no fields, or a name with every field.
fn message() -> Value {
    let bare: Vec<&str> = MESSAGES
        .iter()
        .filter(|row| row.fields.is_empty() || row.kind == Kind::ExtendedHandshake)
        .map(|row| row.name)
        .collect();
    let whole = MESSAGES.iter().map(|row| (row.name, message_fields(row)));
    any([json!({"enum": bare}), single(whole)])
}

fn message_fields(row: &MessageSpec) -> Value {
    if is_dict(row) {
        return dictionary(row, |_| reference("bencode"));
    }
    let required: Vec<&str> = row
        .fields
        .iter()
        .filter(|field| field.ty != FieldType::OptionalInt)
        .map(|field| field.name)
        .collect();
    let fields = row.fields.iter().map(|field| (field.name, sent(field)));
    let ext_id = row
        .kind
        .is_extension()
        .then(|| (EXT_ID.name, reference("number")));
    let mut schema = object(fields.chain(ext_id), &required);
    if required.is_empty() {
        insert(&mut schema, "type", json!(["object", "null"]));
    }
    schema
}

fn sent(field: &Field) -> Value {
    let value = match field.ty {
        FieldType::U8 => number(u32::from(u8::MAX)),
        FieldType::U16 => number(u32::from(u16::MAX)),
        FieldType::U32 => number(u32::MAX),
        FieldType::Int | FieldType::OptionalInt => reference("number"),
        FieldType::Bytes if *field == BITS => reference("value"),
        FieldType::Bytes | FieldType::Hash | FieldType::Text => reference("bytes"),
        FieldType::Dict => reference("bencode"),
    };
    described(value, field)
}

fn number(most: u32) -> Value {
    any([
        json!({"type": "integer", "minimum": 0, "maximum": most}),
        reference("expression"),
    ])
}

fn described(value: Value, field: &Field) -> Value {
    json!({"description": field.doc, "allOf": [value]})
}

fn is_dict(row: &MessageSpec) -> bool {
    row.fields.iter().any(|field| **field == DICT)
}

/// Known keys are completed, others allowed.
fn dictionary(row: &MessageSpec, value: impl Fn(&Field) -> Value) -> Value {
    let keys: Map<String, Value> = row
        .keys
        .iter()
        .map(|field| (field.name.to_owned(), described(value(field), field)))
        .collect();
    json!({"type": ["object", "null"], "properties": keys})
}

/// A pattern: a name, or a name with some fields.
fn pattern() -> Value {
    let mut names: Vec<&str> = MESSAGES.iter().map(|row| row.name).collect();
    names.extend([PatternKind::HANDSHAKE, PatternKind::MALFORMED]);
    let fields = |row: &MessageSpec| {
        if is_dict(row) {
            return dictionary(row, |_| reference("value"));
        }
        let fields = row
            .fields
            .iter()
            .map(|field| (field.name, described(matched(field.ty), field)));
        let ext_id = row
            .kind
            .is_extension()
            .then(|| (EXT_ID.name, matched(FieldType::U8)));
        nullable(object(fields.chain(ext_id), &[]))
    };
    let bits = RESERVED_BITS.iter().map(|bit| {
        let tested = any([reference("condition"), reference("tests")]);
        (bit.name, json!({"description": bit.doc, "allOf": [tested]}))
    });
    let handshake = HANDSHAKE_FIELDS
        .into_iter()
        .map(|name| (name, matched(FieldType::Bytes)));
    let malformed = MALFORMED_FIELDS
        .into_iter()
        .map(|name| (name, reference("value")));
    let rows = MESSAGES.iter().map(|row| (row.name, fields(row)));
    let extra = [
        (
            PatternKind::HANDSHAKE,
            nullable(object(handshake.chain(bits), &[])),
        ),
        (PatternKind::MALFORMED, nullable(object(malformed, &[]))),
    ];
    any([json!({"enum": names}), single(rows.chain(extra))])
}

fn matched(ty: FieldType) -> Value {
    match ty {
        FieldType::U8
        | FieldType::U16
        | FieldType::U32
        | FieldType::Int
        | FieldType::OptionalInt => any([reference("number"), reference("tests")]),
        _ => any([reference("tests"), reference("value")]),
    }
}

fn tests() -> Value {
    let of = |op: TestOp| match op {
        TestOp::Present => reference("condition"),
        TestOp::Names => reference("bytes"),
        TestOp::Gt
        | TestOp::Ge
        | TestOp::Lt
        | TestOp::Le
        | TestOp::Len
        | TestOp::Longer
        | TestOp::Shorter => reference("number"),
        TestOp::Hex => json!({"type": ["string", "number"]}),
        TestOp::Eq | TestOp::In | TestOp::Sha1 => reference("value"),
    };
    let keep = ["capture", "append"].map(|key| (key, json!({"type": "string"})));
    let tests = TestOp::ALL.map(|op| (op.name(), of(op)));
    let mut schema = object(tests.into_iter().chain(keep), &[]);
    insert(&mut schema, "minProperties", json!(1));
    schema
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn any(of: impl IntoIterator<Item = Value>) -> Value {
    json!({"anyOf": of.into_iter().collect::<Vec<_>>()})
}

fn one_or_more(entry: Value) -> Value {
    any([
        json!({"type": "array", "minItems": 1, "items": entry.clone()}),
        entry,
    ])
}

fn words<T>(words: &[(&'static str, T)]) -> Value {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    json!({"enum": names})
}

fn object<'a>(properties: impl IntoIterator<Item = (&'a str, Value)>, required: &[&str]) -> Value {
    let properties: Map<String, Value> = properties
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        insert(&mut schema, "required", json!(required));
    }
    schema
}

/// An object with exactly one of these keys.
fn single<'a>(properties: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let mut schema = object(properties, &[]);
    insert(&mut schema, "minProperties", json!(1));
    insert(&mut schema, "maxProperties", json!(1));
    schema
}

fn nullable(mut schema: Value) -> Value {
    insert(&mut schema, "type", json!(["object", "null"]));
    schema
}

fn insert(schema: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = schema {
        map.insert(key.to_owned(), value);
    }
}
