//! `nephoscope metric stats`.

use std::fmt::Write as _;
use std::time::SystemTime;

use anyhow::Context as _;
use metric::{FileBytes, Usage};
use metric_index::Index;
use model::{Map, Timestamp, Value};
use observability::clock::Clock;

use super::protocol::Request;
use super::replace::settled;
use super::{Places, client, say_json};
use crate::{Ending, say};

pub(super) async fn show(places: &Places, json: bool) -> Ending {
    let found = match client::ask(&places.sockets, &Request::Stats) {
        Ok(Some(found)) => Ok(found),
        Ok(None) if !places.is_there() => {
            return Ending::Configuration(format!(
                "there is no metric store in {}, and no server answers; name the configuration that it has \
                 (--config-file) or its state directory (--state-dir)",
                places.directory.display()
            ));
        }
        Ok(None) => offline(places).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(found) if json => say_json(&found),
        Ok(found) => say(format_args!("{}", text(&found))),
        Err(error) => return Ending::Failed(error),
    }
    Ending::Done
}

async fn offline(places: &Places) -> anyhow::Result<Value> {
    settled(places)?;
    let index = Index::open(&places.index, sql::Options::default(), Clock::machine()).await;
    let index = index.context("cannot open the index")?;
    let usage = metric::usage_offline(&places.measures, &index).await;
    index.close().await;
    Ok(value(&usage?))
}

fn number(number: impl TryInto<i64>) -> Value {
    number.try_into().unwrap_or(i64::MAX).into()
}

/// What is shown, as JSON.
pub(crate) fn value(usage: &Usage) -> Value {
    let Usage { index, store, files } = usage;
    let section = |entries: &[(&str, Value)]| -> Value {
        entries.iter().map(|(key, value)| (*key, value.clone())).collect::<Map>().into()
    };
    let in_index = section(&[
        ("resources", number(index.resources)),
        ("revisions", number(index.revisions)),
        ("resource_types", number(index.resource_types)),
        ("metrics", number(index.metrics)),
        ("deleted_metrics", number(index.deleted_metrics)),
        ("archive_policies", number(index.archive_policies)),
        ("archive_policy_rules", number(index.archive_policy_rules)),
    ]);
    let in_store = section(&[
        ("metrics", number(store.metrics)),
        ("raw_points", number(store.raw_points)),
        ("pending_groups", number(store.pending_aggregates)),
        ("chunk_groups", number(store.chunk_rows)),
        ("chunks", number(store.chunks)),
        ("memory_bytes", number(store.memory_bytes)),
        ("damaged_reads", number(store.damaged_reads)),
    ]);
    let FileBytes { log, states, chunks, index, quarantine, quarantined_files, oldest_log } = files;
    let on_disk = section(&[
        ("log", number(*log)),
        ("states", number(*states)),
        ("chunks", number(*chunks)),
        ("index", number(*index)),
        ("quarantine", number(*quarantine)),
        ("quarantined_files", number(*quarantined_files)),
        ("oldest_log", oldest_log.map_or(Value::Null, time)),
    ]);
    section(&[("index", in_index), ("measures", in_store), ("bytes", on_disk)])
}

fn time(time: SystemTime) -> Value {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let microseconds = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    let time = Timestamp::from_microseconds(microseconds).unwrap_or(Timestamp::EPOCH);
    (time.to_iso() + "+00:00").into()
}

/// What is shown, for people.
fn text(found: &Value) -> String {
    let of = |section: &str, key: &str| match found.get(section).and_then(|section| section.get(key)) {
        Some(Value::Int(number)) => *number,
        _ => 0,
    };
    let (index, measures) = (|key| of("index", key), |key| of("measures", key));
    let bytes = |key| size(of("bytes", key));
    let mut out = String::new();
    let mut line = |name: &str, words: String| {
        let _ = writeln!(out, "{name:<18}{words}");
    };
    line("resources", format!("{}, and {} revisions of them", index("resources"), index("revisions")));
    line(
        "metrics",
        format!(
            "{} in use, {} deleted; {} have measures",
            index("metrics"),
            index("deleted_metrics"),
            measures("metrics")
        ),
    );
    let policies = (index("archive_policies"), index("archive_policy_rules"), index("resource_types"));
    line("archive policies", format!("{}, {} rules; {} resource types", policies.0, policies.1, policies.2));
    line("raw points", format!("{} that may still change an aggregate", measures("raw_points")));
    let groups = (measures("pending_groups"), measures("chunk_groups"), measures("chunks"));
    line("aggregated groups", format!("{} in memory, {} in {} chunks", groups.0, groups.1, groups.2));
    line("memory", format!("about {} for metrics", size(measures("memory_bytes"))));
    line("log", bytes("log"));
    line("states", bytes("states"));
    line("chunks", bytes("chunks"));
    line("index", bytes("index"));
    if let Some(oldest) = found.get("bytes").and_then(|bytes| bytes.get("oldest_log")).and_then(Value::as_str)
    {
        line("oldest log", format!("since {oldest}"));
    }
    let files = of("bytes", "quarantined_files");
    line(
        "damaged",
        format!(
            "{} reads of chunks; {files} files in quarantine, {}",
            measures("damaged_reads"),
            bytes("quarantine")
        ),
    );
    out.truncate(out.trim_end().len());
    out
}

/// A size in the largest unit that leaves a number before the point.
#[allow(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
pub(super) fn size(bytes: i64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} bytes");
    }
    let mut size = bytes as f64 / 1_024.0;
    let mut unit = UNITS.iter().copied();
    let mut name = unit.next().unwrap_or_default();
    for larger in unit {
        if size < 1_024.0 {
            break;
        }
        size /= 1_024.0;
        name = larger;
    }
    format!("{size:.1} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_by_people() {
        for (bytes, expected) in
            [(0, "0 bytes"), (1_023, "1023 bytes"), (1_536, "1.5 KiB"), (5 << 40, "5.0 TiB")]
        {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn everything_is_shown() {
        let mut usage = Usage::default();
        usage.index.resources = 7;
        usage.store.chunk_rows = 11;
        usage.files.oldest_log = Some(SystemTime::UNIX_EPOCH);
        let text = text(&value(&usage));
        assert!(text.starts_with("resources         7, and 0 revisions"), "{text}");
        assert!(
            text.contains("11 in 0 chunks") && text.contains("since 1970-01-01T00:00:00+00:00"),
            "{text}"
        );
    }
}
