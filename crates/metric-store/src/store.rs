//! [`Store`]: what callers see.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use archive::{AggregatedSeries, ArchivePolicy, Batch, Method, Series};
use buffer::medium::Medium;
use buffer::segment_log::{self, Found, SegmentLog};

use crate::checkpoint::Checkpoints;
use crate::chunk_files::ChunkFiles;
use crate::commit::Committer;
use crate::error::{CheckpointError, OpenError, ReadError, WriteError};
use crate::frozen::Frozen;
use crate::metric::{Metric, Sizes};
use crate::ownership::{Ownership, SHARDS, ShardNumber};
use crate::policies::{Policies, Policy, Recent};
use crate::record::{self, Aggregates, Change};
use crate::shards::{Shard, Shards};
use crate::{MetricId, PolicyNumber};

/// The log's directory below the store's.
const LOG: &str = "log";
/// That of the chunks.
pub(crate) const CHUNKS: &str = "chunks";
/// That of the states.
pub(crate) const STATES: &str = "states";
/// Records of the log that are read at once, and the bytes after which no further one is.
const READ_RECORDS: usize = 256;
const READ_BYTES: usize = 16 << 20;
/// Rows of one record of imported aggregates.
const IMPORTED_ROWS: usize = 32_768;
/// Metrics of [`Opened::sample`] at most.
const SAMPLE: usize = 1_000;
/// An entry of a shard's table.
const ENTRY_BYTES: usize = size_of::<(MetricId, Box<Metric>)>() + 1;

/// How large a store may become.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The log's bounds.
    pub log: segment_log::Limits,
    /// How chunks are made.
    pub chunks: Sizes,
}

impl Default for Limits {
    fn default() -> Self {
        let log = segment_log::Limits {
            max_bytes: 64 << 30,
            segment_bytes: 64 << 20,
            ..segment_log::Limits::default()
        };
        Self { log, chunks: Sizes::default() }
    }
}

/// What was found when a store was opened.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// Changes that were read from the log and applied again.
    pub changes: u64,
    /// Damage of the log that was passed over.
    pub damage: Found,
    /// Bytes of states that could not be read, and were kept under another name.
    pub damaged_state_bytes: usize,
    /// Metrics that no state has any more, because it is damaged or lost, and of which there are chunks, in order. Unless there are
    /// none, the store waits for [`Store::put_back`].
    pub lost: Vec<MetricId>,
    /// Where there are such, some metrics that states have: whoever looks for the lost ones should know most of these.
    pub sample: Vec<MetricId>,
}

/// New points of one metric, of any order.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// The metric; one that the store does not know begins with this.
    pub metric: MetricId,
    /// Its archive policy. A metric that is there keeps the one that it began with.
    pub policy: PolicyNumber,
    /// The points.
    pub batch: Batch,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Points that were older than the back window allows, and were dropped as Gnocchi drops them.
    pub late: usize,
}

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Archive policies.
    pub policies: usize,
    /// Metrics with measures.
    pub metrics: usize,
    /// Raw points that may still change an aggregate.
    pub raw_points: usize,
    /// Groups whose aggregates are in no chunk yet.
    pub pending_aggregates: usize,
    /// Chunks that count.
    pub chunks: usize,
    /// The groups in them; one that was computed anew after all stands in two.
    pub chunk_rows: u64,
    /// Bytes of the log on disk.
    pub log_bytes: u64,
    /// What metrics take in memory, about.
    pub memory_bytes: usize,
    /// How often a read met a chunk that is damaged or lost, since the store was opened.
    pub damaged_reads: u64,
}

/// What a backup took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backup {
    /// Files that were copied.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// A store in a directory; see the crate's page.
#[derive(Debug)]
pub struct Store {
    committer: Committer,
    policies: Policies,
    /// Held while a policy is added or changed, so that two of one name do not get two numbers.
    policy_change: Mutex<()>,
    shards: Shards,
    ownership: Ownership,
    files: Mutex<ChunkFiles>,
    sizes: Sizes,
    checkpoints: Mutex<Checkpoints>,
}

impl Store {
    /// Opens the store in `directory`, which is created when it is absent.
    ///
    /// # Errors
    /// [`OpenError`] when the directory is in use or the operating system refuses; never for what it contains.
    pub fn open(
        medium: Arc<dyn Medium>,
        directory: &Path,
        limits: Limits,
    ) -> Result<(Self, Opened), OpenError> {
        let has_log = medium.list(&directory.join(LOG)).map_or(true, |names| !names.is_empty());
        let (mut log, recovery) = SegmentLog::open(Arc::clone(&medium), &directory.join(LOG), limits.log)?;
        let (policies, shards) = (Policies::default(), Shards::default());
        let mut opened = Opened { damage: recovery.found, ..Opened::default() };
        let chunks = directory.join(CHUNKS);
        let mut files = ChunkFiles::open(Arc::clone(&medium), &chunks)
            .map_err(|source| OpenError::Directory { directory: chunks.clone(), source })?;
        let states = directory.join(STATES);
        let (mut checkpoints, found) = Checkpoints::open(medium, &states, &policies, &shards)
            .map_err(|source| OpenError::Directory { directory: states, source })?;
        opened.damaged_state_bytes = found.damaged_bytes;
        // Without any state, the log has everything from its first record on, which has the number 1, unless it was cut or lost.
        let are_all_lost = found.has_no_state && (log.is_empty() || log.end() - log.len() > 1);
        let lost = if are_all_lost { ShardNumber::all().collect() } else { found.lost_shards };
        if !lost.is_empty() && files.bytes() > 0 {
            tracing::warn!(
                shards = lost.len(),
                bytes = files.bytes(),
                "states are damaged; looking for their metrics' chunks"
            );
            checkpoints
                .find_lost(&lost, &mut files, &shards)
                .map_err(|source| OpenError::Directory { directory: chunks, source })?;
            opened.lost = checkpoints.lost();
            opened.sample = if opened.lost.is_empty() { Vec::new() } else { shards.some(SAMPLE) };
        }
        // Records below are taken for old by the states, even if the segments that had those numbers are lost.
        log.continue_from(checkpoints.newest_sequence());
        if !has_log && checkpoints.newest_sequence() > 0 {
            // A copy: it has no log, and no record of one is missing.
            if let Err(error) = log.commit(checkpoints.newest_sequence()) {
                tracing::debug!("the log of a copy cannot be begun yet: {error}");
            }
        }
        loop {
            let entries = log.read(READ_RECORDS, READ_BYTES)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                if let Some(change) = Change::decode(&entry.payload) {
                    apply(&policies, &shards, change, |metric| {
                        let shard = ShardNumber::of(metric);
                        let is_lost =
                            || found.survivors.get(&shard).is_some_and(|read| !read.contains(&metric));
                        checkpoints.sequence(shard) <= entry.sequence || is_lost()
                    });
                    opened.changes += 1;
                } else {
                    log.set_record_aside(&entry);
                }
            }
        }
        let found = log.take_found();
        opened.damage.missing_records += found.missing_records;
        opened.damage.damage_count += found.damage_count;
        opened.damage.damage.extend(found.damage);
        let ownership = Ownership::of_locked(&log);
        let committer = Committer::new(log);
        let store = Self {
            committer,
            policies,
            policy_change: Mutex::default(),
            shards,
            ownership,
            files: Mutex::new(files),
            sizes: limits.chunks,
            checkpoints: Mutex::new(checkpoints),
        };
        Ok((store, opened))
    }

    /// Opens a store to look at it: no file changes, and nothing is accepted. Nobody else may use it meanwhile.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_frozen(medium: Arc<dyn Medium>, directory: &Path) -> Result<(Self, Opened), OpenError> {
        Self::open(Arc::new(Frozen(medium)), directory, Limits::default())
    }

    /// Gives an archive policy its number. One of the same name may get other timespans and another back window.
    ///
    /// # Errors
    /// [`WriteError::PolicyDiffers`] when one of the same name has other granularities or methods.
    pub fn put_policy(&self, policy: &ArchivePolicy) -> Result<PolicyNumber, WriteError> {
        let _guard = self.policy_change.lock().map_err(|_| WriteError::Broken)?;
        let mut policy = policy.clone();
        let number = match self.policies.named(policy.name()) {
            Some((number, present)) => {
                let present = &present.archive;
                let changed = present.changed(policy.definition().to_vec(), Some(policy.back_window()));
                if present.methods() != policy.methods() || changed.is_err() {
                    return Err(WriteError::PolicyDiffers { name: policy.name().to_owned() });
                }
                policy = in_order_of(present, &policy).unwrap_or(policy);
                if *present == policy {
                    return Ok(number);
                }
                number
            }
            None => self.policies.next().ok_or(WriteError::UnknownPolicy { number: u32::MAX })?,
        };
        self.commit(Change::Policy(number, policy))?;
        Ok(number)
    }

    /// Takes measures. When it returns `Ok` they survive a power cut, and every read sees them.
    ///
    /// # Errors
    /// [`WriteError`]; then none of them was taken. After a crash during the call, all or none of them are there.
    pub fn write(&self, measures: Vec<Measures>) -> Result<Outcome, WriteError> {
        let unknown = measures.iter().find(|measures| self.policies.get(measures.policy).is_none());
        if let Some(Measures { policy: PolicyNumber(number), .. }) = unknown {
            return Err(WriteError::UnknownPolicy { number: *number });
        }
        self.check_owned(measures.iter().map(|measures| measures.metric))?;
        let all = measures.into_iter().filter(|measures| !measures.batch.points().is_empty());
        let all: Vec<record::Measures> = all
            .map(|Measures { metric, policy, batch }| record::Measures { metric, policy, batch })
            .collect();
        if all.is_empty() { Ok(Outcome::default()) } else { self.commit(Change::Measures(all)) }
    }

    /// Forgets metrics and everything of them, durably. Those that are not there are passed over.
    ///
    /// # Errors
    /// [`WriteError`]; then all of them are still there.
    pub fn remove(&self, metrics: Vec<MetricId>) -> Result<(), WriteError> {
        self.check_owned(metrics.iter().copied())?;
        if metrics.is_empty() { Ok(()) } else { self.commit(Change::Removal(metrics)).map(|_| ()) }
    }

    /// Writes a change that changes nothing: whether the store takes any.
    ///
    /// # Errors
    /// [`WriteError`]: it does not.
    pub fn probe(&self) -> Result<(), WriteError> {
        self.commit(Change::Removal(Vec::new())).map(|_| ())
    }

    /// Gives the metrics of [`Opened::lost`] that are still in use their chunks again: what they had but for the newest aggregates,
    /// which were in no chunk. Their archive policies are those that they have, or get if nothing else is known of them. The
    /// others are forgotten. Until it is called nothing is written but the log, so that nothing of them goes.
    ///
    /// # Errors
    /// [`CheckpointError`]; nothing has changed, and it can be tried again.
    pub fn put_back(&self, metrics: &[(MetricId, PolicyNumber)]) -> Result<(), CheckpointError> {
        let unknown = metrics.iter().find(|(_, policy)| self.policies.get(*policy).is_none());
        if let Some((_, PolicyNumber(number))) = unknown {
            return Err(CheckpointError::UnknownPolicy { number: *number });
        }
        let mut checkpoints = self.checkpoints.lock().map_err(|_| CheckpointError::Broken)?;
        checkpoints.put_back(metrics, self.metrics(), &self.files)
    }

    /// Takes aggregates that were computed elsewhere, as they are. They replace those at the same times, unless measures of the
    /// metric have come: then those stay. When it returns `Ok` they survive a power cut, and every read sees them. Measures
    /// that come later compute the groups that they touch anew, from themselves alone.
    ///
    /// # Errors
    /// As [`Self::write`]; pieces of it may have been taken, and it may be repeated.
    pub fn import(&self, aggregates: Vec<Aggregates>) -> Result<(), WriteError> {
        self.check_owned(aggregates.iter().map(|aggregates| aggregates.metric))?;
        for Aggregates { metric, policy, granularity, series } in aggregates {
            if self.policies.get(policy).is_none() {
                return Err(WriteError::UnknownPolicy { number: policy.0 });
            }
            for (method, series) in series {
                let mut left = series.points();
                while !left.is_empty() {
                    let piece = left.take(IMPORTED_ROWS).iter().collect();
                    left = left.skip(IMPORTED_ROWS);
                    let series = vec![(method, piece)];
                    self.commit(Change::Aggregates(vec![Aggregates {
                        metric,
                        policy,
                        granularity,
                        series,
                    }]))?;
                }
            }
        }
        Ok(())
    }

    /// Refuses metrics that somebody else may write.
    fn check_owned(&self, metrics: impl Iterator<Item = MetricId>) -> Result<(), WriteError> {
        self.ownership.foreign(metrics).map_or(Ok(()), |metric| Err(WriteError::NotOwned { metric }))
    }

    fn commit(&self, change: Change) -> Result<Outcome, WriteError> {
        self.committer.commit(change, |change| apply(&self.policies, &self.shards, change, |_| true))
    }

    /// The aggregates of a metric from `start`, rounded down to the granularity, to `stop`, which is excluded; all times in
    /// nanoseconds (Gnocchi REST v1, /v1/metric/{id}/measures).
    ///
    /// # Errors
    /// [`ReadError`] when there is no such metric, or its policy keeps no such series.
    pub fn measures(
        &self,
        metric: MetricId,
        method: Method,
        granularity: i64,
        start: Option<i64>,
        stop: Option<i64>,
    ) -> Result<Series, ReadError> {
        Ok(self.read(metric, (method, granularity), (start, stop))?.into_fetched(start, stop))
    }

    /// All aggregates of a metric, a method and a granularity (nanoseconds).
    ///
    /// # Errors
    /// As [`Self::measures`].
    pub fn aggregated(
        &self,
        metric: MetricId,
        method: Method,
        granularity: i64,
    ) -> Result<AggregatedSeries, ReadError> {
        self.read(metric, (method, granularity), (None, None))
    }

    fn read(
        &self,
        metric: MetricId,
        (method, granularity): (Method, i64),
        range: (Option<i64>, Option<i64>),
    ) -> Result<AggregatedSeries, ReadError> {
        let unknown = ReadError::UnknownMetric { metric };
        let shard = self.shards.of(metric).ok_or_else(|| unknown.clone())?;
        let held = shard.get(&metric).ok_or_else(|| unknown.clone())?;
        let policy = self.policies.get(held.policy).ok_or(unknown)?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let series = held.aggregated(metric, &policy, (method, granularity), range, &mut files);
        let series = series.map_err(|error| ReadError::Unreadable { metric, kind: error.kind() })?;
        series.ok_or(ReadError::NoAggregation { metric, method, granularity })
    }

    /// Writes the state of the next shard, seals what is final, and gives back what is not needed any more: one of
    /// [`Self::SHARDS`] steps, which the caller spreads over an interval. Writes and reads wait while what is in memory is
    /// told and its new chunks are synced, but not until the state is.
    ///
    /// # Errors
    /// [`CheckpointError`]; nothing is lost, the shard is tried again in its next turn.
    pub fn checkpoint_next(&self) -> Result<(), CheckpointError> {
        let mut checkpoints = self.checkpoints.lock().map_err(|_| CheckpointError::Broken)?;
        checkpoints.next(&self.committer, self.metrics(), &self.files, self.sizes)
    }

    fn metrics(&self) -> (&Policies, &Shards, Ownership) {
        (&self.policies, &self.shards, self.ownership)
    }

    /// Copies the store to `directory`, which must be empty or absent, while it goes on: everything that was accepted before
    /// the call is in the copy. A store that is opened on the copy, or on a copy of it, is the restored one.
    ///
    /// # Errors
    /// [`CheckpointError`]; what was copied until then is to be removed.
    pub fn backup(&self, directory: &Path) -> Result<Backup, CheckpointError> {
        let mut checkpoints = self.checkpoints.lock().map_err(|_| CheckpointError::Broken)?;
        for _ in self.ownership.shards() {
            checkpoints.next(&self.committer, self.metrics(), &self.files, self.sizes)?;
        }
        // No state and no chunk changes while the checkpoints are held; measures are accepted.
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner).directory().to_owned();
        let copied = checkpoints.copy(&files, &directory.join(CHUNKS), &directory.join(STATES));
        copied.map_err(|source| CheckpointError::Io { operation: "copy the store", source })
    }

    /// Steps that write every shard's state once.
    pub const SHARDS: usize = SHARDS;

    /// The ids of all metrics with measures, in no order.
    pub fn metric_ids(&self) -> Vec<MetricId> {
        self.shards.each().flat_map(|shard| shard.keys().copied().collect::<Vec<_>>()).collect()
    }

    /// What the store holds. It looks at every metric.
    ///
    /// # Errors
    /// [`WriteError::Broken`].
    pub fn stats(&self) -> Result<Stats, WriteError> {
        let log_bytes = self.committer.log()?.bytes();
        let mut stats = Stats { policies: self.policies.len(), log_bytes, ..Stats::default() };
        stats.damaged_reads = self.files.lock().unwrap_or_else(PoisonError::into_inner).damaged_reads();
        for shard in self.shards.each() {
            stats.metrics += shard.len();
            stats.raw_points += shard.values().map(|metric| metric.raw_points()).sum::<usize>();
            for (rows, chunks) in shard.values().map(|metric| metric.counts()) {
                stats.pending_aggregates += rows;
                stats.chunks += chunks;
            }
            stats.chunk_rows += shard.values().map(|metric| metric.chunk_rows()).sum::<u64>();
            stats.memory_bytes += shard.capacity() * ENTRY_BYTES;
            stats.memory_bytes += shard.values().map(|metric| metric.memory_bytes()).sum::<usize>();
        }
        Ok(stats)
    }
}

/// A policy with its granularities in the order of another one, in which metrics have them; `None` if they are others.
fn in_order_of(other: &ArchivePolicy, policy: &ArchivePolicy) -> Option<ArchivePolicy> {
    let ordered = other.definition().iter().map(|item| policy.definition_of(item.granularity()).copied());
    let ordered = ordered.collect::<Option<Vec<_>>>()?;
    ArchivePolicy::new(policy.name(), policy.back_window(), ordered, *policy.methods()).ok()
}

/// A metric, which begins with this policy if it is new, or if that with which it began is lost: then it has nothing.
fn begun<'s>(
    shard: &'s mut Shard,
    metric: MetricId,
    policy: PolicyNumber,
    recent: &mut Recent<'_>,
) -> &'s mut Metric {
    let held = shard.entry(metric).or_insert_with(|| Box::new(Metric::new(policy)));
    if held.policy != policy && recent.get(held.policy).is_none() {
        **held = Metric::new(policy);
    }
    held
}

/// What an accepted change does to the metrics that it is new to. Measures of a policy that was lost with a damaged record
/// are passed over.
fn apply(
    policies: &Policies,
    shards: &Shards,
    change: Change,
    is_new_to: impl Fn(MetricId) -> bool,
) -> Outcome {
    let mut outcome = Outcome::default();
    let held = |metric| if is_new_to(metric) { shards.of(metric) } else { None };
    match change {
        Change::Policy(number, policy) => policies.put(number, Arc::new(Policy::new(policy))),
        Change::Measures(all) => {
            let (mut recent, mut room) = (Recent::new(policies), Series::new());
            for record::Measures { metric, policy, batch } in all {
                let Some(mut shard) = held(metric) else { continue };
                let held = begun(&mut shard, metric, policy, &mut recent);
                if let Some(policy) = recent.get(held.policy) {
                    outcome.late += held.apply(&batch, policy, &mut room);
                } else {
                    policies.note_lost(held.policy);
                }
            }
        }
        Change::Aggregates(all) => {
            let mut recent = Recent::new(policies);
            for Aggregates { metric, policy, granularity, series } in all {
                let Some(mut shard) = held(metric) else { continue };
                let held = begun(&mut shard, metric, policy, &mut recent);
                if let Some(policy) = recent.get(held.policy) {
                    held.import(granularity, series, policy);
                } else {
                    policies.note_lost(held.policy);
                }
            }
        }
        Change::Removal(metrics) => {
            for metric in metrics {
                if let Some(mut shard) = held(metric) {
                    shard.remove(&metric);
                }
            }
        }
    }
    outcome
}

#[cfg(test)]
mod tests;
