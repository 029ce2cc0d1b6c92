//! Operators cell by cell, with numpy's notion of what cells are.

use std::rc::Rc;

use super::matrix::{Kind, Matrix};
use super::{Binary, Unary};

/// An operand: a matrix, or one number for all cells.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Scalar(f64, Kind),
    Matrix(Rc<Matrix>),
}

impl From<Matrix> for Operand {
    fn from(matrix: Matrix) -> Self {
        Self::Matrix(Rc::new(matrix))
    }
}

/// Two matrices with several columns each, but not equally many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shapes {
    pub(super) left: usize,
    pub(super) right: usize,
}

impl Operand {
    pub(super) fn is_matrix(&self) -> bool {
        matches!(self, Self::Matrix(_))
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Scalar(_, kind) => *kind,
            Self::Matrix(matrix) => matrix.kind(),
        }
    }

    /// Every cell by itself.
    fn map(self, kind: Kind, make: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Scalar(number, _) => Self::Scalar(make(number), kind),
            Self::Matrix(matrix) => {
                let (rows, columns) = (matrix.rows(), matrix.columns());
                let mut cells = Rc::unwrap_or_clone(matrix).into_cells();
                for cell in &mut cells {
                    *cell = make(*cell);
                }
                Matrix::new(rows, columns, cells, kind).into()
            }
        }
    }

    /// Cells of the same place together; a single column stands beside every column.
    fn zip(self, other: Self, kind: Kind, make: impl Fn(f64, f64) -> f64) -> Result<Self, Shapes> {
        let (left, right) = match (self, other) {
            (left, Self::Scalar(right, _)) => return Ok(left.map(kind, |cell| make(cell, right))),
            (Self::Scalar(left, _), right) => return Ok(right.map(kind, |cell| make(left, cell))),
            (Self::Matrix(left), Self::Matrix(right)) => (left, right),
        };
        let (wide, narrow) = (left.columns().max(right.columns()), left.columns().min(right.columns()));
        if (wide != narrow && narrow != 1) || left.rows() != right.rows() {
            return Err(Shapes { left: left.columns(), right: right.columns() });
        }
        let rows = left.rows();
        let mut cells = Vec::with_capacity(rows * wide);
        for index in 0..wide {
            let left = left.column(if left.columns() == 1 { 0 } else { index });
            let right = right.column(if right.columns() == 1 { 0 } else { index });
            cells.extend(left.iter().zip(right).map(|(left, right)| make(*left, *right)));
        }
        Ok(Matrix::new(rows, wide, cells, kind).into())
    }

    /// Whether numpy's inner loop sees one and the same number for every cell.
    fn is_constant(&self) -> bool {
        match self {
            Self::Scalar(..) => true,
            Self::Matrix(matrix) => matrix.rows() == 1 && matrix.columns() == 1,
        }
    }

    fn only(&self) -> Option<f64> {
        match self {
            Self::Scalar(number, _) => Some(*number),
            Self::Matrix(matrix) => matrix.cells().first().copied(),
        }
    }
}

/// An operator of two operands.
pub(super) fn binary(operator: Binary, left: Operand, right: Operand) -> Result<Operand, Shapes> {
    let kind = left.kind().max(right.kind());
    let truth = |holds: fn(f64, f64) -> bool| move |a: f64, b: f64| f64::from(u8::from(holds(a, b)));
    #[allow(clippy::float_cmp, reason = "the operator is exact equality")]
    match operator {
        Binary::Equal => left.zip(right, Kind::Boolean, truth(|a, b| a == b)),
        Binary::NotEqual => left.zip(right, Kind::Boolean, truth(|a, b| a != b)),
        Binary::Less => left.zip(right, Kind::Boolean, truth(|a, b| a < b)),
        Binary::Greater => left.zip(right, Kind::Boolean, truth(|a, b| a > b)),
        Binary::LessOrEqual => left.zip(right, Kind::Boolean, truth(|a, b| a <= b)),
        Binary::GreaterOrEqual => left.zip(right, Kind::Boolean, truth(|a, b| a >= b)),
        Binary::Add if kind == Kind::Boolean => left.zip(right, kind, f64::max),
        Binary::Add => left.zip(right, kind, |a, b| a + b),
        // numpy refuses to subtract truths.
        Binary::Subtract => left.zip(right, kind.max(Kind::Integer), |a, b| a - b),
        Binary::Multiply => left.zip(right, kind, |a, b| a * b),
        Binary::Divide => left.zip(right, Kind::Float, |a, b| a / b),
        Binary::Modulo if kind == Kind::Float => left.zip(right, kind, modulo),
        Binary::Modulo => {
            left.zip(right, Kind::Integer, |a, b| if b == 0.0 { 0.0 } else { modulo(a, b) + 0.0 })
        }
        Binary::Power => power(left, right, kind),
        Binary::ClipMin => left.zip(right, kind, at_least),
        Binary::ClipMax => left.zip(right, kind, at_most),
        Binary::Max => left.zip(right, kind, f64::max),
    }
}

/// Cells kept between two bounds; the upper one wins.
pub(super) fn clip(of: Operand, low: Operand, high: Option<Operand>) -> Result<Operand, Shapes> {
    let kind = of.kind().max(low.kind());
    let raised = of.zip(low, kind, at_least)?;
    match high {
        Some(high) => {
            let kind = kind.max(high.kind());
            raised.zip(high, kind, at_most)
        }
        None => Ok(raised),
    }
}

/// An operator that looks at one cell.
pub(super) fn unary(operator: Unary, of: Operand) -> Operand {
    let kind = of.kind();
    match operator {
        Unary::Absolute => of.map(kind, f64::abs),
        // numpy refuses to negate truths. Integers have no negative zero.
        Unary::Negative if kind < Kind::Float => of.map(Kind::Integer, |cell| 0.0 - cell),
        Unary::Negative => of.map(kind, |cell| -cell),
        Unary::Cosine => of.map(Kind::Float, f64::cos),
        Unary::Sine => of.map(Kind::Float, f64::sin),
        Unary::Tangent => of.map(Kind::Float, f64::tan),
        Unary::Floor => of.map(kind, f64::floor),
        Unary::Ceiling => of.map(kind, f64::ceil),
        Unary::RateOfChange | Unary::RateOfChangeSeconds => of,
    }
}

/// The larger one, or NaN.
fn at_least(cell: f64, bound: f64) -> f64 {
    if cell.is_nan() || cell > bound { cell } else { bound }
}

/// The smaller one, or NaN.
fn at_most(cell: f64, bound: f64) -> f64 {
    if cell.is_nan() || cell < bound { cell } else { bound }
}

/// The remainder of a division that rounds down: it has the sign of the divisor.
fn modulo(a: f64, b: f64) -> f64 {
    let remainder = a % b;
    if b == 0.0 {
        remainder
    } else if remainder == 0.0 {
        0.0_f64.copysign(b)
    } else if (b < 0.0) == (remainder < 0.0) {
        remainder
    } else {
        remainder + b
    }
}

/// numpy has short cuts for a few exponents that are one for all cells, which round otherwise than `pow`.
fn power(base: Operand, exponent: Operand, kind: Kind) -> Result<Operand, Shapes> {
    let same = exponent.only().filter(|_| exponent.is_constant() && exponent.kind() == Kind::Float);
    #[allow(clippy::float_cmp, reason = "exactly these exponents")]
    match same {
        Some(2.0) => base.zip(exponent, kind, |base, _| base * base),
        Some(0.5) => base.zip(exponent, kind, |base, _| base.sqrt()),
        Some(-1.0) => base.zip(exponent, kind, |base, _| 1.0 / base),
        _ => base.zip(exponent, kind.max(Kind::Integer), f64::powf),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(cells: &[f64], kind: Kind) -> Operand {
        Matrix::new(cells.len(), 1, cells.to_vec(), kind).into()
    }

    fn cells(of: Operand) -> Vec<f64> {
        let Operand::Matrix(matrix) = of else { panic!("{of:?}") };
        matrix.cells().to_vec()
    }

    #[test]
    fn truths_are_added_to_truths() {
        let truths = column(&[1.0, 1.0, 0.0], Kind::Boolean);
        let others = column(&[1.0, 0.0, 0.0], Kind::Boolean);
        assert_eq!(cells(binary(Binary::Add, truths.clone(), others).unwrap()), [1.0, 1.0, 0.0]);
        assert_eq!(
            cells(binary(Binary::Add, truths, Operand::Scalar(1.0, Kind::Float)).unwrap()),
            [2.0, 2.0, 1.0]
        );
    }

    #[test]
    fn remainders_have_the_sign_of_the_divisor() {
        for (a, b, expected) in
            [(5.0, 3.0, 2.0), (-5.0, 3.0, 1.0), (5.0, -3.0, -1.0), (-1.0, f64::INFINITY, f64::INFINITY)]
        {
            assert_eq!(modulo(a, b).to_bits(), f64::to_bits(expected), "{a} % {b}");
        }
        assert!(modulo(1.0, 0.0).is_nan());
        let counts = column(&[3.0, 4.0], Kind::Integer);
        let divisors = column(&[0.0, 3.0], Kind::Integer);
        assert_eq!(cells(binary(Binary::Modulo, counts, divisors).unwrap()), [0.0, 1.0]);
    }

    #[test]
    fn bounds_may_be_series() {
        let of = column(&[1.0, 5.0, f64::NAN, 7.0], Kind::Float);
        let low = column(&[2.0, 2.0, 2.0, f64::NAN], Kind::Float);
        let clipped = cells(clip(of, low, Some(Operand::Scalar(4.0, Kind::Float))).unwrap());
        assert_eq!(clipped[..2], [2.0, 4.0]);
        assert!(clipped[2].is_nan() && clipped[3].is_nan());
    }

    #[test]
    fn a_single_column_stands_beside_several() {
        let two = Operand::from(Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0], Kind::Float));
        let one = column(&[10.0, 20.0], Kind::Float);
        let sum = cells(binary(Binary::Add, two.clone(), one).unwrap());
        assert_eq!(sum, [11.0, 22.0, 13.0, 24.0]);
        let three = Operand::from(Matrix::new(2, 3, vec![0.0; 6], Kind::Float));
        assert_eq!(binary(Binary::Add, two, three).unwrap_err(), Shapes { left: 2, right: 3 });
    }
}
