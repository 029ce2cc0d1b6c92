//! [`Hypervisor`]: this host's hypervisor, by way of libvirt.
//!
//! One bulk call a cycle tells of every domain ([`Survey`]); what domains look like ([`Definition`]) is read once, and
//! again when libvirt tells of a change. `docs/libvirt.md` says what becomes of domains that hang, and of a daemon that
//! comes and goes.

mod bulk;
mod definition;
mod definitions;
mod lanes;
mod one_by_one;
mod record;
mod tls;
mod unwritten;

use std::collections::HashSet;
use std::sync::Arc;

use libvirt::{ConnectOptions, DomainState, Error, Uri};
use observability::clock::Clock;
use tokio::sync::Mutex;
use uuid::Uuid;

use self::bulk::Way;
pub(super) use self::definition::{Definition, NoInstance, NovaInstance};
use self::definitions::Definitions;
use self::lanes::{Lanes, Told};
use self::unwritten::Answer;
use super::{ComputeMetrics, ComputeSettings, LibvirtLimits, Survey};
use crate::{Cycle, MakeError};

/// The name by which QEMU's driver calls itself.
const QEMU: &str = "QEMU";
/// Readings that are begun in one cycle while connections are lost. That the last one has ended meanwhile may be noticed
/// by the first.
const ATTEMPTS: usize = 3;

/// This host's hypervisor. Nothing is opened before the first reading, and a daemon that is not there is looked for again
/// in each cycle.
#[derive(Debug)]
pub struct Hypervisor {
    uri: String,
    limits: LibvirtLimits,
    clock: Clock,
    metrics: ComputeMetrics,
    /// One reading at a time: two would find the same domain hanging twice.
    desk: Mutex<Desk>,
}

/// What one reading leaves for the next.
#[derive(Debug)]
struct Desk {
    lanes: Lanes,
    definitions: Definitions,
    /// Whether the driver is QEMU's, whose domains are processes that may hang.
    is_qemu: bool,
    way: Way,
    hung: HashSet<Uuid>,
    /// What is known of disks that have not been written.
    unwritten: Vec<Answer>,
    /// How the last reading ended; nobody knows before the first.
    was_well: Option<bool>,
}

/// Why the hypervisor cannot be read in this cycle. The next one tries again.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SurveyError {
    /// libvirt gave no answer, or refused.
    #[error("libvirt ({uri}): {}", chain(.source))]
    Libvirt {
        /// Its URI.
        uri: String,
        /// Why.
        source: Error,
    },
}

impl SurveyError {
    /// The label under which it is counted.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Libvirt { source, .. } => source.cause(),
        }
    }
}

/// An error with what lies behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// A survey with the definitions of its domains: one of a cycle, in its cache.
#[derive(Debug)]
pub(super) struct Sighting {
    /// What every domain uses.
    pub(super) survey: Arc<Result<Survey, SurveyError>>,
    /// The domains whose definition is known, in libvirt's order.
    pub(super) domains: Vec<Sighted>,
}

/// A domain whose definition is known.
#[derive(Debug)]
pub(super) struct Sighted {
    pub(super) uuid: Uuid,
    pub(super) state: DomainState,
    /// The same as long as the domain is defined the same.
    pub(super) definition: Arc<Definition>,
}

/// A reading that succeeded.
#[derive(Debug, Default)]
struct Seen {
    survey: Survey,
    domains: Vec<Sighted>,
}

impl Hypervisor {
    /// The hypervisor of those settings.
    ///
    /// # Errors
    /// [`MakeError`] when the URI cannot work.
    pub fn new(settings: &ComputeSettings, clock: Clock, metrics: ComputeMetrics) -> Result<Self, MakeError> {
        let limits = settings.limits.clone();
        let options = ConnectOptions {
            call_timeout: limits.call,
            connect_timeout: limits.call,
            ..ConnectOptions::default()
        };
        Self::with_options(settings, options, clock, metrics)
    }

    fn with_options(
        settings: &ComputeSettings,
        options: ConnectOptions,
        clock: Clock,
        metrics: ComputeMetrics,
    ) -> Result<Self, MakeError> {
        let uri = settings.libvirt_uri.as_str();
        let parsed: Uri = uri.parse().map_err(|error| MakeError {
            message: format!("[DEFAULT] libvirt_uri = {uri}: {error}"),
            hint: "leave it out for the hypervisor of this host".into(),
        })?;
        let limits = settings.limits.clone();
        let desk = Desk {
            lanes: Lanes::new(&parsed, options, limits.stuck_calls_max, metrics.clone()),
            definitions: Definitions::new(&settings.host, settings.resource_update_interval),
            is_qemu: parsed.driver == "qemu",
            way: Way::default(),
            hung: HashSet::new(),
            unwritten: Vec::new(),
            was_well: None,
        };
        Ok(Self { uri: uri.to_owned(), limits, clock, metrics, desk: Mutex::new(desk) })
    }

    async fn sight(&self) -> Sighting {
        let mut desk = self.desk.lock().await;
        let started = self.clock.monotonic();
        self.metrics.surveys.inc();
        let read = self.read(&mut desk).await;
        desk.lanes.tidy().await;
        desk.lanes.show();
        self.metrics.survey_duration.observe(self.clock.elapsed(started).as_secs_f64());
        let was_well = desk.was_well.replace(read.is_ok());
        drop(desk);
        match read {
            Ok(Seen { survey, domains }) => {
                if was_well != Some(true) {
                    tracing::info!(uri = self.uri, domains = survey.domains.len(), "libvirt is read");
                }
                self.metrics.domains.set(i64::try_from(survey.domains.len()).unwrap_or(i64::MAX));
                Sighting { survey: Arc::new(Ok(survey)), domains }
            }
            Err(source) => {
                let error = SurveyError::Libvirt { uri: self.uri.clone(), source };
                self.metrics.survey_errors.with([error.cause()]).inc();
                if was_well == Some(false) {
                    tracing::debug!("{error}");
                } else {
                    tracing::warn!(
                        cause = error.cause(),
                        "no domain can be read; it is tried again in each cycle, and said when it is well again: {error}"
                    );
                }
                Sighting { survey: Arc::new(Err(error)), domains: Vec::new() }
            }
        }
    }

    /// One reading, begun again should the daemon that was there the last time go away or be away.
    async fn read(&self, desk: &mut Desk) -> Result<Seen, Error> {
        let mut attempts = 1;
        loop {
            let error = match self.attempt(desk).await {
                Err(error)
                    if error.is_disconnection() && desk.was_well == Some(true) && attempts < ATTEMPTS =>
                {
                    error
                }
                other => return other,
            };
            attempts += 1;
            tracing::info!(
                seconds = self.limits.restart.as_secs(),
                "libvirt has gone away, and is waited for: {}",
                chain(&error)
            );
            desk.lanes.wait(self.limits.restart).await?;
        }
    }

    async fn attempt(&self, desk: &mut Desk) -> Result<Seen, Error> {
        if desk.lanes.open().await? {
            // What has happened meanwhile, nobody tells.
            desk.definitions.doubt_all();
            desk.way = Way::default();
            let connection = desk.lanes.first()?;
            desk.is_qemu = match self.counted("ConnectGetType", connection.driver_name()).await {
                Ok(driver) => driver == QEMU,
                Err(error) if error.is_disconnection() => return Err(error),
                Err(_) => desk.is_qemu,
            };
        }
        match desk.lanes.told() {
            Told::Changed(domains) => desk.definitions.doubt(&domains),
            Told::Everything => desk.definitions.doubt_all(),
            Told::Nothing => desk.definitions.doubt_old(self.clock.monotonic()),
        }
        self.read_all(desk).await
    }

    /// A call, counted.
    async fn counted<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.metrics.calls.with([name]).inc();
        let answer = call.await;
        if let Err(error) = &answer {
            self.metrics.call_errors.with([name, error.cause()]).inc();
        }
        answer
    }
}

impl Survey {
    /// What the hypervisor says of all its domains in this cycle: read by whoever asks first, and shared.
    pub async fn of(cycle: &Cycle, hypervisor: &Hypervisor) -> Arc<Result<Self, SurveyError>> {
        Arc::clone(&Sighting::of(cycle, hypervisor).await.survey)
    }
}

impl Sighting {
    /// As [`Survey::of`].
    pub(super) async fn of(cycle: &Cycle, hypervisor: &Hypervisor) -> Arc<Self> {
        cycle.cache.get_or_make(|| Box::pin(hypervisor.sight())).await
    }
}
