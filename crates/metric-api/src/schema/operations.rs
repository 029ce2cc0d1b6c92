//! Operations over metrics: lists, or a text.

use archive::operations::{Node, OperationError, Term, parse};
use axum::http::StatusCode;
use model::Value;

use super::Invalid;
use crate::failure::Failure;

#[allow(clippy::cast_precision_loss, reason = "numbers of an operation are doubles")]
fn term(value: &Value) -> Term {
    match value {
        Value::Null => Term::Other("NoneType"),
        Value::Bool(truth) => Term::Truth(*truth),
        Value::Int(number) => Term::Whole(*number as f64),
        Value::BigInt(_) => Term::Whole(model::pytext::float_of(value).unwrap_or(f64::INFINITY)),
        Value::Float(number) => Term::Number(*number),
        Value::Str(text) => Term::Text(text.as_str().to_owned()),
        Value::List(items) => Term::List(items.iter().map(term).collect()),
        Value::Map(_) => Term::Other("dict"),
    }
}

fn value(term: &Term) -> Value {
    match term {
        Term::Number(number) | Term::Whole(number) => Value::Float(*number),
        Term::Truth(truth) => Value::Bool(*truth),
        Term::Text(text) => text.as_str().into(),
        Term::List(items) => Value::List(operands(items)),
        Term::Other(_) => Value::Null,
    }
}

/// An operator with its operands: numbers that were given as texts have become numbers.
fn operands(items: &[Term]) -> Vec<Value> {
    let is_resample = matches!(items.first(), Some(Term::Text(operator)) if operator == "resample");
    let shown = items.iter().enumerate().map(|(place, item)| match item {
        Term::Text(text) if place > 0 && !is_resample => {
            text.parse().map_or_else(|_| value(item), Value::Float)
        }
        _ => value(item),
    });
    shown.collect()
}

/// What a word of a text takes in the trees that are made of it, at most.
const WORD_BYTES: usize = 128;

/// The bytes that an operation takes while it is read from a text, at most.
pub(crate) fn operations_text_bytes(text: &str) -> usize {
    let divides = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'-';
    (text.bytes().filter(divides).count() + 1)
        .saturating_mul(WORD_BYTES)
        .saturating_add(text.len().saturating_mul(4))
}

/// An operation that was given as a text, not looked at.
pub(crate) fn operations_text(text: &str) -> Result<Term, Failure> {
    Term::from_text(text).map_err(|error| {
        let facts =
            [("reason", "Fail to parse the operations string".into()), ("detail", error.to_string().into())];
        Failure::because(StatusCode::BAD_REQUEST, "Invalid operations", facts)
    })
}

/// The operation of a body, and the same as the answer shows it.
pub(crate) fn operations(body: &Value) -> Result<(Node, Value), Failure> {
    let read = match body {
        Value::Str(text) => operations_text(text)?,
        other => term(other),
    };
    let node =
        parse(&read).map_err(|error: OperationError| Invalid::new(error.to_string()).under("operations"))?;
    Ok((node, value(&read)))
}

/// Refuses an operation without a metric.
pub(crate) fn references_required(node: &Node, shown: Value) -> Result<(), Failure> {
    if node.references().is_empty() {
        let reason = "At least one 'metric' is required".into();
        let facts = [("reason", reason), ("detail", shown)];
        return Err(Failure::because(StatusCode::BAD_REQUEST, "Operations is invalid", facts));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_text_are_shown_as_numbers() {
        for (text, expected) in [
            ("(+ 1 2)", r#"["+", 1.0, 2.0]"#),
            ("(abs (* 2 (- 3 1e1)))", r#"["abs", ["*", 2.0, ["-", 3.0, 10.0]]]"#),
        ] {
            let (node, shown) = operations(&text.into()).unwrap();
            assert_eq!(model::json::to_string(&shown), expected);
            references_required(&node, shown).unwrap_err();
        }
    }
}
