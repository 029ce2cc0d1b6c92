//! Writes the log that `tests/segment_log/fixture.rs` reads: `cargo run -p nephoscope-buffer --example write_fixture DIRECTORY`.
//!
//! Run it when the format's version has just been raised, commit what it writes beside the older fixtures, and let the
//! test read both.
#![expect(clippy::unwrap_used, reason = "a tool for developers")]

use std::path::PathBuf;
use std::sync::Arc;

use nephoscope_buffer::medium::Disk;
use nephoscope_buffer::segment_log::{Limits, SegmentLog};

fn main() {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap());
    let limits = Limits { segment_bytes: 300, ..Limits::default() };
    let (mut log, _) = SegmentLog::open(Arc::new(Disk), &directory, limits).unwrap();
    for number in 0..8_i64 {
        let text = format!("record {number} of version 1");
        log.append(1_784_000_000_000_000 + number, &[text.as_bytes(), &[], &[0, 255, 0xf5]]).unwrap();
    }
    let last = log.read(5, 1 << 20).unwrap().last().unwrap().sequence;
    log.commit(last + 1).unwrap();
}
