//! Binary operators.

use std::rc::Rc;

use crate::ast::Binary;
use crate::error::{Exception, Outcome, raise, type_error};
use crate::limits::Machine;
use crate::number;
use crate::percent;
use crate::value::{Dict, Object, View};

pub(crate) fn binary(
    machine: &mut Machine,
    operator: Binary,
    left: &Object,
    right: &Object,
) -> Outcome<Object> {
    if let Some(result) = number::binary(machine, operator, left, right)? {
        return Ok(result);
    }
    match (operator, left, right) {
        (Binary::Add, Object::Str(one), Object::Str(other)) => {
            machine.take(one.len() + other.len())?;
            Ok(Object::str([&**one, &**other].concat()))
        }
        (Binary::Add, Object::List(one), Object::List(other)) => {
            machine.take_places(one.len() + other.len())?;
            Ok(Object::list(one.iter().chain(other.iter()).cloned().collect()))
        }
        (Binary::Add, Object::Tuple(one), Object::Tuple(other)) => {
            machine.take_places(one.len() + other.len())?;
            Ok(Object::tuple(one.iter().chain(other.iter()).cloned().collect()))
        }
        (Binary::Multiply, sequence, count) | (Binary::Multiply, count, sequence)
            if is_sequence(sequence) && count.as_index().is_some() =>
        {
            repeat(machine, sequence, count)
        }
        (Binary::Modulo, Object::Str(format), arguments) => {
            percent::format(machine, format, arguments).map(Object::str)
        }
        (Binary::BitOr, Object::Dict(one), Object::Dict(other)) => {
            machine.take_places(4 * (one.len() + other.len()))?;
            let mut all = Dict::clone(one);
            for (key, value) in other.entries() {
                all.insert(key.clone(), value.clone())?;
            }
            Ok(Object::Dict(Rc::new(all)))
        }
        (Binary::BitOr | Binary::BitAnd | Binary::BitXor | Binary::Subtract, one, other) => {
            match (as_set(one), as_set(other)) {
                (Some(one), Some(other)) => sets(machine, operator, one, other),
                _ => Err(unsupported(operator, left, right)),
            }
        }
        _ => Err(unsupported(operator, left, right)),
    }
}

fn unsupported(operator: Binary, left: &Object, right: &Object) -> Box<crate::error::Raised> {
    if let (Binary::Add, Object::Str(_)) = (operator, left) {
        return type_error(format!("can only concatenate str (not \"{}\") to str", right.type_name()));
    }
    type_error(format!(
        "unsupported operand type(s) for {}: '{}' and '{}'",
        operator.text(),
        left.type_name(),
        right.type_name()
    ))
}

const fn is_sequence(object: &Object) -> bool {
    matches!(object, Object::Str(_) | Object::List(_) | Object::Tuple(_))
}

fn as_set(object: &Object) -> Option<&Dict> {
    match object {
        Object::Set(set) | Object::View(View::Keys, set) => Some(set),
        _ => None,
    }
}

/// What `|`, `&`, `^` and `-` make of two sets.
pub(crate) fn sets(machine: &mut Machine, operator: Binary, left: &Dict, right: &Dict) -> Outcome<Object> {
    machine.take_places(4 * (left.len() + right.len()))?;
    let mut items = Vec::new();
    for key in left.keys() {
        let is_in_both = right.contains(key)?;
        if match operator {
            Binary::BitOr => true,
            Binary::BitAnd => is_in_both,
            _ => !is_in_both,
        } {
            items.push(key.clone());
        }
    }
    if matches!(operator, Binary::BitOr | Binary::BitXor) {
        for key in right.keys() {
            if !left.contains(key)? {
                items.push(key.clone());
            }
        }
    }
    Dict::set(items)
}

fn repeat(machine: &mut Machine, sequence: &Object, count: &Object) -> Outcome<Object> {
    let count = count.as_index().unwrap_or(0);
    let length = match sequence {
        Object::Str(text) => text.len(),
        other => other.len()?,
    };
    if length == 0 || count <= 0 {
        return Ok(match sequence {
            Object::Str(_) => Object::str(""),
            Object::List(_) => Object::list(Vec::new()),
            _ => Object::tuple(Vec::new()),
        });
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let Some(all) = length.checked_mul(count) else {
        return Err(raise(Exception::Limit, "the repetition is too long"));
    };
    match sequence {
        Object::Str(text) => {
            machine.take(all)?;
            Ok(Object::str(text.repeat(count)))
        }
        Object::List(items) | Object::Tuple(items) => {
            machine.take_places(all)?;
            let repeated: Vec<Object> = items.iter().cycle().take(all).cloned().collect();
            Ok(if matches!(sequence, Object::List(_)) {
                Object::list(repeated)
            } else {
                Object::tuple(repeated)
            })
        }
        _ => Err(type_error("the object cannot be repeated")),
    }
}
