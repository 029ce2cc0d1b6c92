//! What the store holds of one metric.

use std::collections::BTreeMap;
use std::io;

use archive::{AggregatedSeries, Batch, Method, RawBuffer, Series, time};

use crate::chunk_files::{ChunkFiles, ChunkPlace, Pending, Placed};
use crate::level::{Class, Level, Sealing, oldest_kept};
use crate::policies::Policy;
use crate::salvage::FoundLevel;
use crate::{MetricId, PolicyNumber};

/// How chunks are made.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Final rows that become a chunk. Metrics of one age reach it at different times, up to twice as late.
    pub sealed_rows: usize,
    /// Rows that take as many bytes become a chunk if they are fewer: it bounds what a metric takes in memory.
    pub sealed_bytes: usize,
    /// A chunk with as many rows is not merged any more.
    pub full_rows: u32,
    /// So many chunks that are not full are merged with what is sealed next, as well as those that make a full one.
    pub merged_chunks: usize,
    /// Files of chunks of as many bytes are cleared up once a third of them is dead weight.
    pub sparse_file_bytes: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            sealed_rows: 128,
            sealed_bytes: 512,
            full_rows: 1024,
            merged_chunks: 12,
            sparse_file_bytes: 64 << 10,
        }
    }
}

/// A metric: the raw points that may still change an aggregate, and the aggregates.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) policy: PolicyNumber,
    pub(crate) raw: RawBuffer,
    /// One for each definition of the policy.
    pub(crate) levels: Box<[Level]>,
}

/// The levels of a metric that sealing changes, in order, with their places.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    levels: Vec<(usize, Level)>,
}

impl Sealed {
    /// Says where the chunks came to stand that sealing made.
    pub(crate) fn place_chunks(&mut self, placed: Placed) {
        for place in self.levels.iter_mut().flat_map(|(_, level)| &mut level.chunks) {
            placed.place(place);
        }
    }
}

impl Metric {
    pub(crate) fn new(policy: PolicyNumber) -> Self {
        Self { policy, raw: RawBuffer::new(), levels: Box::default() }
    }

    /// Takes new points; says how many of them were too late. What is in `room` does not matter.
    pub(crate) fn apply(&mut self, batch: &Batch, policy: &Policy, room: &mut Series) -> usize {
        self.make_levels(policy);
        if self.goes_on(batch, policy) {
            self.extend(batch, policy, room);
            0
        } else {
            self.compute_anew(batch, policy)
        }
    }

    fn make_levels(&mut self, policy: &Policy) {
        if self.levels.len() != policy.archive.definition().len() {
            self.levels = policy.archive.definition().iter().map(|_| Level::default()).collect();
        }
    }

    /// Takes aggregates that were computed elsewhere. They replace what is here at the same times unless measures have come:
    /// then what is here stays.
    pub(crate) fn import(&mut self, granularity: i64, series: Vec<(Method, Series)>, policy: &Policy) {
        self.make_levels(policy);
        let columns = &policy.columns;
        let place = policy.archive.definition().iter().position(|item| item.granularity() == granularity);
        let Some(level) = place.and_then(|place| self.levels.get_mut(place)) else { return };
        let has_measures = !self.raw.points().is_empty();
        let mut merged = level.unpacked(self.raw.points(), columns, granularity);
        for (method, mut imported) in series {
            if let Some(column) = columns.place(method).and_then(|place| merged.get_mut(place)) {
                if has_measures {
                    imported.merge(column.points());
                    *column = imported;
                } else {
                    column.merge(imported.points());
                }
            }
        }
        level.put(&merged, self.raw.points(), policy, granularity);
    }

    /// Takes chunks of which the state was lost. Their groups were final: what is here at their times was computed from a part of
    /// their measures, and goes.
    pub(crate) fn put_back(
        &mut self,
        id: MetricId,
        mut found: BTreeMap<i64, FoundLevel>,
        policy: &Policy,
        files: &mut ChunkFiles,
    ) {
        self.make_levels(policy);
        let columns = &policy.columns;
        for (definition, level) in policy.archive.definition().iter().zip(&mut self.levels) {
            let granularity = definition.granularity();
            let Some(found) = found.remove(&granularity) else { continue };
            let mut series = level.unpacked(self.raw.points(), columns, granularity);
            let first = series.iter().filter_map(Series::first).min();
            for place in found.chunks.iter().filter(|place| first.is_some_and(|first| place.last >= first)) {
                let decoded = files.read(id, granularity, *place, None).ok().flatten().unwrap_or_default();
                for (method, chunk) in decoded {
                    if let Some(column) = columns.place(method).and_then(|place| series.get_mut(place)) {
                        *column = without(column, &chunk);
                    }
                }
            }
            level.take_back(found, &series, self.raw.points(), policy, granularity);
        }
    }

    /// Whether a batch continues what there is, so that nothing has to be computed from its begin: its points are newer than
    /// all others, and none of their groups has lost a point.
    fn goes_on(&self, batch: &Batch, policy: &Policy) -> bool {
        let timestamps = batch.points().timestamps();
        let last = self.raw.points().timestamps().last().copied();
        let begins_late = last
            .zip(timestamps.first())
            .is_some_and(|(last, first)| *first <= last || *first < policy.retention.oldest(last));
        let mut levels = policy.archive.definition().iter().zip(&self.levels);
        !begins_late
            && levels.all(|(definition, level)| level.goes_on(last, timestamps, definition.granularity()))
    }

    fn extend(&mut self, batch: &Batch, policy: &Policy, room: &mut Series) {
        let Some(newest) = batch.points().timestamps().last() else { return };
        let (old, oldest) = (self.raw.points().len(), policy.retention.oldest(*newest));
        let levels = policy.archive.definition().iter().zip(&mut self.levels);
        self.raw.extend(batch.points(), policy.retention, room, |raw| {
            for (definition, level) in levels {
                level.extend(raw, old, policy, definition.granularity(), oldest);
            }
        });
    }

    /// Computes every group that a batch touches from the raw points, as Gnocchi does.
    fn compute_anew(&mut self, batch: &Batch, policy: &Policy) -> usize {
        let (columns, definitions) = (&policy.columns, policy.archive.definition());
        let unpacked = definitions
            .iter()
            .zip(&self.levels)
            .map(|(definition, level)| level.unpacked(self.raw.points(), columns, definition.granularity()));
        let mut levels: Vec<Vec<Series>> = unpacked.collect();
        let merged = self.raw.apply(batch, &policy.archive, |aggregation, computed| {
            let level = definitions.iter().position(|item| item.granularity() == aggregation.granularity);
            let level = level.and_then(|place| levels.get_mut(place));
            let column = columns.place(aggregation.method);
            if let Some(series) = level.zip(column).and_then(|(level, column)| level.get_mut(column)) {
                series.merge(computed.points());
            }
        });
        for ((definition, level), series) in definitions.iter().zip(&mut self.levels).zip(&levels) {
            level.put(series, self.raw.points(), policy, definition.granularity());
        }
        merged.map_or(0, |merged| merged.late)
    }

    /// The series of a method and a granularity from `start` to `stop`, as [`AggregatedSeries::fetch`] cuts it; `None` if the
    /// policy keeps none. Chunks that are damaged or lost are passed over.
    ///
    /// # Errors
    /// The operating system does not let a chunk be read now.
    pub(crate) fn aggregated(
        &self,
        id: MetricId,
        policy: &Policy,
        (method, granularity): (Method, i64),
        (start, stop): (Option<i64>, Option<i64>),
        files: &mut ChunkFiles,
    ) -> io::Result<Option<AggregatedSeries>> {
        let Some(aggregation) = policy.archive.aggregation(method, granularity) else { return Ok(None) };
        let definitions = policy.archive.definition();
        let place = definitions.iter().position(|item| item.granularity() == granularity);
        let (Some(column), Some(level)) =
            (policy.columns.place(method), place.and_then(|place| self.levels.get(place)))
        else {
            return Ok(Some(AggregatedSeries::new(aggregation)));
        };
        let class = Class::of(method);
        let kept = level.newest.get(class).zip(aggregation.timespan);
        let kept = kept.map(|(newest, timespan)| oldest_kept(newest, timespan));
        let from = start.map(|start| time::floor(start, granularity)).max(kept);
        let mut all = Series::new();
        for chunk in &level.chunks {
            let is_outside = from.is_some_and(|from| chunk.last < from)
                || stop.is_some_and(|stop| chunk.first >= stop)
                || chunk.classes & class.bit() == 0;
            if is_outside {
                continue;
            }
            let decoded = files.read(id, granularity, *chunk, Some(method))?.unwrap_or_default();
            for (_, series) in decoded {
                join(&mut all, series);
            }
        }
        let mut newer = Series::with_capacity(level.rows.len() + 1);
        let mut add = |start, cells: &[Option<f64>]| {
            if let Some(value) = cells.get(column).copied().flatten() {
                newer.push(start, value);
            }
        };
        level.rows.each(&policy.columns, granularity, &mut add);
        if let Some(group) = &level.open {
            let mut cells = Vec::new();
            group.cells(self.raw.points(), granularity, &policy.columns, &mut cells);
            add(group.start(), &cells);
        }
        join(&mut all, newer);
        all.keep_between(from, stop);
        Ok(Some(AggregatedSeries::from_series(aggregation, all)))
    }

    /// What sealing its final aggregates makes of its levels, if there are enough of them, or forgetting chunks that are too
    /// old; `None` when nothing changes.
    ///
    /// Final are groups before the oldest point that the raw buffer would still take: no batch computes them anew.
    pub(crate) fn sealed(
        &self,
        id: MetricId,
        policy: &Policy,
        files: &mut ChunkFiles,
        chunks: &mut Pending,
        sizes: Sizes,
    ) -> Option<Sealed> {
        // Imported aggregates of a metric without measures are final.
        let newest = self.raw.points().timestamps().last();
        let oldest = newest.map_or(i64::MAX, |newest| policy.retention.oldest(*newest));
        let mut sealed = Sealed::default();
        for (place, (definition, level)) in policy.archive.definition().iter().zip(&self.levels).enumerate() {
            let (granularity, timespan) = (definition.granularity(), definition.timespan());
            let end = time::floor(oldest, granularity);
            let sealing = Sealing { id, granularity, timespan, columns: &policy.columns, end, sizes };
            if let Some(level) = level.sealed(sealing, files, chunks) {
                sealed.levels.push((place, level));
            }
        }
        (!sealed.levels.is_empty()).then_some(sealed)
    }

    /// Takes what [`Self::sealed`] has made of it as it is now.
    pub(crate) fn put_sealed(&mut self, sealed: Sealed) {
        for (place, level) in sealed.levels {
            if let Some(own) = self.levels.get_mut(place) {
                *own = level;
            }
        }
    }

    /// Its levels as they will be once `sealed` is put.
    pub(crate) fn levels_with<'m>(&'m self, sealed: Option<&'m Sealed>) -> impl Iterator<Item = &'m Level> {
        let mut changed = sealed.map_or(&[][..], |sealed| &sealed.levels).iter().peekable();
        self.levels.iter().enumerate().map(move |(place, level)| {
            changed.next_if(|(changed, _)| *changed == place).map_or(level, |(_, level)| level)
        })
    }

    /// The places of its chunks.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &ChunkPlace> {
        self.levels.iter().flat_map(|level| &level.chunks)
    }

    pub(crate) fn raw_points(&self) -> usize {
        self.raw.points().len()
    }

    /// The groups in its chunks.
    pub(crate) fn chunk_rows(&self) -> u64 {
        self.chunks().map(|place| u64::from(place.rows)).sum()
    }

    /// What it takes in memory, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        let levels: usize = self.levels.iter().map(Level::memory_bytes).sum();
        size_of::<Self>() + self.raw.points().len() * size_of::<(i64, f64)>() + levels
    }

    /// Rows that are in no chunk, and the chunks.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let rows = self.levels.iter().map(|level| level.rows.len() + usize::from(level.open.is_some())).sum();
        (rows, self.levels.iter().map(|level| level.chunks.len()).sum())
    }
}

/// A series without the times of another one.
fn without(series: &Series, other: &Series) -> Series {
    let mut times = other.points().timestamps().iter().peekable();
    let mut stays = |time: i64| {
        while times.next_if(|other| **other < time).is_some() {}
        times.peek().is_none_or(|other| **other != time)
    };
    series.points().iter().filter(|(time, _)| stays(*time)).collect()
}

/// Adds newer points to a series.
fn join(all: &mut Series, newer: Series) {
    if all.is_empty() {
        *all = newer;
    } else {
        all.merge(newer.points());
    }
}

#[cfg(test)]
mod tests;
