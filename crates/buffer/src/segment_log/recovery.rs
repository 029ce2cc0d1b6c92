//! Opening a log: takes stock of the directory, derives what is true from the segments, and sets aside the rest.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::medium::{Medium, MediumFile};

use super::cursor::{self, Cursor, CursorProblem};
use super::format::{HeaderProblem, MAX_SEQUENCE, SEGMENT_HEADER_BYTES, SegmentHeader, seed};
use super::gaps::Gaps;
use super::quarantine::{self, Quarantine};
use super::scan::{Item, Scanner, Window};
use super::{
    Damage, DamageKind, Found, Limits, MAX_GAPS, OpenError, Recovery, Segment, SegmentLog, describe,
    file_name, segment_number,
};

/// Attempts to read a segment before it is set aside.
const ATTEMPTS: u32 = 2;
/// A sequence number that no log reaches: a million records a second take 36 000 years.
const MAX_PLAUSIBLE: u64 = 1 << 60;

pub(super) fn open(
    medium: Arc<dyn Medium>,
    directory: &Path,
    limits: Limits,
) -> Result<(SegmentLog, Recovery), OpenError> {
    let failed = |operation, source| OpenError::Io { operation, directory: directory.to_owned(), source };
    medium.create_directory(directory).map_err(|source| failed("create", source))?;
    let lock = medium.lock(directory).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { directory: directory.to_owned() },
        _ => failed("lock", source),
    })?;
    let names = medium.list(directory).map_err(|source| failed("list", source))?;
    let mut stock = Stock {
        medium: &*medium,
        quarantine: Quarantine::new(directory, limits.quarantine_bytes),
        found: Found::default(),
    };
    let pruned_files = stock.quarantine.prune(&*medium);
    let mut numbers = Vec::new();
    let mut has_cursor = false;
    for name in names {
        let path = directory.join(&name);
        match name.to_str() {
            Some(quarantine::NAME) => {}
            Some(cursor::NAME) => has_cursor = true,
            // A crash may leave it, and whatever it says, the cursor says as well or need not say.
            Some(cursor::NEW_NAME) if medium.remove(&path).is_ok() => {}
            name => match name.and_then(segment_number) {
                Some(number) => numbers.push(number),
                None => stock.set_aside(&path, DamageKind::Foreign),
            },
        }
    }
    numbers.sort_unstable();
    let next_number = numbers.last().map_or(1, |last| last + 1);

    let (mut durable, mut cursor_is_bad) =
        if has_cursor { stock.read_cursor(&directory.join(cursor::NAME)) } else { (None, false) };
    let heads = stock.read_heads(directory, &numbers);
    let mut segments = stock.scan_segments(heads, durable.unwrap_or(0));
    let end = segments.iter().map(|scanned| scanned.segment.sequences.end).max();
    if end.max(durable) > Some(MAX_PLAUSIBLE) {
        // No log grows so far: somebody made this. Going on from there would run out of numbers.
        for Scanned { segment, .. } in segments.drain(..) {
            stock.set_aside(&segment.path, DamageKind::OutOfOrder);
        }
        if durable.is_some() {
            stock.set_aside(&directory.join(cursor::NAME), DamageKind::BadCursor);
        }
        (durable, cursor_is_bad) = (None, true);
    }

    let mut expected =
        durable.or_else(|| segments.front().map(|first| first.segment.sequences.start)).unwrap_or(1);
    let committed = expected;
    let mut gaps = Gaps::default();
    for Scanned { segment, gaps: inside, .. } in &segments {
        gaps.add(expected..segment.sequences.start);
        for gap in inside {
            gaps.add(gap.start.max(expected)..gap.end);
        }
        expected = expected.max(segment.sequences.end);
    }
    gaps.forget_below(committed);
    stock.found.missing_records = gaps.count();
    let oldest = segments.iter().find_map(|scanned| scanned.oldest);

    let Stock { quarantine, found, .. } = stock;
    let mut log = SegmentLog {
        directory: directory.to_owned(),
        limits,
        segments: segments.into_iter().map(|scanned| scanned.segment).collect(),
        writer: None,
        reader: None,
        cursor: Cursor::new(directory),
        committed,
        read: committed,
        next: expected,
        next_number,
        gaps,
        oldest,
        quarantine,
        failed_reads: 0,
        found: Found::default(),
        _lock: lock,
        medium,
    };
    let removable = log.segments.front().is_some_and(|segment| segment.sequences.end <= committed);
    if removable || cursor_is_bad {
        // The cursor that was read may be one that was never synced: see the fourth crash on the module's page.
        if let Err(error) = log.commit(committed) {
            tracing::debug!("cannot write the cursor yet, segments that are done with stay: {error}");
        }
    }
    let recovery = Recovery { records: log.len(), found, pruned_files };
    Ok((log, recovery))
}

/// A segment whose beginning was looked at.
struct Head {
    number: u64,
    path: PathBuf,
    bytes: u64,
    /// The sequence number of its first record.
    first: u64,
    header_is_intact: bool,
}

struct Scanned {
    segment: Segment,
    /// Sequence numbers that are missing among its records.
    gaps: Vec<Range<u64>>,
    /// The first record that is not done with: its sequence number and time.
    oldest: Option<(u64, i64)>,
}

/// What a segment turned out to be.
enum Verdict<T> {
    Usable(T),
    /// Created, and nothing was written.
    Empty,
    Bad(DamageKind),
}

struct Stock<'m> {
    medium: &'m dyn Medium,
    quarantine: Quarantine,
    found: Found,
}

impl Stock<'_> {
    fn set_aside(&mut self, path: &Path, kind: DamageKind) {
        let bytes = self.medium.size(path).ok().flatten().unwrap_or(0);
        let quarantined_as = self.quarantine.take(self.medium, path, kind.as_str());
        self.found.add(Damage { kind, file: file_name(path), offset: 0, bytes, quarantined_as });
    }

    /// The cursor's number, and whether the file must be written anew.
    fn read_cursor(&mut self, path: &Path) -> (Option<u64>, bool) {
        let mut contents = cursor::read(self.medium, path);
        if matches!(contents, Err(CursorProblem::Io(_))) {
            contents = cursor::read(self.medium, path);
        }
        match contents {
            Ok(contents) if !contents.damaged => (contents.sequence, false),
            Ok(contents) => {
                self.set_aside(path, DamageKind::BadCursor);
                (contents.sequence, contents.sequence.is_some())
            }
            Err(CursorProblem::Header(HeaderProblem::Newer(version))) => {
                self.set_aside(path, DamageKind::NewerVersion(version));
                (None, false)
            }
            Err(problem) => {
                tracing::debug!(path = %path.display(), "the cursor cannot be read: {problem}");
                self.set_aside(path, DamageKind::BadCursor);
                (None, false)
            }
        }
    }

    /// Looks at the beginning of every segment.
    fn read_heads(&mut self, directory: &Path, numbers: &[u64]) -> Vec<Head> {
        let mut heads: Vec<Head> = Vec::new();
        for number in numbers {
            let path = directory.join(super::segment_name(*number));
            match retried(|| read_head(self.medium, *number, &path)) {
                Verdict::Usable(head) if heads.last().is_some_and(|before| head.first < before.first) => {
                    self.set_aside(&path, DamageKind::OutOfOrder);
                }
                Verdict::Usable(head) => heads.push(head),
                Verdict::Empty if self.medium.remove(&path).is_ok() => {}
                Verdict::Empty => self.set_aside(&path, DamageKind::NotASegment),
                Verdict::Bad(kind) => self.set_aside(&path, kind),
            }
        }
        heads
    }

    /// Reads every segment that is not wholly below `committed`, and describes what is damaged.
    fn scan_segments(&mut self, heads: Vec<Head>, committed: u64) -> VecDeque<Scanned> {
        let mut segments = VecDeque::new();
        let ends: Vec<u64> = heads.iter().skip(1).map(|head| head.first).chain([MAX_SEQUENCE]).collect();
        for (head, end) in heads.into_iter().zip(ends) {
            if end <= committed {
                let sequences = head.first..head.first;
                let segment = Segment {
                    number: head.number,
                    path: head.path,
                    sequences,
                    start: 0,
                    end: 0,
                    bytes: head.bytes,
                    damage: BTreeMap::new(),
                };
                segments.push_back(Scanned { segment, gaps: Vec::new(), oldest: None });
                continue;
            }
            let path = head.path.clone();
            match retried(|| self.scan(&head, end, committed)) {
                Verdict::Usable((scanned, mut file)) => {
                    for (start, end) in &scanned.segment.damage {
                        let range = *start..*end;
                        self.found.add_with(|| {
                            describe(self.medium, &mut self.quarantine, &scanned.segment, &mut *file, range)
                        });
                    }
                    segments.push_back(scanned);
                }
                Verdict::Empty => {}
                Verdict::Bad(kind) => self.set_aside(&path, kind),
            }
        }
        segments
    }

    fn scan(
        &self,
        head: &Head,
        end: u64,
        committed: u64,
    ) -> io::Result<Verdict<(Scanned, Box<dyn MediumFile>)>> {
        let mut file = self.medium.open(&head.path)?;
        let start = if head.header_is_intact { SEGMENT_HEADER_BYTES as u64 } else { 0 };
        let mut scanner = Scanner::new(&mut *file, seed(head.number), start..head.bytes, head.first..end);
        let mut damage = BTreeMap::new();
        let mut gaps = Vec::new();
        let mut oldest = None;
        let mut expected = head.first;
        loop {
            match scanner.next()? {
                Item::Record { header, .. } => {
                    if header.sequence > expected {
                        gaps.push(expected..header.sequence);
                    }
                    expected = header.sequence + 1;
                    if header.sequence >= committed && oldest.is_none() {
                        oldest = Some((header.sequence, header.time));
                    }
                }
                Item::Damage(range) => {
                    damage.insert(range.start, range.end);
                }
                Item::End => break,
            }
            if damage.len() > MAX_GAPS || gaps.len() > MAX_GAPS {
                return Ok(Verdict::Bad(DamageKind::CorruptRecord));
            }
        }
        let (place, _) = scanner.position();
        drop(scanner);
        let segment = Segment {
            number: head.number,
            path: head.path.clone(),
            sequences: head.first..expected,
            start,
            end: place,
            bytes: head.bytes,
            damage,
        };
        Ok(Verdict::Usable((Scanned { segment, gaps, oldest }, file)))
    }
}

/// Tries again what the operating system refused; what it refuses for good is unreadable.
fn retried<T>(mut read: impl FnMut() -> io::Result<Verdict<T>>) -> Verdict<T> {
    for _ in 1..ATTEMPTS {
        if let Ok(verdict) = read() {
            return verdict;
        }
    }
    read().unwrap_or_else(|error| {
        tracing::debug!("a segment cannot be read: {error}");
        Verdict::Bad(DamageKind::Unreadable)
    })
}

fn read_head(medium: &dyn Medium, number: u64, path: &Path) -> io::Result<Verdict<Head>> {
    let mut file = medium.open(path)?;
    let bytes = file.size()?;
    if bytes == 0 {
        return Ok(Verdict::Empty);
    }
    let header_end = bytes.min(SEGMENT_HEADER_BYTES as u64);
    let header = Window::new(&mut *file, bytes).copy(0..header_end)?;
    let (first, header_is_intact) = match SegmentHeader::decode(&header) {
        Ok(header) => (header.first, true),
        Err(HeaderProblem::Newer(version)) => return Ok(Verdict::Bad(DamageKind::NewerVersion(version))),
        Err(HeaderProblem::Bad) => {
            // Its records say themselves what they are.
            let mut scanner = Scanner::new(&mut *file, seed(number), 0..bytes, 0..MAX_SEQUENCE);
            loop {
                match scanner.next()? {
                    Item::Record { header, .. } => break (header.sequence, false),
                    Item::Damage(_) => {}
                    Item::End => return Ok(Verdict::Bad(DamageKind::NotASegment)),
                }
            }
        }
    };
    Ok(Verdict::Usable(Head { number, path: path.to_owned(), bytes, first, header_is_intact }))
}
