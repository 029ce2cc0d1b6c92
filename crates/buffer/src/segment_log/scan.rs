//! [`Scanner`]: walks over the records of one segment, past whatever is damaged.

use std::io;
use std::ops::Range;

use crate::medium::MediumFile;

use super::format::{MARKER, RECORD_HEADER_BYTES, RecordHeader, checksum};

/// How much is read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A part of a file, read as needed.
pub(super) struct Window<'f> {
    file: &'f mut dyn MediumFile,
    /// Nothing is read from here on.
    end: u64,
    start: u64,
    data: Vec<u8>,
}

impl<'f> Window<'f> {
    pub(super) fn new(file: &'f mut dyn MediumFile, end: u64) -> Self {
        Self { file, end, start: 0, data: Vec::new() }
    }

    /// What stands at `offset`: `wanted` bytes (at most [`CHUNK_BYTES`]) or more, fewer only at the end.
    fn at(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = wanted.min(left);
        if self.held(offset).is_none_or(|held| held.len() < wanted) {
            self.data.resize(left.min(CHUNK_BYTES), 0);
            self.start = offset;
            if let Err(error) = self.file.read_at(offset, &mut self.data) {
                self.data.clear();
                return Err(error);
            }
        }
        Ok(self.held(offset).unwrap_or_default())
    }

    fn held(&self, offset: u64) -> Option<&[u8]> {
        self.data.get(usize::try_from(offset.checked_sub(self.start)?).ok()?..)
    }

    /// Exactly the bytes of `range`, which must not be long.
    pub(super) fn copy(&mut self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        if length <= CHUNK_BYTES {
            let held = self.at(range.start, length)?;
            return held.get(..length).map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; length];
        self.file.read_at(range.start, &mut bytes)?;
        Ok(bytes)
    }

    /// The checksum of the bytes of `range`, without holding them all.
    fn checksum(&mut self, seed: u32, range: Range<u64>) -> io::Result<u32> {
        let mut sum = seed;
        let mut place = range.start;
        while place < range.end {
            let left = usize::try_from(range.end - place).unwrap_or(usize::MAX);
            let held = self.at(place, left.min(CHUNK_BYTES))?;
            let part = held.get(..left.min(held.len())).unwrap_or_default();
            if part.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            sum = checksum(sum, part);
            place += part.len() as u64;
        }
        Ok(sum)
    }
}

/// What stands next in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// An intact record.
    Record { header: RecordHeader, payload: Range<u64> },
    /// Bytes that are no record.
    Damage(Range<u64>),
    /// Nothing any more.
    End,
}

/// Walks over records whose sequence numbers grow and lie in `sequences`.
pub(super) struct Scanner<'f> {
    pub(super) window: Window<'f>,
    seed: u32,
    place: u64,
    sequences: Range<u64>,
    /// A record that was found while looking for the end of damage.
    found: Option<RecordHeader>,
}

impl<'f> Scanner<'f> {
    /// Starts at `place` of a segment with that `seed`; bytes from `end` on are not looked at.
    pub(super) fn new(
        file: &'f mut dyn MediumFile,
        seed: u32,
        bounds: Range<u64>,
        sequences: Range<u64>,
    ) -> Self {
        let window = Window::new(file, bounds.end);
        Self { window, seed, place: bounds.start, sequences, found: None }
    }

    /// Where the next call goes on, and the lowest sequence number that may stand there.
    pub(super) fn position(&self) -> (u64, u64) {
        (self.place, self.sequences.start)
    }

    /// The next item. Stops for good at a record that lies behind the wanted sequence numbers.
    pub(super) fn next(&mut self) -> io::Result<Item> {
        if let Some(header) = self.found.take() {
            return Ok(self.record(header));
        }
        let start = self.place;
        while self.place < self.window.end {
            match self.look()? {
                Look::Intact(header) if header.sequence >= self.sequences.end => {
                    self.window.end = self.place;
                }
                Look::Intact(header) if start == self.place => return Ok(self.record(header)),
                Look::Intact(header) => {
                    self.found = Some(header);
                    return Ok(Item::Damage(start..self.place));
                }
                Look::Nothing { skip } => self.place += skip,
            }
        }
        Ok(if start < self.place { Item::Damage(start..self.place) } else { Item::End })
    }

    fn record(&mut self, header: RecordHeader) -> Item {
        let start = self.place + RECORD_HEADER_BYTES as u64;
        let payload = start..start + u64::from(header.length);
        self.place = payload.end;
        self.sequences.start = header.sequence + 1;
        Item::Record { header, payload }
    }

    /// What stands at the current place.
    fn look(&mut self) -> io::Result<Look> {
        let (place, end, seed) = (self.place, self.window.end, self.seed);
        let bytes = self.window.at(place, RECORD_HEADER_BYTES)?;
        let Some(header) = RecordHeader::decode(seed, bytes) else {
            return Ok(Look::Nothing { skip: to_next_marker(bytes) });
        };
        let start = place + RECORD_HEADER_BYTES as u64;
        let payload = start..start + u64::from(header.length);
        if payload.end > end {
            return Ok(Look::Nothing { skip: RECORD_HEADER_BYTES as u64 });
        }
        if self.window.checksum(seed, payload.clone())? != header.payload_checksum
            || header.sequence < self.sequences.start
        {
            // Its header is intact, so its length is right.
            return Ok(Look::Nothing { skip: payload.end - place });
        }
        Ok(Look::Intact(header))
    }
}

enum Look {
    Intact(RecordHeader),
    Nothing { skip: u64 },
}

/// How far it is to the next place where a marker may begin, at least one byte.
fn to_next_marker(bytes: &[u8]) -> u64 {
    let rest = bytes.get(1..).unwrap_or_default();
    let found = rest.iter().position(|byte| *byte == MARKER[0]);
    1 + found.unwrap_or(rest.len()) as u64
}
