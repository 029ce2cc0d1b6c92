//! The change-over from one store to another: a journal of renames, and how it is carried out.
//!
//! ```text
//! STORE.replace  {"format": 1, "checksum": CRC of the parts,
//!                 "parts": [{"kind": "directory" | "sqlite", "place": PATH, "kept": PATH, "new": PATH}, …]}
//! ```
//!
//! `new` is to have the name `place`, and what has it now is to be called `kept`. Paths without a directory are beside the
//! journal. A SQLite file takes its companions (`-wal`, `-shm`, `-journal`) along: with those of another file it would be
//! damaged.
//!
//! The journal is written, synced and named in one rename when everything that is new is on disk. From then on there is one
//! way only: whoever opens the store next carries it out first ([`settle`]). A part is done when its `new` is gone; so it
//! does not matter where an earlier attempt was ended, and the journal is removed when all parts are done. Nobody carries
//! it out while a process has the old store open: the lock of its log is held meanwhile, and the journal is locked against
//! others who want to do the same.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use buffer::medium::{Medium, MediumLock};
use model::json::{parse, to_string};
use model::{Map, Value};

use super::MEASURES;
use super::files::{exists, sync_parent, with_suffix, write_all};

/// The format that this reads and writes.
const FORMAT: i64 = 1;
/// A larger journal is none.
const MAX_BYTES: u64 = 1 << 20;
/// What SQLite keeps beside a file.
pub(super) const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// How long somebody else who carries it out is waited for: it is a handful of renames.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between looks whether that is over.
const LOOK: Duration = Duration::from_millis(20);

/// Why a change-over cannot be carried out. It waits; what there is was not changed, or is completed by a later attempt.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// A server has the old store open.
    #[error("{} is in use by a running server, which is to be ended first", directory.display())]
    InUse {
        /// The store's directory.
        directory: PathBuf,
    },
    /// The journal is not what was written.
    #[error(
        "{} is damaged: {reason}; it says which store is to be opened. If {} is there, remove the journal and what ends in \
         .restoring beside it, and restore the backup again",
        path.display(), directory.display()
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The store's directory.
        directory: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// A later release wrote the journal.
    #[error("{} has format {format}; this program knows format {FORMAT}: start the release that wrote it", path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its format.
        format: i64,
    },
    /// Something came where nothing is to be.
    #[error(
        "a backup is to be put into place, and {} is in the way, because {} is there already; move the former away",
        place.display(), kept.display()
    )]
    InTheWay {
        /// What came.
        place: PathBuf,
        /// What it would be called.
        kept: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SettleError {
    let path = path.to_owned();
    move |source| SettleError::Io { operation, path, source }
}

/// What is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The store's directory.
    Directory,
    /// An index that is elsewhere.
    Sqlite,
}

/// One thing that takes the place of another. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// The name that counts.
    pub(super) place: PathBuf,
    /// The name under which what is there now stays.
    pub(super) kept: PathBuf,
    /// What is to be there.
    pub(super) new: PathBuf,
}

/// A change-over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChangeOver {
    /// The store's directory.
    pub(super) directory: PathBuf,
    pub(super) parts: Vec<Part>,
}

/// The journal of a store in `directory`; it is there while a change-over is not complete.
pub fn journal(directory: &Path) -> PathBuf {
    with_suffix(directory, ".replace")
}

/// Carries out what a journal of the store in `directory` asks for, and says where the old parts are; none where there is no
/// journal. To be called before the store is opened or looked at. Blocks.
///
/// # Errors
/// [`SettleError`].
pub fn settle(medium: &dyn Medium, directory: &Path) -> Result<Option<Vec<PathBuf>>, SettleError> {
    let path = journal(directory);
    let is_there = || medium.size(&path).map(|size| size.is_some()).map_err(failed("look at", &path));
    if !is_there()? {
        return Ok(None);
    }
    let _journal = lock_journal(medium, &path)?;
    // Somebody else may have been quicker.
    if !is_there()? {
        return Ok(None);
    }
    let _store = lock_store(medium, directory)?;
    let change_over = ChangeOver::read(medium, directory)?;
    change_over.carry_out(medium)?;
    Ok(Some(change_over.kept(medium)))
}

/// Locks the store in `directory` against servers; nothing where there is no log that could be locked.
pub(super) fn lock_store(
    medium: &dyn Medium,
    directory: &Path,
) -> Result<Option<Box<dyn MediumLock>>, SettleError> {
    let log = directory.join(MEASURES).join("log");
    match medium.lock(&log) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(SettleError::InUse { directory: directory.to_owned() })
        }
        Err(error) => Err(failed("lock", &log)(error)),
    }
}

fn lock_journal(medium: &dyn Medium, path: &Path) -> Result<Option<Box<dyn MediumLock>>, SettleError> {
    let mut waited = Duration::ZERO;
    loop {
        match medium.lock(path) {
            Ok(lock) => return Ok(Some(lock)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && waited < PATIENCE => {
                std::thread::sleep(LOOK);
                waited += LOOK;
            }
            Err(error) => return Err(failed("lock", path)(error)),
        }
    }
}

impl ChangeOver {
    /// Writes the journal durably. After an error there is none, unless the error says otherwise.
    pub(super) fn write(&self, medium: &dyn Medium) -> Result<(), SettleError> {
        let path = journal(&self.directory);
        let new = with_suffix(&path, ".new");
        let mut text = to_string(&self.value());
        text.push('\n');
        let written = medium.append(&new).and_then(|mut file| {
            // An earlier attempt may have left something.
            file.truncate(0)?;
            write_all(&mut *file, text.as_bytes())?;
            file.sync()
        });
        written.map_err(failed("write", &new))?;
        let named = medium.rename(&new, &path).and_then(|()| sync_parent(medium, &path));
        if let Err(error) = named {
            // Nobody knows whether it is durable: it must not come to life later.
            return match medium.remove(&path).and_then(|()| sync_parent(medium, &path)) {
                Err(left) if left.kind() != io::ErrorKind::NotFound => Err(failed(
                    "take back the decision to open the backup at the next start, which is",
                    &path,
                )(left)),
                _ => Err(failed("write", &path)(error)),
            };
        }
        Ok(())
    }

    /// Renames everything, and removes the journal. May be repeated.
    pub(super) fn carry_out(&self, medium: &dyn Medium) -> Result<(), SettleError> {
        for part in &self.parts {
            part.put_into_place(medium)?;
        }
        let path = journal(&self.directory);
        medium.remove(&path).map_err(failed("remove", &path))?;
        sync_parent(medium, &path).map_err(failed("sync the directory of", &path))
    }

    /// Where the old parts are afterwards.
    fn kept(&self, medium: &dyn Medium) -> Vec<PathBuf> {
        let kept = self.parts.iter().map(|part| part.kept.clone());
        kept.filter(|path| exists(medium, path).unwrap_or(true)).collect()
    }

    fn value(&self) -> Value {
        let beside = self.directory.parent();
        let text = |path: &Path| {
            let shown = path.parent().filter(|parent| Some(*parent) == beside).and_then(|_| path.file_name());
            shown.unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
        };
        let part = |part: &Part| {
            let kind = match part.kind {
                Kind::Directory => "directory",
                Kind::Sqlite => "sqlite",
            };
            let mut entry = Map::new();
            entry.insert("kind", kind);
            entry.insert("place", text(&part.place));
            entry.insert("kept", text(&part.kept));
            entry.insert("new", text(&part.new));
            Value::Map(entry)
        };
        let parts = Value::List(self.parts.iter().map(part).collect());
        let mut map = Map::new();
        map.insert("format", FORMAT);
        map.insert("checksum", checksum(&parts));
        map.insert("parts", parts);
        Value::Map(map)
    }

    fn read(medium: &dyn Medium, directory: &Path) -> Result<Self, SettleError> {
        let path = journal(directory);
        let damaged =
            |reason| SettleError::Damaged { path: path.clone(), directory: directory.to_owned(), reason };
        let size = medium.size(&path).map_err(failed("look at", &path))?;
        if size.is_some_and(|size| size > MAX_BYTES) {
            return Err(damaged("it is too large"));
        }
        let text = String::from_utf8(medium.read(&path).map_err(failed("read", &path))?);
        let value = text.ok().and_then(|text| parse(&text).ok()).ok_or_else(|| damaged("it is no JSON"))?;
        match value.get("format") {
            Some(Value::Int(FORMAT)) => {}
            Some(Value::Int(format)) => return Err(SettleError::Newer { path, format: *format }),
            _ => return Err(damaged("it names no format")),
        }
        let parts = value.get("parts").ok_or_else(|| damaged("it has no parts"))?;
        if value.get("checksum").and_then(Value::as_str) != Some(&checksum(parts)) {
            return Err(damaged("its parts are not those that were written"));
        }
        let beside = directory.parent().unwrap_or(Path::new(""));
        let parts = parts.as_list().and_then(|parts| parts.iter().map(|entry| part(entry, beside)).collect());
        let parts = parts.ok_or_else(|| damaged("its parts cannot be read"))?;
        Ok(Self { directory: directory.to_owned(), parts })
    }
}

impl Part {
    fn put_into_place(&self, medium: &dyn Medium) -> Result<(), SettleError> {
        let Self { kind, place, kept, new } = self;
        if !there(medium, new)? {
            return Ok(());
        }
        if there(medium, place)? {
            if there(medium, kept)? {
                return Err(SettleError::InTheWay { place: place.clone(), kept: kept.clone() });
            }
            rename(medium, place, kept)?;
        }
        let companions: &[&str] = if *kind == Kind::Sqlite { &COMPANIONS } else { &[] };
        for suffix in companions {
            let companion = with_suffix(place, suffix);
            if there(medium, &companion)? {
                rename(medium, &companion, &with_suffix(kept, suffix))?;
            }
        }
        rename(medium, new, place)
    }
}

fn there(medium: &dyn Medium, path: &Path) -> Result<bool, SettleError> {
    exists(medium, path).map_err(failed("look at", path))
}

fn rename(medium: &dyn Medium, from: &Path, to: &Path) -> Result<(), SettleError> {
    medium.rename(from, to).map_err(failed("put into place", to))?;
    // Each by itself: a power cut must not leave a later one without an earlier one.
    sync_parent(medium, to).map_err(failed("sync the directory of", to))
}

fn part(entry: &Value, beside: &Path) -> Option<Part> {
    let path = |key: &str| {
        let path = Path::new(entry.get(key)?.as_str()?);
        let is_name =
            path.components().count() == 1 && matches!(path.components().next(), Some(Component::Normal(_)));
        (is_name || path.is_absolute()).then(|| beside.join(path))
    };
    let kind = match entry.get("kind")?.as_str()? {
        "directory" => Kind::Directory,
        "sqlite" => Kind::Sqlite,
        _ => return None,
    };
    Some(Part { kind, place: path("place")?, kept: path("kept")?, new: path("new")? })
}

fn checksum(parts: &Value) -> String {
    format!("{:08x}", crc32fast::hash(to_string(parts).as_bytes()))
}

#[cfg(test)]
mod tests;
