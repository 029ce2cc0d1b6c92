//! The bytes of segments, records and the cursor; see the parent module for the drawing.

use super::MAX_RECORD_BYTES;

/// The version of the format that is written.
pub(super) const VERSION: u16 = 1;
/// Sequence numbers stay below this, so that adding to one cannot overflow.
pub(super) const MAX_SEQUENCE: u64 = 1 << 62;

const SEGMENT_MAGIC: [u8; 8] = *b"NEPHSEG\n";
const CURSOR_MAGIC: [u8; 8] = *b"NEPHCUR\n";
/// What each record begins with; not valid UTF-8, so that no text contains it.
pub(super) const MARKER: [u8; 4] = [0xF5, b'R', b'E', b'C'];

pub(super) const SEGMENT_HEADER_BYTES: usize = 32;
pub(super) const RECORD_HEADER_BYTES: usize = 32;
pub(super) const CURSOR_HEADER_BYTES: usize = 16;
pub(super) const CURSOR_ENTRY_BYTES: usize = 16;

/// Why the first bytes of a file are not a header that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderProblem {
    /// Not ours, cut short, or damaged.
    Bad,
    /// Whole, but written by a later release.
    Newer(u16),
}

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// The sequence number of its first record.
    pub(super) first: u64,
    /// When it was begun, in microseconds since 1970.
    pub(super) created: i64,
}

impl SegmentHeader {
    pub(super) fn encode(first: u64, created: i64) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&first.to_le_bytes());
        bytes[20..28].copy_from_slice(&created.to_le_bytes());
        let sum = checksum(0, &bytes[..28]);
        bytes[28..32].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderProblem> {
        let bytes: &[u8; SEGMENT_HEADER_BYTES] = bytes.first_chunk().ok_or(HeaderProblem::Bad)?;
        check_header(bytes, SEGMENT_MAGIC)?;
        let first = u64_at(bytes, 12);
        if first >= MAX_SEQUENCE {
            return Err(HeaderProblem::Bad);
        }
        Ok(Self { first, created: i64_at(bytes, 20) })
    }
}

/// What the checksums of a segment's records start from: its number, so that a record is never taken for one of another
/// segment, and can be read when its own segment's header is damaged.
pub(super) fn seed(number: u64) -> u32 {
    checksum(0, &number.to_le_bytes())
}

/// What a record's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) length: u32,
    pub(super) sequence: u64,
    /// Microseconds since 1970.
    pub(super) time: i64,
    pub(super) payload_checksum: u32,
}

impl RecordHeader {
    /// Appends the whole record.
    pub(super) fn encode(seed: u32, sequence: u64, time: i64, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        // The caller has checked the length against MAX_RECORD_BYTES.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&MARKER);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&sequence.to_le_bytes());
        out.extend_from_slice(&time.to_le_bytes());
        out.extend_from_slice(&checksum(seed, payload).to_le_bytes());
        let header = checksum(seed, out.get(start..).unwrap_or_default());
        out.extend_from_slice(&header.to_le_bytes());
        out.extend_from_slice(payload);
    }

    /// The header that `bytes` begin with, if it is one of the segment with that `seed`.
    pub(super) fn decode(seed: u32, bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; RECORD_HEADER_BYTES] = bytes.first_chunk()?;
        if bytes[..4] != MARKER || checksum(seed, &bytes[..28]) != u32_at(bytes, 28) {
            return None;
        }
        let header = Self {
            length: u32_at(bytes, 4),
            sequence: u64_at(bytes, 8),
            time: i64_at(bytes, 16),
            payload_checksum: u32_at(bytes, 24),
        };
        (header.length as usize <= MAX_RECORD_BYTES && header.sequence < MAX_SEQUENCE).then_some(header)
    }
}

/// A cursor file's header.
pub(super) fn encode_cursor_header() -> [u8; CURSOR_HEADER_BYTES] {
    let mut bytes = [0; CURSOR_HEADER_BYTES];
    bytes[0..8].copy_from_slice(&CURSOR_MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    let sum = checksum(0, &bytes[..12]);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// One entry of a cursor file: everything below `sequence` is done with.
pub(super) fn encode_cursor_entry(sequence: u64) -> [u8; CURSOR_ENTRY_BYTES] {
    let mut bytes = [0; CURSOR_ENTRY_BYTES];
    bytes[0..8].copy_from_slice(&sequence.to_le_bytes());
    bytes[8..12].copy_from_slice(&checksum(0, &sequence.to_le_bytes()).to_le_bytes());
    bytes
}

/// What a cursor file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CursorContents {
    /// The furthest intact entry; `None` when there is none.
    pub(super) sequence: Option<u64>,
    /// Whether something else than whole, intact entries stands there.
    pub(super) damaged: bool,
}

/// Reads a whole cursor file. A torn last entry is what a crash leaves and no damage.
pub(super) fn decode_cursor(bytes: &[u8]) -> Result<CursorContents, HeaderProblem> {
    let (header, entries) = bytes.split_at_checked(CURSOR_HEADER_BYTES).ok_or(HeaderProblem::Bad)?;
    check_header(header, CURSOR_MAGIC)?;
    let (entries, _unfinished) = entries.as_chunks::<CURSOR_ENTRY_BYTES>();
    let mut sequence = None;
    let mut torn = false;
    let mut damaged = false;
    for entry in entries {
        let here = u64_at(entry, 0);
        if checksum(0, &entry[..8]) == u32_at(entry, 8) && here < MAX_SEQUENCE {
            sequence = sequence.max(Some(here));
            damaged |= torn;
        } else if entry.iter().any(|byte| *byte != 0) {
            // An unfinished write, if nothing but blocks that were never written (zeros) comes after it.
            damaged |= torn;
            torn = true;
        }
    }
    Ok(CursorContents { sequence, damaged })
}

/// In every version a header begins with the magic and the version, and ends with the checksum of what is before it.
fn check_header(header: &[u8], magic: [u8; 8]) -> Result<(), HeaderProblem> {
    let (before, sum) = header.split_last_chunk::<4>().ok_or(HeaderProblem::Bad)?;
    if !header.starts_with(&magic) || checksum(0, before) != u32::from_le_bytes(*sum) {
        return Err(HeaderProblem::Bad);
    }
    match header.get(8..).and_then(|rest| rest.first_chunk()).map(|version| u16::from_le_bytes(*version)) {
        Some(VERSION) => Ok(()),
        Some(newer) if newer > VERSION => Err(HeaderProblem::Newer(newer)),
        _ => Err(HeaderProblem::Bad),
    }
}

pub(super) fn checksum(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    bytes.get(place..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], place: usize) -> u64 {
    bytes.get(place..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn i64_at(bytes: &[u8], place: usize) -> i64 {
    u64_at(bytes, place).cast_signed()
}
