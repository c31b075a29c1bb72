//! Nodes into suites: what `docs/scenarios.md` says, checked strictly.
//!
//! `fields` reads maps and words, `scope` knows names, `bytes`, `message` and `pattern` follow the
//! message table, `step` and `action` read steps, `blocks` puts blocks in place, `case` merges
//! defaults. Of each case the first mistake is told.

mod action;
mod blocks;
mod bytes;
mod case;
mod fields;
mod message;
mod pattern;
mod scope;
mod step;

use std::path::PathBuf;
use std::sync::Arc;

use self::blocks::Blocks;
use self::case::{Defaults, case, case_nodes, check_ids};
use self::fields::{Fields, id, text};
use super::ast::Suite;
use super::error::ScenarioError;
use super::span::SourceFile;
use super::yaml::{self, Value};

pub(super) use self::action::{CHECKS, CONNECT, CORRUPT, HANDSHAKES, MODES, SERVE, STATES, VERBS};
pub(super) use self::bytes::FORMS;
pub(super) use self::case::{CASE, DEFAULTS, DIRECTIONS, LANES, NEEDS, ROLES, VARIANTS};
pub(super) use self::fields::duration;
pub(super) use self::scope::GLOBALS;
pub(super) use self::step::{ACTIONS, MODIFIERS, STATED, fits};

/// A file to read, with the folder that `file:` may read from.
pub(super) struct Input {
    /// The text.
    pub(super) file: Arc<SourceFile>,
    /// Its folder; `None` for files in the binary.
    pub(super) folder: Option<PathBuf>,
    /// Shared blocks that stand beside it.
    pub(super) shared: Option<Arc<SourceFile>>,
}

/// Keys of a file.
pub(super) const FILE: [&str; 6] = ["spec", "suite", "title", "defaults", "blocks", "cases"];

/// Reads one file; every mistake that can be told apart.
pub(super) fn suite(input: &Input) -> Result<Suite, Vec<ScenarioError>> {
    let mut errors = Vec::new();
    let suite = read(input, &mut errors);
    // A mistake in a block shows in each of its uses.
    let mut seen = Vec::new();
    errors.retain(|error| {
        let same = (error.span.clone(), error.message.clone());
        let new = !seen.contains(&same);
        seen.push(same);
        new
    });
    match (suite, errors.is_empty()) {
        (Ok(suite), true) => Ok(suite),
        (Ok(_), false) => Err(errors),
        (Err(error), _) => {
            errors.push(error);
            Err(errors)
        }
    }
}

fn read(input: &Input, errors: &mut Vec<ScenarioError>) -> Result<Suite, ScenarioError> {
    let root = yaml::read(&input.file)?;
    let map = Fields::of(&root, "a scenario file", &FILE)?;
    spec(&map)?;
    let suite_id = id(map.require("suite")?, "id of a suite")?;
    let title = text(map.require("title")?)?.to_owned();
    let mut blocks = Blocks::default();
    blocks.folder.clone_from(&input.folder);
    if let Some(shared) = &input.shared {
        shared_blocks(shared, &mut blocks)?;
    }
    if let Some(node) = map.get("blocks") {
        blocks.add(node)?;
        blocks.check(errors);
    }
    let defaults = map.get("defaults").map(Defaults::of).transpose()?;
    let defaults = defaults.unwrap_or_default();
    let nodes = map.require("cases")?;
    let mut cases = Vec::new();
    for node in case_nodes(nodes)? {
        match case(node, &suite_id, &defaults, &blocks) {
            Ok(case) => cases.push(Arc::new(case)),
            Err(error) => errors.push(error),
        }
    }
    if cases.is_empty() && errors.is_empty() {
        return Err(ScenarioError::invalid(&nodes.span, "a suite without cases"));
    }
    check_ids(&cases, errors);
    Ok(Suite {
        id: suite_id,
        title,
        span: map.key_span("suite").clone(),
        cases,
    })
}

fn spec(map: &Fields<'_>) -> Result<(), ScenarioError> {
    let node = map.require("spec")?;
    match &node.value {
        Value::Int(1, _) => Ok(()),
        _ => Err(
            ScenarioError::invalid(&node.span, "a format that this version does not know")
                .expected("spec: 1"),
        ),
    }
}

/// Reads `_blocks.yaml`: blocks and nothing else.
fn shared_blocks(file: &Arc<SourceFile>, blocks: &mut Blocks) -> Result<(), ScenarioError> {
    let root = yaml::read(file)?;
    let map = Fields::of(&root, "a file of shared blocks", &["spec", "blocks"])?;
    spec(&map)?;
    blocks.add(map.require("blocks")?)
}

/// Checks a file of shared blocks on its own.
pub(super) fn check_shared(file: &Arc<SourceFile>) -> Vec<ScenarioError> {
    let mut errors = Vec::new();
    let mut blocks = Blocks::default();
    match shared_blocks(file, &mut blocks) {
        Ok(()) => blocks.check(&mut errors),
        Err(error) => errors.push(error),
    }
    errors
}
