//! Resource types.

use metric_index::{Attribute, Bound, FilledAttribute, Kind};
use model::{Timestamp, Value};

use super::{Invalid, Object, dictionary};
use crate::failure::Failure;

/// The longest text that an attribute may be allowed to have.
const LONGEST: i64 = 256;

fn not_valid() -> Invalid {
    Invalid::new("not a valid value")
}

fn length(value: &Value, least: i64) -> Result<u32, Invalid> {
    match value {
        Value::Int(length) if (least..=LONGEST).contains(length) => {
            u32::try_from(*length).map_err(|_| not_valid())
        }
        Value::Int(length) if *length < least => Err(Invalid::new(format!("value must be at least {least}"))),
        Value::Int(_) => Err(Invalid::new(format!("value must be at most {LONGEST}"))),
        _ => Err(Invalid::new("expected int")),
    }
}

fn bound(value: &Value) -> Result<Option<Bound>, Invalid> {
    match value {
        Value::Null => Ok(None),
        Value::Int(number) => Ok(Some(Bound::Integer(*number))),
        Value::Float(number) => Ok(Some(Bound::Real(*number))),
        _ => Err(not_valid()),
    }
}

fn boolean(value: &Value) -> Result<bool, Invalid> {
    if let Value::Bool(truth) = value { Ok(*truth) } else { Err(Invalid::new("expected bool")) }
}

/// What an attribute is said to be: kind, necessity, and the value that fills it where it is missing.
#[derive(Debug)]
struct Given {
    kind: Kind,
    required: bool,
    fill: Option<Value>,
}

fn given(value: &Value, with_options: bool) -> Result<Given, Invalid> {
    let kind = dictionary(value)?.get("type").and_then(Value::as_str).unwrap_or_default();
    // Gnocchi tries one kind after the other, and says what is wrong for the first of them.
    given_as(kind, value, with_options)
        .map_err(|invalid| given_as("bool", value, with_options).err().unwrap_or(invalid))
}

fn given_as(kind: &str, value: &Value, with_options: bool) -> Result<Given, Invalid> {
    let mut object = Object::of(value)?;
    object.required("type", |value| {
        let is_known = ["string", "uuid", "number", "bool", "datetime"].contains(&kind);
        if is_known && value.as_str() == Some(kind) { Ok(()) } else { Err(not_valid()) }
    });
    let required = object.optional("required", boolean);
    let kind = match kind {
        "string" => {
            let min_length = object.optional("min_length", |value| length(value, 0));
            let max_length = object.optional("max_length", |value| length(value, 1));
            Kind::String { min_length: min_length.unwrap_or(0), max_length: max_length.unwrap_or(256) }
        }
        "number" => {
            let min = object.optional("min", bound).flatten();
            let max = object.optional("max", bound).flatten();
            Kind::Number { min, max }
        }
        "uuid" => Kind::Uuid,
        "bool" => Kind::Bool,
        _ => Kind::Datetime,
    };
    let mut fill = None;
    if with_options {
        let options = object.optional("options", |value| {
            let mut options = Object::of(value)?;
            let fill = options.optional("fill", |value| Ok(value.clone()));
            options.finish()?;
            Ok(fill)
        });
        fill = options.flatten();
    }
    object.finish()?;
    Ok(Given { kind, required: required.unwrap_or(true), fill })
}

/// What is shown before the words of the index.
fn invalid_input(error: &metric_index::Error) -> Failure {
    Failure::invalid(format!("Invalid input: {error}"))
}

/// A resource type to be made: its name and attributes.
pub(crate) fn attributes(value: &Value) -> Result<(String, Vec<Attribute>), Failure> {
    let mut object = Object::of(value)?;
    let name = object.required("name", super::text);
    let given: Option<Vec<(String, Given)>> = object.optional("attributes", |value| {
        let all = dictionary(value)?.iter();
        all.map(|(name, value)| {
            let given = given(value, false).map_err(|invalid| invalid.under(name))?;
            Ok((name.to_owned(), given))
        })
        .collect()
    });
    object.finish()?;
    let made = given.unwrap_or_default().into_iter().map(|(name, given)| {
        Attribute::new(name, given.kind, given.required).map_err(|error| invalid_input(&error))
    });
    Ok((name.unwrap_or_default(), made.collect::<Result<_, _>>()?))
}

/// The attributes that a type is to have after a patch, with what fills them.
pub(crate) fn filled_attributes(value: &Value, now: Timestamp) -> Result<Vec<FilledAttribute>, Failure> {
    let wrong = |invalid: &Invalid| Failure::invalid(format!("Invalid input: {}", invalid.text()));
    let map = dictionary(value).map_err(|invalid| wrong(&invalid.under("attributes")))?;
    let mut filled = Vec::with_capacity(map.len());
    for (name, value) in map.iter() {
        let given = given(value, true).map_err(|invalid| wrong(&invalid.under(name).under("attributes")))?;
        let attribute =
            Attribute::new(name, given.kind, given.required).map_err(|error| invalid_input(&error))?;
        let fill = match given.fill.filter(|fill| !fill.is_null()) {
            None => None,
            Some(fill) => Some(attribute.kind.accept(&fill, now).map_err(|reason| {
                invalid_input(&metric_index::Error::InvalidFill { name: name.to_owned(), reason })
            })?),
        };
        filled.push(FilledAttribute { attribute, fill });
    }
    Ok(filled)
}

/// One step of a JSON patch of attributes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PatchStep {
    /// The parts of the path below the attributes.
    pub(crate) path: Vec<String>,
    /// What is put there; absent where something is removed.
    pub(crate) value: Option<Value>,
}

/// A JSON patch that adds and removes attributes.
pub(crate) fn patch(value: &Value) -> Result<Vec<PatchStep>, Invalid> {
    super::list(value, |value| {
        let mut object = Object::of(value)?;
        let is_addition = object.required("op", |value| match value.as_str() {
            Some("add") => Ok(true),
            Some("remove") => Ok(false),
            _ => Err(not_valid()),
        });
        let path = object.required("path", |value| {
            let below =
                value.as_str().and_then(|path| path.strip_prefix("/attributes")).ok_or_else(not_valid)?;
            let parts = below.split('/').skip(1);
            Ok(parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect::<Vec<String>>())
        });
        let value = object.optional("value", |value| dictionary(value).map(|_| value.clone()));
        object.finish()?;
        let value = if is_addition == Some(true) { Some(value.unwrap_or_default()) } else { None };
        Ok(PatchStep { path: path.unwrap_or_default(), value })
    })
}
