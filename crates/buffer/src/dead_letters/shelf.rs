//! What commands do: look at letters, and take them away.

use std::collections::BTreeSet;
use std::io;

use super::letter::Letter;
use super::{DAMAGED_SUFFIX, DeadLetterError, DeadLetters, EDIT_PREFIX, LetterId, Lock, SUFFIX, failed};

/// A larger file is not read into memory. A batch's letters are far smaller; the largest single message (128 MiB),
/// every byte of it escaped, is not.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// A letter and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: LetterId,
    /// The letter.
    pub letter: Letter,
}

/// A line, or a whole file, that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Number of the line, from one; `None` for the whole file.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub reason: String,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// The letters, in the order of their messages.
    pub letters: Vec<Stored>,
    /// What cannot be read. It stays in the file.
    pub damaged: Vec<Damage>,
}

impl DeadLetters {
    /// The names of the files with letters, oldest first. None when nothing was ever written.
    pub fn files(&self) -> Result<Vec<String>, DeadLetterError> {
        self.names_with(SUFFIX)
    }

    /// The names of the files in which nothing could be read, set aside for a person to look at.
    pub fn damaged_files(&self) -> Result<Vec<String>, DeadLetterError> {
        self.names_with(DAMAGED_SUFFIX)
    }

    /// The letters of one of [`Self::files`]. A file that has gone in the meantime is empty.
    pub fn read(&self, file: &str) -> Result<Contents, DeadLetterError> {
        let mut contents = Contents::default();
        match self.bytes_of(file)? {
            Bytes::Gone => {}
            Bytes::TooMany(size) => {
                let reason = format!("{size} bytes are more than a file of letters has");
                contents.damaged.push(Damage { line: None, reason });
            }
            Bytes::Read(text) => {
                for (number, line) in lines(&text).enumerate() {
                    match Letter::parse(line) {
                        Ok((id, letter)) => contents.letters.push(Stored { id, letter }),
                        Err(error) => contents
                            .damaged
                            .push(Damage { line: Some(number + 1), reason: error.to_string() }),
                    }
                }
            }
        }
        Ok(contents)
    }

    /// Takes letters out of one of [`Self::files`], for good. Returns how many were there. Lines that cannot be read
    /// stay; a file that has nothing else is set aside under another name.
    pub fn remove(
        &self,
        _lock: &Lock,
        file: &str,
        ids: &BTreeSet<LetterId>,
    ) -> Result<usize, DeadLetterError> {
        self.remove_leftovers(EDIT_PREFIX)?;
        let Bytes::Read(text) = self.bytes_of(file)? else { return Ok(0) };
        let path = self.directory.join(file);
        let (mut left, mut letters, mut removed) = (Vec::new(), 0, 0);
        for line in lines(&text) {
            match Letter::parse(line) {
                Ok((id, _)) if ids.contains(&id) => {
                    removed += 1;
                    continue;
                }
                Ok(_) => letters += 1,
                Err(_) => {}
            }
            left.extend_from_slice(line);
            left.push(b'\n');
        }
        if removed == 0 {
            return Ok(0);
        }
        if left.is_empty() {
            self.medium.remove(&path).map_err(failed("remove", &path))?;
            self.medium.sync_directory(&self.directory).map_err(failed("sync directory", &self.directory))?;
            return Ok(removed);
        }
        self.put(&self.directory.join(format!("{EDIT_PREFIX}{file}")), &path, &left)?;
        if letters == 0 {
            let stem = file.strip_suffix(SUFFIX).unwrap_or(file);
            let aside = self.directory.join(format!("{stem}{DAMAGED_SUFFIX}"));
            self.medium.rename(&path, &aside).map_err(failed("rename", &path))?;
            self.medium.sync_directory(&self.directory).map_err(failed("sync directory", &self.directory))?;
        }
        Ok(removed)
    }

    fn names_with(&self, suffix: &str) -> Result<Vec<String>, DeadLetterError> {
        let mut names = self.names()?;
        names.retain(|name| name.ends_with(suffix) && !name.starts_with('.'));
        names.sort_unstable();
        Ok(names)
    }

    fn bytes_of(&self, file: &str) -> Result<Bytes, DeadLetterError> {
        let path = self.directory.join(file);
        let Some(size) = self.medium.size(&path).map_err(failed("look at", &path))? else {
            return Ok(Bytes::Gone);
        };
        if size > FILE_BYTES_MAX {
            return Ok(Bytes::TooMany(size));
        }
        match self.medium.read(&path) {
            Ok(text) => Ok(Bytes::Read(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Bytes::Gone),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }
}

enum Bytes {
    Gone,
    TooMany(u64),
    Read(Vec<u8>),
}

/// The lines that are not empty.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}
