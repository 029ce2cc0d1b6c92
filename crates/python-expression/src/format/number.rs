//! Floats in the forms of C's `printf`.

use model::pytext::{Specials, write_float};

use super::Spec;
use crate::error::Outcome;
use crate::limits::Machine;

/// How the exponent's letter is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exponent {
    Lower,
    Upper,
}

impl Exponent {
    fn cased(self, text: String) -> String {
        if self == Self::Upper { text.to_uppercase() } else { text }
    }
}

/// `%.{precision}f` of a number that is not negative.
pub(crate) fn fixed(number: f64, precision: usize, is_alternate: bool) -> String {
    let point = if is_alternate && precision == 0 { "." } else { "" };
    format!("{number:.precision$}{point}")
}

/// `%.{precision}e` of a number that is not negative.
pub(crate) fn scientific(number: f64, precision: usize, is_alternate: bool, exponent: Exponent) -> String {
    let (digits, power) = parts(number, precision);
    let point = if is_alternate && precision == 0 { "." } else { "" };
    exponent.cased(format!("{digits}{point}{}", power_text(power)))
}

/// Mantissa and exponent.
fn parts(number: f64, precision: usize) -> (String, i32) {
    let text = format!("{number:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    (digits.to_owned(), power.parse().unwrap_or(0))
}

fn power_text(power: i32) -> String {
    let sign = if power < 0 { '-' } else { '+' };
    format!("e{sign}{:02}", power.unsigned_abs())
}

/// `%.{precision}g` of a number that is not negative; without a type it keeps a digit behind the point.
pub(crate) fn general(
    number: f64,
    precision: usize,
    is_alternate: bool,
    keeps_decimal: bool,
    exponent: Exponent,
) -> String {
    let precision = precision.max(1);
    let (digits, power) = parts(number, precision - 1);
    let limit = i32::try_from(precision).unwrap_or(i32::MAX) - i32::from(keeps_decimal);
    let text = if power < -4 || power >= limit {
        format!("{}{}", trimmed(&digits, is_alternate), power_text(power))
    } else {
        let behind = i32::try_from(precision).unwrap_or(i32::MAX) - 1 - power;
        let behind = usize::try_from(behind).unwrap_or(0);
        let plain = format!("{number:.behind$}");
        let plain = trimmed(&plain, is_alternate);
        if keeps_decimal && !plain.contains('.') { format!("{plain}.0") } else { plain }
    };
    exponent.cased(text)
}

/// Without the zeros at the end.
fn trimmed(digits: &str, is_alternate: bool) -> String {
    match (is_alternate, digits.contains('.')) {
        (false, true) => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        (true, false) => format!("{digits}."),
        _ => digits.to_owned(),
    }
}

/// `format(number, spec)`; none for a type that floats do not have.
pub(super) fn float(machine: &mut Machine, number: f64, spec: &Spec) -> Option<Outcome<String>> {
    let kind = spec.kind;
    if kind.is_some_and(|kind| !"eEfFgGn%".contains(kind)) {
        return None;
    }
    let exponent =
        if kind.is_some_and(|kind| kind.is_ascii_uppercase()) { Exponent::Upper } else { Exponent::Lower };
    let precision = spec.precision.unwrap_or(6);
    let is_negative = number.is_sign_negative() && !number.is_nan();
    let positive = number.abs();
    let mut text = match (kind, spec.precision) {
        _ if !number.is_finite() => {
            exponent.cased(if number.is_nan() { "nan".to_owned() } else { "inf".to_owned() })
        }
        (Some('e' | 'E'), _) => scientific(positive, precision, spec.is_alternate, exponent),
        (Some('f' | 'F'), _) => fixed(positive, precision, spec.is_alternate),
        (Some('%'), _) => fixed(positive * 100.0, precision, spec.is_alternate),
        (Some(_), _) => general(positive, precision, spec.is_alternate, false, exponent),
        (None, Some(precision)) => general(positive, precision, spec.is_alternate, true, exponent),
        (None, None) => {
            let mut out = Vec::new();
            write_float(positive, Specials::Repr, &mut out);
            String::from_utf8(out).unwrap_or_default()
        }
    };
    if kind == Some('%') {
        text.push('%');
    }
    let sign = spec.sign_of(is_negative);
    let whole = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(whole);
    let body = if digits.is_empty() { rest.to_owned() } else { spec.grouped(digits, rest, 3, sign.len()) };
    Some(spec.padded(machine, sign, &body, '>'))
}
