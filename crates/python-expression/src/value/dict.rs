//! Dicts and sets: they keep their order, and find keys that are equal in Python's sense.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use num_bigint::BigInt;
use num_traits::{FromPrimitive, ToPrimitive};

use super::Object;
use crate::error::{Outcome, type_error};

/// What a key is compared by: `1`, `1.0` and `True` are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    None,
    Int(i64),
    Big(BigInt),
    /// The bits of a double that is no integer.
    Float(u64),
    Str(Arc<str>),
    Tuple(Vec<Key>),
    /// A type or function, by its name.
    Named(&'static str),
}

impl Key {
    /// The key that `object` is; a list, a dict or a set is none.
    pub(crate) fn of(object: &Object) -> Outcome<Self> {
        Ok(match object {
            Object::None => Self::None,
            Object::Bool(truth) => Self::Int(i64::from(*truth)),
            Object::Int(number) => Self::Int(*number),
            Object::Big(number) => Self::Big(BigInt::clone(number)),
            Object::Float(number) => Self::of_float(*number),
            Object::Str(text) => Self::Str(Arc::clone(text)),
            Object::Tuple(items) => Self::Tuple(items.iter().map(Self::of).collect::<Outcome<_>>()?),
            Object::Type(kind) => Self::Named(kind.name()),
            Object::Builtin(builtin) => Self::Named(builtin.name()),
            other => return Err(type_error(format!("unhashable type: '{}'", other.type_name()))),
        })
    }

    fn of_float(number: f64) -> Self {
        if number.fract() == 0.0
            && let Some(whole) = BigInt::from_f64(number)
        {
            return whole.to_i64().map_or(Self::Big(whole), Self::Int);
        }
        Self::Float(number.to_bits())
    }
}

/// A map in the order of the keys' first appearance.
#[derive(Clone, Default)]
pub(crate) struct Dict {
    entries: Vec<(Object, Object)>,
    places: HashMap<Key, usize>,
}

impl Dict {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn insert(&mut self, key: Object, value: Object) -> Outcome<()> {
        let place = self.places.entry(Key::of(&key)?).or_insert(self.entries.len());
        match self.entries.get_mut(*place) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((key, value)),
        }
        Ok(())
    }

    pub(crate) fn get(&self, key: &Object) -> Outcome<Option<&Object>> {
        let place = self.places.get(&Key::of(key)?);
        Ok(place.and_then(|place| self.entries.get(*place)).map(|(_, value)| value))
    }

    pub(crate) fn contains(&self, key: &Object) -> Outcome<bool> {
        Ok(self.places.contains_key(&Key::of(key)?))
    }

    pub(crate) fn entry(&self, place: usize) -> Option<&(Object, Object)> {
        self.entries.get(place)
    }

    pub(crate) fn entries(&self) -> &[(Object, Object)] {
        &self.entries
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Object> {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The set of these.
    pub(crate) fn set(items: impl IntoIterator<Item = Object>) -> Outcome<Object> {
        let mut set = Self::default();
        for item in items {
            // A key that is there already stays as it is.
            if !set.contains(&item)? {
                set.insert(item, Object::None)?;
            }
        }
        Ok(Object::Set(Rc::new(set)))
    }
}
