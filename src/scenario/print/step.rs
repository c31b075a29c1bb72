//! Steps and blocks as text.

use super::super::ast::{
    Action, CheckOp, CloseKind, Condition, Connect, ConnectMode, Corrupt, Delay, HandshakeMode,
    Listening, OwnClose, Repeat, Serves, Sizes, Stated, Step, Use,
};
use super::super::parse::{CHECKS, CORRUPT, HANDSHAKES, MODES, STATED, VERBS};
use super::super::play::name_in;
use super::bytes::{bytes, message, messages, pattern, patterns, raw};
use super::emit::Yaml;
use super::expr::{scalar, word};
use super::names::{Names, prefix_of};
use super::{Entries, duration};

/// Prints the steps of a case or a block.
pub(super) struct Printer<'a> {
    blocks: &'a mut Vec<(String, Yaml)>,
    names: Names,
    /// The connection of the step before.
    peer: String,
}

impl<'a> Printer<'a> {
    /// For a case; blocks are added to `blocks`.
    pub(super) fn new(blocks: &'a mut Vec<(String, Yaml)>, names: Names) -> Self {
        Self {
            blocks,
            names,
            peer: "main".to_owned(),
        }
    }

    /// A list of steps.
    pub(super) fn steps(&mut self, steps: &[Step]) -> Yaml {
        Yaml::Steps(steps.iter().map(|step| self.step(step, false)).collect())
    }

    /// A list of steps that leaves the connection of its user as it is.
    fn nested(&mut self, steps: &[Step]) -> Yaml {
        let peer = self.peer.clone();
        let printed = self.steps(steps);
        self.peer = peer;
        printed
    }

    fn branches(&mut self, branches: &[Step]) -> Yaml {
        Yaml::Steps(branches.iter().map(|step| self.step(step, true)).collect())
    }

    fn step(&mut self, step: &Step, branch: bool) -> Yaml {
        let mut map = Entries::default();
        let never = matches!(step.action, Action::Never { .. });
        let mut named = None;
        if let Some(peer) = &step.peer
            && !branch
        {
            let connect = matches!(step.action, Action::Connect(_));
            if !connect && (never || *peer != self.peer) {
                named = Some(peer.clone());
            }
            self.peer.clone_from(peer);
        }
        self.action(step, &mut map);
        if let Some(peer) = named {
            map.add("peer", Yaml::text(&peer));
        }
        if let Some(within) = &step.within {
            map.add("within", self.delay(within));
        }
        if let Some(early) = &step.not_before {
            map.add("not_before", self.delay(early));
        }
        if let Some(when) = &step.when {
            map.add("when", scalar(when, &self.names));
        }
        if let Some(verdict) = &step.verdict {
            map.add("verdict", stated(*verdict));
        }
        if let Some(note) = &step.note {
            map.add("note", Yaml::text(note));
        }
        map.list("cites", step.cites.iter().map(|cite| cite.id.as_str()));
        if let Some(label) = &step.label {
            map.add("label", Yaml::text(self.names.local(label)));
        }
        if let Some(fragment) = &step.fragment {
            let sizes = match &fragment.sizes {
                Sizes::Every(size) => scalar(size, &self.names),
                Sizes::Then(sizes) => {
                    Yaml::List(sizes.iter().map(|size| scalar(size, &self.names)).collect())
                }
            };
            let mut inner = Entries::default();
            inner.add("sizes", sizes);
            if let Some(gap) = &fragment.gap {
                inner.add("gap", self.delay(gap));
            }
            map.add("fragment", Yaml::Map(inner.0));
        }
        if !step.then.is_empty() {
            let then = self.nested(&step.then);
            map.add("then", then);
        }
        Yaml::Map(map.0)
    }

    fn action(&mut self, step: &Step, map: &mut Entries) {
        let names = &self.names;
        match &step.action {
            Action::Connect(connect) => map.add("connect", self.connect(connect)),
            Action::Send(templates) => map.add("send", messages(templates, names)),
            Action::SendRaw(template) => map.add("send_raw", raw(template, names)),
            Action::Expect(it) => map.add("expect", pattern(it, names)),
            Action::Next(it) => map.add("next", pattern(it, names)),
            Action::Until(state) => {
                let conditions = state.all.iter().map(|it| condition(it, names));
                map.add("until", Yaml::Map(conditions.collect()));
            }
            Action::AllOf(all) => {
                let all = all.iter().map(|it| pattern(it, names)).collect();
                map.add("all_of", Yaml::List(all));
            }
            Action::AnyOf {
                branches,
                otherwise,
            } => {
                map.add("any_of", self.branches(branches));
                if let Some(steps) = otherwise {
                    map.add("otherwise", self.nested(steps));
                }
            }
            Action::Silence { span, of } => {
                let entries = [("for", self.delay(span)), ("of", listening(of, names))];
                map.add("silence", Yaml::map(entries));
            }
            Action::Never { of, until } => {
                let mut inner = Entries::default();
                inner.add("of", listening(of, names));
                self.until(until.as_deref(), &mut inner);
                map.add("never", Yaml::Map(inner.0));
            }
            Action::Closed(kind) => map.add(
                "closed",
                Yaml::raw(match kind {
                    CloseKind::Fin => "fin",
                    CloseKind::Rst => "rst",
                    CloseKind::Any => "any",
                }),
            ),
            Action::Survives { stay, close } => {
                let entries = [("stay", stated(*stay)), ("close", stated(*close))];
                map.add("survives", Yaml::map(entries));
            }
            Action::Alive => map.add("alive", Yaml::Map(Vec::new())),
            Action::Check(comparisons) => {
                let mut inner = Entries::default();
                for it in comparisons {
                    let actual = scalar(&it.actual, names);
                    let value = match it.op {
                        CheckOp::That => actual,
                        _ => Yaml::List(vec![actual, scalar(&it.wanted, names)]),
                    };
                    inner.add(name_in(&CHECKS, &it.op), value);
                }
                map.add("check", Yaml::Map(inner.0));
            }
            Action::Measure(measure) => {
                let until = self.step(&measure.until, true);
                let mut inner = Entries::default();
                inner.add("until", until);
                inner.add("max", self.delay(&measure.max));
                inner.add("as", Yaml::text(self.names.local(&measure.name)));
                if measure.idle {
                    inner.add("idle", Yaml::raw("true"));
                }
                map.add("measure", Yaml::Map(inner.0));
                if let Some(fail_if) = &measure.fail_if {
                    map.add("fail_if", scalar(fail_if, &self.names));
                }
            }
            Action::Background { send, every, until } => {
                let mut inner = Entries::default();
                inner.add("send", messages(send, names));
                inner.add("every", self.delay(every));
                self.until(until.as_deref(), &mut inner);
                map.add("background", Yaml::Map(inner.0));
            }
            Action::Repeat(it) => {
                let value = self.repeat(it);
                map.add("repeat", value);
            }
            Action::Use(it) => self.use_block(it, map),
            Action::Target { verb, args } => {
                let mut text = name_in(&VERBS, verb).to_owned();
                for arg in args {
                    text.push(' ');
                    text.push_str(&word(arg, names));
                }
                map.add("target", Yaml::text(&text));
            }
            Action::Wait { span, because } => {
                let entries = [("for", self.delay(span)), ("because", Yaml::text(because))];
                map.add("wait", Yaml::map(entries));
            }
            Action::Idle {
                span,
                until_closed,
                because,
            } => {
                let key = if *until_closed { "until_closed" } else { "for" };
                let entries = [(key, self.delay(span)), ("because", Yaml::text(because))];
                map.add("idle", Yaml::map(entries));
            }
            Action::Close(how) => map.add(
                "close",
                Yaml::raw(match how {
                    OwnClose::Fin => "fin",
                    OwnClose::Rst => "rst",
                }),
            ),
            Action::Serve(serve) => {
                let mut inner = Entries::default();
                inner.add("pieces", serves(&serve.pieces, names));
                if serve.corrupt != Corrupt::None {
                    inner.add("corrupt", Yaml::raw(name_in(&CORRUPT, &serve.corrupt)));
                }
                if let Some(every) = &serve.every {
                    inner.add("every", self.delay(every));
                }
                map.add("serve", Yaml::Map(inner.0));
            }
            Action::Reading(on) => {
                map.add("reading", Yaml::raw(if *on { "true" } else { "false" }))
            }
            Action::Memory(slot) => map.add("memory", Yaml::text(names.local(slot))),
        }
    }

    fn until(&self, label: Option<&str>, map: &mut Entries) {
        if let Some(label) = label {
            map.add("until", Yaml::text(self.names.local(label)));
        }
    }

    fn delay(&self, delay: &Delay) -> Yaml {
        match delay {
            Delay::Fixed(fixed) => duration(*fixed),
            Delay::Expr(expr) => scalar(expr, &self.names),
        }
    }

    fn connect(&self, connect: &Connect) -> Yaml {
        let names = &self.names;
        let mut map = Entries::default();
        map.add("peer", Yaml::text(&connect.peer));
        if let Some(from) = &connect.from {
            map.add("from", Yaml::text(from));
        }
        map.add("reserved", scalar(&connect.reserved, names));
        if let Some(info_hash) = &connect.info_hash {
            map.add("info_hash", bytes(info_hash, names));
        }
        if let Some(peer_id) = &connect.peer_id {
            map.add("peer_id", bytes(peer_id, names));
        }
        if connect.handshake != HandshakeMode::Full {
            let word = name_in(&HANDSHAKES, &connect.handshake);
            map.add("handshake", Yaml::raw(word));
        }
        if let Some(hello) = &connect.hello {
            let hello = hello.iter().map(|it| message(it, names)).collect();
            map.add("hello", Yaml::List(hello));
        }
        if !matches!(connect.serves, Serves::None) {
            map.add("serves", serves(&connect.serves, names));
        }
        if connect.rejects {
            map.add("rejects", Yaml::raw("true"));
        }
        if connect.unchoke {
            map.add("unchoke", Yaml::raw("true"));
        }
        if connect.mode != ConnectMode::Direction {
            map.add("mode", Yaml::raw(name_in(&MODES, &connect.mode)));
        }
        if let Some(told) = &connect.told {
            map.add("told", bytes(told, names));
        }
        if let Some(contact) = &connect.contact {
            map.add("contact", Yaml::text(self.names.local(contact)));
        }
        if let Some(source) = &connect.source {
            map.add("source", Yaml::text(self.names.local(source)));
        }
        Yaml::Map(map.0)
    }

    fn repeat(&mut self, repeat: &Repeat) -> Yaml {
        let mut map = Entries::default();
        if !repeat.each.is_empty() {
            let each = repeat.each.iter().map(|(slot, list)| {
                let name = self.names.local(slot).to_owned();
                (name, scalar(list, &self.names))
            });
            map.add("each", Yaml::Map(each.collect()));
        }
        if let Some(times) = &repeat.times {
            map.add("times", scalar(times, &self.names));
        }
        if repeat.unordered {
            map.add("unordered", Yaml::raw("true"));
        }
        let body = self.nested(&repeat.body);
        map.add("do", body);
        Yaml::Map(map.0)
    }

    /// Each use becomes a block of its own: what differed between uses stands in its steps.
    fn use_block(&mut self, block: &Use, map: &mut Entries) {
        let slots: Vec<String> = block
            .bindings
            .iter()
            .map(|(slot, _)| slot.clone())
            .collect();
        let prefix = prefix_of(&block.block, &slots, &block.body);
        let inner = Names::of_block(prefix, &slots, &block.body);
        let params: Vec<(String, Yaml)> = slots
            .iter()
            .map(|slot| (inner.local(slot).to_owned(), Yaml::raw("null")))
            .collect();
        let returns: Vec<(String, String)> = inner
            .returns()
            .map(|(local, slot)| (local.to_owned(), self.names.local(slot).to_owned()))
            .collect();
        let mut printer = Printer {
            blocks: &mut *self.blocks,
            names: inner,
            peer: self.peer.clone(),
        };
        let body = printer.steps(&block.body);
        let mut definition = Entries::default();
        if !params.is_empty() {
            definition.add("params", Yaml::Map(params.clone()));
        }
        definition.list("returns", returns.iter().map(|(local, _)| local.as_str()));
        definition.add("do", body);
        let base = block
            .block
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .trim_end_matches("--");
        let name = format!("{base}--{}", self.blocks.len().saturating_add(1));
        self.blocks.push((name.clone(), Yaml::Map(definition.0)));
        map.add("use", Yaml::text(&name));
        if !params.is_empty() {
            let values = block.bindings.iter().zip(&params);
            let with =
                values.map(|((_, value), (name, _))| (name.clone(), scalar(value, &self.names)));
            map.add("with", Yaml::Map(with.collect()));
        }
        if returns.iter().any(|(local, user)| local != user) {
            let returns = returns
                .iter()
                .map(|(local, user)| (local.clone(), Yaml::text(user)));
            map.add("returns", Yaml::Map(returns.collect()));
        }
    }
}

fn stated(verdict: Stated) -> Yaml {
    Yaml::raw(name_in(&STATED, &verdict))
}

fn condition(condition: &Condition, names: &Names) -> (String, Yaml) {
    let (key, value) = match condition {
        Condition::Unchoked(expr) => ("unchoked", scalar(expr, names)),
        Condition::Interested(expr) => ("interested", scalar(expr, names)),
        Condition::HasAll => ("has", Yaml::raw("all")),
        Condition::HasNone => ("has", Yaml::raw("none")),
        Condition::Has(expr) => ("has", scalar(expr, names)),
        Condition::Fast(expr) => ("fast", scalar(expr, names)),
        Condition::Extended(expr) => ("extended", scalar(expr, names)),
    };
    (key.to_owned(), value)
}

fn serves(serves: &Serves, names: &Names) -> Yaml {
    match serves {
        Serves::None => Yaml::raw("none"),
        Serves::Fresh => Yaml::raw("fresh"),
        Serves::All => Yaml::raw("all"),
        Serves::Pieces(expr) => scalar(expr, names),
    }
}

fn listening(of: &Listening, names: &Names) -> Yaml {
    match of {
        Listening::All => Yaml::raw("all"),
        Listening::Of(all) => patterns(all, names),
    }
}
