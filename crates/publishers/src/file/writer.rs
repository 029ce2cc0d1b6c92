//! [`Writer`]: the file itself, its last durable size, and rotation.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use buffer::medium::{Medium, MediumFile};
use pipeline::Records;

use super::FileError;
use super::lines::Lines;
use super::options::{FileOptions, Rotation};

/// How far back from the end a torn line is looked for, in bytes.
const TORN_LINE_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Writer {
    options: FileOptions,
    medium: Arc<dyn Medium>,
    open: Option<Open>,
    /// Parts of a publication were written, and its last one was not.
    is_amid: bool,
}

/// Which part of one publication some lines are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) is_first: bool,
    pub(super) is_last: bool,
}

/// An open file. `durable` is where the last sync ended; `written` is where the next byte goes.
#[derive(Debug)]
struct Open {
    file: Box<dyn MediumFile>,
    durable: u64,
    written: u64,
}

impl Writer {
    pub(super) fn new(options: FileOptions, medium: Arc<dyn Medium>) -> Self {
        Self { options, medium, open: None, is_amid: false }
    }

    /// Drops what is known of the open file; the next write opens it again.
    pub(super) fn forget(&mut self) {
        self.open = None;
        self.is_amid = false;
    }

    /// Appends a part of a publication, and syncs behind the last one. On an error nothing of the publication stays in
    /// the current file; files that a rotation completed meanwhile were synced, so records in them may come twice.
    pub(super) fn write(&mut self, lines: &Lines, part: Part) -> Result<(), FileError> {
        if part.is_first {
            if self.is_amid {
                // The publication before this one was given up half way.
                self.take_back();
            }
            self.follow_the_name()?;
        }
        self.is_amid = true;
        let written = self.append(lines).and_then(|()| if part.is_last { self.sync() } else { Ok(()) });
        if written.is_err() {
            self.take_back();
        }
        self.is_amid = written.is_ok() && !part.is_last;
        written
    }

    fn append(&mut self, lines: &Lines) -> Result<(), FileError> {
        let Some(rotation) = self.options.rotation else { return self.write_bytes(lines.text()) };
        let mut rest = lines.text();
        // Bytes of `rest` that go to the current file.
        let mut fitting = 0;
        for length in lines.lengths() {
            let before = self.written()? + fitting as u64;
            if before > 0 && before + length as u64 >= rotation.max_bytes {
                let (current, next) = rest.split_at(fitting);
                self.write_bytes(current)?;
                self.sync()?;
                self.rotate(rotation)?;
                (rest, fitting) = (next, 0);
            }
            fitting += length;
        }
        self.write_bytes(rest)
    }

    fn write_bytes(&mut self, mut rest: &[u8]) -> Result<(), FileError> {
        let path = self.options.path.clone();
        let open = self.opened()?;
        while !rest.is_empty() {
            match open.file.write(rest) {
                Ok(0) => {
                    let source = io::Error::from(io::ErrorKind::WriteZero);
                    return Err(FileError::Io { operation: "write", path, source });
                }
                Ok(taken) => {
                    open.written += taken as u64;
                    rest = rest.get(taken..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(FileError::Io { operation: "write", path, source }),
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), FileError> {
        let path = self.options.path.clone();
        let open = self.opened()?;
        if open.durable != open.written {
            open.file.sync().map_err(|source| FileError::Io { operation: "sync", path, source })?;
            open.durable = open.written;
        }
        Ok(())
    }

    /// Undoes an attempt: cuts the file back to where the last sync ended. When even that fails the file
    /// is opened anew next time, which removes a torn line; whole lines behind it then come twice.
    fn take_back(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        if let Err(error) = open.file.truncate(open.durable) {
            let path = self.options.path.display();
            tracing::warn!(%path, "cannot cut the file back after a failed write, records may come twice: {error}");
            return;
        }
        open.written = open.durable;
        self.open = Some(open);
    }

    fn written(&mut self) -> Result<u64, FileError> {
        Ok(self.opened()?.written)
    }

    /// Takes in what others did to the file since the last write: moved it away, cut it, or added to it.
    fn follow_the_name(&mut self) -> Result<(), FileError> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let same = open.file.is_at(&self.options.path).map_err(|source| self.error("look at", source))?;
        if same {
            open.durable = open.file.size().map_err(|source| self.error("look at", source))?;
            open.written = open.durable;
            self.open = Some(open);
        }
        Ok(())
    }

    fn error(&self, operation: &'static str, source: io::Error) -> FileError {
        FileError::Io { operation, path: self.options.path.clone(), source }
    }

    fn opened(&mut self) -> Result<&mut Open, FileError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.open_file()?,
        };
        Ok(self.open.insert(open))
    }

    fn open_file(&self) -> Result<Open, FileError> {
        let path = &self.options.path;
        let mut file = self.medium.append(path).map_err(|source| self.error("open", source))?;
        // Also for a file that was there: the attempt that created it may have ended before this step.
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.medium
            .sync_directory(directory)
            .map_err(|source| self.error("sync the directory of", source))?;
        let size = file.size().map_err(|source| self.error("look at", source))?;
        let tail = find_tail(&mut *file, size).map_err(|source| self.error("read", source))?;
        let mut open = Open { file, durable: size, written: size };
        match tail {
            Tail::Whole => {}
            Tail::Torn { start } => {
                tracing::warn!(path = %path.display(), bytes = size - start, "removed a line that a crash tore");
                open.file.truncate(start).map_err(|source| self.error("cut", source))?;
                (open.durable, open.written) = (start, start);
            }
            Tail::Foreign => {
                tracing::warn!(path = %path.display(), "the last line has no end and is not a record: ended it");
                let taken = open.file.write(b"\n").map_err(|source| self.error("write", source))?;
                open.written += taken as u64;
            }
        }
        Ok(open)
    }

    /// Sets the file aside: `path` becomes `path.1`, `path.1` becomes `path.2`, and so on.
    fn rotate(&mut self, rotation: Rotation) -> Result<(), FileError> {
        self.open = None;
        for number in (0..rotation.backup_count).rev() {
            let from = self.numbered(number);
            let known = self.medium.size(&from).map_err(|source| self.error("look at", source))?;
            if known.is_some() {
                let to = self.numbered(number + 1);
                self.medium.rename(&from, &to).map_err(|source| self.error("rotate", source))?;
            }
        }
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.options.path.clone();
        }
        let mut name = OsString::from(self.options.path.as_os_str());
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

/// What stands behind the last line end of a file.
#[derive(Debug, PartialEq, Eq)]
enum Tail {
    /// Nothing.
    Whole,
    /// The beginning of a record, or zeros: what a crash in the middle of a write leaves.
    Torn { start: u64 },
    /// Something that no record begins with; it is left in place.
    Foreign,
}

fn find_tail(file: &mut dyn MediumFile, size: u64) -> io::Result<Tail> {
    const BLOCK: u64 = 64 * 1024;
    let lowest = size.saturating_sub(TORN_LINE_BYTES);
    let mut end = size;
    let mut start = lowest;
    while end > lowest {
        let from = end.saturating_sub(BLOCK).max(lowest);
        let mut block = vec![0; usize::try_from(end - from).unwrap_or_default()];
        file.read_at(from, &mut block)?;
        if let Some(place) = block.iter().rposition(|byte| *byte == b'\n') {
            start = from + place as u64 + 1;
            break;
        }
        end = from;
    }
    if start == size {
        return Ok(Tail::Whole);
    }
    let mut first = [0];
    file.read_at(start, &mut first)?;
    // Both formats begin every record with a brace; blocks that never reached the disk read as zeros.
    Ok(if first == [b'{'] || first == [0] { Tail::Torn { start } } else { Tail::Foreign })
}
