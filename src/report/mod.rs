//! Outcomes to files and terminals.
//!
//! A format is a row of [`FORMATS`] and a function from a finished run to bytes. Nothing here
//! knows how a case is played, and nothing writes elsewhere than to the given writer. Everything
//! that a peer may have had a hand in goes through [`text::safe`] before it is printed.

pub mod explain;
mod failure;
pub mod github;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod junit;
pub mod markdown;
pub mod matrix;
mod paint;
pub mod pcapng;
mod row;
mod sources;
pub mod terminal;
pub mod text;
mod wire_log;

use std::io;

use crate::outcome::RunOutcome;

pub use paint::Paint;
pub use sources::{Source, Sources};

/// What a format needs to know beside the run itself.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Whether to use colours.
    pub colour: bool,
    /// 0 shows what went wrong; 1 also passes, infos and the slowest; 2 whole transcripts.
    pub verbose: u8,
    /// Whether a warn counts as a fail.
    pub strict: bool,
    /// Arguments that play on the same target in the same way: what follows `btspec` in the
    /// command that repeats a case, without filter and seed.
    pub repeat: Vec<String>,
    /// The cases as they are written, where a format shows them.
    pub sources: Sources,
}

/// One report format.
#[derive(Debug)]
pub struct Format {
    /// Name on the command line.
    pub name: &'static str,
    /// One line for `--help`.
    pub doc: &'static str,
    /// Writes a finished run.
    pub write: fn(&RunOutcome, &Context, &mut dyn io::Write) -> io::Result<()>,
    /// Whether `run` writes it while it goes on, with [`jsonl::Stream`].
    pub streamed: bool,
}

/// All formats.
pub static FORMATS: &[Format] = &[
    Format {
        name: "terminal",
        doc: "for a person: what went wrong, and one line of counts",
        write: terminal::write,
        streamed: false,
    },
    Format {
        name: "json",
        doc: "btspec.report/1, see docs/report.schema.json",
        write: json::write,
        streamed: false,
    },
    Format {
        name: "jsonl",
        doc: "btspec.run/1, a line for each row as it is judged, see docs/run.schema.json",
        write: jsonl::write,
        streamed: true,
    },
    Format {
        name: "html",
        doc: "one page for a browser, with ladder diagrams of what went wrong",
        write: html::write,
        streamed: false,
    },
    Format {
        name: "junit",
        doc: "JUnit XML, for the test page of a CI system",
        write: junit::write,
        streamed: false,
    },
    Format {
        name: "markdown",
        doc: "for the summary of a CI job",
        write: markdown::write,
        streamed: false,
    },
    Format {
        name: "github",
        doc: "annotations of GitHub Actions on the lines of scenarios, when it goes to `-`",
        write: github::write,
        streamed: false,
    },
    Format {
        name: "pcapng",
        doc: "the wire as a capture for Wireshark, with comments",
        write: pcapng::write,
        streamed: false,
    },
];

/// The format of that name.
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}
