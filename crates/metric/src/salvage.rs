//! Metrics whose part of the store was damaged: those that the index has get back what their chunks hold.

use metric_store::MetricId;
use uuid::Uuid;

use crate::archive_policies::{computed_policy, number};
use crate::measures::store_id;
use crate::service::NotWritten;
use crate::{Metrics, OpenError};

/// Metrics that the index is asked for at once.
const IDS_AT_ONCE: usize = 5_000;

impl Metrics {
    /// Puts metrics back that the store has lost and found chunks of. Those that the index does not have were deleted. When the store
    /// takes no archive policy now, all wait for the next start, and no part of the store is written until then.
    pub(crate) async fn put_back(&self, lost: &[MetricId]) -> Result<(), OpenError> {
        let mut known = Vec::with_capacity(lost.len());
        for ids in lost.chunks(IDS_AT_ONCE) {
            let ids: Vec<Uuid> = ids.iter().map(|id| Uuid::from_bytes(id.0)).collect();
            for metric in self.index.metrics_by_id(&ids).await? {
                // Its archive policy is unreadable to everybody else as well, and was told in the log.
                let Ok(policy) = computed_policy(&metric.archive_policy) else { continue };
                known.push((store_id(&metric), policy));
            }
        }
        let (found, deleted) = (known.len(), lost.len() - known.len());
        let done = self.write_store(move |store| {
            let metrics = known.iter().map(|(id, policy)| Ok((*id, number(store, policy)?)));
            let metrics = metrics.collect::<Result<Vec<_>, NotWritten>>()?;
            Ok(store.put_back(&metrics)?)
        });
        match done.await {
            Ok(()) => tracing::warn!(
                metrics = found,
                deleted,
                "metrics whose states were damaged have their aggregates again, but for the newest, which were in no chunk"
            ),
            Err(refusal) => tracing::error!(
                metrics = found,
                ?refusal,
                "metrics whose states are damaged could not be put back now; the next start tries again"
            ),
        }
        Ok(())
    }
}
