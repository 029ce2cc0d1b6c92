//! Types as functions: `int("7")`.

use std::rc::Rc;

use model::Value;
use model::pytext::{NumberError, float_of, integer_of, strip};
use num_bigint::BigInt;

use super::wanted;
use crate::error::{Exception, Outcome, raise, type_error, value_error};
use crate::eval::call::Arguments;
use crate::limits::Machine;
use crate::number;
use crate::value::{Dict, Object, Type, iterator, text};

/// Calls the type.
pub(crate) fn construct(machine: &mut Machine, kind: Type, arguments: Arguments) -> Outcome<Object> {
    let name = kind.name();
    match kind {
        Type::Int => {
            let [value, base] = arguments.fit(name, ["", "base"], 0)?;
            integer(machine, value, base)
        }
        Type::Dict => dict(machine, arguments),
        Type::Str => {
            let [value, encoding] = arguments.fit(name, ["object", "encoding"], 0)?;
            if encoding.is_some() {
                return Err(type_error("decoding str is not supported"));
            }
            match value {
                None => Ok(Object::str("")),
                Some(value @ Object::Str(_)) => Ok(value),
                Some(value) => text::str(machine, &value).map(Object::str),
            }
        }
        _ => {
            let [value] = arguments.fit(name, [""], 0)?;
            match kind {
                Type::Bool => Ok(Object::Bool(value.is_some_and(|value| value.is_truthy()))),
                Type::Float => value.map_or(Ok(Object::Float(0.0)), |value| float(machine, &value)),
                Type::List | Type::Tuple | Type::Set => {
                    let items = match value {
                        None => Vec::new(),
                        Some(value) => iterator::collect(machine, &value)?,
                    };
                    match kind {
                        Type::List => Ok(Object::list(items)),
                        Type::Tuple => Ok(Object::tuple(items)),
                        _ => {
                            machine.take_places(3 * items.len())?;
                            Dict::set(items)
                        }
                    }
                }
                _ => Err(type_error(format!("cannot create '{name}' instances"))),
            }
        }
    }
}

fn integer(machine: &mut Machine, value: Option<Object>, base: Option<Object>) -> Outcome<Object> {
    let Some(value) = value else { return Ok(Object::Int(0)) };
    if let Some(base) = base {
        let base = base.as_index().ok_or_else(|| super::not_an_integer(&base))?;
        let Object::Str(text) = &value else {
            return Err(type_error("int() can't convert non-string with explicit base"));
        };
        machine.take(text.len())?;
        return based(text, base);
    }
    match &value {
        Object::Float(float) => number::truncated(*float),
        Object::Str(text) => {
            machine.take(text.len())?;
            let found = integer_of(&Value::from(&**text));
            match found.map_err(|error| number_error(error, machine, "int() with base 10", &value))? {
                Value::Int(number) => Ok(Object::Int(number)),
                Value::BigInt(digits) => {
                    let number = BigInt::parse_bytes(digits.as_bytes(), 10);
                    number.map(Object::integer).ok_or_else(|| value_error("invalid literal for int()"))
                }
                _ => Err(value_error("invalid literal for int()")),
            }
        }
        Object::Bool(_) | Object::Int(_) | Object::Big(_) => number::positive(&value),
        other => Err(type_error(format!(
            "int() argument must be a string, a bytes-like object or a real number, not '{}'",
            other.type_name()
        ))),
    }
}

fn based(text: &str, base: i64) -> Outcome<Object> {
    let invalid = || value_error(format!("invalid literal for int() with base {base}: '{text}'"));
    if base != 0 && !(2..=36).contains(&base) {
        return Err(value_error("int() base must be >= 2 and <= 36, or 0"));
    }
    let plain = strip(text);
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.strip_prefix('+').unwrap_or(plain)),
    };
    let prefix = digits.get(..2).unwrap_or_default().to_ascii_lowercase();
    let of_prefix = match prefix.as_str() {
        "0x" => 16,
        "0o" => 8,
        "0b" => 2,
        _ => 0,
    };
    let (radix, digits) = if of_prefix > 0 && (base == 0 || base == of_prefix) {
        let digits = digits.get(2..).unwrap_or_default();
        (of_prefix, digits.strip_prefix('_').unwrap_or(digits))
    } else {
        (if base == 0 { 10 } else { base }, digits)
    };
    let is_zero = digits.bytes().all(|digit| digit == b'0' || digit == b'_');
    let is_wrong = digits.is_empty()
        || digits.starts_with('_')
        || digits.ends_with('_')
        || digits.contains("__")
        || base == 0 && of_prefix == 0 && digits.starts_with('0') && !is_zero;
    let radix = u32::try_from(radix).unwrap_or(10);
    if is_wrong || !digits.chars().all(|digit| digit == '_' || digit.is_digit(radix)) {
        return Err(invalid());
    }
    if digits.len() > 4300 {
        return Err(value_error("Exceeds the limit (4300 digits) for integer string conversion"));
    }
    let number = BigInt::parse_bytes(format!("{sign}{}", digits.replace('_', "")).as_bytes(), radix);
    number.map(Object::integer).ok_or_else(invalid)
}

fn float(machine: &mut Machine, value: &Object) -> Outcome<Object> {
    if let Some(number) = number::to_float(value) {
        return number.map(Object::Float);
    }
    match value {
        Object::Str(text) => {
            machine.take(text.len())?;
            float_of(&Value::from(&**text))
                .map(Object::Float)
                .map_err(|error| number_error(error, machine, "float", value))
        }
        other => Err(type_error(format!(
            "float() argument must be a string or a real number, not '{}'",
            other.type_name()
        ))),
    }
}

fn number_error(
    error: NumberError,
    machine: &mut Machine,
    function: &str,
    value: &Object,
) -> Box<crate::error::Raised> {
    let shown = text::repr(machine, value).unwrap_or_default();
    match error {
        NumberError::TooLarge => raise(Exception::Overflow, "number too large to convert"),
        _ if function == "float" => value_error(format!("could not convert string to float: {shown}")),
        _ => value_error(format!("invalid literal for {function}: {shown}")),
    }
}

fn dict(machine: &mut Machine, arguments: Arguments) -> Outcome<Object> {
    let Arguments { plain, named } = arguments;
    if plain.len() > 1 {
        return Err(type_error(format!("dict expected at most 1 argument, got {}", plain.len())));
    }
    let mut dict = match plain.into_iter().next() {
        None => Dict::default(),
        Some(Object::Dict(dict)) => {
            machine.take_places(4 * dict.len())?;
            Dict::clone(&dict)
        }
        Some(pairs) => {
            let mut dict = Dict::default();
            for pair in iterator::collect(machine, &pairs)? {
                machine.take_places(4)?;
                let mut parts = iterator::collect(machine, &pair)?.into_iter();
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(key), Some(value), None) => dict.insert(key, value)?,
                    _ => return Err(value_error("dictionary update sequence element is no pair")),
                }
            }
            dict
        }
    };
    machine.take_places(4 * named.len())?;
    for (name, value) in named {
        dict.insert(Object::Str(name), wanted(Some(value)))?;
    }
    Ok(Object::Dict(Rc::new(dict)))
}
