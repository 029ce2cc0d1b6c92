//! The methods that expressions may call: those that change nothing.

mod collections;
mod text;

use crate::error::Outcome;
use crate::eval::call::Arguments;
use crate::limits::Machine;
use crate::value::{Object, Type};

macro_rules! methods {
    ($($variant:ident $name:literal of $($kind:ident)|+,)*) => {
        /// A method.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Method {
            $($variant,)*
        }

        impl Method {
            /// The method that expressions call so.
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

            /// The names of all.
            pub(crate) fn names() -> Vec<&'static str> {
                vec![$($name,)*]
            }

            /// Whether objects of that type have it.
            pub(crate) fn is_of(self, kind: Type) -> bool {
                match self {
                    $(Self::$variant => matches!(kind, $(Type::$kind)|+),)*
                }
            }
        }
    };
}

methods! {
    Capitalize "capitalize" of Str,
    Casefold "casefold" of Str,
    Center "center" of Str,
    Copy "copy" of Dict | List | Set,
    Count "count" of Str | List | Tuple,
    Difference "difference" of Set,
    Endswith "endswith" of Str,
    Find "find" of Str,
    Format "format" of Str,
    Get "get" of Dict,
    Index "index" of Str | List | Tuple,
    Intersection "intersection" of Set,
    IsInteger "is_integer" of Float,
    Isalnum "isalnum" of Str,
    Isalpha "isalpha" of Str,
    Isdecimal "isdecimal" of Str,
    Isdigit "isdigit" of Str,
    Isdisjoint "isdisjoint" of Set,
    Islower "islower" of Str,
    Isspace "isspace" of Str,
    Issubset "issubset" of Set,
    Issuperset "issuperset" of Set,
    Isupper "isupper" of Str,
    Items "items" of Dict,
    Join "join" of Str,
    Keys "keys" of Dict,
    Ljust "ljust" of Str,
    Lower "lower" of Str,
    Lstrip "lstrip" of Str,
    Partition "partition" of Str,
    Removeprefix "removeprefix" of Str,
    Removesuffix "removesuffix" of Str,
    Replace "replace" of Str,
    Rfind "rfind" of Str,
    Rindex "rindex" of Str,
    Rjust "rjust" of Str,
    Rpartition "rpartition" of Str,
    Rsplit "rsplit" of Str,
    Rstrip "rstrip" of Str,
    Split "split" of Str,
    Splitlines "splitlines" of Str,
    Startswith "startswith" of Str,
    Strip "strip" of Str,
    Swapcase "swapcase" of Str,
    SymmetricDifference "symmetric_difference" of Set,
    Title "title" of Str,
    Union "union" of Set,
    Upper "upper" of Str,
    Values "values" of Dict,
    Zfill "zfill" of Str,
}

impl Method {
    pub(crate) fn is_of_object(self, object: &Object) -> bool {
        self.is_of(object.type_of())
    }
}

/// Calls `value.method(arguments)`; the object has the method.
pub(crate) fn call(
    machine: &mut Machine,
    value: &Object,
    method: Method,
    arguments: Arguments,
) -> Outcome<Object> {
    machine.step()?;
    machine.deeper(|machine| match value {
        Object::Str(text) => text::call(machine, text, method, arguments),
        other => collections::call(machine, other, method, arguments),
    })
}
