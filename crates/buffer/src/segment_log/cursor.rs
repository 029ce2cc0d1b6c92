//! [`Cursor`]: how far the records are done with, durably.

use std::io;
use std::path::{Path, PathBuf};

use crate::medium::{Medium, MediumFile};

use super::format::{
    CURSOR_ENTRY_BYTES, CURSOR_HEADER_BYTES, CursorContents, HeaderProblem, decode_cursor,
    encode_cursor_entry, encode_cursor_header,
};
use super::{MAX_CURSOR_BYTES, write_all};

pub(super) const NAME: &str = "cursor";
pub(super) const NEW_NAME: &str = "cursor.new";
/// When a cursor file has grown to this size it is written anew.
const REWRITE_BYTES: usize = 64 * 1024;

/// The cursor file. After any failure it is written anew under another name: a sync is never repeated.
#[derive(Debug)]
pub(super) struct Cursor {
    directory: PathBuf,
    open: Option<Open>,
    /// Everything below is done with, and that is durable.
    pub(super) durable: u64,
}

#[derive(Debug)]
struct Open {
    file: Box<dyn MediumFile>,
    bytes: usize,
}

/// Why a cursor file says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CursorProblem {
    #[error("its header is wrong: {0:?}")]
    Header(HeaderProblem),
    #[error("it is larger than {MAX_CURSOR_BYTES} bytes")]
    TooLarge,
    #[error(transparent)]
    Io(io::Error),
}

/// Reads the cursor file at `path`.
pub(super) fn read(medium: &dyn Medium, path: &Path) -> Result<CursorContents, CursorProblem> {
    let mut file = medium.open(path).map_err(CursorProblem::Io)?;
    let size = file.size().map_err(CursorProblem::Io)?;
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_CURSOR_BYTES);
    let mut bytes = vec![0; size.ok_or(CursorProblem::TooLarge)?];
    file.read_at(0, &mut bytes).map_err(CursorProblem::Io)?;
    decode_cursor(&bytes).map_err(CursorProblem::Header)
}

impl Cursor {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), open: None, durable: 0 }
    }

    /// Makes durable that everything below `sequence` is done with.
    pub(super) fn advance(&mut self, medium: &dyn Medium, sequence: u64) -> io::Result<()> {
        let open = match self.open.take().filter(|open| open.bytes < REWRITE_BYTES) {
            Some(mut open) => {
                write_all(&mut *open.file, &encode_cursor_entry(sequence))?;
                open.file.sync()?;
                open.bytes += CURSOR_ENTRY_BYTES;
                open
            }
            None => self.rewrite(medium, sequence)?,
        };
        self.open = Some(open);
        self.durable = sequence;
        Ok(())
    }

    fn rewrite(&self, medium: &dyn Medium, sequence: u64) -> io::Result<Open> {
        let (path, new) = (self.directory.join(NAME), self.directory.join(NEW_NAME));
        if medium.size(&new)?.is_some() {
            medium.remove(&new)?;
        }
        let mut file = medium.append(&new)?;
        let mut bytes = encode_cursor_header().to_vec();
        bytes.extend_from_slice(&encode_cursor_entry(sequence));
        write_all(&mut *file, &bytes)?;
        file.sync()?;
        medium.rename(&new, &path)?;
        medium.sync_directory(&self.directory)?;
        Ok(Open { file, bytes: CURSOR_HEADER_BYTES + CURSOR_ENTRY_BYTES })
    }
}
