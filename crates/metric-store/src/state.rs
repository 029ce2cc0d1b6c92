//! States: what a shard's metrics were at a place in the log.
//!
//! ```text
//! states/shard-07-00000000000000001234.state   shard 7 for the 1234th time; the largest number counts
//! states/….new                                 the next one, before it gets its name
//! states/….damaged                             one that could not be read, or not all of it
//!
//! frames  F5 'S' 'T' 'A'  version (number, 2), shard (number), sequence number of the first record that is not in (number), count of policies, the policies
//!         F5 'M' 'E' 'T'  a metric, one frame each
//!
//! metric  id (16 bytes), policy's number, raw points (crate::raw_points), for each granularity of the policy:
//!         1 if the group of the newest raw point has no row because it is continued, else 0 (1 byte)
//!         rows that are in no chunk: count, length of the bytes, the bytes (crate::rows)
//!         for each class of methods (plain, std, rate:, rate:std): start of its newest row + 1, or 0 when it never had one
//!         count of chunks, for each: file, offset, length, rows (numbers), first (signed), last - first (number), the
//!         classes that it has (a bit for each, from the lowest; 1 byte)
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::{Points, RawBuffer};
use buffer::medium::{Medium, MediumFile};

use crate::bytes::{Reader, put_count, put_number, put_signed};
use crate::chunk_files::ChunkPlace;
use crate::level::{Class, Level};
use crate::metric::{Metric, Sealed};
use crate::open_group::OpenGroup;
use crate::policies::Policy;
use crate::record::{policy, put_policy};
use crate::rows::Rows;
use crate::{MetricId, PolicyNumber, frame, raw_points};

const HEAD: frame::Kind = [0xf5, b'S', b'T', b'A'];
const METRIC: frame::Kind = [0xf5, b'M', b'E', b'T'];
const VERSION: u64 = 2;
/// How the name of a state ends.
const STATE: &str = "state";
/// How that of one ends that could not be read.
pub(crate) const DAMAGED: &str = "damaged";
/// Bytes of a state that are written at once, about.
const WRITTEN_BYTES: usize = 256 << 10;

/// What a state file says.
#[derive(Debug, Default)]
pub(crate) struct ReadState {
    pub(crate) sequence: u64,
    pub(crate) policies: Vec<(PolicyNumber, Policy)>,
    pub(crate) metrics: Vec<(MetricId, Metric)>,
    pub(crate) damaged_bytes: usize,
}

/// Adds a state's head.
pub(crate) fn put_head(
    bytes: &mut Vec<u8>,
    shard: usize,
    sequence: u64,
    policies: &[(PolicyNumber, Arc<Policy>)],
) {
    let mut body = Vec::new();
    put_number(&mut body, VERSION);
    put_count(&mut body, shard);
    put_number(&mut body, sequence);
    put_count(&mut body, policies.len());
    for (number, policy) in policies {
        put_policy(&mut body, *number, &policy.archive);
    }
    frame::put(bytes, HEAD, &body);
}

/// Adds a metric, as it will be once `sealed` is put.
pub(crate) fn put_metric(bytes: &mut Vec<u8>, id: MetricId, metric: &Metric, sealed: Option<&Sealed>) {
    frame::put_with(bytes, METRIC, |body| {
        body.extend_from_slice(&id.0);
        put_number(body, u64::from(metric.policy.0));
        raw_points::put(body, metric.raw.points());
        for level in metric.levels_with(sealed) {
            put_level(body, level);
        }
    });
}

fn put_level(body: &mut Vec<u8>, level: &Level) {
    body.push(u8::from(level.open.is_some()));
    put_count(body, level.rows.len());
    put_count(body, level.rows.bytes().len());
    body.extend_from_slice(level.rows.bytes());
    for class in Class::ALL {
        let newest = level.newest.get(class);
        put_number(body, newest.map_or(0, |newest| newest.cast_unsigned().saturating_add(1)));
    }
    put_count(body, level.chunks.len());
    for place in &level.chunks {
        for number in [place.file, place.offset, place.length, place.rows] {
            put_number(body, u64::from(number));
        }
        put_signed(body, place.first);
        put_number(body, place.last.wrapping_sub(place.first).cast_unsigned());
        body.push(place.classes);
    }
}

/// Reads a state; `None` when its head is damaged.
pub(crate) fn read(bytes: &[u8]) -> Option<ReadState> {
    let head = frame::read(bytes, HEAD)?;
    let mut reader = Reader::new(head);
    if reader.number()? != VERSION {
        return None;
    }
    let _shard = reader.number()?;
    let mut state = ReadState { sequence: reader.number()?, ..ReadState::default() };
    let count = reader.count()?;
    let policies = (0..count).map(|_| policy(&mut reader));
    let policies = policies.map(|read| read.map(|(number, policy)| (number, Policy::new(policy))));
    state.policies = policies.collect::<Option<_>>()?;
    let (frames, damaged) = frame::scan(bytes.get(frame::HEADER_BYTES + head.len()..)?, METRIC);
    state.damaged_bytes = damaged;
    for (_, body) in frames {
        match metric(body, &state.policies) {
            Some(metric) => state.metrics.push(metric),
            None => state.damaged_bytes += body.len(),
        }
    }
    Some(state)
}

fn metric(body: &[u8], policies: &[(PolicyNumber, Policy)]) -> Option<(MetricId, Metric)> {
    let mut reader = Reader::new(body);
    let id = MetricId(reader.array()?);
    let number = PolicyNumber(u32::try_from(reader.number()?).ok()?);
    let (_, policy) = policies.iter().find(|(other, _)| *other == number)?;
    let mut metric = Metric::new(number);
    metric.raw = RawBuffer::from_series(raw_points::read(&mut reader)?);
    let raw = metric.raw.points();
    let definitions = policy.archive.definition().iter();
    let levels = definitions.map(|definition| level(&mut reader, raw, definition.granularity(), policy));
    metric.levels = levels.collect::<Option<_>>()?;
    reader.is_empty().then_some((id, metric))
}

fn level(reader: &mut Reader<'_>, raw: Points<'_>, granularity: i64, policy: &Policy) -> Option<Level> {
    let open = match reader.byte()? {
        0 => None,
        1 => Some(OpenGroup::of(raw, granularity, policy.has_rate)?),
        _ => return None,
    };
    let (count, length) = (reader.count()?, reader.count()?);
    let rows = Rows::read(reader.take(length)?, count, &policy.columns, granularity)?;
    let mut level = Level { rows, open, ..Level::default() };
    for class in Class::ALL {
        if let Some(newest) = reader.number()?.checked_sub(1) {
            level.newest.note(class, newest.cast_signed());
        }
    }
    let count = reader.count()?;
    level.chunks.reserve_exact(count);
    for _ in 0..count {
        let mut number = || u32::try_from(reader.number()?).ok();
        let (file, offset, length, rows) = (number()?, number()?, number()?, number()?);
        let first = reader.signed()?;
        let last = first.wrapping_add(reader.number()?.cast_signed());
        let classes = reader.byte()?;
        level.chunks.push(ChunkPlace { file, offset, length, rows, first, last, classes });
    }
    Some(level)
}

/// A state that is being written.
#[derive(Debug)]
pub(crate) struct StateWriter {
    medium: Arc<dyn Medium>,
    new: PathBuf,
    file: Box<dyn MediumFile>,
    /// What is not in the file yet.
    bytes: Vec<u8>,
    sequence: u64,
}

impl StateWriter {
    /// Begins the state of a shard: its head.
    pub(crate) fn begin(
        medium: Arc<dyn Medium>,
        directory: &Path,
        shard: usize,
        sequence: u64,
        policies: &[(PolicyNumber, Arc<Policy>)],
    ) -> io::Result<Self> {
        let new = directory.join(format!("shard-{shard:02}.new"));
        if medium.size(&new)?.is_some() {
            medium.remove(&new)?;
        }
        let file = medium.append(&new)?;
        let mut bytes = Vec::new();
        put_head(&mut bytes, shard, sequence, policies);
        Ok(Self { medium, new, file, bytes, sequence })
    }

    /// Records of the log from here on are not in it.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Adds a metric, as it will be once `sealed` is put.
    pub(crate) fn add(&mut self, id: MetricId, metric: &Metric, sealed: Option<&Sealed>) -> io::Result<()> {
        put_metric(&mut self.bytes, id, metric, sealed);
        if self.bytes.len() >= WRITTEN_BYTES {
            write_all(&mut *self.file, &self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }

    /// Makes the state durable under a name of [`path`].
    pub(crate) fn finish(mut self, directory: &Path, path: &Path) -> io::Result<()> {
        write_all(&mut *self.file, &self.bytes)?;
        self.file.sync()?;
        self.medium.rename(&self.new, path)?;
        self.medium.sync_directory(directory)
    }
}

/// Writes all of `bytes`, however short the single writes are.
pub(crate) fn write_all(file: &mut dyn MediumFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            taken => bytes = bytes.get(taken..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// The states in a directory: shard, generation, path; the newest of a shard first.
pub(crate) fn list(medium: &dyn Medium, directory: &Path) -> io::Result<Vec<(usize, u64, PathBuf)>> {
    list_named(medium, directory, STATE)
}

/// The same of those that were set aside because they could not be read.
pub(crate) fn list_damaged(medium: &dyn Medium, directory: &Path) -> io::Result<Vec<(usize, u64, PathBuf)>> {
    list_named(medium, directory, DAMAGED)
}

fn list_named(medium: &dyn Medium, directory: &Path, kind: &str) -> io::Result<Vec<(usize, u64, PathBuf)>> {
    let names = medium.list(directory)?;
    let parse = |text: &str| {
        let (shard, generation) = text.strip_prefix("shard-")?.strip_suffix(kind)?.split_once('-')?;
        let (shard, generation) = (shard.parse().ok()?, generation.strip_suffix('.')?.parse().ok()?);
        (name(shard, generation, kind) == text).then(|| (shard, generation, directory.join(text)))
    };
    let mut states: Vec<_> = names.iter().filter_map(|name| parse(name.to_str()?)).collect();
    states.sort_by_key(|(shard, generation, _)| (*shard, std::cmp::Reverse(*generation)));
    Ok(states)
}

/// Where a state of a shard stands.
pub(crate) fn path(directory: &Path, shard: usize, generation: u64) -> PathBuf {
    directory.join(name(shard, generation, STATE))
}

fn name(shard: usize, generation: u64, kind: &str) -> String {
    format!("shard-{shard:02}-{generation:020}.{kind}")
}
