//! Searches for resources.

use metric_index::{Comparison, Filter};
use model::Value;

use super::{Ids, Invalid, dictionary, list};

/// How deep a search may nest.
const MAX_DEPTH: usize = 64;

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        "=" | "==" | "eq" => Comparison::Equal,
        "!=" | "≠" | "ne" => Comparison::NotEqual,
        "<" | "lt" => Comparison::Less,
        ">" | "gt" => Comparison::Greater,
        "<=" | "≤" | "le" => Comparison::LessOrEqual,
        ">=" | "≥" | "ge" => Comparison::GreaterOrEqual,
        "like" => Comparison::Like,
        _ => return None,
    })
}

/// The search of a body; nothing where it is `{}`.
pub(crate) fn search(value: &Value, ids: Ids<'_>) -> Result<Option<Filter>, Invalid> {
    node(value, ids, MAX_DEPTH)
}

fn node(value: &Value, ids: Ids<'_>, depth: usize) -> Result<Option<Filter>, Invalid> {
    let map = dictionary(value)?;
    let mut entries = map.iter();
    let Some((operator, operand)) = entries.next() else { return Ok(None) };
    if entries.next().is_some() {
        return Err(Invalid::new("length of value must be at most 1"));
    }
    let Some(depth) = depth.checked_sub(1) else { return Err(Invalid::new("the search nests too deeply")) };
    let read = match operator {
        "and" | "∧" | "or" | "∨" => nodes(operand, ids, depth).map(|parts| match (operator, parts) {
            (_, parts) if parts.is_empty() => None,
            ("and" | "∧", parts) => Some(Filter::And(parts)),
            (_, parts) => Some(Filter::Or(parts)),
        }),
        "not" => node(operand, ids, depth).map(|part| part.map(|part| Filter::Not(Box::new(part)))),
        "in" => single(operand).and_then(|(attribute, operand)| {
            let values = list(operand, |value| of_attribute(attribute, value, ids));
            let values = values.map_err(|invalid| invalid.under(attribute))?;
            if values.is_empty() {
                return Err(Invalid::new("length of value must be at least 1").under(attribute));
            }
            Ok(Some(Filter::In { attribute: attribute.to_owned(), values }))
        }),
        _ => {
            let Some(comparison) = comparison(operator) else {
                return Err(Invalid::new("extra keys not allowed").of_key(operator));
            };
            single(operand).and_then(|(attribute, value)| {
                if comparison == Comparison::Like && attribute == "id" {
                    return Err(Invalid::new("value must not be one of ['id']").of_key("id"));
                }
                let value =
                    of_attribute(attribute, value, ids).map_err(|invalid| invalid.under(attribute))?;
                Ok(Some(Filter::Compare { attribute: attribute.to_owned(), comparison, value }))
            })
        }
    };
    read.map_err(|invalid| invalid.under(operator))
}

/// Parts without a restriction restrict nothing: all of them in `and`, everything in `or`.
fn nodes(operand: &Value, ids: Ids<'_>, depth: usize) -> Result<Vec<Filter>, Invalid> {
    let parts = list(operand, |value| node(value, ids, depth))?;
    if parts.is_empty() {
        return Err(Invalid::new("length of value must be at least 1"));
    }
    Ok(parts.into_iter().flatten().collect())
}

fn single(operand: &Value) -> Result<(&str, &Value), Invalid> {
    let map = dictionary(operand)?;
    let mut entries = map.iter();
    let Some(entry) = entries.next() else { return Err(Invalid::new("length of value must be at least 1")) };
    if entries.next().is_some() {
        return Err(Invalid::new("length of value must be at most 1"));
    }
    Ok(entry)
}

fn of_attribute(attribute: &str, value: &Value, ids: Ids<'_>) -> Result<Value, Invalid> {
    match value {
        Value::List(_) | Value::Map(_) => Err(Invalid::new("expected str")),
        Value::Null => Ok(Value::Null),
        value if attribute == "id" => Ok(ids.id(value)?.0.to_string().into()),
        value => Ok(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Filter>, String> {
        let value = model::json::parse(text).unwrap();
        search(&value, Ids { creator: Some("admin") }).map_err(|invalid| invalid.text())
    }

    #[test]
    fn searches() {
        assert_eq!(read("{}"), Ok(None));
        let id = Filter::equal("id", "b4d568e4-7af1-5aec-ac3f-9c09fa3685a9");
        assert_eq!(read(r#"{"=": {"id": "foobar"}}"#), Ok(Some(id.clone())));
        let not =
            Filter::Not(Box::new(Filter::In { attribute: "a".to_owned(), values: vec![Value::Int(1)] }));
        let text = r#"{"and": [{"eq": {"id": "foobar"}}, {"not": {"in": {"a": [1]}}}]}"#;
        assert_eq!(read(text), Ok(Some(Filter::And(vec![id, not]))));
    }

    #[test]
    fn refusals() {
        for (text, expected) in [
            ("[]", "expected a dictionary"),
            (r#"{"~": {}}"#, "extra keys not allowed @ data['~']"),
            (r#"{"=": {}, "<": {}}"#, "length of value must be at most 1"),
            (r#"{"=": {}}"#, "length of value must be at least 1 for dictionary value @ data['=']"),
            (r#"{"and": []}"#, "length of value must be at least 1 for dictionary value @ data['and']"),
            (r#"{"=": {"a": []}}"#, "expected str for dictionary value @ data['=']['a']"),
            (r#"{"like": {"id": "a"}}"#, "value must not be one of ['id'] @ data['like']['id']"),
        ] {
            assert_eq!(read(text), Err(expected.to_owned()), "{text}");
        }
    }
}
