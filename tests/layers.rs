//! Guards on the shape of the sources: who uses whom, who may name which crate, who prints.
//!
//! The table is the one of `docs/architecture.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and what it may use, besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("torrent", &["wire"]),
    ("requirement", &[]),
    ("trace", &["wire"]),
    ("capture", &["wire", "trace"]),
    ("session", &["wire", "torrent", "trace"]),
    (
        "rule",
        &["wire", "torrent", "session", "trace", "requirement"],
    ),
    (
        "peer",
        &["wire", "torrent", "trace", "session", "requirement"],
    ),
    ("scenario", &["wire", "torrent", "rule", "requirement"]),
    (
        "outcome",
        &["wire", "trace", "rule", "scenario", "requirement"],
    ),
    ("transport", &["wire"]),
    ("target", &["wire", "torrent", "peer", "transport"]),
    ("engine", ALL_ABOVE_ENGINE),
    ("audit", ALL_ABOVE_AUDIT),
    (
        "report",
        &[
            "wire",
            "trace",
            "capture",
            "rule",
            "scenario",
            "outcome",
            "requirement",
        ],
    ),
    (
        "proxy",
        &[
            "wire",
            "torrent",
            "requirement",
            "trace",
            "session",
            "rule",
            "outcome",
        ],
    ),
    ("fuzz", ALL_ABOVE_FUZZ),
    (
        "fuzzing",
        &[
            "wire",
            "torrent",
            "trace",
            "capture",
            "session",
            "rule",
            "peer",
            "scenario",
            "outcome",
            "report",
            "requirement",
        ],
    ),
];

const ALL_ABOVE_FUZZ: &[&str] = &[
    "wire",
    "torrent",
    "requirement",
    "trace",
    "session",
    "rule",
    "peer",
    "scenario",
    "outcome",
    "transport",
    "target",
    "engine",
];

const ALL_ABOVE_ENGINE: &[&str] = &[
    "wire",
    "torrent",
    "requirement",
    "trace",
    "session",
    "rule",
    "peer",
    "scenario",
    "outcome",
    "transport",
    "target",
];

const ALL_ABOVE_AUDIT: &[&str] = &[
    "wire",
    "torrent",
    "requirement",
    "trace",
    "session",
    "rule",
    "peer",
    "scenario",
    "outcome",
    "engine",
];

/// A crate and the only places, by path prefix below `src/`, that may name it.
const CRATES: &[(&str, &[&str])] = &[
    (
        "tokio",
        &[
            "transport/",
            "target/",
            "engine/driver",
            "proxy/relay",
            "cli/",
        ],
    ),
    ("bendy", &["wire/bencode"]),
    (
        "serde_yaml",
        &["scenario/yaml", "requirement/load", "target/client"],
    ),
    ("annotate_snippets", &["scenario/", "outcome/"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/"]),
    ("indicatif", &["cli/"]),
    ("bitvec", &["torrent/"]),
    ("askama", &["report/html"]),
    ("base64", &["report/html"]),
    ("sha2", &["report/html"]),
    ("quick_junit", &["report/junit", "fuzzing/"]),
    ("rustix", &["target/guard"]),
    ("socket2", &["transport/blocking"]),
    ("pcap_file", &["capture/"]),
    ("etherparse", &["capture/"]),
];

/// What only the binary's output module may call.
const PRINTING: &[&str] = &["print!", "println!", "eprint!", "eprintln!", "dbg!"];

struct Source {
    /// Below `src/`, with slashes.
    path: String,
    /// Without comments, strings and unit tests.
    code: String,
}

impl Source {
    /// First component of the path: the module.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

/// Every Rust file below a folder, in order.
fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut folders = vec![root.to_owned()];
    let mut files = Vec::<PathBuf>::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    rust_files(&root)
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name != "tests.rs"))
        .map(|path| Source {
            code: code_only(&fs::read_to_string(&path).unwrap()),
            path: path
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/"),
        })
        .collect()
}

/// Drops comments, the inside of strings and character literals, and the unit tests at the end.
fn code_only(text: &str) -> String {
    let text = match text.find("\n#[cfg(test)]\nmod tests {") {
        Some(at) => &text[..at],
        None => text,
    };
    let chars = text.chars().collect::<Vec<_>>();
    let mut code = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let rest = &chars[i..];
        if rest.starts_with(&['/', '/']) {
            i += rest.iter().take_while(|c| **c != '\n').count();
        } else if rest.starts_with(&['/', '*']) {
            i += 2;
            while i < chars.len() && !chars[i..].starts_with(&['*', '/']) {
                i += 1;
            }
            i += 2;
        } else if let Some(hashes) = raw_string(rest) {
            let close = std::iter::once('"')
                .chain(std::iter::repeat_n('#', hashes))
                .collect::<Vec<_>>();
            i += 2 + hashes;
            while i < chars.len() && !chars[i..].starts_with(&close) {
                i += 1;
            }
            i += close.len();
            code.push_str("\"\"");
        } else if rest[0] == '"' {
            i += 1;
            while i < chars.len() && chars[i] != '"' {
                i += if chars[i] == '\\' { 2 } else { 1 };
            }
            i += 1;
            code.push_str("\"\"");
        } else if rest[0] == '\'' && (rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')) {
            i += if rest[1] == '\\' { 3 } else { 2 };
            while i < chars.len() && chars[i] != '\'' {
                i += 1;
            }
            i += 1;
            code.push_str("' '");
        } else {
            code.push(rest[0]);
            i += 1;
        }
    }
    code
}

/// For the start of a raw string, the number of its hash signs.
fn raw_string(rest: &[char]) -> Option<usize> {
    let after = rest.strip_prefix(&['r'])?;
    let hashes = after.iter().take_while(|c| **c == '#').count();
    (after.get(hashes) == Some(&'"')).then_some(hashes)
}

/// Every module named behind `crate::`, `use crate::{a::…, b}` included.
fn uses(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.insert(first_name(&item));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(c);
            }
            found.insert(first_name(&item));
        } else {
            found.insert(first_name(rest));
        }
    }
    found.remove("");
    found
}

fn first_name(path: &str) -> String {
    path.trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// Whether `code` names `word` on its own, not as part of another name.
fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(part)
            && !code[at + word.len()..].chars().next().is_some_and(part)
    })
}

#[test]
fn modules_use_only_the_layers_above_them() {
    let mut wrong = Vec::new();
    for source in sources() {
        let module = source.module();
        // The binary may use everything, and sees the library as `btspec::…`.
        if matches!(module, "lib" | "main" | "cli") {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!(
                "src/{}: module `{module}` is in no layer",
                source.path
            ));
            continue;
        };
        for used in uses(&source.code) {
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!(
                    "src/{}: `{module}` uses `crate::{used}`",
                    source.path
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn crates_are_named_only_where_they_are_wrapped() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, places) in CRATES {
            if names(&source.code, name)
                && !places.iter().any(|place| source.path.starts_with(place))
            {
                wrong.push(format!("src/{} names `{name}`", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn only_cli_out_prints() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.path == "cli/out.rs" {
            continue;
        }
        for printing in PRINTING {
            let name = printing.trim_end_matches('!');
            if source.code.contains(printing) && names(&source.code, name) {
                wrong.push(format!("src/{} calls {printing}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_dependency_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let all = sources()
        .into_iter()
        .map(|source| source.code)
        .collect::<String>();
    let beside = ["tests", "benches", "fuzz/src"]
        .into_iter()
        .flat_map(|folder| rust_files(&root.join(folder)))
        .map(|path| fs::read_to_string(path).unwrap())
        .map(|text| code_only(&text))
        .collect::<String>();
    let mut unused = Vec::new();
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        } else if let Some((name, _)) = line.split_once(" = ") {
            let name = name.trim().replace('-', "_");
            let found = match section {
                "dependencies" => names(&all, &name),
                "dev-dependencies" => names(&all, &name) || names(&beside, &name),
                _ => continue,
            };
            if !found && !line.starts_with('#') {
                unused.push(name);
            }
        }
    }
    assert!(unused.is_empty(), "never named: {unused:?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let silent = sources()
        .into_iter()
        .map(|source| source.path)
        .filter(|path| {
            let text = fs::read_to_string(root.join(path)).unwrap();
            !text.is_empty() && !text.starts_with("//!")
        })
        .collect::<Vec<_>>();
    assert!(silent.is_empty(), "no `//!` at the top of {silent:?}");
}

#[test]
fn reads_sources_as_a_compiler_would() {
    let code = code_only(
        "// crate::a\nuse crate::{b::C, d::{e, f}};\nlet s = \"crate::g\"; let c = '\"'; crate::h::i();\n\
         let r = r#\"crate::j\"#; fn k<'a>(x: &'a str) {}\n#[cfg(test)]\nmod tests { use crate::l; }",
    );
    assert_eq!(uses(&code).into_iter().collect::<Vec<_>>(), ["b", "d", "h"]);
    assert!(names("tokio::spawn", "tokio") && !names("my_tokio", "tokio"));
}
