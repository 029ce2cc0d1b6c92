//! What the polling agent is told: namespaces, `polling.yaml`, and where samples are sent.

pub(crate) mod dynamic;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use definitions::{DynamicPollsters, Problem, Severity, Source};
use observability::clock::Clock;
use observability::metrics::Metrics;
use observability::secret::Secret;
use openstack::{Traffic, TrafficLimits, TrafficMetrics};
use oslo_config::options::{
    agent, compute, ipmi, messaging, nephoscope, notifications_bus, polling as options, publisher,
    publisher_notifier, rgw_admin_credentials, rgw_client, service_types,
};
use oslo_config::{Config, CredentialsOf};
use oslo_messaging::envelope::Version;
use oslo_messaging::{AmqpMetrics, NotifierConfig};
use polling::config::PollingConfig;
use polling::{NotificationsSettings, Plan, SharedGroups, TaskOptions};
use pollsters::central::{CentralSettings, RgwSettings, ServiceTypes};
use pollsters::compute::{
    ComputeMetrics, ComputeSettings, InstanceDiscovery, LibvirtLimits, UserMetadataRules, libvirt_uri,
};
use pollsters::ipmi::{IpmiMetrics, IpmiSettings};
use pollsters::{NAMESPACES, Namespace, Registry, Tools};

use super::coordination::{self, Coordination};
use super::definitions::read_file;
use super::messaging::sending;
use super::openstack::Sessions;
use crate::check::with_sources;

/// The most samples of a notification, whatever `batch_size` says.
const BATCH_MAX: usize = 100_000;

/// What is polled.
pub(crate) struct PollingFiles {
    pub(crate) namespaces: Vec<&'static Namespace>,
    pub(crate) registry: Arc<Registry>,
    /// Makes the registry anew when the definitions of dynamic pollsters have changed.
    pub(crate) dynamic: dynamic::Maker,
    pub(crate) plan: Plan,
    /// With whom the work is shared, and in which groups.
    pub(crate) sharing: Option<(Coordination, SharedGroups)>,
    /// The file that was read, for the log.
    pub(crate) file: String,
}

/// What is polled, as the files say it at a reload.
pub(crate) struct PolledAgain {
    pub(crate) sources: PollingConfig,
    pub(crate) dynamic: DynamicPollsters,
}

/// Which namespaces an agent of the configuration has, and which of those that are named there are not.
pub(crate) fn namespaces(config: &Config) -> (Vec<&'static Namespace>, Vec<Problem>) {
    let mut namespaces: Vec<&'static Namespace> = Vec::new();
    let mut problems = Vec::new();
    for name in config.get(&agent::POLLING_NAMESPACES) {
        match Namespace::named(name) {
            None => {
                let known: Vec<&str> = NAMESPACES.iter().map(|namespace| namespace.name).collect();
                let hint = format!(
                    "the namespaces are {}; on the command line blanks separate them: --polling-namespaces compute central",
                    known.join(", ")
                );
                problems.push(Problem {
                    severity: Severity::Fatal,
                    path: "[DEFAULT] polling_namespaces".into(),
                    line: 1,
                    column: 1,
                    message: format!("there is no namespace {name:?}"),
                    hint: Some(hint),
                });
            }
            Some(namespace) => namespaces.push(namespace),
        }
    }
    (namespaces, problems)
}

/// Where `polling.yaml` is, if it is anywhere.
pub(crate) fn polling_file(config: &Config) -> Option<PathBuf> {
    let name = config.get(&options::CFG_FILE);
    let given = Path::new(name);
    if given.exists() { Some(given.to_owned()) } else { config.find_file(name) }
}

/// Reads `polling.yaml`. The problems are complete; one of them is [`Severity::Fatal`] when there is nothing.
pub(crate) fn polling_config(config: &Config) -> (Option<(PollingConfig, String)>, Vec<Problem>) {
    let mut problems = Vec::new();
    let Some(path) = polling_file(config) else {
        problems.push(Problem {
            severity: Severity::Fatal,
            path: config.get(&options::CFG_FILE).to_owned(),
            line: 1,
            column: 1,
            message: "there is no such file, neither here nor beside ceilometer.conf nor in /etc/ceilometer"
                .into(),
            hint: Some("write one that says what is polled, or name it in [polling] cfg_file".into()),
        });
        return (None, problems);
    };
    let Some(text) = read_file(&path, &mut Vec::new(), &mut problems) else { return (None, problems) };
    match PollingConfig::parse(Source { path: &text.name, text: &text.text }) {
        Ok((polling, mut found)) => {
            problems.append(&mut found);
            (Some((polling, text.name)), problems)
        }
        Err(mut found) => {
            problems.append(&mut found);
            (None, problems)
        }
    }
}

/// Reads everything about polling that a reload takes. The problems are complete; what is wrong with a definition is
/// [`Severity::Fatal`] as well.
pub(crate) fn read_again(config: &Config) -> (Option<PolledAgain>, Vec<Problem>) {
    let (read, mut problems) = polling_config(config);
    // That they have not changed is seen to by whoever takes this.
    let (namespaces, _) = namespaces(config);
    let (dynamic, mut found) = dynamic::read(config, &namespaces);
    dynamic::refuse_errors(&mut found);
    problems.append(&mut found);
    let is_fatal = problems.iter().any(|problem| problem.severity == Severity::Fatal);
    let read = read.filter(|_| !is_fatal);
    (read.map(|(sources, _)| PolledAgain { sources, dynamic }), problems)
}

/// Everything that is polled. The problems are complete; one of them is [`Severity::Fatal`] when there is nothing.
pub(crate) fn load_polling(
    config: &Config,
    sessions: &Sessions,
    metrics: &Metrics,
) -> (Option<PollingFiles>, Vec<Problem>) {
    let (namespaces, mut problems) = namespaces(config);
    let (read, mut found) = polling_config(config);
    problems.append(&mut found);
    problems.append(&mut unsupported(config));
    let Some((polling, file)) = read else { return (None, problems) };
    let (definitions, mut found) = dynamic::read(config, &namespaces);
    problems.append(&mut found);
    let tools = tools(config, sessions, metrics);
    let dynamic = dynamic::Maker::new(Registry::load(&namespaces, &tools), tools, sessions);
    let (registry, mut found) = dynamic.registry(&definitions);
    problems.append(&mut found);
    let (plan, mut found) = Plan::new(&polling, &registry);
    problems.append(&mut found);
    let coordination = Coordination::new(config, &namespaces).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let sharing = coordination.map(|coordination| {
        problems.extend(coordination.warnings());
        let (groups, mut found) = coordination.groups(&polling, &plan, &registry);
        problems.append(&mut found);
        (coordination, groups)
    });
    if problems.iter().any(|problem| problem.severity == Severity::Fatal) {
        return (None, problems);
    }
    let registry = Arc::new(registry);
    (Some(PollingFiles { namespaces, registry, dynamic, plan, sharing, file }), problems)
}

/// What pollsters are made with.
pub(crate) fn tools(config: &Config, sessions: &Sessions, metrics: &Metrics) -> Tools {
    let cloud = sessions.service(CredentialsOf::Service, "identity", None);
    let requests = TrafficMetrics::register(&metrics.component("openstack"));
    let traffic = Traffic::new(TrafficLimits::default(), Clock::machine(), requests);
    let cloud = cloud.map(|cloud| cloud.with_traffic(traffic)).map_err(|error| with_sources(&error));
    let compute = ComputeMetrics::register(&metrics.component("compute"));
    let ipmi = IpmiMetrics::register(&metrics.component("ipmi"));
    Tools::new(cloud, Clock::machine(), compute_settings(config), compute)
        .with_central(central_settings(config))
        .with_ipmi(ipmi_settings(config), ipmi)
}

/// What the configuration says to the namespace `ipmi`.
fn ipmi_settings(config: &Config) -> IpmiSettings {
    let seconds = u64::try_from(config.get(&nephoscope::IPMI_TIMEOUT)).unwrap_or(1);
    IpmiSettings {
        host: config.get(&agent::HOST).to_owned(),
        command: config.get(&nephoscope::IPMI_COMMAND).to_owned(),
        timeout: Duration::from_secs(seconds).min(IpmiSettings::TIMEOUT_MAX),
        // Negative: all of them.
        polling_retry: u64::try_from(config.get(&ipmi::POLLING_RETRY)).ok(),
    }
}

/// What the configuration says to the namespace `central`.
fn central_settings(config: &Config) -> CentralSettings {
    // Python's truth of a text: an empty one is none.
    let some = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    CentralSettings {
        service_types: ServiceTypes {
            aodh: config.get(&service_types::AODH).to_owned(),
            cinder: config.get(&service_types::CINDER).to_owned(),
            designate: config.get(&service_types::DESIGNATE).to_owned(),
            manila: config.get(&service_types::MANILA).to_owned(),
            neutron: config.get(&service_types::NEUTRON).to_owned(),
            octavia: config.get(&service_types::OCTAVIA).to_owned(),
            radosgw: some(config.get(&service_types::RADOSGW)),
            swift: config.get(&service_types::SWIFT).to_owned(),
        },
        ignore_disabled_projects: config.get(&options::IGNORE_DISABLED_PROJECTS),
        with_python: coordination::is_with_python(config),
        reseller_prefix: config.get(&agent::RESELLER_PREFIX).to_owned(),
        rgw: RgwSettings {
            access_key: some(config.get(&rgw_admin_credentials::ACCESS_KEY)),
            secret_key: some(config.get(&rgw_admin_credentials::SECRET_KEY)).map(Secret::new),
            implicit_tenants: config.get(&rgw_client::IMPLICIT_TENANTS),
            service_name: some(config.get(&rgw_client::RGW_SERVICE_NAME)),
            insecure: config.get(&rgw_client::INSECURE),
            cafile: some(config.get(&rgw_client::CAFILE)),
            tls_min_version: some(config.get(&rgw_client::TLS_MIN_VERSION)),
            tls_max_version: some(config.get(&rgw_client::TLS_MAX_VERSION)),
        },
    }
}

/// What the configuration says to the namespace `compute`.
fn compute_settings(config: &Config) -> ComputeSettings {
    let seconds = |value: i64| Duration::from_secs(u64::try_from(value).unwrap_or(0));
    ComputeSettings {
        host: config.get(&agent::HOST).to_owned(),
        libvirt_uri: libvirt_uri(config.get(&agent::LIBVIRT_TYPE), config.get(&agent::LIBVIRT_URI))
            .to_owned(),
        nova_service_type: config.get(&service_types::NOVA).to_owned(),
        discovery: match config.get(&compute::INSTANCE_DISCOVERY_METHOD) {
            "libvirt_metadata" => InstanceDiscovery::LibvirtMetadata,
            _ => InstanceDiscovery::Nova,
        },
        resource_update_interval: seconds(config.get(&compute::RESOURCE_UPDATE_INTERVAL)),
        resource_cache_expiry: seconds(config.get(&compute::RESOURCE_CACHE_EXPIRY)),
        fetch_extra_metadata: config.get(&compute::FETCH_EXTRA_METADATA),
        report_stopped_instance_metrics: config.get(&compute::REPORT_STOPPED_INSTANCE_METRICS),
        user_metadata: UserMetadataRules {
            namespaces: config.get(&agent::RESERVED_METADATA_NAMESPACE).to_vec(),
            keys: config.get(&agent::RESERVED_METADATA_KEYS).to_vec(),
            length: config.get(&agent::RESERVED_METADATA_LENGTH),
        },
        limits: LibvirtLimits::default(),
    }
}

/// What the configuration asks for, and this version does not do.
fn unsupported(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut warn = |path: &str, message: &str, hint: &str| {
        problems.push(Problem {
            severity: Severity::Warning,
            path: path.into(),
            line: 1,
            column: 1,
            message: message.into(),
            hint: Some(hint.into()),
        });
    };
    if config.get(&options::ENABLE_PROMETHEUS_EXPORTER)
        && config.get(&options::PROMETHEUS_LISTEN_ADDRESSES).is_empty()
    {
        warn(
            "[polling] prometheus_listen_addresses",
            "there is no address on which Prometheus could scrape",
            "write one, for example 127.0.0.1:9101, or switch enable_prometheus_exporter off",
        );
    }
    problems
}

/// What the configuration says to tasks.
pub(crate) fn task_options(config: &Config) -> TaskOptions {
    TaskOptions {
        batch_size: batch_size(config),
        threads: usize::try_from(config.get(&options::THREADS_TO_PROCESS_POLLSTERS)).unwrap_or(1),
        sample_source: config.get(&agent::SAMPLE_SOURCE).to_owned(),
    }
}

/// `[polling] batch_size`, where 0 (and, in Python, everything below) sends each sample by itself.
fn batch_size(config: &Config) -> usize {
    usize::try_from(config.get(&options::BATCH_SIZE)).unwrap_or(1).clamp(1, BATCH_MAX)
}

/// The most that the first cycle waits.
pub(crate) fn jitter(config: &Config) -> Duration {
    Duration::from_secs(u64::try_from(config.get(&nephoscope::POLLING_START_JITTER)).unwrap_or(0))
}

/// Where polled samples are sent.
///
/// # Errors
/// What is wrong with the options of the message bus.
pub(crate) fn notifications(config: &Config, amqp: &AmqpMetrics) -> Result<NotificationsSettings, String> {
    let (url, rabbit) = sending(config).map_err(|error| with_sources(&error))?;
    let mut notifier = NotifierConfig::new("polling", url);
    notifier.options = rabbit;
    config.get(&messaging::CONTROL_EXCHANGE).clone_into(&mut notifier.exchange);
    notifier.topics = config.get(&notifications_bus::TOPICS).to_vec();
    notifier.version = match config.get(&publisher_notifier::TELEMETRY_DRIVER) {
        "messagingv2" => Version::V2,
        "messaging" => Version::V1,
        other => {
            return Err(format!(
                "[publisher_notifier] telemetry_driver = {other} cannot be used; set it to messagingv2 or messaging, or \
                 [polling] enable_notifications to false"
            ));
        }
    };
    Ok(NotificationsSettings {
        notifier,
        secret: config.get(&publisher::TELEMETRY_SECRET).to_owned(),
        batch_size: batch_size(config),
        clock: Clock::machine(),
        amqp: amqp.clone(),
    })
}
