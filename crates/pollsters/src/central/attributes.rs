//! Attributes as openstacksdk gives them to Ceilometer's pollsters.
//!
//! It converts an attribute to the type that it documents for it, and takes it under its own name as well as under the
//! API's. An attribute that the API gives without a value, or not at all, is null.

use model::pytext::{integer_of, to_str};
use model::{Map, Value};

/// Of several names of one attribute, the value of the one that stands last in the answer.
pub(super) fn last_of(attributes: &Map, names: &[&str]) -> Value {
    let named = attributes.iter().rev().find(|(name, _)| names.contains(name));
    named.map(|(_, value)| value.clone()).unwrap_or_default()
}

/// Converts an attribute in place, if the service says it.
pub(super) fn convert(attributes: &mut Map, name: &str, to: fn(Value) -> Value) {
    if let Some(value) = attributes.get_mut(name) {
        *value = to(std::mem::take(value));
    }
}

/// An integer; 0 for what is none.
pub(super) fn integer(value: Value) -> Value {
    match &value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::BigInt(_) => value,
        Value::Str(text) if !text.bytes().all(|byte| byte.is_ascii_digit()) => Value::Int(0),
        Value::Float(_) | Value::Str(_) | Value::List(_) | Value::Map(_) => {
            integer_of(&value).unwrap_or(Value::Int(0))
        }
    }
}

/// True or false, by Python's truth test.
pub(super) fn boolean(value: Value) -> Value {
    match value {
        Value::Null => Value::Null,
        value => Value::Bool(value.is_truthy()),
    }
}

/// A text; Python's of what is none.
pub(super) fn text(value: Value) -> Value {
    match value {
        Value::Null | Value::Str(_) => value,
        value => to_str(&value).into(),
    }
}

/// A list; of what is none, the only element.
pub(super) fn list(value: Value) -> Value {
    match value {
        Value::Null | Value::List(_) => value,
        element => Value::List(vec![element]),
    }
}

/// A map; an empty one for what is none.
pub(super) fn map(value: Value) -> Value {
    match value {
        Value::Null | Value::Map(_) => value,
        _ => Map::new().into(),
    }
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    /// What `openstack.fields._convert_type` of openstacksdk 4.22 gives.
    #[test]
    fn values_become_what_openstacksdk_makes_of_them() {
        for (given, as_integer, as_boolean, as_text, as_list, as_map) in [
            ("null", "null", "null", "null", "null", "null"),
            ("7", "7", "true", r#""7""#, "[7]", "{}"),
            ("0", "0", "false", r#""0""#, "[0]", "{}"),
            ("1.9", "1", "true", r#""1.9""#, "[1.9]", "{}"),
            ("-1.9", "-1", "true", r#""-1.9""#, "[-1.9]", "{}"),
            ("true", "true", "true", r#""True""#, "[true]", "{}"),
            (r#""12""#, "12", "true", r#""12""#, r#"["12"]"#, "{}"),
            (r#""-12""#, "0", "true", r#""-12""#, r#"["-12"]"#, "{}"),
            (r#""1 GiB""#, "0", "true", r#""1 GiB""#, r#"["1 GiB"]"#, "{}"),
            (r#""""#, "0", "false", r#""""#, r#"[""]"#, "{}"),
            ("[1, 2]", "0", "true", r#""[1, 2]""#, "[1, 2]", "{}"),
            ("[]", "0", "false", r#""[]""#, "[]", "{}"),
            (r#"{"a": 1}"#, "0", "true", r#""{'a': 1}""#, r#"[{"a": 1}]"#, r#"{"a": 1}"#),
        ] {
            let value = json::parse(given).unwrap();
            let to = |convert: fn(Value) -> Value| json::to_string(&convert(value.clone()));
            assert_eq!(
                [to(integer), to(boolean), to(text), to(list), to(map)],
                [as_integer, as_boolean, as_text, as_list, as_map],
                "{given}"
            );
        }
    }

    #[test]
    fn the_last_of_an_attributes_names_counts() {
        let Value::Map(mut attributes) = json::parse(r#"{"a": 1, "b": 2, "c": 3}"#).unwrap() else {
            unreachable!()
        };
        assert_eq!(last_of(&attributes, &["b", "a"]), Value::Int(2));
        assert_eq!(last_of(&attributes, &["d", "a"]), Value::Int(1));
        assert_eq!(last_of(&attributes, &["d"]), Value::Null);
        convert(&mut attributes, "b", text);
        convert(&mut attributes, "d", text);
        assert_eq!(json::to_string(&attributes.into()), r#"{"a": 1, "b": "2", "c": 3}"#);
    }
}
