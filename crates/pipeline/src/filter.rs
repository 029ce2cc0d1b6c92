//! [`Filter`]: the list of names under `meters:` or `events:` of a source.
//!
//! The rules are Ceilometer's, shared by `polling.yaml` and the pipeline files: an entry is a glob, a
//! negated glob (`!disk.*`) or `*`; negations win; a list of negations alone lets everything else pass.

use std::fmt;

use expression::fnmatch::Glob;

/// Which names a source takes.
#[derive(Debug, Clone)]
pub struct Filter {
    taken: Vec<Glob>,
    refused: Vec<Glob>,
    everything: bool,
}

/// What a filter says of a name, and by which entry of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'f> {
    /// It passes by this entry.
    Taken(&'f str),
    /// It passes because the list has negations only, and none of them matches.
    NotRefused,
    /// It does not pass because of this negation, which is given without its `!`.
    Refused(&'f str),
    /// It does not pass because no entry matches.
    NotListed,
}

impl Decision<'_> {
    /// Whether the name passes.
    #[must_use]
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::Taken(_) | Self::NotRefused)
    }
}

impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(glob) => write!(f, "taken by {glob:?}"),
            Self::NotRefused => f.write_str("taken: the list only refuses, and not this"),
            Self::Refused(glob) => write!(f, "refused by {:?}", format_args!("!{glob}").to_string()),
            Self::NotListed => f.write_str("not listed"),
        }
    }
}

/// Why a list of names is not a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The list is empty.
    #[error("the list is empty")]
    Empty,
    /// Plain names and negated names in one list.
    #[error("both {plain:?} and the negated {negated:?} are listed")]
    Mixed {
        /// The first entry that is neither negated nor begins with `*`.
        plain: String,
        /// The first negated entry.
        negated: String,
    },
    /// `*` beside a plain name.
    #[error("both \"*\" and {plain:?} are listed, which \"*\" contains already")]
    Redundant {
        /// The first entry that is neither negated nor begins with `*`.
        plain: String,
    },
}

impl FilterError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => "list at least one name, or \"*\" for all".into(),
            Self::Mixed { plain, .. } => {
                format!("list {plain:?} in a source of its own, or write \"*\" for it")
            }
            Self::Redundant { plain } => format!("remove {plain:?}, or remove \"*\""),
        }
    }
}

impl Filter {
    /// Compiles a list of names.
    ///
    /// # Errors
    /// See [`FilterError`]; the rules are Ceilometer's `Source.check_source_filtering`.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, FilterError> {
        let names: Vec<&str> = names.into_iter().collect();
        if names.is_empty() {
            return Err(FilterError::Empty);
        }
        let plain = names.iter().find(|name| !name.starts_with(['!', '*']));
        let negated = names.iter().find(|name| name.starts_with('!'));
        if let (Some(plain), Some(negated)) = (plain, negated) {
            return Err(FilterError::Mixed { plain: (*plain).into(), negated: (*negated).into() });
        }
        if let (Some(plain), true) = (plain, names.contains(&"*")) {
            return Err(FilterError::Redundant { plain: (*plain).into() });
        }
        let everything = names == ["*"];
        let mut filter = Self { taken: Vec::new(), refused: Vec::new(), everything };
        for name in names {
            match name.strip_prefix('!') {
                Some(refused) => filter.refused.push(Glob::new(refused)),
                None => filter.taken.push(Glob::new(name)),
            }
        }
        Ok(filter)
    }

    /// Whether the list is just `*`, so that nothing needs to be looked at.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether `name` passes.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.decide(name).is_taken()
    }

    /// Whether `name` passes, and which entry of the list says so.
    #[must_use]
    pub fn decide(&self, name: &str) -> Decision<'_> {
        if let Some(glob) = self.refused.iter().find(|glob| glob.is_match(name)) {
            return Decision::Refused(glob.as_str());
        }
        match self.taken.iter().find(|glob| glob.is_match(name)) {
            Some(glob) => Decision::Taken(glob.as_str()),
            None if self.taken.is_empty() => Decision::NotRefused,
            None => Decision::NotListed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_pass_by_ceilometers_rules() {
        for (names, name, passes) in [
            (&["*"][..], "cpu", true),
            (&["cpu"], "cpu", true),
            (&["cpu"], "cpu.util", false),
            (&["disk.*"], "disk.read.bytes", true),
            (&["!disk.*"], "disk.read.bytes", false),
            (&["!disk.*"], "cpu", true),
            (&["*", "!disk.*"], "disk.read.bytes", false),
            (&["*", "!disk.*"], "cpu", true),
            (&["*.bytes", "!disk.*"], "network.bytes", true),
            (&["*.bytes", "!disk.*"], "cpu", false),
            (&["*.bytes", "cpu"], "cpu", true),
        ] {
            assert_eq!(Filter::new(names.iter().copied()).unwrap().matches(name), passes, "{names:?} {name}");
        }
    }

    #[test]
    fn the_entry_that_decides_is_named() {
        for (names, name, expected) in [
            (&["*"][..], "cpu", "taken by \"*\""),
            (&["disk.*", "cpu"], "cpu", "taken by \"cpu\""),
            (&["*", "!disk.*"], "disk.read", "refused by \"!disk.*\""),
            (&["!disk.*"], "cpu", "taken: the list only refuses, and not this"),
            (&["disk.*"], "cpu", "not listed"),
        ] {
            assert_eq!(Filter::new(names.iter().copied()).unwrap().decide(name).to_string(), expected);
        }
    }

    #[test]
    fn contradictory_lists_are_refused() {
        assert_eq!(Filter::new([]).unwrap_err(), FilterError::Empty);
        assert_eq!(
            Filter::new(["cpu", "!disk"]).unwrap_err(),
            FilterError::Mixed { plain: "cpu".into(), negated: "!disk".into() }
        );
        assert_eq!(Filter::new(["*", "cpu"]).unwrap_err(), FilterError::Redundant { plain: "cpu".into() });
    }
}
