//! [`Store`]: a publisher's segment log, used from async code, and records as its bytes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use buffer::segment_log::{AppendError, Entry, Found, Recovery, SegmentLog};
use model::codec;
use observability::clock::Clock;
use tokio::task::JoinHandle;

use crate::disk::BufferOptions;
use crate::{Records, RecordsKind};

/// Records that are read from disk and published together at most.
const GROUP_RECORDS: usize = 1_000;
/// Bytes of them, after which no further one is read.
const GROUP_BYTES: usize = 512 << 10;

/// Why the store could not do what was asked; it is tried again.
#[derive(Debug)]
pub(crate) struct StoreError {
    /// The label under which failures are counted.
    pub(crate) cause: &'static str,
    pub(crate) message: String,
}

impl StoreError {
    fn new(cause: &'static str, message: impl std::fmt::Display) -> Self {
        Self { cause, message: message.to_string() }
    }

    fn stopped(error: &tokio::task::JoinError) -> Self {
        Self::new("panic", error)
    }
}

impl From<AppendError> for StoreError {
    fn from(error: AppendError) -> Self {
        Self::new(error.cause(), error)
    }
}

/// The result of a blocking task that may have panicked.
pub(crate) fn flat<T>(
    result: Result<Result<T, StoreError>, tokio::task::JoinError>,
) -> Result<T, StoreError> {
    result.unwrap_or_else(|stopped| Err(StoreError::stopped(&stopped)))
}

/// What the log holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stock {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// When the oldest record came, in microseconds since 1970.
    pub(crate) oldest_microseconds: Option<i64>,
}

impl Stock {
    fn of(log: &mut SegmentLog) -> Self {
        Self { records: log.len(), bytes: log.bytes(), oldest_microseconds: log.oldest() }
    }
}

/// Records that were made durable.
#[derive(Debug)]
pub(crate) struct Appended {
    /// The position behind the last of them.
    pub(crate) end: u64,
    pub(crate) stock: Stock,
}

/// Records that were read.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) records: Records,
    /// What to commit when they are accepted; `None` when there was nothing to read.
    pub(crate) end: Option<u64>,
    pub(crate) expired: u64,
    pub(crate) undecodable: u64,
    /// What could not be read.
    pub(crate) found: Found,
    pub(crate) stock: Stock,
}

/// The log of one publisher. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    log: Arc<Mutex<SegmentLog>>,
    kind: RecordsKind,
    clock: Clock,
    max_age: Option<Duration>,
}

impl Store {
    /// Opens the log in `directory`.
    pub(crate) async fn open(
        options: &BufferOptions,
        directory: &Path,
        kind: RecordsKind,
    ) -> Result<(Self, Recovery, Stock), StoreError> {
        let (medium, limits, directory) =
            (Arc::clone(&options.medium), options.limits(), directory.to_owned());
        let opened = tokio::task::spawn_blocking(move || {
            let (mut log, recovery) = SegmentLog::open(medium, &directory, limits)?;
            let stock = Stock::of(&mut log);
            Ok::<_, buffer::segment_log::OpenError>((log, recovery, stock))
        });
        let opened = opened.await.map_err(|error| StoreError::stopped(&error))?;
        let (log, recovery, stock) = opened.map_err(|error| StoreError::new("open", error))?;
        let (clock, max_age) = (options.clock.clone(), options.max_age);
        Ok((Self { log: Arc::new(Mutex::new(log)), kind, clock, max_age }, recovery, stock))
    }

    /// Starts to append every record of `groups`, in one piece. With `at_hand` they will not be read: the caller has
    /// them at hand.
    pub(crate) fn append(
        &self,
        groups: Vec<Records>,
        at_hand: bool,
    ) -> JoinHandle<Result<Appended, StoreError>> {
        let time = self.clock.now().as_microsecond();
        self.start(move |log, _| {
            let payloads: Vec<Vec<u8>> = groups.iter().flat_map(encode).collect();
            let end = log.append(time, &payloads)?;
            if at_hand {
                log.skip_to(end);
            }
            Ok(Appended { end, stock: Stock::of(log) })
        })
    }

    /// Reads the next records.
    pub(crate) async fn read(&self) -> Result<Group, StoreError> {
        let oldest = self.max_age.map(|age| {
            let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            self.clock.now().as_microsecond().saturating_sub(age)
        });
        let read = self.start(move |log, kind| {
            let entries = log.read(GROUP_RECORDS, GROUP_BYTES);
            let entries = entries.map_err(|error| StoreError::new("read", error))?;
            if entries.is_empty() && log.is_empty() && log.bytes() > 0 {
                // Nothing is left of the rest; its segments can go.
                let end = log.end();
                log.commit(end).map_err(|error| StoreError::new("commit", error))?;
            }
            let end = entries.last().map(|last| last.sequence + 1);
            let total = entries.len() as u64;
            let (expired, fresh): (Vec<_>, Vec<_>) = entries
                .into_iter()
                .partition(|entry| oldest.is_some_and(|oldest| entry.time_microseconds < oldest));
            let (records, bad) = decode(kind, fresh);
            for entry in &bad {
                log.set_record_aside(entry);
            }
            let (expired, undecodable) = (expired.len() as u64, bad.len() as u64);
            debug_assert_eq!(total, expired + undecodable + records.len() as u64);
            Ok(Group { records, end, expired, undecodable, found: log.take_found(), stock: Stock::of(log) })
        });
        flat(read.await)
    }

    /// Says that everything before `end` is done with.
    pub(crate) async fn commit(&self, end: u64) -> (Stock, Result<(), StoreError>) {
        let committed = self.start(move |log, _| {
            let committed = log.commit(end).map_err(|error| StoreError::new("commit", error));
            Ok((Stock::of(log), committed))
        });
        flat(committed.await).unwrap_or_else(|error| (Stock::default(), Err(error)))
    }

    fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SegmentLog, RecordsKind) -> Result<T, StoreError> + Send + 'static,
    ) -> JoinHandle<Result<T, StoreError>> {
        let (log, kind) = (Arc::clone(&self.log), self.kind);
        // The log's own state changes only after what it describes has happened, so a panic leaves it usable.
        tokio::task::spawn_blocking(move || {
            work(&mut log.lock().unwrap_or_else(PoisonError::into_inner), kind)
        })
    }
}

fn encode(records: &Records) -> Vec<Vec<u8>> {
    let encoded = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::with_capacity(1024);
        write(&mut bytes);
        bytes
    };
    match records {
        Records::Samples(samples) => {
            samples.iter().map(|sample| encoded(&|out| codec::write_sample(sample, out))).collect()
        }
        Records::Events(events) => {
            events.iter().map(|event| encoded(&|out| codec::write_event(event, out))).collect()
        }
    }
}

/// The records of `entries`, and the entries that are none.
fn decode(kind: RecordsKind, entries: Vec<Entry>) -> (Records, Vec<Entry>) {
    fn each<T>(
        entries: Vec<Entry>,
        read: impl Fn(&[u8]) -> Result<T, codec::DecodeError>,
    ) -> (Vec<Arc<T>>, Vec<Entry>) {
        let mut records = Vec::with_capacity(entries.len());
        let mut bad = Vec::new();
        for entry in entries {
            match read(&entry.payload) {
                Ok(record) => records.push(Arc::new(record)),
                Err(error) => {
                    tracing::debug!(
                        sequence = entry.sequence,
                        "a buffered record cannot be decoded: {error}"
                    );
                    bad.push(entry);
                }
            }
        }
        (records, bad)
    }
    match kind {
        RecordsKind::Samples => {
            let (samples, bad) = each(entries, codec::read_sample);
            (Records::Samples(samples), bad)
        }
        RecordsKind::Events => {
            let (events, bad) = each(entries, codec::read_event);
            (Records::Events(events), bad)
        }
    }
}
