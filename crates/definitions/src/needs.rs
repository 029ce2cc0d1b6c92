//! [`Needs`]: the parts of a notification that its conversion can look at, so that the rest need not be built.

/// Which keys of a map are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// All of them, whatever they are.
    All,
    /// These alone.
    Only(KeySet),
}

/// A few names, among which most others are told apart by their lengths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet {
    names: Vec<Box<str>>,
    /// A bit for each length, the last for all longer ones.
    lengths: u64,
}

fn length_bit(name: &str) -> u64 {
    1 << name.len().min(63)
}

impl KeySet {
    fn insert(&mut self, name: &str) {
        if !self.contains(name) {
            self.names.push(name.into());
            self.lengths |= length_bit(name);
        }
    }

    /// Whether `name` is one of them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.lengths & length_bit(name) != 0 && self.names.iter().any(|known| **known == *name)
    }
}

impl Keys {
    /// No key at all.
    #[must_use]
    pub fn none() -> Self {
        Self::Only(KeySet::default())
    }

    /// Whether the key `name` is needed.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }

    fn insert(&mut self, name: &str) {
        if let Self::Only(names) = self {
            names.insert(name);
        }
    }

    fn extend(&mut self, others: &Self) {
        match others {
            Self::All => *self = Self::All,
            Self::Only(others) => {
                for name in &others.names {
                    self.insert(name);
                }
            }
        }
    }
}

/// What is needed of a notification. Its header is always there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// Of the request context (`ctxt`).
    pub context: Keys,
    /// Of the payload, if that is a map; anything else is needed as a whole.
    pub payload: Keys,
}

impl Needs {
    /// Nothing but the header.
    #[must_use]
    pub fn nothing() -> Self {
        Self { context: Keys::none(), payload: Keys::none() }
    }

    /// All of it.
    #[must_use]
    pub const fn everything() -> Self {
        Self { context: Keys::All, payload: Keys::All }
    }

    /// Adds what something else needs.
    pub fn extend(&mut self, other: &Self) {
        self.context.extend(&other.context);
        self.payload.extend(&other.payload);
    }

    /// Adds the key `second` of the part `first` of a notification, or the part as a whole.
    pub(crate) fn add(&mut self, first: &str, second: Option<&str>) {
        let part = match first {
            "ctxt" => &mut self.context,
            "payload" => &mut self.payload,
            _ => return,
        };
        match second {
            Some(name) => part.insert(name),
            None => *part = Keys::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_that_were_added() {
        let mut needs = Needs::nothing();
        needs.add("ctxt", Some("user"));
        needs.add("metadata", None);
        let long = "x".repeat(100);
        needs.add("ctxt", Some(&long));
        for (name, needed) in
            [("user", true), ("uses", false), ("", false), (long.as_str(), true), (&long[1..], false)]
        {
            assert_eq!(needs.context.contains(name), needed, "{name}");
        }
        assert!(!needs.payload.contains("user"));
        let mut other = Needs::nothing();
        other.add("payload", None);
        needs.extend(&other);
        assert!(needs.payload.contains("user") && needs.context.contains("user"));
        needs.add("payload", Some("user"));
        assert_eq!(needs.payload, Keys::All);
    }
}
