//! `nephoscope metric restore --replace`: a backup in the place of a store, also of one that a server has open.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use buffer::medium::Disk;
use metric::{Replacement, Restoration, RestoreError, SettleError};
use model::Value;
use observability::clock::Clock;
use observability::control::connect_control;

use super::protocol::Request;
use super::{Places, backup, client, hint, say_json};
use crate::{Ending, say};

/// How long a server may take to end what it has in hand and to start anew.
const RETURN: Duration = Duration::from_mins(3);
/// Time between looks whether it is back.
const LOOK: Duration = Duration::from_millis(50);
/// For an index that is not in the backup.
const INDEX_FIRST: &str =
    "the index is in PostgreSQL and not in the backup: pg_restore of its dump comes before this command";

/// Where a backup goes, with this directory and index.
///
/// # Errors
/// The URL of the index cannot be read.
pub(crate) fn restoration(directory: &Path, index: &str) -> Result<Restoration, String> {
    let index = match sql::Address::parse(index) {
        Ok(sql::Address::Sqlite(path)) => Some(path),
        Ok(sql::Address::PostgreSql(_)) => None,
        Err(error) => return Err(format!("[indexer] url: {error}")),
    };
    Ok(Restoration { directory: directory.to_owned(), index })
}

/// What is told of a replacement.
pub(crate) fn value(replacement: &Replacement) -> Value {
    let kept = replacement.kept.iter().map(|path| path.to_string_lossy().into_owned().into()).collect();
    let mut value = backup::value(&replacement.manifest);
    if let Value::Map(entries) = &mut value {
        entries.insert("kept", Value::List(kept));
    }
    value
}

/// Completes a replacement that was begun, before a store is used that no server has open.
///
/// # Errors
/// How the command ends.
pub(super) fn settle(places: &Places) -> Result<(), Ending> {
    settled(places).map_err(refused)
}

fn refused(error: SettleError) -> Ending {
    match error {
        error @ SettleError::InUse { .. } => Ending::Busy(error.into()),
        error => Ending::Failed(error.into()),
    }
}

/// The same for commands that end with 1.
///
/// # Errors
/// It cannot be completed.
pub(super) fn settled(places: &Places) -> Result<(), SettleError> {
    if let Some(kept) = metric::settle_replacement(&Disk, &places.directory)? {
        hint(format_args!("a backup was put into place, as was decided before; {}", kept_words(&kept)));
    }
    Ok(())
}

pub(super) async fn replace(places: &Places, directory: &Path, json: bool) -> Ending {
    let clock = Clock::machine();
    let begin = clock.monotonic();
    let target = match restoration(&places.directory, &places.index) {
        Ok(target) => target,
        Err(text) => return Ending::Configuration(text),
    };
    if target.index.is_none() {
        hint(format_args!("{INDEX_FIRST}"));
    }
    let replaced = match std::path::absolute(directory) {
        Ok(directory) => replaced(places, &target, &directory, json, &clock).await,
        Err(error) => Err(Ending::Failed(anyhow!("{} names no directory: {error}", directory.display()))),
    };
    let mut value = match replaced {
        Ok(value) => value,
        Err(ending) => return ending,
    };
    let seconds = clock.elapsed(begin).as_secs_f64();
    if json {
        if let Value::Map(entries) = &mut value {
            entries.insert("seconds", seconds);
        }
        say_json(&value);
    } else {
        backup::tell("restored", &value, &places.directory);
        let kept: Vec<PathBuf> = kept(&value);
        if !kept.is_empty() {
            say(format_args!("{}", kept_words(&kept)));
        }
        say(format_args!("it took {seconds:.1} s"));
    }
    Ending::Done
}

async fn replaced(
    places: &Places,
    target: &Restoration,
    backup: &Path,
    json: bool,
    clock: &Clock,
) -> Result<Value, Ending> {
    let tell = |line: std::fmt::Arguments<'_>| {
        if !json {
            hint(line);
        }
    };
    tell(format_args!("the backup is looked at and copied"));
    match client::ask_at(&places.sockets, &Request::Restore(backup.to_owned())) {
        Ok(Some((value, socket))) => {
            tell(format_args!(
                "the copy is whole; the server ends what it has in hand and starts anew with it"
            ));
            returned(places, &socket, clock).await.map_err(Ending::Failed)?;
            Ok(value)
        }
        Ok(None) => offline(places, target, backup, clock).await,
        Err(error) if metric::replacement_journal(&places.directory).exists() => {
            Err(Ending::Failed(error.context(pending(places))))
        }
        Err(error) => Err(Ending::Failed(error)),
    }
}

async fn offline(
    places: &Places,
    target: &Restoration,
    backup: &Path,
    clock: &Clock,
) -> Result<Value, Ending> {
    settle(places)?;
    // Before everything is copied.
    metric::look_unused(&places.directory).map_err(refused)?;
    let failed = |error: RestoreError| match error {
        error @ RestoreError::OtherIndex { .. } => Ending::Configuration(error.to_string()),
        RestoreError::Settle(error) => refused(error),
        error => Ending::Failed(error.into()),
    };
    let replacement = Replacement::prepare(backup, target, clock.clone()).await.map_err(failed)?;
    let value = value(&replacement);
    replacement.put_into_place().await.map_err(failed)?;
    Ok(value)
}

/// Waits until the server is back, with the backup.
async fn returned(places: &Places, socket: &Path, clock: &Clock) -> anyhow::Result<()> {
    let journal = metric::replacement_journal(&places.directory);
    let begin = clock.monotonic();
    loop {
        // In this order: while the journal is there, it is the old process that answers.
        let is_settled =
            !journal.try_exists().with_context(|| format!("cannot look at {}", journal.display()))?;
        if is_settled && connect_control(socket).is_ok() {
            return Ok(());
        }
        if clock.elapsed(begin) > RETURN {
            let seconds = RETURN.as_secs();
            let state = if is_settled { "the backup is in place".to_owned() } else { pending(places) };
            return Err(anyhow!("the server is not back after {seconds} s: look at its log; {state}"));
        }
        clock.sleep(LOOK).await;
    }
}

/// What is known when the journal is there.
fn pending(places: &Places) -> String {
    let journal = metric::replacement_journal(&places.directory);
    format!("{} is there, so that the next start of the server puts the backup into place", journal.display())
}

fn kept(value: &Value) -> Vec<PathBuf> {
    let kept = value.get("kept").and_then(Value::as_list).unwrap_or_default();
    kept.iter().filter_map(|path| path.as_str().map(PathBuf::from)).collect()
}

fn kept_words(kept: &[PathBuf]) -> String {
    let kept: Vec<String> = kept.iter().map(|path| path.display().to_string()).collect();
    format!("the old store is kept, remove it when it is not needed any more: {}", kept.join(", "))
}
