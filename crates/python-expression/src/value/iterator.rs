//! Iterators: the only objects that change.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::{Dict, Object, Range, View};
use crate::error::{Outcome, type_error, value_error};
use crate::eval::generator::Generator;
use crate::limits::Machine;

/// What `next()` takes from.
pub(crate) enum Iter {
    Items {
        items: Rc<Vec<Object>>,
        next: usize,
    },
    Text {
        text: Arc<str>,
        next: usize,
    },
    View {
        view: View,
        dict: Rc<Dict>,
        next: usize,
    },
    Range {
        range: Range,
        next: usize,
    },
    /// From the end.
    Reversed {
        items: Rc<Vec<Object>>,
        left: usize,
    },
    Map {
        function: Object,
        inputs: Vec<Object>,
    },
    /// `None` as the function keeps what is true.
    Filter {
        function: Object,
        input: Object,
    },
    Zip {
        inputs: Vec<Object>,
        is_strict: bool,
    },
    Enumerate {
        input: Object,
        count: i64,
    },
    Generator(Box<Generator>),
}

impl Iter {
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Items { .. } => "list_iterator",
            Self::Text { .. } => "str_iterator",
            Self::View { .. } => "dict_keyiterator",
            Self::Range { .. } => "range_iterator",
            Self::Reversed { .. } => "list_reverseiterator",
            Self::Map { .. } => "map",
            Self::Filter { .. } => "filter",
            Self::Zip { .. } => "zip",
            Self::Enumerate { .. } => "enumerate",
            Self::Generator(_) => "generator",
        }
    }

    fn next(&mut self, machine: &mut Machine) -> Outcome<Option<Object>> {
        match self {
            Self::Items { items, next } => {
                *next += 1;
                Ok(items.get(*next - 1).cloned())
            }
            Self::Text { text, next } => {
                let rest = text.get(*next..).unwrap_or_default();
                let Some(character) = rest.chars().next() else { return Ok(None) };
                *next += character.len_utf8();
                machine.take(character.len_utf8())?;
                Ok(Some(Object::str(character.encode_utf8(&mut [0; 4]) as &str)))
            }
            Self::View { view, dict, next } => {
                *next += 1;
                Ok(dict.entry(*next - 1).map(|entry| view.of(entry)))
            }
            Self::Range { range, next } => {
                if *next >= range.len() {
                    return Ok(None);
                }
                *next += 1;
                Ok(Some(Object::Int(range.at(*next - 1))))
            }
            Self::Reversed { items, left } => {
                let Some(place) = left.checked_sub(1) else { return Ok(None) };
                *left = place;
                Ok(items.get(place).cloned())
            }
            Self::Map { function, inputs } => {
                let mut arguments = Vec::with_capacity(inputs.len());
                for input in inputs.iter() {
                    match next(machine, input)? {
                        Some(item) => arguments.push(item),
                        None => return Ok(None),
                    }
                }
                machine.call(function, arguments).map(Some)
            }
            Self::Filter { function, input } => {
                while let Some(item) = next(machine, input)? {
                    let is_kept = match &*function {
                        Object::None => item.is_truthy(),
                        function => machine.call(function, vec![item.clone()])?.is_truthy(),
                    };
                    if is_kept {
                        return Ok(Some(item));
                    }
                }
                Ok(None)
            }
            Self::Zip { inputs, is_strict } => zip(machine, inputs, *is_strict),
            Self::Enumerate { input, count } => {
                let Some(item) = next(machine, input)? else { return Ok(None) };
                let number = Object::Int(*count);
                *count = count.saturating_add(1);
                Ok(Some(Object::tuple(vec![number, item])))
            }
            Self::Generator(generator) => generator.next(machine),
        }
    }
}

fn zip(machine: &mut Machine, inputs: &[Object], is_strict: bool) -> Outcome<Option<Object>> {
    let mut items = Vec::with_capacity(inputs.len());
    for (place, input) in inputs.iter().enumerate() {
        match next(machine, input)? {
            Some(item) => items.push(item),
            None if is_strict && place > 0 => {
                return Err(value_error(format!("zip() argument {} is shorter than argument 1", place + 1)));
            }
            None => {
                if is_strict {
                    for (place, other) in inputs.iter().enumerate().skip(1) {
                        if next(machine, other)?.is_some() {
                            let message = format!("zip() argument {} is longer than argument 1", place + 1);
                            return Err(value_error(message));
                        }
                    }
                }
                return Ok(None);
            }
        }
    }
    Ok((!items.is_empty()).then(|| Object::tuple(items)))
}

/// `iter(object)`.
pub(crate) fn iterate(object: &Object) -> Outcome<Object> {
    Ok(Object::iterator(match object {
        Object::List(items) | Object::Tuple(items) => Iter::Items { items: Rc::clone(items), next: 0 },
        Object::Str(text) => Iter::Text { text: Arc::clone(text), next: 0 },
        Object::Dict(dict) | Object::Set(dict) => {
            Iter::View { view: View::Keys, dict: Rc::clone(dict), next: 0 }
        }
        Object::View(view, dict) => Iter::View { view: *view, dict: Rc::clone(dict), next: 0 },
        Object::Range(range) => Iter::Range { range: **range, next: 0 },
        Object::Iterator(_) => return Ok(object.clone()),
        other => return Err(type_error(format!("'{}' object is not iterable", other.type_name()))),
    }))
}

/// `next(iterator)`; nothing at its end.
pub(crate) fn next(machine: &mut Machine, iterator: &Object) -> Outcome<Option<Object>> {
    machine.step()?;
    let Object::Iterator(iterator) = iterator else {
        return Err(type_error(format!("'{}' object is not an iterator", iterator.type_name())));
    };
    let iterator: &RefCell<Iter> = iterator;
    machine.deeper(|machine| match iterator.try_borrow_mut() {
        Ok(mut iterator) => iterator.next(machine),
        Err(_) => Err(value_error("generator already executing")),
    })
}

/// Everything that `object` gives, in a list.
pub(crate) fn collect(machine: &mut Machine, object: &Object) -> Outcome<Vec<Object>> {
    if let Object::List(items) | Object::Tuple(items) = object {
        machine.take_places(items.len())?;
        return Ok(Vec::clone(items));
    }
    let iterator = iterate(object)?;
    let mut items = Vec::new();
    while let Some(item) = next(machine, &iterator)? {
        machine.take_places(1)?;
        items.push(item);
    }
    Ok(items)
}
