//! What an expression is made of.

use std::sync::Arc;

use num_bigint::BigInt;

use crate::builtins::Builtin;
use crate::methods::Method;
use crate::value::Type;

/// A part of an expression.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) kind: Kind,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
    /// One more than that of its highest part.
    pub(crate) height: usize,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Literal(Literal),
    Name { name: String, place: Place },
    Display(Sequence, Vec<Item>),
    Dict(Vec<Entry>),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    If(Box<Choice>),
    Index(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Box<[Option<Expr>; 3]>),
    Attribute(Box<Expr>, Method),
    Call(Box<Expr>, Vec<Argument>),
    Lambda(Arc<Lambda>),
    Comprehension(Arc<Comprehension>),
    Format(Vec<Piece>),
}

#[derive(Debug, Clone)]
pub(crate) enum Literal {
    None,
    Bool(bool),
    Int(i64),
    Big(BigInt),
    Float(f64),
    Str(Arc<str>),
}

/// What a name means.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// Not looked up yet.
    Unknown,
    /// The variable that was bound so many bindings before the last.
    Local(usize),
    Builtin(Builtin),
    Type(Type),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequence {
    List,
    Tuple,
    Set,
}

/// A part of a display; a starred one is unpacked.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) value: Expr,
    pub(crate) is_starred: bool,
}

#[derive(Debug)]
pub(crate) enum Entry {
    Pair(Expr, Expr),
    Spread(Expr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unary {
    Plus,
    Minus,
    Invert,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
}

impl Binary {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Modulo => "%",
            Self::Power => "** or pow()",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "^",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
    Is,
    IsNot,
}

impl Comparison {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::NotIn => "not in",
            Self::Is => "is",
            Self::IsNot => "is not",
        }
    }
}

/// `then if condition else otherwise`.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) then: Expr,
    pub(crate) condition: Expr,
    pub(crate) otherwise: Expr,
}

#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) kind: ArgumentKind,
    pub(crate) value: Expr,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ArgumentKind {
    Plain,
    Named(Arc<str>),
    Starred,
}

#[derive(Debug)]
pub(crate) struct Lambda {
    /// The parameters, with their defaults.
    pub(crate) parameters: Vec<(Arc<str>, Option<Expr>)>,
    pub(crate) body: Expr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    List,
    Set,
    Dict,
    Generator,
}

#[derive(Debug)]
pub(crate) struct Comprehension {
    pub(crate) form: Form,
    /// The element, or the key of a dict's.
    pub(crate) element: Expr,
    /// The value of a dict's.
    pub(crate) value: Option<Expr>,
    pub(crate) clauses: Vec<Clause>,
}

/// `for target in iterable if condition…`.
#[derive(Debug)]
pub(crate) struct Clause {
    pub(crate) target: Target,
    pub(crate) iterable: Expr,
    pub(crate) conditions: Vec<Expr>,
}

#[derive(Debug)]
pub(crate) enum Target {
    Name(String),
    Tuple(Vec<Target>),
}

/// A part of an f-string.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(Arc<str>),
    Field { value: Expr, conversion: Option<char>, spec: Vec<Piece> },
}
