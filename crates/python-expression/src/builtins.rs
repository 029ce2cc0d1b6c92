//! The functions and types that expressions may call.

mod construct;
mod several;

use std::rc::Rc;

use crate::ast::Binary;
use crate::error::{Exception, Outcome, raise, type_error, value_error};
use crate::eval::call::Arguments;
use crate::eval::operate;
use crate::format;
use crate::limits::Machine;
use crate::number;
use crate::value::{Iter, Object, Type, iterator, text};

pub(crate) use construct::construct;

macro_rules! builtins {
    ($($variant:ident $name:literal,)*) => {
        /// A function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Builtin {
            $($variant,)*
        }

        impl Builtin {
            /// The function that expressions call so.
            pub(crate) fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        /// The names of the functions and types that an expression may use.
        pub const BUILTINS: &[&str] =
            &["bool", "dict", "float", "int", "list", "set", "str", "tuple", $($name,)*];
    };
}

builtins! {
    Abs "abs",
    All "all",
    Any "any",
    Bin "bin",
    Chr "chr",
    Divmod "divmod",
    Enumerate "enumerate",
    Filter "filter",
    Format "format",
    Hex "hex",
    Isinstance "isinstance",
    Iter "iter",
    Len "len",
    Map "map",
    Max "max",
    Min "min",
    Next "next",
    Oct "oct",
    Ord "ord",
    Pow "pow",
    Range "range",
    Repr "repr",
    Reversed "reversed",
    Round "round",
    Sorted "sorted",
    Sum "sum",
    Type "type",
    Zip "zip",
}

/// Calls it.
pub(crate) fn call(machine: &mut Machine, builtin: Builtin, mut arguments: Arguments) -> Outcome<Object> {
    let name = builtin.name();
    match builtin {
        Builtin::Min | Builtin::Max => several::extreme(machine, builtin == Builtin::Max, arguments),
        Builtin::Sorted => several::sorted(machine, arguments),
        Builtin::Sum => several::sum(machine, arguments),
        Builtin::Round => round(arguments),
        Builtin::Range => range(arguments),
        Builtin::Enumerate => {
            let [items, start] = arguments.fit(name, ["iterable", "start"], 1)?;
            let count = match start {
                None => 0,
                Some(start) => start.as_index().ok_or_else(|| not_an_integer(&start))?,
            };
            Ok(Object::iterator(Iter::Enumerate { input: iterator::iterate(&wanted(items))?, count }))
        }
        Builtin::Zip => {
            let is_strict = arguments.take("strict").is_some_and(|strict| strict.is_truthy());
            arguments.no_more(name)?;
            let inputs = arguments.plain.iter().map(iterator::iterate).collect::<Outcome<_>>()?;
            Ok(Object::iterator(Iter::Zip { inputs, is_strict }))
        }
        Builtin::Map => {
            arguments.no_more(name)?;
            let mut plain = arguments.plain.into_iter();
            let Some(function) = plain.next() else { return Err(type_error("map() needs a function")) };
            let inputs: Vec<Object> = plain.map(|input| iterator::iterate(&input)).collect::<Outcome<_>>()?;
            if inputs.is_empty() {
                return Err(type_error("map() must have at least two arguments."));
            }
            Ok(Object::iterator(Iter::Map { function, inputs }))
        }
        Builtin::Filter => {
            let [function, input] = arguments.fit(name, ["", ""], 2)?;
            let (function, input) = (wanted(function), iterator::iterate(&wanted(input))?);
            Ok(Object::iterator(Iter::Filter { function, input }))
        }
        Builtin::Next => {
            let [iter, default] = arguments.fit(name, ["", ""], 1)?;
            match (iterator::next(machine, &wanted(iter))?, default) {
                (Some(item), _) => Ok(item),
                (None, Some(default)) => Ok(default),
                (None, None) => Err(raise(Exception::StopIteration, "the iterator is at its end")),
            }
        }
        Builtin::Pow => {
            let [base, exponent, modulus] = arguments.fit(name, ["base", "exp", "mod"], 2)?;
            if modulus.is_some_and(|modulus| !matches!(modulus, Object::None)) {
                return Err(value_error("pow() with three arguments is not supported"));
            }
            operate::binary(machine, Binary::Power, &wanted(base), &wanted(exponent))
        }
        Builtin::Divmod => {
            let [left, right] = arguments.fit(name, ["", ""], 2)?;
            let (left, right) = (wanted(left), wanted(right));
            if matches!(left, Object::Str(_)) {
                return Err(type_error("unsupported operand type(s) for divmod()"));
            }
            let quotient = operate::binary(machine, Binary::FloorDivide, &left, &right)?;
            Ok(Object::tuple(vec![quotient, operate::binary(machine, Binary::Modulo, &left, &right)?]))
        }
        Builtin::Isinstance => {
            let [value, kinds] = arguments.fit(name, ["", ""], 2)?;
            isinstance(machine, &wanted(value), &wanted(kinds)).map(Object::Bool)
        }
        Builtin::Format => {
            let [value, spec] = arguments.fit(name, ["", ""], 1)?;
            let spec = spec.unwrap_or_else(|| Object::str(""));
            let Object::Str(spec) = &spec else {
                return Err(type_error(format!("format() argument 2 must be str, not {}", spec.type_name())));
            };
            format::format(machine, &wanted(value), spec).map(Object::str)
        }
        _ => {
            let [value] = arguments.fit(name, [""], 1)?;
            of_one(machine, builtin, &wanted(value))
        }
    }
}

/// Functions of one argument.
fn of_one(machine: &mut Machine, builtin: Builtin, value: &Object) -> Outcome<Object> {
    match builtin {
        Builtin::Abs => number::absolute(value),
        Builtin::All | Builtin::Any => {
            let iterator = iterator::iterate(value)?;
            while let Some(item) = iterator::next(machine, &iterator)? {
                if item.is_truthy() == (builtin == Builtin::Any) {
                    return Ok(Object::Bool(builtin == Builtin::Any));
                }
            }
            Ok(Object::Bool(builtin == Builtin::All))
        }
        Builtin::Bin | Builtin::Hex | Builtin::Oct => {
            let number = number::to_big(value).ok_or_else(|| not_an_integer(value))?;
            let (prefix, radix) = match builtin {
                Builtin::Bin => ("0b", 2),
                Builtin::Hex => ("0x", 16),
                _ => ("0o", 8),
            };
            let digits = number.to_str_radix(radix);
            machine.take(digits.len())?;
            Ok(Object::str(match digits.strip_prefix('-') {
                Some(digits) => format!("-{prefix}{digits}"),
                None => format!("{prefix}{digits}"),
            }))
        }
        Builtin::Chr => {
            let number = value.as_index().ok_or_else(|| not_an_integer(value))?;
            let character = u32::try_from(number).ok().and_then(char::from_u32);
            let character = character.ok_or_else(|| value_error("chr() arg is no character"))?;
            Ok(Object::str(character.to_string()))
        }
        Builtin::Ord => {
            let mut characters = value.as_str().map(|text| text.chars()).into_iter().flatten();
            match (characters.next(), characters.next()) {
                (Some(character), None) => Ok(Object::Int(i64::from(u32::from(character)))),
                _ => Err(type_error("ord() expected a character")),
            }
        }
        Builtin::Iter => iterator::iterate(value),
        Builtin::Len => value.len().map(Object::length),
        Builtin::Repr => text::repr(machine, value).map(Object::str),
        Builtin::Reversed => {
            let items = match value {
                Object::List(items) | Object::Tuple(items) => Rc::clone(items),
                Object::Str(_) | Object::Range(_) | Object::Dict(_) | Object::View(..) => {
                    Rc::new(iterator::collect(machine, value)?)
                }
                other => {
                    return Err(type_error(format!("'{}' object is not reversible", other.type_name())));
                }
            };
            let left = items.len();
            Ok(Object::iterator(Iter::Reversed { items, left }))
        }
        _ => Ok(Object::Type(value.type_of())),
    }
}

/// An argument that is known to be there.
pub(crate) fn wanted(argument: Option<Object>) -> Object {
    argument.unwrap_or(Object::None)
}

pub(crate) fn not_an_integer(object: &Object) -> Box<crate::error::Raised> {
    type_error(format!("'{}' object cannot be interpreted as an integer", object.type_name()))
}

fn round(arguments: Arguments) -> Outcome<Object> {
    let [number, digits] = arguments.fit("round", ["number", "ndigits"], 1)?;
    let number = wanted(number);
    let digits = match digits {
        None | Some(Object::None) => None,
        Some(digits) => Some(digits.as_index().ok_or_else(|| not_an_integer(&digits))?),
    };
    match (&number, digits) {
        (Object::Float(number), None) => number::truncated(number.round_ties_even()),
        (Object::Float(number), Some(digits)) => number::round_float(*number, digits),
        (Object::Bool(_) | Object::Int(_) | Object::Big(_), digits) => match digits {
            Some(digits) if digits < 0 => {
                let digits = u32::try_from(digits.unsigned_abs()).unwrap_or(u32::MAX);
                let number = number::to_big(&number).unwrap_or_default();
                Ok(Object::integer(number::round_integer(&number, digits)))
            }
            _ => number::positive(&number),
        },
        (other, _) => Err(type_error(format!("type {} doesn't define __round__ method", other.type_name()))),
    }
}

fn range(arguments: Arguments) -> Outcome<Object> {
    let [first, second, step] = arguments.fit("range", ["", "", ""], 1)?;
    let number = |object: &Object| object.as_index().ok_or_else(|| not_an_integer(object));
    let (start, stop) = match (&wanted(first), &second) {
        (stop, None) => (0, number(stop)?),
        (start, Some(stop)) => (number(start)?, number(stop)?),
    };
    let step = step.as_ref().map_or(Ok(1), number)?;
    if step == 0 {
        return Err(value_error("range() arg 3 must not be zero"));
    }
    Ok(Object::Range(Rc::new(crate::value::Range { start, stop, step: step.max(-i64::MAX) })))
}

fn isinstance(machine: &mut Machine, value: &Object, kinds: &Object) -> Outcome<bool> {
    match kinds {
        Object::Type(kind) => {
            let own = value.type_of();
            // A boolean is an integer, too.
            Ok(own == *kind && own != Type::Other || own == Type::Bool && *kind == Type::Int)
        }
        Object::Tuple(kinds) => machine.deeper(|machine| {
            for kind in kinds.iter() {
                if isinstance(machine, value, kind)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }),
        _ => Err(type_error("isinstance() arg 2 must be a type, a tuple of types, or a union")),
    }
}
