//! Files, read in pieces.

use std::io;
use std::path::{Path, PathBuf};

use buffer::medium::{Medium, MediumFile};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// The size of a file, and the CRC-32 of what is in it.
pub(super) fn checksum(medium: &dyn Medium, path: &Path) -> io::Result<(u64, u32)> {
    each_piece(medium, path, |_| Ok(()))
}

/// Copies a file durably; says the size and the CRC-32 of what was copied.
pub(super) fn copy(medium: &dyn Medium, from: &Path, to: &Path) -> io::Result<(u64, u32)> {
    let mut target = medium.append(to)?;
    let copied = each_piece(medium, from, |piece| write_all(&mut *target, piece))?;
    target.sync()?;
    Ok(copied)
}

fn each_piece(
    medium: &dyn Medium,
    path: &Path,
    mut use_it: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(u64, u32)> {
    let mut file = medium.open(path)?;
    let size = file.size()?;
    let mut hash = crc32fast::Hasher::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let mut done = 0;
    while done < size {
        let length = usize::try_from(size - done).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let piece = buffer.get_mut(..length).unwrap_or_default();
        file.read_at(done, piece)?;
        hash.update(piece);
        use_it(piece)?;
        done += length as u64;
    }
    Ok((size, hash.finalize()))
}

/// Writes all of it.
pub(super) fn write_all(file: &mut dyn MediumFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = file.write(bytes)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// A path whose last name has something behind it.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether a file or a directory is there.
pub(super) fn exists(medium: &dyn Medium, path: &Path) -> io::Result<bool> {
    if medium.size(path)?.is_some() {
        return Ok(true);
    }
    // Not every medium knows the size of a directory.
    Ok(!medium.list(path)?.is_empty())
}

/// Makes a rename to `path` durable.
pub(super) fn sync_parent(medium: &dyn Medium, path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => medium.sync_directory(parent),
        _ => Ok(()),
    }
}
