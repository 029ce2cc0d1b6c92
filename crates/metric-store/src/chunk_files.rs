//! Files of chunks: written once, from begin to end, then only read.
//!
//! ```text
//! chunks/chunk-00000000000000000007.data   frames of kind F5 'C' 'H' 'K'
//!
//! body   metric (16 bytes), granularity (ns, number), then the chunk (crate::chunk)
//! ```
//!
//! Which chunks count is written in the metrics' states. A chunk that no state names (its state never became durable) is
//! dead weight until its file is removed. A file is only written to by the process that made it, and is left as it is once
//! an operation on it failed.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::{Method, Series};
use buffer::medium::{Medium, MediumFile};

use crate::bytes::{Reader, put_number};
use crate::level::Class;
use crate::state::write_all;
use crate::{MetricId, chunk, frame};

pub(crate) const KIND: frame::Kind = [0xf5, b'C', b'H', b'K'];
/// A file is ended when it has grown beyond this.
const FILE_BYTES: u64 = 64 << 20;

/// Bytes that are written at once; what is beyond them waits for the next step.
const MAX_PENDING_BYTES: usize = 1 << 30;

/// The file of a chunk that is not written yet.
pub(crate) const UNPLACED: u32 = u32::MAX;
/// Files of larger numbers are not the store's.
const MAX_FILES: u32 = 1 << 31;

/// Reads that fail in a row before a caller is told.
const READ_ATTEMPTS: u32 = 3;

/// Where a chunk stands, and the times that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkPlace {
    pub(crate) file: u32,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    pub(crate) rows: u32,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// The bits of the classes of its series.
    pub(crate) classes: u8,
}

#[derive(Debug)]
pub(crate) struct ChunkFiles {
    medium: Arc<dyn Medium>,
    directory: PathBuf,
    next_file: u32,
    writer: Option<Writer>,
    readers: HashMap<u32, Box<dyn MediumFile>>,
    damaged_reads: u64,
}

#[derive(Debug)]
struct Writer {
    number: u32,
    file: Box<dyn MediumFile>,
    bytes: u64,
}

/// Chunks that wait to be written with one sync.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    bytes: Vec<u8>,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a chunk; its place is right once [`ChunkFiles::write`] has moved it. `None` if it has no row, or no room.
    pub(crate) fn add(
        &mut self,
        metric: MetricId,
        granularity: i64,
        series: &[(Method, &Series)],
    ) -> Option<ChunkPlace> {
        if self.bytes.len() > MAX_PENDING_BYTES {
            return None;
        }
        let encoded = chunk::encode(granularity, series)?;
        let mut body = metric.0.to_vec();
        put_number(&mut body, granularity.cast_unsigned());
        body.extend_from_slice(&encoded);
        let offset = self.bytes.len();
        frame::put(&mut self.bytes, KIND, &body);
        let rows = series.iter().map(|(_, series)| series.len()).max()?;
        let present = series.iter().filter(|(_, series)| !series.is_empty());
        Some(ChunkPlace {
            file: UNPLACED,
            offset: u32::try_from(offset).ok()?,
            length: u32::try_from(self.bytes.len() - offset).ok()?,
            rows: u32::try_from(rows).ok()?,
            first: series.iter().filter_map(|(_, series)| series.first()).min()?,
            last: series.iter().filter_map(|(_, series)| series.last()).max()?,
            classes: present.fold(0, |classes, (method, _)| classes | Class::of(*method).bit()),
        })
    }
}

impl ChunkFiles {
    pub(crate) fn open(medium: Arc<dyn Medium>, directory: &Path) -> io::Result<Self> {
        medium.create_directory(directory)?;
        let names = medium.list(directory)?;
        let numbers = names.iter().filter_map(|name| number(name.to_str()?));
        let next_file = numbers.max().map_or(0, |last| last + 1);
        Ok(Self {
            medium,
            directory: directory.to_owned(),
            next_file,
            writer: None,
            readers: HashMap::new(),
            damaged_reads: 0,
        })
    }

    /// Writes chunks durably; returns the file and the offset at which they begin.
    pub(crate) fn write(&mut self, pending: &Pending) -> io::Result<(u32, u32)> {
        let mut writer = match self.writer.take().filter(|writer| writer.bytes < FILE_BYTES) {
            Some(writer) => writer,
            None => self.create()?,
        };
        let start = u32::try_from(writer.bytes).map_err(io::Error::other)?;
        write_all(&mut *writer.file, &pending.bytes)?;
        writer.file.sync()?;
        if start == 0 {
            self.medium.sync_directory(&self.directory)?;
        }
        writer.bytes += pending.bytes.len() as u64;
        let number = writer.number;
        self.writer = Some(writer);
        Ok((number, start))
    }

    fn create(&mut self) -> io::Result<Writer> {
        let number = self.next_file;
        self.next_file += 1;
        let file = self.medium.append(&self.directory.join(name(number)))?;
        Ok(Writer { number, file, bytes: 0 })
    }

    /// The series of a chunk; `None` when it is damaged or lost.
    ///
    /// # Errors
    /// The operating system does not let it be read now.
    pub(crate) fn read(
        &mut self,
        metric: MetricId,
        granularity: i64,
        place: ChunkPlace,
    ) -> io::Result<Option<Vec<(Method, Series)>>> {
        let mut read = self.bytes(place);
        for _ in 1..READ_ATTEMPTS {
            if read.as_ref().is_err_and(|error| !is_loss(error)) {
                read = self.bytes(place);
            }
        }
        let series = match read {
            Ok(bytes) => decoded(&bytes, metric, granularity),
            Err(error) if is_loss(&error) => None,
            Err(error) => return Err(error),
        };
        self.damaged_reads += u64::from(series.is_none());
        Ok(series)
    }

    /// How often a chunk was found damaged or lost.
    pub(crate) const fn damaged_reads(&self) -> u64 {
        self.damaged_reads
    }

    fn bytes(&mut self, place: ChunkPlace) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(place.length).map_err(io::Error::other)?];
        let mut file = match self.readers.remove(&place.file) {
            Some(file) => file,
            None => self.medium.open(&self.directory.join(name(place.file)))?,
        };
        file.read_at(u64::from(place.offset), &mut bytes)?;
        self.readers.insert(place.file, file);
        Ok(bytes)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The numbers of all files.
    pub(crate) fn numbers(&self) -> io::Result<Vec<u32>> {
        let names = self.medium.list(&self.directory)?;
        Ok(names.iter().filter_map(|name| number(name.to_str()?)).collect())
    }

    /// Removes the files that nothing names but `used`; what cannot be removed now is tried again.
    pub(crate) fn remove_unused(&mut self, used: impl Fn(u32) -> bool) {
        let Ok(numbers) = self.numbers() else { return };
        let own = self.writer.as_ref().map(|writer| writer.number);
        for number in numbers {
            if Some(number) != own && !used(number) {
                self.readers.remove(&number);
                if let Err(error) = self.medium.remove(&self.directory.join(name(number))) {
                    tracing::debug!(number, "cannot remove a file of chunks that is done with: {error}");
                }
            }
        }
    }
}

/// The series of a chunk's frame, if it is this metric's.
pub(crate) fn decoded(bytes: &[u8], metric: MetricId, granularity: i64) -> Option<Vec<(Method, Series)>> {
    let mut reader = Reader::new(frame::read(bytes, KIND)?);
    let is_it = reader.array() == Some(metric.0) && reader.number() == Some(granularity.cast_unsigned());
    if is_it { chunk::decode(granularity, reader.rest()) } else { None }
}

/// Whether what was to be read is not there: trying again does not help.
fn is_loss(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
}

/// The name of a file.
pub(crate) fn name(number: u32) -> String {
    format!("chunk-{number:020}.data")
}

fn number(of: &str) -> Option<u32> {
    let number: u32 = of.strip_prefix("chunk-")?.strip_suffix(".data")?.parse().ok()?;
    (name(number) == of && number < MAX_FILES).then_some(number)
}
