//! Entry points for `fuzz/` and `tests/corpus.rs`: one file per target.
//!
//! Each takes any bytes and panics when a promise of the library is broken; "no panic" alone is
//! never all that is asked. What it returns are the places that the input got to, so that a target
//! cannot go vacuous unnoticed: [`TARGETS`] says which there are, and the seeds reach them all.
//!
//! With `--cfg fuzz_selftest` each target has one planted bug, which `fuzz/selftest.sh` expects to
//! be found from the seeds within a minute. Not part of the library's API.

mod bencode;
mod capture;
mod decode;
mod decode_diff;
mod decode_split;
pub mod dictionary;
mod expectations;
mod extended;
mod handshake;
mod html;
mod metainfo;
mod outcomes;
mod peer;
mod report;
mod roundtrip;
mod scenario;
mod script;
pub mod seeds;
mod session;
mod text;
mod watch;

use std::collections::BTreeSet;

pub use bencode::bencode;
pub use capture::capture;
pub use decode::decode;
pub use decode_diff::{DIFFERENCES, Foreign, ForeignExtension, decode_diff};
pub use decode_split::decode_split;
pub use expectations::expectations;
pub use extended::extended;
pub use handshake::handshake;
pub use metainfo::metainfo;
pub use outcomes::large_run;
pub use peer::peer;
pub use report::report;
pub use roundtrip::roundtrip;
pub use scenario::scenario;
pub use session::session;

/// Where an input got to: names out of [`Target::reachable`].
pub type Reach = BTreeSet<&'static str>;

/// Another decoder: what it makes of the first message of these bytes.
pub type Decoder = fn(&[u8]) -> Foreign;

/// One fuzz target.
#[derive(Debug)]
pub struct Target {
    /// Its name, of `fuzz/fuzz_targets/NAME.rs` and `corpus/NAME/`.
    pub name: &'static str,
    /// What it runs.
    pub run: Run,
    /// Every place that its seeds have to get to.
    pub reachable: fn() -> Vec<&'static str>,
}

/// What a target runs.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// A function of the input.
    Alone(fn(&[u8]) -> Reach),
    /// A function of the input and another decoder, which is no dependency of the library.
    Beside(fn(&[u8], Decoder) -> Reach),
}

/// Every target.
pub static TARGETS: &[Target] = &[
    Target {
        name: "decode",
        run: Run::Alone(decode),
        reachable: decode::reachable,
    },
    Target {
        name: "decode_split",
        run: Run::Alone(decode_split),
        reachable: decode_split::reachable,
    },
    Target {
        name: "roundtrip",
        run: Run::Alone(roundtrip),
        reachable: roundtrip::reachable,
    },
    Target {
        name: "handshake",
        run: Run::Alone(handshake),
        reachable: handshake::reachable,
    },
    Target {
        name: "extended",
        run: Run::Alone(extended),
        reachable: extended::reachable,
    },
    Target {
        name: "bencode",
        run: Run::Alone(bencode),
        reachable: bencode::reachable,
    },
    Target {
        name: "metainfo",
        run: Run::Alone(metainfo),
        reachable: metainfo::reachable,
    },
    Target {
        name: "scenario",
        run: Run::Alone(scenario),
        reachable: scenario::reachable,
    },
    Target {
        name: "expectations",
        run: Run::Alone(expectations),
        reachable: expectations::reachable,
    },
    Target {
        name: "decode_diff",
        run: Run::Beside(decode_diff),
        reachable: decode_diff::reachable,
    },
    Target {
        name: "session",
        run: Run::Alone(session),
        reachable: session::reachable,
    },
    Target {
        name: "peer",
        run: Run::Alone(peer),
        reachable: peer::reachable,
    },
    Target {
        name: "report",
        run: Run::Alone(report),
        reachable: report::reachable,
    },
    Target {
        name: "capture",
        run: Run::Alone(capture),
        reachable: capture::reachable,
    },
];
