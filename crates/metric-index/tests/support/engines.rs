//! An index in each engine.

use std::fmt::Debug;
use std::time::Duration;

use nephoscope_metric_index::Index;
use observability::clock::{Clock, TestClock};
use sql::Options;
use testkit::{LastingDirectory, PostgreSql};

/// When the tests' clock begins: 2026-01-01T00:00:00Z.
pub(crate) const START_MICROSECONDS: i64 = 1_767_225_600_000_000;

/// An empty index, its clock, and whatever keeps it alive.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) index: Index,
    pub(crate) clock: TestClock,
    _directory: Option<LastingDirectory>,
}

impl Engine {
    async fn at(url: String, directory: Option<LastingDirectory>) -> Self {
        let (clock, hand) = Clock::test(jiff::Timestamp::from_microsecond(START_MICROSECONDS).unwrap());
        let index = Index::open(&url, options(), clock).await.unwrap();
        Self { index, clock: hand, _directory: directory }
    }

    /// In a file of its own.
    pub(crate) async fn sqlite() -> Self {
        let directory = LastingDirectory::new().unwrap();
        let url = format!("sqlite:///{}", directory.path().join("index.db").display());
        Self::at(url, Some(directory)).await
    }

    /// In a new database of the server.
    pub(crate) async fn postgresql(server: &PostgreSql, name: &str) -> Self {
        Self::at(new_database(server, name), None).await
    }

    /// Lets time pass, so that stamps differ.
    pub(crate) fn tick(&self) {
        self.clock.advance(Duration::from_secs(1));
    }
}

/// The URL of a new database.
pub(crate) fn new_database(server: &PostgreSql, name: &str) -> String {
    server.psql(&format!("CREATE DATABASE {name}")).unwrap();
    let url = server.url();
    let (before, _) = url.rsplit_once('/').unwrap();
    format!("{before}/{name}")
}

pub(crate) fn options() -> Options {
    Options { deadline: Duration::from_mins(1), ..Options::default() }
}
