//! Searches: trees of comparisons.

pub(crate) mod compile;

use model::Value;

use crate::Error;

/// How an attribute is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`; with null: has no value.
    Equal,
    /// `!=`; true also for what has no value. With null: has a value.
    NotEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=`
    LessOrEqual,
    /// `>=`
    GreaterOrEqual,
    /// SQL's LIKE with `%` and `_`.
    Like,
}

/// What is searched for. Comparisons with a missing value are neither true nor false, as in SQL, so that
/// [`Not`](Self::Not) of them is not true either.
///
/// Attributes are columns of the listing; beside them there are `lifespan` (the time between `started_at` and `ended_at`),
/// `created_by_user_id` and `created_by_project_id` (the parts of `creator`).
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// At least one of them.
    Or(Vec<Filter>),
    /// The opposite.
    Not(Box<Filter>),
    /// An attribute and a value, which is converted to the attribute's kind.
    Compare {
        /// Its name.
        attribute: String,
        /// How.
        comparison: Comparison,
        /// With what.
        value: Value,
    },
    /// The attribute has one of these values.
    In {
        /// Its name.
        attribute: String,
        /// The values.
        values: Vec<Value>,
    },
}

impl Filter {
    /// `attribute = value`
    pub fn equal(attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Compare { attribute: attribute.into(), comparison: Comparison::Equal, value: value.into() }
    }

    /// Reads the tree that Gnocchi's API takes: objects of one operator each. A scalar where a list is needed and more
    /// keys than one are refused.
    ///
    /// # Errors
    /// [`Error::Query`], [`Error::UnknownOperator`].
    pub fn from_json(tree: &Value) -> Result<Self, Error> {
        let Value::Map(map) = tree else { return Err(Error::Query) };
        let mut entries = map.iter();
        let (Some((operator, operand)), None) = (entries.next(), entries.next()) else {
            return Err(Error::Query);
        };
        let comparison = match operator {
            "and" | "∧" => return Ok(Self::And(Self::nodes(operand)?)),
            "or" | "∨" => return Ok(Self::Or(Self::nodes(operand)?)),
            "not" => return Ok(Self::Not(Box::new(Self::from_json(operand)?))),
            "in" => {
                let (attribute, value) = single(operand)?;
                let Value::List(values) = value else { return Err(Error::Query) };
                if !values.iter().all(is_scalar) {
                    return Err(Error::Query);
                }
                return Ok(Self::In { attribute: attribute.to_owned(), values: values.clone() });
            }
            "=" | "==" | "eq" => Comparison::Equal,
            "!=" | "≠" | "ne" => Comparison::NotEqual,
            "<" | "lt" => Comparison::Less,
            ">" | "gt" => Comparison::Greater,
            "<=" | "≤" | "le" => Comparison::LessOrEqual,
            ">=" | "≥" | "ge" => Comparison::GreaterOrEqual,
            "like" => Comparison::Like,
            _ => return Err(Error::UnknownOperator(operator.to_owned())),
        };
        let (attribute, value) = single(operand)?;
        if !is_scalar(value) {
            return Err(Error::Query);
        }
        Ok(Self::Compare { attribute: attribute.to_owned(), comparison, value: value.clone() })
    }

    fn nodes(operand: &Value) -> Result<Vec<Self>, Error> {
        let Value::List(nodes) = operand else { return Err(Error::Query) };
        nodes.iter().map(Self::from_json).collect()
    }
}

fn single(operand: &Value) -> Result<(&str, &Value), Error> {
    let Value::Map(map) = operand else { return Err(Error::Query) };
    let mut entries = map.iter();
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry),
        _ => Err(Error::Query),
    }
}

const fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::List(_) | Value::Map(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Filter, Error> {
        Filter::from_json(&model::json::parse(text).unwrap())
    }

    #[test]
    fn trees() {
        let filter = read(r#"{"and": [{"≥": {"a": 1}}, {"not": {"in": {"b": ["x", null]}}}]}"#).unwrap();
        let compare = Filter::Compare {
            attribute: "a".to_owned(),
            comparison: Comparison::GreaterOrEqual,
            value: Value::Int(1),
        };
        let values = vec![Value::Str("x".into()), Value::Null];
        let inside = Filter::In { attribute: "b".to_owned(), values };
        assert_eq!(filter, Filter::And(vec![compare, Filter::Not(Box::new(inside))]));
    }

    #[test]
    fn refusals() {
        for (text, expected) in [
            ("{}", "Unable to parse this query"),
            ("[]", "Unable to parse this query"),
            (r#"{"=": {}}"#, "Unable to parse this query"),
            (r#"{"=": {"a": 1}, ">": {"b": 1}}"#, "Unable to parse this query"),
            (r#"{"=": {"a": [1]}}"#, "Unable to parse this query"),
            (r#"{"in": {"a": 1}}"#, "Unable to parse this query"),
            (r#"{"~": {"a": 1}}"#, "Unknown operator `~'"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), expected, "{text}");
        }
    }
}
