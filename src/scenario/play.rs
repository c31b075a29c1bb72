//! Plays: a case with its role, direction, matrix values and variant chosen.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::ast::{AxisValue, Case, Delay, Direction, Role, Suite, Variant};
use super::error::ScenarioError;
use super::eval::{Env, Expr};
use super::parse::{self, DIRECTIONS, ROLES, VARIANTS};
use super::val::Val;
use crate::wire::Handshake;

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

/// Puts items into another order, which follows from `seed` alone.
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
        // The low bits of such a sequence repeat soon.
        let chosen = usize::try_from(state >> 33).unwrap_or(0) % (last + 1);
        items.swap(last, chosen);
    }
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
    pub const ALL: [Self; 4] = [
        Self::Drip,
        Self::SplitLength,
        Self::KeepAlives,
        Self::UnknownIds,
    ];

    /// The variant of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        let row = VARIANTS.iter().find(|(known, _)| *known == name)?;
        Some(row.1)
    }

    /// Sizes of the segments in which a write goes out; they add up to it.
    pub fn segments(self, bytes: &[u8]) -> Vec<usize> {
        let len = bytes.len();
        match self {
            Self::Drip if len <= DRIP_LEN => vec![1; len],
            Self::Drip => {
                let size = len.div_ceil(DRIP_SEGMENTS);
                let mut sizes = vec![size; len / size];
                sizes.extend(Some(len % size).filter(|rest| *rest > 0));
                sizes
            }
            Self::SplitLength => between(&inside_prefixes(bytes), len),
            Self::KeepAlives | Self::UnknownIds => vec![len],
        }
    }

    /// What goes out before a message, where the stream allows it.
    pub fn filler(self) -> Option<Bytes> {
        match self {
            Self::Drip | Self::SplitLength => None,
            Self::KeepAlives => Some(Bytes::from_static(&[0; 4])),
            Self::UnknownIds => Some(Bytes::from_static(&[0, 0, 0, 3, UNKNOWN, 0xbe, 0xef])),
        }
    }
}

/// Offsets inside the length prefixes of frames: behind their first, second or third byte, in turn.
/// A handshake is cut behind its own length.
fn inside_prefixes(bytes: &[u8]) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut at = 0_usize;
    if bytes.starts_with(b"\x13BitTorrent protocol") {
        cuts.push(1);
        at = Handshake::LEN;
    }
    while let Some(prefix) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        cuts.push(at + 1 + cuts.len() % 3);
        let body = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        at = at.saturating_add(4).saturating_add(body);
        if cuts.len() >= DRIP_LEN - 1 {
            break;
        }
    }
    cuts
}

/// The sizes that come of cutting `len` bytes at these places.
fn between(cuts: &[usize], len: usize) -> Vec<usize> {
    let mut from = 0;
    let cuts = cuts.iter().copied().filter(|at| *at < len).chain([len]);
    let sizes = cuts.map(|at| at - std::mem::replace(&mut from, at));
    sizes.collect()
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

/// Knuth's numbers for a linear congruential sequence of 64 bits.
const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
const INCREMENT: u64 = 1_442_695_040_888_963_407;
/// An id that no BEP assigns and no client uses.
const UNKNOWN: u8 = 111;
/// Longest write that `drip` sends byte by byte.
const DRIP_LEN: usize = 256;
/// Segments of a longer one.
const DRIP_SEGMENTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffling_loses_nothing_and_depends_on_the_seed() {
        let shuffled = |seed| {
            let mut items: Vec<u32> = (0..100).collect();
            shuffle(&mut items, seed);
            items
        };
        assert_eq!(shuffled(7), shuffled(7));
        assert_ne!(shuffled(7), shuffled(8));
        let mut sorted = shuffled(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<u32>>());
    }

    #[test]
    fn cuts_inside_each_length_prefix() {
        let frames = [0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 5, 4, 0, 0, 0, 1];
        let sizes = Variant::SplitLength.segments(&frames);
        assert_eq!(sizes, [1, 6, 5, 6]);
        let mut opening = b"\x13BitTorrent protocol".to_vec();
        opening.resize(68, 7);
        assert_eq!(Variant::SplitLength.segments(&opening), [1, 67]);
        opening.extend([0, 0, 0, 1, 2]);
        assert_eq!(Variant::SplitLength.segments(&opening), [1, 69, 3]);
    }

    #[test]
    fn segments_add_up() {
        for variant in Variant::ALL {
            for len in [0, 1, 2, 3, 68, 256, 257, 16_397, 1 << 20] {
                let segments = variant.segments(&vec![0; len]);
                assert_eq!(segments.iter().sum::<usize>(), len, "{variant} {len}");
                assert!(segments.len() <= DRIP_LEN, "{variant} {len}");
                assert!(len == 0 || !segments.contains(&0), "{variant} {len}");
            }
        }
    }
}
