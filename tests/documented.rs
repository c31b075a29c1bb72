//! Every command of the README and of `docs/` works as it is written.
//!
//! A block of commands (marked `sh`) runs in a folder of its own, line by line, in a shell that finds
//! `btspec` and stands in for the reader's client with our reference peer. What is changed: a narrow
//! filter comes from the environment where a command names none, and the port of the examples is a
//! free one. A block of YAML that begins with `# NAME.yaml` is that file.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

mod command;

use command::{Running, folder};

/// Commands that are not run here, and why.
const ELSEWHERE: [(&str, &str); 5] = [
    ("cargo run -- run", ".ci/run starts the program so"),
    ("cargo test", "is what runs this"),
    (
        "cargo bench",
        "measures for minutes; .ci/run has a short form of each",
    ),
    ("cargo +nightly fuzz", "needs a nightly compiler; .ci/run"),
    (
        "RUSTC_BOOTSTRAP=1 cargo fuzz",
        "builds for minutes; .ci/run",
    ),
];

/// A case that is over at once: what a command that names no filter plays.
const FILTER: &str = "id(handshake/answered:*)";

/// The port of the examples.
const PORT: &str = "127.0.0.1:6881";

/// The blocks of commands in a file, each with the line that it begins at.
fn blocks(path: &str) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim() == "```sh" {
            let block = lines.by_ref().map(|(_, line)| line);
            let block: Vec<&str> = block.take_while(|line| line.trim() != "```").collect();
            found.push((number + 1, block.join("\n")));
        }
    }
    found
}

/// Writes the files that a page shows: YAML whose first line is a comment with the name.
fn write_files(path: &str, desk: &Path) {
    let text = fs::read_to_string(path).unwrap();
    for block in text.split("\n```yaml\n# ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let whole = name.ends_with(".yaml") && !name.starts_with('.');
        if whole && !name.contains([' ', '/']) {
            fs::write(desk.join(name), rest.split("\n```").next().unwrap()).unwrap();
        }
    }
}

fn pages() -> Vec<String> {
    let docs = fs::read_dir("docs").unwrap();
    let docs = docs.map(|entry| entry.unwrap().path().display().to_string());
    let pages = docs.filter(|path| path.ends_with(".md"));
    let mut pages: Vec<String> = pages.chain(["README.md".to_owned()]).collect();
    pages.sort();
    pages
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Where a reader works: `btspec` in the path, a client, and what the pages say one has.
fn desk(name: &str) -> (PathBuf, String) {
    let desk = folder(name);
    let bin = desk.join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_btspec"), bin.join("btspec")).unwrap();
    // Takes its arguments as the examples write them: with and without names.
    script(
        &desk.join("my-client"),
        "#!/bin/sh\n\
         while [ $# -gt 0 ]; do\n\
           case $1 in\n\
             --port) port=$2; shift ;;\n\
             --torrent) torrent=$2; shift ;;\n\
             --dir|--data) data=$2; shift ;;\n\
             --add) exit 0 ;;\n\
             --version) echo my-client 2.4; exit 0 ;;\n\
             *) if [ -z \"$port\" ]; then port=$1; elif [ -z \"$torrent\" ]; then torrent=$1; else data=$1; fi ;;\n\
           esac\n\
           shift\n\
         done\n\
         role=leech\n\
         [ -n \"$(ls -A \"$data\")\" ] && role=seed\n\
         exec btspec serve --listen 127.0.0.1:$port --torrent \"$torrent\" --role $role\n",
    );
    symlink(desk.join("my-client"), bin.join("my-client")).unwrap();
    fs::write(
        desk.join(".btspec.expect.yaml"),
        "- case: no_such_suite/*\n  verdict: warn\n  reason: nothing yet\n",
    )
    .unwrap();
    fs::write(
        desk.join("tinybt.yaml"),
        "name: tinybt\nstart: [btspec, serve, --listen, \"{bind}:{port}\", --role, \"{role}\", --torrent, \"{torrent}\"]\n",
    )
    .unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    (desk, format!("{}:{path}", bin.display()))
}

fn installed(program: &str) -> bool {
    let mut command = Command::new(program);
    let found = command.arg("--version").stdin(Stdio::null());
    found.output().is_ok()
}

#[test]
fn every_command_runs_as_written() {
    let (desk, path) = desk("documented");
    let (_seed, addr) = Running::serve(&["--role", "seed"]);
    let mut ran = 0;
    for page in pages() {
        write_files(&page, &desk);
        for (line, block) in blocks(&page) {
            let block = block.replace("\\\n", " ");
            for written in block.lines().map(str::trim) {
                let elsewhere = ELSEWHERE
                    .iter()
                    .any(|(start, _)| written.starts_with(start));
                let away =
                    written.contains("--client transmission") && !installed("transmission-daemon");
                if written.is_empty() || written.starts_with('#') || elsewhere || away {
                    continue;
                }
                let mut shell = Command::new("sh");
                shell.args(["-c", &written.replace(PORT, &addr)]);
                shell.current_dir(&desk).env("PATH", &path);
                shell.stdin(Stdio::null());
                if !written.contains("--filter") {
                    shell.env("BTSPEC_FILTER", FILTER);
                }
                let done = shell.output().unwrap();
                // 1 is a verdict: here on the file of expectations, which has a case that does not exist.
                let right = match done.status.code() {
                    Some(0) => true,
                    Some(1) => written.contains("--expectations"),
                    _ => false,
                };
                let (out, err) = (
                    String::from_utf8_lossy(&done.stdout),
                    String::from_utf8_lossy(&done.stderr),
                );
                assert!(
                    right,
                    "{page}:{line}: {written}\n{}\n{out}{err}",
                    done.status
                );
                ran += 1;
            }
        }
    }
    assert!(ran >= 8, "only {ran} commands were found");
}

#[test]
fn no_exception_is_stale() {
    let text: String = pages()
        .iter()
        .map(|page| fs::read_to_string(page).unwrap())
        .collect();
    for (start, why) in ELSEWHERE {
        assert!(text.contains(start), "`{start}` ({why}) stands nowhere");
    }
}
