//! A path after parsing.

use std::sync::Arc;

use model::Value;

use super::plain::{self, Plain};
use crate::pattern::{Pattern, Substitution};

/// A path or a part of one.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    /// `$`
    Root,
    /// `@`
    This,
    /// `` `parent` ``
    Parent,
    /// `a,b`: several fields of a map, in order.
    Fields(Vec<Arc<str>>),
    /// `*`: all values of a map.
    AnyField,
    /// `[n]`
    Index(i64),
    /// `[a:b]`; `[*]` is the slice without ends.
    Slice(Option<i64>, Option<i64>),
    /// `a.b.c`: each step is applied to what the one before found.
    Chain(Vec<Expr>),
    /// `a..b`
    Descendants(Box<Expr>, Box<Expr>),
    /// `a where b`
    Where(Box<Expr>, Box<Expr>),
    /// `a|b`
    Union(Vec<Expr>),
    /// `a&b`, which upstream parses but has not implemented: it never matches.
    Intersect,
    /// `a + b`
    Operation(Box<Operand>, Operator, Box<Operand>),
    /// `[?…]`: all conditions hold.
    Filter(Vec<Condition>),
    /// `` `sorted` `` or `[/a,\b]`.
    Sort(Vec<SortKey>),
    /// `` `len` ``
    Len,
    /// `` `split(c, segment, max)` ``
    Split(Split),
    /// `` `sub(/re/, replacement)` ``
    Sub(Box<Substitution>),
}

/// One side of an arithmetic operation.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Path(Expr),
    Literal(Value),
}

/// An arithmetic operator; `/` cannot be written, because the lexer takes it for a sort direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
}

/// A condition of a filter.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) target: Expr,
    /// The target, if it is a single plain path.
    pub(super) plain: Option<Plain>,
    /// Without a comparison, a match of the target is enough.
    pub(super) comparison: Option<Comparison>,
}

/// A comparison with a constant.
#[derive(Debug, Clone)]
pub(super) enum Comparison {
    /// An ordering operator with its constant.
    Order(OrderOperator, Value),
    /// `~`; `None` when the pattern does not compile or is no text, so that it never matches.
    Regex(Option<Pattern>),
}

/// An operator that compares by size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderOperator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One criterion of a sort.
#[derive(Debug, Clone)]
pub(super) struct SortKey {
    pub(super) field: Expr,
    pub(super) descending: bool,
}

/// The parameters of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) separator: char,
    pub(super) segment: usize,
    /// The most cuts to make; `None` is unlimited.
    pub(super) most: Option<usize>,
}

impl Condition {
    pub(super) fn comparing(target: Expr, comparison: Comparison) -> Self {
        let plain =
            plain::alternatives(&target).and_then(|mut all| if all.len() == 1 { all.pop() } else { None });
        Self { target, plain, comparison: Some(comparison) }
    }
}
