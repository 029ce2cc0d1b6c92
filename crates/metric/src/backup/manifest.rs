//! [`Manifest`]: what a backup consists of.
//!
//! ```text
//! {"format": 1, "nephoscope": VERSION, "taken_at": TIME, "index": "sqlite" | "postgresql", "checksum": CRC of the list,
//!  "files": [{"name": NAME, "bytes": SIZE, "crc32": CRC}, …]}
//! ```
//!
//! CRCs are CRC-32 (ISO-HDLC) in eight hexadecimal digits; that of the list is taken of its JSON as this writes it.

use std::io;
use std::path::{Component, Path};

use buffer::medium::Medium;
use model::json::{parse, to_string};
use model::{Map, Timestamp, Value};

use super::files::write_all;

/// The file's name.
const NAME: &str = "manifest.json";
const NEW_NAME: &str = "manifest.new";
/// The format that this reads and writes.
const FORMAT: i64 = 1;
/// A larger manifest is none.
const MAX_BYTES: u64 = 64 << 20;

/// Where the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// In a file of the backup.
    Sqlite,
    /// In a database that the backup has nothing of.
    PostgreSql,
}

impl IndexKind {
    /// Its name in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::PostgreSql => "postgresql",
        }
    }
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its name, relative to the backup's directory.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The CRC-32 of what is in it.
    pub checksum: u32,
}

/// What a backup consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What was accepted before is in it.
    pub taken_at: Timestamp,
    /// Where the index is.
    pub index: IndexKind,
    /// The files.
    pub files: Vec<StoredFile>,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is none.
    #[error("{NAME} is not there: this is no backup, or one that did not come to its end")]
    Absent,
    /// A later release wrote it.
    #[error(
        "{NAME} has format {format}; this program knows format {FORMAT}: use the release that made the backup"
    )]
    Newer {
        /// Its format.
        format: i64,
    },
    /// It is not what was written.
    #[error("{NAME} is damaged: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// The operating system does not let it be read.
    #[error("cannot read {NAME}: {0}")]
    Io(io::Error),
}

impl Manifest {
    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Writes it durably.
    pub(super) fn write(&self, medium: &dyn Medium, directory: &Path) -> io::Result<()> {
        let new = directory.join(NEW_NAME);
        let mut file = medium.append(&new)?;
        let mut text = to_string(&self.value());
        text.push('\n');
        write_all(&mut *file, text.as_bytes())?;
        file.sync()?;
        medium.rename(&new, &directory.join(NAME))?;
        medium.sync_directory(directory)
    }

    fn value(&self) -> Value {
        let mut files = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let mut entry = Map::new();
            entry.insert("name", file.name.as_str());
            entry.insert("bytes", i64::try_from(file.bytes).unwrap_or(i64::MAX));
            entry.insert("crc32", hexadecimal(file.checksum));
            files.push(Value::Map(entry));
        }
        let files = Value::List(files);
        let mut map = Map::new();
        map.insert("format", FORMAT);
        map.insert("nephoscope", env!("CARGO_PKG_VERSION"));
        map.insert("taken_at", self.taken_at.to_iso());
        map.insert("index", self.index.as_str());
        map.insert("checksum", list_checksum(&files));
        map.insert("files", files);
        Value::Map(map)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn read(medium: &dyn Medium, directory: &Path) -> Result<Self, ManifestError> {
        let path = directory.join(NAME);
        let size = medium.size(&path).map_err(ManifestError::Io)?.ok_or(ManifestError::Absent)?;
        let damaged = |reason: &str| ManifestError::Damaged { reason: reason.to_owned() };
        if size > MAX_BYTES {
            return Err(damaged("it is too large"));
        }
        let text = String::from_utf8(medium.read(&path).map_err(ManifestError::Io)?);
        let value = text.ok().and_then(|text| parse(&text).ok()).ok_or_else(|| damaged("it is no JSON"))?;
        match value.get("format") {
            Some(Value::Int(FORMAT)) => {}
            Some(Value::Int(format)) => return Err(ManifestError::Newer { format: *format }),
            _ => return Err(damaged("it names no format")),
        }
        let files = value.get("files").ok_or_else(|| damaged("it lists no files"))?;
        if value.get("checksum").and_then(Value::as_str) != Some(&list_checksum(files)) {
            return Err(damaged("its list of files is not the one that was written"));
        }
        let index = match value.get("index").and_then(Value::as_str) {
            Some("sqlite") => IndexKind::Sqlite,
            Some("postgresql") => IndexKind::PostgreSql,
            _ => return Err(damaged("it does not say where the index is")),
        };
        let taken_at =
            value.get("taken_at").and_then(Value::as_str).and_then(|text| Timestamp::parse(text).ok());
        let files = files.as_list().and_then(|files| files.iter().map(stored_file).collect());
        Ok(Self {
            taken_at: taken_at.ok_or_else(|| damaged("it does not say when it was made"))?,
            index,
            files: files.ok_or_else(|| damaged("its list of files cannot be read"))?,
        })
    }
}

fn stored_file(entry: &Value) -> Option<StoredFile> {
    let name = entry.get("name")?.as_str()?;
    let is_plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let Some(Value::Int(bytes)) = entry.get("bytes") else { return None };
    let checksum = u32::from_str_radix(entry.get("crc32")?.as_str()?, 16).ok()?;
    let bytes = u64::try_from(*bytes).ok()?;
    is_plain.then(|| StoredFile { name: name.to_owned(), bytes, checksum })
}

fn list_checksum(files: &Value) -> String {
    hexadecimal(crc32fast::hash(to_string(files).as_bytes()))
}

fn hexadecimal(checksum: u32) -> String {
    format!("{checksum:08x}")
}

#[cfg(test)]
mod tests {
    use buffer::medium::Disk;

    use super::*;

    #[test]
    fn a_manifest_comes_back_or_says_what_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Manifest::read(&Disk, directory.path()), Err(ManifestError::Absent)));
        let manifest = Manifest {
            taken_at: Timestamp::from_microseconds(1_700_000_000_000_001).unwrap(),
            index: IndexKind::Sqlite,
            files: vec![
                StoredFile { name: "index.sqlite".to_owned(), bytes: 7, checksum: 0xab },
                StoredFile { name: "measures/states/ü\"".to_owned(), bytes: 0, checksum: u32::MAX },
            ],
        };
        manifest.write(&Disk, directory.path()).unwrap();
        assert_eq!(Manifest::read(&Disk, directory.path()).unwrap(), manifest);
        let path = directory.path().join(NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to, words) in [
            ("\"bytes\": 7", "\"bytes\": 8", "not the one that was written"),
            ("\"format\": 1", "\"format\": 2", "use the release that made the backup"),
            ("\"index\": \"sqlite\"", "\"index\": \"x\"", "where the index is"),
            ("}", "", "no JSON"),
        ] {
            std::fs::write(&path, text.replace(from, to)).unwrap();
            let error = Manifest::read(&Disk, directory.path()).unwrap_err().to_string();
            assert!(error.contains(words), "{from}: {error}");
        }
    }

    #[test]
    fn no_file_lies_outside_of_the_backup() {
        for (name, is_inside) in [("a/b", true), ("../a", false), ("/a", false), ("a/../b", false)] {
            let entry: Map = [("name", name.into()), ("bytes", Value::Int(1)), ("crc32", "00".into())]
                .into_iter()
                .collect();
            assert_eq!(stored_file(&Value::Map(entry)).is_some(), is_inside, "{name}");
        }
    }
}
