//! The faulty medium keeps its promises.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::ErrorKind;
use std::path::Path;

use buffer::medium::{Medium, MediumFile};
use testkit::faults::{Fault, FaultyMedium, Survival};

const PATH: &str = "/d/file";

fn dir() -> &'static Path {
    Path::new("/d")
}

fn open(medium: &FaultyMedium) -> Box<dyn MediumFile> {
    medium.append(Path::new(PATH)).unwrap()
}

/// A durable file that holds `synced`, and after it, unsynced, `more`.
fn prepared() -> (FaultyMedium, Box<dyn MediumFile>) {
    let medium = FaultyMedium::new();
    let mut file = open(&medium);
    assert_eq!(file.write(b"synced").unwrap(), 6);
    file.sync().unwrap();
    medium.sync_directory(dir()).unwrap();
    file.write(b" and more").unwrap();
    (medium, file)
}

#[test]
fn a_crash_keeps_what_was_synced_and_perhaps_more() {
    let (medium, _file) = prepared();
    assert_eq!(medium.contents(PATH).unwrap(), b"synced and more");
    let after = |survival| medium.after_crash(survival).contents(PATH).unwrap();
    assert_eq!(after(Survival::OnlySynced), b"synced");
    assert_eq!(after(Survival::Everything), b"synced and more");
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..500 {
        let torn = after(Survival::Torn(seed));
        assert_eq!(torn, after(Survival::Torn(seed)), "the same seed gives the same state");
        assert!(torn.starts_with(b"synced") && torn.len() <= 15, "{torn:?}");
        found.insert(torn);
    }
    assert!(found.contains(b"synced".as_slice()) && found.contains(b"synced and more".as_slice()));
    assert!(found.iter().any(|torn| torn.contains(&0)) && found.len() > 15, "{found:?}");
}

#[test]
fn a_new_file_and_a_rename_are_durable_after_the_directorys_sync() {
    let medium = FaultyMedium::new();
    let mut file = open(&medium);
    file.write(b"x").unwrap();
    file.sync().unwrap();
    assert_eq!(medium.after_crash(Survival::OnlySynced).paths(), Vec::<std::path::PathBuf>::new());
    medium.sync_directory(Path::new("/other")).unwrap();
    assert_eq!(medium.after_crash(Survival::OnlySynced).contents(PATH), None);
    medium.sync_directory(dir()).unwrap();
    assert_eq!(medium.after_crash(Survival::OnlySynced).contents(PATH).unwrap(), b"x");
    medium.rename(Path::new(PATH), Path::new("/d/old")).unwrap();
    assert!(!file.is_at(Path::new(PATH)).unwrap() && file.is_at(Path::new("/d/old")).unwrap());
    assert_eq!(medium.size(Path::new(PATH)).unwrap(), None);
    assert_eq!(medium.after_crash(Survival::OnlySynced).contents(PATH).unwrap(), b"x");
    assert_eq!(medium.after_crash(Survival::Everything).contents("/d/old").unwrap(), b"x");
    medium.sync_directory(dir()).unwrap();
    assert_eq!(medium.after_crash(Survival::OnlySynced).contents("/d/old").unwrap(), b"x");
    assert_eq!(medium.rename(Path::new(PATH), Path::new("/d/x")).unwrap_err().kind(), ErrorKind::NotFound);
}

/// The story: after a crash a directory had the name that it was to get, and its files were under the other one.
#[test]
fn a_directorys_rename_is_durable_after_its_parents_sync() {
    let medium = FaultyMedium::new();
    let (old, new) = (Path::new("/p/old"), Path::new("/p/new"));
    medium.create_directory(&old.join("inner")).unwrap();
    medium.put("/p/old/file", b"x");
    medium.rename(old, new).unwrap();
    let names = |survival, directory| medium.after_crash(survival).list(directory).unwrap().len();
    assert_eq!((names(Survival::OnlySynced, old), names(Survival::OnlySynced, new)), (2, 0));
    assert_eq!((names(Survival::Everything, old), names(Survival::Everything, new)), (0, 2));
    medium.sync_directory(Path::new("/p")).unwrap();
    assert_eq!((names(Survival::OnlySynced, old), names(Survival::OnlySynced, new)), (0, 2));
}

#[test]
fn faults_strike_the_operation_that_they_were_meant_for() {
    let (medium, mut file) = prepared();
    medium.fail_at(medium.operations() + 1, Fault::ShortWrite);
    medium.fail_at(medium.operations() + 2, Fault::NoSpace);
    medium.fail_at(medium.operations() + 4, Fault::InputOutput);
    assert_eq!(file.write(b"12345").unwrap(), 3);
    assert_eq!(file.write(b"45").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.write(b"45").unwrap(), 2);
    assert_eq!(file.size().unwrap_err().raw_os_error(), Some(5));
    assert_eq!(file.size().unwrap(), 20);
    assert_eq!(medium.contents(PATH).unwrap(), b"synced and more12345");
    let mut read = [0; 4];
    file.read_at(16, &mut read).unwrap();
    assert_eq!(&read, b"2345");
    assert_eq!(file.read_at(17, &mut read).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    medium.fail_from_now(Fault::NoSpace);
    file.write(b"z").unwrap_err();
    medium.append(Path::new("/d/other")).unwrap_err();
    medium.recover();
    file.write(b"z").unwrap();
}

#[test]
fn a_failed_sync_drops_data_for_ever_unless_it_is_written_again() {
    let (medium, mut file) = prepared();
    medium.fail_at(medium.operations() + 1, Fault::InputOutput);
    file.sync().unwrap_err();
    file.sync().unwrap();
    assert_eq!(medium.contents(PATH).unwrap(), b"synced and more", "the program still reads it");
    assert_eq!(medium.after_crash(Survival::OnlySynced).contents(PATH).unwrap(), b"synced\0\0\0\0\0\0\0\0\0");
    file.truncate(6).unwrap();
    file.write(b" and more").unwrap();
    file.sync().unwrap();
    assert_eq!(medium.after_crash(Survival::OnlySynced).contents(PATH).unwrap(), b"synced and more");
}

#[test]
fn a_truncation_is_durable_after_a_sync() {
    let (medium, mut file) = prepared();
    file.truncate(2).unwrap();
    assert_eq!(medium.after_crash(Survival::OnlySynced).contents(PATH).unwrap(), b"synced");
    file.sync().unwrap();
    assert_eq!(medium.after_crash(Survival::OnlySynced).contents(PATH).unwrap(), b"sy");
}

#[test]
fn nothing_works_after_a_crash_until_the_restart() {
    let (medium, mut file) = prepared();
    medium.fail_at(medium.operations() + 1, Fault::Crash);
    file.write(b"1234").unwrap_err();
    assert!(medium.has_crashed());
    for result in [
        file.sync(),
        file.truncate(0),
        file.size().map(drop),
        medium.sync_directory(dir()),
        medium.append(Path::new(PATH)).map(drop),
    ] {
        result.unwrap_err();
    }
    assert_eq!(medium.contents(PATH).unwrap(), b"synced and more12");
    let restarted = medium.after_crash(Survival::OnlySynced);
    let mut file = open(&restarted);
    assert_eq!(file.size().unwrap(), 6);
    file.write(b"!").unwrap();
    assert_eq!(medium.contents(PATH).unwrap(), b"synced and more12", "the old medium is its own");
}

#[test]
fn a_full_medium_writes_short_then_fails_then_recovers() {
    let (medium, mut file) = prepared();
    medium.set_capacity(Some(17));
    assert_eq!(file.write(b"abcd").unwrap(), 2);
    assert_eq!(file.write(b"cd").unwrap_err().kind(), ErrorKind::StorageFull);
    medium.set_capacity(None);
    assert_eq!(file.write(b"cd").unwrap(), 2);
    medium.put("/d/given", b"before");
    assert_eq!(medium.after_crash(Survival::OnlySynced).contents("/d/given").unwrap(), b"before");
}

#[test]
fn a_removal_is_durable_after_the_directorys_sync() {
    let (medium, file) = prepared();
    medium.remove(Path::new(PATH)).unwrap();
    assert_eq!((medium.contents(PATH), medium.size(Path::new(PATH)).unwrap()), (None, None));
    assert_eq!(medium.read(Path::new(PATH)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(medium.remove(Path::new(PATH)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(medium.open(Path::new(PATH)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(file.size().unwrap(), 15, "an open file lives on");
    assert_eq!(medium.after_crash(Survival::OnlySynced).contents(PATH).unwrap(), b"synced");
    assert_eq!(medium.after_crash(Survival::Everything).contents(PATH), None);
    medium.sync_directory(dir()).unwrap();
    assert_eq!(medium.after_crash(Survival::OnlySynced).contents(PATH), None);
}

/// What the trait promises of directories and locks, on both media.
fn directories_and_locks(medium: &dyn Medium, root: &Path) {
    let sorted = |directory: &Path| {
        let mut names = medium.list(directory).unwrap();
        names.sort();
        names
    };
    let inner = root.join("a/b");
    assert!(medium.list(&inner).unwrap().is_empty());
    medium.create_directory(&inner).unwrap();
    medium.create_directory(&inner).unwrap();
    medium.append(&inner.join("one")).unwrap().write(b"1").unwrap();
    assert_eq!(medium.read(&inner.join("one")).unwrap(), b"1");
    medium.append(&inner.join("two")).unwrap();
    assert_eq!(sorted(&inner), ["one", "two"]);
    assert_eq!(sorted(root), ["a"]);
    medium.append(&inner).unwrap_err();
    medium.remove(&inner).unwrap_err();
    medium.create_directory(&inner.join("one")).unwrap_err();
    medium.rename(&inner, &root.join("a/c")).unwrap();
    assert_eq!(sorted(&root.join("a/c")), ["one", "two"]);
    let mut byte = [0];
    medium.open(&root.join("a/c/one")).unwrap().read_at(0, &mut byte).unwrap();
    assert_eq!(&byte, b"1");
    let held = medium.lock(root).unwrap();
    assert_eq!(medium.lock(root).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(held);
    medium.lock(root).unwrap();
}

#[test]
fn the_faulty_medium_has_directories_and_locks_as_the_disk_has() {
    directories_and_locks(&FaultyMedium::new(), Path::new("/d"));
    let directory = tempfile::tempdir().unwrap();
    directories_and_locks(&buffer::medium::Disk, directory.path());
}
