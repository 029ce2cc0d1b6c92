//! `str()` and `repr()`, and characters.

use model::pytext::{Specials, write_float, write_text_repr};

use super::{Object, View};
use crate::error::{Outcome, type_error, value_error};
use crate::limits::Machine;

/// Python writes no longer integers in decimal.
const MAX_DIGITS: usize = 4300;

/// How many characters.
pub(crate) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// `str(object)`.
pub(crate) fn str(machine: &mut Machine, object: &Object) -> Outcome<String> {
    match object {
        Object::Str(text) => {
            machine.take(text.len())?;
            Ok(text.to_string())
        }
        other => repr(machine, other),
    }
}

/// `repr(object)`.
pub(crate) fn repr(machine: &mut Machine, object: &Object) -> Outcome<String> {
    let mut out = Vec::new();
    write(machine, object, &mut out)?;
    Ok(String::from_utf8(out).unwrap_or_default())
}

/// The decimal digits of an integer.
pub(crate) fn decimal(number: &num_bigint::BigInt) -> Outcome<String> {
    let digits = number.to_string();
    if digits.trim_start_matches('-').len() > MAX_DIGITS {
        return Err(value_error(format!(
            "Exceeds the limit ({MAX_DIGITS} digits) for integer string conversion"
        )));
    }
    Ok(digits)
}

fn write(machine: &mut Machine, object: &Object, out: &mut Vec<u8>) -> Outcome<()> {
    let before = out.len();
    match object {
        Object::None => out.extend_from_slice(b"None"),
        Object::Bool(true) => out.extend_from_slice(b"True"),
        Object::Bool(false) => out.extend_from_slice(b"False"),
        Object::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Object::Big(number) => out.extend_from_slice(decimal(number)?.as_bytes()),
        Object::Float(number) => write_float(*number, Specials::Repr, out),
        Object::Str(text) => {
            machine.take(text.len())?;
            write_text_repr(text, out);
        }
        Object::List(items) => return write_all(machine, "[", items, "]", out),
        Object::Tuple(items) => {
            let close = if items.len() == 1 { ",)" } else { ")" };
            return write_all(machine, "(", items, close, out);
        }
        Object::Set(set) if set.is_empty() => out.extend_from_slice(b"set()"),
        Object::Set(set) => {
            let keys: Vec<Object> = set.keys().cloned().collect();
            return write_all(machine, "{", &keys, "}", out);
        }
        Object::Dict(dict) => return write_dict(machine, dict, out),
        Object::Range(range) => {
            let text = match range.step {
                1 => format!("range({}, {})", range.start, range.stop),
                step => format!("range({}, {}, {step})", range.start, range.stop),
            };
            out.extend_from_slice(text.as_bytes());
        }
        Object::View(view, dict) => {
            let items: Vec<Object> = dict.entries().iter().map(|entry| view.of(entry)).collect();
            let open = format!("{}([", object.type_name());
            return write_all(machine, &open, &items, "])", out);
        }
        Object::Type(kind) => out.extend_from_slice(format!("<class '{}'>", kind.name()).as_bytes()),
        other => {
            // Python writes an address, which means nothing to anybody.
            return Err(type_error(format!("a {} has no text", other.type_name())));
        }
    }
    machine.take(out.len() - before)
}

impl View {
    /// What it shows of an entry.
    pub(crate) fn of(self, (key, value): &(Object, Object)) -> Object {
        match self {
            Self::Keys => key.clone(),
            Self::Values => value.clone(),
            Self::Items => Object::tuple(vec![key.clone(), value.clone()]),
        }
    }
}

fn write_all(
    machine: &mut Machine,
    open: &str,
    items: &[Object],
    close: &str,
    out: &mut Vec<u8>,
) -> Outcome<()> {
    machine.steps(items.len() + 1)?;
    machine.deeper(|machine| {
        out.extend_from_slice(open.as_bytes());
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                out.extend_from_slice(b", ");
            }
            write(machine, item, out)?;
        }
        out.extend_from_slice(close.as_bytes());
        Ok(())
    })
}

fn write_dict(machine: &mut Machine, dict: &super::Dict, out: &mut Vec<u8>) -> Outcome<()> {
    machine.steps(dict.len() + 1)?;
    machine.deeper(|machine| {
        out.push(b'{');
        for (place, (key, value)) in dict.entries().iter().enumerate() {
            if place > 0 {
                out.extend_from_slice(b", ");
            }
            write(machine, key, out)?;
            out.extend_from_slice(b": ");
            write(machine, value, out)?;
        }
        out.push(b'}');
        Ok(())
    })
}

/// Python's white space: Unicode's, and the four separators of ASCII.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}
