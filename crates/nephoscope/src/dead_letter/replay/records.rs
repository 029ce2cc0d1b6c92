//! Records that a publisher's peer refused, offered to the publisher again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use buffer::dead_letters::{LetterId, Refused, Stored};
use observability::metrics::Metrics;
use oslo_config::Config;
use oslo_messaging::AmqpMetrics;
use pipeline::config::PipelineConfig;
use pipeline::{Publisher, PublisherFactory, PublisherUrl, Records, RecordsKind, record_of};
use tokio::runtime::Runtime;

use crate::check::describe_fatal;
use crate::role::{Roles, served_store};
use crate::settings;
use crate::settings::openstack::Sessions;

/// How long a publisher may take for the letters of one file.
const OFFER_LIMIT: Duration = Duration::from_mins(2);

/// What became of the letters that were offered.
#[derive(Default)]
pub(super) struct Offered {
    pub(super) accepted: BTreeSet<LetterId>,
    /// With the reasons.
    pub(super) refused: Vec<(LetterId, String)>,
}

/// The publishers of the configuration, made when a letter needs them.
pub(super) struct RecordReplay<'c> {
    config: &'c Config,
    roles: Roles,
    sessions: Arc<Sessions>,
    env: BTreeMap<String, String>,
    configured: Option<Vec<(PublisherUrl, RecordsKind)>>,
    publishers: BTreeMap<String, Box<dyn Publisher>>,
}

impl<'c> RecordReplay<'c> {
    pub(super) fn new(config: &'c Config, roles: Roles, env: &BTreeMap<String, String>) -> Self {
        let sessions = Arc::new(Sessions::new(config, env));
        Self { config, roles, sessions, env: env.clone(), configured: None, publishers: BTreeMap::new() }
    }

    /// Offers letters that came from one publisher, in order.
    ///
    /// # Errors
    /// Nothing is known of any of them: the publisher cannot be had, or could not deliver.
    pub(super) fn offer(
        &mut self,
        runtime: &Runtime,
        refused: &Refused,
        letters: Vec<Stored>,
    ) -> anyhow::Result<Offered> {
        let mut offered = Offered::default();
        let (mut ids, mut groups) = (Vec::new(), Vec::new());
        for Stored { id, letter } in letters {
            match record_of(refused, &letter.body) {
                Ok(records) => {
                    ids.push(id);
                    groups.push(records);
                }
                Err(error) => offered.refused.push((id, error.to_string())),
            }
        }
        if groups.is_empty() {
            return Ok(offered);
        }
        // A publisher may start something when it is made.
        let _inside = runtime.enter();
        let publisher = self.publisher(refused)?;
        let groups: Arc<[Records]> = groups.into();
        let attempt =
            runtime.block_on(async { tokio::time::timeout(OFFER_LIMIT, publisher.publish(groups)).await });
        let name = &refused.publisher;
        let refusals = attempt
            .map_err(|_| anyhow!("{name} did not answer within {} s", OFFER_LIMIT.as_secs()))?
            .with_context(|| format!("{name} did not accept the records"))?;
        // Any of the others may be among those: their letters stay as well.
        let unnamed = refusals.unnamed().first().map(|unnamed| unnamed.reason.clone());
        let mut refusals: BTreeMap<usize, String> =
            refusals.iter().map(|refusal| (refusal.group, refusal.reason.clone())).collect();
        for (place, id) in ids.into_iter().enumerate() {
            match (refusals.remove(&place), &unnamed) {
                (Some(reason), _) => offered.refused.push((id, format!("refused again: {reason}"))),
                (None, Some(reason)) => {
                    let reason = format!("perhaps refused again, the answer does not say which: {reason}");
                    offered.refused.push((id, reason));
                }
                (None, None) => {
                    offered.accepted.insert(id);
                }
            }
        }
        Ok(offered)
    }

    fn publisher(&mut self, refused: &Refused) -> anyhow::Result<&mut Box<dyn Publisher>> {
        let (url, kind) = self.find(refused)?;
        match self.publishers.entry(url.key(kind)) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                let (metrics, amqp) = (Metrics::new(), AmqpMetrics::default());
                let settings = settings::publishers(self.config, &self.env, &metrics, &amqp, &self.sessions);
                let made =
                    self.roles.publishers(self.config, settings, served_store(self.config)).build(&url, kind);
                let made =
                    made.with_context(|| format!("the publisher {} cannot be made", url.redacted()))?;
                Ok(place.insert(made))
            }
        }
    }

    /// The publisher that refused the record, or, when its options have been changed since, the only one that differs in
    /// nothing else.
    fn find(&mut self, refused: &Refused) -> anyhow::Result<(PublisherUrl, RecordsKind)> {
        if self.configured.is_none() {
            self.configured = Some(configured(self.config)?);
        }
        let configured = self.configured.as_deref().unwrap_or_default();
        let Refused { publisher, publisher_key, kind, .. } = refused;
        let of_kind = || configured.iter().filter(|(_, of)| of.as_str() == kind);
        if let Some(found) = of_kind().find(|(url, kind)| url.key(*kind) == *publisher_key) {
            return Ok(found.clone());
        }
        let mut similar = of_kind().filter(|(url, _)| url.redacted() == *publisher);
        match (similar.next(), similar.next()) {
            (Some(only), None) => Ok(only.clone()),
            (Some(_), Some(_)) => bail!(
                "of {kind}, several publishers {publisher} are in the pipelines, and none with the options of the one that \
                 refused the record; name that one again, or drop its letters"
            ),
            (None, _) => bail!(
                "no pipeline of {kind} has the publisher {publisher}; name it in the pipeline file again, or drop its letters"
            ),
        }
    }
}

fn configured(config: &Config) -> anyhow::Result<Vec<(PublisherUrl, RecordsKind)>> {
    let (definitions, problems) = settings::load_definitions(config);
    let definitions = definitions.ok_or_else(|| anyhow!(describe_fatal(&problems)))?;
    let mut configured = Vec::new();
    let mut add = |pipelines: &PipelineConfig, kind: RecordsKind| {
        let publishers = pipelines.pipelines().flat_map(|pipeline| pipeline.publishers);
        configured.extend(publishers.map(|publisher| (publisher.url.clone(), kind)));
    };
    if let Some((_, _, pipelines)) = &definitions.samples {
        add(pipelines, RecordsKind::Samples);
    }
    if let Some((_, pipelines)) = &definitions.events {
        add(pipelines, RecordsKind::Events);
    }
    configured.dedup();
    Ok(configured)
}
