//! States: what a shard's metrics were at a place in the log.
//!
//! ```text
//! states/shard-07-00000000000000001234.state   shard 7 for the 1234th time; the largest number counts
//! states/….new                                 the next one, before it gets its name
//!
//! frames  F5 'S' 'T' 'A'  version (number, 1), shard (number), sequence number of the first record that is not in (number), count of policies, the policies
//!         F5 'M' 'E' 'T'  a metric, one frame each
//!
//! metric  id (16 bytes), policy's number, raw points (record::put_points),
//!         for each granularity of the policy: pending aggregates (count of pieces, each: length, a chunk),
//!         count of chunks, for each: file, offset, length, rows (numbers), first (signed), last - first (number);
//!         for each series of the policy: its newest point's start + 1, or 0 when it never had one (number)
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::{ArchivePolicy, Method, RawBuffer, Series};
use buffer::medium::{Medium, MediumFile};

use crate::bytes::{Reader, put_count, put_number, put_signed};
use crate::chunk_files::ChunkPlace;
use crate::metric::{Level, Metric};
use crate::record::{points, policy, put_points, put_policy};
use crate::{MetricId, PolicyNumber, chunk, frame};

const HEAD: frame::Kind = [0xf5, b'S', b'T', b'A'];
const METRIC: frame::Kind = [0xf5, b'M', b'E', b'T'];
const VERSION: u64 = 1;

/// What a state file says.
#[derive(Debug, Default)]
pub(crate) struct ReadState {
    pub(crate) sequence: u64,
    pub(crate) policies: Vec<(PolicyNumber, ArchivePolicy)>,
    pub(crate) metrics: Vec<(MetricId, Metric)>,
    pub(crate) damaged_bytes: usize,
}

/// A state's bytes: its head, to which metrics are added.
pub(crate) fn begin(shard: usize, sequence: u64, policies: &[(PolicyNumber, Arc<ArchivePolicy>)]) -> Vec<u8> {
    let mut body = Vec::new();
    put_number(&mut body, VERSION);
    put_count(&mut body, shard);
    put_number(&mut body, sequence);
    put_count(&mut body, policies.len());
    for (number, policy) in policies {
        put_policy(&mut body, *number, policy);
    }
    let mut bytes = Vec::new();
    frame::put(&mut bytes, HEAD, &body);
    bytes
}

/// Adds a metric.
pub(crate) fn add(bytes: &mut Vec<u8>, id: MetricId, metric: &Metric, policy: &ArchivePolicy) {
    let mut body = id.0.to_vec();
    put_number(&mut body, u64::from(metric.policy.0));
    put_points(&mut body, metric.raw.points());
    for (definition, level) in policy.definition().iter().zip(&metric.levels) {
        let series: Vec<(Method, &Series)> = policy.methods().iter().zip(&level.pending).collect();
        let pending = chunk::encode_all(definition.granularity(), &series);
        put_count(&mut body, pending.len());
        for piece in pending {
            put_count(&mut body, piece.len());
            body.extend_from_slice(&piece);
        }
        put_count(&mut body, level.chunks.len());
        for place in &level.chunks {
            put_number(&mut body, place.file);
            put_number(&mut body, place.offset);
            put_number(&mut body, u64::from(place.length));
            put_number(&mut body, u64::from(place.rows));
            put_signed(&mut body, place.first);
            put_number(&mut body, place.last.wrapping_sub(place.first).cast_unsigned());
        }
        for newest in &level.newest {
            put_number(&mut body, newest.map_or(0, |newest| newest.cast_unsigned().saturating_add(1)));
        }
    }
    frame::put(bytes, METRIC, &body);
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
    state.policies = (0..count).map(|_| policy(&mut reader)).collect::<Option<_>>()?;
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

fn metric(body: &[u8], policies: &[(PolicyNumber, ArchivePolicy)]) -> Option<(MetricId, Metric)> {
    let mut reader = Reader::new(body);
    let id = MetricId(reader.array()?);
    let number = PolicyNumber(u32::try_from(reader.number()?).ok()?);
    let (_, policy) = policies.iter().find(|(other, _)| *other == number)?;
    let mut metric = Metric::new(number);
    metric.raw = RawBuffer::from_series(points(&mut reader)?);
    for definition in policy.definition() {
        metric.levels.push(level(&mut reader, definition.granularity(), policy)?);
    }
    reader.is_empty().then_some((id, metric))
}

fn level(reader: &mut Reader<'_>, granularity: i64, policy: &ArchivePolicy) -> Option<Level> {
    let mut level = Level::new(policy.methods().len());
    let pieces = reader.count()?;
    for _ in 0..pieces {
        let length = reader.count()?;
        for (method, series) in chunk::decode(granularity, reader.take(length)?)? {
            let place = policy.methods().iter().position(|other| other == method)?;
            level.pending.get_mut(place)?.merge(series.points());
        }
    }
    let count = reader.count()?;
    for _ in 0..count {
        let (file, offset) = (reader.number()?, reader.number()?);
        let length = u32::try_from(reader.number()?).ok()?;
        let rows = u32::try_from(reader.number()?).ok()?;
        let first = reader.signed()?;
        let last = first.wrapping_add(reader.number()?.cast_signed());
        level.chunks.push(ChunkPlace { file, offset, length, rows, first, last });
    }
    for newest in &mut level.newest {
        *newest = reader.number()?.checked_sub(1).map(u64::cast_signed);
    }
    Some(level)
}

/// Writes a state durably under its name.
pub(crate) fn write(
    medium: &dyn Medium,
    directory: &Path,
    shard: usize,
    generation: u64,
    bytes: &[u8],
) -> io::Result<PathBuf> {
    let path = directory.join(name(shard, generation));
    let new = directory.join(format!("shard-{shard:02}.new"));
    if medium.size(&new)?.is_some() {
        medium.remove(&new)?;
    }
    let mut file = medium.append(&new)?;
    write_all(&mut *file, bytes)?;
    file.sync()?;
    medium.rename(&new, &path)?;
    medium.sync_directory(directory)?;
    Ok(path)
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
    let names = medium.list(directory)?;
    let parse = |text: &str| {
        let (shard, generation) = text.strip_prefix("shard-")?.strip_suffix(".state")?.split_once('-')?;
        let (shard, generation) = (shard.parse().ok()?, generation.parse().ok()?);
        (name(shard, generation) == text).then(|| (shard, generation, directory.join(text)))
    };
    let mut states: Vec<_> = names.iter().filter_map(|name| parse(name.to_str()?)).collect();
    states.sort_by_key(|(shard, generation, _)| (*shard, std::cmp::Reverse(*generation)));
    Ok(states)
}

fn name(shard: usize, generation: u64) -> String {
    format!("shard-{shard:02}-{generation:020}.state")
}
