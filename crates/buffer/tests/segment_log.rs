//! The segment log: what it promises, on a medium that fails, and with a directory that somebody damaged.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a failed test"
)]

#[path = "segment_log/basics.rs"]
mod basics;
#[path = "segment_log/crash.rs"]
mod crash;
#[path = "segment_log/damage.rs"]
mod damage;
#[path = "segment_log/fixture.rs"]
mod fixture;
#[path = "segment_log/hostile.rs"]
mod hostile;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nephoscope_buffer::medium::Medium;
use nephoscope_buffer::segment_log::{Entry, Limits, Recovery, SegmentLog};
use testkit::faults::FaultyMedium;

const DIRECTORY: &str = "/state/buffer/a";
/// Bytes that a record takes beside its payload.
const RECORD_HEADER: usize = 32;
/// Bytes of a segment's header.
const SEGMENT_HEADER: usize = 32;

/// Small segments, so that everything happens often.
const LIMITS: Limits = Limits { max_bytes: 1 << 20, segment_bytes: 400, quarantine_bytes: 1 << 16 };

fn directory() -> &'static Path {
    Path::new(DIRECTORY)
}

fn open(medium: &FaultyMedium) -> (SegmentLog, Recovery) {
    open_with(medium, LIMITS)
}

fn open_with(medium: &FaultyMedium, limits: Limits) -> (SegmentLog, Recovery) {
    SegmentLog::open(Arc::new(medium.clone()), directory(), limits).unwrap()
}

/// Record number `id`: its number, and a padding that depends on it.
fn payload(id: u64) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend((0..id % 41).map(|place| u8::try_from((id + place) % 251).unwrap()));
    bytes
}

fn payloads(ids: impl IntoIterator<Item = u64>) -> Vec<Vec<u8>> {
    ids.into_iter().map(payload).collect()
}

/// The number of a record, whose padding must be right.
fn id(entry: &Entry) -> u64 {
    let id = u64::from_le_bytes(*entry.payload.first_chunk().expect("a record has its number"));
    assert_eq!(entry.payload, payload(id), "the payload of record {id} is another");
    id
}

fn ids(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(id).collect()
}

/// Everything that can be read from where the log stands.
fn read_all(log: &mut SegmentLog) -> Vec<Entry> {
    let mut all = Vec::new();
    loop {
        let entries = log.read(3, 1 << 20).unwrap();
        if entries.is_empty() {
            return all;
        }
        all.extend(entries);
    }
}

/// The names of the files in the log's directory, those in quarantine with their directory.
fn files(medium: &FaultyMedium) -> Vec<String> {
    let within = |path: &PathBuf| Some(path.strip_prefix(DIRECTORY).ok()?.to_str().unwrap().to_owned());
    medium.paths().iter().filter_map(within).collect()
}

fn segment(number: u64) -> PathBuf {
    directory().join(format!("segment-{number:020}.log"))
}

fn exists(medium: &FaultyMedium, path: &Path) -> bool {
    medium.size(path).unwrap().is_some()
}
