//! `telemetry.polling`: the samples that polling agents send.

use std::fmt;

use model::{Map, MeterKind, Notification, Sample, Subject, Value, signature};

use super::{SampleEndpoint, begins_like};
use crate::error::shown;
use crate::meters::Context;
use crate::{Cause, ConversionError, SampleSettings};

/// The type of these notifications.
const EVENT_TYPE: &str = "telemetry.polling";

/// Takes over each sample of the payload, with its id.
pub struct TelemetryEndpoint {
    /// The key that samples must be signed with.
    secret: Option<String>,
}

impl TelemetryEndpoint {
    /// Takes samples as they come, signed or not, as upstream does.
    #[must_use]
    pub const fn trusting() -> Self {
        Self { secret: None }
    }

    /// Takes only samples that are signed with `secret`; an empty one admits all, as in upstream's
    /// `verify_signature`.
    #[must_use]
    pub const fn verifying(secret: String) -> Self {
        Self { secret: Some(secret) }
    }

    fn admits(&self, message: &Value) -> bool {
        match (&self.secret, message.as_map()) {
            (Some(secret), Some(message)) => signature::verify(message, secret),
            // What is no map is refused for that reason.
            _ => true,
        }
    }
}

impl fmt::Debug for TelemetryEndpoint {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryEndpoint").field("verifies", &self.secret.is_some()).finish()
    }
}

fn sample(
    message: &Value,
    index: usize,
    context: &mut Context<'_>,
    settings: &SampleSettings,
) -> Result<Sample, Cause> {
    let message = message.as_map().ok_or(Cause::Field { field: "map for a sample" })?;
    let required = |field| message.get(field).ok_or(Cause::Field { field });
    let optional = |field| message.get(field).cloned().unwrap_or_default();
    let name = required("counter_name")?;
    let kind = required("counter_type")?;
    let unit = required("counter_unit")?.clone();
    let volume = required("counter_volume")?.clone();
    let user_id = required("user_id")?.clone();
    let project_id = required("project_id")?.clone();
    let resource_id = required("resource_id")?.clone();
    let timestamp = required("timestamp")?.clone();
    let metadata = required("resource_metadata")?;
    let source = required("source")?;
    let id = required("message_id")?;
    Ok(Sample {
        name: name.as_str().ok_or_else(|| Cause::Name { value: shown(name) })?.into(),
        kind: kind
            .as_str()
            .and_then(MeterKind::from_name)
            .ok_or_else(|| Cause::Kind { value: shown(kind) })?,
        unit,
        volume,
        subject: Subject {
            user_id,
            user_name: optional("user_name"),
            project_id,
            project_name: optional("project_name"),
            resource_id,
            resource_metadata: Some(metadata)
                .filter(|metadata| metadata.is_truthy())
                .cloned()
                .unwrap_or_else(|| Map::new().into())
                .into(),
        }
        .into(),
        timestamp,
        source: if source.is_truthy() { source.clone() } else { settings.sample_source.as_str().into() },
        id: if id.is_truthy() {
            model::pytext::to_str(id).into()
        } else {
            context.sample_id(EVENT_TYPE, index)
        },
        monotonic_time: None,
    })
}

impl SampleEndpoint for TelemetryEndpoint {
    fn name(&self) -> &'static str {
        "_sample"
    }

    fn wants(&self, event_type: &str) -> bool {
        begins_like(EVENT_TYPE, event_type)
    }

    fn convert(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
    ) -> Vec<ConversionError> {
        let failure = |cause| ConversionError { definition: EVENT_TYPE.into(), cause };
        let Some(messages) = notification.payload().get("samples").and_then(Value::as_list) else {
            return vec![failure(Cause::Field { field: "payload.samples" })];
        };
        let mut context = Context::new(notification, settings);
        let mut failures = Vec::new();
        samples.reserve(messages.len());
        for (index, message) in messages.iter().enumerate() {
            if !self.admits(message) {
                failures.push(failure(Cause::Signature));
                continue;
            }
            match sample(message, index, &mut context, settings) {
                Ok(sample) => samples.push(sample),
                Err(cause) => failures.push(failure(cause)),
            }
        }
        failures
    }
}
