//! Counters whose label `cause` takes its values from an enum.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};

/// The label's name.
pub(super) const LABEL: &str = "cause";

/// A closed list of causes. Declare it with [`causes!`](crate::causes), which keeps the list and the enum together.
pub trait Cause: Copy + fmt::Debug + Send + Sync + 'static {
    /// Every cause, in the order of declaration; `ALL[i].index() == i`.
    const ALL: &'static [Self];

    /// The position in [`Cause::ALL`].
    fn index(self) -> usize;

    /// The label's value: lower-case words joined by underscores.
    fn as_str(self) -> &'static str;
}

/// Declares an enum that is a [`Cause`]: each variant with the value of its label.
#[macro_export]
macro_rules! causes {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $( $(#[$variant_attribute:meta])* $variant:ident => $label:literal ),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $name {
            $( $(#[$variant_attribute])* $variant ),+
        }

        impl $crate::metrics::Cause for $name {
            const ALL: &'static [Self] = &[$( Self::$variant ),+];

            fn index(self) -> usize {
                self as usize
            }

            fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $label ),+
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.write_str($crate::metrics::Cause::as_str(*self))
            }
        }
    };
}

/// One counter for each cause of `C`. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct CauseCounter<C> {
    counters: Arc<[Counter]>,
    causes: PhantomData<fn(C)>,
}

impl<C: Cause> CauseCounter<C> {
    pub(super) fn new() -> Self {
        Self { counters: C::ALL.iter().map(|_| Counter::default()).collect(), causes: PhantomData }
    }

    /// Counts one occurrence.
    pub fn increment(&self, cause: C) {
        self.add(cause, 1);
    }

    /// Counts `count` occurrences.
    pub fn add(&self, cause: C, count: u64) {
        if let Some(counter) = self.counters.get(cause.index()) {
            counter.inc_by(count);
        }
    }

    /// How often `cause` was counted.
    pub fn get(&self, cause: C) -> u64 {
        self.counters.get(cause.index()).map_or(0, Counter::get)
    }

    /// The sum over all causes.
    pub fn sum(&self) -> u64 {
        self.counters.iter().map(Counter::get).sum()
    }
}

impl<C: Cause> Default for CauseCounter<C> {
    /// Counters that no registry exposes, for tests.
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Cause> fmt::Debug for CauseCounter<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(C::ALL.iter().map(|cause| (cause.as_str(), self.get(*cause)))).finish()
    }
}

impl<C: Cause> EncodeMetric for CauseCounter<C> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for cause in C::ALL {
            let labels = [(LABEL, cause.as_str())];
            let metric = encoder.encode_family(&labels)?;
            ConstCounter::new(self.get(*cause)).encode(metric)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}
