//! Which results are meant: `suite(fast_ext) & !tag(slow) | req(B3-HS-*)`.
//!
//! ```text
//! filter := term ('|' term)*      term := factor ('&' factor)*
//! factor := '!' factor | '(' filter ')' | NAME '(' pattern ')' | word
//! ```
//!
//! A bare word is `id(*word*)`, on any role and variant.

use std::fmt;

use super::ast::Role;
use super::glob;
use super::play::Play;
use crate::requirement::{Level, catalogue, nearest};

/// A parsed filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Node);

/// What a filter looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Id of the result.
    pub id: String,
    /// Id of its suite, `rule` for rules.
    pub suite: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Requirements that it judges.
    pub requirements: Vec<String>,
    /// Role of the target; rules have none.
    pub role: Option<Role>,
}

impl Subject {
    /// A play of a case.
    pub fn play(play: &Play) -> Self {
        let case = &play.case;
        Self {
            id: play.id.to_string(),
            suite: case.suite.clone(),
            tags: case.tags.clone(),
            requirements: case.cites.iter().map(|cite| cite.id.clone()).collect(),
            role: Some(play.role),
        }
    }

    /// A rule.
    pub fn rule(name: &str, requirement: &str) -> Self {
        Self {
            id: format!("rule/{name}"),
            suite: RULE.to_owned(),
            tags: Vec::new(),
            requirements: vec![requirement.to_owned()],
            role: None,
        }
    }

    /// Levels of what it judges.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        self.requirements
            .iter()
            .filter_map(|id| catalogue().get(id))
            .map(|entry| entry.level)
    }

    /// BEPs of what it judges.
    fn beps(&self) -> impl Iterator<Item = u16> + '_ {
        self.requirements
            .iter()
            .filter_map(|id| catalogue().get(id))
            .map(|entry| entry.bep)
    }
}

const RULE: &str = "rule";

/// Text that is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    /// The whole text.
    pub text: String,
    /// Characters before the place.
    pub offset: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for FilterError {
    /// The message, the filter and a caret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.message)?;
        writeln!(f, "  {}", self.text.escape_debug())?;
        write!(f, "  {}^", " ".repeat(self.offset))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Word(String),
    Id(String),
    Suite(String),
    Tag(String),
    Requirement(String),
    Level(Level),
    Bep(u16),
    Role(Role),
    Rule,
}

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut parser = Parser {
            text,
            chars: text.chars().collect(),
            at: 0,
            depth: 0,
        };
        let node = parser.any()?;
        parser.space();
        match parser.peek() {
            None => Ok(Self(node)),
            Some(_) => Err(parser.wrong(parser.at, "`&`, `|` or the end expected here")),
        }
    }

    /// Whether `subject` is meant.
    pub fn matches(&self, subject: &Subject) -> bool {
        self.0.matches(subject)
    }
}

impl Node {
    fn matches(&self, subject: &Subject) -> bool {
        match self {
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(subject)),
            Self::All(nodes) => nodes.iter().all(|node| node.matches(subject)),
            Self::Not(node) => !node.matches(subject),
            Self::Word(word) => glob::matches(&format!("*{word}*"), &subject.id),
            Self::Id(pattern) => glob::id_matches(pattern, &subject.id),
            Self::Suite(pattern) => glob::matches(pattern, &subject.suite),
            Self::Tag(pattern) => subject.tags.iter().any(|tag| glob::matches(pattern, tag)),
            Self::Requirement(pattern) => subject
                .requirements
                .iter()
                .any(|id| glob::matches(pattern, id)),
            Self::Level(level) => subject.levels().any(|found| found == *level),
            Self::Bep(bep) => subject.beps().any(|found| found == *bep),
            Self::Role(role) => subject.role == Some(*role),
            Self::Rule => subject.suite == RULE,
        }
    }
}

/// Functions of the language.
const FUNCTIONS: &[&str] = &["id", "suite", "tag", "level", "bep", "req", "role", "rule"];

/// Parentheses and negations inside each other.
const MAX_DEPTH: u32 = 64;

struct Parser<'a> {
    text: &'a str,
    chars: Vec<char>,
    at: usize,
    depth: u32,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.all()?];
        while self.eat('|') {
            nodes.push(self.all()?);
        }
        Ok(one_or(nodes, Node::Any))
    }

    fn all(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.factor()?];
        while self.eat('&') {
            nodes.push(self.factor()?);
        }
        Ok(one_or(nodes, Node::All))
    }

    fn factor(&mut self) -> Result<Node, FilterError> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(self.wrong(self.at, "nested too deeply"));
        }
        let node = self.bare_factor();
        self.depth = self.depth.saturating_sub(1);
        node
    }

    fn bare_factor(&mut self) -> Result<Node, FilterError> {
        if self.eat('!') {
            return Ok(Node::Not(Box::new(self.factor()?)));
        }
        if self.eat('(') {
            let node = self.any()?;
            return self.close().map(|()| node);
        }
        self.space();
        let start = self.at;
        let word = self.take_while(|c| !c.is_whitespace() && !"&|!()".contains(c));
        if self.peek() != Some('(') {
            return if word.is_empty() {
                Err(self.wrong(start, "a word or one of the functions expected here"))
            } else {
                Ok(Node::Word(word))
            };
        }
        self.at = self.at.saturating_add(1);
        let argument_at = self.at;
        let argument = self.take_while(|c| c != ')').trim().to_owned();
        self.close()?;
        self.function(&word, start, &argument, argument_at)
    }

    fn function(
        &self,
        name: &str,
        start: usize,
        argument: &str,
        argument_at: usize,
    ) -> Result<Node, FilterError> {
        if argument.is_empty() != (name == "rule") && FUNCTIONS.contains(&name) {
            let message = match name {
                "rule" => "`rule()` takes nothing; `id(rule/NAME)` names one",
                _ => "something expected in the parentheses",
            };
            return Err(self.wrong(argument_at, message));
        }
        let pattern = || argument.to_owned();
        Ok(match name {
            "id" => Node::Id(pattern()),
            "suite" => Node::Suite(pattern()),
            "tag" => Node::Tag(pattern()),
            "req" => Node::Requirement(pattern()),
            "rule" => Node::Rule,
            "level" => Node::Level(
                argument
                    .parse()
                    .map_err(|error| self.wrong(argument_at, format!("{error}")))?,
            ),
            "bep" => Node::Bep(
                argument
                    .parse()
                    .map_err(|_| self.wrong(argument_at, "the number of a BEP expected here"))?,
            ),
            "role" => Node::Role(match argument {
                "seed" => Role::Seed,
                "leech" => Role::Leech,
                _ => return Err(self.wrong(argument_at, "`seed` or `leech` expected here")),
            }),
            _ => {
                let meant = nearest(name, FUNCTIONS.iter().copied()).map_or_else(
                    || format!("one of {}", FUNCTIONS.join(", ")),
                    |name| format!("did you mean `{name}`?"),
                );
                return Err(self.wrong(start, format!("unknown function `{name}`; {meant}")));
            }
        })
    }

    fn close(&mut self) -> Result<(), FilterError> {
        if self.eat(')') {
            Ok(())
        } else {
            Err(self.wrong(self.at, "`)` expected here"))
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.space();
        let there = self.peek() == Some(wanted);
        if there {
            self.at = self.at.saturating_add(1);
        }
        there
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.peek().filter(|c| wanted(*c)) {
            taken.push(c);
            self.at = self.at.saturating_add(1);
        }
        taken
    }

    fn wrong(&self, offset: usize, message: impl Into<String>) -> FilterError {
        FilterError {
            text: self.text.to_owned(),
            offset,
            message: message.into(),
        }
    }
}

/// The only node, or all of them in one.
fn one_or(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(node) if nodes.is_empty() => node,
        Some(node) => {
            nodes.push(node);
            join(nodes)
        }
        None => join(nodes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            id: "fast_ext/reject-while-choked[fast=on]:seed".into(),
            suite: "fast_ext".into(),
            tags: vec!["ordering".into()],
            requirements: vec!["B6-RJ-01".into()],
            role: Some(Role::Seed),
        }
    }

    fn meant(text: &str) -> bool {
        Filter::parse(text).unwrap().matches(&subject())
    }

    #[test]
    fn every_function_selects() {
        for (text, expected) in [
            ("reject", true),
            ("cancel", false),
            ("id(fast_ext/*)", true),
            ("id(fast_ext/*:leech)", false),
            ("suite(fast_*)", true),
            ("suite(fast)", false),
            ("tag(ordering)", true),
            ("tag(slow)", false),
            ("bep(6)", true),
            ("bep(3)", false),
            ("req(B6-RJ-*)", true),
            ("req(B6-RJ-02)", false),
            ("role(seed)", true),
            ("role(leech)", false),
            ("rule()", false),
        ] {
            assert_eq!(meant(text), expected, "{text}");
        }
        let level = catalogue().get("B6-RJ-01").unwrap().level;
        assert!(meant(&format!("level({level})")));
        assert!(
            Filter::parse("rule()")
                .unwrap()
                .matches(&Subject::rule("x", "B6-RJ-01"))
        );
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert!(meant("reject | cancel & nothing"));
        assert!(!meant("(reject | cancel) & nothing"));
        assert!(meant("!(tag(slow) | cancel) & !role(leech)"));
        assert!(meant("!!reject"));
    }

    #[test]
    fn errors_point_at_the_place() {
        for (text, offset, words) in [
            ("", 0, "a word"),
            ("a &", 3, "a word"),
            ("a b", 2, "`&`, `|` or the end"),
            ("(a", 2, "`)` expected"),
            ("id(a", 4, "`)` expected"),
            ("id()", 3, "something expected"),
            ("rule(x)", 5, "takes nothing"),
            ("levle(must)", 0, "did you mean `level`?"),
            ("level(hard)", 6, "unknown level"),
            ("bep(six)", 4, "number of a BEP"),
            ("role(peer)", 5, "`seed` or `leech`"),
        ] {
            let error = Filter::parse(text).unwrap_err();
            assert_eq!(error.offset, offset, "{text}");
            assert!(error.message.contains(words), "{text}: {}", error.message);
            assert!(error.to_string().ends_with('^'));
        }
        assert!(Filter::parse(&"(".repeat(10_000)).is_err());
        assert!(Filter::parse(&"!".repeat(10_000)).is_err());
    }
}
