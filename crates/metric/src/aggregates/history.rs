//! Groups by what resources were at the time (`use_history`): each revision counts for its own group, with the share of
//! each measure's time in which it was in force.

use archive::operations::{Share, sum_repeated};
use metric_index::{Comparison, Filter, Page, Resource, ResourceQuery};
use model::{Timestamp, Value};

use super::by_search::{group_values, none_found};
use super::{AggregatesQuery, Group, ResourceSearch, Result};
use crate::access::both;
use crate::{Caller, Granularity, Measure, Metrics, Refusal, Rule, view};

/// A revision, or several of one begin, in its time.
struct Row {
    resource: Resource,
    share: Share,
    values: Vec<Value>,
}

impl Metrics {
    pub(super) async fn aggregates_of_revisions(
        &self,
        caller: &Caller,
        query: &AggregatesQuery,
        search: &ResourceSearch,
    ) -> std::result::Result<Vec<Group>, Refusal> {
        let sorts = vec!["revision_start:asc".to_owned(), "started_at:asc".to_owned()];
        let revisions = ResourceQuery {
            filter: both(search.filter.clone(), within(query)),
            history: true,
            page: Page { sorts, ..Page::default() },
            ..ResourceQuery::of(&search.resource_type)
        };
        let revisions = self.list_resources(caller, Rule::SearchResource, revisions).await?;
        let mut groups: Vec<Group> = Vec::new();
        for rows in grouped(revisions, query, &search.group_by) {
            let mut measures: Vec<(i64, i64, f64)> = Vec::new();
            let mut references = query.details.then(Vec::new);
            let mut values = Vec::new();
            for row in rows {
                values.clone_from(&row.values);
                let window =
                    AggregatesQuery { start: row.share.start, stop: row.share.stop, ..query.clone() };
                let Some(result) = self.of_resources(&window, vec![row.resource]).await? else { continue };
                for measure in aggregated(&result)? {
                    let Granularity::Fixed(granularity) = measure.granularity else { continue };
                    let share = row.share.of(measure.timestamp, granularity);
                    measures.push((measure.timestamp, granularity, measure.value * share));
                }
                if let Some(new) = result.references {
                    references = Some(new);
                }
            }
            if measures.is_empty() {
                continue;
            }
            let summed = sum_repeated(measures).into_iter().map(|(timestamp, granularity, value)| Measure {
                timestamp,
                granularity: Granularity::Fixed(granularity),
                value,
            });
            let series = vec![(vec!["aggregated".to_owned()], summed.collect())];
            let attributes = search.group_by.iter().cloned().zip(values).collect();
            groups.push(Group { attributes, result: Result { series, references } });
        }
        if groups.is_empty() { Err(none_found(query)) } else { Ok(groups) }
    }
}

/// Revisions that were in force within the time that is asked for.
fn within(query: &AggregatesQuery) -> Option<Filter> {
    let (start, stop) = (moment(query.start?), moment(query.stop?));
    let compare = |attribute: &str, comparison, value: Value| Filter::Compare {
        attribute: attribute.to_owned(),
        comparison,
        value,
    };
    let ends = Filter::Or(vec![
        compare("revision_end", Comparison::GreaterOrEqual, start),
        compare("revision_end", Comparison::Equal, Value::Null),
    ]);
    Some(Filter::And(vec![compare("revision_start", Comparison::Less, stop), ends]))
}

fn moment(nanoseconds: i64) -> Value {
    view::time(Timestamp::from_microseconds(nanoseconds.div_euclid(1_000)).unwrap_or(Timestamp::EPOCH))
}

fn nanoseconds(time: Timestamp) -> i64 {
    time.microseconds().saturating_mul(1_000)
}

/// The revisions of each group in the order of their begin; those that begin together count once, until the last of
/// them ends.
fn grouped(revisions: Vec<Resource>, query: &AggregatesQuery, attributes: &[String]) -> Vec<Vec<Row>> {
    let mut seen = std::collections::HashSet::new();
    let mut rows: Vec<Row> = revisions
        .into_iter()
        .map(|resource| {
            let is_first = seen.insert(resource.id);
            let begin = nanoseconds(resource.revision_start);
            let start = if is_first {
                query.start
            } else {
                Some(query.start.map_or(begin, |start| start.max(begin)))
            };
            let end = resource.revision_end.map(nanoseconds);
            let stop = match (end, query.stop) {
                (Some(end), Some(stop)) => Some(end.min(stop)),
                (end, stop) => end.or(stop),
            };
            let values = group_values(&resource, attributes);
            Row { resource, share: Share { start, stop }, values }
        })
        .collect();
    let texts = |row: &Row| -> Vec<String> {
        let text =
            |value: &Value| if value.is_truthy() { model::pytext::to_str(value) } else { String::new() };
        row.values.iter().map(text).collect()
    };
    rows.sort_by_cached_key(texts);
    let mut groups: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        match groups.last_mut() {
            Some(members) if members.last().is_some_and(|last| texts(last) == texts(&row)) => {
                members.push(row);
            }
            _ => groups.push(vec![row]),
        }
    }
    for members in &mut groups {
        members.sort_by_key(|row| row.share.start);
        let all = std::mem::take(members);
        for row in all {
            match members.last_mut() {
                Some(last) if last.share.start == row.share.start => last.share.stop = row.share.stop,
                _ => members.push(row),
            }
        }
    }
    groups
}

fn aggregated(result: &Result) -> std::result::Result<&[Measure], Refusal> {
    let found = result.series.iter().find(|(path, _)| path.len() == 1);
    found
        .map(|(_, measures)| measures.as_slice())
        .ok_or_else(|| Refusal::invalid("use_history needs an operation that aggregates"))
}
