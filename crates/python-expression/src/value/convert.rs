//! From and to what `json` reads and writes.

use std::rc::Rc;

use model::Value;
use num_bigint::BigInt;

use super::{Dict, Object, text};
use crate::error::{Outcome, type_error, value_error};
use crate::limits::Machine;

/// The object that Python has for `value`.
pub(crate) fn object(machine: &mut Machine, value: &Value) -> Outcome<Object> {
    Ok(match value {
        Value::Null => Object::None,
        Value::Bool(truth) => Object::Bool(*truth),
        Value::Int(number) => Object::Int(*number),
        Value::BigInt(digits) => {
            let number = BigInt::parse_bytes(digits.as_bytes(), 10);
            Object::integer(number.ok_or_else(|| value_error(format!("{digits} is no integer")))?)
        }
        Value::Float(number) => Object::Float(*number),
        Value::Str(text) => {
            machine.take(text.len())?;
            Object::str(text.as_str())
        }
        Value::List(items) => {
            machine.take_places(items.len())?;
            machine.deeper(|machine| {
                let items = items.iter().map(|item| object(machine, item)).collect::<Outcome<_>>()?;
                Ok(Object::list(items))
            })?
        }
        Value::Map(map) => {
            machine.take_places(map.len() * 4)?;
            machine.deeper(|machine| {
                let mut dict = Dict::default();
                for (key, value) in map.iter() {
                    dict.insert(Object::str(key), object(machine, value)?)?;
                }
                Ok(Object::Dict(Rc::new(dict)))
            })?
        }
    })
}

/// What `json` would write of `object`: tuples are lists, and keys are texts.
pub(crate) fn value(machine: &mut Machine, object: &Object) -> Outcome<Value> {
    machine.step()?;
    Ok(match object {
        Object::None => Value::Null,
        Object::Bool(truth) => Value::Bool(*truth),
        Object::Int(number) => Value::Int(*number),
        Object::Big(_) => Value::BigInt(text::repr(machine, object)?.into()),
        Object::Float(number) => Value::Float(*number),
        Object::Str(text) => {
            machine.take(text.len())?;
            Value::from(&**text)
        }
        Object::List(items) | Object::Tuple(items) => {
            machine.take_places(items.len())?;
            machine.deeper(|machine| {
                items.iter().map(|item| value(machine, item)).collect::<Outcome<Vec<_>>>().map(Value::from)
            })?
        }
        Object::Dict(dict) => {
            machine.take_places(dict.len() * 2)?;
            machine.deeper(|machine| {
                let mut pairs = Vec::with_capacity(dict.len());
                for (name, item) in dict.entries() {
                    pairs.push((key(machine, name)?.into(), value(machine, item)?));
                }
                Ok(Value::Map(model::Map::from_pairs(pairs)))
            })?
        }
        other => {
            let name = other.type_name();
            return Err(type_error(format!("Object of type {name} is not JSON serializable")));
        }
    })
}

fn key(machine: &mut Machine, key: &Object) -> Outcome<String> {
    Ok(match key {
        Object::Str(text) => text.to_string(),
        Object::None => "null".to_owned(),
        Object::Bool(truth) => truth.to_string(),
        Object::Int(_) | Object::Big(_) | Object::Float(_) => text::repr(machine, key)?,
        other => {
            let name = other.type_name();
            return Err(type_error(format!("keys must be str, int, float, bool or None, not {name}")));
        }
    })
}
