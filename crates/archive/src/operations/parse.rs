//! From lists to an operation.

use crate::method::{Method, Statistic};
use crate::python::{float, integer};
use crate::timespan;

use super::python;
use super::sexpr::{self, TextError};
use super::{BINARY, Node, Reducer, Reduction, Reference, UNARY};

/// How deep lists may nest.
pub const MAX_DEPTH: usize = 64;

/// How many lists and atoms an operation may have, without the series that it names.
pub const MAX_NODES: usize = 20_000;

/// How many series it may name.
pub const MAX_REFERENCES: usize = 262_144;

/// Lists and atoms of a series that is named.
pub(super) const REFERENCE_NODES: usize = 3;

/// An operation as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// A number that was written with a point or an exponent.
    Number(f64),
    /// A number that was written without.
    Whole(f64),
    /// A truth, which counts as 1 or 0.
    Truth(bool),
    /// A text, or an atom of an s-expression.
    Text(String),
    /// A list.
    List(Vec<Term>),
    /// Anything else, under Python's name for its type: `dict`, `NoneType`.
    Other(&'static str),
}

impl Term {
    /// The first parenthesised group of an s-expression. What follows it is ignored.
    pub fn from_text(text: &str) -> Result<Self, TextError> {
        sexpr::parse(text)
    }
}

/// Why a term is no operation. The texts are Gnocchi's, up to the place that it adds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// No list.
    #[error("Expected a tuple/list, got a <class '{class}'>")]
    NotAList {
        /// Python's name of the type.
        class: &'static str,
    },
    /// An empty list.
    #[error("Operation must not be empty")]
    Empty,
    /// A list of a name alone.
    #[error("Operation need at least one argument")]
    NoArgument,
    /// The shape of the operation, or of an operand, fits nothing.
    #[error("'{head}' operation invalid")]
    Invalid {
        /// The first item of the outermost list.
        head: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// The operation is larger than [`MAX_DEPTH`], [`MAX_NODES`] and [`MAX_REFERENCES`] allow.
    #[error(
        "the operation nests deeper than {MAX_DEPTH}, or has more than {MAX_NODES} parts, or names more than \
         {MAX_REFERENCES} series"
    )]
    TooLarge,
}

/// Reads an operation. Its root is a list; numbers stand for themselves below it, also as texts.
pub fn parse(term: &Term) -> Result<Node, OperationError> {
    let mut budget = Budget { nodes: MAX_NODES, of_references: MAX_REFERENCES * REFERENCE_NODES };
    if !budget.holds(term, MAX_DEPTH, false) {
        return Err(OperationError::TooLarge);
    }
    let items = match term {
        Term::List(items) => items,
        Term::Whole(_) => return Err(OperationError::NotAList { class: "int" }),
        Term::Number(_) => return Err(OperationError::NotAList { class: "float" }),
        Term::Truth(_) => return Err(OperationError::NotAList { class: "bool" }),
        Term::Text(_) => return Err(OperationError::NotAList { class: "str" }),
        Term::Other(class) => return Err(OperationError::NotAList { class }),
    };
    let head = items.first().ok_or(OperationError::Empty)?;
    if items.len() < 2 {
        return Err(OperationError::NoArgument);
    }
    operation(items).map_err(|problem| OperationError::Invalid { head: python::text(head), problem })
}

/// How much larger an operation may be.
struct Budget {
    nodes: usize,
    /// Of lists of series: they cost far less than operators do.
    of_references: usize,
}

impl Budget {
    fn holds(&mut self, term: &Term, depth: usize, is_reference: bool) -> bool {
        let left = if is_reference { &mut self.of_references } else { &mut self.nodes };
        let Some(rest) = left.checked_sub(1) else { return false };
        *left = rest;
        let Term::List(items) = term else { return true };
        let names = is_reference || matches!(items.first(), Some(Term::Text(head)) if head == "metric");
        // Its own head is one of the parts.
        let is_reference = |place: usize| is_reference || (names && place > 0);
        depth > 0
            && items.iter().enumerate().all(|(place, item)| self.holds(item, depth - 1, is_reference(place)))
    }
}

/// What is wrong with an operand.
type Problem = String;

fn node(term: &Term) -> Result<Box<Node>, Problem> {
    match term {
        Term::Number(number) | Term::Whole(number) => Ok(Box::new(Node::Number(*number))),
        Term::Truth(truth) => Ok(Box::new(Node::Number(f64::from(u8::from(*truth))))),
        Term::Text(text) => {
            let number =
                float(text).ok_or_else(|| format!("{text:?} is neither a number nor an operation"))?;
            Ok(Box::new(Node::Number(number)))
        }
        Term::List(items) => operation(items).map(Box::new),
        Term::Other(class) => Err(format!("a {class} is neither a number nor an operation")),
    }
}

fn operation(items: &[Term]) -> Result<Node, Problem> {
    let [Term::Text(head), operands @ ..] = items else {
        return Err("an operation is a list that begins with its name".into());
    };
    match (head.as_str(), operands) {
        ("metric", operands) => metric(operands),
        ("aggregate", [name, of]) => Ok(Node::Aggregate(reduction(name)?, node(of)?)),
        ("rolling", [name, window, of]) => Ok(Node::Rolling(reduction(name)?, window_of(window)?, node(of)?)),
        ("resample", [name, span, of]) => Ok(Node::Resample(method(name)?, granularity(span)?, node(of)?)),
        ("clip", [of, low]) => Ok(Node::Clip(node(of)?, node(low)?, None)),
        ("clip", [of, low, high]) => Ok(Node::Clip(node(of)?, node(low)?, Some(node(high)?))),
        (head, operands) => operator(head, operands),
    }
}

fn operator(head: &str, operands: &[Term]) -> Result<Node, Problem> {
    let binary = BINARY.iter().find(|(known, _)| *known == head);
    let unary = UNARY.iter().find(|(known, _)| *known == head);
    match (binary, unary, operands) {
        (Some((name, operator)), _, [left, right]) => {
            Ok(Node::Binary(name, *operator, node(left)?, node(right)?))
        }
        (_, Some((name, operator)), [of]) => Ok(Node::Unary(name, *operator, node(of)?)),
        (None, None, _) if !["aggregate", "rolling", "resample", "clip"].contains(&head) => {
            Err(format!("there is no operation {head:?}"))
        }
        _ => Err(format!("{head:?} does not take {} operands", operands.len())),
    }
}

fn metric(operands: &[Term]) -> Result<Node, Problem> {
    if let [Term::Text(metric), Term::Text(aggregation)] = operands {
        let reference = Reference { metric: metric.clone(), aggregation: aggregation.clone() };
        return Ok(Node::Metric { references: vec![reference], listed: false });
    }
    let references = operands.iter().map(|operand| match operand {
        Term::List(pair) => match &pair[..] {
            [Term::Text(metric), Term::Text(aggregation)] => {
                Ok(Reference { metric: metric.clone(), aggregation: aggregation.clone() })
            }
            _ => Err("a metric is a reference and an aggregation method".to_owned()),
        },
        _ => Err("a metric is a reference and an aggregation method, or lists of both".to_owned()),
    });
    let references: Vec<Reference> = references.collect::<Result<_, _>>()?;
    if references.is_empty() {
        Err("no metric is named".into())
    } else {
        Ok(Node::Metric { references, listed: true })
    }
}

fn name(term: &Term) -> Result<&str, Problem> {
    if let Term::Text(name) = term { Ok(name) } else { Err("the name of a method is a text".into()) }
}

fn reduction(term: &Term) -> Result<Reduction, Problem> {
    let name = name(term)?;
    Reduction::from_name(name).ok_or_else(|| {
        format!("{name:?} is none of mean, median, std, min, max, sum, var and count, with or without rate:")
    })
}

/// Gnocchi 4.7.1 also lets `var` through here, and then fails.
fn method(term: &Term) -> Result<Method, Problem> {
    name(term)?.parse().map_err(|error: crate::method::UnknownMethod| error.to_string())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, or saturates")]
fn window_of(term: &Term) -> Result<usize, Problem> {
    let window = match term {
        // As Python's int().
        Term::Number(number) | Term::Whole(number) if *number >= 1.0 && number.is_finite() => {
            Some(number.trunc() as usize)
        }
        Term::Truth(truth) => Some(usize::from(*truth)),
        Term::Text(text) => integer(text).and_then(|number| usize::try_from(number).ok()),
        _ => None,
    };
    window
        .filter(|window| *window >= 1)
        .ok_or_else(|| "a rolling window is a whole number of rows above 0".into())
}

fn granularity(term: &Term) -> Result<i64, Problem> {
    let span = match term {
        Term::Number(seconds) | Term::Whole(seconds) => timespan::from_seconds(*seconds),
        Term::Truth(truth) => timespan::from_seconds(f64::from(u8::from(*truth))),
        Term::Text(text) => timespan::parse(text),
        _ => Err(timespan::TimespanError::Unparsable),
    };
    span.and_then(timespan::positive).map_err(|error| error.to_string())
}

impl Reducer {
    /// The statistic of the same name, which `resample` takes.
    pub fn statistic(self) -> Option<Statistic> {
        match self {
            Self::Mean => Some(Statistic::Mean),
            Self::Median => Some(Statistic::Median),
            Self::Std => Some(Statistic::Std),
            Self::Min => Some(Statistic::Min),
            Self::Max => Some(Statistic::Max),
            Self::Sum => Some(Statistic::Sum),
            Self::Count => Some(Statistic::Count),
            Self::Var => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, OperationError> {
        parse(&Term::from_text(text).unwrap())
    }

    #[test]
    fn both_spellings_of_metrics() {
        for text in ["(metric a mean)", "(metric (a mean))", "(metric (a mean) (b mean))"] {
            let node = read(text).unwrap();
            let quoted = text.replace("a mean", "'a', 'mean'").replace("b mean", "'b', 'mean'");
            let printed = quoted.replace("metric", "'metric',").replace(") (", "), (");
            assert_eq!(node.to_string(), printed.replace('(', "[").replace(')', "]"));
        }
        for text in ["(metric a)", "(metric a mean b)", "(metric (a mean) b)", "(metric (a))", "(metric ())"]
        {
            assert!(matches!(read(text), Err(OperationError::Invalid { .. })), "{text}");
        }
    }

    #[test]
    fn numbers_are_numbers_as_texts_too() {
        let node = read("(clip (metric a mean) 1_0 inf)").unwrap();
        let Node::Clip(_, low, Some(high)) = node else { panic!("{node:?}") };
        assert_eq!((*low, *high), (Node::Number(10.0), Node::Number(f64::INFINITY)));
        assert!(matches!(read("(rolling mean 2 (metric a mean))"), Ok(Node::Rolling(_, 2, _))));
        assert!(matches!(
            read("(resample rate:last 90s (metric a mean))"),
            Ok(Node::Resample(_, 90_000_000_000, _))
        ));
    }

    #[test]
    fn errors_name_the_outermost_operation() {
        for (text, expected) in [
            ("()", "Operation must not be empty"),
            ("(metric)", "Operation need at least one argument"),
            ("(+ (foo 1) 2)", "'+' operation invalid"),
            ("(aggregate mean (metric a mean) (metric b mean))", "'aggregate' operation invalid"),
            ("(aggregate last (metric a mean))", "'aggregate' operation invalid"),
            ("(rolling mean 0 (metric a mean))", "'rolling' operation invalid"),
            ("(rolling mean 1.5 (metric a mean))", "'rolling' operation invalid"),
            ("(resample mean -5 (metric a mean))", "'resample' operation invalid"),
            ("(resample var 5 (metric a mean))", "'resample' operation invalid"),
            ("(abs 1 2)", "'abs' operation invalid"),
            ("((a) 2)", "'['a']' operation invalid"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), expected, "{text}");
        }
        let dict = parse(&Term::Other("dict")).unwrap_err();
        assert_eq!(dict.to_string(), "Expected a tuple/list, got a <class 'dict'>");
    }

    #[test]
    fn deep_and_large_operations_are_refused() {
        let deep = format!("{}1{}", "(abs ".repeat(MAX_DEPTH + 1), ")".repeat(MAX_DEPTH + 1));
        assert_eq!(read(&deep), Err(OperationError::TooLarge));
        let wide = |operator: &str, operand: &str, count| format!("({operator}{})", operand.repeat(count));
        assert!(read(&wide("metric", " (a mean)", MAX_REFERENCES)).is_ok());
        assert_eq!(read(&wide("metric", " (a mean)", MAX_REFERENCES + 1)), Err(OperationError::TooLarge));
        assert_eq!(read(&wide("abs", " (abs 1)", MAX_NODES / 3 + 1)), Err(OperationError::TooLarge));
    }

    #[test]
    fn references_are_listed_once() {
        let node =
            read("(/ (+ (metric b mean) (metric a mean)) (clip (metric b mean) (metric b max) 3))").unwrap();
        let names: Vec<String> =
            node.references().iter().map(|found| format!("{}.{}", found.metric, found.aggregation)).collect();
        assert_eq!(names, ["b.mean", "a.mean", "b.max"]);
    }
}
