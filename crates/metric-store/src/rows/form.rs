//! How the value of a column is told in a row.

use crate::bytes::{Reader, put_signed};
use crate::codec::decimal;
use crate::columns::Relations;

/// Most decimal places.
const MAX_PLACES: u8 = 15;

/// What `form` of the module's page is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Absent,
    Unchanged,
    Bits,
    Quotient,
    Decimal(u8),
    Equal(u8),
    Difference(u8),
}

const DECIMAL: u64 = 4;
const EQUAL: u64 = DECIMAL + MAX_PLACES as u64 + 1;

/// What a form may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'c> {
    /// The column's own value before.
    pub(super) before: f64,
    /// The row: only earlier columns count.
    pub(super) cells: &'c [Option<f64>],
    pub(super) relations: &'c Relations,
}

impl Column<'_> {
    fn cell(self, place: usize) -> Option<f64> {
        *self.cells.get(place)?
    }

    fn quotient(self) -> Option<f64> {
        let (sum, count) = self.relations.quotient?;
        Some(self.cell(sum)? / self.cell(count)?)
    }

    fn equal(self, value: f64) -> Option<usize> {
        self.relations.equal.iter().copied().find(|place| is_same(self.cell(*place), value))
    }

    /// Whether an earlier column has this value.
    pub(super) fn has_equal(self, value: Option<f64>) -> bool {
        value.is_some_and(|value| self.equal(value).is_some())
    }
}

fn is_same(found: Option<f64>, value: f64) -> bool {
    found.is_some_and(|found| found.to_bits() == value.to_bits())
}

impl Form {
    /// A form that gives the value, a short one first.
    pub(super) fn of(value: Option<f64>, column: Column<'_>, before: impl Fn(usize) -> Option<f64>) -> Self {
        let Some(value) = value else { return Self::Absent };
        if is_same(column.quotient(), value) {
            return Self::Quotient;
        }
        if let Some(place) = column.equal(value).and_then(|place| u8::try_from(place).ok()) {
            return Self::Equal(place);
        }
        let differences = column.relations.difference.iter().filter_map(|place| u8::try_from(*place).ok());
        let mut differences = differences.map(Self::Difference);
        if let Some(form) = differences.find(|form| is_same(form.followed(column, &before), value)) {
            return form;
        }
        if is_same(Some(column.before), value) {
            return Self::Unchanged;
        }
        match decimal::places(value, 0).and_then(|places| u8::try_from(places).ok()) {
            Some(places) => Self::Decimal(places),
            None => Self::Bits,
        }
    }

    /// Whether it gives the value.
    pub(super) fn fits(
        self,
        value: Option<f64>,
        column: Column<'_>,
        before: impl Fn(usize) -> Option<f64>,
    ) -> bool {
        match (self, value) {
            (Self::Absent, None) => true,
            (Self::Absent, Some(_)) | (_, None) => false,
            // Short decimals are not left among the bits for ever because of one that was none.
            (Self::Bits, Some(value)) => !decimal::is_short(value),
            (Self::Decimal(places), Some(value)) => decimal::integer(value, usize::from(places)).is_some(),
            (_, Some(value)) => is_same(self.followed(column, before), value),
        }
    }

    /// Whether the value itself stands in the row.
    pub(super) const fn is_told(self) -> bool {
        matches!(self, Self::Bits | Self::Decimal(_))
    }

    /// The value of a form that needs nothing else.
    fn followed(self, column: Column<'_>, before: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        match self {
            Self::Absent | Self::Bits | Self::Decimal(_) => None,
            Self::Unchanged => Some(column.before),
            Self::Quotient => column.quotient(),
            Self::Equal(place) => column.cell(usize::from(place)),
            Self::Difference(place) => Some(column.cell(usize::from(place))? - before(usize::from(place))?),
        }
    }

    /// Appends what it needs; `is_kept` when the row before had this form too.
    pub(super) fn put(self, bytes: &mut Vec<u8>, value: f64, before: f64, is_kept: bool) {
        match self {
            Self::Bits => put_bits(bytes, value.to_bits() ^ before.to_bits()),
            Self::Decimal(places) => {
                let integer = |value| integer(value, places, is_kept);
                put_signed(bytes, integer(value).wrapping_sub(integer(before)));
            }
            _ => {}
        }
    }

    /// The value, from what [`Self::put`] appended; `is_kept` as there.
    #[allow(clippy::option_option, reason = "no value, and no row")]
    pub(super) fn read(
        self,
        reader: &mut Reader<'_>,
        column: Column<'_>,
        before: impl Fn(usize) -> Option<f64>,
        is_kept: bool,
    ) -> Option<Option<f64>> {
        let value = match self {
            Self::Absent => return Some(None),
            Self::Bits => f64::from_bits(read_bits(reader)? ^ column.before.to_bits()),
            Self::Decimal(places) => {
                let before = integer(column.before, places, is_kept);
                decimal::value(before.wrapping_add(reader.signed()?), usize::from(places))?
            }
            _ => self.followed(column, before)?,
        };
        Some(Some(value))
    }

    pub(super) fn code(self) -> u64 {
        match self {
            Self::Absent => 0,
            Self::Unchanged => 1,
            Self::Bits => 2,
            Self::Quotient => 3,
            Self::Decimal(places) => DECIMAL + u64::from(places),
            Self::Equal(place) => EQUAL + 2 * u64::from(place),
            Self::Difference(place) => EQUAL + 1 + 2 * u64::from(place),
        }
    }

    pub(super) fn from_code(code: u64) -> Option<Self> {
        let form = match code {
            0 => Self::Absent,
            1 => Self::Unchanged,
            2 => Self::Bits,
            3 => Self::Quotient,
            DECIMAL..EQUAL => Self::Decimal(u8::try_from(code - DECIMAL).ok()?),
            _ => {
                let place = u8::try_from((code - EQUAL) / 2).ok()?;
                if (code - EQUAL).is_multiple_of(2) { Self::Equal(place) } else { Self::Difference(place) }
            }
        };
        Some(form)
    }
}

/// A value as an integer with so many decimal places, or 0 if it is none. One whose form was kept is one.
fn integer(value: f64, places: u8, is_kept: bool) -> i64 {
    let places = usize::from(places);
    let integer =
        if is_kept { decimal::known_integer(value, places) } else { decimal::integer(value, places) };
    integer.unwrap_or_default()
}

fn put_bits(bytes: &mut Vec<u8>, changed: u64) {
    let leading = changed.leading_zeros() / 8;
    let all = changed.to_be_bytes();
    let told = all.get(usize::try_from(leading).unwrap_or_default()..).unwrap_or_default();
    let count = told.len() - told.iter().rev().take_while(|byte| **byte == 0).count();
    let head = (leading << 4) | u32::try_from(count).unwrap_or_default();
    bytes.push(u8::try_from(head).unwrap_or_default());
    bytes.extend_from_slice(told.get(..count).unwrap_or_default());
}

fn read_bits(reader: &mut Reader<'_>) -> Option<u64> {
    let head = reader.byte()?;
    let (leading, count) = (usize::from(head >> 4), usize::from(head & 15));
    let mut all = [0; 8];
    let told = all.get_mut(leading..leading + count)?;
    told.copy_from_slice(reader.take(count)?);
    Some(u64::from_be_bytes(all))
}
