//! What resources of a type can say about themselves.

use model::pytext::{to_repr, to_str, write_float};
use model::{Timestamp, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::time_text;
use crate::{Error, ids, time};

/// The longest name, in characters.
const MAX_NAME: usize = 63;
/// Names that mean something else.
const RESERVED: [&str; 14] = [
    "id",
    "type",
    "metrics",
    "revision",
    "revision_start",
    "revision_end",
    "started_at",
    "ended_at",
    "user_id",
    "project_id",
    "created_by_user_id",
    "created_by_project_id",
    "get_metric",
    "creator",
];

/// The kind of an attribute's values, and their bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Kind {
    /// A text.
    String {
        /// The fewest characters, 0 to 256.
        min_length: u32,
        /// The most characters, 1 to 256.
        max_length: u32,
    },
    /// A UUID.
    Uuid,
    /// A double.
    Number {
        /// The least value.
        min: Option<Bound>,
        /// The greatest value.
        max: Option<Bound>,
    },
    /// A truth value.
    Bool,
    /// A point in time.
    Datetime,
}

/// A bound of numbers, which is shown as it was given: `1` or `1.0`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bound {
    /// A whole number.
    Integer(i64),
    /// A double.
    Real(f64),
}

impl Bound {
    /// Its value.
    #[expect(clippy::cast_precision_loss, reason = "values are compared as doubles")]
    pub const fn value(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Real(value) => value,
        }
    }

    fn text(self) -> String {
        to_str(&match self {
            Self::Integer(value) => Value::Int(value),
            Self::Real(value) => Value::Float(value),
        })
    }
}

impl Kind {
    /// The name that Gnocchi gives it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::String { .. } => "string",
            Self::Uuid => "uuid",
            Self::Number { .. } => "number",
            Self::Bool => "bool",
            Self::Datetime => "datetime",
        }
    }

    fn check_bounds(&self) -> Result<(), Error> {
        let refused = |min: String, max: String| Err(Error::InvalidAttributeBounds { min, max });
        match self {
            Self::String { min_length, max_length } if min_length > max_length => {
                refused(min_length.to_string(), max_length.to_string())
            }
            Self::Number { min: Some(min), max: Some(max) } if min.value() > max.value() => {
                refused(min.text(), max.text())
            }
            _ => Ok(()),
        }
    }

    /// The value that a user's JSON says, with the words of Gnocchi's validation where it is refused.
    pub fn accept(&self, value: &Value, now: Timestamp) -> Result<AttributeValue, String> {
        match self {
            Self::String { min_length, max_length } => {
                let Value::Str(text) = value else { return Err("expected str".to_owned()) };
                let length = text.chars().count();
                if length < *min_length as usize {
                    return Err(format!("length of value must be at least {min_length}"));
                }
                if length > *max_length as usize {
                    return Err(format!("length of value must be at most {max_length}"));
                }
                Ok(AttributeValue::Text(text.as_str().to_owned()))
            }
            Self::Uuid => {
                let Value::Str(text) = value else { return Err("expected a uuid".to_owned()) };
                let id = ids::parse_uuid(text).map(AttributeValue::Uuid);
                id.ok_or_else(|| "badly formed hexadecimal UUID string".to_owned())
            }
            Self::Number { min, max } => {
                let number = match value {
                    Value::Bool(_) | Value::Int(_) | Value::BigInt(_) | Value::Float(_) => {
                        model::pytext::float_of(value).map_err(|_| "expected Real".to_owned())?
                    }
                    _ => return Err("expected Real".to_owned()),
                };
                if let Some(min) = min.filter(|min| number < min.value()) {
                    return Err(format!("value must be at least {}", min.text()));
                }
                if let Some(max) = max.filter(|max| number > max.value()) {
                    return Err(format!("value must be at most {}", max.text()));
                }
                Ok(AttributeValue::Number(number))
            }
            Self::Bool => {
                let Value::Bool(value) = value else { return Err("expected bool".to_owned()) };
                Ok(AttributeValue::Bool(*value))
            }
            Self::Datetime => {
                time::timestamp(value, now).map(AttributeValue::Time).map_err(|error| error.to_string())
            }
        }
    }

    /// The column's type, in the words of [`sql::Dialect::expand`].
    pub(crate) const fn column_type(&self) -> &'static str {
        match self {
            Self::String { .. } => "{text}",
            Self::Uuid => "{uuid}",
            Self::Number { .. } => "{real}",
            Self::Bool => "{bool}",
            Self::Datetime => "{integer}",
        }
    }

    /// Whether searches for a value can be expected to find few resources.
    pub(crate) const fn is_selective(&self) -> bool {
        !matches!(self, Self::Bool)
    }
}

/// One attribute of a resource type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Kind and bounds.
    #[serde(flatten)]
    pub kind: Kind,
    /// Whether every resource must have a value.
    pub required: bool,
}

impl Attribute {
    /// An attribute whose name and bounds are possible. As in Gnocchi only the first character of a name is looked at.
    pub fn new(name: impl Into<String>, kind: Kind, required: bool) -> Result<Self, Error> {
        let name = name.into();
        let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if name.chars().count() > MAX_NAME
            || RESERVED.contains(&name.as_str())
            || !begins_well
            || name.contains('\0')
        {
            return Err(Error::InvalidAttributeName(name));
        }
        kind.check_bounds()?;
        Ok(Self { name, kind, required })
    }
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    /// None.
    Null,
    /// A text.
    Text(String),
    /// A UUID.
    Uuid(Uuid),
    /// A double.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// A point in time.
    Time(Timestamp),
}

impl AttributeValue {
    /// Whether it can stand in a column of this kind.
    pub(crate) fn fits(&self, kind: &Kind) -> bool {
        match (self, kind) {
            (Self::Null, _)
            | (Self::Uuid(_), Kind::Uuid)
            | (Self::Bool(_), Kind::Bool)
            | (Self::Time(_), Kind::Datetime) => true,
            // SQLite would make NULL of it, and nothing could find it again.
            (Self::Number(number), Kind::Number { .. }) => !number.is_nan(),
            (Self::Text(text), Kind::String { max_length, .. }) => {
                text.chars().count() <= *max_length as usize && !text.contains('\0')
            }
            _ => false,
        }
    }

    /// As Python writes it in an error.
    pub(crate) fn python_text(&self) -> String {
        match self {
            Self::Null => "None".to_owned(),
            Self::Text(text) => text.clone(),
            Self::Uuid(id) => id.to_string(),
            Self::Number(number) => {
                let mut text = Vec::new();
                write_float(*number, model::pytext::Specials::Repr, &mut text);
                String::from_utf8_lossy(&text).into_owned()
            }
            Self::Bool(value) => to_repr(&Value::Bool(*value)),
            Self::Time(time) => time_text(*time),
        }
    }

    pub(crate) fn column(&self) -> sql::Value {
        match self {
            Self::Null => sql::Value::Null,
            Self::Text(text) => text.into(),
            Self::Uuid(id) => (*id).into(),
            Self::Number(number) => (*number).into(),
            Self::Bool(value) => (*value).into(),
            Self::Time(time) => time.microseconds().into(),
        }
    }

    /// What stands in a column of this kind.
    pub(crate) fn read(row: &sql::Row, column: usize, kind: &Kind) -> Result<Self, Error> {
        Ok(match kind {
            Kind::String { .. } => row.optional_text(column)?.map(|text| Self::Text(text.to_owned())),
            Kind::Uuid => row.optional_uuid(column)?.map(Self::Uuid),
            Kind::Number { .. } => row.optional_real(column)?.map(Self::Number),
            Kind::Bool => row.optional_bool(column)?.map(Self::Bool),
            Kind::Datetime => {
                row.optional_integer(column)?.and_then(Timestamp::from_microseconds).map(Self::Time)
            }
        }
        .unwrap_or(Self::Null))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "display_name", "0x", "flavor.id", "a b\""] {
            assert!(Attribute::new(name, Kind::Bool, true).is_ok(), "{name}");
        }
        let long = "a".repeat(64);
        for name in ["", "_a", "é", "id", "creator", "revision", long.as_str(), "a\0"] {
            assert!(Attribute::new(name, Kind::Bool, true).is_err(), "{name}");
        }
    }

    #[test]
    fn bounds_that_cross_are_refused_in_gnocchis_words() {
        let kind = Kind::Number { min: Some(Bound::Integer(5)), max: Some(Bound::Real(2.0)) };
        let error = Attribute::new("a", kind, true).unwrap_err().to_string();
        let expected = "Resource attribute value min (or min_length) 5 must be less  than or equal to max (or \
                        max_length) 2.0!";
        assert_eq!(error, expected);
    }

    #[test]
    fn values() {
        let now = Timestamp::from_microseconds(0).unwrap();
        let string = Kind::String { min_length: 2, max_length: 3 };
        assert_eq!(string.accept(&Value::Str("éé".into()), now), Ok(AttributeValue::Text("éé".to_owned())));
        assert_eq!(
            string.accept(&Value::Str("a".into()), now),
            Err("length of value must be at least 2".to_owned())
        );
        assert_eq!(string.accept(&Value::Int(1), now), Err("expected str".to_owned()));
        let number = Kind::Number { min: Some(Bound::Integer(1)), max: None };
        assert_eq!(number.accept(&Value::Bool(true), now), Ok(AttributeValue::Number(1.0)));
        assert_eq!(number.accept(&Value::Float(0.5), now), Err("value must be at least 1".to_owned()));
        assert_eq!(Kind::Bool.accept(&Value::Int(1), now), Err("expected bool".to_owned()));
        assert!(!AttributeValue::Number(f64::NAN).fits(&number));
    }
}
