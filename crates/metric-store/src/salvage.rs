//! Metrics whose state was damaged: their chunks are found by the ids in them, and named again.
//!
//! Only what is in no chunk yet is lost with a metric's state. Found are also chunks that became part of later ones, and copies: a
//! chunk whose times another one has as well is passed over. Where two have different values at one time, because it was computed
//! anew after it was sealed, either may come back.

use std::collections::{BTreeMap, HashMap};
use std::io;

use archive::{Method, Series};

use crate::MetricId;
use crate::chunk_files::{ChunkFiles, ChunkPlace};
use crate::level::{Class, Newest};

/// What was found of a granularity of a metric.
#[derive(Debug, Default)]
pub(crate) struct FoundLevel {
    /// In the order of a level's chunks.
    pub(crate) chunks: Vec<ChunkPlace>,
    pub(crate) newest: Newest,
}

/// The chunks of metrics that have no state, by metric and granularity, until somebody says which of these metrics are still in use.
#[derive(Debug, Default)]
pub(crate) struct Salvage {
    metrics: BTreeMap<MetricId, BTreeMap<i64, FoundLevel>>,
}

impl Salvage {
    /// Looks through all files of chunks for those of metrics that are lost. What cannot be read of them is passed over.
    pub(crate) fn of(files: &mut ChunkFiles, is_lost: impl Fn(MetricId) -> bool) -> io::Result<Self> {
        let mut found = Self::default();
        let mut numbers = files.numbers()?;
        numbers.sort_unstable();
        for number in numbers {
            let found = &mut found;
            files.each_chunk(number, &is_lost, |metric, granularity, place, series| {
                let level = found.metrics.entry(metric).or_default().entry(granularity).or_default();
                level.chunks.push(place);
                for (method, series) in series {
                    if let Some(last) = series.last() {
                        level.newest.note(Class::of(*method), last);
                    }
                }
            });
        }
        for (metric, levels) in &mut found.metrics {
            for (granularity, level) in levels {
                settle(*metric, *granularity, &mut level.chunks, files);
            }
        }
        Ok(found)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// The metrics, in order.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = MetricId> {
        self.metrics.keys().copied()
    }

    /// The files of what was found of a metric.
    pub(crate) fn files_of(&self, metric: MetricId) -> impl Iterator<Item = u32> {
        let levels = self.metrics.get(&metric).into_iter().flat_map(BTreeMap::values);
        levels.flat_map(|level| level.chunks.iter().map(|place| place.file))
    }

    /// Takes what was found of a metric, by granularity.
    pub(crate) fn take(&mut self, metric: MetricId) -> Option<BTreeMap<i64, FoundLevel>> {
        self.metrics.remove(&metric)
    }
}

/// Brings chunks, which are in the order in which they were found, into a level's, without those that others make superfluous.
fn settle(metric: MetricId, granularity: i64, chunks: &mut Vec<ChunkPlace>, files: &mut ChunkFiles) {
    let all = std::mem::take(chunks);
    let mut read: HashMap<usize, Vec<(Method, Series)>> = HashMap::new();
    for (number, place) in all.iter().enumerate() {
        let wider = |(other, wide): &(usize, &ChunkPlace)| {
            *other != number
                && wide.first <= place.first
                && wide.last >= place.last
                && wide.rows >= place.rows
                && wide.classes & place.classes == place.classes
        };
        let is_superfluous = all.iter().enumerate().filter(wider).any(|(other, wide)| {
            for (number, place) in [(number, place), (other, wide)] {
                read.entry(number).or_insert_with(|| {
                    files.read(metric, granularity, *place, None).ok().flatten().unwrap_or_default()
                });
            }
            let (Some(own), Some(wide)) = (read.get(&number), read.get(&other)) else { return false };
            // Of two with the same times, the later one counts.
            has_times_of(wide, own) && (other > number || !has_times_of(own, wide))
        });
        if !is_superfluous {
            chunks.push(*place);
        }
    }
    chunks.sort_by_key(|place| place.first);
}

/// Whether a chunk has every time of another one, for each method.
fn has_times_of(wide: &[(Method, Series)], other: &[(Method, Series)]) -> bool {
    !other.is_empty()
        && other.iter().all(|(method, series)| {
            let own =
                wide.iter().find(|(own, _)| own == method).map(|(_, series)| series.points().timestamps());
            let mut own = own.unwrap_or_default().iter();
            series.points().timestamps().iter().all(|time| own.any(|own| own == time))
        })
}
