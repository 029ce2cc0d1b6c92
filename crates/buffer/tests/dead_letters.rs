//! The store of dead letters on a real disk: what is written is there, commands and agent do not disturb each other,
//! bounds hold, damage is set aside.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use nephoscope_buffer::dead_letters::{
    Contents, DeadLetters, FILES_MAX, Letter, LetterId, Limits, LockError, Stored,
};
use nephoscope_buffer::medium::Disk;
use tempfile::TempDir;

fn store(directory: &TempDir, bytes: u64, files: usize) -> DeadLetters {
    DeadLetters::new(directory.path(), Arc::new(Disk), Limits { bytes, files })
}

fn letter(second: i64, body: &str) -> Letter {
    Letter {
        time: jiff::Timestamp::from_second(1_790_000_000 + second).unwrap(),
        cause: "not_json".into(),
        queue: "notifications.info".into(),
        body: body.as_bytes().to_vec(),
        ..Letter::default()
    }
}

fn all(store: &DeadLetters) -> Vec<Stored> {
    let files = store.files().unwrap();
    files.iter().flat_map(|file| store.read(file).unwrap().letters).collect()
}

fn bodies(store: &DeadLetters) -> Vec<String> {
    all(store).into_iter().map(|stored| String::from_utf8(stored.letter.body).unwrap()).collect()
}

fn ids(store: &DeadLetters, body: &str) -> BTreeSet<LetterId> {
    let wanted = |stored: &Stored| stored.letter.body == body.as_bytes();
    all(store).into_iter().filter(wanted).map(|stored| stored.id).collect()
}

#[test]
fn letters_come_out_as_they_went_in_oldest_first() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 1 << 20, FILES_MAX);
    assert_eq!(store.files().unwrap(), Vec::<String>::new());
    store.write(&[letter(7, "c"), letter(7, "d")]).unwrap();
    store.write(&[letter(1, "a"), letter(2, "b")]).unwrap();
    assert!(store.write(&[]).unwrap().left_out.is_empty());
    assert_eq!(bodies(&store), ["a", "b", "c", "d"]);
    let files = store.files().unwrap();
    assert_eq!(files.len(), 2, "one file for each batch");
    assert_eq!(store.read(&files[0]).unwrap().letters[1].letter, letter(2, "b"));
    let distinct: BTreeSet<LetterId> = all(&store).into_iter().map(|stored| stored.id).collect();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn what_is_taken_away_is_gone_and_the_rest_keeps_its_names() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 1 << 20, FILES_MAX);
    store.write(&[letter(1, "a"), letter(1, "b"), letter(1, "c")]).unwrap();
    let file = store.files().unwrap().remove(0);
    let (of_b, of_c) = (ids(&store, "b"), ids(&store, "c"));
    let lock = store.lock_for_changes().unwrap();
    assert_eq!(store.remove(&lock, &file, &of_b).unwrap(), 1);
    assert_eq!(bodies(&store), ["a", "c"]);
    assert_eq!(ids(&store, "c"), of_c);
    assert_eq!(store.remove(&lock, &file, &of_b).unwrap(), 0, "it is gone already");
    let rest = all(&store).into_iter().map(|stored| stored.id).collect();
    assert_eq!(store.remove(&lock, &file, &rest).unwrap(), 2);
    assert_eq!(store.files().unwrap(), Vec::<String>::new());
    assert_eq!(store.remove(&lock, &file, &rest).unwrap(), 0);
    assert_eq!(store.read(&file).unwrap(), Contents::default());
    assert_eq!(store.measure().unwrap().files, 0);
}

#[test]
fn the_agent_writes_while_a_command_holds_the_lock_and_a_second_command_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (agent, command) = (store(&directory, 1 << 20, FILES_MAX), store(&directory, 0, 0));
    agent.write(&[letter(1, "a")]).unwrap();
    let lock = command.lock_for_changes().unwrap();
    let refused = store(&directory, 0, 0).lock_for_changes().unwrap_err();
    assert!(
        matches!(&refused, LockError::Held(_)) && refused.to_string().contains("another command"),
        "{refused}"
    );
    agent.write(&[letter(2, "b")]).unwrap();
    assert_eq!(bodies(&command), ["a", "b"]);
    drop(lock);
    command.lock_for_changes().unwrap();
}

#[test]
fn what_does_not_fit_is_left_out_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 2 * 4096, FILES_MAX);
    let large = "x".repeat(5000);
    let written = store.write(&[letter(0, "a"), letter(0, &large), letter(0, "b")]).unwrap();
    assert_eq!((written.left_out.as_slice(), written.usage.bytes), ([].as_slice(), 8192));
    assert!(store.is_full(written.usage));
    assert_eq!(store.write(&[letter(10, "c"), letter(10, "d")]).unwrap().left_out, [0, 1]);
    // A command, another process, makes room.
    let lock = store.lock_for_changes().unwrap();
    let file = store.files().unwrap().remove(0);
    store.remove(&lock, &file, &ids(&store, &large)).unwrap();
    assert_eq!(store.write(&[letter(20, "e"), letter(20, &large)]).unwrap().left_out, [1]);
    assert_eq!(bodies(&store), ["a", "b", "e"]);
}

#[test]
fn the_number_of_files_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 1 << 20, 3);
    for second in 0..3 {
        assert!(store.write(&[letter(second, "a")]).unwrap().left_out.is_empty());
    }
    assert_eq!(store.write(&[letter(4, "b")]).unwrap().left_out, [0]);
    assert!(store.is_full(store.measure().unwrap()));
}

#[test]
fn a_damaged_line_costs_nothing_but_itself() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 1 << 20, FILES_MAX);
    store.write(&[letter(1, "a"), letter(1, "b"), letter(1, "c")]).unwrap();
    let file = store.files().unwrap().remove(0);
    let path = store.directory().join(&file);
    let text = fs::read_to_string(&path).unwrap().replace("\"b\"", "\"B\"");
    fs::write(&path, &text).unwrap();
    fs::write(store.directory().join("nonsense.jsonl"), [0, 255, 10, 13, 10]).unwrap();
    fs::write(store.directory().join("unrelated"), "x").unwrap();
    assert_eq!(bodies(&store), ["a", "c"]);
    let damaged = store.read(&file).unwrap().damaged;
    assert_eq!((damaged.len(), damaged[0].line), (1, Some(2)), "{damaged:?}");
    assert_eq!(store.read("nonsense.jsonl").unwrap().damaged.len(), 2);
    let lock = store.lock_for_changes().unwrap();
    let readable = all(&store).into_iter().map(|stored| stored.id).collect();
    assert_eq!(store.remove(&lock, &file, &readable).unwrap(), 2);
    // What nobody could read is kept for a person to look at, under a name that no command reads.
    assert_eq!(store.files().unwrap(), ["nonsense.jsonl"]);
    let aside = store.damaged_files().unwrap();
    let kept = fs::read_to_string(store.directory().join(&aside[0])).unwrap();
    assert_eq!(kept.trim_end(), text.lines().nth(1).unwrap());
    assert_eq!(store.measure().unwrap().files, 2);
    store.write(&[letter(2, "d")]).unwrap();
    assert_eq!(bodies(&store), ["d"]);
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("dead-letters"), "in the way").unwrap();
    let store = store(&directory, 1 << 20, FILES_MAX);
    for error in [store.open().unwrap_err(), store.write(&[letter(1, "a")]).unwrap_err()] {
        assert!(error.to_string().contains("dead-letters"), "{error}");
    }
    fs::remove_file(directory.path().join("dead-letters")).unwrap();
    store.write(&[letter(1, "a")]).unwrap();
    assert_eq!(bodies(&store), ["a"]);
}
