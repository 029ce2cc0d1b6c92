//! Methods of dicts, lists, tuples, sets and floats.

use std::rc::Rc;

use super::Method;
use crate::ast::Binary;
use crate::builtins::wanted;
use crate::error::{Outcome, type_error, value_error};
use crate::eval::call::Arguments;
use crate::eval::operate;
use crate::limits::Machine;
use crate::value::{Dict, Object, View, compare, iterator, text};

pub(super) fn call(
    machine: &mut Machine,
    value: &Object,
    method: Method,
    arguments: Arguments,
) -> Outcome<Object> {
    match value {
        Object::Dict(dict) => of_dict(dict, method, arguments),
        Object::List(items) | Object::Tuple(items) => of_sequence(machine, value, items, method, arguments),
        Object::Set(set) => of_set(machine, value, set, method, arguments),
        Object::Float(number) => {
            let [] = arguments.fit(method.name(), [], 0)?;
            Ok(Object::Bool(number.is_finite() && number.fract() == 0.0))
        }
        other => Err(type_error(format!("'{}' object has no such method", other.type_name()))),
    }
}

fn of_dict(dict: &Rc<Dict>, method: Method, arguments: Arguments) -> Outcome<Object> {
    let name = method.name();
    if method == Method::Get {
        let [key, default] = arguments.fit(name, ["", ""], 1)?;
        let found = dict.get(&wanted(key))?.cloned();
        return Ok(found.or(default).unwrap_or(Object::None));
    }
    let [] = arguments.fit(name, [], 0)?;
    let dict = Rc::clone(dict);
    Ok(match method {
        Method::Keys => Object::View(View::Keys, dict),
        Method::Values => Object::View(View::Values, dict),
        Method::Items => Object::View(View::Items, dict),
        // Nothing changes, so the copy may be the same.
        _ => Object::Dict(dict),
    })
}

fn of_sequence(
    machine: &mut Machine,
    value: &Object,
    items: &Rc<Vec<Object>>,
    method: Method,
    arguments: Arguments,
) -> Outcome<Object> {
    match method {
        Method::Count => {
            let [item] = arguments.fit("count", [""], 1)?;
            let item = wanted(item);
            let mut count = 0;
            for own in items.iter() {
                count += i64::from(compare::same(machine, own, &item)?);
            }
            Ok(Object::Int(count))
        }
        Method::Index => {
            let [item, start, stop] = arguments.fit("index", ["", "", ""], 1)?;
            let item = wanted(item);
            let (start, stop) = bounds(start.as_ref(), stop.as_ref(), items.len())?;
            for (place, own) in items.iter().enumerate().take(stop).skip(start) {
                if compare::same(machine, own, &item)? {
                    return Ok(Object::length(place));
                }
            }
            let shown = text::repr(machine, &item)?;
            Err(value_error(format!("{shown} is not in {}", value.type_name())))
        }
        _ => {
            let [] = arguments.fit(method.name(), [], 0)?;
            Ok(value.clone())
        }
    }
}

/// Start and end of a part of `length` places, as `index` and `find` take them.
pub(super) fn bounds(
    start: Option<&Object>,
    stop: Option<&Object>,
    length: usize,
) -> Outcome<(usize, usize)> {
    let place = |bound: Option<&Object>, default: usize| match bound {
        None | Some(Object::None) => Ok(default),
        Some(bound) => match bound.as_index() {
            None => Err(type_error("slice indices must be integers or None or have an __index__ method")),
            Some(number) if number < 0 => {
                let back = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
                Ok(length.saturating_sub(back))
            }
            Some(number) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        },
    };
    Ok((place(start, 0)?, place(stop, length)?.min(length)))
}

fn of_set(
    machine: &mut Machine,
    value: &Object,
    set: &Rc<Dict>,
    method: Method,
    arguments: Arguments,
) -> Outcome<Object> {
    arguments.no_more(method.name())?;
    let operator = match method {
        Method::Union => Binary::BitOr,
        Method::Intersection => Binary::BitAnd,
        Method::Difference => Binary::Subtract,
        Method::SymmetricDifference => Binary::BitXor,
        Method::Copy => return Ok(value.clone()),
        _ => {
            let [other] = arguments.fit(method.name(), [""], 1)?;
            let items = iterator::collect(machine, &wanted(other))?;
            let Object::Set(other) = Dict::set(items)? else { return Err(type_error("no set")) };
            return Ok(Object::Bool(match method {
                Method::Issubset => compare::contains_all(machine, &other, set)?,
                Method::Issuperset => compare::contains_all(machine, set, &other)?,
                _ => {
                    let both = operate::sets(machine, Binary::BitAnd, set, &other)?;
                    !both.is_truthy()
                }
            }));
        }
    };
    let mut all = value.clone();
    for other in arguments.plain {
        let items = iterator::collect(machine, &other)?;
        let other = Dict::set(items)?;
        all = operate::binary(machine, operator, &all, &other)?;
    }
    Ok(all)
}
