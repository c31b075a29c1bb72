//! The binary as tests run it.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The binary, without settings of the person who runs the tests.
pub(crate) fn btspec() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_btspec"));
    for (name, _) in std::env::vars() {
        if name.starts_with("BTSPEC_") {
            command.env_remove(name);
        }
    }
    command.env_remove("NO_COLOR");
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The exit code and something that standard error says.
    #[track_caller]
    pub(crate) fn stops(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        for word in words {
            assert!(self.err.contains(word), "no `{word}` in {self:#?}");
        }
        assert!(!self.err.contains("panicked"), "{self:#?}");
    }
}

pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    output(btspec().args(args).stdin(Stdio::null()))
}

pub(crate) fn output(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn with_input(args: &[&str], input: &[u8]) -> Ran {
    let mut child = btspec()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// An empty folder of this test, below cargo's own folder for such things.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A process that is ended with the test.
pub(crate) struct Running(std::process::Child);

impl Running {
    /// Starts `btspec serve` on a free port and returns where it listens.
    pub(crate) fn serve(args: &[&str]) -> (Self, String) {
        let mut child = btspec()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addr = line.split_whitespace().nth(2).unwrap().to_owned();
        (Self(child), addr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
