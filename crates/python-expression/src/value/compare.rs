//! Equality and order.

use std::cmp::Ordering;

use super::{Dict, Object, View};
use crate::ast::Comparison;
use crate::error::{Outcome, type_error};
use crate::limits::Machine;
use crate::number;

/// `left == right`, or the same object: what `in` and the elements of lists are compared by.
pub(crate) fn same(machine: &mut Machine, left: &Object, right: &Object) -> Outcome<bool> {
    Ok(left.is(right) || equal(machine, left, right)?)
}

/// `left == right`.
pub(crate) fn equal(machine: &mut Machine, left: &Object, right: &Object) -> Outcome<bool> {
    machine.step()?;
    match (left, right) {
        (Object::Str(left), Object::Str(right)) => {
            machine.steps(left.len().min(right.len()) / 64)?;
            Ok(left == right)
        }
        (Object::List(left), Object::List(right)) | (Object::Tuple(left), Object::Tuple(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            machine.deeper(|machine| {
                for (left, right) in left.iter().zip(right.iter()) {
                    if !same(machine, left, right)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            })
        }
        (Object::Dict(left), Object::Dict(right)) => equal_dicts(machine, left, right),
        (
            Object::Set(left) | Object::View(View::Keys, left),
            Object::Set(right) | Object::View(View::Keys, right),
        ) => Ok(left.len() == right.len() && contains_all(machine, left, right)?),
        (Object::Range(left), Object::Range(right)) => {
            let (length, other) = (left.len(), right.len());
            Ok(length == other
                && (length == 0 || left.start == right.start && (length == 1 || left.step == right.step)))
        }
        _ => match number::compare(left, right) {
            Some(order) => Ok(order == Some(Ordering::Equal)),
            None => Ok(left.is(right)),
        },
    }
}

fn equal_dicts(machine: &mut Machine, left: &Dict, right: &Dict) -> Outcome<bool> {
    if left.len() != right.len() {
        return Ok(false);
    }
    machine.deeper(|machine| {
        for (key, value) in left.entries() {
            machine.step()?;
            match right.get(key)? {
                Some(other) if same(machine, value, other)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    })
}

/// Whether `outer` has every key of `inner`.
pub(crate) fn contains_all(machine: &mut Machine, outer: &Dict, inner: &Dict) -> Outcome<bool> {
    machine.steps(inner.len())?;
    for key in inner.keys() {
        if !outer.contains(key)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `left < right` and so on.
pub(crate) fn ordered(
    machine: &mut Machine,
    operator: Comparison,
    left: &Object,
    right: &Object,
) -> Outcome<bool> {
    machine.step()?;
    let fits = |order: Ordering| match operator {
        Comparison::Less => order == Ordering::Less,
        Comparison::LessEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    };
    match (left, right) {
        (Object::Str(left), Object::Str(right)) => {
            machine.steps(left.len().min(right.len()) / 64)?;
            Ok(fits(left.cmp(right)))
        }
        (Object::List(left), Object::List(right)) | (Object::Tuple(left), Object::Tuple(right)) => machine
            .deeper(|machine| {
                for (left, right) in left.iter().zip(right.iter()) {
                    if !same(machine, left, right)? {
                        return ordered(machine, operator, left, right);
                    }
                }
                Ok(fits(left.len().cmp(&right.len())))
            }),
        (
            Object::Set(left) | Object::View(View::Keys, left),
            Object::Set(right) | Object::View(View::Keys, right),
        ) => Ok(match operator {
            Comparison::Less => left.len() < right.len() && contains_all(machine, right, left)?,
            Comparison::LessEqual => contains_all(machine, right, left)?,
            Comparison::Greater => left.len() > right.len() && contains_all(machine, left, right)?,
            _ => contains_all(machine, left, right)?,
        }),
        _ => match number::compare(left, right) {
            Some(order) => Ok(order.is_some_and(fits)),
            None => Err(type_error(format!(
                "'{}' not supported between instances of '{}' and '{}'",
                operator.text(),
                left.type_name(),
                right.type_name()
            ))),
        },
    }
}

/// Sorts by keys, as Python does: equal ones keep their order, also when it is reversed.
pub(crate) fn sort(
    machine: &mut Machine,
    mut items: Vec<(Object, Object)>,
    is_reversed: bool,
) -> Outcome<Vec<Object>> {
    if is_reversed {
        items.reverse();
    }
    machine.take_places(items.len() * 2)?;
    let mut width = 1;
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        let mut rest = items.into_iter().peekable();
        while rest.peek().is_some() {
            let left: Vec<_> = rest.by_ref().take(width).collect();
            let right: Vec<_> = rest.by_ref().take(width).collect();
            merge(machine, left, right, &mut merged)?;
        }
        items = merged;
        width *= 2;
    }
    // A single one is compared with nothing, and of two the order is known.
    let mut sorted: Vec<Object> = items.into_iter().map(|(_, item)| item).collect();
    if is_reversed {
        sorted.reverse();
    }
    Ok(sorted)
}

fn merge(
    machine: &mut Machine,
    left: Vec<(Object, Object)>,
    right: Vec<(Object, Object)>,
    merged: &mut Vec<(Object, Object)>,
) -> Outcome<()> {
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    loop {
        let next = match (left.peek(), right.peek()) {
            (Some((one, _)), Some((other, _))) => {
                if ordered(machine, Comparison::Less, other, one)? {
                    right.next()
                } else {
                    left.next()
                }
            }
            (Some(_), None) => left.next(),
            (None, _) => right.next(),
        };
        match next {
            Some(item) => merged.push(item),
            None => return Ok(()),
        }
    }
}
