//! `map`: values replaced by others.

use model::Value;
use model::pytext::casefold;
use yaml::Node;

use super::quoted;
use crate::field::to_value;
use crate::problem::Fault;

/// A table of values; what is not in it becomes the default.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// Texts are folded if case does not matter.
    values: Vec<(Value, Value)>,
    default: Value,
    case_sensitive: bool,
}

impl Mapping {
    pub(super) fn compile(name: &Node, parameters: Option<&Node>) -> Result<Self, Fault> {
        let parameter = |name| parameters.and_then(|parameters| parameters.get(name));
        let case_sensitive = parameter("case_sensitive").is_none_or(Node::is_truthy);
        let at = parameter("values").unwrap_or(name);
        let entries = at.as_map().filter(|entries| !entries.is_empty()).ok_or_else(|| {
            Fault::new(at, format!("the plugin map has no table of values, but {}", quoted(at)))
                .hint("give it the parameter `values`, a map from found to wanted values")
        })?;
        let mut mapping = Self {
            values: Vec::with_capacity(entries.len()),
            default: parameter("default").map(to_value).unwrap_or_default(),
            case_sensitive,
        };
        for (key, value) in entries {
            let key = mapping.folded(&to_value(key)).unwrap_or_else(|| to_value(key));
            // Keys that fold to the same text: the last one wins.
            mapping.values.retain(|(known, _)| !equal(known, &key));
            mapping.values.push((key, to_value(value)));
        }
        Ok(mapping)
    }

    /// The key that a text is looked up by, where that is not the text itself.
    fn folded(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Str(text) if !self.case_sensitive => Some(casefold(text).into()),
            _ => None,
        }
    }

    pub(super) fn apply(&self, value: &Value) -> Value {
        let folded = self.folded(value);
        let key = folded.as_ref().unwrap_or(value);
        let entry = self.values.iter().find(|(known, _)| equal(known, key));
        entry.map_or_else(|| self.default.clone(), |(_, value)| value.clone())
    }
}

/// Python's `==`: numbers are compared across kinds and `True` is 1.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Bool(truth), other) | (other, Value::Bool(truth)) if !matches!(other, Value::Bool(_)) => {
            equal(&Value::Int(i64::from(*truth)), other)
        }
        // A double equals an integer only if it has no decimals; its exact text decides.
        (Value::Float(float), Value::Int(integer)) | (Value::Int(integer), Value::Float(float)) => {
            float.is_finite()
                && float.trunc().to_bits() == float.to_bits()
                && format!("{float:.0}") == integer.to_string()
                || (*float == 0.0 && *integer == 0)
        }
        (Value::Float(float), Value::BigInt(digits)) | (Value::BigInt(digits), Value::Float(float)) => {
            float.is_finite() && format!("{float:.0}") == **digits
        }
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_pythons() {
        for (left, right, same) in [
            (Value::Int(1), Value::Float(1.0), true),
            (Value::Bool(true), Value::Int(1), true),
            (Value::Bool(false), Value::Float(-0.0), true),
            (Value::Bool(true), Value::Bool(true), true),
            (Value::Bool(true), Value::Str("True".into()), false),
            (Value::Int(1), Value::Float(1.5), false),
            (Value::Int(i64::MAX), Value::Float(9_223_372_036_854_775_807.0), false),
            (Value::BigInt("9223372036854775808".into()), Value::Float(9_223_372_036_854_775_807.0), true),
            (Value::Float(f64::NAN), Value::Float(f64::NAN), false),
            (Value::List(vec![1.into()]), Value::List(vec![1.0.into()]), true),
            (Value::Null, Value::Int(0), false),
        ] {
            assert_eq!(equal(&left, &right), same, "{left:?} {right:?}");
            assert_eq!(equal(&right, &left), same, "{right:?} {left:?}");
        }
    }
}
