//! From searches to SQL. Values are bound, never written; names are looked up, never taken over.

use model::pytext::{float_of, integer_of, to_str};
use model::{Timestamp, Value};
use sql::Statement;

use super::{Comparison, Filter};
use crate::columns::{Column, ColumnKind, Columns};
use crate::{Error, ids, time};

/// How many comparisons and values a search may have; databases bind a few ten thousand.
pub(crate) const MAX_PARTS: usize = 10_000;
/// How deeply a search may be nested.
pub(crate) const MAX_DEPTH: usize = 100;
/// From so many comparisons on a search is one condition to the engine's planner. SQLite's looks for an index for each that
/// stands by itself, in a time that grows with the square of their number, and cannot be interrupted meanwhile.
const MAX_PLANNED: usize = 100;
/// SQLite's own bound for patterns is 50 000 bytes.
const MAX_PATTERN_BYTES: usize = 10_000;

/// Attributes that are no columns.
const COMPUTED: [&str; 3] = ["lifespan", "created_by_user_id", "created_by_project_id"];

const TRUE: &str = "(1 = 1)";
const FALSE: &str = "(1 = 0)";
/// Neither true nor false.
const UNKNOWN: &str = "(1 = NULL)";

/// What a search is compiled for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compiler<'a> {
    pub(crate) columns: &'a Columns,
    /// The resource type, for errors.
    pub(crate) subject: &'a str,
    /// What times such as `-1 day` count from.
    pub(crate) now: Timestamp,
}

/// Refuses searches of a size that no database takes.
pub(crate) fn check_size(filter: &Filter) -> Result<(), Error> {
    let mut parts = 0;
    let mut level = vec![filter];
    for _ in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for filter in level {
            parts += 1;
            match filter {
                Filter::And(nodes) | Filter::Or(nodes) => next.extend(nodes),
                Filter::Not(node) => next.push(node),
                Filter::In { values, .. } => parts += values.len(),
                Filter::Compare { .. } => {}
            }
        }
        if parts > MAX_PARTS {
            return Err(Error::FilterTooLarge { what: "values and comparisons", limit: MAX_PARTS });
        }
        if next.is_empty() {
            return Ok(());
        }
        level = next;
    }
    Err(Error::FilterTooLarge { what: "levels", limit: MAX_DEPTH })
}

/// The comparisons of a search whose nesting is bounded; those of a list of values are one.
fn comparisons(filter: &Filter) -> usize {
    match filter {
        Filter::Or(nodes) if equalities(nodes).is_some() => 1,
        Filter::And(nodes) | Filter::Or(nodes) => nodes.iter().map(comparisons).sum(),
        Filter::Not(node) => comparisons(node),
        Filter::Compare { .. } | Filter::In { .. } => 1,
    }
}

/// The attribute and the values when an "or" asks whether one attribute has one of several values: all engines look these up.
fn equalities(nodes: &[Filter]) -> Option<(&str, Vec<&Value>)> {
    let (first, _) = equality(nodes.first()?)?;
    let values = nodes.iter().map(|node| equality(node).filter(|(attribute, _)| *attribute == first));
    let values: Option<Vec<&Value>> = values.map(|found| found.map(|(_, value)| value)).collect();
    values.filter(|values| values.len() > 1).map(|values| (first, values))
}

fn equality(node: &Filter) -> Option<(&str, &Value)> {
    match node {
        Filter::Compare { attribute, comparison: Comparison::Equal, value }
            if *value != Value::Null && !COMPUTED.contains(&attribute.as_str()) =>
        {
            Some((attribute, value))
        }
        _ => None,
    }
}

impl Compiler<'_> {
    /// Appends the condition of a search that [`check_size`] lets pass.
    pub(crate) fn compile(&self, filter: &Filter, out: &mut Statement) -> Result<(), Error> {
        if comparisons(filter) <= MAX_PLANNED {
            return self.condition(filter, out);
        }
        // PostgreSQL takes it for what is inside.
        out.push("(CASE WHEN 1 = 1 THEN ");
        self.condition(filter, out)?;
        out.push(" END)");
        Ok(())
    }

    fn condition(&self, filter: &Filter, out: &mut Statement) -> Result<(), Error> {
        match filter {
            Filter::And(nodes) => self.group(nodes, " AND ", out),
            Filter::Or(nodes) => match equalities(nodes) {
                Some((attribute, values)) => self.one_of(attribute, values.into_iter(), out),
                None => self.group(nodes, " OR ", out),
            },
            Filter::Not(node) => {
                out.push("(NOT ");
                self.condition(node, out)?;
                out.push(")");
                Ok(())
            }
            Filter::Compare { attribute, comparison, value } => match attribute.as_str() {
                "lifespan" => self.lifespan(*comparison, value, out),
                "created_by_user_id" | "created_by_project_id" => {
                    self.created_by(attribute, *comparison, value, out)
                }
                _ => compare(self.column(attribute)?, *comparison, value, self.now, out),
            },
            Filter::In { attribute, values } => self.one_of(attribute, values.iter(), out),
        }
    }

    /// A balanced tree: engines limit how deep one may be, and a chain of a thousand ORs is a thousand deep.
    fn group(&self, nodes: &[Filter], operator: &str, out: &mut Statement) -> Result<(), Error> {
        match nodes {
            [] => {
                out.push(TRUE);
                Ok(())
            }
            [node] => self.condition(node, out),
            _ => {
                let (left, right) = nodes.split_at(nodes.len() / 2);
                out.push("(");
                self.group(left, operator, out)?;
                out.push(operator);
                self.group(right, operator, out)?;
                out.push(")");
                Ok(())
            }
        }
    }

    fn column(&self, attribute: &str) -> Result<&Column, Error> {
        self.columns.find(attribute).ok_or_else(|| Error::NoSuchAttribute {
            resource_type: self.subject.to_owned(),
            attribute: attribute.to_owned(),
        })
    }

    fn one_of<'v>(
        &self,
        attribute: &str,
        mut values: impl ExactSizeIterator<Item = &'v Value>,
        out: &mut Statement,
    ) -> Result<(), Error> {
        let is_empty = values.len() == 0;
        if COMPUTED.contains(&attribute) {
            let value = values.next().map(to_str).unwrap_or_default();
            return Err(Error::InvalidFilterValue { value, field: attribute.to_owned() });
        }
        let column = self.column(attribute)?;
        let mut bound = Vec::with_capacity(values.len());
        for value in values {
            match (column.kind, value) {
                (ColumnKind::Uuid | ColumnKind::Bool, Value::Null) => bound.push(sql::Value::Null),
                _ => match convert(column, value, self.now)? {
                    // Nothing stored is NaN.
                    sql::Value::Real(number) if number.is_nan() => {}
                    value => bound.push(value),
                },
            }
        }
        if bound.is_empty() {
            // As any comparison, neither true nor false where there is no value.
            let condition = if is_empty { FALSE.to_owned() } else { format!("({0} <> {0})", column.place) };
            out.push(&condition);
            return Ok(());
        }
        out.push("(").push(&column.place).push(" IN (").push_list(bound).push("))");
        Ok(())
    }

    fn lifespan(&self, comparison: Comparison, value: &Value, out: &mut Statement) -> Result<(), Error> {
        let refused = || Error::InvalidFilterValue { value: to_str(value), field: "lifespan".to_owned() };
        let operator = operator(comparison).ok_or_else(refused)?;
        let (started, ended) = (&self.column("started_at")?.place, &self.column("ended_at")?.place);
        let nanoseconds = time::timespan(value).map_err(|_| refused())?;
        // Python's `timedelta` rounds half to even.
        let (whole, rest) = (nanoseconds / 1_000, nanoseconds % 1_000);
        let microseconds = whole + i64::from(rest > 500 || (rest == 500 && whole % 2 == 1));
        out.push("(");
        if comparison == Comparison::NotEqual {
            out.push(ended).push(" IS NULL OR ");
        }
        out.push(&format!("{ended} - {started} {operator} ")).push_bind(microseconds).push(")");
        Ok(())
    }

    /// The parts of `creator`. Unlike Gnocchi, equality takes `%` and `_` for themselves: they could show one project
    /// what another has.
    fn created_by(
        &self,
        attribute: &str,
        comparison: Comparison,
        value: &Value,
        out: &mut Statement,
    ) -> Result<(), Error> {
        let text = to_str(value);
        let refused = || Error::InvalidFilterValue { value: text.clone(), field: attribute.to_owned() };
        if text.contains('\0') {
            return Err(refused());
        }
        let owner = self.columns.owner;
        let is_user = attribute == "created_by_user_id";
        match comparison {
            Comparison::Equal | Comparison::NotEqual => {
                out.push(if comparison == Comparison::NotEqual { "(NOT (" } else { "((" });
                if is_user {
                    // What begins with `USER:`; the semicolon is the next character.
                    out.push(owner).push(".creator >= ").push_bind(format!("{text}:"));
                    out.push(&format!(" AND {owner}.creator < ")).push_bind(format!("{text};"));
                } else if text.contains(':') {
                    let pattern =
                        format!("%:{}", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
                    out.push(owner).push(".creator LIKE ").push_bind(pattern).push(" ESCAPE '\\'");
                } else {
                    out.push(owner).push(".creator_project = ").push_bind(text);
                }
                out.push("))");
                Ok(())
            }
            Comparison::Like => {
                let pattern = if is_user { format!("{text}:%") } else { format!("%:{text}") };
                like(&format!("{owner}.creator"), pattern, out).ok_or_else(refused)
            }
            _ => Err(refused()),
        }
    }
}

const fn operator(comparison: Comparison) -> Option<&'static str> {
    Some(match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::Greater => ">",
        Comparison::LessOrEqual => "<=",
        Comparison::GreaterOrEqual => ">=",
        Comparison::Like => return None,
    })
}

fn compare(
    column: &Column,
    comparison: Comparison,
    value: &Value,
    now: Timestamp,
    out: &mut Statement,
) -> Result<(), Error> {
    let refused = || Error::InvalidFilterValue { value: to_str(value), field: column.name.clone() };
    let place = &column.place;
    if *value == Value::Null {
        let condition = match comparison {
            Comparison::Equal => format!("({place} IS NULL)"),
            Comparison::NotEqual => format!("({place} IS NOT NULL)"),
            _ => UNKNOWN.to_owned(),
        };
        out.push(&condition);
        return Ok(());
    }
    let Some(operator) = operator(comparison) else {
        if column.kind != ColumnKind::Text {
            return Err(refused());
        }
        return like(place, to_str(value), out).ok_or_else(refused);
    };
    let bound = convert(column, value, now)?;
    if let sql::Value::Real(number) = bound
        && number.is_nan()
    {
        out.push(&beside_nan(place, comparison));
        return Ok(());
    }
    out.push("(");
    if comparison == Comparison::NotEqual && column.is_nullable {
        out.push(place).push(" IS NULL OR ");
    }
    out.push(place).push(&format!(" {operator} ")).push_bind(bound).push(")");
    Ok(())
}

/// NaN is above every number, as in PostgreSQL. SQLite cannot bind it.
fn beside_nan(place: &str, comparison: Comparison) -> String {
    match comparison {
        Comparison::NotEqual => format!("({place} IS NULL OR {place} = {place})"),
        Comparison::Less | Comparison::LessOrEqual => format!("({place} = {place})"),
        _ => format!("({place} <> {place})"),
    }
}

/// `None` for a pattern that PostgreSQL would refuse.
fn like(place: &str, pattern: String, out: &mut Statement) -> Option<()> {
    let escapes = pattern.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if pattern.contains('\0') || escapes % 2 == 1 || pattern.len() > MAX_PATTERN_BYTES {
        return None;
    }
    out.push("(").push(place).push(" LIKE ").push_bind(pattern).push(" ESCAPE '\\')");
    Some(())
}

/// A search's value as one of the column's kind.
#[expect(clippy::float_cmp, reason = "what Python calls equal to True")]
fn convert(column: &Column, value: &Value, now: Timestamp) -> Result<sql::Value, Error> {
    let refused = || Error::InvalidFilterValue { value: to_str(value), field: column.name.clone() };
    Ok(match column.kind {
        ColumnKind::Text => {
            let text = to_str(value);
            if text.contains('\0') {
                return Err(refused());
            }
            text.into()
        }
        ColumnKind::Uuid => match value {
            Value::Str(text) => ids::parse_uuid(text).ok_or_else(refused)?.into(),
            _ => return Err(refused()),
        },
        ColumnKind::Number => float_of(value).map_err(|_| refused())?.into(),
        ColumnKind::Bool => match value {
            Value::Bool(value) => (*value).into(),
            Value::Int(number @ (0 | 1)) => (*number == 1).into(),
            Value::Float(number) if *number == 0.0 || *number == 1.0 => (*number == 1.0).into(),
            _ => return Err(refused()),
        },
        ColumnKind::Time => time::timestamp(value, now).map_err(|_| refused())?.microseconds().into(),
        ColumnKind::Integer => match integer_of(value) {
            Ok(Value::Int(number)) => number.into(),
            _ => return Err(refused()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(text: &str) -> Result<Statement, Error> {
        let columns = Columns::metrics();
        let now = Timestamp::from_microseconds(0).unwrap();
        let filter = Filter::from_json(&model::json::parse(text).unwrap())?;
        check_size(&filter)?;
        let mut out = Statement::default();
        Compiler { columns: &columns, subject: "metric", now }.compile(&filter, &mut out)?;
        Ok(out)
    }

    proptest::proptest! {
        /// Neither a name nor a value of a search is in the SQL, whatever it looks like.
        #[test]
        fn no_text_of_a_search_is_part_of_the_sql(
            attribute in proptest::prop_oneof!["Qz(?s).{0,12}", "name|unit|creator|id|status|resource_id|created_by_user_id"],
            value in "Qz(?s).{0,20}",
            operator in proptest::sample::select(vec!["=", "<", ">", "!=", "like", "in", "Qz"]),
        ) {
            let value = if operator == "in" { Value::List(vec![value.as_str().into()]) } else { value.as_str().into() };
            let leaf: model::Map = [(attribute, value)].into_iter().collect();
            let tree: model::Map = [(operator.to_owned(), Value::from(leaf))].into_iter().collect();
            let Ok(filter) = Filter::from_json(&tree.into()) else { return Ok(()) };
            let mut out = Statement::default();
            let columns = Columns::metrics();
            let now = Timestamp::EPOCH;
            if (Compiler { columns: &columns, subject: "metric", now }).compile(&filter, &mut out).is_ok() {
                proptest::prop_assert!(!out.text().contains("Qz"), "{}", out.text());
            }
        }
    }

    #[test]
    fn conditions() {
        for (text, expected, values) in [
            (r#"{"=": {"name": "x' OR 1=1"}}"#, "(m.name = $1)", vec!["x' OR 1=1".into()]),
            (r#"{"=": {"name": 1.0}}"#, "(m.name = $1)", vec!["1.0".into()]),
            (r#"{"=": {"name": true}}"#, "(m.name = $1)", vec!["True".into()]),
            (r#"{"!=": {"name": "a"}}"#, "(m.name IS NULL OR m.name <> $1)", vec!["a".into()]),
            (r#"{"=": {"name": null}}"#, "(m.name IS NULL)", vec![]),
            (r#"{"<": {"name": null}}"#, "(1 = NULL)", vec![]),
            (r#"{"like": {"name": "a%"}}"#, r"(m.name LIKE $1 ESCAPE '\')", vec!["a%".into()]),
            (r#"{"in": {"name": ["a", null]}}"#, "(m.name IN ($1, $2))", vec!["a".into(), "None".into()]),
            (
                r#"{"or": [{"=": {"unit": "a"}}, {"=": {"unit": "b"}}, {"not": {"=": {"unit": "c"}}}]}"#,
                "((m.unit = $1) OR ((m.unit = $2) OR (NOT (m.unit = $3))))",
                vec!["a".into(), "b".into(), "c".into()],
            ),
            (
                r#"{"or": [{"=": {"unit": "a"}}, {"=": {"unit": "b"}}]}"#,
                "(m.unit IN ($1, $2))",
                vec!["a".into(), "b".into()],
            ),
            (
                r#"{"or": [{"=": {"unit": "a"}}, {"=": {"unit": null}}, {"=": {"name": "a"}}]}"#,
                "((m.unit = $1) OR ((m.unit IS NULL) OR (m.name = $2)))",
                vec!["a".into(), "a".into()],
            ),
            (
                r#"{"=": {"created_by_user_id": "u_1"}}"#,
                "((m.creator >= $1 AND m.creator < $2))",
                vec!["u_1:".into(), "u_1;".into()],
            ),
            (r#"{"!=": {"created_by_project_id": "p"}}"#, "(NOT (m.creator_project = $1))", vec!["p".into()]),
            (
                r#"{"in": {"last_measure_timestamp": [1]}}"#,
                "(m.last_measure IN ($1))",
                vec![1_000_000_i64.into()],
            ),
        ] {
            let statement = compiled(text).unwrap();
            assert_eq!(statement.text(), expected, "{text}");
            assert_eq!(statement.values(), values, "{text}");
        }
    }

    #[test]
    fn many_conditions_are_one_to_the_planner() {
        let many = |operator: &str, count: usize| {
            let nodes: Vec<_> =
                (0..count).map(|n| format!(r#"{{"{operator}": {{"name": "{n}"}}}}"#)).collect();
            compiled(&format!(r#"{{"or": [{}]}}"#, nodes.join(","))).unwrap()
        };
        assert!(many("<", MAX_PLANNED).text().starts_with("(((("));
        let wrapped = many("<", MAX_PLANNED + 1);
        assert!(
            wrapped.text().starts_with("(CASE WHEN 1 = 1 THEN (((") && wrapped.text().ends_with(")) END)")
        );
        assert!(many("=", MAX_PARTS - 1).text().starts_with("(m.name IN ($1, $2"));
    }

    #[test]
    fn refusals() {
        for (text, expected) in [
            (r#"{"=": {"nothing": 1}}"#, "Resource type metric has no nothing attribute"),
            (r#"{"=": {"id": "x"}}"#, "Invalid value: `x' for field `id'"),
            (r#"{"like": {"id": "x"}}"#, "Invalid value: `x' for field `id'"),
            (r#"{"<": {"created_by_user_id": "x"}}"#, "Invalid value: `x' for field `created_by_user_id'"),
            (
                r#"{"=": {"last_measure_timestamp": "soon"}}"#,
                "Invalid value: `soon' for field `last_measure_timestamp'",
            ),
            (r#"{"like": {"name": "a\\"}}"#, "Invalid value: `a\\' for field `name'"),
        ] {
            assert_eq!(compiled(text).unwrap_err().to_string(), expected, "{text}");
        }
        let deep = format!("{}{}{}", r#"{"not":"#.repeat(101), r#"{"=": {"unit": 1}}"#, "}".repeat(101));
        assert!(matches!(compiled(&deep), Err(Error::FilterTooLarge { what: "levels", .. })));
        let wide = format!(r#"{{"in": {{"unit": [{}1]}}}}"#, "1,".repeat(10_000));
        assert!(matches!(compiled(&wide), Err(Error::FilterTooLarge { .. })));
    }
}
