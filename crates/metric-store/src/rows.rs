//! Rows that are in no chunk yet, packed as they come: a row takes what it differs in from the one before.
//!
//! ```text
//! row       number: twice the distance from the start before (from 0 for the first row) in granularities, + 1 if forms
//!           follow; distance 0 is followed by one in ns (signed number) that is no multiple
//!           forms, if they follow: a number for each column (else they are those of the row before)
//!           then what the form of each column needs
//! form      0 absent       there is no value
//!           1 unchanged    the value before
//!           2 bits         which bits changed: leading zero bytes * 16 + count of bytes (1 byte), these bytes
//!           3 quotient     sum / count
//!           4 … 19 decimal an integer by 10^(form - 4): its difference from the value before (signed number)
//!           20 + 2 place   equal to an earlier column
//!           21 + 2 place   difference of an earlier column's value and the one before
//! ```
//!
//! The columns stand in the order of `crate::columns`, so that one follows from earlier ones.
//!
//! "The value before" is the newest one that the column has in an earlier row, or 0. As in chunks, a form is only used for
//! a row for which it gives the value back to the bit.

mod form;

use archive::Series;

use crate::bytes::{Reader, put_number, put_signed};
use crate::columns::Columns;

use form::{Column, Form};

/// Columns that are told by themselves, and could follow from others, are told anew when there are as many.
const WORTH_NEW_FORMS: usize = 2;
/// Room is made in steps of so many bytes.
const STEP_BYTES: usize = 64;

/// Packed rows in the order of their starts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    bytes: Vec<u8>,
    count: u32,
    last: i64,
    /// How the last row was told, and the values before.
    newest: Box<[Cell]>,
}

/// Packed, because there is one for each column of each level of each metric.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    form: Form,
    before: [u8; 8],
}

impl Cell {
    const fn before(self) -> f64 {
        f64::from_le_bytes(self.before)
    }
}

impl Rows {
    pub(crate) const fn len(&self) -> usize {
        self.count as usize
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it takes beside itself.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.newest.len() * size_of::<Cell>()
    }

    /// The start of the newest row.
    pub(crate) fn last(&self) -> Option<i64> {
        (self.count > 0).then_some(self.last)
    }

    /// Makes room for so many more rows like those that there are, at once instead of in steps.
    pub(crate) fn reserve(&mut self, rows: usize) {
        let Some(each) = self.bytes.len().checked_div(self.len()).filter(|_| rows > 1) else { return };
        let wanted = rows.saturating_mul(each + 1).saturating_add(STEP_BYTES / 2);
        if self.bytes.capacity() - self.bytes.len() < wanted {
            self.bytes.reserve_exact(wanted);
        }
    }

    /// Adds a row, with a value or none for each column, that is newer than all others; says whether it is.
    pub(crate) fn push(
        &mut self,
        start: i64,
        cells: &[Option<f64>],
        columns: &Columns,
        granularity: i64,
    ) -> bool {
        if self.last().is_some_and(|last| last >= start) {
            return false;
        }
        if self.newest.len() != columns.len() {
            self.newest = vec![Cell::default(); columns.len()].into_boxed_slice();
        }
        let has_forms = self.count == 0 || !self.keeps_forms(cells, columns);
        if has_forms {
            self.choose_forms(cells, columns);
        }
        self.put(start, cells, granularity, has_forms);
        true
    }

    /// Appends a row as `newest` has its forms, which fit.
    fn put(&mut self, start: i64, cells: &[Option<f64>], granularity: i64, has_forms: bool) {
        if self.bytes.capacity() - self.bytes.len() < STEP_BYTES / 2 {
            self.bytes.reserve_exact(STEP_BYTES);
        }
        let distance = start.wrapping_sub(if self.count == 0 { 0 } else { self.last });
        let multiple = if distance > 0 && distance % granularity == 0 { distance / granularity } else { 0 };
        put_number(&mut self.bytes, (multiple.cast_unsigned() << 1) | u64::from(has_forms));
        if multiple == 0 {
            put_signed(&mut self.bytes, distance);
        }
        if has_forms {
            for cell in &self.newest {
                put_number(&mut self.bytes, cell.form.code());
            }
        }
        for (cell, value) in self.newest.iter().zip(cells) {
            if let Some(value) = value {
                cell.form.put(&mut self.bytes, *value, cell.before(), !has_forms);
            }
        }
        for (cell, value) in self.newest.iter_mut().zip(cells) {
            if let Some(value) = value {
                cell.before = value.to_le_bytes();
            }
        }
        self.count = self.count.saturating_add(1);
        self.last = start;
    }

    /// Whether the forms of the row before do for this one, and no others would be much shorter.
    fn keeps_forms(&self, cells: &[Option<f64>], columns: &Columns) -> bool {
        let before = |place: usize| self.newest.get(place).map(|cell| cell.before());
        let mut could_follow = 0;
        for (place, (cell, value)) in self.newest.iter().zip(cells).enumerate() {
            let Some(relations) = columns.relations(place) else { return false };
            let column = Column { before: cell.before(), cells, relations };
            if !cell.form.fits(*value, column, before) {
                return false;
            }
            could_follow += usize::from(cell.form.is_told() && column.has_equal(*value));
        }
        could_follow < WORTH_NEW_FORMS
    }

    fn choose_forms(&mut self, cells: &[Option<f64>], columns: &Columns) {
        let befores: Vec<f64> = self.newest.iter().map(|cell| cell.before()).collect();
        let before = |place: usize| befores.get(place).copied();
        for (place, (cell, value)) in self.newest.iter_mut().zip(cells).enumerate() {
            let Some(relations) = columns.relations(place) else { continue };
            cell.form = Form::of(*value, Column { before: cell.before(), cells, relations }, before);
        }
    }

    /// Goes over all rows.
    pub(crate) fn each(
        &self,
        columns: &Columns,
        granularity: i64,
        mut visit: impl FnMut(i64, &[Option<f64>]),
    ) {
        let mut unpacker = Unpacker::new(&self.bytes, columns, granularity);
        for _ in 0..self.count {
            let Some(start) = unpacker.next() else { return };
            visit(start, &unpacker.cells);
        }
    }

    /// The start of the oldest row.
    pub(crate) fn first(&self, columns: &Columns, granularity: i64) -> Option<i64> {
        if self.count == 0 { None } else { Unpacker::new(&self.bytes, columns, granularity).next() }
    }

    /// A series for each column.
    pub(crate) fn unpacked(&self, columns: &Columns, granularity: i64) -> Vec<Series> {
        let mut series: Vec<Series> = Vec::with_capacity(columns.len());
        series.resize_with(columns.len(), || Series::with_capacity(self.len()));
        self.each(columns, granularity, |start, cells| {
            for (series, value) in series.iter_mut().zip(cells) {
                if let Some(value) = value {
                    series.push(start, *value);
                }
            }
        });
        series
    }

    /// The rows of series, one for each column.
    #[cfg(test)]
    pub(crate) fn packed(series: &[Series], columns: &Columns, granularity: i64) -> Self {
        let mut rows = Self::default();
        each_row(series, |start, cells| {
            rows.push(start, cells, columns, granularity);
        });
        rows
    }

    /// The rows before `end`, as series, and the others.
    pub(crate) fn split(&self, end: i64, columns: &Columns, granularity: i64) -> (Vec<Series>, Self) {
        let mut older: Vec<Series> = Vec::with_capacity(columns.len());
        older.resize_with(columns.len(), || Series::with_capacity(self.len()));
        let mut newer = Self::default();
        let mut unpacker = Unpacker::new(&self.bytes, columns, granularity);
        for left in (0..self.count).rev() {
            let Some(start) = unpacker.next() else { break };
            if start < end {
                for (series, value) in older.iter_mut().zip(&unpacker.cells) {
                    if let Some(value) = value {
                        series.push(start, *value);
                    }
                }
                continue;
            }
            newer.push(start, &unpacker.cells, columns, granularity);
            if left > 0 && newer.has_values_of(&unpacker) {
                newer.take_over(self, &mut unpacker, left);
                break;
            }
        }
        (older, newer)
    }

    /// Whether the values before the next row are those that the unpacker has.
    fn has_values_of(&self, unpacker: &Unpacker<'_>) -> bool {
        let mut cells = self.newest.iter().zip(&unpacker.newest);
        cells.all(|(own, other)| own.before == other.before)
    }

    /// Takes the `left` rows that the unpacker of `all` has not read, for which the values before are the same here: the first
    /// tells its forms, and the others are what they were.
    fn take_over(&mut self, all: &Self, unpacker: &mut Unpacker<'_>, left: u32) {
        let Some(start) = unpacker.next() else { return };
        for (own, other) in self.newest.iter_mut().zip(&unpacker.newest) {
            own.form = other.form;
        }
        let rest = unpacker.reader.rest();
        self.bytes.reserve_exact(rest.len() + STEP_BYTES);
        self.put(start, &unpacker.cells, unpacker.granularity, true);
        self.bytes.extend_from_slice(rest);
        self.count = self.count.saturating_add(left - 1);
        self.last = all.last;
        self.newest.clone_from(&all.newest);
    }

    /// What [`Self::bytes`] and [`Self::len`] were; `None` if the bytes are no rows.
    pub(crate) fn read(bytes: &[u8], count: usize, columns: &Columns, granularity: i64) -> Option<Self> {
        let mut unpacker = Unpacker::new(bytes, columns, granularity);
        for _ in 0..count {
            unpacker.next()?;
        }
        if !unpacker.reader.is_empty() {
            return None;
        }
        let count = u32::try_from(count).ok()?;
        let last = unpacker.last.unwrap_or_default();
        let newest = if count == 0 { Box::default() } else { unpacker.newest.into_boxed_slice() };
        Some(Self { bytes: bytes.to_vec(), count, last, newest })
    }
}

/// Goes over the rows that some series are, with what each has there.
pub(crate) fn each_row(series: &[Series], mut visit: impl FnMut(i64, &[Option<f64>])) {
    let mut columns: Vec<_> = series.iter().map(|series| series.points().iter().peekable()).collect();
    let mut cells = vec![None; series.len()];
    while let Some(start) = columns.iter_mut().filter_map(|points| points.peek().map(|(at, _)| *at)).min() {
        for (cell, points) in cells.iter_mut().zip(&mut columns) {
            *cell = points.next_if(|(at, _)| *at == start).map(|(_, value)| value);
        }
        visit(start, &cells);
    }
}

/// Reads row after row.
struct Unpacker<'b> {
    reader: Reader<'b>,
    columns: &'b Columns,
    granularity: i64,
    last: Option<i64>,
    newest: Vec<Cell>,
    cells: Vec<Option<f64>>,
}

impl<'b> Unpacker<'b> {
    fn new(bytes: &'b [u8], columns: &'b Columns, granularity: i64) -> Self {
        let newest = vec![Cell::default(); columns.len()];
        let cells = vec![None; columns.len()];
        Self { reader: Reader::new(bytes), columns, granularity, last: None, newest, cells }
    }

    /// The next row's start; its cells are in `cells`.
    fn next(&mut self) -> Option<i64> {
        let head = self.reader.number()?;
        let distance = match head >> 1 {
            0 => self.reader.signed()?,
            multiple => i64::try_from(multiple).ok()?.checked_mul(self.granularity)?,
        };
        let start = self.last.unwrap_or_default().checked_add(distance)?;
        if self.last.is_some_and(|last| last >= start) {
            return None;
        }
        let has_forms = head & 1 == 1;
        if has_forms {
            for cell in &mut self.newest {
                cell.form = Form::from_code(self.reader.number()?)?;
            }
        }
        for place in 0..self.newest.len() {
            let (cell, relations) = (*self.newest.get(place)?, self.columns.relations(place)?);
            // Values before stay those of the row before until the whole row is read.
            let before = |place: usize| self.newest.get(place).map(|cell| cell.before());
            let column = Column { before: cell.before(), cells: &self.cells, relations };
            let value = cell.form.read(&mut self.reader, column, before, !has_forms)?;
            *self.cells.get_mut(place)? = value;
        }
        for (cell, value) in self.newest.iter_mut().zip(&self.cells) {
            if let Some(value) = value {
                cell.before = value.to_le_bytes();
            }
        }
        self.last = Some(start);
        Some(start)
    }
}

#[cfg(test)]
mod tests;
