//! Plays: a case with its role, direction, matrix values and variant chosen.

use std::fmt;
use std::sync::Arc;

use super::ast::{AxisValue, Case, Direction, Role, Suite, Variant};
use super::error::ScenarioError;

/// One play of a case.
#[derive(Debug, Clone)]
pub struct Play {
    /// Unique in a run.
    pub id: PlayId,
    /// What is played.
    pub case: Arc<Case>,
    /// Role of the target.
    pub role: Role,
    /// Who dials.
    pub direction: Direction,
    /// Chosen values: name of the axis, value.
    pub matrix: Vec<(String, AxisValue)>,
    /// Segmentation.
    pub variant: Option<Variant>,
}

/// `SUITE/CASE[MATRIX]:ROLE:dials@VARIANT`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub String);

impl fmt::Display for PlayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What to expand into.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Roles of the target that are played.
    pub roles: Vec<Role>,
    /// Directions that can be played.
    pub directions: Vec<Direction>,
    /// Variants beside the plain play.
    pub variants: Vec<Variant>,
}

/// Every play of the suite's cases, in file order.
pub fn expand(suite: &Suite, choice: &Choice) -> Result<Vec<Play>, ScenarioError> {
    let _ = (suite, choice);
    Ok(Vec::new())
}
