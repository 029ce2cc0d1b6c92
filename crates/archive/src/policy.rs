//! Archive policies: which aggregates of a metric are kept, and for how long.

mod definition;
mod methods;

use crate::grouped::Grouping;
use crate::method::{Method, MethodSet, Statistic};
use crate::raw::Retention;
use crate::time::{DAY, SECOND};

pub use self::definition::{Definition, DefinitionError};
pub use self::methods::expand_methods;

/// One of the series that are kept for a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Aggregation {
    /// What becomes of each group.
    pub method: Method,
    /// The width of a group, in nanoseconds.
    pub granularity: i64,
    /// How far before the newest point the series reaches, in nanoseconds; without bound if there is none.
    pub timespan: Option<i64>,
}

impl Aggregation {
    /// How the points are grouped.
    pub const fn grouping(&self) -> Grouping {
        Grouping::Fixed(self.granularity)
    }
}

/// Why something is no archive policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It has no definition.
    #[error("an archive policy needs at least one definition")]
    NoDefinition,
    /// Two definitions have the same granularity.
    #[error("More than one archive policy uses granularity `{}'", definition::seconds_text(*.granularity))]
    SameGranularity {
        /// The granularity, in nanoseconds.
        granularity: i64,
    },
}

/// Why an archive policy cannot be changed as asked. The text follows "Archive policy X does not support change: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The number of definitions would change.
    #[error("Cannot add or drop granularities")]
    Count,
    /// A granularity would change.
    #[error("{} granularity interval was changed", definition::seconds_text(*.granularity))]
    Granularity {
        /// The present granularity, in nanoseconds.
        granularity: i64,
    },
}

/// An archive policy (Gnocchi REST v1, /v1/archive_policy).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivePolicy {
    name: String,
    back_window: u64,
    definition: Vec<Definition>,
    methods: MethodSet,
}

impl ArchivePolicy {
    /// The methods of a policy that names none, unless configuration says otherwise.
    pub fn default_methods() -> MethodSet {
        [Statistic::Mean, Statistic::Min, Statistic::Max, Statistic::Sum, Statistic::Std, Statistic::Count]
            .into_iter()
            .map(Method::plain)
            .collect()
    }

    /// A policy. `back_window` counts blocks of the coarsest granularity that late points may lie before the current
    /// one.
    pub fn new(
        name: impl Into<String>,
        back_window: u64,
        definition: Vec<Definition>,
        methods: MethodSet,
    ) -> Result<Self, PolicyError> {
        if definition.is_empty() {
            return Err(PolicyError::NoDefinition);
        }
        for (index, item) in definition.iter().enumerate() {
            let granularity = item.granularity();
            if definition.iter().skip(index + 1).any(|other| other.granularity() == granularity) {
                return Err(PolicyError::SameGranularity { granularity });
            }
        }
        Ok(Self { name: name.into(), back_window, definition, methods })
    }

    /// The policies that Gnocchi makes when there are none: `bool`, `low`, `medium` and `high`.
    pub fn presets(default_methods: MethodSet) -> Vec<Self> {
        const MINUTE: i64 = 60 * SECOND;
        const HOUR: i64 = 60 * MINUTE;
        let last: MethodSet = [Method::plain(Statistic::Last)].into_iter().collect();
        let week = (MINUTE, 7 * DAY);
        let year = (HOUR, 365 * DAY);
        let make = |name: &str, back_window, spans: &[(i64, i64)], methods| {
            let definition =
                spans.iter().map(|(granularity, span)| Definition::spanning(*granularity, *span));
            Self { name: name.to_owned(), back_window, definition: definition.collect(), methods }
        };
        vec![
            make("bool", 3_600, &[(SECOND, 365 * DAY)], last),
            make("low", 0, &[(5 * MINUTE, 30 * DAY)], default_methods),
            make("medium", 0, &[week, year], default_methods),
            make("high", 0, &[(SECOND, HOUR), week, year], default_methods),
        ]
    }

    /// The same policy with other timespans and perhaps another back window. Granularities and methods stay.
    pub fn changed(
        &self,
        definition: Vec<Definition>,
        back_window: Option<u64>,
    ) -> Result<Self, ChangeError> {
        if definition.len() != self.definition.len() {
            return Err(ChangeError::Count);
        }
        let sorted = |definition: &[Definition]| {
            let mut granularities: Vec<i64> = definition.iter().map(Definition::granularity).collect();
            granularities.sort_unstable();
            granularities
        };
        let (present, wanted) = (sorted(&self.definition), sorted(&definition));
        if let Some((granularity, _)) =
            present.iter().zip(&wanted).find(|(present, wanted)| present != wanted)
        {
            return Err(ChangeError::Granularity { granularity: *granularity });
        }
        let back_window = back_window.unwrap_or(self.back_window);
        Ok(Self { name: self.name.clone(), back_window, definition, methods: self.methods })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many blocks late points may lie before the current one.
    pub fn back_window(&self) -> u64 {
        self.back_window
    }

    /// Its definitions, as given.
    pub fn definition(&self) -> &[Definition] {
        &self.definition
    }

    /// Its methods.
    pub fn methods(&self) -> &MethodSet {
        &self.methods
    }

    /// The definition of a granularity in nanoseconds.
    pub fn definition_of(&self, granularity: i64) -> Option<&Definition> {
        self.definition.iter().find(|item| item.granularity() == granularity)
    }

    /// The series of a method and a granularity, if the policy keeps it.
    pub fn aggregation(&self, method: Method, granularity: i64) -> Option<Aggregation> {
        let definition = self.definition_of(granularity).filter(|_| self.methods.contains(method))?;
        Some(definition.aggregation(method))
    }

    /// The series of a method, coarsest first, as answers list them.
    pub fn aggregations_of(&self, method: Method) -> Vec<Aggregation> {
        let mut aggregations: Vec<_> = self.definition.iter().map(|item| item.aggregation(method)).collect();
        aggregations.sort_unstable_by_key(|aggregation| std::cmp::Reverse(aggregation.granularity));
        aggregations
    }

    /// The granularities (nanoseconds) that all of some policies have, coarsest first: those at which their metrics can
    /// be computed with each other.
    pub fn common_granularities<'p>(policies: impl IntoIterator<Item = &'p Self>) -> Vec<i64> {
        let mut policies = policies.into_iter();
        let first = policies.next().map(|policy| policy.definition.iter().map(Definition::granularity));
        let mut common: Vec<i64> = first.into_iter().flatten().collect();
        for policy in policies {
            common.retain(|granularity| policy.definition_of(*granularity).is_some());
        }
        common.sort_unstable_by_key(|granularity| std::cmp::Reverse(*granularity));
        common
    }

    /// How much of the raw points is kept: the coarsest granularity is the block, and differences need one block more.
    pub fn retention(&self) -> Retention {
        let block = self.definition.iter().map(Definition::granularity).max().unwrap_or(SECOND);
        let blocks_back = self.back_window.saturating_add(u64::from(self.methods.has_rate()));
        Retention { block, blocks_back }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(granularities: &[i64]) -> Result<ArchivePolicy, PolicyError> {
        let definition =
            granularities.iter().map(|seconds| Definition::spanning(seconds * SECOND, 3_600 * SECOND));
        ArchivePolicy::new("p", 1, definition.collect(), ArchivePolicy::default_methods())
    }

    #[test]
    fn granularities_differ() {
        assert_eq!(policy(&[]), Err(PolicyError::NoDefinition));
        let text = policy(&[60, 1, 60]).unwrap_err().to_string();
        assert_eq!(text, "More than one archive policy uses granularity `60.0'");
    }

    #[test]
    fn presets_are_those_of_gnocchi() {
        let presets = ArchivePolicy::presets(ArchivePolicy::default_methods());
        let names: Vec<&str> = presets.iter().map(ArchivePolicy::name).collect();
        assert_eq!(names, ["bool", "low", "medium", "high"]);
        let points: Vec<Option<u64>> = presets[3].definition().iter().map(Definition::points).collect();
        assert_eq!(points, [Some(3_600), Some(10_080), Some(8_760)]);
        assert_eq!(presets[0].retention(), Retention { block: SECOND, blocks_back: 3_600 });
    }

    #[test]
    fn common_granularities_are_those_of_all() {
        let (first, second) = (policy(&[1, 60, 300]).unwrap(), policy(&[300, 5, 1]).unwrap());
        assert_eq!(ArchivePolicy::common_granularities([&first, &second, &first]), [300 * SECOND, SECOND]);
        assert_eq!(ArchivePolicy::common_granularities([&first, &policy(&[7]).unwrap()]), [0; 0]);
        assert_eq!(ArchivePolicy::common_granularities([]), [0; 0]);
    }

    #[test]
    fn only_timespans_and_the_back_window_change() {
        let present = policy(&[1, 60]).unwrap();
        let definition = |spans: &[(i64, i64)]| -> Vec<Definition> {
            spans
                .iter()
                .map(|(granularity, span)| Definition::spanning(granularity * SECOND, span * SECOND))
                .collect()
        };
        let changed = present.changed(definition(&[(60, 600), (1, 7)]), None).unwrap();
        assert_eq!(changed.definition_of(SECOND).and_then(Definition::points), Some(7));
        assert_eq!(changed.back_window(), 1);
        assert_eq!(
            present.changed(definition(&[(1, 9)]), None).unwrap_err().to_string(),
            "Cannot add or drop granularities"
        );
        let other = present.changed(definition(&[(2, 9), (60, 600)]), Some(3)).unwrap_err();
        assert_eq!(other.to_string(), "1.0 granularity interval was changed");
    }

    #[test]
    fn differences_keep_one_block_more() {
        let mut methods = ArchivePolicy::default_methods();
        methods.insert(Method::rate(Statistic::Mean));
        let policy = ArchivePolicy::new("p", 2, vec![Definition::spanning(5, 50)], methods).unwrap();
        assert_eq!(policy.retention(), Retention { block: 5, blocks_back: 3 });
        assert_eq!(policy.aggregation(Method::rate(Statistic::Sum), 5), None);
        assert_eq!(
            policy.aggregation(Method::rate(Statistic::Mean), 5).and_then(|found| found.timespan),
            Some(50)
        );
        assert_eq!(policy.aggregations_of(Method::rate(Statistic::Mean)).len(), 1);
    }
}
