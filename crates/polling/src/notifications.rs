//! [`Notifications`]: the publisher that sends polled samples to the message bus, as Ceilometer's polling agent does.
//!
//! Each notification has the event type `telemetry.polling`, the publisher id `ceilometer.polling`, the priority `SAMPLE`, and
//! the payload `{"samples": [...]}` of signed metering messages, at most `batch_size`. **Accepted** means that
//! the broker has confirmed it for every topic. Until then the pipeline's queue keeps the samples, in memory and then on disk.

use std::collections::HashSet;
use std::sync::Arc;

use definitions::{Problem, Source};
use model::signature::Signer;
use model::{Sample, SampleId};
use observability::clock::Clock;
use oslo_messaging::{AmqpMetrics, Notifier, NotifierConfig, NotifyError, Outgoing, Payload, Retry};
use pipeline::config::PipelineConfig;
use pipeline::{
    BuildError, PublishError, Publisher, PublisherFactory, PublisherUrl, Publishing, Records, RecordsKind,
    Refusal, Refusals,
};

/// The publisher's name in logs, metrics and the directory of its buffer.
pub const BUS: &str = "notifications://telemetry.polling";

const EVENT_TYPE: &str = "telemetry.polling";
const PUBLISHER_ID: &str = "ceilometer.polling";
const PRIORITY: &str = "SAMPLE";
/// Room for a payload that is kept, in bytes: what usual batches take.
const PAYLOAD_KEPT: usize = 256 * 1024;
/// Attempts of one delivery after the first: a connection that has died shows at the first.
const RETRIES: u32 = 1;

/// Every sample, to the bus.
const PIPELINE: &str = "
sources: [{name: polling, meters: ['*'], sinks: [bus]}]
sinks: [{name: bus, publishers: ['notifications://telemetry.polling']}]
";

/// The pipeline of an agent that sends every sample to the message bus.
///
/// # Errors
/// None: the text is a constant.
pub fn bus_pipeline() -> Result<PipelineConfig, Vec<Problem>> {
    PipelineConfig::parse(
        Source { path: "built-in pipeline of the polling agent", text: PIPELINE },
        RecordsKind::Samples,
    )
}

/// What the configuration says to it.
#[derive(Debug, Clone)]
pub struct NotificationsSettings {
    /// Where to send, and how. Its retries are the pipeline's part.
    pub notifier: NotifierConfig,
    /// `[publisher] telemetry_secret`.
    pub secret: String,
    /// Samples in one notification (`[polling] batch_size`); more than 0.
    pub batch_size: usize,
    /// For the time in messages.
    pub clock: Clock,
    /// The metrics of every AMQP connection.
    pub amqp: AmqpMetrics,
}

/// Makes the publisher of [`bus_pipeline`].
#[derive(Debug)]
pub struct BusPublishers(pub NotificationsSettings);

impl PublisherFactory for BusPublishers {
    fn build(&self, _url: &PublisherUrl, _kind: RecordsKind) -> Result<Box<dyn Publisher>, BuildError> {
        Ok(Box::new(Notifications::new(&self.0)?))
    }

    fn check(&self, _url: &PublisherUrl, _kind: RecordsKind) -> Result<(), BuildError> {
        Notifications::new(&self.0).map(drop)
    }
}

/// Sends samples as notifications.
#[derive(Debug)]
pub struct Notifications {
    notifier: Notifier,
    signer: Signer,
    /// Kept, so that their memory is.
    room: Vec<u8>,
    payload: Vec<u8>,
    batch_size: usize,
    clock: Clock,
    /// Samples that were confirmed in an attempt which failed later on: they are not sent again.
    confirmed: HashSet<SampleId>,
}

/// A sample and where it stands among those to be published.
struct Placed<'s> {
    group: usize,
    record: usize,
    sample: &'s Arc<Sample>,
}

impl Notifications {
    /// It connects when the first sample comes.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for options that can never work.
    pub fn new(settings: &NotificationsSettings) -> Result<Self, BuildError> {
        let mut config = settings.notifier.clone();
        config.retry = Retry::Times(RETRIES);
        let notifier = Notifier::new(config, &settings.amqp).map_err(|error| BuildError::Configuration {
            message: error.to_string(),
            hint: "see [oslo_messaging_notifications] and [oslo_messaging_rabbit]".into(),
        })?;
        Ok(Self {
            notifier,
            signer: Signer::new(&settings.secret),
            room: Vec::new(),
            payload: Vec::new(),
            batch_size: settings.batch_size.max(1),
            clock: settings.clock.clone(),
            confirmed: HashSet::new(),
        })
    }

    async fn publish_all(&mut self, groups: &[Records]) -> Result<Refusals, PublishError> {
        let mut refusals = Refusals::default();
        // Those that wait together share a notification, whichever pollsters they come from.
        let waiting: Vec<Placed<'_>> = groups
            .iter()
            .enumerate()
            .flat_map(|(group, records)| {
                // The pipeline brings samples alone.
                let samples = match records {
                    Records::Samples(samples) => samples.as_slice(),
                    Records::Events(_) => &[],
                };
                samples.iter().enumerate().map(move |(record, sample)| Placed { group, record, sample })
            })
            .filter(|placed| !self.confirmed.contains(&placed.sample.id))
            .collect();
        let mut sent: Vec<&[Placed<'_>]> = Vec::new();
        for batch in waiting.chunks(self.batch_size) {
            match self.send(batch, &mut refusals).await {
                Ok(()) => sent.push(batch),
                Err(error) if error.is_about_the_message() => {
                    for Placed { group, record, .. } in batch {
                        let (cause, reason) = (error.cause(), error.to_string());
                        refusals.push(Refusal { group: *group, record: *record, cause, reason });
                    }
                }
                Err(error) => {
                    let sent = sent.into_iter().flatten().map(|placed| placed.sample.id.clone());
                    self.confirmed.extend(sent);
                    return Err(failure(&error));
                }
            }
        }
        self.confirmed.clear();
        Ok(refusals)
    }

    /// Sends one notification. A sample with an infinity or NaN, which JSON does not have, is refused.
    async fn send(&mut self, batch: &[Placed<'_>], refusals: &mut Refusals) -> Result<(), NotifyError> {
        let Self { signer, room, payload, .. } = self;
        payload.clear();
        payload.shrink_to(PAYLOAD_KEPT);
        payload.extend_from_slice(b"{\\\"samples\\\": [");
        let mut is_empty = true;
        for Placed { group, record, sample } in batch {
            if !sample.is_finite() {
                let reason = "an infinity or NaN, which JSON does not have".to_owned();
                refusals.push(Refusal { group: *group, record: *record, cause: "not_finite", reason });
                continue;
            }
            if !std::mem::take(&mut is_empty) {
                payload.extend_from_slice(b", ");
            }
            sample.write_quoted_wire(signer, room, payload);
        }
        payload.extend_from_slice(b"]}");
        if is_empty {
            return Ok(());
        }
        let outgoing = Outgoing {
            publisher_id: PUBLISHER_ID,
            event_type: EVENT_TYPE,
            priority: PRIORITY,
            // All numbers are finite, so it is JSON.
            payload: Payload::Quoted(&self.payload),
            context: &[],
            timestamp: self.clock.now(),
            message_id: None,
        };
        self.notifier.notify(&outgoing).await
    }
}

impl Publisher for Notifications {
    fn publish(&mut self, groups: Arc<[Records]>) -> Publishing<'_> {
        Box::pin(async move { self.publish_all(&groups).await })
    }
}

fn failure(error: &NotifyError) -> PublishError {
    PublishError { cause: error.cause(), message: error.with_sources() }
}
