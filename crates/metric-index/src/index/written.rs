//! What batches of measures ask of metrics, remembered: the same metrics are written to again and again.
//!
//! The table `metric_changes` has a number that becomes larger with every change after which something remembered could be
//! wrong, in the transaction of the change, whoever makes it. What is remembered holds for the number that was read before
//! it was looked up, and for no other. New metrics change nothing that is remembered: what is not there is never remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sql::{Statement, Transaction};
use uuid::Uuid;

use super::metrics::read_all;
use super::{CHUNK, Index};
use crate::columns::Columns;
use crate::{Error, Metric};

/// Metrics that are remembered at most; then all are forgotten.
const MOST: usize = 100_000;

/// The metrics of a resource that are in use, in the order of their names.
pub type NamedMetrics = Arc<[Metric]>;

#[derive(Debug, Default)]
pub(super) struct Known {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number that all of it holds for.
    number: i64,
    count: usize,
    by_id: HashMap<Uuid, Arc<Metric>>,
    by_resource: HashMap<Uuid, NamedMetrics>,
}

impl State {
    fn forget(&mut self, number: i64) {
        *self = Self { number, ..Self::default() };
    }

    /// Whether so many more may be remembered for a number.
    fn takes(&mut self, number: i64, count: usize) -> bool {
        if self.number != number || count > MOST {
            return false;
        }
        if self.count + count > MOST {
            self.forget(number);
        }
        self.count += count;
        true
    }
}

impl Known {
    /// What is remembered, if it holds for `number`, else nothing.
    fn of(&self, number: i64) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.number != number {
            state.forget(number);
        }
        state
    }

    /// What is remembered, for whatever number.
    fn any(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The metric of a name.
pub fn named<'m>(metrics: &'m [Metric], name: &str) -> Option<&'m Metric> {
    let place = metrics.binary_search_by(|metric| metric.name.as_deref().cmp(&Some(name))).ok()?;
    metrics.get(place)
}

/// Notes that something that is remembered of metrics may have changed; the last statement of a transaction.
pub(super) async fn note_change(transaction: &Transaction) -> Result<(), Error> {
    transaction.execute(Statement::new("UPDATE metric_changes SET number = number + 1")).await?;
    Ok(())
}

impl Index {
    /// The active metrics of these ids, in no order: for those who ask for the same ones again and again.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn written_metrics(&self, ids: &[Uuid]) -> Result<Vec<Arc<Metric>>, Error> {
        let number = self.metric_changes().await?;
        let mut found = Vec::with_capacity(ids.len());
        let mut missing = Vec::new();
        {
            let known = self.known.of(number);
            for id in ids {
                match known.by_id.get(id) {
                    Some(metric) => found.push(Arc::clone(metric)),
                    None => missing.push(*id),
                }
            }
        }
        if !missing.is_empty() {
            let read: Vec<Arc<Metric>> =
                self.metrics_by_id(&missing).await?.into_iter().map(Arc::new).collect();
            let mut known = self.known.any();
            if known.takes(number, read.len()) {
                known.by_id.extend(read.iter().map(|metric| (metric.id, Arc::clone(metric))));
            }
            drop(known);
            found.extend(read);
        }
        Ok(found)
    }

    /// The active metrics of resources, by resource, at least those of the names: for those who ask for the same ones again
    /// and again. Resources that are not there have none.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn written_metrics_of(
        &self,
        resources: &[(Uuid, Vec<&str>)],
    ) -> Result<HashMap<Uuid, NamedMetrics>, Error> {
        let number = self.metric_changes().await?;
        let mut found = HashMap::with_capacity(resources.len());
        let mut missing = Vec::new();
        {
            let known = self.known.of(number);
            for (resource, names) in resources {
                let metrics = known.by_resource.get(resource);
                match metrics.filter(|metrics| names.iter().all(|name| named(metrics, name).is_some())) {
                    Some(metrics) => {
                        found.insert(*resource, Arc::clone(metrics));
                    }
                    // Some may be new.
                    None => missing.push(*resource),
                }
            }
        }
        if !missing.is_empty() {
            let read = self.metrics_of_resources(&missing).await?;
            let mut known = self.known.any();
            if known.takes(number, read.values().map(|metrics| metrics.len()).sum()) {
                known.by_resource.extend(read.iter().map(|(id, metrics)| (*id, Arc::clone(metrics))));
            }
            drop(known);
            found.extend(read);
        }
        Ok(found)
    }

    async fn metrics_of_resources(&self, resources: &[Uuid]) -> Result<HashMap<Uuid, NamedMetrics>, Error> {
        let read = self.database.read(|transaction| async move {
            let selection = Columns::metrics().selection();
            let mut rows = Vec::new();
            for chunk in resources.chunks(CHUNK) {
                let mut statement = Statement::new(format!(
                    "SELECT {selection} FROM metric AS m WHERE m.status = 'active' AND m.resource_id IN ("
                ));
                statement.push_list(chunk.iter().copied()).push(")");
                rows.extend(transaction.query(statement).await?);
            }
            read_all(&transaction, &rows).await
        });
        let mut by_resource: HashMap<Uuid, Vec<Metric>> = HashMap::new();
        for metric in read.await? {
            if let Some(resource) = metric.resource_id.filter(|_| metric.name.is_some()) {
                by_resource.entry(resource).or_default().push(metric);
            }
        }
        let sorted = by_resource.into_iter().map(|(resource, mut metrics)| {
            metrics.sort_unstable_by(|one, other| one.name.cmp(&other.name));
            (resource, metrics.into())
        });
        Ok(sorted.collect())
    }

    async fn metric_changes(&self) -> Result<i64, Error> {
        let number = self.database.read(|transaction| async move {
            Ok::<_, Error>(transaction.query_one("SELECT number FROM metric_changes").await?)
        });
        let what = "the number of changes";
        let row = number.await?.ok_or_else(|| Error::Stored { what, reason: "it is missing".to_owned() })?;
        Ok(row.integer(0)?)
    }
}
