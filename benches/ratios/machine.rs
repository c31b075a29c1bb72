//! What the figures were measured on.

use std::process::Command;

use serde_json::{Value, json};

/// The machine, and how busy it was.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Model name of the processor.
    processor: String,
    /// How many of them.
    count: usize,
    /// Load average over a minute.
    load: String,
    /// Compiler.
    rustc: String,
}

impl Machine {
    /// Looks at this one.
    pub(crate) fn look() -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split_whitespace().next().unwrap_or("unknown");
        Self {
            processor: model.map_or_else(|| "unknown".into(), |(_, name)| name.to_owned()),
            count: std::thread::available_parallelism().map_or(1, usize::from),
            load: load.to_owned(),
            rustc: first_line("rustc", &["--version"]),
        }
    }

    /// One line of Markdown.
    pub(crate) fn line(&self, after: &Self) -> String {
        format!(
            "{} × {}, {}, load {} before and {} after",
            self.count, self.processor, self.rustc, self.load, after.load
        )
    }

    /// The same as JSON.
    pub(crate) fn json(&self, after: &Self) -> Value {
        json!({
            "processor": self.processor,
            "count": self.count,
            "rustc": self.rustc,
            "load_before": self.load,
            "load_after": after.load,
        })
    }
}

/// First line that a program prints.
fn first_line(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().ok();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = text.as_deref().and_then(|text| text.lines().next());
    line.unwrap_or("unknown").to_owned()
}
