//! What an operation makes of series.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::grouped::{Grouped, Grouping};
use crate::method::Method;
use crate::series::{Points, Series};
use crate::time::{self, SECOND, double};

use super::elementwise::{self, Operand, Shapes};
use super::gaps::{self, Column, Gaps};
use super::matrix::{Kind, Matrix};
use super::{Node, Reduction, Reference, Unary, python, reduce};

/// Why series cannot be computed with. The texts are Gnocchi's where it has one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EvaluateError {
    /// No timestamp is common to all series.
    #[error("No overlap")]
    NoOverlap,
    /// Too few timestamps are common to all series.
    #[error("Less than {}% of datapoints overlap in this timespan ({percent:.2}%)", percent_text(*.needed_percent))]
    LittleOverlap {
        /// How many percent are asked for.
        needed_percent: f64,
        /// How many there are.
        percent: f64,
    },
    /// Operands have different timestamps.
    #[error("Can't compute timeseries with different granularity {left} <> {right}")]
    Timestamps {
        /// One operand, as Python prints it.
        left: String,
        /// The other one.
        right: String,
    },
    /// Operands have several columns each, but not equally many.
    #[error("cannot compute {left} series with {right} series")]
    Columns {
        /// How many the first one has.
        left: usize,
        /// How many the second one has.
        right: usize,
    },
    /// A rolling window is longer than the series.
    #[error("Rolling window '{window}' is greater than serie length '{length}'")]
    Window {
        /// The window.
        window: usize,
        /// The length.
        length: usize,
    },
    /// [`Request::given_up`] was set before the result was there.
    #[error("nobody waits for the result any more")]
    GivenUp,
    /// A number where only series make sense.
    #[error("{operation} needs a series, not a number")]
    Number {
        /// The operation.
        operation: &'static str,
    },
}

impl From<Shapes> for EvaluateError {
    fn from(shapes: Shapes) -> Self {
        Self::Columns { left: shapes.left, right: shapes.right }
    }
}

/// As Python's `%f`.
fn percent_text(percent: f64) -> String {
    if percent.is_finite() { format!("{percent:.6}") } else { python::float_repr(percent) }
}

/// What is computed, and over which time.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The operation.
    pub operation: &'a Node,
    /// What becomes of empty cells.
    pub gaps: Gaps,
    /// From when, in nanoseconds; rounded down to the granularity.
    pub start: Option<i64>,
    /// Until when, which is excluded.
    pub stop: Option<i64>,
    /// Set by another thread when nobody waits for the result any more; looked at for each operator, and within those that take
    /// long.
    pub given_up: Option<&'a AtomicBool>,
}

/// Whether nobody waits for a result any more.
pub(super) fn is_given_up(flag: Option<&AtomicBool>) -> bool {
    flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// The result of an operation at one granularity.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The granularity of the result, in nanoseconds.
    pub granularity: i64,
    /// Whether series were computed with each other. Then only the first column is the answer, else each column belongs
    /// to the series of the same place.
    pub aggregated: bool,
    timestamps: Vec<i64>,
    matrix: Matrix,
    drops: bool,
}

impl Table {
    /// The timestamps of the rows.
    pub fn timestamps(&self) -> &[i64] {
        &self.timestamps
    }

    /// The cells, before any are left out.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// A column of the answer, without what [`Gaps::drops`] leaves out.
    pub fn points(&self, column: usize) -> Series {
        let rows = self.timestamps.iter().copied().zip(self.matrix.column(column).iter().copied());
        rows.filter(|(_, value)| !self.drops || value.is_finite()).collect()
    }
}

/// Computes an operation over series of one `granularity` (nanoseconds).
pub fn evaluate(
    granularity: i64,
    columns: &[Column<'_>],
    request: Request<'_>,
) -> Result<Table, EvaluateError> {
    let start = request.start.map(|start| time::floor(start, granularity));
    let series: Vec<Points<'_>> =
        columns.iter().map(|column| column.points.between(start, request.stop)).collect();
    let mut grid = gaps::grid(&series, request.gaps);
    if let Gaps::Overlap(needed) = request.gaps {
        grid = gaps::overlap(grid, needed, request.start, request.stop)?;
    }
    let keys: Vec<&Reference> = columns.iter().map(|column| column.key).collect();
    compute(granularity, grid.timestamps, Leaves::Columns(Rc::new(grid.matrix), &keys), request)
}

/// Computes an operation with what its leaves are.
pub(super) fn compute(
    granularity: i64,
    timestamps: Vec<i64>,
    leaves: Leaves<'_>,
    request: Request<'_>,
) -> Result<Table, EvaluateError> {
    let given_up = request.given_up;
    let scope = Scope { granularity, timestamps: Rc::new(timestamps), leaves, given_up };
    let frame = scope.compute(request.operation)?;
    if is_given_up(given_up) {
        return Err(EvaluateError::GivenUp);
    }
    // What it holds may now be taken instead of copied.
    drop(scope);
    let Operand::Matrix(matrix) = frame.operand else {
        return Err(EvaluateError::Number { operation: "an answer" });
    };
    Ok(Table {
        granularity: frame.granularity,
        aggregated: frame.aggregated,
        timestamps: Rc::unwrap_or_clone(frame.timestamps),
        matrix: Rc::unwrap_or_clone(matrix),
        drops: request.gaps.drops(),
    })
}

/// What the leaves of an operation are.
pub(super) enum Leaves<'a> {
    /// Columns, and the reference that each was found under.
    Columns(Rc<Matrix>, &'a [&'a Reference]),
    /// Nodes whose columns are reduced already.
    Reduced(Vec<(&'a Node, Matrix)>),
}

/// What the leaves of an operation see.
struct Scope<'a> {
    granularity: i64,
    timestamps: Rc<Vec<i64>>,
    leaves: Leaves<'a>,
    given_up: Option<&'a AtomicBool>,
}

/// An intermediate result.
struct Frame {
    granularity: i64,
    timestamps: Rc<Vec<i64>>,
    operand: Operand,
    aggregated: bool,
}

impl Frame {
    fn matrix(&self, operation: &'static str) -> Result<&Matrix, EvaluateError> {
        match &self.operand {
            Operand::Matrix(matrix) => Ok(matrix),
            Operand::Scalar(..) => Err(EvaluateError::Number { operation }),
        }
    }

    /// The same without the first rows.
    fn later(&self, rows: usize) -> Rc<Vec<i64>> {
        if rows == 0 {
            return Rc::clone(&self.timestamps);
        }
        Rc::new(self.timestamps.get(rows..).unwrap_or_default().to_vec())
    }
}

impl Scope<'_> {
    fn compute(&self, node: &Node) -> Result<Frame, EvaluateError> {
        if is_given_up(self.given_up) {
            return Err(EvaluateError::GivenUp);
        }
        match node {
            Node::Number(number) => Ok(self.leaf(Operand::Scalar(*number, Kind::Float))),
            Node::Metric { references, .. } => {
                let Leaves::Columns(matrix, keys) = &self.leaves else {
                    return Err(EvaluateError::Number { operation: "metric" });
                };
                let named: HashSet<&Reference> = references.iter().collect();
                let is_named = |index: &usize| keys.get(*index).is_some_and(|key| named.contains(key));
                let indices: Vec<usize> = (0..keys.len()).filter(is_named).collect();
                let every = indices.len() == keys.len();
                let matrix = if every { Rc::clone(matrix) } else { Rc::new(matrix.select(&indices)) };
                Ok(self.leaf(Operand::Matrix(matrix)))
            }
            Node::Aggregate(reduction, of) => match self.reduced(node) {
                Some(reduced) => {
                    let nothing = Operand::Scalar(0.0, Kind::Float);
                    Ok(aggregated(&self.leaf(nothing), *reduction, reduced.clone()))
                }
                None => aggregate(&self.compute(of)?, *reduction, self.given_up),
            },
            Node::Rolling(reduction, window, of) => {
                rolling(&self.compute(of)?, *reduction, *window, self.given_up)
            }
            Node::Resample(method, granularity, of) => resample(&self.compute(of)?, *method, *granularity),
            Node::Binary(_, operator, left, right) => {
                let (first, second) = (self.compute(left)?, self.compute(right)?);
                let (base, aggregated) = common(&[(left, &first), (right, &second)])?;
                let operand = elementwise::binary(*operator, first.operand, second.operand)?;
                Ok(Frame { operand, aggregated, ..base })
            }
            Node::Clip(of, low, high) => {
                let (first, second) = (self.compute(of)?, self.compute(low)?);
                let third =
                    high.as_ref().map(|high| self.compute(high).map(|frame| (high, frame))).transpose()?;
                let mut operands = vec![(&**of, &first), (&**low, &second)];
                operands.extend(third.iter().map(|(high, frame)| (&***high, frame)));
                let (base, aggregated) = common(&operands)?;
                let high = third.map(|(_, frame)| frame.operand);
                let operand = elementwise::clip(first.operand, second.operand, high)?;
                Ok(Frame { operand, aggregated, ..base })
            }
            Node::Unary(_, Unary::RateOfChange, of) => {
                let frame = self.compute(of)?;
                let operand = frame.matrix("rateofchange")?.differences().into();
                Ok(Frame { timestamps: frame.later(1), operand, ..frame })
            }
            Node::Unary(_, Unary::RateOfChangeSeconds, of) => {
                let frame = self.compute(of)?;
                let operand = per_second(frame.matrix("rateofchangesec")?, &frame.timestamps).into();
                Ok(Frame { operand, ..frame })
            }
            Node::Unary(_, operator, of) => {
                let frame = self.compute(of)?;
                Ok(Frame { operand: elementwise::unary(*operator, frame.operand), ..frame })
            }
        }
    }

    /// What an aggregation's columns are reduced to, if they are already.
    fn reduced(&self, node: &Node) -> Option<&Matrix> {
        let Leaves::Reduced(all) = &self.leaves else { return None };
        all.iter().find(|(known, _)| std::ptr::eq(*known, node)).map(|(_, reduced)| reduced)
    }

    fn leaf(&self, operand: Operand) -> Frame {
        let timestamps = Rc::clone(&self.timestamps);
        Frame { granularity: self.granularity, timestamps, operand, aggregated: false }
    }
}

/// The granularity and timestamps that operands have in common, and whether the result is aggregated: because one of
/// them is, or because several are series.
fn common(operands: &[(&Node, &Frame)]) -> Result<(Frame, bool), EvaluateError> {
    let mut series = operands.iter().filter(|(_, frame)| frame.operand.is_matrix());
    let first = series.next().or(operands.first());
    let mut aggregated = operands.iter().any(|(_, frame)| frame.aggregated);
    let Some((left, base)) = first else { return Err(EvaluateError::Number { operation: "an operator" }) };
    for (right, frame) in series {
        if frame.timestamps != base.timestamps || frame.granularity != base.granularity {
            return Err(EvaluateError::Timestamps { left: left.to_string(), right: right.to_string() });
        }
        aggregated = true;
    }
    let nothing = Operand::Scalar(0.0, Kind::Float);
    let timestamps = Rc::clone(&base.timestamps);
    Ok((Frame { granularity: base.granularity, timestamps, operand: nothing, aggregated }, aggregated))
}

fn aggregate(
    frame: &Frame,
    reduction: Reduction,
    given_up: Option<&AtomicBool>,
) -> Result<Frame, EvaluateError> {
    let reduced = reduce::rows(frame.matrix("aggregate")?, reduction, given_up);
    Ok(aggregated(frame, reduction, reduced))
}

fn aggregated(frame: &Frame, reduction: Reduction, reduced: Matrix) -> Frame {
    Frame {
        granularity: frame.granularity,
        timestamps: frame.later(usize::from(reduction.rate)),
        operand: reduced.into(),
        aggregated: true,
    }
}

fn rolling(
    frame: &Frame,
    reduction: Reduction,
    window: usize,
    given_up: Option<&AtomicBool>,
) -> Result<Frame, EvaluateError> {
    let matrix = frame.matrix("rolling")?;
    if window > matrix.rows() {
        return Err(EvaluateError::Window { window, length: matrix.rows() });
    }
    let rolled = reduce::rolling(matrix, reduction, window, given_up);
    Ok(Frame {
        granularity: frame.granularity,
        timestamps: frame.later(window - 1 + usize::from(reduction.rate)),
        operand: rolled.into(),
        aggregated: frame.aggregated,
    })
}

fn resample(frame: &Frame, method: Method, granularity: i64) -> Result<Frame, EvaluateError> {
    let matrix = frame.matrix("resample")?;
    let (mut timestamps, mut cells) = (Vec::new(), Vec::new());
    let mut series = Series::new();
    for column in matrix.each_column() {
        let grouped = Grouped::new(Points::new(&frame.timestamps, column), Grouping::Fixed(granularity));
        grouped.aggregate_into(method, &mut series);
        // Which groups there are depends on timestamps alone, so that all columns come out alike.
        timestamps.clear();
        timestamps.extend_from_slice(series.points().timestamps());
        cells.extend_from_slice(series.points().values());
    }
    let resampled = Matrix::new(timestamps.len(), matrix.columns(), cells, Kind::Float);
    let timestamps = Rc::new(timestamps);
    Ok(Frame { granularity, timestamps, operand: resampled.into(), aggregated: frame.aggregated })
}

/// Differences by the seconds between the rows; the first row has none.
fn per_second(matrix: &Matrix, timestamps: &[i64]) -> Matrix {
    let steps: Vec<f64> = timestamps
        .iter()
        .zip(timestamps.iter().skip(1))
        .map(|(earlier, later)| double(later - earlier) / double(SECOND))
        .collect();
    matrix.map_columns(matrix.rows(), Kind::Float, |column, cells| {
        let neighbours = column.iter().zip(column.iter().skip(1)).zip(&steps);
        cells.extend((!column.is_empty()).then_some(f64::NAN));
        cells.extend(neighbours.map(|((earlier, later), seconds)| (later - earlier) / seconds));
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::{Term, parse};

    const MINUTE: i64 = 60 * SECOND;

    fn computed(text: &str, gaps: Gaps) -> Result<(Vec<(i64, f64)>, bool), EvaluateError> {
        let operation = parse(&Term::from_text(text).unwrap()).unwrap();
        let series = |points: &[(i64, f64)]| -> Series {
            points.iter().map(|(minute, value)| (minute * MINUTE, *value)).collect()
        };
        let a = series(&[(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0)]);
        let b = series(&[(1, 10.0), (2, 20.0), (3, 40.0), (4, 80.0)]);
        let references = operation.references();
        let columns: Vec<Column<'_>> = references
            .iter()
            .map(|key| Column { key, points: if key.metric == "a" { a.points() } else { b.points() } })
            .collect();
        let request = Request { operation: &operation, gaps, start: None, stop: None, given_up: None };
        let table = evaluate(MINUTE, &columns, request)?;
        let points = table.points(0);
        Ok((points.points().iter().map(|(at, value)| (at / MINUTE, value)).collect(), table.aggregated))
    }

    #[test]
    fn what_is_given_up_has_no_result() {
        for text in
            ["(metric a mean)", "(rolling mean 2 (metric a mean))", "(aggregate mean (metric a mean))"]
        {
            let operation = parse(&Term::from_text(text).unwrap()).unwrap();
            let series: Series = (0..4).map(|minute| (minute * MINUTE, 1.0)).collect();
            let references = operation.references();
            let columns: Vec<Column<'_>> =
                references.iter().map(|key| Column { key, points: series.points() }).collect();
            for is_given_up in [false, true] {
                let flag = AtomicBool::new(is_given_up);
                let given_up = Some(&flag);
                let request =
                    Request { operation: &operation, gaps: Gaps::Drop, start: None, stop: None, given_up };
                let expected = is_given_up.then_some(EvaluateError::GivenUp);
                assert_eq!(evaluate(MINUTE, &columns, request).err(), expected, "{text}");
                if let Some(mut stream) = crate::operations::Stream::new(MINUTE, request) {
                    for column in &columns {
                        stream.add(column.key, column.points);
                    }
                    assert_eq!(stream.finish().err(), expected, "{text}");
                }
            }
        }
    }

    #[test]
    fn operations_on_two_series() {
        for (text, gaps, expected, aggregated) in [
            ("(metric a mean)", Gaps::Drop, &[(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0)][..], false),
            ("(* 2 (metric a mean))", Gaps::Drop, &[(0, 2.0), (1, 4.0), (2, 8.0), (3, 16.0)], false),
            (
                "(+ (metric a mean) (metric b mean))",
                Gaps::Overlap(60.0),
                &[(1, 12.0), (2, 24.0), (3, 48.0)],
                true,
            ),
            (
                "(aggregate max (metric (a mean) (b mean)))",
                Gaps::Keep,
                &[(0, 1.0), (1, 10.0), (2, 20.0), (3, 40.0), (4, 80.0)],
                true,
            ),
            (
                "(aggregate rate:sum (metric (a mean) (b mean)))",
                Gaps::Number(0.0),
                &[(1, 11.0), (2, 12.0), (3, 24.0), (4, 32.0)],
                true,
            ),
            ("(rolling sum 3 (metric a mean))", Gaps::Drop, &[(2, 7.0), (3, 14.0)], false),
            ("(rolling rate:sum 3 (metric a mean))", Gaps::Drop, &[(3, 7.0)], false),
            ("(resample mean 120 (metric a mean))", Gaps::Drop, &[(0, 1.5), (2, 6.0)], false),
            ("(rateofchange (metric a mean))", Gaps::Drop, &[(1, 1.0), (2, 2.0), (3, 4.0)], false),
            ("(rateofchangesec (* 60 (metric a mean)))", Gaps::Drop, &[(1, 1.0), (2, 2.0), (3, 4.0)], false),
            ("(> (metric a mean) 3)", Gaps::Drop, &[(0, 0.0), (1, 0.0), (2, 1.0), (3, 1.0)], false),
        ] {
            let (points, is_aggregated) = computed(text, gaps).unwrap();
            assert_eq!(points, expected, "{text}");
            assert_eq!(is_aggregated, aggregated, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_computed_is_said() {
        for (text, expected) in [
            ("(rolling mean 20 (metric a mean))", "Rolling window '20' is greater than serie length '4'"),
            (
                "(+ (metric a mean) (resample mean 120 (metric a mean)))",
                "Can't compute timeseries with different granularity ['metric', 'a', 'mean'] <> ['resample', 'mean', \
                 np.timedelta64(120000000000,'ns'), ['metric', 'a', 'mean']]",
            ),
            ("(aggregate mean 5)", "aggregate needs a series, not a number"),
            ("(+ 1 2)", "an answer needs a series, not a number"),
        ] {
            assert_eq!(computed(text, Gaps::Drop).unwrap_err().to_string(), expected, "{text}");
        }
    }
}
