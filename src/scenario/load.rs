//! Finding and reading scenario files.

use std::path::PathBuf;

use super::ast::Suite;
use super::error::ScenarioError;

/// Reads files and folders (all `*.yaml` in them, by name); every error of every file.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Suite>, Vec<ScenarioError>> {
    let _ = paths;
    Ok(Vec::new())
}

/// The suites that are part of the binary.
pub fn embedded() -> Result<Vec<Suite>, Vec<ScenarioError>> {
    Ok(Vec::new())
}
