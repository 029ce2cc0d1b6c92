//! Types that a handle can give.

use super::{Default, Opt};
use crate::value::Value;

/// What reading an option gives.
///
/// A number written blank is null to oslo.config. For an option that has a default, reading gives
/// the default then (the loader has warned); only the nullable types give `None`.
pub trait Read {
    /// The Rust type.
    type Out<'a>;

    /// Reads the value of `opt`.
    fn read<'a>(value: &'a Value, opt: &Opt) -> Self::Out<'a>;
}

/// The Rust type behind a handle's type parameter.
pub type Type<'a, T> = <T as Read>::Out<'a>;

/// `i64`.
#[derive(Debug)]
pub struct Int;
/// `Option<i64>`.
#[derive(Debug)]
pub struct OptInt;
/// `f64`.
#[derive(Debug)]
pub struct Float;
/// `Option<f64>`.
#[derive(Debug)]
pub struct OptFloat;
/// `bool`.
#[derive(Debug)]
pub struct Bool;
/// `&str`; empty if null.
#[derive(Debug)]
pub struct Str;
/// `Option<&str>`.
#[derive(Debug)]
pub struct OptStr;
/// `&[String]`, of a list or a multi-valued option.
#[derive(Debug)]
pub struct List;

impl Read for Int {
    type Out<'a> = i64;

    fn read(value: &Value, opt: &Opt) -> i64 {
        match (value, opt.default) {
            (Value::Int(number), _) => *number,
            (_, Default::Int(number)) => number,
            _ => 0,
        }
    }
}

impl Read for OptInt {
    type Out<'a> = Option<i64>;

    fn read(value: &Value, _: &Opt) -> Option<i64> {
        match value {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }
}

impl Read for Float {
    type Out<'a> = f64;

    fn read(value: &Value, opt: &Opt) -> f64 {
        match (value, opt.default) {
            (Value::Float(number), _) => *number,
            (_, Default::Float(number)) => number,
            _ => 0.0,
        }
    }
}

impl Read for OptFloat {
    type Out<'a> = Option<f64>;

    fn read(value: &Value, _: &Opt) -> Option<f64> {
        match value {
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }
}

impl Read for Bool {
    type Out<'a> = bool;

    fn read(value: &Value, _: &Opt) -> bool {
        matches!(value, Value::Bool(true))
    }
}

impl Read for Str {
    type Out<'a> = &'a str;

    fn read<'a>(value: &'a Value, _: &Opt) -> &'a str {
        match value {
            Value::Str(text) => text,
            _ => "",
        }
    }
}

impl Read for OptStr {
    type Out<'a> = Option<&'a str>;

    fn read<'a>(value: &'a Value, _: &Opt) -> Option<&'a str> {
        match value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }
}

impl Read for List {
    type Out<'a> = &'a [String];

    fn read<'a>(value: &'a Value, _: &Opt) -> &'a [String] {
        match value {
            Value::List(items) => items,
            _ => &[],
        }
    }
}
