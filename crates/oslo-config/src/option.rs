//! Declaration of options, and the typed handles that read them.

mod build;
mod read;

pub(crate) use build::{
    boolean, float, host_address, integer, list, listen_address, multi, nullable_float, nullable_integer,
    nullable_text, text,
};
pub use read::{Bool, Float, Int, List, OptFloat, OptInt, OptStr, Read, Str, Type};

use std::marker::PhantomData;

/// Constructors of former names, for the option table.
pub(crate) mod build_names {
    pub(crate) use super::build::{was, was_in, was_in_group};
}

/// Form and bounds of an option's value.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// Text, from a list of choices if the list is not empty.
    Str {
        /// Values allowed; any if empty.
        choices: &'static [&'static str],
        /// Whether case is ignored when comparing with the choices.
        ignore_case: bool,
    },
    /// A truth value.
    Bool,
    /// A whole number; both bounds included.
    Int {
        /// Smallest value.
        min: Option<i64>,
        /// Greatest value.
        max: Option<i64>,
    },
    /// A number; both bounds included.
    Float {
        /// Smallest value.
        min: Option<f64>,
        /// Greatest value.
        max: Option<f64>,
    },
    /// Items separated by commas.
    List {
        /// Whether an item that appears again is dropped.
        unique: bool,
    },
    /// A value for each line of the key; all files add to it.
    MultiStr,
    /// A host name, an IPv4 or an IPv6 address.
    HostAddress,
    /// A TCP or UDP port.
    Port,
    /// A URI with scheme and host.
    Uri,
    /// `host:port` to listen on, or nothing to stay silent. Nephoscope's own.
    Listen,
}

impl Kind {
    /// What the reference page calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Str { .. } => "text",
            Self::Bool => "boolean",
            Self::Int { .. } => "integer",
            Self::Float { .. } => "number",
            Self::List { .. } => "list",
            Self::MultiStr => "multi-valued text",
            Self::HostAddress => "host name or address",
            Self::Port => "port",
            Self::Uri => "URI",
            Self::Listen => "host:port, or empty",
        }
    }

    /// Whether every occurrence of the key counts, instead of the last.
    pub(crate) fn is_multi(&self) -> bool {
        matches!(self, Self::MultiStr)
    }
}

/// The value of an option that nobody sets.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Default {
    /// None.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text; references in it are replaced as in a file.
    Str(&'static str),
    /// Items.
    List(&'static [&'static str]),
    /// The machine's host name, as handed to the loader.
    HostName,
    /// The program's name, as handed to the loader.
    Program,
    /// The number of processors, as handed to the loader.
    Processors,
}

/// A former name of an option, still read, with a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deprecated {
    /// Former group; the option's own if absent.
    pub group: Option<&'static str>,
    /// Former key; the option's own if absent.
    pub name: Option<&'static str>,
}

/// What Nephoscope does with an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It has its documented effect.
    Effective,
    /// It belongs to a role that this version does not have yet; the text names the role. Read and
    /// checked, without a warning, since agents share one file.
    Later(&'static str),
    /// It is read and checked, but changes nothing; the text says why. Setting it to something
    /// other than its default is a warning.
    NoEffect(&'static str),
}

/// A value that is refused although its form is right, because what it asks for is not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedValue {
    /// URLs of this scheme, also with a suffix (`kafka`, `kafka+ssl`).
    Scheme {
        /// The scheme, lower case.
        scheme: &'static str,
        /// What to use instead.
        instead: &'static str,
    },
    /// URLs whose scheme ends with this transport (`qemu+ssh`).
    Transport {
        /// What follows the plus sign.
        transport: &'static str,
        /// What to use instead.
        instead: &'static str,
    },
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opt {
    /// Section, `DEFAULT` or lower case.
    pub group: &'static str,
    /// Key in the file.
    pub name: &'static str,
    /// Form and bounds.
    pub kind: Kind,
    /// Value if unset.
    pub default: Default,
    /// Environment variables that, if set, supply the default; the first set one counts.
    pub default_env: &'static [&'static str],
    /// What it is for.
    pub help: &'static str,
    /// Former names, most recent first.
    pub deprecated: &'static [Deprecated],
    /// Whether the value is hidden wherever options are shown.
    pub secret: bool,
    /// What Nephoscope does with it.
    pub support: Support,
    /// Upstream announced that it goes away; the text says why.
    pub leaving: Option<&'static str>,
    /// Values that are refused.
    pub refused: &'static [RefusedValue],
}

/// An option together with the type that reading it gives.
#[derive(Debug)]
pub struct Handle<T> {
    /// The declaration.
    pub opt: Opt,
    marker: PhantomData<fn() -> T>,
}
