//! The actions of steps.

use super::super::ast::{
    Action, CheckOp, CloseKind, Comparison, Condition, Connect, ConnectMode, Corrupt,
    HandshakeMode, Listening, Measure, OwnClose, Repeat, Serve, Serves, State, Verb,
};
use super::super::error::ScenarioError;
use super::super::eval::Expr;
use super::super::limits;
use super::super::resolve::DEFAULT_RESERVED;
use super::super::span::Span;
use super::super::types::Type;
use super::super::val::Val;
use super::super::yaml::{Node, Value};
use super::bytes::{Around, bytes, plain};
use super::fields::{Fields, boolean, entries, list, name, text, unknown, word, wrong};
use super::message::{message_list, messages, raw, reserved};
use super::pattern::{Keeps, pattern, pattern_list, patterns};
use super::scope::Scope;
use super::step::{Place, Reader, condition, delay_of, stated};

type Result<T> = std::result::Result<T, ScenarioError>;

/// Reads the value of an action's key. `map` is the whole step.
pub(super) fn action(
    reader: &mut Reader<'_>,
    action: &str,
    span: &Span,
    node: &Node,
    map: &Fields<'_>,
    scope: &mut Scope,
    place: &Place,
) -> Result<Action> {
    let blocks = reader.blocks;
    let folder = blocks.folder.as_deref();
    match action {
        "connect" => {
            let connect = connect(reader, node, map, scope, place)?;
            Ok(Action::Connect(Box::new(connect)))
        }
        "send" => messages(node, scope, folder).map(Action::Send),
        "send_raw" => raw(node, scope, folder).map(Action::SendRaw),
        "expect" => pattern(node, scope, folder, Keeps::Yes).map(Action::Expect),
        "next" => pattern(node, scope, folder, Keeps::Yes).map(Action::Next),
        "until" => state(node, scope).map(Action::Until),
        "all_of" => pattern_list(node, scope, folder).map(Action::AllOf),
        "any_of" => any_of(reader, node, map, scope, place),
        "silence" => {
            let map = Fields::of(node, "`silence`", &["for", "of"])?;
            Ok(Action::Silence {
                span: delay_of(map.require("for")?, scope)?,
                of: listening(map.require("of")?, scope, reader)?,
            })
        }
        "never" => {
            let map = Fields::of(node, "`never`", &["of", "until"])?;
            Ok(Action::Never {
                of: listening(map.require("of")?, scope, reader)?,
                until: label(reader, map.get("until"), place)?,
            })
        }
        "closed" => word(
            node,
            "kind of close",
            &[
                ("any", CloseKind::Any),
                ("fin", CloseKind::Fin),
                ("rst", CloseKind::Rst),
            ],
        )
        .map(Action::Closed),
        "survives" => {
            let map = Fields::of(node, "`survives`", &["stay", "close"])?;
            Ok(Action::Survives {
                stay: stated(map.require("stay")?)?,
                close: stated(map.require("close")?)?,
            })
        }
        "alive" => {
            if node.value != Value::Null {
                Fields::of(node, "`alive`", &[])?;
            }
            Ok(Action::Alive)
        }
        "check" => check(node, scope).map(Action::Check),
        "measure" => measure(reader, node, map, scope, place),
        "background" => {
            let map = Fields::of(node, "`background`", &["send", "every", "until"])?;
            Ok(Action::Background {
                send: messages(map.require("send")?, scope, folder)?,
                every: delay_of(map.require("every")?, scope)?,
                until: label(reader, map.get("until"), place)?,
            })
        }
        "repeat" => repeat(reader, node, scope, place),
        "use" => reader.use_block(node, map, scope, place),
        "target" => target(node, scope),
        "wait" => {
            let map = Fields::of(node, "`wait`", &["for", "because"])?;
            Ok(Action::Wait {
                span: delay_of(map.require("for")?, scope)?,
                because: text(map.require("because")?)?.to_owned(),
            })
        }
        "idle" => idle(node, scope),
        "close" => word(
            node,
            "kind of close",
            &[("fin", OwnClose::Fin), ("rst", OwnClose::Rst)],
        )
        .map(Action::Close),
        "serve" => serve(node, scope).map(Action::Serve),
        "reading" => boolean(node).map(Action::Reading),
        "memory" => {
            let variable = name(text(node)?, &node.span)?;
            let slot = scope.add_slot(&variable, &node.span, Type::Int)?;
            Ok(Action::Memory(slot))
        }
        other => Err(ScenarioError::invalid(
            span,
            format!("unknown action `{other}`"),
        )),
    }
}

/// Keys of `connect`.
pub(in super::super) const CONNECT: [&str; 14] = [
    "peer",
    "from",
    "reserved",
    "info_hash",
    "peer_id",
    "handshake",
    "hello",
    "serves",
    "rejects",
    "unchoke",
    "mode",
    "told",
    "contact",
    "source",
];

/// Words of `handshake`.
pub(in super::super) const HANDSHAKES: [(&str, HandshakeMode); 3] = [
    ("full", HandshakeMode::Full),
    ("none", HandshakeMode::None),
    ("raw", HandshakeMode::Raw),
];

/// Words of `mode`.
pub(in super::super) const MODES: [(&str, ConnectMode); 3] = [
    ("dial", ConnectMode::Dial),
    ("accept", ConnectMode::Accept),
    ("listen", ConnectMode::Listen),
];

fn connect(
    reader: &mut Reader<'_>,
    node: &Node,
    step: &Fields<'_>,
    scope: &mut Scope,
    place: &Place,
) -> Result<Connect> {
    let map = Fields::of(node, "`connect`", &CONNECT)?;
    let folder = reader.blocks.folder.as_deref();
    let peer = match map.get("peer") {
        Some(node) => {
            if step.get("peer").is_some() {
                let message = "`peer` stands inside of `connect` and beside it";
                return Err(ScenarioError::invalid(&node.span, message));
            }
            text(node)?.to_owned()
        }
        None => place.peer.clone(),
    };
    let around = Around {
        plain_text: true,
        ..plain(scope, folder)
    };
    let part = |key: &str| map.get(key).map(|node| bytes(node, &around)).transpose();
    let connect = Connect {
        from: map.get("from").map(text).transpose()?.map(str::to_owned),
        reserved: match map.get("reserved") {
            Some(node) => reserved(node, scope)?,
            None => {
                let names = DEFAULT_RESERVED.iter().map(|it| Val::text(it.name()));
                Expr::constant(map.span(), Val::List(names.collect()))
            }
        },
        info_hash: part("info_hash")?,
        peer_id: part("peer_id")?,
        handshake: match map.get("handshake") {
            Some(node) => word(node, "handshake", &HANDSHAKES)?,
            None => HandshakeMode::Full,
        },
        hello: map
            .get("hello")
            .map(|node| message_list(node, scope, folder))
            .transpose()?,
        serves: serves(map.get("serves"), scope)?,
        rejects: map.get("rejects").map_or(Ok(false), boolean)?,
        unchoke: map.get("unchoke").map_or(Ok(false), boolean)?,
        mode: match map.get("mode") {
            Some(node) => word(node, "mode", &MODES)?,
            None => ConnectMode::Direction,
        },
        told: part("told")?,
        contact: None,
        source: None,
        peer,
    };
    if connect.handshake != HandshakeMode::Full
        && let Some(key) = ["hello", "serves", "rejects", "unchoke"]
            .into_iter()
            .find(|key| map.get(key).is_some())
    {
        return Err(ScenarioError::invalid(
            map.key_span(key),
            format!("`{key}` needs the handshake that `handshake` leaves out"),
        )
        .expected("handshake: full"));
    }
    for key in ["told", "contact"] {
        let fits = match key {
            "told" => matches!(connect.mode, ConnectMode::Accept | ConnectMode::Direction),
            _ => connect.mode == ConnectMode::Listen,
        };
        if !fits && map.get(key).is_some() {
            let message = format!("`{key}` does not go with this `mode`");
            return Err(ScenarioError::invalid(map.key_span(key), message));
        }
    }
    let mut kept = |key: &str| {
        let Some(node) = map.get(key) else {
            return Ok(None);
        };
        let variable = name(text(node)?, &node.span)?;
        scope.add_slot(&variable, &node.span, Type::Bytes).map(Some)
    };
    let connect = Connect {
        contact: kept("contact")?,
        source: kept("source")?,
        ..connect
    };
    if let Some(open) = &mut reader.connections {
        open.insert(connect.peer.clone());
        if open.len() > limits::CONNECTIONS {
            let message = format!("more than {} connections", limits::CONNECTIONS);
            return Err(ScenarioError::invalid(map.span(), message));
        }
    }
    Ok(connect)
}

fn serves(node: Option<&Node>, scope: &Scope) -> Result<Serves> {
    let Some(node) = node else {
        return Ok(Serves::None);
    };
    match &node.value {
        Value::Text(word) if word == "none" => Ok(Serves::None),
        Value::Text(word) if word == "all" => Ok(Serves::All),
        Value::Text(word) if word == "fresh" => Ok(Serves::Fresh),
        Value::Text(word) if !word.starts_with('$') => {
            Err(unknown(word, &node.span, "word", &["fresh", "none", "all"])
                .expected("fresh, none, all or a list of pieces"))
        }
        _ => scope.value(node).map(Serves::Pieces),
    }
}

/// Keys of `serve`.
pub(in super::super) const SERVE: [&str; 3] = ["pieces", "corrupt", "every"];

/// Words of `corrupt`.
pub(in super::super) const CORRUPT: [(&str, Corrupt); 4] = [
    ("none", Corrupt::None),
    ("first", Corrupt::First),
    ("last", Corrupt::Last),
    ("all", Corrupt::All),
];

fn serve(node: &Node, scope: &Scope) -> Result<Serve> {
    let map = Fields::of(node, "`serve`", &SERVE)?;
    Ok(Serve {
        pieces: serves(Some(map.require("pieces")?), scope)?,
        corrupt: match map.get("corrupt") {
            Some(node) => word(node, "blocks", &CORRUPT)?,
            None => Corrupt::None,
        },
        every: map
            .get("every")
            .map(|node| delay_of(node, scope))
            .transpose()?,
    })
}

/// Keys of `until`.
pub(in super::super) const STATES: [&str; 5] =
    ["unchoked", "interested", "has", "fast", "extended"];

fn state(node: &Node, scope: &Scope) -> Result<State> {
    let map = Fields::of(node, "`until`", &STATES)?;
    let mut all = Vec::new();
    for (key, build) in [
        ("unchoked", Condition::Unchoked as fn(Expr) -> Condition),
        ("interested", Condition::Interested),
        ("fast", Condition::Fast),
        ("extended", Condition::Extended),
    ] {
        all.extend(condition(&map, key, scope)?.map(build));
    }
    if let Some(node) = map.get("has") {
        all.push(match &node.value {
            Value::Text(word) if word == "all" => Condition::HasAll,
            Value::Text(word) if word == "none" => Condition::HasNone,
            Value::Text(word) if !word.starts_with('$') => {
                return Err(unknown(word, &node.span, "word", &["all", "none"])
                    .expected("all, none, a piece or a list of pieces"));
            }
            _ => Condition::Has(scope.value(node)?),
        });
    }
    if all.is_empty() {
        return Err(ScenarioError::invalid(&node.span, "no state to wait for")
            .expected(format!("one of {}", STATES.join(", "))));
    }
    Ok(State {
        span: node.span.clone(),
        all,
    })
}

fn any_of(
    reader: &mut Reader<'_>,
    node: &Node,
    map: &Fields<'_>,
    scope: &mut Scope,
    place: &Place,
) -> Result<Action> {
    let mut branches = Vec::new();
    for node in list(node, "`any_of`")? {
        // What a branch keeps is for its `then` alone.
        let mut inner = scope.clone();
        branches.push(reader.branch(node, &mut inner, &mut place.clone())?);
        scope.keep_lists(&inner);
    }
    if branches.len() < 2 {
        return Err(
            ScenarioError::invalid(&node.span, "`any_of` with less than two branches")
                .help("a single one is an `expect`, `until`, `closed` or `silence` of its own"),
        );
    }
    let otherwise = match map.get("otherwise") {
        Some(node) => {
            let mut inner = scope.clone();
            let steps = reader.steps(node, &mut inner, &mut place.clone())?;
            scope.keep_lists(&inner);
            Some(steps)
        }
        None => None,
    };
    Ok(Action::AnyOf {
        branches,
        otherwise,
    })
}

fn listening(node: &Node, scope: &mut Scope, reader: &Reader<'_>) -> Result<Listening> {
    if let Value::Text(word) = &node.value
        && word == "all"
    {
        return Ok(Listening::All);
    }
    let folder = reader.blocks.folder.as_deref();
    patterns(node, scope, folder, Keeps::No).map(Listening::Of)
}

fn label(reader: &mut Reader<'_>, node: Option<&Node>, place: &Place) -> Result<Option<String>> {
    node.map(|node| reader.await_label(node, place)).transpose()
}

/// Keys of `check`.
pub(in super::super) const CHECKS: [(&str, CheckOp); 10] = [
    ("eq", CheckOp::Eq),
    ("ne", CheckOp::Ne),
    ("lt", CheckOp::Lt),
    ("le", CheckOp::Le),
    ("gt", CheckOp::Gt),
    ("ge", CheckOp::Ge),
    ("in", CheckOp::In),
    ("sha1", CheckOp::Sha1),
    ("len", CheckOp::Len),
    ("that", CheckOp::That),
];

fn check(node: &Node, scope: &Scope) -> Result<Vec<Comparison>> {
    let mut all = Vec::new();
    for (key, node) in entries(node, "`check`")? {
        let names = CHECKS.map(|(name, _)| name);
        let Some((_, op)) = CHECKS.iter().find(|(name, _)| *name == key.text) else {
            return Err(unknown(&key.text, &key.span, "comparison", &names)
                .expected(format!("one of {}", names.join(", "))));
        };
        let (actual, wanted) = if *op == CheckOp::That {
            let yes = Expr::constant(&node.span, Val::Bool(true));
            (scope.typed(node, Type::Bool)?, yes)
        } else {
            let Value::List(pair) = &node.value else {
                return Err(wrong(node, "a list of two", &node.value)
                    .expected("[what we have, what it should be]"));
            };
            let [actual, wanted] = pair.as_slice() else {
                return Err(
                    ScenarioError::invalid(&node.span, format!("{} values", pair.len()))
                        .expected("[what we have, what it should be]"),
                );
            };
            compared(*op, actual, wanted, scope)?
        };
        all.push(Comparison {
            span: key.span.clone(),
            op: *op,
            actual,
            wanted,
        });
    }
    if all.is_empty() {
        return Err(ScenarioError::invalid(&node.span, "nothing to compare"));
    }
    Ok(all)
}

fn compared(op: CheckOp, actual: &Node, wanted: &Node, scope: &Scope) -> Result<(Expr, Expr)> {
    match op {
        CheckOp::Lt | CheckOp::Le | CheckOp::Gt | CheckOp::Ge => Ok((
            scope.typed(actual, Type::Int)?,
            scope.typed(wanted, Type::Int)?,
        )),
        CheckOp::In => Ok((scope.value(actual)?, scope.typed(wanted, Type::List)?)),
        CheckOp::Sha1 => Ok((
            scope.typed(actual, Type::Bytes)?,
            scope.typed(wanted, Type::Bytes)?,
        )),
        CheckOp::Len => Ok((scope.value(actual)?, scope.typed(wanted, Type::Int)?)),
        CheckOp::Eq | CheckOp::Ne | CheckOp::That => {
            Ok((scope.value(actual)?, scope.value(wanted)?))
        }
    }
}

fn measure(
    reader: &mut Reader<'_>,
    node: &Node,
    step: &Fields<'_>,
    scope: &mut Scope,
    place: &Place,
) -> Result<Action> {
    let map = Fields::of(node, "`measure`", &["until", "max", "as", "idle"])?;
    let mut inner = scope.clone();
    let until = reader.branch(map.require("until")?, &mut inner, &mut place.clone())?;
    let max = delay_of(map.require("max")?, scope)?;
    let as_node = map.require("as")?;
    let variable = name(text(as_node)?, &as_node.span)?;
    let slot = scope.add_slot(&variable, &as_node.span, Type::Int)?;
    let fail_if = condition(step, "fail_if", scope)?;
    if fail_if.is_some() && step.get("cites").is_none() {
        return Err(
            ScenarioError::invalid(step.key_span("fail_if"), "`fail_if` without `cites`")
                .help("a measurement judges only what the step cites"),
        );
    }
    Ok(Action::Measure(Box::new(Measure {
        until,
        max,
        name: slot,
        idle: map.get("idle").map_or(Ok(false), boolean)?,
        fail_if,
    })))
}

fn repeat(
    reader: &mut Reader<'_>,
    node: &Node,
    scope: &mut Scope,
    place: &Place,
) -> Result<Action> {
    let map = Fields::of(node, "`repeat`", &["each", "times", "unordered", "do"])?;
    let mut inner = scope.clone();
    let mut each = Vec::new();
    if let Some(node) = map.get("each") {
        for (key, node) in entries(node, "`each`")? {
            let variable = name(&key.text, &key.span)?;
            let values = scope.typed(node, Type::List)?;
            each.push((inner.add_slot(&variable, &key.span, Type::Any)?, values));
        }
    }
    let times = map
        .get("times")
        .map(|node| scope.typed(node, Type::Int))
        .transpose()?;
    if each.is_empty() && times.is_none() {
        return Err(
            ScenarioError::invalid(map.span(), "`repeat` without a number")
                .expected("`each: {name: list}` or `times: number`"),
        );
    }
    let unordered = map.get("unordered").map_or(Ok(false), boolean)?;
    let body = reader.steps(map.require("do")?, &mut inner, &mut place.clone())?;
    let together = |step: &super::super::ast::Step| {
        let alone = step.verdict.is_some() || step.note.is_some() || step.not_before.is_some();
        let judged = !step.cites.is_empty() || !step.then.is_empty();
        matches!(step.action, Action::Expect(_)) && !alone && !judged
    };
    if unordered && let Some(step) = body.iter().find(|step| !together(step)) {
        let what = "an unordered `repeat` holds nothing but `expect`";
        return Err(ScenarioError::invalid(&step.span, what)
            .expected("`expect`, with `within`, `when` and `peer`: the rest beside `repeat`"));
    }
    scope.keep_lists(&inner);
    Ok(Action::Repeat(Box::new(Repeat {
        each,
        times,
        unordered,
        body,
    })))
}

/// Verbs of drivers by name.
pub(in super::super) const VERBS: [(&str, Verb); 13] = [
    ("add-peer", Verb::AddPeer),
    ("slots", Verb::Slots),
    ("pause", Verb::Pause),
    ("resume", Verb::Resume),
    ("recheck", Verb::Recheck),
    ("restart", Verb::Restart),
    ("complete", Verb::Complete),
    ("discard", Verb::Discard),
    ("content-dir", Verb::ContentDir),
    ("select", Verb::Select),
    ("super-seed", Verb::SuperSeed),
    ("connections", Verb::Connections),
    ("switch-tracker", Verb::SwitchTracker),
];

/// The verb of this name.
pub(super) fn verb(word: &str, span: &Span) -> Result<Verb> {
    let names = VERBS.map(|(name, _)| name);
    VERBS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, verb)| *verb)
        .ok_or_else(|| {
            unknown(word, span, "verb", &names).expected(format!("one of {}", names.join(", ")))
        })
}

fn target(node: &Node, scope: &Scope) -> Result<Action> {
    let mut words = text(node)?.split_whitespace();
    let verb = verb(words.next().unwrap_or(""), &node.span)?;
    let args = words
        .map(|word| match scope.compile(word, &node.span)? {
            Some(expr) => Ok(expr),
            None => Ok(Expr::constant(
                &node.span,
                match word.parse::<u64>() {
                    Ok(number) => Val::from(number),
                    Err(_) => Val::text(word),
                },
            )),
        })
        .collect::<Result<_>>()?;
    Ok(Action::Target { verb, args })
}

fn idle(node: &Node, scope: &Scope) -> Result<Action> {
    let map = Fields::of(node, "`idle`", &["for", "until_closed", "because"])?;
    let (span, until_closed) = match (map.get("for"), map.get("until_closed")) {
        (Some(node), None) => (node, false),
        (None, Some(node)) => (node, true),
        _ => {
            return Err(
                ScenarioError::invalid(map.span(), "`idle` without a length of time")
                    .expected("one of `for: 10s`, `until_closed: 10s`"),
            );
        }
    };
    Ok(Action::Idle {
        span: delay_of(span, scope)?,
        until_closed,
        because: text(map.require("because")?)?.to_owned(),
    })
}
