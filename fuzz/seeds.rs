//! Writes seeds into `corpus/`, those that follow from tables and those of recorded runs, and the
//! dictionaries in `fuzz/dictionaries/`.
//!
//!     cargo run --features arbitrary --example seeds
//!     cargo run --features arbitrary --example seeds -- NAME REPORT.json
//!
//! The second form takes the transcripts of a JSON report (`btspec run --report json=REPORT.json`),
//! of a self run or of a real client, and keeps for `session` and `peer` the shortest scripts that
//! get to something that no file before them gets to, named `NAME_SUITE_CASE`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use btspec::fuzzing::{Reach, Run, TARGETS, dictionary, seeds};
use btspec::outcome::RunOutcome;

fn main() {
    let mut args = std::env::args().skip(1);
    match (args.next(), args.next()) {
        (Some(name), Some(report)) => record(&name, Path::new(&report)),
        (None, _) => tables(),
        _ => panic!("seeds [NAME REPORT.json]"),
    }
}

fn tables() {
    for target in TARGETS {
        for (name, bytes) in seeds::of(target.name) {
            fs::write(folder(target.name).join(name), bytes).expect("a file in corpus/");
        }
        if let Some(words) = dictionary::of(target.name) {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/dictionaries");
            fs::create_dir_all(&folder).expect("a folder in fuzz/");
            let file = folder.join(format!("{}.dict", target.name));
            fs::write(file, words).expect("a file in fuzz/dictionaries/");
        }
    }
}

fn record(name: &str, report: &Path) {
    let text = fs::read_to_string(report).expect("a report");
    let run: RunOutcome = serde_json::from_str(&text).expect("a JSON report of btspec");
    for target in TARGETS
        .iter()
        .filter(|it| ["session", "peer"].contains(&it.name))
    {
        let Run::Alone(play) = target.run else {
            continue;
        };
        let mut seen = BTreeSet::new();
        for entry in fs::read_dir(folder(target.name)).expect("the corpus") {
            seen.extend(steps(
                play,
                &fs::read(entry.expect("an entry").path()).expect("a file"),
            ));
        }
        let mut scripts: Vec<_> = run
            .cases
            .iter()
            .filter(|case| !case.transcript.is_empty())
            .map(|case| (case, seeds::recorded(target.name, case)))
            .collect();
        scripts.sort_by_key(|(_, script)| script.len());
        for (case, script) in scripts.into_iter().filter(|(_, it)| it.len() <= MOST) {
            let new = steps(play, &script);
            if new.is_subset(&seen) {
                continue;
            }
            seen.extend(new);
            let words = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
            let file: String = format!("{name}_{}", case.case).chars().map(words).collect();
            fs::write(folder(target.name).join(file), script).expect("a file in corpus/");
        }
    }
}

/// Pairs of what is reached: two things in one script are more than each in its own.
fn steps(play: fn(&[u8]) -> Reach, script: &[u8]) -> BTreeSet<(&'static str, &'static str)> {
    let reached = play(script);
    let pairs = reached
        .iter()
        .flat_map(|one| reached.iter().map(move |other| (*one, *other)));
    pairs.collect()
}

fn folder(target: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder).expect("a folder in corpus/");
    folder
}

/// Longer scripts slow every run down.
const MOST: usize = 2048;
