//! [`Value`]: what a notification's payload, a sample's metadata or a trait can hold.
//!
//! The shape is that of Python's `json` module, because notifications come from Python programs:
//! maps keep their order, integers have no upper bound, floats may be `NaN` or infinite.

use std::fmt;

/// A text of a notification, sample or event. Up to 23 bytes, which nearly every key has, it lies in place; a longer one
/// is shared by its copies.
pub use smol_str::SmolStr as Text;

/// A JSON-like value with Python's number model.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// Python's `None`.
    #[default]
    Null,
    /// `True` or `False`.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// An integer beyond 64 bits, as its decimal text (sign and digits, no leading zeros).
    BigInt(Box<str>),
    /// A double; unlike in JSON it may be `NaN` or infinite, which Python reads and writes.
    Float(f64),
    /// A text.
    Str(Text),
    /// A list.
    List(Vec<Value>),
    /// A map that keeps insertion order.
    Map(Map),
}

/// A map from text to [`Value`] that keeps insertion order, as Python's `dict` does.
///
/// Look-ups are linear: payload maps are small, and a scan of adjacent entries beats hashing there.
/// Parsers build with [`Map::from_pairs`], which stays linear for hostile sizes as well.
#[derive(Clone, Default, PartialEq)]
pub struct Map {
    entries: Vec<(Text, Value)>,
}

impl Map {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// An empty map with room for `capacity` entries.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity) }
    }

    /// Builds a map from pairs in order; of equal keys the last value wins, in the place of the first
    /// (Python's `dict(pairs)`).
    #[must_use]
    pub fn from_pairs(entries: Vec<(Text, Value)>) -> Self {
        /// From here on a hash table pays, and keeps hostile maps linear.
        const LARGE: usize = 512;
        let mut places = std::collections::HashMap::new();
        let mut seen = Seen::default();
        let mut repeated = false;
        for (place, (key, _)) in entries.iter().enumerate() {
            if entries.len() >= LARGE {
                repeated |= places.insert(key.as_str(), place).is_some();
            } else if seen.perhaps(key) {
                let before = entries.get(..place).unwrap_or_default();
                repeated |= before.iter().any(|(known, _)| known == key);
            }
        }
        // The other way has a table of its own.
        drop(places);
        if repeated { Self::last_wins(entries) } else { Self { entries } }
    }

    /// The slow way of [`from_pairs`](Self::from_pairs), for maps that do have equal keys.
    #[cold]
    fn last_wins(entries: Vec<(Text, Value)>) -> Self {
        let mut places: std::collections::HashMap<Text, usize> = std::collections::HashMap::new();
        let mut unique: Vec<(Text, Value)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let known = places.get(&key).copied();
            if let Some(entry) = known.and_then(|place| unique.get_mut(place)) {
                entry.1 = value;
            } else {
                places.insert(key.clone(), unique.len());
                unique.push((key, value));
            }
        }
        Self { entries: unique }
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// The value under `key`, to change in place.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.entries.iter_mut().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// Sets `key`; an existing key keeps its place. Returns the value it had.
    pub fn insert(&mut self, key: impl Into<Text>, value: impl Into<Value>) -> Option<Value> {
        let key = key.into();
        let value = value.into();
        if let Some(known) = self.get_mut(&key) {
            return Some(std::mem::replace(known, value));
        }
        self.entries.push((key, value));
        None
    }

    /// Removes `key` and returns its value; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let place = self.entries.iter().position(|(known, _)| known == key)?;
        Some(self.entries.remove(place).1)
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in insertion order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> + DoubleEndedIterator {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The values in insertion order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.entries.iter().map(|(_, value)| value)
    }
}

/// Remembers roughly which keys were seen: a set of bits, one for each hash.
#[derive(Default)]
struct Seen {
    bits: [u64; 32],
}

impl Seen {
    /// Whether `key` may have been seen before; `false` is certain.
    fn perhaps(&mut self, key: &str) -> bool {
        // Any mixing will do: a false alarm costs a comparison with the keys before it.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let (words, rest) = key.as_bytes().as_chunks::<8>();
        let mut hash = key.len() as u64;
        for word in words {
            hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
        }
        let last = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = (hash ^ last).wrapping_mul(FACTOR);
        hash ^= hash >> 32;
        let place = (hash.wrapping_mul(FACTOR) >> 53) as usize;
        let (word, bit) = (place / 64, 1 << (place % 64));
        let known = self.bits[word] & bit != 0;
        self.bits[word] |= bit;
        known
    }
}

impl<K: Into<Text>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self::from_pairs(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl IntoIterator for Map {
    type Item = (Text, Value);
    type IntoIter = std::vec::IntoIter<(Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl Value {
    /// The text, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The map, if this is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, if this is one.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// Whether this is `None`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value under `key`, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// Python's truth test: `None`, `False`, zero, and empty texts, lists and maps are false.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) => *number != 0,
            Self::BigInt(_) => true,
            Self::Float(number) => *number != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
        }
    }
}

impl Value {
    /// Whether every number in it is finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::BigInt(_) | Self::Str(_) => true,
            Self::Float(number) => number.is_finite(),
            Self::List(list) => list.iter().all(Self::is_finite),
            Self::Map(map) => map.values().all(Self::is_finite),
        }
    }

    /// About how many bytes of memory the value takes, its own place included.
    #[must_use]
    #[inline]
    pub fn approximate_bytes(&self) -> usize {
        let outside = match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => 0,
            Self::Str(text) => text_bytes(text),
            other => other.outside_bytes(),
        };
        size_of::<Self>() + outside
    }

    /// What it holds outside of its own place.
    fn outside_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => 0,
            Self::BigInt(digits) => allocation(digits.len()),
            Self::Str(text) => text_bytes(text),
            Self::List(list) => {
                let held: usize = list.iter().map(Self::outside_bytes).sum();
                allocation(list.capacity() * size_of::<Self>()) + held
            }
            Self::Map(Map { entries }) => {
                let held: usize =
                    entries.iter().map(|(key, value)| text_bytes(key) + value.outside_bytes()).sum();
                allocation(entries.capacity() * size_of::<(Text, Self)>()) + held
            }
        }
    }
}

/// What an allocator takes for so many bytes: a header, and the rounding of glibc's. A payload is made of thousands of
/// small pieces, so that leaving this out would count half.
pub(crate) const fn allocation(bytes: usize) -> usize {
    const HEADER: usize = 8;
    const LEAST: usize = 32;
    if bytes == 0 {
        return 0;
    }
    let rounded = (bytes + HEADER).next_multiple_of(16);
    if rounded < LEAST { LEAST } else { rounded }
}

/// The longest [`Text`] that lies in place, in bytes.
pub(crate) const IN_PLACE: usize = 23;

/// What a [`Text`] takes besides its own place, in bytes: a longer one lies behind two counters. Each copy counts in
/// full.
#[inline]
pub(crate) const fn text_bytes(text: &str) -> usize {
    const COUNTERS: usize = 2 * size_of::<usize>();
    if text.len() > IN_PLACE { allocation(COUNTERS + text.len()) } else { 0 }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Str(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Self::List(list)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::BigInt(digits) => f.write_str(digits),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Str(text) => write!(f, "{text:?}"),
            Self::List(list) => f.debug_list().entries(list).finish(),
            Self::Map(map) => map.fmt(f),
        }
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_keys_the_last_value_wins_in_the_first_place() {
        for extra in [0_i64, 100, 1000] {
            let mut pairs: Vec<(Text, Value)> =
                vec![("a".into(), 1.into()), ("b".into(), 2.into()), ("a".into(), 3.into())];
            pairs.extend((0..extra).map(|n| (format!("k{n}").into(), n.into())));
            let map = Map::from_pairs(pairs);
            assert_eq!(map.len(), 2 + usize::try_from(extra).unwrap());
            let first: Vec<_> = map.iter().take(2).collect();
            assert_eq!(first, [("a", &Value::Int(3)), ("b", &Value::Int(2))]);
        }
    }

    /// A payload of many small pieces takes a multiple of its text, and the estimate says so.
    #[test]
    fn the_estimate_counts_the_allocators_share() {
        assert_eq!(Value::Int(1).approximate_bytes(), size_of::<Value>());
        assert_eq!(Value::from("").approximate_bytes(), size_of::<Value>());
        assert_eq!(Value::from("a".repeat(23)).approximate_bytes(), size_of::<Value>());
        // Sixteen bytes of counters, eight of the allocator's.
        assert_eq!(Value::from("a".repeat(1000)).approximate_bytes(), size_of::<Value>() + 1024);
        let pairs: Vec<(Text, Value)> =
            (0..1000).map(|n| (format!("k{n:03}").into(), Value::from("v".repeat(24)))).collect();
        let map = Value::Map(Map::from_pairs(pairs));
        // Each value has an allocation of 48 bytes, the keys have none; the places are one large allocation.
        let places = 1000 * size_of::<(Text, Value)>();
        let bytes = map.approximate_bytes();
        assert!((places + 48_000..places + 48_100).contains(&bytes), "{bytes}");
    }

    #[test]
    fn truth_is_pythons() {
        for (value, truth) in [
            (Value::Null, false),
            (Value::Float(0.0), false),
            (Value::Float(f64::NAN), true),
            (Value::from(""), false),
            (Value::from("0"), true),
            (Value::Int(0), false),
            (Value::List(vec![]), false),
            (Value::Map(Map::new()), false),
        ] {
            assert_eq!(value.is_truthy(), truth, "{value:?}");
        }
    }
}
