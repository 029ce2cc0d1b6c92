//! Logs that earlier versions of the format wrote are read for ever.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nephoscope_buffer::medium::Disk;
use nephoscope_buffer::segment_log::{Limits, SegmentLog};

/// A copy of a fixture, because opening it changes it.
fn copied(name: &str) -> tempfile::TempDir {
    let from: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/fixtures", name].iter().collect();
    let to = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// What `examples/write_fixture.rs` appended and did not commit.
fn check_version_1(directory: &Path) {
    let (mut log, recovery) = SegmentLog::open(Arc::new(Disk), directory, Limits::default()).unwrap();
    assert_eq!((recovery.records, recovery.found.is_empty()), (19, true), "{recovery:?}");
    let entries = log.read(100, 1 << 20).unwrap();
    for (place, entry) in entries.iter().enumerate() {
        let (number, part) = ((place + 5) / 3, (place + 5) % 3);
        let expected = match part {
            0 => format!("record {number} of version 1").into_bytes(),
            1 => Vec::new(),
            _ => vec![0, 255, 0xf5],
        };
        assert_eq!(entry.payload, expected, "record {place}");
        assert_eq!(entry.sequence, 6 + place as u64);
        assert_eq!(entry.time_microseconds, 1_784_000_000_000_000 + i64::try_from(number).unwrap());
    }
    assert_eq!(entries.len(), 19);
    log.append(0, &[b"new"]).unwrap();
    assert_eq!(log.read(100, 1 << 20).unwrap()[0].payload, b"new");
}

#[test]
fn version_1_is_read() {
    check_version_1(copied("segment-log-v1").path());
}
