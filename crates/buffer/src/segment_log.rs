//! [`SegmentLog`]: a queue of opaque records on disk, first in, first out.
//!
//! # Promises
//!
//! 1. When [`append`](SegmentLog::append) returns `Ok`, its records survive a power cut. When it returns an error, none of
//!    them is in the queue (after a crash during the call, a part of them may be).
//! 2. Records are read in the order in which they were appended, and every one is read again after a crash until it was
//!    [committed](SegmentLog::commit).
//! 3. [`open`](SegmentLog::open) never fails because of what the directory contains. What cannot be read is passed over,
//!    counted, and kept in `quarantine/`; every intact record around it is still read.
//! 4. Everything is bounded: the directory by [`Limits`], a record by [`MAX_RECORD_BYTES`], memory by what one call asks for.
//!
//! # The directory
//!
//! ```text
//! segment-00000000000000000007.log   segments, in the order of their numbers
//! segment-00000000000000000008.log   the last one is appended to, if this process made it
//! cursor                             how far the records are done with
//! cursor.new                         the next cursor file, before it gets its name
//! quarantine/                        what could not be read
//! ```
//!
//! The directory itself is locked (`flock(2)`), so that two processes never use it at once.
//!
//! # Format, version 1
//!
//! Numbers are little-endian; `crc` is CRC-32 (ISO-HDLC). In every version, files begin with 8 bytes of magic and 2 of
//! version, and a header ends with the checksum of what is before it.
//!
//! ```text
//! segment header                          record                                   cursor
//! offset size                             offset size                              offset size
//!      0    8  "NEPHSEG\n"                     0    4  F5 'R' 'E' 'C'                   0    8  "NEPHCUR\n"
//!      8    2  version, 1                      4    4  length n of the payload          8    2  version, 1
//!     10    2  zero                            8    8  sequence number                 10    2  zero
//!     12    8  sequence number of the         16    8  time, µs since 1970, signed     12    4  crc of bytes 0..12
//!              first record                   24    4  crc of the payload *           then entries of 16 bytes:
//!     20    8  time, µs since 1970            28    4  crc of bytes 0..28 *             0    8  sequence number
//!     28    4  crc of bytes 0..28             32    n  payload                          8    4  crc of bytes 0..8
//!                                                                                      12    4  zero
//! * started from the crc of the segment's number (8 bytes), which is in the file's name
//! ```
//!
//! Sequence numbers grow by one from record to record, over all segments, for ever. The segment with number *i* counts up
//! to, and without, the first sequence number of the next segment: what a failed append left behind in a segment is
//! overruled by the next segment, which begins with the same number. The cursor is the furthest intact entry: records
//! below it are done with. A cursor file grows by an entry at each commit, and is written anew (`cursor.new`, sync,
//! rename, sync of the directory) when it is large, or when anything failed.
//!
//! # Each crash
//!
//! 1. *During an append.* Nobody was told that it succeeded. Whole records of it may be found and are delivered; a torn
//!    one fails its checksum. A process never appends to a segment that it did not make, so nothing is ever written
//!    behind a torn record.
//! 2. *Between creating a segment and syncing the directory.* As 1: `append` returns only after both.
//! 3. *During a commit.* A torn entry fails its checksum, the one before it counts, and records are delivered again.
//! 4. *Between the commit's sync and the removal of segments.* The segments lie wholly below the cursor and are removed at
//!    the next open. Never the other way round: a segment is removed only after the cursor that passes it was synced, and
//!    `open`, which cannot know whether the cursor that it read was synced, writes it anew before it removes anything.
//! 5. *During a rename of the cursor.* One of the two files has the name, and both are whole.
//!
//! A sync that failed is never repeated, because the kernel may have dropped the pages and reports success the second
//! time: the segment is closed for writing for good, and the same records are written again, to a new one.
//!
//! What is true is derived from the segments. The cursor only says what need not be delivered again: without it
//! everything that is there is delivered; one that is too old causes repetitions, never loss.
//!
//! # Assumptions about the medium
//!
//! What was synced stays (or is noticed by its checksum). A file appears under its name after the directory's sync. A
//! rename is atomic. Network file systems do not promise all of this and are not supported.

mod cursor;
mod error;
mod format;
mod gaps;
mod quarantine;
mod recovery;
mod scan;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::medium::{Medium, MediumFile, MediumLock};

use cursor::Cursor;
use format::{RECORD_HEADER_BYTES, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader, seed};
use gaps::Gaps;
use quarantine::Quarantine;
use scan::{Item, Scanner};

pub use error::{AppendError, Damage, DamageKind, Found, LogError, MAX_DESCRIBED, OpenError, Recovery};

/// The largest record.
pub const MAX_RECORD_BYTES: usize = 128 << 20;
/// A larger cursor file is not read.
const MAX_CURSOR_BYTES: usize = 1 << 20;
/// Segments that a log has at most; failed appends can leave empty ones behind when even removing fails.
const MAX_SEGMENTS: usize = 65_536;
/// Ranges of missing records that are remembered; when there are more, the segment that is being read is set aside.
const MAX_GAPS: usize = 65_536;
/// Failing reads in a row after which a segment is set aside.
const READ_ATTEMPTS: u32 = 5;

/// How large a log may become.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that all segments together take at most.
    pub max_bytes: u64,
    /// A segment is ended when it would become larger, so that disk space is given back in steps of this size. One
    /// append goes to one segment, however large it is.
    pub segment_bytes: u64,
    /// Bytes that are kept in quarantine; what a later release wrote is kept beyond it.
    pub quarantine_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 1 << 30, segment_bytes: 16 << 20, quarantine_bytes: 64 << 20 }
    }
}

/// A record, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its sequence number; committing `sequence + 1` says that it is done with.
    pub sequence: u64,
    /// The time that was given when it was appended, in microseconds since 1970.
    pub time_microseconds: i64,
    /// The record.
    pub payload: Vec<u8>,
}

/// A queue of records in a directory; see the module's page.
#[derive(Debug)]
pub struct SegmentLog {
    medium: Arc<dyn Medium>,
    directory: PathBuf,
    limits: Limits,
    segments: VecDeque<Segment>,
    /// The last segment's file, while it may be appended to.
    writer: Option<Box<dyn MediumFile>>,
    reader: Option<Reader>,
    cursor: Cursor,
    /// Everything below is done with; not behind `cursor.durable`.
    committed: u64,
    /// What is read next.
    read: u64,
    /// What is appended next.
    next: u64,
    next_number: u64,
    gaps: Gaps,
    /// The time of a record that is not done with, with its sequence number.
    oldest: Option<(u64, i64)>,
    quarantine: Quarantine,
    failed_reads: u32,
    found: Found,
    _lock: Box<dyn MediumLock>,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    path: PathBuf,
    /// Where its records lie, all of them below `end`.
    sequences: Range<u64>,
    /// Where to read from: behind the header, or at the very beginning when that is damaged.
    start: u64,
    /// Nothing that counts stands from here on.
    end: u64,
    /// The file's size.
    bytes: u64,
    /// What is known to be damaged: from the first offset to the second.
    damage: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Reader {
    number: u64,
    file: Box<dyn MediumFile>,
    place: u64,
    /// Records from here on stand from `place` on.
    sequence: u64,
}

impl SegmentLog {
    /// Opens the log in `directory`, which is created when it is absent, and says what was found there.
    ///
    /// # Errors
    /// [`OpenError::Locked`] when it is in use; [`OpenError::Io`] when the directory cannot be created, locked or listed.
    pub fn open(
        medium: Arc<dyn Medium>,
        directory: &Path,
        limits: Limits,
    ) -> Result<(Self, Recovery), OpenError> {
        recovery::open(medium, directory, limits)
    }

    /// Appends `records`, all stamped with the same time; when it returns `Ok` they are durable. Returns the sequence
    /// number behind the last one.
    ///
    /// # Errors
    /// [`AppendError`]; then none of the records is in the queue.
    pub fn append(
        &mut self,
        time_microseconds: i64,
        records: &[impl AsRef<[u8]>],
    ) -> Result<u64, AppendError> {
        if records.is_empty() {
            return Ok(self.next);
        }
        let sizes = records.iter().map(|record| record.as_ref().len());
        if let Some(bytes) = sizes.clone().max().filter(|largest| *largest > MAX_RECORD_BYTES) {
            return Err(AppendError::TooLarge { bytes });
        }
        let records_bytes: u64 = sizes.map(|size| (RECORD_HEADER_BYTES + size) as u64).sum();
        let more_bytes = SEGMENT_HEADER_BYTES as u64 + records_bytes;
        let held_bytes = self.bytes();
        if held_bytes.saturating_add(more_bytes) > self.limits.max_bytes
            || self.segments.len() >= MAX_SEGMENTS
        {
            return Err(AppendError::Full { held_bytes, more_bytes, max_bytes: self.limits.max_bytes });
        }
        let before = self.segments.back().map_or(0, |segment| segment.bytes);
        if self.writer.is_some() && before + records_bytes > self.limits.segment_bytes {
            self.writer = None;
        }
        let is_new = self.writer.is_none();
        let number = if is_new { self.next_number } else { self.next_number - 1 };
        let mut bytes = Vec::with_capacity(usize::try_from(more_bytes).unwrap_or_default());
        if is_new {
            bytes.extend_from_slice(&SegmentHeader::encode(self.next, time_microseconds));
        }
        let seed = seed(number);
        for (sequence, record) in (self.next..).zip(records) {
            RecordHeader::encode(seed, sequence, time_microseconds, record.as_ref(), &mut bytes);
        }
        if is_new {
            self.begin_segment()?;
        }
        self.write(&bytes, is_new)?;
        if self.is_empty() {
            self.oldest = Some((self.next, time_microseconds));
        }
        self.next += records.len() as u64;
        if let Some(segment) = self.segments.back_mut() {
            segment.sequences.end = self.next;
            segment.end = segment.bytes;
        }
        Ok(self.next)
    }

    /// Creates the next segment's file.
    fn begin_segment(&mut self) -> Result<(), AppendError> {
        let number = self.next_number;
        let path = self.directory.join(segment_name(number));
        // The number is used up even when this fails: a file of that name may be there now.
        self.next_number += 1;
        let file = self.medium.append(&path);
        let file =
            file.map_err(|source| AppendError::Io { operation: "create", path: path.clone(), source })?;
        self.writer = Some(file);
        let sequences = self.next..self.next;
        self.segments.push_back(Segment {
            number,
            path,
            sequences,
            start: SEGMENT_HEADER_BYTES as u64,
            end: 0,
            bytes: 0,
            damage: BTreeMap::new(),
        });
        Ok(())
    }

    /// Writes `bytes` to the last segment and makes them durable, or closes it for writing.
    fn write(&mut self, bytes: &[u8], is_new: bool) -> Result<(), AppendError> {
        let (Some(mut file), Some(segment)) = (self.writer.take(), self.segments.back_mut()) else {
            return Ok(());
        };
        let path = segment.path.clone();
        let written = write_all(&mut *file, bytes).map_err(|source| ("write", source));
        let written = written.and_then(|()| file.sync().map_err(|source| ("sync", source)));
        let written = written.and_then(|()| {
            let created = if is_new { self.medium.sync_directory(&self.directory) } else { Ok(()) };
            created.map_err(|source| ("sync the directory of", source))
        });
        match written {
            Ok(()) => {
                segment.bytes += bytes.len() as u64;
                self.writer = Some(file);
                Ok(())
            }
            Err((operation, source)) => {
                segment.bytes = file.size().unwrap_or(segment.bytes + bytes.len() as u64);
                if is_new && self.medium.remove(&path).is_ok() {
                    self.segments.pop_back();
                }
                Err(AppendError::Io { operation, path, source })
            }
        }
    }

    /// Reads on: at most `max_records` records, and no further one when `max_bytes` bytes are reached. Nothing means that
    /// there is no more. Damage is passed over; see [`take_found`](Self::take_found).
    ///
    /// # Errors
    /// [`LogError`] when the operating system fails; after [`READ_ATTEMPTS`] times in a row the segment is set aside.
    pub fn read(&mut self, max_records: usize, max_bytes: usize) -> Result<Vec<Entry>, LogError> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        while entries.len() < max_records && bytes < max_bytes {
            let Some(place) = self.segments.iter().position(|segment| segment.sequences.end > self.read)
            else {
                break;
            };
            let result = self.read_segment(place, &mut entries, &mut bytes, (max_records, max_bytes));
            match result {
                Ok(()) => self.failed_reads = 0,
                Err(error) => {
                    self.reader = None;
                    if !entries.is_empty() {
                        break;
                    }
                    self.failed_reads += 1;
                    if self.failed_reads >= READ_ATTEMPTS {
                        self.failed_reads = 0;
                        self.set_segment_aside(place, DamageKind::Unreadable);
                    }
                    return Err(error);
                }
            }
        }
        Ok(entries)
    }

    /// Reads from the segment at `place` until it ends or enough is read.
    fn read_segment(
        &mut self,
        place: usize,
        entries: &mut Vec<Entry>,
        bytes: &mut usize,
        (max_records, max_bytes): (usize, usize),
    ) -> Result<(), LogError> {
        let Some(segment) = self.segments.get(place) else { return Ok(()) };
        let path = segment.path.clone();
        let error = |operation, source| LogError { operation, path: path.clone(), source };
        let mut reader = match self.reader.take() {
            Some(reader) if reader.number == segment.number && reader.sequence <= self.read => reader,
            _ => {
                let file = self.medium.open(&path).map_err(|source| error("open", source))?;
                let (number, sequence) = (segment.number, segment.sequences.start);
                Reader { number, file, place: segment.start, sequence }
            }
        };
        let sequences = reader.sequence..segment.sequences.end;
        let mut scanner =
            Scanner::new(&mut *reader.file, seed(segment.number), reader.place..segment.end, sequences);
        let mut damaged = Vec::new();
        let mut ended = false;
        while entries.len() < max_records && *bytes < max_bytes && damaged.len() < MAX_GAPS {
            match scanner.next().map_err(|source| error("read", source))? {
                Item::Record { header, .. } if header.sequence < self.read => {}
                Item::Record { header, payload } => {
                    let payload = scanner.window.copy(payload).map_err(|source| error("read", source))?;
                    self.found.missing_records += self.gaps.add(self.read..header.sequence);
                    self.read = header.sequence + 1;
                    if self.oldest.is_none_or(|(known, _)| known < self.committed) {
                        self.oldest = Some((header.sequence, header.time));
                    }
                    *bytes += payload.len();
                    entries.push(Entry {
                        sequence: header.sequence,
                        time_microseconds: header.time,
                        payload,
                    });
                }
                Item::Damage(range) if segment.damage.contains_key(&range.start) => {}
                Item::Damage(range) => damaged.push(range),
                Item::End => {
                    ended = true;
                    break;
                }
            }
            (reader.place, reader.sequence) = scanner.position();
        }
        let end = segment.sequences.end;
        drop(scanner);
        for range in damaged {
            self.report(place, &mut *reader.file, range);
        }
        if ended && self.read < end {
            self.found.missing_records += self.gaps.add(self.read..end);
            self.read = end;
        }
        self.reader = Some(reader);
        if self.gaps.ranges() > MAX_GAPS {
            self.set_segment_aside(place, DamageKind::CorruptRecord);
        }
        Ok(())
    }

    /// Counts and describes damage that came up while reading, and keeps a copy.
    fn report(&mut self, place: usize, file: &mut dyn MediumFile, range: Range<u64>) {
        let Some(segment) = self.segments.get_mut(place) else { return };
        let (start, end) = (range.start, range.end);
        self.found.add_with(|| describe(&*self.medium, &mut self.quarantine, segment, file, range));
        segment.damage.insert(start, end);
    }

    /// Moves a segment to quarantine; its records that are not read yet are gone.
    fn set_segment_aside(&mut self, place: usize, kind: DamageKind) {
        let Some(segment) = self.segments.remove(place) else { return };
        self.reader = None;
        if place == self.segments.len() {
            self.writer = None;
        }
        let start = self.read.max(segment.sequences.start);
        self.found.missing_records += self.gaps.add(start..segment.sequences.end);
        self.read = segment.sequences.end.max(self.read);
        let quarantined_as = self.quarantine.take(&*self.medium, &segment.path, kind.as_str());
        let file = file_name(&segment.path);
        self.found.add(Damage { kind, file, offset: 0, bytes: segment.bytes, quarantined_as });
    }

    /// Keeps a record in quarantine that was read intact and that the caller cannot decode. The caller commits it as if it
    /// had been delivered.
    pub fn set_record_aside(&mut self, entry: &Entry) {
        let kind = DamageKind::Undecodable;
        let file = format!("record-{:020}", entry.sequence);
        let name = format!("{file}.{}", kind.as_str());
        let quarantined_as = self.quarantine.keep(&*self.medium, &entry.payload, &name);
        self.found.add(Damage { kind, file, offset: 0, bytes: entry.payload.len() as u64, quarantined_as });
    }

    /// What was found since the last call, or since the open.
    pub fn take_found(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }

    /// Says that every record below `sequence` is done with: they are not read any more, after a crash neither, and
    /// segments that lie wholly below are removed.
    ///
    /// # Errors
    /// [`LogError`] when that could not be made durable. The log goes on as if it had been, but removes nothing; commit
    /// the same number again, or any later one.
    pub fn commit(&mut self, sequence: u64) -> Result<(), LogError> {
        self.committed = self.committed.max(sequence.min(self.next));
        self.read = self.read.max(self.committed);
        self.gaps.forget_below(self.committed);
        if self.oldest.is_some_and(|(known, _)| known < self.committed) && self.read == self.committed {
            self.oldest = None;
        }
        if self.cursor.durable < self.committed {
            let advanced = self.cursor.advance(&*self.medium, self.committed);
            advanced.map_err(|source| LogError {
                operation: "write",
                path: self.directory.join(cursor::NAME),
                source,
            })?;
        }
        self.remove_segments();
        Ok(())
    }

    /// Removes the segments that the durable cursor has passed. What cannot be removed now is tried again later.
    fn remove_segments(&mut self) {
        while let Some(segment) = self.segments.front() {
            if segment.sequences.end > self.cursor.durable {
                return;
            }
            match self.medium.remove(&segment.path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::debug!(segment = %segment.path.display(), "cannot remove a segment that is done with: {error}");
                    return;
                }
            }
            if self.segments.len() == 1 {
                self.writer = None;
            }
            if self.reader.as_ref().is_some_and(|reader| reader.number == segment.number) {
                self.reader = None;
            }
            self.segments.pop_front();
        }
    }

    /// Lets the next [`read`](Self::read) begin again with the first record that is not committed.
    pub fn rewind(&mut self) {
        self.read = self.committed;
        self.reader = None;
    }

    /// Lets the next [`read`](Self::read) begin at `sequence`, without committing what is before it: the caller has those
    /// records at hand.
    pub fn skip_to(&mut self, sequence: u64) {
        self.read = self.read.max(sequence.min(self.next));
    }

    /// Gives no number below `sequence` to records from now on: the caller keeps numbers elsewhere that must not come
    /// again, also when the segments that had them were lost.
    pub fn continue_from(&mut self, sequence: u64) {
        let sequence = sequence.min(format::MAX_SEQUENCE);
        if sequence > self.next {
            self.gaps.add(self.next..sequence);
            self.next = sequence;
            self.writer = None;
        }
    }

    /// Records that are not committed.
    #[must_use]
    pub fn len(&self) -> u64 {
        (self.next - self.committed).saturating_sub(self.gaps.count())
    }

    /// Whether every record is committed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records that were lost to damage and would come after what is committed.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.gaps.count()
    }

    /// Bytes that the segments take on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The sequence number of the next record to be appended.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.next
    }

    /// When the oldest record that is not committed was appended, in microseconds since 1970. Of records that were read
    /// and are not committed, the first one's time is known; else the next record's header is read.
    pub fn oldest(&mut self) -> Option<i64> {
        if self.is_empty() {
            return None;
        }
        if self.oldest.is_none_or(|(known, _)| known < self.committed) && self.read == self.committed {
            self.oldest = self.peek();
        }
        self.oldest.map(|(_, time)| time)
    }

    fn peek(&mut self) -> Option<(u64, i64)> {
        let segment = self.segments.iter().find(|segment| segment.sequences.end > self.read)?;
        let mut opened;
        let (file, place) = match &mut self.reader {
            Some(reader) if reader.number == segment.number => (&mut *reader.file, reader.place),
            _ => {
                opened = self.medium.open(&segment.path).ok()?;
                (&mut *opened, segment.start)
            }
        };
        let mut scanner =
            Scanner::new(file, seed(segment.number), place..segment.end, segment.sequences.clone());
        loop {
            match scanner.next().ok()? {
                Item::Record { header, .. } if header.sequence >= self.read => {
                    return Some((header.sequence, header.time));
                }
                Item::Record { .. } | Item::Damage(_) => {}
                Item::End => return None,
            }
        }
    }
}

/// Describes damaged bytes of a segment and keeps a copy of them.
fn describe(
    medium: &dyn Medium,
    quarantine: &mut Quarantine,
    segment: &Segment,
    file: &mut dyn MediumFile,
    range: Range<u64>,
) -> Damage {
    let kind = if range.end >= segment.end { DamageKind::TornTail } else { DamageKind::CorruptRecord };
    let (offset, bytes) = (range.start, range.end - range.start);
    let name = format!("{}.at-{offset}-{bytes}.{}", file_name(&segment.path), kind.as_str());
    let quarantined_as = quarantine.copy(medium, file, range, &name);
    Damage { kind, file: file_name(&segment.path), offset, bytes, quarantined_as }
}

fn segment_name(number: u64) -> String {
    format!("segment-{number:020}.log")
}

/// The number in a segment's name.
fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("segment-")?.strip_suffix(".log")?;
    let number: u64 = number.parse().ok()?;
    // Only the very name that is written, and none that leaves no room for further ones.
    (segment_name(number) == name && number < format::MAX_SEQUENCE).then_some(number)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Writes all of `bytes`, however short the single writes are.
fn write_all(file: &mut dyn MediumFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
