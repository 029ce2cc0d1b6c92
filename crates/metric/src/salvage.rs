//! Metrics whose part of the store was damaged: those that the index has get back what their chunks hold.

use std::sync::PoisonError;

use archive::ArchivePolicy;
use metric_store::{CheckpointError, MetricId, PolicyNumber, WriteError};
use uuid::Uuid;

use crate::archive_policies::{computed_policy, number};
use crate::measures::store_id;
use crate::service::NotWritten;
use crate::{Kind, Metrics, Refusal};

/// Metrics that the index is asked for at once.
const IDS_AT_ONCE: usize = 5_000;

/// What the store has lost, until it is put back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lost {
    pub(crate) metrics: Vec<MetricId>,
    /// Metrics that it has not lost, as they were when it was opened: whether the index belongs to it is told by these.
    pub(crate) sample: Vec<MetricId>,
}

impl Metrics {
    /// Puts metrics back that the store has lost and found chunks of, unless it was done. Those that the index does not have were
    /// deleted. Until it succeeds no part of the store is written; the log has what comes meanwhile.
    ///
    /// # Errors
    /// The index or the log cannot be used now, the index is that of another store, or has an archive policy that is none.
    pub(crate) async fn put_back(&self) -> Result<(), Refusal> {
        let Lost { metrics: lost, sample } = self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if lost.is_empty() {
            return Ok(());
        }
        // What is deleted from here on stays in the index until the next step, and does not come back.
        let _gate = self.expunging.write().await;
        let sampled = self.index.count_known(&uuids(&sample)).await?;
        if sampled * 2 < sample.len() as u64 {
            return Err(another_index(&format!("{sampled} of {} metrics of the store", sample.len())));
        }
        let mut known: Vec<(MetricId, ArchivePolicy)> = Vec::with_capacity(lost.len());
        let mut rows = 0;
        for ids in lost.chunks(IDS_AT_ONCE) {
            let ids = uuids(ids);
            rows += self.index.count_known(&ids).await?;
            for metric in self.index.metrics_by_id(&ids).await? {
                known.push((store_id(&metric), computed_policy(&metric.archive_policy)?));
            }
        }
        if sample.is_empty() && rows == 0 {
            return Err(another_index(&format!("none of {} metrics whose states are damaged", lost.len())));
        }
        let (metrics, deleted) = (known.len(), lost.len() - known.len());
        self.write_store(move |store| {
            let known = known.iter().map(|(id, policy)| Ok((*id, number(store, policy)?)));
            let known: Vec<(MetricId, PolicyNumber)> = known.collect::<Result<_, NotWritten>>()?;
            store.put_back(&known).map_err(|error| match error {
                CheckpointError::UnknownPolicy { number } => WriteError::UnknownPolicy { number }.into(),
                other => NotWritten::Refused(Refusal::new(Kind::Failed, other.to_string())),
            })?;
            // Whether the store takes measures is another matter, and remembered.
            Ok(store.probe()?)
        })
        .await?;
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Lost::default();
        tracing::warn!(
            metrics,
            deleted,
            "metrics whose states were damaged have their aggregates again, but for the newest, which were in no chunk"
        );
        Ok(())
    }
}

/// What such an index does not know would be taken for deleted.
fn another_index(knows: &str) -> Refusal {
    let reason = format!(
        "the index knows {knows}: it seems to be another store's; put the right one in its place and start again, or, if all metrics \
         were deleted, remove the store's chunks"
    );
    Refusal::new(Kind::Failed, reason)
}

fn uuids(ids: &[MetricId]) -> Vec<Uuid> {
    ids.iter().map(|id| Uuid::from_bytes(id.0)).collect()
}
