//! A medium that fails on command: [`FaultyMedium`] keeps files in memory, twice.
//!
//! The *live* image is what the program reads back; the *durable* image is what a crash of the machine leaves.
//! - A write reaches the live image; a successful sync copies the file's live image to the durable one.
//! - A file's creation, rename and removal are durable when its directory has been synced; a directory's creation is at
//!   once.
//! - A sync that fails drops what it should have written: the program still reads it, but later syncs report
//!   success without writing it (as Linux does, since the pages are marked clean), so that a crash leaves
//!   zeros there.
//! - After a crash every operation fails. [`FaultyMedium::after_crash`] is the medium that the restarted
//!   program finds; [`Survival`] says how much of what was not synced it kept.
//!
//! Every call of the trait counts as one operation, so that a test can let each operation fail in turn.

mod gate;
mod state;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use buffer::medium::{Medium, MediumFile, MediumLock};

use gate::Gate;
pub use gate::HeldWrites;
use state::State;

/// What an operation shall suffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A write takes only the first half of the bytes (at least one); another operation is done as usual.
    ShortWrite,
    /// "No space left on device"; nothing is done. A sync that fails drops what it should have written.
    NoSpace,
    /// "Input/output error"; nothing is done. A sync that fails drops what it should have written.
    InputOutput,
    /// The machine stops. A write may have happened in part; every later operation fails.
    Crash,
}

/// How much of what was not synced survives a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    OnlySynced,
    /// Everything, as when only the process was killed.
    Everything,
    /// A part chosen by the seed: files are cut anywhere between their durable and their live end, the last
    /// bytes may be zeros, and of creations, renames and removals the first few happened.
    Torn(u64),
}

/// A medium in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct FaultyMedium {
    state: Arc<Mutex<State>>,
    gate: Arc<Gate>,
}

impl FaultyMedium {
    /// An empty medium without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets operation number `operation` (from one, over the medium's life) suffer a fault.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.state().faults.insert(operation, fault);
    }

    /// Lets every operation from the next one on suffer a fault, until [`Self::recover`].
    pub fn fail_from_now(&self, fault: Fault) {
        self.state().lasting = Some(fault);
    }

    /// Ends [`Self::fail_from_now`], and every [`Self::fail_at`] to come. It does not undo a crash.
    pub fn recover(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.lasting = None;
    }

    /// Bounds the sum of all files' sizes: the write that would exceed it is short, the next one fails with
    /// "no space left on device". `None` lifts the bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Lets writes hang, as on a disk that is in trouble, until what is returned is dropped.
    pub fn hold_writes(&self) -> HeldWrites {
        self.hold_writes_below("")
    }

    /// As [`Self::hold_writes`], but only of the files of a directory and of those below it.
    pub fn hold_writes_below(&self, directory: impl AsRef<Path>) -> HeldWrites {
        HeldWrites::shut(&self.gate, directory.as_ref())
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Whether the machine has crashed.
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// Stops the machine now.
    pub fn crash(&self) {
        self.state().crashed = true;
    }

    /// What the program reads at `path`.
    pub fn contents(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.state().live_file(path.as_ref()).map(|file| file.live.clone())
    }

    /// Puts a file there, durably, as if it had always been.
    pub fn put(&self, path: impl AsRef<Path>, contents: &[u8]) {
        self.state().put(path.as_ref(), contents);
    }

    /// Names of the files that the program sees.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().live_paths()
    }

    /// The medium that a restarted program finds after a crash at this moment. This one is left as it is.
    #[must_use]
    pub fn after_crash(&self, survival: Survival) -> Self {
        Self { state: Arc::new(Mutex::new(self.state().after_crash(survival))), gate: Arc::default() }
    }

    fn opened(&self, file: u64, path: &Path) -> Box<dyn MediumFile> {
        let (state, gate) = (Arc::clone(&self.state), Arc::clone(&self.gate));
        Box::new(FaultyFile { state, gate, file, path: path.to_owned() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Medium for FaultyMedium {
    fn append(&self, path: &Path) -> io::Result<Box<dyn MediumFile>> {
        let mut state = self.state();
        state.step()?;
        let file = state.open_or_create(path)?;
        Ok(self.opened(file, path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn MediumFile>> {
        let mut state = self.state();
        state.step()?;
        let file = state.find(path)?;
        Ok(self.opened(file, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.rename(from, to)
    }

    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        let mut state = self.state();
        state.step()?;
        Ok(state.live_file(path).map(|file| file.live.len() as u64))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.sync_directory(directory);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.remove(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.step()?;
        let file = state.live_file(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(file.live.clone())
    }

    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.create_directory(directory)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let mut state = self.state();
        state.step()?;
        Ok(state.list(directory))
    }

    fn lock(&self, directory: &Path) -> io::Result<Box<dyn MediumLock>> {
        let mut state = self.state();
        state.step()?;
        state.take_lock(directory)?;
        Ok(Box::new(FaultyLock { state: Arc::clone(&self.state), directory: directory.to_owned() }))
    }
}

/// A lock of a directory of a [`FaultyMedium`].
#[derive(Debug)]
struct FaultyLock {
    state: Arc<Mutex<State>>,
    directory: PathBuf,
}

impl MediumLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).release_lock(&self.directory);
    }
}

/// An open file of a [`FaultyMedium`].
#[derive(Debug)]
struct FaultyFile {
    state: Arc<Mutex<State>>,
    gate: Arc<Gate>,
    file: u64,
    /// Its name when it was opened.
    path: PathBuf,
}

impl FaultyFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MediumFile for FaultyFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.gate.pass(&self.path);
        self.state().write(self.file, data)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.state().sync(self.file)
    }

    fn size(&self) -> io::Result<u64> {
        let mut state = self.state();
        state.step()?;
        Ok(state.file(self.file).live.len() as u64)
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let size = usize::try_from(size).map_err(io::Error::other)?;
        state.file(self.file).resize(size);
        Ok(())
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let wanted =
            offset.checked_add(buffer.len()).and_then(|end| state.file(self.file).live.get(offset..end));
        buffer.copy_from_slice(wanted.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.state();
        state.step()?;
        Ok(state.is_at(self.file, path))
    }
}
