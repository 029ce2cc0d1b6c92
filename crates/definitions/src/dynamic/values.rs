//! Equality of values as Python has it: `1`, `1.0` and `True` are equal.

use model::Value;

/// `left == right`.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        (Value::Int(left), Value::Int(right)) => left == right,
        _ => match (number(left), number(right)) {
            (Some(left), Some(right)) => left == right,
            (None, None) => left == right,
            _ => false,
        },
    }
}

/// The exact decimal text of a whole number, or the bits of another.
fn number(value: &Value) -> Option<(String, Option<u64>)> {
    match value {
        Value::Bool(truth) => Some((i32::from(*truth).to_string(), None)),
        Value::Int(number) => Some((number.to_string(), None)),
        Value::BigInt(digits) => Some((digits.to_string(), None)),
        Value::Float(number) if number.is_finite() && number.fract() == 0.0 => {
            // The text of -0.0 has a sign.
            Some((format!("{:.0}", number + 0.0), None))
        }
        Value::Float(number) => Some((String::new(), Some(number.to_bits()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_by_value() {
        let list = |value: Value| Value::from(vec![value]);
        for (left, right, expected) in [
            (Value::Int(1), Value::Float(1.0), true),
            (Value::Bool(true), Value::Int(1), true),
            (Value::Int(0), Value::Float(-0.0), true),
            (Value::Float(0.5), Value::Float(0.5), true),
            (Value::Int(0), Value::Null, false),
            (Value::Int(1), Value::from("1"), false),
            (Value::Float(1e20), Value::BigInt("100000000000000000000".into()), true),
            (list(Value::Int(1)), list(Value::Bool(true)), true),
            (Value::from("a"), Value::from("a"), true),
        ] {
            assert_eq!(equal(&left, &right), expected, "{left:?} {right:?}");
        }
    }
}
