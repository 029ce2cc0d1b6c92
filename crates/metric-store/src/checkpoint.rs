//! Checkpoints: one shard after the other puts its state on disk, so that the log can be cut and a restart is quick.
//!
//! A step 1. goes over the shard's metrics: of some it seals final aggregates, the others it writes to the new state as they
//! are, 2. has the chunks synced in their file, and adds the metrics that name them to the state, which gets its name once it
//! is synced, 3. removes the state before it, commits the log up to the oldest position of all shards, and removes files of
//! chunks that neither a durable state nor memory names. Memory names the chunks as soon as they are durable; only until then
//! do writers wait. A step that fails changes nothing that counts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use buffer::medium::Medium;
use buffer::segment_log::SegmentLog;

use crate::chunk_files::{self, ChunkFiles, Pending, Placed};
use crate::commit::Committer;
use crate::error::CheckpointError;
use crate::metric::{Metric, Sealed, Sizes};
use crate::ownership::{Ownership, SHARDS, ShardNumber};
use crate::policies::{Policies, Recent};
use crate::salvage::Salvage;
use crate::shards::Shards;
use crate::state::{self, StateWriter};
use crate::store::Backup;
use crate::{MetricId, PolicyNumber};

/// Reads that fail in a row before a state is taken for damaged.
const READ_ATTEMPTS: u32 = 3;
/// Bytes that a backup copies at once.
const COPIED_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Checkpoints {
    medium: Arc<dyn Medium>,
    directory: PathBuf,
    shards: Vec<Durable>,
    /// The shard that was written last.
    last: Option<ShardNumber>,
    /// What was found of metrics that no state has, until it is said which of them are in use.
    lost: Salvage,
}

/// What was found of states.
#[derive(Debug, Default)]
pub(crate) struct FoundStates {
    /// How many bytes could not be read.
    pub(crate) damaged_bytes: usize,
    /// Shards with metrics that no state has any more.
    pub(crate) lost_shards: Vec<ShardNumber>,
    /// The metrics that could be read of states of which a part is damaged.
    pub(crate) survivors: HashMap<ShardNumber, HashSet<MetricId>>,
    /// Whether there is none, unless one was set aside earlier.
    pub(crate) has_no_state: bool,
}

/// What is durable of a shard.
#[derive(Debug, Default)]
struct Durable {
    /// Records of the log from here on are not in its state.
    sequence: u64,
    generation: u64,
    path: Option<PathBuf>,
    /// States that may be there, and do not count beside a newer one.
    older: Vec<PathBuf>,
    /// The files of chunks that memory names, and how many bytes of each.
    held: HashMap<u32, u64>,
    /// These, and those that a state names which may be there.
    files: HashSet<u32>,
}

impl Checkpoints {
    /// Reads the newest intact state of each shard.
    pub(crate) fn open(
        medium: Arc<dyn Medium>,
        directory: &Path,
        policies: &Policies,
        shards: &Shards,
    ) -> io::Result<(Self, FoundStates)> {
        medium.create_directory(directory)?;
        // A state whose renaming was not made durable must not let the log be cut.
        medium.sync_directory(directory)?;
        let mut durable: Vec<Durable> = (0..SHARDS).map(|_| Durable::default()).collect();
        // Of each shard, the newest damaged one.
        let (mut found, mut damaged_shards) = (FoundStates::default(), BTreeMap::new());
        let mut held_policies = Vec::new();
        let (states, set_aside) =
            (state::list(&*medium, directory)?, state::list_damaged(&*medium, directory)?);
        found.has_no_state = states.is_empty();
        for (number, generation, _) in set_aside {
            let Some(number) = ShardNumber::new(number) else { continue };
            if let Some(own) = durable.get_mut(number.index()) {
                own.generation = own.generation.max(generation);
                damaged_shards.entry(number).or_insert(generation);
            }
        }
        for (number, generation, path) in states {
            let Some(number) = ShardNumber::new(number) else { continue };
            let Some(own) = durable.get_mut(number.index()) else { continue };
            let is_read = own.path.is_some();
            own.generation = own.generation.max(generation);
            if is_read {
                // Left by a step that did not come to its end; what cannot be removed is passed over again.
                let _ = medium.remove(&path);
                continue;
            }
            let bytes = read(&*medium, &path);
            let Some(read) = state::read(&bytes) else {
                found.damaged_bytes += bytes.len().max(1);
                let newest = damaged_shards.entry(number).or_insert(generation);
                *newest = (*newest).max(generation);
                keep_aside(&*medium, &path);
                continue;
            };
            // What there was before it does not count. Where a newer one is damaged, the log may have been cut behind this one.
            if damaged_shards.get(&number).is_some_and(|damaged| *damaged < generation) {
                damaged_shards.remove(&number);
            }
            found.damaged_bytes += read.damaged_bytes;
            if read.damaged_bytes > 0 {
                damaged_shards.insert(number, generation);
                found.survivors.insert(number, read.metrics.iter().map(|(id, _)| *id).collect());
                // The next step removes the file.
                keep_copy(&*medium, &path, &bytes);
            }
            own.sequence = read.sequence;
            for place in read.metrics.iter().flat_map(|(_, metric)| metric.chunks()) {
                *own.held.entry(place.file).or_default() += u64::from(place.length);
            }
            own.files.extend(own.held.keys());
            own.path = Some(path);
            held_policies.push((read.sequence, read.policies));
            if let Some(mut shard) = shards.get(number) {
                shard.extend(read.metrics.into_iter().map(|(id, metric)| (id, Box::new(metric))));
            }
        }
        // The oldest version of a policy first: the log has what became of it since.
        held_policies.sort_by_key(|(sequence, _)| *sequence);
        for (number, policy) in held_policies.into_iter().flat_map(|(_, policies)| policies) {
            if policies.get(number).is_none() {
                policies.put(number, Arc::new(policy));
            }
        }
        found.lost_shards = damaged_shards.into_keys().collect();
        let directory = directory.to_owned();
        Ok((Self { medium, directory, shards: durable, last: None, lost: Salvage::default() }, found))
    }

    /// Looks for chunks of metrics of these shards that no state has. Until [`Self::put_back`] no state is written, so that the
    /// next start would find them as well.
    pub(crate) fn find_lost(
        &mut self,
        lost: &[ShardNumber],
        files: &mut ChunkFiles,
        shards: &Shards,
    ) -> io::Result<()> {
        let has_state = |metric| shards.of(metric).is_some_and(|shard| shard.contains_key(&metric));
        let lost: BTreeSet<ShardNumber> = lost.iter().copied().collect();
        self.lost =
            Salvage::of(files, |metric| lost.contains(&ShardNumber::of(metric)) && !has_state(metric))?;
        let found: BTreeSet<ShardNumber> = self.lost.metrics().map(ShardNumber::of).collect();
        let has_trace = |shard: &ShardNumber| {
            self.shards
                .get(shard.index())
                .is_some_and(|durable| durable.path.is_some() || durable.generation > 0)
        };
        let without_trace: Vec<ShardNumber> = found.into_iter().filter(|shard| !has_trace(shard)).collect();
        match self.leave_traces(&without_trace) {
            // Whoever only looks changes nothing.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Ok(()),
            left => left,
        }
    }

    /// What [`Self::find_lost`] has found and nobody has put back, in order.
    pub(crate) fn lost(&self) -> Vec<MetricId> {
        self.lost.metrics().collect()
    }

    /// Puts those back that are in use, and forgets the others.
    pub(crate) fn put_back(
        &mut self,
        metrics: &[(MetricId, PolicyNumber)],
        (policies, shards, _): (&Policies, &Shards, Ownership),
        files: &Mutex<ChunkFiles>,
    ) -> Result<(), CheckpointError> {
        let hold = || files.lock().unwrap_or_else(PoisonError::into_inner);
        // Who wrote them may not have come to sync them, and what the log has of their times is dropped. No other step changes
        // files meanwhile, and nobody is to wait for this.
        let used = metrics.iter().flat_map(|(id, _)| self.lost.files_of(*id)).collect();
        let directory = hold().directory().to_owned();
        let synced = chunk_files::sync_again(&*self.medium, &directory, &used);
        synced.map_err(failed("sync the chunks of damaged states"))?;
        let (mut found, mut recent) = (std::mem::take(&mut self.lost), Recent::new(policies));
        for (id, number) in metrics {
            let shard = ShardNumber::of(*id);
            let (Some(own), Some(mut shard)) = (self.shards.get_mut(shard.index()), shards.get(shard)) else {
                continue;
            };
            let Some(levels) = found.take(*id) else { continue };
            for place in levels.values().flat_map(|level| &level.chunks) {
                *own.held.entry(place.file).or_default() += u64::from(place.length);
                own.files.insert(place.file);
            }
            let metric = shard.entry(*id).or_insert_with(|| Box::new(Metric::new(*number)));
            if recent.get(metric.policy).is_none() {
                **metric = Metric::new(*number);
            }
            if let Some(policy) = recent.get(metric.policy) {
                // Behind the shard, as everywhere.
                metric.put_back(*id, levels, policy, &mut hold());
            }
        }
        Ok(())
    }

    /// Until each shard has its first state, the next start must know that there were others.
    fn leave_traces(&mut self, shards: &[ShardNumber]) -> io::Result<()> {
        for shard in shards {
            let generation = 1;
            let trace =
                state::path(&self.directory, shard.index(), generation).with_extension(state::DAMAGED);
            self.medium.append(&trace)?.sync()?;
            if let Some(own) = self.shards.get_mut(shard.index()) {
                own.generation = own.generation.max(generation);
            }
        }
        if shards.is_empty() { Ok(()) } else { self.medium.sync_directory(&self.directory) }
    }

    /// Records of the log from here on are new to a shard.
    pub(crate) fn sequence(&self, shard: ShardNumber) -> u64 {
        self.shards.get(shard.index()).map_or(0, |durable| durable.sequence)
    }

    /// Copies every state, and the files of chunks that they name, durably.
    pub(crate) fn copy(&self, from: &Path, chunks: &Path, states: &Path) -> io::Result<Backup> {
        for directory in [chunks, states] {
            self.medium.create_directory(directory)?;
            if !self.medium.list(directory)?.is_empty() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
        }
        let mut backup = Backup::default();
        let numbers: BTreeSet<u32> =
            self.shards.iter().flat_map(|durable| durable.files.iter().copied()).collect();
        let files = numbers.into_iter().map(|number| from.join(chunk_files::name(number)));
        let files: Vec<(PathBuf, &Path)> = files.map(|file| (file, chunks)).collect();
        let own_states = self.shards.iter().filter_map(|durable| Some((durable.path.clone()?, states)));
        for (file, directory) in files.into_iter().chain(own_states) {
            let Some(name) = file.file_name() else { continue };
            match copy(&*self.medium, &file, &directory.join(name)) {
                Ok(bytes) => {
                    backup.files += 1;
                    backup.bytes += bytes;
                }
                // A chunk that is lost here is lost there.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.medium.sync_directory(chunks)?;
        self.medium.sync_directory(states)?;
        Ok(backup)
    }

    /// The largest of all shards' numbers.
    pub(crate) fn newest_sequence(&self) -> u64 {
        self.shards.iter().map(|durable| durable.sequence).max().unwrap_or_default()
    }

    /// Writes the state of the shard of ours whose turn it is. The log, and thus whoever writes, waits until everything of the
    /// shard has been told, not until the state is durable.
    pub(crate) fn next(
        &mut self,
        committer: &Committer,
        metrics: (&Policies, &Shards, Ownership),
        files: &Mutex<ChunkFiles>,
        sizes: Sizes,
    ) -> Result<(), CheckpointError> {
        if !self.lost.is_empty() {
            return Err(CheckpointError::Lost);
        }
        let (_, _, ownership) = metrics;
        let turn = match self.last {
            Some(last) => ownership.after(last),
            None => ownership.shards().next(),
        };
        let Some(shard) = turn else { return Ok(()) };
        self.last = turn;
        let Some(state) = self.begin(shard, &*committer.log()?, metrics, files, sizes)? else {
            return Ok(());
        };
        let Some(own) = self.shards.get_mut(shard.index()) else { return Ok(()) };
        own.generation += 1;
        let path = state::path(&self.directory, shard.index(), own.generation);
        // If its directory cannot be synced, a state may be there or not.
        own.files.extend(own.held.keys());
        let sequence = state.sequence();
        if let Err(error) = state.finish(&self.directory, &path) {
            own.older.push(path);
            return Err(failed("write a state")(error));
        }
        own.older.extend(own.path.replace(path));
        own.sequence = sequence;
        own.files = own.held.keys().copied().collect();
        while let Some(older) = own.older.last() {
            match self.medium.remove(older) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove the state before")(error));
                }
                _ => own.older.pop(),
            };
        }
        let oldest = self.shards.iter().map(|durable| durable.sequence).min().unwrap_or_default();
        committer.log()?.commit(oldest)?;
        let is_used = |file| self.shards.iter().any(|durable| durable.files.contains(&file));
        files.lock().unwrap_or_else(PoisonError::into_inner).remove_unused(is_used);
        Ok(())
    }

    /// Seals what is final in a shard, and tells its state all of it; `None` if the shard needs no state.
    fn begin(
        &mut self,
        number: ShardNumber,
        log: &SegmentLog,
        (policies, shards, _): (&Policies, &Shards, Ownership),
        files: &Mutex<ChunkFiles>,
        sizes: Sizes,
    ) -> Result<Option<StateWriter>, CheckpointError> {
        let mut named: HashMap<u32, u64> = HashMap::new();
        for (file, bytes) in self.shards.iter().flat_map(|durable| &durable.held) {
            *named.entry(*file).or_default() += bytes;
        }
        let (Some(own), Some(mut shard)) = (self.shards.get_mut(number.index()), shards.get(number)) else {
            return Ok(None);
        };
        // One shard always has a state, for the policies' sake.
        let has_state = own.path.is_some() || own.generation > 0;
        if shard.is_empty() && !has_state && (number.index() > 0 || policies.len() == 0) {
            // Nothing in the log up to here left anything in this shard.
            own.sequence = log.end();
            return Ok(None);
        }
        let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
        files.find_sparse(&named, sizes.sparse_file_bytes);
        let mut chunks = Pending::new(sizes.full_rows);
        let mut recent = Recent::new(policies);
        let medium = Arc::clone(&self.medium);
        let state = StateWriter::begin(medium, &self.directory, number.index(), log.end(), &policies.all());
        let mut state = state.map_err(failed("write a state"))?;
        let mut held = HashMap::new();
        let mut add = |id, metric: &Metric, sealed: Option<&Sealed>| {
            for place in metric.levels_with(sealed).flat_map(|level| &level.chunks) {
                *held.entry(place.file).or_default() += u64::from(place.length);
            }
            state.add(id, metric, sealed).map_err(failed("write a state"))
        };
        // Those of which chunks are made wait until these have their places.
        let mut all_sealed: Vec<(MetricId, Sealed)> = Vec::new();
        for (id, metric) in shard.iter() {
            let Some(policy) = recent.get(metric.policy) else { continue };
            match metric.sealed(*id, policy, &mut files, &mut chunks, sizes) {
                Some(sealed) => all_sealed.push((*id, sealed)),
                None => add(*id, metric, None)?,
            }
        }
        let placed = if chunks.is_empty() { Ok(Placed::default()) } else { files.write(&chunks) };
        let placed = placed.map_err(failed("write chunks"))?;
        drop(files);
        for (id, sealed) in &mut all_sealed {
            sealed.place_chunks(placed);
            if let Some(metric) = shard.get(id) {
                add(*id, metric, Some(sealed))?;
            }
        }
        // The chunks are durable: whatever becomes of the state, what is in memory may name them.
        for (id, sealed) in all_sealed {
            if let Some(metric) = shard.get_mut(&id) {
                metric.put_sealed(sealed);
            }
        }
        own.held = held;
        Ok(Some(state))
    }
}

/// How an operation failed.
fn failed(operation: &'static str) -> impl Fn(io::Error) -> CheckpointError {
    move |source| CheckpointError::Io { operation, source }
}

/// Copies a file and syncs the copy; says how many bytes it has.
fn copy(medium: &dyn Medium, from: &Path, to: &Path) -> io::Result<u64> {
    let mut source = medium.open(from)?;
    let size = source.size()?;
    let mut target = medium.append(to)?;
    let mut buffer = vec![0; COPIED_BYTES];
    let mut done = 0;
    while done < size {
        let length = usize::try_from(size - done).map_or(COPIED_BYTES, |left| left.min(COPIED_BYTES));
        let part = buffer.get_mut(..length).unwrap_or_default();
        source.read_at(done, part)?;
        state::write_all(&mut *target, part)?;
        done += length as u64;
    }
    target.sync()?;
    Ok(size)
}

/// Keeps what a state was of which a part cannot be read.
fn keep_copy(medium: &dyn Medium, path: &Path, bytes: &[u8]) {
    let copy = path.with_extension(state::DAMAGED);
    if medium.size(&copy).is_ok_and(|size| size.is_some()) {
        // By a start that did not come to write another state.
        return;
    }
    let kept = medium.append(&copy).and_then(|mut file| state::write_all(&mut *file, bytes));
    if let Err(error) = kept {
        tracing::debug!(state = %path.display(), "cannot keep a copy of a damaged state: {error}");
    }
}

/// The bytes of a state; none when it cannot be read at all.
fn read(medium: &dyn Medium, path: &Path) -> Vec<u8> {
    (0..READ_ATTEMPTS).find_map(|_| medium.read(path).ok()).unwrap_or_default()
}

/// A state that cannot be read gets another name, so that it is not read again and can be looked at.
fn keep_aside(medium: &dyn Medium, path: &Path) {
    let aside = path.with_extension(state::DAMAGED);
    if let Err(error) = medium.rename(path, &aside) {
        tracing::debug!(state = %path.display(), "cannot set a damaged state aside: {error}");
    }
}
