//! Any text as a pipeline file, of samples and of events.
#![no_main]

use definitions::Source;
use pipeline::{RecordsKind, config::PipelineConfig};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for kind in [RecordsKind::Samples, RecordsKind::Events] {
        if let Err(problems) = PipelineConfig::parse(Source { path: "fuzz", text: &text }, kind) {
            assert!(problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1));
            assert!(!problems.is_empty());
        }
    }
});
