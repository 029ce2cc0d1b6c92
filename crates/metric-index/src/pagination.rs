//! Order of listings, and the part that comes after an item.

use sql::{Row, Statement};

use crate::columns::{Column, Columns};
use crate::{Error, Page};

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    column: Column,
    is_descending: bool,
    /// Where rows without a value stand.
    nulls_first: bool,
}

/// A complete order: no two rows are equal in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    keys: Vec<Key>,
}

const DIRECTIONS: &str = "Unknown sort direction, must be one of: asc-nullsfirst, asc-nullslast, desc-nullsfirst, \
                          desc-nullslast";

impl Order {
    /// The order that a page asks for, made complete with `unique` keys. Rows without a value come last when ascending and
    /// first when descending, as in PostgreSQL, unless said otherwise.
    pub(crate) fn new(page: &Page, unique: &[&str], columns: &Columns) -> Result<Self, Error> {
        let asked = page.sorts.iter().map(|sort| sort.split_once(':').unwrap_or((sort, ""))).map(
            |(key, direction)| {
                let direction = if direction.is_empty() { "asc" } else { direction };
                (key.trim(), direction)
            },
        );
        let mut sorts: Vec<(&str, &str)> = asked.collect();
        for key in unique {
            if !sorts.iter().any(|(known, _)| known == key) {
                sorts.push((key, "asc"));
            }
        }
        let mut keys = Vec::with_capacity(sorts.len());
        for (key, direction) in sorts {
            let column = columns.find(key).cloned();
            let column = column
                .ok_or_else(|| Error::InvalidPagination(format!("Sort key supplied is invalid: {key}")))?;
            let unknown = || Error::InvalidPagination(DIRECTIONS.to_owned());
            let (main, nulls) = direction.split_once('-').unwrap_or((direction, ""));
            let is_descending = match main {
                "asc" => false,
                "desc" => true,
                _ => return Err(unknown()),
            };
            let nulls_first = match nulls {
                "" => is_descending,
                "nullsfirst" => true,
                "nullslast" => false,
                _ => return Err(unknown()),
            };
            keys.push(Key { column, is_descending, nulls_first });
        }
        Ok(Self { keys })
    }

    fn order_by(&self, name: impl Fn(&Column) -> &str) -> String {
        let terms = self.keys.iter().map(|key| {
            let direction = if key.is_descending { " DESC" } else { "" };
            // Said only where it matters: it could keep an index from being used.
            let nulls = match (key.column.is_nullable, key.nulls_first) {
                (false, _) => "",
                (true, true) => " NULLS FIRST",
                (true, false) => " NULLS LAST",
            };
            format!("{}{direction}{nulls}", name(&key.column))
        });
        terms.collect::<Vec<_>>().join(", ")
    }

    /// The terms of ORDER BY inside of the query.
    pub(crate) fn terms(&self) -> String {
        self.order_by(|column| &column.place)
    }

    /// The same where only the names of the result can be used.
    pub(crate) fn output_terms(&self) -> String {
        self.order_by(|column| &column.output)
    }

    /// What to select, in this view, of the item after which a page begins.
    pub(crate) fn selection_in(&self, columns: &Columns) -> String {
        let places =
            self.keys.iter().map(|key| columns.find(&key.column.name).unwrap_or(&key.column).place.as_str());
        places.collect::<Vec<_>>().join(", ")
    }

    /// Appends the condition of everything that comes after the item, in the columns of one view (which has the same
    /// columns, maybe in other places).
    pub(crate) fn after(&self, marker: &Row, columns: &Columns, out: &mut Statement) -> Result<(), Error> {
        let mut keys = Vec::with_capacity(self.keys.len());
        for (key, value) in self.keys.iter().zip(marker.values()) {
            let place = columns.find(&key.column.name).map(|column| column.place.clone());
            let place = place.ok_or_else(|| Error::InvalidPagination(key.column.name.clone()))?;
            keys.push((key, place, value));
        }
        let is_uniform = keys.iter().all(|(key, ..)| !key.column.is_nullable)
            && keys.windows(2).all(|pair| matches!(pair, [a, b] if a.0.is_descending == b.0.is_descending));
        if is_uniform {
            // One comparison of rows, which an index of them answers.
            let places: Vec<&str> = keys.iter().map(|(_, place, _)| place.as_str()).collect();
            let operator = if keys.first().is_some_and(|(key, ..)| key.is_descending) { "<" } else { ">" };
            out.push(&format!("(({}) {operator} (", places.join(", ")));
            out.push_list(keys.iter().map(|(_, _, value)| (*value).clone())).push("))");
            return Ok(());
        }
        // Later in the first key, or equal in it and later in the second, or …
        out.push("(");
        let mut is_first = true;
        for (position, (key, place, value)) in keys.iter().enumerate() {
            let is_null = **value == sql::Value::Null;
            if is_null && !key.nulls_first {
                // Nothing comes after rows without a value but others of them.
                continue;
            }
            if !is_first {
                out.push(" OR ");
            }
            is_first = false;
            out.push("(");
            for (_, place, value) in keys.iter().take(position) {
                if **value == sql::Value::Null {
                    out.push(place).push(" IS NULL AND ");
                } else {
                    out.push(place).push(" = ").push_bind((*value).clone()).push(" AND ");
                }
            }
            if is_null {
                out.push(place).push(" IS NOT NULL");
            } else {
                let operator = if key.is_descending { " < " } else { " > " };
                out.push("(").push(place).push(operator).push_bind((*value).clone());
                if key.column.is_nullable && !key.nulls_first {
                    out.push(" OR ").push(place).push(" IS NULL");
                }
                out.push(")");
            }
            out.push(")");
        }
        if is_first {
            out.push("1 = 0");
        }
        out.push(")");
        Ok(())
    }
}

/// The refusal of a marker that names nothing.
pub(crate) fn unknown_marker(marker: &str) -> Error {
    Error::InvalidPagination(format!("Invalid marker: `{marker}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(sorts: &[&str]) -> Result<Order, Error> {
        let page = Page { sorts: sorts.iter().map(|sort| (*sort).to_owned()).collect(), ..Page::default() };
        Order::new(&page, &["id"], &Columns::metrics())
    }

    #[test]
    fn terms() {
        for (sorts, expected) in [
            (&[][..], "m.id"),
            (&["id:desc"], "m.id DESC"),
            (&["name"], "m.name NULLS LAST, m.id"),
            (&["name:desc", "unit:asc-nullsfirst"], "m.name DESC NULLS FIRST, m.unit NULLS FIRST, m.id"),
            (&[" status :desc-nullslast"], "m.status DESC, m.id"),
        ] {
            assert_eq!(order(sorts).unwrap().terms(), expected, "{sorts:?}");
        }
    }

    #[test]
    fn refusals() {
        let said = |sorts: &[&str]| order(sorts).unwrap_err().to_string();
        assert_eq!(said(&["foo"]), "Invalid pagination: `Sort key supplied is invalid: foo'");
        for direction in ["up", "asc-nulls", "ASC", "asc-nullsfirst-x"] {
            assert!(said(&[&format!("name:{direction}")]).contains("Unknown sort direction"), "{direction}");
        }
    }
}
