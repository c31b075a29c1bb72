//! Sound twins: peers that differ where the BEPs leave the choice. None may get a fail, an error
//! or an inconclusive.

use std::fmt;
use std::time::Duration;

use super::bench::Audit;
use crate::engine::self_mode::reference;
use crate::outcome::Verdict;
use crate::peer::config::{Announce, ExtendedWhen, PeerConfig, Tolerance};
use crate::wire::{Capability, Reserved};

/// A sound peer.
#[derive(Debug, Clone, Copy)]
pub struct Twin {
    /// Name in words.
    pub name: &'static str,
    /// What is different.
    pub change: fn(PeerConfig) -> PeerConfig,
}

/// Every twin.
pub const TWINS: &[Twin] = &[
    Twin {
        name: "fast-off",
        change: |c| c.with_reserved(Reserved::with(&[Capability::Extended])),
    },
    Twin {
        name: "extended-off",
        change: |c| c.with_reserved(Reserved::with(&[Capability::Fast])),
    },
    Twin {
        name: "plain",
        change: |c| c.with_reserved(Reserved::with(&[])),
    },
    Twin {
        name: "lazy-bitfield",
        change: |c| c.with_settings(|s| s.announce = Announce::Lazy),
    },
    Twin {
        name: "bitfield",
        change: |c| c.with_settings(|s| s.announce = Announce::Bitfield),
    },
    Twin {
        name: "availability-first",
        change: |c| c.with_settings(|s| s.availability_first = true),
    },
    Twin {
        name: "late-extended-handshake",
        change: |c| {
            c.with_settings(|s| {
                s.extended_handshake = ExtendedWhen::After(Duration::from_millis(500));
            })
        },
    },
    Twin {
        name: "ticks-of-half-a-second",
        change: |c| ticking(c, Duration::from_millis(500)),
    },
    Twin {
        name: "ticks-of-ten-seconds",
        change: |c| ticking(c, Duration::from_secs(10)),
    },
    Twin {
        name: "unchokes-everybody",
        change: |c| c.with_settings(|s| s.unchoke_everybody = true),
    },
    Twin {
        name: "never-chokes-again",
        change: |c| c.with_settings(|s| s.choke_uninterested = false),
    },
    Twin {
        name: "no-allowed-fast",
        change: |c| c.with_settings(|s| s.allowed_fast = 0),
    },
    Twin {
        name: "skips-what-is-malformed",
        change: |c| {
            c.with_settings(|s| {
                s.malformed = Tolerance::Ignore;
                s.spare_bits = Tolerance::Ignore;
                s.unrequested_reject = Tolerance::Ignore;
            })
        },
    },
    Twin {
        name: "closes-on-anything-odd",
        change: |c| {
            c.with_settings(|s| {
                s.unknown_id = Tolerance::Close;
                s.malformed_extension = Tolerance::Close;
                s.late_availability = Tolerance::Close;
            })
        },
    },
    Twin {
        name: "waits-for-the-whole-handshake",
        change: |c| c.with_settings(|s| s.reply_after = 68),
    },
    Twin {
        name: "metadata-on-a-timer",
        change: |c| c.with_settings(|s| s.metadata_delay = Duration::from_millis(4500)),
    },
    Twin {
        name: "metadata-flood-protection",
        change: |c| c.with_settings(|s| s.metadata_limit = Some(2)),
    },
    Twin {
        name: "fetches-metadata",
        change: |c| c.with_settings(|s| s.fetch_metadata = true),
    },
    Twin {
        name: "small-reqq",
        change: |c| c.with_settings(|s| s.reqq = 64),
    },
];

/// What happens on a timer in many clients.
fn ticking(config: PeerConfig, tick: Duration) -> PeerConfig {
    config.with_settings(|s| {
        s.unchoke_delay = tick;
        s.interested_delay = tick;
        s.serve_delay = tick.min(Duration::from_secs(1));
        s.reject_delay = tick.min(Duration::from_secs(1));
    })
}

/// What became of a twin.
#[derive(Debug, Clone)]
pub struct TwinRow {
    /// The twin.
    pub twin: Twin,
    /// Rows that passed, were for information, warned, were skipped.
    pub counts: [usize; 4],
    /// Rows that no sound peer may get: id, verdict, reason.
    pub wrong: Vec<(String, Verdict, String)>,
    /// Rows that warn: they are for the eye.
    pub warned: Vec<(String, String)>,
}

/// All twins.
#[derive(Debug, Clone)]
pub struct TwinTable {
    /// A row for each.
    pub rows: Vec<TwinRow>,
}

impl TwinTable {
    /// Whether no twin got a fail, an error or an inconclusive.
    pub fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.wrong.is_empty())
    }
}

impl Audit {
    /// Plays everything against every twin.
    pub fn twins(&self) -> TwinTable {
        let rows = self.each(TWINS, |twin| {
            let run = self.run(&reference(twin.change), true, |_| true);
            let mut row = TwinRow {
                twin: *twin,
                counts: [0; 4],
                wrong: Vec::new(),
                warned: Vec::new(),
            };
            for case in run.cases {
                let reason = case.reason.unwrap_or_default();
                match case.verdict {
                    Verdict::Pass => row.counts[0] += 1,
                    Verdict::Info => row.counts[1] += 1,
                    Verdict::Warn => {
                        row.counts[2] += 1;
                        row.warned.push((case.id, reason));
                    }
                    Verdict::Skip => row.counts[3] += 1,
                    verdict => row.wrong.push((case.id, verdict, reason)),
                }
            }
            row
        });
        TwinTable { rows }
    }
}

impl fmt::Display for TwinTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let [pass, info, warn, skip] = row.counts;
            writeln!(
                f,
                "{:<34} {pass} pass, {info} info, {warn} warn, {skip} skip, {} wrong",
                row.twin.name,
                row.wrong.len()
            )?;
            for (id, verdict, reason) in &row.wrong {
                writeln!(f, "    {verdict} {id}: {reason}")?;
            }
            for (id, reason) in &row.warned {
                writeln!(f, "    warn {id}: {reason}")?;
            }
        }
        Ok(())
    }
}
