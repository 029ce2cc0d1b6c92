//! Archive policies: of the index, which keeps them, and of the archive, which computes with them.

use archive::{ArchivePolicy, Definition, Method, MethodSet};
use metric_store::{PolicyNumber, Store};

use crate::service::NotWritten;
use crate::{Kind, Metrics, Refusal};

/// A policy as the index keeps it.
pub fn stored_policy(policy: &ArchivePolicy) -> metric_index::ArchivePolicy {
    let number = |points: u64| i64::try_from(points).unwrap_or(i64::MAX);
    let definition = policy.definition().iter().map(|item| metric_index::Definition {
        granularity_nanoseconds: item.granularity(),
        points: item.points().map(number),
        timespan_nanoseconds: item.timespan(),
    });
    metric_index::ArchivePolicy {
        name: policy.name().to_owned(),
        back_window: number(policy.back_window()),
        definition: definition.collect(),
        aggregation_methods: policy.methods().iter().map(|method| method.to_string()).collect(),
    }
}

/// A policy as it is computed with.
///
/// # Errors
/// The index holds something that is no policy.
pub fn computed_policy(policy: &metric_index::ArchivePolicy) -> Result<ArchivePolicy, Refusal> {
    let unreadable = |reason: String| {
        tracing::error!(policy = policy.name, reason, "the index holds an archive policy that is none");
        Refusal::new(Kind::Failed, "")
    };
    let mut definition = Vec::with_capacity(policy.definition.len());
    for item in &policy.definition {
        let points = item.points.and_then(|points| u64::try_from(points).ok());
        let item = Definition::new(Some(item.granularity_nanoseconds), points, item.timespan_nanoseconds);
        definition.push(item.map_err(|error| unreadable(error.to_string()))?);
    }
    let mut methods = MethodSet::EMPTY;
    for name in &policy.aggregation_methods {
        methods.insert(name.parse::<Method>().map_err(|error| unreadable(error.to_string()))?);
    }
    let back_window = u64::try_from(policy.back_window).unwrap_or_default();
    ArchivePolicy::new(&policy.name, back_window, definition, methods)
        .map_err(|error| unreadable(error.to_string()))
}

/// The store's number of a policy. The store knows it by what cannot change: one of the same name that was deleted and made
/// anew with other granularities or methods is another one there.
pub(crate) fn number(store: &Store, policy: &ArchivePolicy) -> Result<PolicyNumber, NotWritten> {
    use std::fmt::Write;
    let mut name = policy.name().to_owned();
    let mut granularities: Vec<i64> = policy.definition().iter().map(Definition::granularity).collect();
    granularities.sort_unstable();
    for granularity in granularities {
        let _ = write!(name, "/{granularity}");
    }
    name.push(':');
    for method in policy.methods().iter() {
        let _ = write!(name, "{:02x}", method.index());
    }
    let known =
        ArchivePolicy::new(name, policy.back_window(), policy.definition().to_vec(), *policy.methods());
    let known = known.map_err(|error| Refusal::new(Kind::Failed, error.to_string()))?;
    Ok(store.put_policy(&known)?)
}

impl Metrics {
    /// Keeps a new policy.
    ///
    /// # Errors
    /// There is one of that name.
    pub async fn create_archive_policy(&self, policy: &ArchivePolicy) -> Result<(), Refusal> {
        Ok(self.index.create_archive_policy(&stored_policy(policy)).await?)
    }

    /// One policy.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn archive_policy(&self, name: &str) -> Result<metric_index::ArchivePolicy, Refusal> {
        let policy = self.index.archive_policy(name).await?;
        policy.ok_or_else(|| metric_index::Error::NoSuchArchivePolicy(name.to_owned()).into())
    }

    /// Changes how long aggregates are kept, and the back window; granularities and methods stay.
    ///
    /// # Errors
    /// There is none of that name, or its granularities would change.
    pub async fn update_archive_policy(
        &self,
        name: &str,
        definition: Vec<Definition>,
        back_window: Option<u64>,
    ) -> Result<metric_index::ArchivePolicy, Refusal> {
        let present = computed_policy(&self.archive_policy(name).await?)?;
        let changed = present.changed(definition, back_window).map_err(|error| {
            let message = error.to_string();
            metric_index::Error::UnsupportedArchivePolicyChange { name: name.to_owned(), message }
        })?;
        let stored = stored_policy(&changed);
        let updated =
            self.index.update_archive_policy(name, &stored.definition, Some(stored.back_window)).await?;
        // The store applies it to metrics that are there at once.
        self.write_store(move |store| number(store, &changed).map(|_| ())).await?;
        Ok(updated)
    }

    /// Deletes a policy that nothing refers to.
    ///
    /// # Errors
    /// There is none of that name, or it is in use.
    pub async fn delete_archive_policy(&self, name: &str) -> Result<(), Refusal> {
        Ok(self.index.delete_archive_policy(name).await?)
    }

    /// Makes Gnocchi's own policies and its rule, if there are neither policies nor rules yet.
    ///
    /// # Errors
    /// The index cannot be used.
    pub async fn create_presets(&self) -> Result<(), Refusal> {
        let is_new = self.index.archive_policies().await?.is_empty()
            && self.index.archive_policy_rules().await?.is_empty();
        if !is_new {
            return Ok(());
        }
        for policy in ArchivePolicy::presets(self.default_methods()) {
            match self.index.create_archive_policy(&stored_policy(&policy)).await {
                Ok(()) | Err(metric_index::Error::ArchivePolicyAlreadyExists(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let rule = metric_index::ArchivePolicyRule {
            name: "default".to_owned(),
            archive_policy_name: "low".to_owned(),
            metric_pattern: "*".to_owned(),
        };
        match self.index.create_archive_policy_rule(&rule).await {
            Ok(()) | Err(metric_index::Error::ArchivePolicyRuleAlreadyExists(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_survives_the_index() {
        for policy in ArchivePolicy::presets(ArchivePolicy::default_methods()) {
            assert_eq!(computed_policy(&stored_policy(&policy)), Ok(policy));
        }
    }
}
