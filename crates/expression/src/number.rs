//! Python's numbers on [`Value`]s: unbounded integers, doubles, and booleans as integers.

mod natural;

use std::cmp::Ordering;

use model::Value;

use self::natural::Integer;

/// The longest integer, in decimal digits: Python refuses to read or write longer ones.
pub(crate) const MAX_DIGITS: usize = 4300;

/// An operand of arithmetic.
enum Number {
    Integer(Integer),
    Float(f64),
}

fn number(value: &Value) -> Option<Number> {
    Some(match value {
        Value::Bool(truth) => Number::Integer(Integer::from(i64::from(*truth))),
        Value::Int(number) => Number::Integer(Integer::from(*number)),
        Value::BigInt(digits) => Number::Integer(Integer::parse(digits)?),
        Value::Float(number) => Number::Float(*number),
        _ => return None,
    })
}

/// Whether Python's comparison operators take the value for a number.
pub(crate) fn is_number(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::BigInt(_) | Value::Float(_))
}

/// Reads an integer as a path writes it; `None` beyond [`MAX_DIGITS`].
pub(crate) fn parse_decimal(text: &str) -> Option<Value> {
    match text.parse() {
        Ok(number) => Some(Value::Int(number)),
        Err(_) => Integer::parse(text)?.into_value(),
    }
}

fn to_f64(number: &Number) -> Option<f64> {
    match number {
        Number::Float(number) => Some(*number),
        // Python raises where an integer is beyond the range of a double.
        Number::Integer(integer) => integer.to_text().parse().ok().filter(|float: &f64| float.is_finite()),
    }
}

fn arithmetic(
    left: &Value,
    right: &Value,
    small: impl Fn(i64, i64) -> Option<i64>,
    large: impl Fn(&Integer, &Integer) -> Option<Integer>,
    float: impl Fn(f64, f64) -> f64,
) -> Option<Value> {
    if let (Value::Int(left), Value::Int(right)) = (left, right)
        && let Some(result) = small(*left, *right)
    {
        return Some(Value::Int(result));
    }
    match (number(left)?, number(right)?) {
        (Number::Integer(left), Number::Integer(right)) => large(&left, &right)?.into_value(),
        (left, right) => Some(Value::Float(float(to_f64(&left)?, to_f64(&right)?))),
    }
}

/// `left + right`; `None` where Python raises.
pub(crate) fn add(left: &Value, right: &Value) -> Option<Value> {
    arithmetic(left, right, i64::checked_add, |left, right| Some(left.add(right)), |left, right| left + right)
}

/// `left - right`; `None` where Python raises.
pub(crate) fn subtract(left: &Value, right: &Value) -> Option<Value> {
    arithmetic(
        left,
        right,
        i64::checked_sub,
        |left, right| Some(left.add(&right.negated())),
        |left, right| left - right,
    )
}

/// `left * right` of numbers; `None` where Python raises.
pub(crate) fn multiply(left: &Value, right: &Value) -> Option<Value> {
    arithmetic(left, right, i64::checked_mul, natural::Integer::multiply, |left, right| left * right)
}

/// How often a text or list multiplied by the value is repeated; `None` if it is not a small integer.
pub(crate) fn repetitions(value: &Value) -> Option<usize> {
    match value {
        Value::Bool(truth) => Some(usize::from(*truth)),
        Value::Int(number) => Some(usize::try_from(*number).unwrap_or(0)),
        // Python raises where the count does not fit its machine integer.
        _ => None,
    }
}

/// Compares two numbers by value; `None` if either is not a number.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => return Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => return left.partial_cmp(right),
        _ => {}
    }
    match (number(left)?, number(right)?) {
        (Number::Integer(left), Number::Integer(right)) => Some(left.compare(&right)),
        (Number::Float(left), Number::Float(right)) => left.partial_cmp(&right),
        (Number::Integer(left), Number::Float(right)) => compare_mixed(&left, right),
        (Number::Float(left), Number::Integer(right)) => compare_mixed(&right, left).map(Ordering::reverse),
    }
}

/// Compares exactly, without rounding the integer to a double.
fn compare_mixed(integer: &Integer, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    if float.is_infinite() {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = Integer::from_float(float)?;
    // Equal in their whole parts, the fraction decides.
    Some(integer.compare(&whole).then_with(|| {
        let fraction = float - float.trunc();
        0.0_f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal)
    }))
}

/// What Python's `int()` makes of a value.
pub(crate) enum Conversion {
    /// An integer.
    Integer(Value),
    /// It raises `ValueError`, which the filter takes for "no match".
    NotANumber,
    /// It raises something else.
    Raises,
}

/// Python's `int(value)`.
pub(crate) fn to_integer(value: Option<&Value>) -> Conversion {
    match value {
        Some(Value::Bool(truth)) => Conversion::Integer(Value::Int(i64::from(*truth))),
        Some(value @ (Value::Int(_) | Value::BigInt(_))) => Conversion::Integer(value.clone()),
        Some(Value::Float(number)) if number.is_nan() => Conversion::NotANumber,
        Some(Value::Float(number)) => match Integer::from_float(*number).and_then(Integer::into_value) {
            Some(value) => Conversion::Integer(value),
            None => Conversion::Raises,
        },
        Some(text @ Value::Str(_)) => match model::pytext::integer_of(text) {
            Ok(value) => Conversion::Integer(value),
            Err(_) => Conversion::NotANumber,
        },
        _ => Conversion::Raises,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The story: the oracle of the operators sent a digit of another script, which Python's `int()` reads and a filter
    /// of ours took for no number.
    #[test]
    fn texts_become_integers_as_pythons_int_reads_them() {
        for (text, expected) in [
            ("7", Some(7)),
            (" -1_0\n", Some(-10)),
            ("٤", Some(4)),
            ("\u{1c}7", None),
            ("1__0", None),
            ("7.0", None),
            ("", None),
        ] {
            let found = match to_integer(Some(&text.into())) {
                Conversion::Integer(Value::Int(number)) => Some(number),
                _ => None,
            };
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
