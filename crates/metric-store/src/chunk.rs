//! The aggregates of one granularity in few bytes: what is equal, or follows from another column, is not stored.
//!
//! ```text
//! chunk       count of rows n (n > 0)
//!             first start (ns, signed number)
//!             starts: runs of (distance to the start before in granularities, how often), until n - 1 are told;
//!                     distance 0 is followed by one in ns (signed number) that is no multiple
//!             count of columns, then each:
//! column      method's index (1 byte)
//!             presence: count of runs; rows that have a value, rows that have none, … in turn; 0 runs: all rows have one
//!             rule (1 byte)
//!               0 stored      the values that are present (codec)
//!               1 equal       place of another column
//!               2 quotient    places of two columns
//!               3 difference  place of a column: its value less the one of the row before
//!             rules but 0 have exceptions after them: count, distances of their rows, their values (codec)
//! ```
//!
//! A rule is only used after it was tried on every row: what does not come out to the bit is an exception. Thus nothing
//! depends on *why* a column follows from another. With one measure in each group, as at a meter's own interval, all
//! plain methods are one column.

use std::borrow::Cow;
use std::iter;

use archive::{Method, Series, Statistic};

use crate::bytes::{Reader, put_count, put_number, put_signed};
use crate::codec;
use crate::columns::rank;

const STORED: u8 = 0;
const EQUAL: u8 = 1;
const QUOTIENT: u8 = 2;
const DIFFERENCE: u8 = 3;

/// Rows of a chunk at most, so that damaged bytes cannot ask for more memory.
pub(crate) const MAX_ROWS: usize = 1 << 16;

/// A column: what each row has.
type Column = Vec<Option<f64>>;

/// A column that is to be told.
#[derive(Debug)]
enum Cells<'s> {
    /// Every row has a value.
    All(&'s [f64]),
    Some(Column),
}

impl<'s> Cells<'s> {
    fn of(starts: &[i64], series: &'s Series) -> Self {
        let points = series.points();
        if points.timestamps() == starts {
            return Self::All(points.values());
        }
        let mut points = points.iter().peekable();
        let cell = |start| points.next_if(|(own, _)| own == start).map(|(_, value)| value);
        Self::Some(starts.iter().map(cell).collect())
    }

    const fn len(&self) -> usize {
        match self {
            Self::All(values) => values.len(),
            Self::Some(cells) => cells.len(),
        }
    }

    fn get(&self, row: usize) -> Option<f64> {
        match self {
            Self::All(values) => values.get(row).copied(),
            Self::Some(cells) => *cells.get(row)?,
        }
    }

    /// The values that there are.
    fn values(&self) -> Cow<'s, [f64]> {
        match self {
            Self::All(values) => Cow::Borrowed(values),
            Self::Some(cells) => cells.iter().copied().flatten().collect(),
        }
    }

    /// The values of all rows, if each has one.
    const fn all(&self) -> Option<&'s [f64]> {
        match self {
            Self::All(values) => Some(values),
            Self::Some(_) => None,
        }
    }
}

/// How a column follows from those before it.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Equal(usize),
    Quotient(usize, usize),
    Difference(usize),
}

impl Rule {
    /// What it says of a row; `cell` gives those of the columns before.
    fn value(self, row: usize, cell: impl Fn(usize, usize) -> Option<f64>) -> Option<f64> {
        match self {
            Self::Equal(place) => cell(place, row),
            Self::Quotient(dividend, divisor) => Some(cell(dividend, row)? / cell(divisor, row)?),
            Self::Difference(place) => Some(cell(place, row)? - cell(place, row.checked_sub(1)?)?),
        }
    }

    fn put(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Equal(place) => {
                bytes.push(EQUAL);
                put_count(bytes, place);
            }
            Self::Quotient(dividend, divisor) => {
                bytes.push(QUOTIENT);
                put_count(bytes, dividend);
                put_count(bytes, divisor);
            }
            Self::Difference(place) => {
                bytes.push(DIFFERENCE);
                put_count(bytes, place);
            }
        }
    }
}

/// Appends the series of some methods at one granularity; `None` if there is no point, or too many.
pub(crate) fn encode(granularity: i64, series: &[(Method, &Series)], bytes: &mut Vec<u8>) -> Option<()> {
    let starts = starts_of(series);
    if starts.is_empty() || starts.len() > MAX_ROWS {
        return None;
    }
    put_starts(bytes, granularity, &starts);
    let mut order: Vec<&(Method, &Series)> = series.iter().collect();
    order.sort_by_key(|(method, _)| rank(*method));
    put_count(bytes, order.len());
    let mut methods = Vec::new();
    let mut columns: Vec<Cells<'_>> = Vec::new();
    for (method, series) in order {
        let column = Cells::of(&starts, series);
        bytes.push(method.index());
        put_presence(bytes, &column);
        put_column(bytes, &column, &columns, &rules(*method, &methods));
        methods.push(*method);
        columns.push(column);
    }
    Some(())
}

/// The series of a chunk, with their methods, or that of the `wanted` method, if there is one; `None` if the bytes are no
/// chunk.
pub(crate) fn decode(
    granularity: i64,
    bytes: &[u8],
    wanted: Option<Method>,
) -> Option<Vec<(Method, Series)>> {
    let mut reader = Reader::new(bytes);
    let starts = read_starts(&mut reader, granularity)?;
    let count = reader.count().filter(|count| *count <= Method::COUNT)?;
    let mut series = Vec::new();
    let mut columns: Vec<Column> = Vec::new();
    for _ in 0..count {
        let method = Method::from_index(reader.byte()?)?;
        let present = read_presence(&mut reader, starts.len())?;
        let column = read_column(&mut reader, &present, &columns)?;
        if wanted.is_none_or(|wanted| wanted == method) {
            let points = starts.iter().zip(&column).filter_map(|(start, value)| Some((*start, (*value)?)));
            series.push((method, points.collect()));
            if wanted.is_some() {
                // The others only follow from it.
                return Some(series);
            }
        }
        columns.push(column);
    }
    reader.is_empty().then_some(series)
}

/// What is worth trying, with the columns that there are.
fn rules(method: Method, before: &[Method]) -> Vec<Rule> {
    let place = |wanted: Method| before.iter().position(|method| *method == wanted);
    let same_kind = |statistic| place(Method { rate: method.rate, statistic });
    let mut rules = Vec::new();
    if method.statistic == Statistic::Mean
        && let (Some(sum), Some(count)) = (same_kind(Statistic::Sum), same_kind(Statistic::Count))
    {
        rules.push(Rule::Quotient(sum, count));
    }
    let alike = |other: &&(usize, &Method)| other.1.rate == method.rate;
    let numbered: Vec<(usize, &Method)> = before.iter().enumerate().collect();
    rules.extend(numbered.iter().filter(alike).map(|(place, _)| Rule::Equal(*place)));
    if method.rate {
        let plain = numbered.iter().filter(|(_, other)| !other.rate);
        rules.extend(plain.map(|(place, _)| Rule::Difference(*place)));
    }
    rules
}

fn starts_of(series: &[(Method, &Series)]) -> Vec<i64> {
    // Nearly always one of them has the starts of all others.
    let each = || series.iter().map(|(_, series)| series.points().timestamps());
    let longest = each().max_by_key(|timestamps| timestamps.len()).unwrap_or_default();
    if each().all(|timestamps| timestamps == longest || archive::series::is_within(timestamps, longest)) {
        return longest.to_vec();
    }
    let mut starts: Vec<i64> =
        series.iter().flat_map(|(_, series)| series.points().timestamps().to_vec()).collect();
    starts.sort_unstable();
    starts.dedup();
    starts
}

fn put_starts(bytes: &mut Vec<u8>, granularity: i64, starts: &[i64]) {
    put_count(bytes, starts.len());
    put_signed(bytes, starts.first().copied().unwrap_or_default());
    let distances: Vec<i64> = starts
        .iter()
        .zip(starts.iter().skip(1))
        .map(|(earlier, later)| later.wrapping_sub(*earlier))
        .collect();
    for run in distances.chunk_by(|one, other| one == other) {
        let distance = run.first().copied().unwrap_or_default();
        if granularity > 0 && distance % granularity == 0 {
            put_number(bytes, (distance / granularity).cast_unsigned());
        } else {
            put_number(bytes, 0);
            put_signed(bytes, distance);
        }
        put_count(bytes, run.len());
    }
}

fn read_starts(reader: &mut Reader<'_>, granularity: i64) -> Option<Vec<i64>> {
    let rows = usize::try_from(reader.number()?).ok().filter(|rows| (1..=MAX_ROWS).contains(rows))?;
    let mut last = reader.signed()?;
    let mut starts = Vec::with_capacity(rows);
    starts.push(last);
    while starts.len() < rows {
        let distance = match reader.number()? {
            0 => reader.signed()?,
            multiple => i64::try_from(multiple).ok()?.checked_mul(granularity)?,
        };
        let count = usize::try_from(reader.number()?).ok()?;
        if distance <= 0 || count == 0 || count > rows - starts.len() {
            return None;
        }
        for _ in 0..count {
            last = last.checked_add(distance)?;
            starts.push(last);
        }
    }
    Some(starts)
}

fn put_presence(bytes: &mut Vec<u8>, column: &Cells<'_>) {
    let cells = match column {
        Cells::Some(cells) if cells.iter().any(Option::is_none) => cells,
        _ => return put_count(bytes, 0),
    };
    let mut runs: Vec<usize> =
        cells.chunk_by(|one, other| one.is_some() == other.is_some()).map(<[_]>::len).collect();
    if cells.first().is_some_and(Option::is_none) {
        runs.insert(0, 0);
    }
    put_count(bytes, runs.len());
    for run in runs {
        put_count(bytes, run);
    }
}

fn read_presence(reader: &mut Reader<'_>, rows: usize) -> Option<Vec<bool>> {
    let count = reader.count()?;
    if count == 0 {
        return Some(vec![true; rows]);
    }
    let mut present = Vec::with_capacity(rows);
    for place in 0..count {
        let run = usize::try_from(reader.number()?).ok()?;
        if run > rows - present.len() {
            return None;
        }
        present.resize(present.len() + run, place % 2 == 0);
    }
    (present.len() == rows).then_some(present)
}

fn put_column(bytes: &mut Vec<u8>, column: &Cells<'_>, before: &[Cells<'_>], rules: &[Rule]) {
    let stored = column.values();
    let mut best: Option<Vec<u8>> = None;
    for rule in rules {
        // More are as many bytes as the values themselves.
        let Some(exceptions) = exceptions(*rule, column, before, stored.len() / 2) else { continue };
        let mut tried = Vec::new();
        rule.put(&mut tried);
        put_exceptions(&mut tried, &exceptions);
        if exceptions.is_empty() {
            bytes.extend_from_slice(&tried);
            return;
        }
        if best.as_ref().is_none_or(|best| tried.len() < best.len()) {
            best = Some(tried);
        }
    }
    let mut plain = vec![STORED];
    codec::encode(&stored, &mut plain);
    bytes.extend_from_slice(&best.filter(|best| best.len() < plain.len()).unwrap_or(plain));
}

/// The rows of which a rule does not give the value, with their values; `None` if there are more than `most`.
fn exceptions(
    rule: Rule,
    column: &Cells<'_>,
    before: &[Cells<'_>],
    most: usize,
) -> Option<Vec<(usize, f64)>> {
    let all = |place: usize| before.get(place).and_then(Cells::all);
    // Nearly all columns are without a gap: side by side, they need no look at each cell.
    if let Some(own) = column.all() {
        let own = own.iter().copied().enumerate();
        match rule {
            Rule::Equal(place) => {
                if let Some(other) = all(place) {
                    return differing(own.zip(other.iter().copied().map(Some)), most);
                }
            }
            Rule::Quotient(dividend, divisor) => {
                if let Some((dividend, divisor)) = all(dividend).zip(all(divisor)) {
                    let quotients =
                        dividend.iter().zip(divisor).map(|(dividend, divisor)| dividend / divisor);
                    return differing(own.zip(quotients.map(Some)), most);
                }
            }
            Rule::Difference(place) => {
                if let Some(other) = all(place) {
                    let differences = other.iter().zip(other.iter().skip(1));
                    let differences = differences.map(|(before, value)| Some(value - before));
                    return differing(own.zip(iter::once(None).chain(differences)), most);
                }
            }
        }
    }
    let cell = |place: usize, row: usize| before.get(place)?.get(row);
    let cells = (0..column.len()).filter_map(|row| Some((row, column.get(row)?)));
    differing(cells.map(|(row, value)| ((row, value), rule.value(row, cell))), most)
}

/// The rows, with their values, for which something else was found; `None` if there are more than `most`.
fn differing(
    cells: impl Iterator<Item = ((usize, f64), Option<f64>)>,
    most: usize,
) -> Option<Vec<(usize, f64)>> {
    let mut differing = Vec::new();
    for (cell, found) in cells {
        if found.map(f64::to_bits) != Some(cell.1.to_bits()) {
            if differing.len() == most {
                return None;
            }
            differing.push(cell);
        }
    }
    Some(differing)
}

fn put_exceptions(bytes: &mut Vec<u8>, exceptions: &[(usize, f64)]) {
    put_count(bytes, exceptions.len());
    let mut next = 0;
    for (row, _) in exceptions {
        put_count(bytes, row - next);
        next = row + 1;
    }
    let values: Vec<f64> = exceptions.iter().map(|(_, value)| *value).collect();
    codec::encode(&values, bytes);
}

fn read_column(reader: &mut Reader<'_>, present: &[bool], before: &[Column]) -> Option<Column> {
    let kind = reader.byte()?;
    if kind == STORED {
        let count = present.iter().filter(|present| **present).count();
        let mut values = codec::read(reader, count)?.into_iter();
        return Some(present.iter().map(|present| if *present { values.next() } else { None }).collect());
    }
    let mut place = || reader.number().and_then(|place| usize::try_from(place).ok());
    let rule = match kind {
        EQUAL => Rule::Equal(place()?),
        QUOTIENT => Rule::Quotient(place()?, place()?),
        DIFFERENCE => Rule::Difference(place()?),
        _ => return None,
    };
    let count = reader.count().filter(|count| *count <= present.len())?;
    let mut rows = Vec::with_capacity(count);
    let mut next = 0_usize;
    for _ in 0..count {
        let row = next.checked_add(usize::try_from(reader.number()?).ok()?)?;
        rows.push(row);
        next = row.checked_add(1)?;
    }
    let values = codec::read(reader, count)?;
    let mut exceptions = rows.into_iter().zip(values).peekable();
    let cell = |place: usize, row: usize| *before.get(place)?.get(row)?;
    let cells = present.iter().enumerate().map(|(row, present)| {
        let exception = exceptions.next_if(|(at, _)| *at == row).map(|(_, value)| value);
        match (present, exception) {
            (false, None) => Some(None),
            (false, Some(_)) => None,
            (true, Some(value)) => Some(Some(value)),
            (true, None) => rule.value(row, cell).map(Some),
        }
    });
    let column = cells.collect::<Option<Column>>()?;
    exceptions.peek().is_none().then_some(column)
}

#[cfg(test)]
mod tests;
