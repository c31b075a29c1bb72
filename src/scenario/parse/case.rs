//! Cases: keys, defaults, matrix, needs.

use std::collections::BTreeMap;

use super::super::ast::Action;
use super::super::ast::{
    Axis, AxisValue, Case, Direction, Lane, Need, NeedKind, Proof, Role, RuleOff, Step, Timeouts,
    Variant,
};
use super::super::error::ScenarioError;
use super::super::eval::Expr;
use super::super::expr;
use super::super::limits;
use super::super::span::Span;
use super::super::types::Type;
use super::super::val::Val;
use super::super::yaml::{Node, Value};
use super::action::verb;
use super::blocks::{Blocks, DEFAULT_PEER};
use super::fields::{
    Fields, boolean, entries, fixed_duration, id, list, name, one_or_more, text, unknown, word,
    words, wrong,
};
use super::scope::Scope;
use super::step::{Place, Reader, citations, condition};
use crate::rule::RULES;

type Result<T> = std::result::Result<T, ScenarioError>;

/// Keys of a case.
pub(in super::super) const CASE: [&str; 21] = [
    "case",
    "title",
    "cites",
    "roles",
    "direction",
    "needs",
    "tags",
    "lane",
    "vars",
    "matrix",
    "when",
    "given",
    "given+",
    "steps",
    "after",
    "timeouts",
    "settle",
    "proof",
    "rules",
    "variants",
    "aliases",
];

/// Keys of `defaults`.
pub(in super::super) const DEFAULTS: [&str; 8] = [
    "given", "after", "needs", "roles", "lane", "tags", "timeouts", "proof",
];

/// Words of `roles`.
pub(in super::super) const ROLES: [(&str, Role); 2] =
    [("seed", Role::Seed), ("leech", Role::Leech)];

/// Words of `direction`.
pub(in super::super) const DIRECTIONS: [(&str, Direction); 2] =
    [("dialled", Direction::Dialled), ("dials", Direction::Dials)];

/// Words of `lane`.
pub(in super::super) const LANES: [(&str, Lane); 3] = [
    ("serial", Lane::Serial),
    ("shared", Lane::Shared),
    ("alone", Lane::Alone),
];

/// Names of variants.
pub(in super::super) const VARIANTS: [(&str, Variant); 4] = [
    ("drip", Variant::Drip),
    ("split-length", Variant::SplitLength),
    ("keepalives", Variant::KeepAlives),
    ("unknown-ids", Variant::UnknownIds),
];

/// Words of `needs` without argument.
pub(in super::super) const NEEDS: [&str; 7] = [
    "fast",
    "extended",
    "dht",
    "tracker",
    "ut_metadata",
    "ut_pex",
    "lt_donthave",
];

/// What a suite sets for its cases.
#[derive(Default)]
pub(super) struct Defaults<'a> {
    given: Option<&'a Node>,
    after: Option<&'a Node>,
    needs: Option<&'a Node>,
    roles: Option<&'a Node>,
    lane: Option<&'a Node>,
    tags: Option<&'a Node>,
    timeouts: Option<&'a Node>,
    proof: Option<&'a Node>,
}

impl<'a> Defaults<'a> {
    /// Reads `defaults`.
    pub(super) fn of(node: &'a Node) -> Result<Self> {
        let map = Fields::of(node, "`defaults`", &DEFAULTS)?;
        Ok(Self {
            given: map.get("given"),
            after: map.get("after"),
            needs: map.get("needs"),
            roles: map.get("roles"),
            lane: map.get("lane"),
            tags: map.get("tags"),
            timeouts: map.get("timeouts"),
            proof: map.get("proof"),
        })
    }
}

/// Reads one case.
pub(super) fn case(
    node: &Node,
    suite: &str,
    defaults: &Defaults<'_>,
    blocks: &Blocks,
) -> Result<Case> {
    let map = Fields::of(node, "a case", &CASE)?;
    let case_id = id(map.require("case")?, "id of a case")?;
    let title = text(map.require("title")?)?.to_owned();
    let cites = citations(map.require("cites")?)?;
    let mut scope = Scope::default();
    let matrix = map
        .get("matrix")
        .map_or(Ok(Vec::new()), |node| matrix(node, &mut scope))?;
    let when = condition(&map, "when", &scope)?;
    if let Some(when) = &when {
        check_when(when)?;
    }
    if let Some(node) = map.get("vars") {
        for (key, value) in entries(node, "`vars`")? {
            let variable = name(&key.text, &key.span)?;
            let value = scope.value(value)?;
            scope.add_inline(&variable, &key.span, value)?;
        }
    }
    let mut reader = Reader::new(blocks, Some(&cites));
    let (given, steps, after) = sections(&mut reader, &map, defaults, &mut scope)?;
    reader.check_labels()?;
    let lists = reader.lists.iter().cloned().collect();
    let count = [&given, &steps, &after]
        .map(|steps| count(steps))
        .iter()
        .sum::<u64>();
    if count > limits::STEPS {
        let message = format!(
            "{count} steps with repeats in place; at most {}",
            limits::STEPS
        );
        return Err(ScenarioError::invalid(map.key_span("case"), message));
    }
    Ok(Case {
        suite: suite.to_owned(),
        id: case_id,
        title,
        span: map.key_span("case").clone(),
        roles: roles(map.get("roles").or(defaults.roles))?,
        directions: directions(map.get("direction"))?,
        needs: needs(map.get("needs"), defaults.needs)?,
        tags: tags(map.get("tags"), defaults.tags)?,
        lane: match map.get("lane").or(defaults.lane) {
            Some(node) => word(node, "lane", &LANES)?,
            None => Lane::default(),
        },
        matrix,
        when,
        given,
        lists,
        steps,
        after,
        timeouts: timeouts(map.get("timeouts"), defaults.timeouts)?,
        settle: map.get("settle").map_or(Ok(false), boolean)?,
        proof: proof(map.get("proof").or(defaults.proof))?,
        rules_off: rules(map.get("rules"))?,
        variants_skip: variants(map.get("variants"))?,
        aliases: match map.get("aliases") {
            Some(node) => one_or_more(node)?
                .iter()
                .map(|node| Ok(text(node)?.to_owned()))
                .collect::<Result<_>>()?,
            None => Vec::new(),
        },
        cites,
    })
}

fn sections(
    reader: &mut Reader<'_>,
    map: &Fields<'_>,
    defaults: &Defaults<'_>,
    scope: &mut Scope,
) -> Result<(Vec<Step>, Vec<Step>, Vec<Step>)> {
    if map.get("given").is_some() && map.get("given+").is_some() {
        return Err(ScenarioError::invalid(
            map.key_span("given+"),
            "`given` and `given+` in one case",
        )
        .help("`given` replaces the suite's, `given+` appends to it"));
    }
    let mut place = Place {
        peer: DEFAULT_PEER.to_owned(),
        prefix: String::new(),
    };
    let first = map.get("given").or(defaults.given);
    let mut given = match first {
        Some(node) => reader.steps(node, scope, &mut place)?,
        None => Vec::new(),
    };
    if let Some(node) = map.get("given+") {
        given.extend(reader.steps(node, scope, &mut place)?);
    }
    let steps_node = map.require("steps")?;
    let steps = reader.steps(steps_node, scope, &mut place)?;
    if steps.is_empty() {
        return Err(ScenarioError::invalid(
            &steps_node.span,
            "a case without steps",
        ));
    }
    let after = match map.get("after").or(defaults.after) {
        Some(node) => reader.steps(node, scope, &mut place)?,
        None => Vec::new(),
    };
    reader.lists = scope.list_slots();
    Ok((given, steps, after))
}

/// Steps with `repeat` unrolled as far as its numbers are known.
fn count(steps: &[Step]) -> u64 {
    steps
        .iter()
        .map(|step| {
            let inner = match &step.action {
                Action::AnyOf {
                    branches,
                    otherwise,
                } => count(branches).saturating_add(otherwise.as_deref().map_or(0, count)),
                Action::Use(block) => count(&block.body),
                Action::Repeat(repeat) => {
                    let lists = repeat.each.iter().map(|(_, list)| match list.known() {
                        Some(Val::List(list)) => list.len() as u64,
                        _ => 1,
                    });
                    let times = match repeat.times.as_ref().and_then(Expr::known) {
                        Some(Val::Int(n)) => u64::try_from(n).unwrap_or(u64::MAX),
                        _ => 1,
                    };
                    lists
                        .fold(times, u64::saturating_mul)
                        .saturating_mul(count(&repeat.body))
                }
                _ => 0,
            };
            inner.saturating_add(1).saturating_add(count(&step.then))
        })
        .fold(0, u64::saturating_add)
}

fn matrix(node: &Node, scope: &mut Scope) -> Result<Vec<Axis>> {
    let mut axes = Vec::new();
    let mut plays = 1_usize;
    for (key, node) in entries(node, "`matrix`")? {
        let axis = name(&key.text, &key.span)?;
        let values = match &node.value {
            Value::List(list) => list
                .iter()
                .map(|node| {
                    let value = scope.value(node)?;
                    let label = match &node.value {
                        Value::Int(_, written) => written.clone(),
                        Value::Bool(true) => "on".to_owned(),
                        Value::Bool(false) => "off".to_owned(),
                        Value::Text(text) if !text.starts_with('$') => text.clone(),
                        _ => {
                            return Err(ScenarioError::invalid(
                                &node.span,
                                "this value needs a label",
                            )
                            .expected("{label: value}"));
                        }
                    };
                    labelled(&label, &node.span, value)
                })
                .collect::<Result<Vec<_>>>()?,
            Value::Map(entries) => entries
                .iter()
                .map(|(label, node)| labelled(&label.text, &label.span, scope.value(node)?))
                .collect::<Result<_>>()?,
            other => return Err(wrong(node, "a list or a map of values", other)),
        };
        if values.is_empty() {
            return Err(ScenarioError::invalid(&node.span, "an axis without values"));
        }
        for (at, value) in values.iter().enumerate() {
            if values
                .iter()
                .take(at)
                .any(|other| other.label == value.label)
            {
                let message = format!("label `{}` stands twice", value.label);
                return Err(ScenarioError::invalid(&value.value.span, message));
            }
        }
        plays = plays.saturating_mul(values.len());
        if plays > limits::MATRIX {
            let message = format!("a matrix of {plays} plays; at most {}", limits::MATRIX);
            return Err(ScenarioError::invalid(&key.span, message));
        }
        scope.add_axis(&axis, common_type(&values, scope)?);
        axes.push(Axis {
            name: axis,
            span: key.span.clone(),
            values,
        });
    }
    Ok(axes)
}

fn labelled(label: &str, span: &Span, value: Expr) -> Result<AxisValue> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.+".contains(c);
    if label.is_empty() || !label.chars().all(fits) {
        return Err(
            ScenarioError::invalid(span, format!("`{label}` is no label"))
                .expected("letters, digits, `_`, `-`, `.`, `+`"),
        );
    }
    Ok(AxisValue {
        label: label.to_owned(),
        value,
    })
}

fn common_type(values: &[AxisValue], scope: &Scope) -> Result<Type> {
    let mut types = values.iter().map(|value| scope.type_of(&value.value));
    let first = types.next().unwrap_or(Ok(Type::Any))?;
    for ty in types {
        if ty? != first {
            return Ok(Type::Any);
        }
    }
    Ok(first)
}

/// `when` of a case is asked before the target is known.
fn check_when(when: &Expr) -> Result<()> {
    for path in when.variables() {
        if !path.starts_with("matrix.") && path != "role" && path != "direction" {
            return Err(ScenarioError::invalid(
                &when.span,
                format!("`when` of a case cannot see `${path}`"),
            )
            .expected("$matrix.NAME, $role or $direction")
            .help(
                "conditions on the torrent go into `needs`, on the target into `when` of a step",
            ));
        }
    }
    Ok(())
}

fn roles(node: Option<&Node>) -> Result<Vec<Role>> {
    let Some(node) = node else {
        return Ok(vec![Role::Seed, Role::Leech]);
    };
    one_or_more(node)?
        .iter()
        .map(|node| word(node, "role", &ROLES))
        .collect()
}

fn directions(node: Option<&Node>) -> Result<Vec<Direction>> {
    let Some(node) = node else {
        return Ok(vec![Direction::Dialled]);
    };
    one_or_more(node)?
        .iter()
        .map(|node| word(node, "direction", &DIRECTIONS))
        .collect()
}

fn tags(own: Option<&Node>, default: Option<&Node>) -> Result<Vec<String>> {
    let mut tags = Vec::new();
    for node in [default, own].into_iter().flatten() {
        for node in one_or_more(node)? {
            let tag = id(node, "tag")?;
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    Ok(tags)
}

fn needs(own: Option<&Node>, default: Option<&Node>) -> Result<Vec<Need>> {
    let mut needs: Vec<Need> = Vec::new();
    for node in [default, own].into_iter().flatten() {
        for (text, span) in words(node)? {
            if !needs.iter().any(|need| need.text == text) {
                needs.push(Need {
                    what: need(text, span)?,
                    text: text.to_owned(),
                    span: span.clone(),
                });
            }
        }
    }
    Ok(needs)
}

fn need(text: &str, span: &Span) -> Result<NeedKind> {
    match text {
        "fast" => return Ok(NeedKind::Fast),
        "extended" => return Ok(NeedKind::Extended),
        "dht" => return Ok(NeedKind::Dht),
        "tracker" => return Ok(NeedKind::Tracker),
        _ => {}
    }
    if let Some(extension) = NEEDS.iter().skip(4).find(|name| **name == text) {
        return Ok(NeedKind::Extension(extension));
    }
    if let Some((function, argument)) = text.strip_suffix(')').and_then(|it| it.split_once('(')) {
        match function {
            "addresses" => {
                return argument
                    .parse()
                    .ok()
                    .filter(|n: &u32| {
                        *n >= 1 && usize::try_from(*n).is_ok_and(|n| n <= limits::CONNECTIONS_ALONE)
                    })
                    .map(NeedKind::Addresses)
                    .ok_or_else(|| {
                        ScenarioError::invalid(
                            span,
                            format!("`{argument}` is no number of addresses"),
                        )
                    });
            }
            "driver" => return verb(argument, span).map(NeedKind::Driver),
            _ => {}
        }
    }
    if text.contains("torrent.") {
        let scope = Scope::default();
        let condition = expr::parse(text, span, &scope)?;
        super::super::types::want(&condition, &scope, Type::Bool)?;
        let stray = condition
            .variables()
            .into_iter()
            .find(|path| !path.starts_with("torrent."))
            .map(str::to_owned);
        return match stray {
            None => Ok(NeedKind::Content(condition)),
            Some(path) => Err(
                ScenarioError::invalid(span, format!("a need cannot see `${path}`"))
                    .expected("conditions on torrent.*"),
            ),
        };
    }
    let names: Vec<&str> = NEEDS
        .into_iter()
        .chain(["addresses(2)", "driver(slots)"])
        .collect();
    Err(unknown(text, span, "need", &names).expected(format!(
        "one of {}, or a condition such as torrent.pieces >= 12",
        names.join(", ")
    )))
}

fn timeouts(own: Option<&Node>, default: Option<&Node>) -> Result<Timeouts> {
    let mut timeouts = Timeouts::default();
    for node in [default, own].into_iter().flatten() {
        let map = Fields::of(node, "`timeouts`", &["answer", "close", "grant", "case"])?;
        let set = |key: &str, field: &mut Option<std::time::Duration>| -> Result<()> {
            if let Some(node) = map.get(key) {
                *field = Some(fixed_duration(node)?);
            }
            Ok(())
        };
        set("answer", &mut timeouts.answer)?;
        set("close", &mut timeouts.close)?;
        set("grant", &mut timeouts.grant)?;
        set("case", &mut timeouts.case)?;
    }
    Ok(timeouts)
}

fn proof(node: Option<&Node>) -> Result<Proof> {
    let Some(node) = node else {
        return Ok(Proof::Asked);
    };
    let map = Fields::of(node, "`proof`", &["none"])?;
    Ok(Proof::None {
        because: text(map.require("none")?)?.to_owned(),
    })
}

fn rules(node: Option<&Node>) -> Result<Vec<RuleOff>> {
    let Some(node) = node else {
        return Ok(Vec::new());
    };
    let map = Fields::of(node, "`rules`", &["off", "because"])?;
    let because = text(map.require("because")?)?;
    words(map.require("off")?)?
        .into_iter()
        .map(|(rule, span)| {
            if !RULES.iter().any(|known| known.id == rule) {
                let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
                return Err(unknown(rule, span, "rule", &ids).expected("the id of a rule"));
            }
            Ok(RuleOff {
                rule: rule.to_owned(),
                because: because.to_owned(),
                span: span.clone(),
            })
        })
        .collect()
}

fn variants(node: Option<&Node>) -> Result<BTreeMap<Variant, String>> {
    let mut skipped = BTreeMap::new();
    let Some(node) = node else {
        return Ok(skipped);
    };
    let map = Fields::of(node, "`variants`", &["skip"])?;
    for (key, because) in entries(map.require("skip")?, "`skip`")? {
        let names = VARIANTS.map(|(name, _)| name);
        let Some((_, variant)) = VARIANTS.iter().find(|(name, _)| *name == key.text) else {
            return Err(unknown(&key.text, &key.span, "variant", &names)
                .expected(format!("one of {}", names.join(", "))));
        };
        skipped.insert(*variant, text(because)?.to_owned());
    }
    Ok(skipped)
}

/// Checks that ids are unique in a suite, aliases too.
pub(super) fn check_ids(cases: &[std::sync::Arc<Case>], errors: &mut Vec<ScenarioError>) {
    let mut seen: BTreeMap<&str, &Span> = BTreeMap::new();
    for case in cases {
        for name in std::iter::once(&case.id).chain(&case.aliases) {
            match seen.get(name.as_str()) {
                Some(first) => errors.push(
                    ScenarioError::invalid(&case.span, format!("a second case `{name}`"))
                        .help(format!("the first is at {first}")),
                ),
                None => {
                    seen.insert(name, &case.span);
                }
            }
        }
    }
}

/// The entries of `cases`.
pub(super) fn case_nodes(node: &Node) -> Result<&[Node]> {
    list(node, "`cases`")
}
