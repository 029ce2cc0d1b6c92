//! Files that are no index: each start says what is wrong and what to do, and leaves the file as it was.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[path = "support/engines.rs"]
#[expect(dead_code, reason = "shared with other suites")]
mod engines;

use std::path::{Path, PathBuf};
use std::time::Duration;

use nephoscope_metric_index::{Error, GENERIC, Index, NewResource, ResourceQuery};
use observability::clock::Clock;
use sql::{Database, Migration, Options, Schema};
use uuid::Uuid;

fn url(path: &Path) -> String {
    format!("sqlite:///{}", path.display())
}

async fn open(path: &Path) -> Result<Index, Error> {
    let options = Options { lock_patience: Duration::from_millis(200), ..engines::options() };
    Index::open(&url(path), options, Clock::machine()).await
}

/// A directory and an index in it, with some resources, closed.
async fn index() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/index.db");
    let index = open(&path).await.unwrap();
    for number in 1..200 {
        index.create_resource(&NewResource::new(GENERIC, Uuid::from_u128(number))).await.unwrap();
    }
    index.close().await;
    (directory, path)
}

#[tokio::test]
async fn a_closed_index_is_one_file_that_only_its_group_reads() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_directory, path) = index().await;
    let names: Vec<_> =
        std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["index.db"]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o027, 0);
    let again = open(&path).await.unwrap();
    assert_eq!(again.resources(&ResourceQuery::of(GENERIC)).await.unwrap().len(), 199);
}

#[tokio::test]
async fn files_that_are_something_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index.db");
    for content in [b"#!/bin/sh\n".repeat(200), vec![0; 4096], b"SQLite format 3\0".to_vec()] {
        std::fs::write(&path, &content).unwrap();
        let error = open(&path).await.unwrap_err().to_string();
        assert!(error.contains("index.db") && error.contains("is not a SQLite database"), "{error}");
        assert!(error.contains("move it away") && error.contains("backup"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    // An empty file is an empty database.
    std::fs::write(&path, b"").unwrap();
    open(&path).await.unwrap();
}

#[tokio::test]
async fn a_directory_and_a_path_below_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let error = open(directory.path()).await.unwrap_err().to_string();
    assert!(error.contains("cannot use the database file"), "{error}");
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = open(&file.join("index.db")).await.unwrap_err().to_string();
    assert!(error.contains("cannot use the database file"), "{error}");
}

#[tokio::test]
async fn the_database_of_another_program() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index.db");
    let script =
        format!("import sqlite3; c = sqlite3.connect('{}'); c.execute('CREATE TABLE t (a)')", path.display());
    let done = std::process::Command::new("python3").args(["-c", &script]).status().unwrap();
    assert!(done.success());
    let error = open(&path).await.unwrap_err().to_string();
    assert!(error.contains("not one of ours") && error.contains("name another file"), "{error}");
}

#[tokio::test]
async fn an_index_of_a_newer_program() {
    let (_directory, path) = index().await;
    const LATER: Schema = Schema {
        name: "metric-index",
        migrations: &[Migration {
            version: 99,
            name: "later",
            statements: "CREATE TABLE later (a {integer}) {strict};",
        }],
    };
    let database = Database::open(&url(&path), Options::default()).await.unwrap();
    database.migrate(&LATER).await.unwrap();
    database.close().await;
    let error = open(&path).await.unwrap_err().to_string();
    assert!(error.contains("version 99 of the schema metric-index"), "{error}");
    assert!(error.contains("use the program that wrote it"), "{error}");
}

#[tokio::test]
async fn a_file_that_another_program_has_locked() {
    let (_directory, path) = index().await;
    let index = open(&path).await.unwrap();
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); \
                  c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read()";
    let mut holder = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 6];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
    let error = index.create_resource(&NewResource::new(GENERIC, Uuid::from_u128(1000))).await.unwrap_err();
    assert!(error.to_string().contains("has been locked by another program"), "{error}");
    // Reading goes on meanwhile, and writing when the other has ended.
    assert_eq!(index.resources(&ResourceQuery::of(GENERIC)).await.unwrap().len(), 199);
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    index.create_resource(&NewResource::new(GENERIC, Uuid::from_u128(1000))).await.unwrap();
}

/// Bytes are overwritten all over the file: each start either works or says what is wrong, and what is read later is an
/// answer or an error, never a crash.
#[tokio::test]
async fn bytes_that_changed() {
    let (_directory, path) = index().await;
    let whole = std::fs::read(&path).unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let mut told = 0;
    for _ in 0..25 {
        let mut damaged = whole.clone();
        let at = random.usize(..damaged.len() - 600);
        damaged[at..at + 600].fill_with(|| random.u8(..));
        std::fs::write(&path, &damaged).unwrap();
        match open(&path).await {
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.contains("index.db") || error.contains("index holds") || error.contains("in:"),
                    "{error}"
                );
                told += 1;
            }
            Ok(index) => {
                let problems = index.check().await;
                let listed = index.resources(&ResourceQuery::of(GENERIC)).await;
                told += usize::from(listed.is_err() || !problems.is_ok_and(|problems| problems.is_empty()));
                index.close().await;
            }
        }
    }
    assert!(told > 0);
}

#[tokio::test]
async fn a_backup_of_an_index_in_use() {
    let (directory, path) = index().await;
    let index = open(&path).await.unwrap();
    let target = directory.path().join("backup.db");
    let new = NewResource::new(GENERIC, Uuid::from_u128(1000));
    let writing = index.create_resource(&new);
    let (written, copied) = tokio::join!(writing, index.backup(&target));
    written.unwrap();
    copied.unwrap();
    let copy = open(&target).await.unwrap();
    assert!(copy.resources(&ResourceQuery::of(GENERIC)).await.unwrap().len() >= 199);
    assert_eq!(copy.check().await.unwrap(), Vec::<String>::new());
    // It does not overwrite.
    assert!(index.backup(&target).await.is_err());
}
