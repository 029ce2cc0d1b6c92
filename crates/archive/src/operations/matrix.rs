//! Cells in rows (timestamps) and columns (series).

/// What kind of numbers the cells are to numpy, on which some operators depend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Results of comparisons: 1 is true, 0 is false. Added, they are "or", multiplied "and".
    Boolean,
    /// Counts, and what is computed of truths and counts alone.
    Integer,
    /// Everything else.
    Float,
}

/// A matrix that lies column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    cells: Vec<f64>,
    kind: Kind,
}

impl Matrix {
    /// Columns of equal length, one after the other.
    pub(super) fn new(rows: usize, columns: usize, cells: Vec<f64>, kind: Kind) -> Self {
        debug_assert_eq!(cells.len(), rows * columns);
        Self { rows, columns, cells, kind }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// What the cells are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// All cells, column by column.
    pub(super) fn cells(&self) -> &[f64] {
        &self.cells
    }

    pub(super) fn into_cells(self) -> Vec<f64> {
        self.cells
    }

    /// One column; nothing if there is no such column.
    pub fn column(&self, index: usize) -> &[f64] {
        let start = index.saturating_mul(self.rows);
        self.cells.get(start..start.saturating_add(self.rows)).unwrap_or_default()
    }

    /// The columns in their order.
    pub(super) fn each_column(&self) -> impl Iterator<Item = &[f64]> {
        (0..self.columns).map(|index| self.column(index))
    }

    /// The columns of some indices.
    pub(super) fn select(&self, indices: &[usize]) -> Self {
        let cells = indices.iter().flat_map(|index| self.column(*index)).copied().collect();
        Self::new(self.rows, indices.len(), cells, self.kind)
    }

    /// The rows from `from` to `until`, which is excluded.
    pub(super) fn between_rows(&self, from: usize, until: usize) -> Self {
        let until = until.min(self.rows);
        let from = from.min(until);
        let cells =
            self.each_column().flat_map(|column| column.get(from..until).unwrap_or_default()).copied();
        Self::new(until - from, self.columns, cells.collect(), self.kind)
    }

    /// Each column made by `make` of the column here; all of them must come out `rows` long.
    pub(super) fn map_columns(
        &self,
        rows: usize,
        kind: Kind,
        mut make: impl FnMut(&[f64], &mut Vec<f64>),
    ) -> Self {
        let mut cells = Vec::with_capacity(rows * self.columns);
        for column in self.each_column() {
            make(column, &mut cells);
        }
        Self::new(rows, self.columns, cells, kind)
    }

    /// The differences of neighbouring rows; of truths, whether they differ.
    pub(super) fn differences(&self) -> Self {
        let boolean = self.kind == Kind::Boolean;
        let rows = self.rows.saturating_sub(1);
        self.map_columns(rows, self.kind, |column, cells| {
            let neighbours = column.iter().zip(column.iter().skip(1));
            cells.extend(neighbours.map(|(earlier, later)| {
                let difference = later - earlier;
                if boolean { difference.abs() } else { difference }
            }));
        })
    }
}
