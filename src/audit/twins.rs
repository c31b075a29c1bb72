//! Sound twins: peers that differ where the BEPs leave the choice. None may get a fail, an error
//! or an inconclusive.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::bench::Audit;
use crate::engine::self_mode::reference;
use crate::outcome::case::RULE_SUITE;
use crate::outcome::{CaseOutcome, RunOutcome, Verdict};
use crate::peer::config::{Announce, ExtendedWhen, PeerConfig, RequestPolicy, Settings, Tolerance};
use crate::requirement::Level;
use crate::rule::RULES;
use crate::wire::{Capability, Reserved};

/// A sound peer.
#[derive(Debug, Clone, Copy)]
pub struct Twin {
    /// Name in words.
    pub name: &'static str,
    /// What is different about it.
    pub change: fn(PeerConfig) -> PeerConfig,
}

impl Twin {
    const fn new(name: &'static str, change: fn(PeerConfig) -> PeerConfig) -> Self {
        Self { name, change }
    }
}

/// Every twin.
#[rustfmt::skip]
pub const TWINS: &[Twin] = &[
    // What it offers.
    Twin::new("fast-off", |c| c.with_reserved(Reserved::with(&[Capability::Extended]))),
    Twin::new("extended-off", |c| c.with_reserved(Reserved::with(&[Capability::Fast]))),
    Twin::new("plain", |c| c.with_reserved(Reserved::with(&[]))),
    Twin::new("dht", |c| {
        let bits = [Capability::Fast, Capability::Extended, Capability::Dht];
        c.with_reserved(Reserved::with(&bits)).with_settings(|s| s.dht_port = Some(6881))
    }),
    Twin::new("small-reqq", |c| c.with_settings(|s| s.reqq = 64)),
    Twin::new("upload-only", |c| c.with_settings(|s| s.tell_upload_only = true)),
    // What it says first.
    Twin::new("lazy-bitfield", |c| c.with_settings(|s| s.announce = Announce::Lazy)),
    Twin::new("bitfield", |c| c.with_settings(|s| s.announce = Announce::Bitfield)),
    Twin::new("keep-alive-first", |c| {
        let c = c.with_reserved(Reserved::with(&[Capability::Extended]));
        c.with_settings(|s| s.opens_with_keep_alive = true)
    }),
    Twin::new("availability-first", |c| c.with_settings(|s| s.availability_first = true)),
    Twin::new("late-extended-handshake", |c| {
        c.with_settings(|s| s.extended_handshake = ExtendedWhen::After(ms(500)))
    }),
    Twin::new("second-extended-handshake", |c| {
        c.with_settings(|s| s.extended_again = Some(ms(9000)))
    }),
    Twin::new("dials-in-one-breath", |c| {
        c.with_settings(|s| {
            s.dials_in_one_breath = true;
            s.unchoke_delay = ms(20_000);
        })
    }),
    Twin::new("allowed-fast-in-any-order", |c| c.with_settings(|s| s.allowed_fast_shuffled = true)),
    Twin::new("no-allowed-fast", |c| c.with_settings(|s| s.allowed_fast = 0)),
    Twin::new("waits-for-the-whole-handshake", |c| c.with_settings(|s| s.reply_after = 68)),
    // Choke, interest and requests.
    Twin::new("unchokes-everybody", |c| c.with_settings(|s| s.unchoke_everybody = true)),
    Twin::new("unchokes-everybody-twice", |c| {
        c.with_settings(|s| {
            s.unchoke_everybody = true;
            s.unchoke_again = true;
        })
    }),
    Twin::new("takes-its-first-unchoke-back", |c| {
        c.with_settings(|s| s.unchoke_flickers = Some(ms(3000)))
    }),
    Twin::new("never-chokes-again", |c| c.with_settings(|s| s.choke_uninterested = false)),
    Twin::new("lets-go-of-who-wants-nothing", |c| c.with_settings(|s| s.close_uninterested = true)),
    Twin::new("few-requests-without-fast", |c| {
        let c = c.with_reserved(Reserved::with(&[Capability::Extended]));
        c.with_settings(|s| s.reqq = 8)
    }),
    Twin::new("one-request-at-a-time", |c| c.with_settings(|s| s.pipeline = 1)),
    Twin::new("suggests-pieces", |c| c.with_settings(|s| s.suggestions = 4)),
    Twin::new("many-requests-at-a-time", |c| c.with_settings(|s| s.pipeline = 68)),
    // The info dictionary.
    Twin::new("metadata-on-a-timer", |c| c.with_settings(|s| s.metadata_delay = ms(4500))),
    Twin::new("metadata-flood-protection", |c| c.with_settings(|s| s.metadata_limit = Some(2))),
    Twin::new("fetches-metadata", |c| c.with_settings(|s| s.fetch_metadata = true)),
    // When it does what.
    Twin::new("ticks-of-half-a-second", |c| ticking(c, ms(500), ms(500))),
    Twin::new("ticks-of-ten-seconds", |c| ticking(c, ms(10_000), ms(8300))),
    Twin::new("as-slow-as-transmission", |c| {
        ticking(c, ms(10_000), ms(8300)).with_settings(|s| {
            s.opening.delay = ms(450);
            s.first_messages_after = ms(500);
            s.choke_uninterested = false;
            s.allowed_fast = 0;
        })
    }),
    Twin::new("as-slow-as-aria2", |c| {
        ticking(c, ms(1000), ms(0)).with_settings(|s| {
            s.opening.delay = ms(4000);
            s.reject_delay = ms(0);
        })
    }),
    Twin::new("idle-limit-of-ten-seconds", |c| {
        c.with_settings(|s| s.idle_timeout = ms(10_000))
    }),
    Twin::new("idle-limit-of-thirty-seconds-between-messages", |c| {
        c.with_settings(|s| {
            s.idle_timeout = ms(30_000);
            s.idle_counts_keep_alives = false;
        })
    }),
    Twin::new("uploads-sixty-four-kib-a-second", |c| {
        c.with_settings(|s| {
            s.serve_delay = ms(250);
            s.serve_in_turn = true;
            s.reqq = 128;
        })
    }),
    // Segments.
    Twin::new("one-byte-at-a-time", |c| c.with_settings(|s| s.drip = true)),
    Twin::new("everything-in-one-write", |c| c.with_settings(|s| s.coalesce = ms(200))),
    // What the BEPs leave open.
    Twin::new("skips-what-is-malformed", |c| {
        c.with_settings(|s| {
            s.malformed = Tolerance::Ignore;
            s.spare_bits = Tolerance::Ignore;
            s.unrequested_reject = Tolerance::Ignore;
        })
    }),
    Twin::new("drops-odd-extended-handshakes", |c| {
        c.with_settings(|s| s.drops_odd_handshakes = true)
    }),
    Twin::new("closes-on-anything-odd", |c| {
        c.with_settings(|s| {
            s.unknown_id = Tolerance::Close;
            s.malformed_extension = Tolerance::Close;
            s.late_availability = Tolerance::Close;
            s.duplicate_peer_id = Tolerance::Close;
        })
    }),
    Twin::new("closes-on-bad-requests", |c| c.with_settings(|s| bad_requests(s, RequestPolicy::Close))),
    Twin::new("drops-bad-requests", |c| c.with_settings(|s| bad_requests(s, RequestPolicy::Reject))),
    Twin::new("leaves-what-is-rejected-to-others", |c| {
        c.with_settings(|s| s.reject_backoff = ms(3_600_000))
    }),
    Twin::new("answers-empty-requests-with-empty-pieces", |c| {
        c.with_settings(|s| s.on_request.zero_length = RequestPolicy::Accept)
    }),
    Twin::new("serves-long-requests", |c| c.with_settings(|s| s.max_request = 128 * 1024)),
    Twin::new("resets-what-it-closes", |c| c.with_settings(|s| s.close_with_reset = true)),
    Twin::new("gives-up-on-the-first-corrupt-piece", |c| c.with_settings(|s| s.corrupt_limit = 1)),
    Twin::new("peer-id-of-each-connection", |c| {
        c.with_settings(|s| s.peer_id_per_connection = true)
    }),
    Twin::new("one-connection-per-address", |c| {
        c.with_settings(|s| s.duplicate_address = Tolerance::Close)
    }),
];

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What happens on a timer in many clients. Blocks come on a shorter one.
fn ticking(config: PeerConfig, tick: Duration, rejects: Duration) -> PeerConfig {
    config.with_settings(|s| {
        s.unchoke_delay = tick;
        s.interested_delay = tick;
        s.serve_delay = tick.min(ms(500));
        s.reject_delay = rejects;
    })
}

/// Requests for what there is not.
fn bad_requests(settings: &mut Settings, policy: RequestPolicy) {
    let on = &mut settings.on_request;
    on.piece_out_of_range = policy;
    on.past_end = policy;
    on.zero_length = policy;
    on.too_long = policy;
}

/// What became of a twin.
#[derive(Debug, Clone)]
pub struct TwinRow {
    /// The twin.
    pub twin: Twin,
    /// Every case, in the order played, and what it came to.
    pub cases: Vec<(String, Verdict)>,
    /// Those that came out as they should: what leaves the choice may also be reported.
    pub good: Vec<String>,
    /// Rows that no sound peer may get: id, verdict, reason.
    pub wrong: Vec<(String, Verdict, String)>,
    /// Rows that warn: they are for the eye.
    pub warned: Vec<(String, String)>,
    /// Rules that were put to the test.
    pub evaluated: BTreeSet<String>,
}

impl TwinRow {
    fn of(twin: &Twin, run: RunOutcome) -> Self {
        let mut row = Self {
            twin: *twin,
            cases: Vec::new(),
            good: Vec::new(),
            wrong: Vec::new(),
            warned: Vec::new(),
            evaluated: evaluated(&run),
        };
        for case in run.cases {
            let free = case.verdict == Verdict::Info && case.level == Some(Level::May);
            if !case.is_rule() && (free || case.verdict == Verdict::Pass) {
                row.good.push(case.id.clone());
            }
            if !case.is_rule() {
                row.cases.push((case.id.clone(), case.verdict));
            }
            let reason = case.reason.unwrap_or_default();
            match case.verdict {
                Verdict::Pass | Verdict::Info | Verdict::Skip => {}
                Verdict::Warn => row.warned.push((case.id, reason)),
                verdict => row.wrong.push((case.id, verdict, reason)),
            }
        }
        row
    }

    fn count(&self, wanted: Verdict) -> usize {
        let verdicts = self.cases.iter().map(|(_, verdict)| *verdict);
        verdicts.filter(|verdict| *verdict == wanted).count()
    }
}

/// All twins.
#[derive(Debug, Clone)]
pub struct TwinTable {
    /// A row for each.
    pub rows: Vec<TwinRow>,
    /// Cases that pass on fewer than [`ENOUGH`] twins, and on how many.
    pub rare: Vec<(String, usize)>,
    /// Rules that neither the reference peer nor a twin put to the test.
    pub idle_rules: Vec<String>,
}

impl TwinTable {
    /// Whether no twin got a fail, an error or an inconclusive, every case passes on enough of
    /// them, and no rule is idle.
    pub fn is_good(&self) -> bool {
        let sound = self.rows.iter().all(|row| row.wrong.is_empty());
        sound && self.rare.is_empty() && self.idle_rules.is_empty()
    }

    /// Every case, and a letter for what it came to with each twin.
    fn grid(&self) -> BTreeMap<&str, String> {
        let mut grid: BTreeMap<&str, String> = BTreeMap::new();
        for row in &self.rows {
            for (id, verdict) in &row.cases {
                grid.entry(id).or_default().push(letter(*verdict));
            }
        }
        grid
    }
}

impl Audit {
    /// Plays everything against the sound reference peer and every twin.
    pub fn twins(&self) -> TwinTable {
        let sound = self.run(&reference(|config| config), true, |_| true);
        let rows = self.each(TWINS, |twin| TwinRow::of(twin, self.twin(twin)));
        let mut passes: BTreeMap<&str, usize> = BTreeMap::new();
        for (id, _) in rows.iter().flat_map(|row| &row.cases) {
            passes.entry(id).or_default();
        }
        for id in rows.iter().flat_map(|row| &row.good) {
            *passes.entry(id).or_default() += 1;
        }
        let rare = passes.into_iter().filter(|(_, count)| *count < ENOUGH);
        let rare = rare.map(|(id, count)| (id.to_owned(), count)).collect();
        let seen = rows.iter().flat_map(|row| row.evaluated.iter().cloned());
        let seen = seen.chain(evaluated(&sound)).collect();
        TwinTable {
            idle_rules: idle(&seen),
            rows,
            rare,
        }
    }

    /// Rules that are never put to the test: not by `sound`, and by no twin.
    pub(super) fn idle_rules(&self, sound: &RunOutcome) -> Vec<String> {
        let seen = evaluated(sound);
        if idle(&seen).is_empty() {
            return Vec::new();
        }
        let others = self.each(TWINS, |twin| evaluated(&self.twin(twin)));
        idle(&others.into_iter().flatten().chain(seen).collect())
    }

    fn twin(&self, twin: &Twin) -> RunOutcome {
        self.run(&reference(twin.change), true, |_| true)
    }
}

/// Rules that a run put to the test at least once.
fn evaluated(run: &RunOutcome) -> BTreeSet<String> {
    let rules = run.cases.iter().filter(|row| row.is_rule());
    let times = |row: &CaseOutcome| row.observations.get("evaluated").and_then(|n| n.as_u64());
    let used = rules.filter(|row| times(row).is_some_and(|n| n > 0));
    used.map(|row| row.id.clone()).collect()
}

fn idle(seen: &BTreeSet<String>) -> Vec<String> {
    let rows = RULES.iter().map(|rule| format!("{RULE_SUITE}/{}", rule.id));
    rows.filter(|row| !seen.contains(row)).collect()
}

fn letter(verdict: Verdict) -> char {
    match verdict {
        Verdict::Pass => '+',
        Verdict::Info => 'i',
        Verdict::Warn => 'w',
        Verdict::Skip => '.',
        Verdict::Fail => 'F',
        Verdict::Inconclusive => '?',
        Verdict::Error => 'E',
    }
}

impl fmt::Display for TwinTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, letters) in self.grid() {
            writeln!(f, "{letters}  {id}")?;
        }
        writeln!(f, "columns, from the left; + pass, i info, w warn, . skip:")?;
        for row in &self.rows {
            writeln!(
                f,
                "{:<46} {} pass, {} info, {} warn, {} skip, {} wrong",
                row.twin.name,
                row.count(Verdict::Pass),
                row.count(Verdict::Info),
                row.warned.len(),
                row.count(Verdict::Skip),
                row.wrong.len()
            )?;
            for (id, verdict, reason) in &row.wrong {
                writeln!(f, "    {verdict} {id}: {reason}")?;
            }
            for (id, reason) in &row.warned {
                writeln!(f, "    warn {id}: {reason}")?;
            }
        }
        for (id, count) in &self.rare {
            writeln!(f, "passes on {count} twins only: {id}")?;
        }
        for rule in &self.idle_rules {
            writeln!(f, "never put to the test: {rule}")?;
        }
        Ok(())
    }
}

/// Twins on which a case has to pass.
pub const ENOUGH: usize = 4;
