//! Predicates about values of measures.

use metric::{Predicate, PredicateOperator};
use model::Value;

use super::{Invalid, dictionary};
use crate::failure::Failure;

/// The predicate of a body.
pub(crate) fn predicate(value: &Value) -> Result<Predicate, Failure> {
    read(value).map_err(|wrong| match wrong {
        Wrong::Invalid(invalid) => invalid.into(),
        Wrong::Operator(name) => Failure::invalid(format!("Unknown operator {name}")),
    })
}

enum Wrong {
    Invalid(Invalid),
    Operator(String),
}

impl Wrong {
    fn at(self, index: usize) -> Self {
        match self {
            Self::Invalid(invalid) => Self::Invalid(invalid.at(index)),
            other @ Self::Operator(_) => other,
        }
    }

    fn under(self, key: &str) -> Self {
        match self {
            Self::Invalid(invalid) => Self::Invalid(invalid.under(key)),
            other @ Self::Operator(_) => other,
        }
    }
}

fn wrong(message: &str) -> Wrong {
    Wrong::Invalid(Invalid::new(message))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(_) | Value::BigInt(_) | Value::Float(_) => model::pytext::float_of(value).ok(),
        _ => None,
    }
}

fn read(value: &Value) -> Result<Predicate, Wrong> {
    let map = dictionary(value).map_err(Wrong::Invalid)?;
    let mut entries = map.iter();
    let Some((name, operand)) = entries.next() else {
        return Err(wrong("length of value must be at least 1"));
    };
    if entries.next().is_some() {
        return Err(wrong("length of value must be at most 1"));
    }
    let parts = || -> Result<Vec<Predicate>, Wrong> {
        let items = operand.as_list().ok_or_else(|| wrong("expected a list").under(name))?;
        let read = items
            .iter()
            .enumerate()
            .map(|(index, item)| read(item).map_err(|wrong| wrong.at(index).under(name)));
        read.collect()
    };
    match name {
        "and" | "∧" => return Ok(Predicate::And(parts()?)),
        "or" | "∨" => return Ok(Predicate::Or(parts()?)),
        "not" => {
            parts()?;
            return Err(Wrong::Operator("not".to_owned()));
        }
        _ => {}
    }
    let Some(operator) = PredicateOperator::from_name(name) else {
        return Err(Wrong::Invalid(Invalid::new("not a valid value").of_key(name)));
    };
    match operand {
        Value::List(items) => {
            let [left, right] = items.as_slice() else {
                return Err(wrong("expected float").under(name));
            };
            let side = |value: &Value, index: usize| match number(value) {
                Some(number) => Ok(Predicate::Number(number)),
                None => read(value).map_err(|wrong| wrong.at(index).under(name)),
            };
            Ok(Predicate::Pair(operator, Box::new(side(left, 0)?), Box::new(side(right, 1)?)))
        }
        other => {
            let number = number(other).ok_or_else(|| wrong("expected float").under(name))?;
            Ok(Predicate::Value(operator, number))
        }
    }
}
