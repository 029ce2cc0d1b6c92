//! Many cells reduced to one, NaN left out, in numpy's order of additions.

use std::sync::atomic::AtomicBool;

use super::evaluate::is_given_up;
use super::matrix::{Kind, Matrix};
use super::{Reducer, Reduction};

/// From how many cells on numpy takes another way to their median.
const LARGE: usize = 600;

/// How many cells numpy adds without splitting them in halves.
const BLOCK: usize = 128;

/// Each row reduced to one cell. With more than one row, numpy adds column after column to all rows; a single row lies
/// in one piece, and is added pairwise.
///
/// Nobody looks at the result if it is given up meanwhile.
pub(super) fn rows(matrix: &Matrix, reduction: Reduction, given_up: Option<&AtomicBool>) -> Matrix {
    let kind = kind_of(reduction.reducer, matrix.kind());
    let cells = if matrix.rows() == 1 {
        vec![one_piece(matrix.cells(), reduction.reducer, &mut Vec::new())]
    } else {
        column_by_column(matrix, reduction.reducer, given_up)
    };
    finish(Matrix::new(matrix.rows(), 1, cells, kind), reduction)
}

/// Each window of `window` rows of a column reduced to one cell.
///
/// Nobody looks at the result if it is given up meanwhile.
pub(super) fn rolling(
    matrix: &Matrix,
    reduction: Reduction,
    window: usize,
    given_up: Option<&AtomicBool>,
) -> Matrix {
    let kind = kind_of(reduction.reducer, matrix.kind());
    let rows = (matrix.rows() + 1).saturating_sub(window);
    let mut scratch = Vec::with_capacity(window);
    let rolled = matrix.map_columns(rows, kind, |column, cells| {
        let reduced = column.windows(window).map(|window| {
            if is_given_up(given_up) { f64::NAN } else { one_piece(window, reduction.reducer, &mut scratch) }
        });
        cells.extend(reduced);
    });
    finish(rolled, reduction)
}

/// The differences of the results, if they are asked for.
pub(super) fn finish(matrix: Matrix, reduction: Reduction) -> Matrix {
    if reduction.rate { matrix.differences() } else { matrix }
}

pub(super) fn kind_of(reducer: Reducer, of: Kind) -> Kind {
    match reducer {
        Reducer::Mean | Reducer::Median | Reducer::Std | Reducer::Var => Kind::Float,
        Reducer::Min | Reducer::Max => of,
        Reducer::Sum => of.max(Kind::Integer),
        Reducer::Count => Kind::Integer,
    }
}

#[allow(clippy::cast_precision_loss, reason = "no matrix has 2⁵³ cells")]
fn double(count: usize) -> f64 {
    count as f64
}

fn or_zero(cell: f64) -> f64 {
    if cell.is_nan() { 0.0 } else { cell }
}

pub(super) fn smaller(a: f64, b: f64) -> f64 {
    if b < a || a.is_nan() { b } else { a }
}

pub(super) fn larger(a: f64, b: f64) -> f64 {
    if b > a || a.is_nan() { b } else { a }
}

fn column_by_column(matrix: &Matrix, reducer: Reducer, given_up: Option<&AtomicBool>) -> Vec<f64> {
    match reducer {
        Reducer::Sum => sums(matrix, or_zero),
        Reducer::Count => counts(matrix),
        Reducer::Mean => means(&sums(matrix, or_zero), &counts(matrix)),
        Reducer::Var => variances(matrix),
        Reducer::Std => variances(matrix).into_iter().map(f64::sqrt).collect(),
        Reducer::Min => folded(matrix, smaller),
        Reducer::Max => folded(matrix, larger),
        Reducer::Median => {
            let mut row = Vec::with_capacity(matrix.columns());
            (0..matrix.rows())
                .map(|index| {
                    row.clear();
                    if is_given_up(given_up) {
                        return f64::NAN;
                    }
                    row.extend(matrix.each_column().filter_map(|column| column.get(index)));
                    median(&mut row)
                })
                .collect()
        }
    }
}

fn sums(matrix: &Matrix, cell: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; matrix.rows()];
    for column in matrix.each_column() {
        for (sum, value) in sums.iter_mut().zip(column) {
            *sum += cell(*value);
        }
    }
    sums
}

/// How many cells of each row are numbers.
fn counts(matrix: &Matrix) -> Vec<f64> {
    sums(matrix, |cell| f64::from(u8::from(!cell.is_nan())))
}

pub(super) fn means(sums: &[f64], counts: &[f64]) -> Vec<f64> {
    sums.iter().zip(counts).map(|(sum, count)| sum / count).collect()
}

fn variances(matrix: &Matrix) -> Vec<f64> {
    let counts = counts(matrix);
    let means = means(&sums(matrix, or_zero), &counts);
    let mut squares = vec![0.0; matrix.rows()];
    for column in matrix.each_column() {
        for ((sum, value), mean) in squares.iter_mut().zip(column).zip(&means) {
            let difference = if value.is_nan() { 0.0 } else { value - mean };
            *sum += difference * difference;
        }
    }
    self::means(&squares, &counts)
}

fn folded(matrix: &Matrix, pick: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut picked = vec![f64::NAN; matrix.rows()];
    for column in matrix.each_column() {
        for (picked, value) in picked.iter_mut().zip(column) {
            *picked = pick(*picked, *value);
        }
    }
    picked
}

/// Cells that lie in one piece.
pub(super) fn one_piece(cells: &[f64], reducer: Reducer, scratch: &mut Vec<f64>) -> f64 {
    let count = || double(cells.iter().filter(|cell| !cell.is_nan()).count());
    let mut added = |cell: &dyn Fn(f64) -> f64| {
        scratch.clear();
        scratch.extend(cells.iter().map(|value| cell(*value)));
        0.0 + pairwise(scratch)
    };
    match reducer {
        Reducer::Sum => added(&or_zero),
        Reducer::Count => count(),
        Reducer::Mean => added(&or_zero) / count(),
        Reducer::Var | Reducer::Std => {
            let mean = added(&or_zero) / count();
            let squares = added(&|value| {
                let difference = if value.is_nan() { 0.0 } else { value - mean };
                difference * difference
            });
            let variance = squares / count();
            if reducer == Reducer::Std { variance.sqrt() } else { variance }
        }
        Reducer::Min => cells.iter().copied().fold(f64::NAN, smaller),
        Reducer::Max => cells.iter().copied().fold(f64::NAN, larger),
        Reducer::Median => {
            scratch.clear();
            scratch.extend_from_slice(cells);
            median(scratch)
        }
    }
}

/// The median of the cells that are numbers; sorts and shortens them.
fn median(cells: &mut Vec<f64>) -> f64 {
    let large = cells.len() >= LARGE;
    cells.retain(|cell| !cell.is_nan());
    cells.sort_unstable_by(f64::total_cmp);
    let middle = cells.len() / 2;
    let Some(&upper) = cells.get(middle) else { return f64::NAN };
    let odd = cells.len() % 2 == 1;
    if odd && large {
        return upper;
    }
    let lower = if odd { upper } else { cells.get(middle - 1).copied().unwrap_or(upper) };
    #[allow(clippy::manual_midpoint, reason = "the sum overflows as numpy's does")]
    let median = (lower + upper) / 2.0;
    median
}

/// Adds as numpy does: eight sums side by side, halves of what is longer than a block.
fn pairwise(cells: &[f64]) -> f64 {
    if cells.len() > BLOCK {
        let half = cells.len() / 2;
        let (left, right) = cells.split_at(half - half % 8);
        return pairwise(left) + pairwise(right);
    }
    let (eights, rest) = cells.as_chunks::<8>();
    let Some((first, others)) = eights.split_first() else {
        return rest.iter().fold(-0.0, |sum, cell| sum + cell);
    };
    let mut sums = *first;
    for eight in others {
        for (sum, cell) in sums.iter_mut().zip(eight) {
            *sum += cell;
        }
    }
    let [one, two, three, four, five, six, seven, eight] = sums;
    let sum = ((one + two) + (three + four)) + ((five + six) + (seven + eight));
    rest.iter().fold(sum, |sum, cell| sum + cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reduced(name: &str, rows: usize, cells: &[f64]) -> Vec<f64> {
        let matrix = Matrix::new(rows, cells.len() / rows, cells.to_vec(), Kind::Float);
        self::rows(&matrix, Reduction::from_name(name).unwrap(), None).into_cells()
    }

    #[test]
    fn rows_leave_out_what_is_no_number() {
        // Two rows: 1 NaN 4, and NaN NaN NaN.
        let cells = [1.0, f64::NAN, f64::NAN, f64::NAN, 4.0, f64::NAN];
        for (name, first) in
            [("mean", 2.5), ("median", 2.5), ("std", 1.5), ("var", 2.25), ("min", 1.0), ("max", 4.0)]
        {
            let [a, b] = reduced(name, 2, &cells)[..] else { panic!() };
            assert!(a.to_bits() == f64::to_bits(first) && b.is_nan(), "{name}: {a} {b}");
        }
        assert_eq!(reduced("sum", 2, &cells), [5.0, 0.0]);
        assert_eq!(reduced("count", 2, &cells), [2.0, 0.0]);
        assert_eq!(reduced("rate:count", 2, &cells), [-2.0]);
    }

    /// To its end it would take minutes.
    #[test]
    fn a_rolling_window_is_given_up() {
        let matrix = Matrix::new(400_000, 1, vec![1.0; 400_000], Kind::Float);
        let given_up = AtomicBool::new(true);
        let rolled = rolling(&matrix, Reduction::from_name("median").unwrap(), 200_000, Some(&given_up));
        assert_eq!(rolled.rows(), 200_001);
    }

    #[test]
    fn a_single_row_is_added_pairwise() {
        let cells: Vec<f64> = std::iter::once(1e16).chain([1.0; 15]).collect();
        // Beside the first sum, ones are added to ones before they meet it.
        assert_eq!(reduced("sum", 1, &cells), [1e16 + 14.0]);
        let twice: Vec<f64> = cells.iter().flat_map(|cell| [*cell, *cell]).collect();
        assert_eq!(reduced("sum", 2, &twice), [1e16, 1e16]);
    }

    #[test]
    fn windows_roll_over_each_column() {
        let matrix = Matrix::new(3, 2, vec![1.0, 2.0, 4.0, f64::NAN, 10.0, 20.0], Kind::Float);
        let rolled = rolling(&matrix, Reduction::from_name("mean").unwrap(), 2, None);
        assert_eq!(rolled.cells(), [1.5, 3.0, 10.0, 15.0]);
        let rates = rolling(&matrix, Reduction::from_name("rate:sum").unwrap(), 2, None);
        assert_eq!((rates.rows(), rates.cells()), (1, &[3.0, 20.0][..]));
    }
}
