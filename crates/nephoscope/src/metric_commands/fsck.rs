//! `nephoscope metric fsck`.

use std::path::Path;
use std::sync::Arc;

use buffer::medium::{Disk, Medium};
use metric::{Check, CheckError, MEASURES};
use metric_store::Finding;
use model::{Map, Value};
use observability::clock::Clock;

use super::replace::settle;
use super::stats::size;
use super::{Places, say_json};
use crate::{Ending, say};

pub(super) async fn look(places: &Places, json: bool) -> Ending {
    if let Err(ending) = settle(places) {
        return ending;
    }
    let check = match metric::fsck(&places.measures, &places.index, Clock::machine()).await {
        Ok(check) => check,
        Err(error @ CheckError::Absent { .. }) => {
            return Ending::Configuration(format!(
                "{error}; name the configuration that it has (--config-file) or its state directory (--state-dir)"
            ));
        }
        Err(error @ CheckError::InUse { .. }) => return Ending::Busy(error.into()),
        Err(error) => return Ending::Failed(error.into()),
    };
    let findings = findings(&check, &places.measures);
    if json {
        say_json(&value(&check, &findings));
    } else {
        for finding in &findings {
            say(format_args!("{finding}"));
        }
        say(format_args!("{}", summary(&check)));
    }
    ending(&check)
}

fn ending(check: &Check) -> Ending {
    match check.damaged() {
        0 => Ending::Done,
        1 => Ending::Failed(anyhow::anyhow!("1 place is damaged")),
        places => Ending::Failed(anyhow::anyhow!("{places} places are damaged")),
    }
}

/// Looks at a backup, which stays as it is.
pub(super) fn look_at_backup(backup: &Path, json: bool) -> Ending {
    let medium: Arc<dyn Medium> = Arc::new(Disk);
    let (manifest, measures) = match metric::verify_backup(&medium, backup) {
        Ok(seen) => seen,
        Err(error) => return Ending::Failed(error.into()),
    };
    let check = Check { measures, ..Check::default() };
    let findings = findings(&check, &backup.join(MEASURES));
    if json {
        say_json(&value(&check, &findings));
        return ending(&check);
    }
    for finding in &findings {
        say(format_args!("{finding}"));
    }
    let (files, bytes) = (manifest.files.len(), size(i64::try_from(manifest.bytes()).unwrap_or(i64::MAX)));
    let (metrics, taken_at) = (check.measures.ids.len(), manifest.taken_at.to_iso());
    say(format_args!("{files} files, {bytes}, as of {taken_at}+00:00: {metrics} metrics with measures"));
    ending(&check)
}

/// What is wrong, by file and place.
fn findings(check: &Check, measures: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let measures = measures.display();
    let log = check.log_damage();
    found.extend(log.map(|damage| {
        let words = damage.to_string();
        // Nothing was set aside, because nothing is changed.
        format!("{measures}/log/{}", words.strip_suffix("; not kept").unwrap_or(&words))
    }));
    let missing = check.measures.log.missing_records;
    if missing > 0 {
        found.push(format!("{measures}/log: {missing} records are missing"));
    }
    found.extend(check.measures.findings.iter().map(|finding| match finding {
        Finding::State { file, bytes } => format!("{measures}/states/{file}: {bytes} bytes cannot be read"),
        Finding::Chunk { metric, granularity, file, offset } => format!(
            "{measures}/chunks/{}: the chunk at offset {offset} is damaged or lost: metric {}, granularity {} s",
            chunk_file(*file),
            uuid::Uuid::from_bytes(metric.0),
            metric::view::seconds_text(*granularity),
        ),
        Finding::ChunkFile { file, bytes } => {
            format!("{measures}/chunks/{}: {bytes} bytes are no chunk", chunk_file(*file))
        }
    }));
    let more = check.measures.findings_count - check.measures.findings.len();
    if more > 0 {
        found.push(format!("{measures}: {more} more places"));
    }
    found.extend(check.index.iter().map(|problem| format!("index: {problem}")));
    found.extend(check.unknown.iter().map(|id| {
        format!("index: metric {id} has measures, and is not there; a backup of the index may have it")
    }));
    let more = check.unknown_count - check.unknown.len();
    if more > 0 {
        found.push(format!("index: {more} more metrics that have measures are not there"));
    }
    found
}

fn chunk_file(number: u64) -> String {
    format!("chunk-{number:020}.data")
}

fn summary(check: &Check) -> String {
    let measures = &check.measures;
    let damaged = check.damaged();
    let verdict = if damaged == 0 { "nothing is damaged".to_owned() } else { format!("damaged: {damaged}") };
    let compared = if check.is_compared {
        format!("{} in the index ({} without measures)", check.indexed, check.without_measures)
    } else {
        "the index cannot be compared".to_owned()
    };
    let lost = match measures.lost {
        0 => String::new(),
        lost => format!("; {lost} metrics of damaged states get their chunks back when a server starts"),
    };
    format!(
        "{} metrics with measures, {compared}; {} chunks, {} more that nothing names; {verdict}{lost}",
        measures.ids.len(),
        measures.chunks,
        measures.unnamed_chunks,
    )
}

fn value(check: &Check, findings: &[String]) -> Value {
    let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let unknown = check.unknown.iter().map(|id| id.to_string().into()).collect();
    let findings = findings.iter().map(|finding| finding.as_str().into()).collect();
    let entries = [
        ("damaged", number(check.damaged())),
        ("findings", Value::List(findings)),
        ("metrics_with_measures", number(check.measures.ids.len())),
        ("metrics_in_index", number(check.indexed)),
        ("metrics_without_measures", number(check.without_measures)),
        ("unknown_metrics", Value::List(unknown)),
        ("is_compared", Value::Bool(check.is_compared)),
        ("chunks", number(check.measures.chunks)),
        ("unnamed_chunks", number(check.measures.unnamed_chunks)),
        ("lost_metrics", number(check.measures.lost)),
    ];
    entries.into_iter().collect::<Map>().into()
}
