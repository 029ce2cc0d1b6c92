//! Looks through a store that nobody uses, and through backups: every state, every chunk. It changes nothing.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use buffer::medium::Medium;
use buffer::segment_log::{self, Found};

use crate::chunk_files::{self, ChunkFiles, KIND};
use crate::error::OpenError;
use crate::frozen::Frozen;
use crate::metric::Metric;
use crate::policies::Policy;
use crate::state;
use crate::store::{CHUNKS, STATES, Store};
use crate::{MetricId, frame};

/// Findings that are described; further ones are counted.
pub const MAX_FINDINGS: usize = 100;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A state, or a part of it, cannot be read.
    State {
        /// The file.
        file: String,
        /// How much of it.
        bytes: usize,
    },
    /// A chunk that a state names is damaged or lost.
    Chunk {
        /// Whose it is.
        metric: MetricId,
        /// Of which granularity, in nanoseconds.
        granularity: i64,
        /// The number of its file.
        file: u64,
        /// Where it should begin, in bytes.
        offset: u64,
    },
    /// A file of chunks has bytes that are no chunk.
    ChunkFile {
        /// The number of the file.
        file: u64,
        /// How many.
        bytes: usize,
    },
}

/// What [`fsck`] saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The ids of all metrics with measures: those of the states, and those that only the log has.
    pub ids: Vec<MetricId>,
    /// What cannot be read of the log.
    pub log: Found,
    /// Metrics in the states; those that only the log has are not among them.
    pub metrics: usize,
    /// Chunks that states name.
    pub chunks: usize,
    /// Intact chunks that no state names: they were merged or became too old, or a step that wrote them did not come to its
    /// end. They are harmless.
    pub unnamed_chunks: usize,
    /// Metrics of damaged states of which there are chunks: opening the store finds them ([`Opened::lost`](crate::Opened::lost)).
    pub lost: usize,
    /// What is wrong, the first [`MAX_FINDINGS`] of it.
    pub findings: Vec<Finding>,
    /// How much there was of it in all.
    pub findings_count: usize,
}

impl Report {
    fn add(&mut self, finding: Finding) {
        self.findings_count += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// Looks through the store in `directory`: its log, every newest state, every chunk.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when a process uses the store; what the operating system says otherwise.
pub fn fsck(medium: &Arc<dyn Medium>, directory: &Path) -> io::Result<Report> {
    let (store, opened) = Store::open_frozen(Arc::clone(medium), directory).map_err(|error| match error {
        OpenError::Log(segment_log::OpenError::Locked { .. }) => io::ErrorKind::WouldBlock.into(),
        other => io::Error::other(other),
    })?;
    let (ids, lost) = (store.metric_ids(), opened.lost.len());
    let mut report = Report { ids, lost, log: opened.damage, ..Report::default() };
    let mut files = ChunkFiles::open(Arc::new(Frozen(Arc::clone(medium))), &directory.join(CHUNKS))?;
    let mut named = HashSet::new();
    let mut seen = None;
    for (shard, _, path) in state::list(&**medium, &directory.join(STATES))? {
        if seen == Some(shard) {
            continue;
        }
        let bytes = medium.read(&path)?;
        let file = || path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(read) = state::read(&bytes) else {
            report.add(Finding::State { file: file(), bytes: bytes.len() });
            continue;
        };
        seen = Some(shard);
        if read.damaged_bytes > 0 {
            report.add(Finding::State { file: file(), bytes: read.damaged_bytes });
        }
        for (id, metric) in &read.metrics {
            let policy = read.policies.iter().find(|(number, _)| *number == metric.policy);
            if let Some((_, policy)) = policy {
                check(*id, metric, policy, &mut files, &mut named, &mut report)?;
            }
        }
        report.metrics += read.metrics.len();
    }
    for number in files.numbers()? {
        let bytes = medium.read(&directory.join(CHUNKS).join(chunk_files::name(number)))?;
        let (frames, damaged) = frame::scan(&bytes, KIND);
        if damaged > 0 {
            report.add(Finding::ChunkFile { file: u64::from(number), bytes: damaged });
        }
        let is_unnamed = |(offset, _): &&(usize, &[u8])| {
            u32::try_from(*offset).is_ok_and(|offset| !named.contains(&(number, offset)))
        };
        report.unnamed_chunks += frames.iter().filter(is_unnamed).count();
    }
    drop(store);
    Ok(report)
}

fn check(
    id: MetricId,
    metric: &Metric,
    policy: &Policy,
    files: &mut ChunkFiles,
    named: &mut HashSet<(u32, u32)>,
    report: &mut Report,
) -> io::Result<()> {
    for (definition, level) in policy.archive.definition().iter().zip(&metric.levels) {
        let granularity = definition.granularity();
        for place in &level.chunks {
            report.chunks += 1;
            named.insert((place.file, place.offset));
            if files.read(id, granularity, *place, None)?.is_none() {
                let (file, offset) = (u64::from(place.file), u64::from(place.offset));
                report.add(Finding::Chunk { metric: id, granularity, file, offset });
            }
        }
    }
    Ok(())
}
