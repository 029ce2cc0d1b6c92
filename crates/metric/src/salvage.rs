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
/// Metrics of the store by which it is told whether the index belongs to it.
const SAMPLE: usize = 1_000;

impl Metrics {
    /// Puts metrics back that the store has lost and found chunks of, unless it was done. Those that the index does not have were
    /// deleted. Until it succeeds no part of the store is written; the log has what comes meanwhile.
    ///
    /// # Errors
    /// The index or the log cannot be used now, the index is that of another store, or has an archive policy that is none.
    pub(crate) async fn put_back(&self) -> Result<(), Refusal> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if lost.is_empty() {
            return Ok(());
        }
        let mut known: Vec<(MetricId, ArchivePolicy)> = Vec::with_capacity(lost.len());
        for ids in lost.chunks(IDS_AT_ONCE) {
            for metric in self.index.metrics_by_id(&uuids(ids)).await? {
                known.push((store_id(&metric), computed_policy(&metric.archive_policy)?));
            }
        }
        self.check_index(known.len()).await?;
        let (metrics, deleted) = (known.len(), lost.len() - known.len());
        self.write_store(move |store| {
            let known = known.iter().map(|(id, policy)| Ok((*id, number(store, policy)?)));
            let known: Vec<(MetricId, PolicyNumber)> = known.collect::<Result<_, NotWritten>>()?;
            store.put_back(&known).map_err(|error| match error {
                CheckpointError::UnknownPolicy { number } => WriteError::UnknownPolicy { number }.into(),
                other => NotWritten::Refused(Refusal::new(Kind::Failed, other.to_string())),
            })
        })
        .await?;
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clear();
        tracing::warn!(
            metrics,
            deleted,
            "metrics whose states were damaged have their aggregates again, but for the newest, which were in no chunk"
        );
        Ok(())
    }

    /// Refuses an index that knows few of the store's metrics: what it does not know would be taken for deleted.
    async fn check_index(&self, known: usize) -> Result<(), Refusal> {
        let sample = self.on_store(|reader| {
            let mut ids = reader.store()?.metric_ids();
            ids.truncate(SAMPLE);
            Ok(ids)
        });
        let sample = sample.await?;
        let of_sample = self.index.metrics_by_id(&uuids(&sample)).await?.len();
        let is_another = if sample.is_empty() { known == 0 } else { of_sample * 2 < sample.len() };
        if is_another {
            let reason = format!(
                "the index knows {of_sample} of {} metrics of the store, and {known} of those whose states are damaged: it seems to \
                 be another store's; put the right one in its place and start again",
                sample.len()
            );
            return Err(Refusal::new(Kind::Failed, reason));
        }
        Ok(())
    }
}

fn uuids(ids: &[MetricId]) -> Vec<Uuid> {
    ids.iter().map(|id| Uuid::from_bytes(id.0)).collect()
}
