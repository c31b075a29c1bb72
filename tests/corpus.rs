//! Every file of `corpus/` through its fuzz target, on stable, and what the seeds reach.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use btspec::fuzzing::{Reach, Run, TARGETS, Target, dictionary, seeds};
use btspec::wire::Kind;

// As `fuzz/` does, so that the corpus of `decode_diff` is compared without nightly.
#[expect(unreachable_pub, reason = "`fuzz/` exports it")]
#[path = "../fuzz/src/librqbit.rs"]
mod librqbit;

#[test]
fn every_file_of_the_corpus_keeps_the_promises() {
    let mut broken = Vec::new();
    for target in TARGETS {
        for (path, bytes) in corpus(target.name) {
            let run = || run(target, &bytes);
            if std::panic::catch_unwind(run).is_err() {
                broken.push(path);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn seeds_reach_everything_that_there_is_to_reach() {
    let mut wrong = Vec::new();
    for target in TARGETS {
        let seeds = corpus(target.name);
        let seeds = seeds.iter().filter(|(path, _)| !is_libfuzzer_find(path));
        let reached: BTreeSet<_> = seeds.flat_map(|(_, bytes)| run(target, bytes)).collect();
        let all: BTreeSet<_> = (target.reachable)().into_iter().collect();
        let missing: Vec<_> = all.difference(&reached).collect();
        let name = target.name;
        if !missing.is_empty() {
            wrong.push(format!("no seed in corpus/{name} reaches {missing:?}"));
        }
        let unlisted: Vec<_> = reached.difference(&all).collect();
        if !unlisted.is_empty() {
            wrong.push(format!("{name}: not among the reachable: {unlisted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn seed_named_after_a_kind_is_of_that_kind() {
    for target in TARGETS {
        let all = (target.reachable)();
        for (path, bytes) in corpus(target.name) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if Kind::by_name(name).is_some() && all.contains(&name) {
                assert!(run(target, &bytes).contains(name), "{}", path.display());
            }
        }
    }
}

#[test]
fn every_target_is_a_file_and_a_binary_and_has_seeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
    let named: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    let names = |folder: &str| -> BTreeSet<_> {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries.map(|entry| stem(entry.unwrap().path())).collect()
    };
    assert_eq!(names("fuzz/fuzz_targets"), named);
    assert_eq!(names("corpus"), named);
    for name in named {
        let text = fs::read_to_string(root.join(format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(
            text.contains(&format!("btspec::fuzzing::{name}(data")),
            "{text}"
        );
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
    }
}

#[test]
fn dictionaries_and_seeds_follow_from_the_tables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let update = "cargo run --features arbitrary --example seeds";
    for target in TARGETS {
        let path = root.join(format!("fuzz/dictionaries/{}.dict", target.name));
        let committed = fs::read_to_string(path).ok();
        assert_eq!(committed, dictionary::of(target.name), "{update}");
        // Which cases are seeds of `scenario` changes with the suites.
        if target.name == "scenario" {
            continue;
        }
        for (name, bytes) in seeds::of(target.name) {
            let path = root.join("corpus").join(target.name).join(name);
            assert_eq!(
                fs::read(&path).ok(),
                Some(bytes),
                "{}: {update}",
                path.display()
            );
        }
    }
}

fn run(target: &Target, bytes: &[u8]) -> Reach {
    match target.run {
        Run::Alone(run) => run(bytes),
        Run::Beside(run) => run(bytes, librqbit::decode),
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
