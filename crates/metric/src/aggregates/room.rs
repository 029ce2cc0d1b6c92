//! What the tables that operations compute with may take: metrics at times of their own make a row for each time of each.

use std::sync::Arc;

use archive::Series;
use model::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::compute::not_computable;
use crate::service::cell_permits;
use crate::{Kind, Metrics, Refusal};

/// The bounds.
pub(super) struct Room {
    /// Cells of one request at most.
    most: usize,
    /// What is left for all requests.
    all: Arc<Semaphore>,
}

impl Room {
    pub(super) fn of(metrics: &Metrics) -> Self {
        Self { most: metrics.max_cells(), all: Arc::clone(&metrics.cells) }
    }

    /// Refuses more cells than one request may have; `keys` are what it computes with.
    pub(super) fn check(&self, cells: usize, keys: impl FnOnce() -> Vec<Value>) -> Result<(), Refusal> {
        if cells <= self.most {
            return Ok(());
        }
        let most = self.most;
        let reason =
            format!("More than {most} values: take a shorter time, a coarser granularity or fewer metrics");
        Err(not_computable(reason, keys()))
    }

    /// Takes the room for a table of these series, until what is returned is dropped.
    pub(super) fn take<'s>(
        &self,
        series: impl Iterator<Item = &'s Series> + Clone,
        granularity: i64,
        keys: impl FnOnce() -> Vec<Value>,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        let cells = cells(series, granularity);
        self.check(cells, keys)?;
        let permits = u32::try_from(cell_permits(cells)).unwrap_or(u32::MAX);
        Arc::clone(&self.all).try_acquire_many_owned(permits).map_err(|_| {
            let text = "The server computes with as many values as it may. Please retry.";
            Refusal::new(Kind::Unavailable, text)
        })
    }
}

/// The cells of a table of series at most: it has a row for each time that one of them has.
fn cells<'s>(series: impl Iterator<Item = &'s Series> + Clone, granularity: i64) -> usize {
    let points: usize = series.clone().map(|series| series.points().len()).sum();
    let times = || series.clone().map(|series| series.points().timestamps());
    let first = times().filter_map(|times| times.first()).min();
    let last = times().filter_map(|times| times.last()).max();
    let (Some(first), Some(last)) = (first, last) else { return 0 };
    let span = last.saturating_sub(*first) / granularity.max(1);
    let rows = usize::try_from(span).map_or(points, |span| span.saturating_add(1).min(points));
    rows.saturating_mul(series.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_rows_by_columns() {
        let series = |times: &[i64]| times.iter().map(|time| (*time, 1.0)).collect::<Series>();
        for (all, granularity, expected) in [
            (vec![], 10, 0),
            (vec![series(&[]), series(&[])], 10, 0),
            // At the same times.
            (vec![series(&[0, 10, 20]), series(&[0, 10, 20])], 10, 6),
            // At times of their own, close by and far away.
            (vec![series(&[0, 20]), series(&[10, 30])], 10, 8),
            (vec![series(&[0]), series(&[10_000])], 10, 4),
            (vec![series(&[0]), series(&[i64::MAX])], 1, 4),
        ] {
            assert_eq!(cells(all.iter(), granularity), expected, "{all:?}");
        }
    }
}
