//! Several series in one matrix, and what becomes of cells that a series does not fill.

use crate::series::Points;

use super::Reference;
use super::evaluate::EvaluateError;
use super::matrix::{Kind, Matrix};
use crate::python::float;

/// A series that takes part.
#[derive(Debug, Clone)]
pub struct Column<'a> {
    /// Under which reference of the operation it was found.
    pub key: &'a Reference,
    /// Its aggregates.
    pub points: Points<'a>,
}

/// What becomes of empty cells: the parameters `fill` and `needed_overlap`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gaps {
    /// So many percent of the rows must have no empty cell; the rest stays empty (no `fill`).
    Overlap(f64),
    /// They stay empty, and are shown (`null`).
    Keep,
    /// They stay empty, and results that are no finite number are left out (`dropna`).
    Drop,
    /// They become a number.
    Number(f64),
    /// The last value before them (`ffill`). As with the next three, results that are no finite number are left out.
    Forward,
    /// The next value after them (`bfill`).
    Backward,
    /// The last value before them, or else the next one (`full_ffill`).
    ForwardThenBackward,
    /// The next value after them, or else the last one (`full_bfill`).
    BackwardThenForward,
}

/// A `fill` that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Must be a float, 'dropna', 'null', 'ffill', 'bfill', 'full_ffill' or 'full_bfill'")]
pub struct UnknownFill;

impl Gaps {
    /// Reads both parameters: without either, `dropna`; with `needed_overlap` alone, the overlap.
    pub fn from_parameters(fill: Option<&str>, needed_overlap: Option<f64>) -> Result<Self, UnknownFill> {
        let Some(fill) = fill else { return Ok(needed_overlap.map_or(Self::Drop, Self::Overlap)) };
        Ok(match fill {
            "null" => Self::Keep,
            "dropna" => Self::Drop,
            "ffill" => Self::Forward,
            "bfill" => Self::Backward,
            "full_ffill" => Self::ForwardThenBackward,
            "full_bfill" => Self::BackwardThenForward,
            number => Self::Number(float(number).ok_or(UnknownFill)?),
        })
    }

    /// Whether results that are no finite number are left out.
    pub fn drops(self) -> bool {
        !matches!(self, Self::Overlap(_) | Self::Keep | Self::Number(_))
    }

    fn fill(self, column: &mut [f64]) {
        match self {
            Self::Overlap(_) | Self::Keep | Self::Drop | Self::Number(_) => {}
            Self::Forward => carry(column.iter_mut()),
            Self::Backward => carry(column.iter_mut().rev()),
            Self::ForwardThenBackward => {
                carry(column.iter_mut());
                carry(column.iter_mut().rev());
            }
            Self::BackwardThenForward => {
                carry(column.iter_mut().rev());
                carry(column.iter_mut());
            }
        }
    }
}

/// Every cell that is no number becomes the last one that is.
fn carry<'c>(cells: impl Iterator<Item = &'c mut f64>) {
    let mut last = f64::NAN;
    for cell in cells {
        if cell.is_nan() {
            *cell = last;
        } else {
            last = *cell;
        }
    }
}

/// Rows and columns, and the timestamps of the rows.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) timestamps: Vec<i64>,
    pub(super) matrix: Matrix,
}

/// Puts series together: a row for every timestamp that one of them has.
pub(super) fn grid(series: &[Points<'_>], gaps: Gaps) -> Grid {
    let timestamps = union(series);
    let filler = if let Gaps::Number(number) = gaps { number } else { f64::NAN };
    let mut cells = Vec::with_capacity(timestamps.len() * series.len());
    for points in series {
        let begin = cells.len();
        if points.len() == timestamps.len() {
            cells.extend_from_slice(points.values());
        } else {
            cells.resize(begin + timestamps.len(), filler);
        }
        let column = cells.get_mut(begin..).unwrap_or_default();
        if points.len() < timestamps.len() {
            let mut rows = timestamps.iter().zip(column.iter_mut());
            for (timestamp, value) in points.iter() {
                // Every timestamp of a series is one of the union, in the same order.
                if let Some((_, cell)) = rows.find(|(row, _)| **row == timestamp) {
                    *cell = value;
                }
            }
        }
        gaps.fill(column);
    }
    let matrix = Matrix::new(timestamps.len(), series.len(), cells, Kind::Float);
    Grid { timestamps, matrix }
}

/// Every timestamp of the series once, in order.
fn union(series: &[Points<'_>]) -> Vec<i64> {
    let mut union: Vec<i64> = Vec::new();
    let mut merged: Vec<i64> = Vec::new();
    for points in series {
        let mut other = points.timestamps();
        // Most series of one granularity have the same timestamps.
        if other == union {
            continue;
        }
        merged.clear();
        merged.reserve(union.len().max(other.len()));
        for &timestamp in &union {
            while let Some((earlier, rest)) = other.split_first().filter(|(earlier, _)| **earlier < timestamp)
            {
                merged.push(*earlier);
                other = rest;
            }
            merged.push(timestamp);
            other = other.strip_prefix(&[timestamp]).unwrap_or(other);
        }
        merged.extend_from_slice(other);
        std::mem::swap(&mut union, &mut merged);
    }
    union
}

/// Requires that enough rows are full, and cuts rows before the first and after the last full one where the request has
/// no bound.
pub(super) fn overlap(
    grid: Grid,
    needed_percent: f64,
    start: Option<i64>,
    stop: Option<i64>,
) -> Result<Grid, EvaluateError> {
    let mut full = vec![true; grid.timestamps.len()];
    for column in grid.matrix.each_column() {
        for (full, cell) in full.iter_mut().zip(column) {
            *full &= !cell.is_nan();
        }
    }
    let first = full.iter().position(|full| *full);
    let last = full.iter().rposition(|full| *full);
    if first.is_none() && needed_percent > 0.0 {
        return Err(EvaluateError::NoOverlap);
    }
    let until = last.filter(|_| stop.is_none()).map_or(grid.timestamps.len(), |last| last + 1);
    let from = first.filter(|_| start.is_none()).unwrap_or(0);
    let rows = until.saturating_sub(from);
    if rows > 0 {
        let overlapping = full.iter().filter(|full| **full).count();
        let percent = double(overlapping) * 100.0 / double(rows);
        if percent < needed_percent {
            return Err(EvaluateError::LittleOverlap { needed_percent, percent });
        }
    }
    if rows == grid.timestamps.len() {
        return Ok(grid);
    }
    let timestamps = grid.timestamps.get(from..until).unwrap_or_default().to_vec();
    Ok(Grid { timestamps, matrix: grid.matrix.between_rows(from, until) })
}

#[allow(clippy::cast_precision_loss, reason = "no matrix has 2⁵³ rows")]
fn double(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Series;

    fn series(points: &[(i64, f64)]) -> Series {
        points.iter().copied().collect()
    }

    fn filled(gaps: Gaps) -> Vec<String> {
        let (a, b) = (series(&[(1, 1.0), (3, 3.0)]), series(&[(2, 20.0), (3, 30.0), (4, 40.0)]));
        let grid = grid(&[a.points(), b.points()], gaps);
        assert_eq!(grid.timestamps, [1, 2, 3, 4]);
        grid.matrix.cells().iter().map(f64::to_string).collect()
    }

    #[test]
    fn cells_are_filled_as_asked() {
        let numbers = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(filled(Gaps::Keep), numbers("1 NaN 3 NaN NaN 20 30 40"));
        assert_eq!(filled(Gaps::Number(7.0)), numbers("1 7 3 7 7 20 30 40"));
        assert_eq!(filled(Gaps::Forward), numbers("1 1 3 3 NaN 20 30 40"));
        assert_eq!(filled(Gaps::Backward), numbers("1 3 3 NaN 20 20 30 40"));
        assert_eq!(filled(Gaps::ForwardThenBackward), numbers("1 1 3 3 20 20 30 40"));
        assert_eq!(filled(Gaps::BackwardThenForward), numbers("1 3 3 3 20 20 30 40"));
    }

    #[test]
    fn parameters_have_names_and_numbers() {
        assert_eq!(Gaps::from_parameters(None, None), Ok(Gaps::Drop));
        assert_eq!(Gaps::from_parameters(None, Some(50.0)), Ok(Gaps::Overlap(50.0)));
        assert_eq!(Gaps::from_parameters(Some("0"), Some(50.0)), Ok(Gaps::Number(0.0)));
        assert_eq!(Gaps::from_parameters(Some("Null"), None), Err(UnknownFill));
    }

    #[test]
    fn rows_beside_the_overlap_go_where_the_request_has_no_bound() {
        let (a, b) = (series(&[(1, 1.0), (3, 3.0)]), series(&[(2, 20.0), (3, 30.0), (4, 40.0)]));
        let cut = |start, stop, needed| {
            let grid = grid(&[a.points(), b.points()], Gaps::Overlap(needed));
            overlap(grid, needed, start, stop).map(|grid| grid.timestamps)
        };
        assert_eq!(cut(None, None, 100.0), Ok(vec![3]));
        assert_eq!(cut(Some(0), None, 33.0), Ok(vec![1, 2, 3]));
        assert_eq!(cut(Some(0), Some(9), 25.0), Ok(vec![1, 2, 3, 4]));
        let error = cut(Some(0), Some(9), 50.0).unwrap_err();
        assert_eq!(error.to_string(), "Less than 50.000000% of datapoints overlap in this timespan (25.00%)");
    }
}
