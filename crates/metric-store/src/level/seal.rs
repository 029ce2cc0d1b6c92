//! Which rows become chunks, and which chunks go.

use archive::{Method, Series};

use crate::MetricId;
use crate::chunk_files::{ChunkFiles, ChunkPlace, Pending};
use crate::columns::Columns;
use crate::metric::Sizes;
use crate::rows::{Rows, each_row};

use super::{Class, Level, oldest_kept};

/// Rows of a chunk at most.
const MAX_SEALED_ROWS: usize = 4_096;
/// A chunk of which some series are too old is made smaller once they are so by this part of the timespan: most often the
/// others follow soon, and the whole chunk goes.
const PATIENCE: i64 = 8;

/// What sealing needs to know of a level.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealing<'s> {
    pub(crate) id: MetricId,
    pub(crate) granularity: i64,
    pub(crate) timespan: Option<i64>,
    pub(crate) columns: &'s Columns,
    /// Rows before this are final.
    pub(crate) end: i64,
    pub(crate) sizes: Sizes,
}

impl Sealing<'_> {
    /// As many rows, or bytes, are enough for a chunk: metrics of one age reach them at different times.
    fn enough(&self, least: usize) -> usize {
        let least = least.max(1);
        least + self.id.jitter() % least
    }
}

/// What becomes of a chunk.
enum Fate {
    Stays,
    Goes,
    /// Only the series of some classes stay.
    Shrinks(u8),
}

impl Level {
    /// This level with its final rows in chunks if there are enough, together with the chunks before them if these are small
    /// and many, without what is too old, and with copies of the chunks that stand in sparse files; `None` when it stays as
    /// it is.
    pub(crate) fn sealed(
        &self,
        sealing: Sealing<'_>,
        files: &mut ChunkFiles,
        chunks: &mut Pending,
    ) -> Option<Self> {
        let is_heavy = self.is_heavy(sealing);
        let changes = |place: &ChunkPlace| {
            files.is_sparse(place.file) || !matches!(self.fate(*place, sealing.timespan), Fate::Stays)
        };
        if !is_heavy && !self.chunks.iter().any(changes) {
            return None;
        }
        let mut next = Self { open: self.open.clone(), newest: self.newest, ..Self::default() };
        next.chunks = self.remembered(sealing, files, chunks);
        let rest = if is_heavy { next.seal(&self.rows, sealing, files, chunks) } else { None };
        next.rows = rest.unwrap_or_else(|| self.rows.clone());
        next.move_chunks(sealing, files, chunks);
        next.chunks.shrink_to_fit();
        Some(next)
    }

    /// Whether there are enough final rows.
    fn is_heavy(&self, sealing: Sealing<'_>) -> bool {
        let rows = sealing.enough(sealing.sizes.sealed_rows);
        if self.rows.len() < rows && self.rows.bytes().len() < sealing.enough(sealing.sizes.sealed_bytes) {
            return false;
        }
        let Some(last) = self.rows.last() else { return false };
        if last < sealing.end {
            return true;
        }
        // Not final are so many at most; counting them means to unpack all.
        let groups = (last - sealing.end) / sealing.granularity.max(1) + 1;
        let most = usize::try_from(groups).unwrap_or(usize::MAX);
        if self.rows.len() >= most.saturating_add(rows.min(most)) {
            return true;
        }
        let first = self.rows.first(sealing.columns, sealing.granularity);
        if first.is_none_or(|first| first >= sealing.end) {
            return false;
        }
        let mut last_rows = 0;
        self.rows.each(sealing.columns, sealing.granularity, |start, _| {
            last_rows += usize::from(start >= sealing.end);
        });
        let final_rows = self.rows.len() - last_rows;
        final_rows >= rows || final_rows >= last_rows
    }

    /// Makes chunks of those of `rows` that are final; what is left of them, or `None` if there is no room for the chunks.
    fn seal(
        &mut self,
        rows: &Rows,
        sealing: Sealing<'_>,
        files: &mut ChunkFiles,
        chunks: &mut Pending,
    ) -> Option<Rows> {
        let (mut sealed, rest) = rows.split(sealing.end, sealing.columns, sealing.granularity);
        for (method, series) in sealing.columns.methods().iter().zip(&mut sealed) {
            if let Some(oldest) = self.oldest(Class::of(*method), sealing.timespan) {
                series.forget_first(series.points().before(oldest));
            }
        }
        let kept = match self.small_chunks(&sealed, sealing, files) {
            Some((kept, mut merged)) => {
                for (merged, series) in merged.iter_mut().zip(&sealed) {
                    merged.merge(series.points());
                }
                sealed = merged;
                kept
            }
            None => self.chunks.len(),
        };
        let places = add(&sealed, sealing, chunks)?;
        self.chunks.truncate(kept);
        self.chunks.extend(places);
        Some(rest)
    }

    /// Has chunks copied that stand in sparse files.
    fn move_chunks(&mut self, sealing: Sealing<'_>, files: &mut ChunkFiles, chunks: &mut Pending) {
        for place in &mut self.chunks {
            if !files.is_sparse(place.file) {
                continue;
            }
            // What cannot be read stays where it is.
            let frame = files.frame(sealing.id, sealing.granularity, *place);
            if let Some(moved) = frame.and_then(|frame| chunks.add_copy(*place, &frame)) {
                *place = moved;
            }
        }
    }

    /// The start of the oldest row that a class keeps; `None` without bound.
    fn oldest(&self, class: Class, timespan: Option<i64>) -> Option<i64> {
        Some(oldest_kept(self.newest.get(class)?, timespan?))
    }

    fn fate(&self, place: ChunkPlace, timespan: Option<i64>) -> Fate {
        let Some(span) = timespan else { return Fate::Stays };
        let (mut kept, mut is_long_due) = (0, false);
        for class in Class::ALL.into_iter().filter(|class| place.classes & class.bit() != 0) {
            let oldest = self.oldest(class, timespan).unwrap_or(i64::MIN);
            if place.last >= oldest {
                kept |= class.bit();
            } else {
                is_long_due |= place.last < oldest.saturating_sub(span / PATIENCE);
            }
        }
        match kept {
            0 => Fate::Goes,
            kept if kept != place.classes && is_long_due => Fate::Shrinks(kept),
            _ => Fate::Stays,
        }
    }

    /// Its chunks without those that are older than their series reach.
    fn remembered(
        &self,
        sealing: Sealing<'_>,
        files: &mut ChunkFiles,
        chunks: &mut Pending,
    ) -> Vec<ChunkPlace> {
        let mut places = Vec::with_capacity(self.chunks.len() + 1);
        for place in &self.chunks {
            match self.fate(*place, sealing.timespan) {
                Fate::Stays => places.push(*place),
                Fate::Goes => {}
                Fate::Shrinks(classes) => {
                    let smaller = shrunk(*place, classes, sealing, files, chunks);
                    // What cannot be read stays where it is.
                    places.extend(smaller.unwrap_or_else(|| vec![ChunkPlace { classes, ..*place }]));
                }
            }
        }
        places
    }

    /// The last chunks that are not full, if it is time to merge them with `sealed`: how many others there are, and what they
    /// hold.
    fn small_chunks(
        &self,
        sealed: &[Series],
        sealing: Sealing<'_>,
        files: &mut ChunkFiles,
    ) -> Option<(usize, Vec<Series>)> {
        let Sizes { full_rows, merged_chunks, .. } = sealing.sizes;
        let is_small = |place: &&ChunkPlace| place.rows < full_rows;
        let (mut count, mut rows) = (0, sealed.iter().map(Series::len).max().unwrap_or_default());
        for place in self.chunks.iter().rev().take_while(is_small) {
            count += 1;
            rows += usize::try_from(place.rows).unwrap_or_default();
        }
        let is_full = rows >= usize::try_from(full_rows).unwrap_or(usize::MAX);
        if count == 0 || (!is_full && count < merged_chunks.max(1)) {
            return None;
        }
        let kept = self.chunks.len() - count;
        let mut merged = vec![Series::new(); sealing.columns.len()];
        for place in self.chunks.iter().skip(kept) {
            // What cannot be read stays where it is.
            let decoded = files.read(sealing.id, sealing.granularity, *place, None).ok()??;
            for (method, series) in decoded {
                if let Some(column) = sealing.columns.place(method).and_then(|place| merged.get_mut(place)) {
                    column.merge(series.points());
                }
            }
        }
        Some((kept, merged))
    }
}

/// A chunk with the series of some classes; `None` when it cannot be read.
fn shrunk(
    place: ChunkPlace,
    classes: u8,
    sealing: Sealing<'_>,
    files: &mut ChunkFiles,
    chunks: &mut Pending,
) -> Option<Vec<ChunkPlace>> {
    let mut kept = vec![Series::new(); sealing.columns.len()];
    for (method, series) in files.read(sealing.id, sealing.granularity, place, None).ok()?? {
        let column = sealing.columns.place(method).and_then(|place| kept.get_mut(place));
        if let Some(column) = column.filter(|_| classes & Class::of(method).bit() != 0) {
            *column = series;
        }
    }
    add(&kept, sealing, chunks)
}

/// Adds chunks of at most so many rows each; `None` if there is no room for them.
fn add(series: &[Series], sealing: Sealing<'_>, chunks: &mut Pending) -> Option<Vec<ChunkPlace>> {
    let mut places = Vec::new();
    let mut put = |series: &[Series]| {
        let columns: Vec<(Method, &Series)> = sealing.columns.methods().iter().copied().zip(series).collect();
        if columns.iter().any(|(_, series)| !series.is_empty()) {
            places.push(chunks.add(sealing.id, sealing.granularity, &columns)?);
        }
        Some(())
    };
    if series.iter().all(|series| series.len() <= MAX_SEALED_ROWS) {
        put(series)?;
        return Some(places);
    }
    let (mut piece, mut rows) = (vec![Series::new(); series.len()], 0);
    let mut pieces = Vec::new();
    each_row(series, |start, cells| {
        if rows == MAX_SEALED_ROWS {
            pieces.push(std::mem::replace(&mut piece, vec![Series::new(); series.len()]));
            rows = 0;
        }
        rows += 1;
        for (series, value) in piece.iter_mut().zip(cells) {
            if let Some(value) = value {
                series.push(start, *value);
            }
        }
    });
    pieces.push(piece);
    for piece in &pieces {
        put(piece)?;
    }
    Some(places)
}
