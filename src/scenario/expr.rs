//! Text of expressions into [`Expr`]: a lexer and a precedence parser.
//!
//! From loose to tight: `a ? b : c`, `||`, `&&`, `== != < <= > >= in`, `+ -`, `* / %`, `!`.

use bytes::Bytes;

use super::error::ScenarioError;
use super::eval::{BinaryOp, Expr, ExprNode, Function};
use super::limits;
use super::span::Span;
use super::val::Val;

/// Names that an expression may use. Says what a variable stands for.
pub(super) trait Names {
    /// The expression for a variable: itself, a renamed one, or what `vars` says.
    fn resolve(&self, path: &str, span: &Span) -> Result<Expr, ScenarioError>;
}

/// Parses the inside of `${…}`, or a lone `$var`. `span` is the place of its first character.
pub(super) fn parse(text: &str, span: &Span, names: &dyn Names) -> Result<Expr, ScenarioError> {
    let tokens = lex(text, span)?;
    let mut parser = Parser {
        tokens,
        next: 0,
        end: Span {
            col: span.col.saturating_add(chars(text)),
            len: 1,
            ..span.clone()
        },
        names,
        depth: 0,
    };
    let expr = parser.ternary()?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(ScenarioError::invalid(
            &token.span,
            format!("unexpected {}", token.what),
        )),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Int(i128),
    Text(String),
    Bytes(Bytes),
    Name(String),
    Sign(&'static str),
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(n) => write!(f, "`{n}`"),
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Bytes(_) => f.write_str("bytes"),
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Sign(sign) => write!(f, "`{sign}`"),
        }
    }
}

#[derive(Debug, Clone)]
struct Token {
    what: What,
    span: Span,
}

/// Longest first.
const SIGNS: [&str; 22] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "(", ")",
    "[", "]", ",", "$",
];

fn lex(text: &str, span: &Span) -> Result<Vec<Token>, ScenarioError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut col = span.col;
    while let Some(first) = rest.chars().next() {
        let (what, len) = if first.is_whitespace() {
            (None, first.len_utf8())
        } else if first.is_ascii_digit() {
            let len = word_len(rest);
            let word = rest.get(..len).unwrap_or("");
            let at = at(span, col, chars(word));
            (Some(What::Int(number(word, &at)?)), len)
        } else if let Some(body) = rest.strip_prefix("x'") {
            let Some(end) = body.find('\'') else {
                return Err(
                    ScenarioError::invalid(&at(span, col, 2), "bytes without their end")
                        .expected("a closing '"),
                );
            };
            let digits = body.get(..end).unwrap_or("");
            let place = at(span, col, chars(digits).saturating_add(3));
            let bytes = crate::wire::hex::decode(digits)
                .map_err(|error| ScenarioError::invalid(&place, format!("no hex: {error}")))?;
            (Some(What::Bytes(bytes)), end.saturating_add(3))
        } else if first.is_ascii_alphabetic() || first == '_' {
            let len = path_len(rest);
            (
                Some(What::Name(rest.get(..len).unwrap_or("").to_owned())),
                len,
            )
        } else if first == '\'' || first == '"' {
            let body = rest.get(1..).unwrap_or("");
            let Some(end) = body.find(first) else {
                return Err(
                    ScenarioError::invalid(&at(span, col, 1), "text without its end")
                        .expected(format!("a closing {first}")),
                );
            };
            let text = body.get(..end).unwrap_or("").to_owned();
            (Some(What::Text(text)), end.saturating_add(2))
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Some(What::Sign(sign)), sign.len())
        } else {
            let message = format!("`{}` is not part of an expression", first.escape_debug());
            return Err(ScenarioError::invalid(&at(span, col, 1), message));
        };
        let (word, tail) = rest.split_at_checked(len).unwrap_or((rest, ""));
        let width = chars(word);
        if let Some(what) = what {
            tokens.push(Token {
                what,
                span: at(span, col, width),
            });
        }
        if tokens.len() > limits::EXPR_NODES {
            let message = format!("expression of more than {} parts", limits::EXPR_NODES);
            return Err(ScenarioError::invalid(span, message));
        }
        col = col.saturating_add(width);
        rest = tail;
    }
    Ok(tokens)
}

fn number(word: &str, span: &Span) -> Result<i128, ScenarioError> {
    let digits = word.replace('_', "");
    let parsed = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    parsed.map(i128::from).map_err(|_| {
        ScenarioError::invalid(span, format!("`{word}` is no number"))
            .expected("0 to 2^64 - 1, decimal or 0x…")
    })
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len())
}

/// `torrent.last`: words joined by dots.
fn path_len(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
        .unwrap_or(text.len())
}

fn at(span: &Span, col: u32, len: u32) -> Span {
    Span {
        col,
        len: len.max(1),
        ..span.clone()
    }
}

fn chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    next: usize,
    end: Span,
    names: &'a dyn Names,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next).cloned();
        self.next = self.next.saturating_add(1);
        token
    }

    fn at_end(&self) -> ScenarioError {
        ScenarioError::invalid(&self.end, "the expression ends too early").expected("a value")
    }

    fn sign(&mut self, wanted: &str) -> Option<Span> {
        match self.peek() {
            Some(Token {
                what: What::Sign(sign),
                span,
            }) if *sign == wanted => {
                let span = span.clone();
                self.next = self.next.saturating_add(1);
                Some(span)
            }
            _ => None,
        }
    }

    fn expect(&mut self, wanted: &'static str) -> Result<(), ScenarioError> {
        if self.sign(wanted).is_some() {
            return Ok(());
        }
        Err(match self.peek() {
            Some(token) => {
                ScenarioError::invalid(&token.span, format!("unexpected {}", token.what))
            }
            None => ScenarioError::invalid(&self.end, "the expression ends too early"),
        }
        .expected(format!("`{wanted}`")))
    }

    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, ScenarioError>,
    ) -> Result<T, ScenarioError> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > limits::EXPR_DEPTH {
            let span = self.peek().map_or(&self.end, |token| &token.span);
            let message = format!("expression deeper than {} levels", limits::EXPR_DEPTH);
            return Err(ScenarioError::invalid(span, message));
        }
        let result = inner(self);
        self.depth = self.depth.saturating_sub(1);
        result
    }

    fn ternary(&mut self) -> Result<Expr, ScenarioError> {
        self.deeper(|parser| {
            let condition = parser.binary(0)?;
            let Some(span) = parser.sign("?") else {
                return Ok(condition);
            };
            let then = parser.ternary()?;
            parser.expect(":")?;
            let otherwise = parser.ternary()?;
            Expr::new(&span, ExprNode::If(condition, then, otherwise))
        })
    }

    fn binary(&mut self, level: usize) -> Result<Expr, ScenarioError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level.saturating_add(1))?;
        while let Some((op, span)) = self.operator(operators) {
            let right = self.binary(level.saturating_add(1))?;
            left = Expr::new(&span, ExprNode::Binary(op, left, right))?;
        }
        Ok(left)
    }

    fn operator(&mut self, operators: &[BinaryOp]) -> Option<(BinaryOp, Span)> {
        let token = self.peek()?;
        let sign: &str = match &token.what {
            What::Sign(sign) => sign,
            What::Name(name) => name,
            _ => return None,
        };
        let op = *operators.iter().find(|op| op.sign() == sign)?;
        let span = token.span.clone();
        self.next = self.next.saturating_add(1);
        Some((op, span))
    }

    fn unary(&mut self) -> Result<Expr, ScenarioError> {
        if let Some(span) = self.sign("!") {
            let inner = self.deeper(Self::unary)?;
            return Expr::new(&span, ExprNode::Not(inner));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr, ScenarioError> {
        let token = self.take().ok_or_else(|| self.at_end())?;
        let span = token.span;
        match token.what {
            What::Int(n) => Ok(Expr::constant(&span, Val::Int(n))),
            What::Text(text) => Ok(Expr::constant(&span, Val::text(&text))),
            What::Bytes(bytes) => Ok(Expr::constant(&span, Val::Bytes(bytes))),
            What::Sign("(") => {
                let inner = self.ternary()?;
                self.expect(")")?;
                Ok(inner)
            }
            What::Sign("[") => {
                let list = self.list("]")?;
                Expr::new(&span, ExprNode::List(list))
            }
            What::Sign("$") => match self.take() {
                Some(Token {
                    what: What::Name(name),
                    span: name_span,
                }) => {
                    let whole = Span {
                        len: name_span.len.saturating_add(1),
                        ..span
                    };
                    self.names.resolve(&name, &whole)
                }
                _ => Err(ScenarioError::invalid(&span, "`$` without a name")),
            },
            What::Sign(sign) => Err(
                ScenarioError::invalid(&span, format!("unexpected `{sign}`")).expected("a value"),
            ),
            What::Name(name) => self.word(&name, &span),
        }
    }

    fn word(&mut self, name: &str, span: &Span) -> Result<Expr, ScenarioError> {
        match name {
            "true" => return Ok(Expr::constant(span, Val::Bool(true))),
            "false" => return Ok(Expr::constant(span, Val::Bool(false))),
            _ => {}
        }
        if self.sign("(").is_none() {
            return self.names.resolve(name, span);
        }
        let Some(function) = Function::ALL.into_iter().find(|f| f.name() == name) else {
            let names = Function::ALL.map(Function::name);
            return Err(
                ScenarioError::invalid(span, format!("unknown function `{name}`"))
                    .expected(format!("one of {}", names.join(", ")))
                    .nearest(name, names),
            );
        };
        let arguments = self.list(")")?;
        let fits = match function {
            Function::Len | Function::Port => arguments.len() == 1,
            Function::Min | Function::Max => !arguments.is_empty(),
            Function::Range => (2..=3).contains(&arguments.len()),
        };
        if !fits {
            let message = format!("`{name}` does not take {} arguments", arguments.len());
            return Err(ScenarioError::invalid(span, message));
        }
        Expr::new(span, ExprNode::Call(function, arguments))
    }

    fn list(&mut self, end: &'static str) -> Result<Vec<Expr>, ScenarioError> {
        let mut list = Vec::new();
        if self.sign(end).is_some() {
            return Ok(list);
        }
        loop {
            list.push(self.ternary()?);
            if self.sign(",").is_none() {
                self.expect(end)?;
                return Ok(list);
            }
        }
    }
}

/// Operators from loose to tight; all group to the left.
const LEVELS: [&[BinaryOp]; 5] = [
    &[BinaryOp::Or],
    &[BinaryOp::And],
    &[
        BinaryOp::Eq,
        BinaryOp::Ne,
        BinaryOp::Lt,
        BinaryOp::Le,
        BinaryOp::Gt,
        BinaryOp::Ge,
        BinaryOp::In,
    ],
    &[BinaryOp::Add, BinaryOp::Sub],
    &[BinaryOp::Mul, BinaryOp::Div, BinaryOp::Rem],
];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::eval::Env;
    use super::super::span::SourceFile;
    use super::*;

    struct Any;

    impl Names for Any {
        fn resolve(&self, path: &str, span: &Span) -> Result<Expr, ScenarioError> {
            Expr::new(span, ExprNode::Var(path.to_owned()))
        }
    }

    struct Values;

    impl Env for Values {
        fn get(&self, path: &str) -> Option<Val> {
            match path {
                "torrent.last" => Some(Val::Int(1026)),
                "target.allowed_fast" => Some(Val::ints([3, 5])),
                "target.has" => Some(Val::ints([3, 4, 5, 9])),
                _ => None,
            }
        }
    }

    fn compile(text: &str) -> Result<Expr, ScenarioError> {
        let span = Span {
            file: Arc::new(SourceFile::new("x.yaml", text)),
            line: 1,
            col: 1,
            len: 1,
        };
        parse(text, &span, &Any)
    }

    #[track_caller]
    fn value(text: &str) -> String {
        match compile(text).and_then(|expr| expr.eval(&Values)) {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn computes() {
        assert_eq!(value("1 + 2 * 3"), "7");
        assert_eq!(value("(1 + 2) * 3 % 4"), "1");
        assert_eq!(value("10 - 3 - 2"), "5");
        assert_eq!(value("0xff / 16"), "15");
        assert_eq!(value("1_000"), "1000");
        assert_eq!(value("$torrent.last in $target.allowed_fast"), "false");
        assert_eq!(value("min(target.has - target.allowed_fast)"), "4");
        assert_eq!(value("max(1, 5, 2)"), "5");
        assert_eq!(value("len($target.has + [1])"), "5");
        assert_eq!(
            value("1 < 2 ? ['fast', 'extended'] : []"),
            "[fast, extended]"
        );
        assert_eq!(value("1 == 2 ? 1 : 2 == 2 ? 3 : 4"), "3");
        assert_eq!(value("!false && true || false"), "true");
        assert_eq!(value("range(0, 5, 2)"), "[0, 2, 4]");
        assert_eq!(value("'fast' in ['fast']"), "true");
        assert_eq!(value("x'00ff' + x'01'"), "00ff01");
        assert_eq!(value("x'61' == 'a'"), "true");
        assert_eq!(value("18446744073709551615"), "18446744073709551615");
    }

    #[test]
    fn operations_are_checked() {
        assert_eq!(
            value("18446744073709551615 + 1"),
            "x.yaml:1:22: 18446744073709551615 + 1 is outside of 0 to 2^64 - 1"
        );
        assert_eq!(
            value("1 - 2"),
            "x.yaml:1:3: 1 - 2 is outside of 0 to 2^64 - 1"
        );
        assert_eq!(value("1 / 0"), "x.yaml:1:3: division by zero");
        assert_eq!(value("1 % 0"), "x.yaml:1:3: division by zero");
        assert_eq!(
            value("1 + true"),
            "x.yaml:1:3: `+` is not made for a number and true or false"
        );
        assert_eq!(
            value("range(0, 99999999999)"),
            "x.yaml:1:1: list of more than 131072 entries"
        );
        assert_eq!(
            value("$nothing"),
            "x.yaml:1:1: `$nothing` has no value here"
        );
    }

    #[test]
    fn mistakes_point_at_their_place() {
        assert_eq!(value("1 +"), "x.yaml:1:4: the expression ends too early");
        assert_eq!(value("1 2"), "x.yaml:1:3: unexpected `2`");
        assert_eq!(value("(1"), "x.yaml:1:3: the expression ends too early");
        assert_eq!(value("'a"), "x.yaml:1:1: text without its end");
        assert_eq!(
            value("a ; b"),
            "x.yaml:1:3: `;` is not part of an expression"
        );
        assert_eq!(value("mni(1)"), "x.yaml:1:1: unknown function `mni`");
        assert_eq!(
            value("len(1, 2)"),
            "x.yaml:1:1: `len` does not take 2 arguments"
        );
        assert_eq!(
            value("99999999999999999999"),
            "x.yaml:1:1: `99999999999999999999` is no number"
        );
        assert_eq!(value("12ab"), "x.yaml:1:1: `12ab` is no number");
        assert_eq!(value(""), "x.yaml:1:1: the expression ends too early");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}1{}", "(".repeat(40), ")".repeat(40));
        assert!(
            compile(&deep)
                .unwrap_err()
                .message
                .contains("deeper than 32")
        );
        let deep = format!("{}true", "!".repeat(40));
        assert!(
            compile(&deep)
                .unwrap_err()
                .message
                .contains("deeper than 32")
        );
        let long = "1+".repeat(40) + "1";
        assert!(
            compile(&long)
                .unwrap_err()
                .message
                .contains("deeper than 32")
        );
    }
}
