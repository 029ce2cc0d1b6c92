//! The files of a faulty medium, live and durable.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::{Fault, Survival};

/// Zeros that a torn file may end with: a block that was allocated and never written.
const MAX_ZEROS: u64 = 64;

/// A file's two images.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub(super) live: Vec<u8>,
    durable: Vec<u8>,
    /// Parts of the live image that a failed sync has dropped.
    dropped: Vec<Range<usize>>,
}

impl File {
    pub(super) fn resize(&mut self, size: usize) {
        self.live.resize(size, 0);
        for range in &mut self.dropped {
            range.end = range.end.min(size);
        }
        self.dropped.retain(|range| range.start < range.end);
    }

    /// What reaches the medium when the live image is written out.
    fn written(&self) -> Vec<u8> {
        let mut written = self.live.clone();
        for range in &self.dropped {
            written[range.clone()].fill(0);
        }
        written
    }

    /// The first place where the images differ.
    fn dirty_from(&self) -> usize {
        let same = self.live.iter().zip(&self.durable).take_while(|(live, durable)| live == durable);
        same.count()
    }
}

/// A change of a directory that is not durable yet.
#[derive(Debug, Clone)]
enum Change {
    Create(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Change {
    fn touches(&self, directory: &Path) -> bool {
        let within = |path: &Path| path.parent() == Some(directory);
        match self {
            Self::Create(path, _) | Self::Remove(path) => within(path),
            Self::Rename(from, to) => within(from) || within(to),
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, u64>, directories: &mut BTreeSet<PathBuf>) {
        match self {
            Self::Create(path, file) => {
                names.insert(path, file);
            }
            Self::Rename(from, to) => {
                for (path, file) in take_under(names, &from) {
                    names.insert(moved(&path, &from, &to), file);
                }
                move_directories(directories, &from, &to);
            }
            Self::Remove(path) => {
                names.remove(&path);
            }
        }
    }
}

/// Takes out the file `path`, or what lies under the directory `path`.
fn take_under(names: &mut BTreeMap<PathBuf, u64>, path: &Path) -> BTreeMap<PathBuf, u64> {
    let (taken, kept) = std::mem::take(names).into_iter().partition(|(name, _)| name.starts_with(path));
    *names = kept;
    taken
}

fn move_directories(directories: &mut BTreeSet<PathBuf>, from: &Path, to: &Path) {
    *directories = std::mem::take(directories).into_iter().map(|path| moved(&path, from, to)).collect();
}

fn moved(path: &Path, from: &Path, to: &Path) -> PathBuf {
    match path.strip_prefix(from) {
        Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
        Ok(rest) => to.join(rest),
        Err(_) => path.to_owned(),
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    files: BTreeMap<u64, File>,
    live: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    changes: Vec<Change>,
    directories: BTreeSet<PathBuf>,
    /// The same with durable names.
    durable_directories: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    next_file: u64,
    pub(super) operations: u64,
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) lasting: Option<Fault>,
    pub(super) capacity: Option<u64>,
    pub(super) crashed: bool,
}

impl State {
    /// Counts an operation; fails it if a fault is due. What only a write or a sync cares about is left to it.
    pub(super) fn step(&mut self) -> io::Result<()> {
        match self.due()? {
            None | Some(Fault::ShortWrite) => Ok(()),
            Some(fault) => Err(self.error(fault)),
        }
    }

    fn due(&mut self) -> io::Result<Option<Fault>> {
        if self.crashed {
            return Err(io::Error::other("the machine has crashed"));
        }
        self.operations += 1;
        Ok(self.faults.remove(&self.operations).or(self.lasting))
    }

    fn error(&mut self, fault: Fault) -> io::Error {
        match fault {
            Fault::NoSpace => Errno::NOSPC.into(),
            Fault::ShortWrite | Fault::InputOutput => Errno::IO.into(),
            Fault::Crash => {
                self.crashed = true;
                io::Error::other("the machine crashes")
            }
        }
    }

    pub(super) fn file(&mut self, file: u64) -> &mut File {
        self.files.entry(file).or_default()
    }

    pub(super) fn live_file(&self, path: &Path) -> Option<&File> {
        self.files.get(self.live.get(path)?)
    }

    pub(super) fn live_paths(&self) -> Vec<PathBuf> {
        self.live.keys().cloned().collect()
    }

    pub(super) fn is_at(&self, file: u64, path: &Path) -> bool {
        self.live.get(path) == Some(&file)
    }

    pub(super) fn put(&mut self, path: &Path, contents: &[u8]) {
        let file = self.create(path);
        self.durable.insert(path.to_owned(), file);
        *self.file(file) =
            File { live: contents.to_owned(), durable: contents.to_owned(), dropped: Vec::new() };
    }

    fn create(&mut self, path: &Path) -> u64 {
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, File::default());
        self.live.insert(path.to_owned(), file);
        file
    }

    pub(super) fn open_or_create(&mut self, path: &Path) -> io::Result<u64> {
        match self.find(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = self.create(path);
                self.changes.push(Change::Create(path.to_owned(), file));
                Ok(file)
            }
            found => found,
        }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        if self.directories.contains(path) {
            return Err(Errno::ISDIR.into());
        }
        self.live.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.live.remove(path);
        self.changes.push(Change::Remove(path.to_owned()));
        Ok(())
    }

    pub(super) fn create_directory(&mut self, directory: &Path) -> io::Result<()> {
        for ancestor in directory.ancestors() {
            if self.live.contains_key(ancestor) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            self.directories.insert(ancestor.to_owned());
            self.durable_directories.insert(ancestor.to_owned());
        }
        Ok(())
    }

    /// The names directly in `directory`. A directory exists once it was created or something lies in it.
    pub(super) fn list(&self, directory: &Path) -> Vec<OsString> {
        let mut names = BTreeSet::new();
        for path in self.live.keys().chain(&self.directories) {
            let first = path.strip_prefix(directory).ok().and_then(|rest| rest.components().next());
            names.extend(first.map(|name| name.as_os_str().to_owned()));
        }
        names.into_iter().collect()
    }

    pub(super) fn take_lock(&mut self, directory: &Path) -> io::Result<()> {
        if self.locks.insert(directory.to_owned()) { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    pub(super) fn release_lock(&mut self, directory: &Path) {
        self.locks.remove(directory);
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let taken = take_under(&mut self.live, from);
        if taken.is_empty() && !self.directories.contains(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.live.extend(taken.into_iter().map(|(path, file)| (moved(&path, from, to), file)));
        move_directories(&mut self.directories, from, to);
        self.changes.push(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, directory: &Path) {
        for change in std::mem::take(&mut self.changes) {
            if change.touches(directory) {
                change.apply(&mut self.durable, &mut self.durable_directories);
            } else {
                self.changes.push(change);
            }
        }
    }

    pub(super) fn write(&mut self, file: u64, data: &[u8]) -> io::Result<usize> {
        let half = data.len().div_ceil(2);
        let taken = match self.due()? {
            None => data.len(),
            Some(Fault::ShortWrite) => half,
            Some(fault @ Fault::Crash) => {
                // Some of it had reached the file when the machine stopped.
                self.file(file).live.extend_from_slice(&data[..half]);
                return Err(self.error(fault));
            }
            Some(fault) => return Err(self.error(fault)),
        };
        let named = self.live.values().filter_map(|file| self.files.get(file));
        let used: usize = named.map(|file| file.live.len()).sum();
        let free = self.capacity.map_or(usize::MAX, |capacity| {
            usize::try_from(capacity).unwrap_or(usize::MAX).saturating_sub(used)
        });
        if free == 0 && !data.is_empty() {
            return Err(self.error(Fault::NoSpace));
        }
        let taken = taken.min(free);
        self.file(file).live.extend_from_slice(&data[..taken]);
        Ok(taken)
    }

    pub(super) fn sync(&mut self, file: u64) -> io::Result<()> {
        match self.due()? {
            None | Some(Fault::ShortWrite) => {
                let file = self.file(file);
                file.durable = file.written();
                Ok(())
            }
            Some(fault) => {
                if fault != Fault::Crash {
                    let file = self.file(file);
                    let dropped = file.dirty_from()..file.live.len();
                    file.dropped.push(dropped);
                }
                Err(self.error(fault))
            }
        }
    }

    pub(super) fn after_crash(&self, survival: Survival) -> Self {
        let mut random = fastrand::Rng::with_seed(match survival {
            Survival::Torn(seed) => seed,
            _ => 0,
        });
        let kept_changes = match survival {
            Survival::OnlySynced => 0,
            Survival::Everything => self.changes.len(),
            Survival::Torn(_) => random.usize(0..=self.changes.len()),
        };
        let mut names = self.durable.clone();
        let mut directories = self.durable_directories.clone();
        for change in self.changes.iter().take(kept_changes).cloned() {
            change.apply(&mut names, &mut directories);
        }
        let mut after = Self {
            next_file: self.next_file,
            capacity: self.capacity,
            durable_directories: directories.clone(),
            directories,
            ..Self::default()
        };
        for (path, file) in names {
            let Some(before) = self.files.get(&file) else { continue };
            let contents = match survival {
                Survival::OnlySynced => before.durable.clone(),
                Survival::Everything => before.live.clone(),
                Survival::Torn(_) => torn(before, &mut random),
            };
            let kept = File { live: contents.clone(), durable: contents, dropped: Vec::new() };
            after.files.insert(file, kept);
            after.live.insert(path.clone(), file);
            after.durable.insert(path, file);
        }
        after
    }
}

/// One of the states that a file with unsynced changes may be found in.
fn torn(file: &File, random: &mut fastrand::Rng) -> Vec<u8> {
    if file.live == file.durable || random.u8(0..4) == 0 {
        return file.durable.clone();
    }
    let mut contents = file.written();
    contents.truncate(random.usize(file.dirty_from()..=contents.len()));
    if contents.len() < file.live.len() && random.bool() {
        let room = (file.live.len() - contents.len()) as u64;
        let zeros = random.u64(0..=room.min(MAX_ZEROS));
        contents.extend((0..zeros).map(|_| 0));
    }
    contents
}
