//! Aggregations of columns that come one after the other, so that not all of them are held at once.
//!
//! Down the columns, each cell of a result is what the columns before made of it and the next cell: sums, counts and
//! extremes need no more. A row that a column is the first to have begins with what the columns before, which lack it,
//! would have made of it. Which cells are added, and in which order, is as in [`super::reduce`].

use std::collections::HashSet;

use crate::series::Points;
use crate::time;

use super::evaluate::{EvaluateError, Leaves, Request, Table, compute};
use super::gaps::Gaps;
use super::matrix::{Kind, Matrix};
use super::reduce::{finish, kind_of, larger, means, one_piece, smaller};
use super::{Node, Reducer, Reduction, Reference};

/// What a reducer keeps of a row.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// The sum, or the extreme.
    value: f64,
    count: f64,
}

/// An aggregation of metrics.
#[derive(Debug)]
struct Leaf<'o> {
    node: &'o Node,
    reduction: Reduction,
    references: HashSet<&'o Reference>,
    rows: Vec<Cell>,
    /// What a row would be that no column had until now.
    absent: Cell,
    /// Every cell, as long as there is one row at most: it is added in another order.
    single: Option<Vec<f64>>,
}

/// An operation over columns that come one after the other.
#[derive(Debug)]
pub struct Stream<'o> {
    granularity: i64,
    request: Request<'o>,
    start: Option<i64>,
    /// What cells are that a column does not fill; NaN if they stay empty.
    filler: f64,
    timestamps: Vec<i64>,
    merged: Vec<i64>,
    leaves: Vec<Leaf<'o>>,
}

impl<'o> Stream<'o> {
    /// For series of one `granularity` (nanoseconds); `None` if the operation, or what becomes of empty cells, needs all
    /// columns at once.
    pub fn new(granularity: i64, request: Request<'o>) -> Option<Self> {
        let filler = match request.gaps {
            Gaps::Keep | Gaps::Drop => f64::NAN,
            Gaps::Number(number) => number,
            Gaps::Overlap(_)
            | Gaps::Forward
            | Gaps::Backward
            | Gaps::ForwardThenBackward
            | Gaps::BackwardThenForward => return None,
        };
        let mut leaves = Vec::new();
        collect(request.operation, &mut leaves)?;
        let start = request.start.map(|start| time::floor(start, granularity));
        let (timestamps, merged) = (Vec::new(), Vec::new());
        Some(Self { granularity, request, start, filler, timestamps, merged, leaves })
    }

    /// The next column, and the reference that it was found under.
    pub fn add(&mut self, key: &Reference, points: Points<'_>) {
        let points = points.between(self.start, self.request.stop);
        self.make_rows(points.timestamps());
        for leaf in &mut self.leaves {
            if leaf.references.contains(key) {
                leaf.add(&self.timestamps, points, self.filler);
            }
        }
    }

    /// The result.
    ///
    /// # Errors
    /// As [`evaluate`](super::evaluate()).
    pub fn finish(self) -> Result<Table, EvaluateError> {
        let reduced = self.leaves.into_iter().map(|leaf| (leaf.node, leaf.reduced()));
        compute(self.granularity, self.timestamps, Leaves::Reduced(reduced.collect()), self.request)
    }

    /// Makes rows of timestamps that no column had.
    fn make_rows(&mut self, new: &[i64]) {
        // Most series of one granularity have the same timestamps.
        if new == self.timestamps || crate::series::is_within(new, &self.timestamps) {
            return;
        }
        self.merged.clear();
        let mut old = self.timestamps.iter().copied().peekable();
        for timestamp in new {
            while let Some(earlier) = old.next_if(|earlier| earlier < timestamp) {
                self.merged.push(earlier);
            }
            old.next_if_eq(timestamp);
            self.merged.push(*timestamp);
        }
        self.merged.extend(old);
        for leaf in &mut self.leaves {
            let mut rows = Vec::with_capacity(self.merged.len());
            let mut old = self.timestamps.iter().zip(&leaf.rows).peekable();
            rows.extend(self.merged.iter().map(|timestamp| {
                let known = old.next_if(|(known, _)| *known == timestamp);
                known.map_or(leaf.absent, |(_, cell)| *cell)
            }));
            leaf.rows = rows;
            if self.merged.len() > 1 {
                leaf.single = None;
            }
        }
        std::mem::swap(&mut self.timestamps, &mut self.merged);
    }
}

/// The aggregations of an operation; `None` if a metric stands elsewhere, or one of them needs all columns at once.
fn collect<'o>(node: &'o Node, leaves: &mut Vec<Leaf<'o>>) -> Option<()> {
    match node {
        Node::Number(_) => Some(()),
        Node::Metric { .. } => None,
        Node::Aggregate(reduction, of) => match &**of {
            Node::Metric { references, .. } => {
                leaves.push(Leaf::new(node, *reduction, references)?);
                Some(())
            }
            of => collect(of, leaves),
        },
        Node::Rolling(_, _, of) | Node::Resample(_, _, of) | Node::Unary(_, _, of) => collect(of, leaves),
        Node::Binary(_, _, left, right) => {
            collect(left, leaves)?;
            collect(right, leaves)
        }
        Node::Clip(of, low, high) => {
            collect(of, leaves)?;
            collect(low, leaves)?;
            high.as_ref().map_or(Some(()), |high| collect(high, leaves))
        }
    }
}

impl<'o> Leaf<'o> {
    fn new(node: &'o Node, reduction: Reduction, references: &'o [Reference]) -> Option<Self> {
        let value = match reduction.reducer {
            Reducer::Mean | Reducer::Sum | Reducer::Count => 0.0,
            Reducer::Min | Reducer::Max => f64::NAN,
            Reducer::Median | Reducer::Std | Reducer::Var => return None,
        };
        let absent = Cell { value, count: 0.0 };
        let references = references.iter().collect();
        Some(Self { node, reduction, references, rows: Vec::new(), absent, single: Some(Vec::new()) })
    }

    /// Takes a column whose timestamps are among those of the rows.
    fn add(&mut self, timestamps: &[i64], points: Points<'_>, filler: f64) {
        if let Some(single) = &mut self.single {
            single.push(points.values().first().copied().unwrap_or(filler));
        }
        let reducer = self.reduction.reducer;
        if points.len() == self.rows.len() {
            for (cell, value) in self.rows.iter_mut().zip(points.values()) {
                cell.take(*value, reducer);
            }
        } else {
            let mut points = points.iter().peekable();
            for (cell, timestamp) in self.rows.iter_mut().zip(timestamps) {
                let found = points.next_if(|(own, _)| own == timestamp);
                cell.take(found.map_or(filler, |(_, value)| value), reducer);
            }
        }
        self.absent.take(filler, reducer);
    }

    fn reduced(self) -> Matrix {
        let reducer = self.reduction.reducer;
        let cells = match (&self.single, &self.rows[..]) {
            (Some(single), [_]) => vec![one_piece(single, reducer, &mut Vec::new())],
            (_, rows) => {
                let values = || rows.iter().map(|cell| cell.value);
                let counts = || rows.iter().map(|cell| cell.count);
                match reducer {
                    Reducer::Mean => means(&values().collect::<Vec<_>>(), &counts().collect::<Vec<_>>()),
                    Reducer::Count => counts().collect(),
                    _ => values().collect(),
                }
            }
        };
        let kind = kind_of(reducer, Kind::Float);
        finish(Matrix::new(cells.len(), 1, cells, kind), self.reduction)
    }
}

impl Cell {
    /// Empty cells change nothing: adding 0 to a sum, which is never -0, does not either.
    fn take(&mut self, value: f64, reducer: Reducer) {
        if value.is_nan() {
            return;
        }
        match reducer {
            Reducer::Min => self.value = smaller(self.value, value),
            Reducer::Max => self.value = larger(self.value, value),
            _ => {
                self.value += value;
                self.count += 1.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Column, Term, evaluate, parse};
    use super::*;
    use crate::series::Series;

    const OPERATIONS: [&str; 7] = [
        "(aggregate mean (metric (a mean) (b mean) (c mean)))",
        "(aggregate rate:sum (metric (a mean) (b mean) (c mean)))",
        "(/ (aggregate max (metric (a mean) (c mean))) (aggregate count (metric b mean)))",
        "(rolling mean 2 (aggregate min (metric (a mean) (b mean))))",
        "(resample mean 60 (abs (clip (aggregate sum (metric (b mean) (c mean))) 3)))",
        "(aggregate max (aggregate mean (metric (a mean) (b mean))))",
        "(rateofchange (aggregate sum (metric (a mean) (b mean) (c mean))))",
    ];

    fn columns() -> impl Strategy<Value = Vec<(usize, Vec<(i64, f64)>)>> {
        let value = prop_oneof![
            4 => (-1e6..1e6_f64).boxed(),
            1 => prop_oneof![Just(-0.0), Just(0.0), Just(f64::NAN), Just(f64::INFINITY), Just(1e16)].boxed(),
        ];
        let points = prop_oneof![
            3 => proptest::collection::vec((0_i64..6, value.clone()), 0..6).boxed(),
            1 => proptest::collection::vec((2_i64..3, value), 0..2).boxed(),
        ];
        proptest::collection::vec((0_usize..3, points), 0..40)
    }

    proptest! {
        #[test]
        fn one_after_the_other_they_are_what_they_are_together(
            columns in columns(),
            operation in 0..OPERATIONS.len(),
            gaps in prop_oneof![Just(Gaps::Drop), Just(Gaps::Keep), Just(Gaps::Number(0.1)), Just(Gaps::Number(f64::NAN))],
            start in proptest::option::of(0_i64..4),
            stop in proptest::option::of(0_i64..8),
        ) {
            const GRANULARITY: i64 = 30 * crate::time::SECOND;
            let operation = parse(&Term::from_text(OPERATIONS[operation]).unwrap()).unwrap();
            let keys = ["a", "b", "c"].map(|metric| Reference { metric: metric.into(), aggregation: "mean".into() });
            let columns: Vec<(&Reference, Series)> = columns
                .into_iter()
                .map(|(key, points)| {
                    let points: std::collections::BTreeMap<i64, f64> = points.into_iter().collect();
                    (&keys[key], points.into_iter().map(|(at, value)| (at * GRANULARITY, value)).collect())
                })
                .collect();
            let moment = |place: i64| place * GRANULARITY;
            let request =
                Request { operation: &operation, gaps, start: start.map(moment), stop: stop.map(moment), given_up: None };
            let together: Vec<Column<'_>> =
                columns.iter().map(|(key, points)| Column { key, points: points.points() }).collect();
            let expected = evaluate(GRANULARITY, &together, request);
            let mut stream = Stream::new(GRANULARITY, request).unwrap();
            for (key, series) in &columns {
                stream.add(key, series.points());
            }
            let found = stream.finish();
            let bits = |table: &Result<Table, EvaluateError>| table.clone().map(|table| {
                let value = |value: f64| if value.is_nan() { u64::MAX } else { value.to_bits() };
                let cells: Vec<u64> = table.matrix().column(0).iter().copied().map(value).collect();
                let shown: Vec<(i64, u64)> = table.points(0).points().iter().map(|(at, number)| (at, value(number))).collect();
                (table.timestamps().to_vec(), cells, shown, table.granularity, table.aggregated, table.matrix().kind())
            });
            prop_assert_eq!(bits(&found), bits(&expected));
        }
    }

    #[test]
    fn what_needs_all_columns_is_not_streamed() {
        for (text, gaps) in [
            ("(metric a mean)", Gaps::Drop),
            ("(aggregate median (metric a mean))", Gaps::Drop),
            ("(aggregate mean (abs (metric a mean)))", Gaps::Drop),
            ("(aggregate mean (metric a mean))", Gaps::Forward),
            ("(aggregate mean (metric a mean))", Gaps::Overlap(100.0)),
        ] {
            let operation = parse(&Term::from_text(text).unwrap()).unwrap();
            let request = Request { operation: &operation, gaps, start: None, stop: None, given_up: None };
            assert!(Stream::new(60, request).is_none(), "{text}");
        }
    }
}
