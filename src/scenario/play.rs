//! Plays: a case with its role, direction, matrix values and variant chosen.

use std::fmt;
use std::sync::Arc;

use super::ast::{AxisValue, Case, Delay, Direction, Role, Suite, Variant};
use super::error::ScenarioError;
use super::eval::{Env, Expr};
use super::parse::{self, DIRECTIONS, ROLES, VARIANTS};
use super::val::Val;

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

impl Play {
    /// The value of an axis.
    pub fn axis(&self, name: &str) -> Option<&Expr> {
        let (_, chosen) = self.matrix.iter().find(|(axis, _)| axis == name)?;
        Some(&chosen.value)
    }
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

/// Every play of the suite's cases, in file order: matrix, then role, direction, variant.
pub fn expand(suite: &Suite, choice: &Choice) -> Result<Vec<Play>, ScenarioError> {
    let mut plays = Vec::new();
    for case in &suite.cases {
        for matrix in combinations(case) {
            for role in case.roles.iter().filter(|it| choice.roles.contains(it)) {
                let directions = case.directions.iter();
                for direction in directions.filter(|it| choice.directions.contains(it)) {
                    let play = |variant| Play {
                        id: id(case, &matrix, *role, *direction, variant),
                        case: Arc::clone(case),
                        role: *role,
                        direction: *direction,
                        matrix: matrix.clone(),
                        variant,
                    };
                    let plain = play(None);
                    if let Some(when) = &case.when
                        && !when.eval_bool(&Expansion(&plain))?
                    {
                        continue;
                    }
                    plays.push(plain);
                    let variants = choice.variants.iter();
                    let variants =
                        variants.filter(|variant| !case.variants_skip.contains_key(variant));
                    plays.extend(variants.map(|variant| play(Some(*variant))));
                }
            }
        }
    }
    Ok(plays)
}

/// What `when` of a case sees.
struct Expansion<'a>(&'a Play);

impl Env for Expansion<'_> {
    fn get(&self, _path: &str) -> Option<Val> {
        None
    }

    fn play(&self) -> Option<&Play> {
        Some(self.0)
    }
}

/// Every combination of the axes, the last axis fastest.
fn combinations(case: &Case) -> Vec<Vec<(String, AxisValue)>> {
    let mut all: Vec<Vec<(String, AxisValue)>> = vec![Vec::new()];
    for axis in &case.matrix {
        all = all
            .into_iter()
            .flat_map(|before| {
                axis.values.iter().map(move |value| {
                    let mut combination = before.clone();
                    combination.push((axis.name.clone(), value.clone()));
                    combination
                })
            })
            .collect();
    }
    all
}

fn id(
    case: &Case,
    matrix: &[(String, AxisValue)],
    role: Role,
    direction: Direction,
    variant: Option<Variant>,
) -> PlayId {
    let mut id = format!("{}/{}", case.suite, case.id);
    if !matrix.is_empty() {
        let values: Vec<String> = matrix
            .iter()
            .map(|(axis, value)| format!("{axis}={}", value.label))
            .collect();
        id.push_str(&format!("[{}]", values.join(",")));
    }
    id.push_str(&format!(":{role}"));
    if direction == Direction::Dials {
        id.push_str(&format!(":{direction}"));
    }
    if let Some(variant) = variant {
        id.push_str(&format!("@{variant}"));
    }
    PlayId(id)
}

/// The word for a value, from the list that also reads it.
pub(super) fn name_in<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    let word = words.iter().find(|(_, known)| known == value);
    word.map_or("", |(name, _)| name)
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name_in(&ROLES, self))
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name_in(&DIRECTIONS, self))
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name_in(&VARIANTS, self))
    }
}

impl Variant {
    /// Every variant.
    pub const ALL: [Self; 3] = [Self::Drip, Self::Halves, Self::FirstByte];

    /// The variant of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        let row = VARIANTS.iter().find(|(known, _)| *known == name)?;
        Some(row.1)
    }

    /// Sizes of the segments of a write of so many bytes; they add up to it.
    pub fn segments(self, len: usize) -> Vec<usize> {
        let cut = |at: usize| match (at, len.saturating_sub(at)) {
            (0, rest) => vec![rest],
            (first, 0) => vec![first],
            (first, rest) => vec![first, rest],
        };
        match self {
            Self::Drip if len <= DRIP_LEN => vec![1; len],
            Self::Drip => {
                let size = len.div_ceil(DRIP_SEGMENTS);
                let mut sizes = vec![size; len / size];
                sizes.extend(Some(len % size).filter(|rest| *rest > 0));
                sizes
            }
            Self::Halves => cut(len / 2),
            Self::FirstByte => cut(len.min(1)),
        }
    }
}

impl Delay {
    /// How long, at play.
    pub fn eval(&self, env: &dyn Env) -> Result<std::time::Duration, ScenarioError> {
        let expr = match self {
            Self::Fixed(fixed) => return Ok(*fixed),
            Self::Expr(expr) => expr,
        };
        let found = match expr.eval(env)? {
            Val::Text(text) => parse::duration(&text),
            Val::Int(millis) => u64::try_from(millis)
                .ok()
                .map(std::time::Duration::from_millis)
                .filter(|delay| *delay <= super::limits::DELAY),
            _ => None,
        };
        found.ok_or_else(|| {
            ScenarioError::runtime(&expr.span, "no length of time: 500ms, 3s or milliseconds")
        })
    }
}

/// Longest write that `drip` sends byte by byte.
const DRIP_LEN: usize = 256;
/// Segments of a longer one.
const DRIP_SEGMENTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_add_up() {
        for variant in Variant::ALL {
            for len in [0, 1, 2, 3, 68, 256, 257, 16_397, 1 << 20] {
                let segments = variant.segments(len);
                assert_eq!(segments.iter().sum::<usize>(), len, "{variant} {len}");
                assert!(segments.len() <= DRIP_LEN, "{variant} {len}");
                assert!(len == 0 || !segments.contains(&0), "{variant} {len}");
            }
        }
    }
}
