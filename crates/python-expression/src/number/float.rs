//! What Python's doubles do differently from the processor's.

use num_bigint::{BigInt, Sign};
use num_integer::Integer as _;
use num_traits::{FromPrimitive, Signed, ToPrimitive, Zero};

use crate::error::{Exception, Outcome, raise, value_error};
use crate::value::Object;

/// Digits behind the point from which on rounding changes no double.
const NO_ROUNDING: i64 = 330;

/// `left // right`, as CPython computes it.
pub(super) fn floor_divide(left: f64, right: f64) -> f64 {
    let rest = left % right;
    let mut quotient = (left - rest) / right;
    if rest != 0.0 && (right < 0.0) != (rest < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0.0_f64.copysign(left / right);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
}

/// `left % right`, which has the sign of `right`.
pub(super) fn modulo(left: f64, right: f64) -> f64 {
    let rest = left % right;
    if rest == 0.0 {
        return 0.0_f64.copysign(right);
    }
    if (right < 0.0) == (rest < 0.0) { rest } else { rest + right }
}

/// `left ** right`.
pub(super) fn power(left: f64, right: f64) -> Outcome<f64> {
    if left == 0.0 && right < 0.0 {
        return Err(raise(Exception::ZeroDivision, "0.0 cannot be raised to a negative power"));
    }
    if left < 0.0 && left.is_finite() && right.is_finite() && right.fract() != 0.0 {
        return Err(value_error("the result is a complex number, which is not supported"));
    }
    let result = left.powf(right);
    if result.is_infinite() && left.is_finite() && right.is_finite() {
        return Err(raise(Exception::Overflow, "Numerical result out of range"));
    }
    Ok(result)
}

/// The double next to `left / right`; `right` is not 0.
pub(super) fn divide(left: &BigInt, right: &BigInt) -> Outcome<f64> {
    /// Enough bits for a double and for what decides its rounding.
    const BITS: i64 = 66;
    if left.is_zero() {
        return Ok(0.0);
    }
    let is_negative = (left.sign() == Sign::Minus) != (right.sign() == Sign::Minus);
    let bits = |number: &BigInt| i64::try_from(number.bits()).unwrap_or(i64::MAX);
    let shift = BITS - (bits(left) - bits(right));
    let count = shift.unsigned_abs();
    let (above, below) =
        if shift >= 0 { (left.abs() << count, right.abs()) } else { (left.abs(), right.abs() << count) };
    let (quotient, rest) = above.div_rem(&below);
    let quotient = quotient.to_u128().unwrap_or(u128::MAX) | u128::from(!rest.is_zero());
    #[expect(clippy::cast_precision_loss, reason = "this is the rounding")]
    let mut result = quotient as f64;
    // In two steps, so that neither factor is out of range.
    let half = i32::try_from(-shift / 2).unwrap_or(i32::MAX);
    let rest = i32::try_from(-shift).unwrap_or(i32::MAX) - half;
    result = result * 2.0_f64.powi(half) * 2.0_f64.powi(rest);
    if result.is_infinite() {
        return Err(raise(Exception::Overflow, "integer division result too large for a float"));
    }
    Ok(if is_negative { -result } else { result })
}

/// `round(number, digits)` of an integer with a negative number of digits.
pub(crate) fn round_integer(number: &BigInt, digits: u32) -> BigInt {
    if u64::from(digits) > number.bits() {
        return BigInt::zero();
    }
    let unit = BigInt::from(10).pow(digits);
    let (floor, rest) = number.div_mod_floor(&unit);
    let doubled: BigInt = rest * 2;
    let up = match doubled.cmp(&unit) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => floor.is_odd(),
    };
    (floor + i32::from(up)) * unit
}

/// `round(number, digits)` of a double.
pub(crate) fn round_float(number: f64, digits: i64) -> Outcome<Object> {
    if !number.is_finite() || digits > NO_ROUNDING {
        return Ok(Object::Float(number));
    }
    if digits >= 0 {
        let digits = usize::try_from(digits).unwrap_or(0);
        // Exact, and half to even.
        let rounded: f64 = format!("{number:.digits$}").parse().unwrap_or(number);
        if rounded.is_infinite() {
            return Err(raise(Exception::Overflow, "rounded value too large to represent"));
        }
        return Ok(Object::Float(rounded));
    }
    if digits < -NO_ROUNDING {
        return Ok(Object::Float(0.0_f64.copysign(number)));
    }
    // Doubled, with what is behind the point as the last bit: ties are ties then only if they are exact.
    let whole = BigInt::from_f64(number.trunc().abs()).unwrap_or_default();
    let unit = BigInt::from(10).pow(u32::try_from(-digits).unwrap_or(u32::MAX));
    let (floor, rest) = whole.div_mod_floor(&unit);
    let doubled: BigInt = rest * 2;
    let up = match doubled.cmp(&unit) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => number.fract() != 0.0 || floor.is_odd(),
    };
    let rounded = ((floor + i32::from(up)) * unit).to_f64().unwrap_or(f64::INFINITY);
    if rounded.is_infinite() {
        return Err(raise(Exception::Overflow, "rounded value too large to represent"));
    }
    Ok(Object::Float(rounded.copysign(number)))
}
