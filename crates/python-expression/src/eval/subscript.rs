//! `value[index]`, `value[start:stop:step]`, `in`.

use std::rc::Rc;

use crate::error::{Exception, Outcome, raise, type_error, value_error};
use crate::eval::key_error;
use crate::limits::Machine;
use crate::value::{Object, Range, View, compare, iterator, text};

/// `value[index]`.
pub(crate) fn index(machine: &mut Machine, value: &Object, index: &Object) -> Outcome<Object> {
    match value {
        Object::Dict(dict) => match dict.get(index)? {
            Some(found) => Ok(found.clone()),
            None => Err(key_error(machine, index)),
        },
        Object::List(items) | Object::Tuple(items) => {
            let place = place(value, index, items.len())?;
            items.get(place).cloned().ok_or_else(|| out_of_range(value))
        }
        Object::Str(all) => {
            let place = place(value, index, text::length(all))?;
            let found = if all.is_ascii() {
                all.get(place..=place).map(str::to_owned)
            } else {
                machine.steps(all.len() / 64)?;
                all.chars().nth(place).map(String::from)
            };
            found.map(Object::str).ok_or_else(|| out_of_range(value))
        }
        Object::Range(range) => {
            let place = place(value, index, range.len())?;
            Ok(Object::Int(range.at(place)))
        }
        other => Err(type_error(format!("'{}' object is not subscriptable", other.type_name()))),
    }
}

fn out_of_range(value: &Object) -> Box<crate::error::Raised> {
    let name = if matches!(value, Object::Str(_)) { "string" } else { value.type_name() };
    raise(Exception::Index, format!("{name} index out of range"))
}

fn place(value: &Object, index: &Object, length: usize) -> Outcome<usize> {
    let Some(number) = index.as_index() else {
        let name = if matches!(value, Object::Str(_)) { "string" } else { value.type_name() };
        let message = format!("{name} indices must be integers or slices, not {}", index.type_name());
        return Err(type_error(message));
    };
    let place = if number < 0 {
        usize::try_from(number.unsigned_abs()).ok().and_then(|back| length.checked_sub(back))
    } else {
        usize::try_from(number).ok().filter(|place| *place < length)
    };
    place.ok_or_else(|| out_of_range(value))
}

/// `value[start:stop:step]`.
pub(crate) fn slice(machine: &mut Machine, value: &Object, bounds: &[Option<Object>; 3]) -> Outcome<Object> {
    let length = match value {
        Object::Str(_) | Object::List(_) | Object::Tuple(_) | Object::Range(_) => value.len()?,
        Object::Dict(_) => return Err(type_error("unhashable type: 'slice'")),
        other => return Err(type_error(format!("'{}' object is not subscriptable", other.type_name()))),
    };
    let range = slice_range(bounds, length)?;
    let count = range.len();
    let places = (0..count).map(|number| usize::try_from(range.at(number)).unwrap_or(usize::MAX));
    match value {
        Object::Str(all) => {
            machine.take(all.len())?;
            if let (1, Ok(start), Ok(stop)) =
                (range.step, usize::try_from(range.start), usize::try_from(range.stop))
            {
                let stop = stop.max(start);
                if all.is_ascii() {
                    return Ok(Object::str(all.get(start..stop).unwrap_or_default()));
                }
                let part: String = all.chars().skip(start).take(stop - start).collect();
                return Ok(Object::str(part));
            }
            let characters: Vec<char> = all.chars().collect();
            machine.take(characters.len() * 4)?;
            let part: String = places.filter_map(|place| characters.get(place)).collect();
            Ok(Object::str(part))
        }
        Object::List(items) | Object::Tuple(items) => {
            machine.take_places(count)?;
            let part: Vec<Object> = places.filter_map(|place| items.get(place).cloned()).collect();
            Ok(if matches!(value, Object::List(_)) { Object::list(part) } else { Object::tuple(part) })
        }
        Object::Range(own) => {
            let start = own.start.saturating_add(range.start.saturating_mul(own.step));
            let stop = own.start.saturating_add(range.stop.saturating_mul(own.step));
            let step = own.step.saturating_mul(range.step);
            Ok(Object::Range(Rc::new(Range { start, stop, step })))
        }
        other => Err(type_error(format!("'{}' object is not subscriptable", other.type_name()))),
    }
}

/// The places that a slice means, by the rules of `slice.indices`.
fn slice_range(bounds: &[Option<Object>; 3], length: usize) -> Outcome<Range> {
    let number = |bound: &Option<Object>| match bound {
        None | Some(Object::None) => Ok(None),
        Some(object) => match object.as_index() {
            Some(number) => Ok(Some(number)),
            None => Err(type_error("slice indices must be integers or None or have an __index__ method")),
        },
    };
    let [start, stop, step] = bounds;
    let step = number(step)?.unwrap_or(1);
    if step == 0 {
        return Err(value_error("slice step cannot be zero"));
    }
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamp = |bound: Option<i64>, default: i64| match bound {
        None => default,
        Some(number) if number < 0 => number.saturating_add(length).max(low),
        Some(number) => number.min(high),
    };
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    Ok(Range {
        start: clamp(number(start)?, first),
        stop: clamp(number(stop)?, last),
        step: step.max(-i64::MAX),
    })
}

/// `item in value`.
pub(crate) fn contains(machine: &mut Machine, value: &Object, item: &Object) -> Outcome<bool> {
    match value {
        Object::Str(all) => {
            let Object::Str(part) = item else {
                return Err(type_error(format!(
                    "'in <string>' requires string as left operand, not {}",
                    item.type_name()
                )));
            };
            machine.steps(all.len() / 16)?;
            Ok(all.contains(&**part))
        }
        Object::Dict(dict) | Object::Set(dict) | Object::View(View::Keys, dict) => dict.contains(item),
        Object::List(items) | Object::Tuple(items) => {
            for own in items.iter() {
                if compare::same(machine, own, item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        other => {
            let iterator = iterator::iterate(other).map_err(|_| {
                type_error(format!("argument of type '{}' is not iterable", other.type_name()))
            })?;
            while let Some(own) = iterator::next(machine, &iterator)? {
                if compare::same(machine, &own, item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}
