//! Batches as programs write them, read without building anything. What is written in any other way, or is wrong, is left
//! to the readers that say what is wrong.

use std::collections::BTreeMap;

use archive::Batch;
use metric::{NamedMeasures, ResourceMeasures};
use metric_index::time::{nanoseconds, plain_nanoseconds};
use metric_index::{parse_uuid, resource_id};
use model::json::Cursor;
use model::{Timestamp, Value};
use uuid::Uuid;

use super::resource::Ids;
use super::unit;
use crate::room::Room;

/// Room for measures of a metric, to begin with.
const FEW: usize = 4;

/// What a measure takes until it is in the store, at most: a point here and there, while lists grow, and in a record of the
/// log.
const MEASURE_BYTES: usize = 48;
/// What a list of measures takes beside them, with the id of its metric, at most: here, in what is asked of the index, and in
/// a refusal that names it.
const LIST_BYTES: usize = 512;
/// What a resource takes beside its metrics, at most.
const RESOURCE_BYTES: usize = 512;
/// A name is copied so many times at most.
const NAME_COPIES: usize = 12;

/// Measures by the ids of their metrics; `None` if the long way is to be taken.
pub(crate) fn plain_batch(text: &str, room: &mut Room) -> Option<BTreeMap<Uuid, Batch>> {
    let mut cursor = Cursor::new(text);
    let (mut batches, mut count) = (BTreeMap::new(), 0);
    entries(&mut cursor, |cursor, key| {
        count += 1;
        room.take(LIST_BYTES)?;
        batches.insert(parse_uuid(key)?, measures(cursor, room)?);
        Some(())
    })?;
    // Of those that are repeated, the last one counts, or a refusal names the first.
    (batches.len() == count && cursor.is_at_end()).then_some(batches)
}

/// Measures of one metric; `None` if the long way is to be taken.
pub(crate) fn plain_measures(text: &str, room: &mut Room) -> Option<Batch> {
    let mut cursor = Cursor::new(text);
    let batch = measures(&mut cursor, room)?;
    cursor.is_at_end().then_some(batch)
}

/// Measures by resources and names; `None` if the long way is to be taken.
pub(crate) fn plain_resource_batch(
    text: &str,
    ids: Ids<'_>,
    room: &mut Room,
) -> Option<Vec<ResourceMeasures>> {
    let mut cursor = Cursor::new(text);
    let mut resources = Vec::new();
    entries(&mut cursor, |cursor, key| {
        room.take(RESOURCE_BYTES + key.len() * NAME_COPIES)?;
        let id = resource_id(key, ids.creator).ok()?;
        let mut metrics = Vec::new();
        entries(cursor, |cursor, name| {
            room.take(LIST_BYTES + name.len() * NAME_COPIES)?;
            metrics.push(named(cursor, name, room)?);
            Some(())
        })?;
        is_unique(metrics.iter().map(|metric| metric.name.as_str()))?;
        resources.push(ResourceMeasures { original_id: key.to_owned(), id, metrics });
        Some(())
    })?;
    is_unique(resources.iter().map(|resource| resource.id))?;
    cursor.is_at_end().then_some(resources)
}

/// Reads a map, entry by entry.
fn entries<'t>(
    cursor: &mut Cursor<'t>,
    mut entry: impl FnMut(&mut Cursor<'t>, &str) -> Option<()>,
) -> Option<()> {
    if !cursor.take(b'{') {
        return None;
    }
    if cursor.take(b'}') {
        return Some(());
    }
    loop {
        let key = cursor.key()?;
        entry(cursor, &key)?;
        if cursor.take(b'}') {
            return Some(());
        }
        if !cursor.take(b',') {
            return None;
        }
    }
}

fn is_unique<T: Ord>(all: impl Iterator<Item = T>) -> Option<()> {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    all.is_sorted_by(|one, other| one < other).then_some(())
}

/// Measures, or an object that has them, with what is needed to make the metric.
fn named(cursor: &mut Cursor<'_>, name: &str, room: &mut Room) -> Option<NamedMeasures> {
    let mut read = NamedMeasures {
        name: name.to_owned(),
        batch: Batch::default(),
        archive_policy_name: None,
        unit: None,
    };
    let mut batch = None;
    if cursor.take(b'[') {
        batch = items(cursor, room);
    } else {
        entries(cursor, |cursor, key| {
            match key {
                "measures" if batch.is_none() => batch = Some(measures(cursor, room)?),
                "archive_policy_name" if read.archive_policy_name.is_none() => {
                    let name = cursor.text()?;
                    room.take(name.len() * NAME_COPIES)?;
                    read.archive_policy_name = Some(name.into_owned());
                }
                "unit" if read.unit.is_none() => read.unit = Some(unit(&Value::from(&*cursor.text()?)).ok()?),
                _ => return None,
            }
            Some(())
        })?;
    }
    read.batch = batch?;
    Some(read)
}

fn measures(cursor: &mut Cursor<'_>, room: &mut Room) -> Option<Batch> {
    if cursor.take(b'[') { items(cursor, room) } else { None }
}

/// The rest of a list of measures.
fn items(cursor: &mut Cursor<'_>, room: &mut Room) -> Option<Batch> {
    if cursor.take(b']') {
        return Some(Batch::default());
    }
    let mut points = Vec::with_capacity(FEW);
    // All timestamps must be of the kind of the first one.
    let are_texts = {
        let (timestamp, value, is_text) = measure(cursor)?;
        points.push((timestamp, value));
        is_text
    };
    while cursor.take(b',') {
        if points.len() == points.capacity() {
            // Of the first ones the list itself has room enough.
            room.take(points.len() * MEASURE_BYTES)?;
        }
        let (timestamp, value, is_text) = measure(cursor)?;
        if is_text != are_texts {
            return None;
        }
        points.push((timestamp, value));
    }
    if cursor.take(b']') { Batch::new(points).ok() } else { None }
}

/// A timestamp, a value, and whether the timestamp is a text.
fn measure(cursor: &mut Cursor<'_>) -> Option<(i64, f64, bool)> {
    let (mut timestamp, mut value, mut is_text) = (None, None, false);
    entries(cursor, |cursor, key| {
        match key {
            "timestamp" if timestamp.is_none() => {
                is_text = cursor.is_text();
                timestamp = Some(if is_text {
                    plain_nanoseconds(&cursor.text()?)?
                } else {
                    seconds(cursor.number()?)?
                });
            }
            "value" if value.is_none() => value = Some(cursor.number()?),
            _ => return None,
        }
        Some(())
    })?;
    Some((timestamp?, value?, is_text))
}

/// Nanoseconds of a number of seconds.
fn seconds(number: f64) -> Option<i64> {
    nanoseconds(&Value::Float(number), Timestamp::EPOCH).ok()
}

#[cfg(test)]
mod tests {
    use super::super::{dictionary, measures, named};
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    fn room() -> Room {
        Room::unbounded()
    }

    fn now() -> Timestamp {
        Timestamp::from_microseconds(1_000_000_000_000_000).unwrap()
    }

    fn long_batch(text: &str) -> Option<BTreeMap<Uuid, Batch>> {
        let body = model::json::parse(text).ok()?;
        let read = dictionary(&body)
            .ok()?
            .iter()
            .map(|(key, value)| Some((parse_uuid(key)?, measures(value, now()).ok()?)));
        read.collect()
    }

    fn long_resource_batch(text: &str) -> Option<Vec<ResourceMeasures>> {
        let body = model::json::parse(text).ok()?;
        let resources = dictionary(&body).ok()?.iter().map(|(key, value)| {
            let metrics = dictionary(value).ok()?.iter().map(|(name, value)| {
                let (batch, archive_policy_name, unit) = named(value, now()).ok()?;
                Some(NamedMeasures { name: name.to_owned(), batch, archive_policy_name, unit })
            });
            let id = resource_id(key, Some("c")).ok()?;
            Some(ResourceMeasures {
                original_id: key.to_owned(),
                id,
                metrics: metrics.collect::<Option<_>>()?,
            })
        });
        resources.collect()
    }

    const ID: &str = "5a8df9a1-4e23-5685-86fb-d4d184a6b844";

    /// Lists of measures, and whether they are plain.
    const LISTS: [(&str, bool); 24] = [
        ("[]", true),
        (r#"[{"timestamp": "2026-11-26T10:20:30.5", "value": 1}]"#, true),
        (r#"[ {"value" : -2.5e3, "timestamp":1} , {"timestamp": 0.25, "value": NaN} ]"#, true),
        (
            r#"[{"timestamp": "2026-11-26T10:20:31+00:00", "value": 1}, {"timestamp": "2026-11-26T10:20:30Z", "value": 2}]"#,
            true,
        ),
        (r#"[{"timestamp": 1, "value": 12345678901234567890}]"#, true),
        ("{}", false),
        (r#"[{"timestamp": "2026-11-26", "value": 1}]"#, false),
        (r#"[{"timestamp": "1", "value": 1}]"#, false),
        (r#"[{"timestamp": "now", "value": 1}]"#, false),
        (r#"[{"timestamp": 1, "value": "2"}]"#, false),
        (r#"[{"timestamp": 1, "value": true}]"#, false),
        (r#"[{"timestamp": 1, "value": 1, "more": 1}]"#, false),
        (r#"[{"timestamp": 1, "value": 1, "value": 2}]"#, false),
        (r#"[{"timestamp": "2026-11-26T10:20:30", "value": 1}, {"timestamp": 5, "value": 2}]"#, false),
        (r#"[{"timestamp": 1, "value": 1}, {"timestamp": "2026-11-26T10:20:30", "value": 2}]"#, false),
        (r#"[{"timestamp": -1, "value": 1}]"#, false),
        (r#"[{"timestamp": 1e30, "value": 1}]"#, false),
        (r#"[{"timestamp": 1}]"#, false),
        (r#"[{"value": 1}]"#, false),
        (r#"[{"timestamp": 1, "value": null}]"#, false),
        (r#"[{"timestamp": 1, "value": 01}]"#, false),
        (r#"[{"timestamp": 1, "value": 1},]"#, false),
        (r#"[{"timestamp": 1, "value": 1}"#, false),
        ("1", false),
    ];

    fn shown<T: std::fmt::Debug>(read: &T) -> String {
        // NaN is not equal to itself.
        format!("{read:?}")
    }

    #[test]
    fn plain_measures_mean_what_they_mean_otherwise() {
        for (list, is_plain) in LISTS {
            let text = format!(r#" {{"{ID}": {list}, "{}": []}} "#, Uuid::nil());
            let read = plain_batch(&text, &mut room());
            assert_eq!(read.is_some(), is_plain, "{text}");
            if is_plain {
                assert_eq!(shown(&read), shown(&long_batch(&text)), "{text}");
            }
            let read = plain_measures(list, &mut room());
            assert_eq!(read.is_some(), is_plain, "{list}");
            if is_plain {
                let long = model::json::parse(list).ok().and_then(|body| measures(&body, now()).ok());
                assert_eq!(shown(&read), shown(&long), "{list}");
            }
            for object in [
                list.to_owned(),
                format!(r#"{{"measures": {list}}}"#),
                format!(r#"{{"unit": "é", "measures": {list}, "archive_policy_name": "low"}}"#),
            ] {
                let text = format!(r#"{{"r": {{"m": {object}, "n": []}}, "{ID}": {{}}}}"#);
                let read = plain_resource_batch(&text, Ids { creator: Some("c") }, &mut room());
                assert_eq!(read.is_some(), is_plain, "{text}");
                if is_plain {
                    assert_eq!(shown(&read), shown(&long_resource_batch(&text)), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_left() {
        let bare = ID.replace('-', "");
        for text in [
            String::new(),
            "[]".to_owned(),
            "{} 1".to_owned(),
            r#"{"x": []}"#.to_owned(),
            format!(r#"{{"{ID}": [], "{ID}": []}}"#),
            format!(r#"{{"{ID}": [], "{bare}": []}}"#),
        ] {
            assert_eq!(plain_batch(&text, &mut room()), None, "{text}");
        }
        assert_eq!(plain_batch("{}", &mut room()), Some(BTreeMap::new()));
        let ids = Ids { creator: Some("c") };
        for text in [
            r#"{"r": []}"#,
            r#"{"a/b": {}}"#,
            r#"{"r": {}, "r": {}}"#,
            r#"{"r": {"m": [], "m": []}}"#,
            r#"{"r": {"m": {}}}"#,
            r#"{"r": {"m": {"unit": "u"}}}"#,
            r#"{"r": {"m": {"measures": [], "unit": null}}}"#,
            r#"{"r": {"m": {"measures": [], "unit": "0123456789012345678901234567890123456789"}}}"#,
            r#"{"r": {"m": {"measures": [], "more": 1}}}"#,
            r#"{"r": {"m": {"measures": [], "measures": []}}}"#,
        ] {
            assert_eq!(plain_resource_batch(text, ids, &mut room()), None, "{text}");
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_not_read() {
        let one = r#"{"timestamp": 1, "value": 1}"#;
        let names: Vec<String> = (0..1_000).map(|name| format!(r#""{name}": []"#)).collect();
        let ids: Vec<String> = (0..1_000).map(|id| format!(r#""{}": []"#, Uuid::from_u128(id))).collect();
        for text in [
            format!("[{}]", vec![one; 10_000].join(",")),
            format!("{{{}}}", ids.join(",")),
            format!(r#"{{"r": {{{}}}}}"#, names.join(",")),
        ] {
            for (permits, is_read) in [(200, false), (10_000, true)] {
                let mut room = Room::new(Arc::new(Semaphore::new(permits)));
                let read = match text.as_bytes() {
                    [b'[', ..] => plain_measures(&text, &mut room).is_some(),
                    [_, _, b'r', ..] => {
                        plain_resource_batch(&text, Ids { creator: None }, &mut room).is_some()
                    }
                    _ => plain_batch(&text, &mut room).is_some(),
                };
                assert_eq!(read, is_read, "{permits}: {}", &text[..60]);
            }
        }
    }
}
