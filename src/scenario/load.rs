//! Finding and reading scenario files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ast::Suite;
use super::embedded::FILES;
use super::error::ScenarioError;
use super::limits;
use super::parse::{self, Input};
use super::span::{SourceFile, Span};

/// Shared blocks of a folder.
const SHARED: &str = "_blocks.yaml";

/// Reads files and folders (all `*.yaml` in them, by name); every error of every file.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Suite>, Vec<ScenarioError>> {
    let mut errors = Vec::new();
    let mut inputs = Vec::new();
    for path in paths {
        match files(path) {
            Ok(files) => {
                for file in files {
                    match input(&file) {
                        Ok(input) => inputs.push(input),
                        Err(error) => errors.push(error),
                    }
                }
            }
            Err(error) => errors.push(error),
        }
    }
    suites(&inputs, errors)
}

/// The suites that are part of the binary.
pub fn embedded() -> Result<Vec<Suite>, Vec<ScenarioError>> {
    let shared = embedded_blocks();
    let inputs: Vec<Input> = FILES
        .iter()
        .filter(|(name, _)| !name.ends_with(SHARED))
        .map(|(name, text)| Input {
            file: Arc::new(SourceFile::new(*name, *text)),
            folder: None,
            shared: shared.clone(),
        })
        .collect();
    let errors = shared.as_ref().map_or_else(Vec::new, parse::check_shared);
    suites(&inputs, errors)
}

/// Reads one suite from text: for generated scenarios and tests. `name` stands in messages.
pub fn parse_text(name: &str, text: &str) -> Result<Suite, Vec<ScenarioError>> {
    parse::suite(&Input {
        file: Arc::new(SourceFile::new(name, text)),
        folder: None,
        shared: embedded_blocks(),
    })
}

fn suites(
    inputs: &[Input],
    mut errors: Vec<ScenarioError>,
) -> Result<Vec<Suite>, Vec<ScenarioError>> {
    let mut suites: Vec<Suite> = Vec::new();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for input in inputs {
        match parse::suite(input) {
            Ok(suite) => {
                if let Some(first) = seen.get(&suite.id) {
                    let message = format!("a second suite `{}`", suite.id);
                    errors.push(
                        ScenarioError::invalid(&suite.span, message)
                            .help(format!("the first is at {first}")),
                    );
                }
                seen.insert(suite.id.clone(), suite.span.clone());
                suites.push(suite);
            }
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() {
        Ok(suites)
    } else {
        Err(errors)
    }
}

fn embedded_blocks() -> Option<Arc<SourceFile>> {
    let (name, text) = FILES.iter().find(|(name, _)| name.ends_with(SHARED))?;
    Some(Arc::new(SourceFile::new(*name, *text)))
}

/// The files that a path names.
fn files(path: &Path) -> Result<Vec<PathBuf>, ScenarioError> {
    let unreadable =
        |error: std::io::Error| ScenarioError::unreadable(format!("{}: {error}", path.display()));
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        if is_yaml && !name.starts_with(['_', '.']) && !name.ends_with(".expect.yaml") {
            found.push(file);
        }
    }
    found.sort();
    if found.is_empty() {
        let message = format!("{}: no scenario in this folder", path.display());
        return Err(ScenarioError::unreadable(message));
    }
    Ok(found)
}

fn input(path: &Path) -> Result<Input, ScenarioError> {
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("."),
    };
    let blocks = folder.join(SHARED);
    let shared = if blocks.is_file() {
        Some(Arc::new(source(&blocks)?))
    } else {
        embedded_blocks()
    };
    Ok(Input {
        file: Arc::new(source(path)?),
        folder: Some(folder),
        shared,
    })
}

/// Reads a file, refusing by size before anything is kept.
fn source(path: &Path) -> Result<SourceFile, ScenarioError> {
    let fault = |what: String| ScenarioError::unreadable(format!("{}: {what}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| fault(error.to_string()))?;
    let meta = file.metadata().map_err(|error| fault(error.to_string()))?;
    if meta.is_dir() {
        return Err(fault("is a folder".into()));
    }
    let too_long = || {
        fault(format!(
            "more than {} KiB: too long for a scenario",
            limits::FILE_LEN >> 10
        ))
    };
    if meta.len() > limits::FILE_LEN {
        return Err(too_long());
    }
    // A pipe or a growing file has no length to go by.
    let mut bytes = Vec::new();
    file.take(limits::FILE_LEN.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| fault(error.to_string()))?;
    if bytes.len() as u64 > limits::FILE_LEN {
        return Err(too_long());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        fault(format!(
            "not UTF-8 at byte {}",
            error.utf8_error().valid_up_to()
        ))
    })?;
    Ok(SourceFile::new(path.display().to_string(), text))
}
