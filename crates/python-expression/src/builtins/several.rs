//! Functions that go through everything: `min`, `max`, `sorted`, `sum`.

use super::wanted;
use crate::ast::{Binary, Comparison};
use crate::error::{Outcome, type_error, value_error};
use crate::eval::call::Arguments;
use crate::eval::operate;
use crate::limits::Machine;
use crate::value::{Object, compare, iterator};

/// What an item is compared by.
fn key_of(machine: &mut Machine, key: Option<&Object>, item: &Object) -> Outcome<Object> {
    match key {
        None | Some(Object::None) => Ok(item.clone()),
        Some(key) => machine.call(key, vec![item.clone()]),
    }
}

pub(super) fn extreme(machine: &mut Machine, is_max: bool, mut arguments: Arguments) -> Outcome<Object> {
    let name = if is_max { "max" } else { "min" };
    let (key, default) = (arguments.take("key"), arguments.take("default"));
    arguments.no_more(name)?;
    let is_one = arguments.plain.len() == 1;
    if !is_one && default.is_some() {
        return Err(type_error(format!(
            "Cannot specify a default for {name}() with multiple positional arguments"
        )));
    }
    let items = if is_one {
        iterator::iterate(&wanted(arguments.plain.pop()))?
    } else if arguments.plain.is_empty() {
        return Err(type_error(format!("{name} expected at least 1 argument, got 0")));
    } else {
        iterator::iterate(&Object::list(arguments.plain))?
    };
    let mut best: Option<(Object, Object)> = None;
    while let Some(item) = iterator::next(machine, &items)? {
        let own = key_of(machine, key.as_ref(), &item)?;
        let operator = if is_max { Comparison::Greater } else { Comparison::Less };
        let is_better = match &best {
            None => true,
            Some((key, _)) => compare::ordered(machine, operator, &own, key)?,
        };
        if is_better {
            best = Some((own, item));
        }
    }
    match (best, default) {
        (Some((_, item)), _) => Ok(item),
        (None, Some(default)) => Ok(default),
        (None, None) => Err(value_error(format!("{name}() arg is an empty sequence"))),
    }
}

pub(super) fn sorted(machine: &mut Machine, mut arguments: Arguments) -> Outcome<Object> {
    let (key, reverse) = (arguments.take("key"), arguments.take("reverse"));
    let [items] = arguments.fit("sorted", [""], 1)?;
    let items = iterator::collect(machine, &wanted(items))?;
    machine.take_places(2 * items.len())?;
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        keyed.push((key_of(machine, key.as_ref(), &item)?, item));
    }
    let is_reversed = reverse.is_some_and(|reverse| reverse.is_truthy());
    compare::sort(machine, keyed, is_reversed).map(Object::list)
}

pub(super) fn sum(machine: &mut Machine, arguments: Arguments) -> Outcome<Object> {
    let [items, start] = arguments.fit("sum", ["", "start"], 1)?;
    let mut all = start.unwrap_or(Object::Int(0));
    if matches!(all, Object::Str(_)) {
        return Err(type_error("sum() can't sum strings [use ''.join(seq) instead]"));
    }
    let items = iterator::iterate(&wanted(items))?;
    while let Some(item) = iterator::next(machine, &items)? {
        all = operate::binary(machine, Binary::Add, &all, &item)?;
    }
    Ok(all)
}
