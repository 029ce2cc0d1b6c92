//! `nephoscope metric backup` and `restore`.

use std::path::Path;

use anyhow::Context as _;
use buffer::medium::Disk;
use metric::{IndexKind, Manifest, Metrics, RestoreError};
use model::{Map, Value};
use observability::clock::Clock;

use super::protocol::Request;
use super::replace::{restoration, settle, settled};
use super::stats::size;
use super::{Places, client, hint, say_json};
use crate::{Ending, say};

pub(super) async fn back_up(places: &Places, directory: &Path, json: bool) -> Ending {
    match copied(places, directory).await {
        Ok(Some(value)) => {
            if json {
                say_json(&value);
            } else {
                tell("copied", &value, directory);
            }
            if value.get("index").and_then(Value::as_str) == Some(IndexKind::PostgreSql.as_str()) {
                hint(format_args!("the index is in PostgreSQL and not in the backup: run pg_dump now"));
            }
            Ending::Done
        }
        Ok(None) => Ending::Configuration(format!(
            "there is no metric store in {}, and no server answers; name the configuration that it has (--config-file) \
             or its state directory (--state-dir)",
            places.directory.display()
        )),
        Err(error) => Ending::Failed(error),
    }
}

async fn copied(places: &Places, directory: &Path) -> anyhow::Result<Option<Value>> {
    let directory = std::path::absolute(directory)
        .with_context(|| format!("{} names no directory", directory.display()))?;
    if let Some(answer) = client::ask(&places.sockets, &Request::Backup(directory.clone()))? {
        return Ok(Some(answer));
    }
    if !places.is_there() {
        return Ok(None);
    }
    settled(places)?;
    let opened =
        Metrics::open(&places.measures, &places.index, metric::Settings::default(), Clock::machine()).await;
    let (metrics, _) = opened?;
    let manifest = metrics.backup(&directory).await;
    metrics.index().close().await;
    let manifest = manifest.with_context(|| unfinished(&directory))?;
    Ok(Some(value(&manifest)))
}

/// What is left when a backup failed.
pub(crate) fn unfinished(directory: &Path) -> String {
    format!("there is no backup; what {} has now is of no use", directory.display())
}

/// What is told of a backup.
pub(crate) fn value(manifest: &Manifest) -> Value {
    let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let entries = [
        ("taken_at", Value::from(manifest.taken_at.to_iso() + "+00:00")),
        ("index", manifest.index.as_str().into()),
        ("files", number(manifest.files.len() as u64)),
        ("bytes", number(manifest.bytes())),
    ];
    entries.into_iter().collect::<Map>().into()
}

pub(super) fn tell(done: &str, value: &Value, directory: &Path) {
    let of = |key: &str| match value.get(key) {
        Some(Value::Int(number)) => *number,
        _ => 0,
    };
    let taken_at = value.get("taken_at").and_then(Value::as_str).unwrap_or_default();
    let (files, bytes) = (of("files"), size(of("bytes")));
    say(format_args!("{done} {files} files, {bytes}, as of {taken_at}: {}", directory.display()));
}

pub(super) fn restore(places: &Places, backup: &Path, json: bool) -> Ending {
    let target = match restoration(&places.directory, &places.index) {
        Ok(target) => target,
        Err(text) => return Ending::Configuration(text),
    };
    if let Err(ending) = settle(places) {
        return ending;
    }
    match metric::restore(&Disk, backup, &target) {
        Ok(manifest) => {
            let value = value(&manifest);
            if json {
                say_json(&value);
            } else {
                tell("restored", &value, &places.directory);
            }
            if manifest.index == IndexKind::PostgreSql {
                hint(format_args!("the index is in PostgreSQL: restore it with pg_restore"));
            }
            Ending::Done
        }
        Err(error @ RestoreError::OtherIndex { .. }) => Ending::Configuration(error.to_string()),
        Err(error) => Ending::Failed(error.into()),
    }
}
