//! Workflows and the action, which only a forge runs as a whole: what can be is linted and run here.
//!
//! The steps of the example's workflow are run in order, those of the action in the place of its
//! `uses:`, with its defaults. Not run: `uses:` of others, and the build of the program under test.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

mod command;

use command::{folder, run};

const EXAMPLE: &str = "examples/client-repository/.github/workflows/btspec.yml";
const ACTION: &str = "action.yml";
const RELEASE: &str = ".github/workflows/release.yml";

/// Cargo's own commands in workflows, and the two that are installed.
const CARGO: [&str; 7] = ["bench", "build", "check", "fuzz", "install", "run", "test"];

type Vars = BTreeMap<String, String>;

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn workflows() -> Vec<String> {
    let listed = fs::read_dir(".github/workflows").unwrap();
    let mut paths: Vec<String> = listed
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    paths.push(EXAMPLE.to_owned());
    paths.sort();
    paths
}

/// The steps of a workflow's jobs, or of an action.
fn steps(file: &Value) -> Vec<Value> {
    let of = |holder: &Value| holder["steps"].as_array().cloned().unwrap_or_default();
    match file["jobs"].as_object() {
        Some(jobs) => jobs.values().flat_map(of).collect(),
        None => of(&file["runs"]),
    }
}

#[test]
fn workflows_are_bounded_and_pin_what_they_use() {
    for path in workflows() {
        let file = yaml(&path);
        assert!(!file["permissions"].is_null(), "{path}: no permissions");
        for (name, job) in file["jobs"].as_object().unwrap() {
            assert!(
                job["timeout-minutes"].is_u64(),
                "{path}: {name} has no limit"
            );
        }
    }
    for path in workflows().into_iter().chain([ACTION.to_owned()]) {
        for step in steps(&yaml(&path)) {
            let Some(uses) = step["uses"].as_str() else {
                assert!(step["run"].is_string(), "{path}: {step}");
                continue;
            };
            assert!(
                uses.split('@')
                    .nth(1)
                    .is_some_and(|rev| rev.starts_with('v')),
                "{path}: {uses}"
            );
        }
    }
}

#[test]
fn workflows_name_commands_that_there_are() {
    let help = run(["--help"]).out;
    let known = |word: &str| help.contains(&format!("\n  {word} "));
    let mut seen = 0;
    for path in workflows().into_iter().chain([ACTION.to_owned()]) {
        for step in steps(&yaml(&path)) {
            let text = step["run"].as_str().unwrap_or_default().replace('"', " ");
            let words: Vec<&str> = text.split_whitespace().collect();
            for pair in words.windows(2) {
                let (program, next) = (pair[0], pair[1].trim_start_matches('+'));
                let is_command = |c: char| c.is_ascii_lowercase() || c == '-';
                if next.starts_with('-') || !next.chars().all(is_command) {
                    continue;
                }
                match program {
                    "cargo" if pair[1].starts_with('+') => {}
                    "cargo" => assert!(CARGO.contains(&next), "{path}: cargo {next}"),
                    _ if program == "btspec" || program.ends_with("/btspec") => {
                        assert!(known(next), "{path}: btspec {next}");
                        seen += 1;
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(seen >= 5, "only {seen} commands of btspec were found");
}

/// A place where steps run, as a runner has one.
struct Runner {
    at: PathBuf,
    path: String,
}

impl Runner {
    fn new(name: &str) -> Self {
        let at = folder(name);
        let bin = at.join("bin");
        fs::create_dir(&bin).unwrap();
        symlink(env!("CARGO_BIN_EXE_btspec"), bin.join("btspec")).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", bin.display());
        Self { at, path }
    }

    /// Runs a step as `shell: bash` does; its exit code, and what it printed.
    fn step(&self, run: &str, env: &Vars) -> (i32, String) {
        let script = self.at.join("step.sh");
        fs::write(&script, run).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(&script);
        bash.current_dir(self.at.join("work"))
            .env("PATH", &self.path);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BTSPEC_")) {
            bash.env_remove(name);
        }
        bash.envs(env).stdin(Stdio::null());
        for file in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
            bash.env(file, self.at.join(file));
        }
        let done = bash.output().unwrap();
        let told = [done.stdout, done.stderr].concat();
        (
            done.status.code().unwrap(),
            String::from_utf8_lossy(&told).into_owned(),
        )
    }

    /// Runs the action with these inputs and its defaults for the rest, without its first step, which
    /// builds what is under test.
    fn action(&self, with: &Vars, env: &Vars) -> (i32, String) {
        let action = yaml(ACTION);
        let mut inputs = Vars::new();
        for (name, input) in action["inputs"].as_object().unwrap() {
            let default = input["default"].as_str();
            inputs.insert(format!("inputs.{name}"), default.unwrap().to_owned());
        }
        for (name, value) in with {
            let known = inputs.insert(format!("inputs.{name}"), value.clone());
            assert!(known.is_some(), "the action has no input {name}");
        }
        let mut last = (0, String::new());
        for step in steps(&action) {
            let Some(run) = step["run"].as_str() else {
                continue;
            };
            if step["id"] == "install" {
                assert_eq!(run, "cargo install --locked --path \"$GITHUB_ACTION_PATH\"");
                continue;
            }
            assert!(
                !run.contains("${{"),
                "text in `run` is read by the shell: {run}"
            );
            let mut env = env.clone();
            env.extend(variables(&step["env"], &inputs));
            last = self.step(run, &env);
        }
        last
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at.join(path)).unwrap()
    }
}

/// The variables of an `env:`, with `${{ … }}` filled in.
fn variables(env: &Value, known: &Vars) -> Vars {
    let Some(env) = env.as_object() else {
        return Vars::new();
    };
    let filled = env.iter().map(|(name, value)| {
        let value = value.as_str().unwrap();
        let inner = value
            .strip_prefix("${{ ")
            .and_then(|rest| rest.strip_suffix(" }}"));
        let value = inner.map_or(value, |name| {
            known.get(name).unwrap_or_else(|| panic!("{name}"))
        });
        (name.clone(), value.to_owned())
    });
    filled.collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(fs::copy(&path, &to).unwrap()),
        }
    }
}

#[test]
fn the_example_repository_works_as_written() {
    let runner = Runner::new("example");
    let work = runner.at.join("work");
    copy(Path::new("examples/client-repository"), &work);
    let workflow = yaml(EXAMPLE);
    let github = Vars::from([("github.workspace".to_owned(), work.display().to_string())]);
    let env = variables(&workflow["env"], &github);
    let mut actions = 0;
    for step in steps(&workflow) {
        if let Some(run) = step["run"].as_str() {
            let (code, told) = runner.step(run, &env);
            assert_eq!(code, 0, "{run}\n{told}");
        } else if step["uses"].as_str().unwrap().starts_with("OWNER/btspec@") {
            let with = variables(&step["with"], &Vars::new());
            let (code, told) = runner.action(&with, &env);
            assert_eq!(code, 0, "{told}");
            actions += 1;
        }
    }
    assert_eq!(actions, 1);
    for role in ["seed", "leech"] {
        let report = runner.text(&format!("work/btspec-reports/{role}.json"));
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["target"]["role"], role);
        assert!(
            report["summary"]["pass"].as_u64().unwrap() > 3,
            "{}",
            report["summary"]
        );
        let junit = runner.text(&format!("work/btspec-reports/{role}.xml"));
        assert!(junit.starts_with("<?xml"), "{junit}");
    }
    let summary = runner.text("GITHUB_STEP_SUMMARY");
    assert!(
        summary.contains("# Target as leech: exit code 0\n\n## btspec against "),
        "{summary}"
    );
    assert_eq!(runner.text("GITHUB_OUTPUT"), "exit=0\n");
}

#[test]
fn the_action_hands_a_verdict_on() {
    let runner = Runner::new("action");
    fs::create_dir(runner.at.join("work")).unwrap();
    let (code, told) = runner.action(&Vars::new(), &Vars::new());
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("::error::"), "{told}");
    let exec = "btspec serve --listen 127.0.0.1:{port} --role {role} --torrent {torrent} \
                --fault closes-on-bitfield-with-fast";
    let with = [
        ("exec", exec),
        ("role", "leech"),
        ("filter", "id(fast_ext/bitfield-instead*)"),
        ("formats", "jsonl"),
    ];
    let with = with.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (code, told) = runner.action(&Vars::from(with), &Vars::new());
    assert_eq!(code, 1, "{told}");
    assert_eq!(runner.text("GITHUB_OUTPUT"), "exit=1\n");
    assert!(!runner.text("work/btspec-reports/leech.jsonl").is_empty());
    let summary = runner.text("GITHUB_STEP_SUMMARY");
    let row = "| fail | must | <code>fast&#95;ext/bitfield&#45;instead";
    let row = row.replace("&#45;", "-");
    for part in ["exit code 1\n", "### What went wrong\n", &row] {
        assert!(summary.contains(part), "{summary}");
    }
}

#[test]
fn a_release_is_packed_with_completions_and_manual() {
    let runner = Runner::new("release");
    let work = runner.at.join("work");
    let built = work.join("target/some-target/release");
    fs::create_dir_all(&built).unwrap();
    symlink(env!("CARGO_BIN_EXE_btspec"), built.join("btspec")).unwrap();
    for file in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(file, work.join(file)).unwrap();
    }
    let env = Vars::from([("TARGET".to_owned(), "some-target".to_owned())]);
    for name in ["pack", "checksums"] {
        let all = steps(&yaml(RELEASE));
        let step = all.iter().find(|step| step["name"] == name).unwrap();
        let (code, told) = runner.step(step["run"].as_str().unwrap(), &env);
        assert_eq!(code, 0, "{name}: {told}");
    }
    let list = "tar -tzf dist/btspec-some-target.tar.gz && cd dist && sha256sum -c SHA256SUMS";
    let (code, listed) = runner.step(list, &env);
    assert_eq!(code, 0, "{listed}");
    for file in [
        "btspec",
        "btspec.1",
        "completions/btspec.zsh",
        "LICENSE-MIT",
    ] {
        assert!(
            listed.contains(&format!("btspec-some-target/{file}\n")),
            "{listed}"
        );
    }
}
