//! What the store holds of one metric.

use std::io;

use archive::{
    AggregatedSeries, Aggregation, ArchivePolicy, Batch, Definition, Method, RawBuffer, Series, time,
};

use crate::chunk_files::{ChunkFiles, ChunkPlace, Pending, UNPLACED};
use crate::{MetricId, PolicyNumber};

/// Rows of one method that are sealed at once.
const MAX_SEALED_ROWS: usize = 4_096;

/// How chunks are made.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Final rows that become a chunk. Metrics of one age reach it at different times, up to twice as late.
    pub sealed_rows: usize,
    /// A chunk with as many rows is not merged any more.
    pub full_rows: u32,
    /// So many chunks that are not full are merged with what is sealed next.
    pub merged_chunks: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { sealed_rows: 128, full_rows: 1024, merged_chunks: 7 }
    }
}

/// A metric: the raw points that may still change an aggregate, and the aggregates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metric {
    pub(crate) policy: PolicyNumber,
    pub(crate) raw: RawBuffer,
    /// One for each definition of the policy.
    pub(crate) levels: Vec<Level>,
}

/// The aggregates of one granularity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Level {
    /// What is in no chunk yet, for each method of the policy. It replaces what chunks have at the same times.
    pub(crate) pending: Vec<Series>,
    /// Older first; later ones replace earlier ones.
    pub(crate) chunks: Vec<ChunkPlace>,
    /// The newest start of each method's series.
    pub(crate) newest: Vec<Option<i64>>,
}

impl Level {
    pub(crate) fn new(methods: usize) -> Self {
        Self { pending: vec![Series::new(); methods], chunks: Vec::new(), newest: vec![None; methods] }
    }

    fn take(&mut self, method: usize, aggregation: &Aggregation, computed: &Series) {
        let (Some(kept), Some(newest)) = (self.pending.get_mut(method), self.newest.get_mut(method)) else {
            return;
        };
        kept.merge(computed.points());
        *newest = (*newest).max(computed.last());
        if let (Some(newest), Some(timespan)) = (*newest, aggregation.timespan) {
            kept.forget_first(kept.points().before(oldest_kept(newest, timespan)));
        }
    }

    /// How many rows lie before `end`.
    fn final_rows(&self, end: i64) -> usize {
        self.pending.iter().map(|series| series.points().before(end)).max().unwrap_or_default()
    }

    /// Whether there is something to seal, or a chunk to forget.
    fn is_due(&self, definition: &Definition, oldest: i64, enough: usize) -> bool {
        self.final_rows(time::floor(oldest, definition.granularity())) >= enough
            || self
                .oldest_kept(definition.timespan())
                .is_some_and(|oldest| self.chunks.iter().any(|place| place.last < oldest))
    }

    /// Makes a chunk of the oldest rows before `end`, and of the chunks before it if there are many; says whether it did.
    fn seal(
        &mut self,
        end: i64,
        (id, granularity): (MetricId, i64),
        methods: &[Method],
        (files, chunks): (&mut ChunkFiles, &mut Pending),
        sizes: Sizes,
    ) -> bool {
        // No more rows at once than a chunk may have.
        let beyond = |series: &Series| series.points().timestamps().get(MAX_SEALED_ROWS).copied();
        let end = self.pending.iter().filter_map(beyond).fold(end, i64::min);
        let (kept, mut sealed) = merged_chunks(self, methods, (id, granularity), files, sizes);
        for (series, pending) in sealed.iter_mut().zip(&self.pending) {
            series.merge(pending.points().take(pending.points().before(end)));
        }
        let columns: Vec<(Method, &Series)> = methods.iter().copied().zip(&sealed).collect();
        let Some(place) = chunks.add(id, granularity, &columns) else { return false };
        self.chunks.truncate(kept);
        self.chunks.push(place);
        for pending in &mut self.pending {
            pending.forget_first(pending.points().before(end));
        }
        true
    }

    /// The start of the oldest row that any series keeps.
    fn oldest_kept(&self, timespan: Option<i64>) -> Option<i64> {
        Some(oldest_kept(self.newest.iter().copied().flatten().min()?, timespan?))
    }

    /// Forgets chunks that are older than every series reaches.
    fn truncate(&mut self, timespan: Option<i64>) {
        if let Some(oldest) = self.oldest_kept(timespan) {
            self.chunks.retain(|place| place.last >= oldest);
        }
    }
}

/// The start of the oldest aggregate that is kept when `newest` is the newest one.
fn oldest_kept(newest: i64, timespan: i64) -> i64 {
    newest.saturating_sub(timespan).saturating_add(1)
}

impl Metric {
    pub(crate) const fn new(policy: PolicyNumber) -> Self {
        Self { policy, raw: RawBuffer::new(), levels: Vec::new() }
    }

    /// Takes new points; says how many of them were too late.
    pub(crate) fn apply(&mut self, batch: &Batch, policy: &ArchivePolicy) -> usize {
        let count = policy.methods().len();
        self.levels.resize_with(policy.definition().len(), || Level::new(count));
        let levels = &mut self.levels;
        let merged = self.raw.apply(batch, policy, |aggregation, computed| {
            let Some((definition, method)) = place(policy, aggregation) else { return };
            if let Some(level) = levels.get_mut(definition) {
                level.take(method, aggregation, computed);
            }
        });
        merged.map_or(0, |merged| merged.late)
    }

    /// The series of a method and a granularity; `None` if the policy keeps none. Chunks that are damaged or lost are
    /// passed over.
    ///
    /// # Errors
    /// The operating system does not let a chunk be read now.
    pub(crate) fn aggregated(
        &self,
        id: MetricId,
        policy: &ArchivePolicy,
        (method, granularity): (Method, i64),
        files: &mut ChunkFiles,
    ) -> io::Result<Option<AggregatedSeries>> {
        let Some(aggregation) = policy.aggregation(method, granularity) else { return Ok(None) };
        let Some((definition, place)) = place(policy, &aggregation) else { return Ok(None) };
        let mut all = Series::new();
        if let Some(level) = self.levels.get(definition) {
            for chunk in &level.chunks {
                let decoded = files.read(id, granularity, *chunk)?.unwrap_or_default();
                for (_, series) in decoded.iter().filter(|(other, _)| *other == method) {
                    all.merge(series.points());
                }
            }
            if let Some(pending) = level.pending.get(place) {
                all.merge(pending.points());
            }
        }
        Ok(Some(AggregatedSeries::from_series(aggregation, all)))
    }

    /// This metric with its final aggregates in chunks, if there are enough of them, or with fewer chunks, if some are too
    /// old; `None` when nothing changes.
    ///
    /// Final are groups before the oldest point that the raw buffer would still take: no batch computes them anew.
    pub(crate) fn sealed(
        &self,
        id: MetricId,
        policy: &ArchivePolicy,
        files: &mut ChunkFiles,
        chunks: &mut Pending,
        sizes: Sizes,
    ) -> Option<Self> {
        let oldest = policy.retention().oldest(self.raw.points().timestamps().last().copied()?);
        let sealed_rows = sizes.sealed_rows.max(1);
        let enough = sealed_rows + id.jitter() % sealed_rows;
        let mut due = policy.definition().iter().zip(&self.levels);
        if !due.any(|(definition, level)| level.is_due(definition, oldest, enough)) {
            return None;
        }
        let mut next = self.clone();
        let methods: Vec<Method> = policy.methods().iter().collect();
        for (definition, level) in policy.definition().iter().zip(&mut next.levels) {
            level.truncate(definition.timespan());
            let end = time::floor(oldest, definition.granularity());
            while level.final_rows(end) >= enough {
                let own = (id, definition.granularity());
                if !level.seal(end, own, &methods, (&mut *files, &mut *chunks), sizes) {
                    break;
                }
            }
        }
        Some(next)
    }

    /// Says where the chunks came to stand that [`Self::sealed`] made.
    pub(crate) fn place_chunks(&mut self, file: u64, offset: u64) {
        for place in self.levels.iter_mut().flat_map(|level| &mut level.chunks) {
            if place.file == UNPLACED {
                place.file = file;
                place.offset += offset;
            }
        }
    }

    /// The files that its chunks stand in.
    pub(crate) fn files(&self) -> impl Iterator<Item = u64> + '_ {
        self.levels.iter().flat_map(|level| &level.chunks).map(|place| place.file)
    }

    pub(crate) fn raw_points(&self) -> usize {
        self.raw.points().len()
    }

    /// Aggregates that are in no chunk, and the chunks.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let pending = self.levels.iter().flat_map(|level| &level.pending).map(Series::len).sum();
        (pending, self.levels.iter().map(|level| level.chunks.len()).sum())
    }
}

/// The last chunks that are not full, if there are enough to merge them: how many stay, and what the others hold.
fn merged_chunks(
    level: &Level,
    methods: &[Method],
    (id, granularity): (MetricId, i64),
    files: &mut ChunkFiles,
    sizes: Sizes,
) -> (usize, Vec<Series>) {
    let all = level.chunks.len();
    let nothing = || (all, vec![Series::new(); methods.len()]);
    let small = level.chunks.iter().rev().take_while(|place| place.rows < sizes.full_rows).count();
    if small < sizes.merged_chunks.max(1) {
        return nothing();
    }
    let mut merged = vec![Series::new(); methods.len()];
    for place in level.chunks.iter().skip(all - small) {
        // What cannot be read stays where it is.
        let Ok(Some(decoded)) = files.read(id, granularity, *place) else { return nothing() };
        for (method, series) in decoded {
            let column = methods.iter().position(|other| *other == method);
            if let Some(column) = column.and_then(|column| merged.get_mut(column)) {
                column.merge(series.points());
            }
        }
    }
    (all - small, merged)
}

/// Where the series of an aggregation stands: its definition's and its method's number.
fn place(policy: &ArchivePolicy, aggregation: &Aggregation) -> Option<(usize, usize)> {
    let definition =
        policy.definition().iter().position(|item| item.granularity() == aggregation.granularity)?;
    let method = policy.methods().iter().position(|method| method == aggregation.method)?;
    Some((definition, method))
}
