//! What libFuzzer is given to write with: tokens out of the tables, a file for each target.

use std::fmt::Write;

use super::script::Script;
use super::seeds;
use crate::scenario::{actions, modifiers};
use crate::wire::handshake::PROTOCOL;
use crate::wire::registry::{EXTENSIONS, MESSAGES};
use crate::wire::{ExtensionMessage, Kind, Message};

/// The dictionary of a target in libFuzzer's form; `None` where one does not help.
pub fn of(target: &str) -> Option<String> {
    let tokens = match target {
        "decode" | "decode_split" | "decode_diff" => [frames(), payloads(), bencoding()].concat(),
        "handshake" => vec![PROTOCOL.to_vec(), [&[19], &PROTOCOL[..]].concat()],
        "extended" | "bencode" => [payloads(), bencoding(), keys()].concat(),
        "metainfo" => [torrent_keys(), bencoding()].concat(),
        "scenario" => scenario(),
        "expectations" => expectations(),
        "session" | "peer" => turns(),
        // Choices are no tokens.
        _ => return None,
    };
    let mut text = String::from("# Written by `cargo run --features arbitrary --example seeds`.\n");
    let mut written = std::collections::BTreeSet::new();
    for token in tokens {
        if token.is_empty() || token.len() > LONGEST || !written.insert(token.clone()) {
            continue;
        }
        text.push('"');
        for byte in token {
            // Writing to a String cannot fail.
            let _ = match byte {
                b'"' | b'\\' => write!(text, "\\{}", char::from(byte)),
                b' '..=b'~' => write!(text, "{}", char::from(byte)),
                _ => write!(text, "\\x{byte:02x}"),
            };
        }
        text.push_str("\"\n");
    }
    Some(text)
}

/// libFuzzer takes no longer ones.
const LONGEST: usize = 64;

/// A message of each kind, its fields 0.
fn frames() -> Vec<Vec<u8>> {
    let kinds = Kind::ALL.iter().filter(|kind| !kind.is_extension());
    let frames = kinds.map(|kind| {
        let Ok(message) = Message::read(*kind, &mut Script::new(&[]));
        message.encode().to_vec()
    });
    frames.chain([[&[19], &PROTOCOL[..]].concat()]).collect()
}

/// A payload of each kind of extension message.
fn payloads() -> Vec<Vec<u8>> {
    let kinds = Kind::ALL.iter().filter(|kind| kind.is_extension());
    let payloads = kinds.filter_map(|kind| {
        let Ok(message) = ExtensionMessage::read(*kind, &mut Script::new(&[]));
        message.map(|message| message.encode_payload().to_vec())
    });
    payloads.collect()
}

/// The keys and names of extensions that the tables know, as they stand in a dictionary.
fn keys() -> Vec<Vec<u8>> {
    let rows = MESSAGES
        .iter()
        .flat_map(|row| row.keys.iter().chain(row.fields));
    let names = rows.map(|field| field.name);
    let extensions = EXTENSIONS.iter().map(|extension| extension.name);
    names.chain(extensions).map(string).collect()
}

fn string(name: &str) -> Vec<u8> {
    format!("{}:{name}", name.len()).into_bytes()
}

fn bencoding() -> Vec<Vec<u8>> {
    let tokens = [
        "de",
        "le",
        "ee",
        "i0e",
        "i-1e",
        "i-0e",
        "i+1e",
        "i00e",
        "0:",
        "00:",
        "1:a",
        "d1:ai0ee",
        "i65536e",
        "i4294967296e",
        "i9223372036854775808e",
        "i18446744073709551616e",
        "i170141183460469231731687303715884105728e",
        "18446744073709551616:",
    ];
    tokens.map(|token| token.as_bytes().to_vec()).to_vec()
}

fn torrent_keys() -> Vec<Vec<u8>> {
    let keys = [
        "announce",
        "announce-list",
        "attr",
        "file tree",
        "files",
        "info",
        "length",
        "meta version",
        "name",
        "path",
        "piece length",
        "pieces",
        "private",
        "p",
        "..",
        "nul",
        "aaaaaaaaaaaaaaaaaaaa",
    ];
    let mut tokens: Vec<_> = keys.map(string).to_vec();
    tokens.push(b"d6:lengthi1e4:pathl1:aee".to_vec());
    tokens
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<Vec<u8>> {
    words
        .into_iter()
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

fn scenario() -> Vec<Vec<u8>> {
    let steps = actions().iter().chain(modifiers());
    let mut tokens: Vec<_> = steps.map(|name| format!("\n      - {name}: ")).collect();
    let fields = MESSAGES
        .iter()
        .flat_map(|row| row.fields.iter().chain(row.keys));
    tokens.extend(fields.map(|field| format!("{}: ", field.name)));
    tokens.extend(modifiers().iter().map(|name| format!("{name}: ")));
    let mut tokens = words(tokens.iter().map(String::as_str));
    tokens.extend(words(Kind::names()));
    tokens.extend(words([
        "spec: 1\n",
        "suite: ",
        "title: ",
        "cases:\n",
        "  - case: ",
        "cites: [B3-HS-01]",
        "given:",
        "given+:",
        "steps:\n",
        "after:",
        "blocks:",
        "defaults:",
        "matrix: {x: [1, 2]}",
        "vars: ",
        "params: ",
        "returns: ",
        "do: ",
        "{use: b}",
        "with: ",
        "$fresh",
        "$torrent.last",
        "$matrix.x",
        "${1 + 2}",
        "${$fresh}",
        "{capture: x}",
        "{len: 1}",
        "{in: [1, 2]}",
        "{gt: 0}",
        "{sha1: \"00\"}",
        "{hex: \"00\"}",
        "5s",
        "15ms",
        "true",
        "false",
        "null",
        "~",
        "[]",
        "{}",
        "&a",
        "*a",
        "!!str",
        "<<: ",
        "|\n",
        ">-\n",
        "---\n",
        "...\n",
        "\"\\u202e\"",
        "# ",
        "0x10",
    ]));
    tokens
}

fn expectations() -> Vec<Vec<u8>> {
    words([
        "- case: ",
        "  verdict: ",
        "  reason: ",
        "  source: ",
        "  text: ",
        "  if: ",
        "  until: ",
        "  issue: ",
        "fail\n",
        "warn\n",
        "inconclusive\n",
        "TODO",
        "suite/*",
        "suite/fail:seed",
        "rule/*",
        "version < \"4.0\"",
        "version >= 4.0.5",
        "role == seed",
        "role == leech",
        "2026-02-28",
        "2099-12-31",
        "\"\\u202e\"",
        "|\n",
        ">-\n",
        "[",
        "]",
        "{",
        "}",
        "\n# ",
        "?",
        "---\n",
        "...\n",
        "&a",
        "*a",
        "~",
    ])
}

/// A turn for each kind of message, and the others as the seeds have them.
fn turns() -> Vec<Vec<u8>> {
    let messages = Kind::ALL
        .iter()
        .flat_map(|kind| [0, 1].map(|who| seeds::message(who, *kind)));
    let others = (0..super::script::WAITS.len()).filter_map(|n| u8::try_from(n).ok());
    let others = others.flat_map(|n| {
        use super::script::code;
        [
            vec![code::WAIT, n],
            vec![code::ANSWER, n % 4],
            vec![code::REQUEST, n % 5],
            vec![code::AGAIN, n % 13],
            vec![code::CLOSE, n % 2],
            vec![code::READ, n % 2],
            vec![code::AVAILABILITY, n % 2],
            vec![code::HANDSHAKE, n],
            vec![code::HELLO],
            vec![code::OPEN],
            vec![code::VERB, n % 6],
        ]
    });
    messages.chain(others).collect()
}
