//! The metric store in `nephoscope run`: opened at the start, written to by direct call, and served.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use archive::Batch;
use metric::{Caller, Kind, Metrics, NamedMeasures, Refusal};
use metric_api::Api;
use model::{Map, Value, json};
use openstack::{AuthOptions, Method, Service, ServiceFilter, Session, SessionOptions};
use oslo_config::Config;
use oslo_config::options::nephoscope;
use publishers::gnocchi::upgrade::{Step, upgrade};
use publishers::gnocchi::{Answer, Answering, Client, Embedded, ResourceMeasures, Way};

use super::House;
use super::metric::{self as role, Access, MetricSettings};

/// Who makes resources and metrics. The name counts: an id that is no UUID means another resource to another user.
const USER: &str = "admin";
/// How long one step of making resource types may take.
const REQUEST_LIMIT: Duration = Duration::from_mins(1);

/// The store that publishers write to. Cheap to clone; there before it is opened, when it takes nothing yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct EmbeddedStore {
    opened: Arc<OnceLock<Opened>>,
}

#[derive(Debug)]
struct Opened {
    metrics: Metrics,
    caller: Caller,
    api: Api,
}

/// The way of another process to the store of `nephoscope run`: its API, where it is served.
pub(crate) fn served_store(config: &Config) -> Option<Way> {
    let address = crate::settings::socket_address(config.get(&nephoscope::RUN_METRIC_ADDRESS))?;
    let endpoint = format!("http://{address}").parse().ok()?;
    let auth = AuthOptions::GnocchiBasic { endpoint, user: USER.to_owned() };
    let session = Session::new(SessionOptions::new(auth)).ok()?;
    Some(Service::new(session, ServiceFilter::new("metric")).into())
}

impl EmbeddedStore {
    /// How publishers reach it.
    pub(crate) fn way(&self) -> Way {
        Way::Here(Arc::new(self.clone()))
    }

    fn open(&self, metrics: Metrics) {
        // Whom the API for others believes is another matter.
        let api = Api::new(metrics.clone(), metric_api::Settings::default());
        // There is one start.
        let _ = self.opened.set(Opened { metrics, caller: Caller::named(USER), api });
    }
}

impl Embedded for EmbeddedStore {
    fn request<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        body: Option<(&'a str, Vec<u8>)>,
    ) -> Answering<'a> {
        Box::pin(async move {
            let Some(opened) = self.opened.get() else { return not_open() };
            let direct = opened.api.call(USER, method, path, body).await;
            let status = direct.status.as_u16();
            Answer { has_more: direct.has_more, ..Answer::new(status, direct.body) }
        })
    }

    fn add_measures<'a>(&'a self, measures: Vec<ResourceMeasures<'a>>) -> Answering<'a> {
        Box::pin(async move {
            let Some(opened) = self.opened.get() else { return not_open() };
            match opened.add_measures(measures).await {
                Ok(()) => Answer::new(202, ""),
                Err(refusal) => refused(refusal),
            }
        })
    }
}

impl Opened {
    async fn add_measures(&self, measures: Vec<ResourceMeasures<'_>>) -> Result<(), Refusal> {
        let resources = measures.into_iter().map(|measures| self.resource(measures));
        let resources = resources.collect::<Result<Vec<_>, _>>()?;
        self.metrics.add_resource_batch(&self.caller, resources, true).await
    }

    fn resource(&self, measures: ResourceMeasures<'_>) -> Result<metric::ResourceMeasures, Refusal> {
        let original_id = measures.id;
        let id = metric_index::resource_id(original_id, self.caller.creator.as_deref());
        let id = id.map_err(|error| invalid(error.to_string(), &[original_id]))?;
        let metrics = measures.metrics.into_iter().map(|metric| {
            let batch = Batch::new(metric.points);
            let batch = batch.map_err(|error| invalid(error.to_string(), &[original_id, metric.name]))?;
            Ok(NamedMeasures {
                name: metric.name.to_owned(),
                batch,
                archive_policy_name: metric.archive_policy.map(str::to_owned),
                unit: metric.unit,
            })
        });
        let metrics = metrics.collect::<Result<Vec<_>, Refusal>>()?;
        Ok(metric::ResourceMeasures { original_id: original_id.to_owned(), id, metrics })
    }
}

/// In the form in which the API names what it cannot take.
fn invalid(reason: String, place: &[&str]) -> Refusal {
    let place = place.iter().map(|part| Value::from(*part)).collect();
    let facts = [("reason", reason.into()), ("detail", Value::List(place))];
    Refusal::because(Kind::Invalid, "Invalid input", facts)
}

fn not_open() -> Answer {
    refused(Refusal::new(Kind::Unavailable, "it is not open; if this was configured by a reload, restart"))
}

/// A refusal as an answer of the API.
fn refused(refusal: Refusal) -> Answer {
    let status = match refusal.kind {
        Kind::Invalid => 400,
        Kind::Forbidden => 403,
        Kind::Unknown => 404,
        Kind::Conflict => 409,
        Kind::Unavailable => 503,
        Kind::Failed => 500,
    };
    let mut document = Map::new();
    document.insert("code", i64::from(status));
    document.insert("description", refusal.description);
    let mut body = Vec::new();
    json::write_compact(&document.into(), &mut body);
    Answer::new(status, body)
}

/// Requests that have begun at the end have so long; less than the process gives its last tasks.
const LAST_REQUESTS: Duration = Duration::from_secs(4);

/// The store as the configuration wants it, not opened.
pub(crate) struct StorePart {
    pub(crate) settings: MetricSettings,
    pub(crate) store: EmbeddedStore,
    /// Whom its API lets in; `None` where it is not served.
    access: Option<Access>,
}

impl StorePart {
    /// Reads what `metric` says, the configuration of the store in a process with the configuration `config`.
    ///
    /// # Errors
    /// The text says which option cannot be used.
    pub(crate) fn new(
        config: &Config,
        metric: &Config,
        env: &BTreeMap<String, String>,
        store: EmbeddedStore,
    ) -> Result<Self, String> {
        let address = config.get(&nephoscope::RUN_METRIC_ADDRESS);
        let is_served = !address.is_empty();
        if is_served && crate::settings::socket_address(address).is_none() {
            return Err(format!("[nephoscope] run_metric_address = {address} is not an IP address and port"));
        }
        let settings = role::settings(metric)?;
        let access = is_served.then(|| Access::new(metric, env)).transpose()?;
        Ok(Self { settings, store, access })
    }

    /// What should be known of the policy files.
    pub(crate) fn warnings(&self) -> &[String] {
        self.access.as_ref().map_or(&[], |access| &access.warnings)
    }

    /// Opens the store, with Ceilometer's resource types in it, and serves it.
    pub(super) async fn start(mut self, house: &House) -> anyhow::Result<()> {
        let servers = if self.access.is_some() {
            let servers = role::bind(&self.settings).await;
            servers.context(
                "the metric store cannot be served: is another store or a Gnocchi there? Set [nephoscope] \
                 run_metric_address to another address, or to nothing, to serve it nowhere",
            )?
        } else {
            Vec::new()
        };
        let metrics = role::open(&self.settings, house.supervisor.clock().clone(), &house.manager).await?;
        role::keep_up(&house.supervisor, &house.health, &metrics, self.settings.lives);
        role::serve_others(&house.supervisor, &house.metrics, &metrics, &self.settings, &house.restart)
            .await?;
        self.store.open(metrics.clone());
        let client = Client::new(self.store.way(), REQUEST_LIMIT);
        let mut report = |step: &Step| tracing::info!("metric store: done: {step}");
        // Archive policies are the publisher's to make: it has the definitions.
        let types = upgrade(&client, &[], false, &mut report).await;
        types.map_err(|error| anyhow!(error).context("cannot make the metric store's resource types"))?;
        if let Some(access) = self.access {
            let (supervisor, counters) = (&house.supervisor, &house.metrics);
            access.apply(&mut self.settings.api, supervisor.clock(), counters);
            access.watch(supervisor);
            let addresses =
                role::serve_api(supervisor, counters, servers, metrics, self.settings, LAST_REQUESTS);
            tracing::info!(api = addresses.join(","), "the metric store is served");
        }
        Ok(())
    }
}
