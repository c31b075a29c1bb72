//! bittorrent-protocol 5.0.9 under Node.js: a process for each sample, which times itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use bytes::Bytes;

use crate::measure::{Contestant, Sample};
use crate::support::inputs::Stream;

/// Where the package is, or why it cannot be used.
pub(crate) struct Node {
    folder: Result<PathBuf, String>,
    scratch: PathBuf,
}

impl Node {
    /// Looks for Node.js and for the package in the cache folder.
    pub(crate) fn find() -> Self {
        let scratch = std::env::temp_dir().join(format!("btspec-ratios-{}", std::process::id()));
        Self {
            folder: find(),
            scratch,
        }
    }

    /// Feeds it a stream in reads of `read_len` bytes.
    pub(crate) fn stream(
        self: &Rc<Self>,
        name: &'static str,
        of: &Stream,
        read_len: usize,
    ) -> Contestant {
        let argument = read_len.to_string();
        self.contestant(name, "stream", of.bytes.clone(), argument, of.messages)
    }

    /// A new wire for each handshake.
    pub(crate) fn handshakes(
        self: &Rc<Self>,
        name: &'static str,
        bytes: Bytes,
        count: usize,
    ) -> Contestant {
        self.contestant(name, "handshakes", bytes, String::new(), count)
    }

    /// The same extended handshake `count` times.
    pub(crate) fn extended(
        self: &Rc<Self>,
        name: &'static str,
        frame: Bytes,
        count: usize,
    ) -> Contestant {
        self.contestant(name, "extended", frame, count.to_string(), count)
    }

    fn contestant(
        self: &Rc<Self>,
        name: &'static str,
        work: &'static str,
        bytes: Bytes,
        argument: String,
        items: usize,
    ) -> Contestant {
        let node = Rc::clone(self);
        Contestant::measured(name, move || {
            let took = node.run(work, &bytes, &argument)?;
            Ok(took / items as f64)
        })
    }

    /// Nanoseconds of a pass.
    fn run(&self, work: &str, bytes: &[u8], argument: &str) -> Sample {
        let folder = self.folder.as_ref().map_err(Clone::clone)?;
        let written = std::fs::create_dir_all(&self.scratch)
            .and_then(|()| std::fs::write(self.scratch.join("bytes"), bytes));
        written.map_err(|error| format!("{}: {error}", self.scratch.display()))?;
        let output = Command::new(program())
            .arg(here().join("bench.mjs"))
            .arg(folder)
            .arg(work)
            .arg(self.scratch.join("bytes"))
            .args([argument, PASSES])
            .output()
            .map_err(|error| format!("{}: {error}", program()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().find(|line| line.contains("Error"));
            return Err(line.unwrap_or("Node.js failed").to_owned());
        }
        let times: Vec<f64> =
            serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        Ok(times.into_iter().fold(f64::INFINITY, f64::min))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may never have been made, and what is left there hurts nobody.
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

/// Installs the package where [`Node::find`] looks for it.
pub(crate) fn install() -> Result<PathBuf, String> {
    let folder = cache();
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    std::fs::copy(here().join("package.json"), folder.join("package.json")).map_err(failed)?;
    let status = Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .status()
        .map_err(|error| format!("npm: {error}"))?;
    if status.success() {
        Ok(folder)
    } else {
        Err(format!("npm install failed in {}", folder.display()))
    }
}

fn find() -> Result<PathBuf, String> {
    let there = Command::new(program()).arg("--version").output();
    if !there.is_ok_and(|output| output.status.success()) {
        return Err(format!("no {}; install Node.js", program()));
    }
    let folder = cache();
    if folder.join("node_modules/bittorrent-protocol").is_dir() {
        Ok(folder)
    } else {
        Err("no package; run `cargo bench --bench ratios -- --install-node`".to_owned())
    }
}

fn program() -> String {
    std::env::var("BTSPEC_NODE").unwrap_or_else(|_| "node".to_owned())
}

/// Outside of the repository, as the other things that are fetched.
fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    let base = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    base.join("btspec-bench/node")
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/node")
}

const PASSES: &str = "3";
