//! What an import is done with: one JSON object a line in `import.progress` beside the store.
//!
//! ```text
//! {"source": URL}
//! {"metric": ID, "series": {"METHOD@GRANULARITY": CRC, …}}     its aggregates are in the store
//! ```
//!
//! Granularities are nanoseconds. A line that a kill has cut is no line; its metric is imported again, which changes
//! nothing.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use buffer::medium::{Disk, Medium as _, MediumFile};
use model::json::{parse, to_string};
use model::{Map, Value};
use uuid::Uuid;

const NAME: &str = "import.progress";
/// Metrics whose lines are synced together.
const SYNCED: usize = 64;

/// A series of a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesKey {
    pub(super) method: String,
    /// In nanoseconds.
    pub(super) granularity: i64,
}

/// The file, and what it says.
#[derive(Debug)]
pub(super) struct Progress {
    path: PathBuf,
    file: Box<dyn MediumFile>,
    done: HashSet<Uuid>,
    unsynced: usize,
}

impl Progress {
    /// Opens the file of an import from `source`.
    ///
    /// # Errors
    /// It is one from elsewhere.
    pub(super) fn open(directory: &Path, source: &str) -> anyhow::Result<Self> {
        let path = directory.join(NAME);
        let text = match Disk.read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let said = text.lines().filter_map(|line| parse(line).ok());
        let mut done = HashSet::new();
        let mut is_begun = false;
        for line in said {
            if let Some(known) = line.get("source").and_then(Value::as_str) {
                is_begun = true;
                if known != source {
                    bail!(
                        "{} is of an import from {known}; remove it if the rest of that one is not wanted any more",
                        path.display()
                    );
                }
            }
            done.extend(metric(&line).map(|(id, _)| id));
        }
        let file = Disk.append(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut progress = Self { path, file, done, unsynced: 0 };
        if !is_begun {
            let line: Map = [("source", source)].into_iter().collect();
            progress.write(&Value::Map(line))?;
        } else if !text.ends_with('\n') {
            progress.append(b"\n")?;
        }
        Ok(progress)
    }

    /// Whether a metric's aggregates are in the store.
    pub(super) fn is_done(&self, metric: Uuid) -> bool {
        self.done.contains(&metric)
    }

    /// Notes that they are.
    pub(super) fn note(&mut self, metric: Uuid, checksums: BTreeMap<SeriesKey, u32>) -> anyhow::Result<()> {
        let series = checksums.into_iter().map(|(key, checksum)| {
            (format!("{}@{}", key.method, key.granularity), Value::Int(i64::from(checksum)))
        });
        let series: Map = series.collect();
        let mut line = Map::new();
        line.insert("metric", metric.to_string());
        line.insert("series", series);
        self.write(&Value::Map(line))?;
        self.done.insert(metric);
        self.unsynced += 1;
        if self.unsynced >= SYNCED { self.sync() } else { Ok(()) }
    }

    /// Makes what was noted durable.
    pub(super) fn sync(&mut self) -> anyhow::Result<()> {
        self.unsynced = 0;
        self.file.sync().with_context(|| format!("cannot sync {}", self.path.display()))
    }

    /// Every metric with the checksums of its series; the last word counts.
    pub(super) fn done(&self) -> anyhow::Result<BTreeMap<Uuid, BTreeMap<SeriesKey, u32>>> {
        let bytes = Disk.read(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.lines().filter_map(|line| metric(&parse(line).ok()?)).collect())
    }

    fn write(&mut self, line: &Value) -> anyhow::Result<()> {
        let mut text = to_string(line);
        text.push('\n');
        self.append(text.as_bytes())
    }

    fn append(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            let written =
                self.file.write(bytes).with_context(|| format!("cannot write {}", self.path.display()))?;
            if written == 0 {
                bail!("cannot write {}", self.path.display());
            }
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

/// What a line says of a metric.
fn metric(line: &Value) -> Option<(Uuid, BTreeMap<SeriesKey, u32>)> {
    let id = line.get("metric")?.as_str()?.parse().ok()?;
    let series = line.get("series")?.as_map()?.iter().map(|(key, checksum)| {
        let (method, granularity) = key.rsplit_once('@')?;
        let Value::Int(checksum) = checksum else { return None };
        let key = SeriesKey { method: method.to_owned(), granularity: granularity.parse().ok()? };
        Some((key, u32::try_from(*checksum).ok()?))
    });
    Some((id, series.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_costs_the_line_that_it_cuts() {
        let directory = tempfile::tempdir().unwrap();
        let key = SeriesKey { method: "rate:mean".to_owned(), granularity: 60_000_000_000 };
        let ids = [1, 2, 3].map(Uuid::from_u128);
        let mut progress = Progress::open(directory.path(), "http://g").unwrap();
        for (number, id) in (7..).zip(ids) {
            progress.note(id, [(key.clone(), number)].into_iter().collect()).unwrap();
        }
        drop(progress);
        let path = directory.path().join(NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        let mut progress = Progress::open(directory.path(), "http://g").unwrap();
        assert_eq!(ids.map(|id| progress.is_done(id)), [true, true, false]);
        progress.note(ids[2], BTreeMap::new()).unwrap();
        let done = progress.done().unwrap();
        assert_eq!((done.len(), done[&ids[1]][&key], done[&ids[2]].len()), (3, 8, 0));
        drop(progress);
        let elsewhere = Progress::open(directory.path(), "http://h").unwrap_err().to_string();
        assert!(elsewhere.contains("an import from http://g"), "{elsewhere}");
    }
}
