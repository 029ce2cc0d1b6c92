//! Ends of resources that follow from their measures, as Gnocchi's metricd sets them.
//!
//! A measure at or after its resource's end takes the end back. Where it is asked for, a resource none of whose metrics has
//! had measures for a while ends, and one that ended long ago is deleted. Each is done some seconds later, beside requests.

use std::sync::PoisonError;
use std::time::Duration;

use metric_index::{Comparison, Filter, GENERIC, Page, ResourceQuery};
use model::{Timestamp, Value};
use uuid::Uuid;

use crate::{Metrics, Refusal, view};

/// Resources that are deleted by one transaction.
const DELETED_AT_ONCE: u32 = 200;

/// What is known of a metric's last measures before the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastMeasures {
    /// When they came.
    came: Timestamp,
    /// The time of the newest one.
    newest: Timestamp,
}

impl LastMeasures {
    fn and(self, other: Self) -> Self {
        Self { came: self.came.max(other.came), newest: self.newest.max(other.newest) }
    }
}

/// What [`Metrics::clean_up`] has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleanUp {
    /// Resources that have an end now.
    pub ended: u64,
    /// Resources that are gone.
    pub deleted: u64,
}

impl Metrics {
    /// Notes the newest measures of metrics, as they have just come.
    pub(crate) fn note_last_measures(&self, newest: Vec<(Uuid, Timestamp)>) {
        let came = self.now();
        self.note(newest.into_iter().map(|(metric, newest)| (metric, LastMeasures { came, newest })));
    }

    fn note(&self, noted: impl Iterator<Item = (Uuid, LastMeasures)>) {
        let mut known = self.last_measures.lock().unwrap_or_else(PoisonError::into_inner);
        for (metric, last) in noted {
            known.entry(metric).and_modify(|known| *known = known.and(last)).or_insert(last);
        }
    }

    /// Tells the index of the measures that have come since it was told last, and takes back the ends that they have reached.
    ///
    /// # Errors
    /// The index cannot be asked; the next time it is told all of it.
    pub(crate) async fn follow_measures(&self) -> Result<(), Refusal> {
        let noted = std::mem::take(&mut *self.last_measures.lock().unwrap_or_else(PoisonError::into_inner));
        let came: Vec<(Uuid, Timestamp)> = noted.iter().map(|(metric, last)| (*metric, last.came)).collect();
        let newest: Vec<(Uuid, Timestamp)> =
            noted.iter().map(|(metric, last)| (*metric, last.newest)).collect();
        let told = async {
            self.index.set_last_measures(&came).await?;
            self.index.take_ends_back(&newest).await
        };
        match told.await {
            Ok(revived) => {
                if !revived.is_empty() {
                    tracing::debug!(resources = revived.len(), "measures have taken ends of resources back");
                }
                Ok(())
            }
            Err(error) => {
                self.note(noted.into_iter());
                Err(error.into())
            }
        }
    }

    /// Ends resources none of whose metrics has had measures for `inactive_after`, and deletes those that ended longer ago
    /// than `deleted_after`; neither without a time (`[metricd] metric_inactive_after`, `resource_cleanup_after`).
    ///
    /// # Errors
    /// The index or the store cannot be used; it may be repeated.
    pub async fn clean_up(
        &self,
        inactive_after: Option<Duration>,
        deleted_after: Option<Duration>,
    ) -> Result<CleanUp, Refusal> {
        // What has come just now is no silence.
        self.follow_measures().await?;
        let mut done = CleanUp::default();
        if let Some(before) = inactive_after.and_then(|after| self.ago(after)) {
            loop {
                let ended = self.index.end_silent_resources(before).await?;
                if ended.is_empty() {
                    break;
                }
                done.ended += ended.len() as u64;
            }
        }
        if let Some(before) = deleted_after.and_then(|after| self.ago(after)) {
            done.deleted = self.delete_ended(before).await?;
        }
        Ok(done)
    }

    async fn delete_ended(&self, before: Timestamp) -> Result<u64, Refusal> {
        let ended = Filter::Compare {
            attribute: "ended_at".to_owned(),
            comparison: Comparison::Less,
            value: view::time(before),
        };
        let page = Page { limit: Some(DELETED_AT_ONCE), ..Page::default() };
        let query = ResourceQuery { filter: Some(ended.clone()), page, ..ResourceQuery::of(GENERIC) };
        let mut deleted = 0;
        loop {
            let found = self.index.resources(&query).await?;
            if found.is_empty() {
                return Ok(deleted);
            }
            let ids: Vec<Value> = found.iter().map(|resource| resource.id.to_string().into()).collect();
            // One whose end was taken back meanwhile stays.
            let chosen =
                Filter::And(vec![Filter::In { attribute: "id".to_owned(), values: ids }, ended.clone()]);
            let gone = self.index.delete_resources(GENERIC, &chosen).await?;
            deleted += gone.resources;
            self.expunge_soon(gone.metrics).await;
            if gone.resources == 0 {
                return Ok(deleted);
            }
        }
    }

    fn ago(&self, time: Duration) -> Option<Timestamp> {
        let microseconds = i64::try_from(time.as_micros()).ok()?;
        Timestamp::from_microseconds(self.now().microseconds().checked_sub(microseconds)?)
    }
}
