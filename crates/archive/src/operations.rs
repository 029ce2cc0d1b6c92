//! Computations over several series (Gnocchi REST v1, /v1/aggregates).
//!
//! An operation is a tree ([`Node`]), read from JSON lists or an s-expression ([`parse()`], [`Term::from_text`]). For
//! each granularity the series are put into one [`Matrix`], a row for each timestamp and a column for each series
//! ([`Gaps`] says what becomes of cells that no series fills), and [`evaluate()`] computes a [`Table`].
//!
//! Cells are added in the order in which numpy adds them, which depends on how it lays matrices out: down the columns,
//! and pairwise within a single row or a rolling window.

mod elementwise;
mod evaluate;
mod gaps;
mod matrix;
mod parse;
mod python;
mod reduce;
mod sexpr;
mod stream;
mod usage;

use std::collections::HashSet;
use std::fmt;

use crate::method::Method;

pub use self::evaluate::{EvaluateError, Request, Table, evaluate};
pub use self::gaps::{Column, Gaps, UnknownFill};
pub use self::matrix::{Kind, Matrix};
pub use self::parse::{MAX_DEPTH, MAX_NODES, MAX_REFERENCES, OperationError, Term, parse};
pub use self::sexpr::TextError;
pub use self::stream::Stream;
pub use self::usage::{Share, sum_repeated};

/// A series that an operation names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// A metric's id, or its name, or a pattern of names.
    pub metric: String,
    /// The name of the aggregation method that is read.
    pub aggregation: String,
}

/// What a row of cells, or a rolling window of them, is reduced to. NaN cells are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reducer {
    /// The sum by the count.
    Mean,
    /// The middle value, or the mean of the two in the middle.
    Median,
    /// The population's standard deviation.
    Std,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The sum; 0 of nothing.
    Sum,
    /// The population's variance.
    Var,
    /// How many cells are numbers.
    Count,
}

/// A [`Reducer`], or the differences of its results in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reduction {
    /// Whether the differences are asked for.
    pub rate: bool,
    /// What is reduced to.
    pub reducer: Reducer,
}

/// The names of the reducers.
const REDUCERS: [(&str, Reducer); 8] = [
    ("mean", Reducer::Mean),
    ("median", Reducer::Median),
    ("std", Reducer::Std),
    ("min", Reducer::Min),
    ("max", Reducer::Max),
    ("sum", Reducer::Sum),
    ("var", Reducer::Var),
    ("count", Reducer::Count),
];

impl Reduction {
    fn from_name(name: &str) -> Option<Self> {
        let (rate, name) = name.strip_prefix("rate:").map_or((false, name), |rest| (true, rest));
        let reducer = REDUCERS.iter().find(|(known, _)| *known == name)?.1;
        Some(Self { rate, reducer })
    }
}

impl fmt::Display for Reduction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = REDUCERS.iter().find(|(_, known)| *known == self.reducer).map_or("", |(name, _)| *name);
        write!(formatter, "{}{name}", if self.rate { "rate:" } else { "" })
    }
}

/// An operator of two operands, cell by cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Binary {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    /// The remainder, with the sign of the divisor.
    Modulo,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    /// The larger operand; NaN if there is one.
    ClipMin,
    /// The smaller operand; NaN if there is one.
    ClipMax,
    /// The larger operand that is a number.
    Max,
}

/// The spellings of the binary operators.
const BINARY: [(&str, Binary); 34] = [
    ("=", Binary::Equal),
    ("==", Binary::Equal),
    ("eq", Binary::Equal),
    ("<", Binary::Less),
    ("lt", Binary::Less),
    (">", Binary::Greater),
    ("gt", Binary::Greater),
    ("<=", Binary::LessOrEqual),
    ("≤", Binary::LessOrEqual),
    ("le", Binary::LessOrEqual),
    (">=", Binary::GreaterOrEqual),
    ("≥", Binary::GreaterOrEqual),
    ("ge", Binary::GreaterOrEqual),
    ("!=", Binary::NotEqual),
    ("≠", Binary::NotEqual),
    ("ne", Binary::NotEqual),
    ("%", Binary::Modulo),
    ("mod", Binary::Modulo),
    ("+", Binary::Add),
    ("add", Binary::Add),
    ("-", Binary::Subtract),
    ("sub", Binary::Subtract),
    ("*", Binary::Multiply),
    ("×", Binary::Multiply),
    ("mul", Binary::Multiply),
    ("/", Binary::Divide),
    ("÷", Binary::Divide),
    ("div", Binary::Divide),
    ("**", Binary::Power),
    ("^", Binary::Power),
    ("pow", Binary::Power),
    ("clip_min", Binary::ClipMin),
    ("clip_max", Binary::ClipMax),
    ("max", Binary::Max),
];

/// An operator of one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Unary {
    Absolute,
    Negative,
    Cosine,
    Sine,
    Tangent,
    Floor,
    Ceiling,
    /// The difference from the row before; the first row goes.
    RateOfChange,
    /// The difference from the row before by the seconds between them; the first row becomes NaN.
    RateOfChangeSeconds,
}

/// The spellings of the unary operators.
const UNARY: [(&str, Unary); 11] = [
    ("abs", Unary::Absolute),
    ("absolute", Unary::Absolute),
    ("neg", Unary::Negative),
    ("negative", Unary::Negative),
    ("cos", Unary::Cosine),
    ("sin", Unary::Sine),
    ("tan", Unary::Tangent),
    ("floor", Unary::Floor),
    ("ceil", Unary::Ceiling),
    ("rateofchange", Unary::RateOfChange),
    ("rateofchangesec", Unary::RateOfChangeSeconds),
];

/// An operation, or an operand of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A number.
    Number(f64),
    /// The columns of the references.
    Metric {
        /// Which series.
        references: Vec<Reference>,
        /// Whether they were written as a list of pairs; a single one need not be.
        listed: bool,
    },
    /// Each row reduced to one cell.
    Aggregate(Reduction, Box<Node>),
    /// Each column's windows of so many rows reduced to one cell.
    Rolling(Reduction, usize, Box<Node>),
    /// Each column grouped by so many nanoseconds.
    Resample(Method, i64, Box<Node>),
    /// Two operands cell by cell, under the spelling of the operator.
    Binary(&'static str, Binary, Box<Node>, Box<Node>),
    /// Cells kept above the second operand and below the third.
    Clip(Box<Node>, Box<Node>, Option<Box<Node>>),
    /// One operand, under the spelling of the operator.
    Unary(&'static str, Unary, Box<Node>),
}

impl fmt::Display for Node {
    /// As Python prints it, which errors show.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&python::node(self))
    }
}

impl Node {
    /// Every reference, once, in the order of their first mention.
    pub fn references(&self) -> Vec<&Reference> {
        let mut found = Vec::new();
        self.collect(&mut found, &mut HashSet::new());
        found
    }

    fn collect<'n>(&'n self, found: &mut Vec<&'n Reference>, known: &mut HashSet<&'n Reference>) {
        match self {
            Self::Number(_) => {}
            Self::Metric { references, .. } => {
                found.extend(references.iter().filter(|reference| known.insert(reference)));
            }
            Self::Aggregate(_, of)
            | Self::Rolling(_, _, of)
            | Self::Resample(_, _, of)
            | Self::Unary(_, _, of) => {
                of.collect(found, known);
            }
            Self::Binary(_, _, left, right) => {
                left.collect(found, known);
                right.collect(found, known);
            }
            Self::Clip(of, low, high) => {
                of.collect(found, known);
                low.collect(found, known);
                if let Some(high) = high {
                    high.collect(found, known);
                }
            }
        }
    }
}
