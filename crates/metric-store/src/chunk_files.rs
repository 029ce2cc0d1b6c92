//! Files of chunks: written once, from begin to end, then only read.
//!
//! ```text
//! chunks/chunk-00000000000000000007.data   frames of kind F5 'C' 'H' 'K'
//!
//! body   metric (16 bytes), granularity (ns, number), then the chunk (crate::chunk)
//! ```
//!
//! Which chunks count is written in the metrics' states. A chunk that no state names (its state never became durable, or it
//! became part of a larger one), nor memory, is dead weight until its file is removed. Full chunks, which live long, and smaller ones,
//! which are merged soon, stand in files of their own; a file that is dead weight to a good part is sparse: its shards copy
//! what they still need of it to another one. A file is only written to by the process that made it, and is left as it is
//! once an operation on it failed.

use std::collections::{BTreeSet, HashMap, HashSet};
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

/// The file of a small chunk that is not written yet.
const UNPLACED_SMALL: u32 = u32::MAX;
/// That of a full one.
const UNPLACED_FULL: u32 = u32::MAX - 1;
/// Files of larger numbers are not the store's.
const MAX_FILES: u32 = 1 << 31;

/// What is read at once of a file of which something cannot be read.
const READ_BLOCK: usize = 4 << 10;

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

impl ChunkPlace {
    /// That of a chunk with these series; `None` if it has no row.
    fn of<'s>(
        file: u32,
        offset: usize,
        length: usize,
        series: impl Iterator<Item = (Method, &'s Series)> + Clone,
    ) -> Option<Self> {
        let (offset, length) = (u32::try_from(offset).ok()?, u32::try_from(length).ok()?);
        let present = series.filter(|(_, series)| !series.is_empty());
        let each = || present.clone().map(|(_, series)| series);
        Some(Self {
            file,
            offset,
            length,
            rows: u32::try_from(each().map(Series::len).max()?).ok()?,
            first: each().filter_map(Series::first).min()?,
            last: each().filter_map(Series::last).max()?,
            classes: present.clone().fold(0, |classes, (method, _)| classes | Class::of(method).bit()),
        })
    }
}

#[derive(Debug)]
pub(crate) struct ChunkFiles {
    medium: Arc<dyn Medium>,
    directory: PathBuf,
    next_file: u32,
    small: Option<Writer>,
    full: Option<Writer>,
    /// As far as they are known.
    sizes: HashMap<u32, u64>,
    sparse: HashSet<u32>,
    /// Those that could not be looked through.
    unreadable: HashSet<u32>,
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
#[derive(Debug)]
pub(crate) struct Pending {
    small: Vec<u8>,
    full: Vec<u8>,
    full_rows: u32,
}

/// Where pending chunks came to stand: the file, and the offset of the first one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Placed {
    small: Option<(u32, u32)>,
    full: Option<(u32, u32)>,
}

impl Placed {
    /// Says where a chunk stands that was pending.
    pub(crate) fn place(self, place: &mut ChunkPlace) {
        let placed = match place.file {
            UNPLACED_SMALL => self.small,
            UNPLACED_FULL => self.full,
            _ => None,
        };
        if let Some((file, offset)) = placed {
            place.file = file;
            place.offset = place.offset.saturating_add(offset);
        }
    }
}

impl Pending {
    /// None yet; chunks of so many rows are full.
    pub(crate) const fn new(full_rows: u32) -> Self {
        Self { small: Vec::new(), full: Vec::new(), full_rows }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.small.is_empty() && self.full.is_empty()
    }

    /// The file of a chunk of so many rows, and the bytes that wait for it; `None` if there is no room.
    fn of(&mut self, rows: u32) -> Option<(u32, &mut Vec<u8>)> {
        let is_full = rows >= self.full_rows;
        let (file, bytes) =
            if is_full { (UNPLACED_FULL, &mut self.full) } else { (UNPLACED_SMALL, &mut self.small) };
        (bytes.len() <= MAX_PENDING_BYTES).then_some((file, bytes))
    }

    /// Adds a chunk; its place is right once [`Placed::place`] has moved it. `None` if it has no row, or no room.
    pub(crate) fn add(
        &mut self,
        metric: MetricId,
        granularity: i64,
        series: &[(Method, &Series)],
    ) -> Option<ChunkPlace> {
        let rows = u32::try_from(series.iter().map(|(_, series)| series.len()).max()?).ok()?;
        let (file, bytes) = self.of(rows)?;
        let mut body = metric.0.to_vec();
        put_number(&mut body, granularity.cast_unsigned());
        chunk::encode(granularity, series, &mut body)?;
        let offset = bytes.len();
        frame::put(bytes, KIND, &body);
        let length = bytes.len() - offset;
        let series = series.iter().map(|(method, series)| (*method, *series));
        ChunkPlace::of(file, offset, length, series)
    }

    /// Adds a chunk as it stood elsewhere. `None` if there is no room.
    pub(crate) fn add_copy(&mut self, place: ChunkPlace, frame: &[u8]) -> Option<ChunkPlace> {
        let (file, bytes) = self.of(place.rows)?;
        let offset = u32::try_from(bytes.len()).ok()?;
        bytes.extend_from_slice(frame);
        Some(ChunkPlace { file, offset, ..place })
    }
}

impl ChunkFiles {
    pub(crate) fn open(medium: Arc<dyn Medium>, directory: &Path) -> io::Result<Self> {
        medium.create_directory(directory)?;
        let names = medium.list(directory)?;
        let numbers: Vec<u32> = names.iter().filter_map(|name| number(name.to_str()?)).collect();
        let next_file = numbers.iter().max().map_or(0, |last| last + 1);
        let size = |number: u32| Some((number, medium.size(&directory.join(name(number))).ok()??));
        let sizes = numbers.into_iter().filter_map(size).collect();
        Ok(Self {
            medium,
            directory: directory.to_owned(),
            next_file,
            small: None,
            full: None,
            sizes,
            sparse: HashSet::new(),
            unreadable: HashSet::new(),
            readers: HashMap::new(),
            damaged_reads: 0,
        })
    }

    /// Writes chunks durably.
    pub(crate) fn write(&mut self, pending: &Pending) -> io::Result<Placed> {
        let mut placed = Placed::default();
        if !pending.small.is_empty() {
            let writer = self.small.take();
            let (writer, place) = self.write_to(writer, &pending.small)?;
            (self.small, placed.small) = (Some(writer), Some(place));
        }
        if !pending.full.is_empty() {
            let writer = self.full.take();
            let (writer, place) = self.write_to(writer, &pending.full)?;
            (self.full, placed.full) = (Some(writer), Some(place));
        }
        Ok(placed)
    }

    fn write_to(&mut self, writer: Option<Writer>, bytes: &[u8]) -> io::Result<(Writer, (u32, u32))> {
        let mut writer = match writer.filter(|writer| writer.bytes < FILE_BYTES) {
            Some(writer) => writer,
            None => self.create()?,
        };
        let start = u32::try_from(writer.bytes).map_err(io::Error::other)?;
        write_all(&mut *writer.file, bytes)?;
        writer.file.sync()?;
        if start == 0 {
            self.medium.sync_directory(&self.directory)?;
        }
        writer.bytes += bytes.len() as u64;
        self.sizes.insert(writer.number, writer.bytes);
        let place = (writer.number, start);
        Ok((writer, place))
    }

    /// Finds the files of `least` bytes or more that are sparse, when so many bytes of each are still named.
    pub(crate) fn find_sparse(&mut self, named: &HashMap<u32, u64>, least: u64) {
        let is_sparse = |(number, size): (&u32, &u64)| {
            let named = named.get(number).copied().unwrap_or_default();
            // A third is dead weight.
            (*size >= least && named.saturating_mul(3) < size.saturating_mul(2)).then_some(*number)
        };
        self.sparse = self.sizes.iter().filter_map(is_sparse).collect();
        let goes_on = |writer: &Writer| !self.sparse.contains(&writer.number);
        self.small = self.small.take().filter(goes_on);
        self.full = self.full.take().filter(goes_on);
    }

    /// Whether a file was found sparse.
    pub(crate) fn is_sparse(&self, file: u32) -> bool {
        self.sparse.contains(&file)
    }

    /// The bytes of a chunk; `None` when it is damaged or lost, or cannot be read now.
    pub(crate) fn frame(&mut self, metric: MetricId, granularity: i64, place: ChunkPlace) -> Option<Vec<u8>> {
        let bytes = self.bytes_of(place).ok()?;
        body(&bytes, metric, granularity).is_some().then_some(bytes)
    }

    fn create(&mut self) -> io::Result<Writer> {
        let number = self.next_file;
        self.next_file += 1;
        let file = self.medium.append(&self.directory.join(name(number)))?;
        Ok(Writer { number, file, bytes: 0 })
    }

    /// The series of a chunk, or that of the `wanted` method, if there is one; `None` when it is damaged or lost.
    ///
    /// # Errors
    /// The operating system does not let it be read now.
    pub(crate) fn read(
        &mut self,
        metric: MetricId,
        granularity: i64,
        place: ChunkPlace,
        wanted: Option<Method>,
    ) -> io::Result<Option<Vec<(Method, Series)>>> {
        let mut read = self.bytes_of(place);
        for _ in 1..READ_ATTEMPTS {
            if read.as_ref().is_err_and(|error| !is_loss(error)) {
                read = self.bytes_of(place);
            }
        }
        let series = match read {
            Ok(bytes) => decoded(&bytes, metric, granularity, wanted),
            Err(error) if is_loss(&error) => None,
            Err(error) => return Err(error),
        };
        self.damaged_reads += u64::from(series.is_none());
        Ok(series)
    }

    /// What all files take, as far as it is known.
    pub(crate) fn bytes(&self) -> u64 {
        self.sizes.values().sum()
    }

    /// How often a chunk was found damaged or lost.
    pub(crate) const fn damaged_reads(&self) -> u64 {
        self.damaged_reads
    }

    fn bytes_of(&mut self, place: ChunkPlace) -> io::Result<Vec<u8>> {
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

    /// Goes through the intact chunks of a file that are of certain metrics. A file that cannot be opened is passed over, and stays.
    pub(crate) fn each_chunk(
        &mut self,
        number: u32,
        is_wanted: impl Fn(MetricId) -> bool,
        mut each: impl FnMut(MetricId, i64, ChunkPlace, &[(Method, Series)]),
    ) {
        let path = self.directory.join(name(number));
        let bytes = match read_around(&*self.medium, &path) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(file = %path.display(), "a file of chunks cannot be read, and is kept: {error}");
                self.unreadable.insert(number);
                return;
            }
        };
        for (offset, body) in frame::scan(&bytes, KIND).0 {
            let mut reader = Reader::new(body);
            let (Some(id), Some(granularity)) = (reader.array(), reader.number()) else { continue };
            let (id, granularity) = (MetricId(id), granularity.cast_signed());
            if !is_wanted(id) {
                continue;
            }
            let Some(series) = chunk::decode(granularity, reader.rest(), None) else { continue };
            let told = series.iter().map(|(method, series)| (*method, series));
            if let Some(place) = ChunkPlace::of(number, offset, frame::HEADER_BYTES + body.len(), told) {
                each(id, granularity, place, &series);
            }
        }
    }

    /// Removes the files that nothing names but `used`; what cannot be removed now is tried again.
    pub(crate) fn remove_unused(&mut self, used: impl Fn(u32) -> bool) {
        let Ok(numbers) = self.numbers() else { return };
        let own = [&self.small, &self.full].map(|writer| writer.as_ref().map(|writer| writer.number));
        for number in numbers {
            if !own.contains(&Some(number)) && !used(number) && !self.unreadable.contains(&number) {
                self.readers.remove(&number);
                self.sizes.remove(&number);
                if let Err(error) = self.medium.remove(&self.directory.join(name(number))) {
                    tracing::debug!(number, "cannot remove a file of chunks that is done with: {error}");
                }
            }
        }
    }
}

/// Makes files durable that somebody else has written.
pub(crate) fn sync_again(medium: &dyn Medium, directory: &Path, files: &BTreeSet<u32>) -> io::Result<()> {
    for file in files {
        medium.append(&directory.join(name(*file)))?.sync()?;
    }
    medium.sync_directory(directory)
}

/// A file's bytes; what a bad place on the disk does not let be read is zero.
fn read_around(medium: &dyn Medium, path: &Path) -> io::Result<Vec<u8>> {
    if let Some(bytes) = (0..READ_ATTEMPTS).find_map(|_| medium.read(path).ok()) {
        return Ok(bytes);
    }
    let mut file = medium.open(path)?;
    let mut bytes = vec![0; usize::try_from(file.size()?).map_err(io::Error::other)?];
    let mut unreadable = 0;
    for (number, block) in bytes.chunks_mut(READ_BLOCK).enumerate() {
        let offset = (number * READ_BLOCK) as u64;
        if !(0..READ_ATTEMPTS).any(|_| file.read_at(offset, block).is_ok()) {
            block.fill(0);
            unreadable += block.len();
        }
    }
    if unreadable > 0 {
        tracing::error!(file = %path.display(), bytes = unreadable, "a part of a file of chunks cannot be read");
    }
    Ok(bytes)
}

/// The series of a chunk's frame, if it is this metric's.
fn decoded(
    bytes: &[u8],
    metric: MetricId,
    granularity: i64,
    wanted: Option<Method>,
) -> Option<Vec<(Method, Series)>> {
    chunk::decode(granularity, body(bytes, metric, granularity)?, wanted)
}

/// A chunk's bytes, from its frame, if it is this metric's.
fn body(bytes: &[u8], metric: MetricId, granularity: i64) -> Option<&[u8]> {
    let mut reader = Reader::new(frame::read(bytes, KIND)?);
    let is_it = reader.array() == Some(metric.0) && reader.number() == Some(granularity.cast_unsigned());
    is_it.then(|| reader.rest())
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
