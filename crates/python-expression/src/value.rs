//! Python's objects.

pub(crate) mod compare;
pub(crate) mod convert;
mod dict;
pub(crate) mod iterator;
pub(crate) mod text;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use num_bigint::BigInt;
use num_traits::ToPrimitive;

use crate::ast::Lambda;
use crate::builtins::Builtin;
use crate::error::{Outcome, type_error};
use crate::eval::Env;
use crate::methods::Method;

pub(crate) use dict::Dict;
pub(crate) use iterator::Iter;

/// An object. All but iterators never change.
#[derive(Clone)]
pub(crate) enum Object {
    None,
    Bool(bool),
    Int(i64),
    /// One that does not fit the other form.
    Big(Rc<BigInt>),
    Float(f64),
    Str(Arc<str>),
    List(Rc<Vec<Object>>),
    Tuple(Rc<Vec<Object>>),
    Dict(Rc<Dict>),
    /// A dict whose keys alone matter.
    Set(Rc<Dict>),
    Range(Rc<Range>),
    View(View, Rc<Dict>),
    Iterator(Rc<RefCell<Iter>>),
    Function(Rc<Function>),
    Builtin(Builtin),
    Type(Type),
    /// A method and what it is of.
    Method(Rc<Object>, Method),
    /// A method of a type, which is given what it is of as its first argument.
    Unbound(Type, Method),
}

/// `range(start, stop, step)`; the step is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: i64,
    pub(crate) stop: i64,
    pub(crate) step: i64,
}

/// What of a dict is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Keys,
    Values,
    Items,
}

/// A lambda with the variables that it sees.
pub(crate) struct Function {
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) defaults: Vec<Option<Object>>,
    pub(crate) env: Env,
}

/// The types that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    None,
    Bool,
    Int,
    Float,
    Str,
    List,
    Tuple,
    Dict,
    Set,
    /// None of the others.
    Other,
}

impl Type {
    /// The type that expressions call so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Bool,
            "int" => Self::Int,
            "float" => Self::Float,
            "str" => Self::Str,
            "list" => Self::List,
            "tuple" => Self::Tuple,
            "dict" => Self::Dict,
            "set" => Self::Set,
            _ => return None,
        })
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Str => "str",
            Self::List => "list",
            Self::Tuple => "tuple",
            Self::Dict => "dict",
            Self::Set => "set",
            Self::Other => "object",
        }
    }
}

impl Range {
    pub(crate) fn len(self) -> usize {
        let (low, high, step) = if self.step > 0 {
            (self.start, self.stop, self.step.unsigned_abs())
        } else {
            (self.stop, self.start, self.step.unsigned_abs())
        };
        if low >= high {
            return 0;
        }
        let distance = high.abs_diff(low);
        usize::try_from((distance - 1) / step + 1).unwrap_or(usize::MAX)
    }

    /// The element at `place`, which is within its length.
    pub(crate) fn at(self, place: usize) -> i64 {
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        self.start.wrapping_add(place.wrapping_mul(self.step))
    }
}

impl Object {
    pub(crate) fn str(text: impl Into<Arc<str>>) -> Self {
        Self::Str(text.into())
    }

    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    pub(crate) fn tuple(items: Vec<Self>) -> Self {
        Self::Tuple(Rc::new(items))
    }

    pub(crate) fn iterator(iter: Iter) -> Self {
        Self::Iterator(Rc::new(RefCell::new(iter)))
    }

    pub(crate) fn integer(number: BigInt) -> Self {
        match number.to_i64() {
            Some(small) => Self::Int(small),
            None => Self::Big(Rc::new(number)),
        }
    }

    pub(crate) fn length(number: usize) -> Self {
        i64::try_from(number).map_or_else(|_| Self::integer(number.into()), Self::Int)
    }

    pub(crate) fn type_of(&self) -> Type {
        match self {
            Self::None => Type::None,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) | Self::Big(_) => Type::Int,
            Self::Float(_) => Type::Float,
            Self::Str(_) => Type::Str,
            Self::List(_) => Type::List,
            Self::Tuple(_) => Type::Tuple,
            Self::Dict(_) => Type::Dict,
            Self::Set(_) => Type::Set,
            _ => Type::Other,
        }
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Range(_) => "range",
            Self::View(View::Keys, _) => "dict_keys",
            Self::View(View::Values, _) => "dict_values",
            Self::View(View::Items, _) => "dict_items",
            Self::Iterator(iter) => iter.try_borrow().map_or("iterator", |iter| iter.type_name()),
            Self::Function(_) => "function",
            Self::Builtin(_) | Self::Method(..) => "builtin_function_or_method",
            Self::Unbound(..) => "method_descriptor",
            Self::Type(_) => "type",
            other => other.type_of().name(),
        }
    }

    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::List(items) | Self::Tuple(items) => !items.is_empty(),
            Self::Dict(dict) | Self::Set(dict) | Self::View(_, dict) => !dict.is_empty(),
            Self::Range(range) => range.len() > 0,
            _ => true,
        }
    }

    /// Python's `len()`.
    pub(crate) fn len(&self) -> Outcome<usize> {
        Ok(match self {
            Self::Str(text) => text::length(text),
            Self::List(items) | Self::Tuple(items) => items.len(),
            Self::Dict(dict) | Self::Set(dict) | Self::View(_, dict) => dict.len(),
            Self::Range(range) => range.len(),
            other => return Err(type_error(format!("object of type '{}' has no len()", other.type_name()))),
        })
    }

    /// The integer that an index, a count or a position is. One beyond 64 bits is as good as the largest.
    pub(crate) fn as_index(&self) -> Option<i64> {
        match self {
            Self::Bool(truth) => Some(i64::from(*truth)),
            Self::Int(number) => Some(*number),
            Self::Big(number) => {
                Some(if number.sign() == num_bigint::Sign::Minus { i64::MIN } else { i64::MAX })
            }
            _ => None,
        }
    }

    /// What was read so, if it is a text.
    pub(crate) fn as_str(&self) -> Option<&Arc<str>> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is the very same object: Python's `is`.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Int(left), Self::Int(right)) => left == right,
            (Self::Str(left), Self::Str(right)) => left == right,
            (Self::Big(left), Self::Big(right)) => Rc::ptr_eq(left, right),
            (Self::List(left), Self::List(right)) | (Self::Tuple(left), Self::Tuple(right)) => {
                Rc::ptr_eq(left, right)
            }
            (Self::Dict(left), Self::Dict(right)) | (Self::Set(left), Self::Set(right)) => {
                Rc::ptr_eq(left, right)
            }
            (Self::Iterator(left), Self::Iterator(right)) => Rc::ptr_eq(left, right),
            (Self::Function(left), Self::Function(right)) => Rc::ptr_eq(left, right),
            (Self::Builtin(left), Self::Builtin(right)) => left == right,
            (Self::Type(left), Self::Type(right)) => left == right,
            _ => false,
        }
    }
}
