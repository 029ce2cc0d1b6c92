//! What is bound to a statement and what comes back.

use std::sync::Arc;

use uuid::Uuid;

use crate::Error;

/// A value of a parameter or a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A double. SQLite has no NaN and makes NULL of it.
    Real(f64),
    /// A text. PostgreSQL refuses the character NUL in it.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
    /// A UUID; 16 bytes in SQLite.
    Uuid(Uuid),
    /// A truth value; 0 or 1 in SQLite.
    Bool(bool),
}

impl Value {
    /// What kind of value it is, for errors.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Integer(_) => "integer",
            Self::Real(_) => "real",
            Self::Text(_) => "text",
            Self::Blob(_) => "blob",
            Self::Uuid(_) => "uuid",
            Self::Bool(_) => "bool",
        }
    }
}

macro_rules! from {
    ($($kind:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$kind> for Value {
            fn from(value: $kind) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

from!(i64 => Integer, i32 => Integer, u32 => Integer, f64 => Real, String => Text, &str => Text, &String => Text, Vec<u8> => Blob, bool => Bool);

impl From<Uuid> for Value {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The statement's text, for errors.
    pub(crate) statement: Arc<str>,
    pub(crate) values: Vec<Value>,
}

impl Row {
    /// The columns, in the order in which they were asked for.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    fn refused(&self, column: usize, expected: &'static str) -> Error {
        let found = self.values.get(column).map_or("no such column", Value::kind);
        Error::Column { column, expected, found, statement: self.statement.to_string() }
    }

    /// A whole number that is not NULL.
    pub fn integer(&self, column: usize) -> Result<i64, Error> {
        self.optional_integer(column)?.ok_or_else(|| self.refused(column, "integer"))
    }

    /// A whole number.
    pub fn optional_integer(&self, column: usize) -> Result<Option<i64>, Error> {
        match self.values.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::Integer(value)) => Ok(Some(*value)),
            _ => Err(self.refused(column, "integer")),
        }
    }

    /// A double.
    pub fn optional_real(&self, column: usize) -> Result<Option<f64>, Error> {
        match self.values.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::Real(value)) => Ok(Some(*value)),
            _ => Err(self.refused(column, "real")),
        }
    }

    /// A text that is not NULL.
    pub fn text(&self, column: usize) -> Result<&str, Error> {
        self.optional_text(column)?.ok_or_else(|| self.refused(column, "text"))
    }

    /// A text.
    pub fn optional_text(&self, column: usize) -> Result<Option<&str>, Error> {
        match self.values.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::Text(value)) => Ok(Some(value)),
            _ => Err(self.refused(column, "text")),
        }
    }

    /// A UUID that is not NULL.
    pub fn uuid(&self, column: usize) -> Result<Uuid, Error> {
        self.optional_uuid(column)?.ok_or_else(|| self.refused(column, "uuid"))
    }

    /// A UUID.
    pub fn optional_uuid(&self, column: usize) -> Result<Option<Uuid>, Error> {
        match self.values.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::Uuid(value)) => Ok(Some(*value)),
            Some(Value::Blob(bytes)) => {
                Uuid::from_slice(bytes).map(Some).map_err(|_| self.refused(column, "uuid"))
            }
            _ => Err(self.refused(column, "uuid")),
        }
    }

    /// A truth value that is not NULL.
    pub fn bool(&self, column: usize) -> Result<bool, Error> {
        self.optional_bool(column)?.ok_or_else(|| self.refused(column, "bool"))
    }

    /// A truth value.
    pub fn optional_bool(&self, column: usize) -> Result<Option<bool>, Error> {
        match self.values.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::Integer(value)) => Ok(Some(*value != 0)),
            _ => Err(self.refused(column, "bool")),
        }
    }
}
