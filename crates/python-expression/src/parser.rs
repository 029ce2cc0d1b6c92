//! From tokens to an expression: a Pratt parser.

mod display;
mod format;

use std::sync::Arc;

use crate::ast::{
    Argument, ArgumentKind, Binary, Choice, Comparison, Expr, Kind, Lambda, Literal, Place, Unary,
};
use crate::error::Fault;
use crate::lexer::{Token, TokenKind, tokens};
use crate::limits::{MAX_HEIGHT, MAX_TEXT_BYTES};
use crate::methods::Method;

/// How strongly operators bind, from the weakest.
const ANY: u8 = 0;
const CHOICE: u8 = 1;
const OR: u8 = 2;
const AND: u8 = 3;
const NOT: u8 = 4;
const COMPARISON: u8 = 5;
const UNARY: u8 = 12;
const POWER: u8 = 13;

/// Words that are no names.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Reads an expression; names are not looked up yet.
pub(crate) fn parse(text: &str) -> Result<Expr, Fault> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Fault::new(0, format!("an expression has {MAX_TEXT_BYTES} bytes at most")));
    }
    let mut parser = Parser::new(text, 0, text.len(), false, 0)?;
    let root = parser.whole()?;
    parser.end()?;
    Ok(root)
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    next: usize,
    /// How deeply `parse` is nested.
    depth: usize,
    /// The end of the text.
    end: usize,
}

/// A part that is one higher than its highest part.
fn node(kind: Kind, at: usize, inner: usize) -> Result<Expr, Fault> {
    let height = inner + 1;
    if height > MAX_HEIGHT { Err(too_high(at)) } else { Ok(Expr { kind, at, height }) }
}

fn too_high(at: usize) -> Fault {
    Fault::new(at, format!("the parts of the expression are nested deeper than {MAX_HEIGHT} levels"))
}

impl<'t> Parser<'t> {
    /// Of the bytes from `start` to `end`; `is_inside` brackets, at this depth.
    fn new(text: &'t str, start: usize, end: usize, is_inside: bool, depth: usize) -> Result<Self, Fault> {
        Ok(Self { text, tokens: tokens(text, start, end, is_inside)?, next: 0, depth, end })
    }

    fn kind(&self) -> &TokenKind<'t> {
        self.ahead(0)
    }

    fn ahead(&self, count: usize) -> &TokenKind<'t> {
        self.tokens.get(self.next + count).map_or(&TokenKind::End, |token| &token.kind)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |token| token.at)
    }

    fn is_operator(&self, text: &str) -> bool {
        matches!(self.kind(), TokenKind::Operator(own) if *own == text)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), TokenKind::Name(own) if *own == word)
    }

    fn take_operator(&mut self, text: &str) -> bool {
        let is_there = self.is_operator(text);
        self.next += usize::from(is_there);
        is_there
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.is_word(word);
        self.next += usize::from(is_there);
        is_there
    }

    fn expect_operator(&mut self, text: &str) -> Result<(), Fault> {
        if self.take_operator(text) { Ok(()) } else { Err(self.unexpected(&format!("{text} is missing"))) }
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Fault> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected(&format!("{word} is missing"))) }
    }

    fn unexpected(&self, what: &str) -> Fault {
        let found = match self.kind() {
            TokenKind::End => "the end".to_owned(),
            TokenKind::Name(name) => (*name).to_owned(),
            TokenKind::Operator(operator) => (*operator).to_owned(),
            TokenKind::Number(_) => "a number".to_owned(),
            TokenKind::Text(_) | TokenKind::Format { .. } => "a text".to_owned(),
        };
        let fault = Fault::new(self.at(), format!("{what} before {found}"));
        match found.as_str() {
            ":=" => fault.hint("assignments are not supported"),
            "=" => fault.hint("write == to compare"),
            _ => fault,
        }
    }

    fn end(&self) -> Result<(), Fault> {
        match self.kind() {
            TokenKind::End => Ok(()),
            _ => Err(self.unexpected("an operator is missing")),
        }
    }

    /// An expression, or several with commas, which are a tuple.
    fn whole(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        if matches!(self.kind(), TokenKind::End) {
            return Err(Fault::new(at, "the expression is empty"));
        }
        let first = self.item()?;
        self.tuple_from(at, first)
    }

    /// An expression that binds at least as strongly as `least`.
    fn parse(&mut self, least: u8) -> Result<Expr, Fault> {
        self.depth += 1;
        if self.depth > MAX_HEIGHT {
            return Err(too_high(self.at()));
        }
        let mut left = self.prefix(least)?;
        while let Some(strength) = self.infix().filter(|strength| *strength >= least) {
            left = self.with_right(left, strength)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    /// How strongly the operator that comes next binds, if one does.
    fn infix(&self) -> Option<u8> {
        Some(match self.kind() {
            TokenKind::Name(name) => match *name {
                "if" => CHOICE,
                "or" => OR,
                "and" => AND,
                "in" | "is" => COMPARISON,
                "not" if matches!(self.ahead(1), TokenKind::Name("in")) => COMPARISON,
                _ => return None,
            },
            TokenKind::Operator(operator) => match *operator {
                "==" | "!=" | "<" | "<=" | ">" | ">=" => COMPARISON,
                other => binary(other)?.0,
            },
            _ => return None,
        })
    }

    fn with_right(&mut self, left: Expr, strength: u8) -> Result<Expr, Fault> {
        let at = left.at;
        match strength {
            CHOICE => {
                self.next += 1;
                let condition = self.parse(OR)?;
                self.expect_word("else")?;
                let otherwise = self.parse(CHOICE)?;
                let inner = left.height.max(condition.height).max(otherwise.height);
                node(Kind::If(Box::new(Choice { then: left, condition, otherwise })), at, inner)
            }
            OR | AND => {
                self.next += 1;
                let right = self.parse(strength + 1)?;
                let inner = left.height.max(right.height);
                let (left, right) = (Box::new(left), Box::new(right));
                node(if strength == OR { Kind::Or(left, right) } else { Kind::And(left, right) }, at, inner)
            }
            COMPARISON => self.comparison(left),
            _ => {
                let TokenKind::Operator(operator) = *self.kind() else { return Ok(left) };
                let Some((_, operator)) = binary(operator) else { return Ok(left) };
                self.next += 1;
                // A power's right side may have a sign, and binds to the right.
                let right = self.parse(if strength == POWER { UNARY } else { strength + 1 })?;
                let inner = left.height.max(right.height);
                node(Kind::Binary(operator, Box::new(left), Box::new(right)), at, inner)
            }
        }
    }

    fn comparison(&mut self, left: Expr) -> Result<Expr, Fault> {
        let (at, mut inner) = (left.at, left.height);
        let mut links = Vec::new();
        while self.infix() == Some(COMPARISON) {
            let operator = match *self.kind() {
                TokenKind::Operator("==") => Comparison::Equal,
                TokenKind::Operator("!=") => Comparison::NotEqual,
                TokenKind::Operator("<") => Comparison::Less,
                TokenKind::Operator("<=") => Comparison::LessEqual,
                TokenKind::Operator(">") => Comparison::Greater,
                TokenKind::Operator(_) => Comparison::GreaterEqual,
                TokenKind::Name("not") => Comparison::NotIn,
                TokenKind::Name("is") if matches!(self.ahead(1), TokenKind::Name("not")) => Comparison::IsNot,
                TokenKind::Name("is") => Comparison::Is,
                _ => Comparison::In,
            };
            self.next += if matches!(operator, Comparison::NotIn | Comparison::IsNot) { 2 } else { 1 };
            let right = self.parse(COMPARISON + 1)?;
            inner = inner.max(right.height);
            links.push((operator, right));
        }
        node(Kind::Compare(Box::new(left), links), at, inner)
    }

    fn prefix(&mut self, least: u8) -> Result<Expr, Fault> {
        let at = self.at();
        let unary = match self.kind() {
            TokenKind::Name("not") if least <= NOT => {
                self.next += 1;
                let inner = self.parse(NOT)?;
                let height = inner.height;
                return node(Kind::Not(Box::new(inner)), at, height);
            }
            TokenKind::Name("lambda") if least <= CHOICE => return self.lambda(),
            TokenKind::Operator("-") => Unary::Minus,
            TokenKind::Operator("+") => Unary::Plus,
            TokenKind::Operator("~") => Unary::Invert,
            _ => return self.postfix(),
        };
        if least > UNARY {
            return Err(self.unexpected("a value is missing"));
        }
        self.next += 1;
        let inner = self.parse(UNARY)?;
        let height = inner.height;
        node(Kind::Unary(unary, Box::new(inner)), at, height)
    }

    fn lambda(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        self.next += 1;
        let mut parameters: Vec<(Arc<str>, Option<Expr>)> = Vec::new();
        let mut inner = 0;
        while !self.is_operator(":") {
            if self.is_operator("*") || self.is_operator("**") || self.is_operator("/") {
                return Err(Fault::new(
                    self.at(),
                    "a lambda's parameters are names, with or without a default",
                ));
            }
            let name = self.name()?;
            if parameters.iter().any(|(known, _)| **known == *name) {
                return Err(Fault::new(at, format!("the lambda has two parameters {name}")));
            }
            let default = if self.take_operator("=") { Some(self.parse(CHOICE)?) } else { None };
            if default.is_none() && parameters.last().is_some_and(|(_, default)| default.is_some()) {
                return Err(Fault::new(at, format!("the parameter {name} needs a default as well")));
            }
            inner = inner.max(default.as_ref().map_or(0, |default| default.height));
            parameters.push((name.into(), default));
            if !self.take_operator(",") {
                break;
            }
        }
        self.expect_operator(":")?;
        let body = self.parse(CHOICE)?;
        let inner = inner.max(body.height);
        node(Kind::Lambda(Arc::new(Lambda { parameters, body })), at, inner)
    }

    fn name(&mut self) -> Result<&'t str, Fault> {
        match *self.kind() {
            TokenKind::Name(name) if !KEYWORDS.contains(&name) => {
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.unexpected("a name is missing")),
        }
    }

    fn postfix(&mut self) -> Result<Expr, Fault> {
        let mut value = self.atom()?;
        loop {
            let at = value.at;
            let inner = value.height;
            value = match *self.kind() {
                TokenKind::Operator(".") => {
                    self.next += 1;
                    let place = self.at();
                    let name = self.name()?;
                    let method = Method::named(name).ok_or_else(|| unknown_attribute(place, name))?;
                    node(Kind::Attribute(Box::new(value), method), at, inner)?
                }
                TokenKind::Operator("[") => self.subscript(value)?,
                TokenKind::Operator("(") => {
                    self.next += 1;
                    let (arguments, highest) = self.arguments()?;
                    node(Kind::Call(Box::new(value), arguments), at, inner.max(highest))?
                }
                _ => return Ok(value),
            };
        }
    }

    fn subscript(&mut self, value: Expr) -> Result<Expr, Fault> {
        let at = value.at;
        self.next += 1;
        let place = self.at();
        let start = if self.is_operator(":") { None } else { Some(self.parse(CHOICE)?) };
        if !self.is_operator(":") {
            let Some(index) = start else { return Err(self.unexpected("an index is missing")) };
            let index = self.tuple_from(place, index)?;
            self.expect_operator("]")?;
            let inner = value.height.max(index.height);
            return node(Kind::Index(Box::new(value), Box::new(index)), at, inner);
        }
        let mut parts = [start, None, None];
        for part in parts.iter_mut().skip(1) {
            if !self.take_operator(":") {
                break;
            }
            if !self.is_operator(":") && !self.is_operator("]") {
                *part = Some(self.parse(CHOICE)?);
            }
        }
        self.expect_operator("]")?;
        let inner = parts.iter().flatten().map(|part| part.height).max().unwrap_or(0).max(value.height);
        node(Kind::Slice(Box::new(value), Box::new(parts)), at, inner)
    }

    /// The arguments of a call, with the closing parenthesis; and the height of the highest.
    fn arguments(&mut self) -> Result<(Vec<Argument>, usize), Fault> {
        let mut arguments: Vec<Argument> = Vec::new();
        let mut highest = 0;
        while !self.take_operator(")") {
            let at = self.at();
            let kind = match (self.kind(), self.ahead(1)) {
                (TokenKind::Operator("*"), _) => {
                    self.next += 1;
                    ArgumentKind::Starred
                }
                (TokenKind::Operator("**"), _) => {
                    return Err(
                        Fault::new(at, "** in a call is not supported").hint("write the arguments out")
                    );
                }
                (TokenKind::Name(_), TokenKind::Operator("=")) => {
                    let name = self.name()?;
                    self.next += 1;
                    ArgumentKind::Named(name.into())
                }
                _ => ArgumentKind::Plain,
            };
            let is_repeated =
                matches!(kind, ArgumentKind::Named(_)) && arguments.iter().any(|known| known.kind == kind);
            if is_repeated {
                return Err(Fault::new(at, "an argument is given twice"));
            }
            let is_behind = kind == ArgumentKind::Plain
                && arguments.iter().any(|known| matches!(known.kind, ArgumentKind::Named(_)));
            if is_behind {
                return Err(Fault::new(at, "an argument without a name stands before those with names"));
            }
            let mut value = self.parse(CHOICE)?;
            if kind == ArgumentKind::Plain && self.is_word("for") {
                if !arguments.is_empty() {
                    return Err(Fault::new(at, "a generator beside other arguments needs parentheses"));
                }
                value = self.comprehension(crate::ast::Form::Generator, value, None, at)?;
                self.take_operator(",");
                if !self.is_operator(")") {
                    return Err(Fault::new(at, "a generator beside other arguments needs parentheses"));
                }
                self.next += 1;
                highest = value.height;
                arguments.push(Argument { kind, value });
                return Ok((arguments, highest));
            }
            highest = highest.max(value.height);
            arguments.push(Argument { kind, value });
            if !self.take_operator(",") {
                self.expect_operator(")")?;
                break;
            }
        }
        Ok((arguments, highest))
    }

    fn atom(&mut self) -> Result<Expr, Fault> {
        let at = self.at();
        let literal = match self.kind().clone() {
            TokenKind::Number(number) => {
                self.next += 1;
                number
            }
            TokenKind::Text(_) | TokenKind::Format { .. } => return self.texts(),
            TokenKind::Name("None") => self.word(Literal::None),
            TokenKind::Name("True") => self.word(Literal::Bool(true)),
            TokenKind::Name("False") => self.word(Literal::Bool(false)),
            TokenKind::Name(word @ ("await" | "yield" | "async")) => {
                return Err(Fault::new(at, format!("{word} is not supported")));
            }
            TokenKind::Name(name) if !KEYWORDS.contains(&name) => {
                self.next += 1;
                return node(Kind::Name { name: name.to_owned(), place: Place::Unknown }, at, 0);
            }
            TokenKind::Operator("(") => return self.parenthesised(),
            TokenKind::Operator("[") => return self.list(),
            TokenKind::Operator("{") => return self.braces(),
            TokenKind::Operator("...") => return Err(Fault::new(at, "... is not supported")),
            _ => return Err(self.unexpected("a value is missing")),
        };
        node(Kind::Literal(literal), at, 0)
    }

    fn word(&mut self, literal: Literal) -> Literal {
        self.next += 1;
        literal
    }
}

fn unknown_attribute(at: usize, name: &str) -> Fault {
    let fault = Fault::new(at, format!("the attribute {name} is not supported"));
    if name.starts_with('_') {
        return fault.hint("only methods that change nothing are");
    }
    fault.hint(format!("the methods are {}", Method::names().join(", ")))
}

/// Strength and meaning of a binary operator.
fn binary(operator: &str) -> Option<(u8, Binary)> {
    Some(match operator {
        "|" => (6, Binary::BitOr),
        "^" => (7, Binary::BitXor),
        "&" => (8, Binary::BitAnd),
        "<<" => (9, Binary::ShiftLeft),
        ">>" => (9, Binary::ShiftRight),
        "+" => (10, Binary::Add),
        "-" => (10, Binary::Subtract),
        "*" => (11, Binary::Multiply),
        "/" => (11, Binary::Divide),
        "//" => (11, Binary::FloorDivide),
        "%" => (11, Binary::Modulo),
        "**" => (POWER, Binary::Power),
        _ => return None,
    })
}
