//! The 216 aggregation methods.

use std::fmt;
use std::str::FromStr;

/// A whole percentage from 1 to 99.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// `None` outside 1 to 99.
    pub const fn new(percent: u8) -> Option<Self> {
        if percent >= 1 && percent <= 99 { Some(Self(percent)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// What a group of values is reduced to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Statistic {
    /// The sum by the count.
    Mean,
    /// The sum in the order of time.
    Sum,
    /// The smallest value; NaN only if there is no other.
    Min,
    /// The largest value; NaN if there is one.
    Max,
    /// How many values there are, NaN included.
    Count,
    /// The sample's standard deviation. A group of one value has none.
    Std,
    /// The middle value, or the mean of the two in the middle; NaN counts as the largest.
    Median,
    /// The oldest value.
    First,
    /// The newest value.
    Last,
    /// A percentile, linear between its neighbours; NaN counts as the largest.
    Percentile(Percent),
}

/// The statistics that are no percentiles, in the order of [`Method::index`].
const PLAIN: [(Statistic, &str); 9] = [
    (Statistic::Mean, "mean"),
    (Statistic::Sum, "sum"),
    (Statistic::Min, "min"),
    (Statistic::Max, "max"),
    (Statistic::Count, "count"),
    (Statistic::Std, "std"),
    (Statistic::Median, "median"),
    (Statistic::First, "first"),
    (Statistic::Last, "last"),
];

/// How many statistics there are.
const STATISTICS: u8 = 9 + 99;

impl Statistic {
    const fn index(self) -> u8 {
        match self {
            Self::Mean => 0,
            Self::Sum => 1,
            Self::Min => 2,
            Self::Max => 3,
            Self::Count => 4,
            Self::Std => 5,
            Self::Median => 6,
            Self::First => 7,
            Self::Last => 8,
            Self::Percentile(percent) => 8 + percent.get(),
        }
    }

    fn from_index(index: u8) -> Option<Self> {
        let plain = PLAIN.get(usize::from(index)).map(|(statistic, _)| *statistic);
        plain.or_else(|| Percent::new(index.checked_sub(8)?).map(Self::Percentile))
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(formatter, "{}pct", percent.get()),
            plain => {
                let name = PLAIN.get(usize::from(plain.index())).map_or("", |(_, name)| *name);
                formatter.write_str(name)
            }
        }
    }
}

/// A name that is no aggregation method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown aggregation method {name:?}; write mean, sum, min, max, count, std, median, first, last, 1pct to 99pct, or rate: before one of them"
)]
pub struct UnknownMethod {
    /// The name.
    pub name: String,
}

impl FromStr for Statistic {
    type Err = UnknownMethod;

    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        let plain = PLAIN.iter().find(|(_, known)| *known == name).map(|(statistic, _)| *statistic);
        let percentile = || {
            let digits = name.strip_suffix("pct")?;
            // Neither "+5pct" nor "05pct".
            let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
            canonical.then(|| digits.parse().ok().and_then(Percent::new).map(Self::Percentile)).flatten()
        };
        plain.or_else(percentile).ok_or_else(|| UnknownMethod { name: name.to_owned() })
    }
}

/// An aggregation method: a statistic of the values of each group, or of their differences (`rate:`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Method {
    /// Whether each value is first replaced by its difference from the one before.
    pub rate: bool,
    /// What becomes of a group.
    pub statistic: Statistic,
}

impl Method {
    /// How many methods there are.
    pub const COUNT: usize = 2 * STATISTICS as usize;

    /// A statistic of the values themselves.
    pub const fn plain(statistic: Statistic) -> Self {
        Self { rate: false, statistic }
    }

    /// A statistic of the differences.
    pub const fn rate(statistic: Statistic) -> Self {
        Self { rate: true, statistic }
    }

    /// All methods, in the order of their index.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map_while(Self::from_index)
    }

    /// A number below [`Self::COUNT`] that stands for the method, also on disk.
    pub const fn index(self) -> u8 {
        if self.rate { self.statistic.index() + STATISTICS } else { self.statistic.index() }
    }

    /// The method of an index.
    pub fn from_index(index: u8) -> Option<Self> {
        match index.checked_sub(STATISTICS) {
            None => Statistic::from_index(index).map(Self::plain),
            Some(index) if index < STATISTICS => Statistic::from_index(index).map(Self::rate),
            Some(_) => None,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", if self.rate { "rate:" } else { "" }, self.statistic)
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        let (rate, statistic) = name.strip_prefix("rate:").map_or((false, name), |rest| (true, rest));
        let statistic = statistic.parse().map_err(|_| UnknownMethod { name: name.to_owned() })?;
        Ok(Self { rate, statistic })
    }
}

/// A set of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MethodSet([u64; 4]);

impl MethodSet {
    /// No method.
    pub const EMPTY: Self = Self([0; 4]);

    /// All methods.
    pub fn all() -> Self {
        Method::all().collect()
    }

    fn place(method: Method) -> (usize, u64) {
        (usize::from(method.index() / 64), 1 << (method.index() % 64))
    }

    /// Adds a method.
    pub fn insert(&mut self, method: Method) {
        let (word, bit) = Self::place(method);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// Removes a method.
    pub fn remove(&mut self, method: Method) {
        let (word, bit) = Self::place(method);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }

    /// Whether a method is in the set.
    pub fn contains(&self, method: Method) -> bool {
        let (word, bit) = Self::place(method);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// The methods, in the order of their index.
    pub fn iter(&self) -> impl Iterator<Item = Method> + '_ {
        let indices = self.0.iter().zip([0_u8, 64, 128, 192]).flat_map(|(word, base)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = u8::try_from(rest.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
                rest &= rest - 1;
                Some(base + bit)
            })
        });
        indices.filter_map(Method::from_index)
    }

    /// How many methods there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// Whether one of them is a rate. The raw buffer then keeps one more block.
    pub fn has_rate(&self) -> bool {
        self.iter().any(|method| method.rate)
    }
}

impl FromIterator<Method> for MethodSet {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        let mut set = Self::EMPTY;
        for method in methods {
            set.insert(method);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_name_and_an_index() {
        let all: Vec<Method> = Method::all().collect();
        assert_eq!(all.len(), Method::COUNT);
        assert_eq!(all.len(), 216);
        for (index, method) in all.iter().enumerate() {
            assert_eq!(usize::from(method.index()), index);
            assert_eq!(method.to_string().parse(), Ok(*method));
        }
        assert_eq!(all.first().map(Method::to_string).as_deref(), Some("mean"));
        assert_eq!(all.last().map(Method::to_string).as_deref(), Some("rate:99pct"));
    }

    #[test]
    fn other_names_are_refused() {
        for name in
            ["", "var", "0pct", "100pct", "05pct", "+5pct", "pct", "rate:", "rate:rate:mean", "Mean", "5pct "]
        {
            assert!(name.parse::<Method>().is_err(), "{name}");
        }
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let mut set = MethodSet::all();
        assert_eq!(set.len(), 216);
        assert!(set.has_rate());
        assert!(set.iter().eq(Method::all()));
        for method in Method::all() {
            assert!(set.contains(method));
            set.remove(method);
            assert!(!set.contains(method));
        }
        assert!(set.is_empty());
        set.insert(Method::plain(Statistic::Last));
        assert!(!set.has_rate());
        assert!(set.iter().eq([Method::plain(Statistic::Last)]));
    }
}
