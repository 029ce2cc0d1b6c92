//! What the tests share: an agent's part that reads one libvirtd.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nephoscope_pollsters::compute::{
    ComputeMetrics, ComputeSettings, Hypervisor, Inspection, Instance, LibvirtLimits, Survey, SurveyError,
    local_instances,
};
use nephoscope_pollsters::{Cycle, Discovery, DiscoveryError, Resource, Tools};
use observability::clock::Clock;
use observability::metrics::Metrics;

/// Wait for what should come at once.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// How long the statistics of all domains are waited for, in tests in which domains hang: far more than an answer takes
/// that waits for nothing, on a busy machine too.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);

/// Limits for tests in which nothing hangs.
pub(crate) fn patient() -> LibvirtLimits {
    LibvirtLimits { deadline: PATIENCE, repeat_deadline: PATIENCE, ..LibvirtLimits::default() }
}

/// Limits for tests in which something does.
pub(crate) fn impatient() -> LibvirtLimits {
    LibvirtLimits { deadline: DEADLINE, repeat_deadline: DEADLINE, ..LibvirtLimits::default() }
}

/// An agent's part that reads a libvirtd.
pub(crate) struct World {
    pub(crate) hypervisor: Arc<Hypervisor>,
    discovery: Box<dyn Discovery>,
    metrics: Metrics,
}

/// What one cycle finds.
pub(crate) struct Found {
    pub(crate) survey: Arc<Result<Survey, SurveyError>>,
    pub(crate) instances: Result<Vec<Arc<Instance>>, DiscoveryError>,
}

impl World {
    pub(crate) fn new(uri: &str, limits: LibvirtLimits) -> Self {
        let settings =
            ComputeSettings { libvirt_uri: uri.to_owned(), limits, ..ComputeSettings::new("node-1") };
        let metrics = Metrics::new();
        let counters = ComputeMetrics::register(&metrics.component("compute"));
        let tools = Tools::new(Err("no cloud".into()), Clock::machine(), settings, counters);
        let hypervisor = tools.hypervisor().unwrap();
        Self { hypervisor, discovery: local_instances(&tools).unwrap(), metrics }
    }

    /// A cycle in which a discovery and a pollster ask.
    pub(crate) async fn cycle(&self) -> Found {
        let cycle = Cycle::new(Clock::machine());
        let found = self.discovery.discover(&cycle, None).await;
        let survey = Survey::of(&cycle, &self.hypervisor).await;
        let instance = |resource: &Resource| Arc::clone(resource.instance().unwrap());
        Found { survey, instances: found.map(|found| found.iter().map(instance).collect()) }
    }

    /// A cycle that must succeed.
    pub(crate) async fn well(&self) -> Found {
        let found = self.cycle().await;
        if let Err(error) = &*found.survey {
            panic!("{error}");
        }
        found
    }

    /// Cycles until one finds what is wanted.
    pub(crate) async fn until(&self, what: &str, is_there: impl Fn(&Found) -> bool) -> Found {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.cycle().await;
            if is_there(&found) {
                return found;
            }
            assert!(Instant::now() < end, "{what}: {:?}", found.survey);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A metric without labels, or the sum over all labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.prometheus_text();
        let name = format!("nephoscope_compute_{name}");
        let of = |line: &&str| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with([' ', '{']));
        let values =
            text.lines().filter(of).map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
        values.sum()
    }
}

impl Found {
    pub(crate) fn survey(&self) -> &Survey {
        self.survey.as_ref().as_ref().unwrap()
    }

    pub(crate) fn error(&self) -> &SurveyError {
        self.survey.as_ref().as_ref().unwrap_err()
    }

    pub(crate) fn domain(&self, uuid: &str) -> &Inspection {
        self.survey().domains.get(uuid).unwrap_or_else(|| panic!("{uuid} in {:?}", self.survey()))
    }

    /// The instances by id.
    pub(crate) fn instances(&self) -> BTreeMap<&str, &Arc<Instance>> {
        self.instances.as_ref().unwrap().iter().map(|instance| (instance.id.as_str(), instance)).collect()
    }

    /// Something that an instance's samples say.
    pub(crate) fn says(&self, id: &str, key: &str) -> Option<String> {
        let instance = self.instances().get(id).copied().cloned()?;
        instance.metadata.plain().get(key).and_then(|value| value.as_str()).map(str::to_owned)
    }

    /// The domains that are marked as hung.
    pub(crate) fn hung(&self) -> Vec<&str> {
        let mut hung: Vec<&str> = self
            .survey()
            .domains
            .iter()
            .filter(|(_, found)| found.is_hung)
            .map(|(uuid, _)| uuid.as_str())
            .collect();
        hung.sort_unstable();
        hung
    }
}
