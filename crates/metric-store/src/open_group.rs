//! The newest group of a level, as long as its aggregates can be continued instead of computed anew.

use std::cell::OnceCell;

use archive::{Grouped, Grouping, Points, Statistic, Totals, Window, time};

use crate::columns::Columns;

/// The group that holds the newest raw point, and what its points add up to.
///
/// It always says what computing the group anew from the raw buffer would say: all points of the group are still there,
/// and the point before them is if `rates` has a difference from it.
#[derive(Debug, Clone)]
pub(crate) struct OpenGroup {
    start: i64,
    totals: Totals,
    /// The differences, for `rate:` methods.
    rates: Option<Box<Totals>>,
}

impl OpenGroup {
    /// A group with its first value; `before` is the value to take its difference from.
    pub(crate) fn begin(start: i64, value: f64, before: Option<f64>) -> Self {
        let rates = before.map(|before| Box::new(Totals::new(value - before)));
        Self { start, totals: Totals::new(value), rates }
    }

    /// The group of the newest raw point, computed anew: `None` if there is no point, or if the point lies just before the
    /// group that it is rounded into.
    pub(crate) fn of(raw: Points<'_>, granularity: i64, with_rates: bool) -> Option<Self> {
        let start = time::floor(*raw.timestamps().last()?, granularity);
        let earlier = raw.before(start);
        let near = start.saturating_sub(granularity);
        let before = earlier.checked_sub(1).filter(|_| with_rates).and_then(|place| {
            let is_near = raw.timestamps().get(place).is_some_and(|at| *at >= near);
            raw.values().get(place).copied().filter(|_| is_near)
        });
        let (first, rest) = raw.values().get(earlier..)?.split_first()?;
        let mut group = Self::begin(start, *first, before);
        let mut last = *first;
        for value in rest {
            group.push(*value, with_rates.then_some(last));
            last = *value;
        }
        Some(group)
    }

    /// Adds a value that is newer than all others; `before` is the one before it, if there are `rate:` methods.
    pub(crate) fn push(&mut self, value: f64, before: Option<f64>) {
        self.totals.push(value);
        match (&mut self.rates, before) {
            (Some(rates), Some(before)) => rates.push(value - before),
            (None, Some(before)) => self.rates = Some(Box::new(Totals::new(value - before))),
            (_, None) => {}
        }
    }

    pub(crate) const fn start(&self) -> i64 {
        self.start
    }

    /// How many values it has.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.totals.values()).unwrap_or(usize::MAX)
    }

    /// How many differences.
    pub(crate) fn differences(&self) -> usize {
        let count = self.rates.as_ref().map_or(0, |rates| rates.values());
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Whether it says what computing it anew will say: `raw` ends with the group's points, and is cut before `oldest` next.
    pub(crate) fn lasts(&self, raw: Points<'_>, granularity: i64, oldest: i64) -> bool {
        let first = raw.len().saturating_sub(self.len());
        let has_before = self.rates.is_some() && self.differences() == self.len();
        let before = first.checked_sub(1).and_then(|place| raw.timestamps().get(place).copied());
        let near = self.start.saturating_sub(granularity).max(oldest);
        oldest <= self.start && (!has_before || before.is_some_and(|before| before >= near))
    }

    /// The value of each column; `raw` ends with the group's points.
    pub(crate) fn cells(
        &self,
        raw: Points<'_>,
        granularity: i64,
        columns: &Columns,
        cells: &mut Vec<Option<f64>>,
    ) {
        let first = raw.len().saturating_sub(self.len());
        let points = raw.skip(first);
        let grouped = OnceCell::new();
        let anew = || {
            grouped.get_or_init(|| {
                let place = first.checked_sub(1).filter(|_| self.differences() == self.len());
                let before = place.and_then(|place| raw.values().get(place).copied());
                Grouped::new(Window { points, before }, Grouping::Fixed(granularity))
            })
        };
        cells.clear();
        cells.extend(columns.methods().iter().map(|method| {
            let totals = if method.rate { self.rates.as_deref()? } else { &self.totals };
            match method.statistic {
                Statistic::Std if totals.values() < 2 => None,
                Statistic::Std if !method.rate => totals.deviation(points.values()),
                statistic => {
                    let told = totals.get(statistic);
                    told.or_else(|| anew().aggregate(*method).points().values().first().copied())
                }
            }
        }));
    }
}
