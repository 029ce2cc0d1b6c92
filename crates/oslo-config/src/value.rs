//! What an option's text becomes.

use crate::python;
use std::fmt;

/// A parsed value of an option.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Unset, or a blank number (oslo.config reads a blank number as null).
    Null,
    /// `true/1/on/yes` or `false/0/off/no`.
    Bool(bool),
    /// An integer, a port.
    Int(i64),
    /// A floating point number; infinities and not-a-number are possible.
    Float(f64),
    /// Text.
    Str(String),
    /// Items of a list option, or values of a multi-valued option.
    List(Vec<String>),
}

impl Value {
    /// The text that a reference such as `$name` is replaced with: Python's `str()` of the value,
    /// and nothing for null.
    pub(crate) fn interpolated(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => python::float_repr(*number),
            Self::Str(text) => text.clone(),
            Self::List(items) => python::list_repr(items),
        }
    }
}

impl fmt::Display for Value {
    /// As it would be written in an ini file; nothing for null.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => f.write_str(&python::float_repr(*value)),
            Self::Str(value) => f.write_str(value),
            Self::List(items) => f.write_str(&items.join(",")),
        }
    }
}
