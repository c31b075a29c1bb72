//! The report of a campaign, `btspec.fuzz/1`, and what a campaign leaves for the next.

use std::collections::BTreeMap;
use std::io;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::campaign::{Campaigned, Config, Ending, Find, Left};
use super::case::Case;
use super::corpus::Corpus;
use super::ground::Role;
use super::oracle::{Oracle, Suspicion};
use super::valid::Life;
use crate::outcome::{Exit, Millis, run::Tool};

/// Version of the report's form.
pub const SCHEMA: &str = "btspec.fuzz/1";

/// Everything a campaign came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FuzzReport {
    /// Always `btspec.fuzz/1`.
    pub schema: String,
    /// What wrote it.
    pub tool: Tool,
    /// The peer under test, as the user named it.
    pub target: String,
    /// What everything random came from.
    pub seed: u64,
    /// The part of the cases that was this campaign's, as `1/4`.
    pub part: String,
    /// How it ended.
    pub ended: Ended,
    /// Why it ended, where that is not a bound of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Exit code of the process.
    pub exit: u8,
    /// One row for each role of the target.
    pub roles: Vec<RoleReport>,
}

/// How a campaign ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It reached a bound, or was interrupted.
    Over,
    /// The target could not be reached or started again.
    Unreachable,
    /// The target died and nobody could start it again.
    Dead,
}

/// What one role came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleReport {
    /// What the target was: `seed` or `leech`.
    pub role: String,
    /// Cases played.
    pub cases: u64,
    /// How long; virtual in simulation.
    pub duration_ms: Millis,
    /// How much of this went into looking into what was noticed: repeating, proving, making small.
    pub looking_ms: Millis,
    /// Cases a second; only over sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// What the target did on valid traffic: `serves`, `asks` or `greets`.
    pub life: String,
    /// Different reactions.
    pub reactions: usize,
    /// Cases that were kept for them.
    pub corpus: usize,
    /// Session states that were reached, with the messages that came in each.
    pub states: BTreeMap<String, Vec<String>>,
    /// Connections that were refused or not answered.
    pub refused: u64,
    /// Times that the target was started again.
    pub restarts: u64,
    /// Deviations from custom, by rule: not counted as finds.
    pub notes: BTreeMap<String, u64>,
    /// What was noticed and did not repeat.
    pub unrepeated: BTreeMap<String, u64>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// One find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Who noticed.
    pub oracle: Oracle,
    /// Equal buckets are one find.
    pub bucket: String,
    /// The requirement that was broken, where one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
    /// What was seen.
    pub observed: String,
    /// Seen again on fresh targets, three times of three.
    pub confirmed: bool,
    /// What there was no time for: `isolation` (of the connections that it takes, and what follows),
    /// `proof` (and what follows) or `small`. With the first `--resume` goes on, with the others
    /// `btspec shrink` as well.
    #[serde(skip_serializing_if = "Left::is_nothing", default)]
    pub left: Left,
    /// How often it was noticed.
    pub count: u64,
    /// Number of the case at which it was noticed first.
    pub first_case: u64,
    /// Connections and steps that show it.
    pub steps: usize,
    /// Each connection in one line.
    pub connections: Vec<String>,
    /// Other buckets that the same connections are in.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub also: Vec<String>,
    /// The scenario file, if one was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl FuzzReport {
    /// The report of campaigns against one target, one for each role.
    pub fn new(target: &str, config: &Config, runs: Vec<RoleReport>, endings: &[Ending]) -> Self {
        let (part, parts) = config.part;
        let mut ended = Ended::Over;
        let mut reason = None;
        for ending in endings {
            match ending {
                Ending::Over => {}
                Ending::Unreachable(why) => {
                    ended = Ended::Unreachable;
                    reason.get_or_insert_with(|| why.clone());
                }
                Ending::Dead => ended = Ended::Dead,
            }
        }
        let found = runs.iter().any(|run| !run.findings.is_empty());
        let exit = match (found, ended) {
            (true, _) => Exit::Found,
            (false, Ended::Unreachable) => Exit::Unreachable,
            (false, _) => Exit::Ok,
        };
        Self {
            schema: SCHEMA.to_owned(),
            tool: Tool::this(),
            target: target.to_owned(),
            seed: config.seed,
            part: format!("{part}/{parts}"),
            ended,
            reason,
            exit: exit.code(),
            roles: runs,
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        let mut all = Exit::ALL.into_iter();
        all.find(|exit| exit.code() == self.exit)
            .unwrap_or(Exit::Internal)
    }

    /// Writes it as JSON, with a newline at the end.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self).map_err(io::Error::from)?;
        out.write_all(b"\n")
    }
}

impl RoleReport {
    /// What a campaign came to; `file_of` tells where a find was written.
    pub fn new(
        role: Role,
        run: &Campaigned,
        virtual_time: bool,
        file_of: impl Fn(&Find) -> Option<String>,
    ) -> Self {
        let millis = u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX);
        let rate = run.tally.cases.saturating_mul(1000).checked_div(millis);
        let states = run.tally.states.iter().map(|(state, kinds)| {
            let kinds = kinds.iter().map(|kind| kind.name().to_owned());
            (state.to_string(), kinds.collect())
        });
        Self {
            role: name(role).to_owned(),
            cases: run.tally.cases,
            duration_ms: run.duration.into(),
            looking_ms: run.looked.into(),
            rate: rate.filter(|_| !virtual_time),
            life: match run.life {
                Life::None => "none",
                Life::Greets => "greets",
                Life::Asks => "asks",
                Life::Serves => "serves",
            }
            .to_owned(),
            reactions: run.corpus.reactions(),
            corpus: run.corpus.cases().len(),
            states: states.collect(),
            refused: run.tally.refused,
            restarts: run.tally.restarts,
            notes: run
                .tally
                .notes
                .iter()
                .map(|(rule, count)| ((*rule).to_owned(), *count))
                .collect(),
            unrepeated: run.tally.unrepeated.clone(),
            findings: run
                .finds
                .iter()
                .map(|find| Finding::new(find, file_of(find)))
                .collect(),
        }
    }
}

impl Finding {
    fn new(find: &Find, file: Option<String>) -> Self {
        let suspicion = &find.suspicion;
        Self {
            oracle: suspicion.oracle,
            bucket: suspicion.bucket.clone(),
            requirement: suspicion.requirement.map(str::to_owned),
            observed: suspicion.detail.clone(),
            confirmed: find.confirmed,
            left: find.left,
            count: find.count,
            first_case: find.first,
            steps: find.cases.iter().map(Case::steps).sum(),
            connections: find.cases.iter().map(Case::to_string).collect(),
            also: find.also.iter().cloned().collect(),
            file,
        }
    }
}

/// The JSON Schema of the report, as committed in `docs/fuzz-report.schema.json`.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(FuzzReport);
    schema.insert("title".to_owned(), serde_json::Value::from(SCHEMA));
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// `seed` or `leech`.
pub fn name(role: Role) -> &'static str {
    match role {
        Role::Seed => "seed",
        Role::Leech => "leech",
    }
}

/// What a campaign leaves for one that goes on behind it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Saved {
    /// What everything random comes from.
    pub seed: u64,
    /// The role of the target.
    pub role: String,
    /// The next case.
    pub next: u64,
    /// Numbers of the reactions that were seen.
    pub seen: Vec<u64>,
    /// Kept cases.
    pub cases: Vec<Case>,
    /// What was found.
    pub finds: Vec<SavedFind>,
}

/// A find, so that it is not looked into again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedFind {
    oracle: Oracle,
    bucket: String,
    detail: String,
    requirement: Option<String>,
    confirmed: bool,
    #[serde(default)]
    left: Left,
    count: u64,
    first: u64,
    cases: Vec<Case>,
    also: Vec<String>,
}

impl Saved {
    /// What is left of a campaign.
    pub fn of(seed: u64, role: Role, run: &Campaigned) -> Self {
        Self {
            seed,
            role: name(role).to_owned(),
            next: run.next,
            seen: run.corpus.seen(),
            cases: run.corpus.cases().to_vec(),
            finds: run.finds.iter().map(SavedFind::of).collect(),
        }
    }

    /// Where to go on: next case, corpus, finds.
    pub fn restore(self) -> (u64, Corpus, Vec<Find>) {
        let finds = self.finds.into_iter().map(SavedFind::restore).collect();
        (self.next, Corpus::restore(self.cases, self.seen), finds)
    }
}

impl SavedFind {
    fn of(find: &Find) -> Self {
        Self {
            oracle: find.suspicion.oracle,
            bucket: find.suspicion.bucket.clone(),
            detail: find.suspicion.detail.clone(),
            requirement: find.suspicion.requirement.map(str::to_owned),
            confirmed: find.confirmed,
            left: find.left,
            count: find.count,
            first: find.first,
            cases: find.cases.clone(),
            also: find.also.iter().cloned().collect(),
        }
    }

    fn restore(self) -> Find {
        let id = self.requirement.as_deref();
        let known = id.and_then(|id| crate::requirement::catalogue().id(id));
        Find {
            suspicion: Suspicion {
                requirement: known.map(|id| id.as_str()),
                ..Suspicion::new(self.oracle, self.bucket, self.detail)
            },
            cases: self.cases,
            confirmed: self.confirmed,
            left: self.left,
            count: self.count,
            first: self.first,
            also: self.also.into_iter().collect(),
        }
    }
}
