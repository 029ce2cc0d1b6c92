//! Constructors and modifiers for the option table; all of them run at compile time.

use super::{
    Bool, Default, Deprecated, Float, Handle, Int, Kind, List, Opt, OptFloat, OptInt, OptStr, RefusedValue,
    Str, Support,
};
use std::marker::PhantomData;

const fn handle<T>(name: &'static str, kind: Kind, default: Default) -> Handle<T> {
    Handle {
        opt: Opt {
            group: "",
            name,
            kind,
            default,
            default_env: &[],
            help: "",
            deprecated: &[],
            secret: false,
            support: Support::Effective,
            leaving: None,
            refused: &[],
        },
        marker: PhantomData,
    }
}

const ANY_TEXT: Kind = Kind::Str { choices: &[], ignore_case: false };
const ANY_INT: Kind = Kind::Int { min: None, max: None };
const ANY_FLOAT: Kind = Kind::Float { min: None, max: None };

/// A text option with a default.
pub(crate) const fn text(name: &'static str, default: &'static str) -> Handle<Str> {
    handle(name, ANY_TEXT, Default::Str(default))
}

/// A text option that may be unset.
pub(crate) const fn nullable_text(name: &'static str) -> Handle<OptStr> {
    handle(name, ANY_TEXT, Default::Null)
}

/// A truth value.
pub(crate) const fn boolean(name: &'static str, default: bool) -> Handle<Bool> {
    handle(name, Kind::Bool, Default::Bool(default))
}

/// A whole number with a default.
pub(crate) const fn integer(name: &'static str, default: i64) -> Handle<Int> {
    handle(name, ANY_INT, Default::Int(default))
}

/// A whole number that may be unset.
pub(crate) const fn nullable_integer(name: &'static str) -> Handle<OptInt> {
    handle(name, ANY_INT, Default::Null)
}

/// A number with a default.
pub(crate) const fn float(name: &'static str, default: f64) -> Handle<Float> {
    handle(name, ANY_FLOAT, Default::Float(default))
}

/// A number that may be unset.
pub(crate) const fn nullable_float(name: &'static str) -> Handle<OptFloat> {
    handle(name, ANY_FLOAT, Default::Null)
}

/// Items separated by commas.
pub(crate) const fn list(name: &'static str, default: &'static [&'static str]) -> Handle<List> {
    handle(name, Kind::List { unique: false }, Default::List(default))
}

/// One value for each occurrence of the key.
pub(crate) const fn multi(name: &'static str, default: &'static [&'static str]) -> Handle<List> {
    handle(name, Kind::MultiStr, Default::List(default))
}

/// A host name or address; the default is the machine's name.
pub(crate) const fn host_address(name: &'static str) -> Handle<Str> {
    handle(name, Kind::HostAddress, Default::HostName)
}

/// `host:port` to listen on; empty means not to listen.
pub(crate) const fn listen_address(name: &'static str, default: &'static str) -> Handle<Str> {
    handle(name, Kind::Listen, Default::Str(default))
}

impl<T> Handle<T> {
    /// Sets the group and the help; the table's macro calls it.
    #[must_use]
    pub(crate) const fn describe(mut self, group: &'static str, help: &'static str) -> Self {
        self.opt.group = group;
        self.opt.help = help;
        self
    }

    /// Smallest whole number.
    #[must_use]
    pub(crate) const fn min(mut self, smallest: i64) -> Self {
        if let Kind::Int { max, .. } = self.opt.kind {
            self.opt.kind = Kind::Int { min: Some(smallest), max };
        }
        self
    }

    /// Greatest whole number.
    #[must_use]
    pub(crate) const fn max(mut self, greatest: i64) -> Self {
        if let Kind::Int { min, .. } = self.opt.kind {
            self.opt.kind = Kind::Int { min, max: Some(greatest) };
        }
        self
    }

    /// Smallest and greatest number, either may be absent.
    #[must_use]
    pub(crate) const fn within(mut self, smallest: Option<f64>, greatest: Option<f64>) -> Self {
        self.opt.kind = Kind::Float { min: smallest, max: greatest };
        self
    }

    /// Values allowed.
    #[must_use]
    pub(crate) const fn choices(mut self, allowed: &'static [&'static str]) -> Self {
        self.opt.kind = Kind::Str { choices: allowed, ignore_case: false };
        self
    }

    /// Values allowed in any case.
    #[must_use]
    pub(crate) const fn choices_any_case(mut self, allowed: &'static [&'static str]) -> Self {
        self.opt.kind = Kind::Str { choices: allowed, ignore_case: true };
        self
    }

    /// Drops items that appear again.
    #[must_use]
    pub(crate) const fn unique(mut self) -> Self {
        self.opt.kind = Kind::List { unique: true };
        self
    }

    /// Former names.
    #[must_use]
    pub(crate) const fn formerly(mut self, names: &'static [Deprecated]) -> Self {
        self.opt.deprecated = names;
        self
    }

    /// Hides the value.
    #[must_use]
    pub(crate) const fn secret(mut self) -> Self {
        self.opt.secret = true;
        self
    }

    /// Marks the option as belonging to a role that does not exist yet.
    #[must_use]
    pub(crate) const fn later(mut self, role: &'static str) -> Self {
        self.opt.support = Support::Later(role);
        self
    }

    /// Marks the option as read but without effect.
    #[must_use]
    pub(crate) const fn no_effect(mut self, why: &'static str) -> Self {
        self.opt.support = Support::NoEffect(why);
        self
    }

    /// Marks the option as announced to go away.
    #[must_use]
    pub(crate) const fn leaving(mut self, why: &'static str) -> Self {
        self.opt.leaving = Some(why);
        self
    }

    /// Values that are refused.
    #[must_use]
    pub(crate) const fn refuses(mut self, values: &'static [RefusedValue]) -> Self {
        self.opt.refused = values;
        self
    }

    /// Environment variables that supply the default.
    #[must_use]
    pub(crate) const fn default_env(mut self, names: &'static [&'static str]) -> Self {
        self.opt.default_env = names;
        self
    }

    /// Replaces the default.
    #[must_use]
    pub(crate) const fn default(mut self, default: Default) -> Self {
        self.opt.default = default;
        self
    }
}

/// A former name in the same group.
pub(crate) const fn was(name: &'static str) -> Deprecated {
    Deprecated { group: None, name: Some(name) }
}

/// A former name in another group.
pub(crate) const fn was_in(group: &'static str, name: &'static str) -> Deprecated {
    Deprecated { group: Some(group), name: Some(name) }
}

/// The same name in another group.
pub(crate) const fn was_in_group(group: &'static str) -> Deprecated {
    Deprecated { group: Some(group), name: None }
}
