//! What every key of a scenario file is for: the descriptions in the JSON Schema, and the page of
//! reference that is written from it.
//!
//! Forms of values (bytes, messages, patterns) come from the schema alone.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Keys of one mapping.
struct Keys {
    /// Where its properties stand in the schema.
    at: &'static str,
    heading: &'static str,
    keys: &'static [(&'static str, &'static str)],
}

/// Writes what each key is for into the schema of scenario files.
pub(super) fn describe(schema: &mut Value) {
    for Keys { at, keys, .. } in KEYS {
        let Some(Value::Object(properties)) = schema.pointer_mut(at) else {
            continue;
        };
        for (key, about) in *keys {
            if let Some(Value::Object(property)) = properties.get_mut(*key) {
                property.insert("description".to_owned(), Value::from(*about));
            }
        }
    }
}

/// The page of reference, as Markdown.
pub fn page() -> String {
    let schema: Value = serde_json::from_str(&super::schema()).unwrap_or_default();
    let mut out = String::from(HEAD);
    for Keys { at, heading, .. } in KEYS {
        let _ = write!(
            out,
            "\n## {heading}\n\n| key | value | |\n| --- | --- | --- |\n"
        );
        let object = at.strip_suffix("/properties").unwrap_or(at);
        let object = schema.pointer(object).unwrap_or(&Value::Null);
        for (key, value) in members(object, "properties").into_iter().flatten() {
            let must = if is_required(object, key) {
                ", required"
            } else {
                ""
            };
            let about = text(value, "description").unwrap_or_default();
            let _ = writeln!(out, "| `{key}` | {}{must} | {about} |", shape(value));
        }
    }
    out.push_str("\n## Values\n");
    for (name, form) in members(&schema, "$defs").into_iter().flatten() {
        if name == "step" {
            continue;
        }
        let _ = write!(out, "\n### {name}\n\n");
        if let Some(about) = text(form, "description") {
            let _ = write!(out, "{about}.\n\n");
        }
        let entries = match (
            form.get("anyOf").and_then(Value::as_array),
            members(form, "properties"),
        ) {
            (Some(all), _) => all.iter().map(alternative).collect(),
            (_, Some(keys)) => list(keys, ""),
            _ => format!("{}\n", shape(form)),
        };
        out.push_str(&entries);
    }
    out
}

/// A line of a list; of a mapping with many keys, a line for each of them.
fn alternative(form: &Value) -> String {
    match members(form, "properties") {
        Some(keys) if keys.len() >= MANY => format!("- one of\n{}", list(keys, "  ")),
        _ => format!("- {}\n", shape(form)),
    }
}

fn list(keys: &Map<String, Value>, indent: &str) -> String {
    let line = |(key, value)| format!("{indent}- `{key}`: {}\n", shape(value));
    keys.iter().map(line).collect()
}

fn members<'a>(schema: &'a Value, keyword: &str) -> Option<&'a Map<String, Value>> {
    schema.get(keyword).and_then(Value::as_object)
}

fn text<'a>(schema: &'a Value, keyword: &str) -> Option<&'a str> {
    schema.get(keyword).and_then(Value::as_str)
}

fn is_required(object: &Value, key: &str) -> bool {
    let required = object.get("required").and_then(Value::as_array);
    required.is_some_and(|all| all.iter().any(|it| it == key))
}

/// What a value looks like, on one line.
fn shape(schema: &Value) -> String {
    let Value::Object(rules) = schema else {
        return "anything".to_owned();
    };
    if let Some(name) = rules.get("$ref").and_then(Value::as_str) {
        let name = name.rsplit('/').next().unwrap_or(name);
        return match name {
            "step" => "[step](#a-step)".to_owned(),
            _ => format!("[{name}](#{name})"),
        };
    }
    if let Some(constant) = rules.get("const") {
        return word(constant);
    }
    if let Some(Value::Array(all)) = rules.get("enum") {
        return all.iter().map(word).collect::<Vec<_>>().join(", ");
    }
    if let Some(Value::Array(all)) = rules.get("anyOf") {
        return match all.as_slice() {
            [list, one] if list.get("items") == Some(one) => {
                format!("{}, or a list of such", shape(one))
            }
            all => all.iter().map(shape).collect::<Vec<_>>().join(", or "),
        };
    }
    if let Some(Value::Object(keys)) = rules.get("properties") {
        return mapping(schema, keys);
    }
    let types = match rules.get("type") {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        _ => return "anything".to_owned(),
    };
    let names = types.into_iter().map(|name| match name {
        "array" => match rules.get("items") {
            Some(items) => format!("a list of {}", shape(items)),
            None => "a list".to_owned(),
        },
        "object" => match rules.get("additionalProperties") {
            Some(of @ Value::Object(_)) => format!("a map to {}", shape(of)),
            _ => "a map".to_owned(),
        },
        "boolean" => "`true`, `false`".to_owned(),
        "integer" | "number" => bounded(rules),
        "null" => "nothing".to_owned(),
        _ => match rules.get("pattern").and_then(Value::as_str) {
            // A bar would end the cell.
            Some(pattern) => format!("text like `{}`", pattern.replace('|', "\\|")),
            None => "text".to_owned(),
        },
    });
    names.collect::<Vec<_>>().join(" or ")
}

fn bounded(rules: &Map<String, Value>) -> String {
    match rules.get("maximum") {
        Some(most) => format!("a number up to {most}"),
        None => "a number".to_owned(),
    }
}

/// `{key: value, key?: value}`.
fn mapping(schema: &Value, keys: &Map<String, Value>) -> String {
    match keys.len() {
        0 => return "`{}`".to_owned(),
        MANY.. => {
            let names: Vec<String> = keys.keys().map(|key| format!("`{key}`")).collect();
            return format!("a map of {}", names.join(" "));
        }
        _ => {}
    }
    let one_of_them = schema.get("maxProperties") == Some(&Value::from(1));
    let keys: Vec<String> = keys
        .iter()
        .map(|(key, value)| {
            let may = match one_of_them || is_required(schema, key) {
                true => "",
                false => "?",
            };
            format!("`{key}`{may}: {}", shape(value))
        })
        .collect();
    match one_of_them {
        true => format!("one of {}", keys.join("; ")),
        false => format!("a map with {}", keys.join("; ")),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// Keys that are no cell of a table any more.
const MANY: usize = 10;

const HEAD: &str = "# Every key of a scenario file

Written from the JSON Schema ([scenario.schema.json](scenario.schema.json)) by `UPDATE_GENERATED=1 cargo test --test generated`; what the parts mean together is in
[scenarios.md](scenarios.md). A `?` behind a key says that it may be left out.
";

const KEYS: &[Keys] = &[
    Keys {
        at: "/properties",
        heading: "The file",
        keys: &[
            ("spec", "version of the format"),
            ("suite", "id of the suite; not in a file of blocks"),
            ("title", "a line on the suite"),
            (
                "defaults",
                "for every case; a case's own key replaces it, `needs` and `tags` add to it, `timeouts` key by key",
            ),
            ("blocks", "named lists of steps, for `use`"),
            ("cases", "the cases"),
        ],
    },
    Keys {
        at: "/properties/blocks/additionalProperties/properties",
        heading: "A block",
        keys: &[
            (
                "params",
                "its parameters with what they are unless given; without a value they must be given",
            ),
            ("returns", "names that it gives back to its user"),
            ("do", "its steps"),
        ],
    },
    Keys {
        at: "/properties/cases/items/properties",
        heading: "A case",
        keys: &[
            ("case", "id in the suite"),
            ("title", "a sentence"),
            ("cites", "requirements that it judges"),
            ("roles", "what the target is; both without"),
            (
                "direction",
                "`dialled`: we dial, `dials`: the target dials us; `dialled` without, both are two plays",
            ),
            ("needs", "what there has to be; else the play is a skip"),
            (
                "tags",
                "words to filter by; `slow`, `ordering`, `load`, `ban`, `first` and `last` have a meaning",
            ),
            (
                "lane",
                "`serial`, without: alone on the target; `shared`: may run beside others; `alone`: with more connections",
            ),
            ("vars", "abbreviations, computed where they are used"),
            (
                "matrix",
                "axes of values: one play for each combination, at most 64",
            ),
            (
                "when",
                "drops combinations; sees `$matrix.AXIS`, `$role` and `$direction`",
            ),
            (
                "given",
                "set-up, in the place of the suite's: a miss is inconclusive",
            ),
            ("given+", "set-up behind the suite's"),
            ("steps", "what judges"),
            ("after", "tidying up; a miss is nothing"),
            (
                "timeouts",
                "of answers, closes, grants and the whole case; 15 s, 15 s, 65 s and 60 s without",
            ),
            (
                "settle",
                "whether to wait for every owed answer before the end",
            ),
            ("proof", "with the reason why the set-up proves no life"),
            (
                "rules",
                "rules that do not judge this case, with the reason",
            ),
            (
                "variants",
                "variants that are not played, each with the reason",
            ),
            ("aliases", "ids that the case had before"),
        ],
    },
    Keys {
        at: "/$defs/step/properties",
        heading: "A step",
        keys: &[
            ("connect", "opens a connection, see below"),
            ("send", "messages in one write"),
            ("send_raw", "bytes that are no message"),
            (
                "expect",
                "a message from here on matches; others are passed over",
            ),
            ("next", "the very next message but keep-alives matches"),
            ("until", "the session is in this state, now or later"),
            ("all_of", "each pattern finds a message of its own"),
            ("any_of", "the first branch that happens decides"),
            (
                "otherwise",
                "beside `any_of`: steps when `within` ends undecided",
            ),
            ("silence", "nothing of the kind comes for so long"),
            (
                "never",
                "nothing of the kind comes from here on, or until a label",
            ),
            ("closed", "the target closes, in this manner"),
            (
                "survives",
                "the verdicts when the stream still works, and when the target closes",
            ),
            ("alive", "proof of life: the target serves, or asks"),
            ("check", "compares two values, or asks whether `that` holds"),
            (
                "measure",
                "takes the time until a branch happens, `max` at most",
            ),
            ("fail_if", "beside `measure`: judges what was measured"),
            ("background", "sends again and again while later steps run"),
            ("repeat", "steps for each value of lists, or so many times"),
            ("use", "the steps of a block"),
            ("with", "beside `use`: values of the block's parameters"),
            (
                "returns",
                "beside `use`: names of the block, and ours for them",
            ),
            ("target", "asks the driver, with arguments behind the verb"),
            ("wait", "lets time pass, with keep-alives"),
            ("idle", "lets time pass in silence"),
            ("close", "we close: our half of the stream, or all of it"),
            ("serve", "pieces that the tester serves from here on"),
            ("reading", "whether we read what the target sends"),
            (
                "memory",
                "a name for the bytes that the target's process holds; 0 where nobody can tell",
            ),
            ("peer", "the connection; steps behind it inherit it"),
            ("within", "deadline of the whole step"),
            ("not_before", "an earlier match is a miss"),
            (
                "verdict",
                "on a branch: what it comes to; else: what a miss counts as",
            ),
            ("note", "the reason in the report"),
            (
                "cites",
                "judged under these alone; they are among the case's",
            ),
            ("then", "steps once this one is met"),
            (
                "when",
                "the step exists only if this holds when its turn comes",
            ),
            ("label", "a name for `until` of `never` and `background`"),
            (
                "fragment",
                "segments in which bytes are written, and the time between them",
            ),
        ],
    },
    Keys {
        at: "/$defs/step/properties/connect/properties",
        heading: "connect",
        keys: &[
            ("peer", "name of the connection; `main` without"),
            ("from", "a label: equal labels share one source address"),
            ("source", "a name that keeps our address on the connection"),
            (
                "reserved",
                "reserved bits that we set; `[fast, extended]` without",
            ),
            ("info_hash", "20 bytes; the torrent's without"),
            ("peer_id", "20 bytes; a new one without"),
            (
                "handshake",
                "`full`, without; `none`: nothing is sent; `raw`: nor is anything decoded behind the target's",
            ),
            ("hello", "exactly these messages behind the handshake"),
            (
                "serves",
                "pieces that the tester serves on its own; none without",
            ),
            (
                "rejects",
                "whether the tester rejects at once what it does not serve",
            ),
            (
                "unchoke",
                "whether the tester unchokes the target on its own",
            ),
            ("mode", "who dials; as the play's direction says without"),
            (
                "contact",
                "with `listen`: a name that keeps where we listen, in compact form",
            ),
            (
                "told",
                "with `accept`: the peer id that our tracker tells of us",
            ),
        ],
    },
    Keys {
        at: "/$defs/step/properties/check/properties",
        heading: "check",
        keys: &[
            ("eq", "equal"),
            ("ne", "not equal"),
            ("lt", "the first is less"),
            ("le", "the first is not more"),
            ("gt", "the first is more"),
            ("ge", "the first is not less"),
            ("in", "the first is in the second, a list"),
            ("sha1", "the SHA-1 of the first is the second"),
            ("len", "the first is so long"),
            ("that", "a condition holds"),
        ],
    },
    Keys {
        at: "/$defs/step/properties/repeat/properties",
        heading: "repeat",
        keys: &[
            (
                "each",
                "names, each with a list; several are combined, the last one fastest",
            ),
            ("times", "how often"),
            (
                "unordered",
                "whether the `expect` steps inside may be met in any order",
            ),
            ("do", "the steps"),
        ],
    },
    Keys {
        at: "/$defs/step/properties/serve/properties",
        heading: "serve",
        keys: &[
            ("pieces", "which"),
            ("corrupt", "blocks of a piece in which a bit is flipped"),
            ("every", "least time between two answers"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_is_there() {
        let schema: Value = serde_json::from_str(&crate::scenario::schema()).unwrap();
        for Keys { at, keys, .. } in KEYS {
            let there = schema.pointer(at).unwrap();
            for (key, about) in *keys {
                assert_eq!(there[key]["description"], *about, "{at}/{key}");
            }
        }
    }
}
