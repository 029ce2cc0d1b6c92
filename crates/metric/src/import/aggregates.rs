//! Aggregates as Gnocchi has computed them.

use archive::{Method, Series};
use metric_index::time;
use metric_store::{Aggregates, MetricId};
use model::{Timestamp, Value};
use uuid::Uuid;

use super::records::unreadable;
use super::{ImportError, ImportedMetric};
use crate::archive_policies::number;
use crate::measures::or_empty;
use crate::{Metrics, Refusal};

const NANOSECONDS: f64 = 1e9;

/// A series of a metric: method, granularity in nanoseconds, aggregates.
pub type ImportedSeries = (Method, i64, Series);

/// The series of a method that an answer to `/v1/metric/ID/measures` shows: one for each granularity.
///
/// # Errors
/// [`ImportError::Unreadable`].
pub fn shown_series(method: Method, shown: &Value) -> Result<Vec<ImportedSeries>, ImportError> {
    let mut all: Vec<ImportedSeries> = Vec::new();
    for row in shown.as_list().ok_or_else(|| unreadable("aggregates", shown))? {
        let (granularity, start, value) = aggregate(row).ok_or_else(|| unreadable("aggregate", row))?;
        match all.last_mut().filter(|(_, last, _)| *last == granularity) {
            Some((_, _, series)) if series.last().is_none_or(|last| last < start) => {
                series.push(start, value);
            }
            Some(_) => return Err(unreadable("aggregate in order", row)),
            None => {
                let mut series = Series::new();
                series.push(start, value);
                all.push((method, granularity, series));
            }
        }
    }
    Ok(all)
}

fn aggregate(row: &Value) -> Option<(i64, i64, f64)> {
    let [start, granularity, value] = row.as_list()? else { return None };
    let seconds =
        model::pytext::float_of(granularity).ok().filter(|seconds| *seconds > 0.0 && *seconds < 9e9)?;
    #[expect(clippy::cast_possible_truncation, reason = "checked against the bound")]
    let granularity = (seconds * NANOSECONDS).round() as i64;
    let start = time::nanoseconds(start, Timestamp::EPOCH).ok()?;
    Some((granularity, start, model::pytext::float_of(value).ok()?))
}

/// A checksum of a series (CRC-32 of its times and values).
pub fn series_checksum(series: &Series) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    for (timestamp, value) in series.points().iter() {
        hash.update(&timestamp.to_le_bytes());
        hash.update(&value.to_le_bytes());
    }
    hash.finalize()
}

impl Metrics {
    /// Takes the aggregates of a metric as they are. They replace those at the same times, unless measures have come.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn import_aggregates(
        &self,
        metric: &ImportedMetric,
        series: Vec<ImportedSeries>,
    ) -> Result<(), ImportError> {
        let id = metric.id;
        let policy = metric.policy.clone();
        let taken = self.write_store(move |store| {
            let policy = number(store, &policy)?;
            let metric = MetricId(*id.as_bytes());
            let all = series.into_iter().map(|(method, granularity, series)| Aggregates {
                metric,
                policy,
                granularity,
                series: vec![(method, series)],
            });
            Ok(store.import(all.collect())?)
        });
        taken.await.map_err(|refusal| ImportError::Store { id, refusal })
    }

    /// The checksum of a series of the store; that of an empty one where there is none.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn checksum(&self, id: Uuid, method: Method, granularity: i64) -> Result<u32, Refusal> {
        self.on_store(move |reader| {
            let read = reader.store()?.measures(MetricId(*id.as_bytes()), method, granularity, None, None);
            Ok(series_checksum(&or_empty(read)?))
        })
        .await
    }
}
