//! Every file of `corpus/` through its fuzz entry point, on stable, and what the seeds reach.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use btspec::fuzzing;
use btspec::wire::Kind;

#[test]
fn decode_corpus_keeps_its_promises() {
    for (_, bytes) in corpus("decode") {
        fuzzing::decode(&bytes);
    }
}

#[test]
fn decode_seeds_reach_every_kind_and_every_error() {
    let seeds = corpus("decode");
    let seeds = seeds.iter().filter(|(path, _)| !is_libfuzzer_find(path));
    let reached: BTreeSet<_> = seeds.flat_map(|(_, bytes)| fuzzing::reach(bytes)).collect();
    let kinds = Kind::names();
    let all: BTreeSet<_> = kinds.chain(fuzzing::REACHABLE.iter().copied()).collect();
    let missing: Vec<_> = all.difference(&reached).collect();
    assert!(
        missing.is_empty(),
        "no seed in corpus/decode reaches {missing:?}"
    );
    let unlisted: Vec<_> = reached.difference(&all).collect();
    assert!(unlisted.is_empty(), "not in REACHABLE: {unlisted:?}");
}

#[test]
fn seed_named_after_a_kind_is_of_that_kind() {
    for (path, bytes) in corpus("decode") {
        let name = path.file_name().unwrap().to_str().unwrap();
        if Kind::by_name(name).is_some() {
            assert!(fuzzing::reach(&bytes).contains(name), "{name}");
        }
    }
}

/// Names are 40 hexadecimal digits; git does not see them either.
fn is_libfuzzer_find(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", dir.display());
    files
}
