//! A find as a scenario file that `btspec run` plays, and that people can read.

use std::fmt::Write as _;

use super::campaign::{Find, Left};
use super::case::{AnswerWith, Await, Case, End, Framing, Greeting, Move, Send, Spoilt, What};
use super::ground::{Ground, Role};
use super::oracle::{Oracle, Suspicion};
use crate::scenario::limits;
use crate::wire::handshake::PROTOCOL;
use crate::wire::{ExtensionMessage, FieldValue, Frame, escape, hex};

/// Beside the find itself: what a reader wants to know.
#[derive(Debug, Clone)]
pub struct About<'a> {
    /// The target, as the user named it.
    pub target: &'a str,
    /// What the campaign was made from.
    pub seed: u64,
}

/// Name of a find's file, without folder. Buckets too long for a name end in a number of theirs, so
/// that no find takes the place of another.
pub fn file_name(find: &Find) -> String {
    let bucket = &find.suspicion.bucket;
    let slug = slug(bucket);
    if bucket.len() <= SLUG_LEN {
        return format!("{slug}.yaml");
    }
    let number = bucket.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{slug}-{number:08x}.yaml")
}

/// The scenario file.
pub fn scenario(find: &Find, ground: &Ground, about: &About<'_>) -> String {
    let suspicion = &find.suspicion;
    let mut out = String::new();
    comment(
        &mut out,
        &format!(
            "Found by btspec fuzz in {}: {}",
            about.target, suspicion.bucket
        ),
    );
    for line in suspicion.detail.lines() {
        comment(&mut out, &format!("Observed: {line}"));
    }
    let confirmed = match find.confirmed {
        true => "confirmed on fresh targets, three times of three",
        false => "unconfirmed",
    };
    let (seed, first) = (about.seed, find.first);
    comment(
        &mut out,
        &format!(
            "Seed {seed}, case {first}; {confirmed}; noticed {} times.",
            find.count
        ),
    );
    if find.left != Left::Nothing {
        comment(
            &mut out,
            &format!("There was {}: {} goes on.", find.left, find.left.by()),
        );
    }
    for (nth, case) in find.cases.iter().enumerate() {
        comment(
            &mut out,
            &format!("Connection {}: {case}", nth.saturating_add(1)),
        );
    }
    let slug = slug(&suspicion.bucket);
    let role = match ground.role() {
        Role::Seed => "seed",
        Role::Leech => "leech",
    };
    let title = quoted(&format!("{} ({})", suspicion.bucket, suspicion.oracle));
    let cites = cites(suspicion);
    let _ = write!(
        out,
        "spec: 1\nsuite: fuzz\ntitle: Found by the fuzzer\ncases:\n  - case: {slug}\n    title: {title}\n    \
         cites: [{cites}]\n    roles: [{role}]\n    lane: alone\n    tags: [load, fuzz]\n    \
         timeouts: {{case: 300s}}\n    proof: {{none: the connections that show it come first}}\n    \
         given: []\n    steps:\n"
    );
    let mut steps = Steps {
        out,
        indent: 6,
        requests: 0,
    };
    steps.find(find, ground);
    steps.out
}

/// Blocks are made of the bytes that were asked for.
const OVERREAD: &str = "B3-FR-24";

/// A requirement that says what was broken; where none does, the one on whose other connections are
/// not to suffer.
fn cites(suspicion: &Suspicion) -> &'static str {
    match (suspicion.requirement, suspicion.oracle) {
        (Some(requirement), _) => requirement,
        (None, Oracle::Memory | Oracle::Files | Oracle::SlowReader) => "LD-04",
        (None, Oracle::Overread) => OVERREAD,
        (None, _) => "B3-FR-20",
    }
}

struct Steps {
    out: String,
    indent: usize,
    /// Requests of the target that were captured so far.
    requests: usize,
}

impl Steps {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}- {text}", " ".repeat(self.indent));
    }

    /// A further key of the step before.
    fn key(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}  {text}", " ".repeat(self.indent));
    }

    fn find(&mut self, find: &Find, ground: &Ground) {
        let suspicion = &find.suspicion;
        let grows = matches!(suspicion.oracle, Oracle::Memory | Oracle::Files);
        // What stays behind shows only once every connection is over.
        let ended = grows || matches!(suspicion.oracle, Oracle::Wedge | Oracle::Cpu);
        if let (Oracle::Overread, Some(block)) = (suspicion.oracle, suspicion.block) {
            let size = ground
                .torrent()
                .geometry()
                .piece_size(block.index)
                .unwrap_or(0);
            let (index, begin) = (block.index, block.begin);
            let longest = size.saturating_sub(begin);
            self.line(&format!(
                "never: {{of: [{{piece: {{index: {index}, begin: {begin}, block: {{longer: {longest}}}}}}}]}}"
            ));
            self.key(&format!("cites: [{OVERREAD}]"));
        }
        if grows || suspicion.oracle == Oracle::SlowReader {
            self.line("memory: before");
        }
        if grows {
            self.line("repeat:");
            self.indent = self.indent.saturating_add(6);
            let times = repeats(&find.cases);
            let _ = writeln!(self.out, "          times: {times}\n          do:");
        }
        for (nth, case) in find.cases.iter().enumerate() {
            let last = nth.saturating_add(1) == find.cases.len();
            // All but the last are over before the next begins: names come round again.
            let name = nth % NAMES;
            self.connection(
                &format!("peer{}", name.saturating_add(1)),
                case,
                !last || ended,
            );
        }
        if grows {
            self.indent = 6;
        }
        self.judge(find, ground);
    }

    fn judge(&mut self, find: &Find, ground: &Ground) {
        let suspicion = &find.suspicion;
        match suspicion.oracle {
            Oracle::Memory | Oracle::Files | Oracle::SlowReader => {
                self.line("memory: after");
                let most = match suspicion.oracle {
                    Oracle::SlowReader => 64 << 20,
                    _ => repeats(&find.cases).saturating_mul(LEAST_LEAK),
                };
                self.line(&format!(
                    "check: {{that: \"${{$after < $before + {most}}}\"}}"
                ));
            }
            Oracle::Unanswered => {
                let Some(block) = suspicion.block else { return };
                let (index, begin, length) = (block.index, block.begin, block.length);
                self.line("any_of:");
                for branch in [
                    format!("expect: {{piece: {{index: {index}, begin: {begin}}}}}"),
                    format!(
                        "expect: {{reject_request: {{index: {index}, begin: {begin}, length: {length}}}}}"
                    ),
                    "closed: any".to_owned(),
                ] {
                    let _ = writeln!(self.out, "{}- {branch}", " ".repeat(10));
                }
                self.key("within: 20s");
            }
            Oracle::Rule | Oracle::Overread => {
                self.line(
                    "wait: {for: 2s, because: what the target says to that is judged by rules}",
                );
            }
            Oracle::Death | Oracle::Report | Oracle::Wedge | Oracle::Cpu => {
                if ground.role() == Role::Seed {
                    self.line("use: healthy");
                } else {
                    self.line("connect: {peer: fresh, mode: dial}");
                    self.line("alive: {}");
                    self.key("peer: fresh");
                }
            }
        }
    }

    fn connection(&mut self, peer: &str, case: &Case, ends: bool) {
        self.greeting(peer, &case.greeting);
        let answers = case
            .moves
            .iter()
            .filter(|it| matches!(it, Move::Answer(_)))
            .count();
        let mut captured = None;
        let mut named = false;
        for it in &case.moves {
            if let Move::Send(send) = it
                && let What::Extension { name, .. } = &send.what
                && !name.is_empty()
                && !std::mem::replace(&mut named, true)
                && case.greeting.spoilt.is_none()
            {
                // The target's ids are in its extended handshake.
                self.line("until: {extended: true}");
            }
            match it {
                Move::Send(send) => self.send(send),
                Move::Raw(bytes) => self.raw(bytes),
                Move::Await(state) => self.until(*state),
                Move::Answer(with) => {
                    let from = *captured.get_or_insert_with(|| self.capture(answers));
                    self.answer(*with, from);
                    captured = Some(from.saturating_add(1));
                }
                Move::Pause(millis) => {
                    self.line(&format!(
                        "idle: {{for: {millis}ms, because: the find took a pause here}}"
                    ));
                }
                Move::Reading(on) => self.line(&format!("reading: {on}")),
            }
        }
        let waits = matches!(case.end, End::Probe | End::Quiet);
        if waits && ends {
            // The fuzzer ended it once everything owed had come.
            self.line("wait: {for: 500ms, because: answers that are owed come}");
        }
        match (case.end, ends) {
            (End::Rst, _) => self.line("close: rst"),
            (End::Fin, _) | (End::Probe | End::Quiet, true) => self.line("close: fin"),
            (End::Probe | End::Quiet, false) => {}
        }
    }

    fn greeting(&mut self, peer: &str, greeting: &Greeting) {
        let reserved = hex::encode(&greeting.reserved.0);
        let Some(spoilt) = &greeting.spoilt else {
            self.line(&format!(
                "connect: {{peer: {peer}, mode: dial, reserved: {{hex: \"{reserved}\"}}, hello: []}}"
            ));
            self.fragment(&greeting.cut);
            return;
        };
        self.line(&format!(
            "connect: {{peer: {peer}, mode: dial, handshake: none}}"
        ));
        let reserved = format!("reserved: {{hex: \"{reserved}\"}}");
        let (fields, rest) = match spoilt {
            Spoilt::Take(len) => (reserved, format!(", take: {len}, boundary: open")),
            Spoilt::Length(len) => (format!("pstrlen: {len}, {reserved}"), String::new()),
            Spoilt::Protocol(at) => {
                let mut text = PROTOCOL.to_vec();
                let at = usize::from(*at) % text.len().max(1);
                if let Some(byte) = text.get_mut(at) {
                    *byte ^= 1;
                }
                (
                    format!("pstr: {{hex: \"{}\"}}, {reserved}", hex::encode(&text)),
                    String::new(),
                )
            }
            Spoilt::InfoHash(_) => (
                format!("{reserved}, info_hash: {{flip: $torrent.info_hash}}"),
                String::new(),
            ),
        };
        self.line(&format!("send_raw: {{handshake: {{{fields}}}{rest}}}"));
        self.fragment(&greeting.cut);
    }

    fn fragment(&mut self, cut: &[u16]) {
        if !cut.is_empty() {
            let sizes: Vec<String> = cut.iter().map(u16::to_string).collect();
            self.key(&format!("fragment: {{sizes: [{}]}}", sizes.join(", ")));
        }
    }

    fn send(&mut self, send: &Send) {
        let text = message(&send.what);
        let step = match send.framing {
            Framing::Honest => format!("send: {text}"),
            Framing::Length(length) => {
                format!(
                    "send_raw: {{frame: {{length: {length}, message: {text}}}, boundary: open}}"
                )
            }
            Framing::Take(len) => {
                let whole = send.encode(|_| Some(1)).len();
                let boundary = if usize::try_from(len).is_ok_and(|len| len >= whole) {
                    "whole"
                } else {
                    "open"
                };
                format!("send_raw: {{message: {text}, take: {len}, boundary: {boundary}}}")
            }
        };
        if send.times > 1 {
            self.line(&format!(
                "repeat: {{times: {}, do: [{{{step}}}]}}",
                send.times
            ));
            return;
        }
        self.line(&step);
        self.fragment(&send.cut);
    }

    fn raw(&mut self, bytes: &bytes::Bytes) {
        let mut rest = bytes.clone();
        while Frame::split_from(&mut rest).is_some() {}
        let boundary = if rest.is_empty() { "whole" } else { "open" };
        self.line(&format!(
            "send_raw: {{hex: \"{}\", boundary: {boundary}}}",
            hex::encode(bytes)
        ));
    }

    fn until(&mut self, state: Await) {
        let condition = match state {
            // `connect` has waited for it.
            Await::Handshake => return,
            Await::Extended => "extended: true",
            Await::Unchoked => "unchoked: true",
            Await::Interested => "interested: true",
        };
        self.line(&format!("until: {{{condition}}}"));
    }

    /// Keeps the next requests of the target; gives the number of the first.
    fn capture(&mut self, count: usize) -> usize {
        let first = self.requests;
        for _ in 0..count {
            let n = self.requests;
            self.requests = n.saturating_add(1);
            self.line(&format!(
                "expect: {{request: {{index: {{capture: index{n}}}, begin: {{capture: begin{n}}}, \
                 length: {{capture: length{n}}}}}}}"
            ));
        }
        first
    }

    fn answer(&mut self, with: AnswerWith, n: usize) {
        let piece = |begin: &str, block: &str| {
            format!("{{piece: {{index: $index{n}, begin: {begin}, block: {block}}}}}")
        };
        let begin = format!("$begin{n}");
        let data = |of: &str, length: &str| {
            format!("{{of: {of}, index: $index{n}, begin: $begin{n}, length: {length}}}")
        };
        let length = format!("$length{n}");
        let right = piece(&begin, &data("torrent", &length));
        let text = match with {
            AnswerWith::Block => right,
            AnswerWith::Twice => format!("[{right}, {right}]"),
            AnswerWith::Corrupt => piece(&begin, &data("corrupt", &length)),
            AnswerWith::Short => piece(
                &begin,
                &data("torrent", &format!("\"${{$length{n} - 1}}\"")),
            ),
            AnswerWith::Long => {
                let block = format!(
                    "{{concat: [{}, {{hex: \"00\"}}]}}",
                    data("torrent", &length)
                );
                piece(&begin, &block)
            }
            AnswerWith::Shifted => piece(
                &format!("\"${{$begin{n} + 1}}\""),
                &data("torrent", &length),
            ),
            AnswerWith::Reject => format!(
                "{{reject_request: {{index: $index{n}, begin: $begin{n}, length: $length{n}}}}}"
            ),
        };
        self.line(&format!("send: {text}"));
    }
}

/// A message in a scenario's words.
fn message(what: &What) -> String {
    match what {
        What::Message(message) => fields(message.name(), message.fields()),
        What::Extension { name, payload } => {
            let read = ExtensionMessage::decode(name, payload);
            if let Ok(ExtensionMessage::MetadataRequest { piece }) = &read
                && (0..=i128::from(u64::MAX)).contains(piece)
                && read
                    .as_ref()
                    .is_ok_and(|read| read.encode_payload() == *payload)
            {
                return format!("{{ut_metadata_request: {{piece: {piece}}}}}");
            }
            let id = match name.as_str() {
                "" => "0".to_owned(),
                name => format!("$peer.ext.{name}"),
            };
            format!(
                "{{extended: {{ext_id: {id}, payload: {}}}}}",
                bytes(payload)
            )
        }
    }
}

fn fields(name: &str, fields: Vec<(&'static crate::wire::Field, FieldValue)>) -> String {
    if fields.is_empty() {
        return name.to_owned();
    }
    let fields: Vec<String> = fields
        .into_iter()
        .map(|(field, value)| {
            let value = match value {
                FieldValue::Int(value) => value.to_string(),
                FieldValue::Bytes(value) => bytes(&value),
                // No message of the table has one but extension payloads.
                FieldValue::Bencode(_) => "{hex: \"\"}".to_owned(),
            };
            format!("{}: {value}", field.name)
        })
        .collect();
    format!("{{{name}: {{{}}}}}", fields.join(", "))
}

/// Bytes: as text where they are, else as digits; long runs of one byte in short.
fn bytes(bytes: &[u8]) -> String {
    let text = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if !bytes.is_empty() && bytes.iter().all(text) {
        return format!("{{text: \"{}\"}}", String::from_utf8_lossy(bytes));
    }
    match bytes.first() {
        Some(first) if bytes.len() > 8 && bytes.iter().all(|byte| byte == first) => {
            format!(
                "{{repeat: {{hex: \"{first:02x}\"}}, times: {}}}",
                bytes.len()
            )
        }
        _ => format!("{{hex: \"{}\"}}", hex::encode(bytes)),
    }
}

/// What is in a find may come from the target: no line of it leaves the comment.
fn comment(out: &mut String, line: &str) {
    let _ = writeln!(out, "# {}", escape::peer_text(line.as_bytes()));
}

fn quoted(text: &str) -> String {
    let text = escape::peer_text(text.as_bytes());
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Letters, digits and dashes.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.to_ascii_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
        if slug.len() >= SLUG_LEN {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// How often a scenario plays connections that leave something behind: as often as its steps allow.
fn repeats(cases: &[Case]) -> u64 {
    let steps = |sent: &Move| match sent {
        Move::Send(send) => u64::from(send.times).saturating_add(STEPS_OF_A_MOVE),
        _ => STEPS_OF_A_MOVE,
    };
    let round: u64 = cases
        .iter()
        .map(|case| STEPS_OF_A_CONNECTION.saturating_add(case.moves.iter().map(steps).sum()))
        .sum();
    let most = limits::STEPS.saturating_sub(STEPS_OF_A_CONNECTION);
    most.checked_div(round).unwrap_or(REPEATS).clamp(1, REPEATS)
}

/// Names of connections: fewer than a scenario may have, with room for those that judge.
const NAMES: usize = limits::CONNECTIONS / 2;
/// That often is often enough.
const REPEATS: u64 = 200;
/// Steps that a move or a connection becomes at most, beside messages that are sent several times.
const STEPS_OF_A_MOVE: u64 = 8;
const STEPS_OF_A_CONNECTION: u64 = 20;
/// Growth by one of them that is too much: half of the least that the fuzzer calls a leak.
const LEAST_LEAK: u64 = 2600;
/// Longest name of a file.
const SLUG_LEN: usize = 60;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fuzz::generate::generate;
    use crate::fuzz::rng::Rng;
    use crate::scenario::parse_text;
    use crate::torrent::fixture;
    use crate::wire::Message;

    #[test]
    fn every_case_can_be_written_and_read() {
        let about = About {
            target: "self",
            seed: 1,
        };
        let oracles = [
            Oracle::Death,
            Oracle::Wedge,
            Oracle::Memory,
            Oracle::SlowReader,
            Oracle::Rule,
            Oracle::Unanswered,
            Oracle::Overread,
        ];
        for role in [Role::Seed, Role::Leech] {
            let ground = Ground::new(fixture::main().torrent, role);
            for number in 0..150_u64 {
                // As many as there are when nobody had time to tell which it takes.
                let count = if number % 10 == 9 { 100 } else { 2 };
                let cases: Vec<Case> = (0..count)
                    .map(|nth| {
                        generate(
                            number * 1000 + nth,
                            &mut Rng::of_case(4, number * 1000 + nth),
                            &ground,
                        )
                    })
                    .collect();
                let turn = usize::try_from(number).unwrap() % oracles.len();
                let oracle = oracles[turn];
                let suspicion = Suspicion {
                    block: Some(ground.block(number)),
                    requirement: (oracle == Oracle::Rule).then_some("B6-RJ-02"),
                    ..Suspicion::new(oracle, "some/bucket: \u{1b}[31m x", "line\nother: #")
                };
                let find = Find {
                    suspicion,
                    cases,
                    confirmed: true,
                    left: Left::Small,
                    count: 1,
                    first: number,
                    also: BTreeSet::new(),
                };
                let text = scenario(&find, &ground, &about);
                if let Err(errors) = parse_text("find.yaml", &text) {
                    panic!("{}\n{text}", errors[0].render());
                }
            }
        }
    }

    #[test]
    fn long_buckets_have_files_of_their_own() {
        let name = |end: &str| {
            let bucket = format!("death: signal 11: {}{end}", "frame ".repeat(20));
            let suspicion = Suspicion::new(Oracle::Death, bucket, "");
            file_name(&Find::new(suspicion, Vec::new(), 0))
        };
        assert_ne!(name("a"), name("b"));
        assert!(name("a").len() < 80, "{}", name("a"));
        let short = Suspicion::new(Oracle::Wedge, "wedge", "");
        assert_eq!(file_name(&Find::new(short, Vec::new(), 0)), "wedge.yaml");
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(slug("rule/no-such thing!!"), "rule-no-such-thing");
        let says = |it: Message| message(&What::Message(it));
        assert_eq!(says(Message::Have { index: 3 }), "{have: {index: 3}}");
        assert_eq!(says(Message::Choke), "choke");
    }
}
