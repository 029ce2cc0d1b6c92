//! The columns of listings: what can be searched, sorted and shown.

use crate::attribute::Kind;
use crate::records::GENERIC;
use crate::type_row::TypeRow;

/// What a column holds, and with it how a search's value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    Uuid,
    Number,
    Bool,
    /// Microseconds since 1970.
    Time,
    Integer,
}

impl From<&Kind> for ColumnKind {
    fn from(kind: &Kind) -> Self {
        match kind {
            Kind::String { .. } => Self::Text,
            Kind::Uuid => Self::Uuid,
            Kind::Number { .. } => Self::Number,
            Kind::Bool => Self::Bool,
            Kind::Datetime => Self::Time,
        }
    }
}

/// A column of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// The name by which users know it.
    pub(crate) name: String,
    /// Where it stands in a query.
    pub(crate) place: String,
    /// What it is called in the query's result.
    pub(crate) output: String,
    pub(crate) kind: ColumnKind,
    pub(crate) is_nullable: bool,
}

/// All columns of a listing.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub(crate) all: Vec<Column>,
    /// The table that has `creator` and `creator_project`.
    pub(crate) owner: &'static str,
}

/// Which rows of resources are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Resources as they are.
    Current,
    /// The same, among their revisions.
    CurrentRevision,
    /// Resources as they were.
    Past,
}

/// Columns that every resource has, in the order in which they are shown.
const RESOURCE: [(&str, ColumnKind, bool); 9] = [
    ("id", ColumnKind::Uuid, false),
    ("type", ColumnKind::Text, false),
    ("creator", ColumnKind::Text, true),
    ("started_at", ColumnKind::Time, false),
    ("revision_start", ColumnKind::Time, false),
    ("ended_at", ColumnKind::Time, true),
    ("user_id", ColumnKind::Text, true),
    ("project_id", ColumnKind::Text, true),
    ("original_resource_id", ColumnKind::Text, false),
];

const METRIC: [(&str, &str, ColumnKind, bool); 9] = [
    ("id", "id", ColumnKind::Uuid, false),
    ("archive_policy_name", "archive_policy_name", ColumnKind::Text, false),
    ("creator", "creator", ColumnKind::Text, true),
    ("resource_id", "resource_id", ColumnKind::Uuid, true),
    ("name", "name", ColumnKind::Text, true),
    ("unit", "unit", ColumnKind::Text, true),
    ("status", "status", ColumnKind::Text, false),
    ("needs_raw_data_truncation", "needs_raw_data_truncation", ColumnKind::Bool, false),
    ("last_measure_timestamp", "last_measure", ColumnKind::Time, false),
];

impl Columns {
    /// Of resources seen as a type.
    pub(crate) fn resources(kind: &TypeRow, view: View) -> Self {
        let mut all: Vec<Column> = RESOURCE
            .into_iter()
            .map(|(name, kind, is_nullable)| column(name, "r", name, kind, is_nullable))
            .collect();
        let (revision, revision_end) = match view {
            View::Past => ("r.revision", "r.revision_end"),
            View::Current | View::CurrentRevision => ("CAST(-1 AS BIGINT)", "CAST(NULL AS BIGINT)"),
        };
        if view != View::Current {
            all.push(Column {
                place: revision.to_owned(),
                ..column("revision", "", "revision", ColumnKind::Integer, false)
            });
            all.push(Column {
                place: revision_end.to_owned(),
                ..column("revision_end", "", "revision_end", ColumnKind::Time, true)
            });
        }
        for stored in &kind.attributes {
            let output = stored.column_name();
            let attribute = &stored.attribute;
            // A required attribute may be missing where it was made required without a value to fill in.
            all.push(column(&attribute.name, "t", &output, ColumnKind::from(&attribute.kind), true));
        }
        Self { all, owner: "r" }
    }

    /// Of metrics.
    pub(crate) fn metrics() -> Self {
        let all = METRIC
            .into_iter()
            .map(|(name, output, kind, is_nullable)| column(name, "m", output, kind, is_nullable))
            .collect();
        Self { all, owner: "m" }
    }

    /// The column that users know by this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Column> {
        self.all.iter().find(|column| column.name == name)
    }

    /// What to select, with the names of the result.
    pub(crate) fn selection(&self) -> String {
        let columns = self.all.iter().map(|column| format!("{} AS {}", column.place, column.output));
        columns.collect::<Vec<_>>().join(", ")
    }
}

fn column(name: &str, table: &str, output: &str, kind: ColumnKind, is_nullable: bool) -> Column {
    Column {
        name: name.to_owned(),
        place: format!("{table}.{output}"),
        output: output.to_owned(),
        kind,
        is_nullable,
    }
}

/// The tables of a view of resources.
pub(crate) fn tables(kind: &TypeRow, view: View) -> String {
    let number = kind.number;
    match (kind.name == GENERIC, view == View::Past) {
        (true, false) => "resource AS r".to_owned(),
        (true, true) => "resource_history AS r".to_owned(),
        (false, false) => format!("resource AS r JOIN rt_{number} AS t ON t.id = r.id"),
        (false, true) => {
            format!("resource_history AS r JOIN rt_{number}_history AS t ON t.revision = r.revision")
        }
    }
}
