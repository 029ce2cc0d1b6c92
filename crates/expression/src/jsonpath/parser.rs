//! The grammar of the dialect.
//!
//! Upstream generates an LALR parser from an ambiguous grammar whose conflicts precedence settles. The
//! same language comes out of climbing precedence with these binding strengths:
//!
//! | strength | operators |
//! |---|---|
//! | 0 | the right-hand side of `+ - *`, where everything that follows belongs to it |
//! | 1, 2 | `+ -`, `*` |
//! | 4 to 8 | `..`, `.`, `\|`, `&`, `where`, each left associative |
//!
//! The arithmetic operators do not really have the strength of their line: a rule that ends in an operand
//! has none, so whatever follows is taken into the right-hand side (`a - b - c` is `a - (b - c)`, and
//! `a * b + c` is `a * (b + c)`). Brackets have strength 0: `a|b[0]` is `(a|b)[0]`.

use std::sync::{Arc, LazyLock};

use fancy_regex::Regex;
use model::Value;

use super::ast::{Comparison, Condition, Expr, Operand, Operator, OrderOperator, SortKey, Split};
use super::lexer::{Located, Token, tokens};
use super::{MAX_NESTING, ParseError};
use crate::number;
use crate::pattern::{Pattern, Substitution};

/// Parses a path.
pub(super) fn parse(path: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser { path, tokens: tokens(path)?, place: 0, nesting: 0 };
    let expr = parser.expression(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.unexpected("the end of the path")),
    }
}

/// A path that is being parsed.
struct Parser<'a> {
    path: &'a str,
    tokens: Vec<Located>,
    place: usize,
    nesting: usize,
}

/// What stands in parentheses at the start of a condition.
enum Parenthesised {
    Path(Expr),
    Conditions(Vec<Condition>),
}

fn binary_strength(token: &Token) -> Option<u8> {
    Some(match token {
        Token::Sign('+' | '-') => 1,
        Token::Sign('*') => 2,
        Token::DoubleDot => 4,
        Token::Sign('.') => 5,
        Token::Sign('|') => 6,
        Token::Sign('&') => 7,
        Token::Where => 8,
        _ => return None,
    })
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.place).map(|located| &located.token)
    }

    fn peek_second(&self) -> Option<&Token> {
        self.tokens.get(self.place + 1).map(|located| &located.token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.place).map(|located| located.token.clone());
        self.place += 1;
        token
    }

    fn column(&self) -> usize {
        match self.tokens.get(self.place) {
            Some(located) => located.column,
            None => self.path.chars().count() + 1,
        }
    }

    fn fail(&self, column: usize, problem: impl Into<String>) -> ParseError {
        ParseError { column, problem: problem.into(), path: self.path.to_owned() }
    }

    fn unexpected(&self, expected: &str) -> ParseError {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Id(name)) => format!("{name:?}"),
            Some(Token::Number(digits)) => digits.clone(),
            Some(Token::Float(number)) => number.to_string(),
            Some(Token::Bool(truth)) => truth.to_string(),
            Some(Token::Operator(name)) => format!("`{name}`"),
            Some(Token::Where) => "the word where (quote it if it is a name)".to_owned(),
            Some(Token::DoubleDot) => "..".to_owned(),
            Some(Token::Comparison(operator)) => (*operator).to_owned(),
            Some(Token::Sort { descending }) => if *descending { "\\" } else { "/" }.to_owned(),
            Some(Token::Sign(sign)) => sign.to_string(),
        };
        self.fail(self.column(), format!("expected {expected}, found {found}"))
    }

    fn expect(&mut self, sign: char) -> Result<(), ParseError> {
        if self.peek() == Some(&Token::Sign(sign)) {
            self.place += 1;
            return Ok(());
        }
        Err(self.unexpected(&sign.to_string()))
    }

    fn nest<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, ParseError>) -> Result<T, ParseError> {
        if self.nesting >= MAX_NESTING {
            return Err(self.fail(self.column(), format!("nested deeper than {MAX_NESTING} levels")));
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    /// A path in which only operators stronger than `strength` are taken.
    fn expression(&mut self, strength: u8) -> Result<Expr, ParseError> {
        self.nest(|parser| {
            let first = parser.primary()?;
            parser.continued(first, strength)
        })
    }

    /// What follows a complete path `left`.
    fn continued(&mut self, mut left: Expr, strength: u8) -> Result<Expr, ParseError> {
        loop {
            let Some(token) = self.peek() else { return Ok(left) };
            if *token == Token::Sign('[') {
                if strength > 0 {
                    return Ok(left);
                }
                self.place += 1;
                let step = self.bracket(true)?;
                left = chain(left, step);
                continue;
            }
            let Some(binding) = binary_strength(token) else { return Ok(left) };
            if binding <= strength {
                return Ok(left);
            }
            let operator = token.clone();
            self.place += 1;
            left = match operator {
                Token::DoubleDot => Expr::Descendants(Box::new(left), Box::new(self.expression(binding)?)),
                Token::Where => Expr::Where(Box::new(left), Box::new(self.expression(binding)?)),
                Token::Sign('.') => chain(left, self.expression(binding)?),
                Token::Sign('|') => {
                    let right = self.expression(binding)?;
                    match left {
                        Expr::Union(mut list) => {
                            list.push(right);
                            Expr::Union(list)
                        }
                        left => Expr::Union(vec![left, right]),
                    }
                }
                Token::Sign('&') => {
                    self.expression(binding)?;
                    Expr::Intersect
                }
                Token::Sign(sign) => {
                    let right = self.right_operand()?;
                    Expr::Operation(Box::new(as_operand(left)), operator_of(sign), Box::new(right))
                }
                _ => return Err(self.unexpected("an operator")),
            };
        }
    }

    /// The right-hand side of an operator: a number unless another operator follows it, or a path.
    fn right_operand(&mut self) -> Result<Operand, ParseError> {
        if !matches!(self.peek_second(), Some(Token::Sign('+' | '-' | '*'))) {
            let literal = self.literal_number()?;
            if let Some(literal) = literal {
                return Ok(Operand::Literal(literal));
            }
        }
        self.expression(0).map(as_operand)
    }

    /// A number, if one comes next.
    fn literal_number(&mut self) -> Result<Option<Value>, ParseError> {
        let value = match self.peek() {
            Some(Token::Number(digits)) => match number::parse_decimal(digits) {
                Some(value) => value,
                None => return Err(self.fail(self.column(), "the number is too long")),
            },
            Some(Token::Float(number)) => Value::Float(*number),
            _ => return Ok(None),
        };
        self.place += 1;
        Ok(Some(value))
    }

    fn primary(&mut self) -> Result<Expr, ParseError> {
        let column = self.column();
        match self.peek() {
            Some(Token::Id(_)) => Ok(fields(self.names()?)),
            Some(Token::Number(_) | Token::Float(_)) => self.literal_operation(),
            Some(Token::Operator(_)) => {
                let Some(Token::Operator(name)) = self.next() else {
                    return Err(self.unexpected("a named operator"));
                };
                self.named_operator(&name, column)
            }
            Some(Token::Sign('*')) => {
                self.place += 1;
                Ok(Expr::AnyField)
            }
            Some(Token::Sign('$')) => {
                self.place += 1;
                Ok(Expr::Root)
            }
            Some(Token::Sign('@')) => {
                self.place += 1;
                Ok(Expr::This)
            }
            Some(Token::Sign('(')) => {
                self.place += 1;
                let inner = self.expression(0)?;
                self.expect(')')?;
                Ok(inner)
            }
            Some(Token::Sign('[')) => {
                self.place += 1;
                self.bracket(false)
            }
            _ => Err(self.unexpected("a path")),
        }
    }

    /// `1 + a`: a number is only a path together with an operator.
    fn literal_operation(&mut self) -> Result<Expr, ParseError> {
        let float = matches!(self.peek(), Some(Token::Float(_)));
        let left = self.literal_number()?.unwrap_or_default();
        let operator = match self.peek() {
            Some(Token::Sign(sign @ ('+' | '-' | '*'))) => operator_of(*sign),
            _ => return Err(self.unexpected("an operator after the number")),
        };
        self.place += 1;
        // Of two numbers alone both must be integers or both floats: the grammar has no mixed rule.
        let mixed =
            matches!((self.peek(), float), (Some(Token::Number(_)), true) | (Some(Token::Float(_)), false));
        let right = if mixed { as_operand(self.expression(0)?) } else { self.right_operand()? };
        Ok(Expr::Operation(Box::new(Operand::Literal(left)), operator, Box::new(right)))
    }

    /// Names separated by commas.
    fn names(&mut self) -> Result<Vec<Arc<str>>, ParseError> {
        let mut names = Vec::new();
        loop {
            match self.peek() {
                Some(Token::Id(name)) => names.push(Arc::from(name.as_str())),
                _ => return Err(self.unexpected("a name")),
            }
            self.place += 1;
            if self.peek() != Some(&Token::Sign(',')) {
                return Ok(names);
            }
            self.place += 1;
        }
    }

    /// What follows an opening bracket, up to the closing one.
    fn bracket(&mut self, after_path: bool) -> Result<Expr, ParseError> {
        let step = match self.peek() {
            Some(Token::Id(_)) => fields(self.names()?),
            Some(Token::Sign('*')) => {
                self.place += 1;
                Expr::Slice(None, None)
            }
            Some(Token::Number(_) | Token::Sign(':')) => self.index_or_slice()?,
            Some(Token::Sign('?')) if after_path => {
                self.place += 1;
                Expr::Filter(self.conditions()?)
            }
            Some(Token::Sort { .. }) if after_path => {
                let mut keys = Vec::new();
                while let Some(&Token::Sort { descending }) = self.peek() {
                    self.place += 1;
                    keys.push(SortKey { field: self.expression(0)?, descending });
                }
                Expr::Sort(keys)
            }
            _ => return Err(self.unexpected("an index, a slice, a name, a filter or a sort direction")),
        };
        self.expect(']')?;
        Ok(step)
    }

    fn integer(&mut self) -> Option<i64> {
        let Some(Token::Number(digits)) = self.peek() else { return None };
        // No list is as long as 2⁶³, so a larger number finds what the largest finds: nothing.
        let bound = if digits.starts_with('-') { i64::MIN } else { i64::MAX };
        let number = digits.parse().unwrap_or(bound);
        self.place += 1;
        Some(number)
    }

    fn index_or_slice(&mut self) -> Result<Expr, ParseError> {
        let start = self.integer();
        if let (Some(index), false) = (start, self.peek() == Some(&Token::Sign(':'))) {
            return Ok(Expr::Index(index));
        }
        self.expect(':')?;
        let end = self.integer();
        Ok(Expr::Slice(start, end))
    }

    /// Conditions joined by `&`.
    fn conditions(&mut self) -> Result<Vec<Condition>, ParseError> {
        let mut all = Vec::new();
        loop {
            if self.peek() == Some(&Token::Sign('(')) {
                match self.nest(Self::parenthesised)? {
                    Parenthesised::Path(path) => {
                        let target = self.continued(path, 0)?;
                        all.push(self.condition(target)?);
                    }
                    Parenthesised::Conditions(inner) => all.extend(inner),
                }
            } else {
                let target = self.expression(0)?;
                all.push(self.condition(target)?);
            }
            if self.peek() != Some(&Token::Sign('&')) {
                return Ok(all);
            }
            self.place += 1;
        }
    }

    /// Parentheses around a path belong to the path, around comparisons to the filter.
    fn parenthesised(&mut self) -> Result<Parenthesised, ParseError> {
        self.expect('(')?;
        let mut inner = self.conditions()?;
        self.expect(')')?;
        if inner.len() == 1
            && let Some(Condition { target, comparison: None, .. }) =
                inner.pop_if(|only| only.comparison.is_none())
        {
            return Ok(Parenthesised::Path(target));
        }
        Ok(Parenthesised::Conditions(inner))
    }

    fn condition(&mut self, target: Expr) -> Result<Condition, ParseError> {
        let Some(&Token::Comparison(operator)) = self.peek() else {
            return Ok(Condition { target, plain: None, comparison: None });
        };
        self.place += 1;
        let constant = match self.peek() {
            Some(Token::Id(text)) => Value::from(text.as_str()),
            Some(Token::Bool(truth)) => Value::Bool(*truth),
            Some(Token::Float(_) | Token::Number(_)) => {
                let constant = self.literal_number()?.unwrap_or_default();
                return Ok(Condition::comparing(target, comparison(operator, constant)));
            }
            _ => return Err(self.unexpected("a word, a number or a boolean to compare with")),
        };
        self.place += 1;
        Ok(Condition::comparing(target, comparison(operator, constant)))
    }

    fn named_operator(&self, name: &str, column: usize) -> Result<Expr, ParseError> {
        match name {
            "this" => return Ok(Expr::This),
            "parent" => return Ok(Expr::Parent),
            "len" => return Ok(Expr::Len),
            "sorted" => return Ok(Expr::Sort(Vec::new())),
            _ => {}
        }
        if name.starts_with("split(") {
            return match parse_split(name) {
                Some(split) => Ok(Expr::Split(split)),
                None => Err(self.fail(
                    column,
                    "split takes one separator character, a segment and a maximum, with blanks after the commas: \
                     `split(-, 0, -1)`",
                )),
            };
        }
        if name.starts_with("sub(") {
            let Some((regex, replacement)) = sub_parameters(name) else {
                let problem = "sub takes a pattern in slashes and a replacement: `sub(/a+/, b)`";
                return Err(self.fail(column, problem));
            };
            return match Substitution::new(&regex, &replacement) {
                Ok(substitution) => Ok(Expr::Sub(Box::new(substitution))),
                Err(error) => Err(self.fail(column, error.to_string())),
            };
        }
        let problem =
            format!("unknown operator `{name}`: there are this, parent, len, sorted, split and sub");
        Err(self.fail(column, problem))
    }
}

fn operator_of(sign: char) -> Operator {
    match sign {
        '+' => Operator::Add,
        '-' => Operator::Subtract,
        _ => Operator::Multiply,
    }
}

/// Names as a step; a quoted `*` is as good as a bare one.
fn fields(names: Vec<Arc<str>>) -> Expr {
    if names.iter().any(|name| &**name == "*") { Expr::AnyField } else { Expr::Fields(names) }
}

/// A path of a single name is a text here: a field can be written in full (`$.name`), a text cannot.
fn as_operand(expr: Expr) -> Operand {
    match expr {
        Expr::Fields(names) => match names.as_slice() {
            [name] => Operand::Literal(Value::from(&**name)),
            _ => Operand::Path(Expr::Fields(names)),
        },
        Expr::AnyField => Operand::Literal(Value::from("*")),
        expr => Operand::Path(expr),
    }
}

fn chain(left: Expr, right: Expr) -> Expr {
    let mut steps = match left {
        Expr::Chain(steps) => steps,
        left => vec![left],
    };
    match right {
        Expr::Chain(more) => steps.extend(more),
        right => steps.push(right),
    }
    Expr::Chain(steps)
}

fn comparison(operator: &str, constant: Value) -> Comparison {
    let order = match operator {
        "=" | "==" => OrderOperator::Equal,
        "!=" => OrderOperator::NotEqual,
        "<" => OrderOperator::Less,
        "<=" => OrderOperator::LessOrEqual,
        ">" => OrderOperator::Greater,
        ">=" => OrderOperator::GreaterOrEqual,
        _ => return Comparison::Regex(constant.as_str().and_then(|text| Pattern::new(text).ok())),
    };
    Comparison::Order(order, constant)
}

fn parse_split(text: &str) -> Option<Split> {
    let mut characters = text.strip_prefix("split(")?.chars();
    let separator = characters.next().filter(|&character| character != '\n')?;
    let rest = blanks(characters.as_str().strip_prefix(',')?)?;
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (segment, rest) = rest.split_at(digits(rest));
    let rest = blanks(rest.strip_prefix(',')?)?;
    let (max_split, rest) = if let Some(rest) = rest.strip_prefix("-1") {
        (None, rest)
    } else {
        let (max_split, rest) = rest.split_at(digits(rest));
        if max_split.is_empty() {
            return None;
        }
        (Some(max_split.parse().unwrap_or(usize::MAX)), rest)
    };
    // Whatever follows the parenthesis is ignored, as upstream does.
    rest.strip_prefix(')')?;
    if segment.is_empty() {
        return None;
    }
    Some(Split { separator, segment: segment.parse().unwrap_or(usize::MAX), most: max_split })
}

/// The text after at least one blank.
fn blanks(text: &str) -> Option<&str> {
    let rest = text.trim_start();
    (rest.len() < text.len()).then_some(rest)
}

/// The pattern and the replacement of a `sub(/pattern/, replacement)`.
fn sub_parameters(text: &str) -> Option<(String, String)> {
    static SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\Asub\(/(.*)/,\s+(.*)\)").ok());
    let captures = SHAPE.as_ref()?.captures(text).ok()??;
    let part = |group: usize| captures.get(group).map(|part| part.as_str().trim().to_owned());
    Some((part(1)?, part(2)?))
}
