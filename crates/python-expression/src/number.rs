//! Arithmetic and comparison of numbers.

mod float;

use std::cmp::Ordering;
use std::rc::Rc;

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::{FromPrimitive, ToPrimitive, Zero};

use crate::ast::Binary;
use crate::error::{Exception, Outcome, raise, type_error, value_error};
use crate::limits::{MAX_INTEGER_BITS, Machine};
use crate::value::Object;

pub(crate) use float::{round_float, round_integer};

/// From here on a double does not hold every integer.
const EXACT: u64 = 1 << 53;

/// A number; a boolean is one, too.
enum Number<'n> {
    Int(i64),
    Big(&'n BigInt),
    Float(f64),
}

impl<'n> Number<'n> {
    fn of(object: &'n Object) -> Option<Self> {
        Some(match object {
            Object::Bool(truth) => Self::Int(i64::from(*truth)),
            Object::Int(number) => Self::Int(*number),
            Object::Big(number) => Self::Big(number),
            Object::Float(number) => Self::Float(*number),
            _ => return None,
        })
    }

    fn big(&self) -> BigInt {
        match self {
            Self::Int(number) => BigInt::from(*number),
            Self::Big(number) => BigInt::clone(number),
            Self::Float(_) => BigInt::zero(),
        }
    }

    fn float(&self) -> Outcome<f64> {
        match self {
            Self::Float(number) => Ok(*number),
            #[expect(clippy::cast_precision_loss, reason = "rounding is what Python does, too")]
            Self::Int(number) => Ok(*number as f64),
            Self::Big(number) => big_to_float(number),
        }
    }
}

/// `float(number)`.
pub(crate) fn big_to_float(number: &BigInt) -> Outcome<f64> {
    let float = number.to_f64().filter(|float| float.is_finite());
    float.ok_or_else(|| raise(Exception::Overflow, "int too large to convert to float"))
}

/// An integer, unless it is larger than any that is allowed.
fn integer(number: BigInt) -> Outcome<Object> {
    if number.bits() > MAX_INTEGER_BITS {
        return Err(too_large());
    }
    Ok(Object::integer(number))
}

fn too_large() -> Box<crate::error::Raised> {
    raise(Exception::Limit, format!("an integer has {MAX_INTEGER_BITS} bits at most"))
}

fn no_zero(message: &str) -> Box<crate::error::Raised> {
    raise(Exception::ZeroDivision, message)
}

/// How two numbers compare: the inner is nothing beside not-a-number, the outer where one is no number.
#[expect(clippy::option_option, reason = "no number and not-a-number differ")]
pub(crate) fn compare(left: &Object, right: &Object) -> Option<Option<Ordering>> {
    Some(match (Number::of(left)?, Number::of(right)?) {
        (Number::Int(left), Number::Int(right)) => Some(left.cmp(&right)),
        (Number::Float(left), Number::Float(right)) => left.partial_cmp(&right),
        (Number::Float(left), right) => mixed(&right, left).map(Ordering::reverse),
        (left, Number::Float(right)) => mixed(&left, right),
        (left, right) => Some(left.big().cmp(&right.big())),
    })
}

/// An integer beside a double, without rounding.
fn mixed(integer: &Number<'_>, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    let Some(whole) = BigInt::from_f64(float.trunc()) else {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    };
    let fraction = float - float.trunc();
    let rest = if fraction > 0.0 {
        Ordering::Less
    } else if fraction < 0.0 {
        Ordering::Greater
    } else {
        Ordering::Equal
    };
    Some(integer.big().cmp(&whole).then(rest))
}

/// The result, if both are numbers.
pub(crate) fn binary(
    machine: &mut Machine,
    operator: Binary,
    left: &Object,
    right: &Object,
) -> Outcome<Option<Object>> {
    let (Some(one), Some(other)) = (Number::of(left), Number::of(right)) else { return Ok(None) };
    let bits = |number: &Number<'_>| if let Number::Big(number) = number { number.bits() } else { 0 };
    // Larger numbers are more work.
    let words = usize::try_from((bits(&one) + bits(&other)) / 64).unwrap_or(usize::MAX);
    machine.steps(words * words / 64)?;
    if let (Object::Bool(one), Object::Bool(other)) = (left, right) {
        let truth = match operator {
            Binary::BitAnd => Some(one & other),
            Binary::BitOr => Some(one | other),
            Binary::BitXor => Some(one ^ other),
            _ => None,
        };
        if let Some(truth) = truth {
            return Ok(Some(Object::Bool(truth)));
        }
    }
    match (&one, &other) {
        (Number::Float(_), _) | (_, Number::Float(_)) => floats(operator, &one, &other),
        (Number::Int(one), Number::Int(other)) => match small(operator, *one, *other) {
            Some(result) => Ok(Some(result)),
            None => large(operator, &BigInt::from(*one), &BigInt::from(*other)).map(Some),
        },
        _ => large(operator, &one.big(), &other.big()).map(Some),
    }
}

/// The quick way, for what stays within 64 bits.
fn small(operator: Binary, left: i64, right: i64) -> Option<Object> {
    Some(Object::Int(match operator {
        Binary::Add => left.checked_add(right)?,
        Binary::Subtract => left.checked_sub(right)?,
        Binary::Multiply => left.checked_mul(right)?,
        Binary::Divide if right != 0 && left.unsigned_abs() <= EXACT && right.unsigned_abs() <= EXACT => {
            #[expect(clippy::cast_precision_loss, reason = "both are exact")]
            return Some(Object::Float(left as f64 / right as f64));
        }
        Binary::FloorDivide if right != 0 => {
            left.checked_div(right).map(|_| Integer::div_floor(&left, &right))?
        }
        Binary::Modulo if right != 0 && right != -1 => Integer::mod_floor(&left, &right),
        Binary::BitAnd => left & right,
        Binary::BitOr => left | right,
        Binary::BitXor => left ^ right,
        _ => return None,
    }))
}

fn large(operator: Binary, left: &BigInt, right: &BigInt) -> Outcome<Object> {
    match operator {
        Binary::Add => integer(left + right),
        Binary::Subtract => integer(left - right),
        Binary::Multiply => {
            if left.bits() + right.bits() > MAX_INTEGER_BITS + 1 {
                return Err(too_large());
            }
            integer(left * right)
        }
        Binary::Divide if right.is_zero() => Err(no_zero("division by zero")),
        Binary::Divide => float::divide(left, right).map(Object::Float),
        Binary::FloorDivide | Binary::Modulo if right.is_zero() => {
            Err(no_zero("integer division or modulo by zero"))
        }
        Binary::FloorDivide => integer(left.div_floor(right)),
        Binary::Modulo => integer(left.mod_floor(right)),
        Binary::Power if right.sign() == Sign::Minus => {
            let (left, right) = (big_to_float(left)?, big_to_float(right)?);
            float::power(left, right).map(Object::Float)
        }
        Binary::Power => {
            let small = left.bits() <= 1;
            match right.to_u32() {
                Some(exponent) if left.bits().saturating_mul(u64::from(exponent)) <= MAX_INTEGER_BITS => {
                    integer(left.pow(exponent))
                }
                // Powers of -1, 0 and 1 stay small.
                _ if small => integer(left.pow(if right.is_even() { 2 } else { 1 })),
                _ => Err(too_large()),
            }
        }
        Binary::BitAnd => integer(left & right),
        Binary::BitOr => integer(left | right),
        Binary::BitXor => integer(left ^ right),
        Binary::ShiftLeft | Binary::ShiftRight if right.sign() == Sign::Minus => {
            Err(value_error("negative shift count"))
        }
        Binary::ShiftLeft => match right.to_u64() {
            _ if left.is_zero() => Ok(Object::Int(0)),
            Some(count) if left.bits().saturating_add(count) <= MAX_INTEGER_BITS => integer(left << count),
            _ => Err(too_large()),
        },
        Binary::ShiftRight => integer(left >> right.to_u64().unwrap_or(u64::MAX).min(MAX_INTEGER_BITS + 1)),
    }
}

fn floats(operator: Binary, left: &Number<'_>, right: &Number<'_>) -> Outcome<Option<Object>> {
    if matches!(
        operator,
        Binary::BitAnd | Binary::BitOr | Binary::BitXor | Binary::ShiftLeft | Binary::ShiftRight
    ) {
        return Ok(None);
    }
    let (left, right) = (left.float()?, right.float()?);
    let result = match operator {
        Binary::Add => left + right,
        Binary::Subtract => left - right,
        Binary::Multiply => left * right,
        Binary::Divide if right == 0.0 => return Err(no_zero("float division by zero")),
        Binary::Divide => left / right,
        Binary::FloorDivide if right == 0.0 => return Err(no_zero("float floor division by zero")),
        Binary::Modulo if right == 0.0 => return Err(no_zero("float modulo")),
        Binary::FloorDivide => float::floor_divide(left, right),
        Binary::Modulo => float::modulo(left, right),
        _ => float::power(left, right)?,
    };
    Ok(Some(Object::Float(result)))
}

fn no_unary(operator: &str, object: &Object) -> Box<crate::error::Raised> {
    type_error(format!("bad operand type for unary {operator}: '{}'", object.type_name()))
}

/// `+object`.
pub(crate) fn positive(object: &Object) -> Outcome<Object> {
    match object {
        Object::Bool(truth) => Ok(Object::Int(i64::from(*truth))),
        Object::Int(_) | Object::Big(_) | Object::Float(_) => Ok(object.clone()),
        other => Err(no_unary("+", other)),
    }
}

/// `-object`.
pub(crate) fn negative(object: &Object) -> Outcome<Object> {
    match object {
        Object::Bool(truth) => Ok(Object::Int(-i64::from(*truth))),
        Object::Int(number) => {
            Ok(number.checked_neg().map_or_else(|| Object::Big(Rc::new(-BigInt::from(*number))), Object::Int))
        }
        Object::Big(number) => Ok(Object::integer(-BigInt::clone(number))),
        Object::Float(number) => Ok(Object::Float(-number)),
        other => Err(no_unary("-", other)),
    }
}

/// `~object`.
pub(crate) fn invert(object: &Object) -> Outcome<Object> {
    match object {
        Object::Bool(truth) => Ok(Object::Int(!i64::from(*truth))),
        Object::Int(number) => Ok(Object::Int(!number)),
        Object::Big(number) => Ok(Object::integer(-BigInt::clone(number) - 1)),
        other => Err(no_unary("~", other)),
    }
}

/// `abs(object)`.
pub(crate) fn absolute(object: &Object) -> Outcome<Object> {
    match object {
        Object::Float(number) => Ok(Object::Float(number.abs())),
        Object::Int(number) if *number < 0 => negative(object),
        Object::Big(number) if number.sign() == Sign::Minus => negative(object),
        Object::Bool(_) | Object::Int(_) | Object::Big(_) => positive(object),
        other => Err(type_error(format!("bad operand type for abs(): '{}'", other.type_name()))),
    }
}

/// `int(number)` of a double.
pub(crate) fn truncated(number: f64) -> Outcome<Object> {
    if number.is_nan() {
        return Err(value_error("cannot convert float NaN to integer"));
    }
    match BigInt::from_f64(number.trunc()) {
        Some(whole) => Ok(Object::integer(whole)),
        None => Err(raise(Exception::Overflow, "cannot convert float infinity to integer")),
    }
}

/// `float(object)` of a number.
pub(crate) fn to_float(object: &Object) -> Option<Outcome<f64>> {
    Number::of(object).map(|number| number.float())
}

/// The integer, if it is one.
pub(crate) fn to_big(object: &Object) -> Option<BigInt> {
    match Number::of(object)? {
        Number::Float(_) => None,
        number => Some(number.big()),
    }
}
